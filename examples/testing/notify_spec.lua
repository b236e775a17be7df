-- notify_spec.lua: the test, in one process. Run it with: busted notify_spec.lua
local notify = require "notify"
local sandbox = require "telnyx.sandbox"

local PHONE, HOOKS = "+13125550002", "https://app.example/hooks"

describe("notify", function()
  local sender, program, inbox

  before_each(function()
    sender = sandbox.sender {
      profile_webhook_url = HOOKS,
      on_webhook = function(request) return program:receive(request.body, request.headers) end,
    }
    program = notify.new {
      sender = sender,
      public_key = sender.service:public_key(),
      now = function() return sender:now() end, -- virtual time
      webhook_url = HOOKS,
    }
    inbox = sender:inbox(PHONE)
  end)

  it("sends a code that opens the door", function()
    assert.is_true(program:send_code(PHONE, "login-1"))
    local message = assert(inbox:wait { match = "Your code is" })
    assert.equal(program.codes["login-1"], message.text:match("%d%d%d%d%d%d"))
    assert.equal(1, message.parts)
    assert(inbox:wait { key = "login-1", status = "delivered" })
  end)

  it("sends one message for a login, also when the answer is lost", function()
    local lossy = "+15550051500"
    program:send_code(lossy, "login-2")
    sender:advance(5)
    assert.is_true(program:send_code(lossy, "login-2"))
    sender:inbox():one { key = "login-2" }
  end)

  it("sends what is refused for being too many at once", function()
    assert.is_true(program:send_code("+15550042910", "login-3"))
    sender:inbox():one { key = "login-3" }
  end)

  it("sends no more to who says STOP", function()
    program:send_code(PHONE, "login-4")
    inbox:reply("STOP")
    sender:advance(5)
    local _, err = program:send_code(PHONE, "login-5")
    assert.equal("40300", err.code)
    inbox:none { key = "login-5" }
  end)

  it("knows that a message did not arrive", function()
    program:send_code(PHONE, "login-6")
    local message = inbox:one { key = "login-6" }
    sender:outcome(message.id, "delivery_failed", "40008")
    sender:advance(5)
    assert.is_true(program.failed["login-6"])
  end)
end)
