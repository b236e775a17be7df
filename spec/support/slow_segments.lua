--- Segment counting as the standards' prose has it: slow, obvious, and independent of the C code.
-- TS 23.038 for the alphabet, TS 23.040 clause 9.2.3.24.1 for the parts, Unicode's table 3-7 for
-- UTF-8.

local standard = require "spec.support.gsm7_standard"

local slow = {}

local CONTINUATION = { 0x80, 0xBF }

--- Well-formed UTF-8 byte sequences (Unicode, table 3-7): the range of each byte of a character.
local WELL_FORMED = {
  { { 0x00, 0x7F } },
  { { 0xC2, 0xDF }, CONTINUATION },
  { { 0xE0, 0xE0 }, { 0xA0, 0xBF }, CONTINUATION },
  { { 0xE1, 0xEC }, CONTINUATION, CONTINUATION },
  { { 0xED, 0xED }, { 0x80, 0x9F }, CONTINUATION },
  { { 0xEE, 0xEF }, CONTINUATION, CONTINUATION },
  { { 0xF0, 0xF0 }, { 0x90, 0xBF }, CONTINUATION, CONTINUATION },
  { { 0xF1, 0xF3 }, CONTINUATION, CONTINUATION, CONTINUATION },
  { { 0xF4, 0xF4 }, { 0x80, 0x8F }, CONTINUATION, CONTINUATION },
}

--- What a leading byte contributes, by the length of its sequence.
local LEAD_MARK = { 0x00, 0xC0, 0xE0, 0xF0 }

local SEQUENCE_OF = {}
for _, sequence in ipairs(WELL_FORMED) do
  for lead = sequence[1][1], sequence[1][2] do
    SEQUENCE_OF[lead] = sequence
  end
end

local function decode_one(text, at)
  local lead = text:byte(at)
  local sequence = SEQUENCE_OF[lead]
  if not sequence then return nil end
  local codepoint = lead - LEAD_MARK[#sequence]
  for i = 2, #sequence do
    local byte = text:byte(at + i - 1)
    if not byte or byte < sequence[i][1] or byte > sequence[i][2] then return nil end
    codepoint = codepoint * 64 + byte - 0x80
  end
  return codepoint, #sequence
end

--- Every character of a UTF-8 text.
---@param text string
---@return table[]|nil characters { codepoint, character, byte, index }
---@return integer|nil bad offset (from 1) at which the first ill-formed sequence starts
function slow.decode(text)
  local list, at = {}, 1
  while at <= #text do
    local codepoint, length = decode_one(text, at)
    if not codepoint then return nil, at end
    list[#list + 1] = {
      codepoint = codepoint,
      character = text:sub(at, at + length - 1),
      byte = at,
      index = #list + 1,
    }
    at = at + length
  end
  return list
end

--- The UTF-8 bytes of one code point.
---@param codepoint integer
---@return string
function slow.encode(codepoint)
  local floor, char = math.floor, string.char
  local function tail(shift) return 0x80 + floor(codepoint / shift) % 64 end
  if codepoint < 0x80 then return char(codepoint) end
  if codepoint < 0x800 then return char(0xC0 + floor(codepoint / 64), tail(1)) end
  if codepoint < 0x10000 then
    return char(0xE0 + floor(codepoint / 4096), tail(64), tail(1))
  end
  return char(0xF0 + floor(codepoint / 262144), tail(4096), tail(64), tail(1))
end

local function unquote(json)
  return (json:match('^"(.*)"$'):gsub("\\(.)", "%1"))
end

--- Reads the service's substitutions: code point to replacement.
---@param path string
---@return table<integer, string> replacements
---@return integer rows
function slow.read_substitutions(path)
  local replacements, rows = {}, 0
  for line in io.lines(path) do
    local hex, json = line:match("^U%+(%x+)\t([^\t]*)")
    if hex then
      replacements[tonumber(hex, 16)] = unquote(json)
      rows = rows + 1
    end
  end
  return replacements, rows
end

slow.substitutions = slow.read_substitutions("spec/vectors/smart_encoding.tsv")

local function substitute(list)
  local result, replaced = {}, 0
  for _, from in ipairs(list) do
    local replacement = slow.substitutions[from.codepoint]
    if replacement then
      replaced = replaced + 1
      for letter in replacement:gmatch(".") do
        result[#result + 1] = {
          codepoint = letter:byte(),
          character = letter,
          byte = from.byte,
          index = from.index,
        }
      end
    else
      result[#result + 1] = from
    end
  end
  return result, replaced
end

local function join(list)
  local characters = {}
  for i, one in ipairs(list) do characters[i] = one.character end
  return table.concat(characters)
end

--- The substitutions applied to a text.
---@param text string well-formed UTF-8
---@return string text
---@return integer replaced
function slow.smart_encode(text)
  local list, replaced = substitute(slow.decode(text))
  return join(list), replaced
end

local ALPHABETS = {
  ["GSM-7"] = { whole = 160, piece = 153 },
  ["UCS-2"] = { whole = 70, piece = 67 },
}

local function first_outside(list, septets)
  for _, one in ipairs(list) do
    if not septets[one.codepoint] then return one end
  end
end

local function weigher(encoding, septets)
  if encoding == "GSM-7" then return function(one) return septets[one.codepoint] end end
  return function(one) return one.codepoint > 0xFFFF and 2 or 1 end
end

local function weigh_all(list, weigh)
  local units = 0
  for _, one in ipairs(list) do units = units + weigh(one) end
  return units
end

--- Lays characters into parts one after another; one that does not fit whole opens the next part.
local function lay(list, weigh, limit)
  local parts = {}
  local part
  for _, one in ipairs(list) do
    local weight = weigh(one)
    if not part or part.units + weight > limit then
      part = { units = 0 }
      parts[#parts + 1] = part
    end
    part.units = part.units + weight
    part[#part + 1] = one
  end
  return parts
end

local function outsiders(list, septets)
  local found, by_codepoint = {}, {}
  for _, one in ipairs(list) do
    local row = by_codepoint[one.codepoint]
    if row then
      row.count = row.count + 1
    elseif not septets[one.codepoint] then
      row = {
        character = one.character,
        codepoint = one.codepoint,
        count = 1,
        byte = one.byte,
        replacement = slow.substitutions[one.codepoint],
      }
      by_codepoint[one.codepoint] = row
      found[#found + 1] = row
    end
  end
  return found
end

local function texts_of(parts)
  local texts = {}
  for i, part in ipairs(parts) do texts[i] = join(part) end
  return texts
end

local function culprit_of(one)
  return one and {
    character = one.character,
    codepoint = one.codepoint,
    byte = one.byte,
    index = one.index,
  }
end

local function measure(list, encoding, septets)
  local alphabet = ALPHABETS[encoding]
  local weigh = weigher(encoding, septets)
  local units = weigh_all(list, weigh)
  local limit = units <= alphabet.whole and alphabet.whole or alphabet.piece
  local parts = lay(list, weigh, limit)
  return {
    encoding = encoding,
    parts = #parts,
    units = units,
    characters = #list,
    limit = limit,
    remaining = limit - (#parts > 0 and parts[#parts].units or 0),
    formula_parts = math.ceil(units / limit),
    split = texts_of(parts),
  }
end

--- The analysis of a text, always in full detail.
---@param text string
---@param options? { charset?: string, encoding?: string, smart?: boolean }
---@return table|nil analysis
---@return table|nil failure { byte } of ill-formed UTF-8, or { byte, codepoint } of a character
--- that GSM-7, when forced, cannot hold
function slow.segments(text, options)
  options = options or {}
  local list, bad = slow.decode(text)
  if not list then return nil, { byte = bad } end
  local septets = standard.septets[options.charset or "telnyx"]
  local forced = options.encoding or "auto"
  local unencodable = outsiders(list, septets)
  local replaced
  if forced == "gsm7" or options.smart and forced == "auto" then
    list, replaced = substitute(list)
  end
  local outside = first_outside(list, septets)
  if outside and forced == "gsm7" then return nil, culprit_of(outside) end
  local encoding = (outside or forced == "ucs2") and "UCS-2" or "GSM-7"
  local analysis = measure(list, encoding, septets)
  if forced ~= "ucs2" then analysis.forced_by = culprit_of(outside) end
  analysis.replaced = replaced or options.smart and 0 or nil
  analysis.unencodable = unencodable
  return analysis
end

return slow
