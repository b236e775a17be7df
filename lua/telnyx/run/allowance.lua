--- What the service says, with what it has taken, of those that come after: how many more it takes
--- before a moment, and how long that one waits there. Who heeds that is not refused.

local allowance = {}

-- What the service has taken and cannot hand on yet waits there, where nobody can stop it. It keeps
-- up to four hours of a sender's, and refuses what is more.
local MOST_QUEUED_S = 300
-- What it asks for is believed up to this, as that of a refusal is.
local MOST_ASKED_S = 3600

-- A wait in whole seconds may be so much more or less.
local ROUNDED_S = 1

---@class telnyx.allowance how many more it takes
---@field private n_left number that may leave before
---@field private ends_at number when as many as come may
---@field private least number that it had left, by its answers since the window began
---@field private first number its window ends no sooner
---@field private last number nor later
local Allowance = {}
Allowance.__index = Allowance

---@return telnyx.allowance
function allowance.new()
  return setmetatable({ n_left = math.huge, ends_at = -math.huge, least = math.huge,
    first = -math.huge, last = -math.huge }, Allowance)
end

-- Answers come in any order. Of those about one window the one with the least left was the last
-- that was counted; and one about a window that is over says nothing.
local function note(self, n_left, ends_at, first, last, now)
  local is_new = now >= self.ends_at or first > self.last
  if is_new then
    self.least, self.ends_at, self.first, self.last = n_left, ends_at, first, last
  elseif last >= self.first then
    self.least, self.ends_at = math.min(self.least, n_left), math.min(self.ends_at, ends_at)
    self.first, self.last = math.max(self.first, first), math.min(self.last, last)
  end
end

---It has said how many more it takes before a moment. Those under way may not be counted yet.
---@param said { n_left: number, reset_s: number, took_s: number }
---@param now number
---@param n_under_way integer
---@param most_under_way integer
---@return boolean is_bounded
function Allowance:heed(said, now, n_under_way, most_under_way)
  local reset_s = math.min(said.reset_s, MOST_ASKED_S)
  note(self, said.n_left, now + reset_s, now - said.took_s + reset_s - ROUNDED_S,
    now + reset_s + ROUNDED_S, now)
  local is_bounded = self.least < most_under_way
  self.n_left = is_bounded and self.least - n_under_way or math.huge
  return is_bounded
end

---One leaves.
---@param now number
function Allowance:leave(now)
  self.n_left = now < self.ends_at and self.n_left - 1 or math.huge
end

---How many more may leave now.
---@param now number
---@return number
function Allowance:room(now)
  return now < self.ends_at and math.max(math.floor(self.n_left), 0) or math.huge
end

---Before when none may leave.
---@return number
function Allowance:due() return self.n_left < 1 and self.ends_at or -math.huge end

local function is_amount(value) return type(value) == "number" and value >= 0 end

---What an answer says is left, until when, and how long it took to say so.
---@param result table info or err
---@return { n_left: number, reset_s: number, took_s: number }|nil
function allowance.said_by(result)
  local limit, attempts = result.ratelimit, result.attempts
  if type(limit) ~= "table" then return nil end
  if not is_amount(limit.remaining) or not is_amount(limit.reset) then return nil end
  local last = attempts and attempts[#attempts]
  return { n_left = limit.remaining, reset_s = limit.reset, took_s = last and last.seconds or 0 }
end

---How long no more of a sender's are sent, by how long the one that was taken waits there.
---@param message table
---@return number|nil seconds nil: they need not wait
function allowance.wait_of(message)
  local wait_s = message.wait_seconds
  local is_long = is_amount(wait_s) and wait_s > MOST_QUEUED_S
  return is_long and math.min(wait_s - MOST_QUEUED_S, MOST_ASKED_S) or nil
end

return allowance
