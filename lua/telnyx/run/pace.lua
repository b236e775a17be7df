--- How fast messages may leave. Each reserves its turn; the time is an argument.

local pace = {}

-- A turn that comes late by this much does not cost the ones after it.
local SLACK = 0.02

---@class telnyx.pace
---@field rate number messages a second
---@field burst number messages that may go at once after a rest
---@field next_at number|nil when the turn after a rest-less row would be
local Pace = {}
Pace.__index = Pace

---@param rate number
---@param burst number|nil default 1
---@return telnyx.pace
function pace.new(rate, burst)
  return setmetatable({ rate = rate, burst = math.max(burst or 1, 1) }, Pace)
end

---Reserves the next turn: the generic cell rate algorithm.
---@param now number
---@return number seconds until it
function Pace:reserve(now)
  local at = self.next_at and math.max(self.next_at, now - SLACK) or now
  local turn = at - (self.burst - 1) / self.rate
  self.next_at = at + 1 / self.rate
  return math.max(0, turn - now)
end

---@class telnyx.shared_pace: telnyx.pace
---@field dict table an `ngx.shared.DICT`
---@field name string
local Shared = {}
Shared.__index = Shared

---A pace that all workers of an nginx keep together. Its clock must be one that they
---share, as the monotonic clock of a machine is.
---@param dict table an `ngx.shared.DICT`
---@param name string
---@param rate number
---@param burst number|nil
function pace.shared(dict, name, rate, burst)
  local own = pace.new(rate, burst)
  own.dict, own.name = dict, name
  return setmetatable(own, Shared)
end

---Reserves the next turn of all workers together. Of two who find that it has rested,
---both move it on: then it is late, never early.
---@param now number
---@return number seconds until it
function Shared:reserve(now)
  local step = 1 / self.rate
  local after, why = self.dict:incr(self.name, step, now)
  if not after then error("the shared pace failed: " .. tostring(why), 0) end
  local at = after - step
  if at < now - SLACK then
    after = self.dict:incr(self.name, now - at, now)
    at = after - step
  end
  return math.max(0, at - (self.burst - 1) * step - now)
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
