--- One connection of nginx's, from the pool or fresh, and one exchange over it.

local core = require("telnyx.core")
local descriptor = require("telnyx.resty_descriptor")

-- What one read takes at most.
local RECEIVE_BYTES = 16 * 1024
-- The shortest time that nginx can wait for.
local MOMENT_S = 0.001
-- How long a connection that refused the request is listened to.
local LAST_WORDS_S = 0.1

-- nginx would ask its resolver, which need not know this machine.
local LOCALHOST = { "127.0.0.1", "[::1]" }

---@class telnyx.resty.connection
---@field private socket table
---@field private request table
---@field private pool string
---@field private deadline number
---@field private connect_deadline number
---@field private is_kept boolean|nil it has served before
---@field private descriptor integer|nil
local Connection = {}
Connection.__index = Connection

---@param socket table a new one of ngx.socket.tcp
---@param request table of core.request
---@param pool string the name under which nginx keeps the like of it
---@param limits { timeout: number, connect_timeout: number } seconds
---@return telnyx.resty.connection
function Connection.new(socket, request, pool, limits)
  local now = core.monotonic()
  return setmetatable({
    socket = socket,
    request = request,
    pool = pool,
    deadline = now + limits.timeout,
    connect_deadline = now + math.min(limits.timeout, limits.connect_timeout),
  }, Connection)
end

-- Words ----------------------------------------------------------------------

-- What nginx says, as patterns, and what has happened then. Anything else is in
-- the system's words or those of the TLS library.
local WORDS = {
  { "^timeout$", "no answer in time" },
  { "^closed$", "the other side closed it" },
  { "%(3: ", "there is no host of that name" },
  { "could not be resolved", "no name server says where that is" },
  { "^no resolver", "nginx.conf has no resolver to find it with" },
  { "mismatch", "the certificate is for another name" },
  { "^handshake failed$", "the handshake failed" },
}

local function in_words(err)
  for _, each in ipairs(WORDS) do
    if err:find(each[1]) then return each[2] end
  end
  return (err:gsub("^%d+: ", ""))
end

local function fail(exchange, what, err)
  local cause = what .. ": " .. in_words(err)
  if err:find("certificate", 1, true) then
    cause = cause .. " (lua_ssl_trusted_certificate says whom nginx trusts)"
  end
  exchange:fail(err == "timeout" and "timeout" or "connection", cause)
end

-- Coming about ---------------------------------------------------------------

---Gives the socket's next operation what is left until the deadline.
---@private
function Connection:arm(deadline)
  local left = deadline - core.monotonic()
  if left > 0 then self.socket:settimeout(math.ceil(left * 1000)) end
  return left > 0
end

---@private
function Connection:connect(address)
  if not self:arm(self.connect_deadline) then return nil, "timeout" end
  return self.socket:connect(address, self.request.port, { pool = self.pool })
end

---@private
function Connection:dial(exchange)
  local host, first_err = self.request.host, nil
  for _, address in ipairs(host:lower() == "localhost" and LOCALHOST or { host }) do
    local ok, err = self:connect(address)
    if ok then return true end
    first_err = first_err or tostring(err)
  end
  fail(exchange, ("no connection to %s:%d"):format(host, self.request.port), first_err)
end

---@private
function Connection:handshake()
  if not self:arm(self.connect_deadline) then return nil, "timeout" end
  local ok, err = self.socket:sslhandshake(false, self.request.host, true)
  -- One that is over at once may succeed by its own account although the
  -- certificate was refused. Then nginx has closed the socket, and this tells.
  if ok and self.socket:getreusedtimes() then return true end
  return nil, tostring(err or "the certificate was not accepted")
end

---On a connection of the pool this is done already, and nginx knows.
---@private
function Connection:secure(exchange)
  if self.request.scheme ~= "https" then return true end
  local ok, err = self:handshake()
  if ok then return true end
  fail(exchange, "no TLS with " .. self.request.host, err)
end

-- Carriage -------------------------------------------------------------------

---Bytes, or nil and what nginx says of their absence.
---@private
function Connection:receive(seconds)
  self.socket:settimeout(math.ceil(math.max(seconds, MOMENT_S) * 1000))
  local bytes, err, rest = self.socket:receiveany(RECEIVE_BYTES)
  return bytes or rest ~= "" and rest or nil, err
end

-- Under TLS nginx calls every end the same; what was cut is no JSON then.
local ENDINGS = { closed = "close", timeout = "timeout" }

local function take(exchange, bytes, err)
  if bytes then return exchange:feed(bytes) end
  return exchange:finish(ENDINGS[err] or "break")
end

-- nginx wakes who has waited when all else of that turn is done, and looks at no socket before. So
-- its own word for silence counts only when it came in time.
local LATE_S = 0.0003
local MOST_LOOKS = 30

---Whether nothing has come until now: asked of the system, or where nginx keeps the descriptor to
---itself, judged by what it said.
---@private
function Connection:is_silent(began)
  if self.descriptor then return core.is_silent(self.descriptor) end
  return core.monotonic() - began <= MOMENT_S + LATE_S
end

---What has come: bytes, or nil and "timeout" when it was silence. Under TLS nginx may hold what the
---system has no longer, and the system what is no message: tickets. A connection that was just
---made is listened to for a moment.
---@private
function Connection:look()
  local is_plain = self.request.scheme == "http"
  if self.is_kept and self.descriptor and is_plain then
    return nil, core.is_silent(self.descriptor) and "timeout" or "closed"
  end
  local bytes, err
  for _ = 1, MOST_LOOKS do
    local began = core.monotonic()
    bytes, err = self:receive(MOMENT_S)
    if bytes or err ~= "timeout" or self:is_silent(began) then break end
  end
  return bytes, err
end

---Comes to a connection on which nothing but silence is: whatever else was there would be taken
---for the reply. While this code runs, nginx does not look at its sockets, so those of its pool may
---have talked or ended meanwhile. Each of these is thrown away, and the last to be tried is fresh.
---@private
function Connection:establish(exchange)
  while self:dial(exchange) and self:secure(exchange) do
    self.is_kept = self.socket:getreusedtimes() > 0
    self.descriptor = descriptor.of(self.socket)
    local bytes, err = self:look()
    if not bytes and err == "timeout" then return true end
    if not self.is_kept then
      take(exchange, bytes, err)
      return false
    end
    self.socket:close()
  end
  return false
end

---@private
function Connection:listen(exchange, deadline)
  local left, state
  repeat
    left = deadline - core.monotonic()
    state = take(exchange, self:receive(left))
  until state ~= "more" or left <= 0
  if state == "more" then exchange:finish("timeout") end
end

---@private
function Connection:ask(exchange)
  if not self:arm(self.deadline) then return exchange:finish("timeout") end
  local n_written, err = self.socket:send(exchange:offer())
  if n_written then
    exchange:wrote(n_written)
    return self:listen(exchange, self.deadline)
  end
  -- nginx reads nothing while it writes, but an answer may have come.
  exchange:tore()
  self:listen(exchange, math.min(self.deadline, core.monotonic() + LAST_WORDS_S))
  return self.is_kept and err ~= "timeout"
end

---Carries an exchange to its end. Yields to nginx.
---@param exchange table of core.exchange
---@return boolean|nil is_stale a connection that was kept alive refused the request
function Connection:carry(exchange)
  return self:establish(exchange) and self:ask(exchange) == true
end

---Gives the connection back to nginx, which closes it when it talks or ends while it is idle.
---@param idle_s number how long it may be idle
---@param pool_size integer
function Connection:keep(idle_s, pool_size)
  -- Refused when there are bytes that nobody has read.
  if not self.socket:setkeepalive(math.ceil(idle_s * 1000), pool_size) then self:close() end
end

function Connection:close()
  self.socket:close()
end

return Connection
