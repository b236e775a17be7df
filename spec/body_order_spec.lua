--- The body that is posted: one message, one sequence of bytes, in every run and on every Lua.

local cjson = require("cjson")
local core = require("telnyx.core")
local dkjson = require("dkjson")
local messages = require("spec.support.messages")
local process = require("spec.support.process")

local TO_FROM = '"to":"+18665550001","from":"+18445550001"'
-- By the version of their C API. Another's build may not be there, or be an older one.
local LUAS = {
  { "lua5.1", "5.1" }, { "lua5.2", "5.2" }, { "lua5.3", "5.3" }, { "lua5.4", "5.4" },
  { "luajit", "5.1" },
}

local function body_of(extra, fields)
  local message = { to = "+18665550001", from = "+18445550001", extra = extra }
  for name, value in pairs(fields or {}) do message[name] = value end
  if not message.text then message.text = "a" end
  return assert(core.encode(message, messages.NOW))
end

-- What stands in the body in the place of `value`.
local function written(value)
  return body_of({ x = value }):match('^{.-,"text":"a","x":(.*)}$')
end

-- All names of each object of a JSON text: `visit(names, depth)`.
local function each_object(text, visit)
  local open, at = {}, 1
  while at <= #text do
    local mark = text:sub(at, at)
    local past = at + 1
    if mark == '"' then
      local _, last = text:find('^"[^"\\]*"', at)
      while not last do
        past = text:find('[\\"]', past)
        if text:sub(past, past) == '"' then last = past else past = past + 2 end
      end
      past = last + 1
      if text:sub(past, past) == ":" then
        local names = open[#open]
        names[#names + 1] = dkjson.decode(text:sub(at, last))
      end
    elseif mark == "{" or mark == "[" then
      open[#open + 1] = {}
    elseif mark == "}" or mark == "]" then
      visit(table.remove(open), #open)
    end
    at = past
  end
end

local function is_before(a, b)
  for i = 1, math.min(#a, #b) do
    if a:byte(i) ~= b:byte(i) then return a:byte(i) < b:byte(i) end
  end
  return #a < #b
end

local function assert_sorted(names)
  for i = 2, #names do
    assert(is_before(names[i - 1], names[i]), ("%q before %q"):format(names[i - 1], names[i]))
  end
end

describe("the order of a body", function()
  it("is that of the message's fields", function()
    assert.equal("{" .. TO_FROM .. ',"messaging_profile_id":"4000eba1-a0c0-4563-9925-b25e842a7cb6",'
      .. '"text":"Hello","subject":"s",'
      .. '"media_urls":["https:\\/\\/b.org\\/b","https:\\/\\/a.org\\/a"],'
      .. '"webhook_url":"https:\\/\\/w.org\\/","webhook_failover_url":"https:\\/\\/v.org\\/",'
      .. '"use_profile_webhooks":false,"type":"MMS","auto_detect":true,'
      .. '"send_at":"2023-11-15T10:00:00Z","encoding":"gsm7"}', body_of(nil, {
        encoding = "gsm7", send_at = "2023-11-15T10:00:00Z", auto_detect = true, type = "MMS",
        use_profile_webhooks = false, webhook_failover_url = "https://v.org/",
        webhook_url = "https://w.org/", media_urls = { "https://b.org/b", "https://a.org/a" },
        subject = "s", text = "Hello",
        messaging_profile_id = "4000eba1-a0c0-4563-9925-b25e842a7cb6",
      }))
  end)

  it("has what is extra after them, by the bytes of its names", function()
    assert.equal("{" .. TO_FROM .. ',"text":"a","A":1,"B":2,"a":3,"aa":4,"ab":5,"b":6}',
      body_of { b = 6, ab = 5, aa = 4, a = 3, B = 2, A = 1 })
  end)

  it("is that of the names themselves, not of how they are escaped", function()
    assert.equal([["\u0000":1,"\u0001":2,"\t":3,"\n":4,"\r":5," ":6,"!":7,"\"":8,"#":9,"\/":10,]]
      .. [["0":11,"[":12,"\\":13,"a":14,"a\u0000":15,"a\"":16,"~":17,"\u007f":18,"é":19]],
      written({
        ["\0"] = 1, ["\1"] = 2, ["\t"] = 3, ["\n"] = 4, ["\r"] = 5, [" "] = 6, ["!"] = 7,
        ['"'] = 8, ["#"] = 9, ["/"] = 10, ["0"] = 11, ["["] = 12, ["\\"] = 13, a = 14,
        ["a\0"] = 15, ['a"'] = 16, ["~"] = 17, ["\127"] = 18, ["\195\169"] = 19,
      }):match("^{(.*)}$"))
  end)

  it("gives no rank to a field's name within extra", function()
    assert.equal('{"encoding":1,"from":2,"text":3,"to":[{"from":4,"to":5}]}',
      written { to = { { to = 5, from = 4 } }, text = 3, from = 2, encoding = 1 })
  end)

  it("leaves lists as they are, and what is empty", function()
    assert.equal('[3,1,2,{"a":1,"b":[{},"z","a"]}]',
      written { 3, 1, 2, { b = { {}, "z", "a" }, a = 1 } })
    assert.equal("{" .. TO_FROM .. ',"text":"a"}', body_of {})
  end)

  it("is kept sixteen tables deep", function()
    local value, expected = {}, "{}"
    for _ = 1, 14 do
      value = { b = value, a = 1 }
      expected = '{"a":1,"b":' .. expected .. "}"
    end
    assert.equal(expected, written(value))
  end)

  it("is kept with thousands of names and with long texts", function()
    local long, extra, names = ('"\\'):rep(5000), {}, {}
    for i = 1, 4000 do
      local name = tostring(i * 7919 % 100003):reverse()
      extra[name], names[i] = long:sub(1, i % 9), name
    end
    table.sort(names, is_before)
    local n_objects = 0
    local body = body_of({ long = long, x = extra })
    each_object(body, function(found, depth)
      if depth == 1 then
        assert.is_true(table.concat(names, ",") == table.concat(found, ","))
      end
      n_objects = n_objects + 1
    end)
    assert.equal(2, n_objects)
    local arrived = dkjson.decode(body)
    assert.is_true(arrived.long == long)
    assert.same(extra, arrived.x)
  end)

  it("is the same at every length around where memory comes from elsewhere", function()
    for n = 300, 700 do
      local text = ("x"):rep(n)
      assert.equal("{" .. TO_FROM .. ',"text":"a","a":"' .. text .. '","b":2}',
        body_of { b = 2, a = text })
    end
    for n = 1, 200 do -- as many names as such a length has
      local extra, expected = {}, {}
      for i = 1, n do
        local name = ("%c%c"):format(97 + math.floor(i / 20), 97 + i % 20)
        extra[name], expected[i] = 1, ('"%s":1'):format(name)
      end
      table.sort(expected)
      assert.equal("{" .. TO_FROM .. ',"text":"a",' .. table.concat(expected, ",") .. "}",
        body_of(extra))
    end
  end)
end)

describe("a number", function()
  it("is written alike, whichever kind Lua has for it", function()
    assert.equal("[3,3,0,0,-7,100000,0.5]", written { 3, 3.0, 0, -0.0, -7.0, 1e5, 0.5 })
    assert.equal("[99999999999999,1e+14,1e+14,-1.2e+15]",
      written { 99999999999999, 1e14, 100000000000000, -1200000000000000 })
  end)

  it("is written alike by a lua-cjson that writes integers in full", function()
    -- As newer ones do with Lua's integers: 1e+14 as 100000000000000.
    local said = process.run_lua([[
      local cjson = require("cjson")
      local function in_full(before, digits, exponent)
        digits = digits:gsub("%.", "")
        return before .. digits .. ("0"):rep(exponent + 1 - #digits)
      end
      local function new()
        local own = cjson.new()
        local encode = own.encode
        function own.encode(value)
          return (encode(value):gsub("([%[:,]%-?)([%d.]+)e%+(1[4-8])", in_full))
        end
        return own
      end
      package.loaded.cjson = { new = new }
      require("telnyx.core")
      package.loaded.cjson = cjson
      for _, body in ipairs(require("spec.support.messages").bodies(5)) do print(body) end
      print(new().encode { 1e14 })]])
    local expected = table.concat(messages.bodies(6), "\n") .. "\n"
    assert.truthy(expected:find("1.2345678901234e+17", 1, true))
    assert.equal("[100000000000000]\n", said:sub(#expected + 1))
    assert.is_true(said:sub(1, #expected) == expected)
  end)
end)

describe("generated messages", function()
  local own = messages.bodies(1)

  it("have the same bytes, whatever became of their tables before", function()
    for shuffling = 2, 4 do
      for i, body in ipairs(messages.bodies(shuffling)) do assert.equal(own[i], body) end
    end
  end)

  it("arrive as they are", function()
    for i, body in ipairs(own) do
      local expected = messages.make(i, 1)
      for name, value in pairs(expected.extra or {}) do expected[name] = value end
      expected.extra = nil
      assert.same(expected, (dkjson.decode(body, 1, cjson.null)))
    end
  end)

  it("are in order at every depth", function()
    local place, n_nested = {}, 0
    for i, name in ipairs(core.fields) do place[name] = i end
    for _, body in ipairs(own) do
      each_object(body, function(names, depth)
        if depth > 0 then
          n_nested = n_nested + #names
          return assert_sorted(names)
        end
        local n = 1
        while place[names[n + 1]] do
          assert.is_true(place[names[n]] < place[names[n + 1]])
          n = n + 1
        end
        assert_sorted({ (table.unpack or unpack)(names, n + 1) }) -- luacheck: std max
      end)
    end
    assert.is_true(n_nested > 1000)
  end)

  -- Nothing where a Lua or its build is not there, or the build is one of other sources.
  local function said_by(lua, version, script)
    local build = ("build/%s/"):format(version)
    local is_new = "test -z \"$(find csrc -name '*.[chd]*' -newer %stelnyx/core.so 2>&1)\" && "
    local paths = "unset LUA_CPATH_%s; export LUA_CPATH='./%s?.so;;'; "
    return process.run(is_new:format(build) .. paths:format(version:gsub("%.", "_"), build)
      .. ("%s -e '%s'"):format(lua, script))
  end

  for i, row in ipairs(LUAS) do
    local lua, version = row[1], row[2]
    if said_by(lua, version, 'require("telnyx.core") io.write("here")') == "here" then
      it("have the same bytes in " .. lua, function()
        local script = 'io.write(table.concat(require("spec.support.messages").bodies(%d), "\\n"))'
        local n = 0
        for body in said_by(lua, version, script:format(i * 10)):gmatch("[^\n]+") do
          n = n + 1
          assert.equal(own[n], body)
        end
        assert.equal(messages.N, n)
      end)
    end
  end
end)
