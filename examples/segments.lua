-- What a text costs, part by part, and what makes it cost that. Sends nothing.
--
--   lua5.4 examples/segments.lua "It’s on its way"
--   lua5.4 examples/segments.lua -f message.txt
--   echo "Your order is ready" | lua5.4 examples/segments.lua
--
-- --smart counts as a profile with smart encoding would; --charset 3gpp or ascii takes another set
-- of characters than the documented one. COLUMNS is how wide it may be, NO_COLOR keeps it plain.

local telnyx = require("telnyx")

local USAGE = [[
usage: lua examples/segments.lua [--smart] [--charset telnyx|3gpp|ascii] [TEXT | -f FILE]
Without a text it reads one from standard input.]]

-- What is asked --------------------------------------------------------------------------------

local function fail(words)
  io.stderr:write(words, "\n")
  os.exit(1)
end

local function read_all(file)
  -- The line's end that an editor or a shell adds is not part of the message.
  return (file:read("*a"):gsub("\r?\n$", ""))
end

local function read_file(path)
  local file, why = io.open(path or fail(USAGE), "rb")
  return read_all(file or fail(why))
end

local CHARSETS = { telnyx = true, ["3gpp"] = true, ascii = true }

local function read_arguments(words)
  local options, text, i = { detail = true }, nil, 1
  local function next_word()
    i = i + 1
    return words[i]
  end
  while words[i] do
    local word = words[i]
    if word == "-f" then text = read_file(next_word())
    elseif word == "--smart" then options.smart = true
    elseif word == "--charset" then options.charset = next_word() or ""
    elseif word == "--help" or text then fail(USAGE)
    else text = word end
    i = i + 1
  end
  if options.charset and not CHARSETS[options.charset] then fail(USAGE) end
  return text or read_all(io.stdin), options
end

-- How wide a character is on a terminal -----------------------------------------------------------

local function ranges_of(words)
  local list = {}
  for first, last in words:gmatch("(%x+)%-?(%x*)") do
    list[#list + 1] = { tonumber(first, 16), tonumber(last ~= "" and last or first, 16) }
  end
  return list
end

-- Unicode's East Asian Width, W and F: two columns.
local WIDE = ranges_of [[
  1100-115F 231A-231B 2329-232A 23E9-23EC 23F0 23F3 25FD-25FE 2614-2615 2648-2653 267F 2693 26A1
  26AA-26AB 26BD-26BE 26C4-26C5 26CE 26D4 26EA 26F2-26F3 26F5 26FA 26FD 2705 270A-270B 2728 274C
  274E 2753-2755 2757 2795-2797 27B0 27BF 2B1B-2B1C 2B50 2B55 2E80-303E 3041-3247 3250-4DBF
  4E00-A4C6 A960-A97C AC00-D7A3 F900-FAD9 FE10-FE19 FE30-FE6B FF01-FF60 FFE0-FFE6 16FE0-1B2FB
  1F004 1F0CF 1F18E 1F191-1F19A 1F200-1F320 1F32D-1F335 1F337-1F37C 1F37E-1F393 1F3A0-1F3CA
  1F3CF-1F3D3 1F3E0-1F3F0 1F3F4 1F3F8-1F43E 1F440 1F442-1F4FC 1F4FF-1F53D 1F54B-1F54E 1F550-1F567
  1F57A 1F595-1F596 1F5A4 1F5FB-1F64F 1F680-1F6C5 1F6CC 1F6D0-1F6D2 1F6D5-1F6DF 1F6EB-1F6EC
  1F6F4-1F6FC 1F7E0-1F7F0 1F90C-1F93A 1F93C-1F945 1F947-1F9FF 1FA70-1FAFF 20000-3134A]]

-- Marks that stand on the character before them: none.
local COMBINING = ranges_of [[
  0300-036F 0483-0489 0591-05BD 05BF 05C1-05C2 0610-061A 064B-065F 0670 06D6-06DC 093C 0941-0948
  094D 0E31 0E34-0E3A 0E47-0E4E 1160-11FF 1AB0-1AFF 1DC0-1DFF 200D 20D0-20FF 302A-302D 3099-309A
  FE00-FE0F FE20-FE2F E0000-E0FFF]]

-- What would show as nothing, or not as one character, and what shows in its place.
local HIDDEN = {
  { "⏎", ranges_of "A" }, { "→", ranges_of "9" },
  { "␣", ranges_of "A0 2000-200A 202F 205F" },
  { "·", ranges_of "0-8 B-1F 7F-9F AD 200B-200F 2028-202E 2060-2064 FEFF" },
}

local function is_in(ranges, codepoint)
  for _, range in ipairs(ranges) do
    if codepoint >= range[1] and codepoint <= range[2] then return true end
  end
  return false
end

local function codepoint_of(character)
  local lead = character:byte()
  local mark = ({ 0, 0xC0, 0xE0, 0xF0 })[#character]
  local codepoint = lead - mark
  for i = 2, #character do codepoint = codepoint * 64 + character:byte(i) - 0x80 end
  return codepoint
end

---One character as the terminal is to show it.
---@return string shown
---@return integer columns
local function shown(character)
  local codepoint = codepoint_of(character)
  if codepoint > 0x20 and codepoint < 0x7F or character == " " then return character, 1 end
  if is_in(COMBINING, codepoint) then return character, 0 end
  for _, row in ipairs(HIDDEN) do
    if is_in(row[2], codepoint) then return row[1], 1 end
  end
  return character, is_in(WIDE, codepoint) and 2 or 1
end

local function width_of(text)
  local columns = 0
  for character in text:gmatch("[^\128-\191][\128-\191]*") do
    columns = columns + select(2, shown(character))
  end
  return columns
end

-- Colour ------------------------------------------------------------------------------------------

local function is_terminal()
  local ok = os.execute("test -t 1")
  return ok == true or ok == 0
end

local function wants_colour()
  local no, term = os.getenv("NO_COLOR"), os.getenv("TERM")
  return (no == nil or no == "") and term ~= nil and term ~= "dumb" and is_terminal()
end

local CODES = { bold = 1, dim = 2, red = 31, green = 32, yellow = 33 }
local has_colour = wants_colour()

local function paint(colour, text)
  if not has_colour or text == "" then return text end
  return ("\27[%dm%s\27[0m"):format(CODES[colour], text)
end

-- A part and its marks ----------------------------------------------------------------------------

-- Cells: what a terminal shows in one place, with the marks that stand on it.
local function cells_of(text, is_outside)
  local cells = {}
  for character in text:gmatch("[^\128-\191][\128-\191]*") do
    local piece, columns = shown(character)
    local last = cells[#cells]
    if columns == 0 and last then
      last.text = last.text .. piece
      last.marked = last.marked or is_outside[character]
    else
      cells[#cells + 1] = {
        text = piece, columns = columns, marked = is_outside[character], ends = character == "\n",
      }
    end
  end
  return cells
end

local function lines_of(cells, width)
  local lines, used = { {} }, 0
  for i, cell in ipairs(cells) do
    if used + cell.columns > width then
      lines[#lines + 1] = {}
      used = 0
    end
    table.insert(lines[#lines], cell)
    used = cell.ends and cells[i + 1] and width or used + cell.columns
  end
  return lines
end

local function draw(line)
  local text, marks = {}, {}
  for i, cell in ipairs(line) do
    text[i] = cell.marked and paint("red", cell.text) or cell.text
    marks[i] = (cell.marked and "^" or " "):rep(cell.columns)
  end
  return table.concat(text), (table.concat(marks):gsub(" +$", ""))
end

local function print_text(text, is_outside, width)
  for _, line in ipairs(lines_of(cells_of(text, is_outside), width)) do
    local drawn, marks = draw(line)
    print("  " .. drawn)
    if marks ~= "" then print("  " .. paint("red", marks)) end
  end
end

local METER = 20

local function print_part(analysis, number, options, is_outside, width)
  local part = analysis.split[number]
  local encoding = analysis.encoding == "UCS-2" and "ucs2" or "auto"
  local units = telnyx.segments(part, { charset = options.charset, encoding = encoding }).units
  -- Only what is full looks full.
  local full = math.floor(units / analysis.limit * METER)
  print()
  print(("%s  %s%s  %s"):format(paint("bold", ("part %d of %d"):format(number, analysis.parts)),
    ("#"):rep(full), paint("dim", ("."):rep(METER - full)),
    ("%d of %d"):format(units, analysis.limit)))
  print_text(part, is_outside, width)
end

-- The bill ----------------------------------------------------------------------------------------

local function many(count, noun) return count .. " " .. noun .. (count == 1 and "" or "s") end

local function name_of(character, codepoint)
  local plain = shown(character) == character and width_of(character) > 0
  return (plain and character .. " " or "") .. ("U+%04X"):format(codepoint)
end

local function print_bill(analysis)
  print(paint("bold", many(analysis.parts, "part") .. ", " .. analysis.encoding))
  if analysis.parts == 1 then
    print(("%d of %d units, %d free"):format(analysis.units, analysis.limit, analysis.remaining))
  else
    print(("%d units, %d to a part, %d free in the last"):format(analysis.units, analysis.limit,
      analysis.remaining))
  end
  if analysis.replaced and analysis.replaced > 0 then
    print(many(analysis.replaced, "character") .. " replaced by smart encoding")
  end
  local culprit = analysis.forced_by
  if culprit then
    print(("UCS-2 because of %s, character %d"):format(
      paint("red", name_of(culprit.character, culprit.codepoint)), culprit.index))
  end
  if analysis.formula_parts ~= analysis.parts then
    print(("units divided by %d would be %s, but a character of two units is never split"):format(
      analysis.limit, many(analysis.formula_parts, "part")))
  end
end

local function replacement_of(row)
  local replacement = row.replacement or row.letter
  if replacement == "" then return "nothing" end
  if replacement and replacement:find("^ +$") then return many(#replacement, "space") end
  return replacement
end

local MOST_LISTED = 12

-- Characters that a substitution has already taken out are nobody's fault any more.
local function culprits_of(analysis, options)
  local list, is_outside = {}, {}
  if not analysis.forced_by then return list, is_outside end
  for _, row in ipairs(analysis.unencodable) do
    if not (options.smart and row.replacement) then
      list[#list + 1] = row
      is_outside[row.character] = true
    end
  end
  return list, is_outside
end

local function pad(text, columns)
  return text .. (" "):rep(columns - width_of(text))
end

local function print_culprits(list, set)
  if #list == 0 then return end
  print()
  print(paint("bold", "not in " .. set))
  for i = 1, math.min(#list, MOST_LISTED) do
    local row = list[i]
    local could_be = replacement_of(row)
    local times = row.count == 1 and "once" or row.count .. " times"
    print(("  %s %s"):format(paint("red", pad(name_of(row.character, row.codepoint), 11)),
      could_be and pad(times, 10) .. "could be " .. could_be or times))
  end
  if #list > MOST_LISTED then print("  and " .. #list - MOST_LISTED .. " more") end
end

local function print_advice(advice)
  if #advice == 0 then return end
  print()
  print(paint("bold", "cheaper"))
  for _, one in ipairs(advice) do print("  " .. paint("green", one.text)) end
end

local function main()
  local text, options = read_arguments(arg)
  local analysis, err = telnyx.segments(text, options)
  if not analysis then fail(err.detail) end
  if analysis.parts == 0 then return print("nothing to send") end
  local width = math.max(20, (tonumber(os.getenv("COLUMNS")) or 80) - 4)
  local culprits, is_outside = culprits_of(analysis, options)
  print_bill(analysis)
  for number = 1, analysis.parts do
    print_part(analysis, number, options, is_outside, width)
  end
  print_culprits(culprits, options.charset == "ascii" and "ASCII" or "GSM-7")
  print_advice(analysis.advice)
end

main()
