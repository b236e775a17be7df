-- What may befall a request, as data. Each row has a weight; `accepted` says whether the message
-- counts as taken ("either": one in two); `act(connection, random)` does it, and returns true when
-- the connection may live on.

local weather = {}

local MESSAGE = '{"data":{"record_type":"message","direction":"outbound","type":"SMS","id":"%s",'
  .. '"to":[{"phone_number":"+18665550001","status":"queued"}],"parts":1,"errors":[]}}'
local OK_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
local HTML = "<html><head><title>502 Bad Gateway</title></head></html>"

local function reply(status, body, headers)
  return ("HTTP/1.1 %d Status\r\n%sContent-Length: %d\r\n\r\n%s"):format(
    status, headers or "", #body, body)
end

local function envelope(code)
  return ('{"errors":[{"code":"%s","title":"Chaos"}]}'):format(code)
end

--- The id of the message that a request becomes; `reference` 0 is nobody's.
function weather.id_of(reference)
  return ("40385f64-5717-4562-b3fc-%012d"):format(reference)
end

-- The random numbers of a message are its own, and say whose.
local function message(random)
  return MESSAGE:format(weather.id_of(random.reference))
end

local function accept(headers)
  return function(connection, random)
    connection:send(reply(200, message(random), headers))
    return true
  end
end

local function refuse(statuses, headers)
  return function(connection, random)
    local status = random:one_of(statuses)
    connection:send(reply(status, envelope("10015"), headers and random:one_of(headers)))
    return true
  end
end

--- Ends a connection in one of the ways in which connections end.
function weather.finish(connection, random)
  connection[random:one_of { "close", "cut", "reset" }](connection)
end

-- Sends a beginning of `text`, at least `least` bytes and never all, then ends.
local function cut_off(text, least, random, connection)
  connection:send(text:sub(1, random:whole(least, #text - 1)))
  weather.finish(connection, random)
end

local function send_then_finish(text)
  return function(connection, random)
    connection:send(text)
    weather.finish(connection, random)
  end
end

local function lengthy(random)
  local body = message(random)
  return OK_HEAD .. ("Content-Length: %d\r\n\r\n"):format(#body), body
end

weather.whole = {
  { weight = 400, name = "accepted", accepted = true, act = accept() },
  { weight = 20, name = "accepted, then closed", accepted = true,
    act = function(connection, random)
      accept("Connection: close\r\n")(connection, random)
      connection:close()
    end },
  { weight = 20, name = "accepted after 100 Continue", accepted = true,
    act = function(connection, random)
      connection:send("HTTP/1.1 100 Continue\r\n\r\n")
      return accept()(connection, random)
    end },
  { weight = 20, name = "accepted, chunked", accepted = true,
    act = function(connection, random)
      local body = message(random)
      connection:send(OK_HEAD .. ("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"):format(
        #body, body))
      return true
    end },
  { weight = 20, name = "accepted, slowly", accepted = true,
    act = function(connection, random)
      connection:pause(random:next() * 0.06)
      return accept()(connection, random)
    end },

  { weight = 90, name = "ended without an answer", accepted = true, act = weather.finish },
  { weight = 40, name = "ended in the status line", accepted = true,
    act = function(connection, random) cut_off("HTTP/1.1 200 OK", 1, random, connection) end },
  { weight = 40, name = "ended in the headers", accepted = true,
    act = function(connection, random)
      cut_off("HTTP/1.1 200 OK\r\n" .. lengthy(random), 16, random, connection)
    end },
  { weight = 40, name = "ended in the body", accepted = true,
    act = function(connection, random)
      local head, body = lengthy(random)
      cut_off(head .. body, #head, random, connection)
    end },
  { weight = 10, name = "ended in a chunk", accepted = true,
    act = send_then_finish(OK_HEAD .. 'Transfer-Encoding: chunked\r\n\r\n50\r\n{"data":{') },
  { weight = 20, name = "stalled before an answer", accepted = true,
    act = function(connection) connection:stall() end },
  { weight = 10, name = "stalled in the answer", accepted = true,
    act = function(connection, random)
      local head, body = lengthy(random)
      connection:send((head .. body):sub(1, random:whole(1, #head + 20)))
      connection:stall()
    end },
  { weight = 20, name = "garbage", accepted = true,
    act = send_then_finish("\0\1\2 this is not HTTP \255\254\r\n\r\n") },
  { weight = 20, name = "100 Continue, then ended", accepted = true,
    act = send_then_finish("HTTP/1.1 100 Continue\r\n\r\n") },
  { weight = 10, name = "2xx without an id", accepted = true,
    act = function(connection, random)
      connection:send(reply(random:one_of { 200, 202 }, random:one_of { "", "{}", "null", HTML }))
      return true
    end },
  { weight = 10, name = "2xx shorter than it says", accepted = true,
    act = send_then_finish(OK_HEAD .. 'Content-Length: 900\r\n\r\n{"data":{"id":"x"}}') },

  { weight = 40, name = "429", accepted = false, act = refuse({ 429 }, {
    "", "Retry-After: 0\r\n", "retry-after-ms: 20\r\n", "x-ratelimit-reset: 0\r\n" }) },
  { weight = 40, name = "4xx", accepted = false, act = refuse { 400, 401, 403, 404, 422 } },
  { weight = 10, name = "429, cut off", accepted = false,
    act = send_then_finish("HTTP/1.1 429 Slow\r\nRetry-After: 0\r\n") },
  { weight = 10, name = "redirect to itself", accepted = false,
    act = function(connection, random)
      connection:send(reply(random:one_of { 301, 302, 303, 307, 308 }, "",
        "Location: " .. connection.origin .. "/v2/messages\r\n"))
      return true
    end },
  { weight = 40, name = "500", accepted = "either", act = refuse { 500 } },
  { weight = 20, name = "502, a page", accepted = "either",
    act = function(connection)
      connection:send(reply(502, HTML, "Content-Type: text/html\r\n"))
      return true
    end },
  { weight = 40, name = "503", accepted = "either",
    act = refuse({ 503 }, { "", "Retry-After: 0\r\n" }) },
  { weight = 10, name = "408 or 409", accepted = "either", act = refuse { 408, 409 } },
}

-- Before a request is read whole: nothing of this counts as accepted. `when` is how far it came.
weather.early = {
  { weight = 850, name = "read on" },
  { weight = 50, name = "ended unread", when = "arrival", act = weather.finish },
  { weight = 10, name = "stalled unread", when = "arrival",
    act = function(connection) connection:deaf() end },
  { weight = 30, name = "ended in the request", when = "part", act = weather.finish },
  { weight = 10, name = "refused in the request", when = "part",
    act = send_then_finish(reply(413, envelope("10015"), "Connection: close\r\n")) },
}

-- Of a new connection, before a byte of HTTP.
weather.new = {
  { weight = 950, name = "welcomed" },
  { weight = 40, name = "ended at once", act = weather.finish },
  { weight = 10, name = "ended in the handshake", act = function(connection, random)
    connection:wait_readable(1)
    weather.finish(connection, random)
  end },
}

local REQUEST_TIMEOUT = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n"
  .. "Connection: close\r\n\r\n"

-- Of a connection that is kept alive, between requests; after at most `seconds`.
weather.idle = {
  { weight = 700, name = "kept" },
  { weight = 240, name = "ended idle", seconds = 0.02, act = weather.finish },
  { weight = 60, name = "ended idle with a 408", seconds = 0.02,
    act = send_then_finish(REQUEST_TIMEOUT) },
}

-- A service in fair weather that does not keep connections: each ends soon after its first answer.
weather.fair = {
  whole = { { weight = 1, name = "accepted", accepted = true, act = accept() } },
  early = { { weight = 1, name = "read on" } },
  new = { { weight = 1, name = "welcomed" } },
  idle = {
    { weight = 50, name = "ended idle", seconds = 0.005, act = weather.finish },
    { weight = 50, name = "ended idle with a 408", seconds = 0.005, act = function(connection)
      connection:send(REQUEST_TIMEOUT)
      connection:close()
    end },
  },
}

-- What nobody asked for: each would do for the reply to the next request.
local UNASKED = {
  reply(200, MESSAGE:format(weather.id_of(0))), reply(429, envelope("10011"), "Retry-After: 0\r\n"),
  reply(400, envelope("10015")), reply(503, envelope("10037")), REQUEST_TIMEOUT,
  "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\n", "H", "\r\n",
}

-- A service that answers well, and then talks when it was not asked.
weather.talking = {
  whole = weather.fair.whole, early = weather.fair.early, new = weather.fair.new,
  idle = {
    { weight = 30, name = "kept" },
    { weight = 70, name = "spoke unasked", seconds = 0.008, says = UNASKED },
  },
}

return weather
