--- The descriptor of one of nginx's sockets. nginx does not tell it, but sets an
--- option of its socket when it is asked to: the descriptor on which the option
--- comes and goes is the socket's. Nothing else runs meanwhile.

local core = require("telnyx.core")

local descriptor = {}

-- Where most sockets are found at once: those of before, the oldest first to go.
local MOST_KNOWN = 128
local known, oldest = {}, 1

local function remember(fd)
  known[oldest] = fd
  oldest = oldest % MOST_KNOWN + 1
end

-- Means nothing to a socket that is connected.
local function mark(socket, value)
  return socket:setoption("reuseaddr", value)
end

local function missing(some, all)
  for i, fd in ipairs(all) do
    if some[i] ~= fd then return fd end
  end
end

local function among(fds, socket)
  mark(socket, 1)
  local marked = core.reusing(fds)
  mark(socket, 0)
  return missing(core.reusing(marked), marked)
end

local function all()
  local fds = {}
  for fd = 0, core.last_descriptor() do fds[fd + 1] = fd end
  return fds
end

---@param socket table of ngx.socket.tcp, connected
---@return integer|nil fd nil where nginx sets no options: before ngx_lua 0.10.18, and in streams
function descriptor.of(socket)
  if not socket.setoption or not mark(socket, 0) then return nil end
  local fd = among(known, socket)
  if fd then return fd end
  fd = among(all(), socket)
  if fd then remember(fd) end
  return fd
end

return descriptor
