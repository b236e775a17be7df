--- What each rule is, as decided from what is known of the service: { name, verdict, way out, code,
--- a message that breaks it and nothing else, the field it is told of }. In the order in which the
--- rules are listed.

local vectors = require("spec.vectors.validate")

local with, ABSENT, PROFILE, URL = vectors.with, vectors.absent, vectors.profile, vectors.url

local NONE = nil -- options break it, or more than a message can show here

local eleven = {}
for i = 1, 11 do eleven[i] = URL end

local odd_key = with {}
odd_key[1] = "x"

local ABROAD = "+447700900001"

return {
  { "message_key", "refuse", false, "message_key", odd_key, "" },
  { "unknown_field", "refuse", false, "unknown_field", with { colour = "red" }, "/colour" },
  { "extra", "refuse", false, "extra", with { extra = { text = "x" } }, "/extra/text" },
  { "value_type", "refuse", false, "10015", with { subject = 42 }, "/subject" },
  { "not_utf8", "refuse", false, "10028", with { text = "caf\233" }, "/text" },
  { "more_faults", "refuse", false, "more_faults", NONE },

  { "to_missing", "refuse", false, "10004", with { to = ABSENT }, "/to" },
  { "to_list", "refuse", false, "to_list", with { to = { "+18665550001" } }, "/to" },
  { "to_shape", "refuse", true, "40310", with { to = "8665550001" }, "/to" },
  { "to_nanp", "refuse", true, "40310", with { to = "+11665550001" }, "/to" },
  { "to_short_code", "warn", true, "40310", with { to = "2282" }, "/to" },
  { "to_is_from", "warn", true, "40310", with { to = "+18445550001" }, "/to" },

  { "sender_missing", "refuse", true, "10004", with { from = ABSENT }, "/from" },
  { "from_shape", "refuse", true, "40305", with { from = "8445550001" }, "/from" },
  { "from_nanp", "refuse", true, "40305", with { from = "+11445550001" }, "/from" },
  { "from_short_code", "refuse", true, "40305", with { from = "1234" }, "/from" },
  { "from_alphanumeric", "refuse", false, "40325",
    with { from = "ABCDEFGHIJKL", to = ABROAD, messaging_profile_id = PROFILE }, "/from" },
  { "from_characters", "refuse", true, "40325",
    with { from = "Big-Bank", to = ABROAD, messaging_profile_id = PROFILE }, "/from" },
  { "alphanumeric_profile", "refuse", true, "10004", with { from = "Telnyx", to = ABROAD },
    "/messaging_profile_id" },
  { "alphanumeric_mms", "refuse", true, "40308",
    with { from = "Telnyx", to = ABROAD, messaging_profile_id = PROFILE, type = "MMS" }, "/from" },
  { "alphanumeric_abroad", "warn", true, "40301",
    with { from = "Telnyx", messaging_profile_id = PROFILE }, "/from" },
  { "mms_sender", "warn", true, "40308", with { from = ABROAD, type = "MMS" }, "/from" },
  { "profile_id", "refuse", true, "10006", with { messaging_profile_id = "x" },
    "/messaging_profile_id" },

  { "no_content", "refuse", true, "40316", with { text = ABSENT }, "/text" },
  { "text_empty", "warn", true, "text_empty", with { text = "", media_urls = { URL } }, "/text" },
  { "too_many_parts", "refuse", true, "40302", with { text = ("a"):rep(1531) }, "/text" },
  { "too_many_parts_for_any", "refuse", true, "40302", with { text = ("a"):rep(3826) }, "/text" },
  { "may_be_too_many_parts", "warn", true, "40302", with { text = ("]"):rep(761) }, "/text" },
  { "gsm7_impossible", "refuse", true, "10015", with { text = "中", encoding = "gsm7" }, "/text" },
  { "gsm7_empty", "refuse", true, "10015",
    with { text = "\226\128\139", encoding = "gsm7" }, "/text" },
  { "sms_with_media", "refuse", true, "40304", with { media_urls = { URL }, type = "SMS" },
    "/media_urls" },
  { "sms_with_subject", "refuse", true, "40304", with { subject = "Hi", type = "SMS" },
    "/subject" },
  { "media_list", "refuse", false, "10015", with { media_urls = { [2] = URL } }, "/media_urls" },
  { "media_count", "refuse", false, "40317", with { media_urls = eleven }, "/media_urls" },
  { "media_empty", "warn", true, "media_empty", with { media_urls = {} }, "/media_urls" },

  { "url_shape", "refuse", true, "10003", with { webhook_url = "example.com" }, "/webhook_url" },
  { "url_length", "refuse", true, "10003",
    with { webhook_url = "https://example.com/" .. ("a"):rep(1981) }, "/webhook_url" },
  { "url_private", "warn", true, "url_private", with { webhook_url = "http://localhost/" },
    "/webhook_url" },
  { "url_empty", "warn", true, "url_empty", with { webhook_url = "" }, "/webhook_url" },

  { "type_choice", "refuse", true, "10015", with { type = "sms" }, "/type" },
  { "encoding_choice", "refuse", true, "10015", with { encoding = "utf8" }, "/encoding" },
  { "send_at_form", "refuse", true, "10015", with { send_at = "soon" }, "/send_at" },
  { "send_at_window", "refuse", true, "10033", with { send_at = "2024-01-01T00:00:00Z" },
    "/send_at" },

  { "max_parts", "refuse", false, "max_parts", NONE },
  { "on_ucs2", "refuse", false, "on_ucs2", NONE },
  { "key_shape", "refuse", false, "key_shape", NONE },
  { "key_used", "refuse", false, "key_used", NONE },
  { "group_to", "refuse", false, "group_to", NONE },
  { "opted_out", "refuse", false, "40300", NONE },
  { "idempotency_key", "refuse", false, "10015", NONE },
}
