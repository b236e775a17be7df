local core = require("telnyx.core")
local json = require("cjson.safe").new()
local encode = require("telnyx.sandbox.json").encode
local sandbox = require("telnyx.sandbox")
local shown_attempt = require("telnyx.sandbox.phones.attempt")
local support = require("spec.support.service")

local NOON, ask, post, sms = support.NOON, support.ask, support.post, support.sms
local HOOK, OTHER = "http://127.0.0.1:1/one?ref=a", "http://127.0.0.1:1/two"

-- A sender on a clock of its own, whose receiver answers as `answer` says.
local function hearing(options, answer)
  local time, heard = { now = NOON }, {}
  local own = { now = function() return time.now end,
    sleep = function(seconds) time.now = time.now + seconds end }
  for name, value in pairs(options or {}) do own[name] = value end
  function own.on_webhook(request)
    heard[#heard + 1] = request
    if answer then return answer(#heard) end
    return 200, { ["X-Thing"] = "yes" }, "thanks"
  end
  return sandbox.sender(own), heard, time
end

local function send(sender, changes)
  local message = sms { webhook_url = HOOK }
  for name, value in pairs(changes or {}) do message[name] = value end
  return post(sender.service, message).id
end

local function attempts(sender, query)
  local response, decoded = ask(sender.service, "GET", "/sandbox/webhooks" .. (query or ""))
  assert(response.status == 200, response.body)
  return decoded.data, decoded, response
end

local function seqs(list)
  local words = {}
  for i, one in ipairs(list) do words[i] = ("%d"):format(one.seq) end
  return table.concat(words, " ")
end

local function webhooks_of(sender, id)
  local _, decoded = ask(sender.service, "GET", "/sandbox/messages/" .. id)
  return decoded.data.webhooks, decoded.data
end

local function resend(sender, id)
  return ask(sender.service, "POST", "/sandbox/webhooks/" .. id .. "/resend")
end

describe("GET /sandbox/webhooks", function()
  it("says in words why an attempt failed", function()
    local answers = { 500, 404, 302, 204, nil }
    local sender = hearing({ tries_per_url = 5, backoff = 0 }, function(n) return answers[n] end)
    local id = send(sender)
    sender:advance(1)
    local titles = { "Webhook host returned HTTP 500", "Webhook host returned HTTP 404",
      "Webhook host returned HTTP 3XX", "Webhook host returned a non-200 HTTP 2XX",
      "Could not connect to host" }
    local list = attempts(sender, "?event_type=message.sent")
    local own = webhooks_of(sender, id)[1].attempts
    for i, title in ipairs(titles) do
      assert.are.equal(title, list[6 - i].title)
      assert.are.equal(title, own[i].title)
    end
  end)

  it("shows what an attempt was about, and what was answered", function()
    local sender, heard = hearing()
    local id = send(sender)
    sender:advance(1)
    local list, decoded = attempts(sender)
    local one = list[1]
    assert.are.same({ 1, 0, 1, id, "message.sent", 200, 1, support.null, HOOK },
      { decoded.made, decoded.lost, one.seq, one.message_id, one.event_type, one.status,
        one.attempt, one.error, one.url })
    assert.are.same({ headers = { ["x-thing"] = "yes" }, body = "thanks" }, one.response)
    assert.are.same({ heard[1].body, heard[1].headers }, { one.body, one.headers })
    assert.are.equal(json.decode(one.body).data.id, one.event_id)
    local _, delivery = ask(sender.service, "GET", "/v2/webhook_deliveries/" .. one.delivery_id)
    assert.are.equal(one.delivery_id, delivery.data.id)
  end)

  it("has no answer where there was none, and answers that are no text", function()
    local sender = hearing({}, function(n)
      if n == 1 then return nil end
      return 200, {}, "\255\0" .. ("x"):rep(20000)
    end)
    send(sender)
    sender:advance(1)
    assert.are.same({ support.null, support.null, 75002 }, { attempts(sender)[1].response,
      attempts(sender)[1].status, attempts(sender)[1].error })
    sender:advance(2)
    assert.are.equal("%FF\0x", attempts(sender)[1].response.body:sub(1, 5))
    assert.is_true(#attempts(sender)[1].response.body < 10100)
  end)

  it("has headers in alphabetical order, whatever their bytes", function()
    local headers, names = { ["a\255"] = "\200", ["x-thing"] = 4 }, {}
    for i = 1, 20 do headers[("h%02d"):format(i)], names[i] = "v", ('"h%02d":"v"'):format(i) end
    assert.are.equal('{"a%FF":"%C8",' .. table.concat(names, ",") .. ',"x-thing":"4"}',
      encode(shown_attempt.headers(headers)))
    assert.are.equal("{}", encode(shown_attempt.headers(nil)))
  end)

  it("cuts a long answer between characters", function()
    for n = 9996, 10000 do
      local body = ("x"):rep(n) .. ("é"):rep(10)
      local shown = encode(shown_attempt.response { status = 200, body = body })
      assert.is_nil(shown:find("%", 1, true))
      assert.is_true(#shown > 9996)
      local kept = { status = 200, body = body:sub(1, 10000) }
      assert.are.equal(shown, encode(shown_attempt.response(kept)))
    end
    assert.are.equal('{"headers":{},"body":"é%C3"}',
      encode(shown_attempt.response { status = 200, body = "é\195" }))
  end)

  it("has filters", function()
    local sender = hearing({ t_finalized = 3 }, function(n) return n == 1 and 500 or 200 end)
    local id = send(sender)
    sender:advance(0.5)
    send(sender, { webhook_url = OTHER })
    sender:advance(60)
    assert.are.equal("5 4 3 2 1", seqs(attempts(sender)))
    for query, expected in pairs {
      ["message=" .. id] = "4 3 1", ["message=x"] = "", ["event_type=message.sent"] = "3 2 1",
      ["event_type=message"] = "", ["url=/two"] = "5 2", ["url=.wo"] = "", ["status=failed"] = "1",
      ["status=delivered"] = "5 4 3 2", ["since=3"] = "5 4", ["since=5"] = "", ["limit=2"] = "5 4",
      ["since=1&url=/one&limit=1&event_type=message.sent"] = "3",
    } do
      assert.are.equal(expected, seqs(attempts(sender, "?" .. query)), query)
    end
    for _, query in ipairs { "status=ok", "since=x", "limit=0", "limit=1001", "page=1",
      "wait=-1" } do
      assert.are.equal(400, (ask(sender.service, "GET", "/sandbox/webhooks?" .. query)).status)
    end
  end)

  it("can be waited for", function()
    local sender = hearing()
    local id = send(sender)
    local _, _, response = attempts(sender, "?wait=5&count=2&message=" .. id)
    assert.are.equal(5, response.wait.seconds)
    sender:advance(1)
    assert.is_nil(response.wait.check())
    send(sender)
    sender:advance(1)
    local better = response.wait.check()
    assert.are.equal(2, #json.decode(better.body).data)
    _, _, response = attempts(sender, "?wait=5&count=2&message=" .. id)
    assert.is_nil(response.wait)
    _, _, response = attempts(sender, "?wait=5&message=x")
    assert.are.equal("[]", response.wait.check(true).body:match('"data":(%[%])'))
  end)

  it("is looked through again after a new beginning that made as many", function()
    local sender = hearing()
    send(sender)
    sender:advance(1)
    local _, _, response = attempts(sender, "?wait=5&url=/two")
    assert.is_nil(response.wait.check())
    sender.service:reset_ledger()
    send(sender, { webhook_url = OTHER })
    sender:advance(1)
    assert.is_not_nil(response.wait.check())
  end)
end)

describe("the webhooks of a message", function()
  it("are shown with every attempt, byte by byte", function()
    local sender, heard = hearing({ signature = "altered_body" }, function(n)
      return n == 1 and 500 or 200
    end)
    local id = send(sender)
    sender:advance(1.5)
    local list, message = webhooks_of(sender, id)
    assert.are.same({ 1, "message.sent", "under_way", 1, 0, 1 }, { #list, list[1].event_type,
      list[1].status, #list[1].attempts, list[1].forgotten_attempts, message.n_attempts })
    sender.service.knobs.signature = "good"
    sender:advance(60)
    list = webhooks_of(sender, id)
    assert.are.same({ 2, "delivered", "delivered" }, { #list, list[1].status, list[2].status })
    local bodies = {}
    for _, request in ipairs(heard) do bodies[request.body] = request end
    for _, delivery in ipairs(list) do
      for i, attempt in ipairs(delivery.attempts) do
        local request = bodies[attempt.request.body]
        assert.are.equal(i, attempt.number)
        assert.are.same({ request.url, request.headers },
          { attempt.url, attempt.request.headers })
        assert.are.equal(delivery.event_id, json.decode(attempt.request.body).data.id)
      end
    end
    assert.are.same({ 500, 75500, 200, support.null }, { list[1].attempts[1].status,
      list[1].attempts[1].error, list[1].attempts[2].status, list[1].attempts[2].error })
    assert.are.equal("{ ", list[1].attempts[1].request.body:sub(1, 2))
  end)

  it("are forgotten with the deliveries", function()
    local sender = hearing { keep = 3 }
    local id = send(sender)
    sender:advance(5)
    assert.are.equal(2, #webhooks_of(sender, id))
    send(sender)
    sender:advance(5)
    local list, message = webhooks_of(sender, id)
    assert.are.same({ 1, "message.finalized", 2 },
      { #list, list[1].event_type, message.n_attempts })
    send(sender)
    sender:advance(5)
    list, message = webhooks_of(sender, id)
    assert.are.same({ 0, 2 }, { #list, message.n_attempts })
  end)

  it("are those of a received message, too", function()
    local sender = hearing { profile_webhook_url = HOOK }
    local id = sender:reply { from = "+13125550002", to = "+13125550001", text = "Hi" }.id
    sender:advance(5)
    local list = webhooks_of(sender, id)
    assert.are.same({ 1, "message.received" }, { #list, list[1].event_type })
  end)
end)

describe("POST /sandbox/webhooks/{id}/resend", function()
  it("sends the same event again, signed anew", function()
    local sender, heard, time = hearing()
    local id = send(sender)
    sender:advance(5)
    local delivery = webhooks_of(sender, id)[2]
    local response, decoded = resend(sender, delivery.id)
    assert.are.same({ 200, delivery.id }, { response.status, decoded.data.id })
    sender:advance(0)
    assert.are.equal(3, #heard)
    local first, again = json.decode(heard[2].body), json.decode(heard[3].body)
    assert.are.same({ first.data, HOOK, 2 }, { again.data, heard[3].url, again.meta.attempt })
    assert.are.equal(("%d"):format(math.floor(time.now)), heard[3].headers["telnyx-timestamp"])
    local signed = heard[3].headers["telnyx-timestamp"] .. "|" .. heard[3].body
    assert.is_true(core.ed25519_verify(core.base64_decode(sender.service:public_key()),
      core.base64_decode(heard[3].headers["telnyx-signature-ed25519"]), signed))
    assert.are.equal(2, #webhooks_of(sender, id)[2].attempts)
    sender:advance(60)
    assert.are.equal(3, #heard)
  end)

  it("goes to where the last attempt went, once, and may come to a better end", function()
    local is_up = false
    local sender, heard = hearing({ tries_per_url = 1 }, function() return is_up and 200 or 500 end)
    local id = send(sender, { webhook_failover_url = OTHER })
    sender:advance(60)
    assert.are.equal("failed", webhooks_of(sender, id)[1].status)
    local n, delivery = #heard, webhooks_of(sender, id)[1]
    local _, before = ask(sender.service, "GET", "/v2/webhook_deliveries/" .. delivery.id)
    assert.are.same({ "failed", 2 }, { before.data.status, #before.data.attempts })
    resend(sender, delivery.id)
    sender:advance(60)
    assert.are.same({ n + 1, OTHER, "failed" },
      { #heard, heard[n + 1].url, webhooks_of(sender, id)[1].status })
    is_up = true
    resend(sender, delivery.id)
    sender:advance(60)
    assert.are.same({ n + 2, "delivered" }, { #heard, webhooks_of(sender, id)[1].status })
    local _, decoded = ask(sender.service, "GET", "/v2/webhook_deliveries/" .. delivery.id)
    assert.are.same({ "delivered", 4 }, { decoded.data.status, #decoded.data.attempts })
  end)

  it("is there for a delivery that is under way", function()
    local sender, heard = hearing({}, function(n) return n == 1 and 500 or 200 end)
    local id = send(sender)
    sender:advance(1.1)
    local delivery = webhooks_of(sender, id)[1]
    assert.are.equal("under_way", delivery.status)
    resend(sender, delivery.id)
    sender:advance(0)
    assert.are.equal("delivered", webhooks_of(sender, id)[1].status)
    assert.are.equal(2, #heard)
  end)

  it("is not undone by attempts that were planned before", function()
    local sender = hearing({}, function(n) return n == 2 and 200 or 500 end)
    local id = send(sender)
    sender:advance(1.1)
    resend(sender, webhooks_of(sender, id)[1].id)
    sender:advance(60)
    assert.are.equal("delivered", webhooks_of(sender, id)[1].status)
  end)

  it("is not there for a delivery that was under way before a new beginning", function()
    local sender = hearing({}, function() return 500 end)
    local id = send(sender)
    sender:advance(1.1)
    local delivery = webhooks_of(sender, id)[1].id
    sender.service:reset_ledger()
    assert.are.equal(404, (resend(sender, delivery)).status)
  end)

  it("says when it is forgotten, and keeps to its bounds", function()
    local sender = hearing()
    local id = send(sender)
    sender:advance(5)
    local delivery = webhooks_of(sender, id)[1]
    for _ = 1, 60 do
      resend(sender, delivery.id)
      sender:advance(0)
    end
    delivery = webhooks_of(sender, id)[1]
    assert.are.same({ 50, 11, 61 },
      { #delivery.attempts, delivery.forgotten_attempts, delivery.attempts[50].number })
    assert.are.equal(404, (resend(sender, "nobody")).status)
    assert.are.equal(400, (ask(sender.service, "POST",
      "/sandbox/webhooks/" .. delivery.id .. "/resend?x=1")).status)
    ask(sender.service, "DELETE", "/sandbox/messages")
    local response, decoded = resend(sender, delivery.id)
    assert.are.same({ 404, "10005" }, { response.status, decoded.errors[1].code })
  end)
end)
