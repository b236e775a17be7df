--- The client: what users hold. A send is made ready here, and carried out by
--- `telnyx.send`.

local core = require("telnyx.core")
local cost = require("telnyx.send.cost")
local engine = require("telnyx.send.engine")
local fields = require("telnyx.fields")
local life = require("telnyx.send.life")
local options = require("telnyx.options")
local outlook = require("telnyx.run.outlook")
local pace = require("telnyx.run.pace")
local profiles = require("telnyx.profiles")
local reference = require("telnyx.send.reference")
local retry = require("telnyx.send.retry")
local send_all = require("telnyx.run.send_all")
local stored = require("telnyx.run.stored")
local tables = require("telnyx.tables")

local DEFAULT_TIMEOUT, DEFAULT_CONNECT_TIMEOUT, DEFAULT_DEADLINE = 30, 10, 60

---@class telnyx.client
---@field private engine_ telnyx.engine shared with its profiles
---@field private pace_ telnyx.pace of all its runs, and its profiles'
---@field private profiles_ table<string, telnyx.profile>
---@field private defaults_ table message fields
---@field private call_ table options of a call
local Client = {}
Client.__index = Client
Client.__name = "telnyx.client"

-- What a call goes by: `given` over `under`. The retry policy is made once for many calls.
local function merged_call(under, given, level)
  if given == nil or next(given) == nil then return under end
  local call = tables.merge(under, given)
  if given.accept then call.accept = tables.merge(under.accept or {}, given.accept) end
  if given.retry then
    call.retry = tables.deep_copy(tables.merge(under.retry or {}, given.retry))
  end
  if given.retry ~= nil then call.policy = retry.policy(call.retry, level + 1) end
  return call
end

local function call_options(own, policy)
  return {
    policy = policy,
    retry = own.retry and tables.deep_copy(own.retry),
    timeout = own.timeout or DEFAULT_TIMEOUT,
    connect_timeout = own.connect_timeout or DEFAULT_CONNECT_TIMEOUT,
    deadline = own.deadline or DEFAULT_DEADLINE,
    max_parts = own.max_parts,
    on_ucs2 = own.on_ucs2,
    accept = own.accept and tables.copy(own.accept) or nil,
    strict = own.strict,
    idempotency_header = own.idempotency_header,
    reference = own.reference,
    optouts = own.optouts,
  }
end

---Makes a client. Opens nothing before the first send.
---@param given telnyx.options|nil
---@return telnyx.client
local function new(given)
  if type(given) == "table" and given.new == new then
    error("call it with a dot: telnyx.new", 2)
  end
  local own = options.client(given, 2)
  local policy = retry.policy(own.retry, 2)
  local named = profiles.read(own.profiles, 2)
  for _, profile in pairs(named) do retry.policy(profile.call.retry, 2) end
  local defaults = options.defaults(own.defaults, 2)
  local carrier = engine.new(own, policy, 2)
  return setmetatable({
    engine_ = carrier,
    pace_ = pace.new(function() return carrier.loop:now() end),
    profiles_ = named,
    defaults_ = defaults,
    call_ = call_options(own, policy),
  }, Client)
end

---@return telnyx.job
-- Sixteen fields: a table with one more takes twice the room.
local function new_job(self, message, call, turn, is_over)
  local own = self.engine_
  local now = own.loop:now()
  return {
    message = fields.merged(self.defaults_, message),
    call = call,
    pending = false,
    entry = false,
    segments = false,
    turn = turn or false,
    is_over = is_over or false,
    may_be_sent = false,
    sent = false,
    answer = false,
    was_telling = false,
    attempts = { nil }, -- room for one
    limits = {
      connect_timeout = call.connect_timeout,
      timeout = call.timeout,
      deadline = call.deadline,
      fresh = false,
      begun = false,
      pending = false,
      body = false,
    },
    now = now,
    deadline = now + call.deadline,
    n_forks = core.forks(),
  }
end

local function check_open(self, method, level)
  if getmetatable(self) ~= Client then
    error("call it with a colon: client:" .. method, level + 1)
  end
  if self.engine_.is_closed then error("the client is closed", level + 1) end
end

-- An inquiry: a job that is a function.
local function inquiring_job(self, given, question, work)
  local checked = given ~= nil and options.inquiry(given, 4) or nil
  local call = merged_call(self.call_, checked, 4)
  if question == "read" then call = tables.merge(call, { policy = retry.of_reads(call.policy) }) end
  local job = new_job(self, {}, call)
  job.work, job.question = work, question
  return job
end

-- An id goes into a path.
local function check_id(method, id)
  if type(id) ~= "string" then
    error(("%s expects the id of a message, a string; got a %s"):format(method, type(id)), 4)
  end
end

-- Whether what is asked changes anything.
local QUESTIONS = { get = "read", cancel = "cancel" }

local function job_about(self, method, id, given)
  check_open(self, method, 3)
  check_id(method, id)
  local inquiries = require("telnyx.after.inquiries") -- few programs need it
  local job = inquiring_job(self, given, QUESTIONS[method], function(ask)
    if not inquiries.is_id(id) then return nil, inquiries.no_id() end
    return ask(inquiries[method](id))
  end)
  return job
end

-- The options may be left out before a callback.
local function parted(method, given, callback)
  if options.is_callable(given) and callback == nil then return nil, given end
  if callback ~= nil and not options.is_callable(callback) then
    error(("%s expects a function to call back, got a %s"):format(method, type(callback)), 3)
  end
  return given, callback
end

local function job_for(self, method, message, given)
  check_open(self, method, 3)
  if type(message) ~= "table" then
    error(method .. " expects a message, a table of fields; got a " .. type(message), 3)
  end
  local checked = given ~= nil and options.call(given, 3) or nil
  local call = merged_call(self.call_, checked, 3)
  return new_job(self, message, call)
end

---Judges a message as `send` would, by this client's fields and options, without sending it.
---@param message telnyx.message
---@param given telnyx.send_options|nil
---@return true|nil
---@return telnyx.warning[]|telnyx.error|nil warnings, if there are any; or why it would be refused
function Client:validate(message, given)
  local job = job_for(self, "validate", message, given)
  local body, err = self.engine_:make_ready(job)
  if not body then return nil, err end
  return true, job.warnings
end

---Sends one message and waits for its outcome.
---@param message telnyx.message
---@param given telnyx.send_options|nil
---@return telnyx.sent|nil message the service's message object
---@return telnyx.info|telnyx.error info or, without a message, what went wrong
function Client:send(message, given)
  local job = job_for(self, "send", message, given)
  return self.engine_:send(job)
end

---Reads a message as it stands, for ten days after it was sent; one that came in as well.
---@param id string
---@param given telnyx.inquiry_options|nil
---@return telnyx.sent|nil
---@return telnyx.info|telnyx.error
function Client:get(id, given)
  local job = job_about(self, "get", id, given)
  return self.engine_:send(job)
end

---Begins what `get` does.
---@param id string
---@param given telnyx.inquiry_options|nil
---@param callback fun(message: table|nil, info: table)|nil
---@return telnyx.pending
function Client:start_get(id, given, callback)
  given, callback = parted("start_get", given, callback)
  local job = job_about(self, "get", id, given)
  return self.engine_:start(job, callback)
end

---Takes back a message that is scheduled, more than a minute before its time.
---@param id string
---@param given telnyx.inquiry_options|nil
---@return telnyx.sent|nil message its status is `cancelled`
---@return telnyx.info|telnyx.error
function Client:cancel(id, given)
  local job = job_about(self, "cancel", id, given)
  return self.engine_:send(job)
end

---Begins what `cancel` does.
---@param id string
---@param given telnyx.inquiry_options|nil
---@param callback fun(message: table|nil, info: table)|nil
---@return telnyx.pending
function Client:start_cancel(id, given, callback)
  given, callback = parted("start_cancel", given, callback)
  local job = job_about(self, "cancel", id, given)
  return self.engine_:start(job, callback)
end

local function group_job(self, method, message, given)
  check_open(self, method, 3)
  if type(message) ~= "table" then
    error(method .. " expects a message, a table of fields; got a " .. type(message), 3)
  end
  local checked = given ~= nil and options.call(given, 3) or nil
  local job = new_job(self, message, merged_call(self.call_, checked, 3))
  job.group = require("telnyx.after.group") -- few programs need it
  return job
end

---Sends one MMS to up to eight numbers of the US and Canada, who see each other's answers.
---@param message telnyx.message whose `to` is a list
---@param given telnyx.send_options|nil
---@return telnyx.sent|nil
---@return telnyx.info|telnyx.error
function Client:send_group(message, given)
  local job = group_job(self, "send_group", message, given)
  return self.engine_:send(job)
end

---Begins what `send_group` does.
---@param message telnyx.message whose `to` is a list
---@param given telnyx.send_options|nil
---@param callback fun(message: table|nil, info: table)|nil
---@return telnyx.pending
function Client:start_send_group(message, given, callback)
  given, callback = parted("start_send_group", given, callback)
  local job = group_job(self, "start_send_group", message, given)
  return self.engine_:start(job, callback)
end

-- The service takes so many questions a minute for its records, and has who asks more wait for the
-- next: longer than a send would.
local PATIENCE_S = 150

local function patient(given)
  if given ~= nil and type(given) ~= "table" then return given end
  return tables.merge({ deadline = PATIENCE_S }, given or {})
end

-- Of a row its key counts: what a journal said of it may have changed since.
local function settling_job(self, method, what, given)
  check_open(self, method, 3)
  local key = type(what) == "table" and what.key or what
  if not options.is_key(key) then
    error(method .. " expects a key, or a row of the journal", 3)
  end
  local settle, journal = require("telnyx.after.settle"), self.engine_.journal
  local job = inquiring_job(self, patient(given), "read", function(ask)
    return settle.one(ask, journal, key)
  end)
  job.has_end = true
  return job
end

---Looks for a message whose end nobody knows where the service keeps what it has taken. One that is
---found is settled: it was accepted. One that is not is still unknown.
---@param key string|telnyx.journal_row
---@param given telnyx.inquiry_options|nil
---@return telnyx.settlement|nil
---@return table|telnyx.error info_or_err
function Client:settle(key, given)
  local job = settling_job(self, "settle", key, given)
  return self.engine_:send(job)
end

---Begins what `settle` does.
---@param key string|telnyx.journal_row
---@param given telnyx.inquiry_options|nil
---@param callback fun(settlement: table|nil, info: table)|nil
---@return telnyx.pending
function Client:start_settle(key, given, callback)
  given, callback = parted("start_settle", given, callback)
  local job = settling_job(self, "start_settle", key, given)
  return self.engine_:start(job, callback)
end

---Looks for all whose end nobody knows.
---@param given telnyx.settle_options|nil
---@return telnyx.settle_counts|nil
---@return table|telnyx.error info_or_err
function Client:settle_all(given)
  check_open(self, "settle_all", 2)
  local own, rest = options.settling(given, 2)
  local settle, journal = require("telnyx.after.settle"), self.engine_.journal
  if not options.is_callable(journal.unsettled) then
    error("settle_all needs one of telnyx.journal", 2)
  end
  local job = inquiring_job(self, patient(rest), "read", function(ask)
    return settle.all(ask, journal, own)
  end)
  job.has_end = rest.deadline ~= nil
  return self.engine_:send(job)
end

---Begins to send one message; `step` drives it on.
---@param message telnyx.message
---@param given telnyx.send_options|function|nil options, or at once the callback
---@param callback fun(message: table|nil, info: table)|nil gets what `send` returns
---@return telnyx.pending
function Client:start(message, given, callback)
  if options.is_callable(given) then
    if callback ~= nil then error("start expects its options before the callback", 2) end
    given, callback = nil, given
  end
  if callback ~= nil and not options.is_callable(callback) then
    error("start expects a function to call back, got a " .. type(callback), 2)
  end
  local job = job_for(self, "start", message, given)
  local pending = self.engine_:start(job, callback)
  return pending
end

---Drives everything in flight until something is done or the time is up.
---@param seconds number|nil at most; default 0, which never waits
---@return integer in_flight
function Client:step(seconds)
  check_open(self, "step", 2)
  if seconds ~= nil and not (type(seconds) == "number" and seconds >= 0) then
    error("step expects seconds from 0 up, got a " .. type(seconds), 2)
  end
  return self.engine_.loop:step(seconds or 0)
end

---A descriptor that becomes readable when `step` has something to do; for poll, epoll and
---event loops. Ask again after a fork.
---@return integer|nil nil where the system or the sender has none
function Client:fd()
  return self.engine_.loop:fd()
end

---Seconds until `step` is due even if the descriptor is not readable.
---@return number|nil nil when nothing is under way
function Client:timeout()
  return self.engine_.loop:timeout()
end

-- The first place of a list that is empty, though there is something behind it.
local function hole_of(list)
  local last = 0
  for place in pairs(list) do
    if type(place) == "number" then last = math.max(last, place) end
  end
  for i = 1, last do
    if list[i] == nil then return i end
  end
end

-- An iterator, or a list that is one.
local function checked_source(source, level)
  if type(source) == "function" then return source end
  if options.is_callable(source) then return function() return source() end end
  if type(source) ~= "table" then
    error("send_all expects a list of messages or an iterator, got a " .. type(source), level + 1)
  end
  if #source == 0 and next(source) ~= nil then
    error("send_all expects a list of messages; this looks like one message", level + 1)
  end
  local hole = hole_of(source)
  if hole then error(("send_all expects a list: message %d is nil"):format(hole), level + 1) end
  return source
end

---Sends a list of messages, or what an iterator yields, some at a time. Stops early
---where no further message could succeed: the key or the account is refused.
---@param source table[]|fun(): table|nil the iterator may be an object that can be called
---@param given telnyx.run_options|nil
---@return telnyx.counts counts by outcome, and `stopped`, the error that ended it early
function Client:send_all(source, given)
  check_open(self, "send_all", 2)
  local messages = checked_source(source, 2)
  local run_options = options.run(given, 2)
  local loop, host = self.engine_.loop, nil
  run_options.concurrency = math.min(run_options.concurrency, self.engine_.most_at_once)
  local call = tables.merge(merged_call(self.call_, run_options.call, 2),
    { outlasts = function() return host.outlook.was_answered end })
  local begins_guarded = run_options.lets_finish ~= nil -- else the run is guarded as a whole
  local is_paced = run_options.rate or run_options.rates or run_options.sender_rates
  host = {
    loop = loop,
    outlook = outlook.new(),
    run = function(body, run) return self.engine_:run(body, run) end,
    pace = self.pace_, clock = function() return loop:now() end,
    is_key = options.is_key,
    new_error = function(err) return self.engine_:new_error(err) end,
    begin = function(message, key, turn, is_over, callback)
      local own = key and tables.merge(call, { key = key, looks_first = is_paced }) or call
      local job = new_job(self, message, own, turn, is_over)
      local begin = begins_guarded and self.engine_ or loop
      local child = begin:begin(job, callback)
      loop:tell(is_over)
      return child
    end,
  }
  return send_all(messages, run_options, host)
end

-- What a worker takes from an outbox was made ready when it was added.
local function claimed_job(self, taken, call)
  local job = new_job(self, {}, call, false, taken.is_over)
  local body = reference.claimed(taken.body, taken.entry.key, taken.entry.claim)
  local message, takes_body = stored.message(body), self.engine_.takes_body
  if not (message or takes_body) then
    error(("the message under '%s' cannot be read"):format(taken.entry.key), 0)
  end
  job.message = message or {}
  if takes_body then job.limits.body = body else job.limits.judged = true end
  job.segments = cost.segments(job.message) or false
  job.entry, job.is_claimed = taken.entry, true
  life.add_header(job) -- a key that cannot be one goes without
  job.now = taken.started_at
  job.deadline = taken.started_at + call.deadline
  return job
end

-- One attempt a claim: the outbox knows when there is to be another.
local function work_call(self, run_options)
  return tables.merge(merged_call(self.call_, run_options.call, 3), { policy = retry.none })
end

---@return table
local function outbox_host(self, queue)
  local own = self.engine_
  local host = {
    loop = own.loop, journal = own.journal, queue = queue, random = own.random,
    is_closed = function() return own.is_closed end,
    new_error = function(err) return own:new_error(err) end,
    run = function(body, run) return own:run(body, run) end,
    check_add = options.add, check_withdrawal = options.withdrawal, is_key = options.is_key,
  }
  function host.prepare(message, given)
    local call = merged_call(self.call_, { key = given.key, max_parts = given.max_parts,
      on_ucs2 = given.on_ucs2, accept = given.accept, strict = given.strict,
      reference = given.reference }, 4)
    local job = new_job(self, message, call)
    local body, err = own:make_ready(job)
    body = body or life.known_body(own, job) -- its row says more than that it would be refused now
    if not body then return nil, err end
    local entry = job.entry
    entry.body, entry.sender = body, pace.sender_of(job.message)
    entry.warnings = job.warnings
    return entry
  end
  function host.check_run(given, level)
    local run_options = options.work(given, level + 1)
    run_options.send_call = work_call(self, run_options)
    return run_options
  end
  function host.begin(taken, callback)
    local job = claimed_job(self, taken, taken.call)
    if taken.is_guarded then own:begin(job, callback) else own.loop:begin(job, callback) end
    own.loop:tell(taken.is_over)
  end
  return host
end

---The outbox in the client's journal, which must be in a database. What is added goes by this
---client's defaults, or its profile's.
---@return telnyx.outbox
function Client:outbox()
  check_open(self, "outbox", 2)
  local journal = self.engine_.journal
  local queue = journal.queue and journal:queue()
  if not queue then
    error("an outbox needs a journal in a database: telnyx.journal.sqlite, postgres or sql", 2)
  end
  return require("telnyx.run.outbox").new(outbox_host(self, queue)) -- few programs need it
end

---The same client with a profile's fields and options applied.
---@param name string
---@return telnyx.client
function Client:profile(name)
  check_open(self, "profile", 2)
  local profile = profiles.find(self.profiles_, name, 2)
  return setmetatable({
    engine_ = self.engine_,
    pace_ = self.pace_,
    profiles_ = self.profiles_,
    defaults_ = fields.merged(self.defaults_, profile.fields),
    call_ = merged_call(self.call_, profile.call, 2),
  }, Client)
end

-- A person's words.
local WORDS = { not_sent = true, withdrawn = true }

---Settles what became of a message sent under a key, for example by a webhook: by the message that
---was sent, with its id; by "not_sent", which is for a person who has looked and lets it be sent
---again; or by "withdrawn", who does not: an outbox does not send it. What is known already stays.
---@param key string
---@param what { id: string, to: any, direction: string|nil }|"not_sent"|"withdrawn"
---@return true|nil
---@return string|nil why
function Client:resolve(key, what)
  check_open(self, "resolve", 2)
  if type(key) ~= "string" then error("resolve expects a key, a string", 2) end
  if WORDS[what] then return self.engine_:resolve(key, what) end
  if type(what) ~= "table" then
    error("resolve expects the message that was sent, a table with its id; or \"not_sent\", when"
      .. " it is sure that none was; or \"withdrawn\", when none is to be", 2)
  end
  local id = what.id -- a webhook's, from anywhere
  if WORDS[id] then
    error(("resolve expects %q itself, and not as an id"):format(id), 2)
  end
  if type(id) ~= "string" or id == "" then return nil, "this is no message: it has no id" end
  return self.engine_:resolve(key, what)
end

---Closes every connection. What is in flight ends as it stands. May be called twice.
function Client:close() self.engine_:close() end

Client.__close = Client.close

function Client:__tostring()
  return "telnyx.client (" .. tostring(self.engine_) .. ")"
end

return { new = new }
