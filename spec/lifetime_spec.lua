-- Ends that come early, secrets that must not come out, and doors that must not open the wrong way.

local core = require("telnyx.core")
local exchange = require("spec.support.exchange")
local process = require("spec.support.process")
local telnyx = require("telnyx")
local wire = require("spec.support.wire")

local MESSAGE = { from = "+18445550001", to = "+18665550001", text = "Hello" }

describe("closing a client", function()
  local station
  setup(function() station = wire.start() end)
  teardown(function() station:stop() end)

  it("ends what is in flight as unknown, and tells the callback", function()
    local listener = station:listen({ { wire.request, wire.stall } })
    local client = telnyx.new({ api_key = "KEY_TEST", base_url = listener.url })
    local got
    local pending = client:start(MESSAGE, function(_, err) got = err end)
    while listener:seen().whole == 0 do client:step(0.05) end
    client:close()
    assert.is_true(pending.done)
    assert.equal("unknown", got.outcome)
    assert.truthy(got.cause:find("closed", 1, true))
    assert.equal(1, listener:seen().whole)
  end)

  it("ends a pause between attempts with what is known", function()
    local client = telnyx.new({
      api_key = "KEY_TEST",
      base_url = "http://127.0.0.1:" .. station:refusing_port() .. "/v2",
      retry = { base = 30, cap = 30 }, deadline = 600,
    })
    local pending = client:start(MESSAGE)
    local patience = os.time() + 10
    repeat
      client:step(0.01)
      assert(os.time() < patience)
    until pending.done or (client:timeout() or 0) > 0.3
    client:close()
    assert.is_true(pending.done)
    local _, err = pending:result()
    assert.equal("not_sent", err.outcome)
    assert.is_true(#err.attempts < 3)
  end)

  it("from a callback leaves nobody behind", function()
    local listener = station:listen({ { wire.request, wire.accept }, { wire.request, wire.stall } })
    local client = telnyx.new({ api_key = "KEY_TEST", base_url = listener.url })
    local n_told = 0
    client:start(MESSAGE, function() n_told = n_told + 1 client:close() end)
    client:start(MESSAGE, function() n_told = n_told + 1 end)
    local patience = os.time() + 10
    while n_told < 2 and os.time() < patience do
      if not pcall(client.step, client, 0.05) then break end
    end
    assert.equal(2, n_told)
  end)

  it("by a finalizer while a send is made ready raises, and crashes nothing", function()
    if _VERSION ~= "Lua 5.4" then return end
    -- In a process of its own: a small heap is collected often.
    local output = process.run_lua([[
      local core = require("telnyx.core")
      local message = { from = "12345", to = "+18665550001", text = "Hello" }
      local n_raised = 0
      for _ = 1, 40 do
        local client = core.client({ api_key = "KEY_TEST", base_url = "http://127.0.0.1:1" })
        setmetatable({}, { __gc = function() client:close() end })
        local ok, why = pcall(function()
          for _ = 1, 400 do client:start(message) end
        end)
        if not ok and why:find("closed", 1, true) then n_raised = n_raised + 1 end
        client:close()
      end
      print("raised " .. n_raised)
    ]])
    assert.is_true(tonumber(output:match("^raised (%d+)\n$") or 0) > 0, output)
  end)
end)

describe("secrets:", function()
  local cases = {
    { "a password in base_url", { base_url = "https://me:s3cret@host/" } },
    { "a password in a proxy of a strange kind", { proxy = "foo://me:s3cret@host" } },
    { "a key that is no string", { api_key = { "s3cret" } } },
  }
  for _, case in ipairs(cases) do
    it(case[1] .. " is not shown", function()
      local given = { api_key = "KEY" }
      for name, value in pairs(case[2]) do given[name] = value end
      local ok, message = pcall(core.client, given)
      assert.is_false(ok)
      assert.is_nil(message:find("s3cret", 1, true), message)
    end)
  end

  it("a proxy's password is masked in what went wrong", function()
    local client = core.client({ api_key = "KEY", base_url = "https://localhost:1/v2",
      proxy = "http://me:s3cret@127.0.0.1:1", connect_timeout = 2 })
    local _, err = client:send(MESSAGE)
    assert.equal("not_sent", err.outcome)
    assert.is_nil(err.cause:find("s3cret", 1, true), err.cause)
  end)

  it("NUL in a path or a proxy is refused", function()
    assert.has_error(function() core.client({ api_key = "KEY", ca_file = "/a\0b" }) end)
    assert.has_error(function() core.client({ api_key = "KEY", proxy = "http://a\0b" }) end)
  end)
end)

describe("the environment's proxy", function()
  it("does not get the key of a client for this machine", function()
    local station = wire.start()
    local service, proxy = station:listen({ wire.SERVICE }), station:listen({ wire.SERVICE })
    local script = "local c = require('telnyx').new({api_key='KEY_TEST',base_url='" .. service.url
      .. "'}) print((assert(c:send({from='12345',to='+18665550001',text='x'}))).id)"
    local output = process.run_lua(script,
      ("http_proxy=%s all_proxy=%s"):format(proxy.url, proxy.url))
    assert.equal(1, service:seen().whole, output)
    assert.equal(0, proxy:seen().whole)
    station:stop()
  end)
end)

it("no request id is shown that is not printable", function()
  local x = exchange.asked()
  x:feed("HTTP/1.1 400 Bad\r\nX-Request-Id: a\155[31mb\r\nContent-Length: 0\r\n\r\n")
  local err = exchange.error_of(x)
  assert.equal("rejected", err.outcome)
  assert.is_nil(err.request_id)
end)

it("core.client looks at its first argument alone", function()
  assert.equal("userdata", type((core.client({ api_key = "KEY" }, 42))))
end)

describe("a file's lock", function()
  local path

  before_each(function() path = os.tmpname() end)
  after_each(function() os.remove(path) end)

  local function had_by_another()
    return process.run_lua(([[
      local lock, why = require("telnyx.core").lock_file("%s")
      io.write(type(lock), why or "")
    ]]):format(path))
  end

  it("is nobody else's, until it is closed", function()
    local lock = core.lock_file(path)
    assert.equal("boolean", had_by_another())
    assert.is_false((core.lock_file(path)))
    lock:close()
    assert.equal("userdata", had_by_another())
    lock:close()
  end)

  it("ends when it is collected", function()
    assert.is_truthy(core.lock_file(path))
    collectgarbage()
    collectgarbage()
    assert.equal("userdata", had_by_another())
  end)

  it("does not go with a program that is started", function()
    local lock = core.lock_file(path)
    local pipe = io.popen("read line", "w")
    lock:close()
    assert.equal("userdata", had_by_another())
    pipe:write("end\n")
    pipe:close()
  end)

  it("is of a file, and of one that is there", function()
    local nobodys = core.lock_file("/dev/null")
    assert.is_truthy(nobodys)
    assert.is_truthy(core.lock_file("/dev/null"))
    assert.is_nil((core.lock_file("/tmp")))
    os.remove(path)
    assert.matches("^nil" .. path .. ": ", had_by_another())
    assert.is_nil(io.open(path))
    assert.has_error(function() core.lock_file(7) end)
    assert.has_error(function() nobodys.close(io.stdout) end)
  end)
end)

it("a result is taken once, and not too early", function()
  local client = core.client({ api_key = "KEY", base_url = "http://127.0.0.1:1" })
  local pending = assert(client:start(MESSAGE))
  local patience = os.time() + 10
  while client:step(0.1) > 0 and os.time() < patience do end
  assert.equal(pending, client:finished())
  assert.is_nil((pending:result()))
  assert.has_error(function() pending:result() end)
end)

it("a result that is being made is not taken away by a hook", function()
  -- In a process of its own: it would be read after it was freed.
  local output = process.run_lua([[
    local core = require("telnyx.core")
    local client = core.client({ api_key = "KEY_TEST", base_url = "http://127.0.0.1:1" })
    local function result_with(act, n_call)
      local pending = assert(client:start({ from = "12345", to = "+18665550001", text = "Hello" }))
      while not pending:done() do client:step(0.1) end
      local n_calls = 0
      debug.sethook(function()
        n_calls = n_calls + 1
        if n_calls == n_call then pcall(pending[act], pending) end
      end, "c")
      local ok, _, err = pcall(pending.result, pending)
      debug.sethook()
      return ok and err.outcome
    end
    local n_told = 0
    for _, act in ipairs({ "cancel", "result" }) do
      for n_call = 1, 6 do
        if result_with(act, n_call) == "not_sent" then n_told = n_told + 1 end
      end
    end
    print("told " .. n_told)
  ]])
  assert.is_true(tonumber(output:match("^told (%d+)\n$") or 0) > 6, output)
end)

describe("a request that is done", function()
  local function start(...)
    local client = core.client({ api_key = "KEY", base_url = "http://127.0.0.1:1" })
    local pending = assert(client:start(MESSAGE, nil, ...))
    local patience = os.time() + 10
    while client:step(0.1) > 0 and os.time() < patience do end
    return client, pending
  end

  it("is handed to its owner, or as itself", function()
    local owner = {}
    local client = start(owner)
    assert.equal(owner, client:finished())
    assert.is_nil(client:finished())
    local other, pending = start()
    assert.equal(pending, other:finished())
  end)

  local function is_let_go(take)
    local seen = setmetatable({}, { __mode = "k" })
    local client = (function()
      local owner = {}
      local client, pending = start(owner)
      seen[owner], seen[pending] = true, true
      take(client, pending)
      return client
    end)()
    for _ = 1, 3 do collectgarbage() end
    assert.is_nil(next(seen))
    client:close()
  end

  it("is let go of once it is handed out", function()
    is_let_go(function(client) client:finished() end)
  end)

  it("is let go of once its result is taken, and not handed out then", function()
    is_let_go(function(client, pending)
      pending:result()
      assert.is_nil(client:finished())
    end)
  end)

  it("is let go of when its client is closed, and tells its result still", function()
    local held
    is_let_go(function(client, pending)
      client:close()
      local _, err = pending:result()
      held = err.outcome
    end)
    assert.equal("not_sent", held)
  end)
end)

it("every fault beyond the room is at least counted", function()
  local extra = {}
  for i = 1, 40 do extra["bad" .. i] = print end
  local _, err = core.validate({ to = "+18665550001", from = "12345", text = "x", extra = extra })
  assert.equal(32, #err.errors)
  assert.truthy(err.errors[32].detail:find("9 more faults", 1, true), err.errors[32].detail)
end)

it("a list in extra has no strange keys", function()
  local list = { [1] = 1, [2] = 2, [4] = 4, [2.5] = 0 }
  local extra = { a = list }
  local ok = core.validate({ to = "+18665550001", from = "12345", text = "x", extra = extra })
  assert.is_nil(ok)
end)

local REFUSED = { "https://h\\x", "https://[]", "https://h\195\188", "https://a b", "https://" }
local TAKEN = { "https://[::1]:8443/v2", "https://my-host_1.example.com", "https://10.0.0.1/" }
for _, host in ipairs(REFUSED) do
  it("base_url " .. host .. " is refused", function()
    assert.has_error(function() core.client({ api_key = "KEY", base_url = host }) end)
  end)
end
for _, host in ipairs(TAKEN) do
  it("base_url " .. host .. " is taken", function()
    assert.truthy(core.client({ api_key = "KEY", base_url = host }))
  end)
end
