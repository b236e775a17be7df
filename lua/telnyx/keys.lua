--- At most once across calls: a message that is sent under a key is recorded
--- before the wire and after it, and never posted again under that key.
---
--- A record is one of a row of slots, "1:key", "2:key", "3:key" …: a slot that ended
--- as not sent is left behind and the next one claimed, so that what never left the
--- machine can be tried again, and of two who try at once one is told "exists".

local json = require("cjson.safe").new()

local keys = {}

local function slot_name(key, n)
  return ("%d:"):format(n) .. key
end

local function read(store, name)
  local text = store:get(name)
  local record = type(text) == "string" and json.decode(text) or nil
  return type(record) == "table" and record or { state = "begun" }
end

local function unresolved(name)
  return {
    outcome = "unknown",
    kind = "protocol",
    retryable = false,
    key = name,
    cause = "an earlier send under this key has not been settled: see client:resolve",
  }
end

local function failed_store(why)
  return {
    outcome = "not_sent",
    kind = "connection",
    retryable = false,
    cause = "the store of keys failed: " .. tostring(why),
  }
end

---@class telnyx.claim
---@field name string|nil the slot that is ours to use
---@field message table|nil of an earlier send that was accepted
---@field info table|nil
---@field err table|nil why nothing may be posted

local function replay(record, name)
  if record.state == "accepted" then
    return { message = record.message, info = record.info }
  elseif record.state == "rejected" then
    return { err = record.err }
  end
  return { err = unresolved(name) }
end

---Claims the key: the caller may post if, and only if, the claim has a name.
---@param store telnyx.store
---@param key string
---@return telnyx.claim
function keys.claim(store, key)
  local n = 1
  while true do
    local name = slot_name(key, n)
    local added, why = store:add(name, '{"state":"begun"}')
    if added then return { name = name } end
    if why ~= "exists" then return { err = failed_store(why) } end
    local record = read(store, name)
    if record.state ~= "not_sent" then return replay(record, name) end
    n = n + 1
  end
end

local STATE_OF = { accepted = "accepted", rejected = "rejected", not_sent = "not_sent" }

-- What a later caller needs to know; nulls and functions do not survive JSON.
local function record_of(message, result)
  if message then
    return { state = "accepted", message = message,
      info = { outcome = "accepted", status = result.status, request_id = result.request_id } }
  end
  local state = STATE_OF[result.outcome] or "begun"
  return { state = state, err = {
    outcome = result.outcome, kind = result.kind, retryable = false, errors = result.errors,
    status = result.status, request_id = result.request_id, cause = result.cause,
  } }
end

---Records what became of a claim. An outcome is never lost for a store that fails.
---@param store telnyx.store
---@param name string
---@param message table|nil
---@param result table info or err
---@return string|nil why it could not be recorded: then the key stays unresolved
function keys.settle(store, name, message, result)
  local record = record_of(message, result)
  if record.state == "begun" then return nil end
  local text, why = json.encode(record)
  if not text then return why end
  local ok, set, set_why = pcall(store.set, store, name, text)
  if not ok then return tostring(set) end
  if not set then return tostring(set_why) end
  return nil
end

local function last_slot(store, key)
  local n = 1
  while store:get(slot_name(key, n + 1)) ~= nil do n = n + 1 end
  return slot_name(key, n)
end

---Settles a key from outside, for example by what a webhook told.
---@param store telnyx.store
---@param key string
---@param message table|nil the message that was sent; nil: none was
---@return true|nil
---@return string|nil why
function keys.resolve(store, key, message)
  local name = last_slot(store, key)
  if store:get(name) == nil then return nil, "nothing was sent under this key" end
  local result = message and { status = 200 } or { outcome = "not_sent" }
  local why = keys.settle(store, name, message, result)
  if why then return nil, why end
  return true
end

return keys
