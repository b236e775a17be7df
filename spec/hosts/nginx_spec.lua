-- The example for nginx, as it stands, but for its port and whom it asks and trusts.

local host = require "spec.support.host"
local nginx = require "spec.support.nginx"
local sandbox = require "spec.support.sandbox"
local socket = require "socket"

local CONF = "examples/hosts/nginx/nginx.conf"
local SLOW = "%2B15550070001" -- accepted after a second

local is_here = host.has("nginx")
  and sandbox.read_file("/usr/lib/nginx/modules/ngx_http_lua_module.so")
local about = host.can_run(is_here) and describe or pending

about("nginx", function()
  local service, server

  setup(function()
    service = sandbox.start { tls = true }
    server = nginx.start_file(CONF, {
      { "listen 127.0.0.1:8080", "listen 127.0.0.1:$port" },
      { "defaults = ", ("ca_file = %q, defaults = "):format(service.ca_file) },
    }, ("TELNYX_API_KEY=KEY_SPEC FROM=+18445550001 TELNYX_BASE_URL=https://localhost:%d/v2")
      :format(service.port))
  end)

  teardown(function()
    if server then server:stop() end
    service:stop()
  end)

  -- The sandbox's own pages; LuaSocket alone speaks no TLS.
  local function accepted()
    local ledger = sandbox.capture(("curl -s --cacert %s %s/sandbox/ledger"):format(
      service.ca_file, service.origin))
    return tonumber(ledger:match('"accepted":(%d+)'))
  end

  it("sends, and says the message's id", function()
    local id = server:ask("/text?to=%2B18665550001", "Hello, World!")
    assert.matches("^%x+%-%x+%-%x+%-%x+%-%x+\n$", id)
  end)

  it("says what is wrong with a message", function()
    local answer = server:begin("/text?to=nobody", "Hello", 422)()
    assert.matches("not sent", answer)
  end)

  it("answers others while a slow message is under way", function()
    local before, started = accepted(), socket.gettime()
    local answer = server:begin("/text?to=" .. SLOW, "slowly")
    local others, worst = 0, 0
    repeat
      local asked = socket.gettime()
      assert.equal("welcome\n", server:ask("/login?to=nobody"))
      worst = math.max(worst, socket.gettime() - asked)
      others = others + 1
    until socket.gettime() - started > 0.8
    assert.matches("^%x+%-", answer())
    assert.is_true(socket.gettime() - started >= 1)
    assert.equal(before + 1, accepted())
    assert.is_true(others >= 10)
    host.say("nginx: %d other answers during a send of 1 s, slowest %.1f ms", others, worst * 1000)
  end)

  it("sends through a timer from the log phase", function()
    local before = accepted()
    assert.equal("welcome\n", server:ask("/login?to=%2B18665550001"))
    sandbox.wait(function() return accepted() == before + 1 end, "the text of the log phase")
  end)
end)
