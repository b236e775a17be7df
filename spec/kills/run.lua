-- Eight processes send one list of messages, each under its key, and one of them is killed every
-- few milliseconds and followed by another; then the journal is compared with the service's ledger.
-- Where that was done before so many were killed, there are more lists, shorter ones. Others are
-- killed at each step of a send, and at each of its system calls. A campaign is interrupted again
-- and again.
--
--   KILLS_MESSAGES=   how many are in the list (400)
--   KILLS=            how many are killed, at least (300; a third of them in the control)
--
-- The same with a journal that gives back what dead processes have claimed must send some twice.

package.path = "./?.lua;" .. package.path

local books = require "spec.kills.books"
local calls = require "spec.kills.calls"
local campaign = require "spec.kills.campaign"
local core = require "telnyx.core"
local herd = require "spec.kills.herd"
local journals = require "spec.kills.journals"
local json = require("cjson.safe").new()
local postgres = require "spec.support.postgres"
local sandbox = require "spec.support.sandbox"
local list = require "spec.kills.list"
local steps = require "spec.kills.steps"
local telnyx = require "telnyx"

local N_MESSAGES = tonumber(os.getenv("KILLS_MESSAGES") or "") or 400
local LEAST_KILLS = tonumber(os.getenv("KILLS") or "") or 300
local LEAST_PAUSE_S, MOST_PAUSE_S = 0.001, 0.020
local SLOWER_S = 2
local CEILING_S = 600

local LUAS = { "lua5.4", "luajit" }
local WAYS = { "send", "send", "send_all", "send_all" }
local OUTBOX = { "outbox" }
local N_WORKERS = 8

-- A run ----------------------------------------------------------------------------------------

local n_started = 0

local function start_worker(run, slot)
  n_started = n_started + 1
  local how = run.in_outbox and OUTBOX or WAYS
  return herd.start { LUAS[slot % #LUAS + 1], "spec/kills/worker.lua", run.service.url, run.kind,
    run.place, run.manner, how[slot % #how + 1], tostring(run.first), tostring(run.last),
    tostring(n_started) }
end

-- Whether one has gone through the list and found everything dealt with.
local function has_ended(pids)
  for slot, pid in pairs(pids) do
    local ending = herd.look(pid)
    if ending then
      pids[slot] = nil
      assert(ending == 0, "a worker has failed")
      return true
    end
  end
  return false
end

-- The longer it takes the longer they live, so that some get through a list where all is slow.
local function pause_s(since)
  local pace = 1 + (core.monotonic() - since) / SLOWER_S
  return (LEAST_PAUSE_S + math.random() * (MOST_PAUSE_S - LEAST_PAUSE_S)) * pace
end

local function kill_and_replace(run, pids)
  local slot = math.random(N_WORKERS)
  local ending = herd.kill(pids[slot])
  pids[slot] = start_worker(run, slot)
  if ending == herd.KILLED then return 1 end
  assert(ending == 0, "a worker has failed")
  return 0
end

local function fill_outbox(run)
  local journal = journals.open(run.kind, run.place)
  local client = telnyx.new { api_key = "KEY_SPEC", base_url = run.service.url, journal = journal }
  local outbox = telnyx.outbox(client)
  for i = run.first, run.last do
    assert(outbox:add(list.message(i), { key = list.key(i), at = 0 }))
  end
  client:close()
  journal:close()
end

-- What the last of the dead gave back.
local function send_the_rest(run)
  assert(herd.wait(start_worker(run, 0)) == 0, "a worker has failed")
end

-- How many were killed until all of a new list was dealt with.
local function kill_until_done(run)
  run.first = run.last + 1
  run.last = run.last + math.ceil(run.last == 0 and N_MESSAGES or N_MESSAGES / 4)
  if run.in_outbox then fill_outbox(run) end
  local pids, n_kills, since = {}, 0, core.monotonic()
  for slot = 1, N_WORKERS do pids[slot] = start_worker(run, slot) end
  while not has_ended(pids) do
    n_kills = n_kills + kill_and_replace(run, pids)
    assert(core.monotonic() < since + CEILING_S, "the list is never done")
    core.sleep(pause_s(since))
  end
  herd.kill_all()
  if run.in_outbox then send_the_rest(run) end
  return n_kills
end

-- Looking ----------------------------------------------------------------------------------------

-- What the dead have sent may still be read.
local function last_ledger(service)
  local last, n_alike = nil, 0
  return sandbox.wait(function()
    local ledger = service:ledger()
    n_alike = last and last.posts == ledger.posts and n_alike + 1 or 0
    last = ledger
    return n_alike == 10 and ledger
  end, "the ledger to stay as it is")
end

local function unsettled_keys(journal)
  local is_unsettled = {}
  for row in assert(journal:unsettled { now = core.now() + 3600 }) do
    is_unsettled[row.key] = true
  end
  return is_unsettled
end

local function text_of(service)
  return function(id)
    local _, body = service:request("GET", "/v2/messages/" .. id)
    local answer = json.decode(body)
    return answer and answer.data and answer.data.text
  end
end

local function judge(run)
  local journal = journals.open(run.kind, run.place)
  local counts = books.count(run.last, {
    journal = journal,
    posted = last_ledger(run.service).messages,
    is_unsettled = unsettled_keys(journal),
    text_of = text_of(run.service),
  })
  journal:close()
  return counts
end

-- How a run kills -------------------------------------------------------------------------------

local ways = {}

function ways.by_chance(run)
  local least, n_kills = run.manner == "careless" and LEAST_KILLS / 3 or LEAST_KILLS, 0
  run.last = 0
  repeat n_kills = n_kills + kill_until_done(run) until n_kills >= least
  return n_kills
end

-- Others then send what the dead have left.
function ways.at_each_call(run)
  local n_kills
  n_kills, run.last = calls.kill_at_each(run)
  run.first = 1
  assert(herd.wait(start_worker(run, 0)) == 0, "a worker has failed")
  return n_kills
end

local function carry_out(run)
  run.service:reset_ledger()
  local started = core.monotonic()
  local n_kills = ways[run.way](run)
  local seconds = core.monotonic() - started
  local counts = judge(run)
  counts.kills, counts.seconds = n_kills, math.floor(seconds + 0.5)
  counts.messages = run.last
  return counts
end

-- Telling ----------------------------------------------------------------------------------------

local function line(title, columns)
  local cells = {}
  for i, column in ipairs(columns) do cells[i] = ("%18s"):format(column) end
  print(("  %-42s"):format(title) .. table.concat(cells))
end

local function tell(runs)
  local titles = {}
  for i, run in ipairs(runs) do titles[i] = run.title end
  line("", titles)
  local function row(name, title)
    local columns = {}
    for i, run in ipairs(runs) do columns[i] = tostring(run.counts[name] or 0) end
    line(title, columns)
  end
  row("seconds", "seconds")
  row("kills", "kills")
  row("messages", "messages")
  for _, fate in ipairs(books.FATES) do row(fate[1], fate[2]) end
  for _, crime in ipairs(books.CRIMES) do row(crime[1], crime[2]) end
end

local function verdict(runs)
  for _, run in ipairs(runs) do
    local counts = run.counts
    if run.manner == "careless" then
      if not counts.twice then return false, "the careless journal seems to be as good" end
    elseif books.n_crimes(counts) > 0 then
      return false, run.title
    end
  end
  return true, "nothing was sent twice"
end

local function die_at_each_step(service, folder, server)
  local n = steps.try_all { kind = "sqlite", place = folder .. "/steps.db", service = service }
  service:reset_ledger()
  n = n + steps.try_all { kind = "postgres", place = server.folder, service = service }
  print(("  killed at a step of a send %d times: each as it must be"):format(n))
end

-- The runs that come first send themselves; the others have it done by an outbox's workers.
local N_DIRECT = 5

local function interrupt_campaign(service, folder)
  local counts = campaign.interrupt(folder, service)
  print(("  a campaign of 5000, interrupted ten times: %d accepted once each, %d unknown"):format(
    counts.accepted, counts.unknown))
end

local function main(folder, service, server)
  die_at_each_step(service, folder, server)
  interrupt_campaign(service, folder)
  local runs = {
    { title = "SQLite", kind = "sqlite", manner = "hasty", way = "by_chance" },
    { title = "at each call", kind = "sqlite", manner = "hasty", way = "at_each_call" },
    { title = "PostgreSQL", kind = "postgres", manner = "hasty", way = "by_chance" },
    { title = "at each call", kind = "postgres", manner = "hasty", way = "at_each_call" },
    { title = "control (SQLite)", kind = "sqlite", manner = "careless", way = "by_chance" },
    { title = "outbox, SQLite", kind = "sqlite", manner = "hasty", way = "by_chance" },
    { title = "PostgreSQL", kind = "postgres", manner = "hasty", way = "by_chance" },
    { title = "control", kind = "postgres", manner = "careless", way = "by_chance" },
  }
  for i, run in ipairs(runs) do
    server:ask("TRUNCATE telnyx_send")
    run.place = run.kind == "sqlite" and ("%s/%d.db"):format(folder, i) or server.folder
    run.service, run.luas, run.in_outbox = service, LUAS, i > N_DIRECT
    run.counts = carry_out(run)
  end
  tell(runs)
  return verdict(runs)
end

math.randomseed(core.pid())
local folder, service, server = sandbox.temporary_folder(), sandbox.start(), postgres.start()
local ok, is_good, words = pcall(main, folder, service, server)
herd.kill_all()
service:stop()
server:stop()
os.execute("rm -rf " .. folder)
if not ok then error(is_good, 0) end
print("kills: " .. (is_good and words or "FAILED: " .. words))
if not is_good then os.exit(1) end
