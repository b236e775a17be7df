-- Writes the messages that validation is tried with, for the fuzzer to start from.
--
--   lua5.4 spec/c/fuzz_seeds_validate.lua FOLDER

local folder = assert(arg[1], "usage: lua fuzz_seeds_validate.lua FOLDER")
local core = require "telnyx.core"
local vectors = require "spec.vectors.validate"

local KINDS = { boolean = "b", number = "o", userdata = "n", ["function"] = "o" }

local function value_of(value)
  if value == nil then return "" end
  if type(value) == "string" then return "s" .. value end
  if type(value) ~= "table" then return KINDS[type(value)] end
  local items = {}
  for i = 1, #value do items[i] = value_of(value[i]) end
  return "l" .. table.concat(items, "\31")
end

local function write(number, message)
  local fields = {}
  for i, name in ipairs(core.fields) do fields[i] = value_of(message[name]) end
  local file = assert(io.open(("%s/%04d"):format(folder, number), "wb"))
  file:write(string.char(number % 256), table.concat(fields, "\30"))
  file:close()
end

for number, row in ipairs(vectors.rows) do
  if number % 3 == 0 then write(number, row[2]) end
end
