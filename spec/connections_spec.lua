-- Who gets which connection and when, and what a connection that fails says of the message.

local core = require "telnyx.core"
local process = require "spec.support.process"
local wire = require "spec.support.wire"

local KEY = "KEY0123456789ABCDEF_connections"
local LONG = { timeout = 20, connect_timeout = 20 }
local SHORT = { timeout = 0.3, connect_timeout = 20 }

local request, accept = wire.request, wire.accept

local function message(reference)
  return { from = "+18445550001", to = "+18665550001", text = "ref:" .. tostring(reference) }
end

describe("the connections of a client", function()
  local station, certificates, client
  setup(function()
    station = wire.start()
    certificates = station:certificates()
  end)
  teardown(function() station:stop() end)
  after_each(function()
    if client then client:close() end
    client = nil
  end)

  local function new_client(listener, max_connections)
    client = core.client {
      api_key = KEY, base_url = listener.url, ca_file = certificates.ca_file,
      max_connections = max_connections,
    }
  end

  local function start(n, limits)
    local pendings = {}
    for i = 1, n do pendings[i] = assert(client:start(message(i), limits or LONG)) end
    return pendings
  end

  local function finish()
    repeat until client:step(1) == 0
  end

  local function outcome_of(pending)
    local _, info = pending:result()
    return info.outcome, info
  end

  local function assert_accepted(pendings)
    for _, pending in ipairs(pendings) do
      local outcome, info = outcome_of(pending)
      assert.equal("accepted", outcome, info.cause)
    end
  end

  for _, tls in ipairs { false, "good" } do
    local where = tls and "over TLS" or "in the clear"

    it("are never more than max_connections, and serve all, " .. where, function()
      local listener = station:listen({ wire.SERVICE, tls = tls or nil })
      new_client(listener, 2)
      local pendings = start(30)
      finish()
      assert_accepted(pendings)
      local seen = listener:seen()
      assert.equal(30, seen.whole)
      assert.equal(2, #seen.connections)
    end)

    it("are closed after a fresh send when no more are allowed, " .. where, function()
      local listener = station:listen({ wire.SERVICE, tls = tls or nil })
      new_client(listener, 1)
      assert(client:send(message(1), LONG))
      assert(client:send(message(2), { timeout = 20, connect_timeout = 20, fresh = true }))
      assert.equal(2, #listener:seen().connections)
      listener:wait_ended(1)
    end)
  end

  it("are given out in the order in which they were asked for", function()
    local listener = station:listen({ wire.SERVICE })
    new_client(listener, 1)
    start(5)
    finish()
    local seen = listener:seen()
    for i, sent in ipairs(seen.connections[1].requests) do
      assert.truthy(sent.body:find("ref:" .. i .. '"', 1, true), sent.body)
    end
  end)

  it("are waited for within a send's own deadline", function()
    local listener = station:listen({ { request, wire.stall } })
    new_client(listener, 1)
    local first = client:start(message(1), LONG)
    local second = client:start(message(2), SHORT)
    while not second:done() do client:step(1) end
    local outcome, err = outcome_of(second)
    assert.equal("not_sent", outcome)
    assert.equal("timeout", err.kind)
    assert.truthy(err.cause:find("max_connections", 1, true), err.cause)
    assert.is_false(first:done())
    client:close()
    assert.equal("unknown", (outcome_of(first)))
    assert.equal(1, listener:wait_ended(1).whole)
  end)

  it("leave what waits unsent when the client is closed", function()
    local listener = station:listen({ { request, wire.stall } })
    new_client(listener, 1)
    local pendings = start(3)
    client:step(0)
    listener:wait(function(seen)
      client:step(0)
      return seen.whole == 1
    end)
    client:close()
    assert.equal("unknown", (outcome_of(pendings[1])))
    assert.equal("not_sent", (outcome_of(pendings[2])))
    assert.equal("not_sent", (outcome_of(pendings[3])))
    assert.equal(1, listener:wait_ended(1).whole)
  end)

  it("are not waited for by a send that was cancelled", function()
    local listener = station:listen({ { request, wire.gate "go", accept, request, accept } })
    new_client(listener, 1)
    local first = client:start(message(1), LONG)
    local second = client:start(message(2), LONG)
    local third = client:start(message(3), LONG)
    listener:wait(function(seen)
      client:step(0)
      return seen.whole == 1
    end)
    assert.is_false(second:cancel())
    listener:open("go")
    finish()
    assert_accepted { first, third }
    local bodies = {}
    for i, sent in ipairs(listener:seen().connections[1].requests) do bodies[i] = sent.body end
    assert.equal(2, #bodies)
    assert.truthy(bodies[2]:find("ref:3", 1, true))
  end)

  it("are closed when their send is cancelled half-way, and it says so", function()
    local listener = station:listen({ { request, wire.stall }, wire.SERVICE })
    new_client(listener)
    local pending = client:start(message(1), LONG)
    listener:wait(function(seen)
      client:step(0)
      return seen.whole == 1
    end)
    assert.is_true(pending:cancel())
    listener:wait_ended(1)
    assert.has_error(function() pending:result() end, "the result was taken already")
    assert(client:send(message(2), LONG))
    assert.equal(2, listener:seen().whole)
  end)

  it("hand out what others began, and never what a send waits for", function()
    local slow = { request, wire.gate "slow", accept }
    local listener = station:listen({ { request, wire.gate "quick", accept }, slow, wire.SERVICE })
    new_client(listener)
    local handed_out, inner, third = {}, nil, nil
    local function take()
      local one = client:finished()
      while one do
        handed_out[#handed_out + 1] = one
        one = client:finished()
      end
      return 0.01
    end
    local function during_inner()
      listener:wait(function(seen)
        if seen.whole < 2 then client:step(0) end
        return seen.whole >= 2
      end)
      listener:open("quick")
      if #listener:seen().connections[1].accepted == 0 then return 0.01 end
      third = third or client:start(message(3), LONG, "third")
      listener:open("slow")
      return take()
    end
    local outer = assert(client:send(message(1), LONG, function()
      inner = inner or assert(client:send(message(2), LONG, during_inner))
      return take()
    end))
    finish()
    take()
    assert.same({ "third" }, handed_out)
    local seen = listener:seen()
    assert.equal(3, seen.whole)
    assert.equal(outer.id, seen.connections[1].accepted[1])
    assert.equal(inner.id, seen.connections[2].accepted[1])
  end)

  -- Starts n sends that end in another order than they began, and says when each is due: between
  -- these two moments, whatever the machine does meanwhile.
  local function start_apart(n, factor, gap_s)
    local due, pendings = {}, {}
    for i = 1, n do
      local timeout = 0.3 + i * factor % n * gap_s
      local before = core.monotonic()
      pendings[i] = client:start(message(i), { timeout = timeout, connect_timeout = 20 }, i)
      due[i] = { first = before + timeout, last = core.monotonic() + timeout }
    end
    return due, pendings
  end

  local function take_finished(order)
    local i = client:finished()
    while i do
      order[#order + 1] = i
      i = client:finished()
    end
  end

  local function assert_soonest_first(order, due)
    local n_sure = 0
    for at, i in ipairs(order) do
      for before = 1, at - 1 do
        local earlier = due[order[before]]
        assert.is_true(earlier.first < due[i].last, "before one that was due sooner")
        if earlier.last < due[i].first then n_sure = n_sure + 1 end
      end
    end
    assert.is_true(n_sure > #order, "nothing is sure of this order")
  end

  it("end each send by its own time, the soonest first", function()
    local listener = station:listen({ { request, wire.stall } })
    new_client(listener)
    local order, n = {}, 40
    local due = start_apart(n, 17, 0.02)
    while #order < n do
      client:step(1)
      take_finished(order)
    end
    assert_soonest_first(order, due)
  end)

  it("end each send by its own time, whichever others were cancelled", function()
    local listener = station:listen({ { request, wire.stall } })
    new_client(listener)
    local order, n = {}, 80
    local due, pendings = start_apart(n, 11, 0.01)
    for i = 4, n, 5 do pendings[i]:cancel() end
    while client:step(1) > 0 do end -- luacheck: ignore 542
    take_finished(order)
    assert.equal(n - n / 5, #order)
    assert_soonest_first(order, due)
  end)
end)

-- A connection that was just made is listened to first, and whoever steps it may come late.
describe("a request whose time is over before it could be begun", function()
  local station, certificates
  setup(function()
    station = wire.start()
    certificates = station:certificates()
  end)
  teardown(function() station:stop() end)

  for _, tls in ipairs { false, "good" } do
    it("is not written any more " .. (tls and "over TLS" or "in the clear"), function()
      local listener = station:listen { tls = tls or nil, wire.SERVICE }
      local client = core.client {
        api_key = KEY, base_url = listener.url, ca_file = certificates.ca_file,
      }
      local n_unsent = 0
      for i = 1, 5 do
        local limits = { timeout = 0.2, deadline = 0.2, connect_timeout = 20, fresh = true }
        local pending = assert(client:start(message(i), limits))
        repeat client:step(0.0005) until pending:done() or #listener:seen().connections >= i
        for _ = 1, 2 * i do client:step(0) end
        core.sleep(0.3)
        repeat client:step(0.01) until pending:done()
        local sent, err = pending:result()
        -- A slow machine may have let it begin in time.
        if not sent and err.outcome == "not_sent" then n_unsent = n_unsent + 1 end
      end
      assert.equal(5 - n_unsent, listener:seen().whole)
      assert.is_true(n_unsent >= 3, n_unsent)
      client:close()
    end)
  end
end)

-- A host with TLS of its own would take them for those of its connections. Only LuaJIT can look.
local has_ffi, ffi = pcall(require, "ffi")
if has_ffi then
  describe("OpenSSL's list of errors", function()
    local station
    setup(function() station = wire.start() end)
    teardown(function() station:stop() end)

    it("is empty when a connection that was not trusted is closed", function()
      ffi.cdef("unsigned long ERR_peek_error(void);")
      local crypto = ffi.load("libcrypto.so.3")
      local listener = station:listen { tls = "untrusted", wire.SERVICE }
      local client = core.client {
        api_key = KEY, base_url = listener.url, ca_file = station:certificates().ca_file,
      }
      local _, err = client:send(message(1), LONG)
      client:close()
      assert.matches("certificate", err.cause)
      assert.equal(0, tonumber(crypto.ERR_peek_error()))
    end)
  end)
end

-- A host may have loaded another OpenSSL than libcurl's, which knows nothing of libcurl's sessions.
describe("an idle connection of TLS", function()
  local station, shim
  setup(function()
    station, shim = wire.start(), os.tmpname()
    assert.equal("", process.run("cc -shared -fPIC -o " .. shim .. " spec/c/odd_openssl.c"))
  end)
  teardown(function()
    station:stop()
    os.remove(shim)
  end)

  local major, minor, patch = process.run("openssl version"):match("(%d+)%.(%d+)%.(%d+)")

  for title, row in pairs {
    ["is looked at by libcurl's own OpenSSL"] = { 0, 0, 0, "asked\n" },
    ["is not looked at by one of another major version"] = { 1, 0, 0, "sent\nsent\n" },
    ["is not looked at by one of another minor version"] = { 0, 1, 0, "sent\nsent\n" },
    ["is not looked at by one of another patch"] = { 0, 0, 1, "sent\nsent\n" },
  } do
    it(title, function()
      local listener = station:listen { tls = "good", wire.SERVICE }
      local layout = tonumber(major) >= 3 and "0x%x%02x00%02x0" or "0x%x%02x%02x00f"
      local version = layout:format(major + row[1], minor + row[2], patch + row[3])
      local output = process.run_lua(([[
        local client = require('telnyx.core').client({
          api_key = 'KEY_TEST', base_url = '%s', ca_file = '%s',
        })
        for _ = 1, 2 do
          assert(client:send({ from = '12345', to = '+18665550001', text = 'x' }))
          print('sent')
        end
      ]]):format(listener.url, station:certificates().ca_file),
        ("ODD_OPENSSL=%s LD_PRELOAD=%s"):format(version, shim))
      assert.equal(row[4], output)
    end)
  end
end)

-- What TLS of a proxy has taken of a request in the clear, it may hand on record by record although
-- the whole was not taken.
describe("a large request in the clear through a proxy with TLS", function()
  local station, certificates
  setup(function()
    station = wire.start()
    certificates = station:certificates()
  end)
  teardown(function() station:stop() end)

  local made = wire.send("HTTP/1.1 200 Connection established\r\n\r\n")

  for title, ending in pairs { ["is answered early"] = { wire.reply(429, "{}"), wire.deaf },
    ["is reset"] = { wire.rst }, ["is not read on"] = { wire.deaf } } do
    it("may have been read when it " .. title, function()
      local listener = station:listen({
        tls = "good", { request, made, wire.bytes(40000), ending[1], ending[2] },
      })
      local client = core.client {
        api_key = KEY, base_url = "http://127.0.0.1:9/v2", ca_file = certificates.ca_file,
        proxy = "https://127.0.0.1:" .. listener.port,
      }
      local sent, err = client:send({
        from = "12345", to = "+18665550001", text = "x", extra = { ballast = ("b"):rep(2 ^ 24) },
      }, { timeout = 2, connect_timeout = 20 })
      client:close()
      assert.is_nil(sent)
      assert.is_true(err.outcome == "unknown" or err.status == 429, err.outcome)
    end)
  end
end)

describe("a request that the system does not take", function()
  local station, certificates, shim
  setup(function()
    station = wire.start()
    certificates = station:certificates()
    shim = os.tmpname()
    assert.equal("", process.run("cc -shared -fPIC -o " .. shim .. " spec/c/odd_calls.c -ldl"))
  end)
  teardown(function()
    station:stop()
    os.remove(shim)
  end)

  local SCRIPT = [[
    local client = require('telnyx').new({
      api_key = 'KEY_TEST', base_url = '%s', ca_file = '%s', timeout = %s, retry = %s,
    })
    for i = 1, %d do
      local message, result = client:send({ from = '12345', to = '+18665550001', text = 'x' .. i })
      print(result.outcome, message and 'message' or result.kind, #result.attempts, result.cause)
    end
  ]]

  local function run(listener, setup_words, n, timeout, retry)
    local script = SCRIPT:format(listener.url, certificates.ca_file, timeout, retry, n)
    return process.run_lua(script, setup_words .. " LD_PRELOAD=" .. shim)
  end

  for _, tls in ipairs { false, "good" } do
    local where = tls and "over TLS" or "in the clear"

    it("is not sent, " .. where, function()
      local listener = station:listen({ wire.SERVICE, tls = tls or nil })
      local output = run(listener, "ODD_SEND=broken", 1, 20, "false")
      assert.matches("^not_sent\tconnection\t1\tthe other side closed the connection ", output)
      assert.equal(0, listener:seen().whole)
    end)

    it("is sent on the next connection, once, " .. where, function()
      local listener = station:listen({ wire.SERVICE, tls = tls or nil })
      local output = run(listener, "ODD_SEND=broken", 2, 20, "{ base = 0.01 }")
      assert.equal("accepted\tmessage\t2\tnil\naccepted\tmessage\t1\tnil\n", output)
      assert.equal(2, listener:seen().whole)
    end)

    it("is not sent when its time is up, " .. where, function()
      local listener = station:listen({ wire.SERVICE, tls = tls or nil })
      local output = run(listener, "ODD_SEND=full", 1, 0.3, "false")
      assert.equal("not_sent\ttimeout\t1\tnobody took the request in time\n", output)
      assert.equal(0, listener:seen().whole)
    end)
  end

  it("is over in time although the answer goes on for ever", function()
    local head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
    local listener = station:listen({ { wire.request, wire.send(head), wire.stall } })
    local script = ([[
      local core = require('telnyx.core')
      local client = core.client({
        api_key = 'KEY_TEST', base_url = '%s', max_response_bytes = 2^30,
      })
      local pending = client:start({ from = '12345', to = '+18665550001', text = 'x' },
        { timeout = 0.1, connect_timeout = 20 })
      local started, longest = core.monotonic(), 0
      while not pending:done() do
        local before = core.monotonic()
        client:step(0.01)
        longest = math.max(longest, core.monotonic() - before)
      end
      local _, err = pending:result()
      print(err.outcome, err.kind, core.monotonic() - started < 5, longest < 2)
    ]]):format(listener.url)
    local output = process.run_lua(script, "ODD_RECEIVE=flood LD_PRELOAD=" .. shim)
    assert.equal("accepted\ttimeout\ttrue\ttrue\n", output)
  end)

  it("goes on a connection that has not been idle for long", function()
    local listener, clock = station:listen({ wire.SERVICE }), os.tmpname()
    local script = ([[
      local client = require('telnyx').new({ api_key = 'KEY_TEST', base_url = '%s' })
      for _, ahead in ipairs { 0, 9, 20 } do
        local file = assert(io.open('%s', 'w'))
        file:write(ahead)
        file:close()
        assert(client:send({ from = '12345', to = '+18665550001', text = 'x' }))
      end
    ]]):format(listener.url, clock)
    assert.equal("", process.run_lua(script, "ODD_CLOCK=" .. clock .. " LD_PRELOAD=" .. shim))
    os.remove(clock)
    local seen = listener:seen()
    assert.equal(2, seen.connections[1].whole)
    assert.equal(1, seen.connections[2].whole)
  end)
end)
