-- A process dies at each of the system calls by which a send writes and is answered, in its
-- journal and on the wire: strace kills it right before the first, another before the second, and
-- so on, until one has come through.

local herd = require "spec.kills.herd"
local list = require "spec.kills.list"

local CALLS = "pwrite64,write,writev,sendto,sendmsg,recvfrom,fdatasync,fsync,ftruncate,unlink,"
  .. "fcntl"
local MOST = 1000

local function die_at(n, run, lua, i)
  local ending = herd.wait(herd.start {
    "strace", "-qqq", "-o", "/dev/null", "-e", "trace=" .. CALLS, "-e",
    ("inject=%s:signal=KILL:when=%d"):format(CALLS, n), lua, "spec/kills/victim.lua",
    run.service.url, run.kind, run.place, "hasty", list.key(i), list.message(i).to,
  })
  assert(ending == 0 or ending == herd.KILLED, "a process has failed")
  return ending == herd.KILLED
end

local calls = {}

---@param run table kind, place, service, luas
---@return integer n_kills
---@return integer n_messages the first so many of the list
function calls.kill_at_each(run)
  local i, n_kills = 0, 0
  for n = 1, MOST do
    local is_through = true
    for _, lua in ipairs(run.luas) do
      i = i + 1
      local is_dead = die_at(n, run, lua, i)
      if is_dead then n_kills = n_kills + 1 end
      if is_dead or not list.is_fair(i) then is_through = false end
    end
    if is_through then return n_kills, i end
  end
  error("a send has no end")
end

return calls
