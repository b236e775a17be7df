local json = require("cjson.safe").new()
local sandbox = require("telnyx.sandbox")
local read_moment = require("telnyx.moments").parse
local clock = require("telnyx.sandbox.clock")
local knobs = require("telnyx.sandbox.knobs")
local core = require("telnyx.core")
local telnyx = require("telnyx")

local NOON = 1742642919.401 -- 2025-03-22T11:28:39.401Z
local PROFILE = "4001932d-0c6f-4b7e-9f0a-1d2c3b4a5968"

local function service_at(options)
  local time = { now = NOON }
  options = options or {}
  options.now = function() return time.now end
  return sandbox.new(options), time
end

local function post(service, body, headers)
  local all = { authorization = "Bearer KEY_SPEC", ["content-type"] = "application/json" }
  for name, value in pairs(headers or {}) do all[name] = value or nil end
  local response = service:handle {
    method = "POST", path = "/v2/messages", headers = all,
    body = type(body) == "table" and json.encode(body) or body,
  }
  return response, response.body and json.decode(response.body)
end

local function get(service, path)
  local response = service:handle {
    method = "GET", path = path, headers = { authorization = "Bearer KEY_SPEC" },
  }
  return response, json.decode(response.body)
end

local function sms(changes)
  local message = { from = "+18445550001", to = "+18665550001", text = "Hello, World!" }
  for name, value in pairs(changes or {}) do message[name] = value end
  return message
end

-- "10004 /to, 40316 /text": what was refused, where, in order.
local function summary(decoded)
  local words = {}
  for i, problem in ipairs(decoded.errors) do
    words[i] = problem.code
    if problem.source then words[i] = words[i] .. " " .. problem.source.pointer end
  end
  return table.concat(words, ", ")
end

-- The keys of a reply's message, in the order in which they were written.
local function keys_in_order(text)
  local members = text:match('^{"data":{(.*)}}$'):gsub("%b{}", ""):gsub("%b[]", "")
  local keys = {}
  for key in members:gmatch('"([%w_]+)":') do keys[#keys + 1] = key end
  return keys
end

describe("the sandbox's reply to a message", function()
  local service = service_at()
  local response, decoded = post(service, sms())
  local data = decoded.data

  it("is 200 with JSON and a request id", function()
    assert.are.equal(200, response.status)
    assert.are.equal("application/json", response.headers["content-type"])
    assert.is_truthy(response.headers["x-request-id"]:find("^%x+%-%x+%-4%x+%-[89ab]%x+%-%x+$"))
  end)

  it("has the fields of the live service, in its order, and the newer ones", function()
    assert.are.same({
      "record_type", "direction", "id", "type", "organization_id", "messaging_profile_id",
      "from", "to", "cc", "text", "subject", "media", "webhook_url", "webhook_failover_url",
      "encoding", "parts", "tags", "cost", "tcr_campaign_id", "tcr_campaign_billable",
      "tcr_campaign_registered", "received_at", "sent_at", "completed_at", "valid_until",
      "errors", "cost_breakdown", "num_chars", "wait_seconds", "smart_encoding_applied",
    }, keys_in_order(response.body))
  end)

  it("says what was asked", function()
    assert.are.equal("message", data.record_type)
    assert.are.equal("outbound", data.direction)
    assert.are.equal("SMS", data.type)
    assert.are.equal("+18445550001", data.from.phone_number)
    assert.are.equal("+18665550001", data.to[1].phone_number)
    assert.are.equal("queued", data.to[1].status)
    assert.are.equal("Hello, World!", data.text)
    assert.are.equal("GSM-7", data.encoding)
    assert.are.equal(1, data.parts)
    assert.are.equal(13, data.num_chars)
  end)

  it("gives a fresh version 4 UUID to each message", function()
    local seen, hex = {}, "%x%x%x%x"
    local uuid = ("^%s%s%%-%s%%-4%%x%%x%%x%%-[89ab]%%x%%x%%x%%-%s%s%s$")
      :format(hex, hex, hex, hex, hex, hex)
    for _ = 1, 100 do
      local _, another = post(service, sms())
      assert.is_truthy(another.data.id:find(uuid))
      assert.is_nil(seen[another.data.id])
      seen[another.data.id] = true
    end
  end)

  it("writes empty lists, nulls, empty strings and floats as the live service does", function()
    for _, text in ipairs {
      '"cc":[]', '"media":[]', '"tags":[]', '"errors":[]', '"sent_at":null',
      '"completed_at":null', '"tcr_campaign_id":null', '"tcr_campaign_registered":null',
      '"tcr_campaign_billable":false', '"webhook_url":""', '"webhook_failover_url":""',
      '"received_at":"2025-03-22T11:28:39.401+00:00"',
      '"valid_until":"2025-03-22T12:28:39.401+00:00"', '"wait_seconds":0.0', '"parts":1,',
    } do
      assert.is_truthy(response.body:find(text, 1, true), text)
    end
  end)

  it("shows a webhook URL that is not set as an empty string, in every reply", function()
    local unset = '"webhook_url":"","webhook_failover_url":""'
    assert.is_truthy(response.body:find(unset, 1, true))
    local shown = get(service, "/v2/messages/" .. data.id)
    assert.is_truthy(shown.body:find(unset, 1, true))
    local url = "https://example.com/hook"
    local raw = post(service, sms { webhook_failover_url = url })
    assert.is_truthy(raw.body:find(('"webhook_url":"","webhook_failover_url":"%s"'):format(url),
      1, true))
  end)

  it("gives the cost as decimal strings", function()
    assert.is_truthy(data.cost.amount:find("^%d+%.%d%d%d%d$"))
    assert.are.equal("USD", data.cost.currency)
    assert.is_string(data.cost_breakdown.carrier_fee.amount)
    assert.is_string(data.cost_breakdown.rate.amount)
  end)

  it("keeps slashes and foreign letters as they were", function()
    local text = 'a/b \\/ "x" \t 中😀'
    local raw, another = post(service, sms { text = text,
      webhook_url = "https://example.com/hook?a=1" })
    assert.are.equal(text, another.data.text)
    assert.is_truthy(raw.body:find('"webhook_url":"https://example.com/hook?a=1"', 1, true))
    assert.are.equal("UCS-2", another.data.encoding)
  end)
end)

describe("SMS or MMS", function()
  local cases = {
    { "text alone", sms(), "SMS" },
    { "media", sms { media_urls = { "https://example.com/a.png" } }, "MMS" },
    { "media alone", { from = "+18445550001", to = "+18665550001",
      media_urls = { "https://example.com/a.png" } }, "MMS" },
    { "an empty list of media", '{"from":"+18445550001","to":"+18665550001","text":"x",'
      .. '"media_urls":[]}', "MMS" },
    { "type MMS with text alone", sms { type = "MMS" }, "MMS" },
    { "type SMS", sms { type = "SMS" }, "SMS" },
  }
  for _, case in ipairs(cases) do
    it(case[1] .. " makes " .. case[3], function()
      local response, decoded = post(service_at(), case[2])
      assert.are.equal(200, response.status)
      assert.are.equal(case[3], decoded.data.type)
      assert.are.equal(1, decoded.data.parts)
    end)
  end

  it("lists the media and the subject", function()
    local _, decoded = post(service_at(), sms { subject = "Picture",
      media_urls = { "https://example.com/a.png", "http://example.com/b.gif" } })
    assert.are.equal("Picture", decoded.data.subject)
    assert.are.equal("http://example.com/b.gif", decoded.data.media[2].url)
    assert.are.equal(json.null or nil, decoded.data.media[2].size)
  end)
end)

describe("the sandbox's rules", function()
  local long = ("a"):rep(1531)
  local function urls(count)
    local list = {}
    for i = 1, count do list[i] = "https://example.com/" .. i end
    return list
  end
  local null = json.decode("null")

  local cases = {
    -- what, body, expected
    { "no to", { from = "+18445550001", text = "x" }, "10004 /to" },
    { "null to", sms { to = null }, "10015 /to" },
    { "a list of recipients", sms { to = { "+18665550001" } }, "10015 /to" },
    { "a number for a phone number", sms { to = 18665550001 }, "10015 /to" },
    { "a national number", sms { to = "8665550001" }, "40310 /to" },
    { "punctuation", sms { to = "+1 (866) 555-0001" }, "40310 /to" },
    { "a leading zero", sms { to = "+08665550001" }, "40310 /to" },
    { "16 digits", sms { to = "+1234567890123456" }, "40310 /to" },
    { "a bad from", sms { from = "#1" }, "40305 /from" },
    { "a bad alphanumeric from", sms { from = "TwelveLetters" }, "40325 /from" },
    { "an alphanumeric from without a profile", sms { from = "Acme" },
      "10004 /messaging_profile_id" },
    { "an alphanumeric from with media", sms { from = "Acme", to = "+447700900123",
      messaging_profile_id = PROFILE, media_urls = urls(1) }, "40308 /from" },
    { "neither from nor profile", { to = "+18665550001", text = "x" }, "10004 /from" },
    { "a profile that is no UUID", sms { messaging_profile_id = "abc" },
      "10006 /messaging_profile_id" },
    { "no content", { from = "+18445550001", to = "+18665550001" }, "40316 /text" },
    { "an empty text", sms { text = "" }, "40316 /text" },
    { "a text that is a number", sms { text = 42 }, "10015 /text" },
    { "eleven parts", sms { text = long }, "40302 /text" },
    { "type SMS with media", sms { type = "SMS", media_urls = urls(1) }, "40304 /media_urls" },
    { "type SMS with a subject", sms { type = "SMS", subject = "x" }, "40304 /subject" },
    { "eleven media", sms { media_urls = urls(11) }, "40317 /media_urls" },
    { "media that are one string", sms { media_urls = "https://example.com" },
      "10015 /media_urls" },
    { "media that are an object", '{"from":"+18445550001","to":"+18665550001","text":"x",'
      .. '"media_urls":{}}', "10015 /media_urls" },
    { "a medium that is no URL", sms { media_urls = { "https://example.com", "cat.png" } },
      "10003 /media_urls/1" },
    { "a medium that is a number", sms { media_urls = { 7 } }, "10015 /media_urls/0" },
    { "a webhook over ftp", sms { webhook_url = "ftp://example.com" }, "10003 /webhook_url" },
    { "a webhook of 2001 characters", sms {
      webhook_failover_url = "https://example.com/" .. ("x"):rep(1981) },
      "10003 /webhook_failover_url" },
    { "a webhook with a space", sms { webhook_url = "https://example.com/a b" },
      "10003 /webhook_url" },
    { "a lower-case type", sms { type = "sms" }, "10015 /type" },
    { "an upper-case encoding", sms { encoding = "GSM7" }, "10015 /encoding" },
    { "gsm7 for what cannot be", sms { encoding = "gsm7", text = "中" }, "10015 /text" },
    { "a boolean in words", sms { auto_detect = "true" }, "10015 /auto_detect" },
    { "a null that must not be", sms { text = "x", subject = null }, "10015 /subject" },
    { "send_at without a zone", sms { send_at = "2025-03-22T12:00:00" }, "10015 /send_at" },
    { "send_at on a day that is none", sms { send_at = "2025-02-30T12:00:00Z" },
      "10015 /send_at" },
    { "send_at in two minutes", sms { send_at = clock.iso8601(NOON + 120) }, "10033 /send_at" },
    { "send_at in six days", sms { send_at = clock.iso8601(NOON + 6 * 86400) },
      "10033 /send_at" },
  }
  for _, case in ipairs(cases) do
    it(("refuse %s: %s"):format(case[1], case[3]), function()
      local service = service_at()
      local response, decoded = post(service, case[2])
      assert.are.equal(400, response.status)
      assert.are.equal(case[3], summary(decoded))
      assert.are.equal(0, service:ledger().accepted)
    end)
  end

  local good = {
    ["a short code as sender"] = sms { from = "12345" },
    ["a short code as recipient"] = sms { to = "123456" },
    ["an alphanumeric sender"] = sms { from = "Acme Inc 1", to = "+447700900123",
      messaging_profile_id = PROFILE },
    ["a number pool"] = { to = "+18665550001", text = "x", messaging_profile_id = PROFILE },
    ["a profile of any UUID version"] = sms {
      messaging_profile_id = "403195BD-8A0F-FC7E-0D1B-6F7A8B9C0D1E" },
    ["ten parts"] = sms { text = ("a"):rep(1530) },
    ["five parts with auto_detect"] = sms { text = ("a"):rep(700), auto_detect = true },
    ["ten media"] = sms { media_urls = urls(10) },
    ["a URL of 2000 characters"] = sms { webhook_url = "https://example.com/" .. ("x"):rep(1980) },
    ["send_at null"] = sms { send_at = null },
    ["a field it does not know"] = sms { flavour = "vanilla" },
    ["ucs2 for plain text"] = sms { encoding = "ucs2" },
  }
  for name, body in pairs(good) do
    it("let " .. name .. " pass", function()
      local response, decoded = post(service_at(), body)
      assert.are.equal("", decoded.errors and summary(decoded) or "")
      assert.are.equal(200, response.status)
    end)
  end

  it("report everything that is wrong at once", function()
    local _, decoded = post(service_at(), { to = {}, from = "?", type = "sms",
      webhook_url = "x", auto_detect = 1 })
    assert.are.equal("10015 /to, 10015 /type, 10015 /auto_detect, 40305 /from, 40316 /text, "
      .. "10003 /webhook_url", summary(decoded))
  end)

  it("write errors as the live service does", function()
    local response = post(service_at(), sms { to = "12" })
    assert.are.equal('{"errors":[{"code":"40310","title":"Invalid \'to\' address",'
      .. '"detail":"The \'to\' address should be a single valid number.",'
      .. '"source":{"pointer":"/to"},'
      .. '"meta":{"url":"https://developers.telnyx.com/docs/overview/errors/40310"}}]}',
      response.body)
  end)

  it("honour the recommended number of parts", function()
    local body = sms { text = ("a"):rep(200), auto_detect = true }
    assert.are.equal(200, (post(service_at(), body)).status)
    assert.are.equal(400, (post(service_at { recommended_parts = 1 }, body)).status)
  end)
end)

describe("requests that are no messages", function()
  local cases = {
    { "no JSON", "hello", 400, "10023" },
    { "nothing", "", 400, "10023" },
    { "JSON cut off", '{"to":"+1', 400, "10023" },
    { "a list", "[]", 400, "10015" },
    { "a string", '"x"', 400, "10015" },
    { "null", "null", 400, "10015" },
    { "Latin-1", '{"text":"\233"}', 400, "10028" },
    { "an overlong form", '{"text":"\192\128"}', 400, "10028" },
    { "a surrogate in UTF-8", '{"text":"\237\160\128"}', 400, "10028" },
    { "a lone surrogate escape", '{"text":"\\ud800"}', 400, "10023" },
    { "a hexadecimal number", '{"x":0x10}', 400, "10023" },
    { "NaN", '{"x":NaN}', 400, "10023" },
    { "infinity", '{"x":[-Infinity]}', 400, "10023" },
    { "a number with a leading zero", '{"x":012}', 400, "10023" },
    { "a number that ends in its point", '{"x":1.}', 400, "10023" },
    { "a number without a whole part", '{"x":-.5}', 400, "10023" },
    { "a raw line break in a string", '{"text":"a\nb"}', 400, "10023" },
    { "a raw control byte in a name", '{"a\1":"b"}', 400, "10023" },
    { "what follows a NUL", '{"text":"x"}\0{', 400, "10023" },
  }
  for _, case in ipairs(cases) do
    it("refuses " .. case[1], function()
      local response, decoded = post(service_at(), case[2])
      assert.are.equal(case[3], response.status)
      assert.are.equal(case[4], decoded.errors[1].code)
    end)
  end

  it("takes every way to write a number, and a string that looks like none", function()
    for _, value in ipairs { "0", "-0", "10", "1.50", "0e1", "-2.5E+10", "1e-7", "[1,-2]",
      '"0x10"', '"\\"012\\\\"', '"a\127b"', "true", "null" } do
      local body = '{"from":"+18445550001","to":"+18665550001","text":"x","x":' .. value .. "}"
      assert.are.equal(200, (post(service_at(), body)).status, value)
    end
  end)

  it("wants JSON by name", function()
    local _, decoded = post(service_at(), sms(), { ["content-type"] = "text/plain" })
    assert.are.equal("10029", decoded.errors[1].code)
    local response = post(service_at(), sms(),
      { ["content-type"] = "Application/JSON; charset=utf-8" })
    assert.are.equal(200, response.status)
  end)
end)

describe("the sandbox's doors", function()
  local function handle(method, path, headers)
    local response = service_at():handle { method = method, path = path, headers = headers or {} }
    return { response.status, json.decode(response.body).errors[1].code, response.headers.allow }
  end

  it("need a Bearer key", function()
    for _, value in ipairs { "", "KEY123", "Basic KEY123", "Bearer ", "Bearer nonsense" } do
      local response, decoded = post(service_at(), sms(), { authorization = value })
      assert.are.equal(401, response.status)
      assert.are.equal("10009", decoded.errors[1].code)
    end
  end)

  it("have keys that are revoked and expired", function()
    for key, code in pairs { KEY_REVOKED = "20002", KEY_EXPIRED = "20006" } do
      local response, decoded = post(service_at(), sms(), { authorization = "Bearer " .. key })
      assert.are.equal(401, response.status)
      assert.are.equal(code, decoded.errors[1].code)
    end
  end)

  it("open to the keys of the owner's choice", function()
    local listed = service_at { api_keys = { "mine" } }
    assert.are.equal(200, (post(listed, sms(), { authorization = "Bearer mine" })).status)
    assert.are.equal(401, (post(listed, sms())).status)
    local asked = service_at { api_keys = function() return "10010" end }
    assert.are.equal(403, (post(asked, sms())).status)
  end)

  it("know their methods", function()
    assert.are.same({ 405, "10030", "POST" }, handle("PUT", "/v2/messages"))
    assert.are.same({ 405, "10030", "DELETE, GET" }, handle("PATCH", "/v2/messages/x"))
    assert.are.same({ 405, "10030", "POST" }, handle("GET", "/v2/messages/group_mms"))
    assert.are.same({ 405, "10030", "DELETE, GET" }, handle("POST", "/sandbox/ledger"))
  end)

  it("lead nowhere else", function()
    assert.are.same({ 404, "10005" }, handle("GET", "/v2"))
    assert.are.same({ 404, "10005" }, handle("POST", "/v2/messages/"))
    assert.are.same({ 404, "10005" }, handle("POST", "/messages"))
  end)

  it("are not moved by a query", function()
    local response = service_at():handle { method = "GET", path = "/sandbox/ledger?x=1",
      headers = {} }
    assert.are.equal(200, response.status)
  end)

  it("stay shut with a word when the owner's function answers nonsense", function()
    local words = "sandbox option 'api_keys' must return true, false, nil or the code of a"
      .. " refusal such as \"10010\", but it returned "
    local answers = { ["99999"] = '"99999"', ["40001"] = '"40001"', [10010] = "10010" }
    for answer, shown in pairs(answers) do
      local service = service_at { api_keys = function() return answer end }
      assert.has_error(function() post(service, sms()) end, words .. shown)
    end
  end)
end)

describe("the sandbox's options", function()
  -- Those that are no knobs are these.
  local known = { "api_keys", "keep", "now", "segments", "signing_seed", "uuid" }
  for _, name in ipairs(knobs.names()) do known[#known + 1] = name end
  table.sort(known)
  known = table.concat(known, ", ")

  -- The message without its position, which must be the caller's own line.
  local function complaint(make, given)
    local line = debug.getinfo(1, "l").currentline + 1
    local ok, err = pcall(function() local _ = make(given) end)
    assert.is_false(ok)
    local place, words = tostring(err):match("^(.-:%d+): (.*)$")
    assert.is_truthy(place and place:find("sandbox_spec.lua:" .. line .. "$"), err)
    return words
  end

  local whole = "must be a whole number from %d to 1000000000, got "
  local of_both = {
    { { now = 5 }, "'now' must be a function, got 5" },
    { { uuid = "x" }, "'uuid' must be a function, got \"x\"" },
    { { segments = {} }, "'segments' must be a function, got a table" },
    { { api_keys = "KEY" }, "'api_keys' must be a list of strings or a function, got a string" },
    { { api_keys = { 42 } }, "'api_keys' must be a list of strings or a function, got a table" },
    { { recommended_parts = 0 }, "'recommended_parts' " .. whole:format(1) .. "0" },
    { { smart_encoding = "no" }, "'smart_encoding' must be true or false, got \"no\"" },
    { { rate_limit = 2.5 }, "'rate_limit' " .. whole:format(0) .. "2.5" },
    { { rate_limit = -1 }, "'rate_limit' " .. whole:format(0) .. "-1" },
    { { rate_limit = "2" }, "'rate_limit' " .. whole:format(0) .. "\"2\"" },
    { { keep = 0 }, "'keep' " .. whole:format(1) .. "0" },
    { { max_parts = 0 }, "'max_parts' " .. whole:format(1) .. "0" },
    { { chunking = 1 }, "'chunking' must be true or false, got 1" },
    { { idempotency = "yes" }, "'idempotency' must be true or false, got \"yes\"" },
    { { signing_seed = "short" }, "'signing_seed' must be a string of 32 bytes, got a string" },
    { { signature = "bad" }, "'signature' must be \"good\", \"wrong_key\", \"flipped_bit\","
      .. " \"missing\", \"no_timestamp\", \"url_safe\" or \"altered_body\", got \"bad\"" },
    { { timestamp_shift = "1" },
      "'timestamp_shift' must be a number of seconds from -1000000000 to 1000000000, got \"1\"" },
    { { profile_webhook_url = "x" },
      "'profile_webhook_url' must be an http or https URL, got \"x\"" },
    { { t_sent = "1" }, "'t_sent' must be a number of seconds from 0 to 1000000000, got \"1\"" },
    { { t_finalized = -1 },
      "'t_finalized' must be a number of seconds from 0 to 1000000000, got -1" },
    { { not_found_code = "404" },
      "'not_found_code' must be \"10005\" or \"40303\", got \"404\"" },
    { { refuses_own_number = 1 }, "'refuses_own_number' must be true or false, got 1" },
    { { fallback_sender = "12345" },
      "'fallback_sender' must be a phone number such as +13125550001, got \"12345\"" },
    { { fallback_sender = true },
      "'fallback_sender' must be a phone number such as +13125550001, got true" },
  }
  local visible = "'api_key' must be a string of visible ASCII characters, got a "
  local of_sender = {
    { { api_key = 42 }, visible .. "number" },
    { { api_key = "KEY SECRET" }, visible .. "string" },
    { { sleep = 3 }, "'sleep' must be a function, got 3" },
  }

  it("are checked at once, and the caller is told what is allowed", function()
    for _, case in ipairs(of_both) do
      assert.are.equal("sandbox option " .. case[2], complaint(sandbox.new, case[1]))
      assert.are.equal("sandbox option " .. case[2], complaint(sandbox.sender, case[1]))
    end
    for _, case in ipairs(of_sender) do
      assert.are.equal("sandbox option " .. case[2], complaint(sandbox.sender, case[1]))
    end
  end)

  it("are refused by a name that is not known", function()
    assert.are.equal("unknown sandbox option \"nwo\"; known: " .. known,
      complaint(sandbox.new, { nwo = os.time }))
    assert.are.equal("unknown sandbox option \"sleep\"; known: " .. known,
      complaint(sandbox.new, { sleep = print }))
    local words = complaint(sandbox.sender, { slep = print })
    assert.is_truthy(words:find("signing_seed, sleep, smart_encoding", 1, true))
  end)

  it("are a table", function()
    local words = "sandbox options must be a table, got "
    assert.are.equal(words .. '"x"', complaint(sandbox.sender, "x"))
    assert.are.equal(words .. "42", complaint(sandbox.new, 42))
    assert.are.equal(words .. "false", complaint(sandbox.sender, false))
  end)
end)

describe("time", function()
  local function life(body, moments)
    local service, time = service_at()
    local _, sent = post(service, body)
    local story = {}
    for i, seconds in ipairs(moments) do
      time.now = NOON + seconds
      local _, decoded = get(service, "/v2/messages/" .. sent.data.id)
      story[i] = decoded.data
    end
    return story
  end

  local function statuses(story)
    local list = {}
    for i, data in ipairs(story) do list[i] = data.to[1].status end
    return table.concat(list, " ")
  end

  it("moves a message from queued to delivered", function()
    local story = life(sms(), { 0, 0.4, 0.5, 1, 1.9, 2, 9999 })
    assert.are.equal("queued queued sending sent sent delivered delivered", statuses(story))
    local null = json.decode("null")
    assert.are.equal(null, story[3].sent_at)
    assert.are.equal("2025-03-22T11:28:40.401+00:00", story[4].sent_at)
    assert.are.equal(null, story[4].completed_at)
    assert.are.equal("2025-03-22T11:28:41.401+00:00", story[6].completed_at)
    assert.are.equal("2025-03-22T12:28:39.401+00:00", story[3].valid_until)
    assert.are.equal(null, story[4].valid_until)
  end)

  it("keeps a scheduled message until its hour", function()
    local story = life(sms { send_at = "2025-03-22T14:28:39+02:00" }, { 0, 3599, 3600, 3700 })
    assert.are.equal("scheduled scheduled queued delivered", statuses(story))
    assert.are.equal("2025-03-22T12:28:39.000+00:00", story[1].send_at)
  end)

  it("brings a message to another end when the recipient says so", function()
    local story = life(sms { to = "+15550040008" }, { 0, 1, 2 })
    assert.are.equal("queued sent delivery_failed", statuses(story))
    assert.are.same({}, story[2].errors)
    assert.are.equal("40008", story[3].errors[1].code)
    assert.are.equal("queued expired", statuses(life(sms { to = "+15550040014" }, { 0, 2 })))
    assert.are.equal("delivery_unconfirmed", statuses(life(sms { to = "+15550040000" }, { 2 })))
  end)

  it("does not conjure up messages", function()
    local response, decoded = get(service_at(), "/v2/messages/" .. PROFILE)
    assert.are.equal(404, response.status)
    assert.are.equal("10005", decoded.errors[1].code)
  end)

  it("is read and written the ISO way", function()
    for text, instant in pairs {
      ["1970-01-01T00:00:00Z"] = 0, ["2000-02-29T23:59:59.5Z"] = 951868799.5,
      ["2025-03-22T11:28:39+00:00"] = 1742642919, ["2025-03-22T13:28:39+0200"] = 1742642919,
      ["2025-03-22T00:28:39-11:00"] = 1742642919, ["2025-03-23T01:28:39+14:00"] = 1742642919,
    } do
      assert.are.equal(instant, read_moment(text))
    end
    for _, text in ipairs { "", "now", "2025-03-22", "2025-13-01T00:00:00Z",
      "2025-02-29T00:00:00Z", "2025-01-01T24:00:00Z", "2025-01-01T00:00:00.Z",
      "2025-01-01T00:00:00+1", "2025-01-01T00:00:00+99:00", "2025-01-01T00:00:00-15:00",
      "2025-01-01T00:00:00+00:60" } do
      assert.is_nil(read_moment(text), text)
    end
    assert.are.equal("1970-01-01T00:00:01.000+00:00", clock.iso8601(0.9999))
    assert.are.equal("Thu, 01 Jan 1970 00:00:00 GMT", clock.http_date(0))
  end)
end)

describe("the ledger", function()
  local function ledger(service)
    local _, decoded = get(service, "/sandbox/ledger")
    return decoded
  end

  it("counts what was accepted, duplicates included", function()
    local service = service_at()
    post(service, sms { text = "once" })
    post(service, sms { text = "twice" })
    post(service, sms { text = "twice" })
    post(service, sms { text = "never", to = "+15550040310" })
    assert.are.same({ posts = 4, accepted = 3, messages = {
      once = { posts = 1, accepted = 1 },
      twice = { posts = 2, accepted = 2 },
      never = { posts = 1, accepted = 0 },
    } }, ledger(service))
    assert.are.same(ledger(service), service:ledger())
  end)

  it("prefers the ref of the webhook_url to the text", function()
    local service = service_at()
    post(service, sms { webhook_url = "https://example.com/hook?a=1&ref=order%2017#x" })
    assert.are.same({ ["order 17"] = { posts = 1, accepted = 1 } }, ledger(service).messages)
  end)

  it("knows a message without a text by its first medium", function()
    local service = service_at()
    post(service, { from = "+18445550001", to = "+18665550001",
      media_urls = { "https://example.com/a.png" } })
    assert.are.equal(1, ledger(service).messages["https://example.com/a.png"].accepted)
  end)

  it("counts requests that were turned away at the door or could not be read", function()
    local service = service_at()
    post(service, sms(), { authorization = "" })
    post(service, "{")
    assert.are.same({ posts = 2, accepted = 0, messages = {} }, ledger(service))
  end)

  it("can be set back, which forgets the messages as well", function()
    local service = service_at()
    local _, sent = post(service, sms())
    local response = service:handle { method = "DELETE", path = "/sandbox/ledger", headers = {} }
    assert.are.equal('{"posts":0,"accepted":0,"messages":{}}', response.body)
    assert.are.equal(404, (get(service, "/v2/messages/" .. sent.data.id)).status)
  end)

  it("shows bytes that are not UTF-8 percent-encoded", function()
    local service = service_at()
    for _, ref in ipairs { "%FF", "a%C3%A4%C3z%ED%A0%80", "%E4%B8" } do
      post(service, sms { webhook_url = "https://example.com/?ref=" .. ref })
    end
    local messages, count = ledger(service).messages, 0
    for _ in pairs(messages) do count = count + 1 end
    assert.are.equal(3, count)
    assert.is_truthy(messages["%FF"])
    assert.is_truthy(messages["aä%C3z%ED%A0%80"])
    assert.is_truthy(messages["%E4%B8"])
    assert.are.same(messages, service:ledger().messages)
  end)

  it("knows a long text by its beginning, its length and a checksum", function()
    local service = service_at()
    local head = ("x"):rep(200)
    local codes = { "131", "212", "131", "113" }
    for _, code in ipairs(codes) do post(service, sms { text = head .. code }) end
    post(service, sms { text = head })
    local messages = ledger(service).messages
    assert.are.same({ posts = 1, accepted = 1 }, messages[head])
    local counts = {}
    for reference, row in pairs(messages) do
      if reference ~= head then
        local checksum = reference:match("^" .. head .. "%.%.%. %(203 bytes, (%x+)%)$")
        assert.are.equal(16, #checksum)
        counts[#counts + 1] = row.accepted
      end
    end
    table.sort(counts)
    assert.are.same({ 1, 1, 2 }, counts)
  end)

  it("cuts a long text between characters", function()
    local service = service_at()
    post(service, sms { text = "x" .. ("中"):rep(100), type = "MMS" })
    local reference = next(ledger(service).messages)
    assert.are.equal("x" .. ("中"):rep(66) .. "... (301 bytes, ", reference:sub(1, 215))
  end)

  it("has exact totals, whatever rows it has dropped", function()
    local service = service_at { keep = 3 }
    for i = 1, 5 do
      post(service, sms { text = "text " .. i })
      post(service, sms { text = "text " .. i })
    end
    local row = { posts = 2, accepted = 2 }
    local expected = { posts = 10, accepted = 10, dropped = 2,
      messages = { ["text 3"] = row, ["text 4"] = row, ["text 5"] = row } }
    assert.are.same(expected, ledger(service))
    assert.are.same(expected, service:ledger())
    service:reset_ledger()
    assert.are.same({ posts = 0, accepted = 0, messages = {} }, ledger(service))
  end)
end)

describe("the sandbox's memory", function()
  local function fill(service, count)
    local ids = {}
    for i = 1, count do
      local _, sent = post(service, sms { text = "text " .. i })
      ids[i] = sent.data.id
    end
    return ids
  end

  local function kept(service, ids)
    local list = {}
    for i, id in ipairs(ids) do
      if get(service, "/v2/messages/" .. id).status == 200 then list[#list + 1] = i end
    end
    return list
  end

  it("holds the newest messages", function()
    local service = service_at { keep = 3 }
    assert.are.same({ 5, 6, 7 }, kept(service, fill(service, 7)))
    assert.are.same({ 1, 2 }, kept(service, fill(service, 2)))
  end)

  it("does not grow with what went through it", function()
    local service = service_at { keep = 50 }
    local function size_after(count)
      for i = 1, count do
        post(service, sms { text = ("%d "):format(i) .. ("x"):rep(900), to = "+15550042910" })
      end
      collectgarbage()
      collectgarbage()
      return collectgarbage("count")
    end
    local before = size_after(200)
    -- Kept, they would take 900; the rest of the process is not quite still.
    assert.is_true(size_after(1000) - before < 400)
  end)
end)

describe("the rate limit", function()
  it("is told with every answer to a post, and kept", function()
    local service, time = service_at { rate_limit = 2 }
    local function remaining()
      local headers = post(service, sms()).headers
      return headers["x-ratelimit-remaining"], headers["x-ratelimit-reset"]
    end
    assert.are.same({ "1", "60" }, { remaining() })
    time.now = NOON + 20
    assert.are.same({ "0", "40" }, { remaining() })
    local response, decoded = post(service, sms())
    assert.are.same({ 429, "10011", "40" },
      { response.status, decoded.errors[1].code, response.headers["retry-after"] })
    time.now = NOON + 60
    assert.are.equal(200, (post(service, sms())).status)
  end)
end)

describe("the weather", function()
  it("has a number of its own for everything, in order", function()
    local before = ""
    for _, row in ipairs(sandbox.weather()) do
      assert.is_truthy(row.number:find("^%+155500%d%d%d%d%d$"))
      assert.is_true(row.number > before)
      assert.is_string(row.causes)
      assert.is_boolean(row.accepted)
      before = row.number
    end
    assert.is_true(#sandbox.weather() > 100)
  end)

  for _, row in ipairs(sandbox.weather()) do
    it(("%s: %s"):format(row.number, row.causes), function()
      local service = service_at()
      local response = post(service, sms { to = row.number })
      assert.are.equal(row.accepted and 1 or 0, service:ledger().accepted)
      if row.stage then
        assert.are.equal(row.ending, response.fault.kind)
        assert.is_string(response.fault.bytes)
      else
        assert.are.equal(row.status, response.status)
        assert.is_string(response.headers["content-type"])
        assert.are.equal(row.seconds, response.fault and response.fault.seconds)
      end
      if row.code and not row.stage then
        assert.are.equal(row.code, json.decode(response.body).errors[1].code)
      end
    end)
  end

  it("says how long to wait in every way there is", function()
    local function headers(digits)
      return post(service_at(), sms { to = "+155500" .. digits }).headers
    end
    assert.is_nil(headers("42900")["retry-after"])
    assert.is_nil(headers("42900")["x-ratelimit-reset"])
    assert.are.equal("1", headers("42901")["retry-after"])
    assert.are.equal("Sat, 22 Mar 2025 11:28:42 GMT", headers("42902")["retry-after"])
    assert.are.equal("250", headers("42903")["retry-after-ms"])
    assert.are.equal("1", headers("42904")["x-ratelimit-reset"])
    assert.are.equal("1742642922", headers("42905")["x-ratelimit-reset"])
    assert.are.equal("1", headers("00513")["retry-after"])
  end)

  it("passes, for each message on its own", function()
    local service = service_at()
    local function status(text, digits)
      return post(service, sms { text = text, to = "+155500" .. digits }).status
    end
    assert.are.same({ 429, 200, 200 }, { status("a", "42910"), status("a", "42910"),
      status("a", "42910") })
    assert.are.equal(429, status("b", "42910"))
    assert.are.same({ 429, 429, 200 }, { status("c", "42912"), status("c", "42912"),
      status("c", "42912") })
    assert.are.same({ 500, 200 }, { status("d", "51500"), status("d", "51500") })
    assert.are.equal(2, service:ledger().messages.d.accepted)
  end)

  it("gives 2xx replies that are no good", function()
    local function body(digits)
      return post(service_at(), sms { to = "+155500" .. digits }).body
    end
    assert.are.equal("", body("60001"))
    assert.is_nil((json.decode(body("60003"))))
    assert.is_nil(json.decode(body("60004")).data.id)
    assert.is_true(#body("60005") > 8 * 1024 * 1024)
    assert.is_truthy(body("60006"):find("^<html>"))
    assert.are.equal(42, json.decode(body("60010")).data.id)
  end)

  it("comes only after the rules", function()
    local service = service_at()
    local response = post(service, sms { to = "+15550000500", text = "" })
    assert.are.equal(400, response.status)
  end)
end)

describe("the sender in process", function()
  local function sender_at(options)
    local time = { now = NOON }
    options = options or {}
    options.now = function() return time.now end
    return sandbox.sender(options), time
  end

  it("sends", function()
    local sender = sender_at()
    local message, info = sender:send(sms())
    assert.are.equal("Hello, World!", message.text)
    assert.are.equal("accepted", info.outcome)
    assert.are.equal(1, sender:ledger().messages["Hello, World!"].accepted)
  end)

  it("reads a message back", function()
    local sender, time = sender_at()
    local message = assert(sender:send(sms()))
    time.now = NOON + 5
    assert.are.equal("delivered", sender:get(message.id).to[1].status)
  end)

  it("refuses locally what is not worth sending", function()
    local sender = sender_at()
    local message, err = sender:send(sms { to = "nobody" })
    assert.is_nil(message)
    assert.are.equal("not_sent", err.outcome)
    assert.are.equal(0, sender:ledger().posts)
  end)

  local outcomes = {
    ["+15550040300"] = "rejected", ["+15550042901"] = "rejected",
    ["+15550000500"] = "unknown", ["+15550001500"] = "unknown",
    ["+15550060001"] = "accepted", ["+15550060003"] = "accepted",
    ["+15550030701"] = "rejected",
    ["+15550080001"] = "unknown", ["+15550090001"] = "unknown",
    ["+15550090012"] = "unknown", ["+15550090021"] = "accepted",
    ["+15550090031"] = "accepted", ["+15550090042"] = "accepted",
    ["+15550090051"] = "accepted", ["+15550090061"] = "unknown",
    ["+15550090071"] = "unknown", ["+15550090003"] = "unknown",
  }
  for number, outcome in pairs(outcomes) do
    it(("reports %s as %s"):format(number, outcome), function()
      local sender = sender_at()
      local message, err = sender:send(sms { to = number })
      assert.is_nil(message)
      assert.are.equal(outcome, err.outcome)
    end)
  end

  it("spends time only when told to", function()
    local spent = 0
    local sender = sender_at { sleep = function(seconds) spent = spent + seconds end }
    assert.is_truthy(sender:send(sms { to = "+15550070001" }, { timeout = 10 }))
    assert.are.equal(1, spent)
    local message, err = sender:send(sms { to = "+15550070030" }, { timeout = 10 })
    assert.is_nil(message)
    assert.are.same({ "unknown", "timeout" }, { err.outcome, err.kind })
    assert.are.equal(11, spent)
    assert.are.equal(2, sender:ledger().accepted)
  end)

  it("knows the status of an answer that was cut in its headers", function()
    local _, accepted = sender_at():send(sms { to = "+15550090021" })
    assert.are.same({ "accepted", "connection", 200 },
      { accepted.outcome, accepted.kind, accepted.status })
    local _, unknown = sender_at():send(sms { to = "+15550080022" })
    assert.are.same({ "unknown", "connection", 500 },
      { unknown.outcome, unknown.kind, unknown.status })
  end)
end)

describe("the clock of the sender in process", function()
  local function status(sender, id) return sender:get(id).to[1].status end

  it("is moved on by sleeping, and the messages with it", function()
    local sender = sandbox.sender()
    local message = assert(sender:send(sms()))
    local started, real = sender:monotonic(), os.clock()
    assert.are.equal("queued", status(sender, message.id))
    sender:sleep(1.5)
    assert.are.equal("sent", status(sender, message.id))
    sender:sleep(3600)
    assert.are.equal("delivered", status(sender, message.id))
    local passed = sender:monotonic() - started
    assert.is_true(passed >= 3601.4 and passed < 3602.5, passed)
    assert.is_true(os.clock() - real < 1)
  end)

  it("leaves the owner's own clock alone", function()
    local sender = sandbox.sender { now = function() return NOON end }
    local message = assert(sender:send(sms()))
    sender:sleep(100)
    assert.are.equal("queued", status(sender, message.id))
  end)

  it("counts no time twice that the owner's sleep has spent", function()
    local sender = sandbox.sender { sleep = function() core.sleep(0.05) end }
    local started = sender:monotonic()
    sender:sleep(0.05)
    sender:sleep(10)
    local passed = sender:monotonic() - started
    assert.is_true(passed >= 10.049 and passed < 10.09, passed)
  end)

  it("lets a client's waits cost nothing", function()
    local spent = 0
    local sender = sandbox.sender { sleep = function(seconds) spent = spent + seconds end }
    local client = telnyx.new { sender = sender }
    local started, real = sender:monotonic(), core.monotonic()
    local _, info = client:send(sms { to = "+15550042911" })
    assert.are.same({ "accepted", 2 }, { info.outcome, #info.attempts })
    assert.is_true(spent >= 1 and spent < 10, spent)
    assert.is_true(sender:monotonic() - started >= 1)
    assert.is_true(core.monotonic() - real < 1)
  end)

  it("gives a slow answer its time", function()
    local client = telnyx.new { sender = sandbox.sender(), retry = false, timeout = 10 }
    local _, info = client:send(sms { to = "+15550070005" })
    assert.is_true(math.abs(info.attempts[1].seconds - 5) < 0.5)
    local _, err = client:send(sms { to = "+15550070030" })
    assert.are.same({ "unknown", "timeout" }, { err.outcome, err.kind })
    assert.is_true(math.abs(err.attempts[1].seconds - 10) < 0.5)
    local _, late = client:send(sms { to = "+15550070005" }, { timeout = 5 })
    assert.are.same({ "unknown", "timeout" }, { late.outcome, late.kind })
  end)

  it("does not wait for what comes after a whole reply", function()
    local client = telnyx.new { sender = sandbox.sender(), retry = false, timeout = 10 }
    for _, digits in ipairs { "90073", "90083", "90093" } do
      local _, info = client:send(sms { to = "+155500" .. digits })
      assert.is_true(info.attempts[1].seconds < 0.5)
    end
  end)

  it("paces many messages, without waiting and without a rush", function()
    local naps = 0
    local sender = sandbox.sender { sleep = function() naps = naps + 1 end }
    local client = telnyx.new { sender = sender }
    local started, real, list = sender:monotonic(), core.monotonic(), {}
    for i = 1, 100 do list[i] = sms { text = "paced " .. i } end
    assert.are.equal(100, client:send_all(list, { rate = 1 }).accepted)
    local passed = sender:monotonic() - started
    assert.is_true(passed >= 98.9 and passed < 101, passed)
    assert.is_true(core.monotonic() - real < 5)
    assert.is_true(naps <= 100, naps)
  end)
end)
