-- Sends from inside a real nginx.

local nginx = require "spec.support.nginx"

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

local function run(server, options, report)
  local path = ("/chaos?url=%s&ca=%s&first=%d&last=%d&seed=%d&timeout=%s&pause=%s"):format(
    escaped(options.url), escaped(options.ca_file), options.first, options.last, options.seed,
    options.timeout, options.pause or 0)
  for line in server:ask(path):gmatch("[^\n]+") do
    local reference, id, outcome, attempts = line:match("^(%d+) (%S+) (%S+) ?(.*)$")
    local account = { outcome = outcome, attempts = attempts_of(attempts) }
    report(tonumber(reference), id ~= "-" and { id = id } or nil, account)
  end
end

--- A lane: options are url, ca_file, first, last, seed and timeout.
return function(options, report)
  local server = nginx.start { http = "", server = SERVER }
  local ok, problem = pcall(run, server, options, report)
  if not ok then problem = tostring(problem) .. "\n" .. server:log() end
  server:stop()
  if not ok then error(problem, 0) end
end
