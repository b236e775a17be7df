-- Telnyx's error codes that can meet a message: in the reply to a send
-- (1xxxx, 2xxxx, 403xx) or later, in the `errors` of a webhook or a fetched
-- message (400xx, 401xx), or of an attempt to deliver a webhook (75xxx); and
-- this library's own.
--
-- A title here is what is shown when the service sends none of its own. The
-- first sentence of an advice stands alone: it ends the one-line form of an
-- error, so it must make sense to somebody who has read nothing else.

local NEW_KEY = "Create a new API key in the Telnyx portal and use that."
local OTHER_KEY = "Check the API key in the Telnyx portal."
local TOLL_FREE = "Ask Telnyx support about this number's registration."
local PERMISSIONS = "Check the API key's permissions in the Telnyx portal."
local CERTIFICATE = "Mend the certificate of the webhook's server: "
local RECEIVER = "Look at the program that takes the webhooks: "
local NOT_A_SEND = "Ask Telnyx support: this code is about setting numbers up,"
  .. " not about sending."

--- What each class of trouble means, and so who can mend it.
local classes = {
  request = "the request is not what the API expects: mend the program",
  content = "the text or the media: change the message",
  recipient = "the number it goes to: check or drop the recipient",
  sender = "the number or name it comes from, or its messaging profile",
  account = "the account's state, level, funds or limits",
  credentials = "the API key or secret",
  rate = "too much at once: slow down",
  service = "trouble inside Telnyx",
  carrier = "the networks behind Telnyx did not deliver",
  network = "the way between this program and Telnyx, and from there to webhooks",
}

--- Whose trouble each class is: what else meets it, and what does not.
local whose = {
  request = "message", content = "message", recipient = "message", carrier = "message",
  sender = "sender", rate = "sender", account = "account", credentials = "account",
  service = "service", network = "service",
}

-- { code, class, title, advice, and whose where the class does not say }
local rows = {
  -- The request as a whole --------------------------------------------------
  { "10001", "sender", "Inactive phone number",
    "Use a phone number that is active on the account." },
  { "10002", "recipient", "Invalid phone number",
    "Check the phone number; it must be in E.164 form, as +18665550001." },
  { "10003", "request", "Invalid URL",
    "Give a complete http or https URL of at most 2000 characters." },
  { "10004", "request", "Missing required parameter",
    "Add the field that the error points to." },
  { "10005", "request", "Resource not found",
    "Check base_url and every id in the message. A request without an"
    .. " API key can also be answered like this." },
  { "10006", "request", "Invalid ID",
    "Check the ids in the message, such as messaging_profile_id." },
  { "10007", "service", "Unexpected error",
    "See status.telnyx.com; if it lasts, give the request id to support." },
  { "10008", "service", "Request timeout",
    "See status.telnyx.com; if it lasts, give the request id to support." },
  { "10009", "credentials", "Authentication failed",
    "Check the API key. It is sent as it was given, so look for a missing"
    .. " part or a stray space." },
  { "10010", "credentials", "Authorization failed",
    "Use an API key of the account that owns the sender and the profile." },
  { "10011", "rate", "Too many requests",
    "Slow down and send again later.", "account" },
  { "10014", "request", "Unsupported Media Type",
    "Send the body as application/json." },
  { "10015", "request", "Bad Request",
    "Compare the message with the API's fields; the detail says what is"
    .. " wrong." },
  { "10016", "recipient", "Phone number must be in +E.164 format",
    "Write the number in E.164 form, as +18665550001." },
  { "10020", "request", "Invalid resource type",
    "Give the field a value of the type that the API expects." },
  { "10023", "request", "Invalid JSON",
    "Send a body that is valid JSON. A proxy that changes requests is one"
    .. " way to get here." },
  { "10024", "request", "Unsupported Content-Type",
    "Send the body as application/json." },
  { "10025", "request", "String length out of range",
    "Make the value shorter or longer, as the detail says." },
  { "10026", "request", "Invalid parameter type",
    "Give the field a value of the type that the API expects." },
  { "10027", "request", "Unprocessable Entity",
    "Mend the field that the error points to." },
  { "10028", "request", "Character encoding error",
    "Send text that is valid UTF-8." },
  { "10029", "request", "Expected JSON Content-Type",
    "Send the body as application/json." },
  { "10030", "request", "Method not allowed",
    "Check base_url: messages are sent with POST to /v2/messages." },
  { "10032", "request", "Invalid enumerated value",
    "Use one of the values that the API lists for the field." },
  { "10033", "request", "Value outside of range",
    "Give a value inside the range that the detail names." },
  { "10035", "service", "Resource locked",
    "Wait until the other change to this resource is finished." },
  { "10036", "service", "Resource is being processed",
    "Wait until the earlier request is finished." },
  { "10037", "service", "Service unavailable",
    "See status.telnyx.com; if it lasts, give the request id to support." },
  { "10038", "account", "Feature not permitted",
    "Upgrade the account to use this feature." },
  { "10039", "account", "Feature limited",
    "Upgrade the account, or send to a verified number only. Trial accounts"
    .. " can text no others." },

  -- The key and the account -------------------------------------------------
  { "20001", "credentials", "Invalid API Key secret", OTHER_KEY },
  { "20002", "credentials", "API Key revoked", NEW_KEY },
  { "20003", "credentials", "API Key forbidden", OTHER_KEY },
  { "20004", "credentials", "Invalid permission groups", PERMISSIONS },
  { "20005", "credentials", "Invalid user", OTHER_KEY },
  { "20006", "credentials", "Expired access token", NEW_KEY },
  { "20007", "credentials", "Invalid permission groups", PERMISSIONS },
  { "20008", "credentials", "Invalid API Key", OTHER_KEY },
  { "20012", "account", "Account inactive",
    "Reactivate the account; an empty balance is the usual cause." },
  { "20013", "account", "Account blocked",
    "Ask Telnyx support why the account is blocked." },
  { "20014", "account", "Account unverified",
    "Verify the account in the Telnyx portal." },
  { "20015", "account", "Feature not enabled",
    "Check the balance and that messaging is enabled on the account." },
  { "20016", "account", "Account not level 1 verified",
    "Complete level 1 verification in the Telnyx portal." },
  { "20017", "account", "Account not level 2 verified",
    "Complete level 2 verification in the Telnyx portal. Alphanumeric"
    .. " senders need it." },
  { "20100", "account", "Insufficient Funds",
    "Add funds to the account." },

  -- Said about a send at once -----------------------------------------------
  { "40300", "recipient", "Blocked due to STOP message",
    "Do not text this recipient: they sent STOP. Only they can undo it, by"
    .. " texting START." },
  { "40301", "recipient", "Unsupported message type for the 'to' address",
    "Send another type of message, or from another kind of sender." },
  { "40302", "content", "Message too large",
    "Shorten the text to 10 parts or fewer, or send it as MMS." },
  { "40303", "request", "Message not found",
    "Check the message id; messages can be fetched for ten days." },
  { "40304", "content", "Invalid combination of message content arguments",
    "Send text alone as SMS; subject and media_urls belong to MMS." },
  { "40305", "sender", "Invalid 'from' address",
    "Use a sender that is assigned to the messaging profile." },
  { "40306", "sender", "Alpha sender not configured",
    "Set an alphanumeric sender on the messaging profile." },
  { "40307", "sender", "Alpha sender mismatch",
    "Use the alphanumeric sender that the messaging profile names." },
  { "40308", "sender", "Invalid 'from' address for MMS",
    "Send MMS from a US long code or an MMS short code." },
  { "40309", "recipient", "Invalid destination region",
    "Add the recipient's country to the profile's allowed destinations." },
  { "40310", "recipient", "Invalid 'to' address",
    "Give one valid number in E.164 form, as +18665550001." },
  { "40311", "credentials", "Invalid messaging profile secret",
    "Check the messaging profile's secret, or use an API key." },
  { "40312", "sender", "Messaging profile is disabled",
    "Enable the messaging profile in the Telnyx portal.", "profile" },
  { "40313", "credentials", "Missing messaging profile secret",
    "Give the messaging profile's secret, or use an API key." },
  { "40314", "account", "Messaging disabled on account",
    "Ask Telnyx support to enable messaging on the account." },
  { "40315", "sender", "Unhealthy 'from' address",
    "Use another sender: too many of this one's messages fail or are"
    .. " marked as spam." },
  { "40316", "content", "No content provided for message",
    "Give the message a text or media_urls." },
  { "40317", "content", "Invalid MMS content",
    "Send at most 10 media files, under 1 MB in all." },
  { "40318", "rate", "Message queue full",
    "Slow down and send again later. A sender's queue, and the account's,"
    .. " hold what goes out in four hours." },
  { "40319", "recipient", "Incompatible message type for the 'to' address",
    "Send another type of message, or from another kind of sender." },
  { "40320", "sender", "Temporarily unusable 'from' address",
    "Wait until the number's purchase is complete, or use another sender." },
  { "40321", "sender", "No usable numbers on messaging profile",
    "Assign numbers to the profile and enable its number pool, or give"
    .. " `from`." },
  { "40322", "content", "Blocked due to content",
    "Change the text: it breaks Telnyx's acceptable use policy." },
  { "40323", "sender", "Messaging activation failed", NOT_A_SEND },
  { "40324", "sender", "Messaging product type change failed", NOT_A_SEND },
  { "40325", "sender", "Invalid alphanumeric sender ID",
    "Use 1 to 11 letters, digits or spaces, with at least one letter." },
  { "40326", "sender", "Cannot assign alphanumeric sender ID", NOT_A_SEND },
  { "40327", "sender", "Invalid Domain",
    "Use a domain that the profile's URL shortener has.", "profile" },
  { "40328", "content", "SMS exceeds recommended size",
    "Shorten the text, send it as MMS, or set auto_detect to false." },
  { "40329", "sender", "Tollfree number is not verified",
    "Verify the toll-free number, or wait for its approval." },
  { "40330", "sender", "Tollfree number is not provisioned",
    "Wait until the toll-free number is set up, or ask Telnyx support." },
  { "40331", "sender", "Missing whitelisted destinations",
    "Add countries to the messaging profile's allowed destinations.", "profile" },
  { "40332", "sender", "Brand cannot be deleted", NOT_A_SEND },
  { "40333", "account", "Messaging profile spend limit reached",
    "Raise the profile's daily spend limit, or wait until midnight UTC.", "profile" },
  { "41000", "service", "WhatsApp Error",
    "See the detail: it is about WhatsApp, not about SMS or MMS." },

  -- Said later, when a message that was accepted did not arrive -------------
  { "40001", "recipient", "Not routable",
    "Drop this recipient: it is a landline or cannot receive messages." },
  { "40002", "content", "Blocked as spam - temporary",
    "Stop sending, and review the text and the recipients' consent." },
  { "40003", "content", "Blocked as spam - permanent",
    "Use another sender, and review the text and the recipients' consent." },
  { "40004", "carrier", "Rejected by destination",
    "Wait before sending again; if it lasts, ask Telnyx support." },
  { "40005", "carrier", "Message expired during transmission",
    "Ask Telnyx support if it happens often: a carrier was too slow." },
  { "40006", "carrier", "Recipient server unavailable",
    "Send again later: the recipient's carrier is not answering." },
  { "40007", "carrier", "Loop detected",
    "Look for programs that answer each other's messages." },
  { "40008", "carrier", "Undeliverable",
    "Send again later, once; then check the number." },
  { "40009", "content", "Invalid message body",
    "Change the text: the carrier does not take it." },
  { "40010", "sender", "Not 10DLC registered",
    "Assign the sending number to a 10DLC campaign." },
  { "40011", "rate", "Too many requests",
    "Slow down: the carrier's limit for this sender was passed." },
  { "40012", "recipient", "Invalid messaging destination number",
    "Check the recipient's number: the carrier does not know it." },
  { "40013", "sender", "Invalid messaging source number",
    "Check that the sending number is active and enabled for messaging." },
  { "40014", "rate", "Message expired in queue",
    "Slow down: it waited too long behind other messages. It was not"
    .. " billed." },
  { "40015", "content", "Blocked as spam - internal",
    "Change the text: Telnyx's own filter takes it for spam." },
  { "40016", "rate", "T-Mobile 10DLC Sending Limit Reached",
    "Wait until the daily limit resets, at midnight Pacific time." },
  { "40017", "content", "AT&T 10DLC Spam Message Rejected",
    "Change the text, and review the recipients' consent." },
  { "40018", "rate", "AT&T 10DLC Sending Limit Reached",
    "Slow down: AT&T limits each campaign's parts per minute." },
  { "40019", "sender", "AT&T 10DLC Invalid Tag Data",
    "Check the 10DLC campaign of the sending number." },
  { "40020", "rate", "Blocked as potentially artificial inflation of traffic",
    "Stop sending to this recipient for 24 hours. Look for a form on your"
    .. " side that is being abused." },
  { "40100", "sender", "Number not messaging enabled",
    "Enable messaging on the number and assign it to a profile." },
  { "40150", "sender", "Toll free number not in registry", TOLL_FREE },
  { "40151", "sender", "Message enablement pending with other provider",
    "Wait until the other provider has released the number." },
  { "40152", "sender", "Invalid OSR parameter", TOLL_FREE },
  { "40153", "sender", "Cannot access OSR", TOLL_FREE },
  { "40154", "sender", "Unauthorized NNID", TOLL_FREE },
  { "40155", "sender", "LOA required",
    "Give Telnyx support a letter of authorization for this number." },
  { "40156", "sender", "Unauthorized property name/value", TOLL_FREE },
  { "40157", "sender", "Temporarily blocked",
    "Wait: Telnyx cannot change the toll-free registry for now." },
  { "40158", "sender", "Delete failed", TOLL_FREE },
  { "40159", "sender", "Unknown OSR error", TOLL_FREE },

  -- Said of an event that could not be delivered to a webhook's URL ---------
  { "75000", "network", "Webhook delivery error",
    "Look at the server that takes the webhooks.", "profile" },
  { "75001", "network", "Could not resolve name",
    "Check the host name in the webhook's URL.", "profile" },
  { "75002", "network", "Could not connect to host",
    "Check that the webhook's server can be reached from the internet.", "profile" },
  { "75003", "network", "Certificate misconfiguration",
    CERTIFICATE .. "it cannot be verified.", "profile" },
  { "75004", "network", "Expired certificate",
    CERTIFICATE .. "it has expired.", "profile" },
  { "75005", "network", "Certificate name mismatch",
    CERTIFICATE .. "it is another host's.", "profile" },
  { "75006", "network", "Untrusted certificate root",
    CERTIFICATE .. "nobody known has signed it.", "profile" },
  { "75299", "network", "Webhook host returned a non-200 HTTP 2XX",
    "Answer webhooks with 200: any other 2xx counts as a failure.", "profile" },
  { "75300", "network", "Webhook host returned HTTP 3XX",
    "Give the webhook's final URL: redirects are not followed.", "profile" },
  { "75400", "network", "Webhook host returned HTTP 400",
    RECEIVER .. "it has answered 400.", "profile" },
  { "75404", "network", "Webhook host returned HTTP 404",
    "Check the path in the webhook's URL.", "profile" },
  { "75499", "network", "Webhook host returned HTTP 4XX",
    RECEIVER .. "it refuses events.", "profile" },
  { "75500", "network", "Webhook host returned HTTP 500",
    RECEIVER .. "it fails.", "profile" },
  { "75599", "network", "Webhook host returned HTTP 5XX",
    RECEIVER .. "it, or its proxy, fails.", "profile" },
}

-- Of some codes the service has made something else besides. They mean what they say here where
-- this holds of the status; elsewhere the status speaks alone.
local only_where = {
  ["10011"] = function(status) return status == 429 end,
  ["10016"] = function(status) return status < 500 end,
}

-- And under another title they mean this, whatever the status. { code, class, title, advice }
local retitled = {
  { "10016", "service", "Service unavailable",
    "See status.telnyx.com; if it lasts, give the request id to support." },
  { "40300", "recipient", "Destination number unreachable",
    "Check the recipient's number: its carrier cannot reach it." },
}

-- Of this library alone: what no code of the service's is known for. Their advice is that of the
-- rule by the same name. { name, class, title }
local own = {
  { "message_key", "request", "Not a field's name" },
  { "unknown_field", "request", "Unknown field" },
  { "extra", "request", "Invalid extra" },
  { "more_faults", "request", "More faults" },
  { "to_list", "request", "More than one recipient" },
  { "text_empty", "content", "Empty text" },
  { "media_empty", "content", "Empty list of media" },
  { "url_private", "request", "URL that is not public" },
  { "url_empty", "request", "Empty URL" },
  { "max_parts", "content", "More parts than max_parts" },
  { "on_ucs2", "content", "Text that would go as UCS-2" },
  { "key_shape", "request", "Not a key" },
  { "key_used", "request", "Key of another message" },
  { "group_to", "request", "Not a group of recipients" },
}

local codes = {}
for _, row in ipairs(own) do
  codes[row[1]] = { class = row[2], title = row[3], whose = whose[row[2]] }
end
local function entry_of(row)
  return { class = row[2], title = row[3], advice = row[4], whose = row[5] or whose[row[2]] }
end
for _, row in ipairs(rows) do codes[row[1]] = entry_of(row) end

local by_title = {}
for _, row in ipairs(retitled) do
  by_title[row[1]] = by_title[row[1]] or {}
  by_title[row[1]][row[3]:lower()] = entry_of(row)
end

return { codes = codes, classes = classes, whose = whose, only_where = only_where,
  by_title = by_title }
