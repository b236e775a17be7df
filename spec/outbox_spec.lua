-- The outbox: what is added is sent once, by whoever takes it, or is unknown; over each database,
-- and with a sender of the spec's own where it has to say what the service would not.

local core = require "telnyx.core"
local journals = require "spec.support.journals"
local process = require "spec.support.process"
local sandbox = require "telnyx.sandbox"
local reference = require "telnyx.send.reference"
local telnyx = require "telnyx"
local timed_service = require "spec.support.timed_service"

local FROM, TO = "+18445550001", "+18665550001"

local function message(text, from)
  return { from = from or FROM, to = TO, text = text or "hello" }
end

-- Says what it is told to, in order, and accepts otherwise; keeps what was posted. Its clock moves
-- only when somebody waits.
local function own_sender(answers)
  local sender = { posted = {}, time = 1000, bodies = {} }
  function sender:send(sent, limits)
    self.posted[#self.posted + 1] = sent.text
    self.bodies[#self.bodies + 1] = limits.body
    self.last = sent
    local answer = table.remove(answers or {}, 1)
    if type(answer) == "function" then answer = answer(sent) end
    if answer then return nil, answer end
    return { id = "m-" .. #self.posted }, { outcome = "accepted", status = 200 }
  end
  function sender:monotonic() return self.time end
  function sender:sleep(seconds) self.time = self.time + seconds end
  return sender
end

local REFUSED = { outcome = "rejected", kind = "api", status = 400, code = "40300",
  retryable = false }
local BUSY = { outcome = "rejected", kind = "api", status = 429, code = "10011", retryable = true,
  retry_after = 20 }
local BUSY_SENDER = { outcome = "rejected", kind = "api", status = 429, code = "40318",
  retryable = true, retry_after = 20 }
local DOWN = { outcome = "not_sent", kind = "connection", retryable = true, cause = "no service" }
local PAGE = { outcome = "rejected", kind = "protocol", status = 404, retryable = false,
  cause = "the answer is not JSON" }
local BROKEN = { outcome = "unknown", kind = "connection", retryable = false, cause = "cut" }
local NO_KEY = { outcome = "rejected", kind = "api", status = 401, code = "10009",
  retryable = false }

local function copy(t)
  local own = {}
  for k, v in pairs(t) do own[k] = v end
  return own
end

for _, candidate in ipairs { journals.sqlite, journals.query, journals.postgres } do
  describe("an outbox in " .. candidate.name, function()
    local journal, client, box, sender, results

    setup(function() if candidate.start then candidate.start() end end)
    teardown(function() if candidate.stop then candidate.stop() end end)

    local function open(answers, options)
      sender, results = own_sender(answers), {}
      local given = copy(options or {})
      given.sender, given.journal = given.sender or sender, journal
      client = telnyx.new(given)
      box = telnyx.outbox(client)
    end

    before_each(function()
      journal = candidate.open()
    end)
    after_each(function()
      client:close()
      journal:close()
    end)

    local function run(changes)
      local options = { until_empty = true, on_result = function(row, sent, result)
        results[#results + 1] = row.key .. " " .. (sent and sent.id or result.outcome)
      end }
      for name, value in pairs(changes or {}) do options[name] = value end
      return box:run(options)
    end

    local function add(n)
      for i = 1, n do assert.is_true(box:add(message("text " .. i), { key = "k" .. i })) end
    end

    -- One of each.
    local function add_of_senders(n)
      for i = 1, n do
        local from = ("+1844555%04d"):format(i)
        assert.is_true(box:add(message("text " .. i, from), { key = "k" .. i }))
      end
    end

    -- Adding ------------------------------------------------------------------------------------

    it("sends what was added, once and in order, and says what became of it", function()
      open()
      add(3)
      assert.same({}, sender.posted)
      local counts = run { concurrency = 1 }
      assert.same({ "text 1", "text 2", "text 3" }, sender.posted)
      assert.same({ "k1 m-1", "k2 m-2", "k3 m-3" }, results)
      assert.same({ total = 3, accepted = 3, rejected = 0, unknown = 0, requeued = 0, reaped = 0,
        ended = "empty" }, counts)
      run()
      assert.equal(3, #sender.posted)
      local row = journal:get("k2")
      assert.equal("accepted", row.state)
      assert.equal("m-2", row.message_id)
    end)

    it("adds once, whatever is added again, and refuses another message", function()
      open()
      add(1)
      local is_added, row = box:add(message("text 1"), { key = "k1" })
      assert.is_false(is_added)
      assert.equal("queued", row.state)
      local nothing, err = box:add(message("another"), { key = "k1" })
      assert.is_nil(nothing)
      assert.same({ "not_sent", "invalid", "queued" }, { err.outcome, err.kind, err.state })
      assert.matches("another message", tostring(err))
      run()
      is_added, row = box:add(message("text 1"), { key = "k1" })
      assert.is_false(is_added)
      assert.equal("accepted", row.state)
      run()
      assert.equal(1, #sender.posted)
    end)

    it("refuses at once what would be refused without sending", function()
      open(nil, { max_parts = 1 })
      local nothing, err = box:add({ from = FROM, to = "86", text = "x" }, { key = "k" })
      assert.is_nil(nothing)
      assert.equal("40310", err.code)
      assert.equal("to_shape", err.rule)
      nothing, err = box:add(message(("x"):rep(200)), { key = "k" })
      assert.is_nil(nothing)
      assert.equal("max_parts", err.code)
      assert.is_true(box:add(message(("x"):rep(200)), { key = "k", max_parts = 2 }))
    end)

    it("lets through what is accepted, and tells what there is to warn of", function()
      open(nil, { accept = { to_shape = true } })
      local bad = { from = FROM, to = "86", text = "x" }
      local is_added, warnings = box:add(bad, { key = "k" })
      assert.is_true(is_added)
      assert.equal("to_shape", warnings[1].rule)
      assert.is_true(warnings[1].let_through)
      assert.is_string(warnings[1].title)
      assert.is_nil(select(2, box:add(message(), { key = "plain" })))
      assert.is_nil((box:add(bad, { key = "k2", accept = { to_shape = false } })))
      local sql, _, _, told = box:statement({ from = FROM, to = FROM, text = "x" }, { key = "k4" })
      assert.is_string(sql)
      assert.equal("to_is_from", told[1].rule)
      assert.is_nil((box:add({ from = FROM, to = FROM, text = "x" },
        { key = "k5", strict = true })))
      run()
      assert.equal(2, #sender.posted)
    end)

    it("says of what was added that it is there, though it would be refused by now", function()
      open(nil, { accept = { to_shape = true } })
      local at = os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() + 600)
      local dated, bad = message(), { from = FROM, to = "86", text = "x" }
      dated.send_at = at
      assert.is_true(box:add(dated, { key = "dated" }))
      assert.is_true(box:add(bad, { key = "bad" }))
      local strict = telnyx.new { sender = sender, journal = journal }
      local other = strict:outbox()
      local is_added, row = other:add(bad, { key = "bad" })
      assert.is_false(is_added)
      assert.equal("queued", row.state)
      run()
      is_added, row = other:add(bad, { key = "bad" })
      assert.is_false(is_added)
      assert.equal("accepted", row.state)
      assert.equal(2, #sender.posted)
      assert.is_string((other:statement(bad, { key = "bad" })))
      local refused, err = other:add(bad, { key = "another" })
      assert.is_nil(refused)
      assert.equal("to_shape", err.rule)
      bad.text = "y"
      refused, err = other:add(bad, { key = "bad" })
      assert.is_nil(refused)
      assert.equal("to_shape", err.rule)
      strict:close()
    end)

    it("does not add again what was taken back and would be refused by now", function()
      open(nil, { accept = { to_shape = true } })
      local bad = { from = FROM, to = "86", text = "x" }
      assert.is_true(box:add(bad, { key = "k" }))
      assert.is_true(box:withdraw("k"))
      local strict = telnyx.new { sender = sender, journal = journal }
      local refused, err = strict:outbox():add(bad, { key = "k" })
      assert.is_nil(refused)
      assert.equal("to_shape", err.rule)
      run()
      assert.equal(0, #sender.posted)
      strict:close()
    end)

    it("is sent as it was let through, by a sender that judges again", function()
      open(nil, { accept = { to_shape = true } })
      assert.is_true(box:add({ from = FROM, to = "86", text = "x" }, { key = "k" }))
      local inner, outcomes = sandbox.sender(), {}
      local wrapper = { send = function(_, m, limits) return inner:send(m, limits) end }
      local worker = telnyx.new { sender = wrapper, journal = journal }
      worker:outbox():run { until_idle = true, on_result = function(_, _, told)
        outcomes[#outcomes + 1] = told.outcome .. " " .. tostring(told.source)
      end }
      assert.same({ "rejected service" }, outcomes) -- it got there
      worker:close()
    end)

    it("keeps a recipient that no database takes out of the row", function()
      open(nil, { accept = { to_shape = true } })
      assert.is_true(box:add({ from = FROM, to = "8665\0" .. "550001", text = "x" }, { key = "k" }))
      run()
      assert.equal(1, #sender.posted)
      assert.is_nil(assert(journal:get("k")).to)
    end)

    it("keeps what is posted: defaults, extra fields and lists are those of the adding", function()
      open(nil, { defaults = { from = FROM, webhook_url = "https://example.org/x" } })
      local given = { to = TO, text = "é", media_urls = { "https://example.org/a.png" },
        extra = { tags = { "a", "b" }, depth = { n = 7 } } }
      assert.is_true(box:add(given, { key = "k" }))
      given.text, given.extra.tags[1] = "changed", "changed"
      run()
      assert.same({ from = FROM, to = TO, text = "é", media_urls = { "https://example.org/a.png" },
        webhook_url = "https://example.org/x?" .. reference.of("k", journal:get("k").claim),
        extra = { tags = { "a", "b" }, depth = { n = 7 } } }, sender.last)
    end)

    it("posts no reference with what was added without one", function()
      open(nil, { defaults = { from = FROM, webhook_url = "https://example.org/x" } })
      assert.is_true(box:add({ to = TO, text = "a" }, { key = "k", reference = false }))
      run()
      assert.equal("https://example.org/x", sender.last.webhook_url)
    end)

    it("sends not before a message's time, and what is due before the rest", function()
      open()
      local now = os.time()
      assert.is_true(box:add(message("in a minute"), { key = "a", at = now + 60 }))
      assert.is_true(box:add(message("in a while"), { key = "b", at = now + 30 }))
      assert.is_true(box:add(message("at once"), { key = "c" }))
      local started_at, times = sender.time, {}
      run { on_result = function(row) times[row.key] = sender.time - started_at end }
      assert.same({ "at once", "in a while", "in a minute" }, sender.posted)
      assert.is_true(times.c < 5, times.c)
      assert.is_true(times.b > 25 and times.b < 40, times.b)
      assert.is_true(times.a > 55 and times.a < 70, times.a)
    end)

    it("says how many wait, how many of them are due, and since when", function()
      open()
      assert.same({ total = 0, due = 0 }, box:backlog())
      local now = os.time()
      for i, at in ipairs { now + 3600, now - 60, now - 7200 } do
        assert.is_true(box:add(message("text " .. i), { key = "k" .. i, at = at }))
      end
      assert.same({ total = 3, due = 2, first_due = now - 7200 }, box:backlog())
      assert.same({ total = 3, due = 2, first_due = now - 7200 }, journal:backlog())
      assert.matches("no outbox", select(2, telnyx.journal.memory():backlog()))
      run { until_idle = true, until_empty = false }
      assert.same({ total = 1, due = 0, first_due = now + 3600 }, box:backlog())
      journal:close()
      local backlog, why = box:backlog()
      assert.is_nil(backlog)
      assert.matches("the journal is closed", why)
    end)

    it("takes a key that a send has given back, and no key that one has used", function()
      open { copy(DOWN), [2] = nil }
      client:send(message("text 1"), { key = "k1", retry = false })
      assert.equal("free", journal:get("k1").state)
      assert.is_true(box:add(message("text 1"), { key = "k1" }))
      assert(client:send(message("text 2"), { key = "k2" }))
      assert.is_false((box:add(message("text 2"), { key = "k2" })))
      run()
      assert.same({ "text 1", "text 2", "text 1" }, sender.posted)
    end)

    it("has its messages sent by `send`, too, if that comes first", function()
      open()
      add(2)
      assert.equal("m-1", client:send(message("text 2"), { key = "k2" }).id)
      run()
      assert.same({ "text 2", "text 1" }, sender.posted)
    end)

    -- Ends ---------------------------------------------------------------------------------------

    it("tells of a refusal for good and of an unknown, and sends neither again", function()
      open { copy(REFUSED), copy(BROKEN) }
      add(3)
      local counts = run { concurrency = 1 }
      assert.same({ "k1 rejected", "k2 unknown", "k3 m-3" }, results)
      assert.same({ total = 3, accepted = 1, rejected = 1, unknown = 1, requeued = 0, reaped = 0,
        ended = "empty" }, counts)
      assert.equal("unknown", journal:get("k2").state)
      run()
      assert.equal(3, #sender.posted)
    end)

    it("sends later what was refused for the moment, when the service says", function()
      open { copy(BUSY) }
      add(1)
      local started_at = sender.time
      local counts = run()
      assert.same({ "text 1", "text 1" }, sender.posted)
      assert.same({ "k1 m-2" }, results)
      assert.equal(1, counts.requeued)
      assert.is_true(sender.time - started_at >= 20)
      assert.equal(2, journal:get("k1").tries)
    end)

    it("tells what waits again, why and for how long, and the attempts by their keys", function()
      local told, rows = {}, {}
      open({ copy(BUSY), copy(DOWN), copy(NO_KEY) },
        { log = function(row) rows[#rows + 1] = row end })
      assert.is_true(box:add(message(), { key = "k1", campaign = "spring" }))
      run { on_requeue = function(row, err) told[#told + 1] = { row, err } end }
      assert.same({ key = "k1", to = TO, campaign = "spring", tries = 1, wait = 20 }, told[1][1])
      assert.equal("10011", told[1][2].code)
      assert.equal(2, told[2][1].tries)
      assert.is_true(told[2][1].wait > 0)
      assert.equal("no service", told[2][2].cause)
      assert.is_nil(told[3][1].wait) -- it is due when it was
      assert.equal("10009", told[3][2].code)
      assert.same({}, results)
      assert.equal(3, #rows)
      for _, row in ipairs(rows) do assert.equal("k1", row.key) end
    end)

    it("with until_idle ends when nothing is due, or while it is paused", function()
      open { copy(BUSY_SENDER) }
      add(1)
      assert.is_true(box:add(message("text 2", "+13125550001"), { key = "k2" }))
      assert.is_true(box:add(message("later"), { key = "later", at = core.now() + 3600 }))
      local started_at = sender.time
      local counts = run { concurrency = 1, until_empty = false, until_idle = true,
        sender_rates = { long_code = 100, toll_free = 100 } }
      assert.equal(1, counts.accepted)
      assert.equal(1, counts.requeued)
      assert.equal("idle", counts.ended)
      table.sort(sender.posted)
      assert.same({ "text 1", "text 2" }, sender.posted)
      assert.is_true(sender.time - started_at < 20)
      assert.equal(2, journal:counts().queued)
      assert.is_true(box:add(message("paused"), { key = "paused" }))
      assert.is_true(box:pause())
      assert.equal("paused", run({ until_empty = false, until_idle = true }).ended)
      assert.equal(2, #sender.posted)
      box:resume()
      run { until_empty = false, until_idle = true }
      assert.equal("paused", sender.posted[3])
      assert.equal("queued", journal:get("later").state)
    end)

    it("says that a refusal is an old one, and which key is no key", function()
      open { copy(REFUSED) }
      add(1)
      run()
      local _, err = client:send(message("text 1"), { key = "k1" })
      assert.matches("^rejected before %(400%)", tostring(err))
      for _, key in ipairs { "", ("x"):rep(256), "\255" } do
        local nothing, why = box:withdraw(key)
        assert.is_nil(nothing)
        assert.matches("no key is like this", tostring(why))
      end
    end)

    for _, patience in ipairs { 0, 0.01 } do
      it("asks ever less where the service asks for hardly any patience: " .. patience, function()
        local answers = {}
        for i = 1, 8 do
          answers[i] = copy(BUSY)
          answers[i].retry_after = patience
        end
        open(answers)
        add(1)
        local started_at = sender.time
        assert.equal(8, run({ concurrency = 1 }).requeued)
        assert.is_true(sender.time - started_at > 10)
      end)
    end

    it("waits for no earlier outage in the next one", function()
      local answers = {}
      for i = 1, 10 do answers[i] = i ~= 9 and copy(DOWN) or false end
      open(answers)
      add(1)
      local own = box:start()
      repeat own:step(1) until own.counts.accepted == 1
      assert.is_true(box:add(message("text 2"), { key = "k2" }))
      local started_at = sender.time
      repeat own:step(1) until own.counts.accepted == 2
      assert.equal(9, own.counts.requeued)
      assert.is_true(sender.time - started_at < 5, sender.time - started_at)
    end)

    it("knows when the next is due, however seldom it looks", function()
      open()
      assert.is_true(box:add(message(), { key = "k1", at = core.now() + 60 }))
      local started_at = sender.time
      run { poll = 1000 }
      assert.is_true(sender.time - started_at < 70, sender.time - started_at)
    end)

    it("says each time that the journal is away, also where nothing is due", function()
      open()
      local query, told = journal.keeper.query, {}
      local own = box:start { poll = 0.1, on_trouble = function(why) told[#told + 1] = why end }
      for _ = 1, 3 do
        journal.keeper.query = function() return nil, "the connection broke" end
        for _ = 1, 5 do own:step(1) end
        journal.keeper.query = query
        for _ = 1, 50 do own:step(1) end
        assert.is_nil(own.trouble)
      end
      assert.equal(3, #told)
    end)

    it("burns nothing where it is not the service that answers", function()
      open { copy(PAGE), copy(PAGE), copy(PAGE) }
      add(2)
      local started_at = sender.time
      local counts = run { concurrency = 1, sender_rates = { toll_free = 1000 } }
      assert.equal(2, counts.accepted)
      assert.equal(3, counts.requeued)
      assert.equal(0, counts.rejected)
      assert.is_true(sender.time - started_at > 1) -- everybody waits
    end)

    it("with until_idle ends where it would wait for long, or the journal is away", function()
      local patient = copy(BUSY)
      patient.retry_after = 3000
      open { patient }
      add(2)
      local started_at = sender.time
      run { concurrency = 1, until_empty = false, until_idle = true }
      assert.is_true(sender.time - started_at < 60)
      assert.equal(2, journal:counts().queued)
      local query = journal.keeper.query
      journal.keeper.query = function() return nil, "the connection broke" end
      local counts = run { until_empty = false, until_idle = true }
      journal.keeper.query = query
      assert.matches("the connection broke", counts.trouble)
      assert.equal("trouble", counts.ended)
      assert.equal(1, #sender.posted)
    end)

    it("with until_idle says why it ended, and not what it has got over before", function()
      local begun = {}
      sender = { time = 0 }
      function sender:monotonic() return self.time end
      function sender.send() error("it can be stepped") end
      function sender:start(sent, _, owner)
        begun[#begun + 1] = { owner = owner, text = sent.text, at = self.time + #begun * 5 }
        local at, own = begun[#begun].at, self
        return {
          done = function() return own.time >= at end,
          result = function() return { id = sent.text }, { outcome = "accepted", status = 200 } end,
        }
      end
      function sender:step(seconds)
        self.time = self.time + math.max(seconds, 0.001)
        return #begun
      end
      function sender:finished()
        for i, one in ipairs(begun) do
          if one.at <= self.time then return table.remove(begun, i).owner end
        end
      end
      open(nil, { sender = sender })
      add(4)
      local query, told = journal.keeper.query, 0
      local function away() return nil, "the connection broke", true end
      local counts = run { concurrency = 2, until_empty = false, until_idle = true,
        on_trouble = function(why)
          told = told + (why and 1 or 0)
          journal.keeper.query = query
        end,
        on_result = function() if told == 0 then journal.keeper.query = away end end }
      assert.equal(1, told)
      assert.equal(4, counts.accepted)
      assert.equal("empty", counts.ended)
      assert.is_nil(counts.trouble)
    end)

    it("tells of what dead workers left, and not of sends that were nobody's", function()
      open()
      add(1)
      local past = core.now() - 1000
      assert(journal:queue():take { limit = 1, claim = "dead", now = core.now(), owner = "vm/1",
        expires = past + 1 })
      assert.is_true(journal:claim { key = "direct", digest = "d", claim = "d", now = past,
        expires = past + 1 })
      local told = {}
      local counts = run { on_result = function(row, sent, err)
        told[#told + 1] = { row.key, row.to, row.tries, sent, err.outcome, tostring(err) }
      end }
      assert.equal(2, counts.reaped)
      assert.equal(1, #told)
      assert.same({ "k1", TO, 1, nil, "unknown" }, { told[1][1], told[1][2], told[1][3], nil,
        told[1][5] })
      assert.matches("a worker that has died", told[1][6])
    end)

    -- Rows that were taken long ago, by nobody who lives.
    local function leave_behind(n)
      add(n)
      for i = 1, n do
        assert(journal:queue():take { limit = 1, claim = "dead" .. i, now = core.now(),
          owner = "vm/1", expires = core.now() - 1000 })
      end
    end

    it("tells of what dead workers left though the answer is lost, or others look first", function()
      open()
      leave_behind(3)
      assert.is_true(client:resolve("k1", "not_sent")) -- it meets its own row only
      assert.equal("sending", journal:get("k2").state)
      assert.equal("unknown", select(2, client:send(message("text 2"), { key = "k2" })).outcome)
      assert.equal("sending", journal:get("k3").state)
      local query = journal.keeper.query
      journal.keeper.query = function(sql, params, n)
        if sql:find("settled_by = 'reaper'", 1, true) then
          journal.keeper.query = query
          assert(query(sql, params, n))
          return nil, "the answer is lost"
        end
        return query(sql, params, n)
      end
      local counts = run()
      assert.equal(1, counts.reaped)
      table.sort(results)
      assert.same({ "k1 m-1", "k3 unknown" }, results)
    end)

    it("tells of the dead though the answer was lost and the database away for a moment", function()
      open()
      leave_behind(3)
      local query, n_lost = journal.keeper.query, 0
      journal.keeper.query = function(sql, params, n)
        local is_reap = sql:find("settled_by = 'reaper'", 1, true)
        if n_lost == 0 and not is_reap or n_lost > 5 then return query(sql, params, n) end
        if n_lost == 0 then assert(query(sql, params, n)) end
        n_lost = n_lost + 1
        return nil, "the connection broke"
      end
      local own = box:start { on_result = function(row, _, err)
        results[#results + 1] = row.key .. " " .. err.outcome
      end }
      for _ = 1, 400 do own:step(0.5) end
      assert.equal(3, own.counts.reaped)
      table.sort(results)
      assert.same({ "k1 unknown", "k2 unknown", "k3 unknown" }, results)
    end)

    -- Of one, whose reap is asked for in vain; `is_done` says whether it is done all the same.
    local function lose_reap(is_done, meanwhile)
      local query, n_lost = journal.keeper.query, 0
      journal.keeper.query = function(sql, params, n)
        local is_reap = sql:find("settled_by = 'reaper'", 1, true)
        if not is_reap or n_lost == 2 then return query(sql, params, n) end
        n_lost = n_lost + 1
        if n_lost == 1 and is_done then assert(query(sql, params, n)) end
        if n_lost == 2 and meanwhile then meanwhile(query) end
        return nil, "the connection broke"
      end
    end

    it("does not end before it has told of whom it has made unknown", function()
      open()
      leave_behind(1)
      lose_reap(true)
      run()
      assert.same({ "k1 unknown" }, results)
    end)

    it("does not tell of whom another has made unknown", function()
      open()
      leave_behind(1)
      lose_reap(false, function(query)
        assert(query("UPDATE telnyx_send SET state = 'unknown', settled_by = 'reaper',"
          .. " settled_at = 1000 WHERE key = 'k1'", {}, 0))
      end)
      run()
      assert.same({}, results)
      assert.equal("unknown", journal:get("k1").state)
    end)

    it("tells of no more of the dead when on_result has raised", function()
      open()
      leave_behind(3)
      local n_told = 0
      local ok, why = pcall(run, { on_result = function()
        n_told = n_told + 1
        error("boom", 0)
      end })
      assert.same({ false, "boom" }, { ok, why })
      assert.equal(1, n_told)
      assert.equal(2, journal:counts().sending)
    end)

    it("does not take for dead what it cannot write down", function()
      open(nil, { deadline = 5 })
      add(1)
      local query = journal.keeper.query
      journal.keeper.query = function(sql, params, n)
        if sql:find("SET state = ?, settled_at", 1, true) then return nil, "no room" end
        return query(sql, params, n)
      end
      local own = box:start { poll = 0.1, on_result = function(row, sent)
        results[#results + 1] = row.key .. " " .. (sent and sent.id or "lost")
      end }
      for _ = 1, 40 do
        own:step(0.1)
        sender.time = sender.time + 5
      end
      assert.same({ "k1 m-1" }, results)
      assert.equal("sending", journal:get("k1").state)
      journal.keeper.query = query
      for _ = 1, 20 do own:step(0.5) end
      assert.equal("accepted", journal:get("k1").state)
      assert.equal(0, own.counts.reaped)
    end)

    it("tells no more of dead workers when the journal is closed under it", function()
      open()
      leave_behind(3)
      local n_told = 0
      run { on_result = function()
        n_told = n_told + 1
        journal:close()
      end }
      assert.equal(1, n_told)
    end)

    it("takes neither its own for dead nor others' who live, after a journal was away", function()
      open(nil, { deadline = 5 })
      add(3)
      local query, is_away = journal.keeper.query, false
      journal.keeper.query = function(...)
        if is_away then return nil, "no database" end
        return query(...)
      end
      local other_told, n_posted = {}, 0
      local other = box:start { concurrency = 1, on_result = function(row, sent, err)
        other_told[#other_told + 1] = row.key .. " " .. (sent and "accepted" or err.outcome)
      end }
      local send = sender.send
      function sender:send(...)
        n_posted = n_posted + 1
        is_away = true
        return send(self, ...)
      end
      other:step(0)
      assert.equal(1, n_posted)
      local own = box:start { concurrency = 1, on_result = function(row, sent, err)
        results[#results + 1] = row.key .. " " .. (sent and "accepted" or err.outcome)
      end }
      for _ = 1, 20 do
        own:step(0.1)
        sender.time = sender.time + 5
      end
      is_away = false
      for _ = 1, 20 do
        own:step(0.5)
        other:step(0.5)
        is_away = false
      end
      table.sort(results)
      assert.same({ "k1 accepted" }, { other_told[1] })
      for _, told in ipairs(results) do assert.matches("accepted$", told) end
      for _, told in ipairs(other_told) do assert.matches("accepted$", told) end
      assert.equal(3, #results + #other_told)
      assert.equal(3, journal:counts().accepted)
      assert.equal(0, own.counts.reaped + other.counts.reaped)
    end)

    for what, answer in pairs { ["there is no service"] = DOWN, ["another answers"] = PAGE } do
      it("keeps everything while " .. what .. ", and asks ever less", function()
        local answers = {}
        for i = 1, 12 do answers[i] = copy(answer) end
        open(answers)
        add(3)
        local started_at = sender.time
        local counts = run { concurrency = 1 }
        assert.equal(3, counts.accepted)
        assert.equal(12, counts.requeued)
        assert.equal(15, #sender.posted)
        assert.is_true(sender.time - started_at > 60)
      end)
    end

    it("holds up every sender where it is not the service that answers", function()
      open { copy(PAGE) }
      add(1)
      assert.is_true(box:add(message("other", "+18445550002"), { key = "other" }))
      local own = box:start { concurrency = 1, sender_rates = { toll_free = 1000 } }
      for _ = 1, 20 do own:step(0) end -- no time passes
      assert.equal(1, #sender.posted)
      repeat own:step(1) until own.counts.accepted == 2
      assert.equal(3, #sender.posted)
    end)

    it("does not pause when it has looked and there is more", function()
      local answers = {}
      for i = 1, 20 do answers[i] = function() sender.time = sender.time + 0.2 end end
      open(answers)
      add(20)
      local own, started_at = box:start { concurrency = 1 }, sender.time
      repeat own:step(1) until own.counts.accepted == 20
      assert.is_true(sender.time - started_at < 5, sender.time - started_at)
    end)

    it("ends where the key is refused, and what was not sent waits", function()
      open { copy(NO_KEY) }
      add(3)
      local counts = run { concurrency = 1 }
      assert.equal("10009", counts.stopped.code)
      assert.equal("stopped", counts.ended)
      assert.equal(1, #sender.posted)
      assert.equal(3, journal:counts().queued)
    end)

    it("is stopped and gone on with: paused for all, drained for one", function()
      open()
      add(4)
      assert.is_true(box:pause())
      local own = box:start()
      for _ = 1, 5 do own:step(1) end
      assert.same({}, sender.posted)
      assert.is_true(box:is_paused())
      assert.is_true(box:resume())
      assert.is_false(box:is_paused())
      run { concurrency = 1, until_empty = false, on_result = function() box:drain() end }
      assert.equal(1, #sender.posted)
      run()
      assert.equal(4, #sender.posted)
    end)

    it("raises what a callback raised, after what is under way; the rest waits", function()
      open()
      add(3)
      assert.has_error(function()
        run { concurrency = 1, on_result = function() error("mine", 0) end }
      end, "mine")
      assert.same({ accepted = 1, queued = 2, free = 0, rejected = 0, sending = 0, unknown = 0 },
        journal:counts())
      run()
      assert.equal(3, #sender.posted)
    end)

    it("gives back what was claimed when an error ends it before the wire", function()
      open()
      add(3)
      local loop = client.engine_.loop
      local begin = loop.begin
      loop.begin = function() error("interrupted!", 0) end
      assert.has_error(function() run() end, "interrupted!")
      loop.begin = begin
      assert.equal(3, journal:counts().queued)
      run()
      assert.equal(3, #sender.posted)
    end)

    it("takes back what waits, and nothing else", function()
      open()
      add(3)
      assert.is_true(box:withdraw("k2"))
      assert.is_false((box:withdraw("k2")))
      assert.is_false((box:withdraw("none")))
      run()
      assert.same({ "text 1", "text 3" }, sender.posted)
      local is_back, row = box:withdraw("k1")
      assert.is_false(is_back)
      assert.equal("accepted", row.state)
      assert.is_true(box:add(message("another text"), { key = "k2" }))
      run()
      assert.equal("another text", sender.posted[3])
    end)

    it("takes nothing more when it is told to stop, and ends what is under way", function()
      open()
      add(4)
      local counts = run { concurrency = 1, until_empty = false, stops_when = function()
        return #sender.posted == 2
      end }
      assert.equal(2, counts.accepted)
      assert.equal("drained", counts.ended)
      assert.equal(2, journal:counts().queued)
      assert.has_error(function() run { stops_when = function() error("mine", 0) end } end, "mine")
    end)

    -- The dead, and the journal -------------------------------------------------------------

    it("makes unknown what a dead worker had taken, and never sends it", function()
      open()
      local now = os.time()
      assert.is_true(box:add(message("text 1"), { key = "k1", at = now - 200 }))
      assert.is_true(box:add(message("text 2"), { key = "k2" }))
      local rows = journal:queue():take { limit = 1, claim = "dead", now = now - 100,
        expires = now - 50 }
      assert.equal("k1", rows[1].key)
      assert.equal(1, run().reaped)
      assert.same({ "text 2" }, sender.posted)
      assert.equal("unknown", journal:get("k1").state)
      assert.equal("k1", journal:unsettled()().key)
      assert.is_true(client:resolve("k1", "not_sent"))
      run()
      assert.same({ "text 2", "text 1" }, sender.posted)
    end)

    it("hears of a message that was sent before its row was added anew", function()
      local a_week_ago = os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() - 7 * 86400)
      open()
      local at = os.time() - 7 * 86400
      assert.is_true(journal:queue():add { key = "k1", digest = "d", to = TO, sender = FROM,
        body = "{}", due = at, ord = 1, now = at })
      journal:queue():take { limit = 1, claim = "dead", now = at, expires = at + 60 }
      assert.is_true(client:resolve("k1", "not_sent"))
      assert.is_true(box:withdraw("k1"))
      assert.is_true(journal:queue():add { key = "k1", digest = "d", to = TO, sender = FROM,
        body = "{}", due = os.time(), ord = 2, now = os.time() })
      assert.is_true(client:resolve("k1", { id = "m-9", received_at = a_week_ago }))
      assert.equal("accepted", journal:get("k1").state)
      run()
      assert.same({}, sender.posted)
    end)

    it("has its messages sent by a run with a rate, too, if that comes first", function()
      open()
      add(1)
      local counts = client:send_all({ message("text 1") },
        { rate = 100, key = function() return "k1" end })
      assert.equal(1, counts.accepted)
      assert.equal("accepted", journal:get("k1").state)
    end)

    for _, adds in ipairs { "add", "statement" } do
      it("keeps such a key for its message when it is withdrawn once more, by " .. adds, function()
        open { copy(BROKEN) }
        add(1)
        run { until_empty = true }
        assert.is_true(client:resolve("k1", "not_sent"))
        assert.is_true(box:withdraw("k1"))
        if adds == "add" then
          add(1)
        else
          assert(journal.keeper.query(box:statement(message("text 1"), { key = "k1" })))
        end
        assert.equal("queued", journal:get("k1").state)
        assert.is_true(box:withdraw("k1"))
        local ok, err = box:add(message("another"), { key = "k1" })
        assert.is_nil(ok)
        assert.matches("another message", tostring(err))
      end)
    end

    it("gives as many turns as a burst has, and no more, and says when the next comes", function()
      open()
      local own = journal:queue()
      for _ = 1, 10 do assert.is_number(own:reserve_due("burst", 1000, 9000)) end
      assert.is_false(own:reserve_due("burst", 1000, 9000))
      assert.is_true(own:ahead("burst", 1000, 9000) > 9980)
      assert.is_true(own:reserve_due("two", 4, 0) > 3)
      assert.is_true(own:ahead("two", 0.5, 0) > 2) -- of a worker with another rate
      local function new_lanes()
        return require("telnyx.run.lanes").new(own,
          { sender_rates = { [FROM] = 1 / 1000 }, burst = 10 })
      end
      local function clock() return 0 end
      local lanes = new_lanes()
      for _ = 1, 10 do
        assert.equal(1, (lanes:ripe(FROM, 1, clock)))
        lanes:spend(FROM, 1)
      end
      local n, next_at = new_lanes():ripe(FROM, 1, clock)
      assert.equal(0, n)
      assert.is_true(next_at > 20, next_at)
    end)

    it("does not say that a message was not sent, where it cannot be withdrawn", function()
      open()
      add(1)
      run()
      journal.keeper.query = function() return nil, "it is away", true end
      local is_back, err = box:withdraw("k1")
      assert.is_nil(is_back)
      assert.is_nil(err.outcome)
      assert.matches("^failed: it may not be withdrawn: the journal failed: .*it is away",
        tostring(err))
      if candidate.name:find("query") then return end -- it is asked nothing
      local sql = box:withdrawal("k1")
      assert.is_string(sql)
    end)

    it("adds what a purge takes away as it looks", function()
      open()
      local query, n_gone = journal.keeper.query, 0
      journal.keeper.query = function(sql, params, n)
        local is_add = sql:find("INSERT INTO", 1, true) and sql:find("'queued'", 1, true)
        if is_add and n_gone < 2 then
          n_gone = n_gone + 1
          return {}
        end
        return query(sql, params, n)
      end
      assert.is_true(box:add(message("text 1"), { key = "k1" }))
      journal.keeper.query = query
      assert.equal("queued", journal:get("k1").state)
    end)

    it("sends nothing that a person has withdrawn, which keeps its key for its own", function()
      open()
      local now = os.time()
      assert.is_true(box:add(message("text 1"), { key = "k1", at = now - 200, campaign = "c" }))
      journal:queue():take { limit = 1, claim = "dead", now = now - 100, expires = now - 50 }
      assert.is_true(client:resolve("k1", "withdrawn"))
      assert.same({ "free", "caller" }, { journal:get("k1").state, journal:get("k1").settled_by })
      assert.is_nil(journal:get("k1").campaign)
      run()
      assert.same({}, sender.posted)
      assert.is_nil(journal:unsettled()())
      local is_added, why = box:add(message("another"), { key = "k1" })
      assert.is_nil(is_added)
      assert.matches("another message", tostring(why))
      assert.is_true(box:add(message("text 1"), { key = "k1" }))
      run()
      assert.same({ "text 1" }, sender.posted)
      assert.is_nil((client:resolve("k1", "withdrawn")))
      assert.equal("accepted", journal:get("k1").state)
    end)

    it("is added to by the program's own transaction", function()
      open()
      local sql, params, n = box:statement(message("text 1"), { key = "k1" })
      assert.equal(9, n)
      local rows = journal.keeper.query(sql, params, n)
      assert.equal("k1", rows[1].key)
      rows = journal.keeper.query(sql, params, n)
      assert.is_nil(rows[1])
      local another, own, n_own = box:statement(message("another"), { key = "k1" })
      for _ = 1, 2 do -- while it waits, and when it was sent
        local ok, done, why = pcall(journal.keeper.query, another, own, n_own)
        assert.matches("key_used_for_another_message", ok and why or done)
        assert.is_true(not ok or done == nil)
        run()
      end
      assert.same({ "text 1" }, sender.posted)
      assert.equal("accepted", journal:get("k1").state)
      local dollars = box:statement(message("text 1"), { key = "k2", placeholders = "$" })
      assert.matches("%$9", dollars)
      assert.is_nil(dollars:find("?", 1, true))
    end)

    it("takes a message back in somebody else's transaction", function()
      open()
      add(1)
      local sql, params, n = box:withdrawal("k1")
      assert.equal(2, n)
      assert.equal("k1", journal.keeper.query(sql, params, n)[1].key)
      assert.equal("free", journal:get("k1").state)
      assert.is_nil(journal.keeper.query(sql, params, n)[1]) -- it does not wait any more
      assert.matches("%$1.*%$2", (box:withdrawal("k1", { placeholders = "$" })))
      add(1)
      run { until_empty = true }
      sql, params, n = box:withdrawal("k1")
      assert.is_nil(journal.keeper.query(sql, params, n)[1])
      assert.equal("accepted", journal:get("k1").state)
      assert.has_error(function() box:withdrawal(1) end,
        "withdrawal expects a key, a string; got a number")
      assert.has_error(function() box:withdrawal("k", { placeholders = "x" }) end)
      local none, err = box:withdrawal("")
      assert.is_nil(none)
      assert.equal("not_sent", err.outcome)
    end)

    -- A webhook of the first may come when there is another by then.
    it("takes no other message under a key that somebody has called not sent", function()
      open { copy(BROKEN) }
      add(1)
      run { until_empty = true }
      assert.equal("unknown", journal:get("k1").state)
      assert.is_true(client:resolve("k1", "not_sent"))
      assert.is_true(box:withdraw("k1"))
      local function another() return message("another") end
      local ok, err = box:add(another(), { key = "k1" })
      assert.is_nil(ok)
      assert.matches("another message", tostring(err))
      local sql, params, n = box:statement(another(), { key = "k1" })
      local done, rows, why = pcall(journal.keeper.query, sql, params, n)
      assert.is_true(not done or rows == nil)
      assert.matches("key_used_for_another_message", done and why or rows)
      sender.posted = {}
      ok, err = client:send(another(), { key = "k1" })
      assert.is_nil(ok)
      assert.equal("not_sent", err.outcome)
      assert.same({}, sender.posted)
      add(1)
      assert.is_true(client:resolve("k1", { id = "40385f64-5717-4562-b3fc-2c963f66afa6",
        to = TO, direction = "outbound" }))
      assert.equal("accepted", journal:get("k1").state)
      run { until_empty = true }
      assert.same({}, sender.posted)
    end)

    it("takes another under a key of which surely nothing was sent", function()
      open { copy(BUSY) }
      add(1)
      run { until_empty = false, until_idle = true }
      assert.is_true(box:withdraw("k1"))
      assert.is_true(box:add(message("another"), { key = "k1" }))
    end)

    it("knows its own repetition where the answer to an add is lost", function()
      open()
      for _ = 1, 2 do
        add(1)
        assert.is_true(box:withdraw("k1"))
      end
      local query, is_lost = journal.keeper.query, false
      function journal.keeper.query(sql, ...)
        local rows, why, is_sure = query(sql, ...)
        if is_lost or not sql:find("^INSERT INTO") then return rows, why, is_sure end
        is_lost = true
        return nil, "the answer was lost"
      end
      assert.is_true(box:add(message("text 1"), { key = "k1" }))
      assert.is_true(is_lost)
    end)

    it("is added to by the program's own transaction under a key that was given back", function()
      open { copy(DOWN) }
      client:send(message("text 1"), { key = "k1", retry = false })
      local sql, params, n = box:statement(message("another"), { key = "k1" })
      assert.equal("k1", journal.keeper.query(sql, params, n)[1].key)
      run()
      assert.same({ "text 1", "another" }, sender.posted)
    end)

    -- Whoever asks the database may lose the answer: before what was asked is done, or after it.
    for _, lost in ipairs { "question", "answer" } do
      local STATEMENTS = { ["a take"] = "state = 'queued' AND due <= ",
        ["a finish"] = "SET state = %?, settled_at",
        ["a release"] = "SET state = CASE WHEN body IS NULL" }
      for name, what in pairs(STATEMENTS) do
        it(("sends once when the %s of %s is lost"):format(lost, name), function()
          open { copy(BUSY) }
          add(2)
          local query, n_lost = journal.keeper.query, 0
          journal.keeper.query = function(sql, params, n)
            if not sql:find(what) or n_lost == 3 then return query(sql, params, n) end
            n_lost = n_lost + 1
            if lost == "answer" then query(sql, params, n) end
            return nil, "the connection broke"
          end
          local counts = run { concurrency = 1 }
          journal.keeper.query = query
          assert.is_true(n_lost > 0)
          -- Which of them was taken first, and refused, depends on when the lost one is found.
          table.sort(sender.posted)
          assert.equal("text 1 text 2", sender.posted[1] .. " " .. sender.posted[3])
          assert.equal(3, #sender.posted)
          assert.equal(2, journal:counts().accepted)
          assert.equal(2, counts.accepted)
        end)
      end
    end

    for name, what in pairs { finish = "SET state = %?, settled_at",
      release = "SET state = CASE WHEN body IS NULL" } do
      it(("tells the journal later when no %s can be told for long"):format(name), function()
        open { copy(BUSY) }
        add(1)
        local query, n_lost = journal.keeper.query, 0
        journal.keeper.query = function(sql, params, n)
          if not sql:find(what) or n_lost == 14 then return query(sql, params, n) end
          n_lost = n_lost + 1
          return nil, "the connection broke"
        end
        run()
        journal.keeper.query = query
        assert.same({ "text 1", "text 1" }, sender.posted)
        assert.equal("accepted", journal:get("k1").state)
      end)
    end

    it("tells the journal once more when it is drained", function()
      open()
      add(1)
      local query, n_lost = journal.keeper.query, 0
      journal.keeper.query = function(sql, params, n)
        if not sql:find("SET state = ?, settled_at", 1, true) or n_lost == 5 then
          return query(sql, params, n)
        end
        n_lost = n_lost + 1
        return nil, "the connection broke"
      end
      run { until_empty = false, on_result = function() box:drain() end }
      journal.keeper.query = query
      assert.equal("accepted", journal:get("k1").state)
    end)

    it("does not stay long over a journal that answers slowly and in vain", function()
      open()
      add(6)
      local query, n_asked, is_slow = journal.keeper.query, 0, false
      journal.keeper.query = function(sql, params, n)
        if not sql:find("SET state = ?, settled_at", 1, true) then return query(sql, params, n) end
        n_asked = n_asked + 1
        if is_slow then core.sleep(1.1) end
        return nil, "the connection broke"
      end
      local own = box:start { concurrency = 6 }
      for _ = 1, 6 do own:step(0.001) end
      assert.equal(6, #sender.posted)
      sender.time, n_asked, is_slow = sender.time + 2, 0, true
      own:step(0)
      assert.equal(2, n_asked) -- of one, and once more
      is_slow, journal.keeper.query = false, query
      sender.time = sender.time + 2
      own:step(0)
      assert.equal(6, journal:counts().accepted)
    end)

    it("takes little more while nothing can be written down", function()
      open()
      add(10)
      local query = journal.keeper.query
      journal.keeper.query = function(sql, params, n)
        if sql:find("SET state = ?, settled_at", 1, true) then return nil, "no room" end
        return query(sql, params, n)
      end
      local own = box:start { concurrency = 1 }
      for _ = 1, 10 do own:step(0.001) end
      journal.keeper.query = query
      assert.equal(1, #sender.posted)
    end)

    it("does not send what it was too late to take", function()
      open(nil, { deadline = 5 })
      add(1)
      local query, n_takes = journal.keeper.query, 0
      journal.keeper.query = function(sql, params, n)
        if sql:find("state = 'queued' AND due <= ", 1, true) then
          n_takes = n_takes + 1
          if n_takes == 1 then sender.time = sender.time + 100 end
        end
        return query(sql, params, n)
      end
      local counts = run()
      journal.keeper.query = query
      assert.equal(1, counts.requeued)
      assert.same({ "text 1" }, sender.posted)
      assert.is_true(n_takes >= 2)
    end)

    it("has its claims for longer than a send may take", function()
      local row
      open({ function() row = journal:get("k1") end }, { deadline = 50 })
      add(1)
      run()
      assert.is_true(row.expires - row.claimed_at >= 60, row.expires - row.claimed_at)
    end)

    it("leaves what was due when it ended due", function()
      open { copy(NO_KEY) }
      add(1)
      run()
      assert.is_true(journal:get("k1").due <= os.time() + 1)
    end)

    it("leaves what was under way when another ended it due, too", function()
      open { copy(NO_KEY), copy(DOWN) }
      add(2)
      local due = journal:get("k2").due
      assert.equal(2, run({ concurrency = 2 }).requeued)
      assert.same({ "text 1", "text 2" }, sender.posted)
      assert.equal(due, journal:get("k2").due)
    end)

    it("waits for a journal that cannot be asked, and says so once", function()
      open()
      add(2)
      local query, n_lost, words = journal.keeper.query, 0, {}
      journal.keeper.query = function(...)
        n_lost = n_lost + 1
        if n_lost <= 20 then return nil, "no database", true end
        return query(...)
      end
      run { on_trouble = function(why) words[#words + 1] = why end }
      journal.keeper.query = query
      assert.equal(1, #words)
      assert.matches("no database", words[1])
      assert.same({ "text 1", "text 2" }, sender.posted)
    end)

    it("says what else is in its way, and nothing that it has said", function()
      open()
      add(1)
      local query, n_lost, words = journal.keeper.query, 0, {}
      journal.keeper.query = function(...)
        n_lost = n_lost + 1
        if n_lost <= 6 then return nil, "no database", true end
        if n_lost <= 12 then return nil, "its history is another", true end
        return query(...)
      end
      run { on_trouble = function(why) words[#words + 1] = why end }
      journal.keeper.query = query
      assert.equal(2, #words)
      assert.matches("its history is another", words[2])
    end)

    it("takes nothing more when the journal was closed under it", function()
      open()
      add(10)
      local words = {}
      local counts = box:run { concurrency = 1, on_result = function() journal:close() end,
        on_trouble = function(why) words[#words + 1] = why end }
      assert.equal(1, #sender.posted)
      assert.same({ "the journal is closed" }, words)
      assert.equal(words[1], counts.trouble)
      assert.equal("trouble", counts.ended)
    end)

    it("does not say that it was drained where an error has ended it", function()
      open()
      add(2)
      local own
      own = box:start { concurrency = 1, on_result = function()
        own:drain()
        error("boom", 0)
      end }
      assert.has_error(function() for _ = 1, 5 do own:step(0) end end, "boom")
      own:step(0)
      assert.is_nil(own.counts.ended)
    end)

    it("says that it ended because the client was closed", function()
      open()
      add(3)
      local counts = run { concurrency = 1, on_result = function() client:close() end }
      assert.equal(1, counts.accepted)
      assert.equal("closed", counts.ended)
    end)

    it("looks again for a take that was done after its answer was lost", function()
      open()
      add(1)
      local query, late = journal.keeper.query, nil
      journal.keeper.query = function(sql, params, n)
        if not late and sql:find("state = 'queued' AND due <= ", 1, true) then
          late = { sql, params, n }
          return nil, "the connection broke"
        end
        return query(sql, params, n)
      end
      local own = box:start { until_empty = true }
      own:step(0)
      own:step(1.5)
      assert(query(late[1], late[2], late[3]))
      assert.equal("sending", journal:get("k1").state)
      repeat own:step(1) until own:is_done()
      journal.keeper.query = query
      assert.same({ "text 1" }, sender.posted)
    end)

    it("waits an hour at most, whatever the service asks for", function()
      local busy = copy(BUSY)
      busy.retry_after = 4398046511103
      open { busy }
      add(1)
      local started_at = sender.time
      assert.equal(1, run().accepted)
      local waited = sender.time - started_at
      assert.is_true(waited >= 3600 and waited < 3700, waited)
    end)

    it("is called for as soon as there is room, and not while it only waits for an end", function()
      open()
      add(3)
      local own = box:start { concurrency = 1 }
      own:step(0)
      assert.is_true(own:timeout() < 0.5, own:timeout())
      own:drain()
      assert.is_true(own:timeout() > 0.5, own:timeout())
    end)

    for _, at in ipairs { "prepares", "enters" } do
      it("ends by an error that lets what is under way finish, when it comes as it " .. at,
        function()
          open()
          add(3)
          local tasks, stored = require "telnyx.send.tasks", require "telnyx.run.stored"
          local broken = at == "enters" and tasks or stored
          local name = at == "enters" and "go_on" or "message"
          local whole = broken[name]
          broken[name] = function() error("interrupted!", 0) end
          local ok, why = pcall(run, { lets_finish = function() return true end })
          broken[name] = whole
          assert.is_false(ok)
          assert.matches("interrupted!", why)
          assert.equal(3, journal:counts().queued)
          run()
          assert.equal(3, #sender.posted)
        end)
    end

    -- Paces ------------------------------------------------------------------------------------

    it("forgets a turn that is further ahead than anybody can have asked for", function()
      open()
      local own = journal:queue()
      assert(own:reserve("slow", 1000, 1))
      assert.is_true(own:reserve("slow", 1000, 1) > 1990)
      local ends = own:reserve("slow", 0.01, 1)
      assert.is_true(ends > 0 and ends <= 0.01, ends)
    end)

    it("takes no turn with it when it ends", function()
      open()
      add(5)
      for _ = 1, 5 do
        local own = box:start { sender_rates = { [FROM] = 0.01 } }
        for _ = 1, 3 do own:step(0) end
        own:drain()
        own:step(0)
        assert.is_true(own:is_done())
      end
      assert.equal(1, #sender.posted)
      local ahead = journal:queue():ahead("sender " .. FROM, 100, 0)
      assert.is_true(ahead > 50 and ahead <= 100, ahead)
    end)

    it("gives a turn that has come to one who asks, and no more than have come", function()
      open()
      local own = journal:queue()
      assert.equal(0, own:ahead("slow", 1000, 0))
      assert.is_true(own:reserve_due("slow", 1000, 0) > 990)
      assert.is_false(own:reserve_due("slow", 1000, 0))
      assert.is_true(own:reserve_due("slow", 1000, 1000) > 1990) -- a burst's
      assert.is_false(own:reserve_due("slow", 1000, 1000))
      assert.is_true(own:ahead("slow", 1000, 0) > 1990)
      assert.equal(0, own:ahead("slow", 0.01, 0)) -- nobody can have asked for so many
      assert.is_true(own:reserve_due("slow", 0.01, 0) <= 0.01)
    end)

    it("does not stand still for a clock that ran ahead", function()
      open()
      add(3)
      run { sender_rates = { [FROM] = 0.1 }, stops_when = function() return sender.posted[1] end }
      assert(journal.keeper.query("UPDATE telnyx_pace SET next_at = next_at + 1000000000", {}, 0))
      local started_at = sender.time
      run { sender_rates = { [FROM] = 0.1 }, until_empty = false,
        stops_when = function() return sender.posted[2] or sender.time > started_at + 100 end }
      assert.equal(2, #sender.posted)
      assert.is_true(sender.time - started_at < 30, sender.time - started_at)
    end)

    it("asks for nobody's messages while it is paused", function()
      open()
      add_of_senders(20)
      assert.is_true(box:pause())
      local query, n_changes = journal.keeper.query, 0
      journal.keeper.query = function(sql, params, n)
        if sql:find("SET state = 'sending'", 1, true) or sql:find("telnyx_pace (", 1, true) then
          n_changes = n_changes + 1
        end
        return query(sql, params, n)
      end
      local own = box:start { sender_rates = { toll_free = 1 } }
      for _ = 1, 5 do own:step(0.01) end
      journal.keeper.query = query
      assert.equal(0, n_changes)
      assert.is_true(box:resume())
    end)

    it("looks what has ended before it has asked about everybody", function()
      open()
      add_of_senders(100)
      local query = journal.keeper.query
      journal.keeper.query = function(sql, params, n)
        if sql:find("SET state = 'sending'", 1, true) then core.sleep(0.005) end
        return query(sql, params, n)
      end
      local own = box:start { concurrency = 1000, sender_rates = { toll_free = 1000 } }
      own:step(0)
      assert.is_true(#sender.posted > 0 and #sender.posted < 50, #sender.posted)
      for _ = 1, 100 do own:step(0) end
      journal.keeper.query = query
      assert.equal(100, #sender.posted)
    end)

    it("with until_idle tries each once, and leaves to the next what waits again", function()
      local soon = copy(BUSY)
      soon.retry_after = 1
      open { copy(soon), copy(soon), function() end, copy(soon) }
      add(5)
      local counts = run { concurrency = 1, until_empty = false, until_idle = true,
        sender_rates = { [FROM] = 1000 } }
      assert.equal(5, #sender.posted)
      assert.same({ 2, 3 }, { counts.accepted, counts.requeued })
      assert.equal(3, journal:counts().queued)
    end)

    for what, case in pairs { ["could not be sent"] = { DOWN, 20 },
      ["have ends that nobody knows"] = { BROKEN, 17 } } do
      it("with until_idle ends where three in a row " .. what, function()
        local answers = {}
        for i = 1, 20 do answers[i] = copy(case[1]) end
        open(answers)
        add(20)
        local counts = run { concurrency = 1, until_empty = false, until_idle = true }
        assert.equal("unsent", counts.ended)
        assert.equal(3, #sender.posted)
        assert.equal(case[2], journal:counts().queued)
      end)
    end

    it("asks ever less where the ends of messages are unknown, one after the other", function()
      local answers = {}
      for i = 1, 8 do answers[i] = copy(BROKEN) end
      open(answers)
      add(10)
      local started_at = sender.time
      local counts = run { concurrency = 1 }
      assert.same({ 8, 2 }, { counts.unknown, counts.accepted })
      assert.is_true(sender.time - started_at > 15, sender.time - started_at)
    end)

    it("burns nothing where the service says that there is nothing at this path", function()
      local elsewhere = { outcome = "rejected", kind = "api", status = 404, retryable = false,
        errors = { { code = "10005", title = "Resource not found" } } }
      open { copy(elsewhere), copy(elsewhere) }
      add(3)
      local counts = run { concurrency = 1 }
      assert.same({ 3, 0 }, { counts.accepted, counts.rejected })
      open { copy(elsewhere) }
      assert.equal("rejected", select(2, client:send(message("x"), { key = "x" })).outcome)
      assert.equal("free", journal:get("x").state)
      open { copy(elsewhere), copy(elsewhere), copy(elsewhere), copy(elsewhere) }
      local list = {}
      for i = 1, 10 do list[i] = message("all " .. i) end
      assert.equal(404, client:send_all(list, { concurrency = 1 }).stopped.status)
      assert.equal(3, #sender.posted)
    end)

    it("tries for a while to write down what it knows, and says what it could not", function()
      open()
      add(2)
      local query, is_away = journal.keeper.query, true
      journal.keeper.query = function(sql, params, n)
        if is_away and sql:find("SET state = ?, settled_at", 1, true) then return nil, "no room" end
        return query(sql, params, n)
      end
      local started_at = sender.time
      local counts = run { until_empty = false, on_result = function() box:drain() end }
      assert.equal(2, counts.unrecorded)
      assert.is_true(sender.time - started_at >= 9, sender.time - started_at)
      is_away = false
      journal.keeper.query = query
    end)

    it("with until_idle ends where each sender that has something is held for long", function()
      local patient = copy(BUSY)
      patient.retry_after = 3000
      open { patient }
      add(3)
      local started_at = sender.time
      local counts = run { concurrency = 1, until_empty = false, until_idle = true,
        sender_rates = { [FROM] = 1000 } }
      assert.equal("held", counts.ended)
      assert.is_true(sender.time - started_at < 60, sender.time - started_at)
      assert.equal(1, #sender.posted)
    end)

    it("holds up a sender for the longest wait that was asked, in whatever order", function()
      local patient, brief = copy(BUSY), copy(BUSY)
      patient.retry_after, brief.retry_after = 3000, 1
      open { patient, brief }
      add(3)
      local counts = run { concurrency = 2, until_empty = false, until_idle = true, burst = 9,
        sender_rates = { [FROM] = 1000 } }
      assert.equal("held", counts.ended)
      assert.equal(2, #sender.posted)
      assert.equal(3, journal:counts().queued)
    end)

    it("gives a message no more time than is left of its claim when its turn comes", function()
      open({ function() sender.time = sender.time + 20 end }, { deadline = 50 })
      add(2)
      local send, left = sender.send, {}
      function sender:send(sent, limits)
        left[#left + 1] = limits.deadline
        return send(self, sent, limits)
      end
      assert.equal(2, run({ concurrency = 2 }).accepted)
      assert.is_true(left[1] > 49 and left[1] <= 50, left[1])
      assert.is_true(left[2] > 29 and left[2] <= 30, left[2])
    end)

    it("uses up no turn where nothing waits", function()
      open()
      for _ = 1, 5 do run { rate = 0.1 } end
      add(1)
      local own = box:start { rate = 0.1 }
      for _ = 1, 5 do own:step(0.01) end
      assert.same({ "text 1" }, sender.posted)
    end)

    it("serves a sender that comes later beside one that has much waiting", function()
      open()
      for i = 1, 30 do assert.is_true(box:add(message("slow " .. i), { key = "s" .. i })) end
      local own = box:start { sender_rates = { [FROM] = 0.001 }, poll = 0.05 }
      for _ = 1, 5 do own:step(0.05) end
      assert.is_true(box:add(message("fast", "+18445550002"), { key = "f" }))
      for _ = 1, 10 do own:step(0.05) end
      table.sort(sender.posted)
      assert.same({ "fast", "slow 1" }, sender.posted)
    end)

    it("gives each sender a part of the room", function()
      open()
      for i = 1, 30 do assert.is_true(box:add(message("slow " .. i), { key = "s" .. i })) end
      assert.is_true(box:add(message("fast", "+18445550002"), { key = "f" }))
      local own = box:start { concurrency = 4, rates = { short_code = 1 } }
      own:step(0)
      local is_sent = false
      for _, text in ipairs(sender.posted) do is_sent = is_sent or text == "fast" end
      assert.is_true(is_sent)
    end)

    it("gives out turns of one pace to all who ask, and none twice", function()
      open()
      local one, other = journal:queue(), journal:queue()
      local ends, name = {}, "sender " .. tostring(os.time())
      for i = 1, 6 do ends[i] = assert((i % 2 == 0 and one or other):reserve(name, 10, 2)) end
      for i = 2, 6 do
        local since = ends[i] - ends[i - 1]
        assert.is_true(since > 15 and since <= 20.03, since)
      end
      assert.is_true(ends[1] > 19.9 and ends[1] <= 20, ends[1])
    end)

    -- As many as one look finds, and all before the one that counts.
    local function add_senders_of_next_year(n)
      local query = journal.keeper.query
      for from = 1, n, 1000 do
        local rows = {}
        for i = from, math.min(n, from + 999) do
          rows[#rows + 1] = ("('n%d', 'queued', 'd', '+1212%07d', '{}', %.0f, 1, 0, 1)"):format(
            i, i, (os.time() + 3e7) * 1000)
        end
        assert(query("INSERT INTO telnyx_send (key, state, digest, sender, body, due, ord, tries,"
          .. " created_at) VALUES " .. table.concat(rows, ", "), {}, 0))
      end
    end

    it("finds what is due behind any number of senders that wait for later", function()
      open()
      add(1)
      add_senders_of_next_year(10001)
      run { sender_rates = { [FROM] = 1000 }, until_empty = false, until_idle = true }
      assert.same({ "text 1" }, sender.posted)
    end)

    it("holds up only the sender whose pace is spent", function()
      open()
      local fast = "+18445550002"
      for i = 1, 3 do
        assert.is_true(box:add(message("slow " .. i), { key = "s" .. i }))
        assert.is_true(box:add(message("fast " .. i, fast), { key = "f" .. i }))
      end
      local own = box:start { sender_rates = { [FROM] = 0.001 } }
      for _ = 1, 20 do own:step(0.01) end
      table.sort(sender.posted)
      assert.same({ "fast 1", "fast 2", "fast 3", "slow 1" }, sender.posted)
    end)

    it("holds up a sender that the service says has sent too many, and no other", function()
      local function busy_for_slow(sent) return sent.from == FROM and copy(BUSY_SENDER) or nil end
      open { busy_for_slow, busy_for_slow, busy_for_slow }
      for i = 1, 2 do
        assert.is_true(box:add(message("slow " .. i), { key = "s" .. i }))
        assert.is_true(box:add(message("fast " .. i, "+18445550002"), { key = "f" .. i }))
      end
      local own = box:start { concurrency = 1, sender_rates = { toll_free = 1000 } }
      for _ = 1, 200 do own:step(0.001) end
      table.sort(sender.posted)
      assert.same({ "fast 1", "fast 2", "slow 1" }, sender.posted)
    end)

    it("holds up everybody where it is the account that has sent too many", function()
      open { copy(BUSY) }
      assert.is_true(box:add(message("slow"), { key = "s" }))
      assert.is_true(box:add(message("fast", "+18445550002"), { key = "f" }))
      local started_at = sender.time
      local own = box:start { concurrency = 1, sender_rates = { toll_free = 1000 } }
      repeat own:step(0.1) until sender.time - started_at >= 19
      assert.equal(1, #sender.posted)
      repeat own:step(0.1) until #sender.posted == 3
    end)

    it("knows whose numbers send what names no sender", function()
      local busy_profile, other = ("40017f8e-1111-4111-8111-%012d"):format(1),
        ("40017f8e-1111-4111-8111-%012d"):format(2)
      local function busy_for_one(sent)
        return sent.messaging_profile_id == busy_profile and copy(BUSY_SENDER) or nil
      end
      open { busy_for_one, busy_for_one, busy_for_one }
      local function of_profile(id, text)
        return { messaging_profile_id = id, to = TO, text = text }
      end
      for i = 1, 2 do
        assert.is_true(box:add(of_profile(busy_profile, "slow " .. i), { key = "s" .. i }))
        assert.is_true(box:add(of_profile(other, "fast " .. i), { key = "f" .. i }))
      end
      local own = box:start { concurrency = 1, sender_rates = { number_pool = 1000 } }
      for _ = 1, 200 do own:step(0.001) end
      table.sort(sender.posted)
      assert.same({ "fast 1", "fast 2", "slow 1" }, sender.posted)
      sender.posted = {}
      own:drain()
      own = box:start { sender_rates = { [other] = 0.001 } }
      assert.is_true(box:add(of_profile(other, "fast 3"), { key = "f3" }))
      assert.is_true(box:add(of_profile(other, "fast 4"), { key = "f4" }))
      repeat own:step(1) until #sender.posted >= 3
      for _ = 1, 50 do own:step(1) end
      table.sort(sender.posted)
      assert.same({ "fast 3", "slow 1", "slow 2" }, sender.posted)
    end)

    for what, options in pairs { ["in all"] = {}, ["of a sender"] = {
      sender_rates = { toll_free = 1000 } } } do
      it("asks ever less where too many are refused without a word of when: " .. what, function()
        local answers = {}
        local at_once = copy(BUSY)
        at_once.retry_after = nil
        for i = 1, 200 do answers[i] = copy(at_once) end
        open(answers)
        add(200)
        options.concurrency = 1
        local own = box:start(options)
        local started_at = sender.time
        repeat own:step(1) until sender.time - started_at >= 300
        assert.is_true(#sender.posted > 5 and #sender.posted < 40, #sender.posted)
      end)
    end

    it("does not call it idle where what it tried last could not be sent", function()
      local function ended_of(answers, texts)
        open(answers)
        for _, text in ipairs(texts) do
          assert.is_true(box:add(message(text), { key = text }))
        end
        return run({ concurrency = 1, until_idle = true, until_empty = false }).ended
      end
      assert.equal("unsent", ended_of({ copy(DOWN), copy(DOWN) }, { "a", "b" }))
      assert.equal("unsent", ended_of({ false, copy(DOWN) }, { "c", "d" }))
      assert.equal("idle", ended_of({ copy(DOWN), false }, { "e", "f" }))
      assert.equal("idle", ended_of({ copy(BUSY) }, { "g" }))
      local soon = copy(BUSY)
      soon.retry_after = 1
      local all = { copy(soon), copy(soon), copy(soon) }
      assert.equal("held", ended_of(all, { "h", "i", "j" }))
      all[2] = false
      assert.equal("idle", ended_of(all, { "k", "l", "m" }))
      local apart = { copy(soon), copy(soon), false, copy(soon) }
      assert.equal("idle", ended_of(apart, { "n", "o", "p", "q" }))
    end)

    -- Many are under way at once, and end at one time.
    local function step_by_step(answer)
      local own = timed_service.new(function(sent, n, now)
        local failure, latency_s = answer(now, n, sent)
        return failure and copy(failure) or nil, latency_s
      end)
      local step = own.step
      function own:sleep(seconds) self.time = self.time + seconds end
      function own:step(seconds) return step(self, math.max(seconds, 1e-6)) end
      own.time = 1000
      return own
    end

    local BUSY_WITHOUT = copy(BUSY)
    BUSY_WITHOUT.retry_after = nil
    for what, failure in pairs { ["not sent"] = DOWN, ["refused"] = BUSY_WITHOUT,
      ["unknown"] = BROKEN } do
      it("waits no longer for sixteen at once that are " .. what .. " than for one", function()
        local own = step_by_step(function(_, n) return n <= 16 and failure or nil end)
        open(nil, { sender = own })
        add(20)
        local counts = run { concurrency = 16 }
        assert.equal(20, counts.accepted + counts.unknown)
        assert.is_true(own.time - 1000 < 4, own.time)
      end)

      it("tries one at a time while all are " .. what, function()
        local own = step_by_step(function(now) return now < 1300 and failure or nil end)
        open(nil, { sender = own })
        add(100)
        local worker = box:start { concurrency = 16 }
        repeat worker:step(1) until own.time >= 1300
        local n = #own.posts
        assert.is_true(n > 25 and n < 60, n)
        repeat worker:step(1) until worker.counts.total == 100
        assert.is_true(own.time - 1300 < 320, own.time) -- its rows had waited as long
      end)
    end

    it("uses up nothing where some are unknown, some refused and some not sent", function()
      local own = step_by_step(function(now, n)
        return now < 1060 and ({ BROKEN, BUSY_WITHOUT, DOWN })[n % 3 + 1] or nil
      end)
      open(nil, { sender = own })
      add(200)
      local worker = box:start { concurrency = 16 }
      repeat worker:step(1) until own.time >= 1060
      assert.is_true(worker.counts.unknown < 20, worker.counts.unknown)
      assert.is_true(#own.posts < 50, #own.posts)
    end)

    it("uses up nothing where it is a page that answers each with 200", function()
      local own = step_by_step(function(now)
        return now < 1060 and { outcome = "accepted", kind = "protocol", status = 200,
          retryable = false } or nil
      end)
      open(nil, { sender = own })
      add(200)
      local worker = box:start { concurrency = 16 }
      repeat worker:step(1) until own.time >= 1060
      assert.is_true(#own.posts < 40, #own.posts)
    end)

    it("ends where all are refused for being too many, and nobody says how long", function()
      local own = step_by_step(function() return BUSY_WITHOUT end)
      open(nil, { sender = own })
      add(100)
      local counts = run { concurrency = 4, until_idle = true, until_empty = false }
      assert.equal("held", counts.ended)
      assert.is_true(#own.posts < 20, #own.posts)
    end)

    -- While others are served.
    it("has patience with a sender of whatever name", function()
      local n_of, without_wait = {}, copy(BUSY_SENDER)
      without_wait.retry_after = nil
      local own = step_by_step(function(_, _, sent)
        n_of[sent.from] = (n_of[sent.from] or 0) + 1
        return sent.from ~= FROM and without_wait or nil
      end)
      open(nil, { sender = own })
      local names = { "lost", "unsent", "journal", "refused" }
      for _, name in ipairs(names) do
        local sent = message("x", name)
        sent.messaging_profile_id = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
        for i = 1, 60 do assert.is_true(box:add(sent, { key = name .. i })) end
      end
      local now = core.now()
      for i = 1, 150 do
        assert.is_true(box:add(message("text"), { key = "k" .. i, at = now + i * 0.3 }))
      end
      local worker = box:start { concurrency = 4, sender_rates = { toll_free = 1e6,
        alphanumeric = 1e6 } }
      repeat worker:step(1) until own.time >= 1060
      assert.equal(150, n_of[FROM])
      for _, name in ipairs(names) do assert.is_true(n_of[name] < 90, name .. n_of[name]) end
    end)

    it("waits for no earlier outage of answers in the next one", function()
      for unknowns, most_s in pairs { [1] = 1.5, [3] = 6 } do
        local answers = { copy(BROKEN), copy(BROKEN), copy(BROKEN) }
        for _ = 1, 8 do
          for _ = 1, 6 do answers[#answers + 1] = false end
          for _ = 1, unknowns do answers[#answers + 1] = copy(BROKEN) end
        end
        open(answers)
        for i = 1, #answers do
          assert.is_true(box:add(message("text"), { key = unknowns .. " " .. i }))
        end
        local started_at, n = sender.time, #answers
        local counts = run { concurrency = 1 }
        assert.equal(n, counts.total)
        assert.is_true(sender.time - started_at < most_s, sender.time - started_at)
      end
    end)

    -- What one of twenty says does not tell of the others.
    it("uses up nothing where a few are taken, or refused for good, among the lost", function()
      for _, case in ipairs { { 20 }, { 4 }, { 20, REFUSED }, { 2, REFUSED },
        { 20, nil, REFUSED } } do
        local every, some, later = case[1], case[2], case[3]
        local own = step_by_step(function(now, n)
          if now >= 1060 then return later end
          if n % every ~= 0 then return BROKEN end
          return some
        end)
        open(nil, { sender = own })
        for i = 1, 400 do
          local key = ("%d %s %s %d"):format(every, tostring(some), tostring(later), i)
          assert.is_true(box:add(message("text"), { key = key }))
        end
        local worker = box:start { concurrency = 32 }
        repeat worker:step(1) until own.time >= 1060
        assert.is_true(worker.counts.unknown < 32 + 16, worker.counts.unknown)
        local began_at = own.time
        repeat worker:step(1) until worker.counts.total == 400
        assert.is_true(own.time - began_at < 60, own.time - began_at)
      end
    end)

    it("does not stand still for three of thirty whose ends nobody knows", function()
      local own = step_by_step(function(_, n) return n > 30 and n % 30 < 3 and BROKEN or nil end)
      open(nil, { sender = own })
      add(600)
      local counts = run { concurrency = 32 }
      assert.same({ 543, 57 }, { counts.accepted, counts.unknown })
      assert.is_true(own.time - 1000 < 5, own.time)
    end)

    it("does not stand still for one of fifty that hangs", function()
      local n_late = 0
      local own = step_by_step(function(now, n)
        if now > 1030 then n_late = n_late + 1 end
        if n % 50 == 0 then return BROKEN, 30 end
        return nil, 0.5
      end)
      open(nil, { sender = own })
      add(4000)
      local worker = box:start { concurrency = 64 }
      repeat worker:step(1) until own.time >= 1060
      assert.is_true(n_late > 500, n_late)
    end)

    -- Workers one after the other, a minute apart, as cron begins them: how many each posted at
    -- once at first, and how each ended.
    local function workers(answers)
      local at, list = 1, {}
      local own = step_by_step(function() return answers[at] ~= "taken" and answers[at], 0.5 end)
      local now = core.now
      finally(function() core.now = now end)
      function core.now() return 1.8e9 + own.time end
      open(nil, { sender = own })
      add(300)
      for i = 1, #answers do
        local n_before, began_at = #own.posts, own.time + 60
        at, own.time = i, began_at
        local options = { concurrency = 16, until_idle = true,
          stops_when = function() return #own.posts >= n_before + 40 end }
        local counts = run(options)
        local n_at_once = 0
        for k = n_before + 1, #own.posts do
          if own.posts[k].at < began_at + 0.5 then n_at_once = n_at_once + 1 end
        end
        list[i] = { n_at_once, counts.unknown < 4 and "few" or "many", counts.ended }
      end
      return list
    end

    it("begins with one where the last before it lost its last, and is soon as quick", function()
      assert.same({ { 16, "many", "unsent" }, { 1, "few", "unsent" }, { 1, "few", "unsent" },
        { 1, "few", "drained" }, { 16, "few", "drained" }, { 16, "many", "unsent" },
        { 1, "few", "drained" }, { 16, "few", "drained" } },
        workers { BROKEN, BROKEN, BROKEN, REFUSED, "taken", BROKEN, "taken", REFUSED })
    end)

    it("begins with all where what an earlier one left behind was lost", function()
      open()
      add(1)
      local queue, own = journal:queue(), step_by_step(function() return nil, 0.5 end)
      assert.equal(1, #queue:take { limit = 1, claim = "c", now = 1, due = 2e9, expires = 2 })
      assert.equal(1, #journal:reap { now = 3 })
      open(nil, { sender = own })
      for i = 1, 40 do assert.is_true(box:add(message("text"), { key = "later " .. i })) end
      run { concurrency = 16 }
      assert.equal(1000, own.posts[16].at)
    end)

    local n_added = 0

    -- What a worker is told of its messages' waiting, and with which error; "over" for nil.
    local function told_of(answer, options, list)
      local own, told = step_by_step(answer), {}
      open(nil, { sender = own })
      for _, from in ipairs(list) do
        n_added = n_added + 1
        assert.is_true(box:add(message("text", from), { key = "told " .. n_added }))
      end
      function options.on_trouble(why, err)
        local word = err and (err.code or err.outcome)
        told[#told + 1] = (why or "over") .. (word and "; " .. word or "")
      end
      local worker = box:start(options)
      repeat worker:step(1) until own.time >= 1200
      return told, worker
    end

    local function of_all(n)
      local list = {}
      for i = 1, n do list[i] = FROM end
      return list
    end

    it("is told nothing of a service that takes what comes, or where nothing waits", function()
      assert.same({}, told_of(function() return nil, 0.5 end, { concurrency = 2 }, of_all(300)))
      assert.same({}, told_of(function(_, n)
        if n > 299 then return BROKEN end
      end, { concurrency = 1 }, of_all(300)))
    end)

    it("is told that it is over where nothing waits any more", function()
      local told = told_of(function(_, n) return n > 40 and BROKEN or nil, 0.5 end,
        { concurrency = 1 }, of_all(46))
      assert.equal("over", told[#told])
      assert.is_true(#told >= 2)
    end)

    it("goes on as before after a few lost ones where all others are refused for good", function()
      local own = step_by_step(function(_, n)
        return n > 20 and (n <= 27 and BROKEN or REFUSED) or nil, 0.5
      end)
      open(nil, { sender = own })
      add(600)
      run { concurrency = 16 }
      assert.is_true(own.time - 1000 < 60, own.time) -- 19 without the lost ones
    end)

    it("tells once of one that waits again, also where that steps", function()
      open { copy(BUSY) }
      add(1)
      local n_told, worker = 0, nil
      worker = box:start { on_requeue = function()
        n_told = n_told + 1
        if n_told > 3 then return end
        worker.mend_at = 0
        worker:step(0)
      end }
      for _ = 1, 5 do worker:step(1) end
      assert.equal(1, n_told)
    end)

    it("tells of trouble once where no end is told", function()
      open()
      add(1)
      local finish, told = journal.finish, {}
      journal.finish = function() return nil, "it is away" end
      local worker = box:start { on_trouble = function(why) told[#told + 1] = why or "over" end }
      for _ = 1, 3 do worker:step(1) end
      journal.finish = finish
      for _ = 1, 60 do worker:step(1) end
      assert.is_nil(worker.trouble)
      assert.equal("it is away; over", table.concat(told, "; "))
    end)

    it("tells no end as a wait", function()
      open { copy(BUSY) }
      add(3)
      local n_requeued = 0
      local counts = run { on_requeue = function() n_requeued = n_requeued + 1 end }
      assert.same({ 3, 1, 1 }, { counts.total, counts.requeued, n_requeued })
    end)

    it("raises the first that a callback raises", function()
      open()
      add(3)
      local n = 0
      local ok, why = pcall(run, { concurrency = 3, on_result = function()
        n = n + 1
        error("raised " .. n, 0)
      end })
      assert.same({ false, "raised 1" }, { ok, why })
      assert.is_true(n > 1)
    end)

    for whose, case in pairs { ["a sender's"] = { BUSY_SENDER, { toll_free = 20 } },
      ["everybody's"] = { BUSY } } do
      it("is told nothing of a wait of a second and a half, " .. whose, function()
        local busy = copy(case[1])
        busy.retry_after = 1.5
        local own = step_by_step(function(_, n) return n % 40 == 39 and busy or nil, 0.05 end)
        open(nil, { sender = own })
        add(300)
        local told = {}
        local worker = box:start { concurrency = 2, sender_rates = case[2],
          on_trouble = function(why) told[#told + 1] = why or "over" end }
        repeat worker:step(1) until worker.counts.total == 300
        assert.is_true(worker.counts.requeued > 4, worker.counts.requeued)
        for _, why in ipairs(told) do assert.is_nil(why:find("patience"), why) end
      end)
    end

    it("says that the journal can be asked again, some seconds after", function()
      local service = step_by_step(function() return nil, 0.1 end)
      open(nil, { sender = service })
      local query, told = journal.keeper.query, {}
      local worker = box:start { poll = 0.1, on_trouble = function(why)
        told[#told + 1] = { why = why or "over", at = service.time }
      end }
      journal.keeper.query = function() return nil, "the connection broke" end
      for _ = 1, 5 do worker:step(1) end
      journal.keeper.query = query
      local at = service.time
      repeat worker:step(1) until service.time > at + 30
      assert.equal(2, #told)
      assert.matches("the connection broke", told[1].why)
      assert.equal("over", told[2].why)
      assert.is_true(told[2].at - at > 4 and told[2].at - at < 20, told[2].at - at)
    end)

    it("is told of refusals that hold it up, and by which, and when they are over", function()
      local busy = copy(BUSY)
      busy.retry_after = nil
      local own = step_by_step(function(now, n)
        return now > 1005 and now < 1025 and n % 3 == 0 and busy or nil, 0.1
      end)
      open(nil, { sender = own })
      add(2500)
      local told = {}
      local worker = box:start { concurrency = 8, on_trouble = function(why, err)
        told[#told + 1] = { at = own.time, why = why or "over", err = err }
      end }
      repeat worker:step(1) until own.time > 1045
      assert.is_truthy(told[1].why:find("refuses"), told[1].why)
      assert.equal(429, told[1].err.status)
      assert.is_true(told[1].at < 1012, told[1].at)
      assert.equal("over", told[#told].why)
      assert.is_true(told[#told].at < 1040, told[#told].at)
    end)

    -- It has an end as soon as it is begun, while others of the same take are not.
    local function sender_at_once(posts, answer)
      return { send = function(_, sent)
        posts[#posts + 1] = sent.text
        local failure = answer and answer(#posts)
        if failure then return nil, copy(failure) end
        return { id = sent.text }, { outcome = "accepted", status = 200 }
      end }
    end

    it("is told that it is over where others have sent all that waited", function()
      local busy = copy(BUSY)
      busy.retry_after = nil
      local own = step_by_step(function(now) return now < 1020 and busy or nil, 0.1 end)
      open(nil, { sender = own })
      add(20)
      local told = {}
      local worker = box:start { concurrency = 8,
        on_trouble = function(why) told[#told + 1] = why or "over" end }
      repeat worker:step(1) until own.time > 1015
      assert.is_truthy(told[#told]:find("refuses all"), told[#told])
      repeat worker:step(1) until worker.n_in_flight == 0
      for i = 1, 20 do box:withdraw("k" .. i) end
      local at = own.time
      repeat worker:step(1) until own.time > at + 30
      assert.equal("over", told[#told])
    end)

    it("takes no more than it may where a callback steps, of what is not begun", function()
      local posts, limits, n_told, worker = {}, {}, 0, nil
      open(nil, { sender = sender_at_once(posts) })
      add(20)
      local methods = getmetatable(journal:queue()).__index
      local take = methods.take
      finally(function() methods.take = take end)
      function methods.take(self, t)
        limits[#limits + 1] = t.limit
        return take(self, t)
      end
      worker = box:start { concurrency = 4, on_result = function()
        n_told = n_told + 1
        if n_told == 1 then worker:step(0) end
      end }
      for _ = 1, 20 do worker:step(0) end
      assert.same({ 4, 1 }, { limits[1], limits[2] }) -- three are taken, and not begun
      assert.equal(20, journal:counts().accepted)
    end)

    it("is told nothing of service or refusals where it drains", function()
      local lost = copy(BROKEN)
      local own = step_by_step(function(_, n)
        if n > 20 then return lost, 30 end
        return nil, 0.1
      end)
      open(nil, { sender = own })
      add(100)
      local told = {}
      local worker = box:start { concurrency = 16,
        on_trouble = function(why) told[#told + 1] = why or "over" end }
      repeat worker:step(0.05) until #own.posts > 30
      worker:drain()
      repeat worker:step(1) until worker:is_done()
      assert.is_true(own.time > 1029)
      assert.same({}, told)
    end)

    if candidate == journals.sqlite then
      -- One error from outside at the k-th line of some functions of the worker's.
      local function raise_at(k, names)
        local getinfo, n = debug.getinfo, 0
        local raised = {}
        debug.sethook(function()
          local info = getinfo(2, "nS")
          if names[info.name] and info.source:find("run/worker.lua", 1, true) then n = n + 1 end
          if n < k then return end
          debug.sethook()
          raised[1] = true
          error("from outside", 0)
        end, "l")
        return raised
      end

      local function without_compiler()
        local compiler = rawget(_G, "jit")
        if not compiler then return end
        compiler.off()
        compiler.flush()
        finally(compiler.on)
      end

      for how, lets_finish in pairs { ["ends it"] = false, ["lets it finish"] = true } do
        it("tells once of each end, at each line of what tells, where an error " .. how, function()
          without_compiler()
          local k, raised = 0, nil
          repeat
            k = k + 1
            open { false, copy(BUSY) }
            local told = {}
            for i = 1, 4 do
              assert.is_true(box:add(message("text"), { key = k .. " " .. i }))
            end
            local ok, why = pcall(function()
              raised = raise_at(k, { tell = true, tell_end = true, tell_of_it = true })
              box:run { concurrency = 2, until_idle = true,
                on_result = function(row) told[row.key] = (told[row.key] or 0) + 1 end,
                lets_finish = lets_finish and function() return true end or nil }
              debug.sethook()
            end)
            debug.sethook()
            assert.is_true(ok or why == "from outside", why)
            for i = 1, 4 do
              local key = k .. " " .. i
              local state = journal:get(key).state
              local is_ended = state == "accepted" or state == "unknown"
              assert.equal(is_ended and 1 or nil, told[key], key .. " " .. state)
              if not is_ended then box:withdraw(key) end
            end
          until not raised[1]
          assert.is_true(k > 15, k)
        end)
      end

      it("tells once of an end that was missed, at each line of its note", function()
        without_compiler()
        local k = 0
        local raised
        repeat
          k = k + 1
          open(nil, { sender = timed_service.new(function() return nil, 1e6 end) })
          for i = 1, 2 do assert.is_true(box:add(message("text"), { key = k .. " " .. i })) end
          local n_told = {}
          local worker = box:start { concurrency = 2, lets_finish = function() return true end,
            on_result = function(row) n_told[row.key] = (n_told[row.key] or 0) + 1 end }
          worker:step(0)
          assert.equal(2, worker.n_in_flight)
          for entry in pairs(worker.begun) do
            entry.message, entry.result = { id = "x" }, { outcome = "accepted", status = 200 }
          end
          worker.mend_at = 0
          raised = raise_at(k, { note = true, book = true, on_end = true, tell = true,
            tell_end = true, tell_of_it = true, hearten = true, count_out = true })
          pcall(worker.step, worker, 0)
          debug.sethook()
          for _ = 1, 3 do
            worker.mend_at = 0
            pcall(worker.step, worker, 0)
          end
          assert.same({ 1, 1, 2, 0 }, { n_told[k .. " 1"], n_told[k .. " 2"], worker.counts.total,
            worker.n_in_flight }, k)
        until not raised[1]
        assert.is_true(k > 15, k)
      end)
    end

    for name, options in pairs { ["until it is empty"] = { until_empty = true },
      ["until it is idle"] = { until_idle = true }, ["and drains"] = { drains = true },
      ["and is stopped"] = { stops = true }, ["and fails"] = { fails = true },
      ["for ever"] = {} } do
      it("posts once what was taken where a callback steps before it is begun, " .. name, function()
        local posts, told, stops, worker = {}, {}, false, nil
        open(nil, { sender = sender_at_once(posts) })
        add(8)
        worker = box:start { concurrency = 8, until_empty = options.until_empty,
          until_idle = options.until_idle, stops_when = function() return stops end,
          lets_finish = function() return true end,
          on_result = function(row)
            told[#told + 1] = row.key
            if #told > 1 then return end
            if options.drains then box:drain() end
            stops = options.stops or false
            if options.fails then journal.keeper.look = function() error("no memory", 0) end end
            pcall(worker.step, worker, 0)
            journal.keeper.look = nil
          end }
        for _ = 1, 20 do pcall(worker.step, worker, 0) end
        run()
        table.sort(posts)
        table.sort(told)
        local all = {}
        for i = 1, 8 do all[i] = "text " .. i end
        assert.same(all, posts)
        assert.equal(8, journal:counts().accepted)
        if not options.fails then assert.equal(8, #told) end
      end)
    end

    -- As if this process were the parent, or a child of it.
    local function as_processes()
      local forks = core.forks
      finally(function() rawset(core, "forks", forks) end)
      return function(who)
        rawset(core, "forks", who == "parent" and forks or function() return forks() + 1 end)
      end
    end

    it("sends in a child what that takes, by a worker that was made before the fork", function()
      local posts, process_is = {}, as_processes()
      open(nil, { sender = sender_at_once(posts) })
      add(8)
      local worker = box:start { concurrency = 4 }
      process_is("child")
      for _ = 1, 5 do worker:step(0) end
      assert.equal(8, #posts)
      assert.same({ 8, 0 }, { journal:counts().accepted, journal:counts().sending })
    end)

    for name, ends in pairs {
      drains = function() box:drain() end,
      ["is stopped"] = function() return true end,
      ["closes its client"] = function() client:close() end,
    } do
      for _, when in ipairs { "before", "after" } do
        it(("posts nothing of a take %s which it %s, and steps"):format(when, name), function()
          local posts, stops, worker = {}, false, nil
          open(nil, { sender = sender_at_once(posts) })
          add(8)
          local query, is_first = journal.keeper.query, true
          local function meddle()
            is_first, stops = false, ends() or false
            pcall(worker.step, worker, 0)
          end
          journal.keeper.query = function(sql, params, n)
            local is_it = is_first and sql:find("tries = tries + 1", 1, true)
            if is_it and when == "before" then meddle() end
            local rows, why, is_sure = query(sql, params, n)
            if is_it and when == "after" then meddle() end
            return rows, why, is_sure
          end
          worker = box:start { concurrency = 4, stops_when = function() return stops end }
          for _ = 1, 5 do pcall(worker.step, worker, 0) end
          journal.keeper.query = query
          assert.same({}, posts)
          assert.same({ 8, 0 }, { journal:counts().queued, journal:counts().sending })
        end)
      end
    end

    it("leaves to its parent what is taken while the journal's query forks", function()
      local posts, process_is = {}, as_processes()
      open(nil, { sender = sender_at_once(posts) })
      add(4)
      local query = journal.keeper.query
      journal.keeper.query = function(sql, params, n)
        local rows, why, is_sure = query(sql, params, n)
        if sql:find("tries = tries + 1", 1, true) then
          process_is("child")
        end
        return rows, why, is_sure
      end
      local worker = box:start { concurrency = 4 }
      for _ = 1, 3 do worker:step(0) end
      worker:leave()
      process_is("parent")
      journal.keeper.query = query
      assert.same({ 0, 4 }, { #posts, journal:counts().sending })
    end)

    local forks = core.forks
    local function parent() rawset(core, "forks", forks) end
    local function fork()
      finally(parent)
      rawset(core, "forks", function() return forks() + 1 end)
    end

    -- What comes with a statement: `tell` asks it.
    local function on_query(what, tell)
      local query = journal.keeper.query
      journal.keeper.query = function(sql, params, n)
        if not sql:find(what, 1, true) then return query(sql, params, n) end
        return tell(function() return query(sql, params, n) end)
      end
      return function() journal.keeper.query = query end
    end
    local TAKE = "tries = tries + 1"

    it("leaves to its parent what that has taken, where a callback forks and leaves it", function()
      local posts, worker = {}, nil
      open(nil, { sender = sender_at_once(posts) })
      add(8)
      worker = box:start { concurrency = 8, on_result = function()
        fork()
        worker:leave()
      end }
      for _ = 1, 5 do worker:step(0) end
      parent()
      assert.same({ 1, 7 }, { #posts, journal:counts().sending })
    end)

    for what, answer in pairs {
      ["leaves the worker"] = function(worker, ...)
        worker:leave()
        return ...
      end,
      ["has no answer"] = function() return nil, "it is the parent's connection" end,
    } do
      it("leaves to its parent what is taken, where the query forks and " .. what, function()
        local posts, worker = {}, nil
        open(nil, { sender = sender_at_once(posts) })
        add(4)
        local restore = on_query(TAKE, function(query)
          local rows, why, is_sure = query()
          fork()
          return answer(worker, rows, why, is_sure)
        end)
        worker = box:start { concurrency = 4 }
        for _ = 1, 3 do worker:step(0) end
        restore()
        for _ = 1, 5 do
          worker.mend_at = 0
          worker:step(0)
        end
        parent()
        assert.same({ 0, 4 }, { #posts, journal:counts().sending })
      end)
    end

    it("raises nothing where it ends while it takes, and the take has no answer", function()
      local worker, is_first = nil, true
      open(nil, { sender = sender_at_once {} })
      add(4)
      local restore = on_query(TAKE, function(query)
        if not is_first then return query() end
        is_first = false
        box:drain()
        worker:step(0)
        return nil, "it is away", true
      end)
      worker = box:start { concurrency = 4 }
      assert.is_true((pcall(worker.step, worker, 0)))
      restore()
      assert.equal(4, journal:counts().queued)
    end)

    it("is done where an error came before all were begun that it had taken", function()
      local posts = {}
      open(nil, { sender = sender_at_once(posts) })
      add(3)
      local spoil = "UPDATE telnyx_send SET body = '{' WHERE key = 'k1'"
      assert.is_truthy(journal.keeper.query(spoil, {}, 0))
      local worker = box:start { concurrency = 3, lets_finish = function() return true end }
      local ok, why = pcall(worker.step, worker, 0)
      assert.is_false(ok)
      assert.matches("cannot be read", why)
      assert.is_true(worker:is_done())
      assert.same({ 0, 3 }, { journal:counts().sending, journal:counts().queued })
    end)

    it("does not end as empty where a callback steps before all were begun", function()
      local posts, worker = {}, nil
      open(nil, { sender = sender_at_once(posts, function(n)
        local busy = copy(BUSY)
        busy.retry_after = 1
        return n == 3 and busy or nil
      end) })
      add(4)
      worker = box:start { concurrency = 4, until_empty = true, on_result = function()
        if #posts == 1 then worker:step(0) end
      end }
      for _ = 1, 50 do if not worker:is_done() then worker:step(1) end end
      assert.same({ 4, 0 }, { journal:counts().accepted, journal:counts().queued })
      assert.equal("empty", worker.counts.ended)
    end)

    it("keeps the pace where a callback steps", function()
      local posts, worker = {}, nil
      open(nil, { sender = sender_at_once(posts) })
      add(8)
      worker = box:start { concurrency = 8, sender_rates = { toll_free = 1 }, on_result = function()
        if #posts < 4 then worker:step(0) end
      end }
      for _ = 1, 10 do worker:step(0) end
      assert.equal(1, #posts)
    end)

    it("begins with one also where the journal could not say at first how others ended", function()
      local own = step_by_step(function(_, n) return n == 1 and BROKEN or nil, 0.5 end)
      open(nil, { sender = own })
      add(40)
      local worker = box:start { concurrency = 1,
        stops_when = function() return #own.posts > 0 end }
      repeat worker:step(1) until worker:is_done()
      local n_failed = 0
      local restore = on_query("AS lost_at", function(query)
        n_failed = n_failed + 1
        if n_failed == 1 then return nil, "it is away", true end
        return query()
      end)
      worker = box:start { concurrency = 16 }
      local n_before = #own.posts
      repeat worker:step(0.1) until #own.posts > n_before
      restore()
      assert.same({ n_before + 1, true }, { #own.posts, n_failed > 0 })
    end)

    it("posts what cannot be read as it was added, where the sender takes bytes", function()
      local posts = {}
      local own = sender_at_once(posts)
      own.takes_body = true
      function own.send(_, _, limits)
        posts[#posts + 1] = limits.body
        return { id = "x" }, { outcome = "accepted", status = 200 }
      end
      open(nil, { sender = own })
      add(1)
      assert.is_truthy(journal.keeper.query("UPDATE telnyx_send SET body = '{'", {}, 0))
      box:run { until_empty = true }
      assert.same({ "{" }, posts)
    end)

    it("is told of refusals with a refusal, whatever else failed before", function()
      local own = step_by_step(function(now, n)
        if n == 5 then return BROKEN, 0.1 end
        local busy = copy(BUSY)
        busy.retry_after = 30
        return now > 1010 and busy or nil, 0.1
      end)
      open(nil, { sender = own })
      add(600)
      local told = {}
      local worker = box:start { concurrency = 2, on_trouble = function(why, err)
        told[#told + 1] = { why, err and err.outcome }
      end }
      repeat worker:step(1) until own.time > 1030
      assert.is_truthy(told[#told][1]:find("patience"), told[#told][1])
      assert.equal("rejected", told[#told][2])
    end)

    it("is told nothing more of the service after it has ended early", function()
      local own = step_by_step(function(_, n)
        if n <= 20 then return nil, 0.1 end
        if n == 21 then return NO_KEY, 5 end
        return BROKEN, 40 + n * 2
      end)
      open(nil, { sender = own })
      add(100)
      local told = {}
      local worker = box:start { concurrency = 16,
        on_trouble = function(why) told[#told + 1] = own.time .. (why or "over") end }
      repeat worker:step(1) until worker:is_done()
      assert.is_true(own.time > 1050)
      for _, why in ipairs(told) do assert.is_nil(why:find("nothing gets"), why) end
    end)

    it("takes nothing once it is done, where a query yielded to who found that", function()
      if _VERSION == "Lua 5.1" and not rawget(_G, "jit") then return end -- no query yields there
      local posts, has_yielded = {}, false
      open(nil, { sender = sender_at_once(posts) })
      add(1)
      local restore = on_query("AS lost_at", function(query)
        if has_yielded then return query() end
        has_yielded = true
        coroutine.yield()
        return query()
      end)
      local worker = box:start { until_idle = true }
      local first = coroutine.create(function() worker:step(0) end)
      assert.is_true(coroutine.resume(first))
      assert.is_true(has_yielded)
      box:pause()
      worker:step(0)
      assert.is_true(worker:is_done())
      box:resume()
      assert.is_true(coroutine.resume(first))
      restore()
      assert.same({ 0, true, 1 }, { #posts, worker:is_done(), journal:counts().queued })
    end)

    it("gives no own sender a message that cannot be read: it raises, and the row waits", function()
      local posts = {}
      open(nil, { sender = sender_at_once(posts) })
      add(1)
      assert.is_truthy(journal.keeper.query("UPDATE telnyx_send SET body = '{'", {}, 0))
      local ok, why = pcall(run)
      assert.is_false(ok)
      assert.matches("the message under 'k1' cannot be read", why)
      assert.same({ 0, "queued" }, { #posts, journal:get("k1").state })
    end)

    it("leaves to its parent what that has taken, where a callback forks", function()
      local posts, process_is = {}, as_processes()
      open(nil, { sender = sender_at_once(posts) })
      add(8)
      local worker = box:start { concurrency = 8, on_result = function()
        process_is("child")
      end }
      for _ = 1, 5 do worker:step(0) end
      worker:leave()
      process_is("parent")
      assert.equal(1, #posts)
      assert.equal(7, journal:counts().sending)
    end)

    it("tells once of an end that is told of trouble first, also where that steps", function()
      open()
      add(1)
      local finish, worker, n_told, n_steps = journal.finish, nil, 0, 0
      journal.finish = function() return nil, "it is away" end
      worker = box:start { on_result = function() n_told = n_told + 1 end,
        on_trouble = function()
          n_steps = n_steps + 1
          journal.finish, worker.mend_at = finish, 0
          worker:step(0)
        end }
      for _ = 1, 50 do worker:step(1) end
      assert.same({ 1, true }, { n_told, n_steps > 0 })
    end)

    -- One error from outside in a run, at the k-th line of a file: how often what was told of.
    local function told_after_error(k, place, lets_finish)
      local getinfo, is_there, n, was_raised = debug.getinfo, {}, 0, false
      local own, told = step_by_step(function(_, m) return m % 4 == 2 and BUSY or nil, 0.1 end), {}
      open(nil, { sender = own })
      for i = 1, 4 do
        assert.is_true(box:add(message("text"), { key = ("%s %d %d"):format(place, k, i) }))
      end
      local function raise()
        local body = getinfo(2, "f").func
        if is_there[body] == nil then
          is_there[body] = getinfo(body, "S").source:find(place, 1, true) ~= nil
        end
        if is_there[body] then n = n + 1 end
        if n < k then return end
        debug.sethook()
        was_raised = true
        error("from outside", 0)
      end
      local options = { concurrency = 2, until_idle = true,
        on_result = function(row) told[row.key] = (told[row.key] or 0) + 1 end,
        lets_finish = lets_finish and function(err) return err == "from outside" end or nil }
      local ok, why = pcall(function()
        debug.sethook(raise, "l")
        box:run(options)
        debug.sethook()
      end)
      debug.sethook()
      assert.is_true(ok or why == "from outside", why)
      return was_raised, told
    end

    for how, lets_finish in pairs { ["ends it"] = false, ["lets it finish"] = true } do
      it("tells once of each end, wherever an error comes that " .. how, function()
        local compiler, k, was_raised = rawget(_G, "jit"), 0
        if compiler then
          compiler.off()
          compiler.flush()
          finally(compiler.on)
        end
        repeat
          k = k + (candidate == journals.sqlite and 37 or 301)
          local told
          was_raised, told = told_after_error(k, "run/worker.lua", lets_finish)
          for i = 1, 4 do
            local key = ("run/worker.lua %d %d"):format(k, i)
            local row = journal:get(key)
            local is_ended = row.state == "accepted" or row.state == "unknown"
            assert.equal(is_ended and 1 or nil, told[key], key .. " " .. row.state)
            if not is_ended then box:withdraw(key) end
          end
        until not was_raised
        assert.is_true(k > 100, k)
      end)
    end

    it("is told for how long the service asks for patience, and when that is over", function()
      local long = copy(BUSY)
      long.retry_after = 60
      local told = told_of(function(now) return now < 1030 and long or nil, 0.5 end,
        { concurrency = 2 }, of_all(300))
      assert.equal(2, #told, table.concat(told, "\n"))
      assert.matches("^the service asks for patience: [56]%d s; 10011$", told[1])
      assert.equal("over", told[2])
    end)

    for how, failure in pairs { ["it is away"] = DOWN, ["all ends are unknown"] = BROKEN } do
      it("is told that nothing gets through while " .. how, function()
        local told = told_of(function(now) return now < 1060 and failure or nil, 0.5 end,
          { concurrency = 2 }, of_all(500))
        local last = told[#told - 1]
        assert.equal("nothing gets through: one message is tried now and then; "
          .. failure.outcome, last)
        assert.equal("over", told[#told])
        assert.is_true(#told <= 4, table.concat(told, "\n"))
      end)
    end

    it("is told that fewer are under way while some ends are unknown", function()
      local told = told_of(function(now, n)
        return now < 1030 and n % 4 == 0 and BROKEN or nil, 0.5
      end, { concurrency = 16 }, of_all(1500))
      assert.matches("^nobody knows how some ended: no more than %d+ at once are sent; unknown",
        told[1])
    end)

    it("is told of a sender whose messages wait", function()
      local list = {}
      for i = 1, 200 do list[i] = i % 2 == 0 and FROM or "+18445550009" end
      local told = told_of(function(now, _, sent)
        return now < 1030 and sent.from == FROM and BUSY_SENDER or nil
      end, { sender_rates = { toll_free = 2 } }, list)
      assert.matches("^the service refuses some of sender %+18445550001 .*; 40318$", told[1])
      assert.equal("over", told[2])
    end)

    it("asks a journal seldom that takes its time to say no", function()
      local own = step_by_step(function() end)
      open(nil, { sender = own })
      add(1)
      local query, n_asked = journal.keeper.query, 0
      journal.keeper.query = function(sql, params, n)
        if not sql:find("settled_by = 'worker'", 1, true) then return query(sql, params, n) end
        n_asked, own.time = n_asked + 1, own.time + 10
        return nil, "no room", true
      end
      local worker = box:start { concurrency = 1 }
      repeat worker:step(1) until own.time >= 1600
      journal.keeper.query = query
      assert.is_true(n_asked > 6 and n_asked < 25, n_asked)
    end)

    it("has added what it added though the answer is lost, and a person freed the key", function()
      open { copy(BROKEN) }
      add(1)
      run { until_empty = true }
      assert.is_true(client:resolve("k1", "not_sent"))
      assert.is_true(box:withdraw("k1"))
      local query, n_lost = journal.keeper.query, 0
      journal.keeper.query = function(sql, params, n)
        local rows, why = query(sql, params, n)
        if n_lost > 0 or not sql:find("'queued', ?", 1, true) then return rows, why end
        n_lost = 1
        return nil, "the connection broke"
      end
      assert.is_true(box:add(message("text 1"), { key = "k1" }))
      journal.keeper.query = query
      assert.equal(1, n_lost)
      run()
      assert.same({ "text 1", "text 1" }, sender.posted)
    end)

    it("waits no longer for sixteen ends that could not be written down than for one", function()
      local own = step_by_step(function() end)
      open(nil, { sender = own })
      add(20)
      local query, n_failed = journal.keeper.query, 0
      journal.keeper.query = function(sql, params, n)
        if n_failed < 32 and sql:find("settled_by = 'worker', message_id", 1, true) then
          n_failed = n_failed + 1
          return nil, "no room", true
        end
        return query(sql, params, n)
      end
      local counts = run { concurrency = 16 }
      assert.is_true(n_failed >= 16, n_failed)
      assert.equal(20, counts.accepted)
      assert.is_true(own.time - 1000 < 5, own.time)
    end)

    it("holds up a sender without a rate, too, and no other", function()
      local function busy_for_slow(sent) return sent.from == FROM and copy(BUSY_SENDER) or nil end
      open { busy_for_slow, busy_for_slow, busy_for_slow }
      assert.is_true(box:add(message("slow 1"), { key = "s" }))
      local own = box:start { sender_rates = { long_code = 1000 } }
      for _ = 1, 20 do own:step(0.001) end
      assert.is_true(box:add(message("slow 2"), { key = "t" }))
      for i = 1, 2 do
        assert.is_true(box:add(message("fast " .. i, "+13125550001"), { key = "f" .. i }))
      end
      sender.posted = {}
      for _ = 1, 200 do own:step(0.01) end
      table.sort(sender.posted)
      assert.same({ "fast 1", "fast 2" }, sender.posted)
    end)
  end)
end

describe("an outbox", function()
  it("is for journals in a database", function()
    local client = telnyx.new { sender = own_sender() }
    assert.has_error(function() telnyx.outbox(client) end,
      "an outbox needs a journal in a database: telnyx.journal.sqlite, postgres or sql")
    assert.has_error(function() telnyx.outbox("x") end)
    client:close()
  end)

  describe("is misused", function()
    local client, box, path
    setup(function()
      path = process.run("mktemp -d"):gsub("%s+$", "")
      client = telnyx.new { sender = own_sender(), journal = telnyx.journal.sqlite(path .. "/x") }
      box = telnyx.outbox(client)
    end)
    teardown(function()
      client:close()
      os.execute("rm -r " .. path)
    end)

    for title, misuse in pairs {
      ["option 'key' is missing"] = function() box:add(message(), {}) end,
      ["'key' must be"] = function() box:add(message(), { key = "" }) end,
      ["seconds since 1970"] = function() box:add(message(), { key = "k", at = "soon" }) end,
      ["options must be a table"] = function() box:add(message()) end,
      ["takes messages"] = function() box:add("x", { key = "k" }) end,
      ["did you mean 'concurrency'"] = function() box:run { concurency = 1 } end,
      ["'rates' must be"] = function() box:run { rates = { fax = 1 } } end,
      ["'sender_rates' must be"] = function() box:run { sender_rates = { 7 } } end,
      ["not longcode"] = function() box:run { sender_rates = { longcode = 1 } } end,
      ["not 13125550001"] = function() box:run { sender_rates = { ["13125550001"] = 1 } } end,
      ["before the year 2200"] = function() box:add(message(), { key = "k", at = 1.8e12 }) end,
      ["must be seconds since 1970, and past"] = function()
        box.host.journal:purge { before = core.now() * 1000 }
      end,
      ["step expects seconds"] = function() box:start():step("x") end,
      ["call it with a colon: outbox:run"] = function() box.run {} end,
      ["call it with a colon: outbox:add"] = function() box.add(message(), { key = "k" }) end,
    } do
      it("and says: " .. title, function()
        local ok, why = pcall(misuse)
        assert.is_false(ok)
        assert.is_truthy(why:find(title, 1, true), why)
        assert.is_truthy(why:find("spec/outbox_spec.lua", 1, true), why)
      end)
    end
  end)

  it("posts the bytes whose digest it keeps", function()
    local support = require "spec.support.sandbox"
    local server, folder = support.start(), support.temporary_folder()
    finally(function()
      server:stop()
      os.execute("rm -rf " .. folder)
    end)
    local journal = telnyx.journal.sqlite(folder .. "/sent.db")
    local client = telnyx.new { api_key = "KEY_SPEC", base_url = server.url, journal = journal }
    local box = telnyx.outbox(client)
    for i = 1, 30 do
      assert.is_true(box:add(message("ref " .. i), { key = "k" .. i }))
    end
    local seen = {}
    local counts = box:run { until_empty = true, on_result = function(row, sent, result)
      seen[row.key] = sent.id .. " " .. result.segments.parts
    end }
    assert.equal(30, counts.accepted)
    local ledger = server:ledger().messages
    for i = 1, 30 do
      assert.same({ posts = 1, accepted = 1 }, ledger["ref " .. i])
      assert.equal(journal:get("k" .. i).message_id .. " 1", seen["k" .. i])
    end
    client:close()
    journal:close()
  end)

  describe("over a service that is slow", function()
    local SLOW = "+15550070001"
    local support, server, folder, journal, client, box
    setup(function()
      support = require "spec.support.sandbox"
      server = support.start()
    end)
    teardown(function() server:stop() end)
    before_each(function()
      server:reset_ledger()
      folder = support.temporary_folder()
      journal = telnyx.journal.sqlite(folder .. "/sent.db")
      client = telnyx.new { api_key = "KEY_SPEC", base_url = server.url, journal = journal }
      box = telnyx.outbox(client)
    end)
    after_each(function()
      client:close()
      journal:close()
      os.execute("rm -rf " .. folder)
    end)

    local function add(key, to)
      assert.is_true(box:add({ from = FROM, to = to or SLOW, text = key }, { key = key }))
    end

    for where, whose in pairs {
      ["as it began"] = function() return client.engine_.loop end,
      ["right after it had begun"] = function() return box.host end,
    } do
      it("never sends again what an error found under way, " .. where, function()
        add("a")
        add("b", TO)
        local object = whose()
        local begin = object.begin
        object.begin = function(...)
          begin(...)
          error("interrupted!", 0)
        end
        local function yes() return true end
        local ok = pcall(box.run, box, { until_empty = true, lets_finish = yes })
        object.begin = begin
        assert.is_false(ok)
        box:run { until_empty = true, poll = 0.05 }
        local counts = journal:counts()
        assert.equal(2, counts.accepted + counts.unknown)
        for _, posted in pairs(server:ledger().messages) do assert.equal(1, posted.posts) end
      end)
    end

    it("waits for what is under way when an error came as another entered", function()
      add("a")
      add("b", TO)
      local tasks, told, n_begun = require "telnyx.send.tasks", {}, 0
      local go_on = tasks.go_on
      tasks.go_on = function(...)
        n_begun = n_begun + 1
        if n_begun == 2 then error("interrupted!", 0) end
        return go_on(...)
      end
      local ok, why = pcall(box.run, box, { until_empty = true,
        lets_finish = function() return true end,
        on_result = function(row) told[#told + 1] = row.key end })
      tasks.go_on = go_on
      assert.is_false(ok)
      assert.equal("interrupted!", why)
      assert.same({ "a" }, told)
    end)

    it("gives each sender a part of the room", function()
      for i = 1, 12 do add("slow " .. i) end
      assert.is_true(box:add({ from = "+18445550002", to = TO, text = "fast" }, { key = "fast" }))
      local own = box:start { concurrency = 4, rates = { short_code = 1 } }
      repeat own:step(0.02) until own.counts.total > 0 -- the first to be answered
      assert.equal("accepted", (journal:get("fast") or {}).state)
      own:drain()
      repeat own:step(1) until own:is_done()
    end)

    it("does not spin while there is no room", function()
      add("a")
      add("b", TO)
      local own, n_steps = box:start { concurrency = 1 }, 0
      repeat
        own:step(1)
        n_steps = n_steps + 1
      until own.counts.total == 1
      assert.is_true(n_steps < 100, n_steps)
      own:drain()
      repeat own:step(1) until own:is_done()
    end)

    it("is not empty while something is under way that may wait again", function()
      add("busy once", "+15550042911")
      local counts = box:run { until_empty = true, poll = 0.05 }
      assert.equal(1, counts.requeued)
      assert.equal(1, counts.accepted)
    end)

    it("is called for when there is room again", function()
      add("a", TO)
      add("b", TO)
      local own = box:start { concurrency = 1 }
      repeat own:step(0.01) until own.counts.total == 1
      assert.is_true(own:timeout() < 0.5, own:timeout())
    end)
  end)

  it("sends in process, and in virtual time", function()
    local folder = process.run("mktemp -d"):gsub("%s+$", "")
    finally(function() os.execute("rm -rf " .. folder) end)
    local own = sandbox.sender()
    local journal = telnyx.journal.sqlite(folder .. "/sent.db")
    local client = telnyx.new { sender = own, journal = journal }
    local box = telnyx.outbox(client)
    assert.is_true(box:add({ from = FROM, to = "+15550042911", text = "busy once" }, { key = "b" }))
    assert.is_true(box:add(message("tomorrow"), { key = "t", at = os.time() + 86400 }))
    local counts = box:run { until_empty = true }
    assert.equal(2, counts.accepted)
    assert.equal(1, counts.requeued)
    client:close()
    journal:close()
  end)
end)
