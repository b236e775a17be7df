-- The key of a send as a header: off by default, on each of its requests when it is on, and without
-- a say in any outcome.

local core = require "telnyx.core"
local sandbox = require "telnyx.sandbox"
local telnyx = require "telnyx"
local wire = require "spec.support.wire"

local KEY = "KEY0123456789ABCDEF_idempotency"
local MESSAGE = { from = "+18445550001", to = "+18665550001", text = "Hello" }
local request, accept = wire.request, wire.accept

local TOO_MANY = wire.reply(429, '{"errors":[{"code":"10011","title":"Too many requests"}]}',
  { ["Retry-After"] = "0" })

local GOOD = { "a", "Z", "0", "_", "-", "order-4711", "A_b-9", ("k"):rep(255) }
local BAD = {
  "order 4711", "order:4711", "a.b", "a/b", "schlüssel", "a\r\nX-Evil: 1", "a\n", "a\t", " a", "a ",
  "a,b", "\"a\"", "a@b", "a`", "a[", "a{", "a+b",
}

describe("the idempotency header", function()
  local station, listener, client
  setup(function() station = wire.start() end)
  teardown(function() station:stop() end)
  after_each(function() if client then client:close() end end)

  local function new(options, ...)
    listener = station:listen { ... }
    options = options or {}
    options.api_key, options.base_url = KEY, listener.url
    client = telnyx.new(options)
    return client
  end

  -- Of each request, in order: the header's values, whatever its case.
  local function seen()
    local found = {}
    for _, connection in ipairs(listener:seen().connections) do
      for _, one in ipairs(connection.requests) do
        local values = {}
        for _, pair in ipairs(one.header_list) do
          if pair[1]:lower() == "idempotency-key" then values[#values + 1] = pair[2] end
        end
        found[#found + 1] = table.concat(values, ", ")
      end
    end
    return found
  end

  it("is not there unless it is asked for", function()
    assert(new({}, wire.SERVICE):send(MESSAGE, { key = "order-1" }))
    assert(client:send(MESSAGE, { key = "order-2", idempotency_header = false }))
    assert.same({ "", "" }, seen())
  end)

  it("is the key, for a client, a profile or a call", function()
    new({ profiles = { with = { idempotency_header = true } } }, wire.SERVICE)
    assert(client:send(MESSAGE, { key = "a-1", idempotency_header = true }))
    assert(client:profile("with"):send(MESSAGE, { key = "a-2" }))
    assert(client:profile("with"):send(MESSAGE, { key = "a-3", idempotency_header = false }))
    assert.same({ "a-1", "a-2", "" }, seen())
    client:close()
    assert(new({ idempotency_header = true }, wire.SERVICE):send(MESSAGE, { key = "b-1" }))
    assert(client:send(MESSAGE))
    assert.same({ "b-1", "" }, seen())
  end)

  it("goes with what is started, and with a run", function()
    new({ idempotency_header = true }, wire.SERVICE)
    local pending = client:start(MESSAGE, { key = "s-1" })
    while client:step(1) > 0 do end
    assert.is_table((pending:result()))
    local counts = client:send_all({ MESSAGE, MESSAGE }, { concurrency = 1,
      key = function(index) return "r-" .. index end })
    assert.equal(2, counts.accepted)
    assert.same({ "s-1", "r-1", "r-2" }, seen())
  end)

  it("is the same at each attempt", function()
    new({ idempotency_header = true, retry = { base = 0, cap = 0 } },
      { request, TOO_MANY }, { request, TOO_MANY }, { request, accept })
    assert(client:send(MESSAGE, { key = "again" }))
    assert.same({ "again", "again", "again" }, seen())
  end)

  it("is as long as it may be", function()
    new({ idempotency_header = true }, wire.SERVICE)
    for _, key in ipairs(GOOD) do assert(client:send(MESSAGE, { key = key })) end
    assert.same(GOOD, seen())
  end)

  it("refuses a key that it cannot carry, before anything is sent or claimed", function()
    new({ idempotency_header = true }, wire.SERVICE)
    for _, key in ipairs(BAD) do
      local sent, err = client:send(MESSAGE, { key = key })
      assert.is_nil(sent)
      assert.equal("not_sent", err.outcome)
      assert.equal("idempotency_key", err.rule)
      assert.equal("10015", err.code)
      assert.equal("/header/Idempotency-Key", err.pointer)
      assert.equal("local", err.source)
      assert.is_nil(tostring(err):find("[%c]"))
    end
    assert.same({}, seen())
    for _, key in ipairs(BAD) do
      assert(client:send(MESSAGE, { key = key, idempotency_header = false }))
    end
    assert.equal(#BAD, #seen())
  end)

  it("does not spare an unknown, and nothing is sent again for its sake", function()
    new({ idempotency_header = true }, { request, wire.rst }, wire.SERVICE)
    local sent, err = client:send(MESSAGE, { key = "k" })
    assert.is_nil(sent)
    assert.equal("unknown", err.outcome)
    assert.is_false(err.retryable)
    local _, replayed = client:send(MESSAGE, { key = "k" })
    assert.equal("unknown", replayed.outcome)
    assert.same({ "k" }, seen())
  end)

  it("is no part of what a key is for", function()
    new({}, wire.SERVICE)
    assert(client:send(MESSAGE, { key = "k" }))
    local _, info = client:send(MESSAGE, { key = "k", idempotency_header = true })
    assert.is_true(info.replayed)
    assert.same({ "" }, seen())
  end)
end)

describe("a request with an idempotency key", function()
  local UNFIT = "'idempotency_key' must be 1 to 255 letters"
  local SETTINGS = { api_key = KEY, base_url = "https://example.com/v2" }

  local function with_key(key)
    local settings = { idempotency_key = key }
    for name, value in pairs(SETTINGS) do settings[name] = value end
    return core.request(MESSAGE, settings)
  end

  it("has it as one header more", function()
    local plain, keyed = with_key(nil), with_key("k-1")
    assert.equal(#plain.headers + 1, #keyed.headers)
    assert.same({ "Idempotency-Key", "k-1" }, keyed.headers[#keyed.headers])
    assert.equal(plain.body, keyed.body)
  end)

  it("is not made with a key that could not stand there", function()
    for _, key in ipairs(BAD) do assert.error_matches(function() with_key(key) end, UNFIT) end
    assert.error_matches(function() with_key(("k"):rep(256)) end, UNFIT)
  end)

  it("is not begun by a client with one either", function()
    local client = core.client { api_key = KEY, base_url = "http://127.0.0.1:9/v2" }
    for _, key in ipairs(BAD) do
      local limits = { idempotency_key = key }
      assert.error_matches(function() client:send(MESSAGE, limits) end, UNFIT)
      assert.error_matches(function() client:start(MESSAGE, limits) end, UNFIT)
    end
    client:close()
  end)
end)

describe("the sandbox", function()
  it("replays what it has answered under the header's key, if it is told to", function()
    local sender = sandbox.sender { idempotency = true }
    local one = telnyx.new { sender = sender, idempotency_header = true }
    local other = telnyx.new { sender = sender, idempotency_header = true } -- forgets the key
    local first = assert(one:send(MESSAGE, { key = "k" }))
    local second = assert(other:send(MESSAGE, { key = "k" }))
    assert.equal(first.id, second.id)
    assert.equal(2, sender:ledger().posts)
    assert.equal(1, sender:ledger().accepted)
  end)

  it("does not see it otherwise", function()
    local sender = sandbox.sender { idempotency = true }
    for _ = 1, 2 do assert(telnyx.new { sender = sender }:send(MESSAGE, { key = "k" })) end
    assert.equal(2, sender:ledger().accepted)
  end)
end)

describe("an outbox's worker", function()
  local function with_journal(work)
    local path = os.tmpname()
    os.remove(path)
    local journal = telnyx.journal.sqlite(path)
    local ok, found = pcall(work, journal)
    journal:close()
    for _, ending in ipairs { "", "-wal", "-shm" } do os.remove(path .. ending) end
    if not ok then error(found, 0) end
    return found
  end

  local function sent_by(journal, options, keys)
    local found = {}
    options.journal = journal
    options.sender = { takes_body = true, send = function(_, _, limits)
      found[#found + 1] = limits.idempotency_key or "none"
      return { id = "m" .. #found }, {}
    end }
    local adds = telnyx.new { journal = journal, sender = options.sender }
    for i, key in ipairs(keys) do
      assert(adds:outbox():add({ from = MESSAGE.from, to = MESSAGE.to, text = "x" .. i },
        { key = key }))
    end
    local client = telnyx.new(options)
    local counts = client:outbox():run { until_empty = true }
    assert.equal(#keys, counts.accepted)
    return found
  end

  local function sent_with(options, keys)
    return with_journal(function(journal) return sent_by(journal, options, keys) end)
  end

  it("sends it if its client says so, where the key can be one", function()
    assert.same({ "none", "none" }, sent_with({}, { "a", "b" }))
    assert.same({ "a", "none" }, sent_with({ idempotency_header = true }, { "a", "b c" }))
  end)
end)
