-- What comes while somebody looks at the page: without a reload, in every page that is open.

local phones = require("spec.support.phones")
local socket = require("socket")
local telnyx = require("telnyx")

local ANN, BEN, CAT = "+13125550002", "+13125550003", "+13125550004"
local NAME = "Phones · telnyx sandbox"

-- Notes when each message was first to be seen, by the clock that this machine has in common.
local WATCH = [[
  window.isTheSamePage = true;
  window.seen = {};
  const look = () => {
    for (const bubble of document.querySelectorAll("#conversation [data-message]")) {
      const id = bubble.dataset.message;
      if (!(id in seen) && bubble.querySelector(".text").getClientRects().length) {
        seen[id] = Date.now();
      }
    }
    for (const row of document.querySelectorAll("#phones [data-phone]")) {
      const number = row.dataset.phone;
      if (!(number in seen) && row.getClientRects().length) seen[number] = Date.now();
    }
  };
  look();
  new MutationObserver(look).observe(document.body,
    { subtree: true, childList: true, characterData: true, attributes: true });
]]

local about = phones.can_run() and describe or pending

about("the phones page, live:", function()
  local page, browser
  local it = phones.it(it, function() return page end)

  setup(function()
    page = phones.start()
    browser = page.browser
  end)
  teardown(function() if page then page:stop() end end)
  before_each(function() page:begin() end)
  after_each(function() assert.same({}, page:wrongs()) end)

  local function seen_after(what, started)
    return browser:wait("window.seen[arguments[0]]", what) / 1000 - started
  end

  it("a send of this library is there in less than a second, and no page was loaded", function()
    browser:run(WATCH)
    local client = telnyx.new { api_key = "KEY_SPEC", base_url = page.server.url }
    local started = socket.gettime()
    local sent = assert(client:send { from = phones.US, to = ANN, text = "Your code is 123" })
    assert.is_true(seen_after(ANN, started) < 1)
    page:open_phone(ANN)
    page:wait_for_message(sent.id)
    assert.equal("Your code is 123", page:text_of(sent.id))

    started = socket.gettime()
    local second = assert(client:send { from = phones.US, to = ANN, text = "And another" })
    assert.is_true(seen_after(second.id, started) < 1)
    assert.equal("And another", page:text_of(second.id))
    assert.same({ sent.id, second.id }, page:bubbles())
    assert.is_true(browser:run("return window.isTheSamePage"))
    client:close()
  end)

  it("what a phone says is there too, on the other side", function()
    local sent = page:send { to = ANN, text = "How are you?" }
    page:open_phone(ANN)
    page:wait_for_message(sent)
    browser:run(WATCH)
    local started = socket.gettime()
    local said = page:say(ANN, "Fine")
    assert.is_true(seen_after(said, started) < 1)
    local sides = browser:run([[
      return arguments[0].map(id => {
        const bubble = document.querySelector(`#conversation [data-message="${id}"]`);
        const box = bubble.querySelector(".text").getBoundingClientRect();
        return { side: bubble.classList.contains("outbound") ? "outbound"
          : bubble.classList.contains("inbound") ? "inbound" : "none",
          middle: (box.left + box.right) / 2 };
      });
    ]], { sent, said })
    assert.equal("outbound", sides[1].side)
    assert.equal("inbound", sides[2].side)
    assert.is_true(math.abs(sides[1].middle - sides[2].middle) > 100)
  end)

  it("who reads at the end sees what comes whole, and who reads above is left alone", function()
    page:send_many(40, function(i)
      return { to = ANN, text = ("message %d "):format(i):rep(1 + i % 9) }
    end)
    page:open_phone(ANN)
    local function is_whole(id)
      return [[(line => line && line.getBoundingClientRect().bottom <=
        document.querySelector("#reply-text").getBoundingClientRect().top)(
        document.querySelector(arguments[0]))]], phones.bubble(id) .. ' [data-action="details"]'
    end
    for i = 1, 3 do
      local id = page:send { to = ANN, text = ("a long message "):rep(20 + 20 * i) }
      browser:wait(is_whole(id))
    end
    browser:run("document.querySelector('[role=log]').focus()")
    browser:press("Home")
    browser:wait("document.querySelector('[role=log]').scrollTop === 0")
    local id = page:send { to = ANN, text = "unseen as yet" }
    page:wait_for_message(id)
    assert.equal(0, browser:run("return document.querySelector('[role=log]').scrollTop"))
  end)

  it("the newest phone is on top", function()
    for _, number in ipairs { ANN, BEN, CAT } do page:send { to = number, text = "Hi" } end
    browser:wait("document.querySelectorAll('#phones [data-phone]').length === 3")
    assert.same({ CAT, BEN, ANN }, page:rows())
    page:send { to = ANN, text = "Hi again" }
    browser:wait("document.querySelector('#phones [data-phone]').dataset.phone === arguments[0]",
      ANN)
    assert.same({ ANN, CAT, BEN }, page:rows())
    page:say(BEN, "Me too")
    browser:wait("document.querySelector('#phones [data-phone]').dataset.phone === arguments[0]",
      BEN)
    assert.same({ BEN, ANN, CAT }, page:rows())
  end)

  it("what was not looked at is counted, at the phone and in the title", function()
    page:send { to = BEN, text = "first" }
    page:open_phone(BEN)
    browser:wait("document.title === arguments[0]", NAME)
    assert.is_nil(page:unread(BEN))

    page:send { to = ANN, text = "one" }
    browser:wait("document.title === arguments[0]", "(1) " .. NAME)
    page:send { to = ANN, text = "two" }
    page:send { to = CAT, text = "three" }
    browser:wait("document.title === arguments[0]", "(3) " .. NAME)
    assert.matches("2", page:unread(ANN))
    assert.matches("1", page:unread(CAT))
    assert.is_nil(page:unread(BEN))

    page:open_phone(ANN)
    browser:wait("document.title === arguments[0]", "(1) " .. NAME)
    assert.is_nil(page:unread(ANN))
    page:open_phone(CAT)
    browser:wait("document.title === arguments[0]", NAME)
    assert.is_nil(page:unread(CAT))

    -- A phone that was read before counts for what came since.
    page:send { to = ANN, text = "four" }
    browser:wait("document.title === arguments[0]", "(1) " .. NAME)
    page:open_phone(ANN)
    browser:wait("document.title === arguments[0]", NAME)
    page:send { to = BEN, text = "five" }
    browser:wait("document.title === arguments[0]", "(1) " .. NAME)
  end)

  it("the title counts also while another tab is in front", function()
    page:send { to = BEN, text = "first" }
    page:open_phone(BEN)
    local first = browser:window()
    browser:new_window("tab")
    browser:open("about:blank")
    page:send { to = ANN, text = "one" }
    page:send { to = ANN, text = "two" }
    browser:switch_to(first)
    browser:wait("document.title === arguments[0]", "(2) " .. NAME)
    browser:close_others()
  end)

  it("a second page sees it as well", function()
    page:send { to = ANN, text = "before" }
    page:open_phone(ANN)
    local first = browser:window()
    browser:new_window()
    page:visit()
    page:open_phone(ANN)
    local id = page:send { to = ANN, text = "for both" }
    page:wait_for_message(id)
    assert.equal("for both", page:text_of(id))
    browser:close_window()
    browser:switch_to(first)
    page:wait_for_message(id)
    assert.equal("for both", page:text_of(id))
  end)

  it("a page that came after a deletion stays where it is when the first one goes", function()
    page:send { to = BEN, text = "before" }
    browser:wait("document.querySelector('[data-phone]')")
    page:ask("DELETE", "/sandbox/messages")
    browser:wait("!document.querySelector('[data-phone]')")
    local first = browser:window()
    browser:new_window()
    page:visit()
    local second = browser:window()
    local id = page:send { to = ANN, text = "after" }
    page:open_phone(ANN)
    page:wait_for_message(id)
    -- Another page listens now, and is greeted anew by the same sandbox.
    browser:switch_to(first)
    browser:close_window()
    browser:switch_to(second)
    local later = page:send { to = ANN, text = "later" }
    page:wait_for_message(later)
    assert.same({ id, later }, page:bubbles())
    assert.matches("/#/%" .. ANN .. "$", browser:url())
  end)

  it("seven pages at once are all alive", function()
    -- A browser opens no more than six connections to a host.
    local first = browser:window()
    for _ = 1, 6 do
      browser:new_window("tab")
      browser:open(page.origin .. "/")
      page:wait_until_live()
    end
    local id = page:send { to = ANN, text = "for all" }
    for _, handle in ipairs(browser:windows()) do
      browser:switch_to(handle)
      browser:wait("document.querySelector(arguments[0])", phones.row(ANN))
    end
    page:open_phone(ANN)
    page:wait_for_message(id)
    -- The others go on without the one that came first.
    browser:switch_to(first)
    browser:close_window()
    browser:switch_to(browser:windows()[1])
    page:wait_until_live()
    page:send { to = BEN, text = "for the rest" }
    for _, handle in ipairs(browser:windows()) do
      browser:switch_to(handle)
      browser:wait("document.querySelector(arguments[0])", phones.row(BEN))
    end
    browser:close_others()
  end)

  it("statuses move on by themselves", function()
    page:set { t_sent = 0.2, t_finalized = 0.4 }
    local id = page:send { to = ANN, text = "on its way" }
    local lost = page:send { to = "+15550040008", text = "not there" }
    page:open_phone(ANN)
    page:wait_for_message(id)
    local line = phones.bubble(id) .. ' [data-action="details"]'
    browser:wait("/delivered/i.test(document.querySelector(arguments[0]).textContent)", line)
    page:open_phone("+15550040008")
    page:wait_for_message(lost)
    line = phones.bubble(lost) .. ' [data-action="details"]'
    browser:wait("/fail|not deliv|undeliv/i.test(document.querySelector(arguments[0]).textContent)",
      line)
  end)

  it("a message to a group stands at each of its phones", function()
    local group = page:ask("POST", "/v2/messages/group_mms", {
      from = phones.US, to = { ANN, BEN }, text = "Hi all", media_urls = {
        page.origin .. "/sandbox/media/sample.png" },
    }).data
    for _, number in ipairs { ANN, BEN } do
      page:open_phone(number)
      page:wait_for_message(group.id)
      assert.equal("Hi all", page:text_of(group.id))
      browser:wait([[(picture => picture && picture.complete && picture.naturalWidth > 0)(
        document.querySelector(arguments[0]))]], phones.bubble(group.id) .. " img")
    end
  end)

  it("what another client deletes is gone from the page", function()
    local id = page:send { to = ANN, text = "soon gone" }
    page:open_phone(ANN)
    page:wait_for_message(id)
    browser:wait("(localStorage.getItem('telnyx-sandbox-seen') || '').includes(arguments[0])", ANN)
    page:ask("DELETE", "/sandbox/messages")
    browser:wait("!document.querySelector('[data-phone], [data-message]')")
    browser:wait("document.querySelector('#empty').checkVisibility()")
    assert.equal(NAME, browser:title())
    -- And it lives on.
    local next_id = page:send { to = ANN, text = "anew" }
    browser:wait("document.title === arguments[0]", "(1) " .. NAME)
    assert.matches("1", page:unread(ANN))
    page:open_phone(ANN)
    page:wait_for_message(next_id)
    assert.same({ next_id }, page:bubbles())
  end)
end)
