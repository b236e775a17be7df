--- Sends over nginx's own sockets, so that a worker goes on serving others
--- while a message is under way. Inside nginx `telnyx.new` takes this sender by
--- itself; make it explicitly to set the size of its pool:
---
---   telnyx.new { sender = resty.sender { api_key = key, pool_size = 100 } }
---
--- What it needs of nginx.conf (examples/hosts/nginx):
---
---   resolver                     finds the service, unless it is localhost;
---                                resolver_timeout bounds how long that takes,
---                                no limit of ours does
---   lua_ssl_trusted_certificate  whom to trust; without it no server is. There
---   lua_ssl_verify_depth         is no way to turn verification off
---   lua_ssl_protocols            nginx's own default ends with TLS 1.2
---   lua_socket_log_errors        off: what goes wrong is returned
---
--- A certificate is matched by its DNS names, so an https base_url needs a name
--- and not an address.
---
--- nginx allows sockets while it rewrites, checks access, makes content, and in
--- timers. Anywhere else (init, init_worker, set, log, the filters) a send ends
--- as not_sent and says so: send from ngx.timer.at(0, ...).
---
--- Idle connections are kept by nginx, for each worker, under a name of their
--- own that tells host, port and the name that TLS has verified. nginx drops
--- those that it sees talk or end. Before each request the socket itself is
--- looked at once more; under TLS, and on a fresh connection, after listening for
--- a millisecond. What is still on its way then is beyond anybody's knowledge, so
--- the idle limit is short.

local core = require("telnyx.core")
local Connection = require("telnyx.resty_connection")

-- A host may forbid to read a global that is not there.
local has_ngx, ngx = pcall(function()
  return ngx -- luacheck: ignore 113
end)
if not has_ngx then ngx = nil end

local resty = {}

-- For the User-Agent.
resty.NAME = "ngx_lua/" .. (ngx and ngx.config and ngx.config.ngx_lua_version or "none")

-- As in the limits of a call, seconds.
local DEFAULT_TIMEOUT, DEFAULT_CONNECT_TIMEOUT = 30, 10
-- The shortest pause without a complaint of nginx.
local MOMENT = 0.001

---Whether this Lua runs inside nginx, with sockets in at least some phases.
---@return boolean
function resty.is_available()
  return type(ngx) == "table" and type(ngx.socket) == "table"
    and ngx.socket.tcp ~= nil
end

-- Options --------------------------------------------------------------------

---@class telnyx.resty.options
---@field api_key string
---@field base_url string|nil default "https://api.telnyx.com/v2"
---@field allow_http boolean|nil
---@field user_agent string|nil
---@field max_response_bytes integer|nil default 1 MiB
---@field pool_size integer|nil idle connections that a worker keeps; default 30
---@field idle_timeout number|nil seconds that an idle connection is kept; default 10

local function type_rule(kind)
  return function(value)
    if type(value) ~= kind then return "must be a " .. kind .. ", got a " .. type(value) end
  end
end

local function number_rule(low, high, is_whole)
  local expected = ("must be a %s from %g to %g, got "):format(
    is_whole and "whole number" or "number", low, high)
  return function(value)
    local ok = type(value) == "number" and value >= low and value <= high
      and not (is_whole and value % 1 ~= 0)
    if not ok then return expected .. tostring(value) end
  end
end

local function not_here(instead)
  return function() return "cannot be used inside nginx: " .. instead end
end

local text = type_rule("string")
local RULES = {
  api_key = text,
  base_url = text,
  user_agent = text,
  allow_http = type_rule("boolean"),
  max_response_bytes = number_rule(1, 2 ^ 30, true),
  pool_size = number_rule(1, 1e6, true),
  idle_timeout = number_rule(0.001, 1e6),
  ca_file = not_here("set lua_ssl_trusted_certificate in nginx.conf"),
  proxy = not_here("its sockets know no proxy"),
  max_connections = not_here("pool_size of telnyx.resty says how many a worker keeps"),
}

local function known_names()
  local names = {}
  for name in pairs(RULES) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function unknown_option(name)
  local names = known_names()
  local near = type(name) == "string" and core.nearest(name, names)
  return ("unknown option '%s'; %s"):format(tostring(name),
    near and "did you mean '" .. near .. "'?" or "known: " .. table.concat(names, ", "))
end

local function check_options(given, level)
  if type(given) ~= "table" then
    error("options must be a table, got a " .. type(given), level + 1)
  end
  for name, value in pairs(given) do
    local rule = RULES[name]
    if not rule then error(unknown_option(name), level + 1) end
    local fault = rule(value)
    if fault then error("option '" .. name .. "' " .. fault, level + 1) end
  end
end

-- Makes requests, and is the only place that holds the key.
local function request_maker(given, level)
  local settings = {
    api_key = given.api_key,
    base_url = given.base_url,
    allow_http = given.allow_http,
    user_agent = given.user_agent,
  }
  -- An empty message is refused, but not before bad settings are.
  local ok, fault = pcall(core.request, {}, settings)
  if not ok then error(fault, level + 1) end
  return function(message) return core.request(message, settings) end
end

-- Sockets --------------------------------------------------------------------

local function unavailable()
  local cause = "nginx has no sockets in its %s phase: send from ngx.timer.at(0, ...)"
  return {
    outcome = "not_sent",
    kind = "connection",
    retryable = false,
    cause = cause:format(ngx and ngx.get_phase() or "present"),
  }
end

-- nginx itself knows best where its sockets work: elsewhere this raises.
local function new_socket()
  local ok, socket = pcall(ngx.socket.tcp)
  return ok and socket or nil
end

-- Whoever asks for this name gets a connection to this very server, and with TLS
-- one that was verified for this very name. Nothing is ever kept as fresh.
local function pool_name(request, is_fresh)
  local verified = request.scheme == "https" and "verified as " .. request.host or "plain"
  return ("telnyx %s:%d %s%s"):format(
    request.host, request.port, verified, is_fresh and " fresh" or "")
end

-- Sender ---------------------------------------------------------------------

---@class telnyx.resty.sender
---@field private new_request fun(message: table): table|nil, table
---@field max_response_bytes integer
---@field pool_size integer
---@field idle_timeout number
local Sender = {}
Sender.__index = Sender
Sender.__name = "telnyx.resty.sender"

---Makes one attempt. Yields to nginx; the outcome is in what it returns.
---@param message table
---@param limits { timeout: number|nil, connect_timeout: number|nil, fresh: boolean|nil }|nil
---@return table|nil message
---@return table info_or_error
function Sender:send(message, limits)
  local request, invalid = self.new_request(message)
  if not request then return nil, invalid end
  local socket = new_socket()
  if not socket then return nil, unavailable() end
  limits = limits or {}
  local connection = Connection.new(socket, request, pool_name(request, limits.fresh), {
    timeout = limits.timeout or DEFAULT_TIMEOUT,
    connect_timeout = limits.connect_timeout or DEFAULT_CONNECT_TIMEOUT,
  })
  local exchange = core.exchange(request, { max_response_bytes = self.max_response_bytes })
  local is_stale = connection:carry(exchange)
  if exchange:is_reusable() and not limits.fresh then
    connection:keep(self.idle_timeout, self.pool_size)
  else
    connection:close()
  end
  return exchange:reply(nil, is_stale)
end

---Waits without holding up the worker.
---@param seconds number
function Sender.sleep(_, seconds)
  ngx.sleep(math.max(seconds, MOMENT))
end

---Runs a function beside the caller, where nginx can: so what `start` and
---`send_all` begin is under way at the same time.
---@param body fun()
function Sender.spawn(_, body)
  if not new_socket() then return body() end
  ngx.thread.spawn(body)
end

---Nothing to do: the connections are nginx's.
function Sender.close() end

function Sender.__tostring()
  return Sender.__name
end

---Makes a sender. It holds no connection, so one made while nginx starts serves
---every worker.
---@param given telnyx.resty.options
---@param level integer|nil whose fault misuse is: 1 the caller's, 2 its caller's
---@return telnyx.resty.sender
function resty.sender(given, level)
  level = level or 1
  check_options(given, level + 1)
  return setmetatable({
    new_request = request_maker(given, level + 1),
    max_response_bytes = given.max_response_bytes or 1024 * 1024,
    pool_size = given.pool_size or 30,
    idle_timeout = given.idle_timeout or 10,
  }, Sender)
end

return resty
