--- Copies of tables, so that nobody's is changed behind his back.

local tables = {}

---`over` on top of `under`, in a table of its own.
---@param under table
---@param over table
---@return table
function tables.merge(under, over)
  local merged = {}
  for key, value in next, under do merged[key] = value end
  for key, value in next, over do merged[key] = value end
  return merged
end

---A copy one level deep, without metatable.
---@param original table
---@return table
function tables.copy(original)
  local copy = {}
  for key, value in next, original do copy[key] = value end
  return copy
end

-- What is shared stays shared, and what goes round goes round.
local function copy_at_depth(value, copies)
  if type(value) ~= "table" then return value end
  local copy = copies[value]
  if copy then return copy end
  copy = {}
  copies[value] = copy
  for key, item in next, value do copy[key] = copy_at_depth(item, copies) end
  local meta = getmetatable(value)
  return type(meta) == "table" and setmetatable(copy, meta) or copy
end

---A copy of all that is in a value, at any depth, with the metatables of the tables.
---@param value any
---@return any
function tables.deep_copy(value) return copy_at_depth(value, {}) end

-- Lua 5.3 and later.
local to_integer = rawget(math, "tointeger") or function(value) return value end

---Whole numbers as integers, where the language has them: lua-cjson makes a float of every number.
---@param value any changed in place, at any depth
---@return any
function tables.whole_numbers(value)
  if type(value) == "number" and value % 1 == 0 and math.abs(value) < 2 ^ 53 then
    return to_integer(value)
  end
  if type(value) ~= "table" then return value end
  for key, item in pairs(value) do value[key] = tables.whole_numbers(item) end
  return value
end

return tables
