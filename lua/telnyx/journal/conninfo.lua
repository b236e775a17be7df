--- How libpq is told where a database is: a table, a string of names and values, or an URI; with
--- limits for what it names none for, and its passwords for whoever masks them.

local conninfo = {}

-- Without them a silent network is waited for for hours. Milliseconds, but the first: seconds.
local DEFAULTS = { { "connect_timeout", "5" }, { "tcp_user_timeout", "10000" } }

local function quoted(value) return "'" .. value:gsub("[\\']", "\\%0") .. "'" end

-- 5432.0 is no port.
local function text_of(value)
  local is_whole = type(value) == "number" and value % 1 == 0
  return is_whole and ("%.0f"):format(value) or tostring(value)
end

local function of_table(connection)
  local words = {}
  for name, value in pairs(connection) do
    words[#words + 1] = name .. "=" .. quoted(text_of(value))
  end
  table.sort(words)
  return table.concat(words, " ")
end

local function is_uri(text) return text:find("^postgres://") or text:find("^postgresql://") end

-- Of two in a string the later one counts; an URI may name each but once.
local function with_defaults(text)
  if not is_uri(text) then
    for _, default in ipairs(DEFAULTS) do text = default[1] .. "=" .. default[2] .. " " .. text end
    return text
  end
  for _, default in ipairs(DEFAULTS) do
    if not text:find("[?&]" .. default[1] .. "=") then
      text = text .. (text:find("?", 1, true) and "&" or "?") .. default[1] .. "=" .. default[2]
    end
  end
  return text
end

local function decoded(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

-- What a password may fall apart into that is not written as it should be, and be told as a name
-- or a host.
local function pieces_of(text)
  local list = {}
  local function add(part, separators)
    for piece in part:gmatch("[^" .. separators .. "]+") do list[#list + 1] = piece end
  end
  if is_uri(text) then
    add(text:match("^%l+://[^:@]*:(.*)@") or "", "@:/?#%[%]")
    add(text:match("^%l+://[^:@/]*:([^@/?]*%D)[/?]") or "", "@:/?")
    return list
  end
  local marked = text:gsub("%f[%w_]([%w_]+%s*=)", "\1%1")
  for part in marked:gmatch("[Pp]assword%s*=([^\1]*)") do add(part, "%s'\\") end
  for part in text:gmatch("[Pp]assword%s*=%s*'[^']*'([^%s'=]+)") do add(part, "\1") end
  return list
end

-- As it is written, and as it is meant.
local function passwords_of(text)
  local list = {}
  local function add(word)
    list[#list + 1] = word
    list[#list + 1] = decoded(word)
    list[#list + 1] = word:gsub("\\(.)", "%1")
  end
  local shape = text:gsub("\\.", "..") -- the same places, and no quote that ends nothing
  for first, behind in shape:gmatch("[Pp]assword%s*=%s*'()[^']*()") do
    add(text:sub(first, behind - 1))
  end
  for value in text:gmatch("[Pp]assword%s*=%s*([^'%s&][^%s&]*)") do add(value) end
  if is_uri(text) then add(text:match("^%l+://[^/@]*:([^/]*)@") or "") end
  for _, piece in ipairs(pieces_of(text)) do add(piece) end
  return list
end

---@param connection string|table
---@return string text for libpq
---@return string[] passwords
function conninfo.read(connection)
  local is_table = type(connection) == "table"
  local text = is_table and of_table(connection) or connection
  local passwords = passwords_of(text)
  if is_table and connection.password then
    passwords[#passwords + 1] = text_of(connection.password)
  end
  passwords[#passwords + 1] = os.getenv("PGPASSWORD")
  return with_defaults(text), passwords
end

return conninfo
