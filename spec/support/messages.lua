-- Messages with much in `extra`, the same in every Lua; how their tables came about is another
-- matter, and differs by `shuffling`.

local cjson = require("cjson")
local core = require("telnyx.core")

local messages = { N = 250, NOW = 1700000000 }

local MODULUS = 2147483647

local KEYS = {
  "", " ", "!", '"', "/", "0", "10", "9", "A", "Z", "\\", "a", "aa", "ab", "b", "\127", "\195\169",
  "\240\159\152\128", "\0", "\1", "\1a", "\t", "\n", "a\0", "a/b", 'a"b', "a\\b", "to", "text",
  "from", "a_rather_long_name_that_goes_on_beyond_forty_bytes", "{", "}", "[", "]", ":", ",",
}
local STRINGS = {
  "", "plain", '"', '\\"', "\\", "\\\\", "\\\\\"", "\0\1\31\127", "a/b", "{\"a\":[1,2]}", "],}:",
  "\195\188 \240\159\152\128", ("long \"words\" "):rep(60), "1e+14", "-0", "null",
}
local NUMBERS = {
  0, 1, 3, -1, 42, 0.5, -0.25, 1e-7, 1e14, -1e14, 1e15, 123456789012340000, 99999999999999,
  100000000000000, 1.5e300, 2147483648, 9007199254740992 / 1024,
}
local ID = "4000eba1-a0c0-4563-9925-b25e842a7cb6"
-- What else a message may have, by what it is worth.
local FIELDS = {
  { "messaging_profile_id", ID }, { "subject", 'On "it"' },
  { "media_urls", { "https://example.com/b.png", "https://example.com/a.png" } },
  { "webhook_url", "https://example.com/hooks" }, { "use_profile_webhooks", false },
  { "webhook_failover_url", "https://example.org/hooks" }, { "auto_detect", true },
  { "send_at", "2023-11-15T10:00:00Z" }, { "type", "MMS" }, { "encoding", "auto" },
}

local function new_random(seed)
  local state = seed * 48271 % MODULUS
  for _ = 1, 3 do state = (state * 16807 + 11) % MODULUS end
  return function(n)
    state = (state * 16807) % MODULUS
    return state % n + 1
  end
end

local function integer_of(number)
  return math.tointeger and math.tointeger(number) or number -- luacheck: std max
end

-- A number in either kind that Lua may have for it.
local function number_of(number, shuffle)
  if number == 0 and shuffle(2) == 1 then return -0.0 end
  return shuffle(2) == 1 and number * 1.0 or integer_of(number)
end

local function shuffled(entries, shuffle)
  for i = #entries, 2, -1 do
    local j = shuffle(i)
    entries[i], entries[j] = entries[j], entries[i]
  end
  return entries
end

-- A table with these entries, put in and partly taken out before in any order.
local function object_of(entries, shuffle)
  local object = {}
  for i = 1, shuffle(40) do object["gone" .. i] = true end
  for i = 1, 40 do object["gone" .. i] = nil end
  for _, entry in ipairs(shuffled(entries, shuffle)) do object[entry[1]] = entry[2] end
  return object
end

local value_of

local function entries_of(draw, shuffle, depth)
  local entries, is_taken = {}, {}
  for _ = 1, draw(depth == 1 and 12 or 6) do
    local key = KEYS[draw(#KEYS)]
    local value = value_of(draw, shuffle, depth)
    if not is_taken[key] and not (depth == 1 and messages.is_field[key]) then
      entries[#entries + 1] = { key, value }
      is_taken[key] = true
    end
  end
  return entries
end

local function list_of(draw, shuffle, depth)
  local list = {}
  for i = 1, draw(5) do list[i] = value_of(draw, shuffle, depth) end
  return list
end

function value_of(draw, shuffle, depth)
  local kind = draw(depth < 6 and 10 or 6)
  if kind <= 2 then return STRINGS[draw(#STRINGS)] end
  if kind <= 4 then return number_of(NUMBERS[draw(#NUMBERS)], shuffle) end
  if kind == 5 then return draw(2) == 1 end
  if kind == 6 then return draw(2) == 1 and cjson.null or {} end
  if kind <= 8 then return list_of(draw, shuffle, depth + 1) end
  return object_of(entries_of(draw, shuffle, depth + 1), shuffle)
end

messages.is_field = {}
for _, name in ipairs(core.fields) do messages.is_field[name] = true end

---@param i integer which message, from 1 to messages.N
---@param shuffling integer which of its many tables
---@return table message
function messages.make(i, shuffling)
  local draw, shuffle = new_random(i), new_random(i * 1000 + shuffling)
  local entries = { { "to", "+18665550001" }, { "from", "+18445550001" }, { "text", "Hello / \\" } }
  for _, field in ipairs(FIELDS) do
    if draw(2) == 1 then entries[#entries + 1] = { field[1], field[2] } end
  end
  if draw(8) > 1 then
    entries[#entries + 1] = { "extra", object_of(entries_of(draw, shuffle, 1), shuffle) }
  end
  local message = object_of(entries, shuffle)
  if message.type == "MMS" and not message.media_urls then message.type = nil end
  if not message.media_urls then message.subject = nil end
  return message
end

---@return string[] bodies as they are posted
function messages.bodies(shuffling)
  local bodies = {}
  for i = 1, messages.N do
    local body, err = core.encode(messages.make(i, shuffling), messages.NOW)
    bodies[i] = assert(body, tostring(err and err.detail))
  end
  return bodies
end

return messages
