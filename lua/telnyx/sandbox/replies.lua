--- People write back: an inbound message, what follows from it, and what the service answers of
-- its own accord.

local inbound = require("telnyx.sandbox.inbound")
local message = require("telnyx.sandbox.message")

-- Made up: the service's own words are published nowhere.
local WORDS = {
  STOP = "You have been unsubscribed and will receive no further messages. Reply START to"
    .. " resubscribe.",
  START = "You have been resubscribed. Reply STOP to unsubscribe, HELP for help.",
  HELP = "Reply STOP to unsubscribe, START to resubscribe.",
}

local function answer(service, record)
  local text = WORDS[record.autoresponse_type]
  if not text then return nil end
  local knobs, fields = service.knobs, {
    from = record.recipient, to = record.from, text = text, messaging_profile_id = record.profile,
    use_profile_webhooks = false,
  }
  local facts = { type = "SMS", analysis = service.segments(text, { encoding = "auto" }) }
  local reply = message.new(fields, facts, {
    id = service.uuid(), now = record.received_at, to = { { number = record.from } },
    timeline = { sent = knobs.t_sent, completed = knobs.t_finalized },
    profile = record.profile,
  })
  reply.autoresponse_type, reply.is_auto_reply = record.autoresponse_type, true
  service.store:keep_message(reply)
  return reply
end

---@param service table
---@param given table that has no problems
---@return table record the inbound message
---@return table|nil answer the record of what the service answered
return function(service, given)
  local record = inbound.new(given, {
    id = service.uuid(), now = service.now(), segments = service.segments,
    profile = given.messaging_profile_id or service.store:profile_of(given.to),
  })
  service.store:keep_message(record)
  service.deliveries:plan(record)
  service.optouts:heed(record)
  return record, answer(service, record)
end
