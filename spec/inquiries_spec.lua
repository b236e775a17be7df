-- What is asked about messages that were sent, over real sockets: get, cancel, group messages.

local cjson = require "cjson"
local telnyx = require "telnyx"
local wire = require "spec.support.wire"

local KEY = "KEY0123456789ABCDEF_inquiries"
local ID = "40385f64-5717-4562-b3fc-2c963f66afa6"
local request = wire.request

local function message(id, more)
  local data = { id = id or ID, record_type = "message", direction = "outbound",
    to = { { phone_number = "+18665550001", status = "delivered" } } }
  for name, value in pairs(more or {}) do data[name] = value end
  return data
end

local function answer(document, status) return wire.reply(status or 200, cjson.encode(document)) end

local WEBHOOK = "https://a.example/"
local GROUP = { from = "+18445550001", to = { "+18665550001", "+18665550002" }, text = "Hello all" }

describe("asking about a message", function()
  local station, listener, client
  setup(function() station = wire.start() end)
  teardown(function() station:stop() end)
  after_each(function()
    if client then client:close() end
    client = nil
  end)

  local function new(options, ...)
    listener = station:listen { ... }
    options.api_key, options.base_url = KEY, listener.url
    if options.retry == nil then options.retry = { base = 0.001 } end
    client = telnyx.new(options)
    return client
  end

  local function requests()
    local list = {}
    for _, connection in ipairs(listener:seen().connections) do
      for _, one in ipairs(connection.requests) do list[#list + 1] = one end
    end
    return list
  end

  it("gets it as it stands", function()
    new({}, { request, answer { data = message() } })
    local got, info = client:get(ID)
    assert.equal(ID, got.id)
    assert.equal("delivered", got.to[1].status)
    assert.equal(200, info.status)
    local seen = requests()
    assert.equal(1, #seen)
    assert.equal("GET", seen[1].method)
    assert.equal("/v2/messages/" .. ID, seen[1].path)
    assert.equal("Bearer " .. KEY, seen[1].headers.authorization)
    assert.equal("", seen[1].body)
  end)

  it("asks on one connection as long as the answers name what was asked", function()
    new({}, { request, answer { data = message() }, request, answer { data = message("b") },
      request, answer({ errors = { { code = "10005", title = "No" } } }, 404) },
      { request, answer { data = message() } })
    assert(client:get(ID))
    assert(client:get("b"))
    assert.is_nil((client:get("c")))
    assert(client:get(ID))
    local seen = listener:seen().connections
    assert.equal(3, #seen[1].requests)
    assert.equal(1, #seen[2].requests)
  end)

  it("puts an id into the path, whatever is in it", function()
    new({ retry = false }, wire.SERVICE)
    for _, id in ipairs { "../x", "a b", "a\r\nb", "a?b#c", "ä", "%2F", ("x"):rep(300) } do
      client:get(id)
    end
    for i, expected in ipairs { "..%2Fx", "a%20b", "a%0D%0Ab", "a%3Fb%23c", "%C3%A4", "%252F" } do
      assert.equal("/v2/messages/" .. expected, requests()[i].path)
    end
  end)

  it("asks nothing of what is no id", function()
    new({}, wire.SERVICE)
    for _, id in ipairs { "", ".", ".." } do
      assert.matches("no message's id", tostring(select(2, client:get(id))))
      assert.matches("no message's id", tostring(select(2, client:cancel(id))))
    end
    assert.equal(0, #requests())
  end)

  it("says so where the answer is about another message, or about none", function()
    for _, document in ipairs { { data = message("other") }, { data = { 1 } }, {}, message("b") } do
      new({ retry = false }, { request, answer(document) })
      local got, err = client:get(ID)
      assert.is_nil(got)
      assert.equal("unknown", err.outcome)
      assert.equal("protocol", err.kind)
      client:close()
    end
  end)

  it("tries again what only reads: after an end, a 500, a time-out", function()
    for what, script in pairs { cut = { request, wire.rst },
      broken = { request, answer({ errors = { { code = "10007", title = "Oops" } } }, 500) },
      silent = { request, wire.stall } } do
      new({ timeout = 0.3 }, script, { request, answer { data = message() } })
      local got, info = client:get(ID)
      assert.equal(ID, got and got.id, what .. ": " .. tostring(info))
      assert.equal(2, #info.attempts)
      client:close()
    end
  end)

  it("reads errors in an envelope and bare", function()
    local one = { code = "10005", title = "Resource not found", detail = "Not here" }
    for _, document in ipairs { { errors = { one } }, one } do
      new({}, { request, answer(document, 404) })
      local got, err = client:get(ID)
      assert.is_nil(got)
      assert.equal("rejected", err.outcome)
      assert.equal("api", err.kind)
      assert.equal("10005", err.code)
      assert.equal("Not here", err.detail)
      client:close()
    end
  end)

  it("takes no page of another's for an error of the service", function()
    new({}, { request, answer({ code = 404, message = "no route" }, 404) })
    local _, err = client:get(ID)
    assert.equal("protocol", err.kind)
  end)

  it("cancels by a bare object or one in data, once", function()
    for _, document in ipairs { message(nil, { to = { { status = "cancelled" } } }),
      { data = message(nil, { to = { { status = "cancelled" } } }) } } do
      new({}, { request, answer(document) })
      local got = assert(client:cancel(ID))
      assert.equal("cancelled", got.to[1].status)
      assert.equal("DELETE", requests()[1].method)
      assert.equal("/v2/messages/" .. ID, requests()[1].path)
      client:close()
    end
  end)

  it("has cancelled nothing where the answer is about another message", function()
    for _, document in ipairs { { data = message("other") }, message("other"), {} } do
      new({}, { request, answer(document) })
      local got, err = client:cancel(ID)
      assert.is_nil(got)
      assert.equal("unknown", err.outcome)
      client:close()
    end
  end)

  it("does not cancel again what may have been cancelled", function()
    for _, script in ipairs { { request, wire.rst }, { request, wire.reply(500, "{}") } } do
      for _, is_begun in ipairs { false, true } do
        new({}, script, { request, answer(message()) })
        local got, err
        if is_begun then
          local pending = client:start_cancel(ID)
          repeat until client:step(0.1) == 0
          got, err = pending:result()
        else
          got, err = client:cancel(ID)
        end
        assert.is_nil(got)
        assert.equal("unknown", err.outcome)
        assert.equal(1, #requests())
        client:close()
      end
    end
  end)

  it("goes by the key of its client, its limits and its log", function()
    local rows = {}
    new({ log = function(row) rows[#rows + 1] = row end, timeout = 0.2, retry = false },
      { request, wire.stall })
    local _, err = client:get(ID)
    assert.equal("timeout", err.kind)
    assert.equal("GET /messages/" .. ID, rows[1].request)
    assert.equal("attempt", rows[1].event)
  end)

  it("shows no secret", function()
    new({ retry = false }, { request, answer({ errors = { { code = "10009", title = KEY,
      detail = KEY } } }, 401) })
    local _, err = client:get(ID)
    assert.is_nil(tostring(err):find(KEY, 1, true))
    assert.is_nil((err.detail or ""):find(KEY, 1, true))
  end)

  it("says of a question that it was not answered, and not that a message went out", function()
    local half = "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"
    local scripts = { ["cut"] = { request, wire.send(half), wire.rst },
      ["a page"] = { request, wire.reply(200, "<html>") },
      ["nothing"] = { request, wire.reply(204, nil) } }
    for what, script in pairs(scripts) do
      new({ retry = false }, script)
      local _, err = client:get(ID)
      assert.equal("unknown", err.outcome, what)
      local line = tostring(err)
      assert.matches("^no answer", line)
      assert.is_nil(line:find("message went out", 1, true))
      assert.is_nil(line:find("delivered", 1, true))
      assert.is_nil(err.advice:find("send", 1, true))
      client:close()
      new({}, script, { request, answer { data = message() } })
      assert.equal(ID, assert(client:get(ID)).id)
      client:close()
      new({}, script, { request, answer(message()) })
      _, err = client:cancel(ID)
      assert.equal("unknown", err.outcome)
      assert.matches("it may be cancelled: get the message to see", tostring(err))
      assert.equal(1, #requests())
      client:close()
    end
  end)

  it("says nothing of a message by a question that could not be asked", function()
    client = telnyx.new { api_key = KEY, base_url = "http://127.0.0.1:1/v2", retry = false }
    for _, ask in ipairs { function() return client:get(ID) end,
      function() return client:settle("none") end } do
      local _, err = ask()
      assert.equal("unknown", err.outcome)
      assert.matches("^no answer: ", tostring(err))
      assert.is_nil(tostring(err):find("mend", 1, true))
      assert.is_nil(tostring(err):find("send", 1, true))
    end
    local _, err = client:cancel(ID)
    assert.equal("not_sent", err.outcome)
    assert.matches("^not asked: ", tostring(err))
  end)

  -- The word is about sending a message again.
  it("calls no failed question retryable", function()
    client = telnyx.new { api_key = KEY, base_url = "http://127.0.0.1:1/v2", retry = false }
    assert.is_false(select(2, client:get(ID)).retryable)
    assert.is_false(select(2, client:cancel(ID)).retryable)
    client:close()
    local many = answer({ errors = { { code = "10011", title = "Too many requests" } } }, 429)
    for _, ask in ipairs { "get", "cancel" } do
      new({ retry = false }, { request, many })
      local _, err = client[ask](client, ID)
      assert.equal("rejected", err.outcome)
      assert.is_false(err.retryable)
      assert.is_nil(tostring(err):find("send again", 1, true))
      client:close()
    end
  end)

  it("may be told whom to call back in the place of options", function()
    new({}, { request, answer { data = message() } })
    local told
    client:start_get(ID, function(got) told = got end)
    repeat until client:step(0.1) == 0
    assert.equal(ID, told.id)
  end)

  it("is begun, and called back in a step", function()
    new({}, { request, answer { data = message() } })
    local told
    local pending = client:start_get(ID, nil, function(got, info) told = { got, info } end)
    assert.is_false(pending.done)
    repeat until client:step(0.1) == 0
    assert.equal(ID, told[1].id)
    assert.equal(ID, (pending:result()).id)
  end)

  it("is no business of a sender that carries messages only", function()
    local n = 0
    client = telnyx.new { sender = { send = function() n = n + 1 return { id = "m" }, {} end } }
    for what, ask in pairs { unknown = function() return client:get(ID) end,
      not_sent = function() return client:cancel(ID) end } do
      local got, err = ask()
      assert.is_nil(got)
      assert.equal(what, err.outcome)
      assert.matches("carries messages", err.cause)
    end
    for _, ask in ipairs { function() return client:send_group(GROUP) end } do
      local got, err = ask()
      assert.is_nil(got)
      assert.equal("not_sent", err.outcome)
      assert.matches("carries messages", err.cause)
    end
    assert.equal(0, n)
  end)

  it("complains of misuse", function()
    new({}, wire.SERVICE)
    assert.error_matches(function() client:get(nil) end, "get expects the id")
    assert.error_matches(function() client:cancel {} end, "cancel expects the id")
    assert.error_matches(function() client:get(ID, { key = "k" }) end, "unknown option \"key\"")
    assert.error_matches(function() client:start_get(ID, nil, 1) end, "start_get expects a fun")
    for _, ask in ipairs { function() client:get(nil) end, function() client:cancel(nil) end,
      function() client:get(ID, { x = 1 }) end, function() client:start_get(nil) end,
      function() client:settle(nil) end, function() client:settle("k", { x = 1 }) end,
      function() client:settle_all { x = 1 } end, function() client:send_group(nil) end } do
      local _, why = pcall(ask)
      assert.matches("inquiries_spec", why)
    end
    assert.error_matches(function() client:send_group "x" end, "send_group expects a message")
    client:close()
    assert.error_matches(function() client:get(ID) end, "closed")
  end)

  describe("a group message", function()
    local ACCEPTED = answer { data = message("g-1", { to = {
      { phone_number = "+18665550001" }, { phone_number = "+18665550002" } } }) }

    it("is posted to its own resource, to all", function()
      new({ defaults = { webhook_url = "https://a.example/" } }, { request, ACCEPTED })
      local sent = assert(client:send_group(GROUP))
      assert.equal("g-1", sent.id)
      local seen = requests()[1]
      assert.equal("POST", seen.method)
      assert.equal("/v2/messages/group_mms", seen.path)
      assert.same({ from = "+18445550001", to = { "+18665550001", "+18665550002" },
        text = "Hello all", webhook_url = "https://a.example/" }, cjson.decode(seen.body))
    end)

    it("is sent once under a key, with its reference", function()
      new({}, { request, ACCEPTED })
      local own = { from = GROUP.from, to = GROUP.to, text = "x", webhook_url = WEBHOOK }
      assert(client:send_group(own, { key = "group 1" }))
      local again, info = client:send_group(own, { key = "group 1" })
      assert.equal("g-1", again.id)
      assert.is_true(info.replayed)
      assert.equal(1, #requests())
      assert.matches("telnyx_ref=%x+", cjson.decode(requests()[1].body).webhook_url)
    end)

    it("is not sent again where nobody knows its end", function()
      new({}, { request, wire.rst }, { request, ACCEPTED })
      local _, err = client:send_group(GROUP)
      assert.equal("unknown", err.outcome)
      assert.equal(1, #requests())
    end)

    it("has its key as a header, where that is asked for", function()
      new({ idempotency_header = true }, { request, ACCEPTED })
      assert(client:send_group(GROUP, { key = "group-1" }))
      assert.equal("group-1", requests()[1].headers["idempotency-key"])
      local _, err = client:send_group(GROUP, { key = "group 2" })
      assert.equal("idempotency_key", err.rule)
      assert.equal(1, #requests())
    end)

    it("has nobody's outcome but its own", function()
      for to, outcome in pairs { ["+18665550002"] = "accepted", ["+18665550009"] = "unknown" } do
        new({}, { request, answer { data = message("g-1", { to = { { phone_number = to } } }) } })
        local sent, result = client:send_group(GROUP)
        assert.equal(outcome == "accepted", sent ~= nil)
        assert.equal(outcome, result.outcome)
        assert.equal(1, #requests())
        client:close()
      end
    end)

    it("is accepted, though its answer cannot be read", function()
      new({}, { request, answer { data = {} } })
      local _, err = client:send_group(GROUP)
      assert.equal("accepted", err.outcome)
    end)

    local WRONG = {
      ["a number"] = { { to = "+18665550001" }, "/to" },
      ["none"] = { { to = {} }, "/to" },
      ["a hole"] = { { to = { [2] = "+18665550001" } }, "/to" },
      ["names"] = { { to = { a = "+18665550001" } }, "/to" },
      ["too many"] = { { to = { "+18665550001", "+18665550002", "+18665550003", "+18665550004",
        "+18665550005", "+18665550006", "+18665550007", "+18665550008", "+18665550009" } }, "/to" },
      ["another country's"] = { { to = { "+18665550001", "+4915112345678" } }, "/to/1" },
      ["a number too long"] = { { to = { "+18665550001", "+186655500021" } }, "/to/1" },
      ["a number in brackets"] = { { to = { "(+18665550001)" } }, "/to/0" },
      ["one twice"] = { { to = { "+18665550001", "+18665550001" } }, "/to/1" },
      ["no string"] = { { to = { "+18665550001", 7 } }, "/to/1" },
      ["a sender from abroad"] = { { from = "+4915112345678" }, "/from" },
      ["a sender by name"] = { { from = "Shop" }, "/from" },
      ["no sender"] = { { from = false }, "/from" },
      ["a field of others"] = { { type = "MMS" }, "/type" },
      ["a schedule"] = { { send_at = "2030-01-01T00:00:00Z" }, "/send_at" },
      ["nothing to say"] = { { text = false }, "/text" },
    }
    for what, wrong in pairs(WRONG) do
      it("is refused here with " .. what, function()
        new({}, wire.SERVICE)
        local own = { from = GROUP.from, to = GROUP.to, text = GROUP.text }
        for name, value in pairs(wrong[1]) do own[name] = value end
        local sent, err = client:send_group(own)
        assert.is_nil(sent)
        assert.equal("not_sent", err.outcome)
        assert.equal("local", err.source)
        assert.equal(wrong[2], err.pointer)
        assert.equal(0, #listener:seen().connections)
      end)
    end

    it("tells every fault at once", function()
      new({}, wire.SERVICE)
      local _, err = client:send_group { from = GROUP.from, to = { "+18665550001", "x" },
        text = "Hello", type = "MMS", webhook_url = "ftp://a.example" }
      local pointers = {}
      for i, one in ipairs(err.errors) do pointers[i] = one.source.pointer end
      assert.same({ "/type", "/to/1", "/webhook_url" }, pointers)
    end)
  end)
end)
