--- Whether it is of use that messages leave more slowly. A service that refuses what comes too fast
--- refuses a smaller share of it the slower it comes. Where it refuses the same share at half the
--- rate it does so at whatever rate, as where one of its nodes is out of order.

---@class telnyx.slowing
---@field private runs { rate: number, n_taken: integer, n_refused: integer, at: number }[] the last
---some, what came between two refusals, and the rate that was learned then
---@field private n_refused integer in all
---@field private n_due integer so many have to be known
local Slowing = {}
Slowing.__index = Slowing

local FEWEST, MOST = 6, 32
-- Of the rate; of the share that it refuses.
local HALF, LESS, MORE = 0.5, 2 / 3, 4

-- How much of what came it has refused.
local function share_of(runs, first, last)
  local n_taken, n_refused = 0, 0
  for i = first, last do
    n_taken, n_refused = n_taken + runs[i].n_taken, n_refused + runs[i].n_refused
  end
  return n_refused / (n_refused + n_taken)
end

-- In the later half, as a part of what it was in the earlier one.
local function growth_of(runs)
  local half = math.floor(#runs / 2)
  return share_of(runs, #runs - half + 1, #runs) / share_of(runs, 1, half)
end

---It has refused some again, after it took so many, and messages leave more slowly.
---@param rate number
---@param n_taken integer one at least
---@param n_refused integer in all
---@param now number
---@return number|nil share that it refuses at whatever rate; nil: it may be of use
---@return number|nil took_s until that was found
function Slowing:step(rate, n_taken, n_refused, now)
  local runs = self.runs
  runs[#runs + 1] = { rate = rate, n_taken = n_taken, n_refused = n_refused - self.n_refused,
    at = now }
  self.n_refused = n_refused
  if #runs > MOST then table.remove(runs, 1) end
  if #runs < self.n_due or rate > runs[1].rate * HALF then return nil end
  local growth = growth_of(runs)
  if growth < LESS or growth > MORE then return nil end
  self.runs = {}
  return share_of(runs, 1, #runs), now - runs[1].at
end

---It was of use all the same: next time more has to be known.
function Slowing:doubt() self.n_due = math.min(self.n_due * 2, MOST) end

---It was of none.
function Slowing:believe() self.n_due = FEWEST end

local slowing = {}

---@return telnyx.slowing
function slowing.new()
  return setmetatable({ runs = {}, n_refused = 0, n_due = FEWEST }, Slowing)
end

return slowing
