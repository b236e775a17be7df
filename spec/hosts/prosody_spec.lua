-- The example for Prosody: Romeo writes to Juliet, who is not there and gets a text; while that
-- takes its second, the server answers Romeo's pings.

local host = require "spec.support.host"
local mime = require "mime"
local sandbox = require "spec.support.sandbox"
local socket = require "socket"

local EXAMPLE = "examples/hosts/prosody/"

local about = host.can_run(host.has("prosody")) and describe or pending

-- What a machine's own configuration says besides the example.
local SURROUNDINGS = [[
run_as_root = true
daemonize = false
pidfile = "$folder/prosody.pid"
data_path = "$folder/data"
log = { info = "*console" }
interfaces = { "127.0.0.1" }
local_interfaces = { "127.0.0.1" }
c2s_ports = { $port }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
modules_disabled = { "s2s" }
]]

local STREAM = "<?xml version='1.0'?><stream:stream to='example.org' version='1.0'"
  .. " xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

-- A client, as far as this spec needs one.
local Romeo = {}
Romeo.__index = Romeo

function Romeo:say(text, expected)
  assert(self.connection:send(text))
  local heard, give_up = "", socket.gettime() + 10
  while not heard:find(expected) do
    local whole, err, part = self.connection:receive(4096)
    heard = heard .. (whole or part)
    assert(whole or err == "timeout", err)
    assert(socket.gettime() < give_up, "waited for " .. expected .. ", heard " .. heard)
  end
  return heard
end

local function sign_in(port)
  local self = setmetatable({ connection = assert(socket.connect("127.0.0.1", port)) }, Romeo)
  self.connection:settimeout(0.001)
  self.connection:setoption("tcp-nodelay", true)
  self:say(STREAM, "</stream:features>")
  self:say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>"
    .. mime.b64("\0romeo\0secret") .. "</auth>", "<success")
  self:say(STREAM, "</stream:features>")
  self:say("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "<jid>")
  return self
end

function Romeo:ping(id)
  local iq = "<iq type='get' to='example.org' id='%s'><ping xmlns='urn:xmpp:ping'/></iq>"
  self:say(iq:format(id), "id='" .. id .. "'")
end

function Romeo:write(text)
  self:say(("<message type='chat' to='juliet@example.org'><body>%s</body></message>"
    .. "<iq type='get' to='example.org' id='written'><ping xmlns='urn:xmpp:ping'/></iq>"):format(
    text), "id='written'")
end

about("Prosody", function()
  local service, program, romeo

  local function account(folder, name)
    host.write(("%s/data/example%%2eorg/accounts/%s.dat"):format(folder, name),
      'return { ["password"] = "secret" };\n')
  end

  setup(function()
    service = sandbox.start()
    local folder, port = host.folder(), host.free_port()
    assert(os.execute(("mkdir -p '%s/data/example%%2eorg/accounts' %s/modules"):format(
      folder, folder)))
    account(folder, "romeo")
    account(folder, "juliet")
    host.write(folder .. "/modules/mod_sms.lua", sandbox.read_file(EXAMPLE .. "mod_sms.lua"))
    local surroundings = SURROUNDINGS:gsub("%$(%l+)", { folder = folder, port = port })
    host.write(folder .. "/prosody.cfg.lua", surroundings .. host.edited(
      EXAMPLE .. "prosody.cfg.lua", {
        { "/usr/local/lib/prosody/modules", folder .. "/modules" },
        { "+18665550001", "+15550070001" }, -- accepted after a second
      }))
    program = host.start(folder, host.environment("5.4", service.url)
      .. (" prosody -F --config %s/prosody.cfg.lua"):format(folder))
    program:wait(function() return socket.connect("127.0.0.1", port) end, "Prosody")
    romeo = sign_in(port)
  end)

  teardown(function()
    if program then program:stop() end
    service:stop()
  end)

  it("answers pings while a text takes a second", function()
    local started, pings, worst = socket.gettime(), 0, 0
    romeo:write("O, speak again")
    repeat
      local asked = socket.gettime()
      pings = pings + 1
      romeo:ping("p" .. pings)
      worst = math.max(worst, socket.gettime() - asked)
    until program:output():find("texted") or socket.gettime() - started > 15
    local wall = socket.gettime() - started
    assert.matches("texted %+15550070001: %x+%-", program:output())
    assert.equal(1, service:ledger().accepted)
    assert.is_true(wall >= 1, "took " .. wall)
    assert.is_true(pings >= 10, "answered only " .. pings)
    host.say("Prosody: %d pings answered during a send of 1 s, slowest %.1f ms",
      pings, worst * 1000)
  end)
end)
