-- How many may be under way at once.

local window = require "telnyx.run.window"

describe("a window", function()
  it("is half as wide after each that is lost, and one at least", function()
    local own, widths = window.new(20), {}
    for i = 1, 6 do
      widths[i] = own.n
      own:narrow()
    end
    assert.same({ 20, 10, 5, 2, 1, 1 }, widths)
  end)

  it("is one wider after each that is taken, up to what it was", function()
    local own = window.new(5)
    own:widen()
    assert.equal(5, own.n)
    own:narrow()
    own:widen()
    assert.equal(3, own.n)
    for _ = 1, 9 do own:widen() end
    assert.equal(5, own.n)
  end)
end)
