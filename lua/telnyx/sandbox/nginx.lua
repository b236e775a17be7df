--- The nginx configuration of the sandbox: one process, everything it writes
-- below its own prefix, nothing reachable from another machine.

local loopback = require("telnyx.sandbox.loopback")

local nginx = {}

local template = [[
# Written by telnyx.sandbox.nginx; it is gone when the server stops.
daemon off;
# A single process holds the store, and leaves no worker behind.
master_process off;
pid nginx.pid;
error_log error.log warn;
$modules
events { worker_connections $connections; }

http {
  access_log off;
  client_body_temp_path temp/client_body;
  proxy_temp_path temp/proxy;
  fastcgi_temp_path temp/fastcgi;
  uwsgi_temp_path temp/uwsgi;
  scgi_temp_path temp/scgi;

  # A body always fits into memory, or is refused.
  client_max_body_size 1m;
  client_body_buffer_size 1m;
  client_body_in_single_buffer on;
  keepalive_requests 1000000;

  # A receiver of webhooks that is not there is told of elsewhere.
  lua_socket_log_errors off;

  # What makes a reset a reset.
  reset_timedout_connection on;
  lingering_close off;

  lua_package_path "$path;;";
  lua_package_cpath "$cpath;;";
  init_worker_by_lua_block {
    -- Better no server than one whose first request fails.
    local ok, problem = pcall(function()
      require("telnyx.core")
      require("telnyx.sandbox.front").announce {
        url = "$url", seed = "$seed", places = $places, files = $files,
      }
    end)
    if not ok then
      io.stderr:write(problem, "\n")
      os.exit(1)
    end
  }

  server {
    # What a page does not read waits in the kernel: no more of it than this for each.
    listen $listen sndbuf=128k;
$certificate
    location / {
      content_by_lua_block { require("telnyx.sandbox.front").serve() }
    }

    # Those who wait: what is written goes out at once, a client that is gone is noticed, and so is
    # one that takes nothing.
    location ~ ^/sandbox/(events|messages|webhooks)$ {
      lua_check_client_abort on;
      postpone_output 0;
      send_timeout 5s;
      content_by_lua_block { require("telnyx.sandbox.front").serve() }
    }
  }
}
]]

-- The package paths end up between quotes.
local function check_quotable(name, value)
  if value:find('[%c"\\]') then
    error(("sandbox: %s cannot be written into nginx.conf: %s"):format(name, value), 0)
  end
  return value
end

---The address if it is this machine's own, an error otherwise.
---@param address string
---@return string
function nginx.loopback(address)
  if address:lower() == "localhost" then return "127.0.0.1" end
  if address == "::1" or address == "[::1]" then return "[::1]" end
  if loopback.is_ipv4(address) then return address end
  error(("the sandbox listens on loopback only, not on %s: use 127.0.0.1"):format(address), 0)
end

local function check_port(port)
  local number = tonumber(port)
  if not number or number % 1 ~= 0 or number < 1 or number > 65535 then
    error(("the port must be a number from 1 to 65535, not '%s'"):format(tostring(port)), 0)
  end
  return ("%d"):format(number)
end

local function file_exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

-- Between quotes, too.
local function check_seed(text)
  if text == "" or (#text == 64 and text:find("^%x+$")) then return text end
  error("the signing seed must be 64 hexadecimal digits", 0)
end

-- Debian loads Lua as a module; OpenResty has it built in.
local function load_modules(folder)
  if not file_exists(folder .. "/ngx_http_lua_module.so") then return "" end
  return ("load_module %s/ndk_http_module.so;\nload_module %s/ngx_http_lua_module.so;\n")
    :format(folder, folder)
end

local function certificate(options)
  if not options.cert then return "" end
  return ('    ssl_certificate "%s";\n    ssl_certificate_key "%s";\n')
    :format(check_quotable("the certificate", options.cert),
      check_quotable("the key", options.key))
end

-- nginx runs LuaJIT: our Lua is one source for all versions, our C modules are
-- not, and LuaJIT loads those that were built for 5.1.
local function for_luajit(cpath)
  return (cpath:gsub("/5%.[234]/", "/5.1/"))
end

-- Of the files that may be open, these are nginx's own; the rest are connections.
local OWN_FILES, DEFAULT_FILES = 32, 1024

-- So many connections, but never more than half, are kept from those who wait.
local KEPT_FREE = 512

local function rooms(files)
  files = tonumber(files) or DEFAULT_FILES
  local connections = math.max(files - OWN_FILES, OWN_FILES)
  local places = connections - math.min(KEPT_FREE, math.floor(connections / 2))
  return { files = ("%d"):format(files), connections = ("%d"):format(connections),
    places = ("%d"):format(places) }
end

---@class telnyx.sandbox.nginx_options
---@field listen string|nil default 127.0.0.1
---@field port integer|string
---@field cert string|nil a certificate file, for https
---@field key string|nil its key
---@field signing_seed string|nil what webhooks are signed with, in hexadecimal; default random
---@field files integer|string|nil how many files it may have open; default 1024
---@field path string|nil where nginx finds Lua modules; default where we do
---@field cpath string|nil where it finds C modules; default where we do, built for 5.1
---@field modules string|nil the folder of nginx's modules; default Debian's

---The base URL of a sandbox with these options.
---@param options telnyx.sandbox.nginx_options
---@return string
function nginx.url(options)
  return ("%s://%s:%s/v2"):format(options.cert and "https" or "http",
    nginx.loopback(options.listen or "127.0.0.1"), check_port(options.port))
end

---The text of nginx.conf. Raises when the options are not acceptable.
---@param options telnyx.sandbox.nginx_options
---@return string
function nginx.configuration(options)
  local listen = nginx.loopback(options.listen or "127.0.0.1")
  if (options.cert == nil) ~= (options.key == nil) then
    error("https needs both a certificate and its key", 0)
  end
  local room = rooms(options.files)
  local values = {
    files = room.files, connections = room.connections, places = room.places,
    url = nginx.url(options),
    listen = listen .. ":" .. check_port(options.port) .. (options.cert and " ssl" or ""),
    certificate = certificate(options),
    seed = check_seed(options.signing_seed or ""),
    modules = load_modules(options.modules or "/usr/lib/nginx/modules"),
    path = check_quotable("package.path", options.path or package.path),
    cpath = check_quotable("package.cpath", for_luajit(options.cpath or package.cpath)),
  }
  return (template:gsub("%$(%l+)", values))
end

return nginx
