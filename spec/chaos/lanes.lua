-- Ways to send: each lane sends a range of references to one address and tells `report(reference,
-- message, info_or_err)` once for each what came of it.

local core = require "telnyx.core"
local socket = require "socket"
local telnyx = require "telnyx"
local new_random = require("spec.chaos.random").new

local KEY = "KEY0123456789ABCDEF_chaoschaos"
local IN_FLIGHT = 8
local TIMEOUT = tonumber(os.getenv("CHAOS_TIMEOUT") or "") or 0.25
local STEP = 0.05
local CEILING = 480 * TIMEOUT -- seconds for one lane

local lanes = {}

local BALLAST = { ballast = ("b"):rep(200 * 1024) }

-- The service takes any text; the server here looks for the reference.
local function message(reference, random)
  local extra = random:chance(0.02) and BALLAST or nil
  return {
    from = "+18445550001", to = "+18665550001", text = ("ref:%d"):format(reference), extra = extra,
  }
end

local function patience()
  local deadline = core.monotonic() + CEILING
  return function()
    assert(core.monotonic() < deadline, "the lane does not come to its end")
  end
end

-- The sender below the seam: one attempt each; now and then it is closed with all in flight, and
-- half of the time it is driven through its descriptor.

local Core = {}
Core.__index = Core

function Core:open()
  self.client = core.client {
    api_key = KEY, base_url = self.url, ca_file = self.ca_file,
    timeout = TIMEOUT, connect_timeout = TIMEOUT,
  }
  local fd = self.random:chance(0.5) and self.client:fd()
  self.watched = fd and { getfd = function() return fd end }
end

-- As a script waits, or as a host's event loop does.
function Core:wait()
  if not self.watched then return self.client:step(STEP) end
  socket.select({ self.watched }, nil, self.client:timeout())
  self.client:step(0)
end

function Core:start(reference)
  local limits = self.random:chance(0.03) and { fresh = true } or nil
  local pending = assert(self.client:start(message(reference, self.random), limits))
  self.references[pending] = reference
  self.n_in_flight = self.n_in_flight + 1
end

function Core:settle(pending)
  local reference = self.references[pending]
  self.references[pending] = nil
  self.n_in_flight = self.n_in_flight - 1
  self.report(reference, pending:result())
end

function Core:step()
  self:wait()
  local pending = self.client:finished()
  while pending do
    self:settle(pending)
    pending = self.client:finished()
  end
end

function Core:close()
  self.client:close()
  local left = {}
  for pending in pairs(self.references) do left[#left + 1] = pending end
  for _, pending in ipairs(left) do self:settle(pending) end
end

--- Through `core.client`, started and stepped.
function lanes.core(options, report)
  local lane = setmetatable({
    url = options.url, ca_file = options.ca_file, report = report, n_in_flight = 0,
    random = new_random(options.seed, options.first), references = {},
  }, Core)
  local go_on = patience()
  lane:open()
  for reference = options.first, options.last do
    lane:start(reference)
    if reference % 500 == 0 then
      lane:close()
      lane:open()
    end
    while lane.n_in_flight >= IN_FLIGHT do
      lane:step()
      go_on()
    end
  end
  while lane.n_in_flight > 0 do
    lane:step()
    go_on()
  end
  lane:close()
end

local function retrying(options, timeout)
  return telnyx.new {
    api_key = KEY, base_url = options.url, ca_file = options.ca_file, timeout = timeout,
    deadline = 12 * timeout, retry = { base = 0.01, cap = 0.05, max_wait = 1, budget = false },
  }
end

--- Through `telnyx.new`, with retries; most are started and stepped, some are plain sends.
function lanes.telnyx(options, report)
  local client, random = retrying(options, TIMEOUT), new_random(options.seed, options.first)
  local go_on, n_in_flight = patience(), 0
  local function start(reference)
    n_in_flight = n_in_flight + 1
    client:start(message(reference, random), function(...)
      n_in_flight = n_in_flight - 1
      report(reference, ...)
    end)
  end
  for reference = options.first, options.last do
    if random:chance(0.05) then
      report(reference, client:send(message(reference, random)))
    else
      start(reference)
    end
    while n_in_flight >= IN_FLIGHT do
      client:step(STEP)
      go_on()
    end
  end
  while n_in_flight > 0 do
    client:step(STEP)
    go_on()
  end
  client:close()
end

--- The same with pauses, in which a server that keeps no connection closes the idle ones. Nothing
--- stalls there, so nothing but those may cost a message its success.
function lanes.pausing(options, report)
  local client, random = retrying(options, 20 * TIMEOUT), new_random(options.seed, options.first)
  local go_on, n_in_flight = patience(), 0
  for reference = options.first, options.last do
    n_in_flight = n_in_flight + 1
    client:start(message(reference, random), function(...)
      n_in_flight = n_in_flight - 1
      report(reference, ...)
    end)
    if n_in_flight == IN_FLIGHT or reference == options.last then
      while n_in_flight > 0 do
        client:step(STEP)
        go_on()
      end
      core.sleep(options.pause or random:next() * 0.03)
    end
  end
  client:close()
end

return lanes
