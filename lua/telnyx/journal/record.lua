--- A row as bytes of one length, which can be written over itself where there is no room for more.
--- What does not fit is cut where it is for people, and otherwise left out; of results there is an
--- error's code alone.

local record = {}

-- A field, its bytes, and what becomes of text that is longer.
local FIELDS = {
  { "state", 8 }, { "claim", 64, "refuse" }, { "digest", 64, "refuse" }, { "to", 24, "cut" },
  { "owner", 40, "cut" }, { "message_id", 48, "drop" }, { "settled_by", 24, "cut" },
  { "code", 8, "drop" }, { "status", 10, is_number = true }, { "tries", 10, is_number = true },
  { "claimed_at", 16, is_number = true }, { "expires", 16, is_number = true },
  { "settled_at", 16, is_number = true }, { "created_at", 16, is_number = true },
}

local LENGTH, by_name = 0, {}
for _, field in ipairs(FIELDS) do
  LENGTH = LENGTH + field[2]
  by_name[field[1]] = field
end
by_name.by = by_name.settled_by

-- Up to so many bytes, and no part of a character.
local function cut(text, n)
  while n > 0 and text:byte(n + 1) >= 128 and text:byte(n + 1) < 192 do n = n - 1 end
  return text:sub(1, n)
end

-- As it fits; nil: left out; or nil, why.
local function fitted(name, text)
  local field = by_name[name]
  if not field or field.is_number or #text <= field[2] then return text end
  if field[3] == "cut" then return cut(text, field[2]) end
  if field[3] == "drop" then return nil end
  return nil, ("'%s' has more than the %d bytes that a shared journal keeps"):format(name, field[2])
end

---What a method is asked, as a record can keep it; or nil, why.
---@param given table
---@return table|nil
---@return string|nil why
function record.fit(given)
  local own = {}
  for name, value in pairs(given) do
    local why
    own[name], why = fitted(name, value)
    if why then return nil, why end
  end
  own.result = nil
  return own
end

local function padded(text, n) return text .. ("\0"):rep(n - #text) end

---@param row table that fits
---@return string
function record.write(row)
  local parts = {}
  for i, field in ipairs(FIELDS) do
    local value = row[field[1]] or ""
    if type(value) == "number" then value = ("%.0f"):format(value) end
    parts[i] = padded(value, field[2])
  end
  return table.concat(parts)
end

---@param bytes any what a dictionary holds
---@param key string
---@return table|nil row nil: it is no record
function record.read(bytes, key)
  if type(bytes) ~= "string" or #bytes ~= LENGTH then return nil end
  local row, at = { key = key }, 1
  for _, field in ipairs(FIELDS) do
    local value = bytes:sub(at, at + field[2] - 1)
    value = value:sub(1, (value:find("\0", 1, true) or #value + 1) - 1)
    if value ~= "" then row[field[1]] = field.is_number and tonumber(value) or value end
    at = at + field[2]
  end
  return row
end

return record
