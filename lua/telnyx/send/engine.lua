--- What a client and its profiles have in common: a loop over one sender, and what its sends
--- share. Sends begin here.

local core = require("telnyx.core")
local errors = require("telnyx.errors")
local guard = require("telnyx.send.guard")
local journal = require("telnyx.journal")
local life = require("telnyx.send.life")
local loop = require("telnyx.send.loop")
local once = require("telnyx.send.once")
local random = require("telnyx.send.random")
local secrets = require("telnyx.errors.secrets")

---@class telnyx.engine
---@field loop telnyx.loop
---@field budget telnyx.budget|nil of retries; nil: without limit
---@field random fun(): number in [0, 1), for the waits
---@field journal telnyx.journal where what was sent is remembered, by key
---@field log function|nil the user's; gets a row for each attempt
---@field takes_body boolean whether the sender does
---@field takes_requests boolean whether it carries other requests than messages
---@field yields "sender"|"others"|false what of the user's may yield to a scheduler
---@field most_at_once number how many its own sender has under way; more would wait there
---@field owns_sender boolean whether the sender was made here, and ends with the client
---@field is_closed boolean
---@field secrets telnyx.secrets kept out of all that is told
---@field private where string for people: what it sends to
local Engine = {}
Engine.__index = Engine
Engine.__name = "telnyx.engine"

local function user_agent(app)
  local agent = "telnyx-lua/" .. core.version .. " libcurl/" .. core.libcurl
  return app and (agent .. " " .. app) or agent
end

-- Nobody else needs to load what nginx needs. A host may forbid to read a global that is not there.
local function nginx_sender()
  local is_there = pcall(function() return ngx.socket end) -- luacheck: ignore 113
  local resty = is_there and require("telnyx.resty")
  return resty and resty.is_available() and resty or nil
end

-- What carries the bytes unless a sender is given. Inside nginx it is nginx who waits: anything
-- else would hold up the worker.
local function default_sender(own, level)
  local resty = nginx_sender()
  local ok, made = pcall(resty and resty.sender or core.client, {
    api_key = own.api_key,
    base_url = own.base_url,
    allow_http = own.allow_http,
    user_agent = user_agent(own.app),
    ca_file = own.ca_file,
    proxy = own.proxy,
    max_response_bytes = own.max_response_bytes,
    max_connections = own.max_connections,
  })
  if not ok then error(made, level + 1) end
  return made
end

-- Unless `max_connections` says otherwise.
local MOST_CONNECTIONS = 64

-- Where libcurl looks for a proxy that no option names.
local PROXY_VARIABLES = { "https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy",
  "ALL_PROXY" }

local function secrets_of(own)
  local words = { own.api_key }
  secrets.add_proxy(words, own.proxy)
  if not own.sender then
    for _, name in ipairs(PROXY_VARIABLES) do secrets.add_proxy(words, os.getenv(name)) end
  end
  return secrets.new(words)
end

---@param own table the checked options of `telnyx.new`
---@param policy telnyx.retry_policy
---@param level integer whose fault misuse is: 1 the caller's, 2 its caller's
---@return telnyx.engine
local function new(own, policy, level)
  local sender = own.sender or default_sender(own, level + 1)
  local engine = setmetatable({
    budget = policy:new_budget(),
    random = random.new(),
    journal = own.journal or journal.memory(),
    log = own.log,
    takes_body = sender.takes_body == true,
    takes_requests = sender.takes_requests == true,
    yields = sender.heeds_meanwhile == nil and "sender"
      or (own.journal ~= nil or own.log ~= nil) and "others",
    owns_sender = not own.sender,
    most_at_once = not own.sender and (own.max_connections or MOST_CONNECTIONS) or math.huge,
    is_closed = false,
    secrets = secrets_of(own),
    where = own.sender and "own sender" or own.base_url or "https://api.telnyx.com/v2",
  }, Engine)
  engine.loop = loop.new(sender, engine, own.on_error)
  return engine
end

Engine.drive, Engine.make_ready = life.drive, life.make_ready

local function leave_send(self, job)
  self.loop.news.is_telling = job.was_telling
  life.abandon(self, job, "an error ended the send")
end

---@param fields table becomes the error, without secrets
---@return telnyx.error
function Engine:new_error(fields) return errors.new(fields, self.secrets) end

---The whole life of a send, on the caller's thread.
---@param job telnyx.job
---@return telnyx.sent|nil message
---@return telnyx.info|telnyx.error
function Engine:send(job)
  job.was_telling = self.loop.news.is_telling
  return guard(self.yields, life.drive, leave_send, self, job)
end

---@class telnyx.pending
---@field done boolean
local Pending = {}
Pending.__index = Pending

---What `send` would have returned. Raises while the message is under way.
---@return telnyx.sent|nil
---@return telnyx.info|telnyx.error
function Pending:result()
  if getmetatable(self) ~= Pending then error("call it with a colon: pending:result()", 2) end
  if not self.done then error("not done yet: step the client until pending.done", 2) end
  return self.message_, self.info_
end

---Records what came of a job that was begun.
function Engine:settle(job, message, result)
  if not message and getmetatable(result) == nil then self:new_error(result) end
  if job.is_claimed then job.entry.message, job.entry.result = message, result end
  local pending = job.pending
  if pending then pending.done, pending.message_, pending.info_ = true, message, result end
end

---Ends a job that an error has ended.
---@return table|nil message
---@return table result what is known of it
function Engine:abandon(job, why) return life.abandon(self, job, why) end

---Begins a job as a task of the loop. When an error ends this, nothing of it is sent any more.
---@param job telnyx.job
---@param callback function|nil
---@return table|nil child
function Engine:begin(job, callback)
  local own = self.loop
  return guard(self.yields, own.begin, own.abandon, own, job, callback)
end

---Begins a send; the loop drives it on, and calls back in a step.
---@param job telnyx.job
---@param callback function|nil
---@return telnyx.pending
function Engine:start(job, callback)
  local pending = setmetatable({ done = false, message_ = false, info_ = false }, Pending)
  job.pending = pending
  self:begin(job, callback)
  return pending
end

---Runs `body(run)`. When an error ends it, nothing more is sent of what it has begun, `leave` gives
---back what it holds besides, and it is told of all before the error goes on: whoever catches that
---may send again what was not told.
---@param body fun(run: table): any
---@param run { is_left: boolean|nil, is_over: function, leave: function|nil,
---tell_missed: function|nil }
function Engine:run(body, run)
  return guard(self.yields, body, function()
    run.is_left = true
    self.loop:abandon_run(run.is_over)
    if run.leave then pcall(run.leave, run) end
    pcall(self.loop.tell_last, self.loop, run.is_over)
    if run.tell_missed then pcall(run.tell_missed) end
  end, run)
end

---Settles from outside what became of a message sent under a key.
---@param key string
---@param what table|string as of `once.resolve`
---@return true|nil
---@return string|nil why
function Engine:resolve(key, what)
  local is_done, why = once.resolve(self.journal, key, what)
  return is_done, why
end

---Closes every connection. What is in flight ends as it stands. May be called twice.
function Engine:close()
  if self.is_closed then return self.loop.news:raise_all() end
  self.is_closed = true
  local sender = self.loop.sender
  if self.owns_sender and sender.close then sender:close() end
  self.loop:close()
end

function Engine:__tostring() return self.where end

return { new = new }
