-- What runs while a result is made, finalizers and hooks, finds a pending that is in order.

local core = require "telnyx.core"
local wire = require "spec.support.wire"

local MESSAGE = { from = "+18445550001", to = "+18665550001", text = "Hello" }
local LONG = { timeout = 20, connect_timeout = 20 }

-- A garbage object that calls `what` when it is collected; LuaJIT and 5.1 know another way.
local function finalized(what)
  local proxy = rawget(_G, "newproxy")
  if not proxy then return setmetatable({}, { __gc = what }) end
  local object = proxy(true)
  getmetatable(object).__gc = what
  return object
end

describe("a pending whose result is being made", function()
  local station, listener, client
  setup(function() station = wire.start() end)
  teardown(function() station:stop() end)
  before_each(function()
    listener = station:listen({ wire.SERVICE })
    client = core.client { api_key = "KEY_TEST", base_url = listener.url }
  end)
  after_each(function()
    debug.sethook()
    client:close()
  end)

  local function done()
    local pending = client:start(MESSAGE, LONG)
    repeat client:step(1) until pending:done()
    return pending
  end

  local function accepted(i)
    return listener:seen().connections[1].accepted[i]
  end

  it("cannot be cancelled by a finalizer", function()
    local collect, n_cancelled = collectgarbage, 0
    for i = 1, 200 do
      local pending = done()
      collect("stop")
      for _ = 1, 50 do
        finalized(function()
          n_cancelled = n_cancelled + 1
          assert(pending:cancel())
        end)
      end
      collect("setpause", 10)
      collect("restart")
      local message, info = pending:result()
      collect("setpause", 200)
      assert.equal("accepted", info.outcome)
      assert.equal(accepted(i), message.id)
    end
    assert.is_true(n_cancelled > 0)
  end)

  for _, method in ipairs { "cancel", "result" } do
    it("is not harmed by a hook that calls " .. method, function()
      local pending, n_called, is_inside = done(), 0, false
      debug.sethook(function()
        if is_inside or not pending then return end
        is_inside = true
        n_called = n_called + 1
        pcall(pending[method], pending)
        is_inside = false
      end, "cr")
      local ok, message = pcall(function() return (pending:result()) end)
      debug.sethook()
      assert.is_true(n_called > 0)
      if ok and message then assert.equal(accepted(1), message.id) end
      assert(client:send(MESSAGE, LONG))
      assert.equal(2, listener:seen().whole)
    end)
  end

  it("can be taken again after an error of a hook", function()
    local pending = done()
    local n_left, try, take, set_hook = 3, pcall, pending.result, debug.sethook
    set_hook(function()
      n_left = n_left - 1
      if n_left == 0 then error("a limit") end
    end, "c")
    local ok = try(take, pending)
    set_hook()
    if not ok then assert.equal(accepted(1), pending:result().id) end
    assert.has_error(function() pending:result() end, "the result was taken already")
  end)
end)
