local rules = require "telnyx.rules"
local errors = require "telnyx.errors"
local secrets = require "telnyx.errors.secrets"

local KEY = "KEY0180C1DF633BD05E79DB3308230C3C92_Q3AsTvlD6Hwl"

-- Every code that the service documents for a message, typed from its tables.
local documented = [[
10001 10002 10003 10004 10005 10006 10007 10008 10009 10010 10011 10014 10015
10016 10020 10023 10024 10025 10026 10027 10028 10029 10030 10032 10033 10035
10036 10037 10038 10039
20001 20002 20003 20004 20005 20006 20007 20008 20012 20013 20014 20015 20016
20017 20100
40001 40002 40003 40004 40005 40006 40007 40008 40009 40010 40011 40012 40013
40014 40015 40016 40017 40018 40019 40020
40100 40150 40151 40152 40153 40154 40155 40156 40157 40158 40159
40300 40301 40302 40303 40304 40305 40306 40307 40308 40309 40310 40311 40312
40313 40314 40315 40316 40317 40318 40319 40320 40321 40322 40323 40324 40325
40326 40327 40328 40329 40330 40331 40332 40333
41000
75000 75001 75002 75003 75004 75005 75006 75299 75300 75400 75404 75499 75500 75599
]]

-- Titles, as the service's own table has them.
local titles = [[
10001 Inactive phone number
10002 Invalid phone number
10003 Invalid URL
10004 Missing required parameter
10005 Resource not found
10006 Invalid ID
10007 Unexpected error
10008 Request timeout
10009 Authentication failed
10010 Authorization failed
10011 Too many requests
10014 Unsupported Media Type
10015 Bad Request
10016 Phone number must be in +E.164 format
10020 Invalid resource type
10023 Invalid JSON
10024 Unsupported Content-Type
10025 String length out of range
10026 Invalid parameter type
10027 Unprocessable Entity
10028 Character encoding error
10029 Expected JSON Content-Type
10030 Method not allowed
10032 Invalid enumerated value
10033 Value outside of range
10035 Resource locked
10036 Resource is being processed
10037 Service unavailable
10038 Feature not permitted
10039 Feature limited
20001 Invalid API Key secret
20002 API Key revoked
20003 API Key forbidden
20004 Invalid permission groups
20005 Invalid user
20006 Expired access token
20007 Invalid permission groups
20008 Invalid API Key
20012 Account inactive
20013 Account blocked
20014 Account unverified
20015 Feature not enabled
20016 Account not level 1 verified
20017 Account not level 2 verified
20100 Insufficient Funds
40001 Not routable
40002 Blocked as spam - temporary
40003 Blocked as spam - permanent
40004 Rejected by destination
40005 Message expired during transmission
40006 Recipient server unavailable
40007 Loop detected
40008 Undeliverable
40009 Invalid message body
40010 Not 10DLC registered
40011 Too many requests
40012 Invalid messaging destination number
40013 Invalid messaging source number
40014 Message expired in queue
40015 Blocked as spam - internal
40016 T-Mobile 10DLC Sending Limit Reached
40017 AT&T 10DLC Spam Message Rejected
40018 AT&T 10DLC Sending Limit Reached
40019 AT&T 10DLC Invalid Tag Data
40020 Blocked as potentially artificial inflation of traffic
40100 Number not messaging enabled
40150 Toll free number not in registry
40151 Message enablement pending with other provider
40152 Invalid OSR parameter
40153 Cannot access OSR
40154 Unauthorized NNID
40155 LOA required
40156 Unauthorized property name/value
40157 Temporarily blocked
40158 Delete failed
40159 Unknown OSR error
40300 Blocked due to STOP message
40301 Unsupported message type for the 'to' address
40302 Message too large
40303 Message not found
40304 Invalid combination of message content arguments
40305 Invalid 'from' address
40306 Alpha sender not configured
40307 Alpha sender mismatch
40308 Invalid 'from' address for MMS
40309 Invalid destination region
40310 Invalid 'to' address
40311 Invalid messaging profile secret
40312 Messaging profile is disabled
40313 Missing messaging profile secret
40314 Messaging disabled on account
40315 Unhealthy 'from' address
40316 No content provided for message
40317 Invalid MMS content
40318 Message queue full
40319 Incompatible message type for the 'to' address
40320 Temporarily unusable 'from' address
40321 No usable numbers on messaging profile
40322 Blocked due to content
40323 Messaging activation failed
40324 Messaging product type change failed
40325 Invalid alphanumeric sender ID
40326 Cannot assign alphanumeric sender ID
40327 Invalid Domain
40328 SMS exceeds recommended size
40329 Tollfree number is not verified
40330 Tollfree number is not provisioned
40331 Missing whitelisted destinations
40332 Brand cannot be deleted
40333 Messaging profile spend limit reached
41000 WhatsApp Error
75000 Webhook delivery error
75001 Could not resolve name
75002 Could not connect to host
75003 Certificate misconfiguration
75004 Expired certificate
75005 Certificate name mismatch
75006 Untrusted certificate root
75299 Webhook host returned a non-200 HTTP 2XX
75300 Webhook host returned HTTP 3XX
75400 Webhook host returned HTTP 400
75404 Webhook host returned HTTP 404
75499 Webhook host returned HTTP 4XX
75500 Webhook host returned HTTP 500
75599 Webhook host returned HTTP 5XX
]]

local classes = {
  account = true, carrier = true, content = true, credentials = true,
  network = true, rate = true, recipient = true, request = true,
  sender = true, service = true,
}

local function sentences(text)
  local _, count = (text .. " "):gsub("%.%s", "")
  return count
end

describe("telnyx.errors catalogue", function()
  local catalogue = errors.catalogue

  for code in documented:gmatch("%d+") do
    it("explains " .. code, function()
      local entry = catalogue[code]
      assert.is_table(entry)
      assert.is_true(#entry.title > 5)
      assert.is_true(classes[entry.class], entry.class)
      assert.truthy(entry.advice:find("^%u.*%.$"), entry.advice)
      assert.is_true(sentences(entry.advice) <= 2, entry.advice)
      local first = (entry.advice .. " "):match("^(.-%.)%s")
      assert.is_true(#first <= 80, first)
      assert.same(entry, catalogue[tonumber(code)])
    end)
  end

  it("has each title as the service has it", function()
    local n = 0
    for code, title in titles:gmatch("(%d+) ([^\n]+)\n") do
      assert.equal(title, catalogue[code].title, code)
      n = n + 1
    end
    assert.equal(select(2, documented:gsub("%d+", "")), n)
  end)

  it("knows why an event could not be delivered: no message's trouble, by numbers too", function()
    for code in documented:gmatch("75%d%d%d") do
      assert.equal("network", catalogue[tonumber(code)].class, code)
      assert.equal("profile", catalogue[code].whose, code)
      assert.truthy(catalogue[code].advice:lower():find("webhook", 1, true), code)
    end
  end)

  it("holds no other code", function()
    local known = {}
    for code in documented:gmatch("%d+") do known[#known + 1] = code end
    for _, rule in ipairs(rules.list()) do
      if rule.code == rule.name then known[#known + 1] = rule.name end
    end
    table.sort(known)
    assert.same(known, errors.codes())
  end)

  local spot_checks = {
    { "10009", "credentials", "Authentication failed" },
    { "10011", "rate", "Too many requests" },
    { "20100", "account", "Insufficient Funds" },
    { "40300", "recipient", "Blocked due to STOP message" },
    { "40302", "content", "Message too large" },
    { "40305", "sender", "Invalid 'from' address" },
    { "40310", "recipient", "Invalid 'to' address" },
    { "40333", "account", "Messaging profile spend limit reached" },
    { "40006", "carrier", "Recipient server unavailable" },
  }
  for _, check in ipairs(spot_checks) do
    it("knows " .. check[3], function()
      assert.equal(check[2], catalogue[check[1]].class)
      assert.equal(check[3], catalogue[check[1]].title)
    end)
  end

  it("has a closed set of classes, each with its meaning", function()
    local count = 0
    for name, meaning in pairs(errors.classes) do
      assert.is_true(classes[name], name)
      assert.equal("string", type(meaning))
      count = count + 1
    end
    assert.equal(10, count)
  end)

  it("answers nil to anything else", function()
    local others = {
      "", "99999", "40310 ", " 40310", "040310", 99999, 0, -1, 40310.5,
      0 / 0, math.huge, -math.huge, 1e300, true, false, {}, print,
      "title", "class", "is", "new",
    }
    for _, other in ipairs(others) do
      assert.is_nil(catalogue[other], tostring(other))
    end
    assert.is_nil(catalogue[nil])
  end)

  it("cannot be changed by its readers", function()
    assert.has_error(function() catalogue["40310"] = {} end)
    assert.has_error(function() catalogue["99999"] = {} end)
    local entry = catalogue["40310"]
    entry.title = "mine"
    assert.equal("Invalid 'to' address", catalogue["40310"].title)
  end)
end)

describe("telnyx.errors.new", function()
  it("lifts the first error and keeps them all", function()
    local list = {
      { code = "40310", title = "Invalid 'to' address", detail = "too short",
        source = { pointer = "/to" } },
      { code = "40316", title = "No content provided for message" },
    }
    local fields = { outcome = "rejected", kind = "api", errors = list }
    local err = errors.new(fields)
    assert.equal(fields, err)
    assert.equal("40310", err.code)
    assert.equal("Invalid 'to' address", err.title)
    assert.equal("too short", err.detail)
    assert.equal("/to", err.pointer)
    assert.equal("recipient", err.class)
    assert.same(list, err.errors)
    assert.equal("No content provided for message", err.errors[2].title)
  end)

  it("keeps the service's title and fills in a missing one", function()
    local kept = errors.new { kind = "api", code = "10009", title = "Nope" }
    assert.equal("Nope", kept.title)
    local filled = errors.new {
      kind = "api", errors = { { code = "10009" }, { code = 10004 } },
    }
    assert.equal("Authentication failed", filled.title)
    assert.equal("Missing required parameter", filled.errors[2].title)
  end)

  it("reads a numeric code as the service writes it", function()
    local err = errors.new { kind = "api", code = 40310 }
    assert.equal("40310", err.code)
    assert.equal("recipient", err.class)
  end)

  it("is the same done twice", function()
    local err = errors.new { outcome = "rejected", kind = "api", code = "10011" }
    local line, advice = tostring(err), err.advice
    assert.equal(err, errors.new(err))
    assert.equal(line, tostring(err))
    assert.equal(advice, err.advice)
  end)

  local fallbacks = {
    { { kind = "invalid", outcome = "not_sent" }, "request" },
    { { kind = "connection", outcome = "not_sent" }, "network" },
    { { kind = "timeout", outcome = "unknown" }, "network" },
    { { kind = "protocol", outcome = "rejected", status = 302 }, "network" },
    { { kind = "protocol", outcome = "unknown", status = 502 }, "network" },
    { { kind = "api", outcome = "rejected", status = 400 }, "request" },
    { { kind = "api", outcome = "rejected", status = 401 }, "credentials" },
    { { kind = "api", outcome = "rejected", status = 402 }, "account" },
    { { kind = "api", outcome = "rejected", status = 403 }, "account" },
    { { kind = "api", outcome = "rejected", status = 404 }, "request" },
    { { kind = "api", outcome = "rejected", status = 422 }, "request" },
    { { kind = "api", outcome = "rejected", status = 429 }, "rate" },
    { { kind = "api", outcome = "unknown", status = 500 }, "service" },
    { { kind = "api", outcome = "unknown", status = 599 }, "service" },
    { { kind = "api", status = 400, code = "99999" }, "request" },
    { {}, "network" },
  }
  for index, case in ipairs(fallbacks) do
    it("has a class and an advice without a known code, " .. index, function()
      local err = errors.new(case[1])
      assert.equal(case[2], err.class)
      assert.truthy(err.advice:find("^%u.*%.$"))
    end)
  end

  it("never advises to send again what may have gone out", function()
    for code in documented:gmatch("%d+") do
      for _, outcome in ipairs { "unknown", "accepted" } do
        local err = errors.new { outcome = outcome, kind = "api", code = code }
        assert.is_nil(err.advice:lower():find("^[^:]*send again"), code)
        assert.is_nil(err.advice:lower():find("try again"), code)
        assert.truthy(tostring(err):find("do not send", 1, true), code)
      end
    end
  end)

  it("recognises its own", function()
    assert.is_true(errors.is(errors.new {}))
    assert.is_true(errors.is(errors.invalid {}))
    for _, other in ipairs { 1, "x", true, {}, print, setmetatable({}, {}) } do
      assert.is_false(errors.is(other))
    end
    assert.is_false(errors.is(nil))
  end)
end)

describe("telnyx.errors.invalid", function()
  it("makes one violation an error in the service's shape", function()
    local err = errors.invalid {
      code = 40310, detail = "not a number", pointer = "/to",
    }
    assert.equal("not_sent", err.outcome)
    assert.equal("invalid", err.kind)
    assert.is_false(err.retryable)
    assert.equal("40310", err.code)
    assert.equal("/to", err.pointer)
    assert.same({ {
      code = "40310", title = "Invalid 'to' address", detail = "not a number",
      source = { pointer = "/to" },
    } }, err.errors)
  end)

  it("takes a list", function()
    local err = errors.invalid { { code = "10004" }, { code = "40316" } }
    assert.equal("10004", err.code)
    assert.equal(2, #err.errors)
    assert.is_nil(err.errors[2].source)
  end)
end)

describe("telnyx.errors as a line", function()
  local unsure = "; it may have been delivered: do not send again"
    .. " without checking"

  local lines = {
    { { outcome = "not_sent", kind = "invalid",
        errors = { { code = "40310", detail = '"+1" is too short',
          source = { pointer = "/to" } } } },
      'not sent: 40310 Invalid \'to\' address: "+1" is too short (/to)' },
    { { outcome = "not_sent", kind = "invalid", errors = {
          { code = "10004", detail = "to is missing",
            source = { pointer = "/to" } }, { code = "40316" } } },
      "not sent: 10004 Missing required parameter: to is missing (/to),"
        .. " and 1 more error" },
    { { outcome = "not_sent", kind = "invalid",
        errors = { { code = "40316" }, { code = "10003" }, { code = "10003" } } },
      "not sent: 40316 No content provided for message, and 2 more errors;"
        .. " give the message a text or media_urls" },
    { { outcome = "not_sent", kind = "connection",
        cause = "could not resolve host api.telnyx.com" },
      "not sent: could not resolve host api.telnyx.com;"
        .. " check the network, base_url and any proxy" },
    { { outcome = "not_sent", kind = "timeout" },
      "not sent: no connection could be made in time;"
        .. " check the network, base_url and any proxy" },
    { { outcome = "rejected", kind = "api", status = 401, request_id = "8f2a",
        errors = { { code = "10009", title = "Authentication failed",
          detail = "The key is not valid." } } },
      "rejected (401): 10009 Authentication failed: The key is not valid;"
        .. " check the API key (request 8f2a)" },
    { { outcome = "rejected", kind = "api", status = 429, retry_after = 119.2,
        errors = { { code = "10011" } }, attempts = { {}, {}, {} } },
      "rejected (429): 10011 Too many requests; the service asks to wait"
        .. " 120 s (3 attempts)" },
    { { outcome = "rejected", kind = "api", status = 429, ratelimit = { reset = 36.5 },
        errors = { { code = "10011" } } },
      "rejected (429): 10011 Too many requests; the service asks to wait 37 s" },
    { { outcome = "rejected", kind = "api", status = 429, retry_after = 2,
        ratelimit = { limit = 40, remaining = 0, reset = 37 }, errors = { { code = "10011" } } },
      "rejected (429): 10011 Too many requests; the service asks to wait 2 s" },
    { { outcome = "rejected", kind = "api", status = 400, ratelimit = { reset = 37 },
        errors = { { code = "40310" } } },
      "rejected (400): 40310 Invalid 'to' address;"
        .. " give one valid number in E.164 form, as +18665550001" },
    { { outcome = "rejected", kind = "api", status = 400, code = "99999",
        title = "Brand new trouble", detail = "Nobody knows" },
      "rejected (400): 99999 Brand new trouble: Nobody knows;"
        .. " mend the request as the detail says" },
    { { outcome = "rejected", kind = "protocol", status = 302,
        cause = "a redirect to https://example.com/" },
      "rejected (302): the answer is not the API's: a redirect to"
        .. " https://example.com/; check the network, base_url and any proxy" },
    { { outcome = "rejected", kind = "api", status = 402, detail = "Pay up" },
      "rejected (402): Pay up; add funds to the account" },
    { { outcome = "unknown", kind = "timeout",
        cause = "the request went out and no answer came within 30 s" },
      "unknown: the request went out and no answer came within 30 s" .. unsure },
    { { outcome = "unknown", kind = "timeout" },
      "unknown: the request went out and no answer came in time" .. unsure },
    { { outcome = "unknown", kind = "connection", cause = "connection reset",
        request_id = "a", attempts = { {}, {} } },
      "unknown: the request went out, then: connection reset" .. unsure
        .. " (request a, 2 attempts)" },
    { { outcome = "unknown", kind = "protocol", status = 502,
        cause = "the reply is not JSON." },
      "unknown (502): the request went out, then: the reply is not JSON"
        .. unsure },
    { { outcome = "unknown", kind = "protocol" },
      "unknown: the request went out and the answer made no sense" .. unsure },
    { { outcome = "unknown", kind = "api", status = 503, retry_after = 5,
        errors = { { code = "10037" } } },
      "unknown (503): 10037 Service unavailable" .. unsure },
    { { outcome = "accepted", kind = "protocol", status = 200,
        cause = "the body was cut off", request_id = "b" },
      "accepted (200): the message went out, but the reply could not be read:"
        .. " the body was cut off; do not send it again (request b)" },
    { { outcome = "accepted", kind = "protocol" },
      "accepted: the message went out, but the reply could not be read;"
        .. " do not send it again" },
    { {},
      "failed: something went wrong; check the network, base_url and any proxy" },
  }
  for index, case in ipairs(lines) do
    it("reads well, case " .. index, function()
      assert.equal(case[2], tostring(errors.new(case[1])))
    end)
  end

  it("makes visible what could break or hide the line", function()
    local shown = {
      { "a\nb", "a\\nb" }, { "a\r\nb", "a\\r\\nb" }, { "a\tb", "a\\tb" },
      { "a\0b", "a\\x00b" }, { "\27[31mred", "\\x1B[31mred" },
      { "a\127b", "a\\x7Fb" },
      { "a\194\133b", "a\\xC2\\x85b" },            -- next line
      { "a\226\128\168b", "a\\xE2\\x80\\xA8b" },   -- line separator
      { "a\226\128\174b", "a\\xE2\\x80\\xAEb" },   -- right-to-left override
      { "a\226\129\166b", "a\\xE2\\x81\\xA6b" },   -- isolate
      { "gr\195\188n", "gr\195\188n" },
      { "\240\159\152\128", "\240\159\152\128" },
      { "\226\130\172", "\226\130\172" },
      { "caf\233", "caf\\xE9" },                   -- not UTF-8
      { "\155 31m", "\\x9B 31m" },
      { "100%d", "100%d" },
    }
    for _, case in ipairs(shown) do
      for _, field in ipairs { "title", "detail", "pointer", "code" } do
        local err = { outcome = "rejected", kind = "api", code = "1" }
        err[field] = case[1]
        local line = tostring(errors.new(err))
        assert.truthy(line:find(case[2], 1, true), line)
      end
      local line = tostring(errors.new { outcome = "not_sent",
        kind = "connection", cause = case[1], request_id = case[1] })
      assert.truthy(line:find(case[2], 1, true), line)
    end
  end)

  it("shortens what is long, between characters", function()
    local euro = "\226\130\172"
    for pad = 0, 2 do
      local detail = ("x"):rep(pad) .. euro:rep(5000)
      local line = tostring(errors.new {
        outcome = "rejected", kind = "api", detail = detail,
      })
      assert.is_true(#line < 400)
      assert.truthy(line:find(euro .. "...", 1, true), line)
      assert.is_nil(line:find("\\x", 1, true), line)
    end
  end)

  local texts = {
    false, "", "plain", "two\nlines", ("long "):rep(2000), KEY, "%1 %s",
    ("\155"):rep(1000), "Bearer " .. KEY,
  }
  local outcomes = { false, "not_sent", "rejected", "unknown", "accepted" }
  local kinds = {
    false, "invalid", "connection", "timeout", "api", "protocol",
  }

  local function each(visit)
    for _, outcome in ipairs(outcomes) do
      for _, kind in ipairs(kinds) do
        for _, text in ipairs(texts) do
          for _, status in ipairs { false, 200, 404, 503 } do
            visit(outcome or nil, kind or nil, text or nil, status or nil)
          end
        end
      end
    end
  end

  local begins = {
    not_sent = "^not sent", rejected = "^rejected", unknown = "^unknown",
    accepted = "^accepted",
  }

  it("is one honest line whatever the fields", function()
    local seen = 0
    each(function(outcome, kind, text, status)
      for _, field in ipairs { "detail", "cause", "request_id", "title" } do
        local fields = { outcome = outcome, kind = kind, status = status }
        fields[field] = text
        fields.errors = { { code = "10009" }, {} }
        if field == "cause" then fields.errors = nil end
        local line = tostring(errors.new(fields))
        assert.is_nil(line:find("[%c\127]"), line)
        assert.is_true(#line < 2000)
        assert.is_nil(line:find(KEY, 1, true), line)
        assert.truthy(line:find(begins[outcome] or "^failed"), line)
        assert.equal(outcome == "unknown",
          line:find("may have been delivered", 1, true) ~= nil, line)
        assert.equal(outcome == "accepted",
          line:find("the message went out", 1, true) ~= nil, line)
        seen = seen + 1
      end
    end)
    assert.equal(5 * 6 * 9 * 4 * 4, seen)
  end)

  it("survives fields of the wrong type", function()
    local junk = { true, false, 0 / 0, {}, print }
    local names = {
      "outcome", "kind", "status", "code", "title", "detail", "pointer",
      "errors", "request_id", "retry_after", "ratelimit", "attempts", "cause", "advice",
    }
    for _, name in ipairs(names) do
      for _, value in ipairs(junk) do
        local err = errors.new { outcome = "rejected", kind = "api" }
        err[name] = value
        assert.equal("string", type(tostring(err)))
      end
    end
  end)

  it("joins strings as a string does", function()
    local err = errors.new { outcome = "not_sent", kind = "timeout" }
    assert.equal("failed: " .. tostring(err), "failed: " .. err)
    assert.equal(tostring(err) .. "!", err .. "!")
  end)

  it("travels through error and pcall", function()
    local err = errors.new { outcome = "not_sent", kind = "timeout" }
    local ok, caught = pcall(error, err)
    assert.is_false(ok)
    assert.equal(err, caught)
  end)
end)

describe("telnyx.errors and secrets", function()
  local function holds(value, secret)
    if type(value) == "string" then return value:find(secret, 1, true) ~= nil end
    if type(value) ~= "table" then return false end
    for name, inner in pairs(value) do
      if holds(name, secret) or holds(inner, secret) then return true end
    end
    return false
  end

  local function leaking(secret)
    return {
      outcome = "rejected", kind = "api", code = "10009", request_id = secret,
      title = "bad key " .. secret, detail = secret .. secret,
      pointer = "/" .. secret, cause = "Bearer " .. secret,
      errors = { { code = "10009", detail = "you sent " .. secret,
        source = { pointer = secret }, meta = { url = "?k=" .. secret } } },
      attempts = { { outcome = "rejected", cause = secret } },
    }
  end

  it("masks the key in use in every field", function()
    for _, secret in ipairs { KEY, "hunter2", "a-b.c%d" } do
      local err = errors.new(leaking(secret), secrets.new({ secret }))
      assert.is_false(holds(err, secret))
      assert.is_nil(tostring(err):find(secret, 1, true))
    end
  end)

  it("masks what looks like a key when nobody named one", function()
    assert.is_false(holds(errors.new(leaking(KEY)), KEY))
    local bearer = errors.new { cause = "header: Bearer s3cr3t-token, sent" }
    assert.is_false(holds(bearer, "s3cr3t"))
    local words = errors.new { cause = "KEYWORD and KEY are words" }
    assert.equal("KEYWORD and KEY are words", words.cause)
  end)

  it("masks before it shortens", function()
    for pad = 200, 245 do
      local err = errors.new { outcome = "rejected", kind = "api" }
      err.detail = ("x"):rep(pad) .. " " .. KEY
      assert.is_nil(tostring(err):find("KEY0", 1, true))
    end
  end)

  it("ends on a table that holds itself", function()
    local loop = { outcome = "rejected", kind = "api", detail = KEY }
    loop.again = loop
    assert.is_nil(tostring(errors.new(loop)):find(KEY, 1, true))
  end)
end)

describe("a code that means two things", function()
  local function refused(status, code, title, own)
    own = own or {}
    own.outcome, own.kind, own.status = own.outcome or "rejected", "api", status
    own.errors = { { code = code, title = title } }
    return errors.new(own)
  end

  it("is about too many where the status says so, or there is none", function()
    for _, title in ipairs { "Too many requests", "Bad Request", false } do
      local err = refused(429, "10011", title or nil)
      assert.same({ "rate", "account" }, { err.class, err.whose })
    end
    local err = refused(nil, "10011")
    assert.same({ "rate", "account", "Too many requests" }, { err.class, err.whose, err.title })
  end)

  it("is a bad request with another status, whatever it is called", function()
    for _, title in ipairs { "Bad Request", "Too many requests", false } do
      local err = refused(400, "10011", title or nil)
      assert.same({ "request", "message" }, { err.class, err.whose })
      assert.equal("Mend the request as the detail says.", err.advice)
      assert.equal(title or nil, err.title)
      assert.equal(title or nil, err.errors[1].title)
      assert.is_nil(tostring(err):lower():find("slow", 1, true), tostring(err))
    end
    assert.equal("account", refused(403, "10011").class)
  end)

  it("is the service's with a status of its own", function()
    for _, code in ipairs { "10011", "10016" } do
      local err = refused(503, code, nil, { outcome = "unknown" })
      assert.same({ "service", "service" }, { err.class, err.whose })
      assert.is_nil(err.title)
    end
    assert.equal("recipient", refused(400, "10016").class)
    assert.equal("recipient", errors.invalid({ code = "10016" }).class)
  end)

  it("is told by its title", function()
    local unreachable = "Destination number unreachable"
    for _, title in ipairs { unreachable, unreachable:lower() } do
      local err = refused(nil, "40300", title)
      assert.same({ "recipient", "message", title }, { err.class, err.whose, err.title })
      assert.is_nil(err.advice:find("STOP", 1, true), err.advice)
    end
    for _, title in ipairs { "Blocked due to STOP message", "New words", false } do
      local err = refused(nil, "40300", title or nil)
      assert.truthy(err.advice:find("STOP", 1, true), err.advice)
    end
    assert.equal("service", refused(nil, "10016", "Service unavailable").class)
    assert.equal("content", refused(nil, "40302", unreachable).class)
  end)

  it("is told so to those inside as well, and to each in a copy", function()
    local meaning = errors.meaning { code = 40300, title = "Destination number unreachable" }
    assert.equal("Destination number unreachable", meaning.title)
    meaning.class = "mine"
    assert.equal("recipient", errors.meaning { code = "40300",
      title = "Destination number unreachable" }.class)
    assert.is_nil(errors.meaning { code = "10011", status = 400 })
    assert.same(errors.catalogue["10011"], errors.meaning { code = "10011", status = 429 })
    assert.is_nil(errors.meaning {})
    for _, other in ipairs { true, {}, 0 / 0, "", "99999" } do
      assert.is_nil(errors.meaning { code = other, status = other, title = other })
    end
  end)
end)

describe("whose trouble an error is", function()
  -- As anybody's page says it too: a proxy's, a gateway's.
  for _, row in ipairs {
    { 401, "api", "account" }, { 402, "api", "account" }, { 403, "api", "message" },
    { 401, "protocol", "account" }, { 402, "protocol", "account" },
    { 403, "protocol", "service" }, { 400, "api", "message" }, { 429, "api", "sender" },
    { 500, "api", "service" }, { 503, "protocol", "service" },
  } do
    it(("is told without a code: %d, %s"):format(row[1], row[2]), function()
      local err = errors.new { outcome = "rejected", status = row[1], kind = row[2] }
      assert.equal(row[3], err.whose)
    end)
  end

  it("is the account's where there are too many of all", function()
    assert.equal("account", errors.catalogue["10011"].whose)
    assert.equal("sender", errors.catalogue["40318"].whose)
  end)
end)
