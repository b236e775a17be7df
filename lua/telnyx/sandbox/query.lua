--- What stands behind the question mark: names and values, pages, and instants.

local json = require("telnyx.sandbox.json")
local read_timestamp = require("telnyx.sandbox.timestamp")

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
