--- The fields of messages, laid one over the other: a client's, a profile's, a message's.

local core = require("telnyx.core")
local tables = require("telnyx.tables")

local fields = {}

-- Of these, false is a value, and elsewhere that there is to be none.
local BOOLEAN = { use_profile_webhooks = true, auto_detect = true }

local NAMES = tables.copy(core.fields)
NAMES[#NAMES + 1] = "extra"

local function put_inherited(flat, message)
  for _, name in ipairs(NAMES) do
    local value = message[name]
    if value == false and not BOOLEAN[name] then
      flat[name] = nil
    elseif value ~= nil then
      flat[name] = value
    end
  end
end

---Fields over those that are there: a table of fields is merged, lists are replaced, and false
---leaves out. A copy without a metatable, at every depth: what is validated is what is sent, also
---at the second attempt.
---@param under table
---@param message table
---@return table
function fields.merged(under, message)
  -- Of a size that most messages need: a table that grows is dear.
  local flat = { to = nil, from = nil, text = nil, type = nil }
  for name, value in next, under do flat[name] = value end
  for name, value in next, message do
    if value == false and not BOOLEAN[name] then value = nil end
    flat[name] = value
  end
  if getmetatable(message) then put_inherited(flat, message) end
  local urls, extra = flat.media_urls, flat.extra
  if urls and type(urls) == "table" then flat.media_urls = tables.copy(urls) end
  if extra and type(extra) == "table" then
    local own = type(under.extra) == "table" and under.extra or {}
    flat.extra = tables.deep_copy(tables.merge(own, extra))
  end
  return flat
end

return fields
