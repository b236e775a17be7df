--- What is known of a message by all that was told of it. Webhooks come in any order, some twice
--- and some never; the state keeps each of them once, sorted, and all else in it follows from
--- these. So it is the same however they came.

local status = require("telnyx.after.status")

local reduce = {}

-- One event ---------------------------------------------------------------------------------------

local function text_of(value) return type(value) == "string" and value or nil end

-- A table of JSON may have a number where a page of the service has text.
local function word_of(value)
  if type(value) == "number" then return ("%.14g"):format(value) end
  return text_of(value)
end

local function errors_of(list)
  local own = {}
  for _, one in ipairs(type(list) == "table" and list or {}) do
    if type(one) == "table" then
      own[#own + 1] = { code = word_of(one.code), title = text_of(one.title),
        detail = text_of(one.detail) }
    else
      own[#own + 1] = { code = word_of(one) }
    end
  end
  return #own > 0 and own or nil
end

local function cost_of(cost)
  if type(cost) ~= "table" or not word_of(cost.amount) then return nil end
  return { amount = word_of(cost.amount), currency = text_of(cost.currency) }
end

-- The service has milliseconds, and a state may be kept as text.
local function milliseconds_of(at)
  return at and math.floor(at * 1000 + 0.5) / 1000
end

-- Who follows a link is no addressee more.
local function clicked(entry, event)
  local data = type(event.raw) == "table" and event.raw.data
  if type(data) ~= "table" then return end
  entry.url, entry.by = text_of(data.url), text_of(data.to)
end

-- What is kept of it.
local function entry_of(event)
  local message = type(event.message) == "table" and event.message or {}
  local entry = {
    id = event.id, type = event.type, kind = event.kind, direction = event.direction,
    status = event.status, at = milliseconds_of(event.at), key = event.key, claim = event.claim,
    to = status.addressees(message.to), errors = errors_of(message.errors),
    cost = cost_of(message.cost),
  }
  if event.kind == "link_clicked" then clicked(entry, event) end
  return entry
end

-- The order of events ---------------------------------------------------------------------------

-- A value as text, the same for all that are the same.
local function written(value)
  if type(value) == "number" then return ("%.3f"):format(value) end
  if type(value) == "string" then return ("%d:%s"):format(#value, value) end
  if type(value) ~= "table" then return tostring(value) end
  local names, parts = {}, {}
  for name in pairs(value) do names[#names + 1] = name end
  table.sort(names, function(one, other) return tostring(one) < tostring(other) end)
  for i, name in ipairs(names) do parts[i] = tostring(name) .. "=" .. written(value[name]) end
  return "{" .. table.concat(parts, ",") .. "}"
end

-- All it says but its reference: that may be of the URL to which this copy of it came.
local function without_reference(entry)
  local told = {}
  for name, value in pairs(entry) do told[name] = value end
  told.key, told.claim = nil, nil
  return told
end

-- By what an event is told from another: without an id, by all it says.
local function identity_of(entry)
  return entry.id and "id " .. entry.id or "of " .. written(without_reference(entry))
end

local function rank_of(entry) return status.rank(entry.status, entry.kind == "finalized") end

local BEFORE_ALL = -math.huge

-- A copy that came later may tell more.
local function tells_more(one, other)
  local rank, other_rank = rank_of(one), rank_of(other)
  if rank ~= other_rank then return rank > other_rank end
  local at, other_at = one.at or BEFORE_ALL, other.at or BEFORE_ALL
  if at ~= other_at then return at > other_at end
  return written(without_reference(one)) < written(without_reference(other))
end

local function reference_of(entry)
  return entry.key and written({ entry.key, entry.claim }) or "~" -- behind all that are written
end

-- Two copies of an event in one, the same for whichever came first.
local function joined(one, other)
  local best = tells_more(other, one) and other or one
  local named = reference_of(other) < reference_of(one) and other or one
  if reference_of(named) == reference_of(best) then return best end
  local own = without_reference(best)
  own.key, own.claim = named.key, named.claim
  return own
end

-- By time; in the same millisecond by how far the message is, and then in some order.
local function is_earlier(one, other, identities)
  local at, other_at = one.at or BEFORE_ALL, other.at or BEFORE_ALL
  if at ~= other_at then return at < other_at end
  local rank, other_rank = rank_of(one), rank_of(other)
  if rank ~= other_rank then return rank < other_rank end
  return identities[one] < identities[other]
end

local function with(timeline, entry)
  local own, identities, is_news = {}, {}, true
  local identity = identity_of(entry)
  for i, one in ipairs(timeline) do
    local its = identity_of(one)
    if its == identity then one, is_news = joined(one, entry), false end
    own[i], identities[one] = one, its
  end
  if is_news then own[#own + 1], identities[entry] = entry, identity end
  table.sort(own, function(one, other) return is_earlier(one, other, identities) end)
  return own, is_news
end

-- What follows from them ------------------------------------------------------------------------

-- Who has read it has it: that is no other end.
local function is_same_end(word, other)
  return word == other or (word == "delivered" and other == "read")
    or (word == "read" and other == "delivered")
end

-- An addressee's status after one event more; they come sorted.
local function advance(addressee, word, rank, entry)
  local is_end = status.is_final(rank) and status.is_final(addressee.rank)
  if is_end and not is_same_end(addressee.status, word) then addressee.is_revised = true end
  if rank < addressee.rank then return end
  if word == addressee.status and rank == addressee.rank then
    if not addressee.entry.errors then addressee.entry = entry end
    return
  end
  if is_end and addressee.status == "read" and word == "delivered" then return end
  addressee.status, addressee.rank, addressee.at = word, rank, entry.at
  addressee.entry = entry
end

-- Those of a message, in the order of their numbers.
local function addressees_of(timeline)
  local list, by_name = {}, {}
  for _, entry in ipairs(timeline) do
    for i, one in ipairs(entry.to) do
      local name = one.phone_number or ("#%03d"):format(i)
      local own = by_name[name]
      if not own then
        own = { name = name, phone_number = one.phone_number, rank = 0 }
        by_name[name], list[#list + 1] = own, own
      end
      local rank = status.rank(one.status, entry.kind == "finalized")
      if rank > 0 then advance(own, one.status, rank, entry) end
    end
  end
  table.sort(list, function(one, other) return one.name < other.name end)
  return list
end

-- The first that an event has of it.
local function first_of(timeline, name)
  for _, entry in ipairs(timeline) do
    if entry[name] ~= nil then return entry[name], entry end
  end
end

-- Errors are of the events by which the message stands as it does, and of no others.
local function errors_by(list)
  local errors, is_seen = {}, {}
  for _, one in ipairs(list) do
    if one.entry and not is_seen[one.entry] then
      is_seen[one.entry] = true
      for _, err in ipairs(one.entry.errors or {}) do errors[#errors + 1] = err end
    end
  end
  return #errors > 0 and errors or nil
end

-- It is null at first, and final in the last.
local function cost_by(timeline)
  local cost, rank = nil, -1
  for _, entry in ipairs(timeline) do
    if entry.cost and rank_of(entry) >= rank then cost, rank = entry.cost, rank_of(entry) end
  end
  return cost
end

local function outbound(state, list)
  local is_revised = nil
  for _, one in ipairs(list) do is_revised = is_revised or one.is_revised end
  state.status, state.is_final, state.status_at = status.whole(list)
  state.revised = is_revised
end

-- What came in is here: its addressees' statuses tell how far the service is with telling us.
local function inbound(state)
  local word, entry = first_of(state.timeline, "status")
  state.status, state.is_final = word, word ~= nil
  state.status_at = entry and entry.at
end

local function state_of(timeline, message_id)
  local list, to = addressees_of(timeline), {}
  for i, one in ipairs(list) do to[i] = { phone_number = one.phone_number, status = one.status } end
  local key, named = first_of(timeline, "key")
  local state = {
    message_id = message_id, direction = first_of(timeline, "direction"), to = to,
    errors = errors_by(list), cost = cost_by(timeline), key = key, claim = named and named.claim,
    timeline = timeline,
  }
  if state.direction == "inbound" then inbound(state) else outbound(state, list) end
  return state
end

local function change_of(before, state, is_news)
  local is_changed = state.status ~= before.status
  return {
    is_news = is_news, was = before.status, status = state.status, is_changed = is_changed,
    is_final = state.is_final,
    is_revised = state.revised == true and (not before.revised or is_changed),
  }
end

---Adds an event to what is known of its message. Neither argument is changed.
---@param state telnyx.webhook_state|nil nil: nothing is known yet
---@param event telnyx.event of this message
---@return telnyx.webhook_state
---@return telnyx.webhook_change
function reduce.reduce(state, event)
  if state ~= nil and (type(state) ~= "table" or type(state.timeline) ~= "table") then
    error("reduce expects a state that it returned, or nil", 2)
  end
  if type(event) ~= "table" or type(event.kind) ~= "string" then
    error("reduce expects an event, as parse returns it", 2)
  end
  local before = state or { timeline = {} }
  local message_id = before.message_id or event.message_id
  if event.message_id and event.message_id ~= message_id then
    error(("reduce expects an event of message %s, got one of %s"):format(message_id,
      event.message_id), 2)
  end
  local timeline, is_news = with(before.timeline, entry_of(event))
  local own = state_of(timeline, message_id)
  return own, change_of(before, own, is_news)
end

-- Waiting -----------------------------------------------------------------------------------------

-- Where a carrier gives no receipt, nothing is told any more. The service's own reports take the
-- last four hours for incomplete, and a message can be asked for by its id for ten days: three days
-- are far more than the one, and leave a week to ask.
local PATIENCE_S = 3 * 86400

-- So far ahead a message can be scheduled.
local SCHEDULED_S = 5 * 86400

---Whether more is to be expected of a message.
---@param state telnyx.webhook_state
---@param now number seconds since 1970
---@param patience_s number|nil seconds after its last status. Default: three days
---@return "final"|"waiting"|"given_up"
function reduce.waits(state, now, patience_s)
  if type(state) ~= "table" or type(state.timeline) ~= "table" then
    error("waits expects a state of reduce", 2)
  end
  if type(now) ~= "number" then error("waits expects seconds since 1970 for now", 2) end
  if patience_s ~= nil and not (type(patience_s) == "number" and patience_s >= 0) then
    error("waits expects a number of seconds from 0 up for its patience", 2)
  end
  if state.is_final then return "final" end
  local since = state.status_at
  if not since then
    for _, entry in ipairs(state.timeline) do since = entry.at or since end
  end
  if state.status == "scheduled" then since = since and since + SCHEDULED_S end
  local is_over = not since or now - since > (patience_s or PATIENCE_S)
  return is_over and "given_up" or "waiting"
end

return reduce
