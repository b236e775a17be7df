-- What haproxy.cfg loads: a service that texts what it is posted.

local telnyx = require("telnyx")

-- Between two looks at what is under way, HAProxy serves the others.
local PAUSE_MS = 2

local client = telnyx.new { defaults = { from = os.getenv("FROM") } }

local function send(message)
  local pending = client:start(message)
  while not pending.done do
    client:step(0)
    core.msleep(PAUSE_MS)
  end
  return pending:result()
end

local function answer(applet, status, text)
  applet:set_status(status)
  applet:add_header("content-type", "text/plain")
  applet:add_header("content-length", tostring(#text))
  applet:start_response()
  applet:send(text)
end

local function decoded(text)
  return text and text:gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end)
end

core.register_service("text", "http", function(applet)
  local to = decoded(applet.qs:match("to=([^&]*)"))
  local message, err = send { to = to, text = applet:receive() }
  if message then return answer(applet, 200, message.id .. "\n") end
  answer(applet, err.kind == "invalid" and 422 or 502, tostring(err) .. "\n")
end)
