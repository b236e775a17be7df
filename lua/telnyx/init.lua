--- telnyx: SMS and MMS through Telnyx, at most once, from any Lua.

local client = require("telnyx.client")
local core = require("telnyx.core")
local errors = require("telnyx.errors")
local journal = require("telnyx.journal")

local telnyx = {
  VERSION = core.version,
  new = client.new,
  errors = errors.catalogue,
  segments = core.segments,
  smart_encode = core.smart_encode,
  journal = journal,
}

---Checks a message without sending it.
---@param message telnyx.message
---@return true|nil
---@return telnyx.error|nil every violation, in err.errors
function telnyx.validate(message)
  local ok, err = core.validate(message)
  if ok then return true end
  return nil, errors.new(err)
end

return telnyx
