local json = require "cjson.safe"
local rows = require "spec.vectors.replies"
local exchanges = require "spec.support.exchange"

local asked, error_of = exchanges.asked, exchanges.error_of
local LONG = 2000 -- such rows are not cut at every place
local STATES = { more = true, done = true, broken = true }

-- Rows -----------------------------------------------------------------------------------------

local function expect_message(message, info, expected)
  local body = json.decode(expected.body)
  if expected.outcome == "accepted" and type(body) == "table" then
    assert.same(body.data, message)
    assert.equal("accepted", info.outcome)
    return
  end
  assert.is_nil(message)
  if type(body) == "table" and body.errors then
    assert.equal(body.errors[1].code, info.code)
  elseif expected.body == "" and expected.status < 300 then
    assert.truthy(info.cause:find("with an empty body", 1, true))
  end
end

local function expect(x, expected)
  assert.equal(expected.state, x:state())
  assert.equal(expected.reusable, x:is_reusable())
  assert.is_true(x:has_begun())
  assert.is_nil(x:offer())
  local message, info = x:reply(0)
  assert.equal(expected.outcome, info.outcome)
  assert.equal(expected.status, info.status or 0)
  if expected.whole then
    expect_message(message, info, expected)
  else
    assert.is_nil(message)
    assert.equal(expected.kind, info.kind)
    assert.truthy(#info.cause > 10)
  end
end

--- Feeds the pieces, and watches that what is final stays so.
local function run(row, pieces)
  local x = asked(row.max and { max_response_bytes = row.max })
  local before = x:state()
  for _, piece in ipairs(pieces) do
    local state = x:feed(piece)
    assert.is_true(STATES[state])
    assert.equal(state, x:state())
    if before ~= "more" then assert.equal(before, state) end
    before = state
  end
  if row.ending then x:finish(row.ending) end
  if before ~= "more" then assert.equal(before, x:state()) end
  expect(x, row.expected)
end

local function in_bytes(bytes)
  local pieces = {}
  for i = 1, #bytes do pieces[i] = bytes:sub(i, i) end
  return pieces
end

--- Where a reply is cut in two: everywhere, but for long ones near both ends and where lines end.
local function places_of(bytes)
  local places = {}
  for i = 0, #bytes do
    local is_near = i < 100 or i > #bytes - 100
    if #bytes <= LONG or is_near or i % 8191 < 2 then places[#places + 1] = i end
  end
  return places
end

describe("a reply", function()
  for _, row in ipairs(rows) do
    it(("%s: %s"):format(row.expected.state, row.name), function()
      run(row, { row.bytes })
      run(row, in_bytes(row.bytes))
      for _, i in ipairs(places_of(row.bytes)) do
        run(row, { row.bytes:sub(1, i), row.bytes:sub(i + 1) })
      end
    end)
  end

  it("has rows for every verdict, each with a name of its own", function()
    local names, verdicts, n_verdicts = {}, {}, 0
    for _, row in ipairs(rows) do
      assert.is_nil(names[row.name], row.name)
      names[row.name] = true
      local expected = row.expected
      local verdict = ("%s %s %s"):format(
        tostring(expected.outcome), tostring(expected.kind), tostring(expected.reusable))
      if not verdicts[verdict] then n_verdicts = n_verdicts + 1 end
      verdicts[verdict] = true
    end
    assert.is_true(#rows > 300)
    assert.is_true(n_verdicts > 10)
  end)
end)

-- Headers ---------------------------------------------------------------------------------------

local function info_of(headers)
  local x = asked()
  x:feed("HTTP/1.1 429 X\r\n" .. headers .. "Content-Length: 0\r\n\r\n")
  return error_of(x)
end

describe("the headers that are read", function()
  it("come in any case, among blanks", function()
    local err = info_of("X-REQUEST-ID: \t abc-1 \r\nretry-After:7\r\nx-RateLimit-Limit: 9\r\n"
      .. "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 3\r\n")
    assert.equal("abc-1", err.request_id)
    assert.equal(7, err.retry_after)
    assert.same({ limit = 9, remaining = 0, reset = 3 }, err.ratelimit)
  end)

  it("count in milliseconds too", function()
    assert.equal(1.5, info_of("Retry-After-Ms: 1500\r\nRetry-After: 7\r\n").retry_after)
  end)

  it("ask for no wait by a date that cannot be", function()
    assert.is_nil(info_of("Retry-After: Fri, 01 Jan 1960 00:00:00 GMT\r\n").retry_after)
    assert.equal(0, info_of("Retry-After: Thu, 01 Jan 1970 00:00:00 GMT\r\n").retry_after)
  end)

  it("are not those that only look like them", function()
    local err = info_of("x-request-ie: a\r\nretry-aftex: 7\r\ny-request-id: b\r\n")
    assert.is_nil(err.request_id)
    assert.is_nil(err.retry_after)
  end)

  it("are absent when they are longer than any that makes sense", function()
    assert.equal(("a"):rep(127), info_of("X-Request-Id: " .. ("a"):rep(127) .. "\r\n").request_id)
    assert.is_nil(info_of("X-Request-Id: " .. ("a"):rep(128) .. "\r\n").request_id)
  end)

  it("are absent when folded, before and after", function()
    assert.is_nil(info_of("Retry-After: 1\r\n 0\r\n").retry_after)
    local err = info_of("X-Request-Id: abc\r\nRetry-After:\r\n 10\r\nDate: x\r\n")
    assert.is_nil(err.retry_after)
    assert.equal("abc", err.request_id)
  end)

  it("are not those of an interim reply or of trailers", function()
    local x = asked()
    x:feed("HTTP/1.1 103 X\r\nX-Request-Id: early\r\nRetry-After: 5\r\n\r\n"
      .. "HTTP/1.1 429 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nRetry-After: 6\r\n\r\n")
    local err = error_of(x)
    assert.is_nil(err.request_id)
    assert.is_nil(err.retry_after)
  end)

  it("are known although the reply breaks later", function()
    local x = asked()
    x:feed("HTTP/1.1 429 X\r\nRetry-After: 5\r\nContent-Length: x\r\nX-Request-Id: a\r\n\r\n")
    local err = error_of(x)
    assert.equal("broken", x:state())
    assert.equal(5, err.retry_after)
    assert.equal("a", err.request_id)
  end)
end)

describe("a byte", function()
  local function state_of(head)
    return asked():feed(head .. "\r\nContent-Length: 0\r\n\r\n")
  end

  it("may stand in a value unless it is a control, wherever it stands", function()
    for byte = 0, 255 do
      local is_control = byte < 32 and byte ~= 9 or byte == 127
      local c = string.char(byte)
      for i = 0, 17 do
        local value = ("b"):rep(i) .. c .. ("\255"):rep(17 - i)
        if c ~= "\n" then
          local state = state_of("HTTP/1.1 200 OK\r\nA: " .. value)
          assert.equal(is_control and "broken" or "done", state)
          assert.equal(state, state_of("HTTP/1.1 200 OK " .. value))
        end
      end
    end
  end)

  it("may stand in a name if it is one of a token's", function()
    for byte = 0, 255 do
      local c = string.char(byte)
      local is_token = c:find("[%w!#$%%&'*+.^_`|~-]") and byte < 128
      if c ~= ":" then
        local state = state_of("HTTP/1.1 200 OK\r\nA" .. c .. ": b")
        assert.equal(is_token and "done" or "broken", state)
      end
    end
  end)
end)

-- Ceilings ---------------------------------------------------------------------------------------

-- Untouched memory is in no other account.
local function address_kilobytes()
  local file = assert(io.open("/proc/self/status"))
  local size = file:read("*a"):match("VmSize:%s*(%d+)")
  file:close()
  return tonumber(size)
end

describe("an endless reply", function()
  local function feed_until_broken(x, piece)
    local n = 0
    while x:feed(piece) == "more" do
      n = n + #piece
      assert.is_true(n < 4 * 1024 * 1024)
    end
    assert.equal("broken", x:state())
    return n
  end

  local KIB = ("x"):rep(1024)

  it("is cut at its ceiling wherever it goes on", function()
    local head = "HTTP/1.1 200 OK\r\n"
    for _, case in ipairs {
      { head .. "A: ", KIB, 66000 },
      { head, "A: b\r\n", 66000 },
      { "", "HTTP/1.1 100 Continue\r\n\r\n", 2000 },
      { head .. "Transfer-Encoding: chunked\r\n\r\n1;", KIB, 2048 },
      { head .. "Transfer-Encoding: chunked\r\n\r\n0\r\n", "A: b\r\n", 66000 },
      { head .. "Transfer-Encoding: chunked\r\n\r\n", "400\r\n" .. KIB .. "\r\n", 1200000 },
      { head .. "\r\n", KIB, 1100000 },
    } do
      local x = asked()
      x:feed(case[1])
      assert.is_true(feed_until_broken(x, case[2]) < case[3])
    end
  end)

  it("keeps to max_response_bytes", function()
    for _, max in ipairs { 1, 19, 20, 255, 256, 257, 1000, 65537 } do
      local x = asked { max_response_bytes = max }
      x:feed("HTTP/1.1 200 OK\r\n\r\n" .. ("x"):rep(max))
      assert.equal("more", x:state())
      x:feed("x")
      assert.equal("broken", x:state())
      assert.truthy(error_of(x).cause:find("max_response_bytes", 1, true))
    end
  end)

  it("takes no memory for a length that is only declared", function()
    local many, before = {}, address_kilobytes()
    for i = 1, 2000 do
      many[i] = asked { max_response_bytes = 2 ^ 30 }
      many[i]:feed("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
      assert.equal("more", many[i]:state())
    end
    assert.is_true(address_kilobytes() - before < 1024 * 1024)
  end)
end)
