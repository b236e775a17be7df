--- The service: from a request to a response, over a store. No sockets, no
-- sleeping; whoever carries the response also carries out its fault, and
-- whoever has a way to the receivers of webhooks makes the attempts that are due.

local clock = require("telnyx.sandbox.clock")
local Deliveries = require("telnyx.sandbox.deliveries")
local errors = require("telnyx.sandbox.errors")
local Feed = require("telnyx.sandbox.phones.feed")
local filters = require("telnyx.sandbox.phones.filters")
local find = require("telnyx.sandbox.phones.find")
local inbound = require("telnyx.sandbox.inbound")
local json = require("telnyx.sandbox.json")
local knobs = require("telnyx.sandbox.knobs")
local news = require("telnyx.sandbox.phones.news")
local Limiter = require("telnyx.sandbox.limiter")
local options = require("telnyx.sandbox.options")
local Optouts = require("telnyx.sandbox.optouts")
local outcome = require("telnyx.sandbox.outcome")
local random_bytes = require("telnyx.sandbox.random")
local Refusals = require("telnyx.sandbox.refusals")
local receive = require("telnyx.sandbox.replies")
local reply = require("telnyx.sandbox.reply")
local Ring = require("telnyx.sandbox.ring")
local Store = require("telnyx.sandbox.store")
local summary = require("telnyx.sandbox.phones.summary")
local uuid = require("telnyx.sandbox.uuid")
local weather = require("telnyx.sandbox.weather")

local Service = {}
Service.__index = Service

local KEEP, KEEP_DELIVERIES, KEEP_MEDIA = 100000, 50000, 64

---@class telnyx.sandbox.request
---@field method string
---@field path string may carry a query
---@field headers table<string, string> by lower-case name
---@field body string|nil
---@field scheme string|nil default "http"
---@field key string|nil under which the message is sent, where a program says so in process

---@class telnyx.sandbox.response
---@field status integer|nil nil when the fault's bytes are all there is
---@field headers table<string, string> by lower-case name
---@field body string|nil
---@field fault telnyx.sandbox.fault|nil
---@field wait telnyx.sandbox.wait|nil a better answer may come
---@field stream { position: integer }|nil the body goes on with what the feed says after that

---@class telnyx.sandbox.wait
---@field seconds number
---@field check fun(is_last: boolean|nil): telnyx.sandbox.response|nil the better answer; when the
-- time is over, the last

---@class telnyx.sandbox.fault
---@field kind "close"|"reset"|"stall"|"delay"
---@field bytes string|nil what reaches the client before the end
---@field seconds number|nil for "delay"

---@class telnyx.sandbox.ledger
---@field posts integer
---@field accepted integer
---@field messages table<string, { posts: integer, accepted: integer }> by reference
---@field dropped integer|nil how many rows are not in `messages` any more; nil for none

local function any_key(key)
  return weather.keys[key] or key:sub(1, 3) == "KEY"
end

local function one_of(keys)
  local known = {}
  for _, key in ipairs(keys) do known[key] = true end
  return function(key) return known[key] end
end

local function core_segments(...)
  return require("telnyx.core").segments(...)
end

local function new_epoch()
  return (random_bytes(8):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

---@param given telnyx.sandbox.options|nil
---@return table service
function Service.new(given)
  local own = options.service(given, 2)
  local keys, make_uuid = own.api_keys or any_key, own.uuid or uuid
  local keep, values = own.keep or KEEP, knobs.values(own)
  local service = setmetatable({
    now = own.now or function() return clock.now() end,
    uuid = make_uuid,
    admits = type(keys) == "table" and one_of(keys) or keys,
    segments = own.segments or core_segments,
    knobs = values,
    limiter = Limiter.new(60),
    feed = Feed.new(keep),
    media = Ring.new(KEEP_MEDIA),
    optouts = Optouts.new(),
    refusals = Refusals.new(keep),
    searches = { minute = 0, count = 0 },
  }, Service)
  service.epoch = new_epoch()
  service.store = Store.new(keep, function(record) news.message(service, record) end)
  service.deliveries = Deliveries.new {
    knobs = values, uuid = make_uuid, keep = math.min(keep, KEEP_DELIVERIES),
    signing_seed = own.signing_seed,
    on_attempted = function(delivery, attempt) news.webhook(service, delivery, attempt) end,
    on_turned = function() service:tell_options() end,
  }
  return service
end

local function is_refusal(code)
  local entry = errors.catalogue[code]
  return entry ~= nil and entry.status ~= nil
end

-- The code of the refusal, or nil for a key that is welcome.
function Service:key_problem(request)
  local key = (request.headers.authorization or ""):match("^[Bb]earer +(%S+) *$")
  local verdict = key and self.admits(key)
  if verdict == true then return nil end
  if not verdict then return "10009" end
  if is_refusal(verdict) then return verdict end
  error(("sandbox option 'api_keys' must return true, false, nil or the code of a refusal"
    .. " such as \"10010\", but it returned %s"):format(options.shown(verdict)), 0)
end

-- In the order in which they are tried.
local places = {}
for _, theme in ipairs {
  require("telnyx.sandbox.routes.send"),
  require("telnyx.sandbox.routes.messages"),
  require("telnyx.sandbox.routes.records"),
  require("telnyx.sandbox.routes.deliveries"),
  require("telnyx.sandbox.routes.optouts"),
  require("telnyx.sandbox.routes.control"),
  require("telnyx.sandbox.routes.page"),
  require("telnyx.sandbox.routes.webhooks"),
  require("telnyx.sandbox.routes.conversations"),
  require("telnyx.sandbox.routes.phones"),
  require("telnyx.sandbox.routes.refusals"),
  require("telnyx.sandbox.routes.weather"),
  require("telnyx.sandbox.routes.media"),
  require("telnyx.sandbox.routes.live"),
} do
  for _, place in ipairs(theme) do places[#places + 1] = place end
end

local function find_place(path)
  for _, place in ipairs(places) do
    local capture = path:match(place.path)
    if capture then return place, capture end
  end
end

local function allow(place)
  local methods = {}
  for method in pairs(place.methods) do methods[#methods + 1] = method end
  table.sort(methods)
  return { allow = table.concat(methods, ", ") }
end

function Service:dispatch(request)
  local place, capture = find_place(request.path:match("^[^?]*"))
  if not place then return reply.refuse { { code = "10005" } } end
  local route = place.methods[request.method]
  if not route then return reply.refuse({ { code = "10030" } }, allow(place)) end
  if place.counts then self.store.posts = self.store.posts + 1 end
  local code = place.key and self:key_problem(request)
  if code then return (place.refuse or reply.refuse) { { code = code } } end
  return route(self, request, capture)
end

-- Of a post that comes to nothing there is no message that anybody could look at.
local function note_refusal(service, request, response, n_accepted)
  local came_to_nothing = service.store.accepted == n_accepted
    and (response.status or 0) ~= 200
  if not came_to_nothing then return end
  news.refusal(service, service.refusals:add(request, response, service.now()))
end

---Answers one request.
---@param request telnyx.sandbox.request
---@return telnyx.sandbox.response
function Service:handle(request)
  local n_posts, n_accepted = self.store.posts, self.store.accepted
  local response = self:dispatch(request)
  if self.store.posts > n_posts then note_refusal(self, request, response, n_accepted) end
  response.headers["x-request-id"] = response.headers["x-request-id"] or self.uuid()
  return response
end

---How often each message was accepted.
---@return telnyx.sandbox.ledger
function Service:ledger()
  return self.store:ledger()
end

---Sets every count back to nought, and forgets the messages and what was to be told of them.
function Service:reset_ledger()
  self.store:reset()
  self.deliveries:reset()
  self.optouts, self.refusals = Optouts.new(), Refusals.new(self.store.keep)
  self.epoch = new_epoch()
  news.reset(self)
end

---Says that options were turned.
function Service:tell_options()
  news.options(self)
end

---A message as the pages under /sandbox show it.
---@param record table
---@return table for json.encode
function Service:summary(record)
  return json.object(summary.members(record, self.now()))
end

---The messages that are kept and match, in the order asked for.
---@param given table<string, any>|nil as GET /sandbox/messages has them, in Lua's types
---@param level integer|nil whose fault misuse is: 1 the caller's, 2 its caller's
---@return table[] records
---@return telnyx.sandbox.found found with their number, and where to go on
function Service:find(given, level)
  given = given or {}
  local name, expected = filters.fault(given)
  if name then
    local words = expected and "must be " .. expected
      or "is not known; known: " .. table.concat(filters.names(), ", ")
    error(("filter '%s' %s"):format(name, words), (level or 1) + 1)
  end
  local found = find.all(self.store.index, given, self.now())
  return found.records, found
end

---Somebody writes to a number of the account.
---@param given { from: string, to: string, text: string|nil, media_urls: string[]|nil }
---@param level integer|nil whose fault misuse is: 1 the caller's, 2 its caller's
---@return { id: string, autoresponse_type: string|nil, auto_reply: string|nil } what came of it:
-- the inbound message's id, and the text that the service answered
function Service:reply(given, level)
  local problem = type(given) == "table" and inbound.problems(given)[1]
    or type(given) ~= "table" and { name = "it", words = "must be a table" }
  if problem then error(("reply: %s %s"):format(problem.name, problem.words), (level or 1) + 1) end
  local record, answer = receive(self, given)
  return { id = record.id, autoresponse_type = record.autoresponse_type,
    auto_reply = answer and answer.fields.text }
end

---A message ends so, now.
---@param given { id: string, status: string, code: string|nil, to: string|nil }
---@return table|nil record nil when it cannot
---@return string|nil why
function Service:outcome(given)
  local record, problems = outcome(self, given)
  return record, problems and (problems[1].detail or "There is no such message.")
end

---The key that verifies webhooks.
---@return string 44 characters of Base64
function Service:public_key()
  return self.deliveries.signer:public_key()
end

---The same as other programs read it.
---@return string
function Service:public_key_pem()
  return self.deliveries.signer:pem()
end

---When the next attempt to deliver a webhook is due; nil when nothing is to be told.
---@return number|nil
function Service:next_due()
  return self.deliveries:next_due()
end

---The attempts that are due. Each is to be made, and reported by `attempted`.
---@param limit integer|nil about how many at once; default all
---@return telnyx.sandbox.attempt[]
function Service:due_attempts(limit)
  return self.deliveries:due(self.now(), limit)
end

---The request of an attempt, signed as of now.
---@param attempt telnyx.sandbox.attempt
---@return { url: string, method: string, headers: table<string, string>, body: string }
function Service:webhook_request(attempt)
  return self.deliveries:request(attempt, self.now())
end

---Says that nobody will ask for attempts: all of them fail when they are due.
function Service:has_no_receiver()
  self.is_unheard = true
end

---Carries out what is due where nobody asks for it.
function Service:settle()
  if self.is_unheard then self.deliveries:settle(self.now()) end
end

---Tells what came of an attempt.
---@param attempt telnyx.sandbox.attempt
---@param answer telnyx.sandbox.answer
function Service:attempted(attempt, answer)
  self.deliveries:attempted(attempt, answer, self.now())
end

return Service
