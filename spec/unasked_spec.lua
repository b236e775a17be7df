-- A peer that talks when it was not asked: what it says must never pass for the reply to the next
-- message. Judged by what the server accepted, and under which id.

local core = require "telnyx.core"
local telnyx = require "telnyx"
local wire = require "spec.support.wire"

local KEY = "KEY0123456789ABCDEF_unasked"
local MESSAGE = { from = "+18445550001", to = "+18665550001", text = "Hello, World!" }
local LONG = { timeout = 20, connect_timeout = 20 }
local DATA = '{"data":{"id":"11111111-5717-4562-b3fc-2c963f66afa6","parts":1}}'

local request, accept = wire.request, wire.accept

local function reply(status, body)
  return ("HTTP/1.1 %d Status\r\nContent-Length: %d\r\n\r\n%s"):format(status, #body, body)
end

local UNASKED = {
  { "a 200 with a message", reply(200, DATA) },
  { "a 429", reply(429, '{"errors":[{"code":"10011"}]}') },
  { "a 400", reply(400, '{"errors":[{"code":"40310"}]}') },
  { "a 503", reply(503, "") },
  { "a 408 and the end", reply(408, ""), wire.fin },
  { "100 Continue", "HTTP/1.1 100 Continue\r\n\r\n" },
  { "half a status line", "HTTP/1.1 2" },
  { "a status line alone", "HTTP/1.1 200 OK\r\n" },
  { "headers without an end", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" },
  { "one byte", "H" },
  { "an empty line", "\r\n" },
  { "a NUL", "\0" },
  { "two replies", reply(200, DATA) .. reply(200, DATA) },
  { "more than a record", ("x"):rep(40000) },
}

local SCHEMES = { "http", "https" }

describe("an idle connection that", function()
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

  local function listen(scheme, scripts)
    scripts.tls = scheme == "https" and "good" or nil
    return station:listen(scripts)
  end

  local function options(listener)
    return { api_key = KEY, base_url = listener.url, ca_file = certificates.ca_file }
  end

  -- The ids of the messages that each connection's requests became.
  local function ids(seen)
    local all = {}
    for _, connection in ipairs(seen.connections) do
      for _, id in ipairs(connection.accepted) do all[#all + 1] = id end
    end
    return all
  end

  -- Where it came with the reply, the connection is dropped before all of it was said.
  local function wait_until_said(listener)
    listener:wait(function(seen)
      local connection = seen.connections[1]
      for _, step in ipairs(connection.did) do
        if step == "send" then return true end
      end
      return connection.ended
    end)
  end

  for _, scheme in ipairs(SCHEMES) do
    for _, row in ipairs(UNASKED) do
      it("said " .. row[1] .. " is not used again, " .. scheme, function()
        local talking = { request, accept, wire.send(row[2]), row[3] }
        local listener = listen(scheme, { talking, wire.SERVICE })
        client = core.client(options(listener))
        local first = assert(client:send(MESSAGE, LONG))
        wait_until_said(listener)
        local second = assert(client:send(MESSAGE, LONG))
        local seen = listener:seen()
        assert.equal(2, seen.whole)
        assert.same({ first.id, second.id }, ids(seen))
        assert.equal(2, #seen.connections)
      end)
    end

    if scheme == "https" then
      -- Of five bytes, a record's head, OpenSSL says that nothing is pending.
      for _, n_bytes in ipairs { 1, 4, 5, 6, 25 } do
        for _, n_steps in ipairs { 0, 5 } do
          local part = ("holds %d bytes of a record"):format(n_bytes)
          it(part .. (" is not used again, stepped %d times"):format(n_steps), function()
            local talking = { request, accept, wire.part(n_bytes), wire.stall }
            local listener = listen(scheme, { talking, wire.SERVICE })
            client = core.client(options(listener))
            assert(client:send(MESSAGE, LONG))
            listener:wait_done("part")
            for _ = 1, n_steps do client:step(0) end
            assert(client:send(MESSAGE, LONG))
            local seen = listener:seen()
            assert.equal(1, seen.connections[1].whole)
            assert.equal(2, #seen.connections)
          end)
        end

        -- What is said too late for those two milliseconds crosses the request.
        it(("holds %d bytes of a record before the first request gets none"):format(n_bytes),
          function()
            local listener = listen(scheme, { { wire.part(n_bytes), wire.stall } })
            client = core.client(options(listener))
            local n_refused = 0
            for _ = 1, 10 do
              local _, err = client:send(MESSAGE, { timeout = 0.2, fresh = true })
              if err.outcome == "not_sent" then n_refused = n_refused + 1 end
            end
            assert.is_true(n_refused > 0)
          end)
      end
    end

    for _, ending in ipairs { "fin", "rst", "close", "cut" } do
      it("ended by " .. ending .. " is not used again, " .. scheme, function()
        local listener = listen(scheme, { { request, accept, wire[ending] }, wire.SERVICE })
        client = core.client(options(listener))
        assert(client:send(MESSAGE, LONG))
        listener:wait_done(ending)
        local message, info = client:send(MESSAGE, LONG)
        assert(message, info.cause)
        assert.equal(2, listener:seen().whole)
      end)
    end

    it("said nothing serves a hundred messages, " .. scheme, function()
      local listener = listen(scheme, { wire.SERVICE })
      client = core.client(options(listener))
      for _ = 1, 100 do assert(client:send(MESSAGE, LONG)) end
      assert.equal(1, #listener:seen().connections)
    end)

    it("talked is dropped by a step, with nothing in flight, " .. scheme, function()
      local listener = listen(scheme, { { request, accept, wire.send "x" }, wire.SERVICE })
      client = core.client(options(listener))
      assert(client:send(MESSAGE, LONG))
      listener:wait_done("send")
      listener:wait(function(seen)
        client:step(0)
        return seen.connections[1].ended
      end, "the connection dropped")
    end)

    it("said a 429 costs no message its retry, " .. scheme, function()
      local talking = { request, accept, wire.send(reply(429, "")) }
      local listener = listen(scheme, { talking, talking, talking, wire.SERVICE })
      client = telnyx.new(options(listener))
      for i = 1, 4 do
        local _, info = assert(client:send(MESSAGE))
        assert.equal(1, #info.attempts)
        if i < 4 then listener:wait_done("send", i) end
      end
      assert.equal(4, listener:seen().whole)
    end)
  end
end)

-- libcurl shows nothing of the TLS with a proxy, whatever lies in it.
describe("an idle connection through a proxy with TLS that", function()
  local station, certificates
  setup(function()
    station = wire.start()
    certificates = station:certificates()
  end)
  teardown(function() station:stop() end)

  local made = wire.send("HTTP/1.1 200 Connection established\r\n\r\n")

  for _, n_bytes in ipairs { 1, 5, 25 } do
    for _, n_steps in ipairs { 0, 5 } do
      local title = ("holds %d bytes of a record is not used again, stepped %d times")
      it(title:format(n_bytes, n_steps), function()
        local listener = station:listen {
          tls = "good",
          { request, made, request, accept, wire.part(n_bytes), wire.stall },
          { request, made, request, accept },
        }
        local client = core.client {
          api_key = KEY, base_url = "http://127.0.0.1:9/v2", ca_file = certificates.ca_file,
          proxy = "https://127.0.0.1:" .. listener.port,
        }
        assert(client:send(MESSAGE, LONG))
        listener:wait_done("part")
        for _ = 1, n_steps do client:step(0) end
        assert(client:send(MESSAGE, LONG))
        client:close()
        assert.equal(2, #listener:seen().connections)
      end)
    end
  end
end)

describe("a fresh connection that", function()
  local station, client
  setup(function() station = wire.start() end)
  teardown(function() station:stop() end)
  after_each(function() client:close() end)

  -- The system connects it while nobody looks.
  local function begin(listener)
    client = core.client { api_key = KEY, base_url = listener.url }
    local pending = client:start(MESSAGE, LONG)
    client:step(0)
    return pending
  end

  local function finish(pending)
    while not pending:done() do client:step(1) end
    return pending:result()
  end

  for _, row in ipairs(UNASKED) do
    it("says " .. row[1] .. " before the first request gets none", function()
      local listener = station:listen({ { wire.send(row[2]), row[3] or wire.stall } })
      local pending = begin(listener)
      listener:wait_done("send")
      local message, err = finish(pending)
      assert.is_nil(message)
      assert.equal("not_sent", err.outcome)
      assert.equal("protocol", err.kind)
      assert.equal("the other side spoke before it was asked", err.cause)
      assert.is_true(err.retryable)
      assert.equal(0, listener:seen().connections[1].whole)
    end)
  end

  it("may still speak is listened to for two milliseconds", function()
    local listener = station:listen({ wire.SERVICE })
    client = core.client { api_key = KEY, base_url = listener.url }
    for _ = 1, 20 do
      local started = core.monotonic()
      assert(client:send(MESSAGE, { timeout = 20, fresh = true }))
      assert.is_true(core.monotonic() - started >= 0.002)
    end
    assert.equal(20, #listener:seen().connections)
  end)

  for _, ending in ipairs { "fin", "rst" } do
    it("is ended by " .. ending .. " before the first request gets none", function()
      local listener = station:listen({ { wire[ending] } })
      local pending = begin(listener)
      listener:wait_done(ending)
      local message, err = finish(pending)
      assert.is_nil(message)
      assert.equal("not_sent", err.outcome)
      assert.equal("connection", err.kind)
      assert.equal(0, listener:seen().whole)
    end)
  end
end)
