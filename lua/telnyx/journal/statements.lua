--- The SQL of a journal: `telnyx.journal.machine` once more, each change one statement that says
--- for which rows it holds, so that of two who try at once one gets the row and the other none.
---
--- One text for SQLite and PostgreSQL. Numbers travel as text, since drivers read integers with 32
--- bits, and both engines take BIGINT for a type. The body and what is behind it are an outbox's;
--- so is the table of paces: when the next turn of each is, in microseconds.

local inbox = require("telnyx.journal.inbox_statements")

local statements = {}

local TABLE = [[
CREATE TABLE IF NOT EXISTS telnyx_send (
  key TEXT NOT NULL PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN
    ('queued', 'free', 'sending', 'accepted', 'rejected', 'unknown')),
  digest TEXT NOT NULL,
  recipient TEXT,
  claim TEXT,
  owner TEXT,
  claimed_at BIGINT,
  expires BIGINT,
  tries BIGINT NOT NULL,
  message_id TEXT,
  status BIGINT,
  result TEXT,
  settled_at BIGINT,
  settled_by TEXT,
  created_at BIGINT NOT NULL,
  body TEXT,
  sender TEXT,
  campaign TEXT,
  due BIGINT,
  ord BIGINT,
  CHECK (state NOT IN ('sending', 'unknown')
    OR (claim IS NOT NULL AND claimed_at IS NOT NULL AND expires IS NOT NULL)),
  CHECK (state NOT IN ('queued', 'free') OR claim IS NULL),
  CHECK (state <> 'queued' OR
    (body IS NOT NULL AND sender IS NOT NULL AND due IS NOT NULL AND ord IS NOT NULL)),
  CHECK (state NOT IN ('accepted', 'rejected') OR settled_at IS NOT NULL),
  CONSTRAINT key_used_for_another_message CHECK (digest <> ''))]]

local PACES = [[
CREATE TABLE IF NOT EXISTS telnyx_pace (name TEXT NOT NULL PRIMARY KEY, next_at BIGINT NOT NULL)]]

-- The last serve who looks for what is due, has expired, is not settled, may be purged.
local INDEXES = {
  message = "(message_id) WHERE message_id IS NOT NULL",
  due = "(due, ord) WHERE state = 'queued'",
  sender = "(sender, due, ord) WHERE state = 'queued'",
  expires = "(expires) WHERE state = 'sending'",
  open = "(claimed_at, key) WHERE state IN ('sending', 'unknown')",
  settled = "(settled_at) WHERE state IN ('accepted', 'rejected')",
  free = "(created_at) WHERE state = 'free'",
}

local COLUMNS = [[
key, state, digest, recipient, claim, owner, CAST(claimed_at AS TEXT) AS claimed_at,
  CAST(expires AS TEXT) AS expires, CAST(tries AS TEXT) AS tries, message_id,
  CAST(status AS TEXT) AS status, result, CAST(settled_at AS TEXT) AS settled_at, settled_by,
  CAST(created_at AS TEXT) AS created_at, campaign, CAST(due AS TEXT) AS due]]

-- {B}: a parameter that is a whole number. {SKIP}: what others hold is left to them. {NOW}: by the
-- database's clock, in microseconds. {COLUMNS}: of a row. {UNKEPT} and others: as below. Rows are
-- ordered by columns with the table's name, since the text has theirs.
local TEXTS = {
  claim = [[
INSERT INTO telnyx_send (key, state, digest, recipient, claim, owner, claimed_at, expires, tries,
  created_at)
VALUES (?, 'sending', ?, ?, ?, ?, {B}, {B}, 1, {B})
ON CONFLICT (key) DO UPDATE SET state = 'sending', digest = excluded.digest,
  recipient = excluded.recipient, claim = excluded.claim, owner = excluded.owner,
  claimed_at = excluded.claimed_at, expires = excluded.expires, tries = telnyx_send.tries + 1,
  message_id = NULL, status = NULL, result = NULL, settled_at = NULL
WHERE (telnyx_send.state = 'free' AND {UNKEPT})
  OR (telnyx_send.state = 'queued' AND telnyx_send.digest = excluded.digest)
RETURNING key]],

  finish = [[
UPDATE telnyx_send SET state = ?, settled_at = {B}, settled_by = 'worker', message_id = ?,
  status = {B}, result = ?
WHERE key = ? AND claim = ? AND state IN ('sending', 'unknown')
RETURNING key]],

  release = [[
UPDATE telnyx_send SET state = CASE WHEN body IS NULL THEN 'free' ELSE 'queued' END,
  due = CASE WHEN body IS NULL THEN NULL ELSE COALESCE({B}, due) END,
  owner = 'was ' || claim, claim = NULL, claimed_at = NULL, expires = NULL
WHERE key = ? AND claim = ? AND state = 'sending'
RETURNING key]],

  reap = [[
WITH c AS MATERIALIZED (
  SELECT key FROM telnyx_send WHERE state = 'sending' AND expires < {B}{SKIP})
UPDATE telnyx_send SET state = 'unknown', settled_at = {B}, settled_by = 'reaper'
WHERE key IN (SELECT key FROM c) AND state = 'sending' AND expires < {B}
RETURNING key]],

  reap_one = [[
WITH c AS MATERIALIZED (
  SELECT key FROM telnyx_send WHERE key = ? AND state = 'sending' AND expires < {B}{SKIP})
UPDATE telnyx_send SET state = 'unknown', settled_at = {B}, settled_by = 'reaper'
WHERE key IN (SELECT key FROM c) AND state = 'sending' AND expires < {B}
RETURNING key]],

  settle = [[
UPDATE telnyx_send SET state = ?, settled_at = {B}, settled_by = ?,
  message_id = COALESCE(?, message_id), result = COALESCE(?, result)
WHERE key = ? AND (state = 'unknown' OR ((state = 'sending' OR (tries > 0
  AND state IN ('free', 'queued')) OR (state = 'accepted' AND message_id IS NULL
  AND CAST(? AS TEXT) IS NOT NULL)) AND CAST(? AS TEXT) = 'accepted'))
RETURNING key]],

  resend = [[
UPDATE telnyx_send SET state = CASE WHEN body IS NULL THEN 'free' ELSE 'queued' END,
  settled_at = {B}, settled_by = ?, due = CASE WHEN body IS NULL THEN NULL ELSE {B} END,
  owner = 'was ' || claim, claim = NULL, claimed_at = NULL, expires = NULL
WHERE key = ? AND claim = ? AND state = 'unknown'
RETURNING key]],

  resend_none = [[
UPDATE telnyx_send SET state = 'free', body = NULL, sender = NULL, campaign = NULL, due = NULL,
  ord = NULL, settled_at = {B}, settled_by = ?,
  owner = 'was ' || claim, claim = NULL, claimed_at = NULL, expires = NULL
WHERE key = ? AND claim = ? AND state = 'unknown'
RETURNING key]],

  get = "SELECT {COLUMNS} FROM telnyx_send WHERE key = ?",

  unsettled = [[
SELECT {COLUMNS} FROM telnyx_send
WHERE state IN ('sending', 'unknown') AND (state = 'unknown' OR expires < {B})
  AND claimed_at <= {B} AND (claimed_at, key) > ({B}, ?)
ORDER BY telnyx_send.claimed_at, telnyx_send.key LIMIT CAST(? AS INTEGER)]],

  counts = "SELECT state, CAST(count(*) AS TEXT) AS n FROM telnyx_send GROUP BY state",

  purge_settled = [[
WITH c AS MATERIALIZED (
  SELECT key FROM telnyx_send WHERE state IN ('accepted', 'rejected') AND settled_at < {B}
  ORDER BY settled_at LIMIT CAST(? AS INTEGER){SKIP})
DELETE FROM telnyx_send
WHERE key IN (SELECT key FROM c) AND state IN ('accepted', 'rejected') AND settled_at < {B}
RETURNING key]],

  purge_free = [[
WITH c AS MATERIALIZED (
  SELECT key FROM telnyx_send WHERE state = 'free' AND created_at < {B}
  ORDER BY created_at LIMIT CAST(? AS INTEGER){SKIP})
DELETE FROM telnyx_send
WHERE key IN (SELECT key FROM c) AND state = 'free' AND created_at < {B}
RETURNING key]],

  -- A key that was given back may be queued.
  add = [[
INSERT INTO telnyx_send (key, state, digest, recipient, sender, body, campaign, due, ord, tries,
  created_at)
VALUES (?, 'queued', ?, ?, ?, ?, ?, {B}, {B}, 0, {B})
ON CONFLICT (key) DO UPDATE SET state = 'queued', digest = excluded.digest,
  recipient = excluded.recipient, sender = excluded.sender, body = excluded.body,
  campaign = excluded.campaign, due = excluded.due, ord = excluded.ord,
  created_at = {CREATED},
  message_id = NULL, status = NULL, result = NULL, settled_at = NULL
WHERE telnyx_send.state = 'free' AND {UNKEPT}
RETURNING key]],

  -- The same for somebody else's transaction, which has to fail where it would lack its message. Of
  -- a row that is no free one nothing else is touched, so that this is what it fails by.
  add_or_fail = [[
INSERT INTO telnyx_send (key, state, digest, recipient, sender, body, campaign, due, ord, tries,
  created_at)
VALUES (?, 'queued', ?, ?, ?, ?, ?, {B}, {B}, 0, {B})
ON CONFLICT (key) DO UPDATE SET
  digest = CASE WHEN telnyx_send.state = 'free' AND {UNKEPT} THEN excluded.digest ELSE '' END,
  state = CASE telnyx_send.state WHEN 'free' THEN 'queued' ELSE telnyx_send.state END,
  settled_at = CASE telnyx_send.state WHEN 'free' THEN NULL ELSE telnyx_send.settled_at END,
  recipient = excluded.recipient, sender = excluded.sender, body = excluded.body,
  campaign = excluded.campaign, due = excluded.due, ord = excluded.ord,
  created_at = CASE telnyx_send.state WHEN 'free' THEN {CREATED}
    ELSE telnyx_send.created_at END,
  message_id = NULL, status = NULL, result = NULL
WHERE telnyx_send.state = 'free' OR telnyx_send.digest <> excluded.digest
RETURNING key]],

  take = [[
WITH c AS MATERIALIZED (
  SELECT key FROM telnyx_send WHERE state = 'queued' AND due <= {B}{UNPAUSED}
  ORDER BY telnyx_send.due, telnyx_send.ord LIMIT CAST(? AS INTEGER){SKIP})
{TAKE}]],

  take_of = [[
WITH c AS MATERIALIZED (
  SELECT key FROM telnyx_send WHERE state = 'queued' AND sender = ? AND due <= {B}{UNPAUSED}
  ORDER BY telnyx_send.due, telnyx_send.ord LIMIT CAST(? AS INTEGER){SKIP})
{TAKE}]],

  withdraw = [[
UPDATE telnyx_send SET state = 'free', body = NULL, sender = NULL, campaign = NULL, due = NULL,
  ord = NULL, settled_at = {B}
WHERE key = ? AND state = 'queued'
RETURNING key]],

  -- When the last that a worker has posted ended, whose end nobody knows, and which was answered.
  last_ends = [[
SELECT CAST((SELECT settled_at FROM telnyx_send
    WHERE state IN ('sending', 'unknown') AND state = 'unknown' AND settled_by = 'worker'
    ORDER BY telnyx_send.claimed_at DESC LIMIT 1) AS TEXT) AS lost_at,
  CAST((SELECT settled_at FROM telnyx_send
    WHERE state IN ('accepted', 'rejected') AND settled_by = 'worker'
    ORDER BY telnyx_send.settled_at DESC LIMIT 1) AS TEXT) AS answered_at]],

  -- An outbox's that were left behind by whoever had taken them; and direct sends' as well.
  expired = [[
SELECT {COLUMNS} FROM telnyx_send WHERE state = 'sending' AND expires < {B}
ORDER BY telnyx_send.expires LIMIT CAST(? AS INTEGER)]],

  -- Of a claim whose answer was lost.
  adopt = "SELECT {COLUMNS}, body FROM telnyx_send WHERE claim = ? AND state = 'sending'",

  -- Each sender that has something, and when its first is due: from one to the next by the index.
  senders = [[
WITH RECURSIVE s (sender, n) AS (
  SELECT (SELECT MIN(sender) FROM telnyx_send WHERE state = 'queued' AND sender >= ?), 1
  UNION ALL
  SELECT (SELECT MIN(t.sender) FROM telnyx_send AS t
    WHERE t.state = 'queued' AND t.sender > s.sender), s.n + 1
  FROM s WHERE s.sender IS NOT NULL AND s.n < CAST(? AS INTEGER))
SELECT sender, CAST((SELECT MIN(t.due) FROM telnyx_send AS t
    WHERE t.state = 'queued' AND t.sender = s.sender) AS TEXT) AS due
FROM s WHERE sender IS NOT NULL ORDER BY s.n]],

  next_due = [[
SELECT CAST(MIN(due) AS TEXT) AS due FROM telnyx_send WHERE state = 'queued']],

  backlog = [[
SELECT CAST(count(*) AS TEXT) AS total,
  CAST(sum(CASE WHEN due <= {B} THEN 1 ELSE 0 END) AS TEXT) AS n_due, CAST(MIN(due) AS TEXT) AS due
FROM telnyx_send WHERE state = 'queued']],

  -- The turns that a pace gives out are those before its time. Who has rested has a right to none
  -- of the past, and a time further ahead than workers can have asked for is of a clock that was
  -- wrong, or of another rate. The clock is the database's, the same for all.
  reserve = [[
INSERT INTO telnyx_pace (name, next_at) VALUES (?, {NOW} + {B})
ON CONFLICT (name) DO UPDATE SET next_at = {B} + CASE
  WHEN telnyx_pace.next_at > {NOW} - {B} AND telnyx_pace.next_at <= {NOW} + {B}
  THEN telnyx_pace.next_at ELSE {NOW} END
RETURNING CAST(next_at - {NOW} AS TEXT) AS ends]],

  -- The same for one turn, of which no more is taken than has come by now.
  reserve_due = [[
INSERT INTO telnyx_pace (name, next_at) VALUES (?, {NOW} + {B})
ON CONFLICT (name) DO UPDATE SET next_at = {B} + CASE
  WHEN telnyx_pace.next_at > {NOW} - {B} AND telnyx_pace.next_at <= {NOW} + {B}
  THEN telnyx_pace.next_at ELSE {NOW} END
WHERE telnyx_pace.next_at <= {NOW} + {B} OR telnyx_pace.next_at > {NOW} + {B}
RETURNING CAST(next_at - {NOW} AS TEXT) AS ends]],

  ahead = "SELECT CAST(next_at - {NOW} AS TEXT) AS ends FROM telnyx_pace WHERE name = ?",

  pause = [[
INSERT INTO telnyx_pace (name, next_at) VALUES ('pause', {B})
ON CONFLICT (name) DO UPDATE SET next_at = excluded.next_at
RETURNING name]],

  paused = "SELECT CAST(next_at AS TEXT) AS ends FROM telnyx_pace WHERE name = 'pause'",

  -- Needs what every change needs. No key is empty.
  nothing = "DELETE FROM telnyx_send WHERE key = ''",

  -- Fails where a column is missing.
  check = "SELECT {COLUMNS}, body, sender, ord FROM telnyx_send WHERE key = ''",
}

-- What a take does with the rows that were chosen: they are on the way to the wire.
local TAKE = [[
UPDATE telnyx_send SET state = 'sending', claim = ?, owner = ?, claimed_at = {B}, expires = {B},
  tries = tries + 1
WHERE key IN (SELECT key FROM c) AND state = 'queued'
RETURNING {COLUMNS}, sender, body]]

-- Nobody has called it not sent after it may have been: else its key is for no other message.
local UNKEPT = "(telnyx_send.settled_by IS NULL OR telnyx_send.digest = excluded.digest)"

-- What may have been sent is as old as it was.
local CREATED = "CASE WHEN telnyx_send.settled_by IS NULL THEN excluded.created_at"
  .. " ELSE telnyx_send.created_at END"

local UNPAUSED =
  " AND NOT EXISTS (SELECT 1 FROM telnyx_pace WHERE name = 'pause' AND next_at > {NOW})"

-- What `find` may ask for, by name.
local CONDITIONS = {
  { "state", "state = ?" }, { "to", "recipient = ?" }, { "message_id", "message_id = ?" },
  { "campaign", "campaign = ?" }, { "before", "created_at <= {B}" },
  { "after", "created_at > {B}" }, { "settled_after", "settled_at > {B}" },
}

-- How the two differ: nothing else does.
local DIALECTS = {
  sqlite = {
    skip = "",
    now = "CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)",
    indexes = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = '%s'",
    has = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = '%s'",
  },
  postgres = {
    skip = " FOR UPDATE SKIP LOCKED",
    now = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)",
    indexes = "SELECT CAST(c.relname AS TEXT) AS name FROM pg_index AS i"
      .. " JOIN pg_class AS c ON c.oid = i.indexrelid"
      .. " WHERE i.indrelid = to_regclass('%s')",
    has = "SELECT CAST(to_regclass('%s') AS TEXT) AS name",
  },
}

local function written(text, dialect)
  local words = { B = "CAST(? AS BIGINT)", SKIP = dialect.skip, COLUMNS = COLUMNS,
    NOW = dialect.now, TAKE = TAKE, UNKEPT = UNKEPT, CREATED = CREATED,
    UNPAUSED = UNPAUSED }
  text = text:gsub("{(%u+)}", words)
  return (text:gsub("{(%u+)}", words)) -- words have some in them
end

local TABLES = { send = true, pace = true, server = true, event = true, optout = true }

---A text whose tables are those of a schema, wherever else others of their names may be.
---@param text string
---@param schema string|nil as it stands in statements; nil: the text as it is
---@return string
function statements.within(text, schema)
  if not schema then return text end
  return (text:gsub("%f[%w_]telnyx_(%a+)%f[^%w_]", function(name)
    return TABLES[name] and ("%s.telnyx_%s"):format(schema, name)
  end))
end

-- What finds the indexes of a table, and what makes each of them.
local function indexes_of(name, indexes, dialect, within)
  local make = {}
  for index, rest in pairs(indexes) do
    index = name .. "_" .. index
    make[index] = within(("CREATE INDEX IF NOT EXISTS %s ON %s %s"):format(index, name, rest))
  end
  return within(dialect.indexes:format(name)), make
end

---@param name "sqlite"|"postgres"
---@param schema string|nil as it stands in statements: of the tables
---@return table<string, string> texts by name, and what makes the tables
function statements.of(name, schema)
  local dialect, own = DIALECTS[name], { parts = {} }
  local function within(text) return statements.within(text, schema) end
  for _, texts in ipairs { TEXTS, inbox.TEXTS } do
    for statement, text in pairs(texts) do own[statement] = within(written(text, dialect)) end
  end
  own.table, own.paces = within(TABLE), within(PACES)
  own.indexes, own.make_index = indexes_of("telnyx_send", INDEXES, dialect, within)
  for part, kept in pairs(inbox.PARTS) do
    local table_name, made = "telnyx_" .. part, {}
    own["has_" .. part] = within(dialect.has:format(table_name))
    own["table_" .. part] = within(kept.table)
    made.indexes, made.make_index = indexes_of(table_name, kept.indexes, dialect, within)
    own.parts[part] = made
  end
  return own
end

---The same text with $1, $2, … for its `?`. None of those stands in quotes: what varies is a
---parameter.
---@param text string
---@return string
function statements.numbered(text)
  local n = 0
  return (text:gsub("%?", function()
    n = n + 1
    return "$" .. n
  end))
end

---The statement that finds what a query asks for, and the names of its parameters in order.
---@param query table
---@param schema string|nil as for `of`
---@return string text
---@return string[] names
function statements.find(query, schema)
  local wheres, names = {}, {}
  for _, condition in ipairs(CONDITIONS) do
    if query[condition[1]] then
      wheres[#wheres + 1] = condition[2]
      names[#names + 1] = condition[1]
    end
  end
  local text = "SELECT {COLUMNS} FROM telnyx_send"
  if wheres[1] then text = text .. " WHERE " .. table.concat(wheres, " AND ") end
  names[#names + 1] = "limit"
  text = text .. " ORDER BY telnyx_send.created_at, telnyx_send.key LIMIT CAST(? AS INTEGER)"
  return statements.within(written(text, DIALECTS.sqlite), schema), names
end

return statements
