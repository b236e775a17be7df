-- A program that is asked to end, by a signal: once it is told, and then it is ended.

local LUA = rawget(_G, "jit") and "luajit" or "lua" .. _VERSION:match("%d%.%d")
local quote = require("spec.support.sandbox").quote

local CHILD = [[
local telnyx, core = require "telnyx", require "telnyx.core"
local heeds_int = arg[1] == "INT" or nil
local function say(word) io.stdout:write(word, "\n") io.stdout:flush() end
say(tostring(telnyx.terminated(heeds_int)))
while not telnyx.terminated(heeds_int) do core.sleep(5) end
say("asked")
while true do core.sleep(5) end
]]

describe("a program that asks whether it is to end", function()
  local path
  setup(function()
    path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(CHILD)
    file:close()
  end)
  teardown(function() os.remove(path) end)

  local function start(before, signal)
    local command = ("%s echo $$; export LUA_PATH=%s LUA_CPATH=%s; exec %s %s %s 2>&1"):format(
      before, quote(package.path), quote(package.cpath), LUA, path, signal)
    local pipe = assert(io.popen("sh -c " .. quote(command) .. "; echo code $?"))
    return { pipe = pipe, pid = assert(tonumber(pipe:read("*l"))) }
  end

  local function send(child, signal)
    assert(os.execute(("kill -%s %d"):format(signal, child.pid)))
    return child.pipe:read("*l")
  end

  it("is told by SIGTERM, and is ended by the next", function()
    local child = start("", "TERM")
    assert.equal("false", child.pipe:read("*l"))
    assert.equal("asked", send(child, "TERM"))
    assert.equal("code 143", send(child, "TERM"))
    child.pipe:close()
  end)

  it("is told by Ctrl-C, and is interrupted by the next", function()
    local child = start("", "INT")
    assert.equal("false", child.pipe:read("*l"))
    assert.equal("asked", send(child, "INT"))
    assert.matches("interrupted!", send(child, "INT"))
    assert.matches("code 1\n", child.pipe:read("*a"))
    child.pipe:close()
  end)

  it("leaves Ctrl-C alone unless it asks for that", function()
    local child = start("", "TERM")
    assert.equal("false", child.pipe:read("*l"))
    assert.matches("interrupted!", send(child, "INT"))
    child.pipe:close()
  end)

  it("leaves a signal alone that is ignored", function()
    local child = start("trap '' TERM;", "TERM")
    assert.equal("nil", child.pipe:read("*l"))
    assert(os.execute(("kill -TERM %d"):format(child.pid)))
    assert.equal("code 137", send(child, "KILL"))
    child.pipe:close()
  end)
end)
