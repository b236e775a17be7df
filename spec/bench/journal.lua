-- What a key costs: messages a second through a client whose service is in the process, beside the
-- bare claim and finish of the same journal in the same run; and a claim among few rows and many.

package.path = "./?.lua;" .. package.path

local core = require("telnyx.core")
local databases = require("spec.bench.databases")
local journals = require("spec.bench.journals")

local START_S = 0.5
local N_CLAIMS = 200 -- in a round

-- Messages a second ------------------------------------------------------------------------------

local function rate(what, kind, place, n_processes)
  local command = ("%s spec/bench/journal_worker.lua %s %s %s"):format(databases.lua(), what, kind,
    place)
  return databases.rate(command, n_processes, START_S)
end

local function tell_rates(places)
  print(("%-24s%18s%18s%10s"):format("messages a second", "send with a key", "claim + finish",
    "ratio"))
  for _, row in ipairs({ { "memory", 1 }, { "sqlite", 1 }, { "sqlite", 4 }, { "sqlite", 8 },
    { "postgres", 1 }, { "postgres", 4 }, { "postgres", 8 } }) do
    local kind, n = row[1], row[2]
    local found = databases.rates({ "send", "bare" }, function(what)
      return rate(what, kind, places[kind], n)
    end)
    print(("  %-22s%18.0f%18.0f%10.2f"):format(("%s, %d process%s"):format(kind, n,
      n > 1 and "es" or ""), found.send, found.bare, found.send / found.bare))
    io.flush()
  end
  print(("  %-22s%18.0f"):format("without a key", rate("unkeyed", "memory", "none", 1)))
end

-- Few rows and many ------------------------------------------------------------------------------

local FILL = {
  sqlite = [[
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
INSERT INTO telnyx_send (key, state, digest, recipient, claim, owner, claimed_at, expires, tries,
  message_id, status, result, settled_at, settled_by, created_at)
SELECT lower(hex(randomblob(16))), 'accepted', lower(hex(randomblob(32))), '+18665550001',
  lower(hex(randomblob(16))), 'mill/7', i, i + 90, 1, lower(hex(randomblob(16))), 200, '{}', i + 1,
  'worker', i
FROM n]],
  postgres = [[
INSERT INTO telnyx_send (key, state, digest, recipient, claim, owner, claimed_at, expires, tries,
  message_id, status, result, settled_at, settled_by, created_at)
SELECT md5(random()::text), 'accepted', md5(random()::text), '+18665550001',
  md5(random()::text), 'mill/7', i, i + 90, 1, md5(random()::text), 200, '{}', i + 1,
  'worker', i
FROM generate_series(1, %d) AS s (i)]],
}

local function filled(kind, place, n)
  local journal = journals.open(kind, place)
  assert(journal:counts()) -- so the table is there
  assert(journal.keeper.query(FILL[kind]:format(n), {}, 0))
  assert(journal:counts().accepted == n)
  return journal
end

local function claim_ms(journal)
  return databases.median_ms(N_CLAIMS, function()
    local now = core.now()
    assert(journal:claim({ key = core.new_claim(), digest = core.digest(""),
      claim = core.new_claim(), now = now, expires = now + 90 }))
  end)
end

databases.run(function(place)
  tell_rates({ memory = "none", sqlite = place("sqlite", "rates"),
    postgres = place("postgres", "rates") })
  databases.tell_heading("a claim")
  for _, kind in ipairs({ "sqlite", "postgres" }) do
    databases.tell_few_and_many(kind, function(where, n) return filled(kind, where, n) end,
      { place(kind, "few"), place(kind, "many") }, claim_ms)
  end
end)
