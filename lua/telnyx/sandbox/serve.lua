--- Writes nginx.conf for serve.sh, which passes its options on as arguments:
-- the file to write, then listen, port, cert, key, signing seed, how many files may be open, and
-- the folder of the C modules for Lua 5.1 beside these files (each may be empty).

local nginx = require("telnyx.sandbox.nginx.configuration")

local function given(text)
  return text ~= "" and text or nil
end

-- What is asked for comes first; else these files' own core, before any that is installed.
local function cpath_with(own)
  local asked = os.getenv("SANDBOX_LUA_CPATH")
  if own == "" then return asked end
  own = own .. "/?.so"
  return asked and asked .. ";" .. own or own .. ";" .. package.cpath
end

---@param file string
---@param ... string
return function(file, ...)
  local listen, port, cert, key, seed, files, own = ...
  local ok, text = pcall(nginx.configuration, {
    listen = given(listen), port = port, cert = given(cert), key = given(key),
    signing_seed = given(seed), files = given(files),
    path = os.getenv("SANDBOX_LUA_PATH"), cpath = cpath_with(own),
    modules = os.getenv("NGINX_MODULES"),
  })
  if not ok then
    io.stderr:write("telnyx sandbox: ", text, "\n")
    os.exit(1)
  end
  local out = assert(io.open(file, "w"))
  out:write(text)
  out:close()
end
