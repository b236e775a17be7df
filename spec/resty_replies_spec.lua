-- The shared rows of replies inside nginx: what the exchange makes of bytes in memory it
-- makes of them there, and a connection serves again exactly where it may.

local cjson = require "cjson.safe"
local Peers = require "spec.support.nginx_peers"
local rows = require "spec.vectors.replies"
local verdict = require "spec.support.verdict"
local wire = require "spec.support.wire"

local PACE = tonumber(os.getenv("WIRE_PACE") or 1)
local SHORT = { timeout = 0.3 * PACE, connect_timeout = 20 }

-- A reset that follows at once may overtake what is not read yet.
local ENDINGS = {
  close = { wire.fin },
  ["break"] = { wire.pause(0.05), wire.rst },
  timeout = { wire.stall },
}

local function script_of(row)
  local script = { wire.request, wire.send(row.bytes) }
  for _, step in ipairs(ENDINGS[row.ending] or wire.SERVICE) do script[#script + 1] = step end
  return script
end

local function expect(expected, result)
  local told = result.err or result.info
  assert.equal(expected.outcome, told.outcome)
  assert.equal(expected.status, told.status or 0)
  if not expected.whole then return assert.equal(expected.kind, result.err.kind) end
  local body = cjson.decode(expected.body)
  local data = expected.outcome == "accepted" and type(body) == "table" and body.data or nil
  assert.equal(data and data.id, result.message and result.message.id)
end

-- The recipient is what the rows have for an id: a connection serves again only after a reply that
-- says whose it is. No such message is in order, so its bytes are given.
local function attempt(url, limits, options)
  local step = Peers.attempt(url, limits, options)
  local own = { body = '{"to":"m1"}' }
  for name, value in pairs(step.limits) do own[name] = value end
  step.message, step.limits = { from = step.message.from, to = "m1", text = "x" }, own
  return step
end

describe("inside nginx, a reply", function()
  local peers

  setup(function()
    peers = Peers.start()
  end)

  teardown(function()
    if peers then peers:stop() end
  end)

  after_each(function()
    peers:close()
  end)

  for _, scheme in ipairs { "http", "https" } do
    for _, row in ipairs(rows) do
      it(("over %s: %s"):format(scheme, row.name), function()
        local script, options = script_of(row), { max_response_bytes = row.max }
        local listener = peers:listen(scheme, { script, wire.SERVICE })
        local limits = row.ending == "timeout" and SHORT or nil
        local results = peers:with_signal({
          attempt(listener.url, limits, options), { op = "wait" },
          attempt(listener.url, nil, options),
        }, function()
          if row.ending == "timeout" then
            listener:wait_ended()
          elseif row.ending then
            listener:wait_done(script[#script].op)
          end
        end)
        local expected = row.expected
        expect(expected, results[1])
        -- Below such a ceiling the good reply is too large as well.
        verdict.assert_result(results[3], { outcome = row.max and "accepted" or "success" })
        local seen = listener:seen()
        assert.equal(2, seen.whole)
        local is_followed = expected.reusable and expected.body:find('"m1"', 1, true)
        assert.equal(is_followed and 1 or 2, #seen.connections)
      end)
    end
  end
end)
