-- The strip above the phones: how to reach the sandbox, its weather, pausing, deleting; and the
-- page when nothing has come yet.

local phones = require("spec.support.phones")
local process = require("spec.support.process")
local sandbox = require("spec.support.sandbox")

local ANN, BEN = "+13125550002", "+13125550003"

local about = phones.can_run() and describe or pending

about("the phones page, the strip:", function()
  local page, browser
  local it = phones.it(it, function() return page end)

  setup(function()
    page = phones.start()
    browser = page.browser
  end)
  teardown(function() if page then page:stop() end end)
  before_each(function() page:begin() end)
  after_each(function() assert.same({}, page:wrongs()) end)

  local function text_of(css)
    return browser:run("const e = document.querySelector(arguments[0]);"
      .. "return (e.value ?? e.textContent).trim()", css)
  end

  local function wait_for_clipboard(text)
    sandbox.wait(function() return browser:clipboard() == text end, "the clipboard: " .. text)
  end

  local function wait_for_knob(name, value)
    sandbox.wait(function() return page:options()[name] == value end, name)
  end

  -- Chooses as a person does, by what a change event tells.
  local function choose(css, value)
    browser:run([[
      const select = document.querySelector(arguments[0]);
      if (![...select.options].some(o => o.value === arguments[1])) {
        throw new Error("no option " + arguments[1] + " but " +
          [...select.options].map(o => o.value).slice(0, 9));
      }
      select.value = arguments[1];
      select.dispatchEvent(new Event("input", { bubbles: true }));
      select.dispatchEvent(new Event("change", { bubbles: true }));
    ]], css, value)
  end

  it("says the base URL, and copies it", function()
    assert.equal(page.origin .. "/v2", text_of("#base-url"))
    browser:click("#copy-base-url")
    wait_for_clipboard(page.origin .. "/v2")
  end)

  it("says the key of webhooks", function()
    local key = page:ask("GET", "/sandbox/public_key").public_key
    browser:wait([[(strip => strip.textContent.includes(arguments[0]) ||
      [...strip.querySelectorAll("input, output")].some(e => e.value === arguments[0]))(
      document.querySelector("#strip"))]], key)
  end)

  it("can be hidden, which is remembered", function()
    assert.is_true(browser:find("#strip"):is_shown())
    browser:click("#strip-toggle")
    browser:wait("!document.querySelector('#strip').checkVisibility()")
    browser:reload()
    page:wait_until_live()
    assert.is_false(browser:find("#strip"):is_shown())
    browser:click("#strip-toggle")
    browser:wait("document.querySelector('#strip').checkVisibility()")
    browser:reload()
    page:wait_until_live()
    assert.is_true(browser:find("#strip"):is_shown())
  end)

  it("lets the next message be refused", function()
    choose("#weather-times", "1")
    choose("#weather", "40300")
    wait_for_knob("weather", "40300")
    assert.same({ 403, "40300" }, { page:try { to = ANN, text = "one" } })
    assert.equal(200, (page:try { to = ANN, text = "two" }))
    -- The menu says so.
    browser:wait("document.querySelector('#weather').value === ''")
  end)

  it("lets messages fail until it is changed", function()
    page:set { t_sent = 0, t_finalized = 0 }
    choose("#weather-times", "0")
    choose("#weather", "40008")
    wait_for_knob("weather", "40008")
    for _, text in ipairs { "one", "two" } do
      local id = page:send { to = ANN, text = text }
      sandbox.wait(function() return page:get(id).to[1].status == "delivery_failed" end, "the end")
    end
    choose("#weather", "")
    sandbox.wait(function() return page:options().weather ~= "40008" end, "fair weather")
    local id = page:send { to = ANN, text = "three" }
    sandbox.wait(function() return page:get(id).to[1].status == "delivered" end, "the end")
  end)

  it("shows the weather that another client made", function()
    page:set { weather = "40300" }
    browser:wait("document.querySelector('#weather').value === '40300'")
    page:set { weather = require("cjson").null }
    browser:wait("document.querySelector('#weather').value === ''")
  end)

  it("turns the weather of webhooks, and says that it is turned", function()
    browser:click("#show-knobs")
    browser:wait("document.querySelector('#knobs-dialog').open")
    browser:find("#knob-lose"):clear()
    browser:find("#knob-lose"):type("3")
    browser:press("Tab")
    wait_for_knob("lose", 3)
    browser:click("#knob-swap")
    wait_for_knob("swap", true)
    choose("#knob-signature", "flipped_bit")
    wait_for_knob("signature", "flipped_bit")
    browser:wait("document.querySelector('#show-knobs').textContent === '3 changed'")
    browser:click("#knobs-fair")
    wait_for_knob("signature", "good")
    wait_for_knob("lose", 0)
    wait_for_knob("swap", false)
    browser:press("Escape")
    browser:wait("!document.querySelector('#knobs-dialog').open")
    browser:wait("document.querySelector('#show-knobs').textContent === 'Fair'")
  end)

  it("says what was refused, and why", function()
    assert.is_false(browser:find("#refused"):is_shown())
    assert.equal(403, (page:try { to = "+15550040300", text = "<b>one</b>" }))
    assert.equal(400, (page:try { to = "bad", text = "two" }))
    browser:wait("document.querySelector('#refused').textContent === '2 refused'")
    browser:click("#refused")
    browser:wait("document.querySelectorAll('#refusals li').length === 2")
    local rows = browser:run("return [...document.querySelectorAll('#refusals li')]"
      .. ".map(e => e.textContent)")
    assert.matches("bad.*400.*two", rows[1])
    assert.matches("%+15550040300.*403 · 40300 · Blocked due to STOP message.*<b>one</b>", rows[2])
    browser:press("Escape")
    browser:reload()
    page:wait_until_live()
    browser:wait("document.querySelector('#refused').textContent === '2 refused'")
    page:ask("DELETE", "/sandbox/messages")
    browser:wait("document.querySelector('#refused').hidden")
  end)

  it("has the URL for what phones write, and the list of keys", function()
    browser:click("#show-knobs")
    browser:find("#knob-profile_webhook_url"):type("http://127.0.0.1:9/hooks")
    browser:press("Tab")
    wait_for_knob("profile_webhook_url", "http://127.0.0.1:9/hooks")
    browser:click("#knobs-fair")
    -- It is no weather, and stays.
    assert.equal("http://127.0.0.1:9/hooks", page:options().profile_webhook_url)
    browser:find("#knob-profile_webhook_url"):clear()
    browser:press("Tab")
    wait_for_knob("profile_webhook_url", require("cjson").null)
    browser:press("Escape")
    browser:click("#show-keys")
    browser:wait("document.querySelector('#keys-dialog').open")
    browser:press("Escape")
  end)

  it("fits a narrow page, whatever stands in it", function()
    browser:resize(360, 740)
    assert.equal(403, (page:try { to = "+15550040300", text = "one" }))
    page:set { weather = "51500" }
    browser:wait("document.querySelector('#weather-on').checkVisibility()")
    browser:wait("document.querySelector('#refused').checkVisibility()")
    browser:click("#pause")
    assert.is_true(browser:run([[
      return document.documentElement.scrollWidth <= innerWidth &&
        [...document.querySelectorAll(".bar button")].filter(b => b.checkVisibility())
          .every(b => b.getBoundingClientRect().right <= innerWidth)]]))
    browser:click("#pause")
    browser:resize(1200, 900)
  end)

  it("has colours that one can choose, which is remembered", function()
    local function background()
      return browser:run("return getComputedStyle(document.body).backgroundColor")
    end
    browser:prefer("dark")
    local dark = background()
    browser:prefer("light")
    local light = background()
    assert.not_equal(light, dark)
    local seen = {}
    for i = 1, 3 do
      browser:click("#theme")
      seen[i] = background()
    end
    assert.same({ light, dark, light }, seen)
    browser:click("#theme")
    browser:click("#theme")
    browser:reload()
    page:wait_until_live()
    assert.equal(dark, background())
    browser:click("#theme")
  end)

  it("pauses: nothing moves, and all that came is there afterwards", function()
    local first = page:send { to = ANN, text = "before" }
    page:open_phone(ANN)
    page:wait_for_message(first)
    browser:click("#pause")
    browser:wait("document.body.dataset.live === 'paused'")
    local second = page:send { to = ANN, text = "meanwhile" }
    local other = page:send { to = BEN, text = "meanwhile, too" }
    -- It counts what came, so it knows of it, and shows none of it.
    browser:wait("/\\b2\\b/.test(document.querySelector('#held').innerText)")
    assert.same({ first }, page:bubbles())
    assert.same({ ANN }, page:rows())
    browser:click("#pause")
    page:wait_until_live()
    page:wait_for_message(second)
    assert.same({ first, second }, page:bubbles())
    assert.same({ BEN, ANN }, page:rows())
    page:open_phone(BEN)
    page:wait_for_message(other)
    local third = page:send { to = BEN, text = "after" }
    page:wait_for_message(third)
    assert.same({ other, third }, page:bubbles())
  end)

  it("deletes all, when that is confirmed", function()
    local id = page:send { to = ANN, text = "soon gone" }
    page:open_phone(ANN)
    page:wait_for_message(id)
    browser:click("#delete-all")
    browser:wait("document.querySelector('#delete-confirm').checkVisibility()")
    browser:press("Escape")
    browser:wait("(e => !e || !e.checkVisibility())(document.querySelector('#delete-confirm'))")
    assert.equal(1, #page:messages())
    browser:click("#delete-all")
    browser:click("#delete-confirm")
    browser:wait("!document.querySelector('[data-phone], [data-message]')")
    assert.same({}, page:messages())
    browser:wait("document.querySelector('#empty').checkVisibility()")
    -- Weather and other options stay as they are, and the page is alive.
    local next_id = page:send { to = ANN, text = "anew" }
    page:open_phone(ANN)
    page:wait_for_message(next_id)
  end)

  -- A command that is shown while nothing has come yet, run as a person would.
  local function run_shown(id)
    browser:wait("document.querySelector('#empty').checkVisibility()")
    local command = browser:find("#" .. id):text()
    local said = process.run(("export LUA_PATH=%s LUA_CPATH=%s; sh -c %s"):format(
      sandbox.quote(package.path), sandbox.quote(package.cpath), sandbox.quote(command)))
    assert.equal(1, #page:messages(), command .. "\n" .. said)
    browser:wait("!document.querySelector('#empty').checkVisibility()")
    assert.equal(1, #page:rows())
  end

  it("shows a command with curl that works, when nothing has come yet", function()
    run_shown("curl-command")
  end)

  it("shows one with Lua that works", function()
    run_shown("lua-command")
  end)

  it("copies these commands", function()
    browser:wait("document.querySelector('#empty').checkVisibility()")
    for _, id in ipairs { "curl-command", "lua-command", "env-command" } do
      browser:click(('[data-copy="%s"]'):format(id))
      wait_for_clipboard(text_of("#" .. id))
    end
  end)
end)
