--- A text that is too long for one message, cut where its parts end.

-- Where the characters end, by their order.
local function ends_of(text)
  local ends = {}
  for place in text:gmatch("[^\128-\191][\128-\191]*()") do ends[#ends + 1] = place - 1 end
  return ends
end

-- How many characters from `first` on fit, at least one.
local function count_fitting(ends, first, fits)
  local low, high = first, #ends
  while low < high do
    local middle = math.ceil((low + high) / 2)
    if fits(middle) then low = middle else high = middle - 1 end
  end
  return low
end

---@param text string valid UTF-8
---@param segments function how texts are counted
---@param how table what it is told besides the text
---@param max_parts integer of one piece
---@return { text: string, analysis: table }[]
return function(text, segments, how, max_parts)
  local ends, pieces, start, first = ends_of(text), {}, 1, 1
  while first <= #ends do
    local last = count_fitting(ends, first, function(place)
      return segments(text:sub(start, ends[place]), how).parts <= max_parts
    end)
    local piece = text:sub(start, ends[last])
    pieces[#pieces + 1] = { text = piece, analysis = segments(piece, how) }
    start, first = ends[last] + 1, last + 1
  end
  return pieces
end
