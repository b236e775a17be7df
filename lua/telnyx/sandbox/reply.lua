--- Replies of the service, good and bad. It has three shapes for what is wrong: a list of errors,
-- one error alone, and, where records are looked up, a list of shorter ones.

local errors = require("telnyx.sandbox.errors")
local json = require("telnyx.sandbox.json")

local reply = {}

---@param status integer
---@param body string
---@param headers table<string, string>|nil
---@return telnyx.sandbox.response
function reply.ok(status, body, headers)
  headers = headers or {}
  headers["content-type"] = headers["content-type"] or "application/json"
  return { status = status, headers = headers, body = body }
end

---@param value table for json.encode
---@return telnyx.sandbox.response
function reply.json(value)
  return reply.ok(200, json.encode(value))
end

local function status_of(problem)
  return problem.status or errors.catalogue[problem.code].status
end

---The usual shape: `{"errors":[…]}`.
---@param problems table[] { code, detail, pointer, status }
---@param headers table<string, string>|nil
---@return telnyx.sandbox.response
function reply.refuse(problems, headers)
  return reply.ok(status_of(problems[1]), errors.envelope(problems), headers)
end

---What there is, and what is wrong with it.
---@param members table[] for json.object
---@param problem table
---@return telnyx.sandbox.response
function reply.conflict(members, problem)
  local all = { { "errors", json.array { errors.object(problem) } } }
  for i, pair in ipairs(members) do all[i + 1] = pair end
  return reply.ok(status_of(problem), json.encode(json.object(all)))
end

---One error that is the whole body.
---@param problem table
---@return telnyx.sandbox.response
function reply.refuse_bare(problem)
  return reply.ok(status_of(problem), json.encode(errors.object(problem)))
end

---The errors of a search, where 10011 is a bad request.
---@param status integer
---@param problem { code: string, title: string, detail: string }
---@param headers table<string, string>|nil
---@return telnyx.sandbox.response
function reply.refuse_search(status, problem, headers)
  local object = json.object {
    { "code", problem.code }, { "title", problem.title }, { "detail", problem.detail },
  }
  return reply.ok(status, json.encode(json.object { { "errors", json.array { object } } }),
    headers)
end

return reply
