--- A server that knows the key, and tells it wherever a client might repeat it. The key has no
--- look of its own here: only who knows it can find it.

local cjson = require("cjson")
local process = require("spec.support.process")
local secrets = require("telnyx.errors.secrets")
local telnyx = require("telnyx")
local wire = require("spec.support.wire")

local KEY = "s3cr3t-of-this-house_0042.xyzzy"
local MESSAGE = { from = "+18445550001", to = "+18665550001", text = "Hello" }

---Every string in a value, names of tables included, however deep.
local function strings_of(value)
  local found, seen, todo = {}, {}, { value }
  while #todo > 0 do
    local one = table.remove(todo)
    if type(one) == "string" then
      found[#found + 1] = one
    elseif type(one) == "table" and not seen[one] then
      seen[one] = true
      for name, inner in pairs(one) do
        todo[#todo + 1], todo[#todo + 2] = name, inner
      end
    end
  end
  return found
end

local function assert_silent(value, piece)
  for _, text in ipairs(strings_of(value)) do
    assert.is_nil(text:find(piece, 1, true), text)
  end
end

local function nested(depth, innermost)
  local inner = innermost
  for _ = 1, depth do inner = { [KEY] = inner, list = { inner, KEY } } end
  return inner
end

local function chain(depth)
  local inner = KEY
  for _ = 1, depth do inner = { [KEY .. " is a name"] = inner } end
  return inner
end

describe("a server that echoes the key", function()
  local station
  setup(function() station = wire.start() end)
  teardown(function() station:stop() end)

  -- Sends under a key of its own through a client that writes all down.
  local function send_to(scripts, message)
    local written = { rows = {}, asked = {}, journal = telnyx.journal.memory() }
    local client = telnyx.new({
      api_key = KEY, base_url = station:listen(scripts).url, journal = written.journal,
      log = function(row) written.rows[#written.rows + 1] = row end,
      retry = { base = 0.001, should_retry = function(err)
        written.asked[#written.asked + 1] = err
        return nil
      end },
    })
    local sent, result = client:send(message or MESSAGE, { key = "order 1" })
    client:close()
    written.result, written.line = result, not sent and tostring(result) or ""
    return sent, result, written
  end

  local function echo(status, body)
    return wire.send(("HTTP/1.1 %d %s\r\nX-Request-Id: %s\r\nRetry-After: %s\r\n%s: %s\r\n"
      .. "Content-Length: %d\r\n\r\n%s"):format(status, KEY, KEY, KEY, KEY, KEY, #body, body))
  end

  local body = cjson.encode({ errors = {
    { code = KEY, title = "the key " .. KEY, detail = KEY .. KEY, [KEY] = KEY,
      source = { pointer = "/" .. KEY, [KEY] = KEY }, meta = chain(20) },
    { code = "10015", title = KEY, meta = nested(3, KEY) },
  } })

  for _, status in ipairs({ 400, 401, 409, 422, 500 }) do
    it("is not repeated with " .. status, function()
      local sent, err, written = send_to({ { wire.request, echo(status, body) } })
      assert.is_nil(sent)
      assert.equal("***", err.code)
      assert.equal("***", err.request_id)
      assert.equal("the key ***", err.title)
      assert.equal("10015", err.errors[2].code)
      assert.equal(1, #written.rows)
      assert_silent(written, "s3cr3t")
    end)
  end

  it("is not repeated in any of several attempts", function()
    local busy = { wire.request, echo(429, body), wire.request, echo(429, body), wire.request,
      echo(429, body) }
    local _, err, written = send_to({ busy })
    assert.equal(3, #err.attempts)
    assert.equal(2, #written.asked)
    assert_silent(written, "s3cr3t")
  end)

  it("is found before a body is cut, wherever it stands", function()
    for pad = 60 - #KEY - 2, 62 do
      local page = ("x"):rep(pad) .. KEY .. KEY .. " and more"
      local _, err, written = send_to({ { wire.request, echo(502, page) } })
      assert.matches("not the service's: \"xxx", err.cause)
      assert.is_true(#err.cause < 130, err.cause)
      assert_silent(written, "s3cr")
    end
  end)

  it("is masked in what comes with an accepted message, whose text is the user's", function()
    local message = { from = MESSAGE.from, to = MESSAGE.to, text = "My key is " .. KEY }
    local reply = cjson.encode({ data = { id = "m", text = message.text } })
    local sent, info = send_to({ { wire.request, echo(200, reply) } }, message)
    assert.equal(message.text, sent.text)
    assert.equal("***", info.request_id)
    assert_silent(info, "s3cr3t")
  end)

  it("is masked where what was accepted cannot be read", function()
    local _, err, written = send_to({ { wire.request, echo(200, "OK, " .. KEY) } })
    assert.equal("accepted", err.outcome)
    assert_silent(written, "s3cr3t")
  end)
end)

describe("a sender of the user's own", function()
  describe("a warning", function()
  it("shows no key that a message holds", function()
    local own = telnyx.new { api_key = KEY, accept = { url_shape = true, from_characters = true },
      sender = { send = function() return { id = "1" }, {} end } }
    local message = { to = "+18665550001", from = "+18445550001", text = "x",
      webhook_url = "ftp://a.co/" .. KEY }
    local ok, warnings = own:validate(message)
    assert.is_true(ok)
    assert.equal("url_shape", warnings[1].rule)
    assert.is_nil(warnings[1].detail:find(KEY:sub(1, 20), 1, true), warnings[1].detail)
    local _, info = own:send(message)
    assert.is_nil(info.warnings[1].detail:find(KEY:sub(1, 20), 1, true))
    assert.is_true(info.warnings[1].let_through)
    own:close()
  end)
end)

local function send_with(given, options)
    options = options or {}
    options.sender = { send = function() return nil, given end }
    options.api_key = options.api_key or KEY
    local rows = {}
    options.log = function(row) rows[#rows + 1] = row end
    local _, err = telnyx.new(options):send(MESSAGE)
    return err, rows
  end

  local function refused(more)
    local err = { outcome = "rejected", kind = "api", retryable = false }
    for name, value in pairs(more) do err[name] = value end
    return err
  end

  it("may nest what it tells as deep as it likes", function()
    local err = send_with(refused({ errors = { { code = "10015", meta = chain(100000) } } }))
    assert_silent(err, "s3cr3t")
  end)

  it("may tell in circles", function()
    local given = refused({ cause = KEY })
    given.again, given[given] = given, KEY
    local err, rows = send_with(given)
    assert.equal("***", err.cause)
    assert_silent({ err, rows }, "s3cr3t")
  end)

  it("keeps its own table as it was", function()
    local given = refused({ errors = { { code = "10015", detail = KEY } } })
    send_with(given)
    assert.equal(KEY, given.errors[1].detail)
  end)

  it("loses no name when two become one", function()
    local err = send_with(refused({ meta = { [KEY] = 1, [KEY .. KEY] = 2, ["***"] = 3 } }))
    local sum = 0
    for _, value in pairs(err.meta) do sum = sum + value end
    assert.equal(6, sum)
    assert_silent(err, "s3cr3t")
  end)

  it("may raise, or give a reason that is a secret", function()
    local err, rows = send_with("no luck with " .. KEY)
    assert.equal("no luck with ***", err.cause)
    assert.equal("no luck with ***", rows[1].cause)
  end)

  it("cannot be robbed of its outcome by a password that is one of our words", function()
    for _, word in ipairs({ "rejected", "errors", "cause", "detail" }) do
      local err = send_with(refused({ errors = { { code = "10015", detail = "d" } } }),
        { api_key = word })
      assert.equal("rejected", err.outcome)
      assert.equal("d", err.errors[1].detail)
    end
  end)

  it("tells nothing of a proxy's user and password, as written, as meant and as they travel",
    function()
      local err, rows = send_with(refused({
        cause = "http://prox%79-me:p%40ss:w0rd@host said: proxy-me, p@ss:w0rd, w0rd",
        detail = "Proxy-Authorization: Basic cHJveHktbWU6cEBzczp3MHJk",
      }), { proxy = "http://prox%79-me:p%40ss:w0rd@host:3128" })
      for _, piece in ipairs({ "prox%79", "proxy-me", "p%40ss", "p@ss", "w0rd", "cHJv" }) do
        assert_silent({ err, rows }, piece)
      end
    end)
end)

describe("a journal that fails", function()
  it("is not quoted with the key", function()
    local journal = telnyx.journal.memory()
    function journal.finish() return nil, "no room for " .. KEY end
    local client = telnyx.new({ api_key = KEY, journal = journal,
      sender = { send = function() return { id = "m" }, { outcome = "accepted" } end } })
    local _, info = client:send(MESSAGE, { key = "k" })
    assert.equal("no room for ***", info.journal_error)
  end)
end)

describe("a proxy that cannot be used", function()
  -- The user's name is this machine's: whatever is taken for the host, no other one is asked.
  local odd = {
    "http://127.0.0.1:p4ssw0rd@127.0.0.1:1", "127.0.0.1:p4ssw0rd@127.0.0.1:1",
    "http://127.0.0.1:p4ssw0rd@127.0.0.1:x", "http://127.0.0.1:p4ssw0rd",
    "http://127.0.0.1:p4ss w0rd@127.0.0.1:1", "http://127.0.0.1:p4ssw0rd@[::1",
    "http://127.0.0.1:p4ssw0rd@", "http:/127.0.0.1:p4ssw0rd@127.0.0.1:1",
    "http:///127.0.0.1:p4ssw0rd@127.0.0.1:1", "http://127.0.0.1:x@p4ssw0rd@127.0.0.1:1",
    "http://127.0.0.1:x/p4ssw0rd@127.0.0.1:1", "http://127.0.0.1:p4ssw0rd@127.0.0.1:99999999",
    "http://127.0.0.1:p4ssw0rd@no such host", "socks5://127.0.0.1:p4ssw0rd@127.0.0.1:1",
    "https://127.0.0.1:p4ssw0rd@127.0.0.1:1",
  }

  it("is told without its password", function()
    for _, proxy in ipairs(odd) do
      local client = telnyx.new({ api_key = KEY, base_url = "https://127.0.0.1:1/v2",
        proxy = proxy, retry = false, timeout = 2, connect_timeout = 2 })
      local _, err = client:send(MESSAGE)
      client:close()
      assert_silent({ proxy = err, line = tostring(err) }, "p4ss")
      assert_silent({ proxy = err, line = tostring(err) }, "w0rd")
    end
  end)

  -- The environment is read once, so by another program; the fault that it finds quotes `to`.
  it("is known from the environment too", function()
    local script = [[
      local client = require("telnyx").new({ api_key = "KEY", base_url = "https://127.0.0.1:1/v2" })
      print(select(2, client:send({ from = "12345", to = "p4ssw0rd", text = "x" })))
    ]]
    local names = { "https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY" }
    for _, name in ipairs(names) do
      local output = process.run_lua(script, name .. "='http://me:p4ssw0rd@127.0.0.1:1'")
      assert.matches("not sent", output)
      assert.is_nil(output:find("p4ssw0rd", 1, true), output)
      assert.is_truthy(output:find("***", 1, true), output)
    end
  end)
end)

describe("telnyx.errors.secrets", function()
  local cases = {
    { "the word word is a word", { "word" }, "the *** *** is a ***" },
    { "wordword", { "word" }, "******" },
    { "a.cd abcd", { "a.cd" }, "*** abcd" },
    { "100%%d is 100%d", { "00%d" }, "100%%d is 1***" },
    { "a\0bcd", { "\0bcd" }, "a***" },
    { "nothing", { "abcd" }, "nothing" },
    { "", { "abcd" }, "" },
    { "what is short is no secret", { "is", "sho", "" }, "what is short is no secret" },
    { "user:password, user", { "user", "user:password" }, "***, ***" },
    { "0123456789abcdefghijklm…", { "0123456789abcdefghijklmnop" }, "***…" },
    { "0123456789ab…", { "0123456789abcdefghijklmn" }, "***…" },
    { "0123456789ab…", { "0123456789abcdefghijklm" }, "0123456789ab…" },
    { "0123456789ab and 0123456789a", { "0123456789abcdefghijklmnop" }, "*** and 0123456789a" },
  }
  for _, case in ipairs(cases) do
    it(("masks %q"):format(case[1]), function()
      assert.equal(case[3], secrets.new(case[2]).mask(case[1]))
    end)
  end

  it("leaves alone what is no text", function()
    local keeper = secrets.new({ "1234" })
    assert.equal(1234, keeper.mask(1234))
    assert.is_nil(keeper.mask(nil))
    assert.is_true(keeper.masked(true))
  end)

  local proxies = {
    { "http://user:password@host:80", "user password user:password" },
    { "user:password@host", "user password" },
    { "http://user@host", "user" },
    { "http://host:3128", "" }, { "host:3128/", "" }, { "http://[::1]:3128", "" },
    { "[::1]", "" }, { "", "" }, { "socks5h://host", "" },
    { "SOCKS5://user:pass:word@host", "user pass:word word" },
    { "http://us%65r:p%3Assword@host", "us%65r user p%3Assword p:ssword" },
    { "http://user:p@ssword@host", "user p@ssword" },
    { "http://user:password", "password" },
    { "http:user:password@host", "user password" },
  }
  for _, case in ipairs(proxies) do
    it("knows the secrets of " .. case[1], function()
      local words, known = {}, {}
      secrets.add_proxy(words, case[1])
      for _, word in ipairs(words) do known[word] = true end
      for word in case[2]:gmatch("%S+") do assert.is_true(known[word], word) end
      assert.equal(case[2] == "", #words == 0)
    end)
  end

  it("knows how they travel", function()
    for password, travels in pairs({ sesame = "QWxhZGRpbjpzZXNhbWU=",
      ["open sesame"] = "QWxhZGRpbjpvcGVuIHNlc2FtZQ==", sesames = "QWxhZGRpbjpzZXNhbWVz" }) do
      local words = {}
      secrets.add_proxy(words, "http://Aladdin:" .. password .. "@host")
      assert.equal(travels, words[#words])
    end
  end)
end)
