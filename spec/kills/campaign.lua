-- A campaign is interrupted ten times, by Ctrl-C, by SIGTERM and by being killed, and started again
-- each time. Whoever asks it to end loses nothing; whoever kills it leaves unknown what was under
-- way, and no more.

local core = require "telnyx.core"
local herd = require "spec.kills.herd"
local journal = require "telnyx.journal"
local sandbox = require "spec.support.sandbox"

local N_ROWS, N_INTERRUPTS, CONCURRENCY, RATE = 5000, 10, 16, 800
local SIGNALS = { "INT", "TERM", "KILL" }
local LEAST_POSTS = 20

local function write_people(path)
  local file = assert(io.open(path, "wb"))
  file:write("to,text,key\n")
  for i = 1, N_ROWS do file:write(("+1866555%04d,campaign %d,row-%d\n"):format(i, i, i)) end
  file:close()
end

local function start(run, lua)
  local command = ("exec %s examples/campaign.lua --from +18445550001 --rate %d --concurrency %d"
    .. " %s/people.csv %s/results.csv >%s/said 2>&1"):format(lua, RATE, CONCURRENCY, run.folder,
    run.folder, run.folder)
  return herd.start { "env", "TELNYX_API_KEY=KEY_SPEC", "TELNYX_BASE_URL=" .. run.service.url,
    "sh", "-c", command }
end

local function n_open(run)
  local own = journal.sqlite(run.folder .. "/results.csv.db")
  local counts = assert(own:counts())
  own:close()
  return counts.sending + counts.unknown
end

local function interrupt(run, i)
  local name, before = SIGNALS[i % #SIGNALS + 1], run.service:ledger().posts
  local pid = start(run, i % 2 == 0 and "lua5.4" or "luajit")
  sandbox.wait(function() return run.service:ledger().posts >= before + LEAST_POSTS end, "sends")
  core.sleep(math.random() * 0.2)
  herd.signal(pid, herd[name])
  local ending = herd.wait(pid)
  local expected = name == "KILL" and herd.KILLED or 130
  assert(ending == expected, name .. ": ended by " .. tostring(ending))
  local n = n_open(run)
  local most = run.n_open + (name == "KILL" and CONCURRENCY or 0)
  assert(n <= most, ("%s left %d without an end"):format(name, n - run.n_open))
  run.n_open = n
end

-- Each row of the file, in the journal and on the ledger.
local function judge(run)
  local own, counts = journal.sqlite(run.folder .. "/results.csv.db"), { accepted = 0, unknown = 0 }
  local ledger = run.service:ledger().messages
  for i = 1, N_ROWS do
    local row, posted = assert(own:get("row-" .. i)), ledger["campaign " .. i]
    local state = row.state == "sending" and "unknown" or row.state
    assert(counts[state], ("row %d: %s"):format(i, state))
    counts[state] = counts[state] + 1
    assert(not posted or posted.posts == 1, ("row %d was posted twice"):format(i))
    assert(posted or state == "unknown", ("row %d was never posted"):format(i))
  end
  own:close()
  return counts
end

local campaign = {}

---@param folder string
---@param service table a sandbox
---@return table counts accepted, unknown
function campaign.interrupt(folder, service)
  local run = { folder = folder, service = service, n_open = 0 }
  service:reset_ledger()
  write_people(folder .. "/people.csv")
  for i = 1, N_INTERRUPTS do interrupt(run, i) end
  local ending = herd.wait(start(run, "lua5.4"))
  assert(ending == (run.n_open > 0 and 1 or 0), "the last run: " .. tostring(ending))
  return judge(run)
end

return campaign
