-- One nginx worker that always has a hundred sends of a second each under way: how long another
-- page takes to answer meanwhile, against an idle worker in the same run. And how long a hundred
-- sends take that begin at once.

package.path = "./?.lua;" .. package.path

local cjson = require("cjson")
local nginx = require("spec.support.nginx")
local sandbox = require("spec.support.sandbox")
local socket = require("socket")

local N_SENDS, LOOK_S, PAUSE_S = 100, 3, 0.001
local SLOW = "+15550070001" -- accepted after a second
local SERVER = [[
    keepalive_requests 1000000;
    location = /ping { content_by_lua_block { ngx.print("pong") } }
    location = /send { content_by_lua_block { require("spec.support.nginx_send").serve() } }
]]

-- Asks at set times, whether or not the answer before came in time, and counts from them: who is
-- only asked when he is free never seems busy. Between two questions there may be something to do.
local function answer_times(port, between)
  local connection = assert(socket.connect("127.0.0.1", port))
  connection:setoption("tcp-nodelay", true)
  local times, due = {}, socket.gettime()
  local over = due + LOOK_S
  while due < over do
    socket.sleep(math.max(0, due - socket.gettime()))
    assert(connection:send("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"))
    repeat until assert(connection:receive()) == ""
    repeat until assert(connection:receive()) == "0" -- the last chunk
    assert(connection:receive() == "")
    times[#times + 1] = socket.gettime() - due
    if between then between() end
    due = math.max(due + PAUSE_S, between and socket.gettime() or 0)
  end
  connection:close()
  table.sort(times)
  return times
end

local function percentile(times, share)
  return times[math.max(1, math.ceil(#times * share))] * 1000
end

local function report(name, times)
  print(("%-28s %5d answers, median %.2f ms, p99 %.2f ms, slowest %.2f ms"):format(
    name, #times, percentile(times, 0.5), percentile(times, 0.99), percentile(times, 1)))
end

local function begin_sends(server, service, count)
  return server:begin("/send", cjson.encode({ {
    op = "send_all", count = count, concurrency = count,
    options = { api_key = "KEY_TEST", base_url = service.url, retry = false,
      max_connections = N_SENDS },
    message = { from = "+18445550001", to = SLOW, text = "slowly" },
  } }))
end

-- One begins whenever one ends: a hundredth of a second apart.
local function flow(server, service)
  local answers, first, next_at = {}, 1, 0
  return function()
    if socket.gettime() < next_at then return end
    next_at = socket.gettime() + 1 / N_SENDS
    answers[#answers + 1] = begin_sends(server, service, 1)
    if #answers - first < N_SENDS + 20 then return end
    assert(cjson.decode(answers[first]())[1].accepted == 1)
    first = first + 1
  end
end

local function measure(server, service)
  begin_sends(server, service, 1)()
  local idle = answer_times(server.port)
  local between = flow(server, service)
  answer_times(server.port, between)
  local busy = answer_times(server.port, between)
  report("an idle worker:", idle)
  report(("%d sends of 1 s under way:"):format(N_SENDS), busy)
  print(("p99 is %.2f times the idle one"):format(percentile(busy, 0.99) / percentile(idle, 0.99)))
  socket.sleep(1.2)
  local started = socket.gettime()
  assert(cjson.decode(begin_sends(server, service, N_SENDS)())[1].accepted == N_SENDS)
  print(("%d that begin at once take %.2f s"):format(N_SENDS, socket.gettime() - started))
end

local service = sandbox.start()
local server = nginx.start({ server = SERVER })
local ok, why = pcall(measure, server, service)
server:stop()
service:stop()
assert(ok, why)
