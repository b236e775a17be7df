-- A journal in a file of SQLite, and what befalls files and processes.

local core = require "telnyx.core"
local driver = require "dbd.sqlite3"
local journal = require "telnyx.journal"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"

local folder, path

before_each(function()
  folder = sandbox.temporary_folder()
  path = folder .. "/sent.db"
end)

after_each(function() os.execute("rm -rf " .. folder) end)

local function claim(own, key, name)
  return own:claim { key = key, digest = "d", claim = name or "c", now = 1000, expires = 1060 }
end

local function finish(own, key, name)
  return own:finish { key = key, claim = name or "c", state = "accepted", now = 1001 }
end

-- By SQLite's own program.
local function ask_sqlite(text) return process.run(("sqlite3 %s \"%s\""):format(path, text)) end

local function write(name, text)
  local file = assert(io.open(name, "wb"))
  file:write(text)
  file:close()
end

local function refused(options)
  local ok, why = pcall(function() journal.sqlite(path, options) end)
  assert.is_false(ok)
  assert.matches("^[^\n]*journal_sqlite_spec.lua:%d+: journal.sqlite: [^\n]+$", why)
  return why
end

-- What children begin with.
local PRELUDE = [[
local journal, core = require "telnyx.journal", require "telnyx.core"
local path = %q
local own
io.stdout:setvbuf("no")
local function open(options) own = journal.sqlite(path, options) end
local function claim(key, name)
  return own:claim { key = key, digest = "d", claim = name or "c", now = 1000, expires = 1060 }
end
local function finish(key, name)
  return own:finish { key = key, claim = name or "c", state = "accepted", now = 1001 }
end
]]

local function script_file(name, script)
  name = folder .. "/" .. name
  write(name, PRELUDE:format(path) .. script)
  return name
end

-- Runs a script in which `setup`, a shell's, has come before.
local function run_script(script, setup)
  local name = script_file("script.lua", script)
  return process.run((setup or "%s"):format(process.lua() .. " " .. name))
end

-- With a file system of its own, gone with it.
local function run_on_small_disk(script)
  local map = sandbox.capture("id -u"):find("^0%s") and "" or "--map-root-user"
  write(folder .. "/mount.sh", ("mkdir %s/disk && mount -t tmpfs -o size=1m none %s/disk && %%s\n")
    :format(folder, folder):format(process.lua() .. " " .. script_file("script.lua", script)))
  return process.run(("unshare --mount %s sh %s/mount.sh"):format(map, folder))
end

describe("opening", function()
  it("makes the file its owner's alone, and finds again what is there", function()
    local own = journal.sqlite(path)
    assert.is_true(claim(own, "order-1"))
    assert.matches("^%-rw%-%-%-%-%-%-%- ", process.run("ls -l " .. path))
    own:close()
    own = journal.sqlite(path)
    assert.equal("sending", own:get("order-1").state)
    own:close()
  end)

  it("refuses folders that are not there, folders, and what is no file's path", function()
    path = folder .. "/none/sent.db"
    assert.matches("No such file or directory", refused())
    path = folder
    assert.matches("Is a directory", refused())
    for _, bad in ipairs { "", ":memory:", "file:x.db", 7 } do
      assert.has_error(function() journal.sqlite(bad) end)
    end
    assert.has_error(function() journal.sqlite(folder .. "/x.db", { busy = 1 }) end)
    assert.has_error(function() journal.sqlite(folder .. "/x.db", { busy_timeout = "1" }) end)
  end)

  -- SQLite finds a file's log by the file's name.
  it("refuses a file with another name, under which another log would be", function()
    journal.sqlite(path):close()
    process.run(("ln %s %s/other.db; ln -s %s %s/link.db"):format(path, folder, path, folder))
    assert.matches("it has 2 names, hard links", refused())
    os.remove(folder .. "/other.db")
    journal.sqlite(path):close()
    path = folder .. "/link.db" -- a symbolic one leads to the first
    journal.sqlite(path):close()
  end)

  it("refuses a file that is mounted by itself, as containers may have it", function()
    local said = run_on_small_disk(([[
      path = "%s/disk/sent.db"
      open() own:close()
      os.execute("mkdir %s/disk/inside; touch %s/disk/inside/sent.db")
      os.execute("mount --bind %s/disk/sent.db %s/disk/inside/sent.db")
      path = "%s/disk/inside/sent.db"
      print(pcall(open))
    ]]):gsub("%%s", folder))
    assert.matches("^false[^\n]*mount its folder instead", said)
  end)

  it("refuses a folder that cannot be written, and a file that cannot", function()
    local said = run_on_small_disk(([[
      path = "%s/disk/sent.db"
      open() own:close()
      os.execute("mount -o remount,ro %s/disk")
      print(pcall(open))
      path = "%s/disk/other.db"
      print(pcall(open))
    ]]):format(folder, folder, folder))
    assert.matches("^false[^\n]*[Rr]ead%-only file system\nfalse[^\n]*[Rr]ead%-only file system\n",
      said)
  end)

  it("refuses a file that is no database", function()
    write(path, ("Dear diary, "):rep(1000))
    assert.matches("not a database", refused())
    write(path, "x")
    assert.matches("no database", refused())
  end)

  it("refuses a database of something else, and changes nothing in it", function()
    ask_sqlite("CREATE TABLE people (name TEXT)")
    local before = sandbox.read_file(path)
    assert.matches("database of something else", refused())
    assert.is_true(before == sandbox.read_file(path))
    local own = journal.sqlite(path, { beside = true })
    assert.is_true(claim(own, "order-1"))
    own:close()
    journal.sqlite(path):close()
  end)

  it("makes none where it is to find one", function()
    local function why_not()
      local ok, why = pcall(journal.sqlite, path, { create = false, beside = true })
      assert.is_false(ok)
      return why
    end
    assert.matches(path .. ": it is not there", why_not(), 1, true)
    assert.is_nil(sandbox.read_file(path))
    ask_sqlite("CREATE TABLE people (name TEXT)")
    assert.matches("there is no journal in it", why_not(), 1, true)
    assert.equal("people\n", ask_sqlite("SELECT name FROM sqlite_master"))
    local own = journal.sqlite(path, { beside = true })
    assert.is_true(claim(own, "order-1"))
    own:close()
    own = journal.sqlite(path, { create = false })
    assert.equal("sending", own:get("order-1").state)
    local client = require "telnyx".new { api_key = "KEY_TEST", journal = own }
    local is_paused, err = client:outbox():is_paused()
    assert.is_nil(is_paused)
    assert.matches("telnyx_pace cannot be read, and { create = false } makes none", tostring(err))
    assert.equal("", ask_sqlite("SELECT name FROM sqlite_master WHERE name = 'telnyx_pace'"))
    client:close()
    own:close()
  end)

  it("makes no index where it is to find one", function()
    journal.sqlite(path):close()
    ask_sqlite("DROP INDEX telnyx_send_due")
    journal.sqlite(path, { create = false }):close()
    assert.equal("", ask_sqlite("SELECT name FROM sqlite_master WHERE name = 'telnyx_send_due'"))
  end)

  it("refuses a table that is another's or an older one's, and names what it lacks", function()
    ask_sqlite("CREATE TABLE telnyx_send (key TEXT PRIMARY KEY, state TEXT)")
    assert.matches("older version's.*no such column: digest", refused())
  end)

  it("makes the indexes that somebody has dropped", function()
    journal.sqlite(path):close()
    ask_sqlite("DROP INDEX telnyx_send_due; DROP INDEX telnyx_send_open")
    journal.sqlite(path):close()
    assert.matches("telnyx_send_due.*telnyx_send_open",
      ask_sqlite("SELECT name FROM sqlite_master WHERE type = 'index' ORDER BY name"))
  end)

  local function with_rows()
    local own = journal.sqlite(path)
    for i = 1, 200 do claim(own, ("order-%03d"):format(i)) end
    own:close()
  end

  it("refuses a file whose pages are damaged", function()
    with_rows()
    local text = sandbox.read_file(path)
    write(path, text:sub(1, 3 * 4096) .. ("\255"):rep(4096) .. text:sub(4 * 4096 + 1))
    assert.matches("damaged: [^\n]*Page", refused())
  end)

  it("refuses a file whose index has lost a key, which would be sent again", function()
    with_rows()
    local text = sandbox.read_file(path)
    -- In the table the state follows.
    local first = text:find("order-150", 1, true)
    if text:find("^order%-150sending", first) then
      first = text:find("order-150", first + 1, true)
    end
    write(path, text:sub(1, first - 1) .. "order-15x" .. text:sub(first + 9))
    assert.equal("ok\n", ask_sqlite("PRAGMA quick_check"))
    assert.matches("damaged: [^\n]*index", refused())
  end)

  it("says what to install when the driver is missing", function()
    local said = run_script([[
      package.preload["dbd.sqlite3"] = function() error("none here") end
      print(pcall(open))
    ]])
    assert.matches("apt install lua%-dbi%-sqlite3,? or luarocks install luadbi%-sqlite3", said)
  end)

  it("and closing leaves no descriptor behind", function()
    local said = run_script([[
      for i = 1, 20 do open() claim("k" .. i) finish("k" .. i) own:counts() own:close() end
      os.execute("ls -l /proc/$PPID/fd | grep sent.db")
      print("end")
    ]])
    assert.equal("end\n", said)
  end)
end)

describe("a claim", function()
  it("and a finish are on the disk when they return", function()
    local trace = folder .. "/trace"
    run_script([[
      open()
      io.stderr:write("BEGIN\n")
      assert(claim("order-1"))
      io.stderr:write("CLAIMED\n")
      assert(finish("order-1"))
      io.stderr:write("FINISHED\n")
    ]], "strace -f -y -o " .. trace .. " -e trace=pwrite64,write,fdatasync,fsync %s")
    local calls = assert(sandbox.read_file(trace))
    for _, step in ipairs { { "BEGIN", "CLAIMED" }, { "CLAIMED", "FINISHED" } } do
      local first = assert(calls:find('"' .. step[1], 1, true), calls)
      local last = assert(calls:find('"' .. step[2], first, true), calls)
      local between = calls:sub(first, last)
      local written = between:match(".*()pwrite64%(%d+<[^>]*sent%.db%-wal>")
      local synced = between:match(".*()fdatasync%(%d+<[^>]*sent%.db%-wal>%)%s+= 0")
      assert.is_true(written and synced and synced > written, between)
    end
  end)

  it("of a key is won by one of several processes, for each of 300 keys", function()
    journal.sqlite(path):close()
    local name = script_file("claims.lua", [[
      open()
      while not io.open(path .. ".go") do core.sleep(0.002) end
      local n = 0
      for i = 1, 300 do
        local key = "order-" .. (i * 7 + arg[1] * 75) % 300
        local is_mine, row = claim(key, "c" .. arg[1])
        assert(is_mine ~= nil, row)
        if is_mine then n = n + 1 end
      end
      io.write(n .. "\n") -- in one piece
    ]])
    local command = {}
    for i = 1, 4 do command[i] = ("%s %s %d & "):format(process.lua(), name, i) end
    local said = process.run(table.concat(command) .. "sleep 0.3; touch " .. path .. ".go; wait")
    local total, n_lines = 0, 0
    for n in said:gmatch("%d+\n") do total, n_lines = total + n, n_lines + 1 end
    assert.equal(4, n_lines, said)
    assert.equal(300, total, said)
    assert.equal("300|300\n", ask_sqlite("SELECT count(*), sum(tries) FROM telnyx_send"))
  end)

  it("waits for who writes, and says that it is busy before anything is sent", function()
    local own, other = journal.sqlite(path, { busy_timeout = 0.05 }), driver.New(path)
    local function run(text)
      local statement = assert(other:prepare(text))
      assert(statement:execute())
      statement:close()
    end
    other:autocommit(true)
    run("BEGIN IMMEDIATE")
    local ok, why = claim(own, "order-1")
    assert.is_nil(ok)
    assert.matches("sent.db: it is busy", why)
    assert.is_false(own:get("order-1"))
    run("COMMIT")
    assert.is_true(claim(own, "order-1"))
    other:close()
    own:close()
  end)

  it("is written although an error came anywhere in the one before it", function()
    local own, other, sethook = journal.sqlite(path, { busy_timeout = 0 }), driver.New(path),
      debug.sethook
    local jit = rawget(_G, "jit")
    if jit then jit.off() end -- compiled code calls no hooks
    finally(function()
      sethook()
      if jit then jit.on() end
    end)
    other:autocommit(true)
    local function ask(text)
      local statement = assert(other:prepare(text))
      assert(statement:execute())
      local n = 0
      for _ in statement:rows() do n = n + 1 end
      statement:close()
      return n
    end
    local n, was_reached = 0
    repeat
      was_reached = false
      n = n + 1
      ask("BEGIN IMMEDIATE")
      pcall(function()
        sethook(function()
          sethook()
          was_reached = true
          error("the host's limit", 0)
        end, "", n)
        claim(own, "lost-" .. n)
        sethook()
      end)
      ask("COMMIT")
      assert.is_true(claim(own, "next-" .. n))
      assert.equal(1, ask(("SELECT key FROM telnyx_send WHERE key = 'next-%d'"):format(n)),
        n .. " instructions")
    until not was_reached
    assert.is_true(n > 100, n)
    other:close()
    own:close()
  end)

  it("that waited for who writes in vain does not wait as long for each claim after", function()
    local own, other = journal.sqlite(path, { busy_timeout = 1 }), driver.New(path)
    local sleep, n_naps = core.sleep, 0
    finally(function() core.sleep = sleep end)
    core.sleep = function(seconds)
      n_naps = n_naps + 1
      sleep(seconds)
    end
    local function run(text)
      local statement = assert(other:prepare(text))
      assert(statement:execute())
      statement:close()
    end
    local function naps_of(key)
      n_naps = 0
      return claim(own, key), n_naps
    end
    other:autocommit(true)
    run("BEGIN IMMEDIATE")
    local ok, n = naps_of("order-1")
    assert.is_nil(ok)
    assert.is_true(n > 50)
    for i = 2, 9 do
      assert.is_false(own:get("order-" .. i)) -- reading is no sign that others have ended
      assert.same({ nil, 0 }, { naps_of("order-" .. i) })
    end
    run("COMMIT")
    assert.is_true(claim(own, "order-1"))
    run("BEGIN IMMEDIATE")
    ok, n = naps_of("order-2")
    assert.is_nil(ok)
    assert.is_true(n > 50)
    run("COMMIT")
    other:close()
    own:close()
  end)

  it("fails when the disk is full, as does a finish, and both go on when there is room", function()
    local said = run_on_small_disk(([[
      path = "%s/disk/sent.db"
      open()
      print(claim("before"))
      local ballast = io.open(path .. ".ballast", "w")
      ballast:setvbuf("no")
      while ballast:write(("x"):rep(1000)) do end
      ballast:close()
      print(claim("during"))
      print(own:get("during"))
      print(finish("before"))
      print(own:get("before").state)
      os.remove(path .. ".ballast")
      print(finish("before"))
      print(claim("during"))
      own:close()
      os.execute("sqlite3 " .. path .. " 'PRAGMA integrity_check'")
    ]]):format(folder))
    said = said:gsub("nil\t/%S*/sent.db: [^\n]*disk is full\n", "full\n")
    assert.equal("true\nfull\nfalse\nfull\nsending\ntrue\ntrue\nok\n", said)
  end)
end)

it("a disk that was full for hundreds of claims can be used when there is room again", function()
  local said = run_on_small_disk(([[
    path = "%s/disk/sent.db"
    open()
    for i = 1, 20 do assert(claim("before" .. i)) end
    own:close()
    open()
    assert(claim("before"))
    local ballast = io.open(path .. ".ballast", "w")
    ballast:setvbuf("no")
    while ballast:write(("x"):rep(1000)) do end
    ballast:close()
    for i = 1, 250 do claim("during" .. i) end
    os.remove(path .. ".ballast")
    print(claim("after"))
  ]]):format(folder))
  assert.equal("true\n", said)
end)

-- A host's limit, or memory that ran out: what raises once, after `n` instructions.
local function raised_after(n, work, ...)
  local was_raised, pcall, sethook, getinfo = false, pcall, debug.sethook, debug.getinfo
  sethook(function()
    if getinfo(2, "S").source:find("journal_sqlite_spec", 1, true) then return end
    sethook()
    was_raised = true
    error("the host's limit", 0)
  end, "", n)
  local ok, result = pcall(work, ...)
  sethook()
  return ok and result or nil, not was_raised
end

it("an error while a journal is opened leaves none that claims what is not on disk", function()
  local is_jit, jit = pcall(require, "jit")
  if is_jit then jit.off() end
  finally(function() if is_jit then jit.on() end end)
  journal.sqlite(path):close()
  local reader = assert(driver.New(path))
  reader:autocommit(true)
  local statement = assert(reader:prepare("SELECT count(*) AS n FROM telnyx_send WHERE key = ?"))
  local n, is_through = 0, false
  while not is_through do
    local own
    n = n + 1
    own, is_through = raised_after(n, journal.sqlite, path)
    if own and claim(own, "order-" .. n) then
      assert(statement:execute("order-" .. n))
      for row in statement:rows(true) do
        assert.equal("1", tostring(row.n):match("%d+"), n .. " instructions")
      end
    end
    if own then own:close() end
  end
  statement:close()
  reader:close()
end)

describe("a file under a journal", function()
  local own
  before_each(function()
    own = journal.sqlite(path)
    assert.is_true(claim(own, "order-1"))
  end)
  after_each(function() own:close() end)

  local function assert_stopped()
    local ok, why = claim(own, "order-2")
    assert.is_nil(ok)
    assert.matches("deleted or replaced", why)
    assert.is_nil((finish(own, "order-1")))
    assert.is_nil((own:counts()))
  end

  -- Whoever opens it now has what is beside the other name for its log.
  it("that got another name, and a link for its old one, is missed", function()
    finally(function() os.remove(path .. "2") end)
    assert(os.rename(path, path .. "2"))
    os.execute(("ln -s %s2 %s"):format(path, path))
    assert_stopped()
  end)

  it("that is deleted is missed", function()
    os.remove(path)
    assert_stopped()
    assert.is_nil(io.open(path))
  end)

  it("that is replaced by its own copy is another", function()
    process.run(("cp %s %s.copy; mv %s.copy %s"):format(path, path, path, path))
    assert_stopped()
  end)

  it("whose log is deleted is missed", function()
    os.remove(path .. "-wal")
    assert_stopped()
  end)

  it("whose log's index is deleted is missed", function()
    os.remove(path .. "-shm")
    assert_stopped()
  end)

  it("that is replaced while a child opens it anew is another", function()
    local new, forks = driver.New, core.forks
    process.run(("sqlite3 %s 'VACUUM INTO \"%s.copy\"'"):format(path, path))
    local parents = journal.sqlite(path) -- without it, the log would go with the last connection
    finally(function()
      parents:close()
      driver.New = new
      rawset(core, "forks", forks)
    end)
    driver.New = function(...)
      assert(os.rename(path .. ".copy", path))
      return new(...)
    end
    rawset(core, "forks", function() return forks() + 1 end)
    assert_stopped()
  end)

  it("that is opened once more in this process keeps its log when others close it", function()
    local other = journal.sqlite(path)
    assert.equal("1\n", ask_sqlite("SELECT count(*) FROM telnyx_send"))
    assert.is_true(claim(own, "order-2"))
    assert.is_true(claim(other, "order-3"))
    other:close()
    assert.equal("1\n", ask_sqlite("SELECT count(*) > 2 FROM telnyx_send"))
    assert.is_true(claim(own, "order-4"))
  end)

  it("that comes back is taken on", function()
    os.rename(path, path .. ".away")
    assert_stopped()
    os.rename(path .. ".away", path)
    assert.is_true(claim(own, "order-2"))
  end)
end)

describe("a fork", function()
  -- With LuaJIT, which can.
  local FORK = [[
    local ffi = require "ffi"
    ffi.cdef "int fork(void); int waitpid(int, int *, int);"
    local function wait_for(name)
      local file
      repeat file = io.open(path .. name) core.sleep(0.002) until file
      file:close()
    end
    local function touch(name) assert(io.open(path .. name, "w")):close() end
  ]]

  local function run_forking(script)
    local name = script_file("fork.lua", FORK .. script)
    local said = process.run(("LUA_CPATH='%s/build/5.1/?.so;;' luajit %s"):format(
      sandbox.capture("pwd"):gsub("%s+$", ""), name))
    assert.equal("", said)
    return ask_sqlite("SELECT key || ' ' || claim FROM telnyx_send ORDER BY key")
      .. ask_sqlite("PRAGMA integrity_check")
  end

  it("before anything is asked: parent and child each go on", function()
    assert.equal("child c\nparent p\nok\n", run_forking([[
      open()
      if ffi.C.fork() == 0 then
        assert(claim("child", "c"))
        assert(claim("parent", "c") ~= nil)
      else
        ffi.C.waitpid(-1, nil, 0)
        claim("parent", "p")
      end
    ]]):gsub("parent c", "parent p"))
  end)

  -- A child that took over its parent's locks, which it does not have, would lose its log when the
  -- parent closes, and with it what it has claimed.
  it("of an open journal: what the child claims stays when the parent closes", function()
    assert.equal("before p\nchild 1 c\nchild 2 c\nok\n", run_forking([[
      open()
      assert(claim("before", "p"))
      if ffi.C.fork() == 0 then
        assert(claim("child 1", "c"))
        touch(".child")
        wait_for(".closed")
        assert(claim("child 2", "c"))
        assert(not claim("before", "c"))
      else
        wait_for(".child")
        own:close()
        touch(".closed")
        ffi.C.waitpid(-1, nil, 0)
      end
    ]]))
  end)

  it("of an open journal: what the parent claims stays when children end or close", function()
    assert.equal("1 p\n2 p\n3 p\nok\n", run_forking([[
      open()
      assert(claim("1", "p"))
      if ffi.C.fork() == 0 then return end
      if ffi.C.fork() == 0 then return own:close() end
      ffi.C.waitpid(-1, nil, 0)
      ffi.C.waitpid(-1, nil, 0)
      assert(claim("2", "p"))
      assert(os.execute("sqlite3 " .. path .. " 'SELECT 1' >/dev/null"))
      assert(claim("3", "p"))
    ]]))
  end)

  -- As a daemon begins.
  local ENDS = { ["at once"] = "ffi.C._exit(0)", ["and closes"] = "return own:close()" }
  for how, its_end in pairs(ENDS) do
    it("of an open journal whose parent ends " .. how .. ": the child goes on", function()
      assert.equal("1 p\n2 c\nok\n", run_forking(([[
        ffi.cdef "void _exit(int); int getpid(void); int getppid(void);"
        open()
        assert(claim("1", "p"))
        local parent = ffi.C.getpid()
        if ffi.C.fork() ~= 0 then %s end
        while ffi.C.getppid() == parent do core.sleep(0.002) end
        assert(claim("2", "c"))
      ]]):format(its_end)))
    end)
  end

  it("ten times: every claim of every process is there", function()
    local found = run_forking([[
      open()
      for i = 1, 10 do
        claim("p" .. i)
        if ffi.C.fork() == 0 then
          for n = 1, 20 do assert(claim(("c%d %d"):format(i, n))) end
          return
        end
      end
      for i = 1, 10 do
        claim("q" .. i)
        ffi.C.waitpid(-1, nil, 0)
      end
    ]])
    assert.equal(221, select(2, found:gsub("\n", "")))
    assert.matches("\nok\n$", found)
  end)
end)
