-- A journal in PostgreSQL, and what befalls servers, networks and processes.

local core = require "telnyx.core"
local host = require "spec.support.host"
local journal = require "telnyx.journal"
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local telnyx = require "telnyx"

local socket = require "socket"

local server

setup(function() server = postgres.start() end)
teardown(function() server:stop() end)

local own

local function open(options, folder)
  own = journal.postgres({ host = folder or server.folder, user = "spec", dbname = "postgres" },
    options)
  return own
end

local function forget()
  server:ask("DROP TABLE IF EXISTS telnyx_send; DROP TABLE IF EXISTS telnyx_server")
end

before_each(function() forget() end)
after_each(function() if own then own:close() end end)

local function claim(key, name)
  return own:claim { key = key, digest = "d", claim = name or "c", now = 1000, expires = 1060 }
end

local function finish(key, name)
  return own:finish { key = key, claim = name or "c", state = "accepted", now = 1001,
    message_id = "m1", status = 200, result = "{}" }
end

local function rows()
  return server:ask("SELECT key, state, claim, tries FROM telnyx_send ORDER BY key")
end

-- Another session that is in the middle of something, until it is let go.
local function hold(statement)
  local folder = host.folder()
  host.write(folder .. "/hold.sql", ("BEGIN; %s;\n\\! touch %s/held\nSELECT pg_sleep(60);\n")
    :format(statement, folder))
  local holder = host.start(folder, ("%s/psql -h %s -U spec -d postgres -f %s/hold.sql"):format(
    server.bin, server.folder, folder))
  holder:wait(function() return sandbox.read_file(folder .. "/held") end, "the other session")
  return function()
    holder:stop()
    sandbox.wait(function()
      return server:ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE"
        .. " '%pg_sleep(60)%' AND pid <> pg_backend_pid()") == ""
    end, "the other session to end")
  end
end

describe("the table", function()
  it("is made with its indexes, and an index that was dropped again", function()
    open()
    assert.is_true(claim("order-1"))
    own:close()
    assert.equal("7\n", server:ask("SELECT count(*) FROM pg_indexes WHERE tablename ="
      .. " 'telnyx_send' AND indexname LIKE 'telnyx\\_send\\_%' AND indexname NOT LIKE '%pkey'"))
    server:ask("DROP INDEX telnyx_send_due")
    open()
    assert.is_true(claim("order-2"))
    assert.equal("1\n", server:ask("SELECT count(*) FROM pg_indexes WHERE indexname ="
      .. " 'telnyx_send_due'"))
  end)

  it("that is another's or an older one's is not used", function()
    server:ask("CREATE TABLE telnyx_send (key TEXT PRIMARY KEY, state TEXT)")
    open()
    local ok, why = claim("order-1")
    assert.is_nil(ok)
    assert.matches('older version\'s[^\n]*column "digest" does not exist', why)
  end)

  it("may be used by who may not make it", function()
    open()
    claim("order-1")
    own:close()
    server:ask("CREATE ROLE guest LOGIN; GRANT ALL ON telnyx_send, telnyx_server TO guest")
    own = journal.postgres { host = server.folder, user = "guest", dbname = "postgres" }
    assert.is_true(claim("order-2"))
    assert.is_true(finish("order-2"))
  end)

  it("made by several at once is made once", function()
    local path = os.tmpname()
    host.write(path, ([[
      local own = require "telnyx.journal".postgres("host=%s user=spec dbname=postgres")
      local ok, why = own:claim { key = "k" .. arg[1], digest = "d", claim = "c", now = 1,
        expires = 2 }
      io.write(tostring(ok), " ", why or "", "\n")
    ]]):format(server.folder))
    local command = {}
    for i = 1, 6 do command[i] = ("%s %s %d & "):format(process.lua(), path, i) end
    assert.equal(("true \n"):rep(6), process.run(table.concat(command) .. "wait"))
    os.remove(path)
  end)
end)

describe("a key", function()
  it("is won by one of several processes, for each of 300", function()
    open()
    assert.equal(0, own:counts().sending)
    local path = os.tmpname()
    host.write(path, ([[
      local own = require "telnyx.journal".postgres("host=%s user=spec dbname=postgres")
      local n = 0
      for i = 1, 300 do
        local is_mine, row = own:claim { key = "k" .. (i * 7 + arg[1] * 75) %% 300, digest = "d",
          claim = "c" .. arg[1], now = 1, expires = 2 }
        assert(is_mine ~= nil, row)
        if is_mine then n = n + 1 end
      end
      io.write(n .. "\n")
    ]]):format(server.folder))
    local command = {}
    for i = 1, 4 do command[i] = ("%s %s %d & "):format(process.lua(), path, i) end
    local said = process.run(table.concat(command) .. "wait")
    os.remove(path)
    local total, n_lines = 0, 0
    for n in said:gmatch("%d+\n") do total, n_lines = total + n, n_lines + 1 end
    assert.equal(4, n_lines, said)
    assert.equal(300, total, said)
    assert.equal("300|300\n", server:ask("SELECT count(*), sum(tries) FROM telnyx_send"))
  end)

  it("that is being purged, reaped or settled elsewhere is left to that", function()
    open()
    for i = 1, 3 do
      claim("k" .. i)
      finish("k" .. i)
    end
    claim("k4")
    local let_go = hold("SELECT 1 FROM telnyx_send WHERE key IN ('k1', 'k4') FOR UPDATE")
    assert.equal(2, own:purge { before = 5000 })
    assert.same({}, own:reap { now = 5000 })
    let_go()
    assert.equal(1, own:purge { before = 5000 })
    assert.same({ "k4" }, own:reap { now = 5000 })
  end)
end)

describe("a reply that is lost", function()
  local proxy, folder

  local function order(...)
    host.write(folder .. "/orders", table.concat({ ... }, "\n") .. "\n")
  end

  local function assert_orders_served()
    assert.equal("", sandbox.read_file(folder .. "/orders"))
  end

  setup(function()
    folder = host.folder()
    local name = "/.s.PGSQL.5432"
    proxy = host.start(folder, ("lua5.4 spec/support/postgres_proxy.lua %s %s %s/orders"):format(
      folder .. name, server.folder .. name, folder))
    proxy:wait(function()
      return process.run("test -S " .. folder .. name .. " && echo yes") == "yes\n"
    end, "the proxy to listen")
  end)
  teardown(function() proxy:stop() end)

  before_each(function()
    open(nil, folder)
    assert.equal(0, own:counts().sending)
  end)

  it("of a claim: it is looked up, and is ours", function()
    order("reply claim-7")
    assert.is_true(claim("order-1", "claim-7"))
    assert_orders_served()
    assert.equal("order-1|sending|claim-7|1\n", rows())
  end)

  it("of a claim that did not arrive: it is made, once", function()
    order("request claim-7")
    assert.is_true(claim("order-1", "claim-7"))
    assert_orders_served()
    assert.equal("order-1|sending|claim-7|1\n", rows())
  end)

  it("of a claim that another has: it is the other's", function()
    claim("order-1", "claim-1")
    for _, what in ipairs { "reply", "request" } do
      order(what .. " claim-7")
      local is_mine, row = claim("order-1", "claim-7")
      assert_orders_served()
      assert.is_false(is_mine)
      assert.equal("claim-1", row.claim)
    end
  end)

  it("twice: the claim has failed, and nobody takes it for free", function()
    order("reply claim-7", "reply claim-7")
    local ok, why = claim("order-1", "claim-7")
    assert_orders_served()
    assert.is_nil(ok)
    assert.matches("^PostgreSQL: [^\n]+$", why)
    assert.equal("order-1|sending|claim-7|1\n", rows())
    assert.is_false((claim("order-1", "claim-8")))
    assert.same({ "order-1" }, own:reap { now = 2000 })
  end)

  for name, act in pairs {
    finish = function() return finish("order-1", "claim-7") end,
    release = function()
      return own:release { key = "order-1", claim = "claim-7", now = 1002 }
    end,
    settle = function()
      return own:settle { key = "order-1", state = "accepted", by = "claim-7", now = 1002 }
    end,
    resend = function()
      own:reap { now = 2000 }
      return own:resend { key = "order-1", claim = "claim-7", by = "Ada", now = 2001 }
    end,
  } do
    for _, what in ipairs { "reply", "request" } do
      it(("of a %s: it is done once (%s lost)"):format(name, what), function()
        claim("order-1", "claim-7")
        -- What comes before is not to be lost.
        if name == "resend" then own:reap { now = 2000 } end
        order(what .. " claim-7")
        assert.is_true(act())
        assert_orders_served()
        local is_back = name == "release" or name == "resend"
        assert.equal(("order-1|%s|%s|1\n"):format(is_back and "free" or "accepted",
          is_back and "" or "claim-7"), rows())
      end)
    end
  end

  it("of a finish that comes too late stays refused", function()
    claim("order-1", "claim-7")
    own:reap { now = 2000 }
    own:resend { key = "order-1", claim = "claim-7", by = "Ada", now = 2001 }
    order("reply claim-7")
    assert.is_false(finish("order-1", "claim-7"))
    assert_orders_served()
  end)
end)

it("writes nothing of what the server remarks to the program's standard error", function()
  local path = os.tmpname()
  finally(function() os.remove(path) end)
  host.write(path, ([[
    local own = require "telnyx.journal".postgres("host=%s user=spec dbname=postgres")
    assert(own:counts())
    local REMARK = "DO $do$ BEGIN RAISE WARNING 'remarkable'; END $do$"
    assert(own.keeper.query(REMARK, {}, 0))
    print "done"
  ]]):format(server.folder))
  assert.equal("done\n", sandbox.capture(("%s %s 2>&1"):format(process.lua(), path)))
end)

it("leaves no session behind that was closed, collected or dropped", function()
  local function n_sessions()
    return tonumber(server:ask("SELECT count(*) FROM pg_stat_activity WHERE backend_type ="
      .. " 'client backend'"))
  end
  local text = ("host=%s user=spec dbname=postgres"):format(server.folder)
  for i = 1, 20 do
    local session = assert(core.postgres(text))
    if i > 10 then session:close() end
  end
  for _ = 1, 2 do collectgarbage() end
  sandbox.wait(function() return n_sessions() == 1 end, "the sessions to end")
end)

describe("a server", function()
  it("that is killed and started again has what was claimed, and is asked again", function()
    open()
    assert.is_true(claim("order-1"))
    server:halt("KILL")
    local ok, why = claim("order-2")
    assert.is_nil(ok)
    assert.matches("^PostgreSQL: [^\n]+$", why)
    assert.is_nil((finish("order-1")))
    server:launch()
    assert.is_true(finish("order-1"))
    assert.is_true(claim("order-2"))
    assert.equal("order-1|accepted|c|1\norder-2|sending|c|1\n", rows())
  end)

  it("that ended its sessions meanwhile is asked again at once", function()
    open()
    claim("order-1")
    server:ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
      .. " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
    assert.is_true(claim("order-2"))
    server:ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
      .. " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
    assert.is_true(finish("order-2"))
  end)

  it("that does not answer in time is given up", function()
    open { statement_timeout = 0.1 }
    claim("order-1")
    local let_go = hold("LOCK TABLE telnyx_send")
    local ok, why = claim("order-2")
    assert.is_nil(ok)
    assert.matches("statement timeout", why)
    let_go()
    assert.is_true(claim("order-2"))
  end)

  it("that is silent is not waited for again by who has just done so", function()
    local listener = assert(socket.bind("127.0.0.1", 0))
    local _, port = listener:getsockname()
    own = journal.postgres { host = "127.0.0.1", port = port, user = "spec", connect_timeout = 2 }
    for i = 1, 5 do
      local ok, why = claim("order-" .. i)
      assert.is_nil(ok)
      assert.matches("^PostgreSQL: [^\n]+$", why)
    end
    listener:settimeout(0)
    assert(listener:accept())
    assert.is_nil((listener:accept())) -- nobody else had come
    listener:settimeout(20)
    local again
    sandbox.wait(function()
      local asked_at = socket.gettime()
      claim("order-6")
      listener:settimeout(0)
      again = listener:accept()
      return again or socket.gettime() - asked_at > 1
    end, "the server to be asked again")
    assert.is_truthy(again)
    listener:close()
  end)

  it("whose table is locked is waited for twice, and then let alone for as long", function()
    open { statement_timeout = 1.2 }
    claim("order-1")
    local let_go = hold("LOCK TABLE telnyx_send")
    local ok, why = claim("order-2")
    assert.is_nil(ok)
    assert.matches("statement timeout", why)
    local started = socket.gettime()
    for i = 3, 6 do
      ok, why = claim("order-" .. i)
      assert.is_nil(ok)
      assert.matches("asked nothing for a while, since it last said: .*statement timeout", why)
    end
    assert.is_true(socket.gettime() - started < 1, "it was waited for again")
    let_go()
    started = socket.gettime()
    assert.is_true(claim("order-7"))
    assert.is_true(socket.gettime() - started < 1, "it was let alone though it was free")
  end)

  it("one row of which is held up gives all others", function()
    open { statement_timeout = 1.2 }
    assert.is_true(claim("order-1"))
    assert.is_true(claim("order-2"))
    local let_go = hold("UPDATE telnyx_send SET tries = 7 WHERE key = 'order-1'")
    local ok, why = finish("order-1")
    assert.is_nil(ok)
    assert.matches("statement timeout", why)
    local started = socket.gettime()
    assert.is_true(claim("order-3"))
    assert.is_true(finish("order-2"))
    assert.equal("sending", own:get("order-1").state)
    assert.is_true(socket.gettime() - started < 1, "it was let alone")
    let_go()
    assert.is_true(finish("order-1"))
  end)

  it("one row of which another waits for, too, gives all others", function()
    open { statement_timeout = 1.2 }
    assert.is_true(claim("order-1"))
    local let_go = hold("UPDATE telnyx_send SET tries = 7 WHERE key = 'order-1'")
    local folder = host.folder()
    local waiting = host.start(folder, ("%s/psql -h %s -U spec -d postgres -c \"%s\""):format(
      server.bin, server.folder, "UPDATE telnyx_send SET tries = 8 WHERE key = 'order-1'"))
    sandbox.wait(function()
      return server:ask("SELECT count(*) FROM pg_locks WHERE NOT granted") ~= "0\n"
    end, "another to wait for the row")
    assert.is_nil(finish("order-1"))
    local started = socket.gettime()
    assert.is_true(claim("order-2"))
    assert.is_true(socket.gettime() - started < 1, "it was let alone")
    let_go()
    waiting:stop()
  end)

  it("a row of which is held up is waited for a short time only", function()
    open()
    assert.is_true(claim("order-1"))
    local let_go = hold("UPDATE telnyx_send SET tries = 7 WHERE key = 'order-1'")
    local started = socket.gettime()
    local ok, why = finish("order-1")
    assert.is_nil(ok)
    assert.matches("lock timeout", why)
    assert.is_true(socket.gettime() - started < 9, socket.gettime() - started)
    let_go()
    assert.is_true(finish("order-1"))
  end)

  it("many rows of which are held up are waited for hardly longer than one", function()
    open()
    for i = 1, 30 do assert.is_true(claim("order-" .. i)) end
    assert.is_true(claim("other-1") and claim("last"))
    local function lock_timeout()
      return own.keeper.query("SHOW lock_timeout", {}, 0)[1].lock_timeout
    end
    assert.equal("2s", lock_timeout())
    local let_go = hold("UPDATE telnyx_send SET tries = 7 WHERE key LIKE 'order-%'")
    local monotonic = core.monotonic
    local started, over_at = socket.gettime(), nil
    for i = 1, 30 do
      assert.is_nil(finish("order-" .. i))
      over_at = over_at or monotonic() + 10
    end
    assert.is_true(socket.gettime() - started < 8, socket.gettime() - started)
    assert.is_true(finish("other-1"))
    let_go()
    for i = 1, 30 do assert.is_true(finish("order-" .. i)) end
    assert.equal("50ms", lock_timeout())
    let_go = hold("UPDATE telnyx_send SET tries = 7 WHERE key = 'last'")
    assert.is_nil(finish("last")) -- no reason to hurry for longer
    let_go()
    local later_s = over_at - monotonic()
    rawset(core, "monotonic", function() return monotonic() + later_s end)
    finally(function() rawset(core, "monotonic", monotonic) end)
    assert.equal("2s", lock_timeout())
  end)

  it("a row of which was held up is waited for as usual again by a child as well", function()
    open()
    local monotonic, forks = core.monotonic, core.forks
    finally(function()
      rawset(core, "monotonic", monotonic)
      rawset(core, "forks", forks)
    end)
    local function lock_timeout()
      return own.keeper.query("SHOW lock_timeout", {}, 0)[1].lock_timeout
    end
    assert.is_true(claim("order-1"))
    local let_go = hold("UPDATE telnyx_send SET tries = 7 WHERE key = 'order-1'")
    assert.is_nil(finish("order-1"))
    let_go()
    rawset(core, "forks", function() return forks() + 1 end)
    assert.equal("50ms", lock_timeout())
    rawset(core, "monotonic", function() return monotonic() + 10 end)
    assert.equal("2s", lock_timeout())
  end)

  it("that has a limit of its own for locks keeps to that", function()
    local monotonic = core.monotonic
    server:ask("ALTER ROLE spec SET lock_timeout = '700ms'")
    finally(function()
      rawset(core, "monotonic", monotonic)
      server:ask("ALTER ROLE spec RESET lock_timeout")
    end)
    open()
    claim("order-1")
    assert.equal("700ms", own.keeper.query("SHOW lock_timeout", {}, 0)[1].lock_timeout)
    local let_go = hold("UPDATE telnyx_send SET tries = 7 WHERE key = 'order-1'")
    assert.is_nil(finish("order-1"))
    let_go()
    assert.equal("50ms", own.keeper.query("SHOW lock_timeout", {}, 0)[1].lock_timeout)
    rawset(core, "monotonic", function() return monotonic() + 10 end)
    assert.equal("700ms", own.keeper.query("SHOW lock_timeout", {}, 0)[1].lock_timeout)
  end)

  it("that commits before it has written is told to write", function()
    server:ask("ALTER ROLE spec SET synchronous_commit = off")
    open()
    claim("order-1")
    assert.equal("on", own.keeper.query("SHOW synchronous_commit", {}, 0)[1].synchronous_commit)
    server:ask("ALTER ROLE spec RESET synchronous_commit")
  end)

  it("that isolates more than a claim can bear is told to isolate less", function()
    server:ask("ALTER ROLE spec SET default_transaction_isolation = 'serializable'")
    finally(function() server:ask("ALTER ROLE spec RESET default_transaction_isolation") end)
    open()
    claim("order-1")
    assert.equal("read committed",
      own.keeper.query("SHOW transaction_isolation", {}, 0)[1].transaction_isolation)
  end)

  it("that has not fsync on, or is read-only, is refused", function()
    server:ask("ALTER SYSTEM SET fsync = off")
    server:ask("SELECT pg_reload_conf()")
    sandbox.wait(function() return server:ask("SHOW fsync") == "off\n" end, "fsync to be off")
    open()
    assert.matches("fsync is off", select(2, claim("order-1")))
    server:ask("ALTER SYSTEM RESET fsync")
    server:ask("SELECT pg_reload_conf()")
    sandbox.wait(function() return server:ask("SHOW fsync") == "on\n" end, "fsync to be on")
    assert.is_true(claim("order-1"))
    own:close()

    server:ask("CREATE ROLE reader LOGIN; ALTER ROLE reader SET default_transaction_read_only = on")
    own = journal.postgres { host = server.folder, user = "reader", dbname = "postgres" }
    assert.matches("read%-only", select(2, claim("order-2")))
  end)

  it("leaks nothing for statements that fail", function()
    open()
    claim("order-1")
    for _ = 1, 450 do assert.is_nil((own.keeper.query("SELECT 1 / 0", {}, 0))) end
    local prepared = own.keeper.query("SELECT CAST(count(*) AS TEXT) AS n FROM"
      .. " pg_prepared_statements", {}, 0)
    assert.is_true(tonumber(prepared[1].n) < 300, prepared[1].n)
    assert.is_true(claim("order-2"))
  end)
end)

describe("a standby", function()
  -- The same server, told to be one.
  it("is refused, and when it is promoted until somebody has looked", function()
    open()
    assert.is_true(claim("order-1"))
    server:halt()
    os.execute("touch " .. server.data .. "/standby.signal")
    server:launch()
    local ok, why = claim("order-2")
    assert.is_nil(ok)
    assert.matches("standby", why)

    server:run(("pg_ctl -D %s -w promote"):format(server.data))
    sandbox.wait(function() return server:ask("SELECT pg_is_in_recovery()") == "f\n" end,
      "the promotion")
    ok, why = claim("order-2")
    assert.is_nil(ok)
    local accepted, system = why:match(
      "accept_server = \"([^\"]+)\"[^\n]* timeline 1 of system (%d+) [^\n]* timeline 2 ")
    assert.equal(system .. "/2", accepted)
    own:close()

    open()
    assert.is_nil((claim("order-2")))
    own:close()
    for _, another in ipairs { system .. "/3", "7/2", "2", "" } do
      open { accept_server = another }
      assert.is_nil((claim("order-2")))
      own:close()
    end
    assert.equal("order-1|sending|c|1\n", rows())

    open { accept_server = accepted }
    assert.is_true(claim("order-2"))
    own:close()
    open()
    assert.is_true(claim("order-3"))
    own:close()
    open { accept_server = system .. "/3" } -- as where the one that was promoted later is away
    assert.matches("it has an older history, timeline 2, than the one that was accepted: "
      .. system .. "/3", select(2, claim("order-4")))
  end)

  it("that lacks even the table is told from the server that was known", function()
    open()
    assert.is_true(claim("order-1"))
    server:ask("DROP TABLE telnyx_server")
    server:halt()
    os.execute("touch " .. server.data .. "/standby.signal")
    server:launch()
    server:run(("pg_ctl -D %s -w promote"):format(server.data))
    sandbox.wait(function() return server:ask("SELECT pg_is_in_recovery()") == "f\n" end,
      "the promotion")
    local ok, why = claim("order-2")
    assert.is_nil(ok)
    assert.matches("accept_server = \"%d+/3\"", why)
  end)

  it("of another cluster, or a copy of the rows, is refused as well", function()
    open()
    assert.is_true(claim("order-1"))
    own:close()
    server:ask("UPDATE telnyx_server SET system = '7'")
    open()
    assert.matches("system 7 ", select(2, claim("order-2")))
  end)

  -- As when an old primary comes back under the address, and knows itself.
  it("that remembers itself is not taken for the one that was known", function()
    local other, link = postgres.start(), host.folder() .. "/now"
    finally(function() other:stop() end)
    open(nil, other.folder)
    assert.is_true(claim("another"))
    own:close()

    os.execute(("ln -s %s %s"):format(server.folder, link))
    open(nil, link)
    assert.is_true(claim("order-1"))
    os.execute(("ln -sfn %s %s"):format(other.folder, link))
    server:ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres'"
      .. " AND pid <> pg_backend_pid()")
    local ok, why = claim("order-1", "d")
    assert.is_nil(ok)
    assert.matches("history is another", why)
  end)
end)

-- By libpq's own words, which are the same as psql's.
describe("a connection that cannot be had", function()
  local proxy, port

  setup(function()
    server:ask("CREATE ROLE guarded LOGIN PASSWORD 'sesame-open'")
    host.write(server.data .. "/pg_hba.conf",
      "local all guarded scram-sha-256\nlocal all shut reject\nlocal all all trust\n")
    server:ask("SELECT pg_reload_conf()")
    sandbox.wait(function()
      return server:run(("psql -h %s -U guarded -d postgres -w -c ''"):format(server.folder))
        :find("no password", 1, true)
    end, "a password to be asked for")
    local folder = host.folder()
    port = host.free_port()
    proxy = host.start(folder, ("lua5.4 spec/support/postgres_proxy.lua %d %s %s/orders"):format(
      port, server.folder .. "/.s.PGSQL.5432", folder))
    proxy:wait(function()
      local probe = socket.connect("127.0.0.1", port)
      if probe then probe:close() end
      return probe
    end, "the proxy to listen")
  end)
  teardown(function() proxy:stop() end)

  local function at_server(changes)
    local given = { host = server.folder, user = "spec", dbname = "postgres" }
    for name, value in pairs(changes) do given[name] = value end
    return given
  end

  local FAULTS = {
    { "a name that is unknown", { dbnam = "x" }, 'invalid connection option "dbnam"' },
    { "one in a string", "host=/none dbnam=x", 'invalid connection option "dbnam"' },
    { "one in an URI", "postgresql:///x?dbnam=x", 'invalid URI query parameter: "dbnam"' },
    { "a string that has no value", "host=/none dbname", 'missing "=" after "dbname"' },
    { "a quote that is not closed", "host='/none", "unterminated quoted string" },
    { "a database that is missing", { dbname = "none" }, 'FATAL:  database "none" does not exist' },
    { "a role that is missing", { user = "none" }, 'FATAL:  role "none" does not exist' },
    { "a role that is shut out", { user = "shut" }, "pg_hba.conf rejects connection" },
    { "a wrong password", { user = "guarded", password = "sesame-shut" },
      'FATAL:  password authentication failed for user "guarded"' },
    { "a password that is missing", { user = "guarded", passfile = "/none" },
      "no password supplied" },
    { "a wrong port", { port = 1 }, ".s.PGSQL.1\" failed: No such file or directory" },
    { "a port that is none", { port = "five" }, 'invalid integer value "five"' },
    { "a port that nobody listens to", { host = "127.0.0.1", port = 1 },
      'connection to server at "127.0.0.1", port 1 failed: Connection refused' },
    { "a folder that is not there", { host = "/none" },
      'on socket "/none/.s.PGSQL.5432" failed: No such file or directory' },
    { "the second of two hosts", { host = "/none,127.0.0.1", port = "5432,1" },
      'No such file or directory; connection to server at "127.0.0.1", port 1 failed: ' },
    { "a host that is not known", { host = "none.invalid" },
      'could not translate host name "none.invalid" to address' },
    { "a setting that is unknown", { sslmode = "maybe" }, 'invalid sslmode value: "maybe"' },
    { "an URI with a bad escape", "postgresql://127.0.0.1:1/a%zz",
      'invalid percent-encoded token: "a%zz' },
  }
  for _, fault in ipairs(FAULTS) do
    it("says why: " .. fault[1], function()
      local given = fault[2]
      own = journal.postgres(type(given) == "table" and at_server(given) or given)
      for _ = 1, 2 do
        local ok, why = own:counts()
        assert.is_nil(ok)
        assert.matches("^PostgreSQL: [^\n]+$", why)
        assert.is_truthy(why:find(fault[3], 1, true), why)
        assert.is_nil(why:find("sesame", 1, true), why)
      end
    end)
  end

  it("says why: TLS, which the server has not", function()
    own = journal.postgres(at_server { host = "127.0.0.1", port = port, sslmode = "require" })
    local ok, why = own:counts()
    assert.is_nil(ok)
    assert.matches("^PostgreSQL: [^\n]*server does not support SSL, but SSL was required$", why)
    own:close()
    own = journal.postgres(at_server { host = "127.0.0.1", port = port })
    assert.equal(0, assert(own:counts()).sending)
  end)

  it("says so of a send, too", function()
    local client = require("telnyx").new { api_key = "KEY", base_url = "http://127.0.0.1:1",
      journal = journal.postgres(at_server { dbname = "none" }) }
    local message, err = client:send({ from = "+18445550001", to = "+18665550001", text = "x" },
      { key = "order-1" })
    assert.is_nil(message)
    assert.equal("not_sent", err.outcome)
    assert.matches('database "none" does not exist', tostring(err))
    client:close()
  end)

  it("may have numbers for values", function()
    server:ask("ALTER ROLE guarded PASSWORD '12345678'; GRANT ALL ON SCHEMA public TO guarded")
    own = journal.postgres(at_server { user = "guarded", password = 12345678, port = 5432.0 })
    assert.equal("0", tostring(assert(own:counts()).sending))
    server:ask("ALTER ROLE guarded PASSWORD 'sesame-open'")
  end)

  it("tells no part of a password that is not written as it should be", function()
    for _, given in ipairs {
      "postgresql://ada:sesame%zzopen@127.0.0.1:1/x", "postgresql://ada:sesame@open@127.0.0.1:1/x",
      "postgresql://ada:sesame/open@127.0.0.1:1/x", "postgresql://ada:sesame-open@[::1/x",
      "postgresql://ada:sesame-open/x", "postgresql://ada:sesame-open?connect_timeout=1",
      "postgresql://127.0.0.1:1/x?user=ada&password=sesame%zz",
      "host=/none password=sesame open user=ada", "host=/none password='sesame'open user=ada",
      "password='sesame'open=1 host=/none", "password='sesame open host=/none",
    } do
      own = journal.postgres(given)
      local ok, why = own:counts()
      assert.is_nil(ok)
      assert.matches("^PostgreSQL: [^\n]+$", why)
      assert.is_nil(why:find("sesame", 1, true) or why:find("open", 1, true), given .. ": " .. why)
      own:close()
    end
  end)
end)

describe("a password", function()
  local GIVEN = {
    [[{ host = "/none", user = "ada", password = "sesame's \\\\ open%21" }]],
    [["host=/none password='sesame\\'s \\\\ open%21'"]],
    [["host=/none password = sesame-open"]],
    [["postgresql://ada:sesame-open%2521@127.0.0.1:1/x"]],
    [["postgres://ada:sesame@open:sesame@127.0.0.1:1/x"]],
    [["postgres://127.0.0.1:1/x?user=ada&password=sesame-open%2521"]],
  }

  -- libpq tells little of what it was given; another may tell more.
  it("is in no error, however it was given", function()
    for _, connection in ipairs(GIVEN) do
      local said = process.run_lua(([[
        require "telnyx.core".postgres = function(text)
          return nil, "cannot use " .. text .. " nor " .. text:gsub("%%%%25", "%%%%")
        end
        local own = require "telnyx.journal".postgres(%s)
        print(own:get("order-1"))
      ]]):format(connection))
      assert.matches("^nil\tPostgreSQL: [^\n]*cannot use [^\n]*%*%*%*", said)
      for _, part in ipairs { "sesame", "open" } do
        assert.is_nil(said:find(part, 1, true), said)
      end
    end
  end)

  it("is in no field that a host may print", function()
    own = journal.postgres { host = "/none", password = "sesame-open" }
    local seen = {}
    local function look(value)
      if type(value) == "string" then assert.is_nil(value:find("sesame", 1, true)) end
      if type(value) ~= "table" or seen[value] then return end
      seen[value] = true
      for k, v in pairs(value) do
        look(k)
        look(v)
      end
    end
    look(own)
    assert.is_nil(tostring(own):find("sesame", 1, true))
  end)

  it("and limits go with an URI, too", function()
    own = journal.postgres(("postgresql:///postgres?host=%s&user=spec&connect_timeout=2"):format(
      server.folder))
    assert.is_true(claim("order-1"))
  end)
end)

it("says what to install when libpq is missing", function()
  local folder = sandbox.temporary_folder()
  host.write(folder .. "/libpq.so.5", "no library\n")
  local said = process.run_lua([[
    print(pcall(require "telnyx.journal".postgres, "host=/none"))
    print(require "telnyx.core".postgres("host=/none"))
  ]], "LD_LIBRARY_PATH=" .. folder)
  os.execute("rm -rf " .. folder)
  local needs = "needs libpq[^\n]*: apt install libpq5[^\n]*\n"
  assert.matches("^false\t[^\n]*journal%.postgres: " .. needs .. "nil\t" .. needs, said)
end)

it("misuse is raised", function()
  for _, misuse in ipairs {
    function() journal.postgres() end,
    function() journal.postgres(7) end,
    function() journal.postgres("somewhere") end,
    function() journal.postgres({ host = "/none" }, { accept_server = 2 }) end,
    function() journal.postgres({ host = "/none" }, { timeout = 2 }) end,
    function() journal.postgres {} end,
    function() journal.postgres { "host=/none" } end,
    function() journal.postgres { host = "/none", port = true } end,
    function() journal.postgres { host = "/none", port = {} } end,
    function() journal.postgres { host = "/none", dbname = "a\0b" } end,
    function() journal.postgres "host=/none dbname=a\0b" end,
    function() journal.sql {} end,
    function() journal.sql { query = print, dialect = "mysql" } end,
  } do
    local ok, why = pcall(misuse)
    assert.is_false(ok)
    assert.matches("journal_postgres_spec.lua:%d+: journal%.", why)
  end
end)

describe("a fork", function()
  -- With LuaJIT, which can. The parent goes on in the session that it had.
  local function run_forking(child)
    local path = os.tmpname()
    host.write(path, ([[
      local ffi = require "ffi"
      ffi.cdef "int fork(void); int waitpid(int, int *, int);"
      local own = require "telnyx.journal".postgres("host=%s user=spec dbname=postgres")
      local function claim(key)
        return own:claim { key = key, digest = "d", claim = "c", now = 1, expires = 2 }
      end
      local function session()
        return own.keeper.query("SELECT CAST(pg_backend_pid() AS TEXT) AS pid", {}, 0)[1].pid
      end
      assert(claim("before"))
      local pid = session()
      for i = 1, 3 do
        if ffi.C.fork() == 0 then
          %s
          return
        end
      end
      assert(claim("beside"))
      for i = 1, 3 do ffi.C.waitpid(-1, nil, 0) end
      assert(claim("after"))
      assert(session() == pid, "another session")
    ]]):format(server.folder, child))
    local said = process.run(("LUA_CPATH='%s/build/5.1/?.so;;' luajit %s"):format(
      host.checkout(), path))
    os.remove(path)
    assert.equal("", said)
    return server:ask("SELECT string_agg(key, ' ' ORDER BY key) FROM telnyx_send")
  end

  it("with children that claim, and end as they should", function()
    assert.equal("after before beside child1 child2 child3\n", run_forking([[
      assert(claim("child" .. i))
      assert(not claim("before"))
      assert(session() ~= pid)
    ]]))
  end)

  it("with children that never ask", function()
    assert.equal("after before beside\n", run_forking(""))
  end)

  it("with children that close", function()
    assert.equal("after before beside\n", run_forking("own:close()"))
  end)

  -- As daemons do.
  it("with children that have files of their own where its socket was", function()
    assert.equal("after before beside\n", run_forking([[
      ffi.cdef "int close(int);"
      for fd = 3, 63 do ffi.C.close(fd) end
      local files = {}
      for n = 1, 32 do files[n] = assert(io.open("/dev/null", "w")) end
      own:close()
      for n = 1, 32 do assert(files[n]:write("x") and files[n]:flush()) end
    ]]))
  end)

  it("with children that drop it and collect", function()
    assert.equal("after before beside\n", run_forking([[
      own = nil
      collectgarbage()
      collectgarbage()
    ]]))
  end)
end)

-- Another schema is another memory.
describe("the schema of its tables", function()
  local function ask_all(text) return (server:ask(text):gsub("\n$", "")) end

  before_each(function()
    ask_all([[CREATE SCHEMA first; CREATE SCHEMA "of ""shop"""; CREATE SCHEMA later]])
  end)
  after_each(function()
    ask_all([[DROP SCHEMA first CASCADE; DROP SCHEMA "of ""shop""" CASCADE;
      DROP SCHEMA later CASCADE]])
    ask_all("ALTER ROLE spec RESET search_path")
  end)

  local function tables()
    return ask_all([[SELECT schemaname, tablename FROM pg_tables WHERE tablename LIKE 'telnyx_%'
      ORDER BY 1, 2]])
  end

  local function search(path) ask_all("ALTER ROLE spec SET search_path = " .. path) end

  local function box_of(options)
    own = open(options)
    return telnyx.new({ journal = own, api_key = "KEY_TEST" }):outbox()
  end

  it("is one for all of them, where telnyx_send is found", function()
    search("later")
    open()
    assert.is_true(claim("k"))
    own:close()
    search("first, later") -- as when a schema of the account's own was made
    local box = box_of()
    assert.is_true(box:pause())
    assert.equal("later|telnyx_pace\nlater|telnyx_send\nlater|telnyx_server", tables())
    assert.is_false(claim("k"))
    assert.is_true(finish("k"))
    own:close()
    search("later")
    assert.is_true(box_of():is_paused())
  end)

  it("is kept to, whatever another session's search_path is", function()
    search("later")
    open()
    assert.is_true(claim("k"))
    search("first, later")
    ask_all("CREATE TABLE first.telnyx_send (LIKE later.telnyx_send INCLUDING ALL)")
    ask_all("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    sandbox.wait(function() return claim("k") == false end, "the same memory")
    assert.is_true(finish("k"))
    assert.equal("0", ask_all("SELECT count(*) FROM first.telnyx_send"))
  end)

  it("is the one that is named, and so is that of a statement of one's own transaction", function()
    local box = box_of { schema = 'of "shop"' }
    assert.is_true(claim("k"))
    local message = { from = "+18445550001", to = "+18665550001", text = "hello" }
    local sql, params, n = box:statement(message, { key = "order" })
    assert.matches('INTO "of ""shop"""%.telnyx_send ', sql)
    for i = n, 1, -1 do
      local value = params[i] and "'" .. params[i]:gsub("'", "''") .. "'" or "NULL"
      sql = sql:gsub("^([^?]*" .. ("?[^?]*"):rep(i - 1):gsub("%?", "%%?") .. ")%?", function(before)
        return before .. value
      end)
    end
    ask_all("CREATE TABLE public.telnyx_send (x INTEGER)")
    ask_all(sql)
    ask_all("DROP TABLE public.telnyx_send")
    assert.equal("queued", own:get("order").state)
    assert.equal("order", assert(own:find({ state = "queued" }))[1].key)
    assert.equal('of "shop"|telnyx_send\nof "shop"|telnyx_server', tables())
  end)

  it("is refused where it is not there, or is no name", function()
    open { schema = "nowhere" }
    local ok, why = claim("k")
    assert.is_nil(ok)
    assert.matches('schema "nowhere" does not exist', why)
    for _, name in ipairs { "", "a?", "a'", "pg_temp", 1 } do
      assert.has_error(function() open { schema = name } end,
        "journal.postgres expects the name of a schema, without ? and ', for 'schema'")
    end
    assert.has_error(function() open { create = 1 } end,
      "journal.postgres expects true or false for 'create'")
    search("nowhere, neither")
    open()
    ok, why = claim("k")
    assert.is_nil(ok)
    assert.matches("none of the schemas of its search_path is there", why)
  end)

  it("that is not there has no statement", function()
    local sql, err = box_of { schema = "nowhere" }:statement({ from = "+18445550001",
      to = "+18665550001", text = "x" }, { key = "k" })
    assert.is_nil(sql)
    assert.matches('schema "nowhere" does not exist', tostring(err))
    sql, err = box_of { schema = "nowhere" }:withdrawal("k")
    assert.is_nil(sql)
    assert.matches('schema "nowhere" does not exist', tostring(err))
  end)

  it("may have pg_ in its name, but not at the beginning", function()
    ask_all("CREATE SCHEMA my_pg_1")
    open { schema = "my_pg_1" }
    local ok, why = claim("k")
    own:close()
    ask_all("DROP SCHEMA my_pg_1 CASCADE")
    assert.is_true(ok, why)
  end)

  it("has no table made by who must find them, who is told what cannot be read", function()
    search("first")
    open()
    assert(own:counts()) -- makes two of the three
    own:close()
    local box = box_of { create = false }
    local is_paused, why = box:is_paused()
    assert.is_nil(is_paused)
    assert.matches("telnyx_pace cannot be read, and { create = false } makes none", tostring(why))
    assert.matches("does not exist", tostring(why))
    assert.equal("first|telnyx_send\nfirst|telnyx_server", tables())
    own:close()
    box_of():is_paused()
    own:close()
    assert.is_false(box_of { create = false }:is_paused())
    own:close()
    ask_all("DROP TABLE first.telnyx_server")
    open { create = false }
    local ok
    ok, why = claim("k")
    assert.is_nil(ok)
    assert.matches('telnyx_server" does not exist', why)
    ask_all("CREATE ROLE web LOGIN; GRANT USAGE ON SCHEMA first TO web")
    own:close()
    own = journal.postgres({ host = server.folder, user = "web", dbname = "postgres" },
      { create = false, schema = "first" })
    ok, why = claim("k")
    ask_all("DROP OWNED BY web; DROP ROLE web")
    assert.is_nil(ok)
    assert.is_nil(why:find("for schema", 1, true), why)
  end)

  it("has no journal made in it by who must find one", function()
    open { create = false, schema = "first" }
    local ok, why = claim("k")
    assert.is_nil(ok)
    assert.matches("there is no journal in its schema first, and { create = false } makes", why)
    assert.equal("", tables())
    own:close()
    open { schema = "first" }
    assert.is_true(claim("k"))
    own:close()
    open { create = false, schema = "first" }
    assert.is_false(claim("k"))
    assert.is_true(claim("k2"))
  end)
end)
