--- A message as the sandbox's own pages show it, sent or received, in one shape.

local clock = require("telnyx.sandbox.clock")
local errors = require("telnyx.sandbox.errors")
local Index = require("telnyx.sandbox.index")
local json = require("telnyx.sandbox.json")
local message = require("telnyx.sandbox.message")

local summary = {}

---@param record table
---@return string
function summary.text(record)
  return (record.is_inbound and record or record.fields).text or ""
end

---@param record table
---@return string
function summary.from(record)
  return record.is_inbound and record.from or record.sender
end

---@param record table
---@return string[]
function summary.to(record)
  if record.is_inbound then return { record.recipient } end
  local numbers = {}
  for i, to in ipairs(record.to) do numbers[i] = to.number end
  return numbers
end

---@param record table
---@param now number
---@return string
function summary.status(record, now)
  return record.is_inbound and "received" or message.status(record, now)
end

local function copy(list)
  local own = {}
  for i, item in ipairs(list or {}) do own[i] = item end
  return json.array(own)
end

local function recipient(number, stage)
  local entry = stage.code and errors.catalogue[stage.code]
  return json.object {
    { "phone_number", number }, { "status", stage.status }, { "code", stage.code },
    { "title", entry and entry.title },
  }
end

local function stage_object(number, stage)
  return json.object {
    { "phone_number", number }, { "status", stage.status }, { "at", clock.iso8601(stage.at) },
    { "code", stage.code },
  }
end

local function recipients(record, now)
  if record.is_inbound then
    return json.array { recipient(record.recipient, { status = "received" }) }
  end
  local list = {}
  for i, to in ipairs(record.to) do
    list[i] = recipient(to.number, message.progress(record, now, to))
  end
  return json.array(list)
end

-- All that is known of a life, also what is still to come.
local function life_of(record, to)
  local life = {}
  if record.send_at then life[1] = { at = record.received_at, status = "scheduled" } end
  if record.cancelled_at then
    life[2] = { at = record.cancelled_at, status = "cancelled" }
    return life
  end
  for _, stage in ipairs(message.stages(record, to)) do life[#life + 1] = stage end
  return life
end

local function timeline(record)
  if record.is_inbound then
    return json.array {
      stage_object(record.from, { status = "received", at = record.received_at }),
    }
  end
  local list = {}
  for _, to in ipairs(record.to) do
    for _, stage in ipairs(life_of(record, to)) do
      list[#list + 1] = stage_object(to.number, stage)
    end
  end
  return json.array(list)
end

---When a message will look otherwise, if nothing happens to it until then.
---@param record table
---@param now number
---@return number infinite where nothing more comes by itself
function summary.holds_until(record, now)
  local till = math.huge
  if record.is_inbound or record.cancelled_at then return till end
  for _, to in ipairs(record.to) do
    for _, stage in ipairs(message.stages(record, to)) do
      if stage.at > now then till = math.min(till, stage.at) end
    end
  end
  return till
end

---@param record table
---@param now number
---@return table[] members for json.object
function summary.members(record, now)
  local fields = record.is_inbound and record or record.fields
  return {
    { "seq", record.seq },
    { "id", record.id },
    { "direction", record.is_inbound and "inbound" or "outbound" },
    { "from", summary.from(record) },
    { "to", json.array(summary.to(record)) },
    { "phones", json.array(Index.phones_of(record)) },
    { "type", record.type },
    { "text", summary.text(record) },
    { "subject", not record.is_inbound and fields.subject or nil },
    { "media", copy(fields.media_urls) },
    { "encoding", record.encoding },
    { "parts", record.parts },
    { "characters", record.characters },
    { "received_at", clock.iso8601(record.received_at) },
    { "send_at", clock.iso8601(record.send_at) },
    { "cancelled_at", clock.iso8601(record.cancelled_at) },
    { "status", summary.status(record, now) },
    { "recipients", recipients(record, now) },
    { "timeline", timeline(record) },
    { "ref", record.reference },
    { "key", record.key },
    { "profile", record.profile },
    { "webhook_url", not record.is_inbound and fields.webhook_url or "" },
    { "autoresponse_type", record.autoresponse_type },
    { "is_auto_reply", record.is_auto_reply or false },
    { "group_id", record.group and record.id or nil },
    { "parent_id", record.parent_id },
    { "n_attempts", record.n_attempts or 0 },
  }
end

return summary
