--- Sends without holding up nginx: a light thread waits, and the worker goes on
--- serving others. Inside nginx `telnyx.new` takes this sender by itself.
---
--- The connections are libcurl's and the exchange is ours, as everywhere; nginx only
--- waits. Its own sockets would not do: what came unasked lies unseen in the TLS
--- buffers of theirs, and would pass for the reply to the next request.
---
--- While something is under way, one of those who wait turns the wheel: it steps
--- the client every millisecond, and wakes whoever is done. One whose thread is
--- killed is soon missed by the others.
---
--- nginx lets Lua wait while it rewrites, checks access, makes content, and in
--- timers. Anywhere else (init, init_worker, log, the filters) a send ends as
--- not_sent and says so: send from ngx.timer.at(0, ...).
---
--- Senders of one worker with the same settings share their connections.

local core = require("telnyx.core")

-- A host may forbid to read a global that is not there.
local has_ngx, ngx = pcall(function()
  return ngx -- luacheck: ignore 113
end)
if not has_ngx then ngx = nil end
local has_semaphores, semaphore = pcall(require, "ngx.semaphore")

local resty = {}

-- Between two turns of the wheel: nginx has no shorter time.
local MOMENT_S = 0.001
-- What a turn may take of the worker's time, when much is ready at once.
local TURN_S = 0.002
-- When nobody has turned it for this long, somebody else does.
local STALL_S = 0.02
-- Idle connections are dropped at this age, by a turn after it.
local IDLE_S = 10

---Whether this Lua runs inside nginx, with light threads in at least some phases.
---@return boolean
function resty.is_available()
  return type(ngx) == "table" and has_semaphores
end

local WAITING_PHASES = {
  server_rewrite = true, rewrite = true, access = true, content = true, timer = true,
  preread = true, ssl_cert = true, ssl_client_hello = true, ssl_session_fetch = true,
}

local function may_wait() return WAITING_PHASES[ngx.get_phase()] == true end

-- The wheel ------------------------------------------------------------------------------------

---@class telnyx.resty.wheel
---@field client table of core.client
---@field turner table|nil the waiter who turns it
---@field turned_at number
---@field waiting table<table, true>
---@field n_waiting integer
---@field will_tidy boolean
local Wheel = {}
Wheel.__index = Wheel

local function new_wheel(client)
  return setmetatable({
    client = client, turner = nil, turned_at = 0, waiting = {}, will_tidy = false,
  }, Wheel)
end

function Wheel:wake_finished()
  local waiter = self.client:finished()
  while waiter do
    waiter.semaphore:post(1)
    waiter = self.client:finished()
  end
end

function Wheel:turn()
  local spent_at = core.monotonic() + TURN_S
  repeat
    self.client:step(0)
    self:wake_finished()
    self.turned_at = core.monotonic()
  until self.client:timeout() ~= 0 or self.turned_at > spent_at
end

-- Nobody else steps a client that nobody waits for, and its idle connections would stay for ever.
function Wheel:tidy_later(seconds)
  self.will_tidy = ngx.timer.at(seconds, function()
    self.will_tidy = false
    local left = self.turned_at + IDLE_S - core.monotonic()
    if left <= 0 then return self:turn() end
    self:tidy_later(left + MOMENT_S)
  end) and true or false
end

function Wheel:hand_over()
  self.turner = nil
  local next_one = next(self.waiting)
  if next_one then next_one.semaphore:post(1) end
  if not self.will_tidy then self:tidy_later(IDLE_S + MOMENT_S) end
end

function Wheel:is_mine(waiter)
  local is_missed = core.monotonic() - self.turned_at > STALL_S
  if not self.turner or is_missed then self.turner = waiter end
  return self.turner == waiter
end

---Waits until the message is done. Yields to nginx.
function Wheel:wait(pending, waiter)
  self.waiting[waiter] = true
  while not pending:done() do
    if not self:is_mine(waiter) then
      waiter.semaphore:wait(STALL_S)
    else
      self.waiting[waiter] = nil
      self:turn()
      if not pending:done() then ngx.sleep(MOMENT_S) end
    end
  end
  self.waiting[waiter] = nil
  if self.turner == waiter then self:hand_over() end
end

-- Settings of old come first to be forgotten here; who uses them keeps them.
local MOST_WHEELS = 32
local wheels, names, oldest = {}, {}, 1

local SETTINGS = { "api_key", "base_url", "allow_http", "user_agent", "ca_file", "proxy",
  "max_response_bytes", "max_connections" }

local function name_of(given)
  local parts = {}
  for i, name in ipairs(SETTINGS) do parts[i] = tostring(given[name]) end
  return table.concat(parts, "\n")
end

local function wheel_of(given)
  local client = core.client(given)
  local name = name_of(given)
  if wheels[name] then return wheels[name] end
  if names[oldest] then wheels[names[oldest]] = nil end
  names[oldest], wheels[name] = name, new_wheel(client)
  oldest = oldest % MOST_WHEELS + 1
  return wheels[name]
end

-- Sender ---------------------------------------------------------------------------------------

local function unavailable()
  return {
    outcome = "not_sent", kind = "connection", retryable = false,
    cause = ("nginx cannot wait in its %s phase: send from ngx.timer.at(0, ...)"):format(
      ngx.get_phase()),
  }
end

---@class telnyx.resty.sender
---@field private wheel telnyx.resty.wheel
---@field takes_body true
local Sender = { takes_body = true }
Sender.__index = Sender
Sender.__name = "telnyx.resty.sender"

---Makes one attempt. Yields to nginx; the outcome is in what it returns.
---@param message table
---@param limits telnyx.limits|nil
---@return table|nil message
---@return table info_or_error
function Sender:send(message, limits)
  if not may_wait() then return nil, unavailable() end
  local waiter = { semaphore = semaphore.new() }
  local pending, invalid = self.wheel.client:start(message, limits, waiter)
  if not pending then return nil, invalid end
  self.wheel:wait(pending, waiter)
  return pending:result()
end

---Waits without holding up the worker.
---@param seconds number
function Sender.sleep(_, seconds)
  ngx.sleep(math.max(seconds, MOMENT_S))
end

---Runs a function beside the caller, where nginx can: so what `start` and
---`send_all` begin is under way at the same time.
---@param body fun()
function Sender.spawn(_, body)
  if not may_wait() then return body() end
  ngx.thread.spawn(body)
end

---Nothing to do: the connections are the worker's.
function Sender.close() end

function Sender.__tostring()
  return Sender.__name
end

---@class telnyx.resty.options those of telnyx.new that belong to connections
---@field api_key string
---@field base_url string|nil
---@field allow_http boolean|nil
---@field user_agent string|nil
---@field ca_file string|nil
---@field proxy string|nil
---@field max_response_bytes integer|nil
---@field max_connections integer|nil

---Makes a sender. One made while nginx starts serves every worker.
---@param given telnyx.resty.options
---@param level integer|nil whose fault misuse is: 1 the caller's, 2 its caller's
---@return telnyx.resty.sender
function resty.sender(given, level)
  local ok, wheel = pcall(wheel_of, given)
  if not ok then error(wheel, (level or 1) + 1) end
  return setmetatable({ wheel = wheel }, Sender)
end

return resty
