-- Coming to a message: by a click, a search, a link, back and forward.

local phones = require("spec.support.phones")

local ANN, BEN = "+13125550002", "+13125550003"

local about = phones.can_run() and describe or pending

about("the phones page, finding:", function()
  local page, browser
  local it = phones.it(it, function() return page end)

  setup(function()
    page = phones.start()
    browser = page.browser
  end)
  teardown(function() if page then page:stop() end end)
  before_each(function() page:begin() end)
  after_each(function() assert.same({}, page:wrongs()) end)

  local function link(number, id)
    return page.origin .. "/#/" .. number .. (id and "/" .. id or "")
  end

  local function wait_until_open(number)
    browser:wait("document.querySelector(arguments[0])",
      phones.row(number) .. '[aria-current="true"]')
  end

  -- Whether a message is in what can be seen of the conversation.
  local function wait_until_in_view(id)
    browser:wait([[(bubble => {
      if (!bubble) return false;
      const text = bubble.querySelector(".text").getBoundingClientRect();
      const x = text.left + text.width / 2, y = text.top + text.height / 2;
      const there = document.elementFromPoint(x, y);
      return !!there && bubble.contains(there);
    })(document.querySelector(arguments[0]))]], phones.bubble(id))
  end

  local function send_two()
    return page:send { to = ANN, text = "Ann" }, page:send { to = BEN, text = "Ben" }
  end

  local function search(text)
    browser:find("#search"):clear()
    browser:find("#search"):type(text)
  end

  local function wait_for_results(...)
    local ids = { ... }
    table.sort(ids)
    browser:wait([[(found => found.length === arguments[0].length &&
      found.every((id, i) => id === arguments[0][i]))(
      [...document.querySelectorAll("[data-result]")].map(e => e.dataset.result).sort())]],
      #ids > 0 and ids or "")
  end

  it("a click opens a phone, and its messages only", function()
    local to_ann, to_ben = send_two()
    page:open_phone(ANN)
    page:wait_for_message(to_ann)
    assert.same({ to_ann }, page:bubbles())
    assert.equal(link(ANN), browser:url())
    page:open_phone(BEN)
    page:wait_for_message(to_ben)
    assert.same({ to_ben }, page:bubbles())
    assert.equal(1, #browser:find_all('#phones [aria-current="true"]'))
  end)

  it("back and forward go through what was open", function()
    local to_ann, to_ben = send_two()
    page:open_phone(ANN)
    page:open_phone(BEN)
    browser:back()
    wait_until_open(ANN)
    page:wait_for_message(to_ann)
    assert.same({ to_ann }, page:bubbles())
    browser:forward()
    wait_until_open(BEN)
    page:wait_for_message(to_ben)
    assert.equal(link(BEN), browser:url())
    browser:reload()
    wait_until_open(BEN)
    page:wait_for_message(to_ben)
  end)

  it("a link leads to a phone, also when the page is open already", function()
    local to_ann, to_ben = send_two()
    page:visit("#/" .. ANN)
    wait_until_open(ANN)
    page:wait_for_message(to_ann)
    browser:open(link(BEN))
    wait_until_open(BEN)
    page:wait_for_message(to_ben)
    assert.same({ to_ben }, page:bubbles())
  end)

  it("a link leads to a message far back, and leaves it where it is to be seen", function()
    local ids = page:send_many(400, function(i) return { to = ANN, text = "message " .. i } end)
    page:visit("#/" .. ANN .. "/" .. ids[40])
    wait_until_in_view(ids[40])
    assert.equal("message 40", page:text_of(ids[40]))
    -- The conversation is whole around it.
    local shown = page:bubbles()
    local place = {}
    for i, id in ipairs(ids) do place[id] = i end
    for i = 2, #shown do assert.equal(place[shown[i - 1]] + 1, place[shown[i]]) end
    -- And what comes now is not lost, wherever it stands.
    page:visit("#/" .. ANN .. "/" .. ids[400])
    wait_until_in_view(ids[400])
  end)

  it("a link to what is not there does no harm", function()
    local id = page:send { to = ANN, text = "Ann" }
    page:visit("#/" .. ANN .. "/00000000-0000-4000-8000-000000000000")
    wait_until_open(ANN)
    page:wait_for_message(id)
    page:visit("#/+19995550000")
    page:visit("#/%00%ff<script>")
    -- That the sandbox refuses such a number is said, and the browser's console has it as well.
    browser:wait("[...document.querySelectorAll('#trouble, #conversation .note')]"
      .. ".some(e => e.checkVisibility() && e.textContent.trim() !== '')")
    for _, wrong in ipairs(page:wrongs()) do assert.matches("status of 400", wrong) end
    page:open_phone(ANN)
    page:wait_for_message(id)
  end)

  it("the link of a message can be copied, and works", function()
    local ids = page:send_many(3, function(i) return { to = ANN, text = "message " .. i } end)
    page:open_phone(ANN)
    page:open_details(ids[2])
    browser:click(('[data-message="%s"] [data-action="copy-link"]'):format(ids[2]))
    assert.equal(link(ANN, ids[2]), phones.wait(function()
      local text = browser:clipboard()
      return text ~= "" and text
    end, "the clipboard"))
    page:visit("#/" .. ANN .. "/" .. ids[2])
    wait_until_in_view(ids[2])
  end)

  it("a search finds texts, numbers and ids, and nothing else", function()
    local apple = page:send { to = ANN, text = "An Apple a day" }
    local pear = page:send { to = BEN, text = "A pear" }
    local said = page:say(BEN, "no apples for me")
    browser:wait("document.querySelectorAll('#phones [data-phone]').length === 2")
    search("apple")
    wait_for_results(apple, said)
    search("3125550003")
    wait_for_results(pear, said)
    search(apple)
    wait_for_results(apple)
    search("no such fruit")
    wait_for_results()
    search("pear")
    wait_for_results(pear)
    browser:click(('[data-result="%s"]'):format(pear))
    wait_until_open(BEN)
    wait_until_in_view(pear)
    assert.equal(link(BEN, pear), browser:url())
  end)

  it("a search looks at all messages, also those that were not loaded", function()
    local ids = page:send_many(300, function(i)
      return { to = ANN, text = i == 5 and "needle" or "hay " .. i }
    end)
    page:open_phone(ANN)
    search("needle")
    wait_for_results(ids[5])
    browser:click(('[data-result="%s"]'):format(ids[5]))
    wait_until_in_view(ids[5])
  end)

  it("what comes during a search is found as well", function()
    local first = page:send { to = ANN, text = "apple" }
    search("apple")
    wait_for_results(first)
    local second = page:send { to = BEN, text = "apple pie" }
    wait_for_results(first, second)
    browser:press("Escape")
    browser:wait("!document.querySelector('[data-result]')")
    assert.same({ BEN, ANN }, page:rows())
  end)
end)
