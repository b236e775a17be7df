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

---The outbox in a client's journal: messages wait there until a worker sends them.
---@param own telnyx.client
---@return telnyx.outbox
function telnyx.outbox(own)
  if type(own) ~= "table" or type(own.outbox) ~= "function" then
    error("outbox expects a client of telnyx.new, got a " .. type(own), 2)
  end
  return own:outbox()
end

---Whether SIGTERM has come, by which a supervisor asks a program to end. From
---the first call on it does not end the process by itself; sent again, it does.
---@param with_int boolean|nil Ctrl-C too, which then raises nothing the first time
---@return boolean|nil nil: the host of this Lua heeds the signal already
function telnyx.terminated(with_int) return core.terminated(with_int) end

return telnyx
