--- Where the service keeps what it has taken, and how our reference is found there: the log of its
--- webhooks, and the detail records. A query narrows; what it finds is compared here, exactly.
---
--- An empty answer proves nothing: rows come late, are kept for a time that nobody names, and a
--- filter that the service does not know finds nothing, without a word.

local inquiries = require("telnyx.after.inquiries")
local moments = require("telnyx.moments")
local reference = require("telnyx.send.reference")

local search = {}

-- What the service gives of a page at most: it cuts down in silence what asks for more.
local DELIVERIES_A_PAGE, RECORDS_A_PAGE = 250, 50
-- So far the service's clock may be behind ours.
local CLOCKS_S = 60

local function stamp(seconds) return os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(seconds)) end

-- What may be in a list of the service's by the name of a field; a field of anything else is none.
local function each_table(list)
  local i, all = 0, type(list) == "table" and list or {}
  return function()
    repeat i = i + 1 until type(all[i]) == "table" or all[i] == nil
    return all[i]
  end
end

local function table_of(value) return type(value) == "table" and value or {} end

-- What a place has found of a row that is looked for.
---@class telnyx.trace
---@field key string
---@field claim string
---@field message table the service's message, or as much as a record has of it
---@field by string the place

local function trace_of(place, urls, message)
  for _, url in ipairs(urls) do
    local key, claim = reference.read(url)
    if key then return { key = key, claim = claim, message = message, by = place } end
  end
end

local function string_list(...)
  local list = {}
  for i = 1, select("#", ...) do
    local value = select(i, ...)
    if type(value) == "string" then list[#list + 1] = value end
  end
  return list
end

-- The log of webhooks ----------------------------------------------------------------------------

local deliveries = { name = "webhook_deliveries" }

local function delivery_page(filters, page, names)
  filters[#filters + 1] = { "page[number]", ("%d"):format(page) }
  filters[#filters + 1] = { "page[size]", ("%d"):format(DELIVERIES_A_PAGE) }
  return inquiries.page("/webhook_deliveries", filters, names)
end

---Those that hold a claim: in the webhook, or in what it was sent to.
---@param row telnyx.journal_row
---@return (fun(page: integer): telnyx.inquiry)[]
function deliveries.of_row(row)
  local by_part = {}
  for i, part in ipairs { "webhook", "attempts" } do
    by_part[i] = function(page)
      return delivery_page({ { ("filter[%s][contains]"):format(part), row.claim } }, page)
    end
  end
  return by_part
end

---All since a time.
---@param since number
---@return fun(page: integer): telnyx.inquiry
function deliveries.since(since)
  return function(page)
    return delivery_page({ { "filter[started_at][gte]", stamp(since - CLOCKS_S) } }, page)
  end
end

---The trace that is in a row of this list.
---@param delivery table
---@return telnyx.trace|nil
function deliveries.read(delivery)
  local event = table_of(delivery.webhook)
  local message = table_of(event.payload or table_of(event.data).payload)
  if type(message.id) ~= "string" then return nil end
  local urls = string_list(message.webhook_url, message.webhook_failover_url)
  for attempt in each_table(delivery.attempts) do
    urls[#urls + 1] = string_list(table_of(table_of(attempt.http).request).url)[1]
  end
  return trace_of(deliveries.name, urls, message)
end

-- The detail records -----------------------------------------------------------------------------

local records = { name = "detail_records" }

local function record_page(filters, page)
  local all = { { "filter[record_type]", "messaging" }, { "filter[direction]", "outbound" } }
  for _, filter in ipairs(filters) do all[#all + 1] = filter end
  all[#all + 1] = { "sort", "created_at" }
  all[#all + 1] = { "page[number]", ("%d"):format(page) }
  all[#all + 1] = { "page[size]", ("%d"):format(RECORDS_A_PAGE) }
  return inquiries.page("/detail_records", all)
end

---Those to a row's recipient, since it was claimed.
---@param row telnyx.journal_row
---@return (fun(page: integer): telnyx.inquiry)[]
function records.of_row(row)
  return { function(page)
    return record_page({ { "filter[cld]", row.to or "" },
      { "filter[created_at][gte]", stamp(row.claimed_at - CLOCKS_S) } }, page)
  end }
end

---All since a time.
---@param since number
---@return fun(page: integer): telnyx.inquiry
function records.since(since)
  return function(page)
    return record_page({ { "filter[created_at][gte]", stamp(since - CLOCKS_S) } }, page)
  end
end

-- A record, in the shape of a message. Its status is the records' own word.
local function message_of(record)
  local id = record.uuid or record.id
  if type(id) ~= "string" or id == "" then return nil end
  local to = type(record.cld) == "string" and { { phone_number = record.cld } } or nil
  local direction = type(record.direction) == "string" and record.direction:lower() or nil
  return { id = id, direction = direction, to = to, received_at = record.created_at,
    parts = record.parts, record = record }
end

---@param record table
---@return telnyx.trace|nil
function records.read(record)
  local message = message_of(record)
  return message and trace_of(records.name, string_list(record.delivery_status_webhook_url,
    record.delivery_status_failover_url), message)
end

-- After its time a request is answered, or nobody waits for it any more.
local function is_in_time(record, row)
  local at = type(record.created_at) == "string" and moments.parse(record.created_at)
  return at and at >= row.claimed_at - CLOCKS_S
    and at <= (row.expires or row.claimed_at) + CLOCKS_S
end

---What a record may be of, though it does not say so: the recipient and the time fit, and it is no
---other's of ours.
---@param record table
---@param row telnyx.journal_row
---@return table|nil message
function records.likeness(record, row)
  local is_like = record.cld == row.to and is_in_time(record, row) and not records.read(record)
  if not is_like then return nil end
  local message = message_of(record)
  return message and { id = message.id, created_at = record.created_at, from = record.cli,
    to = record.cld, status = record.status, parts = record.parts } or nil
end

---Where to look, in order.
search.places = { deliveries, records }

return search
