--- What went wrong, for programs (fields) and for people (one line).
--
-- Everything below a client makes plain error tables; this module is the one
-- place that gives them their class, their advice and their voice, and the
-- last place where a secret could slip out.

local data = require("telnyx.errors.catalogue")
local line = require("telnyx.errors.line")
local rules = require("telnyx.rules")
local secrets = require("telnyx.errors.secrets")

---@alias telnyx.outcome "not_sent"|"rejected"|"unknown"|"accepted"
---@alias telnyx.kind "invalid"|"connection"|"timeout"|"api"|"protocol"

---@class telnyx.advice
---@field title string   the service's own title for the code, or this library's for one of its own
---@field class string   one of the names in `errors.classes`
---@field advice string  what a person should do; one or two sentences
---@field whose telnyx.whose

---@alias telnyx.whose "message"|"sender"|"profile"|"account"|"service" what meets the same trouble

---@class telnyx.error
---@field outcome telnyx.outcome
---@field kind telnyx.kind
---@field retryable boolean  sending again cannot make a second message
---@field code? string       of the first error, like title, detail, pointer
---@field title? string
---@field detail? string
---@field pointer? string    JSON pointer to the field at fault
---@field rule? string       of the first error, when it was refused here: `telnyx.rules`
---@field source? "local"|"service"  who refused it; nil where nobody did
---@field errors? table[]    every error, in the service's shape; of those made here also `rule`
---@field warnings? telnyx.warning[]  what else was said of the message here
---@field class string       one of the names in `errors.classes`
---@field advice string      what a person should do
---@field whose telnyx.whose
---@field status? integer    HTTP status
---@field request_id? string
---@field retry_after? number  seconds that the service asks to wait
---@field ratelimit? table     { limit, remaining, reset }
---@field attempts? table[]    one row per attempt
---@field cause? string        what the transport saw, in words
---@field segments? telnyx.segments  when a limit on cost refused it
---@field key? string          when it was sent, or refused, under a key
---@field replayed? boolean    recorded by an earlier send under the key
---@field state? string        of the key's row, where that is the reason
---@field journal_error? string  the outcome could not be recorded under its key
---@field should_retry_error? string  the caller's own rule raised

local errors = {}

-- Catalogue ------------------------------------------------------------------

local function code_name(code)
  if type(code) == "number" then return ("%.14g"):format(code) end
  return code
end

-- What is handed out is a copy, so nothing that a caller does to it can change
-- what the next caller reads.
local function copy_of(entry, code)
  return { title = entry.title, class = entry.class, whose = entry.whose,
    advice = entry.advice or rules.advice(code) }
end

local function lookup(_, code)
  local entry = code ~= nil and data.codes[code_name(code)]
  return entry and copy_of(entry, code) or nil
end

--- Telnyx's codes: index with a string or a number; nil if unknown.
---@type table<string|integer, telnyx.advice?>
errors.catalogue = setmetatable({}, {
  __index = lookup,
  __newindex = function() error("the catalogue is read-only", 2) end,
})

local function under_title(code, title)
  local others = data.by_title[code]
  return others and type(title) == "string" and others[title:lower()]
end

--- What a code means where it stands: some codes mean something else with another status, or under
--- another title.
---@param err { code: any, status: any, title: any }
---@return telnyx.advice|nil
function errors.meaning(err)
  local code, status = code_name(err.code), err.status
  local retitled = under_title(code, err.title)
  local is_so = data.only_where[code]
  if is_so and type(status) == "number" and not is_so(status) then return nil end
  return retitled and copy_of(retitled, code) or errors.catalogue[code]
end

--- The closed set of classes, each with what it means.
---@type table<string, string>
errors.classes = {}
for name, meaning in pairs(data.classes) do errors.classes[name] = meaning end

--- Every code in the catalogue, in order.
---@return string[]
function errors.codes()
  local list = {}
  for code in pairs(data.codes) do list[#list + 1] = code end
  table.sort(list)
  return list
end

-- Making ---------------------------------------------------------------------

local LATER = "Try again later."
local NETWORK = "Check the network, base_url and any proxy."

local by_outcome = {
  unknown = "Look for the message, by client:settle where it has a key, before sending it again:"
    .. " it may have been delivered.",
  accepted = "Do not send it again: the service took the message.",
}

-- { class, advice } where no code says it better, and whose it is where the class does not say.
local by_status = {
  [401] = { "credentials", "Check the API key." },
  [402] = { "account", "Add funds to the account." },
  [403] = { "account", "Check the account's permissions and the API key.", "message" },
  [404] = { "request", "Check base_url." },
  [408] = { "service", LATER },
  [429] = { "rate", "Slow down and send again later." },
}

local by_kind = {
  invalid = { "request", "Mend the message." },
  connection = { "network", NETWORK },
  timeout = { "network", NETWORK },
  protocol = { "network", NETWORK },
  api = { "request", "Mend the request as the detail says." },
}

local function general(err)
  if err.kind == "api" and type(err.status) == "number" then
    if err.status >= 500 then return { "service", LATER } end
    if by_status[err.status] then return by_status[err.status] end
  end
  return by_kind[err.kind] or by_kind.protocol
end

local function first_of(err)
  local first = type(err.errors) == "table" and err.errors[1]
  return type(first) == "table" and first or {}
end

local function pointer_of(entry)
  return type(entry.source) == "table" and entry.source.pointer or nil
end

local function lift_code(err)
  if err.code == nil then err.code = first_of(err).code end
  err.code = code_name(err.code)
end

local function lift_first_error(err)
  local first = first_of(err)
  lift_code(err)
  if err.title == nil then err.title = first.title end
  if err.detail == nil then err.detail = first.detail end
  if err.pointer == nil then err.pointer = pointer_of(first) end
end

--- Gives the entries of a list, errors or warnings, the titles of their codes.
---@param list table[]
---@param status any of the reply that has them, if they are from one
---@return table[] list the same
function errors.titled(list, status)
  for _, entry in ipairs(list) do
    local known = type(entry) == "table" and entry.title == nil
      and errors.meaning { code = entry.code, status = status }
    if known then entry.title = known.title end
  end
  return list
end

-- Whoever asks for the key, or for funds, asks every message.
local OF_ACCOUNT = { [401] = true, [402] = true }

local function whose(err, known, fallback)
  if known then return known.whose end
  if OF_ACCOUNT[err.status] then return "account" end
  return fallback[3] or data.whose[fallback[1]]
end

-- Of what asks about messages, none of which it sends.
local by_question = { read = "Ask again later.",
  cancel = "Get the message: it may be cancelled." }

local function general_advice(err)
  if not err.question then return by_outcome[err.outcome] end
  return err.outcome == "unknown" and by_question[err.question]
    or "It is the question that was refused: see what the service says."
end

local function explain(err)
  local known = errors.meaning(err)
  local fallback = general(err)
  err.whose = whose(err, known, fallback)
  if err.title == nil and known then err.title = known.title end
  err.class = known and known.class or fallback[1]
  err.advice = err.advice or general_advice(err) or known and known.advice or fallback[2]
end

local Error = { __name = "telnyx.error" }

local NONE = secrets.new({})

-- In place, one level deep: what is below is copied, since it may be a sender's own.
local function mask_fields(fields, keeper)
  local masked = keeper.masked(fields)
  for name in next, fields do fields[name] = nil end
  for name, value in next, masked do fields[name] = value end
end

--- What a sender gave, as it may be told: a copy without secrets, with its first error's code, and
--- the beginning of a body that could not be read, which senders hand over whole.
---@param given table
---@param keeper telnyx.secrets
---@return table
function errors.received(given, keeper)
  local err = keeper.masked(given)
  if type(err.unreadable) == "string" and type(err.cause) == "string" then
    err.cause = err.cause .. ": " .. line.quote(err.unreadable)
  end
  err.unreadable = nil
  lift_code(err)
  return err
end

--- Turns a plain error table into an error object, in place.
--
-- A missing code, title, detail or pointer is taken from the first of
-- `errors`, a missing title from the catalogue; class and advice are set.
-- Whatever looks like an API key is masked, and so are the keeper's secrets.
---@param fields table
---@param keeper? telnyx.secrets
---@return telnyx.error
function errors.new(fields, keeper)
  mask_fields(fields, keeper or NONE)
  if type(fields.errors) == "table" then errors.titled(fields.errors, fields.status) end
  if type(fields.warnings) == "table" then errors.titled(fields.warnings) end
  if fields.source == nil and fields.kind == "api" and fields.outcome == "rejected" then
    fields.source = "service"
  end
  lift_first_error(fields)
  explain(fields)
  return setmetatable(fields, Error)
end

local function service_shape(violation)
  local source = violation.pointer and { pointer = violation.pointer } or nil
  return {
    rule = violation.rule,
    code = code_name(violation.code),
    title = violation.title,
    detail = violation.detail,
    advice = violation.advice,
    source = source,
  }
end

--- An error for a message that broke a rule before anything was sent.
---@param violations table  { code=, detail=, pointer=, title=, rule=, advice= }, or a list
---@return telnyx.error
function errors.invalid(violations)
  local list = violations[1] and violations or { violations }
  local shaped = {}
  for index, violation in ipairs(list) do
    shaped[index] = service_shape(violation)
  end
  local first = list[1] or {}
  return errors.new {
    outcome = "not_sent", kind = "invalid", source = "local", retryable = false,
    rule = first.rule, advice = first.advice, errors = shaped,
  }
end

--- Whether a value is an error of this library.
---@param value any
---@return boolean
function errors.is(value)
  return type(value) == "table" and getmetatable(value) == Error
end

Error.__tostring = line.of

-- Lets the common `"failed: " .. err` work as it does with a string.
function Error.__concat(left, right)
  return tostring(left) .. tostring(right)
end

return errors
