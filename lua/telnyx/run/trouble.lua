--- Why messages of a run wait for the service, in words, for who watches it while that lasts.

---@alias telnyx.hindrance
---| "away" nothing gets through
---| "none" the service takes nothing, for being too many
---| "held" the service asks for patience
---| "lost" nobody knows the ends of some, and fewer are under way
---| "slow" the service refuses some, and messages leave at a rate
---| "sender" it refuses some of a sender's

---@class telnyx.trouble
---@field private tell fun(why: string|nil, is_of_refusals: boolean|nil)
---@field private kind telnyx.hindrance|nil as it was told last
---@field private n number
---@field private told_at number
---@field private looked_at number
---@field private since number it is less than was told
local Trouble = {}
Trouble.__index = Trouble

-- How often it is looked for, and how long it has to be less before that is told.
local LOOKS_S, LASTS_S = 1, 5
-- The same trouble is told again where it is so many times as much, or as little, and not sooner,
-- or, where it is worse.
local MUCH, AGAIN_S, WORSE_AGAIN_S = 2, 10, 3

-- "other": what others tell of, and this tells the end of.
local GRAVITY = { sender = 1, slow = 2, lost = 3, held = 4, none = 5, away = 5, other = 6 }
-- What a refusal says, and no other failure.
local IS_OF_REFUSALS = { sender = true, slow = true, held = true, none = true }

local WORDS = {
  away = function() return "nothing gets through: one message is tried now and then" end,
  none = function()
    return "the service refuses all for being too many: one message is tried now and then"
  end,
  held = function(n) return ("the service asks for patience: %.0f s"):format(math.ceil(n)) end,
  lost = function(n)
    return ("nobody knows how some ended: no more than %d at once are sent"):format(n)
  end,
  slow = function(n)
    return ("the service refuses some for being too many: %.3g a second are sent"):format(n)
  end,
  sender = function(_, sender)
    return ("the service refuses some of sender %s for being too many"):format(sender)
  end,
}

-- Since when it is much else; of a wait the rest is ever less.
local function again_s(kind, n, than)
  local is_more, is_less = n >= than * MUCH, n <= than / MUCH
  if n <= 0 or not is_more and not is_less then return math.huge end
  if kind == "held" then return is_more and WORSE_AGAIN_S or math.huge end
  return is_less and WORSE_AGAIN_S or AGAIN_S
end

local function tell(self, kind, n, sender)
  self.kind, self.n, self.since, self.told_at = kind, n, math.huge, self.looked_at
  self.tell(kind and WORDS[kind](n, sender), IS_OF_REFUSALS[kind])
end

local function is_new(self, kind, n)
  if kind ~= self.kind then return true end
  return self.looked_at >= self.told_at + again_s(kind, n, self.n)
end

---Whether it is time to look for it.
---@param now number
---@return boolean
function Trouble:is_due(now)
  if now < self.looked_at + LOOKS_S then return false end
  self.looked_at = now
  return true
end

---Tells of it, if that is new.
---@param kind telnyx.hindrance|nil nil: there is none
---@param n number|nil of "held": seconds; of "lost": how many; of "slow": a second
---@param sender string|nil of "sender"
function Trouble:heed(kind, n, sender)
  n = n or 0
  local is_less = (GRAVITY[kind] or 0) < (GRAVITY[self.kind] or 0)
  self.since = is_less and math.min(self.since, self.looked_at) or math.huge
  local lasts = not is_less or self.looked_at - self.since >= LASTS_S
  if lasts and is_new(self, kind, n) then tell(self, kind, n, sender) end
end

---Another has told of something else, which is over as soon as there is less.
function Trouble:is_told_otherwise()
  self.kind, self.n, self.since, self.told_at = "other", 0, math.huge, self.looked_at
end

---Tells that it is over, if there was any: nothing waits any more.
function Trouble:finish()
  if self.kind then tell(self, nil, 0) end
end

local trouble = {}

---A shorter wait is not worth a word.
trouble.LONG_S = 2

---@param tell_of fun(why: string|nil, is_of_refusals: boolean|nil) nil: it is over
---@return telnyx.trouble
function trouble.new(tell_of)
  return setmetatable({ tell = tell_of, n = 0, told_at = -math.huge, looked_at = -math.huge,
    since = math.huge }, Trouble)
end

return trouble
