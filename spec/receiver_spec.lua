-- What becomes of a webhook that is received: kept once, answered, handled; keys settled, opt-outs
-- heeded. Over each journal that is in this process.

local cjson = require "cjson"
local core = require "telnyx.core"
local journals = require "spec.support.journals"
local telnyx = require "telnyx"

local SEED = ("seed"):rep(8)
local PUBLIC_KEY = core.base64_encode(core.ed25519_public_key(SEED))
local FROM, TO, PROFILE = "+18445550001", "+18665550001", "3fa85f64-5717-4562-b3fc-2c963f66afa6"
local MESSAGE = { from = FROM, to = TO, text = "Hello", webhook_url = "https://a.example/sms" }

local n_ids = 0

local function new_id()
  n_ids = n_ids + 1
  return ("%08x-0000-4000-8000-000000000000"):format(n_ids)
end

local function signed(body, at)
  local timestamp = ("%d"):format(at or os.time())
  return body, { ["Telnyx-Timestamp"] = timestamp,
    ["telnyx-signature-ed25519"] = core.base64_encode(core.ed25519_sign(SEED, timestamp .. "|"
      .. body)) }
end

local function stamp(seconds)
  return os.date("!%Y-%m-%dT%H:%M:%S", math.floor(seconds)) .. ".000+00:00"
end

local function event_of(kind, payload, more)
  local data = { id = new_id(), event_type = "message." .. kind, record_type = "event",
    occurred_at = stamp((more or {}).at or os.time()), payload = payload }
  return { data = data, meta = { attempt = (more or {}).attempt or 1 } }
end

local function outbound(id, url, status)
  return { id = id, direction = "outbound", webhook_url = url, record_type = "message",
    to = { { phone_number = TO, status = status } } }
end

local function inbound(text, more)
  local payload = { id = new_id(), direction = "inbound", text = text, record_type = "message",
    from = { phone_number = TO }, to = { { phone_number = FROM, status = "delivered" } },
    messaging_profile_id = PROFILE }
  for name, value in pairs(more or {}) do payload[name] = value end
  return payload
end

for _, candidate in ipairs { journals.memory, journals.sqlite, journals.postgres } do
  describe("a receiver over a journal in " .. candidate.name, function()
    local journal, receiver, told, sender, client
    setup(function() if candidate.start then candidate.start() end end)
    teardown(function() if candidate.stop then candidate.stop() end end)

    before_each(function()
      journal, told = candidate.open(), {}
      receiver = telnyx.webhook.receiver { journal = journal, public_key = PUBLIC_KEY,
        on_event = function(event, state, change)
          told[#told + 1] = { event = event, state = state, change = change }
        end }
      sender = { posts = {}, takes_body = true, send = function(self, _, limits)
        self.posts[#self.posts + 1] = limits.body
        if self.answer then return self.answer(#self.posts, limits) end
        return { id = "m-" .. #self.posts, to = { { phone_number = TO } } }, {}
      end }
      client = telnyx.new { sender = sender, journal = journal, retry = false }
    end)
    after_each(function()
      client:close()
      journal:close()
    end)

    local function take(event)
      local body, headers = signed(cjson.encode(event))
      local status, found, why = receiver:receive(body, headers)
      if found then receiver:handle(found) end
      return status, found, why
    end

    -- A message whose answer is lost; returns its webhook URL.
    local function lose(key)
      sender.answer = function() return nil, { outcome = "unknown", kind = "timeout" } end
      local sent, err = client:send(MESSAGE, { key = key })
      assert.is_nil(sent)
      assert.equal("unknown", err.outcome)
      return cjson.decode(sender.posts[#sender.posts]).webhook_url
    end

    it("takes an event once, and says 200 to each copy", function()
      local event = event_of("finalized", outbound("m-1", "", "delivered"))
      assert.equal(200, (take(event)))
      event.meta.attempt = 2
      local status, found, why = take(event)
      assert.equal(200, status)
      assert.is_nil(found)
      assert.matches("came before", why)
      assert.equal(1, #told)
      assert.equal("delivered", told[1].state.status)
      assert.is_true(told[1].change.is_changed)
    end)

    it("says why it refuses what is no webhook, and keeps nothing of it", function()
      local body, headers = signed(cjson.encode(event_of("sent", outbound("m-1", "", "sent"))))
      local cases = {
        { 403, "does not match", body .. " ", headers },
        { 403, "ago", signed(body, os.time() - 301) },
        { 403, "ahead", signed(body, os.time() + 302) },
        { 400, "missing", body, {} },
        { 400, "not JSON", signed("{") },
        { 400, "not an object", signed("[1]") },
      }
      for _, case in ipairs(cases) do
        local status, event, why = receiver:receive(case[3], case[4])
        assert.equal(case[1], status)
        assert.is_nil(event)
        assert.matches(case[2], why)
      end
      local own = telnyx.webhook.receiver { journal = journal, public_key = "?" }
      assert.equal(500, (own:receive(body, headers)))
      assert.same({}, journal:events { message_id = "m-1" })
    end)

    it("says 503 where it cannot keep it, so that it comes again", function()
      local body, headers = signed(cjson.encode(event_of("sent", outbound("m-1", "", "sent"))))
      journal:close()
      local status, event, why = receiver:receive(body, headers)
      assert.equal(503, status)
      assert.is_nil(event)
      assert.matches("closed", why)
    end)

    it("settles a key whose answer was lost", function()
      local url = lose("order-1")
      take(event_of("finalized", outbound("m-7", url, "delivered")))
      local row = journal:get("order-1")
      assert.equal("accepted", row.state)
      assert.equal("m-7", row.message_id)
      assert.equal("webhook", row.settled_by)
      assert.equal("order-1", told[1].event.key)
      assert.equal("order-1", told[1].state.key)
      local again, info = client:send(MESSAGE, { key = "order-1" })
      assert.equal("m-7", again.id)
      assert.is_true(info.replayed)
      assert.equal(1, #sender.posts)
    end)

    it("settles it before the send itself has its answer", function()
      sender.answer = function(_, limits)
        local url = cjson.decode(limits.body).webhook_url
        take(event_of("sent", outbound("m-9", url, "sent")))
        take(event_of("finalized", outbound("m-9", url, "delivered")))
        return { id = "m-9", to = { { phone_number = TO } } }, {}
      end
      local sent, info = client:send(MESSAGE, { key = "order-1" })
      assert.equal("m-9", sent.id)
      assert.is_nil(info.journal_error)
      assert.equal("accepted", journal:get("order-1").state)
    end)

    it("settles it before the send itself finds that it has no answer", function()
      sender.answer = function(_, limits)
        local url = cjson.decode(limits.body).webhook_url
        take(event_of("sent", outbound("m-9", url, "sent")))
        return nil, { outcome = "unknown", kind = "timeout" }
      end
      client:send(MESSAGE, { key = "order-1" })
      local row = journal:get("order-1")
      assert.equal("accepted", row.state)
      assert.equal("m-9", row.message_id)
    end)

    it("settles nothing by a message to another, or with a key that it does not know", function()
      local url = lose("order-1")
      local payload = outbound("m-7", url, "delivered")
      payload.to[1].phone_number = "+18665550009"
      assert.equal(200, (take(event_of("finalized", payload))))
      assert.equal("unknown", journal:get("order-1").state)
      journal:resend { key = "order-1", claim = journal:get("order-1").claim, by = "x",
        now = core.now() }
      local other = url:gsub("telnyx_ref=%x+.*", "telnyx_ref=" .. ("a"):rep(32) .. "eA")
      assert.equal(200, (take(event_of("finalized", outbound("m-8", other, "delivered")))))
      assert.equal("x", told[2].event.key)
      assert.is_false(journal:get("x"))
    end)

    it("tells what is known of a message by all events, in any order", function()
      local now = os.time()
      take(event_of("finalized", outbound("m-1", "", "delivered"), { at = now }))
      take(event_of("sent", outbound("m-1", "", "sent"), { at = now - 1 }))
      assert.equal(2, #told)
      assert.equal("delivered", told[2].state.status)
      assert.is_false(told[2].change.is_changed)
      assert.is_true(told[2].change.is_news)
      assert.equal(2, #told[2].state.timeline)
    end)

    it("handles what a process that died has kept, once", function()
      local url = lose("order-1")
      local body, headers = signed(cjson.encode(event_of("finalized",
        outbound("m-7", url, "delivered"))))
      assert.equal(200, (receiver:receive(body, headers)))
      assert.equal("accepted", journal:get("order-1").state) -- before the answer
      assert.equal(0, #told)
      assert.equal(0, assert(receiver:recover()))
      assert.equal(1, assert(receiver:recover { older_than = 0 }))
      assert.equal("accepted", journal:get("order-1").state)
      assert.equal(1, #told)
      assert.equal(0, assert(receiver:recover { older_than = 0 }))
    end)

    it("handles again what its program raised at", function()
      local n = 0
      receiver = telnyx.webhook.receiver { journal = journal, public_key = PUBLIC_KEY,
        on_event = function()
          n = n + 1
          if n < 3 then error("no") end
        end }
      local body, headers = signed(cjson.encode(event_of("sent", outbound("m-1", "", "sent"))))
      local _, event = receiver:receive(body, headers)
      assert.is_false(pcall(receiver.handle, receiver, event))
      local n_handled, _, faults = receiver:recover { older_than = 0 }
      assert.equal(0, n_handled)
      assert.equal(1, #faults)
      assert.matches("no", faults[1])
      assert.equal(1, assert(receiver:recover { older_than = 0 }))
      assert.equal(3, n)
    end)

    it("settles a key, and heeds a wish, before the program is told", function()
      local url = lose("order-1")
      local seen = {}
      receiver = telnyx.webhook.receiver { journal = journal, public_key = PUBLIC_KEY,
        on_event = function()
          seen[#seen + 1] = journal:get("order-1").state .. " " .. #journal:optouts()
        end }
      take(event_of("finalized", outbound("m-7", url, "delivered")))
      take(event_of("received", inbound("STOP")))
      assert.same({ "accepted 0", "accepted 1" }, seen)
    end)

    it("settles a key by an event that has no message in it", function()
      local url = lose("order-1")
      take { data = { id = new_id(), record_type = "link_clicked", message_id = "m-7" },
        meta = { delivered_to = url } }
      assert.equal("accepted", journal:get("order-1").state)
      assert.equal("m-7", journal:get("order-1").message_id)
    end)

    it("settles no key by a message that came in, whatever it came to", function()
      local url = lose("order-1")
      take { data = { id = new_id(), event_type = "message.received", payload = { id = "m-7" } },
        meta = { delivered_to = url } }
      assert.equal("unknown", journal:get("order-1").state)
    end)

    local LATER = { { "events", "its message's events cannot be read", 0 },
      { "handled_event", "it cannot be written down", 1 } }
    for _, failure in ipairs(LATER) do
      it("handles again what the journal failed at: " .. failure[1], function()
        local event = event_of("finalized", outbound("m-7", lose("order-1"), "delivered"))
        local _, found = receiver:receive(signed(cjson.encode(event)))
        journal[failure[1]] = function() return nil, "no disk" end
        local ok, why = pcall(receiver.handle, receiver, found)
        journal[failure[1]] = nil
        assert.is_false(ok)
        assert.matches(failure[2] .. ".*: no disk", why)
        assert.equal(failure[3], #told)
        assert.equal(1, assert(receiver:recover { older_than = 0 }))
        assert.equal(failure[3] + 1, #told)
      end)
    end

    -- It is not kept then, and comes again.
    local BEFORE = { { "get", "its key could not be settled" },
      { "settle", "its key could not be settled" },
      { "set_optout", "an opt%-out could not be kept" }, { "add_event", "it cannot be kept" } }
    for _, failure in ipairs(BEFORE) do
      it("says 503 where the journal fails at: " .. failure[1], function()
        local event = event_of("finalized", outbound("m-7", lose("order-1"), "delivered"))
        if failure[1] == "set_optout" then event = event_of("received", inbound("STOP")) end
        local body, headers = signed(cjson.encode(event))
        journal[failure[1]] = function() return nil, "no disk" end
        local status, found, why = receiver:receive(body, headers)
        journal[failure[1]] = nil
        assert.equal(503, status)
        assert.is_nil(found)
        assert.matches(failure[2] .. ": no disk", why)
        assert.equal(0, #assert(journal:unhandled_events()))
        status, found = receiver:receive(body, headers)
        assert.equal(200, status)
        receiver:handle(found)
        assert.equal(1, #told)
      end)
    end

    it("settles nothing by what another claim has posted under the key", function()
      local url = lose("order-1")
      local other = url:gsub("telnyx_ref=%x%x%x%x", "telnyx_ref=0123")
      take(event_of("finalized", outbound("m-8", other, "delivered")))
      assert.equal("unknown", journal:get("order-1").state)
      assert.equal("order-1", told[1].event.key)
      take(event_of("finalized", outbound("m-7", url, "delivered")))
      assert.equal("m-7", journal:get("order-1").message_id)
    end)

    it("settles nothing under a key that was given back", function()
      local url = lose("order-1")
      sender.answer = function() return nil, { outcome = "not_sent", kind = "connection" } end
      client:send(MESSAGE, { key = "order-2" })
      local row = journal:get("order-2")
      assert.equal("free", row.state)
      local claim = url:match("telnyx_ref=(%x+)"):sub(1, 32)
      local reference = require("telnyx.send.reference")
      local other = "https://a.example/sms?" .. reference.of("order-2", claim)
      take(event_of("finalized", outbound("m-8", other, "delivered")))
      assert.equal("free", journal:get("order-2").state)
    end)

    it("settles what was given back, where its own claim has posted after all", function()
      sender.answer = function() return nil, { outcome = "rejected", kind = "protocol",
        status = 403 } end
      client:send(MESSAGE, { key = "order-1" })
      assert.equal("free", journal:get("order-1").state)
      local url = cjson.decode(sender.posts[1]).webhook_url
      take(event_of("finalized", outbound("m-7", url, "delivered")))
      assert.equal("m-7", journal:get("order-1").message_id)
    end)

    it("settles what a person called not sent by nothing of another claim's", function()
      local url = lose("order-1")
      assert(client:resolve("order-1", "not_sent"))
      local other = url:gsub("telnyx_ref=%x%x%x%x", "telnyx_ref=0123")
      take(event_of("finalized", outbound("m-8", other, "delivered")))
      assert.equal("free", journal:get("order-1").state)
    end)

    it("settles what somebody has called not sent", function()
      local url = lose("order-1")
      assert(client:resolve("order-1", "not_sent"))
      take(event_of("finalized", outbound("m-7", url, "delivered")))
      assert.equal("accepted", journal:get("order-1").state)
    end)

    it("goes by another clock where it is given one", function()
      local now = os.time() + 86400
      local own = telnyx.webhook.receiver { journal = journal, public_key = PUBLIC_KEY,
        now = function() return now end }
      local body = cjson.encode(event_of("sent", outbound("m-1", "", "sent")))
      assert.equal(200, (own:receive(signed(body, now))))
      assert.equal(403, (own:receive(signed(body))))
    end)

    it("handles all that it is asked for, and no more", function()
      for i = 1, 5 do
        receiver:receive(signed(cjson.encode(event_of("sent", outbound("m-" .. i, "", "sent")))))
      end
      assert.equal(2, assert(receiver:recover { older_than = 0, limit = 2 }))
      assert.equal(3, assert(receiver:recover { older_than = 0 }))
      assert.equal(5, #told)
    end)

    it("handles the rest, however many there are that cannot be handled", function()
      receiver = telnyx.webhook.receiver { journal = journal, public_key = PUBLIC_KEY,
        on_event = function(event)
          if event.message_id:find("^bad") then error("no") end
          told[#told + 1] = event.message_id
        end }
      for i = 1, 7 do
        local id = (i == 4 or i == 7) and "m-" .. i or "bad-" .. i
        receiver:receive(signed(cjson.encode(event_of("sent", outbound(id, "", "sent")))))
      end
      local n, _, faults = receiver:recover { older_than = 0 }
      assert.equal(2, n)
      assert.equal(5, #faults)
      assert.same({ "m-4", "m-7" }, told)
      assert.equal(0, assert(receiver:recover { older_than = 0 }))
    end)

    it("ends where Ctrl-C is pressed", function()
      receiver = telnyx.webhook.receiver { journal = journal, public_key = PUBLIC_KEY,
        on_event = function() error("interrupted!", 0) end }
      receiver:receive(signed(cjson.encode(event_of("sent", outbound("m-1", "", "sent")))))
      assert.error_matches(function() receiver:recover { older_than = 0 } end, "^interrupted!")
    end)

    it("heeds a wish, whatever is written with it", function()
      for i, text in ipairs { "STOP\0", "\0", "ARRÊT \r\n", ("x"):rep(2000) } do
        local number = "+1866555000" .. i
        take(event_of("received", inbound(text, { autoresponse_type = "STOP",
          from = { phone_number = number } })))
        assert.is_truthy(journal:optout { number = number, profile = PROFILE })
      end
    end)

    it("keeps what says that it was before 1970, and heeds it", function()
      local event = event_of("received", inbound("STOP"))
      event.data.occurred_at = "1969-12-31T23:59:59.000+00:00"
      assert.equal(200, (take(event)))
      assert.equal(1, #told)
      assert.equal(1, #journal:optouts())
    end)

    -- That others tell of pages alike is for their own specs.
    if candidate == journals.memory then
      it("handles what comes behind a hundred that it never can", function()
        receiver = telnyx.webhook.receiver { journal = journal, public_key = PUBLIC_KEY,
          on_event = function(event)
            if event.message_id:find("bad", 1, true) then error("no") end
            told[#told + 1] = event
          end }
        for i = 1, 110 do
          local id = (i <= 105 and "bad-" or "m-") .. i
          assert.equal(200, (receiver:receive(signed(cjson.encode(event_of("sent",
            outbound(id, "", "sent")))))))
        end
        assert.equal(0, assert(receiver:recover { older_than = 0, limit = 105 }))
        local n, why, faults = receiver:recover { older_than = 0 }
        assert.same({ 5, 105 }, { n, #faults })
        assert.is_nil(why)
        assert.equal(5, #told)
        assert.equal(0, assert(receiver:recover { older_than = 0 }))
      end)
    end

    it("asks a journal that keeps no bodies for those of a message once", function()
      local ask, n_asked = journal.events, 0
      journal.events = function(...)
        local rows = ask(...)
        for _, row in ipairs(rows) do row.body = nil end
        n_asked = n_asked + 1
        return rows
      end
      take(event_of("finalized", outbound("m-1", "", "delivered")))
      take(event_of("sent", outbound("m-1", "", "sent")))
      take(event_of("sent", outbound("m-2", "", "sent")))
      assert.equal(1, n_asked)
      assert.same({ 3, "sent" }, { #told, told[3].state.status })
    end)

    it("keeps what happened before there were times", function()
      local event = event_of("received", inbound("STOP"))
      event.data.occurred_at = "1907-01-01T00:00:00Z"
      assert.equal(200, (take(event)))
      assert.equal(1, #journal:optouts())
    end)

    it("takes what it has never seen: clicks, new types, no payload", function()
      for _, body in ipairs { '{"data":{"record_type":"link_clicked","message_id":"m-1",'
        .. '"url":"https://a.example"}}', '{"data":{"id":"e-1","event_type":"message.foo"}}', "{}",
        '{"data":{"id":"e-2","event_type":"message.received","payload":null}}',
        '{"data":{"id":"e-3","event_type":"message.received","payload":{"from":1,"text":"STOP"}}}',
        '{"data":{"id":"e-4","event_type":"message.received","payload":{"from":{"phone_number":'
        .. '"+18665550001"},"text":"STOP"}}}' } do
        local status, event = receiver:receive(signed(body))
        assert.equal(200, status)
        receiver:handle(event)
      end
      assert.equal(6, #told)
      assert.same({}, journal:optouts())
    end)

    describe("with opt-outs", function()
      local function send(more)
        local own = { from = FROM, to = TO, text = "Hello" }
        for name, value in pairs(more or {}) do own[name] = value end
        return client:send(own, { optouts = true })
      end

      it("sends nothing to who has sent STOP, until START", function()
        assert(send())
        take(event_of("received", inbound("Stop "), { at = os.time() - 10 }))
        local sent, err = send()
        assert.is_nil(sent)
        assert.equal("not_sent", err.outcome)
        assert.equal("40300", err.code)
        assert.equal("opted_out", err.rule)
        assert.equal("local", err.source)
        assert.equal("/to", err.pointer)
        assert.matches("%+18665550001 has sent Stop", err.detail)
        assert.equal(1, #sender.posts)
        assert(client:send { from = FROM, to = TO, text = "unasked" })
        assert.is_nil((send { from = false, messaging_profile_id = PROFILE }))
        assert.is_nil((send { from = "+18445550002", messaging_profile_id = PROFILE }))
        assert(send { from = false, messaging_profile_id = PROFILE:gsub("^3", "4") })
        assert(send { to = "+18665550002" })
        assert(send { from = "+18445550002" })
        take(event_of("received", inbound("START"), { at = os.time() }))
        assert(send())
      end)

      it("heeds a STOP that comes while a message waits to be tried, or tried again", function()
        local told_of = {}
        client:close()
        client = telnyx.new { sender = sender, journal = journal, optouts = true,
          retry = { base = 0.001 } }
        sender.answer = function(n)
          if n == 1 then take(event_of("received", inbound("STOP"))) end
          return { id = "m-" .. n }, {}
        end
        local list = {}
        for i = 1, 3 do list[i] = { from = FROM, to = TO, text = "text " .. i } end
        local counts = client:send_all(list, { rate = 50, burst = 1, concurrency = 3,
          key = function(i) return "key " .. i end,
          on_result = function(i, message, err) told_of[i] = message and "sent" or err.rule end })
        assert.equal(1, #sender.posts)
        assert.same({ "sent", "opted_out", "opted_out" }, told_of)
        assert.equal(2, counts.not_sent)
        assert.is_not.equal("sending", (journal:get("key 2") or {}).state)
        journal:set_optout { number = TO, profile = PROFILE, own = FROM, is_out = false,
          at = os.time() + 5, now = core.now() }
        sender.posts, sender.answer = {}, function(n)
          if n > 1 then return { id = "m" }, {} end
          take(event_of("received", inbound("STOP"), { at = os.time() + 10 }))
          return nil, { outcome = "rejected", kind = "api", status = 429, retryable = true,
            errors = { { code = "10011", title = "Too many" } } }
        end
        local _, err = client:send({ from = FROM, to = TO, text = "x" }, { key = "order-9" })
        assert.equal("opted_out", err.rule)
        assert.equal(1, #sender.posts)
        assert.equal("free", journal:get("order-9").state)
        sender.posts, sender.answer = {}, function()
          take(event_of("received", inbound("STOP"), { at = os.time() + 30 }))
          return nil, { outcome = "unknown", kind = "timeout" }
        end
        journal:set_optout { number = TO, profile = PROFILE, own = FROM, is_out = false,
          at = os.time() + 20, now = core.now() }
        _, err = client:send({ from = FROM, to = TO, text = "y" }, { key = "order-10",
          retry = { unknown = true, base = 0.001 } })
        assert.equal("unknown", err.outcome)
        assert.equal(1, #sender.posts)
        assert.equal("unknown", journal:get("order-10").state)
      end)

      it("is not misled by the order in which they come", function()
        take(event_of("received", inbound("START"), { at = os.time() }))
        take(event_of("received", inbound("STOP"), { at = os.time() - 10 }))
        assert(send())
        take(event_of("received", inbound("STOP"), { at = os.time() + 1 }))
        assert.is_nil((send()))
      end)

      it("has written it down when it answers, or says 503", function()
        local body, headers = signed(cjson.encode(event_of("received", inbound("STOP"))))
        journal.set_optout = function() return nil, "no disk" end
        local status, event, why = receiver:receive(body, headers)
        assert.equal(503, status)
        assert.is_nil(event)
        assert.matches("no disk", why)
        journal.set_optout = nil
        assert.equal(200, (receiver:receive(body, headers)))
        assert.is_nil((send()))
        assert.equal(1, assert(receiver:recover { older_than = 0 }))
        assert.equal("stop", told[1].event.optout)
      end)

      it("takes no copy of a START without a time for a later one", function()
        local start = event_of("received", inbound("START"))
        start.data.occurred_at = nil
        take(start)
        journal:set_optout { number = TO, profile = PROFILE, own = FROM, is_out = true,
          at = core.now(), now = core.now() }
        core.sleep(0.01)
        take(start)
        assert.is_nil((send()))
      end)

      it("heeds a STOP without a time once the journal can keep it", function()
        local stop = event_of("received", inbound("STOP"))
        stop.data.occurred_at = nil
        local _, found = receiver:receive(signed(cjson.encode(stop)))
        journal.set_optout = function() return nil, "no disk" end
        assert.error_matches(function() receiver:handle(found) end, "no disk")
        journal.set_optout = nil
        assert(send())
        assert.equal(1, assert(receiver:recover { older_than = 0 }))
        assert.is_nil((send()))
      end)

      it("takes HELP for no START", function()
        take(event_of("received", inbound("STOP"), { at = os.time() - 10 }))
        take(event_of("received", inbound("HELP"), { at = os.time() }))
        assert.is_nil((send()))
        take(event_of("received", inbound("Help, please"), { at = os.time() + 1 }))
        assert.is_nil((send()))
      end)

      it("gives the recorded answer under a key that was sent before", function()
        local own = { from = FROM, to = TO, text = "Hello" }
        local first = assert(client:send(own, { key = "order-1", optouts = true }))
        take(event_of("received", inbound("STOP")))
        local again, info = client:send(own, { key = "order-1", optouts = true })
        assert.equal(first.id, again and again.id)
        assert.is_true(info.replayed)
        assert.is_nil((client:send(own, { key = "order-2", optouts = true })))
        assert.is_false(journal:get("order-2"))
      end)

      it("gives a group's recorded answer as well", function()
        sender.takes_requests = true
        sender.answer = function() return { data = { id = "g-1" } }, {} end
        client:close()
        client = telnyx.new { sender = sender, journal = journal, optouts = true }
        local own = { from = FROM, to = { "+18665550002", TO }, text = "All" }
        assert(client:send_group(own, { key = "order-1" }))
        take(event_of("received", inbound("STOP")))
        local again, info = client:send_group(own, { key = "order-1" })
        assert.equal("g-1", again and again.id)
        assert.is_true(info.replayed)
        local _, err = client:send_group(own, { key = "order-2" })
        assert.equal("opted_out", err.rule)
        assert.equal(1, #sender.posts)
      end)

      it("asks for each of a group", function()
        sender.takes_requests = true
        client:close()
        client = telnyx.new { sender = sender, journal = journal, optouts = true }
        take(event_of("received", inbound("STOP")))
        local _, err = client:send_group { from = FROM, to = { "+18665550002", TO }, text = "All" }
        assert.equal("opted_out", err.rule)
        assert.equal(0, #sender.posts)
      end)

      it("sends nothing where the journal cannot be asked", function()
        journal.optout = function() return nil, "no disk" end
        local _, err = send()
        assert.equal("not_sent", err.outcome)
        assert.matches("no disk", err.cause)
        journal.optout = function() error("oops", 0) end
        _, err = send()
        assert.matches("oops", err.cause)
        journal.optout = function() error("interrupted!", 0) end
        assert.error_matches(send, "^interrupted!")
        assert.equal(0, #sender.posts)
      end)

      if candidate ~= journals.memory then
        it("gives what waits in an outbox an end", function()
          local own = { from = FROM, to = TO, text = "Hello" }
          client:close()
          client = telnyx.new { sender = sender, journal = journal, optouts = true }
          assert(client:outbox():add(own, { key = "order-1" }))
          assert(client:outbox():add({ from = FROM, to = "+18665550002", text = "x" },
            { key = "order-2" }))
          take(event_of("received", inbound("STOP")))
          local ends = {}
          local counts = client:outbox():run { until_empty = true, on_result = function(row, _, err)
            ends[row.key] = err.rule or err.outcome
          end }
          assert.equal(1, counts.rejected)
          assert.equal(1, counts.accepted)
          assert.same({ ["order-1"] = "opted_out", ["order-2"] = "accepted" }, ends)
          assert.equal("rejected", journal:get("order-1").state)
          assert.equal(1, #sender.posts)
        end)
      end
    end)
  end)
end

describe("a receiver", function()
  it("says 500 where signatures cannot be checked, so that it comes again", function()
    local receiver = telnyx.webhook.receiver { journal = telnyx.journal.memory(),
      public_key = PUBLIC_KEY }
    local body, headers = signed("{}")
    local verify = core.ed25519_verify
    core.ed25519_verify = nil
    local status = receiver:receive(body, headers)
    core.ed25519_verify = verify
    assert.equal(500, status)
    assert.equal(200, (receiver:receive(body, headers)))
  end)

  it("complains of misuse of its methods", function()
    local receiver = telnyx.webhook.receiver { journal = telnyx.journal.memory() }
    for what, call in pairs {
      ["receive expects the body"] = function() receiver:receive(nil, {}) end,
      ["handle expects an event"] = function() receiver:handle(nil) end,
      ["recover expects options"] = function() receiver:recover(5) end } do
      local ok, why = pcall(call)
      assert.is_false(ok)
      assert.matches(what, why, 1, true)
      assert.matches("receiver_spec", why)
    end
    assert.error_matches(function()
      telnyx.webhook.receiver { journal = telnyx.journal.memory(), on_events = print }
    end, "did you mean 'on_event'")
  end)

  it("complains of misuse", function()
    local journal = telnyx.journal.memory()
    for what, options in pairs { ["in a table"] = 1, ["'journal' is missing"] = {},
      ["'journal' must be"] = { journal = {} }, ["no option 'x'"] = { journal = journal, x = 1 },
      ["'public_key' must be"] = { journal = journal, public_key = 1 },
      ["'tolerance' must be"] = { journal = journal, tolerance = -1 },
      ["'on_event' must be"] = { journal = journal, on_event = 1 } } do
      local line = debug.getinfo(1, "l").currentline + 1
      local ok, why = pcall(function() telnyx.webhook.receiver(options) end)
      assert.is_false(ok)
      assert.matches(what, why, 1, true)
      assert.matches("receiver_spec.lua:" .. line .. ": ", why, 1, true)
    end
    local line = debug.getinfo(1, "l").currentline + 1
    local ok, why = pcall(function() telnyx.webhook.handler { journal = journal } end)
    assert.is_false(ok)
    assert.matches("receiver_spec.lua:" .. line .. ": webhook: a handler is for nginx", why, 1,
      true)
  end)
end)
