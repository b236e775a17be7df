-- What lua-cjson alone takes to read the service's reply, N times: a share of any sender's cost.

local cjson = require("cjson.safe")
local socket = require("socket")

local port, n = arg[1]:match(":(%d+)"), tonumber(arg[2])
local connection = assert(socket.connect("127.0.0.1", port))
connection:send("POST /v2/messages HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
local length
repeat
  local line = assert(connection:receive())
  length = line:match("^Content%-Length: (%d+)") or length
until line == ""
local reply = assert(connection:receive(tonumber(length)))
connection:close()
for _ = 1, n do assert(cjson.decode(reply)) end
