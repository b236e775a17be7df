--- What a text costs, part by part, and what makes it cost that: counted as its sender sends it.

local addresses = require("telnyx.sandbox.addresses")
local json = require("telnyx.sandbox.json")

local bill = {}

local function is_short_code(number)
  return addresses.is_short_code(number, 5, 6)
end

-- A piece of a longer text is counted as the whole was, which may have had other characters.
local function how_sent(record)
  local asked = not record.is_inbound and record.fields.encoding or nil
  if asked == "ucs2" then return { encoding = "ucs2", detail = true } end
  local is_ascii = not record.is_inbound and asked ~= "gsm7" and is_short_code(record.sender)
  return { encoding = "auto", smart = asked == "gsm7" or record.smart or false,
    charset = is_ascii and "ascii" or nil, detail = true }
end

local function count(record, text, segments)
  local analysis = segments(text, how_sent(record))
  if record.encoding == "UCS-2" and analysis.encoding ~= "UCS-2" then
    analysis = segments(text, { encoding = "ucs2", detail = true })
  end
  return analysis
end

local function culprits(analysis)
  local list = {}
  for i, one in ipairs(analysis.unencodable or {}) do
    list[i] = json.object {
      { "character", one.character }, { "codepoint", ("U+%04X"):format(one.codepoint) },
      { "count", one.count }, { "substitute", one.replacement },
    }
  end
  return json.array(list)
end

local function advice(analysis)
  local list = {}
  for i, one in ipairs(analysis.advice or {}) do
    list[i] = json.object {
      { "kind", one.change }, { "text", one.text }, { "parts", one.parts }, { "saves", one.saves },
    }
  end
  return json.array(list)
end

---@param record table
---@param text string
---@param segments function how texts are counted
---@return table|nil bill for json.encode; nil for what is not counted, which is MMS
function bill.render(record, text, segments)
  if record.type ~= "SMS" or text == "" then return nil end
  local analysis = count(record, text, segments)
  return json.object {
    { "encoding", analysis.encoding }, { "parts", analysis.parts }, { "limit", analysis.limit },
    { "units", analysis.units }, { "remaining", analysis.remaining },
    { "characters", analysis.characters },
    { "split", analysis.split and json.array(analysis.split) },
    { "culprits", culprits(analysis) }, { "advice", advice(analysis) },
  }
end

return bill
