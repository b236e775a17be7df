--- A round of a loop: what has come is handed on to the tasks that wait for it. A round that an
--- error ended, such as a host's hook, stays counted, and the next one mends what it left.

local tasks = require("telnyx.send.tasks")

local rounds = {}

local NOT_OWNER = "the sender's 'finished' must return the owner that its 'start' was given"

local function is_spent(self, spent_at) return self:now() >= spent_at end

-- Lets go on whose requests are finished. A sender may serve several loops. What one does wrong
-- is told by the next step: a `send` must not lose its outcome by it.
local function dispatch(self, spent_at)
  local sender, finished, has_end = self.sender, self.finished, spent_at < math.huge
  self.has_more = false
  local owner = finished(sender)
  while owner do
    if type(owner) ~= "table" or not owner.loop then
      self.news:add_fault(NOT_OWNER)
      return
    end
    if owner.waits == "request" then tasks.go_on(owner.loop, owner) else owner.is_missed = true end
    if has_end and is_spent(self, spent_at) then
      self.has_more = true
      return
    end
    owner = finished(sender)
  end
end

---When the first pause is over; infinite where nobody pauses.
---@param self telnyx.loop
---@return number
function rounds.next_wake(self)
  local wake = math.huge
  for _, task in ipairs(self.sleeping) do wake = math.min(wake, task.wake) end
  return wake
end

local function first_due(self)
  local now = self:now()
  for _, task in ipairs(self.sleeping) do
    if task.wake <= now and tasks.can_go_on(task) then return task end
  end
end

-- Lets go on whose pause is over; one at a time, since each may change who sleeps.
local function wake_due(self, spent_at)
  if #self.sleeping == 0 then return end
  local task = first_due(self)
  while task do
    tasks.go_on(self, task)
    task = not is_spent(self, spent_at) and first_due(self)
  end
end

---Lets everybody go on who is due, until the time is spent; one at least of each kind.
---@param self telnyx.loop
---@param spent_at number on the loop's clock
function rounds.go(self, spent_at)
  local n_rounds = self.n_rounds
  self.n_rounds = n_rounds + 1
  if self.finished then dispatch(self, spent_at) end
  wake_due(self, spent_at)
  self.n_rounds = n_rounds
end

---After an error passed. Where it only seems so, since a task's own code came here, no harm is
---done.
---@param self telnyx.loop
function rounds.mend(self)
  if self.n_rounds == 0 and not self.is_left and not self.is_watched then return end
  tasks.mend(self)
  self.n_rounds = 0 -- not before: an error may pass through this, too
end

return rounds
