-- In which order a worker settles what it could not write down.

local core = require "telnyx.core"
local debts = require "telnyx.run.debts"

describe("what a worker owes its journal", function()
  local now, monotonic
  setup(function()
    monotonic = core.monotonic
    core.monotonic = function() return now end
  end)
  teardown(function() core.monotonic = monotonic end)

  -- A journal in which some rows are held by another, and waited for in vain.
  local function owing(n, held)
    now = 0
    local asked, journal = {}, {}
    function journal.finish(_, change)
      asked[#asked + 1] = change.key
      if not held[change.key] then return true end
      now = now + 4
      return nil, "it is held"
    end
    local own = debts.new(journal, {}, function() return now end)
    for i = 1, n do own:add { method = "finish", change = { key = i, claim = "c" .. i } } end
    return own, asked
  end

  it("is settled in its order", function()
    local own, asked = owing(3, {})
    assert.is_true(own:has_fresh())
    own:settle()
    assert.same({ 1, 2, 3 }, asked)
    assert.is_true(own:is_none())
    assert.equal(0, own:n())
  end)

  it("is not tried again before all others were tried", function()
    local held = { [1] = true, [3] = true }
    local own, asked = owing(5, held)
    own:settle()
    assert.same({ 1 }, asked)
    assert.is_true(own:has_fresh())
    own:settle()
    assert.same({ 1, 2, 3 }, asked)
    own:settle()
    assert.same({ 1, 2, 3, 4, 5, 1 }, asked)
    assert.is_false(own:has_fresh())
    assert.is_false(own:is_none())
    assert.equal(2, own:n())
    assert.is_true(own:knows("c1"))
    assert.is_false(own:knows("c2"))
    own:add { method = "finish", change = { key = 6, claim = "c6" } }
    assert.is_true(own:knows("c6"))
    own:settle()
    assert.same({ 6, 3 }, { asked[7], asked[8] })
    held[1], held[3] = nil, nil
    own:settle()
    assert.is_true(own:is_none())
  end)

  it("is tried all at once where that takes no time", function()
    local own, asked = owing(3, {})
    local journal_is_away = true
    own.journal.finish = function(_, change)
      asked[#asked + 1] = change.key
      if journal_is_away then return nil, "it is away" end
      return true
    end
    own:settle()
    assert.same({ 1, 2, 3 }, asked)
    journal_is_away = false
    own:settle()
    assert.is_true(own:is_none())
  end)

  it("is settled once, and none is lost, where another step settles some meanwhile", function()
    for _, answer in ipairs { true, false } do
      local own = owing(3, { [2] = true, [3] = true })
      local finish = own.journal.finish
      function own.journal.finish()
        own.journal.finish = finish
        own:settle() -- the first, and the second in vain
        return answer or nil, "the answer is lost"
      end
      own:settle()
      assert.equal(2, own:n())
      assert.same({ false, true, true }, { own:knows("c1"), own:knows("c2"), own:knows("c3") })
    end
  end)

  it("is settled where another step settles all meanwhile", function()
    local own = owing(3, {})
    local finish = own.journal.finish
    function own.journal.finish(...)
      own.journal.finish = finish
      own:settle()
      return finish(...)
    end
    own:settle()
    assert.is_true(own:is_none())
  end)
end)
