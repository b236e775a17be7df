-- Pages that are open: listens to the sandbox's events, many times over, until standard input ends
-- and nothing has come for a while. Prints "ready" when all listen, and in the end what they got.
--   lua5.4 spec/bench/phones_listeners.lua PORT COUNT

local uv = require("luv")

local port, count = tonumber(arg[1]), tonumber(arg[2])
local QUIET_MS = 12000

local sum = { messages = 0, behind = 0, doubled = 0, holes = 0, lost = 0, bytes = 0 }
local n_ready, last_heard, is_over = 0, 0, false
local listeners = {}

-- After "behind" any later place will do; else the next one.
local function take(listener, position, kind)
  local expected = listener.position and listener.position + 1
  if kind == "hello" then
    n_ready = n_ready + 1
    if n_ready == count then print("ready") io.stdout:flush() end
  elseif kind == "behind" then
    sum.behind = sum.behind + 1
  elseif position < expected then
    sum.doubled = sum.doubled + 1
  elseif position > expected then
    sum.holes = sum.holes + 1
  end
  if kind == "message" then sum.messages = sum.messages + 1 end
  listener.position = math.max(position, listener.position or 0)
end

-- Whole frames only: the rest waits for what comes.
local function read(listener, data)
  sum.bytes = sum.bytes + #data
  -- A comment is no news.
  if #data > 20 then last_heard = uv.now() end
  data = listener.rest .. data
  local last = data:match(".*\n\n()") or 1
  for position, kind in data:sub(1, last - 1):gmatch("id: %w+%.(%d+)\nevent: (%l+)\n") do
    take(listener, tonumber(position), kind)
  end
  listener.rest = data:sub(last)
end

local function open(listener)
  local connection = uv.new_tcp()
  connection:connect("127.0.0.1", port, function(problem)
    assert(not problem, problem)
    connection:write(("GET /sandbox/events HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n"):format(port))
    connection:read_start(function(err, data)
      if data then return read(listener, data) end
      sum.lost = sum.lost + 1
      connection:close()
      return err
    end)
  end)
end

for i = 1, count do
  listeners[i] = { rest = "" }
  open(listeners[i])
end

local input = uv.new_pipe(false)
input:open(0)
input:read_start(function(_, data) if not data then is_over = true end end)

local function report()
  local lowest, highest = math.huge, 0
  for _, listener in ipairs(listeners) do
    lowest = math.min(lowest, listener.position or 0)
    highest = math.max(highest, listener.position or 0)
  end
  print(("messages=%d behind=%d doubled=%d holes=%d lost=%d bytes=%d lowest=%d highest=%d"):format(
    sum.messages, sum.behind, sum.doubled, sum.holes, sum.lost, sum.bytes, lowest, highest))
end

local timer = uv.new_timer()
timer:start(100, 100, function()
  if not is_over or uv.now() - last_heard < QUIET_MS then return end
  report()
  os.exit(0)
end)
uv.run()
