local retry = require "telnyx.send.retry"

-- The "minimal standard" generator: exact in doubles, the same on every Lua.
local function lcg(seed)
  return function()
    seed = (seed * 16807) % 2147483647
    return seed / 2147483647
  end
end

local function constant(value)
  return function() return value end
end

local function state(fields)
  local full = { now = 1000, random = constant(0) }
  for name, value in pairs(fields or {}) do full[name] = value end
  return full
end

local function connection_failed()
  return { outcome = "not_sent", kind = "connection", retryable = true }
end

local function too_many(fields)
  local err = {
    outcome = "rejected", kind = "api", retryable = true, status = 429,
  }
  for name, value in pairs(fields or {}) do err[name] = value end
  return err
end

describe("telnyx.retry options", function()
  it("has the documented defaults", function()
    local policy = retry.policy()
    assert.equal(3, policy.attempts)
    assert.equal(0.5, policy.base)
    assert.equal(8, policy.cap)
    assert.equal(60, policy.max_wait)
    assert.is_false(policy.unknown)
    assert.is_nil(policy.should_retry)
    local budget = policy:new_budget()
    assert.equal(10, budget.capacity)
    assert.equal(0.5, budget.per_second)
    assert.equal(0.1, budget.per_success)
  end)

  local accepted = {
    { attempts = 1 }, { attempts = 1000 }, { base = 0 }, { cap = 0 },
    { max_wait = 86400 }, { unknown = true }, { unknown = false },
    { should_retry = print }, { budget = false }, { budget = {} },
    { budget = { capacity = 0, per_second = 0, per_success = 0 } },
  }
  for index, options in ipairs(accepted) do
    it("accepts case " .. index, function()
      local policy = retry.policy(options)
      for name, value in pairs(options) do
        assert.equal(value, policy[name])
      end
    end)
  end

  local nan, inf = 0 / 0, math.huge
  local refused = {
    { { attempts = 0 }, "retry.attempts must be a whole number, 1 or more, got 0" },
    { { attempts = 2.5 }, "retry.attempts must be a whole number" },
    { { attempts = "3" }, 'retry.attempts must be a whole number, 1 or more, got "3"' },
    { { attempts = inf }, "retry.attempts must be" },
    { { attempts = nan }, "retry.attempts must be" },
    { { base = -1 }, "retry.base must be a number of seconds, 0 or more, got -1" },
    { { base = nan }, "retry.base must be" },
    { { cap = "8" }, "retry.cap must be" },
    { { cap = {} }, "got a table" },
    { { max_wait = inf }, "retry.max_wait must be" },
    { { unknown = "yes" }, 'retry.unknown must be true or false, got "yes"' },
    { { should_retry = true }, "retry.should_retry must be a function, got true" },
    { { budget = 5 }, "retry.budget must be a table or false, got 5" },
    { { budget = true }, "retry.budget must be a table or false, got true" },
    { { budget = { capacity = -1 } }, "retry.budget.capacity must be" },
    { { budget = { per_second = nan } }, "retry.budget.per_second must be" },
    { { budget = { rate = 1 } }, "unknown option retry.budget.rate" },
    { { atempts = 3 }, "unknown option retry.atempts" },
    { { [1] = 3 }, "unknown option retry.1" },
    { 3, "retry must be a table or false, got 3" },
    { "on", 'retry must be a table or false, got "on"' },
    { true, "retry must be a table or false, got true" },
  }
  for _, case in ipairs(refused) do
    it("refuses: " .. case[2], function()
      local ok, message = pcall(retry.policy, case[1])
      assert.is_false(ok)
      assert.truthy(message:find(case[2], 1, true), message)
    end)
  end

  it("suggests the nearest name and lists the known ones", function()
    local seen
    local function nearest(name, names)
      seen = { name = name, names = names }
      return "attempts"
    end
    local ok, message = pcall(retry.policy, { atempts = 3 }, 1, nearest)
    assert.is_false(ok)
    assert.truthy(message:find('did you mean "attempts"?', 1, true), message)
    assert.truthy(message:find("known: attempts, base, budget, cap, max_wait,"
      .. " should_retry, unknown", 1, true), message)
    assert.equal("atempts", seen.name)
    assert.equal(7, #seen.names)
  end)

  it("says nothing of a nearest name when there is none", function()
    local _, message = pcall(retry.policy, { zzz = 3 }, 1, function() end)
    assert.is_nil(message:find("did you mean", 1, true))
  end)

  it("blames the line of the caller, or of its caller", function()
    local function library(level)
      retry.policy({ attempts = 0 }, level)
      return true
    end
    local function program(level)
      library(level)
      return true
    end
    local function line_of(level)
      local _, message = pcall(program, level)
      return tonumber(message:match("retry_spec%.lua:(%d+):"))
    end
    -- The call in `program` stands four lines below the one in `library`.
    assert.equal(4, line_of(2) - line_of(1))
    assert.equal(line_of(1), line_of(nil))
  end)

  it("does not touch the options, nor follow them afterwards", function()
    local options = { attempts = 5 }
    local policy = retry.policy(options)
    assert.same({ attempts = 5 }, options)
    options.attempts = 1
    assert.equal(5, policy.attempts)
  end)

  it("reads false as no retry", function()
    assert.equal(retry.none, retry.policy(false))
    assert.equal(1, retry.none.attempts)
    local wait, reason = retry.none:next(connection_failed(), 1, state())
    assert.is_nil(wait)
    assert.equal("attempts", reason)
  end)
end)

-- The design's table, typed again. Columns: retryable is true, false, absent.
-- y: sent again while attempts last; -: returned to the caller.
local by_default = {
  not_sent = {
    invalid = "---", connection = "y-y", timeout = "y-y", api = "y-y",
    protocol = "y-y",
  },
  rejected = {
    invalid = "y--", connection = "y--", timeout = "y--", api = "y--",
    protocol = "y--",
  },
  unknown = {
    invalid = "---", connection = "---", timeout = "---", api = "---",
    protocol = "---",
  },
  accepted = {
    invalid = "---", connection = "---", timeout = "---", api = "---",
    protocol = "---",
  },
  perhaps = {
    invalid = "---", connection = "---", timeout = "---", api = "---",
    protocol = "---",
  },
}

-- The same with should_retry answering true.
local when_allowed = {
  not_sent = {
    invalid = "---", connection = "yyy", timeout = "yyy", api = "yyy",
    protocol = "yyy",
  },
  rejected = {
    invalid = "yyy", connection = "yyy", timeout = "yyy", api = "yyy",
    protocol = "yyy",
  },
  unknown = by_default.unknown,
  accepted = by_default.accepted,
  perhaps = by_default.perhaps,
}

-- What unknown = true changes: this row, whatever should_retry says but no.
local at_least_once = {
  invalid = "yyy", connection = "yyy", timeout = "yyy", api = "yyy",
  protocol = "yyy",
}

local columns = { { true }, { false }, { nil } }

local function yes() return true end
local function no() return false end
local function no_opinion() return nil end

local users = {
  { name = "no rule", truth = by_default },
  { name = "no opinion", rule = no_opinion, truth = by_default },
  { name = "yes", rule = yes, truth = when_allowed },
  { name = "no", rule = no, truth = {} },
}

local function expected(user, outcome, kind, column, unknown)
  if user.rule == no then return false end
  local row = user.truth[outcome][kind]
  if outcome == "unknown" and unknown then row = at_least_once[kind] end
  return row:sub(column, column) == "y"
end

local function each_case(visit)
  for outcome, kinds in pairs(by_default) do
    for kind in pairs(kinds) do
      for column, retryable in ipairs(columns) do
        for _, unknown in ipairs { false, true } do
          visit(outcome, kind, column, retryable[1], unknown)
        end
      end
    end
  end
end

local function label(...)
  local parts = {}
  for index = 1, select("#", ...) do
    parts[index] = tostring((select(index, ...)))
  end
  return table.concat(parts, " ")
end

describe("telnyx.retry verdict", function()
  for _, user in ipairs(users) do
    it("follows the table, should_retry: " .. user.name, function()
      local cases = 0
      each_case(function(outcome, kind, column, retryable, unknown)
        local policy = retry.policy {
          unknown = unknown, should_retry = user.rule,
        }
        local err = { outcome = outcome, kind = kind, retryable = retryable }
        for attempt = 1, 4 do
          local wait, reason = policy:next(err, attempt, state())
          local want = attempt < 3
            and expected(user, outcome, kind, column, unknown)
          local name = label(outcome, kind, retryable, unknown, attempt)
          assert.equal(want, wait ~= nil, name)
          assert.equal("string", type(reason), name)
          cases = cases + 1
        end
      end)
      assert.equal(5 * 5 * 3 * 2 * 4, cases)
    end)
  end

  it("never repeats an error without an outcome", function()
    local policy = retry.policy { unknown = true, should_retry = yes }
    local wait, reason = policy:next({ retryable = true }, 1, state())
    assert.is_nil(wait)
    assert.equal("outcome", reason)
  end)

  local reasons = {
    { "accepted", { outcome = "accepted", retryable = true } },
    { "unknown", { outcome = "unknown", kind = "timeout" } },
    { "invalid", { outcome = "not_sent", kind = "invalid" } },
    { "rejected", { outcome = "rejected", retryable = false } },
    { "not_sent",
      { outcome = "not_sent", kind = "connection", retryable = false } },
  }
  for _, case in ipairs(reasons) do
    it("gives the reason: " .. case[1], function()
      for attempt = 1, 4 do
        local wait, reason = retry.policy():next(case[2], attempt, state())
        assert.is_nil(wait)
        assert.equal(case[1], reason)
      end
    end)
  end

  it("makes as many attempts as it was given", function()
    for attempts = 1, 6 do
      local policy = retry.policy { attempts = attempts }
      for made = 1, 8 do
        local wait, reason = policy:next(connection_failed(), made, state())
        assert.equal(made < attempts, wait ~= nil)
        assert.equal(made < attempts and "backoff" or "attempts", reason)
      end
    end
  end)

  it("does not ask should_retry what it cannot change", function()
    local asked = 0
    local policy = retry.policy {
      should_retry = function() asked = asked + 1 return true end,
    }
    policy:next({ outcome = "accepted" }, 1, state())
    policy:next({ outcome = "unknown" }, 1, state())
    policy:next({ outcome = "not_sent", kind = "invalid" }, 1, state())
    policy:next(connection_failed(), 3, state())
    assert.equal(0, asked)
  end)

  it("tells should_retry the error and the attempts made", function()
    local given
    local policy = retry.policy {
      should_retry = function(...) given = { ... } return false end,
    }
    local err = connection_failed()
    local _, reason = policy:next(err, 2, state())
    assert.equal(err, given[1])
    assert.equal(2, given[2])
    assert.equal("vetoed", reason)
  end)

  it("lets a mistake in should_retry be seen", function()
    local policy = retry.policy { should_retry = function() error("oops") end }
    assert.has_error(function()
      policy:next(connection_failed(), 1, state())
    end)
  end)
end)

describe("telnyx.retry backoff", function()
  it("draws from the whole range and never leaves it", function()
    local policy = retry.policy { attempts = 100, base = 0.5, cap = 8 }
    local ceilings = { 0.5, 1, 2, 4, 8, 8, 8 }
    for made, ceiling in ipairs(ceilings) do
      local random, least, most, sum = lcg(made), math.huge, -1, 0
      local draws = 5000
      for _ = 1, draws do
        local wait = policy:next(connection_failed(), made,
          state { random = random })
        least, most = math.min(least, wait), math.max(most, wait)
        sum = sum + wait
      end
      assert.is_true(least >= 0 and least < 0.01 * ceiling)
      assert.is_true(most <= ceiling and most > 0.99 * ceiling)
      assert.is_true(math.abs(sum / draws - ceiling / 2) < 0.02 * ceiling)
    end
  end)

  it("stays within the cap whatever base, cap and attempt", function()
    local random = lcg(42)
    for _ = 1, 2000 do
      local base, cap = random() * 100, random() * 10
      local policy = retry.policy { attempts = 10000, base = base, cap = cap }
      local made = 1 + math.floor(random() * 9000)
      local wait = policy:next(connection_failed(), made,
        state { random = random })
      assert.is_true(wait >= 0 and wait <= cap)
    end
  end)

  it("does not wait with a base of zero, however late", function()
    local policy = retry.policy { attempts = 10000, base = 0 }
    for _, made in ipairs { 1, 2, 1000, 9999 } do
      assert.equal(0, (policy:next(connection_failed(), made,
        state { random = constant(0.999) })))
    end
  end)
end)

describe("telnyx.retry and the service's own wait", function()
  local policy = retry.policy { base = 0.5, max_wait = 60 }

  local waits = {
    { "retry_after", too_many { retry_after = 7 }, 7, "service" },
    { "a fraction", too_many { retry_after = 0.25 }, 0.25, "service" },
    { "zero", too_many { retry_after = 0 }, 0, "service" },
    { "the ceiling itself", too_many { retry_after = 60 }, 60, "service" },
    { "ratelimit.reset", too_many { ratelimit = { reset = 12 } }, 12, "service" },
    { "retry_after first",
      too_many { retry_after = 3, ratelimit = { reset = 12 } }, 3, "service" },
    { "no wait named", too_many(), 0, "backoff" },
    { "a limit without reset", too_many { ratelimit = {} }, 0, "backoff" },
    { "a negative wait", too_many { retry_after = -1 }, 0, "backoff" },
    { "not a number", too_many { retry_after = 0 / 0 }, 0, "backoff" },
    { "words", too_many { retry_after = "7" }, 0, "backoff" },
  }
  for _, case in ipairs(waits) do
    it("waits: " .. case[1], function()
      local wait, reason = policy:next(case[2], 1, state())
      assert.equal(case[3], wait)
      assert.equal(case[4], reason)
    end)
  end

  it("returns at least as late as asked, and not all at once", function()
    local random = lcg(7)
    local least, most = math.huge, 0
    for _ = 1, 2000 do
      local wait = policy:next(too_many { retry_after = 5 }, 2,
        state { random = random })
      least, most = math.min(least, wait), math.max(most, wait)
    end
    assert.is_true(least >= 5 and least < 5.01)
    assert.is_true(most <= 5.5 and most > 5.49)
  end)

  it("gives up beyond the ceiling and leaves the error as it was", function()
    for _, asked in ipairs { 60.001, 61, 3600, 1e9 } do
      for _, err in ipairs {
        too_many { retry_after = asked },
        too_many { ratelimit = { reset = asked } },
      } do
        local before = { err.retry_after, err.ratelimit and err.ratelimit.reset }
        local wait, reason = policy:next(err, 1, state())
        assert.is_nil(wait)
        assert.equal("max_wait", reason)
        assert.equal(before[1], err.retry_after)
      end
    end
  end)

  it("honours it for an unknown outcome that is repeated", function()
    local bold = retry.policy { unknown = true }
    local err = {
      outcome = "unknown", kind = "api", status = 503, retry_after = 4,
      ratelimit = { reset = 30 },
    }
    assert.equal(4, (bold:next(err, 1, state())))
    err.retry_after = nil
    local _, reason = bold:next(err, 1, state())
    assert.equal("backoff", reason) -- a limit is no answer to a 503
  end)
end)

describe("telnyx.retry deadline", function()
  it("begins no wait that would reach it", function()
    local policy = retry.policy()
    local cases = {
      { 1010, 9.999, true }, { 1010, 10, false }, { 1010, 10.5, false },
      { 1000, 0, false }, { 990, 0, false }, { 1000.001, 0, true },
    }
    for _, case in ipairs(cases) do
      local wait, reason = policy:next(too_many { retry_after = case[2] }, 1,
        state { deadline = case[1] })
      assert.equal(case[3], wait ~= nil)
      if not case[3] then assert.equal("deadline", reason) end
    end
  end)

  it("holds for every draw", function()
    local random = lcg(99)
    local policy = retry.policy { attempts = 20 }
    local kept = 0
    for _ = 1, 5000 do
      local deadline = 1000 + random() * 6
      local made = 1 + math.floor(random() * 10)
      local wait = policy:next(connection_failed(), made,
        state { deadline = deadline, random = random })
      if wait then
        kept = kept + 1
        assert.is_true(1000 + wait < deadline)
      end
    end
    assert.is_true(kept > 1000 and kept < 5000)
  end)

  it("costs no token", function()
    local budget = retry.budget { capacity = 1, per_second = 0 }
    local policy = retry.policy()
    policy:next(too_many { retry_after = 10 }, 1,
      state { deadline = 1001, budget = budget })
    policy:next(too_many { retry_after = 61 }, 1, state { budget = budget })
    assert.equal(1, budget.tokens)
  end)
end)

describe("telnyx.retry and a stale connection", function()
  local function stale()
    local err = connection_failed()
    err.stale = true
    return err
  end

  it("is replaced at once, one time a send", function()
    local policy, sent = retry.policy { attempts = 3 }, state()
    local steps = {
      { stale(), 0, "stale" },
      { stale(), 0, "backoff" },   -- the second is an ordinary failure
      { connection_failed(), 0, "backoff" },
      { connection_failed(), nil, "attempts" },
    }
    for attempt, step in ipairs(steps) do
      local wait, reason = policy:next(step[1], attempt, sent)
      assert.equal(step[2], wait)
      assert.equal(step[3], reason)
    end
  end)

  it("starts the backoff where it would have started", function()
    local policy = retry.policy { base = 1, cap = 100 }
    local sent = state { random = constant(0.5) }
    policy:next(stale(), 1, sent)
    assert.equal(0.5, (policy:next(connection_failed(), 2, sent)))
    assert.equal(1, (policy:next(connection_failed(), 3, sent)))
  end)

  it("costs neither an attempt nor a token", function()
    local spent = retry.budget { capacity = 0 }
    for _, policy in ipairs {
      retry.policy(), retry.none, retry.policy { should_retry = no },
    } do
      local wait, reason = policy:next(stale(), 1, state { budget = spent })
      assert.equal(0, wait)
      assert.equal("stale", reason)
    end
  end)

  it("is still held to the deadline", function()
    local wait, reason = retry.policy():next(stale(), 1,
      state { deadline = 1000 })
    assert.is_nil(wait)
    assert.equal("deadline", reason)
  end)

  it("means nothing with any other outcome", function()
    for _, outcome in ipairs { "unknown", "accepted", "rejected", "perhaps" } do
      local err = { outcome = outcome, stale = true }
      local sent = state()
      assert.is_nil((retry.policy():next(err, 1, sent)))
      assert.is_nil(sent.refreshed)
    end
  end)
end)

describe("telnyx.retry budget", function()
  it("starts full, runs out and refills with time", function()
    local budget = retry.budget { capacity = 3, per_second = 0.5 }
    for _ = 1, 3 do assert.is_true(budget:take(100)) end
    assert.is_false(budget:take(100))
    assert.is_false(budget:take(101.9))
    assert.is_true(budget:take(102))
    assert.is_false(budget:take(102))
  end)

  it("refills with successes", function()
    local budget = retry.budget {
      capacity = 1, per_second = 0, per_success = 0.1,
    }
    assert.is_true(budget:take(0))
    for _ = 1, 9 do
      budget:put(0)
      assert.is_false(budget:take(0))
    end
    budget:put(0)
    assert.is_true(budget:take(0))
  end)

  it("never holds more than its capacity", function()
    local budget = retry.budget { capacity = 2, per_second = 1 }
    budget:put(0)
    budget:put(1e6)
    assert.equal(2, budget.tokens)
    assert.is_true(budget:take(2e6))
    assert.is_true(budget:take(2e6))
    assert.is_false(budget:take(2e6))
  end)

  it("takes no harm from a clock that goes back", function()
    local budget = retry.budget { capacity = 1, per_second = 1 }
    assert.is_true(budget:take(100))
    assert.is_false(budget:take(50))
    assert.is_false(budget:take(100))
    assert.is_true(budget:take(101))
  end)

  it("bounds the retries of an outage, whatever the traffic", function()
    local random = lcg(3)
    for _ = 1, 20 do
      local capacity = math.floor(random() * 20)
      local per_second = random() * 2
      local budget = retry.budget {
        capacity = capacity, per_second = per_second,
      }
      local now, granted = 0, 0
      budget:take(now - 1e-3) -- anchor the clock
      granted = granted + (capacity >= 1 and 1 or 0)
      for _ = 1, 2000 do
        now = now + random() * 0.1
        if budget:take(now) then granted = granted + 1 end
      end
      assert.is_true(granted <= capacity + per_second * now + 1)
    end
  end)

  it("is shared by the sends of a client, and refusal is said", function()
    local policy = retry.policy { budget = { capacity = 2, per_second = 0.5 } }
    local budget = policy:new_budget()
    local function send(now)
      return policy:next(connection_failed(), 1,
        state { budget = budget, now = now })
    end
    assert.is_truthy((send(0)))
    assert.is_truthy((send(0)))
    local wait, reason = send(0)
    assert.is_nil(wait)
    assert.equal("budget", reason)
    assert.is_truthy((send(2)))
  end)

  it("is one for each client", function()
    local policy = retry.policy { budget = { capacity = 1, per_second = 0 } }
    local first, second = policy:new_budget(), policy:new_budget()
    assert.is_true(first:take(0))
    assert.is_false(first:take(0))
    assert.is_true(second:take(0))
  end)

  it("can be switched off", function()
    assert.is_nil(retry.policy { budget = false }:new_budget())
  end)

  it("refuses what it does not know", function()
    assert.has_error(function() retry.budget { size = 3 } end)
    assert.has_error(function() retry.budget { capacity = "3" } end)
  end)
end)
