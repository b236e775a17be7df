-- A PostgreSQL that takes what it is asked and says nothing more: a backend that is stopped, a
-- commit whose standby is gone. Nobody waits for it for ever, and nothing is posted twice.

local core = require "telnyx.core"
local host = require "spec.support.host"
local journal = require "telnyx.journal"
local libpq = require "telnyx.journal.libpq"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local stand_in = require "telnyx.sandbox"
local telnyx = require "telnyx"

local FROM, TO = "+18445550001", "+18665550001"

local server, own

setup(function() server = postgres.start() end)
teardown(function() server:stop() end)

-- Backends ----------------------------------------------------------------------------------------

local function stopped()
  return sandbox.capture(("ps --ppid %s -o stat=,pid= | awk '$1 ~ /^T/ { print $2 }'"):format(
    sandbox.read_file(server.data .. "/postmaster.pid"):match("%d+")))
end

local function n_stopped() return select(2, stopped():gsub("\n", "")) end

local function let_go_on()
  for pid in stopped():gmatch("%d+") do os.execute("kill -CONT " .. pid) end
  sandbox.wait(function()
    return server:ask("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
      .. " AND state <> 'idle' AND pid <> pg_backend_pid()") == "0\n"
  end, "what was asked to end")
end

-- From here on, a statement that does this stops its own backend: as often as that, and at most.
local function stop_at(event, most)
  assert.equal("", server:ask([[
    CREATE SEQUENCE stops;
    CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $stop$ BEGIN
      IF nextval('stops') <= ]] .. most .. [[ THEN
        COPY (SELECT 1) TO PROGRAM 'kill -STOP $PPID';
      END IF;
      RETURN NEW;
    END $stop$;
    CREATE TRIGGER stop ]] .. event .. " EXECUTE FUNCTION stop()"))
end

local function stop_no_more()
  server:ask("DROP TRIGGER IF EXISTS stop ON telnyx_send; DROP FUNCTION IF EXISTS stop;"
    .. " DROP SEQUENCE IF EXISTS stops")
end

-- From here on, every commit waits for a standby of that name.
local function need_standby(name)
  server:ask(("ALTER SYSTEM SET synchronous_standby_names = '%s'"):format(name))
  server:ask("SELECT pg_reload_conf()")
  sandbox.wait(function() return server:ask("SHOW synchronous_standby_names") == name .. "\n" end,
    "the server to know its standby")
end

-- Programs ----------------------------------------------------------------------------------------

local function open(options)
  own = journal.postgres({ host = server.folder, user = "spec", dbname = "postgres" },
    options or { statement_timeout = 0.5 })
  assert(own:counts())
  return own
end

-- What one waits for who waits for ever: the program would be killed.
local CEILING_S = 60

local START = [[
  local core, telnyx = require "telnyx.core", require "telnyx"
  local own = telnyx.journal.postgres("host=%s user=spec dbname=postgres",
    { statement_timeout = %s })
  local sender = require "telnyx.sandbox".sender()
  local client = telnyx.new { sender = sender, journal = own, retry = false }
  local function send(key)
    local _, result = client:send({ from = "%s", to = "%s", text = "Hello" }, { key = key })
    print(key, result.outcome, result.cause or "")
  end
  local function end_silence()
    os.execute("ps --ppid %s -o stat=,pid= | awk '$1 ~ /^T/ { print $2 }' | xargs -r kill -CONT")
    os.execute("%s/psql -qh %s -U spec -d postgres -c"
      .. " 'ALTER SYSTEM RESET synchronous_standby_names' -c 'SELECT pg_reload_conf()' >/dev/null")
  end
]]

local function script(timeout_s, body)
  local pid = sandbox.read_file(server.data .. "/postmaster.pid"):match("%d+")
  local start = START:format(server.folder, timeout_s, FROM, TO, pid, server.bin, server.folder)
  return start .. body .. [[ print("posted", sender:ledger().posts)]]
end

local function run(body)
  return process.run_lua(script(0.5, body), "timeout -s KILL " .. CEILING_S)
end

local function posted_by(said) return tonumber(said:match("\nposted\t(%d+)\n$")) end

-- By a client of this process, whose database answers.
local function send_now(key)
  local sender = stand_in.sender()
  local client = telnyx.new { sender = sender, journal = own, retry = false }
  local _, result = client:send({ from = FROM, to = TO, text = "Hello" }, { key = key })
  return result.outcome, sender:ledger().posts
end

before_each(function() open() end)

after_each(function()
  let_go_on()
  own:close()
  stop_no_more()
  server:ask("DROP TABLE IF EXISTS telnyx_send, telnyx_pace, telnyx_server")
end)

describe("a backend that is stopped", function()
  it("in the midst of a claim: nothing is sent, and later it is, once", function()
    stop_at("AFTER INSERT ON telnyx_send FOR EACH ROW", 1)
    local said = run [[ send("order-1") ]]
    assert.matches("^order%-1\tnot_sent\tthe journal failed: PostgreSQL: ", said)
    assert.equal(0, posted_by(said))
    assert.equal(1, n_stopped())
    let_go_on()
    assert.is_false(own:get("order-1"))
    assert.same({ "accepted", 1 }, { send_now("order-1") })
    assert.same({ "accepted", 0 }, { send_now("order-1") })
  end)

  it("whenever it is asked: it is asked twice, and then let alone for as long", function()
    stop_at("BEFORE INSERT ON telnyx_send FOR EACH STATEMENT", 100)
    local said = run [[ for i = 1, 4 do send("order-" .. i) end ]]
    local WORDS = "order%%-%d\tnot_sent\tthe journal failed: "
      .. "PostgreSQL: it has not answered for 2%%.5 s\n"
    for i = 1, 4 do assert.matches(WORDS:format(i), said) end
    assert.equal(0, posted_by(said))
    assert.equal(2, n_stopped())
    let_go_on()
    stop_no_more()
    assert.same({ "accepted", 1 }, { send_now("order-1") })
  end)

  it("is waited for by the server's own limit, where it has one", function()
    server:ask("ALTER ROLE spec SET statement_timeout = '700ms'")
    finally(function() server:ask("ALTER ROLE spec RESET statement_timeout") end)
    stop_at("BEFORE INSERT ON telnyx_send FOR EACH STATEMENT", 1)
    local said = run [[
      print(own.keeper.query("INSERT INTO telnyx_send (key) VALUES ('none')", {}, 0))
    ]]
    assert.matches("^nil\tPostgreSQL: it has not answered for 2%.7 s\t", said)
  end)

  it("is given up, too, when it does not even take what it is told", function()
    local said = run [[
      local text = ("x"):rep(2 ^ 24)
      local function echo()
        local rows, why = own.keeper.query("SELECT CAST(length(?) AS TEXT) AS n,"
          .. " CAST(pg_backend_pid() AS TEXT) AS pid", { text }, 1)
        print(rows and rows[1].n or why)
        return rows and rows[1].pid
      end
      os.execute("kill -STOP " .. echo())
      echo()
      echo()
    ]]
    assert.matches("^16777216\nPostgreSQL: it has not answered for 2%.5 s\n16777216\n", said)
  end)

  it("is not waited for again by who has ended a long wait by Ctrl-C", function()
    stop_at("BEFORE INSERT ON telnyx_send FOR EACH STATEMENT", 1)
    local said = process.run_lua(script(1000, [[
      os.execute("(sleep 2; kill -INT " .. core.pid() .. ") >/dev/null 2>&1 &")
      local ok, why = pcall(send, "order-1")
      print(ok, (tostring(why):match("interrupted!")))
      send("order-2")
    ]]), "timeout -s KILL " .. CEILING_S)
    assert.equal("false\tinterrupted!\norder-2\tnot_sent\tthe journal failed: PostgreSQL: a wait"
      .. " for it was interrupted\nposted\t0\n", said)
    assert.equal(1, n_stopped())
  end)

  it("does not keep Ctrl-C waiting", function()
    stop_at("AFTER INSERT ON telnyx_send FOR EACH ROW", 1)
    local folder = host.folder()
    host.write(folder .. "/script.lua", script(1000, [[
      io.stdout:setvbuf("line")
      print(core.pid())
      send("order-1")
    ]]))
    local child = host.start(folder, process.lua() .. " " .. folder .. "/script.lua")
    child:wait(function() return n_stopped() == 1 end, "a backend to stop")
    os.execute("kill -INT " .. child:output():match("^%d+"))
    child:wait(function() return child:output():find("traceback", 1, true) end, "it to end")
    assert.matches("interrupted!", child:output())
    assert.is_nil(child:output():find("order-1", 1, true))
    child:stop()
  end)
end)

local function add_two()
  local box = telnyx.outbox(telnyx.new { sender = stand_in.sender(), journal = own })
  for _, key in ipairs { "k1", "k2" } do
    assert(box:add({ from = FROM, to = TO, text = "Hello" }, { key = key }))
  end
end

local WORK = [[
  local box = telnyx.outbox(client)
  local function work(options)
    options.concurrency, options.poll = 1, 0.1
    function options.on_result(row, message, err)
      print(row.key, message and "accepted" or err.outcome)
    end
    local counts = box:run(options)
    print("unrecorded", counts.unrecorded)
  end
]]

describe("a worker whose database says nothing more", function()
  it("ends when it is to, though it cannot take", function()
    add_two()
    stop_at("BEFORE UPDATE ON telnyx_send FOR EACH STATEMENT", 100)
    local said = run(WORK .. [[
      local trouble
      work { stops_when = function() return trouble end,
        on_trouble = function(why)
          trouble = why
          print("trouble", why)
        end }
    ]])
    assert.equal("trouble\tPostgreSQL: it has not answered for 2.5 s\nunrecorded\tnil\nposted\t0\n",
      said)
    assert.is_true(n_stopped() > 0)
    let_go_on()
    stop_no_more()
    said = run(WORK .. "work { until_empty = true }")
    assert.equal("k1\taccepted\nk2\taccepted\nunrecorded\tnil\nposted\t2\n", said)
  end)

  it("writes down what it knew when the database is back", function()
    add_two()
    stop_at("AFTER UPDATE ON telnyx_send FOR EACH ROW WHEN (NEW.state = 'accepted')", 1)
    local said = run(WORK .. [[
      local trouble
      work { stops_when = function() return trouble end,
        on_trouble = function(why)
          trouble = why
          print("trouble", why)
          end_silence()
        end }
    ]])
    assert.matches("trouble\tPostgreSQL: [^\n]+\n", said)
    assert.equal("k1\taccepted\nunrecorded\tnil\nposted\t1\n", (said:gsub("trouble[^\n]*\n", "")))
    assert.equal("accepted", own:get("k1").state)
    assert.equal("queued", own:get("k2").state)
  end)
end)

describe("a standby that is gone", function()
  before_each(function() need_standby("gone") end)
  after_each(function() need_standby("") end)

  it("while a key is claimed: nothing is sent, then or later", function()
    local said = run [[ send("order-1") send("order-1") ]]
    assert.matches("^order%-1\tnot_sent\tthe journal failed: PostgreSQL: ", said)
    assert.equal(0, posted_by(said))
    need_standby("")
    let_go_on()
    assert.same({ "unknown", 0 }, { send_now("order-1") })
    assert.same({ "order-1" }, own:reap { now = core.now() + 1000 })
  end)

  it("while an outcome is written: it is not said to be, by the second session neither", function()
    need_standby("")
    assert.is_true(own:claim { key = "order-1", digest = "d", claim = "c", now = 1000,
      expires = 1060 })
    need_standby("gone")
    assert.is_nil((own:finish { key = "order-1", claim = "c", state = "accepted", now = 1001,
      message_id = "m1", status = 200, result = "{}" }))
    need_standby("")
    let_go_on()
    assert.is_true(own:finish { key = "order-1", claim = "c", state = "accepted", now = 1001,
      message_id = "m1", status = 200, result = "{}" })
  end)

  it("while a worker takes: each message is sent once when it is back", function()
    need_standby("")
    add_two()
    need_standby("gone")
    local said = run(WORK .. [[
      work { until_empty = true,
        on_trouble = function(why)
          print("trouble", why)
          end_silence()
        end }
    ]])
    assert.matches("^trouble\tPostgreSQL: it has not answered for 2%.5 s\n", said)
    said = said:gsub("trouble[^\n]*\n", "")
    assert.equal("k1\taccepted\nk2\taccepted\nunrecorded\tnil\nposted\t2\n", said)
  end)
end)

it("a session owes an answer when it was given up or lost, and otherwise not", function()
  local function session()
    return libpq.connect(("host=%s user=spec dbname=postgres"):format(server.folder), 0.2)
  end
  local well, given_up, lost = session(), session(), session()
  assert.is_true((well:prepare("SELECT 1"):execute()))
  assert.is_nil((well:prepare("SELECT nothing")))
  assert.is_nil((given_up:prepare("SELECT pg_sleep(5)"):execute()))
  assert.is_nil((lost:prepare("SELECT pg_terminate_backend(pg_backend_pid())"):execute()))
  for _, one in ipairs { well, given_up, lost } do
    one:close()
    one:close()
  end
  assert.same({ false, true, true }, { well.owes_answer, given_up.owes_answer, lost.owes_answer })
end)

-- It lies before a backend that was stopped while it waited for the next.
describe("what was given up unread", function()
  local box, client

  before_each(function()
    client = telnyx.new { sender = stand_in.sender(), journal = open() }
    box = telnyx.outbox(client)
  end)
  after_each(function()
    let_go_on()
    client:close()
    own:close()
  end)

  local function add(key)
    return box:add({ from = FROM, to = TO, text = key }, { key = key })
  end

  local function stop_idle()
    local pid = server:ask("SELECT pid FROM pg_stat_activity WHERE usename = 'spec'"
      .. " AND backend_type = 'client backend' AND state = 'idle' AND pid <> pg_backend_pid()"
      .. " AND query LIKE '%telnyx%' ORDER BY backend_start DESC LIMIT 1"):match("%d+")
    os.execute("kill -STOP " .. pid)
    sandbox.wait(function() return n_stopped() == 1 end, "it to stop")
  end

  it("undoes nothing that was asked later, when it is read after all", function()
    assert.is_true(add("before"))
    assert.is_true(box:withdraw("before")) -- both are prepared
    stop_idle()
    assert.is_true(add("late"))
    assert.is_true(box:withdraw("late"))
    let_go_on()
    assert.equal("free", own:get("late").state)
    assert.is_true(add("later"))
    stop_idle()
    assert.is_true(box:withdraw("later"))
    assert.is_true(add("later"))
    let_go_on()
    assert.equal("queued", own:get("later").state)
    assert.is_true(box:pause())
    assert.is_true(box:resume())
    stop_idle()
    box:resume()
    assert.is_true(box:pause())
    let_go_on()
    assert.is_true(box:is_paused())
    box:resume()
  end)

  -- Who has waited for a row in vain waits for the next ones hardly any, which the server is told
  -- before the statement: it is the last that it has read.
  it("undoes nothing where its backend had just been told to wait less for a row", function()
    local connect = libpq.connect
    finally(function() libpq.connect = connect end)
    local is_stopped = false
    local function stop_after(execute)
      return function(...)
        local done, why = execute(...)
        if not is_stopped then
          is_stopped = true
          local pid = server:ask("SELECT pid FROM pg_stat_activity WHERE usename = 'spec'"
            .. " AND state = 'idle' AND query LIKE 'SET lock_timeout = 50%'"):match("%d+")
          os.execute("kill -STOP " .. pid)
          sandbox.wait(function() return n_stopped() == 1 end, "it to stop")
        end
        return done, why
      end
    end
    function libpq.connect(...)
      local session = assert(connect(...))
      local prepare = session.prepare
      function session.prepare(self, text)
        local statement, why = prepare(self, text)
        if statement and text:find("SET lock_timeout = 50", 1, true) then
          statement.execute = stop_after(statement.execute)
        end
        return statement, why
      end
      return session
    end
    own:close()
    client = telnyx.new { sender = stand_in.sender(), journal = open { statement_timeout = 3 } }
    box = telnyx.outbox(client)
    assert.is_true(add("held"))
    assert.is_true(add("before"))
    assert.is_true(box:withdraw("before"))
    local holder = assert(connect(("host=%s user=spec dbname=postgres"):format(server.folder), 9))
    for _, text in ipairs { "BEGIN", "SELECT 1 FROM telnyx_send WHERE key = 'held' FOR UPDATE" } do
      assert(assert(holder:prepare(text)):execute())
    end
    assert.is_nil((box:withdraw("held")))
    holder:close()
    assert.is_true(add("late"))
    assert.is_true(is_stopped)
    assert.is_true(box:withdraw("late"))
    let_go_on()
    assert.equal("free", own:get("late").state)
  end)

  -- The session that should end it is given up itself, at its first look for the other.
  it("is ended by the third session where the second was given up, too", function()
    assert.is_true(add("late"))
    assert.is_true(box:withdraw("late"))
    stop_idle()
    assert.equal("", server:ask([[
      CREATE SEQUENCE stops;
      CREATE FUNCTION stop() RETURNS boolean LANGUAGE plpgsql AS $stop$ BEGIN
        IF nextval('stops') <= 1 THEN COPY (SELECT 1) TO PROGRAM 'kill -STOP $PPID'; END IF;
        RETURN true;
      END $stop$;
      CREATE VIEW public.pg_stat_activity AS
        SELECT a.* FROM (SELECT stop() AS is_so OFFSET 0) AS s, pg_catalog.pg_stat_activity AS a
        WHERE s.is_so;
      ALTER ROLE spec SET search_path = public, pg_catalog]]))
    finally(function()
      server:ask("ALTER ROLE spec RESET search_path")
      let_go_on()
      server:ask("DROP VIEW public.pg_stat_activity; DROP FUNCTION stop; DROP SEQUENCE stops")
    end)
    assert.is_nil((add("late")))
    server:ask("ALTER ROLE spec RESET search_path")
    assert.equal(2, n_stopped())
    sandbox.wait(function() return add("late") end, "it to be asked again")
    assert.is_true(box:withdraw("late"))
    let_go_on()
    assert.equal("free", own:get("late").state)
  end)

  local HAUNTED = "what an earlier session was asked, and has not answered, may be done yet"

  it("is not overtaken by a withdrawal where it hangs in the midst of it", function()
    stop_at("AFTER INSERT ON telnyx_send FOR EACH ROW", 1)
    for _ = 1, 2 do assert.is_nil((add("late"))) end
    for _, ask in ipairs { function() return box:withdraw("late") end, function()
      return box:pause()
    end } do
      local done, why = ask()
      assert.is_nil(done)
      assert.matches(HAUNTED, tostring(why))
    end
    assert.same({ "accepted", 1 }, { send_now("order-1") }) -- a claim has its name
    let_go_on()
    stop_no_more()
    sandbox.wait(function() return box:withdraw("late") ~= nil end, "it to have ended")
    assert.is_true(add("late"))
    assert.is_true(box:withdraw("late"))
  end)

  it("is not overtaken where the second session hangs, and the first has ended", function()
    assert.is_true(add("before"))
    stop_at("BEFORE INSERT ON telnyx_send FOR EACH STATEMENT", 2)
    assert.is_nil((add("late")))
    assert.equal(2, n_stopped())
    local pid = server:ask("SELECT pid FROM pg_stat_activity WHERE usename = 'spec'"
      .. " AND state = 'active' AND pid <> pg_backend_pid() ORDER BY backend_start LIMIT 1")
    os.execute("kill -CONT " .. pid)
    sandbox.wait(function()
      return server:ask("SELECT count(*) FROM pg_stat_activity WHERE pid = " .. pid) == "0\n"
    end, "the first to end")
    local is_withdrawn, err = box:withdraw("before")
    assert.is_nil(is_withdrawn)
    assert.matches(HAUNTED, tostring(err))
    let_go_on()
    sandbox.wait(function() return box:withdraw("before") end, "the second to have ended")
  end)

  -- A commit cannot be ended: it is done when the standby is there, or not waited for any more.
  it("is not overtaken by a withdrawal where it hangs in its commit", function()
    assert.is_true(add("before"))
    assert.is_true(box:withdraw("before"))
    need_standby("nobody")
    local ok, why = pcall(function()
      assert.is_nil((add("late")))
      local is_withdrawn, err = box:withdraw("late")
      assert.is_nil(is_withdrawn)
      assert.matches(HAUNTED, tostring(err))
    end)
    need_standby("")
    assert(ok, why)
    local is_withdrawn
    sandbox.wait(function()
      is_withdrawn = box:withdraw("late")
      return is_withdrawn ~= nil
    end, "the commit to be done")
    assert.is_true(is_withdrawn)
    assert.equal("free", own:get("late").state)
  end)

  -- A standby that says of each commit at once that it has it.
  it("undoes nothing where there is a standby", function()
    local folder = host.folder()
    local command = "sh -c 'mkdir %s/wal && exec %s/pg_receivewal -D %s/wal --synchronous"
      .. " -d \"host=%s user=spec application_name=here\"'"
    local standby = host.start(folder, command:format(folder, server.bin, folder, server.folder))
    finally(function()
      need_standby("")
      standby:stop()
    end)
    sandbox.wait(function()
      return server:ask("SELECT state FROM pg_stat_replication") == "streaming\n"
    end, "the standby")
    need_standby("here")
    assert.is_true(add("late"))
    assert.is_true(box:withdraw("late"))
    stop_idle()
    assert.is_true(add("late"))
    assert.is_true(box:withdraw("late"))
    let_go_on()
    assert.equal("free", own:get("late").state)
  end)
end)

-- What is asked by somebody else of a session of libpq's.
local function ask_of(inner, name, text)
  assert(inner:prepare(name, text))
  for _ = 1, 2 do
    sandbox.wait(function() return inner:wait(1) end, "its answer")
    assert(inner:rows())
    if name then assert(inner:execute(name)) end
    name = nil
  end
end

-- A session whose end the server does not see, as behind a pooler.
for what, is_anothers in pairs { ["is ended"] = false,
  ["is not ended where a pooler has given it to somebody else"] = "by DISCARD ALL",
  ["is not ended where a pooler has given it to somebody else as it was"] = "as it was" } do
  it("a backend that owes an answer " .. what, function()
    local connect, first = libpq.connect, nil
    finally(function()
      libpq.connect = connect
      if first then first:close() end
    end)
    libpq.connect = function(...)
      local session = assert(connect(...))
      if first then return session end
      first = session.session
      session.close = function() session.owes_answer = true end
      session.ping = function() return false end
      return session
    end
    open()
    local pid = own.keeper.query("SELECT CAST(pg_backend_pid() AS TEXT) AS pid", {}, 0)[1].pid
    if is_anothers == "by DISCARD ALL" then
      assert.is_table(own.keeper.query("SELECT pg_advisory_unlock_all()", {}, 0))
    end
    assert.is_nil((own.keeper.query("SELECT 1 / 0 AS telnyx", {}, 0)))
    if is_anothers == "as it was" then ask_of(first, "another", "SELECT 2") end
    assert.is_table(own:counts())
    local n = server:ask("SELECT count(*) FROM pg_stat_activity WHERE pid = " .. pid)
    assert.equal(is_anothers and 1 or 0, tonumber(n))
  end)
end

-- As behind a pooler, where it may be somebody else's by then.
it("a backend that owes nothing is not ended, though its session was closed", function()
  local connect, kept = libpq.connect, {}
  finally(function()
    libpq.connect = connect
    for _, inner in ipairs(kept) do inner:close() end
  end)
  libpq.connect = function(...)
    local session = assert(connect(...))
    local inner = session.session
    kept[#kept + 1] = inner
    session.session = setmetatable({ close = function() end }, { __index = function(_, name)
      return function(_, ...) return inner[name](inner, ...) end
    end })
    return session
  end
  open()
  local first = kept[1]
  while #kept == 1 do assert(own.keeper.query("SELECT 1 / 0", {}, 0) == nil and own:counts()) end
  ask_of(first, "after", "SELECT 1")
end)

-- As behind a pooler that gives several sessions one backend, or one session several.
describe("a statement that is prepared", function()
  local function session()
    return assert(libpq.connect(("host=%s user=spec dbname=postgres"):format(server.folder), 5))
  end
  local NAMES = "SELECT name FROM pg_prepared_statements"

  it("has a name that no other session gives one", function()
    local seen = {}
    for _ = 1, 2 do
      local own_session = session()
      local statement = assert(own_session:prepare(NAMES))
      assert(statement:execute())
      for row in statement:rows() do
        assert.is_nil(seen[row.name])
        seen[row.name] = true
      end
      own_session:close()
    end
    assert.is_string((next(seen)))
  end)

  it("and is not there any more, says what a pooler must do", function()
    local own_session = session()
    local statement = assert(own_session:prepare(NAMES))
    assert(assert(own_session:prepare("DEALLOCATE ALL")):execute())
    local ok, why = statement:execute()
    assert.is_nil(ok)
    assert.is_truthy(why:find("; behind a pooler, which must give each connection", 1, true))
    assert.is_nil(why:find("[\r\n]"))
    ok, why = assert(own_session:prepare("SELECT 1 / 0")):execute()
    assert.is_nil(ok)
    assert.is_nil(why:find("pooler", 1, true))
    own_session:close()
  end)
end)

-- It would be ended by whoever has it no more.
it("a backend that a pooler gives on has no mark of the one before", function()
  open()
  assert.is_table(own:counts())
  local LOCKS = "SELECT CAST(count(*) AS TEXT) AS n FROM pg_locks WHERE locktype = 'advisory'"
    .. " AND pid = pg_backend_pid()"
  assert.equal("1", own.keeper.query(LOCKS, {}, 0)[1].n)
  local connect, inner = libpq.connect, nil
  finally(function() libpq.connect = connect end)
  libpq.connect = function(...)
    local given = assert(connect(...))
    ask_of(given.session, "mark", "SELECT CAST(pg_advisory_lock(7, 7) AS TEXT)")
    inner = given.session
    return given
  end
  open()
  assert.is_table(own:counts())
  assert.is_not_nil(inner)
  assert.equal("1", own.keeper.query(LOCKS, {}, 0)[1].n)
end)
