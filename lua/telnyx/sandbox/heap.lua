--- What is to come, by its time; what has the same time comes in the order in which it was put.

local Heap = {}
Heap.__index = Heap

---@return table heap
function Heap.new()
  return setmetatable({ entries = {}, size = 0, n_put = 0 }, Heap)
end

local function is_before(one, other)
  if one.at ~= other.at then return one.at < other.at end
  return one.order < other.order
end

local function rise(entries, place)
  local entry = entries[place]
  while place > 1 do
    local parent = (place - place % 2) / 2
    if is_before(entries[parent], entry) then break end
    entries[place] = entries[parent]
    place = parent
  end
  entries[place] = entry
end

local function sink(entries, size)
  local place, entry = 1, entries[1]
  while true do
    local child = place * 2
    if child > size then break end
    if child < size and is_before(entries[child + 1], entries[child]) then child = child + 1 end
    if is_before(entry, entries[child]) then break end
    entries[place] = entries[child]
    place = child
  end
  entries[place] = entry
end

---@param at number
---@param what any
function Heap:put(at, what)
  self.size, self.n_put = self.size + 1, self.n_put + 1
  self.entries[self.size] = { at = at, order = self.n_put, what = what }
  rise(self.entries, self.size)
end

---When the next is due; nil when there is none.
---@return number|nil
function Heap:next_at()
  return self.size > 0 and self.entries[1].at or nil
end

---Takes the next.
---@return any what nil when there is none
---@return number at
function Heap:take()
  local entries, size = self.entries, self.size
  local first = entries[1]
  if not first then return nil, 0 end
  entries[1] = entries[size]
  entries[size] = nil
  self.size = size - 1
  if self.size > 1 then sink(entries, self.size) end
  return first.what, first.at
end

return Heap
