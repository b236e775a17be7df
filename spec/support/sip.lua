-- A telephone that speaks SIP over UDP, as much of it as a spec needs: one request, its answer.

local socket = require "socket"

local sip = {}

local REQUEST = "%s sip:%s@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bK%d\r\n"
  .. "From: <sip:romeo@127.0.0.1>;tag=%d\r\nTo: <sip:%s@127.0.0.1>\r\nCall-ID: %d@127.0.0.1\r\n"
  .. "CSeq: %d %s\r\nMax-Forwards: 10\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s"

local Phone = {}
Phone.__index = Phone

---A telephone that calls one server.
---@param port integer the server's, on 127.0.0.1
---@return table phone
function sip.phone(port)
  local udp = assert(socket.udp4())
  assert(udp:setsockname("127.0.0.1", 0))
  assert(udp:setpeername("127.0.0.1", port))
  return setmetatable({ udp = udp, number = 0 }, Phone)
end

-- The status, when it is the answer to that request: one that was waited for no longer may still
-- come (RFC 3261, 17.1.3).
local function status_for(answer, number, method)
  local head = answer:match("^(.-\r\n)\r\n") or ""
  local call, turn = head:match("\r\nCall%-ID: *(%d+)@"), head:match("\r\nCSeq: *([^\r]+)")
  if tonumber(call) == number and turn == ("%d %s"):format(number, method) then
    return tonumber(head:match("^SIP/2%.0 (%d+)"))
  end
end

---Sends a request.
---@param method string
---@param user string whom it is for
---@param body string
---@param patience number seconds
---@return integer|nil status of its answer; nil when none comes in time
function Phone:ask(method, user, body, patience)
  self.number = self.number + 1
  local number, _, own_port = self.number, self.udp:getsockname()
  local give_up = socket.gettime() + patience
  self.udp:send(REQUEST:format(method, user, own_port, number, number, user, number, number, method,
    #body, body))
  local status
  repeat
    self.udp:settimeout(math.max(0, give_up - socket.gettime()))
    local answer = self.udp:receive()
    if not answer then return nil end
    status = status_for(answer, number, method)
  until status
  return status
end

function Phone:close()
  self.udp:close()
end

return sip
