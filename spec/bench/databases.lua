-- What is measured of databases: rates of processes that work at once, and a call among few rows
-- and many.

local core = require("telnyx.core")
local measure = require("spec.bench.measure")
local postgres = require("spec.support.postgres")
local sandbox = require("spec.support.sandbox")

local LOOK_S = 1
local FEW, MANY = 1000, 1000000

local databases = {}

databases.N_ROUNDS = 3

function databases.lua() return rawget(_G, "jit") and "luajit" or "lua5.4" end

---What so many processes do in a second, together. Each runs the command with the moments at which
---it begins and ends to count, and says how many it has counted.
---@param command string
---@param n_processes integer
---@param start_s number what they need before
---@return number
function databases.rate(command, n_processes, start_s)
  local first = core.monotonic() + start_s
  command = ("%s %.3f %.3f"):format(command, first, first + LOOK_S)
  local said = measure.output_of((command .. " & "):rep(n_processes) .. "wait")
  local total, n_told = 0, 0
  for n in said:gmatch("%f[^\n\0](%d+)\n") do total, n_told = total + n, n_told + 1 end
  assert(n_told == n_processes, said)
  return total / LOOK_S
end

---Medians of rounds that alternate.
---@param ways string[]
---@param rate_of fun(way: string): number
---@return table<string, number> by way
function databases.rates(ways, rate_of)
  local found, medians = {}, {}
  for _, what in ipairs(ways) do found[what] = {} end
  for round = 1, databases.N_ROUNDS do
    for _, what in ipairs(ways) do found[what][round] = rate_of(what) end
  end
  for what, values in pairs(found) do medians[what] = measure.median(values) end
  return medians
end

---@param n integer
---@param act fun() that succeeds
---@return number milliseconds each takes, the median
function databases.median_ms(n, act)
  local times = {}
  for i = 1, n do
    local started = core.monotonic()
    act()
    times[i] = (core.monotonic() - started) * 1000
  end
  return measure.median(times)
end

---@param what string
function databases.tell_heading(what)
  print(("\n%-24s%18s%18s%10s"):format(what, FEW .. " rows", MANY .. " rows", "ratio"))
end

---Tells what a call takes among few rows and many.
---@param kind string
---@param fill fun(place: string, n: integer): telnyx.journal
---@param places string[] two empty ones
---@param ms_of fun(journal: telnyx.journal): number
function databases.tell_few_and_many(kind, fill, places, ms_of)
  local few, many = fill(places[1], FEW), fill(places[2], MANY)
  local few_ms, many_ms = {}, {}
  for round = 1, databases.N_ROUNDS do
    few_ms[round], many_ms[round] = ms_of(few), ms_of(many)
  end
  few:close()
  many:close()
  local at_few, at_many = measure.median(few_ms), measure.median(many_ms)
  print(("  %-22s%15.3f ms%15.3f ms%10.2f"):format(kind, at_few, at_many, at_many / at_few))
end

---Runs with a server of its own and a folder, which are gone afterwards.
---@param main fun(place: fun(kind: string, name: string): string)
function databases.run(main)
  local folder, server = sandbox.temporary_folder(), postgres.start()
  local function place(kind, name)
    if kind == "sqlite" then return ("%s/%s.db"):format(folder, name) end
    server:run(("createdb -h %s -U spec %s"):format(server.folder, name))
    return server.folder .. ":" .. name
  end
  local ok, why = pcall(main, place)
  server:stop()
  os.execute("rm -rf " .. folder)
  assert(ok, why)
end

return databases
