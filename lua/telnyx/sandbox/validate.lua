--- The service's own rules for a message. They are written from its
-- documentation and its replies, not from this library's checks: two readings
-- that agree are worth more than one reading used twice.

local moments = require("telnyx.moments")
local json = require("telnyx.sandbox.json")

local MAX_PARTS = 10
local MAX_MEDIA = 10
local MAX_URL = 2000

local MINUTE, DAY = 60, 86400
local SOONEST, LATEST, TOLERANCE = 5 * MINUTE, 5 * DAY, MINUTE

local types = {
  from = "string", messaging_profile_id = "string", text = "string",
  subject = "string", media_urls = "table", webhook_url = "string",
  webhook_failover_url = "string", use_profile_webhooks = "boolean",
  type = "string", auto_detect = "boolean", send_at = "string",
  encoding = "string",
}

-- In the order in which the rules report.
local typed_fields = {
  "from", "messaging_profile_id", "text", "subject", "media_urls",
  "webhook_url", "webhook_failover_url", "use_profile_webhooks", "type",
  "auto_detect", "send_at", "encoding",
}

local json_names = { table = "array", userdata = "null" }

local function json_type(value)
  return json_names[type(value)] or type(value)
end

local allowed = {
  type = { SMS = true, MMS = true },
  encoding = { auto = true, gsm7 = true, ucs2 = true },
}

local function is_phone_number(text)
  return text:find("^%+[1-9]%d+$") ~= nil and #text >= 8 and #text <= 16
end

local function is_short_code(text)
  return text:find("^%d%d%d%d%d%d?$") ~= nil
end

local function is_alphanumeric(text)
  return #text <= 11 and text:find("^[A-Za-z0-9 ]+$") ~= nil and text:find("%a") ~= nil
end

local function is_uuid(text)
  local x4 = ("%x"):rep(4)
  local pattern = "^" .. x4 .. x4 .. "%-" .. (x4 .. "%-"):rep(3) .. x4:rep(3) .. "$"
  return text:find(pattern) ~= nil
end

local function is_url(text)
  return #text <= MAX_URL and not text:find("[%c%s\127]")
    and text:find("^[Hh][Tt][Tt][Pp][Ss]?://[^/?#]") ~= nil
end

local rules = {}

-- A field of the wrong type is reported once and then treated as absent, so
-- that the rules below need not ask again.
local function take_types(body, report)
  local fields = { to = body.to }
  for _, name in ipairs(typed_fields) do
    local value = body[name]
    local nullable = name == "send_at" and value == json.null
    if type(value) == types[name] then
      fields[name] = value
    elseif value ~= nil and not nullable then
      report("10026", "/" .. name, ("Expected %s, got %s.")
        :format(json_names[types[name]] or types[name], json_type(value)))
    end
  end
  return fields
end

function rules.to(fields, report)
  local to = fields.to
  if to == nil or to == json.null or to == "" then
    report("10004", "/to", "The 'to' parameter is required.")
  elseif type(to) == "number" or type(to) == "boolean" then
    report("10026", "/to", ("Expected string, got %s."):format(json_type(to)))
  elseif type(to) == "table" or not (is_phone_number(to) or is_short_code(to)) then
    report("40310", "/to")
  end
end

local function check_alphanumeric(fields, report)
  if not fields.messaging_profile_id then
    report("10004", "/messaging_profile_id",
      "An alphanumeric 'from' needs a messaging_profile_id.")
  end
  if fields.media_urls or fields.subject or fields.type == "MMS" then
    report("40308", "/from", "An alphanumeric sender cannot send MMS.")
  end
end

function rules.from(fields, report)
  local from = fields.from
  if not from then return end
  if is_phone_number(from) or is_short_code(from) then return end
  if is_alphanumeric(from) then return check_alphanumeric(fields, report) end
  report(from:find("%a") and "40325" or "40305", "/from")
end

function rules.sender(_, report, body)
  if body.from == nil and body.messaging_profile_id == nil then
    report("10004", "/from", "Either 'from' or 'messaging_profile_id' is required.")
  end
end

function rules.profile(fields, report)
  local profile = fields.messaging_profile_id
  if profile and not is_uuid(profile) then report("10006", "/messaging_profile_id") end
end

function rules.enumerations(fields, report)
  for _, name in ipairs { "type", "encoding" } do
    local value = fields[name]
    if value and not allowed[name][value] then report("10032", "/" .. name) end
  end
end

function rules.urls(fields, report)
  for _, name in ipairs { "webhook_url", "webhook_failover_url" } do
    if fields[name] and not is_url(fields[name]) then report("10003", "/" .. name) end
  end
end

-- JSON's {} and [] decode to the same empty table; only the text tells.
local function wrote_object(source)
  return source:find('"media_urls"%s*:%s*{') ~= nil
end

function rules.media(fields, report, _, context)
  local urls = fields.media_urls
  if not urls then return end
  if wrote_object(context.source) then
    return report("10026", "/media_urls", "Expected array, got object.")
  end
  if #urls > MAX_MEDIA then report("40317", "/media_urls") end
  for i, url in ipairs(urls) do
    local pointer = "/media_urls/" .. i - 1
    if type(url) ~= "string" then
      report("10026", pointer, ("Expected string, got %s."):format(json_type(url)))
    elseif not is_url(url) then
      report("10003", pointer)
    end
  end
end

function rules.content(fields, report, body)
  if fields.type == "SMS" and (fields.media_urls or fields.subject) then
    report("40304", fields.media_urls and "/media_urls" or "/subject")
  end
  local has_text = body.text ~= nil and body.text ~= ""
  local has_media = fields.media_urls and next(fields.media_urls) ~= nil
  if not has_text and not has_media then report("40316", "/text") end
end

function rules.send_at(fields, report, _, context)
  if not fields.send_at then return end
  local instant = moments.parse(fields.send_at)
  if not instant then
    return report("10015", "/send_at", "Expected an ISO 8601 date and time with a time zone.")
  end
  local ahead = instant - context.now
  if ahead < SOONEST - TOLERANCE or ahead > LATEST + TOLERANCE then
    return report("10033", "/send_at", "Must be between 5 minutes and 5 days in the future.")
  end
  context.facts.send_at = instant
end

-- The mere presence of media_urls, even of an empty array, makes an MMS.
local function message_type(fields)
  return fields.type or ((fields.media_urls or fields.subject) and "MMS") or "SMS"
end

local function check_size(fields, report, context, parts)
  if parts > MAX_PARTS then
    report("40302", "/text", ("The message would be divided into %d parts. The maximum is %d.")
      :format(parts, MAX_PARTS))
  elseif fields.auto_detect and parts > context.recommended_parts then
    report("40328", "/text", ("The message would be divided into %d parts. Send messages of"
      .. " more than %d parts by MMS, or with auto_detect set to false.")
      :format(parts, context.recommended_parts))
  end
end

function rules.text(fields, report, _, context)
  local facts, text = context.facts, fields.text
  facts.type = message_type(fields)
  if not text or text == "" then return end
  local forced = fields.encoding == "gsm7"
  local analysis = context.segments(text, { encoding = "auto",
    smart = forced or (context.smart_encoding and fields.encoding ~= "ucs2") })
  if forced and analysis.encoding ~= "GSM-7" then
    return report("10015", "/encoding", "The text cannot be encoded as GSM-7.")
  elseif fields.encoding == "ucs2" then
    analysis = context.segments(text, { encoding = "ucs2" })
  end
  facts.analysis = analysis
  if facts.type == "SMS" then check_size(fields, report, context, analysis.parts) end
end

-- The order in which several violations are listed.
local sequence = {
  "to", "from", "sender", "profile", "enumerations", "content", "media", "urls",
  "send_at", "text",
}

---@class telnyx.sandbox.rulebook
---@field segments function how texts are counted
---@field now number epoch seconds
---@field source string the request body as it came
---@field recommended_parts integer what auto_detect lets through
---@field smart_encoding boolean|nil the profile's smart encoding

---Checks a decoded request against every rule.
---@param body table
---@param context telnyx.sandbox.rulebook
---@return table[] problems { code, pointer, detail }, empty when all is well
---@return { type: string, analysis: table|nil, send_at: number|nil } facts
---@return table fields the request without what the service does not know
return function(body, context)
  local problems = {}
  local function report(code, pointer, detail)
    problems[#problems + 1] = { code = code, pointer = pointer, detail = detail }
  end
  context.facts = {}
  local fields = take_types(body, report)
  for _, name in ipairs(sequence) do rules[name](fields, report, body, context) end
  return problems, context.facts, fields
end
