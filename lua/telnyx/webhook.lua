--- What the service tells later: whether a message was delivered, and messages that came in.
--- `verify` takes a request, `reduce` what it says.

local event = require("telnyx.after.event")
local reduce = require("telnyx.after.reduce")
local verify = require("telnyx.after.verify")

return {
  verify = verify.verify,
  parse = event.parse,
  reduce = reduce.reduce,
  waits = reduce.waits,
}
