--- When to send again, and how long to wait first. Pure policy: the time and
--- the randomness are arguments, and nothing here waits or sends.
--
-- The one rule that nothing overrides: an attempt that may have made a message
-- is not repeated unless the caller asked for at-least-once.

local retry = {}

---@class telnyx.retry_options
---@field attempts? integer   in all, the first one included (3)
---@field base? number        seconds; the first wait is at most this (0.5)
---@field cap? number         seconds; no wait of ours is longer (8)
---@field max_wait? number    seconds; the most that the service may ask (60)
---@field unknown? boolean    repeat unknown outcomes too: at-least-once (false)
---@field should_retry? fun(err: table, attempt: integer): boolean?
---@field budget? telnyx.budget_options|false  false: no budget

---@class telnyx.budget_options
---@field capacity? number     retries that may be made in a row (10)
---@field per_second? number   refilled by time (0.5)
---@field per_success? number  refilled by a message that was accepted (0.1)

---@class telnyx.retry_state  one for each send, kept through its attempts
---@field now number               any clock, in seconds, that does not go back
---@field deadline? number         on the same clock
---@field random fun(): number     in [0, 1)
---@field budget? telnyx.budget    the client's, shared by its sends
---@field refreshed? boolean       set here; a stale connection was replaced
---@field turn? function|false     those of a run: what is too much at once is waited out
---@field outlasts? boolean|nil     and so is a time without connections
---@field n_outlasted? integer     set here; attempts of those

-- Options --------------------------------------------------------------------

local function finite(value)
  return type(value) == "number" and value > -math.huge and value < math.huge
end

local function positive(value) return finite(value) and value >= 0 end

local function is_a(kind)
  return function(value) return type(value) == kind end
end

-- name = { default, accepts, what is allowed }
local SECONDS = "a number of seconds, 0 or more"
local NUMBER = "a number, 0 or more"

local budget_rules = {
  capacity = { 10, positive, NUMBER },
  per_second = { 0.5, positive, NUMBER },
  per_success = { 0.1, positive, NUMBER },
}

local function whole(value)
  return finite(value) and value >= 1 and value % 1 == 0
end

local rules = {
  attempts = { 3, whole, "a whole number, 1 or more" },
  base = { 0.5, positive, SECONDS },
  cap = { 8, positive, SECONDS },
  max_wait = { 60, positive, SECONDS },
  unknown = { false, is_a "boolean", "true or false" },
  should_retry = { nil, is_a "function", "a function" },
  budget = {
    {},
    function(value) return type(value) == "table" or value == false end,
    "a table or false",
  },
}

local function shown(value)
  local kind = type(value)
  if kind == "string" then return ("%q"):format(value) end
  if kind == "number" or kind == "boolean" then return tostring(value) end
  return "a " .. kind
end

local function names_of(known)
  local names = {}
  for name in pairs(known) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function core_nearest()
  local found, core = pcall(require, "telnyx.core")
  return found and type(core) == "table" and core.nearest or nil
end

local function hint(name, names, nearest)
  nearest = nearest or core_nearest()
  local close = nearest and type(name) == "string" and nearest(name, names)
  return close and (" (did you mean %q?)"):format(close) or ""
end

local function unknown_name(prefix, name, known, nearest)
  local names = names_of(known)
  return ("unknown option %s%s%s; known: %s"):format(
    prefix, tostring(name), hint(name, names, nearest),
    table.concat(names, ", "))
end

-- The first fault in words, or nil.
local function fault(prefix, given, known, nearest)
  for name, value in pairs(given) do
    local rule = known[name]
    if not rule then return unknown_name(prefix, name, known, nearest) end
    if not rule[2](value) then
      return ("%s%s must be %s, got %s"):format(
        prefix, name, rule[3], shown(value))
    end
  end
end

local function fault_in_options(options, nearest)
  if type(options) ~= "table" then
    return "retry must be a table or false, got " .. shown(options)
  end
  return fault("retry.", options, rules, nearest)
    or fault("retry.budget.", options.budget or {}, budget_rules, nearest)
end

local function with_defaults(given, known)
  local full = {}
  for name, rule in pairs(known) do
    full[name] = rule[1]
    if given[name] ~= nil then full[name] = given[name] end
  end
  return full
end

-- Budget ---------------------------------------------------------------------

---@class telnyx.budget
---@field tokens number
local Budget = {}
Budget.__index = Budget

-- Ten times a tenth falls short of one by a rounding error.
local EPSILON = 1e-9

local function add(budget, amount)
  budget.tokens = math.min(budget.capacity, budget.tokens + amount)
end

local function refill(budget, now)
  local since = budget.at and now - budget.at or 0
  if since > 0 then add(budget, since * budget.per_second) end
  if since > 0 or not budget.at then budget.at = now end
end

--- Takes the token for one retry.
---@param now number
---@return boolean  false when the budget is spent
function Budget:take(now)
  refill(self, now)
  if self.tokens < 1 - EPSILON then return false end
  self.tokens = math.max(0, self.tokens - 1)
  return true
end

--- Gives back what a success earns.
---@param now number
function Budget:put(now)
  if self.tokens == self.capacity then return end
  refill(self, now)
  add(self, self.per_success)
end

--- A full token bucket, one for each client: a retry costs one token, so when
--- everything fails the client soon stops multiplying its own load.
---@param options? telnyx.budget_options
---@return telnyx.budget
function retry.budget(options)
  local wrong = fault("retry.budget.", options or {}, budget_rules)
  if wrong then error(wrong, 2) end
  local budget = with_defaults(options or {}, budget_rules)
  budget.tokens = budget.capacity
  return setmetatable(budget, Budget)
end

-- Verdict --------------------------------------------------------------------

-- The reason that nobody can overrule, or nil.
local function forbidden(policy, err)
  local outcome = err.outcome
  if outcome == "unknown" then
    return not policy.unknown and "unknown" or nil
  elseif outcome == "not_sent" then
    return err.kind == "invalid" and "invalid" or nil
  elseif outcome == "rejected" then
    return nil
  end
  -- What is neither known to be safe nor called unknown is left alone.
  return outcome == "accepted" and "accepted" or "outcome"
end

-- The reason not to, by default, among what is allowed; or nil.
local function unwise(err)
  if err.outcome == "rejected" and err.retryable ~= true then
    return "rejected"
  elseif err.outcome == "not_sent" and err.retryable == false then
    return "not_sent"
  end
end

local function ask(should_retry, err, made, reason)
  local answer = should_retry(err, made)
  if answer == nil then return reason end
  return not answer and "vetoed" or nil
end

local function verdict(policy, err, made, attempt)
  local reason = forbidden(policy, err)
  if reason then return reason end
  reason = unwise(err)
  local should_retry = policy.should_retry
  if reason and not should_retry then return reason end
  if made >= policy.attempts then return "attempts" end
  if not should_retry then return nil end
  return ask(should_retry, err, attempt, reason)
end

-- Wait -----------------------------------------------------------------------

---The wait that the service asks for.
---@param err table
---@return number|nil seconds
function retry.asked_wait(err)
  if positive(err.retry_after) then return err.retry_after end
  local limit = err.status == 429 and err.ratelimit
  local reset = type(limit) == "table" and limit.reset
  return positive(reset) and reset or nil
end

-- A sender's queue is full: with which status the service says so, it does not tell.
local QUEUE_FULL = "40318"

---Whether the service refused it because there are too many at once.
---@param err table
---@return boolean
function retry.is_too_many(err)
  return err.outcome == "rejected" and (err.status == 429 or err.code == QUEUE_FULL)
end

-- Past this many doublings any base is beyond any cap.
local MOST_DOUBLINGS = 60

local function backoff(policy, made)
  local doublings = math.min(made - 1, MOST_DOUBLINGS)
  return math.min(policy.cap, policy.base * 2 ^ doublings)
end

-- Full jitter on our own waits. On the service's wait, at least what it asked,
-- and up to `base` more, so that clients told the same do not return as one.
local function wait_for(policy, err, made, random)
  local asked = retry.asked_wait(err)
  if not asked then return random() * backoff(policy, made), "backoff" end
  if asked > policy.max_wait then return nil, "max_wait" end
  return asked + random() * math.min(policy.base, policy.cap), "service"
end

local function in_time(state, wait)
  return not state.deadline or state.now + wait < state.deadline
end

-- An idle connection that the server had closed before the request began says
-- nothing about the service, and costs the caller nothing to replace, once.
local function refresh(err, state)
  if not err.stale or state.refreshed or err.outcome ~= "not_sent"
    or not in_time(state, 0) then
    return false
  end
  state.refreshed = true
  return true
end

-- Policy ---------------------------------------------------------------------

---@class telnyx.retry_policy
---@field attempts integer
---@field base number
---@field cap number
---@field max_wait number
---@field unknown boolean
---@field should_retry? function
---@field budget telnyx.budget_options|false
local Policy = {}
Policy.__index = Policy

-- A run slows down by what is refused for being too many, stands still while there are no
-- connections, and tries again for as long as it has.
local function waits_out(policy, err, state)
  if not state.turn or not err.retryable or policy.attempts == 1 then return false end
  return retry.is_too_many(err) or err.outcome == "not_sent" and state.outlasts
end

local function wait_out(policy, err, state)
  local n = (state.n_outlasted or 0) + 1
  state.n_outlasted = n
  local asked = retry.asked_wait(err)
  local wait = asked and asked > 0 and asked or (0.5 + state.random() / 2) * backoff(policy, n)
  if not in_time(state, wait) then return nil, "deadline" end
  return wait, "outlast"
end

--- What to do after a failed attempt.
--
-- The wait comes with "stale" (at once, and on a fresh connection), "backoff",
-- "service" (the service named the wait) or "outlast" (of a run). nil comes with why not:
-- "accepted", "invalid", "unknown", "rejected", "not_sent", "outcome" (an
-- outcome that is none of the four), "attempts", "vetoed" (by should_retry),
-- "max_wait", "deadline" or "budget".
---@param err table             what the attempt returned
---@param attempt integer       attempts made so far, every one counted
---@param state telnyx.retry_state
---@return number? wait         seconds
---@return string reason
function Policy:next(err, attempt, state)
  if refresh(err, state) then return 0, "stale" end
  local made = attempt - (state.refreshed and 1 or 0) - (state.n_outlasted or 0)
  local is_outlasted = waits_out(self, err, state)
  local told = attempt - (state.refreshed and 1 or 0)
  local refusal = verdict(self, err, is_outlasted and 1 or made, told)
  if refusal then return nil, refusal end
  if is_outlasted then return wait_out(self, err, state) end
  local wait, reason = wait_for(self, err, made, state.random)
  if not wait then return nil, reason end
  if not in_time(state, wait) then return nil, "deadline" end
  local is_kept_back = state.turn and err.outcome == "not_sent" -- a run holds back by itself
  if state.budget and not is_kept_back and not state.budget:take(state.now) then
    return nil, "budget"
  end
  return wait, reason
end

--- A budget for a client with this policy; nil when it has none.
---@return telnyx.budget?
function Policy:new_budget()
  return self.budget and retry.budget(self.budget) or nil
end

--- A policy from options. Misuse raises.
---@param options? telnyx.retry_options|false  false: `retry.none`
---@param level? integer  whom misuse blames: 1 the caller, 2 its caller
---@param nearest? fun(name: string, names: string[]): string?
---@return telnyx.retry_policy
function retry.policy(options, level, nearest)
  if options == false then return retry.none end
  if options == nil then options = {} end
  local wrong = fault_in_options(options, nearest)
  if wrong then error(wrong, (level or 1) + 1) end
  return setmetatable(with_defaults(options, rules), Policy)
end

--- The same for what only reads: an answer that was lost may be asked for again.
---@param policy telnyx.retry_policy
---@return telnyx.retry_policy
function retry.of_reads(policy)
  local own = {}
  for name, value in pairs(policy) do own[name] = value end
  own.unknown = true
  return setmetatable(own, Policy)
end

--- One attempt. A stale connection is still replaced: nothing was sent on it.
---@type telnyx.retry_policy
retry.none = retry.policy { attempts = 1 }

return retry
