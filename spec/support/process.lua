-- Other programs, and other copies of this one's Lua.

local process = {}

---The Lua that runs this spec, as one would type it.
function process.lua()
  local lua, i = "lua5.4", -1
  while arg and arg[i] do lua, i = arg[i], i - 1 end
  return lua
end

---Runs a shell command to its end.
---@return string output of both kinds
function process.run(command)
  local pipe = assert(io.popen("{ " .. command .. "; } 2>&1"))
  local output = pipe:read("*a")
  pipe:close()
  return output
end

---Runs a script in a Lua of its own.
---@param script string
---@param setup string|nil what stands before the command: variables
---@return string output
function process.run_lua(script, setup)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(script)
  file:close()
  local output = process.run((setup or "") .. " " .. process.lua() .. " " .. path)
  os.remove(path)
  return output
end

return process
