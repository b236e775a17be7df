--- Keeps secrets out of all that is told: an API key, a proxy's user and password.
---
--- What comes from outside is masked when it comes, names in tables included and however deep,
--- and before anything of it is cut: half a key could not be found any more. Who cuts all the
--- same, as a system's library may, is met by this: of a long secret its beginning is enough.

local find = string.find

local secrets = {}

local MASK = "***"
-- Anything shorter stands in every other sentence, and is no secret.
local LEAST_LENGTH = 4
-- Of a secret that is at least twice as long, so many bytes give it away.
local HEAD_LENGTH = 12
local KEY_LENGTH = 20 -- real keys are longer; words that begin with KEY are not

-- What stands in results by our own doing: a password like one of these must not undo an outcome.
local OURS = {}
for word in ([[
  outcome not_sent rejected unknown accepted
  kind invalid connection timeout api protocol
  class request content recipient sender account credentials rate service carrier network
  retryable code title detail pointer source errors advice status cause stale unreadable
  request_id retry_after ratelimit limit remaining reset
  attempts seconds wait event attempt segments key replayed journal_error should_retry_error
]]):gmatch("%S+") do OURS[word] = true end

-- Secrets that nobody named ---------------------------------------------------

local function mask_key(word)
  if #word >= KEY_LENGTH then return MASK end
end

---Masks what looks like an API key.
---@param text string
---@return string
local function mask_shapes(text)
  if find(text, "earer", 1, true) then
    text = text:gsub("([Bb]earer%s+)[^%s\"']+", "%1" .. MASK)
  end
  if find(text, "KEY", 1, true) then text = text:gsub("KEY[%w_%-]+", mask_key) end
  return text
end

secrets.mask_shapes = mask_shapes

-- Secrets that are known ------------------------------------------------------

local function head_of(secret)
  return #secret >= 2 * HEAD_LENGTH and secret:sub(1, HEAD_LENGTH) or secret
end

-- Where what begins at `first` stops being the secret, whose head is there.
local function last_of(text, first, secret, n)
  while n < #secret and text:byte(first + n) == secret:byte(n + 1) do n = n + 1 end
  return first + n - 1
end

local function replaced(text, secret, head)
  local first, kept, from = find(text, head, 1, true), {}, 1
  while first do
    kept[#kept + 1] = text:sub(from, first - 1)
    from = last_of(text, first, secret, #head) + 1
    first = find(text, head, from, true)
  end
  kept[#kept + 1] = text:sub(from)
  return table.concat(kept, MASK)
end

-- Two names may become one by their masks; neither is lost.
local function free_name(copy, name)
  while type(name) == "string" and copy[name] ~= nil do name = name .. "*" end
  return name
end

-- By a list of what is still to be copied, and not by calling itself: no depth is too much.
local function masked_copy(original, mask)
  local copies, todo = {}, {}
  local function copied(value)
    if type(value) ~= "table" then return mask(value) end
    if not copies[value] then
      copies[value] = {}
      todo[#todo + 1] = value
    end
    return copies[value]
  end
  local root, i = copied(original), 1
  while todo[i] do
    local copy = copies[todo[i]]
    for name, value in next, todo[i] do copy[free_name(copy, copied(name))] = copied(value) end
    i = i + 1
  end
  return root
end

-- The longest first: one may be part of another.
local function in_order(words)
  local list, is_known = {}, {}
  for _, word in pairs(words) do
    if #word >= LEAST_LENGTH and not is_known[word] then list[#list + 1] = word end
    is_known[word] = true
  end
  table.sort(list, function(a, b) return #a > #b end)
  return list
end

---@class telnyx.secrets its words are in no field, so that no host prints them
---@field mask fun(value: any): any the text without secrets; what is no text stays as it is
---@field mask_known fun(text: string): string by the known secrets alone, where time counts
---@field masked fun(value: any): any the same of a table, as a copy without metatables

---@param words string[] the secrets
---@return telnyx.secrets
function secrets.new(words)
  local list, heads = in_order(words), {}
  for i, secret in ipairs(list) do heads[i] = head_of(secret) end
  local function mask_known(text)
    for i = 1, #list do
      if find(text, heads[i], 1, true) then text = replaced(text, list[i], heads[i]) end
    end
    return text
  end
  local function mask(text)
    if type(text) ~= "string" or OURS[text] then return text end
    return mask_shapes(mask_known(text))
  end
  return {
    mask = mask,
    mask_known = mask_known,
    masked = function(value) return masked_copy(value, mask) end,
  }
end

-- Proxies -----------------------------------------------------------------------

local SCHEMES = { http = true, https = true, socks4 = true, socks4a = true, socks5 = true,
  socks5h = true }

local function without_scheme(url)
  local scheme, rest = url:match("^(%a[%w+.-]*):/*(.*)$")
  if scheme and SCHEMES[scheme:lower()] then return rest end
  return (url:gsub("^[%a%d+.-]*:?//", ""))
end

-- What stands before the host, or instead of it where it was forgotten.
local function userinfo_of(proxy)
  local rest = without_scheme(proxy)
  local userinfo = rest:match("^(.*)@")
  if userinfo then return userinfo end
  local port = rest:match("^[^%[]*:([^:]*)$")
  return port and port:find("[^%d/]") and rest or nil
end

local function decoded(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64_of_three(bytes)
  local a, b, c = bytes:byte(1, 3)
  local number, digits = a * 65536 + (b or 0) * 256 + (c or 0), ""
  for place = 3, 0, -1 do
    local digit = math.floor(number / 64 ^ place) % 64 + 1
    digits = digits .. DIGITS:sub(digit, digit)
  end
  return digits:sub(1, #bytes + 1) .. ("="):rep(3 - #bytes)
end

-- As a proxy is told, and may tell again.
local function base64(text) return (text:gsub("..?.?", base64_of_three)) end

---Adds a proxy's secrets to `words`: user and password as they are written and as they are
---meant, and both as they travel.
---@param words string[]
---@param proxy string|nil
function secrets.add_proxy(words, proxy)
  local userinfo = type(proxy) == "string" and userinfo_of(proxy)
  if not userinfo then return end
  local parts = { userinfo, userinfo:match("^[^:]*"), userinfo:match(":(.*)$"),
    userinfo:match(":([^:]*)$") }
  for i = 1, 4 do
    if parts[i] then
      words[#words + 1] = parts[i]
      words[#words + 1] = decoded(parts[i])
    end
  end
  words[#words + 1] = base64(decoded(userinfo))
end

return secrets
