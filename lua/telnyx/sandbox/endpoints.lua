--- The ways to send, as data: what each endpoint knows of a message, and what it insists on.

---@class telnyx.sandbox.endpoint
---@field fields table<string, boolean>|nil what it reads; nil is everything
---@field required string[] what must be there, besides `to`
---@field sender "number"|"short_code"|"name"|nil the only kind of sender
---@field type "SMS"|"MMS"|nil the only type
---@field is_group boolean|nil `to` is a list
---@field not_null table<string, boolean> what must not be null here, although it may elsewhere

local function set(text)
  local names = {}
  for name in text:gmatch("%S+") do names[name] = true end
  return names
end

local URLS = " webhook_url webhook_failover_url use_profile_webhooks "
local CONTENT = " to text subject media_urls type auto_detect " .. URLS

local endpoints = {
  messages = {},
  schedule = { fields = set(CONTENT .. "from messaging_profile_id send_at"),
    not_null = set("send_at") },
  number_pool = { fields = set(CONTENT .. "messaging_profile_id encoding"),
    required = { "messaging_profile_id" } },
  long_code = { fields = set(CONTENT .. "from encoding"), required = { "from" },
    sender = "number" },
  short_code = { fields = set(CONTENT .. "from encoding"), required = { "from" },
    sender = "short_code" },
  alphanumeric_sender_id = { fields = set("to from text messaging_profile_id" .. URLS),
    required = { "from", "text", "messaging_profile_id" }, sender = "name", type = "SMS" },
  group_mms = { fields = set("to from subject text media_urls" .. URLS), required = { "from" },
    sender = "number", type = "MMS", is_group = true },
}

for _, endpoint in pairs(endpoints) do
  endpoint.required = endpoint.required or {}
  endpoint.not_null = endpoint.not_null or {}
end

---@type table<string, telnyx.sandbox.endpoint>
return endpoints
