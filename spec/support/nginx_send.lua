-- Runs inside nginx: does what the request's body, a JSON list of steps, says, and answers with the
-- results of the sends.

local cjson = require "cjson"
local core = require "telnyx.core"
local resty = require "telnyx.resty"
local semaphore = require "ngx.semaphore"
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

-- The same, through a client of its own, at a rate.
function steps.fresh_run(step)
  local client, list = telnyx.new(step.options), {}
  for i = 1, step.count do list[i] = step.message end
  return client:send_all(list, { concurrency = step.concurrency, rate = step.rate })
end

-- The kilobytes that a run takes in this request, beyond what its first tenth takes.
function steps.memory_of_run(step)
  local client, n, before = telnyx.new(step.options), 0, nil
  local function in_use()
    collectgarbage()
    collectgarbage()
    return collectgarbage("count")
  end
  local counts = client:send_all(function()
    n = n + 1
    if n == step.count / 10 then before = in_use() end
    if n <= step.count then return step.message end
  end, { concurrency = 32 })
  return { accepted = counts.accepted, grown_kb = in_use() - before }
end

-- Some that are begun and waited for, which leaves light threads behind that have ended.
function steps.start_some(step)
  local client, n_told = telnyx.new(step.options), 0
  for _ = 1, 4 do
    client:start(step.message, function() n_told = n_told + 1 end)
  end
  while client:step(1) > 0 do end -- luacheck: ignore 542
  return n_told
end

-- Light threads of the user's own send; a send beside them is refused once, and waits.
function steps.own_threads(step)
  local client, threads, outcomes = telnyx.new(step.options), {}, {}
  for i = 1, 4 do
    threads[i] = ngx.thread.spawn(function()
      return select(2, client:send(step.message)).outcome
    end)
  end
  client:send(step.refused_once)
  for i = 1, 4 do outcomes[i] = select(2, ngx.thread.wait(threads[i])) end
  return outcomes
end

-- Compiled code calls no hooks, neither what will be nor what was already.
local function interpret_all()
  local jit = require("jit")
  jit.off()
  jit.flush()
end

-- A run in which a hook raises once, at the nth line of what is named: whether it came so far, how
-- the run ended, what was told of each message, and what a step counts after it.
function steps.limited_run(step)
  interpret_all()
  local client, told, n, was_raised = telnyx.new(step.options), {}, 0, false
  local spawn = debug.getinfo(resty.sender({ api_key = step.options.api_key }).spawn, "S")
  debug.sethook(function()
    local info = debug.getinfo(2, "S")
    local source, line = info.source, info.linedefined
    local is_meant = source:find("send/loop.lua", 1, true)
      or source:find("run/send_all.lua", 1, true) or source:find("send/guard.lua", 1, true)
      or source == spawn.source and line >= spawn.linedefined and line <= spawn.lastlinedefined
    if is_meant then n = n + 1 end
    if n < step.n then return end
    debug.sethook()
    was_raised = true
    error("the host's limit", 0)
  end, "l")
  local ok, counts = pcall(client.send_all, client, step.messages, {
    concurrency = 3,
    on_result = function(i, sent, result)
      told[i] = (told[i] and "twice " or "") .. (sent and "accepted" or result.outcome)
    end,
  })
  debug.sethook()
  local is_quiet, n_left = pcall(client.step, client, 0)
  if not is_quiet then n_left = client:step(0) end -- what was raised was told by the first
  local list = {}
  for i in ipairs(step.messages) do list[i] = told[i] or "nothing" end
  return { was_raised = was_raised, total = ok and counts.total or nil, told = list,
    n_left = n_left }
end

-- A send that a hook's error ends when its answer is there, or where the step says: what it was
-- told, and what is heard of the error by whoever begins it, and by whoever steps meanwhile.
function steps.limited_start(step)
  interpret_all()
  local client, told, id = telnyx.new(step.options), nil, nil
  debug.sethook(function()
    local info = debug.getinfo(2, "Sn")
    local is_there = info.name == (step.at or "row_of")
    if not is_there or not info.source:find("send/life.lua", 1, true) then return end
    debug.sethook()
    error("the host's limit", 0)
  end, "l")
  local is_begun, pending = pcall(client.start, client, step.message, function(sent, result)
    told, id = sent and "accepted" or result.outcome, sent and sent.id
  end)
  local ok, why = is_begun, not is_begun and pending or nil
  while ok and not pending.done do ok, why = pcall(client.step, client, 0.05) end
  local hook = debug.gethook()
  debug.sethook()
  return { told = told, id = id, is_begun = is_begun, why = not ok and tostring(why) or nil,
    was_raised = hook == nil }
end

-- A run whose light thread is killed, by the only one who may, while it pauses before an attempt.
function steps.killed_in_run(step)
  local options, victim, told = {}, nil, nil
  for name, value in pairs(step.options) do options[name] = value end
  function options.log() victim = coroutine.running() end
  local counts = telnyx.new(options):send_all({ step.message }, {
    on_result = function(_, sent, result) told = sent and "accepted" or result.outcome end,
    stops_when = function() return victim and ngx.thread.kill(victim) and false end,
  })
  return { total = counts.total, told = told, was_begun = victim ~= nil }
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

-- Two threads send; the first is killed when both are under way.
function steps.survive(step)
  local sender, other = resty.sender(step.options), nil
  local first = ngx.thread.spawn(sender.send, sender, step.message, { timeout = 20 })
  local second = ngx.thread.spawn(function()
    other = pack(sender:send(step.message, { timeout = 20 }))
  end)
  ngx.sleep(0.05)
  local was_killed, why = ngx.thread.kill(first)
  ngx.thread.wait(second)
  local later = pack(sender:send(step.message, { timeout = 20 }))
  return { was_killed = was_killed, why = why, other = other, later = later }
end

-- Two threads send through a client that always has more to do at once.
function steps.send_busy(step)
  local make, results, threads = core.client, {}, {}
  core.client = function(options)
    local client = make(options)
    local busy = { timeout = function() return 0 end }
    return setmetatable(busy, { __index = function(_, name)
      return function(_, ...) return client[name](client, ...) end
    end })
  end
  local sender = resty.sender(step.options)
  core.client = make
  for i = 1, 2 do
    threads[i] = ngx.thread.spawn(function() results[i] = pack(sender:send(step.message)) end)
  end
  for i = 1, 2 do ngx.thread.wait(threads[i]) end
  return results
end

-- One sends, another waits for its connection, and is killed.
function steps.kill_waiting(step)
  local sender, outcome = resty.sender(step.options), nil
  local first = ngx.thread.spawn(function() outcome = pack(sender:send(step.message)) end)
  local second = ngx.thread.spawn(sender.send, sender, step.killed)
  ngx.sleep(0.05)
  local was_killed, why = ngx.thread.kill(second)
  ngx.thread.wait(first)
  ngx.sleep(0.3)
  return { was_killed = was_killed, why = why, other = outcome,
    later = pack(sender:send(step.message)) }
end

-- The worker is held up as soon as the sends have begun, and told meanwhile to give way to another.
function steps.reload_held_up(step)
  local sender, threads, results = resty.sender(step.options), {}, {}
  for i = 1, step.count do
    threads[i] = ngx.thread.spawn(function() results[i] = pack(sender:send(step.message)) end)
  end
  local file = assert(io.open("/proc/self/stat"))
  local parent = file:read("*a"):match("%) %a (%d+)")
  file:close()
  assert(os.execute("kill -HUP " .. parent))
  core.sleep(1.5)
  for i = 1, step.count do ngx.thread.wait(threads[i]) end
  return results
end

-- Two threads send; the second is not run while the first is, so that nothing is heard of it.
function steps.forget_one(step)
  local sender, results, is_over = resty.sender(step.options), {}, false
  local first = ngx.thread.spawn(function()
    results.other = pack(sender:send(step.message, step.limits))
  end)
  local new = semaphore.new
  local function wait()
    repeat ngx.sleep(0.01) until is_over
  end
  semaphore.new = function() return { wait = wait } end
  local second = ngx.thread.spawn(function()
    results.forgotten = pack(sender:send(step.message, step.limits))
  end)
  semaphore.new = new
  for _ = 1, 600 do ngx.sleep(0.001) end
  assert(io.open(step.path .. ".held", "w")):close()
  ngx.thread.wait(first)
  is_over = true
  ngx.thread.wait(second)
  return results
end

-- Nobody else is there when it is killed.
function steps.kill_alone(step, given)
  local sender = given or resty.sender(step.options)
  local thread = ngx.thread.spawn(sender.send, sender, step.message, { timeout = 60 })
  ngx.sleep(0.1)
  local was_killed, why = ngx.thread.kill(thread)
  return { was_killed = was_killed, why = why }
end

-- Before it has a connection.
function steps.kill_at_once(step)
  local sender = resty.sender(step.options)
  local thread = ngx.thread.spawn(sender.send, sender, step.message, { timeout = 60 })
  local was_killed, why = ngx.thread.kill(thread)
  return { was_killed = was_killed, why = why }
end

-- Who is told of one takes the place of the request's own table, while others are under way.
function steps.replace_context(step)
  local client = telnyx.new(step.options)
  return client:send_all(step.messages, { concurrency = 2, on_result = function(i)
    ngx.ctx = { seen = i }
  end })
end

-- The first to wait is killed, and then the worker is held up for longer than anybody is missed.
function steps.kill_and_hold_up(step)
  local sender, results = resty.sender(step.options), {}
  local first = ngx.thread.spawn(sender.send, sender, step.message, { timeout = 20 })
  local others = {}
  for i = 1, 2 do
    others[i] = ngx.thread.spawn(function()
      results[i] = pack(sender:send(step.message, { timeout = 20 }))
    end)
  end
  ngx.sleep(0.1)
  local was_killed = ngx.thread.kill(first)
  core.sleep(2)
  for i = 1, 2 do ngx.thread.wait(others[i]) end
  return { was_killed = was_killed, results = results }
end

-- Where a function of C calls Lua, nothing can wait.
function steps.within_c(step)
  local client, results = telnyx.new(step.options), {}
  results.later = pack(client:send(step.message))
  for i = 1, 3 do
    local name = "send " .. i
    local _, why = pcall(string.gsub, "x", ".", function()
      results[name] = pack(client:send(step.message))
    end)
    results.why = tostring(why)
  end
  pcall(string.gsub, "x", ".", function()
    local pending = client:start(step.message)
    results.started = pack(pending:result())
  end)
  ngx.sleep(0.05)
  results.later = pack(client:send(step.message))
  return results
end

-- Nothing in it waits but the steps.
function steps.start_without_waiting(step)
  local client, n_steps = telnyx.new(step.options), 0
  local pending = client:start(step.message)
  repeat n_steps = n_steps + 1 until client:step(0) == 0 or n_steps == 20000
  return { n_steps = n_steps, result = pending.done and pack(pending:result()) or {} }
end

local left, heard

-- The end of the request ends its threads.
function steps.start_and_leave(step)
  left, heard = telnyx.new(step.options), nil
  left:start(step.message, { key = "left" }, function(...) heard = pack(...) end)
  ngx.sleep(step.seconds)
  ngx.print("[]")
  ngx.exit(ngx.HTTP_OK)
end

function steps.step_what_was_left(step)
  local give_up, own = core.monotonic() + 10, nil
  left:start(step.message, function(...) own = pack(...) end)
  local n_left = left:step(0.1)
  while n_left > 0 and core.monotonic() < give_up do n_left = left:step(0.1) end
  return { n_left = n_left, heard = heard or {}, own = own }
end

local function sender_of(step, i)
  local options = {}
  for name, value in pairs(step.options) do options[name] = value end
  options.user_agent = "look/" .. i
  return resty.sender(options)
end

local function sleep_until(moment)
  ngx.update_time()
  ngx.sleep(math.max(0, moment - ngx.now()))
end

-- Each begins about two seconds after it was first used, when somebody looks at who waits.
function steps.around_the_look(step)
  local threads, results = {}, {}
  for i = 1, step.count do
    threads[i] = ngx.thread.spawn(function()
      local sender, t0 = sender_of(step, i), ngx.now()
      sender:send(step.message)
      sleep_until(t0 + 1.99 + i * 0.001)
      results[i] = pack(sender:send(step.message, { timeout = 20 }))
    end)
  end
  for i = 1, step.count do ngx.thread.wait(threads[i]) end
  return results
end

-- The same with a thread before it that is killed, and a worker that is held up right after the
-- look; one after the other, each a little nearer to it.
function steps.killed_around_the_look(step)
  local results = {}
  for i = 1, step.count do
    local sender = sender_of(step, i)
    ngx.update_time()
    local t0 = ngx.now()
    sender:send(step.message)
    sleep_until(t0 + 1.994 + i * 0.002)
    local first = ngx.thread.spawn(sender.send, sender, step.slow)
    local second = ngx.thread.spawn(function()
      results[i] = pack(sender:send(step.slow, { timeout = 20 }))
    end)
    ngx.thread.kill(first)
    ngx.sleep(0.009)
    core.sleep(0.15)
    ngx.thread.wait(second)
  end
  return results
end

-- While it lasts, no more timers than this may run.
function steps.hold_timers(step)
  assert(ngx.timer.at(0, function() ngx.sleep(step.seconds) end))
  return {}
end

-- The same with settings that were forgotten, after a send and a while; their table is used again.
function steps.kill_forgotten(step)
  local sender = resty.sender(step.options)
  for i = 1, 32 do
    step.options.user_agent = "another/" .. i
    resty.sender(step.options)
  end
  local before = pack(sender:send(step.message, step.limits))
  ngx.sleep(1.5)
  local result = steps.kill_alone(step, sender)
  result.before = before
  return result
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

---Answers the current request.
function nginx_send.serve()
  ngx.req.read_body()
  local results = {}
  for i, step in ipairs(cjson.decode(ngx.req.get_body_data())) do
    results[i] = steps[step.op](step)
  end
  ngx.print(cjson.encode(results))
end

---One send for the specs of phases: from where nginx cannot wait, or can.
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
