--- Webhook events and opt-outs where rows are tables: more of what `telnyx.journal.rows` is asked.
--- Events are in a store as sends are. The rows of a recipient are a list that only grows, and so
--- are the profiles that an own number was told with:
---
---   lists:read(name) -> rows | nil, why
---   lists:change(name, step) -> true | false | nil, why   `step(rows)` gives an index and what is
---                                                         there now; on nil all stays as it is
---   lists:all() -> rows | nil, why                        of every name

local events = require("telnyx.journal.events")
local optouts = require("telnyx.journal.optouts")

local inbox = {}

-- Up to `limit` rows for which `is_wanted` holds; or nil, why.
local function chosen(all, why, limit, is_earlier, is_wanted)
  if not all then return nil, why end
  local list = {}
  for _, row in ipairs(all) do
    if is_wanted(row) then list[#list + 1] = row end
  end
  table.sort(list, is_earlier)
  for i = #list, limit + 1, -1 do list[i] = nil end
  return list
end

local function fit(store, given)
  if not store.fit then return given end
  return store.fit(given)
end

-- Events ----------------------------------------------------------------------------------------

function inbox:add_event(e)
  local own, why = fit(self.events_store, e)
  if not own then return nil, why end
  local is_done, change_why = self.events_store:change(own.id, function(row)
    if row then return nil end
    return { id = own.id, message_id = own.message_id, key = own.key, at = own.at,
      received_at = own.now, body = own.body }
  end)
  if is_done == nil then return nil, change_why end
  return is_done
end

function inbox:handled_event(e)
  local is_done, why = self.events_store:change(e.id, function(row)
    if not row or row.handled_at then return nil end
    local new = {}
    for name, value in pairs(row) do new[name] = value end
    new.handled_at = e.now
    return new
  end)
  if is_done == nil then return nil, why end
  return is_done
end

function inbox:unhandled_events(before, after, limit)
  local all, why = self.events_store:list()
  return chosen(all, why, limit, events.is_received_earlier, function(row)
    return events.is_waiting(row, before)
      and (not after or events.is_received_earlier(after, row))
  end)
end

function inbox:events(f)
  local all, why = self.events_store:list()
  return chosen(all, why, f.limit, events.is_earlier, function(row)
    return events.is_found(row, f)
  end)
end

---@return integer|nil how many
---@return string|nil why
function inbox:purge_events(before, limit)
  local function is_wanted(row) return events.is_purged(row, before) end
  local all, why = self.events_store:list()
  local old
  old, why = chosen(all, why, limit, events.is_received_earlier, is_wanted)
  if not old then return nil, why end
  local n = 0
  for _, row in ipairs(old) do
    local is_gone, gone_why = self.events_store:remove(row.id, is_wanted)
    if is_gone == nil then return nil, gone_why end
    if is_gone then n = n + 1 end
  end
  return n
end

-- Opt-outs --------------------------------------------------------------------------------------

-- Remembers that an own number is a profile's.
local function know(self, own, profile)
  return self.profiles:change(own, function(rows)
    for _, row in ipairs(rows) do
      if row.profile == profile then return nil end
    end
    return #rows + 1, { own = own, profile = profile }
  end)
end

function inbox:set_optout(s)
  local own, why = fit(self.numbers, s)
  if not own then return nil, why end
  if own.profile and own.own then
    local is_known
    is_known, why = know(self, own.own, own.profile)
    if is_known == nil then return nil, why end
  end
  local new = { number = own.number, profile = own.profile, own = own.own, is_out = own.is_out,
    keyword = own.keyword, at = own.at, known_at = own.now }
  return self.numbers:change(own.number, function(rows)
    for i, row in ipairs(rows) do
      if optouts.is_same(row, new) then
        if optouts.is_later(new, row) then return i, new end
        return nil
      end
    end
    return #rows + 1, new
  end)
end

-- Adds what is known of an own number; or nil, why.
local function learn(self, known, own)
  if not own or known[own] then return known end
  local rows, why = self.profiles:read(own)
  if not rows then return nil, why end
  known[own] = {}
  for _, row in ipairs(rows) do known[own][row.profile] = true end
  return known
end

-- The same of those that rows are of by themselves, and of another.
local function known_of(self, rows, own)
  local known, why = learn(self, {}, own)
  for _, row in ipairs(rows) do
    if known and not row.profile then known, why = learn(self, known, row.own) end
  end
  return known, why
end

function inbox:optout(asked)
  local rows, why = self.numbers:read(asked.number)
  if not rows then return nil, why end
  local known
  known, why = known_of(self, rows, asked.own)
  if not known then return nil, why end
  return optouts.found(rows, asked, known)
end

local function by_number(all)
  local lists = {}
  for _, row in ipairs(all) do
    lists[row.number] = lists[row.number] or {}
    table.insert(lists[row.number], row)
  end
  return lists
end

function inbox:optouts(f)
  local all, why = self.numbers:all()
  if not all then return nil, why end
  local known, lists
  known, why = known_of(self, all)
  if not known then return nil, why end
  lists = by_number(all)
  return chosen(all, nil, f.limit, optouts.is_before, function(row)
    return row.is_out and (not f.profile or row.profile == f.profile)
      and (not f.after or optouts.is_before(f.after, row))
      and not optouts.is_lifted(row, lists[row.number], known)
  end)
end

return inbox
