--- Kinds of option values: each is a function that says whether a value is one, and what one is.

local addresses = require("telnyx.sandbox.addresses")
local is_url = require("telnyx.sandbox.url")
local utf8 = require("telnyx.sandbox.utf8")

local kinds = {}

local MOST = 1000000000

---@param least integer
---@return fun(value: any): boolean, string
function kinds.whole_from(least)
  return function(value)
    return type(value) == "number" and value >= least and value <= MOST and value % 1 == 0,
      ("a whole number from %d to %d"):format(least, MOST)
  end
end

function kinds.seconds(value)
  return type(value) == "number" and value >= 0 and value <= MOST,
    ("a number of seconds from 0 to %d"):format(MOST)
end

function kinds.shift(value)
  return type(value) == "number" and value >= -MOST and value <= MOST,
    ("a number of seconds from -%d to %d"):format(MOST, MOST)
end

function kinds.func(value)
  return type(value) == "function", "a function"
end

function kinds.flag(value)
  return type(value) == "boolean", "true or false"
end

function kinds.visible(value)
  return type(value) == "string" and value:find("^[\33-\126]+$") ~= nil,
    "a string of visible ASCII characters"
end

function kinds.number(value)
  return type(value) == "string" and addresses.is_number(value),
    "a phone number such as +13125550001"
end

function kinds.url(value)
  return type(value) == "string" and not utf8.first_bad(value) and is_url(value),
    "an http or https URL"
end

function kinds.seed(value)
  return type(value) == "string" and #value == 32, "a string of 32 bytes"
end

local function is_list_of_strings(value)
  if type(value) ~= "table" then return false end
  for index, item in pairs(value) do
    if type(index) ~= "number" or type(item) ~= "string" then return false end
  end
  return true
end

function kinds.keys(value)
  return type(value) == "function" or is_list_of_strings(value),
    "a list of strings or a function"
end

---@param ... string the only values there are
---@return fun(value: any): boolean, string
function kinds.one_of(...)
  local known, words = {}, {}
  for i, word in ipairs { ... } do
    known[word], words[i] = true, ('"%s"'):format(word)
  end
  local expected = table.concat(words, ", ", 1, #words - 1) .. " or " .. words[#words]
  return function(value) return known[value] == true, expected end
end

return kinds
