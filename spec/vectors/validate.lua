--- Messages and what local validation must say of them.
-- A row is { description, message, expected, warned }: `true`, or a list of "rule pointer" in any
-- order; and what is warned of, likewise.
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

local function add(description, changes, expected, warned)
  rows[#rows + 1] = { description, with(changes), expected, warned or {} }
end

--- Many values of one field, all with one result.
local function each(field, values, expected, more, warned)
  for _, value in ipairs(values) do
    local changes = { [field] = value }
    for name, other in pairs(more or {}) do changes[name] = other end
    add(("%s = %q"):format(field, value), changes, expected, warned)
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
}, { "to_missing /to", "sender_missing /from", "no_content /text" })
add("many things wrong at once", {
  to = "5550001a", from = "12", text = "caf\233", messaging_profile_id = "x",
  webhook_url = "ftp://a", webhook_failover_url = "", use_profile_webhooks = "yes",
  auto_detect = 1, send_at = "soon", encoding = "utf8", type = "sms", txet = "x",
}, {
  "to_shape /to", "from_short_code /from", "not_utf8 /text", "profile_id /messaging_profile_id",
  "url_shape /webhook_url", "value_type /use_profile_webhooks", "value_type /auto_detect",
  "send_at_form /send_at", "encoding_choice /encoding", "type_choice /type", "unknown_field /txet",
}, { "url_empty /webhook_failover_url" })

-- to
add("no recipient", { to = ABSENT }, { "to_missing /to" })
add("an empty recipient", { to = "" }, { "to_missing /to" })
add("an empty recipient of an empty sender", { to = "", from = "" },
  { "to_missing /to", "from_shape /from" })
each("to", {
  "+2345678", "+234567890123456", "+998901234567", "+18665550001", "+12005550001", "+19995550001",
  "12345", "123456",
}, true)
each("to", {
  "+123456", "+234567", "+2345678901234567", "+1234567890123456", "+0123456789", "18665550001",
  "8665550001", "12", "1", "123456789", "+1 866 555 0001", "+1(866)5550001", "+1-866-555-0001",
  " +18665550001", "+18665550001 ", "+18665550001\n", "+1866555000a", "++18665550001", "+",
  "TELNYX", "+1866555\0001", "12345\0", "+18665550001,+18665550002", "tel:+18665550001",
  "+1866555000:", "+1866555000/",
}, { "to_shape /to" })
each("to", {
  "+1866555000", "+186655500010", "+1234567", "+11234567890", "+10234567890", "+123456789012345",
}, { "to_nanp /to" })
each("to", { "123", "1234", "1234567", "12345678" }, true, nil, { "to_short_code /to" })
add("a list of one recipient", { to = { "+18665550001" } }, { "to_list /to" })
add("a list of recipients", { to = { "+18665550001", "+18665550002" } }, { "to_list /to" })
add("a number for a recipient", { to = 18665550001 }, { "value_type /to" })

-- to and from
add("to that is from", { to = "+18445550001" }, true, { "to_is_from /to" })
add("a short code to itself", { to = "12345", from = "12345" }, true, { "to_is_from /to" })
add("to that is nearly from", { to = "+18445550002" }, true)
add("a name to itself", { to = "Telnyx", from = "Telnyx", messaging_profile_id = PROFILE },
  { "to_shape /to" })
add("faults of both are a pair all the same", { to = "+1844555", from = "+1844555" },
  { "to_nanp /to", "from_nanp /from" }, { "to_is_from /to" })

-- from and messaging_profile_id
add("neither sender nor profile", { from = ABSENT }, { "sender_missing /from" })
add("a number pool", { from = ABSENT, messaging_profile_id = PROFILE }, true)
each("from", { "+2345678", "+234567890123456", "+18445550001", "12345", "123456" }, true)
each("from", {
  "+234567", "+2345678901234567", "+0123456789", "18445550001", "123456789",
  "+1 844 555 0001", " +18445550001", "+18445550001\n", "+", "", "12 34 5", "+1844555\0001", "-",
  "+1844555a", "+1844555000a", "+1<your number>",
}, { "from_shape /from" })
each("from", { "1", "1234", "1234567", "12345678" }, { "from_short_code /from" })
each("from", { "+1844555000", "+184455500010", "+11445550001", "+10445550001", "+1234567" },
  { "from_nanp /from" })
each("from", {
  "Telnyx", "A", "A2345678901", "Big Bank 1", "1a", " a", "ABCDEFGHIJK",
}, true, { messaging_profile_id = PROFILE, to = "+447700900001" })
each("from", {
  "Big-Bank", "Bank!", "Bank_1", "a.b", "Bank\n", "Ba\0nk", "B+1", "中国", "Caf\195\169",
  "B\195\169\195\169\195\169\195\169\195\169\195\169\195\169\195\169\195\169\195\169",
}, { "from_characters /from" }, { messaging_profile_id = PROFILE, to = "+447700900001" })
each("from", { "ABCDEFGHIJKL", "Big-Bank-and-Sons", "中国中国中国中国中国中国" }, { "from_alphanumeric /from" },
  { messaging_profile_id = PROFILE, to = "+447700900001" })
add("an alphanumeric sender without a profile", { from = "Telnyx", to = "+447700900001" },
  { "alphanumeric_profile /messaging_profile_id" })
for description, changes in pairs {
  ["with media"] = { media_urls = { URL } }, ["with a subject"] = { subject = "Hi" },
  ["of an MMS"] = { type = "MMS" },
  ["of an MMS with everything"] = { type = "MMS", subject = "Hi", media_urls = { URL } },
} do
  changes.from, changes.to, changes.messaging_profile_id = "Telnyx", "+447700900001", PROFILE
  add("an alphanumeric sender " .. description, changes, { "alphanumeric_mms /from" })
end
add("an alphanumeric sender of an SMS",
  { from = "Telnyx", to = "+447700900001", messaging_profile_id = PROFILE, type = "SMS" }, true)
-- Ontario, Puerto Rico, New York, a toll-free number
each("to", { "+14165550001", "+17875550001", "+19395550001", "+12125550001", "+18005550001" },
  true, { from = "Telnyx", messaging_profile_id = PROFILE }, { "alphanumeric_abroad /from" })
-- Jamaica, the Bahamas, the Dominican Republic, the US Virgin Islands, and elsewhere
each("to", {
  "+18765550001", "+16585550001", "+12425550001", "+18095550001", "+13405550001", "+447700900001",
  "+528115550001", "12345",
}, true, { from = "Telnyx", messaging_profile_id = PROFILE })
add("a short code with media", { from = "12345", media_urls = { URL } }, true)
add("a number outside +1 with media", { from = "+447700900002", media_urls = { URL } }, true,
  { "mms_sender /from" })
add("a number outside +1 with a subject", { from = "+447700900002", subject = "Hi" }, true,
  { "mms_sender /from" })
add("a number outside +1 of an MMS", { from = "+447700900002", type = "MMS" }, true,
  { "mms_sender /from" })
add("a number outside +1 of an SMS", { from = "+447700900002", type = "SMS" }, true)
each("messaging_profile_id", {
  PROFILE, PROFILE:upper(), "00000000-0000-0000-0000-000000000000",
  "403195bd-0000-f000-0000-123456789abc", "ffffffff-FFFF-ffff-ffff-9999aaaaAAAA",
}, true)
each("messaging_profile_id", {
  "", "abc", PROFILE .. "0", PROFILE:sub(1, -2), (PROFILE:gsub("-", "")), "{" .. PROFILE .. "}",
  (PROFILE:gsub("4000eba1", "4000ebg1")), " " .. PROFILE, PROFILE .. "\n",
  (PROFILE:gsub("%-", "_")), "4000eba1a-0c0-4563-9925-b25e842a7cb6",
}, { "profile_id /messaging_profile_id" })
for i = 1, 36 do
  for _, byte in ipairs { "g", "G", "/", ":", "@", "`", "_", "\0", "\127" } do
    add(("a profile with a %q as its byte %d"):format(byte, i),
      { messaging_profile_id = PROFILE:sub(1, i - 1) .. byte .. PROFILE:sub(i + 1) },
      { "profile_id /messaging_profile_id" })
  end
end
add("a profile with a letter whose bytes look like digits but for a bit",
  { messaging_profile_id = "ñ" .. PROFILE:sub(3) }, { "profile_id /messaging_profile_id" })
add("a bad profile instead of a sender", { from = ABSENT, messaging_profile_id = "abc" },
  { "profile_id /messaging_profile_id" })

-- text, subject and media
add("neither text nor media", { text = ABSENT }, { "no_content /text" })
add("an empty text and no media", { text = "" }, { "no_content /text" })
add("an SMS of neither", { text = ABSENT, type = "SMS" }, { "no_content /text" })
add("an MMS of neither", { text = ABSENT, type = "MMS" }, { "no_content /text" })
add("an empty text beside media", { text = "", media_urls = { URL } }, true,
  { "text_empty /text" })
add("an empty text and an empty list of media", { text = "", media_urls = {} },
  { "no_content /text" })
add("no text and an empty list of media", { text = ABSENT, media_urls = {} },
  { "no_content /text" })
add("media only", { text = ABSENT, media_urls = { URL } }, true)
add("media only, said to be an MMS", { text = ABSENT, media_urls = { URL }, type = "MMS" }, true)
add("text only, said to be an MMS", { type = "MMS" }, true)
add("a text of one space", { text = " " }, true)
add("a text with a NUL", { text = "a\0b" }, true)
add("a subject", { subject = "Hi" }, true)
add("a subject of an MMS", { subject = "Hi", type = "MMS" }, true)
add("a subject of an SMS", { subject = "Hi", type = "SMS" }, { "sms_with_subject /subject" })
add("media of an SMS", { media_urls = { URL }, type = "SMS" }, { "sms_with_media /media_urls" })
add("subject and media of an SMS", { subject = "Hi", media_urls = { URL }, type = "SMS" },
  { "sms_with_subject /subject", "sms_with_media /media_urls" })
add("Latin-1 in the text", { text = "caf\233" }, { "not_utf8 /text" })
add("a surrogate half in the text", { text = "a\237\160\128" }, { "not_utf8 /text" })
add("an overlong NUL in the text", { text = "\192\128" }, { "not_utf8 /text" })
add("Latin-1 in the text beside media", { text = "caf\233", media_urls = { URL } },
  { "not_utf8 /text" })
add("Latin-1 in the subject", { subject = "caf\233" }, { "not_utf8 /subject" })

-- Parts: refused only when more than ten however the service may count
local function sized(description, text, expected, more, warned)
  local changes = { text = text }
  for name, value in pairs(more or {}) do changes[name] = value end
  add(description, changes, expected, warned)
end
local TOO_LARGE, FOR_ANY = { "too_many_parts /text" }, { "too_many_parts_for_any /text" }
local PERHAPS = { "may_be_too_many_parts /text" }
local SHORT_CODE = { from = "12345" }
sized("1530 letters", ("a"):rep(1530), true)
sized("1531 letters", ("a"):rep(1531), TOO_LARGE)
sized("3825 letters: 25 parts", ("a"):rep(3825), TOO_LARGE)
sized("3826 letters: 26 parts", ("a"):rep(3826), FOR_ANY)
sized("1675 Han: 25 parts", ("中"):rep(1675), TOO_LARGE)
sized("1676 Han: 26 parts", ("中"):rep(1676), FOR_ANY)
sized("1531 letters said to be an SMS", ("a"):rep(1531), TOO_LARGE, { type = "SMS" })
sized("1531 letters said to be an MMS", ("a"):rep(1531), true, { type = "MMS" })
sized("1531 letters beside media", ("a"):rep(1531), true, { media_urls = { URL } })
sized("1531 letters with auto_detect off", ("a"):rep(1531), TOO_LARGE, { auto_detect = false })
sized("760 brackets: ten parts", ("]"):rep(760), true)
sized("761 brackets: eleven parts, ten by the formula", ("]"):rep(761), true, nil, PERHAPS)
sized("765 brackets: eleven parts, ten by the formula", ("]"):rep(765), true, nil, PERHAPS)
sized("766 brackets: eleven parts by the formula too", ("]"):rep(766), TOO_LARGE)
sized("1530 brackets from a short code, which sends ASCII", ("]"):rep(1530), true, SHORT_CODE)
sized("1531 brackets from a short code", ("]"):rep(1531), TOO_LARGE, SHORT_CODE)
sized("766 brackets from a number: twice as many septets", ("]"):rep(766), TOO_LARGE)
sized("766 brackets from a short code in forced GSM-7", ("]"):rep(766), TOO_LARGE,
  { from = "12345", encoding = "gsm7" })
sized("1530 letters of GSM-7, no ASCII, from a short code", ("é"):rep(1530), true, SHORT_CODE,
  PERHAPS)
sized("670 Han", ("中"):rep(670), true)
sized("671 Han", ("中"):rep(671), TOO_LARGE)
sized("335 faces: eleven parts, ten by the formula", ("😀"):rep(335), true, nil, PERHAPS)
sized("336 faces: eleven parts by the formula too", ("😀"):rep(336), TOO_LARGE)
sized("1530 Greek letters of the standard's set", ("Ω"):rep(1530), true, nil, PERHAPS)
sized("1531 Greek letters of the standard's set", ("Ω"):rep(1531), TOO_LARGE)
sized("1530 Greek letters that have lookalikes", ("Α"):rep(1530), true, nil, PERHAPS)
sized("1531 Greek letters that have lookalikes", ("Α"):rep(1531), TOO_LARGE)
sized("1530 curly quotes: ten parts after substitution", ("’"):rep(1530), true, nil, PERHAPS)
sized("1531 curly quotes", ("’"):rep(1531), TOO_LARGE)
sized("1400 letters and a curly quote", ("a"):rep(1400) .. "’", true, nil, PERHAPS)
sized("670 Han and a removed character", ("中"):rep(670) .. "\226\128\139", true, nil, PERHAPS)
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
add("eleven pictures", { media_urls = urls(11) }, { "media_count /media_urls" })
for _, kind in ipairs { ABSENT, "SMS", "MMS" } do
  add("no picture, of type " .. tostring(kind ~= ABSENT and kind), { media_urls = {}, type = kind },
    true, { "media_empty /media_urls" })
end
add("no picture of an alphanumeric sender",
  { media_urls = {}, from = "Telnyx", to = "+447700900001", messaging_profile_id = PROFILE }, true,
  { "media_empty /media_urls" })
add("a URL instead of a list", { media_urls = URL }, { "value_type /media_urls" })
add("a list with a hole", { media_urls = { [1] = URL, [3] = URL } }, { "media_list /media_urls" })
add("a list that starts at two", { media_urls = { [2] = URL } }, { "media_list /media_urls" })
add("a list that starts at nought", { media_urls = { [0] = URL, URL } },
  { "media_list /media_urls" })
add("a list with a name in it", { media_urls = { URL, url = URL } }, { "media_list /media_urls" })
add("a table of names only", { media_urls = { url = URL } }, { "media_list /media_urls" })
add("a list with a fraction in it", { media_urls = { URL, [1.5] = URL } },
  { "media_list /media_urls" })
add("a list with a huge index", { media_urls = { URL, [1e15] = URL } },
  { "media_list /media_urls" })
add("a number in the list", { media_urls = { URL, URL, 42 } }, { "value_type /media_urls/2" })
add("a table in the list", { media_urls = { { url = URL } } }, { "value_type /media_urls/0" })
add("a boolean in the list", { media_urls = { URL, false } }, { "value_type /media_urls/1" })
add("a bad URL in the list", { media_urls = { "a.png" } }, { "url_shape /media_urls/0" })
add("a long URL in the list", { media_urls = { URL, url_of(2001) } },
  { "url_length /media_urls/1" })
add("several bad items in the list", { media_urls = { "x", URL, 7, "" } },
  { "url_shape /media_urls/0", "value_type /media_urls/2", "url_shape /media_urls/3" })
add("what is wrong with the eleventh is not told", { media_urls = (function()
  local list = urls(10)
  list[11] = "x"
  return list
end)() }, { "media_count /media_urls" })

-- URLs
local GOOD_URLS = {
  "http://example.com", "https://example.com/", "https://example.com:8443/a?b=c#d",
  "HTTPS://EXAMPLE.COM", "Http://example.com", "https://u:p@example.com/", "https://@example.com/",
  "https://example.com?x=1", "https://example.com#x", "https://example.com.", "https://a_b-c.io/",
  "https://example.com:1/", "https://example.com:65535/", "https://example.com:/",
  "https://example.com:00080/", "https://xn--bcher-kva.example.com/", "https://bücher.de/größe",
  "https://例え.jp/絵.png", "https://93.184.216.34/", "http://[2606:2800:220:1::1]/",
  "http://[2606:2800:220:1:248:1893:25c8:1946]:8080/x", "http://[64:ff9b::93.184.216.34]/",
  "http://[1:2:3:4:5:6:93.184.216.34]/",
  "https://example.com/a'b(c)!*;,~|{}<>^`", "https://example.com/a@b:c", "https://a.co/%20",
  "https://1password.com/", "https://3.com/", "https://127.0.0.1.nip.io/",
  "https://example.community/", "https://testing.io/", "https://example.com:000080/",
  "https://example。com/", "http://197.18.0.1/", "http://198.17.0.1/", "http://198.20.0.1/",
  "http://223.1.1.1/", "http://[2001:db9::]/",
  "https://lan.example.com/", "https://e.co/", "http://172.15.0.1/", "http://172.32.0.1/",
  "http://100.63.0.1/", "http://100.128.0.1/", "http://192.169.0.1/", "http://169.253.0.1/",
  "http://11.0.0.1/", "http://128.0.0.1/", "http://9.255.255.255/", "http://[fec0::1]/",
  "http://[fb00::1]/", "http://[::2]/", "http://[::ffff:8.8.8.8]/",
  url_of(2000), "https://example.com/" .. ("中"):rep(1980),
}
local PRIVATE_URLS = {
  "http://localhost:8080/hook", "http://LOCALHOST", "http://127.0.0.1/hook", "http://127.9.9.9/",
  "http://[::1]:8080/", "http://[::]/", "http://[0:0:0:0:0:0:0:1]/", "http://10.0.0.1/",
  "http://10.255.255.255/", "http://172.16.0.1/", "http://172.31.255.255/", "http://192.168.1.1/",
  "http://169.254.1.1/", "http://100.64.0.1/", "http://100.127.0.1/", "http://0.0.0.0/",
  "http://[fc00::1]/", "http://[fdff::1]/", "http://[fe80::1]/", "http://[febf::1]/",
  "http://[::ffff:10.0.0.1]/", "http://[::ffff:192.168.0.1]/", "https://printer.local/",
  "https://db.internal/", "https://host.lan:81/", "https://a.test/", "https://x.invalid",
  "https://x.example/", "https://app.localhost/", "https://router.localdomain/x",
  "https://intranet/", "http://127.1/", "http://2130706433/", "http://0x7f.0.0.1/",
  "http://0x7f000001/", "http://256.1.1.1/", "http://1.2.3.4.5/", "http://010.0.0.1/",
  "http://127.0.0.1./", "https://1host/", "https://3d-printer.local/", "http://198.18.0.1/",
  "http://198.19.9.9/", "http://224.0.0.1/", "http://255.255.255.255/", "http://[2001:db8::1]/",
  "https://user:password@localhost/", "https://printer.local./",
}
local BAD_URLS = {
  "example.com", "//example.com/a", "ftp://example.com/a", "httpss://example.com",
  "http:/example.com", "http:example.com", "http://", "https://", "https:///path", "https://?x=1",
  "https://#x", "https://:80/", "https://exa mple.com/", "https://example.com/a b",
  "https://example.com/ ", " https://example.com/", "https://example.com/\n",
  "https://example.com/\r\nX: y", "https://example.com/\t", "https://example.com/\0",
  "https://example.com/\127", "javascript:alert(1)", "mailto:a@example.com", "https://.com",
  "https://e..com", "https://.", "https://..", "https://example..com./", "https://x@",
  "https://user@/a", "https://user:password@:80/", "https://example.com:0/",
  "https://example.com:65536/", "https://example.com:99999/", "https://example.com:100000/",
  "https://example.com:8a/", "https://example.com:-1/", "https://example.com:80:80/",
  "https://[bad/", "https://[]/", "https://[::1/", "https://[::1]x/", "https://[::1]:x/",
  "https://[1:2:3:4:5:6:7]/", "https://[1:2:3:4:5:6:7:8:9]/", "https://[1::2::3]/",
  "https://[1:2:3:4:5:6:7:8::]/", "https://[12345::1]/", "https://[::g]/", "https://[::1.2.3]/",
  "https://[::1.2.3.256]/", "https://[1:]/", "https://[:1]/", "https://[::1:]/",
  "https://[1:2:3:4:5:6:7:8:]/", "https://example.com:4294967377/",
  "https://[1:2:3:4:5:6:7:1.2.3.4]/",
  "https://::1/", "https://example.com\\@evil.com/", "https://example.com/\"x\"",
  "https://exa%20mple.com/", "https://exa$mple.com/", "https://example,com/",
  "https://<your-host>/hook", "http:///", "https://example.com/" .. ("a"):rep(40) .. " ",
  "https://example.com/aaaaaaaaaaaaaaaaaaa\\", "https://example.com/\"aaaaaaaaaaaaaaaaaaaaaaaaaaa",
}
local LONG_URLS = { url_of(2001), url_of(100000), "https://example.com/" .. ("中"):rep(1981) }
for _, field in ipairs { "webhook_url", "webhook_failover_url" } do
  each(field, GOOD_URLS, true)
  each(field, PRIVATE_URLS, true, nil, { "url_private /" .. field })
  each(field, BAD_URLS, { "url_shape /" .. field })
  each(field, LONG_URLS, { "url_length /" .. field })
  add("an empty " .. field, { [field] = "" }, true, { "url_empty /" .. field })
end
for _, row in ipairs {
  { GOOD_URLS, true }, { PRIVATE_URLS, true, { "url_private /media_urls/0" } },
  { BAD_URLS, { "url_shape /media_urls/0" } }, { { "" }, { "url_shape /media_urls/0" } },
  { LONG_URLS, { "url_length /media_urls/0" } },
} do
  for _, url in ipairs(row[1]) do
    add(("media_urls = { %q }"):format(url), { media_urls = { url } }, row[2], row[3])
  end
end

-- type and encoding
each("type", { "SMS", "MMS" }, true)
each("type", { "", "sms", "mms", "Mms", "RCS", "SMS ", "SMS\0", "SMSX",
  "SM" }, { "type_choice /type" })
each("encoding", { "auto", "gsm7", "ucs2" }, true)
each("encoding", { "", "AUTO", "GSM-7", "UCS-2", "utf-8", "gsm", "gsm7\0", "ucs22" },
  { "encoding_choice /encoding" })
add("forced GSM-7 with a Han character", { text = "a中", encoding = "gsm7" },
  { "gsm7_impossible /text" })
add("forced GSM-7 with a face", { text = "😀", encoding = "gsm7" }, { "gsm7_impossible /text" })
add("forced GSM-7 with nothing but what is removed", { text = "\226\128\139", encoding = "gsm7" },
  { "gsm7_empty /text" })
add("forced GSM-7 with a letter and what is removed",
  { text = "\226\128\139a", encoding = "gsm7" }, true)
add("automatic encoding with nothing but what is removed", { text = "\226\128\139" }, true)
add("an MMS in forced GSM-7 with a Han character",
  { text = "中", encoding = "gsm7", type = "MMS" }, true)
add("forced GSM-7 with curly quotes", { text = "“it’s”…", encoding = "gsm7" }, true)
add("forced GSM-7 with extension characters", { text = "[€]", encoding = "gsm7" }, true)
add("automatic encoding with a Han character", { text = "a中", encoding = "auto" }, true)
add("forced UCS-2 with a Han character", { text = "a中", encoding = "ucs2" }, true)

-- Booleans
for _, field in ipairs { "use_profile_webhooks", "auto_detect" } do
  add(field .. " true", { [field] = true }, true)
  add(field .. " false", { [field] = false }, true)
  for _, value in ipairs { "true", "", 0, 1 } do
    add(("%s = %q"):format(field, tostring(value)), { [field] = value },
      { "value_type /" .. field })
  end
end

-- send_at
each("send_at", {
  "2024-01-01T00:05:00Z", "2024-01-01T00:04:00Z", "2024-01-06T00:00:00Z", "2024-01-06T00:01:00Z",
  "2024-01-01T12:00:00.5Z", "2024-01-01T12:00:00.123456Z", "2024-01-01T12:00:00+00:00",
  "2024-01-01T05:35:00+05:30", "2023-12-31T19:05:00-05:00", "2024-01-01T14:05:00+14:00",
  "2024-01-01t12:00:00z", "2024-01-01T23:05:00+23:00", "2024-01-02T00:00:60Z",
  "2023-12-31T12:05:00-12:00", "2024-01-02T23:59:59Z",
}, true)
each("send_at", {
  "2024-01-01T00:03:59Z", "2024-01-01T00:00:00Z", "2023-12-31T23:59:59Z", "2024-01-06T00:01:01Z",
  "2024-01-07T00:00:00Z", "2025-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
  "1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z",
  "2024-01-01T05:30:00+05:30", "2024-01-01T05:35:00+06:00", "2024-01-01T00:05:00+00:05",
}, { "send_at_window /send_at" })
each("send_at", {
  "", "soon", "2024-01-02", "2024-01-02T00:00:00", "2024-01-02T00:00:00.5", "00:00:00Z",
  "2024-13-02T00:00:00Z", "2024-00-02T00:00:00Z", "2024-01-00T00:00:00Z", "2024-01-32T00:00:00Z",
  "2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2024-04-31T00:00:00Z",
  "2024-01-02T25:00:00Z", "2024-01-02T00:60:00Z", "2024-01-02T00:00:61Z", "2024-01-02T00:00:00.Z",
  "2024-01-02T00:00:00+", "2024-01-02T00:00:00+1", "2024-01-02T00:00:00+25:00",
  "2024-01-02T00:00:00+05:60", "2024-01-02T00:00:00ZZ", "2024-01-02T00:00:00Z ",
  " 2024-01-02T00:00:00Z", "2024-01-02T00:00:00Z\0", "24-01-02T00:00:00Z", "2024-1-2T00:00:00Z",
  "2024-01-02T0:00:00Z", "2024/01/02T00:00:00Z", "1704153600", "2024-01-02T00:00:00 UTC",
  "2024-01-01T12:00Z", "2024-01-01T12:00:00+00", "2024-01-01T12:00:00+0000",
  "2024-01-01 12:00:00Z", "2024-01-01T12:00:00+24:00", "2024-01-01T12:00:00+00:60",
  "2024-01-01T12Z", "2024-01-01T24:00:00Z",
  "-024-01-02T00:00:00Z", "2024-01-02T-1:00:00Z", "2024-01-02T00:00:00.1a2Z",
}, { "send_at_form /send_at" })

-- Unknown fields and extra
add("an unknown field", { txt = "x" }, { "unknown_field /txt" })
add("two unknown fields", { form = "x", media_url = URL },
  { "unknown_field /form", "unknown_field /media_url" })
add("a field in the wrong case", { Text = "x" }, { "unknown_field /Text" })
add("an unknown field with a slash", { ["a/b"] = 1 }, { "unknown_field /a~1b" })
add("an unknown field with a tilde", { ["a~b"] = 1 }, { "unknown_field /a~0b" })
add("an unknown field that is false", { dry_run = false }, { "unknown_field /dry_run" })
-- One fault, one error
for description, row in pairs {
  ["a mistyped subject"] = { { subject = 42 }, { "value_type /subject" } },
  ["a mistyped subject of an SMS"] = { { subject = 42, type = "SMS" }, { "value_type /subject" } },
  ["a mistyped text"] = { { text = 42 }, { "value_type /text" } },
  ["mistyped media alone"] = { { text = ABSENT, media_urls = 42 }, { "value_type /media_urls" } },
  ["mistyped media of an SMS"] = { { media_urls = 42, type = "SMS" },
    { "value_type /media_urls" } },
  ["a mistyped sender"] = { { from = 42 }, { "value_type /from" } },
  ["a mistyped profile of an alphanumeric sender"] = {
    { from = "Telnyx", to = "+447700900001", messaging_profile_id = 42 },
    { "value_type /messaging_profile_id" } },
  ["a mistyped subject of an alphanumeric sender"] = {
    { from = "Telnyx", to = "+447700900001", messaging_profile_id = PROFILE, subject = 42 },
    { "value_type /subject" } },
  ["media that are no list of an alphanumeric sender"] = {
    { from = "Telnyx", to = "+447700900001", messaging_profile_id = PROFILE,
      media_urls = { url = URL } }, { "media_list /media_urls" } },
  ["an encoding that is none of a long text"] = {
    { encoding = "utf8", text = ("a"):rep(2000) }, { "encoding_choice /encoding" } },
  ["a mistyped encoding of a long text"] = {
    { encoding = 42, text = ("a"):rep(2000) }, { "value_type /encoding" } },
  ["media of an SMS with a long text"] = {
    { type = "SMS", media_urls = { URL }, text = ("a"):rep(2000) },
    { "sms_with_media /media_urls" } },
  ["a subject of an SMS that cannot be GSM-7"] = {
    { type = "SMS", subject = "Hi", text = "中", encoding = "gsm7" },
    { "sms_with_subject /subject" } },
  ["a mistyped type"] = { { type = 42, text = ("a"):rep(2000) }, { "value_type /type" } },
  ["Latin-1 in the recipient"] = { { to = "+1866\233" }, { "not_utf8 /to" } },
  ["Latin-1 in the sender"] = { { from = "caf\233" }, { "not_utf8 /from" } },
  ["Latin-1 in a URL"] = { { webhook_url = "x\233" }, { "not_utf8 /webhook_url" } },
  ["Latin-1 in a forced encoding"] = { { text = "\233", encoding = "gsm7" }, { "not_utf8 /text" } },
  ["a slip for to"] = { { to = ABSENT, too = "+18665550001" }, { "unknown_field /too" } },
  ["a slip for from"] = { { from = ABSENT, form = "+18445550001" }, { "unknown_field /form" } },
  ["a slip for text"] = { { text = ABSENT, txt = "Hello" }, { "unknown_field /txt" } },
  ["a slip for media_urls"] = { { text = ABSENT, media_url = { URL } },
    { "unknown_field /media_url" } },
  ["another unknown field is no slip"] = { { text = ABSENT, colour = "red" },
    { "unknown_field /colour", "no_content /text" } },
} do
  add(description, row[1], row[2])
end

add("extra fields", { extra = { tags = { "a", "b" }, wait = 5, smil_template = "x" } }, true)
add("extra, but a string", { extra = "tags" }, { "extra /extra" })
add("extra, but a number", { extra = 42 }, { "extra /extra" })
add("extra, but true", { extra = true }, { "extra /extra" })
add("extra naming a known field", { extra = { text = "x" } }, { "extra /extra/text" })
add("extra naming two known fields", { extra = { to = "x", send_at = "x", tags = {} } },
  { "extra /extra/to", "extra /extra/send_at" })

return { now = 1704067200, profile = PROFILE, url = URL, with = with, absent = ABSENT, rows = rows }
