-- A service on virtual time, for specs of runs: it says what it was posted, and when.

local telnyx = require "telnyx"

local timed_service = {}

---One message of each sender, whose texts are their numbers.
function timed_service.list_of(senders)
  local list = {}
  for i, from in ipairs(senders) do
    list[i] = { from = from, to = "+18665550001", text = tostring(i) }
  end
  return list
end

function timed_service.times(n, value)
  local list = {}
  for i = 1, n do list[i] = value end
  return list
end

---A 429 that asks for so long.
function timed_service.refusal(wait_s, code)
  return { outcome = "rejected", kind = "api", status = 429, retryable = true,
    retry_after = wait_s, errors = code and { { code = code } } or nil }
end

local ACCEPTED = { outcome = "accepted", status = 200 }

---`answer(message, n, now)` says what to the n-th post, and after how long. It waits by its step.
---Of one that it takes it may say with `wait_seconds` how long that waits there.
function timed_service.new(answer)
  local own = { time = 0, posts = {}, waiting = {}, n_refused = 0 }
  function own:monotonic() return self.time end
  function own.send() error("it can be stepped") end
  function own:start(message, _, owner)
    local posts = self.posts
    posts[#posts + 1] = { at = self.time, text = message.text, from = message.from }
    local result, latency_s = answer(message, #posts, self.time)
    if result and result.status == 429 then self.n_refused = self.n_refused + 1 end
    local is_failure = result and (result.outcome ~= "accepted" or result.kind)
    local pending = { ready_at = self.time + (latency_s or 0.05), owner = owner }
    function pending.done() return self.time >= pending.ready_at end
    function pending.result()
      if is_failure then return nil, result end
      return { id = message.text, wait_seconds = result and result.wait_seconds },
        result or ACCEPTED
    end
    self.waiting[#self.waiting + 1] = pending
    return pending
  end
  function own:step(seconds)
    local next_at = self.time + seconds
    for _, one in ipairs(self.waiting) do
      next_at = math.min(next_at, math.max(self.time, one.ready_at))
    end
    self.n_at_once = next_at == self.time and (self.n_at_once or 0) + 1 or 0
    if self.n_at_once > 10000 then error("it steps and steps, and waits for nothing", 0) end
    self.time = next_at
    return #self.waiting
  end
  function own:finished()
    for i, one in ipairs(self.waiting) do
      if one.done() then return table.remove(self.waiting, i).owner end
    end
  end
  return own
end

---Runs a client of its own through a list.
---@param service table
---@param source table[]|function
---@param options table|nil of the run
---@param own table|nil of the client
---@return telnyx.counts
function timed_service.send(service, source, options, own)
  own = own or {}
  own.sender = service
  return telnyx.new(own):send_all(source, options)
end

return timed_service
