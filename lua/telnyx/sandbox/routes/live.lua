--- News as they come, as server-sent events. Who was connected before says how far it came, and
-- gets what it missed; who missed too much is told to look anew.

local clock = require("telnyx.sandbox.clock")
local Feed = require("telnyx.sandbox.phones.feed")
local json = require("telnyx.sandbox.json")
local knobs = require("telnyx.sandbox.knobs")
local query = require("telnyx.sandbox.query")
local reply = require("telnyx.sandbox.reply")

local function hello(service, position)
  local index = service.store.index
  local text = json.encode(json.object {
    { "epoch", service.epoch }, { "cursor", index.last }, { "now", clock.iso8601(service.now()) },
    { "n_received", index.n_received }, { "total", index.all:size() },
    { "n_refused", service.refusals.n },
    { "options", knobs.object(service.knobs) },
  })
  return Feed.frame({ kind = "hello", text = text, position = position }, service.epoch)
end

-- Where to begin, and what was said since; nothing when that is not known any more.
local function missed(service, last_id)
  local epoch, position = last_id:match("^(%w+)%.(%d+)$")
  position = tonumber(position)
  if epoch ~= service.epoch then return nil end
  return position, service.feed:since(position)
end

local function frames(service, entries)
  local pieces = {}
  for i, entry in ipairs(entries) do pieces[i] = Feed.frame(entry, service.epoch) end
  return table.concat(pieces)
end

local function body_of(service, last_id)
  local feed = service.feed
  if not last_id then return hello(service, feed.position) end
  local position, entries = missed(service, last_id)
  if entries then return hello(service, position) .. frames(service, entries) end
  return hello(service, feed.position)
    .. Feed.frame({ kind = "behind", text = "{}", position = feed.position }, service.epoch)
end

local function listen(service, request)
  local values, problems = query.strict(request.path, {})
  if not values then return reply.refuse(problems) end
  local response = reply.ok(200, body_of(service, request.headers["last-event-id"]), {
    ["content-type"] = "text/event-stream", ["cache-control"] = "no-store",
  })
  response.stream = { position = service.feed.position }
  return response
end

return {
  { path = "^/sandbox/events$", methods = { GET = listen } },
}
