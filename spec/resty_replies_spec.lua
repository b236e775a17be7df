-- The shared rows of replies over nginx's sockets: what the exchange makes of bytes in memory it
-- makes of them there, and a connection serves again exactly where it may.

local cjson = require "cjson.safe"
local Cosockets = require "spec.support.cosockets"
local make = require "spec.vectors.replies_row"
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

-- nginx does not tell a reset under TLS from a goodbye. What a cut body says is for JSON to tell.
local function expected_of(row, scheme)
  if scheme == "https" and row.name == "a body to the end, and a reset" then
    return { outcome = "accepted", status = 200, whole = true, body = make.BODY, reusable = false }
  end
  return row.expected
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

describe("over nginx's sockets, a reply", function()
  local peers

  setup(function()
    peers = Cosockets.start()
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
        local listener = peers:listen(scheme, { script_of(row), wire.SERVICE })
        local limits = row.ending == "timeout" and SHORT or nil
        local results = peers:with_signal({
          peers.attempt(listener.url, limits, { max_response_bytes = row.max }),
          { op = "wait" },
          peers.attempt(listener.url),
        }, function()
          if row.ending then listener:wait_ended() end
        end)
        local expected = expected_of(row, scheme)
        expect(expected, results[1])
        verdict.assert_result(results[3], { outcome = "success" })
        local seen = listener:seen()
        assert.equal(2, seen.whole)
        assert.equal(expected.reusable and 1 or 2, #seen.connections)
      end)
    end
  end
end)
