--- What a journal may be asked: the arguments of its methods, checked once for whatever keeps the
--- rows, and times turned into whole milliseconds, so no two journals differ in that.

local core = require("telnyx.core")

local MAX_BYTES = 255 -- of keys and names

-- Each takes a value and returns what is handed on; or nil and what it must be, which is misuse; or
-- nil, what it must be, and true where the world may have made it otherwise.
local kinds = {}

-- Every well-formed sequence; each begins with a byte that stands nowhere else.
local SEQUENCES = {
  "\240[\144-\191][\128-\191][\128-\191]", "[\241-\243][\128-\191][\128-\191][\128-\191]",
  "\244[\128-\143][\128-\191][\128-\191]", "\224[\160-\191][\128-\191]",
  "\237[\128-\159][\128-\191]", "[\225-\236\238\239][\128-\191][\128-\191]",
  "[\194-\223][\128-\191]",
}

local function is_utf8(text)
  for _, sequence in ipairs(SEQUENCES) do
    if not text:find("[\128-\255]") then return true end
    text = text:gsub(sequence, " ")
  end
  return not text:find("[\128-\255]")
end

-- No engine is asked to keep what another could not: PostgreSQL has no NUL, and UTF-8 only.
function kinds.text(value)
  if type(value) ~= "string" then return nil, "a string" end
  if value:find("\0", 1, true) then return nil, "without NUL", true end
  if not is_utf8(value) then return nil, "UTF-8", true end
  return value
end

function kinds.key(value)
  if type(value) ~= "string" then return nil, "a string" end
  if value == "" or #value > MAX_BYTES then return nil, "1 to 255 bytes long", true end
  return kinds.text(value)
end

function kinds.name(value)
  if type(value) ~= "string" or value == "" then return nil, "a string that is not empty" end
  return kinds.key(value)
end

-- So far milliseconds are whole numbers in every Lua.
local MOST_SECONDS = 2 ^ 42

local function seconds(expected)
  return function(value)
    local is_time = type(value) == "number" and value >= 0 and value < MOST_SECONDS
    if not is_time then return nil, expected end
    return math.floor(value * 1000 + 0.5)
  end
end

function kinds.body(value)
  if type(value) ~= "string" or value == "" then return nil, "a string that is not empty" end
  return kinds.text(value)
end

kinds.time = seconds("seconds since 1970")
kinds.seconds = seconds("seconds")

-- Lua 5.3 and later.
local to_integer = rawget(math, "tointeger") or function(value) return value end

function kinds.count(value)
  local is_count = type(value) == "number" and value % 1 == 0 and value >= 0 and value < 2 ^ 31
  if not is_count then return nil, "a whole number" end
  return to_integer(value)
end

function kinds.flag(value)
  if type(value) ~= "boolean" then return nil, "true or false" end
  return value
end

local function one_of(words)
  return function(value)
    local is_word = type(value) == "string" and value:find("^%l+$")
    if is_word and (" " .. words .. " "):find(" " .. value .. " ", 1, true) then return value end
    return nil, "one of: " .. words
  end
end

kinds.outcome = one_of("accepted rejected unknown")
kinds.truth = one_of("accepted rejected")
kinds.state = one_of("queued free sending accepted rejected unknown")

-- Of microseconds there are so many.
function kinds.order(value)
  local is_order = type(value) == "number" and value % 1 == 0 and value >= 0 and value < 2 ^ 53
  if not is_order then return nil, "a whole number" end
  return value
end

-- A row as `optouts` tells one: what it is told from others by.
function kinds.row(value)
  local expected = "a row of the list before"
  if type(value) ~= "table" or type(value.number) ~= "string" then return nil, expected end
  local row = { number = value.number, profile = value.profile, own = value.own }
  for _, text in pairs(row) do
    if not kinds.name(text) then return nil, expected end
  end
  return row
end

-- An event as `unhandled_events` tells one.
function kinds.event(value)
  local expected = "an event of the list before"
  if type(value) ~= "table" or not kinds.name(value.id) then return nil, expected end
  local received_at = kinds.time(value.received_at)
  if not received_at then return nil, expected end
  return { id = value.id, received_at = received_at }
end

-- What each method takes: a kind, and a mark behind what may be left out.
local SHAPES = {
  claim = { key = "key", digest = "name", to = "name?", claim = "name", owner = "name?",
    now = "time", expires = "time" },
  finish = { key = "key", claim = "name", state = "outcome", now = "time", message_id = "name?",
    status = "count?", code = "name?", result = "text?" },
  release = { key = "key", claim = "name", now = "time", due = "time?" },
  reap = { now = "time", key = "key?" },
  settle = { key = "key", state = "truth", by = "name", now = "time", message_id = "name?",
    result = "text?" },
  resend = { key = "key", claim = "name", by = "name", now = "time", is_withdrawn = "flag?" },
  get = { key = "key" },
  unsettled = { older_than = "seconds?", now = "time?" },
  find = { state = "state?", to = "name?", message_id = "name?", campaign = "name?",
    older_than = "seconds?", newer_than = "seconds?", settled_within = "seconds?", now = "time?",
    limit = "count?" },
  purge = { before = "time", limit = "count?" },
  add = { key = "key", digest = "name", to = "name?", sender = "text", body = "body",
    campaign = "name?", due = "time", ord = "order", now = "time" },
  withdraw = { key = "key", now = "time" },
  take = { sender = "text?", limit = "count", claim = "name", owner = "name?", now = "time",
    expires = "time", due = "time?" },
  add_event = { id = "key", message_id = "key?", key = "key?", at = "time?", body = "text?",
    now = "time" },
  handled_event = { id = "key", now = "time" },
  unhandled_events = { older_than = "seconds?", limit = "count?", after = "event?", now = "time?" },
  events = { message_id = "key?", key = "key?", limit = "count?" },
  set_optout = { number = "key", profile = "key?", own = "key?", is_out = "flag",
    keyword = "text?", at = "time", now = "time" },
  optout = { number = "key", profile = "key?", own = "key?" },
  optouts = { profile = "key?", limit = "count?", after = "row?" },
}

-- One argument; or nil, what is wrong with it, and whether the world may have made it so.
local function sound(name, kind, value)
  local is_needed = not kind:find("?", 1, true)
  if value == nil and not is_needed then return nil end
  local own, expected, is_worlds = kinds[kind:match("%l+")](value)
  if not expected then return own end
  return nil, ("'%s' must be %s"):format(name, expected), is_worlds
end

-- What a name is taken for that is not known.
local function hint(name, shape)
  local known = {}
  for one in pairs(shape) do known[#known + 1] = one end
  table.sort(known)
  local near = type(name) == "string" and core.nearest(name, known)
  if near then return ("; did you mean '%s'?"):format(near) end
  return "; known: " .. table.concat(known, ", ")
end

local arguments = {}

---The arguments as a keeper takes them; or nil, why, where the world may be at fault. Misuse is
---raised, at the caller's caller.
---@param method string
---@param given any
---@return table|nil
---@return string|nil why
function arguments.checked(method, given)
  local shape, own = SHAPES[method], {}
  local function misuse(text, ...) error(("journal:" .. method .. text):format(...), 5) end
  if type(given) ~= "table" then misuse(" expects a table, got a %s", type(given)) end
  for name in pairs(given) do
    if not shape[name] then misuse(" knows no '%s'%s", tostring(name), hint(name, shape)) end
  end
  for name, kind in pairs(shape) do
    local value, why, is_worlds = sound(name, kind, given[name])
    if why and not is_worlds then misuse(": %s", why) end
    if why then return nil, why end
    own[name] = value
  end
  return own
end

return arguments
