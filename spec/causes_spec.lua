-- Why nothing was sent, in sentences of ours: what happened, where, and never a secret.

local telnyx = require "telnyx"
local wire = require "spec.support.wire"

local MESSAGE = { from = "+18445550001", to = "+18665550001", text = "Hello" }
local SECRET = "s3cret"

describe("a send to", function()
  local station, certificates
  setup(function()
    station = wire.start()
    certificates = station:certificates()
  end)
  teardown(function() station:stop() end)

  local function try(options)
    options.api_key, options.retry, options.ca_file = "KEY_TEST", false, certificates.ca_file
    options.timeout, options.connect_timeout = 20, options.connect_timeout or 20
    local client = telnyx.new(options)
    local message, err = client:send(MESSAGE)
    client:close()
    assert.is_nil(message)
    assert.equal("not_sent", err.outcome)
    return err
  end

  local function assert_cause(pattern, options)
    local err = try(options)
    assert.matches(pattern, err.cause)
    assert.is_nil(tostring(err):find(SECRET, 1, true))
    return err
  end

  it("a port where nobody listens says so", function()
    local port = station:refusing_port()
    local start = "^no connection to 127%.0%.0%.1:" .. port
    assert_cause(start .. " could be made: nobody listens there$",
      { base_url = wire.url_of("http", port) })
  end)

  it("a port that is full says that time ran out", function()
    local err = assert_cause("^no connection to 127%.0%.0%.1:%d+ came about in time$",
      { base_url = wire.url_of("http", station:full_port()), connect_timeout = 0.3 })
    assert.equal("timeout", err.kind)
  end)

  -- Names under .onion are never asked for: libcurl refuses them by itself (RFC 7686).
  it("a name that there is not says so", function()
    assert_cause("^no address was found for hidden%.onion:443$",
      { base_url = "https://hidden.onion/v2" })
  end)

  for certificate, words in pairs {
    expired = "it has expired",
    wrong_name = "it is for another name, or not in order",
    untrusted = "its issuer is not among those that are trusted (ca_file)",
  } do
    it("a server whose certificate is " .. certificate .. " says what is wrong with it", function()
      local listener = station:listen({ wire.SERVICE, tls = certificate })
      local err = try { base_url = listener.url }
      local start = "the certificate of 127.0.0.1:" .. listener.port .. " was not accepted: "
      assert.equal(start .. words, err.cause)
      assert.equal(0, listener:seen().whole)
    end)
  end

  it("a server that does not speak TLS says so", function()
    local listener = station:listen({ { wire.arrival, wire.send "no TLS\r\n", wire.fin } })
    assert_cause("^no TLS with 127%.0%.0%.1:",
      { base_url = (listener.url:gsub("^http:", "https:")) })
  end)

  local function proxy(script)
    return ("http://u5er:%s@127.0.0.1:%d"):format(SECRET, station:listen({ script }).port)
  end

  it("a proxy that wants a password says so", function()
    assert_cause("^the proxy refused with HTTP 407: it wants a user name and a password$", {
      base_url = "https://api.example/v2",
      proxy = proxy { wire.request, wire.reply(407, ""), wire.fin },
    })
  end)

  it("a proxy that goes away says that it is the proxy's way", function()
    assert_cause("^no connection to api%.example:443 through the proxy could be made", {
      base_url = "https://api.example/v2", proxy = proxy { wire.request, wire.fin },
    })
  end)

  for _, odd in ipairs {
    "http://user:s3cret@127.0.0.1:1", "socks5h://user:s3cret@127.0.0.1:1",
    "user:s3cret@127.0.0.1:1",
    "http://user:s3cret@hidden.onion:80", "http://user:s3cret@127.0.0.1:999999",
    "http://user:s3cret@[::1", "http://us er:s3cret@127.0.0.1:1", "http://user:s3cret@",
    "http://user:s3cret@host@127.0.0.1:1", "http://user:s3cret%zz@127.0.0.1:1",
    "https://user:s3cret@127.0.0.1:1", "http://:s3cret@127.0.0.1:1",
  } do
    it("a proxy written as " .. odd:gsub(SECRET, "...") .. " keeps the password", function()
      assert_cause("proxy", { base_url = "http://127.0.0.1:9/v2", proxy = odd })
    end)
  end
end)
