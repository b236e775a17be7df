-- Two thousand sends in bad weather, and what becomes of those whose end nobody knew: by webhooks
-- alone, and by what the service keeps alone. The ledger of what was accepted is the judge.

local core = require "telnyx.core"
local sandbox = require "telnyx.sandbox"
local telnyx = require "telnyx"

local MANY, SOME = 2000, 500
local SEED = ("chaos"):rep(7):sub(1, 32)
local PUBLIC_KEY = core.base64_encode(core.ed25519_public_key(SEED))
local FROM = "+18445550001"

-- Of the recipients that cause trouble, those that leave a send unknown or cut its answer; and some
-- of whom nothing is wrong.
local function recipients()
  local list = {}
  for stage = 0, 9 do
    for ending = 1, 3 do
      list[#list + 1] = ("+15550080%d%d%d"):format(0, stage, ending)
      list[#list + 1] = ("+15550090%d%d%d"):format(0, stage, ending)
    end
  end
  for _, last in ipairs { "00500", "00503", "01500", "01503", "01408", "51001", "51002", "51500",
    "50001", "50500", "60001", "60002", "60005", "70030", "40001", "40014" } do
    list[#list + 1] = "+155500" .. last
  end
  for i = 1, 10 do list[#list + 1] = ("+1866555%04d"):format(i) end
  return list
end

local function random_from(seed)
  local state = seed
  return function(n)
    state = (state * 16807) % 2147483647
    return state % n + 1
  end
end

local function send_all(client, seed, n_sends)
  local numbers, random = recipients(), random_from(seed)
  local n_unknown = 0
  for i = 1, n_sends do
    local key = ("chaos %d"):format(i)
    local sent, err = client:send({ from = FROM, to = numbers[random(#numbers)],
      text = "message " .. i, webhook_url = ("https://a.example/sms?ref=%d"):format(i) },
      { key = key })
    if not sent and err.outcome == "unknown" then n_unknown = n_unknown + 1 end
  end
  return n_unknown
end

-- Each row against what the service says it has accepted.
local function judge(journal, ledger, n_sends, has_ids)
  local seen = { settled = 0, unknown = 0, wrong = {} }
  for i = 1, n_sends do
    local row = journal:get(("chaos %d"):format(i))
    local n_accepted = (ledger.messages[tostring(i)] or { accepted = 0 }).accepted
    local state = row and row.state or "none"
    local is_right = n_accepted == 1 and state == "accepted"
        and (row.message_id ~= nil or not has_ids)
      or n_accepted == 0 and (state == "unknown" or state == "free")
    if not is_right then
      seen.wrong[#seen.wrong + 1] = ("%d: %d accepted, %s"):format(i, n_accepted, state)
    end
    if row and row.settled_by ~= "worker" and state == "accepted" then
      seen.settled = seen.settled + 1
    elseif state == "unknown" then
      seen.unknown = seen.unknown + 1
    end
  end
  return seen
end

local function new(journal, options)
  options.signing_seed = SEED
  local sender = sandbox.sender(options)
  return sender, telnyx.new { sender = sender, journal = journal, timeout = 5,
    retry = { base = 0.01, budget = false } }
end

describe("what nobody knew the end of", function()
  it("is settled by webhooks alone, in any weather of theirs", function()
    for seed, weather in ipairs { {}, { duplicate = 3, swap = true },
      { before_reply = true, t_sent = 0, t_finalized = 0.01 }, { burst = 5, delay = 30 } } do
      local journal = telnyx.journal.memory()
      local receiver = telnyx.webhook.receiver { journal = journal, public_key = PUBLIC_KEY,
        tolerance = 1e9 }
      weather.on_webhook = function(request)
        local status, event = receiver:receive(request.body, request.headers)
        if event then receiver:handle(event) end
        return status
      end
      local sender, client = new(journal, weather)
      local n_sends = seed == 1 and MANY or SOME
      local n_unknown = send_all(client, seed, n_sends)
      sender:advance(3600)
      local seen = judge(journal, sender:ledger(), n_sends, true)
      assert.same({}, seen.wrong)
      local least = n_sends / 5
      assert.is_true(n_unknown > 2 * least and seen.settled > least and seen.unknown > least)
      client:close()
    end
  end)

  it("is settled although the service takes forty questions a minute for its records", function()
    local journal, n_refused = telnyx.journal.memory(), 0
    local sender = sandbox.sender { signing_seed = SEED, deliveries_lag = 1e6 }
    local client = telnyx.new { sender = sender, journal = journal, retry = { base = 0.01 },
      log = function(row) if row.status == 429 then n_refused = n_refused + 1 end end }
    for i = 1, 100 do
      client:send({ from = FROM, to = "+15550090002", text = "message " .. i,
        webhook_url = "https://a.example/sms" }, { key = "key " .. i })
    end
    for i = 1, 100 do
      assert.equal("accepted", assert(client:settle("key " .. i)).state)
    end
    assert.is_true(n_refused >= 2)
    client:close()
  end)

  it("is settled by the log of webhooks, and by records alone", function()
    for seed, place in ipairs { "webhook_deliveries", "detail_records" } do
      local journal = telnyx.journal.memory()
      local sender, client = new(journal, {
        on_webhook = function() return place == "detail_records" and 500 or 200 end,
        deliveries_lag = place == "detail_records" and 1e6 or nil,
      })
      send_all(client, seed + 10, MANY)
      sender:advance(3600)
      local counts = assert(telnyx.settle_all(client))
      local seen = judge(journal, sender:ledger(), MANY)
      assert.same({}, seen.wrong)
      assert.equal(counts.accepted, seen.settled)
      assert.equal(counts.unknown, seen.unknown)
      assert.is_true(seen.settled > 400 and seen.unknown > 400)
      assert.equal(place, journal:find({ state = "accepted", limit = MANY })[1] and place)
      client:close()
    end
  end)
end)
