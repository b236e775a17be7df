--- The key under which a program sent a message, wherever it says so.

local decode_base64 = require("telnyx.sandbox.base64")
local utf8 = require("telnyx.sandbox.utf8")

local CLAIM_DIGITS = 32

-- A query's telnyx_ref: a claim in hexadecimal digits, and right behind it the key.
local function in_url(url)
  local query = type(url) == "string" and url:match("^[^#?]*%?([^#]*)")
  local text = query and ("&" .. query .. "&"):match(".*&telnyx_ref=([%w_-]+)&")
  local claim = text and text:sub(1, CLAIM_DIGITS)
  if not claim or not claim:find("^[0-9a-f]+$") or #claim < CLAIM_DIGITS then return nil end
  local key = decode_base64(text:sub(CLAIM_DIGITS + 1))
  return key ~= "" and key or nil
end

---@param request telnyx.sandbox.request
---@param fields table what it asks for
---@return string|nil key valid UTF-8; bad bytes are shown percent-encoded
return function(request, fields)
  local key = request.key or request.headers["idempotency-key"] or in_url(fields.webhook_url)
  return key and utf8.escape(key) or nil
end
