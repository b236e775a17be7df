-- What a text costs, as the page tells it: held against telnyx.segments.

local phones = require("spec.support.phones")
local telnyx = require("telnyx")

local ANN = "+13125550002"

local about = phones.can_run() and describe or pending

about("the phones page, the bill:", function()
  local page, browser
  local it = phones.it(it, function() return page end)

  setup(function()
    page = phones.start()
    browser = page.browser
    page:begin()
  end)
  teardown(function() if page then page:stop() end end)
  after_each(function() assert.same({}, page:wrongs()) end)

  -- The bill of a text that was sent, as it is to be seen.
  local function bill_of(text, from)
    local id = page:send { to = ANN, text = text, from = from }
    page:open_phone(ANN)
    page:open_details(id)
    browser:wait("document.querySelector(arguments[0])", phones.details(id) .. " .part-text")
    local bill = browser:run([[
      const bill = document.querySelector(arguments[0]);
      const texts = css => [...bill.querySelectorAll(css)].map(e => e.textContent);
      return { parts: texts(".part-text"), marks: texts(".part-text .culprit"),
        advice: texts(".advice").join(" "), all: bill.textContent };
    ]], phones.details(id) .. " .bill")
    bill.line = browser:run("return document.querySelector(arguments[0]).textContent",
      phones.bubble(id) .. ' [data-action="details"]')
    return bill
  end

  it("of a plain text", function()
    local bill = bill_of("Hello")
    assert.matches("GSM%-7", bill.line)
    assert.matches("GSM%-7", bill.all)
    assert.matches("155", bill.all) -- are free
    assert.same({}, bill.marks)
  end)

  it("marks each character that costs, and says what would be cheaper", function()
    local text = "It’s five o’clock – no “really”. " .. ("And it goes on. "):rep(6)
    local counted = telnyx.segments(text, { detail = true })
    assert.equal("UCS-2", counted.encoding)
    local bill = bill_of(text)
    assert.matches("UCS%-2", bill.line)
    assert.matches(tostring(counted.parts), bill.line)
    assert.same({ "’", "’", "–", "“", "”" }, bill.marks)
    for _, culprit in ipairs(counted.unencodable) do
      local name = ("U+%04X"):format(culprit.codepoint)
      assert.is_truthy(bill.all:find(name, 1, true), name)
    end
    assert.is_true(#counted.advice > 0)
    assert.is_truthy(bill.advice:find(counted.advice[1].text, 1, true), bill.advice)
  end)

  local TEXTS = {
    { "a long plain text", ("Ten chars "):rep(40) },
    { "a text whose boundary falls into an escape", ("a"):rep(152) .. "€" .. ("b"):rep(160) },
    { "Han characters", ("漢字"):rep(80) },
    { "pairs at the boundaries", "a" .. ("🙂"):rep(80) },
    { "a pair across a boundary", ("ж"):rep(66) .. "🙂" .. ("ж"):rep(90) },
    { "lines", ("one\ntwo\r\nthree "):rep(30) },
  }
  for _, row in ipairs(TEXTS) do
    it("shows where parts end: " .. row[1], function()
      local counted = telnyx.segments(row[2], { detail = true })
      local bill = bill_of(row[2])
      local parts = {}
      for i, part in ipairs(bill.parts) do parts[i] = part end
      -- Line ends may be shown by symbols beside them.
      local function plain(text)
        return (text:gsub("␊", ""):gsub("␍", "\r"):gsub("\r\n?", "\n"))
      end
      for i, part in ipairs(counted.split) do
        assert.equal(plain(part), plain(parts[i] or "nothing"), "part " .. i)
      end
      assert.equal(counted.parts, #parts)
      assert.is_truthy(bill.line:find(tostring(counted.parts), 1, true), bill.line)
    end)
  end

  it("of a text for a short code counts as that sender sends", function()
    local text = ("é"):rep(3) .. ("x"):rep(150)
    local counted = telnyx.segments(text, { detail = true, from = "12345" })
    local bill = bill_of(text, "12345")
    assert.is_truthy(bill.line:find(counted.encoding, 1, true), bill.line)
    assert.equal(counted.parts, math.max(#bill.parts, 1))
  end)

  it("of an MMS says so, and counts no parts", function()
    local id = page:send { to = ANN, text = "look", media_urls = {
      page.origin .. "/sandbox/media/sample.png" } }
    page:open_phone(ANN)
    page:open_details(id)
    browser:wait("/MMS/.test(document.querySelector(arguments[0]).textContent)",
      phones.bubble(id))
    browser:wait("document.querySelector(arguments[0])", phones.details(id) .. " .facts dd")
    assert.same({}, browser:find_all(phones.details(id) .. " .part-text"))
  end)
end)
