local core = require "telnyx.core"
local vectors = require "spec.vectors.validate"

local NOW = vectors.now
local with, ABSENT = vectors.with, vectors.absent
local cjson = require "cjson"

local FIELDS = {
  "to", "from", "messaging_profile_id", "text", "subject", "media_urls", "webhook_url",
  "webhook_failover_url", "use_profile_webhooks", "type", "auto_detect", "send_at", "encoding",
}
local RULES = {}
for _, rule in ipairs(core.rules) do RULES[rule.name] = rule end
local BOOLEANS = { use_profile_webhooks = true, auto_detect = true }

local function printable(text)
  local short = #text > 90 and text:sub(1, 80) .. "… (" .. #text .. " bytes)" or text
  return (short:gsub("[%c\128-\255]", function(c) return ("\\%d"):format(c:byte()) end))
end

local function found_in(err)
  local found = {}
  for i, one in ipairs(err.errors or err) do found[i] = one.rule .. " " .. one.source.pointer end
  table.sort(found)
  return found
end

local function sorted(list)
  local copy = {}
  for i, value in ipairs(list) do copy[i] = value end
  table.sort(copy)
  return copy
end

--- The name of the field that a pointer leads to, as a person would call it.
local function field_of(pointer)
  local name = pointer:match("^/extra/(.*)$") or pointer:match("^/([^/]*)")
  return (name:gsub("~1", "/"):gsub("~0", "~"))
end

local function expect_readable(one)
  assert.equal("string", type(one.code))
  local rule = RULES[one.rule]
  assert.equal(rule.code, one.code)
  assert.is_true(type(one.detail) == "string" and one.detail ~= "")
  assert.is_true(one.title == nil or type(one.title) == "string" and one.title ~= "")
  local name = field_of(one.source.pointer)
  assert.truthy(one.detail:find(name, 1, true), one.detail .. " does not name " .. name)
end

local function expect_error(err)
  assert.equal("not_sent", err.outcome)
  assert.equal("invalid", err.kind)
  assert.equal("local", err.source)
  assert.is_falsy(err.retryable)
  local first = err.errors[1]
  assert.equal(first.code, err.code)
  assert.equal(first.rule, err.rule)
  assert.equal(RULES[first.rule].advice, err.advice)
  assert.equal(first.source.pointer, err.pointer)
  assert.equal(first.detail, err.detail)
  for _, one in ipairs(err.errors) do expect_readable(one) end
end

local function expect_warned(warnings, expected)
  if expected == nil or #expected == 0 then
    return assert.is_nil(warnings, warnings and table.concat(found_in(warnings), ", "))
  end
  assert.same(sorted(expected), found_in(warnings))
  for _, one in ipairs(warnings) do expect_readable(one) end
end

local function expect_valid(message, now, warned)
  local ok, told = core.validate(message, now or NOW)
  assert.is_true(ok, told and table.concat(found_in(told), ", ") .. ": " .. tostring(told.detail))
  expect_warned(told, warned)
end

local function expect_refused(message, expected, now, warned)
  local ok, err = core.validate(message, now or NOW)
  assert.is_nil(ok)
  assert.same(sorted(expected), found_in(err))
  expect_error(err)
  if warned then expect_warned(err.warnings, warned) end
  return err
end

local function detail_of(message)
  local ok, err = core.validate(message, NOW)
  assert.is_nil(ok)
  return err.detail
end

local function expect_words(detail, words)
  for _, word in ipairs(words) do
    assert.truthy(detail:lower():find(word:lower(), 1, true), detail .. " does not say " .. word)
  end
end

local function refused_at(message, rule, pointer)
  local ok, err = core.validate(message, NOW)
  assert.is_nil(ok)
  for _, one in ipairs(err.errors) do
    if one.rule == rule and one.source.pointer == pointer then return end
  end
  error(("no %s at %s but %s"):format(rule, pointer, table.concat(found_in(err), ", ")), 0)
end

describe("validate", function()
  for _, row in ipairs(vectors.rows) do
    local description, message, expected, warned = row[1], row[2], row[3], row[4]
    if expected == true then
      it("accepts " .. printable(description), function() expect_valid(message, nil, warned) end)
    else
      it("refuses " .. printable(description), function()
        expect_refused(message, expected, nil, warned)
      end)
    end
  end

  it("does not take a field for the known one that it begins with", function()
    local ok, err = core.validate(with { ["text\0"] = "x" }, NOW)
    assert.is_nil(ok)
    assert.equal("unknown_field", err.rule)
    assert.not_equal("/text", err.pointer)
    assert.equal("/text", err.pointer:sub(1, 5))
  end)

  it("leaves the message as it was", function()
    local message = with { to = "x", media_urls = { "x" }, extra = { text = "x" }, txt = "x" }
    core.validate(message, NOW)
    assert.same(with { to = "x", media_urls = { "x" }, extra = { text = "x" }, txt = "x" }, message)
  end)

  it("says the same twice", function()
    local message = with { to = "x", from = "y z!", media_urls = {}, txt = "x" }
    local _, first = core.validate(message, NOW)
    local _, second = core.validate(message, NOW)
    assert.same(first, second)
  end)
end)

describe("a value of the wrong type", function()
  local function wrong_values(field)
    local values = { 42, 4.5, print, coroutine.create(function() end), io.stdout }
    if field ~= "media_urls" and field ~= "to" then values[#values + 1] = {} end
    if field ~= "media_urls" and field ~= "to" then values[#values + 1] = { "a" } end
    values[#values + 1] = BOOLEANS[field] and "true" or true
    if not BOOLEANS[field] then values[#values + 1] = false end
    if field == "media_urls" then values[#values + 1] = "https://example.com/" end
    return values
  end

  for _, field in ipairs(FIELDS) do
    for _, value in ipairs(wrong_values(field)) do
      it("is refused: " .. field .. " as a " .. type(value), function()
        local err = expect_refused(with { [field] = value }, { "value_type /" .. field })
        expect_words(err.detail, { field, type(value) })
      end)
    end
  end

  local NULLABLE = {
    send_at = {}, webhook_url = { "url_empty /webhook_url" },
    webhook_failover_url = { "url_empty /webhook_failover_url" },
  }

  for _, field in ipairs(FIELDS) do
    it("is judged: " .. field .. " as a JSON null", function()
      local message = with { [field] = cjson.null }
      if NULLABLE[field] then return expect_valid(message, nil, NULLABLE[field]) end
      local err = expect_refused(message, { "value_type /" .. field })
      expect_words(err.detail, { "JSON null" })
    end)
  end

  it("is refused: a JSON null inside media_urls", function()
    expect_refused(with { media_urls = { cjson.null } }, { "value_type /media_urls/0" })
  end)

  it("is refused: a number in media_urls, with what was given", function()
    expect_words(detail_of(with { media_urls = { "https://a.example/", 42 } }), { "number" })
  end)

  it("is refused: extra with something else than names in it", function()
    local _, err = core.validate(with { extra = { "a" } }, NOW)
    assert.truthy(err and err.pointer:find("^/extra"))
    expect_error(err)
  end)

  it("is refused: a message with something else than names in it", function()
    local message = with {}
    message[1] = "Hello"
    local ok, err = core.validate(message, NOW)
    assert.is_nil(ok)
    assert.equal("message_key", err.rule)
  end)
end)

describe("extra", function()
  -- A table in which each level holds the next one `fan_out` times.
  local function shared(levels, fan_out)
    local value = "leaf"
    for _ = 1, levels do
      local level = {}
      for i = 1, fan_out do level[i] = value end
      value = level
    end
    return value
  end

  local function flat(n)
    local list = {}
    for i = 1, n do list[i] = i end
    return list
  end

  local function expect_too_many(extra)
    local err = expect_refused(with { extra = extra }, { "extra /extra" })
    expect_words(err.detail, { "10000 values" })
  end

  it("may share tables, which count each time they are met", function()
    expect_valid(with { extra = { a = shared(12, 2) } })
  end)

  it("is refused when shared tables make too much of it", function()
    expect_too_many { a = shared(13, 2) }
    expect_too_many { a = shared(3, 30) }
    expect_too_many { a = shared(15, 1000) } -- without an end, if each were looked at
  end)

  it("holds 10,000 values and no more", function()
    expect_valid(with { extra = { a = flat(9999) } })
    expect_too_many { a = flat(10000) }
    local fields = {}
    for i = 1, 10000 do fields["field" .. i] = i end
    expect_valid(with { extra = fields })
    fields.field0 = 0
    expect_too_many(fields)
  end)

  it("is refused when it holds itself", function()
    local one, two = {}, {}
    one.next, two.first, two.second = one, two, two
    for _, held in ipairs { one, two } do
      local err = expect_refused(with { extra = { a = held } }, { "extra /extra/a" })
      expect_words(err.detail, { "holds itself" })
    end
  end)
end)

describe("the words of a violation", function()
  it("say that one call has one recipient", function()
    expect_words(detail_of(with { to = { "+18665550001", "+18665550002" } }), { "one" })
  end)

  it("say the nearest known name of an unknown field", function()
    for typed, known in pairs {
      txt = "text", form = "from", media_url = "media_urls", webook_url = "webhook_url",
      messaging_profile = "messaging_profile_id", sendat = "send_at", Subject = "subject",
    } do
      expect_words(detail_of(with { [typed] = "x" }), { typed, known })
    end
  end)

  it("say why an empty media_urls is warned of", function()
    local _, told = core.validate(with { media_urls = {} }, NOW)
    expect_words(told[1].detail, { "media_urls", "MMS" })
  end)

  it("say how many media there are and may be", function()
    local list = {}
    for i = 1, 13 do list[i] = vectors.url end
    expect_words(detail_of(with { media_urls = list }), { "13", "10" })
  end)

  it("say how many parts a text would be and may be", function()
    expect_words(detail_of(with { text = ("a"):rep(1531) }), { "11", "10" })
  end)

  it("say where UTF-8 is ill-formed", function()
    expect_words(detail_of(with { text = "Hello, caf\233" }), { "UTF-8", "11" })
  end)

  it("say which character GSM-7 cannot hold, and where", function()
    expect_words(detail_of(with { text = "it’s 中", encoding = "gsm7" }), { "中", "U+4E2D", "8" })
  end)

  it("say what type and encoding may be", function()
    expect_words(detail_of(with { type = "sms" }), { "SMS", "MMS" })
    expect_words(detail_of(with { encoding = "utf8" }), { "auto", "gsm7", "ucs2" })
  end)

  it("show no password of a URL", function()
    for _, url in ipairs {
      "https://user:hunter2@exa mple.com/", "ftp://user:hunter2@example.com/", "https://hunter2@",
      "https://user:hunter2@e..com/", "https://user:hunter2@localhost/",
      "https://user:hunter2@example.com/" .. ("a"):rep(2000),
    } do
      for _, changes in ipairs {
        { webhook_url = url }, { webhook_failover_url = url }, { media_urls = { url } },
      } do
        local ok, told = core.validate(with(changes), NOW)
        local detail = (ok and told or told.errors)[1].detail
        assert.is_nil(detail:find("hunter2", 1, true), detail)
      end
    end
    expect_words(detail_of(with { webhook_url = "example.com/x" }), { "example.com/x" })
  end)

  it("stay one line, of UTF-8, and short, whatever was given", function()
    local nasty = "\27[31m\r\n\0" .. ("x"):rep(100000)
    for _, field in ipairs { "to", "from", "messaging_profile_id", "type", "encoding", "send_at",
      "webhook_url" } do
      local detail = detail_of(with { [field] = nasty })
      assert.is_nil(detail:find("[%c]"), field)
      assert.is_true(#detail < 240, field)
    end
  end)
end)

describe("ill-formed UTF-8", function()
  for _, field in ipairs { "to", "from", "messaging_profile_id", "text", "subject", "webhook_url",
    "webhook_failover_url", "type", "send_at", "encoding" } do
    it("is found in " .. field, function()
      refused_at(with { [field] = "https://example.com/\255" }, "not_utf8", "/" .. field)
    end)
  end

  it("is found in an item of media_urls", function()
    refused_at(with { media_urls = { vectors.url, "https://example.com/\255" } },
      "not_utf8", "/media_urls/1")
  end)
end)

describe("a byte that is none of UTF-8", function()
  it("is found wherever it stands", function()
    for n = 1, 41 do
      for at = 1, n do
        for _, byte in ipairs { "\128", "\255", "\195" } do
          local text = ("a"):rep(at - 1) .. byte .. ("a"):rep(n - at)
          local _, err = core.validate(with { text = text }, NOW)
          assert.matches(("byte %d is 0x"):format(at), err.detail, 1, true)
        end
      end
    end
  end)

  it("is not seen in what is", function()
    for n = 0, 40 do
      for at = 0, n do
        local text = ("a"):rep(at) .. "\195\169" .. ("a"):rep(n - at)
        assert.is_true(core.is_utf8(text))
      end
    end
  end)
end)

describe("independent violations", function()
  local FAULTS = {
    { "to", "+155", "to_shape /to" },
    { "from", "12", "from_short_code /from" },
    { "messaging_profile_id", "abc", "profile_id /messaging_profile_id" },
    { "text", "\255", "not_utf8 /text" },
    { "webhook_url", "x", "url_shape /webhook_url" },
    { "webhook_failover_url", 42, "value_type /webhook_failover_url" },
    { "use_profile_webhooks", "no", "value_type /use_profile_webhooks" },
    { "send_at", "2024-01-01T00:00:00Z", "send_at_window /send_at" },
    { "encoding", "utf8", "encoding_choice /encoding" },
    { "txt", "x", "unknown_field /txt" },
  }

  it("are all reported, in every combination", function()
    for choice = 1, 2 ^ #FAULTS - 1 do
      local changes, expected, rest = {}, {}, choice
      for _, fault in ipairs(FAULTS) do
        if rest % 2 == 1 then
          changes[fault[1]] = fault[2]
          expected[#expected + 1] = fault[3]
        end
        rest = math.floor(rest / 2)
      end
      expect_refused(with(changes), expected)
    end
  end)
end)

describe("send_at", function()
  local function at(seconds) return os.date("!%Y-%m-%dT%H:%M:%SZ", seconds) end

  local function expect_window(now)
    for _, ahead in ipairs { 240, 300, 86400, 432000, 432060 } do
      expect_valid(with { send_at = at(now + ahead) }, now)
    end
    for _, ahead in ipairs { -86400, 0, 239, 432061, 864000 } do
      expect_refused(with { send_at = at(now + ahead) }, { "send_at_window /send_at" }, now)
    end
  end

  it("has its window on every kind of day", function()
    for day = 0, 365 * 50, 13 do expect_window(1577836800 + day * 86400 + day * 7) end
  end)

  it("knows leap years", function()
    for _, now in ipairs { 951696000, 1582848000, 1709078400, 1709164800 } do expect_window(now) end
  end)

  it("is measured by the wall clock unless a clock is given", function()
    local soon = with { send_at = at(os.time() + 3600) }
    assert.is_true((core.validate(soon)))
    local ok, err = core.validate(with { send_at = at(os.time() + 30) })
    assert.is_nil(ok)
    assert.equal("send_at_window", err.rule)
  end)

  it("takes a clock with a fraction", function()
    expect_valid(with { send_at = "2024-01-01T00:05:00Z" }, NOW + 0.75)
  end)
end)

describe("misuse of validate", function()
  it("raises on what is not a message", function()
    for _, value in ipairs { 42, "text", true, print } do
      assert.is_false((pcall(core.validate, value)))
    end
    assert.is_false((pcall(core.validate)))
    assert.is_false((pcall(core.validate, nil, NOW)))
  end)

  it("raises on a clock that is not a number", function()
    assert.is_false((pcall(core.validate, with { text = ABSENT }, {})))
    assert.is_false((pcall(core.validate, with {}, "soon")))
  end)
end)
