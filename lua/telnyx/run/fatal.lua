--- Trouble that every further message would meet as well: a run ends by it.

local CODES = {}
for _, code in ipairs({ "10009", "20001", "20002", "20003", "20004", "20005", "20006", "20007",
  "20008", "20012", "20013", "20014", "20100", "40314" }) do
  CODES[code] = true
end
local STATUSES = { [401] = true, [402] = true }

---@param err table
---@return boolean
local function is_fatal(err)
  if err.outcome ~= "rejected" or err.replayed then return false end
  return CODES[err.code] or STATUSES[err.status] or false
end

return is_fatal
