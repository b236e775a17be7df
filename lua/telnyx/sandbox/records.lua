--- Detail records: what was sent and received, a row for each addressee, looked up by any field.

local clock = require("telnyx.sandbox.clock")
local inbound = require("telnyx.sandbox.inbound")
local json = require("telnyx.sandbox.json")
local message = require("telnyx.sandbox.message")
local events = require("telnyx.sandbox.events")
local query = require("telnyx.sandbox.query")

local records = {}

---@class telnyx.sandbox.row
---@field record table
---@field stage telnyx.sandbox.stage
---@field number string|nil the addressee of an outbound message
---@field knobs table

-- What a status is called here. One that is not final goes by its own name.
local STATUSES = {
  delivery_failed = "failed", delivery_unconfirmed = "dlr_unconfirmed",
  sending_failed = "gw_reject", expired = "gw_timeout", unknown = "dlr_unconfirmed",
}

local COUNTRIES = { { "+1", "US", "310", "260" }, { "+44", "GB", "234", "10" },
  { "+49", "DE", "262", "01" }, { "+33", "FR", "208", "01" } }

-- The country's row; an empty one for those that are not here.
local function country_of(number)
  for _, row in ipairs(COUNTRIES) do
    if number:sub(1, #row[1]) == row[1] then return row end
  end
  return {}
end

local DELIVERY = { delivered = "success: webhook succeeded", failed = "failed: webhook failed" }

local function is_in(row) return row.record.is_inbound end

local function cli(row) return is_in(row) and row.record.from or row.record.sender end

local function cld(row) return is_in(row) and row.record.recipient or row.number end

local function amount(row, part)
  if is_in(row) then
    return ("%.4f"):format(part == "fee" and 0 or inbound.amount(row.record))
  end
  return ("%.4f"):format(message.amount(row.record, part))
end

local function url(row, place)
  if not is_in(row) then return events.urls(row.record, row.knobs)[place] end
  return events.profile_urls(row.knobs)[place]
end

local function trouble(row)
  local code = row.stage.code
  return code and { code } or {}
end

local function updated_at(row)
  return row.stage.completed_at or row.stage.sent_at or row.record.received_at
end

-- Every field: its name, and how it is read off.
local FIELDS = {
  { "record_type", function() return "message_detail_record" end },
  { "uuid", function(row) return row.record.id end },
  { "user_id", function() return message.organization end },
  { "direction", function(row) return is_in(row) and "inbound" or "outbound" end },
  { "message_type", function(row) return row.record.type end },
  { "cli", cli },
  { "cld", cld },
  { "status", function(row)
    return is_in(row) and "received" or STATUSES[row.stage.status] or row.stage.status
  end },
  { "created_at", function(row) return clock.iso8601(row.record.received_at) end },
  { "sent_at", function(row) return clock.iso8601(row.stage.sent_at) end },
  { "completed_at", function(row) return clock.iso8601(row.stage.completed_at) end },
  { "updated_at", function(row) return clock.iso8601(updated_at(row)) end },
  { "carrier", function() return "" end },
  { "carrier_fee", function(row) return amount(row, "fee") end },
  { "rate", function(row) return amount(row, "rate") end },
  { "cost", function(row) return amount(row) end },
  { "currency", function() return "USD" end },
  { "parts", function(row) return row.record.parts end },
  { "errors", trouble },
  { "profile_id", function(row) return row.record.profile end },
  { "profile_name", function() return "Sandbox" end },
  { "country_code", function(row) return country_of(cld(row))[2] end },
  { "source_country_code", function(row) return country_of(cli(row))[2] end },
  { "mcc", function(row) return country_of(cld(row))[3] end },
  { "mnc", function(row) return country_of(cld(row))[4] end },
  { "on_net", function() return false end },
  { "fteu", function() return false end },
  { "tags", function() return "" end },
  { "autoresponse_type", function(row) return row.record.autoresponse_type end },
  { "delivery_status", function(row) return DELIVERY[row.record.delivery_status] or "" end },
  { "delivery_status_webhook_url", function(row) return url(row, 1) or "" end },
  { "delivery_status_failover_url", function(row) return url(row, 2) or "" end },
}

local READERS = {}
for _, field in ipairs(FIELDS) do READERS[field[1]] = field[2] end

---Reads a field off a row.
---@param row telnyx.sandbox.row
---@param name string one of those above
---@return any
function records.read(row, name)
  return READERS[name](row)
end

-- The instants, as numbers, of the fields that are instants.
local INSTANTS = {
  created_at = function(row) return row.record.received_at end,
  sent_at = function(row) return row.stage.sent_at end,
  completed_at = function(row) return row.stage.completed_at end,
  updated_at = updated_at,
}

local function text_of(value)
  if type(value) == "table" then return table.concat(value, ",") end
  return value ~= nil and tostring(value) or nil
end

local comparisons = {
  gt = function(a, b) return a > b end,
  gte = function(a, b) return a >= b end,
  lt = function(a, b) return a < b end,
  lte = function(a, b) return a <= b end,
}

local operators = {
  eq = function(text, wanted) return text == wanted end,
  starts_with = function(text, wanted) return text:sub(1, #wanted) == wanted end,
  ends_with = function(text, wanted) return wanted == "" or text:sub(-#wanted) == wanted end,
  contains = function(text, wanted) return text:find(wanted, 1, true) ~= nil end,
}

local function nothing() return false end

local function compares(field, is_so, wanted)
  local read, bound = INSTANTS[field], query.instant(wanted)
  if not read or not bound then return nothing end
  return function(row)
    local at = read(row)
    return at ~= nil and is_so(clock.shown(at), bound)
  end
end

local function reads(field, is_so, wanted)
  local read = READERS[field]
  if not read then return nothing end
  return function(row)
    local text = text_of(read(row))
    return text ~= nil and is_so(text, wanted)
  end
end

local DAY = 86400

local function midnight(at) return at - at % DAY end

-- 1970 began on a Thursday.
local function monday(at) return midnight(at) - (math.floor(at / DAY) + 3) % 7 * DAY end

-- The first instant of a month, so many months from the one of `at`.
local function month(at, distance)
  local date = os.date("!*t", math.floor(at))
  local months = date.year * 12 + date.month - 1 + distance
  local year = math.floor(months / 12)
  return query.instant(("%04d-%02d-01"):format(year, months - year * 12 + 1))
end

local function days(from, to)
  return function(now) return midnight(now) + from * DAY, midnight(now) + to * DAY end
end

local function weeks(distance)
  return function(now)
    local first = monday(now) + distance * 7 * DAY
    return first, first + 7 * DAY
  end
end

local function months(distance)
  return function(now) return month(now, distance), month(now, distance + 1) end
end

local RANGES = {
  yesterday = days(-1, 0), today = days(0, 1), tomorrow = days(1, 2),
  last_week = weeks(-1), this_week = weeks(0), next_week = weeks(1),
  last_month = months(-1), this_month = months(0), next_month = months(1),
}

local function range(word, now)
  local count = tonumber(word:match("^last_(%d+)_days$"))
  local bounds = count and days(-count, 1) or RANGES[word]
  if not bounds then return nothing end
  local from, to = bounds(now)
  return function(row) return row.record.received_at >= from and row.record.received_at < to end
end

-- The test that a filter's name and value stand for. What is not known finds nothing, and nobody
-- says so.
local function test_of(name, wanted, now)
  local field, operator = name:match("^filter%[([%w_]+)%]%[([%w_]+)%]$")
  if not field then field, operator = name:match("^filter%[([%w_]+)%]$"), "eq" end
  if field == "record_type" then return nil end
  if field == "date_range" then return range(wanted, now) end
  if comparisons[operator] then return compares(field, comparisons[operator], wanted) end
  return field and operators[operator] and reads(field, operators[operator], wanted) or nothing
end

---The tests of all filters in a query.
---@param values table<string, string>
---@param now number
---@return (fun(row: telnyx.sandbox.row): boolean)[]
---@return string|nil unknown a filter that no row can pass
function records.tests(values, now)
  local tests, unknown = {}, nil
  for name, wanted in pairs(values) do
    if name:find("^filter") then
      local test = test_of(name, wanted, now)
      tests[#tests + 1] = test
      if test == nothing then unknown = name end
    end
  end
  return tests, unknown
end

-- Rows come late and go in the end; a message that waits for its hour has none, nor has one that
-- was cancelled, or that went in pieces, which have.
local function is_visible(record, now, knobs)
  if record.children then return false end
  if record.cancelled_at or (record.send_at and now < record.send_at) then return false end
  local age = now - (record.send_at or record.received_at)
  return age >= knobs.mdr_lag and age <= (knobs.mdr_retention or math.huge)
end

local RECEIVED = { status = "received" }

local function rows_of(record, now, knobs)
  if record.is_inbound then
    return { { record = record, stage = RECEIVED, knobs = knobs } }
  end
  local rows = {}
  for _, to in ipairs(record.to) do
    local stage = message.progress(record, now, to)
    if stage.completed_at or not knobs.mdr_hide_until_final then
      rows[#rows + 1] = { record = record, stage = stage, number = to.number, knobs = knobs }
    end
  end
  return rows
end

local function passes(row, tests)
  for _, test in ipairs(tests) do
    if not test(row) then return false end
  end
  return true
end

---The rows that pass every test, the newest first.
---@param service table
---@param tests (fun(row: telnyx.sandbox.row): boolean)[]
---@return telnyx.sandbox.row[]
function records.find(service, tests)
  local now, knobs, found = service.now(), service.knobs, {}
  for _, record in service.store.messages:newest() do
    if is_visible(record, now, knobs) then
      for _, row in ipairs(rows_of(record, now, knobs)) do
        if passes(row, tests) then found[#found + 1] = row end
      end
    end
  end
  return found
end

-- The schema of a row has no null: what has no value is not there. One field is not of the schema.
local MAY_BE_NULL = { autoresponse_type = true }

local function shown(value)
  return type(value) == "table" and json.array(value) or value
end

---@param row telnyx.sandbox.row
---@return table for json.encode
function records.render(row)
  local members = {}
  for _, field in ipairs(FIELDS) do
    local name, value = field[1], field[2](row)
    if value ~= nil or MAY_BE_NULL[name] then members[#members + 1] = { name, shown(value) } end
  end
  return json.object(members)
end

-- Of the reports, which have fewer fields.
local REPORTED = {
  "created_at", "direction", "cli", "cld", "status", "message_type", "parts", "profile_name",
  "rate", "cost", "currency",
}

---@param row telnyx.sandbox.row
---@return table for json.encode
function records.render_report(row)
  local members = { { "id", row.record.id }, { "record_type", "mdr_report" } }
  for _, name in ipairs(REPORTED) do
    local value = records.read(row, name)
    if name == "direction" or name == "status" then value = value:upper() end
    members[#members + 1] = { name, value }
  end
  return json.object(members)
end

return records
