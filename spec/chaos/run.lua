-- Thousands of sends through foul weather, then the books are compared.
--
--   CHAOS_SEED=    repeat a run          CHAOS_SENDS=   how many (5000)
--   CHAOS_NGINX=1  also from inside nginx
--   CHAOS_EXPECT=crimes       fail unless some are found: for a build that does not look first
--   CHAOS_TIMEOUT= seconds for one attempt (0.25), for what makes a program slow

local core = require "telnyx.core"
local new_judge = require("spec.chaos.judge").new
local judge_module = require "spec.chaos.judge"
local lanes = require "spec.chaos.lanes"
local station_module = require "spec.chaos.station"

local SENDS = tonumber(os.getenv("CHAOS_SENDS") or "") or 5000
local EXPECT_CRIMES = os.getenv("CHAOS_EXPECT") == "crimes"
local LEAST_STALE_SHARE = 0.95

local function fresh_seed()
  local file = assert(io.open("/dev/urandom", "rb"))
  local a, b, c = file:read(3):byte(1, 3)
  file:close()
  return a * 65536 + b * 256 + c
end

local SEED = tonumber(os.getenv("CHAOS_SEED") or "") or fresh_seed()

-- Longer than a talking server holds its tongue.
local QUIET = 0.02

-- title, how, where, share of the sends, seconds between bursts
local PLAN = {
  { "core, http", lanes.core, "http", 0.30 },
  { "core, https", lanes.core, "https", 0.30 },
  { "client, http", lanes.telnyx, "http", 0.20 },
  { "client, https", lanes.telnyx, "https", 0.20 },
  { "idle, http", lanes.pausing, "fair_http", 0.04, is_fair = true },
  { "idle, https", lanes.pausing, "fair_https", 0.04, is_fair = true },
  { "talking, http", lanes.pausing, "talking_http", 0.08, QUIET, is_fair = true },
  { "talking, https", lanes.pausing, "talking_https", 0.08, QUIET, is_fair = true },
}
if os.getenv("CHAOS_NGINX") == "1" then
  table.insert(PLAN, { "nginx, http", require("spec.chaos.nginx_lane"), "http", 0.10 })
  table.insert(PLAN, { "nginx, https", require("spec.chaos.nginx_lane"), "https", 0.10 })
  table.insert(PLAN,
    { "nginx, talking", require("spec.chaos.nginx_lane"), "talking_http", 0.04, QUIET })
end

local function run_lane(station, lane, first, last)
  local title, how, where = lane[1], lane[2], lane[3]
  local judge = new_judge(first, last)
  local started = core.monotonic()
  how({
    url = station[where] .. "/v2", ca_file = station.ca_file, seed = SEED, pause = lane[5],
    first = first, last = last, timeout = tonumber(os.getenv("CHAOS_TIMEOUT") or "") or 0.25,
  }, function(...) judge:hear(...) end)
  return { title = title, judge = judge, is_fair = lane.is_fair,
    seconds = core.monotonic() - started }
end


local function run_all(station)
  local done, next_reference = {}, 1
  for _, lane in ipairs(PLAN) do
    local n = math.max(1, math.floor(SENDS * lane[4]))
    done[#done + 1] = run_lane(station, lane, next_reference, next_reference + n - 1)
    next_reference = next_reference + n
  end
  return done
end

-- Telling.

local function line(title, columns)
  local cells = {}
  for i, column in ipairs(columns) do cells[i] = ("%16s"):format(column) end
  print(("  %-43s"):format(title) .. table.concat(cells))
end

local function row(title, all, key)
  local columns, total = {}, 0
  for i, counts in ipairs(all) do
    local value = counts[key] or 0
    columns[i] = ("%d"):format(value)
    total = total + value
  end
  columns[#columns + 1] = ("%d"):format(total)
  line(title, columns)
  return total
end

local function tell_weather(fates)
  local names = {}
  for name in pairs(fates) do names[#names + 1] = name end
  table.sort(names, function(a, b) return fates[a] > fates[b] end)
  for i, name in ipairs(names) do names[i] = ("%s %d"):format(name, fates[name]) end
  print("\n  the weather: " .. table.concat(names, ", "))
end

local function tell(done, all)
  local titles = {}
  for i, lane in ipairs(done) do titles[i] = lane.title end
  titles[#titles + 1] = "all"
  line("", titles)
  row("sends", all, "sends")
  for _, outcome in ipairs(judge_module.OUTCOMES) do row("  " .. outcome, all, outcome) end
  row("  of the unknown, accepted all the same", all, "unknown_accepted")
  row("met a connection that broke before it began", all, "stale")
  row("  of these, accepted on a fresh one", all, "stale_accepted")
  row("asked while bytes came that nobody had asked", all, "raced")
  local crimes = {}
  for _, crime in ipairs(judge_module.CRIMES) do crimes[crime[1]] = row(crime[2], all, crime[1]) end
  return crimes
end

-- In fair weather, all that can go wrong is an idle connection that was closed, or talked.
local function fair_share(done, all)
  local sends, accepted = 0, 0
  for i, lane in ipairs(done) do
    if lane.is_fair then
      sends, accepted = sends + all[i].sends, accepted + (all[i].accepted or 0)
    end
  end
  return sends > 0 and accepted / sends or 1
end

local function sum(crimes)
  local total = 0
  for _, n in pairs(crimes) do total = total + n end
  return total
end

local function verdict(crimes, share)
  if EXPECT_CRIMES then
    local is_found = crimes.twice > 0 and crimes.anothers > 0
    if is_found then return 0, "as expected without a look: sent twice, and others' replies" end
    return 1, "FAILED: nothing was found, so this could not have found anything"
  end
  if sum(crimes) > 0 then return 1, "FAILED: repeat with CHAOS_SEED=" .. SEED end
  if share < LEAST_STALE_SHARE then return 1, "FAILED: too many were lost to idle connections" end
  return 0, "the promise holds"
end

local function runtime()
  local jit = rawget(_G, "jit")
  return jit and jit.version or _VERSION
end

local function main()
  print(("chaos: seed %d, %s, libcurl %s"):format(SEED, runtime(), core.libcurl))
  local station = station_module.start(SEED)
  local started = core.monotonic()
  local done = run_all(station)
  local ledger, fates = station:report()
  station:stop()
  local all = {}
  for i, lane in ipairs(done) do all[i] = lane.judge:count(ledger) end
  local crimes, share = tell(done, all), fair_share(done, all)
  tell_weather(fates)
  local idle = "  after an idle connection had ended or talked: %.1f %% of the sends accepted"
  print(idle:format(100 * share))
  local code, words = verdict(crimes, share)
  print(("chaos: %s (seed %d, %.0f s)"):format(words, SEED, core.monotonic() - started))
  return code
end

local code = main()
-- With the state closed, so that leaks can be told.
if code ~= 0 then os.exit(code, true) end
