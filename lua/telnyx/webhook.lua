--- What the service tells later: whether a message was delivered, and messages that came in.
--- `verify` takes a request, `reduce` what it says.

local event = require("telnyx.after.event")
local reduce = require("telnyx.after.reduce")
local verify = require("telnyx.after.verify")

---Verifies, keeps and handles webhooks, for whatever server has the requests.
---@param options telnyx.receiver_options
---@return telnyx.receiver
local function new_receiver(options)
  local receiver = require("telnyx.after.receiver") -- not all who verify keep
  local own = receiver.new(options, nil, 2)
  return own -- no tail call, which would be a level less
end

---The same for nginx: a function for content_by_lua.
---@param options telnyx.handler_options
---@return fun()
local function new_handler(options)
  local serve = require("telnyx.after.handler").new(options)
  return serve
end

---@class telnyx.webhook
local webhook = {
  verify = verify.verify,
  parse = event.parse,
  reduce = reduce.reduce,
  waits = reduce.waits,
  receiver = new_receiver,
  handler = new_handler,
}

return webhook
