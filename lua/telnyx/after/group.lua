--- Group messages: one MMS to up to eight people, who see each other's answers. The service takes
--- them at a resource of their own, from numbers of the US and Canada to such numbers.

local core = require("telnyx.core")
local errors = require("telnyx.errors")
local json = require("cjson.safe").new()
local rules = require("telnyx.rules")
local status = require("telnyx.after.status")
local tables = require("telnyx.tables")

local group = {}

local MOST_RECIPIENTS = 8
local RESOURCE = "/messages/group_mms"

-- In the order in which they are written: equal messages have equal bytes.
local FIELDS = { "from", "to", "subject", "text", "media_urls", "webhook_url",
  "webhook_failover_url", "use_profile_webhooks" }

local IS_FIELD = {}
for _, name in ipairs(FIELDS) do IS_FIELD[name] = true end

local function refused(detail, pointer)
  return { rules.violation("group_to", detail, pointer) }
end

-- Of the country code, and ten digits.
local function is_american(number)
  return type(number) == "string" and number:find("^%+1%d%d%d%d%d%d%d%d%d%d$") ~= nil
end

local function fault_of_list(to)
  if type(to) ~= "table" then return refused("'to' must be a list of numbers", "/to") end
  local n = 0
  for _ in pairs(to) do n = n + 1 end
  if n < 1 or n > MOST_RECIPIENTS or n ~= #to then
    return refused(("'to' must be a list of 1 to %d numbers, got %d"):format(MOST_RECIPIENTS, n),
      "/to")
  end
end

local function faults_of_recipients(to)
  local faults, places = {}, {}
  for i, number in ipairs(to) do
    local pointer, fault = ("/to/%d"):format(i - 1), nil
    if not is_american(number) then
      fault = "a group's recipients are +1 and 10 digits"
    elseif places[number] then
      fault = ("it is the same number as /to/%d"):format(places[number] - 1)
    end
    if fault then faults[#faults + 1] = rules.violation("group_to", fault, pointer) end
    places[number or i] = i
  end
  return faults
end

local function faults_of_fields(message)
  local faults = {}
  for name in pairs(message) do
    if not IS_FIELD[name] then
      faults[#faults + 1] = { rule = "unknown_field", code = "unknown_field",
        detail = ("a group message has no field '%s'"):format(tostring(name)),
        pointer = "/" .. tostring(name), advice = rules.advice("unknown_field") }
    end
  end
  table.sort(faults, function(a, b) return a.pointer < b.pointer end)
  return faults
end

-- Of these the rules of a group are others.
local IS_JUDGED_HERE = { ["/to"] = true, ["/from"] = true, ["/messaging_profile_id"] = true }

local function faults_of_core(told)
  local faults = {}
  for _, entry in ipairs(told.errors) do
    local pointer = entry.source and entry.source.pointer
    if not IS_JUDGED_HERE[pointer] then
      faults[#faults + 1] = { rule = entry.rule, code = entry.code, detail = entry.detail,
        pointer = pointer, advice = entry.advice }
    end
  end
  return faults
end

local function fault_of_sender(from)
  if is_american(from) then return {} end
  return refused("a group's sender is a number of the US or Canada: +1 and 10 digits", "/from")
end

local function add_all(list, more)
  for _, entry in ipairs(more) do list[#list + 1] = entry end
end

-- What is wrong with it as a message to one of them, as the core has it.
local function judged_as_one(message, call)
  local one = tables.copy(message)
  one.to = message.to[1]
  for name in pairs(message) do
    if not IS_FIELD[name] then one[name] = nil end
  end
  return core.validate(one, nil, call.accept or nil, call.strict)
end

local function encoded(message)
  local members = {}
  for _, name in ipairs(FIELDS) do
    local value = message[name]
    local is_none = value == nil or value == "" and name:find("^webhook_") ~= nil
    if not is_none then members[#members + 1] = ('"%s":%s'):format(name, json.encode(value)) end
  end
  return "{" .. table.concat(members, ",") .. "}"
end

---Judges a group message.
---@param message table flat
---@param call table options of the call
---@return string|nil body
---@return table|nil warnings_or_err
function group.body(message, call)
  local faults = fault_of_list(message.to)
  if faults then return nil, errors.invalid(faults) end
  faults = faults_of_fields(message)
  add_all(faults, fault_of_sender(message.from))
  add_all(faults, faults_of_recipients(message.to))
  local ok, told = judged_as_one(message, call)
  if not ok then add_all(faults, faults_of_core(told)) end
  if faults[1] then return nil, errors.invalid(faults) end
  return encoded(message), ok and told or nil
end

local function failed(outcome, info, cause)
  return nil, { outcome = outcome, kind = "protocol", retryable = false, status = info.status,
    cause = cause }
end

-- Whether a message is to others alone. What the service does not say is no evidence.
local function is_anothers(message, to)
  local is_own, is_told = {}, false
  for _, number in ipairs(to) do is_own[number] = true end
  for _, one in ipairs(status.addressees(message.to)) do
    if is_own[one.phone_number or ""] then return false end
    is_told = is_told or is_american(one.phone_number)
  end
  return is_told
end

local function read(document, info, to)
  local message = type(document.data) == "table" and document.data
  if not message or type(message.id) ~= "string" or message.id == "" then
    return failed("accepted", info, "the answer is not the service's message")
  end
  if is_anothers(message, to) then
    return failed("unknown", info, "the answer is about a message to another recipient")
  end
  return message, info
end

---@param message table
---@return telnyx.inquiry without its body
function group.inquiry(message)
  local to = tables.copy(message.to)
  return {
    -- Any of them stands for all: the service names each.
    request = { method = "POST", resource = RESOURCE, names = to[1] },
    read = function(document, info) return read(document, info, to) end,
  }
end

return group
