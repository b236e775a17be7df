--- The paces of a run or an outbox: of all messages, of each kind of sender, and of each sender.
--- Workers who keep them together, in a database or in an nginx's memory, have some turns in hand;
--- within a client a turn is taken when it is used.

local pace = require("telnyx.run.pace")

-- So much of its rate does a worker reserve at once: less asking, for turns that are lost when it
-- ends or finds no message. Of a rate of which that is no two turns, none is reserved before it has
-- come: a worker that ends may have had turns of minutes in hand.
local BLOCK_S = 0.1
-- What was not used so long after its time is given up, so that messages do not come in a bunch.
local STALE_S = 0.25

---@class telnyx.lane
---@field name string
---@field rate number
---@field turns number[] on the worker's clock, the next first
---@field look_at number when it makes sense to look whether a turn has come

---@class telnyx.lanes
---@field private queue telnyx.queue|telnyx.pace|telnyx.shared_pace who gives out the turns
---@field private options { rate: number|nil, rates: table|nil, sender_rates: table|nil,
---burst: number|nil }
---@field private by_name table<string, telnyx.lane>
---@field private held table<string, number> until when a refusal holds up a sender
---@field private kept table<string, number> until when the service has enough of his waiting
---@field is_by_sender boolean whether the sender matters
local Lanes = {}
Lanes.__index = Lanes

local function lane(self, name, rate)
  local own = self.by_name[name]
  if not own then
    own = { name = name, rate = rate, turns = {}, look_at = -math.huge }
    self.by_name[name] = own
  end
  return own
end

-- The widest first: a turn of it serves any sender, so it is not lost by waiting for another's.
local function lanes_of(self, sender)
  local options, list = self.options, {}
  if options.rate then list[1] = lane(self, "all", options.rate) end
  if not self.is_by_sender then return list end
  local kind = pace.kind_of(sender)
  local of_kind = options.rates and options.rates[kind]
  if of_kind then list[#list + 1] = lane(self, "kind " .. kind, of_kind) end
  local own = options.sender_rates
  own = own and (own[sender] or own[kind])
  if own then list[#list + 1] = lane(self, "sender " .. sender, own) end
  return list
end

local function drop_stale(turns, now)
  local n = 0
  while turns[n + 1] and turns[n + 1] < now - STALE_S do n = n + 1 end
  if n == 0 then return end
  for i = 1, #turns do turns[i] = turns[i + n] end
end

-- A turn is kept while another is waited for, without which it is of no use: where many workers
-- reserve, one that gave up the first by then would never have both.
local function drop_all_stale(list, now)
  for _, own in ipairs(list) do
    if own.turns[1] and own.turns[1] >= now - STALE_S then return end
  end
  for _, own in ipairs(list) do drop_stale(own.turns, now) end
end

-- A turn of a burst comes so much before its time.
local function advance_of(self, own)
  return (math.max(self.options.burst or 1, 1) - 1) / own.rate
end

local function reserve_block(self, own, n, clock)
  local step = 1 / own.rate
  n = math.max(1, math.min(n, math.floor(own.rate * BLOCK_S)))
  local ends, why = self.queue:reserve(own.name, step, n)
  if not ends then return nil, why end
  local now = clock()
  local first = now + ends - n * step - advance_of(self, own)
  for i = 1, n do own.turns[i] = math.max(now, first + (i - 1) * step) end
  return true
end

local function is_slow(self, own) return self.queue.reserve_due and own.rate * BLOCK_S < 2 end

-- The clock of the database may have been wrong when it was asked: it is asked again.
local LOOK_AGAIN_S = 30

local function look_after(self, own, seconds, clock)
  own.look_at = clock() + math.min(seconds - advance_of(self, own), LOOK_AGAIN_S)
end

-- Of many workers that wait for it one takes it, and the others look again.
local function reserve_due(self, own, clock)
  local step, advance = 1 / own.rate, advance_of(self, own)
  local ends, why = self.queue:reserve_due(own.name, step, advance)
  if ends == nil then return nil, why end
  if ends then
    own.turns[1] = clock()
    look_after(self, own, ends, clock)
  end
  return true
end

-- When the turns come that are not in hand.
local function look_ahead(self, list, clock)
  for _, own in ipairs(list) do
    if is_slow(self, own) and not own.turns[1] and own.look_at <= clock() then
      local ahead, why = self.queue:ahead(own.name, 1 / own.rate, advance_of(self, own))
      if not ahead then return nil, why end
      look_after(self, own, ahead, clock)
    end
  end
  return true
end

local function reserve(self, own, n, clock)
  if is_slow(self, own) then return reserve_due(self, own, clock) end
  return reserve_block(self, own, n, clock)
end

-- Nothing is reserved for a message that has to wait for another turn anyway.
local function wait_of(list, now)
  local at = -math.huge
  for _, own in ipairs(list) do
    at = math.max(at, own.turns[1] and at or own.look_at)
  end
  return at > now and at or nil
end

local function n_ripe_of(turns, now)
  local n = 0
  while turns[n + 1] and turns[n + 1] <= now do n = n + 1 end
  return n
end

-- A clock adds up what a turn does in one go.
local MOMENT_S = 1e-9

local function may_leave(self, list, clock)
  local at = -math.huge
  for _, own in ipairs(list) do
    at = math.max(at, self.queue:due(own.name) - advance_of(self, own))
  end
  if at > clock() + MOMENT_S then return 0, at end
  return 1
end

---How many messages of a sender may leave now, up to so many; and when the next may, if none.
---@param sender string
---@param most integer
---@param clock fun(): number
---@return integer|nil n
---@return number|string|nil next_at or why
function Lanes:ripe(sender, most, clock)
  local n, list, held_until = most, lanes_of(self, sender), self:held_until(sender)
  if held_until > clock() then return 0, held_until end
  if self.queue.due then return may_leave(self, list, clock) end
  drop_all_stale(list, clock())
  local wait_until = wait_of(list, clock())
  if wait_until then return 0, wait_until end
  local is_known, look_why = look_ahead(self, list, clock)
  if not is_known then return nil, look_why end
  wait_until = wait_of(list, clock())
  if wait_until then return 0, wait_until end
  for _, own in ipairs(list) do
    if not own.turns[1] then
      local ok, why = reserve(self, own, most, clock)
      if not ok then return nil, why end
    end
    n = math.min(n, n_ripe_of(own.turns, clock()))
    if n == 0 then return 0, own.turns[1] or math.max(own.look_at, clock()) end
  end
  return n
end

---Uses up turns.
---@param sender string
---@param n integer
function Lanes:spend(sender, n)
  for _, own in ipairs(lanes_of(self, sender)) do
    if self.queue.due then
      self.queue:reserve(own.name, 1 / own.rate, n)
    else
      for _ = 1, n do table.remove(own.turns, 1) end
    end
  end
end

---Lets nothing of a sender leave for a while, whether it has a pace or not.
---@param sender string
---@param until_ number
---@return boolean is_held false: senders do not matter
function Lanes:hold(sender, until_)
  if not self.is_by_sender then return false end
  self.held[sender] = math.max(self.held[sender] or -math.huge, until_)
  return true
end

---How long a refusal holds up a sender.
---@param sender string
---@return number
function Lanes:refused_until(sender) return self.held[sender] or -math.huge end

---How long the service's wish holds up a sender.
---@param sender string
---@return number
function Lanes:held_until(sender)
  return math.max(self.held[sender] or -math.huge, self.kept[sender] or -math.huge)
end

---Lets nothing of a sender leave while the service has enough of his waiting.
---@param sender string
---@param until_ number
function Lanes:keep_back(sender, until_) self.kept[sender] = until_ end

local lanes = {}

---@param queue telnyx.queue
---@param options table
---@return telnyx.lanes
function lanes.new(queue, options)
  return setmetatable({ queue = queue, options = options, by_name = {}, held = {},
    kept = {},
    is_by_sender = options.rates ~= nil or options.sender_rates ~= nil }, Lanes)
end

return lanes
