-- Writes tlx_gsm7_table.c and tlx_smart_table.c beside itself.
--
--   lua5.4 csrc/core/tables.lua csrc/core
--
-- Sources: 3GPP TS 23.038 §6.2.1 (default alphabet and its extension), the service's own page on
-- message encoding (which characters of it the service documents), and smart.tsv, the service's
-- list of smart-encoding substitutions (code point, replacement, category).

local folder = assert(arg[1], "usage: lua5.4 tables.lua FOLDER")

-- TS 23.038 §6.2.1, in code order 0x00 to 0x7F; 0x1B is the escape, which is no character.
local DEFAULT_ALPHABET = [[
@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\eÆæßÉ !"#¤%&'()*+,-./0123456789:;<=>?]]
  .. [[¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà]]

-- TS 23.038 §6.2.1.1: an escape and one more septet each.
local EXTENSION = [[\f^{}\b[~]|€]]

-- In the standard, but absent from the set that the service documents.
local NOT_DOCUMENTED = [[Ç¤ΔΦΓΛΩΠΨΣΘΞ\f]]

local ESCAPES = { n = 0x0A, r = 0x0D, f = 0x0C, e = 0x1B, b = 0x5C }
local PAGE = 64

local BASIC, EXTENDED, STANDARD_ONLY = 1, 2, 4

local function codepoints(text)
  text = text:gsub("\\(%a)", function(letter) return utf8.char(ESCAPES[letter]) end)
  local list = {}
  for _, codepoint in utf8.codes(text) do list[#list + 1] = codepoint end
  return list
end

local function gsm7_classes()
  local class = {}
  local alphabet = codepoints(DEFAULT_ALPHABET)
  assert(#alphabet == 128, "the default alphabet has 128 codes")
  for _, codepoint in ipairs(alphabet) do class[codepoint] = BASIC end
  class[ESCAPES.e] = nil
  for _, codepoint in ipairs(codepoints(EXTENSION)) do class[codepoint] = EXTENDED end
  for _, codepoint in ipairs(codepoints(NOT_DOCUMENTED)) do
    class[codepoint] = class[codepoint] + STANDARD_ONLY
  end
  return class
end

local function smart_rows()
  local index, replacements, seen = {}, { "" }, {}
  for line in io.lines(folder .. "/smart.tsv") do
    local hex, json = line:match("^U%+(%x+)\t\"(.*)\"\t")
    if hex then
      local text = json:gsub("\\(.)", "%1")
      if not seen[text] then
        replacements[#replacements + 1] = text
        seen[text] = #replacements - 1
      end
      index[tonumber(hex, 16)] = seen[text]
    end
  end
  return index, replacements
end

-- A two-level table: page_of[codepoint / 64] names a page, page 0 being all zeros.
local function paged(value)
  local last = 0
  for codepoint in pairs(value) do last = math.max(last, codepoint) end
  local n_pages_covered = last // PAGE + 1
  local pages, page_of = { {} }, {}
  for i = 1, PAGE do pages[1][i] = "0" end
  for page = 0, n_pages_covered - 1 do
    local cells, empty = {}, true
    for i = 0, PAGE - 1 do
      local cell = value[page * PAGE + i]
      empty = empty and not cell
      cells[#cells + 1] = tostring(cell or 0)
    end
    if not empty then pages[#pages + 1] = cells end
    page_of[#page_of + 1] = empty and "0" or tostring(#pages - 1)
  end
  return pages, page_of
end

local function wrapped(cells)
  local lines, line = {}, " "
  for i, cell in ipairs(cells) do
    local word = cell .. (i < #cells and "," or "")
    if #line + #word + 1 > 98 then
      lines[#lines + 1] = line
      line = " "
    end
    line = line .. " " .. word
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

local function write_table(name, value, extra)
  local pages, page_of = paged(value)
  local out = assert(io.open(folder .. "/tlx_" .. name .. "_table.c", "wb"))
  out:write("/* Made by tables.lua. Do not edit. */\n#include \"tlx_", name, "_table.h\"\n\n")
  out:write("/* clang-format off */\n")
  out:write("const unsigned char tlx_", name, "_page_of[", #page_of, "] = {\n",
    wrapped(page_of), "\n};\n\n")
  out:write("const unsigned char tlx_", name, "_pages[", #pages, "][", PAGE, "] = {\n")
  for _, page in ipairs(pages) do out:write("  {\n", wrapped(page), "\n  },\n") end
  out:write("};\n", extra or "")
  out:close()
  return #page_of, #pages
end

local function write_header(name, comment, n_covered, n_pages, extra)
  local guard = "TLX_" .. name:upper() .. "_TABLE_H"
  local out = assert(io.open(folder .. "/tlx_" .. name .. "_table.h", "wb"))
  out:write("/* Made by tables.lua. Do not edit. ", comment, " */\n")
  out:write("#ifndef ", guard, "\n#define ", guard, "\n\n")
  out:write("#define TLX_", name:upper(), "_PAGE ", PAGE, "\n")
  out:write("#define TLX_", name:upper(), "_END (", n_covered, "u * ", PAGE, "u)\n")
  out:write("extern const unsigned char tlx_", name, "_page_of[", n_covered, "];\n")
  out:write("extern const unsigned char tlx_", name, "_pages[", n_pages, "][", PAGE, "];\n")
  out:write(extra or "", "\n#endif\n")
  out:close()
end

local function c_string(text)
  return '"' .. text:gsub('[\\"]', "\\%0") .. '"'
end

local n_covered, n_pages = write_table("gsm7", gsm7_classes())
write_header("gsm7",
  "Cells: 0 not GSM-7, 1 one septet, 2 an escape\n * and one septet; plus 4 when only the standard"
    .. " has the character, not the service's page.", n_covered, n_pages)

local index, replacements = smart_rows()
local literals = {}
for i, text in ipairs(replacements) do literals[i] = c_string(text) end
local list = "\nconst char *const tlx_smart_replacements[" .. #replacements .. "] = {\n"
  .. wrapped(literals) .. "\n};\n"
n_covered, n_pages = write_table("smart", index, list)
write_header("smart", "Cells: 0 no substitution, otherwise an\n * index into tlx_smart_replacements.",
  n_covered, n_pages, "extern const char *const tlx_smart_replacements[" .. #replacements .. "];\n")
