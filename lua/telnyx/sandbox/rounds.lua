--- Wakes those who wait for news, in rounds: the first news begins one at once, and what comes
-- while it lasts, or soon after, is for the next. However many wait, they take a small share of the
-- worker, since the dearer a round was, the later comes the next.

local ngx = ngx -- luacheck: ignore 113

local semaphore = require("ngx.semaphore")

local Rounds = {}
Rounds.__index = Rounds

-- Between rounds: at least so many seconds, and so many times what the last one took.
local LEAST_PAUSE, TIMES = 0.05, 10

-- So many are woken before requests get a turn.
local AT_A_TIME = 50

-- The shortest sleep that nginx knows.
local A_TURN = 0.001

-- A wait has to have an end; this one means nothing.
local LONG = 3600

---@return table rounds
function Rounds.new()
  return setmetatable({
    news = semaphore.new(), waiting = semaphore.new(), is_told = false, spent = 0,
  }, Rounds)
end

---There is news, and a round is to begin as soon as it may.
function Rounds:tell()
  if self.is_told then return end
  self.is_told = true
  self.news:post(1)
end

---Waits for the next round, in the light thread of a request.
---@param seconds number at most
---@return boolean|nil is_woken
function Rounds:wait(seconds)
  return self.waiting:wait(seconds)
end

---Does what one waits for, and puts down what it took of the processor: what others take of it
---meanwhile is not held against those who wait.
---@param work fun(...): any must not yield
---@return any what `work` returned
function Rounds:charge(work, ...)
  local started = os.clock()
  local result = work(...)
  self.spent = self.spent + math.max(0, os.clock() - started)
  return result
end

-- Those who wait now; whoever has been woken and waits again stands behind them.
local function wake_all(self)
  local left = -self.waiting:count()
  while left > 0 do
    local n = math.min(left, AT_A_TIME)
    self.waiting:post(n)
    left = left - n
    ngx.sleep(A_TURN)
  end
end

local function round(self)
  if not self.is_told then return end
  self.is_told, self.spent = false, 0
  wake_all(self)
  ngx.sleep(math.max(LEAST_PAUSE, TIMES * self.spent))
end

---Begins rounds when there is news, for ever, in a light thread of its own.
function Rounds:run()
  while not ngx.worker.exiting() do
    self.news:wait(LONG)
    local ok, problem = pcall(round, self)
    if not ok then ngx.log(ngx.ERR, problem) end
  end
end

return Rounds
