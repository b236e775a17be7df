--- Messages and what local validation must say of them.
-- A row is { description, message, expected }: `true`, or a list of "code pointer" in any order.
-- Every row is checked with `now` as the clock: 2024-01-01T00:00:00Z.

local PROFILE = "4000eba1-a0c0-4563-9925-b25e842a7cb6"
local URL = "https://example.com/a.png"
local ABSENT = {}

--- A valid message with some fields changed.
local function with(changes)
  local message = { to = "+18665550001", from = "+18445550001", text = "Hello, World!" }
  for field, value in pairs(changes or {}) do
    if value == ABSENT then value = nil end
    message[field] = value
  end
  return message
end

local function urls(count)
  local list = {}
  for i = 1, count do list[i] = URL .. "?" .. i end
  return list
end

local function url_of(bytes)
  local head = "https://example.com/"
  return head .. ("a"):rep(bytes - #head)
end

local rows = {}

local function add(description, changes, expected)
  rows[#rows + 1] = { description, with(changes), expected }
end

--- Many values of one field, all with one result.
local function each(field, values, expected, more)
  for _, value in ipairs(values) do
    local changes = { [field] = value }
    for name, other in pairs(more or {}) do changes[name] = other end
    add(("%s = %q"):format(field, value), changes, expected)
  end
end

-- Whole messages
add("a plain SMS", {}, true)
add("every field at once", {
  messaging_profile_id = PROFILE, subject = "From Telnyx!", media_urls = { URL },
  webhook_url = "http://example.com/webhooks", webhook_failover_url = "https://backup.example.com",
  use_profile_webhooks = true, type = "MMS", auto_detect = false, encoding = "auto",
  send_at = "2024-01-02T00:00:00Z", extra = { tags = { "a" } },
}, true)
add("nothing at all", {
  to = ABSENT, from = ABSENT, text = ABSENT,
}, { "10004 /to", "10004 /from", "40316 /text" })
add("many things wrong at once", {
  to = "5550001", from = "12", text = "caf\233", messaging_profile_id = "x",
  webhook_url = "ftp://a", webhook_failover_url = "", use_profile_webhooks = "yes",
  auto_detect = 1, send_at = "soon", encoding = "utf8", type = "sms", txet = "x",
}, {
  "40310 /to", "40305 /from", "10028 /text", "10006 /messaging_profile_id", "10003 /webhook_url",
  "10003 /webhook_failover_url", "10026 /use_profile_webhooks", "10026 /auto_detect",
  "10015 /send_at", "10032 /encoding", "10032 /type", "10015 /txet",
})

-- to
add("no recipient", { to = ABSENT }, { "10004 /to" })
each("to", { "+1234567", "+123456789012345", "+998901234567", "12345", "123456" }, true)
each("to", {
  "+123456", "+1234567890123456", "+0123456789", "18665550001", "8665550001", "1234", "1234567",
  "+1 866 555 0001", "+1(866)5550001", "+1-866-555-0001", " +18665550001", "+18665550001 ",
  "+18665550001\n", "+1866555000a", "++18665550001", "+", "", "TELNYX", "+1866555\0001", "12345\0",
  "+18665550001,+18665550002", "tel:+18665550001",
}, { "40310 /to" })
add("a list of one recipient", { to = { "+18665550001" } }, { "40310 /to" })
add("a list of recipients", { to = { "+18665550001", "+18665550002" } }, { "40310 /to" })
add("a number for a recipient", { to = 18665550001 }, { "10026 /to" })

-- from and messaging_profile_id
add("neither sender nor profile", { from = ABSENT }, { "10004 /from" })
add("a number pool", { from = ABSENT, messaging_profile_id = PROFILE }, true)
each("from", { "+1234567", "+123456789012345", "12345", "123456" }, true)
each("from", {
  "+123456", "+1234567890123456", "+0123456789", "1234", "1234567", "18445550001",
  "+1 844 555 0001", " +18445550001", "+18445550001\n", "+", "", "12 34 5", "+1844555\0001",
}, { "40305 /from" })
each("from", {
  "Telnyx", "A", "A2345678901", "Big Bank 1", "1a", " a", "ABCDEFGHIJK",
}, true, { messaging_profile_id = PROFILE })
each("from", {
  "ABCDEFGHIJKL", "Big-Bank", "Bank!", "Bank_1", "a.b", "Bank\n", "Ba\0nk", "+1844555000a",
  "Caf\195\169",
}, { "40325 /from" }, { messaging_profile_id = PROFILE })
add("an alphanumeric sender without a profile", { from = "Telnyx" },
  { "10004 /messaging_profile_id" })
add("an alphanumeric sender with media",
  { from = "Telnyx", messaging_profile_id = PROFILE, media_urls = { URL } }, { "40308 /from" })
add("an alphanumeric sender with a subject",
  { from = "Telnyx", messaging_profile_id = PROFILE, subject = "Hi" }, { "40308 /from" })
add("an alphanumeric sender of an MMS",
  { from = "Telnyx", messaging_profile_id = PROFILE, type = "MMS" }, { "40308 /from" })
add("an alphanumeric sender of an SMS",
  { from = "Telnyx", messaging_profile_id = PROFILE, type = "SMS" }, true)
add("an alphanumeric sender of an MMS with everything", {
  from = "Telnyx", messaging_profile_id = PROFILE, type = "MMS", subject = "Hi",
  media_urls = { URL },
}, { "40308 /from" })
add("a short code with media", { from = "12345", media_urls = { URL } }, true)
each("messaging_profile_id", {
  PROFILE, PROFILE:upper(), "00000000-0000-0000-0000-000000000000",
  "403195bd-0000-f000-0000-123456789abc",
}, true)
each("messaging_profile_id", {
  "", "abc", PROFILE .. "0", PROFILE:sub(1, -2), (PROFILE:gsub("-", "")), "{" .. PROFILE .. "}",
  (PROFILE:gsub("4000eba1", "4000ebg1")), " " .. PROFILE, PROFILE .. "\n",
  (PROFILE:gsub("%-", "_")), "4000eba1a-0c0-4563-9925-b25e842a7cb6",
}, { "10006 /messaging_profile_id" })
add("a bad profile instead of a sender", { from = ABSENT, messaging_profile_id = "abc" },
  { "10006 /messaging_profile_id" })

-- text, subject and media
add("neither text nor media", { text = ABSENT }, { "40316 /text" })
add("an empty text and no media", { text = "" }, { "40316 /text" })
add("an SMS of neither", { text = ABSENT, type = "SMS" }, { "40316 /text" })
add("an MMS of neither", { text = ABSENT, type = "MMS" }, { "40316 /text" })
add("an empty text beside media", { text = "", media_urls = { URL } }, { "10025 /text" })
add("media only", { text = ABSENT, media_urls = { URL } }, true)
add("media only, said to be an MMS", { text = ABSENT, media_urls = { URL }, type = "MMS" }, true)
add("text only, said to be an MMS", { type = "MMS" }, true)
add("a text of one space", { text = " " }, true)
add("a text with a NUL", { text = "a\0b" }, true)
add("a subject", { subject = "Hi" }, true)
add("a subject of an MMS", { subject = "Hi", type = "MMS" }, true)
add("a subject of an SMS", { subject = "Hi", type = "SMS" }, { "40304 /subject" })
add("media of an SMS", { media_urls = { URL }, type = "SMS" }, { "40304 /media_urls" })
add("subject and media of an SMS", { subject = "Hi", media_urls = { URL }, type = "SMS" },
  { "40304 /subject", "40304 /media_urls" })
add("Latin-1 in the text", { text = "caf\233" }, { "10028 /text" })
add("a surrogate half in the text", { text = "a\237\160\128" }, { "10028 /text" })
add("an overlong NUL in the text", { text = "\192\128" }, { "10028 /text" })
add("Latin-1 in the text beside media", { text = "caf\233", media_urls = { URL } },
  { "10028 /text" })
add("Latin-1 in the subject", { subject = "caf\233" }, { "10028 /subject" })

-- Parts: refused only when more than ten however the service may count
local function sized(description, text, expected, more)
  local changes = { text = text }
  for name, value in pairs(more or {}) do changes[name] = value end
  add(description, changes, expected)
end
local TOO_LARGE = { "40302 /text" }
sized("1530 letters", ("a"):rep(1530), true)
sized("1531 letters", ("a"):rep(1531), TOO_LARGE)
sized("1531 letters said to be an SMS", ("a"):rep(1531), TOO_LARGE, { type = "SMS" })
sized("1531 letters said to be an MMS", ("a"):rep(1531), true, { type = "MMS" })
sized("1531 letters beside media", ("a"):rep(1531), true, { media_urls = { URL } })
sized("1531 letters with auto_detect off", ("a"):rep(1531), TOO_LARGE, { auto_detect = false })
sized("761 brackets: eleven parts, ten by the formula", ("]"):rep(761), true)
sized("765 brackets: eleven parts, ten by the formula", ("]"):rep(765), true)
sized("766 brackets: eleven parts by the formula too", ("]"):rep(766), TOO_LARGE)
sized("670 Han", ("中"):rep(670), true)
sized("671 Han", ("中"):rep(671), TOO_LARGE)
sized("335 faces: eleven parts, ten by the formula", ("😀"):rep(335), true)
sized("336 faces: eleven parts by the formula too", ("😀"):rep(336), TOO_LARGE)
sized("1530 Greek letters of the standard's set", ("Ω"):rep(1530), true)
sized("1531 Greek letters of the standard's set", ("Ω"):rep(1531), TOO_LARGE)
sized("1530 Greek letters that have lookalikes", ("Α"):rep(1530), true)
sized("1531 Greek letters that have lookalikes", ("Α"):rep(1531), TOO_LARGE)
sized("1530 curly quotes: ten parts after substitution", ("’"):rep(1530), true)
sized("1531 curly quotes", ("’"):rep(1531), TOO_LARGE)
sized("670 Han and a removed character", ("中"):rep(670) .. "\226\128\139", true)
sized("671 Han and a removed character", ("中"):rep(671) .. "\226\128\139", TOO_LARGE)
sized("511 ellipses: eight parts as they are, eleven after substitution", ("…"):rep(511), true)
sized("600 Han and 30 ellipses: ten parts as they are", ("中"):rep(600) .. ("…"):rep(30), true)
sized("641 Han and 30 ellipses: eleven parts either way", ("中"):rep(641) .. ("…"):rep(30),
  TOO_LARGE)
sized("500 tabs: eight parts as they are", ("\t"):rep(500), true)
sized("670 letters in forced UCS-2", ("a"):rep(670), true, { encoding = "ucs2" })
sized("671 letters in forced UCS-2", ("a"):rep(671), TOO_LARGE, { encoding = "ucs2" })
sized("510 ellipses in forced GSM-7", ("…"):rep(510), true, { encoding = "gsm7" })
sized("511 ellipses in forced GSM-7", ("…"):rep(511), TOO_LARGE, { encoding = "gsm7" })

-- media_urls
add("one picture", { media_urls = urls(1) }, true)
add("ten pictures", { media_urls = urls(10) }, true)
add("eleven pictures", { media_urls = urls(11) }, { "40317 /media_urls" })
add("no picture", { media_urls = {} }, { "40317 /media_urls" })
add("a URL instead of a list", { media_urls = URL }, { "10026 /media_urls" })
add("a list with a hole", { media_urls = { [1] = URL, [3] = URL } }, { "10026 /media_urls" })
add("a list that starts at two", { media_urls = { [2] = URL } }, { "10026 /media_urls" })
add("a list that starts at nought", { media_urls = { [0] = URL, URL } }, { "10026 /media_urls" })
add("a list with a name in it", { media_urls = { URL, url = URL } }, { "10026 /media_urls" })
add("a table of names only", { media_urls = { url = URL } }, { "10026 /media_urls" })
add("a list with a fraction in it", { media_urls = { URL, [1.5] = URL } }, { "10026 /media_urls" })
add("a list with a huge index", { media_urls = { URL, [1e15] = URL } }, { "10026 /media_urls" })
add("a number in the list", { media_urls = { URL, URL, 42 } }, { "10026 /media_urls/2" })
add("a table in the list", { media_urls = { { url = URL } } }, { "10026 /media_urls/0" })
add("a boolean in the list", { media_urls = { URL, false } }, { "10026 /media_urls/1" })
add("a bad URL in the list", { media_urls = { "a.png" } }, { "10003 /media_urls/0" })
add("a long URL in the list", { media_urls = { URL, url_of(2001) } }, { "10003 /media_urls/1" })
add("several bad items in the list", { media_urls = { "x", URL, 7, "" } },
  { "10003 /media_urls/0", "10026 /media_urls/2", "10003 /media_urls/3" })

-- URLs
local GOOD_URLS = {
  "http://example.com", "https://example.com/", "https://example.com:8443/a?b=c#d",
  "HTTPS://EXAMPLE.COM", "http://localhost:8080/hook", "http://127.0.0.1/hook",
  "http://[::1]:8080/", "https://u:p@example.com/", "https://example.com?x=1", url_of(2000),
}
local BAD_URLS = {
  "", "example.com", "//example.com/a", "ftp://example.com/a", "httpss://example.com",
  "http:/example.com", "http:example.com", "http://", "https:///path", "https://?x=1",
  "https://#x", "https://:80/", "https://exa mple.com/", "https://example.com/a b",
  "https://example.com/ ", " https://example.com/", "https://example.com/\n",
  "https://example.com/\r\nX: y", "https://example.com/\t", "https://example.com/\0",
  "https://example.com/\127", "javascript:alert(1)", "mailto:a@example.com", url_of(2001),
  url_of(100000),
}
for _, field in ipairs { "webhook_url", "webhook_failover_url" } do
  each(field, GOOD_URLS, true)
  each(field, BAD_URLS, { "10003 /" .. field })
end
for _, url in ipairs(GOOD_URLS) do
  add(("media_urls = { %q }"):format(url), { media_urls = { url } }, true)
end
for _, url in ipairs(BAD_URLS) do
  add(("media_urls = { %q }"):format(url), { media_urls = { url } }, { "10003 /media_urls/0" })
end

-- type and encoding
each("type", { "SMS", "MMS" }, true)
each("type", { "", "sms", "mms", "Mms", "RCS", "SMS ", "SMS\0", "SMSX", "SM" }, { "10032 /type" })
each("encoding", { "auto", "gsm7", "ucs2" }, true)
each("encoding", { "", "AUTO", "GSM-7", "UCS-2", "utf-8", "gsm", "gsm7\0", "ucs22" },
  { "10032 /encoding" })
add("forced GSM-7 with a Han character", { text = "a中", encoding = "gsm7" }, { "10015 /text" })
add("forced GSM-7 with a face", { text = "😀", encoding = "gsm7" }, { "10015 /text" })
add("forced GSM-7 with curly quotes", { text = "“it’s”…", encoding = "gsm7" }, true)
add("forced GSM-7 with extension characters", { text = "[€]", encoding = "gsm7" }, true)
add("automatic encoding with a Han character", { text = "a中", encoding = "auto" }, true)
add("forced UCS-2 with a Han character", { text = "a中", encoding = "ucs2" }, true)

-- Booleans
for _, field in ipairs { "use_profile_webhooks", "auto_detect" } do
  add(field .. " true", { [field] = true }, true)
  add(field .. " false", { [field] = false }, true)
  for _, value in ipairs { "true", "", 0, 1 } do
    add(("%s = %q"):format(field, tostring(value)), { [field] = value }, { "10026 /" .. field })
  end
end

-- send_at
each("send_at", {
  "2024-01-01T00:05:00Z", "2024-01-01T00:04:00Z", "2024-01-06T00:00:00Z", "2024-01-06T00:01:00Z",
  "2024-01-01T12:00:00.5Z", "2024-01-01T12:00:00.123456Z", "2024-01-01T12:00:00+00:00",
  "2024-01-01T05:35:00+05:30", "2023-12-31T19:05:00-05:00", "2024-01-01T14:05:00+14:00",
  "2023-12-31T12:05:00-12:00", "2024-01-02T23:59:59Z",
}, true)
each("send_at", {
  "2024-01-01T00:03:59Z", "2024-01-01T00:00:00Z", "2023-12-31T23:59:59Z", "2024-01-06T00:01:01Z",
  "2024-01-07T00:00:00Z", "2025-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
  "2024-01-01T05:30:00+05:30", "2024-01-01T05:35:00+06:00", "2024-01-01T00:05:00+00:05",
}, { "10033 /send_at" })
each("send_at", {
  "", "soon", "2024-01-02", "2024-01-02T00:00:00", "2024-01-02T00:00:00.5", "00:00:00Z",
  "2024-13-02T00:00:00Z", "2024-00-02T00:00:00Z", "2024-01-00T00:00:00Z", "2024-01-32T00:00:00Z",
  "2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2024-04-31T00:00:00Z",
  "2024-01-02T25:00:00Z", "2024-01-02T00:60:00Z", "2024-01-02T00:00:61Z", "2024-01-02T00:00:00.Z",
  "2024-01-02T00:00:00+", "2024-01-02T00:00:00+1", "2024-01-02T00:00:00+25:00",
  "2024-01-02T00:00:00+05:60", "2024-01-02T00:00:00ZZ", "2024-01-02T00:00:00Z ",
  " 2024-01-02T00:00:00Z", "2024-01-02T00:00:00Z\0", "24-01-02T00:00:00Z", "2024-1-2T00:00:00Z",
  "2024-01-02T0:00:00Z", "2024/01/02T00:00:00Z", "1704153600", "2024-01-02T00:00:00 UTC",
  "-024-01-02T00:00:00Z", "2024-01-02T-1:00:00Z", "2024-01-02T00:00:00.1a2Z",
}, { "10015 /send_at" })

-- Unknown fields and extra
add("an unknown field", { txt = "x" }, { "10015 /txt" })
add("two unknown fields", { form = "x", media_url = URL }, { "10015 /form", "10015 /media_url" })
add("a field in the wrong case", { Text = "x" }, { "10015 /Text" })
add("an unknown field with a slash", { ["a/b"] = 1 }, { "10015 /a~1b" })
add("an unknown field with a tilde", { ["a~b"] = 1 }, { "10015 /a~0b" })
add("an unknown field that is false", { dry_run = false }, { "10015 /dry_run" })
add("extra fields", { extra = { tags = { "a", "b" }, wait = 5, smil_template = "x" } }, true)
add("extra, but a string", { extra = "tags" }, { "10026 /extra" })
add("extra, but a number", { extra = 42 }, { "10026 /extra" })
add("extra, but true", { extra = true }, { "10026 /extra" })
add("extra naming a known field", { extra = { text = "x" } }, { "10015 /extra/text" })
add("extra naming two known fields", { extra = { to = "x", send_at = "x", tags = {} } },
  { "10015 /extra/to", "10015 /extra/send_at" })

return { now = 1704067200, profile = PROFILE, url = URL, with = with, absent = ABSENT, rows = rows }
