-- A program of its own that is interrupted in the middle of things. Its arguments: what to do, the
-- base URL. It prints its steps; the spec kills it, or it ends by itself.

local telnyx = require "telnyx"

local what, base_url = arg[1], arg[2]
local MESSAGE = { from = "+18445550001", to = "+18665550001", text = "Hello" }

local client = telnyx.new { api_key = "KEY_INTERRUPTED", base_url = base_url, timeout = 20 }

local function step_for_ever()
  while true do client:step(0.05) end
end

local deeds = {}

--- Waits in a send; a signal comes.
function deeds.send()
  print(client:send(MESSAGE))
end

--- Waits in a step; a signal comes.
function deeds.step()
  client:start(MESSAGE)
  step_for_ever()
end

--- Goes on after the signal: what is under way is still told of.
function deeds.resume()
  local pending = client:start(MESSAGE)
  print(pcall(step_for_ever))
  io.stdout:flush()
  while not pending.done do client:step(1) end
  local _, info = pending:result()
  print("outcome", info.outcome)
end

--- Ends the program with a message under way, with or without closing the state.
function deeds.exit()
  client:start(MESSAGE)
  for _ = 1, 20 do client:step(0.05) end
  os.exit(7)
end

function deeds.exit_closing()
  client:start(MESSAGE)
  for _ = 1, 20 do client:step(0.05) end
  os.exit(7, true)
end

--- Ends it from inside a callback.
function deeds.exit_in_callback()
  client:start(MESSAGE)
  client:start(MESSAGE, function() os.exit(7, true) end)
  step_for_ever()
end

--- Ends by an error that nobody catches.
function deeds.raise()
  client:start(MESSAGE)
  for _ = 1, 20 do client:step(0.05) end
  error("nobody catches this")
end

deeds[what]()
