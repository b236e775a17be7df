--- Who has rows that are due, in the order in which they are served: who was due first goes first,
--- and who was served and has more goes behind the others. Where senders do not matter, all are
--- one.

---@class telnyx.demand_target
---@field sender string|false false: anybody

---@class telnyx.demand
---@field targets telnyx.demand_target[]
---@field private queue telnyx.queue
---@field private is_by_sender boolean
---@field private from string where the next look begins; "": with the first sender
local Demand = {}
Demand.__index = Demand

-- Who has something waiting, when the first of it is due, and where the next look goes on, when
-- there are so many; or nil and why.
local function find_waiting(self)
  if self.is_by_sender then return self.queue:senders(self.from) end
  local due, why = self.queue:next_due()
  if due == nil then return nil, why end
  return due and { { sender = false, due = due } } or {}, ""
end

---Finds out who has rows that are due, of as many senders as one look finds.
---@param at number seconds since 1970
---@return true|nil
---@return string|nil why the journal could not be asked
function Demand:look(at)
  local is_paused, why = self.queue:is_paused()
  if is_paused == nil then return nil, why end
  local waiting, next_or_why = {}, ""
  if not is_paused then waiting, next_or_why = find_waiting(self) end
  if not waiting then return nil, next_or_why end
  self.from = next_or_why
  table.sort(waiting, function(a, b) return a.due < b.due end)
  local list, is_due, is_there = {}, {}, {}
  for _, one in ipairs(waiting) do is_due[one.sender] = one.due <= at end
  for _, target in ipairs(self.targets) do -- who was there keeps the place
    if is_due[target.sender] then list[#list + 1] = target end
    is_there[target.sender] = true
  end
  for _, one in ipairs(waiting) do
    if is_due[one.sender] and not is_there[one.sender] then
      list[#list + 1] = { sender = one.sender }
    end
  end
  self.targets = list
  return true
end

---Whether the last look was not at the last senders, and there is nobody left of those it found.
---@return boolean
function Demand:calls_for_a_look() return not self.targets[1] and self.from ~= "" end

---Puts the target at a place where it belongs now.
---@param place integer
---@param where "here"|"last"|"off"
---@return integer place of the next one
function Demand:put(place, where)
  if where == "here" then return place + 1 end
  local target = table.remove(self.targets, place)
  if where == "last" then self.targets[#self.targets + 1] = target end
  return place
end

local demand = {}

---@param queue telnyx.queue
---@param is_by_sender boolean
---@return telnyx.demand
function demand.new(queue, is_by_sender)
  return setmetatable({ targets = {}, queue = queue, is_by_sender = is_by_sender, from = "" },
    Demand)
end

return demand
