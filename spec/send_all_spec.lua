-- Many messages: counts, order, pace, early end, memory.

local pace = require("telnyx.run.pace")
local sandbox = require("telnyx.sandbox")
local sandbox_server = require("spec.support.sandbox")
local socket = require("socket")
local telnyx = require("telnyx")

local FROM = "+18445550001"

local function messages(n, to)
  local list = {}
  for i = 1, n do
    list[i] = { from = FROM, to = to or "+18665550001", text = "message " .. i }
  end
  return list
end

-- A clock of its own: pauses take no time.
local function timed(sender)
  sender.time, sender.left_at = 0, {}
  local send = sender.send
  function sender:monotonic() return self.time end
  function sender:sleep(seconds) self.time = self.time + seconds end
  function sender:send(message, limits)
    self.left_at[#self.left_at + 1] = self.time
    return send(self, message, limits)
  end
  return sender
end

describe("send_all in process", function()
  it("sends a list and counts outcomes", function()
    local sender = sandbox.sender()
    local client = telnyx.new({ sender = sender, retry = false })
    local list = messages(5)
    list[2].to = "nobody"
    list[4].to = "+15550040300"
    local seen = {}
    local counts = client:send_all(list, {
      on_result = function(index, message, result)
        seen[index] = message and "accepted" or result.outcome
      end,
    })
    assert.same({ "accepted", "not_sent", "accepted", "rejected", "accepted" }, seen)
    assert.same({ total = 5, accepted = 3, rejected = 1, not_sent = 1, unknown = 0, replayed = 0,
      ended = "empty" }, counts)
  end)

  it("stops where no further message could succeed, and says so", function()
    local sender = sandbox.sender()
    local client = telnyx.new({ sender = sender })
    local list = messages(50)
    list[3].to = "+15550020100"
    local counts = client:send_all(list, { concurrency = 1 })
    assert.equal("20100", counts.stopped.code)
    assert.equal("stopped", counts.ended)
    assert.equal(3, counts.total)
    assert.equal(2, sender:ledger().accepted)
  end)

  it("stops where it is not the service that answers, and leaves the keys free", function()
    local sender = { n_sends = 0 }
    function sender:send()
      self.n_sends = self.n_sends + 1
      return nil, { outcome = "rejected", kind = "protocol", status = 404, retryable = false }
    end
    local client = telnyx.new({ sender = sender })
    local options = { concurrency = 1, key = function(i) return "k" .. i end }
    local counts = client:send_all(messages(50), options)
    assert.equal(404, counts.stopped.status)
    assert.equal(3, counts.total)
    function sender.send(_, sent) return { id = sent.text }, { outcome = "accepted" } end
    counts = client:send_all(messages(50), options)
    assert.equal(50, counts.accepted)
    assert.equal(0, counts.replayed)
  end)

  it("stops there after what an earlier run was told, too, and not at the first page", function()
    local is_page = false
    local sender = { n_pages = 0 }
    function sender:send(sent)
      if not is_page then return { id = sent.text }, { outcome = "accepted" } end
      self.n_pages = self.n_pages + 1
      return nil, { outcome = "rejected", kind = "protocol", status = 404, retryable = false }
    end
    local client = telnyx.new({ sender = sender })
    local options = { concurrency = 1, key = function(i) return "k" .. i end }
    client:send_all(messages(10), options)
    is_page = true
    local counts = client:send_all(messages(50), options)
    assert.equal(404, counts.stopped.status)
    assert.same({ 10, 3, 3 }, { counts.replayed, counts.rejected, sender.n_pages })
  end)

  it("goes on past a page of somebody else's where the service has answered before", function()
    local sender = { n_sends = 0 }
    function sender:send()
      self.n_sends = self.n_sends + 1
      if self.n_sends % 4 == 1 then return { id = "m" }, { outcome = "accepted" } end
      return nil, { outcome = "rejected", kind = "protocol", status = 403, retryable = false }
    end
    local counts = telnyx.new({ sender = sender }):send_all(messages(20), { concurrency = 1 })
    assert.is_nil(counts.stopped)
    assert.equal(20, counts.total)
  end)

  it("takes an iterator and looks no further ahead than it must", function()
    local client = telnyx.new({ sender = sandbox.sender() })
    local n = 0
    local counts = client:send_all(function()
      n = n + 1
      if n <= 10 then return { from = FROM, to = "+18665550001", text = "x" .. n } end
    end)
    assert.equal(10, counts.accepted)
    assert.equal(11, n)
  end)

  it("sends each key once, over two runs", function()
    local sender = sandbox.sender()
    local client = telnyx.new({ sender = sender })
    local function key(_, message) return message.text end
    client:send_all(messages(4), { key = key })
    local counts = client:send_all(messages(6), { key = key })
    assert.equal(6, counts.accepted)
    assert.equal(6, sender:ledger().posts)
  end)

  local function memory_after(client, n_messages)
    local n = 0
    local counts = client:send_all(function()
      n = n + 1
      if n <= n_messages then return { from = FROM, to = "+18665550001", text = "x" } end
    end, { concurrency = 64 })
    assert.equal(n_messages, counts.accepted)
    collectgarbage()
    collectgarbage()
    return collectgarbage("count")
  end

  local function runs_in_constant_memory(sender)
    local client = telnyx.new({ sender = sender })
    memory_after(client, 1000)
    local before = memory_after(client, 1000)
    assert.is_true(memory_after(client, 50000) - before < 256)
  end

  it("runs in constant memory", function()
    runs_in_constant_memory({ send = function() return { id = "m" }, { outcome = "accepted" } end })
  end)

  it("runs in constant memory while many wait", function()
    local owners, first, last, most = {}, 1, 0, 0
    local pending = {
      done = function() return true end,
      result = function() return { id = "m" }, { outcome = "accepted" } end,
    }
    runs_in_constant_memory({
      send = function() error("it can be stepped") end,
      start = function(_, _, _, owner)
        last = last + 1
        owners[last] = owner
        most = math.max(most, last - first + 1)
        return pending
      end,
      step = function() return last - first + 1 end,
      finished = function()
        local owner = owners[first]
        if owner then owners[first], first = nil, first + 1 end
        return owner
      end,
    })
    assert.equal(64, most)
  end)

  it("drains what is in flight when the caller's own function raises, then raises", function()
    local client = telnyx.new({ sender = sandbox.sender() })
    local n_told = 0
    local ok, why = pcall(client.send_all, client, messages(5), {
      concurrency = 3,
      on_result = function()
        n_told = n_told + 1
        if n_told == 2 then error("boom") end
      end,
    })
    assert.is_false(ok)
    assert.truthy(tostring(why):find("boom", 1, true))
    assert.equal(0, client:step())
  end)

  it("begins nothing more when it is told to stop, and waits for what is under way", function()
    local sender, n_told = sandbox.sender(), 0
    local client = telnyx.new({ sender = sender })
    local counts = client:send_all(messages(9), {
      concurrency = 2,
      on_result = function() n_told = n_told + 1 end,
      stops_when = function() return n_told > 2 end,
    })
    assert.is_nil(counts.stopped)
    assert.equal("drained", counts.ended)
    assert.equal(counts.total, sender:ledger().posts)
    assert.equal(counts.total, counts.accepted)
    assert.is_true(counts.total >= 3 and counts.total <= 5, counts.total)
    assert.has_error(function()
      client:send_all(messages(9), { stops_when = function() error("mine", 0) end })
    end, "mine")
  end)

  it("waits for what is under way where it fails to say whether to stop", function()
    local sender, n_told = { begun = {}, n_steps = 0 }, 0
    function sender.send() error("it can be stepped") end
    function sender:start(message, _, owner)
      local one = { owner = owner, ready_at = #self.begun == 0 and 1 or 50 }
      self.begun[#self.begun + 1] = one
      return {
        done = function() return self.n_steps >= one.ready_at end,
        result = function() return { id = message.text }, { outcome = "accepted" } end,
      }
    end
    function sender:step()
      self.n_steps = self.n_steps + 1
      return #self.begun
    end
    function sender:finished()
      for i, one in ipairs(self.begun) do
        if self.n_steps >= one.ready_at then return table.remove(self.begun, i).owner end
      end
    end
    local client = telnyx.new({ sender = sender })
    assert.has_error(function()
      client:send_all(messages(9), {
        concurrency = 3,
        on_result = function(_, message) if message then n_told = n_told + 1 end end,
        stops_when = function() if n_told == 1 then error("mine", 0) end end,
      })
    end, "mine")
    assert.equal(3, n_told)
  end)

  it("sends nothing on a client that is closed meanwhile", function()
    local sender = sandbox.sender()
    local client = telnyx.new({ sender = sender })
    client:send_all(messages(5), { concurrency = 1, on_result = function() client:close() end })
    assert.equal(1, sender:ledger().posts)
    assert.has_error(function() client:send_all(messages(1)) end)
  end)

  it("tells of what an iterator yields as it ends the run, and posts nothing of it", function()
    for what, cause in pairs { close = "the client was closed", raise = "the run had ended" } do
      local sender, told, n = sandbox.sender(), {}, 0
      local client = telnyx.new({ sender = sender })
      local ok, counts = pcall(client.send_all, client, function()
        n = n + 1
        if n == 3 and what == "close" then client:close() end
        return messages(n)[n]
      end, {
        concurrency = 2,
        key = function(index)
          if index == 3 and what == "raise" then error("boom") end
          return "k" .. index
        end,
        on_result = function(index, sent, result)
          told[index] = sent and "accepted" or result.outcome .. ": " .. result.cause
        end,
      })
      assert.equal("accepted", told[2])
      assert.matches("^not_sent: " .. cause, told[3])
      assert.equal(2, sender:ledger().posts)
      assert.equal(what == "close", ok)
      if ok then assert.same({ 3, 1, "not_sent", "closed" }, { counts.total, counts.not_sent,
        counts.stopped.outcome, counts.ended }) end
    end
  end)

  -- Of the account, whoever is written to and by whom.
  for _, code in ipairs { "10009", "10010", "10038", "10039", "20001", "20012", "20015", "20016",
    "20017", "20100", "40311", "40313", "40314" } do
    it("stops where the account is refused: " .. code, function()
      local n_sends = 0
      local client = telnyx.new { sender = { send = function()
        n_sends = n_sends + 1
        return nil, { outcome = "rejected", kind = "api", status = 403, retryable = false,
          errors = { { code = code } } }
      end } }
      local counts = client:send_all(messages(20), { concurrency = 1 })
      assert.equal(code, counts.stopped.code)
      assert.equal("account", counts.stopped.whose)
      assert.equal(1, n_sends)
    end)
  end

  for _, code in ipairs { "10015", "40300", "40305", "40312", "40333", "40331", "10011" } do
    it("goes on where others may fare better: " .. code, function()
      local client = telnyx.new { retry = false, sender = { send = function()
        return nil, { outcome = "rejected", kind = "api", status = 403, retryable = false,
          errors = { { code = code } } }
      end } }
      local counts = client:send_all(messages(5), { concurrency = 1 })
      assert.is_nil(counts.stopped)
      assert.equal(5, counts.rejected)
    end)
  end

  it("takes an iterator that is an object", function()
    local client, n = telnyx.new({ sender = sandbox.sender() }), 0
    local source = setmetatable({}, { __call = function()
      n = n + 1
      return messages(3)[n]
    end })
    assert.equal(3, client:send_all(source).accepted)
    local told
    client:start(messages(1)[1], setmetatable({}, {
      __call = function(_, sent) told = sent.id end,
    }))
    client:step(0)
    assert.is_string(told)
  end)

  it("does not take a hole, or what is no message, for the end", function()
    local client = telnyx.new({ sender = sandbox.sender() })
    local list = messages(4)
    list[2] = nil
    local ok, why = pcall(client.send_all, client, list)
    assert.is_false(ok)
    assert.matches("message 2 is nil", why)
    list[1] = nil
    ok, why = pcall(client.send_all, client, list)
    assert.is_false(ok)
    assert.matches("message 1 is nil", why)
    ok, why = pcall(client.send_all, client, function() return false end)
    assert.is_false(ok)
    assert.matches("message 1 is a boolean", why)
  end)

  it("does not stop for a refusal that was recorded in an earlier run", function()
    local client = telnyx.new({ sender = sandbox.sender() })
    local list = messages(3, "+15550040300")
    local function key(index) return "k" .. index end
    client:send_all(list, { key = key })
    assert.equal(3, client:send_all(list, { key = key }).rejected)
  end)

  it("refuses misuse", function()
    local client = telnyx.new({ sender = sandbox.sender() })
    assert.has_error(function() client:send_all({ from = FROM, to = FROM, text = "x" }) end)
    assert.has_error(function() client:send_all(messages(1), { key = function() end }) end)
    assert.has_error(function() client:send_all(42) end)
    assert.has_error(function() client:send_all({}, { concurency = 3 }) end)
    assert.has_error(function() client:send_all({}, { rates = { longcode = 3 } }) end)
    assert.has_error(function() client:send_all({ "hello" }) end)
  end)
end)

describe("the pace", function()
  it("holds messages to a rate after a burst", function()
    local sender = timed(sandbox.sender())
    local client = telnyx.new({ sender = sender })
    client:send_all(messages(7), { rate = 2, burst = 3 })
    local expected = { 0, 0, 0, 0.5, 1, 1.5, 2 }
    for i, at in ipairs(sender.left_at) do
      assert.is_true(math.abs(at - expected[i]) < 1e-6, i .. ": " .. at)
    end
  end)

  it("is not spent on what is replayed or refused here", function()
    local sender = timed(sandbox.sender())
    local client = telnyx.new({ sender = sender })
    local list = messages(3)
    list[2].to = "nobody"
    local options = { rate = 1, key = function(_, message) return message.text end }
    client:send_all(list, options)
    client:send_all(list, options)
    assert.equal(2, #sender.left_at)
    assert.is_true(math.abs(sender.time - 1) < 0.05, sender.time)
  end)

  -- One that can be stepped: it says what it is told to the first, and 503 to the others.
  local function stepped_refusal(first)
    local sender, owners, n_posts = { time = 0 }, {}, 0
    function sender:monotonic() return self.time end
    function sender.send() error("it can be stepped") end
    function sender:start(_, _, owner)
      n_posts = n_posts + 1
      owners[#owners + 1] = owner
      self.n_posts = n_posts
      local err = n_posts == 1 and first
        or { outcome = "rejected", kind = "api", status = 503, retryable = true }
      return { done = function() return true end, result = function() return nil, err end }
    end
    function sender:step(seconds)
      self.time = self.time + seconds
      return #owners
    end
    function sender.finished() return table.remove(owners, 1) end
    return sender
  end

  it("is not waited for when the run has ended", function()
    local sender = stepped_refusal { outcome = "rejected", kind = "api", status = 401,
      retryable = false }
    local client, told = telnyx.new({ sender = sender }), {}
    local counts = client:send_all(messages(16), { rate = 0.1, on_result = function(index, _, err)
      told[index] = err.outcome
      assert.equal(err.outcome == "not_sent", err.retryable)
    end })
    assert.equal(1, sender.n_posts)
    assert.is_true(sender.time < 1, sender.time)
    assert.same({ 16, 1, 15 }, { counts.total, counts.rejected, counts.not_sent })
    assert.equal(401, counts.stopped.status)
    assert.same({ "rejected", "not_sent", "not_sent" }, { told[1], told[2], told[16] })
  end)

  it("of retries is not waited for either", function()
    local sender = stepped_refusal { outcome = "rejected", kind = "api", status = 503,
      retryable = true }
    local client = telnyx.new({ sender = sender, retry = { base = 100, cap = 100 },
      deadline = 1000 })
    local counts = client:send_all(function()
      if sender.n_posts and sender.n_posts > 3 then client:close() end
      return messages(1)[1]
    end)
    assert.is_true(sender.time < 1, sender.time)
    assert.equal(4, sender.n_posts)
    assert.same({ 5, 4, 1 }, { counts.total, counts.rejected, counts.not_sent })
  end)

  it("is kept for each kind of sender", function()
    local sender = timed(sandbox.sender())
    local client = telnyx.new({ sender = sender, defaults = { from = "+13125550001" } })
    local list = {}
    for i = 1, 4 do list[i] = { to = "+18665550001", text = "x" .. i } end
    client:send_all(list, { rates = { long_code = 0.1 } })
    assert.equal(0, sender.left_at[1])
    assert.is_true(math.abs(sender.left_at[4] - 30) < 1e-6)
  end)

  it("is kept by several workers together", function()
    -- As an ngx.shared.DICT adds: in one place, at once.
    local dict = { values = {} }
    function dict:incr(name, by, start)
      self.values[name] = (self.values[name] or start) + by
      return self.values[name]
    end
    local time = 10
    local function clock() return time end
    local one, other = pace.shared(clock, dict), pace.shared(clock, dict)
    local function ends(own, n) return own:reserve("all", 0.5, n or 1) end
    assert.same({ 0.5, 1, 2.5, 3 }, { ends(one), ends(other), ends(one, 3), ends(other) })
    time = 100
    assert.same({ 0.5, 1, 1.5 }, { ends(other), ends(one), ends(other) })
    time = 101.75 -- a rest of half a turn
    assert.equal(0.5, ends(one))
    local sender = timed(sandbox.sender())
    local client = telnyx.new({ sender = sender })
    client:send_all(messages(3), { rate = 1, shared_pace = dict })
    assert.equal(2, sender.left_at[3] - sender.left_at[1])
    assert.has_error(function() client:send_all({}, { shared_pace = {} }) end)
  end)

  -- In any `window` seconds.
  local function most_in(times, window)
    local most, first = 0, 1
    for i, at in ipairs(times) do
      while times[first] <= at - window + 1e-6 do first = first + 1 end
      most = math.max(most, i - first + 1)
    end
    return most
  end

  local LONG, FREE = "+13125550001", "+18445550001"

  local function from(sender, n)
    local list = messages(n)
    for _, message in ipairs(list) do message.from = sender end
    return list
  end

  local function joined(...)
    local all = {}
    for _, list in ipairs { ... } do
      for _, message in ipairs(list) do all[#all + 1] = message end
    end
    return all
  end

  it("of all is kept beside those of kinds", function()
    local sender = timed(sandbox.sender())
    local counts = telnyx.new({ sender = sender }):send_all(joined(from(LONG, 10), from(FREE, 10)),
      { rate = 1, rates = { long_code = 0.5, toll_free = 5 } })
    assert.equal(20, counts.accepted)
    assert.equal(1, most_in(sender.left_at, 1))
    assert.is_true(sender.time < 21.1, sender.time)
  end)

  it("is each retry's too", function()
    local sender, n = timed(sandbox.sender()), 0
    local send = sender.send
    function sender:send(message, limits)
      n = n + 1
      if n % 2 == 0 then return send(self, message, limits) end
      self.left_at[#self.left_at + 1] = self.time
      return nil, { outcome = "not_sent", kind = "connection", retryable = true }
    end
    local client = telnyx.new({ sender = sender, retry = { base = 0.001, budget = false } })
    assert.equal(20, client:send_all(messages(20), { rate = 10 }).accepted)
    assert.equal(40, #sender.left_at)
    assert.equal(10, most_in(sender.left_at, 1))
  end)

  it("is one for all runs of a client, one within another and one after the other", function()
    local sender = timed(sandbox.sender())
    local client = telnyx.new({ sender = sender, profiles = { p = {} } })
    local n_nested = 0
    client:send_all(messages(10), { rate = 10, on_result = function()
      n_nested = n_nested + client:profile("p"):send_all(messages(2), { rate = 10 }).accepted
    end })
    client:send_all(messages(5), { rate = 10 })
    assert.equal(20, n_nested)
    assert.equal(35, #sender.left_at)
    assert.equal(10, most_in(sender.left_at, 1))
    assert.is_true(sender.time < 3.6, sender.time)
  end)

  it("of retries comes after the wait that they have, and holds up no other meanwhile", function()
    local sender, n = timed(sandbox.sender()), 0
    local send = sender.send
    function sender:send(message, limits)
      n = n + 1
      if n > 1 then return send(self, message, limits) end
      self.left_at[#self.left_at + 1] = self.time
      return nil, { outcome = "rejected", kind = "api", status = 503, retryable = true,
        retry_after = 20 }
    end
    local counts = telnyx.new({ sender = sender }):send_all(messages(5), { concurrency = 1 })
    assert.equal(5, counts.accepted)
    assert.equal(0, sender.left_at[5])
    assert.is_true(sender.left_at[6] >= 20, sender.left_at[6])
  end)

  it("of one sender or kind holds up no other", function()
    local sender, free_at = timed(sandbox.sender()), 0
    local list = joined(from(LONG, 300), from(FREE, 20))
    local counts = telnyx.new({ sender = sender }):send_all(list, {
      rates = { long_code = 1, toll_free = 20 },
      on_result = function(index) if index > 300 then free_at = sender.time end end,
    })
    assert.equal(320, counts.accepted)
    assert.is_true(free_at < 1.1, free_at)
    assert.is_true(math.abs(sender.time - 299) < 0.5, sender.time)
    sender = timed(sandbox.sender())
    telnyx.new({ sender = sender }):send_all(joined(from(LONG, 5), from("+13125550002", 5)),
      { sender_rates = { long_code = 1 } })
    assert.is_true(sender.time < 4.1, sender.time)
    assert.equal(2, most_in(sender.left_at, 1))
  end)

  -- A service of its own mind, with a time of its own: `answer(message, limits, now)`.
  local function timed_service(answer, latency)
    local owners, waiting, time = {}, {}, 0
    local own = { n_refused = 0 }
    function own.monotonic() return time end
    function own.send() error("it can be stepped") end
    function own.start(_, message, limits, owner)
      local sent, result = answer(message, limits, time)
      if not sent then own.n_refused = own.n_refused + 1 end
      local pending = { ready_at = time + latency, owner = owner }
      function pending.done() return time >= pending.ready_at end
      function pending.result() return sent, result end
      waiting[#waiting + 1] = pending
      return pending
    end
    function own.step(_, seconds)
      local next_at = time + seconds
      for _, one in ipairs(waiting) do next_at = math.min(next_at, math.max(time, one.ready_at)) end
      time = #waiting == 0 and time + seconds or next_at
      return #waiting
    end
    function own.finished()
      for i, one in ipairs(waiting) do
        if one.done() then return table.remove(waiting, i).owner end
      end
      return table.remove(owners, 1)
    end
    function own.sleep(_, seconds) time = time + seconds end
    function own.time() return time end
    return own
  end

  local function refusal(wait_s, code)
    return { outcome = "rejected", kind = "api", status = 429, retryable = true,
      retry_after = wait_s, errors = code and { { code = code } } or nil }
  end

  -- So many in each window of time.
  local function limited(limit, window, latency, says_what_is_left)
    local sender, used, ends = sandbox.sender(), 0, 0
    return timed_service(function(message, limits, now)
      if now >= ends then used, ends = 0, now + window end
      used = used + 1
      if used > limit then return nil, refusal(math.ceil(ends - now), "10011") end
      local sent, result = sender:send(message, limits)
      if says_what_is_left then
        result.ratelimit = { limit = limit, remaining = limit - used,
          reset = math.ceil(ends - now) }
      end
      return sent, result
    end, latency)
  end

  for name, case in pairs {
    ["none"] = {}, ["twice too high"] = { rate = 20 }, ["ten times too high"] = { rate = 100 },
    ["right"] = { rate = 10 }, ["half as high"] = { rate = 5, by = 2 },
  } do
    it("that is named, " .. name .. ", leaves nobody out: the service's is learned", function()
      local own = limited(10, 1, 0.05)
      local counts = telnyx.new({ sender = own }):send_all(messages(1000), { rate = case.rate })
      assert.equal(1000, counts.accepted)
      assert.is_true(own.time() < 100 * (case.by or 1) * 1.2, own.time())
      assert.is_true(own.n_refused < 300, own.n_refused)
      if counts.learned then assert.equal(own.n_refused, counts.learned.refused) end
      assert.equal(own.n_refused > 0, counts.learned ~= nil)
    end)
  end

  -- One in each tenth of a second, however long nobody came before.
  for name, wait_s in pairs { ["and says when"] = 1, ["and says nothing"] = false } do
    it("of a service that lets none be saved up is learned as well: " .. name, function()
      local next_at = 0
      local own = timed_service(function(message, _, now)
        if now < next_at then return nil, refusal(wait_s or nil, "10011") end
        next_at = math.max(next_at + 0.1, now)
        return { id = message.text }, { outcome = "accepted", status = 200 }
      end, 0.05)
      local counts = telnyx.new({ sender = own }):send_all(messages(1000))
      assert.equal(1000, counts.accepted)
      assert.is_true(own.time() < 100 * 1.2, own.time())
      assert.is_true(own.n_refused < 100, own.n_refused)
    end)
  end

  for _, concurrency in ipairs { 1, 8, 39 } do
    it("waits before it is refused where the service says what is left: " .. concurrency, function()
      local own = limited(40, 60, 0.05, true)
      local counts = telnyx.new({ sender = own }):send_all(messages(200),
        { concurrency = concurrency })
      assert.equal(200, counts.accepted)
      assert.equal(0, own.n_refused)
      assert.is_nil(counts.learned)
      assert.is_true(own.time() < 5 * 61, own.time())
      assert.is_true(own.time() > 4 * 60, own.time())
    end)
  end

  it("lets nobody wait for a turn beyond the deadline that a refused one has", function()
    local n, told_at, started_at = 0, {}, nil
    local own = timed_service(function(message, _, now)
      n = n + 1
      started_at = started_at or now
      if n == 1 then return nil, refusal(1) end
      return { id = message.text }, { outcome = "accepted", status = 200,
        ratelimit = { limit = 1, remaining = 0, reset = 900 } }
    end, 0.05)
    local counts = telnyx.new({ sender = own, deadline = 10 }):send_all(messages(3), {
      concurrency = 2,
      on_result = function(i) told_at[i] = own.time() - started_at end,
    })
    assert.equal(2, counts.accepted)
    assert.equal(1, counts.rejected)
    assert.is_true(told_at[1] > 9 and told_at[1] < 11, told_at[1])
  end)

  for what, given in pairs {
    ["a window"] = { ratelimit = { limit = 1, remaining = 0, reset = 1e9 } },
    ["a queue"] = { wait_seconds = math.huge },
  } do
    it("believes the service's word for an hour at most: " .. what, function()
      local own = timed_service(function(message)
        return { id = message.text, wait_seconds = given.wait_seconds },
          { outcome = "accepted", status = 200, ratelimit = given.ratelimit }
      end, 0.05)
      local started_at = own.time()
      local counts = telnyx.new({ sender = own }):send_all(messages(3), { concurrency = 1 })
      assert.equal(3, counts.accepted)
      assert.is_true(own.time() - started_at < 2.1 * 3600, own.time() - started_at)
    end)
  end

  -- As Ctrl-C does: whoever catches it may send again what was not told.
  for what, options in pairs {
    [""] = {}, [", and those that wait for a turn"] = { rate = 20 },
    [", and those that are to be tried again"] = { refuses = true },
  } do
    it("tells of each that was begun before an error goes on" .. what, function()
      local time, n_posts, n_steps, told = 0, 0, 0, {}
      local own, done = {}, {}
      function own.monotonic() return time end
      function own.send() error("it can be stepped") end
      function own.start(_, _, _, owner)
        n_posts = n_posts + 1
        local is_refused = options.refuses and n_posts % 2 == 0
        if is_refused then done[#done + 1] = owner end
        return { done = function() return is_refused end,
          result = function() return nil, refusal(5) end }
      end
      function own.finished() return table.remove(done) end
      function own.step(_, seconds)
        time, n_steps = time + seconds, n_steps + 1
        if n_steps == 8 then error("interrupted!", 0) end
        return 1
      end
      local client = telnyx.new { sender = own }
      local ok, why = pcall(client.send_all, client, messages(60), {
        concurrency = 8, rate = options.rate,
        on_result = function(i, _, err)
          assert.is_nil(told[i])
          told[i] = err.outcome
        end,
      })
      assert.is_false(ok)
      assert.matches("interrupted!", why)
      local n_unknown, n_told = 0, 0
      for _, outcome in pairs(told) do
        n_told = n_told + 1
        if outcome == "unknown" then n_unknown = n_unknown + 1 end
      end
      local n_refused = options.refuses and math.floor(n_posts / 2) or 0
      assert.equal(n_posts - n_refused, n_unknown)
      assert.is_true(n_told >= n_posts)
      local n_before = n_told
      pcall(client.close, client)
      n_told = 0
      for _ in pairs(told) do n_told = n_told + 1 end
      assert.equal(n_before, n_told)
    end)
  end

  -- It takes all, and hands one a second on of each sender's.
  it("lets no more than some minutes' messages wait at the service", function()
    local free_at, longest, last_at = {}, 0, {}
    local own = timed_service(function(message, _, now)
      local sender = message.from
      free_at[sender] = math.max(free_at[sender] or 0, now) + 1
      local wait_s = free_at[sender] - now - 1
      longest, last_at[sender] = math.max(longest, wait_s), now
      return { id = message.text, wait_seconds = wait_s }, { outcome = "accepted", status = 200 }
    end, 0.05)
    local list = joined(from(LONG, 900), from(FREE, 100))
    local counts = telnyx.new({ sender = own }):send_all(list, { concurrency = 4 })
    assert.equal(1000, counts.accepted)
    assert.is_true(longest > 290 and longest < 310, longest)
    assert.is_true(last_at[LONG] > 580 and last_at[LONG] < 620, last_at[LONG])
    assert.is_true(last_at[FREE] < 20, last_at[FREE])
  end)

  it("slows down that sender alone of whose the service has too many", function()
    local next_at, last_at = 0, {}
    local own = timed_service(function(message, _, now)
      if message.from == LONG then
        if now < next_at then return nil, refusal(1, "40318") end
        next_at = now + 0.5
      end
      last_at[message.from] = now
      return { id = message.text }, { outcome = "accepted", status = 200 }
    end, 0.05)
    local list = joined(from(LONG, 100), from(FREE, 100))
    local counts = telnyx.new({ sender = own }):send_all(list, { concurrency = 4 })
    assert.equal(200, counts.accepted)
    assert.is_true(last_at[FREE] < 20, last_at[FREE])
    assert.is_true(last_at[LONG] < 50 * 1.3, last_at[LONG])
    assert.is_nil(counts.learned.rate)
    assert.equal(own.n_refused, counts.learned.senders[LONG].refused)
    assert.is_nil(counts.learned.senders[FREE])
    local rate = counts.learned.senders[LONG].rate
    assert.is_true(rate > 1.5 and rate < 2.5, rate)
  end)

  local kinds = {
    ["+18445550001"] = "toll_free", ["+13125550001"] = "long_code", ["12345"] = "short_code",
    ["Acme"] = "alphanumeric", ["+448001234567"] = "long_code",
  }
  for number, kind in pairs(kinds) do
    it("knows " .. number .. " as " .. kind, function()
      assert.equal(kind, pace.kind_of(number))
    end)
  end
end)

describe("send_all over libcurl", function()
  local server
  setup(function() server = sandbox_server.start() end)
  teardown(function() server:stop() end)

  it("has many in flight, each accepted once", function()
    local client = telnyx.new({ api_key = "KEY_TEST", base_url = server.url })
    local in_flight, most = 0, 0
    local list, n = messages(300), 0
    local counts = client:send_all(function()
      n = n + 1
      in_flight = in_flight + 1
      most = math.max(most, in_flight)
      return list[n]
    end, { concurrency = 32, on_result = function() in_flight = in_flight - 1 end })
    assert.equal(300, counts.accepted)
    assert.is_true(most >= 32)
    local ledger = server:ledger()
    assert.equal(300, ledger.accepted)
    for reference, row in pairs(ledger.messages) do
      assert.equal(1, row.accepted, reference)
    end
    client:close()
  end)

  it("has no more in flight than there may be connections", function()
    local client = telnyx.new({ api_key = "KEY_TEST", base_url = server.url, max_connections = 4 })
    local in_flight, most, n = 0, 0, 0
    local list = messages(60)
    local counts = client:send_all(function()
      n = n + 1
      if list[n] then in_flight = in_flight + 1 end
      most = math.max(most, in_flight)
      return list[n]
    end, { concurrency = 32, on_result = function() in_flight = in_flight - 1 end })
    assert.equal(60, counts.accepted)
    assert.equal(4, most)
    client:close()
  end)

  it("outlasts a server that is away for a while", function()
    local port = server.port
    local client = telnyx.new({ api_key = "KEY_TEST", base_url = server.url })
    local list, away_until, n_accepted = messages(400), nil, 0
    local counts = client:send_all(list, {
      concurrency = 8,
      rate = 400,
      on_result = function(_, sent)
        if not sent then return end
        n_accepted = n_accepted + 1
        if n_accepted == 100 then
          server:stop()
          away_until = socket.gettime() + 1.5
        end
      end,
      stops_when = function()
        if not away_until or socket.gettime() < away_until then return false end
        away_until, server = nil, sandbox_server.start({ port = port })
        return false
      end,
    })
    assert.is_nil(counts.stopped)
    assert.equal(400, counts.accepted + counts.unknown) -- those that it had when it went
    assert.is_true(counts.unknown <= 8, counts.unknown)
    client:close()
  end)
end)
