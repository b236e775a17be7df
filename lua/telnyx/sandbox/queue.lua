--- A list that grows at its end and is forgotten from its beginning.

local Queue = {}
Queue.__index = Queue

---@return table queue its values are `items[head]` to `items[tail]`
function Queue.new()
  return setmetatable({ items = {}, head = 1, tail = 0 }, Queue)
end

---@param value any not nil
function Queue:push(value)
  self.tail = self.tail + 1
  self.items[self.tail] = value
end

-- Moving costs as much as was taken away before.
local LEAST_GAP = 32

local function close_gap(self)
  local items = {}
  for place = self.head, self.tail do items[#items + 1] = self.items[place] end
  self.items, self.head, self.tail = items, 1, #items
end

---Takes the oldest.
---@return any value nil when there is none
function Queue:shift()
  if self.head > self.tail then return nil end
  local value = self.items[self.head]
  self.items[self.head] = nil
  self.head = self.head + 1
  if self.head > LEAST_GAP and self.head * 2 > self.tail then close_gap(self) end
  return value
end

---@return any value nil when there is none
function Queue:newest()
  return self.items[self.tail]
end

---@return integer
function Queue:size()
  return self.tail - self.head + 1
end

return Queue
