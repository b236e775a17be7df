--- The endpoints that show which webhooks were delivered, and how. Those that are still under way
-- are not shown.

local clock = require("telnyx.sandbox.clock")
local events = require("telnyx.sandbox.events")
local json = require("telnyx.sandbox.json")
local message = require("telnyx.sandbox.message")
local query = require("telnyx.sandbox.query")
local reply = require("telnyx.sandbox.reply")
local utf8 = require("telnyx.sandbox.utf8")

local MOST, MOST_BODY = 250, 10000

local function names_in_order(headers)
  local names = {}
  for name in pairs(headers) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- Attempts are written as text at once: a search may have to look into many thousands.
local function add_headers(pieces, headers)
  local comma = "["
  for _, name in ipairs(names_in_order(headers or {})) do
    pieces[#pieces + 1] = comma .. "[" .. json.encode(utf8.escape(name)) .. ","
    pieces[#pieces + 1] = json.encode(utf8.escape(tostring(headers[name])))
    pieces[#pieces + 1] = "]"
    comma = ","
  end
  pieces[#pieces + 1] = comma == "[" and "[]" or "]"
end

local function add_response(pieces, answer)
  pieces[#pieces + 1] = (',"response":{"status":%d,"headers":'):format(answer.status)
  add_headers(pieces, answer.headers)
  pieces[#pieces + 1] = ',"body":'
  pieces[#pieces + 1] = json.encode(utf8.escape((answer.body or ""):sub(1, MOST_BODY)))
  pieces[#pieces + 1] = "}"
end

local function add_attempt(pieces, attempt)
  pieces[#pieces + 1] = ('{"status":"%s","started_at":"%s","finished_at":"%s","errors":[%s],')
    :format(attempt.code and "failed" or "delivered", clock.iso8601(attempt.started_at),
      clock.iso8601(attempt.finished_at), attempt.code or "")
  pieces[#pieces + 1] = '"http":{"request":{"url":'
  pieces[#pieces + 1] = json.encode(attempt.url)
  pieces[#pieces + 1] = ',"headers":'
  add_headers(pieces, attempt.headers)
  pieces[#pieces + 1] = "}"
  if attempt.answer then add_response(pieces, attempt.answer) end
  pieces[#pieces + 1] = "}}"
end

-- The newest first, and behind them the delivery's id, for the reason that events have.
local function searchable_attempts(delivery)
  if delivery.text then return delivery.text end
  local pieces = { "[" }
  for i = #delivery.attempts, 1, -1 do
    add_attempt(pieces, delivery.attempts[i])
    pieces[#pieces + 1] = i > 1 and "," or "]"
  end
  pieces[#pieces + 1] = delivery.id
  delivery.text = table.concat(pieces)
  return delivery.text
end

local function attempts_text(delivery)
  return searchable_attempts(delivery):sub(1, -1 - #delivery.id)
end

local function render(delivery)
  return json.object {
    { "id", delivery.id },
    { "record_type", "webhook_delivery" },
    { "user_id", message.organization },
    { "status", delivery.status },
    { "started_at", clock.iso8601(delivery.started_at) },
    { "finished_at", clock.iso8601(delivery.finished_at) },
    { "webhook", json.literal(events.data_text(delivery.event)) },
    { "attempts", json.literal(attempts_text(delivery)) },
  }
end

local function one_of(text)
  local wanted = {}
  for word in text:gmatch("[^,]+") do wanted[word] = true end
  return wanted
end

local function after(field, bound)
  return function(delivery) return clock.shown(delivery[field]) >= bound end
end

local function before(field, bound)
  return function(delivery) return clock.shown(delivery[field]) <= bound end
end

-- What is no instant bounds nothing.
local function bound(text, default)
  return query.instant(text) or default
end

-- Each makes a test of a filter's value.
local filters = {
  ["filter[status][eq]"] = function(wanted)
    return function(delivery) return delivery.status == wanted end
  end,
  ["filter[event_type]"] = function(wanted)
    local kinds = one_of(wanted)
    return function(delivery) return kinds[delivery.event.kind] == true end
  end,
  ["filter[webhook][contains]"] = function(wanted)
    return function(delivery)
      return events.searchable(delivery.event):find(wanted, 1, true) ~= nil
    end
  end,
  ["filter[attempts][contains]"] = function(wanted)
    return function(delivery)
      return searchable_attempts(delivery):find(wanted, 1, true) ~= nil
    end
  end,
  ["filter[started_at][gte]"] = function(text) return after("started_at", bound(text, 0)) end,
  ["filter[started_at][lte]"] = function(text)
    return before("started_at", bound(text, math.huge))
  end,
  ["filter[finished_at][gte]"] = function(text) return after("finished_at", bound(text, 0)) end,
  ["filter[finished_at][lte]"] = function(text)
    return before("finished_at", bound(text, math.huge))
  end,
}

-- The cheap ones first: those that look into texts have to write them.
local function tests_of(values)
  local tests, is_unknown = {}, false
  for name, wanted in pairs(values) do
    local make = filters[name]
    if make then
      table.insert(tests, name:find("contains", 1, true) and #tests + 1 or 1, make(wanted))
    elseif name:find("^filter") then
      is_unknown = true
    end
  end
  return tests, is_unknown
end

local function is_visible(delivery, now, knobs)
  local age = now - delivery.finished_at
  return age >= knobs.deliveries_lag and age <= (knobs.deliveries_retention or math.huge)
end

local function passes(delivery, tests)
  for _, test in ipairs(tests) do
    if not test(delivery) then return false end
  end
  return true
end

local function find(service, tests)
  local now, found = service.now(), {}
  for _, delivery in service.deliveries.finished:newest() do
    if is_visible(delivery, now, service.knobs) and passes(delivery, tests) then
      found[#found + 1] = delivery
    end
  end
  return found
end

local function list(service, request)
  service:settle()
  local values = query.parse(request.path)
  local tests, is_unknown = tests_of(values)
  local rule = is_unknown and service.knobs.unknown_delivery_filter
  if rule == "422" then return reply.ok(422, "") end
  local found = rule == "empty" and {} or find(service, tests)
  local rows, meta = query.cut(found, query.page(values, MOST))
  for i, delivery in ipairs(rows) do rows[i] = render(delivery) end
  return reply.json(json.object { { "data", json.array(rows) }, { "meta", meta } })
end

local function show(service, _, id)
  service:settle()
  local delivery = service.deliveries.finished:get(id)
  if not delivery or not is_visible(delivery, service.now(), service.knobs) then
    return reply.refuse { { code = "10005" } }
  end
  return reply.json(json.object { { "data", render(delivery) } })
end

return {
  { path = "^/v2/webhook_deliveries$", key = true, methods = { GET = list } },
  { path = "^/v2/webhook_deliveries/([^/]+)$", key = true, methods = { GET = show } },
}
