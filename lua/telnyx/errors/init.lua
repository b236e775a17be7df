--- What went wrong, for programs (fields) and for people (one line).
--
-- Everything below a client makes plain error tables; this module is the one
-- place that gives them their class, their advice and their voice, and the
-- last place where a secret could slip out.

local data = require("telnyx.errors.catalogue")

---@alias telnyx.outcome "not_sent"|"rejected"|"unknown"|"accepted"
---@alias telnyx.kind "invalid"|"connection"|"timeout"|"api"|"protocol"

---@class telnyx.advice
---@field title string   the service's own title for the code
---@field class string   one of the names in `errors.classes`
---@field advice string  what a person should do; one or two sentences

---@class telnyx.error
---@field outcome telnyx.outcome
---@field kind telnyx.kind
---@field retryable boolean  sending again cannot make a second message
---@field code? string       of the first error, like title, detail, pointer
---@field title? string
---@field detail? string
---@field pointer? string    JSON pointer to the field at fault
---@field errors? table[]    every error, in the service's shape
---@field class string       one of the names in `errors.classes`
---@field advice string      what a person should do
---@field status? integer    HTTP status
---@field request_id? string
---@field retry_after? number  seconds that the service asks to wait
---@field ratelimit? table     { limit, remaining, reset }
---@field attempts? table[]    one row per attempt
---@field cause? string        what the transport saw, in words
---@field segments? telnyx.segments  when a limit on cost refused it
---@field key? string          when it was sent, or refused, under a key
---@field replayed? boolean    recorded by an earlier send under the key
---@field store_error? string  the outcome could not be recorded under its key
---@field should_retry_error? string  the caller's own rule raised

local errors = {}

-- Catalogue ------------------------------------------------------------------

local function code_name(code)
  if type(code) == "number" then return ("%.14g"):format(code) end
  return code
end

-- A lookup hands out a copy, so nothing that a caller does to it can change
-- what the next caller reads.
local function lookup(_, code)
  local entry = code ~= nil and data.codes[code_name(code)]
  if not entry then return nil end
  return { title = entry.title, class = entry.class, advice = entry.advice }
end

--- Telnyx's codes: index with a string or a number; nil if unknown.
---@type table<string|integer, telnyx.advice?>
errors.catalogue = setmetatable({}, {
  __index = lookup,
  __newindex = function() error("the catalogue is read-only", 2) end,
})

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

-- Secrets --------------------------------------------------------------------

local MASK = "***"
local KEY_LENGTH = 20 -- real keys are longer; words that begin with KEY are not
local MAX_DEPTH = 8   -- deeper than any reply; ends a table that holds itself

--- Replaces every occurrence of a secret.
---@param text any        anything but a string is returned as it is
---@param secret? string
---@return any
function errors.redact(text, secret)
  if type(text) ~= "string" or type(secret) ~= "string" or secret == "" then
    return text
  end
  local kept, from = {}, 1
  local first, last = text:find(secret, from, true)
  while first do
    kept[#kept + 1] = text:sub(from, first - 1)
    from = last + 1
    first, last = text:find(secret, from, true)
  end
  kept[#kept + 1] = text:sub(from)
  return table.concat(kept, MASK)
end

local function mask_key(word)
  if #word >= KEY_LENGTH then return MASK end
end

-- Catches a key that nobody named: one that a proxy or a server echoed.
local function mask_key_shapes(text)
  text = text:gsub("([Bb]earer%s+)[^%s\"']+", "%1" .. MASK)
  return (text:gsub("KEY[%w_%-]+", mask_key))
end

local scrub_table

local function scrub(value, secret, depth)
  if type(value) == "string" then
    return mask_key_shapes(errors.redact(value, secret))
  elseif type(value) == "table" and depth < MAX_DEPTH then
    return scrub_table(value, secret, depth + 1)
  end
  return value
end

function scrub_table(fields, secret, depth)
  for name, value in pairs(fields) do
    fields[name] = scrub(value, secret, depth)
  end
  return fields
end

-- Making ---------------------------------------------------------------------

local LATER = "Try again later."
local NETWORK = "Check the network, base_url and any proxy."

local by_outcome = {
  unknown = "Look for the message in the portal or in a webhook before"
    .. " sending it again: it may have been delivered.",
  accepted = "Do not send it again: the service took the message.",
}

-- { class, advice } where no code says it better.
local by_status = {
  [401] = { "credentials", "Check the API key." },
  [402] = { "account", "Add funds to the account." },
  [403] = { "account", "Check the account's permissions and the API key." },
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

local function lift_first_error(err)
  local first = first_of(err)
  if err.code == nil then err.code = first.code end
  err.code = code_name(err.code)
  if err.title == nil then err.title = first.title end
  if err.detail == nil then err.detail = first.detail end
  if err.pointer == nil then err.pointer = pointer_of(first) end
end

local function name_errors(list)
  for _, entry in ipairs(list) do
    local known = type(entry) == "table" and errors.catalogue[entry.code]
    if known and entry.title == nil then entry.title = known.title end
  end
end

local function explain(err)
  local known = errors.catalogue[err.code]
  local fallback = general(err)
  if err.title == nil and known then err.title = known.title end
  err.class = known and known.class or fallback[1]
  err.advice = err.advice or by_outcome[err.outcome] or known and known.advice or fallback[2]
end

local Error = { __name = "telnyx.error" }

--- Turns a plain error table into an error object, in place.
--
-- A missing code, title, detail or pointer is taken from the first of
-- `errors`, a missing title from the catalogue; class and advice are set.
-- Whatever looks like an API key is masked, and so is `secret`.
---@param fields table
---@param secret? string  the API key in use
---@return telnyx.error
function errors.new(fields, secret)
  secret = secret or fields.api_key
  fields.api_key = nil
  scrub_table(fields, secret, 0)
  if type(fields.errors) == "table" then name_errors(fields.errors) end
  lift_first_error(fields)
  explain(fields)
  return setmetatable(fields, Error)
end

local function service_shape(violation)
  local source = violation.pointer and { pointer = violation.pointer } or nil
  return {
    code = code_name(violation.code),
    title = violation.title,
    detail = violation.detail,
    source = source,
  }
end

--- An error for a message that broke a rule before anything was sent.
---@param violations table  { code=, detail=, pointer=, title= }, or a list
---@return telnyx.error
function errors.invalid(violations)
  local list = violations[1] and violations or { violations }
  local shaped = {}
  for index, violation in ipairs(list) do
    shaped[index] = service_shape(violation)
  end
  return errors.new {
    outcome = "not_sent", kind = "invalid", retryable = false, errors = shaped,
  }
end

--- Whether a value is an error of this library.
---@param value any
---@return boolean
function errors.is(value)
  return type(value) == "table" and getmetatable(value) == Error
end

-- Speaking -------------------------------------------------------------------

local LONGEST = 240 -- bytes of any one piece of foreign text

local function hex(bytes)
  return (bytes:gsub(".", function(byte)
    return ("\\x%02X"):format(byte:byte())
  end))
end

local named = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function show_control(byte) return named[byte] or hex(byte) end

local sequences = {
  "[\194-\223][\128-\191]",
  "[\224-\239][\128-\191][\128-\191]",
  "[\240-\244][\128-\191][\128-\191][\128-\191]",
}

local function is_utf8(text)
  for _, sequence in ipairs(sequences) do text = text:gsub(sequence, " ") end
  return not text:find("[\128-\255]")
end

-- C1 controls, line and paragraph separators, and the marks that turn the
-- direction of text: each can forge or hide a line in a log.
local unsafe = {
  "\194[\128-\159]", "\226\128[\168-\174]", "\226\129[\166-\169]",
}

local function visible(text)
  text = text:gsub("[^\32-\126\128-\255]", show_control)
  if not is_utf8(text) then return (text:gsub("[\128-\255]", hex)) end
  for _, pattern in ipairs(unsafe) do text = text:gsub(pattern, hex) end
  return text
end

local function shorten(text)
  if #text <= LONGEST then return text end
  local cut = text:sub(1, LONGEST)
  return (cut:gsub("[\194-\244][\128-\191]*$", "")) .. "..."
end

-- Masking comes before the cut, so that no half of a key is left at the end.
local function clean(value)
  local kind = type(value)
  if kind == "number" then return code_name(value) end
  if kind ~= "string" or value == "" then return nil end
  return visible(shorten(mask_key_shapes(value)))
end

-- One full stop, not the end of an ellipsis.
local function without_stop(text) return (text:gsub("([^.])%.$", "%1")) end

local labels = { not_sent = "not sent" }

local function head(err)
  local label = clean(labels[err.outcome] or err.outcome) or "failed"
  local status = clean(err.status)
  return status and ("%s (%s)"):format(label, status) or label
end

local function count_more(err)
  local more = type(err.errors) == "table" and #err.errors - 1 or 0
  if more < 1 then return "" end
  return (", and %d more error%s"):format(more, more == 1 and "" or "s")
end

local function coded(err)
  local text = clean(err.code)
  local title, detail = clean(err.title), clean(err.detail)
  if title then text = text and text .. " " .. title or title end
  if detail then text = text and text .. ": " .. detail or detail end
  if not text then return nil end
  text = without_stop(text)
  local pointer = clean(err.pointer)
  if pointer then text = ("%s (%s)"):format(text, pointer) end
  return text .. count_more(err)
end

-- Where no error of the service is at hand: what happened, by outcome and kind.
local stories = {
  unknown = {
    timeout = "the request went out and no answer came in time",
    connection = "the request went out and the connection broke",
    protocol = "the request went out and the answer made no sense",
    api = "the request went out and the service failed",
  },
  not_sent = {
    invalid = "the message is not valid",
    connection = "no connection could be made",
    timeout = "no connection could be made in time",
    protocol = "no connection could be made",
  },
  rejected = {
    api = "the service refused the message",
    protocol = "the answer is not the API's",
  },
}

local function story(err)
  local of_outcome = stories[err.outcome]
  return of_outcome and of_outcome[err.kind] or "something went wrong"
end

local function tell(err)
  local cause = clean(err.cause)
  if not cause then return story(err) end
  cause = without_stop(cause)
  if err.outcome == "rejected" then return story(err) .. ": " .. cause end
  -- A cause that begins at the beginning needs no introduction.
  if err.outcome ~= "unknown" or cause:find("^the request ") then
    return cause
  end
  return "the request went out, then: " .. cause
end

local function tell_accepted(err)
  local cause = clean(err.cause) or clean(err.detail)
  local text = "the message went out, but the reply could not be read"
  return cause and text .. ": " .. without_stop(cause) or text
end

local function body(err)
  if err.outcome == "accepted" then return tell_accepted(err) end
  return coded(err) or tell(err)
end

-- The first sentence, as the end of another one.
local function as_clause(advice)
  local text = clean(advice)
  if not text then return nil end
  text = text:match("^(.-)%.%s") or without_stop(text)
  return (text:gsub("^%u%l", string.lower))
end

local function wait_clause(err)
  local wait = err.retry_after
  if type(wait) ~= "number" or err.outcome ~= "rejected" then return nil end
  return ("the service asks to wait %.0f s"):format(math.ceil(wait))
end

local endings = {
  unknown = "it may have been delivered: do not send again without checking",
  accepted = "do not send it again",
}

local function ending(err)
  if endings[err.outcome] then return endings[err.outcome] end
  -- The detail of a local violation was written here and says what to do.
  if err.kind == "invalid" and clean(err.detail) then return nil end
  return wait_clause(err) or as_clause(err.advice)
end

local function reference(err)
  local parts = {}
  local id = clean(err.request_id)
  if id then parts[1] = "request " .. id end
  local tries = type(err.attempts) == "table" and #err.attempts or 0
  if tries > 1 then parts[#parts + 1] = tries .. " attempts" end
  if #parts == 0 then return "" end
  return (" (%s)"):format(table.concat(parts, ", "))
end

--- One line that a person can act on.
function Error.__tostring(err)
  local last = ending(err)
  return head(err) .. ": " .. body(err)
    .. (last and "; " .. last or "") .. reference(err)
end

-- Lets the common `"failed: " .. err` work as it does with a string.
function Error.__concat(left, right)
  return tostring(left) .. tostring(right)
end

return errors
