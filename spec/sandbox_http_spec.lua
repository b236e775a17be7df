local json = require("cjson.safe").new()
local socket = require("socket")
local sandbox = require("telnyx.sandbox")
local telnyx = require("telnyx")
local nginx = require("telnyx.sandbox.nginx.configuration")
local nginx_host = require("spec.support.nginx")
local support = require("spec.support.sandbox")

local function sms(changes)
  local message = { from = "+18445550001", to = "+18665550001", text = "Hello, World!" }
  for name, value in pairs(changes or {}) do message[name] = value end
  return message
end

local function raw_request(body)
  return ("POST /v2/messages HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer KEY_SPEC\r\n"
    .. "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)
end

local function connect(port)
  local connection = assert(socket.tcp())
  assert(connection:connect("127.0.0.1", port))
  return connection
end

-- Sends a request and reads until the connection ends or nothing comes for a
-- while. What ended it is "close", "reset" or "stall".
local function last_words(port, request, patience)
  local connection, heard, ending = connect(port), {}, nil
  assert(connection:send(request))
  connection:settimeout(0)
  repeat
    local readable = socket.select({ connection }, nil, patience)
    if not readable[1] then ending = "stall" end
    -- Asking for the error is the only way to see a reset: reading says "closed" either way.
    if connection:getoption("error") then ending = "reset" end
    local data, err, part = connection:receive(65536)
    heard[#heard + 1] = data or part
    if err == "closed" then ending = ending or "close" end
  until ending
  connection:close()
  return ending, table.concat(heard)
end

local function refused(port)
  local connection = socket.tcp()
  local ok = connection:connect("127.0.0.1", port)
  connection:close()
  return not ok
end

describe("the sandbox behind nginx", function()
  local server
  setup(function() server = support.start() end)
  teardown(function() server:stop() end)
  before_each(function() server:reset_ledger() end)

  it("says where it is", function()
    assert.are.equal(("http://127.0.0.1:%d/v2"):format(server.port), server.url)
  end)

  it("takes messages and shows them", function()
    local status, body, headers = server:post(sms { text = "größer 中" })
    assert.are.equal(200, status)
    assert.are.equal("application/json", headers["content-type"])
    assert.is_truthy(headers["x-request-id"])
    local data = json.decode(body).data
    assert.are.equal("größer 中", data.text)
    local again, shown = server:request("GET", "/v2/messages/" .. data.id)
    assert.are.equal(200, again)
    assert.are.equal(data.id, json.decode(shown).data.id)
  end)

  it("refuses what the service in process refuses", function()
    assert.are.equal(401, (server:post(sms(), { authorization = "" })))
    assert.are.equal(400, (server:post("{")))
    assert.are.equal(404, (server:request("GET", "/v2/messages/x")))
    assert.are.equal(405, (server:request("PUT", "/v2/messages", "{}")))
    assert.are.equal(404, (server:request("GET", "/elsewhere")))
  end)

  it("keeps a ledger", function()
    server:post(sms())
    server:post(sms())
    assert.are.same({ posts = 2, accepted = 2, messages = {
      ["Hello, World!"] = { posts = 2, accepted = 2 } } }, server:ledger())
    server:reset_ledger()
    assert.are.same({ posts = 0, accepted = 0, messages = {} }, server:ledger())
  end)

  it("serves several requests on one connection", function()
    local connection = connect(server.port)
    connection:settimeout(5)
    for i = 1, 3 do
      connection:send(raw_request(json.encode(sms { text = "kept " .. i })))
      assert.are.equal("HTTP/1.1 200 OK", connection:receive("*l"))
      local length
      repeat
        local line = connection:receive("*l")
        length = length or line:lower():match("^content%-length: (%d+)$")
      until line == ""
      assert.is_truthy(connection:receive(tonumber(length)):find("kept " .. i, 1, true))
    end
    connection:close()
  end)

  it("reads a chunked request", function()
    local body = json.encode(sms { text = "in chunks" })
    local _, reply = last_words(server.port, "POST /v2/messages HTTP/1.1\r\nHost: sandbox\r\n"
      .. "Connection: close\r\nAuthorization: Bearer KEY_SPEC\r\n"
      .. "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
      .. ("5\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n"):format(body:sub(1, 5), #body - 5, body:sub(6)), 5)
    assert.are.equal("HTTP/1.1 200", reply:sub(1, 12))
    assert.are.equal(1, server:ledger().messages["in chunks"].accepted)
  end)

  it("reads a body of hundreds of kilobytes, and refuses one without measure", function()
    local long = ("x"):rep(800000)
    assert.are.equal(200, (server:post(sms { text = long, type = "MMS" })))
    assert.are.equal(413, (server:post(sms { text = long .. long, type = "MMS" })))
    assert.are.equal(1, server:ledger().accepted)
  end)

  it("takes its time when the recipient says so", function()
    local started = socket.gettime()
    assert.are.equal(200, (server:post(sms { to = "+15550070001" })))
    assert.is_true(socket.gettime() - started >= 0.95) -- nginx reckons in its own milliseconds
  end)

  it("serves others while it is slow to some", function()
    local slow = connect(server.port)
    slow:send(raw_request(json.encode(sms { to = "+15550070001", text = "slow" })))
    support.wait(function() return server:ledger().messages.slow end, "the slow message")
    assert.are.equal(200, (server:post(sms())))
    slow:settimeout(0)
    local _, err, part = slow:receive("*a")
    assert.are.same({ "timeout", "" }, { err, part })
    slow:close()
  end)

  it("forgets about a client that gave up, not about its message", function()
    local ending = last_words(server.port,
      raw_request(json.encode(sms { to = "+15550070030", text = "given up" })), 0.05)
    assert.are.equal("stall", ending)
    assert.are.equal(1, server:ledger().messages["given up"].accepted)
  end)

  local heads = {
    nothing = "^$",
    status_line = "^HTTP/1%.1 [25]$",
    headers = "^HTTP/1%.1 %d00 [^\n]+\r\n.*Content%-Leng$",
    body = "\r\nContent%-Length: %d+\r\n\r\n{",
    chunks = "\r\nTransfer%-Encoding: chunked\r\n\r\n%x+\r\n{.*\r\n$",
    unmeasured = "\r\nConnection: close\r\n\r\n{",
    interim = "^HTTP/1%.1 100 Continue\r\n\r\n$",
    garbage = "^\1\2\255\254",
    short_length = "\r\nContent%-Length: %d+\r\n\r\n{.*}$",
    whole = "\r\nContent%-Length: %d+\r\n\r\n{.*}$",
  }

  local lengths = {
    body = function(announced, sent) return announced > sent end,
    short_length = function(announced, sent) return announced < sent end,
    whole = function(announced, sent) return announced == sent end,
  }

  local function announced_and_sent(heard)
    local announced, body = heard:match("\r\nContent%-Length: (%d+)\r\n\r\n(.*)$")
    return tonumber(announced), #body
  end

  for _, row in ipairs(sandbox.weather()) do
    if not row.seconds then
      it(("%s: %s"):format(row.number, row.causes), function()
        local message = sms { to = row.number, text = row.number }
        if row.stage then
          local ending, heard = last_words(server.port, raw_request(json.encode(message)), 0.15)
          assert.are.equal(row.ending, ending)
          assert.is_truthy(heard:find(heads[row.stage]), heard)
          if lengths[row.stage] then
            assert.is_true(lengths[row.stage](announced_and_sent(heard)))
          end
        else
          assert.are.equal(row.status, (server:post(message)))
        end
        local counts = server:ledger().messages[row.number]
        assert.are.equal(row.accepted and 1 or 0, counts.accepted)
        assert.are.equal(1, counts.posts)
      end)
    end
  end
end)

describe("bad weather", function()
  -- Between the delays that there are: 2 s and 5 s. A busy machine takes its time for the rest.
  local PATIENCE = 3.5
  local server, numbers

  setup(function()
    server, numbers = support.start(), {}
    for i, row in ipairs(sandbox.weather()) do numbers[i] = row.number end
  end)
  teardown(function() server:stop() end)

  local function summary(message, result)
    return ("%s (%s): %s, status %d, code %s"):format(result.outcome, result.kind or "no error",
      message and "a message" or "no message", result.status or 0, tostring(result.code))
  end

  local function options_for(changes)
    local options = { retry = false, timeout = PATIENCE }
    for name, value in pairs(changes) do options[name] = value end
    return options
  end

  -- What a client for each number sees, all at once, since many keep silent.
  local function over_the_wire()
    local sends, seen = {}, {}
    for _, number in ipairs(numbers) do
      local client = telnyx.new(options_for { api_key = "KEY_SPEC", base_url = server.url })
      sends[number] = { client = client, pending = client:start(sms { to = number }) }
    end
    support.wait(function()
      local n_under_way = 0
      for _, one in pairs(sends) do n_under_way = n_under_way + one.client:step() end
      return n_under_way == 0
    end, "every answer")
    for number, one in pairs(sends) do
      seen[number] = summary(one.pending:result())
      one.client:close()
    end
    return seen
  end

  local function inside_nginx()
    local host = nginx_host.start {
      http = "",
      server = [[location = /send {
        content_by_lua_block { require("spec.support.nginx_send").serve() } }]],
    }
    local answer = host:ask("/send", json.encode { {
      op = "send_each", numbers = numbers, message = sms(),
      -- A connection for each: what one leaves behind is not for another to meet.
      options = options_for {
        api_key = "KEY_SPEC", base_url = server.url, max_connections = #numbers,
      },
    } })
    host:stop()
    local seen = {}
    for number, one in pairs(json.decode(answer)[1]) do
      seen[number] = summary(one.message, one.err or one.info)
    end
    return seen
  end

  local function in_process()
    local client = telnyx.new(options_for { sender = sandbox.sender() })
    local seen = {}
    for _, number in ipairs(numbers) do seen[number] = summary(client:send(sms { to = number })) end
    return seen
  end

  it("is the same in process, over the wire and inside nginx", function()
    local expected = in_process()
    assert.is_truthy(expected["+15550090093"])
    assert.are.same(expected, over_the_wire())
    server:reset_ledger()
    assert.are.same(expected, inside_nginx())
  end)
end)

describe("two sandboxes at once", function()
  it("have ports and ledgers of their own", function()
    local one, two = support.start(), support.start()
    one:post(sms())
    local first, second = one:ledger().accepted, two:ledger().accepted
    local ports = { one.port, two.port }
    one:stop()
    two:stop()
    assert.are_not.equal(ports[1], ports[2])
    assert.are.same({ 1, 0 }, { first, second })
  end)
end)

describe("the sandbox over https", function()
  local found, https = pcall(require, "ssl.https")
  if not found then return pending("needs lua-sec") end

  it("answers with the certificate it was given, and breaks the same way", function()
    local server = support.start { tls = true }
    local function post(to)
      local body = json.encode(sms { to = to })
      local chunks = {}
      local ok, status = https.request {
        url = server.url .. "/messages", method = "POST", protocol = "any",
        options = { "all" }, verify = "peer", cafile = server.ca_file,
        source = require("ltn12").source.string(body), sink = require("ltn12").sink.table(chunks),
        headers = { authorization = "Bearer KEY_SPEC", ["content-type"] = "application/json",
          ["content-length"] = tostring(#body) },
      }
      return ok and status, table.concat(chunks)
    end
    local status, body = post("+18665550001")
    local reset = post("+15550090002")
    local cut = post("+15550090031")
    local url = server.url
    server:stop()
    assert.is_truthy(url:find("^https://127%.0%.0%.1:%d+/v2$"))
    assert.are.equal(200, status)
    assert.is_truthy(body:find("Hello, World!", 1, true))
    assert.is_falsy(reset)
    assert.is_falsy(cut)
  end)
end)

describe("the launcher", function()
  local folder
  before_each(function() folder = support.temporary_folder() end)
  after_each(function() os.execute("rm -rf " .. folder) end)

  local function run(arguments)
    local output = support.capture(support.command(arguments) .. " 2>&1 </dev/null; echo exit $?")
    local text, code = output:match("^(.*)exit (%d+)\n$")
    return text, tonumber(code)
  end

  -- Files below the folder, and processes that name it. The brackets keep the
  -- search from finding itself.
  local function leftovers()
    local pattern = support.quote("[/]" .. folder:sub(2))
    return support.capture("ls -A " .. folder)
      .. support.capture("grep -la " .. pattern .. " /proc/[0-9]*/cmdline 2>/dev/null")
  end

  local function expect_gone(port)
    support.wait(function() return refused(port) and leftovers() == "" end,
      "the sandbox to be gone")
  end

  it("refuses to listen to other machines", function()
    for _, address in ipairs { "0.0.0.0", "192.168.1.1", "::", "example.com", "127.0.0.1 ssl" } do
      local text, code = run("--port 12112 --listen " .. support.quote(address))
      assert.are.equal(1, code)
      assert.are.equal(("telnyx sandbox: the sandbox listens on loopback only, not on %s: "
        .. "use 127.0.0.1\n"):format(address), text)
    end
  end)

  it("refuses what it does not understand", function()
    for arguments, words in pairs {
      ["--port abc"] = "the port must be a number from 1 to 65535, not 'abc'",
      ["--port 65536"] = "the port must be a number from 1 to 65535, not '65536'",
      ["--port"] = "--port needs a value",
      ["--port ''"] = "the port must be a number from 1 to 65535, not ''",
      ["--prot 1"] = "unknown option --prot",
      ["--cert x.pem"] = "https needs both a certificate and its key",
    } do
      assert.are.same({ "telnyx sandbox: " .. words .. "\n", 1 }, { run(arguments) })
    end
  end)

  it("says how it is used", function()
    local text, code = run("--help")
    assert.are.equal(0, code)
    for _, option in ipairs { "port", "listen", "cert", "key", "signing-seed", "open", "until-eof",
      "while" } do
      assert.is_truthy(text:find("--" .. option, 1, true), option)
    end
    assert.not_matches("\n#", text)
  end)

  -- Starts the launcher, and returns what it said and a function that ends it.
  local function start(command)
    local output = folder .. "/output"
    local pipe = assert(io.popen(("exec %s >%s 2>&1"):format(command, output), "w"))
    local ok, said = pcall(support.greeting, output)
    if not ok then pipe:close() end
    assert(ok, said)
    return said, function()
      pipe:close()
      return support.read_file(output)
    end
  end

  it("says first where its page is, and then what a program takes from its environment", function()
    local said, stop = start(support.command("--port 0 --until-eof"))
    stop()
    local port = said:match("^telnyx sandbox: http://127%.0%.0%.1:(%d+)/  [%l ]+\n")
    assert.are.equal(("http://127.0.0.1:%s/v2"):format(port),
      said:match("\n  messages  TELNYX_BASE_URL=(%S+)\n"))
    assert.matches("\n  key       TELNYX_API_KEY=KEY_TEST  ", said)
    assert.matches("\n  webhooks  TELNYX_PUBLIC_KEY=" .. ("[%w+/]"):rep(43) .. "=\n", said)
    assert.matches("\n  stop      Ctrl%-C\n$", said)
    assert.are.equal(5, select(2, said:gsub("\n", "")))
    for line in said:gmatch("[^\n]+") do assert.is_true(#line <= 79, line) end
  end)

  -- A program that writes down how it was called.
  local function make_browser(ending)
    local path = folder .. "/browser"
    local file = assert(io.open(path, "w"))
    file:write("#!/bin/sh\necho \"$@\" >>", folder, "/called\n", ending or "", "\n")
    file:close()
    os.execute("chmod +x " .. path)
    return path
  end

  local function with_browser(browser, path)
    return ("env BROWSER='%s' %s %s"):format(browser, path and "PATH=" .. path or "",
      support.command("--port 0 --until-eof --open"):gsub("^env ", ""))
  end

  it("opens its page in a browser", function()
    local said, stop = start(with_browser(make_browser() .. " --new-window:other"))
    local ok, called = pcall(support.wait, function()
      return (support.read_file(folder .. "/called") or ""):match("(.*)\n")
    end, "the browser")
    said = said == stop() and said
    assert(ok, called)
    assert.are.equal("--new-window " .. said:match("http://%S+"), called)
  end)

  it("says so when the browser fails, and goes on", function()
    local said, stop = start(with_browser(make_browser("exit 3")))
    local page = said:match("http://%S+")
    local ok, problem = pcall(support.wait, function()
      return (support.read_file(folder .. "/output")):find(
        "browser failed: open " .. page .. " yourself\n", 1, true)
    end, "the complaint")
    local is_there = require("socket.http").request(page .. "sandbox/ledger")
    stop()
    assert(ok, problem)
    assert.is_string(is_there)
  end)

  it("says so when there is no browser, and goes on", function()
    -- All programs but those that open pages.
    local bin = folder .. "/bin"
    support.capture(("mkdir %s; ln -s /bin/* /usr/bin/* /usr/sbin/nginx %s 2>&1; "
      .. "rm -f %s/open %s/xdg-open"):format(bin, bin, bin, bin))
    local said, stop = start(with_browser("", bin))
    local page = said:match("http://%S+")
    local ok, problem = pcall(support.wait, function()
      return (support.read_file(folder .. "/output")):find(
        "telnyx sandbox: there is no browser here: open " .. page .. " in one\n", 1, true)
    end, "the complaint")
    local is_there = require("socket.http").request(page .. "sandbox/ledger")
    stop()
    assert(ok, problem)
    assert.is_string(is_there)
  end)

  -- An installed copy in a folder of its own, started without a word of where anything is.
  local function install()
    support.capture(("env -u MAKEFLAGS -u MAKELEVEL make -s install LUA=5.4 PREFIX=/usr "
      .. "DESTDIR=%s/tree 2>&1"):format(folder))
    -- Elsewhere than in the checkout, whose files are not to be found.
    return function(arguments)
      return ("sh -c 'cd %s && exec env -u LUA_PATH -u LUA_CPATH -u LUA_PATH_5_4 -u LUA_CPATH_5_4 "
        .. "LUA=lua5.4 sh %s/tree/usr/share/lua/5.4/telnyx/sandbox/serve.sh --port 0 %s'"):format(
        folder, folder, arguments)
    end
  end

  it("works from an installed copy, with LuaJIT's core beside it", function()
    local command = install()
    support.capture(("mkdir -p %s/tree/usr/lib/lua/5.1/telnyx; "
      .. "cp build/5.1/telnyx/core.so %s/tree/usr/lib/lua/5.1/telnyx"):format(folder, folder))
    local said, stop = start(command("--until-eof"))
    local http, origin = require("socket.http"), said:match("http://%S+"):gsub("/$", "")
    local _, status = http.request(origin .. "/sandbox/ledger")
    local page, page_status = http.request(origin .. "/")
    local style = page and page:match('href="(/sandbox/page/[%w.-]+%.css)"')
    local _, style_status = http.request(origin .. (style or "/"))
    stop()
    assert.are.equal(200, status)
    assert.is_string(style)
    assert.are.same({ 200, 200 }, { page_status, style_status })
  end)

  it("says what an installed copy lacks", function()
    local command = install()
    local text = support.capture(command("") .. " 2>&1 </dev/null")
    assert.are.equal(("telnyx sandbox: nginx runs LuaJIT, and finds no telnyx/core.so for it "
      .. "(as in %s/tree/usr/lib/lua/5.1):\n  make install LUA=jit with the same PREFIX, or set "
      .. "SANDBOX_LUA_CPATH\n"):format(folder), text)
  end)

  it("says so in one sentence when the port is taken", function()
    local holder = assert(socket.bind("127.0.0.1", 0))
    local _, port = holder:getsockname()
    local text, code = run("--port " .. port)
    holder:close()
    assert.are.equal(1, code)
    assert.are.equal(("telnyx sandbox: port %d is in use: choose another with "
      .. "PORT=N or --port N\n"):format(port), text)
  end)

  it("leaves nothing when its standard input ends", function()
    local server = support.start { tmpdir = folder }
    assert.are_not.equal("", leftovers())
    server:stop()
    expect_gone(server.port)
  end)

  for _, signal in ipairs { "TERM", "INT" } do
    it("leaves nothing on SIG" .. signal, function()
      local server = support.start { tmpdir = folder }
      os.execute(("kill -%s %d"):format(signal, server.pid))
      expect_gone(server.port)
      server:stop()
    end)
  end

  -- Runs `make sandbox`, and returns the port and the process ids of make and of the launcher.
  local function make_sandbox(notes)
    local command = ("echo $$ >%s/make; TMPDIR=%s exec env -u MAKEFLAGS -u MAKELEVEL "
      .. "make -s sandbox PORT=0 >%s/output 2>&1"):format(notes, folder, notes)
    -- The outer shell waits for make: a process that nobody waits for is there even when killed.
    local pipe = assert(io.popen(("sh -c %s 2>/dev/null; :"):format(support.quote(command)), "w"))
    local port = support.wait(function()
      return (support.read_file(notes .. "/output") or "")
        :match("BASE_URL=http://127.0.0.1:(%d+)/v2\n.*\n  stop ")
    end, "make sandbox")
    local make = support.read_file(notes .. "/make"):match("%d+")
    local launcher = support.read_file("build/sandbox." .. make):match("%d+")
    return tonumber(port), { make = make, launcher = launcher }, pipe
  end

  for _, target in ipairs { "make", "launcher" } do
    for _, signal in ipairs { "TERM", "INT", "HUP", target == "make" and "KILL" or nil } do
      it(("leaves nothing as make sandbox: SIG%s to its %s"):format(signal, target), function()
        local notes = support.temporary_folder()
        local port, process, pipe = make_sandbox(notes)
        os.execute(("kill -%s %s"):format(signal, process[target]))
        local ok, problem = pcall(expect_gone, port)
        os.execute(("kill %s 2>/dev/null"):format(process.launcher))
        pipe:close()
        os.execute("rm -rf " .. notes)
        assert(ok, problem)
        assert.is_nil(support.read_file("build/sandbox." .. process.make))
      end)
    end
  end

  it("leaves nothing when it was killed and its standard input ends", function()
    local server = support.start { tmpdir = folder }
    os.execute(("kill -KILL %d"):format(server.pid))
    server:stop()
    expect_gone(server.port)
  end)
end)

describe("the nginx configuration", function()
  it("keeps everything below its prefix", function()
    local text = nginx.configuration { port = 12111, path = "/x/?.lua", cpath = "/x/5.4/?.so" }
    for _, name in ipairs { "client_body", "proxy", "fastcgi", "uwsgi", "scgi" } do
      assert.is_truthy(text:find(("%s_temp_path temp/%s;"):format(name, name), 1, true))
    end
    assert.is_truthy(text:find("pid nginx.pid;", 1, true))
    assert.is_truthy(text:find("listen 127.0.0.1:12111 ", 1, true))
    assert.is_truthy(text:find('lua_package_cpath "/x/5.1/?.so;;";', 1, true))
  end)

  it("cannot be broken out of", function()
    assert.has_error(function()
      nginx.configuration { port = 12111, path = 'x"; } evil' }
    end)
  end)
end)
