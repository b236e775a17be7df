--- A message as the service keeps it, and as it shows it at a given moment.

local clock = require("telnyx.sandbox.clock")
local errors = require("telnyx.sandbox.errors")
local json = require("telnyx.sandbox.json")

local message = {}

--- Seconds from acceptance (or from `send_at`) to each status.
message.timeline = { sending = 0.5, sent = 1, completed = 2 }

-- The service gives up on a message that is still queued after an hour.
local VALIDITY = 3600

-- Made-up prices, in the shape and the digits of real ones.
local PRICE = { SMS = { rate = 40, fee = 30 }, MMS = { rate = 150, fee = 100 } }

local ORGANIZATION = "4001932d-2ba1-4e67-9a3e-5a5b2b3c4d5e"
local PROFILE = "403195bd-8a0f-4c7e-9d1b-6f7a8b9c0d1e"
local POOL_NUMBER = "+15550000001"

-- The service publishes two names; a short code's ASCII goes by that of the seven bits.
local function shown_encoding(analysis)
  return analysis and analysis.encoding == "UCS-2" and "UCS-2" or "GSM-7"
end

---@param fields table the validated request
---@param facts telnyx.sandbox.facts
---@param context { id: string, now: number, fate: table|nil }
---@return table record
function message.new(fields, facts, context)
  local analysis = facts.analysis
  return {
    id = context.id,
    fate = context.fate,
    received_at = context.now,
    send_at = facts.send_at,
    type = facts.type,
    fields = fields,
    sender = facts.sender or fields.from or POOL_NUMBER,
    encoding = shown_encoding(analysis),
    characters = analysis and analysis.characters or 0,
    parts = facts.type == "SMS" and analysis.parts or 1,
    smart = analysis ~= nil and (analysis.replaced or 0) > 0,
  }
end

-- How the message ends: delivered, unless it is one of those with another fate.
local function final(record)
  return record.fate and record.fate.status or "delivered"
end

-- Some messages end without ever having left the queue.
local NEVER_SENT = { sending_failed = true, expired = true }

---Where a message is in its life.
---@param record table
---@param now number
---@return { status: string, sent_at: number|nil, completed_at: number|nil }
function message.progress(record, now)
  local start, timeline = record.send_at or record.received_at, message.timeline
  local elapsed = now - start
  if elapsed < 0 then return { status = "scheduled" } end
  if elapsed < timeline.sending then return { status = "queued" } end
  if elapsed < timeline.sent then return { status = "sending" } end
  local sent_at = start + timeline.sent
  if NEVER_SENT[final(record)] then
    return { status = final(record), completed_at = sent_at }
  end
  if elapsed < timeline.completed then return { status = "sent", sent_at = sent_at } end
  return { status = final(record), sent_at = sent_at, completed_at = start + timeline.completed }
end

local function money(ten_thousandths)
  return json.object {
    { "amount", ("%.4f"):format(ten_thousandths / 10000) },
    { "currency", "USD" },
  }
end

local function media(fields)
  local list = {}
  for i, url in ipairs(fields.media_urls or {}) do
    list[i] = json.object {
      { "url", url }, { "content_type", nil }, { "sha256", nil }, { "size", nil },
    }
  end
  return json.array(list)
end

local function trouble(record, progress)
  local code = record.fate and record.fate.code
  local list = {}
  if code and progress.completed_at then
    list[1] = errors.object { code = code, pointer = "/to/0" }
  end
  return json.array(list)
end

local function address(number, status)
  local members = { { "phone_number", number }, { "carrier", "" }, { "line_type", "" } }
  if status then table.insert(members, 2, { "status", status }) end
  return json.object(members)
end

---The message object, with the keys in the order of the live service.
---@param record table
---@param now number
---@return table for json.encode
function message.render(record, now)
  local fields, price = record.fields, PRICE[record.type]
  local progress = message.progress(record, now)
  local waiting = not (progress.sent_at or progress.completed_at)
  local start = record.send_at or record.received_at
  local members = {
    { "record_type", "message" },
    { "direction", "outbound" },
    { "id", record.id },
    { "type", record.type },
    { "organization_id", ORGANIZATION },
    { "messaging_profile_id", fields.messaging_profile_id or PROFILE },
    { "from", address(record.sender) },
    { "to", json.array { address(fields.to, progress.status) } },
    { "cc", json.array {} },
    { "text", fields.text or "" },
    { "subject", fields.subject },
    { "media", media(fields) },
    -- Unset, they are "" on the wire, though the published schema has null.
    { "webhook_url", fields.webhook_url or "" },
    { "webhook_failover_url", fields.webhook_failover_url or "" },
    { "encoding", record.encoding },
    { "parts", record.parts },
    { "tags", json.array {} },
    { "cost", money((price.rate + price.fee) * record.parts) },
    { "tcr_campaign_id", nil },
    { "tcr_campaign_billable", false },
    { "tcr_campaign_registered", nil },
    { "received_at", clock.iso8601(record.received_at) },
    { "sent_at", clock.iso8601(progress.sent_at) },
    { "completed_at", clock.iso8601(progress.completed_at) },
    { "valid_until", waiting and clock.iso8601(start + VALIDITY) or nil },
    { "errors", trouble(record, progress) },
    { "cost_breakdown", json.object {
      { "carrier_fee", money(price.fee * record.parts) },
      { "rate", money(price.rate * record.parts) },
    } },
    { "num_chars", record.characters },
    { "wait_seconds", json.literal("0.0") },
    { "smart_encoding_applied", record.smart },
  }
  if record.send_at then
    members[#members + 1] = { "send_at", clock.iso8601(record.send_at) }
  end
  return json.object(members)
end

---@param record table
---@param now number
---@return string the body of a reply that shows the message
function message.body(record, now)
  return json.encode(json.object { { "data", message.render(record, now) } })
end

return message
