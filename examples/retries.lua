-- Bad weather, and what a program gets to see of it.
--
--   make sandbox &
--   TELNYX_API_KEY=KEY_TEST TELNYX_BASE_URL=http://127.0.0.1:12111/v2 lua5.4 examples/retries.lua
--
-- The recipients are the sandbox's: each causes one kind of trouble.

local telnyx = require("telnyx")

local client = telnyx.new({
  retry = { attempts = 4, base = 0.1 },
  timeout = 2,
  log = function(event)
    print(("    attempt %d: %s%s"):format(event.attempt, event.outcome,
      event.wait and (", waiting %.2f s"):format(event.wait) or ""))
  end,
})

local WEATHER = {
  { "+15550042911", "one 429 with Retry-After: 1, then fair weather" },
  { "+15550090012", "accepted, then the connection is reset" },
  { "+15550000500", "500, nothing accepted" },
  { "+15550060003", "accepted, but the answer is cut off" },
}

for _, weather in ipairs(WEATHER) do
  local to, what = weather[1], weather[2]
  print(what)
  local message, err = client:send({ from = "+18445550001", to = to, text = "Hello" })
  print("    => " .. (message and "accepted as " .. message.id or tostring(err)))
end
