--- What a campaign's file says: its rows as messages with keys, each judged as a send would judge
--- it, before anything is sent.

local core = require("telnyx.core")
local cost = require("telnyx.send.cost")
local csv = require("telnyx.run.csv")
local options = require("telnyx.options")
local tables = require("telnyx.tables")

local recipients = {}

local COLUMNS = { "key" }
for _, name in ipairs(core.fields) do COLUMNS[#COLUMNS + 1] = name end

---@class telnyx.recipient
---@field line integer where it stands in the file
---@field key string|nil what it is sent under
---@field nth integer|nil the how manieth message to its recipient this is
---@field message telnyx.message|nil with the defaults
---@field segments telnyx.segments|nil of an SMS
---@field warnings telnyx.warning[]|nil
---@field fault string|nil instead of these: a sentence

---@class telnyx.recipients_options
---@field name string the file's, for sentences about it
---@field defaults telnyx.message|nil what a client fills in
---@field extra string[]|nil columns that are allowed, and not read
---@field max_parts integer|nil as a client's
---@field on_ucs2 "allow"|"refuse"|"smart"|nil as a client's
---@field accept table<string, boolean>|nil as a client's
---@field strict boolean|nil as a client's

-- Fields ----------------------------------------------------------------------------------------

local function list_of(text)
  local list = {}
  for word in text:gmatch("%S+") do list[#list + 1] = word end
  return list
end

local BOOLEANS = { ["true"] = true, ["false"] = false }

-- Spreadsheets write them in capitals.
local function boolean_of(text, name)
  local value = BOOLEANS[text:lower()]
  if value == nil then return nil, ("'%s' must be true or false, got %q"):format(name, text) end
  return value
end

local VALUE_OF = {
  media_urls = list_of, use_profile_webhooks = boolean_of, auto_detect = boolean_of,
}

-- An empty field is none.
local function message_of(fields, defaults)
  local message = tables.copy(defaults)
  for _, name in ipairs(core.fields) do
    local value, why = fields[name], nil
    if value and value ~= "" then
      if VALUE_OF[name] then value, why = VALUE_OF[name](value, name) end
      if why then return nil, why end
      message[name] = value
    end
  end
  return message
end

local function details_of(err)
  local details = {}
  for _, one in ipairs(err.errors) do
    details[#details + 1] = ("%s (%s)"):format(one.detail or one.title, one.rule)
  end
  return table.concat(details, "; ")
end

-- By the same steps as a send, so that none is refused later for what could be seen now.
---@return telnyx.segments|nil
---@return string|nil why
---@return telnyx.warning[]|nil
local function judged(message, limits)
  local priced, segments = cost.apply(message, limits)
  if not priced then return nil, details_of(segments) end
  local is_valid, told = core.validate(priced, nil, limits.accept or nil, limits.strict)
  if not is_valid then return nil, details_of(told) end
  return segments, nil, told
end

-- Keys ------------------------------------------------------------------------------------------

-- Counts the messages to each recipient.
local function new_counter()
  local n_of = {}
  return function(to)
    local name = tonumber(to:match("^%+(%d+)$")) or to -- a number takes less memory
    local n = (n_of[name] or 0) + 1
    n_of[name] = n
    return n
  end
end

-- A message under the key of another would be taken for sent.
local function new_register()
  local line_of = {}
  return function(key, line)
    if key == "" then return nil, "'key' is empty: each has one, or the column is left out" end
    local is_key, expected = options.is_key(key)
    if not is_key then return nil, "'key' must be " .. expected end
    local first = line_of[key]
    if first then return nil, ("the key '%s' stands in line %d already"):format(key, first) end
    line_of[key] = line
    return key
  end
end

-- Rows ------------------------------------------------------------------------------------------

-- Without keys of its own: the first to this number, the second …
local function key_of(row, nth, message, keys)
  if row.fields.key then return keys.register(row.fields.key, row.line) end
  return message.to .. " " .. nth
end

---@return telnyx.recipient|nil
---@return string|nil why
local function recipient_of(row, keys, given)
  local message, unread = message_of(row.fields, given.defaults or {})
  if not message then return nil, unread end
  local segments, refused, warnings = judged(message, given)
  if refused then return nil, refused end
  local nth = keys.count(message.to)
  local key, unusable = key_of(row, nth, message, keys)
  if not key then return nil, unusable end
  return { line = row.line, key = key, nth = nth, message = message, segments = segments,
    warnings = warnings }
end

---An iterator over the recipients of a file. The faults of the file, and of its messages, are
---rows with a `fault`.
---@param read fun(): string|nil, string|nil the next bytes, any number; nil at the end, or nil, why
---@param given telnyx.recipients_options
---@return (fun(): telnyx.recipient|nil)|nil
---@return string|nil why a sentence
function recipients.rows(read, given)
  local rows, why = csv.rows(read, { name = given.name, known = COLUMNS, required = { "to" },
    extra = given.extra })
  if not rows then return nil, why end
  local keys = { count = new_counter(), register = new_register() }
  return function()
    local row = rows()
    if not row or row.fault then return row end
    local recipient, fault = recipient_of(row, keys, given)
    return recipient or { line = row.line, fault = csv.sentence(given.name, row.line, fault) }
  end
end

---@class telnyx.recipients_warning of all that break a rule
---@field rule string
---@field n integer how many do
---@field line integer of the first
---@field detail string of the first

---@class telnyx.recipients_check
---@field n integer how many there are
---@field n_faults integer
---@field faults string[] the first of them
---@field warnings telnyx.recipients_warning[] one a rule, in the order in which they were met

local function note_warnings(check, recipient)
  for _, warning in ipairs(recipient.warnings or {}) do
    local rule = warning.rule
    local own = check.by_rule[rule]
    if not own then
      own = { rule = rule, n = 0, line = recipient.line, detail = warning.detail }
      check.by_rule[rule], check.warnings[#check.warnings + 1] = own, own
    end
    own.n = own.n + 1
  end
end

---Goes through all of them.
---@param rows fun(): telnyx.recipient|nil
---@param n_told integer how many faults are told
---@param see fun(recipient: telnyx.recipient)|nil gets each that has no fault
---@return telnyx.recipients_check
function recipients.check(rows, n_told, see)
  local check = { n = 0, n_faults = 0, faults = {}, warnings = {}, by_rule = {} }
  for recipient in rows do
    check.n = check.n + 1
    if recipient.fault then
      check.n_faults = check.n_faults + 1
      if check.n_faults <= n_told then check.faults[check.n_faults] = recipient.fault end
    else
      note_warnings(check, recipient)
      if see then see(recipient) end
    end
  end
  return check
end

return recipients
