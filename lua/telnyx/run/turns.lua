--- Who waits for a turn in a run, and whose has come: first come, first served, where it matters by
--- sender, and who waits for one sender's holds up no other's. Turns come by the rates that are
--- named, and by what the service is found to take: in all, and of a sender where it says that
--- there are too many of this one's.

local allowance = require("telnyx.run.allowance")
local catalogue = require("telnyx.errors.catalogue").codes
local core = require("telnyx.core")
local learned = require("telnyx.run.learned")
local trouble = require("telnyx.run.trouble")

---@class telnyx.waiter what waits: a seat of a run
---@field sender string
---@field refused_by telnyx.learned|false who has refused it last
---@field n_refused integer how often, one after the other
---@field n_taken_then integer `n_taken_ever` when it did
---@field lesson integer the run's last when its attempt left
---@field due_at number not before
---@field ends_at number and not after: then it is done with
---@field is_waiting boolean
---@field is_granted boolean

---@class telnyx.turns
---@field n integer how many wait
---@field next_at number when the next may have its turn
---@field private lanes telnyx.lanes
---@field private clock fun(): number
---@field private queues { name: string, first: integer, last: integer, due_at: number,
---epoch: integer }[] that have somebody; who is first there has no turn before, as it was found in
---an epoch
---@field private at integer who of them had a turn last
---@field private epoch integer ends when something may come sooner than was found
---@field private by_name table<string, table>
---@field private delayed telnyx.waiter[] who tries again later
---@field private closing telnyx.waiter[] who does not wait for ever; some have gone meanwhile
---@field closes_at number when the first of those may be done with
---@field private whole telnyx.learned|nil what it takes in all; nil: as much as comes
---@field private learned table<string, telnyx.learned> what it takes of a sender's
---@field private streaks table<string, table> refusals of a sender's in a row, and what was taken
---and refused in all when they began
---@field private n_refused integer that were not said to be of a sender's
---@field private suspect string|false|nil whose were refused since it took one; false: several'
---@field private held table<string, number> until when it has enough of a sender's waiting
---@field private n_missed integer attempts in a row that had no connection
---@field private away_until number
---@field private away_s number
---@field private allowance telnyx.allowance how many more it takes, as it has said
---@field private started_at number
---@field private only_sender string|false|nil of all that have waited; false: there are more
---@field is_open boolean nobody has to wait: there are no rates, and nobody was refused
---@field is_by_sender boolean whether the sender matters
---@field n_taken integer messages that the service took
---@field lessons { n: integer } that were learned so far
local Turns = {}
Turns.__index = Turns

-- A clock adds up what a turn does in one go.
local MOMENT_S = 1e-9

-- So many attempts in a row without a connection, and there is none for anybody: it is tried again
-- after so long, and each time after twice as long.
local FEW_MISSED = 3
local AWAY_S, LONGEST_AWAY_S = 0.5, 8

local function name_of(self, sender) return self.is_by_sender and sender or "" end

local function queue_of(self, sender)
  local name = name_of(self, sender)
  local queue = self.by_name[name]
  if not queue then
    queue = { name = name, sender = sender, first = 1, last = 0, due_at = 0, epoch = -1 }
    self.by_name[name] = queue
    self.queues[#self.queues + 1] = queue
  end
  return queue
end

local function put_last(self, waiter)
  local queue = queue_of(self, waiter.sender)
  queue.last = queue.last + 1
  queue[queue.last] = waiter
end

local function put_first(self, waiter)
  local queue = queue_of(self, waiter.sender)
  queue.first = queue.first - 1
  queue[queue.first] = waiter
end

-- Of the i-th queue, which goes where it is empty.
local function take_first(self, i)
  local queue = self.queues[i]
  local waiter = queue[queue.first]
  queue[queue.first], queue.first = nil, queue.first + 1
  self.n, self.at = self.n - 1, i
  if queue.first > queue.last then
    self.by_name[queue.name], self.at = nil, i - 1
    table.remove(self.queues, i)
  end
  return waiter
end

-- When the service would take one of a sender's.
local function due_of(self, sender, now)
  local whole, own = self.whole, self.learned[sender]
  local due = math.max(self.held[sender] or -math.huge, self.allowance:due())
  if self.n_missed >= FEW_MISSED then due = math.max(due, self.away_until) end
  if whole then due = math.max(due, whole:due(now)) end
  if own then due = math.max(due, own:due(now)) end
  return due
end

-- Whether one of a sender's may leave now, which uses up its turn; or when it may.
local function leaves(self, sender)
  local now = self.clock()
  local due = due_of(self, sender, now)
  if due > now + MOMENT_S then return false, due end
  local n, next_at = self.lanes:ripe(sender, 1, self.clock)
  if not n then error(next_at, 0) end
  if n == 0 then return false, next_at end
  self.lanes:spend(sender, 1)
  self.allowance:leave(now)
  if self.n_missed >= FEW_MISSED then self.away_until = now + self.away_s end -- one tries for all
  if self.whole then self.whole:leave(now) end
  if self.learned[sender] then self.learned[sender]:leave(now) end
  return true
end

-- In one go: an error between two of these would lose who waits.
local function give_each_a_queue(self)
  local queue = self.by_name[""]
  self.is_by_sender, self.queues, self.by_name = true, {}, {}
  if not queue then return end
  for i = queue.first, queue.last do put_last(self, queue[i]) end
end

-- From now on each sender has a queue of its own.
local function tell_senders_apart(self)
  if not self.is_by_sender then core.shielded(give_each_a_queue, self) end
end

---Whether one that has just come may leave at once, before nobody.
---@param sender string
---@return boolean
function Turns:is_free_for(sender)
  return self.by_name[name_of(self, sender)] == nil and leaves(self, sender)
end

---@param waiter telnyx.waiter
---@param now number
function Turns:put(waiter, now)
  self.n = self.n + 1
  if waiter.sender ~= self.only_sender then
    self.only_sender = self.only_sender == nil and waiter.sender
  end
  if waiter.ends_at < math.huge then
    self.closing[#self.closing + 1] = waiter
    self.closes_at = math.min(self.closes_at, waiter.ends_at)
  end
  if waiter.due_at > now then
    self.delayed[#self.delayed + 1] = waiter
    self.next_at = math.min(self.next_at, waiter.due_at)
  else
    put_last(self, waiter)
    self.next_at = -math.huge
  end
end

-- Who was refused so often, one after the other, lets some others try, each second time: it may be
-- he alone, or he alone who comes too late each time. Where none is taken, all his may be refused
-- for good, and more are to have a try before their time is over; but not where it is the limit of
-- one sender: in a window of few places those would be theirs, and he would wait in vain.
local OFTEN, SOME, MORE = 3, 4, 32

local function n_before(self, own)
  local may_be_for_good = own.is_bounded or own == self.whole and not self.only_sender
  return own:takes_none() and may_be_for_good and MORE or SOME
end

local function put_behind(self, waiter, n)
  put_first(self, waiter)
  local queue = queue_of(self, waiter.sender)
  local at = queue.first
  for _ = 1, math.min(n, queue.last - at) do
    queue[at], queue[at + 1], at = queue[at + 1], waiter, at + 1
  end
end

-- Who was in the midst of it goes before those who were not.
local function let_in(self, waiter)
  local own = waiter.refused_by
  local n = own and waiter.n_refused or 0
  if n < OFTEN or n % 2 ~= OFTEN % 2 then return put_first(self, waiter) end
  put_behind(self, waiter, n_before(self, own))
end

local function let_in_delayed(self)
  local now, rest, next_at = self.clock(), {}, math.huge
  for _, waiter in ipairs(self.delayed) do
    if waiter.due_at <= now then
      let_in(self, waiter)
    else
      rest[#rest + 1] = waiter
      next_at = math.min(next_at, waiter.due_at)
    end
  end
  self.delayed = rest
  return next_at
end

-- A sender whose were refused at so many moments, others' taken in between, may be the only one.
local DOUBTFUL, MOMENT_OF_HIS_S = 2, 1

local function is_doubtful(self, sender)
  local streak = self.streaks[sender]
  return streak ~= nil and streak.n >= DOUBTFUL
end

-- Where nothing was taken since one sender's were refused, whoever waits first of another sender's
-- says whether it is all or he alone. Who is doubtful is tried once a second. A few in a row are
-- refused by the account's limit as well, and those have their turn first: their time goes by.
local MANY_IN_ROW = 6

local function gives_way(self, sender, now)
  local streak = self.streaks[sender]
  if not streak or streak.n_all < MANY_IN_ROW then return false end
  if sender == self.suspect then return true end
  return is_doubtful(self, sender) and now < self.streaks[sender].tried_at + MOMENT_OF_HIS_S
end

local function put_another_first(self, queue)
  local first = queue.first
  if not self.streaks[queue[first].sender] then return end
  local now = self.clock()
  if not gives_way(self, queue[first].sender, now) then return end
  for i = first + 1, queue.last do
    local other = queue[i]
    if not gives_way(self, other.sender, now) then
      for k = i, first + 1, -1 do queue[k] = queue[k - 1] end
      queue[first] = other
      return
    end
  end
end

---Whether all who wait are a sender's who is doubtful: then others are looked for.
---@return boolean
function Turns:has_doubtful_only()
  local queue = self.by_name[""]
  if not queue or not is_doubtful(self, queue[queue.first].sender) then return false end
  local sender = queue[queue.first].sender
  for i = queue.first + 1, queue.last do
    if queue[i].sender ~= sender then return false end
  end
  return true
end

---How many wait for nothing but their turn.
---@return integer
function Turns:n_ready() return self.n - #self.delayed end

---Who has a turn now; nil: nobody, before `next_at`.
---@return telnyx.waiter|nil
function Turns:take()
  if self.n == 0 or self.next_at > self.clock() then return nil end
  local next_at, now, n = let_in_delayed(self), self.clock(), #self.queues
  for k = 1, n do
    local i = (self.at + k - 1) % n + 1
    local queue = self.queues[i]
    if queue.epoch ~= self.epoch or queue.due_at <= now then
      local is_free, at = leaves(self, queue.sender)
      if is_free then
        put_another_first(self, queue)
        return take_first(self, i)
      end
      queue.due_at, queue.epoch = at, self.epoch
    end
    next_at = math.min(next_at, queue.due_at)
  end
  self.next_at = next_at
end

local function remove(list, first, last, waiter)
  for i = first, last do
    if list[i] == waiter then
      for j = i, last do list[j] = list[j + 1] end
      return true
    end
  end
end

---Forgets one that waits no more.
---@param waiter telnyx.waiter
function Turns:forget(waiter)
  local queue = self.by_name[name_of(self, waiter.sender)]
  local is_found = remove(self.delayed, 1, #self.delayed, waiter)
  if not is_found and queue and remove(queue, queue.first, queue.last, waiter) then
    is_found, queue.last = true, queue.last - 1
    if queue.last < queue.first then
      self.by_name[queue.name] = nil
      remove(self.queues, 1, #self.queues, queue)
    end
  end
  if is_found then self.n = self.n - 1 end
end

---Who has waited as long as he can; nil: nobody.
---@return telnyx.waiter|nil
function Turns:take_late()
  local now, late = self.clock(), nil
  if self.closes_at > now then return nil end
  local rest, closes_at = {}, math.huge
  for _, waiter in ipairs(self.closing) do
    local is_there = waiter.is_waiting and not waiter.is_granted
    if is_there and not late and waiter.ends_at <= now then
      late = waiter
    elseif is_there then
      rest[#rest + 1] = waiter
      closes_at = math.min(closes_at, waiter.ends_at)
    end
  end
  self.closing, self.closes_at = rest, closes_at
  if late then self:forget(late) end
  return late
end

local function is_about_sender(refusal)
  local entry = catalogue[refusal.code or ""]
  return entry ~= nil and entry.whose == "sender"
end

-- Whether it was refused again though others were taken since: that says nothing of the others.
local function is_alone(waiter, own)
  if waiter.refused_by ~= own then waiter.refused_by, waiter.n_refused = own, 0 end
  local is_so = waiter.n_refused > 0 and own.n_taken_ever > waiter.n_taken_then
  waiter.n_refused, waiter.n_taken_then = waiter.n_refused + 1, own.n_taken_ever
  return is_so
end

-- Where a sender's were refused so often in a row, at so many moments, and others' were taken
-- before each, so many in all, and few of those refused, it is about this sender, whatever the
-- service says. He may be refused for good: so that each of his has an end, he is given no more
-- patience than this.
local HIS, OF_OTHERS, FEW_OF_OTHERS, HIS_PATIENCE_S = 8, 48, 1 / 4, 1

local function streak_of(self, sender, now)
  local streak = self.streaks[sender] or { n = 0, n_all = 0, n_taken_then = self.n_taken,
    n_refused_then = self.n_refused, n_taken = self.n_taken, at = now }
  self.streaks[sender] = streak
  return streak
end

local function is_only_his(self, sender, now)
  local streak = streak_of(self, sender, now)
  streak.n_all, streak.tried_at, self.n_refused = streak.n_all + 1, now, self.n_refused + 1
  if now >= streak.at + MOMENT_OF_HIS_S and self.n_taken > streak.n_taken then
    streak.n, streak.n_taken, streak.at = streak.n + 1, self.n_taken, now
  end
  local n_taken = self.n_taken - streak.n_taken_then
  local n_refused = self.n_refused - streak.n_refused_then - streak.n_all
  local own = self.learned[sender]
  if streak.n >= HIS and own and own.is_bounded then return true end -- it was found before
  return streak.n >= HIS and n_taken >= OF_OTHERS and n_refused <= n_taken * FEW_OF_OTHERS
end

-- What is learned of a sender's own limit. Of whom none was taken for long, none is known to be.
local function own_of(self, sender, n_taken)
  tell_senders_apart(self)
  local own = self.learned[sender]
    or learned.new(self.started_at, n_taken, true, self.lessons)
  self.learned[sender] = own
  return own
end

local function suspect(self, sender)
  if self.suspect == nil then
    self.suspect = sender
  elseif self.suspect ~= sender then
    self.suspect = false
  end
end

---The service refused one for being too many.
---@param waiter telnyx.waiter
---@param refusal table whose they are too many: `code`
---@param asked_s number|nil it asks for so much patience; nil: it names no time
function Turns:refuse(waiter, refusal, asked_s)
  local sender, own, now = waiter.sender, self.whole, self.clock()
  if is_about_sender(refusal) then
    own = own_of(self, sender, self.n_taken)
  elseif is_only_his(self, sender, now) then
    own = own_of(self, sender, 0)
    own:bound_patience(HIS_PATIENCE_S)
  elseif not own then
    own = learned.new(self.started_at, self.n_taken, false, self.lessons)
    self.whole = own
  end
  self.is_open = false
  if own == self.whole then suspect(self, sender) end
  if is_alone(waiter, own) then return own:count_refused(now) end
  own:refuse(now, asked_s, waiter.lesson)
end

---An attempt had no connection, or nobody knows what became of it.
function Turns:miss()
  local now = self.clock()
  self.n_missed = self.n_missed + 1
  if self.n_missed < FEW_MISSED or now < self.away_until then return end
  self.is_open = false
  self.away_until = now + self.away_s
  self.away_s = math.min(self.away_s * 2, LONGEST_AWAY_S)
end

-- Something may come sooner than was found.
local function look_again(self)
  self.next_at, self.epoch = -math.huge, self.epoch + 1
end

---One was answered by the service, whatever it said.
function Turns:reach()
  if self.n_missed == 0 then return end
  self.n_missed, self.away_s, self.away_until = 0, AWAY_S, -math.huge
  look_again(self)
end

---It took one, which is counted in `n_taken`, where somebody has to wait.
---@param sender string
function Turns:took(sender)
  local now, whole, own = self.clock(), self.whole, self.learned[sender]
  self.streaks[sender], self.suspect = nil, nil
  local is_sooner = whole and whole:take(now)
  is_sooner = own and own:take(now) or is_sooner
  if is_sooner then look_again(self) end
end

---It has said how many more it takes before a moment.
---@param said { n_left: number, reset_s: number, took_s: number }
---@param n_under_way integer
---@param most_under_way integer
function Turns:heed_limit(said, n_under_way, most_under_way)
  look_again(self)
  if self.allowance:heed(said, self.clock(), n_under_way, most_under_way) then
    self.is_open = false
  end
end

---It has enough of a sender's waiting, for so long.
---@param sender string
---@param wait_s number
function Turns:keep_back(sender, wait_s)
  tell_senders_apart(self)
  self.is_open = false
  self.held[sender] = self.clock() + wait_s
end

local function has_waiting(self, sender)
  if self.by_name[sender] then return true end
  for _, waiter in ipairs(self.delayed) do
    if waiter.sender == sender then return true end
  end
  return false
end

-- Whose own limit has his messages wait.
local function hindered_sender(self, now)
  for sender, own in pairs(self.learned) do
    if own:hindrance(now) and has_waiting(self, sender) then return sender end
  end
end

---Why messages wait for the service, if they do; asked about once a second.
---@return telnyx.hindrance|nil kind
---@return number|nil n of "held": seconds; of "slow": messages a second
---@return string|nil sender of "sender"
function Turns:hindrance()
  local now, kind, n = self.clock(), nil, nil
  if self.n == 0 then return nil end
  if self.n_missed >= FEW_MISSED then return "away" end
  if self.whole then kind, n = self.whole:hindrance(now) end
  local window_s = self.allowance:due() - now
  if window_s > trouble.LONG_S then return "held", window_s end
  if kind then return kind, n end
  local sender = hindered_sender(self, now)
  return sender and "sender" or nil, nil, sender
end

---@class telnyx.lesson what a service was found to take
---@field refused integer how many it has refused for being too many; each was tried again
---@field rate number|nil messages a second, in all; nil: as many as came
---@field senders table<string, { rate: number|nil, refused: integer }>|nil of whose there were too
---many

---@return telnyx.lesson|nil
function Turns:lesson()
  local whole, lesson = self.whole, { refused = 0 }
  if not whole and next(self.learned) == nil then return nil end
  if whole then lesson.rate, lesson.refused = whole.rate, whole.n_refused end
  for sender, own in pairs(self.learned) do
    lesson.senders = lesson.senders or {}
    lesson.senders[sender] = { rate = own.rate, refused = own.n_refused }
    lesson.refused = lesson.refused + own.n_refused
  end
  return lesson
end

local turns = {}

---@param lanes telnyx.lanes
---@param clock fun(): number
---@param is_paced boolean
---@return telnyx.turns
function turns.new(lanes, clock, is_paced)
  return setmetatable({ n = 0, at = 0, epoch = 0, next_at = -math.huge, lanes = lanes,
    clock = clock, queues = {}, by_name = {}, delayed = {}, closing = {}, closes_at = math.huge,
    lessons = { n = 0 }, learned = {}, streaks = {}, held = {}, n_missed = 0,
    away_until = -math.huge, away_s = AWAY_S, allowance = allowance.new(), n_taken = 0,
    n_refused = 0, is_open = not is_paced, is_by_sender = lanes.is_by_sender,
    started_at = clock() }, Turns)
end

return turns
