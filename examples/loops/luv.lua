-- Inside a luv loop: one descriptor and one timer drive every message in flight.
--
--   TELNYX_API_KEY=KEY… lua5.4 examples/loops/luv.lua FROM TO TEXT
--
-- Needs luv (Debian: lua-luv). With TELNYX_BASE_URL=http://127.0.0.1:12111/v2 it goes to
-- the sandbox, which takes a second to answer +15550070001.

local telnyx = require("telnyx")
local uv = require("luv")

-- Returns a function to call after each `client:start`.
local function attach(client)
  local poll, timer = uv.new_poll(client:fd()), uv.new_timer()
  local drive
  function drive()
    local n_in_flight = client:step(0)
    timer:stop()
    if n_in_flight == 0 then
      poll:stop()
    else
      poll:start("r", drive)
      timer:start(math.ceil(client:timeout() * 1000), 0, drive)
    end
  end
  return drive
end

local from, to, text = arg[1], arg[2], arg[3]
if not text then error("usage: lua examples/loops/luv.lua FROM TO TEXT", 0) end

-- What a callback raises ends no loop.
local client = telnyx.new({ on_error = function(why) io.stderr:write(tostring(why), "\n") end })
local drive = attach(client)

local ticks, clock = 0, uv.new_timer()
clock:start(0, 10, function() ticks = ticks + 1 end)

client:start({ from = from, to = to, text = text }, function(message, err)
  print(message and message.id or tostring(err))
  print("the loop went round " .. ticks .. " times meanwhile")
  clock:close()
end)
drive()
uv.run()
