--- A journal whose rows are tables: `telnyx.journal.machine` over a store, which changes a row as
--- one step that nobody else can come between.
---
---   store:get(key) -> row | false | nil, why
---   store:change(key, step) -> true | false, row | nil, why   to what `step(row | nil)` gives; on
---                                                             nil all stays as it is
---   store:remove(key, is_wanted) -> boolean | nil, why        if `is_wanted(row)`
---   store:list() -> rows | nil, why
---   store:close()

local inbox = require("telnyx.journal.inbox_rows")
local machine = require("telnyx.journal.machine")

local Rows = {}
Rows.__index = Rows

for name, method in pairs(inbox) do Rows[name] = method end

local function is_earlier(field, a, b)
  if a[field] ~= b[field] then return a[field] < b[field] end
  return a.key < b.key
end

-- Up to `limit` rows for which `is_wanted` holds, by a time; or nil, why.
local function chosen(self, field, limit, is_wanted)
  local all, why = self.store:list()
  if not all then return nil, why end
  local list = {}
  for _, row in ipairs(all) do
    if is_wanted(row) then list[#list + 1] = row end
  end
  table.sort(list, function(a, b) return is_earlier(field, a, b) end)
  for i = #list, limit + 1, -1 do list[i] = nil end
  return list
end

-- True; false and the row; or nil and why.
local function change(self, transition, given)
  local own, why = self.fit(given)
  if not own then return nil, why end
  return self.store:change(own.key, function(row) return transition(row, own) end)
end

local function without_row(is_done, why)
  if is_done == nil then return nil, why end
  return is_done
end

function Rows:claim(c) return change(self, machine.claim, c) end

function Rows:finish(f) return without_row(change(self, machine.finish, f)) end

function Rows:release(r) return without_row(change(self, machine.release, r)) end

function Rows:settle(s) return without_row(change(self, machine.settle, s)) end

function Rows:resend(r) return without_row(change(self, machine.resend, r)) end

function Rows:reap(now, key)
  local function step(row) return row and machine.reap(row, now) end
  if key then
    local is_done, why = without_row(self.store:change(key, step))
    if is_done == nil then return nil, why end
    return { is_done and key or nil }
  end
  local expired, why = chosen(self, "created_at", math.huge, step)
  if not expired then return nil, why end
  local keys = {}
  for _, row in ipairs(expired) do
    local is_done, step_why = without_row(self.store:change(row.key, step))
    if is_done == nil then return nil, step_why end
    if is_done then keys[#keys + 1] = row.key end
  end
  table.sort(keys)
  return keys
end

function Rows:get(key) return self.store:get(key) end

function Rows:unsettled(page, limit)
  return chosen(self, "claimed_at", limit, function(row)
    return machine.is_unsettled(row, page.now) and row.claimed_at <= page.before
      and (not page.after or is_earlier("claimed_at", page.after, row))
  end)
end

function Rows:find(f)
  return chosen(self, "created_at", f.limit, function(row) return machine.is_found(row, f) end)
end

function Rows:counts()
  local all, why = self.store:list()
  if not all then return nil, why end
  local counts = {}
  for _, row in ipairs(all) do counts[row.state] = (counts[row.state] or 0) + 1 end
  return counts
end

local function purge_sends(self, before, limit)
  local function is_wanted(row) return machine.is_purged(row, before) end
  local old, why = chosen(self, "created_at", limit, is_wanted)
  if not old then return nil, why end
  local n = 0
  for _, row in ipairs(old) do
    local is_gone, gone_why = self.store:remove(row.key, is_wanted)
    if is_gone == nil then return nil, gone_why end
    if is_gone then n = n + 1 end
  end
  return n
end

function Rows:purge(before, limit)
  local n, why = purge_sends(self, before, limit)
  if not n or n == limit then return n, why end
  local n_events
  n_events, why = self:purge_events(before, limit - n)
  return n_events and n + n_events, why
end

function Rows:close()
  self.store:close()
  self.events_store:close()
  self.numbers:close()
  self.profiles:close()
end

local rows = {}

local function as_it_is(given) return given end

---@class telnyx.journal_stores each may have a `fit`: what a method is asked, as the store can keep
---it; or nil, why
---@field sends table
---@field events table
---@field numbers table lists of a recipient's opt-outs
---@field profiles table lists of what an own number is known with

---@param stores telnyx.journal_stores
---@return table keeper
function rows.new(stores)
  return setmetatable({ store = stores.sends, fit = stores.sends.fit or as_it_is,
    events_store = stores.events, numbers = stores.numbers, profiles = stores.profiles }, Rows)
end

return rows
