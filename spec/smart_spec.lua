local core = require "telnyx.core"
local slow = require "spec.support.slow_segments"
local standard = require "spec.support.gsm7_standard"

local SUBSTITUTIONS, ROWS = slow.read_substitutions("spec/vectors/smart_encoding.tsv")

local function hex(text)
  return (text:gsub(".", function(byte) return ("%02X "):format(byte:byte()) end))
end

local function expect_encoded(text, want, count)
  local got, replaced = core.smart_encode(text)
  if got == want and replaced == count then return end
  error(("%s became %s with %s replaced, not %s with %d"):format(
    hex(text), hex(tostring(got)), tostring(replaced), hex(want), count), 0)
end

local function expect_untouched(text) expect_encoded(text, text, 0) end

local function each_other_codepoint(check)
  for codepoint = 0, 0x10FFFF do
    local surrogate = codepoint >= 0xD800 and codepoint <= 0xDFFF
    if not surrogate and not SUBSTITUTIONS[codepoint] then check(slow.encode(codepoint)) end
  end
end

--- Fields that the substitutions decide.
local function counts_of(analysis)
  return {
    analysis.encoding, analysis.parts, analysis.units, analysis.characters, analysis.limit,
    analysis.remaining, analysis.formula_parts,
  }
end

local TEXTS = {
  "", "plain", "it’s", "“Hello” – she said…", "…", "‼", "½", "\t", "\226\128\139", "\0",
  "it’s 中", "😀…", "Α", "Ω", "`", "｛｝［］", "ｆｕｌｌ", "e\204\129", "n\204\131",
  ("’"):rep(160), ("’"):rep(161), ("’"):rep(70) .. "中", ("…"):rep(53) .. "a", ("…"):rep(54),
  ("｛"):rep(81), ("a"):rep(152) .. "｛" .. ("’"):rep(152), ("\226\128\139"):rep(500) .. "a",
  ("\t"):rep(23), ("a"):rep(160) .. "\226\128\139", ("中"):rep(70) .. "\226\128\139",
}

describe("the table of substitutions", function()
  it("has 310 rows, each of a different character", function()
    local count = 0
    for _ in pairs(SUBSTITUTIONS) do count = count + 1 end
    assert.equal(310, ROWS)
    assert.equal(310, count)
  end)

  it("turns characters outside GSM-7 into characters inside it, in both sets", function()
    for codepoint, replacement in pairs(SUBSTITUTIONS) do
      assert.is_nil(standard.septets["3gpp"][codepoint])
      for _, one in ipairs(slow.decode(replacement)) do
        assert.is_truthy(standard.septets.telnyx[one.codepoint])
      end
    end
  end)
end)

describe("smart_encode", function()
  it("makes each of the 310 substitutions, alone and inside a text", function()
    for codepoint, replacement in pairs(SUBSTITUTIONS) do
      local character = slow.encode(codepoint)
      expect_encoded(character, replacement, 1)
      expect_encoded("a" .. character .. "b", "a" .. replacement .. "b", 1)
      expect_encoded("中" .. character .. character, "中" .. replacement .. replacement, 2)
    end
  end)

  it("leaves every other character as it is, alone", function()
    each_other_codepoint(expect_untouched)
  end)

  it("leaves every other character as it is, in company", function()
    local company = {}
    each_other_codepoint(function(character)
      company[#company + 1] = character
      if #company == 1000 then
        expect_untouched(table.concat(company))
        company = {}
      end
    end)
    expect_untouched(table.concat(company))
  end)

  it("finds a character at any place in a text", function()
    for _, codepoint in ipairs { 0x60, 0xA0, 0x2019, 0x2026, 0x200B, 0x09, 0xFF5A } do
      local character, replacement = slow.encode(codepoint), SUBSTITUTIONS[codepoint]
      for before = 0, 40 do
        for after = 0, 20 do
          local head, tail = ("x"):rep(before), ("y"):rep(after)
          expect_encoded(head .. character .. tail, head .. replacement .. tail, 1)
        end
      end
    end
  end)

  it("counts replaced characters, not different ones, nor those put in their place", function()
    expect_encoded("“…” ‘a’", "\"...\" 'a'", 5)
    expect_encoded("’’’", "'''", 3)
    expect_encoded("\t", "       ", 1)
    expect_encoded("\0\226\128\139\239\187\191", "", 3)
  end)

  it("does what it can when something stays outside GSM-7", function()
    expect_encoded("😀 it’s… 中", "😀 it's... 中", 2)
  end)

  it("composes nothing", function()
    expect_encoded("e\204\129", "e\204\129", 0)
    expect_encoded("n\204\131", "n~", 1)
  end)

  it("has nothing left to do the second time", function()
    for _, text in ipairs(TEXTS) do expect_untouched((core.smart_encode(text))) end
  end)

  it("agrees with the slow implementation", function()
    for _, text in ipairs(TEXTS) do expect_encoded(text, slow.smart_encode(text)) end
  end)

  it("can make a text seven times as long, or nothing of it", function()
    expect_encoded(("\t"):rep(100000), (" "):rep(700000), 100000)
    expect_encoded(("\226\128\139"):rep(100000), "", 100000)
  end)

  it("refuses ill-formed UTF-8 at its offset", function()
    for text, byte in pairs {
      ["’\255"] = 4, ["\192\128"] = 1, ["a\237\160\128"] = 2, ["…\226"] = 4,
    } do
      local got, err = core.smart_encode(text)
      assert.is_nil(got)
      assert.equal("10028", err.code)
      assert.equal("invalid", err.kind)
      assert.equal("not_sent", err.outcome)
      assert.equal(byte, err.byte)
    end
  end)

  it("raises on misuse", function()
    assert.is_false((pcall(core.smart_encode)))
    assert.is_false((pcall(core.smart_encode, {})))
    assert.is_false((pcall(core.smart_encode, true)))
  end)
end)

describe("segments with smart", function()
  it("counts what smart_encode would make", function()
    for _, text in ipairs(TEXTS) do
      for _, charset in ipairs { "telnyx", "3gpp" } do
        local encoded, replaced = core.smart_encode(text)
        local got = core.segments(text, { charset = charset, smart = true, detail = true })
        local want = core.segments(encoded, { charset = charset, detail = true })
        assert.same(counts_of(want), counts_of(got))
        assert.same(want.split, got.split)
        assert.equal(replaced, got.replaced)
      end
    end
  end)

  it("takes a text of one curly quote from three parts to one", function()
    local text = ("a"):rep(150) .. "’"
    assert.equal(3, core.segments(text).parts)
    assert.equal(1, core.segments(text, { smart = true }).parts)
  end)

  it("can take more parts than the text as it is", function()
    local text = ("…"):rep(54)
    assert.equal(1, core.segments(text).parts)
    assert.equal(2, core.segments(text, { smart = true }).parts)
  end)

  it("counts a text that comes to nothing as nothing", function()
    local got = core.segments("\226\128\139", { smart = true, detail = true })
    assert.same({ "GSM-7", 0, 0, 0, 160, 160, 0 }, counts_of(got))
    assert.same({}, got.split)
    assert.equal(1, got.replaced)
  end)

  it("blames a character that has no substitute, where the caller wrote it", function()
    local got = core.segments("…’ 中", { smart = true })
    assert.same({ character = "中", codepoint = 0x4E2D, byte = 8, index = 4 }, got.forced_by)
  end)

  it("changes nothing when UCS-2 is forced", function()
    local got = core.segments("…", { smart = true, encoding = "ucs2", detail = true })
    assert.equal("UCS-2", got.encoding)
    assert.equal(1, got.units)
    assert.same({ "…" }, got.split)
  end)
end)
