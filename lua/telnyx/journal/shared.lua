--- A journal in a dictionary that all workers of one nginx share: it outlives a worker and a
--- reload, and ends with nginx. A row is one record of one length, added at the claim if there is
--- room, and written over in place: what was claimed can be finished in a full dictionary. Nothing
--- is ever set that could push another out.

local lock = require("telnyx.journal.lock")
local record = require("telnyx.journal.record")
local rows = require("telnyx.journal.rows")

local Shared = {}
Shared.__index = Shared

local PREFIX = "j:"

local FULL = "the journal's dictionary is full: journal:purge makes room; one of another size is"
  .. " another memory, and would have all of it sent again"
local FOREIGN = "the journal's dictionary holds something else under this key"

-- A row, or nil; or nil, why.
local function read(dict, key)
  local bytes = dict:get(PREFIX .. key)
  if bytes == nil then return nil end
  local row = record.read(bytes, key)
  return row, not row and FOREIGN or nil
end

function Shared:get(key)
  local row, why = read(self.dict, key)
  if why then return nil, why end
  return row or false
end

local function change_locked(dict, key, step)
  local row, why = read(dict, key)
  if why then return nil, why end
  local new = step(row)
  if not new then return false, row end
  local put = row and dict.safe_set or dict.safe_add
  local ok, put_why = put(dict, PREFIX .. key, record.write(new))
  if ok then return true end
  return nil, put_why == "no memory" and FULL or tostring(put_why)
end

function Shared:change(key, step)
  return lock.with(self.dict, key, change_locked, self.dict, key, step)
end

local function remove_locked(dict, key, is_wanted)
  local row, why = read(dict, key)
  if why then return nil, why end
  if not row or not is_wanted(row) then return false end
  dict:delete(PREFIX .. key)
  return true
end

function Shared:remove(key, is_wanted)
  return lock.with(self.dict, key, remove_locked, self.dict, key, is_wanted)
end

-- nginx holds up all that use the dictionary while it lists the names.
function Shared:list()
  local list = {}
  for _, name in ipairs(self.dict:get_keys(0)) do
    local row = name:sub(1, #PREFIX) == PREFIX and read(self.dict, name:sub(#PREFIX + 1))
    if row then list[#list + 1] = row end
  end
  return list
end

function Shared.close() end

local shared = {}

---@param dict table an `ngx.shared.DICT`
---@return table keeper
function shared.new(dict)
  return rows.new(setmetatable({ dict = dict }, Shared), record.fit)
end

return shared
