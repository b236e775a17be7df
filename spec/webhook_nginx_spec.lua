-- Webhooks inside a real nginx, asked byte by byte.

local cjson = require "cjson"
local host = require "spec.support.host"
local nginx = require "spec.support.nginx"
local sandbox = require "spec.support.sandbox"
local socket = require "socket"
local webhooks = require "spec.support.webhooks"

local ENVIRONMENT = "TELNYX_PUBLIC_KEY=" .. webhooks.KEY_BASE64

local HTTP = [[
  lua_shared_dict told 10m;
  lua_shared_dict plain 10m;
  lua_shared_dict gate 10m;
  lua_shared_dict raising 1m;
  lua_shared_dict deadly 1m;
  lua_shared_dict hardy 1m;
  lua_shared_dict full 32k;
]]

local function location(name, more)
  return ([[
    location = /%s {
      %s
      content_by_lua_block { require("spec.support.webhook_nginx").serve("%s") }
    }]]):format(name, more or "", name)
end

local SERVER = [[
  lua_socket_log_errors off;
  location = /told { content_by_lua_block { require("spec.support.webhook_nginx").show() } }
  location = /misuse {
    content_by_lua_block { require("spec.support.webhook_nginx").misuse() }
  }
  location = /purge {
    content_by_lua_block { require("spec.support.webhook_nginx").purge("full") }
  }
  # As a program's own configuration may have it.
  location = /spooled {
    client_body_buffer_size 1k;
    content_by_lua_block { require("spec.support.webhook_nginx").serve("plain") }
  }
]] .. location("plain") .. location("raising") .. location("full") .. location("deadly")
  .. location("hardy")
  .. location("gate", "lua_check_client_abort on;")

local function start(workers, more)
  return nginx.start { http = HTTP .. (more or ""), server = SERVER, workers = workers,
    main = "env TELNYX_PUBLIC_KEY;", environment = ENVIRONMENT }
end

-- Requests --------------------------------------------------------------------------------------

local n_events = 0

local function new_event(more)
  n_events = n_events + 1
  local given = { id = "e-" .. n_events, type = "message.sent", to = "sent", at = os.time(),
    message = { id = "m-" .. n_events } }
  for name, value in pairs(more or {}) do given[name] = value end
  return cjson.encode(webhooks.event(given)), given.id
end

-- A request, and its parts where they are to be others.
local function bytes_of(path, body, more)
  more = more or {}
  local lines = { ("%s %s HTTP/1.1"):format(more.method or "POST", path), "Host: app.example" }
  if not more.is_chunked then
    lines[#lines + 1] = ("Content-Length: %d"):format(more.length or #body)
  end
  for name, value in pairs(webhooks.headers(more.signed or body, tostring(os.time()))) do
    if name ~= more.without then lines[#lines + 1] = name .. ": " .. value end
  end
  for _, line in ipairs(more.lines or {}) do lines[#lines + 1] = line end
  if not more.stays then lines[#lines + 1] = "Connection: close" end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (more.as or body)
end

local function chunked(body)
  return ("%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n"):format(7, body:sub(1, 7), #body - 7, body:sub(8))
end

local function begin(server, bytes)
  local connection = assert(socket.connect("127.0.0.1", server.port))
  connection:settimeout(20)
  assert(connection:send(bytes))
  return connection
end

-- The next answer of a connection: its status, headers as text, and body.
local function next_answer(connection)
  local status = assert(connection:receive("*l")):match("^HTTP/1%.1 (%d+) ")
  local lines = {}
  repeat
    lines[#lines + 1] = assert(connection:receive("*l")):lower()
  until lines[#lines] == ""
  local head = "\n" .. table.concat(lines, "\n")
  local length = tonumber(head:match("\ncontent%-length: (%d+)") or 0)
  return tonumber(status), head, length > 0 and assert(connection:receive(length)) or ""
end

local function ask(server, bytes)
  local connection = begin(server, bytes)
  local status, head, body = next_answer(connection)
  connection:close()
  return status, head, body
end

local function post(server, path, body, more) return ask(server, bytes_of(path, body, more)) end

local function told(server, word)
  return cjson.decode(server:ask("/told" .. (word and "?set=" .. word or "")))
end

local function times(server, id) return told(server)["times " .. id] end

local function wait_for(server, name, value)
  sandbox.wait(function() return told(server)[name] == value end, name)
end

-- It is written after the answer.
local function wait_for_log(server, pattern)
  sandbox.wait(function() return server:log():find(pattern) end, pattern)
end

-- Answers ---------------------------------------------------------------------------------------

describe("a webhook in nginx", function()
  local server
  setup(function() server = start(4) end)
  teardown(function() server:stop() end)

  it("is answered 200 and nothing else, and told once", function()
    local body, id = new_event()
    local status, head, text = post(server, "/plain", body)
    assert.same({ 200, "" }, { status, text })
    assert.matches("\ncontent%-length: 0\n", head)
    wait_for(server, "times " .. id, 1)
    assert.equal(200, (post(server, "/plain", body)))
    assert.equal(1, times(server, id))
  end)

  it("needs options that there are, said where they are given", function()
    local lines = {}
    for line in server:ask("/misuse"):gmatch("[^\n]+") do
      lines[#lines + 1] = line:match("spec/support/webhook_nginx%.lua:%d+: webhook: (.*)$")
    end
    assert.same({ "option 'max_body_bytes' must be a whole number",
      "option 'max_body_bytes' must be a whole number", "option 'recover_every' must be seconds",
      "option 'recover_after' must be seconds", "there is no option 'recover'; known: journal,"
      .. " max_body_bytes, now, on_event, public_key, recover_after, recover_every, tolerance",
      "option 'tolerance' must be a number of seconds from 0 up" }, lines)
  end)

  it("is a POST", function()
    for _, method in ipairs { "GET", "PUT", "DELETE", "HEAD" } do
      local status, head, text = post(server, "/plain", "", { method = method })
      assert.same({ 405, "" }, { status, text })
      assert.matches("\nallow: post\n", head)
    end
  end)

  it("is refused where it is none", function()
    local body = new_event()
    local cases = {
      { 400, { without = "telnyx-timestamp" } },
      { 400, { without = "telnyx-signature-ed25519" } },
      { 400, { lines = { "Telnyx-Timestamp: 1" } } },
      { 403, { signed = body .. " " } },
    }
    for _, case in ipairs(cases) do
      local status, _, text = post(server, "/plain", body, case[2])
      assert.same({ case[1], "" }, { status, text })
    end
    assert.equal(400, (post(server, "/plain", "{")))
    assert.equal(400, (post(server, "/plain", "")))
    wait_for_log(server, "telnyx webhook: refused with 403: the signature does not match")
  end)

  it("may have a header twice, with one value", function()
    local body, id = new_event()
    assert.equal(200, (post(server, "/plain", body,
      { lines = { "telnyx-timestamp: " .. webhooks.headers(body, tostring(os.time()))[
        "telnyx-timestamp"] } })))
    wait_for(server, "times " .. id, 1)
  end)

  it("may have as many headers as nginx lets through, before its own", function()
    local body, id = new_event()
    local request, lines = bytes_of("/plain", body), {}
    for i = 1, 200 do lines[i] = ("X-Proxy-%d: %d\r\n"):format(i, i) end
    request = request:gsub("(\r\n)(Host)", function(ends, name)
      return ends .. table.concat(lines) .. name
    end, 1)
    assert.equal(200, (ask(server, request)))
    wait_for(server, "times " .. id, 1)
  end)

  it("may be long, written to a file by nginx, and of any bytes", function()
    local text = ("Grüße, 中文, \240\159\152\128; "):rep(5000)
    for _, path in ipairs { "/plain", "/spooled" } do
      local plain, id = new_event { message = { id = "m", text = text } }
      local body = plain:gsub('"Wireless"', '"\\u00e9\\ud83d\\ude00 \\/"') .. "\r\n \n"
      assert.is_true(#body > 100 * 1000 and body ~= plain)
      assert.equal(200, (post(server, path, body)))
      wait_for(server, "times " .. id, 1)
      local other, other_id = new_event { message = { id = "m", text = text } }
      assert.equal(200, (post(server, path, other, { is_chunked = true, as = chunked(other),
        lines = { "Transfer-Encoding: chunked" } })))
      wait_for(server, "times " .. other_id, 1)
      assert.equal(403, (post(server, path, body:sub(1, -2), { signed = body })))
    end
  end)

  it("has a ceiling, whether its length was announced or not", function()
    local body = new_event { message = { text = ("x"):rep(200 * 1024) } }
    local chunks = { is_chunked = true, as = chunked(body),
      lines = { "Transfer-Encoding: chunked" } }
    for _, path in ipairs { "/plain", "/spooled" } do
      assert.equal(413, (post(server, path, body)))
      assert.equal(413, (post(server, path, body, chunks)))
    end
    local below, id = new_event { message = { text = ("x"):rep(190 * 1024) } }
    assert.equal(200, (post(server, "/spooled", below)))
    wait_for(server, "times " .. id, 1)
    -- nginx has a ceiling as well.
    assert.equal(413, (post(server, "/plain", new_event { message = { text = ("x"):rep(2 ^ 21) } },
      { as = "" })))
    -- What was announced too long need not be read.
    assert.equal(413, (post(server, "/plain", "", { length = 250 * 1024 })))
  end)

  it("is not what came of it where its length lies", function()
    local body, id = new_event()
    assert.equal(403, (post(server, "/plain", body, { length = #body - 1 })))
    local connection = begin(server, bytes_of("/plain", body, { length = #body + 1 }))
    assert(connection:shutdown("send"))
    local status = (connection:receive("*l") or " 400 "):match(" (%d+) ")
    assert.equal("400", status)
    connection:close()
    assert.equal(400, (post(server, "/plain", body, { lines = { "Transfer-Encoding: chunked" } })))
    assert.equal(200, (post(server, "/plain", body)))
    wait_for(server, "times " .. id, 1)
  end)

  it("is told once, where it comes twenty times at once to four workers", function()
    for _ = 1, 10 do
      local body, id = new_event()
      local connections, before = {}, told(server).all
      for i = 1, 20 do connections[i] = begin(server, bytes_of("/plain", body)) end
      for _, connection in ipairs(connections) do
        assert.equal(200, (next_answer(connection)))
        connection:close()
      end
      wait_for(server, "times " .. id, 1)
      assert.equal(before + 1, told(server).all)
    end
  end)

  it("is taken one after the other on a connection, also where they come at once", function()
    local connection = begin(server, "")
    local ids = {}
    for i = 1, 3 do
      local body
      body, ids[i] = new_event()
      assert(connection:send(bytes_of("/plain", body, { stays = true })))
      assert.equal(200, (next_answer(connection)))
    end
    local bytes = {}
    for i = 1, 5 do
      local body
      body, ids[#ids + 1] = new_event()
      bytes[i] = bytes_of("/plain", body, { stays = true })
    end
    local refused = bytes_of("/plain", "{}", { stays = true, signed = "" })
    assert(connection:send(table.concat(bytes) .. refused .. bytes[1]))
    for _ = 1, 5 do assert.equal(200, (next_answer(connection))) end
    assert.equal(403, (next_answer(connection)))
    assert.equal(200, (next_answer(connection)))
    connection:close()
    for _, id in ipairs(ids) do wait_for(server, "times " .. id, 1) end
  end)

  it("is answered 503 where it cannot be kept, and taken when there is room again", function()
    local status, body, id
    repeat
      body, id = new_event()
      status = post(server, "/full", body)
    until status ~= 200
    assert.equal(503, status)
    wait_for_log(server, "refused with 503: it cannot be kept: .-full")
    assert.is_nil(times(server, id))
    sandbox.wait(function() return tonumber(server:ask("/purge")) > 0 end, "what is handled")
    assert.equal(200, (post(server, "/full", body)))
    wait_for(server, "times " .. id, 1)
  end)

  it("comes to the program again where that has raised", function()
    local body, id = new_event()
    assert.equal(200, (post(server, "/raising", body)))
    sandbox.wait(function() return times(server, id) end, "the event to come again")
    wait_for_log(server, "telnyx webhook: [^\n]-on purpose")
    assert.is_true(told(server)["raised " .. id] >= 2)
  end)

  it("is taken whatever is in it, where it is signed", function()
    for _, data in ipairs { { occurred_at = "1907-01-01T00:00:00Z" }, { id = ("x"):rep(300) },
      { id = "\n'\"\\" }, { id = 5 }, { payload = { id = {} } }, {} } do
      data.event_type = "message.foo"
      data.id = data.id or "odd-" .. n_events
      n_events = n_events + 1
      local status = post(server, "/plain", cjson.encode { data = data })
      assert.equal(#tostring(data.id) > 255 and 503 or 200, status)
    end
  end)
end)

-- Programs that take their time -----------------------------------------------------------------

describe("a webhook whose program takes its time", function()
  local server
  before_each(function() server = start(1) end)
  after_each(function() server:stop() end)

  it("is answered before, and so are others of its connection, and other pages", function()
    local first, first_id = new_event()
    local second, second_id = new_event()
    local connection = begin(server, bytes_of("/gate", first, { stays = true })
      .. bytes_of("/gate", second, { stays = true }))
    local started = socket.gettime()
    assert.equal(200, (next_answer(connection)))
    local first_s = socket.gettime() - started
    assert.equal(200, (next_answer(connection)))
    local second_s = socket.gettime() - started
    wait_for(server, "waiting", 2)
    local slowest = 0
    for _ = 1, 100 do
      local asked = socket.gettime()
      told(server)
      slowest = math.max(slowest, socket.gettime() - asked)
    end
    -- Who has his answer may go.
    connection:close()
    assert.is_nil(times(server, first_id))
    told(server, "go")
    wait_for(server, "times " .. first_id, 1)
    wait_for(server, "times " .. second_id, 1)
    host.say("two webhooks whose program waits: answered in %.1f and %.1f ms; the slowest of 100"
      .. " other pages meanwhile in %.1f ms", first_s * 1000, second_s * 1000, slowest * 1000)
  end)

  it("is handled to its end also where nginx reads its configuration anew", function()
    local body, id = new_event()
    assert.equal(200, (post(server, "/gate", body)))
    wait_for(server, "waiting", 1)
    local before = told(server).pid
    local pid = sandbox.read_file(server.program.folder .. "/nginx.pid"):match("%d+")
    assert(os.execute("kill -HUP " .. pid))
    sandbox.wait(function() return told(server).pid ~= before end, "a new worker")
    assert.equal(200, (post(server, "/gate", body)))
    assert.is_nil(times(server, id))
    told(server, "go")
    wait_for(server, "times " .. id, 1)
    assert.equal(1, told(server).waiting)
  end)

  it("is answered also where more wait than nginx has timers", function()
    local ids, connections = {}, {}
    for i = 1, 400 do
      local body
      body, ids[i] = new_event()
      connections[i] = begin(server, bytes_of("/gate", body, { stays = true }))
    end
    local n_closed = 0
    for _, connection in ipairs(connections) do
      local status, head = next_answer(connection)
      assert.equal(200, status)
      if head:find("\nconnection: close\n", 1, true) then n_closed = n_closed + 1 end
    end
    wait_for(server, "waiting", 400)
    told(server, "go")
    wait_for(server, "all", 400)
    for _, connection in ipairs(connections) do connection:close() end
    assert.is_true(n_closed >= 200 and n_closed < 400, n_closed)
    local all = told(server)
    for _, id in ipairs(ids) do assert.equal(1, all["times " .. id]) end
    assert.is_nil(server:log():find("not enough", 1, true))
  end)
end)

-- Workers that die ------------------------------------------------------------------------------

-- Handlers that are there from the start, over a journal in SQLite, or in dictionaries.
local function start_with(name, workers, path)
  return start(workers, ([[
    init_worker_by_lua_block {
      local path = %s
      require("spec.support.webhook_nginx").make(%q,
        path and require("telnyx").journal.sqlite(path))
    }]]):format(path and ("%q"):format(path) or "nil", name))
end

local function kill(pid) assert(os.execute(("kill -9 %d"):format(pid))) end

for _, kind in ipairs { "shared", "sqlite" } do
  describe("a webhook whose worker is killed, over " .. kind, function()
    local folder, path, server
    before_each(function()
      folder = host.folder()
      path = kind == "sqlite" and folder .. "/sent.db" or nil
    end)
    after_each(function()
      if server then server:stop() end
      os.execute("rm -rf " .. folder)
    end)

    it("comes to the next one", function()
      server = start_with("deadly", 1, path)
      local body, id = new_event()
      assert.equal(200, (post(server, "/deadly", body)))
      local first = "first " .. id
      sandbox.wait(function() return told(server)[first] end, "the program to begin")
      local pid = told(server).pid
      assert.equal(pid, told(server)[first])
      assert.is_nil(times(server, id))
      kill(pid)
      -- Nobody sends another webhook to the new worker.
      wait_for(server, "times " .. id, 1)
      assert.are_not.equal(pid, told(server).pid)
      assert.equal(path and "sent" or "other", told(server)["kind " .. id])
      assert.equal(200, (post(server, "/deadly", body)))
      assert.equal(1, times(server, id))
    end)

    it("is told if it was answered, whenever that was", function()
      server = start_with("hardy", 3, path)
      local answered, n_killed, n_twice = {}, 0, 0
      for i = 1, 200 do
        local body, id = new_event()
        local ok, status = pcall(post, server, "/hardy", body)
        if ok and status == 200 then answered[#answered + 1] = id end
        local is_there, all = pcall(told, server)
        if i % 8 == 0 and is_there then
          kill(all.pid)
          n_killed = n_killed + 1
        end
      end
      assert.is_true(#answered > 100 and n_killed > 10, #answered .. " " .. n_killed)
      for _, id in ipairs(answered) do
        local n = sandbox.wait(function()
          local is_there, all = pcall(told, server)
          return is_there and all["times " .. id]
        end, id)
        if n > 1 then n_twice = n_twice + 1 end
      end
      local all = told(server)
      host.say("%s: %d workers killed, %d times while the program was told; %d webhooks answered,"
        .. " and all of them told, %d more than once", kind, n_killed, all.begun - all.all,
        #answered, n_twice)
    end)
  end)
end
