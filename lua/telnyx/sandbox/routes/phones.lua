--- The phones, the one that was in touch last first.

local clock = require("telnyx.sandbox.clock")
local json = require("telnyx.sandbox.json")
local query = require("telnyx.sandbox.query")
local reply = require("telnyx.sandbox.reply")
local summary = require("telnyx.sandbox.phones.summary")

local MOST, USUAL = 500, 50

local rules = {
  limit = { query.is_whole(1, MOST), "whole" },
  before = { query.is_whole(0, 2 ^ 53), "whole" },
  search = { function(value) return type(value) == "string", "a text" end },
}

local function phone_object(service, phone, now)
  local last = phone.messages:newest()
  return json.object {
    { "phone_number", phone.number },
    { "n_received", phone.n_received },
    { "n_sent", phone.n_sent },
    { "n_kept", phone.messages:size() },
    { "is_blocked", service.optouts:blocks(last.profile, phone.number) },
    { "last", json.object(summary.members(last, now)) },
  }
end

-- As people write numbers: with blanks, hyphens and brackets.
local function digits_of(text)
  local digits = text:gsub("[%s().-]", "")
  return digits
end

-- Phones that got one message together are not parted by the end of a page: a cursor has but the
-- number of that message.
local function page_of(phones, values)
  local wanted, limit = digits_of(values.search or ""), values.limit or USUAL
  local before, list, total = values.before or math.huge, {}, 0
  local more, last_seq = false, nil
  for phone in phones:newest() do
    local seq = phone.messages:newest().seq
    if phone.number:find(wanted, 1, true) then
      total = total + 1
      local is_on_page = seq < before and (#list < limit or seq == last_seq)
      if is_on_page then
        list[#list + 1], last_seq = phone, seq
      elseif seq < before then
        more = true
      end
    end
  end
  return list, total, more
end

local function list(service, request)
  local values, problems = query.strict(request.path, rules)
  if not values then return reply.refuse(problems) end
  local index, now = service.store.index, service.now()
  local phones, total, more = page_of(index.phones, values)
  for i, phone in ipairs(phones) do phones[i] = phone_object(service, phone, now) end
  return reply.json(json.object {
    { "data", json.array(phones) }, { "total", total }, { "more", more },
    { "n_received", index.n_received }, { "epoch", service.epoch }, { "cursor", index.last },
    { "now", clock.iso8601(now) }, { "forgotten", index.forgotten },
  })
end

return {
  { path = "^/sandbox/phones$", methods = { GET = list } },
}
