--- Trouble that every further message would meet as well: a run ends by it.

---@param err table
---@return boolean
local function is_fatal(err)
  local is_for_good = err.whose == "account" and err.class ~= "rate"
  return err.outcome == "rejected" and is_for_good and not err.replayed
end

return is_fatal
