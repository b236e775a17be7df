-- A journal by a query of the user's own, whose answers get lost, and what others do meanwhile.

local driver = require "dbd.sqlite3"
local journal = require "telnyx.journal"
local libpq = require "telnyx.journal.libpq"
local postgres = require "spec.support.postgres"
local sandbox = require "spec.support.sandbox"

local unpack = rawget(table, "unpack") or unpack -- luacheck: ignore 113

local folder, connection, own, plan

local function run(text, params, n)
  local statement = assert(connection:prepare(text))
  assert(statement:execute(unpack(params or {}, 1, n or 0)))
  local rows = {}
  for row in statement:rows(true) do rows[#rows + 1] = row end
  statement:close()
  return rows
end

-- As a user may write it.
local function rows_of(db, text, params, n)
  local statement, why = db:prepare(text)
  if not statement then return nil, why, true end
  local ok, execute_why = statement:execute(unpack(params, 1, n))
  if not ok then return nil, execute_why end
  local rows = {}
  for row in statement:rows(true) do rows[#rows + 1] = row end
  statement:close()
  return rows
end

-- The plan may say otherwise of a question, once: what comes before or behind it, and its answer.
local function query(text, params, n)
  local step = plan[1]
  if not (step and text:find(step.at)) then return run(text, params, n) end
  table.remove(plan, 1)
  if step.before then run(step.before) end
  if step.says then return nil, unpack(step.says) end
  local rows = run(text, params, n)
  if step.behind then run(step.behind) end
  if step.is_lost then return nil, "the answer is lost" end
  return rows
end

before_each(function()
  folder = sandbox.temporary_folder()
  connection = assert(driver.New(folder .. "/sent.db"))
  connection:autocommit(true)
  plan = {}
  own = journal.sql { query = query, dialect = "sqlite" }
  assert(own:counts())
end)

after_each(function()
  own:close()
  connection:close()
  os.execute("rm -rf " .. folder)
end)

local function claim(name)
  return own:claim { key = "k", digest = "d", claim = name or "c", now = 1000, expires = 1060 }
end

local function finish(state)
  return own:finish { key = "k", claim = "c", state = state or "accepted", now = 1001,
    message_id = "m1" }
end

local function release() return own:release { key = "k", claim = "c", now = 1001 } end

local function settle()
  return own:settle { key = "k", state = "accepted", by = "webhook", now = 1002,
    message_id = "m2" }
end

local function resend() return own:resend { key = "k", claim = "c", by = "Ada", now = 1002 } end

local function unknown()
  assert(claim())
  assert(finish("unknown"))
end

local SET = "UPDATE telnyx_send SET "
local REAPED = SET .. "state = 'unknown', settled_at = 1, settled_by = 'reaper'"
local SETTLED = SET .. "state = 'accepted', settled_at = 1, settled_by = 'somebody'"
local FREED = SET .. "state = 'free', claim = NULL, claimed_at = NULL, expires = NULL,"
  .. " settled_at = 1, settled_by = 'somebody'"
local TAKEN = SET .. "state = 'sending', claim = 'other', claimed_at = 1, expires = 2"
local DONE_BY_OTHER = SET .. "state = 'accepted', claim = 'other', settled_at = 1,"
  .. " settled_by = 'worker', message_id = 'm1'"
local GONE = "DELETE FROM telnyx_send"

-- What is done, before it what has happened, and what others do once it is done and its answer is
-- lost; and then what it is told, and the state of the row.
local LOST = {
  { "a claim", nil, claim, nil, true, "sending" },
  { "a claim that was reaped", nil, claim, REAPED, false, "unknown" },
  { "a claim that was settled", nil, claim, SETTLED, false, "accepted" },
  { "a claim that was freed", nil, claim, FREED, true, "sending" },
  { "a claim that another has after it", nil, claim, TAKEN, false, "sending" },
  { "a finish", claim, finish, nil, true, "accepted" },
  { "a finish, and another has done the same since", claim, finish, DONE_BY_OTHER, false,
    "accepted" },
  { "a finish that was forgotten", claim, finish, GONE, false },
  { "a release", claim, release, nil, true, "free" },
  { "a release, and another has claimed since", claim, release, TAKEN, false, "sending" },
  { "a settling", unknown, settle, nil, true, "accepted" },
  { "a settling that another has done", unknown, settle, SETTLED, false, "accepted" },
  { "a freeing", unknown, resend, nil, true, "free" },
  { "a freeing that another has done", unknown, resend, FREED, false, "free" },
  { "a freeing, and another has claimed since", unknown, resend, TAKEN, false, "sending" },
}

for _, row in ipairs(LOST) do
  local name, first, act, behind, is_done, state = unpack(row, 1, 6)
  it("the lost answer of " .. name .. " is found out", function()
    if first then first() end
    plan = { { at = "^[IU]", is_lost = true, behind = behind } }
    assert.equal(is_done, (act()))
    assert.equal(0, #plan)
    assert.equal(state, (own:get("k") or {}).state)
  end)
end

it("a question is asked twice, and once when surely nothing was done", function()
  for n, says in ipairs { { "busy", true }, { "lost" } } do
    for _, act in ipairs { claim, finish, release, settle, resend } do
      plan = { { at = "^[IU]", says = says }, { at = "^[IU]", says = says } }
      local ok, why = act()
      assert.is_nil(ok)
      assert.equal(says[1], why)
      assert.equal(n, 2 - #plan)
    end
  end
  plan = {}
  assert.is_false(own:get("k"))
end)

it("a row that is purged while it is looked at leaves the key to who asked", function()
  assert(claim("other"))
  plan = { { at = "^SELECT", before = GONE } }
  assert.is_true(claim())
  assert.equal("c", own:get("k").claim)
end)

-- Drivers begin a transaction by themselves, and what is never committed is never kept.
for name, connect in pairs {
  sqlite = function(path) return driver.New(path) end,
  postgres = function(_, server)
    return libpq.connect(("host=%s user=spec dbname=postgres"):format(server.folder), 10)
  end,
} do
  it("a query that leaves its transaction open is refused before anything is claimed: " .. name,
    function()
      local server = name == "postgres" and postgres.start()
      local db = assert(connect(folder .. "/open.db", server))
      finally(function()
        db:close()
        if server then server:stop() end
      end)
      local function ask(sql, params, n) return rows_of(db, sql, params, n) end
      local own_journal = journal.sql { dialect = name, query = ask }
      local function claimed()
        local ok, why = own_journal:claim { key = "k", digest = "d", claim = "c", now = 1,
          expires = 2 }
        return ok or why
      end
      if name == "postgres" then assert(ask("BEGIN", {}, 0)) end -- LuaDBI does so by itself
      for _ = 1, 2 do assert.matches("leaves a transaction open", claimed()) end
      assert(ask("ROLLBACK", {}, 0))
      db:autocommit(true)
      assert.is_true(claimed())
    end)
end

-- One that failed, and that nobody closes, keeps SQLite from committing what comes after it.
describe("a query that leaves a statement open that failed", function()
  local path, db, other, left, own_journal, collected_at

  local function collect()
    for _, statement in ipairs(left) do statement:close() end
    left = {}
  end

  local function leaving(text, params, n)
    local statement = assert(db:prepare(text))
    local ok, why = statement:execute(unpack(params, 1, n))
    if not ok then
      left[#left + 1] = statement
      return nil, why
    end
    local rows = {}
    for row in statement:rows(true) do rows[#rows + 1] = row end
    statement:close()
    if collected_at and text:find(collected_at) then collect() end
    return rows
  end

  local function claimed(key)
    return own_journal:claim { key = key, digest = "d", claim = "c" .. key, now = 1, expires = 2 }
  end

  local function n_rows()
    return tonumber(rows_of(other, "SELECT count(*) AS n FROM telnyx_send", {}, 0)[1].n)
  end

  -- Somebody else was writing when the second was claimed.
  before_each(function()
    path, left, collected_at = os.tmpname(), {}, nil
    db = assert(driver.New(path))
    db:autocommit(true)
    other = assert(driver.New(path))
    other:autocommit(true)
    own_journal = journal.sql { dialect = "sqlite", query = leaving }
    assert.is_true(claimed("k1"))
    assert(rows_of(other, "BEGIN IMMEDIATE", {}, 0))
    assert.is_nil((claimed("k2")))
    assert(rows_of(other, "ROLLBACK", {}, 0))
  end)

  after_each(function()
    collect()
    db:close()
    other:close()
    os.remove(path)
  end)

  it("claims nothing by it, until that has gone", function()
    for _, key in ipairs { "k3", "k4", "k3" } do
      local is_claimed, why = claimed(key)
      assert.is_nil(is_claimed)
      assert.matches("left a statement open", why)
    end
    assert.equal(1, n_rows())
    collect()
    assert.is_true(claimed("k5"))
    assert.equal(2, n_rows())
  end)

  -- What was changed while it was there is taken back when it is collected.
  for _, where in ipairs { "^INSERT INTO telnyx_send", "^DELETE", "^PRAGMA", "^[IDP]" } do
    it("claims what is kept, where it is collected meanwhile: after " .. where, function()
      collected_at = where
      local is_claimed = claimed("k3")
      collect()
      assert.equal(is_claimed and 2 or 1, n_rows())
    end)
  end

  it("is not taken for well by what is only read", function()
    local queue = own_journal:queue()
    assert.is_false((queue:is_paused()))
    assert.is_false((own_journal:get("k9")))
    assert.is_nil((claimed("k3")))
  end)

  it("adds and takes nothing by it", function()
    local queue = own_journal:queue()
    assert.is_nil((queue:add { key = "a", digest = "d", body = "{}", sender = "s", ord = 1, now = 1,
      due = 1 }))
    assert.is_nil((queue:take { claim = "t", owner = "me", now = 2, due = 2,
      expires = 9, limit = 5 }))
    assert.equal(1, n_rows())
  end)

  -- The table is there, so that nothing of the journal's own has failed.
  it("is found out by the first change where it was left before the journal was made", function()
    collect()
    assert(rows_of(other, "BEGIN IMMEDIATE", {}, 0))
    assert.is_nil((leaving("DELETE FROM telnyx_send", {}, 0)))
    assert(rows_of(other, "ROLLBACK", {}, 0))
    assert.equal(1, #left)
    own_journal = journal.sql { dialect = "sqlite", query = leaving }
    for _ = 1, 2 do
      local is_claimed, why = claimed("k3")
      assert.is_nil(is_claimed)
      assert.matches("left a statement open", why)
    end
  end)

  it("says of what was sent that it could not be recorded", function()
    assert.is_nil((own_journal:finish { key = "k1", claim = "ck1", state = "accepted", now = 2 }))
  end)
end)

describe("a query whose failures are heeded", function()
  local path, db, other, left, own_journal, step, asked
  local function collect()
    for _, statement in ipairs(left) do statement:close() end
    left = {}
  end
  local function leaving(text, params, n)
    asked[#asked + 1] = text:match("^%a+")
    local now = step and text:find(step.at) and step
    if now then step = nil end
    if now and now.says then return nil, unpack(now.says) end
    if now and now.before then now.before() end
    local statement = assert(db:prepare(text))
    local ok, why = statement:execute(unpack(params, 1, n))
    if now and now.behind then now.behind() end
    if not ok then
      left[#left + 1] = statement
      if now and now.raises then error(now.raises, 0) end
      return nil, why
    end
    local rows = {}
    for row in statement:rows(true) do rows[#rows + 1] = row end
    statement:close()
    return rows
  end
  local function claimed(key)
    return own_journal:claim { key = key, digest = "d", claim = "c" .. key, now = 1, expires = 2 }
  end
  local function n_rows()
    return tonumber(rows_of(other, "SELECT count(*) AS n FROM telnyx_send", {}, 0)[1].n)
  end
  local function lock() assert(rows_of(other, "BEGIN IMMEDIATE", {}, 0)) end
  local function unlock() assert(rows_of(other, "ROLLBACK", {}, 0)) end
  before_each(function()
    path, left, step, asked = os.tmpname(), {}, nil, {}
    db = assert(driver.New(path))
    db:autocommit(true)
    other = assert(driver.New(path))
    other:autocommit(true)
    own_journal = journal.sql { dialect = "sqlite", query = leaving }
    assert.is_true(claimed("k1"))
  end)
  after_each(function()
    collect()
    db:close()
    other:close()
    os.remove(path)
  end)

  it("heeds also a failure that goes on as an interrupt", function()
    step = { at = "^INSERT INTO telnyx_send", before = lock, behind = unlock,
      raises = "interrupted!" }
    assert.is_false((pcall(claimed, "k2")))
    local is_claimed, why = claimed("k3")
    assert.is_nil(is_claimed)
    assert.matches("left a statement open", why)
  end)
  it("asks no more than the change once it is known that all is kept again", function()
    step = { at = "^INSERT INTO telnyx_send", says = { "lost" } }
    assert.is_true(claimed("k2"))
    asked = {}
    assert.is_true(claimed("k3"))
    assert.same({ "PRAGMA", "PRAGMA", "INSERT" }, asked)
  end)
  it("asks once more where the answer to its proof is lost", function()
    own_journal = journal.sql { dialect = "sqlite", query = leaving }
    step = { at = "^PRAGMA wal", says = { "lost" } }
    assert.is_true(claimed("k2"))
    assert.equal(2, n_rows())
  end)
  it("does not ask twice whether what failed still is so", function()
    lock()
    assert.is_nil((claimed("k2")))
    unlock()
    asked = {}
    assert.is_nil((claimed("k3")))
    assert.same({ "PRAGMA", "PRAGMA", "DELETE", "PRAGMA" }, asked)
  end)
  it("changes nothing where what it tries it on fails", function()
    step = { at = "^INSERT INTO telnyx_send", says = { "lost", true } }
    assert.is_nil((claimed("k2")))
    step = { at = "^DELETE", before = lock, behind = unlock }
    local is_claimed = claimed("k3")
    assert.equal(is_claimed and 2 or 1, n_rows())
    assert.is_nil(is_claimed)
  end)
  it("looks how far ahead a turn is also while nothing is committed", function()
    local queue = own_journal:queue()
    assert.is_false((queue:is_paused()))
    lock()
    assert.is_nil((claimed("k2")))
    unlock()
    assert.equal(0, (queue:ahead("p", 1, 1)))
  end)
end)

it("a transaction that the first change begins is found out, each time", function()
  local server = postgres.start()
  local db = assert(libpq.connect(("host=%s user=spec dbname=postgres"):format(server.folder),
    10))
  finally(function()
    db:close()
    server:stop()
  end)
  local is_open = false
  local own_journal = journal.sql { dialect = "postgres", query = function(sql, params, n)
    if sql:find("^INSERT INTO") and not is_open then
      is_open = true
      assert(rows_of(db, "BEGIN", {}, 0))
    end
    return rows_of(db, sql, params, n)
  end }
  for i = 1, 2 do
    local is_claimed, why = own_journal:claim { key = "k" .. i, digest = "d", claim = "c", now = 1,
      expires = 2 }
    assert.is_nil(is_claimed)
    assert.matches("leaves a transaction open", why)
  end
end)

-- Who does not look at what `execute` says, or takes it for no rows, and closes nothing.
describe("a query that keeps back what fails", function()
  local N_STATEMENTS = 16

  -- Somebody else writes from the n-th statement of the second claim on, during so many.
  local function claim_all(path, mode, n, n_held)
    local db, other = assert(driver.New(path)), assert(driver.New(path))
    db:autocommit(true)
    other:autocommit(true)
    assert(rows_of(other, "PRAGMA journal_mode = " .. mode, {}, 0))
    local n_asked, left = -math.huge, {}
    local own_journal = journal.sql { dialect = "sqlite", query = function(text, params, n_params)
      n_asked = n_asked + 1
      if n_asked == n then assert(rows_of(other, "BEGIN IMMEDIATE", {}, 0)) end
      if n_asked == n + n_held then assert(rows_of(other, "ROLLBACK", {}, 0)) end
      local statement, rows = db:prepare(text), {}
      if not statement then return nil, "it cannot be prepared" end
      if not statement:execute(unpack(params, 1, n_params)) then
        left[#left + 1] = statement
        return rows
      end
      for row in statement:rows(true) do rows[#rows + 1] = row end
      statement:close()
      return rows
    end }
    local told = {}
    for i = 1, 8 do
      if i == 2 then n_asked = 0 end
      local key = "k" .. i
      told[i] = own_journal:claim { key = key, digest = "d", claim = "c" .. i, now = 1,
        expires = 9 }
      if told[i] then
        own_journal:finish { key = key, claim = "c" .. i, state = "accepted", now = 2 }
      end
    end
    rows_of(other, "ROLLBACK", {}, 0)
    local is_there = {}
    for _, row in ipairs(assert(rows_of(other, "SELECT key FROM telnyx_send", {}, 0))) do
      is_there[row.key] = true
    end
    for _, statement in ipairs(left) do statement:close() end
    db:close()
    other:close()
    return told, is_there
  end

  for _, mode in ipairs { "DELETE", "WAL" } do
    it("claims nothing that is not kept, whenever another writes: " .. mode, function()
      local n_claimed = 0
      for n = 1, N_STATEMENTS do
        for _, n_held in ipairs { 1, 2, 5, 7, 8, 9 } do
          local path = ("%s/%d-%d.db"):format(folder, n, n_held)
          local told, is_there = claim_all(path, mode, n, n_held)
          for i = 1, 8 do
            assert.is_true(not told[i] or is_there["k" .. i] == true,
              ("%d for %d: k%d was claimed, and is not there"):format(n, n_held, i))
            if told[i] then n_claimed = n_claimed + 1 end
          end
          os.remove(path)
        end
      end
      assert.is_true(n_claimed > N_STATEMENTS * 3, n_claimed) -- the first, each time
    end)
  end
end)

it("a claim is not believed where another's failed while its own statement waited", function()
  local path = folder .. "/shared.db"
  local db, other = assert(driver.New(path)), assert(driver.New(path))
  db:autocommit(true)
  other:autocommit(true)
  local left = {}
  local own_journal = journal.sql { dialect = "sqlite", query = function(text, params, n)
    if params[1] == "first" and text:find("^INSERT") then coroutine.yield() end
    local statement = assert(db:prepare(text))
    local ok, why = statement:execute(unpack(params, 1, n))
    if not ok then
      left[#left + 1] = statement
      return nil, why
    end
    local rows = {}
    for row in statement:rows(true) do rows[#rows + 1] = row end
    statement:close()
    return rows
  end }
  local function claimed(key)
    return own_journal:claim { key = key, digest = "d", claim = key, now = 1, expires = 2 }
  end
  assert.is_true(claimed("before"))
  local first = coroutine.create(function() return (claimed("first")) end)
  assert(coroutine.resume(first))
  assert(rows_of(other, "BEGIN IMMEDIATE", {}, 0))
  assert.is_nil((claimed("second")))
  assert(rows_of(other, "ROLLBACK", {}, 0))
  local _, is_claimed
  repeat _, is_claimed = coroutine.resume(first) until coroutine.status(first) == "dead"
  assert.is_nil(is_claimed)
  assert.equal(1, #rows_of(other, "SELECT key FROM telnyx_send", {}, 0))
  for _, statement in ipairs(left) do statement:close() end
  db:close()
  other:close()
end)

describe("a query over a connection to SQLite", function()
  local db, own_journal, wrap
  before_each(function()
    db = assert(driver.New(folder .. "/users.db"))
    db:autocommit(true)
    wrap = function(rows) return rows end
    own_journal = journal.sql { dialect = "sqlite", query = function(text, params, n)
      local rows, why, is_sure = rows_of(db, text, params, n)
      if rows then return wrap(rows) end
      return nil, why, is_sure
    end }
  end)
  after_each(function() db:close() end)

  local function claimed(key)
    local is_claimed, why = own_journal:claim { key = key, digest = "d", claim = key, now = 1,
      expires = 2 }
    return is_claimed or why
  end

  it("claims, takes and adds nothing in a transaction that the program has begun since", function()
    local queue = own_journal:queue()
    local function added(key)
      return queue:add { key = key, digest = "d", body = "{}", sender = "s", ord = 1, now = 1,
        due = 1 }
    end
    assert.is_true(claimed("k1"))
    assert.is_true(added("a1"))
    assert(rows_of(db, "BEGIN", {}, 0))
    assert.matches("leaves a transaction open", claimed("k2"))
    assert.is_nil((added("a2")))
    for _, sender in ipairs { false, "s" } do
      local rows, why = queue:take { claim = "t", owner = "me", now = 2, due = 2, expires = 9,
        limit = 5, sender = sender or nil }
      assert.is_nil(rows)
      assert.matches("leaves a transaction open", why)
    end
    assert(rows_of(db, "ROLLBACK", {}, 0))
    assert.is_true(claimed("k2"))
    assert.is_true(added("a2"))
  end)

  it("claims nothing that a power cut would forget", function()
    for _, level in ipairs { "OFF", "NORMAL" } do
      assert(rows_of(db, "PRAGMA synchronous = " .. level, {}, 0))
      assert.matches("a power cut would forget what is sent; PRAGMA synchronous = FULL",
        claimed("k1"))
    end
    for _, level in ipairs { "FULL", "EXTRA" } do
      assert(rows_of(db, "PRAGMA synchronous = " .. level, {}, 0))
      assert.is_true(claimed(level))
    end
    assert(rows_of(db, "PRAGMA synchronous = NORMAL", {}, 0))
    assert.matches("a power cut", claimed("k2"))
    local watching = journal.sql { dialect = "sqlite", query = function(text, params, n)
      return rows_of(db, text, params, n)
    end }
    assert.equal("sending", watching:get("FULL").state) -- who only looks may
  end)

  it("must return rows by their columns as they are written", function()
    wrap = function(rows)
      for _, row in ipairs(rows) do
        for _, column in ipairs { "name", "key", "synchronous" } do
          row[column], row[column:upper()] = nil, row[column]
        end
      end
      return rows
    end
    assert.matches("must return rows as tables by the name of the column", claimed("k1"))
    wrap = function(rows)
      for _, row in ipairs(rows) do row.name = tonumber(row.name) or row.name end
      return rows
    end
    assert.matches("must return rows as tables by the name of the column", claimed("k1"))
    wrap = function() return { "1001" } end
    assert.matches("must return rows as tables by the name of the column", claimed("k1"))
    wrap = function() return {} end
    assert.matches("must return rows as tables by the name of the column", claimed("k1"))
    wrap = function() return nil end
    assert.matches("returned neither rows nor why there are none", claimed("k1"))
    wrap = function() return true end
    assert.matches("returned neither rows nor why there are none", claimed("k1"))
    wrap = function(rows) return rows end
    assert.is_true(claimed("k1"))
  end)
end)

-- A user's connection that was lost is made anew, and not as the first was.
it("a query that has begun to leave its transaction open is found out after a failure", function()
  local server = postgres.start()
  local function connect()
    return libpq.connect(("host=%s user=spec dbname=postgres"):format(server.folder), 10)
  end
  local db, n = assert(connect()), 0
  finally(function()
    db:close()
    server:stop()
  end)
  local own_journal = journal.sql { dialect = "postgres", query = function(sql, params, n_params)
    n = n + 1
    return rows_of(db, sql, params, n_params)
  end }
  local function claimed(key)
    return own_journal:claim { key = key, digest = "d", claim = "c", now = 1, expires = 2 }
  end
  assert.is_true(claimed("k1"))
  local n_before = n
  assert.is_true(claimed("k2"))
  assert.equal(1, n - n_before)
  db:close()
  assert.is_nil((claimed("k3")))
  db = assert(connect())
  assert(rows_of(db, "BEGIN", {}, 0))
  local is_claimed, why = claimed("k4")
  assert.is_nil(is_claimed)
  assert.matches("leaves a transaction open", why)
end)

it("a database that is away is told to be so", function()
  for _, dialect in ipairs { "sqlite", "postgres" } do
    local away = journal.sql { dialect = dialect, query = function() return nil, "it is away" end }
    local ok, why = away:claim { key = "k", digest = "d", claim = "c", now = 1, expires = 2 }
    assert.is_nil(ok)
    assert.matches("it is away", why)
  end
end)

-- Who looks whether a transaction is open must leave none open: what is claimed in it is not kept.
-- When the program has ended, what was claimed is there; or else it was not claimed.
for name, ways in pairs {
  ["the answer to its beginning is lost"] = { at = "^BEGIN", is_lost = true },
  ["its end is not done"] = { at = "^COMMIT", says = { "interrupted!" } },
  ["connections take turns"] = { take_turns = true },
} do
  it("what is claimed is kept although the look for an open transaction went wrong: " .. name,
    function()
      local path, n = folder .. "/looked.db", 0
      local own_connections = { assert(driver.New(path)), assert(driver.New(path)) }
      for _, one in ipairs(own_connections) do one:autocommit(true) end
      local own_plan = ways.at and { ways } or {}
      local own_journal = journal.sql { dialect = "sqlite", query = function(sql, params, n_params)
        n = n + 1
        local step, db = own_plan[1], own_connections[ways.take_turns and n % 2 + 1 or 1]
        if not (step and sql:find(step.at)) then return rows_of(db, sql, params, n_params) end
        table.remove(own_plan, 1)
        if step.says then return nil, unpack(step.says) end
        rows_of(db, sql, params, n_params)
        return nil, "the answer is lost"
      end }
      local is_claimed = own_journal:claim { key = "k", digest = "d", claim = "c", now = 1,
        expires = 2 }
      for _, one in ipairs(own_connections) do one:close() end
      local db = assert(driver.New(path))
      finally(function() db:close() end)
      local rows = rows_of(db, "SELECT key FROM telnyx_send", {}, 0) or {}
      assert.equal(is_claimed and 1 or 0, #rows)
    end)
end

it("the table is made by a query that is sure that nothing was done where there is none", function()
  local db = driver.New(":memory:")
  db:autocommit(true)
  local own_journal = journal.sql { dialect = "sqlite", query = function(sql, params, n)
    return rows_of(db, sql, params, n)
  end }
  assert.is_true(own_journal:claim { key = "k", digest = "d", claim = "c", now = 1, expires = 2 })
  db:close()
end)
