--- Many messages through one client: some at a time, at a pace, in constant memory.

local core = require("telnyx.core")
local is_fatal = require("telnyx.run.fatal")
local once = require("telnyx.send.once")
local pace = require("telnyx.run.pace")

---@class telnyx.run
---@field host table what carries messages: run, begin, loop, default_from
---@field next fun(): table|nil
---@field options table
---@field paces table<string, telnyx.pace>
---@field index integer of the last message taken
---@field n_in_flight integer
---@field free { index: integer, callback: function, is_taken: boolean }[] seats, up to n_free
---@field n_free integer
---@field children table[] of a scheduler of its own, which keeps those that have ended
---@field is_exhausted boolean|nil
---@field is_left boolean|nil an error has ended it
---@field is_stopping boolean|nil `stops_when` has said so
---@field is_served boolean|nil the service has taken one, in this run
---@field was_interrupted boolean|nil an error came that lets what is under way finish
---@field is_over fun(): boolean
---@field fault { value: any }|nil what the caller's own functions raised
---@field counts telnyx.counts

---@class telnyx.counts
---@field total integer
---@field accepted integer
---@field rejected integer
---@field not_sent integer
---@field unknown integer
---@field replayed integer of these, what an earlier send was told: nothing was posted
---@field stopped telnyx.error|nil the error that ended the run early

local function iterator_of(source)
  if type(source) == "function" then return source end
  local i = 0
  return function()
    i = i + 1
    return source[i]
  end
end

local function new_pace(options, name, rate)
  if not options.shared_pace then return pace.new(rate, options.burst) end
  return pace.shared(options.shared_pace, "telnyx.pace." .. name, rate, options.burst)
end

local function paces_of(options)
  local paces = {}
  if options.rate then paces.all = new_pace(options, "all", options.rate) end
  for kind, rate in pairs(options.rates or {}) do paces[kind] = new_pace(options, kind, rate) end
  return paces
end

-- An error of the caller's own ends the run, but not before what is in flight is done.
local function guarded(run, what, ...)
  local ok, result = pcall(what, ...)
  if not ok then run.fault = run.fault or { value = result } end
  return ok and result or nil
end

local FIRST_FEW = 3

-- Whether it seems to be no service at all that answers: another base_url's pages, or a proxy's.
-- What an earlier run was told says nothing of it.
local function is_elsewhere(run, result)
  local n_answers = run.counts.total - run.counts.replayed
  return result.outcome == "rejected" and once.is_elsewhere(result) and not result.replayed
    and not run.is_served and n_answers >= FIRST_FEW
end

local function book(run, seat, message, result)
  local n_free = run.n_free + 1
  run.free[n_free], run.n_free, seat.is_taken = seat, n_free, false
  local counts = run.counts
  local outcome = message and "accepted" or result.outcome
  counts[outcome] = counts[outcome] + 1
  counts.total = counts.total + 1
  if result.replayed then
    counts.replayed = counts.replayed + 1
  elseif message then
    run.is_served = true
  end
  run.n_in_flight = run.n_in_flight - 1
  if not message and (is_fatal(result) or is_elsewhere(run, result)) then
    counts.stopped = counts.stopped or result
  end
end

-- Once for each that was begun, whoever says so first.
local function count(run, seat, index, message, result)
  if not seat.is_taken or seat.index ~= index then return end
  run.in_one_go(book, run, seat, message, result)
  if run.options.on_result then guarded(run, run.options.on_result, index, message, result) end
end

local function is_over(run)
  return run.counts.stopped ~= nil or run.fault ~= nil or run.is_left == true
    or run.is_stopping == true or run.host.loop.is_closed == true
end

-- The turn of a message: by the pace of all, and by its own kind's.
local function turn_of(run, message)
  if not run.is_paced then return nil end
  local all = run.paces.all
  local own = run.paces[pace.kind_of(message.from or run.host.default_from)]
  if not all and not own then return nil end
  return function(now)
    return math.max(all and all:reserve(now) or 0, own and own:reserve(now) or 0)
  end
end

local function key_of(run, index, message)
  local key = run.options.key(index, message)
  if key == false then return nil end
  local ok, expected = run.host.is_key(key)
  if not ok then
    error(("send_all: the key of message %d must be %s, or false for none; got %s"):format(
      index, expected, type(key) == "string" and ("%q"):format(key) or tostring(key)), 0)
  end
  return key
end

-- What a message in flight is counted by. Taken by one after the other: a closure for each would
-- be dear.
local function new_seat(run)
  local seat = { index = 0, callback = false, is_taken = false }
  function seat.callback(sent, result) count(run, seat, seat.index, sent, result) end
  return seat
end

local function take_seat(run)
  local n_free = run.n_free
  if n_free == 0 then return new_seat(run) end
  run.n_free = n_free - 1
  return run.free[n_free]
end

local function unsent(run)
  return run.host.new_error({ outcome = "not_sent", kind = "connection", retryable = false,
    cause = run.host.loop.is_closed and "the client was closed meanwhile"
      or "the run had ended before its turn came", advice = "Send it again." })
end

-- The iterator, or `key`, may have ended the run as it yielded, by closing the client or by a step.
local function leave_unsent(run, index)
  local seat = take_seat(run)
  seat.index, seat.is_taken = index, true
  run.n_in_flight = run.n_in_flight + 1
  count(run, seat, index, nil, unsent(run))
end

local function start(run, message)
  local index = run.index
  local key = run.options.key and guarded(run, key_of, run, index, message)
  if is_over(run) then return leave_unsent(run, index) end
  run.n_in_flight = run.n_in_flight + 1
  local seat = take_seat(run)
  seat.index, seat.is_taken = index, true
  local child = run.host.begin(message, key, turn_of(run, message), run.is_over, seat.callback)
  if not child then return end
  child.seat, child.index = seat, index
  run.children[#run.children + 1] = child
end

-- Asked also when it has said so: it may have more to do, as at a second Ctrl-C.
local function heed_stop(run)
  local stops_when = run.options.stops_when
  if stops_when and not run.fault and guarded(run, stops_when) then run.is_stopping = true end
end

-- Starts what may start.
local function fill(run)
  while run.n_in_flight < run.options.concurrency and not run.is_exhausted and not is_over(run) do
    local message = guarded(run, run.next)
    if message == nil then
      run.is_exhausted = true
    else
      run.index = run.index + 1
      if type(message) == "table" then
        start(run, message)
      else
        run.fault = { value = "send_all: message " .. run.index .. " is a " .. type(message) }
      end
    end
    heed_stop(run)
  end
end

-- Whoever is asked now and then is asked so often while nothing ends.
local PATIENCE_S, BETWEEN_ASKING_S = 1, 0.1

---@return integer n_left under way in the loop
local function go_on(run)
  heed_stop(run)
  fill(run)
  run.host.loop:forget_ended(run.children, run.heed_end)
  if run.n_in_flight == 0 then return 0 end
  return run.host.loop:await(run.options.stops_when and BETWEEN_ASKING_S or PATIENCE_S)
end

-- An error that comes here is of nobody's here: Ctrl-C, a host's limit. Where the caller lets what
-- is under way finish, it ends the run as an error of his own does.
local function go_on_all_the_same(run)
  local ok, result = pcall(go_on, run)
  if ok then return result end
  if not run.options.lets_finish(result) then error(result, 0) end
  run.fault, run.was_interrupted = run.fault or { value = result }, true
  return run.n_in_flight
end

-- An interrupt may have come between a message and its callback: that one is not waited for.
local function drive(run)
  local once_more = run.options.lets_finish and go_on_all_the_same or go_on
  repeat
    local n_left = once_more(run)
    local is_done = run.n_in_flight == 0 or (n_left == 0 and run.was_interrupted)
  until is_done and (run.is_exhausted or is_over(run))
  run.host.loop:forget_ended(run.children, run.heed_end)
end

---Sends every message of a list, or that an iterator yields.
---@param source table[]|fun(): table|nil
---@param options table checked by the caller
---@param host table
---@return telnyx.counts
local function send_all(source, options, host)
  local run = {
    host = host,
    next = iterator_of(source),
    options = options,
    paces = paces_of(options),
    is_paced = options.rate ~= nil or options.rates ~= nil,
    index = 0,
    n_in_flight = 0,
    free = {},
    n_free = 0,
    children = {},
    counts = { total = 0, accepted = 0, rejected = 0, not_sent = 0, unknown = 0,
      replayed = 0 },
  }
  run.is_over = function() return is_over(run) end
  -- On a scheduler of its own an error ends what it meets alone, and the run has to go on.
  run.in_one_go = host.loop.spawn and core.shielded or function(what, ...) what(...) end
  run.heed_end = function(child)
    count(run, child.seat, child.index, child.what.message, child.what.result)
  end
  host.run(drive, run)
  if run.fault then error(run.fault.value, 0) end
  local counts = run.counts
  if host.loop.is_closed and not run.is_exhausted and not counts.stopped then
    counts.stopped = unsent(run)
  end
  return counts
end

return send_all
