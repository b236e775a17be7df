-- Somebody who listens to the sandbox's events, over a socket of luasocket.

local sandbox = require("spec.support.sandbox")
local socket = require("socket")

local events = {}

local Listener = {}
Listener.__index = Listener

---@class events.options
---@field path string|nil default /sandbox/events
---@field last_event_id string|nil
---@field receive_buffer integer|nil bytes that the kernel keeps for who does not read
---@field wrap fun(connection: table): table|nil around the socket, for https

---Asks, and does not wait for the answer.
---@param server table from spec.support.sandbox
---@param options events.options|nil
---@return table listener
function events.open(server, options)
  options = options or {}
  local connection = assert(socket.tcp4())
  if options.receive_buffer then
    assert(connection:setoption("recv-buffer-size", options.receive_buffer))
  end
  assert(connection:connect("127.0.0.1", server.port))
  if options.wrap then connection = options.wrap(connection) end
  local last = options.last_event_id
  assert(connection:send(("GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n"):format(
    options.path or "/sandbox/events", server.port,
    last and ("Last-Event-ID: %s\r\n"):format(last) or "")))
  connection:settimeout(0)
  return setmetatable({ connection = connection, raw = "", text = "", frames = {} }, Listener)
end

local function read_head(self)
  local head, rest = self.raw:match("^(.-\r\n\r\n)(.*)$")
  if not head then return end
  self.head, self.raw = head, rest
  self.status = tonumber(head:match("^HTTP/1%.1 (%d+)"))
  self.is_chunked = head:lower():find("transfer%-encoding: chunked") ~= nil
end

local function read_chunks(self)
  local parts, at = { self.text }, 1
  while true do
    local size, first = self.raw:match("^(%x+)\r\n()", at)
    local last = size and first + tonumber(size, 16) - 1
    if not last or #self.raw < last + 2 then break end
    parts[#parts + 1] = self.raw:sub(first, last)
    if size == "0" then self.is_ended = true end
    at = last + 3
  end
  self.raw, self.text = self.raw:sub(at), table.concat(parts)
end

local function parse_frame(text)
  if text:sub(1, 1) == ":" then return { comment = text } end
  return { id = text:match("^id: ([^\n]*)") or text:match("\nid: ([^\n]*)"),
    event = text:match("event: ([^\n]*)"), data = text:match("data: ([^\n]*)") }
end

local function read_frames(self)
  local at = 1
  while true do
    local first, last = self.text:find("\n\n", at, true)
    if not first then break end
    self.frames[#self.frames + 1] = parse_frame(self.text:sub(at, first - 1))
    at = last + 1
  end
  self.text = self.text:sub(at)
end

---Reads what is there, without waiting.
function Listener:pump()
  local data, err, part = self.connection:receive(65536)
  data = data or part
  self.is_closed = err == "closed"
  if not data or data == "" then return end
  self.raw = self.raw .. data
  if not self.head then read_head(self) end
  if not self.head then return end
  if not self.is_chunked then
    self.text, self.raw = self.text .. self.raw, ""
    return
  end
  read_chunks(self)
  read_frames(self)
end

---Waits for something.
---@param ready fun(listener: table): any
---@param what string
---@return any what `ready` returned
function Listener:wait(ready, what)
  return sandbox.wait(function()
    self:pump()
    return ready(self)
  end, what)
end

---Waits for the answer's head.
---@return integer status
function Listener:answer()
  return self:wait(function() return self.status end, "an answer")
end

---Waits until there are so many events of a kind.
---@param kind string
---@param count integer
---@return table[] frames all of that kind
function Listener:take(kind, count)
  return self:wait(function()
    local found = self:of_kind(kind)
    return #found >= count and found
  end, ("%d events '%s'"):format(count, kind))
end

---The events of a kind that have been read.
---@param kind string
---@return table[]
function Listener:of_kind(kind)
  local found = {}
  for _, frame in ipairs(self.frames) do
    if frame.event == kind then found[#found + 1] = frame end
  end
  return found
end

function Listener:close()
  self.connection:close()
end

return events
