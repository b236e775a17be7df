-- The page for everybody: by keys alone, by a screen reader, narrow and wide, dark and light, from
-- right to left; and what it may load.

local http = require("socket.http")
local phones = require("spec.support.phones")

local ANN, BEN, CAT = "+13125550002", "+13125550003", "+13125550004"

local about = phones.can_run() and describe or pending

about("the phones page, for everybody:", function()
  local page, browser, ids
  local it = phones.it(it, function() return page end)

  setup(function()
    page = phones.start()
    browser = page.browser
  end)
  teardown(function() if page then page:stop() end end)
  before_each(function()
    browser:resize(1200, 900)
    page:begin { t_sent = 0, t_finalized = 0 }
    ids = {}
    for i, number in ipairs { ANN, BEN, CAT } do
      ids[i] = page:send { to = number, text = "It’s message " .. i,
        webhook_url = "http://127.0.0.1:9/hook" }
    end
    browser:wait("document.querySelectorAll('#phones [data-phone]').length === 3")
  end)
  after_each(function() assert.same({}, page:wrongs()) end)

  local DIALOG = "[...document.querySelectorAll('dialog, [role=dialog]')]"
    .. ".some(e => e.checkVisibility())"

  local function wait_until_open(number)
    browser:wait("document.querySelector(arguments[0])",
      phones.row(number) .. '[aria-current="true"]')
  end

  local function wait_for_focus(css)
    browser:wait("document.activeElement && document.activeElement.closest(arguments[0])", css)
  end

  it("loads nothing but what is its own, by a strict policy", function()
    local _, status, headers = http.request(page.origin .. "/")
    assert.equal(200, status)
    local policy = headers["content-security-policy"]
    for _, part in ipairs { "default-src 'none'", "script-src 'self'", "style-src 'self'",
      "img-src 'self'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'",
      "frame-ancestors 'none'", "require-trusted-types-for 'script'" } do
      assert.is_truthy(policy:find(part, 1, true), part)
    end
    assert.is_nil(policy:find("unsafe", 1, true))
    assert.equal("nosniff", headers["x-content-type-options"])
    assert.equal("no-referrer", headers["referrer-policy"])
    -- The policy holds: a script that is made of text does not run.
    browser:run([[
      const script = document.createElement("script");
      try { script.textContent = "window.pwned = 1"; document.body.append(script); } catch (e) {}
    ]])
    assert.is_nil(browser:run("return window.pwned"))
    browser:console()
  end)

  it("arrows choose a phone, Enter opens, Escape goes back", function()
    browser:run("document.querySelector('#phones [data-phone]').focus()")
    browser:press("ArrowDown", "ArrowDown", "ArrowUp", "Enter")
    wait_until_open(BEN)
    page:wait_for_message(ids[2])
    browser:press("Escape")
    wait_for_focus("#phones")
    browser:press("ArrowDown", "Enter")
    wait_until_open(ANN)
  end)

  it("/ searches, r replies, ? lists the keys", function()
    page:open_phone(ANN)
    browser:press("/")
    wait_for_focus("#search")
    assert.equal("", browser:find("#search"):property("value"))
    browser:press("r", "?")
    assert.equal("r?", browser:find("#search"):property("value"))
    browser:press("Escape", "Escape")
    page:open_phone(ANN)
    browser:press("r")
    wait_for_focus("#reply-text")
    assert.equal("", browser:find("#reply-text"):property("value"))
    browser:press("/", "?")
    assert.equal("/?", browser:find("#reply-text"):property("value"))
    browser:find("#reply-text"):clear()
    browser:press("Escape")
    browser:press("?")
    browser:wait(DIALOG)
    browser:press("Escape")
    browser:wait("!" .. DIALOG)
  end)

  it("a whole visit needs no mouse", function()
    browser:run("document.activeElement.blur()")
    browser:press("/")
    wait_for_focus("#search")
    for digit in ("3125550003"):gmatch("%d") do browser:press(digit) end
    browser:wait("document.querySelector(arguments[0])", ('[data-result="%s"]'):format(ids[2]))
    for _ = 1, 30 do
      browser:press("Tab")
      if browser:run("return !!document.activeElement.closest('[data-result]')") then break end
    end
    browser:press("Enter")
    wait_until_open(BEN)
    page:wait_for_message(ids[2])
    browser:run("document.activeElement.blur()")
    browser:press("r")
    wait_for_focus("#reply-text")
    browser:press("O", "K", "Enter")
    browser:wait("document.querySelector('#conversation .inbound')")
    assert.equal("OK", page:messages("?direction=inbound")[1].text)
  end)

  -- All that one can act on and that is to be seen. Marked, so that it is known again.
  local MARK = [[
    const css = "a[href], button, input, select, textarea, summary, [tabindex], [role=button], " +
      "[role=option], [contenteditable=true]";
    let n = 0;
    for (const e of document.querySelectorAll("[data-spec]")) delete e.dataset.spec;
    const top = document.querySelector("dialog:modal") || document;
    const shown = [...top.querySelectorAll(css)].filter(e => !e.disabled && e.type !== "hidden"
      && e.checkVisibility({ visibilityProperty: true }) && !e.closest("[inert]"));
    for (const e of shown) e.dataset.spec = ++n;
    const describe = e => e.tagName + (e.id ? "#" + e.id : "") + " " +
      (e.dataset.action || e.dataset.phone || e.className || e.name || "");
    return shown.map(e => ({ mark: e.dataset.spec, what: describe(e), tab: e.tabIndex,
      isRow: !!e.closest("[data-phone], [data-message], [role=radiogroup], [role=toolbar]"),
      isFocusable: e.tabIndex >= 0 || e.hasAttribute("tabindex") }));
  ]]

  local function open_all()
    page:open_phone(BEN)
    page:open_details(ids[2])
    browser:wait("document.querySelector(arguments[0])",
      phones.details(ids[2]) .. " .webhooks")
  end

  it("Tab reaches each control, and Shift+Tab goes back", function()
    open_all()
    local all = browser:run(MARK)
    browser:run("document.activeElement.blur(); window.getSelection().removeAllRanges()")
    local reached, first = {}, nil
    for _ = 1, #all + 20 do
      browser:press("Tab")
      local mark = browser:run("return document.activeElement.dataset.spec || null")
      if mark then
        if mark == first then break end
        first = first or mark
        reached[mark] = true
      end
    end
    local missed = {}
    for _, control in ipairs(all) do
      -- Of a list of rows one is in the order of Tab, and arrows lead to the others.
      local by_arrows = control.isRow and control.tab < 0
      local is_target = control.tab < 0 -- focused by the page alone, as a pane or a dialog is
      if not reached[control.mark] and not by_arrows and not is_target then
        missed[#missed + 1] = control.what
      end
    end
    assert.same({}, missed)
    assert.is_true(browser:run("return [...document.querySelectorAll('#phones [data-phone], ' +"
      .. " '#phones [data-phone] *')].some(e => e.tabIndex === 0)"))
    browser:press("Tab")
    local here = browser:run("return document.activeElement.dataset.spec || null")
    browser:press("Tab", "Shift+Tab")
    assert.equal(here, browser:run("return document.activeElement.dataset.spec || null"))
  end)

  it("what has the focus is to be seen", function()
    open_all()
    local all = browser:run(MARK)
    local wrong = {}
    browser:run("document.activeElement.blur()")
    for _ = 1, #all do
      browser:press("Tab")
      local what = browser:run([[
        const e = document.activeElement;
        if (!e || e === document.body) return null;
        const style = getComputedStyle(e);
        const around = getComputedStyle(e.parentElement);
        const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1
          || style.boxShadow !== "none" || around.boxShadow !== "none"
          || around.outlineStyle !== "none" && e.parentElement.matches(":focus-within");
        return seen ? null : e.tagName + "#" + e.id + "." + e.className;
      ]])
      if what then wrong[what] = true end
    end
    assert.same({}, wrong)
  end)

  it("each control has a name", function()
    open_all()
    local function check()
      browser:run(MARK)
      local wrong = {}
      for _, element in ipairs(browser:find_all("[data-spec]")) do
        local is_plain = browser:run([[return arguments[0].matches(
          ":not(a, button, input, select, textarea, summary, [role])")]], element)
        if not is_plain and element:label() == "" then
          wrong[#wrong + 1] = browser:run("return arguments[0].outerHTML.slice(0, 120)", element)
        end
      end
      assert.same({}, wrong)
    end
    check()
    browser:click("#new-phone")
    browser:wait("document.querySelector('#new-from').checkVisibility()")
    check()
    browser:press("Escape")
    browser:click("#delete-all")
    browser:wait("document.querySelector('#delete-confirm').checkVisibility()")
    check()
    browser:press("Escape")
  end)

  it("has landmarks, a heading, a language and a log", function()
    open_all()
    assert.same({}, browser:run([[
      const missing = [];
      for (const css of ["main, [role=main]", "h1", "html[lang]", "[role=log]",
          "[aria-live], [role=status]", "header, [role=banner], nav, [role=navigation]"]) {
        if (!document.querySelector(css)) missing.push(css);
      }
      const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
      for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) missing.push("one #" + id);
      return missing;
    ]]))
  end)

  -- The ratio of WCAG 2 for each piece of text that is to be seen, over what is behind it.
  local CONTRAST = [[
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgba = colour => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      return [r, g, b, a / 255];
    };
    const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3]))
      .concat(1);
    const behind = e => {
      const chain = [];
      for (; e; e = e.parentElement) chain.unshift(rgba(getComputedStyle(e).backgroundColor));
      return chain.reduce((under, top) => over(top, under),
        rgba(getComputedStyle(document.documentElement).colorScheme.includes("dark") &&
          matchMedia("(prefers-color-scheme: dark)").matches ? "#121212" : "#fff"));
    };
    const light = c => {
      const part = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
      return 0.2126 * part(c[0]) + 0.7152 * part(c[1]) + 0.0722 * part(c[2]);
    };
    const wrong = new Set();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let n = 0;
    while (walker.nextNode()) {
      const e = walker.currentNode.parentElement;
      if (!walker.currentNode.data.trim() || e.closest(":disabled, [aria-disabled=true], script"))
        continue;
      if (!e.checkVisibility({ visibilityProperty: true }) || !e.getClientRects().length) continue;
      const box = e.getBoundingClientRect();
      if (box.width < 2 || box.height < 2) continue;
      const style = getComputedStyle(e), under = behind(e);
      let colour = rgba(style.color);
      for (let x = e; x; x = x.parentElement) colour[3] *= parseFloat(getComputedStyle(x).opacity);
      const lights = [light(over(colour, under)), light(under)].sort((a, b) => b - a);
      const ratio = (lights[0] + 0.05) / (lights[1] + 0.05);
      const size = parseFloat(style.fontSize);
      const isLarge = size >= 24 || size >= 18.66 && parseInt(style.fontWeight) >= 700;
      n++;
      if (ratio < (isLarge ? 3 : 4.5)) {
        wrong.add(`${e.tagName}.${e.className} "${walker.currentNode.data.trim().slice(0, 20)}" ` +
          ratio.toFixed(2));
      }
    }
    return n < 10 ? ["only " + n + " texts"] : [...wrong];
  ]]

  for _, scheme in ipairs { "light", "dark" } do
    it("its texts stand out: " .. scheme, function()
      browser:prefer(scheme)
      page:say(BEN, "an answer")
      open_all()
      browser:wait("document.querySelector('#conversation .inbound')")
      -- Colours may come by and by.
      browser:wait("document.getAnimations().every(a => a.playState !== 'running')")
      assert.same({}, browser:run(CONTRAST))
      page:ask("DELETE", "/sandbox/messages")
      page:visit()
      browser:wait("document.querySelector('#empty').checkVisibility()")
      assert.same({}, browser:run(CONTRAST))
      browser:prefer("light")
    end)
  end

  it("is dark where that is wished", function()
    local is_dark = [[(([r, g, b]) => (+r + +g + +b) / 3 < 100)(
      (c => c)(getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g)
        .slice(0, 3).map(v => v <= 1 ? v * 255 : v)))]]
    browser:prefer("light")
    browser:wait("!" .. is_dark)
    browser:prefer("dark")
    browser:wait(is_dark)
    browser:prefer("light")
  end)

  -- Nothing to the side, and nothing before the reply box.
  local function check_layout()
    assert.same({}, browser:run([=[
      const wrong = [], root = document.scrollingElement;
      if (root.scrollWidth > innerWidth) wrong.push("scrolls to the side: " + root.scrollWidth);
      for (const e of document.querySelectorAll("#conversation, #phones")) {
        if (e.checkVisibility() && e.scrollWidth > e.clientWidth + 1) {
          wrong.push(e.id + " scrolls to the side");
        }
      }
      const reply = document.querySelector("#reply-text");
      if (reply && reply.checkVisibility()) {
        const box = reply.getBoundingClientRect();
        if (box.left < 0 || box.right > innerWidth || box.bottom > innerHeight) {
          wrong.push("the reply box is cut: " + JSON.stringify(box));
        }
        for (const [x, y] of [[0.03, 0.2], [0.5, 0.5], [0.97, 0.8], [0.03, 0.8], [0.97, 0.2]]) {
          const there = document.elementFromPoint(box.left + box.width * x,
            box.top + box.height * y);
          if (there !== reply) {
            wrong.push("before the reply box: " + (there ? there.outerHTML.slice(0, 80) : "none"));
          }
        }
      } else wrong.push("no reply box");
      return wrong;
    ]=]))
  end

  for _, size in ipairs { { 360, 740 }, { 1600, 1000 } } do
    for _, scheme in ipairs { "light", "dark" } do
      it(("is whole at %d pixels, %s"):format(size[1], scheme), function()
        browser:prefer(scheme)
        browser:resize(size[1], size[2])
        page:send_many(30, function(i)
          return { to = BEN, text = ("A longer message, number %d. "):format(i):rep(1 + i % 5) }
        end)
        page:visit("#/" .. BEN .. "/" .. ids[2])
        page:wait_for_message(ids[2])
        check_layout()
        page:open_details(ids[2])
        browser:wait("document.querySelector(arguments[0])",
          phones.details(ids[2]) .. " .webhooks")
        check_layout()
        browser:find("#reply-text"):type(("a long answer "):rep(20))
        check_layout()
        browser:find("#reply-text"):clear()
        browser:prefer("light")
      end)
    end
  end

  it("a narrow page has one pane at a time, and a way back", function()
    browser:resize(360, 740)
    page:visit()
    assert.is_true(browser:find("#phones"):is_shown())
    page:open_phone(BEN)
    page:wait_for_message(ids[2])
    browser:wait("!document.querySelector('#phones').checkVisibility()")
    assert.is_true(browser:find("#conversation"):is_shown())
    browser:back()
    browser:wait("document.querySelector('#phones').checkVisibility()")
    browser:wait("!document.querySelector('#conversation').checkVisibility()")
  end)

  it("runs from right to left for those who read so", function()
    browser:speak("he-IL")
    page:visit("#/" .. BEN)
    page:wait_for_message(ids[2])
    assert.equal("rtl", browser:run("return document.documentElement.dir"))
    -- The list is on the right, and so is what the phone received.
    local places = browser:run([[
      const middle = css => {
        const box = document.querySelector(css).getBoundingClientRect();
        return (box.left + box.right) / 2;
      };
      return [middle("#phones"), middle("#conversation"), middle("#conversation .outbound .text")];
    ]])
    assert.is_true(places[1] > places[2])
    assert.is_true(places[3] > places[2])
    -- A number is still read from the left.
    assert.equal("ltr", browser:run([[
      const walker = document.createTreeWalker(document.querySelector(arguments[0]),
        NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) {
        if (/\+?1?.*312.*555.*0003/.test(walker.currentNode.data)) {
          return getComputedStyle(walker.currentNode.parentElement).direction;
        }
      }
      return "no number";
    ]], phones.row(BEN)))
    check_layout()
    browser:resize(360, 740)
    check_layout()
    browser:speak("en-US")
    page:visit()
    assert.not_equal("rtl", browser:run("return document.documentElement.dir"))
  end)

  it("moves nothing for those who do not want that", function()
    browser:devtools("Emulation.setEmulatedMedia", {
      features = { { name = "prefers-reduced-motion", value = "reduce" } },
    })
    page:visit()
    page:open_phone(BEN)
    page:wait_for_message(page:send { to = BEN, text = "quietly" })
    assert.same({}, browser:run([[
      return document.getAnimations().filter(a => a.playState === "running" &&
        a.effect.getComputedTiming().activeDuration > 20)
        .map(a => String(a.animationName || a.transitionProperty));
    ]]))
    browser:prefer("light")
  end)
end)
