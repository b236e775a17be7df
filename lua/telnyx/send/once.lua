--- At most once across calls: a message that is sent under a key is recorded
--- before the wire and after it, and never posted again under that key.
---
--- A record is one of a row of slots, "1:key", "2:key", "3:key" …: a slot that ended
--- without a message is left behind and the next one claimed, so that what never
--- left the machine can be tried again, and of two who try at once one is told
--- "exists". "0:key" holds a hint: below that number all slots are left behind.

local json = require("cjson.safe").new()
local errors = require("telnyx.errors")

local once = {}

local MAX_SLOTS = 10000

local function slot_name(key, n)
  return ("%d:"):format(n) .. key
end

-- Lua 5.3 and later.
local to_integer = rawget(math, "tointeger") or function(value) return value end

-- lua-cjson makes a float of every number.
local function whole_numbers(value)
  if type(value) == "number" and value % 1 == 0 and math.abs(value) < 2 ^ 53 then
    return to_integer(value)
  end
  if type(value) ~= "table" then return value end
  for key, item in pairs(value) do value[key] = whole_numbers(item) end
  return value
end

-- What cannot be read counts as begun: then nothing is posted.
local function read(store, name)
  local ok, text = pcall(store.get, store, name)
  if not ok or type(text) ~= "string" then return { state = "begun" } end
  local record = whole_numbers(json.decode(text))
  if type(record) ~= "table" then return { state = "begun" } end
  local has_all = record.state == "accepted" and record.message and record.info
    or record.state == "rejected" and record.err or record.state == "free"
  if not has_all then record.state = "begun" end
  return record
end

local function sum(total, text)
  for i = 1, #text do total = (total * 31 + text:byte(i)) % 2147483629 end
  return total
end

local FINGERPRINTED = { "to", "from", "messaging_profile_id", "subject", "text" }

---Tells one message from another, for who uses a key twice by mistake.
---@param message table
---@return string
function once.fingerprint(message)
  local total = 7
  for _, field in ipairs(FINGERPRINTED) do
    total = sum(total, field .. "=" .. tostring(message[field] or "") .. "\n")
  end
  for _, url in ipairs(message.media_urls or {}) do total = sum(total, url .. "\n") end
  return ("%.0f"):format(total)
end

---@class telnyx.claim
---@field key string
---@field slot string|nil the slot that is ours to use: the caller may post
---@field print string the message's fingerprint
---@field message table|nil of an earlier send that was accepted
---@field info table|nil
---@field err table|nil why nothing may be posted
---@field is_recorded boolean|nil message, info or err are of an earlier send

local function unresolved(key)
  return { key = key, is_recorded = true, err = {
    outcome = "unknown", kind = "protocol", retryable = false, key = key,
    cause = "the request of an earlier send under this key has not been settled:"
      .. " see client:resolve",
  } }
end

local function failed_store(key, why)
  return { key = key, err = {
    outcome = "not_sent", kind = "connection", retryable = false, key = key,
    cause = "the store of keys failed: " .. tostring(why),
    advice = "Mend the store of keys; nothing was sent.",
  } }
end

local function other_message(key)
  local err = errors.invalid({ code = "10015",
    detail = ("the key %q was used for another message"):format(key) })
  err.key = key
  return { key = key, err = err }
end

local function replay(record, key, print)
  if record.print and record.print ~= print then return other_message(key) end
  if record.state == "begun" then return unresolved(key) end
  return { key = key, is_recorded = true, message = record.message, info = record.info,
    err = record.err }
end

local function first_slot(store, key)
  local ok, hint = pcall(store.get, store, slot_name(key, 0))
  return ok and tonumber(hint) or 1
end

-- Only a hint: without it the slots are gone through from the first.
local function leave_behind(store, key, n)
  pcall(store.set, store, slot_name(key, 0), tostring(n))
end

---Claims the key: the caller may post if, and only if, the claim has a slot.
---@param store telnyx.store
---@param key string
---@param print string
---@return telnyx.claim
function once.claim(store, key, print)
  local n = first_slot(store, key)
  while n <= MAX_SLOTS do
    local slot = slot_name(key, n)
    local intent = json.encode({ state = "begun", print = print })
    local ok, added, why = pcall(store.add, store, slot, intent)
    if not ok then return failed_store(key, added) end
    if added then return { key = key, slot = slot, print = print } end
    if why ~= "exists" then return failed_store(key, why) end
    local record = read(store, slot)
    if record.state ~= "free" then return replay(record, key, print) end
    n = n + 1
    leave_behind(store, key, n)
  end
  return failed_store(key, "the key was tried " .. MAX_SLOTS .. " times")
end

-- Refusals that are about the moment, not the message: its key stays free.
local PASSING_CLASS = { credentials = true, account = true, rate = true }

local function state_of(message, result)
  if message then return "accepted" end
  if result.outcome == "not_sent" then return "free" end
  if result.outcome ~= "rejected" then return "begun" end
  local is_passing = result.retryable or result.status == 401 or result.status == 402
    or result.status == 429 or PASSING_CLASS[result.class]
  return is_passing and "free" or "rejected"
end

local function write(store, slot, record)
  local text, why = json.encode(record)
  if not text then return why end
  local ok, set, set_why = pcall(store.set, store, slot, text)
  if not ok then return tostring(set) end
  return not set and tostring(set_why) or nil
end

---Records what became of a claim. An outcome is never lost for a store that fails.
---@param store telnyx.store
---@param claim telnyx.claim
---@param message table|nil
---@param result table info or err
---@return string|nil why it could not be recorded: then the key stays unresolved
function once.settle(store, claim, message, result)
  local state = state_of(message, result)
  local record = { state = state, print = claim.print, message = message }
  if state == "begun" then return nil end
  if state == "accepted" then
    record.info = { outcome = "accepted", status = result.status, request_id = result.request_id }
  elseif state == "rejected" then
    record.err = {
      outcome = "rejected", kind = result.kind, retryable = false, errors = result.errors,
      status = result.status, request_id = result.request_id, cause = result.cause,
    }
  end
  return write(store, claim.slot, record)
end

local function last_slot(store, key)
  local n = first_slot(store, key)
  while store:get(slot_name(key, n + 1)) ~= nil do n = n + 1 end
  return slot_name(key, n)
end

---Settles a key from outside, for example by what a webhook told.
---@param store telnyx.store
---@param key string
---@param message table|nil the message that was sent; nil: none was
---@return true|nil
---@return string|nil why
function once.resolve(store, key, message)
  local slot = last_slot(store, key)
  if store:get(slot) == nil then return nil, "nothing was sent under this key" end
  local record = read(store, slot)
  if record.state == "accepted" and not message then
    return nil, "a message was accepted under this key"
  end
  local settled = message
    and { state = "accepted", message = message, info = { outcome = "accepted" } }
    or { state = "free" }
  settled.print = record.print
  local why = write(store, slot, settled)
  if why then return nil, why end
  return true
end

return once
