--- What `telnyx.new` and its calls may be told: names, types, ranges, in one
--- table each. Misuse raises, with the nearest known name.

local core = require("telnyx.core")
local rules = require("telnyx.rules")
local tables = require("telnyx.tables")

local options = {}

local SECRET = { api_key = true, proxy = true }

local function type_rule(kind)
  return function(value)
    return type(value) == kind, "a " .. kind
  end
end

local function seconds(value)
  return type(value) == "number" and value >= 0.001 and value <= 1e6,
    "a number of seconds from 0.001 to 1000000"
end

local function whole_bytes(value)
  local ok = type(value) == "number" and value >= 1 and value <= 2 ^ 30
    and value % 1 == 0
  return ok, "a whole number of bytes from 1 to 2^30"
end

local function connections(value)
  local ok = type(value) == "number" and value >= 1 and value <= 65536 and value % 1 == 0
  return ok, "a whole number from 1 to 65536"
end

local function table_or_false(value)
  return type(value) == "table" or value == false, "a table or false"
end

local function is_callable(value)
  local meta = type(value) == "table" and getmetatable(value)
  return type(value) == "function" or (type(meta) == "table" and meta.__call ~= nil)
end

local function callable(value)
  return is_callable(value), "a function"
end

options.is_callable = is_callable

-- Who can start must be able to go on.
local function sender(value)
  local kind = type(value)
  local ok = (kind == "table" or kind == "userdata") and is_callable(value.send)
  if ok and value.start ~= nil then
    ok = is_callable(value.start) and is_callable(value.step) and is_callable(value.finished)
  end
  return ok, "an object with a method 'send', and all or none of 'start', 'step' and 'finished'"
end

local function readable_file(value)
  local file = type(value) == "string" and io.open(value, "rb")
  if file then file:close() end
  return file and true or false, "the path of a file that can be read"
end

local function printable(value)
  return type(value) == "string" and value:find("^[\32-\126]+$") ~= nil, "printable ASCII"
end

local function count(value)
  return type(value) == "number" and value >= 1 and value % 1 == 0, "a whole number from 1 up"
end

local function on_ucs2(value)
  return value == "allow" or value == "refuse" or value == "smart",
    "\"allow\", \"refuse\" or \"smart\""
end

local JOURNAL = { "get", "claim", "finish", "release", "reap", "settle", "resend" }

local function journal(value)
  local ok = type(value) == "table" or type(value) == "userdata"
  for _, method in ipairs(JOURNAL) do ok = ok and is_callable(value[method]) end
  return ok, "one of telnyx.journal, or an object with its methods"
end

local function key_string(value)
  local ok = type(value) == "string" and #value >= 1 and #value <= 255
    and not value:find("\0", 1, true) and core.is_utf8(value)
  return ok, "a string of UTF-8, 1 to 255 bytes long and without NUL"
end

local text, record, flag = type_rule("string"), type_rule("table"), type_rule("boolean")

-- One budget serves all calls of a client.
local function retry_of_call(value)
  local ok = value == false or (type(value) == "table" and value.budget == nil)
  return ok, "false, or a table without 'budget', which is a client's"
end

-- Rules that are let through, each by its name: no switch turns them all off.
local function accept(value)
  local expected = "a table of true or false by the names of rules"
  if value == false then return true end
  if type(value) ~= "table" then return false, expected end
  for name, is_accepted in pairs(value) do
    local fault = rules.fault_of(name)
    if fault then return false, fault, true end
    if type(is_accepted) ~= "boolean" then return false, expected end
  end
  return true
end

-- By what a message is judged.
local JUDGING = { accept = accept, strict = flag }

-- Of one call, and so of a profile and a client as well.
local CALL = {
  timeout = seconds,
  connect_timeout = seconds,
  deadline = seconds,
  retry = retry_of_call,
  max_parts = function(value)
    return value == false or count(value), "a whole number from 1 up, or false for any"
  end,
  on_ucs2 = on_ucs2,
  accept = accept,
  strict = flag,
  idempotency_header = flag,
  reference = flag,
  optouts = flag,
}

-- Of what asks about messages.
local INQUIRY = { timeout = seconds, connect_timeout = seconds, deadline = seconds,
  retry = retry_of_call }

-- Of one call alone.
local SEND = { key = key_string }
for name, rule in pairs(CALL) do SEND[name] = rule end

local function positive(value)
  return type(value) == "number" and value > 0 and value < math.huge, "a number above 0"
end

local function names_of(...)
  local names = {}
  for _, set in ipairs({ ... }) do
    for name in pairs(set) do names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local SENDER_KINDS = { long_code = true, toll_free = true, short_code = true,
  alphanumeric = true, number_pool = true }

local function rates_by(is_name, by)
  local expected = "a table of numbers above 0 by " .. by
  return function(value)
    if type(value) ~= "table" then return false, expected end
    for name, rate in pairs(value) do
      if not is_name(name) then return false, expected .. "; not " .. tostring(name) end
      if not positive(rate) then return false, expected end
    end
    return true
  end
end

local UUID = "^%x+%-%x+%-%x+%-%x+%-%x+$"

-- As the service has them: a number, a short code, a name, or the profile whose numbers send.
local function may_be_sender(name)
  if type(name) ~= "string" then return false end
  if SENDER_KINDS[name] or name:find("^%+%d+$") then return true end
  if #name == 36 and name:find(UUID) then return true end
  if not name:find("%a") then return name:find("^%d+$") ~= nil and #name <= 8 end
  return #name <= 11 and core.nearest(name, names_of(SENDER_KINDS)) == nil
end

local rates = rates_by(function(name) return SENDER_KINDS[name] end,
  "kind of sender: long_code, toll_free, short_code, alphanumeric, number_pool")
local sender_rates = rates_by(may_be_sender, "sender, or by kind of sender for each of it")

local function shared_dict(value)
  return type(value) == "table" and is_callable(value.incr), "an ngx.shared.DICT"
end

-- Of `send_all` alone, besides those of a call.
local RUN = {
  concurrency = count,
  rate = positive,
  burst = positive,
  rates = rates,
  sender_rates = sender_rates,
  shared_pace = shared_dict,
  key = callable,
  on_result = callable,
  on_trouble = callable,
  stops_when = callable,
  lets_finish = callable,
}

-- What is later is milliseconds.
local YEAR_2200 = 7258118400

local function placeholders(value)
  return value == "?" or value == "$", "\"?\" or \"$\""
end

-- Of the statement that takes one back.
local WITHDRAWAL = { placeholders = placeholders }

-- Of a message that is added to an outbox. It is sent by the rules of who sends it.
local ADD = {
  key = key_string,
  max_parts = count,
  on_ucs2 = on_ucs2,
  accept = accept,
  strict = flag,
  reference = flag,
  at = function(value)
    return type(value) == "number" and value >= 0 and value < YEAR_2200,
      "seconds since 1970, before the year 2200"
  end,
  campaign = key_string,
  placeholders = placeholders,
}

-- Of a worker of an outbox.
local WORK = {
  concurrency = count,
  rate = positive,
  burst = positive,
  rates = rates,
  sender_rates = sender_rates,
  poll = seconds,
  until_empty = flag,
  until_idle = flag,
  on_result = callable,
  on_requeue = callable,
  on_trouble = callable,
  stops_when = callable,
  lets_finish = callable,
  timeout = seconds,
  connect_timeout = seconds,
  deadline = seconds,
}

local RUN_OR_CALL = {}
for name, rule in pairs(CALL) do RUN_OR_CALL[name] = rule end
for name, rule in pairs(RUN) do RUN_OR_CALL[name] = rule end

local CLIENT = {
  api_key = text,
  base_url = text,
  allow_http = flag,
  app = printable,
  ca_file = readable_file,
  proxy = text,
  max_response_bytes = whole_bytes,
  max_connections = connections,
  defaults = record,
  profiles = record,
  sender = sender,
  journal = journal,
  log = callable,
  on_error = callable,
}
for name, rule in pairs(CALL) do CLIENT[name] = rule end
CLIENT.retry = table_or_false

local FIELD = {}
for _, name in ipairs(core.fields) do FIELD[name] = true end
FIELD.extra = true

local function shown(name, value)
  if SECRET[name] then return "a " .. type(value) end
  if type(value) == "string" then return string.format("%q", value) end
  if type(value) == "number" or type(value) == "boolean" then return tostring(value) end
  return "a " .. type(value)
end

local function complain_unknown(what, name, known, level)
  local near = type(name) == "string" and core.nearest(name, known)
  local hint = near and ("; did you mean '" .. near .. "'?")
    or ("; known: " .. table.concat(known, ", "))
  error("unknown " .. what .. " " .. shown("", name) .. hint, level + 1)
end

--- Copies `given` after checking each name and value against `checks`.
local function read(given, checks, what, level)
  local copy = {}
  for name, value in pairs(given) do
    local check = checks[name]
    if not check then complain_unknown(what, name, names_of(checks), level + 1) end
    local ok, expected, is_told = check(value)
    if not ok and is_told then error(("%s '%s': %s"):format(what, name, expected), level + 1) end
    if not ok then
      local message = "%s '%s' must be %s, got %s"
      error(message:format(what, name, expected, shown(name, value)), level + 1)
    end
    copy[name] = value
  end
  return copy
end

local function check_table(given, what, level)
  if type(given) ~= "table" then
    error(what .. " must be a table, got a " .. type(given), level + 1)
  end
end

---The options of `telnyx.new`, checked and copied; the environment fills in.
---@param given table|nil
---@param level integer whose fault misuse is: 1 the caller's, 2 its caller's
---@return table
function options.client(given, level)
  if given == nil then given = {} end
  check_table(given, "options", level + 1)
  local own = read(given, CLIENT, "option", level + 1)
  own.api_key = own.api_key or os.getenv("TELNYX_API_KEY")
  own.base_url = own.base_url or os.getenv("TELNYX_BASE_URL")
  if not own.api_key and not own.sender then
    error("option 'api_key' is missing: pass it, or set TELNYX_API_KEY", level + 1)
  end
  return own
end

-- Of none that are given there are none.
local function read_given(given, checks, level)
  if given == nil then return {} end
  check_table(given, "options", level + 1)
  local own = read(given, checks, "option", level + 1) -- a tail call would hide a level
  return own
end

---The options of one call, checked and copied.
---@param given table|nil
---@param level integer
---@return table
function options.call(given, level)
  local own = read_given(given, SEND, level + 1)
  return own
end

---The options of a call that asks about messages.
---@param given table
---@param level integer
---@return table
function options.inquiry(given, level)
  local own = read_given(given, INQUIRY, level + 1)
  return own
end

-- Of what looks for many, besides those of each request.
local SETTLING = {
  older_than = function(value)
    return type(value) == "number" and value >= 0 and value < 2 ^ 40, "a number of seconds from 0"
  end,
  on_result = callable,
}
local SETTLING_OR_INQUIRY = tables.merge(INQUIRY, SETTLING)

---The options of `settle_all`: its own, and those of each request.
---@param given table|nil
---@param level integer
---@return table own
---@return table inquiry
function options.settling(given, level)
  local own, inquiry = {}, {}
  for name, value in pairs(read_given(given, SETTLING_OR_INQUIRY, level + 1)) do
    local target = SETTLING[name] and own or inquiry
    target[name] = value
  end
  return own, inquiry
end

---The options of `telnyx.validate`.
---@param given table|nil
---@param level integer
---@return { accept: table|false|nil, strict: boolean|nil }
function options.judging(given, level)
  local own = read_given(given, JUDGING, level + 1)
  return own
end

-- A run goes by them as they were when it began.
local function keep_rates(own)
  own.rates = own.rates and tables.copy(own.rates)
  own.sender_rates = own.sender_rates and tables.copy(own.sender_rates)
  return own
end

---The options of `send_all`: its own, and under `call` those of each send.
---@param given table|nil
---@param level integer
---@return table
function options.run(given, level)
  check_table(given or {}, "options", level + 1)
  local all = read(given or {}, RUN_OR_CALL, "option", level + 1)
  local own = { call = {}, concurrency = all.concurrency or 16 }
  for name, value in pairs(all) do
    local target = RUN[name] and own or own.call
    target[name] = value
  end
  return keep_rates(own)
end

---The options of a message that is added to an outbox.
---@param given table
---@param level integer
---@return table
function options.add(given, level)
  check_table(given, "options", level + 1)
  local own = read(given, ADD, "option", level + 1)
  if not own.key then
    error("option 'key' is missing: an outbox knows its messages by it", level + 1)
  end
  return own
end

---Of a withdrawal.
---@param given table|nil
---@param level integer
---@return table
function options.withdrawal(given, level)
  check_table(given or {}, "options", level + 1)
  return read(given or {}, WITHDRAWAL, "option", level + 1)
end

---The options of an outbox's worker: its own, and under `call` those of each send.
---@param given table|nil
---@param level integer
---@return table
function options.work(given, level)
  check_table(given or {}, "options", level + 1)
  local all = read(given or {}, WORK, "option", level + 1)
  local own = { call = {}, concurrency = 16, poll = 0.5 }
  for name, value in pairs(all) do
    local target = CALL[name] and own.call or own
    target[name] = value
  end
  return keep_rates(own)
end

---Message fields, checked by name only: their values are judged with the message. A copy at every
---depth.
---@param given table|nil
---@param level integer
---@return table
function options.defaults(given, level)
  local fields = {}
  for name, value in pairs(given or {}) do
    if not FIELD[name] then
      complain_unknown("message field", name, names_of(FIELD), level + 1)
    end
    fields[name] = tables.deep_copy(value)
  end
  return fields
end

---Parts a profile into message fields and options of a call.
---@param given table
---@param name string the profile's
---@param level integer
---@return table fields
---@return table call
function options.profile(given, name, level)
  check_table(given, "profile '" .. tostring(name) .. "'", level + 1)
  local fields, call = {}, {}
  for key, value in pairs(given) do
    if FIELD[key] then
      fields[key] = tables.deep_copy(value)
    elseif CALL[key] then
      call[key] = value
    else
      complain_unknown("name in profile '" .. tostring(name) .. "':", key,
        names_of(FIELD, CALL), level + 1)
    end
  end
  local own = read(call, CALL, "option", level + 1)
  own.retry = own.retry and tables.copy(own.retry) -- false stays
  own.accept = own.accept and tables.copy(own.accept)
  return fields, own
end

---Whether a key can be remembered.
---@param value any
---@return boolean
---@return string expected in words
options.is_key = key_string

return options
