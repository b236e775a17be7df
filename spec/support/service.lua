-- The sandbox's service on a clock of the spec's own, and requests to it.

local json = require("cjson.safe").new()
local sandbox = require("telnyx.sandbox")

local service = {}

service.NOON = 1742642919.401 -- 2025-03-22T11:28:39.401Z
service.PROFILE = "4001932d-0c6f-4b7e-9f0a-1d2c3b4a5968"
service.null = json.decode("null")

---@param options telnyx.sandbox.options|nil
---@return table service
---@return { now: number } time
function service.at_noon(options)
  local time, own = { now = service.NOON }, {}
  for name, value in pairs(options or {}) do own[name] = value end
  own.now = function() return time.now end
  return sandbox.new(own), time
end

---@param changes table|nil
---@return table message
function service.sms(changes)
  local message = { from = "+13125550001", to = "+13125550002", text = "Hello, World!" }
  for name, value in pairs(changes or {}) do message[name] = value end
  return message
end

---Makes one request; a table is sent as JSON.
---@param target table
---@param method string
---@param path string
---@param body table|string|nil
---@param headers table|nil more of them; false takes one away
---@return table response
---@return any decoded the body
function service.ask(target, method, path, body, headers)
  local all = { authorization = "Bearer KEY_SPEC" }
  if body then all["content-type"] = "application/json" end
  for name, value in pairs(headers or {}) do all[name] = value or nil end
  local response = target:handle { method = method, path = path, headers = all,
    body = type(body) == "table" and json.encode(body) or body }
  return response, response.body and json.decode(response.body)
end

---Posts a message, which is to be accepted.
---@param target table
---@param message table|nil
---@param endpoint string|nil such as "/schedule"
---@return table data what the reply shows
function service.post(target, message, endpoint)
  local response, decoded = service.ask(target, "POST", "/v2/messages" .. (endpoint or ""),
    message or service.sms())
  assert(response.status == 200, response.body)
  return decoded.data
end

---@param target table
---@param id string
---@return table data
function service.read(target, id)
  local response, decoded = service.ask(target, "GET", "/v2/messages/" .. id)
  assert(response.status == 200, response.body)
  return decoded.data
end

---"10004 /to, 40316 /text": what was refused, where, in order.
---@param decoded { errors: table[] }
---@return string
function service.summary(decoded)
  local words = {}
  for i, problem in ipairs(decoded.errors) do
    words[i] = problem.code
    if problem.source then words[i] = words[i] .. " " .. problem.source.pointer end
  end
  return table.concat(words, ", ")
end

return service
