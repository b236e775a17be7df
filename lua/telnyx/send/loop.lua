--- How one attempt is waited for. The driver of a send is straight-line code;
--- it either owns the thread (`send`) or is a task, a coroutine that gives way
--- while a request or a pause is under way (`start` and `step`). Both go through
--- here, so they cannot differ.

local core = require("telnyx.core")
local guard = require("telnyx.send.guard")
local news = require("telnyx.send.news")
local rounds = require("telnyx.send.rounds")
local tasks = require("telnyx.send.tasks")

-- A script that waits looks up this often, so that an interrupt is heeded.
local SLICE = 0.1
-- In a host that sleeps for us, a look at what has become of its tasks.
local GLANCE = 0.005
-- What a step that must not wait may take of a frame.
local BUDGET = 0.0004

---@class telnyx.loop_host what a loop drives
---@field drive fun(self, job: telnyx.job, task: telnyx.task|nil): table|nil, table
---@field settle fun(self, job: telnyx.job, message: table|nil, result: table) raises nothing
---@field abandon fun(self, job: telnyx.job, why: any): table|nil, table gives back what the job
---holds, after an error; returns what became of it

---@class telnyx.loop
---@field host telnyx.loop_host
---@field sender telnyx.sender
---@field meanwhile (fun(): number)|nil what a `send` calls that heeds it
---@field clock function the sender's, or the machine's
---@field start function|nil the sender's, as are the next ones
---@field finished function|nil
---@field spawn function|nil
---@field tasks telnyx.task[] those that have not ended, in no order
---@field sleeping telnyx.task[] those of them that pause
---@field elsewhere table<table, integer> how many a sender runs on a scheduler of its own, by whom
---they are counted for
---@field scope (fun(sender: telnyx.sender): table|nil)|nil the sender's: whom they are counted for
---@field idle telnyx.task[] up to n_idle, whose coroutines can be used again
---@field news telnyx.news what is to be told
---@field n_ended integer done since the beginning, or waiting for a turn
---@field n_rounds integer begun and not ended; one that an error ended stays counted
---@field n_parked integer tasks that wait for a turn
---@field is_left boolean whether an error may have left a task that is to be ended
---@field is_watched boolean whether a task may have yielded through somebody's step
---@field has_more boolean whether the last step left something undone
local Loop = {}
Loop.__index = Loop

local new_meanwhile

local function has_method(sender, name)
  return type(sender[name]) == "function"
end

---@param sender telnyx.sender
---@param host telnyx.loop_host
---@param on_error (fun(value: any))|nil the user's: told what callbacks raise
---@return telnyx.loop
local function new(sender, host, on_error)
  local self = setmetatable({
    sender = sender, host = host, n_forks = core.forks(), tasks = {}, sleeping = {},
    elsewhere = setmetatable({}, { __mode = "k" }), idle = {}, n_idle = 0,
    news = news.new(on_error), n_ended = 0, n_rounds = 0, n_parked = 0, is_left = false,
    is_watched = false, has_more = false,
    clock = has_method(sender, "monotonic") and sender.monotonic or core.monotonic,
    start = sender.start, finished = sender.finished,
    spawn = has_method(sender, "spawn") and sender.spawn or nil,
    scope = has_method(sender, "scope") and sender.scope or nil,
  }, Loop)
  if sender.heeds_meanwhile then self.meanwhile = new_meanwhile(self) end
  return self
end

---Monotonic seconds, by the sender's clock if it has one of its own.
function Loop:now() return self.clock(self.sender) end

local function lost(cause)
  return { outcome = "unknown", kind = "connection", retryable = false, cause = cause }
end

---What a task is told whose process forked: both sides have it now, and only one may go on.
---@return table err
function Loop.forked()
  return lost("the process forked meanwhile, and the parent carries the message on")
end

local function has_forked(self)
  return core.forks() ~= self.n_forks
end

local function heed_fork(self)
  local n_forks = core.forks()
  if n_forks == self.n_forks then return end
  self.n_forks = n_forks
  tasks.interrupt(self, "forked")
end

function new_meanwhile(self)
  return function()
    heed_fork(self)
    rounds.go(self, math.huge)
    self.news:call_back_protected()
    if #self.sleeping == 0 then return SLICE end
    return math.max(0, math.min(SLICE, rounds.next_wake(self) - self:now()))
  end
end

-- Waiting ---------------------------------------------------------------------------------------

local function pause(self, seconds)
  if not has_method(self.sender, "sleep") then return core.sleep(seconds) end
  return self.sender:sleep(math.min(seconds, GLANCE))
end

-- Whether nobody waits for a request: a task may also be the one whose function steps.
local function is_idle(self)
  if #self.tasks == #self.sleeping + self.n_parked then return true end
  for _, task in ipairs(self.tasks) do
    if task.waits == "request" then return false end
  end
  return true
end

-- Waits for what comes first: a request, a pause that ends, the caller's patience.
---@param is_carrying boolean whether the caller waits for a request of his own
local function wait_once(self, seconds, spent_at, is_carrying)
  heed_fork(self)
  local nap = seconds
  if #self.sleeping > 0 then
    nap = math.max(0, math.min(seconds, rounds.next_wake(self) - self:now()))
  end
  local n_in_flight = self.sender.step and self.sender:step(nap) or 0
  local is_free = n_in_flight == 0 and not is_carrying and is_idle(self)
  -- Whose tasks a scheduler runs has to let it.
  if is_free and (nap > 0 or self.spawn) then pause(self, nap) end
  rounds.go(self, spent_at)
end

---Ends every task as it stands, after its sender was closed.
function Loop:close()
  heed_fork(self)
  self.is_closed = true
  tasks.interrupt(self, "closed")
  self.news:call_back_all()
  self.news:raise_all()
end

-- Two values, whatever a sender of the user's own adds.
local function result_of(pending)
  local message, result = pending:result()
  return message, result
end

-- Whoever stepped meanwhile, as in a `start` of the user's own that yields, may have been told
-- already that it has ended: nobody is told again.
local function carry_as_task(task, pending)
  local interruption
  if not (task.is_missed and pending:done() or task.loop.is_closed) then
    repeat
      interruption = tasks.wait(task, "request")
    until interruption or pending:done()
  end
  if interruption == "forked" then return nil, Loop.forked(), interruption end
  if not pending:done() then return nil, lost("the client was closed meanwhile"), "closed" end
  return result_of(pending)
end

local function carry_meanwhile(self, message, limits)
  local n_forks = self.n_forks
  local sent, result = self.sender:send(message, limits, self.meanwhile)
  if self.n_forks ~= n_forks or has_forked(self) then return nil, Loop.forked(), "forked" end
  return sent, result
end

local function carry_blocking(self, pending)
  local n_forks = self.n_forks
  while not pending:done() and self.n_forks == n_forks do
    wait_once(self, SLICE, math.huge, true)
    self.news:call_back_protected()
  end
  if self.n_forks ~= n_forks or has_forked(self) then return nil, Loop.forked(), "forked" end
  return result_of(pending)
end

-- Who is let go on before it is posted may close the client, or fork.
local function closed_before(self)
  self.news:call_back_protected() -- no step will
  return nil, { outcome = "not_sent", kind = "connection", retryable = true,
    cause = "the client was closed meanwhile", advice = "Send it again." }, "closed"
end

-- What it has begun is unknown until it has said.
local function carry_at_once(self, message, limits)
  limits.begun = true
  local sent, result = self.sender:send(message, limits)
  return sent, result
end

---One attempt. A sender that cannot be stepped is simply called: it blocks, or it
---yields to a scheduler of its own. When an error ends it, `limits` tell what is left:
---`begun`, and the `pending` that is to be cancelled.
---@param task telnyx.task|nil the task that waits; nil when the caller does
---@param message table
---@param limits telnyx.limits
---@return table|nil message
---@return table|nil result
---@return "forked"|"closed"|nil interruption why there must be no other attempt
function Loop:carry(task, message, limits)
  local n_forks = core.forks()
  heed_fork(self)
  if not task then rounds.mend(self) end
  if core.forks() ~= n_forks then return nil, Loop.forked(), "forked" end
  if self.is_closed then return closed_before(self) end
  if not task and self.meanwhile then return carry_meanwhile(self, message, limits) end
  if not self.start then return carry_at_once(self, message, limits) end
  local owner = task or { loop = self }
  owner.is_missed = false
  local pending, err = self.start(self.sender, message, limits, owner)
  if not pending then return nil, err end
  limits.pending = pending
  if task then return carry_as_task(task, pending) end
  return carry_blocking(self, pending)
end

local function sleep_blocking(self, seconds)
  local n_forks, wake = self.n_forks, self:now() + seconds
  local left = seconds
  while left > 0 and not self.is_closed and self.n_forks == n_forks do
    wait_once(self, math.min(left, SLICE), math.huge, false)
    self.news:call_back_protected()
    left = wake - self:now()
  end
  if self.n_forks ~= n_forks or has_forked(self) then return "forked" end
  return self.is_closed and "closed" or nil
end

local function sleep_as_task(self, task, seconds)
  local sleeping = self.sleeping
  task.wake = self:now() + seconds
  table.insert(sleeping, task) -- in one go
  local interruption
  repeat
    interruption = tasks.wait(task, "pause")
  until interruption or self:now() >= task.wake
  for i = 1, #sleeping do
    if sleeping[i] == task then
      table.remove(sleeping, i)
      break
    end
  end
  return interruption
end

-- On a scheduler of its own nobody can end a wait but who waits.
local function sleep_elsewhere(self, seconds)
  local wake, left = self:now() + seconds, seconds
  while left > 0 and not self.is_closed do
    self.sender:sleep(math.min(left, SLICE))
    left = wake - self:now()
  end
end

---Waits between attempts.
---@param task telnyx.task|nil
---@param seconds number
---@return "forked"|"closed"|"over"|nil interruption why there must be no other attempt
function Loop:sleep(task, seconds)
  if seconds <= 0 then return nil end
  heed_fork(self)
  if has_method(self.sender, "sleep") then
    if self.spawn then sleep_elsewhere(self, seconds) else self.sender:sleep(seconds) end
    return has_forked(self) and "forked" or nil
  elseif not task then
    rounds.mend(self)
    return sleep_blocking(self, seconds)
  end
  return sleep_as_task(self, task, seconds)
end

local function park_elsewhere(self, waiter)
  waiter.gate = waiter.gate or self.sender:new_gate()
  while not (waiter.is_granted or self.is_closed or waiter.is_over()) do waiter.gate:wait(SLICE) end
  return not waiter.is_granted and "over" or nil
end

---Lets one that is carried wait until somebody says that it may go on.
---@param task telnyx.task|nil nil: on a scheduler of its own
---@param waiter table `is_granted` is set before it is let go on
---@return "forked"|"closed"|"over"|nil interruption
function Loop:park(task, waiter)
  heed_fork(self)
  self.n_ended = self.n_ended + 1 -- nobody waits for it meanwhile: there is room for another
  if not task then return park_elsewhere(self, waiter) end
  local n_forks, interruption = self.n_forks
  waiter.task, self.n_parked = task, self.n_parked + 1
  repeat interruption = tasks.wait(task, "turn") until interruption or waiter.is_granted
  waiter.task, self.n_parked = false, self.n_parked - 1
  if self.n_forks ~= n_forks or has_forked(self) then return "forked" end
  return interruption
end

---Lets it go on.
---@param waiter table
function Loop:unpark(waiter)
  if waiter.task then tasks.go_on(self, waiter.task) end
  if waiter.gate then waiter.gate:post(1) end
end

-- Beginning and driving -------------------------------------------------------------------------

local function scope_of(self) return self.scope and self.scope(self.sender) or self end

-- What is carried on a scheduler of the sender's own, and what came of it.
---@class telnyx.elsewhere
---@field job telnyx.job
---@field scope table for whom it is counted
---@field is_beginning boolean whoever has begun it is still there
---@field fault { value: any }|nil an error that came so early
---@field message table|nil
---@field result table|nil nil: it has not ended

-- No hook comes between.
local function end_elsewhere(self, one, message, result)
  self.host:settle(one.job, message, result)
  one.message, one.result = message, result
  self.elsewhere[one.scope], self.n_ended = self.elsewhere[one.scope] - 1, self.n_ended + 1
end

local function drive_elsewhere(self, one)
  local message, result = self.host:drive(one.job)
  core.shielded(end_elsewhere, self, one, message, result)
end

-- Of what has not ended otherwise.
local function abandon_elsewhere(self, one)
  if one.result then return end
  end_elsewhere(self, one, self.host:abandon(one.job, "an error ended the send"))
end

-- It is the caller's as long as he is there. Then it is its thread's alone: whoever steps may be
-- another request.
local function raise_elsewhere(self, one, err)
  if self.news:hand_over(err) then return end
  if not one.is_beginning then error(err, 0) end
  one.fault = { value = err }
end

-- A run's notes what came, and returns what tells of it.
local function call_back(one, callback)
  if not one.job.is_over then return callback(one.message, one.result) end
  local tell = core.shielded(callback, one.message, one.result)
  if tell then tell() end
end

-- A sender with a scheduler of its own runs the task there, callback and all: where one client
-- serves many requests, each must hear of its own messages on its own thread, and waits for no
-- other's, which may have been killed.
local function begin_elsewhere(self, job, callback)
  local elsewhere, one = self.elsewhere, { job = job, scope = scope_of(self), is_beginning = true }
  elsewhere[one.scope] = (elsewhere[one.scope] or 0) + 1
  local child = self.spawn(self.sender, function()
    local ok, err = pcall(guard, true, drive_elsewhere, abandon_elsewhere, self, one)
    core.shielded(abandon_elsewhere, self, one)
    local is_told, fault = true, nil
    if callback then is_told, fault = pcall(call_back, one, callback) end
    if not ok then raise_elsewhere(self, one, err) end
    if not is_told and not self.news:hand_over(fault) then error(fault, 0) end
  end)
  one.is_beginning = false
  if one.fault then error(one.fault.value, 0) end
  if child then child.what = one end
  return child
end

---Begins a job as a task, up to where it first has to wait. When an error ends this, `abandon`.
---@param job telnyx.job
---@param callback function|nil
---@return table|nil child of a scheduler of its own, for `has_ended` and `forget`
function Loop:begin(job, callback)
  if self.spawn then return begin_elsewhere(self, job, callback) end
  local was_left = self.is_left
  self.is_left = true -- if an error passes
  tasks.go_on(self, tasks.enter(self, job, callback))
  self.is_left = was_left
  if self.is_closed then self.news:call_back_all() end -- no step will
end

---Lets go of those that have ended, on the thread that has begun them.
---@param children table[]
---@param heed fun(child: table) who is called of each: an error may have ended it before it told
function Loop:forget_ended(children, heed)
  for i = #children, 1, -1 do
    local child = children[i]
    if self.sender:has_ended(child) then
      table.remove(children, i)
      self.sender:forget(child)
      core.shielded(abandon_elsewhere, self, child.what)
      heed(child)
    end
  end
end

Loop.abandon, Loop.abandon_run, Loop.hurry = tasks.abandon, tasks.abandon_run, tasks.hurry

---Tells a run what has ended by now, and raises what has gone wrong in its messages.
---@param is_over fun(): boolean the run's
function Loop:tell(is_over)
  local due = self.news
  if due.n_told < due.n_slots then due:call_back_in_run(is_over) end
  if due.faults[1] then due:raise_in_run(is_over) end
end

---Tells a run that an error has ended of all that it has begun, and of nothing else.
---@param is_over fun(): boolean the run's
function Loop:tell_last(is_over) self.news:call_back_own(is_over) end

---Whether something is under way, or to be told of.
---@return boolean
function Loop:has_tasks() return #self.tasks > 0 or self.news:n_due() > 0 end

local function n_tasks(self)
  if not self.spawn then return #self.tasks end
  return #self.tasks + (self.elsewhere[scope_of(self)] or 0)
end

-- Until one is done or the time is up; and while there are some, unless somebody knows that there
-- are. `tell(news, is_over)` calls back.
local function drive(self, seconds, is_awaited, tell, is_over)
  heed_fork(self)
  rounds.mend(self)
  local n_before, now = self.n_ended, self:now()
  local deadline, left = now + seconds, seconds
  local spent_at = seconds > 0 and math.huge or now + BUDGET
  repeat
    local is_worth_it = is_awaited or n_tasks(self) > 0
    if is_worth_it then wait_once(self, math.min(left, SLICE), spent_at, false) end
    tell(self.news, is_over)
    left = left > 0 and math.max(0, deadline - self:now()) or 0
    local is_done = not is_awaited and n_tasks(self) == 0
  until is_done or self.n_ended ~= n_before or left == 0
end

---Drives every task until one is done or `seconds` have passed; then raises what a callback has.
---@param seconds number 0 never waits, and does part when there is much to do
---@return integer n still under way, or done and to be told of by the next step
function Loop:step(seconds)
  drive(self, seconds, false, self.news.call_back)
  self.news:raise()
  return n_tasks(self) + self.news:n_due()
end

---Raises the first of what callbacks have raised.
function Loop:raise() self.news:raise() end

---The same as `step` for a run, which has begun some and not heard of them; what others' callbacks
---raise is not the run's, and the next step's to tell. A scheduler of its own may count them for
---another by now, as nginx does when a request's context was replaced: it has to be let go on.
---@param seconds number
---@param is_over fun(): boolean the run's
---@return integer n_tasks still under way, as far as can be told
function Loop:await(seconds, is_over)
  drive(self, seconds, self.spawn ~= nil, self.news.call_back_in_run, is_over)
  if self.news.faults[1] then self.news:raise_in_run(is_over) end
  return n_tasks(self)
end

---One descriptor that a host's event loop can poll for reading.
---@return integer|nil
function Loop:fd()
  if self.is_closed or not has_method(self.sender, "fd") then return nil end
  return self.sender:fd()
end

---Seconds after which a step is due, whatever the descriptor says.
---@return number|nil none when nothing is under way
function Loop:timeout()
  if self.news:is_due() then return 0 end
  if self.is_closed then return nil end
  local is_due = self.has_more or self.n_rounds > 0 or self.is_left or has_forked(self)
    or tasks.has_stranded(self)
  if is_due and n_tasks(self) > 0 then return 0 end
  local due = has_method(self.sender, "timeout") and self.sender:timeout() or math.huge
  due = math.min(due, math.max(0, rounds.next_wake(self) - self:now()))
  return due < math.huge and due or nil
end

return { new = new }
