-- The sandbox goes away and comes back while the page is open.

local phones = require("spec.support.phones")
local sandbox = require("spec.support.sandbox")

local ANN, BEN = "+13125550002", "+13125550003"

-- The bar that says what is wrong.
local TROUBLE = "(e => e.checkVisibility() && e.textContent.trim() !== '')"
  .. "(document.querySelector('#trouble'))"

local about = phones.can_run() and describe or pending

about("the phones page, when the sandbox goes away:", function()
  local page, browser
  local it = phones.it(it, function() return page end)

  setup(function()
    page = phones.start()
    browser = page.browser
    page:begin()
  end)
  teardown(function() if page then page:stop() end end)

  it("says so, and goes on by itself when it is back", function()
    local id = page:send { to = ANN, text = "before" }
    page:open_phone(ANN)
    page:wait_for_message(id)
    local port = page.server.port
    page.server:stop()
    browser:wait("document.body.dataset.live === 'reconnecting'")
    browser:wait(TROUBLE)
    -- What was there can still be read.
    assert.equal("before", page:text_of(id))
    browser:run("window.isTheSamePage = true")

    page.server = sandbox.start { port = port }
    page:wait_until_live()
    browser:wait("!" .. TROUBLE)
    -- This sandbox knows nothing of that message.
    browser:wait("!document.querySelector('[data-message]')")
    -- It signs with another key.
    browser:wait("document.querySelector('#public-key').textContent === arguments[0]",
      page:ask("GET", "/sandbox/public_key").public_key)
    local anew = page:send { to = BEN, text = "after" }
    page:open_phone(BEN)
    page:wait_for_message(anew)
    assert.same({ BEN }, page:rows())
    assert.is_true(browser:run("return window.isTheSamePage"))
  end)

  it("says so when an answer could not be sent, and keeps its text", function()
    local id = page:send { to = BEN, text = "How are you?" }
    page:open_phone(BEN)
    page:wait_for_message(id)
    local port = page.server.port
    page.server:stop()
    browser:wait("document.body.dataset.live === 'reconnecting'")
    browser:find("#reply-text"):type("Not lost")
    if browser:run("return !document.querySelector('#reply-send').disabled") then
      browser:click("#reply-send")
    end
    browser:wait(TROUBLE)
    assert.equal("Not lost", browser:find("#reply-text"):property("value"))
    page.server = sandbox.start { port = port }
    page:wait_until_live()
  end)

  it("asked nobody else meanwhile", function()
    for _, wrong in ipairs(page:wrongs()) do
      assert.is_nil(wrong:find("^asked for"), wrong)
      assert.matches("ERR_CONNECTION_REFUSED", wrong:gsub("ERR_[%u_]+", "ERR_CONNECTION_REFUSED"))
    end
  end)
end)
