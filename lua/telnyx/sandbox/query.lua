--- What stands behind the question mark: names and values, pages, and instants.

local json = require("telnyx.sandbox.json")
local read_timestamp = require("telnyx.sandbox.timestamp")
local utf8 = require("telnyx.sandbox.utf8")

local query = {}

local function percent_decode(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

---@param path string with or without a query
---@return table<string, string> values by name; of two of a name, the last
function query.parse(path)
  local values = {}
  for pair in (path:match("%?([^#]*)") or ""):gmatch("[^&]+") do
    local name, value = pair:match("^([^=]*)=?(.*)$")
    values[percent_decode(name)] = percent_decode(value)
  end
  return values
end

---An instant, or a day, which is its first instant.
---@param text string
---@return number|nil
function query.instant(text)
  if text:find("^%d%d%d%d%-%d%d%-%d%d$") then text = text .. "T00:00:00Z" end
  return read_timestamp(text)
end

-- Lua 5.4 writes 8.0, where its JSON library has read an 8.
local function whole_of(text)
  return tonumber(text:match("^%d+$") or text:match("^(%d+)%.0$"))
end

-- How the values that are not simply text stand in a query. What is none is left as it is, for the
-- rule to judge. A plus that was not escaped is a blank.
local readers = {
  address = function(text) return (text:gsub("^ ", "+")) end,
  whole = function(text) return whole_of(text) or text end,
  seconds = function(text) return text:find("^%d+%.?%d*$") and tonumber(text) or text end,
  since = function(text)
    return whole_of(text) or text:gsub(" (%d%d:%d%d)$", "+%1")
  end,
}

---What judges a whole number, for `query.strict`.
---@param least integer
---@param most integer
---@return fun(value: any): boolean, string
function query.is_whole(least, most)
  return function(value)
    return type(value) == "number" and value >= least and value <= most and value % 1 == 0,
      ("a whole number from %d to %d"):format(least, most)
  end
end

local function names_of(rules)
  local names = {}
  for name in pairs(rules) do names[#names + 1] = name end
  table.sort(names)
  return names[1] and "Known are " .. table.concat(names, ", ") .. "." or "There are none."
end

local function read_pair(values, name, text, rules)
  local rule, shown = rules[name], utf8.escape(name)
  if not rule then
    return ("The parameter '%s' is not known. %s"):format(shown, names_of(rules))
  end
  if values[name] ~= nil then return ("The parameter '%s' is there twice."):format(shown) end
  local read = readers[rule[2]]
  local value = text
  if read then value = read(text) end
  local ok, expected = rule[1](value)
  if not ok then return ("The parameter '%s' must be %s."):format(shown, expected) end
  values[name] = value
end

---Names and values, where each has to be known and right.
---@param path string with or without a query
---@param rules table<string, table> by name: what judges a value, and how it stands in a query:
-- "address", "whole", "seconds" or "since"; nil: as text
---@return table<string, any>|nil values
---@return table[]|nil problems
function query.strict(path, rules)
  local values, problems = {}, {}
  for pair in (path:match("%?([^#]*)") or ""):gmatch("[^&]+") do
    local name, text = pair:match("^([^=]*)=?(.*)$")
    local fault = read_pair(values, percent_decode(name), percent_decode(text), rules)
    if fault then problems[#problems + 1] = { code = "10015", detail = fault } end
  end
  if problems[1] then return nil, problems end
  return values
end

local function whole(text, default, most)
  local value = text and text:find("^%d+$") and tonumber(text)
  if not value or value < 1 then return default end
  return math.min(value, most)
end

---Which page is asked for. What is no page number is the first page, and a page that is too large
-- is the largest that there is.
---@param values table<string, string>
---@param most integer
---@param default integer|nil how many are on a page when nothing is said; default 20
---@return { number: integer, size: integer }
function query.page(values, most, default)
  return { number = whole(values["page[number]"], 1, 1000000000),
    size = whole(values["page[size]"], default or 20, most) }
end

---The rows of a page, and the numbers that come with them.
---@param rows any[]
---@param page { number: integer, size: integer }
---@return any[] rows
---@return table meta for json.encode
function query.cut(rows, page)
  local part, first = {}, (page.number - 1) * page.size
  for i = first + 1, math.min(first + page.size, #rows) do part[#part + 1] = rows[i] end
  return part, json.object {
    { "total_pages", math.ceil(#rows / page.size) }, { "total_results", #rows },
    { "page_number", page.number }, { "page_size", page.size },
  }
end

return query
