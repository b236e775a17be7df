--- How one attempt is waited for. The driver of a send is straight-line code;
--- it either owns the thread (`send`) or is a task, a coroutine that gives way
--- while a request or a pause is under way (`start` and `step`). Both go through
--- here, so they cannot differ.

local core = require("telnyx.core")

-- A script that waits looks up this often, so that an interrupt is heeded.
local SLICE = 0.1

---@class telnyx.loop
---@field sender table
---@field waiting table<userdata, thread|true> who waits for a request
---@field sleeping { wake: number, task: thread }[]
---@field n_tasks integer started and not yet done
---@field faults { value: any }[] what tasks raised, and no step has yet
local Loop = {}
Loop.__index = Loop

---@param sender table
---@return telnyx.loop
local function new(sender)
  return setmetatable({
    sender = sender, pid = core.pid(), waiting = {}, sleeping = {}, n_tasks = 0, faults = {},
    idle = {},
  }, Loop)
end

---Monotonic seconds, by the sender's clock if it has one of its own.
function Loop:now()
  if type(self.sender.monotonic) == "function" then return self.sender:monotonic() end
  return core.monotonic()
end

local function resume(self, task, what)
  local ok, err = coroutine.resume(task, what)
  if not ok then self.n_tasks = self.n_tasks - 1 end
  return ok, err
end

-- What a task raises, which is a callback's error, waits until the others are seen to:
-- it must cost neither them nor a `send` that happens to wait here its outcome.
local function go_on(self, task, interruption)
  local ok, err = resume(self, task, interruption)
  if not ok then self.faults[#self.faults + 1] = { value = err } end
end

local function raise_fault(self)
  local fault = table.remove(self.faults, 1)
  if fault then error(fault.value, 0) end
end

-- Hands finished requests to who waits for them.
function Loop:dispatch()
  local pending = self.sender:finished()
  while pending do
    local task = self.waiting[pending]
    self.waiting[pending] = nil
    if type(task) == "thread" then go_on(self, task) end
    pending = self.sender:finished()
  end
end

---Drives what is in flight until something is done or `seconds` have passed.
function Loop:pump(seconds)
  if not self.sender.step then return end
  self.sender:step(seconds)
  self:dispatch()
end

local function lost(cause)
  return { outcome = "unknown", kind = "connection", retryable = false, cause = cause }
end

---What a task is told whose process forked: both sides have it now, and only one may go on.
---@return table err
function Loop.forked()
  return lost("the process forked meanwhile, and the parent carries the message on")
end

local function carry_as_task(self, task, pending)
  self.waiting[pending] = task
  local interruption = coroutine.yield()
  if interruption == "forked" then return nil, Loop.forked() end
  if not pending:done() then return nil, lost("the client was closed meanwhile") end
  return pending:result()
end

-- Ends the wait of every task, for a reason.
local function interrupt(self, reason)
  local tasks = {}
  for _, task in pairs(self.waiting) do tasks[#tasks + 1] = task end
  for _, sleeper in ipairs(self.sleeping) do tasks[#tasks + 1] = sleeper.task end
  self.waiting, self.sleeping = {}, {}
  for _, task in ipairs(tasks) do
    if type(task) == "thread" then go_on(self, task, reason) end
  end
end

local function heed_fork(self)
  local pid = core.pid()
  if pid == self.pid then return end
  self.pid = pid
  interrupt(self, "forked")
end

---Ends every task as it stands, after its sender was closed.
function Loop:close()
  interrupt(self, "closed")
  raise_fault(self)
end

local function carry_blocking(self, pending)
  self.waiting[pending] = true
  while not pending:done() do self:pump(SLICE) end
  return pending:result()
end

---One attempt. A sender that cannot be stepped is simply called: it blocks, or it
---yields to a scheduler of its own.
---@param task thread|nil the task that waits; nil when the caller does
function Loop:carry(task, message, limits)
  heed_fork(self)
  if not self.sender.start then return self.sender:send(message, limits) end
  local pending, err = self.sender:start(message, limits)
  if not pending then return nil, err end
  if task then return carry_as_task(self, task, pending) end
  return carry_blocking(self, pending)
end

local function sleep_blocking(self, seconds)
  local wake = self:now() + seconds
  local left = seconds
  while left > 0 do
    local slice = math.min(left, SLICE)
    if self.n_tasks > 0 and self.sender.step and self.sender:step(0) > 0 then
      self:pump(slice)
    else
      core.sleep(slice)
    end
    left = wake - self:now()
  end
end

---Waits between attempts.
---@return "forked"|"closed"|nil interruption why there must be no other attempt
function Loop:sleep(task, seconds)
  if seconds <= 0 then return nil end
  if type(self.sender.sleep) == "function" then
    self.sender:sleep(seconds)
  elseif not task then
    sleep_blocking(self, seconds)
  else
    self.sleeping[#self.sleeping + 1] = { wake = self:now() + seconds, task = task }
    return coroutine.yield()
  end
  return nil
end

-- Resumes the tasks whose pause is over.
local function wake_due(self)
  if #self.sleeping == 0 then return end
  local now, due, still = self:now(), {}, {}
  for _, sleeper in ipairs(self.sleeping) do
    local list = sleeper.wake <= now and due or still
    list[#list + 1] = sleeper
  end
  if #due == 0 then return end
  self.sleeping = still
  for _, sleeper in ipairs(due) do go_on(self, sleeper.task) end
end

local function next_wake(self)
  local wake = math.huge
  for _, sleeper in ipairs(self.sleeping) do wake = math.min(wake, sleeper.wake) end
  return wake
end

-- A coroutine that lives through many tasks, one after the other: they are dear to make.
local function new_worker(self)
  local task
  task = coroutine.create(function(body)
    while true do
      body(task)
      self.n_tasks = self.n_tasks - 1
      self.idle[#self.idle + 1] = task
      body = coroutine.yield()
    end
  end)
  return task
end

---Runs `body(task)` as a task, up to where it first has to wait.
---@param body fun(task: thread)
function Loop:spawn(body)
  local task = table.remove(self.idle) or new_worker(self)
  self.n_tasks = self.n_tasks + 1
  local ok, err = resume(self, task, body)
  if not ok then error(err, 0) end
end

-- Waits for what comes first: a request, a pause that ends, the caller's patience.
local function wait_once(self, seconds)
  local nap = seconds
  if #self.sleeping > 0 then
    nap = math.max(0, math.min(seconds, next_wake(self) - self:now()))
  end
  local n_in_flight = self.sender.step and self.sender:step(nap) or 0
  if n_in_flight == 0 and not next(self.waiting) and nap > 0 then core.sleep(nap) end
  if self.sender.finished then self:dispatch() end
  wake_due(self)
end

---Drives every task until one is done or `seconds` have passed. Raises what a callback
---raised, one error a call.
---@param seconds number 0 never waits
---@return integer n_tasks still under way
function Loop:step(seconds)
  heed_fork(self)
  local n_before, deadline = self.n_tasks, self:now() + seconds
  repeat
    if self.n_tasks == 0 then break end
    wait_once(self, math.max(0, deadline - self:now()))
  until self.n_tasks < n_before or self:now() >= deadline
  raise_fault(self)
  return self.n_tasks
end

---One descriptor that a host's event loop can poll for reading.
---@return integer|nil
function Loop:fd()
  return self.sender.fd and self.sender:fd() or nil
end

---Seconds after which a step is due, whatever the descriptor says.
---@return number|nil none when nothing is under way
function Loop:timeout()
  local due = self.sender.timeout and self.sender:timeout() or math.huge
  due = math.min(due, math.max(0, next_wake(self) - self:now()))
  return due < math.huge and due or nil
end

---Like `step`, but spends the time even when nothing is under way.
---@param seconds number
function Loop:wait(seconds)
  if self.n_tasks > 0 then
    self:step(seconds)
  else
    self:sleep(nil, seconds)
  end
end

return { new = new }
