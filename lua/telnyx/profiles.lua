--- Profiles: named sets of message fields and call options, so that a program
--- says "alerts" once and not a sender, a profile id and a timeout everywhere.

local core = require("telnyx.core")
local options = require("telnyx.options")

local profiles = {}

---@class telnyx.profile
---@field fields table message fields that the profile fills in
---@field call table options of a call that the profile sets

---Checks every profile at once, so that a slip shows when the client is made.
---@param given table<string, table>|nil
---@param level integer whose fault misuse is
---@return table<string, telnyx.profile>
function profiles.read(given, level)
  local named = {}
  for name, profile in pairs(given or {}) do
    if type(name) ~= "string" then
      error("a profile's name must be a string, got a " .. type(name), level + 1)
    end
    local fields, call = options.profile(profile, name, level + 1)
    named[name] = { fields = fields, call = call }
  end
  return named
end

---@param named table<string, telnyx.profile>
---@param name string
---@param level integer
---@return telnyx.profile
function profiles.find(named, name, level)
  if named[name] then return named[name] end
  local known = {}
  for known_name in pairs(named) do known[#known + 1] = known_name end
  table.sort(known)
  local near = type(name) == "string" and core.nearest(name, known)
  local hint = near and ("did you mean '" .. near .. "'?")
    or (#known > 0 and "known: " .. table.concat(known, ", ") or "there are none")
  error("unknown profile '" .. tostring(name) .. "'; " .. hint, level + 1)
end

return profiles
