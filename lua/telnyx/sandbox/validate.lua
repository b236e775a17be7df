--- The service's own rules for a message. They are written from its
-- documentation and its replies, not from this library's checks: two readings
-- that agree are worth more than one reading used twice.

local addresses = require("telnyx.sandbox.addresses")
local is_url = require("telnyx.sandbox.url")
local schema = require("telnyx.sandbox.schema")
local timestamp = require("telnyx.sandbox.timestamp")

local MAX_MEDIA = 10

local MAX_GROUP = 8

local MINUTE, DAY = 60, 86400
local SOONEST, LATEST, TOLERANCE = 5 * MINUTE, 5 * DAY, MINUTE

local function is_uuid(text)
  local x4 = ("%x"):rep(4)
  local pattern = "^" .. x4 .. x4 .. "%-" .. (x4 .. "%-"):rep(3) .. x4:rep(3) .. "$"
  return text:find(pattern) ~= nil
end

-- One fault is one error: what it might be when it is put right is not judged.
local function is_absent(case, name)
  return case.fields[name] == nil and not case.faulty[name]
end

local function contradicts_itself(fields)
  return fields.type == "SMS" and (fields.media_urls ~= nil or fields.subject ~= nil)
end

-- The mere presence of media_urls, even of an empty array, makes an MMS. Nil when
-- that hangs on a field that is at fault.
local function message_type(case)
  local fields, faulty = case.fields, case.faulty
  if faulty.type or contradicts_itself(fields) then return nil end
  if case.endpoint.type then return case.endpoint.type end
  if fields.type then return fields.type end
  if fields.media_urls or fields.subject then return "MMS" end
  if faulty.media_urls or faulty.subject then return nil end
  return "SMS"
end

local rules = {}

local function is_recipient(to)
  return addresses.is_number(to) or addresses.is_short_code(to, 3, 8)
end

-- What is missing is said once: no rule that would need it says it again.
function rules.required(case, report)
  for _, name in ipairs(case.endpoint.required) do
    if is_absent(case, name) then
      case.faulty[name] = true
      report("10004", "/" .. name, ("The '%s' parameter is required."):format(name))
    end
  end
end

local function check_group(list, report)
  if #list == 0 then return report("10004", "/to", "The 'to' parameter is empty.") end
  if #list > MAX_GROUP then
    report("40310", "/to", ("A group has at most %d members."):format(MAX_GROUP))
  end
  for i, to in ipairs(list) do
    if type(to) ~= "string" or not is_recipient(to) then report("40310", "/to/" .. i - 1) end
  end
end

function rules.to(case, report)
  local to = case.fields.to
  if type(to) == "table" then return check_group(to, report) end
  if is_absent(case, "to") then
    report("10004", "/to", "The 'to' parameter is required.")
  elseif to and not is_recipient(to) then
    report("40310", "/to")
  end
end

-- The profile may hold a number that stands in where names do not pass: with no
-- profile, there is no telling.
local function check_reach(case, report)
  local to = case.fields.to
  local is_barred = type(to) == "string" and addresses.takes_no_names(to)
  if not is_barred or not case.fields.messaging_profile_id then return end
  if not case.rulebook.fallback_sender then return report("40301", "/to") end
  case.facts.sender = case.rulebook.fallback_sender
end

local function check_name(case, report)
  if is_absent(case, "messaging_profile_id") then
    report("10004", "/messaging_profile_id",
      "An alphanumeric 'from' needs a messaging_profile_id.")
  end
  if case.facts.type == "MMS" then
    report("40308", "/from", "An alphanumeric sender cannot send MMS.")
  end
  check_reach(case, report)
end

local is_of_kind = {
  number = addresses.is_number,
  short_code = function(from) return addresses.is_short_code(from, 5, 6) end,
  name = addresses.is_name,
}

function rules.from(case, report)
  local from, kind = case.fields.from, case.endpoint.sender
  if not from then return end
  if kind and not is_of_kind[kind](from) then
    return report(kind == "name" and "40325" or "40305", "/from")
  end
  if addresses.is_name(from) then return check_name(case, report) end
  if not addresses.is_number(from) and not addresses.is_short_code(from, 5, 6) then
    return report(addresses.resembles_name(from) and "40325" or "40305", "/from")
  end
  if case.facts.type == "MMS" and not addresses.sends_mms(from) then
    report("40308", "/from", "Only numbers with +1 and short codes can send MMS.")
  end
end

function rules.own_number(case, report)
  local to = case.fields.to
  local sender = case.facts.sender or case.fields.from
  if case.rulebook.refuses_own_number and to and to == sender and is_recipient(to) then
    report("40310", "/to", "Source and destination cannot be the same number.")
  end
end

function rules.sender(case, report)
  if is_absent(case, "from") and is_absent(case, "messaging_profile_id") then
    report("10004", "/from", "Either 'from' or 'messaging_profile_id' is required.")
  end
end

function rules.profile(case, report)
  local profile = case.fields.messaging_profile_id
  if profile and not is_uuid(profile) then report("10006", "/messaging_profile_id") end
end

-- An empty one is none.
function rules.urls(case, report)
  for _, name in ipairs { "webhook_url", "webhook_failover_url" } do
    local url = case.fields[name]
    if url and url ~= "" and not is_url(url) then report("10003", "/" .. name) end
  end
end

function rules.media(case, report)
  local urls = case.fields.media_urls or {}
  if #urls > MAX_MEDIA then report("40317", "/media_urls") end
  for i, url in ipairs(urls) do
    if type(url) == "string" and not is_url(url) then
      report("10003", "/media_urls/" .. i - 1)
    end
  end
end

local function has_content(case)
  local text, urls = case.fields.text, case.fields.media_urls
  if case.faulty.text or case.faulty.media_urls then return true end
  return (text ~= nil and text ~= "") or (urls ~= nil and next(urls) ~= nil)
end

function rules.content(case, report)
  local fields = case.fields
  if contradicts_itself(fields) then
    report("40304", fields.media_urls and "/media_urls" or "/subject")
  end
  if not has_content(case) then report("40316", "/text") end
end

function rules.send_at(case, report)
  if not case.fields.send_at then return end
  local instant = timestamp(case.fields.send_at)
  if not instant then
    return report("10015", "/send_at", "Expected an RFC 3339 date and time with a time zone.")
  end
  local ahead = instant - case.rulebook.now
  if ahead < SOONEST - TOLERANCE or ahead > LATEST + TOLERANCE then
    return report("10033", "/send_at", "Must be between 5 minutes and 5 days in the future.")
  end
  case.facts.send_at = instant
end

local function check_size(case, report, parts)
  local book = case.rulebook
  if not book.chunking and parts > book.max_parts then
    report("40302", "/text", ("The message would be divided into %d parts. The maximum is %d.")
      :format(parts, book.max_parts))
  elseif case.fields.auto_detect and parts > (book.recommended_parts or math.huge) then
    report("40328", "/text", ("The message would be divided into %d parts. Send messages of"
      .. " more than %d parts by MMS, or with auto_detect set to false.")
      :format(parts, book.recommended_parts))
  end
end

-- A short code's text goes as ASCII where it can; asked for GSM-7, it goes as that.
local function charset_of(case)
  local from = case.fields.from
  local short = from and addresses.is_short_code(from, 5, 6)
  return short and case.fields.encoding ~= "gsm7" and "ascii" or nil
end

-- Substitution, whether the request asks for it or the profile, is for SMS alone.
local function substitutes(case)
  local encoding = case.fields.encoding
  if case.facts.type ~= "SMS" or encoding == "ucs2" then return false end
  return encoding == "gsm7" or case.rulebook.smart_encoding
end

local function analyse(case)
  local text, segments = case.fields.text, case.rulebook.segments
  if case.fields.encoding == "ucs2" then return segments(text, { encoding = "ucs2" }) end
  return segments(text, { encoding = "auto", smart = substitutes(case),
    charset = charset_of(case) })
end

local function check_sms(case, report, analysis)
  if analysis.units == 0 then
    report("10015", "/text", "Nothing is left of the text after smart encoding.")
  elseif case.fields.encoding == "gsm7" and analysis.encoding ~= "GSM-7" then
    report("10015", "/text", "The text cannot be encoded as GSM-7.")
  else
    check_size(case, report, analysis.parts)
  end
end

function rules.text(case, report)
  local text = case.fields.text
  if not text or text == "" or case.faulty.encoding then return end
  case.facts.analysis = analyse(case)
  if case.facts.type == "SMS" then check_sms(case, report, case.facts.analysis) end
end

-- The order in which several violations are listed.
local sequence = {
  "required", "to", "from", "own_number", "sender", "profile", "content", "media", "urls",
  "send_at", "text",
}

---@class telnyx.sandbox.rulebook
---@field segments function how texts are counted
---@field now number epoch seconds
---@field source string the request body as it came
---@field endpoint telnyx.sandbox.endpoint
---@field max_parts integer how many parts an SMS may have
---@field chunking boolean|nil whether the profile sends longer ones in pieces
---@field recommended_parts integer|nil what auto_detect lets through; nil is all
---@field smart_encoding boolean|nil the profile's smart encoding
---@field fallback_sender string|nil the profile's number for where names do not pass
---@field refuses_own_number boolean|nil whether nobody may write to himself

---@class telnyx.sandbox.facts
---@field type string|nil
---@field analysis table|nil
---@field send_at number|nil
---@field sender string|nil who sends instead of 'from'

---Checks a decoded request against every rule.
---@param body table
---@param rulebook telnyx.sandbox.rulebook
---@return table[] problems { code, pointer, detail }, empty when all is well
---@return telnyx.sandbox.facts facts
---@return table fields the request without what the service does not know
return function(body, rulebook)
  local problems = {}
  local function report(code, pointer, detail)
    problems[#problems + 1] = { code = code, pointer = pointer, detail = detail }
  end
  local fields, faulty = schema(body, rulebook.source, rulebook.endpoint, report)
  local case = { fields = fields, faulty = faulty, rulebook = rulebook, facts = {},
    endpoint = rulebook.endpoint }
  case.facts.type = message_type(case)
  for _, name in ipairs(sequence) do rules[name](case, report) end
  return problems, case.facts, fields
end
