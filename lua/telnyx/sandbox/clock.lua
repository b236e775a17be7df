--- Instants as epoch seconds, and the ways HTTP and the service write them.

local clock = {}

local floor = math.floor

---The wall clock, with fractions where the C core is there to give them.
---@return number seconds since the epoch
function clock.now()
  local ok, core = pcall(require, "telnyx.core")
  clock.now = ok and core.now or os.time
  return clock.now()
end

---`2025-03-22T11:28:39.401+00:00`
---@param instant number|nil
---@return string|nil
function clock.iso8601(instant)
  if not instant then return nil end
  local milliseconds = floor(instant * 1000 + 0.5)
  local seconds = floor(milliseconds / 1000)
  return os.date("!%Y-%m-%dT%H:%M:%S", seconds)
    .. string.format(".%03d+00:00", milliseconds - seconds * 1000)
end

---`Sat, 22 Mar 2025 11:28:39 GMT`
---@param instant number
---@return string
function clock.http_date(instant)
  return os.date("!%a, %d %b %Y %H:%M:%S GMT", floor(instant))
end

-- Days since 1970-01-01, counting years from March so that the leap day comes
-- last and needs no special case.
local function day_number(year, month, day)
  if month <= 2 then
    year, month = year - 1, month + 12
  end
  return 365 * year + floor(year / 4) - floor(year / 100) + floor(year / 400)
    + floor((153 * (month - 3) + 2) / 5) + day - 719469
end

-- No zone is more hours away from UTC.
local FARTHEST = 14

local function zone_offset(zone)
  if zone == "Z" or zone == "z" then return 0 end
  local sign, hours, minutes = zone:match("^([+-])(%d%d):?(%d%d)$")
  if not sign or tonumber(hours) > FARTHEST or tonumber(minutes) > 59 then return nil end
  local offset = tonumber(hours) * 3600 + tonumber(minutes) * 60
  return sign == "-" and -offset or offset
end

local STAMP = "^(%d%d%d%d)%-(%d%d)%-(%d%d)[Tt](%d%d):(%d%d):(%d%d)(%.?%d*)(.+)$"

---Reads an ISO 8601 date and time that names its zone.
---@param text string
---@return number|nil instant nil when it is none
function clock.parse(text)
  local year, month, day, hour, minute, second, fraction, zone = text:match(STAMP)
  local offset = zone and zone_offset(zone)
  if not offset or fraction == "." then return nil end
  if tonumber(hour) > 23 or tonumber(minute) > 59 or tonumber(second) > 60 then return nil end
  local midnight = day_number(tonumber(year), tonumber(month), tonumber(day)) * 86400
  -- A day that the month does not have would come back as another date.
  if os.date("!%Y-%m-%d", midnight) ~= text:sub(1, 10) then return nil end
  return midnight + hour * 3600 + minute * 60 + second + (tonumber(fraction) or 0) - offset
end

return clock
