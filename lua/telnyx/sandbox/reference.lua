--- The name under which the ledger counts a message: short, and valid UTF-8.

local utf8 = require("telnyx.sandbox.utf8")

-- A longer name is cut here and told apart by its length and a checksum.
local LONGEST = 200

local MODULUS = 2147483647

-- Two polynomials, so that texts that differ in a few digits do not meet. Every
-- product is exact as a double.
local function checksum(text)
  local one, other = 1, 1
  for i = 1, #text do
    local byte = text:byte(i)
    one = (one * 1000003 + byte) % MODULUS
    other = (other * 69621 + byte) % MODULUS
  end
  return ("%08x%08x"):format(one, other)
end

local function shorten(text)
  if #text <= LONGEST then return text end
  return ("%s... (%d bytes, %s)"):format(utf8.cut(text, LONGEST), #text, checksum(text))
end

local function percent_decode(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

local function name_of(fields)
  local url, media = fields.webhook_url, fields.media_urls
  local ref = type(url) == "string" and url:match("[?&]ref=([^&#]*)")
  if ref then return utf8.escape(percent_decode(ref)) end
  if type(fields.text) == "string" then return fields.text end
  local first = type(media) == "table" and media[1]
  return type(first) == "string" and first or ""
end

---`ref=` in the query of the message's webhook_url, else its text, else its first
-- media URL. More than 200 bytes are shortened to
-- `<the first 200 bytes>... (<length> bytes, <checksum>)`.
---@param fields table the decoded request
---@return string
return function(fields)
  return shorten(name_of(fields))
end
