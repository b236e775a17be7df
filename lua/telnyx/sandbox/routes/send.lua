--- The endpoints that take a message.

local chunks = require("telnyx.sandbox.chunks")
local endpoints = require("telnyx.sandbox.endpoints")
local forecast = require("telnyx.sandbox.forecast")
local key_of = require("telnyx.sandbox.key")
local message = require("telnyx.sandbox.message")
local read_object = require("telnyx.sandbox.body")
local reference_of = require("telnyx.sandbox.reference")
local replay = require("telnyx.sandbox.replay")
local reply = require("telnyx.sandbox.reply")
local validate = require("telnyx.sandbox.validate")
local weather = require("telnyx.sandbox.weather")

local function is_json(request)
  local kind = (request.headers["content-type"] or ""):lower()
  return kind:match("^%s*([^;%s]*)") == "application/json"
end

local function read_body(request)
  if not is_json(request) then return nil, { code = "10029" } end
  return read_object(request)
end

local function rulebook(service, request, endpoint, now)
  return setmetatable({ now = now, source = request.body, segments = service.segments,
    endpoint = endpoint }, { __index = service.knobs })
end

-- The weather over a recipient: his own, or what is set for everybody.
local function row_of(service, number)
  return weather.find(number) or weather.of_digits(service.knobs.weather)
end

-- The same, unless it has already struck this message as often as it does.
local function weather_for(service, number, reference)
  local row = row_of(service, number)
  if not row or not row.times then return row end
  local count = service.store:strike(row.number .. " " .. reference)
  return count <= row.times and row or nil
end

local function numbers_of(fields)
  return type(fields.to) == "table" and fields.to or { fields.to }
end

local OTHER_END = {
  delivered = { status = "delivery_failed", code = "40008" },
}

-- A second end contradicts the first.
local function with_second(fate, after)
  local other = OTHER_END[fate.status] or { status = "delivered" }
  return { status = fate.status, code = fate.code,
    second = { after = after, status = other.status, code = other.code } }
end

-- Of a member of a group that is not on the service's own net, nothing is known.
local function fate_in_group(fate)
  return fate and fate.status == "delivery_unconfirmed" and { status = "unknown" } or fate
end

-- The carrier of a toll-free number may know of a STOP that no rule here knows of any more.
local BLOCKED = { status = "delivery_failed", code = "40300" }

local function fate_of(service, sender, number, is_group)
  local row, knobs = row_of(service, number), service.knobs
  if sender and service.optouts:is_blocked_by_carrier(sender, number) then return BLOCKED end
  local fate = row and row.fate
  if is_group then fate = fate_in_group(fate) end
  if knobs.no_dlr and not fate then return { status = "sent", no_receipt = true } end
  if knobs.late_second_final == 0 then return fate end
  return with_second(fate or { status = "delivered" }, knobs.late_second_final)
end

local function profile_of(service, fields)
  return fields.messaging_profile_id or service.store:profile_of(fields.from)
end

-- Why the service lets nothing through to an addressee who said STOP; nil when it does.
local function find_block(service, fields)
  local profile = profile_of(service, fields)
  for i, number in ipairs(numbers_of(fields)) do
    if service.optouts:blocks(profile, number) then
      return { code = "40300", pointer = type(fields.to) == "table" and "/to/" .. i - 1 or "/to",
        detail = ("Messages cannot be sent from '%s' to '%s' due to an existing block rule.")
          :format(fields.from or "the number pool", number) }
    end
  end
end

local function addressees(service, fields, is_group)
  local list = {}
  for i, number in ipairs(numbers_of(fields)) do
    list[i] = { number = number, fate = fate_of(service, fields.from, number, is_group) }
  end
  return list
end

-- What is told before the reply has happened before it.
local function timeline_of(knobs)
  if knobs.before_reply then return { sent = 0, completed = 0 } end
  return { sent = knobs.t_sent, completed = knobs.t_finalized }
end

local function make_record(service, fields, facts, endpoint, now)
  local knobs = service.knobs
  local record = message.new(fields, facts, {
    id = service.uuid(), now = now, to = addressees(service, fields, endpoint.is_group),
    timeline = timeline_of(knobs),
    cost_after = knobs.cost_after, profile = profile_of(service, fields),
  })
  record.group = endpoint.is_group
  return record
end

local function with_text(fields, text)
  local other = {}
  for name, value in pairs(fields) do other[name] = value end
  other.text = text
  return other
end

-- How the pieces of a text are counted: as the whole was.
local function how_counted(analysis)
  if analysis.encoding == "UCS-2" then return { encoding = "ucs2" } end
  return { encoding = "auto", smart = (analysis.replaced or 0) > 0 }
end

-- What is too long for one message goes as several, each with a life of its own.
local function add_children(service, parent, facts, endpoint)
  local pieces = chunks(parent.fields.text, service.segments, how_counted(facts.analysis),
    service.knobs.max_parts)
  parent.children = {}
  for i, piece in ipairs(pieces) do
    local child = make_record(service, with_text(parent.fields, piece.text),
      { type = "SMS", analysis = piece.analysis, send_at = facts.send_at,
        sender = facts.sender }, endpoint, parent.received_at)
    child.parent_id, child.key, child.reference = parent.id, parent.key, parent.reference
    parent.children[i] = child
    service.store:keep_message(child)
    service.deliveries:plan(child)
  end
end

local function accept(service, fields, facts, origin, endpoint, now)
  local record = make_record(service, fields, facts, endpoint, now)
  record.reference, record.key = origin.reference, origin.key
  record.is_parent = facts.type == "SMS" and record.parts > service.knobs.max_parts or nil
  if fields.from and fields.messaging_profile_id then
    service.store:assign(fields.from, fields.messaging_profile_id)
  end
  service.store:accept(record, origin.reference)
  if record.is_parent then
    add_children(service, record, facts, endpoint)
  else
    service.deliveries:plan(record)
  end
  return record
end

-- What is set for everybody may be set for a number of posts.
local function count_weather(service, fields)
  local knobs, is_over_one = service.knobs, false
  if not knobs.weather or knobs.weather_times == 0 then return end
  for _, number in ipairs(numbers_of(fields)) do
    if not weather.find(number) then is_over_one = true end
  end
  if not is_over_one then return end
  knobs.weather_times = knobs.weather_times - 1
  if knobs.weather_times == 0 then knobs.weather = nil end
  service:tell_options()
end

-- The second result is the reply that a broken connection kept from the client.
local function create(service, request, endpoint, now)
  local body, unreadable = read_body(request)
  if not body then return reply.refuse { unreadable } end
  local reference = reference_of(body)
  service.store:seen(reference)
  local problems, facts, fields = validate(body, rulebook(service, request, endpoint, now))
  if #problems > 0 then return reply.refuse(problems) end
  local block = find_block(service, fields)
  if block then return reply.refuse { block } end
  local row = weather_for(service, numbers_of(fields)[1], reference)
  local record
  if not row or row.accepted then
    local origin = { reference = reference, key = key_of(request, fields) }
    record = accept(service, fields, facts, origin, endpoint, now)
  end
  count_weather(service, fields)
  local accepted = record and reply.ok(200, message.body(record, now))
  if row and not row.fate then
    return forecast.response(row, record, now), row.stage and accepted
  end
  return accepted
end

-- A request that is answered without being carried out still counts as a post.
local function count(service, request)
  local body = read_body(request)
  if body then service.store:seen(reference_of(body)) end
end

local function create_once(service, request, endpoint, now, key)
  local response, unheard = create(service, request, endpoint, now)
  local kept = replay.keep(request, unheard or response)
  if kept then service.store:keep_reply(key, kept) end
  return response
end

local function answer(service, request, endpoint, now)
  local key = service.knobs.idempotency and request.headers["idempotency-key"]
  if not key then return (create(service, request, endpoint, now)) end
  local kept = replay.is_key(key) and service.store:reply(key)
  if kept == nil then return create_once(service, request, endpoint, now, key) end
  count(service, request)
  if not kept then return reply.refuse { replay.problems.malformed } end
  if kept.body ~= request.body then return reply.refuse { replay.problems.reused } end
  return replay.again(kept)
end

local function sends_through(endpoint)
  return function(service, request)
    local now = service.now()
    local allowed, headers = service.limiter:take(now, service.knobs.rate_limit)
    local response = allowed and answer(service, request, endpoint, now)
      or reply.refuse { { code = "10011" } }
    for name, value in pairs(headers) do
      -- A 429 of the weather says about waiting what its row says, and no more.
      if response.status ~= 429 or not allowed then response.headers[name] = value end
    end
    return response
  end
end

local function is_not_for_this_account()
  return reply.refuse { { code = "10038" } }
end

-- Another channel than SMS and MMS needs a contract that this account has not.
local places = {
  { path = "^/v2/messages/whatsapp$", methods = { POST = is_not_for_this_account } },
  { path = "^/v2/messages/rcs$", methods = { POST = is_not_for_this_account } },
  { path = "^/v2/messages/rcs/deeplinks/[^/]+$", methods = { GET = is_not_for_this_account } },
}
for name, endpoint in pairs(endpoints) do
  local path = name == "messages" and "" or "/" .. name
  places[#places + 1] = { path = "^/v2/messages" .. path .. "$", counts = true,
    methods = { POST = sends_through(endpoint) } }
end
for _, place in ipairs(places) do place.key = true end

return places
