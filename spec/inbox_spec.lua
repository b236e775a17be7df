-- The kit for other people's tests: what phones got, on virtual time.

local json = require "cjson.safe"
local sandbox = require "telnyx.sandbox"
local socket = require "socket"
local telnyx = require "telnyx"

local unpack = rawget(table, "unpack") or unpack -- luacheck: ignore 113

local OURS, ALICE, BOB = "+13125550001", "+13125550002", "+13125550003"

describe("an inbox", function()
  local sender, client

  local function begin(options, client_options)
    sender = sandbox.sender(options)
    local own = { sender = sender }
    for name, value in pairs(client_options or {}) do own[name] = value end
    client = telnyx.new(own)
  end

  before_each(function() begin() end)

  local function send(changes, options)
    local message = { from = OURS, to = ALICE, text = "Your code is 4711" }
    for name, value in pairs(changes or {}) do message[name] = value end
    return assert(client:send(message, options))
  end

  local function texts(list)
    local own = {}
    for i, message in ipairs(list) do own[i] = message.text end
    return own
  end

  local function raised(...)
    local ok, err = pcall(...)
    assert.is_false(ok)
    return err
  end

  -- Where this file calls a method wrongly, this file's line is blamed.
  local function blames_here(pattern, inbox, method, ...)
    local arguments, n = { ... }, select("#", ...)
    local err = raised(function() inbox[method](inbox, unpack(arguments, 1, n)) end)
    assert.matches("^spec/inbox_spec%.lua:%d+: ", err)
    assert.matches(pattern, err)
  end

  describe("is looked at", function()
    it("by phone, in the order in which messages came", function()
      send { text = "one" }
      send { to = BOB, text = "two" }
      send { text = "three" }
      assert.are.same({ "one", "three" }, texts(sender:inbox(ALICE):messages()))
      assert.are.same({ "two" }, texts(sender:inbox(BOB):messages()))
      assert.are.same({ "one", "two", "three" }, texts(sender:inbox():messages()))
      assert.are.same({}, sender:inbox("+13125550009"):messages())
    end)

    it("as what the service took says, and nothing else", function()
      local sent = send({ text = "Zoë’s" }, { key = "order-1" })
      local message = sender:inbox(ALICE):one()
      assert.are.equal(sent.id, message.id)
      assert.are.same({ OURS, { ALICE }, { ALICE }, "Zoë’s", "order-1" },
        { message.from, message.to, message.phones, message.text, message.key })
      assert.are.same({ "outbound", "SMS", "UCS-2", 1 },
        { message.direction, message.type, message.encoding, message.parts })
      assert.is_nil(message.send_at)
      assert.are.equal("queued", message.status)
    end)

    local wishes = {
      to = ALICE, phone = ALICE, from = OURS, text = "Your code is 4711", match = "code is",
      search = "CODE", key = "order-1", ref = "r-1", status = "queued",
    }
    for name, value in pairs(wishes) do
      it("by " .. name, function()
        -- Differs in everything that can be asked for, but for the status.
        send({ to = BOB, from = "+13125550008", text = "Hi" }, { key = "other" })
        send({ webhook_url = "http://127.0.0.1/?ref=r-1" }, { key = "order-1" })
        if name == "status" then sender:outcome(sender:inbox(BOB):one(), "delivered") end
        assert.are.same({ "Your code is 4711" }, texts(sender:inbox():messages { [name] = value }))
      end)
    end

    it("by a function, and since another message", function()
      send { text = "one" }
      local first = sender:inbox():one()
      send { text = "two" }
      assert.are.same({ "two" }, texts(sender:inbox():messages { since = first.seq }))
      assert.are.same({ "one" }, texts(sender:inbox():messages { match = function(message)
        return message.text:find("^o")
      end }))
    end)

    it("beyond what a page holds", function()
      for i = 1, 1203 do send { text = "m" .. i } end
      local list = sender:inbox():messages()
      assert.are.equal(1203, #list)
      for i, message in ipairs(list) do assert.are.equal("m" .. i, message.text) end
    end)

    it("which has nothing of what phones wrote, unless that is asked for", function()
      send()
      sender:inbox(ALICE):reply("Thanks")
      assert.are.same({ "Your code is 4711" }, texts(sender:inbox(ALICE):messages()))
      assert.are.same({ "Thanks" }, texts(sender:inbox(ALICE):messages { direction = "inbound" }))
    end)

    it("of a group message by each of its phones, and once by all", function()
      assert(client:send_group { from = OURS, to = { ALICE, BOB }, text = "Hi all" })
      assert.are.equal(1, #sender:inbox(ALICE):messages())
      assert.are.equal(1, #sender:inbox(BOB):messages())
      assert.are.equal(1, #sender:inbox():messages())
    end)
  end)

  describe("that is waited for", function()
    it("hands out each message once, the oldest first", function()
      send { text = "one" }
      send { text = "two" }
      local inbox = sender:inbox(ALICE)
      assert.are.equal("one", inbox:wait().text)
      assert.are.equal("two", inbox:wait().text)
      assert.is_nil(inbox:wait { seconds = 0 })
      assert.are.equal("one", sender:inbox(ALICE):wait().text) -- another inbox, another reader
    end)

    it("goes by identity: what came before does not matter", function()
      send { text = "News" }
      send { to = BOB, text = "Your code is 1" }
      send { text = "Your code is 2" }
      local message = sender:inbox():wait { to = ALICE, match = "code is" }
      assert.are.equal("2", message.text:match("%d+"))
    end)

    it("takes a dot for a dot", function()
      send { text = "Your code is 4711" }
      assert.is_nil(sender:inbox():wait { match = "code.is", seconds = 0 })
    end)

    it("lets virtual time pass, and nobody waits", function()
      local started, before = socket.gettime(), sender:now()
      send()
      local inbox = sender:inbox(ALICE)
      assert.are.equal("delivered", inbox:wait { status = "delivered" }.status)
      assert.is_true(sender:now() - before >= 2 and sender:now() - before < 4)
      local message = inbox:wait { match = "never", seconds = 3600 }
      assert.is_nil(message)
      assert.is_true(sender:now() - before >= 3602 and sender:now() - before < 3605)
      assert.is_true(socket.gettime() - started < 30)
    end)

    it("finds a message that was handed out again when it has another status", function()
      local sent, inbox = send(), sender:inbox(ALICE)
      assert.are.equal(sent.id, inbox:wait().id)
      assert.are.equal(sent.id, inbox:wait { status = "delivered" }.id)
      assert.is_nil(inbox:wait { status = "delivered", seconds = 0 })
    end)

    it("calls what a host's loop would", function()
      local looks = 0
      local message = sender:inbox():wait { text = "later", seconds = 1, meanwhile = function()
        looks = looks + 1
        if looks == 3 then send { text = "later" } end
      end }
      assert.are.equal("later", message.text)
      assert.are.equal(3, looks)
    end)

    it("counts the time that a host's loop lets pass", function()
      local looks, before = 0, sender:now()
      assert.is_nil(sender:inbox():wait { seconds = 30, meanwhile = function()
        looks = looks + 1
        sender:advance(20)
      end })
      assert.are.equal(2, looks)
      assert.is_true(sender:now() - before < 45)
    end)

    it("costs no time, however many there are that were handed out or not taken", function()
      local n = 300
      for i = 1, n do send { text = "m" .. i } end
      local looks, made, inbox = 0, 0, sender:inbox(ALICE)
      local summary = sender.service.summary
      function sender.service.summary(...)
        made = made + 1
        return summary(...)
      end
      for i = 1, n do assert.are.equal("m" .. i, inbox:wait().text) end
      assert.are.equal(n, made)
      assert.is_nil(inbox:wait())
      assert.is_nil(sender:inbox():wait { match = function()
        looks = looks + 1
        return false
      end })
      assert.is_true(looks >= 250 * n)
      assert.is_true(made <= 6 * n) -- each as it is at each of its stages, and those that are named
    end)

    it("shows a function each message as it is by then", function()
      local seen, sent = {}, send()
      sender:inbox():wait { seconds = 5, match = function(message)
        seen[#seen + 1] = seen[#seen] ~= message.status and message.status or nil
        return false
      end }
      assert.are.same({ "queued", "sending", "sent", "delivered" }, seen)
      local is_failed = false
      local message = sender:inbox():wait { match = function(message)
        if message.status == "delivered" and not is_failed then
          is_failed = true
          sender:outcome(sent, "delivery_failed")
        end
        return message.status == "delivery_failed"
      end }
      assert.are.same({ sent.id, "40008" }, { message.id, message.recipients[1].code })
    end)

    it("asks a function again, though the message is the same", function()
      local sent, wanted, looks = send(), nil, 0
      local message = sender:inbox():wait {
        match = function(message) return message.id == wanted end,
        meanwhile = function()
          looks = looks + 1
          if looks == 50 then wanted = sent.id end
        end,
      }
      assert.are.equal(sent.id, message.id)
    end)

    it("is one that a program sends between steps of its own", function()
      local told = {}
      client:start({ from = OURS, to = "+15550042910", text = "started" }, { key = "order-1" },
        function(sent) told[#told + 1] = sent.id end)
      local inbox = sender:inbox()
      local message = inbox:wait { key = "order-1", meanwhile = function() client:step(0) end }
      assert.are.same({ message.id }, told)
      inbox:one { key = "order-1" }
    end)

    it("is woken by what a webhook's receiver sends", function()
      local texts_told = {}
      begin { profile_webhook_url = "https://app.example/hooks", on_webhook = function(request)
        local payload = json.decode(request.body).data.payload
        texts_told[#texts_told + 1] = payload.text
        if payload.text == "HI" then send { text = "Hello, Alice" } end
        return 200
      end }
      sender:reply { from = ALICE, to = OURS, text = "HI" }
      assert.are.equal("Hello, Alice", sender:inbox(ALICE):wait { match = "Hello" }.text)
      assert.are.equal("HI", texts_told[1])
    end)

    it("raises what the receiver raises", function()
      begin { profile_webhook_url = "https://app.example/hooks", on_webhook = function()
        error("the receiver failed", 0)
      end }
      sender:reply { from = ALICE, to = OURS, text = "HI" }
      assert.are.equal("the receiver failed", raised(function() sender:inbox():wait() end))
    end)

    it("may be waited for by a receiver", function()
      local seen
      begin { on_webhook = function()
        seen = seen or sender:inbox(ALICE):wait { seconds = 1 }
        return 200
      end }
      send { webhook_url = "https://app.example/hooks" }
      sender:advance(10)
      assert.are.equal("Your code is 4711", seen.text)
    end)

    it("comes in vain with words that help", function()
      send({ text = "Your code is 1" }, { key = "order-1" })
      send { to = BOB, text = "Your code\nis 2" }
      local message, why = sender:inbox(ALICE):wait { match = "Your code", key = "order-2",
        seconds = 1.5 }
      assert.is_nil(message)
      assert.are.equal('no message to +13125550002 under the key "order-2" with "Your code" in its'
        .. [[ text came within 1.5 s; there are others:
  +13125550001 to +13125550002, sent, "Your code is 1", key "order-1": differs in its key
  +13125550001 to +13125550003, sent, "Your code is 2": differs in its phone and its key]], why)
    end)

    it("says that there is nothing, or why not what there is", function()
      local inbox = sender:inbox()
      assert.matches("^no message to a phone came within 0 s; there is no message at all$",
        select(2, inbox:wait { seconds = 0 }))
      send()
      inbox:wait()
      assert.matches("handed out before$", select(2, inbox:wait { seconds = 0 }))
      local _, why = sender:inbox():wait { seconds = 0, match = function() return false end }
      assert.matches("^no message that the function takes came", why)
      assert.matches("the function did not take it$", why)
    end)

    it("names five others at most, those that are most alike first", function()
      for i = 1, 7 do send { to = BOB, text = "other " .. i } end
      send { text = "nearly" }
      local _, why = sender:inbox(ALICE):wait { text = "this", seconds = 0 }
      local lines = {}
      for line in why:gmatch("[^\n]+") do lines[#lines + 1] = line end
      assert.are.equal(6, #lines)
      assert.matches("nearly.*differs in its text$", lines[2])
      assert.matches("other 7.*differs in its phone and its text$", lines[3])
    end)

    it("shows the beginning of a long text, and no half of a character", function()
      for n = 57, 60 do send { text = ("a"):rep(n) .. "éééééé" } end
      local _, why = sender:inbox():wait { text = "this", seconds = 0 }
      local shown = {}
      for a, e in why:gmatch('"(a+)([^"]*)…"') do shown[#shown + 1] = #a .. e end
      assert.are.same({ "60", "59", "58é", "57é" }, shown)
    end)

    it("says of a message that it stands before the place asked for", function()
      send()
      local first = sender:inbox():one()
      assert.matches("differs in its since$", select(2,
        sender:inbox():wait { seconds = 0, since = first.seq }))
    end)
  end)

  describe("of one message exactly", function()
    it("gives it", function()
      local sent = send(nil, { key = "order-1" })
      send({ text = "another" }, { key = "order-2" })
      assert.are.equal(sent.id, sender:inbox():one { key = "order-1" }.id)
      assert.are.equal(sent.id, sender:inbox(ALICE):one { key = "order-1" }.id)
    end)

    it("catches a program that sends twice, each under a journal of its own", function()
      send(nil, { key = "order-1" })
      client = telnyx.new { sender = sender }
      send(nil, { key = "order-1" })
      assert.are.equal(2, sender:ledger().accepted)
      blames_here('expected one message under the key "order%-1", and there are 2:\n  .*4711.*\n '
        .. " .*4711", sender:inbox(), "one", { key = "order-1" })
    end)

    it("catches one that is sent when its answer was lost, too", function()
      local message = { from = OURS, to = "+15550051001", text = "lost" }
      local _, err = client:send(message, { key = "order-1", retry = { unknown = true } })
      assert.is_not_equal("not_sent", err.outcome)
      assert.are.equal(2, sender:ledger().accepted)
      blames_here("there are 2", sender:inbox(), "one", { key = "order-1" })
    end)

    it("is an error where there is none, with what there is", function()
      send(nil, { key = "order-1" })
      blames_here('expected one message under the key "order%-2", and there is none; there are'
        .. " others:\n  .*differs in its key$", sender:inbox(), "one", { key = "order-2" })
    end)

    it("knows none as well", function()
      sender:inbox():none()
      send()
      sender:inbox(BOB):none()
      blames_here("expected no message to %+13125550002, and there is one:\n  ",
        sender:inbox(ALICE), "none")
      send()
      blames_here("and there are 2:\n  .*\n  ", sender:inbox(), "none")
    end)

    it("lists five at most", function()
      for i = 1, 8 do send { text = "m" .. i } end
      local err = raised(function() sender:inbox():one() end)
      assert.matches("m5.*\n  and 3 more$", err)
      assert.not_matches("m6", err)
    end)
  end)

  describe("under a key", function()
    it("of a send without a webhook, of one with, of a group and of an outbox", function()
      send(nil, { key = "k-1" })
      send({ webhook_url = "https://app.example/hooks" }, { key = "k-2" })
      assert(client:send_group({ from = OURS, to = { ALICE, BOB }, text = "Hi" }, { key = "k-3" }))
      for i = 1, 3 do sender:inbox():one { key = "k-" .. i } end
      send()
      assert.are.equal(3, #sender:inbox():messages { match = function(message)
        return message.key ~= nil
      end })
    end)

    it("that has any bytes that a key may have", function()
      local key = "ö/ \"'%\n=&?#"
      send({ webhook_url = "https://app.example/hooks" }, { key = key })
      assert.are.equal(key, sender:inbox():one { key = key }.key)
    end)

    it("tells a sender of one's own the key as well", function()
      local told = {}
      local own = telnyx.new { sender = { send = function(_, _, limits)
        told[#told + 1] = limits.key or "none"
        return { id = "1" }, { status = 200 }
      end } }
      assert(own:send({ from = OURS, to = ALICE, text = "a" }, { key = "k-1" }))
      assert(own:send { from = OURS, to = ALICE, text = "b" })
      assert.are.same({ "k-1", "none" }, told)
    end)
  end)

  describe("that answers", function()
    it("writes to the number that wrote last, as the phone", function()
      begin({}, { defaults = {} })
      send { from = "+13125550007", text = "first" }
      send()
      local inbox = sender:inbox(ALICE)
      assert.are.equal("STOP", inbox:reply("stop").autoresponse_type)
      local answer = inbox:messages { direction = "inbound" }[1]
      assert.are.same({ ALICE, { OURS }, "stop" }, { answer.from, answer.to, answer.text })
      local message, err = client:send { from = OURS, to = ALICE, text = "again" }
      assert.is_nil(message)
      assert.are.equal("40300", err.code)
    end)

    it("answers as the phone of the message that was handed out last", function()
      send { to = BOB }
      send()
      local inbox = sender:inbox()
      inbox:wait { to = BOB }
      inbox:reply { text = "Yes", media_urls = { "https://example.com/a.png" } }
      local answer = inbox:messages { direction = "inbound" }[1]
      assert.are.same({ BOB, { OURS }, "Yes", "MMS" },
        { answer.from, answer.to, answer.text, answer.type })
    end)

    it("answers as the phone that is named, to who wrote to that one", function()
      send { to = BOB, from = "+13125550009" }
      send()
      local inbox = sender:inbox()
      inbox:wait { to = ALICE }
      inbox:reply { from = BOB, text = "Yes" }
      local answer = inbox:one { direction = "inbound" }
      assert.are.same({ BOB, { "+13125550009" } }, { answer.from, answer.to })
    end)

    it("says what is missing", function()
      blames_here("inbox:reply: needs 'from': no message was handed out yet", sender:inbox(),
        "reply", "Hi")
      blames_here("inbox:reply: needs 'to': nobody wrote to %+13125550002", sender:inbox(ALICE),
        "reply", "Hi")
      blames_here("inbox:reply: this inbox is that of %+13125550002", sender:inbox(ALICE), "reply",
        { from = BOB, text = "Hi" })
      blames_here("inbox:reply: expects a text or a table, got 4", sender:inbox(ALICE), "reply", 4)
      send()
      blames_here("reply: text must be a string", sender:inbox(ALICE), "reply", { text = 4 })
    end)

    it("has its webhook when time passes", function()
      local told = {}
      begin { profile_webhook_url = "https://app.example/hooks", on_webhook = function(request)
        told[#told + 1] = json.decode(request.body).data.event_type
        return 200
      end }
      send()
      sender:inbox(ALICE):reply("Hi")
      assert.are.same({}, told)
      sender:advance(5)
      table.sort(told)
      assert.are.same({ "message.finalized", "message.received", "message.sent" }, told)
    end)
  end)

  describe("of a message that ends as the test wishes", function()
    it("tells it by its webhook, and is seen", function()
      local told = {}
      begin { no_dlr = true, on_webhook = function(request)
        local payload = json.decode(request.body).data.payload
        told[#told + 1] = payload.to[1].status .. " "
          .. (payload.errors[1] and payload.errors[1].code or "")
        return 200
      end }
      local sent = send { webhook_url = "https://app.example/hooks" }
      sender:advance(5)
      assert.are.same({ "sent " }, told)
      local message = sender:outcome(sent, "delivery_failed", "40002")
      assert.are.equal("delivery_failed", message.status)
      sender:advance(1)
      assert.are.same({ "sent ", "delivery_failed 40002" }, told)
      assert.are.equal("delivery_failed", sender:get(sent.id).to[1].status)
      assert.are.equal(sent.id, sender:inbox():one { status = "delivery_failed" }.id)
    end)

    it("by way of the inbox as well", function()
      local inbox = sender:inbox(ALICE)
      send(nil, { key = "order-1" })
      assert.are.equal("expired", inbox:outcome(inbox:one(), "expired").status)
      assert.are.equal("expired", inbox:one { key = "order-1" }.status)
      blames_here("inbox:outcome: There is no such message", inbox, "outcome", "no id", "expired")
      blames_here("inbox:outcome: 'status' must be delivered, ", inbox, "outcome", inbox:one(),
        "lost")
    end)

    it("says what it cannot be", function()
      local sent = send()
      local function blames(pattern, ...)
        local arguments, n = { ... }, select("#", ...)
        local err = raised(function() sender:outcome(unpack(arguments, 1, n)) end)
        assert.matches("^spec/inbox_spec%.lua:%d+: ", err)
        assert.matches(pattern, err)
      end
      blames("outcome: 'status' must be delivered, ", sent, "lost")
      blames("outcome: There is no such message", "no id", "delivered")
      blames("outcome: 'id' must be the id", nil, "delivered")
      blames("outcome: 'code' must be a code", sent, "delivery_failed", "4")
      blames("outcome: 'to' must be an addressee", sent, "delivered", nil, BOB)
    end)
  end)

  it("begins anew", function()
    send()
    local inbox = sender:inbox()
    inbox:wait()
    inbox:clear()
    assert.are.same({}, inbox:messages())
    assert.are.equal(0, sender:ledger().accepted)
    blames_here("needs 'from'", inbox, "reply", "Who is there?")
    local sent = send()
    assert.are.equal(sent.id, inbox:wait().id)
  end)

  it("of two senders is two", function()
    local other = sandbox.sender()
    send()
    assert.are.equal(0, #other:inbox():messages())
    assert.are.equal(1, #sender:inbox():messages())
  end)

  it("forgets with the service", function()
    begin { keep = 2 }
    for i = 1, 3 do send { text = "m" .. i } end
    assert.are.same({ "m2", "m3" }, texts(sender:inbox():messages()))
  end)

  it("does not say how many there were when some are forgotten", function()
    begin { keep = 3 }
    send({ text = "twice" }, { key = "order-1" })
    for i = 1, 2 do send { text = "m" .. i } end
    client = telnyx.new { sender = sender }
    assert.are.equal("twice", sender:inbox():one { key = "order-1" }.text)
    local second = send({ text = "twice" }, { key = "order-1" })
    local inbox = sender:inbox()
    blames_here("there is one message under the key \"order%-1\", but 1 older messages are"
      .. " forgotten, and may have been such", inbox, "one", { key = "order-1" })
    blames_here("there is no message under the key \"order%-2\", but 1 older messages are"
      .. " forgotten", inbox, "none", { key = "order-2" })
    -- Who looks behind what was forgotten can know.
    local since = inbox:messages { text = "m1" }[1].seq
    assert.are.equal(second.id, inbox:one { key = "order-1", since = since }.id)
    inbox:none { key = "order-2", since = since }
    inbox:clear()
    inbox:none()
  end)

  it("works in coroutines", function()
    local order = {}
    local waits = coroutine.wrap(function()
      order[#order + 1] = sender:inbox():wait { text = "go", meanwhile = function()
        coroutine.yield()
      end }.text
    end)
    waits()
    send { text = "go" }
    waits()
    assert.are.same({ "go" }, order)
  end)

  it("is as docs/sandbox.md has it", function()
    local file = assert(io.open("docs/sandbox.md"))
    local section = file:read("*a"):match("\n## An inbox, in process\n(.-)\n## ")
    file:close()
    for block in section:gmatch("\n```lua\n(.-\n)```\n") do
      assert((loadstring or load)(block))() -- luacheck: ignore 113
    end
    for name, value in pairs(getmetatable(sender:inbox())) do
      local is_own = type(value) == "function" and name ~= "has_handed_out"
      assert.is_true(not is_own or section:find("`inbox:" .. name .. "[({]") ~= nil, name)
    end
  end)

  describe("does not let misuse pass", function()
    for _, row in ipairs {
      { "wait", { mach = "x" }, 'inbox:wait: unknown filter "mach"; known: .*match, meanwhile, ' },
      { "wait", { mtach = "x" }, "unknown filter \"mtach\"; known: .*; did you mean match%?$" },
      { "wait", { second = 1 }, "did you mean seconds%?$" },
      { "messages", { txt = "x" }, "did you mean text%?$" },
      { "wait", { colour = "x" }, "unknown filter \"colour\"; known: [%l, ]*, to$" },
      { "wait", { limit = 3 }, "unknown filter \"limit\"" },
      { "wait", { to = 4 }, "inbox:wait: 'to' must be a phone number such as .*, got 4" },
      { "wait", { to = "13125550002" }, "'to' must be a phone number such as %+13125550002, or " },
      { "wait", { seconds = -1 }, "'seconds' must be a number of seconds, got %-1" },
      { "wait", { seconds = math.huge }, "'seconds' must be a number" },
      { "wait", { seconds = 0 / 0 }, "'seconds' must be a number" },
      { "wait", { meanwhile = 1 }, "'meanwhile' must be a function, got 1" },
      { "wait", { match = 1 }, "'match' must be a text or a function, got 1" },
      { "wait", { status = "gone" }, "'status' must be scheduled or " },
      { "wait", { direction = "any" }, "'direction' must be outbound or inbound" },
      { "wait", { phone = BOB }, "this inbox is that of %+13125550002, not of %+13125550003" },
      { "wait", "+13125550002", "inbox:wait: expects a table, got \"%+13125550002\"" },
      { "messages", { seconds = 1 }, "inbox:messages: unknown filter \"seconds\"" },
      { "one", { keys = "a" }, "inbox:one: unknown filter \"keys\"" },
      { "none", { [1] = "a" }, "inbox:none: unknown filter 1" },
    } do
      it(row[1] .. " with " .. row[3], function()
        blames_here(row[3], sender:inbox(ALICE), row[1], row[2])
      end)
    end

    it("as a time, or as who answers", function()
      for _, value in ipairs { "x", {}, true, -1, 0 / 0, math.huge } do
        local err = raised(function() sender:advance(value) end)
        assert.matches("^spec/inbox_spec%.lua:%d+: advance: expects a number of seconds, got ", err)
      end
      assert.matches("^spec/inbox_spec%.lua:%d+: advance", raised(function() sender:advance() end))
      assert.is_true(sender:now() < math.huge)
      for _, value in ipairs { 4, {}, true, "Ann" } do
        blames_here("inbox:reply: 'from' must be a phone number, got ", sender:inbox(), "reply",
          { from = value, text = "Hi" })
      end
    end)

    it("without its colon", function()
      local inbox = sender:inbox()
      for _, name in ipairs { "wait", "one", "none", "messages" } do
        local err = raised(function() inbox[name] { to = ALICE } end)
        assert.matches("^spec/inbox_spec%.lua:%d+: inbox:" .. name .. ": is called with a colon",
          err)
      end
    end)

    it("as a phone's number", function()
      for _, value in ipairs { "alice", 4, {}, true, "", "13125550002" } do
        local err = raised(function() sender:inbox(value) end)
        assert.matches("^spec/inbox_spec%.lua:%d+: inbox: expects a phone number such as ", err)
      end
    end)
  end)
end)
