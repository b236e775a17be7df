-- Whether it is of use to slow down: where a share is refused at whatever rate it is in vain.

local slowing = require "telnyx.run.slowing"

-- As many are taken, and refused, before a step; each of those takes ten seconds.
local function step(steps, rate, n_taken, n_refused, now)
  for _ = 1, n_taken do steps:take() end
  for _ = 1, n_refused do steps:refuse(now) end
  return steps:step(rate, now)
end

-- The rate at which messages may leave again, and at which step that is.
local function walk(steps, rates, n_taken_of, n_refused_of)
  for i, rate in ipairs(rates) do
    local again = step(steps, rate, n_taken_of(i), n_refused_of and n_refused_of(i) or 1, i * 10)
    if again then return again, i end
  end
end

local function ten() return 10 end

local HALVED = { 20, 18, 16, 14, 12, 10, 9 }

describe("slowing down", function()
  it("is in vain where the same share is refused at half the rate", function()
    local steps = slowing.new()
    assert.same({ 20, 6 }, { walk(steps, HALVED, ten) })
    assert.is_true(steps.is_in_vain)
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

  it("is judged by all that is known, but for what is in the middle", function()
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

  it("is never in vain where a sender has a limit of his own", function()
    local rates = {}
    for i = 1, 40 do rates[i] = 40 / i end
    assert.is_nil(walk(slowing.new(true), rates, ten))
  end)
end)

describe("refusals", function()
  it("are few up to a tenth of the last some", function()
    local steps = slowing.new()
    assert.is_true(steps:refuse(0))
    local n = 1
    while steps:refuse(0) do n = n + 1 end
    assert.equal(6, n) -- of 64 and of what came before those
    for _ = 1, 30 do steps:take() end
    assert.is_true(steps:refuse(0))
  end)

  -- Found after fifty seconds; in the last thirty it took one a second.
  local function in_vain(percent)
    local steps = slowing.new()
    local n_taken = percent == 50 and 10 or 40
    walk(steps, HALVED, function() return n_taken end, ten)
    return steps
  end

  -- In an order of their own, so that the share is steady.
  local function weather(steps, n, percent, now)
    local owed, was_few = 0, true
    for _ = 1, n do
      owed = owed + percent
      if owed >= 100 then
        owed = owed - 100
        was_few = steps:refuse(now)
      else
        steps:take()
      end
    end
    return was_few
  end

  it("of that share are few while slowing down is in vain, and clearly more are not", function()
    local steps = in_vain(20)
    assert.is_true(weather(steps, 1000, 20, 61))
    assert.is_true(weather(steps, 1000, 38, 61))
    assert.is_true(steps.is_in_vain)
    assert.is_false(weather(steps, 1000, 60, 61)) -- they come too fast as well
    assert.is_true(steps.is_in_vain)
    assert.is_true(weather(steps, 1000, 38, 61))
  end)

  it("of a hundredth in vain leave a tenth few, too", function()
    local steps = slowing.new()
    walk(steps, HALVED, function(i) return i == 6 and 0 or 60 end)
    assert.is_true(steps.is_in_vain)
    assert.is_true(weather(steps, 1000, 9, 61))
  end)

  it("of a half end it once twenty are taken in a row, and of a fifth fifty", function()
    for percent, most in pairs { [20] = 50, [50] = 20 } do
      local steps = in_vain(percent)
      steps:refuse(61)
      for _ = 1, most - 1 do steps:take() end
      assert.is_true(steps.is_in_vain, percent)
      steps:take()
      assert.is_false(steps.is_in_vain, percent)
    end
  end)

  it("of a half leave room for more than those, too", function()
    local steps = in_vain(50)
    assert.is_true(weather(steps, 1000, 60, 61))
    assert.is_false(weather(steps, 1000, 90, 61))
  end)

  it("are looked at while it is in vain: where no more is taken than before, it was not", function()
    for _, case in ipairs { { 50, true }, { 44, false }, { 30, false } } do
      local steps = in_vain(50)
      for i = 1, case[1] do
        steps:take()
        if i % 10 == 0 then steps:refuse(61) end
      end
      steps:refuse(60 + 14.9) -- too soon
      assert.is_true(steps.is_in_vain)
      steps:refuse(60 + 30)
      assert.equal(case[2], steps.is_in_vain)
      for _ = 1, 10 do steps:take() end
      steps:refuse(60 + 46)
      assert.is_false(steps.is_in_vain)
    end
  end)

  it("are looked at after two seconds at least", function()
    local steps = slowing.new()
    for i, rate in ipairs(HALVED) do
      if step(steps, rate, 10, 10, i * 0.5) then break end
    end
    steps:refuse(4.9)
    assert.is_true(steps.is_in_vain)
    steps:refuse(5.1)
    assert.is_false(steps.is_in_vain)
  end)

  -- A run of fifty seconds found it.
  it("are in vain for ten times as long as it took to be found, and no longer", function()
    local steps = in_vain(50)
    weather(steps, 200, 50, 61)
    for at = 75, 555, 15 do
      weather(steps, 200, 50, at)
      assert.is_true(steps.is_in_vain, at)
    end
    weather(steps, 200, 50, 561)
    assert.is_false(steps.is_in_vain)
    assert.equal(6, select(2, walk(steps, HALVED, ten, ten)))
  end)

  local RATES = { 20 }
  for i = 2, 40 do RATES[i] = 9 end

  it("that come no more end it, and it is found as soon as ever the next time", function()
    local steps = in_vain(20)
    steps:refuse(1e3)
    assert.equal(12, select(2, walk(steps, RATES, ten, ten)))
    weather(steps, 1000, 38, 121)
    while steps.is_in_vain do steps:take() end
    assert.equal(6, select(2, walk(steps, RATES, ten)))
  end)

  it("are found as late as before where their time is over", function()
    local steps = in_vain(20)
    steps:refuse(1e3)
    assert.equal(12, select(2, walk(steps, RATES, ten, ten)))
    for at = 121, 1221, 50 do weather(steps, 400, 50, at) end
    steps:refuse(1231)
    assert.is_false(steps.is_in_vain)
    assert.equal(12, select(2, walk(steps, RATES, ten, ten)))
  end)

  it("that were in vain wrongly are doubted twice as long each time, up to a bound", function()
    local steps = slowing.new()
    for _, n_due in ipairs { 6, 12, 24, 32, 32 } do
      assert.equal(n_due, select(2, walk(steps, RATES, ten, ten)))
      steps:refuse(1e6)
      assert.is_false(steps.is_in_vain)
    end
  end)

  it("that were in vain wrongly are doubted half as long after thirty-two in a row", function()
    for _, case in ipairs { { 29, 32 }, { 30, 24 }, { 61, 24 }, { 62, 12 }, { 200, 12 } } do
      local steps = slowing.new()
      for _ = 1, 2 do
        walk(steps, RATES, ten, ten)
        steps:refuse(1e6)
      end
      for i = 1, case[1] do assert.is_nil(step(steps, 20, 10, 10, i * 10)) end
      assert.is_not_nil(walk(steps, RATES, ten, ten))
      steps:refuse(1e7) -- wrongly again
      assert.equal(case[2], select(2, walk(steps, RATES, ten, ten)))
    end
  end)

  it("are found anew where it was wrong: what came meanwhile says nothing", function()
    local steps = in_vain(20)
    weather(steps, 1000, 70, 61)
    for i = 1, 11 do assert.is_nil(step(steps, i == 1 and 20 or 9, 20, 46, 61)) end
    steps:refuse(1e6)
    assert.is_false(steps.is_in_vain)
    assert.is_nil(step(steps, 9, 20, 46, 1e6))
  end)

  it("that are clearly more while it is in vain may be at whatever rate, too", function()
    local steps = in_vain(20)
    assert.is_false(weather(steps, 1000, 70, 61))
    for i = 1, 11 do assert.is_nil(step(steps, RATES[i], 40, 92, 61 + i)) end
    assert.equal(20, step(steps, RATES[12], 40, 92, 73))
    assert.is_true(steps.is_in_vain)
    assert.is_true(weather(steps, 1000, 70, 74))
  end)
end)
