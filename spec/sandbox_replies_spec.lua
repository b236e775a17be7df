local core = require("telnyx.core")
local json = require("cjson.safe").new()
local sandbox = require("telnyx.sandbox")
local support = require("spec.support.service")

local NOON, PROFILE = support.NOON, support.PROFILE
local ask, at_noon, null, post, read, sms = support.ask, support.at_noon, support.null,
  support.post, support.read, support.sms

local OURS, ANOTHER, TOLL_FREE, PERSON = "+13125550001", "+13125550009", "+18445550001",
  "+13125550002"

local function says(text, to)
  return { from = PERSON, to = to or OURS, text = text }
end

local function refusal(service, message)
  local response, decoded = ask(service, "POST", "/v2/messages", message)
  return response.status, decoded.errors and support.summary(decoded), decoded
end

describe("a reply in the sandbox", function()
  it("is an inbound message that can be read", function()
    local service = at_noon()
    local id = service:reply(says("Thanks! 中")).id
    local data = read(service, id)
    assert.are.same({ "inbound", "Thanks! 中", PERSON, "received", OURS, "delivered", "UCS-2" },
      { data.direction, data.text, data.from.phone_number, data.from.status,
        data.to[1].phone_number, data.to[1].status, data.encoding })
    assert.are.same({ null, null, null, false },
      { data.autoresponse_type, data.sent_at, data.valid_until, data.is_spam })
    assert.are.equal(403, (ask(service, "DELETE", "/v2/messages/" .. id)).status)
    assert.are.equal(0, service:ledger().posts)
  end)

  it("comes to the profile's webhook, signed, in the form that was captured", function()
    local heard = {}
    local sender = sandbox.sender { profile_webhook_url = "https://app.example/in",
      on_webhook = function(request) heard[#heard + 1] = request return 200 end }
    sender:reply(says("Hi"))
    assert.are.equal(0, #heard)
    sender:advance(1)
    local request = heard[1]
    local body = json.decode(request.body)
    assert.are.same({ 1, "message.received", "https://app.example/in" },
      { #heard, body.data.event_type, body.meta.delivered_to })
    assert.is_true(core.ed25519_verify(core.base64_decode(sender.service:public_key()),
      core.base64_decode(request.headers["telnyx-signature-ed25519"]),
      request.headers["telnyx-timestamp"] .. "|" .. request.body))
    local keys = {}
    local payload = request.body:match('"payload":({.*}),"record_type":"event"')
    for key in payload:sub(2, -2):gsub("%b{}", ""):gsub("%b[]", ""):gmatch('"([%w_]+)":') do
      keys[#keys + 1] = key
    end
    assert.are.equal("autoresponse_type cc completed_at cost cost_breakdown direction encoding"
      .. " errors from id is_spam media messaging_profile_id organization_id parts received_at"
      .. " record_type sent_at subject tags text to type valid_until webhook_failover_url"
      .. " webhook_url", table.concat(keys, " "))
    assert.are.equal("webhook_delivered", body.data.payload.to[1].status)
    assert.is_nil(body.data.payload.from.status)
  end)

  it("may bring media and a whole group", function()
    local service = at_noon()
    local id = service:reply { from = PERSON, to = OURS, cc = { "+13125550003" }, is_spam = true,
      media_urls = { "https://example.com/cat.JPG?x=1", "https://example.com/x" } }.id
    local data = read(service, id)
    assert.are.same({ "MMS", "", true, { "+13125550003" } },
      { data.type, data.text, data.is_spam, data.cc })
    assert.are.same({ "image/jpeg", "application/octet-stream" },
      { data.media[1].content_type, data.media[2].content_type })
    assert.are.same({ 1024, 64 }, { data.media[1].size, #data.media[1].sha256 })
  end)

  it("belongs to the profile that its number was last used with", function()
    local service = at_noon()
    post(service, sms { messaging_profile_id = PROFILE })
    assert.are.equal(PROFILE, read(service, service:reply(says("Hi")).id).messaging_profile_id)
    assert.are.equal(PROFILE, post(service, sms()).messaging_profile_id)
    assert.are_not.equal(PROFILE,
      read(service, service:reply(says("Hi", ANOTHER)).id).messaging_profile_id)
  end)

  it("can be posted to the sandbox's own page", function()
    local service = at_noon()
    local response, decoded = ask(service, "POST", "/sandbox/reply", says("help"))
    assert.are.equal(200, response.status)
    assert.are.same({ "inbound", "HELP", "outbound" }, { decoded.data.direction,
      decoded.data.autoresponse_type, decoded.auto_reply.direction })
    local _, plain = ask(service, "POST", "/sandbox/reply", says("Hi"))
    assert.are.equal(null, plain.auto_reply)
    local bad, problems = ask(service, "POST", "/sandbox/reply",
      { from = "x", text = 5, media_urls = "y", colour = "red" })
    assert.are.same({ 400, "10015 /from, 10015 /to, 10015 /text, 10015 /media_urls,"
      .. " 10015 /colour" }, { bad.status, support.summary(problems) })
    assert.are.equal(400, (ask(service, "POST", "/sandbox/reply", "[]")).status)
    assert.are.equal(400, (ask(service, "POST", "/sandbox/reply", "{")).status)
  end)

  it("is refused where it is not UTF-8, which would spoil every page that shows it", function()
    local service = at_noon()
    for _, body in ipairs {
      '{"from":"+13125550002","to":"+13125550001","text":"\255\254"}',
      '{"from":"+13125550002","to":"+13125550001","text":"\237\160\128"}',
      '{"from":"+13125550002","to":"+13125550001","media_urls":["http://x.example/\255"]}',
      '{"from":"+13125550002","to":"+13125550001","messaging_profile_id":"\192\128"}',
    } do
      local response, problems = ask(service, "POST", "/sandbox/reply", body)
      assert.are.same({ 400, "10028" }, { response.status, problems.errors[1].code })
    end
    local response = ask(service, "PATCH", "/sandbox/options",
      '{"profile_webhook_url":"http://127.0.0.1:9/\255"}')
    assert.are.equal(400, response.status)
    assert.are.equal("[]", (ask(service, "GET", "/sandbox/messages").body:match('"data":(%[%])')))
    for name, value in pairs { text = "\255", media_urls = { "http://x.example/\255" },
      messaging_profile_id = "\255" } do
      local wish = says("x")
      wish[name] = value
      local ok, err = pcall(function() service:reply(wish) end)
      assert.is_false(ok)
      assert.is_truthy(err:find("reply: " .. name .. " must be ", 1, true), err)
    end
    assert.has_error(function() sandbox.new { profile_webhook_url = "http://x.example/\255" } end)
  end)

  it("is checked where it is made in process", function()
    local made = { at_noon(), sandbox.sender() }
    for i = 1, 2 do
      local line = debug.getinfo(1, "l").currentline + 1
      local ok, err = pcall(function() made[i]:reply { from = PERSON, text = "x" } end)
      assert.is_false(ok)
      assert.is_truthy(err:find("sandbox_replies_spec.lua:" .. line
        .. ": reply: to must be a phone number or a short code", 1, true), err)
      assert.has_error(function() made[i]:reply() end)
    end
  end)
end)

describe("the words STOP, START and HELP", function()
  it("are heard alone, in any case, and with blanks around", function()
    local expected = {
      STOP = "STOP", STOPALL = "STOP", ["STOP ALL"] = "STOP", UNSUBSCRIBE = "STOP",
      CANCEL = "STOP", END = "STOP", QUIT = "STOP", [" stop\n"] = "STOP", START = "START",
      UnStop = "START", HELP = "HELP",
    }
    for text, wish in pairs(expected) do
      local result = at_noon():reply(says(text))
      assert.are.equal(wish, result.autoresponse_type, text)
      assert.is_string(result.auto_reply)
    end
    for _, text in ipairs { "REVOKE", "OPT OUT", "please stop", "STOP.", "", "YES" } do
      local result = at_noon():reply(says(text))
      assert.are.same({ nil, nil }, { result.autoresponse_type, result.auto_reply }, text)
    end
  end)

  it("block a person for all numbers of a profile, until START", function()
    local service = at_noon()
    service:reply(says("STOP"))
    local status, words, decoded = refusal(service, sms())
    assert.are.same({ 403, "40300 /to" }, { status, words })
    assert.are.equal("Blocked due to STOP message", decoded.errors[1].title)
    assert.is_truthy(decoded.errors[1].detail:find(OURS, 1, true))
    assert.is_truthy(decoded.errors[1].detail:find(PERSON, 1, true))
    assert.is_truthy(decoded.errors[1].detail:find("existing block rule", 1, true))
    assert.are.equal(403, (refusal(service, sms { from = ANOTHER })))
    assert.are.equal(200, (refusal(service, sms { messaging_profile_id = PROFILE })))
    assert.are.equal(200, (refusal(service, sms { to = "+13125550003", from = ANOTHER })))
    assert.are.equal(2, service:ledger().accepted)
    service:reply(says("HELP", ANOTHER))
    assert.are.equal(403, (refusal(service, sms { from = ANOTHER })))
    service:reply(says("START", ANOTHER))
    assert.are.equal(200, (refusal(service, sms { from = ANOTHER })))
  end)

  it("block a member of a group", function()
    local service = at_noon()
    service:reply(says("STOP"))
    local response, decoded = ask(service, "POST", "/v2/messages/group_mms",
      sms { to = { "+13125550003", PERSON } })
    assert.are.same({ 403, "40300 /to/1" }, { response.status, support.summary(decoded) })
  end)

  it("still come as events", function()
    local heard = {}
    local sender = sandbox.sender { profile_webhook_url = "https://app.example/in",
      on_webhook = function(request)
        heard[#heard + 1] = json.decode(request.body).data.payload.autoresponse_type
        return 200
      end }
    for _, text in ipairs { "STOP", "START", "HELP", "x" } do sender:reply(says(text)) end
    sender:advance(60)
    assert.are.same({ "STOP", "START", "HELP", null }, heard)
  end)

  it("bind the carrier of a toll-free number for itself", function()
    local service, time = at_noon()
    service:reply(says("STOP", TOLL_FREE))
    assert.are.equal(403, (refusal(service, sms { from = TOLL_FREE })))
    service:reply(says("START", OURS))
    local id = post(service, sms { from = TOLL_FREE }).id
    time.now = NOON + 5
    local data = read(service, id)
    assert.are.same({ "delivery_failed", "40300" }, { data.to[1].status, data.errors[1].code })
    service:reply(says("UNSTOP", TOLL_FREE))
    id = post(service, sms { from = TOLL_FREE }).id
    time.now = NOON + 10
    assert.are.equal("delivered", read(service, id).to[1].status)
  end)

  it("are forgotten with the rest", function()
    local service = at_noon()
    service:reply(says("STOP"))
    service:reset_ledger()
    assert.are.equal(200, (refusal(service, sms())))
  end)
end)

describe("the list of opt-outs", function()
  local function list(service, tail)
    local response, decoded = ask(service, "GET", "/v2/messaging_optouts" .. (tail or ""))
    assert(response.status == 200, response.body)
    return decoded
  end

  local function senders(decoded)
    local numbers = {}
    for i, row in ipairs(decoded.data) do numbers[i] = row.to end
    return table.concat(numbers, " ")
  end

  local function three()
    local service, time = at_noon()
    for i = 1, 3 do
      time.now = NOON + i * 3600
      service:reply { from = "+1312555010" .. i, to = OURS, text = "quit" }
    end
    return service
  end

  it("has a row for each rule", function()
    local service = at_noon()
    service:reply(says("stop all"))
    service:reply(says("STOP"))
    local decoded = list(service)
    assert.are.same({ { from = OURS, to = PERSON, keyword = "STOP ALL",
      messaging_profile_id = decoded.data[1].messaging_profile_id,
      created_at = decoded.data[1].created_at } }, decoded.data)
    assert.is_truthy(decoded.data[1].created_at:find("^2025%-03%-22 11:28:39%.40%d+%+00:00$"))
    assert.are.same({ total_pages = 1, total_results = 1, page_number = 1, page_size = 20 },
      decoded.meta)
    service:reply(says("START"))
    assert.are.same({}, list(service).data)
    assert.are.equal(0, list(service).meta.total_pages)
  end)

  it("is filtered and paged", function()
    local service = three()
    assert.are.equal("+13125550102 +13125550103",
      senders(list(service, "?created_at[gte]=2025-03-22T13:00:00Z")))
    assert.are.equal("+13125550101",
      senders(list(service, "?created_at%5Blte%5D=2025-03-22T13:00:00Z")))
    assert.are.equal("", senders(list(service, "?filter[from]=%2B13125550008")))
    assert.are.equal(3, #list(service, "?filter[from]=%2B13125550001").data)
    assert.are.equal(0, #list(service, "?filter[messaging_profile_id]=" .. PROFILE).data)
    local second = list(service, "?page[number]=2&page[size]=2")
    assert.are.same({ "+13125550103", 2 }, { senders(second), second.meta.total_pages })
    assert.are.equal(250, list(service, "?page[size]=1000").meta.page_size)
  end)

  it("hides numbers when asked to", function()
    assert.are.equal("+1312**** +1312**** +1312****",
      senders(list(three(), "?redaction_enabled=true")))
  end)

  it("refuses with one bare error", function()
    local response, decoded = ask(at_noon(), "GET", "/v2/messaging_optouts?created_at[gte]=soon")
    assert.are.same({ 400, "10015" }, { response.status, decoded.code })
    response, decoded = ask(at_noon(), "GET", "/v2/messaging_optouts", nil,
      { authorization = false })
    assert.are.same({ 401, "10009" }, { response.status, decoded.code })
  end)
end)
