--- Is it UTF-8? Well-formed sequences only: no surrogates, no overlong forms,
-- nothing above U+10FFFF.

local utf8 = {}

-- Every well-formed sequence longer than one byte matches exactly one of these.
local sequences = {
  "^[\194-\223][\128-\191]",
  "^\224[\160-\191][\128-\191]",
  "^[\225-\236\238\239][\128-\191][\128-\191]",
  "^\237[\128-\159][\128-\191]",
  "^\240[\144-\191][\128-\191][\128-\191]",
  "^[\241-\243][\128-\191][\128-\191][\128-\191]",
  "^\244[\128-\143][\128-\191][\128-\191]",
}

local function sequence_end(text, start)
  for _, sequence in ipairs(sequences) do
    local _, stop = text:find(sequence, start)
    if stop then return stop end
  end
end

---@param text string
---@param from integer|nil where to begin, at the start of a sequence
---@return integer|nil position of the first bad byte; nil when there is none
function utf8.first_bad(text, from)
  local start = text:find("[\128-\255]", from)
  while start do
    local stop = sequence_end(text, start)
    if not stop then return start end
    start = text:find("[\128-\255]", stop + 1)
  end
  return nil
end

---Valid UTF-8 in which bad bytes are shown percent-encoded.
---@param text string
---@return string
function utf8.escape(text)
  local pieces, start = {}, 1
  local bad = utf8.first_bad(text)
  while bad do
    pieces[#pieces + 1] = text:sub(start, bad - 1)
    pieces[#pieces + 1] = ("%%%02X"):format(text:byte(bad))
    start = bad + 1
    bad = utf8.first_bad(text, start)
  end
  pieces[#pieces + 1] = text:sub(start)
  return table.concat(pieces)
end

---The beginning of a valid text, cut between characters.
---@param text string
---@param bytes integer at most
---@return string
function utf8.cut(text, bytes)
  local head = text:sub(1, bytes)
  local bad = utf8.first_bad(head)
  return bad and head:sub(1, bad - 1) or head
end

return utf8
