-- Compares the rows of a journal with the ledger of the service.

local list = require "spec.kills.list"

local books = {}

-- What must never be, in the order of the table.
books.CRIMES = {
  { "twice", "posted twice" },
  { "invented", "says accepted, but was not" },
  { "denied", "says rejected or free, but was accepted" },
  { "anothers", "says accepted, with another's id" },
  { "open", "says nothing of what became of it" },
  { "unlisted", "unknown, but not listed as unsettled" },
}

books.FATES = {
  { "accepted", "accepted" },
  { "rejected", "rejected" },
  { "unknown", "unknown" },
  { "unknown_accepted", "  of these, accepted" },
  { "unknown_refused", "  posted, but not accepted" },
  { "unknown_unsent", "  never posted" },
}

local SETTLED = { accepted = true, rejected = true, unknown = true }

-- Whoever began it is dead.
local function state_of(row)
  if not row then return nil end
  return row.state == "sending" and "unknown" or row.state
end

local function crime_of(i, row, posted, facts)
  local state = state_of(row)
  if posted.accepted > 1 or posted.posts > list.most_posts(i) then return "twice" end
  if state == "accepted" then
    if posted.accepted == 0 then return "invented" end
    if row.message_id and facts.text_of(row.message_id) ~= list.key(i) then return "anothers" end
  elseif posted.accepted > 0 and state ~= "unknown" then
    return "denied"
  end
  if not SETTLED[state] then return "open" end
  if state == "unknown" and not facts.is_unsettled[row.key] then return "unlisted" end
end

local function fate_of_unknown(posted)
  if posted.accepted > 0 then return "unknown_accepted" end
  return posted.posts > 0 and "unknown_refused" or "unknown_unsent"
end

local NOTHING = { posts = 0, accepted = 0 }

local function add(counts, what) if what then counts[what] = (counts[what] or 0) + 1 end end

---@class books.facts
---@field journal telnyx.journal
---@field posted table<string, { posts: integer, accepted: integer }> by text
---@field is_unsettled table<string, boolean> by key
---@field text_of fun(id: string): string|nil of a message that the service has

---Counts fates and crimes of the first so many messages.
---@param n_messages integer
---@param facts books.facts
---@return table<string, integer>
function books.count(n_messages, facts)
  local counts = {}
  for i = 1, n_messages do
    local row = facts.journal:get(list.key(i))
    assert(row ~= nil, "the journal cannot be read")
    local posted = facts.posted[list.key(i)] or NOTHING
    local state = state_of(row)
    add(counts, crime_of(i, row, posted, facts))
    add(counts, state)
    if state == "unknown" then add(counts, fate_of_unknown(posted)) end
  end
  return counts
end

---@param counts table<string, integer>
---@return integer
function books.n_crimes(counts)
  local n = 0
  for _, crime in ipairs(books.CRIMES) do n = n + (counts[crime[1]] or 0) end
  return n
end

return books
