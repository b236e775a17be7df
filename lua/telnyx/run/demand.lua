--- Who has rows that are due, and whose turn it is to be served: of those who wait for nothing, who
--- was served longest ago. Who waits for a pace is not looked at before its time. Where senders do
--- not matter, all are one.

---@class telnyx.demand_target
---@field sender string|false false: anybody
---@field served integer the how manyth it was that was served last; 0: never
---@field wake_at number of one that waits, on the worker's clock
---@field is_gone boolean it has nothing that is due any more

---@class telnyx.demand
---@field private by_sender table<string|false, telnyx.demand_target>
---@field private ready telnyx.demand_target[] in their order
---@field private waiting telnyx.demand_target[] a heap: the first wakes first
---@field private n_served integer
---@field private queue telnyx.queue
---@field private is_by_sender boolean
---@field private from string where the next look begins; "": with the first sender
local Demand = {}
Demand.__index = Demand

-- Who waits -------------------------------------------------------------------------------------

local function swap(heap, i, j) heap[i], heap[j] = heap[j], heap[i] end

local function push(heap, target)
  local i = #heap + 1
  heap[i] = target
  while i > 1 do
    local above = math.floor(i / 2)
    if heap[above].wake_at <= heap[i].wake_at then return end
    swap(heap, i, above)
    i = above
  end
end

local function pop(heap)
  local first, n, i = heap[1], #heap, 1
  local last = heap[n]
  heap[n] = nil
  if n == 1 then return first end
  heap[1] = last
  while true do
    local least, left, right = i, heap[2 * i], heap[2 * i + 1]
    if left and left.wake_at < heap[least].wake_at then least = 2 * i end
    if right and right.wake_at < heap[least].wake_at then least = 2 * i + 1 end
    if least == i then return first end
    swap(heap, i, least)
    i = least
  end
end

-- Who is there ------------------------------------------------------------------------------------

-- Who has something waiting, when the first of it is due, and where the next look goes on, when
-- there are so many; or nil and why.
local function find_waiting(self)
  if self.is_by_sender then return self.queue:senders(self.from) end
  local due, why = self.queue:next_due()
  if due == nil then return nil, why end
  return due and { { sender = false, due = due } } or {}, ""
end

local function add(self, sender)
  if self.by_sender[sender] then return end
  local target = { sender = sender, served = 0, wake_at = 0, is_gone = false }
  self.by_sender[sender] = target
  self.ready[#self.ready + 1] = target
end

local function forget(self, target)
  target.is_gone = true
  self.by_sender[target.sender] = nil
end

local function forget_others(self, is_due)
  local gone = {}
  for sender, target in pairs(self.by_sender) do
    if not is_due[sender] then gone[#gone + 1] = target end
  end
  for _, target in ipairs(gone) do forget(self, target) end
end

local function waiting_unless_paused(self)
  local is_paused, why = self.queue:is_paused()
  if is_paused == nil then return nil, why end
  if is_paused then return {}, "" end
  return find_waiting(self)
end

---Finds out who has rows that are due, of as many senders as one look finds. While it is paused,
---nobody has.
---@param at number seconds since 1970
---@return true|nil
---@return string|nil why the journal could not be asked
function Demand:look(at)
  local waiting, next_or_why = waiting_unless_paused(self)
  if not waiting then return nil, next_or_why end
  local is_all = self.from == "" and next_or_why == ""
  self.from = next_or_why
  table.sort(waiting, function(a, b) return a.due < b.due end)
  local is_due = {}
  for _, one in ipairs(waiting) do
    if one.due <= at then
      is_due[one.sender] = true
      add(self, one.sender)
    end
  end
  if is_all then forget_others(self, is_due) end -- else who has nothing is found out when served
  return true
end

---Whether the last look was not at the last senders, and nobody is ready of those that were found.
---@return boolean
function Demand:calls_for_a_look() return self.from ~= "" and not self.ready[1] end

---Whether all senders were looked at, and each is one for whom `is_so(sender)` holds.
---@param is_so fun(sender: string|false): boolean
---@return boolean
function Demand:are_all(is_so)
  if self.from ~= "" then return false end
  for sender in pairs(self.by_sender) do
    if not is_so(sender) then return false end
  end
  return true
end

---@return boolean
function Demand:is_none() return next(self.by_sender) == nil end

-- Whose turn it is --------------------------------------------------------------------------------

local function was_served_before(a, b) return a.served < b.served end

---Makes ready whose wait is over.
---@param now number
---@return integer n_ready
function Demand:wake(now)
  local awake = {}
  while self.waiting[1] and self.waiting[1].wake_at <= now do
    awake[#awake + 1] = pop(self.waiting)
  end
  table.sort(awake, was_served_before)
  for _, target in ipairs(awake) do self.ready[#self.ready + 1] = target end
  return #self.ready
end

---The first who is ready, and stays it until `put`.
---@return telnyx.demand_target|nil
function Demand:first()
  while self.ready[1] and self.ready[1].is_gone do table.remove(self.ready, 1) end
  return self.ready[1]
end

---What has become of the first.
---@param now number
---@param more_at number|false when it may have more; false: it has nothing that is due
---@param n_begun integer
function Demand:put(now, more_at, n_begun)
  local target = table.remove(self.ready, 1)
  if n_begun > 0 then
    self.n_served = self.n_served + 1
    target.served = self.n_served
  end
  if not more_at then return forget(self, target) end
  if more_at > now then
    target.wake_at = more_at
    push(self.waiting, target)
  else
    self.ready[#self.ready + 1] = target
  end
end

---When somebody is to be served.
---@param now number
---@return number
function Demand:next_at(now)
  if self.ready[1] then return now end
  return self.waiting[1] and self.waiting[1].wake_at or math.huge
end

local demand = {}

---@param queue telnyx.queue
---@param is_by_sender boolean
---@return telnyx.demand
function demand.new(queue, is_by_sender)
  return setmetatable({ by_sender = {}, ready = {}, waiting = {}, n_served = 0, queue = queue,
    is_by_sender = is_by_sender, from = "" }, Demand)
end

return demand
