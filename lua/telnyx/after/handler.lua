--- Webhooks inside nginx: `content_by_lua`. The body is read whole, also where nginx has written it
--- to a file; the answer is out before the program is told, and what that takes its time for holds
--- up no other request of the connection.

local receiver = require("telnyx.after.receiver")

-- Only nginx asks for this.
local ngx = ngx -- luacheck: ignore 113

local handler = {}

-- The largest that was seen has some 3 kB; eight addressees and ten media make no more than 20.
local MOST_BODY_BYTES = 256 * 1024

local NOT_ALLOWED, TOO_LARGE, BAD = 405, 413, 400

local function log(level, ...) ngx.log(ngx[level], "telnyx webhook: ", ...) end

-- Requests --------------------------------------------------------------------------------------

local function read_file(path)
  local file = path and io.open(path, "rb")
  if not file then return nil end
  local body = file:read("*a")
  file:close()
  return body
end

-- As it came; or nil, and what to answer.
local function read_body(most_bytes)
  local announced = tonumber(ngx.var.http_content_length)
  if announced and announced > most_bytes then return nil, TOO_LARGE end
  ngx.req.read_body()
  local body = ngx.req.get_body_data() or read_file(ngx.req.get_body_file()) or ""
  if #body > most_bytes then return nil, TOO_LARGE end
  if announced and #body ~= announced then return nil, BAD end
  return body
end

-- All of them: nginx has a limit of its own for their bytes.
local function headers_of() return (ngx.req.get_headers(0)) end

-- The service heeds the status alone.
local function answer(status)
  ngx.status = status
  ngx.header["Content-Type"] = "text/plain"
  ngx.header["Content-Length"] = 0
  if status == NOT_ALLOWED then ngx.header["Allow"] = "POST" end
  ngx.send_headers()
  ngx.eof()
end

-- Handling --------------------------------------------------------------------------------------

-- What nginx runs at once is 256 by itself, and more it drops; others want some of them.
local MOST_TIMERS = 128

local function has_room()
  return ngx.timer.running_count() + ngx.timer.pending_count() < MOST_TIMERS
end

local function handle(own, event)
  local ok, why = pcall(own.handle, own, event)
  if not ok then log("ERR", tostring(why)) end
end

-- In a timer, which ends with no connection and holds up none: the next webhook may be behind this
-- one. A worker that is about to end does it all the same.
local function begin(own, event)
  local ok = ngx.timer.at(0, function() handle(own, event) end)
  if not ok then handle(own, event) end
end

-- Takes a webhook, and answers it.
local function serve(own, most_bytes)
  if ngx.req.get_method() ~= "POST" then return answer(NOT_ALLOWED) end
  local body, refusal = read_body(most_bytes)
  if not body then return answer(refusal) end
  local status, event, why = own:receive(body, headers_of())
  local is_apart = not event or has_room()
  if not is_apart then ngx.header["Connection"] = "close" end
  answer(status)
  if status ~= 200 then log("WARN", "refused with ", status, ": ", why) end
  if event then (is_apart and begin or handle)(own, event) end
end

-- Recovery --------------------------------------------------------------------------------------

-- So long one look may take, before it is taken for one that never ends.
local MOST_LOOK_S = 3600

-- What a worker that died, or a program that raised, has left. One at a time in a worker.
---@param self { receiver: telnyx.receiver, older_than: number, busy_until: number }
local function look(self)
  if ngx.now() < self.busy_until then return end
  self.busy_until = ngx.now() + MOST_LOOK_S
  local ok, n, why, faults = pcall(self.receiver.recover, self.receiver,
    { older_than = self.older_than })
  self.busy_until = 0
  if not ok or not n then log("ERR", tostring(ok and why or n)) end
  for _, fault in ipairs(ok and faults or {}) do log("ERR", fault) end
end

-- Where each worker looks, they take turns: what one has handled the next does not find.
local function turn_s(every_s)
  return every_s * (ngx.worker.id() or 0) / math.max(1, ngx.worker.count() or 1)
end

-- Now, and every so often from then on, by timers that end with the worker.
local function begin_recovery(self, every_s)
  local function look_in_turn(is_premature)
    if is_premature then return end
    local ok, why = ngx.timer.at(turn_s(every_s), function(is_ending)
      if not is_ending then look(self) end
    end)
    if not ok then log("WARN", "what was not handled waits: ", why) end
  end
  local ok, why = ngx.timer.every(every_s, look_in_turn)
  if not ok then
    log("WARN", "what was not handled waits: ", why)
    return false
  end
  look_in_turn(false)
  return true
end

-- Making one ------------------------------------------------------------------------------------

---@class telnyx.handler_options: telnyx.receiver_options
---@field max_body_bytes integer|nil a longer request is refused; default 256 KiB
---@field recover_every number|nil seconds from one look for what was not handled to the next;
---default 60, 0: never
---@field recover_after number|nil seconds since an event came, after which it is taken for one that
---nobody is at; default 60

local function is_count(value) return type(value) == "number" and value >= 0 and value % 1 == 0 end

local function is_seconds(value) return type(value) == "number" and value >= 0 end

local MORE = {
  max_body_bytes = { is_count, "a whole number" },
  recover_every = { is_seconds, "seconds" },
  recover_after = { is_seconds, "seconds" },
}

local function check(given, level)
  for name, rule in pairs(MORE) do
    if given[name] ~= nil and not rule[1](given[name]) then
      error(("webhook: option '%s' must be %s"):format(name, rule[2]), level + 1)
    end
  end
end

-- Where each worker makes a handler as it begins, one of them looks for all.
local function is_anothers_to_look()
  return ngx.get_phase() == "init_worker" and ngx.worker.id() ~= 0
end

---A function for content_by_lua. It answers 200 to what is the service's and is kept, and then
---calls `on_event` in a timer, where it may wait as any light thread. What was not handled is
---looked for from a worker's first request on; where init_worker_by_lua calls this, from then on,
---and by one worker.
---@param given telnyx.handler_options
---@return fun()
function handler.new(given)
  if not ngx then
    error("webhook: a handler is for nginx; elsewhere use telnyx.webhook.receiver", 3)
  end
  local own = receiver.new(given, MORE, 3)
  check(given, 3)
  local most_bytes, every_s = given.max_body_bytes or MOST_BODY_BYTES, given.recover_every or 60
  local recovery = { receiver = own, older_than = given.recover_after or 60, busy_until = 0 }
  local is_recovering = every_s == 0 or is_anothers_to_look()
  local function recover()
    is_recovering = is_recovering or begin_recovery(recovery, every_s)
  end
  if ngx.get_phase() == "init_worker" then recover() end
  return function()
    recover()
    return serve(own, most_bytes)
  end
end

return handler
