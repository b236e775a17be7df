--- The service as a sender: answers in process, with no network and no waiting.

local Service = require("telnyx.sandbox.service")

local Sender = {}
Sender.__index = Sender

---@class telnyx.sandbox.sender_options: telnyx.sandbox.options
---@field api_key string|nil the key that is sent; default "KEY_SANDBOX"
---@field sleep fun(seconds: number)|nil spends the time of slow answers; default: they take none

local function split(options)
  local own, rest = {}, {}
  for name, value in pairs(options or {}) do
    local mine = name == "api_key" or name == "sleep"
    local target = mine and own or rest
    target[name] = value
  end
  return own, rest
end

---@param options telnyx.sandbox.sender_options|nil
---@return table sender
function Sender.new(options)
  local own, rest = split(options)
  return setmetatable({
    api_key = own.api_key or "KEY_SANDBOX",
    sleep = own.sleep or function() end,
    service = Service.new(rest),
    core = require("telnyx.core"),
  }, Sender)
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

function Sender:spend(fault, timeout)
  if not fault then return end
  if fault.kind == "delay" then
    self.sleep(math.min(fault.seconds, timeout))
  elseif fault.kind == "stall" and timeout < math.huge then
    self.sleep(timeout)
  end
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
  self:spend(response.fault, timeout)
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
---@return { posts: integer, accepted: integer, messages: table<string, table> }
function Sender:ledger()
  return self.service:ledger()
end

return Sender
