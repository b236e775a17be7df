--- What becomes of a webhook: it is verified, its key is settled, an opt-out noted, and the event
--- kept; it is answered only then, and the program told. Where a process dies in between, what was
--- kept and not told yet is found again.

local core = require("telnyx.core")
local event = require("telnyx.after.event")
local interrupt = require("telnyx.interrupt")
local once = require("telnyx.send.once")
local reduce = require("telnyx.after.reduce")
local verify = require("telnyx.after.verify")

---@class telnyx.receiver
---@field private journal telnyx.journal
---@field private public_key string|nil
---@field private verifying telnyx.verify_options
---@field private on_event function|false
---@field private keeps_no_bodies boolean|nil the journal; nil: not known yet
local Receiver = {}
Receiver.__index = Receiver
Receiver.__name = "telnyx.receiver"

-- Receiving -----------------------------------------------------------------------------------

-- What a request is answered that is no webhook. Where the fault is ours, the service sends it
-- again.
local STATUS_OF_FAULT = { bad_header = 400, bad_body = 400, stale = 403, mismatch = 403,
  bad_key = 500, no_crypto = 500 }

local OK, UNAVAILABLE = 200, 503

-- No journal keeps what was before 1970.
local function time_of(told) return told.at and told.at >= 0 and told.at or nil end

local function table_of(value) return type(value) == "table" and value or {} end

local function text_of(value) return type(value) == "string" and value ~= "" and value or nil end

-- The number of an address, or of the first of a list of them.
local function number_of(address)
  local own = table_of(address)
  return text_of(own.phone_number) or text_of(table_of(own[1]).phone_number) or text_of(address)
end

local function failure(what, why) return ("%s: %s"):format(what, tostring(why)) end

-- A key that this journal does not know is another's, and so is what was posted by a claim that it
-- does not know; what is known already stays. Returns why it failed.
local function settle(self, told)
  if told.direction ~= "outbound" or not told.key or not told.message_id then return nil end
  local message = table_of(told.message)
  if type(message.id) ~= "string" then message = { id = told.message_id } end
  local _, why, is_failure = once.resolve(self.journal, told.key, message, "webhook", told.claim)
  return is_failure and failure("its key could not be settled", why) or nil
end

-- It is for people: what no journal has must not keep a wish from being kept.
local function keyword_of(message)
  local text = text_of(message.text)
  return text and (text:gsub("%z", " "))
end

-- Returns why it failed.
local function heed_optout(self, told)
  local wish, message = told.optout, table_of(told.message)
  local number = number_of(message.from)
  if not number or wish ~= "stop" and wish ~= "start" then return nil end
  local profile, own = text_of(message.messaging_profile_id), number_of(message.to)
  if not profile and not own then return nil end
  local is_done, why = self.journal:set_optout { number = number, profile = profile, own = own,
    is_out = wish == "stop", keyword = keyword_of(message), at = time_of(told) or core.now(),
    now = core.now() }
  return is_done == nil and failure("an opt-out could not be kept", why) or nil
end

---Verifies a request and keeps its event. Answer it with the status, and no body; the event, where
---there is one, is then to be handled.
---@param body string as it came
---@param headers table|fun(name: string): any as of `telnyx.webhook.verify`
---@return integer status 200; or why it is none: 400, 403, 500, or 503 where it cannot be kept
---@return telnyx.event|nil event nil: there is nothing to do, since it came before or is none
---@return string|nil why there is no event, in words
function Receiver:receive(body, headers)
  if type(body) ~= "string" then
    error("receive expects the body as a string, got a " .. type(body), 2)
  end
  self.verifying.now = self.clock and self.clock()
  local told, why, kind = verify.verify(body, headers, self.public_key, self.verifying)
  if not told then return STATUS_OF_FAULT[kind], nil, why end
  why = settle(self, told) or time_of(told) and heed_optout(self, told)
  if why then return UNAVAILABLE, nil, why end
  if not told.id then return OK, told end -- nothing tells it from another
  local is_new
  is_new, why = self.journal:add_event { id = told.id, message_id = told.message_id,
    key = told.key, at = time_of(told), body = body, now = core.now() }
  if is_new == nil then return UNAVAILABLE, nil, "it cannot be kept: " .. tostring(why) end
  if not is_new then return OK, nil, "it came before" end
  return OK, told
end

-- Handling --------------------------------------------------------------------------------------

-- So many events of one message are looked at.
local MOST_EVENTS = 1000

-- A journal that keeps no bodies has nothing to tell, and might look for it long: it is asked once.
local function state_before(self, told)
  if self.keeps_no_bodies then return nil end
  local rows, why = self.journal:events { message_id = told.message_id, limit = MOST_EVENTS }
  if not rows then error(failure("its message's events cannot be read", why), 0) end
  local state
  for _, row in ipairs(rows) do
    if row.id == told.id and next(told.raw) then self.keeps_no_bodies = not row.body end
    local other = row.id ~= told.id and row.body and event.parse(row.body)
    if other and other.message_id == told.message_id then state = reduce.reduce(state, other) end
  end
  return state
end

-- What is known of its message by all that is kept, and what this event has changed in that.
local function state_of(self, told)
  local before = told.message_id and told.id and state_before(self, told) or nil
  return reduce.reduce(before, told)
end

---Tells the program of an event. Raises what that raises, and where the journal fails: then it is
---not handled, and `recover` finds it again.
---@param told telnyx.event as `receive` returned it
function Receiver:handle(told)
  if type(told) ~= "table" or type(told.kind) ~= "string" then
    error("handle expects an event that receive returned, got a " .. type(told), 2)
  end
  -- A copy of a wish without a time would be of a later one: only what is new is heeded.
  local why_not = not time_of(told) and heed_optout(self, told)
  if why_not then error(why_not, 0) end
  if self.on_event then self.on_event(told, state_of(self, told)) end
  if not told.id then return end
  local is_done, why = self.journal:handled_event { id = told.id, now = core.now() }
  if is_done == nil then
    error(failure("it cannot be written down that it was handled", why), 0)
  end
end

-- Of a journal that keeps no bodies there is no more than this.
local function event_of(row)
  local told = row.body and event.parse(row.body)
  return told or { kind = "other", id = row.id, message_id = row.message_id, key = row.key,
    at = row.at, raw = {} }
end

-- Who handles one may take his time.
local OLDER_THAN_S = 60

-- So many are read at once.
local PAGE = 100

-- Handles those of a page; how many could be, and why others could not.
local function handle_rows(self, rows, faults)
  local n = 0
  for _, row in ipairs(rows) do
    local ok, fault = pcall(self.handle, self, event_of(row))
    if ok then
      n = n + 1
    else
      interrupt.pass_on(fault)
      faults[#faults + 1] = tostring(fault)
    end
  end
  return n
end

---Handles what was kept and not handled, since a process died or raised: at a start, and now and
---then. Two that do so at once may both tell of an event.
---@param options { older_than: number|nil, limit: integer|nil }|nil seconds since it came, default
---60; at most so many, default all
---@return integer|nil n_handled
---@return string|nil why
---@return string[]|nil faults of those that could not be handled
function Receiver:recover(options)
  if options ~= nil and type(options) ~= "table" then
    error("recover expects options in a table, got a " .. type(options), 2)
  end
  local given, n, faults, last = options or {}, 0, {}, nil
  local left = given.limit or math.huge
  while left > 0 do
    local limit = math.min(left, PAGE)
    local rows, why = self.journal:unhandled_events { limit = limit, after = last,
      older_than = given.older_than or OLDER_THAN_S }
    if not rows then return nil, why, faults[1] and faults end
    n, left, last = n + handle_rows(self, rows, faults), left - #rows, rows[#rows]
    if #rows < limit then break end
  end
  return n, nil, faults[1] and faults or nil
end

-- Making one ------------------------------------------------------------------------------------

local receiver = {}

local EXPECTED = { journal = "a journal of telnyx.journal", public_key = "a string",
  tolerance = "a number of seconds from 0 up", on_event = "a function",
  now = "a function that returns seconds since 1970" }

local NEEDED = { "add_event", "handled_event", "unhandled_events", "events", "set_optout" }

local function is_callable(value)
  local meta = type(value) == "table" and getmetatable(value)
  return type(value) == "function" or type(meta) == "table" and meta.__call ~= nil
end

local CHECKS = {
  journal = function(value)
    if type(value) ~= "table" and type(value) ~= "userdata" then return false end
    for _, method in ipairs(NEEDED) do
      if not is_callable(value[method]) then return false end
    end
    return true
  end,
  public_key = function(value) return type(value) == "string" end,
  tolerance = function(value) return type(value) == "number" and value >= 0 end,
  on_event = is_callable,
  now = is_callable,
}

local function hint(name, more)
  local names = {}
  for _, set in ipairs { CHECKS, more } do
    for known in pairs(set) do names[#names + 1] = known end
  end
  table.sort(names)
  local near = type(name) == "string" and core.nearest(name, names)
  return near and ("; did you mean '%s'?"):format(near) or "; known: " .. table.concat(names, ", ")
end

---The checked options, `more` of them besides.
---@param given table
---@param more table<string, any> names that others look at
---@param level integer
local function check(given, more, level)
  if type(given) ~= "table" then
    error("webhook: expects options in a table, got a " .. type(given), level + 1)
  end
  for name, value in pairs(given) do
    if not CHECKS[name] and not more[name] then
      error(("webhook: there is no option '%s'%s"):format(tostring(name), hint(name, more)),
        level + 1)
    end
    if CHECKS[name] and not CHECKS[name](value) then
      error(("webhook: option '%s' must be %s"):format(name, EXPECTED[name]), level + 1)
    end
  end
  if not given.journal then error("webhook: option 'journal' is missing", level + 1) end
end

---@class telnyx.receiver_options
---@field journal telnyx.journal the one that messages are sent with
---@field public_key string|nil default: TELNYX_PUBLIC_KEY
---@field tolerance number|nil seconds; default 300
---@field now (fun(): number)|nil another clock, in seconds since 1970: a sandbox's, for tests
---@field on_event (fun(event: telnyx.event, state: telnyx.webhook_state, change:
---telnyx.webhook_change))|nil

---@param given telnyx.receiver_options
---@param more table<string, any>|nil
---@param level integer|nil whose fault misuse is: 1 the caller's
---@return telnyx.receiver
function receiver.new(given, more, level)
  check(given, more or {}, (level or 1) + 1)
  return setmetatable({ journal = given.journal, public_key = given.public_key,
    verifying = { tolerance = given.tolerance }, on_event = given.on_event or false,
    clock = given.now }, Receiver)
end

return receiver
