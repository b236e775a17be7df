--- A message ends as somebody wishes it to, now: what was to come does not come, and an end that it
-- had already is contradicted.

local errors = require("telnyx.sandbox.errors")
local message = require("telnyx.sandbox.message")
local news = require("telnyx.sandbox.phones.news")

-- How a message can end, and why where nobody says.
local ENDS = {
  delivered = {}, delivery_unconfirmed = {},
  delivery_failed = { code = "40008" }, sending_failed = { code = "40006" },
  expired = { code = "40014" },
}

local STATUSES = "delivered, delivery_failed, delivery_unconfirmed, expired or sending_failed"

-- Who ends a message again and again does not fill the memory.
local MOST_ENDS = 50

local FIELDS = { code = true, id = true, status = true, to = true }

local function unknown_field(given)
  local names = {}
  for name in pairs(given) do
    if not FIELDS[name] then names[#names + 1] = tostring(name) end
  end
  table.sort(names)
  return names[1]
end

local function bad(name, words)
  return { code = "10015", pointer = "/" .. name, detail = ("'%s' %s."):format(name, words) }
end

-- What is wrong with a wish, as far as it is alone.
local function fault(given)
  local unknown = unknown_field(given)
  if unknown then return bad(unknown, "is not known; known are code, id, status and to") end
  if type(given.id) ~= "string" then return bad("id", "must be the id of a message") end
  local ending = ENDS[given.status]
  if not ending then return bad("status", "must be " .. STATUSES) end
  if given.code == nil then return nil end
  if not errors.catalogue[given.code] then return bad("code", "must be a code of the service") end
  if not ending.code then return bad("code", "must not be there where nothing went wrong") end
end

-- What stands against it in the message itself.
local function objection(record, now)
  if record.is_inbound then return "was received: only a message that was sent can end so" end
  local status = message.progress(record, now).status
  if status == "scheduled" then return "is scheduled, and not under way yet" end
  if status == "cancelled" then return "was cancelled" end
end

local function addressees(record, number)
  local list = {}
  for _, to in ipairs(record.to) do
    if number == nil or to.number == number then list[#list + 1] = to end
  end
  return list
end

local function has_room(list)
  for _, to in ipairs(list) do
    if to.outcomes and #to.outcomes >= MOST_ENDS then return false end
  end
  return true
end

local function note(service, record, given, now)
  for _, to in ipairs(addressees(record, given.to)) do
    to.outcomes = to.outcomes or {}
    table.insert(to.outcomes, { at = now, status = given.status,
      code = given.code or ENDS[given.status].code })
  end
  if record.is_parent then return end
  service.deliveries:replan(record)
  news.change(service, record)
end

---@param service table
---@param given { id: string, status: string, code: string|nil, to: string|nil }
---@return table|nil record
---@return table[]|nil problems for reply.refuse
return function(service, given)
  local problem = fault(given)
  if problem then return nil, { problem } end
  local record, now = service.store:message(given.id), service.now()
  if not record then return nil, { { code = "10005" } } end
  local why = objection(record, now)
  if why then return nil, { { code = "10015", detail = ("The message %s."):format(why) } } end
  local list = addressees(record, given.to)
  if not list[1] then return nil, { bad("to", "must be an addressee of the message") } end
  if not has_room(list) then
    return nil, { { code = "10015", detail = "The message has had too many ends." } }
  end
  service:settle()
  note(service, record, given, now)
  for _, child in ipairs(record.children or {}) do note(service, child, given, now) end
  return record
end
