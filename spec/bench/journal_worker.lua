-- Sends under keys, or only claims and finishes them, from one time to another, and tells how many.
--
--   journal_worker.lua send|bare|unkeyed memory|sqlite|postgres PLACE FIRST_MOMENT LAST_MOMENT
--
-- The service is one in this process, so that what is measured is what remembers.

local core = require("telnyx.core")
local journals = require("spec.bench.journals")
local sandbox = require("telnyx.sandbox")
local telnyx = require("telnyx")

local what, first_moment, last_moment = arg[1], tonumber(arg[4]), tonumber(arg[5])
local journal = journals.open(arg[2], arg[3])
local client = telnyx.new({ sender = sandbox.sender(), journal = journal })

local function sample() return { from = "+18445550001", to = "+18665550001", text = "Hello!" } end

local ways = {}

function ways.unkeyed() assert(client:send(sample())) end

function ways.send() assert(client:send(sample(), { key = core.new_claim() })) end

-- As a send does it, of an outcome as long.
local RESULT = ("x"):rep(600)

function ways.bare()
  local key, claim, now = core.new_claim(), core.new_claim(), core.now()
  assert(journal:claim({ key = key, digest = core.digest(key), to = "+18665550001", claim = claim,
    owner = core.process(), now = now, expires = now + 90 }))
  assert(journal:finish({ key = key, claim = claim, state = "accepted", now = core.now(),
    message_id = key, status = 200, result = RESULT }))
end

ways[what]() -- what is there once for all
core.sleep(math.max(0, first_moment - core.monotonic()))
local n = 0
while core.monotonic() < last_moment do
  ways[what]()
  n = n + 1
end
io.write(n, "\n") -- in one piece
