--- The phones that messages were sent to and came from: what is kept of each, in order, and the
-- phones themselves, the one that was in touch last first. It costs no sorting: a phone that is in
-- touch moves to the front. One without a message that is kept is forgotten.

local Queue = require("telnyx.sandbox.queue")

local Phones = {}
Phones.__index = Phones

---@class telnyx.sandbox.phone
---@field number string
---@field messages table a queue of records
---@field n_received integer how many messages ever went to it
---@field n_sent integer how many ever came from it
---@field older telnyx.sandbox.phone|nil
---@field newer telnyx.sandbox.phone|nil

---@return table phones
function Phones.new()
  return setmetatable({ by_number = {}, count = 0 }, Phones)
end

local function take_out(self, phone)
  local older, newer = phone.older, phone.newer
  if older then older.newer = newer end
  if newer then newer.older = older end
  if self.front == phone then self.front = older end
  phone.older, phone.newer = nil, nil
end

local function put_in_front(self, phone)
  local front = self.front
  if front == phone then return end
  take_out(self, phone)
  phone.older = front
  if front then front.newer = phone end
  self.front = phone
end

local function meet(self, number)
  local phone = { number = number, messages = Queue.new(), n_received = 0, n_sent = 0 }
  self.by_number[number] = phone
  self.count = self.count + 1
  return phone
end

---A message went to this phone, or came from it.
---@param number string
---@param record table
function Phones:put(number, record)
  local phone = self.by_number[number] or meet(self, number)
  phone.messages:push(record)
  if record.is_inbound then
    phone.n_sent = phone.n_sent + 1
  else
    phone.n_received = phone.n_received + 1
  end
  put_in_front(self, phone)
end

---The oldest message of a phone is kept no longer.
---@param number string
function Phones:drop(number)
  local phone = self.by_number[number]
  phone.messages:shift()
  if phone.messages:size() > 0 then return end
  take_out(self, phone)
  self.by_number[number] = nil
  self.count = self.count - 1
end

---@param number string
---@return telnyx.sandbox.phone|nil
function Phones:get(number)
  return self.by_number[number]
end

local function step(self, phone)
  if not phone then return self.front end
  return phone.older
end

---Runs through the phones, the one that was in touch last first: `for phone in phones:newest() do`.
---@return function step
---@return table phones
function Phones:newest()
  return step, self
end

return Phones
