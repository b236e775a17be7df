-- Writes the replies of the vectors for the fuzzer to start from.
--
--   lua5.4 spec/c/fuzz_seeds_exchange.lua FOLDER

local folder = assert(arg[1], "usage: lua fuzz_seeds_exchange.lua FOLDER")
local rows = require "spec.vectors.replies"
local ENDINGS = { close = 1, ["break"] = 2, timeout = 3 }
local MAX = 20 -- the second choice of the target's
local LONG = 4000

local function options_of(row) return (ENDINGS[row.ending] or 0) + (row.max == MAX and 4 or 0) end

for i, row in ipairs(rows) do
  if #row.bytes <= LONG then
    local file = assert(io.open(("%s/%03d"):format(folder, i), "wb"))
    file:write(string.char(options_of(row), i % 256), row.bytes)
    file:close()
  end
end
