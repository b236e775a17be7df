--- The endpoint that lists who wants no messages. What is wrong is one error, alone.

local json = require("telnyx.sandbox.json")
local query = require("telnyx.sandbox.query")
local reply = require("telnyx.sandbox.reply")

local MOST = 250

-- With a blank where other timestamps have a T, and with microseconds.
local function instant(at)
  local seconds = math.floor(at)
  return os.date("!%Y-%m-%d %H:%M:%S", seconds)
    .. (".%06d+00:00"):format(math.floor((at - seconds) * 1000000))
end

local function masked(number)
  return number:sub(1, 5) .. "****"
end

local function render(rule, is_redacted)
  return json.object {
    { "to", is_redacted and masked(rule.to) or rule.to },
    { "from", rule.from },
    { "messaging_profile_id", rule.profile },
    { "keyword", rule.keyword },
    { "created_at", instant(rule.created_at) },
  }
end

-- The two bounds of the time of creation, or what is wrong with one.
local function bounds_of(values)
  local bounds = {}
  for name, default in pairs { gte = -math.huge, lte = math.huge } do
    local text = values["created_at[" .. name .. "]"]
    bounds[name] = text and query.instant(text) or default
    if text and not query.instant(text) then
      return nil, { code = "10015", detail = ("created_at[%s] is no date and time."):format(name) }
    end
  end
  return bounds
end

local function is_wanted(rule, values, bounds)
  local profile, from = values["filter[messaging_profile_id]"], values["filter[from]"]
  return (not profile or profile == rule.profile) and (not from or from == rule.from)
    and rule.created_at >= bounds.gte and rule.created_at <= bounds.lte
end

local function list(service, request)
  local values = query.parse(request.path)
  local bounds, problem = bounds_of(values)
  if not bounds then return reply.refuse_bare(problem) end
  local found = {}
  for _, rule in ipairs(service.optouts:list()) do
    if is_wanted(rule, values, bounds) then found[#found + 1] = rule end
  end
  local rows, meta = query.cut(found, query.page(values, MOST))
  for i, rule in ipairs(rows) do rows[i] = render(rule, values.redaction_enabled == "true") end
  return reply.json(json.object { { "data", json.array(rows) }, { "meta", meta } })
end

local function refuse(problems)
  return reply.refuse_bare(problems[1])
end

return {
  { path = "^/v2/messaging_optouts$", key = true, refuse = refuse, methods = { GET = list } },
}
