--- Token buckets: how fast messages may leave. The time is an argument.

local pace = {}

---@class telnyx.pace
---@field rate number messages a second
---@field burst number messages that may go at once after a rest
local Pace = {}
Pace.__index = Pace

---A full bucket.
---@param rate number
---@param burst number|nil default 1
---@return telnyx.pace
function pace.new(rate, burst)
  burst = math.max(burst or 1, 1)
  return setmetatable({ rate = rate, burst = burst, tokens = burst, at = nil }, Pace)
end

local function refill(self, now)
  if self.at and now > self.at then
    self.tokens = math.min(self.burst, self.tokens + (now - self.at) * self.rate)
  end
  self.at = now
end

---Seconds until a message may leave; 0 when one may now.
---@param now number
---@return number
function Pace:wait(now)
  refill(self, now)
  -- A token short by a rounding error is a token.
  if self.tokens >= 1 - 1e-9 then return 0 end
  return (1 - self.tokens) / self.rate
end

---Takes the token of a message that leaves.
---@param now number
function Pace:take(now)
  refill(self, now)
  self.tokens = self.tokens - 1
end

-- Toll-free numbers of the North American numbering plan.
local TOLL_FREE = { ["800"] = true, ["833"] = true, ["844"] = true, ["855"] = true,
  ["866"] = true, ["877"] = true, ["888"] = true }

---What kind of sender a message has, by the service's names for their rates.
---@param from string|nil
---@return "number_pool"|"alphanumeric"|"short_code"|"toll_free"|"long_code"
function pace.kind_of(from)
  if type(from) ~= "string" then return "number_pool" end
  if from:find("%a") then return "alphanumeric" end
  if not from:find("^%+") then return "short_code" end
  if TOLL_FREE[from:match("^%+1(%d%d%d)") or ""] then return "toll_free" end
  return "long_code"
end

return pace
