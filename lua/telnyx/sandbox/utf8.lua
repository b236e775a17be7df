--- Is it UTF-8? Well-formed sequences only: no surrogates, no overlong forms,
-- nothing above U+10FFFF.

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
---@return boolean valid
---@return integer|nil offset of the first bad byte, counted from 0
return function(text)
  local start = text:find("[\128-\255]")
  while start do
    local stop = sequence_end(text, start)
    if not stop then return false, start - 1 end
    start = text:find("[\128-\255]", stop + 1)
  end
  return true
end
