--- A journal in a database, by whoever can ask it: `query(sql, parameters, n)` returns the rows,
--- all of them; or nil and why. Parameters stand for the `?` of the text, in order: strings and
--- nils, `n` of them. Rows have text by the name of the column, or nothing for NULL. A third
--- result that is true says that surely nothing was done; otherwise the answer alone may be lost,
--- and the statement is repeated once: each of them changes a row once only, by its claim's name.

local commits = require("telnyx.journal.commits")
local inbox = require("telnyx.journal.inbox_sql")
local interrupt = require("telnyx.interrupt")
local machine = require("telnyx.journal.machine")
local queue = require("telnyx.journal.queue")
local schema = require("telnyx.journal.schema")
local statements = require("telnyx.journal.statements")

local Sql = {}
Sql.__index = Sql

for name, method in pairs(inbox) do Sql[name] = method end

-- Details behind the first line may quote a row.
local function first_line(why) return (tostring(why):gsub("[\r\n].*", "")) end

local NO_REASON = "the query function returned neither rows nor why there are none"

-- Rows; or nil, why, and whether surely nothing was done.
local function ask(self, sql, params, n)
  if self.is_closed then return nil, "the journal is closed", true end
  local ok, rows, why, is_sure = pcall(self.query, sql, params, n)
  if ok and type(rows) == "table" then return rows end
  self.n_doubts = self.n_doubts + 1
  if not ok then interrupt.pass_on(rows) end
  if not ok then why, is_sure = rows, false end
  return nil, why == nil and NO_REASON or first_line(why), is_sure
end

-- Making the table ------------------------------------------------------------------------------

-- An index that cannot be made makes it slower, and no less right. `texts` are those of a table.
local function make_indexes(self, texts)
  local found, is_there = ask(self, texts.indexes, {}, 0), {}
  for _, row in ipairs(found or {}) do is_there[row.name or ""] = true end
  for name, text in pairs(texts.make_index) do
    if found and not is_there[name] then ask(self, text, {}, 0) end
  end
end

local UNFIT = "the table telnyx_send cannot be used; unless it is busy or locked, it may be another"
  .. " program's or an older version's: "

local NO_COLUMNS = "the query function must return rows as tables by the name of the column, as the"
  .. " statement writes it, with text as text"

-- Of our own connections it is known.
local function check_query(self)
  if not self.is_users then return true end
  local rows, why = ask(self, "SELECT '1001' AS name", {}, 0)
  if not rows then return nil, why end
  if type(rows[1]) ~= "table" or rows[1].name ~= "1001" then return nil, NO_COLUMNS end
  return commits.will_keep(self.dialect, function(text) return ask(self, text, {}, 0) end)
end

-- From here on the tables are those of one schema.
local function locate(self)
  if self.dialect ~= "postgres" then return true end
  local name, why = schema.find(function(text, params, n) return ask(self, text, params, n) end,
    self.wanted_schema)
  if not name then return nil, why end
  self.schema = schema.quoted(name)
  self.sql = statements.of(self.dialect, self.schema)
  return true
end

-- Whoever may not make tables may use one that is there.
local function make_ready(self)
  local is_fit, why_not = check_query(self)
  if is_fit then is_fit, why_not = locate(self) end
  if not is_fit then return nil, why_not end
  local rows, why, is_sure = ask(self, self.sql.check, {}, 0)
  if not rows and self.makes_none then return nil, why end
  if not rows then
    local made, make_why = ask(self, self.sql.table, {}, 0)
    if not made and is_sure then return nil, why end
    rows, why = ask(self, self.sql.check, {}, 0)
    if not rows then return nil, UNFIT .. (made and why or make_why) end
  end
  if not self.makes_none then make_indexes(self, self.sql) end
  self.is_ready = true
  return true
end

-- Asking -----------------------------------------------------------------------------------------

local function text_of(value)
  if type(value) == "number" then return ("%.0f"):format(value) end
  return value
end

local function be_ready(self)
  if self.is_ready then return true end
  return make_ready(self)
end

-- Rows; or nil, why, and whether surely nothing was done. It is asked by name, since where its
-- tables are may be known only when it is ready.
local function run(self, name, params, n)
  local ok, why = be_ready(self)
  if not ok then return nil, why, true end
  for i = 1, n do params[i] = text_of(params[i]) end
  return ask(self, self.sql[name], params, n)
end

local function check_kept(self, is_so)
  return is_so(self.dialect, function(text) return ask(self, text, {}, 0) end, self.sql.nothing)
end

-- What has failed may be left so that nothing is committed any more. A query may yield, and others
-- fail meanwhile: so failures are counted.
local function heed_failure(self)
  local n_doubts = self.n_doubts
  if self.n_heeded == n_doubts or not self.is_users then return true end
  local ok, why = check_kept(self, commits.still_keeps)
  if ok then self.n_heeded = n_doubts end
  return ok, why
end

-- What has changed no row may have failed all the same, where the query function keeps failures
-- back.
local function doubt_silence(self)
  if self.dialect == "sqlite" then self.n_doubts = self.n_doubts + 1 end
end

-- The first change is not believed in before it is known to last, nor is the first after a doubt.
local function heed_first(self, rows)
  local n_doubts = self.n_doubts
  if self.n_proven == n_doubts or not self.is_users then return true end
  local ok, why = check_kept(self, commits.has_kept)
  if ok and (rows[1] or self.dialect ~= "sqlite") then self.n_proven = n_doubts end
  return ok, why
end

-- By what a message may be posted, or is told to be queued; and what no service tells again.
local BEGINS = { claim = true, take = true, take_of = true, add = true, add_event = true,
  set_optout = true }

local function heed_transaction(self, name)
  local ok, why = be_ready(self)
  if not ok or not BEGINS[name] or not self.is_users then return ok, why end
  return check_kept(self, commits.will_keep_this)
end

local function run_change(self, name, params, n)
  local ok, why_not = heed_transaction(self, name)
  if ok then ok, why_not = heed_failure(self) end
  if not ok then return nil, why_not, true end
  local rows, why, is_sure = run(self, name, params, n)
  if not rows then return nil, why, is_sure end
  if not rows[1] then doubt_silence(self) end
  ok, why_not = heed_first(self, rows)
  if ok then return rows end
  return nil, why_not
end

-- Rows, and whether it was asked twice: then no row may mean that the first time did it.
local function change(self, name, params, n)
  local rows, why, is_sure = run_change(self, name, params, n)
  if rows then return rows, false end
  if is_sure then return nil, why end
  rows, why = run_change(self, name, params, n)
  if rows then return rows, true end
  return nil, why
end

-- True when the row was changed; `is_so(row)` tells it where the answer was lost.
local function change_row(self, name, key, params, n, is_so)
  local rows, was_repeated = change(self, name, params, n)
  if not rows then return nil, was_repeated end
  if rows[1] then return true end
  if not was_repeated then return false end
  local row, why = self:get(key)
  if row == nil then return nil, why end
  return row and is_so(row)
end

-- Rows -------------------------------------------------------------------------------------------

local TEXTS = { key = "key", state = "state", digest = "digest", recipient = "to", claim = "claim",
  owner = "owner", message_id = "message_id", result = "result", settled_by = "settled_by",
  campaign = "campaign", sender = "sender", body = "body" }
local NUMBERS = { "claimed_at", "expires", "tries", "status", "settled_at", "created_at", "due" }

-- Drivers have values of their own for NULL.
local function read(raw)
  local row = {}
  for column, name in pairs(TEXTS) do
    if type(raw[column]) == "string" then row[name] = raw[column] end
  end
  for _, name in ipairs(NUMBERS) do row[name] = tonumber(raw[name]) end
  return row
end

local function read_all(rows)
  for i, raw in ipairs(rows) do rows[i] = read(raw) end
  return rows
end

-- What a journal asks of its keeper ---------------------------------------------------------------

local CLAIM_ROUNDS = 3

function Sql:claim(c)
  for _ = 1, CLAIM_ROUNDS do
    local rows, was_repeated = change(self, "claim",
      { c.key, c.digest, c.to, c.claim, c.owner, c.now, c.expires, c.now }, 8)
    if not rows then return nil, was_repeated end
    if rows[1] then return true end
    local row, why = self:get(c.key)
    if row == nil then return nil, why end
    if row and was_repeated and row.claim == c.claim and row.state == "sending" then return true end
    if row then return false, row end
    -- Purged in between.
  end
  return nil, "the row came and went"
end

function Sql:finish(f)
  local rows, why = change(self, "finish",
    { f.state, f.now, f.message_id, f.status, f.result, f.key, f.claim }, 7)
  if not rows then return nil, why end
  if rows[1] then return true end
  local row
  row, why = self:get(f.key)
  if row == nil then return nil, why end
  return machine.is_finished_so(row or nil, f)
end

function Sql:release(r)
  return change_row(self, "release", r.key, { r.due, r.key, r.claim }, 3, function(row)
    return row.state == "free" or row.state == "queued"
  end)
end

local function reap_one(self, now, key)
  local is_done, why = change_row(self, "reap_one", key, { key, now, now, now }, 4, function(row)
    return row.state == "unknown" and row.settled_by == "reaper" and row.settled_at == now
  end)
  if is_done == nil then return nil, why end
  return { is_done and key or nil }
end

function Sql:reap(now, key)
  if key then return reap_one(self, now, key) end
  local rows, why = change(self, "reap", { now, now, now }, 3)
  if not rows then return nil, why end
  local keys = {}
  for i, row in ipairs(rows) do keys[i] = row.key end
  table.sort(keys)
  return keys
end

function Sql:settle(s)
  local params = { s.state, s.now, s.by, s.message_id, s.result, s.key, s.state }
  return change_row(self, "settle", s.key, params, 7, function(row)
    return row.state == s.state and row.settled_by == s.by and row.settled_at == s.now
  end)
end

function Sql:resend(r)
  local function is_so(row)
    return not row.claim and row.settled_by == r.by and row.settled_at == r.now
  end
  if r.is_withdrawn then
    return change_row(self, "resend_none", r.key, { r.now, r.by, r.key, r.claim }, 4, is_so)
  end
  return change_row(self, "resend", r.key, { r.now, r.by, r.now, r.key, r.claim }, 5, is_so)
end

-- Reading may be repeated as it likes.
local function look(self, name, params, n)
  local rows, why, is_sure = run(self, name, params, n)
  if not rows and not is_sure then rows, why = run(self, name, params, n) end
  return rows, why
end

function Sql:get(key)
  local rows, why = look(self, "get", { key }, 1)
  if not rows then return nil, why end
  return rows[1] and read(rows[1]) or false
end

function Sql:unsettled(page, limit)
  local after = page.after or { claimed_at = -1, key = "" }
  local rows, why = look(self, "unsettled",
    { page.now, page.before, after.claimed_at, after.key, limit }, 5)
  return rows and read_all(rows), why
end

function Sql:find(query)
  local rows, names
  local ok, why = be_ready(self)
  if not ok then return nil, why end
  self.sql.find, names = statements.find(query, self.schema)
  local params = {}
  for i, name in ipairs(names) do params[i] = query[name] end
  rows, why = look(self, "find", params, #names)
  return rows and read_all(rows), why
end

function Sql:counts()
  local rows, why = look(self, "counts", {}, 0)
  if not rows then return nil, why end
  local counts = {}
  for _, row in ipairs(rows) do counts[row.state] = tonumber(row.n) end
  return counts
end

function Sql:purge(before, limit)
  local settled, why = change(self, "purge_settled", { before, limit, before }, 3)
  if not settled then return nil, why end
  if #settled == limit then return limit end
  local free
  free, why = change(self, "purge_free", { before, limit - #settled, before }, 3)
  if not free then return nil, why end
  local n = #settled + #free
  if n == limit then return n end
  local n_events
  n_events, why = self:purge_events(before, limit - n)
  return n_events and n + n_events, why
end

-- What an outbox's queue asks of it -----------------------------------------------------------

---@return telnyx.queue
function Sql:queue() return queue.new(self) end

function Sql:backlog(now)
  local rows, why = look(self, "backlog", { now }, 1)
  if not rows then return nil, why end
  local row = rows[1]
  return { total = tonumber(row.total), due = tonumber(row.n_due) or 0,
    first_due = tonumber(row.due) }
end

function Sql:is_losing()
  local rows, why = look(self, "last_ends", {}, 0)
  if not rows then return nil, why end
  local lost_at, answered_at = tonumber(rows[1].lost_at), tonumber(rows[1].answered_at)
  return lost_at ~= nil and (answered_at == nil or answered_at <= lost_at)
end

local NO_PACES = "the table telnyx_pace cannot be read, and { create = false } makes none: whoever"
  .. " may make it does so by outbox:is_paused(): "

---The table of paces: made, or found.
---@return true|nil
---@return string|nil why
function Sql:make_paces()
  local found, found_why = run(self, "paused", {}, 0)
  if found then return true end
  if self.makes_none then return nil, NO_PACES .. found_why end
  local made, make_why = run(self, "paces", {}, 0)
  local rows, why = run(self, "paused", {}, 0)
  if rows then return true end
  return nil, made and why or make_why
end

local NO_PART = "the table telnyx_%s is not there, and { create = false } makes none: whoever may"
  .. " make it does so by journal:%s"

-- What makes each part.
local MAKERS = { event = "unhandled_events()", optout = "optouts()" }

---Whether a table is there that is made when it is first used.
---@param part "event"|"optout"
---@return boolean|nil
---@return string|nil why
function Sql:has_part(part)
  if self.parts[part] then return true end
  local rows, why = look(self, "has_" .. part, {}, 0)
  if not rows then return nil, why end
  return rows[1] ~= nil and type(rows[1].name) == "string"
end

local UNFIT_PART = "the table telnyx_%s cannot be used; unless it is busy or locked, it may be"
  .. " another program's or an older version's: %s"

---Finds that table, or makes it.
---@param part "event"|"optout"
---@return true|nil
---@return string|nil why
function Sql:make_part(part)
  if self.parts[part] then return true end
  local is_there, why = self:has_part(part)
  if is_there == nil then return nil, why end
  if not is_there and self.makes_none then return nil, NO_PART:format(part, MAKERS[part]) end
  local made, make_why = true, nil
  if not is_there then made, make_why = run(self, "table_" .. part, {}, 0) end
  local rows
  rows, why = look(self, "check_" .. part, {}, 0)
  if not rows then return nil, made and UNFIT_PART:format(part, why) or make_why end
  if not self.makes_none then make_indexes(self, self.sql.parts[part]) end
  self.parts[part] = true
  return true
end

---Parameters as a statement of somebody else's takes them.
function Sql.written(_, params, n)
  for i = 1, n do params[i] = text_of(params[i]) end
  return params
end

---@return table[]|nil rows as they come
---@return boolean|string|nil was_repeated or why
function Sql:change(name, params, n) return change(self, name, params, n) end

---What must not be repeated when the answer is lost.
---@return table[]|nil rows
---@return string|nil why
function Sql:once(name, params, n)
  local rows, why = run_change(self, name, params, n)
  return rows and read_all(rows), why
end

---@return table[]|nil rows as they come
---@return string|nil why
function Sql:rows(name, params, n) return look(self, name, params, n) end

---@return table[]|nil rows
---@return string|nil why
function Sql:look(name, params, n)
  local rows, why = look(self, name, params, n)
  return rows and read_all(rows), why
end

---Makes the table, or finds that it cannot be used, now and not at the first claim.
---@return true|nil
---@return string|nil why
function Sql:prepare() return make_ready(self) end

function Sql:close()
  self.is_closed = true
  if self.finish_asking then self.finish_asking() end
end

local sql = {}

---@param query fun(sql: string, params: table, n: integer): table[]|nil, string|nil, boolean|nil
---@param dialect "sqlite"|"postgres"
---@param close fun()|nil ends what `query` asks; without it, `query` is the user's own
---@param options { schema: string|nil, create: boolean|nil }|nil where its tables are in
---PostgreSQL, and whether they may be made
function sql.new(query, dialect, close, options)
  options = options or {}
  return setmetatable({ query = query, sql = statements.of(dialect), dialect = dialect,
    finish_asking = close, is_users = close == nil, wanted_schema = options.schema,
    makes_none = options.create == false, is_ready = false, parts = {},
    n_doubts = 0, n_heeded = 0, n_proven = -1 }, Sql)
end

return sql
