--- The key pair of an account, and the headers that a webhook is signed with, good or bad.

local random_bytes = require("telnyx.sandbox.random")

local Signer = {}
Signer.__index = Signer

-- What stands before the 32 bytes in a SubjectPublicKeyInfo.
local SPKI = "\48\42\48\5\6\3\43\101\112\3\33\0"

---@param seed string|nil 32 bytes; nil: random ones, when they are first needed
---@return table signer
function Signer.new(seed)
  return setmetatable({ seed = seed, core = require("telnyx.core") }, Signer)
end

local function public_bytes(self)
  self.seed = self.seed or random_bytes(32)
  self.public = self.public or self.core.ed25519_public_key(self.seed)
  return self.public
end

---@return string 44 characters of Base64, as the portal shows it
function Signer:public_key()
  return self.core.base64_encode(public_bytes(self))
end

---@return string
function Signer:pem()
  return ("-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n")
    :format(self.core.base64_encode(SPKI .. public_bytes(self)))
end

local function flip(byte)
  return byte % 2 == 0 and byte + 1 or byte - 1
end

-- Each takes away what makes the headers or the body good.
local spoil = {}

function spoil.good() end

function spoil.wrong_key(headers, signed, core)
  headers["telnyx-signature-ed25519"] =
    core.base64_encode(core.ed25519_sign(random_bytes(32), signed))
end

function spoil.flipped_bit(headers, _, core)
  local bytes = core.base64_decode(headers["telnyx-signature-ed25519"])
  headers["telnyx-signature-ed25519"] =
    core.base64_encode(string.char(flip(bytes:byte(1))) .. bytes:sub(2))
end

function spoil.missing(headers)
  headers["telnyx-signature-ed25519"] = nil
end

function spoil.no_timestamp(headers)
  headers["telnyx-timestamp"] = nil
end

function spoil.url_safe(headers)
  headers["telnyx-signature-ed25519"] = headers["telnyx-signature-ed25519"]
    :gsub("+", "-"):gsub("/", "_"):gsub("=", "")
end

---A body that is not the one that was signed. To a reader of JSON it is still the same.
---@param body string
---@return string
function Signer.altered(body)
  return (body:gsub("^{", "{ "))
end

function spoil.altered_body(_, _, _, body)
  return Signer.altered(body)
end

---@param body string
---@param now number
---@param kind string what is wrong with it, or "good"
---@return table<string, string> headers
---@return string body as it goes out
function Signer:sign(body, now, kind)
  public_bytes(self)
  local timestamp = ("%d"):format(math.floor(now))
  local signed = timestamp .. "|" .. body
  local headers = {
    ["content-type"] = "application/json",
    ["user-agent"] = "telnyx-webhooks",
    ["telnyx-timestamp"] = timestamp,
    ["telnyx-signature-ed25519"] =
      self.core.base64_encode(self.core.ed25519_sign(self.seed, signed)),
  }
  return headers, spoil[kind](headers, signed, self.core, body) or body
end

return Signer
