--- The endpoints that look up detail records: the search, and the older report.

local clock = require("telnyx.sandbox.clock")
local json = require("telnyx.sandbox.json")
local query = require("telnyx.sandbox.query")
local records = require("telnyx.sandbox.records")
local reply = require("telnyx.sandbox.reply")

local MOST = 50

local DAY = 86400

local BAD_REQUEST, MINUTE = "Bad Request", 60

-- So many searches in each minute of the clock; a search that is refused counts as well.
local function take_place(service, now)
  local quota, used = service.knobs.quota, service.searches
  local minute = math.floor(now / MINUTE)
  if used.minute ~= minute then used.minute, used.count = minute, 0 end
  local allowed = used.count < quota
  if allowed then used.count = used.count + 1 end
  return allowed, {
    ["x-ratelimit-limit"] = ("%d, %d;w=%d"):format(quota, quota, MINUTE),
    ["x-ratelimit-remaining"] = ("%d"):format(math.max(0, quota - used.count)),
    ["x-ratelimit-reset"] = ("%d"):format(math.ceil((minute + 1) * MINUTE - now)),
  }
end

local function bad_request(detail, headers)
  return reply.refuse_search(400, { code = "10011", title = BAD_REQUEST, detail = detail },
    headers)
end

local function too_many(headers)
  return reply.refuse_search(429, { code = "10011", title = "Too many requests",
    detail = "You have exceeded the maximum number of allowed requests." }, headers)
end

local function reversed(list)
  local other = {}
  for i, item in ipairs(list) do other[#list - i + 1] = item end
  return other
end

local function page_of(found, page, render, headers)
  local rows, meta = query.cut(found, page)
  for i, row in ipairs(rows) do rows[i] = render(row) end
  local body = json.object { { "data", json.array(rows) }, { "meta", meta } }
  return reply.ok(200, json.encode(body), headers)
end

local function search(service, request)
  service:settle()
  local now, values = service.now(), query.parse(request.path)
  local allowed, headers = take_place(service, now)
  if not allowed then return too_many(headers) end
  if values["filter[record_type]"] ~= "messaging" then
    return bad_request("The filter 'record_type' is required, and must be a known one.", headers)
  end
  local tests, unknown = records.tests(values, now)
  if unknown and service.knobs.unknown_record_filter == "400" then
    return bad_request(("The filter '%s' is not known."):format(unknown), headers)
  end
  local found = records.find(service, tests)
  if (values.sort or values["sort[]"] or ""):find("^created_at") then found = reversed(found) end
  return page_of(found, query.page(values, MOST), records.render, headers)
end

-- A day's end is in the day.
local function instant_of(text, is_end)
  local at = query.instant(text)
  return at and is_end and #text == 10 and at + DAY or at
end

local function report_bounds(values)
  local from = values.start_date and instant_of(values.start_date, false)
  local to = values.end_date and instant_of(values.end_date, true)
  if values.start_date and not from or values.end_date and not to then return nil end
  return from or -math.huge, to or math.huge
end

-- Flat parameters, and the fields that they are about.
local PARAMETERS = {
  id = "uuid", direction = "direction", profile = "profile_name", cld = "cld", cli = "cli",
  status = "status", message_type = "message_type",
}

local IN_CAPITALS = { direction = true, status = true }

local function report_tests(values, from, to)
  local tests = { function(row)
    local at = clock.shown(row.record.received_at)
    return at >= from and at <= to
  end }
  for name, field in pairs(PARAMETERS) do
    local wanted = values[name]
    if wanted then
      tests[#tests + 1] = function(row)
        local value = records.read(row, field)
        return (IN_CAPITALS[name] and value:upper() or value) == wanted
      end
    end
  end
  return tests
end

-- No parameters for pages are documented, though the reply has their numbers.
local function report(service, request)
  local values = query.parse(request.path)
  local from, to = report_bounds(values)
  if not from then return bad_request("start_date and end_date must be dates.") end
  local found = records.find(service, report_tests(values, from, to))
  return page_of(found, query.page(values, MOST), records.render_report)
end

return {
  { path = "^/v2/detail_records$", key = true, methods = { GET = search } },
  { path = "^/v2/reports/mdrs$", key = true, methods = { GET = report } },
}
