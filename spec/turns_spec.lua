-- Who waits for a turn in a run, and when it comes: in a time of its own, by a service that says
-- what it was posted, and when.

local telnyx = require "telnyx"

local timed_service = require "spec.support.timed_service"

local list_of, times, refusal = timed_service.list_of, timed_service.times, timed_service.refusal
local new_service, send = timed_service.new, timed_service.send
local LONG, OTHER, FREE = "+13125550001", "+13125550002", "+18445550001"
local ACCEPTED = { outcome = "accepted", status = 200 }

local core = require "telnyx.core"
local slept = core.sleep

-- When the first, and the last, of a sender's was posted.
local function posted_at(service, from)
  local first, last
  for _, post in ipairs(service.posts) do
    if post.from == from then first, last = first or post.at, post.at end
  end
  return first, last
end

describe("a turn", function()
  setup(function() core.sleep = function() end end) -- time moves by steps
  teardown(function() core.sleep = slept end)

  it("is first theirs who came first, where those who come take their time", function()
    local service, n = new_service(function() end), 0
    send(service, function()
      n = n + 1
      service.time = service.time + 0.6
      return list_of(times(12, LONG))[n]
    end, { rate = 1 })
    for i, post in ipairs(service.posts) do assert.equal(tostring(i), post.text) end
    assert.equal(12, #service.posts)
  end)

  it("is theirs still when senders are told apart", function()
    local service = new_service(function(_, n) return n == 1 and refusal(1, "40318") or nil end)
    local senders = times(12, FREE)
    senders[1] = LONG
    send(service, list_of(senders), { rate = 2 })
    local last = 0
    for _, post in ipairs(service.posts) do
      if post.from == FREE then
        assert.equal(last == 0 and 2 or last + 1, tonumber(post.text))
        last = tonumber(post.text)
      end
    end
    assert.equal(12, last)
  end)

  for name, change in pairs {
    ["taken away"] = function(rates) rates.long_code = nil end,
    ["made higher"] = function(rates) rates.long_code = 100 end,
    ["no number any more"] = function(rates) rates.long_code = "fast" end,
  } do
    it("comes by the rates as they were when the run began: " .. name, function()
      for _, kind in ipairs { "rates", "sender_rates" } do
        local service, options = new_service(function() end), { [kind] = { long_code = 1 } }
        function options.on_result(i)
          if i == 2 then change(options[kind]) end
        end
        local counts = send(service, list_of(times(6, LONG)), options)
        assert.equal(6, counts.accepted)
        assert.is_true(service.time >= 5, service.time)
      end
    end)
  end

  it("is not held up by another sender's that comes much later", function()
    local service = new_service(function() end)
    local senders = { LONG, LONG }
    for i = 3, 12 do senders[i] = FREE end
    local n, list = 0, list_of(senders)
    send(service, function()
      n = n + 1
      if n == 3 then service.time = service.time + 0.5 end
      return list[n]
    end, { concurrency = 2, sender_rates = { long_code = 0.01, toll_free = 1 } })
    local _, last = posted_at(service, FREE)
    assert.is_true(last < 15, last)
  end)

  it("that comes a little late costs no other", function()
    local service = new_service(function() end)
    local step = service.step
    function service:step(seconds)
      local n = step(self, seconds)
      if #self.waiting == 0 then self.time = self.time + 0.01 end
      return n
    end
    send(service, list_of(times(101, LONG)), { rate = 10 })
    assert.is_true(service.posts[101].at < 10.1, service.posts[101].at)
    assert.is_true(service.posts[101].at >= 9.97, service.posts[101].at)
  end)

  it("is the others' still where a run within a run is ended", function()
    local service = new_service(function(message)
      return message.from == OTHER and { outcome = "rejected", kind = "api", status = 401,
        retryable = false } or nil
    end)
    local client = telnyx.new { sender = service }
    local counts = client:send_all(list_of(times(6, LONG)), { rate = 1, on_result = function(i)
      if i == 1 then client:send_all(list_of { OTHER, OTHER, OTHER }, { rate = 1 }) end
    end })
    assert.equal(6, counts.accepted)
    assert.is_true(service.time >= 4.97, service.time)
  end)

  it("keeps no more than a thousand waiting, to try again too", function()
    local sender, n_yielded, n_then = { time = 0 }, 0, nil
    function sender:monotonic() return self.time end
    function sender:sleep(seconds) self.time = self.time + seconds end
    function sender:send(message)
      if self.time > 50 then
        n_then = n_then or n_yielded
        return { id = message.text }, ACCEPTED
      end
      return nil, { outcome = "rejected", kind = "api", status = 503, retryable = true,
        retry_after = 55 }
    end
    local counts = send(sender, function()
      n_yielded = n_yielded + 1
      if n_yielded <= 2000 then return list_of({ LONG })[1] end
    end, { concurrency = 4 }, { retry = { budget = false }, deadline = 1000 })
    assert.equal(2000, counts.accepted)
    assert.is_true(n_then <= 1010, n_then)
  end)

  describe("that the service has refused", function()
    it("is waited for as long as the longest asks", function()
      local service = new_service(function(_, n)
        if n <= 2 then return refusal(n == 1 and 30 or 1), n == 1 and 0.05 or 0.06 end
      end)
      local counts = send(service, list_of(times(5, LONG)), { concurrency = 2 },
        { deadline = 1000 })
      assert.equal(5, counts.accepted)
      assert.is_true(service.posts[3].at >= 30, service.posts[3].at)
    end)

    it("in all is nobody's, whatever is known of a sender", function()
      local service = new_service(function(message, n, now)
        if n == 1 then return refusal(1, "40318") end
        if now < 0.04 and message.from == FREE then return refusal(30, "10011") end
      end)
      send(service, list_of { LONG, FREE, LONG, LONG, LONG }, { concurrency = 2 })
      assert.is_true(service.posts[3].at >= 30, service.posts[3].at)
    end)

    it("is counted, in all and by sender", function()
      local service = new_service(function(_, n)
        if n == 2 then return refusal(1, "40318") end
        if n == 3 then return refusal(1, "10011") end
      end)
      local counts = send(service, list_of { LONG, LONG, FREE, LONG }, { concurrency = 2 })
      assert.equal(2, counts.learned.refused)
      assert.is_number(counts.learned.rate)
      assert.equal(1, counts.learned.senders[LONG].refused)
      assert.is_nil(counts.learned.senders[FREE])
    end)

    -- Takes so many a second, evenly; `rate_at(now)`.
    local function taking(rate_at, code)
      local next_at = 0
      return new_service(function(_, _, now)
        if now < next_at then return refusal(1, code) end
        next_at = math.max(next_at, now - 0.5) + 1 / rate_at(now)
      end)
    end

    -- The same, but that it refuses all for a time.
    local function away(from, to, asked, answer)
      return new_service(function(message, n, now)
        if now >= from and now < to then return refusal(asked) end
        return answer(message, n, now)
      end)
    end
    local function bucket()
      local tokens, last = 10, 0
      return function(_, _, now)
        tokens, last = math.min(10, tokens + (now - last) * 10), now
        if tokens < 1 then return refusal(1) end
        tokens = tokens - 1
      end
    end

    it("is not forgotten where all are refused for a time", function()
      for _, asked in ipairs { 1, false } do
        local service = away(10, 20, asked or nil, bucket())
        local counts = send(service, list_of(times(300, LONG)), {}, { deadline = 600 })
        assert.equal(300, counts.accepted)
        assert.is_true(service.time < 55, service.time)
      end
    end)

    it("is not made up where all were refused from the first", function()
      for _, asked in ipairs { 1, false } do
        local service = away(0, 10, asked or nil, bucket())
        local counts = send(service, list_of(times(300, LONG)), {}, { deadline = 600 })
        assert.equal(300, counts.accepted)
        assert.is_true(service.time < 55, service.time)
      end
    end)

    it("is asked for ever less while all are refused, and no time is named", function()
      local service = away(0, 200, nil, function() end)
      send(service, list_of(times(100, LONG)), { concurrency = 4 }, { deadline = 600 })
      assert.is_true(service.n_refused < 60, service.n_refused)
      assert.is_true(service.time < 220, service.time)
    end)

    it("is one a second while all are refused, and as before when one is taken", function()
      local service = away(1, 30, 1, function() end)
      send(service, list_of(times(2000, LONG)), { concurrency = 16 }, { deadline = 600 })
      local n_then = 0
      for _, post in ipairs(service.posts) do
        if post.at > 3 and post.at < 29 then n_then = n_then + 1 end
      end
      assert.is_true(n_then <= 27, n_then)
      assert.is_true(service.time < 50, service.time)
    end)

    it("is the others' where one alone is refused, again and again", function()
      for _, asked in ipairs { 1, false } do
        local service = new_service(function(message)
          return message.text == "7" and refusal(asked or nil) or nil
        end)
        local counts = send(service, list_of(times(400, LONG)))
        assert.equal(399, counts.accepted)
        assert.equal(1, counts.rejected)
        local others_at
        for _, post in ipairs(service.posts) do
          if post.text ~= "7" then others_at = post.at end
        end
        assert.is_true(others_at < 15, others_at)
        assert.equal(service.n_refused, counts.learned.refused)
      end
    end)

    it("now and then, without a word of when, is no rate", function()
      local service = new_service(function(_, n) return n % 50 == 7 and refusal() or nil end)
      local counts = send(service, list_of(times(5000, LONG)))
      assert.equal(5000, counts.accepted)
      assert.is_true(service.time < 5100 / 16 * 0.05 * 1.2 + 2, service.time)
      assert.equal(service.n_refused, counts.learned and counts.learned.refused)
    end)

    it("is held up for nobody by a 429 that no wait will lift", function()
      local service = new_service(function(message)
        return message.from == FREE and refusal(nil, "40333") or nil
      end)
      local senders = times(400, LONG)
      for i = 4, 400, 4 do senders[i] = FREE end
      local counts = send(service, list_of(senders))
      assert.same({ 300, 100 }, { counts.accepted, counts.rejected })
      assert.is_true(service.time < 5, service.time)
    end)

    for what, own in pairs { base = { base = 0 }, cap = { cap = 0 } } do
      it("is waited for, too, where who tries again is to do so at once: " .. what, function()
        local function unsent()
          return { outcome = "not_sent", kind = "connection", retryable = true }
        end
        for _, answer in ipairs { unsent, refusal } do
          local service = new_service(function(_, _, now)
            return now > 1 and now < 21 and answer() or nil
          end)
          local counts = send(service, list_of(times(1000, LONG)), {}, { retry = own })
          assert.equal(1000, counts.accepted)
          assert.is_true(#service.posts < 1300, #service.posts)
        end
      end)
    end

    it("is waited for also by a run whose answers were all of the moment", function()
      local service = new_service(function(_, _, now)
        if now < 1 then return refusal(0.9) end
        if now < 6 then return { outcome = "not_sent", kind = "connection", retryable = true } end
      end)
      assert.equal(100, send(service, list_of(times(100, LONG)), { concurrency = 4 }).accepted)
    end)

    it("is the others' where the first alone is refused, again and again", function()
      for _, asked in ipairs { 1, false } do
        local service = new_service(function(message)
          return message.text == "1" and refusal(asked or nil) or nil
        end)
        local counts = send(service, list_of(times(100, LONG)), { concurrency = 1 })
        assert.same({ 99, 1 }, { counts.accepted, counts.rejected })
        local others_at
        for _, post in ipairs(service.posts) do
          if post.text ~= "1" then others_at = post.at end
        end
        assert.is_true(others_at < 40, others_at)
      end
    end)

    it("asks should_retry each time, with how often it was tried", function()
      local seen = {}
      local counts = send(new_service(function() return refusal(1) end), list_of { LONG }, {},
        { retry = { should_retry = function(err, attempt)
          seen[#seen + 1] = attempt
          assert.equal(attempt, #err.attempts)
          return attempt < 4
        end } })
      assert.same({ 1, 2, 3, 4 }, seen)
      assert.equal(1, counts.rejected)
    end)

    it("is waited for where nothing is to be tried again", function()
      local counts = send(new_service(bucket()), list_of(times(300, LONG)), {}, { retry = false })
      assert.is_true(counts.rejected < 30, counts.rejected)
      counts = send(new_service(bucket()), list_of(times(300, LONG)), {},
        { retry = { should_retry = function() return false end } })
      assert.is_true(counts.rejected < 30, counts.rejected)
    end)

    it("is waited for no longer than a minute by those behind one that cannot wait", function()
      local service = new_service(function(_, n) return n == 1 and refusal(3600) or nil end)
      local counts = send(service, list_of(times(3, LONG)), { concurrency = 1 })
      assert.same({ 2, 1 }, { counts.accepted, counts.rejected })
      assert.is_true(service.posts[2].at >= 60, service.posts[2].at)
      assert.is_true(service.time < 70, service.time)
    end)

    it("is not waited for once more when it has come", function()
      local service = new_service(function(_, n) return n == 1 and refusal(1) or nil end)
      local counts = send(service, list_of(times(100, LONG)), { concurrency = 1 }, { deadline = 3 })
      assert.equal(100, counts.accepted)
    end)

    it("is heeded once, also where the run ends while it is waited for", function()
      local service = new_service(function(_, n) return n == 1 and refusal(5) or nil end)
      local counts = send(service, list_of(times(3, LONG)), { concurrency = 1,
        stops_when = function() return service.time > 2 end })
      assert.equal(1, counts.rejected)
      assert.equal(1, counts.learned.refused)
    end)

    it("is a full queue, whatever its status", function()
      local service = new_service(function(message, n)
        if message.from == LONG and n <= 2 then
          return { outcome = "rejected", kind = "api", status = 400, retryable = false,
            errors = { { code = "40318" } } }
        end
      end)
      local counts = send(service, list_of { LONG, LONG, FREE, FREE }, { concurrency = 2 })
      assert.equal(4, counts.accepted)
      assert.equal(2, counts.learned.senders[LONG].refused)
    end)

    it("is found soon where it takes much less than it did", function()
      local service = taking(function(now) return now < 20 and 40 or 0.5 end)
      local counts = send(service, list_of(times(900, LONG)), { concurrency = 4 },
        { deadline = 1000 })
      assert.equal(900, counts.accepted)
      assert.is_true(service.n_refused < 150, service.n_refused)
    end)

    it("is found soon where it takes much more than it did", function()
      local service = taking(function(now) return now < 20 and 2 or 1000 end)
      send(service, list_of(times(2000, LONG)), { concurrency = 8 }, { deadline = 1000 })
      assert.is_true(service.time < 180, service.time)
    end)

    it("is not made up for after a rest", function()
      local service, n = taking(function() return 5 end), 0
      local before
      send(service, function()
        n = n + 1
        if n == 200 then
          before = service.n_refused
          service.time = service.time + 300
        end
        return n <= 230 and list_of({ LONG })[1] or nil
      end, { concurrency = 20 }, { deadline = 1000 })
      assert.is_true(service.n_refused - before < 8, service.n_refused - before)
    end)

    it("comes once a minute at least, as little as the service takes", function()
      local service = new_service(function(_, n) return n == 2 and refusal(900) or nil end)
      send(service, list_of(times(5, LONG)), { concurrency = 1 }, { deadline = 5000 })
      assert.is_true(service.time < 900 + 4 * 61, service.time)
    end)
  end)

  it("is nobody's any more when on_result has raised, and what it raises then is told", function()
    local service, told = new_service(function() end), {}
    local client = telnyx.new({ sender = service,
      on_error = function(why) told[#told + 1] = why.index end })
    local ok, why = pcall(client.send_all, client, list_of(times(9, LONG)), { concurrency = 4,
      on_result = function(index) error({ index = index }) end })
    assert.same({ false, 1 }, { ok, why.index })
    assert.same({ 2, 3, 4 }, told)
    assert.equal(0, client:step(0))
  end)

  describe("without a connection", function()
    local function unsent()
      return { outcome = "not_sent", kind = "connection", retryable = true }
    end
    -- The service can be reached but from one time to another.
    local function gone(from, to)
      return new_service(function(_, _, now)
        return now >= from and now < to and unsent() or nil
      end)
    end

    it("is waited for: a run outlasts two seconds, and loses none", function()
      local service = gone(1, 3)
      local counts = send(service, list_of(times(3000, LONG)))
      assert.equal(3000, counts.accepted)
      assert.is_nil(counts.stopped)
      assert.is_true(#service.posts < 3150, #service.posts)
      assert.is_true(service.time < 3000 / 16 * 0.05 + 8, service.time)
    end)

    it("is asked for ever less, for as long as a message may take", function()
      local service = gone(1, 50)
      local counts = send(service, list_of(times(1000, LONG)))
      assert.equal(1000, counts.accepted)
      assert.is_true(#service.posts < 1080, #service.posts) -- one by one
    end)

    it("from the first is waited for by as many as are under way at once", function()
      local service = gone(0, 0.3)
      local counts = send(service, list_of(times(100, LONG)))
      assert.equal(100, counts.accepted)
    end)

    it("is not to be had: the run ends, and keeps what it has not begun", function()
      for _, from in ipairs { 0, 1, 0 } do
        local service, n = gone(from, math.huge), 0
        local list = list_of(times(1000, LONG))
        local counts = send(service, function()
          n = n + 1
          return list[n]
        end)
        assert.equal("not_sent", counts.stopped.outcome)
        assert.equal("service", counts.stopped.whose)
        assert.equal(n, counts.total)
        assert.is_true(counts.not_sent < 40, counts.not_sent)
        assert.is_true(#service.posts - counts.accepted < 400, #service.posts)
        assert.equal(n - counts.not_sent, counts.accepted)
        assert.is_true(service.time < (from == 0 and 10 or 70), service.time)
      end
    end)

    it("is not to be had, whatever is wrong with the messages between", function()
      local service = gone(0, math.huge)
      local list = list_of(times(100, LONG))
      for i = 2, 100, 2 do list[i].to = "nobody" end
      local counts = send(service, list, { concurrency = 1 })
      assert.equal("connection", counts.stopped.kind)
      assert.is_true(counts.total < 30, counts.total)
    end)

    it("is not waited for where nothing is to be tried again", function()
      local service = gone(1, math.huge)
      local counts = send(service, list_of(times(1000, LONG)), {}, { retry = false })
      assert.is_true(counts.not_sent <= 18 and counts.not_sent >= 3, counts.not_sent)
      assert.is_true(service.time < 1.2, service.time)
      assert.equal("not_sent", counts.stopped.outcome)
    end)

    it("now and then holds up nobody", function()
      for concurrency, most_s in pairs { [16] = 15, [1] = 120 } do
        local service = new_service(function(_, n) return n % 10 == 5 and unsent() or nil end)
        local counts = send(service, list_of(times(2000, LONG)), { concurrency = concurrency })
        assert.equal(2000, counts.accepted)
        assert.is_true(service.time < most_s, service.time)
      end
    end)

    it("is there again after an answer, whatever it says", function()
      local service = new_service(function(_, n)
        if n % 4 ~= 0 then return unsent() end
        return { outcome = "rejected", kind = "api", status = 400, retryable = false }
      end)
      local counts = send(service, list_of(times(20, LONG)), { concurrency = 1 },
        { retry = { attempts = 1 } })
      assert.equal("not_sent", counts.stopped.outcome)
      assert.equal(3, counts.total)
      service = new_service(function(_, n)
        if n % 3 ~= 0 then return unsent() end
        return { outcome = "unknown", kind = "api", status = 500, retryable = false }
      end)
      counts = send(service, list_of(times(15, LONG)), { concurrency = 1 },
        { retry = { attempts = 1 } })
      assert.is_nil(counts.stopped)
      assert.equal(15, counts.total)
    end)
  end)

  describe("where nobody knows what becomes of what is posted", function()
    local LOST = { outcome = "unknown", kind = "api", status = 500, retryable = false }
    local function lost(from, to)
      return new_service(function(_, _, now) return now >= from and now < to and LOST or nil end)
    end

    it("is given one by one, and then no more: the list is not used up", function()
      local service, n = lost(1, math.huge), 0
      local list = list_of(times(1000, LONG))
      local counts = send(service, function()
        n = n + 1
        return list[n]
      end)
      assert.equal("unknown", counts.stopped.outcome)
      assert.equal("stopped", counts.ended)
      assert.is_true(counts.unknown <= 32 + 5, counts.unknown)
      assert.is_true(service.time > 5 and service.time < 40, service.time)
      assert.equal(n, counts.total)
    end)

    it("is given no more where pages come for answers, with whatever status", function()
      local PAGE = { outcome = "accepted", kind = "protocol", status = 200, retryable = false }
      for _, from in ipairs { 0, 1 } do
        local service = new_service(function(_, _, now) return now >= from and PAGE or nil end)
        local counts = send(service, list_of(times(1000, LONG)))
        assert.equal("accepted", counts.stopped.outcome)
        assert.is_true(#service.posts < (from == 0 and 20 or 320 + 60), #service.posts)
      end
    end)

    it("is given no more where pages refuse, though some were taken before", function()
      for _, status in ipairs { 302, 403, 404 } do
        local service = new_service(function(_, _, now)
          if now < 1 then return nil end
          return { outcome = "rejected", kind = "protocol", status = status, retryable = false }
        end)
        local counts = send(service, list_of(times(5000, LONG)))
        assert.equal(status, counts.stopped.status)
        assert.is_true(counts.rejected < 40, counts.rejected)
      end
    end)

    it("is given still where one page comes between refusals", function()
      local service = new_service(function(_, n)
        if n == 21 then
          return { outcome = "rejected", kind = "protocol", status = 403, retryable = false }
        end
        if n <= 40 then
          return { outcome = "rejected", kind = "api", status = 400, retryable = false,
            errors = { { code = "40300" } } }
        end
      end)
      local counts = send(service, list_of(times(100, LONG)))
      assert.is_nil(counts.stopped)
      assert.equal(60, counts.accepted)
    end)

    it("is given no more after as many as were under way, and some", function()
      local service = new_service(function() return LOST end)
      local counts = send(service, list_of(times(1000, LONG)), { concurrency = 64, rate = 5 })
      assert.equal("unknown", counts.stopped.outcome)
      assert.is_true(counts.unknown < 14, counts.unknown)
    end)

    it("is given no more where the journal cannot be asked", function()
      local journal = telnyx.journal.memory()
      journal.claim = function() return nil, "it is away" end
      local service = new_service(function() end)
      local counts = send(service, list_of(times(100, LONG)), { key = function(i)
        return "k" .. i
      end }, { journal = journal })
      assert.same({ "not_sent", true }, { counts.stopped.outcome, counts.stopped.retryable })
      assert.is_true(counts.total < 20, counts.total)
      assert.equal(0, #service.posts)
    end)

    it("is given as before when it is over", function()
      local service = lost(1, 3)
      local counts = send(service, list_of(times(1000, LONG)))
      assert.equal(1000, counts.accepted + counts.unknown)
      assert.is_nil(counts.stopped)
      assert.is_true(counts.unknown < 36, counts.unknown)
      assert.is_true(service.time < 10, service.time)
    end)

    it("is not held up by one now and then", function()
      local service = new_service(function(_, n) return n % 30 == 1 and LOST or nil end)
      local counts = send(service, list_of(times(900, LONG)))
      assert.equal(30, counts.unknown)
      assert.is_true(service.time < 4, service.time)
    end)

    it("is given where it is another's request that is under way", function()
      local journal = telnyx.journal.memory()
      local now, list = core.now(), list_of(times(120, LONG))
      for i = 1, 100 do
        assert(journal:claim { key = "k" .. i, digest = core.digest(core.encode(list[i])),
          claim = "c", now = now, expires = now + 60 })
      end
      local service = new_service(function() end)
      local counts = send(service, list, { key = function(i)
        return "k" .. i
      end }, { journal = journal })
      assert.same({ 100, 20 }, { counts.unknown, counts.accepted })
      assert.is_nil(counts.stopped)
    end)
  end)

  it("is not given for what the service has left for those under way", function()
    local service = new_service(function(_, n)
      return { outcome = "accepted", status = 200, ratelimit = { limit = 40,
        remaining = math.max(0, 40 - n), reset = 60 } }
    end)
    send(service, list_of(times(60, LONG)), { concurrency = 8, rate = 100 })
    assert.is_true(service.posts[41].at >= 60, service.posts[41].at)
  end)

  -- In each minute; what was counted first may be answered last, and say that more are left.
  for _, concurrency in ipairs { 8, 16, 39 } do
    it("is not given for what an answer says that others have overtaken: " .. concurrency,
      function()
        local minute, n_used
        local service = new_service(function(_, n, now)
          local at = math.floor(now / 60)
          if at ~= minute then minute, n_used = at, 0 end
          n_used = n_used + 1
          local reset_s = math.ceil(60 - now % 60)
          if n_used > 40 then return refusal(reset_s, "10011") end
          return { outcome = "accepted", status = 200, ratelimit = { limit = 40,
            remaining = 40 - n_used, reset = reset_s } }, n % 7 == 0 and 3 or (n % 3 + 1) / 10
        end)
        service.time = 60
        local counts = send(service, list_of(times(130, LONG)), { concurrency = concurrency })
        assert.same({ 130, 0 }, { counts.accepted, service.n_refused })
        assert.is_true(service.time < 60 * 4 + 20, service.time)
      end)
  end

  it("comes as soon as the service says that it takes more", function()
    local service = new_service(function(_, n)
      local left = n == 1 and 1 or 1000
      return { outcome = "accepted", status = 200, ratelimit = { limit = 1000,
        remaining = left, reset = 600 } }, n == 2 and 5 or 0.05
    end)
    send(service, list_of(times(4, LONG)), { concurrency = 2 })
    assert.is_true(service.time < 10, service.time)
  end)

  -- As Ctrl-C does.
  it("is waited for by nobody after an error that lets what is under way finish", function()
    local service, told, n_told, n = new_service(function() end), {}, 0, 0
    local step = service.step
    function service:step(seconds)
      local n_left = step(self, seconds)
      if self.time >= 2.5 and not self.was_raised then
        self.was_raised = true
        error("from outside", 0)
      end
      return n_left
    end
    local client = telnyx.new { sender = service }
    local ok, why = pcall(client.send_all, client, function()
      n = n + 1
      return list_of(times(20, LONG))[n]
    end, { rate = 1, concurrency = 8, lets_finish = function() return true end,
      on_result = function(index, message, result)
        told[index], n_told = message and "accepted" or result.outcome, n_told + 1
      end })
    assert.same({ false, "from outside" }, { ok, why })
    assert.equal(n, n_told)
    for index, outcome in ipairs(told) do
      assert.equal(index <= #service.posts and "accepted" or "not_sent", outcome)
    end
    assert.equal(0, client:step(0))
  end)

  -- A hook may raise there as well, in LuaJIT Ctrl-C's: the clock is asked in so many places.
  for name, lets_finish in pairs { ["at once"] = false, ["when all has ended"] = true } do
    it("is never waited for by a run for ever, wherever an error comes: " .. name, function()
      local n, was_raised = 0
      repeat
        n, was_raised = n + 1, false
        local service, n_calls, n_steps, n_taken = new_service(function() end), 0, 0, 0
        local step = service.step
        function service:monotonic()
          n_calls = n_calls + 1
          if n_calls == n + 1 then
            was_raised = true
            error("from outside", 0)
          end
          return self.time
        end
        function service:step(seconds)
          n_steps = n_steps + 1
          if n_steps > 2000 then error("it goes on for ever", 0) end
          return step(self, seconds)
        end
        local client = telnyx.new { sender = service }
        local _, why = pcall(client.send_all, client, function()
          n_taken = n_taken + 1
          return list_of(times(6, LONG))[n_taken]
        end, { rate = 1, concurrency = 3,
          lets_finish = lets_finish and function(err) return err == "from outside" end or nil })
        assert.not_equal("it goes on for ever", why, n .. " calls")
        local _, n_left = pcall(client.step, client, 0)
        if n_left == "from outside" then n_left = client:step(0) end
        assert.equal(0, n_left, n .. " calls")
      until not was_raised
      assert.is_true(n > 50, n)
    end)
  end

  it("that is to come later keeps no place: others are posted as soon as there is one", function()
    local service = new_service(function(_, n)
      if n > 40 then return nil end
      return { outcome = "rejected", kind = "api", status = 503, retryable = true,
        retry_after = 20 }
    end)
    send(service, list_of(times(40, LONG)), { concurrency = 4 }, { retry = { budget = false } })
    assert.is_true(service.posts[40].at < 1, service.posts[40].at)
  end)

  describe("of a try", function()
    -- What it says to one message's tries, one after the other; then it takes it.
    local function outcome_of(answers, own, options)
      local service = new_service(function(_, n) return answers[n] end)
      local counts = send(service, list_of { LONG }, options, own)
      return counts, service
    end
    local function busy()
      return { outcome = "rejected", kind = "api", status = 503, retryable = true }
    end

    it("that was one too many takes no other's place", function()
      assert.equal(1, outcome_of { refusal(1), refusal(1), refusal(1), busy(), busy() }.accepted)
      assert.equal(1, outcome_of { busy(), busy(), refusal(1), refusal(1) }.accepted)
      assert.equal(0, outcome_of { refusal(1), busy(), busy(), busy() }.accepted)
    end)

    it("is not waited for where nothing is to be tried again", function()
      local counts, service = outcome_of({ refusal(1) }, { retry = false })
      assert.equal(1, counts.rejected)
      assert.equal(1, #service.posts)
    end)

    it("is not waited for past the deadline", function()
      local counts, service = outcome_of({ refusal(30) }, { deadline = 20 })
      assert.equal(1, counts.rejected)
      assert.is_true(service.time < 1, service.time)
    end)

    it("comes ever later where the service names no time, or none to wait", function()
      for _, asked in ipairs { 0, false } do
        local service = new_service(function(_, _, now)
          return now < 60 and refusal(asked or nil) or nil
        end)
        local counts = send(service, list_of { LONG }, {}, { deadline = 200 })
        assert.equal(1, counts.accepted)
        assert.is_true(#service.posts < 25, #service.posts)
      end
    end)
  end)
end)
