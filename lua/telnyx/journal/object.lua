--- What a journal is to its user, whatever keeps its rows. A keeper gets sound arguments and whole
--- milliseconds, and answers with rows of the same.

local arguments = require("telnyx.journal.arguments")
local core = require("telnyx.core")

---@class telnyx.journal
---@field private keeper table who keeps the rows: memory, shared or sql
---@field private is_closed boolean
local Journal = {}
Journal.__index = Journal
Journal.__name = "telnyx.journal"

---@class telnyx.journal_row absent fields are nil; times are seconds since 1970
---@field key string
---@field state "queued"|"free"|"sending"|"accepted"|"rejected"|"unknown"
---@field digest string of what was posted, or is to be
---@field to string|nil the recipient
---@field claim string|nil whose turn it is, or was
---@field owner string|nil who claimed it, for people
---@field claimed_at number|nil
---@field expires number|nil when a claim that is still `sending` counts as left behind
---@field tries integer claims so far
---@field message_id string|nil
---@field status integer|nil of the reply
---@field result string|nil as `finish` or `settle` was given it
---@field settled_at number|nil when it became accepted, rejected or unknown
---@field settled_by string|nil "worker", "reaper", or as `settle` and `resend` were told
---@field created_at number
---@field due number|nil an outbox's
---@field campaign string|nil an outbox's

local CLOSED = "the journal is closed"
local PAGE = 100
-- In milliseconds; as a number it is whole in every Lua, and in a database.
local FOR_EVER = 2 ^ 52
local PURGED_AT_ONCE = 1000

-- The arguments as the keeper takes them; or nil, why.
local function checked(self, method, given)
  local own, why = arguments.checked(method, given)
  if own and self.is_closed then return nil, CLOSED end
  return own, why
end

-- Rows ------------------------------------------------------------------------------------------

local TIMES = { "claimed_at", "expires", "settled_at", "created_at", "due", "at", "received_at",
  "handled_at" }

-- With its times as users see them, and a table that is theirs.
local function in_seconds(row)
  local own = {}
  for name, value in pairs(row) do own[name] = value end
  for _, name in ipairs(TIMES) do own[name] = own[name] and own[name] / 1000 end
  return own
end

local function told(row)
  local own = in_seconds(row)
  own.body = nil
  return own
end

local function told_optout(row)
  return { number = row.number, profile = row.profile, own = row.own, keyword = row.keyword,
    at = row.at / 1000, is_out = true }
end

local function all_told(rows, tell)
  for i, row in ipairs(rows) do rows[i] = (tell or told)(row) end
  return rows
end

-- Sends -----------------------------------------------------------------------------------------

---@class telnyx.journal_claim
---@field key string 1 to 255 bytes of UTF-8
---@field digest string of what is to be posted
---@field to string|nil the recipient
---@field claim string new for every claim
---@field owner string|nil for people: who claims
---@field now number
---@field expires number after it, the request is not begun any more

---Claims a key for a direct send. True: the row is `sending` under this claim, durably. False: it
---is somebody else's, or settled, or of another message; the row says which.
---@param c telnyx.journal_claim
---@return boolean|nil
---@return telnyx.journal_row|string|nil row_or_why
function Journal:claim(c)
  local own, why = checked(self, "claim", c)
  if not own then return nil, why end
  local is_claimed, row = self.keeper:claim(own)
  if is_claimed then return true end
  if is_claimed == false then return false, told(row) end
  return nil, row
end

---@class telnyx.journal_finish
---@field key string
---@field claim string
---@field state "accepted"|"rejected"|"unknown"
---@field now number
---@field message_id string|nil
---@field status integer|nil
---@field code string|nil of the service's first error, for journals that keep no results
---@field result string|nil JSON, by whoever reads it

---Records what became of a claim. The same once more is true once more.
---@param f telnyx.journal_finish
---@return boolean|nil
---@return string|nil why
function Journal:finish(f)
  local own, why = checked(self, "finish", f)
  if not own then return nil, why end
  return self.keeper:finish(own)
end

---Gives a claim back: surely nothing was sent, or it was refused for the moment.
---@param r { key: string, claim: string, now: number, due: number|nil }
---@return boolean|nil
---@return string|nil why
function Journal:release(r)
  local own, why = checked(self, "release", r)
  if not own then return nil, why end
  return self.keeper:release(own)
end

-- People and clocks -----------------------------------------------------------------------------

---Turns claims that have expired into `unknown`: all of them, or a key's.
---@param options { now: number, key: string|nil }
---@return string[]|nil keys sorted
---@return string|nil why
function Journal:reap(options)
  local own, why = checked(self, "reap", options)
  if not own then return nil, why end
  return self.keeper:reap(own.now, own.key)
end

---@class telnyx.journal_settlement
---@field key string
---@field state "accepted"|"rejected"
---@field by string who says so
---@field now number
---@field message_id string|nil what is there stays there without it
---@field result string|nil the same

---Records what was learned elsewhere of a message whose end was unknown.
---@param s telnyx.journal_settlement
---@return boolean|nil
---@return string|nil why
function Journal:settle(s)
  local own, why = checked(self, "settle", s)
  if not own then return nil, why end
  return self.keeper:settle(own)
end

---Lets an unknown message be sent again: a person's decision, who names the claim that was looked
---at, so that nothing is decided about a later one. Where it is withdrawn, no outbox sends it.
---@param r { key: string, claim: string, by: string, now: number, is_withdrawn: boolean|nil }
---@return boolean|nil
---@return string|nil why
function Journal:resend(r)
  local own, why = checked(self, "resend", r)
  if not own then return nil, why end
  return self.keeper:resend(own)
end

---@param key string
---@return telnyx.journal_row|false|nil row false: there is none
---@return string|nil why
function Journal:get(key)
  local own, why = checked(self, "get", { key = key })
  if not own then return nil, why end
  local row
  row, why = self.keeper:get(own.key)
  if row == nil then return nil, why end
  return row and told(row)
end

-- As the times of rows are rounded.
local function now_ms() return math.floor(core.now() * 1000 + 0.5) end

-- From one page to the next; `page.after` is the last row that was told.
local function next_row(self, page)
  page.i = page.i + 1
  if page.i > #page.rows and #page.rows == PAGE then
    local why = CLOSED
    page.after, page.rows, page.i = page.rows[PAGE], nil, 1
    if not self.is_closed then page.rows, why = self.keeper:unsettled(page, PAGE) end
    if not page.rows then error(why, 0) end
  end
  return page.rows[page.i] and told(page.rows[page.i])
end

---Goes through the rows that nobody knows the end of: `unknown`, and `sending` that has expired;
---the oldest claim first. Some are read at a time, so there may be any number.
---@param options { older_than: number|nil, now: number|nil }|nil seconds since the claim
---@return (fun(): telnyx.journal_row|nil)|nil
---@return string|nil why
function Journal:unsettled(options)
  local own, why = checked(self, "unsettled", options or {})
  if not own then return nil, why end
  local page = { now = own.now or now_ms(), i = 0 }
  page.before = own.older_than and page.now - own.older_than or FOR_EVER
  page.rows, why = self.keeper:unsettled(page, PAGE)
  if not page.rows then return nil, why end
  return function() return next_row(self, page) end
end

---@class telnyx.journal_query what is left out may be anything
---@field state string|nil
---@field to string|nil
---@field message_id string|nil
---@field campaign string|nil
---@field older_than number|nil seconds since the row was made
---@field newer_than number|nil the same
---@field settled_within number|nil seconds since it was settled
---@field now number|nil
---@field limit integer|nil default 100

---The rows that are so, the oldest first.
---@param options telnyx.journal_query|nil
---@return telnyx.journal_row[]|nil
---@return string|nil why
function Journal:find(options)
  local own, why = checked(self, "find", options or {})
  if not own then return nil, why end
  own.limit = own.limit or PAGE
  local now = own.now or now_ms()
  if own.older_than then own.before = now - own.older_than end
  if own.newer_than then own.after = now - own.newer_than end
  if own.settled_within then own.settled_after = now - own.settled_within end
  local rows
  rows, why = self.keeper:find(own)
  return rows and all_told(rows), why
end

local STATES = { "queued", "free", "sending", "accepted", "rejected", "unknown" }

---@return table<string, integer>|nil how many rows are in each state
---@return string|nil why
function Journal:counts()
  if self.is_closed then return nil, CLOSED end
  local counts, why = self.keeper:counts()
  if not counts then return nil, why end
  for _, state in ipairs(STATES) do counts[state] = counts[state] or 0 end
  return counts
end

---Forgets what was accepted or rejected before, and what was given back and is older; and events
---that came before, and were handled. A key that is forgotten is a new key: keep rows for longer
---than anybody repeats a send.
---@param options { before: number, limit: integer|nil }
---@return integer|nil how many
---@return string|nil why
function Journal:purge(options)
  local own, why = checked(self, "purge", options)
  if not own then return nil, why end
  if own.before > now_ms() + 1000 then
    error("journal:purge: 'before' must be seconds since 1970, and past", 2)
  end
  local n, left = 0, own.limit or math.huge
  while left > 0 do
    local part = math.min(left, PURGED_AT_ONCE)
    local n_part, part_why = self.keeper:purge(own.before, part)
    if not n_part then return nil, part_why end
    n, left = n + n_part, left - n_part
    if n_part < part then break end
  end
  return n
end

---How many messages of an outbox wait, how many of them are due, and since when.
---@return telnyx.backlog|nil
---@return string|nil why
function Journal:backlog()
  local queue, why = self:queue(), self.is_closed and CLOSED or "it keeps no outbox"
  if not queue then return nil, why end
  return queue:backlog(core.now())
end

---What an outbox asks of it.
---@return telnyx.queue|nil nil: it is not in a database
function Journal:queue()
  if self.is_closed then return nil end
  return self.keeper.queue and self.keeper:queue() or nil
end

-- Webhook events --------------------------------------------------------------------------------

---@class telnyx.journal_new_event
---@field id string the event's own, the same each time it is delivered
---@field message_id string|nil
---@field key string|nil of the send
---@field at number|nil when it happened, as it says itself
---@field body string|nil
---@field now number

---@class telnyx.journal_event times are seconds since 1970
---@field id string
---@field message_id string|nil
---@field key string|nil
---@field at number|nil
---@field received_at number
---@field handled_at number|nil
---@field body string|nil no journal in nginx keeps it

---Keeps an event. True: it is new, and is kept durably now; of several who add it at once, one is
---told so. False: it was there.
---@param e telnyx.journal_new_event
---@return boolean|nil
---@return string|nil why
function Journal:add_event(e)
  local own, why = checked(self, "add_event", e)
  if not own then return nil, why end
  return self.keeper:add_event(own)
end

---Says that what an event asks for was done. False: it is not there, or that was said before.
---@param e { id: string, now: number }
---@return boolean|nil
---@return string|nil why
function Journal:handled_event(e)
  local own, why = checked(self, "handled_event", e)
  if not own then return nil, why end
  return self.keeper:handled_event(own)
end

---Events that nobody has said were handled, as where a process has died in between: those that came
---first.
---@param options { older_than: number|nil, limit: integer|nil, now: number|nil }|nil seconds since
---it came, default 0; default limit 100
---@return telnyx.journal_event[]|nil
---@return string|nil why
function Journal:unhandled_events(options)
  local own, why = checked(self, "unhandled_events", options or {})
  if not own then return nil, why end
  local before = (own.now or now_ms()) - (own.older_than or 0)
  local rows
  rows, why = self.keeper:unhandled_events(before, own.limit or PAGE)
  return rows and all_told(rows, in_seconds), why
end

---The events of a message, or of the key of a send, or of both, as they happened, the first first.
---@param options { message_id: string|nil, key: string|nil, limit: integer|nil } default limit 100
---@return telnyx.journal_event[]|nil
---@return string|nil why
function Journal:events(options)
  local own, why = checked(self, "events", options)
  if not own then return nil, why end
  if not (own.message_id or own.key) then
    error("journal:events: 'message_id' or 'key' is needed", 2)
  end
  own.limit = own.limit or PAGE
  local rows
  rows, why = self.keeper:events(own)
  return rows and all_told(rows, in_seconds), why
end

-- Opt-outs --------------------------------------------------------------------------------------

---@class telnyx.journal_optout_event
---@field number string the recipient
---@field profile string|nil the messaging profile's id
---@field own string|nil our number that was texted; one of both is needed
---@field is_out boolean true: STOP; false: START
---@field keyword string|nil
---@field at number when it happened
---@field now number

---@class telnyx.journal_optout
---@field number string
---@field profile string|nil
---@field own string|nil that was texted last
---@field keyword string|nil
---@field at number
---@field is_out true

---Records that a recipient wants nothing more of a profile, or of a number whose profile is not
---told; or something again. False: something as late is known, and of two at once the STOP.
---@param s telnyx.journal_optout_event
---@return boolean|nil
---@return string|nil why
function Journal:set_optout(s)
  local own, why = checked(self, "set_optout", s)
  if not own then return nil, why end
  if not (own.profile or own.own) then
    error("journal:set_optout: 'profile' or 'own' is needed", 2)
  end
  if own.keyword == "" then own.keyword = nil end
  return self.keeper:set_optout(own)
end

---Whether a recipient is out: under the profile, or the own number, or a profile that this is known
---to be a number of; or, where neither is given, anywhere. False: not that anybody knows.
---@param asked { number: string, profile: string|nil, own: string|nil }
---@return telnyx.journal_optout|false|nil
---@return string|nil why
function Journal:optout(asked)
  local own, why = checked(self, "optout", asked)
  if not own then return nil, why end
  local row
  row, why = self.keeper:optout(own)
  if row == nil then return nil, why end
  return row and told_optout(row)
end

---Those who are out, by recipient.
---@param options { profile: string|nil, limit: integer|nil, after: telnyx.journal_optout|nil }|nil
---default limit 100; after: the last row of the list before
---@return telnyx.journal_optout[]|nil
---@return string|nil why
function Journal:optouts(options)
  local own, why = checked(self, "optouts", options or {})
  if not own then return nil, why end
  own.limit = own.limit or PAGE
  local rows
  rows, why = self.keeper:optouts(own)
  return rows and all_told(rows, told_optout), why
end

-- The end ---------------------------------------------------------------------------------------

---May be called twice. Every other method then returns nil, "the journal is closed".
function Journal:close()
  if self.is_closed then return end
  self.is_closed = true
  self.keeper:close()
end

local object = {}

---@param keeper table
---@return telnyx.journal
function object.new(keeper)
  return setmetatable({ keeper = keeper, is_closed = false }, Journal)
end

return object
