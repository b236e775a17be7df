-- The other end in foul weather: a process of its own that does at random what `weather` lists, and
-- keeps a ledger of what it accepted. Its argument is the seed. It prints where it listens, obeys
-- one control connection, and ends when that connection ends.

local socket = require "socket"
local connections = require "spec.chaos.connection"
local new_random = require("spec.chaos.random").new
local tls = require "spec.support.tls"
local weather = require "spec.chaos.weather"

local HOST = "127.0.0.1"
local seed = assert(tonumber(arg[1]), "a seed is needed")

local tasks, n_connections = {}, 0
local ledger = {} -- by reference: { received, accepted, raced }
local fates = {} -- how often each befell a request or connection
local certificates = tls.make()

-- The ledger.

local function count(name)
  fates[name] = (fates[name] or 0) + 1
end

local function row_of(reference)
  ledger[reference] = ledger[reference] or { received = 0, accepted = 0, raced = 0 }
  return ledger[reference]
end

-- What befalls a message depends on the seed, on its reference and on how often it came.
local function enter(reference, climate)
  local row = row_of(reference)
  row.received = row.received + 1
  local random = new_random(seed, reference, row.received)
  random.reference = reference
  local fate = random:weighted(climate.whole)
  local accepted = fate.accepted
  if accepted == "either" then accepted = random:chance(0.5) end
  if accepted then row.accepted = row.accepted + 1 end
  count(fate.name)
  return fate, random
end

-- Connections.

local function befall(connection, fate, random)
  count(fate.name)
  if not fate.act then return end
  fate.act(connection, random)
  if not connection.closed then connection:close() end
  error(connections.GONE, 0)
end

-- Waits for the next request, unless the connection ends before.
local function idle(connection, climate, random)
  local fate = random:weighted(climate.idle)
  if not fate.seconds then
    count(fate.name)
    return
  end
  if connection:wait_readable(random:next() * fate.seconds) then return end
  if not fate.says then befall(connection, fate, random) end
  count(fate.name)
  connection:send(random:one_of(fate.says))
  connection.spoke_at = socket.gettime()
end

-- A request that comes this soon after may have been on its way already.
local RACE = 0.002

local function note_race(connection, reference)
  local since = connection.spoke_at and socket.gettime() - connection.spoke_at
  connection.spoke_at = nil
  if since and since < RACE then row_of(reference).raced = 1 end
end

local function read_request(connection, climate, random)
  connection:wait_readable()
  local early = random:weighted(climate.early)
  if early.when == "arrival" then befall(connection, early, random) end
  if early.when == "part" then
    connection:pull(random:whole(1, 150))
    befall(connection, early, random)
  end
  while true do
    local reference = connection:take_request()
    if reference then return reference end
    connection:pull()
  end
end

local function serve(connection, listener, random)
  local climate = listener.climate
  local fate = random:weighted(climate.new)
  if fate.act then befall(connection, fate, random) end
  if listener.context then connection:handshake(listener.context) end
  while true do
    local reference = read_request(connection, climate, random)
    note_race(connection, reference)
    local chosen, own = enter(reference, climate)
    if not chosen.act(connection, own) then break end
    idle(connection, climate, random)
  end
end

local function play(connection, listener, number)
  local ok, problem = pcall(serve, connection, listener, new_random(seed, number))
  if not ok and problem ~= connections.GONE then
    io.stderr:write("chaos server: ", tostring(problem), "\n")
  end
  if not connection.closed then connection:close() end
end

-- Tasks: a coroutine and what it waits for.

local function resume(task, is_ready)
  local alive, what, sock, deadline = coroutine.resume(task.co, is_ready)
  if not alive then io.stderr:write("chaos server: ", tostring(what), "\n") end
  if coroutine.status(task.co) == "dead" then
    tasks[task] = nil
  else
    task.what, task.sock, task.deadline = what, sock, deadline
  end
end

local function accept(listener)
  local sock = listener.sock:accept()
  if not sock then return end
  sock:setoption("tcp-nodelay", true)
  n_connections = n_connections + 1
  local number = n_connections
  local connection = connections.new(sock, { origin = listener.origin })
  local task = {
    number = number, co = coroutine.create(function() play(connection, listener, number) end),
  }
  tasks[task] = true
  resume(task)
end

local function resume_due(ready)
  local now, due = socket.gettime(), {}
  for task in pairs(tasks) do
    local is_ready = task.sock ~= nil and ready[task.what][task.sock] ~= nil
    if is_ready or (task.deadline and task.deadline <= now) then
      due[#due + 1] = { task, is_ready }
    end
  end
  for _, each in ipairs(due) do resume(each[1], each[2]) end
end

-- The control connection: "report" is answered when every connection has ended.

local reporting = false -- or since when
local PATIENCE = 15

-- What keeps the books open, for whoever has to find out why.
local function complain()
  for task in pairs(tasks) do
    io.stderr:write(("chaos server: connection %d is still there, waiting to %s\n"):format(
      task.number, tostring(task.what)))
  end
end

local function report(control)
  local lines = {}
  for reference, row in pairs(ledger) do
    lines[#lines + 1] = ("message %d %d %d %d"):format(
      reference, row.received, row.accepted, row.raced)
  end
  for name, times in pairs(fates) do
    lines[#lines + 1] = ("fate %d %s"):format(times, name)
  end
  lines[#lines + 1] = "connections " .. n_connections
  lines[#lines + 1] = "end\n"
  control:settimeout(10)
  control:send(table.concat(lines, "\n"))
  control:settimeout(0)
  reporting = false
end

local function quit(code)
  tls.remove(certificates)
  os.exit(code)
end

local function obey(control)
  local line, problem = control:receive("*l")
  if line == "report" then
    reporting = socket.gettime()
  elseif problem == "closed" then
    quit(0)
  end
end

-- The loop.

local function context()
  return assert(require("ssl").newcontext(tls.server_parameters(certificates, "good")))
end

local function listen(name, climate, secure)
  local sock = assert(socket.tcp4())
  assert(sock:bind(HOST, 0))
  assert(sock:listen(128))
  sock:settimeout(0)
  local _, port = sock:getsockname()
  local origin = ("%s://%s:%d"):format(secure and "https" or "http", HOST, port)
  io.stdout:write(name, " ", origin, "\n")
  return { sock = sock, origin = origin, climate = climate, context = secure and context() }
end

local function interests(control, listeners)
  local list, earliest = { read = { control }, write = {} }, nil
  for _, listener in ipairs(listeners) do list.read[#list.read + 1] = listener.sock end
  for task in pairs(tasks) do
    if task.sock then table.insert(list[task.what], task.sock) end
    if task.deadline then earliest = math.min(earliest or math.huge, task.deadline) end
  end
  local seconds = (earliest or math.huge) - socket.gettime()
  return list, math.max(0, math.min(seconds, reporting and 0.01 or 1))
end

local function turn(control, listeners)
  local list, seconds = interests(control, listeners)
  local ready = {}
  ready.read, ready.write = socket.select(list.read, list.write, seconds)
  resume_due(ready)
  for _, listener in ipairs(listeners) do
    if ready.read[listener.sock] then accept(listener) end
  end
  if ready.read[control] then obey(control) end
  local is_quiet = #ready.read + #ready.write <= 1 and next(tasks) == nil
  if reporting and is_quiet then report(control) end
  if reporting and socket.gettime() > reporting + PATIENCE then
    complain()
    quit(1)
  end
end

local function main()
  local door = assert(socket.tcp4())
  assert(door:bind(HOST, 0))
  assert(door:listen(1))
  local listeners = {
    listen("http", weather, false), listen("https", weather, true),
    listen("fair_http", weather.fair, false), listen("fair_https", weather.fair, true),
    listen("talking_http", weather.talking, false),
    listen("talking_https", weather.talking, true),
  }
  io.stdout:write("ca_file ", certificates.ca_file, "\n")
  io.stdout:write("control ", (select(2, door:getsockname())), "\n")
  io.stdout:flush()
  door:settimeout(10)
  local control = door:accept()
  door:close()
  if not control then quit(1) end
  control:settimeout(0)
  while true do turn(control, listeners) end
end

local ok, problem = pcall(main)
io.stderr:write("chaos server: ", tostring(problem), "\n")
quit(ok and 0 or 1)
