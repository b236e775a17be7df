-- Processes that are there to be killed. For LuaJIT, which can.

local ffi = require "ffi"

ffi.cdef [[
int fork(void);
int execvp(const char *file, const char *const *argv);
void _exit(int status);
int kill(int pid, int signal);
int waitpid(int pid, int *status, int options);
int prctl(int option, unsigned long value, unsigned long, unsigned long, unsigned long);
]]

local C = ffi.C
local SIGKILL, WNOHANG, PR_SET_PDEATHSIG = 9, 1, 1

local herd = {}

local is_running = {}

-- It dies with this process, however that ends.
local function become(words)
  C.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
  local argv = ffi.new("const char *[?]", #words + 1)
  for i, word in ipairs(words) do argv[i - 1] = word end
  C.execvp(words[1], argv)
  C._exit(127)
end

---@param words string[] a program and its arguments
---@return integer pid
function herd.start(words)
  local pid = C.fork()
  assert(pid >= 0, "there can be no more processes")
  if pid == 0 then become(words) end
  is_running[pid] = true
  return pid
end

-- What became of a process; nil while it runs.
local function ending_of(pid, options)
  local status = ffi.new("int[1]")
  local found = C.waitpid(pid, status, options)
  assert(found >= 0, "it is no child of this process")
  if found == 0 then return nil end
  is_running[pid] = nil
  local signal, code = status[0] % 128, math.floor(status[0] / 256)
  return signal > 0 and "signal " .. signal or code
end

---Waits for the end of a process.
---@param pid integer
---@return integer|string ending 0 for a good one
function herd.wait(pid) return ending_of(pid, 0) end

---@param pid integer
---@return integer|string|nil ending nil while it runs
function herd.look(pid) return ending_of(pid, WNOHANG) end

---Kills a process, and waits until it is gone.
---@param pid integer
---@return integer|string ending herd.KILLED, unless it had ended already
function herd.kill(pid)
  C.kill(pid, SIGKILL)
  return herd.wait(pid)
end

---@param pid integer
---@param signal integer
function herd.signal(pid, signal) C.kill(pid, signal) end

---Kills all that are left.
function herd.kill_all()
  for pid in pairs(is_running) do herd.kill(pid) end
end

herd.INT, herd.KILL, herd.TERM = 2, SIGKILL, 15
herd.KILLED = "signal " .. SIGKILL

return herd
