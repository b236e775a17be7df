local sandbox = require("telnyx.sandbox")

local FOLDER = "lua/telnyx/sandbox/page"

local function get(path, method)
  local service = sandbox.new()
  return service:handle { method = method or "GET", path = path, headers = {}, body = "" }
end

local function read(name)
  local file = assert(io.open(FOLDER .. "/" .. name, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

local function names()
  local list, pipe = {}, assert(io.popen("ls " .. FOLDER))
  for name in pipe:lines() do list[#list + 1] = name end
  pipe:close()
  return list
end

local TYPES = {
  html = "text/html; charset=utf-8", css = "text/css; charset=utf-8",
  js = "text/javascript; charset=utf-8", svg = "image/svg+xml",
}

local function each(action)
  for _, name in ipairs(names()) do action(name, read(name)) end
end

local function scripts(action)
  each(function(name, text) if name:find("%.js$") then action(name, text) end end)
end

describe("the phones page", function()
  it("is at the root, and needs no key", function()
    local response = get("/")
    assert.are.equal(200, response.status)
    assert.are.equal(read("index.html"), response.body)
    assert.are.equal("text/html; charset=utf-8", response.headers["content-type"])
    assert.are.equal(200, get("/?utm=1").status)
  end)

  it("serves every file of its folder, byte by byte, with its type", function()
    each(function(name, text)
      local response = get("/sandbox/page/" .. name)
      assert.are.equal(200, response.status, name)
      assert.are.equal(text, response.body, name)
      assert.are.equal(TYPES[name:match("%w+$")], response.headers["content-type"], name)
    end)
  end)

  it("serves nothing else", function()
    for _, name in ipairs {
      "", "nothing.js", "../service.lua", "..%2Fservice.lua", "page.lua", "index.html/",
      "/etc/passwd",
      "index", "INDEX.HTML", "app.js%00", "..", ".",
    } do
      assert.are.equal(404, get("/sandbox/page/" .. name).status, name)
    end
    assert.are.equal(405, get("/", "POST").status)
    assert.are.equal(405, get("/sandbox/page/app.js", "DELETE").status)
  end)

  it("lets nothing run or load but what the sandbox serves", function()
    for _, path in ipairs { "/", "/sandbox/page/app.js", "/sandbox/page/icon.svg" } do
      local headers = get(path).headers
      assert.are.equal("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        .. "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        .. "require-trusted-types-for 'script'", headers["content-security-policy"])
      assert.are.equal("nosniff", headers["x-content-type-options"])
      assert.are.equal("no-referrer", headers["referrer-policy"])
      assert.are.equal("same-origin", headers["cross-origin-opener-policy"])
      assert.are.equal("same-origin", headers["cross-origin-resource-policy"])
      assert.are.equal("no-cache", headers["cache-control"])
    end
  end)

  it("is found from another folder", function()
    local pipe = assert(io.popen("pwd"))
    local here = pipe:read("*l")
    pipe:close()
    local command = [[cd / && LUA_PATH='%s/lua/?.lua;%s/lua/?/init.lua;;' %s -e '
      local service = require("telnyx.sandbox").new()
      local request = { method = "GET", path = "/", headers = {}, body = "" }
      io.write(service:handle(request).status)']]
    local interpreter = arg[-1] or "lua5.4"
    pipe = assert(io.popen(command:format(here, here, interpreter)))
    assert.are.equal("200", pipe:read("*a"))
    pipe:close()
  end)

  it("names no other host", function()
    each(function(name, text)
      local own = text:gsub('xmlns="http://www%.w3%.org/2000/svg"', "")
      assert.is_nil(own:find("https?://[%w%[]"), name)
      assert.is_nil(own:find("[\"'%(]//%w"), name)
      assert.is_nil(own:find("data:%w+/"), name)
      assert.is_nil(own:find("@import", 1, true), name)
    end)
  end)

  it("has no style and no script within its markup", function()
    local page = read("index.html")
    assert.is_nil(page:find("<style", 1, true))
    assert.is_nil(page:find("[%s\"]style="))
    assert.is_nil(page:find("[%s\"]on%l+="))
    assert.is_nil(page:find("javascript:", 1, true))
    for attributes, content in page:gmatch("<script(.-)>(.-)</script>") do
      assert.is_not_nil(attributes:find('src="/sandbox/page/%w+%.js"'))
      assert.are.equal("", content)
    end
  end)

  it("makes nothing of text but text", function()
    scripts(function(name, text)
      for _, way in ipairs {
        "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function",
        "setAttribute(\"style", ".style.", "srcdoc", "DOMParser", "createContextualFragment",
      } do
        assert.is_nil(text:find(way, 1, true), name .. " uses " .. way)
      end
    end)
  end)

  it("is made of modules that are there", function()
    scripts(function(name, text)
      for import in text:gmatch('[%s]from "([^"]+)"') do
        assert.is_not_nil(import:find("^%./[%w-]+%.js$"), name .. " imports " .. import)
        assert.are.equal(200, get("/sandbox/page/" .. import:sub(3)).status, import)
      end
    end)
    for path in read("index.html"):gmatch('="(/sandbox/page/[^"]*)"') do
      assert.are.equal(200, get(path).status, path)
    end
  end)

  it("is made of files that a person can read", function()
    scripts(function(name, text)
      local _, lines = text:gsub("\n", "")
      assert.is_true(lines <= 260, name .. " has " .. lines .. " lines")
    end)
  end)
end)
