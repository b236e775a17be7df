-- What is public is documented, and what is documented is there.

local sandbox = require("telnyx.sandbox")
local telnyx = require("telnyx")

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

local readme = read("README.md")

local function assert_documented(name)
  assert.truthy(readme:find(name, 1, true), name .. " is not in the README")
end

describe("the README", function()
  it("names every public function of the module", function()
    for name, value in pairs(telnyx) do
      if type(value) == "function" then assert_documented("telnyx." .. name) end
    end
  end)

  it("names every method of a client that is for users", function()
    local client = telnyx.new({ api_key = "KEY" })
    local own = { now = true, default = true, wait = true } -- for send_all
    for name, value in pairs(getmetatable(client).__index) do
      local is_public = type(value) == "function" and not name:find("^__") and not own[name]
      if is_public then assert_documented("client:" .. name) end
    end
  end)

  it("names every method of an outbox and its workers", function()
    local outbox, worker = require("telnyx.run.outbox"), require("telnyx.run.worker")
    local host = { loop = { now = function() return 0 end } }
    local made = { outbox = outbox.new(host), worker = worker.new(host, {}) }
    for what, object in pairs(made) do
      for name, value in pairs(getmetatable(object).__index) do
        local is_public = type(value) == "function" and name ~= "leave" and not name:find("^__")
        if is_public then assert_documented(what .. ":" .. name) end
      end
    end
  end)

  it("names every recipient that makes weather", function()
    for _, row in ipairs(sandbox.weather()) do
      local digits = row.number:match("^%+155500(%d+)$")
      local is_listed = readme:find(digits, 1, true)
        or digits:find("^[89]00%d%d$") or digits:find("^4290%d$") or digits:find("^600[01]%d$")
      assert.truthy(is_listed, row.number .. " is not in the README")
    end
  end)

  it("shows examples that are there", function()
    for path in readme:gmatch("examples/[%w_/]+%.lua") do read(path) end
  end)
end)

it("every module of the library loads", function()
  local pipe = assert(io.popen("find lua/telnyx -name '*.lua'"))
  for path in pipe:lines() do
    local name = path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
    local needs_nginx = name:find("sandbox%.front") or name:find("sandbox%.rounds")
      or name:find("sandbox%.lasting") or name:find("resty", 1, true)
    if not needs_nginx and name ~= "telnyx.types" then require(name) end
  end
  pipe:close()
end)
