-- A process dies at each step of a send; then another sends the same, twice: before and after the
-- dead one's time has passed.

local core = require "telnyx.core"
local herd = require "spec.kills.herd"
local journals = require "spec.kills.journals"

local FAIR, SLOW, REFUSED_ONCE = "+18665550001", "+15550070002", "+15550042913"

-- Where it dies and what is sent; the row and the posts then, when another has come, and at last.
local STEPS = {
  { "before claim", FAIR, "none", 0, "accepted", 1, "accepted", 1 },
  { "after claim", FAIR, "sending", 0, "sending", 0, "unknown", 0 },
  { "on the wire", SLOW, "sending", 1, "sending", 1, "unknown", 1 },
  { "before finish", FAIR, "sending", 1, "sending", 1, "unknown", 1 },
  { "after finish", FAIR, "accepted", 1, "accepted", 1, "accepted", 1 },
  { "before release", REFUSED_ONCE, "sending", 1, "sending", 1, "unknown", 1 },
  { "after release", REFUSED_ONCE, "free", 1, "accepted", 2, "accepted", 2 },
}

local PAIRS = { { "lua5.4", "luajit" }, { "luajit", "lua5.4" } }

local function in_the_future() return core.now() + 3600 end

local function send(run, lua, key, to, step)
  return herd.wait(herd.start { lua, "spec/kills/victim.lua", run.service.url, run.kind, run.place,
    "patient", key, to, step })
end

local function check(run, key, when, state, n_posts)
  local row = run.journal:get(key)
  assert(row ~= nil, "the journal cannot be read")
  local posted = run.service:ledger().messages[key]
  local found = ("%s, %d posted"):format(row and row.state or "none", posted and posted.posts or 0)
  local expected = ("%s, %d posted"):format(state, n_posts)
  if found ~= expected then
    error(("%s, %s, %s: %s instead of %s"):format(run.kind, key, when, found, expected), 0)
  end
end

local function is_unsettled(run, key, now)
  for row in assert(run.journal:unsettled { now = now }) do
    if row.key == key then return true end
  end
  return false
end

local function try(run, step, first, second)
  local name, to = step[1], step[2]
  local key = ("%s, %s"):format(name, first)
  assert(send(run, first, key, to, name) == herd.KILLED, name .. ": it was not killed")
  check(run, key, "then", step[3], step[4])
  assert(send(run, second, key, to) == 0)
  check(run, key, "when another has come", step[5], step[6])
  assert(not is_unsettled(run, key), key .. ": it counts as unsettled before its time")
  local is_left = step[5] == "sending"
  assert(is_unsettled(run, key, in_the_future()) == is_left, key .. ": what counts as unsettled")
  run.journal:reap { now = in_the_future() }
  assert(send(run, second, key, to) == 0)
  check(run, key, "at last", step[7], step[8])
end

local steps = {}

---Goes through all of them in a journal that is empty.
---@param run table kind, place, service
---@return integer how many processes died; an error tells what is not as it must be
function steps.try_all(run)
  local n = 0
  run.journal = journals.open(run.kind, run.place)
  for _, step in ipairs(STEPS) do
    for _, pair in ipairs(PAIRS) do
      try(run, step, pair[1], pair[2])
      n = n + 1
    end
  end
  run.journal:close()
  return n
end

return steps
