--- What a worker owes its journal: ends that could not be written down, claims that could not be
--- given back, and rows of a take whose answer was lost. It is tried again until it is settled.

local core = require("telnyx.core")
local once = require("telnyx.send.once")

-- How long trying may go on when it fails.
local TRYING_S = 1
-- A take whose answer was lost may be done so much later.
local LATE_S = 15

---@class telnyx.debts
---@field private journal telnyx.journal
---@field private queue telnyx.queue
---@field private clock fun(): number the loop's
---@field private fresh telnyx.unwritten[] not tried again so far
---@field private late telnyx.unwritten[] tried in vain, as where another holds the row
---@field private lost_takes { claim: string, until_: number }[]
local Debts = {}
Debts.__index = Debts

---@return boolean
function Debts:is_none() return not (self.fresh[1] or self.late[1] or self.lost_takes[1]) end

---How many ends, or claims to be given back, are not written down.
---@return integer
function Debts:n() return #self.fresh + #self.late end

---Whether some were not tried again so far.
---@return boolean
function Debts:has_fresh() return self.fresh[1] ~= nil end

---Whether the end of a claim is known here, and only not yet written down.
---@param claim string
---@return boolean
function Debts:knows(claim)
  for _, list in ipairs { self.fresh, self.late } do
    for _, one in ipairs(list) do
      if one.change.claim == claim then return true end
    end
  end
  return false
end

---@param unwritten telnyx.unwritten
function Debts:add(unwritten) self.fresh[#self.fresh + 1] = unwritten end

---@param claim string of a take that may be done, or still be done
function Debts:add_take(claim)
  self.lost_takes[#self.lost_takes + 1] = { claim = claim, until_ = self.clock() + LATE_S }
end

---Lets a row wait again: nothing was posted under this claim.
---@param row { key: string, claim: string }
function Debts:give_back(row)
  local change = { key = row.key, claim = row.claim, now = core.now() }
  local ok, done = pcall(self.journal.release, self.journal, change)
  if not ok or done == nil then self:add { method = "release", change = change } end
end

-- It may be done after it was given up here.
local function settle_take(self, lost)
  local rows = self.queue:adopt(lost.claim)
  for _, row in ipairs(rows or {}) do self:give_back(row) end
  return rows and (rows[1] ~= nil or self.clock() > lost.until_)
end

-- What cannot be settled goes behind the others, or to those that are late; what an error ends here
-- stays where it was.
---@return boolean|nil is_tried nil: it took too long
local function settle_each(list, n, settle, late)
  local give_up = core.monotonic() + TRYING_S
  for _ = 1, n do
    local one = list[1]
    if not one then break end -- somebody else has settled them all
    local is_good = settle(one)
    local is_first = list[1] == one -- nobody else has settled it meanwhile
    if is_first and not is_good then late[#late + 1] = one end
    if is_first then table.remove(list, 1) end
    if not is_good and core.monotonic() > give_up then return nil end
  end
  return true
end

---Tries once more: first what was not tried in vain, so that one row that another holds keeps no
---other waiting.
function Debts:settle()
  local function write(one) return once.write_again(self.journal, one) end
  local function settle_lost(one) return settle_take(self, one) end
  local takes, fresh, late = self.lost_takes, self.fresh, self.late
  local n_late = #late
  settle_each(takes, #takes, settle_lost, takes)
  if settle_each(fresh, #fresh, write, late) then settle_each(late, n_late, write, late) end
end

local debts = {}

---@param journal telnyx.journal
---@param queue telnyx.queue
---@param clock fun(): number
---@return telnyx.debts
function debts.new(journal, queue, clock)
  return setmetatable({ journal = journal, queue = queue, clock = clock, fresh = {},
    late = {}, lost_takes = {} }, Debts)
end

return debts
