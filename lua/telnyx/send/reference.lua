--- Our reference: what the webhook URLs of a message that is sent under a key say in their query,
--- so that whatever tells of the message later tells the key as well: a webhook, the service's log
--- of webhooks, its records.
---
--- It is the claim, in 32 digits that nobody else draws, and the key behind it in the URL-safe
--- alphabet of RFC 4648 §5: it stands alike in a URL, in JSON and in a query for it. The claim is
--- known only when the message's turn has come: before that there are zeros in its place. What a
--- key knows a message by, its digest, is of the body without the reference.

local core = require("telnyx.core")
local json = require("cjson.safe").new()
local tables = require("telnyx.tables")

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

-- A URL without what is another's reference, as where it was copied from a message.
local function stripped(url)
  local address, query, fragment = url:match("^([^?#]*)%?([^#]*)(.*)$")
  if not address then return url end
  local kept = {}
  for parameter in (query .. "&"):gmatch("([^&]*)&") do
    if not reference.read("?" .. parameter) then kept[#kept + 1] = parameter end
  end
  local rest = table.concat(kept, "&")
  return address .. (kept[1] and "?" .. rest or "") .. fragment
end

---A message whose webhook URLs have no reference of ours: it would tell of another message.
---@param message table is not changed
---@return table message a copy, if there is something to take away
function reference.strip(message)
  local own = message
  for _, field in ipairs(FIELDS) do
    local url = message[field]
    if type(url) == "string" and url:find(NAME, 1, true) and reference.read(url) then
      if own == message then own = tables.copy(message) end
      own[field] = stripped(url)
    end
  end
  return own
end

-- What a field has with the reference; nil where it is none, or would be too long.
local function referring(url, parameter)
  local is_fit = type(url) == "string" and url ~= ""
    and #url + 1 + #parameter <= MOST_URL_CHARACTERS
  return is_fit and with_parameter(url, parameter) or nil
end

---A message whose webhook URLs have the reference. One that would be too long stays without.
---@param message table is not changed
---@param key string
---@param claim string|nil
---@return table message a copy, if there is something to add
function reference.add(message, key, claim)
  local own, parameter = message, reference.of(key, claim)
  for _, field in ipairs(FIELDS) do
    local url = referring(message[field], parameter)
    if url then
      if own == message then own = tables.copy(message) end
      own[field] = url
    end
  end
  return own
end

-- The value of a field, if it stands there as our JSON has it.
local function replaced(body, field, url, own_url)
  local name = '"' .. field .. '":'
  local at, last = body:find(name .. json.encode(url), 1, true)
  if not at then return body end
  return body:sub(1, at - 1) .. name .. json.encode(own_url) .. body:sub(last + 1)
end

---The body of a message with a reference for a claim that is not known yet.
---@param body string
---@param message table of which it is
---@param key string
---@return string|nil body nil: there is no reference in it
function reference.in_body(body, message, key)
  local own, parameter = body, reference.of(key)
  for _, field in ipairs(FIELDS) do
    local url = referring(message[field], parameter)
    if url then own = replaced(own, field, message[field], url) end
  end
  return own ~= body and own or nil
end

---The body that a claim posts.
---@param body string
---@param key string
---@param claim string
---@return string
function reference.claimed(body, key, claim)
  local parameter, own, parts, from = reference.of(key), reference.of(key, claim), {}, 1
  local at, last = body:find(parameter, 1, true)
  while at do
    parts[#parts + 1] = body:sub(from, at - 1) .. own
    from = last + 1
    at, last = body:find(parameter, from, true)
  end
  if from == 1 then return body end
  return table.concat(parts) .. body:sub(from)
end

return reference
