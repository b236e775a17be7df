-- Opt-outs in each journal: whatever order STOP and START come in, one end.

local journals = require "spec.support.journals"

local unpack = rawget(table, "unpack") or unpack -- luacheck: ignore 113

-- Every order of a list.
local function orders(list)
  if #list == 0 then return { {} } end
  local all = {}
  for i, first in ipairs(list) do
    local rest = { unpack(list) }
    table.remove(rest, i)
    for _, order in ipairs(orders(rest)) do
      table.insert(order, 1, first)
      all[#all + 1] = order
    end
  end
  return all
end

for _, candidate in ipairs(journals.all) do
  describe("opt-outs in " .. candidate.name .. ":", function()
    local journal

    if candidate.start then setup(candidate.start) end
    if candidate.stop then teardown(candidate.stop) end
    before_each(function() journal = candidate.open() end)
    after_each(function() journal:close() end)

    -- "STOP profile own at" or "START …", where - is nothing.
    local function set(number, text, keyword)
      local word, profile, own, at = text:match("^(%u+) (%S+) (%S+) (%d+)$")
      local function given(name) return name ~= "-" and name or nil end
      return journal:set_optout { number = number, profile = given(profile), own = given(own),
        is_out = word == "STOP", keyword = keyword, at = tonumber(at), now = 5000 }
    end

    local function is_out(number, profile, own)
      local row, why = journal:optout { number = number, profile = profile, own = own }
      assert.is_nil(why)
      if row then assert.is_true(row.is_out) end
      return row ~= false
    end

    it("nobody is out who has not said so", function()
      assert.is_false(journal:optout { number = "+1", profile = "P" })
      assert.is_false(journal:optout { number = "+1", own = "A" })
      assert.is_false(journal:optout { number = "+1" })
      assert.is_true(set("+1", "START P A 10"))
      assert.is_false(journal:optout { number = "+1", profile = "P", own = "A" })
      assert.same({}, journal:optouts())
    end)

    it("a row is told as it was given", function()
      assert.is_true(set("+1", "STOP P A 10", "Stop all"))
      local row = { number = "+1", profile = "P", own = "A", keyword = "Stop all", at = 10,
        is_out = true }
      assert.same(row, journal:optout { number = "+1", profile = "P" })
      assert.same({ row }, journal:optouts())
      assert.is_true(journal:set_optout { number = "+2", own = "B", is_out = true, at = 10.125,
        now = 11, keyword = "" })
      assert.same({ number = "+2", own = "B", at = 10.125, is_out = true },
        journal:optout { number = "+2", own = "B" })
    end)

    it("a STOP to one of a profile's numbers is one to all that are known", function()
      set("+1", "STOP P A 10")
      set("+2", "START P B 10") -- so B is known
      assert.is_true(is_out("+1", "P"))
      assert.is_true(is_out("+1", nil, "A"))
      assert.is_true(is_out("+1", nil, "B"))
      assert.is_true(is_out("+1"))
      assert.is_false(is_out("+1", nil, "C"))
      assert.is_false(is_out("+1", "Q"))
      assert.is_true(is_out("+1", "Q", "B"))
      assert.is_false(is_out("+2", "P", "A"))
      assert.is_true(set("+1", "START P B 11"))
      assert.is_false(is_out("+1", "P", "A"))
    end)

    it("one whose profile nobody tells is of its number, and of its profile when that is known",
      function()
        set("+1", "STOP - A 10")
        assert.is_true(is_out("+1", nil, "A"))
        assert.is_true(is_out("+1", "P", "A"))
        assert.is_false(is_out("+1", "P"))
        assert.is_false(is_out("+1", nil, "B"))
        set("+2", "START P A 10")
        assert.is_true(is_out("+1", "P"))
        assert.is_false(is_out("+1", nil, "B"))
        set("+2", "START P B 11")
        assert.is_true(is_out("+1", nil, "B"))
        set("+1", "START P B 9")
        assert.is_true(is_out("+1", "P", "A"))
        set("+1", "START P B 12")
        for _, own in ipairs { "A", "B" } do assert.is_false(is_out("+1", nil, own)) end
        assert.is_false(is_out("+1", "P"))
        assert.is_false(is_out("+1"))
        assert.same({}, journal:optouts())
      end)

    it("a START without its profile lifts what its profile has, where that is known", function()
      set("+1", "STOP P A 10")
      set("+1", "START - B 11")
      assert.is_true(is_out("+1", "P", "A"))
      set("+1", "START - A 11")
      assert.is_false(is_out("+1", "P", "A"))
      assert.same({}, journal:optouts())
      set("+1", "STOP P A 11")
      assert.is_true(is_out("+1", "P", "A"))
      assert.equal(1, #journal:optouts())
      assert.equal(1, #journal:optouts { profile = "P" })
    end)

    it("the later counts, and of two at once the STOP; the same again changes nothing", function()
      assert.is_true(set("+1", "STOP P A 10"))
      assert.is_false(set("+1", "STOP P A 10"))
      assert.is_false(set("+1", "STOP P B 10"))
      assert.is_false(set("+1", "START P A 10"))
      assert.is_false(set("+1", "START P B 9"))
      assert.is_true(set("+1", "START P B 11"))
      assert.is_false(set("+1", "START P B 11"))
      assert.is_true(set("+1", "STOP P A 11"))
      assert.is_false(set("+1", "START P B 11"))
      assert.is_true(is_out("+1", "P"))
      assert.is_false(set("+1", "STOP P A 5"))
      assert.equal(11, journal:optout { number = "+1", profile = "P" }.at)
    end)

    -- Of each list, every order and every event twice, over a recipient of its own.
    local LISTS = {
      { "STOP P A 10", "START P B 11", "STOP P A 12" },
      { "STOP P A 10", "START P A 12", "STOP P B 12", "START P B 11" },
      { "STOP P A 10", "STOP P B 11", "START P A 13", "START P C 12" },
      { "STOP - A 10", "START P A 11", "STOP - B 11", "START P B 9" },
      { "STOP - A 10", "STOP P A 10", "START - A 12", "START Q A 13" },
    }

    for n, list in ipairs(LISTS) do
      it("in any order there is one end: " .. table.concat(list, ", "), function()
        local first
        for i, order in ipairs(orders(list)) do
          local number = ("+%d%03d"):format(n, i)
          for _, text in ipairs(order) do assert.is_not_nil((set(number, text))) end
          set(number, order[1])
          local ends = {}
          for _, asked in ipairs { { "P" }, { "Q" }, { nil, "A" }, { nil, "B" }, { nil, "C" },
            { "P", "B" }, {} } do
            ends[#ends + 1] = tostring(is_out(number, asked[1], asked[2]))
          end
          local row = journal:optout { number = number }
          ends[#ends + 1] = row and ("%g"):format(row.at) or "none"
          first = first or table.concat(ends, " ")
          assert.equal(first, table.concat(ends, " "), table.concat(order, ", "))
        end
      end)
    end

    local function numbers(list)
      local names = {}
      for i, row in ipairs(assert(list)) do
        names[i] = ("%s/%s/%s"):format(row.number, row.profile or "", row.own or "")
      end
      return table.concat(names, " ")
    end

    it("those who are out are listed by page, all or a profile's", function()
      local given = { { "+3", "STOP P A 1" }, { "+1", "STOP Q A 1" }, { "+1", "STOP P B 1" },
        { "+2", "STOP P - 1" }, { "+4", "STOP - A 1" }, { "+5", "START P A 1" } }
      for _, event in ipairs(given) do
        assert.is_true(set(event[1], event[2]))
      end
      local all = "+1/P/B +1/Q/A +2/P/ +3/P/A +4//A"
      assert.equal(all, numbers(journal:optouts()))
      assert.equal("+1/P/B +2/P/ +3/P/A", numbers(journal:optouts { profile = "P" }))
      local found, after = {}, nil
      repeat
        local page = assert(journal:optouts { limit = 2, after = after })
        found[#found + 1] = page[1] and numbers(page)
        after = page[#page]
      until not after
      assert.equal(3, #found)
      assert.equal(all, table.concat(found, " "))
      assert.equal("+2/P/ +3/P/A", numbers(journal:optouts { profile = "P",
        after = journal:optout { number = "+1", profile = "P" } }))
    end)

    it("a hundred are a page, where nothing is said", function()
      for i = 1, 101 do set(("+%03d"):format(i), "STOP P A 1") end
      assert.equal(100, #journal:optouts())
      assert.equal(101, #journal:optouts { limit = 1000 })
    end)

    it("they are no sends and no events, and no purge forgets them", function()
      set("+1", "STOP P A 1")
      assert.equal(0, journal:purge { before = 5000 })
      assert.is_true(is_out("+1", "P"))
      assert.same({}, journal:find())
      assert.same({}, journal:unhandled_events())
    end)

    it("none of the world's texts raises, and none is kept that one of them cannot have", function()
      for _, bad in ipairs { "", ("x"):rep(256), "a\0b", "\255" } do
        for _, name in ipairs { "number", "own", "profile" } do
          local given = { number = "+1", own = "A", profile = "P", is_out = true, at = 1, now = 1 }
          given[name] = bad
          local ok, why = journal:set_optout(given)
          assert.same({ nil, "string" }, { ok, type(why) })
        end
      end
      assert.same({}, journal:optouts())
      assert.is_true(set("+1", "STOP P A 1", ("'? STOP {B} "):rep(9)))
      assert.is_true(is_out("+1", "P"))
    end)

    it("a long name is kept whole, or refused", function()
      local long = ("n"):rep(65)
      local cases = { { own = long }, { profile = long }, { own = long, profile = "P" } }
      for i, given in ipairs(cases) do
        local own = { number = "+" .. i, is_out = true, at = 1, now = 1 }
        for name, value in pairs(given) do own[name] = value end
        local ok, why = journal:set_optout(own)
        assert.equal(not ok, type(why) == "string")
        assert.equal(ok == true, is_out("+" .. i, given.profile, given.own))
        assert.equal(ok == true, is_out("+" .. i))
      end
    end)

    if not candidate.is_remote then
      it("misuse is raised where it is made", function()
        local no_whose = { number = "+1", is_out = true, at = 1, now = 1 }
        for _, call in ipairs { { "set_optout", no_whose }, { "set_optout", {} },
          { "optout", { profile = "P" } }, { "optouts", { after = "+1" } },
          { "optouts", { after = { number = "+1", own = 7 } } } } do
          local ok, why = pcall(function() journal[call[1]](journal, call[2]) end)
          assert.is_false(ok)
          assert.matches("journal_optouts_spec.lua:%d+: journal:" .. call[1], why)
        end
      end)

      it("a closed journal says so", function()
        journal:close()
        for method, given in pairs { optouts = {}, optout = { number = "+1" },
          set_optout = { number = "+1", own = "A", is_out = true, at = 1, now = 1 } } do
          assert.same({ nil, "the journal is closed" }, { journal[method](journal, given) })
        end
      end)
    end
  end)
end

it("a STOP is not kept where it cannot be kept whose its number is", function()
  local journal = journals.memory.open()
  journal.keeper.profiles.change = function() return nil, "no memory" end
  local ok, why = journal:set_optout { number = "+1", profile = "P", own = "A", is_out = true,
    at = 1, now = 1 }
  assert.same({ nil, "no memory" }, { ok, why })
end)

it("what somebody else has put into the dictionary of nginx is no end of a list", function()
  local dict = {}
  function dict:get(name) return self[name] end
  function dict:safe_set(name, value)
    self[name] = value
    return true
  end
  function dict:safe_add(name, value) return self[name] == nil and self:safe_set(name, value) end
  function dict:delete(name) self[name] = nil end
  function dict.get_keys() return {} end
  local journal = require("telnyx.journal").shared(dict)
  for _, profile in ipairs { "P", "Q" } do
    assert(journal:set_optout { number = "+1", profile = profile, is_out = true, at = 1, now = 1 })
  end
  assert.is_truthy(journal:optout { number = "+1", profile = "Q" })
  dict["o:+1\0" .. 1] = "else"
  local row, why = journal:optout { number = "+1", profile = "Q" }
  assert.same({ nil, "string" }, { row, type(why) })
  assert.is_nil((journal:set_optout { number = "+1", own = "A", is_out = true, at = 1, now = 1 }))
  assert.equal("else", dict["o:+1\0" .. 1])
end)
