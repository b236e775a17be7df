--- The messages that are kept, in the order in which they came, and ways to find them: by phone, by
-- the account's own number, by key and by reference. The oldest is the first to go, everywhere.

local Phones = require("telnyx.sandbox.phones.list")
local Queue = require("telnyx.sandbox.queue")

local Index = {}
Index.__index = Index

---@return table index
function Index.new()
  return setmetatable({
    all = Queue.new(), phones = Phones.new(), lines = {}, keys = {}, refs = {},
    last = 0, n_received = 0, forgotten = 0,
  }, Index)
end

-- Most names stand for one message, and need no list.
local function put(map, name, record)
  local there = map[name]
  if there == nil then
    map[name] = record
  elseif getmetatable(there) == Queue then
    there:push(record)
  else
    map[name] = Queue.new()
    map[name]:push(there)
    map[name]:push(record)
  end
end

local function drop(map, name)
  local there = map[name]
  local is_list = getmetatable(there) == Queue
  if is_list then there:shift() end
  if not is_list or there:size() == 0 then map[name] = nil end
end

---The phones of a message, each of them once.
---@param record table
---@return string[]
function Index.phones_of(record)
  if record.is_inbound then return { record.from } end
  local numbers, known = {}, {}
  for _, to in ipairs(record.to) do
    if not known[to.number] then numbers[#numbers + 1] = to.number end
    known[to.number] = true
  end
  return numbers
end

-- The number of the account.
local function line_of(record)
  return record.is_inbound and record.recipient or record.sender
end

---Keeps a message, which gets its place in the order of all.
---@param record table
function Index:put(record)
  self.last = self.last + 1
  record.seq = self.last
  self.all:push(record)
  local numbers = Index.phones_of(record)
  for _, number in ipairs(numbers) do self.phones:put(number, record) end
  if not record.is_inbound then self.n_received = self.n_received + #numbers end
  put(self.lines, line_of(record), record)
  if record.key then put(self.keys, record.key, record) end
  if record.reference then put(self.refs, record.reference, record) end
end

-- The oldest message goes.
local function drop_oldest(self)
  local record = self.all:shift()
  self.forgotten = self.forgotten + 1
  for _, number in ipairs(Index.phones_of(record)) do self.phones:drop(number) end
  drop(self.lines, line_of(record))
  if record.key then drop(self.keys, record.key) end
  if record.reference then drop(self.refs, record.reference) end
end

---Forgets a message, and what came before it.
---@param seq integer
function Index:drop_through(seq)
  while self.all:size() > 0 and self.last - self.all:size() < seq do drop_oldest(self) end
end

local NOTHING = Queue.new()

local function list_of(found)
  if found == nil then return NOTHING end
  if getmetatable(found) == Queue then return found end
  local alone = Queue.new()
  alone:push(found)
  return alone
end

---The messages of a phone.
---@param number string
---@return table queue
function Index:of_phone(number)
  local phone = self.phones:get(number)
  return phone and phone.messages or NOTHING
end

---The messages from and to a number of the account.
---@param number string
---@return table queue
function Index:of_line(number)
  return list_of(self.lines[number])
end

---@param key string
---@return table queue
function Index:of_key(key)
  return list_of(self.keys[key])
end

---@param reference string
---@return table queue
function Index:of_ref(reference)
  return list_of(self.refs[reference])
end

---The first place in a queue whose message came after another.
---@param queue table
---@param seq integer
---@return integer place one behind the tail when there is none
function Index.place_after(queue, seq)
  local low, high = queue.head, queue.tail + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if queue.items[middle].seq > seq then high = middle else low = middle + 1 end
  end
  return low
end

return Index
