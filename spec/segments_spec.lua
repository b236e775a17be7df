local core = require "telnyx.core"
local slow = require "spec.support.slow_segments"
local standard = require "spec.support.gsm7_standard"
local vectors = require "spec.vectors.segments"

local ROUNDS = tonumber(os.getenv("TELNYX_SPEC_ROUNDS")) or 20000
local SEED = tonumber(os.getenv("TELNYX_SPEC_SEED")) or 20240229

local CHARSETS = { "telnyx", "3gpp" }
local COUNTS = {
  "encoding", "parts", "units", "characters", "limit", "remaining", "formula_parts",
}

local concat, unpack = table.concat, table.unpack or unpack -- luacheck: std max

-- Words for a failure ---------------------------------------------------------------------------

local function show(text)
  local list = slow.decode(text)
  if not list then return (text:gsub(".", function(c) return ("\\x%02X"):format(c:byte()) end)) end
  local words, at = {}, 1
  while at <= #list do
    local last = at
    while list[last + 1] and list[last + 1].codepoint == list[at].codepoint do last = last + 1 end
    words[#words + 1] = ("%d x U+%04X"):format(last - at + 1, list[at].codepoint)
    at = last + 1
  end
  return concat(words, ", ")
end

local function show_options(options)
  local words = {}
  for _, name in ipairs { "charset", "encoding", "smart" } do
    words[#words + 1] = name .. "=" .. tostring(options[name])
  end
  return concat(words, " ")
end

local function complain(what, got, want, text, options)
  error(("%s is %s, not %s, for [%s] with %s (seed %d)"):format(
    what, tostring(got), tostring(want), show(text), show_options(options or {}), SEED), 0)
end

local function expect(what, got, want, text, options)
  if got ~= want then complain(what, got, want, text, options) end
end

-- Comparing two analyses ------------------------------------------------------------------------

local function expect_row(what, got, want, fields, text, options)
  expect(what, type(got), type(want), text, options)
  if not want then return end
  for _, field in ipairs(fields) do
    expect(what .. "." .. field, got[field], want[field], text, options)
  end
end

local function expect_list(what, got, want, text, options)
  expect("#" .. what, #got, #want, text, options)
  for i = 1, #want do expect(what .. "[" .. i .. "]", got[i], want[i], text, options) end
end

local CULPRIT = { "character", "codepoint", "byte", "index" }
local OUTSIDER = { "character", "codepoint", "count", "byte", "replacement" }

local function expect_counts(got, want, text, options)
  for _, field in ipairs(COUNTS) do expect(field, got[field], want[field], text, options) end
  -- Forced GSM-7 substitutes unasked: whether it then says how often is left open.
  if options.smart or got.replaced and options.encoding == "gsm7" then
    expect("replaced", got.replaced, want.replaced, text, options)
  else
    expect("replaced", got.replaced, nil, text, options)
  end
  expect_row("forced_by", got.forced_by, want.forced_by, CULPRIT, text, options)
end

local function expect_unencodable(got, want, text, options)
  expect("#unencodable", #got, #want, text, options)
  for i = 1, #want do
    expect_row("unencodable[" .. i .. "]", got[i], want[i], OUTSIDER, text, options)
  end
end

--- One text under one set of options, against the slow implementation.
local function expect_agreement(text, options)
  local want, failure = slow.segments(text, options)
  local got, err = core.segments(text, options)
  if not want then
    expect("result", got, nil, text, options)
    expect("err.byte", err.byte, failure.byte, text, options)
    return
  end
  if not got then complain("result", err and err.detail, "an analysis", text, options) end
  expect_counts(got, want, text, options)
  if options.detail then
    expect_list("split", got.split, want.split, text, options)
    if not options.smart and options.encoding == "auto" then
      expect_unencodable(got.unencodable, want.unencodable, text, options)
    end
  end
end

-- Random texts, the same on every Lua -------------------------------------------------------------

--- Park and Miller's generator: its products stay exact in a double.
local function new_random(seed)
  local state = seed % 2147483646 + 1
  return function(n)
    state = (state * 16807) % 2147483647
    return state % n + 1
  end
end

local function characters_of(codepoints)
  local list = {}
  for i, codepoint in ipairs(codepoints) do list[i] = slow.encode(codepoint) end
  return list
end

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

local POOLS = {
  plain = { "a", "b", " ", "0", "Z", "@", "$", "_" },
  accented = { "é", "Ä", "ñ", "£", "ß", "¿", "§", "à" },
  line = { "\r", "\n", "\r\n" },
  extension = { "[", "]", "{", "}", "^", "~", "|", "\\", "€" },
  undocumented = characters_of(standard.undocumented),
  han = { "中", "文", "я", "ى", "ç", "\239\191\191", "\223\191", "\224\160\128" },
  astral = { "😀", "🇩", "𝄞", "\240\144\128\128", "\244\143\191\191" },
  marks = { "\204\129", "\226\128\141", "\239\184\143" },
  smart = characters_of(sorted_keys(slow.substitutions)),
  control = { "\0", "\27", "\127", "\194\128" },
}

--- Mixtures: which pools a text draws from, and how many units it should come near.
local MIXTURES = {
  { near = 153, "plain" },
  { near = 153, "plain", "plain", "plain", "extension" },
  { near = 153, "extension" },
  { near = 153, "plain", "accented", "line", "extension" },
  { near = 153, "plain", "undocumented", "extension" },
  { near = 67, "han" },
  { near = 67, "han", "han", "han", "astral" },
  { near = 67, "astral" },
  { near = 67, "plain", "extension", "han", "astral", "marks" },
  { near = 67, "smart", "plain" },
  { near = 153, "smart", "plain", "plain", "plain", "plain", "extension" },
  { near = 67, "smart", "control", "undocumented", "astral" },
}

local function pick(random, list) return list[random(#list)] end

--- Mostly one or two parts, now and then up to twelve.
local function pick_parts(random)
  if random(12) > 1 then return random(2) end
  return random(12)
end

local function pick_characters(random)
  local mixture = pick(random, MIXTURES)
  local units = mixture.near * pick_parts(random) + random(14) - 7
  local uniform = random(3) == 1
  local common = pick(random, POOLS[pick(random, mixture)])
  local list, weight = {}, 0
  while weight < units do
    local character = common
    if not uniform or random(20) == 1 then
      character = pick(random, POOLS[pick(random, mixture)])
    end
    list[#list + 1] = character
    weight = weight + (#character == 4 and 2 or 1)
  end
  return list
end

local ENCODINGS = { "auto", "auto", "auto", "auto", "gsm7", "ucs2" }

local function pick_options(random)
  return {
    charset = pick(random, CHARSETS),
    encoding = pick(random, ENCODINGS),
    smart = random(3) == 1,
    detail = random(2) == 1,
  }
end

local function each_random_text(rounds, check)
  local random = new_random(SEED)
  for _ = 1, rounds do
    check(pick_characters(random), random)
  end
end

local function build(pieces)
  local texts = {}
  for i, piece in ipairs(pieces) do texts[i] = piece[2]:rep(piece[1]) end
  return concat(texts)
end

-- -------------------------------------------------------------------------------------------------

describe("the typed standard", function()
  it("has 127 characters and an escape, ten extension characters, thirteen undocumented", function()
    local seen, count = {}, 0
    for _, codepoint in ipairs(standard.basic) do
      if codepoint then
        assert.is_nil(seen[codepoint])
        seen[codepoint], count = true, count + 1
      end
    end
    assert.equal(128, #standard.basic)
    assert.equal(127, count)
    assert.is_false(standard.basic[0x1B + 1])
    assert.equal(10, #sorted_keys(standard.extension))
    assert.equal(137, #sorted_keys(standard.septets["3gpp"]))
    assert.equal(13, #standard.undocumented)
    assert.equal(124, #sorted_keys(standard.septets.telnyx))
  end)
end)

describe("the slow implementation", function()
  for number, row in ipairs(vectors) do
    it("agrees with row " .. number .. " of the edge table", function()
      local text = build(row.text)
      for charset, want in pairs { telnyx = row.telnyx, ["3gpp"] = row.gpp } do
        local got = slow.segments(text, { charset = charset })
        assert.same(want, { got.encoding, got.units, got.formula_parts, got.parts })
        assert.equal(text, concat(got.split))
      end
    end)
  end
end)

describe("segments at the edges of a part", function()
  local function units_of(text, charset, encoding)
    local septets = standard.septets[charset]
    local units = 0
    for _, one in ipairs(slow.decode(text)) do
      local weight = one.codepoint > 0xFFFF and 2 or 1
      units = units + (encoding == "GSM-7" and septets[one.codepoint] or weight)
    end
    return units
  end

  local function expect_lay(row, analysis, charset)
    local lay = {}
    for i, part in ipairs(analysis.split) do
      lay[i] = units_of(part, charset, analysis.encoding)
    end
    assert.same(row.lay, lay)
    assert.equal(analysis.limit - (row.lay[#row.lay] or 0), analysis.remaining)
  end

  for number, row in ipairs(vectors) do
    local text = build(row.text)
    it("row " .. number .. ": " .. show(text), function()
      for charset, want in pairs { telnyx = row.telnyx, ["3gpp"] = row.gpp } do
        local got = assert(core.segments(text, { charset = charset, detail = true }))
        assert.same(want, { got.encoding, got.units, got.formula_parts, got.parts })
        assert.equal(text, concat(got.split))
        if row.lay then expect_lay(row, got, charset) end
        expect_agreement(text, { charset = charset, encoding = "auto", detail = true })
      end
    end)
  end
end)

describe("the analysis", function()
  it("of a plain text has exactly the promised fields", function()
    assert.same({
      encoding = "GSM-7", parts = 1, units = 14, characters = 13, limit = 160, remaining = 146,
      formula_parts = 1,
    }, core.segments("Price: 100 € "))
  end)

  it("of an empty text is nothing, with a whole part free", function()
    assert.same({
      encoding = "GSM-7", parts = 0, units = 0, characters = 0, limit = 160, remaining = 160,
      formula_parts = 0,
    }, core.segments(""))
    assert.same({}, core.segments("", { detail = true }).split)
    assert.same({}, core.segments("", { detail = true }).unencodable)
  end)

  it("names the first character that forces UCS-2", function()
    local got = core.segments("é€ it’s 中")
    assert.equal("UCS-2", got.encoding)
    assert.same({ character = "’", codepoint = 0x2019, byte = 9, index = 6 }, got.forced_by)
    assert.is_nil(core.segments("é€ it's").forced_by)
  end)

  it("uses the documented set unless told otherwise", function()
    assert.equal("UCS-2", core.segments("Ω").encoding)
    assert.equal("UCS-2", core.segments("Ω", {}).encoding)
    assert.equal("UCS-2", core.segments("Ω", { charset = "telnyx" }).encoding)
    assert.equal("GSM-7", core.segments("Ω", { charset = "3gpp" }).encoding)
  end)

  it("leaves the replaced count out unless smart is asked for", function()
    assert.is_nil(core.segments("’").replaced)
    assert.is_nil(core.segments("’", { smart = false }).replaced)
    assert.equal(1, core.segments("’", { smart = true }).replaced)
    assert.equal(0, core.segments("'", { smart = true }).replaced)
  end)

  it("leaves split and unencodable out unless detail is asked for", function()
    for _, options in ipairs { {}, { detail = false } } do
      local got = core.segments("中", options)
      assert.is_nil(got.split)
      assert.is_nil(got.unencodable)
    end
  end)

  it("has integers where Lua has integers", function()
    local kind = math.type or function() return "integer" end -- luacheck: std max
    local got = core.segments("it’s 中", { detail = true, smart = true })
    for _, field in ipairs(COUNTS) do
      if field ~= "encoding" then assert.equal("integer", kind(got[field]), field) end
    end
    assert.equal("integer", kind(got.forced_by.codepoint))
    assert.equal("integer", kind(got.unencodable[1].count))
  end)

  it("lists the characters outside GSM-7 in order of first appearance", function()
    local got = core.segments("a…中’b’中…😀…", { detail = true })
    assert.same({
      { character = "…", codepoint = 0x2026, count = 3, byte = 2, replacement = "..." },
      { character = "中", codepoint = 0x4E2D, count = 2, byte = 5 },
      { character = "’", codepoint = 0x2019, count = 2, byte = 8, replacement = "'" },
      { character = "😀", codepoint = 0x1F600, count = 1, byte = 21 },
    }, got.unencodable)
  end)

  it("says that a character would be removed with an empty replacement", function()
    local got = core.segments("a\226\128\139", { detail = true })
    assert.equal("", got.unencodable[1].replacement)
  end)

  it("lists many different characters, each once", function()
    local characters = {}
    for codepoint = 0x4E00, 0x4E00 + 2999 do
      characters[#characters + 1] = slow.encode(codepoint)
    end
    local text = concat(characters)
    local got = core.segments(text .. text, { detail = true })
    assert.equal(3000, #got.unencodable)
    for i, row in ipairs(got.unencodable) do
      assert.equal(0x4E00 + i - 1, row.codepoint)
      assert.equal(2, row.count)
      assert.equal(3 * i - 2, row.byte)
    end
  end)

  it("counts a text of a mebibyte", function()
    local got = core.segments(("a"):rep(1048576))
    assert.equal(6854, got.parts)
    assert.equal(1048576, got.units)
    got = core.segments(("😀"):rep(262144))
    assert.equal(7944, got.parts) -- 33 a part
    assert.equal(math.ceil(524288 / 67), got.formula_parts)
  end)
end)

describe("a forced encoding", function()
  it("ucs2 counts everything in UTF-16 and blames nobody", function()
    local got = core.segments(("]"):rep(70) .. "€", { encoding = "ucs2" })
    assert.same({ "UCS-2", 71, 2, 67, 63 },
      { got.encoding, got.units, got.parts, got.limit, got.remaining })
    assert.is_nil(got.forced_by)
    assert.is_nil(core.segments("中", { encoding = "ucs2" }).forced_by)
  end)

  it("gsm7 substitutes first", function()
    local got = core.segments("it’s…", { encoding = "gsm7", detail = true })
    assert.equal("GSM-7", got.encoding)
    assert.equal(7, got.units)
    assert.same({ "it's..." }, got.split)
  end)

  it("gsm7 that cannot be names the character, its code point and its byte", function()
    local got, err = core.segments("it’s é 中", { encoding = "gsm7" })
    assert.is_nil(got)
    assert.equal("10015", err.code)
    assert.equal("invalid", err.kind)
    assert.equal("not_sent", err.outcome)
    assert.equal("/text", err.pointer)
    for _, word in ipairs { "中", "U+4E2D", "11" } do
      assert.truthy(err.detail:find(word, 1, true), err.detail)
    end
  end)

  it("gsm7 depends on the character set", function()
    assert.is_nil((core.segments("Ω", { encoding = "gsm7" })))
    local got = core.segments("Ω", { encoding = "gsm7", charset = "3gpp" })
    assert.equal("GSM-7", got.encoding)
  end)
end)

describe("misuse of segments", function()
  for name, arguments in pairs {
    ["no text"] = {},
    ["a table for a text"] = { {} },
    ["a boolean for a text"] = { true },
    ["a number for options"] = { "a", 42 },
    ["an unknown character set"] = { "a", { charset = "utf8" } },
    ["an unknown encoding"] = { "a", { encoding = "GSM-7" } },
    ["a smart that is not a boolean"] = { "a", { smart = "yes" } },
    ["a detail that is not a boolean"] = { "a", { detail = 1 } },
  } do
    it("raises on " .. name, function()
      assert.is_false((pcall(core.segments, unpack(arguments))))
    end)
  end

  it("raises on an unknown option with the nearest known name", function()
    local ok, message = pcall(core.segments, "a", { charst = "3gpp" })
    assert.is_false(ok)
    assert.truthy(tostring(message):find("charst", 1, true), message)
    assert.truthy(tostring(message):find("charset", 1, true), message)
  end)
end)

describe("every code point", function()
  --- Whether an analysis is the standard's, for a character behind and before `letters` letters.
  local function is_right(got, codepoint, septets, letters)
    local culprit = got.forced_by
    if got.characters ~= 1 + letters or got.parts ~= 1 then return false end
    if septets then
      return got.encoding == "GSM-7" and got.units == septets + letters and culprit == nil
    end
    return got.encoding == "UCS-2"
      and got.units == (codepoint > 0xFFFF and 2 or 1) + letters
      and culprit.codepoint == codepoint
      and culprit.byte == 1 + letters / 2
  end

  local function expect_standard(text, codepoint, letters, options)
    local septets = standard.septets[options.charset][codepoint]
    if is_right(core.segments(text, options), codepoint, septets, letters) then return end
    expect_agreement(text, options)
    complain("the analysis", "wrong", "as the typed standard", text, options)
  end

  local function expect_codepoints(first, last, options)
    for codepoint = first, last do
      local character = slow.encode(codepoint)
      expect_standard(character, codepoint, 0, options)
      expect_standard("a" .. character .. "b", codepoint, 2, options)
    end
  end

  for _, charset in ipairs(CHARSETS) do
    it("alone and between letters is as the typed standard, in the set " .. charset, function()
      expect_codepoints(0, 0xD7FF, { charset = charset })
      expect_codepoints(0xE000, 0x10FFFF, { charset = charset })
    end)
  end
end)

describe("any place in a text", function()
  local PROBES = { "é", "€", "]", "’", "中", "😀", "\0", "\127", "`", "Ω", "\27", "\12" }

  it("is looked at, however long the run of letters before and after it", function()
    for _, probe in ipairs(PROBES) do
      for before = 0, 70 do
        for after = 0, 33, 3 do
          local text = ("a"):rep(before) .. probe .. ("b"):rep(after)
          expect_agreement(text, { charset = "telnyx", encoding = "auto" })
          expect_agreement(text, { charset = "3gpp", encoding = "auto" })
        end
      end
    end
  end)

  it("is where an ill-formed byte is found", function()
    for _, probe in ipairs { "\128", "\255", "\192\128", "\195", "\237\160\128" } do
      for before = 0, 70 do
        for after = 0, 33, 3 do
          local text = ("a"):rep(before) .. probe .. ("b"):rep(after)
          local got, err = core.segments(text)
          expect("result", got, nil, text)
          expect("err.byte", err.byte, before + 1, text)
        end
      end
    end
  end)
end)

describe("ill-formed UTF-8", function()
  local TABLE = {
    { "a lone continuation byte", "\128", 1 },
    { "a lone continuation byte after letters", "abc\191", 4 },
    { "0xFE", "\254", 1 },
    { "0xFF after a character", "é\255", 3 },
    { "overlong NUL", "\192\128", 1 },
    { "overlong slash in two bytes", "a\192\175", 2 },
    { "overlong with C1", "\193\191", 1 },
    { "overlong in three bytes", "ab\224\159\191", 3 },
    { "overlong in four bytes", "\240\143\191\191", 1 },
    { "the first high surrogate", "\237\160\128", 1 },
    { "the last low surrogate", "x\237\191\191", 2 },
    { "a surrogate pair in six bytes", "\237\160\189\237\184\128", 1 },
    { "above U+10FFFF", "\244\144\128\128", 1 },
    { "a lead of F5", "\245\128\128\128", 1 },
    { "five bytes", "\248\136\128\128\128", 1 },
    { "six bytes", "\252\132\128\128\128\128", 1 },
    { "a truncated two-byte character", "abc\195", 4 },
    { "a truncated three-byte character", "é\226\130", 3 },
    { "a three-byte character of one byte", "\226", 1 },
    { "a truncated four-byte character", "aa\240\159\152", 3 },
    { "a letter inside a character", "\226\130a", 1 },
    { "a character inside a character", "\240\159é", 1 },
    { "a byte cut from the middle", "中\228\173文", 4 },
    { "Latin-1", "caf\233", 4 },
  }

  for _, row in ipairs(TABLE) do
    it(row[1] .. " is refused at its offset", function()
      for _, options in ipairs { {}, { smart = true }, { encoding = "ucs2" }, { detail = true },
        { encoding = "gsm7" }, { charset = "3gpp" } } do
        local got, err = core.segments(row[2], options)
        assert.is_nil(got)
        assert.equal("10028", err.code)
        assert.equal("invalid", err.kind)
        assert.equal("not_sent", err.outcome)
        assert.equal(row[3], err.byte)
        assert.is_true(type(err.detail) == "string" and err.detail ~= "")
      end
    end)
  end

  it("is told from well-formed UTF-8 in every text of two bytes", function()
    for first = 0, 255 do
      for second = 0, 255 do
        local text = string.char(first, second)
        local want
        if first >= 0xC2 and first <= 0xDF then
          want = (second < 0x80 or second > 0xBF) and 1 or nil
        else
          want = first >= 0x80 and 1 or second >= 0x80 and 2 or nil
        end
        local got, err = core.segments(text)
        expect("err.byte", err and err.byte, want, text)
        expect("result", got == nil, want ~= nil, text)
      end
    end
  end)

  it("is told from well-formed UTF-8 in longer sequences", function()
    local edges = { "\0", "\127", "\128", "\143", "\144", "\159", "\160", "\191", "\192", "\255" }
    local options = { charset = "telnyx", encoding = "auto" }
    for lead = 0xE0, 0xFF do
      for second = 0x70, 0xCF do
        for _, third in ipairs(edges) do
          local text = string.char(lead, second) .. third
          expect_agreement(text, options)
          for _, fourth in ipairs(edges) do expect_agreement(text .. fourth, options) end
        end
      end
    end
  end)
end)

describe("random texts", function()
  it("agree with the slow implementation", function()
    each_random_text(ROUNDS, function(characters, random)
      expect_agreement(concat(characters), pick_options(random))
    end)
  end)

  it("agree when any byte may follow any other", function()
    local random = new_random(SEED)
    local bytes = {}
    for _ = 1, ROUNDS do
      for i = 1, random(8) do bytes[i] = string.char(random(256) - 1) end
      local text = concat(bytes, "", 1, random(#bytes))
      expect_agreement(text, { charset = "telnyx", encoding = "auto" })
    end
  end)

  it("never take fewer parts than the formula, nor more than one more up to ten", function()
    each_random_text(ROUNDS / 4, function(characters, random)
      local text, options = concat(characters), { charset = pick(random, CHARSETS) }
      local got = core.segments(text, options)
      local low = got.parts >= got.formula_parts
      local high = got.formula_parts > 10 or got.parts <= got.formula_parts + 1
      if not (low and high) then
        complain("parts", got.parts, "near " .. got.formula_parts, text, options)
      end
    end)
  end)

  it("never take fewer parts when a character is added", function()
    each_random_text(ROUNDS / 4, function(characters, random)
      local options = { charset = pick(random, CHARSETS) }
      local before = core.segments(concat(characters), options).parts
      local added = pick(random, POOLS[pick(random, sorted_keys(POOLS))])
      table.insert(characters, random(#characters + 1), added)
      local text = concat(characters)
      local after = core.segments(text, options).parts
      if after < before then complain("parts", after, "at least " .. before, text, options) end
    end)
  end)

  local function expect_whole_parts(text, charset)
    local options = { charset = charset, detail = true }
    local got = core.segments(text, options)
    expect("the parts joined", concat(got.split), text, text, options)
    expect("#split", #got.split, got.parts, text, options)
    for i, part in ipairs(got.split) do
      local forced = got.encoding == "UCS-2" and "ucs2" or "auto"
      local alone = core.segments(part, { charset = charset, encoding = forced })
      if not alone then complain("part " .. i, "cut", "whole", text, options) end
      expect("encoding of part " .. i, alone.encoding, got.encoding, text, options)
      if alone.units > got.limit then
        complain("units of part " .. i, alone.units, "at most " .. got.limit, text, options)
      end
    end
  end

  it("are split between characters into parts that hold them", function()
    each_random_text(ROUNDS / 4, function(characters, random)
      expect_whole_parts(concat(characters), pick(random, CHARSETS))
    end)
  end)
end)
