--- Reads one HTTP/1.1 reply, within ceilings. Knows no socket: bytes come from
--- a function, which is all that this module is told of the world.

local reply = {}

-- Every head (those of 1xx replies too) and trailer of one reply together.
local MAX_HEAD_BYTES = 64 * 1024
local MAX_CHUNK_LINE_BYTES = 1024

---@class telnyx.resty.fault why a reply is not whole
---@field failure "connection"|"timeout"|"protocol"
---@field cause string
---@field is_end boolean|nil the peer closed the connection

---@class telnyx.resty.reply
---@field status integer|nil of the final status line, once that was complete
---@field headers table<string, string> those that were read, by lower-case name
---@field body string|nil of a whole reply
---@field whole boolean
---@field reusable boolean another request may follow on the connection
---@field failure string|nil
---@field cause string|nil

---@class telnyx.resty.reader
---@field more fun(): string|nil, telnyx.resty.fault|nil
---@field buffer string received and not yet read
---@field head_left integer
---@field max_body_bytes integer
local Reader = {}
Reader.__index = Reader

local function protocol(cause)
  return { failure = "protocol", cause = cause }
end

local HEAD_TOO_LONG = ("the reply's headers are longer than %d bytes")
  :format(MAX_HEAD_BYTES)

function Reader:fill()
  local bytes, fault = self.more()
  if not bytes then return nil, fault end
  self.buffer = self.buffer .. bytes
  return true
end

-- One line without its end. `limit` is in bytes, `too_long` says it was passed.
function Reader:line(limit, too_long)
  local stop = self.buffer:find("\n", 1, true)
  while not stop do
    if #self.buffer > limit then return nil, protocol(too_long) end
    local n_before = #self.buffer
    local ok, fault = self:fill()
    if not ok then return nil, fault end
    stop = self.buffer:find("\n", n_before + 1, true)
  end
  if stop > limit then return nil, protocol(too_long) end
  local line = self.buffer:sub(1, stop - 1)
  self.buffer = self.buffer:sub(stop + 1)
  return (line:gsub("\r$", ""))
end

function Reader:head_line()
  local line, fault = self:line(self.head_left, HEAD_TOO_LONG)
  if line then self.head_left = self.head_left - #line - 1 end
  return line, fault
end

-- Head -----------------------------------------------------------------------

-- What says how a reply is framed counts wherever it stands.
local LISTS = {
  connection = true,
  ["content-length"] = true,
  ["transfer-encoding"] = true,
}

local function keep_header(headers, line)
  local name, value = line:match("^([^%s:]+):[ \t]*(.-)[ \t]*$")
  if not name then return end
  name = name:lower()
  if LISTS[name] and headers[name] then value = headers[name] .. ", " .. value end
  headers[name] = value
end

local function read_headers(reader, headers)
  while true do
    local line, fault = reader:head_line()
    if not line then return nil, fault end
    if line == "" then return true end
    keep_header(headers, line)
  end
end

local function read_status(reader)
  local line, fault = reader:head_line()
  if not line then return nil, fault end
  local minor, status = (line .. " "):match("^HTTP/1%.(%d) (%d%d%d) ")
  if not status or status < "100" then
    return nil, protocol("the reply does not begin with an HTTP/1 status line")
  end
  return tonumber(status), minor
end

-- The head of the final reply; those of 1xx replies are passed over.
local function read_head(reader, result)
  while true do
    local status, minor = read_status(reader)
    if not status then return nil, minor end
    local is_final = status >= 200
    local headers = is_final and result.headers or {}
    if is_final then result.status = status end
    local ok, fault = read_headers(reader, headers)
    if not ok then return nil, fault end
    if is_final then return minor end
  end
end

-- Body -----------------------------------------------------------------------

local function too_large(reader)
  return protocol(("the reply's body is larger than %d bytes")
    :format(reader.max_body_bytes))
end

---Moves exactly `n` bytes into `parts`, counted against the ceiling before
---they are read.
function Reader:take(n, parts)
  parts.n_bytes = parts.n_bytes + n
  if parts.n_bytes > self.max_body_bytes then return nil, too_large(self) end
  while n > 0 do
    if self.buffer == "" then
      local ok, fault = self:fill()
      if not ok then return nil, fault end
    end
    local piece = self.buffer:sub(1, n)
    parts[#parts + 1] = piece
    self.buffer = self.buffer:sub(#piece + 1)
    n = n - #piece
  end
  return true
end

local bodies = {}

function bodies.none() return true end

function bodies.length(reader, parts, n)
  return reader:take(n, parts)
end

function bodies.close(reader, parts)
  while true do
    local ok, fault = reader:take(#reader.buffer, parts)
    if not ok then return nil, fault end
    ok, fault = reader:fill()
    if not ok then return fault.is_end or nil, fault end
  end
end

local function read_chunk_size(reader)
  local line, fault = reader:line(MAX_CHUNK_LINE_BYTES,
    "the reply has a chunk whose size is not a line")
  if not line then return nil, fault end
  local digits = line:match("^(%x+)[ \t]*$") or line:match("^(%x+)[ \t]*;")
  if not digits then
    return nil, protocol("the reply has a chunk without a size")
  end
  return tonumber(digits, 16)
end

local function read_chunk(reader, parts, size)
  local ok, fault = reader:take(size, parts)
  if not ok then return nil, fault end
  local rest
  rest, fault = reader:line(2, "the reply has a chunk longer than its size")
  if rest == "" then return true end
  return nil, fault or protocol("the reply has a chunk longer than its size")
end

function bodies.chunked(reader, parts)
  while true do
    local size, fault = read_chunk_size(reader)
    if not size then return nil, fault end
    if size == 0 then return read_headers(reader, {}) end
    local ok
    ok, fault = read_chunk(reader, parts, size)
    if not ok then return nil, fault end
  end
end

-- "5" and also "5, 5", which is the same said twice.
local function declared_length(value)
  local first
  for each in (value .. ","):gmatch("%s*(.-)%s*,") do
    first = first or each
    if each ~= first or not each:find("^%d+$") then return nil end
  end
  return tonumber(first)
end

-- How the body ends, and its length if that is how. A reply that names two ways
-- is read by the one that HTTP gives precedence.
local function framing(result)
  local headers, status = result.headers, result.status
  if status == 204 or status == 304 then return "none" end
  local coding = headers["transfer-encoding"]
  if coding then
    return coding:lower():find("chunked%s*$") and "chunked" or "close"
  end
  local value = headers["content-length"]
  if not value then return "close" end
  local n = declared_length(value)
  if not n then return nil, protocol("the reply's Content-Length is no length") end
  return "length", n
end

local function is_reusable(reader, result, minor, kind)
  local headers = result.headers
  local connection = "," .. (headers.connection or ""):lower():gsub("%s", "") .. ","
  local is_ambiguous = headers["transfer-encoding"] and headers["content-length"]
  return minor == "1" and kind ~= "close" and not is_ambiguous
    and not connection:find(",close,", 1, true) and reader.buffer == ""
end

local function read_whole(reader, result)
  local minor, fault = read_head(reader, result)
  if not minor then return nil, fault end
  local kind, n = framing(result)
  if not kind then return nil, n end
  local parts = { n_bytes = 0 }
  local ok, broken = bodies[kind](reader, parts, n)
  if not ok then return nil, broken end
  result.body = table.concat(parts)
  result.reusable = is_reusable(reader, result, minor, kind)
  return true
end

---Reads one reply to a POST.
---@param more fun(): string|nil, telnyx.resty.fault|nil the next bytes, at least one
---@param max_body_bytes integer
---@return telnyx.resty.reply
function reply.read(more, max_body_bytes)
  local reader = setmetatable({
    more = more,
    buffer = "",
    head_left = MAX_HEAD_BYTES,
    max_body_bytes = max_body_bytes,
  }, Reader)
  local result = { headers = {}, reusable = false }
  local ok, fault = read_whole(reader, result)
  result.whole = ok == true
  if not ok then result.failure, result.cause = fault.failure, fault.cause end
  return result
end

return reply
