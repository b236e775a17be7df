-- What a key costs: messages a second through a client whose service is in the process, beside the
-- bare claim and finish of the same journal in the same run; and a claim among few rows and many.

package.path = "./?.lua;" .. package.path

local core = require("telnyx.core")
local journals = require("spec.bench.journals")
local measure = require("spec.bench.measure")
local postgres = require("spec.support.postgres")
local sandbox = require("spec.support.sandbox")

local N_ROUNDS, LOOK_S, START_S = 3, 1, 0.5
local N_CLAIMS = 200 -- in a round
local FEW, MANY = 1000, 1000000

-- Messages a second ------------------------------------------------------------------------------

local function lua() return rawget(_G, "jit") and "luajit" or "lua5.4" end

local function rate(what, kind, place, n_processes)
  local first = core.monotonic() + START_S
  local command = ("%s spec/bench/journal_worker.lua %s %s %s %.3f %.3f"):format(lua(), what, kind,
    place, first, first + LOOK_S)
  local said = measure.output_of((command .. " & "):rep(n_processes) .. "wait")
  local total, n_told = 0, 0
  for n in said:gmatch("%f[^\n\0](%d+)\n") do total, n_told = total + n, n_told + 1 end
  assert(n_told == n_processes, said)
  return total / LOOK_S
end

-- Medians of rounds that alternate.
local function rates(ways, kind, place, n_processes)
  local found, medians = {}, {}
  for _, what in ipairs(ways) do found[what] = {} end
  for round = 1, N_ROUNDS do
    for _, what in ipairs(ways) do found[what][round] = rate(what, kind, place, n_processes) end
  end
  for what, values in pairs(found) do medians[what] = measure.median(values) end
  return medians
end

local function tell_rates(places)
  print(("%-24s%18s%18s%10s"):format("messages a second", "send with a key", "claim + finish",
    "ratio"))
  for _, row in ipairs({ { "memory", 1 }, { "sqlite", 1 }, { "sqlite", 4 }, { "sqlite", 8 },
    { "postgres", 1 }, { "postgres", 4 }, { "postgres", 8 } }) do
    local kind, n = row[1], row[2]
    local found = rates({ "send", "bare" }, kind, places[kind], n)
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
  local times = {}
  for i = 1, N_CLAIMS do
    local now = core.now()
    local given = { key = core.new_claim(), digest = core.digest(""), claim = core.new_claim(),
      now = now, expires = now + 90 }
    local started = core.monotonic()
    assert(journal:claim(given))
    times[i] = (core.monotonic() - started) * 1000
  end
  return measure.median(times)
end

local function tell_claims(kind, few_place, many_place)
  local few, many = filled(kind, few_place, FEW), filled(kind, many_place, MANY)
  local few_ms, many_ms = {}, {}
  for round = 1, N_ROUNDS do
    few_ms[round], many_ms[round] = claim_ms(few), claim_ms(many)
  end
  few:close()
  many:close()
  local at_few, at_many = measure.median(few_ms), measure.median(many_ms)
  print(("  %-22s%15.3f ms%15.3f ms%10.2f"):format(kind, at_few, at_many, at_many / at_few))
end

local function main(folder, server)
  local function database(name)
    server:run(("createdb -h %s -U spec %s"):format(server.folder, name))
    return server.folder .. ":" .. name
  end
  tell_rates({ memory = "none", sqlite = folder .. "/rates.db", postgres = database("rates") })
  print(("\n%-24s%18s%18s%10s"):format("a claim", FEW .. " rows", MANY .. " rows", "ratio"))
  tell_claims("sqlite", folder .. "/few.db", folder .. "/many.db")
  tell_claims("postgres", database("few"), database("many"))
end

local folder, server = sandbox.temporary_folder(), postgres.start()
local ok, why = pcall(main, folder, server)
server:stop()
os.execute("rm -rf " .. folder)
assert(ok, why)
