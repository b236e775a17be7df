--- An outbox: messages that wait in the journal's database until a worker sends them, here or on
--- another machine, now or after a crash. Each is sent once, or is `unknown`; none is forgotten.

local core = require("telnyx.core")
local errors = require("telnyx.errors")
local once = require("telnyx.send.once")
local rules = require("telnyx.rules")
local worker = require("telnyx.run.worker")

---@class telnyx.outbox
---@field private host table
---@field private workers telnyx.worker[] that run here
---@field private last_ord integer
local Outbox = {}
Outbox.__index = Outbox
Outbox.__name = "telnyx.outbox"

local function check(self, method, level)
  if getmetatable(self) ~= Outbox then
    error("call it with a colon: outbox:" .. method, level + 1)
  end
  if self.host.is_closed() then error("the client is closed", level + 1) end
end

-- What was added first goes first.
local function next_ord(self)
  local ord = math.floor(core.now() * 1000000)
  self.last_ord = math.max(ord, self.last_ord + 1)
  return self.last_ord
end

-- A row to be added, and its warnings; or nil and the error.
local function row_of(self, message, given, level)
  local own = self.host.check_add(given, level + 1)
  if type(message) ~= "table" then
    error("an outbox takes messages, tables of fields; got a " .. type(message), level + 1)
  end
  local entry, err = self.host.prepare(message, own)
  if not entry then return nil, err end
  local now = core.now()
  return {
    key = entry.key, digest = entry.digest, to = entry.to, sender = entry.sender,
    body = entry.body, campaign = own.campaign, due = own.at or math.floor(now * 1000) / 1000,
    ord = next_ord(self),
    now = now,
  }, entry.warnings
end

-- Without an outcome: its message may have been sent before.
local function failed_to_withdraw(self, key, why)
  return self.host.new_error({ kind = "connection", retryable = false,
    key = key, cause = "it may not be withdrawn: the journal failed: " .. tostring(why),
    advice = "Mend the journal, and do it again: that does it once." })
end

local function failed(self, key, why)
  return self.host.new_error({ outcome = "not_sent", kind = "connection", retryable = true,
    key = key, cause = "the journal failed: " .. tostring(why),
    advice = "Mend the journal, and do it again: that does it once." })
end

---Adds a message, which a worker will send. True: it waits, and what there is to warn of. False: it
---was there already, or was sent under its key already; the row says how far it is. Another message
---under a key is refused, and so is what `send` would refuse without sending.
---@param message telnyx.message
---@param given { key: string, at: number|nil, campaign: string|nil, max_parts: integer|nil,
---on_ucs2: string|nil, accept: table|nil, strict: boolean|nil } `at`: not before, in seconds since
---1970
---@return boolean|nil
---@return telnyx.warning[]|telnyx.journal_row|telnyx.error|nil
function Outbox:add(message, given)
  check(self, "add", 2)
  local row, told = row_of(self, message, given, 2)
  if not row then return nil, told end
  local is_added, found = self.host.queue:add(row)
  if is_added then return true, told end
  if is_added == nil then return nil, failed(self, row.key, found) end
  if found.digest ~= row.digest then
    return nil, self.host.new_error(once.other_message(row.key, found.state).err)
  end
  local known, why = self.host.journal:get(row.key)
  if not known then return nil, failed(self, row.key, why or "the row came and went") end
  return false, known
end

---The statement that adds a message, for a transaction of the program's own: when that is
---committed, the message waits. It returns a row when the message was added, and none when it was
---there already; where the key was used for another message it fails, by the constraint
---key_used_for_another_message.
---@param message telnyx.message
---@param given table as for `add`, and `placeholders`: "?" or "$", as in $1; default "?"
---@return string|nil sql
---@return table|telnyx.error params strings and nils
---@return integer|nil n of them
---@return telnyx.warning[]|nil
function Outbox:statement(message, given)
  check(self, "statement", 2)
  local row, told = row_of(self, message, given, 2)
  if not row then return nil, told end
  local sql, params, n = self.host.queue:statement(row, given.placeholders == "$")
  if not sql then return nil, failed(self, row.key, params) end
  return sql, params, n, told
end

local function check_key(self, method, key, level)
  if type(key) ~= "string" then
    error(("%s expects a key, a string; got a %s"):format(method, type(key)), level + 1)
  end
  if self.host.is_key(key) then return true end
  local err = errors.invalid(rules.violation("key_shape",
    "no key is like this: it is UTF-8, 1 to 255 bytes"))
  err.key = key
  return nil, err
end

---Takes a message back that waits. False: it does not wait; the row, if there is one, says how far
---it is.
---@param key string
---@return boolean|nil
---@return telnyx.journal_row|telnyx.error|nil
function Outbox:withdraw(key)
  check(self, "withdraw", 2)
  local is_right, err = check_key(self, "withdraw", key, 2)
  if not is_right then return nil, err end
  local is_back, why = self.host.queue:withdraw(key, core.now())
  if is_back then return true end
  if is_back == nil then return nil, failed_to_withdraw(self, key, why) end
  local row, get_why = self.host.journal:get(key)
  if row == nil then return nil, failed_to_withdraw(self, key, get_why) end
  return false, row or nil
end

---The statement that takes a message back, for a transaction of the program's own: when that is
---committed, it is not sent, and its key is free. It returns a row when the message was waiting,
---and none when it was not: then it may have been sent.
---@param key string
---@param given { placeholders: "?"|"$"|nil }|nil as for `statement`
---@return string|nil sql
---@return table|telnyx.error params strings
---@return integer|nil n of them
function Outbox:withdrawal(key, given)
  check(self, "withdrawal", 2)
  local own = self.host.check_withdrawal(given, 2)
  local is_right, err = check_key(self, "withdrawal", key, 2)
  if not is_right then return nil, err end
  local sql, params, n = self.host.queue:withdrawal(key, core.now(), own.placeholders == "$")
  if not sql then return nil, failed_to_withdraw(self, key, params) end
  return sql, params, n
end

---A worker for a program with a loop of its own: `worker:step(seconds)` as often as it likes.
---@param given table|nil as for `run`
---@return telnyx.worker
function Outbox:start(given)
  check(self, "start", 2)
  local own = worker.new(self.host, self.host.check_run(given, 2), true)
  self.workers[own] = true
  return own
end

local LONGEST_STEP_S = 1

---Sends what is due, as it becomes due, until it is drained, or empty with `until_empty`, or no
---further message could be sent.
---@param given telnyx.outbox_run_options|nil
---@return telnyx.worker_counts
function Outbox:run(given)
  check(self, "run", 2)
  local own = worker.new(self.host, self.host.check_run(given, 2))
  self.workers[own] = true
  local ok, err = pcall(function()
    repeat own:step(LONGEST_STEP_S) until own:is_done()
  end)
  self.workers[own] = nil
  if not ok then error(err, 0) end
  return own.counts
end

---Lets the workers of this outbox object take nothing more; each ends when what it has under way
---has ended. May be called from a callback or a signal's handler.
function Outbox:drain()
  for own in pairs(self.workers) do own:drain() end
end

---How many messages wait for a worker, how many of them are due, and when the first is, or was.
---@return telnyx.backlog|nil
---@return string|nil why
function Outbox:backlog()
  check(self, "backlog", 2)
  return self.host.journal:backlog()
end

---Lets no worker anywhere take anything, until `resume`; what is under way goes on.
---@return true|nil
---@return string|nil why
function Outbox:pause()
  check(self, "pause", 2)
  return self.host.queue:pause()
end

---@return true|nil
---@return string|nil why
function Outbox:resume()
  check(self, "resume", 2)
  return self.host.queue:resume()
end

---@return boolean|nil
---@return string|nil why
function Outbox:is_paused()
  check(self, "is_paused", 2)
  return self.host.queue:is_paused()
end

local outbox = {}

---@param host table
---@return telnyx.outbox
function outbox.new(host)
  host.new_error = host.new_error or errors.new
  return setmetatable({ host = host, workers = setmetatable({}, { __mode = "k" }), last_ord = 0 },
    Outbox)
end

return outbox
