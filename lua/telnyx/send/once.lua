--- At most once across calls: a message that is sent under a key is claimed in a
--- journal before the wire, and its outcome recorded there after it. What was never
--- posted is given back; nothing else is ever posted again under that key.

local core = require("telnyx.core")
local errors = require("telnyx.errors")
local interrupt = require("telnyx.interrupt")
local json = require("cjson.safe").new()
local machine = require("telnyx.journal.machine")
local moments = require("telnyx.moments")
local rules = require("telnyx.rules")
local tables = require("telnyx.tables")

local once = {}

-- A claim is taken for broken off when this much more than its deadline has passed: clocks of two
-- machines differ, and who was held up may still be about to record what became of it.
local MARGIN_S = 30

---@class telnyx.entry one message under its key
---@field key string
---@field digest string of the bytes that are posted
---@field to string|nil
---@field claim string|false ours, while the row may be
---@field forks integer|nil of the process that claimed it
---@field is_begun boolean|nil what was taken from an outbox is a send by now, which gives it back
---@field unreleased string|nil a claim that may not have been given back
---@field unwritten telnyx.unwritten|nil what the journal could not be told
---@field due_after (fun(entry: telnyx.entry, result: table): number|nil)|nil an outbox's: seconds
---until a row that is given back is due again; nil: as it was

---@class telnyx.unwritten
---@field method "release"|"finish"
---@field change table

---What a job has been told instead of posting.
---@class telnyx.told
---@field is_recorded boolean|nil it is what an earlier send was told
---@field message table|nil
---@field info table|nil
---@field err table|nil

-- What a journal can keep as a word.
local function fit_id(id)
  local fits = type(id) == "string" and #id >= 1 and #id <= 255
    and not id:find("\0", 1, true) and core.is_utf8(id)
  return fits and id or nil
end

---@param key string
---@param body string as it is posted
---@param to any
---@return telnyx.entry
function once.entry(key, body, to)
  return { key = key, digest = core.digest(body), to = fit_id(to), claim = false }
end

-- Records ----------------------------------------------------------------------------

local function decode(text)
  local record = text and tables.whole_numbers(json.decode(text))
  return type(record) == "table" and record or {}
end

-- A journal may keep no more than the id and the status; of a reply that was cut there is nothing
-- but the error, until somebody has settled it with the id.
local function accepted(row)
  local record = decode(row.result)
  if record.err and not row.message_id then
    record.err.outcome, record.err.retryable = "accepted", false
    return { is_recorded = true, err = record.err }
  end
  return {
    is_recorded = true,
    message = record.message or { id = row.message_id },
    info = record.info or { outcome = "accepted", status = row.status },
  }
end

local function rejected(row)
  local err = decode(row.result).err or { kind = "api", status = row.status,
    errors = row.code and { { code = row.code } } or nil }
  err.outcome, err.retryable = "rejected", false
  return { is_recorded = true, err = err }
end

local RECORDED_OF_ERROR = { "kind", "errors", "status", "request_id", "cause" }

-- A service may answer in bytes of any kind; what no journal takes must not cost the outcome.
local function fit_text(text)
  return text and not core.is_utf8(text) and text:gsub("[\128-\255]", "?") or text
end

local function fit_status(status)
  return type(status) == "number" and status % 1 == 0 and status or nil
end

local function record_of(message, result)
  if message then
    return fit_text(json.encode({ message = message, info = {
      outcome = "accepted", status = result.status, request_id = result.request_id } }))
  end
  local err = {}
  for _, name in ipairs(RECORDED_OF_ERROR) do err[name] = result[name] end
  return fit_text(json.encode({ err = err }))
end

-- Words -------------------------------------------------------------------------------

local UNITS = { { 172800, 86400, "days" }, { 7200, 3600, "hours" }, { 120, 60, "minutes" } }

local function count(n, unit)
  local text = ("%.0f"):format(n)
  return ("%s %s"):format(text, text == "1" and unit:sub(1, -2) or unit)
end

local function span(seconds)
  for _, unit in ipairs(UNITS) do
    if seconds >= unit[1] then return count(seconds / unit[2], unit[3]) end
  end
  return seconds < 1 and "less than a second" or count(seconds, "seconds")
end

-- Where and when, as far as it is known.
local function circumstances(row, now, time)
  local since = row.claimed_at and time:format(span(now - row.claimed_at))
  return (since and " " .. since or "") .. (row.owner and " by " .. row.owner or "")
end

local function told(key, fields)
  fields.retryable, fields.key = false, key
  return { err = fields }
end

local function in_flight(row, now)
  local left_s = row.expires and row.expires - now or 0
  return told(row.key, { outcome = "unknown", kind = "protocol", state = "sending",
    cause = "the request of another send under this key is under way"
      .. circumstances(row, now, "for %s") .. ": ask again when it has ended"
      .. (left_s > 0 and (", in %s at the latest"):format(span(left_s)) or "") })
end

local function unsettled(row, now)
  local result = told(row.key, { outcome = "unknown", kind = "protocol", state = "unknown",
    cause = "the request of an earlier send under this key, begun"
      .. circumstances(row, now, "%s ago") .. ", has not been settled: see client:settle" })
  result.is_recorded = true
  return result
end

local function failed(key, why)
  local result = told(key, { outcome = "not_sent", kind = "connection",
    cause = "the journal failed: " .. tostring(why),
    advice = "Mend the journal; nothing was sent." })
  result.err.retryable = true
  return result
end

---The error for another message than the one that the key has been used for.
---@param key string
---@param state string of that one's row
---@return telnyx.told
function once.other_message(key, state)
  local err = errors.invalid(rules.violation("key_used",
    ("the key %q was used for another message"):format(key)))
  err.key, err.state = key, state
  return { err = err }
end

-- Asking ------------------------------------------------------------------------------

-- A journal of the user's own may raise, and so may a host's hook in any.
local function ask(journal, method, ...)
  local ok, first, second = pcall(journal[method], journal, ...)
  if ok then return first, second end
  interrupt.pass_on(first)
  return nil, tostring(first)
end

-- What names its claim changes a row once, however often it is said. Who has waited long for an
-- answer does not wait as long again.
local LONG_S = 3

local function ask_twice(journal, method, change)
  local began_at = core.monotonic()
  local done, why = ask(journal, method, change)
  if done == nil and core.monotonic() - began_at < LONG_S then
    done, why = ask(journal, method, change)
  end
  return done, why
end

---Tells a journal once more what it could not be told.
---@param journal telnyx.journal
---@param unwritten telnyx.unwritten
---@return boolean is_told or there is nothing more to tell
function once.write_again(journal, unwritten)
  unwritten.change.now = core.now()
  return (ask(journal, unwritten.method, unwritten.change)) ~= nil
end

-- A child inherits what its parent has under way, but it is the parent who sends and records it.
local function own_claim(entry)
  return entry.forks == core.forks() and entry.claim or nil
end

---Gives the key back, under which nothing was posted that may have become a message.
---@param journal telnyx.journal
---@param entry telnyx.entry
---@param due_after_s number|nil when an outbox's row is due again; nil: as before
---@return string|nil why it could not be: then it will be taken for unknown
function once.give_back(journal, entry, due_after_s)
  local claim, done, why = own_claim(entry), true, nil
  if claim then
    local now = core.now()
    local change = { key = entry.key, claim = claim, now = now,
      due = due_after_s and now + due_after_s or nil }
    done, why = ask_twice(journal, "release", change)
    entry.unwritten = done == nil and { method = "release", change = change } or nil
  end
  entry.unreleased = done == nil and claim or nil
  entry.claim = false -- not before: whatever ends this here, abandons the claim
  if done == nil then return tostring(why) end
  return not done and "its claim had been given up already" or nil
end

-- Before the wire ---------------------------------------------------------------------

-- Nobody will record what became of a send that was broken off.
local function is_broken_off(row, now)
  return row.state == "sending" and (row.expires or 0) < now
end

local function told_by(journal, row, entry, now)
  local is_same = row.digest == entry.digest
  if row.state == "free" and (is_same or not machine.is_kept(row)) then return nil end
  if not is_same then return once.other_message(entry.key, row.state) end
  if row.state == "queued" then return nil end
  if row.state == "accepted" then return accepted(row) end
  if row.state == "rejected" then return rejected(row) end
  if row.state == "sending" and not is_broken_off(row, now) then return in_flight(row, now) end
  ask(journal, "reap", { now = now, key = row.key })
  return unsettled(row, now)
end

---What is known under the key already: then no turn need be waited for.
---@param journal telnyx.journal
---@param entry telnyx.entry
---@return telnyx.told|nil nil when it may be tried
function once.look(journal, entry)
  local row, why = ask(journal, "get", entry.key)
  if row == nil then return failed(entry.key, why) end
  if row then return told_by(journal, row, entry, core.now()) end
end

---Whether this very message waits under the key, or was posted under it.
---@param journal telnyx.journal
---@param entry telnyx.entry
---@return boolean
function once.is_taken(journal, entry)
  local row = ask(journal, "get", entry.key)
  return row and row.digest == entry.digest and row.state ~= "free" or false
end

-- Where it could not be given back for a pause, and nobody has taken it for lost.
local function is_still_ours(row, entry)
  return entry.unreleased ~= nil and row.state == "sending" and row.claim == entry.unreleased
end

---Claims the key: when nothing is told, the caller may post, until `left_s` from now.
---@param journal telnyx.journal
---@param entry telnyx.entry
---@param left_s number
---@return telnyx.told|nil
function once.claim(journal, entry, left_s)
  local now = core.now()
  entry.claim, entry.forks = core.new_claim(), core.forks()
  local is_ours, row = ask(journal, "claim", {
    key = entry.key, digest = entry.digest, to = entry.to, claim = entry.claim,
    owner = core.process(), now = now, expires = now + left_s + MARGIN_S,
  })
  if is_ours then return nil end
  if is_ours == nil then -- it may have been written all the same
    once.give_back(journal, entry)
    return failed(entry.key, row)
  end
  entry.claim = is_still_ours(row, entry) and row.claim or false
  if entry.claim then return nil end
  return told_by(journal, row, entry, now) or told(entry.key, { outcome = "not_sent",
    kind = "connection", cause = "another send under this key ended just now",
    advice = "Send it again." })
end

-- After it ----------------------------------------------------------------------------

-- Refusals that are about the moment, not the message: its key stays free. So it does where it was
-- not the service that refused, but a proxy, say, or what is at another base_url.
local PASSING_CLASS = { credentials = true, account = true, rate = true }

-- Nobody knows whether they will ever want it again: what waits for them has an end.
local OPTED_OUT = "opted_out"

---Whether it seems that it was not the service's address for messages that answered: a proxy's
---page, or the service's own word that there is nothing at this path.
---@param result table
---@return boolean
function once.is_elsewhere(result)
  return result.kind == "protocol" or result.status == 404 and result.code == "10005"
end

---What a journal will say of it.
---@param message table|nil
---@param result table
---@return "accepted"|"rejected"|"unknown"|nil state nil: the key is free, or its row waits again
function once.state_of(message, result)
  if message or result.outcome == "accepted" then return "accepted" end
  if result.rule == OPTED_OUT and result.outcome == "not_sent" then return "rejected" end
  if result.outcome == "not_sent" then return nil end
  if result.outcome ~= "rejected" then return "unknown" end
  local is_passing = once.is_elsewhere(result) or result.retryable or result.status == 401
    or result.status == 402 or result.status == 429 or PASSING_CLASS[result.class]
  return not is_passing and "rejected" or nil
end

-- Whether it is known by now that a message was accepted: by a webhook, say, that came before.
local function is_known(journal, key, id)
  local known = ask(journal, "get", key)
  return known and known.state == "accepted" and known.message_id == id or false
end

---Records what became of a claim. An outcome is never lost for a journal that fails.
---@param journal telnyx.journal
---@param entry telnyx.entry
---@param message table|nil
---@param result table info or err
---@return string|nil why it could not be recorded: then it will be taken for unknown
function once.settle(journal, entry, message, result)
  local state = once.state_of(message, result)
  if not state then
    return once.give_back(journal, entry, entry.due_after and entry.due_after(entry, result))
  end
  local claim, done, why = own_claim(entry), true, nil
  if claim then
    local change = {
      key = entry.key, claim = claim, state = state, now = core.now(),
      message_id = message and fit_id(message.id), status = fit_status(result.status),
      code = fit_id(result.code), result = record_of(message, result),
    }
    done, why = ask_twice(journal, "finish", change)
    entry.unwritten = done == nil and { method = "finish", change = change } or nil
  end
  entry.claim = false
  if done == nil then return tostring(why) end
  if done or message and is_known(journal, entry.key, message.id) then return nil end
  return "another has settled it meanwhile"
end

-- From outside ------------------------------------------------------------------------

local function settle_accepted(journal, row, message, by)
  local result = json.encode({ message = message, info = { outcome = "accepted" } })
  local done, why = ask(journal, "settle", { key = row.key, state = "accepted", by = by,
    now = core.now(), message_id = message.id, result = result })
  if done then return true end
  if done == nil then return nil, tostring(why), true end
  -- Its own sender may have said the same just now.
  if is_known(journal, row.key, message.id) then return true end
  return nil, "the key was settled meanwhile"
end

local function settle_unsent(journal, row, word, by)
  local done, why = ask(journal, "resend", { key = row.key, claim = row.claim, by = by,
    now = core.now(), is_withdrawn = word == "withdrawn" or nil })
  if done then return true end
  return nil, done == nil and tostring(why) or "the key was settled meanwhile", done == nil
end

-- Somebody may have said that it was not, and a webhook say now that it was.
local function may_have_been_sent(row)
  return row.state == "sending" or row.tries > 0 and (row.state == "free" or row.state == "queued")
end

-- The service's clock and ours hardly differ by so much.
local CLOCKS_S = 86400

-- A key that was forgotten is new, and a webhook of what was sent under it then may come yet.
local function is_older(row, message)
  local received_at = message.received_at
  local moment = type(received_at) == "string" and moments.parse(received_at)
  return moment and row.created_at and moment < row.created_at - CLOCKS_S
end

-- Whether the service's message, a webhook's for example, is to the row's recipient, and ours.
local function is_of(row, message)
  if message.direction == "inbound" then return nil, "it is a message that came in" end
  if is_older(row, message) then
    return nil, "it is a message from before this key was used: " .. message.received_at
  end
  local to = message.to
  if type(to) == "string" then to = { { phone_number = to } } end
  if type(to) ~= "table" or not row.to then return true end
  for _, one in pairs(to) do
    local number = type(one) == "table" and one.phone_number
    if number == row.to then return true end
    if type(number) == "string" then to = number end
  end
  if type(to) == "table" then return true end -- it says nothing of it
  return nil, ("it is a message to %s, and not to %s"):format(to, row.to)
end

-- A key may have been used in another journal, or forgotten and used again.
local OTHER_CLAIM = "it was posted by another claim than this journal's: another journal has the"
  .. " same key, or had it"

local KNOWN = {
  free = "nothing that was sent under this key can have become a message: it is free",
  queued = "the message of this key has not been sent yet",
  sending = "a send under this key is still under way",
  rejected = "the service refused the message of this key: send under another",
}

---Settles a key from outside, for example by what a webhook told, which may overtake the reply.
---What is known stays.
---@param journal telnyx.journal
---@param key string
---@param what table|"not_sent"|"withdrawn" the message that was sent; or that none was, and whether
---an outbox is to send it
---@param by string|nil who says so; default "caller"
---@param claim string|nil by which the message was posted, where that is known
---@return true|nil
---@return string|nil why
---@return boolean|nil is_failure of the journal
function once.resolve(journal, key, what, by, claim)
  by = by or "caller"
  local message = type(what) == "table" and what
  local now = core.now()
  local row, why = ask(journal, "get", key)
  if row == nil then return nil, tostring(why), true end
  if not row then return nil, "this journal knows no such key" end
  if message then
    local is_so
    is_so, why = is_of(row, message)
    if not is_so then return nil, why end
    if claim and not machine.is_claim_of(row, claim) then return nil, OTHER_CLAIM end
  end
  if row.state == "accepted" then
    if message and not row.message_id then return settle_accepted(journal, row, what, by) end
    if message and message.id == row.message_id then return true end
    return nil, "a message was accepted under this key"
      .. (row.message_id and ": " .. row.message_id or "")
  end
  if is_broken_off(row, now) then
    ask(journal, "reap", { now = now, key = key })
  elseif row.state ~= "unknown" and not (message and may_have_been_sent(row)) then
    return nil, KNOWN[row.state]
  end
  return (message and settle_accepted or settle_unsent)(journal, row, what, by)
end

return once
