--- Looks for messages, and waits for them.

local filters = require("telnyx.sandbox.phones.filters")
local Index = require("telnyx.sandbox.phones.index")
local Queue = require("telnyx.sandbox.queue")

local find = {}

---@class telnyx.sandbox.found
---@field records table[] in the order that was asked for
---@field total integer how many match, also those that the limit kept out
---@field more boolean whether it kept any out
---@field cursor integer where to go on
---@field may_lack boolean some that would match may have been forgotten: the number is not known

local function passes(record, tests, is_so, now)
  for _, test in ipairs(tests) do
    if not test(record) then return false end
  end
  return not is_so or is_so(record, now)
end

-- The places in a queue between two cursors.
local function places(queue, given)
  local since = type(given.since) == "number" and given.since or 0
  local last = given.before and Index.place_after(queue, given.before - 1) - 1 or queue.tail
  return Index.place_after(queue, since), last
end

-- After so many looks others get a turn.
local LOOKS_A_TURN = 500

-- Goes through a queue as it is now. Meanwhile others may have their turn, and what they bring is
-- not looked at; what they push out is passed over.
local function each(queue, first, last, step, breathe, visit)
  local items = queue.items
  for place = first, last, step do
    local record = items[place]
    if record then visit(record) end
    if breathe and (place - first) % LOOKS_A_TURN == LOOKS_A_TURN - 1 then breathe() end
  end
end

local function collect(queue, first, last, step, limit, is_wanted, breathe)
  local records, total = {}, 0
  each(queue, first, last, step, breathe, function(record)
    if is_wanted(record) then
      total = total + 1
      if total <= limit then records[total] = record end
    end
  end)
  return records, total
end

-- Where nothing is to be judged, nothing is gone through.
local function slice(queue, first, last, step, limit)
  local records = {}
  local total = math.max(0, (last - first) * step + 1)
  for i = 1, math.min(total, limit) do records[i] = queue.items[first + (i - 1) * step] end
  return records, total
end

local function cursor_of(found, given, newest)
  if given.before then newest = math.min(newest, math.max(0, given.before - 1)) end
  if found.more and given.order ~= "newest" then return found.records[#found.records].seq end
  return newest
end

---Whether some that would match may have been forgotten.
---@param index table
---@param given table<string, any> filters that are all right
---@return boolean
function find.may_lack(index, given)
  local gone, oldest = index.last - index.all:size(), index.all.items[index.all.head]
  if gone == 0 then return false end
  if type(given.since) == "number" then return given.since < gone end
  if not given.since or not oldest then return true end
  -- What is kept and was there before that time stands behind all that is forgotten.
  return filters.test("since", given.since)(oldest)
end

---@param index table
---@param given table<string, any> filters that are all right
---@param now number
---@param breathe fun()|nil is called now and then, and may give others a turn: `service.breathe`,
-- which who serves many at once sets
---@return telnyx.sandbox.found
function find.all(index, given, now, breathe)
  local newest = index.last
  local queue, tests = filters.plan(given, index)
  local is_so, limit, step = filters.status_test(given), filters.limit(given), 1
  local first, last = places(queue, given)
  if given.order == "newest" then first, last, step = last, first, -1 end
  local found = {}
  if tests[1] or is_so then
    found.records, found.total = collect(queue, first, last, step, limit, function(record)
      return passes(record, tests, is_so, now)
    end, breathe)
  else
    found.records, found.total = slice(queue, first, last, step, limit)
  end
  found.more = found.total > #found.records
  found.cursor = cursor_of(found, given, newest)
  found.may_lack = find.may_lack(index, given)
  return found
end

-- What is kept no longer counts no longer.
local function forget(matching, index)
  local gone = index.last - index.all:size()
  while matching:size() > 0 and matching.items[matching.head].seq <= gone do matching:shift() end
end

-- Those that came since, and pass every test that does not change its mind.
local function add_new(matching, given, index, seen, breathe)
  local queue, tests = filters.plan(given, index)
  local first, last = places(queue, given)
  first = math.max(first, Index.place_after(queue, seen))
  each(queue, first, last, 1, breathe, function(record)
    if passes(record, tests) then matching:push(record) end
  end)
end

---A count that can be asked again and again, and looks at each message once.
---@param store table
---@param given table<string, any> filters that are all right
---@param breathe fun()|nil as above
---@return fun(now: number): integer how many match
function find.counter(store, given, breathe)
  local index, matching, seen, is_so = nil, nil, nil, filters.status_test(given)
  return function(now)
    if store.index ~= index then index, matching, seen = store.index, Queue.new(), 0 end
    local newest = index.last
    if newest > seen then
      add_new(matching, given, index, seen, breathe)
      forget(matching, index)
      seen = newest
    end
    if not is_so then return matching:size() end
    local count = 0
    for place = matching.head, matching.tail do
      if is_so(matching.items[place], now) then count = count + 1 end
    end
    return count
  end
end

return find
