-- Paces within paces, kept by many workers together: in a time of its own, with a database's part
-- played by a table.

local demand = require "telnyx.run.demand"
local lanes = require "telnyx.run.lanes"

describe("workers that keep a rate of all and of each sender", function()
  local SENDERS = { "+12025550001", "+12025550002", "+12025550003" }
  local SECONDS, TICK_S = 20, 0.01

  local now
  local function clock() return now end

  local function new_workers(n_workers, options)
    local queue, next_at, workers = {}, {}, {}
    function queue.reserve(_, name, step, n)
      next_at[name] = math.max(now, next_at[name] or 0) + n * step
      return next_at[name] - now
    end
    function queue.ahead(_, name) return (next_at[name] or 0) - now end
    function queue.reserve_due(self, name, step, within)
      return (next_at[name] or 0) <= now + within and self:reserve(name, step, 1)
    end
    now, workers.queue = 1000, queue
    function workers.new() return lanes.new(queue, options) end
    for i = 1, n_workers do workers[i] = workers.new() end
    return workers
  end

  -- A pass over all who are ready, as a worker makes it.
  local function serve(own, all, left)
    for _ = 1, all:wake(now) do
      local sender = all:first().sender
      local n, next_at = own:ripe(sender, 4, clock)
      own:spend(sender, n)
      left[sender] = (left[sender] or 0) + n
      all:put(now, n > 0 and now or next_at, n)
    end
  end

  -- How many leave by sender, of many that wait.
  local function leave(n_workers, options)
    local workers, waiting, left = new_workers(n_workers, options), {}, {}
    local rows = { is_paused = function() return false end, senders = function()
      local list = {}
      for i, sender in ipairs(SENDERS) do list[i] = { sender = sender, due = 0 } end
      return list, ""
    end }
    for i = 1, n_workers do
      waiting[i] = demand.new(rows, true)
      waiting[i]:look(now)
    end
    for _ = 1, SECONDS / TICK_S do
      now = now + TICK_S
      for i, own in ipairs(workers) do serve(own, waiting[i], left) end
    end
    return left
  end

  for _, row in ipairs { { 8, 20, 10 }, { 2, 2, 1 }, { 4, 2, 1 }, { 16, 30, 15 } } do
    local n_workers, all, each = row[1], row[2], row[3]
    it(("starve none: %d workers, %d a second, %d each"):format(n_workers, all, each), function()
      local left, total = leave(n_workers, { rate = all, sender_rates = { long_code = each } }), 0
      for _, sender in ipairs(SENDERS) do
        assert.is_true(left[sender] > SECONDS * all / #SENDERS / 3, sender .. ": " .. left[sender])
        assert.is_true(left[sender] <= (SECONDS + 1) * each)
        total = total + left[sender]
      end
      assert.is_true(total <= (SECONDS + 1) * all)
      assert.is_true(total >= 0.8 * SECONDS * all, total)
    end)
  end

  it("ask again while a turn is far ahead: the clock may have been wrong", function()
    local workers = new_workers(1, { sender_rates = { long_code = 1 / 600 } })
    local own, is_wrong = workers[1], true
    local ahead, reserve_due = workers.queue.ahead, workers.queue.reserve_due
    function workers.queue.ahead(...) return is_wrong and 500 or ahead(...) end
    function workers.queue.reserve_due(...) return not is_wrong and reserve_due(...) end
    assert.equal(0, (own:ripe(SENDERS[1], 1, clock)))
    is_wrong, now = false, now + 31
    assert.equal(1, (own:ripe(SENDERS[1], 1, clock)))
    own:spend(SENDERS[1], 1)
    local n = 0
    for _ = 1, 1199 do
      now = now + 1
      if own:ripe(SENDERS[1], 1, clock) == 1 then
        n = n + 1
        own:spend(SENDERS[1], 1)
      end
    end
    assert.equal(1, n)
  end)

  -- How many of one sender leave when each worker lives for so long only.
  local function leave_restarting(options, life_s, seconds)
    local workers, n_left = new_workers(1, options), 0
    for tick = 1, seconds / TICK_S do
      now = now + TICK_S
      if tick % (life_s / TICK_S) == 0 then workers[1] = workers.new() end
      local n = workers[1]:ripe(SENDERS[1], 4, clock)
      workers[1]:spend(SENDERS[1], n)
      n_left = n_left + n
    end
    return n_left
  end

  it("lose no turns to restarts, one pace within another", function()
    local n = leave_restarting({ rate = 0.5, rates = { long_code = 0.25 },
      sender_rates = { long_code = 0.2 } }, 1.5, 60)
    assert.is_true(n >= 11 and n <= 13, n)
  end)

  it("keep the turn that they have while another worker is faster with the next", function()
    local workers = new_workers(1, { rate = 0.1, sender_rates = { long_code = 0.2 } })
    local reserve_due, n_lost = workers.queue.reserve_due, 0
    function workers.queue.reserve_due(self, name, ...)
      if name == "all" or n_lost > 0 then return reserve_due(self, name, ...) end
      n_lost = n_lost + 1
      return false
    end
    assert.equal(0, (workers[1]:ripe(SENDERS[1], 4, clock)))
    now = now + TICK_S
    assert.equal(1, (workers[1]:ripe(SENDERS[1], 4, clock)))
  end)

  it("let a burst go at once, and then keep the rate", function()
    local worker = new_workers(1, { rate = 1, burst = 3 })[1]
    local left_at = {}
    for _ = 1, 300 do
      for _ = 1, 5 do
        local n = worker:ripe("", 1, clock)
        worker:spend("", n)
        if n > 0 then left_at[#left_at + 1] = now - 1000 end
      end
      now = now + TICK_S
    end
    assert.same({ 0, 0, 0 }, { left_at[1], left_at[2], left_at[3] })
    assert.equal(5, #left_at)
    assert.is_true(left_at[4] >= 0.99 and left_at[5] >= 1.99)
  end)

  it("leave in no bunch after a rest for which they had turns", function()
    local workers, n_left = new_workers(16, { rate = 100 }), 0
    for _, own in ipairs(workers) do assert(own:ripe("", 10, clock)) end
    now = now + 60
    for tick = 0, 100 do
      for _, own in ipairs(workers) do
        local n = own:ripe("", 10, clock)
        own:spend("", n)
        n_left = n_left + n
      end
      if tick == 0 then assert.is_true(n_left <= 1, n_left) end
      now = now + TICK_S
    end
    assert.is_true(n_left > 50 and n_left <= 101, n_left)
  end)
end)
