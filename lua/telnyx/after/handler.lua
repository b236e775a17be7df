--- Webhooks inside nginx: `content_by_lua`. The body is read whole, also where nginx has written it
--- to a file; the answer is out before the program is told.

local receiver = require("telnyx.after.receiver")

-- Only nginx asks for this.
local ngx = ngx -- luacheck: ignore 113

local handler = {}

-- The largest that was seen has some 3 kB; eight addressees and ten media make no more than 20.
local MOST_BODY_BYTES = 256 * 1024

local NOT_ALLOWED, TOO_LARGE, BAD = 405, 413, 400

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

-- The service heeds the status alone.
local function answer(status)
  ngx.status = status
  ngx.header["Content-Type"] = "text/plain"
  ngx.header["Content-Length"] = 0
  ngx.send_headers()
  ngx.eof()
end

local function log(level, ...) ngx.log(ngx[level], "telnyx webhook: ", ...) end

local function handle(own, event)
  local ok, why = pcall(own.handle, own, event)
  if not ok then log("ERR", tostring(why)) end
end

local function serve(own, most_bytes)
  if ngx.req.get_method() ~= "POST" then return answer(NOT_ALLOWED) end
  local body, refusal = read_body(most_bytes)
  if not body then return answer(refusal) end
  local status, event, why = own:receive(body, (ngx.req.get_headers()))
  answer(status)
  if status ~= 200 then log("WARN", "refused with ", status, ": ", why) end
  if event then handle(own, event) end
end

---@class telnyx.handler_options: telnyx.receiver_options
---@field max_body_bytes integer|nil a longer request is refused; default 256 KiB
---@field recover_every number|nil seconds; default 60, 0: never

-- What a worker of nginx that died has kept and not handled.
local function recover(own)
  local n, why, faults = own:recover()
  if not n then log("ERR", why) end
  for _, fault in ipairs(faults or {}) do log("ERR", fault) end
end

-- One timer a worker, from its first request on.
local function begin_recovery(own, seconds)
  if seconds == 0 then return true end
  recover(own)
  return (ngx.timer.every(seconds, function(is_premature)
    if not is_premature then recover(own) end
  end))
end

local MORE = { max_body_bytes = "a whole number", recover_every = "seconds" }

local function is_count(value) return type(value) == "number" and value >= 0 and value % 1 == 0 end

local function is_seconds(value) return type(value) == "number" and value >= 0 end

---A function for content_by_lua. It answers 200 to what is the service's and is kept, and then
---calls `on_event`, which may wait as any light thread.
---@param given telnyx.handler_options
---@return fun()
function handler.new(given)
  if not ngx then
    error("webhook: a handler is for nginx; elsewhere use telnyx.webhook.receiver", 3)
  end
  local own = receiver.new(given, MORE, 3)
  local most_bytes = given.max_body_bytes or MOST_BODY_BYTES
  if not is_count(most_bytes) then
    error("webhook: option 'max_body_bytes' must be a whole number", 3)
  end
  local every = given.recover_every or 60
  if not is_seconds(every) then error("webhook: option 'recover_every' must be seconds", 3) end
  local is_recovering = false
  return function()
    serve(own, most_bytes)
    if is_recovering then return end
    is_recovering = true
    is_recovering = begin_recovery(own, every) and true or false
  end
end

return handler
