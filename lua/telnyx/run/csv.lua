--- CSV by RFC 4180, strictly: what is not so is told with its line, and nothing is guessed. A file
--- of any length is read in the memory of its longest record.

local core = require("telnyx.core")

local csv = {}

-- A quote that is never closed would take the rest of the file into one record.
local MAX_RECORD_BYTES = 2 ^ 20
-- What has been read stays in the buffer until it is this much: to cut it off costs a copy.
local TRIM_BYTES = 2 ^ 15

local BYTE_ORDER_MARK = "\239\187\191"
local UTF16_MARKS = { ["\255\254"] = true, ["\254\255"] = true }

---@class telnyx.csv_columns
---@field name string the file's, for sentences about it
---@field known string[] names of columns, in lower case
---@field required string[]|nil those of them that must be there
---@field extra string[]|nil names that are allowed besides

---@class telnyx.csv_row
---@field line integer where the record began, from 1
---@field fields table<string, string>|nil by the column's name, all of them there
---@field fault string|nil instead of the fields: a sentence, with the file's name and the line

---@class telnyx.csv_reader
---@field read fun(): string|nil, string|nil
---@field buffer string what was read and is still of use
---@field at integer the next byte in the buffer
---@field start integer where the record begins in the buffer
---@field line integer where the record begins in the file
---@field has_quotes boolean whether a field of the record was quoted
---@field has_ended boolean nothing more can be read
---@field failure string|nil why it ended before its end
---@field is_lost boolean nobody can say where the next record begins
local Reader = {}
Reader.__index = Reader

-- Bytes -----------------------------------------------------------------------------------------

-- Appends what comes next, so that places in the buffer stay what they are.
function Reader:more()
  if self.has_ended or #self.buffer - self.start >= MAX_RECORD_BYTES then return false end
  local chunk, why = self.read()
  if chunk then
    self.buffer = self.buffer .. chunk
    return true
  end
  self.has_ended = true
  self.failure = why and "it cannot be read: " .. tostring(why)
  return false
end

---@return string byte "" at the end
function Reader:peek()
  while self.at > #self.buffer and self:more() do end -- luacheck: ignore 542
  return self.buffer:sub(self.at, self.at)
end

-- Where one of them comes next; one past the last byte when none does.
function Reader:find(pattern)
  local from = self.at
  while true do
    local place = self.buffer:find(pattern, from)
    if place then return place end
    from = #self.buffer + 1
    if not self:more() then return from end
  end
end

-- Fields ----------------------------------------------------------------------------------------

function Reader:unquoted()
  local stop = self:find('[,\r\n"]')
  local text = self.buffer:sub(self.at, stop - 1)
  self.at = stop
  if self:peek() ~= '"' then return text end
  return nil, "a quote stands inside a field that does not begin with one"
end

function Reader:quoted()
  self.has_quotes = true
  local pieces = {}
  repeat
    self.at = self.at + 1
    local stop = self:find('"')
    pieces[#pieces + 1] = self.buffer:sub(self.at, stop - 1)
    self.at = stop
    if self:peek() == "" then return nil, "a quote that opens a field is never closed" end
    self.at = stop + 1
  until self:peek() ~= '"'
  return table.concat(pieces, '"')
end

-- What comes after a field: whether there is another one, or why that may not be.
function Reader:is_followed()
  local byte = self:peek()
  self.at = self.at + #byte
  if byte == "," then return true end
  if byte == "\n" or byte == "" then return false end
  if byte ~= "\r" then return nil, "text follows the quote that closes a field" end
  if self:peek() ~= "\n" then return nil, "a line ends in a carriage return alone" end
  self.at = self.at + 1
  return false
end

-- After a fault of the syntax nobody can say where the next record begins.
local LOST = "%s%s; nothing after it was read"

-- The first reason there is: what was read so far may be cut anywhere.
function Reader:lost(number, why)
  if self.failure then return nil, self.failure end
  if self.at - self.start < MAX_RECORD_BYTES then
    return nil, LOST:format(why, " (field " .. number .. ")")
  end
  return nil, LOST:format("it is longer than a MiB: a quote in it may not be closed", "")
end

---@return string[]|nil fields
---@return string|nil why
function Reader:record()
  local fields, has_next = {}, true
  while has_next do
    local text, why = self[self:peek() == '"' and "quoted" or "unquoted"](self)
    if text then has_next, why = self:is_followed() end
    fields[#fields + 1] = text or ""
    if why or self.failure then return self:lost(#fields, why) end
  end
  if self.at - self.start >= MAX_RECORD_BYTES then return self:lost() end
  return fields
end

-- Records ---------------------------------------------------------------------------------------

function Reader:trim()
  if self.at > TRIM_BYTES or self.at > #self.buffer then
    self.buffer, self.at = self.buffer:sub(self.at), 1
  end
  self.start, self.has_quotes = self.at, false
end

-- Whether there is another record. Empty lines are none.
function Reader:has_record()
  while true do
    self:trim()
    local byte = self:peek()
    if byte == "\r" then
      self.at = self.at + 1
      byte = self:peek()
      self.at = self.at - 1
      if byte == "\n" then self.at = self.at + 1 end
    end
    if byte ~= "\n" then return byte ~= "" or self.at <= #self.buffer end
    self.at, self.line = self.at + 1, self.line + 1
  end
end

-- What no field may hold, quoted or not.
local function bad_bytes(text, has_quotes)
  if text:find("\0", 1, true) then return "it holds a NUL byte" end
  if not core.is_utf8(text) then return "it is not UTF-8: save the file as \"CSV UTF-8\"" end
  if has_quotes and text:gsub("\r\n", ""):find("\r", 1, true) then
    return "it holds a carriage return without a line feed"
  end
end

---@return integer|nil line nil: there is no other record
---@return string[]|nil fields
---@return string|nil why there are none
function Reader:next()
  if self.is_lost then return nil end
  local is_there = self:has_record()
  local line = self.line
  if not is_there then
    self.is_lost = true
    return self.failure and line, nil, self.failure
  end
  local fields, why = self:record()
  self.is_lost = not fields
  if not fields then return line, nil, why end
  local text = self.buffer:sub(self.start, self.at - 1)
  self.line = line + (self.has_quotes and select(2, text:gsub("\n", "")) or 1)
  why = bad_bytes(text, self.has_quotes)
  if why then return line, nil, why end
  return line, fields
end

-- The heading -----------------------------------------------------------------------------------

local function set_of(...)
  local set = {}
  for _, names in ipairs({ ... }) do
    for _, name in ipairs(names) do set[name] = true end
  end
  return set
end

-- Of a first line that is no heading, no more than tells it.
local function shown(name)
  local short = name:sub(1, 40):gsub("%c", " ")
  return #name > 40 and short:gsub("[\192-\247]?[\128-\191]*$", "") .. "..." or short
end

local function unknown_column(name, columns)
  local separator = name:match("[;\t]")
  if separator then
    return ("columns are separated by commas, not by %s"):format(
      separator == ";" and "semicolons" or "tabs")
  end
  local near = core.nearest(name, columns.known)
  if near then return ("there is no column '%s'; did you mean '%s'?"):format(shown(name), near) end
  if name:find("^%+?%d+$") then
    return ("the first line must name the columns; '%s' is no name"):format(shown(name))
  end
  return ("column '%s' is none of those that are read, and not allowed: %s"):format(shown(name),
    table.concat(columns.known, ", "))
end

-- The names of the columns in order; or nil, why.
local function headings_of(fields, columns)
  local names, place, is_known = {}, {}, set_of(columns.known, columns.extra or {})
  for i, field in ipairs(fields) do
    local name = field:match("^%s*(.-)%s*$"):lower()
    if name == "" then return nil, ("column %d has no name"):format(i) end
    if not is_known[name] then return nil, unknown_column(name, columns) end
    if place[name] then return nil, ("two columns are named '%s'"):format(shown(name)) end
    names[i], place[name] = name, i
  end
  for _, name in ipairs(columns.required or {}) do
    if not place[name] then return nil, ("the column '%s' is missing"):format(name) end
  end
  return names
end

local function skip_byte_order_mark(reader)
  while #reader.buffer < #BYTE_ORDER_MARK and reader:more() do end -- luacheck: ignore 542
  if UTF16_MARKS[reader.buffer:sub(1, 2)] then
    return nil, "it is UTF-16: save the file as \"CSV UTF-8\""
  end
  if reader.buffer:sub(1, #BYTE_ORDER_MARK) == BYTE_ORDER_MARK then
    reader.at = #BYTE_ORDER_MARK + 1
  end
  return true
end

local function read_headings(reader, columns)
  local ok, why = skip_byte_order_mark(reader)
  if not ok then return nil, why end
  local line, fields
  line, fields, why = reader:next()
  if not line then return nil, "it is empty; the first line must name the columns" end
  if not fields then return nil, why, line end
  local names
  names, why = headings_of(fields, columns)
  return names, why, line
end

-- Rows ------------------------------------------------------------------------------------------

---What is wrong, in one line, whatever stands in the file.
---@param name string the file's
---@param line integer
---@param why string
---@return string
function csv.sentence(name, line, why)
  return (("%s, line %d: %s"):format(name, line, why):gsub("%c", " "))
end

local function many(n, noun) return ("%d %s%s"):format(n, noun, n == 1 and "" or "s") end

local function by_name(headings, fields)
  if #fields ~= #headings then
    return nil, ("it has %s, but the heading has %s%s"):format(many(#fields, "field"),
      many(#headings, "column"),
      #fields > #headings and "; a field with a comma in it must be quoted" or "")
  end
  local named = {}
  for i, name in ipairs(headings) do named[name] = fields[i] end
  return named
end

---Reads the heading, and returns an iterator over the rows below it. A row that is not well formed
---has a `fault` and no fields; where nothing after it can be read it is the last.
---@param read fun(): string|nil, string|nil the next bytes, any number; nil at the end, or nil, why
---@param columns telnyx.csv_columns
---@return (fun(): telnyx.csv_row|nil)|nil
---@return string|nil why a sentence
function csv.rows(read, columns)
  local reader = setmetatable({ read = read, buffer = "", at = 1, start = 1, line = 1,
    has_quotes = false, has_ended = false, failure = nil, is_lost = false }, Reader)
  local headings, why, at_line = read_headings(reader, columns)
  if not headings then return nil, csv.sentence(columns.name, at_line or 1, why) end
  return function()
    local line, fields, fault = reader:next()
    if not line then return nil end
    local named
    if fields then named, fault = by_name(headings, fields) end
    if not named then fault = csv.sentence(columns.name, line, fault) end
    return { line = line, fields = named, fault = fault }
  end
end

-- Writing ---------------------------------------------------------------------------------------

local function quoted(value)
  local text = tostring(value)
  local is_plain = not (text:find('[,"\r\n]') or text:find("^%s") or text:find("%s$"))
  if is_plain then return text end
  return '"' .. text:gsub('"', '""') .. '"'
end

---A record as it is written, its end included.
---@param values any[] nil is not among them
---@return string
function csv.line(values)
  local list = {}
  for i, value in ipairs(values) do list[i] = quoted(value) end
  if #list == 1 and list[1] == "" then list[1] = '""' end -- an empty line is no record
  return table.concat(list, ",") .. "\n"
end

return csv
