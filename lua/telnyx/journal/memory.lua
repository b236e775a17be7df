--- A journal that lives as long as the program: a table of rows.

local rows = require("telnyx.journal.rows")

local Memory = {}
Memory.__index = Memory

function Memory:get(key) return self.rows[key] or false end

function Memory:change(key, step)
  local row = self.rows[key]
  local new = step(row)
  if not new then return false, row end
  self.rows[key] = new
  return true
end

function Memory:remove(key, is_wanted)
  if not (self.rows[key] and is_wanted(self.rows[key])) then return false end
  self.rows[key] = nil
  return true
end

function Memory:list()
  local list = {}
  for _, row in pairs(self.rows) do list[#list + 1] = row end
  return list
end

function Memory:close() self.rows = {} end

local memory = {}

---@return table keeper
function memory.new() return rows.new(setmetatable({ rows = {} }, Memory)) end

return memory
