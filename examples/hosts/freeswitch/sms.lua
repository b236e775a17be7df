-- FreeSWITCH: texts somebody from a call or from the command line.
--
--   luarun sms.lua +18445550001 +18665550001 "Your call was missed"
--   <action application="lua" data="sms.lua +18445550001 ${caller_id_number} Thanks for calling"/>
--
-- Put this file into FreeSWITCH's scripts folder, and tell mod_lua where the modules are, in
-- autoload_configs/lua.conf.xml (the number is the Lua that mod_lua was built with):
--
--   <param name="module-directory" value="/usr/local/lib/lua/5.3/?.so"/>
--   <param name="script-directory" value="/usr/local/share/lua/5.3/?.lua"/>
--   <param name="script-directory" value="/usr/local/share/lua/5.3/?/init.lua"/>
--
-- and the key in FreeSWITCH's environment: TELNYX_API_KEY.
--
-- mod_lua runs each script in a Lua state and a thread of its own, and closes both when it ends: a
-- send that waits holds up nobody but this call. The deadline keeps a caller from waiting long.
-- luarun gives the script a thread away from any call.

local telnyx = require("telnyx")

local arguments = argv or arg
local from, to = arguments[1], arguments[2]
local text = table.concat(arguments, " ", 3)

local function say(level, line)
  if freeswitch then
    freeswitch.consoleLog(level, line .. "\n")
  else
    print(line)
  end
end

local client = telnyx.new({ deadline = 8, app = "freeswitch" })
local message, err = client:send({ from = from, to = to, text = text })
if message then
  say("info", "texted " .. to .. ": " .. message.id)
else
  say("err", "no text to " .. tostring(to) .. ": " .. tostring(err))
end
client:close()
