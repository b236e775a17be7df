-- Whether it is of use to slow down: of one that refuses a share at whatever rate it is of none.

local slowing = require "telnyx.run.slowing"

-- One step for each of the rates; the share that it was found to refuse, and at which step.
local function walk(steps, rates, n_taken_of, n_refused_of)
  local n_refused = steps.n_refused
  for i, rate in ipairs(rates) do
    n_refused = n_refused + (n_refused_of and n_refused_of(i) or 1)
    local share, took_s = steps:step(rate, n_taken_of(i), n_refused, i * 10)
    if share then return share, i, took_s end
  end
end

local function ten() return 10 end

describe("slowing down", function()
  local HALVED = { 20, 18, 16, 14, 12, 10, 9 }

  it("is of no use where the same share is refused at half the rate", function()
    local share, at = walk(slowing.new(), HALVED, ten)
    assert.equal(6, at)
    assert.is_true(math.abs(share - 1 / 11) < 1e-9)
  end)

  it("says how long it took to find that", function()
    local _, at, took_s = walk(slowing.new(), HALVED, ten)
    assert.same({ 6, 50 }, { at, took_s })
  end)

  it("says how much that is of all", function()
    local share = walk(slowing.new(), HALVED, function(i) return i % 2 == 0 and 4 or 2 end,
      function(i) return i % 3 == 0 and 3 or 1 end)
    assert.is_true(math.abs(share - 10 / 28) < 1e-9, share)
  end)

  it("may be of use as long as the rate is not halved", function()
    assert.is_nil(walk(slowing.new(), { 20, 18, 16, 14, 12, 10.1, 10.1, 10.1 }, ten))
  end)

  it("may be of use as long as little is known", function()
    local _, at = walk(slowing.new(), { 20, 9, 8, 7, 6, 5, 4 }, ten)
    assert.equal(6, at)
  end)

  it("is of use where a smaller share is refused, and where a much greater one is", function()
    local function later(n) return function(i) return i > 3 and n or 30 end end
    assert.is_nil(walk(slowing.new(), HALVED, later(60)))
    assert.is_not_nil(walk(slowing.new(), HALVED, later(40)))
    assert.is_not_nil(walk(slowing.new(), HALVED, later(10)))
    assert.is_nil(walk(slowing.new(), HALVED, later(2)))
  end)

  it("is judged by what was refused as well as by what was taken", function()
    local function refused(n) return function(i) return i > 3 and 1 or n end end
    assert.is_not_nil(walk(slowing.new(), HALVED, ten, refused(1)))
    assert.is_nil(walk(slowing.new(), HALVED, ten, refused(4)))
  end)

  it("is judged by all that are known, but for the one in the middle", function()
    local rates = { 20, 19, 18, 17, 16, 15, 9 }
    assert.is_nil(walk(slowing.new(), rates, function(i)
      return i < 4 and 10 or i > 4 and 20 or 1
    end))
    local _, at = walk(slowing.new(), rates, function(i) return i == 4 and 9000 or 10 end)
    assert.equal(7, at)
  end)

  it("is judged by the last thirty-two", function()
    local function falling(n)
      local rates = { 20 }
      for i = 2, n do rates[i] = 11 end
      rates[n + 1] = 9
      return rates
    end
    assert.is_not_nil(walk(slowing.new(), falling(31), ten))
    assert.is_nil(walk(slowing.new(), falling(32), ten))
  end)

  it("is not said to be in vain twice of the same", function()
    local steps = slowing.new()
    local _, at = walk(steps, HALVED, ten)
    assert.equal(6, at)
    assert.is_nil(steps:step(1, 10, 7, 0))
    for i = 1, 4 do assert.is_nil(steps:step(0.5, 10, 7 + i, 0)) end
    assert.is_not_nil(steps:step(0.5, 10, 12, 0))
  end)

  it("wants more to be known where it was doubted wrongly, until it was right", function()
    local steps, rates = slowing.new(), { 20 }
    for i = 2, 40 do rates[i] = 9 end
    local function found_at()
      steps.runs = {}
      local _, at = walk(steps, rates, ten)
      return at
    end
    steps:doubt()
    assert.equal(12, found_at())
    steps:doubt()
    assert.equal(24, found_at())
    for _ = 1, 3 do steps:doubt() end
    assert.equal(32, found_at())
    steps:believe()
    assert.equal(6, found_at())
  end)
end)
