local core = require("telnyx.core")
local json = require("cjson.safe").new()
local nginx = require("telnyx.sandbox.nginx.configuration")
local socket = require("socket")
local support = require("spec.support.sandbox")

local FAST = { t_sent = 0, t_finalized = 0, backoff = 0.01, webhook_timeout = 2 }

local function sms(changes)
  local message = { from = "+13125550001", to = "+15550040090", text = "Hello, World!" }
  for name, value in pairs(changes or {}) do message[name] = value end
  return message
end

local Receiver = {}
Receiver.__index = Receiver

local function receiver()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  return setmetatable({ listener = listener, url = ("http://127.0.0.1:%d/hook?ref=abc")
    :format(port) }, Receiver)
end

-- The next request, unanswered; nil when none comes in time.
function Receiver:take(seconds)
  self.listener:settimeout(seconds or 10)
  local connection = self.listener:accept()
  if not connection then return nil end
  connection:settimeout(10)
  local request = { connection = connection, headers = {}, line = connection:receive("*l") }
  local line = connection:receive("*l")
  while line ~= "" do
    local name, value = line:match("^([^:]+): (.*)$")
    request.headers[name:lower()] = value
    line = connection:receive("*l")
  end
  request.body = connection:receive(tonumber(request.headers["content-length"]))
  request.event = json.decode(request.body)
  return request
end

local function reply_to(request, status, rest)
  request.connection:send(("HTTP/1.1 %d Words\r\nContent-Length: 2\r\n%s\r\nok")
    :format(status, rest or ""))
  request.connection:close()
end

function Receiver:close()
  self.listener:close()
end

describe("webhooks from nginx", function()
  local server, hook
  setup(function() server = support.start() end)
  teardown(function() server:stop() end)

  local function turn(changes)
    local status, body = server:request("PATCH", "/sandbox/options", json.encode(changes))
    assert.are.equal(200, status, body)
  end

  before_each(function()
    server:reset_ledger()
    turn(FAST)
    hook = receiver()
  end)
  after_each(function() hook:close() end)

  local function deliveries(tail)
    local _, body = server:request("GET", "/v2/webhook_deliveries" .. (tail or ""))
    return json.decode(body)
  end

  local function finished(count)
    return support.wait(function()
      local decoded = deliveries()
      return decoded.meta.total_results >= count and decoded.data
    end, "the deliveries")
  end

  it("are posted to this machine, and verified by the key that is shown", function()
    server:post(sms { webhook_url = hook.url })
    local request = hook:take()
    reply_to(request, 200)
    assert.are.equal("POST /hook?ref=abc HTTP/1.1", request.line)
    assert.are.same({ "message.sent", 1, hook.url }, { request.event.data.event_type,
      request.event.meta.attempt, request.event.meta.delivered_to })
    local _, shown = server:request("GET", "/sandbox/public_key")
    local key = core.base64_decode(json.decode(shown).public_key)
    assert.is_true(core.ed25519_verify(key,
      core.base64_decode(request.headers["telnyx-signature-ed25519"]),
      request.headers["telnyx-timestamp"] .. "|" .. request.body))
    local row = finished(1)[1]
    assert.are.same({ "delivered", 200, "ok" }, { row.status,
      row.attempts[1].http.response.status, row.attempts[1].http.response.body })
  end)

  it("come again until they are taken, and follow no redirect", function()
    local elsewhere = receiver()
    server:post(sms { webhook_url = hook.url })
    reply_to(hook:take(), 500)
    reply_to(hook:take(), 302, "Location: " .. elsewhere.url .. "\r\n")
    local third = hook:take()
    assert.are.equal(3, third.event.meta.attempt)
    reply_to(third, 200)
    local codes = {}
    for i, attempt in ipairs(finished(1)[1].attempts) do codes[i] = attempt.errors[1] or 0 end
    assert.are.same({ 0, 75300, 75500 }, codes)
    assert.is_nil(elsewhere:take(0.05))
    elsewhere:close()
  end)

  it("may be answered in chunks", function()
    server:post(sms { webhook_url = hook.url })
    local request = hook:take()
    request.connection:send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      .. "3\r\nall\r\na;name=value\r\n is well!\n\r\n0\r\n\r\n")
    local row = finished(1)[1]
    assert.are.equal("all is well!\n", row.attempts[1].http.response.body)
    request.connection:close()
  end)

  it("never leave this machine", function()
    local far = "http://192.0.2.1/hook"
    server:post(sms { webhook_url = far, webhook_failover_url = "https://127.0.0.1:1/" })
    local row = finished(1)[1]
    local codes = {}
    for i, attempt in ipairs(row.attempts) do codes[i] = attempt.errors[1] end
    assert.are.same({ 75006, 75006, 75006, 75001, 75001, 75001 }, codes)
    assert.are.equal("failed", row.status)
  end)

  it("find nobody where nobody listens", function()
    local url = hook.url
    hook:close()
    server:post(sms { webhook_url = url:gsub("127.0.0.1", "localhost") })
    assert.are.same({ 75002 }, finished(1)[1].attempts[1].errors)
  end)

  it("wait for a slow receiver without keeping others waiting", function()
    turn { webhook_timeout = 0.3, tries_per_url = 1 }
    server:post(sms { webhook_url = hook.url })
    local slow = hook:take()
    local started = socket.gettime()
    server:post(sms { webhook_url = hook.url, text = "another" })
    reply_to(hook:take(), 200)
    assert.is_true(socket.gettime() - started < 0.3)
    local rows = finished(2)
    slow.connection:close()
    local codes = {}
    for i, row in ipairs(rows) do codes[i] = row.attempts[1].errors[1] or 0 end
    assert.are.same({ 75000, 0 }, codes)
    turn { tries_per_url = json.decode("null") }
  end)

  it("come before the reply when they are told to", function()
    turn { before_reply = true }
    local body = json.encode(sms { webhook_url = hook.url })
    local connection = assert(socket.connect("127.0.0.1", server.port))
    connection:send(("POST /v2/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer KEY_X\r\n"
      .. "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body))
    local request = hook:take()
    connection:settimeout(0)
    assert.are.equal("timeout", select(2, connection:receive("*l")))
    reply_to(request, 200)
    connection:settimeout(10)
    assert.are.equal("HTTP/1.1 200 OK", connection:receive("*l"))
    connection:close()
    turn { before_reply = false }
  end)

  it("come in a burst, all at once", function()
    turn { burst = 3 }
    for i = 1, 3 do server:post(sms { webhook_url = hook.url, text = tostring(i) }) end
    local held = { hook:take(), hook:take(), hook:take() }
    assert.are.equal(3, #held)
    for _, request in ipairs(held) do reply_to(request, 200) end
    finished(3)
    turn { burst = 0 }
  end)

  it("tell of what is written back", function()
    turn { profile_webhook_url = hook.url }
    local status = server:request("POST", "/sandbox/reply",
      json.encode { from = "+13125550002", to = "+13125550001", text = "STOP" })
    assert.are.equal(200, status)
    local request = hook:take()
    reply_to(request, 200)
    assert.are.same({ "message.received", "STOP" },
      { request.event.data.event_type, request.event.data.payload.autoresponse_type })
    assert.are.equal(403, (server:post(sms { to = "+13125550002" })))
    turn { profile_webhook_url = json.decode("null") }
  end)

  it("survive a receiver that speaks no HTTP", function()
    turn { tries_per_url = 1 }
    server:post(sms { webhook_url = hook.url })
    local request = hook:take()
    request.connection:send("\1\2\3\r\n\r\n")
    request.connection:close()
    assert.are.same({ 75000 }, finished(1)[1].attempts[1].errors)
    turn { tries_per_url = json.decode("null") }
  end)
end)

describe("the sandbox's signing seed", function()
  it("makes the key, and the key is said when the sandbox starts", function()
    local folder = support.temporary_folder()
    local seed = ("s"):rep(32)
    local hex = seed:gsub(".", function(byte) return ("%02X"):format(byte:byte()) end)
    local pipe = assert(io.popen(("exec %s >%s/output 2>&1"):format(
      support.command("--port 0 --until-eof --signing-seed " .. hex), folder), "w"))
    local key = support.greeting(folder .. "/output"):match(" TELNYX_PUBLIC_KEY=(%S+)\n")
    pipe:close()
    os.execute("rm -rf " .. folder)
    assert.are.equal(core.base64_encode(core.ed25519_public_key(seed)), key)
  end)

  it("is 64 hexadecimal digits", function()
    for _, seed in ipairs { "x", ("a"):rep(63), ("g"):rep(64), '"; evil' } do
      assert.has_error(function() nginx.configuration { port = 12111, signing_seed = seed } end,
        "the signing seed must be 64 hexadecimal digits")
    end
    assert.is_truthy(nginx.configuration { port = 1, signing_seed = ("0aB9"):rep(16) }
      :find(("0aB9"):rep(16), 1, true))
  end)
end)
