--- What a message will cost, before it is sent: its segments, and the caller's
--- own limits on them.

local core = require("telnyx.core")
local errors = require("telnyx.errors")
local tables = require("telnyx.tables")

local cost = {}

local MAX_PARTS = 10

---@param message table
---@return boolean
local function is_sms(message)
  if message.type ~= nil then return message.type == "SMS" end
  return message.media_urls == nil and message.subject == nil
end

---The analysis of an SMS; nil for an MMS, and for what validation will refuse.
---@param message table
---@return telnyx.segments|nil
function cost.segments(message)
  local encoding = message.encoding
  if type(message.text) ~= "string" or not is_sms(message) then return nil end
  if encoding ~= nil and encoding ~= "auto" and encoding ~= "gsm7" and encoding ~= "ucs2" then
    return nil
  end
  return (core.segments(message.text, encoding and { encoding = encoding }))
end

local function refusal(code, detail, segments)
  local err = errors.invalid({ code = code, pointer = "/text", detail = detail })
  err.segments = segments
  return err
end

local function ucs2_refusal(segments)
  local culprit = segments.forced_by
  local why = culprit and ("'%s' (U+%04X) at byte %d is not in GSM-7"):format(
    culprit.character, culprit.codepoint, culprit.byte) or "encoding = \"ucs2\" asks for it"
  return refusal("10015", "the text would be sent as UCS-2, in " .. segments.parts
    .. " part(s), and on_ucs2 = \"refuse\": " .. why, segments)
end

-- With the service's substitutions, where they bring the text back to GSM-7.
local function substituted(message, segments)
  local text, n_replaced = core.smart_encode(message.text)
  local after = core.segments(text)
  if after.encoding ~= "GSM-7" or after.units == 0 then return message, segments end
  local copy = tables.merge(message, { text = text })
  after.replaced = n_replaced
  return copy, after
end

---The message as `on_ucs2 = "smart"` would have it.
---@param message table
---@return table|nil nil where that is nothing else
function cost.substituted(message)
  local segments = cost.segments(message)
  if not segments or segments.encoding ~= "UCS-2" then return nil end
  local other = substituted(message, segments)
  return other ~= message and other or nil
end

---Applies `max_parts` and `on_ucs2`.
---@param message table
---@param call { max_parts: integer|nil, on_ucs2: string|nil }
---@return table|nil message as it should be sent; nil when it should not
---@return telnyx.segments|telnyx.error|nil segments or why not
function cost.apply(message, call)
  local segments = cost.segments(message)
  if not segments then return message, nil end
  if segments.encoding == "UCS-2" then
    if call.on_ucs2 == "refuse" then return nil, ucs2_refusal(segments) end
    if call.on_ucs2 == "smart" and message.encoding ~= "ucs2" then
      message, segments = substituted(message, segments)
    end
  end
  if call.max_parts and segments.parts > call.max_parts then
    local detail = "the text makes %d parts as %s; max_parts allows %d"
    local err = refusal("40328",
      detail:format(segments.parts, segments.encoding, call.max_parts), segments)
    err.advice = "Shorten the text, or raise max_parts."
    return nil, err
  end
  return message, segments
end

---What is worth telling of an accepted SMS: the service may count otherwise where
---only the exact count is over its limit.
---@param segments telnyx.segments
---@return { code: string, title: string, detail: string }[]|nil
function cost.warnings(segments)
  if segments.parts <= MAX_PARTS then return nil end
  local detail = "the text makes %d parts when no character is split, %d by the service's own"
    .. " sum; its limit is %d"
  return { {
    code = "40302",
    title = errors.catalogue["40302"].title,
    detail = detail:format(segments.parts, segments.formula_parts, MAX_PARTS),
  } }
end

---How far the service's own count is from ours; nil when they agree or it gave none.
---@param segments telnyx.segments
---@param parts any the service's
---@return integer|nil
function cost.drift(segments, parts)
  if parts == segments.parts or type(parts) ~= "number" then return nil end
  return parts - segments.parts
end

return cost
