-- Writes the texts at the edges of a part, under each of the options, for the fuzzer to start from.
--
--   lua5.4 spec/c/fuzz_seeds_segments.lua FOLDER

local folder = assert(arg[1], "usage: lua fuzz_seeds_segments.lua FOLDER")
local vectors = require "spec.vectors.segments"
local OPTIONS = 18 -- three charsets, three encodings, smart or not

local function text_of(row)
  local pieces = {}
  for i, piece in ipairs(row.text) do pieces[i] = piece[2]:rep(piece[1]) end
  return table.concat(pieces)
end

local function write(number, option, text)
  local file = assert(io.open(("%s/%03d-%02d"):format(folder, number, option), "wb"))
  file:write(string.char(option), text)
  file:close()
end

local number = 0
local function write_all(text)
  number = number + 1
  for option = 0, OPTIONS - 1 do write(number, option, text) end
end

for _, row in ipairs(vectors) do write_all(text_of(row)) end
for line in io.lines("spec/vectors/smart_encoding.tsv") do
  local hex = line:match("^U%+(%x+)")
  local codepoint = hex and tonumber(hex, 16)
  -- One in sixteen: their code points differ, the code that handles them does not.
  if codepoint and codepoint % 16 == 9 then
    local character = require("spec.support.slow_segments").encode(codepoint)
    write_all(("plain words "):rep(6) .. character)
  end
end
