-- A module for Prosody that texts people who have a message waiting, and keeps everybody else's
-- messages moving meanwhile. Put it where plugin_paths of prosody.cfg.lua says.
--
-- Prosody runs Lua 5.4 on Debian: it needs telnyx built for 5.4.

local telnyx = require("telnyx")

local numbers = module:get_option("sms_numbers", {})
local client = telnyx.new {
  api_key = module:get_option_string("sms_api_key"),
  defaults = { from = module:get_option_string("sms_from") },
}

-- Between two looks at what is under way, Prosody serves the others.
local PAUSE = 0.01

local is_stepping = false

local function step()
  is_stepping = client:step(0) > 0
  return is_stepping and PAUSE or nil
end

local function send(message)
  client:start(message, function(sent, info)
    if sent then
      module:log("info", "texted %s: %s", message.to, sent.id)
    else
      module:log("warn", "could not text %s: %s", message.to, tostring(info))
    end
  end)
  if is_stepping then return end
  is_stepping = true
  module:add_timer(PAUSE, step)
end

module:hook("message/offline/handle", function(event)
  local number = numbers[event.username]
  if not number or not event.stanza:get_child("body") then return end
  send({ to = number, text = ("You have a message from %s."):format(event.stanza.attr.from) })
end, 10)

function module.unload()
  client:close()
end
