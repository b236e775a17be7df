-- Many messages: counts, order, pace, early end, memory.

local pace = require("telnyx.run.pace")
local sandbox = require("telnyx.sandbox")
local sandbox_server = require("spec.support.sandbox")
local telnyx = require("telnyx")

local FROM = "+18445550001"

local function messages(n, to)
  local list = {}
  for i = 1, n do
    list[i] = { from = FROM, to = to or "+18665550001", text = "message " .. i }
  end
  return list
end

-- A clock of its own: pauses take no time.
local function timed(sender)
  sender.time, sender.left_at = 0, {}
  local send = sender.send
  function sender:monotonic() return self.time end
  function sender:sleep(seconds) self.time = self.time + seconds end
  function sender:send(message, limits)
    self.left_at[#self.left_at + 1] = self.time
    return send(self, message, limits)
  end
  return sender
end

describe("send_all in process", function()
  it("sends a list and counts outcomes", function()
    local sender = sandbox.sender()
    local client = telnyx.new({ sender = sender, retry = false })
    local list = messages(5)
    list[2].to = "nobody"
    list[4].to = "+15550040300"
    local seen = {}
    local counts = client:send_all(list, {
      on_result = function(index, message, result)
        seen[index] = message and "accepted" or result.outcome
      end,
    })
    assert.same({ "accepted", "not_sent", "accepted", "rejected", "accepted" }, seen)
    assert.same({ total = 5, accepted = 3, rejected = 1, not_sent = 1, unknown = 0, replayed = 0 },
      counts)
  end)

  it("stops where no further message could succeed, and says so", function()
    local sender = sandbox.sender()
    local client = telnyx.new({ sender = sender })
    local list = messages(50)
    list[3].to = "+15550020100"
    local counts = client:send_all(list, { concurrency = 1 })
    assert.equal("20100", counts.stopped.code)
    assert.equal(3, counts.total)
    assert.equal(2, sender:ledger().accepted)
  end)

  it("stops where it is not the service that answers, and leaves the keys free", function()
    local sender = { n_sends = 0 }
    function sender:send()
      self.n_sends = self.n_sends + 1
      return nil, { outcome = "rejected", kind = "protocol", status = 404, retryable = false }
    end
    local client = telnyx.new({ sender = sender })
    local options = { concurrency = 1, key = function(i) return "k" .. i end }
    local counts = client:send_all(messages(50), options)
    assert.equal(404, counts.stopped.status)
    assert.equal(3, counts.total)
    function sender.send(_, sent) return { id = sent.text }, { outcome = "accepted" } end
    counts = client:send_all(messages(50), options)
    assert.equal(50, counts.accepted)
    assert.equal(0, counts.replayed)
  end)

  it("stops there after what an earlier run was told, too, and not at the first page", function()
    local is_page = false
    local sender = { n_pages = 0 }
    function sender:send(sent)
      if not is_page then return { id = sent.text }, { outcome = "accepted" } end
      self.n_pages = self.n_pages + 1
      return nil, { outcome = "rejected", kind = "protocol", status = 404, retryable = false }
    end
    local client = telnyx.new({ sender = sender })
    local options = { concurrency = 1, key = function(i) return "k" .. i end }
    client:send_all(messages(10), options)
    is_page = true
    local counts = client:send_all(messages(50), options)
    assert.equal(404, counts.stopped.status)
    assert.same({ 10, 3, 3 }, { counts.replayed, counts.rejected, sender.n_pages })
  end)

  it("goes on past a page of somebody else's where the service has answered before", function()
    local sender = { n_sends = 0 }
    function sender:send()
      self.n_sends = self.n_sends + 1
      if self.n_sends == 1 then return { id = "m" }, { outcome = "accepted" } end
      return nil, { outcome = "rejected", kind = "protocol", status = 403, retryable = false }
    end
    local counts = telnyx.new({ sender = sender }):send_all(messages(20), { concurrency = 1 })
    assert.is_nil(counts.stopped)
    assert.equal(20, counts.total)
  end)

  it("takes an iterator and looks no further ahead than it must", function()
    local client = telnyx.new({ sender = sandbox.sender() })
    local n = 0
    local counts = client:send_all(function()
      n = n + 1
      if n <= 10 then return { from = FROM, to = "+18665550001", text = "x" .. n } end
    end)
    assert.equal(10, counts.accepted)
    assert.equal(11, n)
  end)

  it("sends each key once, over two runs", function()
    local sender = sandbox.sender()
    local client = telnyx.new({ sender = sender })
    local function key(_, message) return message.text end
    client:send_all(messages(4), { key = key })
    local counts = client:send_all(messages(6), { key = key })
    assert.equal(6, counts.accepted)
    assert.equal(6, sender:ledger().posts)
  end)

  local function memory_after(client, n_messages)
    local n = 0
    local counts = client:send_all(function()
      n = n + 1
      if n <= n_messages then return { from = FROM, to = "+18665550001", text = "x" } end
    end, { concurrency = 64 })
    assert.equal(n_messages, counts.accepted)
    collectgarbage()
    collectgarbage()
    return collectgarbage("count")
  end

  local function runs_in_constant_memory(sender)
    local client = telnyx.new({ sender = sender })
    memory_after(client, 1000)
    local before = memory_after(client, 1000)
    assert.is_true(memory_after(client, 50000) - before < 256)
  end

  it("runs in constant memory", function()
    runs_in_constant_memory({ send = function() return { id = "m" }, { outcome = "accepted" } end })
  end)

  it("runs in constant memory while many wait", function()
    local owners, first, last, most = {}, 1, 0, 0
    local pending = {
      done = function() return true end,
      result = function() return { id = "m" }, { outcome = "accepted" } end,
    }
    runs_in_constant_memory({
      send = function() error("it can be stepped") end,
      start = function(_, _, _, owner)
        last = last + 1
        owners[last] = owner
        most = math.max(most, last - first + 1)
        return pending
      end,
      step = function() return last - first + 1 end,
      finished = function()
        local owner = owners[first]
        if owner then owners[first], first = nil, first + 1 end
        return owner
      end,
    })
    assert.equal(64, most)
  end)

  it("drains what is in flight when the caller's own function raises, then raises", function()
    local client = telnyx.new({ sender = sandbox.sender() })
    local n_told = 0
    local ok, why = pcall(client.send_all, client, messages(5), {
      concurrency = 3,
      on_result = function()
        n_told = n_told + 1
        if n_told == 2 then error("boom") end
      end,
    })
    assert.is_false(ok)
    assert.truthy(tostring(why):find("boom", 1, true))
    assert.equal(0, client:step())
  end)

  it("begins nothing more when it is told to stop, and waits for what is under way", function()
    local sender, n_told = sandbox.sender(), 0
    local client = telnyx.new({ sender = sender })
    local counts = client:send_all(messages(9), {
      concurrency = 2,
      on_result = function() n_told = n_told + 1 end,
      stops_when = function() return n_told > 2 end,
    })
    assert.is_nil(counts.stopped)
    assert.equal(counts.total, sender:ledger().posts)
    assert.equal(counts.total, counts.accepted)
    assert.is_true(counts.total >= 3 and counts.total <= 5, counts.total)
    assert.has_error(function()
      client:send_all(messages(9), { stops_when = function() error("mine", 0) end })
    end, "mine")
  end)

  it("waits for what is under way where it fails to say whether to stop", function()
    local sender, n_told = { begun = {}, n_steps = 0 }, 0
    function sender.send() error("it can be stepped") end
    function sender:start(message, _, owner)
      local one = { owner = owner, ready_at = #self.begun == 0 and 1 or 50 }
      self.begun[#self.begun + 1] = one
      return {
        done = function() return self.n_steps >= one.ready_at end,
        result = function() return { id = message.text }, { outcome = "accepted" } end,
      }
    end
    function sender:step()
      self.n_steps = self.n_steps + 1
      return #self.begun
    end
    function sender:finished()
      for i, one in ipairs(self.begun) do
        if self.n_steps >= one.ready_at then return table.remove(self.begun, i).owner end
      end
    end
    local client = telnyx.new({ sender = sender })
    assert.has_error(function()
      client:send_all(messages(9), {
        concurrency = 3,
        on_result = function(_, message) if message then n_told = n_told + 1 end end,
        stops_when = function() if n_told == 1 then error("mine", 0) end end,
      })
    end, "mine")
    assert.equal(3, n_told)
  end)

  it("sends nothing on a client that is closed meanwhile", function()
    local sender = sandbox.sender()
    local client = telnyx.new({ sender = sender })
    client:send_all(messages(5), { concurrency = 1, on_result = function() client:close() end })
    assert.equal(1, sender:ledger().posts)
    assert.has_error(function() client:send_all(messages(1)) end)
  end)

  it("tells of what an iterator yields as it ends the run, and posts nothing of it", function()
    for what, cause in pairs { close = "the client was closed", raise = "the run had ended" } do
      local sender, told, n = sandbox.sender(), {}, 0
      local client = telnyx.new({ sender = sender })
      local ok, counts = pcall(client.send_all, client, function()
        n = n + 1
        if n == 3 and what == "close" then client:close() end
        return messages(n)[n]
      end, {
        concurrency = 2,
        key = function(index)
          if index == 3 and what == "raise" then error("boom") end
          return "k" .. index
        end,
        on_result = function(index, sent, result)
          told[index] = sent and "accepted" or result.outcome .. ": " .. result.cause
        end,
      })
      assert.equal("accepted", told[2])
      assert.matches("^not_sent: " .. cause, told[3])
      assert.equal(2, sender:ledger().posts)
      assert.equal(what == "close", ok)
      if ok then assert.same({ 3, 1, "not_sent" }, { counts.total, counts.not_sent,
        counts.stopped.outcome }) end
    end
  end)

  it("does not stop for a refusal that was recorded in an earlier run", function()
    local client = telnyx.new({ sender = sandbox.sender() })
    local list = messages(3, "+15550040300")
    local function key(index) return "k" .. index end
    client:send_all(list, { key = key })
    assert.equal(3, client:send_all(list, { key = key }).rejected)
  end)

  it("refuses misuse", function()
    local client = telnyx.new({ sender = sandbox.sender() })
    assert.has_error(function() client:send_all({ from = FROM, to = FROM, text = "x" }) end)
    assert.has_error(function() client:send_all(messages(1), { key = function() end }) end)
    assert.has_error(function() client:send_all(42) end)
    assert.has_error(function() client:send_all({}, { concurency = 3 }) end)
    assert.has_error(function() client:send_all({}, { rates = { longcode = 3 } }) end)
    assert.has_error(function() client:send_all({ "hello" }) end)
  end)
end)

describe("the pace", function()
  it("holds messages to a rate after a burst", function()
    local sender = timed(sandbox.sender())
    local client = telnyx.new({ sender = sender })
    client:send_all(messages(7), { rate = 2, burst = 3 })
    local expected = { 0, 0, 0, 0.5, 1, 1.5, 2 }
    for i, at in ipairs(sender.left_at) do
      assert.is_true(math.abs(at - expected[i]) < 1e-6, i .. ": " .. at)
    end
  end)

  it("is not spent on what is replayed or refused here", function()
    local sender = timed(sandbox.sender())
    local client = telnyx.new({ sender = sender })
    local list = messages(3)
    list[2].to = "nobody"
    local options = { rate = 1, key = function(_, message) return message.text end }
    client:send_all(list, options)
    client:send_all(list, options)
    assert.equal(2, #sender.left_at)
    assert.is_true(math.abs(sender.time - 1) < 0.05, sender.time)
  end)

  it("is kept for each kind of sender", function()
    local sender = timed(sandbox.sender())
    local client = telnyx.new({ sender = sender, defaults = { from = "+13125550001" } })
    local list = {}
    for i = 1, 4 do list[i] = { to = "+18665550001", text = "x" .. i } end
    client:send_all(list, { rates = { long_code = 0.1 } })
    assert.equal(0, sender.left_at[1])
    assert.is_true(math.abs(sender.left_at[4] - 30) < 1e-6)
  end)

  it("is kept by several workers together", function()
    -- As an ngx.shared.DICT adds: in one place, at once.
    local dict = { values = {} }
    function dict:incr(name, by, start)
      self.values[name] = (self.values[name] or start) + by
      return self.values[name]
    end
    local one = pace.shared(dict, "all", 2, 2)
    local other = pace.shared(dict, "all", 2, 2)
    assert.same({ 0, 0, 0.5, 1 },
      { one:reserve(10), other:reserve(10), one:reserve(10), other:reserve(10) })
    assert.same({ 0, 0, 0.5 }, { other:reserve(100), one:reserve(100), other:reserve(100) })
    local sender = timed(sandbox.sender())
    local client = telnyx.new({ sender = sender })
    client:send_all(messages(3), { rate = 1, shared_pace = dict })
    assert.equal(2, sender.left_at[3] - sender.left_at[1])
    assert.has_error(function() client:send_all({}, { shared_pace = {} }) end)
  end)

  local kinds = {
    ["+18445550001"] = "toll_free", ["+13125550001"] = "long_code", ["12345"] = "short_code",
    ["Acme"] = "alphanumeric", ["+448001234567"] = "long_code",
  }
  for from, kind in pairs(kinds) do
    it("knows " .. from .. " as " .. kind, function() assert.equal(kind, pace.kind_of(from)) end)
  end
end)

describe("send_all over libcurl", function()
  local server
  setup(function() server = sandbox_server.start() end)
  teardown(function() server:stop() end)

  it("has many in flight, each accepted once", function()
    local client = telnyx.new({ api_key = "KEY_TEST", base_url = server.url })
    local in_flight, most = 0, 0
    local list, n = messages(300), 0
    local counts = client:send_all(function()
      n = n + 1
      in_flight = in_flight + 1
      most = math.max(most, in_flight)
      return list[n]
    end, { concurrency = 32, on_result = function() in_flight = in_flight - 1 end })
    assert.equal(300, counts.accepted)
    assert.is_true(most >= 32)
    local ledger = server:ledger()
    assert.equal(300, ledger.accepted)
    for reference, row in pairs(ledger.messages) do
      assert.equal(1, row.accepted, reference)
    end
    client:close()
  end)
end)
