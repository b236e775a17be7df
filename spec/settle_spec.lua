-- Settling what nobody knows the end of: by what a service keeps, which is here a list of our own
-- with the service's ways: pages that are cut down in silence, filters that find too much, errors
-- in four shapes. The whole of it, against a ledger, is in spec/settle_chaos_spec.lua.

local cjson = require "cjson"
local core = require "telnyx.core"
local reference = require "telnyx.send.reference"
local telnyx = require "telnyx"

local MESSAGE = { from = "+18445550001", to = "+18665550001", text = "Hello",
  webhook_url = "https://a.example/sms?mine=1" }

local function url_of(body) return cjson.decode(body).webhook_url end

local function stamp(seconds)
  return os.date("!%Y-%m-%dT%H:%M:%S.000+00:00", math.floor(seconds))
end

-- A service that takes messages and loses each answer. What it keeps is in `deliveries` and
-- `records`, which a spec changes as it likes.
local function new_service()
  local service = { takes_body = true, takes_requests = true, deliveries = {}, records = {},
    asked = {}, posts = {}, n = 0 }

  local function keep(limits, to)
    service.n = service.n + 1
    local id, url = ("m-%d"):format(service.n), url_of(limits.body)
    service.posts[id] = url
    local payload = { id = id, direction = "outbound", webhook_url = url,
      to = { { phone_number = to, status = "delivered" } }, received_at = stamp(core.now()) }
    table.insert(service.deliveries, { id = "d" .. id, status = "delivered", webhook = {
      event_type = "message.finalized", id = "e" .. id, payload = payload }, attempts = {
      { http = { request = { url = url } } } } })
    table.insert(service.records, { uuid = id, cld = to, cli = "+18445550001",
      direction = "outbound", created_at = stamp(core.now()), status = "delivered",
      delivery_status_webhook_url = url, delivery_status_failover_url = "" })
  end

  local function filters_of(resource)
    local filters = {}
    for name, value in resource:gmatch("[?&]([^=&]+)=([^&]*)") do
      local function plain(text)
        return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
      end
      filters[plain(name)] = plain(value)
    end
    return filters
  end

  local function page(rows, filters, most)
    local size = math.min(tonumber(filters["page[size]"]), most)
    local number = tonumber(filters["page[number]"])
    local part = {}
    for i = (number - 1) * size + 1, math.min(number * size, #rows) do
      part[#part + 1] = rows[i]
    end
    return { data = part, meta = { total_pages = math.ceil(#rows / size), page_number = number,
      total_results = #rows, page_size = size } }, { outcome = "accepted", status = 200 }
  end

  function service.ask_deliveries(filters)
    local rows = {}
    for _, row in ipairs(service.deliveries) do
      local webhook, attempts = filters["filter[webhook][contains]"],
        filters["filter[attempts][contains]"]
      local is_in = (not webhook or cjson.encode(row.webhook):find(webhook, 1, true))
        and (not attempts or cjson.encode(row.attempts):find(attempts, 1, true))
      if is_in then rows[#rows + 1] = row end
    end
    return page(rows, filters, service.most or 250)
  end

  function service.ask_records(filters)
    local rows = {}
    for _, row in ipairs(service.records) do
      if not filters["filter[cld]"] or row.cld == filters["filter[cld]"] then
        rows[#rows + 1] = row
      end
    end
    return page(rows, filters, service.most or 50)
  end

  function service.send(_, message, limits)
    local request = limits.request
    if not request then
      keep(limits, message.to)
      return nil, { outcome = "unknown", kind = "timeout", cause = "lost" }
    end
    service.asked[#service.asked + 1] = request.resource
    local filters = filters_of(request.resource)
    if request.resource:find("^/webhook_deliveries") then return service.ask_deliveries(filters) end
    assert(request.resource:find("^/detail_records"), request.resource)
    assert(filters["filter[record_type]"] == "messaging")
    return service.ask_records(filters)
  end

  return service
end

local function nothing() return { data = {}, meta = { total_pages = 0 } }, { status = 200 } end

local function refuse(status, kind)
  return function()
    return nil, { outcome = status >= 500 and "unknown" or "rejected", kind = kind or "api",
      status = status, errors = kind ~= "protocol" and { { code = "10011", title = "Bad" } } or nil,
      cause = kind == "protocol" and "no body" or nil }
  end
end

describe("settling", function()
  local service, journal, client
  before_each(function()
    service, journal = new_service(), telnyx.journal.memory()
    client = telnyx.new { sender = service, journal = journal, retry = { base = 0.001 } }
  end)
  after_each(function() client:close() end)

  local function lose(key, more)
    local own = {}
    for name, value in pairs(MESSAGE) do own[name] = value end
    for name, value in pairs(more or {}) do own[name] = value end
    local sent, err = client:send(own, { key = key })
    assert.is_nil(sent)
    assert.equal("unknown", err.outcome)
    return ("m-%d"):format(service.n)
  end

  it("finds a message by its reference in the log of webhooks", function()
    local id = lose("order-1")
    lose("order-2")
    local result, info = assert(client:settle("order-1"))
    assert.equal("accepted", result.state)
    assert.equal(id, result.id)
    assert.equal("webhook_deliveries", result.by)
    assert.equal("accepted", info.outcome)
    local row = journal:get("order-1")
    assert.equal("accepted", row.state)
    assert.equal(id, row.message_id)
    assert.equal("webhook_deliveries", row.settled_by)
    assert.equal(1, #service.asked)
    local again, again_info = client:send(MESSAGE, { key = "order-1" })
    assert.equal(id, again.id)
    assert.is_true(again_info.replayed)
  end)

  it("finds it by what the webhook was sent to", function()
    local id = lose("order-1")
    local payload = service.deliveries[1].webhook.payload
    payload.webhook_url = ""
    local result = assert(client:settle("order-1"))
    assert.equal(id, result.id)
    assert.equal("webhook_deliveries", result.by)
    assert.equal(2, #service.asked)
    assert.matches("attempts", service.asked[2])
  end)

  it("finds it in the detail records", function()
    local id = lose("order-1")
    service.deliveries = {}
    local result = assert(client:settle("order-1"))
    assert.equal(id, result.id)
    assert.equal("detail_records", result.by)
    assert.equal("detail_records", journal:get("order-1").settled_by)
  end)

  it("finds it by the failover URL of a record", function()
    local id = lose("order-1")
    service.deliveries = {}
    local record = service.records[1]
    record.delivery_status_failover_url, record.delivery_status_webhook_url =
      record.delivery_status_webhook_url, ""
    assert.equal(id, assert(client:settle("order-1")).id)
  end)

  it("names a message that was accepted by a reply that was cut", function()
    local whole = service.send
    service.send = function(self, message, limits)
      local sent, err = whole(self, message, limits)
      if not limits.request then err.outcome = "accepted" end
      return sent, err
    end
    local _, err = client:send(MESSAGE, { key = "order-1" })
    assert.equal("accepted", err.outcome)
    assert.is_nil(journal:get("order-1").message_id)
    assert.equal("m-1", assert(client:settle("order-1")).id)
    assert.equal("m-1", journal:get("order-1").message_id)
    service.deliveries, service.records = {}, {}
    client:send(MESSAGE, { key = "order-2" })
    assert.equal("accepted", assert(client:settle("order-2")).state)
  end)

  it("does not name another message than the one that was accepted", function()
    lose("order-1")
    assert(client:settle("order-1"))
    local ok, why = client:resolve("order-1", { id = "m-2" })
    assert.is_nil(ok)
    assert.matches("a message was accepted under this key: m%-1", why)
    assert.equal("m-1", journal:get("order-1").message_id)
  end)

  it("asks for what came since the claim, with room for two clocks", function()
    for i = 1, 3 do lose("order-" .. i) end
    service.deliveries = {}
    local since = journal:get("order-1").claimed_at - 60
    assert(client:settle("order-1"))
    assert(client:settle_all())
    local n = 0
    for _, resource in ipairs(service.asked) do
      local at = resource:match("gte%%5D=(%d+%-%d+%-%d+T%d+%%3A%d+%%3A%d+)Z")
      if at then
        n = n + 1
        assert.is_true(at:gsub("%%3A", ":") <= os.date("!%Y-%m-%dT%H:%M:%S", math.floor(since + 1)))
      end
    end
    assert.equal(3, n)
  end)

  describe("with webhooks that were kept", function()
    local function keep(id, kind, payload)
      assert(journal:add_event { id = id, key = "order-1", now = core.now(),
        body = cjson.encode { data = { id = id, event_type = "message." .. kind,
          payload = payload } } })
    end

    it("settles by them, and asks nobody", function()
      local id = lose("order-1")
      keep("e-1", "finalized", service.deliveries[1].webhook.payload)
      local result = assert(client:settle("order-1"))
      assert.equal(id, result.id)
      assert.equal("events", result.by)
      assert.equal(0, #service.asked)
    end)

    it("settles by none of another claim, or of a message that came in", function()
      local id = lose("order-1")
      local url = service.posts[id]
      keep("e-1", "sent", { id = "m-7", direction = "outbound",
        webhook_url = url:gsub("telnyx_ref=" .. ("%x"):rep(32), "telnyx_ref=" .. ("a"):rep(32)) })
      keep("e-2", "received", { id = "m-8", direction = "inbound", webhook_url = url })
      local result = assert(client:settle("order-1"))
      assert.equal(id, result.id)
      assert.equal("webhook_deliveries", result.by)
    end)
  end)

  it("tells of each thing that could not be asked what became of that", function()
    service.ask_deliveries, service.ask_records = refuse(504), refuse(401)
    client:close()
    client = telnyx.new { sender = service, journal = journal, retry = false }
    lose("order-1")
    local told
    local counts = assert(client:settle_all { on_result = function(_, result) told = result end })
    assert.equal("unknown", told.errors[1].outcome)
    assert.equal("unknown", told.errors[2].outcome)
    assert.equal(504, counts.stopped.status)
  end)

  it("has the time of a call for each thing that it asks", function()
    client:close()
    client = telnyx.new { sender = service, journal = journal, deadline = 2, retry = false }
    lose("order-1")
    service.deliveries = {}
    local left = {}
    local whole = service.send
    service.send = function(self, message, limits)
      left[#left + 1] = limits.deadline
      os.execute("sleep 0.3")
      return whole(self, message, limits)
    end
    assert.equal("m-1", assert(client:settle("order-1")).id)
    assert.equal(3, #left)
    assert.is_true(left[3] > 1.8, left[3])
  end)

  it("takes a row as well, and a profile's client", function()
    local id = lose("order-1")
    assert.equal(id, assert(client:settle(journal:get("order-1"))).id)
    assert.equal("accepted", assert(client:settle("order-1")).state)
  end)

  it("says what is known already, and asks nobody", function()
    lose("order-1")
    client:settle("order-1")
    local n = #service.asked
    assert.equal("accepted", assert(client:settle("order-1")).state)
    journal:claim { key = "free", digest = "d", claim = "c", now = core.now(),
      expires = core.now() + 30 }
    assert.equal("sending", assert(client:settle("free")).state)
    journal:release { key = "free", claim = "c", now = core.now() }
    local free = assert(client:settle("free"))
    assert.equal("free", free.state)
    assert.matches("nothing was sent", free.cause)
    assert.equal(n, #service.asked)
    local none, err = client:settle("never")
    assert.is_nil(none)
    assert.matches("no such key", err.cause)
    assert.matches("no such key", tostring(err))
  end)

  it("looks for what a process left behind when it died", function()
    lose("order-1")
    local url = service.posts["m-1"]
    local claim = url:match("telnyx_ref=(%x+)"):sub(1, 32)
    local dead = telnyx.journal.memory()
    dead:claim { key = "order-1", digest = "d", to = MESSAGE.to, claim = claim,
      now = core.now() - 100, expires = core.now() - 10 }
    local other = telnyx.new { sender = service, journal = dead }
    assert.equal("m-1", assert(other:settle("order-1")).id)
    assert.equal("accepted", dead:get("order-1").state)
  end)

  it("leaves unknown what has no trace, in words", function()
    lose("order-1")
    service.deliveries, service.records = {}, {}
    local result, info = client:settle("order-1")
    assert.equal("unknown", result.state)
    assert.equal("unknown", info.outcome)
    assert.matches("no record after %d+ s; they may be up to 14400 s late", result.cause)
    assert.is_false(result.is_past_horizon)
    assert.is_nil(result.likely)
    assert.equal("unknown", journal:get("order-1").state)
  end)

  it("never says that it was not sent, however late it is", function()
    local now = core.now()
    journal:claim { key = "old", digest = "d", to = MESSAGE.to, claim = ("c"):rep(32),
      now = now - 90000, expires = now - 89000 }
    local result = client:settle("old")
    assert.equal("unknown", result.state)
    assert.is_true(result.is_past_horizon)
    assert.matches("does not say that it was not sent", result.cause)
    assert.equal("sending", journal:get("old").state)
  end)

  it("compares exactly what a filter has found", function()
    lose("order-1")
    local claim = journal:get("order-1").claim
    for _, delivery in ipairs(service.deliveries) do
      delivery.webhook.payload.webhook_url = "https://a.example/?about=" .. claim
      delivery.attempts[1].http.request.url = "https://a.example/?xtelnyx_ref=" .. claim .. "b3Jk"
    end
    service.records[1].delivery_status_webhook_url = "https://a.example/?telnyx_ref=" .. claim
      .. "b3RoZXI" -- another key
    assert.equal("unknown", assert(client:settle("order-1")).state)
    assert.equal("unknown", journal:get("order-1").state)
  end)

  it("does not take the message of an earlier claim of the key for this one", function()
    lose("order-1")
    local url = service.posts["m-1"]
    client:resolve("order-1", "not_sent")
    lose("order-1")
    for i = 1, 2 do
      service.deliveries[i].webhook.payload.webhook_url = url
      service.deliveries[i].attempts = {}
      service.records[i].delivery_status_webhook_url = url
    end
    assert.equal("unknown", assert(client:settle("order-1")).state)
  end)

  it("does not settle by what has no message's id, though it has the reference", function()
    lose("order-1")
    for _, id in ipairs { 7, "", cjson.null, {} } do
      service.deliveries[1].webhook.payload.id = id
      service.records[1].uuid = id
      assert.equal("unknown", assert(client:settle("order-1")).state)
      assert.equal("unknown", journal:get("order-1").state)
    end
  end)

  it("goes on where the first with its reference is to another, or came in", function()
    local id = lose("order-1")
    local cjson_copy = cjson.decode(cjson.encode(service.deliveries[1]))
    cjson_copy.webhook.payload.to[1].phone_number, cjson_copy.webhook.payload.id = "+1866", "x"
    table.insert(service.deliveries, 1, cjson_copy)
    local result = assert(client:settle("order-1"))
    assert.same({ "accepted", id }, { result.state, result.id })
    lose("order-2")
    service.deliveries = {}
    service.records[2].direction = "inbound"
    result = assert(client:settle("order-2"))
    assert.equal("unknown", result.state)
    assert.is_nil(result.id)
  end)

  it("says that what it found could not be written down", function()
    lose("order-1")
    journal.settle = function() return nil, "no disk" end
    local result = assert(client:settle("order-1"))
    assert.same({ "unknown", "no disk" }, { result.state, result.journal_error })
    assert.equal("no disk", assert(telnyx.settle_all(client)).journal_error)
  end)

  it("reads on behind a null", function()
    local id = lose("order-1")
    local whole = service.ask_deliveries
    service.ask_deliveries = function(filters)
      local page, info = whole(filters)
      page.data = { [2] = page.data[1] }
      return page, info
    end
    assert.equal(id, assert(client:settle("order-1")).id)
  end)

  it("does not settle by a message to another, though it has the reference", function()
    lose("order-1")
    service.deliveries[1].webhook.payload.to[1].phone_number = "+18665550009"
    service.records = {}
    local result = client:settle("order-1")
    assert.equal("unknown", result.state)
    assert.matches("%+18665550009", result.cause)
  end)

  it("reads all pages, by what the service says of them and not by what it asked for", function()
    service.most = 1
    for i = 1, 5 do lose("order-" .. i) end
    local claim = journal:get("order-5").claim
    for i = 1, 4 do service.deliveries[i].webhook.payload.text = claim end
    assert.equal("m-5", assert(client:settle("order-5")).id)
    assert.equal(5, #service.asked)
    for i, resource in ipairs(service.asked) do
      assert.matches("webhook.*page%%5Bnumber%%5D=" .. i .. "&", resource)
    end
  end)

  it("stops at the page that has it", function()
    service.most = 1
    for i = 1, 5 do lose("order-" .. i) end
    local claim = journal:get("order-2").claim
    for i = 3, 5 do service.deliveries[i].webhook.payload.text = claim end
    assert.equal("m-2", assert(client:settle("order-2")).id)
    assert.equal(1, #service.asked)
  end)

  it("calls likely what fits but does not say whose it is, and settles nothing by it", function()
    lose("order-1", { webhook_url = "" })
    service.deliveries = {}
    local result = client:settle("order-1")
    assert.equal("unknown", result.state)
    assert.equal(1, #result.likely)
    assert.equal("m-1", result.likely[1].id)
    assert.equal("delivered", result.likely[1].status)
    assert.equal("unknown", journal:get("order-1").state)
  end)

  it("calls not likely what is another's, of another time or to another", function()
    lose("order-1", { webhook_url = "" })
    lose("order-2")
    service.deliveries = {}
    local record = service.records[1]
    record.created_at = stamp(core.now() - 3600)
    assert.is_nil(assert(client:settle("order-1")).likely)
    record.created_at = stamp(core.now() + 3600)
    assert.is_nil(assert(client:settle("order-1")).likely)
    record.created_at, record.cld = stamp(core.now()), "+18665550002"
    assert.is_nil(assert(client:settle("order-1")).likely)
  end)

  it("goes on with the records where the log cannot be asked, and says so", function()
    for _, answer in ipairs { refuse(401, "protocol"), refuse(422, "protocol"), refuse(404) } do
      service.ask_deliveries = answer
      local id = lose("order-" .. service.n)
      assert.equal(id, assert(client:settle("order-" .. service.n - 1)).id)
      lose("lost-" .. service.n)
      service.records = {}
      local result = assert(client:settle("lost-" .. service.n - 1))
      assert.equal("unknown", result.state)
      assert.equal(1, #result.errors)
      assert.matches("not everything could be asked", result.cause)
    end
  end)

  it("fails where nothing can be asked", function()
    service.ask_deliveries, service.ask_records = refuse(403), refuse(400)
    lose("order-1")
    local result, err = client:settle("order-1")
    assert.is_nil(result)
    assert.equal("unknown", err.outcome) -- it is the question that was refused
    assert.equal(403, err.status)
    assert.equal("unknown", journal:get("order-1").state)
  end)

  it("ends, whatever a list says of its end", function()
    lose("order-1")
    service.records = {}
    for _, n_pages in ipairs { 1e9, -1, 0.5, 1e308 } do
      local n = 0
      service.ask_deliveries = function()
        n = n + 1
        return { data = n < 5 and { { id = n } } or {}, meta = { total_pages = n_pages } },
          { status = 200 }
      end
      assert.equal("unknown", assert(client:settle("order-1")).state)
      assert.is_true(n <= 10, n)
    end
    local n = 0
    service.ask_deliveries = function()
      n = n + 1
      return { data = { { id = n } }, meta = { total_pages = n + 1 } }, { status = 200 }
    end
    assert.equal("unknown", assert(client:settle("order-1")).state)
    assert.equal(6, n) -- two lists, by what each said of itself at first
    n = 0
    service.ask_deliveries = function()
      n = n + 1
      return { data = { { id = n } }, meta = { total_pages = 1e9 } }, { status = 200 }
    end
    assert.equal("unknown", assert(client:settle("order-1")).state)
    assert.equal(2000, n)
  end)

  it("keeps to its deadline, however many questions it has", function()
    lose("order-1")
    local now = 0
    service.monotonic = function() return now end
    service.sleep = function(_, seconds) now = now + seconds end
    local own = telnyx.new { sender = service, journal = journal }
    service.ask_deliveries = function()
      now = now + 10
      return { data = { { id = now } }, meta = { total_pages = 1000 } }, { status = 200 }
    end
    local result, err = own:settle("order-1", { deadline = 60 })
    assert.is_nil(result)
    assert.equal("no answer: the deadline has passed", tostring(err):gsub("; ask.*", ""))
    assert.is_true(now <= 80, now)
  end)

  it("survives whatever is in a list", function()
    local junk = { cjson.null, 1, "x", {}, { webhook = 1 }, { webhook = { payload = 2 } },
      { webhook = { payload = { id = 7 } } }, { webhook = { payload = { id = "x", to = 3,
        webhook_url = 4 } }, attempts = 5 }, { webhook = { payload = { id = "x" } },
        attempts = { 1, { http = 2 }, { http = { request = 3 } },
        { http = { request = { url = 4 } } } } }, { uuid = 1, cld = 2 }, { uuid = "x",
        delivery_status_webhook_url = 1, created_at = 2, cld = MESSAGE.to } }
    lose("order-1")
    service.ask_deliveries = function()
      return { data = junk, meta = { total_pages = "x" } }, { status = 200 }
    end
    service.ask_records = service.ask_deliveries
    assert.equal("unknown", assert(client:settle("order-1")).state)
    service.ask_records = function() return { data = "x" }, { status = 200 } end
    assert.equal("unknown", assert(client:settle("order-1")).state)
  end)

  it("waits as long as the service asks where that is too much at once", function()
    lose("order-1")
    local n, whole = 0, service.ask_deliveries
    service.ask_deliveries = function(filters)
      n = n + 1
      if n > 1 then return whole(filters) end
      return nil, { outcome = "rejected", kind = "api", status = 429, retryable = true,
        ratelimit = { limit = 40, remaining = 0, reset = 0.01 },
        errors = { { code = "10011", title = "Too many requests" } } }
    end
    assert.equal("m-1", assert(client:settle("order-1")).id)
    assert.equal(2, n)
  end)

  it("is begun, and called back", function()
    lose("order-1")
    local told
    client:start_settle("order-1", nil, function(result) told = result end)
    repeat until client:step(0.1) == 0
    assert.equal("accepted", told.state)
  end)

  it("complains of misuse", function()
    assert.error_matches(function() client:settle(nil) end, "settle expects a key")
    assert.error_matches(function() client:settle { key = 1 } end, "settle expects a key")
    assert.error_matches(function() client:settle("k", { older_than = 1 }) end, "older_than")
    assert.error_matches(function() telnyx.settle_all {} end, "settle_all expects a client")
    assert.error_matches(function() client:settle_all { old = 1 } end, "unknown option \"old\"")
  end)

  describe("all of them", function()
    it("settles those that are found, and tells of each", function()
      for i = 1, 6 do lose("order-" .. i) end
      table.remove(service.deliveries, 2)
      table.remove(service.deliveries, 2)
      table.remove(service.records, 3)
      local told = {}
      local counts = assert(telnyx.settle_all(client, { on_result = function(row, result)
        told[row.key] = result.state .. " " .. tostring(result.by)
      end }))
      assert.same({ looked_for = 6, accepted = 5, unknown = 1, likely = 0 }, counts)
      assert.same({ ["order-1"] = "accepted webhook_deliveries",
        ["order-2"] = "accepted detail_records", ["order-3"] = "unknown nil",
        ["order-4"] = "accepted webhook_deliveries", ["order-5"] = "accepted webhook_deliveries",
        ["order-6"] = "accepted webhook_deliveries" }, told)
      assert.equal(5, journal:counts().accepted)
    end)

    it("asks for what is less: each of them, or all that there is", function()
      for i = 1, 3 do lose("order-" .. i) end
      assert(telnyx.settle_all(client))
      assert.equal(1, #service.asked)
      service.asked, service.most = {}, 1
      for i = 4, 5 do lose("order-" .. i) end
      assert(telnyx.settle_all(client))
      assert.equal(3, #service.asked)
    end)

    it("leaves alone the younger ones", function()
      lose("order-1")
      assert.equal(0, assert(telnyx.settle_all(client, { older_than = 3600 })).looked_for)
      assert.equal(1, assert(telnyx.settle_all(client)).looked_for)
    end)

    it("ends where nothing can be asked, and says why", function()
      lose("order-1")
      service.ask_deliveries, service.ask_records = refuse(401), refuse(401)
      local counts = assert(telnyx.settle_all(client))
      assert.equal(401, counts.stopped.status)
      assert.equal(1, counts.unknown)
    end)

    -- Rows that nobody knows the end of, without a send.
    local function lose_many(n)
      local now = core.now() - 100
      for i = 1, n do
        assert(journal:claim { key = "k" .. i, digest = "d", to = MESSAGE.to,
          claim = ("%032x"):format(i), now = now, expires = now + 1 })
      end
    end

    it("settles each of those that a worker has taken at once", function()
      local claim, now = ("c"):rep(32), core.now() - 100
      for i = 1, 4 do
        local key = "k" .. i
        assert(journal:claim { key = key, digest = "d", to = MESSAGE.to, claim = claim, now = now,
          expires = now + 1 })
        local url = "https://a.example/?" .. reference.of(key, claim)
        local payload = { id = "m-" .. i, direction = "outbound", webhook_url = url,
          to = { { phone_number = MESSAGE.to } } }
        if i < 4 then table.insert(service.deliveries, { webhook = { payload = payload } }) end
        if i < 3 then
          assert(journal:add_event { id = "e-" .. i, key = key, now = now, body = cjson.encode {
            data = { id = "e-" .. i, event_type = "message.sent", payload = payload } } })
        end
      end
      local told = {}
      local counts = assert(client:settle_all { on_result = function(row, result)
        told[row.key] = result.id or result.state
      end })
      assert.same({ k1 = "m-1", k2 = "m-2", k3 = "m-3", k4 = "unknown" }, told)
      assert.equal(3, counts.accepted)
    end)

    it("goes on where one thing cannot be asked", function()
      lose_many(2)
      service.ask_deliveries = refuse(401)
      local counts = assert(telnyx.settle_all(client))
      assert.is_nil(counts.stopped)
      assert.equal(401, counts.errors[1].status)
      assert.equal(2, counts.unknown)
    end)

    it("looks for more than a thousand, and for no more where nothing can be asked", function()
      lose_many(1001)
      assert.equal(1001, assert(telnyx.settle_all(client)).looked_for)
      service.ask_deliveries, service.ask_records = refuse(401), refuse(401)
      local counts = assert(telnyx.settle_all(client))
      assert.equal(1000, counts.looked_for)
      assert.equal(401, counts.stopped.status)
    end)

    it("is nothing to do where all is known", function()
      assert.same({ looked_for = 0, accepted = 0, unknown = 0, likely = 0 },
        (assert(telnyx.settle_all(client))))
      assert.equal(0, #service.asked)
    end)

    it("fails with a journal that fails", function()
      journal:close()
      local counts, err = telnyx.settle_all(client)
      assert.is_nil(counts)
      assert.matches("journal", err.cause)
      local result, result_err = client:settle("order-1")
      assert.is_nil(result)
      assert.matches("closed", result_err.cause)
    end)
  end)

  it("finds nothing in what it does not know", function()
    lose("order-1")
    service.ask_deliveries, service.ask_records = nothing, nothing
    assert.equal("unknown", assert(client:settle("order-1")).state)
  end)
end)
