--- JSON as the service writes it: keys in a fixed order, `[]` for an empty
-- list, `null` for a known but empty field. A plain Lua table can express none
-- of these, so values that need them are marked when they are built.

local cjson = require("cjson.safe").new()
cjson.decode_invalid_numbers(false)

local json = {}

local Object, Array, Literal = {}, {}, {}

--- The value that `decode` leaves where the text had `null`.
json.null = cjson.null

---An object from an ordered list of `{ key, value }`; a nil value is `null`.
---@param pairs table[]
---@return table
function json.object(pairs)
  return setmetatable(pairs, Object)
end

---@param list any[]
---@return table
function json.array(list)
  return setmetatable(list, Array)
end

---Text that is JSON already, such as a number whose digits matter (`0.0`).
---@param text string
---@return table
function json.literal(text)
  return setmetatable({ text = text }, Literal)
end

local function scalar(value)
  -- lua-cjson escapes every slash, which the service does not.
  return (assert(cjson.encode(value)):gsub("\\/", "/"))
end

local writers = {}

---@param value any nil, a scalar, or something built by this module
---@return string
function json.encode(value)
  if value == nil then return "null" end
  local write = writers[getmetatable(value)] or scalar
  return write(value)
end

writers[Object] = function(object)
  local members = {}
  for i, pair in ipairs(object) do
    members[i] = scalar(pair[1]) .. ":" .. json.encode(pair[2])
  end
  return "{" .. table.concat(members, ",") .. "}"
end

writers[Array] = function(array)
  local items = {}
  for i, value in ipairs(array) do items[i] = json.encode(value) end
  return "[" .. table.concat(items, ",") .. "]"
end

writers[Literal] = function(literal)
  return literal.text
end

---A copy in which the keys of every object are in alphabetical order.
---@param value any
---@return any
function json.sorted(value)
  local kind, copy = getmetatable(value), nil
  if kind == Array then
    copy = {}
    for i, item in ipairs(value) do copy[i] = json.sorted(item) end
  elseif kind == Object then
    copy = {}
    for i, pair in ipairs(value) do copy[i] = { pair[1], json.sorted(pair[2]) } end
    table.sort(copy, function(a, b) return a[1] < b[1] end)
  end
  return copy and setmetatable(copy, kind) or value
end

---What was built here as a plain table: objects by name, nulls absent.
---@param value any
---@return any
function json.plain(value)
  local kind, copy = getmetatable(value), {}
  if kind == Literal then return (json.decode(value.text)) end
  if kind == Array then
    for i, item in ipairs(value) do copy[i] = json.plain(item) end
  elseif kind == Object then
    for _, pair in ipairs(value) do copy[pair[1]] = json.plain(pair[2]) end
  end
  return (kind == Array or kind == Object) and copy or value
end

local function is_number(token)
  local rest = token:match("^%-?0(.*)$") or token:match("^%-?[1-9]%d*(.*)$")
  return rest ~= nil and rest:gsub("^%.%d+", ""):gsub("^[eE][+-]?%d+$", "") == ""
end

-- What lua-cjson lets pass although it is not JSON: raw control bytes in strings,
-- numbers that only C can read, and whatever follows a NUL. By now every backslash
-- and every quote stands where it may.
local function find_fault(text)
  local fault = text:find("%z") and "a NUL" or nil
  local bare = text:gsub("\\.", ""):gsub('"([^"]*)"', function(content)
    if content:find("[%z\1-\31]") then fault = "a control byte in a string" end
    return ""
  end)
  for token in bare:gmatch("[-+.%w]*%d[-+.%w]*") do
    if not is_number(token) then fault = "a bad number" end
  end
  return fault
end

---@param text string
---@return any value nil when the text is not JSON
---@return string|nil why
function json.decode(text)
  local value, why = cjson.decode(text)
  local fault = value ~= nil and find_fault(text)
  if fault then return nil, fault end
  return value, why
end

return json
