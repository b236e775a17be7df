--- Whether what a user's own `query` is told is there to stay when it returns. Drivers may begin a
--- transaction by themselves, which nobody ends: all looks well until the program ends, and then
--- nothing of it was ever written.

local OPEN = "the query function leaves a transaction open; what it has done must be committed when"
  .. " it returns: turn autocommit on"

local FORGETFUL = "the query function's connection commits before it has written: a power cut would"
  .. " forget what is sent; PRAGMA synchronous = FULL"

-- Each is true where the database does not say.
local will_keep = {}

-- FULL; less is NORMAL, and OFF.
local FULL = 2

-- What a transaction forbids, and what changes nothing elsewhere: to set a setting to what it is.
-- To begin one would leave it open, where the answer is lost.
function will_keep.sqlite(ask, is_claim)
  local rows = ask("PRAGMA synchronous")
  local level = rows and rows[1] and tonumber(rows[1].synchronous)
  if not level then return true end
  if is_claim and level < FULL then return nil, FORGETFUL end
  local done, why = ask(("PRAGMA synchronous = %.0f"):format(level))
  if not done and tostring(why):find("inside a transaction", 1, true) then return nil, OPEN end
  return true
end

-- Its time stands still within a transaction, and goes by microseconds from one to the next.
function will_keep.postgres(ask)
  local moments = {}
  for i = 1, 2 do
    local rows = ask("SELECT CAST(transaction_timestamp() AS TEXT) AS moment")
    moments[i] = rows and rows[1] and rows[1].moment or i
  end
  if moments[1] == moments[2] then return nil, OPEN end
  return true
end

local commits = {}

---Before anything is changed: whether what is going to be will be kept.
---@param dialect "sqlite"|"postgres"
---@param ask fun(sql: string): table[]|nil, string|nil
---@return true|nil
---@return string|nil why
function commits.will_keep(dialect, ask) return will_keep[dialect](ask) end

---Before a message is claimed or queued: the same, where that costs next to nothing, and that a
---power cut does not take it back. A server may be far away.
---@param dialect "sqlite"|"postgres"
---@param ask fun(sql: string): table[]|nil, string|nil
---@return true|nil
---@return string|nil why
function commits.will_keep_this(dialect, ask)
  if dialect ~= "sqlite" then return true end
  return will_keep.sqlite(ask, true)
end

local HELD = "the query function has left a statement open, such as one that failed and was not"
  .. " closed: nothing is committed as long as that one lives"

local SILENT = "the query function returns no row of PRAGMA wal_checkpoint: it must return the rows"
  .. " that there are, and of what fails nil and why"

local has_kept = {}

-- SQLite commits nothing as long as another change of the same connection has not ended, and that
-- one may have failed long ago. A checkpoint, which changes nothing and is one statement, is
-- refused while there is something to commit. It has a row: who returns none keeps failures back.
function has_kept.sqlite(ask)
  local rows, why = ask("PRAGMA wal_checkpoint(PASSIVE)")
  if not rows then return nil, tostring(why):find("table is locked", 1, true) and HELD or why end
  if not rows[1] then return nil, SILENT end
  return true
end

function has_kept.postgres(ask) return commits.will_keep("postgres", ask) end

---After a change: whether it is there to stay.
---@param dialect "sqlite"|"postgres"
---@param ask fun(sql: string): table[]|nil, string|nil
---@return true|nil
---@return string|nil why
function commits.has_kept(dialect, ask) return has_kept[dialect](ask) end

---After a failure, and before the next change: whether that will be kept. It is tried out on a
---change of nothing, since what is lost may be so only when what was left is collected.
---@param dialect "sqlite"|"postgres"
---@param ask fun(sql: string): table[]|nil, string|nil
---@param change_of_nothing string
---@return true|nil
---@return string|nil why
function commits.still_keeps(dialect, ask, change_of_nothing)
  if dialect ~= "sqlite" then return commits.will_keep(dialect, ask) end
  local rows, why = ask(change_of_nothing)
  if not rows then return nil, why end
  return commits.has_kept(dialect, ask)
end

return commits
