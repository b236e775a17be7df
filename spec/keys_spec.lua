-- Sends under a key: never posted twice, whatever happens between the calls.

local core = require("telnyx.core")
local journals = require("spec.support.journals")
local sandbox = require("telnyx.sandbox")
local telnyx = require("telnyx")

local FROM = "+18445550001"
local GOOD, STOPPED, LOST, CUT = "+18665550001", "+15550040300", "+15550090012", "+15550060001"
local ONE = { from = FROM, to = GOOD, text = "Hello" }

local TRIED = { journals.memory, journals.sqlite, journals.postgres }
local current, opened

setup(function()
  for _, candidate in ipairs(TRIED) do
    if candidate.start then candidate.start() end
  end
end)

teardown(function()
  for _, candidate in ipairs(TRIED) do
    if candidate.stop then candidate.stop() end
  end
end)

before_each(function() opened = {} end)

after_each(function()
  for _, journal in ipairs(opened) do journal:close() end
end)

-- The same rows, with every journal.
local function describe_all(what, body)
  for _, candidate in ipairs(TRIED) do
    describe(candidate.name .. ": " .. what, function()
      setup(function() current = candidate end)
      body()
    end)
  end
end

local function new_journal()
  local journal = current.open()
  opened[#opened + 1] = journal
  return journal
end

local function with_journal(journal, sender)
  sender = sender or sandbox.sender()
  journal = journal or new_journal()
  local client = telnyx.new({ sender = sender, journal = journal, retry = false })
  local function send(key, to, text)
    return client:send({ from = FROM, to = to or GOOD, text = text or "Hello" }, { key = key })
  end
  return send, client, sender
end

local function posts(sender) return sender:ledger().posts end

-- A sender that calls `during` for each attempt, and returns what that returns, else accepts.
local function own_sender(during)
  local sender = { posts = 0 }
  function sender:send(message)
    self.posts = self.posts + 1
    local err = during and during(message, self.posts)
    if err then return nil, err end
    return { id = "m-" .. self.posts }, { status = 200 }
  end
  return sender
end

local function err_of(outcome, more)
  local err = { outcome = outcome, kind = "connection", retryable = false, cause = "on purpose" }
  for name, value in pairs(more or {}) do err[name] = value end
  return err
end

-- A journal some of whose methods fail.
local function failing(names, fail)
  local journal = new_journal()
  for name in names:gmatch("%S+") do journal[name] = fail end
  return journal
end

describe_all("a second send under a key", function()
  it("returns the first one's message, and posts nothing", function()
    local send, _, sender = with_journal(nil)
    local first = assert(send("order-1"))
    local again, info = send("order-1")
    assert.same(first, again)
    assert.is_true(info.replayed)
    assert.equal("accepted", info.outcome)
    assert.equal("200", tostring(info.status))
    assert.equal("1", tostring(again.parts))
    assert.same({}, info.attempts)
    assert.equal(1, posts(sender))
    assert.not_equal(first.id, send("order-2").id)
  end)

  it("is told the first one's outcome although it would be refused for its cost by now", function()
    local _, client, sender = with_journal(nil)
    local long = { from = FROM, to = GOOD, text = ("é’"):rep(90) }
    local smart = { from = FROM, to = GOOD, text = ("x’"):rep(90) }
    local first = assert(client:send(long, { key = "long" }))
    local second = assert(client:send(smart, { key = "smart", on_ucs2 = "smart" }))
    for _, limit in ipairs { { max_parts = 1 }, { on_ucs2 = "refuse" } } do
      for key, of in pairs { long = { long, first }, smart = { smart, second } } do
        limit.key = key
        local again, info = client:send(of[1], limit)
        assert.equal(of[2].id, again and again.id, tostring(info))
        assert.is_true(info.replayed)
      end
      -- Another message is refused for what it is, and so is one under a new key.
      for _, key in ipairs { "long", "new" } do
        limit.key = key
        local _, err = client:send({ from = FROM, to = GOOD, text = ("ё"):rep(90) }, limit)
        assert.equal("not_sent", err.outcome)
        assert.is_table(err.segments)
      end
    end
    assert.equal(2, posts(sender))
  end)

  it("is not told that nothing was sent, where it would be refused for its cost by now", function()
    local text = ("é’"):rep(90)
    local sender = own_sender(function(message)
      if message.to == GOOD then return err_of("unknown") end
      return err_of("rejected", { kind = "api", status = 400, code = "40300" })
    end)
    local _, client = with_journal(nil, sender)
    for to, outcome in pairs { [GOOD] = "unknown", [STOPPED] = "rejected" } do
      local message = { from = FROM, to = to, text = text }
      client:send(message, { key = to })
      local _, err = client:send(message, { key = to, max_parts = 1 })
      assert.equal(outcome, err.outcome)
      assert.is_true(err.replayed)
    end
    assert.equal(2, sender.posts)
  end)

  it("is told the refusal of the first, which stays", function()
    local send, client, sender = with_journal(nil)
    local _, err = send("order-1", STOPPED)
    local _, again = send("order-1", STOPPED)
    assert.equal("40300", err.code)
    assert.equal("40300", again.code)
    assert.equal("rejected", again.outcome)
    assert.is_true(again.replayed)
    local ok, why = client:resolve("order-1", "not_sent")
    assert.is_nil(ok)
    assert.matches("refused", why)
    assert.equal(1, posts(sender))
  end)

  it("is told that the first was accepted, when its reply could not be read", function()
    local send, client, sender = with_journal(nil)
    local _, err = send("order-1", CUT)
    assert.equal("accepted", err.outcome)
    local message, again = send("order-1", CUT)
    assert.is_nil(message)
    assert.equal("accepted", again.outcome)
    assert.is_true(again.replayed)
    assert.is_true(client:resolve("order-1", { id = "m-1" })) -- its webhook says no more
    assert.is_nil((client:resolve("order-1", "not_sent")))
    assert.equal(1, posts(sender))
  end)

  it("stays unknown until it is resolved with a message", function()
    local send, client, sender = with_journal(nil)
    local _, err = send("order-1", LOST)
    assert.equal("unknown", err.outcome)
    local _, again = send("order-1", LOST)
    assert.same({ "unknown", "unknown", "order-1" }, { again.outcome, again.state, again.key })
    assert.is_nil(err.state)
    assert.matches("client:settle", tostring(again))
    assert.is_true(client:resolve("order-1", { id = "m-1" }))
    assert.equal("m-1", send("order-1", LOST).id)
    assert.equal(1, posts(sender))
  end)

  it("may post when it is resolved that nothing was sent", function()
    local send, client, sender = with_journal(nil)
    send("order-1", LOST)
    assert.is_true(client:resolve("order-1", "not_sent"))
    -- Another message may not: a webhook of the first may come yet.
    local _, err = send("order-1", GOOD)
    assert.equal("not_sent", err.outcome)
    assert.matches("another message", tostring(err))
    assert.equal(1, posts(sender))
    send("order-1", LOST)
    assert.equal(2, posts(sender))
  end)

  it("may post what was never sent", function()
    local journal = new_journal()
    local send_offline = with_journal(journal, own_sender(function() return err_of("not_sent") end))
    local _, err = send_offline("order-1")
    assert.equal("not_sent", err.outcome)
    local send, _, sender = with_journal(journal)
    assert.truthy(send("order-1"))
    assert.truthy(send("order-1"))
    assert.equal(1, posts(sender))
  end)

  it("may post after a refusal that is about the moment", function()
    for _, to in ipairs({ "+15550020100", "+15550042900", "+15550010009" }) do
      local send, _, sender = with_journal(nil)
      send("order-1", to)
      send("order-1", to)
      assert.equal(2, posts(sender), to)
    end
  end)

  -- By the status, by the code, whatever the status mostly, or since the sender says so.
  local PASSING = {
    { status = 401 }, { status = 402 }, { status = 403 }, { status = 429 },
    { status = 400, code = "20100" }, { status = 400, code = "10009" },
    { status = 429, code = "10011" }, { status = 503, retryable = true },
  }
  local LASTING = { { status = 400 }, { status = 404 }, { status = 422, code = "40300" }, {},
    { status = 400, code = "10011" } }

  for state, refusals in pairs({ free = PASSING, rejected = LASTING }) do
    it("finds the key " .. state .. " after such a refusal", function()
      for _, refusal in ipairs(refusals) do
        refusal.kind = "api"
        local journal, err = telnyx.journal.memory(), err_of("rejected", refusal)
        with_journal(journal, own_sender(function() return err end))("order-1")
        local about = tostring(refusal.status) .. " " .. tostring(refusal.code)
        assert.equal(state, journal:get("order-1").state, about)
      end
    end)
  end

  it("may post what was refused here, put right", function()
    local send, _, sender = with_journal(nil)
    local _, err = send("order-1", "nobody")
    assert.equal("invalid", err.kind)
    assert.truthy(send("order-1"))
    assert.equal(1, posts(sender))
  end)

  it("is counted as replayed in a run", function()
    local _, client = with_journal(nil)
    local list, keys = { ONE, ONE, ONE }, { "a", "b", "a" }
    local function key(i) return keys[i] end
    local counts = client:send_all(list, { key = key, concurrency = 1 })
    assert.same({ 3, 1 }, { counts.accepted, counts.replayed })
    counts = client:send_all(list, { key = key, concurrency = 1 })
    assert.same({ 3, 3 }, { counts.accepted, counts.replayed })
  end)
end)

describe_all("another message under a used key", function()
  -- Whatever is posted belongs to the message; two of these have one sum by the rule of old.
  local OTHERS = {
    { "another text", { text = "two" } },
    { "a text with the same sum", { text = "code BB" }, { text = "code Aa" } },
    { "another recipient", { to = "+18665550002" } },
    { "another sender", { from = "+18445550002" } },
    { "another time", { send_at = os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() + 7200) } },
    { "another webhook", { webhook_url = "https://example.com/other" } },
    { "another subject", { subject = "two" } },
    { "other media", { media_urls = { "https://example.com/b.png" } },
      { media_urls = { "https://example.com/a.png" } } },
    { "another extra", { extra = { future = { 1, 3 } } }, { extra = { future = { 1, 2 } } } },
  }

  local function one_with(fields)
    local message = {}
    for name, value in pairs(ONE) do message[name] = value end
    for name, value in pairs(fields or {}) do message[name] = value end
    return message
  end

  for _, row in ipairs(OTHERS) do
    it("is refused: " .. row[1], function()
      local sender = own_sender()
      local _, client = with_journal(nil, sender)
      assert(client:send(one_with(row[3]), { key = "order-1" }))
      assert(client:send(one_with(row[3]), { key = "order-1" }))
      local message, err = client:send(one_with(row[2]), { key = "order-1" })
      assert.is_nil(message)
      assert.equal("invalid", err.kind)
      assert.equal("not_sent", err.outcome)
      assert.matches("another message", err.detail)
      assert.equal(1, sender.posts)
    end)
  end

  it("is taken when nothing can have become of the first", function()
    local sender = own_sender(function(_, n) return n == 1 and err_of("not_sent") or nil end)
    local send = with_journal(nil, sender)
    send("order-1", GOOD, "one")
    assert.truthy(send("order-1", GOOD, "two"))
  end)
end)

describe_all("a key", function()
  it("is free of any meaning", function()
    local send, _, sender = with_journal(nil)
    local keys = { "a", "1:a", "2:a", "a#2", "%", "'; --", "?", "ключ", " ", ("k"):rep(255) }
    for _, key in ipairs(keys) do assert.truthy(send(key)) end
    for _, key in ipairs(keys) do assert.is_true(select(2, send(key)).replayed) end
    assert.equal(#keys, posts(sender))
  end)

  it("is a string that every journal can keep", function()
    local send, client = with_journal(nil)
    for _, key in ipairs({ "", ("k"):rep(256), "a\0b", "\255", 7, true }) do
      assert.has_error(function() send(key) end)
      local ok, why = pcall(client.send_all, client, { ONE }, { key = function() return key end })
      assert.is_false(ok)
      assert.matches("UTF%-8, 1 to 255 bytes", why)
    end
  end)
end)

describe_all("the row of a send", function()
  it("says who sends what since when, while it is on the wire", function()
    local journal, row = new_journal(), nil
    local sender = own_sender(function() row = journal:get("order-1") end)
    local _, client = with_journal(journal, sender)
    local before = core.now() - 0.001 -- whole milliseconds are kept
    assert(client:send(ONE, { key = "order-1", deadline = 20 }))
    assert.equal("sending", row.state)
    assert.equal(GOOD, row.to)
    assert.equal(core.process(), row.owner)
    assert.is_true(row.claimed_at >= before and row.claimed_at <= core.now() + 0.001)
    assert.is_true(row.expires >= row.claimed_at + 20)
    assert.equal(1, row.tries)
    local settled = journal:get("order-1")
    assert.equal("accepted", settled.state)
    assert.equal("m-1", settled.message_id)
    assert.equal(row.digest, settled.digest)
  end)

  it("is not there before the message's turn has come, however a run ends", function()
    local journal = new_journal()
    local _, client, sender = with_journal(journal)
    local n_sent = 0
    local function key(i) return "k" .. i end
    local list = {}
    for i = 1, 40 do list[i] = ONE end
    local ok, why = pcall(client.send_all, client, list, {
      rate = 10, concurrency = 16, key = key,
      on_result = function()
        n_sent = n_sent + 1
        assert(n_sent < 3, "enough")
      end,
    })
    assert.is_false(ok)
    assert.matches("enough", why)
    local counts = journal:counts()
    assert.equal(posts(sender), counts.accepted)
    assert.equal(0, counts.sending + counts.unknown)
    assert.is_true(posts(sender) < 16)
  end)

  it("is given back while a retry waits after a sure refusal", function()
    local journal, states = new_journal(), {}
    local sender = own_sender(function(_, n)
      states[#states + 1] = journal:get("order-1").state
      return n < 3 and err_of("rejected", { status = 429, retryable = true }) or nil
    end)
    function sender.sleep() states[#states + 1] = journal:get("order-1").state end
    local client = telnyx.new({ sender = sender, journal = journal })
    assert(client:send(ONE, { key = "order-1" }))
    assert.same({ "sending", "free", "sending", "free", "sending" }, states)
    assert.equal("accepted", journal:get("order-1").state)
  end)

  it("is kept while an unknown outcome is tried again", function()
    local journal, states = new_journal(), {}
    local sender = own_sender(function(_, n)
      return n < 2 and err_of("unknown", { retryable = true }) or nil
    end)
    function sender.sleep() states[#states + 1] = journal:get("order-1").state end
    local client = telnyx.new({ sender = sender, journal = journal, retry = { unknown = true } })
    assert(client:send(ONE, { key = "order-1" }))
    assert.same({ "sending" }, states)
  end)

  it("that another takes during such a wait is his, and he is told of", function()
    local journal = new_journal()
    local sender = own_sender(function() return err_of("rejected", { status = 429,
      retryable = true }) end)
    local other = own_sender()
    local send_other = with_journal(journal, other)
    function sender.sleep() send_other("order-1") end
    local client = telnyx.new({ sender = sender, journal = journal })
    local message, info = client:send(ONE, { key = "order-1" })
    assert.equal("m-1", message.id)
    assert.is_true(info.replayed)
    assert.is_nil(info.journal_error)
    assert.equal(1, #info.attempts)
    assert.same({ 1, 1 }, { sender.posts, other.posts })
  end)

  for _, begun in ipairs({ false, true }) do
    it("of a send that an error ended is " .. (begun and "unknown" or "free"), function()
      local journal = new_journal()
      local sender = {}
      function sender.send(_, _, limits)
        limits.begun = begun
        error("ended")
      end
      local client = telnyx.new({ sender = sender, journal = journal })
      assert.has_error(function() client:send(ONE, { key = "order-1" }) end)
      assert.equal(begun and "unknown" or "free", journal:get("order-1").state)
    end)
  end

  it("is the parent's, who goes on sending when a child has ended its copy", function()
    local journal, real = new_journal(), core.forks
    local sender = own_sender(function()
      rawset(core, "forks", function() return real() + 1 end)
      return err_of("not_sent")
    end)
    local send = with_journal(journal, sender)
    send("order-1")
    rawset(core, "forks", real)
    assert.equal("sending", journal:get("order-1").state)
  end)
end)

-- A sender with a clock of its own, which stands still but in its pauses; `pause` is told of each.
local function with_clock(sender, pause)
  local seconds = 1000
  function sender.monotonic() return seconds end
  function sender.sleep(_, nap)
    seconds = seconds + nap + (pause and pause() or 0)
  end
  return sender
end

describe("a wait", function()
  local real = core.forks

  -- As if this were the child from now on.
  local function fork()
    rawset(core, "forks", function() return real() + 1 end)
  end

  after_each(function() rawset(core, "forks", real) end)

  for _, key in ipairs({ "order-1", false }) do
    local about = key and "under a key" or "without one"

    it("for a retry leaves it to the parent after a fork, " .. about, function()
      local sender = with_clock(own_sender(function()
        return err_of("rejected", { status = 429, retryable = true })
      end), function()
        fork()
        return 0
      end)
      local client = telnyx.new({ sender = sender })
      local _, err = client:send(ONE, { key = key or nil })
      assert.equal("unknown", err.outcome)
      assert.matches("parent", err.cause)
      assert.equal(1, sender.posts)
    end)

    it("for a retry that took too long ends the send, " .. about, function()
      local sender = with_clock(own_sender(function()
        return err_of("rejected", { status = 429, retryable = true })
      end), function() return 100 end)
      local client = telnyx.new({ sender = sender })
      local _, err = client:send(ONE, { key = key or nil, deadline = 50 })
      assert.equal("rejected", err.outcome)
      assert.equal(429, err.status)
      assert.equal(1, sender.posts)
    end)

    it("for a turn leaves the message to the parent after a fork, " .. about, function()
      local sender = with_clock(own_sender(), function()
        fork()
        return 0
      end)
      local client, outcomes = telnyx.new({ sender = sender }), {}
      client:send_all({ ONE, ONE }, {
        rate = 1,
        key = function(i) return key and key .. i end,
        on_result = function(i, _, info) outcomes[i] = info.outcome end,
      })
      assert.same({ "accepted", "unknown" }, outcomes)
      assert.equal(1, sender.posts)
    end)

    it("for a turn takes nothing from the message's own time, " .. about, function()
      local sender = with_clock(own_sender())
      local client = telnyx.new({ sender = sender, deadline = 20 })
      local counts = client:send_all({ ONE, ONE, ONE }, {
        rate = 1 / 60,
        key = function(i) return key and key .. i end,
      })
      assert.equal(3, counts.accepted)
    end)
  end
end)

describe_all("a key whose send is not settled", function()
  it("is told to be in flight while it is", function()
    local journal, inner = new_journal(), nil
    local send_other, other_client, other = with_journal(journal)
    local sender = own_sender(function()
      inner = { select(2, send_other("order-1")), other_client:resolve("order-1", "not_sent") }
    end)
    local send = with_journal(journal, sender)
    assert(send("order-1"))
    local err = inner[1]
    assert.equal("unknown", err.outcome)
    assert.is_nil(err.replayed)
    assert.matches("under way for [%a%d ]+seconds? by [^ ]+/%d+: ask again when it has ended,"
      .. " in %d+ seconds at the latest", err.cause)
    assert.equal("sending", err.state)
    assert.is_nil(inner[2])
    assert.matches("still under way", inner[3])
    assert.equal(0, posts(other))
  end)

  -- Of what `send` sends.
  local function digest_in(journal)
    local send = with_journal(journal, own_sender())
    send("probe")
    return journal:get("probe").digest
  end

  -- Another machine's clock is ahead by as much.
  for _, row in ipairs({ { 0, "in flight" }, { 19, "in flight" }, { 45, "in flight" },
    { 70, "broken off" } }) do
    it(("is %s by a clock that is %d seconds ahead"):format(row[2], row[1]), function()
      local journal, real, err = telnyx.journal.memory(), core.now, nil
      local send_other = with_journal(journal)
      local _, client = with_journal(journal, own_sender(function()
        rawset(core, "now", function() return real() + row[1] end)
        err = select(2, send_other("order-1"))
        rawset(core, "now", real)
      end))
      assert(client:send(ONE, { key = "order-1", deadline = 20 }))
      assert.equal(row[2] == "in flight", err.cause:find("under way", 1, true) ~= nil, err.cause)
      assert.equal("accepted", journal:get("order-1").state)
    end)
  end

  it("is open where it waits in an outbox, to the same message and no other", function()
    local journal = telnyx.journal.memory()
    local digest = digest_in(journal)
    for key, its in pairs({ same = digest, other = ("d"):rep(64) }) do
      journals.memory.queue(journal, { key = key, digest = its, due = 0, created_at = 0 })
    end
    local send, _, sender = with_journal(journal)
    local _, err = send("other")
    assert.matches("another message", err.detail)
    assert.equal("queued", journal:get("other").state)
    assert(send("same"))
    assert.equal(1, posts(sender))
  end)

  local function broken_off(seconds_ago)
    local journal = new_journal()
    local digest = digest_in(journal)
    local at = core.now() - seconds_ago
    assert(journal:claim({ key = "order-1", digest = digest, to = GOOD, claim = ("c"):rep(32),
      owner = "mill/7", now = at, expires = at + 60 }))
    return journal
  end

  it("is said to be under way since one second, and for how long at most", function()
    local now = core.now
    finally(function() core.now = now end)
    function core.now() return 1.8e9 end
    local send = with_journal(broken_off(1))
    local _, err = send("order-1")
    assert.matches("under way for 1 second by mill/7: ask again when it has ended, in 59 seconds"
      .. " at the latest$", err.cause)
  end)

  for _, row in ipairs({ { 61, "61 seconds ago" }, { 100, "100 seconds ago" },
    { 600, "10 minutes ago" },
    { 3 * 3600, "3 hours ago" }, { 7 * 86400, "7 days ago" } }) do
    it("is told apart as broken off, with its age: " .. row[2], function()
      local journal = broken_off(row[1])
      local send, client, sender = with_journal(journal)
      local _, err = send("order-1")
      assert.equal("unknown", err.outcome)
      assert.truthy(err.cause:find(row[2] .. " by mill/7", 1, true), err.cause)
      assert.equal("unknown", journal:get("order-1").state)
      assert.equal(0, posts(sender))
      assert.is_true(client:resolve("order-1", "not_sent"))
      assert.truthy(send("order-1"))
    end)
  end

  it("can be resolved when it was broken off, before anybody has asked", function()
    local journal = broken_off(100)
    local _, client = with_journal(journal)
    assert.is_true(client:resolve("order-1", { id = "m-9" }))
    assert.equal("m-9", journal:get("order-1").message_id)
    journal = broken_off(100)
    _, client = with_journal(journal)
    assert.is_true(client:resolve("order-1", "not_sent"))
    assert.equal("free", journal:get("order-1").state)
  end)
end)

describe("a send that others have settled meanwhile", function()
  local function settled(outcome, method, message_id)
    local journal = telnyx.journal.memory()
    local send = with_journal(journal, own_sender(function()
      journal:reap({ now = core.now() + 1000 })
      assert(journal[method](journal, { key = "order-1", by = "Ada", now = core.now(),
        state = method == "settle" and "accepted" or nil, message_id = message_id,
        claim = method == "resend" and journal:get("order-1").claim or nil }))
      return outcome and err_of(outcome)
    end))
    local _, told = send("order-1")
    return told, journal:get("order-1")
  end

  it("is told of nothing where they have said the same, as a webhook that comes first", function()
    local told, row = settled(nil, "settle", "m-1")
    assert.equal("accepted", told.outcome)
    assert.is_nil(told.journal_error)
    assert.same({ "accepted", "m-1" }, { row.state, row.message_id })
  end)

  it("is told what is recorded already, where its client is closed by its claim", function()
    local message = { from = FROM, to = GOOD, text = "Hello" }
    local own, n = telnyx.journal.memory(), 0
    local sender = { send = function()
      n = n + 1
      return { id = "m" .. n }, { outcome = "accepted", status = 200 }
    end }
    local other = telnyx.new { sender = sender, journal = own }
    local client = telnyx.new { sender = sender, journal = own }
    local claim = own.claim
    function own.claim(...)
      own.claim = claim
      assert(other:send(message, { key = "k" }))
      client:close()
      return claim(...)
    end
    local sent, info = client:send(message, { key = "k" })
    assert.same({ "m1", "accepted", 1 }, { sent and sent.id, info.outcome, n })
  end)

  it("is told what came of it where its row is gone", function()
    local journal, client = telnyx.journal.memory(), nil
    local sender = own_sender(function()
      journal:reap({ now = core.now() + 1000 })
      assert(client:resolve("order-1", "not_sent"))
      core.sleep(0.01)
      assert.equal(1, journal:purge({ before = core.now() - 0.002 }))
    end)
    local send
    send, client = with_journal(journal, sender)
    local message, info = send("order-1")
    assert.equal("m-1", message and message.id)
    assert.matches("another has settled it", info.journal_error)
    assert.is_false((journal:get("order-1")))
  end)

  it("is told what came of it, and that this is not what stands there", function()
    local told, row = settled(nil, "settle", "m-9")
    assert.equal("accepted", told.outcome)
    assert.matches("another has settled it", told.journal_error)
    assert.equal("m-9", row.message_id)
    told, row = settled(nil, "resend")
    assert.equal("accepted", told.outcome)
    assert.matches("another has settled it", told.journal_error)
    assert.equal("free", row.state)
    told, row = settled("unknown", "settle", "m-9")
    assert.equal("unknown", told.outcome)
    assert.equal("m-9", row.message_id)
  end)
end)

describe("a run under keys", function()
  local ONE_MESSAGE = { from = FROM, to = GOOD, text = "x" }

  it("posts nothing of a client that was closed while the journal was asked", function()
    local n_posts, told, client = 0, nil, nil
    local own = telnyx.journal.memory()
    local get = own.get
    own.get = function(...)
      client:close()
      return get(...)
    end
    client = telnyx.new { journal = own, sender = { send = function()
      n_posts = n_posts + 1
      return { id = "m" }, {}
    end } }
    client:send_all({ ONE_MESSAGE }, { rate = 100, key = function() return "k" end,
      on_result = function(_, _, result) told = result.outcome end })
    assert.same({ 0, "not_sent" }, { n_posts, told })
  end)

  it("does not wait a second time for a journal that has taken long to say nothing", function()
    local real, time = core.monotonic, 0
    finally(function() rawset(core, "monotonic", real) end)
    for takes_s, n_asked in pairs { [0.1] = 2, [6] = 1 } do
      local n, own = 0, telnyx.journal.memory()
      own.finish = function()
        n, time = n + 1, time + takes_s
        return nil, "it is away"
      end
      local client = telnyx.new { journal = own, sender = { send = function()
        return { id = "m" }, {}
      end, monotonic = function() return 0 end } }
      rawset(core, "monotonic", function() return time end)
      local message, info = client:send(ONE_MESSAGE, { key = "k" })
      rawset(core, "monotonic", real)
      assert.same({ "m", "it is away", n_asked }, { message.id, info.journal_error, n })
    end
  end)

  it("has the time that the journal takes for the message's own", function()
    local time, seen = 0, nil
    local own = telnyx.journal.memory()
    local get = own.get
    own.get = function(...)
      time = time + 3
      return get(...)
    end
    local client = telnyx.new { journal = own, deadline = 10, timeout = 10, sender = {
      monotonic = function() return time end,
      send = function(_, _, limits)
        seen = limits.deadline
        return { id = "m" }, {}
      end } }
    client:send_all({ ONE_MESSAGE }, { rate = 100, key = function() return "k" end })
    assert.is_true(seen and seen < 8, seen)
  end)
end)

describe_all("resolve", function()
  it("says when there is nothing to settle", function()
    local send, client = with_journal(nil, own_sender(function() return err_of("not_sent") end))
    local ok, why = client:resolve("never used", "not_sent")
    assert.is_nil(ok)
    assert.matches("no such key", why)
    send("order-1")
    ok, why = client:resolve("order-1", "not_sent")
    assert.is_nil(ok)
    assert.matches("free", why)
  end)

  it("cannot undo or replace what was accepted", function()
    local send, client = with_journal(nil)
    local message = send("order-1")
    for _, other in ipairs({ { id = "m-2" }, false }) do
      local ok, why = client:resolve("order-1", other or "not_sent")
      assert.is_nil(ok)
      assert.matches("accepted", why)
    end
    assert.equal(message.id, send("order-1").id)
    assert.is_true(client:resolve("order-1", { id = message.id }))
  end)

  it("says that another was first, whoever looked first", function()
    for _, message in ipairs({ { id = "m-1" }, false }) do
      local journal = telnyx.journal.memory()
      local send, client = with_journal(journal)
      send("order-1", LOST)
      local get = journal.get
      function journal:get(key)
        local row = get(self, key)
        assert(self:settle({ key = key, state = "accepted", by = "webhook", now = core.now(),
          message_id = "m-9" }))
        self.get = get
        return row
      end
      local ok, why = client:resolve("order-1", message or "not_sent")
      assert.is_nil(ok)
      assert.matches("settled meanwhile", why)
      assert.equal("m-9", journal:get("order-1").message_id)
    end
  end)

  it("is content when the message's own sender was first with the same", function()
    local journal = telnyx.journal.memory()
    local send, client = with_journal(journal)
    send("order-1", LOST)
    local get = journal.get
    function journal:get(key)
      local row = get(self, key)
      self.get = get
      assert(self:settle({ key = key, state = "accepted", by = "worker", now = core.now(),
        message_id = "m-1" }))
      return row
    end
    assert.is_true(client:resolve("order-1", { id = "m-1" }))
  end)

  it("lets what was sent without an outbox be sent, whoever withdraws it", function()
    local send, client = with_journal(nil)
    send("order-1", LOST)
    assert.is_true(client:resolve("order-1", "withdrawn"))
    assert.is_true(client:resolve("order-1", { id = "m-1" })) -- a webhook knows better
    assert.is_nil((client:resolve("order-1", "withdrawn")))
    send("order-2", LOST)
    assert.is_true(client:resolve("order-2", "withdrawn"))
    local _, err = send("order-2", LOST)
    assert.same({ "unknown", nil }, { err.outcome, err.replayed })
  end)

  it("hears of a message although somebody has said that there is none", function()
    local send, client = with_journal(nil)
    send("order-1", LOST)
    assert.is_true(client:resolve("order-1", "not_sent"))
    assert.is_true(client:resolve("order-1", { id = "m-1" }))
    local message, info = send("order-1", LOST)
    assert.equal("m-1", message.id)
    assert.is_true(info.replayed)
  end)

  it("takes no message that is to somebody else, or came in", function()
    local send, client = with_journal(nil)
    send("order-1", LOST)
    for _, form in ipairs({ "+19999999999", { { phone_number = "+19999999999" } } }) do
      local ok, why = client:resolve("order-1", { id = "m-1", to = form })
      assert.is_nil(ok)
      assert.matches("to %+19999999999, and not to %+1", why)
    end
    local ok, why = client:resolve("order-1", { id = "m-1", direction = "inbound" })
    assert.is_nil(ok)
    assert.matches("came in", why)
    assert.equal("unknown", select(2, send("order-1", LOST)).outcome)
    assert.is_true(client:resolve("order-1", { id = "m-1", direction = "outbound",
      to = { { phone_number = LOST } } }))
  end)

  -- What was purged is forgotten, and its webhook may come all the same.
  it("takes no message from before its key was used, but for a day of clocks", function()
    local send, client = with_journal(nil)
    send("order-1", LOST)
    local function message(seconds_ago)
      return { id = "m-1", received_at = os.date("!%Y-%m-%dT%H:%M:%S.401+00:00",
        os.time() - seconds_ago) }
    end
    local ok, why = client:resolve("order-1", message(86500))
    assert.is_nil(ok)
    assert.matches("from before this key was used: 20", why)
    assert.equal("unknown", select(2, send("order-1", LOST)).outcome)
    assert.is_true(client:resolve("order-1", message(86300)))
  end)

  it("takes a message whose time says nothing", function()
    for i, odd in ipairs({ 7, "yesterday", "", {}, "2020-13-01T00:00:00Z" }) do
      local send, client = with_journal(nil)
      send("order-" .. i, LOST)
      assert.is_true(client:resolve("order-" .. i, { id = "m-1", received_at = odd }))
    end
  end)

  it("is told all or nothing", function()
    local _, client = with_journal(nil)
    assert.has_error(function() client:resolve("order-1") end)
    assert.has_error(function() client:resolve("order-1", nil) end) -- a webhook without a message
    for _, unfit in ipairs({ "m-1", false, true }) do
      assert.has_error(function() client:resolve("order-1", unfit) end)
    end
    for _, odd in ipairs({ {}, { id = 7 }, { id = "" } }) do -- a webhook's, from anywhere
      assert.same({ nil, "this is no message: it has no id" }, { client:resolve("order-1", odd) })
    end
    assert.has_error(function() client:resolve(7, "not_sent") end)
    for _, word in ipairs({ "not_sent", "withdrawn" }) do
      assert.has_error(function() client:resolve("order-1", { id = word }) end)
    end
  end)
end)

describe_all("a journal that fails", function()
  local function down() return nil, "disk full" end
  local function raises() error("disk full") end

  for name, fail in pairs({ says = down, raises = raises }) do
    it("before the wire stops the send; claim " .. name, function()
      local send, _, sender = with_journal(failing("claim", fail))
      local message, err = send("order-1")
      assert.is_nil(message)
      assert.equal("not_sent", err.outcome)
      assert.matches("disk full", tostring(err))
      assert.equal(0, posts(sender))
    end)

    it("before the turn stops the send; get " .. name, function()
      local _, client, sender = with_journal(failing("get", fail))
      local told
      client:send_all({ ONE }, {
        rate = 10,
        key = function() return "order-1" end,
        on_result = function(_, _, err) told = err end,
      })
      assert.equal("not_sent", told.outcome)
      assert.matches("disk full", tostring(told))
      assert.equal(0, posts(sender))
    end)

    it("after the wire loses no outcome; finish " .. name, function()
      local send, client, sender = with_journal(failing("finish", fail))
      local message, info = send("order-1")
      assert.truthy(message.id)
      assert.matches("disk full", info.journal_error)
      local _, err = send("order-1")
      assert.equal("unknown", err.outcome)
      assert.matches("under way", err.cause)
      assert.is_nil((client:resolve("order-1", "not_sent")))
      assert.equal(1, posts(sender))
    end)

    it("to take a key back says so; release " .. name, function()
      local send = with_journal(failing("release", fail),
        own_sender(function() return err_of("not_sent") end))
      local _, err = send("order-1")
      assert.equal("not_sent", err.outcome)
      assert.matches("disk full", err.journal_error)
    end)

    it("to settle says so; " .. name, function()
      local journal = new_journal()
      local send, client = with_journal(journal)
      send("order-1", LOST)
      journal.settle, journal.resend = fail, fail
      for _, message in ipairs({ { id = "m-1" }, false }) do
        local ok, why = client:resolve("order-1", message or "not_sent")
        assert.is_nil(ok)
        assert.matches("disk full", why)
      end
      journal.get = fail
      local ok, why = client:resolve("order-1", "not_sent")
      assert.is_nil(ok)
      assert.matches("disk full", why)
    end)
  end

  it("and takes all the time there was lets nothing out", function()
    local journal = new_journal()
    local claim = journal.claim
    function journal:claim(...)
      core.sleep(0.3)
      return claim(self, ...)
    end
    local _, client, sender = with_journal(journal)
    local _, err = client:send(ONE, { key = "order-1", deadline = 0.3 })
    assert.equal("not_sent", err.outcome)
    assert.matches("journal", err.cause)
    assert.equal("free", journal:get("order-1").state)
    assert.equal(0, posts(sender))
  end)
end)

-- What comes back under a key is what was told first, whatever the service or a sender has said.
describe("an outcome that is known", function()
  local function replies(name, message, info)
    it("is recorded with " .. name, function()
      local sender = own_sender()
      function sender:send()
        self.posts = self.posts + 1
        return message, info
      end
      local journal = telnyx.journal.memory()
      local send = with_journal(journal, sender)
      local first, told = send("order-1")
      assert.is_nil(told.journal_error)
      assert.equal(told.outcome, journal:get("order-1").state)
      local again, info_again = send("order-1")
      assert.equal(told.outcome, info_again.outcome)
      assert.equal(first and first.id, again and again.id)
      assert.equal(1, sender.posts)
    end)
  end

  replies("text that is no UTF-8", { id = "m-1", text = "caf\233" }, { status = 200 })
  replies("an empty id", { id = "" }, { status = 200 })
  replies("an id of 256 bytes", { id = ("m"):rep(256) }, { status = 200 })
  replies("a status of text", { id = "m-1" }, { status = "200" })
  replies("a refusal that is no UTF-8", nil, err_of("rejected", { status = 422, cause = "\233" }))
  replies("a refusal with a status of text", nil, err_of("rejected", { status = "422" }))

  it("by a webhook, to the journal, is told with its id", function()
    local journal = telnyx.journal.memory()
    local send = with_journal(journal, own_sender(function() return err_of("unknown") end))
    send("order-1")
    assert(journal:settle({ key = "order-1", state = "accepted", by = "webhook", now = core.now(),
      message_id = "m-9" }))
    local message, info = send("order-1")
    assert.equal("accepted", info.outcome)
    assert.equal("m-9", message and message.id)
  end)

  it("by a webhook, before the reply has come, is taken", function()
    local journal, client = telnyx.journal.memory(), nil
    local sender = own_sender(function()
      assert.is_true(client:resolve("order-1", { id = "m-1" }))
    end)
    client = telnyx.new({ sender = sender, journal = journal, retry = false })
    assert(client:send(ONE, { key = "order-1" }))
    assert.equal("m-1", journal:get("order-1").message_id)
  end)

  it("as never sent is not lost where the claim had been given up", function()
    local journal = telnyx.journal.memory()
    local send = with_journal(journal, own_sender(function()
      assert(journal:reap({ now = core.now() + 1000 }))
      return err_of("not_sent")
    end))
    local _, err = send("order-1")
    assert.equal("not_sent", err.outcome)
    assert.is_true(journal:get("order-1").state == "free" or err.journal_error ~= nil)
  end)

  it("as refused stays so, where the key cannot be given back for the pause", function()
    local journal = telnyx.journal.memory()
    local n_releases, release = 0, journal.release
    function journal:release(...)
      n_releases = n_releases + 1
      if n_releases <= 2 then return nil, "disk full" end
      return release(self, ...)
    end
    local sender = own_sender(function(_, n)
      return n == 1 and err_of("rejected", { status = 429, retryable = true }) or nil
    end)
    function sender.sleep() end
    local client = telnyx.new({ sender = sender, journal = journal })
    local _, info = client:send(ONE, { key = "order-1" })
    assert.not_equal("unknown", info.outcome)
  end)
end)

describe_all("a refusal", function()
  it("is recorded whatever the sender's code for it is", function()
    for i, code in ipairs { 40300, "", "\255", ("x"):rep(300), { "40300" }, true } do
      local sender = own_sender(function()
        return err_of("rejected", { kind = "api", status = 400, code = code })
      end)
      local send = with_journal(nil, sender)
      local _, first = send("order-" .. i)
      assert.is_nil(first.journal_error)
      local _, again = send("order-" .. i)
      assert.equal("rejected", again.outcome)
      assert.is_true(again.replayed)
      assert.equal(1, sender.posts)
    end
  end)
end)

describe_all("a key that another send gives back as it is claimed", function()
  it("is not claimed, and nothing of it is sent", function()
    local journal = new_journal()
    local send, _, sender = with_journal(journal)
    local claim = journal.claim
    function journal:claim(c)
      self.claim = claim
      return false, { key = c.key, state = "free", digest = c.digest, tries = 1 }
    end
    local _, err = send("order-1")
    assert.equal("not_sent", err.outcome)
    assert.equal(0, posts(sender))
    assert.is_table((send("order-1")))
  end)
end)

describe("a journal that keeps no replies", function()
  setup(function() journals.shared.start() end)
  teardown(function() journals.shared.stop() end)

  it("tells a refusal by its code, in the catalogue's words", function()
    local send = with_journal(journals.shared.open())
    local _, first = send("order-1", STOPPED)
    local _, again = send("order-1", STOPPED)
    assert.is_true(again.replayed)
    for _, name in ipairs { "outcome", "code", "class", "advice", "status" } do
      assert.equal(first[name], again[name], name)
    end
  end)

  it("keeps a refusal whose code is too long for it", function()
    local sender = own_sender(function()
      return err_of("rejected", { kind = "api", status = 400, code = "a code of another service" })
    end)
    local send = with_journal(journals.shared.open(), sender)
    local _, first = send("order-1")
    assert.is_nil(first.journal_error)
    local _, again = send("order-1")
    assert.equal("rejected", again.outcome)
    assert.is_true(again.replayed)
    assert.equal(1, sender.posts)
  end)
end)

describe("the option 'journal'", function()
  it("takes an object with a journal's methods", function()
    assert.has_error(function() telnyx.new({ api_key = "K", journal = {} }) end)
    assert.has_error(function() telnyx.new({ api_key = "K", journal = "sent.db" }) end)
    local journal = setmetatable({}, { __index = telnyx.journal.memory() })
    assert(telnyx.new({ api_key = "K", journal = journal }))
  end)

  it("is the client's own memory when it is left out", function()
    local sender = sandbox.sender()
    for n_posts = 1, 2 do
      local client = telnyx.new({ sender = sender, retry = false })
      for _ = 1, 2 do assert(client:send(ONE, { key = "order-1" })) end
      assert.equal(n_posts, posts(sender))
    end
  end)

  it("takes none that lacks a method", function()
    for _, method in ipairs({ "get", "claim", "finish", "release", "reap", "settle", "resend" }) do
      local journal = setmetatable({ [method] = false }, { __index = telnyx.journal.memory() })
      assert.has_error(function() telnyx.new({ api_key = "K", journal = journal }) end)
    end
  end)
end)
