-- Sends N messages of an iterator, 64 at a time, and tells what memory the process has on the way.

local telnyx = require("telnyx")

local n = tonumber(arg[1])
local client = telnyx.new({ api_key = "KEY_TEST", base_url = os.getenv("BENCH_HTTP") })

local function resident_mb()
  for line in io.lines("/proc/self/status") do
    local kb = line:match("^VmRSS:%s+(%d+)")
    if kb then return tonumber(kb) / 1024 end
  end
end

local n_told, next_look = 0, 1000
local function look()
  n_told = n_told + 1
  if n_told < next_look then return end
  next_look = next_look * 10
  print(("after %8d messages: %5.1f MB resident, of them Lua's %4.1f MB"):format(
    n_told, resident_mb(), collectgarbage("count") / 1024))
end

local i = 0
local counts = client:send_all(function()
  i = i + 1
  if i <= n then return { from = "+18445550001", to = "+18665550001", text = "number " .. i } end
end, { concurrency = 64, on_result = look })
client:close()
assert(counts.accepted == n, "accepted " .. counts.accepted .. " of " .. n)
