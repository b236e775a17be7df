-- Runs inside nginx: does what the request's body, a JSON list of steps, says, and answers with the
-- results of the sends.

local cjson = require "cjson"
local core = require "telnyx.core"
local descriptor = require "telnyx.resty_descriptor"
local resty = require "telnyx.resty"
local telnyx = require "telnyx"
local ngx = ngx -- luacheck: ignore 113

local nginx_send = {}

-- What `send` returned, as spec.support.verdict packs it.
local function pack(message, second)
  if message then return { message = message, info = second } end
  return { err = second }
end

local function exists(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end

local steps = {}

-- Holds up the whole worker, as nobody should, so that nginx notices nothing of its sockets.
local function block(path)
  local give_up = core.monotonic() + 10
  while not exists(path) and core.monotonic() < give_up do core.sleep(0.002) end
end

-- One attempt, below the seam.
function steps.attempt(step)
  if step.ballast_bytes then
    step.message.extra = { ballast = ("b"):rep(step.ballast_bytes) }
  end
  return pack(resty.sender(step.options):send(step.message, step.limits))
end

-- The same beside another thread, which holds up the worker as soon as this one waits.
function steps.attempt_beside(step)
  local other = ngx.thread.spawn(function()
    ngx.sleep(0.001) -- over in the same turn as the other's look
    assert(io.open(step.path .. ".held", "w")):close()
    block(step.path)
  end)
  local result = steps.attempt(step)
  ngx.thread.wait(other)
  return result
end

-- A whole send; nothing says which sender to use.
function steps.send(step)
  return pack(telnyx.new(step.options):send(step.message, step.limits))
end

function steps.sends(step)
  local client, threads, results = telnyx.new(step.options), {}, {}
  for i = 1, step.count do
    threads[i] = ngx.thread.spawn(client.send, client, step.message, step.limits)
  end
  for i, thread in ipairs(threads) do
    local _, message, second = ngx.thread.wait(thread)
    results[i] = pack(message, second)
  end
  return results
end

-- One send to each of the numbers, all at once.
function steps.send_each(step)
  local client, threads, results = telnyx.new(step.options), {}, {}
  for _, number in ipairs(step.numbers) do
    local message = { from = step.message.from, to = number, text = step.message.text }
    threads[number] = ngx.thread.spawn(client.send, client, message)
  end
  for number, thread in pairs(threads) do
    local _, message, second = ngx.thread.wait(thread)
    results[number] = pack(message and { id = message.id }, second)
  end
  return results
end

-- One client for all requests, as a program would have it.
local shared

-- A whole list through one client, some at a time.
function steps.send_all(step)
  shared = shared or telnyx.new(step.options)
  local client, list = shared, {}
  for i = 1, step.count do list[i] = step.message end
  return client:send_all(list, { concurrency = step.concurrency })
end

-- Begins one send and does other things until it is done.
function steps.start(step)
  local client, heard = telnyx.new(step.options), nil
  local pending = client:start(step.message, function(...) heard = pack(...) end)
  local n_steps, was_done = 0, pending.done
  while not pending.done do
    client:step(0.05)
    n_steps = n_steps + 1
  end
  return { result = pack(pending:result()), heard = heard, was_done = was_done, steps = n_steps }
end

-- The descriptors of so many connections, each asked for twice, and how many of them were not
-- silent then.
function steps.descriptors(step)
  local sockets, found = {}, { first = {}, again = {}, n_talking = 0 }
  for i = 1, step.count do
    sockets[i] = ngx.socket.tcp()
    assert(sockets[i]:connect("127.0.0.1", step.port, { pool = "of the spec" }))
    found.first[i] = descriptor.of(sockets[i])
  end
  block(step.path)
  for i, socket in ipairs(sockets) do
    found.again[i] = descriptor.of(socket)
    if not core.is_silent(found.again[i]) then found.n_talking = found.n_talking + 1 end
  end
  for _, socket in ipairs(sockets) do socket:close() end
  return found
end

function steps.block(step)
  block(step.path)
  return {}
end

-- Waits as one should.
function steps.wait(step)
  local give_up = core.monotonic() + 10
  while not exists(step.path) and core.monotonic() < give_up do ngx.sleep(0.002) end
  return {}
end

function steps.sleep(step)
  ngx.sleep(step.seconds)
  return {}
end

-- What a program would be told that calls it wrong.
function steps.misuse(step)
  local _, complaint = pcall(resty[step.call] or telnyx[step.call], step.options)
  return { complaint = tostring(complaint) }
end

-- Holds up the worker, and says so.
local function hold_up(hold)
  assert(io.open(hold.path .. ".held", "w")):close()
  block(hold.path)
end

-- The same, and no clock of ours tells: whatever comes meanwhile comes within one short turn.
local function hold_up_unseen(hold)
  local clock, began = core.monotonic, core.monotonic()
  hold_up(hold)
  local held_s = clock() - began
  core.monotonic = function() return clock() - held_s end
  return function() core.monotonic = clock end
end

-- How a socket's method is held up, by the field of `hold` that names it.
local ways = {}

function ways.before(hold, act)
  return function(...)
    hold_up(hold)
    return act(...)
  end
end

-- Once, when it has returned.
function ways.after(hold, act)
  return function(...)
    local first, second, third = act(...)
    if not hold.undo then hold.undo = hold_up_unseen(hold) end
    return first, second, third
  end
end

-- As where nginx has no such method.
function ways.without()
  return false
end

local function with_held_sockets(hold, work)
  local new = ngx.socket.tcp
  ngx.socket.tcp = function()
    local socket = new()
    for name, way in pairs(ways) do
      local method = hold[name]
      if method then socket[method] = way(hold, socket[method]) end
    end
    return socket
  end
  local result = work()
  ngx.socket.tcp = new
  if hold.undo then hold.undo() end
  return result
end

---Answers the current request.
function nginx_send.serve()
  ngx.req.read_body()
  local results = {}
  for i, step in ipairs(cjson.decode(ngx.req.get_body_data())) do
    local function work() return steps[step.op](step) end
    results[i] = step.hold and with_held_sockets(step.hold, work) or work()
  end
  ngx.print(cjson.encode(results))
end

---One send for the specs of phases: from where cosockets do not work, or do.
---@param client table
---@param key string where in the shared dictionary the result goes
function nginx_send.note(client, key)
  local message = { from = "+18445550001", to = "+18665550001", text = "from " .. key }
  local ok, first, second = pcall(client.send, client, message)
  local result = ok and pack(first, second) or { raised = tostring(first) }
  result.pid = ngx.worker.pid()
  ngx.shared.results:set(key, cjson.encode(result))
end

return nginx_send
