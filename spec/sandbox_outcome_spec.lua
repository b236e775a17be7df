local json = require("cjson.safe").new()
local sandbox = require("telnyx.sandbox")
local support = require("spec.support.service")

local NOON, ask, at_noon, post, read, sms = support.NOON, support.ask, support.at_noon,
  support.post, support.read, support.sms
local HOOK = "http://127.0.0.1:1/hooks"

-- A sender on a clock of its own, and what its receiver got.
local function hearing(options, answer)
  local time, heard = { now = NOON }, {}
  local own = { now = function() return time.now end,
    sleep = function(seconds) time.now = time.now + seconds end }
  for name, value in pairs(options or {}) do own[name] = value end
  function own.on_webhook(request)
    heard[#heard + 1] = { at = time.now - NOON, url = request.url, request = request,
      body = json.decode(request.body) }
    return answer and answer(#heard) or 200
  end
  return sandbox.sender(own), heard, time
end

local function send(sender, changes, endpoint)
  local message = sms { webhook_url = HOOK }
  for name, value in pairs(changes or {}) do message[name] = value end
  return post(sender.service, message, endpoint).id
end

local function finish(target, given)
  return ask(target.service or target, "POST", "/sandbox/outcome", given)
end

local function ended(target, given)
  local response, decoded = finish(target, given)
  assert(response.status == 200, response.body)
  return decoded.data
end

-- "sent@1 delivered@2": what was told, and when.
local function told(heard, number)
  local words = {}
  for _, one in ipairs(heard) do
    local payload = one.body.data.payload
    if payload and (not number or payload.to[1].phone_number == number) then
      words[#words + 1] = ("%s@%.4g"):format(payload.to[1].status, one.at)
    end
  end
  return table.concat(words, " ")
end

local function life(one)
  local words = {}
  for i, stage in ipairs(one.timeline) do words[i] = stage.status end
  return table.concat(words, " ")
end

describe("POST /sandbox/outcome", function()
  it("ends a message at once, and nothing that was planned comes", function()
    local sender, heard, time = hearing()
    local id = send(sender)
    sender:advance(1.5)
    local shown = ended(sender, { id = id, status = "delivery_failed" })
    assert.are.same({ "delivery_failed", "40008", "queued sending sent delivery_failed" },
      { shown.status, shown.recipients[1].code, life(shown) })
    local data = read(sender.service, id)
    assert.are.same({ "delivery_failed", "40008", "2025-03-22T11:28:40.901+00:00" },
      { data.to[1].status, data.errors[1].code, data.completed_at })
    sender:advance(60)
    assert.are.equal("sent@1 delivery_failed@1.5", told(heard))
    assert.are.equal("message.finalized", heard[2].body.data.event_type)
    assert.are.equal("40008", heard[2].body.data.payload.errors[1].code)
    time.now = time.now + 60
    assert.are.equal("delivery_failed", read(sender.service, id).to[1].status)
  end)

  it("counts what was tried before it, where nobody asks for that", function()
    local time = { now = NOON }
    local sender = sandbox.sender { now = function() return time.now end }
    local id = send(sender)
    time.now = NOON + 1.5
    assert.are.equal(1, ended(sender, { id = id, status = "delivery_failed" }).n_attempts)
  end)

  it("tells of sent first where that was still to come", function()
    local sender, heard = hearing()
    local id = send(sender)
    sender:advance(0.2)
    local shown = ended(sender, { id = id, status = "delivered" })
    assert.are.same({ "delivered", "queued sent delivered" }, { shown.status, life(shown) })
    sender:advance(60)
    assert.are.equal("sent@0.2 delivered@0.25", told(heard))
    assert.are.equal("message.sent message.finalized",
      heard[1].body.data.event_type .. " " .. heard[2].body.data.event_type)
  end)

  it("knows ends without a beginning", function()
    for status, code in pairs { expired = "40014", sending_failed = "40006" } do
      local sender, heard = hearing()
      local id = send(sender)
      sender:advance(0.2)
      assert.are.equal(code, ended(sender, { id = id, status = status }).recipients[1].code)
      sender:advance(60)
      assert.are.equal(status .. "@0.2", told(heard))
    end
  end)

  it("takes a code of its own", function()
    local sender, heard = hearing()
    local id = send(sender)
    ended(sender, { id = id, status = "delivery_failed", code = "40002" })
    sender:advance(60)
    assert.are.equal("40002", heard[2].body.data.payload.errors[1].code)
  end)

  it("contradicts an end that was told", function()
    local sender, heard = hearing()
    local id = send(sender)
    sender:advance(5)
    local shown = ended(sender, { id = id, status = "delivery_failed" })
    assert.are.same({ "delivery_failed", "queued sending sent delivered delivery_failed" },
      { shown.status, life(shown) })
    sender:advance(5)
    ended(sender, { id = id, status = "delivered" })
    sender:advance(60)
    assert.are.equal("sent@1 delivered@2 delivery_failed@5 delivered@10", told(heard))
    local _, decoded = ask(sender.service, "GET", "/sandbox/messages/" .. id)
    assert.are.same({ 4, 4 }, { #decoded.data.webhooks, decoded.data.n_attempts })
  end)

  it("tells of sent also after an end without one", function()
    local sender, heard = hearing()
    local id = send(sender, { to = "+15550040014" })
    sender:advance(5)
    ended(sender, { id = id, status = "delivered" })
    sender:advance(60)
    assert.are.equal("expired@1 sent@5 delivered@5.05", told(heard))
  end)

  it("replaces a second end that was planned", function()
    local sender, heard = hearing { late_second_final = 10 }
    local id = send(sender)
    sender:advance(5)
    ended(sender, { id = id, status = "delivery_unconfirmed" })
    sender:advance(60)
    assert.are.equal("sent@1 delivered@2 delivery_unconfirmed@5", told(heard))
  end)

  it("ends what nothing would have been heard of any more", function()
    for _, case in ipairs { { { no_dlr = true } }, { {}, "+15550040090" } } do
      local sender, heard = hearing(case[1])
      local id = send(sender, { to = case[2] or "+13125550002" })
      sender:advance(30)
      assert.are.equal("sent@1", told(heard))
      ended(sender, { id = id, status = "delivered" })
      sender:advance(60)
      assert.are.equal("sent@1 delivered@30", told(heard))
    end
  end)

  it("ends one addressee of a group, or all", function()
    local sender, heard = hearing()
    local two, three = "+13125550002", "+13125550003"
    local id = send(sender, { to = { two, three } }, "/group_mms")
    sender:advance(1.5)
    local shown = ended(sender, { id = id, status = "delivery_failed", to = three })
    assert.are.same({ "sent", "delivery_failed" },
      { shown.recipients[1].status, shown.recipients[2].status })
    sender:advance(10)
    assert.are.same({ "sent@1 delivered@2", "sent@1 delivery_failed@1.5" },
      { told(heard, two), told(heard, three) })
    ended(sender, { id = id, status = "expired" })
    sender:advance(10)
    assert.are.same({ "sent@1 delivered@2 expired@11.5",
      "sent@1 delivery_failed@1.5 expired@11.5" }, { told(heard, two), told(heard, three) })
  end)

  it("keeps to what the knobs say of webhooks", function()
    local sender, heard = hearing { swap = true }
    local id = send(sender)
    sender:advance(1.5)
    ended(sender, { id = id, status = "delivered" })
    sender:advance(60)
    assert.are.equal("delivered@1.5 sent@1.7", told(heard))

    sender, heard = hearing { delay = 5 }
    id = send(sender)
    sender:advance(1.5)
    ended(sender, { id = id, status = "expired" })
    sender:advance(60)
    assert.are.equal("sent@6 expired@6.5", told(heard))

    sender, heard = hearing { burst = 2 }
    id = send(sender)
    sender:advance(1.5)
    assert.are.equal("", told(heard))
    ended(sender, { id = id, status = "expired" })
    sender:advance(60)
    assert.are.equal("sent@1.5 expired@1.5", told(heard))

    sender, heard = hearing { lose = 1 }
    id = send(sender)
    sender:advance(1.5)
    ended(sender, { id = id, status = "expired" })
    sender:advance(60)
    assert.are.equal("expired@1.5", told(heard))
  end)

  it("comes second where everything comes before the reply", function()
    local sender, heard = hearing { before_reply = true }
    local id = send(sender)
    ended(sender, { id = id, status = "delivery_failed" })
    sender:advance(60)
    assert.are.equal("sent@0 delivered@0 delivery_failed@0", told(heard))
  end)

  it("tells of odd events once", function()
    local sender, heard = hearing { unknown_events = true }
    local id = send(sender)
    sender:advance(10)
    local n = #heard
    ended(sender, { id = id, status = "delivery_failed" })
    sender:advance(10)
    assert.are.same({ 5, 6 }, { n, #heard })
  end)

  it("tries a receiver again that was not there, without telling anything twice", function()
    local sender, heard = hearing({}, function(n) return n == 1 and 500 or 200 end)
    local id = send(sender)
    sender:advance(1.2)
    ended(sender, { id = id, status = "delivery_failed" })
    sender:advance(60)
    assert.are.equal("sent@1 delivery_failed@1.2 sent@2", told(heard))
  end)

  it("shows in the records, and moves the page", function()
    local service, time = at_noon()
    local id = post(service).id
    local position = service.feed.position
    ended(service, { id = id, status = "expired" })
    local news = service.feed:since(position)
    assert.are.same({ 1, "change", "expired" },
      { #news, news[1].kind, json.decode(news[1].text).status })
    time.now = time.now + 10
    local _, decoded = ask(service, "GET",
      "/v2/detail_records?filter[record_type]=messaging&filter[uuid]=" .. id)
    assert.are.same({ "gw_timeout", { "40014" } },
      { decoded.data[1].status, decoded.data[1].errors })
  end)

  it("ends the pieces of a long text with the whole", function()
    local sender, heard = hearing { chunking = true, max_parts = 1 }
    local id = send(sender, { text = ("abcdefghij"):rep(20) })
    sender:advance(1.5)
    ended(sender, { id = id, status = "delivery_failed" })
    sender:advance(60)
    assert.are.equal("sent@1 sent@1 delivery_failed@1.5 delivery_failed@1.5", told(heard))
    assert.are.equal("delivery_failed", read(sender.service, id).to[1].status)
  end)

  it("is no message's fate that has none", function()
    local service = at_noon()
    local inbound = service:reply { from = "+13125550002", to = "+13125550001", text = "Hi" }.id
    local waiting = post(service, sms { send_at = "2025-03-22T12:28:39.401Z" }).id
    local gone = post(service, sms { send_at = "2025-03-22T12:28:39.401Z" }).id
    ask(service, "DELETE", "/v2/messages/" .. gone)
    local sent = post(service).id
    for _, case in ipairs {
      { { id = "nobody", status = "delivered" }, 404, "10005" },
      { { id = inbound, status = "delivered" }, 400, "was received" },
      { { id = waiting, status = "delivered" }, 400, "is scheduled" },
      { { id = gone, status = "delivered" }, 400, "was cancelled" },
      { { status = "delivered" }, 400, "'id' must be the id of a message" },
      { { id = 1, status = "delivered" }, 400, "'id' must be" },
      { { id = sent }, 400, "'status' must be delivered, delivery_failed" },
      { { id = sent, status = "sent" }, 400, "'status' must be" },
      { { id = sent, status = "expired", code = "1" }, 400, "'code' must be a code" },
      { { id = sent, status = "expired", code = 40014 }, 400, "'code' must be a code" },
      { { id = sent, status = "delivered", code = "40008" }, 400, "'code' must not be there" },
      { { id = sent, status = "delivered", to = "+13125550009" }, 400, "'to' must be an addr" },
      { { id = sent, status = "delivered", why = "x" }, 400, "'why' is not known; known are" },
      { "{", 400, "10023" }, { "[]", 400, "10015" }, { "", 400, "10023" },
    } do
      local response, decoded = finish(service, case[1])
      assert.are.equal(case[2], response.status, response.body)
      assert.is_truthy(response.body:find(case[3], 1, true), response.body)
      assert.is_truthy(decoded.errors[1].code)
    end
    assert.are.equal("queued", read(service, sent).to[1].status)
    assert.are.equal(400, (ask(service, "POST", "/sandbox/outcome?x=1",
      { id = sent, status = "delivered" })).status)
    assert.are.equal(200, (finish(service, { id = sent, status = "delivered",
      code = support.null, to = support.null })).status)
  end)

  it("can be had in Lua, and has its bounds", function()
    local service = at_noon()
    local id = post(service).id
    assert.are.equal(id, service:outcome { id = id, status = "delivered" }.id)
    local record, why = service:outcome { id = id, status = "gone" }
    assert.is_nil(record)
    assert.is_truthy(why:find("'status' must be", 1, true))
    assert.are.same({ nil, "There is no such message." },
      { service:outcome { id = "x", status = "delivered" } })
    local n = 1
    while service:outcome { id = id, status = "delivered" } do
      n = n + 1
      assert(n < 1000)
    end
    assert.are.equal(50, n)
  end)

  -- Whatever is done when: each end is told once, sent once and before any delivery, and nothing
  -- after what was wished last.
  it("tells each thing once, in any order of events", function()
    local endings = { "delivered", "delivery_failed", "expired", "sending_failed",
      "delivery_unconfirmed" }
    for seed = 1, 60 do
      math.randomseed(seed)
      local knobs = ({ {}, { late_second_final = 3 }, { no_dlr = true }, { delay = 0.7 },
        { unknown_events = true } })[seed % 5 + 1]
      local sender, heard = hearing(knobs)
      local id, wished, expected = send(sender), {}, nil
      for _ = 1, math.random(1, 4) do
        sender:advance(math.random(0, 40) / 10)
        local status = endings[math.random(#endings)]
        expected = ended(sender, { id = id, status = status })
        wished[#wished + 1] = status
      end
      sender:advance(100)
      local n_of, words = {}, {}
      for _, one in ipairs(heard) do
        local data = one.body.data
        if data.event_type == "message.sent" or data.event_type == "message.finalized" then
          if one.body.meta then
            local status = data.payload.to[1].status
            words[#words + 1] = status
            n_of[data.event_type] = (n_of[data.event_type] or 0) + 1
          end
        end
      end
      local planned = {}
      for _, stage in ipairs(expected.timeline) do
        if stage.status ~= "queued" and stage.status ~= "sending" then
          planned[#planned + 1] = stage.status
        end
      end
      assert.are.equal(table.concat(planned, " "), table.concat(words, " "), "seed " .. seed)
      assert.is_true((n_of["message.sent"] or 0) <= 1)
      assert.are.equal(wished[#wished], words[#words])
    end
  end)
end)
