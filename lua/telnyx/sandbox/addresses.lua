--- Who can send and who can be reached, as far as an address itself tells.

local addresses = {}

-- Countries with +1 that are neither the United States, nor Canada, nor Puerto Rico, by
-- area code. Whatever else begins with +1 is taken for one of the three.
local ELSEWHERE = {}
for code in ([[
  242 246 264 268 284 340 345 441 473 649 658 664 670 671 684 721 758 767 784 809 829 849
  868 869 876
]]):gmatch("%d+") do ELSEWHERE[code] = true end

-- Ten digits, of which the first is that of an area code.
local function is_north_american(text)
  return #text == 12 and text:find("^%+1[2-9]") ~= nil
end

---Is it + and 7 to 15 digits, and a number that can be when it begins with +1?
---@param text string
---@return boolean
function addresses.is_number(text)
  if not text:find("^%+[1-9]%d+$") or #text < 8 or #text > 16 then return false end
  return text:sub(1, 2) ~= "+1" or is_north_american(text)
end

---@param text string
---@param shortest integer
---@param longest integer
---@return boolean
function addresses.is_short_code(text, shortest, longest)
  return #text >= shortest and #text <= longest and text:find("^%d+$") ~= nil
end

---@param text string
---@return boolean
function addresses.is_name(text)
  return #text <= 11 and text:find("^[A-Za-z0-9 ]+$") ~= nil and text:find("[A-Za-z]") ~= nil
end

---Was it meant as a name, well made or not?
---@param text string
---@return boolean
function addresses.resembles_name(text)
  return text:find("[A-Za-z\128-\255]") ~= nil and not text:find("^%+%d")
end

---Is it a number whose country takes messages from no name: US, CA, PR?
---@param text string
---@return boolean
function addresses.takes_no_names(text)
  return text:sub(1, 2) == "+1" and addresses.is_number(text) and not ELSEWHERE[text:sub(3, 5)]
end

---Can the sender send MMS? Of the numbers, only those with +1 can.
---@param text string
---@return boolean
function addresses.sends_mms(text)
  return text:find("^%d+$") ~= nil or text:sub(1, 2) == "+1"
end

return addresses
