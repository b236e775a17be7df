--- What has come of messages and is to be told: callbacks that are due, in their order, and what
--- callbacks and tasks have raised. A callback is told of once, if at all.

---@class telnyx.news
---@field ended any[] three slots for each that is done: its callback, message and result
---@field n_slots integer of those, how many are taken
---@field n_told integer and how many of them are done with
---@field faults { value: any }[] what was raised, and nobody has been told of
---@field is_telling boolean whether a callback is running while a `send` waits
local News = {}
News.__index = News

---@return telnyx.news
local function new()
  return setmetatable({
    ended = {}, n_slots = 0, n_told = 0, faults = {}, is_telling = false,
  }, News)
end

---@param callback function
---@param message table|nil
---@param result table
function News:add(callback, message, result)
  local ended, n = self.ended, self.n_slots
  ended[n + 1], ended[n + 2], ended[n + 3] = callback, message or false, result
  self.n_slots = n + 3
end

---@param value any what was raised
function News:add_fault(value)
  self.faults[#self.faults + 1] = { value = value }
end

---@return boolean
function News:is_due()
  return self.n_slots > self.n_told or #self.faults > 0
end

-- Counted first, since a callback may step the loop, and raise.
local function next_ended(self)
  local ended = self.ended
  while self.n_told < self.n_slots do
    local n = self.n_told
    local callback, message, result = ended[n + 1], ended[n + 2], ended[n + 3]
    self.n_told = n + 3
    ended[n + 1], ended[n + 2], ended[n + 3] = false, false, false
    if callback then return callback, message or nil, result end
  end
  if self.n_slots > 0 then self.n_slots, self.n_told = 0, 0 end
end

---On the caller's own thread, where a callback may yield and raise as it likes.
function News:call_back()
  local callback, message, result = next_ended(self)
  while callback do
    callback(message, result)
    callback, message, result = next_ended(self)
  end
end

---While a `send` waits, what others' callbacks raise must not cost it its outcome. One that
---sends in its turn does not hear of others meanwhile: the stack is not without end.
function News:call_back_protected()
  if self.is_telling or self.n_told == self.n_slots then return end
  self.is_telling = true
  local callback, message, result = next_ended(self)
  while callback do
    local ok, err = pcall(callback, message, result)
    if not ok then self:add_fault(err) end
    callback, message, result = next_ended(self)
  end
  self.is_telling = false
end

---Raises the first of what was raised.
function News:raise()
  if #self.faults == 0 then return end
  error(table.remove(self.faults, 1).value, 0)
end

return { new = new }
