-- Ed25519 and Base64 as the core has them, by the vectors of RFC 8032 §7.1 and RFC 4648 §10.

local core = require("telnyx.core")

local function bytes_of(hex)
  return (hex:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end))
end

local VECTORS = {
  { "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
    .. "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b" },
  { "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    .. "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00" },
  { "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
    .. "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a" },
}

describe("Ed25519", function()
  for i, vector in ipairs(VECTORS) do
    local seed, key, text, signature = bytes_of(vector[1]), bytes_of(vector[2]),
      bytes_of(vector[3]), bytes_of(vector[4])

    it("is that of RFC 8032, test " .. i, function()
      assert.equal(key, core.ed25519_public_key(seed))
      assert.equal(signature, core.ed25519_sign(seed, text))
      assert.is_true(core.ed25519_verify(key, signature, text))
    end)

    it("refuses each bit that was changed, test " .. i, function()
      local function with_bit(bytes, at, bit)
        local byte = bytes:byte(at)
        local has_bit = math.floor(byte / 2 ^ bit) % 2 == 1
        return bytes:sub(1, at - 1) .. string.char(byte + (has_bit and -1 or 1) * 2 ^ bit)
          .. bytes:sub(at + 1)
      end
      for bit = 0, 7 do
        for at = 1, 64 do
          assert.is_false(core.ed25519_verify(key, with_bit(signature, at, bit), text))
        end
        for at = 1, 32 do
          assert.is_false(core.ed25519_verify(with_bit(key, at, bit), signature, text))
        end
        for at = 1, #text do
          assert.is_false(core.ed25519_verify(key, signature, with_bit(text, at, bit)))
        end
      end
      assert.is_false(core.ed25519_verify(key, signature, text .. "\0"))
    end)
  end

  -- RFC 8032 §5.1.7: S is below the order of the group, or each signature would have a second form.
  it("refuses a signature whose S has the order of the group added", function()
    local order = bytes_of("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
    local key, signature = bytes_of(VECTORS[2][2]), bytes_of(VECTORS[2][4])
    local sum, carry = {}, 0
    for i = 1, 32 do
      local total = signature:byte(32 + i) + order:byte(i) + carry
      sum[i], carry = string.char(total % 256), math.floor(total / 256)
    end
    assert.is_false(core.ed25519_verify(key, signature:sub(1, 32) .. table.concat(sum), "r"))
    assert.is_true(core.ed25519_verify(key, signature, "r"))
  end)

  it("takes only keys and signatures of their length, and strings", function()
    local key, signature = bytes_of(VECTORS[1][2]), bytes_of(VECTORS[1][4])
    assert.error_matches(function() core.ed25519_verify(key .. "x", signature, "") end, "32 bytes")
    assert.error_matches(function() core.ed25519_verify(key, signature .. "x", "") end, "64 bytes")
    assert.error_matches(function() core.ed25519_verify(key, signature, 1) end, "string expected")
    assert.error_matches(function() core.ed25519_sign("short", "") end, "32 bytes")
    assert.error_matches(function() core.ed25519_public_key(nil) end, "string expected")
  end)
end)

describe("Base64", function()
  local PAIRS = { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==",
    fooba = "Zm9vYmE=", foobar = "Zm9vYmFy", ["\255\254\253"] = "//79", ["\251\239"] = "++8=" }

  it("is that of RFC 4648", function()
    for bytes, text in pairs(PAIRS) do
      assert.equal(text, core.base64_encode(bytes))
      assert.equal(bytes, core.base64_decode(text))
    end
  end)

  it("comes back, whatever the bytes", function()
    for n = 0, 200 do
      local bytes = {}
      for i = 1, n do bytes[i] = string.char(math.random(0, 255)) end
      bytes = table.concat(bytes)
      assert.equal(bytes, core.base64_decode(core.base64_encode(bytes)))
    end
  end)

  it("is read strictly", function()
    for _, text in ipairs { "Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zg==Zg==", "Zh==", "Zm9=",
      "Zm9v\n", " Zm9v", "Zm-_", "Zm9v=", "Zm\0v", "Z=9v", "=m9v" } do
      assert.is_nil(core.base64_decode(text), text)
    end
  end)

  it("refuses each byte that is no digit", function()
    local n = 0
    for byte = 0, 255 do
      if core.base64_decode("AA" .. string.char(byte) .. "A") then n = n + 1 end
    end
    assert.equal(64, n)
  end)
end)
