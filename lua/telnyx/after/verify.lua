--- Whether a webhook is the service's own: its body and the time of its sending are signed with
--- Ed25519, and whoever knows the account's public key can tell. Whatever is missing, here or in
--- the request, nothing is accepted.

local event = require("telnyx.after.event")

local verify = {}

local SIGNATURE, TIMESTAMP = "telnyx-signature-ed25519", "telnyx-timestamp"
local IS_OURS = { [SIGNATURE] = true, [TIMESTAMP] = true }

local KEY_BYTES, SIGNATURE_BYTES = 32, 64

-- Options -------------------------------------------------------------------------------------

local TOLERANCE_S = 300

local EXPECTED = { tolerance = "a number of seconds from 0 up", now = "seconds since 1970" }

local function is_option(name, value)
  if type(value) ~= "number" or value ~= value then return false end
  return name == "now" or value >= 0
end

local function check_options(given, level)
  if type(given) ~= "table" then
    error("verify expects options in a table, got a " .. type(given), level + 1)
  end
  for name, value in pairs(given) do
    if not EXPECTED[name] then
      error(("verify knows no option '%s', only: tolerance, now"):format(tostring(name)), level + 1)
    end
    if not is_option(name, value) then
      error(("verify expects %s for '%s'"):format(EXPECTED[name], name), level + 1)
    end
  end
end

-- Headers -------------------------------------------------------------------------------------

local SHAPES = "a table of names, a list of { name, value }, or a function of the name"

local function misuse(what, level)
  error(("verify expects headers as %s; got %s"):format(SHAPES, what), level + 1)
end

-- One value, or a list of them, as a server has them of a header that came several times.
local function add(values, value)
  if type(value) ~= "table" then
    values[#values + 1] = value
    return
  end
  for _, one in ipairs(value) do values[#values + 1] = one end
end

-- Servers write names in any case.
local function add_named(found, name, value)
  name = name:lower()
  if IS_OURS[name] then add(found[name], value) end
end

local function is_pair(entry) return type(entry) == "table" and type(entry[1]) == "string" end

local function from_table(headers, found, level)
  for name, value in pairs(headers) do
    if type(name) == "string" then
      add_named(found, name, value)
    elseif is_pair(value) then
      add_named(found, value[1], value[2])
    else
      misuse("a list with a " .. type(value) .. " in it", level + 1)
    end
  end
end

-- Some answer a header that came twice with two results.
local function add_each(values, ...)
  for i = 1, select("#", ...) do
    local value = select(i, ...)
    if value ~= nil then add(values, value) end
  end
end

---@return table<string, any[]> found what was said under each of our names
local function read_headers(headers, level)
  local found = { [SIGNATURE] = {}, [TIMESTAMP] = {} }
  if type(headers) == "function" then
    for name, values in pairs(found) do add_each(values, headers(name)) end
  elseif type(headers) == "table" then
    from_table(headers, found, level + 1)
  else
    misuse("a " .. type(headers), level + 1)
  end
  return found
end

-- The one text that a header has.
local function single(found, name)
  local values = found[name]
  if #values == 0 then return nil, ("the header %s is missing"):format(name) end
  for _, value in ipairs(values) do
    if type(value) ~= "string" then
      return nil, ("the header %s is a %s, and not text"):format(name, type(value))
    end
    if value ~= values[1] then
      return nil, ("the header %s was given twice, with two values"):format(name)
    end
  end
  return values[1]
end

-- So many digits are a whole number in every Lua.
local MOST_DIGITS = 15

local function check_timestamp(text)
  if not text:find("^%d+$") then
    return ("the header %s is not plain digits"):format(TIMESTAMP)
  end
  if #text > MOST_DIGITS then
    return ("the header %s has %d digits, more than %d"):format(TIMESTAMP, #text, MOST_DIGITS)
  end
end

local function read_signature(core, text)
  local bytes = core.base64_decode(text)
  if not bytes then
    return nil, ("the header %s is not Base64, with its padding"):format(SIGNATURE)
  end
  if #bytes == SIGNATURE_BYTES then return bytes end
  return nil, ("the header %s has %d bytes, and not %d"):format(SIGNATURE, #bytes,
    SIGNATURE_BYTES)
end

-- The key -------------------------------------------------------------------------------------

-- What stands before the bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410).
local SPKI = "\48\42\48\5\6\3\43\101\112\3\33\0"

local MARK = ("%-"):rep(5)
local PEM = ("^%%s*%sBEGIN PUBLIC KEY%s%%s+(.-)%%s*%sEND PUBLIC KEY%s%%s*$"):format(MARK, MARK,
  MARK, MARK)

local function from_pem(core, text)
  -- An environment's file may have written the ends of lines as two characters.
  local armoured = text:gsub("\\n", "\n"):match(PEM)
  if not armoured then
    return nil, "the public key is PEM, but not from BEGIN PUBLIC KEY to END PUBLIC KEY"
  end
  local bytes = core.base64_decode((armoured:gsub("%s", "")))
  if not bytes then return nil, "the public key is PEM, but there is no Base64 in it" end
  if #bytes ~= #SPKI + KEY_BYTES or bytes:sub(1, #SPKI) ~= SPKI then
    return nil, "the public key is PEM, but of no Ed25519 key"
  end
  return bytes:sub(#SPKI + 1)
end

local function from_base64(core, text)
  local bytes = core.base64_decode((text:gsub("^%s+", ""):gsub("%s+$", "")))
  if not bytes then
    return nil, "the public key is neither Base64 of 32 bytes, nor 32 bytes, nor PEM"
  end
  if #bytes == KEY_BYTES then return bytes end
  return nil, ("the public key has %d bytes, and not %d"):format(#bytes, KEY_BYTES)
end

-- Points of small order, without their signs. For such a key anybody can make signatures; an
-- example's key of nothing but zeros is one.
local WEAK = [[
  0000000000000000000000000000000000000000000000000000000000000000
  0100000000000000000000000000000000000000000000000000000000000000
  26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05
  c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a
  ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
  edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
  eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
]]

local function byte_of(digits) return string.char(tonumber(digits, 16)) end

local is_weak = {}
for hex in WEAK:gmatch("%x+") do is_weak[(hex:gsub("%x%x", byte_of))] = true end

local function without_sign(key)
  return key:sub(1, KEY_BYTES - 1) .. string.char(key:byte(KEY_BYTES) % 128)
end

-- Of 32 bytes that are all letters of Base64, it is a key in Base64 that was cut.
local function is_raw(text) return #text == KEY_BYTES and text:find("[^%w+/=]") ~= nil end

local function read_key(core, given)
  local text = given or os.getenv("TELNYX_PUBLIC_KEY") or ""
  if text == "" then
    return nil, "there is no public key: pass it, or set TELNYX_PUBLIC_KEY"
  end
  local key, why
  if is_raw(text) then
    key = text
  elseif text:find("-----", 1, true) then
    key, why = from_pem(core, text)
  else
    key, why = from_base64(core, text)
  end
  if key and is_weak[without_sign(key)] then
    return nil, "the public key is one for which anybody can sign"
  end
  return key, why
end

-- The judgement ---------------------------------------------------------------------------------

local NO_CRYPTO = "signatures cannot be checked: telnyx.core has no Ed25519 here"

local function load_core()
  local is_there, core = pcall(require, "telnyx.core")
  if not is_there or type(core) ~= "table" or not core.ed25519_verify or not core.base64_decode then
    return nil, NO_CRYPTO
  end
  return core
end

-- RFC 8032, 7.1: a signature of nothing.
local PROBE = {
  key = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
  signature = "5VZDAMNgrHKQhuLMgG6CioSHfx645dl02HPgZSJJAVVfuIIVkKM7rMYeOXAc+bRr0lv18FlbviRlUUFD"
    .. "jnoQCw==",
}

local has_told = false

-- libcrypto says no as well where it cannot say.
local function can_tell(core)
  has_told = has_told or core.ed25519_verify(core.base64_decode(PROBE.key),
    core.base64_decode(PROBE.signature), "")
  return has_told
end

local function check_time(text, now, tolerance_s)
  local age_s = now - tonumber(text)
  if age_s > tolerance_s then
    return ("it was signed %.0f s ago, and %.0f s are allowed"):format(age_s, tolerance_s)
  end
  if -age_s > tolerance_s then
    return ("it was signed %.0f s ahead of this clock, and %.0f s are allowed"):format(-age_s,
      tolerance_s)
  end
end

local function check_signature(core, key, signature, bytes)
  if core.ed25519_verify(key, signature, bytes) then return nil end
  if not can_tell(core) then return NO_CRYPTO, "no_crypto" end
  return "the signature does not match: the body or the timestamp was altered, or it was signed"
    .. " with another key", "mismatch"
end

-- Why it is not the service's, and of which kind that is.
local function fault_of(body, found, public_key, options)
  local core, why = load_core()
  if not core then return why, "no_crypto" end
  local key, timestamp, text, signature
  key, why = read_key(core, public_key)
  if not key then return why, "bad_key" end
  text, why = single(found, SIGNATURE)
  if not text then return why, "bad_header" end
  timestamp, why = single(found, TIMESTAMP)
  why = why or check_timestamp(timestamp)
  if why then return why, "bad_header" end
  signature, why = read_signature(core, text)
  if not signature then return why, "bad_header" end
  why = check_time(timestamp, options.now or os.time(), options.tolerance or TOLERANCE_S)
  if why then return why, "stale" end
  return check_signature(core, key, signature, timestamp .. "|" .. body)
end

---Tells whether a request is a webhook of the service, and what it says. Nothing that somebody on
---the network can send raises; misuse does.
---@param body string the request's, byte by byte as it came
---@param headers table|fun(name: string): any the request's: a table of names in any case, with
---text or lists of it; a list of { name, value }; or a function of a name in small letters
---@param public_key string|nil the account's: Base64 of 32 bytes, the 32 bytes, or PEM. Default:
---the environment's TELNYX_PUBLIC_KEY
---@param options telnyx.verify_options|nil
---@return telnyx.event|nil
---@return string|nil why
---@return "bad_key"|"bad_header"|"stale"|"mismatch"|"bad_body"|"no_crypto"|nil kind of fault
function verify.verify(body, headers, public_key, options)
  if type(body) ~= "string" then
    error("verify expects the body as a string, got a " .. type(body), 2)
  end
  if public_key ~= nil and type(public_key) ~= "string" then
    error("verify expects the public key as a string, got a " .. type(public_key), 2)
  end
  options = options == nil and {} or options
  check_options(options, 2)
  local why, kind = fault_of(body, read_headers(headers, 2), public_key, options)
  if why then return nil, why, kind end
  local told
  told, why = event.parse(body)
  if not told then return nil, why, "bad_body" end
  return told
end

return verify
