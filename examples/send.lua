-- Sends one message.
--
--   TELNYX_API_KEY=KEY… lua5.4 examples/send.lua +18445550001 +18665550001 "Hello, World!"
--
-- With TELNYX_BASE_URL=http://127.0.0.1:12111/v2 it goes to the sandbox (make sandbox).

local telnyx = require("telnyx")

local from, to, text = arg[1], arg[2], arg[3]
if not text then
  io.stderr:write("usage: lua examples/send.lua FROM TO TEXT\n")
  os.exit(64)
end

local client = telnyx.new()
local message, err = client:send({ from = from, to = to, text = text })
if not message then
  io.stderr:write(tostring(err), "\n")
  -- 75 is what mail programs use for "try again later"; an unknown outcome is never that.
  os.exit(err.retryable and 75 or 1)
end
print(message.id, message.encoding, message.parts .. " part(s)", message.to[1].status)
