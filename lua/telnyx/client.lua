--- The client: one message, in at most as many attempts as can make only one
--- message of it.

local core = require("telnyx.core")
local cost = require("telnyx.cost")
local errors = require("telnyx.errors")
local keys = require("telnyx.keys")
local loop = require("telnyx.loop")
local options = require("telnyx.options")
local profiles = require("telnyx.profiles")
local resty = require("telnyx.resty")
local retry = require("telnyx.retry")
local send_all = require("telnyx.send_all")
local store = require("telnyx.store")

local DEFAULT_TIMEOUT, DEFAULT_CONNECT_TIMEOUT, DEFAULT_DEADLINE = 30, 10, 60

---@class telnyx.client
---@field private shared_ table what a client and its profiles have in common
---@field private defaults_ table message fields
---@field private call_ table options of a call
local Client = {}
Client.__index = Client
Client.__name = "telnyx.client"

local function user_agent(app, carrier)
  local agent = "telnyx-lua/" .. core.version .. " " .. carrier
  return app and (agent .. " " .. app) or agent
end

-- What carries the bytes where the user does not say: inside nginx its own sockets.
local function default_sender(own, level)
  local make, carrier = core.client, "libcurl/" .. core.libcurl
  if resty.is_available() then make, carrier = resty.sender, resty.NAME end
  local ok, made = pcall(make, {
    api_key = own.api_key,
    base_url = own.base_url,
    allow_http = own.allow_http,
    user_agent = user_agent(own.app, carrier),
    ca_file = own.ca_file,
    proxy = own.proxy,
    max_response_bytes = own.max_response_bytes,
  })
  if not ok then error(made, level + 1) end
  return made
end

-- Keeps the key out of every table that a host might print.
local function error_maker(api_key)
  return function(fields) return errors.new(fields, api_key) end
end

-- What a call goes by: `given` over `under`, with the retry policy made once for many calls.
local function merged_call(under, given)
  if given == nil or next(given) == nil then return under end
  local call = profiles.merge(under, given)
  if given.retry ~= nil then call.policy = retry.policy(given.retry) end
  return call
end

local function call_options(own, policy)
  return {
    policy = policy,
    timeout = own.timeout or DEFAULT_TIMEOUT,
    connect_timeout = own.connect_timeout or DEFAULT_CONNECT_TIMEOUT,
    deadline = own.deadline or DEFAULT_DEADLINE,
    retry = own.retry,
    max_parts = own.max_parts,
    on_ucs2 = own.on_ucs2,
  }
end

---Makes a client. Opens nothing before the first send.
---@param given telnyx.options|nil
---@return telnyx.client
local function new(given)
  local own = options.client(given, 2)
  local policy = retry.policy(own.retry, 2)
  local sender = own.sender or default_sender(own, 2)
  local shared = {
    loop = loop.new(sender),
    new_error = error_maker(own.api_key),
    budget = policy:new_budget(),
    profiles = profiles.read(own.profiles, 2),
    log = own.log,
    store = own.store or store.memory(),
    where = own.sender and "own sender" or own.base_url or "https://api.telnyx.com/v2",
    owns_sender = not own.sender,
  }
  return setmetatable({
    shared_ = shared,
    defaults_ = options.defaults(own.defaults, 2),
    call_ = call_options(own, policy),
  }, Client)
end

-- A flat copy without a metatable: what is validated is what is sent.
local function merged(defaults, message)
  local flat = {}
  for name, value in next, defaults do flat[name] = value end
  for name, value in next, message do flat[name] = value end
  if getmetatable(message) then
    for _, name in ipairs(core.fields) do
      if message[name] ~= nil then flat[name] = message[name] end
    end
  end
  return flat
end

local function add_segments(info, segments, message)
  if not segments then return end
  info.segments = segments
  info.warnings = cost.warnings(segments)
  info.drift = cost.drift(segments, message.parts)
end

-- A spending limit, say, comes as a 429 too, but no wait of ours will lift it.
local function needs_a_person(err)
  local entry = err.code and errors.catalogue[err.code]
  return entry ~= nil and (entry.class == "account" or entry.class == "credentials")
end

-- What a sender of the user's own may have left out or got wrong: in doubt, unknown.
local function tidy_error(err)
  if type(err) ~= "table" then
    err = { cause = err ~= nil and tostring(err) or "the sender gave no reason" }
  end
  err.outcome = err.outcome or "unknown"
  err.kind = err.kind or "protocol"
  if err.retryable == nil or needs_a_person(err) then err.retryable = false end
  return err
end

local function row_of(outcome, result, seconds)
  return {
    outcome = outcome,
    seconds = seconds,
    status = result.status,
    cause = result.cause,
    code = result.code,
    stale = result.stale,
  }
end

-- The user's own function must not be able to lose an outcome by an error of its own.
local function report(log, row, n_attempt)
  if not log then return end
  local event = profiles.merge(row, { event = "attempt", attempt = n_attempt })
  pcall(log, event)
end

---@class telnyx.job one send
---@field message table
---@field call table
---@field policy table
---@field state table the retry policy's memory of this send
---@field limits table
---@field attempts table[]
---@field segments telnyx.segments|nil

local function new_job(self, message, call)
  local shared = self.shared_
  local now = shared.loop:now()
  return {
    message = message,
    call = call,
    policy = call.policy,
    attempts = {},
    limits = { connect_timeout = call.connect_timeout },
    state = {
      now = now,
      deadline = now + call.deadline,
      random = math.random,
      budget = shared.budget,
    },
  }
end

local function attempt(shared, job, task)
  local started = shared.loop:now()
  job.limits.timeout = math.max(0.001, math.min(job.call.timeout, job.state.deadline - started))
  local message, result = shared.loop:carry(task, job.message, job.limits)
  if not message then result = tidy_error(result) end
  result = result or {}
  job.state.now = shared.loop:now()
  local outcome = message and "accepted" or result.outcome
  local row = row_of(outcome, result, job.state.now - started)
  job.attempts[#job.attempts + 1] = row
  return message, result, row
end

local function succeed(shared, job, message, info)
  if shared.budget then shared.budget:put(job.state.now) end
  info.outcome = "accepted"
  info.attempts = job.attempts
  add_segments(info, job.segments, message)
  return message, info
end

local function fail(shared, job, err)
  err.attempts = job.attempts
  return nil, shared.new_error(err)
end

-- Attempts, until one succeeds or no other is allowed.
local function carry_out(shared, job, task)
  while true do
    local message, result, row = attempt(shared, job, task)
    local wait, reason
    if not message then
      wait, reason = job.policy:next(result, #job.attempts, job.state)
      row.wait = wait
    end
    report(shared.log, row, #job.attempts)
    if message then return succeed(shared, job, message, result) end
    if not wait or shared.is_closed then return fail(shared, job, result) end
    job.limits.fresh = reason == "stale"
    local interruption = shared.loop:sleep(task, wait)
    if interruption == "forked" then result = shared.loop.forked() end
    if interruption then return fail(shared, job, result) end
  end
end

local function replayed(shared, job, claim)
  local result = claim.info or claim.err
  result.replayed = true
  if claim.message then return claim.message, result end
  return fail(shared, job, result)
end

-- The intent is recorded before the wire, but not for a message that is refused here:
-- its key stays free for the message put right.
local function carry_out_once(shared, job, task)
  local valid, err = core.validate(job.message)
  if not valid then return fail(shared, job, err) end
  local claim = keys.claim(shared.store, job.call.key)
  if not claim.name then return replayed(shared, job, claim) end
  local message, result = carry_out(shared, job, task)
  result.store_error = keys.settle(shared.store, claim.name, message, result)
  return message, result
end

-- The whole life of a send, written once for `send` and `start`.
local function drive(self, job, task)
  local shared = self.shared_
  local priced, segments = cost.apply(job.message, job.call)
  if not priced then return fail(shared, job, segments) end
  job.message, job.segments = priced, segments
  local carry = job.call.key and carry_out_once or carry_out
  return carry(shared, job, task)
end

local function check_message(message, what, level)
  if type(message) ~= "table" then
    error(what .. " expects a message, a table of fields; got a " .. type(message), level + 1)
  end
end

local function job_for(self, what, message, given)
  check_message(message, what, 3)
  if self.shared_.is_closed then error("the client is closed", 3) end
  local call = merged_call(self.call_, given ~= nil and options.call(given, 3) or nil)
  return new_job(self, merged(self.defaults_, message), call)
end

---Sends one message and waits for its outcome.
---@param message telnyx.message
---@param given telnyx.call_options|nil
---@return telnyx.sent|nil message the service's message object
---@return telnyx.info|telnyx.error info or, without a message, what went wrong
function Client:send(message, given)
  return drive(self, job_for(self, "send", message, given), nil)
end

---@class telnyx.pending
---@field done boolean
local Pending = {}
Pending.__index = Pending

---What `send` would have returned. Raises while the message is under way.
function Pending:result()
  if not self.done then error("not done yet: step the client until pending.done", 2) end
  return self.message_, self.info_
end

local function settle(pending, callback, message, info)
  pending.done, pending.message_, pending.info_ = true, message, info
  if callback then callback(message, info) end
end

local function begin(self, job, callback)
  local pending = setmetatable({ done = false }, Pending)
  self.shared_.loop:spawn(function(task)
    settle(pending, callback, drive(self, job, task))
  end)
  return pending
end

---Begins to send one message; `step` drives it on.
---@param message telnyx.message
---@param given telnyx.call_options|function|nil options, or at once the callback
---@param callback fun(message: table|nil, info: table)|nil gets what `send` returns
---@return telnyx.pending
function Client:start(message, given, callback)
  if type(given) == "function" then given, callback = nil, given end
  local job = job_for(self, "start", message, given)
  local pending = begin(self, job, callback)
  return pending
end

---Drives everything in flight until something is done or the time is up.
---@param seconds number|nil at most; default 0, which never waits
---@return integer in_flight
function Client:step(seconds)
  if seconds ~= nil and (type(seconds) ~= "number" or seconds < 0) then
    error("step expects seconds from 0 up, got " .. tostring(seconds), 2)
  end
  if self.shared_.is_closed then error("the client is closed", 2) end
  return self.shared_.loop:step(seconds or 0)
end

---A descriptor that becomes readable when `step` has something to do; for poll, epoll and
---event loops. Ask again after a fork.
---@return integer|nil nil where the system or the sender has none
function Client:fd()
  return self.shared_.loop:fd()
end

---Seconds until `step` is due even if the descriptor is not readable.
---@return number|nil nil when nothing is under way
function Client:timeout()
  return self.shared_.loop:timeout()
end

---Sends a list of messages, or what an iterator yields, some at a time. Stops early
---where no further message could succeed: the key or the account is refused.
---@param source table[]|fun(): table|nil
---@param given telnyx.run_options|nil
---@return telnyx.counts counts by outcome, and `stopped`, the error that ended it early
function Client:send_all(source, given)
  if type(source) ~= "table" and type(source) ~= "function" then
    error("send_all expects a list of messages or an iterator, got a " .. type(source), 2)
  end
  local run_options = options.run(given, 2)
  local call = merged_call(self.call_, run_options.call)
  return send_all(self, source, run_options, function(message, key, callback)
    local own = key and profiles.merge(call, { key = key }) or call
    begin(self, new_job(self, merged(self.defaults_, message), own), callback)
  end)
end

---Monotonic seconds, by the clock that retries and pauses go by.
---@return number
function Client:now()
  return self.shared_.loop:now()
end

---What messages of this client hold unless they say otherwise.
---@param field string
---@return any
function Client:default(field)
  return self.defaults_[field]
end

---Waits at most `seconds`, or until something in flight is done.
---@param seconds number
function Client:wait(seconds)
  self.shared_.loop:wait(seconds)
end

---The same client with a profile's fields and options applied.
---@param name string
---@return telnyx.client
function Client:profile(name)
  local profile = profiles.find(self.shared_.profiles, name, 2)
  return setmetatable({
    shared_ = self.shared_,
    defaults_ = profiles.merge(self.defaults_, profile.fields),
    call_ = merged_call(self.call_, profile.call),
  }, Client)
end

---Settles what became of a message sent under a key, for example by a webhook.
---@param key string
---@param message table|nil the message that was sent; nil: none was, and the key is free again
---@return true|nil
---@return string|nil why
function Client:resolve(key, message)
  if type(key) ~= "string" then error("resolve expects a key, a string", 2) end
  return keys.resolve(self.shared_.store, key, message)
end

---Closes every connection. What is in flight ends as it stands. May be
---called twice.
function Client:close()
  local shared = self.shared_
  if shared.is_closed then return end
  shared.is_closed = true
  local sender = shared.loop.sender
  if shared.owns_sender then sender:close() end
  shared.loop:close()
end

Client.__close = Client.close

function Client:__tostring()
  return "telnyx.client (" .. self.shared_.where .. ")"
end

return { new = new }
