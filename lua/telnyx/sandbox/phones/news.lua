--- What is said to those who listen. It is written only when somebody wants to read it.

local Index = require("telnyx.sandbox.phones.index")
local json = require("telnyx.sandbox.json")
local knobs = require("telnyx.sandbox.knobs")
local summary = require("telnyx.sandbox.phones.summary")

local news = {}

local function tell_of(service, kind, record)
  service.feed:publish(kind, function()
    return json.encode(json.object(summary.members(record, service.now())))
  end)
end

---A message is new.
---@param service table
---@param record table
function news.message(service, record)
  tell_of(service, "message", record)
end

---A message's life has changed.
---@param service table
---@param record table
function news.change(service, record)
  tell_of(service, "change", record)
end

---An attempt to deliver a webhook was made.
---@param service table
---@param attempt telnyx.sandbox.attempt
function news.webhook(service, attempt)
  local delivery = attempt.delivery
  local event, status, code = delivery.event, attempt.answer.status, attempt.code
  service.feed:publish("webhook", function()
    return json.encode(json.object {
      { "message_id", event.record.id }, { "phones", json.array(Index.phones_of(event.record)) },
      { "delivery_id", delivery.id }, { "event_type", event.kind }, { "status", status },
      { "error", code },
    })
  end)
end

---Options were turned.
---@param service table
function news.options(service)
  service.feed:publish("options", function()
    return json.encode(knobs.object(service.knobs))
  end)
end

---Everything was forgotten.
---@param service table
function news.reset(service)
  service.feed:begin_anew("reset", json.encode(json.object { { "epoch", service.epoch } }))
end

return news
