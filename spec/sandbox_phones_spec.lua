local json = require("cjson.safe").new()
local sandbox = require("telnyx.sandbox")
local support = require("spec.support.service")

local NOON, ask, at_noon, post, sms = support.NOON, support.ask, support.at_noon, support.post,
  support.sms

local function query_of(given)
  local pairs_of, names = {}, {}
  for name in pairs(given or {}) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    local value = type(given[name]) == "number" and ("%d"):format(given[name]) or given[name]
    pairs_of[i] = name .. "=" .. value:gsub("[^%w]", function(byte)
      return ("%%%02X"):format(byte:byte())
    end)
  end
  return pairs_of[1] and "?" .. table.concat(pairs_of, "&") or ""
end

-- Asks in both ways, by HTTP and in Lua, which are to find the same.
local function list(service, given)
  local response, decoded = ask(service, "GET", "/sandbox/messages" .. query_of(given))
  assert(response.status == 200, response.body)
  local records, found = service:find(given)
  assert.are.same({ decoded.total, decoded.more, decoded.cursor },
    { found.total, found.more, found.cursor })
  for i, record in ipairs(records) do assert.are.equal(decoded.data[i].seq, record.seq) end
  assert.are.equal(#records, #decoded.data)
  return decoded
end

local function seqs(decoded)
  local words = {}
  for i, one in ipairs(decoded.data) do words[i] = ("%d"):format(one.seq) end
  return table.concat(words, " ")
end

local function phones(service, query)
  local response, decoded = ask(service, "GET", "/sandbox/phones" .. (query or ""))
  assert(response.status == 200, response.body)
  return decoded
end

local function numbers(decoded)
  local words = {}
  for i, phone in ipairs(decoded.data) do words[i] = phone.phone_number:sub(-1) end
  return table.concat(words, " ")
end

local function to(digit, changes)
  local message = sms { to = "+1312555000" .. digit }
  for name, value in pairs(changes or {}) do message[name] = value end
  return message
end

local REF = "http://127.0.0.1:1/h?telnyx_ref=" .. ("0123456789abcdef"):rep(2)

-- Seven messages, each of which is alone in something.
local function seven()
  local service, time = at_noon()
  post(service, to(2, { text = "Your code is 1234" }))
  time.now = NOON + 10
  post(service, to(3, { text = "Your code is 5678", from = "+13125550009" }))
  service:handle { method = "POST", path = "/v2/messages", key = "order-4711",
    headers = { authorization = "Bearer KEY_X", ["content-type"] = "application/json" },
    body = json.encode(to(4, { text = "ça va? ÉTÉ" })) }
  time.now = NOON + 20
  service:reply { from = "+13125550002", to = "+13125550001", text = "Thank you" }
  post(service, to(5, { webhook_url = "http://127.0.0.1:1/h?ref=r-5" }))
  post(service, to(6, { webhook_url = REF .. "b3JkZXItNDcxMg" }))
  service:reply { from = "+13125550001", to = "+13125550003", text = "from a line" }
  return service, time
end

describe("GET /sandbox/messages", function()
  it("shows a message with all that is known of it", function()
    local service = at_noon()
    local id = post(service, to(2, { media_urls = { "http://a.example/x.png" }, subject = "S" })).id
    local decoded = list(service)
    assert.are.same({ 1, 1, false, 1, 0, service.epoch, "2025-03-22T11:28:39.401+00:00" },
      { #decoded.data, decoded.total, decoded.more, decoded.cursor, decoded.forgotten,
        decoded.epoch, decoded.now })
    local one, null = decoded.data[1], support.null
    assert.are.same({
      seq = 1, id = id, direction = "outbound", from = "+13125550001", to = { "+13125550002" },
      phones = { "+13125550002" }, type = "MMS", text = "Hello, World!", subject = "S",
      media = { "http://a.example/x.png" }, encoding = "GSM-7", parts = 1, characters = 13,
      received_at = "2025-03-22T11:28:39.401+00:00", send_at = null, cancelled_at = null,
      status = "queued", ref = "Hello, World!", key = null, profile = one.profile,
      webhook_url = "", autoresponse_type = null, is_auto_reply = false, group_id = null,
      parent_id = null, n_attempts = 0,
      recipients = { { phone_number = "+13125550002", status = "queued", code = null,
        title = null } },
      timeline = {
        { phone_number = "+13125550002", status = "queued", code = null,
          at = "2025-03-22T11:28:39.401+00:00" },
        { phone_number = "+13125550002", status = "sending", code = null,
          at = "2025-03-22T11:28:39.901+00:00" },
        { phone_number = "+13125550002", status = "sent", code = null,
          at = "2025-03-22T11:28:40.401+00:00" },
        { phone_number = "+13125550002", status = "delivered", code = null,
          at = "2025-03-22T11:28:41.401+00:00" },
      },
    }, one)
  end)

  it("shows what a phone sent, and what the service answered", function()
    local service = at_noon()
    service:reply { from = "+13125550002", to = "+13125550001", text = " stop ",
      media_urls = { "http://a.example/y.png" } }
    local data = list(service).data
    assert.are.same({ "inbound", "+13125550002", { "+13125550001" }, { "+13125550002" }, "MMS",
      " stop ", { "http://a.example/y.png" }, "received", "STOP", false, 6 },
      { data[1].direction, data[1].from, data[1].to, data[1].phones, data[1].type, data[1].text,
        data[1].media, data[1].status, data[1].autoresponse_type, data[1].is_auto_reply,
        data[1].characters })
    assert.are.equal("received", data[1].timeline[1].status)
    assert.are.same({ "outbound", { "+13125550002" }, "STOP", true },
      { data[2].direction, data[2].phones, data[2].autoresponse_type, data[2].is_auto_reply })
  end)

  it("shows failures by name, a message that waits, and one that was cancelled", function()
    local service, time = at_noon()
    post(service, sms { to = "+15550040008" })
    local id = post(service, sms { send_at = "2025-03-22T12:28:39.401Z" }).id
    time.now = NOON + 2
    local data = list(service).data
    assert.are.same({ "delivery_failed", "40008", "Undeliverable" }, { data[1].status,
      data[1].recipients[1].code, data[1].recipients[1].title })
    assert.are.equal("40008", data[1].timeline[4].code)
    local function life(one)
      local words = {}
      for i, stage in ipairs(one.timeline) do words[i] = stage.status end
      return one.status .. ": " .. table.concat(words, " ")
    end
    assert.are.equal("scheduled: scheduled queued sending sent delivered", life(data[2]))
    local position = service.feed.position
    ask(service, "DELETE", "/v2/messages/" .. id)
    data = list(service).data
    assert.are.same({ "cancelled: scheduled cancelled", "2025-03-22T11:28:41.401+00:00" },
      { life(data[2]), data[2].cancelled_at })
    local news = service.feed:since(position)
    assert.are.same({ 1, "change", id }, { #news, news[1].kind, json.decode(news[1].text).id })
  end)

  it("has a filter for each thing one knows", function()
    local service = seven()
    for filter, expected in pairs {
      ["to=+13125550002"] = "1", ["to=+13125550001"] = "4", ["to=+13125550003"] = "2 7",
      ["from=+13125550009"] = "2", ["from=+13125550002"] = "4", ["from=+13125550001"] = "1 3 5 6 7",
      ["phone=+13125550002"] = "1 4", ["phone=+13125550001"] = "7", ["phone=+13125550009"] = "",
      ["direction=inbound"] = "4 7", ["direction=outbound"] = "1 2 3 5 6",
      ["match=code is"] = "1 2", ["match=Code is"] = "", ["match=%"] = "", ["match=a?"] = "3",
      ["text=Thank you"] = "4", ["text=Thank"] = "", ["text="] = "",
      ["search=CODE IS"] = "1 2", ["search=550009"] = "2", ["search=ORDER-47"] = "3 6",
      ["key=order-4711"] = "3", ["key=order-4712"] = "6", ["key=order-471"] = "",
      ["ref=r-5"] = "5", ["ref=Your code is 1234"] = "1", ["ref=r"] = "",
      ["status=received"] = "4 7", ["status=delivered"] = "1 2 3", ["status=queued"] = "5 6",
      ["since=5"] = "6 7", ["since=5.0"] = "6 7", ["before=3.0"] = "1 2",
      ["since=2025-03-22T11:28:49.401Z"] = "2 3 4 5 6 7",
      ["since=2025-03-22T11:28:49.402Z"] = "4 5 6 7", ["before=3"] = "1 2", ["before=0"] = "",
      ["order=newest"] = "7 6 5 4 3 2 1", ["order=oldest"] = "1 2 3 4 5 6 7",
    } do
      local name, value = filter:match("^(.-)=(.*)$")
      if name == "since" or name == "before" then value = tonumber(value) or value end
      local given = { [name] = value }
      assert.are.equal(expected, seqs(list(service, given)), filter)
    end
  end)

  it("finds an id by its digits", function()
    local service = seven()
    local id = list(service).data[3].id
    assert.are.equal("3", seqs(list(service, { search = id:upper() })))
  end)

  it("takes filters together", function()
    local service = seven()
    assert.are.equal("1", seqs(list(service, { phone = "+13125550002", direction = "outbound",
      match = "code", since = "2025-03-22T11:28:39.401Z" })))
    assert.are.equal("", seqs(list(service, { phone = "+13125550002", key = "order-4711" })))
    assert.are.equal("7", seqs(list(service, { to = "+13125550003", from = "+13125550001" })))
    assert.are.equal("6 5", seqs(list(service, { order = "newest", before = 7, since = 4 })))
  end)

  it("reads a plus that nobody escaped", function()
    local service = seven()
    local _, decoded = ask(service, "GET",
      "/sandbox/messages?to=+13125550002&since=2025-03-22T11:28:39.401+00:00")
    assert.are.equal("1", seqs(decoded))
  end)

  it("knows a key by the header and by the reference, in this order", function()
    local service = at_noon()
    local headers = { ["idempotency-key"] = "h-1" }
    ask(service, "POST", "/v2/messages", sms { webhook_url = REF .. "b3JkZXItNDcxMg" }, headers)
    ask(service, "POST", "/v2/messages", sms { webhook_url = REF .. "w6k" })
    for _, url in ipairs { REF, REF:sub(1, -2) .. "gw6k", REF .. "a", REF .. "%41%41",
      "http://127.0.0.1/#telnyx_ref=" .. ("a"):rep(32) .. "b3JkZXItNDcxMg" } do
      post(service, sms { webhook_url = url })
    end
    local data = list(service).data
    assert.are.same({ "h-1", "é" }, { data[1].key, data[2].key })
    for i = 3, #data do assert.are.equal(support.null, data[i].key, data[i].webhook_url) end
  end)

  it("does not say exactly how many when some are forgotten", function()
    local time = { now = NOON }
    local service = sandbox.new { keep = 3, now = function() return time.now end }
    for i = 1, 4 do
      time.now = NOON + i
      post(service, sms { text = "t" .. i })
    end
    local function status(query)
      local response, decoded = ask(service, "GET", "/sandbox/messages?" .. query)
      return response.status, decoded
    end
    local code, decoded = status("text=t3&exactly=1")
    assert.are.equal(409, code)
    assert.is_truthy(decoded.errors[1].detail:find("Exactly 1 match, but 1 older messages are"
      .. " forgotten, and may have been such.", 1, true))
    assert.are.equal(409, (status("text=t9&exactly=0")))
    assert.are.equal(200, (status("text=t3")))
    -- Behind what was forgotten, the number is known.
    assert.are.equal(200, (status("text=t3&exactly=1&since=1")))
    assert.are.equal(409, (status("text=t3&exactly=1&since=0")))
    assert.are.equal(200, (status("text=t9&exactly=0&since=2")))
    assert.are.equal(200, (status("text=t3&exactly=1&since=2025-03-22T11:28:42.000Z")))
    assert.are.equal(409, (status("text=t3&exactly=1&since=2025-03-22T11:28:41.000Z")))
    ask(service, "DELETE", "/sandbox/messages")
    assert.are.equal(200, (status("exactly=0")))
  end)

  it("gives others a turn, and neither loses nor doubles what they bring", function()
    local service = sandbox.new { keep = 2500 }
    local n = 0
    local function post_one()
      n = n + 1
      post(service, sms { text = "t" .. n .. " wanted" })
    end
    for _ = 1, 2000 do post_one() end
    local turns = 0
    service.breathe = function()
      turns = turns + 1
      if n < 4000 then for _ = 1, 40 do post_one() end end
    end
    local seen, cursor, is_more = {}, 0, true
    while is_more or n < 4000 do
      local _, decoded = ask(service, "GET", "/sandbox/messages?match=wanted&limit=1000&since="
        .. cursor)
      for _, message in ipairs(decoded.data) do
        assert.is_nil(seen[message.text])
        seen[message.text] = true
      end
      cursor, is_more = ("%d"):format(decoded.cursor), decoded.more
      post_one()
    end
    assert.is_true(turns > 5)
    for i = 2001, n - 1 do assert.is_true(seen["t" .. i .. " wanted"], i) end
  end)

  it("shows a key that is no UTF-8 by its bytes, and finds it so", function()
    local service = at_noon()
    local ids = {
      post(service, to(2, { webhook_url = REF .. "Yf9i" })).id, -- a, 255, b
      select(2, ask(service, "POST", "/v2/messages", to(3),
        { ["idempotency-key"] = "a\255b" })).data.id,
    }
    local shown = list(service, { key = "a%FFb" })
    assert.are.same({ ids[1], ids[2], "a%FFb", "a%FFb" },
      { shown.data[1].id, shown.data[2].id, shown.data[1].key, shown.data[2].key })
  end)

  it("refuses what it does not know, and says what it does", function()
    local service = seven()
    for query, words in pairs {
      ["phon=1"] = "'phon' is not known. Known are before, count, direction, exactly, from, key",
      ["to=Anna"] = "'to' must be a phone number", ["from=%00"] = "'from' must be",
      ["direction=in"] = "'direction' must be outbound or inbound",
      ["status=lost"] = "'status' must be", ["since=yesterday"] = "'since' must be a cursor or a",
      ["since=-1"] = "'since'", ["since=1.5"] = "'since'", ["before=x"] = "'before' must be",
      ["limit=0"] = "from 1 to 1000", ["limit=1001"] = "from 1 to 1000", ["limit="] = "'limit'",
      ["order=up"] = "oldest or newest", ["wait=301"] = "from 0 to 300", ["wait=x"] = "'wait'",
      ["count=1.5"] = "'count'", ["exactly=-1"] = "'exactly'", ["=1"] = "'' is not known",
      ["limit=" .. ("9"):rep(400)] = "'limit'", ["to=1&to=1"] = "'to' is there twice",
      ["%ff=1"] = "'%FF' is not known",
      ["key=&exactly=0"] = "'key' must be a text that is not empty",
      ["ref="] = "'ref'", ["match="] = "'match'", ["search="] = "'search'",
      ["to=13125550002"] = "'to' must be a phone number such as +13125550002, or a short code",
    } do
      local response, decoded = ask(service, "GET", "/sandbox/messages?" .. query)
      assert.are.same({ 400, "10015" }, { response.status, decoded.errors[1].code }, query)
      assert.is_truthy(decoded.errors[1].detail:find(words, 1, true), decoded.errors[1].detail)
    end
    for given, words in pairs {
      [{ phon = 1 }] = "filter 'phon' is not known; known: before, direction",
      [{ to = 1 }] = "filter 'to' must be a phone number",
      [{ wait = 1 }] = "filter 'wait' is not known",
      [{ limit = 1.5 }] = "filter 'limit' must be a whole number from 1 to 1000",
    } do
      local ok, why = pcall(service.find, service, given)
      assert.is_false(ok)
      assert.is_truthy(why:find(words, 1, true), why)
    end
    local ok, why = pcall(function() service:find { to = 1 } end)
    assert.is_false(ok)
    assert.is_truthy(why:find("sandbox_phones_spec.lua", 1, true), why)
  end)

  it("goes on where it stopped, in both directions", function()
    local service = at_noon()
    for i = 1, 7 do post(service, to(i % 2 + 2)) end
    local page = list(service, { limit = 3, since = 0 })
    assert.are.same({ "1 2 3", true, 3, 7 }, { seqs(page), page.more, page.cursor, page.total })
    page = list(service, { limit = 3, since = page.cursor, phone = "+13125550002" })
    assert.are.same({ "4 6", false, 7 }, { seqs(page), page.more, page.cursor })
    page = list(service, { limit = 3, order = "newest" })
    assert.are.same({ "7 6 5", true, 7 }, { seqs(page), page.more, page.cursor })
    page = list(service, { limit = 4, order = "newest", before = 5 })
    assert.are.same({ "4 3 2 1", false }, { seqs(page), page.more })
    assert.are.equal(0, list((at_noon())).cursor)
    assert.are.same({ 0, 0, 3, 7 }, { list(service, { before = 0 }).cursor,
      list(service, { before = 1 }).cursor, list(service, { before = 4 }).cursor,
      list(service, { before = 99 }).cursor })
  end)

  it("tells senders' names apart to the letter, also where it looks at one phone", function()
    local service = at_noon()
    post(service, { from = "Acme", to = "+447700900123", text = "x",
      messaging_profile_id = support.PROFILE })
    assert.are.equal("1", seqs(list(service, { from = "Acme", phone = "+447700900123" })))
    assert.are.equal("", seqs(list(service, { from = "ACME", phone = "+447700900123" })))
  end)

  it("shows each message once to who walks, while others come and go", function()
    for _, filter in ipairs { {}, { match = "e" }, { from = "+13125550001" } } do
      local service = at_noon { keep = 20 }
      local seen, cursor, n = {}, 0, 0
      for round = 1, 30 do
        for _ = 1, round % 4 do post(service, to(round % 7 + 1)) end
        n = n + round % 4
        local page = list(service, { since = cursor, limit = 2, match = filter.match,
          from = filter.from })
        for _, one in ipairs(page.data) do
          assert.is_nil(seen[one.seq])
          seen[one.seq] = true
        end
        cursor = page.cursor
      end
      local page
      repeat
        page = list(service, { since = cursor, limit = 2 })
        for _, one in ipairs(page.data) do
          assert.is_nil(seen[one.seq])
          seen[one.seq] = true
        end
        cursor = page.cursor
      until not page.more
      for seq = 1, n do assert.is_true(seen[seq], seq) end
    end
  end)

  it("forgets the oldest, and says how many", function()
    local service = at_noon { keep = 5 }
    for i = 1, 8 do post(service, to(i, { webhook_url = "http://127.0.0.1/?ref=r" .. i })) end
    local decoded = list(service)
    assert.are.same({ "4 5 6 7 8", 3, 5, 8 }, { seqs(decoded), decoded.forgotten, decoded.total,
      decoded.cursor })
    assert.are.equal("", seqs(list(service, { ref = "r3" })))
    assert.are.equal("4", seqs(list(service, { ref = "r4" })))
    assert.are.equal("", seqs(list(service, { phone = "+13125550003" })))
    local shown = phones(service)
    assert.are.same({ "8 7 6 5 4", 5, 8, 3 },
      { numbers(shown), shown.total, shown.n_received, shown.forgotten })
  end)

  it("shows the pieces of a long text, and not the whole", function()
    local service = at_noon { chunking = true, max_parts = 1, keep = 3 }
    local parent = post(service, sms { text = ("abcdefghij"):rep(40) }).id
    local data = list(service).data
    assert.are.equal("1 2", seqs { data = { data[1], data[2] } })
    for _, one in ipairs(data) do
      assert.are.same({ parent, 1 }, { one.parent_id, one.parts })
    end
    assert.are.equal(#data, phones(service).n_received)
    for _ = 1, 4 do post(service) end
    assert.are.same({ 3, #data + 1 }, { list(service).total, list(service).forgotten })
  end)

  it("keeps no name that only forgotten messages had", function()
    local service = at_noon { keep = 2 }
    for i = 1, 6 do
      local name = tostring(math.ceil(i / 2))
      ask(service, "POST", "/v2/messages", to(name, { from = "+1312555900" .. name,
        webhook_url = "http://127.0.0.1:1/h?ref=" .. name }), { ["idempotency-key"] = name })
    end
    local index, left = service.store.index, {}
    for i, map in ipairs { index.lines, index.keys, index.refs, index.phones.by_number } do
      left[i] = ""
      for name in pairs(map) do left[i] = left[i] .. name:sub(-1) end
    end
    assert.are.same({ "3", "3", "3", "3" }, left)
    assert.are.equal(1, index.phones.count)
  end)

  it("keeps to its bounds also where every message has the same id", function()
    local service = at_noon { keep = 5, uuid = function() return "same" end }
    for _ = 1, 20 do post(service) end
    assert.are.same({ 5, 15 }, { list(service).total, list(service).forgotten })
  end)
end)

describe("GET /sandbox/phones", function()
  it("shows who was in touch last, first", function()
    local service = at_noon()
    for _, digit in ipairs { 2, 3, 4, 2 } do post(service, to(digit)) end
    service:reply { from = "+13125550003", to = "+13125550001", text = "Hi" }
    local decoded = phones(service)
    assert.are.same({ "3 2 4", 3, false, 4, 5, 0 }, { numbers(decoded), decoded.total,
      decoded.more, decoded.n_received, decoded.cursor, decoded.forgotten })
    local first, second = decoded.data[1], decoded.data[2]
    assert.are.same({ 1, 1, 2, false, "Hi", 5 }, { first.n_received, first.n_sent, first.n_kept,
      first.is_blocked, first.last.text, first.last.seq })
    assert.are.same({ 2, 0, 2, 4 },
      { second.n_received, second.n_sent, second.n_kept, second.last.seq })
  end)

  it("shows who said STOP to the profile it was last in touch with", function()
    local service = at_noon()
    local function is_blocked() return phones(service).data[1].is_blocked end
    post(service)
    assert.is_false(is_blocked())
    service:reply { from = "+13125550002", to = "+13125550001", text = "STOP" }
    assert.is_true(is_blocked())
    local other = "4001932d-0c6f-4b7e-9f0a-1d2c3b4a5969"
    post(service, sms { from = "+13125550008", messaging_profile_id = other })
    assert.is_false(is_blocked())
    service:reply { from = "+13125550002", to = "+13125550001", text = "START" }
    assert.is_false(is_blocked())
  end)

  it("has every member of a group", function()
    local service = at_noon()
    local id = post(service, sms { to = { "+13125550002", "+13125550003", "+13125550003" } },
      "/group_mms").id
    post(service, to(4))
    local decoded = phones(service, "?limit=2")
    assert.are.same({ "4 3 2", false, 3 },
      { numbers(decoded), decoded.more, decoded.n_received })
    local last = decoded.data[2].last
    assert.are.same({ id, id, { "+13125550002", "+13125550003" }, 3 },
      { last.id, last.group_id, last.phones, #last.to })
    assert.are.equal("1", seqs(list(service, { phone = "+13125550003" })))
    assert.are.equal("1", seqs(list(service, { phone = "+13125550002" })))
  end)

  it("comes in pages, and is looked through", function()
    local service = at_noon()
    for digit = 1, 7 do post(service, to(digit)) end
    local page = phones(service, "?limit=3")
    assert.are.same({ "7 6 5", true, 7 }, { numbers(page), page.more, page.total })
    page = phones(service, ("?limit=3&before=%d"):format(page.data[3].last.seq))
    assert.are.same({ "4 3 2", true, 7 }, { numbers(page), page.more, page.total })
    page = phones(service, ("?limit=3&before=%d"):format(page.data[3].last.seq))
    assert.are.same({ "1", false }, { numbers(page), page.more })
    page = phones(service, "?search=555-000%204")
    assert.are.same({ "4", 1, false }, { numbers(page), page.total, page.more })
    assert.are.equal("", numbers(phones(service, "?search=abc")))
    for _, query in ipairs { "?limit=0", "?limit=501", "?before=x", "?page=1", "?limit=1.5" } do
      assert.are.equal(400, (ask(service, "GET", "/sandbox/phones" .. query)).status, query)
    end
  end)
end)

describe("GET /sandbox/messages/{id}", function()
  local function show(service, id)
    local response, decoded = ask(service, "GET", "/sandbox/messages/" .. id)
    return decoded and decoded.data, response, decoded
  end

  it("has the bill: what it takes, where it is cut, and what makes it dear", function()
    local service = at_noon()
    local text = "It’s five o’clock, " .. ("and all is well "):rep(4)
    local data = show(service, post(service, sms { text = text }).id)
    local bill = data.bill
    assert.are.same({ "UCS-2", 2, 67, 83 },
      { bill.encoding, bill.parts, bill.limit, bill.characters })
    assert.are.equal(text, table.concat(bill.split))
    assert.are.same({ { character = "’", codepoint = "U+2019", count = 2, substitute = "'" } },
      bill.culprits)
    assert.are.same({ 1, 1, "replace" },
      { bill.advice[1].parts, bill.advice[1].saves, bill.advice[1].kind })
    assert.are.same({ "0.0140", data.id, "queued" },
      { data.cost.amount, data.message.id, data.message.to[1].status })
  end)

  it("counts as the message was sent", function()
    local service = at_noon()
    local function bill(changes, endpoint)
      return show(service, post(service, sms(changes), endpoint).id).bill
    end
    assert.are.same({ "UCS-2", 13 }, { bill { encoding = "ucs2" }.encoding,
      bill { encoding = "ucs2" }.units })
    local forced = bill { encoding = "gsm7", text = "It’s" }
    assert.are.same({ "GSM-7", "It's" }, { forced.encoding, forced.split[1] })
    local short = bill { from = "12345", text = "a^b" }
    assert.are.same({ "ASCII", 3 }, { short.encoding, short.units })
    assert.are.equal(4, bill { from = "12345", text = "a^b", encoding = "gsm7" }.units)
    assert.are.equal(support.null, bill { media_urls = { "http://a.example/x.png" } })
    service = at_noon { chunking = true, max_parts = 1 }
    post(service, sms { text = ("x"):rep(70) .. "ж" })
    for _, record in ipairs(service:find()) do
      assert.are.equal("UCS-2", show(service, record.id).bill.encoding)
    end
  end)

  it("shows a received message, and says when there is none", function()
    local service = at_noon()
    local id = service:reply { from = "+13125550002", to = "+13125550001", text = "Hi" }.id
    local data = show(service, id)
    assert.are.same({ "inbound", "0.0040", "GSM-7", "inbound", 0 }, { data.direction,
      data.cost.amount, data.bill.encoding, data.message.direction, #data.webhooks })
    local _, response, decoded = show(service, "nobody")
    assert.are.same({ 404, "10005" }, { response.status, decoded.errors[1].code })
    _, response = show(service, id .. "?x=1")
    assert.are.equal(400, response.status)
  end)

  it("shows no cost before it is known", function()
    local service = at_noon { cost_after = 5 }
    assert.are.equal(support.null, show(service, post(service).id).cost)
  end)
end)

describe("DELETE /sandbox/messages", function()
  it("forgets everything but the options", function()
    local service = seven()
    service:reply { from = "+13125550002", to = "+13125550001", text = "STOP" }
    ask(service, "PATCH", "/sandbox/options", { lose = 3 })
    local old = service.epoch
    local response, decoded = ask(service, "DELETE", "/sandbox/messages")
    assert.are.same({ 200, {}, 0, 0, 0, service.epoch }, { response.status, decoded.data,
      decoded.total, decoded.cursor, decoded.forgotten, decoded.epoch })
    assert.are_not.equal(old, service.epoch)
    assert.are.same({ {}, 0, 0 }, { phones(service).data, phones(service).n_received,
      service:ledger().posts })
    assert.are.equal(3, service.knobs.lose)
    post(service)
    assert.are.equal("1", seqs(list(service)))
  end)

  it("deletes nothing when it is told what it does not know", function()
    local service = seven()
    for _, path in ipairs { "/sandbox/messages?to=%2B13125550002", "/sandbox/messages?x",
      "/sandbox/ledger?to=1" } do
      local response, decoded = ask(service, "DELETE", path)
      assert.are.same({ 400, "10015" }, { response.status, decoded.errors[1].code })
    end
    assert.are.equal(7, list(service).total)
  end)

  it("makes a new epoch also by way of the ledger", function()
    local service = seven()
    local old = service.epoch
    ask(service, "DELETE", "/sandbox/ledger")
    assert.are_not.equal(old, list(service).epoch)
    assert.are.equal(0, list(service).total)
  end)
end)

describe("the index of messages", function()
  -- A plain list that does the same in the simplest way.
  local function model_of(keep)
    local kept, n, received = {}, 0, {}
    return {
      add = function(entry)
        n = n + 1
        entry.seq = n
        kept[#kept + 1] = entry
        if #kept > keep then table.remove(kept, 1) end
        for _, number in ipairs(entry.phones) do
          received[number] = (received[number] or 0) + (entry.is_inbound and 0 or 1)
        end
      end,
      matching = function(is_wanted)
        local words = {}
        for _, entry in ipairs(kept) do
          if is_wanted(entry) then words[#words + 1] = ("%d"):format(entry.seq) end
        end
        return table.concat(words, " ")
      end,
      phones = function()
        local last, order = {}, {}
        for i = #kept, 1, -1 do
          for _, number in ipairs(kept[i].phones) do
            if not last[number] then
              last[number] = true
              order[#order + 1] = number .. " " .. kept[i].seq
            end
          end
        end
        return order
      end,
    }
  end

  local function has(entry, number)
    for _, phone in ipairs(entry.phones) do
      if phone == number then return true end
    end
    return false
  end

  local function number_of(digit) return "+1312555000" .. digit end

  local function act(service, model)
    local one, other = math.random(1, 6), math.random(1, 6)
    local kind = math.random(1, 10)
    if kind <= 3 then
      local text = "t" .. math.random(1, 3)
      service:reply { from = number_of(one), to = number_of(other), text = text }
      return model.add { phones = { number_of(one) }, is_inbound = true, text = text,
        from = number_of(one), to = { number_of(other) } }
    end
    local key = math.random(1, 2) == 1 and "k" .. math.random(1, 4) or nil
    local ref = "r" .. math.random(1, 4)
    local message = { from = number_of(7), to = number_of(one), text = "t" .. math.random(1, 3),
      webhook_url = "http://127.0.0.1:1/?ref=" .. ref }
    local phones_of, path = { number_of(one) }, ""
    if kind == 10 and one ~= other then
      message.to, phones_of, path = { number_of(one), number_of(other) },
        { number_of(one), number_of(other) }, "/group_mms"
    end
    local response = ask(service, "POST", "/v2/messages" .. path, message,
      { ["idempotency-key"] = key })
    assert(response.status == 200, response.body)
    return model.add { phones = phones_of, text = message.text, key = key, ref = ref,
      from = message.from, to = phones_of }
  end

  local function compare(service, model)
    local function check(given, is_wanted)
      assert.are.equal(model.matching(is_wanted), seqs(list(service, given)))
    end
    check(nil, function() return true end)
    for digit = 1, 7 do
      local number = number_of(digit)
      check({ phone = number }, function(entry) return has(entry, number) end)
      check({ from = number }, function(entry) return entry.from == number end)
      check({ to = number, direction = "inbound" }, function(entry)
        return entry.is_inbound and entry.to[1] == number
      end)
      check({ to = number, direction = "outbound" }, function(entry)
        return not entry.is_inbound and has(entry, number)
      end)
    end
    for i = 1, 4 do
      check({ key = "k" .. i }, function(entry) return entry.key == "k" .. i end)
      check({ ref = "r" .. i, text = "t1" }, function(entry)
        return entry.ref == "r" .. i and entry.text == "t1"
      end)
    end
    local order, shown = model.phones(), phones(service)
    assert.are.equal(#order, shown.total)
    local function sorted(words)
      table.sort(words)
      return words
    end
    local found = {}
    for i, phone in ipairs(shown.data) do
      found[i] = ("%s %d"):format(phone.phone_number, phone.last.seq)
      if i > 1 then assert.is_true(phone.last.seq <= shown.data[i - 1].last.seq) end
    end
    assert.are.same(sorted(order), sorted(found))
  end

  it("finds what a plain list finds, whatever comes and goes", function()
    for seed = 1, 4 do
      math.randomseed(seed)
      local keep = ({ 5, 17, 60, 1 })[seed]
      local service, model = at_noon { keep = keep }, model_of(keep)
      for step = 1, 150 do
        act(service, model)
        if step % 10 == 0 then compare(service, model) end
      end
    end
  end)
end)
