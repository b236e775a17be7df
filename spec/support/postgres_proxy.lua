-- Stands between a client and a PostgreSQL server, and loses what it is told to.
--   lua5.4 spec/support/postgres_proxy.lua LISTEN SERVER ORDERS
-- The first two are sockets, or the first is a port of 127.0.0.1. A line of the file ORDERS is
-- "request WORD" or "reply WORD": a request with the word in it is not handed on, or is, and its
-- reply is not; either way the connection is cut on both sides. Each line serves once.

local uv = require "luv"

local listen_path, server_path, orders_path = arg[1], arg[2], arg[3]

local function read_orders()
  local file, list = io.open(orders_path), {}
  if not file then return list end
  for line in file:lines() do list[#list + 1] = line end
  file:close()
  return list
end

local function write_orders(list)
  local file = assert(io.open(orders_path .. ".new", "w"))
  for _, line in ipairs(list) do file:write(line, "\n") end
  file:close()
  os.rename(orders_path .. ".new", orders_path)
end

-- What is to be lost of a request, if anything.
local function take_order(chunk)
  local list = read_orders()
  for i, line in ipairs(list) do
    local what, word = line:match("^(%l+) (.+)$")
    if what and chunk:find(word, 1, true) then
      table.remove(list, i)
      write_orders(list)
      return what
    end
  end
end

local function close(stream)
  if not stream:is_closing() then stream:close() end
end

local function join(client, server)
  local is_lost = false
  local function cut()
    close(client)
    close(server)
  end
  client:read_start(function(_, chunk)
    if not chunk then return cut() end
    local order = take_order(chunk)
    if order == "request" then return cut() end
    is_lost = is_lost or order == "reply"
    server:write(chunk)
  end)
  server:read_start(function(_, chunk)
    if not chunk or is_lost then return cut() end
    client:write(chunk)
  end)
end

local port = tonumber(listen_path)

local function new_end() return port and uv.new_tcp() or uv.new_pipe(false) end

local listener = new_end()
if port then assert(listener:bind("127.0.0.1", port)) else assert(listener:bind(listen_path)) end
assert(listener:listen(16, function()
  local client, server = new_end(), uv.new_pipe(false)
  listener:accept(client)
  server:connect(server_path, function(failure)
    if not failure then return join(client, server) end
    close(client)
    close(server)
  end)
end))
uv.run()
