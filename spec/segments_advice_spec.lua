-- What segments advises, judged by counting the changed text with the slow implementation; and the
-- ASCII charset, and what a large text costs in memory.

local core = require "telnyx.core"
local slow = require "spec.support.slow_segments"
local standard = require "spec.support.gsm7_standard"

local ROUNDS = (tonumber(os.getenv("TELNYX_SPEC_ROUNDS")) or 20000) / 10
local SEED = tonumber(os.getenv("TELNYX_SPEC_SEED")) or 20240229

local function advice(text, options)
  local detailed = { detail = true }
  for name, value in pairs(options or {}) do detailed[name] = value end
  return assert(core.segments(text, detailed)).advice
end

local function texts(list)
  local words = {}
  for i, one in ipairs(list) do words[i] = one.text end
  return words
end

-- Every occurrence, taken literally.
local function replace_all(text, character, replacement)
  local pattern = character:gsub("%p", "%%%0")
  return (text:gsub(pattern, (replacement:gsub("%%", "%%%%"))))
end

local function make_plain(text, options)
  local analysis = core.segments(text, { charset = options.charset, detail = true })
  for _, row in ipairs(analysis.unencodable) do
    if not (options.smart and row.replacement) then
      text = replace_all(text, row.character, row.replacement or row.letter or "")
    end
  end
  return text
end

-- The text after a piece of advice was taken, and the options to count it with.
local function follow(text, one, options)
  local charset = options.charset
  if one.change == "smart" then return text, { charset = charset, smart = true } end
  if one.change == "plain" then return make_plain(text, options), options end
  return replace_all(text, one.character, one.replacement or ""), options
end

local function expect_true(text, options)
  local before = slow.segments(text, options)
  for _, one in ipairs(advice(text, options)) do
    local changed, counted_with = follow(text, one, options)
    local after = slow.segments(changed, counted_with)
    assert.equal(after.parts, one.parts, one.text .. ": " .. text)
    assert.equal(after.encoding, one.encoding, one.text)
    assert.equal(before.parts - after.parts, one.saves)
    assert.is_true(one.saves > 0 and one.parts > 0)
  end
end

local FRIEND = ("Hello there friend "):rep(7)
local FAMILY = "👨‍👩‍👧‍👦"

describe("advice", function()
  it("says what replacing one character would save", function()
    assert.same({ {
      change = "replace", character = "’", codepoint = 0x2019, replacement = "'", count = 8,
      encoding = "GSM-7", parts = 1, saves = 2,
      text = "replacing ’ (U+2019, 8 times) by ' makes 1 part instead of 3",
    } }, advice(("It’s on its way. "):rep(8)))
  end)

  it("says what doing without one emoji would save", function()
    assert.same({ {
      change = "remove", character = "😀", codepoint = 0x1F600, count = 1,
      encoding = "GSM-7", parts = 1, saves = 2,
      text = "removing 😀 (U+1F600) makes 1 part instead of 3",
    } }, advice(FRIEND .. "😀"))
  end)

  it("says what all of the service's substitutions would save", function()
    assert.same({ {
      change = "smart", count = 40, encoding = "GSM-7", parts = 1, saves = 2,
      text = "smart encoding (40 characters replaced) makes 1 part instead of 3",
    } }, advice(("“Quoted” — it’s… "):rep(8)))
  end)

  it("says what doing without everything outside would save, when nothing less does", function()
    assert.same({ {
      change = "plain", count = 13, replaced = 12, removed = 1, encoding = "GSM-7", parts = 1,
      saves = 2,
      text = "replacing 12 and removing 1 character outside GSM-7 makes 1 part instead of 3",
    } }, advice(("Está en camión, señor. "):rep(6) .. "😀"))
  end)

  local SENTENCES = {
    { "an emoji of seven code points", FRIEND .. FAMILY,
      "removing " .. FAMILY .. " (U+1F468 and 6 more) makes 1 part instead of 3" },
    { "flags", FRIEND .. "🇩🇪🇩🇪 🇩🇪",
      "removing 🇩🇪 (U+1F1E9 and 1 more, 3 times) makes 1 part instead of 3" },
    { "a character that shows nothing", FRIEND .. "\226\128\139a\226\128\139",
      "removing U+200B (2 times) makes 1 part instead of 3" },
    { "a no-break space", ("Hello there friend\194\160"):rep(8),
      "replacing U+00A0 (8 times) by a space makes 1 part instead of 3" },
    { "a tab", ("x"):rep(80) .. "\t",
      "replacing U+0009 by 7 spaces makes 1 part instead of 2" },
    { "letters with accents", ("Está en camión, señor. "):rep(6),
      "replacing the 12 characters outside GSM-7 by plain ones makes 1 part instead of 3" },
    { "accents on two letters", ("Está aquí "):rep(6) .. ("x"):rep(20),
      "replacing the 12 characters outside GSM-7 by plain ones makes 1 part instead of 2" },
    { "units that only just do not fit", ("中"):rep(69) .. "😀",
      "removing 😀 (U+1F600) makes 1 part instead of 2" },
    { "the characters outside ASCII", ("é[]ü "):rep(20), { charset = "ascii" },
      "replacing the 40 characters outside ASCII by plain ones makes 1 part instead of 2" },
  }
  for _, row in ipairs(SENTENCES) do
    it("is a sentence about " .. row[1], function()
      local options = row[4] and row[3] or {}
      assert.same({ row[4] or row[3] }, texts(advice(row[2], options)))
    end)
  end

  local SILENT = {
    ["an empty text"] = { "" },
    ["a text in GSM-7"] = { ("a"):rep(500) },
    ["a text of one part"] = { "It’s" },
    ["a text in a script of its own"] = { ("Привет, как дела? "):rep(8) },
    ["Han text"] = { ("中文"):rep(40) },
    ["a text that was asked to be UCS-2"] = { ("It’s on its way. "):rep(8), { encoding = "ucs2" } },
    ["a text in which two would have to change, neither replaceable, in many parts"] = {
      ("a"):rep(300) .. ("Ж"):rep(300),
    },
    ["a text that grows as much as it gains"] = { ("…"):rep(71) .. ("…"):rep(89) },
  }
  for name, row in pairs(SILENT) do
    it("is none for " .. name, function() assert.same({}, advice(row[1], row[2])) end)
  end

  it("is left out unless detail is asked for", function()
    assert.is_nil(core.segments(FRIEND .. "😀").advice)
  end)

  it("is the best first, and at most four", function()
    local kinds = "①②③④⑤⑥⑦⑧⑨⑩⑪⑫"
    local list = advice(("中"):rep(71 - 12) .. kinds)
    assert.equal(4, #list)
    local both = advice(("a"):rep(300) .. ("😀"):rep(40) .. "’😎")
    for i = 2, #both do assert.is_true(both[i].parts >= both[i - 1].parts) end
    assert.equal("plain", both[1].change)
    assert.equal(2, both[1].parts)
  end)

  it("has integers where Lua has integers", function()
    local kind = math.type or function() return "integer" end -- luacheck: std max
    local one = advice(FRIEND .. "😀")[1]
    for _, field in ipairs { "codepoint", "count", "parts", "saves" } do
      assert.equal("integer", kind(one[field]), field)
    end
  end)

  it("counts what substitution leaves, when substitution is on", function()
    local text = ("It’s on its way 😀 "):rep(8)
    assert.same({ "removing 😀 (U+1F600, 8 times) makes 1 part instead of 3" },
      texts(advice(text, { smart = true })))
  end)

  it("holds for random texts", function()
    local random = SEED % 2147483646 + 1
    local function pick(list)
      random = (random * 16807) % 2147483647
      return list[random % #list + 1]
    end
    local POOLS = {
      { "a", "b", " ", "é", "[", "€" }, { "’", "“", "…", "\194\160", "a" }, { "á", "ç", "ł", "o" },
      { "😀", "❤", "→" }, { "中", "Ж" }, { "`", "\t", "｛", "ａ" }, { "\226\128\139", "‼" },
    }
    for _ = 1, ROUNDS do
      local characters, rare = {}, pick(POOLS)
      local common, times = pick { POOLS[1], POOLS[1], pick(POOLS) }, pick { 60, 75, 140, 160, 320 }
      for i = 1, times do
        characters[i] = pick(pick { common, common, common, common, common, common, rare })
      end
      expect_true(table.concat(characters), {
        charset = pick { "telnyx", "3gpp" }, smart = pick { true, false, false },
      })
    end
  end)

  it("is bounded for a text of very many different characters", function()
    local characters = {}
    for i = 1, 100000 do characters[i] = slow.encode(0x4E00 + i % 20000) end
    assert.same({}, advice(table.concat(characters)))
  end)
end)

describe("the letter in unencodable", function()
  local function letter_of(codepoint)
    local character = slow.encode(codepoint)
    local row = core.segments(character, { charset = "ascii", detail = true }).unencodable[1]
    return row.letter
  end

  it("is the letter without its accent", function()
    local pairs_ = {
      "ÀA", "ÂA", "ÇC", "ÍI", "ÕO", "ÝY", "áa", "çc", "êe", "íi", "ñn", "óo", "úu", "ÿy", "ĀA",
      "ąa", "Čc", "đd", "ěe", "ğg", "ıi", "łl", "ňn", "őo", "řr", "śs", "şs", "šs", "ťt", "ůu",
      "ŵw", "ŸY", "źz", "żz", "Žz", "ſs",
    }
    for _, pair in ipairs(pairs_) do
      local one = slow.decode(pair)
      assert.equal(one[2].character:lower(), letter_of(one[1].codepoint):lower(), pair)
    end
  end)

  it("has the case of the letter", function()
    assert.equal("A", letter_of(0xC1))
    assert.equal("a", letter_of(0xE1))
    assert.equal("Z", letter_of(0x17D))
    assert.equal("z", letter_of(0x17E))
  end)

  it("is absent where there is none", function()
    for _, codepoint in ipairs { 0xBF, 0xC6, 0xD0, 0xD7, 0xDE, 0xDF, 0xF7, 0x132, 0x138, 0x149,
      0x14A, 0x152, 0x180, 0x4E2D, 0x1F600 } do
      assert.is_nil(letter_of(codepoint))
    end
  end)
end)

describe("the ASCII charset", function()
  it("holds U+0000 to U+007F, one unit each, and nothing else", function()
    for codepoint = 0, 0x2FF do
      local got = core.segments(slow.encode(codepoint), { charset = "ascii" })
      assert.equal(codepoint < 0x80 and "ASCII" or "UCS-2", got.encoding)
      assert.equal(1, got.units)
      assert.equal(codepoint >= 0x80, got.forced_by ~= nil)
    end
  end)

  local EDGES = {
    { ("["):rep(160), "ASCII", 1, 160, 0 }, { ("["):rep(161), "ASCII", 2, 153, 145 },
    { ("~"):rep(306), "ASCII", 2, 153, 0 }, { ("~"):rep(307), "ASCII", 3, 153, 152 },
    { ("`\t\0"):rep(53), "ASCII", 1, 160, 1 }, { ("["):rep(70) .. "é", "UCS-2", 2, 67, 63 },
    { ("a"):rep(69) .. "£", "UCS-2", 1, 70, 0 },
  }
  for number, row in ipairs(EDGES) do
    it("has the limits of GSM-7, row " .. number, function()
      local got = core.segments(row[1], { charset = "ascii", detail = true })
      assert.same({ row[2], row[3], row[4], row[5] },
        { got.encoding, got.parts, got.limit, got.remaining })
      assert.equal(row[1], table.concat(got.split))
    end)
  end

  it("agrees with the slow implementation on random texts", function()
    standard.septets.ascii = {}
    for codepoint = 0, 0x7F do standard.septets.ascii[codepoint] = 1 end
    local pool = { "a", "[", "`", "\n", "\27", "é", "’", "😀", "中" }
    local random = SEED % 2147483646 + 1
    for _ = 1, ROUNDS do
      local characters = {}
      random = (random * 16807) % 2147483647
      for i = 1, random % 330 do
        random = (random * 16807) % 2147483647
        characters[i] = pool[random % (i % 97 == 0 and #pool or 5) + 1]
      end
      local text = table.concat(characters)
      for _, smart in ipairs { false, true } do
        local want = slow.segments(text, { charset = "ascii", smart = smart })
        local got = core.segments(text, { charset = "ascii", smart = smart })
        assert.equal((want.encoding:gsub("GSM%-7", "ASCII")), got.encoding)
        assert.same({ want.parts, want.units, want.characters, want.remaining, want.formula_parts },
          { got.parts, got.units, got.characters, got.remaining, got.formula_parts })
      end
    end
    standard.septets.ascii = nil
  end)

  it("excludes forced GSM-7", function()
    assert.is_false((pcall(core.segments, "a", { charset = "ascii", encoding = "gsm7" })))
  end)
end)

-- In a process of its own: what earlier specs took would hide it.
local MEMORY_PROBE = [[
local core = require "telnyx.core"
local text = (%q):rep(%d)
local function peak_kib()
  for line in io.lines("/proc/self/status") do
    local kib = line:match("^VmHWM:%%s*(%%d+)")
    if kib then return tonumber(kib) end
  end
end
collectgarbage() collectgarbage("stop")
local reset = io.open("/proc/self/clear_refs", "w")
if reset then reset:write("5") reset:close() end
local peak, least, s = peak_kib(), math.huge, nil
for _ = 1, 2 do -- in one of them Lua's own table of strings may grow
  local heap = collectgarbage("count")
  s = core.segments(text, { smart = %s })
  least = math.min(least, collectgarbage("count") - heap)
end
print(#text, s.units, least, peak_kib() - peak)
]]

describe("a text of 16 MiB", function()
  local interpreter = rawget(_G, "jit") and "luajit" or "lua" .. _VERSION:match("%d%.%d")
  local status = io.open("/proc/self/status")
  if status then status:close() end

  local ROWS = {
    { "of plain letters", "Sixteen letters.", 2 ^ 20, "false", 2 ^ 24 },
    { "of Han", "中文中文中中中a", 762600, "false", 762600 * 8 },
    { "of quotes to substitute", "It’s ", 2396745, "true", 2396745 * 5 },
  }
  for _, row in ipairs(ROWS) do
    it(row[1] .. " takes no memory to count", function()
      if not status then return pending("only where /proc tells") end
      local script = os.tmpname()
      local file = assert(io.open(script, "w"))
      file:write(MEMORY_PROBE:format(row[2], row[3], row[4]))
      file:close()
      local pipe = assert(io.popen(interpreter .. " " .. script .. " 2>&1"))
      local output = pipe:read("*a")
      pipe:close()
      os.remove(script)
      local size, units, heap_kib, peak_kib = output:match("(%S+)%s+(%S+)%s+(%S+)%s+(%S+)")
      assert.is_true(tonumber(size) > 2 ^ 24 - 64, output)
      assert.equal(row[5], tonumber(units))
      assert.is_true(tonumber(heap_kib) < 4, output)
      assert.is_true(tonumber(peak_kib) < 1024, output)
    end)
  end
end)
