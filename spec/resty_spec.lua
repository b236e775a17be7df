-- Sends from inside a real nginx. What each returned is compared with what
-- the server saw. A row names the weather, the outcome and how many whole requests the server
-- received.

local cjson = require "cjson"
local Peers = require "spec.support.nginx_peers"
local host = require "spec.support.host"
local nginx = require "spec.support.nginx"
local sandbox = require "spec.support.sandbox"
local socket = require "socket"
local verdict = require "spec.support.verdict"
local wire = require "spec.support.wire"

local KEY = verdict.KEY
local MESSAGE, LONG = Peers.MESSAGE, Peers.LONG
local SLOW = "+15550070001" -- accepted after a second

local PACE = tonumber(os.getenv("WIRE_PACE") or 1)
local SHORT = { timeout = 0.3 * PACE, connect_timeout = 20 }
local SHORT_CONNECT = { timeout = 20, connect_timeout = 0.3 * PACE }
local BOUND = 5 * PACE

local request, accept, head, arrival = wire.request, wire.accept, wire.head, wire.arrival
local fin, cut, rst, close = wire.fin, wire.cut, wire.rst, wire.close
local stall, deaf, bytes, send, forever = wire.stall, wire.deaf, wire.bytes, wire.send, wire.forever

local SCHEMES = { "http", "https" }
local ENVELOPE = '{"errors":[{"code":"10011","title":"Too many requests"}]}'
local DATA = '{"data":{"id":"40385f64-5717-4562-b3fc-2c963f66afa6","parts":1,'
  .. '"to":[{"phone_number":"+18665550001"}]}}'
local OK_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
local CHUNKED_HEAD = OK_HEAD .. "Transfer-Encoding: chunked\r\n\r\n"

local function lengthy(length)
  return OK_HEAD .. "Content-Length: " .. length .. "\r\n\r\n"
end

local function chunk(text)
  return ("%x\r\n%s\r\n"):format(#text, text)
end

local CHUNKED = CHUNKED_HEAD .. chunk(DATA:sub(1, 9)) .. chunk(DATA:sub(10)) .. "0\r\n\r\n"

-- A reply with one header more.
local function with(reply, header)
  return (reply:gsub("\r\n\r\n", "\r\n" .. header .. "\r\n\r\n", 1))
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

-- What happens while a request is under way, on a fresh connection and on a reused one.
local UNDER_WAY = {
  { "reset as the request arrives", { arrival, rst }, outcome = "unknown", whole = 0 },
  { "closed as the request arrives", { arrival, close }, outcome = "unknown", whole = 0 },
  { "reset after 20 bytes", { bytes(20), rst }, outcome = "unknown", whole = 0 },
  { "reset after the headers", { head, rst }, outcome = "unknown" },
  { "reset after the request", { request, rst }, outcome = "unknown", kind = "connection" },
  { "closed after the request", { request, fin }, outcome = "unknown", kind = "connection" },
  { "cut after the request", { request, cut }, outcome = "unknown", kind = "connection" },
  { "read, never answered", { request, stall }, SHORT, outcome = "unknown", kind = "timeout" },
  { "never read", { deaf }, SHORT, outcome = "unknown", kind = "timeout", whole = 0 },

  { "status line truncated, closed", { request, send "HTTP/1.1 2", fin },
    outcome = "unknown", status = false },
  { "status line truncated, reset", { request, send "HTTP/1.1 2", rst },
    outcome = "unknown", status = false },
  { "status line truncated, stalled", { request, send "HTTP/1.1 2" }, SHORT,
    outcome = "unknown", kind = "timeout", status = false },
  { "status line without its end", { request, send "HTTP/1.1 200 OK", fin },
    outcome = "unknown", status = false },

  { "headers truncated, closed", { request, send(OK_HEAD), fin },
    outcome = "accepted", status = 200, kind = "connection" },
  { "headers truncated in a name, cut", { request, send(OK_HEAD .. "X-Req"), cut },
    outcome = "accepted", status = 200 },
  { "headers truncated, reset", { request, send(OK_HEAD), rst },
    outcome = { "unknown", "accepted" } },
  { "headers truncated, stalled", { request, send(OK_HEAD) }, SHORT,
    outcome = "accepted", kind = "timeout" },
  { "headers of a 500 truncated", { request, send "HTTP/1.1 500 Error\r\nA: b\r\n", fin },
    outcome = "unknown", status = 500, retryable = false },
  { "headers of a 429 truncated", { request, send "HTTP/1.1 429 Slow\r\nRetry-After: 3\r\n", fin },
    outcome = "rejected", status = 429, retry_after = 3 },
  { "headers of a 1xx truncated", { request, send "HTTP/1.1 100 Continue\r\nA", fin },
    outcome = "unknown", status = false },

  { "body cut by a close", { request, send(lengthy(#DATA) .. DATA:sub(1, 30)), fin },
    outcome = "accepted", status = 200 },
  { "body cut by a TCP cut", { request, send(lengthy(#DATA) .. DATA:sub(1, 30)), cut },
    outcome = "accepted", status = 200 },
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
    outcome = "accepted" },
  { "length too short", { request, send(lengthy(#DATA - 10) .. DATA) }, outcome = "accepted" },
  { "length not a number", { request, send(OK_HEAD .. "Content-Length: x\r\n\r\n" .. DATA), fin },
    outcome = "accepted", kind = "protocol" },
  { "length negative", { request, send(lengthy(-5) .. DATA), fin },
    outcome = "accepted", kind = "protocol" },
  { "two lengths", { request, send(("%sContent-Length: 3\r\nContent-Length: %d\r\n\r\n%s"):format(
    OK_HEAD, #DATA, DATA)), fin }, outcome = "accepted", kind = "protocol" },
  { "the same length twice",
    { request, send(("%sContent-Length: %d\r\nContent-Length: %d\r\n\r\n%s"):format(
      OK_HEAD, #DATA, #DATA, DATA)) }, outcome = "success" },
  { "error body cut", { request, send "HTTP/1.1 422 No\r\nContent-Length: 99\r\n\r\n{", fin },
    outcome = "rejected", status = 422, retryable = false },

  { "in single bytes", { request, wire.drip(lengthy(#DATA) .. DATA, 0.0005) },
    outcome = "success" },
  { "lines ended by LF alone", { request, send((lengthy(#DATA):gsub("\r", "")) .. DATA) },
    outcome = "success" },
  { "chunked, whole", { request, send(CHUNKED) }, outcome = "success" },
  { "chunked, in single bytes", { request, wire.drip(CHUNKED, 0.0005) }, outcome = "success" },
  { "chunked, with extensions and trailers",
    { request, send(("%s%x;a=b\r\n%s\r\n000;c\r\nX-T: 1\r\n\r\n"):format(
      CHUNKED_HEAD, #DATA, DATA)) }, outcome = "success" },
  { "chunked, and a length that lies", { request, send(with(CHUNKED, "Content-Length: 3")) },
    outcome = "success" },
  { "chunked, cut by a close", { request, send(CHUNKED_HEAD .. "40\r\n" .. DATA:sub(1, 30)), fin },
    outcome = "accepted" },
  { "chunked, reset", { request, send(CHUNKED_HEAD .. "40\r\n" .. DATA:sub(1, 30)), rst },
    outcome = { "accepted", "unknown" } },
  { "chunked, the last chunk missing", { request, send(CHUNKED_HEAD .. chunk(DATA)), fin },
    outcome = "accepted" },
  { "chunked, garbage for a size", { request, send(CHUNKED_HEAD .. "zz\r\n" .. DATA), fin },
    outcome = "accepted", kind = "protocol" },
  { "chunked, a chunk longer than its size",
    { request, send(CHUNKED_HEAD .. "5\r\n" .. DATA .. "\r\n0\r\n\r\n"), fin },
    outcome = "accepted", kind = "protocol" },

  { "garbage", { request, send "\0\1\2\255garbage\r\n\r\n", fin },
    outcome = "unknown", kind = "protocol", status = false },
  { "another protocol", { request, send "SSH-2.0-OpenSSH_9.2\r\n", fin },
    outcome = "unknown", kind = "protocol", status = false },
  { "HTTP/2", { request, send "HTTP/2 200\r\n\r\n", fin },
    outcome = "unknown", kind = "protocol", status = false },
  { "JSON without a status line", { request, send(DATA), fin },
    outcome = "unknown", status = false },
  { "empty lines", { request, send "\r\n\r\n\r\n", fin }, outcome = "unknown", status = false },
  { "a status of four digits", { request, send "HTTP/1.1 2000 OK\r\n\r\n", fin },
    outcome = "unknown", kind = "protocol", status = false },

  { "100 Continue, closed", { request, send "HTTP/1.1 100 Continue\r\n\r\n", fin },
    outcome = "unknown", status = false },
  { "100 Continue, stalled", { request, send "HTTP/1.1 100 Continue\r\n\r\n" }, SHORT,
    outcome = "unknown", kind = "timeout", status = false },
  { "101 Switching Protocols, closed",
    { request, send("HTTP/1.1 101 Switching Protocols\r\n\r\n" .. DATA), fin },
    outcome = "unknown", status = false },
  { "two 1xx before the reply",
    { request, send "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\n", accept },
    outcome = "success", status = 200 },
  { "100 Continue for ever", { request, forever "HTTP/1.1 100 Continue\r\n\r\n" }, LONG,
    outcome = "unknown", kind = "protocol", status = false },

  { "a header of a megabyte", { request, send(OK_HEAD .. "X: " .. ("x"):rep(2 ^ 20)), fin },
    outcome = "accepted", kind = "protocol" },
  { "headers for ever", { request, send(OK_HEAD), forever(("X-A: " .. ("x"):rep(99) .. "\r\n")) },
    LONG, outcome = "accepted", kind = "protocol" },
  { "a status line for ever", { request, send "HTTP/1.1 200 ", forever(("x"):rep(999)) },
    LONG, outcome = "unknown", kind = "protocol", status = false },
  { "a body for ever", { request, send(OK_HEAD .. "\r\n"), forever((" "):rep(4096)) }, LONG,
    outcome = "accepted", kind = "protocol" },
  { "a chunked body for ever",
    { request, send(CHUNKED_HEAD), forever("1000\r\n" .. (" "):rep(4096) .. "\r\n") }, LONG,
    outcome = "accepted", kind = "protocol" },
  { "a chunk size for ever", { request, send(CHUNKED_HEAD), forever(("0"):rep(999)) }, LONG,
    outcome = "accepted", kind = "protocol" },
  { "trailers for ever", { request, send(CHUNKED_HEAD .. "0\r\n"), forever "X-T: trailer\r\n" },
    LONG, outcome = "accepted", kind = "protocol" },
  { "a declared body of gigabytes", { request, send(lengthy(4e9)), forever((" "):rep(4096)) },
    LONG, outcome = "accepted", kind = "protocol" },
  { "an error body for ever",
    { request, send "HTTP/1.1 400 Bad Request\r\n\r\n", forever((" "):rep(4096)) }, LONG,
    outcome = "rejected", status = 400 },

  { "502 and HTML", { request, wire.reply(502, "<html></html>") },
    outcome = "unknown", kind = "protocol" },
  { "408", { request, wire.reply(408, ENVELOPE) }, outcome = "unknown", retryable = false },
  { "429", { request, wire.reply(429, ENVELOPE, { { "Retry-After", "3" } }) },
    outcome = "rejected", kind = "api", retryable = true, retry_after = 3 },
  { "401", { request, wire.reply(401, ENVELOPE) }, outcome = "rejected", retryable = false },
  { "204", { request, wire.reply(204) }, outcome = "accepted" },
  { "302", { request, wire.reply(302, "", { { "Location", "http://127.0.0.1:1/" } }) },
    outcome = "rejected", kind = "protocol", status = 302, retryable = false },
  { "202", { request, wire.accept_with(202) }, outcome = "success", status = 202 },
}

-- What nobody has asked for.
local UNASKED = {
  { "a 429", wire.reply(429, ENVELOPE, { { "Retry-After", "0" } }) },
  { "a 200 with a message", wire.reply(200, DATA) },
  { "a 400", wire.reply(400, ENVELOPE) },
  { "a 408", wire.reply(408, "") },
  { "100 Continue", send "HTTP/1.1 100 Continue\r\n\r\n" },
  { "one byte", send "H" },
  { "an empty line", send "\r\n" },
  { "garbage", send("garbage\0\1\2") },
}

-- What happens to a connection while nothing is under way.
local WHILE_IDLE = {
  { "closed", { fin } },
  { "cut", { cut } },
  { "reset", { rst } },
}
for _, row in ipairs(UNASKED) do
  WHILE_IDLE[#WHILE_IDLE + 1] = { row[1], { row[2] } }
  WHILE_IDLE[#WHILE_IDLE + 1] = { row[1] .. ", closed", { row[2], fin } }
end

-- Of TLS alone.
local PARTS = {}
for _, n in ipairs { 1, 5, 25 } do
  PARTS[#PARTS + 1] = { ("%d bytes of a record"):format(n), { wire.part(n) } }
end

describe("a send inside nginx", function()
  local peers, station, server
  local address, attempt = Peers.address, Peers.attempt

  setup(function()
    peers = Peers.start()
    station, server = peers.station, peers.server
  end)

  teardown(function()
    if peers then peers:stop() end
  end)

  after_each(function()
    peers:close()
  end)

  local function listen(...) return peers:listen(...) end
  local function inside(...) return peers:inside(...) end

  local function judge(listener, row, result, before)
    local seen = listener:seen()
    verdict.assert_promise(result, seen.whole - before)
    verdict.assert_result(result, row)
    if row.whole then
      assert.equal(row.whole, seen.whole - before)
    end
    if row.retry_after then
      assert.equal(row.retry_after, result.err.retry_after)
    end
    return seen
  end

  local function run(row, listener, before)
    local started = socket.gettime()
    local result = inside(attempt(listener.url, row[3]))[1]
    if row[3] == SHORT then
      assert.is_true(socket.gettime() - started < BOUND)
    end
    return judge(listener, row, result, before)
  end

  for _, scheme in ipairs(SCHEMES) do
    for _, row in ipairs(UNDER_WAY) do
      it(("over fresh %s: %s"):format(scheme, row[1]), function()
        run(row, listen(scheme, { row[2], wire.SERVICE }), 0)
      end)

      it(("over reused %s: %s"):format(scheme, row[1]), function()
        local listener = listen(scheme, { copy({ request, accept }, row[2]), wire.SERVICE })
        verdict.assert_result(inside(attempt(listener.url))[1], { outcome = "success" })
        local seen = run(row, listener, 1)
        assert.equal(1, #seen.connections)
      end)
    end

    -- The worker sees what happens while it waits, and nothing of it while it is blocked.
    for _, op in ipairs { "wait", "block" } do
      for _, row in ipairs(copy(WHILE_IDLE, scheme == "https" and PARTS or {})) do
        it(("over idle %s, the worker %ss: %s"):format(scheme, op, row[1]), function()
          local script = copy({ request, accept, wire.gate "idle" }, row[2])
          local listener = listen(scheme, { script, wire.SERVICE })
          local results = peers:with_signal({
            attempt(listener.url), { op = op }, attempt(listener.url),
          }, function()
            listener:wait_done("accept")
            listener:open("idle")
            listener:wait_done(script[#script].op)
          end)
          verdict.assert_result(results[1], { outcome = "success" })
          local seen = judge(listener, { outcome = "success" }, results[3], 1)
          assert.equal(2, #seen.connections)
          assert.equal(1, seen.connections[1].whole)
          assert.equal(seen.connections[2].accepted[1], results[3].message.id)
        end)
      end
    end

    -- Sends so many at once, so that as many connections are idle then; their scripts begin so.
    local POOLED = { request, wire.gate "all", accept }
    local function fill_pool(listener, n)
      local one, answers = cjson.encode { attempt(listener.url) }, {}
      for i = 1, n do answers[i] = server:begin("/send", one) end
      listener:wait(function(seen) return seen.whole == n end, "as many requests")
      listener:open("all")
      for i = 1, n do
        verdict.assert_result(cjson.decode(answers[i]())[1], { outcome = "success" })
      end
    end

    it(("over idle %s: a pool of nothing but spoiled connections"):format(scheme), function()
      local spoiled = copy(POOLED, { wire.gate "idle", UNASKED[1][2] })
      local listener = listen(scheme, { spoiled, spoiled, spoiled, wire.SERVICE })
      fill_pool(listener, 3)
      local results = peers:with_signal({ { op = "block" }, attempt(listener.url) }, function()
        listener:open("idle")
        for i = 1, 3 do
          listener:wait_done(UNASKED[1][2].op, i)
        end
      end)
      local seen = judge(listener, { outcome = "success" }, results[2], 3)
      assert.equal(4, #seen.connections)
      assert.equal(1, seen.connections[4].whole)
    end)

    for i = 1, 2 do
      it(("over idle %s: a pool of two, number %d is spoiled"):format(scheme, i), function()
        local good = copy(POOLED, wire.SERVICE)
        local scripts = { good, good, wire.SERVICE }
        scripts[i] = copy(POOLED, { wire.gate "idle", UNASKED[1][2] })
        local listener = listen(scheme, scripts)
        fill_pool(listener, 2)
        local results = peers:with_signal({ { op = "block" }, attempt(listener.url) }, function()
          listener:open("idle")
          listener:wait_done(UNASKED[1][2].op, i)
        end)
        local seen = judge(listener, { outcome = "success" }, results[2], 2)
        assert.equal(2, #seen.connections)
        assert.equal(seen.connections[3 - i].accepted[2], results[2].message.id)
      end)
    end

    for _, row in ipairs {
      { "deaf", deaf, SHORT }, { "rst", rst }, { "close", close },
    } do
      it(("over %s: an early refusal amid a large request, then %s"):format(scheme, row[1]),
        function()
          local listener = listen(scheme, {
            { head, wire.reply(413, ENVELOPE), wire.pause(0.05), row[2] }, wire.SERVICE,
          })
          local one = attempt(listener.url, row[3])
          one.ballast_bytes = 16 * 1024 * 1024
          local results = inside(one, attempt(listener.url))
          verdict.assert_result(results[1], { outcome = "rejected", kind = "api", status = 413 })
          verdict.assert_result(results[2], { outcome = "success" })
          assert.equal(1, listener:seen().whole)
        end)
    end

    it(("over %s: one connection serves many"):format(scheme), function()
      local listener = listen(scheme, { wire.SERVICE })
      for i = 1, 5 do
        local result = inside(attempt(listener.url))[1]
        verdict.assert_result(result, { outcome = "success" })
        assert.equal(listener:seen().connections[1].accepted[i], result.message.id)
      end
      assert.equal(1, #listener:seen().connections)
    end)

    it(("over %s: a connection serves on after a reply in chunks, not after a refusal"):format(
      scheme), function()
        local listener = listen(scheme, {
          { request, send(CHUNKED), request, wire.reply(422, ENVELOPE) },
          { request, wire.reply(204) },
          { request, accept },
        })
        local each = attempt(listener.url)
        local results = inside(each, each, each, each)
        verdict.assert_result(results[1], { outcome = "success" })
        verdict.assert_result(results[2], { outcome = "rejected", status = 422 })
        verdict.assert_result(results[3], { outcome = "accepted", status = 204 })
        verdict.assert_result(results[4], { outcome = "success" })
        assert.equal(3, #listener:seen().connections)
      end)

    local ENDINGS = {
      { "says close", with(lengthy(#DATA) .. DATA, "Connection: x, Close") },
      { "speaks HTTP/1.0", (lengthy(#DATA):gsub("1%.1", "1.0")) .. DATA },
      { "sends more than it said", lengthy(#DATA) .. DATA .. " " },
      { "says its length twice over", with(CHUNKED, "Content-Length: 9") },
    }
    for _, ending in ipairs(ENDINGS) do
      it(("over %s: no second request to a server that %s"):format(scheme, ending[1]), function()
        local script = { request, send(ending[2]), wire.loop { request, accept } }
        local listener = listen(scheme, { script })
        local each = attempt(listener.url)
        for _, result in ipairs(inside(each, { op = "sleep", seconds = 0.05 }, each)) do
          if next(result) then verdict.assert_result(result, { outcome = "success" }) end
        end
        assert.equal(2, #listener:seen().connections)
      end)
    end

    it(("over %s: a fresh connection when asked for"):format(scheme), function()
      local listener = listen(scheme, { wire.SERVICE })
      local fresh = attempt(listener.url, { timeout = 20, fresh = true })
      local results = inside(attempt(listener.url), fresh, fresh, attempt(listener.url))
      for _, result in ipairs(results) do
        verdict.assert_result(result, { outcome = "success" })
      end
      assert.equal(3, #listener:seen().connections)
    end)

    it(("over %s: no more connections are open than are allowed"):format(scheme), function()
      local script = { request, wire.gate "all", accept, request, accept }
      local listener = listen(scheme, { script })
      local one = cjson.encode { attempt(listener.url, nil, { max_connections = 2 }) }
      local answers = {}
      for i = 1, 4 do answers[i] = server:begin("/send", one) end
      listener:wait(function(seen) return seen.whole == 2 end, "two requests")
      listener:open("all")
      for i = 1, 4 do
        verdict.assert_result(cjson.decode(answers[i]())[1], { outcome = "success" })
      end
      assert.equal(2, #listener:seen().connections)
    end)
  end

  it("leaves no connection open for long after the last send", function()
    local listener = listen("http", { wire.SERVICE })
    verdict.assert_result(inside(attempt(listener.url))[1], { outcome = "success" })
    local give_up = socket.gettime() + 30
    repeat
      socket.sleep(0.1)
      assert.is_true(socket.gettime() < give_up)
    until listener:seen().connections[1].ended
    assert.are_not.equal("script", listener:seen().connections[1].ended_by)
  end)

  it("takes its request with it when it is killed and nobody else waits", function()
    local listener = listen("http", { { request, stall } })
    local step = attempt(listener.url)
    step.op = "kill_alone"
    local result = inside(step)[1]
    assert.truthy(result.was_killed, result.why)
    listener:wait(function(seen) return seen.connections[1].ended end, "the end of its connection")
  end)

  it("takes its request with it also where its settings are forgotten and were used", function()
    local listener = listen("http", { { request, accept }, { request, stall } })
    local step = attempt(listener.url, nil, { user_agent = "first" })
    step.op = "kill_forgotten"
    local result = inside(step)[1]
    verdict.assert_result(result.before, { outcome = "success" })
    assert.equal("first", listener:seen().connections[1].requests[1].headers["user-agent"])
    assert.truthy(result.was_killed, result.why)
    listener:wait_ended(2)
  end)

  it("takes its request with it also when nginx has dropped a look", function()
    local listener = listen("http", { { request, accept, request, stall } })
    local crowded = nginx.start {
      http = "lua_max_running_timers 1;",
      server = [[location = /send {
        content_by_lua_block { require("spec.support.nginx_send").serve() } }]],
    }
    finally(function() crowded:stop() end)
    local function ask(...) return cjson.decode(crowded:ask("/send", cjson.encode { ... })) end
    local kill = attempt(listener.url)
    kill.op = "kill_alone"
    ask({ op = "hold_timers", seconds = 2 }, attempt(listener.url), { op = "sleep", seconds = 3.5 })
    assert.matches("lua_max_running_timers", crowded:log())
    assert.truthy(ask(kill)[1].was_killed)
    listener:wait(function(seen) return seen.connections[1].ended end, "the end of its connection")
  end)

  it("is not carried on by who comes later, when nobody looked after it", function()
    local listener = listen("http", { wire.SERVICE })
    local crowded = nginx.start {
      http = "lua_max_running_timers 1;",
      server = [[location = /send {
        content_by_lua_block { require("spec.support.nginx_send").serve() } }]],
    }
    finally(function() crowded:stop() end)
    local killed, later = attempt(listener.url), attempt(listener.url)
    killed.op = "kill_at_once"
    killed.message = { from = MESSAGE.from, to = MESSAGE.to, text = "killed" }
    local results = cjson.decode(crowded:ask("/send", cjson.encode {
      { op = "hold_timers", seconds = 4 }, killed, { op = "sleep", seconds = 2.5 }, later,
    }))
    assert.truthy(results[2].was_killed)
    verdict.assert_result(results[4], { outcome = "success" })
    assert.equal(1, listener:seen().whole)
    assert.is_nil(listener:seen().connections[1].raw:find("killed", 1, true))
  end)

  -- Whether its request went out already, or waits for the connection of another.
  for outcome, max_connections in pairs { unknown = 2, not_sent = 1 } do
    it(("is told as %s when it is taken for dead and lives"):format(outcome), function()
      local listener = listen("http", { { request, wire.gate "go", accept }, { request, stall } })
      local step = attempt(address("http", listener.port, "127.0.0.1"), nil,
        { max_connections = max_connections })
      step.op = "forget_one"
      local result = peers:with_signal({ step }, function()
        peers:wait_held()
        listener:open("go")
      end)[1]
      verdict.assert_result(result.other, { outcome = "success" })
      verdict.assert_result(result.forgotten, {
        outcome = outcome, kind = "timeout", retryable = false,
      })
      assert.matches("taken for dead", result.forgotten.err.cause)
      assert.equal(max_connections, listener:seen().whole)
    end)
  end

  it("keeps the connections of the thirty-two settings that were used last", function()
    local listener = listen("http", { wire.SERVICE })
    local each = {}
    for i = 1, 40 do each[i] = attempt(listener.url, nil, { user_agent = "app/" .. i }) end
    for _, result in ipairs(cjson.decode(server:ask("/send", cjson.encode(each)))) do
      verdict.assert_result(result, { outcome = "success" })
    end
    local function n_open(seen)
      local n = 0
      for _, connection in ipairs(seen.connections) do n = n + (connection.ended and 0 or 1) end
      return n
    end
    listener:wait(function(seen) return n_open(seen) == 32 end, "thirty-two connections")
    inside(each[9], each[10], each[40])
    assert.equal(40, #listener:seen().connections)
    inside(each[8], each[9])
    assert.equal(41, #listener:seen().connections)
  end)

  it("serves out whose settings are forgotten meanwhile, and closes the connection", function()
    local listener = listen("http", { { request, wire.gate "go", accept }, wire.SERVICE })
    local function with_agent(i) return attempt(listener.url, nil, { user_agent = "app/" .. i }) end
    local answer, others = server:begin("/send", cjson.encode { with_agent(0) }), {}
    listener:wait(function(seen) return seen.whole == 1 end, "the first request")
    for i = 1, 32 do others[i] = with_agent(i) end
    server:ask("/send", cjson.encode(others))
    listener:open("go")
    verdict.assert_result(cjson.decode(answer())[1], { outcome = "success" })
    local started = socket.gettime()
    listener:wait_ended(1)
    assert.is_true(socket.gettime() - started < BOUND)
  end)

  describe("that never begins", function()
    local function as_https(...)
      local script = { ... }
      return function()
        local listener = listen("http", { script })
        return address("https", listener.port), listener
      end
    end

    local function certified(tls, name)
      return function()
        local listener = listen("https", { wire.SERVICE }, tls)
        return address("https", listener.port, name), listener
      end
    end

    local function at(scheme, port)
      return function() return address(scheme, station[port](station)) end
    end

    local ROWS = {
      { "unknown host", function() return address("https", 443, "host.invalid") end },
      { "refused", at("http", "refusing_port"),
        cause = "no connection to localhost:%d+ could be made: nobody" },
      { "refused, by an address of IPv6", function()
        return address("http", station:refusing_port(), "[::1]")
      end,
        cause = "no connection to %[::1%]:%d+ could be made: nobody" },
      { "refused, https", at("https", "refusing_port") },
      { "full backlog", at("http", "full_port"), SHORT, kind = "timeout" },
      { "full backlog, connect limit", at("http", "full_port"), SHORT_CONNECT, kind = "timeout" },
      { "full backlog, https", at("https", "full_port"), SHORT, kind = "timeout" },
      { "reset before the handshake", as_https(rst) },
      { "reset in the handshake", as_https(bytes(5), rst) },
      { "closed in the handshake", as_https(bytes(5), fin) },
      { "closed before the handshake", as_https(fin) },
      { "handshake stalled", as_https(stall), SHORT, kind = "timeout" },
      { "handshake stalled, connect limit", as_https(stall), SHORT_CONNECT, kind = "timeout" },
      { "handshake half-way", as_https(bytes(5), send "\22\3\3\0\122\2\0\0\118\3\3", fin) },
      { "plain HTTP on the port", as_https(bytes(5), send "HTTP/1.1 400 Bad Request\r\n\r\n") },
      { "garbage on the port", as_https(bytes(5), forever "garbage") },
      { "untrusted authority", certified("untrusted") },
      { "expired certificate", certified("expired") },
      { "certificate for another name", certified("wrong_name") },
    }

    for _, row in ipairs(ROWS) do
      it("is not sent: " .. row[1], function()
        local url, listener = row[2]()
        local started = socket.gettime()
        local result = inside(attempt(url, row[3]))[1]
        if row[3] then
          assert.is_true(socket.gettime() - started < BOUND)
        end
        verdict.assert_result(result, {
          outcome = "not_sent", kind = row.kind or "connection", status = false, retryable = true,
        })
        assert.matches(row.cause or "", result.err.cause)
        if listener then
          verdict.assert_promise(result, listener:seen().whole)
        end
      end)
    end

    it("is sent when the certificate is right", function()
      for _, name in ipairs { "localhost", "127.0.0.1" } do
        local url = certified("good", name)()
        verdict.assert_result(inside(attempt(url))[1], { outcome = "success" })
      end
    end)

    it("is not sent in the clear on a connection of TLS, nor the other way round", function()
      local secure = listen("https", { wire.SERVICE })
      local results = inside(attempt(secure.url), attempt(address("http", secure.port)))
      verdict.assert_result(results[1], { outcome = "success" })
      verdict.assert_result(results[2], { outcome = "unknown" })
      assert.equal(2, #secure:seen().connections)
      local plain = listen("http", { wire.SERVICE })
      results = inside(attempt(plain.url), attempt(address("https", plain.port), SHORT))
      verdict.assert_result(results[1], { outcome = "success" })
      verdict.assert_result(results[2], { outcome = "not_sent" })
      assert.equal(2, #plain:seen().connections)
    end)

    it("is not sent when the message is wrong", function()
      local listener = listen("http", { wire.SERVICE })
      local wrong = attempt(listener.url)
      wrong.message = { from = "+18445550001", to = "nobody", text = "x" }
      verdict.assert_result(inside(wrong)[1], { outcome = "not_sent", kind = "invalid" })
      assert.equal(0, #listener:seen().connections)
    end)
  end)

  -- Whose address is that of another sender in the same worker.
  describe("beside one with other settings", function()
    it("goes with its own key", function()
      local listener = listen("http", { wire.SERVICE })
      local other = KEY .. "_other"
      inside(attempt(listener.url), attempt(listener.url, nil, { api_key = other }))
      local seen = listener:seen()
      assert.equal(2, #seen.connections)
      assert.equal("Bearer " .. KEY, seen.connections[1].requests[1].headers.authorization)
      assert.equal("Bearer " .. other, seen.connections[2].requests[1].headers.authorization)
    end)

    it("trusts only whom it is told to", function()
      local listener = listen("https", { wire.SERVICE })
      local stranger = station:certificates().stranger_ca_file
      local results = inside(
        attempt(listener.url), attempt(listener.url, nil, { ca_file = stranger }))
      verdict.assert_result(results[1], { outcome = "success" })
      verdict.assert_result(results[2], { outcome = "not_sent", kind = "connection" })
      assert.equal(1, listener:seen().whole)
    end)

    it("goes through its own proxy", function()
      local listener = listen("http", { wire.SERVICE })
      local proxy = listen("http", { {
        request, send "HTTP/1.1 200 Connection established\r\n\r\n", request, accept,
      } })
      local proxied = { proxy = "http://127.0.0.1:" .. proxy.port }
      local results = inside(attempt(listener.url), attempt(listener.url, nil, proxied))
      verdict.assert_result(results[2], { outcome = "success" })
      assert.equal(proxy:seen().connections[1].accepted[1], results[2].message.id)
      assert.equal(1, listener:seen().whole)
    end)

    it("reads no more than it may", function()
      local listener = listen("http", { wire.SERVICE })
      local results = inside(
        attempt(listener.url), attempt(listener.url, nil, { max_response_bytes = 1 }))
      verdict.assert_result(results[1], { outcome = "success" })
      verdict.assert_result(results[2], { outcome = "accepted", kind = "protocol" })
    end)

    it("reads no more than it may, though the figures of both are the same", function()
      local listener = listen("http", { wire.SERVICE })
      local results = inside(
        attempt(listener.url, nil, { max_response_bytes = 2111, max_connections = 1 }),
        attempt(listener.url, nil, { max_response_bytes = 2, max_connections = 1111 }))
      verdict.assert_result(results[1], { outcome = "success" })
      verdict.assert_result(results[2], { outcome = "accepted", kind = "protocol" })
    end)

    it("opens no more connections than it may", function()
      local listener = listen("http", { { request, wire.gate "all", accept, request, accept } })
      local function begin(count, max_connections)
        return server:begin("/send", cjson.encode { {
          op = "sends", count = count, message = MESSAGE, limits = LONG,
          options = { api_key = KEY, base_url = listener.url, max_connections = max_connections },
        } })
      end
      local one = begin(1)
      listener:wait(function(seen) return seen.whole == 1 end, "the first request")
      local two = begin(2, 1)
      listener:wait(function(seen) return seen.whole == 2 end, "the second request")
      listener:open("all")
      for _, results in ipairs { cjson.decode(one())[1], cjson.decode(two())[1] } do
        for _, result in ipairs(results) do
          verdict.assert_result(result, { outcome = "success" })
        end
      end
      assert.equal(2, #listener:seen().connections)
    end)
  end)

  describe("and its limits", function()
    it("a body as large as allowed is read, one byte more is not", function()
      for _, length in ipairs { #DATA, #DATA + 1 } do
        local script = { request, send(lengthy(length) .. DATA .. " ") }
        local listener = listen("http", { script })
        local result = inside(attempt(listener.url, nil, { max_response_bytes = #DATA }))[1]
        verdict.assert_result(result, { outcome = length == #DATA and "success" or "accepted" })
      end
    end)

    it("the deadline bounds a reply that keeps coming", function()
      local drip = wire.drip(("X: y\r\n"):rep(999), 0.05)
      local listener = listen("http", { { request, send(OK_HEAD), drip } })
      local started = socket.gettime()
      local result = inside(attempt(listener.url, { timeout = 0.5 }))[1]
      verdict.assert_result(result, { outcome = "accepted", kind = "timeout" })
      assert.is_true(socket.gettime() - started < BOUND)
    end)
  end)

  describe("and its request", function()
    local function sent(options)
      local listener = listen("http", { wire.SERVICE })
      local one = attempt(listener.url, nil, options)
      verdict.assert_result(inside(one)[1], { outcome = "success" })
      return listener:seen().connections[1].requests[1], listener
    end

    it("is one request with each header once", function()
      local seen, listener = sent()
      assert.equal("POST", seen.method)
      assert.equal("/v2/messages", seen.path)
      assert.equal("HTTP/1.1", seen.version)
      assert.equal("Bearer " .. KEY, seen.headers.authorization)
      assert.equal("application/json", seen.headers["content-type"])
      assert.equal(("localhost:%d"):format(listener.port), seen.headers.host)
      assert.equal(#seen.body, tonumber(seen.headers["content-length"]))
      assert.matches("^telnyx%-lua/", seen.headers["user-agent"])
      assert.same(MESSAGE, cjson.decode(seen.body))
    end)

    it("carries megabytes", function()
      local listener = listen("https", { wire.SERVICE })
      local one = attempt(listener.url)
      one.ballast_bytes = 600 * 1024
      verdict.assert_result(inside(one)[1], { outcome = "success" })
      assert.is_true(listener:seen().connections[1].requests[1].body_bytes > 600 * 1024)
    end)
  end)

  describe("by a client that was told of no sender", function()
    local function client_send(url, options, message)
      local all = { api_key = KEY, base_url = url, ca_file = Peers.ca_file }
      for name, value in pairs(options or {}) do
        all[name] = value
      end
      return { op = "send", options = all, message = message or MESSAGE }
    end

    it("trusts whom it is told to", function()
      local listener = listen("https", { wire.SERVICE })
      local result = inside(client_send(listener.url))[1]
      verdict.assert_result(result, { outcome = "success" })
    end)

    it("follows no redirect", function()
      local elsewhere = listen("http", { wire.SERVICE })
      local listener = listen("http", { { request,
        wire.reply(307, "", { { "Location", elsewhere.url .. "/messages" } }) } })
      local result = inside(client_send(listener.url))[1]
      verdict.assert_result(result, { outcome = "rejected", kind = "protocol", status = 307 })
      assert.equal(0, #elsewhere:seen().connections)
    end)

    it("is repeated after a 429, as late as the service asks, and nothing is held up", function()
      local limit = wire.reply(429, ENVELOPE, { { "Retry-After", "0.3" } })
      local listener = listen("http", { { request, limit }, { request, accept } })
      local started = socket.gettime()
      local result = inside(client_send(listener.url))[1]
      verdict.assert_result(result, { outcome = "success" })
      assert.is_true(socket.gettime() - started >= 0.3)
      assert.equal(2, #result.info.attempts)
      assert.equal(2, listener:seen().whole)
    end)

    it("is not repeated when the outcome is unknown", function()
      local listener = listen("http", { { request, rst }, wire.SERVICE })
      local result = inside(client_send(listener.url))[1]
      verdict.assert_result(result, { outcome = "unknown" })
      assert.equal(1, listener:seen().whole)
    end)

    it("is repeated when nothing was sent", function()
      local url = address("http", station:refusing_port())
      local result = inside(client_send(url, { retry = { attempts = 2, base = 0.01 } }))[1]
      verdict.assert_result(result, { outcome = "not_sent" })
      assert.equal(2, #result.err.attempts)
    end)

    it("keeps the key out of what it says", function()
      local listener = listen("http", { { request, send("HTTP/1.1 " .. KEY .. "\r\n\r\n"), fin } })
      local result = inside(client_send(listener.url))[1]
      verdict.assert_result(result, { outcome = "unknown", kind = "protocol" })
    end)
  end)

  describe("and misuse", function()
    local ROWS = {
      { "new", { api_key = KEY, max_connections = 0 }, "max_connections" },
      { "sender", { api_key = KEY, max_connection = 3 }, "max_connection" },
      { "sender", { api_key = KEY, ssl_verify = false }, "ssl_verify" },
      { "sender", { base_url = "https://localhost/v2" }, "api_key" },
      { "sender", { api_key = KEY, base_url = "ftp://localhost" }, "base_url" },
      { "sender", { api_key = "a\nb" }, "api_key" },
    }
    for _, row in ipairs(ROWS) do
      it(("raises in %s: %s"):format(row[1], row[3]), function()
        local result = inside { op = "misuse", call = row[1], options = row[2] }
        assert.matches(row[3], result[1].complaint)
        assert.is_nil(result[1].complaint:find(KEY, 1, true))
      end)
    end
  end)

  describe("many at once in one worker", function()
    local service

    setup(function()
      service = sandbox.start()
    end)

    teardown(function()
      service:stop()
    end)

    it("holds up nobody: a hundred slow answers, and another page all the while", function()
      local pings, worst = 0, 0
      local started = socket.gettime()
      local answer = server:begin("/send", cjson.encode { {
        op = "sends", count = 100, limits = { retry = false, timeout = 20 },
        options = { api_key = KEY, base_url = service.url },
        message = { from = MESSAGE.from, to = SLOW, text = "slowly" },
      } })
      local done
      repeat
        local asked = socket.gettime()
        assert.equal("pong", server:ask("/ping"))
        worst = math.max(worst, socket.gettime() - asked)
        pings = pings + 1
        done = service:ledger().accepted == 100 and socket.gettime() - started > 0.9
      until done or socket.gettime() - started > 20
      local results = cjson.decode(answer())[1]
      local wall = socket.gettime() - started
      for _, result in ipairs(results) do
        verdict.assert_result(result, { outcome = "success" })
      end
      assert.equal(100, #results)
      assert.equal(100, service:ledger().posts)
      assert.is_true(wall >= 1 and wall < 10, "took " .. wall)
      assert.is_true(pings >= 20, "answered only " .. pings)
      host.say("nginx: 100 sends of 1 s in %.2f s; %d other answers meanwhile, slowest %.1f ms",
        wall, pings, worst * 1000)
    end)

    it("sends lists some at a time, one client in several requests at once", function()
      service:reset_ledger()
      local one = cjson.encode { {
        op = "send_all", count = 20, concurrency = 10,
        options = { api_key = KEY, base_url = service.url },
        message = { from = MESSAGE.from, to = SLOW, text = "to all" },
      } }
      local started = socket.gettime()
      local first, second = server:begin("/send", one), server:begin("/send", one)
      assert.equal(20, cjson.decode(first())[1].accepted)
      assert.equal(20, cjson.decode(second())[1].accepted)
      local wall = socket.gettime() - started
      assert.equal(20, cjson.decode(server:ask("/send", one))[1].accepted)
      assert.equal(60, service:ledger().accepted)
      -- One after the other twenty would take as many seconds.
      assert.is_true(wall >= 2 and wall < 12, "took " .. wall)
    end)

    it("waits for no turn when the run has ended", function()
      local counts = inside({ op = "fresh_run", count = 6, concurrency = 6, rate = 0.001,
        options = { api_key = "KEY_REVOKED", base_url = service.url }, message = MESSAGE })[1]
      assert.same({ 6, 1, 5 }, { counts.total, counts.rejected, counts.not_sent })
      assert.equal("20002", counts.stopped.code)
    end)

    it("sends a long list in constant memory", function()
      local result = inside({
        op = "memory_of_run", count = 3000, message = MESSAGE,
        options = { api_key = KEY, base_url = service.url },
      })[1]
      assert.equal(3000, result.accepted)
      assert.is_true(result.grown_kb < 300, result.grown_kb)
    end)

    local function run_limited(n)
      local messages = {}
      for i = 1, 6 do
        messages[i] = { from = MESSAGE.from, to = MESSAGE.to,
          text = ("limit %d of %d"):format(n, i) }
      end
      return inside({ op = "limited_run", n = n, messages = messages,
        options = { api_key = KEY, base_url = service.url, retry = false } })[1]
    end

    it("ends, and tells truly, wherever in a run a host's limit ends a thread", function()
      service:reset_ledger()
      local n, n_returned, result = 1, 0
      repeat
        result = run_limited(n)
        if result.total then
          n_returned = n_returned + 1
          assert.equal(6, result.total, n .. " lines")
          assert.equal(0, result.n_left, n .. " lines")
        end
        local ledger = service:ledger().messages
        for i, said in ipairs(result.told) do
          local seen = ledger[("limit %d of %d"):format(n, i)]
          local n_accepted = seen and seen.accepted or 0
          local where = ("%d lines, %d: %s"):format(n, i, said)
          assert.is_nil(said:find("twice", 1, true), where)
          assert.is_true(n_accepted <= 1, where)
          if said == "accepted" then assert.equal(1, n_accepted, where) end
          if said == "not_sent" or said == "rejected" then assert.equal(0, n_accepted, where) end
        end
        n = n + 1
      until not result.was_raised
      assert.is_true(n > 100 and n_returned > 5, n .. " lines, returned " .. n_returned)
    end)

    -- Whoever steps may be another request of the same client.
    it("tells nobody who steps of an error that has ended another's send", function()
      local slow = { from = MESSAGE.from, to = SLOW, text = "x" } -- an answer after `start` returns
      local n_before = #server:log()
      local result = inside({ op = "limited_start", message = slow,
        options = { api_key = KEY, base_url = service.url } })[1]
      assert.is_true(result.was_raised)
      assert.is_nil(result.why)
      assert.equal("accepted", result.told)
      assert.is_string(result.id)
      -- Its own thread has it.
      assert.matches("user thread aborted: runtime error: the host's limit",
        server:log():sub(n_before + 1))
    end)

    it("tells whoever begins a send of the error that ends it there", function()
      local result = inside({ op = "limited_start", message = MESSAGE, at = "make_ready",
        options = { api_key = KEY, base_url = service.url } })[1]
      assert.is_true(result.was_raised)
      assert.is_false(result.is_begun)
      assert.equal("the host's limit", result.why)
      assert.equal("not_sent", result.told)
    end)

    it("is told of by a run whose light thread is killed", function()
      local busy_once = { from = MESSAGE.from, to = "+15550042910", text = "killed" }
      service:reset_ledger()
      local result = inside({ op = "killed_in_run", message = busy_once, options = {
        api_key = KEY, base_url = service.url, retry = { attempts = 2, base = 2000, cap = 4000 },
      } })[1]
      assert.same({ total = 1, told = "rejected", was_begun = true }, result)
      assert.equal(1, service:ledger().posts)
    end)

    -- nginx uses threads again, and crashes when it is asked about one of another request.
    it("takes nothing from the light threads of other requests and of the user", function()
      local options = { api_key = KEY, base_url = service.url }
      local refused_once = { from = MESSAGE.from, to = "+15550042910", text = "busy once" }
      for _ = 1, 20 do
        assert.equal(4, inside({ op = "start_some", options = options, message = MESSAGE })[1])
        assert.equal(5, inside({ op = "send_all", count = 5, concurrency = 5, options = options,
          message = MESSAGE })[1].accepted)
        assert.same({ "accepted", "accepted", "accepted", "accepted" }, inside({
          op = "own_threads", options = options, message = MESSAGE, refused_once = refused_once,
        })[1])
      end
      assert.is_nil(server:log():find("exited on signal", 1, true))
    end)

    -- The first to wait turns the wheel for both.
    it("goes on when another's thread is killed", function()
      local started = socket.gettime()
      local results = inside({
        op = "survive", options = { api_key = KEY, base_url = service.url },
        message = { from = MESSAGE.from, to = SLOW, text = "survives" },
      })[1]
      assert.truthy(results.was_killed, results.why)
      verdict.assert_result(results.other, { outcome = "success" })
      verdict.assert_result(results.later, { outcome = "success" })
      assert.is_true(socket.gettime() - started < BOUND)
    end)

    it("takes nobody for dead while one has much to do at once", function()
      local results = inside({
        op = "send_busy", options = { api_key = KEY, base_url = service.url, user_agent = "busy" },
        message = { from = MESSAGE.from, to = SLOW, text = "beside a busy one" },
      })[1]
      for i = 1, 2 do verdict.assert_result(results[i], { outcome = "success" }) end
    end)

    it("is told truly in a worker that was held up and then told to end", function()
      service:reset_ledger()
      local results = inside({
        op = "reload_held_up", count = 10,
        options = { api_key = KEY, base_url = service.url },
        message = { from = MESSAGE.from, to = MESSAGE.to, text = "reloaded" },
      })[1]
      for i = 1, 10 do verdict.assert_result(results[i], { outcome = "success" }) end
      assert.equal(10, service:ledger().accepted)
    end)

    it("takes its request with it when its thread is killed", function()
      service:reset_ledger()
      local killed = "+18665550009"
      local results = inside({
        op = "kill_waiting", message = { from = MESSAGE.from, to = SLOW, text = "stays" },
        options = { api_key = KEY, base_url = service.url, max_connections = 1 },
        killed = { from = MESSAGE.from, to = killed, text = "is killed" },
      })[1]
      assert.truthy(results.was_killed, results.why)
      verdict.assert_result(results.other, { outcome = "success" })
      verdict.assert_result(results.later, { outcome = "success" })
      assert.is_nil(service:ledger().messages[killed])
      assert.equal(2, service:ledger().posts)
    end)

    it("lives on in a worker that was held up when another's thread was killed", function()
      local results = inside({
        op = "kill_and_hold_up", options = { api_key = KEY, base_url = service.url },
        message = { from = MESSAGE.from, to = SLOW, text = "held up" },
      })[1]
      assert.truthy(results.was_killed)
      for i = 1, 2 do verdict.assert_result(results.results[i], { outcome = "success" }) end
    end)

    it("is not begun where a function of C has called it, and the worker lives", function()
      service:reset_ledger()
      local results = inside({
        op = "within_c", options = { api_key = KEY, base_url = service.url },
        message = { from = MESSAGE.from, to = MESSAGE.to, text = "in C" },
      })[1]
      local expected = { outcome = "not_sent", kind = "connection",
        cause = "inside a function of C" }
      for _, i in ipairs { "send 1", "send 2", "send 3", "started" } do
        assert.truthy(results[i], results.why)
        verdict.assert_result(results[i], expected)
      end
      verdict.assert_result(results.later, { outcome = "success" })
      assert.equal(2, service:ledger().posts)
    end)

    it("goes on although nothing waits but steps that do not", function()
      local started = inside({
        op = "start_without_waiting", options = { api_key = KEY, base_url = service.url },
        message = { from = MESSAGE.from, to = MESSAGE.to, text = "stepped" },
      })[1]
      verdict.assert_result(started.result, { outcome = "success" })
    end)

    it("is stepped no more when its request has ended, and calls nobody back", function()
      service:reset_ledger()
      server:ask("/send", cjson.encode { {
        op = "start_and_leave", options = { api_key = KEY, base_url = service.url }, seconds = 0.01,
        message = { from = MESSAGE.from, to = SLOW, text = "left" },
      } })
      local left = inside({ op = "step_what_was_left", message = MESSAGE })[1]
      assert.equal(0, left.n_left)
      assert.same({}, left.heard)
      verdict.assert_result(left.own, { outcome = "success" })
      assert.is_true(service:ledger().posts <= 2)
    end)

    it("is stepped no more either when it waited for another attempt", function()
      server:ask("/send", cjson.encode { {
        op = "start_and_leave", options = { api_key = KEY, base_url = service.url }, seconds = 0.3,
        message = { from = MESSAGE.from, to = "+15550042901", text = "left at a pause" },
      } })
      local left = inside({ op = "step_what_was_left", message = MESSAGE })[1]
      assert.equal(0, left.n_left)
      assert.same({}, left.heard)
      verdict.assert_result(left.own, { outcome = "success" })
    end)

    it("is not taken for dead when it begins as somebody looks", function()
      local results = inside({
        op = "around_the_look", count = 30, message = MESSAGE,
        options = { api_key = KEY, base_url = service.url },
      })[1]
      for i = 1, 30 do verdict.assert_result(results[i], { outcome = "success" }) end
    end)

    it("is not taken for dead when another was killed as somebody looked", function()
      local results = inside({
        op = "killed_around_the_look", count = 4, message = MESSAGE,
        slow = { from = MESSAGE.from, to = SLOW, text = "beside the dead" },
        options = { api_key = KEY, base_url = service.url },
      })[1]
      for i = 1, 4 do verdict.assert_result(results[i], { outcome = "success" }) end
    end)

    it("has connections of its own where another's proxy has a name like none", function()
      local results = inside(
        attempt(service.url, nil, { proxy = "nil" }), attempt(service.url))
      verdict.assert_result(results[1], { outcome = "not_sent" })
      verdict.assert_result(results[2], { outcome = "success" })
    end)

    it("is waited for by send_all when the request's context is another", function()
      local counts = inside({
        op = "replace_context", options = { api_key = KEY, base_url = service.url }, messages = {
          { from = MESSAGE.from, to = SLOW, text = "slow" }, MESSAGE,
        },
      })[1]
      assert.equal(2, counts.accepted)
    end)

    it("starts one and goes on", function()
      local started = inside({
        op = "start", options = { api_key = KEY, base_url = service.url },
        message = { from = MESSAGE.from, to = SLOW, text = "alone" },
      })[1]
      verdict.assert_result(started.result, { outcome = "success" })
      assert.same(started.result, started.heard)
      assert.is_false(started.was_done)
      assert.is_true(started.steps > 1)
    end)
  end)
end)

-- A client made before nginx has workers, and a send from each of its phases.
describe("a send in each phase of nginx", function()
  local service, server

  local HTTP_PHASES = [[
  lua_shared_dict results 1m;
  init_by_lua_block {
    client = require("telnyx").new { retry = false }
    require("spec.support.nginx_send").note(client, "init")
  }
  init_worker_by_lua_block {
    local note = require("spec.support.nginx_send").note
    if ngx.worker.id() == 0 then note(client, "init_worker") end
    assert(ngx.timer.at(0, function() note(client, "timer" .. ngx.worker.id()) end))
  }
  ]]

  local function page(phase, text)
    return ([[location = /%s { %s %s_by_lua_block {
      require("spec.support.nginx_send").note(client, "%s") } }
    ]]):format(phase, text, phase, phase)
  end

  local function set_page()
    return [[location = /set {
      set_by_lua_block $nothing {
        require("spec.support.nginx_send").note(client, "set") return "" }
      return 200 "set"; }
    ]]
  end

  local function log_timer_page()
    return [[location = /from_log { return 200 ""; log_by_lua_block {
      assert(ngx.timer.at(0, function()
        require("spec.support.nginx_send").note(client, "from_log") end)) } }
    ]]
  end

  setup(function()
    service = sandbox.start()
    server = nginx.start {
      workers = 2,
      main = "env TELNYX_API_KEY; env TELNYX_BASE_URL;",
      environment = ("TELNYX_API_KEY=%s TELNYX_BASE_URL=%s"):format(KEY, service.url),
      http = HTTP_PHASES,
      server = table.concat {
        page("rewrite", ""), page("access", ""), page("content", ""),
        page("header_filter", 'return 200 "x";'), page("body_filter", 'return 200 "x";'),
        page("log", 'return 200 "x";'), set_page(), log_timer_page(),
        [[location = /result { content_by_lua_block {
          ngx.print(ngx.shared.results:get(ngx.var.arg_key) or "") } } ]],
      },
    }
  end)

  teardown(function()
    server:stop()
    service:stop()
  end)

  local function visit(path)
    local connection = assert(socket.connect("127.0.0.1", server.port))
    connection:send("GET " .. path .. " HTTP/1.0\r\n\r\n")
    connection:settimeout(20)
    connection:receive("*a")
    connection:close()
  end

  local function result_of(key)
    return cjson.decode(sandbox.wait(function()
      local text = server:ask("/result?key=" .. key)
      return text ~= "" and text
    end, "the result of " .. key))
  end

  for _, phase in ipairs { "init", "init_worker", "set", "header_filter", "body_filter", "log" } do
    it("is not sent and says what to do: " .. phase, function()
      if not phase:find("^init") then visit("/" .. phase) end
      local result = result_of(phase)
      assert.is_nil(result.raised)
      verdict.assert_result(result, {
        outcome = "not_sent", kind = "connection", retryable = false,
      })
      assert.matches("ngx%.timer%.at%(0", result.err.cause)
      assert.matches(phase, result.err.cause)
      assert.is_nil(result.err.code)
      assert.equal(1, #result.err.attempts)
    end)
  end

  for _, phase in ipairs { "rewrite", "access", "content" } do
    it("is sent: " .. phase, function()
      visit("/" .. phase)
      verdict.assert_result(result_of(phase), { outcome = "success" })
    end)
  end

  it("is sent from a timer that the log phase started", function()
    visit("/from_log")
    verdict.assert_result(result_of("from_log"), { outcome = "success" })
  end)

  it("is sent by every worker through the one client of init_by_lua", function()
    local first, second = result_of("timer0"), result_of("timer1")
    verdict.assert_result(first, { outcome = "success" })
    verdict.assert_result(second, { outcome = "success" })
    assert.are_not.equal(first.pid, second.pid)
    assert.are_not.equal(first.message.id, second.message.id)
  end)

  it("reached the service as often as it was reported", function()
    assert.equal(service:ledger().accepted, service:ledger().posts)
  end)
end)
