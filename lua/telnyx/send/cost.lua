--- What a message will cost, before it is sent: its segments, and the caller's
--- own limits on them.

local core = require("telnyx.core")
local errors = require("telnyx.errors")
local rules = require("telnyx.rules")
local tables = require("telnyx.tables")

local byte = string.byte

local cost = {}

---@param message table
---@return boolean
local function is_sms(message)
  if message.type ~= nil then return message.type == "SMS" end
  return message.media_urls == nil and message.subject == nil
end

local PLUS = ("+"):byte()

-- What a text is counted by. Most need nothing said.
local function options_of(from, encoding)
  local is_short = type(from) == "string" and core.sender_kind(from) == "short_code"
  if not encoding and not is_short then return nil end
  return { encoding = encoding, from = is_short and from or nil }
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
  local from = message.from
  if not encoding and type(from) == "string" and byte(from) == PLUS then
    return (core.segments(message.text))
  end
  return (core.segments(message.text, options_of(from, encoding)))
end

local function of_ucs2(segments)
  local culprit = segments.forced_by
  local why = culprit and ("'%s' (U+%04X) at byte %d is not in GSM-7"):format(
    culprit.character, culprit.codepoint, culprit.byte) or "encoding = \"ucs2\" asks for it"
  return rules.violation("on_ucs2", ("the text would be sent as UCS-2, in %d %s, and on_ucs2 ="
    .. " \"refuse\": %s"):format(segments.parts, segments.parts == 1 and "part" or "parts", why),
    "/text")
end

local function of_parts(segments, most)
  return rules.violation("max_parts", ("the text makes %d parts as %s; max_parts allows %d")
    :format(segments.parts, segments.encoding, most), "/text")
end

-- All that it costs too much for.
local function refusal(segments, call)
  local is_ucs2 = call.on_ucs2 == "refuse" and segments.encoding == "UCS-2"
  local is_long = call.max_parts and segments.parts > call.max_parts
  if not is_ucs2 and not is_long then return nil end
  local violations = { is_ucs2 and of_ucs2(segments) or of_parts(segments, call.max_parts) }
  if is_ucs2 and is_long then violations[2] = of_parts(segments, call.max_parts) end
  local err = errors.invalid(violations)
  err.segments = segments
  return err
end

-- With the service's substitutions, where they bring the text back to GSM-7.
local function substituted(message, segments)
  local text, n_replaced = core.smart_encode(message.text)
  local after = core.segments(text, options_of(message.from))
  if after.encoding == "UCS-2" or after.units == 0 then return message, segments end
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
  local may_substitute = call.on_ucs2 == "smart" and message.encoding ~= "ucs2"
  if may_substitute and segments.encoding == "UCS-2" then
    message, segments = substituted(message, segments)
  end
  local err = refusal(segments, call)
  if err then return nil, err end
  return message, segments
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
