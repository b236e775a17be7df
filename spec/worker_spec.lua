-- A worker of an outbox, closely: what an error, a fork or a step leaves of what it was about to
-- take, and what it says of refusals, in a time of its own.

local core = require "telnyx.core"
local journals = require "spec.support.journals"
local telnyx = require "telnyx"
local timed_service = require "spec.support.timed_service"

local FROM, TO = "+18445550001", "+18665550001"
local MESSAGE = { from = FROM, to = TO, text = "hello" }
local DOWN = { outcome = "not_sent", kind = "connection", retryable = true, cause = "no service" }
local BROKEN = { outcome = "unknown", kind = "connection", retryable = false, cause = "cut" }

local function copy(t)
  local own = {}
  for k, v in pairs(t) do own[k] = v end
  return own
end

-- The service has too many, for so long.
local function busy(retry_after)
  return { outcome = "rejected", kind = "api", status = 429, code = "10011", retryable = true,
    retry_after = retry_after }
end

local forks = core.forks
local function fork() rawset(core, "forks", function() return forks() + 1 end) end
local function parent() rawset(core, "forks", forks) end

describe("a worker of an outbox", function()
  local journal, client, box, sender
  setup(function() journals.sqlite.start() end)
  teardown(function() journals.sqlite.stop() end)
  before_each(function() journal = journals.sqlite.open() end)
  after_each(function()
    parent()
    client:close()
    journal:close()
  end)
  local function open(given)
    sender = given
    client = telnyx.new { sender = given, journal = journal }
    box = telnyx.outbox(client)
  end
  local function add(n)
    for i = 1, n do
      local message = { from = FROM, to = TO, text = "text " .. i }
      assert.is_true(box:add(message, { key = "k" .. i }))
    end
  end

  -- One that cannot be stepped: what it is given has ended when its `send` returns.
  local function sender_at_once(posts, answer)
    local own = { time = 1000 }
    function own.send(_, sent)
      posts[#posts + 1] = sent.text
      local failure = answer and answer(#posts)
      if failure then return nil, copy(failure) end
      return { id = sent.text }, { outcome = "accepted", status = 200 }
    end
    function own:monotonic() return self.time end
    function own:sleep(seconds) self.time = self.time + seconds end
    return own
  end

  -- One in a time of its own.
  local function step_by_step(answer)
    local own = timed_service.new(function(sent, n, now)
      local failure, latency_s = answer(now, n, sent)
      return failure and copy(failure) or nil, latency_s
    end)
    local step = own.step
    function own:sleep(seconds) self.time = self.time + seconds end
    function own:step(seconds) return step(self, math.max(seconds, 1e-6)) end
    own.time = 1000
    return own
  end

  -- What is compiled calls no hook.
  local function without_compiler()
    local compiler = rawget(_G, "jit")
    if not compiler then return end
    compiler.off()
    compiler.flush()
    finally(compiler.on)
  end

  -- At the k-th line of these functions of the worker's.
  local function raise_at(k, names)
    local getinfo, n = debug.getinfo, 0
    local raised = {}
    debug.sethook(function()
      local info = getinfo(2, "nS")
      if names[info.name] and info.source:find("run/worker.lua", 1, true) then n = n + 1 end
      if n < k then return end
      debug.sethook()
      raised[1] = true
      error("from outside", 0)
    end, "l")
    return raised
  end

  -- What comes with a statement, before or after it.
  local function on_query(what, tell)
    local query = journal.keeper.query
    journal.keeper.query = function(sql, params, n)
      if not sql:find(what, 1, true) then return query(sql, params, n) end
      return tell(function() return query(sql, params, n) end)
    end
    return function() journal.keeper.query = query end
  end
  local TAKE = "tries = tries + 1"

  -- `tell` comes in the child, between the take and what is made of it.
  local function fork_in_take(tell)
    local posts, worker = {}, nil
    open(sender_at_once(posts))
    add(4)
    local restore = on_query(TAKE, function(query)
      local rows, why, is_sure = query()
      fork()
      return tell(worker, rows, why, is_sure)
    end)
    worker = box:start { concurrency = 4, lets_finish = function() return true end }
    pcall(worker.step, worker, 0)
    debug.sethook()
    restore()
    for _ = 1, 3 do
      worker.mend_at = 0
      pcall(worker.step, worker, 0)
    end
    parent()
    assert.same({ 0, 4 }, { #posts, journal:counts().sending })
  end

  it("leaves to its parent what is taken, where the query forks and then an error comes", function()
    without_compiler()
    fork_in_take(function(_, ...)
      raise_at(1, { take = true })
      return ...
    end)
  end)

  for how, lets_finish in pairs { ["ends it"] = false, ["lets it finish"] = true } do
    it("leaves nothing under way, wherever an error comes in a take that " .. how, function()
      without_compiler()
      local k, raised = 0, nil
      repeat
        k = k + 1
        open(sender_at_once {})
        for i = 1, 3 do assert.is_true(box:add(MESSAGE, { key = k .. " " .. i })) end
        local ok, why = pcall(function()
          raised = raise_at(k, { take = true, entry_of = true })
          box:run { concurrency = 3, until_idle = true,
            lets_finish = lets_finish and function() return true end or nil }
          debug.sethook()
        end)
        debug.sethook()
        assert.is_true(ok or why == "from outside", why)
        assert.equal(0, journal:counts().sending, k)
        for i = 1, 3 do box:withdraw(k .. " " .. i) end
      until not raised[1]
      assert.is_true(k > 12, k)
    end)
  end

  describe("that waits for rows", function()
    local told

    local function begin(callback)
      open(step_by_step(function() return nil, 0.5 end))
      local worker = box:start { concurrency = 4 }
      for _ = 1, 3 do worker:step(0) end
      told = {}
      client:start(MESSAGE, callback or function(sent) told[#told + 1] = sent.id end)
      return worker
    end

    it("carries what its client begins, by steps that never wait", function()
      local worker = begin()
      for _ = 1, 5 do
        sender.time = sender.time + 0.2
        worker:step(0)
      end
      assert.equal(1, #sender.posts)
      assert.equal(1, #told)
      assert.is_true(worker:timeout() > 0)
    end)

    it("carries it, by steps that wait", function()
      local worker = begin()
      for _ = 1, 20 do worker:step(0.05) end
      assert.same({ 1, 1 }, { #sender.posts, #told })
    end)

    it("raises, once, what that calls back", function()
      local worker = begin(function() error("of another", 0) end)
      local raised = {}
      for _ = 1, 5 do
        sender.time = sender.time + 0.2
        local ok, why = pcall(worker.step, worker, 0)
        if not ok then raised[#raised + 1] = why end
      end
      assert.same({ "of another" }, raised)
      assert.is_true(worker:timeout() > 0)
    end)

    it("rests meanwhile, where it runs by itself", function()
      local own, n_asked = step_by_step(function() return nil, 0.5 end), 0
      open(own)
      client:start(MESSAGE, function() error("of another", 0) end)
      box:run { poll = 1, stops_when = function()
        n_asked = n_asked + 1
        assert(n_asked < 1000, "it does not rest")
        return own.time > 1010
      end }
      assert.is_false((pcall(client.step, client, 0)))
    end)

    it("is not ended by that where it runs by itself", function()
      open(step_by_step(function() return nil, 0.5 end))
      add(2)
      client:start(MESSAGE, function() error("of another", 0) end)
      assert.equal(2, box:run({ until_empty = true }).accepted)
      assert.same({ false, "of another" }, { pcall(client.step, client, 0) })
    end)
  end)

  it("takes no more than it may after an error in a step of a callback's", function()
    local posts, limits, n_told, worker = {}, {}, 0, nil
    open(sender_at_once(posts))
    add(40)
    local methods = getmetatable(journal:queue()).__index
    local take = methods.take
    finally(function() methods.take = take end)
    function methods.take(self, t)
      limits[#limits + 1] = t.limit
      return take(self, t)
    end
    worker = box:start { concurrency = 4, on_result = function()
      n_told = n_told + 1
      if n_told > 1 then return end
      journal.keeper.look = function() error("from outside", 0) end
      worker.mend_at, worker.reap_at = 0, 0
      worker.look_at = 0
      pcall(worker.step, worker, 0)
      journal.keeper.look = nil
    end }
    for _ = 1, 30 do pcall(worker.step, worker, 0) end
    for _, n in ipairs(limits) do assert.is_true(n <= 4, n) end
    assert.is_true(worker.n_to_begin == 0, worker.n_to_begin)
  end)

  it("tries one at a time where a callback steps, also of what is not begun", function()
    local posts, n_begun_then, worker = {}, nil, nil
    open(sender_at_once(posts, function(n) return n > 0 and DOWN or nil end))
    add(20)
    local methods, limits = getmetatable(journal:queue()).__index, {}
    local take = methods.take
    finally(function() methods.take = take end)
    function methods.take(self, t)
      limits[#limits + 1] = t.limit
      return take(self, t)
    end
    worker = box:start { concurrency = 4, on_requeue = function()
      if n_begun_then then return end
      n_begun_then = #limits
      worker.patience:lose("unsent", sender.time + 100) -- as if it had gone wrong before
      worker.held_until = -math.huge
      worker:step(0)
      n_begun_then = #limits - n_begun_then
    end }
    worker:step(0)
    assert.equal(0, n_begun_then)
  end)

  it("counts a hold once, however many are refused in it", function()
    local own = step_by_step(function(_, n) return n <= 8 and busy(20) or nil, 0.1 end)
    open(own)
    add(8)
    local worker = box:start { concurrency = 8 }
    repeat worker:step(0.1) until worker.counts.requeued == 8
    assert.is_true(worker.held_s > 0 and worker.held_s < 20.5, worker.held_s)
  end)

  it("says nothing of a hold of half a second now and then", function()
    local own = step_by_step(function(_, n) return n % 60 == 59 and busy(0.6) or nil, 0.3 end)
    open(own)
    add(300)
    local told = {}
    local worker = box:start { concurrency = 2,
      on_trouble = function(why) told[#told + 1] = why or "over" end }
    repeat worker:step(1) until worker.counts.total == 300
    assert.is_true(worker.counts.requeued > 3)
    assert.same({}, told)
  end)

  it("says nothing of refusals that were over long before", function()
    local own = step_by_step(function(now, n)
      return now < 1020 and n % 3 == 0 and busy() or nil, 0.1
    end)
    open(own)
    local told, n_added = {}, 0
    local function more(n)
      for _ = 1, n do
        n_added = n_added + 1
        assert.is_true(box:add({ from = FROM, to = TO, text = "text" }, { key = "k" .. n_added }))
      end
    end
    more(150)
    local worker = box:start { concurrency = 4, poll = 1,
      on_trouble = function(why) told[#told + 1] = { own.time, why or "over" } end }
    repeat worker:step(1) until own.time > 1015
    for i = 1, n_added do box:withdraw("k" .. i) end
    repeat worker:step(1) until own.time > 1100
    local n = #told
    assert.is_true(n > 0)
    assert.equal("over", told[n][2])
    more(400)
    repeat worker:step(1) until own.time > 1110
    assert.equal(n, #told)
  end)

  it("says nothing of fewer under way where it is the pace that has them wait", function()
    local own = step_by_step(function(_, n) return n == 3 and BROKEN or nil, 0.1 end)
    open(own)
    add(60)
    local told = {}
    local worker = box:start { concurrency = 16, sender_rates = { toll_free = 1 },
      on_trouble = function(why) told[#told + 1] = why or "over" end }
    repeat worker:step(1) until worker.counts.total == 12
    for _, why in ipairs(told) do assert.is_nil(why:find("nobody knows"), why) end
  end)

  it("says at which rate messages leave while refusals hold them up", function()
    local own = step_by_step(function(now, n)
      return now > 1005 and n % 3 == 0 and busy() or nil, 0.1
    end)
    open(own)
    add(2500)
    local told = {}
    local worker = box:start { concurrency = 8,
      on_trouble = function(why) told[#told + 1] = { own.time, why } end }
    repeat worker:step(1) until own.time > 1060
    local rate, at = nil, told[#told][1]
    for _, one in ipairs(told) do
      rate = tonumber(one[2] and one[2]:match("([%d.]+) a second")) or rate
    end
    local n = 0
    for _, post in ipairs(own.posts) do
      if post.at > at - 10 and post.at <= at then n = n + 1 end
    end
    assert.is_true(rate > n / 10 / 2 and rate < n / 10 * 2, rate .. " " .. n / 10)
  end)

  it("speaks of lost ones with one of these, whatever was refused since", function()
    local own = step_by_step(function(_, n)
      if n <= 20 then return nil, 0.5 end
      if n <= 24 then return BROKEN, 0.5 end
      return n <= 36 and busy(0.6) or nil, n <= 36 and 0.7 or 4
    end)
    open(own)
    add(300)
    local told = {}
    local worker = box:start { concurrency = 16, on_trouble = function(why, err)
      told[#told + 1] = { why, err and err.outcome }
    end }
    repeat worker:step(1) until own.time > 1040
    local n = 0
    for _, one in ipairs(told) do
      if one[1] and (one[1]:find("nobody knows") or one[1]:find("nothing gets")) then
        n = n + 1
        assert.equal("unknown", one[2], one[1])
      end
    end
    assert.is_true(n > 0)
  end)

  it("says once that the journal can be asked again, also by who steps then", function()
    local service, worker = step_by_step(function() return nil, 0.1 end), nil
    open(service)
    local query, told = journal.keeper.query, {}
    worker = box:start { poll = 0.1, on_trouble = function(why)
      told[#told + 1] = why and "away" or "over"
      if not why then return end
      journal.keeper.query = query
      local at = service.time
      repeat worker:step(1) until service.time > at + 20
      told[#told + 1] = "stepped"
    end }
    journal.keeper.query = function() return nil, "the connection broke" end
    worker:step(1)
    local at = service.time
    repeat worker:step(1) until service.time > at + 30
    assert.same({ "away", "over", "stepped" }, told)
  end)

  it("takes at once in a child what was added, by a worker made before the fork", function()
    local service = step_by_step(function() return nil, 0.1 end)
    open(service)
    add(4)
    local worker = box:start { concurrency = 4 }
    fork()
    for _ = 1, 5 do worker:step(1) end
    assert.equal(4, #service.posts)
  end)

  it("speaks of patience with no error where none was a refusal", function()
    local down = copy(DOWN)
    down.retry_after = 30
    local service = step_by_step(function(_, n)
      if n == 1 then return down, 0.1 end
      return nil, 0.5
    end)
    open(service)
    add(40)
    local told = {}
    local worker = box:start { concurrency = 2, on_trouble = function(why, err)
      told[#told + 1] = { why or "over", err and err.outcome or "none" }
    end }
    repeat worker:step(0.2) until service.time > 1040
    local n = 0
    for _, one in ipairs(told) do
      if one[1]:find("patience") then
        n = n + 1
        assert.equal("none", one[2])
      end
    end
    assert.is_true(n > 0, told[1] and told[1][1])
  end)

  describe("that hears what the service has left", function()
    local LONG, FREE = "+13125550001", "+18445550009"

    local function add_from(from, first, last)
      for i = first, last do
        assert.is_true(box:add({ from = from, to = TO, text = from .. " " .. i },
          { key = from .. " " .. i }))
      end
    end

    -- So many in each minute, which it counts as they come. Its answers overtake each other.
    local function limited(limit)
      local minute, used
      return step_by_step(function(now, n)
        local at = math.floor(now / 60)
        if at ~= minute then minute, used = at, 0 end
        used = used + 1
        if used > limit then return busy(60 - now % 60) end
        return { outcome = "accepted", status = 200, ratelimit = { limit = limit,
          remaining = limit - used, reset = math.ceil(60 - now % 60) } }, (n % 3 + 1) / 10
      end)
    end

    for _, concurrency in ipairs { 1, 8, 39 } do
      it("is refused none, with so many at once: " .. concurrency, function()
        local own = limited(40)
        own.time = 1020
        open(own)
        add(100)
        local counts = box:run { concurrency = concurrency, until_empty = true }
        assert.equal(100, counts.accepted)
        assert.same({ 0, 0 }, { own.n_refused, counts.requeued })
        assert.is_true(own.posts[41].at >= 1080, own.posts[41].at)
        assert.is_true(own.posts[81].at >= 1140, own.posts[81].at)
        assert.is_true(own.time < 1150, own.time)
      end)
    end

    it("waits for no window where nothing is left", function()
      for what, ended in pairs { until_idle = "empty", until_empty = "empty" } do
        local own = limited(4)
        own.time = 1020
        open(own)
        for i = 1, 4 do assert.truthy(box:add(MESSAGE, { key = what .. i })) end
        assert.equal(ended, box:run({ concurrency = 2, [what] = true }).ended)
        assert.is_true(own.time < 1030, own.time)
        client:close()
      end
    end)

    it("goes on as soon as it says that there is more", function()
      local own = step_by_step(function(_, n)
        return { outcome = "accepted", status = 200, ratelimit = { limit = 1000,
          remaining = n == 1 and 1 or 1000, reset = 600 } }, n == 2 and 5 or 0.05
      end)
      open(own)
      add(6)
      assert.equal(6, box:run({ concurrency = 2, until_empty = true }).accepted)
      assert.is_true(own.time < 1010, own.time)
    end)

    it("heeds no word of it that makes no sense, and believes it for an hour at most", function()
      for _, limit in ipairs { { remaining = 0 }, { remaining = "0", reset = 60 }, { reset = 60 },
        { remaining = 0, reset = "60" }, { remaining = 0, reset = 0 / 0 },
        { remaining = 0 / 0, reset = 60 }, { remaining = 0, reset = -60 }, 7, "no limit", true } do
        local own = step_by_step(function()
          return { outcome = "accepted", status = 200, ratelimit = limit }
        end)
        open(own)
        for i = 1, 3 do assert.truthy(box:add(MESSAGE, { key = tostring(limit) .. i })) end
        assert.equal(3, box:run({ concurrency = 1, until_idle = true }).accepted)
        assert.is_true(own.time < 1002, own.time)
        client:close()
      end
      local own = step_by_step(function()
        return { outcome = "accepted", status = 200, ratelimit = { remaining = 0, reset = 1e12 } }
      end)
      open(own)
      add(2)
      assert.equal(2, box:run({ concurrency = 1, until_empty = true }).accepted)
      assert.is_true(own.time > 4600 and own.time < 4610, own.time)
    end)

    it("says so with no refusal, is due then, and held for who runs until it is idle", function()
      local own, told = limited(3), {}
      own.time = 1020
      open(own)
      add(11)
      local worker = box:start { concurrency = 1, on_trouble = function(why, err)
        told[#told + 1] = { why or "over", err and err.outcome or "none" }
      end }
      repeat worker:step(1) until own.time > 1030
      assert.matches("^the service asks for patience: %d%d s$", told[1][1])
      assert.equal("none", told[1][2])
      assert.equal(3, #own.posts)
      local due_s = worker:timeout()
      assert.is_true(due_s <= 5 and due_s > 0, due_s) -- dead workers are looked for meanwhile
      repeat worker:step(1) until own.time > 1078
      assert.is_true(worker:timeout() <= 1081 - own.time)
      repeat worker:step(1) until worker.counts.total == 6
      worker:leave()
      own.time = 1140
      local counts = box:run { concurrency = 1, until_idle = true }
      assert.same({ "held", 3, 0 }, { counts.ended, counts.total, counts.requeued })
    end)

    -- It takes all, and hands one a second on of each sender's.
    local function queueing(latency_s)
      local free_at, longest, last_at = {}, { [LONG] = 0, [FREE] = 0 }, {}
      local own = step_by_step(function(now, _, sent)
        local from = sent.from
        free_at[from] = math.max(free_at[from] or 0, now) + 1
        local wait_s = free_at[from] - now - 1
        longest[from], last_at[from] = math.max(longest[from], wait_s), now
        return { outcome = "accepted", status = 200, wait_seconds = wait_s }, latency_s
      end)
      return own, longest, last_at
    end

    it("lets no more than some minutes' messages of a sender wait there, and others go", function()
      for what, options in pairs {
        ["no rates"] = {}, ["rates"] = { sender_rates = { [FREE] = 100 } },
      } do
        local own, longest, last_at = queueing(0.05)
        open(own)
        add_from(LONG, 1, 400)
        add_from(FREE, 1, 100)
        options.concurrency, options.until_empty = 4, true
        assert.equal(500, box:run(options).accepted)
        assert.is_true(longest[LONG] > 290 and longest[LONG] < 310, what .. longest[LONG])
        assert.is_true(last_at[LONG] - 1000 > 80, what .. last_at[LONG])
        assert.is_true(last_at[FREE] - 1000 < 40, what .. last_at[FREE])
        client:close()
        journal:close()
        journal = journals.sqlite.open()
      end
    end)

    it("does not say of one who is kept back so that the service refuses his", function()
      local told, own = {}, step_by_step(function()
        return { outcome = "accepted", status = 200, wait_seconds = 400 }
      end)
      open(own)
      add_from(LONG, 1, 3)
      local worker = box:start { concurrency = 1, on_trouble = function(why)
        told[#told + 1] = why or "over"
      end }
      repeat worker:step(1) until own.time > 1050
      assert.same({}, told)
      assert.equal(1, #own.posts)
      worker:leave()
      assert.equal("held", box:run({ concurrency = 1, until_idle = true }).ended)
    end)

    for what, wait_s in pairs { ["no number"] = "900", ["not a number"] = 0 / 0, ["none"] = 0,
      ["a few minutes"] = 300 } do
      it("keeps nobody back for a wait that is " .. what, function()
        local own = step_by_step(function()
          return { outcome = "accepted", status = 200, wait_seconds = wait_s }
        end)
        open(own)
        add(5)
        assert.equal(5, box:run({ concurrency = 1, until_empty = true }).accepted)
        assert.is_true(own.time < 1002, own.time)
      end)
    end
  end)

  it("is losing where the last that was lost and an answer have the same moment", function()
    local now, own = core.now, sender_at_once({}, function(n) return n == 1 and BROKEN or nil end)
    finally(function() core.now = now end)
    function core.now() return 1.8e9 end
    open(own)
    add(2)
    box:run { concurrency = 1, until_empty = true }
    assert.same({ 1, 1 }, { journal:counts().unknown, journal:counts().accepted })
    assert.is_true(journal:queue():is_losing())
  end)

  it("is not losing where one was answered that was posted after what hung and was lost", function()
    open(sender_at_once {})
    local queue, at = journal:queue(), 1.8e9
    local now = core.now
    finally(function() core.now = now end)
    function core.now() return at end
    add(3)
    local rows = {}
    for i = 1, 3 do
      rows[i] = assert(queue:take { limit = 1, claim = "c" .. i, now = at + i * 10, due = 2e9,
        expires = 2e9 })[1]
    end
    local function finish(i, state, after_s)
      assert.is_true(journal:finish { key = rows[i].key, claim = "c" .. i, state = state,
        now = at + after_s })
    end
    finish(2, "unknown", 21)
    finish(3, "accepted", 40)
    finish(1, "unknown", 70)
    assert.is_false(queue:is_losing())
  end)

  it("says of a message that is no table that it cannot be read", function()
    open(sender_at_once {})
    add(1)
    assert.is_truthy(journal.keeper.query("UPDATE telnyx_send SET body = '\"x\"'", {}, 0))
    local ok, why = pcall(box.run, box, { until_empty = true })
    assert.is_false(ok)
    assert.matches("the message under 'k1' cannot be read", why)
  end)

end)
