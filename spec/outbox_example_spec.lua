-- What is written about journals and outboxes does what it says: the example's commands, each in a
-- process of its own, and the pieces of docs/journal.md one after another.

local core = require("telnyx.core")
local host = require "spec.support.host"
local journal = require "telnyx.journal"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"

local unpack = rawget(table, "unpack") or unpack -- luacheck: ignore 113

local ID = "40385f64-5717-4562-b3fc-2c963f66afa6"

local service, folder

setup(function() service = sandbox.start() end)
teardown(function() service:stop() end)
before_each(function()
  service:reset_ledger()
  folder = host.folder()
end)
after_each(function() os.execute("rm -rf " .. folder) end)

local function in_service(command)
  return ("env TELNYX_API_KEY=KEY_SPEC TELNYX_BASE_URL=%s %s"):format(service.url, command)
end

local function shop(...)
  local words = { process.lua(), "examples/outbox.lua", folder .. "/shop.db" }
  for _, word in ipairs({ ... }) do words[#words + 1] = sandbox.quote(word) end
  return process.run(in_service(table.concat(words, " ")) .. "; echo rc $?")
end

local function posts() return service:ledger().posts end

describe("the outbox example", function()
  it("writes an order and its message together, and sends it once", function()
    assert.equal("order 1 is written, and its message waits\nrc 0\n",
      shop("order", "+18665550001", "on its way"))
    assert.matches("^not sent: 40310.*\nrc 1\n", shop("order", "86", "to nobody"))
    assert.equal("order 2 is written, and its message waits\nrc 0\n", -- that one left none
      shop("order", "+18665550002", "on its way too"))
    assert.equal(0, posts())
    local said = shop("send")
    assert.matches("order%-1\taccepted %x+%-", said)
    assert.matches("\n2 sent, 0 refused, 0 unknown\nrc 0\n$", said)
    assert.equal("0 sent, 0 refused, 0 unknown\nrc 0\n", shop("send"))
    assert.equal(2, posts())
    assert.matches("^queued\t0\nsending\t0\naccepted\t2\n", shop("list"))
    os.execute(("mv %s/shop.db %s/moved.db"):format(folder, folder))
    assert.matches("is not there.*rc 1\n$", shop("list"))
    assert.is_nil(sandbox.read_file(folder .. "/shop.db"))
  end)

  it("leaves to later what is refused for the moment", function()
    shop("order", "+15550042910", "busy once")
    assert.matches("order%-1\twaits [%d.]+ s: rejected %(429%)[^\n]+\n0 sent", shop("send"))
    assert.matches("^queued\t1\n", shop("list"))
  end)

  it("fails, and says why, where nothing can be sent or asked", function()
    for i = 1, 3 do shop("order", "+18665550001", "number " .. i) end
    local command = ("env TELNYX_API_KEY=KEY_SPEC TELNYX_BASE_URL=http://127.0.0.1:1/v2 %s"
      .. " examples/outbox.lua %s/shop.db send; echo rc $?"):format(process.lua(), folder)
    local said = process.run(command)
    assert.matches("nothing seems to come through at present; what is due waits", said)
    assert.matches("0 sent, 0 refused, 0 unknown\n", said)
    assert.matches("rc 1\n$", said)
    sandbox.wait(function()
      assert.matches("\nrc 0\n$", shop("send"))
      return posts() == 3
    end, "three that wait again")
  end)

  it("lists and settles what nobody knows the end of", function()
    shop("order", "+15550090001", "accepted, and no answer")
    shop("order", "+15550080001", "and this one is not")
    shop("order", "+15550080001", "nor is this, and it is too late")
    assert.matches("order%-1\tunknown: .*order%-2\tunknown: .*0 sent, 0 refused, 3 unknown",
      shop("send"))
    assert.matches("unknown\t3\nfree\t0\norder%-1\t%+15550090001\tbegun %d+.*order%-2\t",
      shop("list"))
    assert.matches("neither not_sent nor withdrawn nor a message's id\nrc 1\n$",
      shop("settle", "order-1", "not-sent"))
    assert.equal("order-1\twas accepted\nrc 0\n", shop("settle", "order-1", ID))
    assert.equal("order-2\twaits again\nrc 0\n", shop("settle", "order-2", "not_sent"))
    assert.equal("a message was accepted under this key: " .. ID .. "\nrc 1\n",
      shop("settle", "order-1", "not_sent"))
    assert.equal("order-3\tis withdrawn\nrc 0\n", shop("settle", "order-3", "withdrawn"))
    assert.matches("^queued\t1\nsending\t0\naccepted\t1\n.*unknown\t0\nfree\t1\n", shop("list"))
  end)

  it("counts what a worker that died had taken", function()
    shop("order", "+18665550001", "taken")
    shop("order", "+18665550001", "waits")
    local own, now = journal.sqlite(folder .. "/shop.db", { beside = true }), core.now()
    assert(own:queue():take { limit = 1, claim = "dead", now = now, owner = "vm/1",
      expires = now - 1000 })
    own:close()
    local said = shop("send")
    assert.matches("order%-1\tunknown: ", said)
    assert.matches("\n1 sent, 0 refused, 0 unknown\n"
      .. "1 more unknown, left by a worker that died\nrc 0\n$", said)
    assert.equal(1, posts())
  end)

  it("has workers that are ended by SIGTERM and Ctrl-C", function()
    for i, signal in ipairs { "TERM", "INT" } do
      shop("order", "+18665550001", "for a worker")
      local own = host.folder()
      local worker = host.start(own, in_service(("sh -c 'echo $$ >%s/pid; exec %s"
        .. " examples/outbox.lua %s/shop.db worker'"):format(own, process.lua(), folder)))
      worker:wait(function() return posts() == i end, "the worker to send")
      worker:wait(function()
        return process.run(in_service(process.lua() .. " examples/outbox.lua " .. folder
          .. "/shop.db list")):find("accepted\t" .. i, 1, true)
      end, "the worker to write it down")
      local pid = sandbox.read_file(own .. "/pid"):match("%d+")
      process.run(("kill -%s %s"):format(signal, pid))
      sandbox.wait(function()
        return worker:output():find("1 sent, 0 refused, 0 unknown\n$")
      end, "the worker to end by " .. signal)
      worker:stop()
    end
  end)

  it("says how it is called", function()
    for _, words in ipairs { {}, { "sell" }, { "order", "+18665550001" }, { "list", "all" } } do
      assert.matches("^usage: lua examples/outbox.lua SHOP.DB COMMAND.*rc 64\n$",
        shop(unpack(words)))
    end
  end)
end)

it("docs/journal.md can be run from its beginning to its end", function()
  local script = { ("package.path = %q .. package.path"):format(host.checkout() .. "/lua/?.lua;") }
  for block in sandbox.read_file("docs/journal.md"):gmatch("\n```lua\n(.-\n)```\n") do
    script[#script + 1] = block
  end
  assert.is_true(#script > 6)
  script[#script + 1] = [[
    local message = { from = "+18445550001", to = "+15550090001", text = "accepted, unanswered" }
    message.webhook_url = "https://shop.example.com/sms"
    local sent, err = client:send(message, { key = "order-9" })
    assert(not sent and err.outcome == "unknown", tostring(err))
    local result = assert(client:settle("order-9"))
    assert(result.state == "accepted", result.cause)
    assert(journal:get("order-9").message_id == result.id)
    local payload = { id = "m-9", from = { phone_number = message.to }, text = "STOP",
      to = { { phone_number = message.from } }, autoresponse_type = "STOP" }
    assert(heed_stop(payload, os.time()))
    assert(may_be_sent(message.to, message.from) == false)
    assert(may_be_sent("+15550090002", message.from) == true)
    local event = { data = { id = "e-9", payload = payload } }
    local status, is_new = keep_webhook(event, "{}", nil)
    assert(status == 200 and is_new)
    assert(select(2, keep_webhook(event, "{}", nil)) == false)
    print("the end")]]
  host.write(folder .. "/docs.lua", table.concat(script, "\n"))
  local said = process.run(("cd %s && "):format(folder)
    .. in_service("env LUA_PATH=%s LUA_CPATH=%s %s docs.lua"):format(
      sandbox.quote(package.path:gsub("%./", host.checkout() .. "/")),
      sandbox.quote((package.cpath:gsub("%./", host.checkout() .. "/"))), process.lua()))
  assert.equal("0 wait, 0 of them are due\nthe end\n", said)
  assert.equal(1, posts())
  local own = journal.sqlite(folder .. "/sent.db")
  assert.equal("accepted", own:get("order-9").state)
  own:close()
end)
