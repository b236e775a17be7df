--- Messages that nobody would think of: sound ones with a few fields put in, left out or spoilt.
--- The same ones in each run.

local cjson = require "cjson"
local vectors = require "spec.vectors.validate"

local PROFILE, URL = vectors.profile, vectors.url

local mutants = {}

local NUMBERS = {
  "+18665550001", "+18445550001", "+447700900001", "+14165550001", "+18765550001", "+1866555000",
  "+186655500011", "+11665550001", "+10665550001", "8665550001", "18665550001", "12345", "123456",
  "1234", "123", "12", "1234567", "12345678", "123456789", "+1 866 555 0001", "+", "", " ",
  "+0866555001", "+123456", "+1234567", "+2345678", "+123456789012345", "+234567890123456",
  "+2345678901234567", "Telnyx", "Big-Bank", "ABCDEFGHIJK", "ABCDEFGHIJKL", "Caf\195\169", "中国",
  "1a", "+1a", " +18665550001", "+18665550001\n",
}

local TEXTS = {
  "Hello", "", " ", "caf\195\169", "中文", "it’s", "😀", ("a"):rep(160), ("a"):rep(1530),
  ("a"):rep(1531), ("]"):rep(761), ("]"):rep(766), ("中"):rep(670), ("中"):rep(671),
  ("a"):rep(1400) .. "’", ("a"):rep(3825), ("a"):rep(3826), "\226\128\139", "Ω", "Ç", "\t", "€",
  ("’"):rep(1531), ("Ω"):rep(1000), "a\0b",
}

local URLS = {
  URL, "http://example.com", "", "example.com", "ftp://example.com", "https://", "https://.com",
  "https://e..com", "https://example.com:99999/", "https://example.com:0/", "https://example.com:/",
  "https://[bad/", "https://[::1]/", "http://localhost:8080/x", "http://10.0.0.1/",
  "https://user@/a",  "https://:80/", "https://x@", "https://u:p@example.com/",
  "https://bücher.de/", "https://例え.jp/x",
  "https://example.com/a b", "https://example.com/\"", "https://example.com\\x", "HTTPS://A.CO",
  "https://example.com/" .. ("a"):rep(1980), "https://example.com/" .. ("a"):rep(1981),
  "https://example.com/" .. ("中"):rep(1980), "https://a_b.co/", "https://-a.co/", "https://a.co.",
  "https://a'b.co/", "https://a.co/'", "https://a%20b.co/", "https://a.co:8a/",
  "https://[1:2]/",  "https://a@b@c.co/", "https://[fe80::1%25eth0]/", "http:/a.co",
  "https://a.co?x", "https://a.co#x",
}

local TIMES = {
  "2024-01-01T12:00:00Z", "2024-01-01T00:03:59Z", "2024-01-01T00:04:00Z", "2024-01-06T00:01:00Z",
  "2024-01-06T00:01:01Z", "soon", "", "2024-01-01T12:00Z", "2024-01-01T12:00:00+00",
  "2024-01-01T12:00:00+00:00", "2024-01-01T12:00:00", "2024-02-30T12:00:00Z",
  "2024-01-01t12:00:00z", "2024-01-01 12:00:00Z", "2024-01-01T12:00:00.5Z",
  "2024-01-01T12:00:60Z", "2024-01-01T24:00:00Z", "2024-01-01T12:00:00+0000",
  "2024-01-01T12:00:00-12:00", "1969-12-31T23:59:59Z", "2024-01-02T03:04:05.123456789+05:30",
}

local ODD = { 42, 4.5, true, false, cjson.null, { "a" }, { a = "b" } }

local POOLS = {
  to = NUMBERS, from = NUMBERS, text = TEXTS, subject = TEXTS, webhook_url = URLS,
  webhook_failover_url = URLS, send_at = TIMES,
  messaging_profile_id = { PROFILE, PROFILE:upper(), "", "abc", (PROFILE:gsub("-", "")),
    "{" .. PROFILE .. "}", PROFILE .. "0", (PROFILE:gsub("4", "g")) },
  type = { "SMS", "MMS", "sms", "", "RCS" },
  encoding = { "auto", "gsm7", "ucs2", "GSM7", "" },
  use_profile_webhooks = { true, false }, auto_detect = { true, false },
}

local FIELDS = { "to", "from", "messaging_profile_id", "text", "subject", "media_urls",
  "webhook_url", "webhook_failover_url", "use_profile_webhooks", "type", "auto_detect", "send_at",
  "encoding" }

local function copy(message)
  local own = {}
  for name, value in pairs(message) do own[name] = value end
  return own
end

local SOUND = {
  { to = "+18665550001", from = "+18445550001", text = "Hello" },
  { to = "+18665550001", messaging_profile_id = PROFILE, text = "Hello" },
  { to = "+447700900001", from = "Telnyx", messaging_profile_id = PROFILE, text = "Hello" },
  { to = "+18665550001", from = "12345", text = "Hello" },
  { to = "+18665550001", from = "+18445550001", media_urls = { URL } },
  { to = "+18665550001", from = "+18445550001", text = "Hello", subject = "Hi", type = "MMS",
    media_urls = { URL }, webhook_url = "https://example.com/hook",
    webhook_failover_url = "https://example.com/other", use_profile_webhooks = true,
    auto_detect = false, encoding = "auto", messaging_profile_id = PROFILE },
  { to = "+18665550001", from = "+18445550001", text = "Hello", send_at = "2024-01-01T12:00:00Z" },
}

---An iterator over so many, with the same of each in every run and on every Lua.
---@param n integer
---@return fun(): table|nil
function mutants.each(n)
  local state, made = 20240101, 0

  local function random(most) -- Lehmer's, exact in doubles
    state = state * 48271 % 2147483647
    return state % most + 1
  end

  local function any(list) return list[random(#list)] end

  local function media()
    if random(4) == 1 then return {} end
    local list = {}
    for i = 1, random(random(8) == 1 and 12 or 3) do
      list[i] = random(9) == 1 and any(ODD) or any(URLS)
    end
    return list
  end

  local function spoilt(text)
    if type(text) ~= "string" or #text == 0 then return text end
    local at = random(#text)
    local byte = string.char(random(126))
    local way = random(3)
    if way == 1 then return text:sub(1, at - 1) .. text:sub(at + 1) end
    if way == 2 then return text:sub(1, at - 1) .. byte .. text:sub(at + 1) end
    return text:sub(1, at) .. byte .. text:sub(at + 1)
  end

  local function mutate(message)
    local name = any(FIELDS)
    local way = random(10)
    if way == 1 then
      message[name] = nil
    elseif way == 2 then
      message[name] = any(ODD)
    elseif way == 3 then
      message[name] = spoilt(message[name])
    elseif way == 4 and random(4) == 1 then
      message[any { "colour", "txt", "tags", "form" }] = "x"
    elseif name == "media_urls" then
      message[name] = media()
    else
      message[name] = any(POOLS[name])
    end
  end

  return function()
    if made == n then return nil end
    made = made + 1
    local message = copy(any(SOUND))
    for _ = 1, random(4) do mutate(message) end
    return message
  end
end

return mutants
