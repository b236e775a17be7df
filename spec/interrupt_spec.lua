-- Programs that end, or are made to, while messages are under way: nothing crashes, nothing leaks,
-- nothing is posted a second time, and what was begun is told of or reads as unknown.

local core = require "telnyx.core"
local lfs = require "lfs"
local socket = require "socket"
local telnyx = require "telnyx"
local wire = require "spec.support.wire"

local KEY = "KEY0123456789ABCDEF_interrupted"
local MESSAGE = { from = "+18445550001", to = "+18665550001", text = "Hello" }
local LUA = rawget(_G, "jit") and "luajit" or _VERSION:lower():gsub(" ", "")
-- About a second is what is meant; a busy machine may take longer.
local SOON = 5
local CEILING = 20

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- The child's first line is its process id, its last one its exit code. Under the sanitizers, one
-- that leaves without closing its state leaks, and may.
local COMMAND = "echo $$; export LUA_PATH=%s LUA_CPATH=%s ASAN_OPTIONS=detect_leaks=%d; "
  .. "exec %s spec/support/interrupt_child.lua %s %s 2>&1"

local function spawn(deed, url)
  local leaks = deed == "exit" and 0 or 1
  local command = COMMAND:format(quoted(package.path), quoted(package.cpath), leaks, LUA, deed, url)
  local pipe = assert(io.popen(("sh -c %s; echo code $?"):format(quoted(command)), "r"))
  return { pipe = pipe, pid = assert(tonumber(pipe:read("*l"))) }
end

local function interrupt(child)
  os.execute("kill -INT " .. child.pid)
end

local function rest_of(child)
  local text = child.pipe:read("*a")
  child.pipe:close()
  return text
end

local function descriptors()
  local count = 0
  for _ in lfs.dir("/proc/self/fd") do count = count + 1 end
  return count
end

local function collect()
  for _ = 1, 3 do collectgarbage() end
end

local function bound(seconds)
  local deadline = socket.gettime() + seconds
  return function() assert(socket.gettime() < deadline, "waited too long") end
end

local function step_until(client, condition)
  local go_on = bound(CEILING)
  while not condition() do
    client:step(0.05)
    go_on()
  end
end

local function all_ended(seen)
  for _, connection in ipairs(seen.connections) do
    if not connection.ended then return false end
  end
  return #seen.connections > 0
end

describe("an interrupted program", function()
  local station

  setup(function() station = wire.start() end)
  teardown(function() station:stop() end)

  local function listen(...)
    return station:listen { ... }
  end

  local STALL = { wire.request, wire.stall }

  local function whole(listener, count)
    return listener:wait(function(seen) return seen.whole >= count end, count .. " whole requests")
  end

  local function new_client(listener, options)
    options = options or {}
    options.api_key, options.base_url = KEY, listener.url
    return telnyx.new(options)
  end

  local function new_core(listener)
    return core.client { api_key = KEY, base_url = listener.url }
  end

  describe("by a signal", function()
    for _, deed in ipairs { "send", "step" } do
      it("in a " .. deed .. " ends soon, and posted once", function()
        local listener = listen(STALL)
        local child = spawn(deed, listener.url)
        whole(listener, 1)
        local started = socket.gettime()
        interrupt(child)
        local text = rest_of(child)
        assert.is_true(socket.gettime() - started < SOON)
        assert.is_truthy(text:find("interrupted!", 1, true), text)
        assert.equal(1, listener:wait(all_ended).whole)
        listener:close()
      end)
    end

    it("while it waits to send again ends soon", function()
      local refusal = wire.reply(429, "{}", { { "Retry-After", "15" } })
      local listener = listen({ wire.loop { wire.request, refusal } })
      local child = spawn("send", listener.url)
      whole(listener, 1)
      local started = socket.gettime()
      interrupt(child)
      local text = rest_of(child)
      assert.is_true(socket.gettime() - started < SOON)
      assert.is_truthy(text:find("interrupted!", 1, true), text)
      assert.equal(1, listener:seen().whole)
      listener:close()
    end)

    it("may go on and hear the outcome", function()
      local listener = listen({ wire.request, wire.gate "answer", wire.accept })
      local child = spawn("resume", listener.url)
      whole(listener, 1)
      interrupt(child)
      assert.is_truthy(child.pipe:read("*l"):find("interrupted!", 1, true))
      listener:open("answer")
      assert.equal("outcome\taccepted\n", rest_of(child):match("outcome[^\n]*\n"))
      assert.equal(1, listener:seen().whole)
      listener:close()
    end)
  end)

  describe("by its own end", function()
    local ENDINGS = {
      { "exit", 7 }, { "exit_closing", 7 }, { "raise", 1 },
      { "exit_in_callback", 7, { wire.request, wire.accept, wire.stall } },
    }
    for _, ending in ipairs(ENDINGS) do
      it("(" .. ending[1] .. ") posts nothing twice and does not crash", function()
        local listener = listen(ending[3] or STALL)
        local text = rest_of(spawn(ending[1], listener.url))
        assert.equal("code " .. ending[2], text:match("code %d+"), text)
        local seen = listener:wait(all_ended)
        assert.is_true(seen.whole <= #seen.connections, "posted more often than started")
        listener:close()
      end)
    end
  end)

  describe("that closes its client with requests under way", function()
    it("reads unknown of what had begun", function()
      local listener = listen(STALL)
      local client = new_core(listener)
      local pending = client:start(MESSAGE)
      step_until(client, function() return listener:seen().whole == 1 end)
      client:close()
      assert.is_true(pending:done())
      local message, err = pending:result()
      assert.is_nil(message)
      assert.equal("unknown", err.outcome)
      assert.is_false(err.retryable)
      assert.equal(1, listener:wait(all_ended).whole)
      listener:close()
    end)

    it("reads not sent of what had not", function()
      local client = core.client {
        api_key = KEY, base_url = wire.url_of("http", station:full_port()),
      }
      local pending = client:start(MESSAGE)
      for _ = 1, 3 do client:step(0.01) end
      assert.is_false(pending:done())
      client:close()
      local _, err = pending:result()
      assert.equal("not_sent", err.outcome)
    end)

    it("keeps what was done, handed out or not", function()
      local listener = listen(wire.SERVICE)
      local client = new_core(listener)
      local handed, kept = client:start(MESSAGE), client:start(MESSAGE)
      step_until(client, function() return handed:done() and kept:done() end)
      assert.equal(handed, client:finished())
      client:close()
      for _, pending in ipairs { handed, kept } do
        local message = pending:result()
        assert.is_string(message.id)
      end
      handed, kept = nil, nil -- luacheck: ignore
      collect()
      listener:close()
    end)
  end)

  describe("that closes its client with sends under way", function()
    it("is told of each, whether it waits for an answer or to be sent again", function()
      local refusal = wire.reply(429, "{}", { { "Retry-After", "15" } })
      local listener = listen(STALL, { wire.request, refusal })
      local client, told = new_client(listener), {}
      local pendings = {}
      local function start()
        local number = #pendings + 1
        pendings[number] = client:start(MESSAGE, function(_, info) told[number] = info.outcome end)
        step_until(client, function() return listener:seen().whole == number end)
      end
      start()
      start()
      for _ = 1, 20 do client:step(0.01) end -- the refusal arrives
      client:close()
      assert.same({ "unknown", "rejected" }, told)
      for _, pending in ipairs(pendings) do assert.is_true(pending.done) end
      assert.equal(2, listener:wait(all_ended).whole)
      listener:close()
    end)

    it("may do so in a callback", function()
      local listener = listen(wire.SERVICE, STALL)
      local client, outcomes = new_client(listener), {}
      client:start(MESSAGE, function(_, info)
        outcomes[#outcomes + 1] = info.outcome
        client:close()
      end)
      client:start(MESSAGE, function(_, info) outcomes[#outcomes + 1] = info.outcome end)
      local go_on = bound(CEILING)
      while #outcomes < 2 do
        client:step(0.05)
        go_on()
      end
      assert.equal("accepted", outcomes[1])
      listener:close()
    end)
  end)

  describe("that forgets what it started", function()
    it("lets go of a client with requests under way", function()
      local listener = listen(STALL)
      local before = descriptors()
      local client = new_core(listener)
      client:start(MESSAGE)
      step_until(client, function() return listener:seen().whole == 1 end)
      client = nil -- luacheck: ignore
      collect()
      assert.equal(1, listener:wait(all_ended).whole)
      assert.equal(before, descriptors())
      listener:close()
    end)

    it("reads unknown of a request that outlives its client", function()
      local listener = listen(STALL)
      local client = new_core(listener)
      local pending = client:start(MESSAGE)
      step_until(client, function() return listener:seen().whole == 1 end)
      client = nil -- luacheck: ignore
      collect()
      listener:wait(all_ended)
      local _, err = pending:result()
      assert.equal("unknown", err.outcome)
      listener:close()
    end)

    it("may collect a done request after its client was closed", function()
      local listener = listen(wire.SERVICE)
      for _ = 1, 50 do
        local client = new_core(listener)
        client:start(MESSAGE)
        local pending
        step_until(client, function()
          pending = client:finished()
          return pending
        end)
        client:close()
      end
      collect()
      listener:close()
    end)

    it("makes and leaves a thousand clients without a descriptor lost", function()
      local listener = listen(wire.SERVICE)
      local before = descriptors()
      for i = 1, 1000 do
        local client = new_core(listener)
        if i % 3 == 0 then client:start(MESSAGE) end
        assert(client:send(MESSAGE))
        if i % 2 == 0 then client:close() end
        if i % 50 == 0 then collect() end
      end
      collect()
      assert.equal(before, descriptors())
      listener:close()
    end)
  end)

  describe("by an error in a callback", function()
    local function raise() error("a callback's own error", 0) end

    it("hears of the error, and then of all the others", function()
      local listener = listen(wire.SERVICE)
      local client, n_told = new_client(listener), 0
      local pendings = {}
      for i = 1, 6 do
        pendings[i] = client:start(MESSAGE, function()
          n_told = n_told + 1
          if i % 2 == 0 then raise() end
        end)
      end
      local n_errors, go_on = 0, bound(CEILING)
      repeat
        local ok, left = pcall(client.step, client, 0.05)
        if not ok then
          assert.equal("a callback's own error", left)
          n_errors = n_errors + 1
        end
        go_on()
      until ok and left == 0
      assert.equal(3, n_errors)
      assert.equal(6, n_told)
      for _, pending in ipairs(pendings) do
        assert.is_true(pending.done)
        assert.is_string(pending:result().id)
      end
      assert.equal(6, listener:seen().whole)
      client:close()
      listener:close()
    end)

    it("does not cost a send that waits meanwhile its outcome", function()
      local listener = listen(wire.SERVICE, { wire.request, wire.pause(0.1), wire.accept })
      local client = new_client(listener)
      client:start(MESSAGE, raise)
      assert.is_string(client:send(MESSAGE).id)
      assert.has_error(function() client:step(0) end, "a callback's own error")
      assert.equal(0, client:step(0))
      client:close()
      listener:close()
    end)

    it("still sends again what waits for its turn at the same time", function()
      local n_sent, n_told = 0, 0
      local sender = {
        send = function()
          n_sent = n_sent + 1
          if n_sent > 4 then return { id = "x" }, {} end
          return nil, { outcome = "not_sent", kind = "connection", retryable = true }
        end,
      }
      local client = telnyx.new { sender = sender, retry = { base = 0.001 } }
      for _ = 1, 4 do
        client:start(MESSAGE, function()
          n_told = n_told + 1
          raise()
        end)
      end
      core.sleep(0.01)
      local go_on = bound(CEILING)
      repeat
        local ok, left = pcall(client.step, client, 0.05)
        go_on()
      until ok and left == 0
      assert.equal(4, n_told)
    end)
  end)
end)
