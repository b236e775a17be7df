-- The edges of validation: what one break of a bound, a bit or a step would let by.

local core = require "telnyx.core"
local sandbox = require "telnyx.sandbox"
local telnyx = require "telnyx"
local vectors = require "spec.vectors.validate"

local with, ABSENT, PROFILE, NOW = vectors.with, vectors.absent, vectors.profile, vectors.now
local URL = vectors.url

local function verdict(message)
  local ok, told = core.validate(message, NOW)
  local refused, warned = {}, {}
  for i, one in ipairs(ok and {} or told.errors) do
    refused[i] = one.rule .. " " .. one.source.pointer
  end
  for i, one in ipairs((ok and told or not ok and told.warnings) or {}) do
    warned[i] = one.rule .. " " .. one.source.pointer
  end
  table.sort(refused)
  table.sort(warned)
  return { ok == true or refused, warned }
end

-- As rows of spec/vectors/validate.lua: { description, changes, expected, warned }.
local ROWS = {
  { "a name to itself", { to = "Telnyx", from = "Telnyx", messaging_profile_id = PROFILE },
    { "to_shape /to" } },
  { "an empty recipient and no sender but a pool",
    { to = "", from = ABSENT, messaging_profile_id = PROFILE }, { "to_missing /to" } },
  { "the same bytes that are no UTF-8", { to = "+1\255", from = "+1\255" },
    { "not_utf8 /from", "not_utf8 /to" } },
  { "500 tabs in forced GSM-7", { text = ("\t"):rep(500), encoding = "gsm7" },
    { "too_many_parts /text" } },
  { "a name of the letters at the ends", { from = "AZaz09 MNmn", to = "+447700900001",
    messaging_profile_id = PROFILE }, true },
}
ROWS[#ROWS + 1] = { "a list with a hole of an SMS", { type = "SMS", media_urls = { [2] = URL } },
  { "media_list /media_urls" } }
ROWS[#ROWS + 1] = { "a mistyped text and an empty list of media", { text = 42, media_urls = {} },
  { "value_type /text" }, { "media_empty /media_urls" } }
-- URLs that are none, that are, and that are private.
for _, url in ipairs { "https://[1.2.3.4::]/", "https://[1.2.3.4::1]/", "https://[::1:]/",
  "https://[1:2:3:4:5:6:7:8:]/", "https://example.com:4294967376/" } do
  ROWS[#ROWS + 1] = { url, { webhook_url = url }, { "url_shape /webhook_url" } }
end
for _, url in ipairs { "https://[1:2:3:4:5:6:7::]/", "https://[::2:3:4:5:6:7:8]/",
  "https://a@b@c.com/", "http://[fe00::1]/", "https://AZaz.zZ.com/" } do
  ROWS[#ROWS + 1] = { url, { webhook_url = url }, true }
end
for _, url in ipairs { "https://DB.INTERNAL/", "https://X.EXAMPLE", "https://Host.LAN",
  "https://P.LOCAL", "https://A.LocalHost", "https://R.LocalDomain", "https://A.TEST",
  "https://X.INVALID", "http://172.20.0.1/" } do
  ROWS[#ROWS + 1] = { url, { webhook_url = url }, true, { "url_private /webhook_url" } }
end
-- each area code elsewhere
for code in ("242 246 264 268 284 340 345 441 473 649 658 664 670 671 684 721 758 767 784 809 829"
  .. " 849 868 869 876"):gmatch("%d+") do
  ROWS[#ROWS + 1] = { "a name to +1" .. code, { to = "+1" .. code .. "5550001", from = "Telnyx",
    messaging_profile_id = PROFILE }, true }
end

describe("at an edge of a rule", function()
  for _, row in ipairs(ROWS) do
    it(row[1] .. " is judged", function()
      assert.same({ row[3], row[4] or {} }, verdict(with(row[2])))
    end)
  end
end)

describe("the words of a violation", function()
  local function detail(changes)
    local _, err = core.validate(with(changes), NOW)
    return err.detail
  end
  it("do not show a URL that may hold a password", function()
    for _, url in ipairs { "https://user:s3cret@:80/", "ftp://user:s3cret@example.com/",
      "https://user:s3cret@example.com:x/", "https://user:s3cret@example.com/a b" } do
      for _, changes in ipairs { { webhook_url = url }, { webhook_failover_url = url },
        { media_urls = { url } } } do
        assert.is_nil(detail(changes):find("s3cret", 1, true), url)
      end
    end
    local _, told = core.validate(with { webhook_url = "https://user:s3cret@localhost/" }, NOW)
    assert.is_nil(told[1].detail:find("s3cret", 1, true))
  end)
  it("ask for the + that may be missing, or the country's code", function()
    local digits = "8665550001234567"
    for n = 8, 16 do
      for _, field in ipairs { "to", "from" } do
        local ok, err = core.validate(with { [field] = digits:sub(1, n) }, NOW)
        local words = ok and "" or err.detail
        assert.equal(n >= 11 and n <= 15, words:find("is its + missing?", 1, true) ~= nil, n)
        assert.equal(n == 9 or n == 10, words:find("its country's code", 1, true) ~= nil, n)
        local _, national = core.validate(with { [field] = "0" .. digits:sub(1, 10) }, NOW)
        assert.matches("write it with + and its country's code", national.detail, 1, true)
      end
    end
  end)

  it("say that a field is empty", function()
    for _, field in ipairs { "to", "from" } do
      local _, err = core.validate(with { [field] = "" }, NOW)
      assert.matches("'" .. field .. "' is empty", err.detail, 1, true)
    end
  end)
end)

describe("the words of many violations", function()
  it("tell of seven unknown fields six, and that there is one more", function()
    local seven = { qa = 1, qb = 1, qc = 1, qd = 1, qe = 1, qf = 1, qg = 1 }
    local _, err = core.validate(with(seven), NOW)
    assert.equal(7, #err.errors)
    assert.equal("", err.errors[7].source.pointer)
    assert.matches("^1 more unknown field", err.errors[7].detail)
  end)
  it("say of each value what was given, also of a list that is met out of order", function()
    local list, message = { 42, 42, 42, 42, 42, 42, 42, 42, [10] = 42, [9] = 42 }, {}
    for _, name in ipairs(core.fields) do message[name] = 42 end
    message.media_urls = list
    local _, err = core.validate(message, NOW)
    assert.equal(#core.fields - 1 + 10, #err.errors)
    for _, one in ipairs(err.errors) do assert.matches("got the number 42$", one.detail) end
  end)
end)

describe("more faults than are told", function()
  local function faulty(n, changes)
    local extra = {}
    for i = 1, n do extra[("f%03d"):format(i)] = print end
    changes.extra = extra
    local _, err = core.validate(with(changes), NOW)
    return err
  end
  it("are told of no field", function()
    assert.equal("", faulty(40, {}).errors[32].source.pointer)
  end)
  it("leave no warnings where there is no room for one", function()
    assert.is_nil(faulty(32, { webhook_url = "http://localhost/" }).warnings)
  end)
  it("are an error also where a warning had the last place", function()
    local err = faulty(31, { webhook_url = "http://localhost/",
      webhook_failover_url = "http://localhost/" })
    assert.equal(32, #err.errors)
    assert.equal("more_faults", err.errors[32].rule)
  end)
  it("leave no empty list of warnings behind", function()
    assert.is_nil(faulty(31, { webhook_url = "http://localhost/",
      webhook_failover_url = "http://localhost/" }).warnings)
  end)
end)

describe("a message is judged", function()
  local NOBODY = { api_key = "KEY_SPEC", base_url = "http://127.0.0.1:9/v2", retry = false }
  local function carrier()
    local own = core.client { api_key = NOBODY.api_key, base_url = NOBODY.base_url }
    finally(function() own:close() end)
    return own
  end
  it("before the library's own sender in another, which refuses what cannot be sent", function()
    local inner = carrier()
    local wrapper = { send = function(_, m, limits) return inner:send(m, limits) end }
    local own = telnyx.new { sender = wrapper, retry = false, accept = { to_shape = true } }
    local sent, err = own:send(with { to = "866 555 0001" })
    own:close()
    assert.is_nil(sent)
    assert.equal("connection", err.kind) -- it was tried
  end)
  it("by the library's own sender that is used alone", function()
    local inner = carrier()
    for _, limits in ipairs { false, {}, { judged = false } } do
      local sent, err = inner:send({ to = "x" }, limits or nil)
      assert.is_nil(sent)
      assert.equal("invalid", err.kind)
    end
  end)
  it("by nobody where the sandbox is given its body", function()
    local body = '{"to":"+18665550001","from":"+18445550001","text":"x"}'
    assert.is_table((sandbox.sender():send({}, { body = body })))
  end)
end)

describe("what a text costs", function()
  local function carried(text, changes)
    local got
    local client = telnyx.new { on_ucs2 = "smart", sender = { send = function(_, message)
      got = message.text
      return { id = "1", to = { { phone_number = message.to } } }, {}
    end } }
    local message = with(changes or {})
    message.text = text
    local sent, told = client:send(message)
    client:close()
    assert.is_table(sent, tostring(told))
    return got
  end
  it("smart substitutes nothing where UCS-2 is asked for", function()
    assert.equal("it’s", carried("it’s", { encoding = "ucs2" }))
    assert.equal("it's", carried("it’s"))
  end)
  it("smart leaves a text of which nothing would be left", function()
    assert.equal("\226\128\139", carried("\226\128\139"))
  end)
  it("smart counts by the sender: a short code's text comes back to ASCII or stays", function()
    assert.equal("’é", carried("’é", { from = "12345" }))
    assert.equal("'é", carried("’é"))
    assert.equal("'e", carried("’e", { from = "12345" }))
  end)
  it("a text that is too dear has the warnings of the message, and no fault that is let through",
    function()
      local client = telnyx.new { max_parts = 1, accept = { to_shape = true },
        sender = { send = function() error("sent") end } }
      local _, err = client:send(with { to = "8665550001", text = ("x"):rep(200),
        webhook_url = "http://localhost/" })
      assert.equal(1, #err.errors)
      local names = {}
      for i, one in ipairs(err.warnings or {}) do names[i] = one.rule end
      table.sort(names)
      assert.same({ "to_shape", "url_private" }, names)
      client:close()
    end)
  it("a text that is too dear has no warnings where there are none", function()
    local client = telnyx.new { max_parts = 1, sender = { send = function() error("sent") end } }
    local _, err = client:send(with { to = "x", text = ("x"):rep(200) })
    client:close()
    assert.equal(2, #err.errors)
    assert.is_nil(err.warnings)
  end)
end)

describe("an IPv6 address to the sandbox", function()
  it("seven groups beside ::", function()
    local service = sandbox.new {}
    for _, url in ipairs { "https://[1:2:3:4:5:6:7::]/", "https://[::2:3:4:5:6:7:8]/" } do
      local response = service:handle { method = "POST", path = "/v2/messages",
        headers = { authorization = "Bearer KEY_SPEC", ["content-type"] = "application/json" },
        body = ('{"to":"+13125550002","from":"+13125550001","text":"x","webhook_url":"%s"}')
          :format(url) }
      assert.equal(200, response.status, url)
    end
  end)
end)

describe("where messages are sent", function()
  local function fault(base_url)
    local ok, result = pcall(telnyx.new, { api_key = "KEY_SPEC", base_url = base_url })
    if ok then return result:close() end
    return result
  end
  it("a base_url has 2000 bytes and no more", function()
    local head = "https://example.com/"
    assert.is_nil(fault(head .. ("a"):rep(2000 - #head)))
    assert.matches("at most 2000 bytes", fault(head .. ("a"):rep(2001 - #head)), 1, true)
  end)
  it("a base_url ends before /messages, whatever slashes follow", function()
    for _, ending in ipairs { "", "/", "//" } do
      assert.matches("end before /messages",
        fault("https://example.com/v2/messages" .. ending), 1, true)
    end
  end)
end)

describe("ill-formed UTF-8", function()
  it("is found at every place of texts of every length", function()
    for n = 1, 70 do
      for place = 1, n do
        local text = ("a"):rep(place - 1) .. "\255" .. ("a"):rep(n - place)
        local ok, err = core.validate(with { text = text }, NOW)
        assert.is_nil(ok, n .. " " .. place)
        assert.matches(("byte %d is 0xFF"):format(place), err.detail, 1, true)
      end
    end
  end)
end)

describe("the kind of a sender", function()
  it("a profile's id is a pool however it is written", function()
    local id = "4000eba1-a0c0-4563-9925-b25e842a7cb6"
    for _, written in ipairs { id, (id:gsub("-", "")), "{" .. id .. "}", id:upper() } do
      assert.equal("number_pool", core.sender_kind(written))
    end
    assert.equal("alphanumeric", core.sender_kind(id:sub(1, -2)))
  end)
end)

describe("a value of the wrong type", function()
  it("a light userdata that is not JSON's null", function()
    local upvalueid = rawget(debug, "upvalueid") -- 5.1 has none
    local odd = upvalueid and upvalueid(function() return core end, 1)
    if not odd then return end
    for _, field in ipairs { "webhook_url", "send_at" } do
      assert.same({ { "value_type /" .. field }, {} }, verdict(with { [field] = odd }))
    end
  end)
end)

describe("a time", function()
  it("may have as many digits of a second as it likes", function()
    for _, n in ipairs { 1, 15, 16, 309, 400, 2000 } do
      for _, digit in ipairs { "0", "9" } do
        local text = "2024-01-01T12:00:00." .. digit:rep(n) .. "Z"
        assert.same({ true, {} }, verdict(with { send_at = text }))
      end
    end
  end)
end)

describe("a request with a body of its own", function()
  it("core.request takes a body as it is, whatever the message", function()
    local request = core.request({ to = "x" }, { api_key = "KEY_X", base_url = "https://a.co",
      body = "{}" })
    assert.equal("{}", request.body)
  end)
end)
