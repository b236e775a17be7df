-- Starts the chaos server and talks to it.

local socket = require "socket"

local Station = {}
Station.__index = Station

local function connected(port)
  local control = assert(socket.tcp())
  control:settimeout(30)
  assert(control:connect("127.0.0.1", port))
  return control
end

-- In a process group of its own, a signal to the terminal's group leaves it time to clean up.
-- Whatever happens, it does not compute for ever.
local COMMAND = "ulimit -t 300; set -- lua5.4 spec/chaos/server.lua %d; "
  .. 'if command -v setsid >/dev/null; then exec setsid "$@"; fi; exec "$@"'

--- Starts a server. Do it before opening sockets: a child inherits them.
---@param seed integer
---@return table station with what the server printed: http, https, fair_http, fair_https, ca_file
local function start(seed)
  local pipe = assert(io.popen(COMMAND:format(seed), "r"))
  local station = setmetatable({ pipe = pipe }, Station)
  repeat
    local line = assert(pipe:read("*l"), "the chaos server did not start")
    local name, value = line:match("(%S+) (.*)")
    station[name] = value
  until name == "control"
  station.control = connected(tonumber(station.control))
  return station
end

--- What the server saw, once every connection has ended: rows by reference, each with `received`,
--- `accepted`, and `has_raced` when unasked bytes came just before it; how often each fate befell
--- something; the number of connections.
---@return table rows
---@return table fates
---@return integer n_connections
function Station:report()
  assert(self.control:send("report\n"))
  local rows, fates = {}, {}
  while true do
    local line = assert(self.control:receive("*l"))
    local reference, received, accepted, raced = line:match("^message (%d+) (%d+) (%d+) (%d)$")
    local times, name = line:match("^fate (%d+) (.*)$")
    local n_connections = line:match("^connections (%d+)$")
    if reference then
      rows[tonumber(reference)] = {
        received = tonumber(received), accepted = tonumber(accepted), has_raced = raced == "1",
      }
    elseif times then
      fates[name] = tonumber(times)
    elseif n_connections then
      fates.connections = tonumber(n_connections)
    else
      return rows, fates
    end
  end
end

function Station:stop()
  self.control:close()
  self.pipe:close()
end

return { start = start }
