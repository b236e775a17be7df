-- A name server for specs, on UDP of 127.0.0.1: every name is 127.0.0.1, except that "localhost",
-- which nobody should ask for, and names below "invalid" do not exist, and that names below
-- "silent" get no answer. It is a process of its own, which ends with the spec.

local host = require "spec.support.host"

local dns = {}

local function question_of(query)
  local labels, at = {}, 13
  while true do
    local length = query:byte(at)
    if not length or length == 0 then break end
    labels[#labels + 1] = query:sub(at + 1, at + length)
    at = at + length + 1
  end
  return labels[#labels], query:sub(13, at + 4)
end

local UNKNOWN = { invalid = true, localhost = true }

local function answer(query)
  local last, question = question_of(query)
  if last == "silent" then return nil end
  local id = query:sub(1, 2)
  if UNKNOWN[last] then return id .. "\129\131\0\1\0\0\0\0\0\0" .. question end
  return id .. "\129\128\0\1\0\1\0\0\0\0" .. question
    .. "\192\12\0\1\0\1\0\0\0\60\0\4\127\0\0\1"
end

--- Answers for ever; says its port first. The body of the process.
function dns.serve()
  local udp = assert(require("socket").udp4())
  assert(udp:setsockname("127.0.0.1", 0))
  io.stdout:write(select(2, udp:getsockname()), "\n")
  io.stdout:flush()
  while true do
    local query, address, port = udp:receivefrom()
    local reply = query and answer(query)
    if reply then udp:sendto(reply, address, port) end
  end
end

--- Starts the process.
---@return table program with its port
function dns.start()
  local program = host.start(host.folder(), [[lua5.4 -e 'require("spec.support.dns").serve()']])
  program.port = tonumber(program:wait(function()
    return program:output():match("^(%d+)\n")
  end, "the name server"))
  return program
end

return dns
