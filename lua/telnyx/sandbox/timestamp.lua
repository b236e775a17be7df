--- RFC 3339: a date and time with seconds and a zone, `2025-03-22T12:00:00Z`.

local floor = math.floor

local SHAPE = "^(%d%d%d%d)%-(%d%d)%-(%d%d)[Tt](%d%d):(%d%d):(%d%d)(.*)$"

local DAYS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function is_leap(year)
  return year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
end

local function days_in(year, month)
  if month == 2 and is_leap(year) then return 29 end
  return DAYS[month]
end

local function is_day(year, month, day)
  return month >= 1 and month <= 12 and day >= 1 and day <= days_in(year, month)
end

-- Days from 0001-01-01 to the year's first.
local function days_before(year)
  local past = year - 1
  return past * 365 + floor(past / 4) - floor(past / 100) + floor(past / 400)
end

local EPOCH = days_before(1970)

local function day_number(year, month, day)
  local days = days_before(year) - EPOCH + day - 1
  for earlier = 1, month - 1 do days = days + days_in(year, earlier) end
  return days
end

-- Seconds east of UTC.
local function offset_of(zone)
  if zone == "Z" or zone == "z" then return 0 end
  local sign, hours, minutes = zone:match("^([+-])(%d%d):(%d%d)$")
  hours, minutes = tonumber(hours), tonumber(minutes)
  if not sign or hours > 23 or minutes > 59 then return nil end
  local seconds = hours * 3600 + minutes * 60
  return sign == "-" and -seconds or seconds
end

local function fraction_and_offset(rest)
  local digits, zone = rest:match("^%.(%d+)(.+)$")
  if digits then return tonumber("0." .. digits), offset_of(zone) end
  return 0, offset_of(rest)
end

---@param text string
---@return number|nil instant epoch seconds; nil when it is no such date and time
return function(text)
  local year, month, day, hour, minute, second, rest = text:match(SHAPE)
  if not year then return nil end
  year, month, day = tonumber(year), tonumber(month), tonumber(day)
  hour, minute, second = tonumber(hour), tonumber(minute), tonumber(second)
  local fraction, offset = fraction_and_offset(rest)
  -- The sixtieth second is that of a leap second.
  if not offset or not is_day(year, month, day) then return nil end
  if hour > 23 or minute > 59 or second > 60 then return nil end
  return day_number(year, month, day) * 86400 + hour * 3600 + minute * 60 + second + fraction
    - offset
end
