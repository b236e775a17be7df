--- A fixed window of requests, and the headers that report it.

local Limiter = {}
Limiter.__index = Limiter

---@param window number seconds
---@return table limiter
function Limiter.new(window)
  return setmetatable({ window = window, used = 0, ends = -math.huge }, Limiter)
end

---Takes a place in the current window.
---@param now number
---@param limit integer requests per window
---@return boolean allowed
---@return table<string, string> headers
function Limiter:take(now, limit)
  if now >= self.ends then
    self.used, self.ends = 0, now + self.window
  end
  local allowed = self.used < limit
  if allowed then self.used = self.used + 1 end
  local wait = ("%d"):format(math.ceil(self.ends - now))
  local headers = {
    ["x-ratelimit-limit"] = ("%d"):format(limit),
    ["x-ratelimit-remaining"] = ("%d"):format(math.max(0, limit - self.used)),
    ["x-ratelimit-reset"] = wait,
  }
  if not allowed then headers["retry-after"] = wait end
  return allowed, headers
end

return Limiter
