--- The messages that are kept, for who looks on: a list that can be waited for, one message with
-- all that is known of it, and the way to begin anew.

local bill = require("telnyx.sandbox.phones.bill")
local clock = require("telnyx.sandbox.clock")
local deliveries = require("telnyx.sandbox.deliveries")
local filters = require("telnyx.sandbox.phones.filters")
local find = require("telnyx.sandbox.phones.find")
local inbound = require("telnyx.sandbox.inbound")
local json = require("telnyx.sandbox.json")
local message = require("telnyx.sandbox.message")
local query = require("telnyx.sandbox.query")
local reply = require("telnyx.sandbox.reply")
local shown_attempt = require("telnyx.sandbox.phones.attempt")
local summary = require("telnyx.sandbox.phones.summary")
local waiting = require("telnyx.sandbox.phones.waiting")

local rules = { wait = waiting.rules.wait, count = waiting.rules.count, exactly = waiting.whole }
for name, rule in pairs(filters.rules) do rules[name] = rule end

local function list_members(service, found)
  local index, now, rows = service.store.index, service.now(), {}
  for i, record in ipairs(found.records) do
    rows[i] = json.object(summary.members(record, now))
  end
  return {
    { "data", json.array(rows) }, { "total", found.total }, { "more", found.more },
    { "cursor", found.cursor }, { "epoch", service.epoch }, { "now", clock.iso8601(now) },
    { "forgotten", index.forgotten },
  }
end

-- Why it is not exactly so many; nil when it is, or nobody asks.
local function why_not(service, exactly, found)
  if not exactly then return nil end
  if found.total ~= exactly then
    return ("Exactly %d were wanted, and %d %s."):format(exactly, found.total,
      found.total == 1 and "matches" or "match")
  elseif found.may_lack then
    return ("Exactly %d match, but %d older messages are forgotten, and may have been such.")
      :format(exactly, service.store.index.forgotten)
  end
end

local function show_list(service, values)
  local found = find.all(service.store.index, values, service.now(), service.breathe)
  local members, why = list_members(service, found), why_not(service, values.exactly, found)
  if not why then return reply.json(json.object(members)), found.total end
  return reply.conflict(members, { code = "10015", status = 409, detail = why }), found.total
end

-- That none comes is only known when the time is over.
local function is_enough(values, n)
  if values.exactly then return n > values.exactly or (n == values.exactly and n > 0) end
  return n >= (values.count or 1)
end

local function list(service, request)
  service:settle()
  local values, problems = query.strict(request.path, rules)
  if not values then return reply.refuse(problems) end
  local count = find.counter(service.store, values, service.breathe)
  return waiting.respond(values.wait, function(n) return is_enough(values, n) end, function()
    service:settle()
    return count(service.now())
  end, function() return show_list(service, values) end)
end

local function delivery_object(delivery)
  local attempts = {}
  for i, attempt in ipairs(delivery.attempts) do
    attempts[i] = shown_attempt.of_delivery(attempt, deliveries.body_of(delivery, attempt))
  end
  return json.object {
    { "id", delivery.id }, { "event_id", delivery.event.id },
    { "event_type", delivery.event.kind }, { "status", delivery.status or "under_way" },
    { "attempts", json.array(attempts) },
    { "forgotten_attempts", delivery.n_forgotten or 0 },
  }
end

local function webhooks(record)
  local rows = {}
  for i, delivery in ipairs(record.deliveries or {}) do rows[i] = delivery_object(delivery) end
  return json.array(rows)
end

local function rendered(service, record, now)
  if record.is_inbound then return inbound.render(record, service.knobs, "received") end
  return message.render(record, now)
end

local function cost(record, now)
  if record.is_inbound then return inbound.cost(record) end
  return (message.cost(record, now))
end

local function show(service, request, id)
  service:settle()
  local values, problems = query.strict(request.path, {})
  if not values then return reply.refuse(problems) end
  local record, now = service.store:message(id), service.now()
  if not record then return reply.refuse { { code = "10005" } } end
  local members = summary.members(record, now)
  members[#members + 1] = { "cost", cost(record, now) }
  members[#members + 1] = { "bill", bill.render(record, summary.text(record), service.segments) }
  members[#members + 1] = { "webhooks", webhooks(record) }
  members[#members + 1] = { "message", rendered(service, record, now) }
  return reply.json(json.object { { "data", json.object(members) } })
end

local function forget_all(service, request)
  local values, problems = query.strict(request.path, {})
  if not values then return reply.refuse(problems) end
  service:reset_ledger()
  return (show_list(service, {}))
end

return {
  { path = "^/sandbox/messages$", methods = { GET = list, DELETE = forget_all } },
  { path = "^/sandbox/messages/([^/]+)$", methods = { GET = show } },
}
