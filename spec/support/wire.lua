-- Bad weather over real sockets, for specs.
--
--   local wire = require "spec.support.wire"
--   local station = wire.start()                       -- one server process, many listeners
--   local listener = station:listen { { wire.request, wire.rst }, wire.SERVICE }
--   ... send to listener.url ...
--   local seen = listener:seen()                       -- seen.whole, seen.connections[i].requests
--   station:stop()
--
-- A script is a list of steps. `listen` takes one script for each connection in the order they are
-- accepted; the last one serves all further connections. With `tls = "good"` (or "wrong_name",
-- "expired", "untrusted") the listener speaks TLS before its scripts begin. After its last step a
-- script keeps the connection open and reads on.

local cjson = require "cjson"
local socket = require "socket"

local wire = {}

local CEILING = 10

-- Steps without arguments.
wire.request = { op = "request" } -- read one whole request
wire.head = { op = "head" } -- read a request's headers, and no more than comes with them
wire.arrival = { op = "arrival" } -- wait until something can be read, and do not read it
wire.accept = { op = "accept", status = 200 } -- answer as the service does, with an id of its own
wire.fin = { op = "fin" } -- end the stream politely, then read on
wire.cut = { op = "cut" } -- end the TCP stream with no goodbye of TLS, then read on
wire.close = { op = "close" } -- close at once, whatever is unread
wire.rst = { op = "rst" } -- reset the TCP connection, under TLS too
wire.stall = { op = "stall" } -- read, and say nothing more
wire.deaf = { op = "deaf" } -- neither read nor write any more

--- Reads exactly `count` bytes more.
function wire.bytes(count)
  return { op = "bytes", count = count }
end

--- Sends these bytes as they are.
function wire.send(bytes)
  return { op = "send", bytes = bytes }
end

--- Sends these bytes one by one.
function wire.drip(bytes, interval)
  return { op = "drip", bytes = bytes, interval = interval }
end

--- Sends these bytes again and again until the peer leaves.
function wire.forever(bytes)
  return { op = "forever", bytes = bytes }
end

--- Sends a whole reply; headers are a list of { name, value }; no body means no Content-Length.
function wire.reply(status, body, headers)
  return { op = "reply", status = status, body = body, headers = headers }
end

--- Answers as the service does, with another 2xx status.
function wire.accept_with(status)
  return { op = "accept", status = status }
end

--- The first `n` bytes of a record of TLS, at most 25, and no more.
function wire.part(n)
  return { op = "part", n = n }
end

function wire.pause(seconds)
  return { op = "pause", seconds = seconds }
end

--- Waits until the spec says `listener:open(name)`.
function wire.gate(name)
  return { op = "gate", name = name }
end

--- Repeats these steps until the peer leaves.
function wire.loop(steps)
  return { op = "loop", steps = steps }
end

--- The script of a service in good weather.
wire.SERVICE = { wire.loop { wire.request, wire.accept } }

local Listener = {}
Listener.__index = Listener

local Station = {}
Station.__index = Station

function Station:order(order)
  assert(self.control:send(cjson.encode(order) .. "\n"))
  local line = assert(self.control:receive("*l"))
  local answer = cjson.decode(line)
  if answer.trouble then
    error("wire server: " .. answer.trouble, 3)
  end
  return answer
end

-- cjson makes floats; a port has to print as an integer.
function Station:port_of(order)
  return math.floor(self:order(order).port)
end

local function url_of(scheme, port)
  return ("%s://127.0.0.1:%d/v2"):format(scheme, port)
end

--- Opens a listener. `scripts` is a list of scripts; its `tls` field names a certificate.
---@param scripts table
---@return table listener with host, port and url
function Station:listen(scripts)
  local list = {}
  for i, script in ipairs(scripts) do
    list[i] = script
  end
  local port = self:port_of { command = "listen", scripts = list, tls = scripts.tls }
  return setmetatable({
    station = self,
    host = "127.0.0.1",
    port = port,
    url = url_of(scripts.tls and "https" or "http", port),
  }, Listener)
end

--- A port that refuses connections as long as the station lives.
function Station:refusing_port()
  return self:port_of { command = "refusing" }
end

--- A port that lets connections wait for ever.
function Station:full_port()
  return self:port_of { command = "full" }
end

--- The paths of the authority that signed "good", "wrong_name" and "expired" (ca_file), and of the
--- one that signed "untrusted" (stranger_ca_file).
function Station:certificates()
  return self:order { command = "certificates" }
end

--- Ends the server process, with all its listeners and files.
function Station:stop()
  if self.pipe then
    self.control:close()
    self.pipe:close()
    self.pipe = nil
  end
end

--- What the listener has seen so far: `whole` requests, and `connections`, each with total (bytes),
--- whole, requests, raw, chunks (bytes and time), did (steps done), accepted (ids), opened, ended,
--- ended_by ("script", or the peer's way of leaving) and trouble (an error of the server itself).
function Listener:seen()
  local seen = self.station:order { command = "seen", port = self.port }
  for _, connection in ipairs(seen.connections) do
    assert(not connection.trouble, connection.trouble)
  end
  return seen
end

--- Waits until `condition(seen)` holds; raises after a long time.
---@param condition function
---@param what string? for the error
---@return table seen
function Listener:wait(condition, what)
  local deadline = socket.gettime() + CEILING
  while true do
    local seen = self:seen()
    if condition(seen) then
      return seen
    elseif socket.gettime() > deadline then
      error("the server never saw: " .. (what or "the condition"), 2)
    end
    socket.sleep(0.002)
  end
end

--- Waits until connection `number` has done the named step.
function Listener:wait_done(name, number)
  return self:wait(function(seen)
    local connection = seen.connections[number or 1]
    for _, step in ipairs(connection and connection.did or {}) do
      if step == name then
        return true
      end
    end
  end, "step " .. name)
end

--- Waits until connection `number` has ended, whoever ended it.
function Listener:wait_ended(number)
  return self:wait(function(seen)
    local connection = seen.connections[number or 1]
    return connection and connection.ended
  end, "the end of a connection")
end

--- Lets scripts pass the gate of this name.
function Listener:open(gate)
  self.station:order { command = "open", port = self.port, gate = gate }
end

function Listener:close()
  self.station:order { command = "close", port = self.port }
end

local function connected(port)
  local control = assert(socket.tcp())
  control:settimeout(CEILING)
  assert(control:connect("127.0.0.1", port))
  control:setoption("tcp-nodelay", true)
  return control
end

-- In a group of its own a signal to the terminal's group leaves it time to clean up. What is
-- preloaded to watch the module under test does not concern it.
local COMMAND = "unset LD_PRELOAD; set -- lua5.4 spec/support/wire_server.lua; "
  .. 'if command -v setsid >/dev/null; then exec setsid "$@"; fi; exec "$@"'

--- Starts a server process. Start it before opening sockets of your own: a child inherits them.
---@return table station
function wire.start()
  local pipe = assert(io.popen(COMMAND, "r"))
  local port = assert(pipe:read("*l"), "the wire server did not start")
  return setmetatable({ pipe = pipe, control = connected(tonumber(port)) }, Station)
end

wire.url_of = url_of

return wire
