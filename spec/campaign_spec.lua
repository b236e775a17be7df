-- Campaigns: examples/campaign.lua run as a person runs it, against the sandbox, whose ledger says
-- what went out; and the pieces it is made of.

local campaign = require("telnyx.run.campaign")
local csv = require("telnyx.run.csv")
local process = require("spec.support.process")
local progress = require("telnyx.terminal.progress")
local recipients = require("telnyx.run.recipients")
local run_results = require("telnyx.run.results")
local sandbox = require("telnyx.sandbox")
local support = require("spec.support.sandbox")
local telnyx = require("telnyx")
local twice = require("telnyx.run.twice")

local FROM = "+18445550001"
local LUA = rawget(_G, "jit") and "luajit" or "lua" .. _VERSION:match("%d%.%d")
local quote = support.quote

local function write_file(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function people(n, heading)
  local lines = { heading or "to,text" }
  for i = 1, n do lines[i + 1] = ("+1866555%04d,Hello %d"):format(i, i) end
  return table.concat(lines, "\n") .. "\n"
end

describe("examples/campaign.lua", function()
  local server, folder

  setup(function() server = support.start() end)
  teardown(function() server:stop() end)

  before_each(function()
    server:reset_ledger()
    folder = support.temporary_folder()
  end)
  after_each(function() os.execute("rm -rf " .. folder) end)

  local function path(name) return folder .. "/" .. name end

  local SETUP = "export TELNYX_API_KEY=KEY_SPEC COLUMNS=70 TELNYX_BASE_URL=%s LUA_PATH=%s "
    .. "LUA_CPATH=%s; %s exec %s examples/campaign.lua %s"

  -- The command line; `setup` is what a shell does before.
  local function command(words, setup)
    local list = {}
    for i, word in ipairs(words) do list[i] = quote(word) end
    return SETUP:format(server.url, quote(package.path), quote(package.cpath), setup or "", LUA,
      table.concat(list, " "))
  end

  -- What it says, and its exit code.
  local function run(words, setup)
    local output = process.run("sh -c " .. quote(command(words, setup)) .. "; echo code $?")
    local text, code = output:match("^(.*)code (%d+)\n$")
    assert.is_nil(text:find("traceback", 1, true), text)
    return text, tonumber(code)
  end

  local function send(text, ...)
    write_file(path("people.csv"), text)
    return run { "--from", FROM, "--rate", "5000", path("people.csv"), path("results.csv"), ... }
  end

  local function results()
    local text, at = support.read_file(path("results.csv")), 1
    local rows, list = assert(csv.rows(function()
      local chunk = at and text
      at = nil
      return chunk
    end, { name = "results", known = { "line", "key", "outcome", "id", "detail" } })), {}
    for row in rows do list[#list + 1] = assert(row.fields, row.fault) end
    return list
  end

  describe("that sends", function()
    it("sends what quotes keep together, and says what became of it", function()
      local text, code = send('TEXT,to\r\n"Hello, ""you""\nthere",+18665550001\r\n'
        .. "x,+18665550002\r\n")
      assert.equal("2 of 2: 2 accepted\n", text)
      assert.equal(0, code)
      local ledger = server:ledger()
      assert.equal(2, ledger.posts)
      assert.equal(1, ledger.messages['Hello, "you"\nthere'].accepted)
      local list = results()
      table.sort(list, function(a, b) return a.line < b.line end)
      assert.same({ "2", "+18665550001 1", "accepted", "" },
        { list[1].line, list[1].key, list[1].outcome, list[1].detail })
      assert.equal("4", list[2].line)
      assert.is_truthy(list[1].id:find("^%x+%-"))
    end)

    it("takes keys of its own, media and settings from columns", function()
      local _, code = send("to,key,media_urls,subject,use_profile_webhooks\n"
        .. "+18665550001,a,https://a.b/1.png https://a.b/2.png,See,FALSE\n")
      assert.equal(0, code)
      assert.equal(1, server:ledger().accepted)
      assert.equal("a", results()[1].key)
    end)

    it("sends to one recipient as often as the file says", function()
      local text = send("to,text\n+18665550001,x\n+18665550001,x\n+18665550002,x\n")
      assert.equal("3 of 3: 3 accepted\n", text)
      assert.equal(3, server:ledger().accepted)
    end)

    it("says what was refused, by an exit code too", function()
      local text, code = send("to,text\n+15550040300,x\n+18665550001,y\n+15550000500,z\n")
      assert.equal(1, code)
      assert.equal("3 of 3: 1 unknown, 1 rejected, 1 accepted; " .. path("results.csv")
        .. " says why\n", text)
      local outcome = {}
      for _, one in ipairs(results()) do outcome[one.line] = one end
      assert.equal("rejected", outcome["2"].outcome)
      assert.is_truthy(outcome["2"].detail:find("40300", 1, true))
      assert.equal("accepted", outcome["3"].outcome)
      assert.equal("unknown", outcome["4"].outcome)
    end)

    it("stops where no further message could succeed", function()
      write_file(path("people.csv"), people(50))
      local text, code = run({ "--from=" .. FROM, "--concurrency=1", path("people.csv"),
        path("results.csv") }, "TELNYX_API_KEY=KEY_REVOKED")
      assert.equal(1, code)
      assert.is_truthy(text:find("20002", 1, true), text)
      assert.is_truthy(text:find("stopped after 1 of 50: 1 rejected; start", 1, true), text)
    end)
  end)

  describe("with a file that is not sound", function()
    local FAULTY = {
      { "an unquoted comma", "to,text\n+18665550001,Hello, you\n", "line 2: it has 3 fields" },
      { "an open quote", 'to,text\n+18665550001,"Hello\n+18665550002,x\n', "never closed" },
      { "a column that is unknown", "to,text,name\n+18665550001,x,you\n",
        "; --allow-column NAME allows one\nnothing was sent\n" },
      { "no heading", "+18665550001,Hello\n", "the first line must name the columns" },
      { "nobody in it", "to,text\n", "there is nobody in it" },
      { "a number that is none, far below", people(300) .. "86,x\n", "line 302: 'to' must be" },
      { "a text that is missing", "to,text\n+18665550001,\n", "line 2: " },
      { "a flag that is none", "to,text,auto_detect\n+18665550001,x,yes\n", "got \"yes\"" },
      { "a key twice", "to,text,key\n+18665550001,x,a\n+18665550002,y,a\n",
        "line 3: the key 'a' stands in line 2 already" },
      { "a key that is missing", "to,text,key\n+18665550001,x,a\n+18665550002,y,\n",
        "line 3: 'key' is empty" },
      { "a time that is past", "to,text,send_at\n+18665550001,x,2020-01-01T00:00:00Z\n", "2020" },
      { "a text that is too long", ("to,text\n+18665550001,%s\n"):format(("x"):rep(200)),
        "max_parts allows 1", "--max-parts=1" },
      { "a text in UCS-2", "to,text\n+18665550001,it’s\n", "U+2019", "--on-ucs2=refuse" },
    }
    for _, case in ipairs(FAULTY) do
      it("(" .. case[1] .. ") says so, and sends nothing", function()
        local text, code = send(case[2], case[4])
        assert.equal(65, code, text)
        assert.is_truthy(text:find(path("people.csv"), 1, true), text)
        assert.is_truthy(text:find(case[3], 1, true), text)
        assert.matches("\nnothing was sent\n$", text)
        assert.equal(0, server:ledger().posts)
        assert.is_nil(support.read_file(path("results.csv")))
        assert.is_nil(support.read_file(path("results.csv.db")))
      end)
    end

    it("names the first twenty faults, and how many more there are", function()
      local text, code = send("to,text\n" .. ("86,x\n"):rep(1234))
      assert.equal(65, code)
      local _, n_lines = text:gsub("\n", "")
      assert.equal(22, n_lines)
      assert.is_truthy(text:find("line 21: [^\n]*\nand 1,214 more\nnothing was sent\n$"), text)
      assert.equal(0, server:ledger().posts)
    end)

    it("is sent all the same where there is a warning, which is told once a rule", function()
      local people_of = "to,text\n866,x\n+18665550001,x\n4567,x\n+18445550001,x\n"
      local text, code = send(people_of)
      assert.equal(0, code, text)
      assert.equal(4, server:ledger().accepted)
      assert.matches("people.csv, line 2: warning: 'to' is a short code of 3 digits[^\n]*"
        .. " %(to_short_code, and 1 more%)\n", text)
      assert.matches("line 5: warning: 'to' is the same as 'from'[^\n]* %(to_is_from%)\n", text)
    end)

    it("is refused where there is a warning, when that is strict", function()
      local text, code = send("to,text\n866,x\n", "--strict")
      assert.equal(65, code, text)
      assert.equal(0, server:ledger().posts)
      text, code = send("to,text\n866,x\n", "--strict", "--accept", "to_short_code")
      assert.equal(0, code, text)
    end)

    it("may break a rule that is named", function()
      local long = ("to,text\n+18665550001,%s\n"):format(("x"):rep(1531))
      local text, code = send(long)
      assert.equal(65, code, text)
      assert.matches("auto_chunk_long_messages[^\n]*%(too_many_parts%)\n", text)
      assert.equal(0, server:ledger().posts)
      text, code = send(long, "--accept=too_many_parts")
      assert.equal(1, code, text) -- the service has the last word
      assert.equal(1, server:ledger().posts)
      assert.matches("too_many_parts", text)
      text, code = send(long, "--accept=to_list")
      assert.equal(64, code, text)
      assert.matches("--accept must be a rule with a way out", text, 1, true)
    end)

    it("may have columns that are named", function()
      local text, code = send("to,text,Name\n+18665550001,x,you\n", "--allow-column", "name")
      assert.equal(0, code, text)
      assert.equal(1, server:ledger().accepted)
    end)
  end)

  describe("called wrongly", function()
    local MISUSES = {
      { {}, "it takes two files" },
      { { "a", "b", "c" }, "it takes two files" },
      { { "--dry-run", "a", "b" }, "takes one file" },
      { { "--rat", "5", "a", "b" }, "there is no option --rat" },
      { { "--rate", "fast", "a", "b" }, "--rate must be a number above 0, not \"fast\"" },
      { { "--rate=0", "a", "b" }, "--rate must be" },
      { { "--concurrency=1.5", "a", "b" }, "--concurrency must be a whole number" },
      { { "--on-ucs2=never", "a", "b" }, "allow, refuse or smart" },
      { { "a", "b", "--from" }, "--from needs a value" },
    }
    for _, case in ipairs(MISUSES) do
      it("says so: " .. case[2], function()
        local text, code = run(case[1])
        assert.equal(64, code)
        assert.is_truthy(text:find(case[2], 1, true), text)
        assert.is_truthy(text:find("--help", 1, true), text)
      end)
    end

    it("says so without a key", function()
      write_file(path("people.csv"), people(1))
      local text, code = run({ "--from", FROM, path("people.csv"), path("results.csv") },
        "unset TELNYX_API_KEY;")
      assert.equal(64, code, text)
      assert.is_truthy(text:find("^option 'api_key' is missing"), text)
      assert.is_nil(support.read_file(path("results.csv")))
    end)

    it("says how, when it is asked", function()
      local text, code = run { "--help" }
      assert.equal(0, code)
      assert.is_truthy(text:find("^usage: "))
    end)
  end)

  describe("with files that it cannot have", function()
    it("says so of one that is not there", function()
      local text, code = run { path("none.csv"), path("results.csv") }
      assert.equal(66, code)
      assert.is_truthy(text:find("none.csv: No such file", 1, true), text)
    end)

    it("says so of a folder and of a pipe", function()
      local text, code = run { folder, path("results.csv") }
      assert.equal(66, code, text)
      write_file(path("people.csv"), people(1))
      text, code = run({ "/dev/stdin", path("results.csv") },
        "cat " .. path("people.csv") .. " |")
      assert.equal(66, code, text)
      assert.is_truthy(text:find("not a pipe", 1, true), text)
    end)

    it("writes over nothing that it has not written", function()
      local own = people(1)
      write_file(path("people.csv"), own)
      local text, code = run { "--from", FROM, path("people.csv"), path("people.csv") }
      assert.equal(66, code, text)
      assert.is_truthy(text:find("left alone", 1, true), text)
      assert.equal(own, support.read_file(path("people.csv")))
      text, code = run { "--from", FROM, path("people.csv"), path("none/results.csv") }
      assert.equal(66, code, text)
      assert.equal(0, server:ledger().posts)
    end)
  end)

  ---@param said string|nil where it writes what it says, instead of to us
  local function start(words, said)
    local own = command(words) .. (said and " >" .. said or "") .. " 2>&1"
    local pipe = assert(io.popen("sh -c " .. quote("echo $$; " .. own) .. "; echo code $?"))
    return { pipe = pipe, pid = assert(tonumber(pipe:read("*l"))) }
  end

  it("says that messages wait for the service, and the last error that says so", function()
    local lines = { "to,text" }
    for i = 1, 60 do
      local is_lost = i > 20 and i <= 40 and i % 4 > 0
      lines[i + 1] = ("%s,Hello %d"):format(is_lost and "+15550000500" or ("+1866555%04d")
        :format(i), i)
    end
    write_file(path("people.csv"), table.concat(lines, "\n") .. "\n")
    local text, code = run { "--from", FROM, "--rate", "20", path("people.csv"),
      path("results.csv") }
    assert.equal(1, code, text)
    assert.is_truthy(text:find("nothing gets through: one message is tried now and then; "
      .. "unknown %(500%)"), text)
    assert.is_truthy(text:find("45 accepted", 1, true), text)
  end)

  -- What it said until then, and its exit code.
  local function signal(child, name)
    os.execute(("kill -%s %d"):format(name, child.pid))
    local text = child.pipe:read("*a")
    child.pipe:close()
    return text:match("^(.*)code (%d+)\n$")
  end

  local function interrupt(child) return signal(child, "INT") end

  describe("that is not the only one", function()
    local first

    -- One that has sent something, and is not going to end by itself.
    before_each(function()
      write_file(path("people.csv"), people(400))
      write_file(path("others.csv"), (people(3):gsub("Hello", "Other")))
      first = start { "--from", FROM, "--rate", "2", path("people.csv"), path("results.csv") }
      support.wait(function()
        return #(support.read_file(path("results.csv")) or "") > 60
      end, "a result")
    end)
    after_each(function() if first then interrupt(first) end end)

    local function refused(results_file, ...)
      local text, code = run { "--from", FROM, path("others.csv"), results_file, ... }
      assert.equal(66, code, text)
      assert.equal(("another campaign is writing %s; when that one has ended, start it again\n")
        :format(results_file), text)
    end

    it("is refused, by whatever name it calls the file, and changes nothing", function()
      os.execute(("ln -s results.csv %s; ln %s %s"):format(path("link.csv"), path("results.csv"),
        path("twin.csv")))
      local before = support.read_file(path("results.csv"))
      local here = process.run("pwd"):gsub("%s+$", "")
      refused(path("results.csv"))
      refused(path("results.csv"), "--journal", path("own.db"))
      refused(path("././results.csv"))
      refused(("../"):rep(select(2, here:gsub("/[^/]", ""))) .. path("results.csv"):sub(2))
      refused(path("link.csv"))
      refused(path("twin.csv"))
      interrupt(first)
      first = nil
      assert.equal(before, support.read_file(path("results.csv")):sub(1, #before))
      local is_told = {}
      for _, one in ipairs(results()) do
        assert.is_nil(is_told[one.line], one.line)
        assert.not_equal("unknown", one.outcome, one.detail)
        is_told[one.line] = true
      end
      for text in pairs(server:ledger().messages) do assert.matches("^Hello", text) end
      for _, name in ipairs { "own.db", "link.csv.db", "twin.csv.db" } do
        assert.is_nil(support.read_file(path(name)), name)
      end
    end)

    it("is refused before it has read whom it would send to", function()
      write_file(path("others.csv"), "to,text\n866,x\n")
      refused(path("results.csv"))
    end)

    it("goes on when the first was interrupted", function()
      interrupt(first)
      first = nil
      write_file(path("others.csv"), "to,text,key\n+18665550001,x,a\n+18665550002,x,b\n"
        .. "+18665550003,x,c\n")
      local text, code = run { "--from", FROM, path("others.csv"), path("results.csv") }
      assert.equal(0, code, text)
      assert.equal(3, #results())
    end)

    it("goes on when the first was killed", function()
      assert.equal("137", select(2, signal(first, "KILL")))
      first = nil
      write_file(path("others.csv"), "to,text,key\n+18665550001,x,a\n+18665550002,x,b\n"
        .. "+18665550003,x,c\n")
      local text, code = run { "--from", FROM, path("others.csv"), path("results.csv") }
      assert.equal(0, code, text)
      assert.equal(3, #results())
    end)

    it("may share the journal, with a file of its own", function()
      local text, code = run { "--from", FROM, path("others.csv"), path("own.csv"), "--journal",
        path("results.csv.db") }
      assert.is_truthy(text:find("^3 of 3: "), text)
      assert.is_true(code < 2, text)
    end)
  end)

  it("two that begin at once, with no file there, are one that goes on", function()
    write_file(path("people.csv"), people(400))
    local pids = {}
    finally(function() for _, pid in ipairs(pids) do process.run("kill -KILL " .. pid) end end)
    for i = 1, 2 do
      local words = { "--from", FROM, "--rate", "2", path("people.csv"), path("results.csv") }
      pids[i] = process.run(("exec sh -c %s >%s 2>&1 & echo $!"):format(
        quote(command(words)), path("said" .. i))):match("%d+")
    end
    local said = support.wait(function()
      local both = (support.read_file(path("said1")) or "")
        .. (support.read_file(path("said2")) or "")
      return both:find("\n", 1, true) and both
    end, "one of two to end")
    assert.is_truthy(said:find("^another campaign is writing "), said)
    support.wait(function() return server:ledger().posts > 0 end, "the other")
  end)

  describe("that is ended early", function()
    it("by Ctrl-C says what was sent, and nothing of what it was sent is lost", function()
      write_file(path("people.csv"), people(400))
      local child = start { "--from", FROM, "--rate", "100", path("people.csv"),
        path("results.csv") }
      support.wait(function() return server:ledger().posts >= 5 end, "five messages")
      local text, code = interrupt(child)
      assert.equal("130", code, text)
      assert.is_nil(text:find("traceback", 1, true), text)
      local n_told = text:match("interrupted after (%d+) of 400: ")
      assert.is_truthy(text:find("; start it again, and it goes on from there\n$"), text)
      local list, n_accepted, n_unknown = results(), 0, 0
      for _, one in ipairs(list) do
        if one.outcome == "accepted" then n_accepted = n_accepted + 1 end
        if one.outcome == "unknown" then n_unknown = n_unknown + 1 end
      end
      local ledger = server:ledger()
      assert.equal(tonumber(n_told), #list)
      assert.is_true(n_accepted >= 5 and n_accepted < 400, text)
      assert.is_true(n_accepted <= ledger.accepted and ledger.accepted <= n_accepted + n_unknown,
        ("%d accepted, %d unknown, but %d"):format(n_accepted, n_unknown, ledger.accepted))
    end)

    it("by Ctrl-C while nobody answers says so at once, and pressed again it ends", function()
      local rows = { "to,text" }
      for i = 1, 20 do rows[i + 1] = "+15550070030,text " .. i end -- answered in half a minute
      write_file(path("people.csv"), table.concat(rows, "\n") .. "\n")
      local words = { "--from", FROM, "--concurrency", "4", path("people.csv"),
        path("results.csv") }
      local child = start(words, path("said"))
      support.wait(function() return server:ledger().posts == 4 end, "four messages")
      process.run("kill -INT " .. child.pid)
      support.wait(function()
        return (support.read_file(path("said")) or ""):find("Ctrl-C again ends at once", 1, true)
      end, "an answer to Ctrl-C")
      local _, code = interrupt(child)
      local text = support.read_file(path("said"))
      assert.equal("130", code, text)
      assert.matches("interrupted after %d+ of 20: 4 unknown[^\n]*; start it again", text)
      local n_unknown = 0
      for _, one in ipairs(results()) do
        if one.outcome == "unknown" then
          n_unknown = n_unknown + 1
          assert.matches("the client was closed meanwhile", one.detail) -- and nobody waited longer
        else
          assert.equal("not_sent", one.outcome)
        end
      end
      assert.equal(4, n_unknown)
      assert.equal(4, server:ledger().posts)
    end)

    it("by Ctrl-C before anything is sent says so", function()
      -- A file that is so long that nobody gets to its end.
      write_file(path("long.csv"), "to,text\n" .. ("+18665550001,x\n"):rep(400000))
      local child = start { "--from", FROM, path("long.csv"), path("results.csv") }
      support.wait(function()
        return process.run("ls -l /proc/" .. child.pid .. "/fd"):find("long.csv", 1, true)
      end, "the program to read")
      local text, code = interrupt(child)
      assert.equal("130", code, text)
      assert.is_truthy(text:find("interrupted; nothing was sent\n", 1, true), text)
    end)

    it("goes on when it is started again, and sends nothing twice", function()
      write_file(path("people.csv"), people(100))
      local words = { "--from", FROM, "--rate", "50", path("people.csv"), path("results.csv") }
      local child = start(words)
      support.wait(function() return server:ledger().posts >= 5 end, "five messages")
      assert.equal("130", select(2, interrupt(child)))
      local n_before = server:ledger().accepted
      words[4] = "5000"
      local text = run(words)
      local ledger = server:ledger()
      local n_unknown = tonumber(text:match("(%d+) unknown") or 0)
      assert.equal(ledger.posts, ledger.accepted)
      assert.is_true(ledger.accepted <= 100 and ledger.accepted >= 100 - n_unknown)
      assert.is_truthy(text:find(" of these replayed", 1, true), text)
      local list, n_replayed = results(), 0
      for _, one in ipairs(list) do
        if one.detail:find("^replayed") then n_replayed = n_replayed + 1 end
      end
      assert.equal(100, #list)
      assert.is_true(n_replayed >= n_before - n_unknown)
    end)

    it("goes on by another name of the same results, too", function()
      send(people(3))
      os.execute(("ln -s results.csv %s"):format(path("link.csv")))
      local text, code = run { "--from", FROM, path("people.csv"), path("link.csv") }
      assert.matches("^3 of 3: 3 accepted, 3 of these replayed\nnothing was sent now, ", text)
      assert.equal(0, code)
      assert.equal(3, server:ledger().posts)
    end)

    it("says of what was refused before that it was, however often it is started", function()
      write_file(path("people.csv"), "to,text\n+15550040300,stop\n")
      for _ = 1, 2 do
        local text, code = run { "--from", FROM, path("people.csv"), path("results.csv") }
        assert.equal(1, code, text)
        assert.matches("^1 of 1: 1 rejected", text)
        assert.matches("says why\n$", text)
      end
    end)

    it("sends nobody anything while it lacks what it knew", function()
      send(people(3))
      for _, change in ipairs {
        { "mv %s/results.csv %s/moved.csv", "moved.csv" },
        { "rm %s/results.csv.db*", "results.csv" },
      } do
        os.execute((change[1]:gsub("%%s", folder)))
        local text, code = run { "--from", FROM, path("people.csv"), path(change[2]) }
        assert.equal(66, code, text)
        assert.matches("was begun with a journal, and %S+%.db is not there", text)
        os.execute(("test -f %s || mv %s %s"):format(path("results.csv"), path("moved.csv"),
          path("results.csv")))
      end
      assert.equal(3, server:ledger().posts)
      assert.is_nil(support.read_file(path("results.csv.db")))
    end)

    it("sends nobody anything by a journal that does not know what was sent", function()
      for to, outcome in pairs { ["+18665550001"] = "accepted", ["+15550000500"] = "unknown" } do
        send("to,text\n" .. to .. ",x\n")
        assert.equal(outcome, results()[1].outcome)
        telnyx.journal.sqlite(path("other.db")):close()
        local text, code = run { "--from", FROM, "--journal", path("other.db"),
          path("people.csv"), path("results.csv") }
        assert.equal(66, code, text)
        assert.matches("says that key %S+ 1' was sent, and the journal %S+ does not know", text)
        os.execute("rm " .. path("results.csv*"))
      end
      assert.equal(2, server:ledger().posts)
    end)

    it("sends nobody anything while it lacks what a killed run has known", function()
      send(people(3))
      local heading = support.read_file(path("results.csv")):match("^[^\n]*\n")
      write_file(path("results.csv"), heading)
      os.execute("rm " .. path("results.csv.db*"))
      local text, code = run { "--from", FROM, path("people.csv"), path("results.csv") }
      assert.equal(66, code, text)
      assert.equal(3, server:ledger().posts)
    end)

    it("waits for nobody where the results are a pipe", function()
      os.execute("mkfifo " .. path("pipe"))
      write_file(path("people.csv"), people(3))
      local text, code = run { "--from", FROM, path("people.csv"), path("pipe") }
      assert.equal(66, code, text)
      assert.equal(0, server:ledger().posts)
    end)

    it("refuses a row that was sent with another text", function()
      send(people(3))
      local text, code = send((people(3):gsub("Hello 2", "Bye 2")))
      assert.equal(1, code)
      assert.is_truthy(text:find("3 of 3: 1 not sent, 2 accepted, 2 of these replayed", 1, true))
      assert.equal(3, server:ledger().posts)
    end)
  end)

  describe("that only looks", function()
    it("says that there is nobody in it", function()
      write_file(path("people.csv"), "to,text\n")
      local text, code = run { "--dry-run", path("people.csv") }
      assert.equal(65, code)
      assert.matches("there is nobody in it", text)
    end)

    it("says what it would be, and sends nothing", function()
      write_file(path("people.csv"), "to,text,from,media_urls\n"
        .. ("+18665550001,Hello,+18445550001,\n"):rep(3)
        .. "+18665550002,It’s " .. ("long "):rep(20) .. ",+12025550001,\n"
        .. ("+18665550003,,+18445550001,https://a.b/c.png\n"):rep(2))
      local text, code = run { "--dry-run", "--rate", "0.5", path("people.csv") }
      assert.equal(0, code)
      assert.equal(table.concat({
        path("people.csv") .. ": 6 messages, 5 parts",
        "  encodings   3 GSM-7; 1 UCS-2; 2 MMS",
        "  recipients  3; 2 of them more than once;",
        "              +18665550001 3 times (the last in line 4)",
        "  senders     1 long code; 5 toll free",
        "  time        12 s at 0.5/s",
        "",
        "the dearest texts",
        "  line 5: 2 parts, UCS-2 because of ’ U+2019, character 3",
        "    It’s long long long long long long long long long long long long l",
        "      ^",
        "    replacing ’ (U+2019) by ' makes 1 part instead of 2",
        "  line 2 and 2 more: 1 part, GSM-7",
        "    Hello",
        "",
      }, "\n"), text)
      assert.equal(0, server:ledger().posts)
    end)

    it("shows what is in UCS-2 before what is not, of as many parts", function()
      local lines = { "to,text" }
      for i = 1, 6 do lines[i + 1] = ("+1866555000%d,Hello %d"):format(i, i) end
      lines[8] = "+18665550008,It’s so"
      write_file(path("people.csv"), table.concat(lines, "\n") .. "\n")
      local text, code = run { "--from", FROM, "--dry-run", path("people.csv") }
      assert.equal(0, code)
      assert.matches("the dearest texts\n  line 8: 1 part, UCS%-2 because of ’", text)
    end)

    it("needs no key, and fits what it is shown on", function()
      write_file(path("people.csv"), "to,text\n+18665550001,"
        .. ("A rather long text with 中文 too. "):rep(20) .. "\n")
      for _, width in ipairs { 40, 80, 200 } do
        local text, code = run({ "--from", FROM, "--dry-run", path("people.csv") },
          "unset TELNYX_API_KEY; COLUMNS=" .. width)
        assert.equal(0, code, text)
        for line in text:gsub("^[^\n]*\n", ""):gmatch("[^\n]+") do
          local n_wide = select(2, line:gsub("[\228-\233]", ""))
          local n_characters = select(2, line:gsub("[^\128-\191]", ""))
          assert.is_true(n_characters + n_wide <= width, line)
        end
      end
    end)
  end)

  describe("on a terminal", function()
    local function has_script()
      local ok = os.execute("command -v script >/dev/null 2>&1")
      return ok == true or ok == 0
    end

    for _, width in ipairs { 40, 80, 200 } do
      it("draws one line that fits " .. width .. " columns, and leaves the last word", function()
        if not has_script() then return pending("needs script(1) for a terminal") end
        -- Troubles first, so that there is more to say than has room in the narrowest.
        local troubles = "\n+15550000500,x\n+15550040300,x\n"
        write_file(path("people.csv"), (people(60):gsub("\n", troubles, 1)))
        local inner = command({ "--from", FROM, "--rate", "60", path("people.csv"),
          path("results.csv") }, ("stty cols %d; unset COLUMNS; TERM=xterm"):format(width))
        local text = process.run("script -qec " .. quote("sh -c " .. quote(inner)) .. " /dev/null")
        local n_frames, longest = 0, 0
        local drawn = text:match("^(.*)\r\27%[K62 of 62: ")
        for frame in drawn:gmatch("\27%[K([^\r]*)") do
          n_frames, longest = n_frames + 1, math.max(longest, #frame)
        end
        assert.is_true(n_frames >= 3, text)
        assert.is_true(longest < width, text)
        assert.is_truthy(text:find("\r\27[K62 of 62: 1 unknown, 1 rejected, 60 ", 1, true))
        assert.equal(1, select(2, text:gsub("\n", "")))
      end)
    end
  end)
end)

describe("every Lua that is there", function()
  it("loads the example and what it is made of", function()
    local files = "examples/campaign.lua lua/telnyx/run/*.lua lua/telnyx/terminal/*.lua"
    for _, lua in ipairs { "lua5.1", "lua5.2", "lua5.3", "lua5.4", "lua5.5", "luajit" } do
      local output = process.run(("command -v %s >/dev/null || exit 0; for file in %s; do "
        .. "%s -e \"assert(loadfile('$file'))\" || echo failed; done"):format(lua, files, lua))
      assert.equal("", output)
    end
  end)
end)

-- The pieces ------------------------------------------------------------------------------------

-- What Ctrl-C raises may end in any pcall, where there is one hook for all; in the sender's here.
-- The first comes by the core's handler or is lost so; the second is lost so.
local DEAF = [[
local campaign, telnyx = require "telnyx.run.campaign", require "telnyx"
local is_told_before = arg[1] == "second"
local n_steps, n_interrupts, begun, sender = 0, 0, {}, {}
function sender.send() error("it can be stepped") end
function sender.start(_, _, _, owner)
  begun[#begun + 1] = owner
  return { done = function() return n_steps > 5000 end, result = function()
    return { id = "m" }, { outcome = "accepted" }
  end }
end
function sender.step()
  require("telnyx.core").sleep(0.001)
  n_steps = n_steps + 1
  if is_told_before and n_steps == 10 then io.popen("kill -INT $PPID"):close() end
  local is_lost = n_interrupts == (is_told_before and 1 or 0) and n_steps >= 500
  if is_lost and (select(3, debug.gethook())) ~= 0 then
    pcall(function()
      debug.sethook()
      error("interrupted!", 0)
    end)
  end
  return #begun
end
function sender.finished() return n_steps > 5000 and table.remove(begun) or nil end
local journal, n_rows = telnyx.journal.memory(), 0
local client = telnyx.new { sender = sender, journal = journal }
local counts = campaign.send(client, function()
  n_rows = n_rows + 1
  return n_rows <= 9 and { line = n_rows, key = "k" .. n_rows,
    message = { from = "+18445550001", to = "+18665550001", text = "x" } } or nil
end, {
  journal = journal, concurrency = 2, record = function() end,
  on_interrupt = function() n_interrupts = n_interrupts + 1 end,
})
print(counts.is_interrupted, counts.total, n_interrupts,
  n_steps > 5000 and "waited" or n_steps < 500 and "too early" or "at once")
]]

describe("an interrupt that is lost in somebody's pcall", function()
  if not rawget(_G, "jit") then return end

  local function run(which)
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    write_file(path, DEAF)
    return process.run(("%s %s %s 2>&1"):format(process.lua(), path, which))
  end

  it("is heeded, and what is under way is waited for", function()
    assert.equal("true\t2\t1\twaited\n", run("first"))
  end)

  it("is heeded when it is the second, and what is under way is not waited for", function()
    assert.equal("true\t2\t1\tat once\n", run("second"))
  end)
end)

describe("a run that lets what is under way finish", function()
  local server

  setup(function() server = support.start() end)
  teardown(function() server:stop() end)

  -- Globals are busted's own affair, in Lua.
  local pcall, error, sethook, getinfo = pcall, error, debug.sethook, debug.getinfo

  -- Raises once on the caller's own thread, `n` instructions from now; not in this file.
  local function raise_after(n)
    sethook(function()
      if getinfo(2, "S").source:find("campaign_spec", 1, true) then return end
      sethook()
      error("from outside", 0)
    end, "", n)
  end

  -- A run of 24, with an error `n` instructions after the fifth was taken.
  local function run(n, lets_finish)
    server:reset_ledger()
    local client, told, n_taken = telnyx.new { api_key = "KEY_SPEC", base_url = server.url }, {}, 0
    local ok, why = pcall(client.send_all, client, function()
      n_taken = n_taken + 1
      if n_taken == 5 then raise_after(n) end
      return n_taken <= 24 and { from = FROM, to = "+18665550001", text = "x" .. n_taken } or nil
    end, {
      concurrency = 4,
      on_result = function(index, message, result)
        assert(not told[index], "told twice")
        told[index] = message and "accepted" or result.outcome
      end,
      lets_finish = lets_finish,
    })
    sethook()
    pcall(client.step, client, 0)
    client:close()
    local n_of = { accepted = 0, unknown = 0, not_sent = 0, rejected = 0 }
    for _, outcome in pairs(told) do n_of[outcome] = n_of[outcome] + 1 end
    return ok, why, n_of, server:ledger()
  end

  it("loses nothing, wherever the error comes", function()
    local n_interrupted = 0
    for n = 1, 300, 3 do
      local ok, why, n_of, ledger = run(n, function(err) return err == "from outside" end)
      if not ok then
        assert.equal("from outside", why)
        n_interrupted = n_interrupted + 1
      end
      assert.equal(ledger.posts, ledger.accepted)
      assert.is_true(n_of.accepted <= ledger.accepted)
      -- One at most is lost: where the error came.
      assert.is_true(n_of.unknown <= 1, n_of.unknown)
      assert.is_true(ledger.accepted <= n_of.accepted + 1)
    end
    assert.is_true(n_interrupted > 50, n_interrupted)
  end)

  it("is ended at once by an error that it is not to finish for", function()
    local ok, why, n_of = run(50, function() return false end)
    assert.is_false(ok)
    assert.equal("from outside", why)
    assert.is_true(n_of.accepted < 20)
  end)
end)

describe("a file of results", function()
  local folder
  before_each(function() folder = support.temporary_folder() end)
  after_each(function() os.execute("rm -rf " .. folder) end)

  it("that another has made and taken meanwhile is not touched", function()
    local path = folder .. "/results.csv"
    local late, first = run_results.new(path), run_results.new(path)
    assert.is_true(late:take_early()) -- it is not there yet
    assert.is_true(first:take())
    assert.is_true(first:begin())
    assert.is_true(first:add { line = 2, key = "k", outcome = "accepted", id = "m" })
    local before = support.read_file(path)
    local taken, why = late:take()
    assert.is_nil(taken)
    assert.matches("another campaign is writing", why)
    assert.equal(before, support.read_file(path))
    late:close()
    first:close()
    assert.is_true(run_results.new(path):take())
  end)

  it("is left with who took it, whatever that one has started", function()
    local path = folder .. "/results.csv"
    local own, other = run_results.new(path), run_results.new(path)
    assert.is_true(own:take())
    local pid = process.run("sleep 60 >/dev/null 2>&1 & echo $!"):match("%d+")
    finally(function() process.run("kill " .. pid) end)
    assert.is_nil((other:take()))
    own:close()
    assert.is_true(other:take())
    other:close()
  end)

  it("may be none, for any number at once", function()
    local one, other = run_results.new("/dev/null"), run_results.new("/dev/null")
    assert.is_true(one:take())
    assert.is_true(other:take())
    one:close()
    other:close()
  end)

  it("is ours by the whole of its first line", function()
    local path = folder .. "/results.csv"
    for _, heading in ipairs { "line,key,outcome,id\n", "line,key,outcome,id,detail,more\n" } do
      write_file(path, heading)
      local own = run_results.new(path)
      local taken, why = own:take_early()
      assert.is_nil(taken)
      assert.matches("left alone", why)
      own:close()
    end
  end)
end)

describe("campaign.send", function()
  local function rows_of(n)
    local text, is_read = people(n), false
    return assert(recipients.rows(function()
      if is_read then return nil end
      is_read = true
      return text
    end, { name = "people.csv", defaults = { from = FROM } }))
  end

  local function send(n, record)
    local sender, journal = sandbox.sender(), telnyx.journal.memory()
    local client = telnyx.new { sender = sender, journal = journal }
    local counts = campaign.send(client, rows_of(n), { journal = journal, record = record })
    return counts, sender:ledger(), client, journal
  end

  it("begins nothing more when what has become of one cannot be written", function()
    local n_recorded = 0
    local counts, ledger = send(200, function()
      n_recorded = n_recorded + 1
      if n_recorded == 3 then error("the disk is full", 0) end
    end)
    assert.equal("the disk is full", counts.fault)
    assert.is_true(ledger.posts < 30)
  end)

  it("tells of what an earlier run has sent, and posts nothing", function()
    local list = {}
    local _, _, client, journal = send(20, function() end)
    local counts = campaign.send(client, rows_of(25), { journal = journal,
      record = function(result) list[#list + 1] = result.detail end })
    assert.equal(25, counts.accepted)
    assert.equal(20, counts.replayed)
    assert.equal(20, select(2, table.concat(list, " "):gsub("replayed", "")))
  end)

  it("has no more under way than leave within two seconds", function()
    local function concurrency(rate, given)
      local seen
      campaign.send({
        send_all = function(_, _, options)
          seen = options.concurrency
          return {}
        end,
      }, rows_of(1), { rate = rate, concurrency = given, record = function() end })
      return seen
    end
    assert.same({ 1, 4, 16, 16, 3 }, { concurrency(0.1), concurrency(2), concurrency(100),
      concurrency(nil), concurrency(100, 3) })
  end)

  it("ends with the words of a row that is faulty after all", function()
    local rows, n = rows_of(5), 0
    local sender = sandbox.sender()
    local client, n_told = telnyx.new { sender = sender }, 0
    local counts = campaign.send(client, function()
      n = n + 1
      return n == 3 and { line = 4, fault = "people.csv, line 4: no" } or rows()
    end, { journal = telnyx.journal.memory(), record = function() n_told = n_told + 1 end })
    assert.equal("people.csv, line 4: no", counts.fault)
    assert.equal(2, n_told)
    assert.equal(2, sender:ledger().posts)
  end)

  it("asks the journal what became of those whose result an error took away", function()
    local journal, list = telnyx.journal.memory(), {}
    local function claim(key)
      assert.is_true(journal:claim { key = key, digest = "d", claim = "c", now = 1, expires = 9 })
    end
    claim("+18665550001 1")
    claim("+18665550002 1")
    assert.is_true(journal:finish { key = "+18665550002 1", claim = "c", state = "accepted",
      now = 2, message_id = "m" })
    local client = {
      step = function() end,
      send_all = function(_, rows)
        for _ = 1, 3 do rows() end
        error("lua5.4: interrupted!", 0)
      end,
    }
    local counts = campaign.send(client, rows_of(5), { journal = journal,
      record = function(result) list[#list + 1] = result.outcome .. " " .. result.id end })
    assert.same({ "unknown ", "accepted m", "not_sent " }, list)
    assert.is_true(counts.is_interrupted)
    assert.equal(3, counts.total)
  end)
end)

describe("a file that is read twice", function()
  local name

  before_each(function() name = os.tmpname() end)
  after_each(function() os.remove(name) end)

  local function all(read)
    local chunks = {}
    while true do
      local chunk, why = read()
      if not chunk then return table.concat(chunks), why end
      chunks[#chunks + 1] = chunk
    end
  end

  it("is the same twice", function()
    local text = ("0123456789"):rep(20000)
    write_file(name, text)
    local file = assert(twice.open(name))
    assert.equal(text, all(file:first()))
    assert.same({ text }, { all(file:again()) })
    file:close()
  end)

  local CHANGED = "it was changed after it had been checked"
  local CHANGES = {
    { "longer", function(text) return text .. "x" end },
    { "shorter", function(text) return text:sub(1, -2) end },
    { "shorter by a chunk", function(text) return text:sub(1, 65536) end },
    { "empty", function() return "" end },
    { "other in one byte", function(text) return text:sub(1, 100) .. "x" .. text:sub(102) end },
  }
  for _, change in ipairs(CHANGES) do
    it("ends with words when it has become " .. change[1], function()
      local text = ("0123456789"):rep(20000)
      write_file(name, text)
      local file = assert(twice.open(name))
      all(file:first())
      write_file(name, change[2](text))
      local read, why = all(file:again())
      assert.equal(CHANGED, why)
      assert.equal(text:sub(1, #read), read)
      file:close()
    end)
  end
end)

describe("progress", function()
  local function counts(changes)
    local all = { total = 0, accepted = 0, rejected = 0, not_sent = 0, unknown = 0, replayed = 0 }
    for key, value in pairs(changes) do all[key] = value end
    return all
  end

  it("says as much as there is room for, troubles first", function()
    local own = counts { total = 1500, accepted = 1490, rejected = 7, unknown = 3 }
    assert.equal("1,500 of 100,000  2 h 44 min left  10/s  3 unknown  7 rejected  1,490 accepted",
      progress.line(own, 100000, 150, 200))
    assert.equal("1,500 of 100,000  2 h 44 min left  10/s  3 unknown",
      progress.line(own, 100000, 150, 60))
    assert.equal("1,500 of 100,000  2 h 44 min left", progress.line(own, 100000, 150, 36))
    assert.equal("1,500 o...", progress.line(own, 100000, 150, 10))
  end)

  it("takes no time from what an earlier run has sent", function()
    local own = counts { total = 1100, accepted = 1100, replayed = 1000 }
    assert.equal("1,100 of 2,000  1 min 30 s left  10/s  1,100 accepted  1,000 of these replayed",
      progress.line(own, 2000, 10, 200))
    assert.equal("0 of 5", progress.line(counts {}, 5, 0, 80))
  end)

  it("writes numbers and times as people do", function()
    local NUMBERS = { [0] = "0", [7] = "7", [999] = "999", [1000] = "1,000", [12345] = "12,345",
      [999999] = "999,999", [1234567] = "1,234,567" }
    for number, words in pairs(NUMBERS) do assert.equal(words, progress.number(number)) end
    local SPANS = { [0] = "0 s", [0.2] = "1 s", [59] = "59 s", [60] = "1 min", [61] = "1 min 1 s",
      [3600] = "1 h", [3660] = "1 h 1 min", [86399] = "23 h 59 min", [90000] = "1 d 1 h" }
    for seconds, words in pairs(SPANS) do assert.equal(words, progress.span(seconds)) end
  end)
end)
