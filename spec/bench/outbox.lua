-- What an outbox costs: messages a second through its workers, beside the bare take and finish of
-- the same journal in the same run; and a take among few rows and many.

package.path = "./?.lua;" .. package.path

local core = require("telnyx.core")
local journals = require("spec.bench.journals")
local measure = require("spec.bench.measure")
local postgres = require("spec.support.postgres")
local sandbox = require("spec.support.sandbox")

local N_ROUNDS, LOOK_S, START_S = 3, 1, 2
local WAITING = 60000
local FEW, MANY, N_TAKES = 1000, 1000000, 200

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

local function lua() return rawget(_G, "jit") and "luajit" or "lua5.4" end

local function rate(what, concurrency, kind, place, n_processes)
  local first = core.monotonic() + START_S
  local command = ("%s spec/bench/outbox_worker.lua %s %d %s %s %.3f %.3f"):format(lua(), what,
    concurrency, kind, place, first, first + LOOK_S)
  local said = measure.output_of((command .. " & "):rep(n_processes) .. "wait")
  local total, n_told = 0, 0
  for n in said:gmatch("%f[^\n\0](%d+)\n") do total, n_told = total + n, n_told + 1 end
  assert(n_told == n_processes, said)
  return total / LOOK_S
end

-- Medians of rounds that alternate.
local function rates(...)
  local found = { bare = {}, run = {} }
  for round = 1, N_ROUNDS do
    for what, values in pairs(found) do values[round] = rate(what, ...) end
  end
  return measure.median(found.run), measure.median(found.bare)
end

local function tell_rates(places)
  print(("%-36s%12s%18s%10s"):format("messages a second", "outbox", "take + finish", "ratio"))
  for _, row in ipairs({ { "sqlite", 1, 1 }, { "sqlite", 1, 16 }, { "sqlite", 4, 16 },
    { "sqlite", 8, 16 }, { "postgres", 1, 1 }, { "postgres", 1, 16 }, { "postgres", 4, 16 },
    { "postgres", 8, 16 } }) do
    local kind, n, concurrency = row[1], row[2], row[3]
    local run, bare = rates(concurrency, kind, places[kind], n)
    print(("  %-34s%12.0f%18.0f%10.2f"):format(("%s, %d process%s, %d at once"):format(kind, n,
      n > 1 and "es" or "", concurrency), run, bare, run / bare))
    io.flush()
  end
end

local function take_ms(journal)
  local queue, times = journal:queue(), {}
  assert(queue:take({ limit = 1, claim = core.new_claim(), now = 1, expires = 2 }))
  for i = 1, N_TAKES do
    local given = { limit = 1, claim = core.new_claim(), now = core.now(),
      expires = core.now() + 90 }
    local started = core.monotonic()
    assert(queue:take(given))
    times[i] = (core.monotonic() - started) * 1000
  end
  return measure.median(times)
end

local function tell_takes(kind, few_place, many_place)
  local few, many = fill(kind, few_place, FEW), fill(kind, many_place, MANY)
  local few_ms, many_ms = {}, {}
  for round = 1, N_ROUNDS do
    few_ms[round], many_ms[round] = take_ms(few), take_ms(many)
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
  local places = { sqlite = folder .. "/rates.db", postgres = database("rates") }
  for kind, place in pairs(places) do fill(kind, place, WAITING):close() end
  tell_rates(places)
  print(("\n%-24s%18s%18s%10s"):format("a take", FEW .. " rows", MANY .. " rows", "ratio"))
  tell_takes("sqlite", folder .. "/few.db", folder .. "/many.db")
  tell_takes("postgres", database("few"), database("many"))
end

local folder, server = sandbox.temporary_folder(), postgres.start()
local ok, why = pcall(main, folder, server)
server:stop()
os.execute("rm -rf " .. folder)
assert(ok, why)
