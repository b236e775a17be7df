-- The server of bad weather: a process of its own that does to its connections what scripts say.
-- spec/support/wire.lua starts it and talks to it over one control connection; when that connection
-- ends, for whatever reason, so does this process.

local cjson = require "cjson"
local socket = require "socket"
local ssl = require "ssl"
local new_connection = require("spec.support.wire_steps").new
local tls = require "spec.support.tls"

local HOST = "127.0.0.1"

local tasks = {}
local listeners = {}
local held = {}
local certificates
local contexts = {}

-- Tasks: a coroutine and what it waits for.

local function resume(task)
  local alive, what, arg, deadline = coroutine.resume(task.co)
  if not alive then
    io.stderr:write("wire server: ", tostring(what), "\n")
  end
  if coroutine.status(task.co) == "dead" then
    tasks[task] = nil
  else
    task.what, task.arg, task.deadline = what, arg, deadline
  end
end

local function start(owner, work)
  local task = { co = coroutine.create(work), owner = owner }
  tasks[task] = true
  resume(task)
end

local function due(task, now, ready)
  if task.what == "read" or task.what == "write" then
    return ready[task.what][task.arg]
  elseif task.what == "gate" then
    return task.arg()
  end
  return task.deadline and task.deadline <= now
end

local function resume_due(ready)
  local now, list = socket.gettime(), {}
  for task in pairs(tasks) do
    if due(task, now, ready) then
      list[#list + 1] = task
    end
  end
  for _, task in ipairs(list) do
    if tasks[task] then
      resume(task)
    end
  end
end

-- Listeners.

local function authority()
  certificates = certificates or tls.make()
  return certificates
end

local function wrapper(name)
  if not name then
    return nil
  end
  contexts[name] = contexts[name]
    or assert(ssl.newcontext(tls.server_parameters(authority(), name)))
  return function(sock)
    return ssl.wrap(sock, contexts[name])
  end
end

local function bound(backlog)
  local server = assert(socket.tcp4())
  assert(server:bind(HOST, 0))
  if backlog then
    assert(server:listen(backlog))
  end
  server:settimeout(0)
  return server, tonumber((select(2, server:getsockname())))
end

local function accept(listener)
  local sock = listener.sock:accept()
  if not sock then
    return
  end
  sock:setoption("tcp-nodelay", true)
  local number = #listener.connections + 1
  local connection = new_connection(sock, number)
  connection.gates = listener.gates
  listener.connections[number] = connection
  local script = listener.scripts[math.min(number, #listener.scripts)]
  start(listener, function()
    connection:play(script, listener.wrap)
  end)
end

local function report(listener)
  local seen = { whole = 0, connections = {} }
  for i, connection in ipairs(listener.connections) do
    seen.connections[i] = connection:report()
    seen.whole = seen.whole + seen.connections[i].whole
  end
  return seen
end

local function close(listener)
  for task in pairs(tasks) do
    if task.owner == listener then
      tasks[task] = nil
    end
  end
  listener.sock:close()
  for _, connection in ipairs(listener.connections) do
    connection:shut()
  end
  listeners[listener.port] = nil
end

-- Commands of the control connection.

local commands = {}

function commands.listen(order)
  local wrap = wrapper(order.tls)
  local server, port = bound(128)
  listeners[port] = {
    sock = server,
    port = port,
    scripts = order.scripts,
    wrap = wrap,
    connections = {},
    gates = {},
  }
  return { port = port }
end

function commands.seen(order)
  return report(assert(listeners[order.port], "no such listener"))
end

function commands.open(order)
  assert(listeners[order.port], "no such listener").gates[order.gate] = true
  return {}
end

function commands.close(order)
  local listener = listeners[order.port]
  if listener then
    close(listener)
  end
  return {}
end

--- A port that is taken and refuses.
function commands.refusing()
  local server, port = bound(nil)
  held[#held + 1] = server
  return { port = port }
end

--- A port whose queue is full: one connection more is not even refused.
function commands.full()
  local server, port = bound(0)
  held[#held + 1] = server
  for _ = 1, 4 do
    local filler = assert(socket.tcp4())
    filler:settimeout(0)
    filler:connect(HOST, port)
    held[#held + 1] = filler
  end
  return { port = port }
end

function commands.certificates()
  return authority()
end

-- The loop.

local function quit(code)
  if certificates then
    tls.remove(certificates)
  end
  os.exit(code)
end

local function obey(control)
  local line = control:receive("*l")
  if not line then
    quit(0)
  end
  local order = cjson.decode(line)
  local ok, answer = pcall(commands[order.command], order)
  control:send(cjson.encode(ok and answer or { trouble = tostring(answer) }) .. "\n")
end

local function interests(control)
  local list = { read = { control }, write = {} }
  local earliest
  for _, listener in pairs(listeners) do
    table.insert(list.read, listener.sock)
  end
  for task in pairs(tasks) do
    if list[task.what] then
      table.insert(list[task.what], task.arg)
    end
    if task.deadline and (not earliest or task.deadline < earliest) then
      earliest = task.deadline
    end
  end
  return list, earliest and math.max(0, earliest - socket.gettime())
end

-- Orders wait until the network is quiet, so that an answer covers all that had arrived before; but
-- not for ever, as a script may be sending without end.
local PATIENCE = 200
local postponed = 0

local function time_to_obey(ready, control)
  if not ready.read[control] then
    return false
  end
  postponed = postponed + 1
  if #ready.read + #ready.write > 1 and postponed < PATIENCE then
    return false
  end
  postponed = 0
  return true
end

local function turn(control)
  local list, seconds = interests(control)
  local ready = {}
  ready.read, ready.write = socket.select(list.read, list.write, seconds)
  resume_due(ready)
  for _, listener in pairs(listeners) do
    if ready.read[listener.sock] then
      accept(listener)
    end
  end
  if time_to_obey(ready, control) then
    obey(control)
    resume_due({ read = {}, write = {} })
  end
end

local function main()
  local server, port = bound(1)
  print(port)
  io.stdout:flush()
  server:settimeout(10)
  local control = server:accept()
  server:close()
  if not control then
    quit(1)
  end
  control:setoption("tcp-nodelay", true)
  while true do
    turn(control)
  end
end

local ok, problem = pcall(main)
io.stderr:write("wire server: ", tostring(problem), "\n")
quit(ok and 0 or 1)
