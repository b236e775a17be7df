--- Journals: where it is remembered, by key, what was sent, so that nothing is posted twice.
--- `telnyx.journal.machine` says what may become of a row, `telnyx.journal.object` what a journal
--- is asked. Only what is used is loaded.

local object = require("telnyx.journal.object")

local journal = {}

---A journal that lives as long as the program.
---@return telnyx.journal
function journal.memory()
  return object.new(require("telnyx.journal.memory").new())
end

return journal
