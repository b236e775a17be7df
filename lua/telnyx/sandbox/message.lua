--- A message as the service keeps it, and as it shows it at a given moment.

local clock = require("telnyx.sandbox.clock")
local errors = require("telnyx.sandbox.errors")
local json = require("telnyx.sandbox.json")

local message = {}

-- The service gives up on a message that is still queued after an hour.
local VALIDITY = 3600

-- Made-up prices, in the shape and the digits of real ones.
local PRICE = { SMS = { rate = 40, fee = 30 }, MMS = { rate = 150, fee = 100 } }

message.organization = "4001932d-2ba1-4e67-9a3e-5a5b2b3c4d5e"

local POOL_NUMBER = "+15550000001"

-- The service publishes two names; a short code's ASCII goes by that of the seven bits.
local function shown_encoding(analysis)
  return analysis and analysis.encoding == "UCS-2" and "UCS-2" or "GSM-7"
end

---@class telnyx.sandbox.fate how a message ends for one addressee
---@field status string
---@field code string|nil why
---@field no_receipt boolean|nil it stays at `sent`
---@field second { after: number, status: string, code: string|nil }|nil another end, later

---@class telnyx.sandbox.context
---@field id string
---@field now number
---@field to { number: string, fate: telnyx.sandbox.fate|nil }[] the addressees
---@field timeline { sent: number, completed: number } seconds from the start to each status
---@field cost_after number|nil
---@field profile string

---@param fields table the validated request
---@param facts telnyx.sandbox.facts
---@param context telnyx.sandbox.context
---@return table record
function message.new(fields, facts, context)
  local analysis = facts.analysis
  return {
    id = context.id,
    to = context.to,
    timeline = context.timeline,
    cost_at = context.now + (context.cost_after or 0),
    received_at = context.now,
    send_at = facts.send_at,
    type = facts.type,
    fields = fields,
    sender = facts.sender or fields.from or POOL_NUMBER,
    profile = context.profile,
    encoding = shown_encoding(analysis),
    characters = analysis and analysis.characters or 0,
    parts = facts.type == "SMS" and analysis.parts or 1,
    smart = analysis ~= nil and (analysis.replaced or 0) > 0,
  }
end

-- Some messages end without ever having left the queue.
local NEVER_SENT = { sending_failed = true, expired = true }

local DELIVERED = { status = "delivered" }

---@class telnyx.sandbox.stage
---@field at number from when on
---@field status string
---@field code string|nil
---@field sent_at number|nil
---@field completed_at number|nil
---@field event string|nil what the service tells of it
---@field due number|nil when it is told; nil is at once

local function ends(stages, at, fate, sent_at)
  stages[#stages + 1] = { at = at, status = fate.status, code = fate.code, sent_at = sent_at,
    completed_at = at, event = "message.finalized" }
end

-- As the weather had it when the message was accepted.
local function planned_stages(record, fate)
  local start, timeline = record.send_at or record.received_at, record.timeline
  local sent_at = start + timeline.sent
  local stages = {
    { at = start, status = "queued" },
    { at = start + timeline.sent / 2, status = "sending" },
  }
  if NEVER_SENT[fate.status] then
    ends(stages, sent_at, fate)
    return stages
  end
  stages[3] = { at = sent_at, status = "sent", sent_at = sent_at, event = "message.sent" }
  if fate.no_receipt then return stages end
  local completed_at = start + math.max(timeline.sent, timeline.completed)
  ends(stages, completed_at, fate, sent_at)
  local second = fate.second
  if second then ends(stages, completed_at + second.after, second, sent_at) end
  return stages
end

local function last_sent_at(stages)
  for i = #stages, 1, -1 do
    if stages[i].sent_at then return stages[i].sent_at end
  end
end

-- What a clock loses when it is read and added to.
local TOLERANCE = 1e-6

-- Of two that happen at once, the first is told first.
local APART = 0.05

-- What was still to come does not come: it ends so, at this moment.
local function cut_short(stages, outcome)
  while stages[1] and stages[#stages].at > outcome.at + TOLERANCE do stages[#stages] = nil end
  local sent_at, is_sent_now = last_sent_at(stages), false
  if not sent_at and not NEVER_SENT[outcome.status] then
    sent_at, is_sent_now = outcome.at, true
    stages[#stages + 1] = { at = sent_at, status = "sent", sent_at = sent_at,
      event = "message.sent" }
  end
  ends(stages, outcome.at, outcome, sent_at)
  if is_sent_now then stages[#stages].due = outcome.at + APART end
end

---The stages of a message's life for one addressee, in order.
---@param record table
---@param to table|nil { number, fate, outcomes }; default: the first
---@return telnyx.sandbox.stage[]
function message.stages(record, to)
  to = to or record.to[1]
  local stages = planned_stages(record, to.fate or DELIVERED)
  for _, outcome in ipairs(to.outcomes or {}) do cut_short(stages, outcome) end
  return stages
end

---Where a message is in its life, for one addressee.
---@param record table
---@param now number
---@param to table|nil default: the first
---@return telnyx.sandbox.stage
function message.progress(record, now, to)
  if record.cancelled_at then return { at = record.cancelled_at, status = "cancelled" } end
  local reached = { at = record.received_at, status = record.send_at and "scheduled" or "queued" }
  for _, stage in ipairs(message.stages(record, to)) do
    if stage.at <= now then reached = stage end
  end
  return reached
end

-- Most messages go the straight way.
local function straight_status(record, now)
  local start, timeline = record.received_at, record.timeline
  if start + math.max(timeline.sent, timeline.completed) <= now then return "delivered" end
  if start + timeline.sent <= now then return "sent" end
  return start + timeline.sent / 2 <= now and "sending" or "queued"
end

---The status for the first addressee; the same as `progress` tells, in less time.
---@param record table
---@param now number
---@return string
function message.status(record, now)
  local first = record.to[1]
  if first.fate or first.outcomes or record.send_at or record.cancelled_at then
    return message.progress(record, now).status
  end
  return straight_status(record, now)
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

local function trouble(stages)
  local list = {}
  for i, stage in ipairs(stages) do
    if stage.code then
      list[#list + 1] = errors.object { code = stage.code, pointer = "/to/" .. i - 1 }
    end
  end
  return json.array(list)
end

local function address(number, status)
  local members = { { "phone_number", number }, { "carrier", "" }, { "line_type", "" } }
  if status then table.insert(members, 2, { "status", status }) end
  return json.object(members)
end

local function addressees(list, stages)
  local shown = {}
  for i, to in ipairs(list) do shown[i] = address(to.number, stages[i].status) end
  return json.array(shown)
end

---What a message costs one addressee's worth, or a part of that.
---@param record table
---@param part "rate"|"fee"|nil
---@return number amount
function message.amount(record, part)
  local price = PRICE[record.type]
  return (part and price[part] or price.rate + price.fee) * record.parts / 10000
end

---What a message costs, or nothing yet.
---@param record table
---@param now number
---@return table|nil cost
---@return table|nil breakdown
function message.cost(record, now)
  if now < record.cost_at then return nil, nil end
  local price = PRICE[record.type]
  local count = record.parts * #record.to
  return money((price.rate + price.fee) * count), json.object {
    { "carrier_fee", money(price.fee * count) },
    { "rate", money(price.rate * count) },
  }
end

-- How a message is shown: to whom, at which stage for each, and until when it is valid.
local function view_of(record, now)
  local view = { to = record.to, stages = {}, now = now, is_waiting = false }
  for i, to in ipairs(record.to) do
    local stage = message.progress(record, now, to)
    view.stages[i] = stage
    if not (stage.sent_at or stage.completed_at) then view.is_waiting = true end
  end
  return view
end

local function members_of(record, view)
  local fields, stage = record.fields, view.stages[1]
  local cost, breakdown = message.cost(record, view.now)
  local start = record.send_at or record.received_at
  local members = {
    { "record_type", "message" },
    { "direction", "outbound" },
    { "id", record.id },
    { "type", record.type },
    { "organization_id", message.organization },
    { "messaging_profile_id", record.profile },
    { "from", address(record.sender) },
    { "to", addressees(view.to, view.stages) },
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
    { "cost", cost },
    { "tcr_campaign_id", nil },
    { "tcr_campaign_billable", false },
    { "tcr_campaign_registered", nil },
    { "received_at", clock.iso8601(record.received_at) },
    { "sent_at", clock.iso8601(stage.sent_at) },
    { "completed_at", clock.iso8601(stage.completed_at) },
    { "valid_until", view.is_waiting and clock.iso8601(start + VALIDITY) or nil },
    { "errors", trouble(view.stages) },
    { "cost_breakdown", breakdown },
    { "num_chars", record.characters },
    { "wait_seconds", json.literal("0.0") },
    { "smart_encoding_applied", record.smart },
  }
  if record.send_at then
    members[#members + 1] = { "send_at", clock.iso8601(record.send_at) }
  end
  if record.group then members[#members + 1] = { "group_message_id", record.id } end
  if record.parent_id then members[#members + 1] = { "parent_message_id", record.parent_id } end
  if record.autoresponse_type then
    members[#members + 1] = { "autoresponse_type", record.autoresponse_type }
  end
  return members
end

---The message object, with the keys in the order of the live service.
---@param record table
---@param now number
---@return table for json.encode
function message.render(record, now)
  return json.object(members_of(record, view_of(record, now)))
end

---The message object as an event tells it: to one addressee, at one stage.
---@param record table
---@param to table the addressee
---@param stage telnyx.sandbox.stage
---@param now number
---@return table for json.encode
function message.render_event(record, to, stage, now)
  return json.object(members_of(record,
    { to = { to }, stages = { stage }, now = now, is_waiting = true }))
end

---The message objects of a group: one for each addressee.
---@param record table
---@param now number
---@return table for json.encode
function message.render_each(record, now)
  local view, list = view_of(record, now), {}
  for i, to in ipairs(record.to) do
    list[i] = json.object(members_of(record, { to = { to }, stages = { view.stages[i] },
      now = now, is_waiting = view.is_waiting }))
  end
  return json.array(list)
end

local OF_CANCELLED = {
  cost = function()
    return json.object { { "amount", "0.0" }, { "currency", "USD" } }
  end,
  cost_breakdown = function() return nil end,
}

---The object that tells of a cancelled message: it has waited for nothing, and cost nothing.
---@param record table
---@param now number
---@return table for json.encode
function message.render_cancelled(record, now)
  local members = {}
  for _, pair in ipairs(members_of(record, view_of(record, now))) do
    local other = OF_CANCELLED[pair[1]]
    if pair[1] ~= "wait_seconds" then
      members[#members + 1] = other and { pair[1], other() } or pair
    end
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
