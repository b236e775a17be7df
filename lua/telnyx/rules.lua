--- The rules by which messages are judged here, as `csrc/core` has them: `telnyx.rules`.

local core = require("telnyx.core")

local rules = {}

---@class telnyx.rule
---@field name string
---@field verdict "refuse"|"warn"
---@field way_out boolean whether `accept` lets it through
---@field code string of the service's where it is known, else the name
---@field evidence "live"|"documented"|"schema"|"inferred"|"own" where it is known from
---@field what string breaks it
---@field source string
---@field advice string a sentence

---@type table<string, telnyx.rule>
local by_name = {}
local names, ways_out = {}, {}
for i, rule in ipairs(core.rules) do
  by_name[rule.name], names[i] = rule, rule.name
  if rule.way_out then ways_out[#ways_out + 1] = rule.name end
end

local function copy(rule)
  local own = {}
  for field, value in pairs(rule) do own[field] = value end
  return own
end

---All of them, in the order in which they are told; or the one by this name.
---@param name string|nil
---@return telnyx.rule[]|telnyx.rule|nil
function rules.list(name)
  if name ~= nil then return by_name[name] and copy(by_name[name]) end
  local list = {}
  for i, own in ipairs(names) do list[i] = copy(by_name[own]) end
  return list
end

---A violation, as `telnyx.errors` takes it.
---@param name string
---@param detail string a sentence
---@param pointer string|nil
---@return table
function rules.violation(name, detail, pointer)
  local rule = by_name[name]
  return { rule = name, code = rule.code, advice = rule.advice, detail = detail,
    pointer = pointer }
end

---What a person should do.
---@param name any
---@return string|nil
function rules.advice(name) return by_name[name] and by_name[name].advice end

---What is wrong with the name of a rule that is to be let through.
---@param name any
---@return string|nil words
function rules.fault_of(name)
  if type(name) ~= "string" or not by_name[name] then
    local near = type(name) == "string" and core.nearest(name, ways_out)
    return ("there is no rule %s%s"):format(tostring(name),
      near and ("; did you mean '" .. near .. "'?") or "")
  end
  if not by_name[name].way_out then return ("the rule %s has no way out"):format(name) end
end

return rules
