local json = require("cjson.safe").new()
local summary = require("telnyx.sandbox.phones.summary")
local support = require("spec.support.service")

local NOON, ask, at_noon, post, sms = support.NOON, support.ask, support.at_noon, support.post,
  support.sms

local function get(service, query)
  return (ask(service, "GET", "/sandbox/messages?" .. query))
end

local function texts(response)
  local words, decoded = {}, json.decode(response.body)
  for i, one in ipairs(decoded.data) do words[i] = one.text end
  return response.status .. ": " .. table.concat(words, ", ")
end

local function say(service, text, changes)
  local message = sms { text = text }
  for name, value in pairs(changes or {}) do message[name] = value end
  return post(service, message).id
end

-- What a wait comes to: nothing yet, or its answer.
local function check(response, is_last)
  local better = response.wait.check(is_last)
  return better and texts(better)
end

describe("waiting for a message", function()
  it("is over at once when it is there", function()
    local service = at_noon()
    say(service, "one")
    local response = get(service, "match=on&wait=30")
    assert.are.same({ "200: one", nil }, { texts(response), response.wait })
    assert.is_nil(get(service, "match=two").wait)
  end)

  it("is over when it comes, and not when another does", function()
    local service = at_noon()
    say(service, "one")
    local response = get(service, "match=two&wait=30.5")
    assert.are.same({ "200: ", 30.5 }, { texts(response), response.wait.seconds })
    assert.is_nil(check(response))
    say(service, "three")
    assert.is_nil(check(response))
    say(service, "two")
    say(service, "two and a half")
    assert.are.equal("200: two, two and a half", check(response))
  end)

  it("ends with what there is", function()
    local service = at_noon()
    local response = get(service, "match=two&wait=1&count=2")
    say(service, "two")
    assert.is_nil(check(response))
    assert.are.equal("200: two", check(response, true))
  end)

  it("can be for several", function()
    local service = at_noon()
    local response = get(service, "key=k&wait=1&count=2&limit=1")
    ask(service, "POST", "/v2/messages", sms { text = "one" }, { ["idempotency-key"] = "k" })
    assert.is_nil(check(response))
    ask(service, "POST", "/v2/messages", sms { text = "two" }, { ["idempotency-key"] = "k" })
    assert.are.equal("200: one", check(response))
    assert.is_nil(get(service, "wait=1&count=0").wait)
  end)

  it("takes only what comes after a cursor", function()
    local service = at_noon()
    say(service, "one")
    local response = get(service, "since=1&wait=1")
    assert.is_nil(check(response))
    say(service, "two")
    assert.are.equal("200: two", check(response))
  end)

  it("is also for what time brings", function()
    local service, time = at_noon()
    say(service, "one")
    local response = get(service, "status=delivered&wait=5")
    time.now = NOON + 1.9
    assert.is_nil(check(response))
    say(service, "two")
    time.now = NOON + 2
    assert.are.equal("200: one", check(response))
    response = get(service, "status=delivered&wait=5&count=2")
    time.now = NOON + 3.9
    assert.are.equal("200: one, two", check(response))
  end)

  it("knows every status that time brings, as the message shows it", function()
    local service, time = at_noon()
    for _, to in ipairs { "+13125550002", "+15550040008", "+15550040014", "+15550040091" } do
      say(service, to, { to = to })
    end
    say(service, "later", { send_at = "2025-03-22T11:38:39.401Z" })
    for _, seconds in ipairs { 0, 0.4, 0.5, 0.9, 1, 1.9, 2, 11.9, 12, 599, 600, 601, 602 } do
      time.now = NOON + seconds
      local data = json.decode(get(service, "").body).data
      for _, one in ipairs(data) do
        local _, message = ask(service, "GET", "/v2/messages/" .. one.id)
        assert.are.equal(message.data.to[1].status, one.status)
        local found = json.decode(get(service, "status=" .. one.status).body).data
        local is_there = false
        for _, other in ipairs(found) do is_there = is_there or other.id == one.id end
        assert.is_true(is_there, one.status .. " at " .. seconds)
      end
    end
  end)

  it("does not count what is forgotten, nor what was before a new beginning", function()
    local service = at_noon { keep = 3 }
    local response = get(service, "match=x&wait=1&count=2")
    say(service, "x1")
    assert.is_nil(check(response))
    for i = 1, 3 do say(service, "y" .. i) end
    say(service, "x2")
    assert.is_nil(check(response))
    ask(service, "DELETE", "/sandbox/messages")
    assert.is_nil(check(response))
    say(service, "x3")
    assert.is_nil(check(response))
    say(service, "x4")
    assert.are.equal("200: x3, x4", check(response))
  end)

  it("shows the attempts that were made meanwhile, where nobody hears them", function()
    local service, time = at_noon()
    service:has_no_receiver()
    say(service, "one", { webhook_url = "http://127.0.0.1:1/hooks" })
    local response = get(service, "status=delivered&wait=5")
    time.now = NOON + 2
    local better = response.wait.check()
    assert.are.equal(3, json.decode(better.body).data[1].n_attempts)
  end)

  it("does not count the one that the newest has just pushed out", function()
    local service = at_noon { keep = 2 }
    local response = get(service, "match=x&wait=1&count=3")
    for i = 1, 5 do
      say(service, "x" .. i)
      assert.is_nil(check(response))
    end
    assert.are.equal("200: x4, x5", check(response, true))
  end)

  it("looks at each message once", function()
    local service = at_noon()
    local response, looks, text_of = get(service, "text=never&wait=1&count=60"), 0, summary.text
    finally(function() summary.text = text_of end)
    summary.text = function(record)
      looks = looks + 1
      return text_of(record)
    end
    for i = 1, 50 do
      say(service, "never", { from = "+13125550009" })
      assert.is_nil(response.wait.check())
      assert.are.equal(i, looks)
    end
  end)
end)

describe("asking for an exact number", function()
  it("is an error unless there are so many", function()
    local service = at_noon()
    say(service, "one")
    assert.are.equal("200: one", texts(get(service, "exactly=1")))
    local response = get(service, "exactly=2")
    assert.are.equal("409: one", texts(response))
    local problem = json.decode(response.body).errors[1]
    assert.are.same({ "10015", "Exactly 2 were wanted, and 1 matches." },
      { problem.code, problem.detail })
    assert.are.equal("409: one", texts(get(service, "exactly=0")))
    assert.are.equal("200: ", texts(get(service, "exactly=0&match=two")))
    say(service, "two")
    assert.are.equal("409: one", texts(get(service, "exactly=1&limit=1")))
  end)

  it("waits until there are, and fails at once when there are more", function()
    local service = at_noon()
    local response = get(service, "exactly=2&wait=5")
    assert.are.same({ "409: ", 5 }, { texts(response), response.wait.seconds })
    say(service, "one")
    assert.is_nil(check(response))
    assert.are.equal("409: one", check(response, true))
    say(service, "two")
    assert.are.equal("200: one, two", check(response))
    say(service, "three")
    assert.are.equal("409: one, two, three", check(response))
    response = get(service, "exactly=2&wait=5")
    assert.are.same({ 409, nil }, { response.status, response.wait })
  end)

  it("waits to the end for none", function()
    local service = at_noon()
    local response = get(service, "exactly=0&wait=5")
    assert.are.equal("200: ", texts(response))
    assert.is_nil(check(response))
    assert.are.equal("200: ", check(response, true))
    say(service, "one")
    assert.are.equal("409: one", check(response))
  end)
end)
