-- Which hosts are this machine, so that a key may travel to them readable: by plain http, and past
-- a proxy that only the environment names.

local nginx = require("telnyx.sandbox.nginx.configuration")
local telnyx = require("telnyx")

local LOOPBACK = {
  "127.0.0.1", "127.0.0.0", "127.1.2.3", "127.255.255.255", "127.10.100.200", "localhost",
  "LocalHost", "[::1]",
}

local ELSEWHERE = {
  "127.evil.com", "127.0.0.evil.com", "127.0.0.1.evil.com", "127.0.0.1.", "127",
  "127.", "127.1", "127.0.1", "127.0.0.", "127.0.0.0.1",
  "127.0.0.256", "127.256.0.1", "127.0.999.1", "127.0.0.0001", "127.0.0.4294967297",
  "127.0.0.01", "127.0.0.00", "127.000.0.1", "127.0.010.1", "0127.0.0.1", "127.0.0.0x1",
  "0x7f.0.0.1", "2130706433", "128.0.0.1", "126.0.0.1", "1127.0.0.1", "12.0.0.1", "10.0.0.1",
  "0.0.0.0", "localhost.", "localhost.evil.com", "localhosts", "local", "evil-localhost", "[::2]",
  "[::]", "[::1.2.3.4]", "[0::1:1]", "[::11]", "[::ffff:127.0.0.1]", "127.0.0.1-evil", "127-0-0-1",
}

-- No host can be called so.
local NONE = {
  "127.0.0.1..", "127..", "127...", "127.0..1", "127..0.1", ".", "..", ".com", "e..com", "[bad",
  "[::1", "[]", "[1:2]", "[::g]", "exa mple.com", "a,b", "@", ":80", "example.com:",
  "example.com:0", "example.com:65536", "example.com:x", "[::1]x",
}

local function fault(base_url, more)
  local options = { api_key = "KEY_SPEC", base_url = base_url }
  for name, value in pairs(more or {}) do options[name] = value end
  local ok, result = pcall(telnyx.new, options)
  if ok then return result:close() end
  return result
end

describe("a host that is this machine", function()
  for _, host in ipairs(LOOPBACK) do
    it(host .. " may be written to by plain http", function()
      assert.is_nil(fault(("http://%s:12111/v2"):format(host)))
      assert.is_nil(fault(("http://%s"):format(host)))
    end)

    it(host .. " may be listened on by the sandbox", function()
      assert.is_string(nginx.loopback(host))
    end)
  end
end)

describe("a host that is, or may be, another machine", function()
  for _, host in ipairs(ELSEWHERE) do
    it(host .. " needs https, or leave", function()
      for _, url in ipairs { "http://%s:12111/v2", "http://%s" } do
        assert.matches("must be https, unless its host is loopback",
          fault(url:format(host)) or "no fault", 1, true)
      end
      assert.is_nil(fault(("http://%s"):format(host), { allow_http = true }))
      assert.is_nil(fault(("https://%s"):format(host)))
    end)

    it(host .. " is not listened on by the sandbox", function()
      assert.has_error(function() nginx.loopback(host) end,
        ("the sandbox listens on loopback only, not on %s: use 127.0.0.1"):format(host))
    end)
  end
end)

describe("what is no host", function()
  for _, host in ipairs(NONE) do
    it(host .. " is written to by nobody", function()
      for _, url in ipairs { "https://%s/v2", "https://%s", "http://%s" } do
        assert.matches("option 'base_url' must ", fault(url:format(host), { allow_http = true })
          or "no fault", 1, true)
      end
    end)
  end
end)
