-- Somebody else's program, for specs: it runs in a folder of its own, and ends when it is stopped
-- or the spec's process ends in any other way.

local socket = require "socket"
local sandbox = require "spec.support.sandbox"

local host = {}

local Program = {}
Program.__index = Program

---@return string path of a new, empty folder that the program will take away
function host.folder()
  local path = sandbox.capture("mktemp -d ${TMPDIR:-/tmp}/telnyx-host.XXXXXX"):gsub("%s+$", "")
  assert(path ~= "", "mktemp made no folder")
  return path
end

---@param path string
---@param text string
function host.write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

---A port that was free a moment ago, below the range from which the kernel takes ports for
---outgoing connections.
---@return integer
function host.free_port()
  for _ = 1, 100 do
    local bytes = sandbox.capture("od -An -N2 -tu2 /dev/urandom")
    local port = 20000 + tonumber(bytes) % 12000
    local probe = assert(socket.tcp4())
    local ok = probe:bind("127.0.0.1", port)
    probe:close()
    if ok then return port end
  end
  error("found no free port")
end

---@param name string of a program
---@return boolean whether this machine has it
function host.has(name)
  local found = sandbox.capture("PATH=$PATH:/usr/sbin:/usr/games command -v " .. name)
  return found ~= ""
end

---Whether a host's examples can be tried here; where it is missing they are left out, unless HOSTS
---says that none may be.
---@param is_here any
---@return boolean
function host.can_run(is_here)
  assert(is_here or os.getenv("HOSTS") ~= "required", "a host is missing: make deps-hosts")
  return is_here and true or false
end

---The folder of this checkout: hosts run elsewhere.
---@return string
function host.checkout()
  return (sandbox.capture("pwd -P"):gsub("%s+$", ""))
end

---The start of a command line for a host that is to find the checkout's modules.
---@param version string of the Lua that the host runs
---@param url string of the service
---@return string
function host.environment(version, url)
  local root = host.checkout()
  return ("env LUA_PATH='%s/lua/?.lua;%s/lua/?/init.lua;;' LUA_CPATH='%s/build/%s/?.so;;'"
    .. " TELNYX_API_KEY=KEY_SPEC TELNYX_BASE_URL=%s FROM=+18445550001"):format(
    root, root, root, version, url)
end

---A file with some of its text replaced.
---@param path string
---@param changes string[][] what is in there exactly once, and what it becomes
---@return string
function host.edited(path, changes)
  local text = assert(sandbox.read_file(path), path)
  for _, change in ipairs(changes) do
    local from, to = change[1], change[2]
    local first, last = text:find(from, 1, true)
    assert(first, ("%s does not say %q"):format(path, from))
    text = text:sub(1, first - 1) .. to .. text:sub(last + 1)
    assert(not text:find(from, first + #to, true), ("%s says %q twice"):format(path, from))
  end
  return text
end

---Prints figures for whoever asked for them with SAY=1.
function host.say(...)
  if os.getenv("SAY") then print("\n" .. string.format(...)) end
end

---Starts a program in the background.
---@param folder string from `host.folder`
---@param command string for a shell
---@return table program
function host.start(folder, command)
  local launcher = "PATH=$PATH:/usr/sbin:/usr/games exec sh spec/support/until_eof.sh %s sh -c %s"
  local pipe = assert(io.popen(launcher:format(folder, sandbox.quote("exec " .. command)), "w"))
  return setmetatable({ pipe = pipe, folder = folder }, Program)
end

---What the program has written so far.
---@return string
function Program:output()
  return sandbox.read_file(self.folder .. "/output") or ""
end

---Waits until `ready()` holds; a program that has ended meanwhile is an error.
---@param ready fun(): any
---@param what string
---@return any what `ready` returned
function Program:wait(ready, what)
  local ok, result = pcall(sandbox.wait, ready, what)
  if ok then return result end
  error(("%s\nthe program said:\n%s"):format(tostring(result), self:output()), 2)
end

---Ends the program and waits until it is gone.
function Program:stop()
  if self.pipe then self.pipe:close() end
  self.pipe = nil
end

return host
