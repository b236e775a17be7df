-- Whose turn it is among senders that have something due.

local demand = require "telnyx.run.demand"

-- A queue that tells of so many senders at once: all have something since 0.
local function queue_of(names, page)
  local queue = {}
  function queue.is_paused() return queue.is_stopped or false end
  function queue.senders(_, from)
    local list = {}
    for _, name in ipairs(names) do
      if name >= from and #list < page then list[#list + 1] = { sender = name, due = 0 } end
    end
    return list, #list == page and list[#list].sender or ""
  end
  return queue
end

local function names_of(n)
  local names = {}
  for i = 1, n do names[i] = ("s%05d"):format(i) end
  return names
end

-- All who are ready at a time, in their order; each is put off until `wake_of(name)`.
local function serve(all, now, wake_of)
  local served = {}
  for _ = 1, all:wake(now) do
    local name = all:first().sender
    served[#served + 1] = name
    all:put(now, wake_of(name), 0)
  end
  return served
end

describe("demand", function()
  it("looks at nobody before his time, and at each then", function()
    local names, wakes = names_of(500), {}
    local all = demand.new(queue_of(names, 1000), true)
    assert(all:look(1))
    for i, name in ipairs(names) do wakes[name] = 10 + i * 7919 % 500 end
    assert.equal(500, #serve(all, 1, function(name) return wakes[name] end))
    for now = 10, 510 do
      local expected = {}
      for _, name in ipairs(names) do
        if wakes[name] == now then expected[#expected + 1] = name end
      end
      local served = serve(all, now, function() return math.huge end)
      table.sort(served)
      assert.same(expected, served)
    end
  end)

  it("gives precedence to who was served longest ago", function()
    local all = demand.new(queue_of({ "a", "b", "c" }, 10), true)
    assert(all:look(1))
    for turn = 1, 9 do
      assert.equal(3, all:wake(turn))
      assert.equal(({ "a", "b", "c" })[(turn - 1) % 3 + 1], all:first().sender)
      for i = 1, 3 do
        all:first()
        all:put(turn, turn + 1, i == 1 and 1 or 0) -- only the first gets something
      end
    end
  end)

  it("keeps those whom an earlier look has found, while there are more than it finds", function()
    local names = names_of(25)
    local all = demand.new(queue_of(names, 10), true)
    for i = 1, 2 do
      assert(all:look(1))
      assert.is_false(all:are_all(function() return true end), i)
      assert.is_false(all:calls_for_a_look()) -- some are ready
    end
    assert(all:look(1))
    assert.is_true(all:are_all(function() return true end))
    assert.is_false(all:are_all(function(name) return name ~= names[1] end))
    local served = serve(all, 1, function() return 2 end)
    table.sort(served)
    assert.same(names, served)
  end)

  it("calls for the next look at once when nobody is ready and there are more", function()
    local all = demand.new(queue_of(names_of(15), 10), true)
    assert(all:look(1))
    serve(all, 1, function() return 100 end)
    assert.is_true(all:calls_for_a_look())
    assert(all:look(1))
    serve(all, 1, function() return 100 end)
    assert.is_false(all:calls_for_a_look())
  end)

  it("forgets who has nothing any more, wherever he waits", function()
    local names = names_of(4)
    local all = demand.new(queue_of(names, 10), true)
    assert(all:look(1))
    serve(all, 1, function(name) return name <= names[2] and 5 or 1 end)
    table.remove(names, 1)
    table.remove(names, 2)
    assert(all:look(1))
    local served = {}
    for _ = 1, all:wake(6) do
      local target = all:first()
      if not target then break end
      served[#served + 1] = target.sender
      all:put(6, false, 0)
    end
    table.sort(served)
    assert.same(names, served)
    assert.is_true(all:is_none())
  end)

  it("is nobody's while it is paused", function()
    local queue = queue_of(names_of(3), 10)
    local all = demand.new(queue, true)
    assert(all:look(1))
    queue.is_stopped = true
    assert(all:look(1))
    assert.is_true(all:is_none())
  end)
end)
