local support = require("spec.support.service")

local ask, at_noon = support.ask, support.at_noon

local function bring(service, bytes, kind, headers)
  local all = { ["content-type"] = kind, host = "127.0.0.1:12111" }
  for name, value in pairs(headers or {}) do all[name] = value end
  local response, decoded = ask(service, "POST", "/sandbox/media", bytes, all)
  return decoded and decoded.url, response
end

local function path_of(url) return (url:gsub("^https?://[^/]*", "")) end

describe("the sandbox's media", function()
  it("are shown as they came, as pictures and nothing else", function()
    local service = at_noon()
    for kind, ending in pairs { ["image/png"] = "png", ["image/jpeg"] = "jpg",
      ["image/gif"] = "gif", ["image/webp"] = "webp", ["Image/PNG; x=1"] = "png" } do
      local bytes = "\0\255<script>" .. kind
      local url, response = bring(service, bytes, kind)
      assert.are.equal(200, response.status)
      assert.is_truthy(url:find("^http://127%.0%.0%.1:12111/sandbox/media/%x+%." .. ending .. "$"))
      response = service:handle { method = "GET", path = path_of(url), headers = {} }
      assert.are.same({ 200, bytes, kind:lower():match("^[^;]*"), "nosniff" },
        { response.status, response.body, response.headers["content-type"],
          response.headers["x-content-type-options"] })
      assert.are.equal("default-src 'none'; sandbox",
        response.headers["content-security-policy"])
    end
  end)

  it("have names of their own, and a host that can be", function()
    local service = at_noon()
    local one, other = bring(service, "a", "image/png"), bring(service, "a", "image/png")
    assert.are_not.equal(one, other)
    for _, host in ipairs { "evil/../", "a b", 'x"y', "" } do
      local url = bring(service, "a", "image/png", { host = host })
      assert.is_truthy(url:find("^http://sandbox%.invalid/sandbox/media/"), url)
    end
    local url = bring(service, "a", "image/png", { host = "[::1]:8" })
    assert.is_truthy(url:find("//[::1]:8/", 1, true))
  end)

  it("are refused where they are none", function()
    local service = at_noon()
    for _, case in ipairs {
      { "a", "text/html", 400 }, { "a", "image/svg+xml", 400 }, { "", "image/png", 400 },
      { ("x"):rep(1024 * 1024 + 1), "image/png", 413 },
      { ("x"):rep(1024 * 1024), "image/png", 200 },
    } do
      local _, response = bring(service, case[1], case[2])
      assert.are.equal(case[3], response.status)
    end
    assert.are.equal(400, service:handle({ method = "POST", path = "/sandbox/media",
      headers = {}, body = "a" }).status)
    assert.are.equal(400, (ask(service, "POST", "/sandbox/media?x=1", "a",
      { ["content-type"] = "image/png" })).status)
    for _, name in ipairs { "none.png", "%2e%2e", "sample.gif" } do
      assert.are.equal(404, (ask(service, "GET", "/sandbox/media/" .. name)).status)
    end
  end)

  it("are forgotten when there are more than 64", function()
    local service, urls = at_noon(), {}
    for i = 1, 65 do urls[i] = bring(service, "a" .. i, "image/png") end
    assert.are.equal(404, (ask(service, "GET", path_of(urls[1]))).status)
    for i = 2, 65 do
      local response = service:handle { method = "GET", path = path_of(urls[i]), headers = {} }
      assert.are.equal("a" .. i, response.body)
    end
  end)

  it("have one that is always there", function()
    local response = at_noon():handle { method = "GET", path = "/sandbox/media/sample.png",
      headers = {} }
    assert.are.same({ 200, "image/png", "\137PNG\r\n\26\n", "IEND\174B`\130" },
      { response.status, response.headers["content-type"], response.body:sub(1, 8),
        response.body:sub(-8) })
  end)

  it("can come with what a phone sends", function()
    local service = at_noon()
    local url = bring(service, "a", "image/webp")
    local response = ask(service, "POST", "/sandbox/reply",
      { from = "+13125550002", to = "+13125550001", media_urls = { url } })
    assert.are.equal(200, response.status)
    local _, decoded = ask(service, "GET", "/sandbox/messages")
    assert.are.same({ "MMS", { url } }, { decoded.data[1].type, decoded.data[1].media })
    local id = decoded.data[1].id
    _, decoded = ask(service, "GET", "/v2/messages/" .. id)
    assert.are.equal("image/webp", decoded.data.media[1].content_type)
  end)
end)
