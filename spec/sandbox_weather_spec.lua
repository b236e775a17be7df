local json = require("cjson.safe").new()
local sandbox = require("telnyx.sandbox")
local support = require("spec.support.service")

local NOON, ask, at_noon, post, read, sms = support.NOON, support.ask, support.at_noon,
  support.post, support.read, support.sms

local function turn(service, options)
  local response = ask(service, "PATCH", "/sandbox/options", options)
  assert(response.status == 200, response.body)
end

local function status(service, changes)
  return ask(service, "POST", "/v2/messages", sms(changes)).status
end

describe("GET /sandbox/weather", function()
  it("has every magic recipient, by number", function()
    local _, decoded = ask(at_noon(), "GET", "/sandbox/weather")
    assert.are.equal(#sandbox.weather(), #decoded.data)
    local last = ""
    for _, row in ipairs(decoded.data) do
      assert.are.equal("+155500" .. row.digits, row.number)
      assert.is_true(row.number > last)
      assert.are.same({ "string", "string", "boolean" },
        { type(row.family), type(row.causes), type(row.accepted) })
      last = row.number
    end
    assert.are.equal(400, (ask(at_noon(), "GET", "/sandbox/weather?x=1")).status)
  end)
end)

describe("the option `weather`", function()
  it("is over everybody who has none of his own", function()
    local service = at_noon { weather = "40310" }
    assert.are.equal(400, status(service))
    assert.are.equal(503, status(service, { to = "+15550000503" }))
    turn(service, { weather = "00500" })
    assert.are.equal(500, status(service))
    turn(service, { weather = support.null })
    assert.are.equal(200, status(service))
    assert.are.equal(1, service:ledger().messages["Hello, World!"].accepted)
  end)

  it("may be for the next posts, which it counts", function()
    local service = at_noon()
    turn(service, { weather = "00503", weather_times = 2 })
    local position = service.feed.position
    assert.are.same({ 503, 200, 503, 200 }, { status(service),
      status(service, { to = "+15550070001" }), status(service), status(service) })
    assert.are.same({ nil, 0 }, { service.knobs.weather, service.knobs.weather_times })
    local words = {}
    for _, entry in ipairs(service.feed:since(position)) do words[#words + 1] = entry.kind end
    assert.are.equal("options refusal message options refusal message", table.concat(words, " "))
    local _, decoded = ask(service, "GET", "/sandbox/options")
    assert.are.same({ support.null, 0 }, { decoded.weather, decoded.weather_times })
  end)

  it("does not count what is refused for its own faults", function()
    local service = at_noon { weather = "00503", weather_times = 1 }
    assert.are.equal(400, status(service, { to = "x" }))
    assert.are.equal(1, service.knobs.weather_times)
    assert.are.equal(503, status(service))
    assert.are.equal(200, status(service))
  end)

  it("passes where its kind of trouble passes", function()
    local service = at_noon { weather = "50503" }
    local first = status(service)
    assert.are.same({ 503, 200, 503 },
      { first, status(service), status(service, { text = "Another" }) })
  end)

  it("is the fate of messages, of each member of a group too", function()
    local service, time = at_noon { weather = "40008" }
    local id = post(service).id
    local group = post(service, sms { to = { "+13125550002", "+15550040014" } }, "/group_mms").id
    time.now = NOON + 5
    assert.are.equal("delivery_failed", read(service, id).to[1].status)
    local data = read(service, group)
    assert.are.same({ "delivery_failed", "expired" }, { data.to[1].status, data.to[2].status })
    turn(service, { weather = support.null })
    assert.are.equal("delivery_failed", read(service, id).to[1].status)
  end)

  it("breaks connections", function()
    local service = at_noon { weather = "90001", weather_times = 1 }
    local response = ask(service, "POST", "/v2/messages", sms())
    assert.is_truthy(response.fault)
    assert.are.equal(1, service:ledger().accepted)
  end)

  it("has to be one that there is", function()
    local service = at_noon()
    for _, weather in ipairs { "12345", "5150", "", 51500, true, "+15550000503" } do
      local response, decoded = ask(service, "PATCH", "/sandbox/options", { weather = weather })
      assert.are.same({ 400, "/weather" },
        { response.status, decoded.errors[1].source.pointer }, json.encode(weather))
    end
    assert.are.equal(400, (ask(service, "PATCH", "/sandbox/options",
      { weather = "00503", weather_times = -1 })).status)
    assert.is_nil(service.knobs.weather)
    assert.has_error(function() sandbox.new { weather = "1" } end)
  end)
end)

describe("a knob that counts down", function()
  it("is told each time", function()
    local time = { now = NOON }
    local service = sandbox.new { now = function() return time.now end, lose = 1, duplicate = 1 }
    post(service, sms { webhook_url = "http://127.0.0.1:1/" })
    local position = service.feed.position
    time.now = NOON + 5
    for _, attempt in ipairs(service:due_attempts()) do
      service:attempted(attempt, { status = 200 })
    end
    local kinds = {}
    for _, entry in ipairs(service.feed:since(position)) do kinds[#kinds + 1] = entry.kind end
    table.sort(kinds)
    assert.are.equal("options options webhook", table.concat(kinds, " "))
  end)
end)
