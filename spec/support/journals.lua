-- The journals, each empty, for specs that go through all of them.

local journal = require "telnyx.journal"

local journals = {}

---@class journals.candidate
---@field name string
---@field start fun()|nil once, before its specs
---@field stop fun()|nil
---@field open fun(): telnyx.journal a new, empty one
---@field queue fun(journal, row: table)|nil puts a row there as an outbox does: queued, with a body
---@field keeps_results boolean

-- What an outbox's row has: times in whole milliseconds.
local function queued(row)
  return { key = row.key, state = "queued", digest = row.digest, to = row.to, body = "{}",
    campaign = "autumn", due = row.due * 1000, tries = 0, created_at = row.created_at * 1000 }
end

journals.memory = {
  name = "memory",
  keeps_results = true,
  open = journal.memory,
  queue = function(own, row) own.keeper.rows[row.key] = queued(row) end,
}

journals.all = { journals.memory }

return journals
