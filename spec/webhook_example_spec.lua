-- The example and the pieces of docs/webhooks.md do what they say.

local cjson = require("cjson")
local host = require "spec.support.host"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local webhooks = require "spec.support.webhooks"

local BODY = cjson.encode(webhooks.event { id = "e-1", type = "message.finalized",
  to = "delivered", at = webhooks.NOW })
local RECEIVED = cjson.encode(webhooks.event { id = "e-2", type = "message.received",
  to = "webhook_delivered", at = webhooks.NOW, message = { direction = "inbound", text = "stop" } })

local folder

before_each(function() folder = host.folder() end)
after_each(function() os.execute("rm -rf " .. folder) end)

local function run(words, environment)
  return process.run(("env -u REQUEST_METHOD TELNYX_PUBLIC_KEY=%s %s %s examples/webhook.lua %s"
    .. "; echo rc $?"):format(webhooks.KEY_BASE64, environment or "", process.lua(), words))
end

local function from_files(body, headers, now)
  local lines = { "Host: app.example:8080" }
  for name, value in pairs(headers) do lines[#lines + 1] = name .. ": " .. value end
  host.write(folder .. "/headers", table.concat(lines, "\r\n") .. "\r\n")
  host.write(folder .. "/body", body)
  return run(("%s/headers %s/body %s"):format(folder, folder, now or ""))
end

describe("the webhook example", function()
  it("prints what a webhook in files says", function()
    local headers = webhooks.headers(BODY)
    assert.equal("finalized  m-1  delivered\nrc 0\n", from_files(BODY, headers, webhooks.NOW))
    assert.matches("^the signature does not match.*\nrc 1\n$",
      from_files(BODY .. "\n", headers, webhooks.NOW))
    assert.matches("^it was signed %d+ s a[^\n]+\nrc 1\n$", from_files(BODY, headers))
    assert.equal('received  m-1  received  who wrote says stop  "stop"\nrc 0\n',
      from_files(RECEIVED, webhooks.headers(RECEIVED), webhooks.NOW))
  end)

  it("answers as a program for CGI", function()
    local headers = webhooks.headers(BODY, tostring(os.time()))
    local environment = ("REQUEST_METHOD=POST CONTENT_LENGTH=%d HTTP_TELNYX_TIMESTAMP=%s"
      .. " HTTP_TELNYX_SIGNATURE_ED25519=%s"):format(#BODY, headers["telnyx-timestamp"],
      headers["telnyx-signature-ed25519"])
    host.write(folder .. "/body", BODY .. "what follows is another request")
    local input = ("<%s/body"):format(folder)
    local said = run(input, environment)
    assert.matches("finalized  m%-1  delivered\n", said)
    assert.matches("Status: 200 OK\r\n", said)
    assert.matches("Status: 400 Bad", run(input, environment .. " CONTENT_LENGTH=5"))
    assert.matches("is missing\n.*Status: 400 Bad", run("</dev/null", "REQUEST_METHOD=GET"))
    assert.matches("no public key.*Status: 500", run(input, environment .. " TELNYX_PUBLIC_KEY="))
  end)

  it("says how it is called", function()
    assert.matches("^usage: lua examples/webhook.lua.*rc 64\n$", run(""))
    assert.matches("^usage: lua examples/webhook.lua.*rc 64\n$", run("one"))
  end)
end)

it("docs/webhooks.md can be run from its beginning to its end", function()
  local script, headers = {}, webhooks.headers(BODY, tostring(os.time()))
  for block in sandbox.read_file("docs/webhooks.md"):gmatch("\n```lua\n(.-\n)```\n") do
    script[#script + 1] = block
  end
  assert.equal(3, #script)
  script[#script + 1] = ([[
    local body, headers = %q, { ["Telnyx-Timestamp"] = %q, ["Telnyx-Signature-Ed25519"] = %q }
    print(answer(body, headers), answer(body, headers), answer(body .. " ", headers))
    for _, text in ipairs { body, body, body .. " " } do
      on_request(text, headers, function(status) print("answered", status) end)
    end
    catch_up()
    client:close()
    journal:close()]]):format(BODY, headers["telnyx-timestamp"],
    headers["telnyx-signature-ed25519"])
  local said = process.run_lua(table.concat(script, "\n"),
    ("cd %s; env TELNYX_API_KEY=KEY_SPEC TELNYX_PUBLIC_KEY=%s"):format(folder,
      webhooks.KEY_BASE64))
  assert.matches("delivered\ttrue\tnil\tfinal\nm%-1\tdelivered\tnil\n", said)
  assert.matches("webhook refused: the signature does not match[^\n]*\n", said)
  assert.matches("200\t200\t400\n", said)
  assert.matches("answered\t200\nm%-1\tdelivered\nanswered\t200\n", said)
  assert.matches("answered\t403\n", said)
  assert.is_nil(said:find("not handled", 1, true), said)
end)

it("docs/webhooks.md has for nginx what the example has, line by line", function()
  local example = sandbox.read_file("examples/hosts/nginx/nginx.conf")
  local block = sandbox.read_file("docs/webhooks.md"):match("\n```nginx\n(.-\n)```\n")
  local at = 1
  for line in block:gmatch("[^\n]+") do
    local _, last = example:find("\n" .. line .. "\n", at, true)
    assert(last, line)
    at = last
  end
end)
