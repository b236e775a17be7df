local Feed = require("telnyx.sandbox.phones.feed")
local json = require("cjson.safe").new()
local support = require("spec.support.service")

local ask, at_noon, post, sms = support.ask, support.at_noon, support.post, support.sms

local function texts(list)
  if not list then return "nothing" end
  local words = {}
  for i, entry in ipairs(list) do words[i] = ("%d:%s"):format(entry.position, entry.text) end
  return table.concat(words, " ")
end

-- The events in the bytes of a stream: { id, event, data }.
local function read_frames(bytes)
  local list = {}
  for id, event, data in bytes:gmatch("id: (%S+)\nevent: (%w+)\ndata: ([^\n]*)\n\n") do
    list[#list + 1] = { id = id, event = event, data = json.decode(data) }
  end
  return list
end

local function kinds(frames)
  local words = {}
  for i, frame in ipairs(frames) do words[i] = frame.event end
  return table.concat(words, " ")
end

local function listen(service, last_id)
  local response = ask(service, "GET", "/sandbox/events", nil, { ["last-event-id"] = last_id })
  return read_frames(response.body), response
end

describe("the feed", function()
  it("gives what came after a position, oldest first, as much as is asked for", function()
    local feed = Feed.new(10)
    assert.are.equal("", texts(feed:since(0)))
    for i = 1, 4 do feed:publish("message", tostring(i)) end
    assert.are.same({ 4, "1:1 2:2 3:3 4:4", "3:3 4:4", "2:2 3:3", "", "nothing" }, {
      feed.position, texts(feed:since(0)), texts(feed:since(2)), texts(feed:since(1, 2)),
      texts(feed:since(4)), texts(feed:since(5)),
    })
  end)

  it("says when some of it is forgotten, by number and by bytes", function()
    local feed = Feed.new(3)
    for i = 1, 5 do feed:publish("message", tostring(i)) end
    assert.are.same({ "nothing", "3:3 4:4 5:5" }, { texts(feed:since(1)), texts(feed:since(2)) })
    feed = Feed.new(100, 25)
    for _ = 1, 3 do feed:publish("message", ("x"):rep(10)) end
    assert.is_nil(feed:since(0))
    assert.are.equal(2, #feed:since(1))
    feed:publish("message", ("x"):rep(1000))
    assert.are.same({ "nothing", 1 }, { texts(feed:since(2)), #feed:since(3) })
  end)

  it("writes a text only when somebody wants it, and once", function()
    local feed, n = Feed.new(10), 0
    feed:publish("message", function()
      n = n + 1
      return "later"
    end)
    assert.are.equal(0, n)
    assert.are.same({ "1:later", "1:later", 1 }, { texts(feed:since(0)), texts(feed:since(0)), n })
  end)

  it("keeps to its bytes also when texts are written late", function()
    local feed = Feed.new(100, 25)
    for _ = 1, 5 do feed:publish("message", function() return ("x"):rep(10) end) end
    assert.are.equal(5, #feed:since(0))
    assert.are.same({ "nothing", 2 }, { texts(feed:since(0)), #feed:since(3) })
  end)

  it("begins anew without a hole for who was behind", function()
    local feed = Feed.new(3)
    for i = 1, 9 do feed:publish("message", tostring(i)) end
    feed:begin_anew("reset", "r")
    assert.are.same({ "10:r", "10:r" }, { texts(feed:since(0)), texts(feed:since(9)) })
    feed:publish("message", "11")
    assert.are.equal("10:r 11:11", texts(feed:since(2)))
    for i = 12, 14 do feed:publish("message", tostring(i)) end
    assert.are.equal("nothing", texts(feed:since(2)))
  end)

  it("calls who waits for news, each time", function()
    local feed, n = Feed.new(3), 0
    feed.on_news = function() n = n + 1 end
    feed:publish("a", "1")
    feed:begin_anew("b", "2")
    assert.are.equal(2, n)
  end)

  it("is written as server-sent events", function()
    assert.are.equal('id: ab.7\nevent: message\ndata: {"a":1}\n\n',
      Feed.frame({ kind = "message", text = '{"a":1}', position = 7 }, "ab"))
  end)
end)

describe("GET /sandbox/events", function()
  it("greets with where things stand", function()
    local service = at_noon()
    post(service)
    local frames, response = listen(service)
    assert.are.same({ "text/event-stream", "hello", { position = 1 } },
      { response.headers["content-type"], kinds(frames), response.stream })
    local data = frames[1].data
    assert.are.same({ service.epoch, 1, 1, 1, "2025-03-22T11:28:39.401+00:00", 1 },
      { data.epoch, data.cursor, data.n_received, data.total, data.now, data.options.t_sent })
    assert.are.equal(service.epoch .. ".1", frames[1].id)
  end)

  it("goes on behind the last event, each once and in order", function()
    local service = at_noon()
    local id = listen(service)[1].id
    post(service)
    service:reply { from = "+13125550002", to = "+13125550001", text = "HELP" }
    local frames = listen(service, id)
    assert.are.equal("hello message message message", kinds(frames))
    assert.are.same({ 1, 2, 3 },
      { frames[2].data.seq, frames[3].data.seq, frames[4].data.seq })
    assert.are.equal("hello message", kinds(listen(service, frames[3].id)))
    assert.are.equal("hello", kinds(listen(service, frames[4].id)))
  end)

  it("says so when too much was missed, or when the place is not one of its own", function()
    local service = at_noon()
    service.feed.most = 3
    local id = listen(service)[1].id
    for _ = 1, 4 do post(service) end
    assert.are.equal("hello behind", kinds(listen(service, id)))
    for _, other in ipairs { "x", "", "0123.1", service.epoch .. ".99", "behind.0", ".", "\255" } do
      assert.are.equal("hello behind", kinds(listen(service, other)), other)
    end
    local last = listen(service, "x")
    assert.are.equal("hello", kinds(listen(service, last[2].id)))
  end)

  it("tells of options, and of a new beginning", function()
    local service = at_noon()
    local id, old = listen(service)[1].id, service.epoch
    ask(service, "PATCH", "/sandbox/options", { lose = 2 })
    local frames = listen(service, id)
    assert.are.same({ "hello options", 2 }, { kinds(frames), frames[2].data.lose })
    assert.are.equal(400, (ask(service, "PATCH", "/sandbox/options", { lose = -1 })).status)
    assert.are.equal("hello", kinds(listen(service, frames[2].id)))
    post(service)
    local position = service.feed.position
    ask(service, "DELETE", "/sandbox/messages")
    assert.are_not.equal(old, service.epoch)
    local news = service.feed:since(position)
    assert.are.same({ "reset", service.epoch }, { news[1].kind, json.decode(news[1].text).epoch })
    assert.are.equal("hello behind", kinds(listen(service, frames[2].id)))
  end)

  it("tells of each attempt to deliver a webhook", function()
    local service, time = at_noon()
    local message = post(service, sms { webhook_url = "http://127.0.0.1:8080/h" })
    local id = listen(service)[1].id
    time.now = time.now + 1
    local attempt = service:due_attempts()[1]
    service:attempted(attempt, { status = 500 })
    local frames = listen(service, id)
    assert.are.equal("hello webhook", kinds(frames))
    local data = frames[2].data
    assert.are.same({ message.id, { "+13125550002" }, "message.sent", 500, 75500 }, {
      data.message_id, data.phones, data.event_type, data.status, data.error })
    assert.is_truthy(data.delivery_id)
  end)

  it("has no parameters", function()
    local response = ask(at_noon(), "GET", "/sandbox/events?since=1")
    assert.are.same({ 400, nil }, { response.status, response.stream })
  end)
end)
