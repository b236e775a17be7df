--- How long is waited after what has gone wrong, ever longer while it goes wrong again. What was
--- under way when it last did says nothing new: a time is lost once, by however many.

-- The first wait, and the longest.
local BASE_S, CAP_S = 0.5, 30
local MOST_DOUBLINGS = 30

---@class telnyx.patience
---@field private random fun(): number
---@field private by_name table<string, { n: integer, until_: number }> what goes wrong
local Patience = {}
Patience.__index = Patience

---It has gone wrong.
---@param name string what
---@param now number
---@return number until_ it is not tried again before
function Patience:lose(name, now)
  local own = self.by_name[name] or { n = 0, until_ = -math.huge }
  self.by_name[name] = own
  if now >= own.until_ then
    local most_s = math.min(CAP_S, BASE_S * 2 ^ math.min(own.n, MOST_DOUBLINGS))
    own.n, own.until_ = own.n + 1, now + (0.5 + self.random() / 2) * most_s
  end
  return own.until_
end

---It has gone well.
---@param name string
function Patience:regain(name) self.by_name[name] = nil end

---It has gone well once, which is no proof that it will again: the next wait is half as long.
---@param name string
function Patience:ease(name)
  local own = self.by_name[name]
  if own then own.n = math.max(own.n - 1, 0) end
end

---How many times it went wrong, one after the other.
---@param name string
---@return integer
function Patience:n_lost(name)
  local own = self.by_name[name]
  return own and own.n or 0
end

---Whether it went wrong when it was tried again.
---@param name string
---@return boolean
function Patience:is_lost(name) return self:n_lost(name) > 1 end

local patience = {}

---@param random fun(): number in [0, 1)
---@return telnyx.patience
function patience.new(random) return setmetatable({ random = random, by_name = {} }, Patience) end

return patience
