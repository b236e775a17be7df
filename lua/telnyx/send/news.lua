--- What has come of messages and is to be told: callbacks that are due, in their order, and what
--- callbacks and tasks have raised. A callback is told of once, if at all; what one raises keeps no
--- other from being told of. The callback of a run's message is the library's own. It only notes
--- what came, in one go with being taken from here, so that an error in between loses none, and
--- returns what tells of it.

local core = require("telnyx.core")

---@class telnyx.news
---@field on_error (fun(value: any))|nil is told what was raised, which is raised otherwise
---@field ended any[] four slots for each that is done: its callback, message, result and, where it
---is a run's, by what that is known
---@field n_slots integer of those, how many are taken
---@field n_told integer and how many of them are done with
---@field faults { value: any, is_over: function|false }[] what was raised, and nobody has been told
---of; and the run that it is to end as well, if it was in a message of one
---@field is_telling boolean whether a callback is running while a `send` waits
---@field is_calling boolean whether a callback is running, as far as is known
local News = {}
News.__index = News

---@param on_error (fun(value: any))|nil
---@return telnyx.news
local function new(on_error)
  return setmetatable({
    on_error = on_error or false,
    ended = {}, n_slots = 0, n_told = 0, faults = {}, is_telling = false,
    is_calling = false,
  }, News)
end

---@param callback function
---@param message table|nil
---@param result table
---@param is_over function|false the run's: then the callback is the library's own
function News:add(callback, message, result, is_over)
  local ended, n = self.ended, self.n_slots
  ended[n + 1], ended[n + 2] = callback, message or false
  ended[n + 3], ended[n + 4] = result, is_over
  self.n_slots = n + 4
end

---Tells the client's own `on_error`.
---@param value any what was raised
---@return boolean is_told
---@return any value what is to be raised, if not
function News:hand_over(value)
  if not self.on_error then return false, value end
  local ok, err = pcall(self.on_error, value)
  return ok, err
end

---@param value any what was raised
---@param is_over (fun(): boolean)|false|nil the run's in which it was, as Ctrl-C may be
function News:add_fault(value, is_over)
  local is_told, left = false, value
  if not is_over then is_told, left = self:hand_over(value) end
  if not is_told then
    self.faults[#self.faults + 1] = { value = left, is_over = is_over or false }
  end
end

---@return boolean
function News:is_due()
  return self.n_slots > self.n_told or #self.faults > 0
end

---How many are done and not told of.
---@return integer
function News:n_due()
  if self.n_slots == self.n_told then return 0 end
  return math.floor((self.n_slots - self.n_told) / 4)
end

-- The next; of a run's, what tells of it, or false. Counted first, since a callback may step the
-- loop, and raise.
local function take(self)
  local ended = self.ended
  while self.n_told < self.n_slots do
    local n = self.n_told
    local callback, message, result = ended[n + 1], ended[n + 2] or nil, ended[n + 3]
    local is_over = ended[n + 4]
    self.n_told = n + 4
    ended[n + 1], ended[n + 2], ended[n + 3] = false, false, false
    if callback and is_over then return callback(message, result) or false, nil, nil, is_over end
    if callback then return callback, message, result, is_over end
  end
  if self.n_slots > 0 then self.n_slots, self.n_told = 0, 0 end
end

---Calls one back at once.
---@param callback function
---@param message table|nil
---@param result table
function News:tell(callback, message, result)
  local ok, err = pcall(callback, message, result)
  if not ok then self:add_fault(err) end
end

-- So many calls of C, one within the other, are left to a callback: Lua allows some 200 in all.
local ROOM = 60

local function has_room(n)
  if n == 0 then return true end
  local ok, has_more = pcall(has_room, n - 1)
  return ok and has_more
end

local function take_own(self, n)
  local ended = self.ended
  local callback, message, result = ended[n + 1], ended[n + 2], ended[n + 3]
  ended[n + 1], ended[n + 2], ended[n + 3] = false, false, false
  return callback(message or nil, result)
end

-- A run waits for its own, so it is told of them at any depth. The others keep their places.
local function call_own(self, n_due, own)
  local ended = self.ended
  for n = self.n_told, n_due - 1, 4 do
    if own and ended[n + 1] and ended[n + 4] == own then
      local tell = core.shielded(take_own, self, n)
      if tell then tell() end
    end
  end
end

-- What becomes due meanwhile, as by a callback that starts another, is told of the next time. So is
-- what callbacks that step, one within the other, leave no room for: the outermost tells of it.
---@param own function|nil of the run that tells
local function call_each(self, call_one, own)
  local n_due, was_calling = self.n_slots, self.is_calling
  if was_calling and not has_room(ROOM) then return call_own(self, n_due, own) end
  while self.n_told < n_due do
    local callback, message, result, is_over = core.shielded(take, self)
    if callback == nil then break end
    self.is_calling = true
    if not is_over then
      call_one(self, callback, message, result)
    elseif callback then
      callback()
    end
    self.is_calling = was_calling
  end
  if self.n_told == self.n_slots then self.n_slots, self.n_told = 0, 0 end
end

-- Elsewhere nothing can be yielded across.
local PCALL_YIELDS = rawget(_G, "jit") ~= nil or _VERSION ~= "Lua 5.1"

local function is_main()
  local thread, is_first = coroutine.running()
  return thread == nil or is_first == true
end

---On the thread of who steps, where a callback may yield. In a coroutine of Lua 5.1 it cannot be
---guarded then: what it raises ends this, and the others are told of the next time.
function News:call_back()
  if self.n_told == self.n_slots then return end
  if PCALL_YIELDS or is_main() then return call_each(self, self.tell) end
  call_each(self, function(_, callback, message, result) callback(message, result) end)
end

---While a run waits, which what others' callbacks raise is not to end.
---@param is_over function the run's
function News:call_back_in_run(is_over)
  if self.n_told < self.n_slots then call_each(self, self.tell, is_over) end
end

---A run that an error has ended, of its own alone.
---@param is_over function the run's
function News:call_back_own(is_over) call_own(self, self.n_slots, is_over) end

---For the last time.
function News:call_back_all()
  local n_before
  repeat
    n_before = self.n_told
    call_each(self, self.tell)
  until self.n_told >= self.n_slots or self.n_told == n_before
end

---While a `send` waits. A callback that sends in its turn does not hear of others meanwhile: the
---stack is not without end.
function News:call_back_protected()
  if self.is_telling or self.n_told == self.n_slots then return end
  self.is_telling = true
  call_each(self, self.tell)
  self.is_telling = false
end

---Raises the first of what was raised.
function News:raise()
  if #self.faults > 0 then error(table.remove(self.faults, 1).value, 0) end
end

---Raises the first of what was raised in the messages of a run.
---@param is_over fun(): boolean the run's
function News:raise_in_run(is_over)
  for i, fault in ipairs(self.faults) do
    if fault.is_over == is_over then error(table.remove(self.faults, i).value, 0) end
  end
end

---Raises all that was raised, for the last time: as it is when it is one, else in one text.
function News:raise_all()
  local faults, texts = self.faults, {}
  self.faults = {}
  if #faults == 1 then error(faults[1].value, 0) end
  if #faults == 0 then return end
  for i, fault in ipairs(faults) do texts[i] = tostring(fault.value) end
  error(("%d callbacks have raised an error:\n%s"):format(#texts, table.concat(texts, "\n")), 0)
end

return { new = new }
