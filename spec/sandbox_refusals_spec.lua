-- Posts of which no message came: they are kept, told and shown, so that a program whose messages
-- do not arrive can be understood.

local json = require("cjson.safe").new()
local sandbox = require("telnyx.sandbox")
local support = require("spec.support.service")
local telnyx = require("telnyx")

local NOON, ask, at_noon, null, sms = support.NOON, support.ask, support.at_noon, support.null,
  support.sms

local function try(service, changes, headers)
  local message = sms(changes)
  local all = { authorization = "Bearer KEY_SPEC", ["content-type"] = "application/json" }
  for name, value in pairs(headers or {}) do all[name] = value end
  return service:handle { method = "POST", path = "/v2/messages", headers = all,
    body = json.encode(message) }
end

local function list(service, query)
  local _, decoded = ask(service, "GET", "/sandbox/refusals" .. (query or ""))
  return decoded.data, decoded
end

describe("GET /sandbox/refusals", function()
  it("has what was refused, with what was said of it, the newest first", function()
    local service = at_noon()
    try(service, { to = "+15550040300", text = "one" })
    try(service, { to = "bad", text = "two" })
    local rows, decoded = list(service)
    assert.are.equal(2, decoded.total)
    assert.are.same({ 2, "bad", "two", 400, 1, "+15550040300", "one", 403, "40300",
      "Blocked due to STOP message" },
      { rows[1].seq, rows[1].to, rows[1].text, rows[1].status, rows[2].seq, rows[2].to,
        rows[2].text, rows[2].status, rows[2].code, rows[2].title })
    assert.is_string(rows[1].detail)
    assert.are.equal(sms().from, rows[1].from)
    assert.are.equal("2025-03-22T11:28:39.401+00:00", rows[1].at)
    assert.are.equal(NOON, service.now())
  end)

  it("has what never got an answer, what had no key, and what is not JSON", function()
    local service = at_noon()
    try(service, { to = "+15550080001" })
    try(service, nil, { authorization = "Bearer wrong" })
    service:handle { method = "POST", path = "/v2/messages", body = "{",
      headers = { authorization = "Bearer KEY_SPEC", ["content-type"] = "application/json" } }
    service:handle { method = "POST", path = "/v2/messages",
      body = '{"to":["\\u0000",{}],"text":7}',
      headers = { authorization = "Bearer KEY_SPEC", ["content-type"] = "application/json" } }
    local rows = list(service)
    assert.are.equal(4, #rows)
    assert.are.equal(null, rows[4].status)
    assert.are.same({ 401, "10009" }, { rows[3].status, rows[3].code })
    assert.are.same({ 400, "10023", null }, { rows[2].status, rows[2].code, rows[2].to })
    assert.are.equal(null, rows[1].text)
  end)

  it("has nothing that was taken, however it was answered", function()
    local service = at_noon()
    for _, to in ipairs { "+13125550002", "+15550051500", "+15550001500", "+15550090001",
      "+15550060204", "+15550070030" } do
      try(service, { to = to })
    end
    assert.are.same({}, (list(service)))
    assert.are.equal(6, service:ledger().accepted)
    ask(service, "GET", "/v2/messages/none")
    ask(service, "POST", "/sandbox/reply", { from = "x" })
    assert.are.same({}, (list(service)))
  end)

  it("keeps the newest thousand, and little of a long text", function()
    local service = at_noon()
    for i = 1, 1003 do try(service, { to = "bad", text = i .. ("é"):rep(300) }) end
    local rows, decoded = list(service, "?limit=1000")
    assert.are.same({ 1000, 1003, 1003, 4 }, { #rows, decoded.total, rows[1].seq, rows[1000].seq })
    assert.is_true(#rows[1].text <= 200)
    assert.are.equal(100, #(list(service)))
    assert.are.equal(5, #(list(service, "?limit=5")))
    for _, query in ipairs { "?limit=0", "?limit=1001", "?limit=x", "?what=1" } do
      assert.are.equal(400, (ask(service, "GET", "/sandbox/refusals" .. query)).status)
    end
  end)

  it("keeps no more than there are messages", function()
    local service = sandbox.new { keep = 3 }
    for i = 1, 5 do try(service, { to = "bad", text = "t" .. i }) end
    assert.are.equal(3, #(list(service)))
    ask(service, "DELETE", "/sandbox/messages")
    for i = 1, 5 do try(service, { to = "bad", text = "t" .. i }) end
    assert.are.equal(3, #(list(service)))
  end)

  it("begins anew with everything else", function()
    local service = at_noon()
    try(service, { to = "bad" })
    ask(service, "DELETE", "/sandbox/messages")
    assert.are.same({}, (list(service)))
    assert.are.equal(0, select(2, list(service)).total)
  end)
end)

it("a refusal is news", function()
  local service = at_noon()
  local hello = service:handle { method = "GET", path = "/sandbox/events", headers = {} }
  assert.is_truthy(hello.body:find('"n_refused":0', 1, true))
  try(service, { to = "bad", text = "two" })
  local news = service.feed:since(hello.stream.position)
  assert.are.same({ 1, "refusal", "bad" }, { #news, news[1].kind, json.decode(news[1].text).to })
  local later = service:handle { method = "GET", path = "/sandbox/events", headers = {} }
  assert.is_truthy(later.body:find('"n_refused":1', 1, true))
end)

it("a test that waits in vain is told what was refused", function()
  local sender = sandbox.sender()
  local client = telnyx.new { sender = sender }
  assert.is_nil(client:send { from = "+13125550001", to = "+15550040300", text = "one" })
  local _, why = sender:inbox():wait { seconds = 0 }
  assert.are.equal("no message to a phone came within 0 s; there is no message at all\na post"
    .. " came to nothing, the last to +15550040300: 403 40300 Messages cannot be sent between"
    .. " these numbers because of a block rule.", why)
  assert(client:send { from = "+13125550001", to = "+13125550002", text = "two" })
  assert.is_nil(client:send { from = "+13125550001", to = "+15550080001", text = "three" })
  _, why = sender:inbox():wait { text = "three", seconds = 0 }
  assert.matches("differs in its text\n2 posts came to nothing, the last to %+15550080001: no"
    .. " answer$", why)
end)
