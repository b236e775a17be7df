--- Tasks: sends that are driven on by others. Each has a coroutine, which gives way while a request
--- or a pause is under way. Here they begin, go on and end; what they wait for is the loop's.
---
--- A host's hook may raise between any two instructions, and a finalizer step the loop there. So
--- what ends is taken out of the books without a hook, what was about to go on is found again by
--- `mend`, and a task looks by itself whether what it waits for is there: who is woken once too
--- often just goes on waiting.

local core = require("telnyx.core")

-- Of each message, so looked up once.
local resume_thread, yield, status_of = coroutine.resume, coroutine.yield, coroutine.status
local running = coroutine.running

local tasks = {}

-- So many coroutines are kept for the next jobs: a burst is not paid for as long as a client lives.
local MOST_IDLE = 256

-- What a task says when it gives way, and when it is done.
local WAITS, ENDS = {}, {}

---@class telnyx.task
---@field loop telnyx.loop
---@field thread thread|false false when it cannot be used again
---@field job telnyx.job|false
---@field callback function|false the user's; called on the thread of who steps
---@field place integer|false its place among the loop's tasks
---@field waits "request"|"pause"|"turn"|false what it gave way for
---@field wake number when its pause is over
---@field message table|nil|false with `result`, what came of the job
---@field result table|false
---@field is_asking boolean whether a function of the user's own is told something, or asked
---@field why string|false why it is to be ended, by an error
---@field is_begun boolean whether its job is; memory may fail before
---@field is_missed boolean|nil its request ended before it waited for that
---@field is_suspect boolean it was found so by a step
---@field is_ending boolean that is being done
---@field driver thread|false whose step it has yielded through, to a scheduler of the user's own

-- Nil where it cannot yield.
local function own_thread()
  local thread, is_main = running()
  return not is_main and thread or nil
end

-- So often a user's own function may give way where nobody heeds it.
local MOST_IN_VAIN = 100

-- A sender that yields to a scheduler of its own yields through us, if it can. What is only told
-- something, or asked, goes on at once where there is no scheduler: the message is not lost by it.
local function resume(task, what)
  local thread, loop = task.thread, task.loop
  local ok, signal, more = resume_thread(thread, what)
  local n_in_vain = 0
  while ok and signal ~= WAITS and signal ~= ENDS do
    local driver = own_thread()
    if driver then
      task.driver, loop.is_watched = driver, true
      ok, signal, more = resume_thread(thread, yield(signal, more))
    elseif task.is_asking and n_in_vain < MOST_IN_VAIN then
      n_in_vain = n_in_vain + 1
      ok, signal, more = resume_thread(thread)
    else
      return false, "the sender yields, but nobody is there to resume it"
    end
  end
  return ok, signal
end

-- A coroutine lives through many jobs, one after the other: they are dear to make.
local function new_task(loop)
  local task = {
    loop = loop, thread = false, job = false, callback = false, place = false,
    waits = false, wake = 0, message = false, result = false, is_asking = false, why = false,
    is_begun = false, is_missed = false, is_suspect = false, is_ending = false, driver = false,
  }
  task.thread = coroutine.create(function()
    while true do
      task.is_begun, task.is_suspect = true, false
      task.message, task.result = loop.host:drive(task.job, task)
      repeat yield(ENDS) until task.job and not task.result
    end
  end)
  return task
end

local function take_idle(loop)
  local n_idle = loop.n_idle
  if n_idle == 0 then return nil end
  loop.n_idle = n_idle - 1
  return loop.idle[n_idle]
end

---@param loop telnyx.loop
---@param job telnyx.job
---@param callback function|nil
---@return telnyx.task
function tasks.enter(loop, job, callback)
  local task = take_idle(loop) or new_task(loop)
  local place = #loop.tasks + 1
  task.job, task.callback, task.place, task.is_begun = job, callback or false, place, false
  loop.tasks[place] = task
  return task
end

-- The last one takes its place.
local function leave(list, task, place)
  local last = list[#list]
  list[place], last.place = last, place
  list[#list] = nil
  task.place = false
end

-- Memory may fail up to where it is told: then nothing has changed, and `mend` finds it. And a
-- finalizer's step may come between, and end it.
---@return boolean|nil is_done here
local function end_task(loop, task, message, result)
  local job, callback = task.job, task.callback
  loop.host:settle(job, message, result)
  if task.job ~= job then return end
  if callback then loop.news:add(callback, message, result, job.is_over) end
  task.job, task.callback, task.message, task.result = false, false, false, false
  loop.n_ended = loop.n_ended + 1
  leave(loop.tasks, task, task.place)
  return true
end

-- Its coroutine waits for the next job.
local function retire(loop, task)
  if not task.job or not end_task(loop, task, task.message, task.result) then return end
  -- Elsewhere a coroutine may belong to who made it, as nginx's do to a request.
  if not loop.start or loop.n_idle == MOST_IDLE then return end
  loop.n_idle = loop.n_idle + 1
  loop.idle[loop.n_idle] = task
end

local function wake_never(loop, task)
  for i, sleeper in ipairs(loop.sleeping) do
    if sleeper == task then return table.remove(loop.sleeping, i) end
  end
end

local function bury_now(loop, task)
  task.is_ending = true
  wake_never(loop, task)
  local message, result = loop.host:abandon(task.job, task.why)
  if task.waits == "turn" then loop.n_parked = loop.n_parked - 1 end
  task.thread, task.waits = false, false
  end_task(loop, task, message, result)
end

-- Its coroutine is dead, or left where it stands. Where memory fails, `mend` tries again.
local function bury(loop, task, why)
  if not task.job or task.is_ending then return end
  task.why, loop.is_left = task.why or why, true
  local ok, err = pcall(bury_now, loop, task)
  task.is_ending = false
  if not ok then error(err, 0) end
end

local function bury_with_fault(loop, task, why)
  if not task.job then return end
  loop.news:add_fault(why, task.job.is_over)
  bury(loop, task, why)
end

---Whether it stands where it can go on; whoever asks may be inside it.
---@param task telnyx.task
---@return boolean
local function can_go_on(task)
  return task.thread and not task.why and status_of(task.thread) == "suspended"
end

tasks.can_go_on = can_go_on

---Lets a task go on, up to where it waits again or ends.
---@param why string|nil the interruption that ends its wait
function tasks.go_on(loop, task, why)
  if not can_go_on(task) then return end
  local was_left = loop.is_left
  loop.is_left = true -- if an error passes
  local ok, signal = resume(task, why)
  if not ok then
    core.shielded(bury_with_fault, loop, task, signal)
  elseif signal == ENDS then
    core.shielded(retire, loop, task)
  end
  task.driver = false
  loop.is_left = was_left
end

---Gives way, inside the task.
---@param what "request"|"pause"|"turn"
---@return "forked"|"closed"|"over"|nil interruption
function tasks.wait(task, what)
  task.waits = what
  local interruption = yield(WAITS)
  task.waits = false
  return interruption
end

local function interrupt_each(loop, reason, is_meant)
  local waiting = {}
  for _, task in ipairs(loop.tasks) do
    if is_meant(task) then waiting[#waiting + 1] = task end
  end
  for _, task in ipairs(waiting) do
    if is_meant(task) then tasks.go_on(loop, task, reason) end
  end
end

---Ends the wait of every task, for a reason.
function tasks.interrupt(loop, reason)
  interrupt_each(loop, reason, function(task) return task.waits end)
end

---Ends the pauses of a run that is over; what is on the wire is waited for.
---@param is_over function the run's
function tasks.hurry(loop, is_over)
  interrupt_each(loop, "over", function(task)
    return task.waits and task.waits ~= "request" and task.job and task.job.is_over == is_over
  end)
end

---Ends the task of a job whose beginning an error has ended, if there is one.
function tasks.abandon(loop, job)
  for _, task in ipairs(loop.tasks) do
    if task.job == job then return bury(loop, task, "an error ended the start") end
  end
end

---Ends the tasks of a run that an error has ended.
---@param is_over function the run's
function tasks.abandon_run(loop, is_over)
  for _, task in ipairs(loop.tasks) do
    if task.job.is_over == is_over then task.why, loop.is_left = "an error ended the run", true end
  end
  for i = #loop.tasks, 1, -1 do
    local task = loop.tasks[i]
    if task and task.job.is_over == is_over then bury(loop, task, task.why) end
  end
end

local function is_answered(task)
  local pending = task.waits == "request" and task.job.limits.pending
  return pending and pending:done()
end

-- Whether an error has ended the step that it had yielded through: nobody else would let it go on.
local function is_stranded(task)
  local driver = task.driver
  return driver and status_of(task.thread) == "suspended"
    and (driver == running() or status_of(driver) == "dead")
end

---Whether somebody's scheduler has a task that no step of his will let go on.
---@param loop telnyx.loop
---@return boolean
function tasks.has_stranded(loop)
  if not loop.is_watched then return false end
  for _, task in ipairs(loop.tasks) do
    if task.thread and is_stranded(task) then return true end
  end
  return false
end

local function mend_task(loop, task)
  local status = task.thread and status_of(task.thread)
  if task.why or status == "dead" then
    core.shielded(bury, loop, task, "an error ended the send")
  elseif not task.is_begun then
    task.why, loop.is_left = task.is_suspect and "an error ended the start", true
    task.is_suspect = true -- it may be about to begin: then the next time finds it begun
  elseif status ~= "suspended" then
    return
  elseif task.result then
    core.shielded(retire, loop, task)
  elseif is_stranded(task) then
    core.shielded(bury, loop, task, "an error ended the send")
  elseif is_answered(task) then
    tasks.go_on(loop, task)
  end
end

---Lets everybody go on who was about to when an error passed.
function tasks.mend(loop)
  local all = {}
  loop.is_watched = false
  for i, task in ipairs(loop.tasks) do
    all[i], loop.is_watched = task, loop.is_watched or task.driver ~= false
  end
  loop.is_left = false
  for _, task in ipairs(all) do
    if task.job then mend_task(loop, task) end
  end
end

return tasks
