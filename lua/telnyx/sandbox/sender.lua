--- The service as a sender: answers in process, with no network and no waiting, and calls the
-- receiver of its webhooks when time passes.

local clock = require("telnyx.sandbox.clock")
local inbox = require("telnyx.sandbox.phones.inbox")
local json = require("telnyx.sandbox.json")
local options = require("telnyx.sandbox.options")
local Service = require("telnyx.sandbox.service")

local Sender = { takes_body = true, takes_requests = true }
Sender.__index = Sender

---@param given telnyx.sandbox.sender_options|nil
---@return table sender
function Sender.new(given)
  local own, rest = options.sender(given, 2)
  local sender = setmetatable({
    api_key = own.api_key or "KEY_SANDBOX",
    pass_time = own.sleep or function() end,
    on_webhook = own.on_webhook,
    skipped = 0,
    core = require("telnyx.core"),
  }, Sender)
  rest.now = rest.now or function() return clock.now() + sender.skipped end
  sender.service = Service.new(rest)
  if not own.on_webhook then sender.service:has_no_receiver() end
  return sender
end

---Seconds by the sender's own clock: the machine's, and what was slept on top.
---@return number
function Sender:monotonic()
  return self.core.monotonic() + self.skipped
end

-- Moves the clock on, without waiting: what the option `sleep` did not spend is skipped.
local function pass(self, seconds)
  local started = self.core.monotonic()
  self.pass_time(seconds)
  local passed = self.core.monotonic() - started
  self.skipped = self.skipped + math.max(0, seconds - passed)
end

-- No connection was made, says the service of a receiver that raised or answered nothing.
local UNREACHED = 75002

-- What a receiver returned, as far as it is an answer.
local function answer_of(status, headers, body)
  if type(status) ~= "number" or status % 1 ~= 0 then return { code = UNREACHED } end
  local own = {}
  for name, value in pairs(type(headers) == "table" and headers or {}) do
    if type(name) == "string" then own[name:lower()] = tostring(value) end
  end
  return { status = status, headers = own, body = type(body) == "string" and body or nil }
end

-- What comes of an attempt, and what the receiver raised.
local function ask_receiver(self, attempt)
  local request, started = self.service:webhook_request(attempt), self.service.now()
  local ok, status, headers, body = pcall(self.on_webhook, request)
  local is_late = self.service.now() - started > self.service.knobs.webhook_timeout
  if is_late then return {}, not ok and status or nil end
  if not ok then return { code = UNREACHED }, status end
  return answer_of(status, headers, body)
end

---Makes the attempts that are due. Nothing is delivered while a receiver is being asked.
---@private
function Sender:deliver()
  if not self.on_webhook or self.is_delivering then return end
  self.is_delivering = true
  for _, attempt in ipairs(self.service:due_attempts()) do
    local answer, trouble = ask_receiver(self, attempt)
    self.trouble = self.trouble or (trouble ~= nil and { trouble }) or nil
    self.service:attempted(attempt, answer)
  end
  self.is_delivering = false
end

-- How long until the next attempt, when that is not after `seconds`.
local function wait_for_next(self, seconds)
  local due = self.on_webhook and not self.is_delivering and self.service:next_due()
  local wait = due and math.max(0, due - self.service.now())
  return wait and wait <= seconds and wait or nil
end

-- Attempts at one moment, each of which may cause another at once, come to an end; a clock that
-- stands still would not.
local AT_ONCE = 100

local function advance(self, seconds)
  local n_at_once = 0
  local wait = wait_for_next(self, seconds)
  while wait and n_at_once < AT_ONCE do
    n_at_once = wait == 0 and n_at_once + 1 or 0
    if wait > 0 then pass(self, wait) end
    seconds = seconds - wait
    self:deliver()
    wait = wait_for_next(self, seconds)
  end
  pass(self, seconds)
  self:deliver()
end

-- What a receiver has raised meanwhile is raised, once all is done.
local function let_pass(self, seconds)
  advance(self, seconds)
  local trouble = not self.is_delivering and self.trouble
  if not trouble then return end
  self.trouble = nil
  error(trouble[1], 0)
end

---Lets time pass, without waiting, and delivers the webhooks that are due meanwhile. What their
-- receiver raises is raised here, once all is done.
---@param seconds number not negative: time does not go back
function Sender:advance(seconds)
  if type(seconds) ~= "number" or not (seconds >= 0 and seconds < math.huge) then
    error("advance: expects a number of seconds, got " .. options.shown(seconds), 2)
  end
  let_pass(self, seconds)
end

---Seconds since 1970 by the service's clock: for who judges what it has signed.
---@return number
function Sender:now() return self.service.now() end

---As `advance`: how a client waits.
---@param seconds number
function Sender:sleep(seconds)
  let_pass(self, seconds)
end

local function lower_case(pairs_of_headers)
  local headers = {}
  for _, pair in ipairs(pairs_of_headers) do headers[pair[1]:lower()] = pair[2] end
  return headers
end

-- Nobody is ever asked where that is.
local HOST = "sandbox.invalid"

-- A network cuts where it likes.
local PIECE_BYTES = 1000

local function feed(exchange, bytes)
  for first = 1, #bytes, PIECE_BYTES do
    local piece = bytes:sub(first, first + PIECE_BYTES - 1)
    if exchange:feed(piece) ~= "more" then return end
  end
end

local function bytes_of(response)
  local lines = { ("HTTP/1.1 %d Weather"):format(response.status) }
  for name, value in pairs(response.headers) do lines[#lines + 1] = name .. ": " .. value end
  local body = response.status ~= 204 and response.body or nil
  if body then lines[#lines + 1] = ("content-length: %d"):format(#body) end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or "")
end

-- How each fault's bytes end.
local ENDINGS = { close = "close", reset = "break" }

---Gives an exchange what a client that waits `timeout` seconds gets to see of a response.
---@private
function Sender:answer(exchange, response, timeout)
  local fault = response.fault or {}
  local wait = fault.seconds or 0
  if wait < timeout then feed(exchange, fault.bytes or bytes_of(response)) end
  if fault.kind == "stall" and exchange:state() == "more" then wait = timeout end
  wait = math.min(wait, timeout)
  if wait > 0 and wait < math.huge then pass(self, wait) end
  if exchange:state() == "more" then exchange:finish(ENDINGS[fault.kind] or "timeout") end
end

---Carries a request of `telnyx.core` to the service and reads the answer.
---@param request table
---@param limits { timeout: number|nil }|nil
---@return table|nil message
---@return table info_or_error
function Sender:carry(request, limits)
  local exchange = self.core.exchange(request)
  exchange:wrote(#exchange:offer())
  local response = self.service:handle {
    method = request.method,
    path = request.path,
    headers = lower_case(request.headers),
    body = request.body,
    key = limits and limits.key,
  }
  if self.service.knobs.before_reply then self:deliver() end
  self:answer(exchange, response, limits and limits.timeout or math.huge)
  return exchange:reply(self.service.now())
end

---Makes one attempt. A message that its client has not judged is judged here.
---@param message table
---@param limits telnyx.limits|nil
---@return table|nil message
---@return table info_or_error
function Sender:send(message, limits)
  local request, err = self.core.request(message, {
    base_url = "https://" .. HOST .. "/v2",
    api_key = self.api_key,
    now = self.service.now(),
    body = limits and limits.body or nil,
    judged = limits and limits.judged,
    idempotency_key = limits and limits.idempotency_key,
    request = limits and limits.request,
  })
  if not request then return nil, err end
  return self:carry(request, limits)
end

---Reads a message back, to see how it is getting on.
---@param id string
---@return table|nil message
---@return table info_or_error
function Sender:get(id)
  return self:carry {
    method = "GET",
    scheme = "https",
    host = HOST,
    port = 443,
    path = "/v2/messages/" .. id,
    headers = { { "Authorization", "Bearer " .. self.api_key } },
  }
end

---Somebody writes back. The webhook of it comes when time passes.
---@param given { from: string, to: string, text: string|nil, media_urls: string[]|nil }
---@return { id: string, autoresponse_type: string|nil, auto_reply: string|nil }
function Sender:reply(given)
  local result = self.service:reply(given, 2) -- a tail call would hide a level
  return result
end

---What phones got: to be looked at, waited for and answered.
---@param phone string|nil one phone's number; nil: of all
---@return telnyx.sandbox.inbox
function Sender:inbox(phone)
  if phone ~= nil and not inbox.is_phone(phone) then
    error("inbox: expects a phone number such as +13125550002, got " .. options.shown(phone), 2)
  end
  return inbox.new(self, phone)
end

---A message ends so, now; its webhook comes when time passes.
---@param message string|table its id, or a table that has it
---@param status "delivered"|"delivery_failed"|"sending_failed"|"expired"|"delivery_unconfirmed"
---@param code string|nil the service's, of why; there is a usual one
---@param to string|nil which addressee of a group; nil: each
---@return table message as it is now
function Sender:outcome(message, status, code, to)
  local id = type(message) == "table" and message.id or message
  local record, why = self.service:outcome { id = id, status = status, code = code, to = to }
  if not record then error("outcome: " .. why, 2) end
  return json.plain(self.service:summary(record))
end

---How often each message was accepted.
---@return telnyx.sandbox.ledger
function Sender:ledger()
  return self.service:ledger()
end

return Sender
