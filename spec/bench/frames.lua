-- A loop of frames with 64 sends in flight: what `step(0)` takes of a frame when all their answers
-- are there at once, and what it leaves for the collector when there is nothing to do.

local socket = require("socket")
local telnyx = require("telnyx")

local N_SENDS = 64 -- held by the service until so many are there, then answered all at once
local FRAME_S, N_ROUNDS, N_WARM, N_IDLE = 1 / 250, 300, 3, 1000

local client = telnyx.new({
  api_key = "KEY_TEST", base_url = os.getenv("BENCH_HTTP"), retry = false,
})

local n_accepted, n_started = 0, 0
local function count(message) n_accepted = n_accepted + (message and 1 or 0) end

local function start(n)
  for _ = 1, n do
    client:start({ from = "+18445550001", to = "+18665550001", text = "hold" }, count)
  end
  n_started = n_started + n
end

local function new_times() return { wall = {}, processor = {} } end

local function add_step(times)
  local wall, processor = socket.gettime(), os.clock()
  local n_left = client:step(0)
  times.processor[#times.processor + 1] = os.clock() - processor
  times.wall[#times.wall + 1] = socket.gettime() - wall
  return n_left
end

-- Steps that took an answer, until none is missing; how many frames it took.
local function take_answers(with_answers)
  local n_frames = 0
  repeat
    socket.sleep(FRAME_S)
    local before, step = n_accepted, new_times()
    local n_left = add_step(step)
    if n_accepted > before then
      n_frames = n_frames + 1
      for name, list in pairs(step) do table.insert(with_answers[name], list[1]) end
    end
  until n_left == 0
  return n_frames
end

local function report(name, times)
  local function cells(list)
    table.sort(list)
    local function ms(share) return list[math.max(1, math.ceil(#list * share))] * 1000 end
    return ("%9.3f%9.3f%9.3f"):format(ms(0.5), ms(0.99), ms(1))
  end
  print(("  %-46s%s  %s"):format(name, cells(times.wall), cells(times.processor)))
end

local function measure_answers()
  local answers, starts, n_frames = new_times(), new_times(), 0
  for round = 1, N_WARM + N_ROUNDS do
    if round == N_WARM + 1 then answers, starts, n_frames = new_times(), new_times(), 0 end
    local wall, processor = socket.gettime(), os.clock()
    start(N_SENDS)
    table.insert(starts.processor, os.clock() - processor)
    table.insert(starts.wall, socket.gettime() - wall)
    n_frames = n_frames + take_answers(answers)
  end
  report(("step(0) with %d answers, taken in %.1f steps"):format(N_SENDS, n_frames / N_ROUNDS),
    answers)
  report(("%d times start"):format(N_SENDS), starts)
end

local function idle()
  for _ = 1, N_IDLE do client:step(0) end
end

-- With all but one in flight, the service holds them. LuaJIT compiles the loop before it counts.
local function measure_idleness()
  start(N_SENDS - 1)
  for _ = 1, 10 do
    socket.sleep(FRAME_S)
    client:step(0)
  end
  idle()
  collectgarbage()
  collectgarbage("stop")
  local kb_before = collectgarbage("count")
  idle()
  local kb = collectgarbage("count") - kb_before
  collectgarbage("restart")
  local times = new_times()
  for _ = 1, N_IDLE do add_step(times) end
  report("step(0) with nothing to do", times)
  print(("  %d such steps leave %.0f bytes for the collector"):format(N_IDLE, kb * 1024))
  start(1)
  take_answers(new_times())
end

print(("%-48s%27s  %27s"):format(arg[-1] .. ", ms", "of the clock", "of the processor"))
print((" "):rep(48) .. ("%9s%9s%9s"):format("median", "p99", "slowest")
  .. "  " .. ("%9s%9s%9s"):format("median", "p99", "slowest"))
measure_answers()
measure_idleness()
client:close()
assert(n_accepted == n_started, n_accepted .. " accepted of " .. n_started)
