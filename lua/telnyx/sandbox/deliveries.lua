--- Webhooks on their way: which event goes where, when, and how often. It connects to nobody: it
-- hands out attempts that are due, and is told what came of each.

local events = require("telnyx.sandbox.events")
local Heap = require("telnyx.sandbox.heap")
local Ring = require("telnyx.sandbox.ring")
local Signer = require("telnyx.sandbox.signing")

local Deliveries = {}
Deliveries.__index = Deliveries

---@class telnyx.sandbox.attempt
---@field url string
---@field number integer from 1, over all URLs
---@field started_at number
---@field delivery table

---@class telnyx.sandbox.answer what came of an attempt
---@field status integer|nil of the HTTP answer; nil when there was none
---@field headers table<string, string>|nil
---@field body string|nil
---@field code integer|nil why there was none: one of 75000 to 75006

-- Of so many attempts, the newest, the bytes are kept.
local MOST_SHOWN = 1000

local function nobody() end

---@class telnyx.sandbox.deliveries_options
---@field knobs table
---@field uuid fun(): string
---@field keep integer
---@field signing_seed string|nil
---@field on_attempted fun(delivery: table, attempt: table)|nil is told of each that was made
---@field on_turned fun()|nil is told when a knob has been counted down

---@param own telnyx.sandbox.deliveries_options
---@return table deliveries
function Deliveries.new(own)
  local deliveries = setmetatable({
    knobs = own.knobs, uuid = own.uuid, keep = own.keep, signer = Signer.new(own.signing_seed),
    on_attempted = own.on_attempted or nobody, on_turned = own.on_turned or nobody,
  }, Deliveries)
  deliveries:reset()
  return deliveries
end

-- A message knows its deliveries as long as they are kept.
local function add_to_message(delivery)
  local record = delivery.event.record
  record.deliveries = record.deliveries or {}
  table.insert(record.deliveries, delivery)
end

local function take_from_message(delivery)
  local record = delivery.event.record
  for i, one in ipairs(record.deliveries or {}) do
    if one == delivery then
      table.remove(record.deliveries, i)
      break
    end
  end
  if record.deliveries and not record.deliveries[1] then record.deliveries = nil end
end

---Forgets everything but the key pair, and what is under way as well.
function Deliveries:reset()
  self.epoch = (self.epoch or 0) + 1
  self.queue, self.held, self.n_lost = Heap.new(), {}, 0
  self.finished = Ring.new(self.keep, take_from_message)
  self.under_way = {}
  self.made, self.n_made = Ring.new(MOST_SHOWN), 0
end

-- Where nobody takes what is due, it does not pile up for ever.
local MOST_WAITING = 200000

---Plans what is to be told of a message: when the first of it is due, the rest is looked up.
---@param record table
function Deliveries:plan(record)
  local at = events.first_at(record, self.knobs)
  if at and self.queue.size < MOST_WAITING then
    self.queue:put(at, { record = record, plan = record.plan })
  end
end

local function announce_all(self, record)
  if record.cancelled_at then return end
  for _, event in ipairs(events.of(record, self.knobs)) do
    if not events.is_told(event) then
      self.queue:put((event.due or event.at) + self.knobs.delay,
        { event = event, record = record, plan = record.plan })
    end
  end
end

---A message's life has changed: what was planned and is not told yet is planned anew.
---@param record table
function Deliveries:replan(record)
  record.plan = (record.plan or 0) + 1
  if self.queue.size < MOST_WAITING then announce_all(self, record) end
end

---When the next attempt is due; nil when nothing is planned.
---@return number|nil
function Deliveries:next_due()
  if self:is_released() then return -math.huge end
  return self.queue:next_at()
end

-- Counts a knob of the kind "the next so many" down.
local function strikes(self, name)
  if self.knobs[name] == 0 then return false end
  self.knobs[name] = self.knobs[name] - 1
  self.on_turned()
  return true
end

-- The delivery of an event whose time has come, unless nobody is to hear of it.
local function begin(self, event)
  if event.record.cancelled_at then return nil end
  events.tell(event)
  if strikes(self, "lose") then
    self.n_lost = self.n_lost + 1
    return nil
  end
  event.id = self.uuid()
  local delivery = { id = self.uuid(), event = event, url = 1, tries = 0, attempts = {},
    n_attempts = 0, epoch = self.epoch }
  self.under_way[delivery.id] = delivery
  add_to_message(delivery)
  return delivery
end

---Are those that were held back to go now?
---@private
function Deliveries:is_released()
  return self.held[1] ~= nil and #self.held >= self.knobs.burst
end

local function attempt_of(delivery, now, url)
  delivery.n_attempts = delivery.n_attempts + 1
  delivery.started_at = delivery.started_at or now
  return { delivery = delivery, url = url or delivery.event.urls[delivery.url],
    started_at = now, number = delivery.n_attempts }
end

-- A step in the queue becomes an attempt, or is held back with others.
local function take_step(self, step, list, now)
  if step.record and step.plan ~= step.record.plan then return end
  if step.record and not step.event then return announce_all(self, step.record) end
  local delivery = step.delivery or begin(self, step.event)
  if not delivery then return end
  if step.event and self.knobs.burst > 1 then
    self.held[#self.held + 1] = delivery
    return
  end
  local attempt = attempt_of(delivery, now, step.url)
  attempt.is_again = step.is_again
  list[#list + 1] = attempt
end

local function release(self, list, now)
  if not self:is_released() then return end
  for _, delivery in ipairs(self.held) do list[#list + 1] = attempt_of(delivery, now) end
  self.held = {}
end

-- What a clock loses when it is read and added to.
local TOLERANCE = 1e-6

---The attempts that are due, which are under way from then on.
---@param now number
---@param limit integer|nil about how many at once
---@return telnyx.sandbox.attempt[]
function Deliveries:due(now, limit)
  local list = {}
  local next_at = self.queue:next_at()
  while next_at and next_at <= now + TOLERANCE and #list < (limit or math.huge) do
    take_step(self, self.queue:take(), list, now)
    release(self, list, now)
    next_at = self.queue:next_at()
  end
  release(self, list, now)
  return list
end

---The request of an attempt, signed as of now.
---@param attempt telnyx.sandbox.attempt
---@param now number
---@return { url: string, method: string, headers: table<string, string>, body: string }
function Deliveries:request(attempt, now)
  local body = events.body(attempt.delivery.event, attempt.number, attempt.url)
  local headers
  headers, body = self.signer:sign(body, now + self.knobs.timestamp_shift, self.knobs.signature)
  attempt.headers, attempt.body, attempt.signature = headers, body, self.knobs.signature
  return { url = attempt.url, method = "POST", headers = headers, body = body }
end

local OF_STATUS = { [400] = 75400, [404] = 75404, [500] = 75500 }
local OF_CLASS = { [2] = 75299, [3] = 75300, [4] = 75499, [5] = 75599 }

-- Why an attempt failed; nil when it did not.
local function failure(answer, ok)
  local status = answer.status
  if not status then return answer.code or 75000 end
  if status == 200 then return nil end
  local class = (status - status % 100) / 100
  if class == 2 and ok == "2xx" then return nil end
  return OF_STATUS[status] or OF_CLASS[class] or 75000
end

-- One that was given up may be delivered all the same, when somebody has it sent again.
local function finish(self, delivery, status, now)
  if delivery.status == "delivered" or delivery.status == status then return end
  delivery.status, delivery.finished_at = status, now
  delivery.event.record.delivery_status = status
  self.under_way[delivery.id] = nil
  self.finished:put(delivery.id, delivery)
end

local AGAIN_AFTER = 0.1

local function succeed(self, delivery, attempt, now)
  finish(self, delivery, "delivered", now)
  if not attempt.is_again and strikes(self, "duplicate") then
    self.queue:put(now + AGAIN_AFTER, { delivery = delivery, is_again = true })
  end
end

local function try_again(self, delivery, now)
  local knobs = self.knobs
  local tries = knobs.failover == "at_once" and 1 or knobs.tries_per_url
  delivery.tries = delivery.tries + 1
  if delivery.tries < tries then
    local wait = knobs.backoff * 2 ^ (delivery.tries - 1)
    return self.queue:put(now + wait, { delivery = delivery })
  end
  delivery.url, delivery.tries = delivery.url + 1, 0
  if delivery.event.urls[delivery.url] then
    return self.queue:put(now, { delivery = delivery })
  end
  delivery.url = #delivery.event.urls
  return finish(self, delivery, "failed", now)
end

-- Who has one event sent again and again does not fill the memory.
local MOST_ATTEMPTS = 50

local function note(delivery, attempt)
  local attempts, answer = delivery.attempts, attempt.answer
  attempts[#attempts + 1] = {
    url = attempt.url, headers = attempt.headers, answer = answer.status and answer or nil,
    code = attempt.code, started_at = attempt.started_at, finished_at = attempt.finished_at,
    number = attempt.number,
    is_altered = attempt.signature == "altered_body" or nil,
  }
  if #attempts > MOST_ATTEMPTS then
    table.remove(attempts, 1)
    delivery.n_forgotten = (delivery.n_forgotten or 0) + 1
  end
  delivery.text = nil
end

---Tells what came of an attempt.
---@param attempt telnyx.sandbox.attempt
---@param answer telnyx.sandbox.answer
---@param now number
function Deliveries:attempted(attempt, answer, now)
  local delivery, code = attempt.delivery, failure(answer, self.knobs.ok)
  if delivery.epoch ~= self.epoch then return end
  attempt.finished_at, attempt.code, attempt.answer = now, code, answer
  self.n_made = self.n_made + 1
  attempt.seq = self.n_made
  self.made:put(self.n_made, attempt)
  local record = delivery.event.record
  record.n_attempts = (record.n_attempts or 0) + 1
  note(delivery, attempt)
  self.on_attempted(delivery, delivery.attempts[#delivery.attempts])
  if not code then return succeed(self, delivery, attempt, now) end
  if not attempt.is_again then return try_again(self, delivery, now) end
end

---A delivery that is under way or kept.
---@param id string
---@return table|nil delivery
function Deliveries:find(id)
  return self.under_way[id] or self.finished:get(id)
end

---Sends an event again, to where it went last.
---@param delivery table
---@param now number
function Deliveries:resend(delivery, now)
  local last = delivery.attempts[#delivery.attempts]
  self.queue:put(now, { delivery = delivery, is_again = true,
    url = last and last.url or delivery.event.urls[delivery.url] })
end

---The body of an attempt that is kept, as it went out.
---@param delivery table
---@param attempt table one of its attempts
---@return string
function Deliveries.body_of(delivery, attempt)
  local body = events.body(delivery.event, attempt.number, attempt.url)
  return attempt.is_altered and Signer.altered(body) or body
end

---Carries out all that is due where nobody listens: no attempt finds a connection.
---@param now number
function Deliveries:settle(now)
  local next_at = self:next_due()
  while next_at and next_at <= now do
    for _, attempt in ipairs(self:due(next_at > 0 and next_at or now)) do
      self:attempted(attempt, { code = 75002 }, attempt.started_at)
    end
    next_at = self:next_due()
  end
end

return Deliveries
