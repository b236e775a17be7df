local core = require "telnyx.core"
local exchanges = require "spec.support.exchange"

local exchange, asked, offered = exchanges.new, exchanges.asked, exchanges.offered
local error_of, new_request = exchanges.error_of, exchanges.request
local GOOD, SEALED_BYTES = exchanges.GOOD, exchanges.SEALED_BYTES

-- Writing -----------------------------------------------------------------------------------------

describe("the request", function()
  it("is written as it stands, its length before its body", function()
    assert.equal("POST /v2/messages HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
      .. "Authorization: Bearer KEY_X\r\nContent-Length: 2\r\n\r\n{}", exchange():offer())
  end)

  it("names the port where it is not the scheme's own", function()
    local function host_of(scheme, port)
      return exchange({ scheme = scheme, port = port }):offer():match("\r\nHost: ([^\r]*)\r\n")
    end
    assert.equal("127.0.0.1", host_of("http", 80))
    assert.equal("127.0.0.1:443", host_of("http", 443))
    assert.equal("127.0.0.1", host_of("https", 443))
    assert.equal("127.0.0.1:80", host_of("https", 80))
    assert.equal("127.0.0.1:65535", host_of("https", 65535))
  end)

  it("may have no body, and any bytes in one", function()
    assert.equal("\r\n\r\n", exchange({ body = "" }):offer():match("Content%-Length: 0(.*)$"))
    assert.equal("\r\n\r\n\0\r\n\255",
      exchange({ body = "\0\r\n\255" }):offer():match("Content%-Length: 4(.*)$"))
  end)

  it("is what core.request makes", function()
    local x = core.exchange(core.request({ to = "+18665550001", from = "+18445550001", text = "a" },
      { api_key = "KEY_X", base_url = "http://[::1]:8080/v2" }))
    assert.truthy(x:offer():find("\r\nHost: [::1]:8080\r\n", 1, true))
    assert.truthy(x:offer():find("\r\nAuthorization: Bearer KEY_X\r\n", 1, true))
  end)

  it("has a resource of visible characters alone: nothing gets into its head by one", function()
    local function made(resource)
      return core.request({}, { api_key = "KEY_X", base_url = "http://127.0.0.1/v2", body = "",
        request = { method = "GET", resource = resource } })
    end
    assert.truthy(core.exchange(made("/a?b=~")):offer():find("^GET /v2/a%?b=~ HTTP/1.1\r\n"))
    for byte = 0, 255 do
      local is_visible = byte > 32 and byte < 127 and byte ~= 35
      assert.equal(is_visible, (pcall(made, "/a" .. string.char(byte))), byte)
    end
    for _, resource in ipairs { "", "a", "http://b.example/" } do
      assert.is_false((pcall(made, resource)))
    end
  end)

  it("is offered up to its end, until it is written", function()
    local x = exchange()
    local all = x:offer()
    x:wrote(10)
    assert.equal(all:sub(11), x:offer())
    x:wrote(0)
    assert.equal(all:sub(11), x:offer())
    x:wrote(#all - 10)
    assert.is_nil(x:offer())
    assert.has_error(function() x:wrote(1) end)
  end)

  it("is not offered on once a status was read, and nothing may follow then", function()
    local x = exchange()
    local n = #x:offer()
    x:wrote(n - 1)
    x:feed("HTTP/1.1 100 Continue\r\n\r\n")
    assert.equal(1, #x:offer())
    x:feed("HTTP/1.1 413 X\r\n")
    assert.is_nil(x:offer())
    x:wrote(1)
    assert.equal("done", x:feed("Content-Length: 0\r\n\r\n"))
    assert.is_false(x:is_reusable())
    assert.equal("rejected", error_of(x).outcome)
  end)
end)

describe("a request has begun", function()
  it("when a plain connection took a byte", function()
    local x = exchange()
    x:offer()
    assert.is_false(x:has_begun())
    x:wrote(0)
    assert.is_false(x:has_begun())
    x:wrote(1)
    assert.is_true(x:has_begun())
  end)

  it("when a plain connection refused what it may have taken", function()
    local x = exchange()
    x:offer()
    x:tore()
    assert.is_true(x:has_begun())
    x:finish("break")
    assert.equal("unknown", error_of(x).outcome)
  end)

  it("not before the last byte of the one record that it fits in", function()
    local x = offered(SEALED_BYTES, "https")
    x:tore()
    assert.is_false(x:has_begun())
    x:wrote(SEALED_BYTES)
    assert.is_true(x:has_begun())
  end)

  it("when more than one record was offered", function()
    local x = offered(SEALED_BYTES + 1, "https")
    assert.is_true(x:has_begun())
    x:finish("break")
    assert.equal("unknown", error_of(x).outcome)
  end)

  it("but not by its size alone", function()
    local body = ("x"):rep(SEALED_BYTES)
    assert.is_false(exchange({ scheme = "https", body = body }):has_begun())
    assert.is_false(exchange({ body = body }):has_begun())
    local x = offered(SEALED_BYTES + 1, "http")
    assert.is_false(x:has_begun())
  end)

  it("and what has not, was not sent, whatever ended it", function()
    local kinds = { close = "connection", ["break"] = "connection", timeout = "timeout" }
    for ending, kind in pairs(kinds) do
      for _, scheme in ipairs { "http", "https" } do
        local x = offered(SEALED_BYTES, scheme)
        assert.equal("broken", x:finish(ending))
        local err = error_of(x)
        assert.equal("not_sent", err.outcome)
        assert.equal(kind, err.kind)
        assert.is_true(err.retryable)
      end
    end
  end)
end)

-- Unasked bytes ---------------------------------------------------------------------------------

describe("bytes that nobody asked for", function()
  local JUNK = {
    "x", "\r\n", "\0", GOOD, "HTTP/1.1 429 X\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n",
  }

  local function expect_unsent(x, bytes)
    assert.equal("broken", x:feed(bytes))
    assert.is_false(x:is_reusable())
    assert.is_nil(x:offer())
    local message, err = x:reply(0)
    assert.is_nil(message)
    assert.equal("not_sent", err.outcome)
    assert.equal("protocol", err.kind)
    assert.is_nil(err.status)
    assert.truthy(err.cause:find("before it was asked", 1, true))
  end

  it("break the exchange before the request is offered, and nothing was sent", function()
    for _, bytes in ipairs(JUNK) do
      expect_unsent(exchange(), bytes)
      expect_unsent(exchange({ scheme = "https" }), bytes)
    end
  end)

  it("break it before a byte was taken", function()
    for _, bytes in ipairs(JUNK) do
      local x = exchange()
      x:offer()
      expect_unsent(x, bytes)
      x = offered(SEALED_BYTES, "https")
      x:tore()
      expect_unsent(x, bytes)
    end
  end)

  it("are none when there are none", function()
    local x = exchange()
    assert.equal("more", x:feed(""))
    x:wrote(#x:offer())
    assert.equal("done", x:feed(GOOD))
  end)

  it("after the reply leave the reply alone, but let nothing follow", function()
    local x = asked()
    x:feed(GOOD)
    assert.is_true(x:is_reusable())
    assert.equal("done", x:feed(""))
    assert.is_true(x:is_reusable())
    assert.equal("done", x:feed("HTTP/1.1 429 X\r\n\r\n"))
    assert.is_false(x:is_reusable())
    assert.equal("m1", x:reply(0).id)
  end)
end)

-- The carrier's words ---------------------------------------------------------------------------

describe("a failure of the carrier's", function()
  it("is told in its words, by what had begun", function()
    for _, kind in ipairs { "connection", "timeout", "protocol" } do
      local x = exchange()
      assert.equal("broken", x:fail(kind, "no such road"))
      local err = error_of(x)
      assert.same({ "not_sent", kind, "no such road" }, { err.outcome, err.kind, err.cause })
      x = asked()
      x:fail(kind, "the road ended")
      err = error_of(x)
      assert.same({ "unknown", kind, "the road ended" }, { err.outcome, err.kind, err.cause })
    end
  end)

  it("does not undo a reply that is whole, nor an earlier end", function()
    local x = asked()
    x:feed(GOOD)
    assert.equal("done", x:fail("connection", "too late"))
    assert.equal("m1", x:reply(0).id)
    assert.is_false(asked():fail("connection", "early") == "done")
    x = asked()
    x:finish("timeout")
    x:fail("connection", "too late")
    assert.equal("timeout", error_of(x).kind)
  end)

  it("keeps the status that was read", function()
    local x = asked()
    x:feed("HTTP/1.1 201 Created\r\n")
    x:fail("connection", "the road ended")
    local err = error_of(x)
    assert.same({ "accepted", 201, "the road ended" }, { err.outcome, err.status, err.cause })
  end)

  it("says stale only where nothing was sent", function()
    local x = exchange()
    x:finish("close")
    assert.is_true(select(2, x:reply(0, true)).stale)
    assert.is_nil(select(2, x:reply(0)).stale)
    x = asked()
    x:finish("close")
    assert.is_nil(select(2, x:reply(0, true)).stale)
  end)
end)

-- Misuse ----------------------------------------------------------------------------------------

describe("core.exchange", function()
  local function expect_refused(words, changes, options)
    local ok, err = pcall(exchange, changes, options)
    assert.is_false(ok)
    assert.truthy(err:find(words, 1, true), err)
    assert.is_nil(err:find("KEY_X", 1, true))
  end

  it("refuses what cannot stand in a head, without showing it", function()
    for _, bad in ipairs { "a\r\nb", "a\nb", "a\rb", "a\0b", "" } do
      for _, field in ipairs { "method", "path", "host" } do
        expect_refused("the request's " .. field, { [field] = bad })
      end
      expect_refused("header name", { headers = { { bad, "KEY_X" } } })
      local value = bad == "" and "" or bad .. "KEY_X"
      expect_refused("header value", { headers = { { "A", value } } })
    end
  end)

  it("refuses a request that is none", function()
    expect_refused("method", { method = 1 })
    expect_refused("scheme", { scheme = "ftp" })
    expect_refused("port", { port = 0 })
    expect_refused("port", { port = 65536 })
    expect_refused("headers", { headers = "A: b" })
    expect_refused("headers", { headers = { "A: b" } })
    expect_refused("header value", { headers = { { "A" } } })
    expect_refused("header value", { headers = { { "A", 1 } } })
    expect_refused("body", { body = 7 })
    local many = {}
    for i = 1, 17 do many[i] = { "A", "b" } end
    expect_refused("headers", { headers = many })
    for _, name in ipairs { "method", "scheme", "host", "port", "path", "headers" } do
      local request = new_request()
      request[name] = nil
      local ok, err = pcall(core.exchange, request)
      assert.is_false(ok)
      assert.truthy(err:find(name, 1, true))
    end
  end)

  it("refuses options that are none", function()
    expect_refused("max_response_byte", nil, { max_response_byte = 1 })
    expect_refused("max_response_bytes", nil, { max_response_bytes = 0 })
    expect_refused("max_response_bytes", nil, { max_response_bytes = "1" })
  end)

  it("refuses counts, endings and bytes that are none", function()
    local x = exchange()
    local n = #x:offer()
    for _, bad in ipairs { -1, 0.5, n + 1, 0 / 0, 1 / 0, "x" } do
      assert.has_error(function() x:wrote(bad) end)
    end
    assert.has_error(function() x:feed(7) end)
    assert.has_error(function() x:feed() end)
    assert.has_error(function() x:finish("open") end)
    assert.has_error(function() x:fail("api", "x") end)
    assert.has_error(function() x:fail("connection") end)
    assert.is_false(x:has_begun())
    assert.equal("more", x:state())
  end)

  it("has no reply before the end", function()
    local x = asked()
    assert.has_error(function() x:reply() end)
    x:feed(GOOD)
    assert.equal("m1", x:reply().id)
    assert.equal("m1", x:reply().id)
  end)

  it("says in a word how it stands, and never what it carries", function()
    local x = exchange()
    assert.truthy(tostring(x):find("more", 1, true))
    x:finish("close")
    assert.truthy(tostring(x):find("broken", 1, true))
    assert.is_nil(tostring(x):find("KEY_X", 1, true))
  end)

  it("outlives its request, and is not reached into", function()
    local request = new_request()
    local x = core.exchange(request)
    request.body, request.headers[1][2] = nil, "other"
    request = nil -- luacheck: ignore
    collectgarbage()
    assert.truthy(x:offer():find("Bearer KEY_X", 1, true))
    assert.equal("locked", getmetatable(x))
    assert.has_error(function() x.feed({}, "x") end)
  end)

  local function own(name)
    local file = assert(io.open("/proc/self/" .. name))
    local text = file:read("*a")
    file:close()
    return text
  end

  local function resident_kilobytes()
    return tonumber(own("status"):match("VmRSS:%s*(%d+)"))
  end

  local function hold_and_let_go()
    for _ = 1, 300 do
      local x = asked()
      x:feed("HTTP/1.1 200 OK\r\n\r\n" .. ("x"):rep(65536))
      x = asked()
      x:feed("HTTP/1.1 200 OK\r\nA: " .. ("x"):rep(60000))
    end
    collectgarbage()
    collectgarbage()
  end

  it("lets go of what it holds", function()
    hold_and_let_go()
    local before = resident_kilobytes()
    for _ = 1, 5 do hold_and_let_go() end
    -- A sanitizer keeps what was freed, and tells of leaks itself.
    if not own("maps"):find("libasan", 1, true) then
      assert.is_true(resident_kilobytes() - before < 64 * 1024)
    end
    assert.equal("done", asked():feed(GOOD))
  end)
end)
