-- One accepted connection, in a coroutine of the server: what waits yields to its loop, and raises
-- GONE when the peer has left.

local socket = require "socket"

local PULL = 64 * 1024
local LONG = 5 -- no stall is longer, whatever the peer does

local GONE = {}

local Connection = {}
Connection.__index = Connection

local function new(sock, fields)
  sock:settimeout(0)
  fields.sock, fields.pending = sock, ""
  return setmetatable(fields, Connection)
end

-- Returns false when the time is up first.
local function wait(what, sock, seconds)
  return coroutine.yield(what, sock, seconds and socket.gettime() + seconds)
end

function Connection.pause(_, seconds)
  wait("time", nil, seconds)
end

function Connection:wait_readable(seconds)
  return wait("read", self.sock, seconds)
end

-- A TLS socket that has something to wait for says what. "timeout" is then a dead one in disguise,
-- and LuaSec would never come back from another send.
local function wait_for(self, problem, otherwise)
  if problem == "wantread" then return wait("read", self.sock) end
  if problem == "wantwrite" then return wait("write", self.sock) end
  if problem == "timeout" and not self.tcp then return wait(otherwise, self.sock) end
  error(GONE, 0)
end

function Connection:handshake(context)
  local ssl = require "ssl"
  self.tcp, self.sock = self.sock, assert(ssl.wrap(self.sock, context))
  self.sock:settimeout(0)
  while true do
    local done, problem = self.sock:dohandshake()
    if done then return end
    wait_for(self, problem, "read")
  end
end

--- Appends to `pending` what there is, at most `limit` bytes, waiting for the first.
function Connection:pull(limit)
  while true do
    local whole, problem, part = self.sock:receive(limit or PULL)
    local bytes = whole or part or ""
    if #bytes > 0 then
      self.pending = self.pending .. bytes
      return
    end
    wait_for(self, problem, "read")
  end
end

-- Under TLS, notices a peer that has left before anything is sent to it.
function Connection:look()
  if not self.tcp then return end
  local whole, problem, part = self.sock:receive(PULL)
  self.pending = self.pending .. (whole or part or "")
  if problem and problem ~= "wantread" and problem ~= "wantwrite" then error(GONE, 0) end
end

function Connection:send(bytes)
  local sent = 0
  while sent < #bytes do
    self:look()
    local last, problem, part = self.sock:send(bytes, sent + 1)
    sent = last or part or sent
    if not last then wait_for(self, problem, "write") end
  end
end

--- Reads on and says nothing until the peer leaves.
function Connection:stall()
  local deadline = socket.gettime() + LONG
  while socket.gettime() < deadline do
    self.pending = ""
    self:pull()
  end
  self:close()
end

--- Neither reads nor writes for longer than any client here waits.
function Connection:deaf()
  self:pause(0.4)
  self:reset()
end

--- Ends it politely; if bytes were left unread, the kernel makes it a reset.
function Connection:close()
  self.closed = true
  self.sock:close()
end

-- Closing a TLS object says goodbye on its descriptor first. Here the descriptor is closed beneath
-- it, and an unconnected socket takes the number, so that the goodbye goes nowhere.
local function bury(tls, fd)
  local spare = {}
  repeat
    spare[#spare + 1] = assert(socket.tcp4())
  until spare[#spare]:getfd() == fd
  spare[#spare]:setfd(-1)
  tls:close()
  for _, each in ipairs(spare) do each:close() end
end

local function close_beneath(self, linger)
  self.closed = true
  local tcp, fd = self.tcp or self.sock, self.sock:getfd()
  if self.tcp then tcp:setfd(fd) end
  if linger then tcp:setoption("linger", linger) end
  tcp:close()
  if self.tcp then bury(self.sock, fd) end
end

--- Ends it without the goodbye of TLS.
function Connection:cut()
  close_beneath(self, nil)
end

function Connection:reset()
  close_beneath(self, { on = true, timeout = 0 })
end

--- The first request of `pending` if it is there whole: its reference.
function Connection:take_request()
  local _, head_end = self.pending:find("\r\n\r\n", 1, true)
  if not head_end then return nil end
  local head = self.pending:sub(1, head_end):lower()
  local length = tonumber(head:match("\r\ncontent%-length: *(%d+)"))
  if not length then
    -- What a redirect to a GET would make of it.
    self.pending = self.pending:sub(head_end + 1)
    return 0
  end
  if #self.pending < head_end + length then return nil end
  local body = self.pending:sub(head_end + 1, head_end + length)
  self.pending = self.pending:sub(head_end + length + 1)
  return tonumber(body:match("ref:(%d+)"))
end

return { new = new, GONE = GONE }
