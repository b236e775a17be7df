-- What a script can do to one accepted connection. Runs inside the server, in a coroutine of the
-- connection: a step that waits yields to the server's loop, and raises GONE when the peer left.

local socket = require "socket"
local new_record = require("spec.support.wire_record").new

local GONE = {}
local PULL = 64 * 1024

local Connection = {}
Connection.__index = Connection

local function new(sock, number)
  sock:settimeout(0)
  return setmetatable({
    sock = sock,
    number = number,
    opened = socket.gettime(),
    record = new_record(),
    taken = 0,
    accepted = {},
    did = {},
    gates = {},
  }, Connection)
end

local function wait(what, arg, seconds)
  return coroutine.yield(what, arg, seconds and socket.gettime() + seconds)
end

function Connection:note(name)
  self.did[#self.did + 1] = name
end

function Connection:gone(why)
  self.ended_by = self.ended_by or why
  error(GONE, 0)
end

-- A TLS read may want to write and the other way about.
function Connection:wait_for(problem, default)
  if problem == "wantread" then
    return wait("read", self.sock)
  elseif problem == "wantwrite" then
    return wait("write", self.sock)
  elseif problem == "timeout" then
    return wait(default, self.sock)
  end
  self:gone(problem)
end

--- Receives what there is, at most `limit` bytes, and waits when there is nothing.
function Connection:pull(limit)
  while true do
    local whole, problem, part = self.sock:receive(limit or PULL)
    local bytes = whole or part or ""
    if #bytes > 0 then
      self.record:add(bytes, socket.gettime())
      return
    end
    self:wait_for(problem, "read")
  end
end

function Connection:push(bytes)
  local sent = 0
  while sent < #bytes do
    local last, problem, part = self.sock:send(bytes, sent + 1)
    sent = last or part or sent
    if not last then
      self:wait_for(problem, "write")
    end
  end
end

function Connection:drain()
  while true do
    self:pull()
  end
end

--- Does something to the TCP socket, which under TLS is lent its descriptor for that long.
function Connection:beneath(act)
  if not self.tls then
    return act(self.sock)
  end
  self.tcp:setfd(self.sock:getfd())
  act(self.tcp)
  self.tcp:setfd(-1)
end

-- Closing a TLS object says goodbye on its descriptor first. A reset must not: the descriptor is
-- closed beneath it, then an unconnected socket takes the number, so that the goodbye goes nowhere.
local function bury(tls, fd)
  local spare = {}
  repeat
    spare[#spare + 1] = assert(socket.tcp4())
  until spare[#spare]:getfd() == fd
  spare[#spare]:setfd(-1)
  tls:close()
  for _, each in ipairs(spare) do
    each:close()
  end
end

function Connection:shut()
  if not self.closed then
    self.closed = socket.gettime()
    self.sock:close()
  end
end

function Connection:reset()
  local fd = self.sock:getfd()
  self.closed = socket.gettime()
  self:beneath(function(tcp)
    assert(tcp:setoption("linger", { on = true, timeout = 0 }))
    tcp:close()
  end)
  if self.tls then
    bury(self.sock, fd)
  end
end

--- Speaks TLS from now on.
---@param wrap function socket -> TLS socket
function Connection:handshake(wrap)
  self.sock, self.tcp, self.tls = assert(wrap(self.sock)), self.sock, true
  self.sock:settimeout(0)
  while true do
    local done, problem = self.sock:dohandshake()
    if done then
      return
    end
    self:wait_for(problem, "read")
  end
end

local REASONS = {
  [200] = "OK", [201] = "Created", [202] = "Accepted", [204] = "No Content",
  [301] = "Moved Permanently", [302] = "Found", [303] = "See Other", [304] = "Not Modified",
  [307] = "Temporary Redirect", [308] = "Permanent Redirect", [400] = "Bad Request",
  [401] = "Unauthorized", [408] = "Request Timeout", [409] = "Conflict",
  [413] = "Content Too Large", [422] = "Unprocessable Entity", [429] = "Too Many Requests",
  [500] = "Internal Server Error", [502] = "Bad Gateway", [503] = "Service Unavailable",
  [504] = "Gateway Timeout",
}

local function response(status, body, headers)
  local lines = { ("HTTP/1.1 %d %s"):format(status, REASONS[status] or "Status") }
  for _, header in ipairs(headers or {}) do
    lines[#lines + 1] = header[1] .. ": " .. header[2]
  end
  if body then
    lines[#lines + 1] = "Content-Length: " .. #body
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or "")
end

local MESSAGE = '{"data":{"record_type":"message","direction":"outbound","id":"%s","type":"SMS",'
  .. '"to":[{"phone_number":"+18665550001","status":"queued"}],"parts":1,"errors":[]}}'

local steps = {}

function steps.request(connection)
  while connection.record.whole <= connection.taken do
    connection:pull()
  end
  connection.taken = connection.taken + 1
end

function steps.head(connection)
  while connection.record.heads <= connection.taken do
    connection:pull()
  end
end

function steps.bytes(connection, step)
  local target = connection.record.total + step.count
  while connection.record.total < target do
    connection:pull(math.min(PULL, target - connection.record.total))
  end
end

function steps.arrival(connection)
  wait("read", connection.sock)
end

function steps.send(connection, step)
  connection:push(step.bytes)
end

function steps.drip(connection, step)
  for i = 1, #step.bytes do
    connection:push(step.bytes:sub(i, i))
    wait("time", nil, step.interval)
  end
end

function steps.forever(connection, step)
  while true do
    connection:push(step.bytes)
  end
end

function steps.reply(connection, step)
  connection:push(response(step.status, step.body, step.headers))
end

-- Every accepted message has an id of its own, so that a result can be traced to its request.
function steps.accept(connection, step)
  local id = ("00000000-0000-4000-8000-%06d%06d"):format(connection.number, connection.taken)
  connection.accepted[#connection.accepted + 1] = id
  connection:push(response(step.status, MESSAGE:format(id), {
    { "Content-Type", "application/json" },
  }))
end

function steps.pause(_, step)
  wait("time", nil, step.seconds)
end

function steps.gate(connection, step)
  wait("gate", function()
    return connection.gates[step.name]
  end)
end

function steps.stall(connection)
  connection:drain()
end

function steps.deaf(connection)
  connection.ended, connection.ended_by = socket.gettime(), "script"
  wait("ever")
end

-- A FIN, and then attention: what the peer still sends is recorded.
local function finish(connection, name)
  connection.ended_by = "script"
  connection:beneath(function(tcp)
    tcp:shutdown("send")
  end)
  connection:note(name)
  connection:drain()
end

-- The goodbye of TLS can only be said by closing, so what has already arrived is taken first, lest
-- the close become a reset.
function steps.fin(connection)
  if not connection.tls then
    finish(connection, "fin")
  end
  connection.ended_by = "script"
  local whole, _, part = connection.sock:receive(PULL)
  connection.record:add(whole or part, socket.gettime())
  connection:shut()
end

--- The first bytes of a record of TLS, which nobody can open yet.
function steps.part(connection, step)
  connection:beneath(function(tcp)
    tcp:send(("\23\3\3\0\152" .. ("x"):rep(20)):sub(1, step.n))
  end)
end

--- A FIN without the goodbye of TLS; without TLS the same as `fin`.
function steps.cut(connection)
  finish(connection, "cut")
end

--- Closes whatever there is: the kernel makes it a reset if bytes were left unread.
function steps.close(connection)
  connection.ended_by = "script"
  connection:shut()
end

function steps.rst(connection)
  connection.ended_by = "script"
  connection:reset()
end

local run

function steps.loop(connection, step)
  while true do
    run(connection, step.steps)
  end
end

run = function(connection, script)
  for _, step in ipairs(script) do
    steps[step.op](connection, step)
    connection:note(step.op)
    if connection.closed then
      error(GONE, 0)
    end
  end
end

--- Plays a script to its end; afterwards the connection is read until the peer leaves.
function Connection:play(script, wrap)
  local ok, problem = pcall(function()
    if wrap then
      self:handshake(wrap)
      self:note("handshake")
    end
    run(self, script)
    self:drain()
  end)
  if not ok and problem ~= GONE then
    self.trouble = tostring(problem)
  end
  self.ended = socket.gettime()
  self:shut()
end

function Connection:report()
  local report = self.record:report()
  report.number = self.number
  report.opened = self.opened
  report.ended = self.ended
  report.ended_by = self.ended_by
  report.tls = self.tls
  report.did = self.did
  report.accepted = self.accepted
  report.trouble = self.trouble
  return report
end

return { new = new, known = steps }
