--- The SQL of webhook events and opt-outs, for `telnyx.journal.statements`, whose words in braces
--- these texts have too. Both tables are made when they are first used.

local inbox = {}

-- `claim` is of who has added it, and `handler` of who has said that it was handled: by these they
-- know what is theirs where an answer was lost.
local EVENT = [[
CREATE TABLE IF NOT EXISTS telnyx_event (
  id TEXT NOT NULL PRIMARY KEY,
  claim TEXT NOT NULL,
  message_id TEXT,
  key TEXT,
  occurred_at BIGINT,
  received_at BIGINT NOT NULL,
  handled_at BIGINT,
  handler TEXT,
  body TEXT)]]

-- A row is of a recipient and either a profile or, where none was told, an own number; what does
-- not count is ''. `texted` is the own number of a profile's latest event. Where there is no
-- recipient, an own number is known to be a profile's.
local OPTOUT = [[
CREATE TABLE IF NOT EXISTS telnyx_optout (
  number TEXT NOT NULL,
  own TEXT NOT NULL,
  profile TEXT NOT NULL,
  texted TEXT,
  keyword TEXT,
  is_out BIGINT NOT NULL CHECK (is_out IN (0, 1)),
  occurred_at BIGINT NOT NULL,
  known_at BIGINT NOT NULL,
  PRIMARY KEY (number, own, profile),
  CHECK (number = '' OR (own = '') <> (profile = '')))]]

---Tables, and the indexes of each, by the ends of their names.
inbox.PARTS = {
  event = {
    table = EVENT,
    indexes = {
      message = "(message_id) WHERE message_id IS NOT NULL",
      key = "(key) WHERE key IS NOT NULL",
      waiting = "(received_at, id) WHERE handled_at IS NULL",
      handled = "(received_at) WHERE handled_at IS NOT NULL",
    },
  },
  optout = {
    table = OPTOUT,
    indexes = {
      out = "(number, own, profile) WHERE is_out = 1",
      profile = "(profile, number, own) WHERE is_out = 1",
    },
  },
}

local EVENT_COLUMNS = [[
id, message_id, key, CAST(occurred_at AS TEXT) AS occurred_at,
  CAST(received_at AS TEXT) AS received_at, CAST(handled_at AS TEXT) AS handled_at, body]]

local OPTOUT_COLUMNS = [[
o.number, o.own, o.profile, o.texted, o.keyword, CAST(o.is_out AS TEXT) AS is_out,
  CAST(o.occurred_at AS TEXT) AS occurred_at]]

-- Of what was told without a profile, a later START by the profile; and the reverse. Of both names,
-- one is '' in each row where such a pair is.
local STANDING = [[
o.is_out = 1 AND NOT EXISTS (
  SELECT 1 FROM telnyx_optout AS l
  WHERE l.number = o.number AND l.is_out = 0 AND l.occurred_at > o.occurred_at AND EXISTS (
    SELECT 1 FROM telnyx_optout AS k
    WHERE k.number = '' AND k.own = l.own || o.own AND k.profile = l.profile || o.profile))]]

local TEXTS = {
  add_event = [[
INSERT INTO telnyx_event (id, claim, message_id, key, occurred_at, received_at, body)
VALUES (?, ?, ?, ?, {B}, {B}, ?)
ON CONFLICT (id) DO NOTHING
RETURNING id]],

  handled_event = [[
UPDATE telnyx_event SET handled_at = {B}, handler = ? WHERE id = ? AND handled_at IS NULL
RETURNING id]],

  marks_of_event = "SELECT claim, handler FROM telnyx_event WHERE id = ?",

  unhandled_events = [[
SELECT {EVENT} FROM telnyx_event WHERE handled_at IS NULL AND received_at <= {B}
  AND (received_at, id) > ({B}, ?)
ORDER BY telnyx_event.received_at, telnyx_event.id LIMIT CAST(? AS INTEGER)]],

  events_of_message = [[
SELECT {EVENT} FROM telnyx_event WHERE message_id = ? {BY_TIME}]],

  events_of_key = [[
SELECT {EVENT} FROM telnyx_event WHERE key = ? {BY_TIME}]],

  events_of_both = [[
SELECT {EVENT} FROM telnyx_event WHERE message_id = ? AND key = ? {BY_TIME}]],

  purge_events = [[
WITH c AS MATERIALIZED (
  SELECT id FROM telnyx_event WHERE handled_at IS NOT NULL AND received_at < {B}
  ORDER BY telnyx_event.received_at LIMIT CAST(? AS INTEGER){SKIP})
DELETE FROM telnyx_event
WHERE id IN (SELECT id FROM c) AND handled_at IS NOT NULL AND received_at < {B}
RETURNING id]],

  check_event = "SELECT {EVENT}, claim, handler FROM telnyx_event WHERE id = ''",

  -- Two rows at most: that an own number is a profile's, unless that is known, and the event's.
  set_optout = [[
WITH s (number, own, profile, texted, keyword, is_out, occurred_at, known_at) AS (
  SELECT CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT),
    {B}, {B}, {B})
INSERT INTO telnyx_optout
  (number, own, profile, texted, keyword, is_out, occurred_at, known_at)
SELECT '', s.texted, s.profile, CAST(NULL AS TEXT), CAST(NULL AS TEXT), 0, 0, s.known_at FROM s
WHERE s.profile <> '' AND s.texted IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM telnyx_optout AS k
  WHERE k.number = '' AND k.own = s.texted AND k.profile = s.profile)
UNION ALL
SELECT s.number, s.own, s.profile, s.texted, s.keyword, s.is_out, s.occurred_at, s.known_at FROM s
WHERE s.number <> ''
ON CONFLICT (number, own, profile) DO UPDATE SET texted = excluded.texted,
  keyword = excluded.keyword, is_out = excluded.is_out, occurred_at = excluded.occurred_at,
  known_at = excluded.known_at
WHERE excluded.occurred_at > telnyx_optout.occurred_at
  OR (excluded.occurred_at = telnyx_optout.occurred_at AND excluded.is_out > telnyx_optout.is_out)
RETURNING number]],

  -- Of a recipient; and the profiles of their own numbers and of another.
  optouts_of = [[
SELECT {OPTOUT} FROM telnyx_optout AS o WHERE o.number = ?
UNION ALL
SELECT {OPTOUT} FROM telnyx_optout AS o
WHERE o.number = '' AND o.own IN (
  SELECT r.own FROM telnyx_optout AS r WHERE r.number = ? AND r.own <> ''
  UNION SELECT CAST(? AS TEXT))]],

  optouts = [[
SELECT {OPTOUT} FROM telnyx_optout AS o
WHERE (o.number, o.own, o.profile) > (?, ?, ?) AND {STANDING}
ORDER BY o.number, o.own, o.profile LIMIT CAST(? AS INTEGER)]],

  optouts_of_profile = [[
SELECT {OPTOUT} FROM telnyx_optout AS o
WHERE o.profile = ? AND (o.number, o.own, o.profile) > (?, ?, ?) AND {STANDING}
ORDER BY o.number, o.own, o.profile LIMIT CAST(? AS INTEGER)]],

  check_optout = [[
SELECT {OPTOUT}, o.known_at FROM telnyx_optout AS o WHERE o.number = '' AND o.own = '']],
}

local WORDS = {
  EVENT = EVENT_COLUMNS, OPTOUT = OPTOUT_COLUMNS, STANDING = STANDING,
  BY_TIME = "ORDER BY COALESCE(telnyx_event.occurred_at, telnyx_event.received_at),\n"
    .. "  telnyx_event.received_at, telnyx_event.id LIMIT CAST(? AS INTEGER)",
}

---Texts by name, with the words in braces that are their own put in.
inbox.TEXTS = {}
for name, text in pairs(TEXTS) do
  inbox.TEXTS[name] = text:gsub("{(%u[%u_]+)}", WORDS)
end

return inbox
