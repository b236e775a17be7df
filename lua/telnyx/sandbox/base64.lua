--- Base64 as RFC 4648 §4 and §5 have it, read without asking for padding.

local VALUES = {}
for place, character in ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
  :gmatch("()(.)") do
  VALUES[character] = place - 1
end
VALUES["-"], VALUES["_"] = VALUES["+"], VALUES["/"]

-- Four characters are three bytes; of two or three, one byte or two.
local function bytes_of(group)
  local sum = 0
  for i = 1, 4 do sum = sum * 64 + (VALUES[group:sub(i, i)] or 0) end
  local first, rest = math.floor(sum / 65536), sum % 65536
  return string.char(first, math.floor(rest / 256), rest % 256):sub(1, #group - 1)
end

---@param text string
---@return string|nil bytes nil when it is no Base64
return function(text)
  local digits = text:gsub("=?=?$", "")
  if digits:find("[^%w+/_-]") or #digits % 4 == 1 then return nil end
  return (digits:gsub("..?.?.?", bytes_of))
end
