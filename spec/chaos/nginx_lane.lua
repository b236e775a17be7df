-- Sends from inside a real nginx.

local dns = require "spec.support.dns"
local nginx = require "spec.support.nginx"

local HTTP = [[
  resolver 127.0.0.1:%d ipv6=off;
  lua_ssl_trusted_certificate "%s";
  lua_ssl_verify_depth 3;
  lua_ssl_protocols TLSv1.2 TLSv1.3;
  lua_socket_log_errors off;
]]
local SERVER = [[
    location = /chaos { content_by_lua_block { require("spec.chaos.in_nginx").serve() } }
]]

local function attempts_of(text)
  local rows = {}
  for outcome, stale in text:gmatch("([%w_]+)(%*?)") do
    rows[#rows + 1] = { outcome = outcome, stale = stale == "*" or nil }
  end
  return rows
end

local function escaped(text)
  return (text:gsub("[^%w]", function(byte) return ("%%%02X"):format(byte:byte()) end))
end

-- nginx matches a certificate by a name, never by an address.
local function named(url)
  return (url:gsub("^https://127%.0%.0%.1", "https://localhost"))
end

local function run(server, options, report)
  local path = ("/chaos?url=%s&first=%d&last=%d&seed=%d&timeout=%s&pause=%s"):format(
    escaped(named(options.url)), options.first, options.last, options.seed, options.timeout,
    options.pause or 0)
  for line in server:ask(path):gmatch("[^\n]+") do
    local reference, id, outcome, attempts = line:match("^(%d+) (%S+) (%S+) ?(.*)$")
    local account = { outcome = outcome, attempts = attempts_of(attempts) }
    report(tonumber(reference), id ~= "-" and { id = id } or nil, account)
  end
end

--- A lane: options are url, ca_file, first, last, seed and timeout.
return function(options, report)
  local names = dns.start()
  local server = nginx.start {
    http = HTTP:format(names.port, options.ca_file), server = SERVER,
  }
  local ok, problem = pcall(run, server, options, report)
  if not ok then problem = tostring(problem) .. "\n" .. server:log() end
  server:stop()
  names:stop()
  if not ok then error(problem, 0) end
end
