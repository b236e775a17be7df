--- Whose turns are given out: by a client for all its runs, or by the workers of an nginx together.
--- An outbox has its own, in the journal's database. Each answers `reserve(name, step_s, n)`, and
--- `due(name)` where a turn can be looked at before it is taken.

local core = require("telnyx.core")

local pace = {}

-- A turn that comes late by this much does not cost the ones after it.
local SLACK_S = 0.02

---@class telnyx.pace
---@field private clock fun(): number
---@field private next_at table<string, number> by name: when the next turn is
local Pace = {}
Pace.__index = Pace

---@param clock fun(): number
---@return telnyx.pace
function pace.new(clock) return setmetatable({ clock = clock, next_at = {} }, Pace) end

-- Who has rested has a right to none of the past.
local function next_of(self, name, now)
  return math.max(self.next_at[name] or now, now - SLACK_S)
end

---When the next turn is: none is used up by asking.
---@param name string
---@return number
function Pace:due(name) return next_of(self, name, self.clock()) end

---Takes turns, one after the other: the generic cell rate algorithm.
---@param name string
---@param step_s number from one turn to the next
---@param n integer
---@return number ends_s from now to the end of the last of them
function Pace:reserve(name, step_s, n)
  local now = self.clock()
  self.next_at[name] = next_of(self, name, now) + n * step_s
  return self.next_at[name] - now
end

---@class telnyx.shared_pace
---@field private clock fun(): number one that all share, as a machine's monotonic clock is
---@field private dict table an `ngx.shared.DICT`
local Shared = {}
Shared.__index = Shared

local PREFIX = "telnyx.pace."

---@param clock fun(): number
---@param dict table
---@return telnyx.shared_pace
function pace.shared(clock, dict) return setmetatable({ clock = clock, dict = dict }, Shared) end

---The same, of all workers together. Of two who find that it has rested, both move it on: then it
---is late, never early.
---@param name string
---@param step_s number
---@param n integer
---@return number|nil ends_s
---@return string|nil why
function Shared:reserve(name, step_s, n)
  local now, length = self.clock(), n * step_s
  local ends, why = self.dict:incr(PREFIX .. name, length, now)
  if ends and ends - length < now - SLACK_S then
    ends, why = self.dict:incr(PREFIX .. name, now - (ends - length), now)
  end
  if not ends then return nil, "the shared pace failed: " .. tostring(why) end
  return ends - now
end

---By what the turns of a message go: its sender, or else the profile whose numbers send it.
---@param message table
---@return string
function pace.sender_of(message)
  local sender = message.from or message.messaging_profile_id
  return type(sender) == "string" and sender or ""
end

---What kind of sender a message has, by the service's names for their rates.
---@param from string|nil a profile's id: one of its numbers
---@return "number_pool"|"alphanumeric"|"short_code"|"toll_free"|"long_code"
pace.kind_of = core.sender_kind

return pace
