-- What a webhook says is read as far as it can be, whatever the service makes of its JSON.

local cjson = require("cjson")
local process = require("spec.support.process")
local telnyx = require("telnyx")
local webhooks = require("spec.support.webhooks")

local parse = telnyx.webhook.parse
local AT = 1793528262.574
local null = cjson.null

local function event_of(given) return assert(parse(cjson.encode(webhooks.event(given)))) end

local function of_payload(message)
  return event_of { type = "message.received", id = "e-1", at = AT, message = message }
end

it("telnyx.webhook is loaded when it is asked for", function()
  assert.equal("nil\ttable\ttrue\tnil\n", process.run_lua([[
    local telnyx = require("telnyx")
    local before = package.loaded["telnyx.webhook"] or package.loaded["telnyx.after.verify"]
    print(before, type(telnyx.webhook), telnyx.webhook == require("telnyx.webhook"), telnyx.wehook)
    ]]))
end)

describe("an event", function()
  it("of a message that was sent has its fields", function()
    local event = event_of { type = "message.finalized", id = "e-1", at = AT, to = "delivered",
      meta = { attempt = 2, delivered_to = "https://app.example/hooks" },
      message = { cost = { amount = "0.0051", currency = "USD" } } }
    assert.equal("e-1", event.id)
    assert.equal("message.finalized", event.type)
    assert.equal("finalized", event.kind)
    assert.equal("outbound", event.direction)
    assert.equal("m-1", event.message_id)
    assert.equal("delivered", event.status)
    assert.is_true(math.abs(event.at - AT) < 1e-5)
    assert.equal(2, event.attempt)
    assert.equal("https://app.example/hooks", event.delivered_to)
    assert.equal("0.0051", event.message.cost.amount)
    assert.equal("+18665550001", event.message.to[1].phone_number)
    assert.equal(event.message, event.raw.data.payload)
    assert.is_nil(event.optout)
    assert.is_nil(event.key)
  end)

  it("has no nulls, no gaps, and whole numbers as such", function()
    local body = '{"data":{"id":null,"event_type":"message.sent","payload":{"id":"m-1",'
      .. '"cost":null,"to":[null,{"status":"sent","phone_number":"+1"},null],"parts":2,'
      .. '"huge":[1e999,-1e999],"tags":[null,"a"],"nothing":[null],"wait_seconds":0.5,'
      .. '"webhook_url":null}},"meta":{"attempt":1}}'
    local event = assert(parse(body))
    assert.is_nil(event.id)
    assert.is_nil(event.message.cost)
    assert.same({ { status = "sent", phone_number = "+1" } }, event.message.to)
    assert.same({ "a" }, event.message.tags)
    assert.same({}, event.message.nothing)
    assert.same({}, event.message.huge)
    assert.equal("sent", event.status)
    assert.equal("2", tostring(event.message.parts))
    assert.equal(0.5, event.message.wait_seconds)
    assert.equal("1", tostring(event.attempt))
  end)

  it("has a kind by its type", function()
    for word, kind in pairs { ["message.sent"] = "sent", ["message.finalized"] = "finalized",
      ["message.received"] = "received", ["message.delivered"] = "other",
      ["message.foo"] = "other", ["call.initiated"] = "other" } do
      assert.equal(kind, event_of({ type = word, id = "e", at = AT, to = "queued" }).kind)
    end
    assert.equal("other", assert(parse { data = { record_type = "link_clicked",
      event_type = "message.foo" } }).kind)
    for _, data in ipairs { "{}", '{"event_type":7}', '{"event_type":null}', '{"event_type":""}',
      '{"event_type":["message.sent"]}', '{"record_type":"event"}',
      "null", "[]", "7" } do
      local event = assert(parse('{"data":' .. data .. "}"))
      assert.equal("other", event.kind)
      assert.is_nil(event.type)
    end
  end)

  it("of a click on a link has neither type nor id", function()
    local event = assert(parse('{"data":{"record_type":"link_clicked","message_id":"m-7",'
      .. '"to":"+18665550001","url":"https://a.example/x","time_clicked":"2026-11-01T10:17:42Z"}}'))
    assert.equal("link_clicked", event.kind)
    assert.equal("m-7", event.message_id)
    assert.equal(1793528262, event.at)
    assert.equal("https://a.example/x", event.raw.data.url)
    assert.is_nil(event.id)
    assert.is_nil(event.type)
    assert.is_nil(event.status)
    assert.is_nil(event.message)
  end)

  it("of a message that came in is received, whatever its addressees are", function()
    for _, word in ipairs { "webhook_delivered", "delivered", "queued", "delivery_failed" } do
      local event = event_of { type = "message.received", id = "e", at = AT, to = word,
        message = { direction = "inbound", cc = { "+18665550002" } } }
      assert.equal("received", event.status)
      assert.equal("inbound", event.direction)
    end
    assert.equal("inbound", of_payload({ direction = null }).direction)
  end)

  it("has the direction that its message says, and by its type where it says none", function()
    assert.equal("inbound", event_of({ type = "message.finalized", id = "e", at = AT,
      to = "delivered", message = { direction = "inbound" } }).direction)
    assert.equal("outbound", event_of({ type = "message.received", id = "e", at = AT,
      to = "delivered", message = { direction = "Outbound" } }).direction)
    assert.equal("outbound", event_of({ type = "message.sent", id = "e", at = AT, to = "sent",
      message = { direction = "sideways" } }).direction)
  end)

  it("tells when it happened, if that can be read", function()
    for text, at in pairs { ["2026-11-01T10:17:42.574+00:00"] = AT,
      ["2026-11-01T10:17:42Z"] = 1793528262, ["2026-11-01T12:17:42+02:00"] = 1793528262,
      ["2026-02-30T10:17:42Z"] = false, ["yesterday"] = false, [""] = false,
      ["2026-11-01T10:17:42"] = false } do
      local event = assert(parse(cjson.encode { data = { occurred_at = text } }))
      assert.is_true(at and math.abs(event.at - at) < 1e-5 or event.at == nil, text)
    end
    assert.is_nil(assert(parse('{"data":{"occurred_at":1793528262}}')).at)
  end)

  it("takes a number for an id, and nothing else", function()
    assert.equal("123456789012", parse('{"data":{"id":123456789012}}').id)
    assert.equal("7", parse('{"data":{"payload":{"id":7.0}}}').message_id)
    for _, id in ipairs { "null", '""', "{}", "[]", "true", "1.5", "1e999" } do
      assert.is_nil(parse(('{"data":{"id":%s}}'):format(id)).id)
    end
  end)

  it("is read from a decoded body as well, which stays as it was", function()
    local body = webhooks.event { type = "message.sent", id = "e-1", at = AT, to = "sent" }
    local event = assert(parse(body))
    assert.equal("sent", event.status)
    assert.is_nil(event.message.cost)
    assert.equal(null, body.data.payload.cost)
    assert.same(parse(cjson.encode(body)), event)
  end)

  it("raises only what a program did", function()
    for _, body in ipairs { 7, false, print } do
      local ok, why = pcall(parse, body)
      assert.is_false(ok)
      assert.matches("parse expects a body", why)
    end
    assert.error_matches(function() parse(nil) end, "got a nil")
    local round = { data = {} }
    round.data.data = round
    local event, why = parse(round)
    assert.is_nil(event)
    assert.equal("the body is nested too deep", why)
    assert(parse { data = { payload = print, id = io.stdout } })
  end)

  it("is refused where it is no object", function()
    for body, why in pairs { [""] = "^the body is not JSON: ", ["{"] = "^the body is not JSON: ",
      ['{"a":NaN}'] = "not JSON", ['{"a":1}{'] = "not JSON", ['{}\0'] = "NUL",
      ["[{}]"] = "not an object", ["1"] = "not an object", [" null "] = "not an object",
      [('{"a":'):rep(2000) .. "1" .. ("}"):rep(2000)] = "too many nested" } do
      local event, told = parse(body)
      assert.is_nil(event)
      assert.matches(why, told)
    end
    assert(parse(('{"a":'):rep(900) .. "1" .. ("}"):rep(900)))
    assert(parse(" \t\r\n{}"))
  end)
end)

describe("the status of a whole", function()
  local function whole(type, ...)
    local to = {}
    for i, word in ipairs { ... } do
      to[i] = { phone_number = "+1866555000" .. i, status = word or nil }
    end
    return event_of({ type = type, id = "e-1", at = AT, to = to }).status
  end

  it("is that of its only addressee", function()
    for _, word in ipairs { "queued", "sending", "sent", "delivered", "delivery_failed",
      "never_seen" } do
      assert.equal(word, whole("message.finalized", word))
    end
    assert.is_nil(whole("message.sent"))
  end)

  it("is no single addressee's where there are several", function()
    assert.equal("sent", whole("message.finalized", "delivered", "sent", "delivery_failed"))
    assert.equal("queued", whole("message.sent", "sent", "queued"))
    assert.equal("delivered", whole("message.finalized", "delivered", "delivered"))
    assert.equal("mixed", whole("message.finalized", "delivered", "delivery_failed"))
    assert.equal("mixed", whole("message.finalized", "delivered", "unknown"))
    assert.equal("unknown", whole("message.sent", "delivered", "unknown"))
    assert.is_nil(whole("message.finalized", "delivered", false))
  end)

  it("is read from a `to` in other forms", function()
    for text, word in pairs { ['"+18665550001"'] = false, ['["+18665550001"]'] = false,
      ['{"phone_number":"+1","status":"sent"}'] = "sent", ['[[[]]]'] = false, ["7"] = false,
      ["true"] = false, ["{}"] = false, ['[7,true,"x",{"status":7}]'] = false,
      ['[{"status":"sent"}]'] = "sent" } do
      local event = assert(parse('{"data":{"event_type":"message.sent","payload":{"to":' .. text
        .. "}}}"))
      assert.equal(word or nil, event.status, text)
    end
  end)
end)

describe("our reference", function()
  local reference = require("telnyx.send.reference")
  local CLAIM = ("0123456789abcdef"):rep(2)
  local OURS = "https://app.example/hooks?a=1&" .. reference.of("order-9", CLAIM)
  local OTHER = "https://app.example/hooks?" .. reference.of("order-1", ("f"):rep(32))

  it("is read from the first URL that has one", function()
    for _, case in ipairs {
      { webhook_url = OURS, delivered_to = OTHER, webhook_failover_url = OTHER },
      { webhook_url = "", delivered_to = OURS, webhook_failover_url = OTHER },
      { webhook_url = null, delivered_to = null, webhook_failover_url = OURS },
      { webhook_url = 7, delivered_to = {}, webhook_failover_url = OURS },
      { webhook_url = "https://app.example/", webhook_failover_url = OURS },
    } do
      local event = event_of { type = "message.sent", id = "e", at = AT, to = "sent",
        message = { webhook_url = case.webhook_url,
          webhook_failover_url = case.webhook_failover_url },
        meta = { delivered_to = case.delivered_to } }
      assert.equal("order-9", event.key)
      assert.equal(CLAIM, event.claim)
    end
  end)
end)

describe("what who wrote wants", function()
  local function wish(text, response)
    return of_payload({ direction = "inbound", text = text, autoresponse_type = response }).optout
  end

  it("is told by the service's own word", function()
    for word, optout in pairs { STOP = "stop", stop = "stop", opt_out = "stop",
      ["Opt-Out"] = "stop", START = "start", opt_in = "start", HELP = "help", info = "help" } do
      assert.equal(optout, wish("whatever", word))
    end
    assert.equal("stop", wish(null, "STOP"))
    assert.equal("start", wish("STOP", "START"))
  end)

  it("is told by the whole text", function()
    for word, optout in pairs { STOP = "stop", StopAll = "stop", ["stop all"] = "stop",
      unsubscribe = "stop", Cancel = "stop", END = "stop", quit = "stop", start = "start",
      UNSTOP = "start", help = "help", [" stop\r\n"] = "stop", ["\tHELP "] = "help" } do
      assert.equal(optout, wish(word, null))
      assert.equal(optout, wish(word, "something new"))
    end
    for _, word in ipairs { "", "  ", "stop it", "please stop", "STOP.", "REVOKE", "OPT OUT", "yes",
      "stopall now", (" "):rep(100000) .. "x" .. (" "):rep(100000) .. "y" } do
      assert.is_nil(wish(word, null))
    end
    for _, text in ipairs { null, 7, {}, true } do assert.is_nil(wish(text, text)) end
  end)

  it("is none of a message that went out", function()
    local event = event_of { type = "message.finalized", id = "e-1", at = AT, to = "delivered",
      message = { text = "STOP", autoresponse_type = "STOP" } }
    assert.is_nil(event.optout)
  end)
end)

describe("10,000 bodies of the right names and any values", function()
  local random = math.random
  local NAMES = { "data", "meta", "payload", "id", "event_type", "occurred_at", "to", "status",
    "phone_number", "errors", "cost", "amount", "webhook_url", "text", "autoresponse_type",
    "direction", "record_type", "delivered_to", "attempt", "message_id", "url", "cc" }
  local LEAVES = { "null", "true", "7", "-0.5", "1e999", '""', '"message.sent"', '"delivered"',
    '"message.received"', '"message.finalized"', '"link_clicked"', '"STOP"', '"outbound"', '"+1"',
    '"2026-11-01T10:17:42.574Z"', '"\\u0000"', '"\255"', "[]", "{}", "[null]", '"inbound"' }

  local function value(depth)
    local kind = random(depth > 4 and 4 or 8)
    if kind <= 4 then return LEAVES[random(#LEAVES)] end
    local items = {}
    for i = 1, random(0, 6) do
      local item = value(depth + 1)
      items[i] = kind == 5 and item or ('"%s":%s'):format(NAMES[random(#NAMES)], item)
    end
    local text = table.concat(items, ",")
    return kind == 5 and "[" .. text .. "]" or "{" .. text .. "}"
  end

  it("are read, and reduced, without an error", function()
    local reduce, waits = telnyx.webhook.reduce, telnyx.webhook.waits
    local state
    for i = 1, 10000 do
      local body = ('{"data":{"event_type":%s,"id":%s,"payload":{"to":%s,"errors":%s,"cost":%s,'
        .. '"x":%s,"id":"m"},"x":%s},"meta":%s}'):format(value(3), value(4), value(1), value(3),
        value(3), value(3), value(3), value(2))
      local event, why = parse(body)
      if not event then error(body .. ": " .. why) end
      state = reduce(i % 20 > 0 and state or nil, event)
      waits(state, 0)
      assert(cjson.encode(state))
    end
  end)
end)
