--- Version 4 UUIDs.

local function weak_bytes(count)
  local bytes = {}
  for i = 1, count do bytes[i] = string.char(math.random(0, 255)) end
  return table.concat(bytes)
end

local function random_bytes(count)
  local source = io.open("/dev/urandom", "rb")
  if not source then return weak_bytes(count) end
  -- Without this the C library would read (and throw away) a whole page.
  source:setvbuf("no")
  local bytes = source:read(count)
  source:close()
  return bytes and #bytes == count and bytes or weak_bytes(count)
end

local function hex(bytes)
  return (bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

---@return string
return function()
  local digits = hex(random_bytes(16))
  local variant = ("89ab"):sub(tonumber(digits:sub(17, 17), 16) % 4 + 1):sub(1, 1)
  return table.concat({
    digits:sub(1, 8), digits:sub(9, 12), "4" .. digits:sub(14, 16),
    variant .. digits:sub(18, 20), digits:sub(21, 32),
  }, "-")
end
