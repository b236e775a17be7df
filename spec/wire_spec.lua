-- The server of bad weather is honest: seen by a plain socket, each step does what it says, and
-- what the server says it saw is what was sent.

local socket = require "socket"
local ssl = require "ssl"
local wire = require "spec.support.wire"

local HEAD = "POST /v2/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
local REQUEST = HEAD .. "hello"
local CHUNKED = "POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
  .. "3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n"

local function exists(path)
  local file = io.open(path)
  return file ~= nil and file:close()
end

describe("the wire server", function()
  local station, listener, client

  setup(function()
    station = wire.start()
  end)

  teardown(function()
    station:stop()
  end)

  after_each(function()
    if client then
      client:close()
      client = nil
    end
    if listener then
      listener:close()
      listener = nil
    end
  end)

  local function connect(port)
    local tcp = assert(socket.connect("127.0.0.1", port))
    tcp:settimeout(5)
    tcp:setoption("tcp-nodelay", true)
    return tcp
  end

  local function secure(tcp, ca_file)
    local tls = assert(ssl.wrap(tcp, {
      mode = "client", protocol = "any", verify = "peer", cafile = ca_file,
    }))
    tls:settimeout(5)
    return tls, tls:dohandshake()
  end

  local function open(scripts)
    listener = station:listen(scripts)
    client = connect(listener.port)
    if scripts.tls then
      client = secure(client, station:certificates().ca_file)
    end
    return client
  end

  -- What follows until the end of the stream, and how it ended: nil for a proper end.
  local function rest()
    local bytes, problem, part = client:receive("*a")
    return bytes or part, problem
  end

  -- Reads one reply whose length is declared.
  local function read_reply()
    local status, length = client:receive("*l"), 0
    for line in function() return client:receive("*l") end do
      if line == "" then
        break
      end
      length = tonumber(line:match("^Content%-Length: (%d+)")) or length
    end
    return status, length > 0 and client:receive(length) or ""
  end

  for _, tls in ipairs { false, "good" } do
    describe(tls and "over TLS" or "in the clear", function()
      local function scripted(...)
        return open { { ... }, tls = tls or nil }
      end

      it("counts no whole request before the last byte, and then one", function()
        scripted(wire.request)
        client:send(HEAD .. "hell")
        local seen = listener:wait(function(s)
          return s.connections[1] and s.connections[1].total == #HEAD + 4
        end)
        assert.equal(0, seen.whole)
        client:send("o")
        seen = listener:wait_done("request")
        assert.equal(1, seen.whole)
        assert.equal(REQUEST, seen.connections[1].raw)
      end)

      it("reports a request in its parts", function()
        scripted(wire.request)
        client:send(REQUEST)
        local request = listener:wait_done("request").connections[1].requests[1]
        assert.equal("POST", request.method)
        assert.equal("/v2/messages", request.path)
        assert.equal("HTTP/1.1", request.version)
        assert.equal("x", request.headers.host)
        assert.same({ "Content-Length", "5" }, request.header_list[2])
        assert.equal("hello", request.body)
        assert.is_true(request.whole)
      end)

      it("reads chunked requests and pipelined ones", function()
        scripted(wire.request, wire.request, wire.request)
        client:send(REQUEST .. CHUNKED .. REQUEST)
        local seen = listener:wait(function(s) return s.whole == 3 end)
        assert.equal("abcde", seen.connections[1].requests[2].body)
        assert.equal("/c", seen.connections[1].requests[2].path)
      end)

      it("keeps bytes as they are", function()
        local every = {}
        for byte = 0, 255 do
          every[byte + 1] = string.char(byte)
        end
        local bytes = table.concat(every)
        scripted(wire.bytes(256), wire.send(bytes), wire.fin)
        client:send(bytes)
        assert.equal(bytes, (rest()))
        assert.equal(bytes, listener:seen().connections[1].raw)
      end)

      it("answers each request with an id of its own, on one connection", function()
        listener = nil
        open { wire.SERVICE, tls = tls or nil }
        for i = 1, 3 do
          client:send(REQUEST)
          local status, body = read_reply()
          assert.equal("HTTP/1.1 200 OK", status)
          assert.truthy(body:find(listener:seen().connections[1].accepted[i], 1, true))
        end
        assert.equal(3, listener:seen().whole)
        assert.equal(1, #listener:seen().connections)
      end)

      it("sends a canned reply", function()
        scripted(wire.request, wire.reply(429, "slow", { { "Retry-After", "7" } }), wire.fin)
        client:send(REQUEST)
        assert.equal("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n"
          .. "Content-Length: 4\r\n\r\nslow", (rest()))
      end)

      it("ends a stream politely", function()
        scripted(wire.request, wire.send("HTTP/1."), wire.fin)
        client:send(REQUEST)
        assert.same({ "HTTP/1." }, { rest() })
        assert.equal("script", listener:wait_done("fin").connections[1].ended_by)
      end)

      it("resets a connection", function()
        scripted(wire.request, wire.rst)
        client:send(REQUEST)
        listener:wait_done("rst")
        local bytes, problem = rest()
        assert.equal("", bytes)
        assert.equal("closed", problem)
      end)

      it("resets after some bytes", function()
        scripted(wire.bytes(20), wire.rst)
        client:send(REQUEST)
        local seen = listener:wait_done("rst")
        assert.equal(20, seen.connections[1].total)
        assert.equal(0, seen.whole)
        assert.equal("closed", select(2, rest()))
      end)

      it("waits for the next request before it resets", function()
        scripted(wire.request, wire.accept, wire.head, wire.rst)
        client:send(REQUEST)
        assert.equal("HTTP/1.1 200 OK", (read_reply()))
        assert.is_nil(listener:seen().connections[1].ended)
        client:send(HEAD)
        listener:wait_done("rst")
        assert.equal("closed", select(2, rest()))
      end)

      it("stalls while it reads, and stays deaf while it does not", function()
        scripted(wire.stall)
        client:send(REQUEST)
        listener:wait(function(s) return s.whole == 1 end)
        client:settimeout(0.02)
        assert.equal(tls and "wantread" or "timeout", select(2, rest()))
        client:close()
        listener:close()
        scripted(wire.deaf)
        client:send(REQUEST)
        client:settimeout(0.02)
        assert.equal(tls and "wantread" or "timeout", select(2, rest()))
        assert.equal(0, listener:seen().connections[1].total)
      end)

      it("passes a gate only when it is opened", function()
        scripted(wire.request, wire.gate("go"), wire.send("gone"), wire.fin)
        client:send(REQUEST)
        local seen = listener:wait_done("request")
        assert.same("request", seen.connections[1].did[#seen.connections[1].did])
        listener:open("go")
        assert.equal("gone", (rest()))
      end)

      it("pauses and drips", function()
        local before = socket.gettime()
        scripted(wire.pause(0.05), wire.drip("abc", 0.01), wire.fin)
        assert.equal("abc", (rest()))
        assert.is_true(socket.gettime() - before >= 0.05)
      end)

      it("sends for ever until the peer leaves", function()
        scripted(wire.forever(("x"):rep(1000)))
        assert.equal(100000, #client:receive(100000))
        client:close()
        client = nil
        assert.is_not.equal("script", listener:wait_ended().connections[1].ended_by)
      end)

      it("notices when the peer leaves", function()
        scripted(wire.request)
        client:close()
        client = nil
        local connection = listener:wait_ended().connections[1]
        assert.equal("closed", connection.ended_by)
        assert.same(tls and { "handshake" } or {}, connection.did)
      end)

      it("records when the bytes came", function()
        scripted(wire.request)
        local before = socket.gettime()
        client:send(HEAD)
        listener:wait(function(s) return s.connections[1].total == #HEAD end)
        client:send("hello")
        local chunks = listener:wait_done("request").connections[1].chunks
        assert.equal(#HEAD, chunks[1].bytes)
        assert.equal(5, chunks[2].bytes)
        assert.is_true(before - 0.001 <= chunks[1].at and chunks[1].at <= chunks[2].at)
        assert.is_true(chunks[2].at <= socket.gettime() + 0.001)
      end)
    end)
  end

  it("gives each connection its script, and the last one to all further", function()
    local function says(word)
      return { wire.send(word), wire.fin }
    end
    listener = station:listen { says "one", says "two" }
    local heard = {}
    for i = 1, 4 do
      client = connect(listener.port)
      heard[i] = rest()
      client:close()
    end
    assert.same({ "one", "two", "two", "two" }, heard)
    assert.equal(4, #listener:seen().connections)
  end)

  it("serves many connections at once", function()
    listener = station:listen { wire.SERVICE }
    local clients = {}
    for i = 1, 50 do
      clients[i] = connect(listener.port)
      clients[i]:send(HEAD)
    end
    for i = 50, 1, -1 do
      client = clients[i]
      client:send("hello")
      assert.equal("HTTP/1.1 200 OK", (read_reply()))
      client:close()
    end
    assert.equal(50, listener:seen().whole)
  end)

  it("takes uploads of megabytes, keeping only their beginning", function()
    local size = 4 * 1024 * 1024
    open { { wire.request, wire.reply(200, "ok"), wire.fin } }
    client:send("POST / HTTP/1.1\r\nContent-Length: " .. size .. "\r\n\r\n" .. ("u"):rep(size))
    assert.truthy(rest():find("ok", 1, true))
    local request = listener:seen().connections[1].requests[1]
    assert.equal(size, request.body_bytes)
    assert.is_true(#request.body < size)
  end)

  it("goes on reading after a FIN, so that nothing sent too late is missed", function()
    open { { wire.fin } }
    assert.equal("", (rest()))
    client:send(REQUEST)
    assert.equal(1, listener:wait(function(s) return s.whole == 1 end).whole)
  end)

  it("becomes a reset when it closes on what it did not read", function()
    open { { wire.arrival, wire.close } }
    client:send(REQUEST)
    listener:wait_done("close")
    assert.same({ "", "closed" }, { rest() })
  end)

  it("cuts a TLS stream without a goodbye", function()
    open { { wire.send("part"), wire.cut }, tls = "good" }
    local bytes, problem = rest()
    assert.equal("part", bytes)
    assert.matches("unexpected eof", problem)
  end)

  it("keeps other TLS connections whole while it resets one", function()
    listener = station:listen {
      { wire.request, wire.rst }, { wire.gate("speak"), wire.send("fine"), wire.fin }, tls = "good",
    }
    local ca_file = station:certificates().ca_file
    local doomed = secure(connect(listener.port), ca_file)
    client = secure(connect(listener.port), ca_file)
    doomed:send(REQUEST)
    listener:wait_done("rst")
    listener:open("speak")
    assert.same({ "fine" }, { rest() })
    doomed:close()
  end)

  local CERTIFICATES = {
    { "good", true, "ca_file" },
    { "expired", false, "ca_file" },
    { "untrusted", false, "ca_file" },
    { "untrusted", true, "stranger_ca_file" },
    { "wrong_name", true, "ca_file" }, -- the chain is right; the name is for the client to check
  }

  for _, row in ipairs(CERTIFICATES) do
    local name, trusted, authority = row[1], row[2], row[3]
    it(("shows a certificate that is %s to a client with %s"):format(name, authority), function()
      listener = station:listen { wire.SERVICE, tls = name }
      local tls, shaken = secure(connect(listener.port), station:certificates()[authority])
      client = tls
      assert.equal(trusted, shaken)
      if trusted then
        local extension = tls:getpeercertificate():extensions()["2.5.29.17"]
        assert.same({ name == "wrong_name" and "wrong.example" or "localhost" },
          extension.dNSName)
      end
    end)
  end

  it("refuses connections on a port of its own", function()
    local port = station:refusing_port()
    local tcp, problem = socket.connect("127.0.0.1", port)
    assert.is_nil(tcp)
    assert.equal("connection refused", problem)
  end)

  it("lets connections wait on a full port", function()
    local tcp = socket.tcp()
    tcp:settimeout(0.05)
    local connected, problem = tcp:connect("127.0.0.1", station:full_port())
    assert.is_nil(connected)
    assert.equal("timeout", problem)
    tcp:close()
  end)

  it("ends with its station, and takes its files along", function()
    local other = wire.start()
    local directory = other:certificates().directory
    local port = other:listen({ wire.SERVICE }).port
    assert.is_true(exists(directory .. "/ca.pem"))
    other:stop()
    assert.is_false(exists(directory))
    assert.is_nil((socket.connect("127.0.0.1", port)))
  end)

  it("ends when the process that started it dies", function()
    local marker = os.tmpname()
    local program = 'local w = require "spec.support.wire"; local s = w.start(); '
      .. 'local f = io.open("' .. marker .. '", "w"); f:write(s:certificates().directory); '
      .. 'f:close(); os.execute("kill -9 $PPID")'
    os.execute("lua5.4 -e '" .. program .. "' >/dev/null 2>&1")
    local file = assert(io.open(marker))
    local directory = file:read("*a")
    file:close()
    os.remove(marker)
    local deadline = socket.gettime() + 10
    while exists(directory) and socket.gettime() < deadline do
      socket.sleep(0.01)
    end
    assert.is_false(exists(directory))
  end)
end)
