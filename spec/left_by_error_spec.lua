-- A host's limit: a hook that raises after so many instructions, wherever that is. What it ends
-- takes its request with it: nothing is posted afterwards, nothing twice, and who goes on can.

local core = require("telnyx.core")
local journals = require("spec.support.journals")
local once = require("telnyx.send.once")
local socket = require("socket")
local telnyx = require("telnyx")
local wire = require("spec.support.wire")

local KEY = "KEY0123456789ABCDEF_left"
local LIMIT = "the host's limit"
local PATIENCE_S = 20
-- A listener tells all it has seen each time it is asked.
local COUNTS_A_LISTENER = 25

-- A connection for each request: a request is not written before there is one.
local ONE_EACH = { wire.request, wire.accept, wire.close }

local has_jit, jit = pcall(require, "jit")

local function message(text)
  return { from = "+18445550001", to = "+18665550001", text = text }
end

local function is_main()
  local thread, main = coroutine.running()
  return thread == nil or main == true
end

-- Whether the limit was reached: what it raises may end in a pcall of the library's own, which
-- guards what users give it.
local was_reached = false

-- Once `n` instructions have gone, each further one raises; in coroutines alone, where `work` is.
local function limited(n, work, ...)
  local thread = coroutine.create(work)
  local function raise()
    if is_main() then return end
    was_reached = true
    debug.sethook(raise, "", 1)
    error(LIMIT, 0)
  end
  debug.sethook(thread, raise, "", n)
  local ok, a, b = coroutine.resume(thread, ...)
  debug.sethook()
  debug.sethook(thread)
  return ok, a, b
end

-- On the caller's own thread, once; not in this file. Counted here, since whoever keeps a hook away
-- for a while begins its count anew.
local function limited_once(n, work, ...)
  local sethook, pcall, getinfo = debug.sethook, pcall, debug.getinfo
  local function raise()
    n = n - 1
    if n > 0 or getinfo(2, "S").source:find("left_by_error_spec", 1, true) then return end
    sethook()
    was_reached = true
    error(LIMIT, 0)
  end
  sethook(raise, "", 1)
  local ok, a, b = pcall(work, ...)
  sethook()
  return ok, a, b
end

local function n_posted(seen, text)
  local n = 0
  for _, connection in ipairs(seen.connections) do
    local _, here = connection.raw:gsub('"' .. text .. '"', "")
    n = n + here
  end
  return n
end

-- What has been written by now is read by then: the server answers in rounds.
local function seen_by_now(listener)
  listener:seen()
  return listener:seen()
end

local function step_until_done(client)
  local patience = socket.gettime() + PATIENCE_S
  local ok, n_left
  repeat
    ok, n_left = pcall(client.step, client, 0.05)
    assert(socket.gettime() < patience, "waited too long")
  until ok and n_left == 0
end

describe("a send that an error ends", function()
  local station

  setup(function()
    if has_jit then jit.off() end -- compiled code calls no hooks
    station = wire.start()
  end)

  teardown(function()
    station:stop()
    if has_jit then jit.on() end
  end)

  local function check_one(case, seen)
    local where = (" after %d instructions"):format(case.n)
    local n_posts = n_posted(seen, case.text)
    assert.is_true(n_posts <= 1, "posted twice" .. where)
    assert.equal(case.n_posts_then, n_posts, "posted later" .. where)
    assert.equal(1, n_posted(seen, case.text .. " later"), "the next one" .. where)
    if case.outcome == "accepted" then
      assert.equal(1, n_posts, "said to be accepted" .. where)
    elseif case.outcome ~= "unknown" then
      assert.equal(0, n_posts, "said to be " .. tostring(case.outcome) .. where)
    end
  end

  local function try_one(listener, client, try, n)
    local case = { n = n, text = "left" .. n }
    was_reached = false
    case.outcome = try(client, case.text, n)
    case.is_beyond = not was_reached
    case.n_posts_then = n_posted(seen_by_now(listener), case.text)
    assert.equal("accepted", select(2, client:send(message(case.text .. " later"))).outcome)
    return case
  end

  -- `try(client, text, n)` runs into the limit after n instructions, up to where it does not any
  -- more. It returns what it was told of the message in the end.
  local function at_every_instruction(try, script)
    local n, is_through = 1, false
    while not is_through do
      local listener, cases = station:listen({ script or wire.SERVICE }), {}
      local client = telnyx.new({ api_key = KEY, base_url = listener.url, retry = false })
      assert(client:send(message("warm")))
      for i = 1, COUNTS_A_LISTENER do
        cases[i] = try_one(listener, client, try, n)
        is_through = is_through or cases[i].is_beyond
        n = n + 1
      end
      local seen = seen_by_now(listener)
      for _, case in ipairs(cases) do check_one(case, seen) end
      client:close()
      listener:close()
    end
    return n
  end

  local function send(client, text, options)
    return client:send(message(text), options)
  end

  for name, limit in pairs({ ["for good"] = limited, ["once"] = limited_once }) do
    for connections, script in pairs({ ["held"] = wire.SERVICE, ["new"] = ONE_EACH }) do
      it(("posts nothing later, where the limit raises %s, on %s connections"):format(name,
        connections), function()
        local n_instructions = at_every_instruction(function(client, text, n)
          local ok, sent = limit(n, send, client, text)
          return ok and sent and "accepted" or "unknown"
        end, script)
        assert.is_true(n_instructions > 200, "only " .. n_instructions)
      end)
    end

    it("gives its key back or says unknown, where the limit raises " .. name, function()
      local n_by_outcome = { accepted = 0, unknown = 0 }
      at_every_instruction(function(client, text, n)
        limit(n, send, client, text, { key = text })
        local _, info = send(client, text, { key = text })
        n_by_outcome[info.outcome] = n_by_outcome[info.outcome] + 1
        if info.outcome == "unknown" then assert(client:resolve(text, { id = "m" })) end
        return info.outcome
      end)
      assert.is_true(n_by_outcome.accepted > 20)
      assert.is_true(n_by_outcome.unknown > 0)
    end)
  end

  it("is told of truly when it was started", function()
    at_every_instruction(function(client, text, n)
      local pending, told
      limited(n, function()
        pending = client:start(message(text), function(_, info) told = info end)
        while client:step(0.1) > 0 do end -- luacheck: ignore 542
      end)
      step_until_done(client)
      if pending then
        assert.is_true(pending.done)
        told = told or select(2, pending:result())
      end
      return told and told.outcome
    end)
  end)

  it("may be of a run", function()
    at_every_instruction(function(client, text, n)
      local told, pulled = nil, false
      limited(n, client.send_all, client, function()
        if pulled then return nil end
        pulled = true
        return message(text)
      end, { rate = 1000, on_result = function(_, _, info) told = info end })
      step_until_done(client)
      return told and told.outcome
    end)
  end)

  it("may be of a run whose others still wait for their turn", function()
    local listener = station:listen({ wire.SERVICE })
    local client = telnyx.new({ api_key = KEY, base_url = listener.url, retry = false })
    local list = { message("first"), message("second"), message("third") }
    local sethook = debug.sethook
    client:start(message("another"), function()
      sethook(function()
        if not is_main() then return end
        sethook()
        error(LIMIT, 0)
      end, "", 200) -- not in this callback: what that raises ends no run
    end)
    local ok, why = pcall(client.send_all, client, list, { rate = 4 })
    assert.same({ false, LIMIT }, { ok, why })
    socket.sleep(0.6)
    local outcome
    client:start(message("after"), function(_, info) outcome = info.outcome end)
    while client:step(1) > 0 do end -- luacheck: ignore 542
    assert.equal("accepted", outcome)
    local seen = seen_by_now(listener)
    for _, text in ipairs({ "second", "third" }) do assert.equal(0, n_posted(seen, text)) end
    client:close()
  end)

  it("is never unknown where nobody listens, whichever call the limit ends", function()
    local client = telnyx.new({ api_key = KEY, retry = false,
      base_url = ("http://127.0.0.1:%d/v2"):format(station:refusing_port()) })
    local n, was_ended = 0, true
    while was_ended do
      n, was_ended = n + 1, false
      local n_calls, options = 0, { key = "key" .. n }
      local thread = coroutine.create(send)
      debug.sethook(thread, function()
        if is_main() then return end
        n_calls = n_calls + 1
        if n_calls < n then return end
        was_ended = true
        debug.sethook()
        error(LIMIT, 0)
      end, "c")
      local ok, _, told = coroutine.resume(thread, client, "nobody", options)
      debug.sethook()
      if ok then
        assert.equal("not_sent", told.outcome, ("after %d calls"):format(n))
      else
        local _, err = client:send(message("nobody"), options)
        assert.equal("not_sent", err.outcome, ("after %d calls"):format(n))
      end
    end
    assert.is_true(n > 50, "only " .. n)
    client:close()
  end)

  it("may be in a callback", function()
    at_every_instruction(function(client, text, n)
      local outcome
      client:start(message("around"), function()
        local ok, sent = limited(n, send, client, text)
        outcome = ok and sent and "accepted" or "unknown"
      end)
      step_until_done(client)
      assert.is_string(outcome)
      return outcome
    end)
  end)
end)

it("a run in a coroutine, whose client keeps a log or a journal, tells of all that an error ends",
  function()
    for name, given in pairs { log = function() end, journal = telnyx.journal.memory() } do
      local n_steps, told = 0, {}
      local waiting = {
        done = function() return false end,
        cancel = function() return true end,
      }
      local client = telnyx.new { [name] = given, sender = {
        heeds_meanwhile = true,
        send = function() error("it can be stepped", 0) end,
        start = function(_, _, limits)
          limits.begun = true
          return waiting
        end,
        step = function()
          n_steps = n_steps + 1
          if n_steps == 2 then error(LIMIT, 0) end
          return 3
        end,
        finished = function() end,
      } }
      local thread = coroutine.create(client.send_all)
      local ok, why = coroutine.resume(thread, client, { message("a"), message("b"), message("c") },
        { on_result = function(i, _, result) told[i] = result.outcome end })
      assert.same({ false, LIMIT }, { ok, why })
      assert.same({ "unknown", "unknown", "unknown" }, told)
      assert.equal(0, client:step(0))
    end
  end)

describe("a send that an error ends, over a sender of the user's own,", function()
  local ONE = { key = "order-1" }

  local function outcome_of(client)
    return select(2, client:send(message("again"), ONE)).outcome
  end

  it("says unknown of its key, since the sender may have begun", function()
    local client = telnyx.new({ sender = { send = function() error(LIMIT, 0) end } })
    local ok, why = pcall(client.send, client, message("again"), ONE)
    assert.is_false(ok)
    assert.equal(LIMIT, why)
    assert.equal("unknown", outcome_of(client))
    assert.is_true(client:resolve("order-1", "not_sent"))
  end)

  -- One that can be stepped, and fails then.
  local function failing(cancel)
    local sender, pending = {}, { done = function() return false end, result = error }
    pending.cancel = cancel
    function sender.send() error("it can be stepped") end
    function sender.start() return pending end
    function sender.step() error(LIMIT, 0) end
    function sender.finished() end
    return sender
  end

  local SAYS = {
    accepted = function() return { id = "m-1" }, { outcome = "accepted", status = 200 } end,
    rejected = function()
      return nil, { outcome = "rejected", kind = "api", status = 403, retryable = false,
        errors = { { code = "40300", title = "Blocked" } } }
    end,
  }

  for state, says in pairs(SAYS) do
    it("does not forget that it was " .. state, function()
      local n, n_known, n_told = 0, 0, 0
      if has_jit then jit.off() end
      finally(function() if has_jit then jit.on() end end)
      repeat
        n, was_reached = n + 1, false
        local sender, told = { n_sends = 0 }, nil
        function sender:send(sent)
          self.n_sends, self.last = self.n_sends + 1, sent.text
          return says()
        end
        local client = telnyx.new({ sender = sender })
        limited_once(n, function() client:send(message("again"), ONE) end)
        local was_posted = sender.n_sends == 1
        local sent, result = client:send(message("again"), ONE)
        assert.is_true(sender.n_sends <= 1, n .. " instructions")
        assert.is_true(result.outcome == state or result.outcome == "unknown", result.outcome)
        if was_posted and was_reached and result.outcome == state then n_known = n_known + 1 end
        assert.equal(result.outcome == "accepted", sent ~= nil)
        limited_once(n, function()
          client:start(message("one more"), function(_, info) told = info.outcome end)
        end)
        pcall(client.step, client, 0)
        if told and sender.last == "one more" then
          assert.is_true(told == state or told == "unknown", n .. ": " .. told)
          n_told = n_told + 1
        end
        client:close()
      until not was_reached
      assert.is_true(n_known > 50, n_known)
      assert.is_true(n_told > 50, n_told)
    end)
  end

  it("says unknown of its key where it cannot be cancelled", function()
    for _, cancel in ipairs({ false, function() error("no") end }) do
      local client = telnyx.new({ sender = failing(cancel or nil) })
      assert.is_false(pcall(client.send, client, message("again"), ONE))
      assert.equal("unknown", outcome_of(client))
    end
  end)

  it("has its key free where the error came after an attempt that was not sent", function()
    local sender = { n_sends = 0 }
    function sender:send()
      self.n_sends = self.n_sends + 1
      if self.n_sends == 2 then return { id = "m" }, { outcome = "accepted" } end
      return nil, { outcome = "not_sent", kind = "connection", retryable = true }
    end
    function sender.sleep() error(LIMIT, 0) end
    local client = telnyx.new({ sender = sender })
    assert.is_false(pcall(client.send, client, message("again"), ONE))
    assert.equal("accepted", outcome_of(client))
  end)

  -- What each attempt is told, and where the error comes: in the pause after them, or the next one.
  local REFUSED = { outcome = "rejected", kind = "api", status = 429, retryable = true }
  local CUT = { outcome = "unknown", kind = "connection", retryable = true }
  for about, row in pairs {
    ["is unknown where it came in the attempt after a refusal"] = { { REFUSED }, "send",
      "unknown" },
    ["is free where it came in the pause after a refusal"] = { { REFUSED }, "sleep", "accepted" },
    ["is unknown where an attempt before the refusal was"] = { { CUT, REFUSED }, "sleep",
      "unknown" },
  } do
    it("has a key that " .. about, function()
      local answers, is_ended = row[1], false
      local sender = { n_sends = 0 }
      local function fail()
        is_ended = true
        error(LIMIT, 0)
      end
      function sender:send()
        self.n_sends = self.n_sends + 1
        if is_ended then return { id = "m" }, { outcome = "accepted" } end
        if answers[self.n_sends] then return nil, answers[self.n_sends] end
        fail()
      end
      function sender:sleep()
        if row[2] == "sleep" and self.n_sends == #answers then fail() end
      end
      local client = telnyx.new { sender = sender,
        retry = { attempts = 3, unknown = true } }
      assert.is_false(pcall(client.send, client, message("again"), ONE))
      assert.equal(row[3], outcome_of(client))
    end)
  end

  it("has its key free where the account was refused, as the code says", function()
    local sender, settle = { n_sends = 0 }, once.settle
    finally(function() once.settle = settle end)
    function sender:send()
      self.n_sends = self.n_sends + 1
      if self.n_sends == 2 then return { id = "m" }, { outcome = "accepted" } end
      return nil, { outcome = "rejected", kind = "api", status = 403, retryable = false,
        errors = { { code = "20100", title = "Insufficient Funds" } } }
    end
    local client = telnyx.new { sender = sender, log = function()
      if sender.n_sends == 2 then return end
      once.settle = function()
        once.settle = settle
        error(LIMIT, 0)
      end
    end }
    assert.is_false(pcall(client.send, client, message("again"), ONE))
    assert.equal("accepted", outcome_of(client))
  end)

  it("is told to be not sent where it was started, and nothing of it was", function()
    local sender, outcome = {}, nil
    function sender.send()
      return nil, { outcome = "not_sent", kind = "connection", retryable = true }
    end
    function sender.sleep() error(LIMIT, 0) end
    local client = telnyx.new({ sender = sender })
    pcall(client.start, client, message("again"), ONE, function(_, told) outcome = told.outcome end)
    step_until_done(client)
    assert.equal("not_sent", outcome)
  end)

  for _, row in ipairs({ { true, "unknown" }, { nil, "unknown" }, { false, "free" } }) do
    local about = ("is cancelled, which says %s, and the key is %s after that"):format(
      tostring(row[1]), row[2])
    it(about, function()
      local n_cancelled = 0
      local sender = failing(function()
        n_cancelled = n_cancelled + 1
        return row[1]
      end)
      local client = telnyx.new({ sender = sender })
      assert.is_false(pcall(client.send, client, message("again"), ONE))
      assert.equal(1, n_cancelled)
      if row[2] == "unknown" then
        assert.equal("unknown", outcome_of(client))
        assert.equal(1, n_cancelled)
      else
        assert.is_false(pcall(client.send, client, message("again"), ONE))
        assert.equal(2, n_cancelled) -- it was begun again
      end
    end)
  end

  it("may yield in between", function()
    local client = telnyx.new({ sender = { send = function()
      if coroutine.yield("waits") == "fail" then error(LIMIT, 0) end
      return { id = "m" }, { outcome = "accepted" }
    end } })
    local function begun(key)
      local thread = coroutine.create(function()
        return client:send(message("x"), { key = key })
      end)
      assert.equal("waits", select(2, coroutine.resume(thread)))
      return thread
    end
    assert.same({ true, "m" }, { true, select(2, coroutine.resume(begun("a"))).id })
    local ok, why = coroutine.resume(begun("b"), "fail")
    assert.same({ false, LIMIT }, { ok, why })
    local _, err = client:send(message("x"), { key = "b" })
    assert.equal("unknown", err.outcome)
    -- Lua 5.1 cannot guard what yields: the key stays taken.
    if _VERSION ~= "Lua 5.1" or has_jit then assert(client:resolve("b", "not_sent")) end
  end)
end)

it("a hook that is set while things are put in order stays, and else the old one", function()
  local function count() return select(3, debug.gethook()) or 0 end
  debug.sethook(function() end, "", 1000000)
  local within = core.shielded(count)
  local kept = count()
  core.shielded(debug.sethook, function() end, "", 2000000)
  local set = count()
  debug.sethook()
  assert.same({ 0, 1000000, 2000000 }, { within, kept, set })
end)

it("a limit may end what mends what another limit left", function()
  if has_jit then jit.off() end
  local station = wire.start()
  local listener = station:listen({ wire.SERVICE })
  local client = telnyx.new({ api_key = KEY, base_url = listener.url, retry = false })
  local n_started = 0
  for n = 90, 210, 3 do
    for m = 60, 150, 3 do
      local pending = client:start(message("mended"))
      n_started = n_started + 1
      limited_once(n, function() while not pending.done do client:step(0.05) end end)
      limited_once(m, client.step, client, 0.05)
      local patience = socket.gettime() + PATIENCE_S
      while client:step(0.1) > 0 do assert(socket.gettime() < patience, n .. " " .. m) end
      assert.is_true(pending.done)
    end
  end
  assert.equal(n_started, listener:seen().whole)
  client:close()
  station:stop()
  if has_jit then jit.on() end
end)

it("a finalizer may send, and be ended by an error", function()
  local station = wire.start()
  local listener = station:listen({ wire.SERVICE })
  local client, outcome = telnyx.new({ api_key = KEY, base_url = listener.url, retry = false }), nil
  local function finalizer()
    outcome = select(2, client:send(message("last will"))).outcome
    error(LIMIT, 0)
  end
  local object = rawget(_G, "newproxy") and newproxy(true) or setmetatable({}, { __gc = finalizer }) -- luacheck: ignore
  if rawget(_G, "newproxy") then getmetatable(object).__gc = finalizer end
  object = nil -- luacheck: ignore
  for _ = 1, 3 do pcall(collectgarbage) end
  assert.equal("accepted", outcome)
  assert.equal("accepted", select(2, client:send(message("after"))).outcome)
  assert.equal(2, listener:seen().whole)
  client:close()
  station:stop()
end)

-- A sender that can be stepped, with a time of its own: it says 429 to the first attempt of each.
local function stepped_sender()
  local sender, begun, attempts = { time = 0, n_posts = 0 }, {}, {}
  function sender:monotonic() return self.time end
  function sender.send() error("it can be stepped") end
  function sender:start(sent, _, owner)
    local ready_at = sent.text == "endless" and math.huge or self.time + 0.01
    local pending = { ready_at = ready_at, owner = owner }
    attempts[sent.text] = (attempts[sent.text] or 0) + 1
    local is_first = attempts[sent.text] == 1
    self.n_posts = self.n_posts + 1
    function pending.done() return self.time >= pending.ready_at end
    function pending.result()
      if is_first then
        return nil, { outcome = "rejected", status = 429, retryable = true, retry_after = 0.02 }
      end
      return { id = sent.text }, { outcome = "accepted", status = 200 }
    end
    begun[#begun + 1] = pending
    return pending
  end
  function sender:step(seconds)
    self.time = self.time + seconds
    return #begun
  end
  function sender.finished()
    for _, pending in ipairs(begun) do
      if not pending.is_told and pending.done() then
        pending.is_told = true
        return pending.owner
      end
    end
  end
  return sender
end

-- Where a finalizer could run; a hook can be told where.
it("a step may come between any two instructions of another one, and of what it drives", function()
  local sethook, create, N = debug.sethook, coroutine.create, 3
  if has_jit then jit.off() end
  finally(function()
    sethook()
    coroutine.create = create -- luacheck: ignore
    if has_jit then jit.on() end
  end)
  local n_between, n = 0, 0
  repeat
    n = n + 1
    local sender, told = stepped_sender(), {}
    local client = telnyx.new { sender = sender, retry = { attempts = 2, base = 0.001 } }
    local was_between = false
    local function hook()
      sethook()
      was_between = true
      client:step(0)
    end
    coroutine.create = function(body) -- luacheck: ignore
      local thread = create(body)
      if not has_jit then sethook(thread, hook, "", n) end -- each has a hook of its own
      return thread
    end
    sethook(hook, "", n)
    for i = 1, N do
      client:start(message("text " .. i), function(sent, info)
        told[#told + 1] = sent and sent.id or tostring(info)
      end)
    end
    local n_steps = 0
    repeat n_steps = n_steps + 1 until client:step(0.005) == 0 or n_steps == 50
    sethook()
    table.sort(told)
    assert.same({ "text 1", "text 2", "text 3" }, told, n .. " instructions")
    assert.equal(2 * N, sender.n_posts)
    assert.is_true(n_steps >= 6, "a pause was too short")
    assert.is_true(n_steps < 50, "it never ends")
    if was_between then n_between = n_between + 1 end
  until not was_between
  assert.is_true(n_between > 200, n_between)
end)

-- What ends it is nobody of the worker, which goes on. An error that comes just as a callback is to
-- be called may keep it from that; where it comes within, it ends the run as any other does.
for name, is_beside in pairs { [""] = false, [", beside others"] = true } do
  it("a worker hears of each message, whichever step the limit ends" .. name, function()
    if has_jit then jit.off() end
    local candidate = require("spec.support.journals").sqlite
    candidate.start()
    local journal = candidate.open()
    finally(function()
      if has_jit then jit.on() end
      journal:close()
      candidate.stop()
    end)
    local n, n_not_called = 0, 0
    repeat
      n, was_reached = n + 1, false
      local sender, n_told, n_again = stepped_sender(), 0, 0
      local client = telnyx.new { sender = sender, journal = journal }
      local box, key = client:outbox(), "order-" .. n
      assert.is_true(box:add(message(key), { key = key }))
      local own = box:start {
        until_empty = true, concurrency = 1,
        on_requeue = function() n_again = n_again + 1 end,
        on_result = function() n_told = n_told + 1 end,
      }
      if is_beside then client:start(message("endless")) end
      own:step(0)
      limited_once(n, client.step, client, 0.05)
      local n_steps, ok, why = 0
      repeat
        ok, why = pcall(own.step, own, 0.5)
        n_steps = n_steps + 1
      until not ok or own:is_done() or n_steps == 200
      assert.is_true(own:is_done(), n .. " instructions")
      if not ok then assert.equal(LIMIT, why) end
      local counts = own.counts
      local was_cut = counts.unknown == 1 -- where the limit holds in the send's own coroutine
      assert.equal(ok and 1 or 0, counts.total, n .. " instructions")
      assert.is_true(was_cut or counts.requeued == 1, n .. " instructions")
      assert.is_true(has_jit or not was_cut, n .. " instructions")
      assert.equal(counts.total, n_told)
      assert.is_true(n_again <= counts.requeued)
      n_not_called = n_not_called + counts.requeued - n_again
      client:close()
    until not was_reached
    assert.is_true(n > 200, n)
    assert.is_true(n_not_called < 50, n_not_called)
  end)
end

-- What the interpreter's own hook raises, on the main thread, wherever that is.
it("Ctrl-C ends a worker of an outbox wherever it comes, in the journal's calls too", function()
  if has_jit then jit.off() end
  journals.sqlite.start()
  local journal, n, n_raised, n_posts = journals.sqlite.open(), 0, 0, {}
  local sender = {}
  function sender:send(sent) -- luacheck: no self
    n_posts[sent.text] = (n_posts[sent.text] or 0) + 1
    return { id = sent.text }, { status = 200 }
  end
  finally(function()
    debug.sethook()
    journal:close()
    journals.sqlite.stop()
    if has_jit then jit.on() end
  end)
  repeat
    n, was_reached = n + 9, false
    local client = telnyx.new { journal = journal, sender = sender }
    local box, n_left, getinfo = client:outbox(), n, debug.getinfo
    local keys = { n .. " a", n .. " b" }
    for _, key in ipairs(keys) do assert.is_true(box:add(message(key), { key = key })) end
    debug.sethook(function()
      local source = getinfo(2, "S").source
      if not source:find("lua/telnyx/", 1, true) then return end
      n_left = n_left - 1
      if n_left > 0 or not is_main() and not has_jit then return end
      debug.sethook()
      was_reached = true
      error("lua: interrupted!", 0)
    end, "", 1)
    local ok, why = pcall(box.run, box, { until_empty = true, concurrency = 1 })
    debug.sethook()
    if was_reached then
      n_raised = n_raised + 1
      assert.is_false(ok, n .. " instructions")
      assert.matches("interrupted!", why)
    end
    pcall(client.close, client)
    local own = telnyx.new { journal = journal, sender = sender }
    own:outbox():run { until_empty = true }
    own:close()
    for _, key in ipairs(keys) do
      local state = journal:get(key).state
      local where = n .. " instructions: " .. state
      -- One hook for all coroutines: it may raise in the send's own.
      assert.is_true(state == "accepted" or has_jit and state == "unknown", where)
      assert.is_true(n_posts[key] == 1 or n_posts[key] == nil and state == "unknown", where)
    end
  until not was_reached
  assert.is_true(n_raised > 100, n_raised)
end)

-- Its file is opened then, and the table made.
it("Ctrl-C goes on to who runs the program where a journal is being opened, too", function()
  if has_jit then jit.off() end
  journals.sqlite.start()
  finally(function()
    debug.sethook()
    journals.sqlite.stop()
    if has_jit then jit.on() end
  end)
  journals.sqlite.open():close() -- a module that was cut off is not loaded again by Lua 5.1
  local n, n_raised, getinfo, pcall = 0, 0, debug.getinfo, pcall
  repeat
    n, was_reached = n + 3, false
    local n_left = n
    debug.sethook(function()
      if not getinfo(2, "S").source:find("lua/telnyx/journal/", 1, true) then return end
      n_left = n_left - 1
      if n_left > 0 then return end
      debug.sethook()
      was_reached = true
      error("lua: interrupted!", 0)
    end, "", 1)
    local ok, journal, words = pcall(journals.sqlite.open)
    debug.sethook()
    if was_reached then
      n_raised = n_raised + 1
      assert.is_false(ok, ("%d instructions: %s"):format(n, tostring(words)))
      assert.matches("interrupted!", journal)
    else
      assert.is_true(ok, tostring(journal))
      journal:close()
    end
  until not was_reached
  assert.is_true(n_raised > 100, n_raised)
end)

-- By a hook in the thread that sends, from when the answer is given.
local function answering_sender(n, sent, answer)
  local sender = {}
  function sender:send() -- luacheck: no self
    local n_left, sethook, getinfo = n, debug.sethook, debug.getinfo
    sethook(function()
      if not getinfo(2, "S").source:find("lua/telnyx/", 1, true) then return end
      n_left = n_left - 1
      if n_left > 0 then return end
      sethook()
      was_reached = true
      error(LIMIT, 0)
    end, "", 1)
    return sent, answer
  end
  return sender
end

local function refusing_sender(n)
  return answering_sender(n, nil, { outcome = "rejected", kind = "api", status = 403,
    retryable = false, errors = { { code = "40300", title = "Blocked" } } })
end

local ways = {}

function ways.start(client, tell)
  pcall(client.start, client, message("x"), function(_, err) tell(err) end)
  for _ = 1, 3 do pcall(client.step, client, 0) end
end

function ways.send_all(client, tell)
  pcall(client.send_all, client, { message("x") }, {
    on_result = function(_, _, err) tell(err) end,
  })
end

function ways.outbox(client, tell, key)
  local box = client:outbox()
  assert(box:add(message("x"), { key = key }))
  local own = box:start { until_empty = true, on_result = function(_, _, err) tell(err) end,
    on_requeue = function() tell("it waits again") end }
  for _ = 1, 5 do pcall(own.step, own, 0) end
  debug.sethook()
  assert.is_true(own:is_done())
end

for name, way in pairs(ways) do
  it("what a service has refused is told so, wherever an error comes after it: " .. name, function()
    if has_jit then jit.off() end
    journals.sqlite.start()
    local journal, n, n_refused = journals.sqlite.open(), 0, 0
    finally(function()
      debug.sethook()
      journal:close()
      journals.sqlite.stop()
      if has_jit then jit.on() end
    end)
    repeat
      n, was_reached = n + 1, false
      local told, key = {}, "key " .. n
      local client = telnyx.new { sender = refusing_sender(n), journal = journal }
      local ok, why = pcall(way, client, function(err) told[#told + 1] = err end, key)
      debug.sethook()
      assert.is_true(ok, tostring(why))
      local err, row = told[1] or { outcome = "nothing" }, journal:get(key)
      local where = ("%d instructions: %s"):format(n, tostring(err))
      assert.is_true(#told <= 1, where)
      if err.outcome == "rejected" then
        n_refused = n_refused + 1
        assert.equal("40300", err.code, where)
        assert.equal("api", err.kind, where)
      end
      if row and row.state == "rejected" and #told == 1 then
        assert.equal("rejected", err.outcome, where)
      end
      pcall(client.close, client)
    until not was_reached
    assert.is_true(n_refused > n / 2, ("%d of %d"):format(n_refused, n))
  end)
end

it("what a service has accepted is told with all that belongs to it, wherever an error comes",
  function()
    if has_jit then jit.off() end
    local n, n_accepted = 0, 0
    finally(function()
      debug.sethook()
      if has_jit then jit.on() end
    end)
    repeat
      n, was_reached = n + 1, false
      local told = {}
      local client = telnyx.new { sender = answering_sender(n, { id = "m-1" }, { status = 200 }) }
      pcall(client.start, client, message("x"), function(sent, result)
        told[#told + 1] = { sent = sent, result = result }
      end)
      for _ = 1, 3 do pcall(client.step, client, 0) end
      debug.sethook()
      local sent, result = (told[1] or {}).sent, (told[1] or {}).result
      local where = ("%d instructions: %s"):format(n, tostring(result))
      assert.is_true(#told <= 1, where)
      if sent then
        n_accepted = n_accepted + 1
        assert.equal("m-1", sent.id, where)
        assert.equal("accepted", result.outcome, where)
        assert.equal(1, result.segments.parts, where)
        assert.is_table(result.attempts, where)
      elseif result then
        assert.equal("unknown", result.outcome, where)
        assert.matches(LIMIT, result.cause, 1, true)
        assert.is_table(result.attempts, where)
      end
      pcall(client.close, client)
    until not was_reached
    assert.is_true(n_accepted > n / 2, ("%d of %d"):format(n_accepted, n))
  end)

-- Of two that wait, under an error on the worker's way from the first instruction to the last.
for name, lets_finish in pairs { ["at once"] = false, ["when all has ended"] = true } do
  it("an error ends a worker of an outbox " .. name .. ", and each is sent or unknown", function()
    if has_jit then jit.off() end
    journals.sqlite.start()
    local journal, n_posts, n, n_ended = journals.sqlite.open(), {}, 0, 0
    finally(function()
      journal:close()
      journals.sqlite.stop()
      if has_jit then jit.on() end
    end)
    local sender = {}
    function sender:send(sent) -- luacheck: no self
      n_posts[sent.text] = (n_posts[sent.text] or 0) + 1
      return { id = sent.text }, { outcome = "accepted", status = 200 }
    end
    local client = telnyx.new { sender = sender, journal = journal }
    local box = telnyx.outbox(client)
    assert.is_true(box:add(message("first"), { key = "first" }))
    box:run { until_empty = true }
    repeat
      n, n_posts, was_reached = n + 5, {}, false
      local keys = { n .. " a", n .. " b" }
      for _, key in ipairs(keys) do assert.is_true(box:add(message(key), { key = key })) end
      local own = box:start { concurrency = 2,
        lets_finish = lets_finish and function() return true end or nil }
      local ok = limited_once(n, own.step, own)
      if not ok then n_ended = n_ended + 1 end
      own:drain()
      for _ = 1, 3 do pcall(own.step, own) end
      assert.is_true(own:is_done(), n .. " instructions: it never ends")
      box:run { until_empty = true }
      for _, key in ipairs(keys) do
        local state = journal:get(key).state
        assert.is_true(n_posts[key] == nil or n_posts[key] == 1, n .. " instructions: posted twice")
        assert.is_true(state == "accepted" or state == "unknown", n .. " instructions: " .. state)
        assert.is_true(n_posts[key] == 1 or state == "unknown", n .. " instructions: not posted")
      end
    until not was_reached
    pcall(client.close, client) -- raises the errors that ended sends in their own coroutines
    assert.is_true(n_ended > 50, n_ended)
  end)
end
