-- Webhook events and opt-outs where several processes take them, and what befalls those, their
-- files, their servers and their answers.

local cjson = require "cjson"
local core = require "telnyx.core"
local driver = require "dbd.sqlite3"
local host = require "spec.support.host"
local journal = require "telnyx.journal"
local nginx = require "spec.support.nginx"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"

local unpack = rawget(table, "unpack") or unpack -- luacheck: ignore 113

local N_PROCESSES = 8

local folder, path, server

setup(function() server = postgres.start() end)
teardown(function() server:stop() end)

local function in_folder()
  folder = sandbox.temporary_folder()
  path = folder .. "/inbox.db"
end

local function without_folder() os.execute("rm -rf " .. folder) end

local function ask_sqlite(text) return process.run(("sqlite3 %s \"%s\""):format(path, text)) end

-- What is kept by a server or in a file: how a program opens it, and who else can look.
local places = {
  {
    name = "SQLite",
    opened = function() return ("require 'telnyx.journal'.sqlite(%q)"):format(path) end,
    ask = ask_sqlite,
  },
  {
    name = "PostgreSQL",
    opened = function()
      return ("require 'telnyx.journal'.postgres('host=%s user=spec dbname=postgres')"):format(
        server.folder)
    end,
    ask = function(text) return server:ask(text) end,
    forget = function()
      server:ask("DROP TABLE IF EXISTS telnyx_send, telnyx_server, telnyx_event, telnyx_optout")
    end,
  },
}

local function open_here(place)
  return assert((loadstring or load)("return " .. place.opened()))() -- luacheck: ignore 113
end

-- Runs a script that has the journal `own`, several times at once; `arg[1]` says which it is.
local function run_all(place, n, script)
  local name = folder .. "/script.lua"
  host.write(name, "io.stdout:setvbuf('full')\nlocal own = " .. place.opened() .. "\n" .. script)
  local commands = {}
  for i = 1, n do commands[i] = ("%s %s %d & "):format(process.lua(), name, i) end
  return process.run(table.concat(commands) .. "wait")
end

for _, place in ipairs(places) do
  describe(place.name .. ":", function()
    before_each(in_folder)
    after_each(function()
      if place.forget then place.forget() end
      without_folder()
    end)

    it("of several processes that add an event one is told that it is new, for each of 100",
      function()
        local said = run_all(place, N_PROCESSES, [[
          local n = 0
          for i = 1, 100 do
            local id = "e" .. (i * 7 + arg[1] * 13) % 100
            local is_new, why = own:add_event { id = id, body = arg[1], now = 1000 }
            assert(is_new ~= nil, why)
            if is_new then n = n + 1 end
          end
          io.write(n .. "\n")
        ]])
        local total, n_lines = 0, 0
        for n in said:gmatch("%d+\n") do total, n_lines = total + n, n_lines + 1 end
        assert.equal(N_PROCESSES, n_lines, said)
        assert.equal(100, total, said)
        assert.equal("100|100|100\n", place.ask("SELECT count(*), count(DISTINCT id),"
          .. " count(DISTINCT claim) FROM telnyx_event WHERE handled_at IS NULL"))
      end)

    it("of several that handle an event one is told that it did", function()
      local own = open_here(place)
      for i = 1, 30 do assert.is_true(own:add_event { id = "e" .. i, now = 1000 }) end
      own:close()
      local said = run_all(place, N_PROCESSES, [[
        local n = 0
        for i = 1, 30 do
          local is_mine, why = own:handled_event { id = "e" .. i, now = 1001 }
          assert(is_mine ~= nil, why)
          if is_mine then n = n + 1 end
        end
        io.write(n .. "\n")
      ]])
      local total = 0
      for n in said:gmatch("%d+\n") do total = total + n end
      assert.equal(30, total, said)
    end)

    it("several that record STOP and START in orders of their own come to one end", function()
      local said = run_all(place, 4, [[
        for i = 1, 60 do
          local at = (i * (arg[1] * 2 + 1) + arg[1] * 5) % 64
          local ok, why = own:set_optout { number = "+1", profile = "P", own = "A" .. at % 3,
            is_out = at % 2 == 0, at = at, now = 1000 }
          assert(ok ~= nil, why)
        end
        for at = 62, 63 do
          assert(own:set_optout { number = "+2", profile = "P", own = "A", is_out = at % 2 == 0,
            at = at, now = 1000 } ~= nil)
        end
      ]])
      assert.equal("", said)
      assert.equal("+1|P|0|63000\n+2|P|0|63000\n", place.ask("SELECT number, profile, is_out,"
        .. " occurred_at FROM telnyx_optout WHERE number <> '' ORDER BY number"))
      assert.equal("A P\nA0 P\nA1 P\nA2 P\n", place.ask("SELECT own || ' ' || profile FROM"
        .. " telnyx_optout WHERE number = '' ORDER BY own"))
    end)

    it("what was said to be kept is there after the process was killed", function()
      local said = run_all(place, 1, [[
        assert(own:add_event { id = "e1", message_id = "m", body = "{}", now = 1000 } == true)
        os.execute("kill -9 $PPID")
        io.write("alive\n")
      ]])
      assert.is_nil(said:find("alive", 1, true))
      said = run_all(place, 1, [[
        assert(own:set_optout { number = "+1", own = "A", is_out = true, at = 1, now = 1 } == true)
        os.execute("kill -9 $PPID")
        io.write("alive\n")
      ]])
      assert.is_nil(said:find("alive", 1, true))
      assert.equal("e1|m|{}\n", place.ask("SELECT id, message_id, body FROM telnyx_event"))
      assert.equal("+1|1\n", place.ask("SELECT number, is_out FROM telnyx_optout"))
      local own = open_here(place)
      assert.is_false(own:add_event { id = "e1", now = 1001 })
      assert.equal("e1", own:unhandled_events { older_than = 5 }[1].id)
      assert.is_true(own:handled_event { id = "e1", now = 1001 })
      assert.is_table(own:optout { number = "+1", own = "A" })
      own:close()
    end)

    it("the tables are made when they are used, and not by who sends or purges", function()
      local own = open_here(place)
      local is_there = place.name == "SQLite" and "SELECT count(*) FROM sqlite_master WHERE name"
        or "SELECT count(*) FROM pg_tables WHERE tablename"
      local function n_tables()
        return place.ask(is_there .. " IN ('telnyx_event', 'telnyx_optout')")
      end
      assert.is_true(own:claim { key = "k", digest = "d", claim = "c", now = 1, expires = 2 })
      assert.equal(0, own:purge { before = 1000 })
      assert.equal("0\n", n_tables())
      assert.same({}, own:unhandled_events())
      assert.equal("1\n", n_tables())
      assert.same({}, own:optouts())
      assert.equal("2\n", n_tables())
      own:close()
    end)

    it("a table that is another's is not used, and no send minds", function()
      local own = open_here(place)
      assert.equal(0, own:counts().sending)
      assert.equal("", place.ask("CREATE TABLE telnyx_event (id TEXT)"))
      local ok, why = own:add_event { id = "e1", now = 1 }
      assert.is_nil(ok)
      assert.matches("the table telnyx_event cannot be used; .* older version's: ", why)
      assert.is_true(own:claim { key = "k", digest = "d", claim = "c", now = 1, expires = 2 })
      own:close()
    end)
  end)
end

describe("a file:", function()
  before_each(in_folder)
  after_each(without_folder)

  it("no table is made where one is to be found", function()
    journal.sqlite(path):close()
    local own = journal.sqlite(path, { create = false })
    for method, given in pairs { add_event = { id = "e", now = 1 }, optouts = {},
      unhandled_events = {}, optout = { number = "+1" } } do
      local ok, why = own[method](own, given)
      assert.is_nil(ok)
      assert.matches("^the table telnyx_%l+ is not there, and { create = false } makes none: who",
        why)
    end
    assert.equal("1\n", ask_sqlite("SELECT count(*) FROM sqlite_master WHERE type = 'table'"))
    local maker = journal.sqlite(path)
    assert.same({}, maker:unhandled_events())
    assert.same({}, maker:optouts())
    assert.is_true(own:add_event { id = "e", now = 1 })
    assert.is_false(own:optout { number = "+1" })
    maker:close()
    own:close()
  end)

  it("on a full disk nothing is said to be kept, and later it is", function()
    local map = sandbox.capture("id -u"):find("^0%s") and "" or "--map-root-user"
    host.write(folder .. "/script.lua", ([[
      io.stdout:setvbuf("no")
      local own = require "telnyx.journal".sqlite("%s/disk/sent.db")
      local function add(id) return own:add_event { id = id, body = ("x"):rep(500), now = 1 } end
      local function set(number)
        return own:set_optout { number = number, own = "A", is_out = true, at = 1, now = 1 }
      end
      print(add("before"), set("+1"))
      local ballast = io.open("%s/disk/ballast", "w")
      ballast:setvbuf("no")
      while ballast:write(("x"):rep(1000)) do end
      ballast:close()
      for _, call in ipairs { add, set } do
        local ok, why = call("during")
        print(ok, why:match("disk is full"))
      end
      print(own:handled_event { id = "before", now = 2 } == nil)
      print(#own:unhandled_events(), own:optout { number = "during" })
      os.remove("%s/disk/ballast")
      print(add("during"), set("during"), own:handled_event { id = "before", now = 2 })
      own:close()
      os.execute("sqlite3 %s/disk/sent.db 'PRAGMA integrity_check'")
    ]]):format(folder, folder, folder, folder))
    host.write(folder .. "/mount.sh",
      ("mkdir %s/disk && mount -t tmpfs -o size=1m none %s/disk && %s %s/script.lua\n"):format(
        folder, folder, process.lua(), folder))
    local said = process.run(("unshare --mount %s sh %s/mount.sh"):format(map, folder))
    assert.equal("true\ttrue\nnil\tdisk is full\nnil\tdisk is full\ntrue\n1\tfalse\n"
      .. "true\ttrue\ttrue\nok\n", said)
  end)
end)

-- A query of the user's own -----------------------------------------------------------------------

describe("a user's query:", function()
  local connection, own, plan

  local function run(text, params, n)
    local statement = assert(connection:prepare(text))
    assert(statement:execute(unpack(params or {}, 1, n or 0)))
    local rows = {}
    for row in statement:rows(true) do rows[#rows + 1] = row end
    statement:close()
    return rows
  end

  -- The plan may say otherwise of a statement, once.
  local function query(text, params, n)
    local step = plan[1]
    if not (step and text:find(step.at)) then return run(text, params, n) end
    table.remove(plan, 1)
    if step.says then return unpack(step.says, 1, 3) end
    local rows = run(text, params, n)
    if step.behind then run(step.behind) end
    if step.is_lost then return nil, "the answer is lost" end
    return rows
  end

  before_each(function()
    in_folder()
    connection = assert(driver.New(path))
    connection:autocommit(true)
    plan = {}
    own = journal.sql { query = query, dialect = "sqlite" }
    assert.same({}, own:unhandled_events())
    assert.same({}, own:optouts())
  end)

  after_each(function()
    own:close()
    connection:close()
    without_folder()
  end)

  local function add() return own:add_event { id = "e", now = 1000 } end

  local function handled() return own:handled_event { id = "e", now = 1001 } end

  local function set(word, at)
    return own:set_optout { number = "+1", profile = "P", own = "A", is_out = word ~= "START",
      at = at or 10, now = 1000 }
  end

  local OTHERS = "UPDATE telnyx_event SET claim = 'other'"
  local HANDLED = "UPDATE telnyx_event SET handled_at = 1001000, handler = 'other'"
  local LATER = "UPDATE telnyx_optout SET occurred_at = 11000"

  -- What is done, after what, and what others do when its answer is lost; and what it is told.
  local LOST = {
    { "an event", nil, add, nil, true },
    { "an event that another has added since it was purged", nil, add, OTHERS, false },
    { "an event that another has handled since", nil, add, HANDLED, true },
    { "an event that was there", add, add, nil, false },
    { "an event that was purged since", nil, add, "DELETE FROM telnyx_event", true },
    { "a handling", add, handled, nil, true },
    { "a handling that another did as well", add, handled, HANDLED, false },
    { "a handling of nothing", nil, handled, nil, false },
    { "a STOP", nil, set, nil, true },
    { "a STOP, and something later has come since", nil, set, LATER, false },
  }

  for _, row in ipairs(LOST) do
    local name, first, act, behind, is_done = unpack(row, 1, 5)
    it("the lost answer of " .. name .. " is found out", function()
      if first then assert.is_true(first()) end
      plan = { { at = "^[IUW].*telnyx_[eo]", is_lost = true, behind = behind } }
      local is_told, why = act()
      assert.equal(is_done, is_told, tostring(why))
      assert.equal(0, #plan)
    end)
  end

  it("what failed twice is told so, and is not there", function()
    for _, act in ipairs { add, handled, set } do
      plan = { { at = "^[IUW]", says = { nil, "lost" } },
        { at = "^[IUW]", says = { nil, "away" } } }
      assert.same({ nil, "away" }, { act() })
      plan = { { at = "^[IUW]", says = { nil, "busy", true } } }
      assert.same({ nil, "busy" }, { act() })
    end
    assert.is_false(handled())
    assert.is_false(own:optout { number = "+1" })
  end)

  it("one that keeps failures back is not believed", function()
    assert.is_true(add())
    for _, act in ipairs { handled, set, function()
      return own:add_event { id = "e2", now = 1000 }
    end } do
      plan = {}
      for i = 1, 6 do plan[i] = { at = "^[IUW].*telnyx_[eo]", says = { {} } } end
      local ok, why = act()
      assert.is_nil(ok)
      assert.matches("no row says why", why)
    end
    plan = {}
    assert.is_true(handled())
  end)

  it("one that leaves its transaction open is refused before anything is kept", function()
    run("BEGIN")
    for _, act in ipairs { add, set } do
      local ok, why = act()
      assert.is_nil(ok)
      assert.matches("leaves a transaction open", why)
    end
    run("ROLLBACK")
    assert.is_true(add())
    assert.is_true(set())
  end)

  it("one that a power cut would make forget keeps nothing", function()
    run("PRAGMA synchronous = OFF")
    for _, act in ipairs { add, set } do
      local ok, why = act()
      assert.is_nil(ok)
      assert.matches("PRAGMA synchronous = FULL", why)
    end
    assert.same({}, own:unhandled_events())
  end)
end)

-- PostgreSQL's own --------------------------------------------------------------------------------

describe("in PostgreSQL", function()
  before_each(in_folder)
  after_each(function()
    without_folder()
    server:ask("DROP SCHEMA IF EXISTS shop CASCADE; DROP ROLE IF EXISTS web")
  end)

  it("who may not make tables uses those that are there, in the journal's schema", function()
    server:ask("CREATE SCHEMA shop; CREATE ROLE web LOGIN; GRANT USAGE ON SCHEMA shop TO web")
    local maker = journal.postgres({ host = server.folder, user = "spec", dbname = "postgres" },
      { schema = "shop" })
    assert.equal(0, maker:counts().sending)
    server:ask("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA shop TO web")
    local own = journal.postgres({ host = server.folder, user = "web", dbname = "postgres" },
      { schema = "shop", create = false })
    local ok, why = own:add_event { id = "e", now = 1 }
    assert.is_nil(ok)
    assert.matches("telnyx_event is not there, and { create = false } makes none", why)
    assert.same({}, maker:unhandled_events())
    assert.same({}, maker:optouts())
    ok, why = own:add_event { id = "e", now = 1 }
    assert.is_nil(ok)
    assert.matches("permission denied for table telnyx_event", why)
    server:ask("GRANT SELECT, INSERT, UPDATE, DELETE ON shop.telnyx_event, shop.telnyx_optout"
      .. " TO web")
    assert.is_true(own:add_event { id = "e", now = 1 })
    assert.is_true(own:handled_event { id = "e", now = 2 })
    assert.is_true(own:set_optout { number = "+1", own = "A", is_out = true, at = 1, now = 1 })
    assert.is_table(own:optout { number = "+1" })
    assert.equal(1, own:purge { before = 1000 })
    assert.equal("telnyx_event_handled\ntelnyx_event_key\ntelnyx_event_message\n"
      .. "telnyx_event_waiting\ntelnyx_optout_out\ntelnyx_optout_profile\n", server:ask(
      "SELECT indexname FROM pg_indexes WHERE schemaname = 'shop' AND indexname ~"
      .. " '^telnyx_(event|optout)_' AND indexname !~ 'pkey$' ORDER BY indexname"))
    own:close()
    maker:close()
    server:ask("DROP OWNED BY web")
  end)

  it("a table of events that is locked holds up no send", function()
    local own = journal.postgres({ host = server.folder, user = "spec", dbname = "postgres" })
    assert.same({}, own:unhandled_events())
    host.write(folder .. "/lock.sql", ("BEGIN; LOCK telnyx_event;\n\\! touch %s/held\n"
      .. "SELECT pg_sleep(60);\n"):format(folder))
    local holder = host.start(host.folder(), ("%s/psql -h %s -U spec -d postgres -f %s/lock.sql")
      :format(server.bin, server.folder, folder))
    finally(function() holder:stop() end)
    holder:wait(function() return sandbox.read_file(folder .. "/held") end, "the lock")
    for i = 1, 3 do
      local ok, why = own:add_event { id = "e", now = 1 }
      assert.is_nil(ok)
      assert.matches("lock timeout", why)
      local started = core.monotonic()
      assert.is_true(own:claim { key = "k" .. i, digest = "d", claim = "c", now = 1, expires = 2 })
      assert.is_true(core.monotonic() - started < 1)
    end
    server:ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE"
      .. " '%pg_sleep(60)%' AND pid <> pg_backend_pid()")
    assert.is_true(own:add_event { id = "e", now = 1 })
    own:close()
  end)

  it("what was said to be kept is there after the server was killed", function()
    local function open()
      return journal.postgres { host = server.folder, user = "spec", dbname = "postgres" }
    end
    local own = open()
    assert.is_true(own:add_event { id = "killed", now = 1 })
    server:halt("KILL")
    server:launch()
    assert.is_false(own:add_event { id = "killed", now = 2 })
    own:close()
  end)
end)

-- Of nginx's workers ------------------------------------------------------------------------------

describe("in nginx", function()
  local N_WORKERS, web = 4, nil

  before_each(function()
    local locations = {}
    for i, name in ipairs { "add_events", "ends", "fill_inbox" } do
      locations[i] = ([[
        location = /%s { content_by_lua_block { require("spec.support.journal_nginx").%s() } }
      ]]):format(name, name)
    end
    web = nginx.start {
      workers = N_WORKERS,
      http = "lua_shared_dict sent 10m; lua_shared_dict small 1m;",
      server = table.concat(locations),
    }
  end)

  after_each(function() web:stop() end)

  it("of several workers one is told that an event is new, and all come to one end", function()
    local waits, total = {}, 0
    for i = 1, N_WORKERS do waits[i] = web:begin("/add_events?from=" .. i * 75, "") end
    for _, wait in ipairs(waits) do total = total + cjson.decode(wait())[2] end
    assert.equal(300, total)
    -- Of 0 to 299, the last of each that has a remainder by 3 and by 2, where it is a STOP.
    local ends = {}
    for number = 0, 2 do
      for profile = 0, 1 do
        local last
        for at = 0, 299 do
          if at % 3 == number and at % 2 == profile then last = at end
        end
        ends[#ends + 1] = last % 4 < 2 and last or cjson.null
      end
    end
    assert.same({ 300, ends }, cjson.decode(web:ask("/ends")))
  end)

  it("a full dictionary refuses what is new, keeps what it has, and changes that", function()
    local said = web:ask("/fill_inbox")
    assert.matches("^the journal's dictionary is full: ", said)
    assert.equal("true true true true true true 0\n1 true\n", said:match("\n(.*)"))
  end)
end)
