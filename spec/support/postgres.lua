-- A PostgreSQL server of the spec's own, on a socket in its folder and nowhere else; it ends with
-- the spec.

local host = require "spec.support.host"
local sandbox = require "spec.support.sandbox"

local postgres = {}

local Server = {}
Server.__index = Server

local function programs()
  return (sandbox.capture("ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1")
    :gsub("%s+$", ""))
end

-- The server refuses to be root.
local function as_nobody()
  if not sandbox.capture("id -u"):find("^0%s") then return "" end
  return "setpriv --reuid=nobody --regid=nogroup --clear-groups "
end

---@param command string a program of the server's, and its arguments
---@return string output
function Server:run(command)
  local as, bin = as_nobody(), self.bin
  return sandbox.capture(("cd %s && %s%s/%s 2>&1"):format(self.data, as, bin, command))
end

---Starts the server, perhaps again, and waits until it answers.
function Server:launch()
  local command = ("%s%s/postgres -D %s -k %s -c listen_addresses="):format(as_nobody(), self.bin,
    self.data, self.folder)
  self.program = host.start(self.program_folder(), command)
  self.program:wait(function() return self:answers() end, "PostgreSQL to answer")
end

function Server:answers()
  return self:run(("pg_isready -q -h %s && echo yes"):format(self.folder)) == "yes\n"
end

---@param text string
---@return string output of psql, aligned in no way
function Server:ask(text)
  return self:run(("psql -h %s -U spec -d postgres -qAtc %s"):format(self.folder,
    sandbox.quote(text)))
end

local function pid_of(self)
  return (sandbox.read_file(self.data .. "/postmaster.pid") or ""):match("^%d+")
end

-- Its processes, which end by themselves when the first of them has gone, but not at once.
local function children_of(pid) return sandbox.capture("ps --ppid " .. pid .. " -o pid=") end

local function wait_until_gone(pids)
  sandbox.wait(function()
    for pid in pids:gmatch("%d+") do
      local status = sandbox.read_file("/proc/" .. pid .. "/stat")
      if status and not status:find(") Z ", 1, true) then return false end
    end
    return true
  end, "PostgreSQL's processes to end")
end

---Ends the server, with the sessions it has.
---@param signal string|nil default: as it should be done
function Server:halt(signal)
  local pid = pid_of(self)
  if not pid then return self.program:stop() end
  local children = children_of(pid)
  os.execute(("kill -%s %s"):format(signal or "INT", pid))
  self.program:stop()
  wait_until_gone(children)
end

---Ends the server and takes away what it had.
function Server:stop()
  self:halt()
  self.holder:stop()
end

---@return table server folder: where its socket is
function postgres.start()
  local folder = host.folder()
  local server = setmetatable({ folder = folder, data = folder .. "/data" }, Server)
  server.bin = programs()
  assert(server.bin ~= "", "PostgreSQL is missing: make deps")
  server.program_folder = host.folder
  server.holder = host.start(folder, "sleep infinity") -- its folder goes with the spec
  os.execute(("mkdir %s && { [ -z '%s' ] || chown -R nobody %s; }"):format(server.data, as_nobody(),
    folder))
  local said = server:run(("initdb -D %s -U spec -A trust -E UTF8 --no-locale -N"):format(
    server.data))
  assert(sandbox.read_file(server.data .. "/PG_VERSION"), said)
  server:launch()
  return server
end

return postgres
