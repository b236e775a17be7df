-- Verifies a webhook, and prints what it says.
--
--   TELNYX_PUBLIC_KEY=… lua5.4 examples/webhook.lua HEADERS BODY [NOW]
--
-- HEADERS and BODY are files: lines of "Name: value", and the body as it came; NOW, in seconds
-- since 1970, is when it came, for one that was kept. Without files it is a program for CGI (RFC
-- 3875): the request is in the environment and on standard input, the answer goes to the server.

local telnyx = require("telnyx")

local function read_file(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

local function headers_of(text)
  local list = {}
  for name, value in text:gmatch("([^:\r\n]+):[ \t]*([^\r\n]*)") do
    list[#list + 1] = { name, value }
  end
  return list
end

-- What an event says, in a line.
local function line_of(event)
  local words = { event.kind, event.message_id or "?", event.status or "?" }
  if event.key then words[#words + 1] = "key " .. event.key end
  if event.optout then words[#words + 1] = "who wrote says " .. event.optout end
  if event.kind == "received" and event.message then
    words[#words + 1] = ("%q"):format(tostring(event.message.text or ""))
  end
  return table.concat(words, "  ")
end

local function from_files(headers, body, now)
  local event, why = telnyx.webhook.verify(read_file(body), headers_of(read_file(headers)), nil,
    { now = tonumber(now) })
  if not event then
    io.stderr:write(why, "\n")
    os.exit(1)
  end
  print(line_of(event))
end

-- Headers are in variables: HTTP_TELNYX_TIMESTAMP.
local function header_of(name)
  return os.getenv("HTTP_" .. name:upper():gsub("-", "_"))
end

-- What is our own fault comes again, and may be well by then.
local STATUS = { bad_key = "500 Internal Server Error", no_crypto = "500 Internal Server Error" }

local function from_cgi()
  local size = tonumber(os.getenv("CONTENT_LENGTH")) or 0
  local body = size > 0 and io.read(size) or ""
  local event, why, kind = telnyx.webhook.verify(body, header_of)
  io.stderr:write(event and line_of(event) or why, "\n") -- the server's log
  local status = event and "200 OK" or STATUS[kind] or "400 Bad Request"
  io.write("Status: ", status, "\r\nContent-Type: text/plain\r\n\r\n")
end

if arg[2] then
  from_files(arg[1], arg[2], arg[3])
elseif arg[1] or not os.getenv("REQUEST_METHOD") then
  io.stderr:write("usage: lua examples/webhook.lua HEADERS BODY [NOW]\n")
  os.exit(64)
else
  from_cgi()
end
