-- The rules of a message as data: what they are, and the way out of each.

local cjson = require "cjson"
local core = require "telnyx.core"
local public_messages = require "spec.vectors.public_messages"
local sandbox = require "telnyx.sandbox"
local table_of_rules = require "spec.vectors.rules"
local telnyx = require "telnyx"
local vectors = require "spec.vectors.validate"

local NOW, with = vectors.now, vectors.with

local function names_of(list)
  local names = {}
  for i, one in ipairs(list or {}) do names[i] = one.rule end
  table.sort(names)
  return table.concat(names, " ")
end

-- { rule, verdict, way out, code, message, pointer }
local function each_with_a_message(test)
  for _, row in ipairs(table_of_rules) do
    if row[5] then test(row[1], row[2] == "warn", row[3], row[5], row[6]) end
  end
end

describe("the list of rules", function()
  it("is as decided", function()
    local listed, expected = {}, {}
    for i, rule in ipairs(telnyx.rules()) do
      listed[i] = { rule.name, rule.verdict, rule.way_out, rule.code }
    end
    for i, row in ipairs(table_of_rules) do expected[i] = { row[1], row[2], row[3], row[4] } end
    assert.same(expected, listed)
  end)

  it("says of each what breaks it, where it is known from, and what to do", function()
    local EVIDENCE = { live = true, documented = true, schema = true, inferred = true, own = true }
    for _, rule in ipairs(telnyx.rules()) do
      assert.is_true(#rule.what > 5 and #rule.source > 5, rule.name)
      assert.is_true(EVIDENCE[rule.evidence], rule.name)
      assert.matches("^%u.*%.$", rule.advice, rule.name)
    end
  end)

  it("has a code of the service's, with its title, or the rule's own name", function()
    for _, rule in ipairs(telnyx.rules()) do
      local known = telnyx.errors[rule.code]
      assert.is_string(known and known.title, rule.name)
      assert.is_string(known.advice, rule.name)
      assert.is_true(rule.code == rule.name or rule.code:find("^%d%d%d%d%d$") ~= nil, rule.name)
    end
  end)

  it("has each by its name", function()
    assert.equal("refuse", telnyx.rules("to_shape").verdict)
    assert.is_nil(telnyx.rules("nonsense"))
    telnyx.rules("to_shape").verdict = "x"
    assert.equal("refuse", telnyx.rules("to_shape").verdict)
  end)

  it("is a copy", function()
    telnyx.rules()[1].name = "x"
    table.remove(telnyx.rules())
    assert.equal(#table_of_rules, #telnyx.rules())
    assert.equal("message_key", telnyx.rules()[1].name)
  end)

  it("stands in the documentation as it is", function()
    local file = assert(io.open("docs/validation.md", "rb"))
    local text = file:read("*a")
    file:close()
    local written = text:match("<!%-%- rules %-%->\n(.-)<!%-%- /rules %-%->")
    assert.equal(dofile(".ci/rules.lua").rows(core.rules), written)
  end)
end)

describe("a rule", function()
  each_with_a_message(function(name, is_warning, _, message, pointer)
    it(("%s is broken by its message alone"):format(name), function()
      local ok, told = core.validate(message, NOW)
      local list = ok and told or told.errors
      assert.equal(is_warning, ok == true)
      assert.equal(name, names_of(list))
      assert.equal(pointer, list[1].source.pointer)
      assert.is_nil(list[1].let_through)
    end)
  end)

  each_with_a_message(function(name, is_warning, has_way_out, message, pointer)
    if not has_way_out then return end
    it(("%s can be let through, and this is told"):format(name), function()
      local ok, told = core.validate(message, NOW, { [name] = true })
      assert.is_true(ok, told and told.detail)
      assert.equal(name, names_of(told))
      assert.equal(not is_warning or nil, told[1].let_through)
      assert.equal(pointer, told[1].source.pointer)
      local body, warnings = core.encode(message, NOW, { [name] = true })
      assert.is_table(cjson.decode(body))
      assert.same(told, warnings)
    end)

    it(("%s is let through by its name alone"):format(name), function()
      for _, row in ipairs(table_of_rules) do
        local ok = core.validate(message, NOW, { [row[1]] = true })
        assert.equal(is_warning or row[1] == name, ok == true, row[1])
        local is_strict_ok = core.validate(message, NOW, { [row[1]] = true }, true)
        assert.equal(row[1] == name, is_strict_ok == true, row[1])
      end
      assert.equal(is_warning, core.validate(message, NOW, { [name] = false }) == true)
    end)

    it(("%s refuses when that is strict, unless it is let through"):format(name), function()
      local ok, err = core.validate(message, NOW, nil, true)
      assert.is_nil(ok)
      assert.equal(name, names_of(err.errors))
      assert.equal(name, err.rule)
      local is_accepted, told = core.validate(message, NOW, { [name] = true }, true)
      assert.is_true(is_accepted)
      assert.is_true(told[1].let_through)
    end)
  end)

  each_with_a_message(function(name, _, has_way_out, message)
    if has_way_out then return end
    it(("%s is never let through"):format(name), function()
      assert.is_nil((core.validate(message, NOW, { [name] = true })))
      assert.is_nil((core.validate(message, NOW, true)))
      local ok, why = pcall(telnyx.validate, message, { accept = { [name] = true } })
      assert.is_false(ok)
      assert.matches("the rule " .. name .. " has no way out", why, 1, true)
    end)
  end)

  it("refuses of a message judged before what cannot be sent, and warns of the rest", function()
    each_with_a_message(function(name, is_warning, has_way_out, message)
      local ok, told = core.validate(message, NOW, true)
      assert.equal(is_warning or has_way_out, ok == true, name)
      if ok then assert.equal(name, names_of(told)) end
    end)
  end)
end)

describe("more faults than are told", function()
  local function faulty(n)
    local extra = {}
    for i = 1, n do extra[("f%03d"):format(i)] = print end
    return with { extra = extra }
  end

  it("are counted", function()
    for n = 1, 40 do
      local _, err = core.validate(faulty(n), NOW)
      assert.equal(math.min(n, 32), #err.errors)
      local last = err.errors[#err.errors]
      assert.equal(n > 32 and "more_faults" or "extra", last.rule)
      if n > 32 then assert.equal(("%d more faults"):format(n - 31), last.detail) end
    end
  end)

  it("are refused whatever is let through", function()
    assert.is_nil((core.validate(faulty(40), NOW, true)))
  end)

  it("leave what is warned of behind", function()
    local message = faulty(31)
    message.webhook_url = "http://localhost/"
    local _, err = core.validate(message, NOW)
    assert.equal(31, #err.errors)
    assert.equal("url_private", names_of(err.warnings))
  end)
end)

describe("what is put into the body", function()
  local function encoded(changes, accept)
    return assert(core.encode(with(changes), NOW, accept))
  end
  local PLAIN = '{"to":"+18665550001","from":"+18445550001","text":"Hello, World!"'

  it("has an empty list of media as one", function()
    assert.equal(PLAIN .. ',"media_urls":[]}', encoded { media_urls = {} })
  end)

  it("has no webhook that is none", function()
    for _, none in ipairs { "", cjson.null } do
      assert.equal(PLAIN .. "}", encoded { webhook_url = none })
      assert.equal(PLAIN .. "}", encoded { webhook_failover_url = none, webhook_url = none })
      assert.equal(PLAIN .. ',"webhook_failover_url":"https:\\/\\/a.co"}',
        encoded { webhook_url = none, webhook_failover_url = "https://a.co" })
    end
  end)

  it("has a send_at of null", function()
    assert.equal(PLAIN .. ',"send_at":null}', encoded { send_at = cjson.null })
  end)

  it("leaves what is in extra as it is", function()
    assert.equal(PLAIN .. ',"a":{"media_urls":{},"webhook_url":""},"b":""}',
      encoded { extra = { b = "", a = { webhook_url = "", media_urls = {} } } })
  end)
end)

describe("telnyx.validate", function()
  it("returns what there is to warn of, with titles", function()
    local ok, warnings = telnyx.validate(with { to = "+18445550001" })
    assert.is_true(ok)
    assert.same({ { rule = "to_is_from", code = "40310", title = "Invalid 'to' address",
      detail = warnings[1].detail, advice = "Send to another number than the sender.",
      source = { pointer = "/to" } } }, warnings)
    ok, warnings = telnyx.validate(with {})
    assert.is_true(ok)
    assert.is_nil(warnings)
  end)

  it("returns both with a refusal", function()
    local ok, err = telnyx.validate(with { to = "+18445550001", text = "" })
    assert.is_nil(ok)
    assert.equal("no_content", names_of(err.errors))
    assert.equal("to_is_from", names_of(err.warnings))
    assert.is_string(err.warnings[1].title)
    assert.equal("local", err.source)
    assert.equal("no_content", err.rule)
    assert.matches("^not sent: 40316 No content provided", tostring(err))
  end)

  it("takes accept and strict, and nothing else", function()
    assert.is_true((telnyx.validate(with { to = "866" .. "5550001" },
      { accept = { to_shape = true } })))
    assert.is_nil((telnyx.validate(with { to = "+18445550001" }, { strict = true })))
    for _, given in ipairs {
      { accept = true }, { accept = "to_shape" }, { accept = { "to_shape" } },
      { accept = { to_shap = true } }, { accept = { to_shape = 1 } }, { accept = { [1] = true } },
      { strict = 1 }, { strictly = true }, { max_parts = 1 }, "strict",
    } do
      local ok, why = pcall(telnyx.validate, with {}, given)
      assert.is_false(ok)
      assert.matches("option", why)
    end
  end)

  it("names the nearest rule", function()
    local _, why = pcall(telnyx.validate, with {}, { accept = { to_shap = true } })
    assert.matches("there is no rule to_shap; did you mean 'to_shape'?", why, 1, true)
  end)

  it("takes a message as a client does: false is none, and fields may be inherited", function()
    assert.same({ true }, { telnyx.validate(with { webhook_url = false, subject = false }) })
    local heir = setmetatable({ to = "+18665550001" }, { __index = with { text = "x" } })
    assert.same({ true }, { telnyx.validate(heir) })
    assert.is_nil((telnyx.validate(setmetatable(with {}, { __index = { type = "sms" } }))))
    assert.is_nil((telnyx.validate(with { text = false })))
  end)

  it("raises on what is no message", function()
    assert.error_matches(function() telnyx.validate("x") end,
      "validate expects a message, a table of fields; got a string")
  end)
end)

describe("the kind of a sender", function()
  local PROFILE = vectors.profile
  local KINDS = {
    long_code = { "+12125550001", "+447700900001", "+1 844 555 0001", "+1844", "+1844555000" },
    toll_free = { "+18005550001", "+18335550001", "+18445550001", "+18555550001", "+18665550001",
      "+18775550001", "+18885550001" },
    short_code = { "12345", "123456", "1" },
    alphanumeric = { "Telnyx", "1a", "Big-Bank", "abcdef", ("a"):rep(32) .. "b", "+1a" },
    number_pool = { "", PROFILE, PROFILE:upper(), (PROFILE:gsub("-", "")), "{" .. PROFILE .. "}" },
  }

  for kind, senders in pairs(KINDS) do
    for _, sender in ipairs(senders) do
      it(("of %q is %s"):format(sender, kind), function()
        assert.equal(kind, core.sender_kind(sender))
      end)
    end
  end

  it("of none is a number pool's", function()
    assert.equal("number_pool", core.sender_kind(nil))
    assert.equal("number_pool", core.sender_kind(42))
  end)

  it("decides how a text is counted", function()
    local function counted(text, options) return core.segments(text, options).encoding end
    assert.equal("ASCII", counted("x", { from = "12345" }))
    assert.equal("GSM-7", counted("x", { from = "+18445550001" }))
    assert.equal("GSM-7", counted("x", { from = "12345", charset = "telnyx" }))
    assert.equal("GSM-7", counted("x", { from = "12345", encoding = "gsm7" }))
    assert.equal("UCS-2", counted("x", { from = "12345", encoding = "ucs2" }))
    assert.equal("UCS-2", counted("é", { from = "12345" }))
    assert.equal(1, core.segments(("]"):rep(160), { from = "12345" }).parts)
    assert.equal(3, core.segments(("]"):rep(160), { from = "+18445550001" }).parts)
    assert.is_false((pcall(core.segments, "x", { from = 12345 })))
  end)

  it("decides it for what is sent, too", function()
    local own = telnyx.new { sender = sandbox.sender() }
    local _, info = own:send(with { from = "12345", text = ("]"):rep(160) })
    assert.equal("ASCII", info.segments.encoding)
    assert.equal(1, info.segments.parts)
    own:close()
  end)
end)

describe("client:validate", function()
  local calls = 0
  local client = telnyx.new {
    sender = { send = function() calls = calls + 1 end },
    defaults = { from = "+18445550001" }, max_parts = 1, accept = { to_shape = true },
    profiles = { strict = { strict = true } },
  }

  it("judges by the client's fields and options, and sends nothing", function()
    assert.same({ true }, { client:validate { to = "+18665550001", text = "x" } })
    local ok, warnings = client:validate { to = "8665550001", text = "x" }
    assert.is_true(ok)
    assert.equal("to_shape", names_of(warnings))
    local refused, err = client:validate { to = "+18665550001", text = ("x"):rep(161) }
    assert.is_nil(refused)
    assert.equal("max_parts", err.rule)
    assert.is_true((client:validate({ to = "+18665550001", text = ("x"):rep(161) },
      { max_parts = 2 })))
    assert.is_nil((client:profile("strict"):validate { to = "+18445550001", text = "x" }))
    assert.equal("idempotency_key", select(2, client:validate({ to = "+18665550001", text = "x" },
      { key = "a b", idempotency_header = true })).rule)
    assert.equal(0, calls)
  end)

  it("uses up no key", function()
    assert.is_true((client:validate({ to = "+18665550001", text = "x" }, { key = "k" })))
    assert.is_true((client:validate({ to = "+18665550001", text = "y" }, { key = "k" })))
  end)

  it("raises where send would", function()
    assert.error_matches(function() client:validate("x") end, "validate expects a message")
    assert.error_matches(function() client:validate({}, { nonsense = 1 }) end, "unknown option")
  end)
end)

describe("who refused it", function()
  local function source_of(number)
    local own = telnyx.new { sender = sandbox.sender(), retry = false }
    local _, err = own:send(with { to = number })
    own:close()
    return err.source, err.outcome
  end

  it("is the service where it did, and nobody where nobody knows", function()
    assert.same({ "service", "rejected" }, { source_of("+15550040300") })
    assert.same({ "service", "rejected" }, { source_of("+15550042900") })
    assert.same({ nil, "unknown" }, { source_of("+15550000500") })
    assert.same({ nil, "unknown" }, { source_of("+15550090013") })
    assert.same({ "local", "not_sent" }, { source_of("x") })
  end)
end)

describe("the line of a refusal", function()
  it("names the rule, unless its code does", function()
    local _, err = telnyx.validate(with { to = "x" })
    assert.matches("%(/to, rule to_shape%)$", tostring(err))
    _, err = telnyx.validate(with { to = { "x" } })
    assert.matches("not sent: to_list More than one recipient: .*%(/to%)$", tostring(err))
  end)

  it("says how to let too many parts through", function()
    local _, err = telnyx.validate(with { text = ("x"):rep(1531) })
    assert.matches("accept = { too_many_parts = true }", err.advice, 1, true)
    assert.matches("auto_chunk_long_messages", err.detail, 1, true)
  end)
end)

describe("what is let through", function()
  local client
  local BAD = { from = "+18445550001", to = "8665550001", text = "Hello" }

  local function new(options)
    options.sender = {
      send = function(self, message, limits)
        self.last = { message = message, limits = limits }
        return { id = "1", to = { { phone_number = message.to } } }, {}
      end,
    }
    client = telnyx.new(options)
    return client, options.sender
  end

  after_each(function() if client then client:close() end end)

  local function told_of(own, message, options)
    local sent, told = own:send(message, options)
    return sent ~= nil, names_of(told.warnings), told
  end

  it("may be so for a client, a profile or a call, each over the other", function()
    local own = new {
      accept = { to_shape = true },
      profiles = {
        also = { accept = { from_shape = true } },
        strict = { accept = { to_shape = false } },
        none = { accept = false },
      },
    }
    assert.is_true((told_of(own, BAD)))
    assert.is_true((told_of(own:profile("also"), { from = "1 2", to = "1 2", text = "x" })))
    assert.is_false((told_of(own, { from = "1 2", to = "1 2", text = "x" })))
    assert.is_false((told_of(own:profile("strict"), BAD)))
    assert.is_false((told_of(own:profile("none"), BAD)))
    assert.is_false((told_of(own, BAD, { accept = { to_shape = false } })))
    assert.is_false((told_of(own, BAD, { accept = false })))
    assert.is_true((told_of(own:profile("strict"), BAD, { accept = { to_shape = true } })))
    assert.is_true((told_of(own, BAD)))
  end)

  it("is told in info.warnings, with its title", function()
    local ok, names, info = told_of(new { accept = { to_shape = true } }, BAD)
    assert.is_true(ok)
    assert.equal("to_shape", names)
    assert.is_true(info.warnings[1].let_through)
    assert.equal("Invalid 'to' address", info.warnings[1].title)
  end)

  it("is told with the service's own refusal", function()
    local own = telnyx.new { sender = sandbox.sender(), accept = { to_shape = true } }
    local sent, err = own:send(with { to = "8665550001", webhook_url = "http://localhost/" })
    assert.is_nil(sent)
    assert.equal("rejected", err.outcome)
    assert.equal("service", err.source)
    assert.is_nil(err.rule)
    assert.equal("to_shape url_private", names_of(err.warnings))
    own:close()
  end)

  it("is not told where there is nothing", function()
    local _, _, info = told_of(new {}, with {})
    assert.is_nil(info.warnings)
  end)

  it("is refused where the client is strict, unless it is let through", function()
    local own = new { strict = true, accept = { to_is_from = true } }
    local ok, names, err = told_of(own, with { to = "+18445550001", webhook_url = "" })
    assert.is_false(ok)
    assert.equal("url_empty", err.rule)
    assert.equal("to_is_from", names)
    ok = told_of(own, with { to = "+18445550001" })
    assert.is_true(ok)
    ok = told_of(own, with { webhook_url = "" }, { strict = false })
    assert.is_true(ok)
  end)

  it("is copied when it is given", function()
    local accept = { to_shape = true }
    local own = new { accept = accept, profiles = { p = { accept = accept } } }
    accept.to_shape, accept.nonsense = nil, true
    assert.is_true((told_of(own, BAD)))
    assert.is_true((told_of(own:profile("p"), BAD)))
  end)

  it("is let through for a run and its messages", function()
    local own = new {}
    local counts = own:send_all({ BAD, with {} }, { accept = { to_shape = true } })
    assert.equal(2, counts.accepted)
    assert.equal(1, own:send_all({ BAD, with {} }).not_sent)
  end)

  it("does not use up a key where it is refused", function()
    local own = new {}
    assert.is_false((told_of(own, BAD, { key = "k" })))
    assert.is_true((told_of(own, BAD, { key = "k", accept = { to_shape = true } })))
    local sent, info = own:send(BAD, { key = "k" })
    assert.equal("1", sent.id)
    assert.is_true(info.replayed)
  end)
end)

describe("a message is judged", function()
  local function counting()
    local calls = { validate = 0, encode = 0 }
    for name in pairs(calls) do
      local own = core[name]
      core[name] = function(...)
        calls[name] = calls[name] + 1
        return own(...)
      end
      finally(function() core[name] = own end)
    end
    return calls
  end

  local function flaky(fields)
    local n = 0
    fields.send = function(_, message)
      n = n + 1
      if n < 3 then
        return nil, { outcome = "not_sent", kind = "connection", retryable = true, cause = "x" }
      end
      return { id = "1", to = { { phone_number = message.to } } }, {}
    end
    return telnyx.new { sender = fields, retry = { base = 0, cap = 0 } }
  end

  it("whatever carries it, with no key and no turn", function()
    local client = telnyx.new { sender = { send = function() error("it was sent") end } }
    local sent, err = client:send { to = "x" }
    assert.is_nil(sent)
    assert.equal("invalid", err.kind)
    assert.equal("not_sent", err.outcome)
    client:close()
  end)

  for _, takes_body in ipairs { true, false } do
    for _, key in ipairs { "k", false } do
      it(("once a send: takes_body %s, key %s"):format(tostring(takes_body), tostring(key)),
        function()
          local own = flaky { takes_body = takes_body or nil }
          local calls = counting()
          local sent, info = own:send(with {}, { key = key or nil })
          assert.is_table(sent)
          assert.equal(3, #info.attempts)
          assert.equal(1, calls.validate + calls.encode)
          assert.equal(takes_body or key, calls.encode == 1 and (takes_body or key))
          own:close()
        end)
    end
  end

  it("before a sender that judges again, which refuses only what cannot be sent", function()
    local inner = sandbox.sender()
    local wrapper = { send = function(_, message, limits) return inner:send(message, limits) end }
    local own = telnyx.new { sender = wrapper, accept = { to_short_code = true, to_shape = true } }
    local sent, err = own:send(with { to = "866 555 0001" })
    assert.is_nil(sent)
    assert.equal("service", err.source) -- it got there
    local _, refused = own:send(with { to = "866 555 0001" }, { accept = false })
    assert.equal("local", refused.source)
    own:close()
  end)

  it("by a sender that is used alone", function()
    local sent, err = sandbox.sender():send { to = "x" }
    assert.is_nil(sent)
    assert.equal("local", err.source)
    assert.equal("to_shape", err.rule)
  end)
end)

describe("the messages that others publish", function()
  local REFUSED = "a known refusal of the body"

  local function our_verdict(row)
    local ok, told = core.validate(row.body, row.now or NOW)
    local lists = ok and { {}, told } or { told.errors, told.warnings }
    local found = {}
    for i = 1, 2 do
      local seen, names = {}, {}
      for _, one in ipairs(lists[i] or {}) do
        if not seen[one.rule] then names[#names + 1] = one.rule end
        seen[one.rule] = true
      end
      table.sort(names)
      found[i] = table.concat(names, " ")
    end
    return found[1], found[2]
  end

  it("are judged as written down, each by the rules named", function()
    for i, row in ipairs(public_messages) do
      local refused, warned = our_verdict(row)
      assert.equal(row.refused or "", refused, "row " .. i)
      assert.equal(row.warned or "", warned, "row " .. i)
    end
  end)

  it("are not refused where the service is known to accept them", function()
    local n = 0
    for i, row in ipairs(public_messages) do
      if row.known == "accepted" then
        n = n + 1
        assert.is_true((core.validate(row.body, row.now or NOW)), "row " .. i)
      end
    end
    assert.equal(9, n)
  end)

  it("are refused, or warned of, where a body is known to be refused", function()
    local counts = { refused = 0, warned = 0 }
    for i, row in ipairs(public_messages) do
      if row.known == "refused" and row.fault == "body" then
        local refused, warned = our_verdict(row)
        assert.is_true(refused ~= "" or warned ~= "", REFUSED .. ", row " .. i)
        assert.is_nil((core.validate(row.body, row.now or NOW, nil, true)), "row " .. i)
        local kind = refused ~= "" and "refused" or "warned"
        counts[kind] = counts[kind] + 1
      end
    end
    assert.same({ refused = 12, warned = 3 }, counts)
  end)

  it("among them the reference page's own request, which is sent, with a warning", function()
    local own = telnyx.new { sender = sandbox.sender() }
    local sent, info = own:send {
      to = "+18445550001", from = "+18445550001", text = "Hello, World!",
      subject = "From Telnyx!", media_urls = { "http://example.com" },
      webhook_url = "http://example.com/webhooks",
      webhook_failover_url = "https://backup.example.com/hooks", use_profile_webhooks = true,
      type = "MMS",
    }
    assert.is_table(sent)
    assert.equal("to_is_from", names_of(info.warnings))
    assert.matches("may refuse it", info.warnings[1].detail)
    own:close()
  end)
end)
