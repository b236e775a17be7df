--- What a test that does not find its message is told: what it wanted, and what there was instead,
-- the most alike first.

local filters = require("telnyx.sandbox.phones.filters")
local json = require("telnyx.sandbox.json")
local utf8 = require("telnyx.sandbox.utf8")

local nearest = {}

local WORDS = {
  to = "to %s", from = "from %s", phone = "to %s", key = "under the key %q",
  ref = "with the reference %q", text = "with the text %q", match = "with %q in its text",
  search = "with %q in it", status = "that is %s", since = "since %s",
}
local IN_ORDER = { "to", "from", "phone", "key", "ref", "text", "match", "search", "status",
  "since" }

---What was wanted, in words.
---@param wanted table
---@param judge function|nil
---@return string
function nearest.wish(wanted, judge)
  local words, is_from_phone = {}, wanted.direction == "inbound"
  for _, name in ipairs(IN_ORDER) do
    local value = wanted[name]
    local template = WORDS[name]
    if name == "phone" and is_from_phone then template = WORDS.from end
    if value ~= nil then words[#words + 1] = template:format(tostring(value)) end
  end
  if judge then words[#words + 1] = "that the function takes" end
  if not words[1] then words[1] = is_from_phone and "from a phone" or "to a phone" end
  return table.concat(words, " ")
end

local LONGEST, MOST = 60, 5

-- A text of many lines on one.
local function quoted(text)
  local line = text:gsub("%c", " ")
  if #line > LONGEST then line = utf8.cut(line, LONGEST) .. "…" end
  return '"' .. line .. '"'
end

local function line_of(message)
  return ("%s to %s, %s, %s%s"):format(message.from, table.concat(message.to, ", "), message.status,
    message.text ~= "" and quoted(message.text) or message.type,
    message.key and (", key %q"):format(message.key) or "")
end

---Messages, a line each.
---@param messages table[]
---@return string
function nearest.list(messages)
  local lines = {}
  for i = 1, math.min(#messages, MOST) do lines[i] = "\n  " .. line_of(messages[i]) end
  if #messages > MOST then
    lines[#lines + 1] = ("\n  and %d more"):format(#messages - MOST)
  end
  return table.concat(lines)
end

-- In which of what was wanted a record differs.
local function differences(record, wanted, now)
  local names = {}
  for _, name in ipairs(IN_ORDER) do
    local test = wanted[name] ~= nil and filters.test(name, wanted[name])
    if test and not test(record, now) then names[#names + 1] = name end
  end
  if filters.test("direction", wanted.direction)(record) == false then
    names[#names + 1] = "direction"
  end
  return names
end

-- Of so many, the newest.
local LOOKED_AT = 1000

local function alike(service, wanted)
  local rows, now = {}, service.now()
  for i, record in ipairs((service:find { order = "newest", limit = LOOKED_AT })) do
    rows[i] = { record = record, names = differences(record, wanted, now), order = i }
  end
  table.sort(rows, function(a, b)
    if #a.names ~= #b.names then return #a.names < #b.names end
    return a.order < b.order
  end)
  return rows
end

local function why_not(row, inbox, wanted)
  if row.names[1] then return "differs in its " .. table.concat(row.names, " and its ") end
  return inbox:has_handed_out(row.record.id, wanted) and "handed out before"
    or "the function did not take it"
end

-- Of what was refused no phone knows.
local function refused(service)
  local last = service.refusals:newest(1)[1]
  if not last then return "" end
  local refusal, n = json.plain(last), service.refusals.n
  return ("\n%s came to nothing, the last%s: %s"):format(n == 1 and "a post" or n .. " posts",
    refusal.to and " to " .. refusal.to or "", table.concat({ refusal.status or "no answer",
      refusal.code, refusal.detail }, " "))
end

---What there is instead.
---@param inbox table
---@param wanted table
---@return string
function nearest.others(inbox, wanted)
  local service, lines = inbox.sender.service, {}
  local rows = alike(service, wanted)
  if not rows[1] then return "; there is no message at all" .. refused(service) end
  for i = 1, math.min(#rows, MOST) do
    local message = json.plain(service:summary(rows[i].record))
    lines[i] = ("\n  %s: %s"):format(line_of(message), why_not(rows[i], inbox, wanted))
  end
  return "; there are others:" .. table.concat(lines) .. refused(service)
end

return nearest
