--- An attempt to deliver a webhook, byte by byte, as the sandbox's own pages show it.

local clock = require("telnyx.sandbox.clock")
local json = require("telnyx.sandbox.json")
local utf8 = require("telnyx.sandbox.utf8")

local shown_attempt = {}

local MOST_BODY = 10000

-- The service's words for what becomes of a webhook.
local TITLES = {
  [75000] = "Webhook delivery error", [75001] = "Could not resolve name",
  [75002] = "Could not connect to host", [75006] = "Untrusted certificate root",
  [75299] = "Webhook host returned a non-200 HTTP 2XX",
  [75300] = "Webhook host returned HTTP 3XX", [75400] = "Webhook host returned HTTP 400",
  [75404] = "Webhook host returned HTTP 404", [75499] = "Webhook host returned HTTP 4XX",
  [75500] = "Webhook host returned HTTP 500", [75599] = "Webhook host returned HTTP 5XX",
}

---Why an attempt failed, in the service's words.
---@param code integer|nil
---@return string|nil
function shown_attempt.title(code)
  return code and TITLES[code]
end

---@param headers table<string, string>|nil
---@return table for json.encode
function shown_attempt.headers(headers)
  local names, members = {}, {}
  for name in pairs(headers or {}) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    members[i] = { utf8.escape(name), utf8.escape(tostring(headers[name])) }
  end
  return json.object(members)
end

-- The beginning of a long text ends with a whole character; of a short one nothing is cut.
local function beginning(text)
  if #text < MOST_BODY then return text end
  return (text:sub(1, MOST_BODY):gsub("[\192-\247][\128-\191]?[\128-\191]?$", ""))
end

---@param answer telnyx.sandbox.answer|nil
---@return table|nil for json.encode
function shown_attempt.response(answer)
  if not answer or not answer.status then return nil end
  return json.object {
    { "headers", shown_attempt.headers(answer.headers) },
    { "body", utf8.escape(beginning(answer.body or "")) },
  }
end

---@param attempt table that a delivery keeps
---@param body string
---@return table for json.encode
function shown_attempt.of_delivery(attempt, body)
  return json.object {
    { "url", attempt.url },
    { "number", attempt.number },
    { "at", clock.iso8601(attempt.started_at) },
    { "seconds", attempt.finished_at - attempt.started_at },
    { "status", attempt.answer and attempt.answer.status },
    { "error", attempt.code },
    { "title", shown_attempt.title(attempt.code) },
    { "request", json.object {
      { "headers", shown_attempt.headers(attempt.headers) }, { "body", body },
    } },
    { "response", shown_attempt.response(attempt.answer) },
  }
end

return shown_attempt
