-- A real nginx that sends, and a server of bad weather for it to send to.

local cjson = require "cjson"
local nginx = require "spec.support.nginx"
local sandbox = require "spec.support.sandbox"
local verdict = require "spec.support.verdict"
local wire = require "spec.support.wire"

local SERVER = [[
    location = /send { content_by_lua_block { require("spec.support.nginx_send").serve() } }
    location = /ping { content_by_lua_block { ngx.print("pong") } }
]]

local Peers = {}
Peers.__index = Peers

Peers.MESSAGE = { from = "+18445550001", to = "+18665550001", text = "Hello, World!" }
Peers.LONG = { timeout = 20, connect_timeout = 20 }

--- Starts them all.
---@return table peers with `station` (of wire) and `server` (of nginx)
function Peers.start()
  local self = setmetatable({ opened = {} }, Peers)
  self.station = wire.start()
  Peers.ca_file = self.station:certificates().ca_file
  self.server = nginx.start { http = "", server = SERVER }
  self.signal = self.server.program.folder .. "/go"
  return self
end

function Peers:stop()
  for _, one in ipairs { self.server or false, self.station or false } do
    if one then one:stop() end
  end
end

function Peers.address(scheme, port, name)
  return ("%s://%s:%d/v2"):format(scheme, name or "localhost", port)
end

--- Opens a listener of the station, with the url by which nginx is to reach it.
---@param scheme string
---@param scripts table
---@param tls string|nil another certificate than the good one
function Peers:listen(scheme, scripts, tls)
  scripts.tls = tls or scheme == "https" and "good" or nil
  local listener = self.station:listen(scripts)
  self.opened[#self.opened + 1] = listener
  listener.url = self.address(scheme, listener.port)
  return listener
end

--- Closes every listener.
function Peers:close()
  for _, listener in ipairs(self.opened) do listener:close() end
  self.opened = {}
end

--- A step: one attempt, below the seam.
function Peers.attempt(url, limits, options)
  local all = { api_key = verdict.KEY, base_url = url, ca_file = Peers.ca_file }
  for name, value in pairs(options or {}) do all[name] = value end
  return { op = "attempt", options = all, message = Peers.MESSAGE,
    limits = limits or Peers.LONG }
end

--- Does the steps in one request, so in one worker, and returns their results.
function Peers:inside(...)
  return cjson.decode(self.server:ask("/send", cjson.encode { ... }))
end

--- Waits until a step holds.
function Peers:wait_held()
  local path = self.signal .. ".held"
  sandbox.wait(function() return sandbox.read_file(path) end, "the worker to be held up")
end

--- Does the steps, of which those that wait or hold do so until `work()` is done.
function Peers:with_signal(steps, work)
  local path = self.signal
  for _, step in ipairs(steps) do
    step.path = path
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

return Peers
