--- What became of messages whose end nobody knows: asked of the service, by our reference. One that
--- is found was accepted. One that is not found is still unknown, whatever time has passed: nothing
--- that the service keeps proves that a message was never there.

local core = require("telnyx.core")
local event = require("telnyx.after.event")
local once = require("telnyx.send.once")
local search = require("telnyx.after.search")

local settle = {}

-- The service warns that records of its last four hours may lack some.
local HORIZON_S = 4 * 3600

---@class telnyx.settlement what is known of a key
---@field key string
---@field state string of its row: "accepted", or as before
---@field id string|nil the message's, of one that was accepted
---@field by string|nil what has told it: "events", "webhook_deliveries", "detail_records", or who
---settled it before
---@field message table|nil as it was found
---@field cause string|nil why it is not settled, in words
---@field age number|nil seconds since it was claimed
---@field is_past_horizon boolean|nil records are not expected any more
---@field likely table[]|nil messages of the records that may be this one: to its recipient, at its
---time, and without our reference
---@field errors telnyx.error[]|nil what could not be asked
---@field journal_error string|nil it was found, and that could not be written down

-- Rows --------------------------------------------------------------------------------------------

-- Of a reply that was cut it is known that there is a message, but not which.
local function is_open(row, now)
  return row.state == "unknown" or row.state == "sending" and (row.expires or 0) < now
    or row.state == "accepted" and not row.message_id
end

local STATES = {
  queued = "it waits in an outbox, and was not sent",
  free = "nothing was sent under this key, and it is free",
  sending = "a send under this key is still under way",
  rejected = "the service refused it",
}

local function of_known(row)
  return { key = row.key, state = row.state, id = row.message_id, by = row.settled_by,
    cause = STATES[row.state] }
end

-- Looking -----------------------------------------------------------------------------------------

-- What a worker takes at once has one claim.
local function name_of(key, claim) return claim .. " " .. key end

-- Rows by their claims and keys; those that are settled leave it.
local function wanted_of(rows)
  local wanted = { by_name = {}, n = 0, likely = {} }
  for _, row in ipairs(rows) do
    if row.claim then
      wanted.by_name[name_of(row.key, row.claim)], wanted.n = row, wanted.n + 1
    end
  end
  return wanted
end

local function is_wanted(wanted, row)
  return row.claim ~= nil and wanted.by_name[name_of(row.key, row.claim)] ~= nil
end

local function row_of(wanted, trace)
  return trace and wanted.by_name[name_of(trace.key, trace.claim)]
end

-- Of what is asked about one row.
local function note_likeness(wanted, place, entry, row)
  local likeness = row and place.likeness and place.likeness(entry, row)
  if not likeness then return end
  local list = wanted.likely[row.key] or {}
  wanted.likely[row.key] = list
  list[#list + 1] = likeness
end

local function read_entries(wanted, place, entries, row, on_trace)
  for _, entry in pairs(entries) do -- a null is a hole
    if type(entry) == "table" then
      local trace = place.read(entry)
      local found = row_of(wanted, trace)
      if found then
        on_trace(found, trace)
      else
        note_likeness(wanted, place, entry, row)
      end
    end
  end
end

-- A list may grow while it is read, or say that it has no end. So many are as many rows as are
-- looked for together, at most.
local MOST_PAGES = 1000

-- Reads pages until there are no more, or nothing more is wanted. The first may have been read.
---@return true|nil
---@return telnyx.error|nil
local function read_pages(ask, wanted, place, page_of, row, on_trace, first)
  local page, number, err = first, 1, nil
  local n_pages
  repeat
    if not page then page, err = ask(page_of(number)) end
    if not page then return nil, err end
    n_pages = n_pages or math.min(page.n_pages, MOST_PAGES)
    read_entries(wanted, place, page.rows, row, on_trace)
    local is_last = number >= n_pages or #page.rows == 0
    number, page = number + 1, nil
  until is_last or (row and not is_wanted(wanted, row)) or wanted.n == 0
  return true
end

local function look_for_one(ask, wanted, place, row, on_trace)
  for _, page_of in ipairs(place.of_row(row)) do
    if not is_wanted(wanted, row) then return true end
    local ok, err = read_pages(ask, wanted, place, page_of, row, on_trace)
    if not ok then return nil, err end
  end
  return true
end

local function look_for_each(ask, wanted, place, rows, on_trace)
  for _, row in ipairs(rows) do
    if is_wanted(wanted, row) then
      local ok, err = look_for_one(ask, wanted, place, row, on_trace)
      if not ok then return nil, err end
    end
  end
  return true
end

local function oldest(rows)
  local since = math.huge
  for _, row in ipairs(rows) do since = math.min(since, row.claimed_at or since) end
  return since
end

-- All that a place has since the oldest, if that is fewer pages than there are rows.
local function look_for_all(ask, wanted, place, rows, on_trace)
  if #rows == 1 then return look_for_one(ask, wanted, place, rows[1], on_trace) end
  local page_of = place.since(oldest(rows))
  local first, err = ask(page_of(1))
  if not first then return nil, err end
  if first.n_pages > wanted.n then
    return look_for_each(ask, wanted, place, rows, on_trace)
  end
  return read_pages(ask, wanted, place, page_of, nil, on_trace, first)
end

-- What a webhook has told already, where it was kept and its key could not be settled by it.
local function look_into_events(journal, wanted, row, on_trace)
  local rows = type(journal.events) == "function" and journal:events { key = row.key } or {}
  for _, kept in ipairs(rows) do
    local told = kept.body and event.parse(kept.body)
    local is_its = told and told.claim == row.claim and told.direction == "outbound"
    if is_its and told.message then on_trace(row, { message = told.message, by = "events" }) end
    if not is_wanted(wanted, row) then return end
  end
end

-- Settling ----------------------------------------------------------------------------------------

local function span(seconds) return ("%.0f s"):format(math.max(0, seconds)) end

local function cause_of(row, age, errs)
  if errs then
    return "not everything could be asked: " .. tostring(errs[1])
  elseif not row.claim then
    return "nobody has claimed it"
  elseif age > HORIZON_S then
    return ("no trace after %s, and none is expected any more; that does not say that it was not"
      .. " sent"):format(span(age))
  end
  return ("no record after %s; they may be up to %s late"):format(span(age), span(HORIZON_S))
end

local function of_open(row, wanted, errs, now)
  local age = now - (row.claimed_at or now)
  return { key = row.key, state = row.state == "accepted" and "accepted" or "unknown", age = age,
    is_past_horizon = age > HORIZON_S, likely = wanted.likely[row.key], errors = errs,
    cause = cause_of(row, age, errs) }
end

-- What was found is written down before anybody is told. Returns whether that was it: what is to
-- another recipient, say, is not.
local function accept(journal, row, trace, results)
  local ok, why, is_failure = once.resolve(journal, row.key, trace.message, trace.by)
  if ok then
    results[row.key] = { key = row.key, state = "accepted", id = trace.message.id, by = trace.by,
      message = trace.message }
  else
    results[row.key] = { key = row.key, state = row.state == "accepted" and "accepted" or "unknown",
      cause = why, journal_error = is_failure and why or nil }
  end
  return ok or is_failure
end

-- What refuses the question refuses no message.
local function unanswered(err)
  err.outcome, err.advice = "unknown", "Ask again later."
  return err
end

---Looks for rows whose end nobody knows.
---@param ask fun(inquiry: telnyx.inquiry): table|nil, table
---@param journal telnyx.journal
---@param rows telnyx.journal_row[]
---@return table<string, telnyx.settlement> by key
function settle.rows(ask, journal, rows)
  local results, wanted, errs = {}, wanted_of(rows), nil
  local function on_trace(row, trace)
    if not accept(journal, row, trace, results) then return end
    wanted.by_name[name_of(row.key, row.claim)], wanted.n = nil, wanted.n - 1
  end
  for _, row in ipairs(rows) do
    if row.claim then look_into_events(journal, wanted, row, on_trace) end
  end
  for _, place in ipairs(search.places) do
    if wanted.n == 0 then break end
    local ok, err = look_for_all(ask, wanted, place, rows, on_trace)
    if not ok then
      errs = errs or {}
      errs[#errs + 1] = unanswered(err)
    end
  end
  for _, row in ipairs(rows) do
    results[row.key] = results[row.key] or of_open(row, wanted, errs, core.now())
  end
  return results
end

local function failed(why)
  return nil, { outcome = "unknown", kind = "invalid", retryable = false, cause = why }
end

---What is known of a key; where nobody knows, the service is asked.
---@param ask fun(inquiry: telnyx.inquiry): table|nil, table
---@param journal telnyx.journal
---@param key string
---@return telnyx.settlement|nil
---@return table info_or_err
function settle.one(ask, journal, key)
  local row, why = journal:get(key)
  if row == nil then return failed("the journal failed: " .. tostring(why)) end
  if not row then return failed("this journal knows no such key") end
  if not is_open(row, core.now()) then return of_known(row), { outcome = row.state } end
  local result = settle.rows(ask, journal, { row })[key]
  local errs = result.errors
  if errs and #errs == #search.places then return nil, errs[1] end
  return result, { outcome = result.state }
end

-- So many rows are looked for together.
local BATCH = 1000

local function take_batch(next_row)
  local rows = {}
  while #rows < BATCH do
    local row = next_row()
    if not row then break end
    rows[#rows + 1] = row
  end
  return rows
end

local function count(counts, result)
  counts.looked_for = counts.looked_for + 1
  if result.state == "accepted" then
    counts.accepted = counts.accepted + 1
  else
    counts.unknown = counts.unknown + 1
    if result.likely then counts.likely = counts.likely + 1 end
    counts.errors = counts.errors or result.errors
    counts.journal_error = counts.journal_error or result.journal_error
  end
end

---@class telnyx.settle_counts
---@field looked_for integer
---@field accepted integer found, and settled
---@field unknown integer not found
---@field likely integer of these: the records have some that may be it
---@field errors telnyx.error[]|nil what could not be asked, so that some may not have been found
---@field journal_error string|nil what was found could not be written down
---@field stopped telnyx.error|nil nothing could be asked: the rest was not looked for

---Looks for all rows whose end nobody knows.
---@param ask fun(inquiry: telnyx.inquiry): table|nil, table
---@param journal telnyx.journal
---@param options { older_than: number|nil, on_result: function|nil }
---@return telnyx.settle_counts|nil
---@return table info_or_err
function settle.all(ask, journal, options)
  local counts = { looked_for = 0, accepted = 0, unknown = 0, likely = 0 }
  local next_row, why = journal:unsettled { older_than = options.older_than }
  if not next_row then return failed("the journal failed: " .. tostring(why)) end
  repeat
    local ok, rows = pcall(take_batch, next_row)
    if not ok then return failed("the journal failed: " .. tostring(rows)) end
    local results = settle.rows(ask, journal, rows)
    for _, row in ipairs(rows) do
      local result = results[row.key]
      local is_blind = result.errors and #result.errors == #search.places
      if is_blind then counts.stopped = result.errors[1] end
      count(counts, result)
      if options.on_result then options.on_result(row, result) end
    end
  until #rows < BATCH or counts.stopped
  return counts, { outcome = counts.stopped and "unknown" or "accepted" }
end

return settle
