--- What phones got, for a test in this process: looked at, waited for on virtual time, answered. A
-- message is looked for by what it is, to whom, with which text, under which key, and not by how
-- many came before it.

local core = require("telnyx.core")
local filters = require("telnyx.sandbox.phones.filters")
local json = require("telnyx.sandbox.json")
local nearest = require("telnyx.sandbox.phones.nearest")
local options = require("telnyx.sandbox.options")
local summary = require("telnyx.sandbox.phones.summary")

local inbox = {}

---@param phone any
---@return boolean
function inbox.is_phone(phone) return (filters.rules.phone[1](phone)) end

---@class telnyx.sandbox.inbox
---@field sender table
---@field phone string|nil
---@field seen table<string, boolean> by id and status asked for: those that `wait` has handed out
---@field last table|nil the one that was handed out last
local Inbox = {}
Inbox.__index = Inbox

---@class telnyx.sandbox.wanted what a message has to be; all of it
---@field to string|nil
---@field from string|nil
---@field phone string|nil on either side
---@field direction "outbound"|"inbound"|nil to a phone, which is the default, or from one
---@field match string|(fun(message: table): boolean)|nil what the text contains, to the letter; or
-- a function that is shown each message
---@field text string|nil all of the text
---@field search string|nil in text, numbers, id or key, whatever the case
---@field key string|nil what it was sent under
---@field ref string|nil the ledger's reference
---@field status string|nil of the first addressee, as it is now
---@field since integer|string|nil a `seq`, behind which to look; or a time from which on

---@class telnyx.sandbox.waited: telnyx.sandbox.wanted
---@field seconds number|nil of virtual time; default 30
---@field meanwhile fun()|nil is called before each look: what a host's loop does, such as
-- `client:step(0)`

-- What is looked for besides: how long, and what is done meanwhile.
local OF_WAIT = {
  seconds = { function(value)
    return type(value) == "number" and value >= 0 and value < math.huge, "a number of seconds"
  end },
  meanwhile = { function(value) return type(value) == "function", "a function" end },
}

-- How they are paged is a matter of pages.
local OF_PAGES = { limit = true, order = true, before = true }

local function known_names(extra)
  local names = {}
  for _, name in ipairs(filters.names()) do
    if not OF_PAGES[name] then names[#names + 1] = name end
  end
  for name in pairs(extra) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function unknown(name, names)
  local meant = type(name) == "string" and core.nearest(name, names)
  return ("unknown filter %s; known: %s%s"):format(options.shown(name), table.concat(names, ", "),
    meant and "; did you mean " .. meant .. "?" or "")
end

local function is_function_to_match(name, value)
  return name == "match" and type(value) == "function"
end

local function fault_of(name, value, extra)
  local rule = extra[name] or (not OF_PAGES[name] and filters.rules[name])
  if not rule then return unknown(name, known_names(extra)) end
  if is_function_to_match(name, value) then return nil end
  local ok, expected = rule[1](value)
  if ok then return nil end
  if name == "match" then expected = "a text or a function" end
  return ("'%s' must be %s, got %s"):format(name, expected, options.shown(value))
end

-- What is wrong with what is wanted, in words.
local function fault(self, given, extra)
  if getmetatable(self) ~= Inbox then return "is called with a colon, as inbox:wait{…}" end
  if given ~= nil and type(given) ~= "table" then
    return "expects a table, got " .. options.shown(given)
  end
  for name, value in pairs(given or {}) do
    local words = fault_of(name, value, extra)
    if words then return words end
  end
  if self.phone and given and given.phone and given.phone ~= self.phone then
    return ("this inbox is that of %s, not of %s"):format(self.phone, given.phone)
  end
end

-- The filters alone, and what is not one of the service's.
local function wanted_of(self, given)
  local wanted, judge = { direction = "outbound", phone = self.phone, limit = 1000 }, nil
  for name, value in pairs(given or {}) do
    if is_function_to_match(name, value) then
      judge = value
    elseif not OF_WAIT[name] then
      wanted[name] = value
    end
  end
  return wanted, judge
end

local function shown(self, record) return json.plain(self.sender.service:summary(record)) end

-- Shows each record that the filters let through to `visit`, a page after the other, the oldest
-- first, until it returns something.
local function each(self, wanted, visit)
  local page, is_more = {}, true
  for name, value in pairs(wanted) do page[name] = value end
  while is_more do
    local records, found = self.sender.service:find(page)
    for _, record in ipairs(records) do
      local result = visit(record)
      if result then return result end
    end
    page.since, is_more = found.cursor, found.more
  end
end

-- Of what was pushed out by newer messages nobody knows whether it was such a one. Blames the
-- caller of the method.
local function expect_whole(self, wanted, words)
  local service = self.sender.service
  local _, found = service:find(wanted)
  if not found.may_lack then return end
  error(("%s, but %d older messages are forgotten, and may have been such (option keep)"):format(
    words, service.store.index.forgotten), 3)
end

local function all_that_match(self, wanted, judge)
  local list = {}
  each(self, wanted, function(record)
    local message = shown(self, record)
    if not judge or judge(message) then list[#list + 1] = message end
  end)
  return list
end

---The messages that match, the oldest first.
---@param given telnyx.sandbox.wanted|nil
---@return table[]
function Inbox:messages(given)
  local words = fault(self, given, {})
  if words then error("inbox:messages: " .. words, 2) end
  return all_that_match(self, wanted_of(self, given))
end

-- A message may be waited for again, until it is delivered.
local function name_of(id, wanted) return id .. (wanted.status or "") end

-- A message as it is now. It is looked at again and again, and made anew when it may have changed:
-- by something that happened, or because its time has come.
local function view_of(self, record, views)
  local service = self.sender.service
  local view, now, position = views[record.id], service.now(), service.feed.position
  if not view or view.position ~= position or now < view.from or now >= view.till then
    view = { message = shown(self, record), position = position, from = now,
      till = summary.holds_until(record, now) }
    views[record.id] = view
  end
  return view.message
end

-- The first that was not handed out.
local function take_next(self, wanted, judge, views)
  return each(self, wanted, function(record)
    local name = name_of(record.id, wanted)
    if self.seen[name] then return nil end
    local message = judge and view_of(self, record, views) or shown(self, record)
    if judge and not judge(message) then return nil end
    self.seen[name], self.last = true, message
    return message
  end)
end

---Was a message handed out to who wanted this?
---@param id string
---@param wanted telnyx.sandbox.wanted
---@return boolean
function Inbox:has_handed_out(id, wanted) return self.seen[name_of(id, wanted)] == true end

-- Between two looks, so much of virtual time.
local STEP_S = 0.1

---Lets virtual time pass until a message is there that matches and that this inbox has not handed
-- out before (or not since a `status` was asked for): the oldest of them. What a receiver of
-- webhooks raises meanwhile is raised.
---@param given telnyx.sandbox.waited|nil
---@return table|nil message as GET /sandbox/messages shows it, nulls absent
---@return string|nil why there is none: what came instead
function Inbox:wait(given)
  local words = fault(self, given, OF_WAIT)
  if words then error("inbox:wait: " .. words, 2) end
  local wanted, judge = wanted_of(self, given)
  local seconds, meanwhile = given and given.seconds or 30, given and given.meanwhile
  local sender, views = self.sender, {}
  local deadline = sender:monotonic() + seconds
  while true do
    if meanwhile then meanwhile() end
    local message = take_next(self, wanted, judge, views)
    if message then return message end
    local left = deadline - sender:monotonic()
    if left <= 0 then break end
    sender:advance(math.min(STEP_S, left))
  end
  return nil, ("no message %s came within %.14g s%s"):format(nearest.wish(wanted, judge), seconds,
    nearest.others(self, wanted))
end

---The one message that matches: none, or another beside it, is an error. Time does not pass.
---@param given telnyx.sandbox.wanted|nil
---@return table message
function Inbox:one(given)
  local words = fault(self, given, {})
  if words then error("inbox:one: " .. words, 2) end
  local wanted, judge = wanted_of(self, given)
  local list = all_that_match(self, wanted, judge)
  local wish = nearest.wish(wanted, judge)
  if #list == 1 then
    expect_whole(self, wanted, ("there is one message %s"):format(wish))
    return list[1]
  end
  if not list[1] then
    error(("expected one message %s, and there is none%s"):format(wish,
      nearest.others(self, wanted)), 2)
  end
  error(("expected one message %s, and there are %d:%s"):format(wish, #list,
    nearest.list(list)), 2)
end

---That no message matches; one is an error. Time does not pass.
---@param given telnyx.sandbox.wanted|nil
function Inbox:none(given)
  local words = fault(self, given, {})
  if words then error("inbox:none: " .. words, 2) end
  local wanted, judge = wanted_of(self, given)
  local list = all_that_match(self, wanted, judge)
  if not list[1] then
    expect_whole(self, wanted, ("there is no message %s"):format(nearest.wish(wanted, judge)))
    return
  end
  error(("expected no message %s, and there %s:%s"):format(nearest.wish(wanted, judge),
    #list == 1 and "is one" or ("are %d"):format(#list), nearest.list(list)), 2)
end

-- Who answers: this inbox's phone, or the one that got the message that was handed out last.
local function phone_of(self, given)
  return self.phone or given.from or self.last and self.last.phones[1]
end

-- The number that wrote to a phone last.
local function who_wrote(self, phone)
  local records = self.sender.service:find { phone = phone, direction = "outbound",
    order = "newest", limit = 1 }
  return records[1] and json.plain(self.sender.service:summary(records[1])).from
end

---A phone writes back, to the number that wrote to it last. The webhook of it comes when time
-- passes.
---@param given string|table the text; or `text`, `media_urls`, `from` and `to`, by name
---@return { id: string, autoresponse_type: string|nil, auto_reply: string|nil }
function Inbox:reply(given)
  if type(given) == "string" then given = { text = given } end
  if type(given) ~= "table" then
    error("inbox:reply: expects a text or a table, got " .. options.shown(given), 2)
  end
  if self.phone and given.from and given.from ~= self.phone then
    error(("inbox:reply: this inbox is that of %s"):format(self.phone), 2)
  end
  local phone = phone_of(self, given)
  if not phone then error("inbox:reply: needs 'from': no message was handed out yet", 2) end
  if not inbox.is_phone(phone) then
    error("inbox:reply: 'from' must be a phone number, got " .. options.shown(phone), 2)
  end
  local wish = { from = phone, to = given.to or who_wrote(self, phone) }
  for name, value in pairs(given) do wish[name] = value end
  if not wish.to then error(("inbox:reply: needs 'to': nobody wrote to %s"):format(phone), 2) end
  local result = self.sender.service:reply(wish, 2) -- a tail call would hide a level
  return result
end

---A message ends so, now; its webhook comes when time passes. The same as the sender's.
---@param message string|table its id, or a table that has it
---@param status "delivered"|"delivery_failed"|"sending_failed"|"expired"|"delivery_unconfirmed"
---@param code string|nil the service's, of why; there is a usual one
---@param to string|nil which addressee of a group; nil: each
---@return table message as it is now
function Inbox:outcome(message, status, code, to)
  local id = type(message) == "table" and message.id or message
  local record, why = self.sender.service:outcome { id = id, status = status, code = code, to = to }
  if not record then error("inbox:outcome: " .. why, 2) end
  return shown(self, record)
end

---Forgets all messages, of other inboxes of this sender too, and what was to be told of them.
function Inbox:clear()
  self.sender.service:reset_ledger()
  self.seen, self.last = {}, nil
end

---@param sender table
---@param phone string|nil nil: what all phones got
---@return telnyx.sandbox.inbox
function inbox.new(sender, phone)
  return setmetatable({ sender = sender, phone = phone, seen = {} }, Inbox)
end

return inbox
