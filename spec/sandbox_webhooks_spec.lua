local core = require("telnyx.core")
local json = require("cjson.safe").new()
local knobs = require("telnyx.sandbox.knobs")
local sandbox = require("telnyx.sandbox")
local support = require("spec.support.service")
local telnyx = require("telnyx")

local NOON, null, sms = support.NOON, support.null, support.sms
local SEED = ("s"):rep(32)
local HOOK = "https://app.example/hooks?ref=abc"

-- A sender on a clock of its own, and what its receiver got: bodies decoded, with when and where.
local function hearing(options, answer)
  local time, heard = { now = NOON }, {}
  local own = { signing_seed = SEED, now = function() return time.now end,
    sleep = function(seconds) time.now = time.now + seconds end }
  for name, value in pairs(options or {}) do own[name] = value end
  function own.on_webhook(request)
    heard[#heard + 1] = { at = time.now - NOON, url = request.url, request = request,
      body = json.decode(request.body) }
    if answer then return answer(request, #heard) end
    return 200
  end
  return sandbox.sender(own), heard, time
end

local function send(sender, changes)
  local message = sms { webhook_url = HOOK }
  for name, value in pairs(changes or {}) do message[name] = value end
  return (assert(sender:send(message)))
end

local function kinds(heard)
  local list = {}
  for i, one in ipairs(heard) do list[i] = tostring(one.body.data.event_type) end
  return table.concat(list, " ")
end

local function urls(heard)
  local list = {}
  for i, one in ipairs(heard) do list[i] = one.url:match("^%a+://([^.]+)") end
  return table.concat(list, " ")
end

local function times(heard)
  local list = {}
  for i, one in ipairs(heard) do list[i] = ("%.2g"):format(one.at) end
  return table.concat(list, " ")
end

local function is_signed(request, key)
  local signature = core.base64_decode(request.headers["telnyx-signature-ed25519"] or "")
  local timestamp = request.headers["telnyx-timestamp"]
  if not signature or #signature ~= 64 or not timestamp then return false end
  return core.ed25519_verify(core.base64_decode(key), signature,
    timestamp .. "|" .. request.body)
end

describe("the sandbox's webhooks", function()
  it("tell of sent and finalized when the time comes, and not before", function()
    local sender, heard = hearing()
    local message = send(sender)
    assert.are.equal(0, #heard)
    sender:advance(0.9)
    assert.are.equal(0, #heard)
    sender:advance(10)
    assert.are.same({ "message.sent message.finalized", "1 2" }, { kinds(heard), times(heard) })
    local data = heard[2].body.data
    assert.are.same({ message.id, "delivered", "event" },
      { data.payload.id, data.payload.to[1].status, data.record_type })
    assert.are.same({ attempt = 1, delivered_to = HOOK }, heard[2].body.meta)
    assert.are.equal("sent", heard[1].body.data.payload.to[1].status)
    assert.are.equal(support.null, heard[1].body.data.payload.completed_at)
    assert.are.equal("2025-03-22T11:28:41.401+00:00", data.occurred_at)
    assert.are.equal(data.occurred_at, data.payload.completed_at)
    assert.are_not.equal(data.id, heard[1].body.data.id)
  end)

  it("have their keys in alphabetical order, at every level", function()
    local sender, heard = hearing()
    send(sender)
    sender:advance(5)
    local function check(text)
      local last, inner = "", text:sub(2, -2):gsub("%b{}", "x"):gsub("%b[]", "x")
      for name in inner:gmatch('"([%w_]+)":') do
        assert.is_true(last < name, last .. " before " .. name)
        last = name
      end
      for object in text:sub(2, -2):gmatch("%b{}") do check(object) end
    end
    check(heard[2].request.body)
    assert.is_truthy(heard[2].request.body:find('^{"data":{"event_type":"message.finalized","id":'))
  end)

  it("are verified by the key that the service shows", function()
    local sender, heard = hearing()
    send(sender)
    sender:advance(5)
    local key = sender.service:public_key()
    assert.are.equal(44, #key)
    assert.are.equal(key, core.base64_encode(core.ed25519_public_key(SEED)))
    assert.is_true(is_signed(heard[1].request, key))
    assert.are.equal(("%d"):format(math.floor(NOON + 1)),
      heard[1].request.headers["telnyx-timestamp"])
    local pem = core.base64_decode(sender.service:public_key_pem():match("\n(.-)\n"))
    assert.are.same({ 44, core.base64_decode(key) }, { #pem, pem:sub(13) })
    assert.are_not.equal(sandbox.new():public_key(), sandbox.new():public_key())
  end)

  it("carry every field of a message, or those of 2024", function()
    local sender, heard = hearing()
    send(sender)
    sender:advance(5)
    local payload = heard[1].body.data.payload
    assert.are.same({ 13, "", false }, { payload.num_chars, payload.webhook_failover_url,
      payload.smart_encoding_applied })
    sender, heard = hearing { event_fields = "2024" }
    send(sender)
    sender:advance(5)
    payload = heard[1].body.data.payload
    assert.is_nil(payload.num_chars)
    assert.is_nil(payload.wait_seconds)
    assert.are.equal("GSM-7", payload.encoding)
  end)

  it("tell of an end without a beginning, of no end, and of a second one", function()
    for digits, expected in pairs {
      ["40014"] = "message.finalized", ["40090"] = "message.sent",
      ["40091"] = "message.sent message.finalized message.finalized",
    } do
      local sender, heard = hearing()
      send(sender, { to = "+155500" .. digits })
      sender:advance(60)
      assert.are.equal(expected, kinds(heard))
    end
    local sender, heard = hearing { late_second_final = 3 }
    send(sender)
    sender:advance(60)
    assert.are.same({ "1 2 5", "delivery_failed" },
      { times(heard), heard[3].body.data.payload.to[1].status })
  end)

  it("tell of each member of a group", function()
    local sender, heard = hearing()
    support.post(sender.service, sms { to = { "+13125550002", "+13125550003" },
      webhook_url = HOOK }, "/group_mms")
    sender:advance(60)
    local finals = {}
    for _, one in ipairs(heard) do
      local payload = one.body.data.payload
      if payload.to[1].status == "delivered" then finals[#finals + 1] = payload end
    end
    assert.are.equal(2, #finals)
    assert.are.equal(finals[1].id, finals[2].group_message_id)
    assert.are_not.equal(finals[1].to[1].phone_number, finals[2].to[1].phone_number)
  end)

  it("do not tell of what was cancelled, nor of what has no URL", function()
    local sender, heard = hearing()
    send(sender, { send_at = "2025-03-22T12:28:39Z" })
    local _, list = next(sender.service.store.messages.entries)
    support.ask(sender.service, "DELETE", "/v2/messages/" .. list.id)
    assert(sender:send(sms()))
    sender:advance(7200)
    assert.are.equal(0, #heard)
  end)

  it("tell of messages whose replies were lost", function()
    for _, digits in ipairs { "90001", "90093", "51001", "01500", "60003" } do
      local sender, heard = hearing()
      sender:send(sms { to = "+155500" .. digits, webhook_url = HOOK })
      sender:advance(5)
      assert.are.equal("message.sent message.finalized", kinds(heard))
    end
    local sender, heard = hearing()
    sender:send(sms { to = "+15550080001", webhook_url = HOOK })
    sender:advance(5)
    assert.are.equal(0, #heard)
  end)
end)

describe("the URLs of a webhook", function()
  local A, B = "https://a.example/", "https://b.example/"
  local PROFILES = { profile_webhook_url = "https://p.example/",
    profile_failover_url = "https://q.example/", no_dlr = true }

  local function tried(changes, options)
    local own = {}
    for name, value in pairs(PROFILES) do own[name] = value end
    for name, value in pairs(options or {}) do own[name] = value end
    local sender, heard = hearing(own, function() return 500 end)
    assert(sender:send(sms(changes)))
    sender:advance(600)
    return urls(heard), times(heard), heard
  end

  it("are the message's, then the profile's, three times each", function()
    local order, moments = tried { webhook_url = A, webhook_failover_url = B }
    assert.are.equal("a a a b b b p p p q q q", order)
    assert.are.equal("1 2 4 4 5 7 7 8 10 10 11 13", moments)
  end)

  it("are the message's alone where it says so", function()
    assert.are.equal("a a a", (tried { webhook_url = A, use_profile_webhooks = false }))
    assert.are.equal("", (tried { use_profile_webhooks = false }))
  end)

  it("are the message's instead of the profile's by another rule", function()
    assert.are.equal("a a a", (tried({ webhook_url = A }, { url_rule = "kb" })))
    assert.are.equal("p p p q q q", (tried({}, { url_rule = "kb" })))
  end)

  it("begin with the failover where there is nothing before it", function()
    local order, _, heard = tried({ webhook_failover_url = B }, { tries_per_url = 1 })
    assert.are.equal("b p q", order)
    assert.are.equal(1, heard[1].body.meta.attempt)
  end)

  it("may fail over at once", function()
    local order, moments = tried({ webhook_url = A, webhook_failover_url = B },
      { failover = "at_once" })
    assert.are.same({ "a b p q", "1 1 1 1" }, { order, moments })
  end)

  it("are tried under one event id, with a signature and a number for each try", function()
    local order, _, heard = tried({ webhook_url = A }, { backoff = 5 })
    assert.are.equal("a a a p p p q q q", order)
    local key = core.base64_encode(core.ed25519_public_key(SEED))
    for i, one in ipairs(heard) do
      assert.are.equal(heard[1].body.data.id, one.body.data.id)
      assert.are.same({ attempt = i, delivered_to = one.url }, one.body.meta)
      assert.is_true(is_signed(one.request, key))
    end
    assert.are_not.equal(heard[1].request.headers["telnyx-timestamp"],
      heard[2].request.headers["telnyx-timestamp"])
  end)
end)

describe("the receiver of webhooks", function()
  local function attempts_for(answer, options)
    local sender, heard = hearing(options, answer)
    send(sender, { to = "+15550040090" })
    sender:advance(600)
    local delivery = select(2, next(sender.service.deliveries.finished.entries))
    return #heard, delivery and delivery.attempts[1].code
  end

  it("is content with 200 alone, unless it is let off", function()
    for status, code in pairs { [204] = 75299, [302] = 75300, [400] = 75400, [404] = 75404,
      [410] = 75499, [500] = 75500, [503] = 75599 } do
      assert.are.same({ 3, code }, { attempts_for(function() return status end) })
    end
    assert.are.same({ 1 }, { attempts_for(function() return 200 end) })
    assert.are.same({ 1 }, { attempts_for(function() return 204 end, { ok = "2xx" }) })
  end)

  it("is not there when it answers nothing", function()
    assert.are.same({ 3, 75002 }, { attempts_for(function() end) })
  end)

  it("may answer with headers and a body, and any nonsense", function()
    local answers = { { 200, { Server = "mine", [3] = "x" }, "fine" }, { 200, "x", {} }, { 200.5 },
      { "200" }, { 99999 } }
    local sender = hearing({ tries_per_url = 1 }, function(_, n)
      return answers[n][1], answers[n][2], answers[n][3]
    end)
    for _ = 1, #answers do
      send(sender, { to = "+15550040090" })
      sender:advance(5)
    end
    local _, decoded = support.ask(sender.service, "GET", "/v2/webhook_deliveries")
    local seen = {}
    for i, row in ipairs(decoded.data) do seen[i] = row.attempts[1].errors[1] or 200 end
    assert.are.same({ 75000, 75002, 75002, 200, 200 }, seen)
    assert.are.same({ status = 200, headers = { { "server", "mine" } }, body = "fine" },
      decoded.data[5].attempts[1].http.response)
  end)

  it("has two seconds", function()
    local slow, time = 1.9, nil
    local sender, heard, clock = hearing({}, function()
      time.now = time.now + slow
      return 200
    end)
    time = clock
    send(sender, { to = "+15550040090" })
    sender:advance(60)
    assert.are.equal(1, #heard)
    slow = 2.1
    send(sender, { to = "+15550040090" })
    sender:advance(60)
    assert.are.equal(4, #heard)
  end)

  it("may raise: it is told once, and the rest goes on", function()
    local sender, heard = hearing({}, function(_, n)
      if n == 1 then error("spilt milk", 0) end
      return 200
    end)
    send(sender)
    assert.has_error(function() sender:advance(60) end, "spilt milk")
    assert.are.equal("message.sent message.finalized message.sent", kinds(heard))
    sender:advance(60)
    sender:sleep(60)
  end)

  it("may send and wait, which delivers nothing meanwhile", function()
    local sender
    local depth, deepest, client = 0, 0, nil
    local heard
    sender, heard = hearing({}, function(_, n)
      depth = depth + 1
      deepest = math.max(deepest, depth)
      if n == 1 then assert(client:send(sms { webhook_url = HOOK, text = "again" })) end
      sender:sleep(1.5)
      depth = depth - 1
      return 200
    end)
    client = telnyx.new { sender = sender }
    send(sender)
    sender:advance(60)
    assert.are.same({ 1, 4 }, { deepest, #heard })
  end)

  it("is not called by a send, however long that takes", function()
    local sender, heard = hearing()
    send(sender)
    assert(sender:send(sms { to = "+15550070005" }, { timeout = 10 }))
    assert.are.equal(0, #heard)
    sender:sleep(0)
    assert.are.equal(2, #heard)
  end)

  it("is called without a clock of the owner's, too", function()
    local heard = {}
    local sender = sandbox.sender { on_webhook = function(request)
      heard[#heard + 1] = request.headers["telnyx-timestamp"]
      return 200
    end }
    assert(sender:send(sms { webhook_url = HOOK }))
    sender:advance(3600)
    assert.are.equal(2, #heard)
    assert.is_true(heard[2] - heard[1] <= 2)
  end)

  it("waits for a clock that stands still", function()
    local n = 0
    local sender = sandbox.sender { now = function() return NOON end,
      on_webhook = function() n = n + 1; return 500 end, t_sent = 0, backoff = 0 }
    assert(sender:send(sms { webhook_url = HOOK }))
    sender:advance(3600)
    assert.are.equal(3, n)
  end)
end)

describe("a service without a sender", function()
  it("hands out the attempts that are due, and is told what came of them", function()
    local service, time = support.at_noon()
    support.post(service, sms { webhook_url = HOOK })
    assert.are.equal(NOON + 1, service:next_due())
    assert.are.same({}, service:due_attempts())
    time.now = NOON + 1
    local attempt = service:due_attempts()[1]
    assert.are.same({ HOOK, 1 }, { attempt.url, attempt.number })
    assert.are.equal("POST", service:webhook_request(attempt).method)
    service:attempted(attempt, { code = 75001 })
    assert.are.equal(NOON + 2, service:next_due())
    time.now = NOON + 5
    local both = service:due_attempts()
    assert.are.same({ 2, 1, 2 }, { #both, both[1].number, both[2].number })
    for _, one in ipairs(both) do service:attempted(one, { status = 200 }) end
    assert.is_nil(service:next_due())
  end)

  it("forgets what was to be told with the rest", function()
    local service = support.at_noon()
    support.post(service, sms { webhook_url = HOOK })
    service:reset_ledger()
    assert.is_nil(service:next_due())
  end)

  it("forgets what is under way, too", function()
    local service, time = support.at_noon()
    support.post(service, sms { webhook_url = HOOK })
    time.now = NOON + 1
    local attempt = service:due_attempts()[1]
    service:reset_ledger()
    service:attempted(attempt, { status = 500 })
    assert.is_nil(service:next_due())
  end)

  it("says the same however often it is asked for a request", function()
    local service, time = support.at_noon()
    support.post(service, sms { webhook_url = HOOK })
    time.now = NOON + 1
    local attempt = service:due_attempts()[1]
    assert.are.same(service:webhook_request(attempt), service:webhook_request(attempt))
  end)
end)

describe("many webhooks", function()
  local function random(least, most) return math.random(least, most) end

  local function random_options()
    return { tries_per_url = random(1, 4), backoff = random(0, 3), duplicate = random(0, 5),
      failover = random(1, 2) == 1 and "at_once" or "after_all", swap = random(1, 2) == 1,
      delay = random(0, 2), unknown_events = random(1, 3) == 1, late_second_final = random(0, 2) }
  end

  -- By event, the attempts in the order in which they were made.
  local function attempts_by_event(sender)
    local by_event, last = {}, -math.huge
    local made = {}
    for _, attempt in sender.service.deliveries.made:newest() do table.insert(made, 1, attempt) end
    for _, attempt in ipairs(made) do
      assert.is_true(attempt.started_at >= last)
      last = attempt.started_at
      local id = attempt.delivery.event.id
      by_event[id] = by_event[id] or {}
      table.insert(by_event[id], attempt)
    end
    return by_event
  end

  local function check(list, tries)
    local n_good, n_urls = 0, #list[1].delivery.event.urls
    for i, attempt in ipairs(list) do
      assert.are.equal(i, attempt.number)
      n_good = n_good + (attempt.code and 0 or 1)
      if attempt.code and not attempt.is_again then assert.are.equal(0, n_good) end
    end
    if n_good == 0 then assert.are.equal(tries * n_urls, #list) end
    assert.are.equal(n_good > 0 and "delivered" or "failed", list[1].delivery.status)
  end

  it("come to an end, each in its own order, whatever their receiver does", function()
    math.randomseed(20261129)
    for _ = 1, 40 do
      local options, answers = random_options(), { 200, 200, 500, 302, 404 }
      local sender = hearing(options, function() return answers[random(1, 5)] end)
      for i = 1, random(1, 5) do
        send(sender, { text = ("%d"):format(i), webhook_failover_url = random(1, 2) == 1
          and "https://b.example/" or nil })
        sender:advance(random(0, 3))
      end
      sender:advance(1000)
      assert.is_nil(sender.service:next_due())
      local tries = options.failover == "at_once" and 1 or options.tries_per_url
      for _, list in pairs(attempts_by_event(sender)) do check(list, tries) end
    end
  end)

  it("are told in the order of their times, and of their making where these are equal", function()
    local Heap = require("telnyx.sandbox.heap")
    local heap, expected = Heap.new(), {}
    for i = 1, 500 do
      local at = random(1, 50)
      heap:put(at, { at = at, order = i })
      expected[i] = { at = at, order = i }
    end
    table.sort(expected, function(a, b)
      if a.at ~= b.at then return a.at < b.at end
      return a.order < b.order
    end)
    for i = 1, 500 do
      assert.are.equal(expected[i].at, heap:next_at())
      assert.are.same(expected[i], (heap:take()))
    end
    assert.are.same({ nil, nil }, { heap:next_at(), (heap:take()) })
  end)
end)

describe("the weather of webhooks", function()
  it("loses the next ones", function()
    local sender, heard = hearing { lose = 1 }
    send(sender)
    send(sender)
    sender:advance(60)
    assert.are.equal("message.sent message.finalized message.finalized", kinds(heard))
    assert.are.equal(0, sender.service.knobs.lose)
  end)

  it("doubles the next ones", function()
    local sender, heard = hearing { duplicate = 1 }
    send(sender)
    sender:advance(60)
    assert.are.equal("message.sent message.sent message.finalized", kinds(heard))
    assert.are.equal(heard[1].body.data.id, heard[2].body.data.id)
    assert.are.same({ 1, 2 }, { heard[1].body.meta.attempt, heard[2].body.meta.attempt })
    assert.are_not.equal(heard[1].request.headers["telnyx-signature-ed25519"],
      heard[2].request.headers["telnyx-signature-ed25519"])
  end)

  it("brings the last first", function()
    local sender, heard = hearing { swap = true }
    send(sender)
    sender:advance(60)
    assert.are.equal("message.finalized message.sent", kinds(heard))
    assert.is_true(heard[1].body.data.occurred_at > heard[2].body.data.occurred_at)
  end)

  it("brings events before the reply, and raises what they raise later", function()
    local sender, heard = hearing({ before_reply = true }, function(_, n)
      if n == 1 then error("too early", 0) end
      return 200
    end)
    send(sender)
    assert.are.equal("message.sent message.finalized", kinds(heard))
    assert.has_error(function() sender:sleep(0) end, "too early")
  end)

  it("holds events back until there are enough", function()
    local sender, heard = hearing { burst = 3 }
    send(sender)
    sender:advance(60)
    assert.are.equal(0, #heard)
    send(sender)
    sender:advance(60)
    assert.are.equal(3, #heard)
    assert.are.equal(times(heard), "61 61 61")
    sender.service.knobs.burst = 0
    sender:advance(0)
    assert.are.equal(4, #heard)
  end)

  it("delays", function()
    local sender, heard = hearing { delay = 100 }
    send(sender)
    sender:advance(100.5)
    assert.are.equal(0, #heard)
    sender:advance(10)
    assert.are.equal("message.sent message.finalized", kinds(heard))
    assert.are.equal("2025-03-22T11:28:40.401+00:00", heard[1].body.data.occurred_at)
  end)

  for _, kind in ipairs { "wrong_key", "flipped_bit", "missing", "no_timestamp", "url_safe",
    "altered_body" } do
    it("spoils signatures: " .. kind, function()
      local sender, heard = hearing { signature = kind }
      send(sender)
      sender:advance(60)
      assert.are.equal("message.sent message.finalized", kinds(heard))
      assert.is_false(is_signed(heard[1].request, sender.service:public_key()))
    end)
  end

  it("puts the clock of the signature wrong, and signs all the same", function()
    for _, shift in ipairs { -301, 301 } do
      local sender, heard = hearing { timestamp_shift = shift }
      send(sender)
      sender:advance(60)
      assert.is_true(is_signed(heard[1].request, sender.service:public_key()))
      assert.are.equal(("%d"):format(math.floor(NOON + 1 + shift)),
        heard[1].request.headers["telnyx-timestamp"])
    end
  end)

  it("brings events that nobody knows", function()
    local sender, heard = hearing { unknown_events = true }
    local message = send(sender)
    sender:advance(60)
    assert.are.equal("message.sent message.finalized nil message.foo message.finalized",
      kinds(heard))
    assert.are.same({ "link_clicked", message.id },
      { heard[3].body.data.record_type, heard[3].body.data.message_id })
    assert.are.same({ nil, nil }, { heard[3].body.meta, heard[5].body.meta })
    assert.is_true(is_signed(heard[3].request, sender.service:public_key()))
  end)
end)

describe("the sandbox's page of webhooks", function()
  it("shows what went out, byte by byte, and what came of it", function()
    local sender, heard = hearing({ lose = 1 }, function(_, n) return n == 1 and 500 or 200 end)
    send(sender)
    sender:advance(60)
    local _, decoded = support.ask(sender.service, "GET", "/sandbox/webhooks")
    assert.are.same({ 2, 1, 2 }, { decoded.made, decoded.lost, #decoded.data })
    for i, one in ipairs(decoded.data) do
      local request = heard[#heard - i + 1].request
      assert.are.same({ request.url, request.body, request.headers },
        { one.url, one.body, one.headers })
    end
    assert.are.same({ 200, null }, { decoded.data[1].status, decoded.data[1].error })
    assert.are.same({ 500, 75500, 1, 0 }, { decoded.data[2].status, decoded.data[2].error,
      decoded.data[2].attempt, decoded.data[2].seconds })
  end)
end)

describe("the sandbox's options page", function()
  it("shows every knob", function()
    local _, decoded = support.ask(support.at_noon { lose = 2 }, "GET", "/sandbox/options")
    for _, name in ipairs(knobs.names()) do assert.is_not_nil(decoded[name], name) end
    assert.are.same({ 2, "good", support.null },
      { decoded.lose, decoded.signature, decoded.recommended_parts })
  end)

  it("turns them, all or none, and gives defaults back for null", function()
    local service = support.at_noon()
    local function turn(body)
      local response, decoded = support.ask(service, "PATCH", "/sandbox/options", body)
      return response.status, decoded
    end
    assert.are.equal(200, (turn { swap = true, max_parts = 25, signature = "missing" }))
    assert.are.same({ true, 25 }, { service.knobs.swap, service.knobs.max_parts })
    local status, decoded = turn { swap = false, signature = "bad", speed = 3 }
    assert.are.same({ 400, "10015 /signature, 10015 /speed" },
      { status, support.summary(decoded) })
    assert.is_true(service.knobs.swap)
    assert.are.equal(200, (turn { swap = support.null }))
    assert.is_false(service.knobs.swap)
    assert.are.equal(400, (turn("{")))
    assert.are.equal(400, (turn("[]")))
    service:reset_ledger()
    assert.are.equal("missing", service.knobs.signature)
  end)

  it("shows the public key", function()
    local service = support.at_noon { signing_seed = SEED }
    local _, decoded = support.ask(service, "GET", "/sandbox/public_key")
    assert.are.same({ service:public_key(), service:public_key_pem() },
      { decoded.public_key, decoded.pem })
  end)
end)
