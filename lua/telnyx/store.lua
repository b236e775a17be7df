--- Where keys of messages are remembered. A store is any object with
---
---   get(self, key) -> value | nil            a string, or nothing
---   add(self, key, value) -> true | nil, why  only if the key is new; why = "exists" if not
---   set(self, key, value) -> true | nil, why
---
--- of which `add` must be atomic among all who share it: of two who add one key,
--- one is told "exists".

local core = require("telnyx.core")

local store = {}

local Memory = {}
Memory.__index = Memory

function Memory:get(key) return self.values[key] end

function Memory:add(key, value)
  if self.values[key] ~= nil then return nil, "exists" end
  self.values[key] = value
  return true
end

function Memory:set(key, value)
  self.values[key] = value
  return true
end

---A store that lives as long as the program.
---@return telnyx.store
function store.memory()
  return setmetatable({ values = {} }, Memory)
end

local File = setmetatable({}, { __index = Memory })
File.__index = File

local function escaped(text)
  return (text:gsub("[%%\t\r\n]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function unescaped(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

-- A last line that a crash cut short has no end, and counts for nothing.
local function load_lines(values, text)
  for line in text:gmatch("([^\n]*)\n") do
    local key, value = line:match("^(%d+:[^\t]*)\t(.*)$")
    if key then
      values[unescaped(key)] = unescaped(value)
    elseif line ~= "" and not line:find("^%d+:") then
      return false
    end
  end
  return true
end

local function append(self, key, value)
  if not self.file then return nil, "the store is closed" end
  local ok, why = self.file:write(escaped(key), "\t", escaped(value), "\n")
  if ok then ok, why = self.file:flush() end
  if not ok then return nil, why end
  self.values[key] = value
  return true
end

function File:add(key, value)
  if self.values[key] ~= nil then return nil, "exists" end
  return append(self, key, value)
end

File.set = append

function File:close()
  if not self.file then return end
  self.file:close()
  self.lock:release()
  self.file = nil
end

local function open(path)
  local lock, why = core.lock(path)
  if not lock then return nil, why end
  local file = assert(io.open(path, "rb"))
  local text, values = file:read("*a"), {}
  file:close()
  if not load_lines(values, text) then return nil, path .. " is not a file of keys" end
  file = assert(io.open(path, "ab"))
  if text ~= "" and text:sub(-1) ~= "\n" then file:write("\n") end
  return setmetatable({ values = values, file = file, lock = lock }, File)
end

---A store in a file that only grows, for one user at a time, who may crash and go on
---later. Each change is handed to the system before a message is sent. Raises when the
---file cannot be had, or is in use: to go on without would be to send twice.
---@param path string made if it is not there, its owner's alone to read
---@return telnyx.store
function store.file(path)
  if type(path) ~= "string" then error("store.file expects a path, a string", 2) end
  local opened, why = open(path)
  if not opened then error("store.file: " .. why, 2) end
  return opened
end

local Shared = {}
Shared.__index = Shared

function Shared:get(key) return self.dict:get(key) end

-- The safe ones fail when memory is short, where the others would forget the oldest key.
function Shared:add(key, value) return self.dict:safe_add(key, value) end

function Shared:set(key, value) return self.dict:safe_set(key, value) end

---A store in memory that all workers of an nginx share.
---@param dict table an `ngx.shared.DICT`
---@return telnyx.store
function store.shared(dict)
  if type(dict) ~= "table" or type(dict.safe_add) ~= "function" then
    error("store.shared expects an ngx.shared.DICT, got a " .. type(dict), 2)
  end
  return setmetatable({ dict = dict }, Shared)
end

return store
