--- What messages can be looked for by: the names, what each may be, and the test that it stands
-- for. One reader for what comes in a query and for what comes from Lua.

local clock = require("telnyx.sandbox.clock")
local Index = require("telnyx.sandbox.phones.index")
local query = require("telnyx.sandbox.query")
local summary = require("telnyx.sandbox.phones.summary")

local filters = {}

local MOST, USUAL = 1000, 100

local is = {}

function is.text(value) return type(value) == "string", "a text" end

-- A name that was not filled in would find nothing, and a test that nothing was sent would pass.
function is.name(value) return is.text(value) and value ~= "", "a text that is not empty" end

-- A number without its plus would be that of nobody.
local LONGEST_SHORT_CODE = 8

function is.number(value)
  local plus = type(value) == "string" and value:match("^(%+?)%d+$")
  return plus == "+" or plus == "" and #value <= LONGEST_SHORT_CODE,
    "a phone number such as +13125550002, or a short code"
end

function is.sender(value)
  return type(value) == "string" and value:find("^%+?[%w ]+$") ~= nil,
    "a phone number or a sender's name"
end

is.cursor = query.is_whole(0, 2 ^ 53)

function is.since(value)
  if type(value) == "string" and query.instant(value) then return true end
  return (is.cursor(value)), "a cursor or a time such as 2026-01-31T12:00:00Z"
end

local function one_of(...)
  local known, expected = {}, table.concat({ ... }, " or ")
  for _, word in ipairs { ... } do known[word] = true end
  return function(value) return known[value] == true, expected end
end

-- Every name, with what it may be, and how a query writes it.
local KNOWN = {
  to = { is.number, "address" },
  from = { is.sender, "address" },
  phone = { is.number, "address" },
  direction = { one_of("outbound", "inbound") },
  match = { is.name },
  text = { is.text },
  search = { is.name },
  key = { is.name },
  ref = { is.name },
  status = { one_of("scheduled", "queued", "sending", "sent", "delivered", "delivery_failed",
    "delivery_unconfirmed", "sending_failed", "expired", "unknown", "cancelled", "received") },
  since = { is.since, "since" },
  before = { is.cursor, "whole" },
  order = { one_of("oldest", "newest") },
  limit = { query.is_whole(1, MOST), "whole" },
}

filters.rules = KNOWN

---What is wrong with filters; nil when nothing is.
---@param given table<string, any>
---@return string|nil name
---@return string|nil expected nil: the name is not known
function filters.fault(given)
  for name, value in pairs(given) do
    local rule = KNOWN[name]
    if not rule then return tostring(name), nil end
    local ok, expected = rule[1](value)
    if not ok then return name, expected end
  end
end

---The names, in order.
---@return string[]
function filters.names()
  local names = {}
  for name in pairs(KNOWN) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- Each makes a test of a filter's value.
local tests = {}

function tests.to(wanted)
  return function(record)
    if record.is_inbound then return record.recipient == wanted end
    for _, to in ipairs(record.to) do
      if to.number == wanted then return true end
    end
    return false
  end
end

function tests.from(wanted)
  return function(record) return summary.from(record) == wanted end
end

function tests.direction(wanted)
  local is_inbound = wanted == "inbound"
  return function(record) return (record.is_inbound or false) == is_inbound end
end

function tests.phone(wanted)
  return function(record)
    for _, number in ipairs(Index.phones_of(record)) do
      if number == wanted then return true end
    end
    return false
  end
end

function tests.key(wanted)
  return function(record) return record.key == wanted end
end

function tests.ref(wanted)
  return function(record) return record.reference == wanted end
end

function tests.text(wanted)
  return function(record) return summary.text(record) == wanted end
end

function tests.match(wanted)
  return function(record) return summary.text(record):find(wanted, 1, true) ~= nil end
end

function tests.search(wanted)
  local needle = wanted:lower()
  local function has(text) return text:lower():find(needle, 1, true) ~= nil end
  return function(record)
    if has(summary.text(record)) or has(summary.from(record)) or has(record.id) then return true end
    if record.key and has(record.key) then return true end
    for _, number in ipairs(summary.to(record)) do
      if has(number) then return true end
    end
    return false
  end
end

function tests.since(wanted)
  if type(wanted) == "number" then
    return function(record) return record.seq > wanted end
  end
  local bound = query.instant(wanted)
  return function(record) return clock.shown(record.received_at) >= bound end
end

function tests.status(wanted)
  return function(record, now) return summary.status(record, now) == wanted end
end

---The test that one filter stands for.
---@param name string
---@param value any what is right for it
---@return fun(record: table, now: number): boolean
function filters.test(name, value) return tests[name](value) end

-- The cheap ones first.
local IN_ORDER = { "direction", "from", "phone", "to", "key", "ref", "text", "match", "search" }

-- What a place in the order of messages answers.
local PLACED = {
  phone = function(index, wanted) return index:of_phone(wanted) end,
  key = function(index, wanted) return index:of_key(wanted) end,
  ref = function(index, wanted) return index:of_ref(wanted) end,
}

-- The messages among which those that are wanted must be: the shortest list there is.
local function narrowest(given, index)
  local best, by = index.all, nil
  for name, of in pairs(PLACED) do
    local list = given[name] and of(index, given[name])
    if list and (list:size() < best:size() or not by) then best, by = list, name end
  end
  if by then return best, by end
  for _, name in ipairs { "to", "from" } do
    local number = given[name]
    local phones, lines = number and index:of_phone(number), number and index:of_line(number)
    if number and phones:size() == 0 and lines:size() < best:size() then best = lines end
    if number and lines:size() == 0 and phones:size() < best:size() then best = phones end
  end
  return best, nil
end

---The tests that never change their mind about a message, and the list that is to be gone through.
---@param given table<string, any>
---@param index table
---@return table queue
---@return (fun(record: table): boolean)[]
function filters.plan(given, index)
  local queue, by = narrowest(given, index)
  local list = {}
  for _, name in ipairs(IN_ORDER) do
    if given[name] ~= nil and name ~= by then list[#list + 1] = tests[name](given[name]) end
  end
  if type(given.since) == "string" then list[#list + 1] = tests.since(given.since) end
  return queue, list
end

---The test of what moves on by itself; nil when that is not asked.
---@param given table<string, any>
---@return (fun(record: table, now: number): boolean)|nil
function filters.status_test(given)
  return given.status and tests.status(given.status)
end

---How many at most.
---@param given table<string, any>
---@return integer
function filters.limit(given)
  return given.limit or USUAL
end

return filters
