-- Where libcurl, as it runs, is too old for the guard: each send has a connection of its own, and
-- what went out is still told as such.

local process = require("spec.support.process")
local wire = require("spec.support.wire")

-- Two sends through one client, behind a libcurl that knows no CURLOPT_PREREQFUNCTION.
local SCRIPT = [[
local client = require('telnyx').new({ api_key = 'KEY_TEST', base_url = '%s' })
for i = 1, 2 do
  local message, result = client:send({ from = '12345', to = '+18665550001', text = 'x' .. i })
  print(result.outcome, #result.attempts, message and message.id)
end
]]

describe("a libcurl older than the one it was built with", function()
  local station, shim
  setup(function()
    station = wire.start()
    shim = os.tmpname()
    assert.equal("", process.run("cc -shared -fPIC -o " .. shim .. " spec/c/old_curl.c -ldl"))
  end)
  teardown(function()
    station:stop()
    os.remove(shim)
  end)

  local function two_sends(listener)
    return process.run_lua(SCRIPT:format(listener.url), "LD_PRELOAD=" .. shim)
  end

  it("sends, each time on a fresh connection", function()
    local listener = station:listen({ wire.SERVICE })
    local output = two_sends(listener)
    local seen = listener:seen()
    assert.equal(2, seen.whole, output)
    assert.equal(2, #seen.connections)
    assert.equal(2, select(2, output:gsub("accepted\t1", "")), output)
  end)

  it("does not call lost what went out, nor send it again", function()
    local listener = station:listen({ { wire.request, wire.rst } })
    local output = two_sends(listener)
    assert.equal(2, listener:seen().whole, output)
    assert.equal(2, select(2, output:gsub("unknown\t1", "")), output)
  end)
end)
