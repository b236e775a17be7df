-- The example for Kamailio, as it stands, but for its port: a SIP MESSAGE becomes a text; while
-- that takes its second, the server answers OPTIONS.

local host = require "spec.support.host"
local sandbox = require "spec.support.sandbox"
local sip = require "spec.support.sip"
local socket = require "socket"

local EXAMPLE = "examples/hosts/kamailio/"
local SLOW = "+15550070001" -- accepted after a second

local is_here = host.has("kamailio")
  and #sandbox.capture("find /usr/lib -name app_lua.so -path '*kamailio*' 2>/dev/null") > 0

describe("the telephone of the specs", function()
  local server, phone

  local function answer(status, call, turn)
    local _, from, port = server:receivefrom()
    server:sendto(("SIP/2.0 %d Whatever\r\nCall-ID: %d@127.0.0.1\r\nCSeq: %s\r\n"
      .. "Content-Length: 0\r\n\r\n"):format(status, call, turn), from, port)
  end

  setup(function()
    server = assert(socket.udp4())
    assert(server:setsockname("127.0.0.1", 0))
    local _, port = server:getsockname()
    phone = sip.phone(port)
  end)

  teardown(function()
    phone:close()
    server:close()
  end)

  it("takes no answer to another request for that to its own", function()
    assert.is_nil(phone:ask("OPTIONS", "ping", "", 0))
    answer(200, 1, "1 OPTIONS")
    assert.is_nil(phone:ask("OPTIONS", "ping", "", 0))
    answer(404, 3, "3 MESSAGE")
    assert.is_nil(phone:ask("OPTIONS", "ping", "", 0))
    answer(500, 4, "4 OPTIONS")
    assert.equal(500, phone:ask("OPTIONS", "ping", "", 5))
  end)
end)

local about = host.can_run(is_here) and describe or pending

about("Kamailio", function()
  local service, program, phone, port

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
    phone = sip.phone(port)
    program:wait(function() return phone:ask("OPTIONS", "ping", "", 0.1) == 200 end, "Kamailio")
  end)

  teardown(function()
    if phone then phone:close() end
    if program then program:stop() end
    service:stop()
  end)

  it("speaks SIP while a text takes a second", function()
    local started, others, worst = socket.gettime(), 0, 0
    assert.equal(202, phone:ask("MESSAGE", SLOW, "Hello, World!", 5))
    repeat
      local asked = socket.gettime()
      assert.equal(200, phone:ask("OPTIONS", "ping", "", 5))
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
      assert.equal(202, phone:ask("MESSAGE", "+18665550001", "text " .. i, 5))
    end
    sandbox.wait(function() return service:ledger().accepted == 6 end, "five texts")
    assert.equal(6, service:ledger().posts)
  end)
end)
