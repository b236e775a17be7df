--- The attempts to deliver webhooks, byte by byte, and the way to have one made again.

local clock = require("telnyx.sandbox.clock")
local json = require("telnyx.sandbox.json")
local query = require("telnyx.sandbox.query")
local reply = require("telnyx.sandbox.reply")
local shown_attempt = require("telnyx.sandbox.phones.attempt")
local waiting = require("telnyx.sandbox.phones.waiting")

local MOST = 1000

local function is_text(value) return type(value) == "string", "a text" end

local rules = {
  message = { is_text }, event_type = { is_text }, url = { is_text },
  status = { function(value)
    return value == "delivered" or value == "failed", "delivered or failed"
  end },
  since = { query.is_whole(0, 2 ^ 53), "whole" },
  limit = { query.is_whole(1, MOST), "whole" },
  wait = waiting.rules.wait, count = waiting.rules.count,
}

local function is_wanted(attempt, values)
  local event = attempt.delivery.event
  local status = attempt.code and "failed" or "delivered"
  return (not values.message or event.record.id == values.message)
    and (not values.event_type or event.kind == values.event_type)
    and (not values.url or attempt.url:find(values.url, 1, true) ~= nil)
    and (not values.status or status == values.status)
end

-- The newest first.
local function find(service, values)
  local list, since = {}, values.since or 0
  for _, attempt in service.deliveries.made:newest() do
    if attempt.seq <= since then break end
    if is_wanted(attempt, values) then list[#list + 1] = attempt end
  end
  return list
end

local function attempt_object(attempt)
  local delivery = attempt.delivery
  return json.object {
    { "url", attempt.url },
    { "attempt", attempt.number },
    { "at", clock.iso8601(attempt.started_at) },
    { "seconds", attempt.finished_at - attempt.started_at },
    { "status", attempt.answer.status },
    { "error", attempt.code },
    { "title", shown_attempt.title(attempt.code) },
    { "headers", shown_attempt.headers(attempt.headers) },
    { "body", attempt.body },
    { "seq", attempt.seq },
    { "message_id", delivery.event.record.id },
    { "delivery_id", delivery.id },
    { "event_id", delivery.event.id },
    { "event_type", delivery.event.kind },
    { "response", shown_attempt.response(attempt.answer) },
  }
end

local function show(service, values)
  local deliveries, found, rows = service.deliveries, find(service, values), {}
  for i, attempt in ipairs(found) do
    if i > (values.limit or MOST) then break end
    rows[i] = attempt_object(attempt)
  end
  return reply.json(json.object {
    { "made", deliveries.n_made }, { "lost", deliveries.n_lost }, { "data", json.array(rows) },
  }), #found
end

-- Looks again only when there is something new.
local function counter(service, values)
  local ring, n_made, count
  return function()
    local deliveries = service.deliveries
    if deliveries.made ~= ring or deliveries.n_made ~= n_made then
      ring, n_made, count = deliveries.made, deliveries.n_made, #find(service, values)
    end
    return count
  end
end

local function list(service, request)
  service:settle()
  local values, problems = query.strict(request.path, rules)
  if not values then return reply.refuse(problems) end
  local count = counter(service, values)
  return waiting.respond(values.wait, function(n) return n >= (values.count or 1) end, function()
    service:settle()
    return count()
  end, function() return show(service, values) end)
end

local function resend(service, request, id)
  local values, problems = query.strict(request.path, {})
  if not values then return reply.refuse(problems) end
  local delivery = service.deliveries:find(id)
  if not delivery then return reply.refuse { { code = "10005" } } end
  service.deliveries:resend(delivery, service.now())
  return reply.json(json.object { { "data", json.object { { "id", delivery.id } } } })
end

return {
  { path = "^/sandbox/webhooks$", methods = { GET = list } },
  { path = "^/sandbox/webhooks/([^/]+)/resend$", methods = { POST = resend } },
}
