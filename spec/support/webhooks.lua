-- Webhooks as the service would send them, signed with a key of this spec's own.

local cjson = require("cjson")
local core = require("telnyx.core")
local process = require("spec.support.process")

local webhooks = { SEED = ("telnyx webhooks "):rep(2), NOW = 1793528262 }

webhooks.KEY = core.ed25519_public_key(webhooks.SEED)
webhooks.KEY_BASE64 = core.base64_encode(webhooks.KEY)

local SPKI = "\48\42\48\5\6\3\43\101\112\3\33\0"

---@param key string 32 bytes
---@return string PEM
function webhooks.pem(key)
  return ("-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n"):format(
    core.base64_encode(SPKI .. key))
end

---@param body string
---@param timestamp string|nil default: NOW
---@param seed string|nil of another key
---@return table<string, string> headers
function webhooks.headers(body, timestamp, seed)
  timestamp = timestamp or tostring(webhooks.NOW)
  local signature = core.ed25519_sign(seed or webhooks.SEED, timestamp .. "|" .. body)
  return { ["telnyx-timestamp"] = timestamp,
    ["telnyx-signature-ed25519"] = core.base64_encode(signature),
    ["content-type"] = "application/json", ["user-agent"] = "telnyx-webhooks" }
end

-- The reference code of RFC 8032 §6, which shares nothing with libcrypto.
local SIGNER = [[
import hashlib, sys
p = 2**255 - 19
q = 2**252 + 27742317777372353535851937790883648493
d = -121665 * pow(121666, p - 2, p) % p
X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
Y = 4 * pow(5, p - 2, p) % p
def add(P, Q):
    A, B = (P[1] - P[0]) * (Q[1] - Q[0]) % p, (P[1] + P[0]) * (Q[1] + Q[0]) % p
    C, D = 2 * P[3] * Q[3] * d % p, 2 * P[2] * Q[2] % p
    E, F, G, H = B - A, D - C, D + C, B + A
    return (E * F % p, G * H % p, F * G % p, E * H % p)
def times(n, P):
    Q = (0, 1, 1, 0)
    while n:
        if n & 1: Q = add(Q, P)
        P, n = add(P, P), n >> 1
    return Q
def packed(P):
    z = pow(P[2], p - 2, p)
    return ((P[1] * z % p) | ((P[0] * z % p & 1) << 255)).to_bytes(32, "little")
def number(data): return int.from_bytes(hashlib.sha512(data).digest(), "little")
G = (X, Y, 1, X * Y % p)
lines = sys.stdin.read().split()
h = hashlib.sha512(bytes.fromhex(lines[0])).digest()
a = int.from_bytes(h[:32], "little") & ((1 << 254) - 8) | (1 << 254)
A = packed(times(a, G))
print(A.hex())
for line in lines[1:]:
    text = bytes.fromhex(line)
    r = number(h[32:] + text) % q
    R = packed(times(r, G))
    print((R + ((r + number(R + A + text) * a) % q).to_bytes(32, "little")).hex())
]]

local function hex_of(bytes)
  return (bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

local function bytes_of(hex)
  return (hex:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end))
end

webhooks.bytes_of = bytes_of

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

---Signatures by another implementation than the library's.
---@param texts string[]
---@return string key 32 bytes
---@return string[] signatures
function webhooks.signed_elsewhere(texts)
  local script, input = os.tmpname(), os.tmpname()
  local lines = { hex_of(webhooks.SEED) }
  for _, text in ipairs(texts) do lines[#lines + 1] = hex_of(text) end
  write(script, SIGNER)
  write(input, table.concat(lines, "\n") .. "\n")
  local told = process.run(("python3 %s <%s"):format(script, input))
  os.remove(script)
  os.remove(input)
  local list = {}
  for hex in told:gmatch("%x+") do list[#list + 1] = bytes_of(hex) end
  assert(#list == #texts + 1, told)
  return table.remove(list, 1), list
end

local function stamp(at)
  local seconds = math.floor(at)
  return os.date("!%Y-%m-%dT%H:%M:%S", seconds)
    .. (".%03d+00:00"):format(math.floor((at - seconds) * 1000 + 0.5))
end

---An event as the service tells it; what `given` does not say is that of a message that was sent.
---@param given { id: string, type: string, at: number, to: any, message: table|nil,
---meta: table|nil }
---@return table
function webhooks.event(given)
  local to = given.to
  if type(to) == "string" then
    to = { { phone_number = "+18665550001", status = to, carrier = "", line_type = "Wireless" } }
  end
  local payload = {
    record_type = "message", id = "m-1", type = "SMS", direction = "outbound", to = to,
    from = { phone_number = "+18445550001", carrier = "Telnyx", line_type = "Wireless" },
    cc = {}, media = {}, tags = {}, errors = {}, text = "Hello!", encoding = "GSM-7", parts = 1,
    cost = cjson.null, subject = cjson.null, valid_until = cjson.null, webhook_failover_url = "",
    webhook_url = "https://app.example/hooks",
  }
  for name, value in pairs(given.message or {}) do payload[name] = value end
  return {
    data = { record_type = "event", event_type = given.type, id = given.id,
      occurred_at = given.at and stamp(given.at), payload = payload },
    meta = given.meta or { attempt = 1, delivered_to = "https://app.example/hooks" },
  }
end

return webhooks
