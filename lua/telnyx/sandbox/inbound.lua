--- A message that somebody sent to a number of the account.

local addresses = require("telnyx.sandbox.addresses")
local clock = require("telnyx.sandbox.clock")
local is_url = require("telnyx.sandbox.url")
local json = require("telnyx.sandbox.json")
local message = require("telnyx.sandbox.message")
local Optouts = require("telnyx.sandbox.optouts")
local utf8 = require("telnyx.sandbox.utf8")

local inbound = {}

local function is_address(value)
  return type(value) == "string"
    and (addresses.is_number(value) or addresses.is_short_code(value, 3, 8))
end

local function is_list_of(is_item)
  return function(value)
    if type(value) ~= "table" or (next(value) ~= nil and #value == 0) then return false end
    for _, item in ipairs(value) do
      if not is_item(item) then return false end
    end
    return true
  end
end

local function is_type(name)
  return function(value) return type(value) == name end
end

-- What is no UTF-8 would spoil the JSON of every page that shows it.
local function is_text(value)
  return type(value) == "string" and not utf8.first_bad(value)
end

-- In the order in which they are judged.
local FIELDS = {
  { "from", is_address, "a phone number or a short code" },
  { "to", is_address, "a phone number or a short code" },
  { "text", is_text, "a string in UTF-8" },
  { "media_urls", is_list_of(function(url) return is_text(url) and is_url(url) end),
    "a list of URLs" },
  { "cc", is_list_of(is_address), "a list of phone numbers" },
  { "messaging_profile_id", is_text, "a string in UTF-8" },
  { "is_spam", is_type("boolean"), "true or false" },
}

local REQUIRED = { from = true, to = true }

local KNOWN = {}
for _, field in ipairs(FIELDS) do KNOWN[field[1]] = true end

local function unknown_fields(given)
  local names = {}
  for name in pairs(given) do
    if not KNOWN[name] then names[#names + 1] = tostring(name) end
  end
  table.sort(names)
  return names
end

---What is wrong with a wish for an inbound message.
---@param given table
---@return { name: string, words: string }[] empty when all is well
function inbound.problems(given)
  local problems = {}
  for _, field in ipairs(FIELDS) do
    local name, is_good, expected = field[1], field[2], field[3]
    local value = given[name]
    if value == nil and REQUIRED[name] or value ~= nil and not is_good(value) then
      problems[#problems + 1] = { name = name, words = "must be " .. expected }
    end
  end
  for _, name in ipairs(unknown_fields(given)) do
    problems[#problems + 1] = { name = name, words = "is not known" }
  end
  return problems
end

local function copy(list)
  local own = {}
  for i, item in ipairs(list or {}) do own[i] = item end
  return own
end

---@param given table
---@param context { id: string, now: number, profile: string, segments: function }
---@return table record
function inbound.new(given, context)
  local text = given.text or ""
  local analysis = text ~= "" and context.segments(text, { encoding = "auto" }) or nil
  local is_mms = given.media_urls ~= nil and given.media_urls[1] ~= nil or given.cc ~= nil
  local wish, word = Optouts.wish(text)
  return {
    is_inbound = true,
    id = context.id,
    from = given.from,
    recipient = given.to,
    profile = context.profile,
    text = text,
    media_urls = copy(given.media_urls),
    cc = copy(given.cc),
    is_spam = given.is_spam or false,
    autoresponse_type = wish,
    keyword = word,
    received_at = context.now,
    type = is_mms and "MMS" or "SMS",
    encoding = analysis and analysis.encoding == "UCS-2" and "UCS-2" or "GSM-7",
    parts = not is_mms and analysis and analysis.parts or 1,
    characters = analysis and analysis.characters or 0,
  }
end

local KINDS = {
  jpg = "image/jpeg", jpeg = "image/jpeg", png = "image/png", gif = "image/gif",
  webp = "image/webp",
  mp4 = "video/mp4", ["3gp"] = "video/3gpp", vcf = "text/vcard", txt = "text/plain",
}

-- Nobody looks at the media. What is told of them is made up, since it is never null.
local HASH, SIZE = ("0"):rep(64), 1024

local function media(urls)
  local list = {}
  for i, url in ipairs(urls) do
    local extension = url:gsub("[?#].*$", ""):match("%.(%w+)$") or ""
    list[i] = json.object {
      { "url", url }, { "content_type", KINDS[extension:lower()] or "application/octet-stream" },
      { "sha256", HASH }, { "size", SIZE },
    }
  end
  return json.array(list)
end

local function address(number, status)
  local members = { { "carrier", "" }, { "line_type", "" }, { "phone_number", number } }
  if status then members[4] = { "status", status } end
  return json.object(members)
end

local RATE = 40

local function money(ten_thousandths)
  return json.object {
    { "amount", ("%.4f"):format(ten_thousandths / 10000) }, { "currency", "USD" },
  }
end

---What it costs to be written to, as it is shown.
---@param record table
---@return table for json.encode
function inbound.cost(record)
  return money(RATE * record.parts)
end

---What it costs to be written to.
---@param record table
---@return number amount
function inbound.amount(record)
  return RATE * record.parts / 10000
end

---The message object, with its keys in alphabetical order.
---@param record table
---@param knobs table
---@param of_sender "received"|nil what is shown of the sender besides its number
---@return table for json.encode
function inbound.render(record, knobs, of_sender)
  local url = knobs.profile_webhook_url
  return json.object {
    { "autoresponse_type", record.autoresponse_type },
    { "cc", json.array(record.cc) },
    { "completed_at", nil },
    { "cost", inbound.cost(record) },
    { "cost_breakdown", json.object {
      { "carrier_fee", money(0) }, { "rate", money(RATE * record.parts) },
    } },
    { "direction", "inbound" },
    { "encoding", record.encoding },
    { "errors", json.array {} },
    { "from", address(record.from, of_sender) },
    { "id", record.id },
    { "is_spam", record.is_spam },
    { "media", media(record.media_urls) },
    { "messaging_profile_id", record.profile },
    { "organization_id", message.organization },
    { "parts", record.parts },
    { "received_at", clock.iso8601(record.received_at) },
    { "record_type", "message" },
    { "sent_at", nil },
    { "subject", "" },
    { "tags", json.array {} },
    { "text", record.text },
    { "to", json.array { address(record.recipient, url and "webhook_delivered" or "delivered") } },
    { "type", record.type },
    { "valid_until", nil },
    { "webhook_failover_url", knobs.profile_failover_url },
    { "webhook_url", url },
  }
end

return inbound
