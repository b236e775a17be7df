--- How one attempt is waited for. The driver of a send is straight-line code;
--- it either owns the thread (`send`) or is a task, a coroutine that gives way
--- while a request or a pause is under way (`start` and `step`). Both go through
--- here, so they cannot differ.

local core = require("telnyx.core")

-- A script that waits looks up this often, so that an interrupt is heeded.
local SLICE = 0.1
-- In a host that sleeps for us, a look at what has become of its tasks.
local GLANCE = 0.005

-- What a task says when it gives way, and when it is done.
local WAITS, ENDS = {}, {}

---@class telnyx.loop
---@field sender table
---@field waiting telnyx.waiter[] who waits for a request, in no order
---@field sleeping { wake: number, task: telnyx.task }[]
---@field idle telnyx.task[] whose coroutines can be used again
---@field ended telnyx.task_end[] done; their callbacks are called in this order
---@field n_called integer how many of those have been
---@field n_tasks integer started and not yet done
---@field n_ended integer done since the beginning
---@field faults { value: any }[] what tasks and callbacks raised, and no step has yet
local Loop = {}
Loop.__index = Loop

---@class telnyx.waiter one wait for one request; what its sender knows as the owner
---@field loop telnyx.loop
---@field task telnyx.task|false nobody's when a `send` waits on its caller's thread
---@field place integer|false its place in `waiting`, while it is there

-- Fields that come and go are false meanwhile: an absent one would have to be added again.
---@class telnyx.task
---@field thread thread
---@field settle fun(message: table|nil, result: table) records the end; raises nothing
---@field callback function|false the user's; called on the thread of who steps

---@param sender table
---@return telnyx.loop
local function new(sender)
  return setmetatable({
    sender = sender, pid = core.pid(), waiting = {}, sleeping = {}, idle = {}, ended = {},
    faults = {}, n_tasks = 0, n_ended = 0, n_called = 0, is_calling = false,
  }, Loop)
end

---Monotonic seconds, by the sender's clock if it has one of its own.
function Loop:now()
  if type(self.sender.monotonic) == "function" then return self.sender:monotonic() end
  return core.monotonic()
end

local function lost(cause, kind)
  return { outcome = "unknown", kind = kind or "connection", retryable = false, cause = cause }
end

---What a task is told whose process forked: both sides have it now, and only one may go on.
---@return table err
function Loop.forked()
  return lost("the process forked meanwhile, and the parent carries the message on")
end

local function may_yield()
  local thread, is_main = coroutine.running()
  return thread ~= nil and not is_main
end

-- A sender that yields to a scheduler of its own yields through us, if it can.
local function resume(task, what)
  local ok, signal, message, result = coroutine.resume(task.thread, what)
  while ok and signal ~= WAITS and signal ~= ENDS do
    if not may_yield() then
      return false, "the sender yields, but nobody is there to resume it"
    end
    ok, signal, message, result = coroutine.resume(task.thread, coroutine.yield(signal, message))
  end
  return ok, signal, message, result
end

local function end_task(self, task, message, result)
  self.n_tasks, self.n_ended = self.n_tasks - 1, self.n_ended + 1
  task.settle(message, result)
  if task.callback then
    self.ended[#self.ended + 1] = { callback = task.callback, message = message, result = result }
  end
end

-- Lets a task go on, up to where it waits again or ends.
local function go_on(self, task, what)
  local ok, signal, message, result = resume(task, what)
  if not ok then
    self.faults[#self.faults + 1] = { value = signal }
    end_task(self, task, nil, lost(tostring(signal), "protocol"))
  elseif signal == ENDS then
    end_task(self, task, message, result)
    task.settle, task.callback = false, false
    -- Elsewhere a coroutine may belong to who made it, as nginx's do to a request.
    if self.sender.start then self.idle[#self.idle + 1] = task end
  end
end

local function raise_fault(self)
  local fault = table.remove(self.faults, 1)
  if fault then error(fault.value, 0) end
end

-- Counted first, since a callback may step the loop, and raise.
local function next_ended(self)
  local one = self.ended[self.n_called + 1]
  if one then
    self.n_called = self.n_called + 1
  elseif self.n_called > 0 then
    self.ended, self.n_called = {}, 0
  end
  return one
end

-- On the caller's own thread, where a callback may yield and raise as it likes.
local function call_back(self)
  local one = next_ended(self)
  while one do
    one.callback(one.message, one.result)
    one = next_ended(self)
  end
end

-- While a `send` waits, what others' callbacks raise must not cost it its outcome. One that
-- sends in its turn does not hear of others meanwhile: the stack is not without end.
local function call_back_protected(self)
  if self.is_calling then return end
  self.is_calling = true
  local one = next_ended(self)
  while one do
    local ok, err = pcall(one.callback, one.message, one.result)
    if not ok then self.faults[#self.faults + 1] = { value = err } end
    one = next_ended(self)
  end
  self.is_calling = false
end

local function begin_waiting(waiter)
  local waiting = waiter.loop.waiting
  local place = #waiting + 1
  waiting[place], waiter.place = waiter, place
end

-- The last one takes its place.
---@return boolean whether it was waiting: after a fork, what is the parent's is not
local function end_waiting(waiter)
  local waiting, place = waiter.loop.waiting, waiter.place
  if not place then return false end
  local last = waiting[#waiting]
  waiting[#waiting] = nil
  if last ~= waiter then waiting[place], last.place = last, place end
  waiter.place = false
  return true
end

local NOT_OWNER = "the sender's 'finished' must return the owner that its 'start' was given"

-- Lets go on whose requests are finished. A sender may serve several loops. What one does wrong
-- is told by the next step: a `send` must not lose its outcome by it.
local function dispatch(self)
  if not self.sender.finished then return end
  local waiter = self.sender:finished()
  while waiter do
    if type(waiter) ~= "table" or not waiter.loop then
      self.faults[#self.faults + 1] = { value = NOT_OWNER }
      return
    end
    if end_waiting(waiter) and waiter.task then go_on(waiter.loop, waiter.task) end
    waiter = self.sender:finished()
  end
end

local function next_wake(self)
  local wake = math.huge
  for i = 1, #self.sleeping do wake = math.min(wake, self.sleeping[i].wake) end
  return wake
end

-- Lets go on whose pause is over; one at a time, since each may change who sleeps.
local function wake_due(self)
  while #self.sleeping > 0 do
    local now, due = self:now(), nil
    for i = 1, #self.sleeping do
      if self.sleeping[i].wake <= now then
        due = i
        break
      end
    end
    if not due then return end
    go_on(self, table.remove(self.sleeping, due).task)
  end
end

local function pause(self, seconds)
  if type(self.sender.sleep) ~= "function" then return core.sleep(seconds) end
  return self.sender:sleep(math.min(seconds, GLANCE))
end

-- Ends the wait of every task, for a reason.
local function interrupt(self, reason)
  local waiting, sleeping, tasks = self.waiting, self.sleeping, {}
  self.waiting, self.sleeping = {}, {}
  for _, waiter in ipairs(waiting) do
    waiter.place = false
    if waiter.task then tasks[#tasks + 1] = waiter.task end
  end
  for _, sleeper in ipairs(sleeping) do tasks[#tasks + 1] = sleeper.task end
  for _, task in ipairs(tasks) do go_on(self, task, reason) end
end

local function has_forked(self)
  return core.pid() ~= self.pid
end

local function heed_fork(self)
  if not has_forked(self) then return end
  self.pid = core.pid()
  interrupt(self, "forked")
end

-- Waits for what comes first: a request, a pause that ends, the caller's patience.
local function wait_once(self, seconds)
  heed_fork(self)
  local nap = seconds
  if #self.sleeping > 0 then
    nap = math.max(0, math.min(seconds, next_wake(self) - self:now()))
  end
  local n_in_flight = self.sender.step and self.sender:step(nap) or 0
  if n_in_flight == 0 and #self.waiting == 0 and nap > 0 then pause(self, nap) end
  dispatch(self)
  wake_due(self)
end

---Ends every task as it stands, after its sender was closed.
function Loop:close()
  heed_fork(self)
  self.is_closed = true
  self.faults = {}
  interrupt(self, "closed")
  call_back_protected(self)
  raise_fault(self)
end

-- Two values, whatever a sender of the user's own adds.
local function result_of(pending)
  local message, result = pending:result()
  return message, result
end

local function carry_as_task(pending)
  local interruption = coroutine.yield(WAITS)
  if interruption == "forked" then return nil, Loop.forked(), interruption end
  if not pending:done() then return nil, lost("the client was closed meanwhile"), "closed" end
  return result_of(pending)
end

local function carry_blocking(self, waiter, pending)
  local pid = self.pid
  while not pending:done() and self.pid == pid do
    wait_once(self, SLICE)
    call_back_protected(self)
  end
  end_waiting(waiter)
  if self.pid ~= pid or has_forked(self) then return nil, Loop.forked(), "forked" end
  return result_of(pending)
end

---One attempt. A sender that cannot be stepped is simply called: it blocks, or it
---yields to a scheduler of its own.
---@param task telnyx.task|nil the task that waits; nil when the caller does
---@return table|nil message
---@return table|nil result
---@return "forked"|"closed"|nil interruption why there must be no other attempt
function Loop:carry(task, message, limits)
  heed_fork(self)
  if not self.sender.start then
    local sent, result = self.sender:send(message, limits)
    return sent, result
  end
  local waiter = { loop = self, task = task or false, place = false }
  local pending, err = self.sender:start(message, limits, waiter)
  if not pending then return nil, err end
  begin_waiting(waiter)
  if task then return carry_as_task(pending) end
  return carry_blocking(self, waiter, pending)
end

local function sleep_blocking(self, seconds)
  local pid, wake = self.pid, self:now() + seconds
  local left = seconds
  while left > 0 and not self.is_closed and self.pid == pid do
    wait_once(self, math.min(left, SLICE))
    call_back_protected(self)
    left = wake - self:now()
  end
  if self.pid ~= pid or has_forked(self) then return "forked" end
  return self.is_closed and "closed" or nil
end

---Waits between attempts.
---@return "forked"|"closed"|nil interruption why there must be no other attempt
function Loop:sleep(task, seconds)
  if seconds <= 0 then return nil end
  heed_fork(self)
  if type(self.sender.sleep) == "function" then
    self.sender:sleep(seconds)
    return has_forked(self) and "forked" or nil
  elseif not task then
    return sleep_blocking(self, seconds)
  end
  self.sleeping[#self.sleeping + 1] = { wake = self:now() + seconds, task = task }
  return coroutine.yield(WAITS)
end

-- A coroutine lives through many tasks, one after the other: they are dear to make.
local function new_task()
  local task = { thread = false, settle = false, callback = false }
  task.thread = coroutine.create(function(body)
    while true do body = coroutine.yield(ENDS, body(task)) end
  end)
  return task
end

-- A sender with a scheduler of its own runs the task there, callback and all: where one
-- client serves many requests, each must hear of its own messages on its own thread.
local function spawn_elsewhere(self, task, body)
  self.n_tasks = self.n_tasks + 1
  self.sender:spawn(function()
    local ok, message, result = pcall(body, task)
    local callback = task.callback
    task.callback = false
    if not ok then
      self.faults[#self.faults + 1] = { value = message }
      message, result = nil, lost(tostring(message), "protocol")
    end
    end_task(self, task, message, result)
    if callback then callback(message, result) end
  end)
end

---Runs `body(task)` as a task, up to where it first has to wait.
---@param body fun(task: telnyx.task): table|nil, table
---@param settle fun(message: table|nil, result: table)
---@param callback function|nil
function Loop:spawn(body, settle, callback)
  if type(self.sender.spawn) == "function" then
    return spawn_elsewhere(self, { settle = settle, callback = callback or false }, body)
  end
  local task = table.remove(self.idle) or new_task()
  task.settle, task.callback = settle, callback or false
  self.n_tasks = self.n_tasks + 1
  go_on(self, task, body)
  call_back(self)
  raise_fault(self)
end

---Drives every task until one is done or `seconds` have passed.
---@param seconds number 0 never waits
---@return integer n_tasks still under way
function Loop:step(seconds)
  heed_fork(self)
  local n_before, deadline = self.n_ended, self:now() + seconds
  local left = seconds
  repeat
    if self.n_tasks > 0 then wait_once(self, math.min(left, SLICE)) end
    call_back(self)
    left = math.max(0, deadline - self:now())
  until self.n_tasks == 0 or self.n_ended ~= n_before or left == 0
  raise_fault(self)
  return self.n_tasks
end

---One descriptor that a host's event loop can poll for reading.
---@return integer|nil
function Loop:fd()
  if self.is_closed or type(self.sender.fd) ~= "function" then return nil end
  return self.sender:fd()
end

---Seconds after which a step is due, whatever the descriptor says.
---@return number|nil none when nothing is under way
function Loop:timeout()
  if #self.ended > self.n_called or #self.faults > 0 then return 0 end
  if self.is_closed then return nil end
  if self.n_tasks > 0 and has_forked(self) then return 0 end
  local has_timeout = type(self.sender.timeout) == "function"
  local due = has_timeout and self.sender:timeout() or math.huge
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
