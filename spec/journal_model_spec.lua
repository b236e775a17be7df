-- Everything that two workers, a reaper, a webhook, a person and who adds to an outbox may do to
-- one key, in every order, to a depth (MODEL_DEPTH=7 goes further): over each journal, and over
-- journals that are broken on purpose.

local journals = require "spec.support.journals"
local sandbox = require "spec.support.sandbox"

local unpack = rawget(table, "unpack") or unpack -- luacheck: ignore 113

local LASTS = 60

local function demand(is_so, text) if not is_so then error(text, 0) end end

-- The actors -------------------------------------------------------------------------------------

-- Each act has a condition on the world, does what it does to a journal, and says what that was:
-- the change that may come of it, and the answer.
local acts = {}

local function act(name, can, run) acts[#acts + 1] = { name = name, can = can, run = run } end

local function finish(journal, world, worker, state)
  return journal:finish { key = world.key, claim = worker.claim, state = state, now = world.now,
    message_id = state == "accepted" and "m-" .. worker.claim or nil }
end

for _, name in ipairs { "A", "B" } do
  local function worker_of(world) return world[name] end
  local function is_idle(world) return not world[name].claim and world[name].n < 2 end
  local function holds(world) return world[name].claim end
  local function has_posted(world) return world[name].has_posted end

  local function claim(journal, world)
    local worker = worker_of(world)
    worker.n = worker.n + 1
    local own = world.key .. name .. worker.n
    return journal:claim { key = world.key, digest = "d", claim = own, now = world.now,
      expires = world.now + LASTS }, own
  end

  act(name .. " claims", is_idle, function(journal, world)
    local is_mine, own = claim(journal, world)
    if is_mine then
      worker_of(world).claim, worker_of(world).expires = own, world.now + LASTS
    end
    return "claim", is_mine, own
  end)

  -- It never hears of it, and posts nothing.
  act(name .. " claims, and the answer is lost", is_idle, function(journal, world)
    local is_mine, own = claim(journal, world)
    return "claim", is_mine, own
  end)

  -- Of its own sender, so that no other key is taken.
  local function take(journal, world)
    local worker = worker_of(world)
    worker.n = worker.n + 1
    local own = world.key .. name .. worker.n
    local rows = assert(journal:queue():take { sender = world.key, limit = 1, claim = own,
      now = world.now, expires = world.now + LASTS })
    return rows[1] ~= nil, own
  end

  local function may_take(world) return world.has_queue and is_idle(world) end

  act(name .. " takes", may_take, function(journal, world)
    local is_mine, own = take(journal, world)
    if is_mine then
      worker_of(world).claim, worker_of(world).expires = own, world.now + LASTS
    end
    return "take", is_mine, own
  end)

  act(name .. " takes, and the answer is lost", may_take, function(journal, world)
    local is_mine, own = take(journal, world)
    worker_of(world).lost = own
    return "take", is_mine, own
  end)

  act(name .. " gives back what it lost", function(world) return worker_of(world).lost end,
    function(journal, world)
      local own, is_done = worker_of(world).lost, false
      for _, row in ipairs(assert(journal:queue():adopt(own))) do
        is_done = journal:release { key = row.key, claim = own, now = world.now }
      end
      worker_of(world).lost = nil
      return "release", is_done, own
    end)

  act(name .. " gives back, for later", function(world)
    return world.has_queue and holds(world) and not has_posted(world)
  end, function(journal, world)
    local worker = worker_of(world)
    local is_done = journal:release { key = world.key, claim = worker.claim, now = world.now,
      due = world.now + LASTS }
    world[name] = { n = worker.n, lost = worker.lost }
    return "release", is_done, worker.claim, nil, world.now + LASTS
  end)

  act(name .. " posts", function(world)
    local worker = worker_of(world)
    return worker.claim and not worker.has_posted and world.now <= worker.expires
  end, function(_, world)
    worker_of(world).has_posted, world.was_posted = true, true
    world.n_posts = world.n_posts + 1
    return "post"
  end)

  for _, state in ipairs { "accepted", "rejected", "unknown" } do
    act(name .. " finishes: " .. state, has_posted, function(journal, world)
      local worker = worker_of(world)
      local is_done, own = finish(journal, world, worker, state), worker.claim
      world[name] = { n = worker.n, lost = worker.lost }
      return "finish", is_done, own, state
    end)
  end

  act(name .. " finishes, and again as the answer is lost", has_posted, function(journal, world)
    local worker = worker_of(world)
    local own, is_done = worker.claim, finish(journal, world, worker, "accepted")
    world[name] = { n = worker.n, lost = worker.lost }
    worker.key = world.key
    demand(finish(journal, world, worker, "accepted") == is_done, "the second answer is another")
    return "finish", is_done, own, "accepted"
  end)

  act(name .. " gives back", function(world)
    return holds(world) and not has_posted(world)
  end, function(journal, world)
    local worker = worker_of(world)
    local is_done = journal:release { key = world.key, claim = worker.claim, now = world.now }
    world[name] = { n = worker.n, lost = worker.lost }
    return "release", is_done, worker.claim
  end)

  act(name .. " dies", holds, function(_, world)
    world[name] = { n = world[name].n }
    return "nothing"
  end)
end

for _, digest in ipairs { "d", "another" } do
  act("a message is added: " .. digest, function(world) return world.has_queue end,
    function(journal, world)
      local is_done, row = journal:queue():add { key = world.key, digest = digest,
        sender = world.key, body = "{}", due = world.now, ord = 1, now = world.now }
      demand(is_done or type(row) == "table", row)
      return "add", is_done, nil, digest
    end)
end

act("a message is withdrawn", function(world) return world.has_queue end,
  function(journal, world)
    return "withdraw", (journal:queue():withdraw(world.key, world.now))
  end)

act("time passes", function(world) return world.now < 1200 end, function(_, world)
  world.now = world.now + LASTS + 1
  return "nothing"
end)

act("the reaper comes", function() return true end, function(journal, world)
  local is_done = false
  for _, key in ipairs(assert(journal:reap { now = world.now })) do
    is_done = is_done or key == world.key
  end
  return "reap", is_done
end)

for _, state in ipairs { "accepted", "rejected" } do
  act("a webhook settles: " .. state, function(world) return world.was_posted end,
    function(journal, world)
      local id = state == "accepted" and "m-1" or nil
      return "settle", journal:settle { key = world.key, state = state, by = "webhook",
        now = world.now, message_id = id }, id, state
    end)
end

act("a person looks", function() return true end, function(journal, world)
  local row = journal:get(world.key)
  world.seen = row and row.claim or world.seen
  return "nothing"
end)

act("a person sends again", function(world) return world.seen end, function(journal, world)
  local is_done = journal:resend { key = world.key, claim = world.seen, by = "Ada",
    now = world.now }
  if is_done then world.n_resent = world.n_resent + 1 end
  return "resend", is_done, world.seen
end)

act("what is old is purged", function() return true end, function(journal, world)
  local was_there = journal:get(world.key)
  assert(journal:purge { before = world.now + 1 })
  local is_done = was_there and not journal:get(world.key)
  -- From here on it is another key, as far as anybody can know.
  if is_done then world.n_posts, world.n_resent, world.was_posted = 0, 0, false end
  return "purge", is_done and true or false
end)

-- What is right ----------------------------------------------------------------------------------

local is_final = { accepted = true, rejected = true }

-- The state after it, by the contract and not by the code; nil: refused. `world` is the one before.
local rules = {
  claim = function(row, _, _, world)
    local is_same = row and row.digest == "d"
    local is_free = row and row.state == "free" and (is_same or not world.is_kept)
    return (not row or is_free or is_same and row.state == "queued") and "sending"
  end,
  add = function(row, _, digest, world)
    local is_free = row and row.state == "free" and (row.digest == digest or not world.is_kept)
    return (not row or is_free) and "queued"
  end,
  withdraw = function(row) return row and row.state == "queued" and "free" end,
  take = function(row, _, _, world)
    return row and row.state == "queued" and row.due <= world.now and "sending"
  end,
  finish = function(row, own, state)
    local is_open = row and (row.state == "sending" or row.state == "unknown")
    return is_open and row.claim == own and state
  end,
  release = function(row, own, _, world)
    return row and row.state == "sending" and row.claim == own and (world.waits or "free")
  end,
  reap = function(row, _, _, world)
    return row and row.state == "sending" and row.expires < world.now and "unknown"
  end,
  settle = function(row, id, state)
    local was_tried = row and row.tries > 0 and (row.state == "free" or row.state == "queued")
    local may_be = row and (row.state == "sending" or was_tried)
    local lacks_id = row and row.state == "accepted" and not row.message_id
    return row and (row.state == "unknown" or (may_be or lacks_id and id)
      and state == "accepted") and state
  end,
  resend = function(row, own, _, world)
    return row and row.state == "unknown" and row.claim == own and (world.waits or "free")
  end,
  purge = function(row) return row and (is_final[row.state] or row.state == "free") and "none" end,
  post = function() return false end,
  nothing = function() return false end,
}

local function state_of(row) return row and row.state or "none" end

-- Whether it is an outbox's, that goes back there.
local function follow(world, what, is_done)
  if what == "add" and is_done then world.waits = "queued" end
  if (what == "withdraw" or what == "purge") and is_done then world.waits = nil end
  -- What a person has called not sent may have been: nothing else is sent in its place.
  if what == "resend" and is_done then world.is_kept = true end
  if what == "purge" and is_done then world.is_kept = nil end
end

local function check_rules(before, after, world, what, is_done, own, state, due)
  local expected = rules[what](before, own, state, world) or nil
  demand(state_of(after) == (expected or state_of(before)), what .. " made it " .. state_of(after))
  if what ~= "post" and what ~= "nothing" then
    demand(is_done == (expected ~= nil), what .. " said " .. tostring(is_done))
  end
  local is_claim = what == "claim" or what == "take"
  if is_claim and is_done then demand(after.claim == own, "claimed for another") end
  if what == "add" and is_done then demand(after.digest == state, "another message waits") end
  if due and expected == "queued" then demand(after.due == due, "due at another time") end
  if is_final[state_of(before)] and after then
    local is_told = what == "settle" and not before.message_id and after.message_id == own
    demand(is_told or after.message_id == before.message_id, "what was settled has changed")
  end
end

-- The promise itself.
local function check_posts(world)
  demand(world.n_posts <= 1 + world.n_resent, "posted twice")
end

-- Walking ----------------------------------------------------------------------------------------

local n_keys = 0

local function has_queue(journal) return journal.queue and journal:queue() ~= nil end

local function new_world(journal)
  n_keys = n_keys + 1
  return { has_queue = has_queue(journal), key = "k" .. n_keys,
    now = 1000, n_posts = 0, n_resent = 0, was_posted = false,
    A = { n = 0 }, B = { n = 0 } }
end

local function copy(value)
  if type(value) ~= "table" then return value end
  local own = {}
  for name, item in pairs(value) do own[name] = copy(item) end
  return own
end

-- Claims of one key are alike to those of another.
local function words_of(value)
  if type(value) ~= "table" then return (tostring(value):gsub("k%d+", "")) end
  local words = {}
  for name, item in pairs(value) do
    if name ~= "key" then words[#words + 1] = name .. "=" .. words_of(item) end
  end
  table.sort(words)
  return "{" .. table.concat(words, ",") .. "}"
end

local function replayed(journal, path)
  local world = new_world(journal)
  for _, i in ipairs(path) do follow(world, acts[i].run(journal, world)) end
  return world
end

local function names_of(path)
  local names = {}
  for i, n in ipairs(path) do names[i] = acts[n].name end
  return table.concat(names, "; ")
end

-- One act more than the path has; returns the world after it, and what tells it from others.
local function try(journal, path, i, only_posts)
  local longer = copy(path)
  longer[#longer + 1] = i
  local world = replayed(journal, path)
  local before = assert(journal:get(world.key) or 0)
  if before == 0 then before = nil end
  local then_ = { now = world.now, waits = world.waits, is_kept = world.is_kept }
  local answer = { acts[i].run(journal, world) }
  follow(world, answer[1], answer[2])
  local after = journal:get(world.key) or nil
  local ok, why = pcall(function()
    if not only_posts then
      check_rules(before, after, then_, unpack(answer, 1, 5))
    end
    check_posts(world)
  end)
  if not ok then error(names_of(longer) .. ": " .. why, 0) end
  return longer, world, words_of(world) .. words_of(after)
end

local function path_of(names)
  local path = {}
  for i, name in ipairs(names) do
    for n, own in ipairs(acts) do
      if own.name == name then path[i] = n end
    end
    assert(path[i], name)
  end
  return path
end

-- From where it begins: from nothing, and with a key that a person has freed and B has claimed,
-- while A and the person still know of A's claim, under which nothing was posted, or something.
local BEGINNINGS = {
  {},
  path_of { "A claims", "time passes", "the reaper comes", "a person looks",
    "a person sends again", "B claims" },
  path_of { "A claims", "A posts", "time passes", "the reaper comes", "a person looks",
    "a person sends again", "B claims" },
}

-- And in an outbox: the same, and with what waits again after B could not send it.
local QUEUED = {
  path_of { "a message is added: d" },
  path_of { "a message is added: d", "A takes", "time passes", "the reaper comes",
    "a person looks", "a person sends again", "B takes" },
  path_of { "a message is added: d", "B takes", "B gives back, for later", "A claims" },
}

---Goes through all orders of `depth` acts behind those of `path`.
---@return integer how many acts were tried
local function walk(journal, depth, path, only_posts)
  local seen, nodes, n = {}, { { path = path, world = replayed(journal, path) } }, 0
  for _ = 1, depth do
    local further = {}
    for _, node in ipairs(nodes) do
      for i, own in ipairs(acts) do
        if own.can(node.world) then
          local longer, world, key = try(journal, node.path, i, only_posts)
          n = n + 1
          if not seen[key] then
            seen[key] = true
            further[#further + 1] = { path = longer, world = world }
          end
        end
      end
    end
    nodes = further
  end
  return n
end

local function walk_all(journal, depth)
  local n = walk(journal, depth, BEGINNINGS[1])
  for i = 2, #BEGINNINGS do n = n + walk(journal, depth - 1, BEGINNINGS[i]) end
  if not has_queue(journal) then return n end
  for _, beginning in ipairs(QUEUED) do n = n + walk(journal, depth - 1, beginning) end
  return n
end

-- Every journal ----------------------------------------------------------------------------------

local DEPTHS = { memory = 5, shared = 4, sqlite = 4, ["a user's query"] = 4, postgres = 4 }

for _, candidate in ipairs(journals.all) do
  it("the journal of " .. candidate.name .. " keeps to the rules", function()
    finally(function() if candidate.stop then candidate.stop() end end)
    if candidate.start then candidate.start() end
    local journal = candidate.open()
    local depth = tonumber(os.getenv("MODEL_DEPTH")) or DEPTHS[candidate.name]
    local n = walk_all(journal, depth)
    assert.is_true(n > 1500, n .. " acts")
    journal:close()
  end)
end

-- Broken on purpose -------------------------------------------------------------------------------

-- The journal in memory with a change in the text of one of its modules.
local function broken(module, from, to)
  local text = sandbox.read_file("lua/telnyx/journal/" .. module .. ".lua")
  local edited, n = text:gsub(from:gsub("%p", "%%%0"), (to:gsub("%%", "%%%%")))
  assert(n > 0, from)
  local kept = {}
  for _, name in ipairs { "machine", "rows", "memory", "statements", "sql", "sqlite", "object" } do
    name = "telnyx.journal." .. name
    kept[name], package.loaded[name] = package.loaded[name] or false, nil
  end
  package.loaded["telnyx.journal." .. module] =
    assert((loadstring or load)(edited))() -- luacheck: ignore 113
  return function()
    for name, loaded in pairs(kept) do package.loaded[name] = loaded or nil end
  end
end

local MACHINE = {
  { "a claim takes what is unknown", 'digest then return row.state == "free"',
    'digest then return row.state == "free" or row.state == "unknown"' },
  { "a claim takes what is being sent", 'digest then return row.state == "free"',
    'digest then return row.state == "free" or row.state == "sending"' },
  { "a claim takes what was rejected", 'digest then return row.state == "free"',
    'digest then return row.state == "free" or row.state == "rejected"' },
  { "a finish needs no claim", "if row.claim ~= f.claim then return nil end", "" },
  { "a finish changes what was settled", "if not is_open then return", "if not row then return" },
  { "a release needs no claim", 'row.state ~= "sending" or row.claim ~= r.claim then',
    'row.state ~= "sending" then' },
  { "a release frees what is unknown", 'if not row or row.state ~= "sending" or row.claim',
    'if not row or (row.state ~= "sending" and row.state ~= "unknown") or row.claim' },
  { "a reaper frees", 'state = "unknown", settled_at = now', 'state = "free", settled_at = now' },
  { "a reaper is early", "or row.expires >= now then", "then" },
  { "what was settled is settled again", 'local may = row and (row.state == "unknown"',
    'local may = row and (row.state == "unknown" or row.state == "accepted"' },
  { "what is being sent is rejected elsewhere", ' and s.state == "accepted"', "" },
  { "a person frees a later claim", 'row.state ~= "unknown" or row.claim ~= r.claim then',
    'row.state ~= "unknown" then' },
  { "a person frees what is being sent", 'if not row or row.state ~= "unknown" or',
    'if not row or (row.state ~= "unknown" and row.state ~= "sending") or' },
  { "a purge takes what is unknown", '(row.state == "accepted" or row.state == "rejected")',
    '(row.state == "accepted" or row.state == "rejected" or row.state == "unknown")' },
}

local STATEMENTS = {
  { "a claim takes what is unknown", "WHERE (telnyx_send.state = 'free'",
    "WHERE (telnyx_send.state IN ('free', 'unknown')" },
  { "a finish needs no claim", "WHERE key = ? AND claim = ? AND state IN ('sending', 'unknown')",
    "WHERE key = ? AND claim >= substr(?, 1, 0) AND state IN ('sending', 'unknown')" },
  { "a finish changes what was settled", "claim = ? AND state IN ('sending', 'unknown')",
    "claim = ?" },
  { "a release needs no claim", "WHERE key = ? AND claim = ? AND state = 'sending'",
    "WHERE key = ? AND claim >= substr(?, 1, 0) AND state = 'sending'" },
  { "a reaper is early", "state = 'sending' AND expires < {B}", "state = 'sending' AND {B} > 0" },
  { "what is being sent is rejected elsewhere", "AND CAST(? AS TEXT) = 'accepted'",
    "AND CAST(? AS TEXT) <> ''" },
  { "a person frees a later claim", "WHERE key = ? AND claim = ? AND state = 'unknown'",
    "WHERE key = ? AND claim >= substr(?, 1, 0) AND state = 'unknown'" },
  { "a purge takes what is unknown", "'rejected') AND settled_at < {B}",
    "'rejected', 'unknown') AND settled_at < {B}" },
  { "a take takes what is unknown", "WHERE key IN (SELECT key FROM c) AND state = 'queued'",
    "WHERE key IN (SELECT key FROM c) AND state = 'queued' OR state = 'unknown' AND due > 0" },
  { "a take is early", "sender = ? AND due <= {B}", "sender = ? AND {B} > 0" },
  { "what was given back to the outbox is free",
    "CASE WHEN body IS NULL THEN 'free' ELSE 'queued' END", "'free'" },
  { "what waits for later is due at once", "COALESCE({B}, due)", "COALESCE(due, {B})" },
  { "what is being sent is withdrawn", "WHERE key = ? AND state = 'queued'",
    "WHERE key = ? AND state IN ('queued', 'sending')" },
  { "what was withdrawn waits again", "state = 'free', body = NULL", "state = 'free'" },
  { "another message is added in its place",
    "WHERE telnyx_send.state = 'free' AND {UNKEPT}\nRETURNING key",
    "WHERE telnyx_send.state IN ('free', 'queued') AND {UNKEPT}\nRETURNING key" },
  { "another message is sent in its place",
    "telnyx_send.state = 'queued' AND telnyx_send.digest = excluded.digest",
    "telnyx_send.state = 'queued'" },
}

describe("the walk finds that", function()
  for _, row in ipairs(MACHINE) do
    it(row[1], function()
      finally(broken("machine", row[2], row[3]))
      local own = require "telnyx.journal.object".new(require "telnyx.journal.memory".new())
      local ok, why = pcall(walk_all, own, 4)
      assert.is_false(ok)
      assert.matches("; ", why)
    end)
  end

  for _, row in ipairs(STATEMENTS) do
    it(row[1] .. ", in SQL", function()
      local mend, folder = broken("statements", row[2], row[3]), sandbox.folder_in_memory()
      finally(function()
        mend()
        os.execute("rm -rf " .. folder)
      end)
      local keeper = assert(require "telnyx.journal.sqlite".new(folder .. "/sent.db", {}))
      local own = require "telnyx.journal.object".new(keeper)
      local ok, why = pcall(walk_all, own, 4)
      own:close()
      assert.is_false(ok)
      assert.matches("; ", why)
    end)
  end

  -- By the number of posts alone.
  for _, name in ipairs { "a claim takes what is unknown", "a claim takes what is being sent",
    "a reaper frees" } do
    it(name .. ", since a message is posted twice", function()
      for _, row in ipairs(MACHINE) do
        if row[1] == name then finally(broken("machine", row[2], row[3])) end
      end
      local own = require "telnyx.journal.object".new(require "telnyx.journal.memory".new())
      local ok, why = pcall(walk, own, 6, {}, true)
      assert.is_false(ok)
      assert.matches("posted twice", why)
    end)
  end
end)
