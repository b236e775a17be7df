--- A row as bytes of one length, which can be written over itself where there is no room for more.
--- What does not fit is cut where it is for people, and otherwise left out or refused; of results
--- there is an error's code alone, and of events no body.

local record = {}

-- A field, its bytes, and what becomes of text that is longer.
local SEND = {
  { "state", 8 }, { "claim", 64, "refuse" }, { "digest", 64, "refuse" }, { "to", 24, "cut" },
  { "owner", 40, "cut" }, { "message_id", 48, "drop" }, { "settled_by", 24, "cut" },
  { "code", 8, "drop" }, { "status", 10, is_number = true }, { "tries", 10, is_number = true },
  { "claimed_at", 16, is_number = true }, { "expires", 16, is_number = true },
  { "settled_at", 16, is_number = true }, { "created_at", 16, is_number = true },
}

-- Of these, a row that is found by less would be lost to who looks for it.
local EVENT = {
  { "message_id", 64, "refuse" }, { "key", 255 }, { "at", 16, is_number = true },
  { "received_at", 16, is_number = true }, { "handled_at", 16, is_number = true },
}

local OPTOUT = {
  { "profile", 64, "refuse" }, { "own", 64, "refuse" }, { "keyword", 24, "cut" },
  { "is_out", 1, is_flag = true }, { "at", 16, is_number = true },
  { "known_at", 16, is_number = true },
}

local PROFILE = { { "profile", 64, "refuse" } }

-- Up to so many bytes, and no part of a character.
local function cut(text, n)
  while n > 0 and text:byte(n + 1) >= 128 and text:byte(n + 1) < 192 do n = n - 1 end
  return text:sub(1, n)
end

-- As it fits; nil: left out; or nil, why.
local function fitted(field, name, value)
  if not field or type(value) ~= "string" or #value <= field[2] then return value end
  if field[3] == "cut" then return cut(value, field[2]) end
  if field[3] == "drop" then return nil end
  return nil, ("'%s' has more than the %d bytes that a shared journal keeps"):format(name, field[2])
end

local function padded(text, n) return text .. ("\0"):rep(n - #text) end

local function written(value)
  if type(value) == "number" then return ("%.0f"):format(value) end
  if type(value) == "boolean" then return value and "1" or "" end
  return value or ""
end

local function told(field, text)
  if text == "" then return nil end
  if field.is_flag then return true end
  return field.is_number and tonumber(text) or text
end

---@class telnyx.journal_record
---@field fields table[]
---@field by_name table<string, table>
---@field length integer
---@field id string the field that the bytes have not, since they are found by it
local Record = {}
Record.__index = Record

---What a method is asked, as a record can keep it; or nil, why.
---@param given table
---@return table|nil
---@return string|nil why
function Record:fit(given)
  local own = {}
  for name, value in pairs(given) do
    local why
    own[name], why = fitted(self.by_name[name], name, value)
    if why then return nil, why end
  end
  own.result, own.body = nil, nil
  return own
end

---@param row table that fits
---@return string
function Record:write(row)
  local parts = {}
  for i, field in ipairs(self.fields) do parts[i] = padded(written(row[field[1]]), field[2]) end
  return table.concat(parts)
end

---@param bytes any what a dictionary holds
---@param id string
---@return table|nil row nil: it is no record
function Record:read(bytes, id)
  if type(bytes) ~= "string" or #bytes ~= self.length then return nil end
  local row, at = { [self.id] = id }, 1
  for _, field in ipairs(self.fields) do
    local value = bytes:sub(at, at + field[2] - 1)
    value = value:sub(1, (value:find("\0", 1, true) or #value + 1) - 1)
    row[field[1]] = told(field, value)
    at = at + field[2]
  end
  return row
end

local function new(id, fields)
  local own = setmetatable({ id = id, fields = fields, by_name = {}, length = 0 }, Record)
  for _, field in ipairs(fields) do
    own.length = own.length + field[2]
    own.by_name[field[1]] = field
  end
  return own
end

record.send = new("key", SEND)
record.send.by_name.by = record.send.by_name.settled_by
record.event = new("id", EVENT)
record.optout = new("number", OPTOUT)
record.profile = new("own", PROFILE)

return record
