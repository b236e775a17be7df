--- What is said to those who listen. It is written only when somebody wants to read it.

local Index = require("telnyx.sandbox.phones.index")
local json = require("telnyx.sandbox.json")
local knobs = require("telnyx.sandbox.knobs")
local summary = require("telnyx.sandbox.phones.summary")

local news = {}

local function write_message(service, record)
  return json.encode(json.object(summary.members(record, service.now())))
end

---A message is new.
---@param service table
---@param record table
function news.message(service, record)
  service.feed:publish("message", write_message, service, record)
end

---A message's life has changed.
---@param service table
---@param record table
function news.change(service, record)
  service.feed:publish("change", write_message, service, record)
end

local function write_attempt(delivery, attempt)
  local event = delivery.event
  return json.encode(json.object {
    { "message_id", event.record.id }, { "phones", json.array(Index.phones_of(event.record)) },
    { "delivery_id", delivery.id }, { "event_type", event.kind },
    { "status", attempt.answer and attempt.answer.status }, { "error", attempt.code },
  })
end

---An attempt to deliver a webhook was made.
---@param service table
---@param delivery table
---@param attempt table as the delivery keeps it
function news.webhook(service, delivery, attempt)
  service.feed:publish("webhook", write_attempt, delivery, attempt)
end

local function write_options(service)
  return json.encode(knobs.object(service.knobs))
end

---Options were turned.
---@param service table
function news.options(service)
  service.feed:publish("options", write_options, service)
end

---A post came to nothing.
---@param service table
---@param refusal table for json.encode
function news.refusal(service, refusal)
  service.feed:publish("refusal", function() return json.encode(refusal) end)
end

---Everything was forgotten.
---@param service table
function news.reset(service)
  service.feed:begin_anew("reset", json.encode(json.object { { "epoch", service.epoch } }))
end

return news
