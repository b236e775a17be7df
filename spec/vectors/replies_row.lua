--- How the rows of spec/vectors/replies.lua are written down.

local UNKNOWN = { [408] = true, [409] = true }
local BODY = '{"data":{"id":"m1"}}'

local make = {
  BODY = BODY,
  REFUSAL = '{"errors":[{"code":"10015","title":"Bad","detail":"No"}]}',
  OK = "HTTP/1.1 200 OK\r\n",
  LENGTH = "Content-Length: " .. #BODY .. "\r\n",
  CHUNKED = "Transfer-Encoding: chunked\r\n",
}

local function outcome_of(status)
  if status >= 200 and status <= 299 then return "accepted" end
  if status == 0 or status >= 500 or UNKNOWN[status] then return "unknown" end
  return "rejected"
end

--- Four ways to add a row to a list, by what must come of it.
function make.into(rows)
  local function row(name, bytes, state, expected, more)
    expected.state, expected.whole = state, state == "done"
    expected.outcome = outcome_of(expected.status)
    rows[#rows + 1] = {
      name = name, bytes = bytes, ending = more.ending, max = more.max, expected = expected,
    }
  end
  local function whole(name, bytes, more, is_reusable)
    more = more or {}
    row(name, bytes, "done", {
      status = more.status or 200, body = more.body or BODY, reusable = is_reusable,
    }, more)
  end
  local function broken(name, bytes, more, status)
    row(name, bytes, "broken", {
      status = status, kind = more.kind or "protocol", reusable = false,
    }, more)
  end
  return {
    --- Read whole, and the connection may serve again.
    good = function(name, bytes, more) whole(name, bytes, more, true) end,
    --- Read whole, and the connection must be closed.
    last = function(name, bytes, more) whole(name, bytes, more, false) end,
    --- Broken after the status was read.
    cut = function(name, bytes, more)
      more = more or {}
      broken(name, bytes, more, more.status or 200)
    end,
    --- Broken before there was a status.
    none = function(name, bytes, more) broken(name, bytes, more or {}, 0) end,
  }
end

--- A 200 with these header lines (each with its end) and what follows the head.
function make.reply(headers, rest) return make.OK .. headers .. "\r\n" .. rest end

--- A good reply with one more line in its head.
function make.with_line(line) return make.reply(line .. "\r\n" .. make.LENGTH, BODY) end

--- A good reply with another status line.
function make.with_status(line)
  return line .. "\r\n" .. make.LENGTH .. "\r\n" .. BODY
end

function make.chunk(data) return ("%x\r\n%s\r\n"):format(#data, data) end

--- A 200 in chunks, with these bytes after its head.
function make.chunks(bytes) return make.reply(make.CHUNKED, bytes) end

--- BODY in two chunks, without and with the last one.
make.SPLIT = make.chunk(BODY:sub(1, 7)) .. make.chunk(BODY:sub(8))
make.ENDED = make.SPLIT .. "0\r\n\r\n"

return make
