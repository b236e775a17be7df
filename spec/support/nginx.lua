-- A real nginx with Lua of the spec's own, on a free port of 127.0.0.1. It finds the checkout's
-- modules, and ends with the spec.

local host = require "spec.support.host"
local http = require "socket.http"
local ltn12 = require "ltn12"
local sandbox = require "spec.support.sandbox"
local socket = require "socket"

local nginx = {}

local TEMPLATE = [[
daemon off;
pid nginx.pid;
error_log error.log info;
worker_processes $workers;
$modules
$main
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path temp/client_body;
  proxy_temp_path temp/proxy;
  fastcgi_temp_path temp/fastcgi;
  uwsgi_temp_path temp/uwsgi;
  scgi_temp_path temp/scgi;
  client_body_buffer_size 1m;
  lua_package_path "$path;;";
  lua_package_cpath "$cpath;;";
$http
  server {
    listen 127.0.0.1:$port;
    location = /ready { return 200 "$token"; }
$server
  }
}
]]

local MODULES = "/usr/lib/nginx/modules"

local function load_modules()
  if not sandbox.read_file(MODULES .. "/ngx_http_lua_module.so") then return "" end
  return ("load_module %s/ndk_http_module.so;\nload_module %s/ngx_http_lua_module.so;"):format(
    MODULES, MODULES)
end

local Server = {}
Server.__index = Server

local function is_ready(server)
  local body = http.request(server.url .. "/ready")
  return body == server.program.folder
end

local function paths()
  local root = host.checkout()
  return ("%s/?.lua;%s/lua/?.lua;%s/lua/?/init.lua"):format(root, root, root),
    root .. "/build/5.1/?.so"
end

---@class nginx.options
---@field server string configuration of the server: its locations
---@field http string|nil configuration beside the server
---@field main string|nil configuration at the top
---@field workers integer|nil default 1
---@field environment string|nil "NAME=value ..." for the command line

---Starts a server and waits until it answers.
---@param options nginx.options
---@return table server url, port, program
function nginx.start(options)
  local folder, port = host.folder(), host.free_port()
  local path, cpath = paths()
  local values = {
    workers = options.workers or 1,
    modules = load_modules(),
    main = options.main or "",
    http = options.http or "",
    server = options.server,
    port = port,
    token = folder,
    path = path,
    cpath = cpath,
  }
  host.write(folder .. "/nginx.conf", (TEMPLATE:gsub("%$(%l+)", values)))
  assert(os.execute("mkdir " .. folder .. "/temp"))
  local command = ("env %s nginx -p %s -e error.log -c nginx.conf"):format(
    options.environment or "", folder)
  local server = setmetatable({
    program = host.start(folder, command),
    port = port,
    url = ("http://127.0.0.1:%d"):format(port),
  }, Server)
  server.program:wait(function() return is_ready(server) end, "nginx to answer")
  return server
end

---@return string what nginx has logged
function Server:log()
  return sandbox.read_file(self.program.folder .. "/error.log") or ""
end

---@param path string
---@param body string|nil makes it a POST
---@return string body of a reply with status 200; anything else is an error
function Server:ask(path, body)
  local chunks = {}
  local ok, status = http.request {
    url = self.url .. path,
    method = body and "POST" or "GET",
    headers = { ["content-length"] = body and #body },
    source = body and ltn12.source.string(body),
    sink = ltn12.sink.table(chunks),
  }
  local text = table.concat(chunks)
  assert(ok and status == 200, ("%s: %s %s\n%s"):format(path, tostring(status), text, self:log()))
  return text
end

---Asks without waiting for the answer.
---@return fun(): string waits for it
function Server:begin(path, body)
  local connection = assert(socket.connect("127.0.0.1", self.port))
  assert(connection:send(("POST %s HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s"):format(
    path, #body, body)))
  return function()
    connection:settimeout(30)
    local text = assert(connection:receive("*a"))
    connection:close()
    assert(text:find("^HTTP/1%.1 200 "), text .. "\n" .. self:log())
    return text:match("\r\n\r\n(.*)$")
  end
end

function Server:stop()
  self.program:stop()
end

return nginx
