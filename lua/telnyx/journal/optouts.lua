--- Who is out, by the rows of a recipient: one for each messaging profile, since a STOP to one of
--- its numbers blocks them all, and one for each own number whose profile nobody told. Events come
--- late and in any order, so a row is the latest of its kind: `at`, and of two at once the STOP.
---
--- `known` has, for an own number, the profiles that it was told with: known[own][profile].

local optouts = {}

---Whether both are of one row.
function optouts.is_same(a, b)
  if a.profile or b.profile then return a.profile == b.profile end
  return a.own == b.own
end

---Whether an event changes the row that is there.
function optouts.is_later(event, row)
  if event.at ~= row.at then return event.at > row.at end
  return event.is_out and not row.is_out
end

local function has(known, own, profile)
  local profiles = own and known[own]
  return profiles ~= nil and profile ~= nil and profiles[profile] == true
end

-- One is an own number's, and the other that of a profile which has this number.
local function is_of_other(known, a, b)
  if a.profile and b.profile then return false end
  if a.profile then return has(known, b.own, a.profile) end
  return has(known, a.own, b.profile)
end

---Whether a later START has come by the profile, of what was told without it, or the reverse.
function optouts.is_lifted(row, rows, known)
  for _, other in ipairs(rows) do
    local is_later = not other.is_out and other.at > row.at
    if is_later and is_of_other(known, row, other) then return true end
  end
  return false
end

local function have_common(known, own, other)
  for profile in pairs(own and known[own] or {}) do
    if has(known, other, profile) then return true end
  end
  return false
end

-- Whether a row says something of whom is asked for; by a recipient alone, every row does.
local function concerns(row, asked, known)
  if not (asked.profile or asked.own) then return true end
  if row.profile then
    return row.profile == asked.profile or has(known, asked.own, row.profile)
  end
  return row.own == asked.own or has(known, row.own, asked.profile)
    or have_common(known, asked.own, row.own)
end

---The latest row by which a recipient is out.
---@param rows table[] the recipient's
---@param asked { profile: string|nil, own: string|nil }
---@param known table<string, table<string, boolean>> of the own numbers among them
---@return table|false row
function optouts.found(rows, asked, known)
  local found = false
  for _, row in ipairs(rows) do
    local is_out = row.is_out and concerns(row, asked, known)
      and not optouts.is_lifted(row, rows, known)
    if is_out and (not found or row.at > found.at) then found = row end
  end
  return found
end

-- What a row is told from others by: nothing where it does not count.
local function names_of(row)
  return { row.number, row.profile and "" or row.own, row.profile or "" }
end

---By recipient, then by own number, then by profile.
function optouts.is_before(a, b)
  local names, others = names_of(a), names_of(b)
  for i = 1, #names do
    if names[i] ~= others[i] then return names[i] < others[i] end
  end
  return false
end

return optouts
