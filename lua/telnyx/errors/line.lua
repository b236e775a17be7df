--- An error as one line that a person can act on, and that no log is broken by.

local secrets = require("telnyx.errors.secrets")

local line = {}

local LONGEST = 240 -- bytes of any one piece of foreign text
local QUOTED = 60 -- bytes of a body that is not the service's

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

local function shorten(text, longest)
  if #text <= longest then return text end
  local cut = text:sub(1, longest)
  return (cut:gsub("[\194-\244][\128-\191]*$", "")) .. "..."
end

---The beginning of foreign text, in quotes.
---@param text string without secrets: it is cut here
---@return string
function line.quote(text)
  return '"' .. visible(shorten(text, QUOTED)) .. '"'
end

-- Masking comes before the cut, so that no half of a key is left at the end.
local function clean(value)
  local kind = type(value)
  if kind == "number" then return ("%.14g"):format(value) end
  if kind ~= "string" or value == "" then return nil end
  return visible(shorten(secrets.mask_shapes(value), LONGEST))
end

-- One full stop, not the end of an ellipsis.
local function without_stop(text) return (text:gsub("([^.])%.$", "%1")) end

local labels = { not_sent = "not sent" }

-- Of what asks about messages: whether one was sent is no question there.
local labels_of_question = { not_sent = "not asked", unknown = "no answer", rejected = "refused" }

local function head(err)
  local of_question = err.question and labels_of_question[err.outcome]
  local label = clean(of_question or labels[err.outcome] or err.outcome) or "failed"
  if err.replayed == true and err.outcome == "rejected" then label = label .. " before" end
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
  local places = { clean(err.pointer) }
  local rule = clean(err.rule)
  if rule and rule ~= err.code then places[#places + 1] = "rule " .. rule end
  if places[1] then text = ("%s (%s)"):format(text, table.concat(places, ", ")) end
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
    connection = "the service refused the message",
    timeout = "the service refused the message",
    protocol = "the answer is not the API's",
  },
}

local function story(err)
  if err.question and err.outcome == "rejected" then return "the answer is not the API's" end
  local of_outcome = stories[err.outcome]
  return of_outcome and of_outcome[err.kind] or "something went wrong"
end

local function tell(err)
  local cause = clean(err.cause)
  if not cause then return story(err) end
  cause = without_stop(cause)
  if err.outcome == "rejected" then return story(err) .. ": " .. cause end
  -- A cause that begins at the beginning needs no introduction.
  if err.outcome ~= "unknown" or err.question or cause:find("^the request ") then
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

-- A 429 may say only when its window ends.
local function asked_wait(err)
  local limit = err.status == 429 and err.ratelimit
  return err.retry_after or type(limit) == "table" and limit.reset
end

local function wait_clause(err)
  local wait = asked_wait(err)
  if type(wait) ~= "number" or err.outcome ~= "rejected" then return nil end
  return ("the service asks to wait %.0f s"):format(math.ceil(wait))
end

local endings = {
  unknown = "it may have been delivered: do not send again without checking",
  accepted = "do not send it again",
}

local endings_of_question = {
  cancel = "it may be cancelled: get the message to see",
}

local function ending(err)
  if err.question and err.outcome ~= "not_sent" then
    return err.outcome == "unknown" and endings_of_question[err.question] or wait_clause(err)
  end
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

---@param err table the fields of an error
---@return string
function line.of(err)
  local last = ending(err)
  return head(err) .. ": " .. body(err)
    .. (last and "; " .. last or "") .. reference(err)
end

return line
