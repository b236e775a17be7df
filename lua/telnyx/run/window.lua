--- How many may be under way at once, by how those before ended: half as many after one whose end
--- nobody knows, and an eighth more, one at least, after each that the service has answered. So an
--- outage costs those that were under way when it began, and little more, whatever is answered
--- meanwhile. What was begun before that takes no room of what comes after, and says nothing new
--- where some of these were answered, or most of those: a few that hang hold up nobody else.

---@class telnyx.window
---@field n number may be under way, of those since it was made narrower
---@field is_open boolean it is as wide as it can be
---@field private most integer
---@field age integer how often it was made narrower
---@field private n_since integer under way of those since
---@field private has_answers boolean of those since
---@field private balance integer of those before, how many were answered more than lost since
local Window = {}
Window.__index = Window

---@class telnyx.in_window
---@field age integer|nil of the window, when it was begun

---How many more may be begun.
---@param n_under_way integer in all
---@return integer
function Window:room(n_under_way)
  local room = self.most - n_under_way
  if self.is_open then return room end
  return math.min(room, math.floor(self.n) - self.n_since)
end

---One is under way.
---@param one telnyx.in_window
function Window:enter(one)
  one.age = self.age
  if not self.is_open then self.n_since = self.n_since + 1 end
end

---One is not, any more.
---@param one telnyx.in_window
function Window:leave(one)
  if not self.is_open and one.age == self.age then self.n_since = self.n_since - 1 end
end

---Before the first: of what was sent until then nobody knows the end.
function Window:begin_with_one() self.n, self.is_open = 1, self.most == 1 end

---The service has answered one, whatever it said. Of what was begun before, that says little.
---@param one telnyx.in_window
function Window:widen(one)
  if self.is_open then return end
  if one.age < self.age then
    self.balance = self.balance + 1
    return
  end
  self.has_answers = true
  self.n = math.min(self.n + math.max(self.n / 8, 1), self.most)
  self.is_open = self.n == self.most
end

---Nobody knows the end of one.
---@param one telnyx.in_window
---@return boolean is_new it says something new
function Window:narrow(one)
  if one.age < self.age then
    self.balance = self.balance - 1
    if self.has_answers or self.balance >= 0 then return false end
  end
  self.n, self.age = math.max(math.floor(self.n / 2), 1), self.age + 1
  self.is_open = self.n == self.most
  self.n_since, self.has_answers, self.balance = 0, false, 0
  return true
end

local window = {}

---@param most integer
---@return telnyx.window
function window.new(most)
  return setmetatable({ n = most, most = most, is_open = true, age = 0, n_since = 0,
    has_answers = false, balance = 0 }, Window)
end

return window
