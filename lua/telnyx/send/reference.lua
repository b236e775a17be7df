--- Our reference: what the webhook URLs of a message that is sent under a key say in their query,
--- so that whatever tells of the message later tells the key as well: a webhook, the service's log
--- of webhooks, its records.
---
--- It is the claim, in 32 digits that nobody else draws, and the key behind it in the URL-safe
--- alphabet of RFC 4648 §5: it stands alike in a URL, in JSON and in a query for it. The claim is
--- known only when the message's turn has come. Before that there are zeros in its place; the
--- digest of the message is of what was there without the reference.

local core = require("telnyx.core")

local reference = {}

local NAME = "telnyx_ref="
local CLAIM_DIGITS = 32
local NO_CLAIM = ("0"):rep(CLAIM_DIGITS)

-- What the service takes.
local MOST_URL_CHARACTERS = 2000

local TO_URL = { ["+"] = "-", ["/"] = "_", ["="] = "" }
local FROM_URL = { ["-"] = "+", ["_"] = "/" }

local function encode(key) return (core.base64_encode(key):gsub("[+/=]", TO_URL)) end

local function decode(text)
  local padded = text:gsub("[-_]", FROM_URL) .. ("="):rep(-#text % 4)
  local key = core.base64_decode(padded)
  return key ~= "" and key or nil
end

---What stands in a query for it: what is looked for where the service is asked.
---@param key string
---@param claim string|nil 32 hexadecimal digits; nil: it is not known yet
---@return string
function reference.of(key, claim) return NAME .. (claim or NO_CLAIM) .. encode(key) end

-- In the query, in front of a fragment.
local function with_parameter(url, parameter)
  local address, fragment = url:match("^([^#]*)(.*)$")
  return address .. (address:find("?", 1, true) and "&" or "?") .. parameter .. fragment
end

local FIELDS = { "webhook_url", "webhook_failover_url" }

---Adds the reference to the webhook URLs of a message. One that would be too long stays without.
---@param message table is not changed
---@param key string
---@return table message a copy, if there is something to add
function reference.add(message, key)
  local own, parameter = nil, reference.of(key)
  for _, field in ipairs(FIELDS) do
    local url = message[field]
    local is_fit = type(url) == "string" and url ~= ""
      and #url + 1 + #parameter <= MOST_URL_CHARACTERS
    if is_fit then
      if not own then
        own = {}
        for name, value in pairs(message) do own[name] = value end
      end
      own[field] = with_parameter(url, parameter)
    end
  end
  return own or message
end

-- Without what `add` has added, wherever it is written: its characters need no escape.
local function each(body, key, change)
  local parameter, parts, from = reference.of(key), {}, 1
  local at = body:find(parameter, 1, true)
  while at do
    parts[#parts + 1] = change(body:sub(from, at - 1), parameter)
    from = at + #parameter
    at = body:find(parameter, from, true)
  end
  parts[#parts + 1] = body:sub(from)
  return table.concat(parts)
end

---The body as it would be without the reference.
---@param body string
---@param key string
---@return string
function reference.without(body, key)
  return each(body, key, function(before) return before:sub(1, -2) end)
end

---The body that a claim posts.
---@param body string
---@param key string
---@param claim string
---@return string
function reference.claimed(body, key, claim)
  local parameter = reference.of(key, claim)
  return each(body, key, function(before) return before .. parameter end)
end

---Reads a URL's reference.
---@param url any
---@return string|nil key nil: it has none of ours
---@return string|nil claim
function reference.read(url)
  if type(url) ~= "string" then return nil end
  local query = url:match("^[^#?]*%?([^#]*)")
  local text = query and ("&" .. query .. "&"):match(".*&" .. NAME .. "([%w_-]+)&")
  local claim = text and text:sub(1, CLAIM_DIGITS)
  if not claim or #claim < CLAIM_DIGITS or claim:find("[^0-9a-f]") then return nil end
  local key = decode(text:sub(CLAIM_DIGITS + 1))
  if not key then return nil end
  return key, claim
end

return reference
