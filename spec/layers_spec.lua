--- `.ci/layers.lua` over a small house of its own, sound at first, then with one breach.

local process = require("spec.support.process")

local CHECKER = process.run("pwd"):gsub("%s+$", "") .. "/.ci/layers.lua"

local HOUSE = [[
return {
  c = {
    { folder = "csrc/core", units = "low high", system = "stddef.h string.h" },
    { folder = "csrc/http", units = "watch door", below = { ["csrc/core"] = true },
      unseen = "lua lauxlib" },
    { folder = "csrc/lua", units = "ltlx", below = { ["csrc/core"] = true,
      ["csrc/http"] = "door" }, unseen = "curl/" },
  },
  lua = {
    { "errors/init" },
    { "send/cost", "telnyx.core telnyx.errors" },
    { "client", "cjson.safe telnyx.errors telnyx.send.cost" },
    { "init", "telnyx.client" },
  },
}
]]

local SOUND = {
  [".ci/house.lua"] = HOUSE,
  ["csrc/core/low.h"] = "#include <stddef.h>\n",
  ["csrc/core/low.c"] = '#include "low.h"\n',
  ["csrc/core/high.h"] = '#include "low.h"\n',
  ["csrc/core/high.c"] = '#include "high.h"\n#include <string.h>\n',
  ["csrc/core/more.c"] = '#include "high.h"\n#include "low.h"\n',
  ["csrc/http/watch.h"] = '#include <curl/curl.h>\n#include "low.h"\n',
  ["csrc/http/door.h"] = '#include "high.h"\n',
  ["csrc/http/door.c"] = '#include "door.h"\n#include "watch.h"\n',
  ["csrc/lua/ltlx.h"] = '#include <lua.h>\n#include "high.h"\n',
  ["csrc/lua/client.c"] = '#include "ltlx.h"\n#include "door.h"\n',
  ["lua/telnyx/errors/init.lua"] = 'return "we require \\"nothing\\""\n',
  ["lua/telnyx/send/cost.lua"] = 'local errors = require("telnyx.errors")\n'
    .. 'local ok, core = pcall(require, "telnyx.core")\nreturn { errors, ok, core }\n',
  ["lua/telnyx/client.lua"] = '-- require "telnyx.init"\n--[[ require("telnyx.init") ]]\n'
    .. "return { require'telnyx.errors', require [[telnyx.send.cost]] }\n",
  ["lua/telnyx/init.lua"] = 'return require "telnyx.client"\n',
}

local function write(path, text)
  process.run(("mkdir -p $(dirname '%s')"):format(path))
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

---What the checker says of the sound house with `changes`: a text, or false for no such file.
local function verdict(changes)
  local root = process.run("mktemp -d"):gsub("%s+$", "")
  for path, text in pairs(SOUND) do
    if changes[path] == nil then write(root .. "/" .. path, text) end
  end
  for path, text in pairs(changes) do
    if text then write(root .. "/" .. path, text) end
  end
  local command = "cd '%s' && %s '%s' && echo sound"
  local said = process.run(command:format(root, process.lua(), CHECKER))
  process.run(("rm -r '%s'"):format(root))
  return said
end

local function row(from, to) return { [".ci/house.lua"] = (HOUSE:gsub(from, to)) } end

local function file(path, text) return { [path] = text } end

local COST, CLIENT = "lua/telnyx/send/cost.lua", "lua/telnyx/client.lua"

local breaches = {
  { "a header of the core looks up", file("csrc/core/low.h", '#include "high.h"'),
    "low%.h looks up to high%.h" },
  { "a source of the core looks up",
    file("csrc/core/low.c", '#include "low.h"\n #  include "high.h"'),
    "low%.c looks up to high%.h" },
  { "a source without a header of its own looks up",
    file("csrc/core/more.c", '#include "low.h"\n#include "high.h"'),
    "more%.c looks up to high%.h" },
  { "the core sees another room", file("csrc/core/high.c", '#include "high.h"\n#include <watch.h>'),
    "high%.c may not see watch%.h" },
  { "the core sees a clock", file("csrc/core/high.c", '#include "high.h"\n#include <time.h>'),
    "must not know time%.h" },
  { "a new header of the core",
    file("csrc/core/new.h", '#include "low.h"'), "new%.h has no place" },
  { "a new header of the engine",
    file("csrc/http/new.h", '#include "low.h"'), "new%.h has no place" },
  { "a new header of the binding", file("csrc/lua/new.h", '#include "ltlx.h"'),
    "new%.h has no place" },
  { "a source that belongs nowhere", file("csrc/http/new.c", "#include <stdio.h>"),
    "new%.c has no place" },
  { "a header of the engine looks up", file("csrc/http/watch.h", '#include "door.h"'),
    "watch%.h looks up to door%.h" },
  { "the engine knows Lua", file("csrc/http/door.c", '#include "door.h"\n#include <lauxlib.h>'),
    "must not know lauxlib%.h" },
  { "the engine knows the binding",
    file("csrc/http/door.c", '#include "door.h"\n#include "ltlx.h"'),
    "door%.c may not see ltlx%.h" },
  { "the binding passes the door by",
    file("csrc/lua/client.c", '#include "ltlx.h"\n#include "watch.h"'),
    "client%.c may not see watch%.h" },
  { "the binding knows libcurl",
    file("csrc/lua/client.c", '#include "ltlx.h"\n#include <curl/curl.h>'),
    "must not know curl/curl%.h" },
  { "an include by a macro", file("csrc/core/low.c", '#include "low.h"\n#include HIGH'),
    "cannot be read" },
  { "a unit whose header has gone", file("csrc/core/high.h", false), "has no high%.h any more" },

  { "require with brackets", file(COST, 'require("telnyx.client")'),
    "cost%.lua may not require telnyx%.client" },
  { "require without", file(COST, 'require "telnyx.client"'), "may not require telnyx%.client" },
  { "require in single quotes", file(COST, "require'telnyx.client'"),
    "may not require telnyx%.client" },
  { "require of a long string", file(COST, "require [=[telnyx.client]=]"),
    "may not require telnyx%.client" },
  { "a protected require", file(COST, 'pcall(require, "telnyx.client")'),
    "may not require telnyx%.client" },
  { "the second require of a line",
    file(COST, 'local a, b = require("telnyx.errors"), require("telnyx.client")'),
    "may not require telnyx%.client" },
  { "a require over two lines", file(COST, 'require(\n  "telnyx.client"\n)'),
    "may not require telnyx%.client" },
  { "a require in text that is run elsewhere", file(COST, "return [[ require('telnyx.client') ]]"),
    "may not require telnyx%.client" },
  { "a require of what is made up",
    file(COST, 'require("telnyx." .. "client")'), "cannot be read" },
  { "a require under another name", file(COST, 'local r = require r("telnyx.client")'),
    "cannot be read" },
  { "a require by its name", file(COST, '_G["require"]("telnyx.client")'), "cannot be read" },
  { "what others have loaded", file(COST, 'return package.loaded["telnyx.client"]'),
    "'package' whose file cannot be read" },
  { "a file that is run", file(COST, 'dofile("lua/telnyx/client.lua")'),
    "'dofile' whose file cannot be read" },
  { "a new file of Lua", file("lua/telnyx/send/new.lua", "return {}"), "new%.lua has no row" },
  { "a new folder of Lua", file("lua/other.lua", "return {}"), "other%.lua has no row" },
  { "a row whose file has gone",
    file(CLIENT, false), "there is no lua/telnyx/client%.lua any more" },
  { "a row that looks up", row('"telnyx%.core telnyx%.errors"', '"telnyx.client"'),
    "send/cost looks up to telnyx%.client" },
  { "a row twice", row('{ "errors/init" }', '{ "errors/init" }, { "errors/init" }'),
    "errors/init has two rows" },
}

describe("the layers", function()
  it("are content with a sound house", function()
    assert.equal("sound\n", verdict({}))
  end)

  for _, breach in ipairs(breaches) do
    it("see " .. breach[1], function()
      local said = verdict(breach[2])
      assert.matches(breach[3], said)
      assert.not_matches("sound", said)
    end)
  end
end)
