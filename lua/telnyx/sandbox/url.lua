--- Is it a URL that a server can fetch or post to, as far as its text tells?

local MOST = 2000

local HIGHEST_PORT = 65535

-- Of bytes that are valid UTF-8 already: all but those that continue a character.
local function characters(text)
  local _, count = text:gsub("[^\128-\191]", "")
  return count
end

-- A C1 control is two bytes in UTF-8, the first of them 194.
local function has_forbidden(text)
  return text:find('[%c%s\127\\"]') ~= nil or text:find("\194[\128-\159]") ~= nil
end

local function is_ipv4(text)
  local count = 0
  for number in text:gmatch("[^.]+") do
    local is_plain = number:find("^%d%d?%d?$") and not number:find("^0%d")
    if not is_plain or tonumber(number) > 255 then return false end
    count = count + 1
  end
  return count == 4 and text:find("^%d+%.%d+%.%d+%.%d+$") ~= nil
end

-- How many of the eight groups a run without "::" holds; nil when it is none.
local function count_groups(run, may_end_in_ipv4)
  if run == "" then return 0 end
  local count, place = 0, 1
  while place do
    local colon = run:find(":", place, true)
    local group = run:sub(place, colon and colon - 1)
    if group:find("^%x%x?%x?%x?$") then
      count = count + 1
    elseif may_end_in_ipv4 and not colon and is_ipv4(group) then
      count = count + 2
    else
      return nil
    end
    place = colon and colon + 1
  end
  return count
end

local function is_ipv6(text)
  local gap, gap_end = text:find("::", 1, true)
  if not gap then return count_groups(text, true) == 8 end
  local before = count_groups(text:sub(1, gap - 1), false)
  local after = count_groups(text:sub(gap_end + 1), true)
  return before ~= nil and after ~= nil and before + after <= 7
end

-- The dot of the root may end a name; no other label may be empty.
local function is_name(host)
  local name = host:gsub("%.$", "")
  if ("." .. name .. "."):find("..", 1, true) then return false end
  local escapes_are_whole = not name:gsub("%%%x%x", ""):find("%", 1, true)
  return escapes_are_whole and name:find("^[%w%-_.%%\128-\255]+$") ~= nil
end

local function is_port(text)
  if text == "" then return true end
  local number = text:find("^%d+$") and tonumber(text)
  return number and number >= 1 and number <= HIGHEST_PORT or false
end

local function is_host_and_port(text)
  local literal, port = text:match("^%[([^%]]*)%]:?(.*)$")
  if literal then
    local is_apart = port == "" or text:find("]:", 1, true) ~= nil
    return is_apart and is_ipv6(literal) and is_port(port)
  end
  local host
  host, port = text:match("^([^:]*):?(.*)$")
  return is_name(host) and is_port(port)
end

---An absolute http or https URL of at most 2000 characters, with a host that can be.
---@param text string valid UTF-8
---@return boolean
return function(text)
  if characters(text) > MOST or has_forbidden(text) then return false end
  local authority = text:match("^[Hh][Tt][Tt][Pp][Ss]?://([^/?#]*)")
  if not authority then return false end
  return is_host_and_port((authority:gsub("^[^@]*@", "", 1)))
end
