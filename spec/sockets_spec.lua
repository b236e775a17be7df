-- What the core tells of sockets that others made, by their descriptors. LuaSocket makes them here.

local core = require "telnyx.core"
local process = require "spec.support.process"
local socket = require "socket"

local function pair()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  local near = assert(socket.connect("127.0.0.1", port))
  local far = assert(listener:accept())
  listener:close()
  return near, far
end

-- What was sent may be on its way.
local function wait_until_readable(one)
  assert.equal(one, (socket.select({ one }, nil, 5))[1])
end

describe("a socket", function()
  local near, far
  before_each(function() near, far = pair() end)
  after_each(function()
    near:close()
    far:close()
  end)

  it("is silent until the other side speaks, and looking takes nothing away", function()
    assert.is_true(core.is_silent(near:getfd()))
    assert(far:send("x"))
    wait_until_readable(near)
    assert.is_false(core.is_silent(near:getfd()))
    assert.is_false(core.is_silent(near:getfd()))
    assert.equal("x", near:receive(1))
    assert.is_true(core.is_silent(near:getfd()))
  end)

  it("that the other side has ended is not silent", function()
    far:close()
    wait_until_readable(near)
    assert.is_false(core.is_silent(near:getfd()))
  end)

  it("that was reset is not silent", function()
    far:setoption("linger", { on = true, timeout = 0 })
    far:close()
    wait_until_readable(near)
    assert.is_false(core.is_silent(near:getfd()))
  end)

  it("that is closed, or was none, is not silent", function()
    local fd = near:getfd()
    near:close()
    for _, none in ipairs { fd, -1, 1e6 } do assert.is_false(core.is_silent(none)) end
    local file = assert(io.open("/dev/null"))
    assert.is_false(core.is_silent(core.last_descriptor()))
    file:close()
  end)

  it("is named when it reuses its address, in the order of the question", function()
    local fds = { far:getfd(), near:getfd() }
    far:setoption("reuseaddr", false)
    assert.same({}, core.reusing(fds))
    near:setoption("reuseaddr", true)
    assert.same({ near:getfd() }, core.reusing(fds))
    far:setoption("reuseaddr", true)
    assert.same(fds, core.reusing(fds))
    near:setoption("reuseaddr", false)
    assert.same({ far:getfd() }, core.reusing { 1e6, far:getfd(), -1 })
    assert.same({}, core.reusing {})
  end)

  it("is asked for by numbers", function()
    for _, call in ipairs { "is_silent", "reusing" } do
      assert.is_false((pcall(core[call])))
      assert.is_false((pcall(core[call], "x")))
    end
    assert.is_false((pcall(core.reusing, { "x" })))
  end)
end)

describe("the last descriptor", function()
  local SCRIPT = "print(require('telnyx.core').last_descriptor())"

  it("is none below an open one", function()
    local near, far = pair()
    assert.is_true(core.last_descriptor() >= math.max(near:getfd(), far:getfd()))
    near:close()
    far:close()
  end)

  it("is the highest, wherever the gaps are", function()
    local output = process.run_lua(SCRIPT, [[exec bash -c 'exec 1000<&0; exec "$@"' -]])
    assert.equal("1000\n", output)
  end)

  it("where a process cannot see its own is as high as it may be", function()
    local shim = os.tmpname()
    process.run("cc -shared -fPIC -o " .. shim .. " spec/c/odd_calls.c -ldl")
    local setup = "ulimit -n 300; ODD_FOLDER=none LD_PRELOAD=" .. shim
    assert.equal("299\n", process.run_lua(SCRIPT, setup))
    os.remove(shim)
  end)
end)
