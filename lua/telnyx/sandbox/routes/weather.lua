--- The kinds of weather there are.

local json = require("telnyx.sandbox.json")
local query = require("telnyx.sandbox.query")
local reply = require("telnyx.sandbox.reply")
local weather = require("telnyx.sandbox.weather")

local function list(_, request)
  local values, problems = query.strict(request.path, {})
  if not values then return reply.refuse(problems) end
  local rows = weather.list()
  for i, row in ipairs(rows) do
    rows[i] = json.object {
      { "digits", weather.digits(row) }, { "number", row.number }, { "family", row.family },
      { "causes", row.causes }, { "accepted", row.accepted },
    }
  end
  return reply.json(json.object { { "data", json.array(rows) } })
end

return {
  { path = "^/sandbox/weather$", methods = { GET = list } },
}
