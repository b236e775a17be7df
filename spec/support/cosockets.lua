-- A real nginx that sends, a server of bad weather for it to send to, and a name server.

local cjson = require "cjson"
local dns = require "spec.support.dns"
local nginx = require "spec.support.nginx"
local sandbox = require "spec.support.sandbox"
local verdict = require "spec.support.verdict"
local wire = require "spec.support.wire"

local HTTP = [[
  resolver 127.0.0.1:%d ipv6=off;
  resolver_timeout 1s;
  lua_ssl_trusted_certificate "%s";
  lua_ssl_verify_depth 3;
  lua_ssl_protocols TLSv1.2 TLSv1.3;
  lua_socket_log_errors off;
]]

local SERVER = [[
    location = /send { content_by_lua_block { require("spec.support.nginx_send").serve() } }
    location = /ping { content_by_lua_block { ngx.print("pong") } }
]]

local Cosockets = {}
Cosockets.__index = Cosockets

Cosockets.MESSAGE = { from = "+18445550001", to = "+18665550001", text = "Hello, World!" }
Cosockets.LONG = { timeout = 20, connect_timeout = 20 }

--- Starts them all.
---@return table cosockets with `station` (of wire) and `server` (of nginx)
function Cosockets.start()
  local self = setmetatable({ opened = {} }, Cosockets)
  self.station = wire.start()
  self.names = dns.start()
  self.server = nginx.start {
    http = HTTP:format(self.names.port, self.station:certificates().ca_file),
    server = SERVER,
  }
  self.signal = self.server.program.folder .. "/go"
  return self
end

function Cosockets:stop()
  for _, one in ipairs { self.server or false, self.names or false, self.station or false } do
    if one then one:stop() end
  end
end

--- nginx verifies names and not addresses.
function Cosockets.address(scheme, port, name)
  return ("%s://%s:%d/v2"):format(scheme, name or "localhost", port)
end

--- Opens a listener of the station, with the url by which nginx is to reach it.
---@param scheme string
---@param scripts table
---@param tls string|nil another certificate than the good one
function Cosockets:listen(scheme, scripts, tls)
  scripts.tls = tls or scheme == "https" and "good" or nil
  local listener = self.station:listen(scripts)
  self.opened[#self.opened + 1] = listener
  listener.url = self.address(scheme, listener.port)
  return listener
end

--- Closes every listener.
function Cosockets:close()
  for _, listener in ipairs(self.opened) do listener:close() end
  self.opened = {}
end

--- A step: one attempt, below the seam.
function Cosockets.attempt(url, limits, options)
  local all = { api_key = verdict.KEY, base_url = url }
  for name, value in pairs(options or {}) do all[name] = value end
  return { op = "attempt", options = all, message = Cosockets.MESSAGE,
    limits = limits or Cosockets.LONG }
end

--- Does the steps in one request, so in one worker, and returns their results.
function Cosockets:inside(...)
  return cjson.decode(self.server:ask("/send", cjson.encode { ... }))
end

--- Waits until a step holds.
function Cosockets:wait_held()
  local path = self.signal .. ".held"
  sandbox.wait(function() return sandbox.read_file(path) end, "the worker to be held up")
end

--- Does the steps, of which those that wait or hold do so until `work()` is done.
function Cosockets:with_signal(steps, work)
  local path = self.signal
  for _, step in ipairs(steps) do
    step.path = path
    if step.hold then step.hold.path = path end
  end
  local answer = self.server:begin("/send", cjson.encode(steps))
  local ok, problem = pcall(work)
  assert(io.open(path, "w")):close()
  local text = answer()
  os.remove(path)
  os.remove(path .. ".held")
  assert(ok, problem)
  return cjson.decode(text)
end

return Cosockets
