--- Whether what a user's own `query` is told is there to stay when it returns. Drivers may begin a
--- transaction by themselves, which nobody ends: all looks well until the program ends, and then
--- nothing of it was ever written.

local OPEN = "the query function leaves a transaction open; what it has done must be committed when"
  .. " it returns: turn autocommit on"

-- Each is nil where the database does not say.
local is_open = {}

-- What a transaction forbids, and what changes nothing elsewhere: to set a setting to what it is.
-- To begin one would leave it open, where the answer is lost.
function is_open.sqlite(ask)
  local rows = ask("PRAGMA synchronous")
  local level = rows and rows[1] and tonumber(rows[1].synchronous)
  if not level then return false end
  local done, why = ask(("PRAGMA synchronous = %.0f"):format(level))
  return not done and tostring(why):find("inside a transaction", 1, true) ~= nil
end

-- Its time stands still within a transaction, and goes by microseconds from one to the next.
function is_open.postgres(ask)
  local moments = {}
  for i = 1, 2 do
    local rows = ask("SELECT CAST(transaction_timestamp() AS TEXT) AS moment")
    moments[i] = rows and rows[1] and rows[1].moment or i
  end
  return moments[1] == moments[2]
end

---@param dialect "sqlite"|"postgres"
---@param ask fun(sql: string): table[]|nil, string|nil
---@return true|nil
---@return string|nil why
local function commits(dialect, ask)
  if is_open[dialect](ask) then return nil, OPEN end
  return true
end

return commits
