--- Moments as the service writes them, and as seconds since 1970.

local moments = {}

local floor = math.floor

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
function moments.parse(text)
  local year, month, day, hour, minute, second, fraction, zone = text:match(STAMP)
  local offset = zone and zone_offset(zone)
  if not offset or fraction == "." then return nil end
  if tonumber(hour) > 23 or tonumber(minute) > 59 or tonumber(second) > 60 then return nil end
  local midnight = day_number(tonumber(year), tonumber(month), tonumber(day)) * 86400
  -- A day that the month does not have would come back as another date.
  if os.date("!%Y-%m-%d", midnight) ~= text:sub(1, 10) then return nil end
  return midnight + hour * 3600 + minute * 60 + second + (tonumber(fraction) or 0) - offset
end

return moments
