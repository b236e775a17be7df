-- The journals that are measured, as each process opens them.

local journal = require("telnyx.journal")

local journals = {}

local OPEN = {
  memory = function() return journal.memory() end,
  sqlite = function(place) return journal.sqlite(place) end,
  postgres = function(place)
    local folder, database = place:match("^(.*):(%w+)$")
    return journal.postgres({ host = folder, user = "spec", dbname = database },
      { statement_timeout = 600 })
  end,
}

---@param kind "memory"|"sqlite"|"postgres"
---@param place string a file; a socket's folder, a colon and a database
---@return telnyx.journal
function journals.open(kind, place) return OPEN[kind](place) end

return journals
