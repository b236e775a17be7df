-- examples/segments.lua, run as a person runs it.

local interpreter = rawget(_G, "jit") and "luajit" or "lua" .. _VERSION:match("%d%.%d")
local ESCAPE = "\27"

local function quoted(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

local function run(words, setup)
  local list = {}
  for i, word in ipairs(words) do list[i] = quoted(word) end
  local pipe = assert(io.popen(("%s COLUMNS=44 %s examples/segments.lua %s 2>&1"):format(
    setup or "", interpreter, table.concat(list, " "))))
  local output = pipe:read("*a")
  pipe:close()
  return output
end

local function lines(...) return table.concat({ ... }, "\n") .. "\n" end

describe("the terminal face of segments", function()
  it("shows a plain text in one part", function()
    assert.equal(lines(
      "1 part, GSM-7",
      "23 of 160 units, 137 free",
      "",
      "part 1 of 1  ##..................  23 of 160",
      "  Your order is on its wa"
    ), run { "Your order is on its wa" })
  end)

  it("marks what forces UCS-2, and says what would be cheaper", function()
    assert.equal(lines(
      "2 parts, UCS-2",
      "72 units, 67 to a part, 62 free in the last",
      "UCS-2 because of ’ U+2019, character 3",
      "",
      "part 1 of 2  ####################  67 of 67",
      "  It’s on its way. It’s on its way. It’s o",
      "    ^                ^                ^",
      "  n its way. It’s on its way.",
      "               ^",
      "",
      "part 2 of 2  #...................  5 of 67",
      "   Ok!!",
      "",
      "not in GSM-7",
      "  ’ U+2019    4 times   could be '",
      "",
      "cheaper",
      "  replacing ’ (U+2019, 4 times) by ' makes 1 part instead of 2"
    ), run { ("It’s on its way. "):rep(4) .. "Ok!!" })
  end)

  it("keeps the marks under wide characters and those of no width", function()
    local output = run { "a中b😀c e\204\129 ❤\239\184\143 x\194\160y\226\128\139z Ж" }
    assert.truthy(output:find(lines(
      "  a中b😀c e\204\129 ❤\239\184\143 x␣y·z Ж",
      "   ^^ ^^  ^ ^  ^ ^  ^"), 1, true), output)
  end)

  it("shows line ends and tabs, and starts a new line where the text does", function()
    local output = run { "one\ntwo\tthree" }
    assert.truthy(output:find(lines("  one⏎", "  two→three", "     ^"), 1, true), output)
  end)

  it("says so when a pair at a boundary costs a part", function()
    local output = run { ("a"):rep(152) .. "]" .. ("b"):rep(152) }
    assert.truthy(output:find("3 parts, GSM-7", 1, true))
    assert.truthy(output:find("units divided by 153 would be 2 parts", 1, true))
    assert.truthy(output:find("part 1 of 3  ###################.  152 of 153", 1, true), output)
  end)

  it("shows what is sent after substitutions", function()
    local output = run { "--smart", "It’s “ok”" }
    assert.truthy(output:find("1 part, GSM-7", 1, true))
    assert.truthy(output:find("3 characters replaced by smart encoding", 1, true))
    assert.truthy(output:find("  It's \"ok\"\n", 1, true))
    assert.is_nil(output:find("^", 1, true))
  end)

  it("takes another charset", function()
    assert.truthy(run({ "--charset", "ascii", "[`]" }):find("1 part, ASCII\n3 of 160", 1, true))
    assert.truthy(run({ "--charset", "3gpp", "Ω" }):find("1 part, GSM-7", 1, true))
    assert.truthy(run({ "--charset", "latin", "a" }):find("usage", 1, true))
  end)

  it("reads standard input and files, less the last line's end", function()
    assert.truthy(run({}, "printf 'Hello\\n' |"):find("5 of 160 units", 1, true))
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write("Hello, file\n")
    file:close()
    assert.truthy(run({ "-f", path }):find("11 of 160 units", 1, true))
    os.remove(path)
    assert.truthy(run({ "-f", path }):find("No such file", 1, true))
  end)

  it("says where a text is not UTF-8, and that an empty one is nothing", function()
    assert.equal("the text is not valid UTF-8: byte 3 is 0xFF\n", run { "ab\255" })
    assert.equal("nothing to send\n", run { "" })
  end)

  it("has no colour where nobody sees it", function()
    assert.is_nil(run({ "It’s" }, "TERM=xterm"):find(ESCAPE, 1, true))
  end)

  it("has colour on a terminal, unless it is asked not to", function()
    local probe = os.execute("command -v script >/dev/null 2>&1")
    if probe ~= true and probe ~= 0 then return pending("needs script(1) for a terminal") end
    local function on_terminal(setup)
      local command = ("%s %s examples/segments.lua it’s"):format(setup, interpreter)
      local pipe = assert(io.popen("script -qec " .. quoted(command) .. " /dev/null"))
      local output = pipe:read("*a")
      pipe:close()
      return output
    end
    assert.truthy(on_terminal("TERM=xterm"):find(ESCAPE .. "[31m’" .. ESCAPE .. "[0m", 1, true))
    assert.is_nil(on_terminal("TERM=xterm NO_COLOR=1"):find(ESCAPE .. "[31m", 1, true))
    assert.is_nil(on_terminal("TERM=dumb"):find(ESCAPE .. "[31m", 1, true))
  end)
end)
