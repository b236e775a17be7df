--- The sandbox's own pages, which the service has not: they need no key.

local reply = require("telnyx.sandbox.reply")

local function show_ledger(service)
  return reply.ok(200, service.store:ledger_json())
end

local function reset_ledger(service)
  service:reset_ledger()
  return show_ledger(service)
end

return {
  { path = "^/sandbox/ledger$", methods = { GET = show_ledger, DELETE = reset_ledger } },
}
