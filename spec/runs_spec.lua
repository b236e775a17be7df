-- Runs of many messages, each made up by chance: rates, senders, weather, and errors and closes
-- where users can make them, in a time of their own. What is always so.

local telnyx = require "telnyx"

local N_RUNS = 1000

-- A generator of its own: the same on every Lua.
local function new_random(seed)
  local state = seed * 2654435761 % 2 ^ 32
  return function(n)
    state = (state * 1103515245 + 12345) % 2 ^ 31
    return math.floor(state / 65536) % n + 1
  end
end

local SENDERS = { "+18445550001", "+18445550002", "+13125550001", "+13125550002", "12345", "Acme" }
local KINDS = { ["+18445550001"] = "toll_free", ["+18445550002"] = "toll_free",
  ["+13125550001"] = "long_code", ["+13125550002"] = "long_code", ["12345"] = "short_code",
  ["Acme"] = "alphanumeric" }

local function rejected(status, code)
  return { outcome = "rejected", kind = "api", status = status,
    retryable = status == 429, errors = code and { { code = code } } or nil,
    retry_after = status == 429 and 1 or nil }
end

-- Stepped, in a time that moves by waiting alone; what it answers is a matter of chance.
local function new_sender(random, weather)
  local sender = { time = 1000, posts = {}, accepted = {}, n_under_way = 0, most_under_way = 0,
    waiting = {} }
  function sender:monotonic() return self.time end
  function sender:sleep(seconds) self.time = self.time + seconds end
  function sender.send() error("it can be stepped") end
  function sender:answer(text)
    local chance = random(100)
    if chance <= weather.throttled then return nil, rejected(429) end
    if chance <= weather.refused then return nil, rejected(400, "40300") end
    if chance <= weather.lost then
      return nil, { outcome = "unknown", kind = "connection", retryable = false }
    end
    if chance <= weather.unsent then
      return nil, { outcome = "not_sent", kind = "connection", retryable = true }
    end
    if chance <= weather.fatal then return nil, rejected(401) end
    self.accepted[text] = (self.accepted[text] or 0) + 1
    return { id = text }, { outcome = "accepted", status = 200 }
  end
  function sender:start(sent, _, owner)
    assert(not self.is_closed, "it is closed")
    self.posts[#self.posts + 1] = { at = self.time, from = sent.from, text = sent.text }
    local message, result = self:answer(sent.text)
    self.n_under_way = self.n_under_way + 1
    self.most_under_way = math.max(self.most_under_way, self.n_under_way)
    local pending = { ready_at = self.time + random(20) / 100, owner = owner }
    function pending.done() return self.time >= pending.ready_at end
    function pending.result() return message, result end
    self.waiting[#self.waiting + 1] = pending
    return pending
  end
  function sender:step(seconds)
    local next_at = self.time + seconds
    for _, one in ipairs(self.waiting) do next_at = math.min(next_at, one.ready_at) end
    self.time = math.max(self.time, next_at)
    return #self.waiting
  end
  function sender:finished()
    for i, one in ipairs(self.waiting) do
      if one.done() then
        self.n_under_way = self.n_under_way - 1
        return table.remove(self.waiting, i).owner
      end
    end
  end
  return sender
end

-- The most in any `window` seconds of those that are meant.
local function most_in(posts, window, is_meant)
  local times, first, most = {}, 1, 0
  for _, post in ipairs(posts) do
    if is_meant(post) then times[#times + 1] = post.at end
  end
  for i, at in ipairs(times) do
    while times[first] <= at - window + 1e-6 do first = first + 1 end
    most = math.max(most, i - first + 1)
  end
  return most
end

local function new_case(seed)
  local random = new_random(seed)
  local function maybe(n, value) return random(n) == 1 and value or nil end
  local function a_rate() return ({ 0.5, 1, 2, 5, 10, 50 })[random(6)] end
  local level, weather = 0, {}
  for _, name in ipairs { "throttled", "refused", "lost", "unsent", "fatal" } do
    if random(3) == 1 then level = level + (name == "fatal" and random(2) - 1 or random(15)) end
    weather[name] = level
  end
  local rates, sender_rates = maybe(3, {}), maybe(3, {})
  if rates then rates[({ "toll_free", "long_code" })[random(2)]] = a_rate() end
  if sender_rates then sender_rates[SENDERS[random(#SENDERS)]] = a_rate() end
  return {
    random = random, weather = weather, n = 1 + random(40), concurrency = random(8),
    n_senders = random(#SENDERS), rate = maybe(2, a_rate()), burst = maybe(3, random(5)),
    rates = rates, sender_rates = sender_rates, is_keyed = random(2) == 1,
    -- What users do: raise or close, in one of their functions, at one of its calls.
    deed = maybe(3, ({ "raise", "close" })[random(2)]),
    where = ({ "next", "key", "on_result", "log", "should_retry", "callback",
      "on_trouble" })[random(7)],
    at = random(20),
  }
end

local WORD = "the user's own"

local function run(case)
  local sender = new_sender(case.random, case.weather)
  local client, n_calls, ended_at
  local function called(where)
    if where ~= case.where or not case.deed then return end
    n_calls = (n_calls or 0) + 1
    if n_calls ~= (where == "on_trouble" and 1 or case.at) then return end -- that is rarer
    if case.deed == "raise" then error(WORD, 0) end
    client:close()
    sender.is_closed = true
    ended_at = #sender.posts
  end
  client = telnyx.new {
    sender = sender, deadline = 1000, log = function() called("log") end,
    retry = { attempts = 3, base = 0.5, budget = false,
      should_retry = function() called("should_retry") end },
  }
  client:start({ from = SENDERS[1], to = "+18665550001", text = "beside" },
    function() called("callback") end)
  local n_yielded, told, n_told = 0, {}, 0
  local ok, counts = pcall(client.send_all, client, function()
    called("next")
    if n_yielded == case.n then return nil end
    n_yielded = n_yielded + 1
    return { from = SENDERS[case.random(case.n_senders)], to = "+18665550001",
      text = "text " .. n_yielded }
  end, {
    concurrency = case.concurrency, rate = case.rate, burst = case.burst, rates = case.rates,
    sender_rates = case.sender_rates,
    key = case.is_keyed and function(i)
      called("key")
      return "k" .. i
    end or nil,
    on_result = function(i, message, result)
      told[i] = (told[i] or 0) + 1
      n_told = n_told + 1
      told[-i] = message and "accepted" or result.outcome
      called("on_result")
    end,
    on_trouble = function() called("on_trouble") end,
  })
  return { sender = sender, client = client, ok = ok, counts = counts, told = told,
    n_told = n_told, n_yielded = n_yielded, ended_at = ended_at }
end

-- What was posted for the run, and not beside it.
local function is_of_run(post) return post.text ~= "beside" end

local function assert_paced(case, done, where)
  local posts, burst = done.sender.posts, math.max(case.burst or 1, 1)
  local function assert_rate(rate, is_meant)
    for _, window in ipairs { 1, 7 } do
      local n = most_in(posts, window, function(post)
        return is_of_run(post) and is_meant(post)
      end)
      assert.is_true(n <= rate * window + burst, where .. n .. " in " .. window .. " s")
    end
  end
  if case.rate then assert_rate(case.rate, function() return true end) end
  for kind, rate in pairs(case.rates or {}) do
    assert_rate(rate, function(post) return KINDS[post.from] == kind end)
  end
  for from, rate in pairs(case.sender_rates or {}) do
    assert_rate(rate, function(post) return post.from == from end)
  end
end

local function assert_told(done, where)
  for i = 1, done.n_yielded do
    assert.is_true((done.told[i] or 0) <= 1, where .. i .. " was told of twice")
    local n_accepted, outcome = done.sender.accepted["text " .. i] or 0, done.told[-i]
    assert.is_true(n_accepted <= 1, where .. i .. " was accepted twice")
    if outcome == "accepted" then assert.equal(1, n_accepted, where) end
    if outcome == "not_sent" or outcome == "rejected" then assert.equal(0, n_accepted, where) end
  end
end

local function assert_counted(done, where)
  local counts, seen = done.counts, { accepted = 0, rejected = 0, not_sent = 0, unknown = 0 }
  for i = 1, done.n_yielded do
    assert.equal(1, done.told[i], where .. i .. " was told of")
    seen[done.told[-i]] = seen[done.told[-i]] + 1
  end
  for outcome, n in pairs(seen) do assert.equal(n, counts[outcome], where .. outcome) end
  assert.equal(done.n_yielded, counts.total, where)
end

it("of a thousand runs each keeps its rates, tells of each message once and counts it", function()
  local n_raised, n_closed, n_stopped = 0, 0, 0
  for seed = 1, N_RUNS do
    local case = new_case(seed)
    local done, where = run(case), ("run %d: "):format(seed)
    assert_paced(case, done, where)
    assert_told(done, where)
    assert.is_true(done.sender.most_under_way <= case.concurrency + 1, where)
    if done.ok then
      assert_counted(done, where)
      if done.counts.stopped then n_stopped = n_stopped + 1 end
    else
      assert.equal(WORD, done.counts, where)
      n_raised = n_raised + 1
    end
    if done.ended_at then
      n_closed = n_closed + 1
      assert.equal(done.ended_at, #done.sender.posts, where .. "posted after the close")
    else
      local n_posts = #done.sender.posts
      for _ = 1, 20 do pcall(done.client.step, done.client, 10) end
      local n_beside = 0
      for i = n_posts + 1, #done.sender.posts do
        assert.equal("beside", done.sender.posts[i].text, where .. "posted after the run")
        n_beside = n_beside + 1
      end
    end
    pcall(done.client.close, done.client)
  end
  assert.is_true(n_raised > 20 and n_closed > 20 and n_stopped > 20,
    ("%d raised, %d closed, %d stopped"):format(n_raised, n_closed, n_stopped))
end)
