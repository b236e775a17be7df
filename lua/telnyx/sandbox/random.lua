--- Bytes that nobody can guess, where the system gives them.

local function weak_bytes(count)
  local bytes = {}
  for i = 1, count do bytes[i] = string.char(math.random(0, 255)) end
  return table.concat(bytes)
end

---@param count integer
---@return string
return function(count)
  local source = io.open("/dev/urandom", "rb")
  if not source then return weak_bytes(count) end
  -- Without this the C library would read (and throw away) a whole page.
  source:setvbuf("no")
  local bytes = source:read(count)
  source:close()
  return bytes and #bytes == count and bytes or weak_bytes(count)
end
