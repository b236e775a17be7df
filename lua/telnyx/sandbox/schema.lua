--- The published schema of a message: types, enumerations, and what may be null.
-- The live service answers a breach of it with 10015 and a pointer.

local json = require("telnyx.sandbox.json")

local types = {
  to = "string", from = "string", messaging_profile_id = "string", text = "string",
  subject = "string", media_urls = "array", webhook_url = "string",
  webhook_failover_url = "string", use_profile_webhooks = "boolean",
  type = "string", auto_detect = "boolean", send_at = "string",
  encoding = "string",
}

-- In the order in which they are reported.
local names = {
  "to", "from", "messaging_profile_id", "text", "subject", "media_urls",
  "webhook_url", "webhook_failover_url", "use_profile_webhooks", "type",
  "auto_detect", "send_at", "encoding",
}

-- Null is as good as absent.
local nullable = { send_at = true, webhook_url = true, webhook_failover_url = true }

local allowed = { type = { "SMS", "MMS" }, encoding = { "auto", "gsm7", "ucs2" } }

-- JSON's {} and [] decode to the same empty table; only the text tells.
local function wrote_object(name, source)
  return source:find('"' .. name .. '"%s*:%s*{') ~= nil
end

local function table_type(value, name, source)
  local key = next(value)
  if key == nil then return wrote_object(name, source) and "object" or "array" end
  return type(key) == "string" and "object" or "array"
end

local function json_type(value, name, source)
  if value == json.null then return "null" end
  return type(value) == "table" and table_type(value, name, source) or type(value)
end

-- The error's detail, or nil when there is nothing to complain of.
local function type_fault(value, name, source, endpoint)
  local expected = name == "to" and endpoint.is_group and "array" or types[name]
  local found = json_type(value, name, source)
  if found == expected then return nil end
  return ("Expected %s, got %s."):format(expected, found)
end

local function enumeration_fault(value, name)
  for _, one in ipairs(allowed[name] or { value }) do
    if value == one then return nil end
  end
  return "Expected one of: " .. table.concat(allowed[name], ", ") .. "."
end

local function is_read(value, name, endpoint)
  if value == nil or (endpoint.fields and not endpoint.fields[name]) then return false end
  return not (value == json.null and nullable[name] and not endpoint.not_null[name])
end

local function check_items(urls, report)
  for i, url in ipairs(urls) do
    if type(url) ~= "string" then
      report("10015", "/media_urls/" .. i - 1,
        ("Expected string, got %s."):format(json_type(url, "", "")))
    end
  end
end

---Takes what the schema knows and allows. A field that breaks it is reported once, and no
-- rule that would need it is to say anything more.
---@param body table the decoded request
---@param source string the request as it came
---@param endpoint telnyx.sandbox.endpoint
---@param report fun(code: string, pointer: string, detail: string|nil)
---@return table<string, any> fields those that keep to it
---@return table<string, boolean> faulty those that do not
return function(body, source, endpoint, report)
  local fields, faulty = {}, {}
  for _, name in ipairs(names) do
    local value = body[name]
    if is_read(value, name, endpoint) then
      local fault = type_fault(value, name, source, endpoint) or enumeration_fault(value, name)
      if fault then
        faulty[name] = true
        report("10015", "/" .. name, fault)
      else
        fields[name] = value
      end
    end
  end
  check_items(fields.media_urls or {}, report)
  return fields, faulty
end
