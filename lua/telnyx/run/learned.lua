--- The rate at which a service takes messages, learned from what it takes: nothing is known until
--- it refuses one for being too many, and asks for patience. After that messages leave a little
--- slower than they did, and a little faster with each that is taken, until it refuses again.

---@class telnyx.learned
---@field rate number|nil messages a second; nil: as fast as one can
---@field n_refused integer refusals so far
---@field held_until number it has asked for so much patience
---@field private is_new boolean what its last refusal teaches is not drawn yet
---@field private was_free boolean the rate grew freely until then
---@field private next_at number when the next may leave, at that rate
---@field private refused_at number the rate at which it refused the last
---@field private since number what it took is counted from
---@field private n_taken integer so many since
local Learned = {}
Learned.__index = Learned

-- Less is not learned: one message in so many seconds.
local LONGEST_STEP_S = 60
-- Of the rate at which it refused one; up to near that rate it is soon tried again, and from there
-- with care. Shares of the rate a second: with care, twice as much after each ten seconds; freely
-- as long as no such rate is known.
local LOSS, NEAR = 0.9, 0.95
local FREELY, SOON, WITH_CARE, DOUBLING_S = 0.3, 0.1, 0.002, 10
local FEW = 10

-- A message taken is its part of a second.
local function gain_of(self, now)
  if self.refused_at == math.huge then return FREELY end
  local near = self.refused_at * NEAR
  if self.rate < near then return math.min(SOON, near - self.rate) end
  return math.min(SOON, WITH_CARE * 2 ^ ((now - self.since) / DOUBLING_S))
end

---It took one.
---@param now number
function Learned:take(now)
  self.n_taken = self.n_taken + 1
  if self.rate and not self.is_new then self.rate = self.rate + gain_of(self, now) end
end

-- Of a few it took not even the rate can be told at which it refused the next.
local function rate_until_now(self, now)
  if self.n_taken < FEW then return math.huge end
  return self.n_taken / math.max(now - self.since, 0.001)
end

---It refused one, and asks for patience. What was under way when it first did says nothing new.
---@param now number
---@param until_ number
function Learned:refuse(now, until_)
  self.n_refused = self.n_refused + 1
  if now >= self.held_until and not self.is_new then
    self.is_new = true
    self.was_free = self.rate ~= nil and self.refused_at == math.huge
    self.refused_at = self.rate or rate_until_now(self, now)
  end
  self.held_until = math.max(self.held_until, until_)
end

-- When its patience is over, all is heard of what was under way. At first, and where it takes much
-- less than it did, what it took in all that time says how much that is. Of a rate that grew freely
-- that says little.
local function learn(self)
  local seen = math.max(1, self.n_taken) / math.max(self.held_until - self.since, 0.001)
  local rate = self.rate and self.rate * LOSS
  if not rate or not self.was_free and seen < rate / 2 then rate = seen end
  self.rate, self.is_new = math.max(rate, 1 / LONGEST_STEP_S), false
  self.n_taken, self.since, self.next_at = 0, self.held_until, self.held_until
end

---When the next message may leave.
---@param now number
---@return number
function Learned:due(now)
  if self.held_until > now then return self.held_until end
  if self.is_new then learn(self) end
  return self.rate and self.next_at or -math.huge
end

---One leaves.
---@param now number
function Learned:leave(now)
  if self.rate then self.next_at = math.max(self.next_at, now) + 1 / self.rate end
end

local learned = {}

---@param now number
---@param n_taken integer so many since then, already
---@return telnyx.learned
function learned.new(now, n_taken)
  return setmetatable({ n_refused = 0, held_until = -math.huge, is_new = false,
    was_free = false, next_at = now, since = now, n_taken = n_taken, refused_at = math.huge },
    Learned)
end

return learned
