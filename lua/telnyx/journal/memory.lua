--- A journal that lives as long as the program: `telnyx.journal.machine`, and a table of rows.

local machine = require("telnyx.journal.machine")

local Memory = {}
Memory.__index = Memory

local function by_time(field)
  return function(a, b)
    if a[field] ~= b[field] then return a[field] < b[field] end
    return a.key < b.key
  end
end

-- Up to `limit` rows for which `is_wanted` holds, by a time.
local function chosen(self, field, limit, is_wanted)
  local list = {}
  for _, row in pairs(self.rows) do
    if is_wanted(row) then list[#list + 1] = row end
  end
  table.sort(list, by_time(field))
  for i = #list, limit + 1, -1 do list[i] = nil end
  return list
end

-- True when the row may become that.
local function put(self, key, new)
  if not new then return false end
  self.rows[key] = new
  return true
end

function Memory:claim(c)
  local row = self.rows[c.key]
  if put(self, c.key, machine.claim(row, c)) then return true end
  return false, row
end

function Memory:finish(f) return put(self, f.key, machine.finish(self.rows[f.key], f)) end

function Memory:release(r) return put(self, r.key, machine.release(self.rows[r.key], r)) end

function Memory:settle(s) return put(self, s.key, machine.settle(self.rows[s.key], s)) end

function Memory:resend(r) return put(self, r.key, machine.resend(self.rows[r.key], r)) end

function Memory:reap(now)
  local keys = {}
  for key, row in pairs(self.rows) do
    if put(self, key, machine.reap(row, now)) then keys[#keys + 1] = key end
  end
  table.sort(keys)
  return keys
end

function Memory:get(key) return self.rows[key] or false end

function Memory:unsettled(page, limit)
  local is_earlier, after = by_time("claimed_at"), page.after
  return chosen(self, "claimed_at", limit, function(row)
    return machine.is_unsettled(row, page.now) and row.claimed_at <= page.before
      and (not after or is_earlier(after, row))
  end)
end

function Memory:find(f)
  return chosen(self, "created_at", f.limit, function(row) return machine.is_found(row, f) end)
end

function Memory:counts()
  local counts = {}
  for _, row in pairs(self.rows) do counts[row.state] = (counts[row.state] or 0) + 1 end
  return counts
end

function Memory:purge(before, limit)
  local old = chosen(self, "created_at", limit, function(row)
    return machine.is_purged(row, before)
  end)
  for _, row in ipairs(old) do self.rows[row.key] = nil end
  return #old
end

function Memory:close() self.rows = {} end

local memory = {}

function memory.new() return setmetatable({ rows = {} }, Memory) end

return memory
