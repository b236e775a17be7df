--- The sends of a campaign: its recipients through a client, with what became of each told as it
--- comes, and an end that leaves nothing untold.

local core = require("telnyx.core")
local interrupt = require("telnyx.interrupt")

local campaign = {}

---@class telnyx.campaign_result
---@field line integer of the file
---@field key string
---@field outcome telnyx.outcome
---@field id string "" where there is none
---@field detail string for people; "" where there is nothing to tell

---@class telnyx.campaign_options
---@field journal telnyx.journal the client's
---@field rate number|nil messages a second
---@field concurrency integer|nil
---@field record fun(result: telnyx.campaign_result) may raise: then nothing more is begun
---@field show fun(counts: telnyx.campaign_counts)|nil after each
---@field on_trouble fun(why: string|nil, err: telnyx.error|nil)|nil as in a run of `send_all`
---@field on_interrupt fun()|nil Ctrl-C or SIGTERM: what is under way is waited for, once

---@class telnyx.campaign_counts
---@field total integer told of so far
---@field accepted integer
---@field rejected integer
---@field not_sent integer
---@field unknown integer
---@field replayed integer of these, told by an earlier run
---@field stopped telnyx.error|nil why no further message could succeed
---@field fault any what ended it early: the words of a row's, or what `record` raised
---@field is_interrupted boolean|nil by Ctrl-C or SIGTERM

campaign.is_interrupt = interrupt.is

-- More instructions than a campaign has: the hook is never called for them.
local NEVER = 2 ^ 30

local function is_stand_in() return select(3, debug.gethook()) == NEVER end

-- LuaJIT has one hook for all coroutines, so what Ctrl-C raises may end in anybody's pcall. But the
-- interpreter's hook takes the place of one that was there, and leaves none.
---@return fun(): boolean was_interrupted
local function watch()
  if not rawget(_G, "jit") or select(3, debug.gethook()) ~= 0 then
    return function() return false end
  end
  local function stand_in() debug.sethook(function() end, "", NEVER) end
  stand_in()
  return function()
    if is_stand_in() then return false end
    stand_in() -- for the next time
    return true
  end
end

local function unwatch()
  if is_stand_in() then debug.sethook() end
end

local function detail_of(message, result)
  local parts = {}
  if result.replayed then parts[1] = "replayed" end
  if not message then parts[#parts + 1] = tostring(result) end
  if result.journal_error then
    parts[#parts + 1] = "could not be recorded: " .. result.journal_error
  end
  return table.concat(parts, "; ")
end

-- Recorded first: what Ctrl-C comes before is told of later.
local function tell(run, index, outcome, id, detail)
  local recipient, counts = run.under_way[index], run.counts
  run.options.record({ line = recipient.line, key = recipient.key, outcome = outcome, id = id,
    detail = detail })
  run.under_way[index] = nil
  counts.total = counts.total + 1
  counts[outcome] = counts[outcome] + 1
  if run.options.show then run.options.show(counts) end
end

local function on_result(run, index, message, result)
  local id = message and type(message.id) == "string" and message.id or ""
  tell(run, index, message and "accepted" or result.outcome, id, detail_of(message, result))
  if result.replayed then run.counts.replayed = run.counts.replayed + 1 end
end

-- What is under way is waited for; not the next time.
local function heed_interrupt(run)
  if run.is_interrupted then return run.client:close() end
  run.is_interrupted = true
  if run.options.on_interrupt then run.options.on_interrupt() end
end

-- The first Ctrl-C, and SIGTERM, are told by the core. The next is the interpreter's, which raises
-- it: and where that was lost in somebody's pcall, its hook is there.
local function stops_now(run)
  if run.was_interrupted() or not run.is_interrupted and core.terminated(true) then
    heed_interrupt(run)
  end
  return run.is_interrupted
end

-- Faults were looked for before: that there is one now ends it.
local function messages_of(run, rows)
  local index = 0
  return function()
    local recipient = rows()
    if not recipient then return nil end
    if recipient.fault then error(recipient.fault, 0) end
    index = index + 1
    run.under_way[index] = recipient
    return recipient.message
  end
end

local SETTLED = { accepted = true, rejected = true }

-- What an error has taken away the result of: the journal knows more.
local function tell_lost(run, index)
  local row = run.options.journal:get(run.under_way[index].key)
  local state, id = row and row.state, row and row.message_id or ""
  if row == false or state == "free" then
    tell(run, index, "not_sent", id, "interrupted before it was sent")
  elseif SETTLED[state] then
    tell(run, index, state, id, "")
  else
    tell(run, index, "unknown", id, "interrupted while it was under way; it may have been sent")
  end
end

local function tell_all_lost(run)
  local lost = {}
  for index in pairs(run.under_way) do lost[#lost + 1] = index end
  table.sort(lost)
  for _, index in ipairs(lost) do tell_lost(run, index) end
end

-- Who has to wait for his turn would hold up an end by Ctrl-C.
local LONGEST_TURN_S = 2

local function concurrency_of(given)
  local concurrency, rate = given.concurrency or 16, given.rate or math.huge
  return math.max(1, math.min(concurrency, math.ceil(rate * LONGEST_TURN_S)))
end

local function send_all(run, client, rows)
  return client:send_all(messages_of(run, rows), {
    rate = run.options.rate,
    concurrency = concurrency_of(run.options),
    key = function(index) return run.under_way[index].key end,
    on_result = function(...) on_result(run, ...) end,
    on_trouble = run.options.on_trouble,
    stops_when = function() return stops_now(run) end,
    lets_finish = function(err)
      if not interrupt.is(err) then return false end
      heed_interrupt(run)
      return true
    end,
  })
end

---Sends to all of them. An error in between, Ctrl-C too, ends it with counts.
---@param client telnyx.client
---@param rows fun(): telnyx.recipient|nil checked before
---@param options telnyx.campaign_options
---@return telnyx.campaign_counts
function campaign.send(client, rows, options)
  local counts = { total = 0, accepted = 0, rejected = 0, not_sent = 0, unknown = 0, replayed = 0 }
  local run = { client = client, options = options, counts = counts, under_way = {},
    was_interrupted = watch() }
  local ok, result = pcall(send_all, run, client, rows)
  if ok then counts.stopped = result.stopped else counts.fault = result end
  if not ok then pcall(client.step, client, 0) end -- what has ended meanwhile is told of
  local is_told, why = pcall(tell_all_lost, run)
  unwatch()
  if not is_told then counts.fault = counts.fault or why end
  counts.is_interrupted = run.is_interrupted or interrupt.is(counts.fault)
  return counts
end

return campaign
