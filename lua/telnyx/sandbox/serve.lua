--- Writes nginx.conf for serve.sh, which passes its options on as arguments:
-- the file to write, then listen, port, cert, key, signing seed (each may be empty).

local nginx = require("telnyx.sandbox.nginx")

local function given(text)
  return text ~= "" and text or nil
end

---@param file string
---@param ... string
return function(file, ...)
  local listen, port, cert, key, seed = ...
  local ok, text = pcall(nginx.configuration, {
    listen = given(listen), port = port, cert = given(cert), key = given(key),
    signing_seed = given(seed),
    path = os.getenv("SANDBOX_LUA_PATH"), cpath = os.getenv("SANDBOX_LUA_CPATH"),
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
