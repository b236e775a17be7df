--- What the service remembers: its messages, and a ledger of how often each
-- was accepted. The real service takes the same message twice without a word;
-- so does this one, and the ledger is where it shows. The totals are exact;
-- of messages, and of rows in the ledger, only the newest are kept.

local Index = require("telnyx.sandbox.phones.index")
local json = require("telnyx.sandbox.json")
local Ring = require("telnyx.sandbox.ring")

-- Of a number that was never used with another.
local DEFAULT_PROFILE = "403195bd-8a0f-4c7e-9d1b-6f7a8b9c0d1e"

local Store = {}
Store.__index = Store

---@param keep integer how many messages, and how many rows
---@param on_kept fun(record: table)|nil is told of each message that is kept
---@return table store
function Store.new(keep, on_kept)
  local store = setmetatable({ keep = keep, on_kept = on_kept }, Store)
  store:reset()
  return store
end

---Forgets everything.
function Store:reset()
  self.posts, self.accepted = 0, 0
  self.index = Index.new()
  local index = self.index
  -- Both forget in the order in which the messages came.
  self.messages = Ring.new(self.keep, function(record)
    if record.seq then index:drop_through(record.seq) end
  end)
  self.rows = Ring.new(self.keep)
  self.strikes = Ring.new(self.keep)
  self.replies = Ring.new(self.keep)
  self.profiles = Ring.new(self.keep)
end

local function row_of(self, reference)
  local row = self.rows:get(reference)
  if not row then
    row = { posts = 0, accepted = 0 }
    self.rows:put(reference, row)
  end
  return row
end

---Counts a request under its reference, whatever becomes of it.
---@param reference string
function Store:seen(reference)
  local row = row_of(self, reference)
  row.posts = row.posts + 1
end

---@param record table
---@param reference string
function Store:accept(record, reference)
  local row = row_of(self, reference)
  row.accepted = row.accepted + 1
  self.accepted = self.accepted + 1
  self:keep_message(record)
end

---Keeps a message, posted or not. One that goes in pieces is nothing that a phone gets.
---@param record table
function Store:keep_message(record)
  self.messages:put(record.id, record)
  if record.is_parent then return end
  self.index:put(record)
  self.index:drop_through(record.seq - self.keep)
  if self.on_kept then self.on_kept(record) end
end

---A number belongs to the profile that it was last used with.
---@param number string
---@param profile string
function Store:assign(number, profile)
  self.profiles:put(number, profile)
end

---@param number string|nil
---@return string
function Store:profile_of(number)
  return number and self.profiles:get(number) or DEFAULT_PROFILE
end

---@param id string
---@return table|nil record
function Store:message(id)
  return self.messages:get(id)
end

---@param key string an idempotency key
---@return table|nil kept what was kept under it
function Store:reply(key)
  return self.replies:get(key)
end

---@param key string an idempotency key
---@param kept table
function Store:keep_reply(key, kept)
  self.replies:put(key, kept)
end

---How many times something has happened, this time included.
---@param key string
---@return integer
function Store:strike(key)
  local count = (self.strikes:get(key) or 0) + 1
  self.strikes:put(key, count)
  return count
end

-- A reader who counts rows must be able to see that some are missing.
local function dropped_rows(self)
  return self.rows.dropped > 0 and self.rows.dropped or nil
end

---A copy of the counts.
---@return telnyx.sandbox.ledger
function Store:ledger()
  local messages = {}
  for reference, row in pairs(self.rows.entries) do
    messages[reference] = { posts = row.posts, accepted = row.accepted }
  end
  return { posts = self.posts, accepted = self.accepted, messages = messages,
    dropped = dropped_rows(self) }
end

-- The references in order, with what was counted under each.
local function rows_json(rows)
  local references, members = {}, {}
  for reference in pairs(rows) do references[#references + 1] = reference end
  table.sort(references)
  for i, reference in ipairs(references) do
    local row = rows[reference]
    members[i] = { reference, json.object {
      { "posts", row.posts }, { "accepted", row.accepted },
    } }
  end
  return json.object(members)
end

---@return string the ledger as JSON
function Store:ledger_json()
  local members = {
    { "posts", self.posts },
    { "accepted", self.accepted },
    { "messages", rows_json(self.rows.entries) },
  }
  local dropped = dropped_rows(self)
  if dropped then members[4] = { "dropped", dropped } end
  return json.encode(json.object(members))
end

return Store
