-- Being the phone: answers, STOP and START, the end of a message, and what a program is told of it.

local phones = require("spec.support.phones")
local telnyx = require("telnyx")

local ANN, ZOE = "+13125550002", "+13125550009"

local about = phones.can_run() and describe or pending

about("the phones page, as a phone:", function()
  local page, browser, receiver, public_key
  local it = phones.it(it, function() return page end)

  setup(function()
    page = phones.start()
    browser = page.browser
    public_key = page:ask("GET", "/sandbox/public_key").public_key
  end)
  teardown(function() if page then page:stop() end end)
  before_each(function()
    receiver = phones.receiver()
    page:begin { t_sent = 0, t_finalized = 3600, backoff = 0.05,
      profile_webhook_url = receiver.url }
  end)
  after_each(function()
    receiver:close()
    assert.same({}, page:wrongs())
  end)

  -- The next event of a type; signed by the sandbox.
  local function event(event_type)
    local request = receiver:wait_for(event_type)
    local verified, why = telnyx.webhook.verify(request.body, request.headers, public_key)
    assert(verified, why)
    return request.event, request
  end

  local function reply(text)
    browser:find("#reply-text"):type(text)
    browser:click("#reply-send")
    browser:wait("document.querySelector('#reply-text').value === ''")
  end

  -- A message that is open, with what is under it.
  local function opened(text)
    local id = page:send { to = ANN, text = text or "Hello", webhook_url = receiver.url }
    page:open_phone(ANN)
    page:open_details(id)
    return id
  end

  -- A button of a message, wherever around it it stands.
  local function button(id, action)
    return ('[data-message="%s"] [data-action="%s"]'):format(id, action)
  end

  -- The first webhook under a message, unfolded.
  local function open_webhook(id)
    local webhook = phones.details(id) .. " .webhook"
    browser:wait([[(e => e && !e.querySelector("[data-action=resend]").disabled)(
      document.querySelector(arguments[0]))]], webhook)
    browser:click(webhook .. " summary")
    browser:wait("document.querySelector(arguments[0]).open", webhook)
    return webhook
  end

  it("an answer reaches the program, signed", function()
    page:send { to = ANN, text = "How are you?" }
    page:open_phone(ANN)
    reply("Fine, thanks")
    local told = event("message.received")
    assert.equal("Fine, thanks", told.payload.text)
    assert.equal(ANN, told.payload.from.phone_number)
    assert.equal(phones.US, told.payload.to[1].phone_number)
    page:wait_for_message(told.payload.id)
    assert.equal("Fine, thanks", page:text_of(told.payload.id))
    assert.is_not_nil(browser:run("return document.querySelector(arguments[0])",
      phones.bubble(told.payload.id) .. ".inbound"))
  end)

  it("Enter sends, Shift+Enter begins a line", function()
    page:send { to = ANN, text = "How are you?" }
    page:open_phone(ANN)
    browser:click("#reply-text")
    browser:press("a", "Shift+Enter", "b", "Enter")
    assert.equal("a\nb", event("message.received").payload.text)
    -- Nothing is sent where nothing is written.
    browser:press("Enter")
    reply("the next one")
    assert.equal("the next one", event("message.received").payload.text)
  end)

  it("an answer goes once, however often Enter is pressed", function()
    page:send { to = ANN, text = "How are you?" }
    page:open_phone(ANN)
    browser:find("#reply-text"):type("Fine")
    -- Before any answer of the sandbox can have come.
    browser:run([[
      const enter = () => document.querySelector("#reply-text").dispatchEvent(
        new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
      enter(); enter();
      document.querySelector("#reply-send").click();
    ]])
    event("message.received")
    reply("Goodbye")
    assert.equal("Goodbye", event("message.received").payload.text)
    assert.equal(3, #page:messages())
  end)

  it("a picture goes along: the sample, or a file of one's own", function()
    page:send { to = ANN, text = "Send me a picture" }
    page:open_phone(ANN)
    browser:click("#attach")
    browser:click("#attach-sample")
    browser:wait("document.querySelector('#reply-media img')")
    browser:run([[
      const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
      const list = new DataTransfer();
      list.items.add(new File([bytes], "own.png", { type: "image/png" }));
      const file = document.querySelector("#file");
      file.files = list.files;
      file.dispatchEvent(new Event("change", { bubbles: true }));
    ]], "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5E"
      .. "rkJggg==")
    browser:wait("document.querySelectorAll('#reply-media img').length === 2")
    browser:click("#reply-send")
    local payload = event("message.received").payload
    assert.equal("MMS", payload.type)
    assert.matches("/sandbox/media/sample%.png$", payload.media[1].url)
    assert.matches("/sandbox/media/[%w-]+%.png$", payload.media[2].url)
    -- Both are shown, from the sandbox itself, and nothing is left below.
    browser:wait([[(list => list.length === 2 && list.every(i => i.complete && i.naturalWidth > 0))(
      [...document.querySelectorAll(arguments[0] + " img")])]], phones.bubble(payload.id))
    browser:wait("document.querySelector('#reply-media').hidden")
  end)

  it("an answer goes to the number that wrote last", function()
    page:send { to = ANN, text = "one" }
    local id = page:send { to = ANN, text = "two", from = "+13125550077" }
    page:open_phone(ANN)
    page:wait_for_message(id)
    reply("to whom?")
    assert.equal("+13125550077", event("message.received").payload.to[1].phone_number)
  end)

  it("one click says STOP", function()
    page:send { to = ANN, text = "News!" }
    page:open_phone(ANN)
    browser:click('#conversation [data-word="STOP"]')
    assert.equal("STOP", event("message.received").payload.text)
    assert.same({ 403, "40300" }, { page:try { to = ANN, text = "More news!" } })
    browser:click('#conversation [data-word="START"]')
    event("message.received")
    assert.equal(200, (page:try { to = ANN, text = "More news!" }))
  end)

  it("STOP stops the next message, START lets it through", function()
    page:send { to = ANN, text = "News!" }
    page:open_phone(ANN)
    reply("STOP")
    assert.equal("STOP", event("message.received").payload.autoresponse_type)
    assert.same({ 403, "40300" }, { page:try { to = ANN, text = "More news!" } })
    browser:wait("document.querySelectorAll('#conversation .outbound').length === 2")
    reply("START")
    event("message.received")
    assert.equal(200, (page:try { to = ANN, text = "More news!" }))
  end)

  it("a phone that is not there yet can write", function()
    browser:click("#new-phone")
    browser:wait("document.querySelector('#new-from').checkVisibility()")
    browser:find("#new-from"):clear()
    browser:find("#new-from"):type(ZOE)
    browser:find("#new-to"):clear()
    browser:find("#new-to"):type(phones.US)
    browser:find("#new-text"):type("Hi, it's me")
    browser:click("#new-send")
    local told = event("message.received")
    assert.equal(ZOE, told.payload.from.phone_number)
    assert.equal("Hi, it's me", told.payload.text)
    page:open_phone(ZOE)
    page:wait_for_message(told.payload.id)
  end)

  it("a mistake in that is said, and nothing is sent", function()
    browser:click("#new-phone")
    browser:wait("document.querySelector('#new-from').checkVisibility()")
    browser:find("#new-from"):clear()
    browser:find("#new-from"):type("not a number")
    browser:find("#new-to"):clear()
    browser:find("#new-to"):type(phones.US)
    browser:find("#new-text"):type("Hi")
    browser:click("#new-send")
    browser:wait([[!document.querySelector("#new-from").checkValidity() ||
      [...document.querySelectorAll("[role=alert], .error, [aria-invalid=true]")]
        .some(e => e.checkVisibility())]])
    assert.same({}, page:messages())
    browser:press("Escape")
    -- The browser tells the console of an answer of 4xx.
    page:wrongs()
  end)

  local ENDS = {
    { action = "deliver", status = "delivered" },
    { action = "fail", status = "delivery_failed" },
    { action = "expire", status = "expired" },
  }
  for _, expected in ipairs(ENDS) do
    it(expected.action .. " ends a message, and its program is told", function()
      local id = opened()
      event("message.sent")
      browser:click(button(id, expected.action))
      local told = event("message.finalized")
      assert.equal(id, told.payload.id)
      assert.equal(expected.status, told.payload.to[1].status)
      assert.equal(expected.status, page:get(id).to[1].status)
      local word = ({ deliver = "delivered", fail = "fail|not delivered|undeliver",
        expire = "expired" })[expected.action]
      browser:wait([[new RegExp(arguments[1], "i")
        .test(document.querySelector(arguments[0]).textContent)]], button(id, "details"), word)
    end)
  end

  it("a message that was delivered can fail after all", function()
    local id = opened()
    browser:click(button(id, "deliver"))
    assert.equal("delivered", event("message.finalized").payload.to[1].status)
    browser:click(button(id, "fail"))
    assert.equal("delivery_failed", event("message.finalized").payload.to[1].status)
  end)

  it("shows the bodies of webhooks and what was answered", function()
    receiver.answer = "the program's words"
    local id = opened()
    local told, request = event("message.sent")
    local webhook = open_webhook(id)
    local function shows(text)
      browser:wait("document.querySelector(arguments[0]).innerText.includes(arguments[1])",
        webhook, text)
    end
    local function view(name) browser:click(('%s [data-view="%s"]'):format(webhook, name)) end
    shows("message.sent")
    shows("200")
    shows(receiver.url)
    shows('"id": "' .. told.id .. '"')
    view("raw")
    assert.equal(request.body, browser:find(webhook .. " .body"):property("textContent"))
    view("headers")
    shows(request.headers["telnyx-signature-ed25519"])
    shows(request.headers["telnyx-timestamp"])
    view("answer")
    shows("the program's words")
  end)

  it("a webhook can be sent again: the same event, signed anew", function()
    local id = opened()
    local first, first_request = event("message.sent")
    open_webhook(id)
    browser:click(button(id, "resend"))
    local second, second_request = event("message.sent")
    assert.equal(first.id, second.id)
    assert.equal(first.payload.id, second.payload.id)
    assert.is_string(second_request.headers["telnyx-timestamp"])
    assert.is_true(tonumber(second_request.headers["telnyx-timestamp"])
      >= tonumber(first_request.headers["telnyx-timestamp"]))
    assert.equal(receiver.url, page:get(id).webhook_url)
  end)

  it("a webhook that nobody took is told of, and can be sent again", function()
    receiver.status = 500
    local id = opened()
    for _ = 1, 3 do event("message.sent") end
    receiver.status = 200
    local webhooks = phones.details(id) .. " .webhooks"
    browser:wait([[(e => e && e.textContent.includes("500"))(
      document.querySelector(arguments[0]))]], webhooks)
    open_webhook(id)
    browser:click(button(id, "resend"))
    event("message.sent")
    browser:wait([[(e => e && e.textContent.includes("200"))(
      document.querySelector(arguments[0]))]], webhooks)
  end)

  it("the timeline says what was when", function()
    local id = opened()
    event("message.sent")
    browser:click(button(id, "deliver"))
    event("message.finalized")
    browser:wait([[(e => e && /queued/i.test(e.textContent) && /sent/i.test(e.textContent)
      && /delivered/i.test(e.textContent))(document.querySelector(arguments[0]))]],
      phones.details(id) .. " .timeline")
  end)
end)
