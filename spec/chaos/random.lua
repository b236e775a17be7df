-- Random numbers that a seed repeats on every Lua.

local MODULUS, MULTIPLIER = 2147483647, 16807

local Random = {}
Random.__index = Random

--- In [0, 1).
function Random:next()
  self.state = self.state * MULTIPLIER % MODULUS
  return (self.state - 1) / (MODULUS - 1)
end

--- A whole number from `low` to `high`.
function Random:whole(low, high)
  return low + math.floor(self:next() * (high - low + 1))
end

function Random:chance(share)
  return self:next() < share
end

function Random:one_of(list)
  return list[self:whole(1, #list)]
end

--- One of the rows of a list, each as likely as its `weight` says.
function Random:weighted(rows)
  local total = 0
  for _, row in ipairs(rows) do total = total + row.weight end
  local at = self:next() * total
  for _, row in ipairs(rows) do
    at = at - row.weight
    if at < 0 then return row end
  end
  return rows[#rows]
end

-- The seeds are near each other; what they begin must not be.
local function mixed(...)
  local state = 1
  for _, seed in ipairs { ... } do
    state = (state * 69069 + seed * 7919 + 12345) % (MODULUS - 1)
  end
  return math.floor(state) + 1
end

--- A generator of its own for each combination of whole numbers.
local function new(...)
  local random = setmetatable({ state = mixed(...) }, Random)
  for _ = 1, 4 do random:next() end
  return random
end

return { new = new }
