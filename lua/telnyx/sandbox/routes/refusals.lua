--- Posts of which no message came.

local json = require("telnyx.sandbox.json")
local query = require("telnyx.sandbox.query")
local reply = require("telnyx.sandbox.reply")

local MOST, USUAL = 1000, 100

local rules = {
  limit = { query.is_whole(1, MOST), "whole" },
}

local function list(service, request)
  local values, problems = query.strict(request.path, rules)
  if not values then return reply.refuse(problems) end
  local refusals = service.refusals
  return reply.json(json.object {
    { "data", json.array(refusals:newest(values.limit or USUAL)) }, { "total", refusals.n },
    { "epoch", service.epoch },
  })
end

return {
  { path = "^/sandbox/refusals$", methods = { GET = list } },
}
