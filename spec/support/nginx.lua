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
# Whoever runs the spec: the folder is theirs alone.
$user
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

-- Only root can choose, and nginx complains to anybody else.
local function own_user()
  return sandbox.capture("id -u"):match("^0%s") and "user root;" or ""
end

local Server = {}
Server.__index = Server

local function is_ready(server)
  local body = http.request(server.url .. "/ready")
  return body == server.program.folder
end

local function launch(folder, port, environment, is_up)
  local command = ("env %s nginx -p %s -e error.log -c nginx.conf"):format(environment, folder)
  local server = setmetatable({
    program = host.start(folder, command),
    port = port,
    url = ("http://127.0.0.1:%d"):format(port),
  }, Server)
  server.program:wait(function() return is_up(server) end, "nginx to answer")
  return server
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
    user = own_user(),
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
  return launch(folder, port, options.environment or "", is_ready)
end

---Starts a server with somebody else's configuration.
---@param path string
---@param changes string[][] what is in there exactly once, and what it becomes ("$port": ours)
---@param environment string
---@return table server
function nginx.start_file(path, changes, environment)
  local port = host.free_port()
  local text = host.edited(path, changes):gsub("%$port", port)
  local folder = host.folder()
  host.write(folder .. "/nginx.conf", own_user() .. "\n" .. text)
  assert(os.execute("mkdir " .. folder .. "/logs"))
  local lua_path, lua_cpath = paths()
  local all = ("LUA_PATH='%s;;' LUA_CPATH='%s;;' %s"):format(lua_path, lua_cpath, environment)
  return launch(folder, port, all, function(server)
    return server:listens() and not server:log():find("bind() to", 1, true)
  end)
end

---@return boolean whether something accepts connections on its port
function Server:listens()
  local connection = socket.connect("127.0.0.1", self.port)
  if connection then connection:close() end
  return connection ~= nil
end

---@return string what nginx has logged
function Server:log()
  local folder = self.program.folder
  return (sandbox.read_file(folder .. "/error.log") or "")
    .. (sandbox.read_file(folder .. "/logs/error.log") or "")
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
---@param path string
---@param body string
---@param status integer|nil that the answer must have; default 200
---@return fun(): string waits for it
function Server:begin(path, body, status)
  local connection = assert(socket.connect("127.0.0.1", self.port))
  assert(connection:send(("POST %s HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s"):format(
    path, #body, body)))
  return function()
    connection:settimeout(30)
    local text = assert(connection:receive("*a"))
    connection:close()
    assert(text:find("^HTTP/1%.1 " .. (status or 200) .. " "), text .. "\n" .. self:log())
    return text:match("\r\n\r\n(.*)$")
  end
end

function Server:stop()
  self.program:stop()
end

return nginx
