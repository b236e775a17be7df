-- Webhook events in each journal, as whoever takes webhooks asks it.

local journals = require "spec.support.journals"

local unpack = rawget(table, "unpack") or unpack -- luacheck: ignore 113

for _, candidate in ipairs(journals.all) do
  describe("events in " .. candidate.name .. ":", function()
    local journal

    if candidate.start then setup(candidate.start) end
    if candidate.stop then teardown(candidate.stop) end
    before_each(function() journal = candidate.open() end)
    after_each(function() journal:close() end)

    local function add(id, given)
      local event = { id = id, now = 1000 }
      for name, value in pairs(given or {}) do event[name] = value end
      return journal:add_event(event)
    end

    local function ids(list)
      local names = {}
      for i, event in ipairs(assert(list)) do names[i] = event.id end
      return table.concat(names, " ")
    end

    it("each is new once", function()
      assert.is_true(add("e-1"))
      assert.is_false(add("e-1"))
      assert.is_true(add("e-2"))
      assert.is_false(add("e-1", { now = 2000, body = "another" }))
    end)

    it("each is told as it was given, but for its body in nginx", function()
      assert.is_true(add("e-1", { message_id = "m-1", key = "order-1", at = 999.5, now = 1000.25,
        body = '{"data":"Grüße, \'?\' {B}"}' }))
      assert.is_true(add("e-2"))
      assert.same({ { id = "e-1", message_id = "m-1", key = "order-1", at = 999.5,
        received_at = 1000.25,
        body = not candidate.is_remote and '{"data":"Grüße, \'?\' {B}"}' or nil } },
        journal:events { message_id = "m-1" })
      assert.equal("e-1", ids(journal:events { key = "order-1" }))
      assert.same({}, journal:events { message_id = "m-1", key = "order-2" })
      assert.equal("e-1", ids(journal:events { message_id = "m-1", key = "order-1" }))
      assert.same({ id = "e-2", received_at = 1000 },
        journal:unhandled_events { limit = 1, now = 5000 }[1])
    end)

    it("those of a message are told as they happened", function()
      local given = { { "e-1", 30, 100 }, { "e-2", 10, 102 }, { "e-3", nil, 20 },
        { "e-4", 10, 101 }, { "e-5", 10, 102 } }
      for _, event in ipairs(given) do
        local id, at, now = unpack(event, 1, 3)
        assert.is_true(add(id, { message_id = "m", at = at, now = now }))
      end
      assert.is_true(add("other", { message_id = "m-2" }))
      assert.equal("e-4 e-2 e-5 e-3 e-1", ids(journal:events { message_id = "m" }))
      assert.equal("e-4 e-2", ids(journal:events { message_id = "m", limit = 2 }))
      assert.equal("", ids(journal:events { message_id = "none" }))
    end)

    it("one is handled once, and only one that is there", function()
      assert.is_false(journal:handled_event { id = "e-1", now = 1001 })
      assert.is_true(add("e-1", { key = "k" }))
      assert.is_true(journal:handled_event { id = "e-1", now = 1001.5 })
      assert.is_false(journal:handled_event { id = "e-1", now = 1001.5 })
      assert.is_false(journal:handled_event { id = "e-1", now = 1002 })
      assert.equal(1001.5, journal:events { key = "k" }[1].handled_at)
      assert.is_false(add("e-1"))
    end)

    it("what nobody has handled is found, the first that came first", function()
      for i, now in ipairs { 1030, 1010, 1020, 1040 } do add("e-" .. i, { now = now }) end
      journal:handled_event { id = "e-3", now = 1050 }
      assert.equal("e-2 e-1 e-4", ids(journal:unhandled_events { now = 1040 }))
      assert.equal("e-2 e-1", ids(journal:unhandled_events { now = 1040, older_than = 10 }))
      assert.equal("e-2", ids(journal:unhandled_events { now = 1040, limit = 1 }))
      assert.equal("e-2 e-1 e-4", ids(journal:unhandled_events()))
    end)

    it("what nobody has handled is found by pages, whatever stays there", function()
      for i = 1, 7 do add("e-" .. i, { now = 1000 + math.floor(i / 3) }) end
      local found, after = {}, nil
      repeat
        local page = assert(journal:unhandled_events { limit = 2, after = after })
        found[#found + 1] = page[1] and ids(page)
        after = page[#page]
        if page[1] then assert.is_true(journal:handled_event { id = page[1].id, now = 2000 }) end
      until not after
      assert.equal("e-1 e-2, e-3 e-4, e-5 e-6, e-7", table.concat(found, ", "))
      assert.equal("e-2 e-4 e-6", ids(journal:unhandled_events()))
    end)

    it("what was handled is forgotten by purge, and what was not stays", function()
      for i = 1, 5 do
        add("e-" .. i, { now = 1000 + i, key = "k" })
        if i ~= 2 then journal:handled_event { id = "e-" .. i, now = 2000 } end
      end
      assert.equal(2, journal:purge { before = 1004 })
      assert.equal("e-2 e-4 e-5", ids(journal:events { key = "k" }))
      assert.equal(1, journal:purge { before = 1900, limit = 1 })
      assert.equal("e-2 e-5", ids(journal:events { key = "k" }))
      assert.is_true(add("e-1"))
    end)

    it("and sends are purged together, up to the limit", function()
      for i = 1, 3 do
        add("e-" .. i)
        journal:handled_event { id = "e-" .. i, now = 1000 }
        local claim = { key = "s-" .. i, digest = "d", claim = "c", now = 1000, expires = 1060 }
        assert.is_true(journal:claim(claim))
        assert(journal:finish { key = "s-" .. i, claim = "c", state = "rejected", now = 1001 })
      end
      assert.equal(4, journal:purge { before = 1002, limit = 4 })
      assert.equal(2, journal:purge { before = 1002 })
      assert.equal(0, journal:purge { before = 1002 })
    end)

    it("more than a thousand are purged, in steps", function()
      if candidate.is_remote then return end
      for i = 1, 1003 do
        add("e-" .. i)
        if i ~= 500 then journal:handled_event { id = "e-" .. i, now = 1000 } end
      end
      assert.equal(1002, journal:purge { before = 1001 })
      assert.equal("e-500", ids(journal:unhandled_events()))
    end)

    it("they leave sends as they are, and sends leave them", function()
      add("same")
      assert.is_true(journal:claim { key = "same", digest = "d", claim = "c", now = 1000,
        expires = 1060 })
      assert.equal(1, journal:counts().sending)
      assert.equal(1, #journal:find())
      assert.equal("same", ids(journal:unhandled_events()))
    end)

    it("none of the world's texts raises, and none is kept that one of them cannot have", function()
      for _, bad in ipairs { "", ("x"):rep(256), "a\0b", "\255" } do
        for _, name in ipairs { "id", "message_id", "key" } do
          local ok, why = add("e", { [name] = bad })
          assert.same({ nil, "string" }, { ok, type(why) })
        end
      end
      assert.is_nil((add("e", { body = "\255" })))
      assert.same({}, journal:unhandled_events())
      assert.is_true(add(("i"):rep(255), { key = ("k"):rep(255), body = "" }))
      assert.equal(("i"):rep(255), ids(journal:events { key = ("k"):rep(255) }))
    end)

    it("one whose message has a long id is found by it, or refused", function()
      local long = ("m"):rep(65)
      local ok, why = add("e-1", { message_id = long })
      assert.equal(not ok, type(why) == "string")
      assert.equal(ok and "e-1" or "", ids(journal:events { message_id = long }))
      assert.equal(ok and "e-1" or "", ids(journal:unhandled_events()))
    end)

    if not candidate.is_remote then
      it("misuse is raised where it is made", function()
        for method, given in pairs { add_event = { id = "e" }, handled_event = { now = 1 },
          unhandled_events = { older = 1 }, events = {} } do
          local ok, why = pcall(function() journal[method](journal, given) end)
          assert.is_false(ok)
          assert.matches("journal_events_spec.lua:%d+: journal:" .. method, why)
        end
        assert.has_error(function() journal:add_event { id = 7, now = 1 } end)
        assert.has_error(function() journal:unhandled_events { after = { id = "e" } } end)
      end)

      it("a closed journal says so", function()
        journal:close()
        for method, given in pairs { add_event = { id = "e", now = 1 }, unhandled_events = {},
          handled_event = { id = "e", now = 1 }, events = { key = "k" } } do
          assert.same({ nil, "the journal is closed" }, { journal[method](journal, given) })
        end
      end)
    end
  end)
end

it("an event that is not what the list said of it is not purged", function()
  local journal = journals.memory.open()
  assert(journal:add_event { id = "e-1", now = 1000 })
  local store = journal.keeper.events_store
  store.list = function() return { { id = "e-1", received_at = 1, handled_at = 2 } } end
  assert.equal(0, journal:purge { before = 5000 })
  store.list = nil
  assert.equal(1, #journal:unhandled_events())
end)
