-- Sends under a key: never posted twice, whatever happens between the calls.

local telnyx = require("telnyx")
local sandbox = require("telnyx.sandbox")

local FROM = "+18445550001"
local GOOD, STOPPED, LOST = "+18665550001", "+15550040300", "+15550090012"

local function with_store(store, sender)
  sender = sender or sandbox.sender()
  local client = telnyx.new({ sender = sender, store = store, retry = false })
  local function send(key, to, text)
    return client:send({ from = FROM, to = to or GOOD, text = text or "Hello" }, { key = key })
  end
  return send, client, sender
end

local function posts(sender) return sender:ledger().posts end

it("a second send returns the first one's message, and posts nothing", function()
  local send, _, sender = with_store(nil)
  local first = assert(send("order-1"))
  local again, info = send("order-1")
  assert.equal(first.id, again.id)
  assert.is_true(info.replayed)
  assert.equal("accepted", info.outcome)
  assert.equal(1, posts(sender))
  assert.not_equal(first.id, send("order-2").id)
end)

it("a refusal is remembered, until it is resolved", function()
  local send, client, sender = with_store(nil)
  local _, err = send("order-1", STOPPED)
  local _, again = send("order-1", STOPPED)
  assert.equal("40300", err.code)
  assert.equal("40300", again.code)
  assert.is_true(again.replayed)
  assert.equal(1, posts(sender))
  assert.is_true(client:resolve("order-1", nil))
  assert.truthy(send("order-1", GOOD))
  assert.equal(2, posts(sender))
end)

it("an unknown outcome stays unknown until it is resolved with a message", function()
  local send, client, sender = with_store(nil)
  local _, err = send("order-1", LOST)
  assert.equal("unknown", err.outcome)
  local _, again = send("order-1", LOST)
  assert.equal("unknown", again.outcome)
  assert.equal("order-1", again.key)
  assert.equal(1, posts(sender))
  assert.is_true(client:resolve("order-1", { id = "m-1" }))
  assert.equal("m-1", send("order-1", LOST).id)
  assert.equal(1, posts(sender))
end)

it("what was never sent may be tried again under its key", function()
  local store = telnyx.store.memory()
  local offline = { send = function()
    return nil, { outcome = "not_sent", kind = "connection", retryable = true }
  end }
  local send_offline = with_store(store, offline)
  local _, err = send_offline("order-1")
  assert.equal("not_sent", err.outcome)
  local send, _, sender = with_store(store)
  assert.truthy(send("order-1"))
  assert.truthy(send("order-1"))
  assert.equal(1, posts(sender))
end)

it("keys that look like each other's slots are different keys", function()
  local send, client, sender = with_store(nil)
  send("a", STOPPED)
  client:resolve("a", nil)
  send("a")
  assert.truthy(send("2:a"))
  assert.truthy(send("a#2"))
  assert.equal(4, posts(sender))
end)

it("a message that is refused here does not use up its key", function()
  local send, _, sender = with_store(nil)
  local _, err = send("order-1", "nobody")
  assert.equal("invalid", err.kind)
  assert.truthy(send("order-1"))
  assert.equal(1, posts(sender))
end)

it("a store that fails before the wire stops the send", function()
  local broken = { get = function() end, set = function() return true end,
    add = function() return nil, "disk full" end }
  local send, _, sender = with_store(broken)
  local _, err = send("order-1")
  assert.equal("not_sent", err.outcome)
  assert.truthy(tostring(err):find("disk full", 1, true))
  assert.equal(0, posts(sender))
end)

it("a store that fails after the wire does not lose the outcome", function()
  local store = telnyx.store.memory()
  store.set = function() error("disk full") end
  local send, _, sender = with_store(store)
  local message, info = send("order-1")
  assert.truthy(message.id)
  assert.truthy(info.store_error:find("disk full", 1, true))
  local _, err = send("order-1")
  assert.equal("unknown", err.outcome)
  assert.equal(1, posts(sender))
end)

describe("a store in a file", function()
  local path
  before_each(function() path = os.tmpname() end)
  after_each(function() os.remove(path) end)

  it("remembers over a restart, keys with any bytes", function()
    local key = "a\tb\nc%d#2"
    local store = assert(telnyx.store.file(path))
    local send = with_store(store)
    local first = assert(send(key))
    store:close()
    local reopened = assert(telnyx.store.file(path))
    local send_again, _, sender = with_store(reopened)
    assert.equal(first.id, send_again(key).id)
    assert.equal(0, posts(sender))
    reopened:close()
  end)

  it("reads a crash between intent and outcome as unknown", function()
    local store = assert(telnyx.store.file(path))
    assert(store:add("1:order-1", '{"state":"begun"}'))
    store:close()
    local file = assert(io.open(path, "ab"))
    file:write('1:order-1\t{"state":"acc')
    file:close()
    local reopened = assert(telnyx.store.file(path))
    local send, _, sender = with_store(reopened)
    local _, err = send("order-1")
    assert.equal("unknown", err.outcome)
    assert.equal(0, posts(sender))
    assert.truthy(send("order-2"))
    reopened:close()
    assert.truthy(telnyx.store.file(path):get("1:order-2"))
  end)

  it("says why it cannot be opened", function()
    for _, bad in ipairs({ "/nonexistent/folder/keys", "/tmp", "README.md" }) do
      local ok, why = pcall(telnyx.store.file, bad)
      assert.is_false(ok)
      assert.truthy(why:find(bad, 1, true), why)
    end
    assert.has_error(function() telnyx.store.file() end)
  end)

  it("is had by one at a time, and is its owner's alone to read", function()
    os.remove(path)
    local store = telnyx.store.file(path)
    local ok, why = pcall(telnyx.store.file, path)
    assert.is_false(ok)
    assert.truthy(why:find("in use", 1, true))
    store:close()
    telnyx.store.file(path):close()
    local pipe = io.popen("ls -l " .. path)
    assert.truthy(pipe:read("*a"):find("^%-rw%-%-%-%-%-%-%-"))
    pipe:close()
  end)

  it("that is closed stops a send", function()
    local store = telnyx.store.file(path)
    store:close()
    local send, _, sender = with_store(store)
    local _, err = send("order-1")
    assert.equal("not_sent", err.outcome)
    assert.equal(0, posts(sender))
  end)

  it("gives back whole numbers", function()
    local store = telnyx.store.file(path)
    with_store(store)("order-1")
    store:close()
    store = telnyx.store.file(path)
    local message, info = with_store(store)("order-1")
    assert.equal("1", tostring(message.parts))
    assert.equal("200", tostring(info.status))
    assert.same({}, info.attempts)
    store:close()
  end)
end)

it("resolve says when there is nothing to settle", function()
  local _, client = with_store(nil)
  local ok, why = client:resolve("never used", nil)
  assert.is_nil(ok)
  assert.truthy(why)
end)

it("a refusal that is about the moment leaves the key free", function()
  for _, to in ipairs({ "+15550020100", "+15550042900", "+15550010009" }) do
    local send, _, sender = with_store(nil)
    send("order-1", to)
    send("order-1", to)
    assert.equal(2, posts(sender), to)
  end
end)

it("a key that is used for another message is refused", function()
  local send, _, sender = with_store(nil)
  send("order-1", GOOD, "one")
  local message, err = send("order-1", GOOD, "two")
  assert.is_nil(message)
  assert.equal("invalid", err.kind)
  assert.truthy(err.detail:find("another message", 1, true))
  assert.equal(1, posts(sender))
end)

it("resolve cannot be called by half, nor undo what was accepted", function()
  local send, client = with_store(nil)
  send("order-1")
  assert.has_error(function() client:resolve("order-1") end)
  assert.has_error(function() client:resolve("order-1", "m-1") end)
  local ok, why = client:resolve("order-1", nil)
  assert.is_nil(ok)
  assert.truthy(why:find("accepted", 1, true))
end)

it("a store that raises is a store that failed", function()
  local raising = { get = error, set = error, add = function() error("redis down") end }
  local send, _, sender = with_store(raising)
  local _, err = send("order-1")
  assert.equal("not_sent", err.outcome)
  assert.truthy(tostring(err):find("redis down", 1, true))
  assert.equal(0, posts(sender))
end)

it("a thousand vain tries under one key do not slow the next one down", function()
  local store = telnyx.store.memory()
  local n_calls, add = 0, store.add
  function store:add(key, value)
    n_calls = n_calls + 1
    return add(self, key, value)
  end
  local send = with_store(store, { send = function()
    return nil, { outcome = "not_sent", kind = "connection" }
  end })
  for _ = 1, 1000 do send("order-1") end
  assert.is_true(n_calls < 3000, n_calls .. " calls")
end)
