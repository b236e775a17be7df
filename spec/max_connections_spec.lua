-- How many connections are open at once, and what waits for one.

local process = require("spec.support.process")
local sandbox_server = require("spec.support.sandbox")
local telnyx = require("telnyx")
local wire = require("spec.support.wire")

local MESSAGE = { from = "+18445550001", to = "+18665550001", text = "Hello" }

describe("max_connections", function()
  local station
  setup(function() station = wire.start() end)
  teardown(function() station:stop() end)

  local function connections_of(n_sends, max)
    local listener = station:listen({ wire.SERVICE })
    local client = telnyx.new({
      api_key = "KEY_TEST", base_url = listener.url, max_connections = max,
    })
    local n_accepted = 0
    for _ = 1, n_sends do
      client:start(MESSAGE, function(message) n_accepted = n_accepted + (message and 1 or 0) end)
    end
    while client:step(1) > 0 do end -- luacheck: ignore 542
    assert(client:send(MESSAGE))
    assert.equal(n_sends, n_accepted)
    local seen = listener:seen()
    assert.equal(n_sends + 1, seen.whole)
    client:close()
    listener:close()
    return #seen.connections
  end

  it("is never passed", function()
    assert.equal(2, connections_of(40, 2))
    assert.equal(1, connections_of(10, 1))
  end)

  it("is 64 by default", function()
    assert.equal(64, connections_of(200))
  end)

  it("counts within the deadline", function()
    local listener = station:listen({ { wire.request, wire.stall } })
    local client = telnyx.new({
      api_key = "KEY_TEST", base_url = listener.url, max_connections = 1, retry = false,
    })
    client:start(MESSAGE)
    local _, err = client:send(MESSAGE, { timeout = 0.05, deadline = 0.2 })
    assert.equal("not_sent", err.outcome)
    assert.truthy(err.cause:find("max_connections", 1, true), err.cause)
    assert.truthy(err.advice:find("max_connections", 1, true), err.advice)
    client:close()
    listener:close()
  end)

  it("is waited for without counting as an attempt's time", function()
    local slow = { wire.request, wire.pause(0.6), wire.accept }
    local listener = station:listen({ { slow[1], slow[2], slow[3], wire.loop(slow) } })
    local client = telnyx.new({
      api_key = "KEY_TEST", base_url = listener.url, max_connections = 1, retry = false,
      timeout = 1, deadline = 20,
    })
    local outcomes = {}
    for i = 1, 4 do
      client:start(MESSAGE, function(_, info) outcomes[i] = info.outcome end)
    end
    while client:step(1) > 0 do end -- luacheck: ignore 542
    assert.same({ "accepted", "accepted", "accepted", "accepted" }, outcomes)
    assert.equal(4, listener:seen().whole)
    client:close()
    listener:close()
  end)

  it("is not taken by who has hardly any time left", function()
    local listener = station:listen({ { wire.request, wire.pause(0.95), wire.accept },
      wire.SERVICE })
    local client = telnyx.new({
      api_key = "KEY_TEST", base_url = listener.url, max_connections = 1, retry = false,
    })
    local first
    client:start(MESSAGE, function(_, info) first = info.outcome end)
    local _, err = client:send(MESSAGE, { timeout = 20, deadline = 1 })
    while client:step(1) > 0 do end -- luacheck: ignore 542
    assert.equal("accepted", first)
    assert.equal("not_sent", err.outcome)
    assert.equal(1, listener:seen().whole)
    client:close()
    listener:close()
  end)

  it("must be a whole number", function()
    for _, bad in ipairs({ 0, 1.5, 65537, "2" }) do
      local ok, why = pcall(telnyx.new, { api_key = "KEY_TEST", max_connections = bad })
      assert.is_false(ok)
      assert.truthy(why:find("max_connections", 1, true), why)
    end
  end)
end)

-- One send, and nothing else that could give a descriptor back.
local NONE_LEFT = [[
local client = require('telnyx').new({
  api_key = 'KEY_TEST', base_url = 'http://127.0.0.1:1/v2', retry = false, timeout = 5,
})
local files = {}
local file = io.open('/dev/null')
while file do
  files[#files + 1] = file
  file = io.open('/dev/null')
end
local _, err = client:send({ from = '+18445550001', to = '+18665550001', text = 'x' })
print(err.outcome, err.kind, err.cause)
]]

it("a send for which there is no descriptor ends at once where none will come free", function()
  assert.equal("not_sent\tconnection\tno descriptor is free for a connection (ulimit -n)\n",
    process.run_lua(NONE_LEFT, "ulimit -n 64;"))
end)

-- Far more at once than there are descriptors.
local TWO_THOUSAND = [[
local client = require('telnyx').new({ api_key = 'KEY_TEST', base_url = '%s', retry = false })
local n_by_outcome = {}
for i = 1, 2000 do
  client:start({ from = '+18445550001', to = '+18665550001', text = 'x' .. i }, function(_, info)
    n_by_outcome[info.outcome] = (n_by_outcome[info.outcome] or 0) + 1
  end)
end
while client:step(1) > 0 do end
for outcome, n in pairs(n_by_outcome) do print(outcome .. ' ' .. n) end
]]

it("two thousand sends end well where 64 descriptors are allowed", function()
  local server = sandbox_server.start()
  local output = process.run_lua(TWO_THOUSAND:format(server.url), "ulimit -n 64;")
  local n_posts = server:ledger().posts
  server:stop()
  assert.equal("accepted 2000\n", output)
  assert.equal(2000, n_posts)
end)
