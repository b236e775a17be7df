-- Replies of every kind: each becomes a message or the right error, and none raises. Most go
-- straight through core.exchange; the last part sends some of them over a real socket.

local cjson = require "cjson"
local core = require "telnyx.core"
local exchange = require "spec.support.exchange"
local verdict = require "spec.support.verdict"
local wire = require "spec.support.wire"

local integer_or_float = rawget(math, "type") -- Lua 5.3 and later
local ID = "40385f64-5717-4562-b3fc-2c963f66afa6"
local NOW = 1700000000 -- Tue, 14 Nov 2023 22:13:20 GMT
local HTML = "<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"
local ENVELOPE = '{"errors":[{"code":"10015","title":"Bad Request","detail":"no"}]}'

-- The reference page's sample reply, and what has to come of it.
local SAMPLE = [[{
  "data": {
    "record_type": "message",
    "direction": "outbound",
    "id": "40385f64-5717-4562-b3fc-2c963f66afa6",
    "type": "MMS",
    "messaging_profile_id": "4000eba1-a0c0-4563-9925-b25e842a7cb6",
    "organization_id": "b448f9cc-a842-4784-98e9-03c1a5872950",
    "from": {
      "phone_number": "+18445550001", "carrier": "TELNYX LLC", "line_type": "VoIP"
    },
    "to": [
      {
        "phone_number": "+18665550001", "status": "queued",
        "carrier": "T-MOBILE USA, INC.", "line_type": "Wireless"
      }
    ],
    "text": "Hello, World!",
    "subject": "From Telnyx!",
    "media": [
      { "url": "https://example.com/cat.png", "content_type": null, "sha256": null, "size": null }
    ],
    "webhook_url": "https://www.example.com/hooks",
    "webhook_failover_url": "https://backup.example.com/hooks",
    "encoding": "GSM-7",
    "parts": 1,
    "tags": [ "Greetings" ],
    "cost": null,
    "received_at": "2019-01-23T18:10:02.574Z",
    "sent_at": null,
    "completed_at": null,
    "valid_until": null,
    "errors": []
  }
}]]

local EXPECTED_SAMPLE = {
  record_type = "message",
  direction = "outbound",
  id = ID,
  type = "MMS",
  messaging_profile_id = "4000eba1-a0c0-4563-9925-b25e842a7cb6",
  organization_id = "b448f9cc-a842-4784-98e9-03c1a5872950",
  from = { phone_number = "+18445550001", carrier = "TELNYX LLC", line_type = "VoIP" },
  to = {
    {
      phone_number = "+18665550001", status = "queued",
      carrier = "T-MOBILE USA, INC.", line_type = "Wireless",
    },
  },
  text = "Hello, World!",
  subject = "From Telnyx!",
  media = { { url = "https://example.com/cat.png" } },
  webhook_url = "https://www.example.com/hooks",
  webhook_failover_url = "https://backup.example.com/hooks",
  encoding = "GSM-7",
  parts = 1,
  tags = { "Greetings" },
  received_at = "2019-01-23T18:10:02.574Z",
  errors = {},
}

local function head(status, headers)
  local lines = { ("HTTP/1.1 %03d Status"):format(status) }
  for name, value in pairs(headers or {}) do lines[#lines + 1] = name .. ": " .. value end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

-- What becomes of a request that is answered with these bytes and no more.
local function carried(bytes, ending)
  local x = exchange.asked { max_response_bytes = 4 * 1024 * 1024 }
  x:feed(bytes)
  x:finish(ending)
  return verdict.result(x:reply(NOW))
end

local function reply(status, body, headers)
  return carried(head(status, headers) .. (body or ""), "close")
end

local function data(fields)
  return '{"data":{"id":"' .. ID .. '"' .. (fields and "," .. fields or "") .. "}}"
end

local function nested(depth, inside)
  return ("["):rep(depth) .. inside .. ("]"):rep(depth)
end

local PLAIN = { string = true, number = true, boolean = true, table = true }

-- Only what a Lua program expects: no userdata for null, and integers where the numbers are whole.
local function assert_plain(value, path)
  assert.is_true(PLAIN[type(value)], path .. " is a " .. type(value))
  if type(value) == "table" then
    for key, each in pairs(value) do
      assert_plain(each, path .. "." .. tostring(key))
    end
  elseif integer_or_float and type(value) == "number" and math.abs(value) < 2 ^ 53 then
    local whole = value == math.floor(value)
    assert.equal(whole and "integer" or "float", integer_or_float(value), path)
  end
end

-- The outcome that a status alone decides, for a body without a message.
local function outcome_of(status)
  if status >= 200 and status < 300 then
    return "accepted"
  elseif status == 408 or status == 409 or status < 200 or status >= 500 then
    return "unknown"
  end
  return "rejected"
end

describe("a status", function()
  local BODIES = {
    { "an error envelope", ENVELOPE, kind = "api" },
    { "HTML", HTML, kind = "protocol" },
    { "an empty body", "" },
    { "no body", nil },
    { "an empty object", "{}" },
  }

  for _, row in ipairs(BODIES) do
    it("decides the outcome: 200 to 599 with " .. row[1], function()
      for status = 200, 599 do
        local redirect = status >= 300 and status < 400
        local expected = {
          outcome = outcome_of(status),
          kind = (redirect or status < 300) and "protocol" or row.kind,
          status = status,
          retryable = status == 429,
        }
        -- The service's own errors under a 2xx are the service talking.
        if status < 300 and row.kind == "api" then
          expected.kind = { "api", "protocol" }
        end
        verdict.assert_result(reply(status, row[2]), expected)
      end
    end)

    it("that is odd leaves the outcome unknown, with " .. row[1], function()
      for _, status in ipairs { 0, 1, 99, 100, 101, 103, 199, 600, 799, 999 } do
        local result = reply(status, row[2])
        assert.equal("unknown", result.err.outcome)
        assert.is_false(result.err.retryable)
      end
    end)
  end

  it("of any 2xx with a message is a success", function()
    for status = 200, 299 do
      -- After a 204 there is no body, whatever follows.
      local outcome = status == 204 and "accepted" or "success"
      verdict.assert_result(reply(status, data()), { outcome = outcome, status = status })
    end
  end)

  it("of anything else is no success, whatever the body says", function()
    for _, status in ipairs { 0, 100, 101, 199, 300, 302, 304, 400, 408, 429, 500, 503, 600 } do
      local result = reply(status, data())
      assert.is_nil(result.message)
      assert.equal(outcome_of(status), result.err.outcome)
    end
  end)
end)

describe("a reply that did not arrive whole", function()
  local LENGTH = { ["Content-Length"] = "99" }
  local ROWS = {
    { "lost", "", "break", outcome = "unknown", kind = "connection" },
    { "late", "", "timeout", outcome = "unknown", kind = "timeout" },
    { "garbled", "garbage", "close", outcome = "unknown", kind = "protocol" },
    { "lost after 100", head(100), "close", outcome = "unknown", kind = "connection",
      status = false },
    { "lost after 200", head(200, LENGTH), "close", outcome = "accepted", status = 200 },
    { "lost in the body of 200", head(200, LENGTH) .. data():sub(1, 20), "break",
      outcome = "accepted", status = 200 },
    { "late in the body of 202", head(202, LENGTH) .. "{", "timeout", outcome = "accepted",
      kind = "timeout", status = 202 },
    { "lost after 302", head(302, LENGTH), "close", outcome = "rejected", status = 302 },
    { "lost after 400", head(400, LENGTH), "close", outcome = "rejected", status = 400 },
    { "lost after 409", head(409, LENGTH), "close", outcome = "unknown", status = 409 },
    { "lost after 429", head(429, LENGTH), "close", outcome = "rejected", status = 429,
      retryable = true },
    { "lost after 500", head(500, LENGTH), "close", outcome = "unknown", status = 500 },
  }

  for _, row in ipairs(ROWS) do
    it(row[1], function()
      verdict.assert_result(carried(row[2], row[3]), {
        outcome = row.outcome, kind = row.kind, status = row.status,
        retryable = row.retryable or false,
      })
    end)
  end

  for _, failure in ipairs { "connection", "timeout" } do
    it("is not sent when no connection came about: " .. failure, function()
      local x = exchange.new()
      x:fail(failure, "no way")
      verdict.assert_result(verdict.result(x:reply(NOW)),
        { outcome = "not_sent", kind = failure, retryable = true, status = false })
    end)
  end
end)

describe("the body of a 2xx", function()
  local MESSAGES = {
    { "the least", data() },
    { "white space around", "\r\n\t " .. data() .. " \n" },
    { "unknown fields", data '"new_field":{"a":[1,2,{"b":null}]},"x":1' },
    { "null everywhere", data('"to":null,"from":null,"parts":null,"errors":null,"text":null,'
      .. '"media":null,"cost":null,"tags":null,"type":null') },
    { "nulls in lists", data '"tags":[null],"to":[null,{"status":null}],"media":[1,null,2]' },
    { "escapes", data [["text":"\u00fc \ud83d\ude00 \" \\ \/ \b\f\n\r\t"]] },
    { "UTF-8", data '"text":"\195\188 \240\159\152\128"' },
    { "errors beside the message", data '"errors":[{"code":"40008","title":"Undeliverable"}]' },
    { "a member beside data", '{"meta":{"x":1},"data":{"id":"' .. ID .. '"}}' },
    { "nested ten deep", data('"deep":' .. nested(10, "1")) },
    { "wide", data('"wide":[' .. ("1,"):rep(50000) .. "1]") },
    { "long", data('"text":"' .. ("x"):rep(500000) .. '"') },
    { "an id that is no UUID", '{"data":{"id":"m1"}}' },
    { "numbers of all kinds", data '"a":1,"b":-1,"c":0,"d":1.5,"e":1e3,"f":-0.25,"g":2147483648' },
  }

  for _, row in ipairs(MESSAGES) do
    it("is a message: " .. row[1], function()
      local result = reply(200, row[2])
      verdict.assert_result(result, { outcome = "success", status = 200 })
      assert_plain(result.message, "message")
    end)
  end

  local UNREADABLE = {
    { "empty", "" },
    { "white space", " \r\n" },
    { "HTML", HTML },
    { "text", "OK" },
    { "an empty object", "{}" },
    { "no id", '{"data":{"parts":1}}' },
    { "id null", '{"data":{"id":null}}' },
    { "id empty", '{"data":{"id":""}}' },
    { "id an object", '{"data":{"id":{}}}' },
    { "id a list", '{"data":{"id":["m1"]}}' },
    { "id true", '{"data":{"id":true}}' },
    { "data null", '{"data":null}' },
    { "data a string", '{"data":"' .. ID .. '"}' },
    { "data a number", '{"data":7}' },
    { "data true", '{"data":true}' },
    { "data a list", '{"data":[{"id":"' .. ID .. '"}]}' },
    { "data an empty list", '{"data":[]}' },
    { "message without data", '{"id":"' .. ID .. '"}' },
    { "a list", '[{"data":{"id":"' .. ID .. '"}}]' },
    { "an empty list", "[]" },
    { "a string", '"' .. ID .. '"' },
    { "a number", "42" },
    { "true", "true" },
    { "null", "null" },
    { "errors instead of data", ENVELOPE },
    { "a comma too many", '{"data":{"id":"m1",}}' },
    { "names without quotes", '{data:{id:"m1"}}' },
    { "single quotes", "{'data':{'id':'m1'}}" },
    { "something after the end", data() .. "x" },
    { "two documents", data() .. data() },
    { "a stray NUL", "\0" .. data() },
    { "a lone surrogate", data [["text":"\ud83d"]] },
    { "an unknown escape", data [["text":"\x41"]] },
    { "nothing but brackets", ("["):rep(200000) },
    { "nested beyond reason", data('"deep":' .. nested(100000, "1")) },
    { "megabytes of nothing", (" "):rep(3 * 1024 * 1024) },
    { "random bytes", "\255\254\0\1\127\128\200{}" },
    { "UTF-16", "\255\254{\0}\0" },
  }

  for _, row in ipairs(UNREADABLE) do
    it("is no message, yet accepted and never sent again: " .. row[1], function()
      verdict.assert_result(reply(200, row[2]), {
        outcome = "accepted", kind = { "protocol", "api" }, status = 200, retryable = false,
      })
    end)
  end

  -- Not quite JSON, but what it means is plain: a reader may take it or leave it.
  local LENIENT = {
    { "a raw line end in a string", '{"data":{"id":"m1","text":"a\nb"}}' },
    { "numbers that JSON has not", data '"parts":NaN,"a":Infinity,"b":0x10' },
    { "the same name twice", data '"parts":1,"parts":2' },
    { "invalid UTF-8 in a text", data '"text":"\255"' },
    { "a byte order mark", "\239\187\191" .. data() },
    { "an id that is a number", '{"data":{"id":7}}' },
  }

  for _, row in ipairs(LENIENT) do
    it("is accepted, with a message or without: " .. row[1], function()
      verdict.assert_result(reply(200, row[2]), {
        outcome = { "success", "accepted" }, status = 200, retryable = false,
      })
    end)
  end

  it("is no message when it is cut, wherever", function()
    for length = 0, #SAMPLE - 1 do
      verdict.assert_result(reply(200, SAMPLE:sub(1, length)), {
        outcome = "accepted", kind = "protocol", status = 200, retryable = false,
      })
    end
  end)

  it("never raises, whichever byte is wrong", function()
    local body = data '"to":[{"status":"queued"}],"parts":1,"errors":[],"text":"a\\u0041"'
    for position = 1, #body do
      for _, byte in ipairs { "\0", '"', "\\", "{", "}", "[", "]", ",", ":", "n", "9", "\255" } do
        local broken = body:sub(1, position - 1) .. byte .. body:sub(position + 1)
        local result = reply(200, broken)
        verdict.assert_result(result, { outcome = { "success", "accepted" } })
        if result.message then
          assert_plain(result.message, "message")
        end
      end
    end
  end)

  it("leaves nothing behind in memory", function()
    local body = data('"text":"' .. ("x"):rep(500000) .. '"')
    local function kilobytes_after(replies)
      for _ = 1, replies do
        reply(200, body)
      end
      collectgarbage()
      collectgarbage()
      return collectgarbage("count")
    end
    assert.is_true(kilobytes_after(40) - kilobytes_after(10) < 1024)
  end)
end)

describe("the sample reply of the reference page", function()
  local message, info

  before_each(function()
    local result = reply(200, SAMPLE)
    message, info = result.message, result.info
  end)

  it("comes back as it is, with its nulls absent", function()
    assert.same(EXPECTED_SAMPLE, message)
    assert_plain(message, "message")
    for _, name in ipairs { "sent_at", "completed_at", "valid_until", "cost" } do
      assert.is_nil(message[name])
    end
    assert.is_nil(message.media[1].size)
  end)

  it("has an integer number of parts, a status, and errors to iterate over", function()
    assert.equal("1", tostring(message.parts))
    if integer_or_float then
      assert.equal("integer", integer_or_float(message.parts))
    end
    assert.equal("queued", message.to[1].status)
    assert.equal("table", type(message.errors))
    assert.is_nil(next(message.errors))
  end)

  it("is accepted", function()
    assert.equal("accepted", info.outcome)
    assert.equal(200, info.status)
  end)
end)

describe("the numbers of a message", function()
  it("keep their fractions, and are integers when they have none", function()
    local message = reply(200, data '"wait_seconds":0.5,"parts":10,"num_chars":1530').message
    assert.equal("0.5", tostring(message.wait_seconds))
    assert.equal("10", tostring(message.parts))
    assert.equal("1530", tostring(message.num_chars))
  end)

  it("leave decimal strings alone", function()
    local message = reply(200, data '"cost":{"amount":"0.0140","currency":"USD"}').message
    assert.equal("0.0140", message.cost.amount)
  end)

  it("may be beyond all bounds without harm", function()
    for _, number in ipairs { "1e999", "-1e999", "1e-999", ("9"):rep(400), "9007199254740993" } do
      verdict.assert_result(reply(200, data('"parts":' .. number)), {
        outcome = { "success", "accepted" },
      })
    end
  end)

  it("are read as they are whatever the host did to its own cjson", function()
    cjson.decode_max_depth(3)
    cjson.decode_invalid_numbers(false)
    local ok, problem = pcall(function()
      verdict.assert_result(reply(200, data('"deep":' .. nested(10, "1"))), { outcome = "success" })
    end)
    cjson.decode_max_depth(1000)
    cjson.decode_invalid_numbers(true)
    assert(ok, problem)
  end)
end)

describe("an error envelope", function()
  local function fields(err)
    return { code = err.code, title = err.title, detail = err.detail, pointer = err.pointer }
  end

  it("comes back whole, its first error in front", function()
    local err = reply(422, [[{"errors":[
      {"code":"40310","title":"Invalid 'to' address","detail":"must be one number",
       "source":{"pointer":"/to","parameter":"to"},"meta":{"url":"https://example.com/40310"}},
      {"code":"10004","title":"Missing required parameter","source":{"pointer":"/text"}},
      {"code":"10033","title":"Value out of range","detail":null,"source":null}
    ]}]]).err
    assert.equal("rejected", err.outcome)
    assert.equal("api", err.kind)
    assert.same({
      code = "40310", title = "Invalid 'to' address", detail = "must be one number",
      pointer = "/to",
    }, fields(err))
    assert.same({
      { code = "40310", title = "Invalid 'to' address", detail = "must be one number",
        source = { pointer = "/to", parameter = "to" },
        meta = { url = "https://example.com/40310" } },
      { code = "10004", title = "Missing required parameter", source = { pointer = "/text" } },
      { code = "10033", title = "Value out of range" },
    }, err.errors)
  end)

  -- What is promoted to `err`, for each shape of the list.
  local SHAPES = {
    { "a code that is a number", '[{"code":40310,"title":"t"}]', { code = "40310", title = "t" } },
    { "no code", '[{"title":"t","detail":"d"}]', { title = "t", detail = "d" } },
    { "no title", '[{"code":"1"}]', { code = "1" } },
    { "nulls", '[{"code":"1","title":null,"detail":null,"source":{"pointer":null}}]',
      { code = "1" } },
    { "a source that is a string", '[{"code":"1","source":"/to"}]', { code = "1" } },
    { "a source that is a list", '[{"code":"1","source":["/to"]}]', { code = "1" } },
    { "a pointer that is a number", '[{"code":"1","source":{"pointer":7}}]', { code = "1" } },
    { "a parameter only", '[{"code":"1","source":{"parameter":"to"}}]', { code = "1" } },
  }

  for _, row in ipairs(SHAPES) do
    it("is read as far as it can be: " .. row[1], function()
      local result = reply(400, '{"errors":' .. row[2] .. "}")
      verdict.assert_result(result, { outcome = "rejected", kind = "api", status = 400 })
      assert.same(row[3], fields(result.err))
      assert_plain(result.err.errors, "errors")
    end)
  end

  local ODD = {
    { "an empty list", '{"errors":[]}' },
    { "an object", '{"errors":{"code":"1","title":"t"}}' },
    { "an empty object", '{"errors":{}}' },
    { "a string", '{"errors":"no"}' },
    { "a number", '{"errors":7}' },
    { "null", '{"errors":null}' },
    { "true", '{"errors":true}' },
    { "a list of strings", '{"errors":["no","never"]}' },
    { "a list of numbers", '{"errors":[1,2]}' },
    { "a list of nulls", '{"errors":[null,null]}' },
    { "a list of lists", '{"errors":[[{"code":"1"}]]}' },
    { "null before an error", '{"errors":[null,{"code":"1"}]}' },
    { "text before an error", '{"errors":["x",{"code":"1"}]}' },
    { "code an object", '{"errors":[{"code":{},"title":[],"detail":true}]}' },
    { "code true", '{"errors":[{"code":true}]}' },
    { "code fractional", '{"errors":[{"code":1.5}]}' },
    { "code huge", '{"errors":[{"code":1e300}]}' },
    { "an empty error", '{"errors":[{}]}' },
    { "one error without a list", '{"code":"1","title":"t"}' },
    { "another word", '{"error":"no","message":"x"}' },
    { "nothing known", '{"a":{"b":[1,2,3]}}' },
    { "a list on top", '[{"code":"1"}]' },
    { "a string on top", '"no"' },
    { "deep in brackets", ("["):rep(100000) },
    { "a thousand errors", '{"errors":[' .. ('{"code":"1"},'):rep(999) .. '{"code":"1"}]}' },
    { "a long title", '{"errors":[{"code":"1","title":"' .. ("t"):rep(200000) .. '"}]}' },
    { "control characters", '{"errors":[{"code":"1\\u0000","title":"\\u001b[31m\\n"}]}' },
    { "invalid UTF-8", '{"errors":[{"code":"1","title":"\255\254"}]}' },
  }

  for _, row in ipairs(ODD) do
    it("of any other shape does no harm: " .. row[1], function()
      for _, status in ipairs { 200, 302, 400, 409, 429, 500 } do
        local result = reply(status, row[2])
        verdict.assert_result(result, { outcome = outcome_of(status), status = status })
        local err = result.err
        for _, name in ipairs { "code", "title", "detail", "pointer" } do
          assert.is_true(err[name] == nil or type(err[name]) == "string", name)
        end
        assert.is_true(err.errors == nil or type(err.errors) == "table")
        for i, each in ipairs(err.errors or {}) do
          assert.equal("table", type(each), "errors[" .. i .. "]")
        end
        assert_plain(err, "err")
      end
    end)
  end
end)

describe("the headers of a reply", function()
  it("name the request and the limits of its rate", function()
    local headers = {
      ["x-request-id"] = "req-1", ["x-ratelimit-limit"] = "100",
      ["x-ratelimit-remaining"] = "99", ["x-ratelimit-reset"] = "7",
    }
    local good, bad = reply(200, data(), headers).info, reply(400, ENVELOPE, headers).err
    for _, each in ipairs { good, bad } do
      assert.equal("req-1", each.request_id)
      assert.same({ limit = 100, remaining = 99, reset = 7 }, each.ratelimit)
    end
  end)

  it("may be missing", function()
    local info = reply(200, data()).info
    assert.is_nil(info.request_id)
    assert.is_nil(info.ratelimit)
    assert.is_nil(reply(429, ENVELOPE).err.retry_after)
  end)

  local WAITS = {
    { { ["retry-after"] = "3" }, 3 },
    { { ["retry-after"] = "0" }, 0 },
    { { ["retry-after-ms"] = "1500" }, 1.5 },
    { { ["retry-after-ms"] = "250", ["retry-after"] = "9" }, 0.25 },
    { { ["retry-after"] = "Tue, 14 Nov 2023 22:13:50 GMT" }, 30 },
    { { ["retry-after"] = "soon" }, nil },
    { { ["retry-after"] = "" }, nil },
    { { ["retry-after"] = "-5" }, nil },
    { { ["retry-after"] = "nan" }, nil },
    { { ["retry-after"] = "0x10" }, nil },
    { { ["retry-after"] = ("9"):rep(100) }, "any" },
    { { ["retry-after"] = ("x"):rep(10000) }, nil },
  }

  for _, row in ipairs(WAITS) do
    local name, value = next(row[1])
    it(("name a wait: %s: %s"):format(name, value:sub(1, 40)), function()
      local err = reply(429, ENVELOPE, row[1]).err
      assert.is_true(err.retryable)
      if row[2] ~= "any" then
        assert.equal(row[2], err.retry_after)
      end
    end)
  end

  it("name a wait longer than any", function()
    assert.is_true(reply(429, ENVELOPE, { ["retry-after"] = ("9"):rep(40) }).err.retry_after > 1e39)
  end)

  -- As the service lists them: what holds, and each limit with the seconds of its window.
  local LIMITS = {
    { "40, 40;w=60", 40 }, { "40,40;w=60", 40 }, { "40 , 40;w=60", 40 }, { "40;w=60", 40 },
    { " 100, 10;w=1, 100;w=60, 1000;w=3600, 10000;w=86400 ", 100 }, { "5\t, 5;w=1", 5 },
    { "40," .. ("4"):rep(60), 40 }, { "40", 40 }, { "0, 0;w=60", 0 },
    { ", 40;w=60", nil }, { ";w=60", nil }, { "w=60, 40", nil }, { "4 0, 40", nil },
    { "-40, 40", nil }, { "forty, 40", nil }, { "", nil }, { ("9"):rep(200) .. ", 40", nil },
  }

  for _, row in ipairs(LIMITS) do
    it(("list the limits of a rate: %q"):format(row[1]:sub(1, 40)), function()
      local err = reply(429, ENVELOPE, { ["x-ratelimit-limit"] = row[1],
        ["x-ratelimit-remaining"] = "0" }).err
      assert.same({ limit = row[2], remaining = 0 }, err.ratelimit)
    end)
  end

  it("need not name a wait: what the service answers one too many with", function()
    local err = reply(429, ENVELOPE, { ["x-ratelimit-limit"] = "40, 40;w=60",
      ["x-ratelimit-remaining"] = "0", ["x-ratelimit-reset"] = "37" }).err
    assert.is_nil(err.retry_after)
    assert.same({ limit = 40, remaining = 0, reset = 37 }, err.ratelimit)
    assert.equal(37, require("telnyx.send.retry").asked_wait(err))
  end)

  it("name the end of a rate's window: seconds, or a time in seconds or milliseconds", function()
    local date = "Tue, 14 Nov 2023 22:13:20 GMT" -- 1700000000
    for value, expected in pairs { ["7"] = 7, ["1700000030"] = 30, ["1700000030500"] = 30.5 } do
      local err = reply(429, ENVELOPE, { date = date, ["x-ratelimit-reset"] = value }).err
      assert.equal(expected, err.ratelimit.reset)
    end
  end)
end)

describe("over a real socket, a body", function()
  local MESSAGE = { from = "+18445550001", to = "+18665550001", text = "Hello, World!" }
  local LIMITS = { timeout = 20, connect_timeout = 20 }
  local station, listener, client

  setup(function()
    station = wire.start()
  end)

  teardown(function()
    station:stop()
  end)

  after_each(function()
    client:close()
    listener:close()
  end)

  local function answered(status, body, headers)
    listener = station:listen { { wire.request, wire.reply(status, body, headers) } }
    client = core.client { api_key = verdict.KEY, base_url = listener.url }
    local result = verdict.result(client:send(MESSAGE, LIMITS))
    client:close()
    verdict.assert_promise(result, listener:wait_ended().whole)
    return result
  end

  it("is the reference page's sample", function()
    local result = answered(200, SAMPLE)
    verdict.assert_result(result, { outcome = "success", status = 200 })
    assert.same(EXPECTED_SAMPLE, result.message)
    assert_plain(result.message, "message")
  end)

  it("is an envelope of several errors", function()
    local err = answered(422, '{"errors":[{"code":"40310","title":"a"},{"code":"10004"}]}').err
    assert.equal("api", err.kind)
    assert.equal("40310", err.code)
    assert.same({ { code = "40310", title = "a" }, { code = "10004" } }, err.errors)
  end)

  it("comes with headers of any case", function()
    local result = answered(429, ENVELOPE, {
      { "X-REQUEST-ID", "req-2" }, { "Retry-After", " 4 " }, { "x-RateLimit-Limit", "5" },
    })
    verdict.assert_result(result, { outcome = "rejected", kind = "api", retryable = true })
    assert.equal("req-2", result.err.request_id)
    assert.equal(4, result.err.retry_after)
    assert.equal(5, result.err.ratelimit.limit)
  end)

  it("comes with limits that are a list, on one line or several", function()
    for _, lines in ipairs {
      { { "X-RateLimit-Limit", "40, 40;w=60" } },
      { { "x-ratelimit-limit", "40" }, { "x-ratelimit-limit", "1000;w=3600" } },
    } do
      lines[#lines + 1] = { "x-ratelimit-reset", "37" }
      local result = answered(429, ENVELOPE, lines)
      listener:close()
      assert.same({ limit = 40, reset = 37 }, result.err.ratelimit)
    end
  end)

  local ROWS = {
    { "empty", 200, "", outcome = "accepted" },
    { "HTML", 200, HTML, outcome = "accepted", kind = "protocol" },
    { "HTML of a gateway", 502, HTML, outcome = "unknown", kind = "protocol" },
    { "HTML of a refusal", 403, HTML, outcome = "rejected", kind = "protocol" },
    { "binary", 200, "\0\1\2\255", outcome = "accepted", kind = "protocol" },
    { "invalid JSON", 200, '{"data":', outcome = "accepted", kind = "protocol" },
    { "without id", 200, '{"data":{}}', outcome = "accepted" },
    { "too deep", 200, ("["):rep(200000), outcome = "accepted" },
    { "null", 200, "null", outcome = "accepted" },
    { "a list", 400, "[]", outcome = "rejected" },
    { "an error without an envelope", 404, '{"code":"10005","title":"Resource not found"}',
      outcome = "rejected", kind = "protocol" },
    { "larger than the ceiling", 200, data('"t":"' .. ("x"):rep(2 ^ 21) .. '"'),
      outcome = "accepted", kind = "protocol" },
    { "larger than the ceiling, refused", 400, (" "):rep(2 ^ 21), outcome = "rejected" },
    { "larger than the ceiling, failed", 500, (" "):rep(2 ^ 21), outcome = "unknown" },
    { "below the ceiling", 200, data('"t":"' .. ("x"):rep(1000000) .. '"'), outcome = "success" },
  }

  for _, row in ipairs(ROWS) do
    it("is " .. row[1] .. " (" .. row[2] .. ")", function()
      local result = answered(row[2], row[3])
      verdict.assert_result(result, {
        outcome = row.outcome, kind = row.kind, status = row[2], retryable = row[2] == 429,
      })
    end)
  end
end)
