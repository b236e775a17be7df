-- Every interleaving of what workers do to a dictionary that they share, while one of them may die.

local core = require "telnyx.core"
local sandbox = require "spec.support.sandbox"

-- The dictionary: an operation is one step that nobody comes between, as in nginx -----------------

local world

local function step(name, act)
  return function(_, key, value)
    coroutine.yield()
    local first, second = act(world.dict, key, value)
    local actor = world.actor
    local is_locked = name == "add" and key:find("^l:") and not first
    if is_locked then actor.found_locked_at = world.version end
    actor.history = ("%s %s %s=%s;"):format(actor.history, name, key, tostring(first))
    return first, second
  end
end

local function change(dict, key, value)
  dict[key] = value
  world.version = world.version + 1
  return true
end

local ALL_NAMES = { __tostring = function(names) return table.concat(names, " ") end }

local function names_of(dict)
  local names = {}
  for name in pairs(dict) do names[#names + 1] = name end
  table.sort(names)
  return setmetatable(names, ALL_NAMES)
end

local Dict = {
  get_keys = step("names", names_of),
  get = step("get", function(dict, key) return dict[key] end),
  safe_add = step("add", function(dict, key, value)
    if dict[key] ~= nil then return false, "exists" end
    return change(dict, key, value)
  end),
  safe_set = step("set", change),
  delete = step("delete", function(dict, key) return change(dict, key, nil) end),
}
Dict.__index = Dict

-- The journal, with its clock and its processes in our hands -------------------------------------

local real = { pid = core.pid, is_running = core.is_running, monotonic = core.monotonic,
  sleep = core.sleep }
local MODULES = { "telnyx.journal.lock", "telnyx.journal.shared" }

local shared

-- So that a walk ends, who waits looks for the dead at once, and whoever takes a lock does so once;
-- and Lua 5.1 cannot yield in a pcall.
local function lock_module(edit)
  local text = sandbox.read_file("lua/telnyx/journal/lock.lua")
  text = text:gsub("SPINS = %d+", "SPINS = 1"):gsub("pcall%(step, %.%.%.%)", "true, step(...)")
    :gsub("n_taken = %(n_taken %+ 1%)", "n_taken = (1)")
  return assert((loadstring or load)(edit and edit(text) or text))() -- luacheck: ignore 113
end

local function begin(edit)
  core.pid = function() return world.actor.pid end
  core.is_running = function(pid) return not world.has_died[pid] end
  core.monotonic = function() return 0 end
  core.sleep = function()
    world.actor.waits_since = world.actor.found_locked_at
    world.actor.history = "waiting"
  end
  for _, name in ipairs(MODULES) do package.loaded[name] = nil end
  package.loaded["telnyx.journal.lock"] = lock_module(edit)
  shared = require "telnyx.journal.shared"
end

local function finish()
  for name, act in pairs(real) do core[name] = act end
  for _, name in ipairs(MODULES) do package.loaded[name] = nil end
end

-- Walking ----------------------------------------------------------------------------------------

local record = require "telnyx.journal.record"
local send = record.send

-- What is there, who has heard what, and who has died: whatever comes next depends on that alone.
local function key_of()
  local words = {}
  for name, value in pairs(world.dict) do words[#words + 1] = name .. "=" .. tostring(value) end
  table.sort(words)
  for _, actor in ipairs(world.actors) do
    words[#words + 1] = actor.history .. (world.has_died[actor.pid] and " died" or "")
      .. (actor.waits_since and actor.waits_since == world.version and " waits" or "")
  end
  return table.concat(words, "\n")
end

local function resume(actor)
  world.actor, actor.waits_since = actor, nil
  local ok, why = coroutine.resume(actor.thread)
  assert(ok, why)
end

local function is_over(actor)
  return coroutine.status(actor.thread) == "dead" or world.has_died[actor.pid]
end

local function take(choice)
  if choice > 0 then return resume(world.actors[choice]) end
  world.has_died[world.actors[-choice].pid] = true
  world.version = world.version + 1
end

local function new_world(rows, acts)
  world = { dict = {}, version = 0, actors = {}, has_died = {} }
  for key, row in pairs(rows) do world.dict["j:" .. key] = send:write(row) end
  for i, act in ipairs(acts) do
    local actor = { pid = 100 + i, history = "" }
    actor.thread = coroutine.create(function()
      local keeper = shared.new(setmetatable({}, Dict))
      actor.result = act(keeper)
      actor.history = actor.history .. " returned " .. tostring(actor.result)
    end)
    world.actors[i] = actor
    resume(actor) -- to its first operation
  end
end

-- What may happen next; a number below nought: that one dies.
local function choices(n_mortal)
  local list = {}
  for i, actor in ipairs(world.actors) do
    local is_stuck = actor.waits_since and actor.waits_since == world.version
    if not is_over(actor) then
      if not is_stuck then list[#list + 1] = i end
      if i <= n_mortal then list[#list + 1] = -i end
    end
  end
  return list
end

---@return integer how many ends there are
local function walk(rows, acts, n_mortal, check)
  local seen, n_ends, stack = {}, 0, { {} }
  while stack[1] do
    local path = table.remove(stack)
    new_world(rows, acts)
    for _, choice in ipairs(path) do take(choice) end
    local key = key_of()
    if not seen[key] then
      seen[key] = true
      local list, is_end = choices(n_mortal), true
      for _, actor in ipairs(world.actors) do is_end = is_end and is_over(actor) end
      for _, choice in ipairs(list) do
        local longer = { choice }
        for i = #path, 1, -1 do table.insert(longer, 1, path[i]) end
        stack[#stack + 1] = longer
      end
      assert(is_end or list[1], "nobody can go on")
      if is_end then
        check()
        n_ends = n_ends + 1
      end
    end
  end
  return n_ends
end

local function row_now() return world.dict["j:k"] and send:read(world.dict["j:k"], "k") end

local function claim(name)
  return function(keeper)
    return (keeper:claim { key = "k", digest = "d", claim = name, now = 1, expires = 2 })
  end
end

local function new_row(state)
  return { key = "k", state = state, claim = state ~= "free" and "c1" or nil, digest = "d",
    tries = 1, claimed_at = 1, expires = 2, created_at = 1 }
end

-- Of those who claim one is told that it has the key, and has it; a dead one tells nobody.
local function check_claims()
  local row, n_won = row_now(), 0
  for i, actor in ipairs(world.actors) do
    if actor.result then
      n_won = n_won + 1
      assert.equal("c" .. i, row.claim)
    end
    assert.is_not_nil(world.has_died[actor.pid] or actor.result)
  end
  assert.is_nil(tostring(names_of(world.dict)):find("t:", 1, true)) -- taken away: all of it
  local has_dead_one = world.has_died[101] and row.claim == "c1"
  assert.equal(1, n_won + (has_dead_one and n_won == 0 and 1 or 0))
  assert.equal("sending", row.state)
end

describe("two and three workers", function()
  before_each(function() begin() end)
  after_each(finish)

  it("that claim a new key", function()
    assert.is_true(walk({}, { claim("c1"), claim("c2") }, 0, check_claims) > 1)
    assert.is_true(walk({}, { claim("c1"), claim("c2"), claim("c3") }, 0, check_claims) > 1)
  end)

  it("that claim a key that was given back", function()
    assert.is_true(walk({ k = new_row("free") }, { claim("c1"), claim("c2") }, 0,
      check_claims) > 1)
  end)

  it("that claim while one of them dies anywhere", function()
    assert.is_true(walk({}, { claim("c1"), claim("c2"), claim("c3") }, 1, check_claims) > 20)
  end)

  local function one_of_two(state, first, second, states)
    local n_ends = walk({ k = new_row(state) }, { first, second }, 0, function()
      local results = tostring(world.actors[1].result) .. " " .. tostring(world.actors[2].result)
      local expected = states[results]
      assert.is_not_nil(expected, results)
      assert.equal(expected, row_now() and row_now().state or "none")
    end)
    assert.is_true(n_ends > 1)
  end

  local function finish_accepted(keeper)
    return keeper:finish { key = "k", claim = "c1", state = "accepted", now = 3 }
  end

  it("of which one finishes while a person frees the key", function()
    one_of_two("unknown", finish_accepted, function(keeper)
      return keeper:resend { key = "k", claim = "c1", by = "Ada", now = 3 }
    end, { ["true false"] = "accepted", ["false true"] = "free" })
  end)

  it("of which one finishes while the other settles", function()
    one_of_two("unknown", finish_accepted, function(keeper)
      return keeper:settle { key = "k", state = "rejected", by = "Ada", now = 3 }
    end, { ["true false"] = "accepted", ["false true"] = "rejected" })
  end)

  local function release(keeper) return keeper:release { key = "k", claim = "c1", now = 3 } end

  it("of which one gives back while the other settles", function()
    one_of_two("sending", release, function(keeper)
      return keeper:settle { key = "k", state = "accepted", by = "webhook", now = 3 }
    end, { ["true true"] = "accepted", ["false true"] = "accepted" })
  end)

  local function purge(keeper) return keeper:purge(9, 10) end

  it("of which one claims or gives back while the other purges what is free", function()
    one_of_two("free", claim("c2"), purge, { ["true 0"] = "sending", ["true 1"] = "sending" })
    one_of_two("sending", release, purge, { ["true 0"] = "free", ["true 1"] = "none" })
  end)

  local function reap(keeper) return #keeper:reap(9) end

  it("of which one finishes or gives back while the other reaps", function()
    one_of_two("sending", finish_accepted, reap, { ["true 0"] = "accepted",
      ["true 1"] = "accepted" })
    one_of_two("sending", release, reap, { ["true 0"] = "free", ["false 1"] = "unknown" })
  end)
end)

describe("two and three workers, of events and opt-outs,", function()
  before_each(function() begin() end)
  after_each(finish)

  local function add(keeper) return keeper:add_event { id = "e", now = 1 } end

  -- Who dies may have added it, and tells nobody.
  local function check_events()
    local n_new = 0
    for _, actor in ipairs(world.actors) do
      assert.is_not_nil(world.has_died[actor.pid] or actor.result)
      if actor.result then n_new = n_new + 1 end
    end
    assert.is_not_nil(record.event:read(world.dict["e:e"], "e"))
    assert.is_true(n_new == 1 or n_new == 0 and world.has_died[101] == true)
  end

  it("that add an event, while one of them may die", function()
    assert.is_true(walk({}, { add, add, add }, 0, check_events) > 1)
    assert.is_true(walk({}, { add, add }, 1, check_events) > 4)
  end)

  local function set(at, is_out)
    return function(keeper)
      return keeper:set_optout { number = "+1", own = "A", profile = "P", is_out = is_out, at = at,
        now = 1 }
    end
  end

  it("that record what a recipient wants come to one end", function()
    local n_ends = walk({}, { set(1, true), set(2, false) }, 0, function()
      local row = record.optout:read(world.dict["o:+1\0001"], "+1")
      assert.same({ 2, nil }, { row.at, row.is_out })
      assert.is_nil(world.dict["o:+1\0002"])
      assert.equal("P", record.profile:read(world.dict["p:A\0001"], "A").profile)
      assert.is_nil(world.dict["p:A\0002"])
      assert.is_true(world.actors[2].result)
    end)
    assert.is_true(n_ends > 1)
  end)
end)

describe("the walk finds", function()
  after_each(finish)

  local function assert_found(edit, ...)
    begin(function(text)
      local edited, n = edit(text)
      assert.equal(1, n)
      return edited
    end)
    local ok = pcall(walk, ...)
    assert.is_false(ok)
  end

  local three = { claim("c1"), claim("c2"), claim("c3") }

  it("that there is no lock", function()
    assert_found(function(text)
      return text:gsub("while not dict:safe_add[^\n]*", "while false do")
    end, { k = new_row("free") }, { claim("c1"), claim("c2") }, 0, check_claims)
  end)

  it("that two take away the lock of the dead one", function()
    assert_found(function(text)
      return text:gsub('if not dict:safe_add%("t:"[^\n]*', "")
    end, {}, three, 1, check_claims)
  end)

  it("that nobody takes it away", function()
    assert_found(function(text)
      return text:gsub("take_from_ended%(dict, name%)\n      if", "if")
    end, {}, three, 1, check_claims)
  end)

  it("that a lock is taken from the living", function()
    assert_found(function(text) return text:gsub("return pid == core.pid[^\n]*", "return true") end,
      { k = new_row("free") }, { claim("c1"), claim("c2") }, 0, check_claims)
  end)
end)

it("what raises under a lock gives it back", function()
  local lock, entries = require "telnyx.journal.lock", {}
  local dict = { get = function(_, key) return entries[key] end }
  function dict.safe_add(_, key, value)
    if entries[key] then return false, "exists" end
    entries[key] = value
    return true
  end
  function dict.delete(_, key) entries[key] = nil end
  local ok, why = lock.with(dict, "k", function()
    assert.is_not_nil(next(entries))
    error("on purpose", 0)
  end)
  assert.same({ nil, "on purpose" }, { ok, why })
  assert.is_nil(next(entries))
end)
