--- The service's face in nginx: reads requests, writes responses, carries out
-- faults on the real socket, and has webhooks posted when they are due. Only the
-- files beside this one know nginx.

local ngx = ngx -- luacheck: ignore 113

local poster = require("telnyx.sandbox.nginx.poster")
local reply = require("telnyx.sandbox.reply")
local Service = require("telnyx.sandbox.service")
local visitor = require("telnyx.sandbox.nginx.visitor")
local lasting = require("telnyx.sandbox.nginx.lasting")

local front = {}

-- One worker, so one store: it lives as long as the server.
local service

-- Bytes that a reset overtakes may be lost; this lets the client read them.
local BEFORE_RESET = 0.05

local function lower_case_headers()
  local headers = {}
  for name, value in pairs(ngx.req.get_headers(100)) do
    headers[name] = type(value) == "table" and value[1] or value
  end
  return headers
end

local function read_head()
  return {
    method = ngx.req.get_method(), path = ngx.var.request_uri, headers = lower_case_headers(),
  }
end

local function handle(request)
  ngx.req.read_body()
  request.body = ngx.req.get_body_data()
  return service:handle(request)
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

-- So many webhooks are under way at once, and so many begin before others get a turn.
local MOST_UNDER_WAY, MOST_AT_A_TIME = 200, 50

local n_under_way, armed_at = 0, nil

local arm

local function make_attempt(attempt)
  local objection = poster.objection(attempt.url)
  if objection then return service:attempted(attempt, { code = objection }) end
  n_under_way = n_under_way + 1
  local ok, answer = pcall(poster.post, service:webhook_request(attempt),
    service.knobs.webhook_timeout)
  n_under_way = n_under_way - 1
  service:attempted(attempt, ok and answer or {})
  if not ok then ngx.log(ngx.ERR, answer) end
  return arm()
end

-- Light threads, one for each attempt that is due.
local function start_attempts()
  local room = math.min(MOST_UNDER_WAY - n_under_way, MOST_AT_A_TIME)
  local threads = {}
  if room <= 0 then return threads end
  for i, attempt in ipairs(service:due_attempts(room)) do
    threads[i] = ngx.thread.spawn(make_attempt, attempt)
  end
  return threads
end

-- While all that may be are under way, one looks again after this.
local SOON = 0.05

local function wake(is_premature)
  armed_at = nil
  if is_premature then return end
  start_attempts()
  arm()
end

-- Sees to it that somebody wakes when the next attempt is due.
function arm()
  local due = service:next_due()
  if not due or (armed_at and armed_at <= due) then return end
  local wait = n_under_way >= MOST_UNDER_WAY and SOON or math.max(0, due - service.now())
  if ngx.timer.at(wait, wake) then armed_at = due end
end

local function deliver_now()
  local threads = start_attempts()
  while threads[1] do
    for _, thread in ipairs(threads) do ngx.thread.wait(thread) end
    local due = service:next_due()
    threads = due and due <= service.now() and start_attempts() or {}
  end
end

local function answer(response)
  local fault = response.fault
  if not fault then return write(response) end
  if fault.kind ~= "delay" then return misbehave(fault) end
  ngx.sleep(fault.seconds)
  return write(response)
end

local function refuse(objection)
  return write(reply.refuse({ { code = "10010", detail = objection } },
    { ["x-request-id"] = service.uuid() }))
end

---Answers the current request.
function front.serve()
  local request = read_head()
  local objection = visitor.objection(request)
  if objection then return refuse(objection) end
  local response = handle(request)
  if service.knobs.before_reply then deliver_now() end
  arm()
  if lasting.has_to_wait(response) then response = lasting.wait(response) end
  return response and answer(response)
end

-- A lone nginx process looks at its signals between events. One that comes just
-- before it goes to sleep would be seen at the next event, if there were none
-- but requests perhaps never.
local HEARTBEAT = 0.1

local function from_hex(text)
  return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

local WANTED_PAGES = 1000

local function few_pages(n_places, n_files)
  if n_places >= WANTED_PAGES then return "" end
  return ("  pages     %d at once, no more: ulimit -n is %d\n"):format(n_places, n_files)
end

-- A look at a hundred thousand messages does not keep others waiting.
local function breathe() ngx.sleep(0) end

-- For people, and simple to read for programs: each value is what a program takes from its
-- environment.
local function greeting(options)
  local page = options.url:match("^(.*/)v2$")
  return ("telnyx sandbox: %s  shows phones and what they received\n"):format(page)
    .. "  key       TELNYX_API_KEY=KEY_TEST  or any that begins with KEY\n"
    .. ("  messages  TELNYX_BASE_URL=%s\n"):format(options.url)
    .. ("  webhooks  TELNYX_PUBLIC_KEY=%s\n"):format(service:public_key())
    .. few_pages(options.places, options.files)
    .. "  stop      Ctrl-C\n", page
end

-- Whoever is to open the page looks for it there.
local function leave_address(page)
  local file = assert(io.open(ngx.config.prefix() .. "page", "w"))
  file:write(page, "\n")
  file:close()
end

---Says on standard output that connections are accepted, where, and which key verifies webhooks. By
-- the time nginx runs this, its port is bound and listening.
---@param options { url: string, seed: string, places: integer, files: integer } `seed` is the
-- signing seed in hexadecimal, empty for a random one; `places` is how many connections may wait
-- at once, and `files` the limit that comes from
function front.announce(options)
  local seed = options.seed
  service = Service.new { signing_seed = seed ~= "" and from_hex(seed) or nil }
  service.breathe = breathe
  assert(ngx.timer.every(HEARTBEAT, function() end))
  lasting.begin(service, options.places)
  local text, page = greeting(options)
  io.stdout:write(text)
  io.stdout:flush()
  leave_address(page)
end

return front
