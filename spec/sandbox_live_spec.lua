-- What takes its time over HTTP: server-sent events, and answers that wait.

local events = require("spec.support.events")
local json = require("cjson.safe").new()
local socket = require("socket")
local support = require("spec.support.sandbox")

local function sms(text, to)
  return { from = "+13125550001", to = to or "+13125550002", text = text, type = "MMS" }
end

local function request_of(text)
  local body = json.encode(sms(text))
  return ("POST /v2/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer KEY_X\r\n"
    .. "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)
end

-- Reads answers of 200, one after the other.
local function read_answers(connection, count)
  for _ = 1, count do
    assert.are.equal("HTTP/1.1 200 OK", connection:receive("*l"))
    local length
    repeat
      local line = assert(connection:receive("*l"))
      length = length or line:lower():match("^content%-length: (%d+)$")
    until line == ""
    connection:receive(tonumber(length))
  end
end

local BATCH = 50

-- Posts messages "first" to "last", many at a time on one connection; `between` is called after
-- each batch.
local function post_many(server, first, last, text_of, between, batch)
  local connection = assert(socket.connect("127.0.0.1", server.port))
  connection:settimeout(15)
  batch = batch or BATCH
  for from = first, last, batch do
    local requests, to = {}, math.min(from + batch - 1, last)
    for i = from, to do requests[#requests + 1] = request_of(text_of(i)) end
    assert(connection:send(table.concat(requests)))
    read_answers(connection, to - from + 1)
    if between then between(to) end
  end
  connection:close()
end

local function numbered(i) return "number " .. i end

local function position_of(frame) return tonumber(frame.id:match("%.(%d+)$")) end

-- What the messages of some frames say, as "first-last" while they follow each other.
local function runs_of(frames)
  local runs = {}
  for _, frame in ipairs(frames) do
    local i = tonumber(frame.data:match("number (%d+)"))
    local run = runs[#runs]
    if run and run[2] + 1 == i then run[2] = i else runs[#runs + 1] = { i, i } end
  end
  for i, run in ipairs(runs) do runs[i] = ("%d-%d"):format(run[1], run[2]) end
  return table.concat(runs, " ")
end

-- Every listener of a test, since what a failed one leaves open goes to the next one's servers.
local listeners = {}

local function listen(server, options)
  local listener = events.open(server, options)
  listeners[#listeners + 1] = listener
  return listener
end

local function close_listeners()
  for _, listener in ipairs(listeners) do listener:close() end
  listeners = {}
end

-- The kilobytes of nginx, which is the launcher's only child that is not a shell.
local function resident_kb(server)
  local pid = support.capture(("pgrep -P %d nginx"):format(server.pid)):match("%d+")
  local status = assert(support.read_file(("/proc/%s/status"):format(pid)))
  return tonumber(status:match("VmRSS:%s+(%d+)"))
end

describe("server-sent events", function()
  local server, quiet, quiet_server
  setup(function()
    server, quiet_server = support.start(), support.start()
    quiet = events.open(quiet_server)
  end)
  teardown(function()
    quiet:close()
    server:stop()
    quiet_server:stop()
  end)
  before_each(function() server:reset_ledger() end)
  after_each(close_listeners)

  it("begin with who speaks", function()
    local listener = listen(server)
    local hello = listener:take("hello", 1)[1]
    assert.matches("^%x", hello.id)
    assert.is_table(json.decode(hello.data))
    assert.are.equal(200, listener.status)
    assert.matches("\r\ncontent%-type: text/event%-stream", listener.head:lower())
    assert.matches("\r\nx%-request%-id: ", listener.head:lower())
  end)

  it("come once each and in order, to each who listens", function()
    local one, two = listen(server), listen(server)
    one:take("hello", 1)
    two:take("hello", 1)
    post_many(server, 1, 1000, numbered)
    for _, listener in ipairs { one, two } do
      local frames = listener:take("message", 1000)
      assert.are.equal("1-1000", runs_of(frames))
      for i = 2, #listener.frames do
        local before, this = listener.frames[i - 1], listener.frames[i]
        assert.are.equal(position_of(before) + 1, position_of(this))
      end
    end
  end)

  it("come while the request that made them is hardly answered", function()
    local listener = listen(server)
    listener:take("hello", 1)
    local began = socket.gettime()
    server:post(sms("number 1"))
    listener:take("message", 1)
    assert.is_true(socket.gettime() - began < 1)
  end)

  it("go on where one was", function()
    local listener = listen(server)
    listener:take("hello", 1)
    post_many(server, 1, 3, numbered)
    local last = listener:take("message", 3)[3].id
    listener:close()
    post_many(server, 4, 40, numbered)
    local again = listen(server, { last_event_id = last })
    post_many(server, 41, 50, numbered)
    assert.are.equal("4-50", runs_of(again:take("message", 47)))
    assert.are.same({}, again:of_kind("behind"))
  end)

  it("are not sent to who comes back too late: that one is told to fetch anew", function()
    local listener = listen(server)
    listener:take("hello", 1)
    post_many(server, 1, 1, numbered)
    local last = listener:take("message", 1)[1].id
    listener:close()
    post_many(server, 2, 6000, numbered)
    local again = listen(server, { last_event_id = last })
    again:take("behind", 1)
    assert.are.same({}, again:of_kind("message"))
    post_many(server, 6001, 6010, numbered)
    assert.are.equal("6001-6010", runs_of(again:take("message", 10)))
  end)

  it("skip what a slow listener missed, and never without saying so", function()
    local listener = listen(server, { receive_buffer = 32768 })
    listener:take("hello", 1)
    local long = ("x"):rep(2000)
    -- It takes a little of what comes, as often as keeps it from being taken for dead.
    local pumped_at = socket.gettime()
    post_many(server, 1, 6000, function(i) return numbered(i) .. long end, function()
      if socket.gettime() - pumped_at < 1 then return end
      listener:pump()
      pumped_at = socket.gettime()
    end)
    listener:take("behind", 1)
    post_many(server, 6001, 6001, numbered)
    listener:wait(function()
      local messages = listener:of_kind("message")
      return messages[1] and messages[#messages].data:find("number 6001", 1, true)
    end, "the last message")
    for i = 2, #listener.frames do
      local before, this = listener.frames[i - 1], listener.frames[i]
      local step = position_of(this) - position_of(before)
      assert.is_true(this.event == "behind" and step >= 0 or step == 1, this.id)
    end
  end)

  it("come whole to one who is alone again, after many have gone", function()
    local many = {}
    for i = 1, 150 do
      many[i] = listen(server)
      many[i]:take("hello", 1)
    end
    for i = 1, 150 do many[i]:close() end
    local listener = listen(server)
    listener:take("hello", 1)
    local long = ("x"):rep(2000)
    post_many(server, 1, 2500, function(i) return numbered(i) .. long end, function()
      listener:pump()
    end)
    listener:take("message", 2500)
    assert.are.same({}, listener:of_kind("behind"))
  end)

  it("that came while a listener was slow do not wait for others", function()
    local listener = listen(server, { receive_buffer = 4096 })
    listener:take("hello", 1)
    local long = ("x"):rep(5000)
    post_many(server, 1, 300, function(i) return numbered(i) .. long end)
    local began = socket.gettime()
    assert.are.equal("1-300", runs_of(listener:take("message", 300)))
    -- Sooner than the next comment would have made it look.
    assert.is_true(socket.gettime() - began < 10)
  end)

  it("are over for one that takes nothing, and cost no more than a little meanwhile", function()
    local listener = listen(server, { receive_buffer = 4096 })
    listener:take("hello", 1)
    local long, before = ("x"):rep(100000), resident_kb(server)
    post_many(server, 1, 100, function() return long end, nil, 1)
    local again = listen(server)
    again:take("hello", 1)
    -- The messages themselves are kept, and so is the news of them.
    assert.is_true(resident_kb(server) - before < 80 * 1024)
    support.wait(function() return listener.connection:getoption("error") end, "a reset")
  end)

  it("come over https too", function()
    local found, ssl = pcall(require, "ssl")
    if not found then return pending("needs lua-sec") end
    local secure = support.start { tls = true }
    local listener = listen(secure, { wrap = function(connection)
      local wrapped = assert(ssl.wrap(connection, { mode = "client", protocol = "any",
        options = "all", verify = "none" }))
      assert(wrapped:dohandshake())
      return wrapped
    end })
    local ok, problem = pcall(listener.take, listener, "hello", 1)
    secure:stop()
    assert(ok, problem)
  end)

  it("are kept alive by a comment each 15 seconds", function()
    local ok = pcall(quiet.wait, quiet, function() return quiet.frames[2] end, "a comment")
    if not ok then quiet:wait(function() return quiet.frames[2] end, "a comment") end
    assert.are.equal(":", quiet.frames[2].comment)
  end)
end)

describe("an answer that waits", function()
  local server
  setup(function() server = support.start() end)
  teardown(function() server:stop() end)
  before_each(function() server:reset_ledger() end)
  after_each(close_listeners)

  local function ask(query)
    return listen(server, { path = "/sandbox/messages?" .. query })
  end

  local function body_of(listener)
    return listener:wait(function()
      local length = tonumber((listener.head or ""):lower():match("content%-length: (%d+)"))
      return length and #listener.text >= length and json.decode(listener.text)
    end, "an answer")
  end

  it("comes as soon as there is what was asked for", function()
    local listener = ask("wait=60&count=2")
    server:post(sms("number 1"))
    socket.sleep(0.2)
    listener:pump()
    assert.is_nil(listener.status)
    server:post(sms("number 2"))
    assert.are.equal(2, body_of(listener).total)
    assert.matches("\r\nx%-request%-id: ", listener.head:lower())
  end)

  it("comes with what there is when its time is over", function()
    server:post(sms("number 1"))
    local began = socket.gettime()
    local listener = ask("wait=1&count=2")
    assert.are.equal(1, body_of(listener).total)
    assert.is_true(socket.gettime() - began >= 0.95)
    assert.are.equal(200, listener.status)
  end)

  it("comes when time alone makes it true", function()
    server:request("PATCH", "/sandbox/options", '{"t_sent":0.3,"t_finalized":0.6}')
    server:post(sms("number 1"))
    local listener = ask("wait=60&status=delivered")
    assert.are.equal("delivered", body_of(listener).data[1].status)
    server:request("PATCH", "/sandbox/options", '{"t_sent":null,"t_finalized":null}')
  end)

  it("comes at the end with a refusal when exactly so many were wanted", function()
    local listener = ask("wait=1&exactly=2")
    server:post(sms("number 1"))
    body_of(listener)
    assert.are.equal(409, listener.status)
  end)

  it("may be waited for by hundreds at once, while others are served", function()
    local waiting = {}
    for i = 1, 400 do waiting[i] = ask("wait=60&match=number%20" .. i .. "x") end
    post_many(server, 1, 400, function(i) return numbered(i) .. "x" end)
    for i, listener in ipairs(waiting) do
      assert.is_truthy(body_of(listener).data[1].text:find("number " .. i .. "x", 1, true))
    end
  end)
end)

describe("those who wait", function()
  after_each(close_listeners)

  -- 64 connections, half of which may wait.
  local N_FILES, N_PLACES = 96, 32

  local function open_many(server, count, path)
    local many = {}
    for i = 1, count do many[i] = listen(server, { path = path }) end
    return many
  end

  local function close_all(many, is_abrupt)
    for _, listener in ipairs(many) do
      if is_abrupt then
        listener.connection:setoption("linger", { on = true, timeout = 0 })
      end
      listener:close()
    end
  end

  it("have so much room, which is said, and the service has its own", function()
    local server = support.start { files = N_FILES }
    local said = server.greeting
    local many = open_many(server, N_PLACES)
    for _, listener in ipairs(many) do listener:take("hello", 1) end
    local one_more = events.open(server)
    local status = one_more:answer()
    local refused_poll = server:request("GET", "/sandbox/messages?wait=10")
    local posted = server:post(sms("number 1"))
    server:stop()
    assert.matches("\n  pages     32 at once, no more: ulimit %-n is 96\n", said)
    assert.are.same({ 503, 503, 200 }, { status, refused_poll, posted })
  end)

  it("leave nothing behind when they go, however they go", function()
    local server = support.start { files = N_FILES }
    local slowest = 0
    for round = 1, 8 do
      local path = round % 2 == 0 and "/sandbox/messages?wait=300&count=1000" or nil
      local many = open_many(server, N_PLACES, path)
      local opened
      if not path then
        for _, listener in ipairs(many) do assert.are.equal(200, listener:answer()) end
      else
        -- All of them wait once there is no room for one more.
        support.wait(function() return server:request("GET",
          "/sandbox/messages?wait=1&count=1000") == 503 end, "all to wait")
      end
      close_all(many, round > 4)
      local began = socket.gettime()
      -- None is let in while one of those is taken for present.
      support.wait(function()
        opened = open_many(server, N_PLACES)
        for _, listener in ipairs(opened) do
          if listener:answer() ~= 200 then return close_all(opened) end
        end
        return true
      end, "room for all")
      slowest = math.max(slowest, socket.gettime() - began)
      close_all(opened)
      support.wait(function()
        local one = events.open(server)
        local status = one:answer()
        one:close()
        return status == 200
      end, "room for one")
    end
    server:stop()
    -- A second, and one for a busy machine.
    assert.is_true(slowest < 2, slowest)
  end)

  for _, signal in ipairs { "INT", "TERM" } do
    it("do not hold up the end: SIG" .. signal, function()
      local server = support.start()
      local many = open_many(server, 20)
      for _, listener in ipairs(many) do listener:take("hello", 1) end
      for _, listener in ipairs(open_many(server, 20, "/sandbox/messages?wait=300&count=9")) do
        many[#many + 1] = listener
      end
      local began = socket.gettime()
      os.execute(("kill -%s %d"):format(signal, server.pid))
      for _, listener in ipairs(many) do
        listener:wait(function() return listener.is_closed end, "the end")
      end
      local took = socket.gettime() - began
      close_all(many)
      server:stop()
      assert.is_true(took < 1, took)
    end)
  end

  it("are a thousand, and have all of the news while the service answers", function()
    local server = support.start()
    local many = open_many(server, 980)
    for _, listener in ipairs(many) do listener:take("hello", 1) end
    local n_posted, slowest = 40, 0
    for i = 1, n_posted do
      local began = socket.gettime()
      assert.are.equal(200, (server:post(sms(numbered(i)))))
      slowest = math.max(slowest, socket.gettime() - began)
    end
    local all = ("1-%d"):format(n_posted)
    for _, listener in ipairs(many) do
      assert.are.equal(all, runs_of(listener:take("message", n_posted)))
      assert.are.same({}, listener:of_kind("behind"))
    end
    close_all(many)
    server:stop()
    assert.is_true(slowest < 2, slowest)
  end)
end)
