local json = require("cjson.safe").new()
local sandbox = require("telnyx.sandbox")

local NOON = 1742644800 -- 2025-03-22T12:00:00Z
local PROFILE = "4001932d-0c6f-4b7e-9f0a-1d2c3b4a5968"
local BRITON = "+447700900123"
local null = json.decode("null")

local function service_with(options)
  local own = { now = function() return NOON end }
  for name, value in pairs(options or {}) do own[name] = value end
  return sandbox.new(own)
end

local function post(service, body, key)
  local response = service:handle {
    method = "POST", path = "/v2/messages",
    headers = { authorization = "Bearer KEY_SPEC", ["content-type"] = "application/json",
      ["idempotency-key"] = key },
    body = type(body) == "table" and json.encode(body) or body,
  }
  return response, response.body and json.decode(response.body)
end

local NONE = {}

-- A message that is fine, but for the changes; NONE takes a field away.
local function sms(changes)
  local message = { from = "+13125550001", to = "+13125550002", text = "x" }
  for name, value in pairs(changes or {}) do
    message[name] = value
    if value == NONE then message[name] = nil end
  end
  return message
end

-- The same with media that JSON writes as an empty list.
local function with_empty_media(changes)
  return (json.encode(sms(changes)):gsub("}$", ',"media_urls":[]}'))
end

-- "10004 /to, 40316 /text": what was refused, where, in order; "" for what was not.
local function verdict(decoded)
  local words = {}
  for i, problem in ipairs(decoded.errors or {}) do
    words[i] = problem.code
    if problem.source then words[i] = words[i] .. " " .. problem.source.pointer end
  end
  return table.concat(words, ", ")
end

local function outcome(options, body)
  local service = service_with(options)
  local response, decoded = post(service, body)
  local words = verdict(decoded)
  assert.are.equal(words == "" and 200 or 400, response.status)
  assert.are.equal(words == "" and 1 or 0, service:ledger().accepted)
  return words, decoded.data, decoded.errors
end

-- Rows of { what, body, verdict, options }.
local function judge(title, rows)
  describe("the sandbox's rules of " .. title, function()
    for _, row in ipairs(rows) do
      local what, body, expected, options = row[1], row[2], row[3], row[4]
      it(("%s %s %s"):format(expected == "" and "take" or "refuse", what, expected), function()
        assert.are.equal(expected, (outcome(options, body)))
      end)
    end
  end)
end

-- One row for each value of a field.
local function each(rows, field, values, expected, changes, options)
  for _, value in ipairs(values) do
    local all = { [field] = value }
    for name, other in pairs(changes or {}) do all[name] = other end
    local shown = tostring(value)
    rows[#rows + 1] = { field .. " " .. shown:sub(1, 60), sms(all), expected, options }
  end
end

local function list_of(count, item)
  local list = {}
  for i = 1, count do list[i] = item end
  return list
end

local PICTURE = "https://example.com/a.png"

do
  local rows = {}
  local strings = { "to", "from", "messaging_profile_id", "text", "subject", "webhook_url",
    "webhook_failover_url", "type", "encoding", "send_at" }
  for _, name in ipairs(strings) do
    each(rows, name, { 42, true, { "x" } }, "10015 /" .. name)
  end
  for _, name in ipairs { "use_profile_webhooks", "auto_detect" } do
    each(rows, name, { 1, "true", null, { true } }, "10015 /" .. name)
    each(rows, name, { true, false }, "")
  end
  for _, name in ipairs { "to", "from", "messaging_profile_id", "text", "subject", "type",
    "encoding", "media_urls" } do
    each(rows, name, { null }, "10015 /" .. name)
  end
  for _, name in ipairs { "send_at", "webhook_url", "webhook_failover_url" } do
    each(rows, name, { null }, "")
  end
  each(rows, "media_urls", { 42, true, PICTURE, { a = PICTURE } }, "10015 /media_urls")
  each(rows, "type", { "sms", "mms", "", "RCS" }, "10015 /type")
  each(rows, "type", { "SMS", "MMS" }, "")
  each(rows, "encoding", { "GSM7", "utf8", "", "GSM-7" }, "10015 /encoding")
  each(rows, "encoding", { "auto", "gsm7", "ucs2" }, "")
  rows[#rows + 1] = { "media that are an empty object", '{"from":"+13125550001","text":"x",'
    .. '"to":"+13125550002","media_urls": {}}', "10015 /media_urls" }
  rows[#rows + 1] = { "media of the wrong type", sms { media_urls = { PICTURE, 7, null, {} } },
    "10015 /media_urls/1, 10015 /media_urls/2, 10015 /media_urls/3" }
  judge("the schema", rows)
end

describe("the sandbox's words", function()
  it("say which type was found, and which values there are", function()
    local function words(changes)
      local _, _, errors = outcome(nil, sms(changes))
      return errors[1].detail
    end
    assert.are.equal("Expected string, got number.", words { text = 42 })
    assert.are.equal("Expected string, got null.", words { subject = null })
    assert.are.equal("Expected boolean, got string.", words { auto_detect = "no" })
    assert.are.equal("Expected array, got object.", words { media_urls = { a = "b" } })
    assert.are.equal("Expected string, got array.", words { to = { "+13125550002" } })
    assert.are.equal("Expected one of: auto, gsm7, ucs2.", words { encoding = "GSM7" })
  end)
end)

judge("one error for one fault", {
  { "a mistyped subject of an SMS", sms { type = "SMS", subject = 7 }, "10015 /subject" },
  { "a mistyped text alone", sms { text = 7 }, "10015 /text" },
  { "mistyped media alone", sms { text = NONE, media_urls = "x" }, "10015 /media_urls" },
  { "mistyped media of an SMS", sms { type = "SMS", media_urls = 7 }, "10015 /media_urls" },
  { "a mistyped item alone", sms { text = NONE, media_urls = { 7 } }, "10015 /media_urls/0" },
  { "a mistyped recipient", sms { to = 7 }, "10015 /to" },
  { "a mistyped sender", sms { from = 7 }, "10015 /from" },
  { "a mistyped profile for a name", sms { from = "Acme", to = BRITON,
    messaging_profile_id = 7 }, "10015 /messaging_profile_id" },
  { "a mistyped profile for nobody", sms { from = NONE, messaging_profile_id = 7 },
    "10015 /messaging_profile_id" },
  { "mistyped media from a name", sms { from = "Acme", to = BRITON,
    messaging_profile_id = PROFILE, media_urls = 7 }, "10015 /media_urls" },
  { "a mistyped subject from abroad", sms { from = BRITON, subject = 7 }, "10015 /subject" },
  { "a type that is none, with media from abroad", sms { from = BRITON, type = "mms",
    media_urls = { PICTURE } }, "10015 /type" },
  { "a type that is none, with much text", sms { type = "mms", text = ("x"):rep(1531) },
    "10015 /type" },
  { "mistyped media, with much text", sms { media_urls = 7, text = ("x"):rep(1531) },
    "10015 /media_urls" },
  { "an encoding that is none, with much text", sms { encoding = "gsm",
    text = ("x"):rep(1531) }, "10015 /encoding" },
  { "media in an SMS of much text", sms { type = "SMS", media_urls = { PICTURE },
    text = ("x"):rep(1531) }, "40304 /media_urls" },
  { "media in an SMS from a name", sms { from = "Acme", to = BRITON, type = "SMS",
    messaging_profile_id = PROFILE, media_urls = { PICTURE } }, "40304 /media_urls" },
  { "a name without a profile", sms { from = "Acme" }, "10004 /messaging_profile_id" },
  { "a recipient that is none, from a name", sms { from = "Acme", to = "+1312",
    messaging_profile_id = PROFILE }, "40310 /to" },
  { "bad numbers that are the same", sms { from = "+1312", to = "+1312" },
    "40310 /to, 40305 /from", { refuses_own_number = true } },
  { "bytes that are no UTF-8", '{"from":"+13125550001","to":"1","text":"\255"}', "10028" },
})

do
  local rows = {
    { "no recipient", sms { to = NONE }, "10004 /to" },
    { "neither sender nor profile", sms { from = NONE }, "10004 /from" },
    { "a pool's message", sms { from = NONE, messaging_profile_id = PROFILE }, "" },
  }
  -- What no address can be, whoever's it is; and what both can be.
  local neither = {
    "", "+", "8665550001", "+0123456789", "+44 7700 900123", "+4477009x0123", " +447700900123",
    "+447700900123\n", "++447700900123", "+234567", "+2345678901234567", "+1", "+1312555000",
    "+131255500012", "+10125550001", "+11125550001", "+19125550001x", "+1312555-0001",
  }
  each(rows, "to", neither, "40310 /to")
  each(rows, "from", neither, "40305 /from")
  local both = {
    "+2345678", "+23456789", "+234567890123456", "+12005550001", "+15551234567", "+19995550001",
    "+13120000000", "12345", "123456",
  }
  each(rows, "to", both, "")
  each(rows, "from", both, "")
  each(rows, "to", { "12", "123456789", "Acme", "12a45", "+12345" }, "40310 /to")
  each(rows, "to", { "123", "2282", "1234567", "12345678", "00000" }, "")
  each(rows, "from", { "123", "1234", "1234567", "12345678", "#1", "12-45" }, "40305 /from")
  judge("addresses", rows)
end

do
  local rows = {}
  local named = { to = BRITON, messaging_profile_id = PROFILE }
  each(rows, "from", { "A", "z", "Acme", "4 Ever", "1234567890a", "ElevenChars", " x" }, "", named)
  each(rows, "from", { "TwelveLetter", "Acme-1", "A&B", "A_b", "A.b", "a+b", "Müller", "Ärzte",
    "Acme\n", "中" }, "40325 /from", named)
  each(rows, "from", { " ", "1 2", "12345678901" }, "40305 /from", named)

  local function name_to(to, changes)
    local all = { from = "Acme", to = to, messaging_profile_id = PROFILE }
    for name, value in pairs(changes or {}) do all[name] = value end
    return sms(all)
  end
  local barred = {
    { "Chicago", "+13125550002" }, { "Ontario", "+14165550002" }, { "Yukon", "+18675550002" },
    { "Puerto Rico", "+17875550002" }, { "Puerto Rico's other", "+19395550002" },
    { "Alaska", "+19075550002" }, { "Hawaii", "+18085550002" }, { "toll-free", "+18005550002" },
  }
  for _, place in ipairs(barred) do
    rows[#rows + 1] = { "a name to " .. place[1], name_to(place[2]), "40301 /to" }
    rows[#rows + 1] = { "a name to " .. place[1] .. " with a number to fall back on",
      name_to(place[2]), "", { fallback_sender = "+13125550001" } }
  end
  local open = {
    { "Jamaica", "+18765550002" }, { "Jamaica's other", "+16585550002" },
    { "the Dominican Republic", "+18095550002" }, { "its second", "+18295550002" },
    { "its third", "+18495550002" }, { "the Bahamas", "+12425550002" },
    { "Barbados", "+12465550002" }, { "Bermuda", "+14415550002" }, { "Trinidad", "+18685550002" },
    { "Britain", BRITON }, { "a short code", "12345" },
  }
  for _, place in ipairs(open) do
    rows[#rows + 1] = { "a name to " .. place[1], name_to(place[2]), "" }
  end
  for what, changes in pairs {
    ["media"] = { media_urls = { PICTURE } }, ["a subject"] = { subject = "x" },
    ["type MMS"] = { type = "MMS" },
  } do
    rows[#rows + 1] = { "a name with " .. what, name_to(BRITON, changes), "40308 /from" }
    rows[#rows + 1] = { "a foreign number with " .. what,
      sms { from = BRITON, media_urls = changes.media_urls, subject = changes.subject,
        type = changes.type }, "40308 /from" }
    rows[#rows + 1] = { "a short code with " .. what,
      sms { from = "12345", media_urls = changes.media_urls, subject = changes.subject,
        type = changes.type }, "" }
    rows[#rows + 1] = { "a Jamaican number with " .. what,
      sms { from = "+18765550001", media_urls = changes.media_urls, subject = changes.subject,
        type = changes.type }, "" }
  end
  rows[#rows + 1] = { "a name to Chicago with media", name_to("+13125550002",
    { media_urls = { PICTURE } }), "40308 /from, 40301 /to" }
  rows[#rows + 1] = { "a name without a profile", sms { from = "Acme", to = BRITON },
    "10004 /messaging_profile_id" }
  rows[#rows + 1] = { "a foreign number's text", sms { from = BRITON }, "" }
  each(rows, "messaging_profile_id", { "", "abc", "4001932d0c6f4b7e9f0a1d2c3b4a5968",
    "{" .. PROFILE .. "}", PROFILE .. "0", "g" .. PROFILE:sub(2) },
    "10006 /messaging_profile_id")
  each(rows, "messaging_profile_id", { PROFILE, PROFILE:upper() }, "")
  judge("senders", rows)
end

describe("the sandbox's number to fall back on", function()
  local function sender_of(to, from)
    local options = { fallback_sender = "+13125550009" }
    local words, data = outcome(options, sms { to = to, from = from,
      messaging_profile_id = PROFILE })
    assert.are.equal("", words)
    return data.from.phone_number
  end

  it("is the sender where a name cannot be, and there alone", function()
    assert.are.equal("+13125550009", sender_of("+13125550002", "Acme"))
    assert.are.equal("Acme", sender_of(BRITON, "Acme"))
    assert.are.equal("+13125550001", sender_of("+13125550002", "+13125550001"))
  end)
end)

do
  local own = { refuses_own_number = true }
  local words = "40310 /to"
  judge("messages to their own sender", {
    { "them by default", sms { to = "+13125550001" }, "" },
    { "them when told not to mind", sms { to = "+13125550001" }, "",
      { refuses_own_number = false } },
    { "a number's", sms { to = "+13125550001" }, words, own },
    { "a short code's", sms { to = "12345", from = "12345" }, words, own },
    { "another's", sms(), "", own },
    { "a pool's", sms { from = NONE, messaging_profile_id = PROFILE }, "", own },
    { "a name's that falls back on it", sms { from = "Acme", messaging_profile_id = PROFILE },
      words, { refuses_own_number = true, fallback_sender = "+13125550002" } },
  })

  it("the sandbox says why a message to its own sender is refused", function()
    local _, _, errors = outcome(own, sms { to = "+13125550001" })
    assert.are.equal("Source and destination cannot be the same number.", errors[1].detail)
  end)
end

do
  local function long(parts) return ("x"):rep(parts * 153) end
  local function han(parts) return ("中"):rep(parts * 67) end
  local too_long = "40302 /text"
  judge("parts", {
    { "ten", sms { text = long(10) }, "" },
    { "eleven", sms { text = long(10) .. "x" }, too_long },
    { "ten of UCS-2", sms { text = han(10) }, "" },
    { "eleven of UCS-2", sms { text = han(10) .. "x" }, too_long },
    { "eleven with chunking", sms { text = long(10) .. "x" }, "", { chunking = true } },
    { "a hundred with chunking", sms { text = long(100) }, "", { chunking = true } },
    { "eleven without chunking", sms { text = long(11) }, too_long, { chunking = false } },
    { "25 on a route of 25", sms { text = long(25) }, "", { max_parts = 25 } },
    { "26 on a route of 25", sms { text = long(25) .. "x" }, too_long, { max_parts = 25 } },
    { "26 on a route of 25 with chunking", sms { text = long(26) }, "",
      { max_parts = 25, chunking = true } },
    { "three on a route of two", sms { text = long(3) }, too_long, { max_parts = 2 } },
    { "eleven of an MMS", sms { text = long(11), type = "MMS" }, "" },
    { "eleven beside media", sms { text = long(11), media_urls = { PICTURE } }, "" },
    { "eleven beside an empty list of media", with_empty_media { text = long(11) }, "" },
    { "ten of plain text as UCS-2", sms { text = ("x"):rep(670), encoding = "ucs2" }, "" },
    { "eleven of plain text as UCS-2", sms { text = ("x"):rep(671), encoding = "ucs2" },
      too_long },
    { "quotes that are not substituted", sms { text = ("x"):rep(1500) .. "’" }, too_long },
    { "quotes that are", sms { text = ("x"):rep(1500) .. "’" }, "", { smart_encoding = true } },
    { "quotes that gsm7 has substituted", sms { text = ("x"):rep(1500) .. "’",
      encoding = "gsm7" }, "" },
    { "quotes that ucs2 has not", sms { text = ("x"):rep(1500) .. "’", encoding = "ucs2" },
      too_long, { smart_encoding = true } },
    { "760 brackets", sms { text = ("]"):rep(760) }, "" },
    { "766 brackets", sms { text = ("]"):rep(766) }, too_long },
    { "766 brackets from a short code", sms { text = ("]"):rep(766), from = "12345" }, "" },
    { "1531 brackets from a short code", sms { text = ("]"):rep(1531), from = "12345" },
      too_long },
    { "766 brackets from a short code as gsm7", sms { text = ("]"):rep(766), from = "12345",
      encoding = "gsm7" }, too_long },
    { "accents from a number", sms { text = ("é"):rep(671) }, "" },
    { "accents from a short code", sms { text = ("é"):rep(671), from = "12345" }, too_long },
    { "ten with auto_detect", sms { text = long(10), auto_detect = true }, "" },
    { "two of a recommended two", sms { text = long(2), auto_detect = true }, "",
      { recommended_parts = 2 } },
    { "three of a recommended two", sms { text = long(3), auto_detect = true }, "40328 /text",
      { recommended_parts = 2 } },
    { "three of a recommended two, not detected", sms { text = long(3), auto_detect = false },
      "", { recommended_parts = 2 } },
    { "eleven of a recommended two", sms { text = long(11), auto_detect = true }, too_long,
      { recommended_parts = 2 } },
    { "eleven of a recommended two with chunking", sms { text = long(11), auto_detect = true },
      "40328 /text", { recommended_parts = 2, chunking = true } },
  })

  it("the sandbox says how many parts there are, and how many there may be", function()
    local _, _, errors = outcome({ max_parts = 25 }, sms { text = long(26) })
    assert.are.equal("The message would be divided into 26 parts. The maximum is 25.",
      errors[1].detail)
  end)
end

do
  local impossible = "10015 /text"
  judge("gsm7", {
    { "plain text", sms { encoding = "gsm7" }, "" },
    { "accents and brackets", sms { encoding = "gsm7", text = "é{€}" }, "" },
    { "what has a substitute", sms { encoding = "gsm7", text = "“x…”" }, "" },
    { "what has none", sms { encoding = "gsm7", text = "x中" }, impossible },
    { "a letter without an equal", sms { encoding = "gsm7", text = "á" }, impossible },
    { "an emoji", sms { encoding = "gsm7", text = "😀" }, impossible },
    { "what is left out", sms { encoding = "gsm7", text = "x\226\128\139" }, "" },
    { "nothing but that", sms { encoding = "gsm7", text = "\226\128\139" }, impossible },
    { "nothing but much of that", sms { encoding = "gsm7",
      text = "\226\128\139\239\187\191\226\129\160" }, impossible },
    { "an emoji from a short code", sms { encoding = "gsm7", text = "😀", from = "12345" },
      impossible },
    { "an accent from a short code", sms { encoding = "gsm7", text = "é", from = "12345" }, "" },
    { "an emoji in an MMS, which has no such alphabet", sms { encoding = "gsm7", text = "😀",
      type = "MMS" }, "" },
    { "nothing left, not asked for", sms { text = "\226\128\139" }, "" },
    { "nothing left, as the profile would have it", sms { text = "\226\128\139" }, impossible,
      { smart_encoding = true } },
    { "nothing left, but for ucs2", sms { text = "\226\128\139", encoding = "ucs2" }, "",
      { smart_encoding = true } },
  })

  it("the sandbox substitutes in an SMS alone", function()
    local function substituted(changes)
      local _, data = outcome({ smart_encoding = true }, sms(changes))
      return { data.smart_encoding_applied, data.encoding }
    end
    assert.are.same({ true, "GSM-7" }, substituted { text = "’" })
    assert.are.same({ false, "UCS-2" }, substituted { text = "’", type = "MMS" })
    assert.are.same({ false, "UCS-2" }, substituted { text = "’", encoding = "gsm7",
      type = "MMS" })
  end)

  it("the sandbox shows of encodings the two that are published", function()
    local function shown(changes)
      local _, data = outcome(nil, sms(changes))
      return { data.encoding, data.parts }
    end
    assert.are.same({ "GSM-7", 1 }, shown { from = "12345", text = ("]"):rep(160) })
    assert.are.same({ "GSM-7", 3 }, shown { text = ("]"):rep(160) })
    assert.are.same({ "UCS-2", 1 }, shown { from = "12345", text = "é" })
    assert.are.same({ "GSM-7", 1 }, shown { text = "é" })
  end)
end

judge("content", {
  { "neither text nor media", sms { text = NONE }, "40316 /text" },
  { "an empty text alone", sms { text = "" }, "40316 /text" },
  { "an empty text beside media", sms { text = "", media_urls = { PICTURE } }, "" },
  { "media alone", sms { text = NONE, media_urls = { PICTURE } }, "" },
  { "an empty list of media with a text", with_empty_media(), "" },
  { "an empty list of media alone", with_empty_media { text = NONE }, "40316 /text" },
  { "an empty list of media and an empty text", with_empty_media { text = "" }, "40316 /text" },
  { "an empty list of media in an SMS", with_empty_media { type = "SMS" }, "40304 /media_urls" },
  { "an empty list of media from abroad", with_empty_media { from = BRITON }, "40308 /from" },
  { "a subject alone", sms { text = NONE, subject = "x" }, "40316 /text" },
  { "ten media", sms { media_urls = list_of(10, PICTURE) }, "" },
  { "eleven media", sms { media_urls = list_of(11, PICTURE) }, "40317 /media_urls" },
  { "an SMS with media", sms { type = "SMS", media_urls = { PICTURE } }, "40304 /media_urls" },
  { "an SMS with a subject", sms { type = "SMS", subject = "x" }, "40304 /subject" },
  { "an SMS with both", sms { type = "SMS", subject = "x", media_urls = { PICTURE } },
    "40304 /media_urls" },
  { "an MMS with a long subject", sms { subject = ("x"):rep(5000) }, "" },
})

it("the sandbox makes an MMS of an empty list of media", function()
  local _, data = outcome(nil, with_empty_media())
  assert.are.equal("MMS", data.type)
end)

do
  local good = {
    "https://example.com", "HTTP://EXAMPLE.COM", "http://example.com/a?b=c#d", "https://e.com?x",
    "https://e.com#x", "https://example.com.", "https://localhost", "http://127.0.0.1/x",
    "http://10.0.0.1", "https://a_b.example", "https://xn--mnchen-3ya.de", "https://münchen.de",
    "https://例え.jp/パス", "https://e.com:1", "https://e.com:65535/", "https://e.com:/x",
    "https://e.com:00443/", "https://user@e.com/a", "https://user:pass@e.com:80/",
    "https://@e.com/", "https://[::1]/", "https://[::]", "https://[2001:db8::1]:8443/x",
    "https://[1:2:3:4:5:6:7:8]", "https://[::ffff:1.2.3.4]/", "https://[1:2:3:4:5:6:1.2.3.4]",
    "https://[1::]", "https://u@[::1]:1/", "https://e.com/it's", "https://e.com/a:b@c//d",
    "https://e.com/?next=https://.com", "https://e%2Ecom/",
    "https://e.com/" .. ("x"):rep(1986), "https://e.com/" .. ("中"):rep(1986),
    "https://e.com/" .. ("😀"):rep(1986),
  }
  local bad = {
    "example.com", "//example.com", "ftp://example.com", "httpss://example.com", "https:/e.com",
    "https:e.com", "https://", "https:///x", "https://?x", "https://#x", "cat.png",
    "javascript:alert(1)", " https://e.com", "https://e.com ", "https://e.com/a b",
    "https://e.com/a\tb", "https://e.com/a\nb", "https://e.com/\127", "https://e.com/\1",
    "https://e.com/\194\133", "https://e.com\\a", "https://e.com/\\a", 'https://e.com/"a"',
    "https://e'.com/", "https://e$.com", "https://(e).com", "https://e<b>.com", "https://e%.com",
    "https://e%zz.com", "https://.com", "https://.", "https://..", "https://e..com",
    "https://.e.com", "https://e.com..", "https://user@/a", "https://x@", "https://user@:80/",
    "https://a@b@e.com/", "https://:80/", "https://:/", "https://e.com:0", "https://e.com:65536",
    "https://e.com:99999/", "https://e.com:x", "https://e.com:-1", "https://e.com:8 0",
    "https://e.com:80:80", "https://1:2:3", "https://[bad/", "https://[bad]/", "https://[]/",
    "https://[::1", "https://::1/", "https://[::1]80/", "https://[::1]x", "https://[::1]:0",
    "https://[::1]:65536", "https://x[::1]", "https://[1:2:3:4:5:6:7]",
    "https://[1:2:3:4:5:6:7:8:9]", "https://[1::2::3]", "https://[:::]",
    "https://[1:2:3:4:5:6:7:8::]", "https://[::12345]", "https://[::g]", "https://[1.2.3.4]",
    "https://[::1.2.3]", "https://[::1.2.3.256]", "https://[::01.2.3.4]", "https://[::1.2.3.4:1]",
    "https://[1.2.3.4::]", "https://[1:2:3:4:5:6:7:1.2.3.4]", "https://[fe80::1%25eth0]/",
    "https://[:1:2:3:4:5:6:7]", "https://[1:2:3:4:5:6:7:]",
    "https://e.com/" .. ("x"):rep(1987), "https://e.com/" .. ("中"):rep(1987),
    "https://e.com/" .. ("😀"):rep(1987),
  }
  local rows = {}
  for _, name in ipairs { "webhook_url", "webhook_failover_url" } do
    each(rows, name, good, "")
    each(rows, name, { "" }, "")
    each(rows, name, bad, "10003 /" .. name)
  end
  for _, url in ipairs(good) do
    rows[#rows + 1] = { "a medium " .. url:sub(1, 60), sms { media_urls = { url } }, "" }
  end
  bad[#bad + 1] = ""
  for _, url in ipairs(bad) do
    rows[#rows + 1] = { "a medium " .. url:sub(1, 60), sms { media_urls = { PICTURE, url } },
      "10003 /media_urls/1" }
  end
  judge("URLs", rows)

  it("the sandbox shows a webhook URL that is empty or null as an empty one", function()
    for _, url in ipairs { "", null } do
      local _, data = outcome(nil, sms { webhook_url = url, webhook_failover_url = url })
      assert.are.same({ "", "" }, { data.webhook_url, data.webhook_failover_url })
    end
  end)
end

do
  local malformed = {
    "", "tomorrow", "2025-03-22", "2025-03-22T14:00Z", "2025-03-22T14:00:00",
    "2025-03-22T14:00:00+00", "2025-03-22T14:00:00+0000", "2025-03-22T14:00:00+1:00",
    "2025-03-22T14:00:00+24:00", "2025-03-22T14:00:00+00:60", "2025-03-22T14:00:00 Z",
    "2025-03-22 14:00:00Z", "2025-03-22T14:00:00.Z", "2025-03-22T14:00:00,5Z",
    "2025-03-22T24:00:00Z", "2025-03-22T14:60:00Z", "2025-03-22T14:00:61Z",
    "2025-3-22T14:00:00Z", "25-03-22T14:00:00Z", "2025-03-22T14:00:00Zx", "20250322T140000Z",
    "2025-00-22T14:00:00Z", "2025-13-22T14:00:00Z", "2025-03-00T14:00:00Z",
    "2025-03-32T14:00:00Z", "2025-04-31T14:00:00Z", "2025-02-29T14:00:00Z",
    "1900-02-29T14:00:00Z", "1742652000",
  }
  local far = {
    "2025-03-22T11:00:00Z", "2025-03-22T12:00:00Z", "2025-03-22T12:03:59Z",
    "2025-03-27T12:01:01Z", "2026-03-22T12:00:00Z", "2024-02-29T12:00:00Z",
    "2000-02-29T12:00:00Z", "2025-03-22T14:00:00+14:00",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:60Z",
  }
  local near = {
    "2025-03-22T12:05:00Z", "2025-03-22T12:04:00Z", "2025-03-27T12:00:00Z",
    "2025-03-27T12:01:00Z", "2025-03-22T14:00:00.123456789Z", "2025-03-22t14:00:00z",
    "2025-03-22T16:00:00+02:00", "2025-03-22T09:30:00-05:00", "2025-03-23T12:59:59+23:59",
    "2025-03-22T23:59:60Z", "2025-03-22T14:00:00-00:00",
  }
  local rows = {}
  each(rows, "send_at", malformed, "10015 /send_at")
  each(rows, "send_at", far, "10033 /send_at")
  each(rows, "send_at", near, "")
  judge("time", rows)

  it("the sandbox schedules by the zone, over months and leap days", function()
    local function scheduled(now, text)
      local service = service_with { now = function() return now end }
      local _, decoded = post(service, sms { send_at = text })
      return decoded.data and decoded.data.send_at
    end
    assert.are.equal("2025-03-22T14:30:00.500+00:00",
      scheduled(NOON, "2025-03-22T09:30:00.5-05:00"))
    assert.are.equal("2024-02-29T23:00:00.000+00:00",
      scheduled(1709164800, "2024-03-01T00:00:00+01:00"))
    assert.are.equal("2100-03-01T00:00:00.000+00:00",
      scheduled(4107456000, "2100-03-01T00:00:00Z"))
  end)

  it("the sandbox sends now what is to be sent at null", function()
    local _, data = outcome(nil, sms { send_at = null })
    assert.are.same({ "queued", nil }, { data.to[1].status, data.send_at })
  end)
end

describe("the sandbox's idempotency keys", function()
  local POINTER = "10015 /header/Idempotency-Key"

  local function heeding(options)
    local own = { idempotency = true }
    for name, value in pairs(options or {}) do own[name] = value end
    return service_with(own)
  end

  local function ledger(service)
    local all = service:ledger()
    return { all.posts, all.accepted }
  end

  it("are not looked at unless that is asked for", function()
    for _, options in ipairs { {}, { idempotency = false } } do
      local service = service_with(options)
      for _ = 1, 2 do
        local response = post(service, sms(), "not/a key")
        assert.are.equal(200, response.status)
        assert.is_nil(response.headers["idempotent-replayed"])
      end
      post(service, sms(), "k")
      post(service, sms(), "k")
      assert.are.same({ 4, 4 }, ledger(service))
    end
  end)

  it("are letters, digits, hyphens and underscores, up to 255", function()
    local service = heeding()
    for _, key in ipairs { "", "a b", "a:b", "a.b", "é", "a\n", ("k"):rep(256) } do
      local response, decoded = post(service, sms(), key)
      assert.are.equal(400, response.status)
      assert.are.equal(POINTER, verdict(decoded))
    end
    assert.are.same({ 7, 0 }, ledger(service))
    assert.are.same({ posts = 7, accepted = 0 }, service:ledger().messages.x)
    for _, key in ipairs { "a", "-", "_", "Az-09_", ("k"):rep(255) } do
      assert.are.equal(200, (post(service, sms(), key)).status)
    end
  end)

  it("bring the first reply again, and no second message", function()
    local service = heeding()
    local first = post(service, sms(), "k")
    local again = post(service, sms(), "k")
    assert.are.same({ 200, first.body, "true" },
      { again.status, again.body, again.headers["idempotent-replayed"] })
    assert.is_nil(first.headers["idempotent-replayed"])
    assert.are.equal("application/json", again.headers["content-type"])
    assert.are_not.equal(first.headers["x-request-id"], again.headers["x-request-id"])
    assert.are.same({ 2, 1 }, ledger(service))
    assert.are.same({ posts = 2, accepted = 1 }, service:ledger().messages.x)
    assert.are.equal("999998", again.headers["x-ratelimit-remaining"])
  end)

  it("are each on their own, and so is a message without one", function()
    local service = heeding()
    for _, key in ipairs { "a", "b", "A" } do post(service, sms(), key) end
    post(service, sms())
    post(service, sms())
    assert.are.same({ 5, 5 }, ledger(service))
  end)

  it("are for one body", function()
    local service = heeding()
    post(service, sms(), "k")
    local response, decoded = post(service, sms { text = "y" }, "k")
    assert.are.same({ 400, POINTER }, { response.status, verdict(decoded) })
    assert.are.same({ posts = 1, accepted = 0 }, service:ledger().messages.y)
    local again = post(service, sms(), "k")
    assert.are.equal("true", again.headers["idempotent-replayed"])
    assert.are.same({ 3, 1 }, ledger(service))
  end)

  it("keep a refusal as well", function()
    local service = heeding()
    post(service, sms { to = "12" }, "k")
    local again, decoded = post(service, sms { to = "12" }, "k")
    assert.are.same({ 400, "40310 /to", "true" },
      { again.status, verdict(decoded), again.headers["idempotent-replayed"] })
  end)

  local function twice(digits)
    local service = heeding()
    local message = sms { to = "+155500" .. digits }
    local first = post(service, message, "k")
    local again = post(service, message, "k")
    return { first.status, again.status, again.headers["idempotent-replayed"],
      service:ledger().accepted }, again
  end

  it("do not keep what passes: 429 and 5xx", function()
    assert.are.same({ 429, 200, nil, 1 }, (twice("42910")))
    assert.are.same({ 500, 200, nil, 1 }, (twice("50500")))
    assert.are.same({ 500, 500, nil, 2 }, (twice("01500")))
    local service = heeding { rate_limit = 1 }
    post(service, sms(), "a")
    assert.are.equal(429, (post(service, sms(), "b")).status)
    assert.are.equal(429, (post(service, sms(), "a")).status)
  end)

  it("tell what a broken connection has swallowed", function()
    local seen, again = twice("90001")
    assert.are.same({ nil, 200, "true", 1 }, seen)
    assert.are.equal("+15550090001", json.decode(again.body).data.to[1].phone_number)
    assert.is_nil(again.fault)
    assert.are.same({ nil, nil, nil, 0 }, (twice("80001")))
  end)

  it("answer at once what was slow the first time", function()
    local seen, again = twice("70005")
    assert.are.same({ 200, 200, "true", 1 }, seen)
    assert.is_nil(again.fault)
  end)

  it("are forgotten like messages: the oldest first, and all with the ledger", function()
    local service = heeding { keep = 2 }
    for _, key in ipairs { "a", "b", "c" } do post(service, sms(), key) end
    local function is_kept(key)
      local response = post(service, sms(), key)
      return response.headers["idempotent-replayed"] == "true"
    end
    assert.is_true(is_kept("b"))
    assert.is_true(is_kept("c"))
    assert.is_false(is_kept("a"))
    service:reset_ledger()
    assert.is_false(is_kept("c"))
  end)

  it("wait for a key that is welcome, and for no body that can be read", function()
    local service = heeding()
    local first = post(service, "{", "k")
    local again = post(service, "{", "k")
    assert.are.same({ 400, 400, "true" },
      { first.status, again.status, again.headers["idempotent-replayed"] })
    local refused = service:handle { method = "POST", path = "/v2/messages",
      headers = { ["idempotency-key"] = "not/a key" }, body = "{}" }
    assert.are.equal(401, refused.status)
  end)
end)
