--- Webhook events and opt-outs in a database: more of what `telnyx.journal.sql` is asked.

local core = require("telnyx.core")
local optouts = require("telnyx.journal.optouts")

local inbox = {}

-- Drivers have values of their own for NULL.
local function text_of(value) return type(value) == "string" and value or nil end

-- A row that is purged between two statements was there, and is not.
local N_ROUNDS = 3

local NOT_KEPT = "the statement has changed nothing, and no row says why"

-- Events ----------------------------------------------------------------------------------------

local function read_event(raw)
  return { id = text_of(raw.id), message_id = text_of(raw.message_id), key = text_of(raw.key),
    at = tonumber(text_of(raw.occurred_at)), received_at = tonumber(raw.received_at),
    handled_at = tonumber(text_of(raw.handled_at)), body = text_of(raw.body) }
end

local function read_events(rows, why)
  if not rows then return nil, why end
  for i, raw in ipairs(rows) do rows[i] = read_event(raw) end
  return rows
end

-- Who has added and who has handled it; nothing where it is not there; or nil, why.
local function marks_of(self, id)
  local rows, why = self:rows("marks_of_event", { id }, 1)
  if not rows then return nil, why end
  local row = rows[1]
  return row and { claim = text_of(row.claim), handler = text_of(row.handler) } or {}
end

-- Who gets no row back looks whose it is: an answer may have been lost, and the statement repeated.
function inbox:add_event(e)
  local ok, why = self:make_part("event")
  if not ok then return nil, why end
  local claim = core.new_claim()
  for _ = 1, N_ROUNDS do
    local rows, change_why = self:change("add_event",
      { e.id, claim, e.message_id, e.key, e.at, e.now, e.body }, 7)
    if not rows then return nil, change_why end
    if rows[1] then return true end
    local marks
    marks, why = marks_of(self, e.id)
    if not marks then return nil, why end
    if marks.claim then return marks.claim == claim end
  end
  return nil, NOT_KEPT
end

function inbox:handled_event(e)
  local ok, why = self:make_part("event")
  if not ok then return nil, why end
  local handler = core.new_claim()
  local rows, change_why = self:change("handled_event", { e.now, handler, e.id }, 3)
  if not rows then return nil, change_why end
  if rows[1] then return true end
  local marks
  marks, why = marks_of(self, e.id)
  if not marks then return nil, why end
  if marks.claim and not marks.handler then return nil, NOT_KEPT end
  return marks.handler == handler
end

function inbox:unhandled_events(before, after, limit)
  local ok, why = self:make_part("event")
  if not ok then return nil, why end
  after = after or { received_at = -1, id = "" }
  return read_events(self:rows("unhandled_events", { before, after.received_at, after.id, limit },
    4))
end

function inbox:events(f)
  local ok, why = self:make_part("event")
  if not ok then return nil, why end
  if f.message_id and f.key then
    return read_events(self:rows("events_of_both", { f.message_id, f.key, f.limit }, 3))
  elseif f.key then
    return read_events(self:rows("events_of_key", { f.key, f.limit }, 2))
  end
  return read_events(self:rows("events_of_message", { f.message_id, f.limit }, 2))
end

---@return integer|nil how many; none where there is no table of them
---@return string|nil why
function inbox:purge_events(before, limit)
  local is_there, why = self:has_part("event")
  if not is_there then return is_there == false and 0 or nil, why end
  local rows
  rows, why = self:change("purge_events", { before, limit, before }, 3)
  return rows and #rows, why
end

-- Opt-outs --------------------------------------------------------------------------------------

local function name_of(value)
  local text = text_of(value)
  return text ~= "" and text or nil
end

local function read_optout(raw)
  return { number = name_of(raw.number), profile = name_of(raw.profile),
    own = name_of(raw.own) or name_of(raw.texted), keyword = text_of(raw.keyword),
    at = tonumber(raw.occurred_at), is_out = tonumber(raw.is_out) == 1 }
end

-- The rows of a recipient, and what is known of own numbers; or nil, why.
local function rows_of(self, number, own)
  local found, why = self:rows("optouts_of", { number, number, own }, 3)
  if not found then return nil, why end
  local rows, known = {}, {}
  for _, raw in ipairs(found) do
    local row = read_optout(raw)
    if row.number then
      rows[#rows + 1] = row
    else
      known[row.own] = known[row.own] or {}
      known[row.own][row.profile] = true
    end
  end
  return rows, known
end

-- What became of an event that has changed no row: true, it did so the first time; false, another
-- is as late.
local function end_of(self, s, was_repeated)
  local rows, why = rows_of(self, s.number, s.own)
  if not rows then return nil, why end
  for _, row in ipairs(rows) do
    if optouts.is_same(row, s) and not optouts.is_later(s, row) then
      return was_repeated and row.at == s.at and row.is_out == s.is_out
    end
  end
  return nil, NOT_KEPT
end

function inbox:set_optout(s)
  local ok, why = self:make_part("optout")
  if not ok then return nil, why end
  local rows, was_repeated = self:change("set_optout", { s.number, s.profile and "" or s.own,
    s.profile or "", s.profile and s.own, s.keyword, s.is_out and 1 or 0, s.at, s.now }, 8)
  if not rows then return nil, was_repeated end
  for _, row in ipairs(rows) do
    if row.number == s.number then return true end
  end
  return end_of(self, s, was_repeated)
end

function inbox:optout(asked)
  local ok, why = self:make_part("optout")
  if not ok then return nil, why end
  local rows, known = rows_of(self, asked.number, asked.own)
  if not rows then return nil, known end
  return optouts.found(rows, asked, known)
end

function inbox:optouts(f)
  local ok, why = self:make_part("optout")
  if not ok then return nil, why end
  local after = f.after or { number = "" }
  local params = { after.number, not after.profile and after.own or "", after.profile or "",
    f.limit }
  local rows
  if f.profile then table.insert(params, 1, f.profile) end
  rows, why = self:rows(f.profile and "optouts_of_profile" or "optouts", params, #params)
  if not rows then return nil, why end
  for i, raw in ipairs(rows) do rows[i] = read_optout(raw) end
  return rows
end

return inbox
