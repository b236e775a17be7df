--- The endpoints that show a message, and the one that cancels it.

local inbound = require("telnyx.sandbox.inbound")
local json = require("telnyx.sandbox.json")
local message = require("telnyx.sandbox.message")
local news = require("telnyx.sandbox.phones.news")
local reply = require("telnyx.sandbox.reply")

local DAY = 86400

-- How long a message can be read.
local READABLE = 10 * DAY

-- A message that is to be sent within a minute is not called back.
local TOO_LATE = 60

-- A message that may be seen, or nothing.
local function find(service, id, now)
  local record = service.store:message(id)
  if not record then return nil end
  local age = now - record.received_at
  if age < service.knobs.get_404_for or age > READABLE then return nil end
  return record
end

local function show(service, _, id)
  local now = service.now()
  local record = find(service, id, now)
  if not record then return reply.refuse { { code = service.knobs.not_found_code } } end
  if not record.is_inbound then return reply.ok(200, message.body(record, now)) end
  local shown = inbound.render(record, service.knobs, "received")
  return reply.json(json.object { { "data", shown } })
end

local function show_group(service, _, id)
  local now = service.now()
  local record = find(service, id, now)
  if not record or not record.group then return reply.refuse { { code = "10005" } } end
  return reply.json(json.object { { "data", message.render_each(record, now) } })
end

local function is_scheduled(record, now)
  return not record.is_inbound and message.progress(record, now).status == "scheduled"
end

-- What stands against the cancelling, or nil.
local function objection(record, now)
  if not is_scheduled(record, now) then
    return "Only a message that is scheduled can be cancelled."
  end
  if record.send_at - now <= TOO_LATE then
    return "The message is to be sent within a minute: it is too late to cancel it."
  end
end

-- Which code goes with 403 here is published nowhere.
local function cancel(service, _, id)
  local now = service.now()
  local record = service.store:message(id)
  if not record then return reply.refuse_bare { code = service.knobs.not_found_code } end
  local why = objection(record, now)
  if why then return reply.refuse_bare { code = "10015", status = 403, detail = why } end
  record.cancelled_at = now
  if not record.is_parent then news.change(service, record) end
  for _, child in ipairs(record.children or {}) do
    child.cancelled_at = now
    news.change(service, child)
  end
  return reply.json(message.render_cancelled(record, now))
end

return {
  { path = "^/v2/messages/group/([^/]+)$", key = true, methods = { GET = show_group } },
  { path = "^/v2/messages/([^/]+)$", key = true, methods = { GET = show, DELETE = cancel } },
}
