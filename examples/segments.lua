-- What a text costs, part by part, and what makes it cost that. Sends nothing.
--
--   lua5.4 examples/segments.lua "It’s on its way"
--   lua5.4 examples/segments.lua -f message.txt
--   echo "Your order is ready" | lua5.4 examples/segments.lua
--
-- --smart counts as a profile with smart encoding would; --charset 3gpp or ascii takes another set
-- of characters than the documented one. COLUMNS is how wide it may be, NO_COLOR keeps it plain.

local cells = require("telnyx.terminal.cells")
local screen = require("telnyx.terminal.screen")
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

-- A part and its marks ----------------------------------------------------------------------------

local paint = screen.painter(1)

local function print_text(text, is_outside, width)
  for _, line in ipairs(cells.lines(cells.of(text, is_outside), width)) do
    local drawn, marks = cells.draw(line, paint)
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
  local plain = cells.shown(character) == character and cells.width(character) > 0
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

local function print_culprits(list, set)
  if #list == 0 then return end
  print()
  print(paint("bold", "not in " .. set))
  for i = 1, math.min(#list, MOST_LISTED) do
    local row = list[i]
    local could_be = replacement_of(row)
    local times = row.count == 1 and "once" or row.count .. " times"
    print(("  %s %s"):format(paint("red", cells.pad(name_of(row.character, row.codepoint), 11)),
      could_be and cells.pad(times, 10) .. "could be " .. could_be or times))
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
  local width = math.max(20, screen.width(1) - 4)
  local culprits, is_outside = culprits_of(analysis, options)
  print_bill(analysis)
  for number = 1, analysis.parts do
    print_part(analysis, number, options, is_outside, width)
  end
  print_culprits(culprits, options.charset == "ascii" and "ASCII" or "GSM-7")
  print_advice(analysis.advice)
end

main()
