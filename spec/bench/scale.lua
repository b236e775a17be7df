-- How far one database carries an outbox: a simulation of workers that take, send and finish, whose
-- database serves so many writes at a time and each in so many milliseconds, and of outages.
--
--   lua spec/bench/scale.lua [WRITE_MS [AT_A_TIME]]
--
-- What it takes from measurements are the two figures of the database: make bench-outbox has them.
-- A worker waits for one write at a time, and goes on sending meanwhile only what is under way.

local WRITE_MS, AT_A_TIME = tonumber(arg and arg[1]) or 0.6, tonumber(arg and arg[2]) or 3

-- Events, the next first ------------------------------------------------------------------------

local Heap = {}
Heap.__index = Heap

local function new_heap() return setmetatable({ n = 0 }, Heap) end

function Heap:push(at, act)
  local i = self.n + 1
  self.n = i
  while i > 1 do
    local above = math.floor(i / 2)
    if self[above][1] <= at then break end
    self[i] = self[above]
    i = above
  end
  self[i] = { at, act }
end

local function sift(self, last)
  local i = 1
  while true do
    local child = 2 * i
    if child > self.n then break end
    if child < self.n and self[child + 1][1] < self[child][1] then child = child + 1 end
    if self[child][1] >= last[1] then break end
    self[i] = self[child]
    i = child
  end
  self[i] = last
end

function Heap:pop()
  local first, last = self[1], self[self.n]
  self[self.n], self.n = nil, self.n - 1
  if self.n > 0 then sift(self, last) end
  return first[1], first[2]
end

-- Workers, a database, a service ----------------------------------------------------------------

---@class scale.case
---@field title string
---@field workers integer
---@field concurrency integer of each
---@field latency_s number of the service
---@field rate number messages a second, of all
---@field waiting integer rows at the beginning
---@field outage { from: number, to: number, of: "service"|"database" }|nil

local function is_out(run, of)
  local outage = run.case.outage
  return outage and outage.of == of and run.now >= outage.from and run.now < outage.to
end

local function later(run, seconds, act) run.events:push(run.now + seconds, act) end

-- The one that is free first serves; an outage of it holds everybody up.
local function write(run, act)
  local first = 1
  for i = 2, AT_A_TIME do
    if run.free_at[i] < run.free_at[first] then first = i end
  end
  local from = math.max(run.now, run.free_at[first])
  local outage = run.case.outage
  if outage and outage.of == "database" and from >= outage.from and from < outage.to then
    from = outage.to
  end
  run.free_at[first] = from + WRITE_MS / 1000
  run.busy_s = run.busy_s + WRITE_MS / 1000
  run.n_writes = run.n_writes + 1
  run.events:push(run.free_at[first], act)
end

local go_on

-- One write at a time, in the order in which they came up.
local function write_for(run, worker, act)
  worker.todo[#worker.todo + 1] = act
  if worker.is_writing then return end
  local function next_write()
    local own = table.remove(worker.todo, 1)
    worker.is_writing = own ~= nil
    if not own then return go_on(run, worker) end
    write(run, function()
      own()
      next_write()
    end)
  end
  next_write()
end

local BACKOFF_S, MOST_BACKOFF_S = 0.5, 30

local function finish(run, worker)
  if is_out(run, "service") then
    worker.n_unsent = worker.n_unsent + 1
    worker.held_until = run.now + math.min(MOST_BACKOFF_S, BACKOFF_S * 2 ^ worker.n_unsent)
    run.n_asked_in_vain = run.n_asked_in_vain + 1
    write_for(run, worker, function()
      worker.n_free, run.waiting = worker.n_free + 1, run.waiting + 1
    end)
    later(run, worker.held_until - run.now, function() go_on(run, worker) end)
    return
  end
  worker.n_unsent = 0
  write_for(run, worker, function()
    worker.n_free, run.n_sent = worker.n_free + 1, run.n_sent + 1
    run.last_sent_at = run.now
  end)
end

local function send(run, worker)
  local latency = is_out(run, "service") and 0.01 or -math.log(1 - math.random())
    * run.case.latency_s
  later(run, latency, function() finish(run, worker) end)
end

-- Turns of the pace that all keep; a block at a time, as a worker reserves them.
local function n_turns(run, most)
  local step = 1 / run.case.rate
  run.next_turn = math.max(run.next_turn, run.now - 0.02)
  local n = math.max(0, math.min(most, math.floor((run.now - run.next_turn) / step) + 1))
  return n, math.max(0, run.next_turn - run.now)
end

function go_on(run, worker)
  if worker.is_writing or worker.n_free == 0 or run.waiting == 0 then return end
  if worker.held_until > run.now then return end
  local n, wait = n_turns(run, math.min(worker.n_free, run.waiting))
  if n == 0 then
    if worker.is_waiting then return end
    worker.is_waiting = true
    return later(run, wait + 1e-6, function()
      worker.is_waiting = false
      go_on(run, worker)
    end)
  end
  run.next_turn = run.next_turn + n / run.case.rate
  worker.n_free, run.waiting = worker.n_free - n, run.waiting - n
  write_for(run, worker, function()
    for _ = 1, n do send(run, worker) end
  end)
end

local function simulate(case)
  local run = { case = case, now = 0, events = new_heap(), free_at = {}, waiting = case.waiting,
    n_sent = 0, n_writes = 0, busy_s = 0, next_turn = 0, n_asked_in_vain = 0, last_sent_at = 0 }
  for i = 1, AT_A_TIME do run.free_at[i] = 0 end
  for i = 1, case.workers do
    local worker = { n_free = case.concurrency, todo = {}, held_until = 0, n_unsent = 0 }
    later(run, i * 1e-4, function() go_on(run, worker) end)
  end
  while run.events.n > 0 do
    local act
    run.now, act = run.events:pop()
    act()
  end
  assert(run.n_sent == case.waiting, "some were never sent")
  return run
end

-- Telling -----------------------------------------------------------------------------------------

local UNLIMITED = 1e9

local CASES = {
  { title = "1 worker, service of 100 ms", workers = 1 },
  { title = "4 workers", workers = 4 },
  { title = "16 workers", workers = 16 },
  { title = "64 workers", workers = 64 },
  { title = "16 workers, 64 at once each", workers = 16, concurrency = 64 },
  { title = "16 workers, service of 1 s", workers = 16, latency_s = 1 },
  { title = "16 workers, at most 100 a second", workers = 16, rate = 100, waiting = 6000 },
  { title = "the same, service out for 60 s", workers = 16, rate = 100, waiting = 6000,
    outage = { of = "service", from = 10, to = 70 } },
  { title = "the same, service out for 600 s", workers = 16, rate = 100, waiting = 6000,
    outage = { of = "service", from = 10, to = 610 } },
  { title = "the same, database out for 60 s", workers = 16, rate = 100, waiting = 6000,
    outage = { of = "database", from = 10, to = 70 } },
}

local function complete(case)
  case.concurrency, case.latency_s = case.concurrency or 16, case.latency_s or 0.1
  case.rate, case.waiting = case.rate or UNLIMITED, case.waiting or 20000
  return case
end

math.randomseed(7)
print(("a database that does %d writes at a time, each in %.2f ms"):format(AT_A_TIME, WRITE_MS))
print(("%-36s%10s%12s%12s%14s%11s%10s"):format("", "messages", "all after", "a second",
  "writes each", "database", "in vain"))
for _, case in ipairs(CASES) do
  local run = simulate(complete(case))
  local seconds = run.last_sent_at
  print(("%-36s%10d%10.0f s%12.0f%14.2f%10.0f%%%10d"):format(case.title, run.n_sent, seconds,
    run.n_sent / seconds, run.n_writes / run.n_sent, 100 * run.busy_s / AT_A_TIME / seconds,
    run.n_asked_in_vain))
end
