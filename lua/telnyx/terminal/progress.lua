--- How far a campaign is: on a terminal one line, drawn over and over and never wider than it; in
--- a log a line every so often.

local cells = require("telnyx.terminal.cells")
local core = require("telnyx.core")
local screen = require("telnyx.terminal.screen")

local progress = {}

local REDRAWN_S, LOGGED_S = 0.1, 10
-- Windows are made narrower meanwhile.
local MEASURED_S = 5
local GAP = "  "

---@param number integer
---@return string with commas between thousands
function progress.number(number)
  local digits = ("%.0f"):format(number)
  local first = digits:sub(1, (#digits - 1) % 3 + 1)
  return first .. digits:sub(#first + 1):gsub("%d%d%d", ",%0")
end

local UNITS = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } }

---@param seconds number
---@return string in its two largest units, rounded up
function progress.span(seconds)
  local whole = math.ceil(seconds)
  for i, unit in ipairs(UNITS) do
    local size, next_unit = unit[1], UNITS[i + 1]
    if whole >= size then
      local count, rest = math.floor(whole / size), whole % size
      local small = next_unit and math.floor(rest / next_unit[1]) or 0
      return ("%.0f %s"):format(count, unit[2])
        .. (small > 0 and (" %.0f %s"):format(small, next_unit[2]) or "")
    end
  end
  return "0 s"
end

-- Troubles first: where there is no room, what went well goes.
local NAMES = { { "unknown", "unknown" }, { "rejected", "rejected" }, { "not_sent", "not sent" },
  { "accepted", "accepted" }, { "replayed", "of these replayed" } }

---@param counts table<string, integer>
---@return string[] pieces a count and its name, none of nought
function progress.outcomes(counts)
  local pieces = {}
  for _, row in ipairs(NAMES) do
    local n = counts[row[1]]
    if n > 0 then pieces[#pieces + 1] = progress.number(n) .. " " .. row[2] end
  end
  return pieces
end

---The line, with as many of its pieces as have room.
---@param counts telnyx.campaign_counts
---@param total integer
---@param seconds number since it began
---@param width integer
---@return string
function progress.line(counts, total, seconds, width)
  local left, n_posted = total - counts.total, counts.total - counts.replayed
  local rate = seconds > 0 and n_posted / seconds or 0
  local pieces = { ("%s of %s"):format(progress.number(counts.total), progress.number(total)) }
  if rate > 0 then
    if left > 0 then pieces[2] = progress.span(left / rate) .. " left" end
    pieces[#pieces + 1] = (rate < 10 and "%.1f/s" or "%.0f/s"):format(rate)
  end
  for _, piece in ipairs(progress.outcomes(counts)) do pieces[#pieces + 1] = piece end
  local line = pieces[1]
  for i = 2, #pieces do
    if cells.width(line .. GAP .. pieces[i]) > width then break end
    line = line .. GAP .. pieces[i]
  end
  return cells.fit(line, width)
end

---@class telnyx.progress
---@field private file file*
---@field private total integer
---@field private is_terminal boolean
---@field private width integer
---@field private started number
---@field private shown_at number
---@field private measured_at number
---@field private is_drawn boolean whether the line stands on the terminal
local Progress = {}
Progress.__index = Progress

---On standard error.
---@param total integer
---@return telnyx.progress
function progress.new(total)
  local now = core.monotonic()
  local is_terminal = screen.is_terminal(2) and os.getenv("TERM") ~= "dumb"
  return setmetatable({ file = io.stderr, total = total, is_terminal = is_terminal,
    width = screen.width(2), started = now, shown_at = is_terminal and 0 or now,
    measured_at = now, is_drawn = false }, Progress)
end

local function draw(self, counts, now)
  if self.is_terminal and now - self.measured_at >= MEASURED_S then
    self.width, self.measured_at = screen.width(2), now
  end
  -- The last column stays free: some terminals go on to the next line when it is taken.
  local width = self.is_terminal and self.width - 1 or math.huge
  local line = progress.line(counts, self.total, now - self.started, width)
  self.file:write(self.is_terminal and "\r\27[K" or "", line, self.is_terminal and "" or "\n")
  self.file:flush()
  self.is_drawn, self.shown_at = self.is_terminal, now
end

---@param counts telnyx.campaign_counts
function Progress:show(counts)
  local now = core.monotonic()
  if now - self.shown_at >= (self.is_terminal and REDRAWN_S or LOGGED_S) then
    draw(self, counts, now)
  end
end

---Makes room for something else that is printed.
function Progress:clear()
  if self.is_drawn then self.file:write("\r\27[K") end
  self.is_drawn = false
end

return progress
