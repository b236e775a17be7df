--- From a row of the weather table to what a client will meet: a reply, or the
-- part of a reply that arrives before the connection ends.

local errors = require("telnyx.sandbox.errors")
local json = require("telnyx.sandbox.json")
local message = require("telnyx.sandbox.message")

local forecast = {}

local reasons = {
  [200] = "OK", [500] = "Internal Server Error",
}

local function html(status)
  return ("<html>\r\n<head><title>%d</title></head>\r\n<body><h1>%d</h1></body>\r\n</html>\r\n")
    :format(status, status)
end

local function wrapped(data)
  return json.encode(json.object { { "data", data } })
end

local function with_id(full, id)
  local start, stop = full:find('"id":"[^"]*",')
  return full:sub(1, start - 1) .. id .. full:sub(stop + 1)
end

-- Bodies that are not the service's JSON. `full` is the body that should have
-- been there.
local pages = {
  html = function(_, status) return html(status), "text/html" end,
  empty = function() return "" end,
  text = function() return "OK, thank you.\n" end,
  truncated = function(full) return full:sub(1, math.floor(#full / 2)) end,
  no_id = function(full) return with_id(full, "") end,
  number_id = function(full) return with_id(full, '"id":42,') end,
  gigantic = function() return wrapped(("x"):rep(8 * 1024 * 1024)) end,
  deep = function() return ("["):rep(20000) .. ("]"):rep(20000) end,
  null_data = function() return wrapped(nil) end,
  array = function() return "[1,2,3]" end,
}

local function headers_of(row, now)
  local headers = {}
  for name, value in pairs(row.headers or {}) do
    headers[name] = type(value) == "function" and value(now) or value
  end
  return headers
end

-- The answer that was on its way: the message if there is one, else a refusal.
local function intended(row, record, now)
  local code = row.code or (not record and "10007")
  local status = row.status or (code and errors.catalogue[code].status) or 200
  local body
  if code then
    body = errors.envelope { { code = code } }
  else
    body = record and message.body(record, now) or ""
  end
  local headers = headers_of(row, now)
  headers["content-type"] = "application/json"
  if row.page then
    local kind
    body, kind = pages[row.page](body, status)
    headers["content-type"] = kind or headers["content-type"]
  end
  return { status = status, headers = headers, body = body }
end

local function half(text)
  return text:sub(1, math.floor(#text / 2))
end

local function head(reply, extra)
  return ("HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%s\r\n"):format(
    reply.status, reasons[reply.status] or "Trouble", reply.headers["content-type"], extra)
end

local function length(bytes)
  return ("Content-Length: %d\r\n"):format(bytes)
end

-- Each stage gives the bytes that go out before the connection ends.
local stages = {
  nothing = function() return "" end,
  status_line = function(reply) return head(reply, ""):sub(1, 10) end,
  headers = function(reply) return head(reply, "Content-Length: 1"):sub(1, -8) end,
  interim = function() return "HTTP/1.1 100 Continue\r\n\r\n" end,
  garbage = function() return "\001\002\255\254 this is not HTTP \003\r\n\r\n" end,
  body = function(reply) return head(reply, length(#reply.body)) .. half(reply.body) end,
  chunks = function(reply)
    local part = half(reply.body)
    return head(reply, "Transfer-Encoding: chunked\r\n")
      .. ("%x\r\n%s\r\n"):format(#part, part)
  end,
  unmeasured = function(reply)
    return head(reply, "Connection: close\r\n") .. half(reply.body)
  end,
  short_length = function(reply)
    return head(reply, length(#half(reply.body))) .. reply.body
  end,
  whole = function(reply) return head(reply, length(#reply.body)) .. reply.body end,
}

---What the weather makes of a request.
---@param row telnyx.sandbox.weather
---@param record table|nil the message, when it was accepted
---@param now number
---@return telnyx.sandbox.response
function forecast.response(row, record, now)
  local reply = intended(row, record, now)
  if row.stage then
    return { headers = {}, fault = { kind = row.ending, bytes = stages[row.stage](reply) } }
  end
  if row.seconds then reply.fault = { kind = "delay", seconds = row.seconds } end
  return reply
end

return forecast
