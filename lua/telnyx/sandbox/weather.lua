--- Bad weather on request: the magic recipients, as data.
--
-- The last five digits say what happens.
--
--   1xxxx 2xxxx 403xx   that error code of the service
--   400xx               accepted; later not delivered, for that reason (40090: nobody knows;
--                       40091: it is, after all)
--   00sss / 01sss       HTTP status sss; the message was not / was accepted
--   307xx 308xx         redirects
--   429xx               429, with every way to say how long to wait
--   50xxx / 51xxx       trouble once per message, then fair weather
--   60xxx               a 2xx with something wrong in it; always accepted
--   700ss               accepted at once, answered after ss seconds
--   8xxse / 9xxse       the connection ends badly: 8 not accepted, 9 accepted;
--                       s = how far the reply came, e = how it ended

local clock = require("telnyx.sandbox.clock")
local errors = require("telnyx.sandbox.errors")

local weather = {}

local PREFIX = "+155500"

---@class telnyx.sandbox.weather
---@field number string the recipient that causes it
---@field family string what kind of trouble it is
---@field causes string what happens, in words
---@field accepted boolean whether the message is accepted (and in the ledger)
---@field status integer|nil the HTTP status, when a whole one is sent
---@field code string|nil the service's error code
---@field headers table<string, string|fun(now: number): string>|nil
---@field page string|nil what stands in the body instead of JSON
---@field times integer|nil how often it strikes one message; nil is always
---@field seconds number|nil the delay before the answer
---@field stage string|nil how far the reply gets before the connection ends
---@field ending string|nil "close", "reset" or "stall"
---@field fate telnyx.sandbox.fate|nil how the message ends

--- Keys that are refused for a reason of their own.
weather.keys = {
  KEY_REVOKED = "20002",
  KEY_EXPIRED = "20006",
}

local function fixed(value) return function() return value end end

local function api_errors()
  local rows = {}
  for _, code in ipairs {
    "10002", "10009", "10010", "10015", "10027", "10038", "10039", "20012", "20015", "20100",
    "40300", "40301", "40305", "40306", "40308", "40309", "40310", "40312", "40314", "40315",
    "40318", "40319", "40320", "40321", "40322", "40329", "40330", "40331", "40333",
  } do
    local entry = errors.catalogue[code]
    rows[#rows + 1] = { digits = code, accepted = false, status = entry.status, code = code,
      causes = entry.title }
  end
  return rows
end

local function fates()
  local rows = {
    { digits = "40000", fate = { status = "delivery_unconfirmed" },
      causes = "accepted, then delivery_unconfirmed" },
    { digits = "40014", fate = { status = "expired", code = "40014" },
      causes = "accepted, then expired: Expired in queue" },
    { digits = "40090", fate = { status = "sent", no_receipt = true },
      causes = "accepted, then sent, and never heard of again" },
    { digits = "40091", fate = { status = "delivery_unconfirmed",
      second = { after = 10, status = "delivered" } },
      causes = "accepted, then delivery_unconfirmed, and after 10 s delivered" },
  }
  for _, code in ipairs { "40001", "40002", "40003", "40006", "40008", "40010" } do
    rows[#rows + 1] = { digits = code, fate = { status = "delivery_failed", code = code },
      causes = "accepted, then delivery_failed: " .. errors.catalogue[code].title }
  end
  for _, row in ipairs(rows) do row.accepted, row.status = true, 200 end
  return rows
end

local statuses = fixed {
  { digits = "00408", accepted = false, status = 408, code = "10008",
    causes = "408 Request timeout" },
  { digits = "00409", accepted = false, status = 409, code = "10036",
    causes = "409 Resource being processed" },
  { digits = "00500", accepted = false, status = 500, code = "10007",
    causes = "500 Unexpected error" },
  { digits = "00502", accepted = false, status = 502, page = "html",
    causes = "502 from a gateway: an HTML page" },
  { digits = "00503", accepted = false, status = 503, code = "10037",
    causes = "503 Service unavailable" },
  { digits = "00513", accepted = false, status = 503, code = "10037",
    headers = { ["retry-after"] = "1" }, causes = "503 with Retry-After: 1" },
  { digits = "00504", accepted = false, status = 504, page = "html",
    causes = "504 from a gateway: an HTML page" },
  { digits = "01408", accepted = true, status = 408, code = "10008",
    causes = "accepted, but answered 408" },
  { digits = "01409", accepted = true, status = 409, code = "10036",
    causes = "accepted, but answered 409" },
  { digits = "01500", accepted = true, status = 500, code = "10007",
    causes = "accepted, but answered 500" },
  { digits = "01502", accepted = true, status = 502, page = "html",
    causes = "accepted, but answered 502 by a gateway" },
  { digits = "01503", accepted = true, status = 503, code = "10037",
    headers = { ["retry-after"] = "1" },
    causes = "accepted, but answered 503 with Retry-After: 1" },
  { digits = "01504", accepted = true, status = 504, page = "html",
    causes = "accepted, but answered 504 by a gateway" },
  { digits = "30701", accepted = false, status = 307, page = "html",
    headers = { location = "/v2/messages" }, causes = "307 redirect to itself" },
  { digits = "30702", accepted = false, status = 307, page = "html",
    headers = { location = "https://elsewhere.invalid/v2/messages" },
    causes = "307 redirect to another host" },
  { digits = "30801", accepted = false, status = 308, page = "html",
    headers = { location = "/v2/messages" }, causes = "308 redirect to itself" },
  { digits = "30802", accepted = false, status = 308, page = "html",
    headers = { location = "https://elsewhere.invalid/v2/messages" },
    causes = "308 redirect to another host" },
}

local function date_ahead(seconds)
  return function(now) return clock.http_date(math.ceil(now) + seconds) end
end

local function epoch_ahead(seconds)
  return function(now) return ("%d"):format(math.ceil(now) + seconds) end
end

local function limits()
  local rows = {
    { digits = "42900", causes = "429 that names no wait" },
    { digits = "42901", causes = "429 with Retry-After: 1",
      headers = { ["retry-after"] = "1" } },
    { digits = "42902", causes = "429 with Retry-After as an HTTP date, 2 s ahead",
      headers = { ["retry-after"] = date_ahead(2) } },
    { digits = "42903", causes = "429 with retry-after-ms: 250",
      headers = { ["retry-after-ms"] = "250" } },
    { digits = "42904", causes = "429 with x-ratelimit-reset: 1 (seconds to wait)",
      headers = { ["x-ratelimit-reset"] = "1" } },
    { digits = "42905", causes = "429 with x-ratelimit-reset as an epoch, 2 s ahead",
      headers = { ["x-ratelimit-reset"] = epoch_ahead(2) } },
    { digits = "42906", causes = "429 with Retry-After: 3600",
      headers = { ["retry-after"] = "3600" } },
    { digits = "42907", causes = "429 with a Retry-After that is no time at all",
      headers = { ["retry-after"] = "soon" } },
    { digits = "42908", causes = "429 from a gateway: an HTML page", page = "html" },
    { digits = "42910", causes = "429 once, then accepted", times = 1 },
    { digits = "42911", causes = "429 with Retry-After: 1 once, then accepted", times = 1,
      headers = { ["retry-after"] = "1" } },
    { digits = "42912", causes = "429 twice, then accepted", times = 2 },
    { digits = "42913", causes = "429 with retry-after-ms: 50 once, then accepted", times = 1,
      headers = { ["retry-after-ms"] = "50" } },
  }
  for _, row in ipairs(rows) do
    row.accepted, row.status = false, 429
    if not row.page then row.code = "10011" end
  end
  return rows
end

local passing = fixed {
  { digits = "50500", accepted = false, status = 500, code = "10007", times = 1,
    causes = "500 once, then accepted" },
  { digits = "50503", accepted = false, status = 503, code = "10037", times = 1,
    causes = "503 once, then accepted" },
  { digits = "50001", accepted = false, stage = "nothing", ending = "close", times = 1,
    causes = "connection closed once, then accepted" },
  { digits = "50002", accepted = false, stage = "nothing", ending = "reset", times = 1,
    causes = "connection reset once, then accepted" },
  { digits = "51500", accepted = true, status = 500, code = "10007", times = 1,
    causes = "accepted but answered 500, then accepted again" },
  { digits = "51001", accepted = true, stage = "nothing", ending = "close", times = 1,
    causes = "accepted but the connection closed, then accepted again" },
  { digits = "51002", accepted = true, stage = "nothing", ending = "reset", times = 1,
    causes = "accepted but the connection reset, then accepted again" },
}

local function oddities()
  local rows = {
    { digits = "60001", page = "empty", causes = "200 with an empty body" },
    { digits = "60002", page = "text", causes = "200 with a body that is not JSON" },
    { digits = "60003", page = "truncated", causes = "200 with JSON that stops half-way" },
    { digits = "60004", page = "no_id", causes = "200 with a message that has no id" },
    { digits = "60005", page = "gigantic", causes = "200 with a body of 8 MiB" },
    { digits = "60006", page = "html", causes = "200 with an HTML page" },
    { digits = "60007", page = "deep", causes = "200 with JSON nested 20,000 deep" },
    { digits = "60008", page = "null_data", causes = "200 with data: null" },
    { digits = "60009", page = "array", causes = "200 with a JSON array" },
    { digits = "60010", page = "number_id", causes = "200 with an id that is a number" },
    { digits = "60201", status = 201, causes = "201 instead of 200" },
    { digits = "60202", status = 202, causes = "202 instead of 200" },
    { digits = "60204", status = 204, page = "empty", causes = "204 No Content" },
  }
  for _, row in ipairs(rows) do
    row.accepted, row.status = true, row.status or 200
  end
  return rows
end

local function slow_answers()
  local rows = {}
  for i, seconds in ipairs { 1, 2, 5, 30 } do
    rows[i] = { digits = ("700%02d"):format(seconds), accepted = true, status = 200,
      seconds = seconds, causes = ("accepted, answered after %d s"):format(seconds) }
  end
  return rows
end

--- How far a reply gets; the place in the list is the digit.
weather.stages = {
  { name = "status_line", words = "half a status line" },
  { name = "headers", words = "half of the headers" },
  { name = "body", words = "half of a body whose length was announced" },
  { name = "chunks", words = "half of a chunked body" },
  { name = "unmeasured", words = "half of a body without a length" },
  { name = "interim", words = "100 Continue and nothing else" },
  { name = "garbage", words = "bytes that are not HTTP" },
  { name = "short_length", words = "a body longer than its Content-Length" },
  { name = "whole", words = "a whole reply" },
  [0] = { name = "nothing", words = "no reply" },
}

--- What ends it; the place in the list is the digit.
weather.endings = {
  { name = "close", words = "then the connection is closed" },
  { name = "reset", words = "then the connection is reset" },
  { name = "stall", words = "then silence" },
}

local function broken_connections()
  local rows = {}
  for first, accepted in pairs { ["8"] = false, ["9"] = true } do
    for s = 0, #weather.stages do
      for e, ending in ipairs(weather.endings) do
        rows[#rows + 1] = {
          digits = ("%s00%d%d"):format(first, s, e),
          accepted = accepted, stage = weather.stages[s].name, ending = ending.name,
          causes = ("%s; %s, %s"):format(accepted and "accepted" or "not accepted",
            weather.stages[s].words, ending.words),
        }
      end
    end
  end
  return rows
end

local families = {
  { name = "api", rows = api_errors },
  { name = "delivery", rows = fates },
  { name = "status", rows = statuses },
  { name = "limit", rows = limits },
  { name = "passing", rows = passing },
  { name = "oddity", rows = oddities },
  { name = "slow", rows = slow_answers },
  { name = "connection", rows = broken_connections },
}

local by_number, in_order = {}, {}

for _, family in ipairs(families) do
  for _, row in ipairs(family.rows()) do
    row.number, row.family, row.digits = PREFIX .. row.digits, family.name, nil
    assert(not by_number[row.number], row.number .. " is taken")
    by_number[row.number] = row
    in_order[#in_order + 1] = row
  end
end

table.sort(in_order, function(a, b) return a.number < b.number end)

---@param number string
---@return telnyx.sandbox.weather|nil
function weather.find(number)
  return by_number[number]
end

---@param digits any the last five of a magic recipient
---@return telnyx.sandbox.weather|nil
function weather.of_digits(digits)
  return type(digits) == "string" and #digits == 5 and by_number[PREFIX .. digits] or nil
end

---The last five digits of a row's number.
---@param row telnyx.sandbox.weather
---@return string
function weather.digits(row)
  return row.number:sub(#PREFIX + 1)
end

---Every magic recipient, by number.
---@return telnyx.sandbox.weather[] a fresh list of the shared rows
function weather.list()
  local rows = {}
  for i, row in ipairs(in_order) do rows[i] = row end
  return rows
end

return weather
