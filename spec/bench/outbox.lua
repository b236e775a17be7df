-- What an outbox costs: messages a second through its workers, beside the bare take and finish of
-- the same journal in the same run; and a take among few rows and many.

package.path = "./?.lua;" .. package.path

local core = require("telnyx.core")
local databases = require("spec.bench.databases")
local journals = require("spec.bench.journals")

-- A worker looks through its file first.
local START_S, WAITING = 2, 40000
local N_TAKES = 200 -- in a round

local SERIES = {
  sqlite = "(WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
    .. " SELECT i FROM n)",
  postgres = "generate_series(1, %d) AS n (i)",
}
local RANDOM = { sqlite = "lower(hex(randomblob(16)))", postgres = "md5(random()::text)" }
local FILL = [[
INSERT INTO telnyx_send (key, state, digest, recipient, sender, body, due, ord, tries, created_at)
SELECT RANDOM, 'queued', RANDOM, '+18665550001', '+18445550001',
  '{"from":"+18445550001","to":"+18665550001","text":"Hello!"}', 0, i, 0, i FROM ]]

local function fill(kind, place, n)
  local journal = journals.open(kind, place)
  assert(journal:counts()) -- so the table is there
  local text = FILL:gsub("RANDOM", RANDOM[kind]) .. SERIES[kind]:format(n)
  assert(journal.keeper.query(text, {}, 0))
  return journal
end

local function rate(what, concurrency, kind, place, n_processes)
  local command = ("%s spec/bench/outbox_worker.lua %s %d %s %s"):format(databases.lua(), what,
    concurrency, kind, place)
  return databases.rate(command, n_processes, START_S)
end

local function tell_rates(places)
  print(("%-36s%12s%18s%10s"):format("messages a second", "outbox", "take + finish", "ratio"))
  for _, row in ipairs({ { "sqlite", 1, 1 }, { "sqlite", 1, 16 }, { "sqlite", 4, 16 },
    { "sqlite", 8, 16 }, { "postgres", 1, 1 }, { "postgres", 1, 16 }, { "postgres", 4, 16 },
    { "postgres", 8, 16 } }) do
    local kind, n, concurrency = row[1], row[2], row[3]
    fill(kind, places[kind], WAITING):close() -- whoever is fast leaves none to the next
    local found = databases.rates({ "run", "bare" }, function(what)
      return rate(what, concurrency, kind, places[kind], n)
    end)
    print(("  %-34s%12.0f%18.0f%10.2f"):format(("%s, %d process%s, %d at once"):format(kind, n,
      n > 1 and "es" or "", concurrency), found.run, found.bare, found.run / found.bare))
    io.flush()
  end
end

local function take_ms(journal)
  local queue = journal:queue()
  assert(queue:take({ limit = 1, claim = core.new_claim(), now = 1, expires = 2 }))
  return databases.median_ms(N_TAKES, function()
    local now = core.now()
    assert(queue:take({ limit = 1, claim = core.new_claim(), now = now, expires = now + 90 }))
  end)
end

databases.run(function(place)
  local places = {}
  for _, kind in ipairs({ "sqlite", "postgres" }) do
    places[kind] = place(kind, "rates")
  end
  tell_rates(places)
  databases.tell_heading("a take")
  for _, kind in ipairs({ "sqlite", "postgres" }) do
    databases.tell_few_and_many(kind, function(where, n) return fill(kind, where, n) end,
      { place(kind, "few"), place(kind, "many") }, take_ms)
  end
end)
