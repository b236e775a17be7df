--- How many may be under way at once, by how those before ended: half as many after each whose end
--- nobody knows, one more after each that the service has taken. So an outage costs those that were
--- under way when it began, and little more, whatever is taken meanwhile.

---@class telnyx.window
---@field n integer
---@field is_open boolean it is as wide as it can be
---@field private most integer
local Window = {}
Window.__index = Window

---The service has taken one.
function Window:widen()
  self.n = math.min(self.n + 1, self.most)
  self.is_open = self.n == self.most
end

---Nobody knows the end of one.
function Window:narrow()
  self.n = math.max(math.floor(self.n / 2), 1)
  self.is_open = self.n == self.most
end

local window = {}

---@param most integer
---@return telnyx.window
function window.new(most) return setmetatable({ n = most, most = most, is_open = true }, Window) end

return window
