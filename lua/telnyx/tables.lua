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

return tables
