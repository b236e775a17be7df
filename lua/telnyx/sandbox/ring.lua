--- A table that keeps the entries that came last, and forgets the others.

local Ring = {}
Ring.__index = Ring

---@param limit integer how many entries it keeps
---@param on_drop fun(value: any)|nil is told of each that is forgotten
---@return table ring
function Ring.new(limit, on_drop)
  return setmetatable({ limit = limit, entries = {}, order = {}, last = 0, dropped = 0,
    on_drop = on_drop }, Ring)
end

---@param key string
---@return any value nil when there is none, or none any more
function Ring:get(key)
  return self.entries[key]
end

-- The new key takes the place of the oldest.
local function take_place(self, key)
  self.last = self.last % self.limit + 1
  local oldest = self.order[self.last]
  if oldest ~= nil then
    if self.on_drop then self.on_drop(self.entries[oldest]) end
    self.entries[oldest] = nil
    self.dropped = self.dropped + 1
  end
  self.order[self.last] = key
end

---Writes an entry. One that is there already keeps its age.
---@param key string
---@param value any not nil
function Ring:put(key, value)
  if self.entries[key] == nil then take_place(self, key) end
  self.entries[key] = value
end

-- Places begin anew behind the last, and the oldest stands there.
local function step(self, count)
  if count >= #self.order then return nil end
  local place = (self.last - 1 - count) % #self.order + 1
  return count + 1, self.entries[self.order[place]]
end

---Runs through the entries, the newest first: `for _, value in ring:newest() do`.
---@return function step
---@return table ring
---@return integer
function Ring:newest()
  return step, self, 0
end

return Ring
