-- What a campaign's dry run shows of the messages that cost most.

local estimate = require "telnyx.run.estimate"

-- The lines of the dearest, of a list of texts, parts, encodings, and encodings asked for.
local function dearest(list)
  local own, lines = estimate.new(), {}
  for i, one in ipairs(list) do
    own:add { nth = 1, line = i,
      message = { from = "+18445550001", to = "+18665550001", text = one[1], encoding = one[4] },
      segments = { parts = one[2], encoding = one[3] } }
  end
  for i, one in ipairs(own.dearest) do lines[i] = one.line end
  return lines
end

describe("the dearest", function()
  it("are, of those that cost the same, the first", function()
    assert.same({ 1, 2, 3, 4, 5 }, dearest { { "a", 1, "GSM-7" }, { "b", 1, "GSM-7" },
      { "c", 1, "GSM-7" }, { "d", 1, "GSM-7" }, { "e", 1, "GSM-7" }, { "f", 1, "GSM-7" } })
  end)

  it("are those of more parts first, in whatever encoding", function()
    assert.same({ 2, 3, 1 }, dearest { { "a", 1, "UCS-2" }, { "b", 3, "UCS-2" },
      { "c", 2, "GSM-7" } })
  end)

  it("are two where one text is sent in two encodings", function()
    assert.same({ 2, 1 }, dearest { { "a", 1, "GSM-7" }, { "a", 1, "UCS-2", "ucs2" } })
  end)
end)
