-- What a service says, with what it takes, of those that come after: by itself, over the sandbox's
-- windows, and over a wire as the service writes it.

local allowance = require "telnyx.run.allowance"
local core = require "telnyx.core"
local journals = require "spec.support.journals"
local sandbox = require "telnyx.sandbox"
local telnyx = require "telnyx"
local wire = require "spec.support.wire"

local LONG, FREE, TO = "+13125550001", "+18445550001", "+18665550001"

local function messages(n, from)
  local list = {}
  for i = 1, n do list[i] = { from = from or FREE, to = TO, text = "text " .. i } end
  return list
end

describe("an allowance", function()
  local own
  before_each(function() own = allowance.new() end)

  local function heed(now, n_left, reset_s, took_s, n_under_way)
    return own:heed({ n_left = n_left, reset_s = reset_s, took_s = took_s or 0.1 }, now,
      n_under_way or 0, 16)
  end

  it("is for as many as come where nothing was said, or many are left", function()
    assert.same({ math.huge, -math.huge }, { own:room(0), own:due() })
    assert.is_false(heed(0, 16, 60))
    assert.same({ math.huge, -math.huge }, { own:room(0), own:due() })
  end)

  it("is used up by those under way and those that leave, until its window ends", function()
    assert.is_true(heed(100, 5, 60, 0.1, 2))
    assert.same({ 3, -math.huge }, { own:room(100), own:due() })
    for _ = 1, 3 do own:leave(101) end
    assert.same({ 0, 160, math.huge }, { own:room(101), own:due(), own:room(160) })
    own:leave(160)
    assert.same({ math.huge, -math.huge }, { own:room(160), own:due() })
  end)

  it("is less than nothing where more are under way", function()
    heed(0, 1, 60, 0.1, 4)
    assert.same({ 0, 60 }, { own:room(0), own:due() })
  end)

  it("is the least that was told of one window, in whatever order", function()
    for _, order in ipairs { { 3, 2, 7 }, { 7, 2, 3 }, { 2, 7, 3 } } do
      own = allowance.new()
      for i, n_left in ipairs(order) do heed(i / 10, n_left, 60) end
      assert.equal(2, own:room(1))
    end
  end)

  it("is over with its window, as the quickest answer has it", function()
    heed(10.9, 0, 50, 0.9)
    heed(11, 0, 49, 0.1)
    heed(12, 0, 49, 0.9)
    assert.equal(60, own:due())
  end)

  it("is another in another window, of which only an older answer says nothing", function()
    heed(0, 0, 10)
    assert.equal(0, own:room(5))
    heed(5, 9, 60)
    assert.equal(9, own:room(5))
    heed(6, 0, 4) -- of the first
    assert.equal(9, own:room(6))
    heed(66, 12, 60)
    assert.equal(12, own:room(66))
  end)

  it("is of the window that an answer is about that took long, if it may be", function()
    heed(10, 1, 50)
    heed(15, 12, 50, 6) -- counted as late as 15, or at 9 already
    assert.equal(1, own:room(15))
    heed(16, 12, 50, 0.1)
    assert.equal(12, own:room(16))
  end)

  it("is told by numbers only", function()
    local function said(limit, attempts)
      return allowance.said_by { ratelimit = limit, attempts = attempts }
    end
    assert.same({ n_left = 3, reset_s = 0, took_s = 0 }, said { remaining = 3, reset = 0 })
    assert.same({ n_left = 0, reset_s = 7, took_s = 2 },
      said({ limit = 40, remaining = 0, reset = 7 }, { { seconds = 1 }, { seconds = 2 } }))
    for _, limit in ipairs { {}, { remaining = 1 }, { reset = 1 }, { remaining = "1", reset = 1 },
      { remaining = 1, reset = "1" }, { remaining = 0 / 0, reset = 1 },
      { remaining = 1, reset = 0 / 0 }, { remaining = 1, reset = -1 },
      { remaining = -1, reset = 1 }, 7, "limit", true } do
      assert.is_nil(said(limit))
    end
    assert.is_nil(allowance.said_by {})
  end)

  it("keeps back whose messages wait at the service for more than five minutes", function()
    for wait_s, expected_s in pairs { [300.5] = 0.5, [900] = 600, [14400] = 3600,
      [math.huge] = 3600 } do
      assert.equal(expected_s, allowance.wait_of { wait_seconds = wait_s })
    end
    for _, wait_s in ipairs { 0, 0.5, 300, -1, 0 / 0, "900", {}, true } do
      assert.is_nil(allowance.wait_of { wait_seconds = wait_s })
    end
    assert.is_nil(allowance.wait_of {})
  end)
end)

-- In a time of its own.
describe("the sandbox's window", function()
  local service, statuses, client
  before_each(function()
    service, statuses = sandbox.sender { rate_limit = 40 }, {}
  end)
  after_each(function() client:close() end)

  local function open(journal)
    client = telnyx.new { sender = service, journal = journal,
      log = function(row) statuses[#statuses + 1] = row.status end }
    return client, service:monotonic()
  end

  local function assert_none_refused(started_at)
    assert.equal(100, #statuses)
    for _, status in ipairs(statuses) do assert.equal(200, status) end
    local took_s = service:monotonic() - started_at
    assert.is_true(took_s > 120 and took_s < 130, took_s)
  end

  it("is used up by a run, and not passed", function()
    local _, started_at = open(nil)
    local counts = client:send_all(messages(100))
    assert.equal(100, counts.accepted)
    assert.is_nil(counts.learned)
    assert_none_refused(started_at)
  end)

  it("is used up by an outbox, and not passed", function()
    journals.sqlite.start()
    local journal = journals.sqlite.open()
    finally(function()
      journal:close()
      journals.sqlite.stop()
    end)
    local _, started_at = open(journal)
    local box = telnyx.outbox(client)
    for i, message in ipairs(messages(100)) do assert(box:add(message, { key = "k" .. i })) end
    local counts = box:run { until_empty = true }
    assert.same({ 100, 0 }, { counts.accepted, counts.requeued })
    assert_none_refused(started_at)
  end)
end)

describe("over a wire", function()
  local station, listener, client
  setup(function() station = wire.start() end)
  teardown(function() station:stop() end)
  after_each(function()
    client:close()
    listener:close()
  end)

  local function taken(headers, rest)
    return wire.reply(200, ('{"data":{"id":"m","to":[{"phone_number":"%s"}]%s}}'):format(TO,
      rest or ""), headers)
  end

  local function refused(status, headers)
    return wire.reply(status, '{"errors":[{"code":"10011","title":"Bad Request"}]}', headers)
  end

  -- What the service sends with each answer.
  local function limits(n_left, reset)
    return { { "x-ratelimit-limit", "40, 40;w=60" }, { "x-ratelimit-remaining", tostring(n_left) },
      { "x-ratelimit-reset", tostring(reset) } }
  end

  local function send(steps, list)
    listener = station:listen { steps, wire.SERVICE }
    client = telnyx.new { base_url = listener.url, api_key = "KEY_TEST_TEST_TEST_TEST" }
    local started_at, at = core.monotonic(), {}
    local counts = client:send_all(list, { concurrency = 1, on_result = function(i)
      at[i] = core.monotonic() - started_at
    end })
    return counts, at, listener:seen().whole
  end

  it("a run waits for the next window before it is refused", function()
    local counts, at, n = send({ wire.request, taken(limits(1, 1)), wire.request,
      taken(limits(0, 1)), wire.request, taken(limits(39, 60)) }, messages(3))
    assert.same({ 3, 3 }, { counts.accepted, n })
    assert.is_nil(counts.learned)
    assert.is_true(at[2] < 0.9, at[2])
    assert.is_true(at[3] >= 1, at[3])
  end)

  it("a 429 that names no Retry-After is waited out by its window", function()
    local counts, at, n = send({ wire.request, refused(429, limits(0, 1)), wire.request,
      taken(limits(39, 60)) }, messages(1))
    assert.same({ 1, 2, 1 }, { counts.accepted, n, counts.learned.refused })
    assert.is_true(at[1] >= 1, at[1])
  end)

  it("a 400 with the code of too many is a bad request, and holds up nobody", function()
    local counts, at, n = send({ wire.request, refused(400, limits(39, 60)), wire.request,
      taken(limits(38, 60)) }, messages(2))
    assert.same({ 1, 1, 2 }, { counts.rejected, counts.accepted, n })
    assert.is_nil(counts.learned)
    assert.is_true(at[2] < 1, at[2])
  end)

  it("a sender waits here whose messages wait there, and others do not", function()
    local list = { messages(1, LONG)[1], messages(1, LONG)[1], messages(1, FREE)[1] }
    local counts, at = send({ wire.request, taken({}, ',"wait_seconds":301.0'), wire.request,
      taken({}, ',"wait_seconds":0.0'), wire.request, taken({}, ',"wait_seconds":0.0') }, list)
    assert.equal(3, counts.accepted)
    assert.is_true(at[2] >= 1, at[2])
    assert.is_true(at[3] < 1, at[3])
  end)
end)
