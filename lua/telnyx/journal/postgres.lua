--- A journal in PostgreSQL: for many machines. What `claim` and `finish` return is on the server's
--- disk, and a server that may have lost some of it is not asked: a standby that was promoted, or a
--- backup, goes on in another timeline than the one that is remembered beside the rows.

local core = require("telnyx.core")
local conninfo = require("telnyx.journal.conninfo")
local dbi = require("telnyx.journal.dbi")
local libpq = require("telnyx.journal.libpq")
local random = require("telnyx.send.random")
local schema = require("telnyx.journal.schema")
local secrets = require("telnyx.errors.secrets")
local sql = require("telnyx.journal.sql")
local statements = require("telnyx.journal.statements")

local DEFAULT_STATEMENT_TIMEOUT_S = 10
-- A row that another's transaction holds is asked for again later, and nothing waits for it. After
-- one was waited for in vain, there may be many: none is waited for any longer, for a while.
local LOCK_TIMEOUT_MS, HURRIED_MS, HURRY_S = 2000, 50, 10
local LOCK_NOT_AVAILABLE = "55P03"
-- A server that can still say that its own time is up comes first.
local GRACE_S = 2

-- What must be so ------------------------------------------------------------------------------

local function value_of(ask, text)
  local rows, why = ask(text)
  if not rows then return nil, why end
  return tostring(select(2, next(rows[1] or {})))
end

-- A question, whether its answer will do, and what is wrong with another.
local CHECKS = {
  { "SHOW server_version_num", function(value) return (tonumber(value) or 0) >= 120000 end,
    "it is older than PostgreSQL 12" },
  { "SELECT CAST(pg_is_in_recovery() AS TEXT) AS answer", "false",
    "it is a standby, not the primary" },
  { "SHOW transaction_read_only", "off", "it is read-only" },
  { "SHOW fsync", "on", "it does not write what it commits to its disk: fsync is off" },
  { "SHOW synchronous_commit", function(value) return value == "on" or value == "remote_apply" end,
    "it commits before it has written: synchronous_commit cannot be had" },
  { "SHOW server_encoding", function(value) return value == "UTF8" or value == "SQL_ASCII" end,
    "its encoding is not UTF8" },
}

local function meets(value, expected)
  if type(expected) == "function" then return expected(value) end
  return value == expected
end

local function check_all(ask)
  for _, check in ipairs(CHECKS) do
    local value, why = value_of(ask, check[1])
    if not value then return nil, why end
    if not meets(value, check[2]) then return nil, check[3] end
  end
  return true
end

-- In milliseconds.
local LOCK_TIMEOUT = "SELECT setting FROM pg_settings WHERE name = 'lock_timeout'"

-- A server's own settings count where they are stricter.
local function set(ask, statement_timeout_s, session)
  local settings = {
    "SET client_min_messages = warning", "SET client_encoding = 'UTF8'",
    "SET default_transaction_isolation = 'read committed'",
  }
  if value_of(ask, "SHOW synchronous_commit") ~= "remote_apply" then
    settings[#settings + 1] = "SET synchronous_commit = on"
  end
  if value_of(ask, "SHOW statement_timeout") == "0" then
    local ms = math.ceil(statement_timeout_s * 1000)
    settings[#settings + 1] = ("SET statement_timeout = %.0f"):format(ms)
  end
  local lock_timeout_ms = tonumber((value_of(ask, LOCK_TIMEOUT)))
  if lock_timeout_ms == 0 then
    lock_timeout_ms = LOCK_TIMEOUT_MS
    settings[#settings + 1] = ("SET lock_timeout = %d"):format(LOCK_TIMEOUT_MS)
  end
  session.lock_timeout_ms, session.usual_ms = lock_timeout_ms, lock_timeout_ms
  for _, setting in ipairs(settings) do
    local rows, why = ask(setting)
    if not rows then return nil, why end
  end
  return true
end

-- Which server it is -----------------------------------------------------------------------------

local HERE = [[
SELECT CAST(system_identifier AS TEXT) AS system,
  substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) AS timeline
FROM pg_control_system()]]
local REMEMBERED = "SELECT system, timeline FROM telnyx_server WHERE id = 1"
local MAKE = [[
CREATE TABLE IF NOT EXISTS telnyx_server (
  id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1), system TEXT NOT NULL, timeline TEXT NOT NULL)]]
local REMEMBER = [[
INSERT INTO telnyx_server (id, system, timeline) VALUES (1, ?, ?) ON CONFLICT (id) DO NOTHING]]
local ACCEPT = "UPDATE telnyx_server SET system = ?, timeline = ? WHERE id = 1"

-- The cure first: errors are cut where they are long.
local CHANGED = "its history is another; when somebody has looked, { accept_server = %q }: it was"
  .. " timeline %d of system %s and is timeline %d of system %s, where what was claimed last may be"
  .. " missing, and be sent again"

local function number_of(place) return tonumber(place.timeline, 16) or 0 end

local function is_same(a, b) return a.system == b.system and a.timeline == b.timeline end

local function name_of(place) return place.system .. "/" .. number_of(place) end

local OLDER = "it has an older history, timeline %d, than the one that was accepted: %s"

-- An old primary that comes back remembers itself.
local function is_older(here, accepted)
  local system, timeline = (accepted or ""):match("^(%d+)/(%d+)$")
  return system == here.system and tonumber(timeline) > number_of(here)
end

local function remembered(ask, makes_none)
  local rows, why = ask(REMEMBERED)
  if rows then return rows[1] end
  if makes_none then return nil, why end
  local made
  made, why = ask(MAKE)
  rows = ask(REMEMBERED) -- another may have made it
  if not rows then return nil, why or (made and "telnyx_server cannot be read") end
  return rows[1]
end

-- `known` is what this journal saw before: the table may be missing, or be another server's own.
local function check_history(ask, known, options)
  local rows, why = ask(HERE)
  if not rows then return nil, why end
  local here = rows[1]
  if is_older(here, options.accept_server) then
    return nil, OLDER:format(number_of(here), options.accept_server)
  end
  local was, was_why = remembered(ask, options.create == false)
  if was_why then return nil, was_why end
  local first = was or here
  if known and not is_same(known, here) then first = known end
  if not is_same(first, here) and name_of(here) ~= options.accept_server then
    return nil, CHANGED:format(name_of(here), number_of(first), first.system, number_of(here),
      here.system)
  end
  if not was then rows, why = ask(REMEMBER, { here.system, here.timeline }, 2) end
  if was and not is_same(was, here) then
    rows, why = ask(ACCEPT, { here.system, here.timeline }, 2)
  end
  if not rows then return nil, why end
  return here
end

-- A session --------------------------------------------------------------------------------------

-- How long an answer may take where the server's own limit is this; 0: it has none.
local function limit_after(statement_timeout_s)
  return statement_timeout_s > 0 and statement_timeout_s + GRACE_S or math.huge
end

-- In milliseconds.
local TIMEOUT = "SELECT setting FROM pg_settings WHERE name = 'statement_timeout'"

local MISSING = "there is no journal in its schema %s, and { create = false } makes none"

-- The first session finds where the tables are or will be, and the others go by that.
local function find_schema(ask, known, options)
  local name, is_there = schema.find(ask, known or options.schema)
  if not name then return nil, is_there end
  if options.create == false and not is_there then return nil, MISSING:format(name) end
  return name
end

-- `ask` whose tables are those of a schema.
local function asking_within(ask, name)
  local place = schema.quoted(name)
  return function(text, params, n) return ask(statements.within(text, place), params, n) end
end

local function set_up(ask, session, known, options)
  local ok, why = set(ask, options.statement_timeout or DEFAULT_STATEMENT_TIMEOUT_S, session)
  local timeout_ms
  if ok then timeout_ms, why = value_of(ask, TIMEOUT) end
  if not timeout_ms then return nil, why end
  session.limit_s = limit_after(tonumber(timeout_ms) / 1000)
  ok, why = check_all(ask)
  if not ok then return nil, why end
  return check_history(ask, known, options)
end

local function first_limit(options)
  local timeout_s = options.statement_timeout or DEFAULT_STATEMENT_TIMEOUT_S
  return limit_after(timeout_s > 0 and timeout_s or DEFAULT_STATEMENT_TIMEOUT_S)
end

-- A lock of a session's own marks its backend: a pooler, which gives a backend to one client after
-- the other, has what was locked by the one before let go. Where it does not, this one does, and
-- what the backend was asked last says whose it is.
local ME = [[
SELECT CAST(pid AS TEXT) AS pid, CAST(backend_start AS TEXT) AS started, 'telnyx' AS by,
  pg_try_advisory_lock(CAST(? AS INTEGER), CAST(? AS INTEGER))
FROM pg_stat_activity WHERE pid = pg_backend_pid()]]

-- Where there are standbys, a commit may be done but for the word of one, and not be cut short.
local END = [[
SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity AS a JOIN pg_locks AS l ON l.pid = a.pid
WHERE a.pid = CAST(? AS INTEGER) AND CAST(a.backend_start AS TEXT) = ?
  AND (a.state = 'idle' OR current_setting('synchronous_standby_names') = '')
  AND (a.query LIKE '%telnyx%' OR current_setting('track_activities') = 'off')
  AND l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
  AND CAST(l.classid AS BIGINT) = CAST(? AS BIGINT)
  AND CAST(l.objid AS BIGINT) = CAST(? AS BIGINT)]]

-- What a session was asked that owes its answer may lie before its backend unread, and would be
-- done when that wakes: later than what is asked now, and undo it. A parent's is its own.
local function end_backend(ask, owing)
  if not owing then return true end
  if owing.n_forks ~= core.forks() then return true end
  return ask(END, { owing.pid, owing.started, owing.marks[1], owing.marks[2] }, 4) ~= nil
end

-- One in the midst of a statement ends when that lets it, and a commit never does: until then it is
-- there, and busy.
local BUSY = [[
SELECT a.state AS telnyx_is_busy FROM pg_stat_activity AS a JOIN pg_locks AS l ON l.pid = a.pid
WHERE a.pid = CAST(? AS INTEGER) AND CAST(a.backend_start AS TEXT) = ? AND a.state <> 'idle'
  AND l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
  AND CAST(l.classid AS BIGINT) = CAST(? AS BIGINT)
  AND CAST(l.objid AS BIGINT) = CAST(? AS BIGINT)]]

-- What a claim's name does not protect: to queue, to withdraw, to pause.
local UNFENCED = { "SET state = 'queued', digest", "SET state = 'free', body",
  "VALUES ('pause'" }

local function is_unfenced(statement)
  for _, part in ipairs(UNFENCED) do
    if statement:find(part, 1, true) then return true end
  end
  return false
end

local HAUNTED = "what an earlier session was asked, and has not answered, may be done yet, and undo"
  .. " this"

-- Whether none of those that were given up is in the midst of something; such are forgotten then.
local function are_gone(ask, given_up)
  if not ask("SELECT 1 AS telnyx", {}, 0) then return false end -- it may be another session by now
  for i = #given_up, 1, -1 do
    local one = given_up[i]
    if one.n_forks == core.forks() then
      local rows = ask(BUSY, { one.pid, one.started, one.marks[1], one.marks[2] }, 4)
      if not rows or rows[1] then return false end
    end
    table.remove(given_up, i)
  end
  return true
end

-- Locks that let no row be changed; who waits for one will have it. Who waits for a row has one
-- as well, of another kind.
local LOCKED = [[
SELECT l.mode AS telnyx_is_locked FROM pg_locks AS l
WHERE l.locktype = 'relation'
  AND l.relation IN (to_regclass(CAST(? AS TEXT)), to_regclass(CAST(? AS TEXT)))
  AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
  AND l.pid <> pg_backend_pid() LIMIT 1]]

local function is_unlocked(ask, place)
  local rows = ask(LOCKED, { place .. ".telnyx_send", place .. ".telnyx_pace" }, 2)
  return rows ~= nil and rows[1] == nil
end

local MOST_MARK = 2 ^ 31 - 1

local function remember(ask, own_random)
  local marks = {}
  for i = 1, 2 do marks[i] = ("%.0f"):format(math.floor(own_random() * MOST_MARK)) end
  local rows, why = ask("SELECT pg_advisory_unlock_all()", {}, 0)
  if rows then rows, why = ask(ME, marks, 2) end
  if not rows then return nil, why end
  local me = rows[1] or {}
  return { pid = me.pid, started = me.started, marks = marks, n_forks = core.forks() }
end

-- Named, as all that a backend is asked: what lies unread behind it is known as ours by that.
local WAIT_FOR_ROWS = "SET lock_timeout = %d -- telnyx"

-- As usual, or hardly any, by whether a row has just been waited for in vain.
local function set_lock_timeout(asked, session_of, is_hurried)
  local session = session_of()
  local usual_ms = asked.is_set_up and session.usual_ms
  if not usual_ms then return end
  local ms = is_hurried and math.min(HURRIED_MS, usual_ms) or usual_ms
  if session.lock_timeout_ms == ms then return end
  local is_set = asked:query(WAIT_FOR_ROWS:format(ms), {}, 0)
  if is_set then session_of().lock_timeout_ms = ms end -- it may be another one by now
end

-- Asks as `asked` does, and minds what rows are waited for in its session, and what was given up.
local function new_query(asked, session_of, given_up)
  local hurried_until = -math.huge
  local function ask(...) return asked:query(...) end
  return function(statement, params, n)
    if given_up[1] and is_unfenced(statement) and not are_gone(ask, given_up) then
      return nil, HAUNTED, true
    end
    local is_hurried = core.monotonic() < hurried_until
    set_lock_timeout(asked, session_of, is_hurried)
    local rows, why, is_sure = asked:query(statement, params, n)
    local is_locked = not rows and not is_sure and session_of().sqlstate == LOCK_NOT_AVAILABLE
    -- Not longer for what was waited for so shortly: that may be no more than another's commit.
    if is_locked and not is_hurried then hurried_until = core.monotonic() + HURRY_S end
    return rows, why, is_sure or is_locked
  end
end

local function new_asked(text, options)
  local known, session, me, owing, place
  local given_up = {}
  local own_random = random.new()
  local asked = dbi.new {
    name = "PostgreSQL",
    patience_s = 0,
    is_free = function(ask) return is_unlocked(ask, schema.quoted(place)) end,
    open = function()
      local why
      if session and session.owes_answer then owing = me or owing end
      me = nil
      session, why = libpq.connect(text, first_limit(options))
      return session, why
    end,
    set_up = function(ask)
      local here, why
      place, why = find_schema(ask, place, options)
      if not place then return nil, why end
      here, why = set_up(asking_within(ask, place), session, known, options)
      known = here or known
      if not here then return nil, why end
      if end_backend(ask, owing) then
        given_up[#given_up + 1], owing = owing, nil
      end
      me, why = remember(ask, own_random)
      return me and true, why
    end,
  }
  return asked, new_query(asked, function() return session or {} end, given_up)
end

local postgres = {}

---@class telnyx.postgres_options
---@field statement_timeout number|nil seconds, unless the server has a limit; default 10
---@field accept_server string|nil "system/timeline" of one that a person has looked at
---@field schema string|nil of the tables; default: where they are found, or the first there is
---@field create boolean|nil false: a journal must be there; else it is made

---@param connection string|table
---@param options telnyx.postgres_options
---@return table|nil keeper
---@return string|nil why
function postgres.new(connection, options)
  local is_here, missing = libpq.is_here()
  if not is_here then return nil, missing end
  local text, passwords = conninfo.read(connection)
  local mask = secrets.new(passwords).mask
  local asked, ask = new_asked(text, options)
  local function query(statement, params, n)
    local rows, why, is_sure = ask(statement, params, n)
    return rows, why and mask(why), is_sure
  end
  return sql.new(query, "postgres", function() asked:close() end, options)
end

return postgres
