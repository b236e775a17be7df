-- notify_http_spec.lua: the test, over HTTP. Run it with: busted notify_http_spec.lua
local http = require "socket.http"
local json = require "cjson"
local ltn12 = require "ltn12"
local notify = require "notify"
local url = require "socket.url"

local ORIGIN = os.getenv("TELNYX_BASE_URL"):gsub("/v2$", "")
local PHONE = "+13125550002"

-- Nobody listens there. The sandbox keeps what it would post, and tests give it to the program.
local HOOKS = "http://127.0.0.1:9/hooks"

local function query_of(fields)
  local query = {}
  for name, value in pairs(fields) do
    query[#query + 1] = name .. "=" .. url.escape(tostring(value))
  end
  return "?" .. table.concat(query, "&")
end

-- What a test asks of the sandbox. Anything but 200 fails the test.
local function sandbox(method, path, fields)
  local query = method == "GET" and query_of(fields) or ""
  local body = method ~= "GET" and fields and json.encode(fields) or ""
  local chunks = {}
  local _, status = assert(http.request {
    method = method, url = ORIGIN .. "/sandbox/" .. path .. query, sink = ltn12.sink.table(chunks),
    headers = { ["content-length"] = #body }, source = ltn12.source.string(body),
  })
  local reply = json.decode(table.concat(chunks))
  if status ~= 200 then error(("%s: %d %s"):format(path, status, reply.errors[1].detail), 2) end
  return reply
end

-- Waits at most ten seconds for the first that matches.
local function first(path, fields)
  fields.wait = 10
  return assert(sandbox("GET", path, fields).data[1], "nothing came in ten seconds")
end

describe("notify", function()
  local program

  local function pass_on(webhook)
    assert.equal(200, program:receive(webhook.body, webhook.headers))
  end

  before_each(function()
    program = notify.new { webhook_url = HOOKS }
    sandbox("DELETE", "messages")
    sandbox("PATCH", "options", {
      t_sent = 0, t_finalized = 3600, -- messages end when a test says so
      weather = json.null, weather_times = 0,
      profile_webhook_url = HOOKS,
    })
  end)

  it("sends a code that opens the door", function()
    assert.is_true(program:send_code(PHONE, "login-1"))
    local message = first("messages", { to = PHONE, match = "Your code is" })
    assert.equal(program.codes["login-1"], message.text:match("%d%d%d%d%d%d"))
    assert.equal(1, message.parts)
  end)

  it("sends one message for a login, also when the answer is lost", function()
    sandbox("PATCH", "options", { weather = "51500", weather_times = 1 })
    program:send_code(PHONE, "login-2")
    sandbox("GET", "messages", { key = "login-2", exactly = 1 })
  end)

  it("sends what is refused for being too many at once", function()
    assert.is_true(program:send_code("+15550042910", "login-3"))
    sandbox("GET", "messages", { key = "login-3", exactly = 1 })
  end)

  it("sends no more to who says STOP", function()
    program:send_code(PHONE, "login-4")
    local message = first("messages", { key = "login-4" })
    sandbox("POST", "reply", { from = PHONE, to = message.from, text = "STOP" })
    pass_on(first("webhooks", { event_type = "message.received" }))
    local _, err = program:send_code(PHONE, "login-5")
    assert.equal("40300", err.code)
    sandbox("GET", "messages", { key = "login-5", exactly = 0 })
  end)

  it("knows that a message did not arrive", function()
    program:send_code(PHONE, "login-6")
    local id = first("messages", { key = "login-6" }).id
    sandbox("POST", "outcome", { id = id, status = "delivery_failed", code = "40008" })
    pass_on(first("webhooks", { message = id, event_type = "message.finalized" }))
    assert.is_true(program.failed["login-6"])
  end)
end)
