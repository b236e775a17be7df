--- The rate at which a service takes messages, learned from what it takes: nothing is known until
--- it refuses one for being too many, and asks for patience. After that messages leave a little
--- slower than they did, and a little faster with each that is taken, until it refuses again. Where
--- it takes none at all for a time, that says nothing of its rate: one is tried now and then, and
--- when it is taken the others follow as before. And where slowing down is in vain, the rate is not
--- why.

local slowing = require("telnyx.run.slowing")
local trouble = require("telnyx.run.trouble")

---@class telnyx.learned
---@field rate number|nil messages a second; nil: as fast as one can
---@field n_refused integer refusals so far
---@field n_taken_ever integer what it took since it first refused one
---@field held_until number it has asked for so much patience
---@field private slowing telnyx.slowing
---@field is_bounded boolean|nil its patience is: it may be refused for good
---@field lesson integer the last, of all that were learned in the run; 0: none
---@field private lessons { n: integer } of the run
---@field private longest_patience_s number
---@field private patience_s number what it is given where it asks for none
---@field private is_probing boolean it took nothing since it has refused one
---@field private is_new boolean what its last refusal teaches is not drawn yet
---@field private was_free boolean the rate grew freely until then
---@field private is_again boolean it is one from before, since slowing down was in vain
---@field private next_at number when the next may leave, at that rate
---@field private refused_at number the rate at which it refused one that teaches
---@field private leaving_at number the rate at which it refused the last
---@field private since number what it took is counted from
---@field private n_taken integer so many since
---@field private n_left integer that left since it was asked last what it is about
---@field private asked_at number
---@field private is_used boolean its rate, as it was found then
local Learned = {}
Learned.__index = Learned

-- Less is not learned: one message in so many seconds.
local LONGEST_STEP_S = 60
-- Of the rate at which it refused one; up to near that rate it is soon tried again, and from there
-- with care. Shares of the rate a second: with care, twice as much after each ten seconds; freely
-- as long as no such rate is known.
local LOSS, NEAR = 0.87, 0.95
local FREELY, SOON, WITH_CARE, DOUBLING_S = 0.3, 0.1, 0.0015, 10
local FEW, IN_ROW = 10, 12
-- Who asks for no time is given this, and twice as much each time that nothing was taken meanwhile.
local PATIENCE_S, LONGEST_PATIENCE_S = 0.5, 8
-- While it takes nothing, one in so many seconds is tried.
local PROBE_S = 1

-- A message taken is its part of a second.
local function gain_of(self, now)
  local well = self.slowing.n_in_row >= IN_ROW and self.well or 0
  if self.refused_at == math.huge or self.rate < well / 2 then return FREELY end
  local near = math.max(self.refused_at, well) * NEAR
  if self.rate < near then return math.min(SOON, near - self.rate) end
  return math.min(SOON, WITH_CARE * 2 ^ ((now - self.since) / DOUBLING_S))
end

-- It takes some again.
local function recover(self, now)
  self.is_probing, self.patience_s = false, PATIENCE_S
  self.next_at = math.min(self.next_at, now + (self.rate and 1 / self.rate or 0))
end

---It took one.
---@param now number
---@return boolean is_sooner the next may leave sooner than was said
function Learned:take(now)
  self.n_taken, self.n_taken_ever = self.n_taken + 1, self.n_taken_ever + 1
  self.slowing:take()
  if self.is_probing then
    recover(self, now)
    return true
  end
  if self.rate and not self.is_new then self.rate = self.rate + gain_of(self, now) end
  return false
end

-- Of a few it took not even the rate can be told at which it refused the next.
local function rate_until_now(self, now)
  if self.n_taken < FEW then return math.huge end
  return self.n_taken / math.max(now - self.since, 0.001)
end

---It refused one, which says nothing of when another may leave.
---@param now number
---@return boolean is_few so that it says nothing of the rate
function Learned:count_refused(now)
  self.n_refused = self.n_refused + 1
  return self.slowing:refuse(now)
end

---It refused one, and asks for patience. What was under way when it first did says nothing new, nor
---does what had left before the last lesson was drawn, however late its answer comes.
---@param now number
---@param asked_s number|nil nil: it names no time
---@param lesson integer|nil the run's last when that one left; nil: it left since
function Learned:refuse(now, asked_s, lesson)
  local is_few, is_late = self:count_refused(now), lesson ~= nil and lesson < self.lesson
  if (is_few or is_late) and not asked_s then return end
  local teaches = not is_late and not (is_few and self.slowing.is_in_vain)
  if teaches and now >= self.held_until and not self.is_new then
    self.is_new = true
    self.was_free = self.rate ~= nil and self.refused_at == math.huge and not self.is_again
    self.leaving_at = self.rate or rate_until_now(self, now)
  end
  self.held_until = math.max(self.held_until, now + (asked_s or self.patience_s))
end

-- When its patience is over, all is heard of what was under way. At first, and where it takes much
-- less than it did, what it took in all that time says how much that is. Of a rate that grew freely
-- that says little.
local function rate_then(self)
  local seen = self.n_taken / math.max(self.held_until - self.since, 0.001)
  local rate = self.rate and self.rate * LOSS
  if not rate or not self.was_free and seen < rate / 2 then rate = seen end
  return math.max(rate, 1 / LONGEST_STEP_S)
end

-- What it took for some time it may take again soon; less so with each refusal since.
local WELL_S, WELL_LOSS = 3, 0.9

local function heed_well(self)
  local took_s = self.held_until - self.since
  local well = took_s >= WELL_S and self.leaving_at < math.huge and self.leaving_at or 0
  self.well = math.max(self.well * WELL_LOSS, well)
end

local function learn_rate(self, now)
  heed_well(self)
  self.rate, self.refused_at = rate_then(self), self.leaving_at
  local rate_again = self.slowing:step(self.rate, now)
  self.is_again = rate_again ~= nil
  if rate_again then self.rate, self.refused_at = rate_again, math.huge end
end

local function learn(self, now)
  self.is_new = false
  self.lessons.n = self.lessons.n + 1
  self.lesson = self.lessons.n
  if self.n_taken > 0 then
    learn_rate(self, now)
    self.patience_s = PATIENCE_S
  else
    self.is_probing = true
    self.patience_s = math.min(self.patience_s * 2, self.longest_patience_s)
  end
  self.n_taken, self.since, self.next_at = 0, self.held_until, self.held_until
end

---When the next message may leave.
---@param now number
---@return number
function Learned:due(now)
  if self.held_until > now then return self.held_until end
  if self.is_new then learn(self, now) end
  return (self.rate or self.is_probing) and self.next_at or -math.huge
end

---One leaves.
---@param now number
function Learned:leave(now)
  local step_s = self.rate and 1 / self.rate or 0
  if self.is_probing then step_s = math.max(step_s, PROBE_S) end
  self.next_at, self.n_left = math.max(self.next_at, now) + step_s, self.n_left + 1
end

-- Where clearly fewer leave than may, it is not the rate.
local NEARLY = 0.8

-- At a slow rate that is known after a while only.
local function has_used_rate(self, now)
  local n_due = math.floor(self.rate * (now - self.asked_at) * NEARLY)
  if n_due < 1 then return self.is_used end
  self.is_used = self.n_left >= n_due
  self.n_left, self.asked_at = 0, now
  return self.is_used
end

---Where it asks for no time it is given no more than this.
---@param longest_s number
function Learned:bound_patience(longest_s)
  self.longest_patience_s, self.is_bounded = longest_s, true
  self.patience_s = math.min(self.patience_s, longest_s)
end

---Whether it took none since it has refused one.
---@return boolean
function Learned:takes_none() return self.is_probing end

---What it is about that messages wait; asked about once a second.
---@param now number
---@return telnyx.hindrance|nil kind
---@return number|nil n of "held": seconds; of "slow": messages a second
function Learned:hindrance(now)
  if self.is_probing then return "none" end
  local left_s = self.held_until - now
  if left_s > trouble.LONG_S then return "held", left_s end
  if self.rate and has_used_rate(self, now) then return "slow", self.rate end
end

local learned = {}

---@param now number
---@param n_taken integer so many since then, already
---@param is_of_sender boolean|nil whose own limit it is
---@param lessons { n: integer }|nil all that were learned in the run, so far; nil: none
---@return telnyx.learned
function learned.new(now, n_taken, is_of_sender, lessons)
  return setmetatable({ n_refused = 0, n_taken_ever = 0, lesson = 0, lessons = lessons or { n = 0 },
    slowing = slowing.new(is_of_sender),
    held_until = -math.huge, patience_s = PATIENCE_S,
    longest_patience_s = LONGEST_PATIENCE_S, is_new = false,
    is_probing = false, was_free = false, is_again = false, next_at = now, since = now,
    n_taken = n_taken, refused_at = math.huge, leaving_at = math.huge, n_left = 0, asked_at = now,
    is_used = true, well = 0 }, Learned)
end

return learned
