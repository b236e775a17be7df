-- The sandbox with a thousand pages open: what a POST waits for its answer meanwhile, what the
-- pages get, and what memory nginx has after 100,000 messages and after 200,000.

package.path = "./?.lua;" .. package.path

local json = require("cjson")
local sandbox = require("spec.support.sandbox")
local socket = require("socket")

local N_PAGES = 1000
local N_MESSAGES = tonumber(arg[1]) or 100000
-- What somebody's tests may send while the pages can keep up.
local N_PACED, PER_SECOND = 300, 50

local function resident_mb(server)
  local pid = sandbox.capture(("pgrep -P %d nginx"):format(server.pid)):match("%d+")
  return tonumber(sandbox.read_file(("/proc/%s/status"):format(pid)):match("VmRSS:%s+(%d+)")) / 1024
end

local function request(i)
  local body = json.encode {
    from = "+13125550001", to = ("+1312555%04d"):format(i % 1000 + 1000),
    text = "Your code is " .. i,
  }
  return ("POST /v2/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer KEY_X\r\n"
    .. "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)
end

local function read_answer(connection)
  assert(connection:receive("*l"):find(" 200 ", 1, true))
  local length
  repeat
    local line = assert(connection:receive("*l"))
    length = length or line:lower():match("^content%-length: (%d+)$")
  until line == ""
  assert(connection:receive(tonumber(length)))
end

local function send_and_read(connection, first, count)
  local requests = {}
  for i = 1, count do requests[i] = request(first + i - 1) end
  assert(connection:send(table.concat(requests)))
  for _ = 1, count do read_answer(connection) end
end

-- One message is timed, and then so many go at once: a pause in between would make it easy.
local AT_ONCE = 19

local function post(server, count, pause)
  local connection = assert(socket.connect("127.0.0.1", server.port))
  connection:setoption("tcp-nodelay", true)
  local times, sent, started = { n = count }, 0, socket.gettime()
  while sent < count do
    local began = socket.gettime()
    send_and_read(connection, sent + 1, 1)
    times[#times + 1], sent = socket.gettime() - began, sent + 1
    if pause then
      socket.sleep(pause - times[#times])
    else
      send_and_read(connection, sent + 1, math.min(AT_ONCE, count - sent))
      sent = math.min(sent + AT_ONCE, count)
    end
  end
  times.took = socket.gettime() - started
  connection:close()
  return times
end

local function percentile(times, share)
  return times[math.max(1, math.ceil(#times * share))] * 1000
end

local function row(server, name, times)
  table.sort(times)
  print(("%-34s %7d %7.0f %7.2f %7.2f %8.1f %7.0f"):format(name, times.n, times.n / times.took,
    percentile(times, 0.5), percentile(times, 0.99), percentile(times, 1), resident_mb(server)))
  io.stdout:flush()
end

local function open_pages(server)
  local output = os.tmpname()
  local pipe = assert(io.popen(("lua5.4 spec/bench/phones_listeners.lua %d %d >%s 2>&1"):format(
    server.port, N_PAGES, output), "w"))
  sandbox.wait(function() return sandbox.read_file(output):find("ready") end, "the pages")
  return function()
    pipe:close()
    local said = sandbox.read_file(output)
    os.remove(output)
    local got = {}
    for name, value in said:gmatch("(%l+)=(%d+)") do got[name] = tonumber(value) end
    return assert(got.messages and got, said)
  end
end

local function say_got(name, got, n_sent)
  print(("%s: each page got %.1f messages of %d, was told %.1f times to fetch anew; "
    .. "doubled %d, missed unsaid %d, lost pages %d, at the end %s; %.0f MB sent"):format(
    name, got.messages / N_PAGES, n_sent, got.behind / N_PAGES, got.doubled, got.holes, got.lost,
    got.lowest == got.highest and "all up to date" or "NOT all up to date", got.bytes / 2 ^ 20))
end

local function measure(server)
  print(("%-34s %7s %7s %7s %7s %8s %7s"):format("", "posts", "per s", "median", "p99",
    "slowest", "RSS MB"))
  print(("%-34s %7s %7s %7s %7s %8s %7.0f"):format("at the start", "", "", "ms", "ms", "ms",
    resident_mb(server)))
  row(server, "no page", post(server, N_MESSAGES / 10))
  server:reset_ledger()
  local close = open_pages(server)
  row(server, ("%d pages, %d posts/s"):format(N_PAGES, PER_SECOND),
    post(server, N_PACED, 1 / PER_SECOND))
  local paced = close()
  close = open_pages(server)
  row(server, ("%d pages, at full speed"):format(N_PAGES), post(server, N_MESSAGES))
  row(server, "as many again", post(server, N_MESSAGES))
  local busy = close()
  local _, body = server:request("GET", "/sandbox/messages?limit=1")
  local kept = json.decode(body)
  print(("%d messages are kept, %d forgotten"):format(kept.total, kept.forgotten))
  say_got(("at %d posts/s"):format(PER_SECOND), paced, N_PACED)
  say_got("at full speed", busy, 2 * N_MESSAGES)
end

local server = sandbox.start()
local ok, why = pcall(measure, server)
server:stop()
assert(ok, why)
