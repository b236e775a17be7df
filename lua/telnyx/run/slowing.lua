--- Whether it is of use that messages leave more slowly. A service that refuses what comes too fast
--- refuses a smaller share of it the slower it comes. Where it refuses the same share at half the
--- rate it seems to do so at whatever rate, as where one of its nodes is out of order: slowing down
--- is in vain, but for what is refused beyond that. If it is, more is taken once messages leave
--- faster again. If not, more has to be known the next time.

---@class telnyx.slowing
---@field is_in_vain boolean that share is refused at whatever rate
---@field private share number of the last some so much was refused
---@field private n_known integer so many are counted in that, up to all of the last
---@field private few_share number and so much says nothing of the rate
---@field private runs { rate: number, n_taken: integer, n_refused: integer, at: number }[] the last
---some, what came between two refusals, and the rate that was learned then
---@field private n_taken integer since the last step
---@field private n_refused integer as well
---@field private n_in_row integer what it took since it refused one
---@field private most_in_row number
---@field private n_due number so many runs have to be known
---@field private n_steps integer since those were fewer
---@field private n_seen integer what it took since it was looked last
---@field private taken_per_s number before it was in vain
---@field private looked_at number when it was looked last whether more is taken since
---@field private every_s number so often at most
---@field private until_at number when all of it is to be found again
local Slowing = {}
Slowing.__index = Slowing

-- Refusals without a word of when, so much of the last so many, are nobody's fault who comes after.
-- Of a sender who has a limit of his own that is sooner known: his fourth is no chance any more.
local FEW_SHARE, LAST, FEW_KNOWN = 0.1, 64, 28
local FEWEST, FEWEST_MORE, MOST = 6, 12, 32
-- Of the rate; of the share that it refuses.
local HALF, LESS, MORE = 0.5, 2 / 3, 4
-- In vain: until so many times as many are taken in a row as came for each that was refused, and it
-- is well again; until no more is taken; and for so many times as long as it took to be found.
local MUCH_LESS, MORE_TAKEN, TIMES_AS_LONG = 10, 1.5, 10
-- Whether more is taken is looked at so often at most.
local LOOKS_S = 2

-- How much of what came it has refused.
local function share_of(runs, first, last)
  local n_taken, n_refused = 0, 0
  for i = first, last do
    n_taken, n_refused = n_taken + runs[i].n_taken, n_refused + runs[i].n_refused
  end
  return n_refused / (n_refused + n_taken), n_taken
end

-- Whether it refused as much in the later half as in the earlier one, at half the rate.
local function is_the_same(runs)
  if runs[#runs].rate > runs[1].rate * HALF then return false end
  local half = math.floor(#runs / 2)
  local growth = share_of(runs, #runs - half + 1, #runs) / share_of(runs, 1, half)
  return growth >= LESS and growth <= MORE
end

local function begin_anew(self) self.n_taken, self.n_refused = 0, 0 end

local function end_it(self, n_due)
  self.is_in_vain, self.few_share, self.n_due, self.n_steps = false, FEW_SHARE, n_due, 0
  self.runs = {} -- what came meanwhile would say at once that it is in vain again
  begin_anew(self)
end

local function begin(self, now)
  local runs, half = self.runs, math.floor(#self.runs / 2)
  local share = share_of(runs, 1, #runs)
  local _, n_taken = share_of(runs, #runs - half + 1, #runs)
  local took_s, half_s = now - runs[1].at, now - runs[#runs - half].at
  self.few_share = math.max(math.min(2 * share + 0.05, (1 + share) / 2), FEW_SHARE)
  self.most_in_row = MUCH_LESS / share
  self.taken_per_s = n_taken / math.max(half_s, 0.001)
  self.every_s = math.max(LOOKS_S, half_s / 2)
  self.is_in_vain, self.looked_at, self.until_at = true, now, now + took_s * TIMES_AS_LONG
  self.n_seen = 0
  self.runs = {}
  return runs[1].rate
end

-- To have been wrong is no reason for ever: another time it may be right.
local function forgive(self)
  self.n_steps = self.n_steps + 1
  if self.n_steps < MOST or self.n_due == math.huge then return end
  self.n_steps, self.n_due = 0, math.max(self.n_due / 2, FEWEST)
end

---It has refused some again, after it took some, and messages leave more slowly.
---@param rate number
---@param now number
---@return number|nil rate at which they may leave again, since that was in vain, for the first time
---or for more than was thought; nil: it was not
function Slowing:step(rate, now)
  local runs = self.runs
  runs[#runs + 1] = { rate = rate, n_taken = self.n_taken, n_refused = self.n_refused, at = now }
  begin_anew(self)
  if #runs > MOST then table.remove(runs, 1) end
  forgive(self)
  local n_due = self.is_in_vain and math.max(self.n_due, FEWEST_MORE) or self.n_due
  return #runs >= n_due and is_the_same(runs) and begin(self, now) or nil
end

-- Of the first few each says more of the share.
local function weigh(self)
  self.n_known = math.min(self.n_known + 1, LAST)
  return self.n_known
end

---It took one.
function Slowing:take()
  self.n_taken, self.share = self.n_taken + 1, self.share - self.share / weigh(self)
  self.n_seen, self.n_in_row = self.n_seen + 1, self.n_in_row + 1
  if self.is_in_vain and self.n_in_row >= self.most_in_row then end_it(self, FEWEST) end
end

-- What it took since, if it is time to look.
local function look(self, now)
  local since_s = now - self.looked_at
  if since_s < self.every_s then return end
  local is_more = self.n_seen / since_s > self.taken_per_s * MORE_TAKEN
  self.looked_at, self.n_seen = now, 0
  if not is_more then end_it(self, self.n_due * 2) end
end

---It refused one.
---@param now number
---@return boolean is_few so that it says nothing of the rate
function Slowing:refuse(now)
  self.n_refused, self.share = self.n_refused + 1, self.share + (1 - self.share) / weigh(self)
  self.n_in_row = 0
  if self.is_in_vain then look(self, now) end
  if self.is_in_vain and now >= self.until_at then end_it(self, self.n_due) end
  return self.share <= self.few_share
end

local slowing = {}

---@param never_in_vain boolean|nil as where it is a sender's own limit that is refused by
---@return telnyx.slowing
function slowing.new(never_in_vain)
  return setmetatable({ is_in_vain = false, share = 0,
    n_known = never_in_vain and FEW_KNOWN or LAST, few_share = FEW_SHARE, runs = {}, n_taken = 0,
    n_refused = 0, n_seen = 0, n_steps = 0, n_in_row = 0, most_in_row = 0,
    n_due = never_in_vain and math.huge or FEWEST, taken_per_s = 0, looked_at = 0, every_s = 0,
    until_at = 0 }, Slowing)
end

return slowing
