-- Connections of nginx's, before anything is asked over them. Sockets, descriptors and the clock
-- are stand-ins here, so that what takes a busy worker happens in any order.

local core = require "telnyx.core"
local exchanges = require "spec.support.exchange"

local LIMITS = { timeout = 20, connect_timeout = 20 }
local IN_TIME, LATE = 0.0011, 0.0014
local SPOKE = "spoke before it was asked"
-- More than anybody would look.
local FOR_EVER = 1000

describe("a connection of nginx's", function()
  local Connection, now, monotonic, is_silent

  before_each(function()
    monotonic, is_silent, now = core.monotonic, core.is_silent, 1000
    core.monotonic = function() return now end
    package.loaded["telnyx.resty_connection"] = nil
    package.loaded["telnyx.resty_descriptor"] = { of = function(socket) return socket:fd() end }
    Connection = require "telnyx.resty_connection"
  end)

  after_each(function()
    core.monotonic, core.is_silent = monotonic, is_silent
    package.loaded["telnyx.resty_connection"] = nil
    package.loaded["telnyx.resty_descriptor"] = nil
  end)

  -- One socket of nginx's. Each of `peers` is what its next connection meets: `reused`, `fd`,
  -- `looks` (how long each takes, and what it brings), `silent` (what the system says, each time).
  local function socket_of(peers)
    local socket, seen, peer = {}, { looks = 0, longest_ms = 0, connections = 0 }, nil
    local longest_ms
    function socket.settimeout(_, ms) longest_ms = ms end
    function socket.connect()
      peer, seen.connections = assert(table.remove(peers, 1)), seen.connections + 1
      return 1
    end
    function socket.sslhandshake() return true end
    function socket.getreusedtimes() return peer.reused or 0 end
    function socket.fd() return peer.fd end
    function socket.close() peer = nil end
    function socket.send(_, bytes)
      seen.sent_after, seen.sent_over = seen.looks, peer
      return #bytes
    end
    function socket.receiveany()
      if seen.sent_after then return exchanges.GOOD end
      seen.looks, seen.longest_ms = seen.looks + 1, math.max(seen.longest_ms, longest_ms)
      assert(seen.looks < FOR_EVER)
      local look = peer.looks[math.min(seen.looks, #peer.looks)]
      now = now + look[1]
      if look[2] then return look[2] end
      return nil, look[3] or "timeout", ""
    end
    core.is_silent = function(fd)
      assert.equal(peer.fd, fd)
      if type(peer.silent) ~= "table" then return peer.silent end
      return table.remove(peer.silent, 1)
    end
    return socket, seen
  end

  local function carry(scheme, ...)
    local socket, seen = socket_of { ... }
    local request = exchanges.request { scheme = scheme }
    local exchange = core.exchange(request)
    Connection.new(socket, request, "pool", LIMITS):carry(exchange)
    return seen, select(2, exchange:reply())
  end

  local function late(n, ...)
    local looks = {}
    for i = 1, n do looks[i] = { LATE } end
    for _, look in ipairs { ... } do looks[#looks + 1] = look end
    return looks
  end

  for _, scheme in ipairs { "http", "https" } do
    it("that is fresh is listened to for a millisecond: " .. scheme, function()
      local seen = carry(scheme, { fd = 5, looks = { { IN_TIME } }, silent = true })
      assert.equal(1, seen.sent_after)
      assert.equal(1, seen.longest_ms)
    end)

    it("is listened to again while the system holds something: " .. scheme, function()
      local seen, err = carry(scheme,
        { fd = 5, looks = { { IN_TIME }, { IN_TIME }, { IN_TIME, "H" } }, silent = false })
      assert.is_nil(seen.sent_after)
      assert.matches(SPOKE, err.cause)
      seen = carry(scheme,
        { fd = 5, looks = { { IN_TIME } }, silent = { false, false, true } })
      assert.equal(3, seen.sent_after)
    end)

    it("is silent when the system says so, however late: " .. scheme, function()
      local seen = carry(scheme, { fd = 5, looks = { { 5 * LATE } }, silent = true })
      assert.equal(1, seen.sent_after)
    end)

    it("without a descriptor is listened to until one look was in time: " .. scheme, function()
      for n_late = 0, 28, 7 do
        local seen = carry(scheme, { looks = late(n_late, { IN_TIME }) })
        assert.equal(n_late + 1, seen.sent_after)
        local err
        seen, err = carry(scheme, { looks = late(n_late, { LATE, "H" }) })
        assert.is_nil(seen.sent_after)
        assert.matches(SPOKE, err.cause)
      end
    end)

    it("that has ended is not listened to again: " .. scheme, function()
      for _, fd in ipairs { 5, false } do
        local looks = { { LATE, nil, "closed" } }
        local seen, err = carry(scheme, { fd = fd, looks = looks, silent = false })
        assert.equal(1, seen.looks)
        assert.is_nil(seen.sent_after)
        assert.equal("connection", err.kind)
      end
    end)

    it("is not listened to for ever: " .. scheme, function()
      carry(scheme, { looks = { { LATE } } })
      carry(scheme, { fd = 5, looks = { { IN_TIME } }, silent = false })
    end)

    it("is looked at by its own descriptor, not by that of one before: " .. scheme, function()
      local seen = carry(scheme,
        { reused = 1, fd = 5, looks = { { 0, nil, "closed" } }, silent = false },
        { reused = 2, fd = 6, looks = { { IN_TIME } }, silent = true })
      assert.equal(2, seen.connections)
      assert.equal(6, seen.sent_over.fd)
    end)
  end

  it("that was kept is not waited for in the clear, and is under TLS", function()
    local seen = carry("http", { reused = 1, fd = 5, silent = true })
    assert.equal(0, seen.sent_after)
    seen = carry("https", { reused = 1, fd = 5, looks = { { IN_TIME } }, silent = true })
    assert.equal(1, seen.sent_after)
  end)

  it("that was kept and holds what TLS has opened is thrown away", function()
    local seen = carry("https",
      { reused = 1, fd = 5, looks = { { 0, "HTTP" } }, silent = true },
      { fd = 5, looks = { { IN_TIME } }, silent = true })
    assert.equal(2, seen.connections)
  end)

  it("that was kept, without a descriptor, is waited for in the clear too", function()
    local seen = carry("http", { reused = 1, looks = { { IN_TIME } } })
    assert.equal(1, seen.sent_after)
  end)
end)
