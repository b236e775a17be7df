-- The example for HAProxy, as it stands, but for its port.

local host = require "spec.support.host"
local http = require "socket.http"
local sandbox = require "spec.support.sandbox"
local socket = require "socket"

local CFG = "examples/hosts/haproxy/haproxy.cfg"
local SLOW = "%2B15550070001" -- accepted after a second

local is_here = host.has("haproxy") and sandbox.read_file("build/5.3/telnyx/core.so")
local about = host.can_run(is_here) and describe or pending

about("HAProxy", function()
  local service

  setup(function()
    service = sandbox.start()
  end)

  teardown(function()
    service:stop()
  end)

  -- `extra` goes into the section "global".
  local function start(extra)
    local folder, port = host.folder(), host.free_port()
    host.write(folder .. "/haproxy.cfg", host.edited(CFG, {
      { "bind 127.0.0.1:8080", ("bind 127.0.0.1:%d"):format(port) },
      { "  lua-load sms.lua", ("  %s\n  lua-load %s/examples/hosts/haproxy/sms.lua"):format(
        extra, host.checkout()) },
    }))
    local program = host.start(folder, host.environment("5.3", service.url)
      .. (" haproxy -db -f %s/haproxy.cfg"):format(folder))
    local url = ("http://127.0.0.1:%d/welcome"):format(port)
    program:wait(function() return http.request(url) == "welcome\n" end, "HAProxy")
    return program, port
  end

  -- Posts without waiting; the function that it returns waits.
  local function begin(port, to, text)
    local connection = assert(socket.connect("127.0.0.1", port))
    connection:settimeout(20)
    connection:send(("POST /text?to=%s HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s"):format(
      to, #text, text))
    return function()
      local answer = assert(connection:receive("*a"))
      connection:close()
      return tonumber(answer:match("^HTTP/1%.%d (%d+)")), answer:match("\r\n\r\n(.*)$")
    end
  end

  local function get(port, path)
    local connection = assert(socket.connect("127.0.0.1", port))
    connection:settimeout(20)
    connection:send("GET " .. path .. " HTTP/1.0\r\n\r\n")
    local answer = assert(connection:receive("*a"))
    connection:close()
    return answer:match("\r\n\r\n(.*)$")
  end

  -- What others get while `n` slow texts are under way, which all succeed.
  local function serve_meanwhile(port, n)
    local before, started = service:ledger().accepted, socket.gettime()
    local answers, others, worst = {}, 0, 0
    for i = 1, n do answers[i] = begin(port, SLOW, "text " .. i) end
    repeat
      local asked = socket.gettime()
      assert.equal("welcome\n", get(port, "/welcome"))
      others, worst = others + 1, math.max(worst, socket.gettime() - asked)
    until socket.gettime() - started > 0.8
    for i = 1, n do
      local status, id = answers[i]()
      assert.equal(200, status, id)
      assert.matches("^%x+%-%x+%-", id)
    end
    local wall = socket.gettime() - started
    assert.equal(before + n, service:ledger().accepted)
    assert.is_true(others >= 10, "answered only " .. others)
    host.say("HAProxy: %d sends of 1 s in %.2f s; %d other answers meanwhile, slowest %.1f ms",
      n, wall, others, worst * 1000)
    return wall
  end

  it("answers others while slow texts are under way", function()
    local program, port = start("nbthread 1")
    finally(function() program:stop() end)
    local wall = serve_meanwhile(port, 20)
    assert.is_true(wall >= 1 and wall < 10, "took " .. wall)
  end)

  it("does so with several threads", function()
    local program, port = start("nbthread 2")
    finally(function() program:stop() end)
    serve_meanwhile(port, 20)
  end)

  it("says what is wrong with a text", function()
    local program, port = start("nbthread 1")
    finally(function() program:stop() end)
    local status, text = begin(port, "nobody", "Hello")()
    assert.equal(422, status)
    assert.matches("not sent", text)
  end)

  -- HAProxy interrupts long-running Lua wherever it is, which may be inside the client.
  it("bears interruptions", function()
    local program, port = start("nbthread 1\n  tune.lua.forced-yield 50")
    finally(function() program:stop() end)
    serve_meanwhile(port, 5)
  end)
end)
