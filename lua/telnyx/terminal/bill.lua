--- An estimate as people read it.

local cells = require("telnyx.terminal.cells")
local progress = require("telnyx.terminal.progress")

local bill = {}

local number = progress.number

local function many(n, noun)
  return number(n) .. " " .. noun .. (n == 1 and "" or "s")
end

-- Lines -----------------------------------------------------------------------------------------

-- Pieces side by side, where there is room: else below, under the first.
local function flow(pieces, prefix, width)
  local lines, line, is_first = {}, prefix, true
  local indent = (" "):rep(cells.width(prefix))
  for _, piece in ipairs(pieces) do
    if not is_first and cells.width(line) + 1 + cells.width(piece) > width then
      lines[#lines + 1], line, is_first = line, indent, true
    end
    line, is_first = line .. (is_first and "" or " ") .. piece, false
  end
  lines[#lines + 1] = line
  return lines
end

local function words_of(text)
  local words = {}
  for word in text:gmatch("%S+") do words[#words + 1] = word end
  return words
end

local function row(label, pieces, width)
  for i = 1, #pieces - 1 do pieces[i] = pieces[i] .. ";" end
  return flow(pieces, ("  %-12s"):format(label), width)
end

local ENCODINGS = { "GSM-7", "UCS-2", "ASCII", "MMS" }
local KINDS = { "long_code", "toll_free", "short_code", "alphanumeric", "number_pool" }

local function counted(counts, names)
  local pieces = {}
  for _, name in ipairs(names) do
    if counts[name] then
      pieces[#pieces + 1] = number(counts[name]) .. " " .. name:gsub("_", " ")
    end
  end
  return pieces
end

local function recipients_of(estimate)
  if estimate.n_repeated == 0 then return { number(estimate.n_recipients) .. ", each once" } end
  local most = estimate.most
  return { number(estimate.n_recipients), number(estimate.n_repeated) .. " of them more than once",
    ("%s %s times (the last in line %d)"):format(most.to, number(most.n), most.line) }
end

-- What is dear ----------------------------------------------------------------------------------

local function name_of(culprit)
  local is_plain = cells.shown(culprit.character) == culprit.character
    and cells.width(culprit.character) > 0
  return (is_plain and culprit.character .. " " or "") .. ("U+%04X"):format(culprit.codepoint)
end

local function title_of(one)
  local segments, same = one.segments, one.n - 1
  local title = ("line %d%s: %s, %s"):format(one.line,
    same > 0 and (" and %s more"):format(number(same)) or "", many(one.parts, "part"),
    segments.encoding)
  local culprit = segments.forced_by
  if not culprit then return title end
  return ("%s because of %s, character %d"):format(title, name_of(culprit), culprit.index)
end

-- The piece of the text that shows what costs: from its beginning, or around the first culprit.
local function excerpt_of(one, width)
  local culprit = one.segments.forced_by
  local list = cells.of(one.text, culprit and { [culprit.character] = true } or {})
  local first, used = 1, 0
  for i, cell in ipairs(list) do
    used = used + cell.columns
    if cell.marked then
      if used > width then first = math.max(1, i - math.floor(width / 4)) end
      break
    end
  end
  local piece, left = {}, width
  for i = first, #list do
    left = left - list[i].columns
    if left < 0 then break end
    piece[#piece + 1] = list[i]
  end
  return piece
end

local function dear_text(one, width, paint)
  local text, marks = cells.draw(excerpt_of(one, width - 4), paint)
  local lines = flow(words_of(title_of(one)), "  ", width)
  lines[#lines + 1] = "    " .. text
  if marks ~= "" then lines[#lines + 1] = "    " .. paint("red", marks) end
  local advice = one.segments.advice[1]
  if not advice then return lines end
  for _, line in ipairs(flow(words_of(advice.text), "    ", width)) do
    lines[#lines + 1] = paint("green", line)
  end
  return lines
end

-- All of it -------------------------------------------------------------------------------------

local function add(lines, more)
  for _, line in ipairs(more) do lines[#lines + 1] = line end
end

---@class telnyx.bill_options
---@field name string the file's
---@field rate number messages a second
---@field width integer columns
---@field paint fun(colour: string, text: string): string

---@param estimate telnyx.estimate finished
---@param options telnyx.bill_options
---@return string[] lines
function bill.lines(estimate, options)
  local width, paint = options.width, options.paint
  local lines = { paint("bold", ("%s: %s, %s"):format(options.name, many(estimate.n, "message"),
    many(estimate.parts, "part"))) }
  add(lines, row("encodings", counted(estimate.encodings, ENCODINGS), width))
  add(lines, row("recipients", recipients_of(estimate), width))
  add(lines, row("senders", counted(estimate.kinds, KINDS), width))
  add(lines, row("time", { ("%s at %s/s"):format(progress.span(estimate.n / options.rate),
    ("%.14g"):format(options.rate)) }, width))
  if #estimate.dearest == 0 then return lines end
  add(lines, { "", paint("bold", "the dearest texts") })
  for _, one in ipairs(estimate.dearest) do add(lines, dear_text(one, width, paint)) end
  return lines
end

return bill
