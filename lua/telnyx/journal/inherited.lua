--- What a child of a process inherits and must not end: a session that is its parent's. To close
--- it, or to have it collected, would say goodbye in the parent's name, on the socket of both.

local inherited = {}

-- For as long as the child lives.
local kept = {}

local debugging = rawget(_G, "debug")
local set_metatable = debugging and debugging.setmetatable

---Keeps objects from being ended in this process, even when its Lua is closed. A host without
---`debug` may have a child that ends by `os.exit`.
---@param objects userdata[]
function inherited.keep(objects)
  for _, object in ipairs(objects) do
    kept[#kept + 1] = object
    if set_metatable then set_metatable(object, nil) end
  end
end

local new_proxy = rawget(_G, "newproxy")

---An object that calls `leave` when it is collected. What is made last is collected first, so it
---comes before whatever was there when it was made.
---@param leave fun()
---@return any
function inherited.sentinel(leave)
  if not new_proxy then return setmetatable({}, { __gc = leave }) end
  local proxy = new_proxy(true)
  getmetatable(proxy).__gc = leave
  return proxy
end

return inherited
