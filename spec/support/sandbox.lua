--- A sandbox server for specs: a real nginx on a free port, which ends when it
-- is stopped and also when the spec's process ends in any other way.

local http = require("socket.http")
local json = require("cjson.safe").new()
local ltn12 = require("ltn12")
local socket = require("socket")

local LAUNCHER = "lua/telnyx/sandbox/serve.sh"
local CEILING = 15

local sandbox = {}

---@param text string
---@return string quoted for a POSIX shell
function sandbox.quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

---Waits for a condition.
---@param ready fun(): any
---@param what string for the complaint
---@return any what `ready` returned
function sandbox.wait(ready, what)
  local give_up = socket.gettime() + CEILING
  repeat
    local result = ready()
    if result then return result end
    socket.sleep(0.005)
  until socket.gettime() > give_up
  error("waited too long for " .. what)
end

---@param command string
---@return string output
function sandbox.capture(command)
  local pipe = assert(io.popen(command, "r"))
  local output = pipe:read("*a")
  pipe:close()
  return output
end

---@param path string
---@return string|nil
function sandbox.read_file(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("*a")
  file:close()
  return text
end

---The command line that starts the launcher, with this process's own paths.
---@param arguments string
---@return string
function sandbox.command(arguments)
  local quote = sandbox.quote
  return ("env LUA_PATH=%s SANDBOX_LUA_PATH=%s SANDBOX_LUA_CPATH=%s sh %s %s"):format(
    quote(package.path), quote(package.path), quote(package.cpath), LAUNCHER, arguments)
end

---@return string path of a new, empty folder
function sandbox.temporary_folder()
  return (sandbox.capture("mktemp -d"):gsub("%s+$", ""))
end

---In memory where that can be had: thousands of syncs are for other specs.
---@return string
function sandbox.folder_in_memory()
  return (sandbox.capture("mktemp -d -p /dev/shm 2>/dev/null || mktemp -d"):gsub("%s+$", ""))
end

local function make_certificate(folder)
  local files = { cert = folder .. "/cert.pem", key = folder .. "/key.pem" }
  sandbox.capture(("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    .. " -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
    .. " -keyout %s -out %s 2>&1"):format(files.key, files.cert))
  assert(sandbox.read_file(files.cert), "openssl made no certificate")
  return files
end

local Server = {}
Server.__index = Server

---What the launcher has said, as soon as that is all: good news ends with how to stop, and bad news
---is one line.
---@param output string path
---@return string
function sandbox.greeting(output)
  return sandbox.wait(function()
    local said = sandbox.read_file(output) or ""
    if not said:find("^telnyx sandbox: https?://") then return said:match("^.-\n.*") end
    return said:find("\n  stop [^\n]*\n") and said
  end, "the sandbox to start")
end

---@class sandbox.start_options
---@field tls boolean|nil answer https, with a certificate for 127.0.0.1 and localhost
---@field port integer|nil that was another's before; nil: any that is free
---@field tmpdir string|nil where the launcher makes its prefix
---@field files integer|nil how many files it may have open

---Starts a server and waits until it accepts connections.
---@param options sandbox.start_options|nil
---@return table server url (with /v2), origin, port, pid, public_key, greeting, https: ca_file
function sandbox.start(options)
  options = options or {}
  local folder = sandbox.temporary_folder()
  local arguments, files = ("--port %d --until-eof"):format(options.port or 0), nil
  if options.tls then
    files = make_certificate(folder)
    arguments = arguments .. (" --cert %s --key %s"):format(files.cert, files.key)
  end
  local output = folder .. "/output"
  local limit = options.files and ("ulimit -n %d;"):format(options.files) or ""
  local pipe = assert(io.popen(("echo $$ >%s/pid; %s %s exec %s >%s 2>&1"):format(folder, limit,
    options.tmpdir and "TMPDIR=" .. options.tmpdir or "", sandbox.command(arguments), output), "w"))
  local server = setmetatable({
    pipe = pipe, folder = folder, ca_file = files and files.cert,
  }, Server)
  local said = sandbox.greeting(output)
  server.url = said:match("\n  messages  TELNYX_BASE_URL=(https?://%S+)\n")
  if not server.url then
    server:stop()
    error(said)
  end
  server.greeting = said
  server.public_key = said:match(" TELNYX_PUBLIC_KEY=(%S+)\n")
  server.origin = server.url:match("^(.*)/v2$")
  server.pid = tonumber(sandbox.read_file(folder .. "/pid"))
  server.port = tonumber(server.url:match(":(%d+)/"))
  if not files then server:remove_folder() end
  return server
end

function Server:remove_folder()
  if self.folder then os.execute("rm -rf " .. self.folder) end
  self.folder = nil
end

---Stops the server and waits until it is gone.
function Server:stop()
  if self.pipe then self.pipe:close() end
  self.pipe = nil
  self:remove_folder()
end

---@param method string
---@param path string below the origin
---@param body string|nil
---@param headers table|nil
---@return integer|nil status nil when there was no reply
---@return string body_or_error
---@return table headers
function Server:request(method, path, body, headers)
  local chunks, all = {}, { ["authorization"] = "Bearer KEY_SPEC" }
  if body then
    all["content-type"], all["content-length"] = "application/json", tostring(#body)
  end
  for name, value in pairs(headers or {}) do all[name] = value end
  local ok, status, received = http.request {
    method = method, url = self.origin .. path, headers = all, redirect = false,
    source = body and ltn12.source.string(body), sink = ltn12.sink.table(chunks),
  }
  if not ok then return nil, status, {} end
  return status, table.concat(chunks), received
end

---Posts a message; a table is sent as JSON.
---@param message table|string
---@param headers table|nil
---@return integer|nil status
---@return string body
---@return table headers
function Server:post(message, headers)
  local body = type(message) == "table" and json.encode(message) or message
  return self:request("POST", "/v2/messages", body, headers)
end

---The server's ledger.
---@return { posts: integer, accepted: integer, messages: table<string, table> }
function Server:ledger()
  local _, body = self:request("GET", "/sandbox/ledger")
  return assert(json.decode(body))
end

---Sets the ledger back to nought.
function Server:reset_ledger()
  self:request("DELETE", "/sandbox/ledger")
end

return sandbox
