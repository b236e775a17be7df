--- Many messages through one client: some at a time, at a pace, in constant memory.

local pace = require("telnyx.pace")

-- Trouble that every further message would meet as well.
local FATAL_CLASS = { credentials = true, account = true }
local FATAL_STATUS = { [401] = true, [402] = true }

---@class telnyx.run
---@field client telnyx.client
---@field begin fun(message: table, key: string|nil, callback: function)
---@field next fun(): table|nil
---@field options table
---@field paces table<string, telnyx.pace>
---@field index integer of the last message taken
---@field n_in_flight integer
---@field held table|nil a message that waits for its pace
---@field counts telnyx.counts

---@class telnyx.counts
---@field total integer
---@field accepted integer
---@field rejected integer
---@field not_sent integer
---@field unknown integer
---@field stopped telnyx.error|nil the error that ended the run early

local function iterator_of(source)
  if type(source) == "function" then return source end
  local i = 0
  return function()
    i = i + 1
    return source[i]
  end
end

local function paces_of(options)
  local paces = {}
  if options.rate then paces.all = pace.new(options.rate, options.burst) end
  for kind, rate in pairs(options.rates or {}) do paces[kind] = pace.new(rate, options.burst) end
  return paces
end

local function is_fatal(err)
  if err.outcome ~= "rejected" then return false end
  return FATAL_CLASS[err.class] or FATAL_STATUS[err.status] or false
end

local function count(run, index, message, result)
  local counts = run.counts
  local outcome = message and "accepted" or result.outcome
  counts[outcome] = (counts[outcome] or 0) + 1
  counts.total = counts.total + 1
  run.n_in_flight = run.n_in_flight - 1
  if not message and is_fatal(result) then counts.stopped = counts.stopped or result end
  if run.options.on_result then run.options.on_result(index, message, result) end
end

-- The paces that this message goes by: that of all, and its own kind's.
local function paces_for(run, message)
  if not run.has_paces then return nil, nil end
  return run.paces.all, run.paces[pace.kind_of(message.from or run.default_from)]
end

local function wait_for(run, message, now)
  local all, own = paces_for(run, message)
  return math.max(all and all:wait(now) or 0, own and own:wait(now) or 0)
end

local function take_tokens(run, message, now)
  local all, own = paces_for(run, message)
  if all then all:take(now) end
  if own then own:take(now) end
end

local function start(run, message)
  run.index = run.index + 1
  run.n_in_flight = run.n_in_flight + 1
  local index = run.index
  local key = run.options.key and run.options.key(index, message)
  if key ~= nil and (type(key) ~= "string" or key == "") then
    error("send_all: the key of message " .. index .. " is no string", 0)
  end
  run.begin(message, key, function(sent, result) count(run, index, sent, result) end)
end

local function take_message(run)
  if run.held then return run.held end
  if run.is_exhausted or run.counts.stopped then return nil end
  local message = run.next()
  if message == nil then
    run.is_exhausted = true
  elseif type(message) ~= "table" then
    error("send_all: message " .. run.index + 1 .. " is a " .. type(message), 0)
  end
  return message
end

-- Starts what may start. Returns seconds until another may, nil when that is no
-- question of time.
local function fill(run)
  while run.n_in_flight < run.options.concurrency do
    local message = take_message(run)
    if not message then return nil end
    run.held = message
    if run.counts.stopped then return nil end
    local now = run.client:now()
    local wait = wait_for(run, message, now)
    if wait > 0 then return wait end
    take_tokens(run, message, now)
    run.held = nil
    start(run, message)
  end
  return nil
end

---Sends every message of a list, or that an iterator yields.
---@param client telnyx.client
---@param source table[]|fun(): table|nil
---@param options table checked by the caller
---@param begin fun(message: table, key: string|nil, callback: function)
---@return telnyx.counts
local function send_all(client, source, options, begin)
  local run = {
    client = client,
    begin = begin,
    next = iterator_of(source),
    options = options,
    paces = paces_of(options),
    has_paces = options.rate ~= nil or options.rates ~= nil,
    default_from = client:default("from"),
    index = 0,
    n_in_flight = 0,
    counts = { total = 0, accepted = 0, rejected = 0, not_sent = 0, unknown = 0 },
  }
  repeat
    local wait = fill(run)
    local is_over = run.n_in_flight == 0 and (not run.held or run.counts.stopped)
    if not is_over then client:wait(math.min(wait or 1, 1)) end
  until is_over
  return run.counts
end

return send_all
