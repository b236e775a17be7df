-- A reply that came unasked in the very moment of a request passes for the reply to it, and nobody
-- can know. What can be known is kept: the true reply, when it comes, passes for nobody's, and what
-- is about another recipient is nobody's outcome here.

local core = require "telnyx.core"
local telnyx = require "telnyx"
local wire = require "spec.support.wire"

local KEY = "KEY0123456789ABCDEF_astray"
local LONG = { timeout = 20, connect_timeout = 20 }

local request, accept, gate = wire.request, wire.accept, wire.gate

local function message(to, more)
  return { from = "+18445550001", to = to or "+18665550001", text = "Hello", extra = more }
end

local function data(id, to)
  return ('{"data":{"id":"%s"%s}}'):format(id,
    to and (',"to":[{"phone_number":"%s"}]'):format(to) or "")
end

local ERRORS = '{"errors":[{"code":"%s","title":"No"}]}'

-- Everything that does not say whose it is.
local UNNAMED = {
  ["a message without a recipient"] = wire.reply(200, data("m-0")),
  ["a message to another"] = wire.reply(200, data("m-0", "+18665550002")),
  ["a message to one whose number begins alike"] = wire.reply(200, data("m-0", "+186655500011")),
  ["a message to one whose number ends alike"] = wire.reply(200, data("m-0", "+1+18665550001")),
  ["nothing"] = wire.reply(200, ""),
  ["a 429"] = wire.reply(429, ERRORS:format("10011")),
  ["a 400"] = wire.reply(400, ERRORS:format("10015")),
  ["a 503"] = wire.reply(503, ERRORS:format("10016")),
}

for _, tls in ipairs { false, "good" } do
  describe("a connection " .. (tls and "over TLS" or "in the clear"), function()
    local station, certificates, client
    setup(function()
      station = wire.start()
      certificates = station:certificates()
    end)
    teardown(function() station:stop() end)
    after_each(function() client:close() end)

    local function listen(...)
      local listener = station:listen { tls = tls or nil, ... }
      client = core.client {
        api_key = KEY, base_url = listener.url, ca_file = certificates.ca_file,
      }
      return listener
    end

    for what, reply in pairs(UNNAMED) do
      it("serves nobody else after " .. what, function()
        local listener = listen(
          { request, reply, gate("late"), wire.reply(200, data("m-1", "+18665550001")) },
          { request, accept })
        client:send(message(), LONG)
        local sent = assert(client:send(message(), LONG))
        assert.equal(2, #listener:seen().connections)
        assert.not_equal("m-1", sent.id)
      end)
    end

    for what, more in pairs {
      ["that says whose it is"] = false,
      ["that says it, whatever else the request says"] = {
        note = 'x","to":"+18665550009', a = { to = "+18665550009" },
      },
    } do
      it("serves the next after a reply " .. what, function()
        local listener = listen { wire.loop { request, accept } }
        for _ = 1, 3 do assert(client:send(message(nil, more or nil), LONG)) end
        assert.equal(1, #listener:seen().connections)
      end)
    end

    it("serves the next after a reply to a short code", function()
      local listener = listen { wire.loop { request, wire.reply(200, data("m-1", "12345")) } }
      for _ = 1, 3 do assert(client:send(message("12345"), LONG)) end
      assert.equal(1, #listener:seen().connections)
    end)
  end)
end

describe("a reply about a message to another recipient", function()
  local station
  setup(function() station = wire.start() end)
  teardown(function() station:stop() end)

  it("is nobody's outcome, and nothing is sent again", function()
    local listener = station:listen {
      { request, wire.reply(200, data("m-0", "+18665550002")) }, wire.SERVICE,
    }
    local client = telnyx.new { api_key = KEY, base_url = listener.url }
    local sent, err = client:send(message(), { key = "order-1" })
    assert.is_nil(sent)
    assert.equal("unknown", err.outcome)
    assert.equal("protocol", err.kind)
    assert.equal(200, err.status)
    assert.is_false(err.retryable)
    assert.matches("about a message to another recipient", err.cause)
    assert.equal(1, #listener:seen().connections)
    client:close()
  end)

  it("is no matter where the number was written in another form, and let through", function()
    local script = { request, wire.reply(200, data("m-1", "+18665550001")) }
    local listener = station:listen { script, script, script }
    local client = telnyx.new { api_key = KEY, base_url = listener.url, retry = false,
      accept = { to_shape = true } }
    for i, number in ipairs { "+1 866 555 0001", "8665550001", "+1-866-555-0001" } do
      local sent, info = client:send(message(number))
      assert.equal("m-1", sent and sent.id, i .. ": " .. tostring(info))
      assert.is_true(info.warnings[1].let_through)
    end
    client:close()
  end)

  for what, to in pairs {
    ["a list that is none"] = '"x"', ["an empty list"] = "[]", ["numbers"] = "[7]",
    ["no number"] = '[{"phone_number":null}]', ["a number of numbers"] = '[{"phone_number":7}]',
    ["a name"] = '[{"phone_number":"ACME"}]',
  } do
    it("is no matter of what the service says otherwise: " .. what, function()
      local listener = station:listen {
        { request, wire.reply(200, '{"data":{"id":"m-1","to":' .. to .. "}}") },
      }
      local client = core.client { api_key = KEY, base_url = listener.url }
      assert.equal("m-1", assert(client:send(message(), LONG)).id)
      client:close()
    end)
  end
end)
