-- Who watches a run is told in words while messages wait for the service, and when that is over.

local core = require "telnyx.core"
local telnyx = require "telnyx"
local timed_service = require "spec.support.timed_service"
local trouble = require "telnyx.run.trouble"

local slept = core.sleep

local refusal, send, times = timed_service.refusal, timed_service.send, timed_service.times

local function messages(n, from)
  return timed_service.list_of(times(n, from or "+18445550001"))
end

-- What a run was told, and when: { at, why, err }.
local function told_of(answer, list, options, own)
  local service, told = timed_service.new(answer), {}
  options = options or {}
  function options.on_trouble(why, err)
    told[#told + 1] = { at = service.time, why = why or "over", err = err }
  end
  local counts = send(service, list, options, own)
  return told, counts, service
end

local function whys(told)
  local list = {}
  for i, one in ipairs(told) do list[i] = one.why end
  return list
end

local function find(told, pattern)
  for i, one in ipairs(told) do
    if one.why:find(pattern) then return one, i end
  end
  error(("nothing like %q among:\n%s"):format(pattern, table.concat(whys(told), "\n")), 2)
end

-- So many a second, counted in each second.
local function limit(n, wait_s)
  local second, left
  return function(_, _, now)
    if math.floor(now) ~= second then second, left = math.floor(now), n end
    left = left - 1
    if left < 0 then return refusal(wait_s) end
  end
end

describe("who watches a run", function()
  setup(function() core.sleep = function() end end) -- time moves by steps
  teardown(function() core.sleep = slept end)

  it("is told nothing while all goes well", function()
    local told = told_of(function() end, messages(500), { rate = 20 })
    assert.same({}, told)
  end)

  it("is told the rate that the service takes, and by which refusal", function()
    local told, counts = told_of(limit(10), messages(600), nil, { deadline = 600 })
    assert.equal(600, counts.accepted)
    local one = find(told, "refuses some for being too many")
    local rate = tonumber(one.why:match("([%d.]+) a second"))
    assert.is_true(rate > 4 and rate < 21, one.why)
    assert.equal(429, one.err.status)
    assert.is_truthy(tostring(one.err):find("429", 1, true))
    assert.is_true(#told < 12, table.concat(whys(told), "\n"))
  end)

  it("is not told that it is over where the service has stopped the run", function()
    local told, counts = told_of(function(_, _, now)
      if now < 5 then return end
      if now >= 30 then
        return { outcome = "rejected", kind = "api", status = 401, code = "10009",
          retryable = false }
      end
      return { outcome = "not_sent", kind = "connection", retryable = true, cause = "no service" }
    end, messages(2000), { rate = 10 }, { deadline = 600 })
    assert.equal("stopped", counts.ended)
    assert.is_truthy(told[#told].why:find("nothing gets through", 1, true), told[#told].why)
  end)

  it("is told of lost ones with one of these, whatever was refused since", function()
    local told = told_of(function(_, n)
      if n <= 20 then return nil, 0.5 end
      if n <= 24 then
        return { outcome = "unknown", kind = "connection", retryable = false }, 0.5
      end
      return n <= 36 and refusal(0.1) or nil, n <= 36 and 0.7 or 4
    end, messages(300), { concurrency = 16 }, { deadline = 600 })
    assert.equal("unknown", find(told, "nobody knows").err.outcome)
  end)

  it("is told for how long the service asks for patience, once", function()
    local told, counts = told_of(function(_, n, now)
      if n == 20 or now > 0 and now < 40 then return refusal(40) end
    end, messages(200), nil, { deadline = 600 })
    assert.equal(200, counts.accepted)
    assert.is_truthy(told[1].why:find("asks for patience: %d+ s"), told[1].why)
    local asked_s = tonumber(told[1].why:match("(%d+) s"))
    assert.is_true(asked_s > 35 and asked_s <= 41, told[1].why)
    local n_waits = 0
    for _, one in ipairs(told) do
      if one.why:find("patience") then n_waits = n_waits + 1 end
    end
    assert.equal(1, n_waits)
  end)

  it("is told that nothing gets through, and when that is over", function()
    local unsent = { outcome = "not_sent", kind = "connection", retryable = true }
    local told, counts, service = told_of(function(_, _, now)
      if now > 10 and now < 100 then return unsent end
    end, messages(2000), { rate = 10 }, { deadline = 600 })
    assert.equal(2000, counts.accepted)
    assert.equal(2, #told, table.concat(whys(told), "\n"))
    assert.is_truthy(told[1].why:find("nothing gets through"))
    assert.equal("not_sent", told[1].err.outcome)
    assert.is_true(told[1].at > 10 and told[1].at < 15, tostring(told[1].at))
    assert.equal("over", told[2].why)
    assert.is_nil(told[2].err)
    assert.is_true(told[2].at > 100 and told[2].at < 120, tostring(told[2].at))
    assert.is_true(service.time > 200)
  end)

  it("is told that fewer are under way while some ends are unknown", function()
    local lost = { outcome = "unknown", kind = "api", status = 500, retryable = false }
    local function answer(every)
      return function(_, n)
        if n <= 300 and n % every == 0 then return lost, 0.5 end
        return nil, 0.5
      end
    end
    local told = told_of(answer(8), messages(3000))
    local one = find(told, "nobody knows how some ended: no more than %d+ at once")
    assert.is_true(tonumber(one.why:match("than (%d+)")) < 16)
    assert.equal(500, one.err.status)
    assert.equal("over", told[#told].why)
    assert.same({}, told_of(answer(20), messages(3000), { rate = 10 })) -- nothing waits for it
  end)

  it("is told that nothing gets through where the ends of most are unknown", function()
    local lost = { outcome = "unknown", kind = "api", status = 500, retryable = false }
    local told = told_of(function(_, n)
      if n > 20 and n <= 60 and n % 6 > 0 then return lost, 1 end
    end, messages(3000), { rate = 20 })
    assert.is_truthy(find(told, "nothing gets through"))
  end)

  it("is told that nothing gets through while all are refused, once", function()
    local told, counts = told_of(function(_, n, now)
      if n > 50 and now < 100 then return refusal() end
    end, messages(300), { rate = 20 }, { deadline = 600 })
    assert.equal(300, counts.accepted)
    assert.is_truthy(told[1].why:find("refuses all for being too many"))
    assert.equal(429, told[1].err.status)
    assert.is_true(told[2].at > 100, table.concat(whys(told), "\n"))
  end)

  it("is told nothing of short waits that a service asks for", function()
    local told = told_of(limit(100, 1), messages(3000), nil, { deadline = 600 })
    assert.is_truthy(find(told, "a second are sent"))
    for _, one in ipairs(told) do assert.is_nil(one.why:find("patience")) end
  end)

  it("is told nothing of a learned rate where his own is less", function()
    local limited = limit(40)
    local told, counts = told_of(function(message, n, now)
      if now < 5 then return limited(message, n, now) end
    end, messages(1500), { rate = 20, burst = 60, concurrency = 64 }, { deadline = 600 })
    assert.is_true(counts.learned.refused > 0)
    for _, one in ipairs(told) do
      assert.is_true(one.why == "over" or one.at < 12, one.at .. one.why)
    end
  end)

  it("is told when it is over of a sender whose rate was slow, and who has no more", function()
    local list = {}
    for i = 1, 1200 do
      local from = i <= 20 and "+18445550002" or "+18445550001"
      list[i] = { from = from, to = "+18665550001", text = tostring(i) }
    end
    local own, done_at = limit(1), 0
    local told, counts, service = told_of(function(message, n, now)
      if message.from ~= "+18445550002" then return nil end
      local refused = own(message, n, now) and refusal(nil, "40318") or nil
      if not refused then done_at = now end
      return refused
    end, list, { sender_rates = { ["+18445550001"] = 5 } }, { deadline = 900 })
    assert.is_truthy(find(told, "refuses some of sender %+18445550002"))
    assert.equal(1200, counts.accepted)
    assert.is_true(service.time > done_at + 60)
    assert.equal("over", told[#told].why)
    assert.is_true(told[#told].at < done_at + 30, told[#told].at .. " and " .. done_at)
  end)

  it("is told when a service's window is used up", function()
    local minute, n_left
    local told = told_of(function(_, _, now)
      if math.floor(now / 60) ~= minute then minute, n_left = math.floor(now / 60), 100 end
      n_left = n_left - 1
      return { outcome = "accepted", status = 200,
        ratelimit = { limit = 100, remaining = n_left, reset = 60 - now % 60 } }
    end, messages(300), nil, { deadline = 900 })
    local one = find(told, "asks for patience: %d+ s")
    assert.is_true(tonumber(one.why:match("(%d+) s")) > 50, one.why)
    assert.is_nil(one.err)
  end)

  it("is told by which refusal also where none is tried again", function()
    local told = told_of(function(_, n) return n == 20 and refusal(40) or nil end, messages(200),
      nil, { retry = { attempts = 1 } })
    assert.equal(429, find(told, "asks for patience").err.status)
  end)

  it("is told of a window that is used up with no error of another kind", function()
    local told = told_of(function(_, n)
      if n == 5 then
        return { outcome = "unknown", kind = "api", status = 500, retryable = false }
      end
      return { outcome = "accepted", status = 200,
        ratelimit = { limit = 100, remaining = math.max(0, 100 - n), reset = 60 } }
    end, messages(150), nil, { deadline = 900 })
    assert.is_nil(find(told, "asks for patience").err)
  end)

  it("is told by which refusal where none is tried again", function()
    local told = told_of(function(_, n)
      if n % 10 == 9 then return refusal(20) end
    end, messages(100), { retry = false, concurrency = 4 })
    assert.equal(429, find(told, "asks for patience").err.status)
  end)

  it("is told of the sender that is refused, while others' messages leave", function()
    local list = {}
    for i = 1, 600 do
      local from = i % 2 == 0 and "+18445550001" or "+18445550002"
      list[i] = { from = from, to = "+18665550001", text = tostring(i) }
    end
    local own = limit(1, 5)
    local told = told_of(function(message, n, now)
      if message.from ~= "+18445550002" then return nil end
      local refused = own(message, n, now)
      return refused and refusal(5, "40318")
    end, list, nil, { deadline = 900 })
    local one = find(told, "refuses some of sender %+18445550002")
    assert.equal("40318", one.err.code)
  end)

  it("ends the run by what it raises, as elsewhere", function()
    local service = timed_service.new(limit(5))
    local told = {}
    local ok, err = pcall(send, service, messages(500), {
      on_trouble = function() error("enough", 0) end,
      on_result = function(i, message, result)
        told[tostring(i)] = message and "accepted" or result.outcome
      end,
    })
    assert.is_false(ok)
    assert.equal("enough", err)
    assert.is_true(#service.posts < 100)
    for _, post in ipairs(service.posts) do
      assert.is_truthy(told[post.text])
      assert.not_equal("unknown", told[post.text])
    end
  end)

  it("may close the client", function()
    local service = timed_service.new(limit(5))
    local client = telnyx.new { sender = service }
    local counts = client:send_all(messages(500), { on_trouble = function() client:close() end })
    assert.equal("closed", counts.ended)
    assert.is_true(#service.posts < 100)
  end)
end)

describe("trouble", function()
  local told, own, now

  local function heed(kind, n)
    now = now + 1
    assert.is_true(own:is_due(now))
    own:heed(kind, n, "Acme")
  end

  before_each(function()
    told, now = {}, 0
    own = trouble.new(function(why) told[#told + 1] = why or "over" end)
  end)

  it("is looked for once a second", function()
    assert.is_true(own:is_due(7))
    assert.is_false(own:is_due(7.99))
    assert.is_true(own:is_due(8))
  end)

  it("is told again where it is twice as much or half, of a wait where it is twice", function()
    for _, n in ipairs { 10, 19, 6, 5, 9, 10, 3 } do
      now = now + 10
      heed("slow", n)
    end
    assert.equal(4, #told) -- 10, 5, 10, 3
    told = {}
    for _, n in ipairs { 30, 20, 1, 30, 59, 60 } do
      now = now + 10
      heed("held", n)
    end
    assert.equal(2, #told)
  end)

  it("of something else that another told is over after five seconds of less", function()
    heed("away")
    for _ = 1, 4 do heed("slow", 3) end
    own:is_told_otherwise()
    for _ = 1, 5 do heed("slow", 3) end
    assert.equal(1, #told)
    heed("slow", 3)
    assert.equal(2, #told)
  end)
  it("comes some seconds after another has told, however grave", function()
    for _, kind in ipairs { "sender", "slow", "lost", "held", "none", "away" } do
      told = {}
      own:is_told_otherwise()
      for _ = 1, 5 do heed(kind, 3) end
      assert.equal(0, #told)
      heed(kind, 3)
      assert.equal(1, #told)
    end
  end)

  it("is told again after ten seconds at the earliest", function()
    heed("slow", 1)
    for n = 2, 9 do heed("slow", 2 * n) end
    heed("slow", 2)
    assert.equal(1, #told)
    heed("slow", 2)
    assert.equal(2, #told)
    heed("held", 2)
    assert.equal(3, #told)
  end)

  it("is told at once where it is graver, and after five seconds where it is less", function()
    heed("sender")
    heed("slow", 3)
    heed("lost", 3)
    heed("held", 3)
    heed("away")
    assert.equal(5, #told)
    for _ = 1, 5 do heed("slow", 3) end
    assert.equal(5, #told)
    heed("away")
    for _ = 1, 5 do heed("slow", 3) end
    assert.equal(5, #told)
    heed("slow", 3)
    assert.equal(6, #told)
    for _ = 1, 6 do heed() end
    assert.equal(7, #told)
    assert.equal("over", told[7])
    for _ = 1, 20 do heed() end
    assert.equal(7, #told)
  end)

  it("is less for five seconds each time", function()
    heed("held", 10)
    for _ = 1, 6 do heed("slow", 3) end
    assert.equal(2, #told)
    for _ = 1, 5 do heed() end
    assert.equal(2, #told)
    heed()
    assert.equal(3, #told)
  end)

  it("is of whole seconds, not too few", function()
    own = trouble.new(function(why) told[#told + 1] = why end)
    heed("held", 29.2)
    assert.equal("the service asks for patience: 30 s", told[1])
  end)
end)

describe("who watches a run, closely,", function()
  setup(function() core.sleep = function() end end) -- time moves by steps
  teardown(function() core.sleep = slept end)

  describe("of turns by themselves", function()
    local learned = require "telnyx.run.learned"
    local turns = require "telnyx.run.turns"
    local LANES = { is_by_sender = true, ripe = function() return 1 end, spend = function() end }
    local A, B = "+13125550001", "+18445550001"

    local function refuse(own, sender, code, asked_s)
      own:refuse({ sender = sender, refused_by = false, n_refused = 0, n_taken_then = 0 },
        { code = code }, asked_s)
    end

    local function put(own, sender)
      own:put({ sender = sender, due_at = 0, ends_at = math.huge, refused_by = false }, 0)
    end

    it("is told nothing of a window that is used up for a moment, or where nobody waits", function()
      local own = turns.new(LANES, function() return 0 end, false)
      own:heed_limit({ n_left = 0, reset_s = 30, took_s = 0 }, 0, 16)
      assert.same({}, { own:hindrance() })
      put(own, A)
      assert.same({ "held", 30 }, { own:hindrance() })
      own = turns.new(LANES, function() return 0 end, false)
      put(own, A)
      own:heed_limit({ n_left = 0, reset_s = 1.5, took_s = 0 }, 0, 16)
      assert.same({}, { own:hindrance() })
    end)

    it("is told what holds up all before what holds up a sender", function()
      local own = turns.new(LANES, function() return 0 end, false)
      put(own, A)
      refuse(own, A, "40318", 60)
      refuse(own, B, "10011", 60)
      assert.same({ "held", 60 }, { own:hindrance() })
    end)

    it("is told of a sender as long as one of his waits, for his turn or to try again", function()
      local own = turns.new(LANES, function() return 0 end, false)
      refuse(own, A, "40318", 60)
      put(own, B)
      assert.same({}, { own:hindrance() })
      put(own, A)
      assert.equal("sender", (own:hindrance()))
      own = turns.new(LANES, function() return 0 end, false)
      refuse(own, A, "40318", 60)
      own:put({ sender = A, due_at = 5, ends_at = math.huge, refused_by = false }, 0)
      assert.equal("sender", (own:hindrance()))
    end)

    it("is told that a slow rate is over when nothing leaves any more", function()
      local own = learned.new(0, 0)
      own.rate, own.next_at = 0.3, 0
      for now = 1, 30 do
        if own:due(now) <= now then own:leave(now) end
        if now > 8 then assert.equal("slow", (own:hindrance(now)), now) end
      end
      for now = 31, 60 do
        local kind = own:hindrance(now)
        if now > 39 then assert.is_nil(kind, now) end
      end
    end)

    it("is told of a slow rate from the first", function()
      local own = learned.new(0, 0)
      own.rate = 0.3
      assert.same({ "slow", 0.3 }, { own:hindrance(1) })
    end)

    it("is told of a rate of which nine of ten are used, and not of which seven are", function()
      local own = learned.new(0, 0)
      own.rate = 10
      for i = 1, 9 do own:leave(i / 10) end
      assert.same({ "slow", 10 }, { own:hindrance(1) })
      for i = 1, 7 do own:leave(1 + i / 10) end
      assert.is_nil(own:hindrance(2))
    end)

    it("is told of a wait of three seconds, and not of two", function()
      local own = learned.new(0, 0)
      own:refuse(0, 1.9)
      assert.is_nil(own:hindrance(0))
      own:refuse(0, 3)
      assert.same({ "held", 3 }, { own:hindrance(0) })
    end)
  end)

  it("may look for it in turn, and is told once", function()
    local now, n_told, own = 10, 0, nil
    own = trouble.new(function()
      n_told, now = n_told + 1, now + 2
      if n_told < 3 and own:is_due(now) then own:heed("away") end
    end)
    assert.is_true(own:is_due(now))
    own:heed("away")
    assert.equal(1, n_told)
  end)

  it("is told of what is worse sooner than of what is better", function()
    for _, case in ipairs { { "slow", 20, 9, 3 }, { "slow", 20, 41, 10 }, { "held", 20, 41, 3 },
      { "lost", 8, 3, 3 } } do
      local now, n_told = 10, 0
      local own = trouble.new(function() n_told = n_told + 1 end)
      own:is_due(now)
      own:heed(case[1], case[2])
      repeat
        now = now + 1
        own:is_due(now)
        own:heed(case[1], case[3])
      until n_told == 2 or now > 60
      assert.equal(case[4], now - 10, case[1])
    end
  end)

  it("is told that it is over where the run is, with all that waited", function()
    local told = told_of(limit(5), messages(40), nil, { deadline = 900 })
    assert.is_truthy(find(told, "a second are sent"))
    assert.equal("over", told[#told].why)
  end)

  it("is told nothing more once the run is to end", function()
    local told, n_asked, service = {}, 0, timed_service.new(function(_, n)
      if n > 20 then return { outcome = "unknown", kind = "timeout", retryable = false }, 30 end
    end)
    send(service, messages(100), { concurrency = 16,
      stops_when = function()
        n_asked = n_asked + 1
        return #service.posts > 30
      end,
      on_trouble = function(why) told[#told + 1] = why or "over" end })
    assert.is_true(service.time > 29 and n_asked > 0)
    assert.same({}, told)
  end)

  it("is told of patience rather than that fewer are under way", function()
    local told = told_of(function(_, n)
      if n > 20 and n <= 30 then
        return { outcome = "unknown", kind = "api", status = 503, retryable = false }
      end
      if n == 34 then return refusal(60, "10011") end
    end, messages(300), nil, { deadline = 600 })
    local n = 0
    for _, one in ipairs(told) do if one.why:find("asks for patience") then n = n + 1 end end
    assert.equal(1, n, table.concat(whys(told), "\n"))
  end)

  it("is told the error that says so: of refusals, of lost ends, of no connection", function()
    local lost = { outcome = "unknown", kind = "api", status = 503, retryable = false }
    local away = { outcome = "not_sent", kind = "connection", retryable = true }
    local told = told_of(function(_, _, now)
      if now < 20 then return refusal(nil, "10011") end
      if now < 60 then return away end
      if now < 90 then return lost end
    end, messages(1500), { concurrency = 4 }, { deadline = 900 })
    local n = 0
    for _, one in ipairs(told) do
      if one.err then
        local is_refused = one.why:find("refuses") or one.why:find("patience")
        n = n + (is_refused and 1 or 1000)
        assert.equal(is_refused and "10011" or nil, one.err.code, one.why)
      end
    end
    assert.is_true(n % 1000 > 0 and n > 1000, n)
  end)

  it("is told what is his own to change", function()
    local service = timed_service.new(function(_, n)
      return n % 10 == 9 and refusal(20, "10011") or nil
    end)
    local results, n_told = {}, 0
    send(service, messages(100), { concurrency = 4,
      on_result = function(_, _, result) results[result] = true end,
      on_trouble = function(_, err)
        if not err then return end
        n_told = n_told + 1
        assert.is_nil(results[err])
        err.errors[1].code = "changed"
      end }, { retry = false })
    assert.is_true(n_told > 0)
    for result in pairs(results) do
      if result.errors then assert.equal("10011", result.errors[1].code) end
    end
  end)
end)
