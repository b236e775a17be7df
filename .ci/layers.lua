-- The house has one direction. Fails when an include or a require looks back up, names what its
-- room must not know, or stands in a file that .ci/house.lua does not name.
--   lua5.4 .ci/layers.lua     in the folder of the house

local house = dofile(".ci/house.lua")
local has_failed = false

local function complain(text, ...)
  io.stderr:write("layers: ", text:format(...), "\n")
  has_failed = true
end

-- The words of a list, each with its place.
local function places(text)
  local place, n = {}, 0
  for word in text:gmatch("%S+") do
    n = n + 1
    place[word] = n
  end
  return place
end

local function files_in(folder, pattern)
  local pipe, files = assert(io.popen("find " .. folder .. " -type f 2>/dev/null | sort")), {}
  for path in pipe:lines() do
    if path:find(pattern) then files[#files + 1] = path end
  end
  pipe:close()
  return files
end

local function contents(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

-- C ---------------------------------------------------------------------------------------------

local function unit_of(path) return (path:gsub("^.*/", ""):gsub("%.%w+$", "")) end

-- What a file includes, as it is written between the marks.
local function includes(path)
  local list = {}
  for line in contents(path):gmatch("[^\n]+") do
    local what = line:match("^%s*#%s*include%s*(.*)")
    if what then
      local name = what:match('^"([^"]+)"') or what:match("^<([^>]+)>")
      if not name then complain("%s includes what cannot be read: %s", path, line) end
      list[#list + 1] = name
    end
  end
  return list
end

local room_of = {} -- by the name of a unit
for _, room in ipairs(house.c) do
  room.place = places(room.units)
  room.is_system = room.system and places(room.system)
  for unit in pairs(room.place) do room_of[unit] = room end
end

-- The unit that a source belongs to.
local function home_of(room, path, included)
  if room.place[unit_of(path)] then return unit_of(path) end
  for _, name in ipairs(included) do
    if room.place[unit_of(name)] then return unit_of(name) end
  end
end

local function may_see_below(room, unit)
  local seen = (room.below or {})[room_of[unit].folder]
  return seen == true or (type(seen) == "string" and places(seen)[unit] ~= nil)
end

local function check_system_header(room, path, name)
  local is_unseen = room.is_system and not room.is_system[name]
  for prefix in (room.unseen or ""):gmatch("%S+") do
    is_unseen = is_unseen or name:sub(1, #prefix) == prefix
  end
  if is_unseen then complain("%s: %s must not know %s", path, room.folder, name) end
end

local function check_include(room, path, home, name)
  local unit = unit_of(name)
  if not room_of[unit] then return check_system_header(room, path, name) end
  if room_of[unit] ~= room then
    if not may_see_below(room, unit) then complain("%s may not see %s", path, name) end
    return
  end
  local is_back = (room.back or {})[path:match("[^/]+$")] == unit
  if room.place[unit] > room.place[home] and not is_back then
    complain("%s looks up to %s", path, name)
  end
end

local function check_c_file(room, path)
  local included = includes(path)
  local home = home_of(room, path, included)
  if not home or (path:find("%.h$") and home ~= unit_of(path)) then
    return complain("%s has no place in the order of %s", path, room.folder)
  end
  for _, name in ipairs(included) do check_include(room, path, home, name) end
end

local function check_room(room)
  local is_there = {}
  for _, path in ipairs(files_in(room.folder, "%.[ch]$")) do
    is_there[path:match("[^/]+$")] = true
    check_c_file(room, path)
  end
  for unit in pairs(room.place) do
    if not is_there[unit .. ".h"] then complain("%s has no %s.h any more", room.folder, unit) end
  end
  for source in pairs(room.back or {}) do
    if not is_there[source] then complain("%s has no %s any more", room.folder, source) end
  end
end

-- Lua -------------------------------------------------------------------------------------------

local function end_of_quoted(text, at)
  local quote, from = text:sub(at, at), at + 1
  while true do
    local found = text:find("[\\" .. quote .. "]", from)
    if not found then return #text end
    if text:sub(found, found) == quote then return found end
    from = found + 2
  end
end

-- Where a long string or comment that opens at `at` has its contents.
local function long_bracket(text, at)
  local level = text:match("^%[(=*)%[", at)
  if not level then return nil end
  local first = at + #level + 2
  local last, close = text:find("]" .. level .. "]", first, true)
  return first, (last or #text + 1) - 1, close or #text
end

-- The next token from `at` on: its kind, its text, and where it ends; no kind for a comment.
local function token_at(text, at)
  if text:find("^%-%-", at) then
    local _, _, close = long_bracket(text, at + 2)
    return nil, nil, close or (text:find("\n", at, true) or #text)
  end
  local first, last, close = long_bracket(text, at)
  if first then return "string", text:sub(first, last), close end
  if text:find("^[\"']", at) then
    close = end_of_quoted(text, at)
    return "string", text:sub(at + 1, close - 1), close
  end
  local name = text:match("^[%w_]+", at)
  if name then return "name", name, at + #name - 1 end
  return "mark", text:sub(at, at), at
end

local function tokens(text)
  local list, at = {}, text:find("%S")
  while at do
    local kind, what, last = token_at(text, at)
    if kind then list[#list + 1] = { kind = kind, text = what } end
    at = text:find("%S", last + 1)
  end
  return list
end

local function is(token, kind, text) return token and token.kind == kind and token.text == text end

local function is_string(token) return token and token.kind == "string" end

-- The name that the `require` at `i` asks for; nil where it cannot be read.
local function required(list, i)
  local one, two, three = list[i + 1], list[i + 2], list[i + 3]
  if is_string(one) then return one.text end
  if not is_string(two) then return nil end
  if is(one, "mark", "(") and is(three, "mark", ")") then return two.text end
  local is_handed_on = is(one, "mark", ",") and (is(three, "mark", ")") or is(three, "mark", ","))
  return is_handed_on and two.text or nil
end

local LOADERS = { load = true, loadstring = true, loadfile = true, dofile = true }
local OF_PACKAGE = { path = true, cpath = true, config = true }

-- Ways to another file than `require`.
local function is_side_door(list, i)
  local before, after, name = list[i - 1], list[i + 1], list[i + 2]
  if is(list[i], "string", "require") then return true end
  if list[i].kind ~= "name" then return false end
  if list[i].text == "package" then
    return not (is(after, "mark", ".") and name and OF_PACKAGE[name.text])
  end
  local is_member = is(before, "mark", ".") or is(before, "mark", ":")
  return LOADERS[list[i].text] ~= nil and not is_member
end

-- Calls `found(name)` for every require, and `found(nil, text)` for what goes round it. In a string
-- only what can be read counts: it may be prose.
local function each_require(text, found)
  local list = tokens(text)
  for i, token in ipairs(list) do
    if is(token, "name", "require") then
      found(required(list, i), "require")
    elseif is_side_door(list, i) then
      found(nil, token.text)
    elseif token.kind == "string" and token.text:find("require", 1, true) then
      each_require(token.text, function(name) if name then found(name) end end)
    end
  end
end

local ROOT = "lua/telnyx/"

local function row_of(rows, module)
  local path = module:gsub("^telnyx%.?", ""):gsub("%.", "/")
  return rows[path] or rows[(path .. "/init"):gsub("^/", "")]
end

-- A row may allow only what stands above it, so there is no way round in a circle.
local function read_rows()
  local rows = {}
  for _, row in ipairs(house.lua) do
    local name, allowed = row[1], places(row[2] or "")
    if rows[name] then complain("%s has two rows", name) end
    for module in pairs(allowed) do
      local is_ours = module:find("^telnyx") and module ~= "telnyx.core"
      if is_ours and not row_of(rows, module) then complain("%s looks up to %s", name, module) end
    end
    rows[name] = { allowed = allowed }
  end
  return rows
end

local function check_lua_file(path, row)
  each_require(contents(path), function(name, text)
    if not name then
      complain("%s has a '%s' whose file cannot be read", path, text)
    elseif not row.allowed[name] then
      complain("%s may not require %s", path, name)
    end
  end)
end

local function check_lua()
  local rows, is_there = read_rows(), {}
  for _, path in ipairs(files_in("lua", "%.lua$")) do
    local name = path:gsub("%.lua$", ""):gsub("^lua/telnyx/", "")
    is_there[name] = true
    if rows[name] then check_lua_file(path, rows[name]) else complain("%s has no row", path) end
  end
  for name in pairs(rows) do
    if not is_there[name] then complain("there is no %s%s.lua any more", ROOT, name) end
  end
end

for _, room in ipairs(house.c) do check_room(room) end
check_lua()
os.exit(has_failed and 1 or 0)
