-- A client inside somebody else's loop: one descriptor, one timer, steps that never wait.

local core = require("telnyx.core")
local process = require("spec.support.process")
local sandbox_server = require("spec.support.sandbox")
local socket = require("socket")
local telnyx = require("telnyx")
local timed_service = require("spec.support.timed_service")
local wire = require("spec.support.wire")

local MESSAGE = { from = "+18445550001", to = "+18665550001", text = "Hello" }

-- What luasocket's select takes for a socket.
local function selectable(client)
  return { getfd = function() return client:fd() end, dirty = function() return false end }
end

-- Drives the client as a host would, and counts how often it had to.
local function drive(client)
  local object, n_steps = selectable(client), 0
  local patience = socket.gettime() + 20
  while client:step(0) > 0 do
    n_steps = n_steps + 1
    socket.select({ object }, nil, client:timeout())
    assert(socket.gettime() < patience, "not done in 20 seconds")
  end
  return n_steps
end

describe("fd and timeout", function()
  local station
  setup(function() station = wire.start() end)
  teardown(function() station:stop() end)

  it("drive many messages in few steps", function()
    local listener = station:listen({ wire.SERVICE })
    local client = telnyx.new({ api_key = "KEY_TEST", base_url = listener.url })
    if not client:fd() then return pending("no epoll here") end
    assert.is_nil(client:timeout())
    local n_accepted = 0
    for _ = 1, 50 do
      client:start(MESSAGE, function(message) n_accepted = n_accepted + (message and 1 or 0) end)
    end
    local n_steps = drive(client)
    assert.equal(50, n_accepted)
    assert.is_true(n_steps < 2000, n_steps .. " steps")
    assert.is_nil(client:timeout())
    assert.equal(50, listener:seen().whole)
    client:close()
  end)

  it("are quiet while a connection idles, also after the peer closed it", function()
    local listener = station:listen({
      { wire.request, wire.accept, wire.fin }, wire.SERVICE,
    })
    local client = telnyx.new({ api_key = "KEY_TEST", base_url = listener.url })
    client:start(MESSAGE)
    drive(client)
    client:step(0)
    local object = selectable(client)
    socket.select({ object }, nil, 0.05)
    client:start(MESSAGE)
    drive(client)
    assert.equal(2, listener:seen().whole)
    client:close()
  end)

  it("wake for a pause between attempts", function()
    local client = telnyx.new({
      api_key = "KEY_TEST",
      base_url = "http://127.0.0.1:" .. station:refusing_port() .. "/v2",
      retry = { base = 0.05 },
    })
    local got
    client:start(MESSAGE, function(_, err) got = err end)
    drive(client)
    assert.equal("not_sent", got.outcome)
    assert.equal(3, #got.attempts)
    client:close()
  end)
end)

describe("step(0)", function()
  local station
  setup(function() station = wire.start() end)
  teardown(function() station:stop() end)

  local function bytes_for_steps(client, n)
    local collect = collectgarbage
    collect()
    collect()
    collect("stop")
    local before = collect("count")
    for _ = 1, n do client:step(0) end
    local after = collect("count")
    collect("restart")
    return (after - before) * 1024
  end

  it("allocates nothing when nothing happened", function()
    local listener = station:listen({ { wire.request, wire.stall } })
    local client = telnyx.new({ api_key = "KEY_TEST", base_url = listener.url })
    for _ = 1, 64 do client:start(MESSAGE) end
    local patience = socket.gettime() + 10
    while listener:seen().whole < 64 and socket.gettime() < patience do client:step(0) end
    -- The least of some rounds: LuaJIT allocates while it compiles the loop.
    -- Less than the smallest object a step: a collection takes from the stack what the first step
    -- makes anew, and LuaJIT allocates while it compiles the loop.
    local n, least = 2000, math.huge
    for _ = 1, 20 do least = math.min(least, bytes_for_steps(client, n)) end
    assert.is_true(least < 8 * n, tostring(least))
    client:close()
  end)
end)

-- A sender whose requests are all done at the next step, and whose clock goes on with each result.
local function slow_to_read(seconds_each)
  local sender, owners, time, is_stepped = { n_read = 0 }, {}, 0, false
  local pending = {
    done = function() return is_stepped end,
    result = function()
      sender.n_read, time = sender.n_read + 1, time + seconds_each
      return { id = "m" }, { outcome = "accepted" }
    end,
  }
  function sender.monotonic() return time end
  function sender.send() error("it can be stepped") end
  function sender.start(_, _, _, owner)
    owners[#owners + 1] = owner
    return pending
  end
  function sender.step()
    is_stepped = true
    return #owners
  end
  function sender.finished() return is_stepped and table.remove(owners) or nil end
  function sender.timeout() return #owners > 0 and 60 or nil end
  return sender
end

describe("what has come at once", function()
  -- How many results the steps took, driven by what timeout says alone.
  local function batches(seconds_each, n_sends, step_s)
    local sender = slow_to_read(seconds_each)
    local client, n_told = telnyx.new({ sender = sender, retry = false }), 0
    for _ = 1, n_sends do client:start(MESSAGE, function() n_told = n_told + 1 end) end
    local sizes = {}
    repeat
      local n_before = sender.n_read
      local n_left = client:step(step_s)
      sizes[#sizes + 1] = sender.n_read - n_before
      assert.equal(n_left > 0 and 0 or nil, client:timeout())
    until n_left == 0
    assert.equal(n_sends, n_told)
    return sizes
  end

  it("is read in parts where a step must not wait", function()
    local sizes = batches(0.00015, 64, 0)
    for i, size in ipairs(sizes) do
      assert.is_true(size == 3 or i == #sizes, size .. " in one step")
    end
  end)

  it("is read one by one where each takes too long", function()
    for _, size in ipairs(batches(0.1, 5, 0)) do assert.equal(1, size) end
  end)

  it("is read whole where a step may wait", function()
    assert.same({ 64 }, batches(0.0002, 64, 1))
  end)
end)

describe("sends in flight", function()
  local server
  setup(function() server = sandbox_server.start() end)
  teardown(function() server:stop() end)

  -- Few are waited for in one way, many in another.
  for _, n in ipairs({ 10, 200 }) do
    for _, how in ipairs({ "in steps that wait", "by the descriptor" }) do
      it(("are all heard, %d at once, %s"):format(n, how), function()
        server:reset_ledger()
        local client = telnyx.new({ api_key = "KEY_TEST", base_url = server.url, retry = false })
        local n_accepted = 0
        for _ = 1, n do
          client:start({ from = MESSAGE.from, to = "+15550070001", text = "in a second" },
            function(message) n_accepted = n_accepted + (message and 1 or 0) end)
        end
        if how == "by the descriptor" and client:fd() then
          drive(client)
        else
          local patience = socket.gettime() + 20
          while client:step(1) > 0 do assert(socket.gettime() < patience) end
        end
        assert.equal(n, n_accepted)
        assert.equal(n, server:ledger().posts)
        client:close()
      end)
    end
  end
end)

-- A sender that can be stepped, whose requests are all done at the next step.
local function stepped()
  local sender = { owners = {} }
  local pending = {
    done = function() return sender.is_stepped end,
    result = function() return { id = "m" }, { outcome = "accepted" } end,
  }
  function sender.send() error("it can be stepped") end
  function sender:start(_, _, owner)
    table.insert(self.owners, owner)
    return pending
  end
  function sender:step()
    self.is_stepped = true
    return #self.owners
  end
  function sender:finished()
    return self.is_stepped and table.remove(self.owners, 1) or nil
  end
  return sender
end

describe("a sender", function()
  it("may serve two clients, each of which hears of its own", function()
    local sender = stepped()
    local a, b = telnyx.new({ sender = sender }), telnyx.new({ sender = sender })
    local n_heard = 0
    for _ = 1, 3 do b:start(MESSAGE, function() n_heard = n_heard + 1 end) end
    assert(a:send(MESSAGE))
    assert.equal(0, a:step(0))
    assert.equal(0, b:step(0))
    assert.equal(3, n_heard)
  end)

  it("may return more than is asked for", function()
    local client = telnyx.new({ retry = { base = 0 }, sender = { send = function()
      return nil, { outcome = "not_sent", kind = "connection", retryable = true }, "closed"
    end } })
    local _, err = client:send(MESSAGE)
    assert.equal(3, #err.attempts)
  end)

  it("that cannot be stepped lets the machine rest where a function of the user's steps", function()
    local time, n_asked, client = 0, 0, nil
    client = telnyx.new { sender = {
      send = function()
        return nil, { outcome = "not_sent", kind = "connection", retryable = true }
      end,
      monotonic = function()
        n_asked = n_asked + 1
        assert(n_asked < 10000, "it does not rest")
        return time
      end,
      sleep = function(_, seconds) time = time + seconds end,
    }, retry = { should_retry = function()
      client:step(0.1)
      return false
    end } }
    client:start(MESSAGE)
    assert.is_true(time >= 0.1 and n_asked < 200, n_asked)
  end)

  it("that says too early that nothing is under way is not rested for", function()
    local n_slept, n_steps, ended = 0, 0, nil
    local pending
    local sender = {
      heeds_meanwhile = true,
      send = function() error("it can be stepped", 0) end,
      start = function(_, _, limits, owner)
        limits.begun = true
        pending = { owner = owner, done = function() return ended end,
          cancel = function() return true end,
          result = function() return { id = "m" }, { outcome = "accepted" } end }
        return pending
      end,
      step = function()
        n_steps = n_steps + 1
        if n_steps >= 3 then ended = true end
        return 0
      end,
      finished = function()
        if not (ended and pending) then return nil end
        local owner = pending.owner
        pending = nil
        return owner
      end,
      sleep = function() n_slept = n_slept + 1 end,
    }
    local client = telnyx.new { sender = sender }
    client:start(MESSAGE)
    for _ = 1, 4 do client:step(0.1) end
    assert.same({ 0, true }, { n_slept, n_steps >= 3 })
  end)

  it("that does not give back the owner is told so", function()
    local sender = stepped()
    function sender.finished() return {} end
    local client = telnyx.new({ sender = sender })
    client:start(MESSAGE)
    local ok, why = pcall(client.step, client, 0)
    assert.is_false(ok)
    assert.truthy(why:find("finished", 1, true))
    assert.equal("m", client:send(MESSAGE).id)
  end)

  it("that gives one back twice goes on once", function()
    local sender = stepped()
    local finished, last = sender.finished, nil
    function sender:finished()
      local again = last
      last = nil
      if again then return again end
      last = finished(self)
      return last
    end
    local client, n_heard = telnyx.new({ sender = sender }), 0
    for _ = 1, 3 do client:start(MESSAGE, function() n_heard = n_heard + 1 end) end
    -- On a busy machine a step may stop before it has done all.
    local left = client:step(0)
    for _ = 1, 100 do
      if left > 0 then left = client:step(0) end
    end
    assert.equal(0, left)
    assert.equal(3, n_heard)
  end)
end)

describe("a client that is closed while it begins one", function()
  -- Closes it when it is asked so by `where`.
  local function begun(where, sender)
    local client, told, n = nil, {}, 0
    local function close_in(place)
      if where == place and n == 2 then client:close() end
    end
    local own = telnyx.journal.memory()
    for _, name in ipairs { "claim", "finish" } do
      local method = own[name]
      own[name] = function(...)
        close_in(name)
        return method(...)
      end
    end
    client = telnyx.new { journal = own, log = function() close_in("log") end, sender = sender(
      function() close_in("sender") end) }
    local pendings = {}
    for i = 1, 2 do
      n = i
      pendings[i] = client:start(MESSAGE, { key = "k" .. i }, function(_, result)
        told[i] = result.outcome
      end)
    end
    return pendings, told, own
  end

  local function at_once(close)
    return { send = function()
      close()
      return { id = "m" }, { outcome = "accepted" }
    end }
  end

  for _, where in ipairs { "sender", "log", "finish" } do
    it("tells of it, as it was posted: " .. where, function()
      local pendings, told = begun(where, at_once)
      assert.same({ true, "accepted" }, { pendings[2].done, told[2] })
      assert.equal("accepted", told[1])
    end)
  end

  it("posts nothing of it where its claim was being written", function()
    local n_posts = 0
    local pendings, told, own = begun("claim", function()
      return { send = function()
        n_posts = n_posts + 1
        return { id = "m" }, { outcome = "accepted" }
      end }
    end)
    assert.same({ true, "not_sent", 1 }, { pendings[2].done, told[2], n_posts })
    assert.equal("free", own:get("k2").state)
  end)

  -- A step that an error ended left it, and the send that comes next lets it go on.
  local function send_after_a_broken_step(act)
    local sender, texts, told, client = stepped(), {}, {}, nil
    local start, finished, is_broken = sender.start, sender.finished, true
    function sender:start(message, limits, owner)
      texts[#texts + 1] = message.text
      return start(self, message, limits, owner)
    end
    function sender:finished()
      local owner = finished(self)
      if owner and is_broken then
        is_broken = false
        error("from outside", 0)
      end
      return owner
    end
    client = telnyx.new { sender = sender, log = function()
      if act then act(client) end
      act = nil
    end }
    client:start(MESSAGE, function(message) told[#told + 1] = message and message.id or "none" end)
    assert.is_false(pcall(client.step, client, 1))
    local _, err = client:send { from = MESSAGE.from, to = MESSAGE.to, text = "another" }
    assert.same({ MESSAGE.text }, texts)
    return err, told
  end

  it("posts nothing where what goes on before it closes the client", function()
    local err, told = send_after_a_broken_step(function(client) client:close() end)
    assert.same({ "not_sent", true }, { err.outcome, err.retryable })
    assert.same({ "m" }, told)
  end)

  it("leaves it to the parent where what goes on before it forks", function()
    local forks = core.forks
    finally(function() rawset(core, "forks", forks) end)
    local err = send_after_a_broken_step(function()
      rawset(core, "forks", function() return forks() + 1 end)
    end)
    assert.same({ "unknown", false }, { err.outcome, err.retryable })
  end)

  it("raises what its callback raised when it is closed again", function()
    local client
    client = telnyx.new { sender = at_once(function() client:close() end) }
    client:start(MESSAGE, function() error("told", 0) end)
    assert.has_error(function() client:close() end, "told")
    client:close()
  end)

  it("waits for nothing that will not come", function()
    local pendings, told = begun("sender", function(close)
      local sender = stepped()
      local start = sender.start
      function sender:start(...)
        close()
        return start(self, ...)
      end
      return sender
    end)
    assert.same({ true, "unknown" }, { pendings[2].done, told[2] })
    assert.equal("unknown", told[1])
  end)
end)

it("callbacks that send in their turn do so however many there are", function()
  local client = telnyx.new({ sender = stepped() })
  local n_accepted = 0
  for _ = 1, 500 do
    client:start(MESSAGE, function()
      if client:send(MESSAGE) then n_accepted = n_accepted + 1 end
    end)
  end
  for _ = 1, 5000 do
    if n_accepted < 500 then client:step(0) end
  end
  assert.equal(500, n_accepted)
end)

it("a callback that a host's limit ends leaves the next ones their turn", function()
  local sender = stepped()
  sender.is_stepped, sender.heeds_meanwhile = true, true
  function sender.send(_, _, _, meanwhile)
    meanwhile()
    return { id = "m" }, { outcome = "accepted" }
  end
  local function raise()
    local thread, is_main = coroutine.running()
    if thread and not is_main then error("the limit", 0) end
  end
  local client, n_told = telnyx.new({ sender = sender }), 0
  client:start(MESSAGE, function() debug.sethook(raise, "", 1) end)
  local ok, why = coroutine.resume(coroutine.create(client.send), client, MESSAGE)
  debug.sethook()
  assert.same({ false, "the limit" }, { ok, why })
  client:start(MESSAGE, function() n_told = n_told + 1 end)
  assert(client:send(MESSAGE))
  assert.equal(1, n_told)
end)

-- Forty sends at once, each answered after a second, and what came of them.
local FORTY = [[
local client = require('telnyx').new({ api_key = 'KEY_TEST', base_url = '%s', timeout = 10 })
local outcomes = {}
for i = 1, 40 do
  client:start({ from = '12345', to = '+15550070001', text = 'x' .. i }, function(_, info)
    outcomes[info.outcome] = (outcomes[info.outcome] or 0) + 1
  end)
end
while client:step(1) > 0 do end
for outcome, count in pairs(outcomes) do print(outcome .. ' ' .. count) end
]]

describe("where an epoll", function()
  local server, shim
  setup(function()
    server = sandbox_server.start()
    shim = os.tmpname()
    assert.equal("", process.run("cc -shared -fPIC -o " .. shim .. " spec/c/no_epoll.c -ldl"))
  end)
  teardown(function()
    server:stop()
    os.remove(shim)
  end)

  for _, row in ipairs({ { "create", "cannot be had" }, { "add", "has no room" } }) do
    it(row[2] .. ", sends are heard all the same", function()
      server:reset_ledger()
      local output = process.run_lua(FORTY:format(server.url),
        ("NO_EPOLL=%s LD_PRELOAD=%s"):format(row[1], shim))
      assert.equal("accepted 40\n", output)
      assert.equal(40, server:ledger().posts)
    end)
  end
end)

describe("examples for loops", function()
  local server
  setup(function() server = sandbox_server.start() end)
  teardown(function() server:stop() end)

  for _, library in ipairs({ "luv", "cqueues" }) do
    it("run: " .. library, function()
      if not pcall(require, library) then return pending(library .. " is not installed") end
      local command = "TELNYX_API_KEY=KEY_TEST TELNYX_BASE_URL=%s %s examples/loops/%s.lua %s"
      local output = process.run(command:format(server.url, process.lua(), library,
        "+18445550001 +15550070001 Hello"))
      local ticks = tonumber(output:match("went round (%d+) times"))
      assert.truthy(ticks, output)
      assert.is_true(ticks > 20, output)
    end)
  end
end)

describe("where a function of the user's forks, a child", function()
  local forks = core.forks
  after_each(function() rawset(core, "forks", forks) end)

  local function fork() rawset(core, "forks", function() return forks() + 1 end) end

  -- The first is refused for the moment, and the others are taken.
  local function refusing()
    local own = { n = 0 }
    function own:send()
      self.n = self.n + 1
      if self.n > 1 then return { id = "x" }, { outcome = "accepted", status = 200 } end
      return nil, { outcome = "rejected", kind = "api", status = 429, retryable = true }
    end
    function own.sleep() end
    return own
  end

  for name, given in pairs { log = { log = fork },
    should_retry = { retry = { should_retry = fork } } } do
    it("leaves the next attempt to its parent: " .. name, function()
      local own = refusing()
      given.sender = own
      local sent, err = telnyx.new(given):send(MESSAGE)
      assert.is_nil(sent)
      assert.equal("unknown", err.outcome)
      assert.matches("the parent carries the message on", err.cause)
      assert.equal(1, own.n)
    end)
  end

  it("is told nothing false where it ends there", function()
    for _, ends in ipairs { function() return false end, function() error("enough", 0) end,
      function(client) client:close() end } do
      rawset(core, "forks", forks)
      local own, client = refusing(), nil
      client = telnyx.new { sender = own, retry = { should_retry = function()
        fork()
        return ends(client)
      end } }
      local _, err = client:send(MESSAGE)
      assert.equal("unknown", err.outcome)
      assert.equal(1, own.n)
    end
  end)

  it("is told nothing false where no attempt comes after a log that forks", function()
    local own = refusing()
    local _, err = telnyx.new({ sender = own, retry = false, log = fork }):send(MESSAGE)
    assert.same({ "unknown", 1 }, { err.outcome, own.n })
  end)

  it("is told what was accepted before", function()
    local own = refusing()
    own.n = 1
    local sent, info = telnyx.new({ sender = own, log = fork }):send(MESSAGE)
    assert.same({ "x", "accepted" }, { sent and sent.id, info.outcome })
  end)

  it("is told nothing false where the journal has no answer to a claim that forks", function()
    local memory, own = telnyx.journal.memory(), refusing()
    local claim = memory.keeper.claim
    function memory.keeper.claim(keeper, given)
      claim(keeper, given)
      fork()
      return nil, "the connection is the parent's"
    end
    local client = telnyx.new { sender = own, journal = memory }
    local _, err = client:send(MESSAGE, { key = "k1" })
    assert.same({ "unknown", false, 0 }, { err.outcome, err.retryable, own.n })
    assert.equal("sending", memory:get("k1").state)
  end)

  it("is told nothing false where it ends while it waits for a turn", function()
    local own, client, told = refusing(), nil, {}
    own.n, own.time = 1, 0
    function own:monotonic() return self.time end
    function own:sleep(seconds)
      self.time = self.time + seconds
      fork()
      client:close()
    end
    client = telnyx.new { sender = own }
    pcall(client.send_all, client, { MESSAGE, MESSAGE, MESSAGE }, { rate = 1, concurrency = 3,
      on_result = function(i, _, err) told[i] = err.outcome end })
    assert.equal("unknown", told[2])
  end)

  it("is told nothing false where it ends while it waits for another attempt", function()
    local own, client = refusing(), nil
    function own.sleep()
      fork()
      client:close()
    end
    client = telnyx.new { sender = own }
    local _, err = client:send(MESSAGE)
    assert.equal("unknown", err.outcome)
    assert.equal(1, own.n)
  end)

  it("is told nothing false where an error ends it while it waits for another attempt", function()
    local own = refusing()
    function own.sleep()
      fork()
      error("enough", 0)
    end
    local client, told = telnyx.new { sender = own }, {}
    pcall(client.start, client, MESSAGE, function(sent, err) told[1] = { sent, err } end)
    pcall(client.step, client, 0)
    assert.is_nil(told[1][1])
    assert.same({ "unknown", false }, { told[1][2].outcome, told[1][2].retryable })
  end)

  it("leaves what is claimed to its parent, where the journal's query forks", function()
    for _, when in ipairs { "before", "after" } do
      rawset(core, "forks", forks)
      local memory, own = telnyx.journal.memory(), refusing()
      local claim = memory.keeper.claim
      function memory.keeper.claim(keeper, given)
        if when == "before" then fork() end
        local done, row = claim(keeper, given)
        fork()
        return done, row
      end
      local client = telnyx.new { sender = own, journal = memory }
      local _, err = client:send(MESSAGE, { key = "k1" })
      assert.equal("unknown", err.outcome)
      assert.equal(0, own.n)
      assert.equal("sending", memory:get("k1").state)
    end
  end)

  it("claims nothing for its parent, where the journal's query forks before the claim", function()
    local memory, own = telnyx.journal.memory(), refusing()
    local get, is_first = memory.keeper.get, true
    function memory.keeper.get(keeper, key)
      if is_first then fork() end
      is_first = false
      return get(keeper, key)
    end
    local outcome
    telnyx.new({ sender = own, journal = memory }):send_all({ MESSAGE }, { rate = 10,
      key = function() return "k1" end, on_result = function(_, _, err) outcome = err.outcome end })
    assert.same({ "unknown", 0, false }, { outcome, own.n, memory:get("k1") })
  end)

  it("sends what it begins itself", function()
    local own = refusing()
    local client = telnyx.new { sender = own, retry = false }
    assert.is_nil((client:send(MESSAGE)))
    fork()
    assert.equal("x", client:send(MESSAGE).id)
  end)
end)

it("waits for no end that came while an own sender's start stepped the client", function()
  local client
  local own = { waiting = {}, ended = {} }
  function own.send() error("it can be stepped") end
  function own:start(message, _, owner)
    local pending = { is_done = false }
    function pending.done() return pending.is_done end
    function pending.result() return { id = message.text }, { outcome = "accepted" } end
    self.waiting[#self.waiting + 1] = { pending, owner }
    if message.text == "first" then client:step(0) end
    return pending
  end
  function own:step()
    for _, one in ipairs(self.waiting) do
      one[1].is_done = true
      self.ended[#self.ended + 1] = one[2]
    end
    self.waiting = {}
    return 0
  end
  function own:finished() return table.remove(self.ended, 1) end
  client = telnyx.new { sender = own }
  local told = {}
  for _, text in ipairs { "first", "second" } do
    client:start({ from = MESSAGE.from, to = MESSAGE.to, text = text }, function(sent)
      told[#told + 1] = sent and sent.id
    end)
  end
  for _ = 1, 20 do client:step(0) end
  table.sort(told)
  assert.same({ "first", "second" }, told)
  assert.equal(0, client:step(0))
end)

-- Whose sender yields, at its second attempt, to who steps the client: a pause comes before.
local function suspended_in_a_step(heard)
  local sender = { n = 0 }
  function sender.send()
    sender.n = sender.n + 1
    if sender.n == 1 then
      return nil, { outcome = "not_sent", kind = "connection", retryable = true }
    end
    coroutine.yield("io")
    return { id = "m" }, { outcome = "accepted" }
  end
  local client = telnyx.new { sender = sender, retry = { base = 0.001 } }
  local pending = client:start(MESSAGE, function(message, err)
    heard[#heard + 1] = message and "accepted" or err.outcome
  end)
  local stepper = coroutine.create(function() return client:step(20) end)
  assert.same({ true, "io" }, { coroutine.resume(stepper) })
  return client, stepper, sender, pending
end

-- What is compiled calls no hook.
local function raise_within(stepper, n)
  local compiler, sethook = rawget(_G, "jit"), debug.sethook
  local running = coroutine.running
  if compiler then compiler.off() end
  local function raise()
    if running() ~= stepper then return end
    n = n - 1
    if n > 0 then return end
    sethook(stepper)
    sethook()
    error("from outside", 0)
  end
  sethook(stepper, raise, "", 1)
  local ok = coroutine.resume(stepper)
  sethook(stepper)
  sethook()
  if compiler then compiler.on() end
  return not ok
end

it("a step that an error ends while an own sender yields through it loses no message", function()
  local n, was_raised = 0
  repeat
    n = n + 1
    local heard = {}
    local client, stepper, sender, pending = suspended_in_a_step(heard)
    was_raised = raise_within(stepper, n)
    for _ = 1, 3 do client:step(0) end
    assert.equal(0, client:step(0), "at instruction " .. n)
    assert.is_true(pending.done, "at instruction " .. n)
    assert.is_true(#heard <= 1) -- none where the error comes as the callback begins
    assert.equal(2, sender.n)
    if not was_raised then assert.same({ "accepted" }, heard) end
  until not was_raised
  assert.is_true(n > 20, n)
end)

it("a loop is told that a step is due where an error has ended such a step", function()
  local heard = {}
  local client, stepper = suspended_in_a_step(heard)
  client:step(0)
  assert.is_nil(client:timeout())
  assert.is_true(raise_within(stepper, 1))
  assert.equal(0, client:timeout())
  client:step(0)
  assert.same({ "unknown" }, heard)
end)

it("an error that ends a send after one that may have gone out is told as unknown", function()
  local own = { n = 0 }
  function own:send()
    self.n = self.n + 1
    return nil, { outcome = "unknown", kind = "connection", retryable = false }
  end
  function own.sleep() error("enough", 0) end
  local told = {}
  local client = telnyx.new { sender = own, retry = { unknown = true, attempts = 3 } }
  pcall(client.start, client, MESSAGE, function(_, err) told[1] = err end)
  pcall(client.step, client, 0)
  assert.same({ 1, "unknown", false }, { own.n, told[1].outcome, told[1].retryable })
end)

it("waits on where an own sender says too early that it has finished", function()
  local client
  local own = { ended = {}, pendings = {} }
  function own.send() error("it can be stepped") end
  function own:start(message, _, owner)
    local pending = { is_done = false }
    function pending.done() return pending.is_done end
    function pending.result() return { id = message.text }, { outcome = "accepted" } end
    self.ended[1], self.last, self.pending = owner, owner, pending
    client:step(0)
    return pending
  end
  function own.step() return 0 end
  function own:finished() return table.remove(self.ended, 1) end
  client = telnyx.new { sender = own }
  local told = {}
  client:start(MESSAGE, function(sent, err) told[#told + 1] = sent and sent.id or err.outcome end)
  client:step(0)
  assert.same({}, told)
  own.pending.is_done, own.ended[1] = true, own.last
  client:step(0)
  client:step(0)
  assert.same({ "Hello" }, told)
end)

it("asks no rule of the user's after the client was closed", function()
  local own, n = timed_service.new(function() return nil, 10 end), 0
  local client, told = telnyx.new { sender = own, retry = { unknown = true,
    should_retry = function() n = n + 1 end } }, nil
  client:start(MESSAGE, function(_, err) told = err.outcome end)
  client:step(0)
  client:close()
  assert.same({ "unknown", 0 }, { told, n })
end)

it("a run is told of the next where one of its own tells of nothing", function()
  local due, told = require("telnyx.send.news").new(), {}
  local function is_over() return false end
  due:add(function() return nil end, nil, {}, is_over)
  due:add(function() return function() told[#told + 1] = "second" end end, nil, {}, is_over)
  due:call_back_in_run(is_over)
  assert.same({ "second" }, told)
  assert.is_false(due:is_due())
end)

it("a log may yield in a coroutine, over a sender that heeds others meanwhile", function()
  if _VERSION == "Lua 5.1" and not rawget(_G, "jit") then return end
  local sender = { heeds_meanwhile = true, send = function()
    return { id = "m" }, { outcome = "accepted", status = 200 }
  end }
  local client = telnyx.new { sender = sender,
    log = function() coroutine.yield("from the log") end }
  for _, how in ipairs { "send", "send_all" } do
    local thread = coroutine.create(client[how])
    local ok, what = coroutine.resume(thread, client, how == "send" and MESSAGE or { MESSAGE })
    assert.same({ true, "from the log" }, { ok, what })
    local _, result = coroutine.resume(thread)
    assert.equal(how == "send" and "m" or 1, how == "send" and result.id or result.accepted)
  end
end)
