-- Orders and their messages: both are there or neither, and each is sent once. The exit code
-- is 1 where something is left that could not be sent, as cron wants it.
--
--   TELNYX_API_KEY=KEY… lua5.4 examples/outbox.lua shop.db order +18665550001 "On its way"
--   TELNYX_API_KEY=KEY… lua5.4 examples/outbox.lua shop.db worker
--
-- With TELNYX_BASE_URL=http://127.0.0.1:12111/v2 it goes to the sandbox (make sandbox).

local dbi = require("DBI") -- apt install lua-dbi-sqlite3
local telnyx = require("telnyx")

local unpack = table.unpack or unpack -- luacheck: ignore 113 143

local USAGE = [[
usage: lua examples/outbox.lua SHOP.DB COMMAND …

  order PHONE TEXT      writes an order and its message, in one transaction
  worker                sends what is due, until Ctrl-C or SIGTERM
  send                  sends what is due, and ends
  list                  what waits, what was sent, and what nobody knows the end of
  settle KEY ID         of a message that is unknown: it has this id
  settle KEY not_sent   it was never sent: it waits again
  settle KEY withdrawn  nor is it to be]]

local FROM = "+18445550001"

local path, command = arg[1], arg[2]

-- The rows of a statement.
local function ask(db, sql, ...)
  local statement = assert(db.shop:prepare(sql))
  local ok, why = statement:execute(...)
  local rows = {}
  if ok then
    for row in statement:rows(true) do rows[#rows + 1] = row end
  end
  statement:close() -- also where it failed: SQLite would commit nothing more
  assert(ok, why)
  return rows
end

-- The journal's connection, and its tables, come first; the shop has another of its own. Who only
-- looks makes none of a name that was mistyped.
local function open()
  local looks = command == "list" or command == "settle"
  local journal = telnyx.journal.sqlite(path, { beside = true, create = not looks })
  local client = telnyx.new { journal = journal }
  local shop = assert(dbi.Connect("SQLite3", path))
  shop:autocommit(true) -- transactions are begun by hand
  local db = { journal = journal, client = client, outbox = client:outbox(), shop = shop }
  ask(db, "PRAGMA busy_timeout = 5000") -- workers write as well
  return db
end

local function in_transaction(db, change)
  ask(db, "BEGIN IMMEDIATE")
  local ok, result = pcall(change)
  ask(db, ok and "COMMIT" or "ROLLBACK")
  if not ok then error(result, 0) end
  return result
end

local commands = {}

function commands.order(db, phone, text)
  -- AUTOINCREMENT: an order's number, and so its message's key, is never used again.
  ask(db, [[CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY AUTOINCREMENT, phone TEXT, text TEXT)]])
  local warnings
  local id = in_transaction(db, function()
    local rows = ask(db, "INSERT INTO orders (phone, text) VALUES (?, ?) RETURNING id", phone,
      text)
    local sql, params, n, told = db.outbox:statement({ from = FROM, to = phone, text = text },
      { key = ("order-%d"):format(rows[1].id) })
    if not sql then error(params, 0) end -- a message that would be refused: no order
    ask(db, sql, unpack(params, 1, n))
    warnings = told
    return rows[1].id
  end)
  for _, warning in ipairs(warnings or {}) do io.stderr:write(warning.detail, "\n") end
  print(("order %d is written, and its message waits"):format(id))
end

local function tell(row, message, result)
  print(row.key, message and "accepted " .. message.id or result)
end

local function tell_wait(row, err)
  local wait = row.wait and (" %.1f s"):format(row.wait) or ""
  print(row.key, ("waits%s: %s"):format(wait, tostring(err)))
end

-- Ends of a run that leave nothing that could have been sent; of the others somebody should hear.
local WELL = { empty = true, idle = true, drained = true, paused = true }

local GAVE_UP = {
  unsent = "nothing seems to come through at present; what is due waits for the next run",
  held = "the service asks to wait; what is due waits for the next run",
}

local function tell_counts(counts)
  print(("%d sent, %d refused, %d unknown"):format(counts.accepted, counts.rejected,
    counts.unknown))
  if counts.reaped > 0 then
    print(("%d more unknown, left by a worker that died"):format(counts.reaped))
  end
  if counts.unrecorded then
    print(("%d ends could not be written down, and will be unknown"):format(counts.unrecorded))
  end
  if WELL[counts.ended] then return end
  error(counts.stopped or counts.trouble or GAVE_UP[counts.ended] or counts.ended, 0)
end

local function tell_trouble(why, err)
  why = why or "nothing waits for the service any more"
  io.stderr:write(err and ("%s; %s"):format(why, tostring(err)) or why, "\n")
end

function commands.worker(db)
  tell_counts(db.outbox:run {
    rate = 20, -- messages a second, of all workers together
    on_result = tell,
    on_requeue = tell_wait,
    on_trouble = tell_trouble,
    stops_when = function() return telnyx.terminated(true) end,
  })
end

function commands.send(db)
  tell_counts(db.outbox:run { until_idle = true, on_result = tell, on_requeue = tell_wait,
    on_trouble = tell_trouble })
end

function commands.list(db)
  local counts = assert(db.journal:counts())
  for _, state in ipairs { "queued", "sending", "accepted", "rejected", "unknown", "free" } do
    print(state, counts[state])
  end
  for row in assert(db.journal:unsettled()) do
    print(row.key, row.to, os.date("begun %Y-%m-%d %H:%M:%S", math.floor(row.claimed_at)))
  end
end

-- A word that was mistyped would be taken for good.
local UUID = "^%x+%-%x+%-%x+%-%x+%-%x+$"

local SETTLED = { not_sent = "waits again", withdrawn = "is withdrawn" }

function commands.settle(db, key, id)
  if not SETTLED[id] and not id:find(UUID) then
    error(("%q is neither not_sent nor withdrawn nor a message's id"):format(id), 0)
  end
  local ok, why = db.client:resolve(key, SETTLED[id] and id or { id = id })
  if not ok then error(why, 0) end
  print(key, SETTLED[id] or "was accepted")
end

local N_WORDS = { order = { 2, 2 }, worker = { 0, 0 }, send = { 0, 0 }, list = { 0, 0 },
  settle = { 2, 2 } }

local function main()
  local most = command and N_WORDS[command]
  if not most or #arg - 2 < most[1] or #arg - 2 > most[2] then
    io.stderr:write(USAGE, "\n")
    os.exit(64)
  end
  commands[command](open(), unpack(arg, 3))
end

local ok, err = pcall(main)
if not ok then
  io.stderr:write(tostring(err), "\n")
  os.exit(1)
end
