-- Pages of somebody else, open in the same browser as the sandbox's own.

local json = require("cjson.safe").new()
local sandbox = require("spec.support.sandbox")
local socket = require("socket")
local visitor = require("telnyx.sandbox.nginx.visitor")

local HOST = "127.0.0.1:12111"
local BROWSER = "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0"

local function objection(headers, method, path)
  headers.host = headers.host or HOST
  return visitor.objection { method = method or "GET", path = path or "/sandbox/messages",
    headers = headers }
end

local function passes(...)
  assert.is_nil(objection(...))
end

local function fails(...)
  assert.is_string(objection(...))
end

describe("a visitor", function()
  it("that says nothing of a page is a program, by whatever name it came", function()
    for _, host in ipairs { HOST, "sandbox", "api.telnyx.com", "10.0.0.7:80", "[::1]:12111" } do
      passes { host = host, ["user-agent"] = "curl/8.14.1", accept = "*/*" }
      passes { host = host, ["user-agent"] = "node", ["accept-language"] = "*",
        ["sec-fetch-mode"] = "cors", accept = "*/*" }
    end
    passes {}
    assert.is_nil(visitor.objection { method = "POST", path = "/v2/messages", headers = {} })
  end)

  it("from the sandbox's own page is welcome", function()
    for _, host in ipairs { HOST, "localhost:12111", "[::1]:12111", "127.9.8.7", "LOCALHOST:1",
      "phones.localhost:12111" } do
      local own = "http://" .. host:lower()
      passes({ host = host, origin = own, ["sec-fetch-site"] = "same-origin" }, "POST")
      passes({ host = host, origin = own }, "POST")
      passes({ host = host, origin = "https://" .. host }, "DELETE")
      passes { host = host, ["sec-fetch-site"] = "same-origin", ["user-agent"] = BROWSER }
    end
  end)

  it("who typed the address, or came by a bookmark, is welcome", function()
    passes { ["sec-fetch-site"] = "none", ["sec-fetch-mode"] = "navigate" }
    passes { ["user-agent"] = BROWSER, ["accept-language"] = "en" }
  end)

  it("whose name was bound to this machine anew is not", function()
    for _, host in ipairs { "evil.example:12111", "127.0.0.1.evil.example",
      "localhost.evil.example", "evil-localhost", "127.0.0.256", "127.1", "0.0.0.0",
      "[::]", "10.0.0.7", "", "127.0.0.1@evil", "127.0.0.1:12111:1", "localhost/" } do
      fails { host = host, origin = "http://" .. host, ["sec-fetch-site"] = "same-origin" }
      fails { host = host, origin = "http://" .. host }
      -- To such a name browsers send no Sec-Fetch-Site, and with a GET no Origin.
      fails { host = host, ["user-agent"] = BROWSER, ["accept-language"] = "en" }
      fails { host = host, ["user-agent"] = BROWSER }
      fails { host = host, ["accept-language"] = "" }
    end
  end)

  it("from a page of another origin is not", function()
    for _, origin in ipairs { "http://evil.example", "http://127.0.0.1:3000", "http://127.0.0.1",
      "null", "", "http://localhost:12111", "file://127.0.0.1:12111", "http://127.0.0.1:12111/",
      "http://127.0.0.1:12111.evil.example", "http://evil@127.0.0.1:12111" } do
      for _, method in ipairs { "GET", "POST", "DELETE", "PATCH", "OPTIONS" } do
        fails({ origin = origin }, method)
        fails({ origin = origin, ["sec-fetch-site"] = "cross-site" }, method)
        fails({ origin = origin, ["sec-fetch-site"] = "same-site" }, method, "/v2/messages")
      end
    end
  end)

  it("from another site is not, whatever it wants", function()
    for _, wanted in ipairs { { "no-cors", "image" }, { "cors", "empty" }, { "no-cors", "script" },
      { "navigate", "iframe" }, { "websocket", "websocket" } } do
      for _, path in ipairs { "/", "/sandbox/events", "/sandbox/media/sample.png" } do
        fails({ ["sec-fetch-site"] = "cross-site", ["sec-fetch-mode"] = wanted[1],
          ["sec-fetch-dest"] = wanted[2] }, "GET", path)
      end
    end
    fails { ["sec-fetch-site"] = "something new" }
  end)

  it("from another port of this machine gets pictures, and nothing else", function()
    local function asks(method, path)
      return objection({ ["sec-fetch-site"] = "same-site", ["sec-fetch-mode"] = "no-cors",
        ["sec-fetch-dest"] = "image" }, method, path)
    end
    assert.is_nil(asks("GET", "/sandbox/media/sample.png"))
    for _, path in ipairs { "/", "/sandbox/messages?match=47&wait=2", "/sandbox/events",
      "/sandbox/media", "/v2/messages", "//sandbox/media/sample.png" } do
      assert.is_string(asks("GET", path))
    end
    for _, method in ipairs { "POST", "DELETE", "PATCH" } do
      assert.is_string(asks(method, "/sandbox/reply"))
      assert.is_string(asks(method, "/sandbox/media/sample.png"))
    end
  end)

  it("may follow a link to the page, and to nothing else", function()
    local function follow(method, path)
      return objection({ ["sec-fetch-site"] = "cross-site", ["sec-fetch-mode"] = "navigate",
        ["sec-fetch-dest"] = "document" }, method, path)
    end
    assert.is_nil(follow("GET", "/"))
    assert.is_nil(follow("GET", "/?utm=1"))
    assert.is_string(follow("GET", "/sandbox/messages"))
    assert.is_string(follow("GET", "//"))
    assert.is_string(follow("POST", "/"))
  end)
end)

describe("in a browser, a page of somebody else", function()
  local server, host
  setup(function()
    server = sandbox.start()
    host = "127.0.0.1:" .. server.port
  end)
  teardown(function() server:stop() end)
  before_each(function() server:reset_ledger() end)

  -- What the browser would put on the wire.
  local function ask(method, path, headers, body)
    local lines = { ("%s %s HTTP/1.1"):format(method, path), "Connection: close" }
    headers.Host = headers.Host or host
    for name, value in pairs(headers) do lines[#lines + 1] = name .. ": " .. value end
    if body then lines[#lines + 1] = "Content-Length: " .. #body end
    local connection = assert(socket.connect("127.0.0.1", server.port))
    connection:settimeout(10)
    connection:send(table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or ""))
    local heard = connection:receive("*a")
    connection:close()
    local head, rest = heard:match("^(.-\r\n)\r\n(.*)$")
    return tonumber(head:match("^HTTP/1.1 (%d+)")), head:lower(), rest
  end

  local function is_refused(...)
    local status, head, body = ask(...)
    assert.are.equal(403, status)
    assert.are.equal("10010", json.decode(body).errors[1].code)
    assert.is_nil(head:find("access-control", 1, true))
    assert.matches("\r\nx%-request%-id: ", head)
  end

  local MESSAGE = '{"from":"+13125550001","to":"+13125550002","text":"from a page"}'

  it("cannot post a form", function()
    for _, origin in ipairs { "http://evil.example", "null" } do
      is_refused("POST", "/v2/messages", { Origin = origin, ["Content-Type"] = "text/plain",
        Authorization = "Bearer KEY_X", ["Sec-Fetch-Site"] = "cross-site",
        ["Sec-Fetch-Mode"] = "navigate", ["Sec-Fetch-Dest"] = "document" }, MESSAGE)
      is_refused("POST", "/sandbox/reply", { Origin = origin, ["Content-Type"] = "text/plain" },
        '{"from":"+13125550002","to":"+13125550001","text":"STOP"}')
    end
    assert.are.equal(0, server:ledger().posts)
  end)

  it("cannot fetch, nor ask whether it may, nor delete", function()
    server:post(json.decode(MESSAGE))
    local from = { Origin = "http://localhost:3000", ["Sec-Fetch-Site"] = "same-site",
      ["Sec-Fetch-Mode"] = "cors" }
    is_refused("GET", "/sandbox/ledger", from)
    is_refused("OPTIONS", "/v2/messages", from)
    is_refused("DELETE", "/sandbox/ledger", from)
    assert.are.equal(1, server:ledger().accepted)
  end)

  it("cannot listen to events", function()
    is_refused("GET", "/sandbox/events", { Origin = "http://evil.example",
      Accept = "text/event-stream", ["Sec-Fetch-Site"] = "cross-site" })
  end)

  it("cannot show what is here as its image", function()
    is_refused("GET", "/sandbox/media/sample.png", { ["Sec-Fetch-Site"] = "cross-site",
      ["Sec-Fetch-Mode"] = "no-cors", ["Sec-Fetch-Dest"] = "image" })
  end)

  it("cannot have its own name lead here", function()
    is_refused("GET", "/sandbox/ledger", { Host = "evil.example:" .. server.port,
      ["User-Agent"] = BROWSER, ["Accept-Language"] = "en" })
    is_refused("POST", "/v2/messages", { Host = "evil.example:" .. server.port,
      Origin = "http://evil.example:" .. server.port, Authorization = "Bearer KEY_X" }, MESSAGE)
  end)

  it("takes nothing from the sandbox's own page, nor from programs", function()
    local own = { Origin = "http://" .. host, ["Sec-Fetch-Site"] = "same-origin" }
    assert.are.equal(200, (ask("GET", "/sandbox/ledger", own)))
    assert.are.equal(200, (ask("DELETE", "/sandbox/ledger", own)))
    assert.are.equal(200, (ask("GET", "/sandbox/ledger", { Host = "anything.example" })))
    assert.are.equal(200, (ask("POST", "/v2/messages", { Authorization = "Bearer KEY_X",
      ["Content-Type"] = "application/json", ["User-Agent"] = "curl/8.14.1", Accept = "*/*" },
      MESSAGE)))
  end)
end)
