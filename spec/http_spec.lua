-- One send in every kind of weather, over real sockets: the verdict is compared with what the
-- server saw. Each row names the weather, the outcome and how many whole requests it received.

local cjson = require "cjson"
local core = require "telnyx.core"
local lfs = require "lfs"
local process = require "spec.support.process"
local socket = require "socket"
local verdict = require "spec.support.verdict"
local wire = require "spec.support.wire"

local KEY = verdict.KEY
local MESSAGE = { from = "+18445550001", to = "+18665550001", text = "Hello, World!" }

-- Short where running out of time is the subject; else long enough for a busy machine. Under a tool
-- that slows everything down, WIRE_PACE=10 makes the short limits ten times longer.
local PACE = tonumber(os.getenv("WIRE_PACE") or 1)
local SHORT = { timeout = 0.3 * PACE, connect_timeout = 20 }
local SHORT_CONNECT = { timeout = 20, connect_timeout = 0.3 * PACE }
local LONG = { timeout = 20, connect_timeout = 20 }
-- How long a send with a short limit may really take on a busy machine.
local BOUND = 5 * PACE

local request, accept, head, arrival = wire.request, wire.accept, wire.head, wire.arrival
local fin, cut, rst, close = wire.fin, wire.cut, wire.rst, wire.close
local stall, deaf, bytes, send, forever = wire.stall, wire.deaf, wire.bytes, wire.send, wire.forever

local SCHEMES = { "http", "https" }
local HTML = "<html><head><title>502 Bad Gateway</title></head></html>"
local ENVELOPE = '{"errors":[{"code":"10011","title":"Too many requests"}]}'
local DATA = '{"data":{"id":"40385f64-5717-4562-b3fc-2c963f66afa6","parts":1}}'
local OK_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
local CHUNKED_HEAD = OK_HEAD .. "Transfer-Encoding: chunked\r\n\r\n"

local function lengthy(length)
  return OK_HEAD .. "Content-Length: " .. length .. "\r\n\r\n"
end

-- A message of megabytes, so that the upload meets the weather half-way.
local function large_message()
  return {
    from = MESSAGE.from, to = MESSAGE.to, text = MESSAGE.text,
    extra = { ballast = ("b"):rep(8 * 1024 * 1024) },
  }
end

local function copy(...)
  local all = {}
  for _, list in ipairs { ... } do
    for _, each in ipairs(list) do
      all[#all + 1] = each
    end
  end
  return all
end

local function descriptors()
  local count = 0
  for _ in lfs.dir("/proc/self/fd") do
    count = count + 1
  end
  return count
end

local function resident_kilobytes()
  local file = assert(io.open("/proc/self/status"))
  local size = file:read("*a"):match("VmRSS:%s*(%d+)")
  file:close()
  return tonumber(size)
end

-- Once the client is closed, every connection ends: then nothing can arrive any more.
local function all_ended(seen)
  for _, connection in ipairs(seen.connections) do
    if not connection.ended then
      return false
    end
  end
  return true
end

-- What happens while a request is under way, on a fresh connection and on a reused one.
local UNDER_WAY = {
  { "reset as the request arrives", { arrival, rst }, outcome = "unknown", whole = 0 },
  { "closed as the request arrives", { arrival, close }, outcome = "unknown", whole = 0 },
  { "reset after 20 bytes", { bytes(20), rst }, outcome = "unknown", whole = 0 },
  { "reset after the headers", { head, rst }, outcome = "unknown" },
  { "reset after the request", { request, rst }, outcome = "unknown" },
  { "closed after the request", { request, fin }, outcome = "unknown" },
  { "cut after the request", { request, cut }, outcome = "unknown" },
  { "read, never answered", { request, stall }, SHORT, outcome = "unknown", kind = "timeout" },
  { "never read", { deaf }, SHORT, outcome = "unknown", kind = "timeout", whole = 0 },

  { "status line truncated, closed", { request, send "HTTP/1.1 2", fin }, outcome = "unknown" },
  { "status line truncated, reset", { request, send "HTTP/1.1 2", rst }, outcome = "unknown" },
  { "status line truncated, stalled", { request, send "HTTP/1.1 2" }, SHORT,
    outcome = "unknown", kind = "timeout" },
  { "status line without its end", { request, send "HTTP/1.1 200 OK", fin },
    outcome = { "unknown", "accepted" } },

  { "headers truncated, closed", { request, send(OK_HEAD), fin },
    outcome = { "unknown", "accepted" } },
  { "headers truncated in a name, cut", { request, send(OK_HEAD .. "X-Req"), cut },
    outcome = { "unknown", "accepted" } },
  { "headers truncated, reset", { request, send(OK_HEAD), rst },
    outcome = { "unknown", "accepted" } },
  { "headers truncated, stalled", { request, send(OK_HEAD) }, SHORT,
    outcome = { "unknown", "accepted" }, kind = "timeout" },
  { "headers of a 500 truncated", { request, send "HTTP/1.1 500 Error\r\nA: b\r\n", fin },
    outcome = "unknown", retryable = false },
  { "headers of a 429 truncated", { request, send "HTTP/1.1 429 Slow\r\nA: b\r\n", fin },
    outcome = { "unknown", "rejected" } },
  { "headers of a 1xx truncated", { request, send "HTTP/1.1 100 Continue\r\nA", fin },
    outcome = "unknown", status = false },

  { "body cut by a close", { request, send(lengthy(#DATA) .. DATA:sub(1, 30)), fin },
    outcome = "accepted" },
  { "body cut by a TCP cut", { request, send(lengthy(#DATA) .. DATA:sub(1, 30)), cut },
    outcome = "accepted" },
  { "body cut by a reset", { request, send(lengthy(#DATA) .. DATA:sub(1, 30)), rst },
    outcome = { "accepted", "unknown" } },
  { "body stalled", { request, send(lengthy(#DATA) .. DATA:sub(1, 30)) }, SHORT,
    outcome = "accepted", kind = "timeout" },
  { "body missing, stalled", { request, send(lengthy(#DATA)) }, SHORT,
    outcome = "accepted", kind = "timeout" },
  { "body dripping beyond the time limit",
    { request, send(lengthy(#DATA)), wire.drip(DATA, 0.1) }, SHORT,
    outcome = "accepted", kind = "timeout" },
  { "body without length, JSON cut", { request, send(OK_HEAD .. "\r\n" .. DATA:sub(1, 30)), fin },
    outcome = "accepted", kind = "protocol" },
  { "body without length, whole", { request, send(OK_HEAD .. "\r\n" .. DATA), fin },
    outcome = "success" },
  { "length too long, JSON whole", { request, send(lengthy(#DATA + 100) .. DATA), fin },
    outcome = { "accepted", "success" } },
  { "length too short", { request, send(lengthy(#DATA - 10) .. DATA) }, outcome = "accepted" },
  { "length not a number", { request, send(OK_HEAD .. "Content-Length: x\r\n\r\n" .. DATA), fin },
    outcome = { "accepted", "unknown", "success" } },
  { "length negative", { request, send(lengthy(-5) .. DATA), fin },
    outcome = { "accepted", "unknown", "success" } },
  { "error body cut", { request, send "HTTP/1.1 422 No\r\nContent-Length: 99\r\n\r\n{", fin },
    outcome = "rejected", status = 422, retryable = false },

  { "chunked, whole",
    { request, send(CHUNKED_HEAD .. ("%x\r\n%s\r\n0\r\n\r\n"):format(#DATA, DATA)) },
    outcome = "success" },
  { "chunked, cut by a close", { request, send(CHUNKED_HEAD .. "40\r\n" .. DATA:sub(1, 30)), fin },
    outcome = "accepted" },
  { "chunked, reset", { request, send(CHUNKED_HEAD .. "40\r\n" .. DATA:sub(1, 30)), rst },
    outcome = { "accepted", "unknown" } },
  { "chunked, the last chunk missing",
    { request, send(CHUNKED_HEAD .. ("%x\r\n%s\r\n"):format(#DATA, DATA)), fin },
    outcome = { "accepted", "success" } },
  { "chunked, garbage for a size", { request, send(CHUNKED_HEAD .. "zz\r\n" .. DATA), fin },
    outcome = "accepted" },

  { "garbage", { request, send "\0\1\2\255garbage\r\n\r\n", fin },
    outcome = "unknown", kind = "protocol", status = false },
  { "another protocol", { request, send "SSH-2.0-OpenSSH_9.2\r\n", fin },
    outcome = "unknown", kind = "protocol", status = false },
  { "JSON without a status line", { request, send(DATA), fin },
    outcome = "unknown", kind = "protocol", status = false },
  { "empty lines", { request, send "\r\n\r\n\r\n", fin }, outcome = "unknown", status = false },

  { "100 Continue, closed", { request, send "HTTP/1.1 100 Continue\r\n\r\n", fin },
    outcome = "unknown", status = false },
  { "100 Continue, reset", { request, send "HTTP/1.1 100 Continue\r\n\r\n", rst },
    outcome = "unknown", status = false },
  { "100 Continue, stalled", { request, send "HTTP/1.1 100 Continue\r\n\r\n" }, SHORT,
    outcome = "unknown", kind = "timeout", status = false },
  { "103 Early Hints, closed", { request, send "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n", fin },
    outcome = "unknown", status = false },
  { "101 Switching Protocols, closed",
    { request, send("HTTP/1.1 101 Switching Protocols\r\n\r\n" .. DATA), fin },
    outcome = "unknown", status = false },
  { "100 Continue before each of two replies",
    { request, send "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n", accept },
    outcome = "success", status = 200 },
  { "100 Continue for ever", { request, forever "HTTP/1.1 100 Continue\r\n\r\n" }, SHORT,
    outcome = "unknown", status = false },

  { "a header of a megabyte", { request, send(OK_HEAD .. "X: " .. ("x"):rep(2 ^ 20)), fin },
    outcome = { "accepted", "unknown" } },
  { "headers for ever", { request, send(OK_HEAD), forever(("X-A: " .. ("x"):rep(99) .. "\r\n")) },
    LONG, outcome = { "accepted", "unknown" }, kind = "protocol" },
  { "a body for ever", { request, send(OK_HEAD .. "\r\n"), forever((" "):rep(4096)) }, LONG,
    outcome = "accepted", kind = "protocol" },
  { "a chunked body for ever",
    { request, send(CHUNKED_HEAD), forever("fff\r\n" .. (" "):rep(4095) .. "\r\n") }, LONG,
    outcome = "accepted", kind = "protocol" },
  { "a declared body of gigabytes", { request, send(lengthy(4e9)), forever((" "):rep(4096)) },
    LONG, outcome = "accepted", kind = "protocol" },
  { "an error body for ever",
    { request, send "HTTP/1.1 400 Bad Request\r\n\r\n", forever((" "):rep(4096)) }, LONG,
    outcome = "rejected", status = 400 },

  { "502 and HTML", { request, wire.reply(502, HTML) }, outcome = "unknown", kind = "protocol" },
  { "503 with Retry-After", { request, wire.reply(503, ENVELOPE, { { "Retry-After", "1" } }) },
    outcome = "unknown", kind = "api", retryable = false },
  { "408", { request, wire.reply(408, ENVELOPE) }, outcome = "unknown", retryable = false },
  { "409", { request, wire.reply(409, ENVELOPE) }, outcome = "unknown", retryable = false },
  { "429", { request, wire.reply(429, ENVELOPE, { { "Retry-After", "3" } }) },
    outcome = "rejected", kind = "api", retryable = true },
  { "401", { request, wire.reply(401, ENVELOPE) }, outcome = "rejected", retryable = false },
  { "401 with a challenge",
    { request, wire.reply(401, ENVELOPE, { { "WWW-Authenticate", "Digest realm=x, nonce=y" } }) },
    outcome = "rejected", retryable = false },
  { "417", { request, wire.reply(417, "") }, outcome = "rejected", retryable = false },
  { "421", { request, wire.reply(421, "") }, outcome = "rejected", retryable = false },
  { "204", { request, wire.reply(204) }, outcome = "accepted" },
  { "200 and HTML", { request, wire.reply(200, HTML) }, outcome = "accepted", kind = "protocol" },
  { "200 without a body", { request, wire.reply(200, "") }, outcome = "accepted" },
  { "200 and no id", { request, wire.reply(200, '{"data":{}}') }, outcome = "accepted" },
  { "201", { request, wire.accept_with(201) }, outcome = "success", status = 201 },
  { "202", { request, wire.accept_with(202) }, outcome = "success", status = 202 },

  { "refused while uploading", { bytes(20000), wire.reply(413, ENVELOPE), deaf },
    large = true, outcome = "rejected", status = 413, retryable = false, whole = 0 },
  { "refused while uploading, reset", { bytes(20000), wire.reply(413, ENVELOPE), rst },
    large = true, outcome = { "rejected", "unknown" }, whole = 0 },
  { "reset while uploading", { bytes(20000), rst }, large = true, outcome = "unknown", whole = 0 },
  { "closed while uploading", { bytes(20000), close },
    large = true, outcome = "unknown", whole = 0 },
  { "stalled while uploading", { bytes(20000), deaf }, SHORT,
    large = true, outcome = "unknown", kind = "timeout", whole = 0 },
}

-- What happens to a kept-alive connection while nothing is under way. libcurl may see that it died
-- and take a fresh one by itself, which is well; what it may not do is leave us in doubt.
local WHILE_IDLE = {
  { "closed", { fin }, outcome = { "success", "not_sent" } },
  { "cut", { cut }, outcome = { "success", "not_sent" } },
  { "reset", { rst }, outcome = { "success", "not_sent" } },
  { "408 queued, closed", { wire.reply(408, ""), fin }, outcome = { "success", "not_sent" } },
  { "408 queued, cut", { wire.reply(408, ""), cut }, outcome = { "success", "not_sent" } },
  { "408 queued, reset", { wire.reply(408, ""), rst }, outcome = { "success", "not_sent" } },
  { "408 queued, still open", { wire.reply(408, "") },
    outcome = { "success", "not_sent", "unknown" } },
  { "garbage queued, closed", { send "garbage\r\n", cut }, outcome = { "success", "not_sent" } },
}

describe("one send", function()
  local station, certificates, client, opened

  setup(function()
    station = wire.start()
    certificates = station:certificates()
  end)

  teardown(function()
    station:stop()
  end)

  before_each(function()
    opened = {}
  end)

  after_each(function()
    if client then
      client:close()
      client = nil
    end
    for _, listener in ipairs(opened) do
      listener:close()
    end
  end)

  local function listen(scripts)
    local listener = station:listen(scripts)
    opened[#opened + 1] = listener
    return listener
  end

  local function new_client(url, options)
    local all = { api_key = KEY, base_url = url, ca_file = certificates.ca_file }
    for name, value in pairs(options or {}) do
      all[name] = value or nil
    end
    client = core.client(all)
    return client
  end

  local function try(message, limits)
    return verdict.result(client:send(message or MESSAGE, limits or LONG))
  end

  -- Drives the client until the condition holds, or for too long.
  local function step_until(condition)
    local deadline = socket.gettime() + 20
    repeat
      assert.is_true(socket.gettime() < deadline, "it never comes about")
      local in_flight = client:step(0.01)
    until condition(in_flight)
  end

  local function begin(count)
    local pending = {}
    for i = 1, count do
      pending[i] = assert(client:start(MESSAGE, LONG))
    end
    return pending
  end

  local function finish(pending)
    step_until(function(in_flight)
      return in_flight == 0
    end)
    local results = {}
    for i, each in ipairs(pending) do
      results[i] = verdict.result(each:result())
    end
    return results
  end

  -- Begins some transfers and leaves them when the server has read their requests.
  local function leave_in_flight(listener, count)
    local pending = begin(count)
    step_until(function()
      return listener:seen().whole == count
    end)
    return pending
  end

  -- Closes the client and returns what the server saw once nothing can arrive any more.
  local function settle(listener)
    client:close()
    return listener:wait(all_ended, "the end of all connections")
  end

  local function judge(listener, row, result, before)
    local seen = settle(listener)
    local whole = seen.whole - before
    verdict.assert_promise(result, whole)
    verdict.assert_result(result, row)
    if row.whole then
      assert.equal(row.whole, whole)
    end
    return seen
  end

  local function run(row, listener, before)
    local started = socket.gettime()
    local result = try(row.large and large_message(), row[3])
    if row[3] == SHORT then
      assert.is_true(socket.gettime() - started < BOUND)
    end
    return judge(listener, row, result, before), result
  end

  local function tls_of(scheme)
    return scheme == "https" and "good" or nil
  end

  -- The first, good send of a client, after which its connection is idle.
  local function first_send(listener)
    new_client(listener.url)
    verdict.assert_result(try(), { outcome = "success" })
  end

  for _, scheme in ipairs(SCHEMES) do
    for _, row in ipairs(UNDER_WAY) do
      it(("over fresh %s: %s"):format(scheme, row[1]), function()
        local listener = listen { row[2], wire.SERVICE, tls = tls_of(scheme) }
        new_client(listener.url)
        run(row, listener, 0)
      end)

      it(("over reused %s: %s"):format(scheme, row[1]), function()
        local listener = listen {
          copy({ request, accept }, row[2]), wire.SERVICE, tls = tls_of(scheme),
        }
        first_send(listener)
        local seen = run(row, listener, 1)
        assert.is_true(seen.connections[1].total > 0)
      end)
    end

    for _, row in ipairs(WHILE_IDLE) do
      it(("over idle %s: %s"):format(scheme, row[1]), function()
        local script = copy({ request, accept, wire.gate "idle" }, row[2])
        local listener = listen { script, wire.SERVICE, tls = tls_of(scheme) }
        first_send(listener)
        listener:open("idle")
        listener:wait_done(script[#script].op)
        local _, result = run(row, listener, 1)
        if result.err and result.err.outcome == "not_sent" then
          assert.is_true(result.err.stale)
          assert.is_true(result.err.retryable)
        end
      end)
    end

    it(("over %s: the connection is reused"):format(scheme), function()
      local listener = listen { wire.SERVICE, tls = tls_of(scheme) }
      new_client(listener.url)
      for i = 1, 3 do
        local result = try()
        verdict.assert_result(result, { outcome = "success" })
        assert.equal(listener:seen().connections[1].accepted[i], result.message.id)
      end
      assert.equal(1, #listener:seen().connections)
    end)

    it(("over %s: a fresh connection is used when asked for"):format(scheme), function()
      local listener = listen { wire.SERVICE, tls = tls_of(scheme) }
      new_client(listener.url)
      verdict.assert_result(try(), { outcome = "success" })
      verdict.assert_result(try(nil, { timeout = 20, fresh = true }), { outcome = "success" })
      assert.equal(2, #listener:seen().connections)
    end)

    it(("over %s: a pool whose connections all die after reading"):format(scheme), function()
      local script = { request, wire.gate "all", accept, request, fin }
      local listener = listen { script, tls = tls_of(scheme) }
      new_client(listener.url)
      local pending = leave_in_flight(listener, 6)
      listener:open("all")
      for _, result in ipairs(finish(pending)) do
        verdict.assert_result(result, { outcome = "success" })
      end
      judge(listener, { outcome = "unknown" }, try(), 6)
    end)
  end

  describe("that never begins", function()
    local function hostless()
      return "https://no-such-host.invalid/v2"
    end

    local function at(scheme, port)
      return wire.url_of(scheme, port)
    end

    -- A listener without TLS, addressed as if it had it.
    local function as_https(...)
      local script = { ... }
      return function()
        local listener = listen { script }
        return at("https", listener.port), listener
      end
    end

    local function certified(name)
      return function()
        local listener = listen { wire.SERVICE, tls = name }
        return listener.url, listener
      end
    end

    local PLAIN_400 = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"

    local ROWS = {
      { "unknown host", hostless, kind = { "connection", "timeout" } },
      { "refused", function() return at("http", station:refusing_port()) end },
      { "refused, https", function() return at("https", station:refusing_port()) end },
      { "full backlog", function() return at("http", station:full_port()) end, SHORT,
        kind = "timeout" },
      { "full backlog, connect limit", function() return at("http", station:full_port()) end,
        SHORT_CONNECT, kind = "timeout" },
      { "full backlog, https", function() return at("https", station:full_port()) end, SHORT,
        kind = "timeout" },
      { "reset before the handshake", as_https(rst) },
      { "reset in the handshake", as_https(bytes(5), rst) },
      { "closed in the handshake", as_https(bytes(5), fin) },
      { "closed before the handshake", as_https(fin) },
      { "handshake stalled", as_https(stall), SHORT, kind = "timeout" },
      { "handshake never read", as_https(deaf), SHORT, kind = "timeout" },
      { "handshake stalled, connect limit", as_https(stall),
        SHORT_CONNECT, kind = "timeout" },
      { "handshake half-way", as_https(bytes(5), send "\22\3\3\0\122\2\0\0\118\3\3", fin) },
      { "plain HTTP on the port", as_https(bytes(5), send(PLAIN_400), fin) },
      { "garbage on the port", as_https(bytes(5), forever "garbage") },
      { "untrusted authority", certified "untrusted" },
      { "expired certificate", certified "expired" },
      { "wrong host name", certified "wrong_name" },
      { "authority unknown by default", certified "good", options = { ca_file = false } },
    }

    for _, row in ipairs(ROWS) do
      it("is not sent: " .. row[1], function()
        local url, listener = row[2]()
        new_client(url, row.options)
        local started = socket.gettime()
        local result = try(nil, row[3])
        if row[3] then
          assert.is_true(socket.gettime() - started < BOUND)
        end
        verdict.assert_result(result, {
          outcome = "not_sent", kind = row.kind or "connection", status = false, retryable = true,
        })
        assert.is_nil(result.err.stale)
        if listener then
          verdict.assert_promise(result, settle(listener).whole)
        end
      end)
    end

    it("is sent when the certificate is right: the rows above fail for their own reason", function()
      local listener = listen { wire.SERVICE, tls = "good" }
      new_client(listener.url)
      verdict.assert_result(try(), { outcome = "success" })
      client:close()
      new_client(("https://localhost:%d/v2"):format(listener.port))
      verdict.assert_result(try(), { outcome = "success" })
    end)
  end)

  describe("whose connection dies at once", function()
    local ROWS = {
      { "reset", { rst } }, { "closed", { fin } }, { "cut", { cut } }, { "dropped", { close } },
    }
    for _, scheme in ipairs(SCHEMES) do
      for _, row in ipairs(ROWS) do
        it(("may be not sent or unknown, %s: %s"):format(scheme, row[1]), function()
          local listener = listen { row[2], wire.SERVICE, tls = tls_of(scheme) }
          new_client(listener.url)
          judge(listener, { outcome = { "not_sent", "unknown" }, status = false }, try(), 0)
        end)
      end
    end
  end)

  describe("through a proxy", function()
    local function proxy(script)
      local listener = listen { script }
      return listener, ("http://127.0.0.1:%d"):format(listener.port)
    end

    local REFUSALS = {
      { "refused", { head, wire.reply(502, HTML), fin } },
      { "asks for a password",
        { head, wire.reply(407, "", { { "Proxy-Authenticate", "Basic realm=x" } }), fin } },
      { "closed", { head, fin } },
      { "reset", { head, rst } },
      { "stalled", { head }, SHORT },
    }

    for _, row in ipairs(REFUSALS) do
      it("is not sent when the tunnel is not made: " .. row[1], function()
        local listener, address = proxy(row[2])
        new_client("https://api.example/v2", { proxy = address })
        verdict.assert_result(try(nil, row[3]), { outcome = "not_sent", status = false })
        local seen = settle(listener)
        assert.equal("CONNECT", seen.connections[1].requests[1].method)
        assert.is_nil(seen.connections[1].raw:find(KEY, 1, true))
      end)
    end

    it("is not sent when the proxy refuses the connection", function()
      new_client("https://api.example/v2", { proxy = wire.url_of("http", station:refusing_port()) })
      verdict.assert_result(try(), { outcome = "not_sent", kind = "connection" })
    end)

    -- What a proxy for plain HTTP answers by itself would be taken for the service's word.
    local made = wire.send("HTTP/1.1 200 Connection established\r\n\r\n")

    it("goes through a tunnel, plain HTTP too", function()
      local listener, address = proxy { request, made, request, accept }
      new_client("http://127.0.0.1:9/v2", { proxy = address })
      verdict.assert_result(try(), { outcome = "success" })
      local requests = listener:seen().connections[1].requests
      assert.equal("CONNECT", requests[1].method)
      assert.equal("127.0.0.1:9", requests[1].path)
      assert.equal("/v2/messages", requests[2].path)
    end)

    -- TLS takes whole records and says that it took nothing.
    local SEALED = { request, made, bytes(20000), deaf }

    local function sealing_proxy()
      local listener = listen { SEALED, tls = "good" }
      return listener, "https://127.0.0.1:" .. listener.port
    end

    it("is unknown when a proxy that speaks TLS may have read a part of it", function()
      local _, address = sealing_proxy()
      new_client("http://127.0.0.1:9/v2", { proxy = address })
      verdict.assert_result(try(large_message(), SHORT), { outcome = "unknown", kind = "timeout" })
    end)

    it("is unknown as well when the environment names that proxy", function()
      local _, address = sealing_proxy()
      local script = ([[
        local _, err = require("telnyx.core").client({
          api_key = "KEY", base_url = "http://api.example/v2", allow_http = true, ca_file = %q,
        }):send({ from = "12345", to = "+18665550001", text = "x",
          extra = { ballast = ("b"):rep(8 * 1024 * 1024) } }, { timeout = %g })
        print(err.outcome, err.kind)
      ]]):format(certificates.ca_file, SHORT.timeout)
      assert.equal("unknown\ttimeout\n", process.run_lua(script, "http_proxy=" .. address))
    end)

    it("is unknown when the proxy dies after reading", function()
      local listener, address = proxy { request, made, request, fin }
      new_client("http://127.0.0.1:9/v2", { proxy = address })
      verdict.assert_result(try(), { outcome = "unknown", kind = "connection" })
      assert.equal(1, #settle(listener).connections)
    end)
  end)

  describe("that is redirected", function()
    for _, status in ipairs { 300, 301, 302, 303, 304, 305, 307, 308 } do
      it("goes nowhere else, nor does the key: " .. status, function()
        local elsewhere = listen { wire.SERVICE }
        local location = { { "Location", elsewhere.url .. "/messages" } }
        local listener = listen {
          { request, wire.reply(status, status ~= 304 and "{}" or nil, location) }, wire.SERVICE,
        }
        new_client(listener.url)
        judge(listener, {
          outcome = "rejected", kind = "protocol", status = status, retryable = false,
        }, try(), 0)
        assert.equal(0, #elsewhere:seen().connections)
        assert.equal(1, #listener:seen().connections)
      end)
    end

    it("is not followed to its own host either", function()
      local listener = listen {
        { request, wire.reply(307, "{}", { { "Location", "/v2/messages" } }), request, accept },
      }
      new_client(listener.url)
      judge(listener, { outcome = "rejected", kind = "protocol" }, try(), 0)
    end)
  end)

  describe("whose reply is large", function()
    local function padded(size)
      local data = '{"data":{"id":"40385f64-5717-4562-b3fc-2c963f66afa6",'
        .. '"to":[{"phone_number":"+18665550001"}]}'
      return data .. (" "):rep(size - #data - 1) .. "}"
    end

    it("is read up to the ceiling and not a byte beyond", function()
      local listener = listen {
        { request, wire.reply(200, padded(1000)), request, wire.reply(200, padded(1001)) },
      }
      new_client(listener.url, { max_response_bytes = 1000 })
      verdict.assert_result(try(), { outcome = "success" })
      verdict.assert_result(try(), { outcome = "accepted", kind = "protocol", status = 200 })
    end)

    it("costs bounded memory and time", function()
      local listener = listen { { request, send(OK_HEAD .. "\r\n"), forever((" "):rep(65536)) } }
      new_client(listener.url)
      local before, started = resident_kilobytes(), socket.gettime()
      verdict.assert_result(try(nil, LONG), { outcome = "accepted", kind = "protocol" })
      assert.is_true(resident_kilobytes() - before < 32 * 1024)
      assert.is_true(socket.gettime() - started < 2 * BOUND)
    end)

    it("is left when its time is up, however fast it goes on", function()
      -- It takes longer to read than to write.
      local crumbs = ("1\r\n \r\n"):rep(100000)
      local listener = listen { { request, send(CHUNKED_HEAD), forever(crumbs) } }
      new_client(listener.url, { max_response_bytes = 2 ^ 30 })
      local pending, started = assert(client:start(MESSAGE, SHORT)), socket.gettime()
      client:step(4 * BOUND)
      assert.is_true(socket.gettime() - started < BOUND)
      verdict.assert_result(verdict.result(pending:result()),
        { outcome = "accepted", kind = "timeout" })
    end)

    it("does not fill memory with headers", function()
      local line = "X-A: " .. ("x"):rep(1000) .. "\r\n"
      local listener = listen { { request, send(OK_HEAD), forever(line:rep(60)) } }
      new_client(listener.url)
      local before = resident_kilobytes()
      verdict.assert_result(try(nil, LONG), { outcome = { "accepted", "unknown" } })
      assert.is_true(resident_kilobytes() - before < 32 * 1024)
    end)

    it("spoils no later send of the same client", function()
      local listener = listen {
        { request, send(OK_HEAD .. "\r\n"), forever((" "):rep(4096)) }, wire.SERVICE,
      }
      new_client(listener.url)
      verdict.assert_result(try(), { outcome = "accepted" })
      verdict.assert_result(try(), { outcome = "success" })
      assert.equal(2, settle(listener).whole)
    end)
  end)

  describe("and the next ones", function()
    it("do not inherit the failure of the one before", function()
      local listener = listen { { request, rst }, { request, fin }, { request, send "x", fin },
        wire.SERVICE }
      new_client(listener.url)
      for _ = 1, 3 do
        verdict.assert_result(try(), { outcome = "unknown" })
      end
      verdict.assert_result(try(), { outcome = "success" })
      assert.equal(4, settle(listener).whole)
    end)

    it("do not take the excess of a reply for their own", function()
      local excess = wire.send(lengthy(#DATA) .. DATA .. lengthy(#DATA) .. DATA)
      local listener = listen { { request, excess }, wire.SERVICE }
      new_client(listener.url)
      verdict.assert_result(try(), { outcome = "success" })
      local result = try()
      judge(listener, { outcome = { "success", "unknown", "not_sent" } }, result, 1)
    end)
  end)

  describe("on the wire", function()
    local SAMPLE = {
      messaging_profile_id = "abc85f64-5717-4562-b3fc-2c963f66afa6",
      from = "+18445550001",
      to = "+18665550001",
      text = "Hello, World! Grüße, 你好 \240\159\145\139 \"quoted\" \\ and / \t\n",
      subject = "From Telnyx! \226\130\172",
      media_urls = { "https://example.com/images/cat.png" },
      webhook_url = "https://example.com/webhooks?a=1&b=%20",
      webhook_failover_url = "https://backup.example.com/hooks",
      use_profile_webhooks = false,
      type = "MMS",
      auto_detect = true,
    }

    local function capture(message, options)
      local listener = listen { wire.SERVICE }
      new_client(listener.url .. (options or ""))
      local result = try(message)
      assert.is_nil(result.err)
      local connection = settle(listener).connections[1]
      return connection.requests[1], connection
    end

    local function count(sent, name)
      local found = 0
      for _, header in ipairs(sent.header_list) do
        found = found + (header[1]:lower() == name and 1 or 0)
      end
      return found
    end

    it("is one POST to the messages of the base address", function()
      local sent, connection = capture(SAMPLE)
      assert.equal("POST", sent.method)
      assert.equal("/v2/messages", sent.path)
      assert.equal("HTTP/1.1", sent.version)
      assert.equal(#sent.head + sent.body_bytes, connection.total)
    end)

    it("does not mind a slash at the end of the base address", function()
      assert.equal("/v2/messages", capture(SAMPLE, "/").path)
    end)

    it("carries each header once, and no Expect", function()
      local sent = capture(SAMPLE)
      assert.equal("Bearer " .. KEY, sent.headers.authorization)
      assert.equal("application/json", sent.headers["content-type"])
      assert.matches("^127%.0%.0%.1:%d+$", sent.headers.host)
      assert.truthy(sent.headers["user-agent"])
      assert.equal(#sent.body, tonumber(sent.headers["content-length"]))
      for _, name in ipairs { "authorization", "content-type", "content-length", "host" } do
        assert.equal(1, count(sent, name))
      end
      for _, name in ipairs { "expect", "transfer-encoding", "upgrade", "cookie" } do
        assert.equal(0, count(sent, name))
      end
    end)

    it("expects nothing for a large body either", function()
      local listener = listen { wire.SERVICE }
      new_client(listener.url)
      verdict.assert_result(try(large_message()), { outcome = "success" })
      local sent = settle(listener).connections[1].requests[1]
      assert.is_nil(sent.headers.expect)
      assert.is_true(sent.body_bytes > 8 * 1024 * 1024)
    end)

    it("carries all eleven fields as they were given, and nothing else", function()
      assert.same(SAMPLE, cjson.decode(capture(SAMPLE).body))
    end)

    it("keeps a list a list", function()
      local body = capture(SAMPLE).body
      assert.matches('"media_urls"%s*:%s*%[%s*"https:', body)
    end)

    it("carries three fields when three were given", function()
      assert.same(MESSAGE, cjson.decode(capture(MESSAGE).body))
    end)

    it("leaves the caller's message as it was", function()
      local before = cjson.encode(SAMPLE)
      capture(SAMPLE)
      assert.same(cjson.decode(before), SAMPLE)
    end)

    it("is what core.request says it is", function()
      local sent = capture(SAMPLE)
      local made = assert(core.request(SAMPLE, {
        base_url = "http://127.0.0.1:1/v2", api_key = KEY,
      }))
      assert.equal(made.path, sent.path)
      assert.equal(made.method, sent.method)
      assert.same(cjson.decode(made.body), cjson.decode(sent.body))
    end)

    it("never begins for a message that is wrong", function()
      local listener = listen { wire.SERVICE }
      new_client(listener.url)
      local result = try({ from = "+18445550001", to = "nobody", text = "x" })
      verdict.assert_result(result, { outcome = "not_sent", kind = "invalid", retryable = false })
      assert.equal(0, #settle(listener).connections)
    end)
  end)

  describe("of many at once", function()
    for _, scheme in ipairs(SCHEMES) do
      it(("is judged alone, over %s"):format(scheme), function()
        local scripts = {
          { request, rst }, { request, fin }, { request, accept }, { bytes(10), rst },
          { request, wire.reply(429, ENVELOPE) }, { request, wire.reply(500, "") },
          { request, send "HTTP/1.1 2", fin }, { request, accept }, wire.SERVICE,
          tls = tls_of(scheme),
        }
        local listener = listen(scripts)
        new_client(listener.url)
        local tally = {}
        for _, result in ipairs(finish(begin(16))) do
          local outcome = result.err and result.err.outcome or "success"
          tally[outcome] = (tally[outcome] or 0) + 1
        end
        local seen = settle(listener)
        assert.is_true(seen.whole <= 16 - (tally.not_sent or 0))
        assert.equal(1, tally.rejected)
        local accepted = 0
        for _, connection in ipairs(seen.connections) do
          accepted = accepted + #connection.accepted
        end
        assert.equal(accepted, tally.success)
      end)
    end
  end)

  it("is answered in time though nobody looked until it was up, however many there are", function()
    local n, listener = 100, listen { { request, wire.gate "all", accept } }
    new_client(listener.url, { max_connections = n })
    local pending = {}
    for i = 1, n do pending[i] = assert(client:start(MESSAGE, { timeout = 2 * PACE })) end
    step_until(function() return listener:seen().whole == n end)
    listener:open("all")
    listener:wait(function(seen)
      for _, connection in ipairs(seen.connections) do
        if #connection.accepted == 0 then return false end
      end
      return true
    end)
    socket.sleep(2 * PACE)
    client:step(0)
    for _, result in ipairs(finish(pending)) do
      verdict.assert_result(result, { outcome = "success" })
    end
  end)

  describe("and what is left behind", function()
    local function collect()
      collectgarbage()
      collectgarbage()
    end

    it("is nothing: a thousand clients, used and closed", function()
      local listener = listen { wire.SERVICE }
      collect()
      local before = descriptors()
      for _ = 1, 1000 do
        new_client(listener.url, { ca_file = false })
        assert(client:send(MESSAGE, LONG))
        client:close()
      end
      assert.equal(before, descriptors())
      assert.equal(1000, listener:seen().whole)
    end)

    it("is nothing: clients dropped and collected", function()
      local listener = listen { wire.SERVICE, tls = "good" }
      collect()
      local before = descriptors()
      for _ = 1, 20 do
        assert(new_client(listener.url):send(MESSAGE, LONG))
        client = nil
      end
      collect()
      assert.equal(before, descriptors())
    end)

    for _, scheme in ipairs(SCHEMES) do
      it(("is nothing: dropped with transfers in flight, over %s"):format(scheme), function()
        local listener = listen { { stall }, tls = tls_of(scheme) }
        collect()
        local before = descriptors()
        new_client(listener.url)
        leave_in_flight(listener, 4)
        client = nil
        collect()
        assert.equal(before, descriptors())
        listener:wait(all_ended, "the end of all connections")
        assert.equal(4, listener:seen().whole)
      end)
    end

    it("is a pending that outlives its client, without a crash", function()
      local listener = listen { { stall } }
      new_client(listener.url)
      local pending = leave_in_flight(listener, 1)[1]
      client:close()
      client = nil
      collect()
      local ok, message, err = pcall(pending.result, pending)
      assert.is_nil(ok and message or nil)
      if ok and err then
        verdict.assert_error(err)
        assert.equal("unknown", err.outcome)
      end
      assert.equal(1, listener:seen().whole)
    end)

    it("is a client that refuses to send once closed, and closes twice", function()
      local listener = listen { wire.SERVICE }
      new_client(listener.url)
      client:close()
      client:close()
      local ok, message = pcall(client.send, client, MESSAGE, LONG)
      assert.is_falsy(ok and message)
      assert.equal(0, #listener:seen().connections)
    end)

    it("is no connection in a program that was run meanwhile", function()
      local listener = listen { wire.SERVICE }
      new_client(listener.url)
      assert(client:send(MESSAGE, LONG))
      local program = io.popen("cat", "w")
      client:close()
      local has_ended = pcall(listener.wait_ended, listener, 1)
      program:close()
      assert.is_true(has_ended)
    end)

    it("is no key in the client's name", function()
      new_client("http://127.0.0.1:9/v2")
      assert.is_nil(tostring(client):find(KEY, 1, true))
    end)
  end)
end)
