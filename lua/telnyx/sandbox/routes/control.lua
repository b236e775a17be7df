--- The sandbox's own pages, which the service has not: they need no key.

local inbound = require("telnyx.sandbox.inbound")
local json = require("telnyx.sandbox.json")
local knobs = require("telnyx.sandbox.knobs")
local message = require("telnyx.sandbox.message")
local outcome = require("telnyx.sandbox.outcome")
local query = require("telnyx.sandbox.query")
local read_object = require("telnyx.sandbox.body")
local receive = require("telnyx.sandbox.replies")
local reply = require("telnyx.sandbox.reply")

local function show_ledger(service)
  return reply.ok(200, service.store:ledger_json())
end

local function reset_ledger(service, request)
  local values, problems = query.strict(request.path, {})
  if not values then return reply.refuse(problems) end
  service:reset_ledger()
  return show_ledger(service)
end

local function show_public_key(service)
  return reply.json(json.object {
    { "public_key", service:public_key() }, { "pem", service:public_key_pem() },
  })
end

local function show_options(service)
  return reply.json(knobs.object(service.knobs))
end

local function names_in_order(object)
  local names = {}
  for name in pairs(object) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function fault_of(name, value)
  if not knobs.known[name] then
    return ("There is no option '%s'; GET /sandbox/options has them all."):format(name)
  end
  local expected = value ~= json.null and knobs.fault(name, value)
  return expected and ("Expected %s."):format(expected) or nil
end

-- All of it, or nothing.
local function find_problems(wanted)
  local problems = {}
  for _, name in ipairs(names_in_order(wanted)) do
    local fault = fault_of(name, wanted[name])
    if fault then
      problems[#problems + 1] = { code = "10015", pointer = "/" .. name, detail = fault }
    end
  end
  return problems
end

local function turn_options(service, request)
  local wanted, unreadable = read_object(request)
  if not wanted then return reply.refuse { unreadable } end
  local problems = find_problems(wanted)
  if problems[1] then return reply.refuse(problems) end
  for name, value in pairs(wanted) do
    if value == json.null then value = knobs.known[name].default end
    service.knobs[name] = value
  end
  service:tell_options()
  return show_options(service)
end

local function take_reply(service, request)
  local given, unreadable = read_object(request)
  if not given then return reply.refuse { unreadable } end
  local problems = inbound.problems(given)
  for i, problem in ipairs(problems) do
    problems[i] = { code = "10015", pointer = "/" .. problem.name,
      detail = ("'%s' %s."):format(problem.name, problem.words) }
  end
  if problems[1] then return reply.refuse(problems) end
  local record, answer = receive(service, given)
  return reply.json(json.object {
    { "data", inbound.render(record, service.knobs, "received") },
    { "auto_reply", answer and message.render(answer, service.now()) },
  })
end

local function take_outcome(service, request)
  local values, problems = query.strict(request.path, {})
  if not values then return reply.refuse(problems) end
  local given, unreadable = read_object(request)
  if not given then return reply.refuse { unreadable } end
  for name, value in pairs(given) do
    if value == json.null then given[name] = nil end
  end
  local record, found = outcome(service, given)
  if not record then return reply.refuse(found) end
  return reply.json(json.object { { "data", service:summary(record) } })
end

return {
  { path = "^/sandbox/outcome$", methods = { POST = take_outcome } },
  { path = "^/sandbox/reply$", methods = { POST = take_reply } },
  { path = "^/sandbox/ledger$", methods = { GET = show_ledger, DELETE = reset_ledger } },
  { path = "^/sandbox/options$", methods = { GET = show_options, PATCH = turn_options } },
  { path = "^/sandbox/public_key$", methods = { GET = show_public_key } },
}
