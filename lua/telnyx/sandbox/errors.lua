--- What the service says when it refuses: its codes, with the HTTP status they
-- travel in, and the envelope around them.
--
-- The service publishes codes and titles, but not the status of each code.
-- Where no reply has been seen in public, the status here is the likeliest one
-- of its family: a program should look at the code.

local json = require("telnyx.sandbox.json")

local errors = {}

errors.catalogue = {
  ["10002"] = { status = 400, title = "Invalid phone number",
    detail = "The phone number is not valid." },
  ["10003"] = { status = 400, title = "Invalid URL",
    detail = "The URL must be an absolute http or https URL of at most 2000 characters." },
  ["10004"] = { status = 400, title = "Missing required parameter",
    detail = "The parameter is required and was not given." },
  ["10005"] = { status = 404, title = "Resource not found",
    detail = "The requested resource or URL could not be found." },
  ["10006"] = { status = 400, title = "Invalid ID",
    detail = "The ID is not a UUID." },
  ["10007"] = { status = 500, title = "Unexpected error",
    detail = "An unexpected error occurred." },
  ["10008"] = { status = 408, title = "Request timeout",
    detail = "The request took too long to process." },
  ["10009"] = { status = 401, title = "Authentication failed",
    detail = "No usable credentials were found in the request." },
  ["10010"] = { status = 403, title = "Authorization failed",
    detail = "You do not have permission to perform this action." },
  ["10011"] = { status = 429, title = "Too many requests",
    detail = "You have exceeded the maximum number of allowed requests." },
  ["10015"] = { status = 400, title = "Bad Request",
    detail = "The request failed because it was not well-formed." },
  ["10023"] = { status = 400, title = "Invalid JSON",
    detail = "The request body is not valid JSON." },
  ["10026"] = { status = 400, title = "Invalid type",
    detail = "The parameter has the wrong type." },
  ["10027"] = { status = 422, title = "Unprocessable Entity",
    detail = "The request was well-formed but could not be processed." },
  ["10028"] = { status = 400, title = "Undecodable request body",
    detail = "The request body is not valid UTF-8." },
  ["10029"] = { status = 400, title = "Expected JSON",
    detail = "The Content-Type of the request must be application/json." },
  ["10030"] = { status = 405, title = "Method not allowed",
    detail = "The method is not allowed for this URL." },
  ["10032"] = { status = 400, title = "Invalid enumerated value",
    detail = "The value is not one of those allowed." },
  ["10033"] = { status = 400, title = "Value outside of range",
    detail = "The value is outside of the allowed range." },
  ["10036"] = { status = 409, title = "Resource being processed",
    detail = "The resource is being processed by another request." },
  ["10037"] = { status = 503, title = "Service unavailable",
    detail = "The service is temporarily unavailable." },
  ["10038"] = { status = 403, title = "Feature not permitted",
    detail = "This feature is not permitted at your account's level." },
  ["10039"] = { status = 403, title = "Feature limited",
    detail = "At this account's level messages can only be sent to verified destinations." },
  ["20002"] = { status = 401, title = "API Key revoked",
    detail = "The API key has been revoked." },
  ["20006"] = { status = 401, title = "Expired API Key",
    detail = "The API key has expired." },
  ["20012"] = { status = 403, title = "Account inactive",
    detail = "The account is inactive." },
  ["20015"] = { status = 403, title = "Feature not enabled",
    detail = "This feature is not enabled for the account." },
  ["20100"] = { status = 402, title = "Insufficient funds",
    detail = "The account has insufficient funds to perform this action." },
  ["40001"] = { title = "Not routable",
    detail = "The destination number is a landline or a non-routable wireless number." },
  ["40002"] = { title = "Blocked as spam - temporary",
    detail = "The message was flagged by a SPAM filter and was not delivered." },
  ["40003"] = { title = "Blocked as spam - permanent",
    detail = "The message was flagged by a SPAM filter and was not delivered." },
  ["40006"] = { title = "Recipient server unavailable",
    detail = "The recipient server is unavailable or not responding." },
  ["40008"] = { title = "Undeliverable",
    detail = "The recipient server could not deliver the message." },
  ["40010"] = { title = "Not 10DLC registered",
    detail = "The sending number is not registered to a 10DLC campaign." },
  ["40014"] = { title = "Expired in queue",
    detail = "The message expired before it left the queue." },
  ["40300"] = { status = 403, title = "Blocked due to STOP message",
    detail = "Messages cannot be sent between these numbers because of a block rule." },
  ["40301"] = { status = 400, title = "Unsupported message type for 'to' address",
    detail = "Messages from this sender to this destination are not supported." },
  ["40302"] = { status = 400, title = "Message too large",
    detail = "The message would be divided into more than 10 parts." },
  ["40303"] = { status = 404, title = "Message not found",
    detail = "The message could not be found." },
  ["40304"] = { status = 400, title = "Invalid combination of message content arguments",
    detail = "An SMS has only a text; an MMS may have a subject and media_urls." },
  ["40305"] = { status = 400, title = "Invalid 'from' address",
    detail = "The 'from' address should be a valid number or alphanumeric ID"
      .. " on the sending messaging profile." },
  ["40306"] = { status = 400, title = "Alpha sender not configured",
    detail = "The messaging profile has no alphanumeric sender ID." },
  ["40308"] = { status = 400, title = "Invalid 'from' address for MMS",
    detail = "The sender cannot send MMS." },
  ["40309"] = { status = 400, title = "Invalid destination region",
    detail = "The destination's region is not whitelisted on the messaging profile." },
  ["40310"] = { status = 400, title = "Invalid 'to' address",
    detail = "The 'to' address should be a single valid number." },
  ["40312"] = { status = 403, title = "Messaging profile is disabled",
    detail = "The messaging profile is disabled." },
  ["40314"] = { status = 403, title = "Messaging disabled",
    detail = "Messaging has been disabled on this account." },
  ["40315"] = { status = 400, title = "Unhealthy 'from' address",
    detail = "The sender's success ratio is too low or its spam ratio too high." },
  ["40316"] = { status = 400, title = "No content provided",
    detail = "The message has neither text nor media_urls." },
  ["40317"] = { status = 400, title = "Invalid MMS content",
    detail = "An MMS has at most 10 media items." },
  ["40318"] = { status = 400, title = "Message queue full",
    detail = "The queue of the sender is full. Wait before you send again." },
  ["40319"] = { status = 400, title = "Incompatible message type for 'to' address",
    detail = "The destination cannot receive this type of message." },
  ["40320"] = { status = 400, title = "Temporarily unusable 'from' address",
    detail = "The sender cannot be used for the moment." },
  ["40321"] = { status = 400, title = "No usable numbers on messaging profile",
    detail = "The number pool of the messaging profile is off or empty." },
  ["40322"] = { status = 400, title = "Blocked due to content",
    detail = "The message was blocked because of its content." },
  ["40325"] = { status = 400, title = "Invalid alphanumeric sender ID",
    detail = "An alphanumeric sender ID is 1 to 11 letters, digits and spaces,"
      .. " with at least one letter." },
  ["40328"] = { status = 400, title = "SMS exceeds recommended size",
    detail = "The message would be divided into more parts than recommended." },
  ["40329"] = { status = 403, title = "Toll-free number not verified",
    detail = "The toll-free sender is not verified." },
  ["40330"] = { status = 403, title = "Toll-free number not provisioned",
    detail = "The toll-free sender is not provisioned." },
  ["40331"] = { status = 400, title = "No whitelisted destinations",
    detail = "The messaging profile has no whitelisted destinations." },
  ["40333"] = { status = 403, title = "Messaging profile spend limit reached",
    detail = "The messaging profile has reached its spend limit." },
}

local DOCUMENTATION = "https://developers.telnyx.com/docs/overview/errors/"

---One error in the service's shape.
---@param problem { code: string, detail: string|nil, pointer: string|nil }
---@return table
function errors.object(problem)
  local entry = errors.catalogue[problem.code]
  local members = {
    { "code", problem.code },
    { "title", entry.title },
    { "detail", problem.detail or entry.detail },
  }
  if problem.pointer then
    members[4] = { "source", json.object { { "pointer", problem.pointer } } }
  end
  members[#members + 1] = { "meta", json.object { { "url", DOCUMENTATION .. problem.code } } }
  return json.object(members)
end

---The body of a refusal.
---@param problems { code: string, detail: string|nil, pointer: string|nil }[]
---@return string
function errors.envelope(problems)
  local list = {}
  for i, problem in ipairs(problems) do list[i] = errors.object(problem) end
  return json.encode(json.object { { "errors", json.array(list) } })
end

return errors
