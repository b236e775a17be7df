--- telnyx: SMS and MMS through Telnyx, at most once, from any Lua.

local client = require("telnyx.client")
local core = require("telnyx.core")
local errors = require("telnyx.errors")
local fields = require("telnyx.fields")
local journal = require("telnyx.journal")
local options = require("telnyx.options")
local rules = require("telnyx.rules")

---@class telnyx
---@field webhook telnyx.webhook loaded when it is first asked for
local telnyx = {
  VERSION = core.version,
  new = client.new,
  errors = errors.catalogue,
  rules = rules.list,
  segments = core.segments,
  smart_encode = core.smart_encode,
  journal = journal,
}

---Judges a message without sending it.
---@param message telnyx.message
---@param given { accept: table<string, boolean>|nil, strict: boolean|nil }|nil as of a call
---@return true|nil
---@return telnyx.warning[]|telnyx.error|nil warnings, if there are any; or what it would be refused
---for, every violation in err.errors
function telnyx.validate(message, given)
  if type(message) ~= "table" then
    error("validate expects a message, a table of fields; got a " .. type(message), 2)
  end
  local own = options.judging(given, 2)
  local flat = fields.merged({}, message)
  local ok, told = core.validate(flat, nil, own.accept or nil, own.strict)
  if ok then return true, told and errors.titled(told) end
  return nil, errors.new(told)
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

---Looks for all messages under keys whose end nobody knows, where the service keeps what it has
---taken: those that are found were accepted, and their keys are settled.
---@param own telnyx.client
---@param given telnyx.settle_options|nil
---@return telnyx.settle_counts|nil
---@return table|telnyx.error info_or_err
function telnyx.settle_all(own, given)
  if type(own) ~= "table" or type(own.settle_all) ~= "function" then
    error("settle_all expects a client of telnyx.new, got a " .. type(own), 2)
  end
  return own:settle_all(given)
end

---Whether SIGTERM has come, by which a supervisor asks a program to end. From
---the first call on it does not end the process by itself; sent again, it does.
---@param with_int boolean|nil Ctrl-C too, which then raises nothing the first time
---@return boolean|nil nil: the host of this Lua heeds the signal already
function telnyx.terminated(with_int) return core.terminated(with_int) end

-- Who only sends has no use for what comes later: it is loaded when it is first asked for.
local function load_later(module, name)
  if name ~= "webhook" then return nil end
  module.webhook = require("telnyx.webhook")
  return module.webhook
end

return setmetatable(telnyx, { __index = load_later })
