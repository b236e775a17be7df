-- Two readings of the same documents, written apart: the library's rules and the sandbox's. Where
-- they differ on 10,000 spoilt messages, a row here says why.

local cjson = require "cjson"
local core = require "telnyx.core"
local mutants = require "spec.support.mutants"
local sandbox = require "telnyx.sandbox"
local vectors = require "spec.vectors.validate"

local unpack = unpack or table.unpack -- luacheck: ignore 113 143
local NOW, N = vectors.now, 10000

local function body_of(message)
  local text = cjson.encode(message)
  return (text:gsub('"media_urls":{}', '"media_urls":[]')) -- an empty table may be either
end

local function of_library(message)
  local ok, told = core.validate(message, NOW)
  local found = {}
  for _, one in ipairs(ok and {} or told.errors) do
    found[#found + 1] = { key = one.code .. " " .. one.source.pointer, rule = one.rule }
  end
  return found
end

local function of_sandbox(service, message)
  local response = service:handle {
    method = "POST", path = "/v2/messages", body = body_of(message),
    headers = { authorization = "Bearer KEY", ["content-type"] = "application/json" },
  }
  local found = {}
  for _, one in ipairs(cjson.decode(response.body).errors or {}) do
    found[#found + 1] = { key = one.code .. " " .. (one.source or { pointer = "" }).pointer }
  end
  return found
end

local function without(list, others)
  local left, taken = {}, {}
  for _, one in ipairs(list) do
    local is_common = false
    for i, other in ipairs(others) do
      if not taken[i] and other.key == one.key then
        taken[i], is_common = true, true
        break
      end
    end
    if not is_common then left[#left + 1] = one end
  end
  return left
end

local function has(list, code)
  for _, one in ipairs(list) do
    if one.key:sub(1, #code) == code then return true end
  end
  return false
end

local function warns(message, rule)
  local ok, told = core.validate(message, NOW)
  for _, one in ipairs((ok and told or told.warnings) or {}) do
    if one.rule == rule then return true end
  end
  return false
end

local function is_list(value)
  return type(value) == "table" and (#value > 0 or next(value) == nil)
end

-- { what the library says alone, by its rule; why }
local OF_LIBRARY = {
  unknown_field = "ours: what the service does with one is not known",
  to_missing = "an empty one: none, or a bad one, and nobody knows which",
  to_list = "one recipient a call, told apart from other wrong types, which are 10015 there",
  sms_with_subject = "told beside the media: each of the two has a way out of its own",
  not_utf8 = "the same, with the field for a pointer: the sandbox has only the body's bytes",
  alphanumeric_profile = "a name with an odd character is a name all the same, and needs a profile",
  alphanumeric_mms = "the same: it sends no MMS whatever else is wrong with it",
  url_shape = "a host with a percent sign: RFC 3986 has it, and no name service does",
}

-- { what the sandbox says alone, by its code and pointer; why, and when }
local OF_SANDBOX = {
  { "^40302 /text$", "the library warns: whether it is too long is the profile's to say",
    function(message) return warns(message, "may_be_too_many_parts") end },
  { "^40308 /from$", "the library warns: nobody has shown that it is refused",
    function(message) return warns(message, "mms_sender") end },
  { "^40308 /from$", "an empty list of media: an MMS by the pages, an SMS by a reply",
    function(message) return is_list(message.media_urls) and #message.media_urls == 0 end },
  { "^40304 /media_urls$", "the same, of type SMS",
    function(message) return is_list(message.media_urls) and #message.media_urls == 0 end },
  { "^40301 /to$", "the library warns: the profile may have a number to fall back on",
    function(message) return warns(message, "alphanumeric_abroad") end },
  { "^40310 /to$", "the library's to_missing", function(message) return message.to == "" end },
  { "^10015 /to$", "the library's to_list",
    function(message) return type(message.to) == "table" end },
  { "^10015 /text$", "characters of the standard's GSM-7 that the service does not document",
    function(message) return message.encoding == "gsm7" end },
  { "^40302 /text$", "what a sender that is none of the service's short codes sends is not counted",
    function(message)
      local from = message.from
      return type(from) == "string" and from:find("^%d+$") and not from:find("^%d%d%d%d%d%d?$")
    end },
  { "^100%d%d /media_urls/%d+$", "of more than ten the library tells the number alone",
    function(message) return is_list(message.media_urls) and #message.media_urls > 10 end },
  { "^10003 /", "two @ before the host: RFC 3986 has one, and others read the last",
    function(message)
      for _, url in ipairs { message.webhook_url or "", message.webhook_failover_url or "",
        unpack(type(message.media_urls) == "table" and message.media_urls or {}) } do
        if type(url) == "string" and url:find("//[^/?#]*@[^/?#]*@") then return true end
      end
    end },
  { "^10004 /", "a slip of the hand is named instead of what it leaves missing",
    function(message)
      return message.form ~= nil or message.txt ~= nil
    end },
  { "^40316 /text$", "the same", function(message) return message.txt ~= nil end },
  { "^10028 $", "the sandbox stops at bytes that are not UTF-8",
    function(_, ours) return has(ours, "10028") end },
}

local function library_row(one, theirs)
  if has(theirs, "10028") then return "beside what is not UTF-8, where the sandbox stops" end
  return OF_LIBRARY[one.rule]
end

local function sandbox_row(one, message, ours)
  for i, row in ipairs(OF_SANDBOX) do
    if one.key:find(row[1]) and row[3](message, ours) then return i end
  end
end

describe("10,000 spoilt messages", function()
  local used, n_same, n = {}, 0, 0
  local unexplained = {}

  local function complain(message, one, side)
    local ok, text = pcall(cjson.encode, message)
    unexplained[#unexplained + 1] = ("%s alone says %s (%s) of %s"):format(side, one.key,
      one.rule or "", ok and text:sub(1, 600) or "a message")
  end

  setup(function()
    local service = sandbox.new { now = function() return NOW end }
    for message in mutants.each(N) do
      n = n + 1
      local ours, theirs = of_library(message), of_sandbox(service, message)
      local our_own, their_own = without(ours, theirs), without(theirs, ours)
      if #our_own + #their_own == 0 then n_same = n_same + 1 end
      for _, one in ipairs(our_own) do
        local row = library_row(one, theirs)
        used[one.rule] = true
        if not row then complain(message, one, "library") end
      end
      for _, one in ipairs(their_own) do
        local row = sandbox_row(one, message, ours)
        if row then used[row] = true end
        if not row then complain(message, one, "sandbox") end
      end
    end
  end)

  it("are judged alike, or a row says why not", function()
    assert.equal(N, n)
    assert.equal(0, #unexplained, table.concat(unexplained, "\n", 1, math.min(#unexplained, 12)))
  end)

  it("are mostly judged alike", function() assert.is_true(n_same > 0.85 * N, n_same) end)

  it("need each of the rows", function()
    for rule in pairs(OF_LIBRARY) do assert.is_true(used[rule], rule) end
    for i, row in ipairs(OF_SANDBOX) do assert.is_true(used[i], i .. ": " .. row[2]) end
  end)
end)
