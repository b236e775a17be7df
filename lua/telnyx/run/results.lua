--- The file of a campaign's results: one campaign's at a time, whatever names it goes by, and
--- nothing is written over but what was written here.

local core = require("telnyx.core")
local csv = require("telnyx.run.csv")

local HEADING = { "line", "key", "outcome", "id", "detail" }

local results = {}

---@class telnyx.results
---@field private path string
---@field private is_begun boolean|nil a campaign has written its heading
---@field private lock table|nil the system's: it ends with this process, however that ends
---@field private file file*|nil
local Results = {}
Results.__index = Results

---@param path string
---@return telnyx.results
function results.new(path) return setmetatable({ path = path }, Results) end

-- The first line of a file; false: it is empty.
local function first_line(path)
  local file, why = io.open(path, "rb")
  if not file then return nil, why end
  local line = file:read(#csv.line(HEADING))
  file:close()
  return line or false
end

-- Whether a campaign has begun it; nil: it is somebody else's. It is looked at when nobody else
-- writes any more.
local function is_begun(path)
  local line, why = first_line(path)
  if line == nil then return nil, why end
  if not line or line == csv.line(HEADING) then return line and true or false end
  return nil, path .. " is there, and is not the results of a campaign: it is left alone"
end

local function take(self)
  local lock, why = core.lock_file(self.path)
  if lock == false then
    return nil, ("another campaign is writing %s; when that one has ended, start it again"):format(
      self.path)
  end
  self.lock = lock
  if not lock then return nil, why end
  self.is_begun, why = is_begun(self.path)
  return self.is_begun ~= nil or nil, why
end

---Takes the file, if it is there: what is refused is refused before anything is done for it.
---@return true|nil
---@return string|nil why
function Results:take_early()
  if not core.file_id(self.path) then return true end
  return take(self)
end

---Takes the file, made if it is not there. What is in it stays.
---@return true|nil
---@return string|nil why
function Results:take()
  if self.lock then return true end
  local file, why = io.open(self.path, "ab")
  if not file then return nil, why end
  file:close()
  return take(self)
end

---Where it is remembered what was sent for this file: beside it, whatever name it is called by.
---@return string|nil path
---@return string|nil why
function Results:journal_path()
  local path, why = core.make_file(self.path)
  return path and path .. ".db", why
end

-- The first that was on the wire, if it says so of one: the journal has its key. Lines that cannot
-- be read are no lines.
local function first_posted(path)
  local file, why = io.open(path, "rb")
  if not file then return nil, why end
  local rows = csv.rows(function() return file:read(65536) end,
    { name = path, known = HEADING })
  local row, key = rows and rows(), nil
  while row and not key do
    local outcome = row.fields and row.fields.outcome
    if outcome == "accepted" or outcome == "unknown" then key = row.fields.key end
    row = rows()
  end
  file:close()
  return key
end

local function is_missing(self, journal_path)
  return nil, ("%s was begun with a journal, and %s is not there; --journal says where it is, and"
    .. " without it everybody would get the message again. For a new campaign, take another"
    .. " name for the results"):format(self.path, journal_path)
end

---Whether the journal is the one of these results: who sends by another sends to everybody again.
---@param journal_path string
---@param open fun(path: string): telnyx.journal made if it is not there
---@return telnyx.journal|nil
---@return string|nil why
function Results:open_journal(journal_path, open)
  if self.is_begun and not core.file_id(journal_path) then return is_missing(self, journal_path) end
  local key, journal = first_posted(self.path), open(journal_path)
  if not key or journal:get(key) ~= false then return journal end
  journal:close()
  return nil, ("%s says that key '%s' was sent, and the journal %s does not know it; --journal says"
    .. " where it is, and without it everybody would get the message again"):format(self.path,
    key, journal_path)
end

local function write(self, line)
  local ok, why = self.file:write(line)
  if ok then ok, why = self.file:flush() end
  if ok then return true end
  return nil, ("%s cannot be written: %s"):format(self.path, why)
end

---Begins the taken file anew.
---@return true|nil
---@return string|nil why
function Results:begin()
  local file, why = io.open(self.path, "wb")
  if not file then return nil, why end
  self.file = file
  return write(self, csv.line(HEADING))
end

---One line more, which is there when this returns.
---@param result telnyx.campaign_result
---@return true|nil
---@return string|nil why
function Results:add(result)
  return write(self, csv.line { result.line, result.key, result.outcome, result.id,
    result.detail })
end

---Leaves the file to others.
function Results:close()
  if self.file then self.file:close() end
  if self.lock then self.lock:close() end
  self.file, self.lock = nil, nil
end

return results
