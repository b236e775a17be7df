--- Text as a terminal shows it: in cells, one or two columns wide, with nothing in it that a
--- terminal would obey or hide.

local cells = {}

local CHARACTER = "[^\128-\191][\128-\191]*"

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
---@param character string
---@return string shown
---@return integer columns
function cells.shown(character)
  local codepoint = codepoint_of(character)
  if codepoint > 0x20 and codepoint < 0x7F or character == " " then return character, 1 end
  if is_in(COMBINING, codepoint) then return character, 0 end
  for _, row in ipairs(HIDDEN) do
    if is_in(row[2], codepoint) then return row[1], 1 end
  end
  return character, is_in(WIDE, codepoint) and 2 or 1
end

---@param text string UTF-8
---@return integer columns that it takes, as it is shown
function cells.width(text)
  local columns = 0
  for character in text:gmatch(CHARACTER) do
    columns = columns + select(2, cells.shown(character))
  end
  return columns
end

---@param text string UTF-8
---@param columns integer
---@return string text with spaces after it
function cells.pad(text, columns)
  return text .. (" "):rep(columns - cells.width(text))
end

---@class telnyx.cell what a terminal shows in one place, with the marks that stand on it
---@field text string
---@field columns integer
---@field marked boolean|nil
---@field ends boolean|nil it stands for the end of a line

---@param text string UTF-8
---@param is_marked table<string, boolean> characters
---@return telnyx.cell[]
function cells.of(text, is_marked)
  local list = {}
  for character in text:gmatch(CHARACTER) do
    local piece, columns = cells.shown(character)
    local last = list[#list]
    if columns == 0 and last then
      last.text = last.text .. piece
      last.marked = last.marked or is_marked[character]
    else
      list[#list + 1] = {
        text = piece, columns = columns, marked = is_marked[character], ends = character == "\n",
      }
    end
  end
  return list
end

---Breaks them where a line is full, and after what ends one.
---@param list telnyx.cell[]
---@param width integer columns
---@return telnyx.cell[][]
function cells.lines(list, width)
  local lines, used = { {} }, 0
  for i, cell in ipairs(list) do
    if used + cell.columns > width then
      lines[#lines + 1] = {}
      used = 0
    end
    table.insert(lines[#lines], cell)
    used = cell.ends and list[i + 1] and width or used + cell.columns
  end
  return lines
end

---@param line telnyx.cell[]
---@param paint fun(colour: string, text: string): string
---@return string text
---@return string marks to stand under it; "" for none
function cells.draw(line, paint)
  local text, marks = {}, {}
  for i, cell in ipairs(line) do
    text[i] = cell.marked and paint("red", cell.text) or cell.text
    marks[i] = (cell.marked and "^" or " "):rep(cell.columns)
  end
  return table.concat(text), (table.concat(marks):gsub(" +$", ""))
end

-- Of a text that is cut, so much as fits before the dots.
local function cut(text, columns)
  local pieces, left = {}, columns - 3
  for character in text:gmatch(CHARACTER) do
    local piece, own = cells.shown(character)
    left = left - own
    if left < 0 then break end
    pieces[#pieces + 1] = piece
  end
  return table.concat(pieces) .. ("..."):sub(1, columns)
end

---A text on one line, as it is shown.
---@param text string UTF-8
---@param columns integer that it may take
---@return string
function cells.fit(text, columns)
  if cells.width(text) > columns then return cut(text, columns) end
  return (text:gsub(CHARACTER, cells.shown))
end

return cells
