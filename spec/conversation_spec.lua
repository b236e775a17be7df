-- A conversation, all of it over real sockets: a program in nginx sends and has webhooks, and the
-- sandbox, in another nginx, delivers, signs, and has people who write back.

local asking = require "spec.support.asking"
local cjson = require "cjson"
local host = require "spec.support.host"
local nginx = require "spec.support.nginx"
local sandbox = require "spec.support.sandbox"

local OURS, PERSON = "+18445550001", "+18665550001"
local LOST = "+15550051002" -- accepted, but the answer is a reset

local HTTP = [[
  lua_shared_dict sent 10m;
  lua_shared_dict told 10m;
  init_by_lua_block {
    require("spec.support.conversation_nginx").init(os.getenv("JOURNAL"))
  }
]]

local function page(name)
  return ([[
    location = /%s {
      content_by_lua_block { require("spec.support.conversation_nginx").%s() }
    }]]):format(name, name)
end

local SERVER = "keepalive_requests 1000000;" .. page("sms") .. page("send") .. page("told")
  .. page("page")

local MAIN = [[
  env TELNYX_API_KEY;
  env TELNYX_BASE_URL;
  env TELNYX_PUBLIC_KEY;
  env JOURNAL;
]]

for _, name in ipairs { "shared", "sqlite" } do
  describe("a conversation over a journal in " .. name, function()
    local service, server, folder, end_asking

    local function turn(options)
      assert.equal(200, (service:request("PATCH", "/sandbox/options", cjson.encode(options))))
    end

    setup(function()
      service, folder = sandbox.start(), host.folder()
      local _, key = service:request("GET", "/sandbox/public_key")
      server = nginx.start { http = HTTP, server = SERVER, main = MAIN, workers = 2,
        environment = ("TELNYX_API_KEY=KEY_SPEC TELNYX_BASE_URL=%s TELNYX_PUBLIC_KEY=%s %s"):format(
          service.url, cjson.decode(key).public_key,
          name == "sqlite" and "JOURNAL=" .. folder .. "/sent.db" or "") }
      turn { t_sent = 0.1, t_finalized = 0.2, profile_webhook_url = server.url .. "/sms" }
    end)

    teardown(function()
      if server then server:stop() end
      service:stop()
      os.execute("rm -rf " .. folder)
    end)

    before_each(function() end_asking = asking.begin(server.port, "/page") end)
    after_each(function()
      local n, slowest_s = end_asking()
      host.say("%s: another page was asked for %d times meanwhile; the slowest answer took %.1f ms",
        name, n, slowest_s * 1000)
      assert.is_true(slowest_s < 1)
    end)

    local function send(key, text, to)
      return cjson.decode(server:ask("/send", cjson.encode { key = key, text = text,
        to = to or PERSON }))
    end

    local function posts() return service:ledger().posts end

    -- What the program was told, and is all of `wanted`.
    local function heard(wanted)
      local list = {}
      for _, one in ipairs(cjson.decode(server:ask("/told"))) do
        local is_it = true
        for field, value in pairs(wanted) do is_it = is_it and one[field] == value end
        if is_it then list[#list + 1] = one end
      end
      return list
    end

    local function hear(wanted)
      return sandbox.wait(function() return heard(wanted)[1] end, cjson.encode(wanted))
    end

    local function says(text)
      local status, answer = service:request("POST", "/sandbox/reply",
        cjson.encode { from = PERSON, to = OURS, text = text })
      assert.equal(200, status)
      return cjson.decode(answer).data.id
    end

    it("is heard to its end", function()
      local first = send("order-1", "Your parcel is on its way")
      assert.is_string(first.id)
      local sent = hear { kind = "sent", message_id = first.id }
      local finalized = hear { kind = "finalized", message_id = first.id }
      assert.same({ "order-1", "order-1" }, { sent.key, finalized.key })
      assert.equal("delivered", finalized.status)
      assert.equal(1, posts())

      local stop = hear { message_id = says(" Stop") }
      assert.same({ "received", "stop", " Stop" }, { stop.kind, stop.optout, stop.text })
      local refused = send("order-2", "Your next parcel is on its way")
      assert.same({ "not_sent", "40300", "opted_out" },
        { refused.outcome, refused.code, refused.rule })
      assert.equal(1, posts())
      -- What was sent before is known all the same.
      assert.same({ id = first.id, replayed = true }, send("order-1", "Your parcel is on its way"))
      -- The service would have refused it, too.
      local status, body = service:post { from = OURS, to = PERSON, text = "All the same" }
      assert.equal(403, status)
      assert.matches("40300", body)
      assert.equal(2, posts())

      hear { message_id = says("START"), optout = "start" }
      local second = send("order-2", "Your next parcel is on its way")
      assert.is_string(second.id, second.text)
      assert.equal("order-2", hear { kind = "finalized", message_id = second.id }.key)
      assert.equal(3, posts())

      local thanks = hear { message_id = says("Grüße, \240\159\152\128!") }
      assert.same({ "received", "Grüße, \240\159\152\128!" }, { thanks.kind, thanks.text })
      assert.is_nil(thanks.optout)
      assert.equal(7, #heard {})
    end)

    it("says what became of a message whose answer was lost", function()
      local before = posts()
      local lost = send("order-3", "Hello", LOST)
      assert.equal("unknown", lost.outcome)
      local id = hear { kind = "finalized", key = "order-3" }.message_id
      assert.same({ id = id, replayed = true }, send("order-3", "Hello", LOST))
      assert.equal(before + 1, posts())
    end)

    it("answers who asks, once, though he is heard twice", function()
      local before = posts()
      turn { duplicate = 1 }
      local id = says("When?")
      hear { message_id = id }
      hear { message_id = says("Thanks") }
      assert.equal(1, #heard { message_id = id })
      assert.equal(before + 1, posts())
    end)

    it("is heard once, though it is told often, late and the wrong way round", function()
      turn { duplicate = 2, swap = true, before_reply = true }
      local message = send("order-4", "Hello")
      hear { kind = "sent", message_id = message.id }
      assert.equal("delivered", hear { kind = "finalized", message_id = message.id }.status)
      sandbox.wait(function()
        local _, text = service:request("GET", "/sandbox/options")
        return cjson.decode(text).duplicate == 0
      end, "the copies")
      turn { swap = cjson.null, before_reply = cjson.null }
      -- What is written back now comes after them.
      local id = says("Bye")
      hear { message_id = id }
      assert.same({ 2, 1 }, { #heard { message_id = message.id }, #heard { message_id = id } })
    end)
  end)
end
