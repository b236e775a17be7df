--- The service's stand-in: for programs that want to be tested with no account
-- and no network.

local Sender = require("telnyx.sandbox.sender")
local Service = require("telnyx.sandbox.service")
local weather = require("telnyx.sandbox.weather")

return {
  --- A service: `service:handle(request)` gives a response.
  new = Service.new,
  --- A sender that is answered in process.
  sender = Sender.new,
  --- Every magic recipient and what it causes.
  weather = weather.list,
}
