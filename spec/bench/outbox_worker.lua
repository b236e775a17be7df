-- Sends what waits in an outbox, or only takes and finishes it, from one time to another, and tells
-- how many.
--
--   outbox_worker.lua bare|run CONCURRENCY sqlite|postgres PLACE FIRST_MOMENT LAST_MOMENT
--
-- The service answers at once, so that what is measured is what remembers.

local core = require("telnyx.core")
local journals = require("spec.bench.journals")
local telnyx = require("telnyx")

local what, concurrency = arg[1], tonumber(arg[2])
local first_moment, last_moment = tonumber(arg[5]), tonumber(arg[6])
local journal = journals.open(arg[3], arg[4])
local queue = journal:queue()

local sender, ANSWER = {}, { id = ("x"):rep(36), padding = ("x"):rep(560) }
function sender.send() return ANSWER, { outcome = "accepted", status = 200 } end

local client = telnyx.new({ sender = sender, journal = journal })
local ways = {}

function ways.run()
  local worker = telnyx.outbox(client):start({ concurrency = concurrency })
  return function()
    local before = worker.counts.total
    worker:step(0)
    return worker.counts.total - before
  end
end

local RESULT = ("x"):rep(600)

-- As a worker does it, of an outcome as long.
function ways.bare()
  return function()
    local claim, now = core.new_claim(), core.now()
    local rows = assert(queue:take({ limit = concurrency, claim = claim, owner = core.process(),
      now = now, expires = now + 90 }))
    for _, row in ipairs(rows) do
      assert(journal:finish({ key = row.key, claim = claim, state = "accepted", now = core.now(),
        message_id = row.key, status = 200, result = RESULT }))
    end
    return #rows
  end
end

local once_more, n = ways[what](), 0
once_more() -- what is there once for all
core.sleep(math.max(0, first_moment - core.monotonic()))
while core.monotonic() < last_moment do n = n + once_more() end
io.write(n, "\n") -- in one piece
