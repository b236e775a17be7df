-- The reference that the webhook URLs of a keyed send carry.

local reference = require("telnyx.send.reference")

local CLAIM = "0123456789abcdef0123456789abcdef"

local function url_with(key, url)
  local own = reference.add({ webhook_url = url or "https://example.com/sms" }, key, CLAIM)
  return own.webhook_url
end

describe("a reference", function()
  it("comes back, whatever the key", function()
    local keys = { "a", "order-4711", "ключ", "a b&c=d#e?f%20", "+/=", "\127", ("k"):rep(255) }
    for n = 1, 60 do
      local bytes = {}
      for i = 1, n do bytes[i] = string.char(math.random(1, 255)) end
      keys[#keys + 1] = table.concat(bytes)
    end
    for _, key in ipairs(keys) do
      local got, claim = reference.read(url_with(key))
      assert.equal(key, got)
      assert.equal(CLAIM, claim)
      assert.is_truthy(reference.of(key, CLAIM):find("^telnyx_ref=[%w_-]+$"))
    end
  end)

  it("leaves the user's own query and fragment", function()
    local tail = reference.of("k", CLAIM)
    assert.equal("https://a.example/x?" .. tail, url_with("k", "https://a.example/x"))
    assert.equal("https://a.example/?b=c&" .. tail, url_with("k", "https://a.example/?b=c"))
    assert.equal("https://a.example/?b&" .. tail .. "#d?e",
      url_with("k", "https://a.example/?b#d?e"))
    assert.equal("https://a.example/?" .. tail .. "#d", url_with("k", "https://a.example/#d"))
    for _, url in ipairs { "https://a.example/x", "https://a.example/?b=c", "https://a.example/#d",
      "https://a.example/?b#d?e" } do
      assert.equal("k", (reference.read(url_with("k", url))))
    end
  end)

  it("is read wherever it stands in a query, the last of several", function()
    local text = reference.of("k", CLAIM)
    for _, url in ipairs { "https://a.example/?" .. text .. "&z=1", "x?a=b&" .. text .. "&z=1#f",
      "x?" .. reference.of("other", CLAIM) .. "&" .. text, "x?a=" .. text .. "&" .. text } do
      assert.equal("k", (reference.read(url)), url)
    end
  end)

  it("is none where it is not ours", function()
    local text = reference.of("k", CLAIM)
    for _, url in ipairs { "", "https://a.example/", "https://a.example/" .. text, "x#" .. text,
      "x#?" .. text, "x?telnyx_ref=", "x?telnyx_ref=" .. CLAIM, "x?telnyx_ref=" .. CLAIM .. "x",
      "x?telnyx_ref=" .. CLAIM:upper() .. "aw", "x?telnyx_ref=" .. CLAIM:sub(2) .. "aw",
      "x?not_" .. text, "x?a=" .. text, "x?telnyx_ref=" .. CLAIM .. "aw==" } do
      assert.is_nil(reference.read(url), url)
    end
    for _, other in ipairs { false, 1, {} } do assert.is_nil(reference.read(other)) end
    assert.is_nil(reference.read(nil))
  end)

  it("is put into a body, and nowhere else in it", function()
    local core = require("telnyx.core")
    for _, query in ipairs { "", "?b=c", "#d", '?q="x"\\y' } do
      local url = "https://a.example/" .. query
      local message = { from = "+18445550001", to = "+18665550001", webhook_url = url,
        text = '"webhook_url":"https://a.example/' .. query .. '" ' .. reference.of("order 1") }
      local body = assert(core.encode(message, nil, true))
      local own = reference.in_body(body, message, "order 1")
      assert.equal(core.encode(reference.add(message, "order 1"), nil, true), own)
      assert.equal(url, message.webhook_url)
    end
  end)

  it("is in no body of a message without a URL for it", function()
    assert.is_nil(reference.in_body('{"text":"x"}', { text = "x" }, "k"))
    assert.is_nil(reference.in_body('{"text":"x"}', { text = "x", webhook_url = "" }, "k"))
  end)

  it("is the claim's, in a body that is posted", function()
    local message = { webhook_url = "https://a.example/?b=c",
      webhook_failover_url = "http://b.c/d" }
    local body = reference.in_body('{"webhook_url":"https:\\/\\/a.example\\/?b=c",'
      .. '"webhook_failover_url":"http:\\/\\/b.c\\/d"}', message, "k")
    local posted = reference.claimed(body, "k", CLAIM)
    assert.equal(#body, #posted)
    local decoded = require("cjson").decode(posted)
    assert.same(reference.add(message, "k", CLAIM), decoded)
    assert.equal(body, reference.claimed(body, "other", CLAIM))
  end)

  it("is in both URLs, and in none that is not there", function()
    local added = reference.add({ webhook_url = "https://a.example/", webhook_failover_url =
      "https://b.example/", text = "telnyx_ref" }, "k")
    assert.equal("https://a.example/?" .. reference.of("k"), added.webhook_url)
    assert.equal("https://b.example/?" .. reference.of("k"), added.webhook_failover_url)
    local bare = { webhook_url = "", webhook_failover_url = false }
    assert.equal(bare, reference.add(bare, "k"))
  end)

  it("is left out where a URL would be too long with it", function()
    local parameter = reference.of("k")
    local fits = "https://a.example/" .. ("x"):rep(2000 - 18 - 1 - #parameter)
    assert.equal(2000, #reference.add({ webhook_url = fits }, "k").webhook_url)
    local own = { webhook_url = fits .. "x", webhook_failover_url = "https://b.example/" }
    local added = reference.add(own, "k")
    assert.equal(fits .. "x", added.webhook_url)
    assert.is_truthy(added.webhook_failover_url:find("telnyx_ref", 1, true))
  end)

  it("is taken away where it was copied from another message", function()
    local copied = url_with("other", "https://a.example/?b=c#d")
    local telnyx, posts, failover = require("telnyx"), {}, nil
    local client = telnyx.new { sender = { takes_body = true, send = function(_, _, limits)
      local posted = require("cjson").decode(limits.body)
      posts[#posts + 1], failover = posted.webhook_url, posted.webhook_failover_url
      return { id = "m" }, {}
    end } }
    local function send(options, url)
      assert(client:send({ from = "+18445550001", to = "+18665550001", text = "x",
        webhook_url = url or copied }, options))
    end
    send()
    send({ key = "k", reference = false })
    send({ key = "k2" })
    send(nil, url_with("other", "https://a.example/"))
    assert.equal("https://a.example/?b=c#d", posts[1])
    assert.equal("https://a.example/?b=c#d", posts[2])
    assert.equal("k2", (reference.read(posts[3])))
    assert.is_nil(posts[3]:find("telnyx_ref.*telnyx_ref"))
    assert.equal("https://a.example/", posts[4])
    assert(client:send { from = "+18445550001", to = "+18665550001", text = "x",
      webhook_failover_url = copied })
    assert.equal("https://a.example/?b=c#d", failover)
    local own = { webhook_url = "https://a.example/?telnyx_ref=mine" }
    assert.equal(own, reference.strip(own))
  end)
end)
