--- A session with PostgreSQL as `telnyx.journal.dbi` asks one. libpq alone would wait for as long
--- as the server says nothing: a backend that is stopped, a disk that is stuck, a commit whose
--- standby is gone. Here an answer is waited for so long and no longer, and in turns, so that
--- Ctrl-C and whatever else ends a script is heeded meanwhile.

local core = require("telnyx.core")
local statements = require("telnyx.journal.statements")

local TURN_S = 0.1

---@class telnyx.libpq_session
---@field limit_s number so long an answer is waited for
---@field is_waiting boolean for an answer, or was when an error ended that
---@field sqlstate string|nil by which the server has refused the last statement
---@field owes_answer boolean|nil of one that was closed: what it was asked last may be done yet
---@field private session table the core's
---@field private given_up string|nil why it is asked nothing any more
---@field private id string no other session's, which a pooler may give the same backend
---@field private n_prepared integer
local Session = {}
Session.__index = Session

-- One that has not answered is not asked again: it would answer the question before.
local function give_up(self)
  self.is_waiting = false
  self.given_up = ("it has not answered for %g s"):format(self.limit_s)
  self.session:close()
  return nil, self.given_up
end

-- Its rows; or nil, and why.
local function answer(self)
  local until_, is_last = core.monotonic() + self.limit_s, false
  self.is_waiting = true
  while not self.session:wait(is_last and 0 or TURN_S) do
    if is_last then return give_up(self) end
    is_last = core.monotonic() >= until_ -- this process may have slept, and the answer be there
  end
  self.is_waiting = false
  return self.session:rows()
end

local function ask(self, what, ...)
  if self.given_up then return nil, self.given_up end
  if self.is_waiting then return nil, "the wait for an answer was interrupted" end
  local is_sent, why = self.session[what](self.session, ...)
  if not is_sent then return nil, why end
  return answer(self)
end

-- A statement lives as long as its session.
local Statement = {}
Statement.__index = Statement

local POOLED = "%s; behind a pooler, which must give each connection a session of its own"
  .. " (pgbouncer: pool_mode = session)"

---@return true|nil
---@return string|nil why
function Statement:execute(...)
  local rows, why, sqlstate = ask(self.session, "execute", self.name, ...)
  self.list, self.session.sqlstate = rows, sqlstate
  -- It is named where this backend does not know it: another one was asked to prepare it.
  if not rows and why:find(self.name, 1, true) then why = POOLED:format((why:gsub("%s+$", ""))) end
  return rows and true, why
end

---@return fun(): table<string, string>|nil
function Statement:rows()
  local i, list = 0, self.list
  return function()
    i = i + 1
    return list[i]
  end
end

function Statement.close() end

---@param text string with `?` for parameters
---@return table|nil statement
---@return string|nil why
function Session:prepare(text)
  self.n_prepared = self.n_prepared + 1
  local name = ("telnyx_%s_%d"):format(self.id, self.n_prepared)
  local done, why, sqlstate = ask(self, "prepare", name, statements.numbered(text))
  self.sqlstate = sqlstate
  if not done then return nil, why end
  return setmetatable({ session = self, name = name }, Statement)
end

-- Each statement is a transaction of its own where none is begun.
function Session.autocommit() end

function Session:ping() return self.session:is_up() end

---In a child of the process it closes no more than the child's own descriptor.
function Session:close()
  if self.owes_answer == nil then
    self.owes_answer = self.is_waiting or self.given_up ~= nil or not self.session:is_up()
  end
  self.session:close()
end

-- The reason stands behind what was tried, host by host; what is indented is good advice at most.
local function in_one_line(words)
  local lines = {}
  for line in words:gmatch("[^\r\n]+") do
    if not line:find("^%s") then lines[#lines + 1] = line end
  end
  return table.concat(lines, "; ")
end

local libpq = {}

---@return true|nil
---@return string|nil why what is to be installed
function libpq.is_here()
  local version, why = core.libpq_version()
  return version and true, why
end

---@param text string as libpq takes it
---@param limit_s number
---@return telnyx.libpq_session|nil
---@return string|nil why
function libpq.connect(text, limit_s)
  local session, why = core.postgres(text)
  if not session then return nil, in_one_line(why) end
  return setmetatable({ session = session, limit_s = limit_s, id = core.new_claim(),
    n_prepared = 0, is_waiting = false }, Session)
end

return libpq
