--- A connection of LuaDBI, or one by libpq that does the same, as what a journal asks:
--- `query(sql, parameters, n)`. It connects when it is first asked, and anew after it has failed,
--- and in a child of the process that did.

local core = require("telnyx.core")
local interrupt = require("telnyx.interrupt")
local random = require("telnyx.send.random")

local unpack = rawget(table, "unpack") or unpack -- luacheck: ignore 113

-- A failing statement leaves some 2 kB behind in the client's library, or the server.
local MOST_FAILURES = 200
local LONGEST_NAP_S = 0.005
-- Among the statements, the one that runs.
local UNFINISHED = {}
-- What fails sooner may be asked again at once.
local LEAST_SILENCE_S = 1

local LET_ALONE = "it is asked nothing for a while, since it last said: %s"

---@class telnyx.dbi
---@field open fun(): table|nil, string|nil a connection
---@field set_up fun(ask: function): true|nil, string|nil of one that is new; `ask(sql, params, n)`
---@field check (fun(is_connected: boolean): true|nil, string|nil)|nil before anything is asked
---@field is_free (fun(ask: function): boolean)|nil of one that has answered too late: whether
---nobody holds up all that is asked of it; asked of it, at no cost
---@field name string for people
---@field patience_s number how long it waits for other writers
---@field private busy_until number|nil they have been waited for in vain
---@field private silent_until number nobody has answered
---@field private silence string why
---@field private has_answered boolean though too late
---@field private n_silences integer statements that were given up, one after another
local Dbi = {}
Dbi.__index = Dbi

-- Only what failed counts, neither what it quotes nor where it was raised.
local function first_line(why)
  return (tostring(why):gsub("[\r\n].*", ""):gsub("^%S+%.lua:%d+: ", ""))
end

local function is_busy(why) return why:find("database is locked", 1, true) ~= nil end

-- Who only reads need not wait for who writes.
local function is_change(sql)
  return (sql:find("UPDATE ", 1, true) or sql:find("INSERT ", 1, true)
    or sql:find("DELETE ", 1, true)) ~= nil
end

local function forget(self)
  self.is_set_up = false
  self.connection, self.statements, self.n_failures = nil, {}, 0
end

-- Statements first: a connection whose statements are open stays open in SQLite.
local function drop(self)
  self.is_set_up = false
  for _, statement in pairs(self.statements) do pcall(statement.close, statement) end
  if self.connection then pcall(self.connection.close, self.connection) end
  forget(self)
end

-- In a child: leaves to its parent what is the parent's.
local function leave_parents(self)
  if self.n_forks == core.forks() then return end
  drop(self)
  self.n_forks = core.forks() -- last: an error on the way leaves the rest to the next call
end

-- A change is made, and a full disk told of, when the last row was fetched.
local function fetch_all(statement, params, n)
  local done, why = statement:execute(unpack(params, 1, n))
  if not done then return nil, why end
  local rows = {}
  for row in statement:rows(true) do rows[#rows + 1] = row end
  return rows
end

local function ask_once(self, sql, params, n)
  local statements = self.statements
  local statement, why = statements[sql], nil
  if not statement then statement, why = self.connection:prepare(sql) end
  if not statement then return nil, why end
  statements[UNFINISHED] = statement
  statements[sql] = nil
  local ok, rows
  ok, rows, why = pcall(fetch_all, statement, params, n)
  if ok and rows then
    statements[sql] = statement
    statements[UNFINISHED] = nil
    return rows
  end
  if not ok then interrupt.pass_on(rows) end
  pcall(statement.close, statement)
  statements[UNFINISHED] = nil
  return nil, ok and why or rows
end

-- Who has waited in vain does not wait as long again; it was this long.
local function heed_silence(self, waited_s, why, has_answered)
  if waited_s <= LEAST_SILENCE_S then return end
  self.silent_until, self.silence = core.monotonic() + waited_s, why
  self.has_answered = has_answered or false
end

-- Nor does who has ended a wait by Ctrl-C, for what is to be given back then.
local function heed_interrupt(self, waited_s, err)
  if not interrupt.is(err) then return end
  heed_silence(self, waited_s, "a wait for it was interrupted")
  error(err, 0)
end

-- Rows; or nil, why, and whether surely nothing was done. SQLite tells at once that another is
-- writing; sleeping by chance lets everybody have a turn, where its own waiting starves some. After
-- it has waited in vain it does not wait as long again, so that many changes do not take many times
-- as long.
local function ask(self, sql, params, n)
  local started = core.monotonic()
  while true do
    local ok, rows, why = pcall(ask_once, self, sql, params, n)
    if ok and rows then
      if self.busy_until and is_change(sql) then self.busy_until = nil end
      return rows
    end
    if not ok then heed_interrupt(self, core.monotonic() - started, rows) end
    why = first_line(ok and why or rows)
    if not is_busy(why) then return nil, why end
    local time = core.monotonic()
    local is_worn = self.busy_until ~= nil and time < self.busy_until
    if is_worn or time - started > self.patience_s then
      self.busy_until = is_worn and self.busy_until or time + self.patience_s
      return nil, "it is busy: " .. why, true
    end
    core.sleep(self.random() * LONGEST_NAP_S)
  end
end

-- One row may be held up by another's transaction, and all others be free.
local function is_let_alone(self)
  if core.monotonic() >= self.silent_until then return false end
  if not (self.is_free and self.is_set_up) then return true end
  local function ask_of(...) return ask(self, ...) end
  local ok, is_free = pcall(self.is_free, ask_of)
  if not ok then interrupt.pass_on(is_free) end
  if ok and is_free then self.silent_until = -math.huge end
  return not (ok and is_free)
end

local function connect(self)
  local ok, connection, why = pcall(self.open)
  if not ok then interrupt.pass_on(connection) end
  if not ok or not connection then return nil, first_line(ok and why or connection) end
  self.connection = connection
  connection:autocommit(true) -- says false on SQLite, and does it
  local is_set_up
  ok, is_set_up, why = pcall(self.set_up, function(sql, params, n)
    return ask(self, sql, params or {}, n or 0)
  end)
  self.is_set_up = ok and is_set_up
  if self.is_set_up then return true end
  drop(self)
  if not ok then interrupt.pass_on(is_set_up) end
  return nil, first_line(ok and why or is_set_up)
end

local function connect_unless_silent(self)
  local started = core.monotonic()
  local ok, why = connect(self)
  if ok then return true end
  heed_silence(self, core.monotonic() - started, why)
  return nil, why
end

local function is_alive(connection)
  local ok, is_up = pcall(connection.ping, connection)
  return ok and is_up
end

-- A connection that has failed goes. Of statements that were given up, by the database or here,
-- the first is not waited for in vain, since the next may be its repetition, and do what it did
-- not.
local function heed_failure(self, waited_s, why, is_sure)
  self.n_failures = self.n_failures + 1
  local has_answered = is_alive(self.connection)
  if not has_answered or self.n_failures > MOST_FAILURES then drop(self) end
  if is_sure or waited_s <= LEAST_SILENCE_S then return end
  self.n_silences = self.n_silences + 1
  if self.n_silences > 1 then heed_silence(self, waited_s, why, has_answered) end
end

---@param sql string
---@param params table strings and nils
---@param n integer how many
---@return table[]|nil rows
---@return string|nil why
---@return boolean|nil is_sure that nothing was done
function Dbi:query(sql, params, n)
  leave_parents(self)
  -- An error came while it was being made, or while a statement ran: as long as that one lives,
  -- SQLite commits nothing more of what it is told.
  if not self.is_set_up or self.statements[UNFINISHED] then drop(self) end
  local started, ok, why = core.monotonic(), true, nil
  if is_let_alone(self) then
    ok, why = false, self.has_answered and LET_ALONE:format(self.silence) or self.silence
  end
  if ok and self.check then ok, why = self.check(self.is_set_up) end
  if ok and not self.is_set_up then ok, why = connect_unless_silent(self) end
  if not ok then return nil, self.name .. ": " .. why, true end
  local rows, ask_why, is_sure = ask(self, sql, params, n)
  if rows then
    self.n_silences = 0
    return rows
  end
  heed_failure(self, core.monotonic() - started, ask_why, is_sure)
  return nil, self.name .. ": " .. ask_why, is_sure
end

---Ends the connection, if it is this process's own.
function Dbi:close()
  leave_parents(self)
  drop(self)
end

local dbi = {}

---@param own table the fields of telnyx.dbi
---@return telnyx.dbi
function dbi.new(own)
  own.statements, own.n_failures, own.n_forks = {}, 0, core.forks()
  own.is_set_up, own.silent_until, own.n_silences, own.has_answered = false, 0, 0, false
  own.random = random.new()
  return setmetatable(own, Dbi)
end

return dbi
