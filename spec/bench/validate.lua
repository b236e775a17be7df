-- What judging a message costs, beside lua-cjson's writing of it: in instructions, which are the
-- same in every run, and in time.
--
--   make bench-validate
--
-- As a program of its own it does so many rounds of one thing, for callgrind:
--   lua spec/bench/validate.lua ROUNDS validate|json|nothing sms|mms|faulty

local cjson = require "cjson"
local core = require "telnyx.core"

local NOW = 1704067200

local MESSAGES = {
  sms = { to = "+18665550001", from = "+18445550001", text = "Hello, World!" },
  mms = {
    to = "+18665550001", from = "+18445550001", text = "Hello, World!", subject = "From Telnyx!",
    media_urls = { "https://pbs.twimg.com/profile_images/1142168442042118144/AW3F4fFD_400.png" },
    webhook_url = "http://example.com/webhooks",
    webhook_failover_url = "https://backup.example.com/hooks", use_profile_webhooks = true,
    type = "MMS", messaging_profile_id = "4000eba1-a0c0-4563-9925-b25e842a7cb6",
    auto_detect = false,
  },
  faulty = { to = "8665550001", from = "Big-Bank", webhook_url = "example.com" },
}

local WORK = {
  validate = function(message) return core.validate(message, NOW) end,
  json = cjson.encode,
  nothing = function() end,
}

if arg[1] then
  local work, message = WORK[arg[2]], MESSAGES[arg[3]]
  for _ = 1, tonumber(arg[1]) do work(message) end
  return
end

local measure = require "spec.bench.measure"

local function instructions(what, kind)
  local function count(rounds)
    return measure.instructions(("lua5.4 spec/bench/validate.lua %d %s %s"):format(rounds, what,
      kind))
  end
  local few, many = count(1000), count(3000)
  return few and many and (many - few) / 2000
end

local function nanoseconds(what, kind)
  local work, message = WORK[what], MESSAGES[kind]
  local times = {}
  for i = 1, 5 do
    local started = os.clock()
    for _ = 1, 100000 do work(message) end
    times[i] = (os.clock() - started) * 1e4
  end
  return measure.median(times)
end

print("judging a message, beside lua-cjson's writing of it (Lua 5.4)")
print(("%-8s %14s %14s %12s %12s"):format("", "instructions", "cjson's", "ns", "of cjson's"))
for _, kind in ipairs { "sms", "mms", "faulty" } do
  local own, json = instructions("validate", kind), instructions("json", kind)
  local ns, json_ns = nanoseconds("validate", kind), nanoseconds("json", kind)
  print(("%-8s %14s %14s %12.0f %11.0f%%"):format(kind, own and ("%.0f"):format(own) or "-",
    json and ("%.0f"):format(json) or "-", ns, 100 * ns / json_ns))
end
