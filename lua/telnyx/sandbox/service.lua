--- The service: from a request to a response, over a store. No sockets, no
-- sleeping; whoever carries the response also carries out its fault.

local clock = require("telnyx.sandbox.clock")
local errors = require("telnyx.sandbox.errors")
local forecast = require("telnyx.sandbox.forecast")
local json = require("telnyx.sandbox.json")
local Limiter = require("telnyx.sandbox.limiter")
local message = require("telnyx.sandbox.message")
local options = require("telnyx.sandbox.options")
local reference_of = require("telnyx.sandbox.reference")
local replay = require("telnyx.sandbox.replay")
local Store = require("telnyx.sandbox.store")
local utf8 = require("telnyx.sandbox.utf8")
local uuid = require("telnyx.sandbox.uuid")
local validate = require("telnyx.sandbox.validate")
local weather = require("telnyx.sandbox.weather")

local Service = {}
Service.__index = Service

local KEEP = 100000

local MAX_PARTS = 10

---@class telnyx.sandbox.request
---@field method string
---@field path string may carry a query
---@field headers table<string, string> by lower-case name
---@field body string|nil

---@class telnyx.sandbox.response
---@field status integer|nil nil when the fault's bytes are all there is
---@field headers table<string, string> by lower-case name
---@field body string|nil
---@field fault telnyx.sandbox.fault|nil

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

---@param given telnyx.sandbox.options|nil
---@return table service
function Service.new(given)
  local own = options.service(given, 2)
  local keys = own.api_keys or any_key
  return setmetatable({
    now = own.now or function() return clock.now() end,
    uuid = own.uuid or uuid,
    admits = type(keys) == "table" and one_of(keys) or keys,
    rules = {
      segments = own.segments or core_segments,
      max_parts = own.max_parts or MAX_PARTS,
      chunking = own.chunking,
      recommended_parts = own.recommended_parts,
      smart_encoding = own.smart_encoding or false,
      fallback_sender = own.fallback_sender,
      refuses_own_number = own.refuses_own_number,
    },
    idempotency = own.idempotency,
    limiter = Limiter.new(own.rate_limit or 1000000, 60),
    store = Store.new(own.keep or KEEP),
  }, Service)
end

local function reply(status, body, headers)
  headers = headers or {}
  headers["content-type"] = headers["content-type"] or "application/json"
  return { status = status, headers = headers, body = body }
end

local function refuse(problems, headers)
  local first = errors.catalogue[problems[1].code]
  return reply(first.status, errors.envelope(problems), headers)
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

local function is_json(request)
  local kind = (request.headers["content-type"] or ""):lower()
  return kind:match("^%s*([^;%s]*)") == "application/json"
end

local function read_body(request)
  if not is_json(request) then return nil, { code = "10029" } end
  local text = request.body or ""
  local bad = utf8.first_bad(text)
  if bad then
    return nil, { code = "10028",
      detail = ("The request body is not valid UTF-8 at byte %d."):format(bad - 1) }
  end
  local body = json.decode(text)
  if body == nil then return nil, { code = "10023" } end
  if not text:find("^%s*{") then
    return nil, { code = "10015", detail = "The request body must be a JSON object." }
  end
  return body
end

function Service:rulebook(request, now)
  local book = { now = now, source = request.body }
  for name, value in pairs(self.rules) do book[name] = value end
  return book
end

-- The weather over a recipient, unless it has already struck this message as
-- often as it does.
function Service:weather_for(fields, reference)
  local row = weather.find(fields.to)
  if not row or not row.times then return row end
  local count = self.store:strike(row.number .. " " .. reference)
  return count <= row.times and row or nil
end

function Service:accept(fields, facts, reference, fate, now)
  local record = message.new(fields, facts, { id = self.uuid(), now = now, fate = fate })
  self.store:accept(record, reference)
  return record
end

-- The second result is the reply that a broken connection kept from the client.
function Service:create(request, now)
  local body, unreadable = read_body(request)
  if not body then return refuse { unreadable } end
  local reference = reference_of(body)
  self.store:seen(reference)
  local problems, facts, fields = validate(body, self:rulebook(request, now))
  if #problems > 0 then return refuse(problems) end
  local row = self:weather_for(fields, reference)
  local record
  if not row or row.accepted then
    record = self:accept(fields, facts, reference, row and row.fate, now)
  end
  local accepted = record and reply(200, message.body(record, now))
  if row and not row.fate then
    return forecast.response(row, record, now), row.stage and accepted
  end
  return accepted
end

-- A request that is answered without being carried out still counts as a post.
function Service:count(request)
  local body = read_body(request)
  if body then self.store:seen(reference_of(body)) end
end

function Service:create_once(request, now, key)
  local response, unheard = self:create(request, now)
  local kept = replay.keep(request, unheard or response)
  if kept then self.store:keep_reply(key, kept) end
  return response
end

function Service:answer(request, now)
  local key = self.idempotency and request.headers["idempotency-key"]
  if not key then return (self:create(request, now)) end
  local kept = replay.is_key(key) and self.store:reply(key)
  if kept == nil then return self:create_once(request, now, key) end
  self:count(request)
  if not kept then return refuse { replay.problems.malformed } end
  if kept.body ~= request.body then return refuse { replay.problems.reused } end
  return replay.again(kept)
end

local routes = {}

function routes.post_message(self, request)
  local now = self.now()
  local allowed, headers = self.limiter:take(now)
  local response = allowed and self:answer(request, now) or refuse { { code = "10011" } }
  for name, value in pairs(headers) do
    -- A 429 of the weather says about waiting what its row says, and no more.
    if response.status ~= 429 or not allowed then response.headers[name] = value end
  end
  return response
end

function routes.get_message(self, _, id)
  local record = self.store:message(id)
  if not record then return refuse { { code = "10005" } } end
  return reply(200, message.body(record, self.now()))
end

function routes.get_ledger(self)
  return reply(200, self.store:ledger_json())
end

function routes.reset_ledger(self)
  self.store:reset()
  return routes.get_ledger(self)
end

-- The sandbox's own pages need no key.
local map = {
  { path = "^/v2/messages$", key = true, methods = { POST = "post_message" } },
  { path = "^/v2/messages/([^/]+)$", key = true, methods = { GET = "get_message" } },
  { path = "^/sandbox/ledger$", methods = { GET = "get_ledger", DELETE = "reset_ledger" } },
}

local function find_place(path)
  for _, place in ipairs(map) do
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
  if not place then return refuse { { code = "10005" } } end
  local route = place.methods[request.method]
  if not route then return refuse({ { code = "10030" } }, allow(place)) end
  if route == "post_message" then self.store.posts = self.store.posts + 1 end
  local code = place.key and self:key_problem(request)
  if code then return refuse { { code = code } } end
  return routes[route](self, request, capture)
end

---Answers one request.
---@param request telnyx.sandbox.request
---@return telnyx.sandbox.response
function Service:handle(request)
  local response = self:dispatch(request)
  response.headers["x-request-id"] = response.headers["x-request-id"] or self.uuid()
  return response
end

---How often each message was accepted.
---@return telnyx.sandbox.ledger
function Service:ledger()
  return self.store:ledger()
end

---Sets every count back to nought, and forgets the messages.
function Service:reset_ledger()
  self.store:reset()
end

return Service
