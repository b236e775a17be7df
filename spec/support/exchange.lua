--- Exchanges of core.exchange for the specs.

local core = require "telnyx.core"

local support = {}

--- A good reply, whole, with a message whose id is m1.
support.GOOD = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" .. '{"data":{"id":"m1"}}'

--- What fits into one record of TLS.
support.SEALED_BYTES = 16384

function support.request(changes)
  local request = {
    method = "POST", scheme = "http", host = "127.0.0.1", port = 8080, path = "/v2/messages",
    headers = { { "Authorization", "Bearer KEY_X" } }, body = "{}",
  }
  for name, value in pairs(changes or {}) do request[name] = value end
  return request
end

function support.new(changes, options) return core.exchange(support.request(changes), options) end

--- One whose request is out.
function support.asked(options)
  local x = support.new(nil, options)
  x:wrote(#x:offer())
  return x
end

--- One whose request of exactly so many bytes was offered.
function support.offered(n, scheme)
  for n_body = n - 200, n do
    local x = support.new({ scheme = scheme, body = ("x"):rep(n_body) })
    if #x:offer() == n then return x end
  end
end

function support.error_of(x) return select(2, x:reply(0)) end

return support
