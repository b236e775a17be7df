-- A small client, in a process of its own: asks an nginx for a page again and again, on one
-- connection, and counts.

local host = require "spec.support.host"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"

local asking = {}

-- Ends when its folder has a file "stop", or is gone.
local SCRIPT = [[
local socket = require "socket"
local port, path, folder = %d, %q, %q
local PAUSE = 0.002

local function is_there(name)
  local file = io.open(folder .. name)
  if file then file:close() end
  return file ~= nil
end

local connection = assert(socket.connect("127.0.0.1", port))
connection:settimeout(20)
connection:setoption("tcp-nodelay", true)

local function ask()
  assert(connection:send(("GET %%s HTTP/1.1\r\nHost: a.example\r\n\r\n"):format(path)))
  assert(assert(connection:receive("*l")):find(" 200 ", 1, true))
  local length
  while true do
    local line = assert(connection:receive("*l")):lower()
    if line == "" then break end
    length = length or tonumber(line:match("^content%%-length: (%%d+)"))
  end
  assert(connection:receive(length))
end

local n, slowest = 0, 0
while is_there("/run") and not is_there("/stop") do
  local began = socket.gettime()
  ask()
  n, slowest = n + 1, math.max(slowest, socket.gettime() - began)
  socket.sleep(PAUSE)
end
print(n, slowest)
]]

---Begins to ask.
---@param port integer
---@param path string of a page that has a length
---@return fun(): integer, number ends it: how often it asked, and the slowest answer in seconds
function asking.begin(port, path)
  local folder = host.folder()
  host.write(folder .. "/run", "")
  host.write(folder .. "/ask.lua", SCRIPT:format(port, path, folder))
  local pipe = assert(io.popen(("%s %s/ask.lua 2>&1"):format(process.lua(), folder)))
  return function()
    host.write(folder .. "/stop", "")
    local said = pipe:read("*a")
    pipe:close()
    os.execute("rm -rf " .. sandbox.quote(folder))
    local n, slowest = said:match("^(%d+)\t(%S+)")
    assert(n, said)
    return tonumber(n), tonumber(slowest)
  end
end

return asking
