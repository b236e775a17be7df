--- Order where an error ends something, whatever ends it: also a host's hook that goes on
--- raising at every instruction.

local core = require("telnyx.core")

-- Elsewhere nothing can be yielded across, and a sender that yields is left unguarded.
local PCALL_YIELDS = rawget(_G, "jit") ~= nil or _VERSION ~= "Lua 5.1"

local function may_yield()
  local thread, is_main = coroutine.running()
  return thread ~= nil and not is_main
end

local function finish(on_error, a, b, ok, ...)
  if ok then return ... end
  core.shielded(on_error, a, b)
  error((...), 0)
end

---`body(a, b, c)`. When an error ends it, `on_error(a, b)` is called, and the error raised again.
---@param yields "sender"|"others"|false what of the user's may want to yield, in the body, to a
---scheduler that is not ours: his sender, or what is called in a pcall anyway
---@param body function
---@param on_error fun(a: any, b: any) no hook is called in it
---@return any ... what the body returns
local function guard(yields, body, on_error, a, b, c)
  if not yields or core.guarded_yields or not may_yield() then
    return core.guarded(body, on_error, a, b, c)
  elseif PCALL_YIELDS then
    return finish(on_error, a, b, pcall(body, a, b, c))
  elseif yields == "others" then
    return core.guarded(body, on_error, a, b, c)
  end
  return body(a, b, c)
end

return guard
