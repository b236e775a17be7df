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

-- Lists that only grow, by name.
local Lists = {}
Lists.__index = Lists

function Lists:read(name) return self.lists[name] or {} end

function Lists:change(name, step)
  local list = self:read(name)
  local i, new = step(list)
  if not i then return false end
  list[i], self.lists[name] = new, list
  return true
end

function Lists:all()
  local all = {}
  for _, list in pairs(self.lists) do
    for _, row in ipairs(list) do all[#all + 1] = row end
  end
  return all
end

function Lists:close() self.lists = {} end

local memory = {}

local function new_store() return setmetatable({ rows = {} }, Memory) end

local function new_lists() return setmetatable({ lists = {} }, Lists) end

---@return table keeper
function memory.new()
  return rows.new { sends = new_store(), events = new_store(), numbers = new_lists(),
    profiles = new_lists() }
end

return memory
