--- Events: what the service has to tell of a message, and the text in which it tells it. The keys
-- of its objects are in alphabetical order, at every level.

local clock = require("telnyx.sandbox.clock")
local inbound = require("telnyx.sandbox.inbound")
local json = require("telnyx.sandbox.json")
local message = require("telnyx.sandbox.message")

local events = {}

---@class telnyx.sandbox.event
---@field kind string
---@field at number when it happened
---@field record table the message
---@field urls string[] where it goes, in the order in which they are tried
---@field due number|nil when it is to be told; nil is at once
---@field to table|nil the addressee
---@field name string|integer|nil what it is called among those to its addressee: each is told once
---@field payload fun(): table
---@field id string|nil from when it is under way
---@field data (fun(event: telnyx.sandbox.event): table)|nil for those that have no envelope
---@field has_no_meta boolean|nil

local function add(list, url)
  if url and url ~= "" then list[#list + 1] = url end
end

---Where a profile's events go.
---@param knobs table
---@return string[]
function events.profile_urls(knobs)
  local urls = {}
  add(urls, knobs.profile_webhook_url)
  add(urls, knobs.profile_failover_url)
  return urls
end

---Where a message's events go: to its own URLs, then to its profile's.
---@param record table
---@param knobs table
---@return string[]
function events.urls(record, knobs)
  local fields, urls = record.fields, {}
  add(urls, fields.webhook_url)
  add(urls, fields.webhook_failover_url)
  local is_enough = fields.use_profile_webhooks == false or (knobs.url_rule == "kb" and urls[1])
  if is_enough then return urls end
  for _, url in ipairs(events.profile_urls(knobs)) do add(urls, url) end
  return urls
end

-- What came into the events after 2024.
local YOUNG = {
  num_chars = true, subject = true, wait_seconds = true, smart_encoding_applied = true,
  tcr_campaign_id = true, tcr_campaign_billable = true, tcr_campaign_registered = true,
}

local function without_young(payload)
  local members = {}
  for _, pair in ipairs(payload) do
    if not YOUNG[pair[1]] then members[#members + 1] = pair end
  end
  return json.object(members)
end

local function of_stage(record, to, stage, urls, knobs)
  return { kind = stage.event, at = stage.at, due = stage.due, record = record, urls = urls,
    payload = function()
      local payload = message.render_event(record, to, stage, stage.at)
      return knobs.event_fields == "2024" and without_young(payload) or payload
    end }
end

-- A link that is clicked is told of without an envelope, and without saying what it is.
local function click(event, record, to, profile_urls)
  return { kind = "link_clicked", at = event.at, record = record,
    urls = profile_urls[1] and profile_urls or event.urls, has_no_meta = true,
    data = function()
      return json.object {
        { "record_type", "link_clicked" }, { "message_id", record.id }, { "to", to.number },
        { "url", "https://sandbox.invalid/clicked" },
        { "time_clicked", clock.iso8601(event.at) },
      }
    end }
end

local function unknown_events(event, record, to, knobs)
  return {
    click(event, record, to, events.profile_urls(knobs)),
    { kind = "message.foo", at = event.at, record = record, urls = event.urls,
      payload = event.payload },
    { kind = event.kind, at = event.at, record = record, urls = event.urls,
      payload = event.payload, has_no_meta = true },
  }
end

-- A pause that shows in which order two events came.
local AFTER = 0.2

-- What was first is told last.
local function swap(list)
  local first, last = list[1], list[#list]
  if #list > 1 then first.due = (last.due or last.at) + AFTER end
end

local ODD = { "click", "unknown", "bare" }

local function life_of(record, to, urls, knobs)
  local list = {}
  for _, stage in ipairs(message.stages(record, to)) do
    if stage.event then
      list[#list + 1] = of_stage(record, to, stage, urls, knobs)
      list[#list].name = #list
    end
  end
  if knobs.swap then swap(list) end
  if knobs.unknown_events then
    for i, one in ipairs(unknown_events(list[#list], record, to, knobs)) do
      one.name = ODD[i]
      list[#list + 1] = one
    end
  end
  for _, event in ipairs(list) do event.to = to end
  return list
end

-- So long after it was received, a message was seen to be told of.
local HANDLING = 0.3

local function of_inbound(record, knobs)
  local urls = events.profile_urls(knobs)
  if not urls[1] then return {} end
  return { { kind = "message.received", at = record.received_at + HANDLING, record = record,
    urls = urls, payload = function() return inbound.render(record, knobs) end } }
end

---When the first of a message's events is; nil when nobody is to hear of any.
---@param record table
---@param knobs table
---@return number|nil
function events.first_at(record, knobs)
  if record.is_inbound then
    return events.profile_urls(knobs)[1] and record.received_at + HANDLING
  end
  local start = record.send_at or record.received_at
  return events.urls(record, knobs)[1] and start + record.timeline.sent
end

---All that is to be told of a message.
---@param record table
---@param knobs table
---@return telnyx.sandbox.event[]
function events.of(record, knobs)
  if record.is_inbound then return of_inbound(record, knobs) end
  local urls, list = events.urls(record, knobs), {}
  if not urls[1] then return list end
  for _, to in ipairs(record.to) do
    for _, event in ipairs(life_of(record, to, urls, knobs)) do list[#list + 1] = event end
  end
  return list
end

local function envelope(event)
  return json.object {
    { "event_type", event.kind }, { "id", event.id }, { "occurred_at", clock.iso8601(event.at) },
    { "payload", event.payload() }, { "record_type", "event" },
  }
end

---Was it told already, or was it lost?
---@param event telnyx.sandbox.event
---@return boolean
function events.is_told(event)
  local told = event.to and event.to.told
  return told ~= nil and told[event.name] == true
end

---Now it is told.
---@param event telnyx.sandbox.event
function events.tell(event)
  if not event.to then return end
  event.to.told = event.to.told or {}
  event.to.told[event.name] = true
end

---The part of an event that is the same in every attempt, to be looked through. Its id follows: of
-- a long string LuaJIT hashes but a few places, the end among them, and texts that are alike
-- there would all be compared with each other.
---@param event telnyx.sandbox.event that is under way
---@return string
function events.searchable(event)
  if not event.text then
    event.text = json.encode(json.sorted((event.data or envelope)(event))) .. event.id
    event.payload, event.data = nil, nil -- written once, they are not needed again
  end
  return event.text
end

---The part of an event that is the same in every attempt.
---@param event telnyx.sandbox.event that is under way
---@return string JSON
function events.data_text(event)
  return events.searchable(event):sub(1, -1 - #event.id)
end

---The whole body of one attempt.
---@param event telnyx.sandbox.event
---@param number integer
---@param url string
---@return string
function events.body(event, number, url)
  local text = '{"data":' .. events.data_text(event)
  if event.has_no_meta then return text .. "}" end
  local meta = json.object { { "attempt", number }, { "delivered_to", url } }
  return text .. ',"meta":' .. json.encode(meta) .. "}"
end

return events
