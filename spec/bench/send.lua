-- Sends N messages to a service, 64 at a time.

local telnyx = require("telnyx")

local url, n = arg[1], tonumber(arg[2])
local client = telnyx.new({ api_key = "KEY_TEST", base_url = url })
local TEXT = "Hello, World! This is a message of a hundred and sixty characters, as most of them"
  .. " are: not long, not short, and sent to many."

local i = 0
local counts = client:send_all(function()
  i = i + 1
  if i <= n then return { from = "+18445550001", to = "+18665550001", text = TEXT } end
end, { concurrency = 64 })
client:close()
assert(counts.accepted == n, "accepted " .. counts.accepted .. " of " .. n)
