-- A webhook is taken only when it is signed by the owner of the key, over the bytes that came, not
-- long ago. Judged by another implementation of Ed25519, and by what handlers are known to get
-- wrong.

local cjson = require("cjson")
local core = require("telnyx.core")
local process = require("spec.support.process")
local webhook = require("telnyx").webhook
local webhooks = require("spec.support.webhooks")

local KEY, NOW = webhooks.KEY_BASE64, webhooks.NOW
local SIGNATURE, TIMESTAMP = "telnyx-signature-ed25519", "telnyx-timestamp"
local BODY = cjson.encode(webhooks.event { id = "e-1", type = "message.finalized",
  to = "delivered", at = NOW })

local headers

before_each(function() headers = webhooks.headers(BODY) end)

local function verify(body, given, key, options)
  options = options or {}
  options.now = options.now or NOW
  return webhook.verify(body or BODY, given or headers, key or KEY, options)
end

local function refuses(why, kind, ...)
  local event, told, told_kind = verify(...)
  assert.is_nil(event)
  assert.matches(why, told)
  assert.equal(kind, told_kind)
  assert.is_nil(told:find("Hello", 1, true))
  assert.is_nil(told:find(KEY:sub(1, 20), 1, true))
end

local function with(name, value)
  local own = {}
  for field, text in pairs(headers) do own[field] = text end
  own[name] = value
  return own
end

describe("a webhook that is sound", function()
  it("is an event", function()
    local event = assert(verify())
    assert.equal("finalized", event.kind)
    assert.equal("e-1", event.id)
    assert.equal("delivered", event.status)
  end)

  it("was signed by anybody's Ed25519", function()
    local bodies, texts = {}, {}
    for i, text in ipairs { "Hello!", "\195\188 \240\159\152\128", "\\ \" / \b", "", "a\nb\r\n",
      ("x"):rep(5000), "\226\130\172 it\226\128\153s" } do
      bodies[i] = cjson.encode { data = { id = "e-" .. i, payload = { text = text } } }
    end
    bodies[#bodies + 1] = '{ "data" : {"payload":{"text":"\\u00fc\\/\\ud83d\\ude00"}} , "n":1.50}\n'
    bodies[#bodies + 1] = ' {}'
    for i, body in ipairs(bodies) do texts[i] = NOW .. "|" .. body end
    local key, signatures = webhooks.signed_elsewhere(texts)
    assert.equal(webhooks.KEY, key)
    for i, body in ipairs(bodies) do
      assert(verify(body, with(SIGNATURE, core.base64_encode(signatures[i]))))
    end
  end)

  it("is taken with the key in each form", function()
    local folded = webhooks.pem(webhooks.KEY):gsub("MCow", "MCow\r\n ")
    for _, key in ipairs { KEY, webhooks.KEY, webhooks.pem(webhooks.KEY), KEY .. "\n", folded,
      (webhooks.pem(webhooks.KEY):gsub("\n", "\\n")) } do
      assert(verify(nil, nil, key))
    end
  end)

  it("is taken with the PEM that openssl writes", function()
    local path = os.tmpname()
    process.run(("openssl genpkey -algorithm ed25519 -out %s"):format(path))
    local pem = process.run(("openssl pkey -in %s -pubout"):format(path))
    local raw = process.run(
      ("openssl pkey -in %s -outform DER | tail -c 32 | od -An -v -tx1"):format(path))
    os.remove(path)
    local seed = webhooks.bytes_of((raw:gsub("%s", "")))
    assert(verify(nil, webhooks.headers(BODY, nil, seed), pem))
    refuses("does not match", "mismatch", nil, nil, pem)
  end)

  it("is taken with the environment's key, and refused without one", function()
    local script = ([[
      local webhook = require("telnyx").webhook
      local event, why = webhook.verify(%q, { ["telnyx-signature-ed25519"] = %q,
        ["telnyx-timestamp"] = %q }, nil, { now = %d })
      print(event and event.id, why)]]):format(BODY, headers[SIGNATURE], headers[TIMESTAMP], NOW)
    assert.equal("e-1\tnil\n", process.run_lua(script, "env TELNYX_PUBLIC_KEY=" .. KEY))
    local refused = "nil\tthere is no public key: pass it, or set TELNYX_PUBLIC_KEY\n"
    assert.equal(refused, process.run_lua(script, "env -u TELNYX_PUBLIC_KEY"))
    assert.equal(refused, process.run_lua(script, "env TELNYX_PUBLIC_KEY="))
  end)

  it("may have its headers in any case and shape", function()
    local sig, time = headers[SIGNATURE], headers[TIMESTAMP]
    for i, given in ipairs {
      { ["Telnyx-Signature-Ed25519"] = sig, ["Telnyx-Timestamp"] = time },
      { ["TELNYX-SIGNATURE-ED25519"] = { sig }, ["TELNYX-TIMESTAMP"] = { time, time } },
      { { "host", "a" }, { "Telnyx-Timestamp", time }, { SIGNATURE, sig }, { "host", "b" } },
      { { TIMESTAMP, time }, { SIGNATURE, sig }, { SIGNATURE, sig } },
      { [TIMESTAMP] = time, ["Telnyx-Timestamp"] = time, [SIGNATURE] = sig, other = 7, odd = {} },
      function(name) return headers[name] end,
      function(name) return headers[name], headers[name] end,
      function(name) return { headers[name] } end,
    } do
      local event, why = verify(nil, given)
      assert(event, i .. ": " .. tostring(why))
    end
  end)
end)

describe("a webhook is refused", function()
  it("when one byte of its body is another", function()
    for i = 1, #BODY do
      local byte = BODY:byte(i)
      local body = BODY:sub(1, i - 1) .. string.char((byte + 1) % 256) .. BODY:sub(i + 1)
      refuses("does not match", "mismatch", body)
    end
    for _, body in ipairs { "", BODY .. "\n", BODY .. " ", " " .. BODY, BODY .. "\0",
      BODY:sub(1, -2), BODY:sub(2), "\239\187\191" .. BODY, core.base64_encode(BODY) } do
      refuses("does not match", "mismatch", body)
    end
  end)

  it("when it was written anew from what was read", function()
    for _, body in ipairs { '{"data": {"id":"1"}}', '{"data":{"text":"\\u00fc"}}', '{"n":1.50}',
      '{"data":{"url":"https://a.example"}}', '{"n":1}\n' } do
      local own, anew = webhooks.headers(body), cjson.encode(cjson.decode(body))
      assert(verify(body, own))
      assert.not_equal(body, anew)
      refuses("does not match", "mismatch", anew, own)
    end
  end)

  it("when a bit of its signature, or its timestamp, is another", function()
    local bytes = core.base64_decode(headers[SIGNATURE])
    for i = 1, #bytes do
      local other = bytes:sub(1, i - 1) .. string.char((bytes:byte(i) + 1) % 256)
        .. bytes:sub(i + 1)
      refuses("does not match", "mismatch", nil, with(SIGNATURE, core.base64_encode(other)))
    end
    refuses("does not match", "mismatch", nil, with(TIMESTAMP, tostring(NOW + 1)))
    refuses("does not match", "mismatch", nil, with(TIMESTAMP, "0" .. NOW))
  end)

  it("when another key signed it", function()
    local own = webhooks.headers(BODY, nil, ("another account "):rep(2))
    refuses("does not match", "mismatch", nil, own)
  end)

  it("when it is signed in a way that vendors' pages show", function()
    local text = NOW .. "|" .. BODY
    refuses("not 64", "bad_header", nil, with(SIGNATURE, core.base64_encode(text)))
    refuses("32 bytes, and not 64", "bad_header", nil,
      with(SIGNATURE, core.base64_encode(("h"):rep(32))))
    refuses("telnyx%-signature%-ed25519 is missing", "bad_header", nil, {
      ["webhook-id"] = "e-1", ["webhook-timestamp"] = tostring(NOW), ["webhook-signature"] = "v1,x",
    })
    refuses("is missing", "bad_header", nil, {
      ["X-Telnyx-Signature-Ed25519"] = headers[SIGNATURE],
      ["X-Telnyx-Timestamp"] = headers[TIMESTAMP] })
  end)

  it("when a header is missing, and says which", function()
    refuses("header telnyx%-signature%-ed25519 is missing", "bad_header", nil, {})
    refuses("header telnyx%-signature%-ed25519 is missing", "bad_header", nil, with(SIGNATURE))
    refuses("header telnyx%-timestamp is missing", "bad_header", nil, with(TIMESTAMP))
    refuses("header telnyx%-timestamp is missing", "bad_header", nil, with(TIMESTAMP, {}))
    refuses("telnyx%-timestamp is missing", "bad_header", nil, function(name)
      return name == SIGNATURE and headers[name] or nil
    end)
  end)

  it("when a header came twice with two values, in whatever shape", function()
    local sig, time = headers[SIGNATURE], headers[TIMESTAMP]
    for _, given in ipairs {
      with(TIMESTAMP, { time, "1" }), with("Telnyx-Timestamp", "1"),
      { { TIMESTAMP, time }, { SIGNATURE, sig }, { "Telnyx-Timestamp", "1" } },
      function(name)
        if name == SIGNATURE then return sig end
        return time, "1"
      end,
    } do
      refuses("telnyx%-timestamp was given twice", "bad_header", nil, given)
    end
    refuses("ed25519 was given twice", "bad_header", nil, with(SIGNATURE, { "", sig }))
    refuses("not Base64", "bad_header", nil, with(SIGNATURE, sig .. ", " .. sig))
  end)

  it("when a header is no text", function()
    refuses("telnyx%-timestamp is a number, and not text", "bad_header", nil,
      with(TIMESTAMP, NOW))
    refuses("ed25519 is a boolean, and not text", "bad_header", nil, with(SIGNATURE, true))
    refuses("ed25519 is a table, and not text", "bad_header", nil, with(SIGNATURE, { {} }))
  end)

  it("when its timestamp is not plain digits, even if it was signed so", function()
    for _, text in ipairs { "", " ", "+" .. NOW, "-" .. NOW, " " .. NOW, NOW .. " ", NOW .. "\n",
      NOW .. ".0", "1.793528262e9", "1e9", "0x6ae7", "nan", "inf", NOW .. "\0", "1,793",
      "\217\161\217\162" } do
      refuses("telnyx%-timestamp is not plain digits", "bad_header", nil,
        webhooks.headers(BODY, text))
    end
    refuses("telnyx%-timestamp has 16 digits, more than 15", "bad_header", nil,
      webhooks.headers(BODY, "000000" .. NOW))
    assert(verify(nil, webhooks.headers(BODY, "00000" .. NOW)))
  end)

  it("when its signature is not Base64 of 64 bytes", function()
    local odd = core.base64_decode(headers[SIGNATURE]):sub(1, 61) .. "\255\239\190"
    local text = core.base64_encode(odd)
    for _, other in ipairs { "nonsense!", text:gsub("=", ""), (text:gsub("/", "_")),
      (text:gsub("+", "-")):gsub("/", "_"), " " .. text, text .. "\n", text:gsub("=", "*"), "=" } do
      refuses("ed25519 is not Base64", "bad_header", nil, with(SIGNATURE, other))
    end
    refuses("ed25519 has 63 bytes, and not 64", "bad_header", nil,
      with(SIGNATURE, core.base64_encode(odd:sub(2))))
    refuses("ed25519 has 65 bytes, and not 64", "bad_header", nil,
      with(SIGNATURE, core.base64_encode(odd .. "x")))
    refuses("ed25519 has 0 bytes, and not 64", "bad_header", nil, with(SIGNATURE, ""))
  end)

  it("when it is older than 300 s, or comes from as far ahead", function()
    for _, age in ipairs { 0, 299, 300, -299, -300 } do
      assert(verify(nil, nil, nil, { now = NOW + age }))
    end
    refuses("signed 301 s ago, and 300 s are allowed", "stale", nil, nil, nil, { now = NOW + 301 })
    refuses("signed 301 s ahead of this clock, and 300 s", "stale", nil, nil, nil,
      { now = NOW - 301 })
    assert(verify(nil, nil, nil, { now = NOW + 7200, tolerance = 7200 }))
    refuses("signed 1 s ago, and 0 s", "stale", nil, nil, nil, { now = NOW + 1, tolerance = 0 })
    refuses("ahead of this clock", "stale", nil, webhooks.headers(BODY, ("9"):rep(15)))
    refuses("ago", "stale", nil, webhooks.headers(BODY, "0"))
  end)

  it("by this machine's clock, where no other is given", function()
    assert(webhook.verify(BODY, webhooks.headers(BODY, tostring(os.time())), KEY))
    local old = webhooks.headers(BODY, tostring(os.time() - 400))
    assert.matches("ago", select(2, webhook.verify(BODY, old, KEY)))
  end)

  it("when the key is none", function()
    for key, why in pairs {
      [""] = "there is no public key", ["not a key"] = "neither Base64",
      [KEY:sub(1, 32)] = "has 24 bytes, and not 32", [KEY:sub(1, 43)] = "neither Base64",
      [core.base64_encode(webhooks.KEY .. "x")] = "has 33 bytes, and not 32",
      [webhooks.KEY .. "\255"] = "neither Base64",
      ["-----BEGIN PUBLIC KEY-----\n"] = "PEM, but not from",
      [(webhooks.pem(webhooks.KEY):gsub("PUBLIC", "PRIVATE"))] = "PEM, but not from",
      [(webhooks.pem(webhooks.KEY):gsub("MCow", "MC*w"))] = "there is no Base64 in it",
      [webhooks.pem(webhooks.KEY .. "x")] = "of no Ed25519 key",
      [(webhooks.pem(webhooks.KEY):gsub("MCow", "MCox"))] = "of no Ed25519 key",
    } do
      refuses(why, "bad_key", nil, nil, key)
    end
  end)

  it("when anybody could have signed for the key", function()
    local key = ("\0"):rep(32)
    local signature = "\1" .. ("\0"):rep(63)
    local body
    for i = 1, 1000 do
      local text = ('{"data":{"n":%d}}'):format(i)
      if core.ed25519_verify(key, signature, NOW .. "|" .. text) then body = text end
    end
    assert(body)
    local forged = with(SIGNATURE, core.base64_encode(signature))
    refuses("anybody can sign", "bad_key", body, forged, key)
    refuses("anybody can sign", "bad_key", body, forged, core.base64_encode(key))
    refuses("anybody can sign", "bad_key", body, forged, ("\0"):rep(31) .. "\128")
  end)

  -- The y of each point whose order divides 8, and those that are written with p added.
  local SMALL = { ("00"):rep(32), "01" .. ("00"):rep(31), "ec" .. ("ff"):rep(30) .. "7f",
    "ed" .. ("ff"):rep(30) .. "7f", "ee" .. ("ff"):rep(30) .. "7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a" }

  it("with each key of small order, of either sign", function()
    for _, hex in ipairs(SMALL) do
      local key = webhooks.bytes_of(hex)
      refuses("anybody can sign", "bad_key", nil, nil, core.base64_encode(key))
      local other = key:sub(1, 31) .. string.char(key:byte(32) + 128)
      refuses("anybody can sign", "bad_key", nil, nil, core.base64_encode(other))
    end
  end)

  it("when it is no object of JSON, though it was signed", function()
    for body, why in pairs { [""] = "not JSON", ["<html>"] = "not JSON", ["[1]"] = "not an object",
      ["null"] = "not an object", ["false"] = "not an object", ["1"] = "not an object",
      ['{"a":1}\0'] = "not JSON", ['"{"'] = "not an object", [BODY .. "}"] = "not JSON",
      ["[]"] = "not an object", [('{"a":'):rep(1100) .. "1" .. ("}"):rep(1100)] = "not JSON" } do
      refuses(why, "bad_body", body, webhooks.headers(body))
    end
  end)

  it("where there is no Ed25519", function()
    local call = ([[
      local core = require("telnyx.core")
      %%s
      local webhook = require("telnyx").webhook
      local event, why, kind = webhook.verify(%q, { ["telnyx-signature-ed25519"] = %q,
        ["telnyx-timestamp"] = %q }, %q, { now = %d })
      print(event, kind, why)]]):format(BODY, headers[SIGNATURE], headers[TIMESTAMP], KEY, NOW)
    local refused = "^nil\tno_crypto\tsignatures cannot be checked: telnyx.core has no Ed25519"
    for _, lack in ipairs { "core.ed25519_verify = nil", "core.base64_decode = nil",
      "core.ed25519_verify = function() return false end" } do
      assert.matches(refused, process.run_lua(call:format(lack)))
    end
  end)
end)

describe("misuse", function()
  local function raises(what, ...)
    local ok, told = pcall(webhook.verify, ...)
    assert.is_false(ok)
    assert.matches(what, told)
  end

  it("is raised at the caller", function()
    local ok, told = pcall(function() webhook.verify(nil, headers, KEY) end)
    assert.is_false(ok)
    assert.matches("webhook_verify_spec", told)
    raises("body as a string, got a nil", nil, headers, KEY)
    raises("body as a string, got a table", {}, headers, KEY)
    raises("headers as a table of names", BODY, nil, KEY)
    raises("headers as .*got a string", BODY, "telnyx-timestamp: 1", KEY)
    raises("headers as .*a list with a string", BODY, { "telnyx-timestamp: 1" }, KEY)
    raises("public key as a string, got a number", BODY, headers, 1)
    raises("options in a table, got a number", BODY, headers, KEY, 300)
    raises("no option 'tolerence'", BODY, headers, KEY, { tolerence = 1 })
    raises("from 0 up for 'tolerance'", BODY, headers, KEY, { tolerance = -1 })
    raises("from 0 up for 'tolerance'", BODY, headers, KEY, { tolerance = "300" })
    raises("since 1970 for 'now'", BODY, headers, KEY, { now = 0 / 0 })
  end)
end)

describe("100,000 random requests", function()
  local PIECES = { "", "0", "=", "|", "{", "}", '"', "\0", "\255", "A", "/", "+", " ", "-", "\n",
    tostring(NOW), "e9", "null", '{"data":{}}', "AAAA", "==" }
  local random = math.random

  local function words(most)
    local list = {}
    for i = 1, random(0, most) do list[i] = PIECES[random(#PIECES)] end
    return table.concat(list)
  end

  local FORGED = { function() return words(6) end,
    function() return core.base64_encode(words(40)) end,
    function() return ("A"):rep(86) .. "==" end,
    function() return { words(3), words(3) } end, function() return nil end }

  local function value(of)
    local kind = random(8)
    if kind > #FORGED then return of end
    return FORGED[kind]()
  end

  -- The same headers in each shape.
  local function shaped(i, given)
    if i % 3 == 0 then return given end
    if i % 3 == 1 then return function(name) return given[name] end end
    local list = {}
    for name, text in pairs(given) do list[#list + 1] = { name, text } end
    return list
  end

  it("raise nothing, and none is taken", function()
    local good = webhooks.headers(BODY)
    for i = 1, 100000 do
      local is_near = i % 50 == 0
      local given = { [SIGNATURE] = value(is_near and good[SIGNATURE] or words(2)),
        [TIMESTAMP] = value(good[TIMESTAMP]), [words(1)] = words(2) }
      local event, why = webhook.verify(is_near and BODY .. " " or words(8), shaped(i, given), KEY,
        { now = NOW })
      if event or type(why) ~= "string" then error(i .. ": " .. tostring(why)) end
    end
  end)
end)
