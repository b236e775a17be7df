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
    assert.equal("false\n", process.run_lua("print(require('telnyx.core').is_silent(9))",
      "exec 9</dev/null;"))
  end)

  it("that has ended is not silent, whatever was said of another before", function()
    far:close()
    wait_until_readable(near)
    local one, other = pair()
    assert.is_true(core.is_silent(one:getfd()))
    assert.is_false(core.is_silent(near:getfd()))
    one:close()
    other:close()
  end)

  it("that would wait for bytes is looked at without waiting", function()
    local listener = assert(socket.bind("127.0.0.1", 0))
    local _, port = listener:getsockname()
    local setup = ([[exec timeout 5 bash -c 'exec 9<>/dev/tcp/127.0.0.1/%d; exec "$@"' -]]):format(
      port)
    assert.equal("true\n", process.run_lua("print(require('telnyx.core').is_silent(9))", setup))
    listener:close()
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
    assert.same({ far:getfd() }, core.reusing({ far:getfd() }, "beside the question"))
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

  it("is the same after a thousand questions", function()
    local before = core.last_descriptor()
    for _ = 1, 1000 do core.last_descriptor() end
    assert.equal(before, core.last_descriptor())
  end)

  describe("where a process cannot see its own", function()
    local shim
    setup(function()
      shim = os.tmpname()
      assert.equal("", process.run("cc -shared -fPIC -o " .. shim .. " spec/c/odd_calls.c -ldl"))
    end)
    teardown(function() os.remove(shim) end)

    local function last(variables, before)
      local shimmed = ("ODD_FOLDER=none %s LD_PRELOAD=%s"):format(variables, shim)
      return process.run_lua(SCRIPT, (before or "") .. shimmed)
    end

    it("is as high as it may be", function()
      assert.equal("299\n", last("", "ulimit -n 300; "))
    end)

    it("is one that can be looked through, however many it may have, or any number", function()
      for _, most in ipairs { -1, 0, 65536, 65537, 2 ^ 30 } do
        assert.equal("65535\n", last(("ODD_LIMIT=%d"):format(most)))
      end
      assert.equal("65534\n", last "ODD_LIMIT=65535")
    end)
  end)
end)

-- How nginx's sockets answer to it, as far as their options go.
local function as_of_nginx(one)
  return {
    setoption = function(_, name, value) return one:setoption(name, value ~= 0) end,
  }
end

describe("the descriptor of a socket of nginx's", function()
  local descriptor, looked_through, opened

  before_each(function()
    package.loaded["telnyx.resty_descriptor"] = nil
    descriptor = require "telnyx.resty_descriptor"
    looked_through = spy.on(core, "last_descriptor")
    opened = {}
  end)

  after_each(function()
    looked_through:revert()
    for _, one in ipairs(opened) do one:close() end
  end)

  local function open()
    local one = assert(socket.udp4())
    opened[#opened + 1] = one
    return one
  end

  local function assert_found(one, n_looks, what)
    looked_through:clear()
    assert.equal(one:getfd(), descriptor.of(as_of_nginx(one)), what)
    assert.spy(looked_through).was.called(n_looks)
  end

  it("is found beside others that reuse their addresses, and the option is gone then", function()
    local before, one, after = open(), open(), open()
    before:setoption("reuseaddr", true)
    after:setoption("reuseaddr", true)
    for n_looks = 1, 0, -1 do
      assert_found(one, n_looks)
      assert.same({ before:getfd(), after:getfd() },
        core.reusing { before:getfd(), one:getfd(), after:getfd() })
    end
  end)

  it("is found though it reuses its address already", function()
    local one = open()
    one:setoption("reuseaddr", true)
    assert_found(one, 1)
  end)

  it("is found where it is the last of all", function()
    local gap, last = open(), core.last_descriptor()
    local one
    repeat one = open() until one:getfd() >= last
    gap:close()
    assert.equal(one:getfd(), core.last_descriptor())
    assert_found(one, 1)
  end)

  it("is found again without looking through all, until 128 others were found", function()
    for i = 1, 128 do assert_found(open(), 1, i) end
    for i = 1, 128 do assert_found(opened[i], 0, i) end
    assert_found(open(), 1)
    for i = 2, 129 do assert_found(opened[i], 0, i) end
    assert_found(opened[1], 1)
    assert_found(opened[2], 1)
  end)

  it("is none where the option comes on none, and others are known as before", function()
    local one, deaf = open(), { setoption = function() return true end }
    assert.is_nil(descriptor.of(deaf))
    assert_found(one, 1)
    assert_found(one, 0)
    assert.is_nil(descriptor.of(deaf))
    assert_found(one, 0)
  end)

  it("is not looked for where nginx sets no options", function()
    assert.is_nil(descriptor.of {})
    assert.is_nil(descriptor.of { setoption = function() end })
    assert.is_nil(descriptor.of { setoption = function() return nil, "closed" end })
    assert.spy(looked_through).was.called(0)
  end)
end)
