--- Locks in a dictionary that nginx's workers share. A lock is a name that one of them has added,
--- with its process for a value. It does not expire: whoever is held up while it has one must find,
--- when it goes on, that it still has it. A process that has ended has none; of those who find that
--- out one may take its lock away, which is again the one who adds a name.

local core = require("telnyx.core")

local N_LOCKS = 32
local SPINS = 50
local NAP_S = 0.001
local PATIENCE_S = 2

local lock = {}

-- All of one length, so that one given back leaves room for the next even where there is no more.
local n_taken = 0

local function new_token()
  n_taken = (n_taken + 1) % 1e12
  return ("%010.0f:%012.0f"):format(core.pid(), n_taken)
end

local function name_of(key)
  local sum = 7
  for i = 1, #key do sum = (sum * 31 + key:byte(i)) % 65521 end
  return ("l:%02d"):format(sum % N_LOCKS)
end

-- This process holds none while it asks for one: nothing yields under a lock.
local function has_ended(token)
  local pid = tonumber(token:match("^%d+"))
  return pid == core.pid() or not core.is_running(pid)
end

local function take_from_ended(dict, name)
  local token = dict:get(name)
  if type(token) ~= "string" or not has_ended(token) then return end
  if not dict:safe_add("t:" .. token, true) then return end
  if dict:get(name) == token then dict:delete(name) end
  dict:delete("t:" .. token)
end

-- In nginx others go on meanwhile, where it allows that.
local function nap()
  local nginx = rawget(_G, "ngx")
  if not (nginx and nginx.sleep and pcall(nginx.sleep, NAP_S)) then core.sleep(NAP_S) end
end

local function take(dict, name)
  local give_up, token, n_tries = core.monotonic() + PATIENCE_S, new_token(), 0
  while not dict:safe_add(name, token) do
    n_tries = n_tries + 1
    if n_tries >= SPINS then
      take_from_ended(dict, name)
      if core.monotonic() > give_up then return false end
      nap()
    end
  end
  return true
end

---Runs `step(...)` while nobody else runs one for the same key.
---@param dict table
---@param key string
---@param step function must not yield
---@return any ... what `step` returns; or nil, why
function lock.with(dict, key, step, ...)
  local name = name_of(key)
  if not take(dict, name) then return nil, "the journal's dictionary is busy" end
  local ok, first, second = pcall(step, ...)
  dict:delete(name)
  if not ok then return nil, tostring(first) end
  return first, second
end

return lock
