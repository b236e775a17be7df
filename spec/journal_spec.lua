-- Every journal, by one table of what may become of a row.

local journals = require "spec.support.journals"
local telnyx = require "telnyx"

local NOW = 1700000000.123
local EXPIRES = NOW + 60

local journal, candidate

local function claim(key, changes)
  local c = { key = key, digest = "d1", to = "+18665550001", claim = "c1", owner = "here/1",
    now = NOW, expires = EXPIRES }
  for name, value in pairs(changes or {}) do c[name] = value end
  local is_claimed, row = journal:claim(c) -- no tail call: a complaint names its caller
  return is_claimed, row
end

local function finish(key, state, changes)
  local f = { key = key, claim = "c1", state = state, now = NOW + 1, message_id = "m1",
    status = 200, result = '{"id":"m1"}' }
  for name, value in pairs(changes or {}) do f[name] = value end
  local is_done, why = journal:finish(f)
  return is_done, why
end

local function queue(key)
  candidate.queue(journal, { key = key, digest = "d1", to = "+18665550001", due = NOW,
    created_at = NOW })
end

-- The states -------------------------------------------------------------------------------------

-- How a row of a direct send comes to be so.
local direct = {
  none = function() end,
  free = function(key)
    assert.is_true(claim(key))
    assert.is_true(journal:release { key = key, claim = "c1", now = NOW })
  end,
  sending = function(key) assert.is_true(claim(key)) end,
}

-- The same of an outbox's.
local outbox = {
  queued = queue,
  sending = function(key)
    queue(key)
    assert.is_true(claim(key))
  end,
}

for _, way in ipairs { direct, outbox } do
  for _, state in ipairs { "accepted", "rejected", "unknown" } do
    way[state] = function(key)
      way.sending(key)
      assert.is_true(finish(key, state))
    end
  end
end

local acts = {
  ["claim, same message"] = function(key) return (claim(key, { claim = "c2" })) end,
  ["claim, another message"] = function(key)
    return (claim(key, { claim = "c2", digest = "d2" }))
  end,
  ["reap in time"] = function() return #assert(journal:reap { now = EXPIRES }) > 0 end,
  ["reap"] = function() return #assert(journal:reap { now = EXPIRES + 0.001 }) > 0 end,
  ["settle accepted"] = function(key)
    return journal:settle { key = key, state = "accepted", by = "webhook", now = NOW + 2 }
  end,
  ["settle rejected"] = function(key)
    return journal:settle { key = key, state = "rejected", by = "webhook", now = NOW + 2 }
  end,
  ["purge too early"] = function() return assert(journal:purge { before = NOW }) > 0 end,
  ["purge"] = function() return assert(journal:purge { before = NOW + 100 }) > 0 end,
}

for name, own in pairs { ["by its claim"] = "c1", ["by another claim"] = "c2" } do
  for _, state in ipairs { "accepted", "rejected", "unknown" } do
    acts[("finish %s %s"):format(state, name)] = function(key)
      return finish(key, state, { claim = own, message_id = "m2" })
    end
  end
  acts["release " .. name] = function(key)
    return journal:release { key = key, claim = own, now = NOW, due = NOW + 5 }
  end
  acts["resend " .. name] = function(key)
    return journal:resend { key = key, claim = own, by = "Ada", now = NOW + 2 }
  end
  acts["withdraw " .. name] = function(key)
    return journal:resend { key = key, claim = own, by = "Ada", now = NOW + 2,
      is_withdrawn = true }
  end
end

-- What becomes of a row: its new state; "back": free, or queued if it has a body; "-": refused, and
-- nothing of it has changed.
local MATRIX = [[
                              none     free     queued   sending   accepted  rejected  unknown
claim, same message           sending  sending  sending  -         -         -         -
claim, another message        sending  sending  -        -         -         -         -
finish accepted by its claim  -        -        -        accepted  -         -         accepted
finish rejected by its claim  -        -        -        rejected  -         -         rejected
finish unknown by its claim   -        -        -        unknown   -         -         unknown
finish accepted by another claim  -    -        -        -         -         -         -
finish rejected by another claim  -    -        -        -         -         -         -
finish unknown by another claim   -    -        -        -         -         -         -
release by its claim          -        -        -        back      -         -         -
release by another claim      -        -        -        -         -         -         -
reap in time                  -        -        -        -         -         -         -
reap                          -        -        -        unknown   -         -         -
settle accepted               -        accepted -        accepted  -         -         accepted
settle rejected               -        -        -        -         -         -         rejected
resend by its claim           -        -        -        -         -         -         back
resend by another claim       -        -        -        -         -         -         -
withdraw by its claim         -        -        -        -         -         -         free
withdraw by another claim     -        -        -        -         -         -         -
purge too early               -        -        -        -         -         -         -
purge                         -        none     -        -         none      none      -
]]

local function each_cell(visit)
  local columns
  for line in MATRIX:gmatch("[^\n]+") do
    local words = {}
    local name = line:match("^(.-)%s%s") or ""
    for word in line:sub(#name + 1):gmatch("%S+") do words[#words + 1] = word end
    if not columns then columns = words else
      for i, state in ipairs(columns) do visit(name, state, assert(words[i], line)) end
    end
  end
end

local function try(way, act, from, to, state_back)
  local key = act .. " " .. from
  way[from](key)
  local before = assert(journal:get(key) or true)
  local is_done = acts[act](key)
  local after = journal:get(key)
  if to == "-" then
    assert.is_false(is_done)
    assert.same(before, after or true)
  else
    assert.is_true(is_done)
    assert.equal(to == "back" and state_back or to, after and after.state or "none")
  end
end

local function specs()
  before_each(function() journal = candidate.open() end)
  after_each(function() journal:close() end)

  each_cell(function(act, from, to)
    local own = candidate
    if direct[from] then
      it(("%s of %s: %s"):format(act, from, to), function() try(direct, act, from, to, "free") end)
    end
    if outbox[from] and own.queue then
      it(("%s of an outbox's %s: %s"):format(act, from, to), function()
        try(outbox, act, from, to, "queued")
      end)
    end
  end)

  -- A row without what this journal does not keep.
  local function row(fields)
    if not candidate.keeps_results then fields.result = nil end
    return fields
  end

  it("a row says what happened, and when", function()
    local key = "order-1"
    assert.is_false(journal:get(key))
    assert.is_true(claim(key))
    local sending = { key = key, state = "sending", digest = "d1", to = "+18665550001",
      claim = "c1", owner = "here/1", claimed_at = NOW, expires = EXPIRES, tries = 1,
      created_at = NOW }
    assert.same(sending, journal:get(key))
    local is_claimed, found = claim(key, { claim = "c2", now = NOW + 1 })
    assert.is_false(is_claimed)
    assert.same(sending, found)

    assert.is_true(finish(key, "unknown", { message_id = false or nil, status = 504 }))
    assert.same(row { key = key, state = "unknown", digest = "d1", to = "+18665550001",
      claim = "c1", owner = "here/1", claimed_at = NOW, expires = EXPIRES, tries = 1,
      created_at = NOW, message_id = "m1", status = 504, result = '{"id":"m1"}',
      settled_at = NOW + 1, settled_by = "worker" }, journal:get(key))

    assert.is_true(journal:settle { key = key, state = "accepted", by = "webhook", now = NOW + 2,
      message_id = "m2" })
    assert.same(row { key = key, state = "accepted", digest = "d1", to = "+18665550001",
      claim = "c1", owner = "here/1", claimed_at = NOW, expires = EXPIRES, tries = 1,
      created_at = NOW, message_id = "m2", status = 504, result = '{"id":"m1"}',
      settled_at = NOW + 2, settled_by = "webhook" }, journal:get(key))
  end)

  it("what was accepted by a reply that was cut is told its id later, and no other", function()
    claim("order-1")
    assert(journal:finish { key = "order-1", claim = "c1", state = "accepted", now = NOW + 1 })
    local function settle(state, id, now)
      return (journal:settle { key = "order-1", state = state, by = "webhook", now = now,
        message_id = id })
    end
    assert.is_false(settle("accepted", nil, NOW + 2))
    assert.is_false(settle("rejected", "m2", NOW + 3))
    assert.is_true(settle("accepted", "m2", NOW + 4))
    assert.is_false(settle("accepted", "m3", NOW + 5))
    local known = journal:get("order-1")
    assert.same({ "accepted", "m2", "webhook", NOW + 4 },
      { known.state, known.message_id, known.settled_by, known.settled_at })
  end)

  it("a row is the caller's own", function()
    claim("order-1")
    journal:get("order-1").state = "free"
    select(2, claim("order-1")).state = "free"
    assert.equal("sending", journal:get("order-1").state)
  end)

  it("a key that was given back is claimed as new, tries and age apart", function()
    direct.free("order-1")
    assert.same({ key = "order-1", state = "free", digest = "d1", to = "+18665550001", tries = 1,
      owner = "was c1", created_at = NOW }, journal:get("order-1"))
    assert.is_true(claim("order-1", { digest = "d2", to = "+18665550002", claim = "c2",
      owner = "there/2", now = NOW + 9, expires = NOW + 99 }))
    assert.same({ key = "order-1", state = "sending", digest = "d2", to = "+18665550002",
      claim = "c2", owner = "there/2", claimed_at = NOW + 9, expires = NOW + 99, tries = 2,
      created_at = NOW }, journal:get("order-1"))
  end)

  it("a key that a person frees keeps who it was, and its message", function()
    direct.unknown("order-1")
    assert.is_true(journal:resend { key = "order-1", claim = "c1", by = "Ada", now = NOW + 5 })
    assert.same(row { key = "order-1", state = "free", digest = "d1", to = "+18665550001",
      tries = 1, created_at = NOW, message_id = "m1", status = 200, result = '{"id":"m1"}',
      settled_at = NOW + 5, settled_by = "Ada", owner = "was c1" }, journal:get("order-1"))
    assert.is_true(claim("order-1", { claim = "c2" }))
    local again = journal:get("order-1")
    assert.is_nil(again.message_id)
    assert.same({ nil, "Ada" }, { again.settled_at, again.settled_by })
    assert.is_false(finish("order-1", "accepted"))
    -- It may have been sent all the same, and nothing else be sent in its place.
    assert.is_true(journal:release { key = "order-1", claim = "c2", now = NOW + 6 })
    local ok, row_now = claim("order-1", { digest = "d2", claim = "c3" })
    assert.is_false(ok)
    assert.equal("d1", row_now.digest)
    assert.is_true(claim("order-1", { claim = "c4" }))
  end)

  it("a finish once more is true once more, and no other is", function()
    for _, state in ipairs { "accepted", "rejected", "unknown" } do
      claim(state)
      assert.is_true(finish(state, state))
      assert.is_true(finish(state, state, { now = NOW + 9 }))
    end
    assert.equal(NOW + 1, journal:get("accepted").settled_at)
    assert.equal(NOW + 1, journal:get("rejected").settled_at)
    assert.is_false(finish("accepted", "accepted", { message_id = "m2" }))
    assert.is_false(finish("accepted", "accepted", { status = 201 }))
    assert.is_false(finish("accepted", "rejected"))
    assert.is_false(finish("accepted", "unknown"))
    assert.is_false(finish("accepted", "accepted", { claim = "c2" }))
  end)

  it("settling keeps the id that is there, and takes one that is not", function()
    direct.unknown("there")
    journal:settle { key = "there", state = "accepted", by = "webhook", now = NOW + 2 }
    assert.equal("m1", journal:get("there").message_id)
    direct.sending("none")
    journal:settle { key = "none", state = "accepted", by = "webhook", now = NOW + 2,
      message_id = "m9" }
    assert.equal("m9", journal:get("none").message_id)
  end)

  it("keeps any text as it is", function()
    local texts = { "it's", 'say "no"', "what? ?1 $1 %s", "back\\slash", "100 % %d", "; DROP x; --",
      "\195\164\226\130\172\240\159\152\128", "\t\r\n", "NULL", "7", "7.0", "1e3", " padded " }
    for i, text in ipairs(texts) do
      local key, c = i .. text, "c" .. text
      assert.is_true(claim(key, { digest = text, to = text, claim = c, owner = text }))
      assert.is_true(finish(key, "accepted", { claim = c, message_id = text, result = text }))
      assert.is_true(claim(text))
      assert.is_true(journal:reap { now = EXPIRES + 1 }[1] == text)
      assert.is_true(journal:settle { key = text, state = "accepted", by = text, now = NOW })
      local found = journal:get(key)
      for _, name in ipairs { "digest", "to", "owner", "message_id" } do
        assert.equal(text, found[name])
      end
      assert.equal(c, found.claim)
      assert.equal(candidate.keeps_results and text or nil, found.result)
      assert.equal(text, journal:get(text).settled_by)
      assert.equal(key, journal:find { message_id = text }[1].key)
    end
  end)

  it("keeps what tells rows and claims apart whole, or not at all", function()
    for _, n in ipairs { 64, 65, 255 } do
      for _, name in ipairs { "digest", "claim" } do
        local key, text = name .. n, ("d"):rep(n)
        local is_claimed, why = claim(key, { [name] = text })
        local found = journal:get(key)
        if is_claimed then assert.equal(text, found[name]) else assert.is_false(found) end
        if not is_claimed then assert.matches("more than the 64 bytes", why) end
        assert.is_true(is_claimed or n > 64)
      end
    end
  end)

  it("reaps one key where it is told which", function()
    claim("a")
    claim("b")
    assert.same({}, journal:reap { now = EXPIRES - 1, key = "a" })
    assert.same({ "a" }, journal:reap { now = EXPIRES + 1, key = "a" })
    assert.same({}, journal:reap { now = EXPIRES + 1, key = "a" })
    assert.same({}, journal:reap { now = EXPIRES + 1, key = "none" })
    assert.same({ "unknown", "reaper" }, { journal:get("a").state, journal:get("a").settled_by })
    assert.equal("sending", journal:get("b").state)
  end)

  it("finds the rows of a campaign", function()
    if not candidate.queue then return end
    claim("alone")
    queue("one of autumn's")
    local found = journal:find { campaign = "autumn" }
    assert.equal(1, #found)
    assert.equal("one of autumn's", found[1].key)
    assert.same({}, journal:find { campaign = "autumn", state = "sending" })
    assert.same({}, journal:find { campaign = "spring" })
  end)

  it("says what may have been meant", function()
    if candidate.is_remote then return end
    local _, why = pcall(journal.find, journal, { stat = "unknown" })
    assert.matches("knows no 'stat'; did you mean 'state'?", why, 1, true)
    _, why = pcall(journal.purge, journal, { older = 7 })
    assert.matches("knows no 'older'; known: before, limit", why, 1, true)
  end)

  it("keeps a result of 1 MB", function()
    local result = ('{"a":"\\n?%s\195\164"}'):rep(75000)
    assert.is_true(#result > 1e6)
    claim("order-1")
    assert.is_true(finish("order-1", "accepted", { result = result }))
    assert.is_true(journal:get("order-1").result == (candidate.keeps_results and result or nil))
    assert.is_true(finish("order-1", "accepted", { result = result }))
  end)

  it("keeps milliseconds, and whole numbers whole", function()
    local times = { 0, 0.001, 1, 1234567.891, 1700000000, 1700000000.9996, 4102444800.999 }
    for i, time in ipairs(times) do
      local key, rounded = "k" .. i, math.floor(time * 1000 + 0.5) / 1000
      assert.is_true(claim(key, { now = time, expires = time + 0.5 }))
      assert.equal(rounded, journal:get(key).claimed_at)
      assert.is_true(finish(key, "rejected", { now = time, status = 400 }))
      local row_now = journal:get(key)
      assert.equal(rounded, row_now.settled_at)
      assert.equal("1", tostring(row_now.tries))
      assert.equal("400", tostring(row_now.status))
    end
  end)

  it("takes keys of 1 to 255 bytes of UTF-8, and says what is wrong with others", function()
    local good = { "k", ("k"):rep(255), "\194\128\239\191\191\244\143\191\191", "\127\1" }
    for _, key in ipairs(good) do
      assert.is_true(claim(key))
      assert.equal(key, journal:get(key).key)
    end
    local bad = { "", ("k"):rep(256), "\0", "a\0b", "\128", "\192\128", "\224\128\128",
      "\237\160\128", "\244\144\128\128", "\195", "\226\195\164", "\255" }
    for _, key in ipairs(bad) do
      local ok, why = claim(key)
      assert.is_nil(ok)
      assert.matches("key", why)
      assert.is_nil(journal:get(key))
    end
    assert.is_nil((claim("k2", { to = "a\0b" })))
    assert.is_nil((finish("k", "accepted", { result = "\255" })))
    assert.equal("sending", journal:get("k").state)
  end)

  it("lists what is not settled, the oldest first", function()
    local expected = {}
    for i = 1, 1000 do
      local n = (i * 389) % 1000 -- each once, in no order
      local key = ("k%04d"):format(n)
      claim(key, { now = NOW + math.floor(n / 2), expires = NOW + n + 10 })
      if n % 3 == 0 then finish(key, "unknown") elseif n % 3 == 1 then finish(key, "accepted") end
    end
    for n = 0, 999 do
      local is_listed = n % 3 == 0 or (n % 3 == 2 and n + 10 < 600)
      if is_listed then expected[#expected + 1] = ("k%04d"):format(n) end
    end
    local found = {}
    for listed in assert(journal:unsettled { now = NOW + 600 }) do
      found[#found + 1] = listed.key
    end
    assert.same(expected, found)

    local n_old = 0
    for listed in assert(journal:unsettled { now = NOW + 600, older_than = 500 }) do
      assert.is_true(listed.claimed_at <= NOW + 100)
      n_old = n_old + 1
    end
    assert.equal(135, n_old)
  end)

  it("lists what a clock ahead of this one has claimed, unless an age is asked for", function()
    claim("ahead", { now = NOW + 5, expires = NOW + 6 })
    finish("ahead", "unknown")
    assert.equal("ahead", journal:unsettled { now = NOW }().key)
    assert.is_nil(journal:unsettled { now = NOW, older_than = 0 }())
  end)

  it("goes on listing while rows are settled", function()
    for i = 1, 250 do
      claim("k" .. i, { now = NOW + i })
      finish("k" .. i, "unknown")
    end
    local n = 0
    for listed in journal:unsettled { now = NOW + 600 } do
      journal:settle { key = listed.key, state = "accepted", by = "spec", now = NOW }
      n = n + 1
    end
    assert.equal(250, n)
    assert.is_nil(journal:unsettled { now = NOW + 600 }())
  end)

  it("finds rows by what they are", function()
    direct.accepted("a")
    direct.rejected("b")
    claim("c", { to = "+15550000001", now = NOW + 5 })
    finish("c", "accepted", { message_id = "m7" })
    local function keys(query)
      local list = {}
      for i, found in ipairs(assert(journal:find(query))) do list[i] = found.key end
      return table.concat(list, " ")
    end
    assert.equal("a b c", keys())
    assert.equal("a b c", keys {})
    assert.equal("a c", keys { state = "accepted" })
    assert.equal("a", keys { state = "accepted", limit = 1 })
    assert.equal("", keys { limit = 0 })
    assert.equal("a b", keys { to = "+18665550001" })
    assert.equal("c", keys { message_id = "m7" })
    assert.equal("", keys { message_id = "m7", state = "rejected" })
    assert.equal("a b", keys { older_than = 6, now = NOW + 10 })
    assert.equal("a b c", keys { older_than = 5, now = NOW + 10 })
    assert.equal("", keys { older_than = 60, now = NOW + 10 })
    assert.equal("c", keys { newer_than = 6, now = NOW + 10 })
    assert.equal("", keys { newer_than = 5, now = NOW + 10 })
    assert.equal("a b c", keys { newer_than = 11, now = NOW + 10 })
    claim("d", { now = NOW + 6 })
    local settled_at = assert(journal:get("c")).settled_at
    assert.equal("", keys { settled_within = 0, now = settled_at })
    assert.equal("c", keys { settled_within = 0.5, now = settled_at, to = "+15550000001" })
    assert.equal("a b c", keys { settled_within = 1000, now = settled_at })
  end)

  it("counts", function()
    local none = { queued = 0, free = 0, sending = 0, accepted = 0, rejected = 0, unknown = 0 }
    assert.same(none, journal:counts())
    for i, state in ipairs { "free", "sending", "accepted", "rejected", "unknown" } do
      for n = 1, i do direct[state](state .. n) end
    end
    assert.same({ queued = 0, free = 1, sending = 2, accepted = 3, rejected = 4, unknown = 5 },
      journal:counts())
  end)

  it("purges so many, and never what is open", function()
    for n = 1, 20 do
      for _, state in ipairs { "free", "sending", "accepted", "rejected", "unknown" } do
        direct[state](state .. n)
      end
    end
    assert.equal(7, journal:purge { before = NOW + 50, limit = 7 })
    assert.equal(53, journal:purge { before = NOW + 50 })
    assert.equal(0, journal:purge { before = NOW + 50 })
    assert.same({ queued = 0, free = 0, sending = 20, accepted = 0, rejected = 0, unknown = 20 },
      journal:counts())
    assert.is_true(claim("accepted1"))
  end)

  it("says that it is closed", function()
    claim("order-1")
    journal:close()
    journal:close()
    local answers = {
      { claim("order-1") }, { finish("order-1", "accepted") }, { journal:get("order-1") },
      { journal:release { key = "k", claim = "c", now = 1 } }, { journal:reap { now = 1 } },
      { journal:settle { key = "k", state = "accepted", by = "b", now = 1 } },
      { journal:resend { key = "k", claim = "c", by = "b", now = 1 } }, { journal:unsettled() },
      { journal:find() }, { journal:counts() }, { journal:purge { before = 1 } },
    }
    for _, answer in ipairs(answers) do
      assert.is_nil(answer[1])
      assert.equal("the journal is closed", answer[2])
    end
  end)

  it("raises for misuse, where it is", function()
    if candidate.is_remote then return end
    local misuses = {
      function() journal:claim() end,
      function() journal:claim { key = "k", claim = "c", now = 1, expires = 2 } end,
      function() claim("k", { digests = "d" }) end,
      function() claim(7) end,
      function() claim("k", { now = "1" }) end,
      function() claim("k", { now = -1 }) end,
      function() claim("k", { now = 0 / 0 }) end,
      function() claim("k", { now = math.huge }) end,
      function() claim("k", { claim = "" }) end,
      function() finish("k", "sending") end,
      function() finish("k", "accepted rejected") end,
      function() finish("k", "accepted", { status = 1.5 }) end,
      function() journal:settle { key = "k", state = "unknown", by = "b", now = 1 } end,
      function() journal:resend { key = "k", by = "b", now = 1 } end,
      function() journal:get() end,
      function() journal:find { state = "lost" } end,
      function() journal:purge {} end,
    }
    for i, misuse in ipairs(misuses) do
      local ok, why = pcall(misuse)
      assert.is_false(ok, "misuse " .. i)
      assert.matches("^[^\n]*journal:%l+", why)
      assert.matches("spec/[%w_/]+%.lua:%d+:", why)
    end
  end)
end

for _, own in ipairs(journals.all) do
  describe("the journal of " .. own.name, function()
    setup(function()
      candidate = own
      if own.start then own.start() end
    end)
    teardown(function() if own.stop then own.stop() end end)
    candidate = own
    specs()
  end)
end

describe("a journal", function()
  local function why_not(make, ...)
    local ok, why = pcall(make, ...)
    assert.is_false(ok)
    return why
  end

  it("is told nothing where it takes nothing, and what it takes by its name and kind", function()
    assert.matches("journal.memory expects nothing", why_not(telnyx.journal.memory, 1))
    assert.matches("the path of a file", why_not(telnyx.journal.sqlite, "sent.db\0"))
    for _, name in ipairs { "beside", "create" } do
      assert.matches("true or false for '" .. name .. "'",
        why_not(telnyx.journal.sqlite, "sent.db", { [name] = "yes" }))
    end
  end)
end)
