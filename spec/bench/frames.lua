-- A loop of sixty frames a second with 64 sends in flight: what `step(0)` takes of a frame, and
-- what it leaves for the collector.

package.path = "./?.lua;" .. package.path

local sandbox = require("spec.support.sandbox")
local socket = require("socket")
local telnyx = require("telnyx")

local N_SENDS, FRAME_S, N_FRAMES = 64, 1 / 60, 180
local SLOW = "+15550070003" -- accepted after three seconds

local service = sandbox.start()
local client = telnyx.new({ api_key = "KEY_TEST", base_url = service.url, retry = false })
local n_done = 0
for _ = 1, N_SENDS do
  client:start({ from = "+18445550001", to = SLOW, text = "later" }, function(message)
    n_done = n_done + (message and 1 or 0)
  end)
end
while service:ledger().posts < N_SENDS do client:step(0.01) end

local times, garbage = {}, 0
for i = 1, N_FRAMES do times[i] = 0 end
collectgarbage("stop")
for i = 1, N_FRAMES do
  local n_before, kb_before, began = n_done, collectgarbage("count"), socket.gettime()
  client:step(0)
  times[i] = socket.gettime() - began
  if n_done == n_before then garbage = garbage + collectgarbage("count") - kb_before end
  socket.sleep(FRAME_S)
end
collectgarbage("restart")
while client:step(0.1) > 0 do end
client:close()
service:stop()
assert(n_done == N_SENDS, n_done .. " accepted of " .. N_SENDS)

table.sort(times)
local function ms(share) return times[math.max(1, math.ceil(N_FRAMES * share))] * 1000 end
print(("step(0), %d in flight, %d frames: median %.3f ms, p99 %.3f ms, slowest %.3f ms;"
  .. " %.0f bytes made where nothing happened"):format(
  N_SENDS, N_FRAMES, ms(0.5), ms(0.99), ms(1), garbage * 1024))
