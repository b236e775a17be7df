--- What an outbox asks of a journal in a database: rows that wait for their turn, and the paces
--- that all its workers keep together. What becomes of a row that was taken is the journal's own
--- matter: `finish`, `release`, `reap`.

local arguments = require("telnyx.journal.arguments")
local statements = require("telnyx.journal.statements")

---@class telnyx.queue
---@field private keeper table telnyx.journal.sql
---@field private has_paces boolean the table is there
local Queue = {}
Queue.__index = Queue

---@class telnyx.queue_add
---@field key string
---@field digest string of the body
---@field to string|nil
---@field sender string whose pace it goes by
---@field body string what will be posted
---@field campaign string|nil
---@field due number seconds since 1970; not before
---@field ord integer of two that are due at once, the lesser goes first
---@field now number

-- What a method was asked, of a journal that is ready; or nil and why.
local function ready(self, method, given)
  local own, why = arguments.checked(method, given)
  if not own then return nil, why end
  if self.keeper.is_ready then return own end
  local ok
  ok, why = self.keeper:prepare()
  return ok and own or nil, why
end

-- The parameters of a row that is added; or nil and why.
local function params_of(self, a)
  local own, why = ready(self, "add", a)
  if not own then return nil, why end
  return self.keeper:written({ own.key, own.digest, own.to, own.sender, own.body, own.campaign,
    own.due, own.ord, own.now }, 9)
end

---The statement that adds a row, and its parameters, for a transaction of somebody else's: it fails
---where the key was used for another message.
---@param a telnyx.queue_add
---@param is_numbered boolean whether its parameters are $1, $2, …, and not `?`
---@return string|nil sql
---@return table|string params strings and nils, or why
---@return integer|nil n of them
function Queue:statement(a, is_numbered)
  local params, why = params_of(self, a)
  if not params then return nil, why end
  local sql = self.keeper.sql.add_or_fail
  return is_numbered and statements.numbered(sql) or sql, params, 9
end

-- Whether it is what an add has made whose answer was lost. One that a person has called not sent
-- keeps the time of its making.
local function is_added_so(row, created_at)
  return row.state == "queued" and (row.created_at == created_at or row.settled_by ~= nil)
end

-- True; false and the row that is there; or nil, and why, if it could not be asked.
local function add_once(self, a, params)
  local rows, was_repeated = self.keeper:change("add", params, 9)
  if not rows then return nil, was_repeated end
  if rows[1] then return true end
  local row, why = self.keeper:get(a.key)
  if not row then return nil, why end
  if was_repeated and is_added_so(row, tonumber(params[9])) then return true end
  return false, row
end

-- A row that is purged between two statements was there, and is not.
local N_ROUNDS = 3

---Queues a row. True: it waits. False: there is one under the key, and that one.
---@param a telnyx.queue_add
---@return boolean|nil
---@return table|string|nil row_or_why
function Queue:add(a)
  local params, params_why = params_of(self, a)
  if not params then return nil, params_why end
  for _ = 1, N_ROUNDS do
    local is_added, row_or_why = add_once(self, a, params)
    if is_added ~= nil or row_or_why then return is_added, row_or_why end
  end
  return nil, "the row came and went"
end

---The statement that does so for a transaction of somebody else's; it returns a row when one was
---taken out.
---@param key string
---@param now number
---@param is_numbered boolean as above
---@return string|nil sql
---@return table|string params or why
---@return integer|nil n
function Queue:withdrawal(key, now, is_numbered)
  local own, why = ready(self, "withdraw", { key = key, now = now })
  if not own then return nil, why end
  local sql = self.keeper.sql.withdraw
  return is_numbered and statements.numbered(sql) or sql,
    self.keeper:written({ own.now, own.key }, 2), 2
end

---Takes a row out of the queue that nobody has taken yet. False: there is none, or it is not
---waiting.
---@param key string
---@param now number
---@return boolean|nil
---@return table|string|nil row_or_why
function Queue:withdraw(key, now)
  local own, why = arguments.checked("withdraw", { key = key, now = now })
  if not own then return nil, why end
  local rows, was_repeated = self.keeper:change("withdraw", { own.now, own.key }, 2)
  if not rows then return nil, was_repeated end
  if rows[1] then return true end
  local row
  row, why = self.keeper:get(own.key)
  if row == nil then return nil, why end
  if row and was_repeated and row.state == "free" and row.settled_at == tonumber(own.now) then
    return true
  end
  return false, row or nil
end

---@class telnyx.queue_take
---@field sender string|nil whose rows; nil: anybody's
---@field limit integer
---@field claim string new for every take: the rows' claim
---@field owner string|nil
---@field now number
---@field expires number
---@field due number|nil rows that were due by then; default now

---Takes rows that are due: they are `sending` under this claim, durably.
---@param t telnyx.queue_take
---@return table[]|nil rows with their body, the first due first
---@return string|nil why; then `adopt` may find some all the same
function Queue:take(t)
  local own, why = arguments.checked("take", t)
  if not own then return nil, why end
  if not self:make_paces() then return nil, self.why end
  local params, n = { own.due or own.now, own.limit, own.claim, own.owner, own.now, own.expires }, 6
  if own.sender then
    table.insert(params, 1, own.sender)
    n = 7
  end
  local rows, take_why = self.keeper:once(own.sender and "take_of" or "take", params, n)
  if not rows then return nil, take_why end
  table.sort(rows, function(a, b) return a.due < b.due end)
  return rows
end

---Whether nobody knows the end of what was posted last, by whichever worker.
---@return boolean|nil
---@return string|nil why
function Queue:is_losing() return self.keeper:is_losing() end

---Rows whose claims have expired, the longest ago first.
---@param now number
---@param limit integer
---@return table[]|nil rows
---@return string|nil why
function Queue:expired(now, limit)
  return self.keeper:look("expired", { math.floor(now * 1000), limit }, 2)
end

---The rows of a take whose answer was lost.
---@param claim string
---@return table[]|nil rows
---@return string|nil why
function Queue:adopt(claim) return self.keeper:look("adopt", { claim }, 1) end

-- To find so many takes some 0.1 s.
local MOST_SENDERS = 10000

---Senders that have rows waiting, and when the first of each is due, in seconds since 1970: as many
---as are found in a short time.
---@param from string the first of them, or ""
---@return { sender: string, due: number }[]|nil
---@return string next_from where to go on, or "" after the last; or why
function Queue:senders(from)
  local rows, why = self.keeper:look("senders", { from, MOST_SENDERS }, 2)
  if not rows then return nil, why end
  for _, row in ipairs(rows) do row.due = row.due / 1000 end
  return rows, #rows == MOST_SENDERS and rows[#rows].sender or ""
end

---When the first row is due; false: none waits.
---@return number|false|nil
---@return string|nil why
function Queue:next_due()
  local rows, why = self.keeper:look("next_due", {}, 0)
  if not rows then return nil, why end
  return rows[1] and rows[1].due and rows[1].due / 1000 or false
end

---@class telnyx.backlog
---@field total integer rows that wait
---@field due integer of those, how many are due
---@field first_due number|nil when the first of them is, in seconds since 1970

---@param now number
---@return telnyx.backlog|nil
---@return string|nil why
function Queue:backlog(now)
  local backlog, why = self.keeper:backlog(math.floor(now * 1000))
  if not backlog then return nil, why end
  backlog.first_due = backlog.first_due and backlog.first_due / 1000
  return backlog
end

-- Paces -----------------------------------------------------------------------------------------

---@return boolean|nil
function Queue:make_paces()
  if self.has_paces then return true end
  self.has_paces, self.why = self.keeper:make_paces()
  return self.has_paces
end

local US = 1000000

local function us(seconds) return math.floor(seconds * US + 0.5) end

-- A turn that comes late by this much does not cost the ones after it.
local SLACK_S = 0.02
-- So many workers may have reserved turns, or have asked and ended since.
local MOST_TURNS_AHEAD, MOST_AHEAD_S = 256, 30
-- Of turns that are taken when they have come none is further ahead, but by a clock that was wrong.
local MOST_STEPS_AHEAD, LEAST_AHEAD_S = 2, 5

local function most_ahead_s(step_s, within_s)
  return step_s * MOST_STEPS_AHEAD + within_s + LEAST_AHEAD_S
end

---Reserves turns of a pace, which all who know its name keep together.
---@param name string
---@param step_s number from one turn to the next
---@param n integer
---@return number|nil ends_s from now to the end of the last of them
---@return string|nil why
function Queue:reserve(name, step_s, n)
  if not self:make_paces() then return nil, self.why end
  local length, most_ahead = us(step_s * n), us(step_s * MOST_TURNS_AHEAD + MOST_AHEAD_S)
  local rows, why = self.keeper:change("reserve",
    { name, length, length, us(SLACK_S), most_ahead }, 5)
  if not rows then return nil, why end
  return tonumber(rows[1].ends) / US
end

---Takes one turn, if it has come.
---@param name string
---@param step_s number
---@param within_s number a turn that comes within this time has come: a burst's
---@return number|false|nil ends_s from now to its end; false: it has not come
---@return string|nil why
function Queue:reserve_due(name, step_s, within_s)
  if not self:make_paces() then return nil, self.why end
  local length, most_ahead = us(step_s), us(most_ahead_s(step_s, within_s))
  local rows, why = self.keeper:change("reserve_due",
    { name, length, length, us(SLACK_S), most_ahead, us(within_s), most_ahead }, 7)
  if not rows then return nil, why end
  return rows[1] ~= nil and tonumber(rows[1].ends) / US
end

---How far ahead the next turn of a pace is, of which turns are taken when they have come.
---@param name string
---@param step_s number
---@param within_s number as for `reserve_due`
---@return number|nil seconds 0 or less: it has come
---@return string|nil why
function Queue:ahead(name, step_s, within_s)
  if not self:make_paces() then return nil, self.why end
  local rows, why = self.keeper:rows("ahead", { name }, 1)
  if not rows then return nil, why end
  local seconds = rows[1] and tonumber(rows[1].ends) / US or 0
  return seconds <= most_ahead_s(step_s, within_s) and seconds or 0
end

local FOR_EVER = 2 ^ 53

---Lets no worker take anything, until `resume`.
---@return true|nil
---@return string|nil why
function Queue:pause()
  if not self:make_paces() then return nil, self.why end
  local rows, why = self.keeper:change("pause", { FOR_EVER }, 1)
  if not rows then return nil, why end
  return true
end

---@return true|nil
---@return string|nil why
function Queue:resume()
  if not self:make_paces() then return nil, self.why end
  local rows, why = self.keeper:change("pause", { 0 }, 1)
  if not rows then return nil, why end
  return true
end

---@return boolean|nil
---@return string|nil why
function Queue:is_paused()
  if not self:make_paces() then return nil, self.why end
  local rows, why = self.keeper:rows("paused", {}, 0)
  if not rows then return nil, why end
  return rows[1] ~= nil and tonumber(rows[1].ends) > 0
end

local queue = {}

---@param keeper table telnyx.journal.sql
---@return telnyx.queue
function queue.new(keeper)
  return setmetatable({ keeper = keeper, has_paces = false }, Queue)
end

return queue
