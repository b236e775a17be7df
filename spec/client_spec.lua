-- The client above the seam: scripted senders with a clock of their own, so that
-- nothing here waits, and what the contract promises of `send`, `start` and `step`.

local process = require("spec.support.process")
local telnyx = require("telnyx")

local MESSAGE = { from = "+18445550001", to = "+18665550001", text = "Hello" }
local KEY = "KEY0123456789abcdefSECRET"

-- A sender that answers from a list and keeps what it was given.
local function scripted(answers)
  local sender = { messages = {}, limits = {}, slept = {}, time = 100 }
  function sender:monotonic() return self.time end
  function sender:sleep(seconds)
    self.slept[#self.slept + 1] = seconds
    self.time = self.time + seconds
  end
  function sender:send(message, limits)
    self.messages[#self.messages + 1] = message
    local copy = {}
    for name, value in pairs(limits) do copy[name] = value end
    self.limits[#self.limits + 1] = copy
    local answer = table.remove(answers, 1)
    self.time = self.time + (answer.takes or 0)
    if answer.id then return { id = answer.id }, { outcome = "accepted", status = 200 } end
    return nil, answer.err
  end
  return sender
end

local function failed(outcome, kind, retryable)
  return { err = { outcome = outcome, kind = kind, retryable = retryable } }
end

local function not_sent() return failed("not_sent", "connection", true) end
local function unknown() return failed("unknown", "timeout", false) end

local function rejected(status, retryable)
  local answer = failed("rejected", "api", retryable)
  answer.err.status = status
  return answer
end

local function stale()
  local answer = not_sent()
  answer.err.stale = true
  return answer
end

local function client_of(answers, options)
  local sender = scripted(answers)
  options = options or {}
  options.sender = sender
  return telnyx.new(options), sender
end

local function outcomes(attempts)
  local list = {}
  for i, row in ipairs(attempts) do list[i] = row.outcome end
  return list
end

describe("one send", function()
  it("returns the message and an account of the attempts", function()
    local client = client_of({ { id = "m1", takes = 0.25 } })
    local message, info = client:send(MESSAGE)
    assert.equal("m1", message.id)
    assert.equal("accepted", info.outcome)
    assert.same({ "accepted" }, outcomes(info.attempts))
    assert.equal(0.25, info.attempts[1].seconds)
    assert.equal("GSM-7", info.segments.encoding)
    assert.is_nil(info.warnings)
  end)

  it("does not count segments for an MMS", function()
    local client = client_of({ { id = "m1" } })
    local media = { "https://a.b/c" }
    local _, info = client:send({ to = "+18665550001", media_urls = media, text = "x" })
    assert.is_nil(info.segments)
  end)

  it("warns where only the exact count is over the limit", function()
    local client = client_of({ { id = "m1" } })
    local _, info = client:send({ to = "+18665550001", from = "+18445550001",
      text = ("]"):rep(761) })
    assert.equal(11, info.segments.parts)
    assert.equal("40302", info.warnings[1].code)
    assert.equal("may_be_too_many_parts", info.warnings[1].rule)
  end)

  local cases = {
    { "repeats what was never sent", { not_sent(), not_sent(), { id = "m" } },
      { "not_sent", "not_sent", "accepted" } },
    { "gives up after three attempts", { not_sent(), not_sent(), not_sent() },
      { "not_sent", "not_sent", "not_sent" } },
    { "repeats a 429", { rejected(429, true), { id = "m" } }, { "rejected", "accepted" } },
    { "does not repeat another refusal", { rejected(400, false) }, { "rejected" } },
    { "does not repeat a 429 that only a person can lift",
      { { err = { outcome = "rejected", kind = "api", status = 429, retryable = true,
        code = "40333" } } }, { "rejected" } },
    { "does not repeat an unknown outcome", { unknown() }, { "unknown" } },
    { "replaces a stale connection besides the three attempts",
      { stale(), not_sent(), not_sent(), { id = "m" } },
      { "not_sent", "not_sent", "not_sent", "accepted" } },
  }
  for _, case in ipairs(cases) do
    it(case[1], function()
      local client, sender = client_of(case[2])
      local message, info = client:send(MESSAGE)
      assert.same(case[3], outcomes(info.attempts))
      assert.equal(#case[3], #sender.messages)
      assert.equal(case[3][#case[3]] == "accepted", message ~= nil)
    end)
  end

  it("never repeats what was accepted but could not be read, whatever it is told", function()
    local accepted = { err = { outcome = "accepted", kind = "protocol", retryable = true } }
    local client, sender = client_of({ accepted }, {
      retry = { unknown = true, should_retry = function() return true end },
    })
    local message, err = client:send(MESSAGE)
    assert.is_nil(message)
    assert.equal("accepted", err.outcome)
    assert.equal(1, #sender.messages)
  end)

  it("repeats an unknown outcome only when told to", function()
    local client, sender = client_of({ unknown(), { id = "m" } }, { retry = { unknown = true } })
    assert.truthy(client:send(MESSAGE))
    assert.equal(2, #sender.messages)
  end)

  it("asks for a fresh connection after a stale one, at once", function()
    local client, sender = client_of({ stale(), { id = "m" } })
    client:send(MESSAGE)
    assert.is_falsy(sender.limits[1].fresh)
    assert.is_true(sender.limits[2].fresh)
    assert.same({}, sender.slept)
  end)

  it("waits as long as the service asks", function()
    local answer = rejected(429, true)
    answer.err.retry_after = 7
    local client, sender = client_of({ answer, { id = "m" } })
    local _, info = client:send(MESSAGE)
    assert.is_true(sender.slept[1] >= 7 and sender.slept[1] <= 7.5)
    assert.equal(sender.slept[1], info.attempts[1].wait)
  end)

  it("does not begin a wait that would pass the deadline", function()
    local answer = rejected(429, true)
    answer.err.retry_after = 7
    local client, sender = client_of({ answer }, { deadline = 5 })
    local _, err = client:send(MESSAGE)
    assert.equal("rejected", err.outcome)
    assert.equal(7, err.retry_after)
    assert.same({}, sender.slept)
  end)

  it("cuts an attempt's time to what the deadline leaves", function()
    local slow = not_sent()
    slow.takes = 6
    local client, sender = client_of({ slow, { id = "m" } }, {
      deadline = 10, timeout = 8, retry = { base = 0.001 },
    })
    client:send(MESSAGE)
    assert.equal(8, sender.limits[1].timeout)
    assert.is_true(sender.limits[2].timeout <= 4)
  end)

  it("takes options for one call", function()
    local client, sender = client_of({ not_sent() })
    client:send(MESSAGE, { timeout = 2, connect_timeout = 1, retry = false })
    assert.equal(1, #sender.messages)
    assert.equal(2, sender.limits[1].timeout)
    assert.equal(1, sender.limits[1].connect_timeout)
  end)
end)

describe("what is sent", function()
  it("has the defaults, the profile's fields and the message's own, in that order", function()
    local client, sender = client_of({ { id = "a" }, { id = "b" } }, {
      defaults = { from = "+18445550001", webhook_url = "https://a.b/1" },
      profiles = { alerts = { webhook_url = "https://a.b/2", timeout = 3 } },
    })
    client:send({ to = "+18665550001", text = "x" })
    client:profile("alerts"):send({ to = "+18665550001", text = "x", from = "12345" })
    assert.equal("https://a.b/1", sender.messages[1].webhook_url)
    assert.equal("+18445550001", sender.messages[1].from)
    assert.equal("https://a.b/2", sender.messages[2].webhook_url)
    assert.equal("12345", sender.messages[2].from)
    assert.equal(3, sender.limits[2].timeout)
  end)

  it("leaves the caller's table alone", function()
    local client = client_of({ { id = "a" } }, { defaults = { from = "12345" } })
    local given = { to = "+18665550001", text = "x" }
    client:send(given)
    assert.same({ to = "+18665550001", text = "x" }, given)
  end)

  it("includes fields that a metatable supplies", function()
    local client, sender = client_of({ { id = "a" } })
    client:send(setmetatable({ text = "x" }, { __index = { to = "+18665550001", from = "12345" } }))
    assert.equal("12345", sender.messages[1].from)
    assert.is_nil(getmetatable(sender.messages[1]))
  end)
end)

describe("a sender of the user's own", function()
  it("that gives no reason leaves the outcome unknown", function()
    local client = telnyx.new({ sender = { send = function() return nil end } })
    local _, err = client:send(MESSAGE)
    assert.equal("unknown", err.outcome)
    assert.is_false(err.retryable)
  end)

  it("may return words", function()
    local client = telnyx.new({ sender = { send = function() return nil, "out of paper" end } })
    local _, err = client:send(MESSAGE)
    assert.equal("unknown", err.outcome)
    assert.truthy(tostring(err):find("out of paper", 1, true))
  end)
end)

describe("the log", function()
  it("gets an event for each attempt, without the key", function()
    local events = {}
    local client = client_of({ not_sent(), { id = "m" } }, {
      api_key = KEY, log = function(event) events[#events + 1] = event end,
    })
    client:send(MESSAGE)
    assert.equal(2, #events)
    assert.equal("not_sent", events[1].outcome)
    assert.equal("number", type(events[1].wait))
    assert.equal("accepted", events[2].outcome)
  end)

  it("cannot lose an outcome by an error of its own", function()
    local client = client_of({ { id = "m" } }, { log = function() error("disk full") end })
    assert.equal("m", client:send(MESSAGE).id)
  end)
end)

describe("misuse raises and names what was meant:", function()
  local client = client_of({})
  local cases = {
    { "an unknown option", function() telnyx.new({ api_key = KEY, time_out = 1 }) end,
      "unknown option \"time_out\"; did you mean 'timeout'?" },
    { "an option of the wrong type", function() telnyx.new({ api_key = KEY, timeout = "5" }) end,
      "option 'timeout' must be a number of seconds from 0.001 to 1000000, got \"5\"" },
    { "an unknown field in defaults", function()
      telnyx.new({ api_key = KEY, defaults = { form = "1" } })
    end, "unknown message field \"form\"; did you mean 'from'?" },
    { "an unknown profile", function() client:profile("x") end, "unknown profile 'x'" },
    { "an unknown option of a call", function() client:send(MESSAGE, { retires = 1 }) end,
      "unknown option \"retires\"; did you mean 'retry'?" },
    { "a message that is no table", function() client:send(42) end,
      "send expects a message, a table of fields; got a number" },
    { "an unfit base_url", function() telnyx.new({ api_key = KEY, base_url = "ftp://x" }) end,
      "option 'base_url' must start with http:// or https://" },
    { "plain http to another machine", function()
      telnyx.new({ api_key = KEY, base_url = "http://example.com" })
    end, "must be https" },
    { "a key with a line break", function() telnyx.new({ api_key = KEY .. "\r\nX: y" }) end,
      "option 'api_key' must hold only visible ASCII characters" },
    { "a key that is no string", function() telnyx.new({ api_key = 12345678 }) end,
      "option 'api_key' must be a string, got a number" },
    { "a retry option", function() telnyx.new({ api_key = KEY, retry = { atempts = 1 } }) end,
      "did you mean" },
    { "a sender without send", function() telnyx.new({ sender = {} }) end,
      "option 'sender' must be an object with a method 'send'" },
    { "steps that go back", function() client:step(-1) end, "step expects seconds from 0 up" },
  }
  for _, case in ipairs(cases) do
    it(case[1], function()
      local ok, message = pcall(case[2])
      assert.is_false(ok)
      assert.truthy(tostring(message):find(case[3], 1, true), tostring(message))
      assert.is_nil(tostring(message):find(KEY, 1, true))
      assert.truthy(tostring(message):find("client_spec.lua", 1, true), tostring(message))
    end)
  end

  it("no key at all", function()
    local output = process.run_lua("print(pcall(require('telnyx').new, {}))",
      "env -u TELNYX_API_KEY")
    assert.truthy(output:find("^false"), output)
    assert.truthy(output:find("TELNYX_API_KEY", 1, true), output)
  end)

  it("a client that is closed", function()
    local own = client_of({})
    own:close()
    own:close()
    assert.has_error(function() own:send(MESSAGE) end)
  end)
end)

describe("the key", function()
  local function walk(value, seen, found)
    if type(value) == "string" then found[#found + 1] = value end
    if type(value) ~= "table" or seen[value] then return end
    seen[value] = true
    for key, item in pairs(value) do
      walk(key, seen, found)
      walk(item, seen, found)
    end
    walk(getmetatable(value), seen, found)
  end

  it("is in no table that a host might print, nor in tostring", function()
    local client = telnyx.new({ api_key = KEY })
    local found = {}
    walk(client, {}, found)
    for _, text in ipairs(found) do assert.is_nil(text:find(KEY, 1, true)) end
    assert.is_nil(tostring(client):find(KEY, 1, true))
  end)

  it("is masked in an error that a server echoes it into", function()
    local client = client_of({ { err = { outcome = "rejected", kind = "api", retryable = false,
      errors = { { code = "10009", detail = "bad key " .. KEY } } } } }, { api_key = KEY })
    local _, err = client:send(MESSAGE)
    assert.is_nil(tostring(err):find(KEY, 1, true))
    assert.is_nil(err.detail:find(KEY, 1, true))
  end)
end)

describe("start and step", function()
  local function with_time(answers, options)
    local sender = scripted(answers)
    sender.sleep, sender.monotonic = nil, nil
    options = options or {}
    options.sender = sender
    return telnyx.new(options), sender
  end

  it("give the callback and the pending what send returns", function()
    local client = with_time({ not_sent(), { id = "m" } }, { retry = { base = 0.01 } })
    local got
    local pending = client:start(MESSAGE, function(message, info) got = { message, info } end)
    assert.is_false(pending.done)
    assert.has_error(function() pending:result() end)
    repeat until client:step(0.05) == 0
    local message, info = pending:result()
    assert.equal("m", message.id)
    assert.equal(message, got[1])
    assert.equal(info, got[2])
    assert.same({ "not_sent", "accepted" }, outcomes(info.attempts))
  end)

  it("refuse nothing that send would not refuse", function()
    local client = telnyx.new({ api_key = KEY, base_url = "http://127.0.0.1:9" })
    local pending = client:start({ to = "nobody" })
    assert.is_true(pending.done)
    local _, err = pending:result()
    assert.equal("invalid", err.kind)
    assert.equal(0, client:step())
  end)

  it("drive many at once, and send beside them", function()
    local client = telnyx.new({ api_key = KEY, base_url = "http://127.0.0.1:9",
      retry = { base = 0.01 } })
    local n_done = 0
    for _ = 1, 20 do client:start(MESSAGE, function() n_done = n_done + 1 end) end
    local _, err = client:send(MESSAGE)
    assert.equal("not_sent", err.outcome)
    while client:step(0.05) > 0 do end
    assert.equal(20, n_done)
  end)

end)

describe("what callbacks raise", function()
  local function raises(word) return function() error(word, 0) end end

  local function steps_until_quiet(client)
    local said = {}
    for _ = 1, 10 do
      local ok, why = pcall(client.step, client, 0)
      if not ok then said[#said + 1] = why end
    end
    return said
  end

  it("is told by steps, each once, after all that was due", function()
    local client, told = client_of({ { id = "a" }, { id = "b" }, { id = "c" } }), {}
    for _, word in ipairs { "first", "second" } do
      assert.is_true(client:start(MESSAGE, raises(word)).done)
    end
    client:start(MESSAGE, function(sent) told[#told + 1] = sent.id end)
    local ok, why = pcall(client.step, client, 0)
    assert.same({ false, "first" }, { ok, why })
    assert.same({ "c" }, told)
    assert.equal(0, client:timeout())
    assert.same({ "second" }, steps_until_quiet(client))
  end)

  it("is not told by who starts another, sends or runs many meanwhile", function()
    local client, sender = client_of({ { id = "a" }, { id = "b" }, { id = "c" }, { id = "d" } })
    client:start(MESSAGE, raises("first"))
    local pending = client:start(MESSAGE)
    assert.equal("b", pending:result().id)
    assert.equal("c", client:send(MESSAGE).id)
    client:start({ to = "nobody" }, raises("second"))
    local n_told = 0
    local counts = client:send_all({ MESSAGE }, { on_result = function() n_told = n_told + 1 end })
    assert.same({ 1, 1 }, { counts.accepted, n_told })
    assert.equal(4, #sender.messages)
    assert.same({ "first", "second" }, steps_until_quiet(client))
  end)

  it("is told by who closes, all of it", function()
    local client = client_of({ { id = "a" }, { id = "b" } })
    client:start(MESSAGE, raises("first"))
    client:start(MESSAGE, raises("second"))
    local ok, why = pcall(client.close, client)
    assert.is_false(ok)
    assert.matches("2 callbacks.*first.*second", why)
    client = client_of({ { id = "a" } })
    local own = { "an object" }
    client:start(MESSAGE, function() error(own) end)
    assert.same({ false, own }, { pcall(client.close, client) })
    client:close()
  end)

  it("is told to on_error, and raised by nobody", function()
    local said = {}
    local client = client_of({ { id = "a" }, { id = "b" }, { id = "c" } },
      { on_error = function(value) said[#said + 1] = value end })
    client:start(MESSAGE, raises("first"))
    client:start(MESSAGE, raises("second"))
    client:step(0)
    client:start(MESSAGE, raises("third"))
    client:close()
    assert.same({ "first", "second", "third" }, said)
  end)

  it("is raised where on_error raises in its turn", function()
    local client = client_of({ { id = "a" } }, { on_error = raises("worse") })
    client:start(MESSAGE, raises("bad"))
    assert.same({ false, "worse" }, { pcall(client.step, client, 0) })
  end)
end)

describe("an outcome is not lost or mended", function()
  it("by a later attempt: what may have gone out stays unknown", function()
    local client = client_of({ unknown(), not_sent() }, {
      retry = { unknown = true, attempts = 2 },
    })
    local _, err = client:send(MESSAGE)
    assert.equal("unknown", err.outcome)
    assert.is_false(err.retryable)
    assert.same({ "unknown", "not_sent" }, outcomes(err.attempts))
    assert.truthy(tostring(err):find("may have been delivered", 1, true))
  end)

  it("by an attempt that has no time left", function()
    local late = rejected(429, true)
    late.err.retry_after = 4
    local client, sender = client_of({ late, unknown() }, { deadline = 5 })
    local sleep = sender.sleep
    function sender:sleep(seconds) sleep(self, seconds + 10) end
    local _, err = client:send(MESSAGE)
    assert.equal("rejected", err.outcome)
    assert.equal(1, #sender.messages)
  end)

  it("by a should_retry that raises", function()
    local client = client_of({ rejected(400, false) }, {
      retry = { should_retry = function() error("mine") end },
    })
    local _, err = client:send(MESSAGE)
    assert.equal("rejected", err.outcome)
    assert.truthy(err.should_retry_error:find("mine", 1, true))
  end)

  it("by a sender that raises in a task", function()
    local client = telnyx.new({ sender = { send = function() error("broken") end } })
    local got
    local pending = client:start(MESSAGE, function(_, err) got = err end)
    assert.is_true(pending.done)
    local ok, why = pcall(client.step, client, 0)
    assert.is_false(ok)
    assert.matches("broken", why)
    assert.equal("unknown", got.outcome)
    assert.equal(0, client:step())
  end)

  local odd = {
    { "true for a message", function() return true end, "accepted" },
    { "a word for info", function() return { id = "m" }, "ok" end, nil },
    { "an outcome of its own", function() return nil, { outcome = "failed" } end, "unknown" },
    { "nothing", function() end, "unknown" },
  }
  for _, case in ipairs(odd) do
    it("by a sender that returns " .. case[1], function()
      local message, result = telnyx.new({ sender = { send = case[2] } }):send(MESSAGE)
      assert.equal(case[3] == nil, message ~= nil)
      assert.equal(case[3] or "accepted", result.outcome)
    end)
  end

  it("by a sender that returns one table again and again", function()
    local constant = { outcome = "rejected", kind = "api", status = 400 }
    local client = telnyx.new({ sender = { send = function() return nil, constant end } })
    local _, first = client:send(MESSAGE)
    local _, second = client:send(MESSAGE)
    assert.not_equal(first, second)
    assert.same({ outcome = "rejected", kind = "api", status = 400 }, constant)
  end)

  it("by a caller who changes a list between two attempts", function()
    local media = { "https://a.b/1.png" }
    local sender = scripted({ not_sent(), { id = "m" } })
    local send = sender.send
    function sender:send(message, limits)
      media[1] = "https://a.b/2.png"
      return send(self, message, limits)
    end
    telnyx.new({ sender = sender }):send({ from = "12345", to = "12345", media_urls = media })
    assert.equal("https://a.b/1.png", sender.messages[2].media_urls[1])
  end)
end)

describe("the log and the rows of attempts", function()
  it("do not show the key", function()
    local events = {}
    local answer = not_sent()
    answer.err.cause = "no route for Bearer " .. KEY
    local client = client_of({ answer, { id = "m" } }, {
      api_key = KEY, log = function(event) events[#events + 1] = event end,
    })
    local _, info = client:send(MESSAGE)
    assert.is_nil(events[1].cause:find(KEY, 1, true))
    assert.is_nil(info.attempts[1].cause:find(KEY, 1, true))
  end)
end)

describe("callbacks", function()
  it("run on the thread of who steps, and may yield there", function()
    local client = client_of({ { id = "m" } })
    local thread = coroutine.create(function()
      client:start(MESSAGE, function() coroutine.yield("from the callback") end)
      client:step(0)
      return "done"
    end)
    local _, first = coroutine.resume(thread)
    local _, last = coroutine.resume(thread)
    assert.equal("from the callback", first)
    assert.equal("done", last)
  end)

  it("may start others without end, and take no room for it", function()
    local client, n_told = telnyx.new({ sender = { send = function()
      return { id = "m" }, { outcome = "accepted" }
    end } }), 0
    local function again()
      n_told = n_told + 1
      if n_told < 20000 then client:start(MESSAGE, again) end
    end
    again()
    assert.equal(1, n_told)
    for _ = 1, 20000 do client:step(0) end
    assert.equal(20000, n_told)
  end)

  it("must be functions, which is found before anything is sent", function()
    local client, sender = client_of({ { id = "m" } })
    assert.has_error(function() client:start(MESSAGE, nil, "cb") end)
    assert.equal(0, #sender.messages)
  end)
end)

it("takes no options behind the callback, where they would be lost", function()
  local client, sender = client_of({ { id = "m" } })
  assert.has_error(function()
    client:start({ from = "+18445550001", to = "+18665550001", text = "x" }, function() end,
      { key = "k" })
  end, "start expects its options before the callback")
  assert.equal(0, #sender.messages)
end)

describe("what a client, a profile and a call are told", function()
  local function last_message(options, profile, message)
    local client, sender = client_of({ { id = "m" } }, options)
    assert(client:profile(profile):send(message))
    return sender.messages[1]
  end

  it("is merged where it is a table, replaced where it is a list, and left out by false", function()
    local sent = last_message({
      defaults = { from = "+18445550001", webhook_url = "https://a.b/c", auto_detect = true,
        media_urls = { "https://a.b/1.png", "https://a.b/2.png" },
        extra = { one = 1, two = { deep = 2 } } },
      profiles = { p = { webhook_url = false, extra = { two = "2" } } },
    }, "p", { to = "+18665550001", auto_detect = false, media_urls = { "https://a.b/3.png" },
      extra = { three = false } })
    assert.is_nil(sent.webhook_url)
    assert.is_false(sent.auto_detect)
    assert.same({ "https://a.b/3.png" }, sent.media_urls)
    assert.same({ one = 1, two = "2", three = false }, sent.extra)
  end)

  it("is no other's fault where it is of a wrong type", function()
    local fields = { from = "+18445550001", to = "+18665550001", text = "x", extra = { a = 1 } }
    local client = client_of({ { id = "m" } }, { defaults = { extra = "x" } })
    assert.truthy(client:send(fields))
    client = client_of({}, { defaults = { extra = { a = 1 } } })
    fields.extra = "x"
    local _, err = client:send(fields)
    assert.equal("/extra", err.pointer)
  end)

  it("is left out by a false that a metatable gives", function()
    local client, sender = client_of({ { id = "m" } }, { defaults = { text = "a text",
      extra = { a = 1 }, webhook_url = "https://example.com/" } })
    assert.truthy(client:send(setmetatable({ from = "+18445550001", to = "+18665550001" },
      { __index = { webhook_url = false, extra = false } })))
    assert.is_nil(sender.messages[1].webhook_url)
    assert.is_nil(sender.messages[1].extra)
    assert.equal("a text", sender.messages[1].text)
  end)

  it("is a false that a metatable gives, where that is a value", function()
    local client, sender = client_of({ { id = "m" } },
      { defaults = { use_profile_webhooks = true, auto_detect = true } })
    assert.truthy(client:send(setmetatable({ from = "+18445550001", to = "+18665550001",
      text = "x" }, { __index = { use_profile_webhooks = false, auto_detect = false } })))
    assert.is_false(sender.messages[1].use_profile_webhooks)
    assert.is_false(sender.messages[1].auto_detect)
  end)

  it("of retries is merged as well: a veto holds for a profile with more attempts", function()
    local n_asked = 0
    local client, sender = client_of({ not_sent(), not_sent(), not_sent(), { id = "m" } }, {
      retry = { attempts = 1, base = 0, should_retry = function(err)
        n_asked = n_asked + 1
        return err.outcome == "not_sent"
      end },
      profiles = { patient = { retry = { attempts = 3 } } },
    })
    local _, err = client:profile("patient"):send(MESSAGE, { retry = { attempts = 2 } })
    assert.equal("not_sent", err.outcome)
    assert.equal(2, #sender.messages)
    assert.equal(1, n_asked)
    assert.equal(1, #select(2, client:profile("patient"):send(MESSAGE, { retry = false })).attempts)
  end)

  it("lifts a limit by false", function()
    local client = client_of({ { id = "m" } }, { max_parts = 1 })
    local long = { from = "+18445550001", to = "+18665550001", text = ("x"):rep(200) }
    assert.equal("max_parts", select(2, client:send(long)).code)
    assert(client:send(long, { max_parts = false }))
  end)

  it("is a copy at every depth", function()
    local media, extra = { "https://a.b/1.png" }, { list = { 1, 2 } }
    local retry = { attempts = 2, base = 0 }
    local options = { profiles = { p = { media_urls = media, extra = extra } }, retry = retry }
    local client, sender = client_of({ not_sent(), { id = "m" } }, options)
    media[1], extra.list[1], retry.attempts = nil, 7, 1
    local message = { from = "12345", to = "+18665550001", extra = { own = { 1 } } }
    local send = sender.send
    function sender:send(given, limits)
      message.extra.own[1] = 8
      return send(self, given, limits)
    end
    assert(client:profile("p"):send(message))
    assert.same({ "https://a.b/1.png" }, sender.messages[2].media_urls)
    assert.same({ list = { 1, 2 }, own = { 1 } }, sender.messages[2].extra)
  end)

  it("is not changed by who changes what he gave: the defaults, and what is tried again", function()
    local urls, retry, own = { "https://a.b/1.png" }, { attempts = 2, base = 0 }, { base = 0 }
    local client, sender = client_of({ not_sent(), not_sent(), not_sent(), { id = "m" } }, {
      defaults = { media_urls = urls }, retry = retry, profiles = { p = { retry = own } },
    })
    urls[1], retry.attempts, own.attempts = "https://a.b/2.png", 4, 4
    assert.is_nil((client:profile("p"):send(MESSAGE, { retry = { cap = 1 } })))
    assert.equal(2, #sender.messages)
    assert.same({ "https://a.b/1.png" }, sender.messages[1].media_urls)
  end)

  it("is false where false says something", function()
    local sent = last_message({ defaults = { from = "+18445550001", use_profile_webhooks = true },
      profiles = { p = { use_profile_webhooks = false } } }, "p",
      { to = "+18665550001", text = "x", auto_detect = false })
    assert.is_false(sent.use_profile_webhooks)
    assert.is_false(sent.auto_detect)
  end)

  it("may go round, which is a fault of the message and of nothing else", function()
    local round = { one = 1 }
    round.again = round
    local client, sender = client_of({ { id = "m" } })
    local _, err = client:send { from = "+18445550001", to = "+18665550001", text = "x",
      extra = round }
    assert.same({ "not_sent", "invalid" }, { err.outcome, err.kind })
    assert.equal(0, #sender.messages)
  end)

  it("may be what a message's metatable gives, other fields too", function()
    local message = setmetatable({ from = "+18445550001", to = "+18665550001" },
      { __index = { text = "x", extra = { one = 1 } } })
    local sent = last_message({ profiles = { p = {} } }, "p", message)
    assert.same({ "x", { one = 1 } }, { sent.text, sent.extra })
  end)
end)

describe("should_retry", function()
  it("is asked about an error as a user gets it, and cannot change what is told", function()
    local seen
    local client = client_of({ rejected(400, false) }, { retry = { should_retry = function(err)
      seen = { tostring(err), err.class, err.whose }
      err.outcome, err.status = "accepted", 200
      return false
    end } })
    local _, err = client:send(MESSAGE)
    assert.same({ "rejected", 400 }, { err.outcome, err.status })
    assert.matches("^rejected %(400%)", seen[1])
    assert.same({ "request", "message" }, { seen[2], seen[3] })
  end)
end)

it("an own sender's unknown is never called fit to be sent again", function()
  for _, outcome in ipairs { "unknown", "accepted", "lost" } do
    local client = client_of({ { err = { outcome = outcome, retryable = true } } })
    assert.is_false(select(2, client:send(MESSAGE)).retryable)
  end
end)

it("a text that is too dear hides no other fault", function()
  local client = client_of({}, { max_parts = 1 })
  local _, err = client:send { from = "+18445550001", to = "nobody", text = ("x"):rep(200) }
  assert.same({ "max_parts", "40310" }, { err.errors[1].code, err.errors[2].code })
end)

describe("a dot where a colon belongs", function()
  local client = client_of({})
  it("is named", function()
    local ok, message = pcall(client.send, MESSAGE)
    assert.is_false(ok)
    assert.truthy(message:find("client:send", 1, true), message)
    ok, message = pcall(telnyx.new, telnyx, { api_key = KEY })
    assert.is_false(ok)
    assert.truthy(message:find("telnyx.new", 1, true), message)
  end)
end)

-- On the main thread of a program, where no test runs.
local GIVES_WAY = [[
  local telnyx = require("telnyx")
  local what, n_asked = "%s", 0
  local function give_way()
    n_asked = n_asked + 1
    coroutine.yield("something")
  end
  local client = telnyx.new {
    log = what == "log" and give_way or nil,
    retry = what == "should_retry" and { should_retry = give_way } or nil,
    sender = { send = function()
      return nil, { outcome = "rejected", kind = "api", status = 400, retryable = false,
        errors = { { code = "40300" } } }
    end },
  }
  client:start({ from = "+18445550001", to = "+18665550001", text = "x" }, function(_, err)
    print(n_asked, err.outcome, err.code)
  end)
  print(client:step(0))
]]

describe("a user's function that gives way where nobody is there to resume it", function()
  for _, what in ipairs { "log", "should_retry" } do
    it("loses nothing: " .. what, function()
      local said = process.run_lua(GIVES_WAY:format(what))
      assert.equal("1\trejected\t40300\n0\n", said)
    end)
  end
end)

-- Each within the one before: Lua has room for some two hundred.
describe("callbacks that step", function()
  local N = 400
  local function own_sender()
    local sender, done = {}, {}
    function sender.monotonic() return 0 end
    function sender.start(_, message, _, owner)
      local pending = { done = function() return true end,
        result = function() return { id = message.text }, { outcome = "accepted" } end }
      done[#done + 1] = owner
      return pending
    end
    function sender.send() error("it can be stepped") end
    function sender.step() return 0 end
    function sender.finished() return table.remove(done, 1) end
    return sender
  end
  local function message(i)
    return { from = "+18445550001", to = "+18665550001", text = "text " .. i }
  end

  it("hear of each message once, and so do those that started it", function()
    local client, n_told = telnyx.new { sender = own_sender() }, 0
    for i = 1, N do
      client:start(message(i), function()
        n_told = n_told + 1
        client:step(0)
      end)
    end
    for _ = 1, N do
      if client:step(0) == 0 and n_told == N then break end
    end
    assert.equal(N, n_told)
    client:close()
  end)

  for what, goes_on in pairs {
    steps = function(client) client:step(0) end,
    ["sends some more"] = function(client)
      assert.equal(1, client:send_all({ message("more") }).accepted)
    end,
  } do
    it("keep nothing from a run whose on_result " .. what, function()
      local client, n_told = telnyx.new { sender = own_sender() }, 0
      local list = {}
      for i = 1, N do list[i] = message(i) end
      local counts = client:send_all(list, { concurrency = N, on_result = function()
        n_told = n_told + 1
        goes_on(client)
      end })
      assert.equal(N, counts.accepted)
      assert.equal(N, n_told)
      client:close()
    end)
  end

  it("are told of all when one closes the client, however deep", function()
    local client, n_told = telnyx.new { sender = own_sender() }, 0
    for i = 1, N do
      client:start(message(i), function()
        n_told = n_told + 1
        if n_told == 120 then client:close() else pcall(client.step, client, 0) end
      end)
    end
    pcall(client.step, client, 0)
    pcall(client.close, client)
    assert.equal(N, n_told)
  end)
end)

it("a step says that there is more while a message is done and nobody was told", function()
  local client, told = telnyx.new { sender = { send = function() return { id = "m" }, {} end } }, {}
  client:start({ from = "+18445550001", to = "+18665550001", text = "one" }, function()
    told[#told + 1] = "one"
    client:start({ from = "+18445550001", to = "nobody", text = "two" }, function(_, err)
      told[#told + 1] = err.outcome
    end)
  end)
  local most, n = 0
  repeat
    n = client:step(0)
    most = math.max(most, n)
  until n == 0
  assert.equal(1, most)
  assert.same({ "one", "not_sent" }, told)
  if math.type then assert.equal("integer", math.type(n)) end -- luacheck: ignore 143
  client:close()
end)
