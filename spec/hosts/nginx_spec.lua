-- The example for nginx, as it stands, but for its port and whom it asks and trusts.

local cjson = require "cjson"
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

  -- The sandbox's own pages; LuaSocket alone speaks no TLS.
  local function page(path, more)
    return sandbox.capture(("curl -s --cacert %s %s/sandbox/%s %s"):format(service.ca_file,
      service.origin, path, more or ""))
  end

  local function post(path, value, more)
    return cjson.decode(page(path, ("%s -d '%s'"):format(more or "", cjson.encode(value))))
  end

  setup(function()
    service = sandbox.start { tls = true }
    server = nginx.start_file(CONF, {
      { "listen 127.0.0.1:8080", "listen 127.0.0.1:$port" },
      { "defaults = ", ("ca_file = %q, defaults = "):format(service.ca_file) },
      { 'os.getenv("WEBHOOK_URL")', '"http://127.0.0.1:$port/sms"' },
    }, ("TELNYX_API_KEY=KEY_SPEC FROM=+18445550001 TELNYX_BASE_URL=https://localhost:%d/v2"
      .. " TELNYX_PUBLIC_KEY=%s"):format(service.port,
      cjson.decode(page("public_key")).public_key))
    post("options", { t_sent = 0.1, t_finalized = 0.2,
      profile_webhook_url = server.url .. "/sms" }, "-X PATCH")
  end)

  teardown(function()
    if server then server:stop() end
    service:stop()
  end)

  local function accepted() return tonumber(page("ledger"):match('"accepted":(%d+)')) end

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

  local function log_says(text)
    sandbox.wait(function() return server:log():find(text, 1, true) end, text)
  end

  it("is told what becomes of a message, and what is written back", function()
    server:ask("/text?to=%2B18665550003&key=order-1", "Hello, World!")
    log_says("order-1 is delivered")
    local person = { from = "+18665550003", to = "+18445550001", text = "Thanks" }
    post("reply", person)
    log_says("somebody writes: Thanks")
    person.text = "STOP"
    post("reply", person)
    log_says("somebody writes: STOP")
    local before = accepted()
    assert.matches("has sent STOP", server:begin("/text?to=%2B18665550003", "Again", 422)())
    assert.equal(before, accepted())
  end)
end)
