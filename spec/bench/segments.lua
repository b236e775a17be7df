-- What a call of segments costs from Lua, its result table and the garbage included.
--
--   make bench-segments

local core = require "telnyx.core"

local ROUNDS, SECONDS = 15, 0.02

local WORDS = "Your order is on its way, dear! "
local ROWS = {
  { "160 letters", WORDS:rep(5) },
  { "160 letters, options given", WORDS:rep(5), { charset = "3gpp", encoding = "auto" } },
  { "160 letters, in detail", WORDS:rep(5), { detail = true } },
  { "1,600 letters", WORDS:rep(50) },
  { "70 characters of UCS-2", ("中"):rep(70) },
  { "1,600 characters of UCS-2", ("中"):rep(1600) },
  { "160 with quotes, in detail", ("It’s “on its way”. "):rep(9), { detail = true } },
}

local function seconds(text, options, times)
  local segments, start = core.segments, os.clock()
  for _ = 1, times do segments(text, options) end
  return os.clock() - start
end

local function calibrated(text, options)
  local times = 1
  while seconds(text, options, times) < SECONDS do times = times * 2 end
  return times
end

local function median_ns(text, options)
  local times, rounds = calibrated(text, options), {}
  for i = 1, ROUNDS do rounds[i] = seconds(text, options, times) / times * 1e9 end
  table.sort(rounds)
  return rounds[(ROUNDS + 1) / 2]
end

print(("%-34s %8s %10s"):format("text", "bytes", "ns"))
for _, row in ipairs(ROWS) do
  print(("%-34s %8d %10.0f"):format(row[1], #row[2], median_ns(row[2], row[3])))
end
