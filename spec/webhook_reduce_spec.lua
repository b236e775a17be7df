-- However a message's webhooks come, in any order and more than once, the same is known of it.

local cjson = require("cjson")
local telnyx = require("telnyx")
local reference = require("telnyx.send.reference")
local webhooks = require("spec.support.webhooks")

local parse, reduce, waits = telnyx.webhook.parse, telnyx.webhook.reduce, telnyx.webhook.waits

local T = 1793528262.5
local KEPT = "https://app.example/hooks?" .. reference.of("order-9", ("0a"):rep(16))

local function event_of(given) return assert(parse(cjson.encode(webhooks.event(given)))) end

local function copy_of(given, meta)
  local own = {}
  for name, value in pairs(given) do own[name] = value end
  own.meta = meta
  return event_of(own)
end

-- A value as text, whatever the order of its keys.
local function written(value)
  if type(value) == "number" then return ("%.6f"):format(value) end
  if type(value) ~= "table" then return type(value) .. ":" .. tostring(value) end
  local names, parts = {}, {}
  for name in pairs(value) do names[#names + 1] = tostring(name) end
  table.sort(names)
  for i, name in ipairs(names) do
    local item = value[name]
    if item == nil then item = value[tonumber(name)] end
    parts[i] = name .. "=" .. written(item)
  end
  return "{" .. table.concat(parts, " ") .. "}"
end

-- Calls `found` with every order of the list, which is changed in place.
local function permute(list, found, n)
  n = n or #list
  if n <= 1 then return found(list) end
  for i = 1, n do
    list[i], list[n] = list[n], list[i]
    permute(list, found, n - 1)
    list[i], list[n] = list[n], list[i]
  end
end

local function reduced(events)
  local state
  for _, event in ipairs(events) do state = reduce(state, event) end
  return state
end

-- As a program does that keeps the state in a file between two webhooks.
local function reduced_by_text(events)
  local text
  for _, event in ipairs(events) do
    local state = reduce(text and cjson.decode(text), event)
    text = cjson.encode(state)
  end
  return cjson.decode(text)
end

-- The state that every order comes to.
local function the_same(events)
  local expected, n = written(reduced(events)), 0
  permute(events, function(order)
    n = n + 1
    local told = written(n % 7 == 0 and reduced_by_text(order) or reduced(order))
    if told ~= expected then error(("order %d:\n%s\n%s"):format(n, told, expected)) end
  end)
  return reduced(events), n
end

local function sent(at, id) return { id = id or "e-sent", type = "message.sent", at = at,
  to = "sent" } end

local function finalized(word, at, id, message)
  return { id = id or "e-" .. word, type = "message.finalized", at = at, to = word,
    message = message }
end

-- With each of them once more, as another attempt would bring it.
local function twice(list)
  local events = {}
  for _, given in ipairs(list) do
    events[#events + 1] = event_of(given)
    events[#events + 1] = copy_of(given, { attempt = 2,
      delivered_to = "https://other.example/" })
  end
  return events
end

describe("a message that was sent", function()
  it("is delivered, in whatever order that is told", function()
    local state, n = the_same(twice {
      sent(T + 1), finalized("delivered", T + 2, nil,
        { cost = { amount = "0.0051", currency = "USD" }, webhook_url = KEPT }),
      { id = "e-queued", type = "message.queued", at = T, to = "queued" },
    })
    assert.equal(720, n)
    assert.equal("delivered", state.status)
    assert.is_true(state.is_final)
    assert.equal(T + 2, state.status_at)
    assert.equal("m-1", state.message_id)
    assert.equal("outbound", state.direction)
    assert.equal("order-9", state.key)
    assert.equal(("0a"):rep(16), state.claim)
    assert.same({ amount = "0.0051", currency = "USD" }, state.cost)
    assert.same({ { phone_number = "+18665550001", status = "delivered" } }, state.to)
    assert.equal(3, #state.timeline)
    assert.equal("e-queued", state.timeline[1].id)
    assert.is_nil(state.errors)
    assert.is_nil(state.revised)
  end)

  it("does not go back from its end, whatever the clocks say", function()
    local state = the_same { event_of(sent(T + 9)), event_of(finalized("delivered", T)),
      event_of { id = "e-new", type = "message.foo", at = T + 10, to = "never_seen" } }
    assert.equal("delivered", state.status)
    assert.equal(T, state.status_at)
    assert.is_nil(state.revised)
  end)

  it("has the errors of its end, and of no other", function()
    local errors = { { code = "40001", title = "Not routable", detail = "…", meta = {} } }
    local failed = finalized("delivery_failed", T + 1, nil, { errors = errors })
    local state = the_same(twice { sent(T), failed })
    assert.same({ { code = "40001", title = "Not routable", detail = "…" } }, state.errors)
    assert.equal("delivery_failed", state.status)
    state = the_same(twice { sent(T), failed, finalized("delivered", T + 2) })
    assert.equal("delivered", state.status)
    assert.is_nil(state.errors)
    assert.is_true(state.revised)
  end)

  it("has the later of two ends, and says that there were two", function()
    local events = twice { sent(T), finalized("delivered", T + 5), finalized("expired", T + 3) }
    local state = the_same(events)
    assert.equal("delivered", state.status)
    assert.is_true(state.revised)
    state = the_same { event_of(finalized("delivered", T)), event_of(finalized("expired", T)),
      event_of(finalized("sending_failed", T)), event_of(sent(T)) } -- in one millisecond
    assert.is_true(state.is_final and state.revised)
    state = the_same { event_of(finalized("delivered", nil)), event_of(finalized("expired", T)) }
    assert.equal("expired", state.status)
  end)

  it("may be read after it was delivered: that is no second end", function()
    local state = the_same(twice { sent(T), finalized("delivered", T + 1),
      finalized("read", T + 60) })
    assert.equal("read", state.status)
    assert.is_nil(state.revised)
    assert.equal("read", the_same({ event_of(finalized("read", T)),
      event_of(finalized("delivered", T + 1)) }).status)
    state = the_same { event_of(finalized("delivery_failed", T)),
      event_of(finalized("read", T + 1)) }
    assert.is_true(state.revised)
  end)

  it("has an end in a status that nobody knows, if the service says that it is the last", function()
    local state = the_same(twice { sent(T), finalized("swallowed", T + 1) })
    assert.equal("swallowed", state.status)
    assert.is_true(state.is_final)
    state = the_same(twice { sent(T + 2), { id = "e-x", type = "message.foo", at = T,
      to = "swallowed" } })
    assert.equal("swallowed", state.status)
    assert.is_false(state.is_final)
  end)

  it("is not changed by clicks, which are told apart without an id", function()
    local function click(url, at)
      return assert(parse(cjson.encode { data = { record_type = "link_clicked", message_id = "m-1",
        to = "+18665550001", url = url, time_clicked = at } }))
    end
    local first, second = click("https://a.example", "2026-11-01T10:17:42Z"),
      click("https://b.example", "2026-11-01T10:17:42Z")
    local state = the_same { event_of(sent(T)), first, second,
      click("https://a.example", "2026-11-01T10:17:42Z"), event_of(finalized("delivered", T + 1)),
      click("https://a.example", "2026-11-01T10:17:43Z") }
    assert.equal(5, #state.timeline)
    assert.equal("delivered", state.status)
    assert.same({ { phone_number = "+18665550001", status = "delivered" } }, state.to)
    local urls = {}
    for _, entry in ipairs(state.timeline) do
      if entry.url then urls[#urls + 1] = entry.url .. " " .. entry.by end
    end
    assert.equal(3, #urls)
    state = reduced { first }
    assert.is_nil(state.status)
    assert.is_false(state.is_final)
  end)

  it("has the key that any copy of an event names", function()
    local given = sent(T)
    local state = the_same { copy_of(given, { attempt = 1, delivered_to = "https://a.example" }),
      copy_of(given, { attempt = 2, delivered_to = KEPT }), copy_of(given, {}),
      event_of(finalized("delivered", T + 1)) }
    assert.equal("order-9", state.key)
    assert.equal(2, #state.timeline)
  end)

  it("is as far as the copy of an event that tells most", function()
    local state = the_same { event_of(sent(T, "e-1")), event_of(finalized("delivered", T, "e-1")),
      copy_of(sent(T, "e-1"), { delivered_to = KEPT }), event_of(sent(T + 1, "e-1")) }
    assert.equal("delivered", state.status)
    assert.equal("order-9", state.key)
    assert.equal(1, #state.timeline)
  end)

  it("has its events in the order of the message, within a millisecond too", function()
    local state = the_same { event_of(sent(T, "e-9")), event_of(finalized("delivered", T, "e-1")),
      event_of { id = "e-5", type = "message.foo", at = T, to = "queued" } }
    local ids = {}
    for i, entry in ipairs(state.timeline) do ids[i] = entry.id end
    assert.same({ "e-5", "e-9", "e-1" }, ids)
  end)

  it("has the cost of its end, and milliseconds that text can keep", function()
    local early, late = finalized("delivered", T), sent(T + 1)
    early.message = { cost = { amount = 0.0051, currency = "USD" } }
    late.message = { cost = { amount = "0.0000", currency = "USD" } }
    local event = webhooks.event(early)
    event.data.occurred_at = "2026-11-01T10:17:42.5741239+00:00"
    local state = the_same { assert(parse(event)), event_of(late) }
    assert.same({ amount = "0.0051", currency = "USD" }, state.cost)
    assert.equal(1793528262.574, state.status_at)
  end)

  it("has the later cost of two that are as final", function()
    local early, late = finalized("delivered", T, "e-1"), finalized("delivered", T + 1, "e-2")
    early.message = { cost = { amount = "0.0051", currency = "USD" } }
    late.message = { cost = { amount = "0.0060", currency = "USD" } }
    assert.equal("0.0060", the_same({ event_of(early), event_of(late) }).cost.amount)
  end)

  it("has the errors that any event tells of its end", function()
    local errors = { { code = "40001" } }
    local state = the_same { event_of(finalized("delivery_failed", T, "e-1")),
      event_of(finalized("delivery_failed", T + 1, "e-2", { errors = errors })),
      event_of(finalized("delivery_failed", T + 2, "e-3")) }
    assert.same(errors, state.errors)
    assert.equal(T, state.status_at)
    assert.is_nil(state.revised)
  end)

  it("is told in events without an id, too", function()
    local one, other = sent(T), finalized("delivered", T + 1)
    local events = twice { one, other }
    for _, event in ipairs(events) do event.id = nil end
    local state = the_same(events)
    assert.equal(2, #state.timeline)
    assert.equal("delivered", state.status)
  end)
end)

describe("a message that came in", function()
  it("is received, and that is all", function()
    local given = { id = "e-in", type = "message.received", at = T, to = "webhook_delivered",
      message = { direction = "inbound" } }
    local later = { id = "e-odd", type = "message.foo", at = T + 1, to = "delivery_failed",
      message = { direction = "inbound" } }
    local earlier = event_of { id = "e-none", type = "message.foo", at = T - 1, to = "queued",
      message = { direction = cjson.null } }
    local events = twice { given, later }
    events[#events + 1] = earlier
    local state = the_same(events)
    assert.equal("received", state.status)
    assert.equal("inbound", state.direction)
    assert.equal(T, state.status_at)
    assert.is_true(state.is_final)
    assert.is_nil(state.revised)
    assert.equal("final", waits(state, T))
  end)
end)

describe("a message to a group", function()
  local NUMBERS = { "+18665550001", "+18665550002", "+18665550003" }

  -- What the service tells when one addressee has an end; of others what it knew before.
  local function group(id, at, words, errors)
    local to = {}
    for i, number in ipairs(NUMBERS) do
      if words[i] then to[#to + 1] = { phone_number = number, status = words[i] } end
    end
    return { id = id, type = id == "e-0" and "message.sent" or "message.finalized", at = at,
      to = to, message = { errors = errors or {} } }
  end

  it("has an end when all have one", function()
    local before = { group("e-0", T, { "sent", "sent", "sent" }),
      group("e-1", T + 1, { "delivered", "sent", "sent" }),
      group("e-2", T + 2, { "sent", "sent", "delivered" }) }
    local state = the_same(twice(before))
    assert.equal("sent", state.status)
    assert.is_false(state.is_final)
    assert.equal(T, state.status_at)
    assert.same({ "delivered", "sent", "delivered" },
      { state.to[1].status, state.to[2].status, state.to[3].status })
    before[4] = group("e-3", T + 3, { "sent", "delivered", "sent" })
    state = the_same({ event_of(before[1]), event_of(before[2]), event_of(before[3]),
      event_of(before[4]), event_of(before[4]), event_of(before[2]) })
    assert.equal("delivered", state.status)
    assert.is_true(state.is_final)
    assert.equal(T + 3, state.status_at)
  end)

  it("is mixed when they differ, with the errors of those who failed", function()
    local failed = { { code = "40001", title = "Not routable" } }
    local state = the_same { event_of(group("e-0", T, { "sent", "sent", "sent" })),
      event_of(group("e-1", T + 1, { "delivered" })),
      event_of(group("e-2", T + 2, { false, "delivery_failed" }, failed)),
      event_of(group("e-3", T + 3, { false, false, "unknown" })),
      event_of(group("e-3", T + 3, { false, false, "unknown" })) }
    assert.equal("mixed", state.status)
    assert.is_true(state.is_final)
    assert.is_nil(state.revised)
    assert.same(failed, state.errors)
    assert.same({ "delivered", "delivery_failed", "unknown" },
      { state.to[1].status, state.to[2].status, state.to[3].status })
  end)

  it("is revised when one of them is told two ends", function()
    local state = the_same { event_of(group("e-0", T, { "sent", "sent", "sent" })),
      event_of(group("e-1", T + 1, { "delivered" })),
      event_of(group("e-2", T + 2, { "delivery_failed", "delivered" })),
      event_of(group("e-3", T + 3, { false, false, "delivered" })) }
    assert.equal("mixed", state.status)
    assert.is_true(state.revised)
  end)
end)

describe("any events of a message", function()
  local random = math.random
  local WORDS = { "queued", "sending", "sent", "delivered", "delivery_failed", "read", "expired",
    "never_seen", "unknown" }
  local TYPES = { "message.sent", "message.finalized", "message.foo", "message.received" }

  local function any_to()
    local to = {}
    for i = 1, random(0, 3) do
      to[i] = { phone_number = random(5) > 1 and "+1866555000" .. random(3) or nil,
        status = random(6) > 1 and WORDS[random(#WORDS)] or nil }
    end
    return to
  end

  local function any_event()
    return event_of { id = random(4) > 1 and "e-" .. random(5) or nil, type = TYPES[random(4)],
      at = random(4) > 1 and T + random(0, 3) or nil, to = any_to(), message = {
        errors = random(3) == 1 and { { code = tostring(random(3)) } } or {},
        direction = random(9) == 1 and "inbound" or "outbound",
        cost = random(3) == 1 and { amount = tostring(random(3)) } or cjson.null,
        webhook_url = random(3) == 1 and "https://a.example/?" .. reference.of("k" .. random(2),
          ("0a"):rep(16)) or "" } }
  end

  it("come to one state in 60 draws of ten, each in ten orders", function()
    for draw = 1, 60 do
      local events = {}
      for i = 1, 10 do events[i] = any_event() end
      local expected = written(reduced(events))
      for _ = 1, 10 do
        for i = #events, 2, -1 do
          local j = random(i)
          events[i], events[j] = events[j], events[i]
        end
        events[#events + 1] = draw % 2 == 0 and events[random(#events)] or nil
        assert.equal(expected, written(reduced(events)))
      end
      assert.equal(expected, written(reduced_by_text(events)))
    end
  end)
end)

describe("a change", function()
  it("tells what is new", function()
    local state, change = reduce(nil, event_of(sent(T)))
    assert.same({ is_news = true, status = "sent", is_changed = true, is_final = false,
      is_revised = false }, change)
    state, change = reduce(state, event_of(sent(T)))
    assert.same({ is_news = false, was = "sent", status = "sent", is_changed = false,
      is_final = false, is_revised = false }, change)
    state, change = reduce(state, event_of(finalized("delivered", T + 1)))
    assert.same({ is_news = true, was = "sent", status = "delivered", is_changed = true,
      is_final = true, is_revised = false }, change)
    state, change = reduce(state, event_of(sent(T, "e-another")))
    assert.same({ is_news = true, was = "delivered", status = "delivered", is_changed = false,
      is_final = true, is_revised = false }, change)
    state, change = reduce(state, event_of(finalized("delivery_failed", T + 2)))
    assert.same({ is_news = true, was = "delivered", status = "delivery_failed",
      is_changed = true, is_final = true, is_revised = true }, change)
    change = select(2, reduce(state, event_of(finalized("delivery_failed", T + 2))))
    assert.is_false(change.is_revised)
    assert.is_false(change.is_news)
  end)

  it("changes neither the state before nor the event", function()
    local first, second = event_of(sent(T)), event_of(finalized("delivered", T + 1))
    local state = reduce(nil, first)
    local before, event = written(state), written(second)
    local after = reduce(state, second)
    assert.equal(before, written(state))
    assert.equal(event, written(second))
    second.message.to[1].status = "spoilt"
    assert.equal("delivered", after.timeline[2].to[1].status)
  end)

  it("is of one message, and of what parse and reduce return", function()
    local state = reduce(nil, event_of(sent(T)))
    local other = sent(T)
    other.message = { id = "m-2" }
    for what, call in pairs {
      ["message m%-1, got one of m%-2"] = function() reduce(state, event_of(other)) end,
      ["expects an event"] = function() reduce(nil, { data = {} }) end,
      ["an event, as parse"] = function() reduce(nil, nil) end,
      ["a state that it returned"] = function() reduce({}, event_of(other)) end,
      ["a state of reduce"] = function() waits(nil, T) end,
      ["since 1970 for now"] = function() waits(state) end,
      ["from 0 up"] = function() waits(state, T, -1) end,
    } do
      local ok, why = pcall(call)
      assert.is_false(ok)
      assert.matches("^spec/webhook_reduce_spec.*" .. what, why:gsub("^%./", ""), what)
    end
  end)
end)

describe("waiting for an end", function()
  local DAY = 86400

  it("is over with it, or when it has taken too long", function()
    local state = reduce(nil, event_of(sent(T)))
    assert.equal("waiting", waits(state, T - DAY))
    assert.equal("waiting", waits(state, T + 3 * DAY))
    assert.equal("given_up", waits(state, T + 3 * DAY + 1))
    assert.equal("waiting", waits(state, T + 60, 60))
    assert.equal("given_up", waits(state, T + 61, 60))
    state = reduce(state, event_of(finalized("delivered", T + 9 * DAY)))
    assert.equal("final", waits(state, T + 99 * DAY))
  end)

  it("is longer for what is to be sent later", function()
    local state = reduce(nil, event_of { id = "e", type = "message.foo", at = T,
      to = "scheduled" })
    assert.equal("waiting", waits(state, T + 8 * DAY))
    assert.equal("given_up", waits(state, T + 8 * DAY + 1))
  end)

  it("has an end where no time can be read", function()
    assert.equal("given_up", waits(reduce(nil, event_of(sent(nil))), T))
    local state = reduce(nil, event_of { id = "e", type = "message.foo", at = T, to = {} })
    assert.equal("waiting", waits(state, T + DAY))
    assert.equal("given_up", waits(state, T + 4 * DAY))
  end)
end)
