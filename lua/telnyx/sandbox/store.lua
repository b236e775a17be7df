--- What the service remembers: its messages, and a ledger of how often each
-- was accepted. The real service takes the same message twice without a word;
-- so does this one, and the ledger is where it shows.

local json = require("telnyx.sandbox.json")

local Store = {}
Store.__index = Store

---@return table store
function Store.new()
  local store = setmetatable({ messages = {} }, Store)
  store:reset()
  return store
end

---Forgets the counts; the messages themselves can still be read.
function Store:reset()
  self.posts, self.accepted = 0, 0
  self.rows = {}
  self.strikes = {}
end

local function percent_decode(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

---The name under which a message is counted: `ref=` in the query of its
-- webhook_url, else its exact text, else its first media URL.
---@param fields table the decoded request
---@return string
function Store.reference(fields)
  local url, media = fields.webhook_url, fields.media_urls
  local ref = type(url) == "string" and url:match("[?&]ref=([^&#]*)")
  if ref then return percent_decode(ref) end
  if type(fields.text) == "string" then return fields.text end
  local first = type(media) == "table" and media[1]
  return type(first) == "string" and first or ""
end

---@param reference string
---@return { posts: integer, accepted: integer }
function Store:row(reference)
  local row = self.rows[reference]
  if not row then
    row = { posts = 0, accepted = 0 }
    self.rows[reference] = row
  end
  return row
end

---Counts a request under its reference, whatever becomes of it.
---@param reference string
function Store:seen(reference)
  local row = self:row(reference)
  row.posts = row.posts + 1
end

---@param record table
---@param reference string
function Store:accept(record, reference)
  local row = self:row(reference)
  row.accepted = row.accepted + 1
  self.accepted = self.accepted + 1
  self.messages[record.id] = record
end

---How many times something has happened, this time included.
---@param key string
---@return integer
function Store:strike(key)
  self.strikes[key] = (self.strikes[key] or 0) + 1
  return self.strikes[key]
end

---A copy of the counts.
---@return { posts: integer, accepted: integer, messages: table<string, table> }
function Store:ledger()
  local messages = {}
  for reference, row in pairs(self.rows) do
    messages[reference] = { posts = row.posts, accepted = row.accepted }
  end
  return { posts = self.posts, accepted = self.accepted, messages = messages }
end

---@return string JSON, with the references in order
function Store:ledger_json()
  local references, members = {}, {}
  for reference in pairs(self.rows) do references[#references + 1] = reference end
  table.sort(references)
  for i, reference in ipairs(references) do
    local row = self.rows[reference]
    members[i] = { reference, json.object {
      { "posts", row.posts }, { "accepted", row.accepted },
    } }
  end
  return json.encode(json.object {
    { "posts", self.posts },
    { "accepted", self.accepted },
    { "messages", json.object(members) },
  })
end

return Store
