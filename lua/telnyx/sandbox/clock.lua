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

---An instant as it is shown, to the millisecond: what is read off a row finds the row again.
---@param instant number
---@return number
function clock.shown(instant)
  return floor(instant * 1000 + 0.5) / 1000
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

return clock
