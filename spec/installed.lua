-- Run by the installed copy: sends one message through libcurl to the installed
-- sandbox, and shows that nothing came from anywhere but the tree it is given.
--   lua5.4 spec/installed.lua TREE

local tree = assert(arg[1], "usage: lua spec/installed.lua TREE")

-- The file that a module's function came from.
local function from_tree(name, made_by)
  local path = debug.getinfo(made_by, "S").source:sub(2)
  assert(path:sub(1, #tree) == tree, name .. " comes from " .. path)
end

local telnyx = require("telnyx")
from_tree("telnyx", telnyx.new)

local serve = tree .. "/share/lua/" .. (_VERSION:match("%d%.%d")) .. "/telnyx/sandbox/serve.sh"
local address = os.tmpname()
local cpath = tree:gsub("[^/]+$", "5.1") .. "/lib/lua/5.1/?.so;;"
local server = assert(io.popen(
  "SANDBOX_LUA_CPATH='" .. cpath .. "' sh " .. serve .. " --port 0 --until-eof > " .. address, "w"))

local url
repeat
  local file = assert(io.open(address))
  url = file:read("*a"):match("TELNYX_BASE_URL=(%S+)\n")
  file:close()
until url

local client = telnyx.new({ api_key = "KEY_INSTALLED", base_url = url })
local message = assert(client:send({
  from = "+18445550001", to = "+18665550001", text = "From the installed copy",
}))
print(_VERSION, message.id, message.parts, message.to[1].status)
client:close()
server:close()
os.remove(address)
