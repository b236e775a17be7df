--- What a campaign would be, before it is: how many messages, how many parts, what is dear.

local core = require("telnyx.core")
local pace = require("telnyx.run.pace")

local estimate = {}

local N_DEAREST = 5

---@class telnyx.dear_text
---@field text string
---@field line integer where it stands first
---@field n integer how many have it
---@field parts integer
---@field price number of one, as they are ranked
---@field segments telnyx.segments|nil in detail, once `finish` was called

---@class telnyx.estimate
---@field n integer messages
---@field parts integer of all SMS
---@field encodings table<string, integer> messages by encoding; "MMS": has none
---@field kinds table<string, integer> messages by kind of sender
---@field dearest telnyx.dear_text[] by parts, each text once
---@field n_recipients integer
---@field n_repeated integer recipients that get more than one
---@field most { to: string, n: integer, line: integer }|nil who gets most; the last one's line
local Estimate = {}
Estimate.__index = Estimate

---@return telnyx.estimate
function estimate.new()
  return setmetatable({ n = 0, parts = 0, encodings = {}, kinds = {}, dearest = {},
    n_recipients = 0, n_repeated = 0, most = nil }, Estimate)
end

local function add_one(counts, name) counts[name] = (counts[name] or 0) + 1 end

-- Of as many parts one in UCS-2 is the dearer: it has less room, and perhaps no need to be.
local function price_of(segments)
  return segments.parts + (segments.encoding == "UCS-2" and 0.5 or 0)
end

-- Of those that cost the same, the first stays; so what is counted was counted from the start.
local function note_text(dearest, recipient, segments)
  local text, price = recipient.message.text, price_of(segments)
  for _, one in ipairs(dearest) do
    if one.text == text and one.encoding == recipient.message.encoding then
      one.n = one.n + 1
      return
    end
  end
  local place = #dearest + 1
  while place > 1 and dearest[place - 1].price < price do place = place - 1 end
  if place > N_DEAREST then return end
  table.insert(dearest, place, { text = text, line = recipient.line, n = 1,
    parts = segments.parts, price = price, encoding = recipient.message.encoding,
    from = recipient.message.from,
    replaced = segments.replaced })
  dearest[N_DEAREST + 1] = nil
end

local function note_recipient(self, recipient)
  local nth = recipient.nth
  if nth == 1 then self.n_recipients = self.n_recipients + 1 end
  if nth == 2 then self.n_repeated = self.n_repeated + 1 end
  if nth > (self.most and self.most.n or 1) then
    self.most = { to = recipient.message.to, n = nth, line = recipient.line }
  end
end

---@param recipient telnyx.recipient
function Estimate:add(recipient)
  local segments = recipient.segments
  self.n = self.n + 1
  add_one(self.encodings, segments and segments.encoding or "MMS")
  add_one(self.kinds, pace.kind_of(recipient.message.from))
  note_recipient(self, recipient)
  if not segments then return end
  self.parts = self.parts + segments.parts
  note_text(self.dearest, recipient, segments)
end

---Looks closer at what is dear.
function Estimate:finish()
  for _, one in ipairs(self.dearest) do
    one.segments = core.segments(one.text, { detail = true, encoding = one.encoding,
      smart = one.replaced ~= nil, from = one.from })
  end
end

return estimate
