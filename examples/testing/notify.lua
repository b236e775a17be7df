-- notify.lua: the program. It sends a code to whoever logs in, and hears what phones answer.
local telnyx = require "telnyx"

local Notify = {}
Notify.__index = Notify

-- Six digits that nobody can guess.
local function new_code()
  local file = assert(io.open("/dev/urandom", "rb"))
  local a, b, c = file:read(3):byte(1, 3)
  file:close()
  return ("%06d"):format((a * 65536 + b * 256 + c) % 1000000)
end

-- Options are for tests: what stands in for the environment, for Telnyx and for the clock.
local function new(options)
  options = options or {}
  local journal = telnyx.journal.memory()
  local self = setmetatable({ codes = {}, failed = {} }, Notify)
  self.client = telnyx.new { sender = options.sender, journal = journal, optouts = true,
    defaults = { from = "+13125550001",
      webhook_url = options.webhook_url or os.getenv("WEBHOOK_URL") } }
  self.receiver = telnyx.webhook.receiver { journal = journal, public_key = options.public_key,
    now = options.now, on_event = function(_, state)
      if state.key and state.status == "delivery_failed" then
        self.failed[state.key] = true
      end
    end }
  return self
end

-- Who asks again for the same login gets the same code, and no second message. Returns true, or
-- nil and why; err.outcome says whether it may have been sent all the same.
function Notify:send_code(phone, login)
  self.codes[login] = self.codes[login] or new_code()
  local message = { to = phone, text = "Your code is " .. self.codes[login] .. "." }
  local sent, err = self.client:send(message, { key = login })
  if sent then return true end
  return nil, err
end

-- A webhook came. Returns the status of the answer.
function Notify:receive(body, headers)
  local status, event = self.receiver:receive(body, headers)
  if event then self.receiver:handle(event) end
  return status
end

return { new = new }
