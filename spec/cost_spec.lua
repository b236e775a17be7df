-- The caller's own limits on what a message may cost, applied before anything leaves.

local telnyx = require("telnyx")
local sandbox = require("telnyx.sandbox")

local UCS2 = ("a"):rep(150) .. "’"
local EMOJI = ("a"):rep(150) .. "😀"

local function sent(text, options, fields)
  local sender = sandbox.sender()
  local client = telnyx.new({ sender = sender, defaults = { from = "+18445550001" } })
  local message = { to = "+18665550001", text = text }
  for name, value in pairs(fields or {}) do message[name] = value end
  local result, info = client:send(message, options)
  return result, info, sender:ledger().accepted
end

describe("max_parts", function()
  it("refuses before anything is sent, with the analysis", function()
    local message, err, n_accepted = sent(UCS2, { max_parts = 2 })
    assert.is_nil(message)
    assert.equal("not_sent", err.outcome)
    assert.equal("invalid", err.kind)
    assert.equal("max_parts", err.code)
    assert.equal("max_parts", err.rule)
    assert.equal("local", err.source)
    assert.equal(3, err.segments.parts)
    assert.equal(0x2019, err.segments.forced_by.codepoint)
    assert.equal(0, n_accepted)
  end)

  it("is told beside on_ucs2 and what else is wrong, each by its rule", function()
    local message, err = sent(UCS2, { max_parts = 2, on_ucs2 = "refuse" }, { to = "nobody" })
    assert.is_nil(message)
    local told = {}
    for i, one in ipairs(err.errors) do told[i] = one.rule end
    assert.same({ "on_ucs2", "max_parts", "to_shape" }, told)
    assert.equal("local", err.source)
    assert.is_string(err.errors[3].advice)
  end)

  it("lets through what fits", function()
    local message, info, n_accepted = sent(UCS2, { max_parts = 3 })
    assert.equal(3, message.parts)
    assert.equal(3, info.segments.parts)
    assert.is_nil(info.drift)
    assert.equal(1, n_accepted)
  end)

  it("does not concern an MMS", function()
    assert.truthy(sent(UCS2, { max_parts = 1 }, { media_urls = { "https://a.b/c.png" } }))
  end)
end)

describe("on_ucs2", function()
  it("= refuse names the character", function()
    local message, err, n_accepted = sent(EMOJI, { on_ucs2 = "refuse" })
    assert.is_nil(message)
    assert.truthy(err.detail:find("😀", 1, true))
    assert.equal(0, n_accepted)
  end)

  it("= refuse lets GSM-7 through", function()
    assert.truthy(sent("Grüße", { on_ucs2 = "refuse" }))
  end)

  it("= smart sends the substituted text where that makes it GSM-7", function()
    local message, info = sent(UCS2, { on_ucs2 = "smart", max_parts = 1 })
    assert.equal(("a"):rep(150) .. "'", message.text)
    assert.equal("GSM-7", message.encoding)
    assert.equal(1, info.segments.replaced)
  end)

  it("= smart leaves a text alone that it cannot bring back", function()
    local message = sent("it’s 😀", { on_ucs2 = "smart" })
    assert.equal("it’s 😀", message.text)
    assert.equal("UCS-2", message.encoding)
  end)

  it("= allow is the default", function()
    assert.equal("UCS-2", (sent(EMOJI)).encoding)
  end)
end)

describe("after a send", function()
  it("drift tells how far the service's count is from ours", function()
    local sender = { send = function()
      return { id = "m", parts = 3 }, { outcome = "accepted" }
    end }
    local client = telnyx.new({ sender = sender })
    local _, info = client:send({ from = "12345", to = "+18665550001", text = "one part" })
    assert.equal(2, info.drift)
  end)
end)

it("limits can stand in a profile", function()
  local client = telnyx.new({ sender = sandbox.sender(), profiles = {
    cheap = { from = "+18445550001", max_parts = 1, on_ucs2 = "refuse" },
  } })
  local _, err = client:profile("cheap"):send({ to = "+18665550001", text = EMOJI })
  assert.equal("not_sent", err.outcome)
  assert.has_error(function() telnyx.new({ api_key = "K", on_ucs2 = "sometimes" }) end)
end)
