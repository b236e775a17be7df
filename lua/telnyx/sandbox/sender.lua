--- The service as a sender: answers in process, with no network and no waiting.

local clock = require("telnyx.sandbox.clock")
local options = require("telnyx.sandbox.options")
local Service = require("telnyx.sandbox.service")

local Sender = {}
Sender.__index = Sender

---@param given telnyx.sandbox.sender_options|nil
---@return table sender
function Sender.new(given)
  local own, rest = options.sender(given, 2)
  local sender = setmetatable({
    api_key = own.api_key or "KEY_SANDBOX",
    pass_time = own.sleep or function() end,
    skipped = 0,
    core = require("telnyx.core"),
  }, Sender)
  rest.now = rest.now or function() return clock.now() + sender.skipped end
  sender.service = Service.new(rest)
  return sender
end

---Seconds by the sender's own clock: the machine's, and what was slept on top.
---@return number
function Sender:monotonic()
  return self.core.monotonic() + self.skipped
end

---Moves the clock on, without waiting: what the option `sleep` did not spend is skipped.
---@param seconds number
function Sender:sleep(seconds)
  local started = self.core.monotonic()
  self.pass_time(seconds)
  local passed = self.core.monotonic() - started
  self.skipped = self.skipped + math.max(0, seconds - passed)
end

local function lower_case(pairs_of_headers)
  local headers = {}
  for _, pair in ipairs(pairs_of_headers) do headers[pair[1]:lower()] = pair[2] end
  return headers
end

-- What a client that waits `timeout` seconds gets to see of a response.
local function seen(response, timeout)
  local fault = response.fault
  local raw = { begun = true, whole = true, status = response.status,
    headers = response.headers, body = response.body }
  if not fault then return raw end
  if fault.kind == "delay" then
    if fault.seconds < timeout then return raw end
    raw = { begun = true, headers = {} }
  end
  raw.whole = fault.kind ~= "delay" and fault.whole
  if not raw.whole then raw.failure, raw.cause = fault.failure, fault.cause end
  return raw
end

-- How long a client that waits `timeout` seconds waits for a response.
local function wait_for(fault, timeout)
  if not fault then return 0 end
  if fault.kind == "delay" then return math.min(fault.seconds, timeout) end
  local is_silent = not fault.whole and fault.failure == "timeout"
  return is_silent and timeout < math.huge and timeout or 0
end

---Carries a request of `telnyx.core` to the service and reads the answer.
---@param request table
---@param limits { timeout: number|nil }|nil
---@return table|nil message
---@return table info_or_error
function Sender:carry(request, limits)
  local timeout = limits and limits.timeout or math.huge
  local response = self.service:handle {
    method = request.method,
    path = request.path,
    headers = lower_case(request.headers),
    body = request.body,
  }
  local wait = wait_for(response.fault, timeout)
  if wait > 0 then self:sleep(wait) end
  local raw = seen(response, timeout)
  raw.now = self.service.now()
  return self.core.reply(raw)
end

---Makes one attempt.
---@param message table
---@param limits { timeout: number|nil }|nil
---@return table|nil message
---@return table info_or_error
function Sender:send(message, limits)
  local request, err = self.core.request(message, {
    base_url = "https://sandbox.invalid/v2",
    api_key = self.api_key,
    now = self.service.now(),
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
    path = "/v2/messages/" .. id,
    headers = { { "Authorization", "Bearer " .. self.api_key } },
  }
end

---How often each message was accepted.
---@return telnyx.sandbox.ledger
function Sender:ledger()
  return self.service:ledger()
end

return Sender
