--- The life of one send: attempts, and the pauses between them, until one
--- succeeds or no other is allowed. Straight-line code; the loop knows how to wait.

local core = require("telnyx.core")
local cost = require("telnyx.send.cost")
local errors = require("telnyx.errors")
local interrupt = require("telnyx.interrupt")
local once = require("telnyx.send.once")
local reference = require("telnyx.send.reference")
local retry = require("telnyx.send.retry")
local rules = require("telnyx.rules")
local tables = require("telnyx.tables")

-- With less time than this left, an attempt could only end as unknown.
local LEAST_ATTEMPT = 0.05

local CLOSED = "the client was closed meanwhile"

local OUTCOMES = { not_sent = true, rejected = true, unknown = true, accepted = true }

---@class telnyx.job: telnyx.retry_state one send
---@field message table flat, without metatable
---@field call table options of the call
---@field limits telnyx.limits for one attempt
---@field attempts table[] a row for each
---@field pending telnyx.pending|false the user's
---@field segments telnyx.segments|nil|false
---@field entry telnyx.entry|false of its key
---@field turn fun(job: telnyx.job, task: table|nil, wait_s: number, failure: table|nil)|false waits
---for the turn of an attempt, which comes after so many seconds or later; `failure` is what
---the one before met. Returns whether it has waited, and an interruption
---@field is_claimed boolean|nil its row was taken from an outbox: it is ready, and as it was added
---@field is_over (fun(): boolean)|false whether its run has ended early: then no turn is taken, and
---no retry is made
---@field may_be_sent boolean an attempt ended as neither not_sent nor rejected
---@field sent table|nil|false what the last attempt was told, with `answer`
---@field answer table|false info or err; false before, and while it is under way
---@field n_forks integer of the process that it is of

-- A spending limit, say, comes as a 429 too, but no wait of ours will lift it. What is too much at
-- once is so whatever its status.
local function heed_code(err)
  local entry = err.code and errors.meaning(err)
  if not entry then return end
  if entry.class == "rate" then
    err.retryable = err.retryable or retry.is_too_many(err)
  elseif entry.whose == "account" or entry.whose == "profile" then
    err.retryable = false
  end
end

-- What a sender of the user's own may have left out or got wrong: in doubt, unknown. A
-- copy, since a sender may give the same table every time.
local function tidy_error(given)
  local err = type(given) == "table" and tables.copy(given)
    or { cause = given ~= nil and tostring(given) or "the sender gave no reason" }
  if not OUTCOMES[err.outcome] then err.outcome = "unknown" end
  err.kind = err.kind or "protocol"
  local may_be_there = err.outcome == "unknown" or err.outcome == "accepted"
  if err.retryable == nil or may_be_there then err.retryable = false end
  return err
end

-- Any true value says that the message went out, even one that cannot be read.
local function tidy(message, result)
  if not message then return nil, tidy_error(result) end
  if type(message) == "table" then
    return message, type(result) == "table" and tables.copy(result) or {}
  end
  return nil, tidy_error({ outcome = "accepted", kind = "protocol",
    cause = "the sender returned a " .. type(message) .. " for a message" })
end

-- Masks before anybody else looks: the rows, the log, the user's rule, the journal. An accepted
-- message is the service's answer, with the user's own text in it, and stays as it is.
local function without_secrets(engine, message, result)
  if not message then return errors.received(result, engine.secrets) end
  local id = result.request_id
  if type(id) ~= "string" then return result end
  local mask = engine.owns_sender and engine.secrets.mask_known or engine.secrets.mask
  result.request_id = mask(id)
  return result
end

local function carry(engine, job, task)
  local message, result, interruption = engine.loop:carry(task, job.message, job.limits)
  if not engine.owns_sender then message, result = tidy(message, result) end
  if message and job.read then message, result = job.read(message, result) end
  -- What answers a question with nothing that can be read has not answered it.
  if not message and job.question and result.outcome == "accepted" then
    result.outcome = "unknown"
  end
  result = without_secrets(engine, message, result)
  if not message then heed_code(result) end
  return message, result, interruption
end

local function row_of(message, result, seconds)
  local cause = result.cause
  return {
    outcome = message and "accepted" or result.outcome,
    seconds = seconds,
    status = result.status,
    cause = cause and type(cause) == "string" and cause or nil,
    code = result.code,
    stale = result.stale,
  }
end

-- The user's own function must not be able to lose an outcome by an error of its own.
local function ask(task, what, ...)
  if task then task.is_asking = true end
  local ok, answer, reason = pcall(what, ...)
  if task then task.is_asking = false end
  return ok, answer, reason
end

local function report(engine, job, task, row)
  local key, request = job.entry and job.entry.key or nil, job.limits.request
  ask(task, engine.log, tables.merge(row, { event = "attempt", attempt = #job.attempts, key = key,
    request = request and request.method .. " " .. request.resource or nil }))
end

local function attempt(engine, job, task)
  local limits, started = job.limits, job.now
  local left = job.deadline - started
  if left < 0.001 then left = 0.001 end
  limits.deadline = left
  if job.entry then limits.key = job.entry.key end
  if left < job.call.timeout then limits.timeout = left end
  job.sent, job.answer = false, false
  local message, result, interruption = carry(engine, job, task)
  job.sent, job.answer = message, message and result or tables.copy(result) -- it will be changed
  job.now = engine.loop:now()
  local row = row_of(message, result, job.now - started)
  job.attempts[#job.attempts + 1] = row
  job.may_be_sent = job.may_be_sent
    or (row.outcome ~= "not_sent" and row.outcome ~= "rejected")
  limits.begun, limits.pending = false, false
  return message, result, row, interruption
end

local function succeed(engine, job, message, info)
  if engine.budget then engine.budget:put(job.now) end
  info.outcome = "accepted"
  info.attempts = job.attempts
  if job.warnings then info.warnings = job.warnings end
  if job.segments then
    info.segments = job.segments
    info.drift = cost.drift(job.segments, message.parts)
  end
  return message, info
end

-- The last attempt may not have gone out, but one before it may.
local function taint(err)
  err.cause = "the request of an earlier attempt may have been delivered; the last ended as "
    .. err.outcome .. (err.cause and ": " .. err.cause or "")
  err.outcome, err.retryable = "unknown", false
end

local function fail(engine, job, err)
  err.question = job.question
  -- Of a message nothing is said by a question that was not asked.
  if job.question == "read" and err.outcome == "not_sent" then err.outcome = "unknown" end
  if job.question then err.retryable = false end
  local seems_unsent = err.outcome == "not_sent" or err.outcome == "rejected"
  if job.may_be_sent and seems_unsent then taint(err) end
  err.attempts = job.attempts
  err.warnings = err.warnings or job.warnings
  return nil, engine:new_error(err)
end

local function next_wait(engine, job, task, err)
  local policy, seen = job.call.policy, err
  job.random, job.budget = engine.random, engine.budget -- few need them
  job.outlasts = job.turn and job.call.outlasts and job.call.outlasts()
  -- The user's rule sees what a user is told, and cannot change it.
  if policy.should_retry then
    seen = engine:new_error(tables.deep_copy(err))
    seen.attempts = tables.deep_copy(job.attempts)
  end
  local ok, wait, reason = ask(task, policy.next, policy, seen, #job.attempts, job)
  if ok then return wait, reason end
  err.should_retry_error = tostring(wait) -- the user's rule failed: no further attempt
  return nil, "vetoed"
end

local function not_begun(cause)
  return { outcome = "not_sent", kind = "connection", retryable = true, cause = cause,
    advice = "Send it again." }
end

local function only_messages()
  return { outcome = "not_sent", kind = "invalid", retryable = false,
    cause = "this client's own sender carries messages, and no other request" }
end

-- Told instead of posting: what an earlier send under the key was told, or why nothing may be
-- posted.
local function tell(engine, job, told)
  local result = engine.secrets.masked(told.info or told.err)
  result.replayed = told.is_recorded
  if not told.message then return fail(engine, job, result) end
  result.attempts = job.attempts
  return told.message, result
end

-- The claim is written before the wire, when the message's turn has come, and is not held while
-- nothing of it can become a message. A journal may have taken its time.
local function claim(engine, job)
  local entry = job.entry
  if not entry or entry.claim then return nil end
  local told = once.claim(engine.journal, entry, job.deadline - job.now)
  if told then return told end
  if engine.is_closed then return { err = not_begun(CLOSED) } end
  job.now = engine.loop:now()
  if job.deadline - job.now >= LEAST_ATTEMPT then return nil end
  return { err = not_begun("the journal took all the time that there was") }
end

-- What tells of the message later tells of this claim: its reference is in the webhook URLs.
local function bear_reference(job)
  local entry, limits = job.entry, job.limits
  if not entry or not entry.template then return end
  if limits.body then
    limits.body = reference.claimed(entry.template, entry.key, entry.claim)
  else
    job.message = reference.add(entry.plain, entry.key, entry.claim)
  end
end

-- While a retry waits after a sure refusal, whoever comes first may send.
local function let_go(engine, job)
  if job.entry and not job.may_be_sent then once.give_back(engine.journal, job.entry) end
end

-- A function of the user's may have forked: one process only sends it.
local function is_of_parent(job) return job.n_forks ~= core.forks() end

local function is_ended(engine, job)
  return engine.is_closed or (job.is_over and job.is_over())
end

local function wait_for_retry(engine, job, task, wait_s, failure)
  if not job.turn then return engine.loop:sleep(task, wait_s) end
  local _, interruption = job.turn(job, task, wait_s, failure)
  return interruption
end

local function failed_journal(why)
  return { outcome = "not_sent", kind = "connection", retryable = true,
    cause = "the journal failed: " .. tostring(why),
    advice = "Mend the journal; nothing was sent." }
end

local function opted_out(row)
  local when = row.at and os.date("!%Y-%m-%d", math.floor(row.at))
  return errors.invalid(rules.violation("opted_out", ("%s has sent %s%s"):format(row.number,
    row.keyword or "STOP", when and ", on " .. when or ""), "/to"))
end

-- Each addressee of a message; a group's are a list.
local function numbers_of(to) return type(to) == "table" and to or { to } end

-- What keeps a message from those who want none.
local function optout_of(engine, job)
  local message, journal = job.message, engine.journal
  for _, number in ipairs(numbers_of(message.to)) do
    local ok, row, why = pcall(journal.optout, journal, { number = number, own = message.from,
      profile = message.messaging_profile_id })
    if not ok then interrupt.pass_on(row) end
    if not ok or row == nil then return failed_journal(ok and why or row) end
    if row then return opted_out(row) end
  end
end

-- A STOP may have come while it waited for its turn, or to be tried again.
local function has_waited_long(job)
  return job.call.optouts and not job.is_claimed and (job.turn or #job.attempts > 0)
end

-- Attempts, until one succeeds or no other is allowed.
local function carry_out(engine, job, task)
  while true do
    local unwanted = has_waited_long(job) and optout_of(engine, job)
    if unwanted then return fail(engine, job, unwanted) end
    local told = job.entry and not is_of_parent(job) and claim(engine, job)
    if is_of_parent(job) then return fail(engine, job, engine.loop.forked()) end
    if told then return tell(engine, job, told) end
    bear_reference(job)
    local message, result, row, interruption = attempt(engine, job, task)
    local reason
    if not message and not interruption then
      row.wait, reason = next_wait(engine, job, task, result)
    end
    if engine.log then report(engine, job, task, row) end
    if message then return succeed(engine, job, message, result) end
    if is_of_parent(job) then return fail(engine, job, engine.loop.forked()) end
    if not row.wait or is_ended(engine, job) then return fail(engine, job, result) end
    job.limits.fresh = reason == "stale"
    if row.wait > 0 then let_go(engine, job) end
    interruption = wait_for_retry(engine, job, task, row.wait, reason ~= "stale" and result)
    if is_of_parent(job) then return fail(engine, job, engine.loop.forked()) end
    job.now = engine.loop:now()
    local is_late = job.deadline - job.now < LEAST_ATTEMPT
    if interruption or is_late or is_ended(engine, job) then return fail(engine, job, result) end
  end
end

-- What may have come between, and the deadline, which counts from then on.
local function heed_wait(engine, job, has_waited, interruption)
  if interruption == "forked" then return engine.loop.forked() end
  if engine.is_closed then return not_begun(CLOSED) end
  if job.is_over() then return not_begun("the run had ended before its turn came") end
  if not has_waited then return nil end
  job.now = engine.loop:now()
  job.deadline = job.now + job.call.deadline
  return nil
end

-- Waits for the message's turn, if it has to.
local function carry_in_turn(engine, job, task)
  local has_waited, interruption = job.turn(job, task, 0)
  if has_waited or job.entry then
    local err = heed_wait(engine, job, has_waited, interruption)
    if err then return fail(engine, job, err) end
  end
  return carry_out(engine, job, task)
end

local function settle(engine, job, message, result)
  result.journal_error = engine.secrets.mask(
    once.settle(engine.journal, job.entry, message, result))
  return message, result
end

-- What was taken from an outbox has its turn and its claim.
local function carry_claimed(engine, job, task)
  job.entry.is_begun = true
  job.now = engine.loop:now() -- its claim is good from when it was taken
  if job.deadline - job.now < LEAST_ATTEMPT then
    local late = not_begun("the outbox took all the time that there was")
    return settle(engine, job, fail(engine, job, late))
  end
  local unwanted = job.call.optouts and optout_of(engine, job)
  if unwanted then return settle(engine, job, fail(engine, job, unwanted)) end
  return settle(engine, job, carry_out(engine, job, task))
end

-- A turn is only for what will be posted.
local function carry_under_key(engine, job, task)
  local told = job.call.looks_first and once.look(engine.journal, job.entry)
  if told then return tell(engine, job, told) end
  job.now = engine.loop:now()
  local carried = job.turn and carry_in_turn or carry_out
  return settle(engine, job, carried(engine, job, task))
end

local life = {}

---A key goes along as a header, if that is asked for and it can be one. It changes no outcome.
---@param job telnyx.job
---@return boolean is_right false: it cannot be one
function life.add_header(job)
  local key = job.call.idempotency_header and (job.entry and job.entry.key or job.call.key)
  if not key then return true end
  local is_right = core.is_idempotency_key(key)
  if is_right then job.limits.idempotency_key = key end
  return is_right
end

local function unfit_header(key)
  return errors.invalid(rules.violation("idempotency_key",
    ("with idempotency_header, a key is 1 to 255 letters, digits, _ and -; got %q"):format(key),
    "/header/Idempotency-Key"))
end

-- The body as an outbox keeps it.
local function refer(job, body)
  local entry = job.entry
  if job.call.reference == false then return body end
  entry.template = reference.in_body(body, job.message, entry.key)
  entry.plain = entry.template and job.message
  return entry.template or body
end

-- Once a send, and before a key or a turn is used up: both stay free for the message put right.
-- What is validated is what is sent, at every attempt.
local function check(engine, job)
  local call, key = job.call, job.call.key
  if job.message.webhook_url or job.message.webhook_failover_url then
    job.message = reference.strip(job.message)
  end
  local judge = (key or engine.takes_body) and core.encode or core.validate -- a body, if need be
  local body, told = judge(job.message, nil, call.accept or nil, call.strict)
  if not body then return nil, told end
  if told then job.warnings = engine.secrets.masked(errors.titled(told)) end
  if call.idempotency_header and not life.add_header(job) then return nil, unfit_header(key) end
  if engine.takes_body then job.limits.body = body else job.limits.judged = true end
  if not key then return body end
  job.entry = once.entry(key, body, job.message.to)
  return refer(job, body)
end

-- A text that costs too much is not all that may be wrong.
local function with_other_faults(err, job)
  local ok, told = core.validate(job.message, nil, job.call.accept or nil, job.call.strict)
  for _, fault in ipairs(not ok and told.errors or {}) do err.errors[#err.errors + 1] = fault end
  if ok then err.warnings = told else err.warnings = told.warnings end
  return err
end

-- Of a group message, by what its job was given for it.
local function make_group_ready(engine, job)
  local key, own = job.call.key, job.group
  job.message = reference.strip(job.message)
  local body, told = own.body(job.message, job.call)
  if not body then return fail(engine, job, told) end
  if not engine.takes_requests then return fail(engine, job, only_messages()) end
  if told then job.warnings = engine.secrets.masked(errors.titled(told)) end
  if not life.add_header(job) then return fail(engine, job, unfit_header(key)) end
  local inquiry = own.inquiry(job.message)
  job.limits.body, job.limits.request, job.read = body, inquiry.request, inquiry.read
  if not key then return body end
  job.entry = once.entry(key, body, job.message.to[1])
  return refer(job, body)
end

---What comes before anything is claimed or sent. A job with a key has an entry then.
---@param engine telnyx.engine
---@param job telnyx.job
---@return string|true|nil body as it is posted, if it is known
---@return table|nil err
function life.make_ready(engine, job)
  if job.group then return make_group_ready(engine, job) end
  local priced, segments = cost.apply(job.message, job.call)
  if not priced then return fail(engine, job, with_other_faults(segments, job)) end
  job.message, job.segments = priced, segments
  local body, err = check(engine, job)
  if not body then return fail(engine, job, err) end
  return body
end

-- What was sent, or is to be, under a key: what a text may cost, and the clock, may have moved
-- since. The service's substitutions may have been made then, or not.
local function possible_entries(job)
  local key, entries = job.call.key, {}
  if job.group then
    local body = job.group.body(job.message, job.call)
    return body and { { once.entry(key, body, job.message.to[1]), body } } or {}
  end
  for _, message in ipairs { job.message, cost.substituted(job.message) } do
    local body = core.encode(message, nil, true)
    if body then entries[#entries + 1] = { once.entry(key, body, message.to), body } end
  end
  return entries
end

local function told_of_sent(engine, job)
  if not job.call.key then return nil end
  for _, possible in ipairs(possible_entries(job)) do
    local told = once.look(engine.journal, possible[1])
    if told and (told.message or told.err.outcome ~= "not_sent") then return told end
  end
  return nil
end

---The body that waits under the job's key, or was posted under it: then the job has an entry.
---@param engine telnyx.engine
---@param job telnyx.job
---@return string|nil
function life.known_body(engine, job)
  for _, possible in ipairs(possible_entries(job)) do
    if once.is_taken(engine.journal, possible[1]) then
      job.entry = possible[1]
      return possible[2]
    end
  end
  return nil
end

-- What is asked within another job starts anew, with attempts and time of its own.
local function ask_service(engine, job, task, inquiry)
  local call = job.call
  job.attempts, job.may_be_sent, job.refreshed, job.n_outlasted = {}, false, nil, nil
  job.limits.request, job.limits.body = inquiry.request, inquiry.body or ""
  job.limits.timeout, job.read = call.timeout, inquiry.read
  job.now = engine.loop:now()
  job.deadline = math.min(job.now + call.deadline, job.ends_at or math.huge)
  if job.deadline - job.now < LEAST_ATTEMPT then
    return fail(engine, job, { outcome = "not_sent", kind = "timeout", retryable = true,
      cause = "the deadline has passed", advice = "Ask again later." })
  end
  return carry_out(engine, job, task)
end

-- A job that is a function, which asks the service one thing after the other.
local function work(engine, job, task)
  if job.has_end then job.ends_at = engine.loop:now() + job.call.deadline end
  local message, result = job.work(function(inquiry)
    if not engine.takes_requests then return fail(engine, job, only_messages()) end
    return ask_service(engine, job, task, inquiry)
  end)
  if not message and getmetatable(result) == nil then
    return fail(engine, job, result)
  end
  return message, result
end

---The whole life of a send, written once for `send` and `start`.
---@param engine telnyx.engine
---@param job telnyx.job
---@param task telnyx.task|nil
---@return table|nil message
---@return table result info or err
function life.drive(engine, job, task)
  if job.is_claimed then return carry_claimed(engine, job, task) end
  if job.work then return work(engine, job, task) end
  local body, err = life.make_ready(engine, job)
  local unwanted = body and job.call.optouts and optout_of(engine, job)
  if unwanted then body, err = fail(engine, job, unwanted) end
  if not body then
    local told = told_of_sent(engine, job)
    if told then return tell(engine, job, told) end
    return nil, err
  end
  if job.entry then return carry_under_key(engine, job, task) end
  if job.turn then return carry_in_turn(engine, job, task) end
  return carry_out(engine, job, task)
end

-- A sender of the user's own may not know how to take a request back.
local function take_back(limits)
  local pending = limits.pending
  if not pending then return end
  limits.begun, limits.pending = true, false
  if pending.cancel then limits.begun = pending:cancel() ~= false end
end

-- What is known of it then. What a service has said is not forgotten for an error that came after.
local function what_is_left(engine, job, why)
  local answer, may_be_sent = job.answer, job.may_be_sent or is_of_parent(job)
  local is_told = answer and (job.sent or answer.outcome == "rejected" and not may_be_sent)
  if not is_told then
    may_be_sent = may_be_sent or job.limits.begun
    answer = { outcome = may_be_sent and "unknown" or "not_sent", kind = "protocol",
      retryable = not may_be_sent, cause = tostring(why),
      advice = not may_be_sent and "Send it again." or nil }
  end
  answer.attempts = job.attempts
  if is_told and job.sent then
    answer.outcome, answer.segments = "accepted", job.segments or nil
    return job.sent, answer
  end
  if getmetatable(answer) == nil then engine:new_error(answer) end
  return nil, answer
end

---What is to be done when an error has ended a send: nothing of it is sent any more, and its key
---is free again unless something of it may have been read, or it was refused for good.
---@param engine telnyx.engine
---@param job telnyx.job
---@param why any the error
---@return table|nil message
---@return table result info or err
function life.abandon(engine, job, why)
  pcall(take_back, job.limits)
  local message, result = what_is_left(engine, job, why)
  if not job.entry then return message, result end
  return settle(engine, job, message, result)
end

return life
