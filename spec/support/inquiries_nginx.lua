-- Runs inside nginx, and in plain scripts alike: what a program asks about its messages.

local core = require "telnyx.core"
local telnyx = require "telnyx"

local FROM, TO = "+18445550001", "+18665550001"

local inquiries = {}

local function soon(seconds) return os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() + seconds) end

---What came of each question, as plain data.
---@param options table of telnyx.new
---@return table
function inquiries.all(options)
  options.journal = telnyx.journal.memory()
  local client, seen = telnyx.new(options), {}

  local function note(name, message, result)
    seen[name] = { id = message and message.id, state = message and message.state,
      by = message and message.by, status = message and message.to and message.to[1].status,
      n_to = message and message.to and #message.to, outcome = result.outcome, code = result.code,
      http = result.status, error = not message and tostring(result) or nil }
    return message
  end

  local sent = assert(client:send { from = FROM, to = TO, text = "Hello" })
  note("get", client:get(sent.id))
  seen.get.is_same, seen.get.id = seen.get.id == sent.id, nil
  note("get none", client:get("00000000-0000-4000-8000-000000000000"))
  note("cancel what is sent", client:cancel(sent.id))
  local later = assert(client:send { from = FROM, to = TO, text = "Later", send_at = soon(3600) })
  note("cancel", client:cancel(later.id)).id = nil
  note("get cancelled", client:get(later.id)).id = nil
  note("group", client:send_group { from = FROM, to = { TO, "+18665550002" }, text = "All" })
  local _, lost = client:send({ from = FROM, to = "+15550051001",
    text = core.new_claim(), -- once each, that answer is lost
    webhook_url = "https://a.example/sms" }, { key = "lost" })
  seen.lost = lost.outcome
  local pending = client:start_settle("lost")
  repeat until pending.done or client:step(0.05) == 0
  note("settle", pending:result())
  local counts = assert(telnyx.settle_all(client))
  seen.left = counts.looked_for
  for _, one in pairs(seen) do
    if type(one) == "table" then one.id = one.id and "an id" or nil end
  end
  client:close()
  return seen
end

return inquiries
