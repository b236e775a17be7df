--- A fixed window of requests, and the headers that report it.

local Limiter = {}
Limiter.__index = Limiter

---@param limit integer requests per window
---@param window number seconds
---@return table limiter
function Limiter.new(limit, window)
  return setmetatable({ limit = limit, window = window, used = 0, ends = -math.huge }, Limiter)
end

---Takes a place in the current window.
---@param now number
---@return boolean allowed
---@return table<string, string> headers
function Limiter:take(now)
  if now >= self.ends then
    self.used, self.ends = 0, now + self.window
  end
  local allowed = self.used < self.limit
  if allowed then self.used = self.used + 1 end
  local wait = ("%d"):format(math.ceil(self.ends - now))
  local headers = {
    ["x-ratelimit-limit"] = ("%d"):format(self.limit),
    ["x-ratelimit-remaining"] = ("%d"):format(self.limit - self.used),
    ["x-ratelimit-reset"] = wait,
  }
  if not allowed then headers["retry-after"] = wait end
  return allowed, headers
end

return Limiter
