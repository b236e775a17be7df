--- What names this machine and no other.

local loopback = {}

---Four octets from 0 to 255, the first of them 127, without a zero in front, which some take for
---octal.
---@param address string
---@return boolean
function loopback.is_ipv4(address)
  local octets = { address:match("^127%.(%d+)%.(%d+)%.(%d+)$") }
  for _, octet in ipairs(octets) do
    if #octet > 3 or tonumber(octet) > 255 or octet:find("^0%d") then return false end
  end
  return #octets == 3
end

---@param host string as a URL has it, without the port
---@return boolean
function loopback.is_host(host)
  host = host:lower()
  return host == "localhost" or host == "[::1]" or host:find("^[%w.-]+%.localhost$") ~= nil
    or loopback.is_ipv4(host)
end

return loopback
