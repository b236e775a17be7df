-- How many may be under way at once.

local patience = require "telnyx.run.patience"
local window = require "telnyx.run.window"

-- One that is begun, and has not ended.
local function begun(own)
  local one = {}
  own:enter(one)
  return one
end

local function lose(own, one)
  own:leave(one)
  return own:narrow(one)
end

local function answer(own, one)
  own:leave(one)
  own:widen(one)
end

describe("a window", function()
  it("is half as wide after each that is lost, and one at least", function()
    local own, widths = window.new(20), {}
    for i = 1, 6 do
      widths[i] = own.n
      assert.is_true(lose(own, begun(own)))
    end
    assert.same({ 20, 10, 5, 2, 1, 1 }, widths)
  end)

  it("is an eighth wider after each that is answered, one at least, up to what it was", function()
    local own = window.new(64)
    answer(own, begun(own))
    assert.equal(64, own.n)
    for _ = 1, 6 do lose(own, begun(own)) end
    local widths = {}
    for i = 1, 10 do
      widths[i] = own.n
      answer(own, begun(own))
    end
    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10.125 }, widths)
    for _ = 1, 40 do answer(own, begun(own)) end
    assert.equal(64, own.n)
    assert.is_true(own.is_open)
  end)

  it("is known from the first that is lost, and is whole where it cannot be less", function()
    local own, single = window.new(2), window.new(1)
    lose(own, begun(own))
    assert.is_false(own.is_open)
    answer(own, begun(own))
    assert.is_true(own.is_open)
    lose(single, begun(single))
    assert.is_true(single.is_open)
  end)

  it("has room for what is not under way, of those since it was made narrower", function()
    local own, old = window.new(8), {}
    for i = 1, 6 do old[i] = begun(own) end
    assert.equal(2, own:room(6))
    lose(own, old[1])
    assert.equal(3, own:room(5)) -- as many as there are places
    lose(own, old[2])
    assert.equal(2, own:room(4))
    local new = begun(own)
    assert.equal(1, own:room(5))
    begun(own)
    assert.equal(0, own:room(6))
    own:leave(old[3])
    assert.equal(0, own:room(5))
    own:leave(new)
    assert.equal(1, own:room(4))
  end)

  it("is half as wide once for those begun before, where others were answered", function()
    local own, old = window.new(64), {}
    for i = 1, 60 do old[i] = begun(own) end
    assert.is_true(lose(own, old[1]))
    answer(own, begun(own))
    for i = 2, 30 do assert.is_false(lose(own, old[i])) end
    assert.equal(36, own.n)
    assert.is_true(lose(own, begun(own)))
    assert.equal(18, own.n)
    assert.is_true(lose(own, old[31])) -- of those since, none was answered
    assert.equal(9, own.n)
  end)

  it("is no wider for those begun before, nor less wide where most are answered", function()
    local own, old = window.new(16), {}
    for i = 1, 16 do old[i] = begun(own) end
    lose(own, old[1])
    for i = 2, 4 do answer(own, old[i]) end
    for i = 5, 7 do assert.is_false(lose(own, old[i])) end
    assert.equal(8, own.n)
    assert.is_true(lose(own, old[8]))
    assert.is_true(lose(own, old[9]))
    assert.equal(2, own.n)
    answer(own, old[10])
    assert.is_false(lose(own, old[11]))
    assert.is_true(lose(own, old[12]))
  end)

  it("holds what is begun while it is whole, and is lost later, for old", function()
    local own = window.new(16)
    lose(own, begun(own))
    local one = begun(own)
    while not own.is_open do answer(own, begun(own)) end
    local other = begun(own)
    assert.equal(14, own:room(2))
    assert.is_true(lose(own, one))
    assert.equal(8, own:room(1))
    own:leave(other)
    assert.equal(8, own:room(0))
  end)
end)

describe("an outlook", function()
  it("is one of losses from the first end that nobody knows", function()
    local own = require("telnyx.run.outlook").new()
    assert.is_false(own:is_losing())
    own:heed(nil, { outcome = "unknown" }, 0)
    assert.is_true(own:is_losing())
  end)
end)

describe("patience", function()
  local function new() return patience.new(function() return 0 end) end

  it("that was lost four times is half as long after one that went well", function()
    local own, now = new(), 0
    for _ = 1, 4 do now = own:lose("x", now) end
    own:ease("x")
    assert.equal(2, own:lose("x", now) - now) -- without that one, 4; at first, 0.25
  end)

  it("is never shorter than the first time, however often it went well", function()
    local own = new()
    own:lose("x", 0)
    for _ = 1, 5 do own:ease("x") end
    assert.equal(0.25, own:lose("x", 9) - 9)
  end)
end)
