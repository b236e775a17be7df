--- The service's face in nginx: reads requests, writes responses, and carries
-- out faults on the real socket. The only file here that knows nginx.

local ngx = ngx -- luacheck: ignore 113

local Service = require("telnyx.sandbox.service")

local front = {}

-- Better no server than one whose first request fails.
if not pcall(require, "telnyx.core") then
  error("nginx runs LuaJIT and found no telnyx.core built for Lua 5.1", 0)
end

-- One worker, so one store: it lives as long as the server.
local service = Service.new()

-- Bytes that a reset overtakes may be lost; this lets the client read them.
local BEFORE_RESET = 0.05

local function lower_case_headers()
  local headers = {}
  for name, value in pairs(ngx.req.get_headers(100)) do
    headers[name] = type(value) == "table" and value[1] or value
  end
  return headers
end

local function read_request()
  ngx.req.read_body()
  return {
    method = ngx.req.get_method(),
    path = ngx.var.request_uri,
    headers = lower_case_headers(),
    body = ngx.req.get_body_data(),
  }
end

local function write(response)
  ngx.status = response.status
  for name, value in pairs(response.headers) do ngx.header[name] = value end
  if response.status == 204 then return end
  ngx.header["content-length"] = #response.body
  ngx.print(response.body)
end

local endings = {}

-- The end of the handler closes a connection whose raw socket was taken.
function endings.close() end

-- With reset_timedout_connection on, 444 ends in a TCP reset.
function endings.reset(_, bytes)
  if #bytes > 0 then ngx.sleep(BEFORE_RESET) end
  return ngx.exit(444)
end

-- Nobody waits a day: this lasts until the client hangs up.
function endings.stall(socket)
  socket:settimeout(86400 * 1000)
  local _, err
  repeat _, err = socket:receive(1) until err
end

local function misbehave(fault)
  local socket = assert(ngx.req.socket(true))
  if #fault.bytes > 0 then socket:send(fault.bytes) end
  return endings[fault.kind](socket, fault.bytes)
end

---Answers the current request.
function front.serve()
  local response = service:handle(read_request())
  local fault = response.fault
  if not fault then return write(response) end
  if fault.kind ~= "delay" then return misbehave(fault) end
  ngx.sleep(fault.seconds)
  return write(response)
end

-- A lone nginx process looks at its signals between events. One that comes just
-- before it goes to sleep would be seen at the next event, if there were none
-- but requests perhaps never.
local HEARTBEAT = 0.1

---Says on standard output that connections are accepted. By the time nginx
-- runs this, its port is bound and listening.
---@param url string
function front.announce(url)
  assert(ngx.timer.every(HEARTBEAT, function() end))
  io.stdout:write("telnyx sandbox: ", url, "\n")
  io.stdout:flush()
end

return front
