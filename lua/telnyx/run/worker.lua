--- A worker of an outbox: takes rows whose turn has come, sends them, and says what became of them.
--- Any number of workers may serve one outbox, in any number of processes and on any machines.

local allowance = require("telnyx.run.allowance")
local core = require("telnyx.core")
local debts = require("telnyx.run.debts")
local demand = require("telnyx.run.demand")
local is_fatal = require("telnyx.run.fatal")
local lanes = require("telnyx.run.lanes")
local patience = require("telnyx.run.patience")
local once = require("telnyx.send.once")
local retry = require("telnyx.send.retry")
local trouble = require("telnyx.run.trouble")
local window = require("telnyx.run.window")

-- A claim is good for so much more than the time that a send may take: clocks of two machines
-- differ, and who was held up may still be about to record what became of it.
local MARGIN_S = 30
-- How often the claims of workers that died are looked for, and how many are told of at once.
local REAP_S, MOST_REAPED = 5, 100
-- After the journal could not be asked, others who live have so long to say what became of theirs.
local GRACE_S = 15
-- How often the journal is told again what it could not be told.
local MEND_S = 1
-- A journal that takes long to say that it cannot be told is asked again after so many times that.
local MEND_SHARE = 3
-- A row's own waits, after failures in a row.
local BASE_S, ROW_CAP_S = 0.5, 300
-- The longest that the service may ask for.
local MOST_ASKED_S = 3600
-- So long a run that is to end when it is idle waits for a service that asks for patience.
local LONGEST_HOLD_S = 30
-- So many in a row that nobody can have meant say something of the service. One whose messages end
-- as unknown, or are not sent at all, is asked ever less.
local FIRST_FEW = 3
-- So long a run that has nothing else to do tries to write down what it knows.
local RECORDING_S = 10
-- A worker that waits looks up so often.
local SLICE_S = 0.1
-- So long it asks about one sender after the other before it looks what has ended.
local LONGEST_PASS_S = 0.05

---@class telnyx.worker_counts
---@field total integer with an end
---@field accepted integer
---@field rejected integer
---@field unknown integer
---@field requeued integer times that a message was given back: not sent, or refused for the moment
---@field reaped integer claims left behind by workers that died: unknown now
---@field stopped telnyx.error|nil the error that no further message could get past
---@field ended "empty"|"idle"|"paused"|"held"|"unsent"|"drained"|"stopped"|"closed"|"trouble"|nil
---why the run ended; nil while it goes on, and after an error
---@field trouble string|nil why the journal could not be asked, where that ended the run
---@field unrecorded integer|nil ends that are known, told, and could not be written down: they will
---be taken for unknown

---@class telnyx.outbox_result a message with an end, or one that waits again
---@field key string
---@field to string|nil
---@field campaign string|nil
---@field tries integer
---@field wait number|nil of one that waits again: seconds until it is due; nil: when it was

---@class telnyx.worker
---@field counts telnyx.worker_counts
---@field trouble string|nil why the journal cannot be asked, while it cannot
---@field is_left boolean|nil an error has ended it
---@field private watch telnyx.trouble|nil where somebody wants to know why messages wait
---@field private is_stepped boolean|nil by a loop of the user's own
---@field private failure table|nil the last end that says something of those after it
---@field private refused table|nil the last that was refused for being too many
---@field private held_s number what refusals have held all up since it was asked last what for
---@field private held_share number of the time, smoothed
---@field private n_begun integer since then
---@field private begun_per_s number smoothed
---@field private asked_at number
---@field private host table
---@field private options table
---@field private lanes telnyx.lanes
---@field private demand telnyx.demand
---@field private allowance telnyx.allowance how many more the service takes, as it has said
---@field private debts telnyx.debts
---@field private taken table<telnyx.entry, true> claimed, and perhaps not begun
---@field private untold table<string, table> what is to be told of the dead, by key
---@field private begun table<telnyx.entry, table> their rows: begun, and not told of
---@field private noted table<telnyx.entry, table> of those that have ended: the result, until it is
---told, and what tells of it
---@field private taking table<string, true> the claims of takes that have not returned
---@field private n_to_begin integer that are taken, while those before them are begun
---@field private n_forks integer of the process that has taken them
---@field private knows_last_end boolean it has looked how the last ended before it began
local Worker = {}
Worker.__index = Worker
Worker.__name = "telnyx.worker"

local function is_over(self)
  return self.counts.stopped ~= nil or self.fault ~= nil or self.is_left == true
    or self.host.is_closed() or self.host.journal.is_closed
end

local function now(self) return self.host.loop:now() end

-- Seconds since 1970, by the loop's clock where that is not the machine's.
local function wall(self)
  if not self.has_own_clock then return core.now() end
  return self.wall_at_start + (now(self) - self.started_at)
end

-- What waits again is left to the next by a run that ends when it is idle: else it would go on as
-- long as the service refuses some for the moment.
local function due_by(self) return math.min(wall(self), self.horizon) end

local function guarded(self, what, ...)
  if not what then return end
  local ok, err = pcall(what, ...)
  if not ok then self.fault = self.fault or { value = err } end
end

-- Trouble ---------------------------------------------------------------------------------------

-- What goes wrong for everybody; a refusal of a sender's goes by its name.
local JOURNAL, UNSENT, LOST, REFUSED = "journal", "unsent", "lost", "refused"

-- Nothing is taken for a while.
local function lose_patience(self, what)
  local until_ = self.patience:lose(what, now(self))
  self.held_until = math.max(self.held_until, until_)
end

-- The journal cannot be asked.
local function fail(self, why)
  lose_patience(self, JOURNAL)
  local is_new = self.trouble ~= tostring(why)
  self.trouble = tostring(why)
  if self.options.until_idle or self.host.journal.is_closed then
    self.counts.trouble = self.trouble
  end
  if not is_new then return end
  if self.watch then self.watch:is_told_otherwise() end
  guarded(self, self.options.on_trouble, self.trouble)
end

local function recover(self)
  if self.trouble then self.reap_at = math.max(self.reap_at, now(self) + GRACE_S) end
  self.trouble, self.counts.trouble = nil, nil
  self.patience:regain(JOURNAL)
end

-- Whether it is the sender's alone.
local function is_senders(result)
  return result.outcome == "rejected" and result.whose == "sender" and not once.is_elsewhere(result)
end

-- After what went wrong for the moment: nobody else fares better while there is no connection;
-- a refusal of too many is the sender's, where senders have paces and it is not the account's.
local function hold(self, sender, result, until_)
  if is_senders(result) and self.lanes:hold(sender, until_) then return end
  self.held_s = self.held_s + math.max(0, until_ - math.max(self.held_until, now(self)))
  self.held_until = math.max(self.held_until, until_)
end

local function of_sender(entry) return "sender " .. tostring(entry.sender) end

-- What has failed, and is tried ever less: whose refusals count together, or all.
local function what_failed(self, entry, result)
  if result.outcome == "not_sent" or once.is_elsewhere(result) then
    self.n_unsent = self.n_unsent + 1
    return UNSENT
  end
  self.n_refused = self.n_refused + 1
  return self.lanes.is_by_sender and is_senders(result) and of_sender(entry) or REFUSED
end

local function row_wait(self, entry)
  local most_s = math.min(ROW_CAP_S, BASE_S * 2 ^ math.min(entry.tries, 30))
  return (0.5 + self.host.random() / 2) * most_s
end

local function due_after(self, entry, result)
  if is_over(self) or is_fatal(result) then return nil end
  local asked = retry.asked_wait(result)
  asked = asked and asked >= BASE_S and math.min(asked, MOST_ASKED_S) or nil -- none is no wait
  local what, at = what_failed(self, entry, result), now(self)
  hold(self, entry.sender, result, asked and at + asked or self.patience:lose(what, at))
  entry.wait_s = asked or row_wait(self, entry)
  return entry.wait_s
end

-- From now on who is held up holds up nobody else. Who is there is found out anew.
local function tell_senders_apart(self)
  if self.lanes.is_by_sender then return end
  self.lanes.is_by_sender = true
  self.demand, self.look_at = demand.new(self.host.queue, true), -math.huge
end

-- What the service says of those that come after it.
local function heed_service(self, entry, message, result)
  local said = allowance.said_by(result)
  if said then
    self.allowance:heed(said, now(self), self.n_in_flight, self.options.concurrency)
  end
  local wait_s = message and allowance.wait_of(message)
  if not wait_s then return end
  tell_senders_apart(self)
  self.lanes:keep_back(entry.sender, now(self) + wait_s)
end

-- Before when nothing is taken.
local function free_at(self) return math.max(self.held_until, self.allowance:due()) end

-- Ends --------------------------------------------------------------------------------------------

-- What an error ended half-way may be counted out by two.
local function count_out(self, entry)
  if not entry.is_counted then return end
  self.n_in_flight, entry.is_counted = self.n_in_flight - 1, false
  self.window:leave(entry)
end

-- The service has answered. What is unknown, or refused for the moment, says nothing good of it;
-- and that it refuses one for good does not say that it takes others.
local function hearten(self, entry, message)
  self.n_lost, self.n_unsent, self.n_refused = 0, 0, 0
  for _, what in ipairs { UNSENT, REFUSED, of_sender(entry) } do self.patience:regain(what) end
  self.window:widen(entry)
  if not message then return end
  self.distress = math.floor(self.distress / 2)
  self.patience:ease(LOST)
end

-- What was begun before others were answered says nothing new.
local function lose_heart(self, entry)
  self.n_lost = self.n_lost + 1
  if not self.window:narrow(entry) then return end
  self.distress = self.distress + 1
  if self.distress >= FIRST_FEW and self.window.n == 1 then lose_patience(self, LOST) end
end

-- Returns how it ended; nil: it waits again.
local function book(self, entry, message, result)
  self.begun[entry] = nil
  count_out(self, entry)
  if entry.unwritten then self.debts:add(entry.unwritten) end
  heed_service(self, entry, message, result)
  local counts, state = self.counts, once.state_of(message, result)
  if not message and is_fatal(result) then counts.stopped = counts.stopped or result end
  if not state then
    counts.requeued = counts.requeued + 1
    if self.options.until_idle then self.horizon = due_by(self) end
    return nil
  end
  local is_of_service = message ~= nil or result.source ~= "local"
  -- A 2xx that holds no message may be anybody's page.
  local is_answer = message ~= nil or state == "rejected"
  if is_of_service then
    if is_answer then hearten(self, entry, message) else lose_heart(self, entry) end
  end
  counts.total = counts.total + 1
  counts[state] = counts[state] + 1
  return state
end

-- It is told of from where the caller's function begins: nothing comes between that and the last
-- argument.
local function tell_end(self, told, state, message, noted)
  local options, ok, err = self.options, true, nil
  if state and options.on_result then
    ok, err = pcall(options.on_result, told, message, core.take(noted))
  elseif not state and options.on_requeue then
    ok, err = pcall(options.on_requeue, told, core.take(noted))
  end
  if not ok then self.fault = self.fault or { value = err } end
end

-- Of what is noted already, by whoever comes first: who is told of trouble before may step.
local function tell(self, row, entry, state, message, result)
  if entry.unwritten then fail(self, result.journal_error) end
  if not message and retry.is_too_many(result) then
    self.refused = result
  elseif not message and state ~= "rejected" then
    self.failure = result
  end
  local told = { key = row.key, to = row.to, campaign = row.campaign, tries = row.tries }
  if not state then told.wait = entry.wait_s end
  local noted = self.noted[entry]
  if noted and noted[1] then tell_end(self, told, state, message, noted) end
  self.noted[entry] = nil
end

-- Once for each that was begun, whoever says so first, and in one go. Returns what tells of it.
local function note(self, row, entry, message, result)
  if not self.begun[entry] then return nil end
  local state = book(self, entry, message, result)
  local function tell_of_it() tell(self, row, entry, state, message, result) end
  self.noted[entry] = { result, tell = tell_of_it }
  return tell_of_it
end

local function on_end(self, row, entry, message, result)
  local tell_of_it = core.shielded(note, self, row, entry, message, result)
  if tell_of_it then tell_of_it() end
end

-- Where an error has come between an end and its telling.
local function tell_missed(self)
  local missed = {}
  for entry in pairs(self.begun) do
    if entry.result then missed[#missed + 1] = entry end
  end
  for _, entry in ipairs(missed) do
    local row = self.begun[entry]
    if row then on_end(self, row, entry, entry.message, entry.result) end
  end
  local list = {}
  for _, noted in pairs(self.noted) do list[#list + 1] = noted.tell end
  for _, tell_of_it in ipairs(list) do tell_of_it() end
end

local function entry_of(self, row)
  return {
    key = row.key, digest = row.digest, to = row.to, claim = row.claim, forks = core.forks(),
    tries = row.tries, sender = row.sender or "", due_after = self.due_after,
  }
end

local function begin(self, row, entry, started_at)
  self.begun[entry] = row
  self.n_in_flight, entry.is_counted = self.n_in_flight + 1, true
  self.n_begun = self.n_begun + 1
  self.allowance:leave(now(self))
  self.window:enter(entry)
  self.host.begin({ body = row.body, entry = entry, started_at = started_at,
    is_over = self.is_over, call = self.options.send_call,
    is_guarded = self.options.lets_finish ~= nil }, function(message, result)
    return note(self, row, entry, message, result)
  end)
  self.taken[entry] = nil
end

-- Taking ------------------------------------------------------------------------------------------

-- What its parent has taken is the parent's to send.
local function heed_fork(self)
  if self.n_forks == core.forks() then return end
  self.taken, self.taking, self.n_forks = {}, {}, core.forks()
end

-- By a query of the user's own, or while that yielded, the worker has ended meanwhile.
local function give_back_all(self, rows)
  for _, row in ipairs(rows or {}) do self.debts:give_back(row) end
  return {}, {}
end

-- Rows and their entries, or nil: then the journal cannot be asked.
local function take(self, sender, n)
  heed_fork(self)
  local claim, at, n_forks = core.new_claim(), wall(self), self.n_forks
  self.taking[claim] = true
  local rows, why = self.host.queue:take({ sender = sender or nil, limit = n, claim = claim,
    owner = core.process(), now = at, due = due_by(self),
    expires = at + self.options.send_call.deadline + MARGIN_S })
  if n_forks ~= core.forks() then return {}, {} end -- its parent's as well
  if not self.taking[claim] then return give_back_all(self, rows) end
  local entries = {}
  for i, row in ipairs(rows or {}) do
    entries[i] = entry_of(self, row)
    self.taken[entries[i]] = true
  end
  self.taking[claim] = nil
  if not rows then
    self.debts:add_take(claim)
    fail(self, why)
  end
  return rows, entries
end

-- What a callback does meanwhile may have given some back, by a step of its own, or have forked.
local function begin_each(self, rows, entries, started_at)
  self.n_to_begin = self.n_to_begin + #rows
  for i, row in ipairs(rows) do
    heed_fork(self)
    self.n_to_begin = math.max(self.n_to_begin - 1, 0) -- an error elsewhere has made it none
    if self.taken[entries[i]] then begin(self, row, entries[i], started_at) end
  end
end

-- Begins what a target has and may; nil when the journal cannot be asked. Returns when it may more,
-- or false when it has no more that is due; and how many it has begun.
local function serve(self, target, room)
  local n, next_at = self.lanes:ripe(target.sender or "", room, self.clock)
  if not n then
    fail(self, next_at)
    return nil
  end
  if n == 0 then return next_at, 0 end
  local started_at = now(self)
  local rows, entries = take(self, target.sender, n)
  if not rows then return nil end
  self.lanes:spend(target.sender or "", #rows)
  begin_each(self, rows, entries, started_at)
  return #rows == n and now(self) or false, #rows
end

-- Those that begin in an outage, one after the other, are not to lose a window each.
local function heed_last_end(self)
  if self.knows_last_end then return true end
  local is_losing, why = self.host.queue:is_losing()
  if is_losing == nil then return nil, why end
  if is_losing then self.window:begin_with_one() end
  self.knows_last_end = true
  return true
end

local function look(self)
  local ok, why = heed_last_end(self)
  if ok then ok, why = self.demand:look(due_by(self)) end
  if not ok then return fail(self, why) end
  self.look_at = now(self) + self.options.poll
  if self.demand:is_none() then recover(self) end -- else the next take says
end

-- Why there is nothing to wait for, of what is due then, or false; nil when the journal cannot be
-- asked.
local function why_enough(self, due)
  if not due then return "empty" end
  if not self.options.until_idle then return false end
  if due > due_by(self) then
    return self.n_unsent > 0 and "unsent" or self.n_refused >= FIRST_FEW and "held" or "idle"
  end
  local is_paused, why = self.host.queue:is_paused()
  if is_paused then return "paused" end
  return is_paused, why
end

local function end_by(self, reason) self.is_empty, self.reason = true, reason end

-- Whether what is due would wait for long, if anything is.
local function is_used_up(self)
  return self.options.until_idle and self.allowance:due() - now(self) > LONGEST_HOLD_S
end

local function find_out_whether_empty(self)
  local options = self.options
  if not (options.until_empty or options.until_idle) then return end
  if not (self.demand:is_none() or is_used_up(self)) then return end
  if self.n_in_flight > 0 or self.n_to_begin > 0 then return end
  local due, why = self.host.queue:next_due()
  if due == nil then return fail(self, why) end
  local reason, done_why = why_enough(self, due)
  if reason == nil then return fail(self, done_why) end
  if not reason and is_used_up(self) then reason = "held" end
  if reason and self.debts:is_none() then end_by(self, reason) end
  if due then self.look_at = math.min(self.look_at, now(self) + math.max(0, due - wall(self))) end
end

local function heed_stop(self)
  local stops_when = self.options.stops_when
  if not stops_when or self.is_draining then return end
  guarded(self, function() self.is_draining = stops_when() and true or false end)
end

local function is_ending(self) return is_over(self) or self.is_draining or self.is_empty end

-- A query that yields may have let another end it meanwhile.
local function may_look(self) return not is_ending(self) and self.held_until <= now(self) end

local function may_take(self) return may_look(self) and free_at(self) <= now(self) end

-- While it goes wrong whenever it is tried, one at a time is enough to try.
local function room_of(self)
  local is_trying = self.patience:is_lost(UNSENT) or self.patience:is_lost(REFUSED)
  local room = is_trying and 1 - self.n_in_flight or self.window:room(self.n_in_flight)
  return math.max(0, math.min(room, self.allowance:room(now(self))) - self.n_to_begin)
end

local function are_all_held(self)
  local at = now(self) + LONGEST_HOLD_S
  return not self.demand:is_none() and self.demand:are_all(function(sender)
    return self.lanes:held_until(sender or "") > at
  end)
end

-- A run that ends when it is idle is followed by another, which may find it better.
local function heed_standstill(self)
  if not self.options.until_idle or self.n_in_flight > 0 then return end
  local is_held = self.held_until - now(self) > LONGEST_HOLD_S or are_all_held(self)
    or self.patience:n_lost(REFUSED) >= FIRST_FEW
  local is_away = self.n_unsent >= FIRST_FEW or self.n_lost >= FIRST_FEW
  if self.trouble then return end_by(self, "trouble") end
  if is_away then return end_by(self, "unsent") end
  if is_held then end_by(self, "held") end
end

-- A part of the room for each who is ready. Returns when there is more to do; nil when the journal
-- cannot be asked.
local function serve_each(self)
  local all, give_way_at = self.demand, core.monotonic() + LONGEST_PASS_S
  for n_left = all:wake(now(self)), 1, -1 do
    if room_of(self) == 0 or not may_take(self) or core.monotonic() > give_way_at then
      return now(self)
    end
    local target = all:first()
    if not target then break end
    local room = math.max(1, math.floor(room_of(self) / n_left))
    local more_at, n_begun = serve(self, target, room)
    if more_at == nil then return nil end
    recover(self)
    if all:first() == target then all:put(now(self), more_at, n_begun) end -- by no step between
  end
  return all:next_at(now(self))
end

-- Of one whose messages wait, as it is the sender who is refused.
local function held_sender(self)
  local at, name = now(self) + trouble.LONG_S, nil
  self.demand:are_all(function(sender)
    if sender and self.lanes:refused_until(sender) > at then name = sender end
    return name == nil
  end)
  return name
end

-- Of the last seconds, each second's part; and so much of them is held up where that is worth a
-- word.
local SMOOTH, MUCH_HELD = 0.2, 0.15

-- How much of the time refusals hold it up, asked about once a second.
local function heed_holds(self)
  local s = math.max(now(self) - self.asked_at, 0.001)
  local share, per_s = math.min(self.held_s / s, 1), self.n_begun / s
  self.held_share = self.held_share + SMOOTH * (share - self.held_share)
  self.begun_per_s = self.begun_per_s + SMOOTH * (per_s - self.begun_per_s)
  self.held_s, self.n_begun, self.asked_at = 0, 0, now(self)
end

-- Now or later; others may have sent all of it.
local function has_waiting(self)
  return not self.demand:is_none() or self.host.queue:next_due() ~= false
end

-- Why messages wait for the service, if they do: as `trouble` takes it.
local function hindrance(self)
  local lost, held_s = self.patience, free_at(self) - now(self)
  heed_holds(self)
  if is_over(self) or self.is_draining then return nil end
  local kind = lost:is_lost(UNSENT) and "away" or lost:is_lost(REFUSED) and "none" or nil
  if kind then return has_waiting(self) and kind or nil end
  if self.demand:is_none() then return nil end
  if lost:is_lost(LOST) then return "away" end
  if held_s > trouble.LONG_S then return "held", held_s end
  if not self.window.is_open and room_of(self) == 0 then
    return "lost", math.floor(self.window.n)
  end
  if self.held_share > MUCH_HELD then return "slow", self.begun_per_s end
  local sender = held_sender(self)
  return sender and "sender" or nil, nil, sender
end

-- While the journal cannot be asked, that is why.
local function heed_trouble(self)
  if not self.trouble and self.watch:is_due(now(self)) then self.watch:heed(hindrance(self)) end
end

-- Begins what may be begun.
local function fill(self)
  heed_standstill(self)
  if not may_look(self) then return end
  if now(self) >= self.look_at then look(self) end
  local next_at = serve_each(self)
  if not next_at then return end
  if self.demand:calls_for_a_look() then self.look_at = now(self) end
  self.next_at = math.min(next_at, self.look_at)
  find_out_whether_empty(self)
end

-- What is left to do besides -------------------------------------------------------------------

-- What this worker has under way, or knows the end of, nobody has left behind.
local function is_own(self, row)
  if self.debts:knows(row.claim) then return true end
  for entry in pairs(self.begun) do
    if entry.claim == row.claim then return true end
  end
  return false
end

-- Who took it may be about to say what became of it, but hardly any more.
local function tell_of_dead(self, untold)
  self.untold[untold.row.key] = nil
  self.counts.reaped = self.counts.reaped + 1
  if not untold.row.due then return end -- a direct send
  guarded(self, self.options.on_result, untold.told, nil, untold.err)
end

-- One by one, so that each is told of by who made it unknown; and made ready before, so that little
-- can come between.
local function reap_one(self, row)
  local err = self.host.new_error({ outcome = "unknown", kind = "protocol", retryable = false,
    key = row.key, cause = "the request of a worker that has died since" })
  local told = { key = row.key, to = row.to, campaign = row.campaign, tries = row.tries }
  local untold = { row = row, told = told, err = err, at = math.floor(wall(self) * 1000) / 1000 }
  self.untold[row.key] = untold
  local keys, why = self.host.journal:reap({ now = untold.at, key = row.key })
  if not keys then return nil, why end
  if keys[1] then tell_of_dead(self, untold) else self.untold[row.key] = nil end
  return true
end

-- Those that were made unknown, or perhaps, when an error came or the answer was lost.
local function tell_untold(self)
  local list = {}
  for _, untold in pairs(self.untold) do list[#list + 1] = untold end
  for _, untold in ipairs(list) do
    local row = untold.row
    local known, why = self.host.journal:get(row.key)
    if known == nil then return nil, why end
    local is_ours = known and known.settled_by == "reaper"
      and math.abs(known.settled_at - untold.at) < 0.0005
    if is_ours then tell_of_dead(self, untold) else self.untold[row.key] = nil end
  end
  return true
end

local function reap_each(self, rows)
  for _, row in ipairs(rows) do
    if is_over(self) then return true end
    if not is_own(self, row) then
      local ok, why = reap_one(self, row)
      if not ok then return nil, why end
    end
  end
  return true
end

local function reap(self)
  if self.trouble or now(self) < self.reap_at then return end
  self.reap_at = now(self) + REAP_S
  local rows, why = self.host.queue:expired(wall(self), MOST_REAPED)
  local ok = rows ~= nil
  if rows then ok, why = reap_each(self, rows) end
  if not ok then fail(self, why) end
end

local function mend(self)
  if now(self) < self.mend_at then return end
  tell_missed(self)
  local began_at = now(self)
  self.debts:settle()
  local took_s = self.debts:has_fresh() and 0 or now(self) - began_at
  self.mend_at = now(self) + math.max(MEND_S, MEND_SHARE * took_s)
  if next(self.untold) and not self.trouble then
    local ok, why = tell_untold(self)
    if not ok then fail(self, why) end
  end
end

-- Whether nothing more is begun; what is known may still have to be written down.
-- Waits for a message's end, or its turn.
local function wait(self, seconds)
  local loop, until_ = self.host.loop, math.max(self.next_at, free_at(self))
  if room_of(self) == 0 or not may_take(self) and self.n_in_flight > 0 then
    until_ = math.max(until_, now(self) + SLICE_S)
  end
  if is_ending(self) and self.n_in_flight == 0 then until_ = math.max(until_, self.mend_at) end
  seconds = math.max(0, math.min(seconds, until_ - now(self), SLICE_S))
  if self.n_in_flight > 0 then
    if loop:await(seconds, self.is_over) == 0 then tell_missed(self) end
  elseif not loop.spawn and loop:has_tasks() then
    loop:await(seconds, self.is_over) -- what others have begun
  elseif seconds > 0 then
    loop:sleep(nil, seconds)
  end
end

-- Nothing can be taken from it any more, nor written down.
local function heed_closed_journal(self)
  if self.host.journal.is_closed and not self.counts.trouble then
    fail(self, "the journal is closed")
  end
end

local function go_on(self, seconds)
  heed_stop(self)
  mend(self)
  reap(self)
  fill(self)
  if self.watch then heed_trouble(self) end
  wait(self, self:is_done() and 0 or seconds)
end

-- An error that comes here is of nobody's here: Ctrl-C, a host's limit. Where the caller lets what
-- is under way finish, it ends the run as an error of his own does.
local function go_on_all_the_same(self, seconds)
  local ok, err = pcall(go_on, self, seconds)
  if ok then return end
  self.n_to_begin = 0
  if not self.options.lets_finish or not self.options.lets_finish(err) then error(err, 0) end
  self.fault = self.fault or { value = err }
  self:leave()
end

local function reason_of(self)
  local counts = self.counts
  if self.fault or self.is_left then return nil end
  if counts.stopped then return "stopped" end
  if counts.trouble then return "trouble" end
  if self.host.is_closed() then return "closed" end
  return self.is_draining and "drained" or self.reason
end

---Gives back what is claimed and not begun, and tells the journal what it could not be told.
function Worker:leave()
  heed_fork(self)
  for claim in pairs(self.taking) do self.debts:add_take(claim) end
  self.taking = {}
  for entry in pairs(self.taken) do
    if not entry.is_begun then
      if entry.claim then self.debts:give_back(entry) end
      count_out(self, entry)
      self.begun[entry] = nil
    end
  end
  self.taken = {}
  self.mend_at = -math.huge
  mend(self)
  if self.debts:n() > 0 then self.counts.unrecorded = self.debts:n() end
end

---Takes what is due and may leave, and drives what is under way, until something has ended or the
---time is up; and what the client has begun otherwise. Raises what a callback raised, when all that
---is under way has ended; what another's did, at once.
---@param seconds number|nil default 0, which never waits
---@return integer n_in_flight
function Worker:step(seconds)
  if not (seconds == nil or type(seconds) == "number" and seconds >= 0) then
    error("step expects seconds from 0 up, got a " .. type(seconds), 2)
  end
  self.host.run(function(own) go_on_all_the_same(own, seconds or 0) end, self)
  heed_closed_journal(self)
  if self:is_done() then
    self:leave() -- the last time to write down what could not be
    self.counts.ended = reason_of(self)
  end
  if self.fault and self.n_in_flight == 0 then
    local fault = self.fault
    self.fault, self.is_left = nil, true
    error(fault.value, 0)
  end
  if self.is_stepped then self.host.loop:raise() end
  return self.n_in_flight
end

---Seconds after which a step is due at the latest; the client's `fd` may call for one before.
---@return number
function Worker:timeout()
  local due = REAP_S
  if not self.debts:is_none() then due = math.min(due, self.mend_at - now(self)) end
  local at = free_at(self)
  if not is_over(self) and not self.is_draining and (room_of(self) > 0 or at > now(self)) then
    due = math.min(due, math.max(self.next_at, at) - now(self))
  end
  return math.max(0, math.min(due, self.host.loop:timeout() or math.huge))
end

---Takes nothing more; what is under way goes on.
function Worker:drain() self.is_draining = true end

-- A while for what the journal could not be told, unless it can be told nothing any more.
local function has_hope(self)
  if self.debts:n() == 0 or self.fault or self.is_left then return false end
  if self.host.is_closed() or self.host.journal.is_closed then return false end
  self.recording_until = self.recording_until or now(self) + RECORDING_S
  return now(self) < self.recording_until
end

---Whether there is nothing left to do for it: drained, ended early, or empty where it was to run
---until then; and its ends are written down, or that was tried for a while.
---@return boolean
function Worker:is_done()
  if self.n_in_flight > 0 or self.n_to_begin > 0 then return false end
  return is_ending(self) and not has_hope(self)
end

local worker = {}

---@param host table what carries messages
---@param options table checked
---@param is_stepped boolean|nil by a loop of the user's own, which may step nothing else
---@return telnyx.worker
function worker.new(host, options, is_stepped)
  local self = setmetatable({
    host = host, options = options, is_stepped = is_stepped, lanes = lanes.new(host.queue, options),
    counts = { total = 0, accepted = 0, rejected = 0, unknown = 0, requeued = 0, reaped = 0 },
    taken = {}, taking = {}, begun = {}, noted = {}, untold = {}, n_to_begin = 0,
    n_forks = core.forks(),
    n_in_flight = 0, n_unsent = 0, n_refused = 0, n_lost = 0, distress = 0,
    horizon = math.huge,
    patience = patience.new(host.random), window = window.new(options.concurrency),
    allowance = allowance.new(),
    held_until = -math.huge, look_at = -math.huge, next_at = -math.huge, reap_at = -math.huge,
    mend_at = -math.huge, held_s = 0, held_share = 0, n_begun = 0, begun_per_s = 0,
    asked_at = host.loop:now(), knows_last_end = false, is_draining = false, is_empty = false,
    wall_at_start = core.now(), started_at = host.loop:now(),
    has_own_clock = host.loop.clock ~= core.monotonic,
  }, Worker)
  self.watch = options.on_trouble and trouble.new(function(why, is_of_refusals)
    local failure = self.failure
    if is_of_refusals then failure = self.refused end
    guarded(self, options.on_trouble, why, why and failure)
  end)
  self.clock = function() return now(self) end
  self.demand = demand.new(host.queue, self.lanes.is_by_sender)
  self.debts = debts.new(host.journal, host.queue, self.clock)
  self.is_over = function() return is_over(self) end
  self.due_after = function(entry, result) return due_after(self, entry, result) end
  return self
end

return worker
