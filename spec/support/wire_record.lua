-- What one connection received: every byte with its time, and the HTTP requests found in them.
-- It parses on its own, so that a count of whole requests never depends on what a script did.

local Record = {}
Record.__index = Record

-- Kept bytes are capped so that an upload of megabytes costs nothing to report; counts are not.
local KEEP = 256 * 1024

local function new()
  return setmetatable({
    total = 0,
    whole = 0,
    heads = 0,
    chunks = {},
    requests = {},
    raw = {},
    raw_kept = 0,
    pending = "",
  }, Record)
end

local function keep(pieces, kept, bytes)
  if kept < KEEP then
    pieces[#pieces + 1] = bytes:sub(1, KEEP - kept)
  end
  return math.min(KEEP, kept + #bytes)
end

local function parse_headers(head)
  local list, map = {}, {}
  for name, value in head:gmatch("\r\n([^:\r\n]+):[ \t]*([^\r\n]*)") do
    list[#list + 1] = { name, value }
    map[name:lower()] = value
  end
  return list, map
end

local function parse_head(head, at)
  local method, target, version = head:match("^(%S+) (%S+) (HTTP/%d%.%d)\r\n")
  local list, map = parse_headers(head)
  return {
    at = at,
    head = head,
    method = method,
    path = target,
    version = version,
    header_list = list,
    headers = map,
    body_pieces = {},
    body_kept = 0,
    body_bytes = 0,
    whole = false,
  }
end

local function wanted_length(request)
  if (request.headers["transfer-encoding"] or ""):lower():find("chunked", 1, true) then
    return nil
  end
  return tonumber(request.headers["content-length"] or 0) or 0
end

function Record:begin_request(at)
  local stop = select(2, self.pending:find("\r\n\r\n", 1, true))
  if not stop then
    return false
  end
  local request = parse_head(self.pending:sub(1, stop), at)
  self.pending = self.pending:sub(stop + 1)
  self.heads = self.heads + 1
  self.requests[self.heads] = request
  self.current, self.left = request, wanted_length(request)
  self.chunked = self.left == nil
  return true
end

function Record:end_request()
  self.current.whole = true
  self.whole = self.whole + 1
  self.current = nil
end

local function add_body(request, bytes)
  request.body_kept = keep(request.body_pieces, request.body_kept, bytes)
  request.body_bytes = request.body_bytes + #bytes
end

function Record:take_counted()
  local bytes = self.pending:sub(1, self.left)
  self.pending = self.pending:sub(#bytes + 1)
  self.left = self.left - #bytes
  add_body(self.current, bytes)
  if self.left > 0 then
    return false
  end
  self:end_request()
  return true
end

function Record:take_chunk()
  local size, rest = self.pending:match("^(%x+)[^\r\n]*\r\n()")
  local length = tonumber(size or "", 16)
  if not length or #self.pending < rest + length + 1 then
    return false
  end
  add_body(self.current, self.pending:sub(rest, rest + length - 1))
  self.pending = self.pending:sub(rest + length + 2)
  if length == 0 then
    self:end_request()
  end
  return true
end

function Record:advance(at)
  if not self.current then
    return self:begin_request(at)
  elseif self.chunked then
    return self:take_chunk()
  end
  return self:take_counted()
end

--- Takes bytes as they came from the socket.
---@param bytes string
---@param at number
function Record:add(bytes, at)
  if bytes == "" then
    return
  end
  self.total = self.total + #bytes
  self.chunks[#self.chunks + 1] = { at = at, bytes = #bytes }
  self.raw_kept = keep(self.raw, self.raw_kept, bytes)
  self.pending = self.pending .. bytes
  local more
  repeat
    more = self:advance(at)
  until not more
end

local function report_request(request)
  return {
    at = request.at,
    head = request.head,
    method = request.method,
    path = request.path,
    version = request.version,
    header_list = request.header_list,
    headers = request.headers,
    body = table.concat(request.body_pieces),
    body_bytes = request.body_bytes,
    whole = request.whole,
  }
end

--- A plain table for the control connection.
---@return table
function Record:report()
  local requests = {}
  for i, request in ipairs(self.requests) do
    requests[i] = report_request(request)
  end
  return {
    total = self.total,
    whole = self.whole,
    requests = requests,
    raw = table.concat(self.raw),
    chunks = self.chunks,
  }
end

return { new = new }
