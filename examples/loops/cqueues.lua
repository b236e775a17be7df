-- Inside cqueues: a client is an object that can be polled.
--
--   TELNYX_API_KEY=KEY… lua5.4 examples/loops/cqueues.lua FROM TO TEXT
--
-- Needs cqueues (Debian: lua-cqueues). With TELNYX_BASE_URL=http://127.0.0.1:12111/v2 it goes to
-- the sandbox, which takes a second to answer +15550070001.

local cqueues = require("cqueues")
local telnyx = require("telnyx")

-- What cqueues.poll wants to know of an object.
local function pollable(client)
  return {
    pollfd = function() return client:fd() end,
    events = function() return "r" end,
    timeout = function() return client:timeout() end,
  }
end

local from, to, text = arg[1], arg[2], arg[3]
if not text then error("usage: lua examples/loops/cqueues.lua FROM TO TEXT", 0) end

-- What a callback raises ends no loop.
local client = telnyx.new({ on_error = function(why) io.stderr:write(tostring(why), "\n") end })
local queue = cqueues.new()
local ticks, done = 0, false

queue:wrap(function()
  client:start({ from = from, to = to, text = text }, function(message, err)
    done = true
    print(message and message.id or tostring(err))
    print("another thread went round " .. ticks .. " times meanwhile")
  end)
  local object = pollable(client)
  while client:step(0) > 0 do cqueues.poll(object) end
end)

queue:wrap(function()
  while not done do
    cqueues.sleep(0.01)
    ticks = ticks + 1
  end
end)

assert(queue:loop())
