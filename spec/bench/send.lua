-- Sends the sample message N times, in one of three ways.
--
--   send.lua blocking|send_all|start BASE_URL N IN_FLIGHT [CA_FILE [MAX_CONNECTIONS]]

local telnyx = require("telnyx")

local PATIENCE_S = 300 -- valgrind takes its time

local how, n, n_in_flight = arg[1], tonumber(arg[3]), tonumber(arg[4])
local client = telnyx.new({
  api_key = "KEY_TEST",
  base_url = arg[2],
  ca_file = arg[5],
  max_connections = tonumber(arg[6]),
  timeout = PATIENCE_S, connect_timeout = PATIENCE_S, deadline = PATIENCE_S,
})

local function sample()
  return { from = "+18445550001", to = "+18665550001", text = "Hello, World!" }
end

local ways = {}

function ways.blocking()
  for _ = 1, n do assert(client:send(sample())) end
end

function ways.send_all()
  local i = 0
  local counts = client:send_all(function()
    i = i + 1
    if i <= n then return sample() end
  end, { concurrency = n_in_flight })
  assert(counts.accepted == n, "accepted " .. counts.accepted .. " of " .. n)
end

function ways.start()
  local n_started, n_accepted = 0, 0
  local function count(message) n_accepted = n_accepted + (message and 1 or 0) end
  repeat
    local n_running = client:step(0)
    while n_running < n_in_flight and n_started < n do
      n_started = n_started + 1
      client:start(sample(), count)
      n_running = n_running + 1
    end
  until client:step(1) == 0 and n_started == n
  assert(n_accepted == n, "accepted " .. n_accepted .. " of " .. n)
end

ways[how]()
client:close()
