-- What kamailio.cfg loads: sends one text and waits for its outcome.

local telnyx = require("telnyx")

-- Made by the process that sends, at its first text.
local client

function text(to, body)
  client = client or telnyx.new { defaults = { from = os.getenv("FROM") } }
  local message, err = client:send({ to = to, text = body })
  if message then
    KSR.notice("texted " .. to .. ": " .. message.id .. "\n")
  else
    KSR.err("could not text " .. to .. ": " .. tostring(err) .. "\n")
  end
end
