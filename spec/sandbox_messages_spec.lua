local clock = require("telnyx.sandbox.clock")
local json = require("cjson.safe").new()
local support = require("spec.support.service")

local NOON, PROFILE = support.NOON, support.PROFILE
local ask, at_noon, post, read, sms = support.ask, support.at_noon, support.post, support.read,
  support.sms

local function statuses(service, time, id, moments)
  local list = {}
  for i, seconds in ipairs(moments) do
    time.now = NOON + seconds
    list[i] = read(service, id).to[1].status
  end
  return table.concat(list, " ")
end

local function scheduled(seconds)
  return sms { send_at = clock.iso8601(NOON + seconds) }
end

describe("a message of the sandbox", function()
  it("lives at the speed it is told to", function()
    local service, time = at_noon { t_sent = 10, t_finalized = 30 }
    local id = post(service).id
    assert.are.equal("queued sending sent sent delivered",
      statuses(service, time, id, { 4.9, 5, 10, 29, 30 }))
  end)

  it("may end at once", function()
    local service = at_noon { t_sent = 0, t_finalized = 0 }
    local data = read(service, post(service).id)
    assert.are.equal("delivered", data.to[1].status)
    assert.are.equal(data.received_at, data.completed_at)
  end)

  it("stays sent where no receipts come", function()
    local service, time = at_noon { no_dlr = true }
    assert.are.equal("sent sent", statuses(service, time, post(service).id, { 2, 86400 }))
    service, time = at_noon()
    local id = post(service, sms { to = "+15550040090" }).id
    assert.are.equal("sending sent sent", statuses(service, time, id, { 0.9, 2, 86400 }))
  end)

  it("may change after its end", function()
    local service, time = at_noon { late_second_final = 5 }
    local id = post(service).id
    assert.are.equal("delivered delivered delivery_failed",
      statuses(service, time, id, { 2, 6.9, 7 }))
    assert.are.equal("40008", read(service, id).errors[1].code)
    service, time = at_noon()
    id = post(service, sms { to = "+15550040091" }).id
    assert.are.equal("delivery_unconfirmed delivery_unconfirmed delivered",
      statuses(service, time, id, { 2, 11.9, 12 }))
  end)

  it("may tell its cost later", function()
    local service, time = at_noon { cost_after = 3 }
    local data = post(service)
    assert.are.same({ support.null, support.null }, { data.cost, data.cost_breakdown })
    time.now = NOON + 3
    assert.are.equal("0.0070", read(service, data.id).cost.amount)
  end)

  it("can be read for ten days", function()
    local service, time = at_noon()
    local id = post(service).id
    time.now = NOON + 10 * 86400
    assert.are.equal("delivered", read(service, id).to[1].status)
    time.now = time.now + 1
    assert.are.equal(404, (ask(service, "GET", "/v2/messages/" .. id)).status)
  end)

  it("can be missing at first, under the code one chooses", function()
    local service, time = at_noon { get_404_for = 2, not_found_code = "40303" }
    local id = post(service).id
    local response, decoded = ask(service, "GET", "/v2/messages/" .. id)
    assert.are.same({ 404, "40303" }, { response.status, support.summary(decoded) })
    time.now = NOON + 2
    assert.are.equal(id, read(service, id).id)
  end)
end)

describe("cancelling", function()
  local function cancel(service, id)
    return ask(service, "DELETE", "/v2/messages/" .. id)
  end

  it("answers with the bare message", function()
    local service = at_noon()
    local data = post(service, scheduled(3600))
    local response, decoded = cancel(service, data.id)
    assert.are.equal(200, response.status)
    assert.are.same({ data.id, "outbound", "cancelled", "0.0", support.null },
      { decoded.id, decoded.direction, decoded.to[1].status, decoded.cost.amount,
        decoded.cost_breakdown })
    assert.is_nil(decoded.wait_seconds)
    assert.is_nil(decoded.data)
    assert.are.equal("cancelled", read(service, data.id).to[1].status)
  end)

  it("is for scheduled messages that have more than a minute", function()
    local service, time = at_noon()
    local id = post(service, scheduled(3600)).id
    time.now = NOON + 3540.5
    local response, decoded = cancel(service, id)
    assert.are.equal(403, response.status)
    assert.is_string(decoded.title)
    assert.is_nil(decoded.errors)
    time.now = NOON + 3538
    assert.are.equal(200, (cancel(service, id)).status)
    assert.are.equal(403, (cancel(service, id)).status)
    assert.are.equal(403, (cancel(service, post(service).id)).status)
  end)

  it("knows no message that is not there", function()
    local response, decoded = cancel(at_noon(), PROFILE)
    assert.are.same({ 404, "10005" }, { response.status, decoded.code })
  end)

  it("needs a key, and is refused in the usual shape without one", function()
    local response, decoded = ask(at_noon(), "DELETE", "/v2/messages/" .. PROFILE, nil,
      { authorization = false })
    assert.are.same({ 401, "10009" }, { response.status, support.summary(decoded) })
  end)
end)

describe("the siblings of /messages", function()
  local NAME = { from = "Acme", to = "+447700900123", text = "x", messaging_profile_id = PROFILE }

  it("take their own kind of message", function()
    local service = at_noon()
    local pool = post(service, { to = "+13125550002", text = "x", from = "ignored",
      messaging_profile_id = PROFILE }, "/number_pool")
    assert.is_truthy(pool.from.phone_number:find("^%+1555"))
    assert.are.equal("+13125550001", post(service, sms(), "/long_code").from.phone_number)
    assert.are.equal("12345", post(service, sms { from = "12345" }, "/short_code")
      .from.phone_number)
    assert.are.equal("Acme", post(service, NAME, "/alphanumeric_sender_id").from.phone_number)
    assert.are.equal("scheduled", post(service, scheduled(3600), "/schedule").to[1].status)
    assert.are.equal("queued", post(service, sms(), "/schedule").to[1].status)
    assert.are.equal(6, service:ledger().accepted)
  end)

  local null = support.null
  local cases = {
    { "/number_pool", { to = "+13125550002", text = "x" }, "10004 /messaging_profile_id" },
    { "/long_code", { to = "+13125550002", text = "x", messaging_profile_id = PROFILE },
      "10004 /from" },
    { "/long_code", sms { from = "12345" }, "40305 /from" },
    { "/short_code", sms(), "40305 /from" },
    { "/alphanumeric_sender_id", { to = "+447700900123" },
      "10004 /from, 10004 /text, 10004 /messaging_profile_id" },
    { "/alphanumeric_sender_id", sms { messaging_profile_id = PROFILE }, "40325 /from" },
    { "/schedule", sms { send_at = null }, "10015 /send_at" },
    { "/schedule", sms { send_at = "tomorrow" }, "10015 /send_at" },
    { "/group_mms", sms(), "10015 /to" },
    { "/group_mms", sms { to = {} }, "10004 /to" },
    { "/group_mms", sms { to = { "+13125550002", "nobody", 7 } }, "40310 /to/1, 40310 /to/2" },
    { "/group_mms", { to = { "+13125550002" }, text = "x" }, "10004 /from" },
  }
  for _, case in ipairs(cases) do
    it(("%s refuses %s"):format(case[1], case[3]), function()
      local body = case[2]
      if type(body.to) == "table" and #body.to == 0 then
        body = '{"from":"+13125550001","to":[],"text":"x"}'
      end
      local response, decoded = ask(at_noon(), "POST", "/v2/messages" .. case[1], body)
      assert.are.same({ 400, case[3] }, { response.status, support.summary(decoded) })
    end)
  end

  it("leave out what they do not know", function()
    local odd = sms { send_at = 8, messaging_profile_id = 9, flavour = "vanilla" }
    assert.are.equal("queued", post(at_noon(), odd, "/long_code").to[1].status)
    odd.encoding, odd.type, odd.to = 7, 7, { odd.to }
    assert.are.equal("MMS", post(at_noon(), odd, "/group_mms").type)
  end)

  it("have channels that this account may not use", function()
    for _, path in ipairs { "whatsapp", "rcs" } do
      local response, decoded = ask(at_noon(), "POST", "/v2/messages/" .. path, sms())
      assert.are.same({ 403, "10038" }, { response.status, support.summary(decoded) })
    end
    assert.are.equal(403, (ask(at_noon(), "GET", "/v2/messages/rcs/deeplinks/x")).status)
  end)
end)

describe("a group", function()
  local members = { "+13125550002", "+15550040008", "+15550040000" }

  it("has an addressee for each member", function()
    local service, time = at_noon()
    local data = post(service, sms { to = members }, "/group_mms")
    assert.are.same({ "MMS", 3, data.id }, { data.type, #data.to, data.group_message_id })
    time.now = NOON + 5
    local seen = {}
    for i, to in ipairs(read(service, data.id).to) do seen[i] = to.status end
    assert.are.same({ "delivered", "delivery_failed", "unknown" }, seen)
  end)

  it("is listed member by member", function()
    local service, time = at_noon()
    local data = post(service, sms { to = members }, "/group_mms")
    time.now = NOON + 5
    local _, decoded = ask(service, "GET", "/v2/messages/group/" .. data.id)
    assert.are.equal(3, #decoded.data)
    for i, one in ipairs(decoded.data) do
      assert.are.same({ data.id, members[i], 1 }, { one.id, one.to[1].phone_number, #one.to })
    end
    assert.are.equal("40008", decoded.data[2].errors[1].code)
  end)

  it("is not what a single message is", function()
    local service = at_noon()
    assert.are.equal(404, (ask(service, "GET", "/v2/messages/group/" .. post(service).id)).status)
    assert.are.equal(404, (ask(service, "GET", "/v2/messages/group/" .. PROFILE)).status)
  end)

  it("has at most eight members", function()
    local nine = {}
    for i = 1, 9 do nine[i] = ("+1312555%04d"):format(i) end
    local _, decoded = ask(at_noon(), "POST", "/v2/messages/group_mms", sms { to = nine })
    assert.are.equal("40310 /to", support.summary(decoded))
  end)
end)

describe("a text that the profile sends in pieces", function()
  local function pieces_of(text, options)
    options = options or {}
    options.chunking = true
    local service, time = at_noon(options)
    local data = post(service, sms { text = text, webhook_url = "https://example.com/hook" })
    time.now = NOON + 5
    local pieces = {}
    for _, attempt in ipairs(service:due_attempts()) do
      local payload = json.decode(service:webhook_request(attempt).body).data.payload
      service:attempted(attempt, { status = 200 })
      if payload.to[1].status == "sent" then pieces[#pieces + 1] = payload end
    end
    return pieces, data, service
  end

  local function texts(pieces)
    local list = {}
    for i, piece in ipairs(pieces) do list[i] = piece.text end
    return table.concat(list)
  end

  it("goes as messages with lives of their own, in order", function()
    local text = ("abcdefghi "):rep(400) -- 27 parts of 153
    local pieces, data, service = pieces_of(text)
    assert.are.same({ 3, 27, text }, { #pieces, data.parts, texts(pieces) })
    assert.are.same({ 10, 10, 7 }, { pieces[1].parts, pieces[2].parts, pieces[3].parts })
    for _, piece in ipairs(pieces) do
      assert.are.equal(data.id, piece.parent_message_id)
      assert.are.equal("delivered", read(service, piece.id).to[1].status)
    end
    assert.are.equal("delivered", read(service, data.id).to[1].status)
    assert.are.equal(1, service:ledger().accepted)
    local _, found = ask(service, "GET", "/v2/detail_records?filter[record_type]=messaging")
    assert.are.equal(3, found.meta.total_results)
  end)

  it("is cut between characters, and counted as the whole is", function()
    local text = ("x"):rep(200) .. ("中"):rep(300) .. ("😀"):rep(200)
    local pieces = pieces_of(text, { max_parts = 3 })
    assert.are.equal(text, texts(pieces))
    for _, piece in ipairs(pieces) do
      assert.are.equal("UCS-2", piece.encoding)
      assert.is_true(piece.parts <= 3)
    end
  end)

  it("is one message when it fits", function()
    local pieces = pieces_of(("x"):rep(1530))
    assert.are.equal(1, #pieces)
    assert.is_nil(pieces[1].parent_message_id)
  end)

  it("is cancelled as a whole", function()
    local service, time = at_noon { chunking = true }
    local message = scheduled(3600)
    message.text, message.webhook_url = ("x"):rep(2000), "https://example.com/hook"
    local id = post(service, message).id
    assert.are.equal(200, (ask(service, "DELETE", "/v2/messages/" .. id)).status)
    time.now = NOON + 7200
    assert.are.same({}, service:due_attempts())
  end)
end)
