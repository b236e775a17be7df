--- Carries webhooks over nginx's sockets, to this machine and nowhere else.

local ngx = ngx -- luacheck: ignore 113

local loopback = require("telnyx.sandbox.nginx.loopback")

local poster = {}

-- What is kept of an answer's body; nobody reads the rest.
local MOST = 10240

local MOST_HEADERS = 100

-- The service's words for why there was no answer.
local UNRESOLVED, UNREACHED, UNTRUSTED, GENERIC = 75001, 75002, 75006, 75000

---@param url string
---@return { scheme: string, host: string, port: integer, authority: string, path: string }|nil
local function parts_of(url)
  local scheme, authority, rest = url:match("^(%a+)://([^/?#]*)([^#]*)")
  if not scheme then return nil end
  authority = authority:gsub("^[^@]*@", "")
  local host, port = authority:match("^(%[[^%]]*%]):?(%d*)$")
  if not host then host, port = authority:match("^([^:]*):?(%d*)$") end
  if not host then return nil end
  if rest:sub(1, 1) ~= "/" then rest = "/" .. rest end
  return { scheme = scheme:lower(), host = host:lower(), port = tonumber(port) or 80,
    authority = authority, path = rest }
end

---Why a URL is not even tried; nil when it is.
---@param url string
---@return integer|nil code
function poster.objection(url)
  local parts = parts_of(url)
  if not parts or not loopback.is_host(parts.host) then return UNRESOLVED end
  -- A certificate for loopback has no root that the service would trust.
  if parts.scheme ~= "http" then return UNTRUSTED end
end

local function bytes_of(request, parts)
  local lines = { ("POST %s HTTP/1.1"):format(parts.path), "Host: " .. parts.authority,
    ("Content-Length: %d"):format(#request.body), "Connection: close" }
  for name, value in pairs(request.headers) do lines[#lines + 1] = name .. ": " .. value end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. request.body
end

-- A socket on which all that is done together ends in time.
local function limited(socket, seconds)
  local ends = ngx.now() + seconds
  return function(method, ...)
    ngx.update_time()
    local left_ms = math.floor((ends - ngx.now()) * 1000)
    if left_ms < 1 then return nil, "timeout" end
    socket:settimeout(left_ms)
    return socket[method](socket, ...)
  end
end

local function read_headers(on)
  local headers = {}
  for _ = 1, MOST_HEADERS do
    local line, err = on("receive", "*l")
    if not line then return nil, err end
    if line == "" then return headers end
    local name, value = line:match("^([^:]+):%s*(.-)%s*$")
    if name then headers[name:lower()] = value end
  end
  return nil, "too many headers"
end

-- As much as is kept of a body that comes in pieces, each after its length.
local function read_chunks(on)
  local chunks, room = {}, MOST
  while room > 0 do
    local size = tonumber((on("receive", "*l") or ""):match("^%x+") or "0", 16)
    if size == 0 then break end
    local chunk, err, part = on("receive", math.min(size, room))
    chunks[#chunks + 1] = chunk or part
    if err then break end
    room = room - size
    on("receive", "*l")
  end
  return table.concat(chunks)
end

local function read_body(on, headers)
  if (headers["transfer-encoding"] or ""):lower() == "chunked" then return read_chunks(on) end
  local length = tonumber(headers["content-length"])
  if length == 0 then return "" end
  local body, _, part = on("receive", math.min(length or MOST, MOST))
  return body or part or ""
end

local function read_answer(on)
  local status, headers, err
  repeat
    local line
    line, err = on("receive", "*l")
    if not line then return nil, err end
    status = tonumber(line:match("^HTTP/1%.%d (%d%d%d)"))
    if not status then return nil, "not HTTP" end
    headers, err = read_headers(on)
    if not headers then return nil, err end
  until status >= 200
  return { status = status, headers = headers, body = read_body(on, headers) }
end

---Posts a webhook.
---@param request { url: string, headers: table<string, string>, body: string }
---@param seconds number until when there has to be an answer
---@return telnyx.sandbox.answer
function poster.post(request, seconds)
  local parts = assert(parts_of(request.url))
  local socket = ngx.socket.tcp()
  local on = limited(socket, seconds)
  local host = parts.host:find("localhost$") and "127.0.0.1" or parts.host
  local ok, err = on("connect", host, parts.port)
  if not ok then return { code = err == "timeout" and GENERIC or UNREACHED } end
  local answer
  ok = on("send", bytes_of(request, parts))
  if ok then answer = read_answer(on) end
  socket:close()
  return answer or { code = GENERIC }
end

return poster
