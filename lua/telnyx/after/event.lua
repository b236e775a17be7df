--- What a webhook says. The service may send what it never sent before: whatever the JSON is, what
--- can be read of it is read, and the rest is left in `raw`.

local json = require("cjson.safe").new()
local moments = require("telnyx.moments")
local reference = require("telnyx.send.reference")
local status = require("telnyx.after.status")
local tables = require("telnyx.tables")

json.decode_invalid_numbers(false)

local event = {}

-- What was decoded ----------------------------------------------------------------------------

-- As deep as lua-cjson goes; what goes round is deeper.
local MOST_LEVELS = 1000

local KEPT = { string = true, boolean = true }

local function is_number(value)
  return type(value) == "number" and value == value and math.abs(value) < math.huge
end

-- A copy of what JSON can carry. A null is absent, and leaves no gap in a list.
local function plain(value, level)
  if KEPT[type(value)] or is_number(value) then return value end
  if type(value) ~= "table" then return nil end
  if level > MOST_LEVELS then error("too deep", 0) end
  local copy, n = {}, #value
  for i = 1, n do copy[#copy + 1] = plain(value[i], level + 1) end
  for key, item in next, value do
    if type(key) == "string" then copy[key] = plain(item, level + 1) end
  end
  return copy
end

local NOT_AN_OBJECT = "the body is JSON, but not an object"

local function decode(text)
  -- lua-cjson stops at a NUL as if the text ended there.
  if text:find("\0", 1, true) then return nil, "the body is not JSON: there is a NUL in it" end
  local value, why = json.decode(text)
  if value == nil then return nil, "the body is not JSON: " .. tostring(why) end
  if not text:find("^%s*{") then return nil, NOT_AN_OBJECT end
  return value
end

local function object_of(body)
  local value, why = body, nil
  if type(body) == "string" then value, why = decode(body) end
  if not value then return nil, why end
  local is_sound, copy = pcall(plain, value, 1)
  if not is_sound then return nil, "the body is nested too deep" end
  return tables.whole_numbers(copy)
end

-- Its parts -------------------------------------------------------------------------------------

local function table_of(value) return type(value) == "table" and value or {} end

local function text_of(value)
  if type(value) == "string" and value ~= "" then return value end
  return nil
end

-- An id is text, but who knows: a whole number will do.
local function id_of(value)
  if type(value) == "number" and value % 1 == 0 then return ("%.0f"):format(value) end
  return text_of(value)
end

local function moment_of(value) return type(value) == "string" and moments.parse(value) or nil end

local function count_of(value)
  return type(value) == "number" and value % 1 == 0 and value or nil
end

local KIND = { ["message.sent"] = "sent", ["message.finalized"] = "finalized",
  ["message.received"] = "received", link_clicked = "link_clicked" }

-- A click on a link has no event_type.
local function kind_of(data)
  local word = text_of(data.event_type)
  if not word and data.record_type == "link_clicked" then return "link_clicked" end
  return word and KIND[word] or "other"
end

local DIRECTION = { outbound = "outbound", inbound = "inbound" }

local DIRECTION_OF_KIND = { sent = "outbound", finalized = "outbound", received = "inbound",
  link_clicked = "outbound" }

local function direction_of(kind, message)
  local word = text_of(message.direction)
  return word and DIRECTION[word:lower()] or DIRECTION_OF_KIND[kind]
end

-- The first URL that has a reference of ours.
local function reference_of(message, meta)
  for _, url in ipairs { message.webhook_url or false, meta.delivered_to or false,
    message.webhook_failover_url or false } do
    local key, claim = reference.read(url)
    if key then return key, claim end
  end
end

local function status_of(kind, direction, message)
  if direction == "inbound" then return "received" end
  local list = status.addressees(message.to)
  for _, one in ipairs(list) do one.rank = status.rank(one.status, kind == "finalized") end
  return (status.whole(list))
end

-- Wishes ----------------------------------------------------------------------------------------

-- The service's name for what it did, and the words by which it does it.
local WISH_OF_RESPONSE = { STOP = "stop", OPT_OUT = "stop", OPTOUT = "stop", START = "start",
  UNSTOP = "start", OPT_IN = "start", OPTIN = "start", HELP = "help", INFO = "help" }

local WISH_OF_WORD = { STOP = "stop", STOPALL = "stop", ["STOP ALL"] = "stop",
  UNSUBSCRIBE = "stop", CANCEL = "stop", END = "stop", QUIT = "stop", START = "start",
  UNSTOP = "start", HELP = "help" }

local function optout_of(message)
  local response, text = text_of(message.autoresponse_type), text_of(message.text)
  local wish = response and WISH_OF_RESPONSE[response:upper():gsub("[%s-]+", "_")]
  if wish or not text then return wish or nil end
  local word = text:match("^%s*(%S.*)$")
  return word and WISH_OF_WORD[word:match("^.*%S"):upper()]
end

---Reads the body of a webhook. It does not tell whether it is the service's: see `verify`.
---@param body string|table JSON, or what it was decoded to, which is not changed
---@return telnyx.event|nil
---@return string|nil why
function event.parse(body)
  if type(body) ~= "string" and type(body) ~= "table" then
    error("parse expects a body, as a string or decoded; got a " .. type(body), 2)
  end
  local raw, why = object_of(body)
  if not raw then return nil, why end
  local data, meta = table_of(raw.data), table_of(raw.meta)
  local payload = type(data.payload) == "table" and data.payload or nil
  local message, kind = payload or {}, kind_of(data)
  local direction = direction_of(kind, message)
  local key, claim = reference_of(message, meta)
  return {
    id = id_of(data.id), type = text_of(data.event_type), kind = kind, direction = direction,
    message_id = id_of(message.id) or id_of(data.message_id), key = key, claim = claim,
    status = status_of(kind, direction, message),
    at = moment_of(data.occurred_at) or moment_of(data.time_clicked),
    attempt = count_of(meta.attempt), delivered_to = text_of(meta.delivered_to),
    message = payload, optout = kind == "received" and optout_of(message) or nil, raw = raw,
  }
end

return event
