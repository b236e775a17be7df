--- Posts of which no message came, and why: a program whose messages do not arrive is looked for
-- there.

local clock = require("telnyx.sandbox.clock")
local json = require("telnyx.sandbox.json")
local Ring = require("telnyx.sandbox.ring")
local utf8 = require("telnyx.sandbox.utf8")

local Refusals = {}
Refusals.__index = Refusals

-- So many are kept, and so much of a text.
local KEPT, LONGEST = 1000, 200

---@param keep integer how many messages are kept: of these no more
---@return table refusals
function Refusals.new(keep)
  return setmetatable({ ring = Ring.new(math.min(keep, KEPT)), n = 0 }, Refusals)
end

local function text_of(value)
  return type(value) == "string" and utf8.cut(value, LONGEST) or nil
end

local function addressees(value)
  if type(value) ~= "table" then return text_of(value) end
  local list = {}
  for i, number in ipairs(value) do list[i] = text_of(number) end
  return table.concat(list, ", ")
end

-- The first of a reply's errors, whichever of its forms it has.
local function problem_of(response)
  local object = response.body and json.decode(response.body)
  local list = type(object) == "table" and object.errors
  local first = type(list) == "table" and list[1] or object
  return type(first) == "table" and first or {}
end

local function fields_of(request)
  local object = request.body and json.decode(request.body)
  return type(object) == "table" and object or {}
end

---Notes one.
---@param request telnyx.sandbox.request
---@param response telnyx.sandbox.response
---@param now number
---@return table for json.encode
function Refusals:add(request, response, now)
  self.n = self.n + 1
  local fields, problem = fields_of(request), problem_of(response)
  local refusal = json.object {
    { "seq", self.n },
    { "at", clock.iso8601(now) },
    { "from", text_of(fields.from) },
    { "to", addressees(fields.to) },
    { "text", text_of(fields.text) },
    { "status", response.status },
    { "code", text_of(problem.code) },
    { "title", text_of(problem.title) },
    { "detail", text_of(problem.detail) },
  }
  self.ring:put(self.n, refusal)
  return refusal
end

---The newest, which come first.
---@param most integer
---@return table[] for json.encode
function Refusals:newest(most)
  local list = {}
  for _, refusal in self.ring:newest() do
    if #list >= most then break end
    list[#list + 1] = refusal
  end
  return list
end

return Refusals
