-- Writes the table of rules in docs/validation.md from the rules in csrc/core/tlx_rules.def.
--
--   make rules
--
-- As a module: { rows = function(rules) -> the table, in Markdown }.

local WORDS = {
  live = "replies", documented = "documents", schema = "schema", inferred = "inferred",
  own = "ours",
}

local function row_of(rule)
  local verdict = rule.verdict == "warn" and "warns" or rule.way_out and "refuses"
    or "**refuses always**"
  return ("| `%s` | %s | %s | `%s` | %s: %s |\n"):format(rule.name, rule.what, verdict, rule.code,
    WORDS[rule.evidence], rule.source)
end

local function rows(rules)
  local lines = {
    "| rule | what breaks it | it | code | known from |\n|---|---|---|---|---|\n",
  }
  for _, rule in ipairs(rules) do lines[#lines + 1] = row_of(rule) end
  return table.concat(lines)
end

local function write(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  local first, last = "<!-- rules -->\n", "<!-- /rules -->"
  local from = select(2, text:find(first, 1, true))
  local to = text:find(last, 1, true)
  local core = require("telnyx.core")
  file = assert(io.open(path, "wb"))
  file:write(text:sub(1, from), rows(core.rules), text:sub(to))
  file:close()
end

if arg and arg[0] and arg[0]:find("rules%.lua$") then write(assert(arg[1], "which file?")) end

return { rows = rows }
