--- Sends without holding up nginx: a light thread waits, and the worker goes on
--- serving others. Inside nginx `telnyx.new` takes this sender by itself.
---
--- The connections are libcurl's and the exchange is ours, as everywhere; nginx only
--- waits. Its own sockets would not do: what came unasked lies unseen in the TLS
--- buffers of theirs, and would pass for the reply to the next request.
---
--- While something is under way, one of those who wait turns the wheel: it steps
--- the client every millisecond, and wakes whoever is done. One whose thread is
--- killed is soon missed by the others, and its request taken back: within some
--- tenths of a second, or two seconds where nobody else waits.
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
-- When nobody has turned it for this long, somebody else does; each who waits looks up as often.
local STALL_S = 0.02
-- Who was not heard of for so many rounds is lost: each who lives is heard of every few rounds.
local LOST_ROUNDS = 100
-- How often somebody looks whether anybody turns.
local WATCH_S = 1
local SECOND_LOOK_S = 0.1
-- Idle connections are dropped at this age, by a step after it.
local IDLE_S = 11

---Whether this Lua runs inside nginx, with light threads in at least some phases.
---@return boolean
function resty.is_available()
  return type(ngx) == "table" and has_semaphores
end

local WAITING_PHASES = {
  server_rewrite = true, rewrite = true, access = true, content = true, timer = true,
  preread = true, ssl_cert = true,
}

-- Inside a function of C that calls Lua, as string.gsub and require do, nothing can wait.
local function may_wait()
  return WAITING_PHASES[ngx.get_phase()] == true and core.can_yield() ~= false
end

-- The wheel ------------------------------------------------------------------------------------

---@class telnyx.resty.wheel
---@field given telnyx.resty.options
---@field client table|nil of core.client; nil while nobody needs it
---@field turner table|nil the waiter who turns it
---@field turned_at number
---@field n_rounds integer turns after which nginx has gone round: all who live could run
---@field waiting table<table, true> with `seen`, the round in which each was last heard of, and
---`n_heard`, how often it was
---@field is_watched boolean
---@field look function|nil the one that is to come
---@field looks_at number when
---@field is_suspect boolean nobody of those who wait had turned it, at the last look
---@field is_kept boolean whether it may keep connections when nobody waits
local Wheel = {}
Wheel.__index = Wheel

local function new_wheel(given, client)
  return setmetatable({
    given = given, client = client, turner = nil, turned_at = 0, n_rounds = 0, waiting = {},
    is_watched = false, looks_at = 0, is_suspect = false, is_kept = true,
  }, Wheel)
end

function Wheel:wake_finished()
  local waiter = self.client:finished()
  while waiter do
    waiter.semaphore:post(1)
    waiter = self.client:finished()
  end
end

-- A thread that was killed cannot take its request back, so whoever is not heard of is given up.
function Wheel:give_up(waiter)
  self.waiting[waiter] = nil
  waiter.is_given_up, waiter.has_begun = true, waiter.pending:cancel()
end

function Wheel:give_up_lost()
  for waiter in pairs(self.waiting) do
    if self.n_rounds - waiter.seen > LOST_ROUNDS then self:give_up(waiter) end
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

function Wheel:go_round()
  ngx.sleep(MOMENT_S)
  self.n_rounds = self.n_rounds + 1
  if self.n_rounds % LOST_ROUNDS == 0 then self:give_up_lost() end
end

function Wheel:close()
  self.client:close()
  self.client = nil
end

-- The one who was heard of last: it is hardly dead.
function Wheel:hand_over()
  local last
  for waiter in pairs(self.waiting) do
    if not last or waiter.seen > last.seen then last = waiter end
  end
  self.turner = nil
  if last then last.semaphore:post(1) end
end

function Wheel:is_mine(waiter)
  local is_missed = core.monotonic() - self.turned_at > STALL_S
  if not self.turner or is_missed then self.turner = waiter end
  return self.turner == waiter
end

-- Nobody has gone a round since the last look: who was there then, and was not heard of since, is
-- given up.
function Wheel:give_up_suspects()
  for waiter in pairs(self.waiting) do
    if waiter.n_heard == waiter.n_heard_then then self:give_up(waiter) end
    waiter.n_heard_then = waiter.n_heard
  end
  self.client:step(0)
end

-- Looks after what nobody turns any more: the requests of threads that were all killed, and idle
-- connections. From one look to the next but one, who waits and lives goes at least one round: a
-- look may come right after something has held up the worker, or after who has just come.
function Wheel:watch(n_rounds)
  local function look(is_premature)
    if self.look ~= look then return end -- it was given up for lost
    self.is_watched = false
    if is_premature or not self.client then return end -- a worker that ends takes all with it
    local is_still = self.n_rounds == n_rounds
    if is_still then
      self:give_up_suspects()
      if core.monotonic() - self.turned_at > IDLE_S then return end
    end
    self.is_suspect = is_still and next(self.waiting) ~= nil
    self:watch(self.n_rounds)
  end
  local seconds = self.is_suspect and SECOND_LOOK_S or WATCH_S
  self.look, self.looks_at = look, core.monotonic() + seconds
  self.is_watched = ngx.timer.at(seconds, look) and true or false
end

-- Nobody has turned it for long: who waits is dead, or the worker was held up. Who lives looks up
-- before this returns; who is dead is given up before anything more of his is carried.
function Wheel:miss_dead()
  local n_heard = {}
  for waiter in pairs(self.waiting) do n_heard[waiter] = waiter.n_heard end
  ngx.sleep(2 * STALL_S)
  for waiter, n in pairs(n_heard) do
    if self.waiting[waiter] and waiter.n_heard == n then self:give_up(waiter) end
  end
end

function Wheel:start(message, limits)
  local is_still = core.monotonic() - self.turned_at > WATCH_S
  if is_still and next(self.waiting) ~= nil then self:miss_dead() end
  self.client = self.client or core.client(self.given)
  local waiter = { semaphore = semaphore.new(), seen = self.n_rounds, n_heard = 0 }
  local pending, invalid = self.client:start(message, limits, waiter)
  if not pending then return nil, invalid end
  waiter.pending = pending
  self.waiting[waiter] = true
  -- nginx drops a timer that is due while too many run, and does not say so.
  local is_lost = core.monotonic() > self.looks_at + WATCH_S
  if not self.is_watched or is_lost then self:watch(self.n_rounds) end
  return waiter
end

function Wheel:leave(waiter)
  self.waiting[waiter] = nil
  if self.turner == waiter then self:hand_over() end
  if not self.is_kept and self.client and next(self.waiting) == nil then self:close() end
end

---Waits until the message is done. Yields to nginx.
function Wheel:wait(waiter)
  local pending = waiter.pending
  while not waiter.is_given_up and not pending:done() do
    waiter.seen, waiter.n_heard = self.n_rounds, waiter.n_heard + 1
    if not self:is_mine(waiter) then
      waiter.semaphore:wait(STALL_S)
    else
      self:turn()
      if not pending:done() then self:go_round() end
    end
  end
end

-- The settings that were used last keep their connections; who uses others has his own while he
-- waits.
local MOST_WHEELS = 32
local wheels, names = {}, {}

local SETTINGS = { "api_key", "base_url", "allow_http", "user_agent", "ca_file", "proxy",
  "max_response_bytes", "max_connections" }

local function name_of(given)
  local parts = {}
  for i, name in ipairs(SETTINGS) do
    local value = given[name]
    parts[i] = type(value) .. " " .. tostring(value)
  end
  return table.concat(parts, "\n")
end

local function forget_oldest()
  local wheel = wheels[names[1]]
  wheels[table.remove(names, 1)] = nil
  wheel.is_kept = false
  if wheel.client and next(wheel.waiting) == nil then wheel:close() end
end

local function use_again(name)
  for i = #names, 1, -1 do
    if names[i] == name then table.insert(names, table.remove(names, i)) end
  end
  return wheels[name]
end

local function wheel_of(given)
  local client = core.client(given)
  local name = name_of(given)
  if wheels[name] then return use_again(name) end
  if #names == MOST_WHEELS then forget_oldest() end
  local copy = {}
  for setting, value in pairs(given) do copy[setting] = value end
  names[#names + 1], wheels[name] = name, new_wheel(copy, client)
  return wheels[name]
end

-- Sender ---------------------------------------------------------------------------------------

local function unavailable()
  local phase = ngx.get_phase()
  return {
    outcome = "not_sent", kind = "connection", retryable = false,
    cause = WAITING_PHASES[phase]
      and "nothing can wait inside a function of C that calls Lua, such as string.gsub or require"
      or ("nginx cannot wait in its %s phase: send from ngx.timer.at(0, ...)"):format(phase),
  }
end

-- One may live after all, though nothing was heard of it for very long.
local function result_of(waiter)
  if not waiter.is_given_up then return waiter.pending:result() end
  return nil, {
    outcome = waiter.has_begun and "unknown" or "not_sent", kind = "timeout", retryable = false,
    cause = "its light thread was not run for so long that it was taken for dead",
  }
end

---@class telnyx.resty.sender
---@field private wheel telnyx.resty.wheel
---@field takes_body true
---@field takes_requests true
local Sender = { takes_body = true, takes_requests = true }
Sender.__index = Sender
Sender.__name = "telnyx.resty.sender"

---Makes one attempt. Yields to nginx; the outcome is in what it returns.
---@param message table
---@param limits telnyx.limits|nil
---@return table|nil message
---@return table info_or_error
function Sender:send(message, limits)
  if not may_wait() then return nil, unavailable() end
  local wheel = self.wheel
  local waiter, invalid = wheel:start(message, limits)
  if not waiter then return nil, invalid end
  wheel:wait(waiter)
  local sent, result = result_of(waiter)
  wheel:leave(waiter)
  return sent, result
end

---Waits without holding up the worker.
---@param seconds number
function Sender.sleep(_, seconds)
  ngx.sleep(math.max(seconds, MOMENT_S))
end

-- What nginx says of a light thread that has ended, and was not waited for or was.
local GONE = { zombie = true, dead = true }

---@class telnyx.resty.child a light thread
---@field thread thread
---@field is_ended boolean

---Runs a function beside the caller, where nginx can: so what `start` and
---`send_all` begin is under way at the same time.
---@param body fun()
---@return telnyx.resty.child|nil
function Sender.spawn(_, body)
  if not may_wait() then
    body()
    return nil
  end
  local child = { thread = false, is_ended = false }
  child.thread = ngx.thread.spawn(function()
    local ok, err = pcall(body)
    child.is_ended = true
    if not ok then error(err, 0) end
  end)
  return child
end

---What a light thread can wait at until another lets it through.
---@return table gate with `wait(seconds)` and `post(n)`
function Sender.new_gate() return semaphore.new() end

---Whether it has ended, also by an error before it came to do anything.
---@param child telnyx.resty.child
---@return boolean
function Sender.has_ended(_, child)
  return child.is_ended or GONE[coroutine.status(child.thread)] == true
end

---Lets nginx forget one that has ended, which it keeps until who has begun it waits for it, or ends
---itself. Only who has begun it may do so, before it returns: nginx uses threads again, and asked
---about one that is another request's by now, it crashes.
---@param child telnyx.resty.child
function Sender.forget(_, child) ngx.thread.wait(child.thread) end

---Whose tasks are counted together: those of one request or timer, whose end ends them.
---@return table|nil
function Sender.scope()
  local ok, context = pcall(function() return ngx.ctx end)
  return ok and context or nil
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
