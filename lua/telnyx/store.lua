--- Where keys of messages are remembered. A store is any object with
---
---   get(self, key) -> value | nil            a string, or nothing
---   add(self, key, value) -> true | nil, why  only if the key is new; why = "exists" if not
---   set(self, key, value) -> true | nil, why
---
--- of which `add` must be atomic among all who share it: of two who add one key,
--- one is told "exists".

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

-- A line that a crash cut short has no end, and counts for nothing.
local function load_lines(values, text)
  for key, value in text:gmatch("([^\t\n]*)\t([^\n]*)\n") do
    values[unescaped(key)] = unescaped(value)
  end
end

local function append(self, key, value)
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
  if self.file then self.file:close() end
  self.file = nil
end

---A store in a file that only grows: for one program at a time, which may crash
---and go on later. Each change is handed to the system before a message is sent.
---@param path string made if it is not there
---@return telnyx.store|nil
---@return string|nil why
function store.file(path)
  local values, text = {}, ""
  local existing = io.open(path, "rb")
  if existing then
    text = existing:read("*a")
    load_lines(values, text)
    existing:close()
  end
  local file, why = io.open(path, "ab")
  if not file then return nil, why end
  if text ~= "" and text:sub(-1) ~= "\n" then file:write("\n") end
  return setmetatable({ values = values, file = file }, File)
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
  return setmetatable({ dict = dict }, Shared)
end

return store
