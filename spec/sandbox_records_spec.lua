local clock = require("telnyx.sandbox.clock")
local sandbox = require("telnyx.sandbox")
local support = require("spec.support.service")

local NOON, null = support.NOON, support.null
local ask, at_noon, post, sms = support.ask, support.at_noon, support.post, support.sms

local HOOK, FAILOVER = "https://app.example/hook?ref=abc-123", "https://b.example/"
local MESSAGING = "/v2/detail_records?filter[record_type]=messaging"

local function get(service, path)
  local response, decoded = ask(service, "GET", path)
  assert(response.status == 200, response.body)
  return decoded
end

-- Makes every attempt that is due, as the answer says.
local function deliver(service, answer)
  local list = service:due_attempts()
  while list[1] do
    for _, attempt in ipairs(list) do
      service:webhook_request(attempt)
      service:attempted(attempt, answer or { status = 200, body = "ok" })
    end
    list = service:due_attempts()
  end
end

local function later(service, time, seconds, answer)
  time.now = time.now + seconds
  deliver(service, answer)
end

describe("detail records", function()
  local function search(service, tail)
    return get(service, MESSAGING .. (tail or ""))
  end

  local function count(service, tail)
    return search(service, tail).meta.total_results
  end

  it("have a row for each message, with every field", function()
    local service, time = at_noon()
    local id = post(service, sms { webhook_url = HOOK, webhook_failover_url = FAILOVER }).id
    later(service, time, 5)
    local decoded = search(service)
    local row = decoded.data[1]
    for name, value in pairs {
      record_type = "message_detail_record", uuid = id, direction = "outbound",
      message_type = "SMS", cli = "+13125550001", cld = "+13125550002", status = "delivered",
      created_at = "2025-03-22T11:28:39.401+00:00", sent_at = "2025-03-22T11:28:40.401+00:00",
      completed_at = "2025-03-22T11:28:41.401+00:00", cost = "0.0070", rate = "0.0040",
      carrier_fee = "0.0030", currency = "USD", parts = 1, country_code = "US", on_net = false,
      delivery_status = "success: webhook succeeded", delivery_status_webhook_url = HOOK,
      delivery_status_failover_url = FAILOVER, autoresponse_type = null,
    } do
      assert.are.equal(value, row[name], name)
    end
    assert.are.same({}, row.errors)
    assert.are.same({ total_pages = 1, total_results = 1, page_number = 1, page_size = 20 },
      decoded.meta)
    assert.is_nil(row.text)
  end)

  it("have no field without a value", function()
    local service, time = at_noon()
    post(service, sms { to = "+818012345678" })
    local row = search(service).data[1]
    for _, name in ipairs { "sent_at", "completed_at", "country_code", "mcc", "mnc" } do
      assert.is_nil(row[name], name)
    end
    later(service, time, 1)
    assert.is_string(search(service).data[1].sent_at)
  end)

  it("have statuses of their own", function()
    for digits, status in pairs { ["40008"] = "failed", ["40000"] = "dlr_unconfirmed",
      ["40014"] = "gw_timeout", ["40090"] = "sent", ["90001"] = "delivered" } do
      local service, time = at_noon()
      ask(service, "POST", "/v2/messages", sms { to = "+155500" .. digits })
      time.now = NOON + 5
      local row = search(service).data[1]
      assert.are.equal(status, row.status)
      if digits == "40008" then assert.are.same({ "40008" }, row.errors) end
    end
  end)

  it("know nothing of what was refused, cancelled, or waits for its hour", function()
    local service, time = at_noon()
    ask(service, "POST", "/v2/messages", sms { to = "+15550040310" })
    ask(service, "POST", "/v2/messages", sms { to = "+15550080001" })
    local send_at = clock.iso8601(NOON + 3600)
    local id = post(service, sms { send_at = send_at }).id
    ask(service, "DELETE", "/v2/messages/" .. id)
    post(service, sms { send_at = send_at })
    assert.are.equal(0, count(service))
    time.now = NOON + 3601
    assert.are.equal(1, count(service))
  end)

  it("have a row for each member of a group, for what comes in, and for what is answered",
    function()
      local service, time = at_noon()
      post(service, sms { to = { "+13125550002", "+13125550003" } }, "/group_mms")
      assert.are.equal(2, count(service))
      time.now = NOON + 1
      service:reply { from = "+13125550002", to = "+13125550001", text = "STOP" }
      local decoded = search(service, "&filter[autoresponse_type]=STOP&sort=-created_at")
      assert.are.same({ "outbound", "inbound" },
        { decoded.data[1].direction, decoded.data[2].direction })
      local row = decoded.data[2]
      assert.are.same({ "received", "+13125550002", "+13125550001" },
        { row.status, row.cli, row.cld })
    end)

  it("are filtered by any field", function()
    local service, time = at_noon()
    for i = 1, 3 do
      time.now = NOON + i * 60
      post(service, sms { to = "+1312555010" .. i, webhook_url = HOOK .. i })
    end
    time.now = time.now + 60
    for tail, expected in pairs {
      [""] = 3, ["&filter[cld]=%2B13125550102"] = 1, ["&filter[cld]=%2B1312555010"] = 0,
      ["&filter[cld][starts_with]=%2B1312"] = 3, ["&filter[cld][ends_with]=103"] = 1,
      ["&filter[cld][contains]=5501"] = 3, ["&filter[direction]=inbound"] = 0,
      ["&filter[parts]=1"] = 3, ["&filter[on_net]=false"] = 3, ["&filter[status]=delivered"] = 3,
      ["&filter[created_at][gte]=2025-03-22T11:30:00Z"] = 2,
      ["&filter[created_at][lt]=2025-03-22T11:30:00Z"] = 1,
      ["&filter%5Bcreated_at%5D%5Bgte%5D=2025-03-23"] = 0,
      ["&filter[created_at][gte]=2025-03-22&filter[created_at][lt]=2025-03-23"] = 3,
      ["&filter[delivery_status_webhook_url][contains]=abc-1232"] = 1,
      ["&filter[date_range]=today"] = 3, ["&filter[date_range]=yesterday"] = 0,
      ["&filter[date_range]=last_3_days"] = 3, ["&filter[date_range]=this_week"] = 3,
      ["&filter[date_range]=this_month"] = 3, ["&filter[date_range]=last_month"] = 0,
      ["&filter[date_range]=next_week"] = 0, ["&filter[date_range]=ever"] = 0,
    } do
      assert.are.equal(expected, count(service, tail), tail)
    end
  end)

  it("are found by the time that they show", function()
    for _, fraction in ipairs { 0.0004, 0.0006 } do
      local service, time = at_noon()
      time.now = NOON + fraction
      post(service)
      local at = search(service).data[1].created_at:gsub("+", "%%2B")
      for _, operator in ipairs { "gte", "lte" } do
        local tail = ("&filter[created_at][%s]="):format(operator) .. at
        assert.are.equal(1, count(service, tail), tail)
      end
    end
  end)

  it("answer a filter that they do not know with no rows, and without a word", function()
    local service = at_noon()
    post(service)
    for _, tail in ipairs { "&filter[from]=%2B13125550001", "&filter[cld][like]=1",
      "&filter[cld][gte]=1", "&filter[created_at][gte]=soon", "&filter=x" } do
      assert.are.same({ 0, 0 }, { count(service, tail), search(service, tail).meta.total_pages })
    end
  end)

  it("may refuse such a filter instead", function()
    local service = at_noon { unknown_record_filter = "400" }
    post(service)
    local response, decoded = ask(service, "GET", MESSAGING .. "&filter[from]=1")
    assert.are.same({ 400, "10011" }, { response.status, decoded.errors[1].code })
    assert.are.equal(1, count(service, "&filter[cli]=%2B13125550001"))
  end)

  it("are for one type of record, and say so in their own shape", function()
    for _, path in ipairs { "/v2/detail_records", "/v2/detail_records?filter[record_type]=x",
      "/v2/detail_records?filter[record_type]=message_detail_record" } do
      local response, decoded = ask(at_noon(), "GET", path)
      assert.are.same({ 400, "10011", nil },
        { response.status, decoded.errors[1].code, decoded.errors[1].meta })
    end
  end)

  it("come in pages of fifty at most", function()
    local service, time = at_noon()
    for i = 1, 120 do
      time.now = NOON + i
      post(service, sms { text = ("%d"):format(i) })
    end
    local decoded = search(service, "&page[size]=250")
    assert.are.same({ 50, 50, 3, 120 }, { #decoded.data, decoded.meta.page_size,
      decoded.meta.total_pages, decoded.meta.total_results })
    assert.are.equal(20, #search(service, "&page[size]=250&page[number]=3").data)
    assert.are.equal(0, #search(service, "&page[size]=250&page[number]=4").data)
    assert.are.equal(20, #search(service).data)
    local newest, oldest = decoded.data[1], search(service, "&sort=created_at").data[1]
    assert.is_true(newest.created_at > oldest.created_at)
  end)

  it("may be searched forty times in a minute of the clock", function()
    local service, time = at_noon()
    local headers
    for _ = 1, 40 do headers = ask(service, "GET", MESSAGING).headers end
    assert.are.same({ "40, 40;w=60", "0", "21" }, { headers["x-ratelimit-limit"],
      headers["x-ratelimit-remaining"], headers["x-ratelimit-reset"] })
    local response, decoded = ask(service, "GET", MESSAGING)
    assert.are.same({ 429, "10011" }, { response.status, decoded.errors[1].code })
    assert.is_nil(response.headers["retry-after"])
    time.now = NOON + 21
    assert.are.equal("39", ask(service, "GET", MESSAGING).headers["x-ratelimit-remaining"])
    assert.are.equal(429, (ask(at_noon { quota = 0 }, "GET", MESSAGING)).status)
  end)

  it("may come late, go early, and hide what is under way", function()
    local service, time = at_noon { mdr_lag = 1020, mdr_retention = 86400 }
    post(service)
    time.now = NOON + 1019
    assert.are.equal(0, count(service))
    time.now = NOON + 1020
    assert.are.equal(1, count(service))
    time.now = NOON + 86401
    assert.are.equal(0, count(service))
    service, time = at_noon { mdr_hide_until_final = true }
    post(service)
    assert.are.equal(0, count(service))
    time.now = NOON + 2
    assert.are.equal(1, count(service))
  end)
end)

describe("the report of messages", function()
  it("has flat parameters and fewer fields", function()
    local service, time = at_noon()
    local id = post(service).id
    time.now = NOON + 5
    service:reply { from = "+13125550002", to = "+13125550001", text = "Hi" }
    for tail, expected in pairs {
      [""] = 2, ["?id=" .. id] = 1, ["?direction=INBOUND"] = 1, ["?direction=inbound"] = 0,
      ["?status=DELIVERED"] = 1, ["?cld=%2B13125550002"] = 1, ["?message_type=MMS"] = 0,
      ["?profile=Sandbox"] = 2, ["?start_date=2025-03-22&end_date=2025-03-22"] = 2,
      ["?end_date=2025-03-21"] = 0, ["?start_date=2025-03-22T11:28:40Z"] = 1,
    } do
      assert.are.equal(expected, #get(service, "/v2/reports/mdrs" .. tail).data, tail)
    end
    local row = get(service, "/v2/reports/mdrs?id=" .. id).data[1]
    assert.are.same({ "mdr_report", id, "OUTBOUND", "DELIVERED", 1, "0.0070" },
      { row.record_type, row.id, row.direction, row.status, row.parts, row.cost })
    assert.is_nil(row.delivery_status_webhook_url)
  end)

  it("refuses what is no date in the shape of a search", function()
    local response, decoded = ask(at_noon(), "GET", "/v2/reports/mdrs?start_date=soon")
    assert.are.same({ 400, "10011" }, { response.status, decoded.errors[1].code })
  end)
end)

describe("webhook deliveries", function()
  local function list(service, tail)
    return get(service, "/v2/webhook_deliveries" .. (tail or ""))
  end

  local function count(service, tail)
    return list(service, tail).meta.total_results
  end

  it("show the event and every attempt, the newest first", function()
    local service, time = at_noon()
    local id = post(service, sms { webhook_url = HOOK, to = "+15550040090" }).id
    later(service, time, 1, { status = 503, headers = { b = "2\255", a = "1" }, body = "no\255" })
    assert.are.equal(0, count(service))
    later(service, time, 1)
    local decoded = list(service)
    local row = decoded.data[1]
    assert.are.same({ "webhook_delivery", "delivered", "message.sent", id, 2 },
      { row.record_type, row.status, row.webhook.event_type, row.webhook.payload.id,
        #row.attempts })
    assert.are.same({ "delivered", "failed" }, { row.attempts[1].status, row.attempts[2].status })
    local failed = row.attempts[2]
    assert.are.same({ { 75599 }, HOOK, 503, { { "a", "1" }, { "b", "2%FF" } }, "no%FF" },
      { failed.errors, failed.http.request.url, failed.http.response.status,
        failed.http.response.headers, failed.http.response.body })
    local names = {}
    for i, pair in ipairs(failed.http.request.headers) do names[i] = pair[1] end
    assert.are.equal("content-type telnyx-signature-ed25519 telnyx-timestamp user-agent",
      table.concat(names, " "))
    assert.are.same({ "2025-03-22T11:28:40.401+00:00", "2025-03-22T11:28:41.401+00:00" },
      { row.started_at, row.finished_at })
    assert.are.same(row, get(service, "/v2/webhook_deliveries/" .. row.id).data)
    assert.are.equal(404, (ask(service, "GET", "/v2/webhook_deliveries/x")).status)
  end)

  it("keep ten kilobytes of an answer", function()
    local service, time = at_noon()
    post(service, sms { webhook_url = HOOK })
    later(service, time, 1, { status = 200, body = ("x"):rep(20000) })
    assert.are.equal(10000, #list(service).data[1].attempts[1].http.response.body)
  end)

  it("are filtered", function()
    local service, time = at_noon { tries_per_url = 1 }
    local first = post(service, sms { webhook_url = HOOK, text = "größe" }).id
    later(service, time, 5)
    post(service, sms { webhook_url = "https://other.example/" })
    later(service, time, 5, { code = 75001 })
    for tail, expected in pairs {
      [""] = 4, ["?filter[status][eq]=delivered"] = 2, ["?filter[status][eq]=failed"] = 2,
      ["?filter[event_type]=message.sent"] = 2,
      ["?filter[event_type]=message.sent,message.finalized"] = 4,
      ["?filter[event_type]=message"] = 0,
      ["?filter[webhook][contains]=abc-123"] = 2, ["?filter[webhook][contains]=" .. first] = 2,
      ["?filter[webhook][contains]=gr%C3%B6%C3%9Fe"] = 2,
      ["?filter[webhook][contains]=ABC-123"] = 0,
      ["?filter[attempts][contains]=other.example"] = 2,
      ["?filter[attempts][contains]=75001"] = 2,
      ["?filter[webhook][contains]=abc&filter[status][eq]=failed"] = 0,
      ["?filter[started_at][gte]=2025-03-22T11:28:46Z"] = 2,
      ["?filter[started_at][lte]=2025-03-22T11:28:44Z"] = 0,
      ["?filter[finished_at][gte]=2025-03-22T11:28:46Z"] = 2,
      ["?filter[finished_at][lte]=2025-03-22T11:28:46Z"] = 2,
      ["?page[size]=3"] = 4, ["?filter[colour]=red"] = 4,
    } do
      assert.are.equal(expected, count(service, tail), tail)
    end
    assert.are.equal(1, #list(service, "?page[size]=3&page[number]=2").data)
    assert.is_nil(list(service, "?filter[status][eq]=failed").data[1].attempts[1].http.response)
  end)

  it("are found by the times that they show", function()
    for _, fraction in ipairs { 0.0004, 0.0006 } do
      local service, time = at_noon()
      post(service, sms { webhook_url = HOOK })
      later(service, time, 1 + fraction)
      local row = list(service).data[1]
      for _, name in ipairs { "started_at", "finished_at" } do
        for _, operator in ipairs { "gte", "lte" } do
          local tail = ("?filter[%s][%s]="):format(name, operator)
            .. row[name]:gsub("+", "%%2B")
          assert.are.equal(1, count(service, tail), tail)
        end
      end
    end
  end)

  it("treat a filter that they do not know as they are told to", function()
    local path = "/v2/webhook_deliveries?filter[status]=failed"
    local response = ask(at_noon { unknown_delivery_filter = "422" }, "GET", path)
    assert.are.same({ 422, "" }, { response.status, response.body })
    local service, time = at_noon { unknown_delivery_filter = "empty" }
    post(service, sms { webhook_url = HOOK })
    later(service, time, 5)
    assert.are.same({ 2, 0 }, { count(service), count(service, "?filter[status]=failed") })
  end)

  it("may come late and go early", function()
    local service, time = at_noon { deliveries_lag = 10, deliveries_retention = 100 }
    post(service, sms { webhook_url = HOOK, to = "+15550040090" })
    later(service, time, 1)
    for seconds, expected in pairs { [9] = 0, [10] = 1, [100] = 1, [101] = 0 } do
      time.now = NOON + 1 + seconds
      assert.are.equal(expected, count(service))
    end
  end)

  it("fail where a sender has no receiver", function()
    local time = { now = NOON }
    local sender = sandbox.sender { now = function() return time.now end }
    assert(sender:send(sms { webhook_url = HOOK, webhook_failover_url = FAILOVER }))
    time.now = NOON + 60
    local decoded = list(sender.service)
    assert.are.equal(2, #decoded.data)
    for _, row in ipairs(decoded.data) do
      assert.are.same({ "failed", 6, { 75002 } },
        { row.status, #row.attempts, row.attempts[1].errors })
    end
    assert.are.equal("failed: webhook failed",
      get(sender.service, MESSAGING).data[1].delivery_status)
  end)

  it("have the raw event, keys in order", function()
    local service, time = at_noon()
    post(service, sms { webhook_url = HOOK })
    later(service, time, 1)
    local raw = ask(service, "GET", "/v2/webhook_deliveries").body
    assert.is_truthy(raw:find('"webhook":{"event_type":"message.sent","id":"', 1, true))
  end)
end)

describe("ten thousand messages", function()
  it("are looked up in little time", function()
    local service, time = at_noon { quota = 1000 }
    for i = 1, 10000 do
      post(service, sms { text = ("n %d"):format(i), webhook_url = HOOK .. i })
    end
    time.now = NOON + 5
    for _, attempt in ipairs(service:due_attempts()) do
      service:attempted(attempt, { code = 75001 })
    end
    local started = os.clock()
    assert.are.equal(1, get(service, MESSAGING
      .. "&filter[delivery_status_webhook_url][contains]=123777&filter[cli]=%2B13125550001"
      .. "&filter[created_at][gte]=2025-03-22").meta.total_results - 10)
    assert.are.equal(10000, get(service, "/v2/reports/mdrs?status=DELIVERED").meta.total_results)
    assert.is_true(os.clock() - started < 3)
  end)
end)
