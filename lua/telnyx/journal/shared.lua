--- A journal in a dictionary that all workers of one nginx share: it outlives a worker and a
--- reload, and ends with nginx. A row is one record of one length, added at the claim if there is
--- room, and written over in place: what was claimed can be finished in a full dictionary. Nothing
--- is ever set that could push another out.

local lock = require("telnyx.journal.lock")
local record = require("telnyx.journal.record")
local rows = require("telnyx.journal.rows")

local FULL = "the journal's dictionary is full: journal:purge makes room; one of another size is"
  .. " another memory, and would have all of it sent again"
local FOREIGN = "the journal's dictionary holds something else under this key"

-- A row, or nil; or nil, why.
local function read(self, name)
  local bytes = self.dict:get(self.prefix .. name)
  if bytes == nil then return nil end
  local row = self.record:read(bytes, name)
  return row, not row and FOREIGN or nil
end

-- Over one of the same length, or where there is room.
local function put(self, name, row, is_there)
  local dict = self.dict
  local ok, why = (is_there and dict.safe_set or dict.safe_add)(dict, self.prefix .. name,
    self.record:write(row))
  if ok then return true end
  return nil, why == "no memory" and FULL or tostring(why)
end

-- What is kept under names that begin so. nginx holds up all that use the dictionary meanwhile.
local function all_of(self)
  local list = {}
  for _, name in ipairs(self.dict:get_keys(0)) do
    local is_ours = name:sub(1, #self.prefix) == self.prefix
    local row = is_ours and read(self, name:sub(#self.prefix + 1))
    if row then list[#list + 1] = row end
  end
  return list
end

-- Rows by their names -----------------------------------------------------------------------------

local Shared = {}
Shared.__index = Shared

function Shared:get(name)
  local row, why = read(self, name)
  if why then return nil, why end
  return row or false
end

local function change_locked(self, name, step)
  local row, why = read(self, name)
  if why then return nil, why end
  local new = step(row)
  if not new then return false, row end
  return put(self, name, new, row ~= nil)
end

function Shared:change(name, step)
  return lock.with(self.dict, name, change_locked, self, name, step)
end

local function remove_locked(self, name, is_wanted)
  local row, why = read(self, name)
  if why then return nil, why end
  if not row or not is_wanted(row) then return false end
  self.dict:delete(self.prefix .. name)
  return true
end

function Shared:remove(name, is_wanted)
  return lock.with(self.dict, name, remove_locked, self, name, is_wanted)
end

Shared.list = all_of

function Shared.close() end

-- Lists that only grow ----------------------------------------------------------------------------

local Lists = {}
Lists.__index = Lists

-- No name has a NUL.
local function place(name, i) return name .. "\0" .. i end

function Lists:read(name)
  local list = {}
  while true do
    local row, why = read(self, place(name, #list + 1))
    if why then return nil, why end
    if not row then return list end
    row[self.record.id] = name
    list[#list + 1] = row
  end
end

local function change_list_locked(self, name, step)
  local list, why = self:read(name)
  if not list then return nil, why end
  local i, new = step(list)
  if not i then return false end
  return put(self, place(name, i), new, list[i] ~= nil)
end

function Lists:change(name, step)
  return lock.with(self.dict, name, change_list_locked, self, name, step)
end

function Lists:all()
  local list, id = all_of(self), self.record.id
  for _, row in ipairs(list) do row[id] = row[id]:match("^%Z*") end
  return list
end

function Lists.close() end

local shared = {}

local function new(class, dict, prefix, layout)
  return setmetatable({ dict = dict, prefix = prefix, record = layout,
    fit = function(given) return layout:fit(given) end }, class)
end

---@param dict table an `ngx.shared.DICT`
---@return table keeper
function shared.new(dict)
  return rows.new { sends = new(Shared, dict, "j:", record.send),
    events = new(Shared, dict, "e:", record.event),
    numbers = new(Lists, dict, "o:", record.optout),
    profiles = new(Lists, dict, "p:", record.profile) }
end

return shared
