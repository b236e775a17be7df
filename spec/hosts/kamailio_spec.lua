-- The example for Kamailio, as it stands, but for its port: a SIP MESSAGE becomes a text; while
-- that takes its second, the server answers OPTIONS.

local host = require "spec.support.host"
local sandbox = require "spec.support.sandbox"
local socket = require "socket"

local EXAMPLE = "examples/hosts/kamailio/"
local SLOW = "+15550070001" -- accepted after a second

local REQUEST = "%s sip:%s@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bK%d\r\n"
  .. "From: <sip:romeo@127.0.0.1>;tag=%d\r\nTo: <sip:%s@127.0.0.1>\r\nCall-ID: %d@127.0.0.1\r\n"
  .. "CSeq: 1 %s\r\nMax-Forwards: 10\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s"

local is_here = host.has("kamailio")
  and #sandbox.capture("find /usr/lib -name app_lua.so -path '*kamailio*' 2>/dev/null") > 0
local about = host.can_run(is_here) and describe or pending

about("Kamailio", function()
  local service, program, phone, port

  -- The status of the answer; nil when none comes in time.
  local number = 0
  local function ask(method, user, body, patience)
    number = number + 1
    local _, own_port = phone:getsockname()
    phone:send(REQUEST:format(method, user, own_port, number, number, user, number, method,
      #body, body))
    phone:settimeout(patience)
    local answer = phone:receive()
    return answer and tonumber(answer:match("^SIP/2%.0 (%d+)"))
  end

  setup(function()
    service = sandbox.start()
    local folder = host.folder()
    port = host.free_port()
    host.write(folder .. "/kamailio.cfg", host.edited(EXAMPLE .. "kamailio.cfg", {
      { "listen=udp:127.0.0.1:5060", ("listen=udp:127.0.0.1:%d"):format(port) },
      { '"sms.lua"', ('"%s/%ssms.lua"'):format(host.checkout(), EXAMPLE) },
    }))
    program = host.start(folder, host.environment("5.1", service.url)
      .. (" kamailio -DD -E -m 32 -M 4 -Y %s -w %s -P %s/kamailio.pid -f %s/kamailio.cfg"):format(
        folder, folder, folder, folder))
    phone = assert(socket.udp4())
    assert(phone:setsockname("127.0.0.1", 0))
    assert(phone:setpeername("127.0.0.1", port))
    program:wait(function() return ask("OPTIONS", "ping", "", 0.1) == 200 end, "Kamailio")
  end)

  teardown(function()
    if program then program:stop() end
    service:stop()
  end)

  it("speaks SIP while a text takes a second", function()
    local started, others, worst = socket.gettime(), 0, 0
    assert.equal(202, ask("MESSAGE", SLOW, "Hello, World!", 5))
    repeat
      local asked = socket.gettime()
      assert.equal(200, ask("OPTIONS", "ping", "", 5))
      others, worst = others + 1, math.max(worst, socket.gettime() - asked)
    until program:output():find("texted") or socket.gettime() - started > 15
    local wall = socket.gettime() - started
    assert.matches("texted %+15550070001: %x+%-", program:output())
    assert.equal(1, service:ledger().accepted)
    assert.is_true(wall >= 1, "took " .. wall)
    assert.is_true(others >= 10, "answered only " .. others)
    host.say("Kamailio: %d OPTIONS answered during a send of 1 s, slowest %.1f ms",
      others, worst * 1000)
  end)

  it("sends one after the other what comes at once", function()
    for i = 1, 5 do
      assert.equal(202, ask("MESSAGE", "+18665550001", "text " .. i, 5))
    end
    sandbox.wait(function() return service:ledger().accepted == 6 end, "five texts")
    assert.equal(6, service:ledger().posts)
  end)
end)
