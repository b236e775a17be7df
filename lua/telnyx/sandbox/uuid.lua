--- Version 4 UUIDs.

local random_bytes = require("telnyx.sandbox.random")

local function hex(bytes)
  return (bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

---@return string
return function()
  local digits = hex(random_bytes(16))
  local variant = ("89ab"):sub(tonumber(digits:sub(17, 17), 16) % 4 + 1):sub(1, 1)
  return table.concat({
    digits:sub(1, 8), digits:sub(9, 12), "4" .. digits:sub(14, 16),
    variant .. digits:sub(18, 20), digits:sub(21, 32),
  }, "-")
end
