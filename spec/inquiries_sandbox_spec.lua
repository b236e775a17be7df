-- What is asked about messages, of the sandbox behind nginx: the same from a script, inside nginx,
-- and in process.

local cjson = require "cjson"
local inquiries = require "spec.support.inquiries_nginx"
local nginx = require "spec.support.nginx"
local sandbox = require "spec.support.sandbox"
local telnyx_sandbox = require "telnyx.sandbox"

describe("asking about messages", function()
  local service
  setup(function()
    service = sandbox.start()
    service:request("PATCH", "/sandbox/options", '{"t_sent":0.05,"t_finalized":0.1}')
  end)
  teardown(function() service:stop() end)

  local function expected(status)
    return {
      get = { is_same = true, status = status, n_to = 1, outcome = "accepted", http = 200 },
      ["cancel"] = { id = "an id", status = "cancelled", n_to = 1, outcome = "accepted",
        http = 200 },
      ["get cancelled"] = { id = "an id", status = "cancelled", n_to = 1, outcome = "accepted",
        http = 200 },
      group = { id = "an id", status = "queued", n_to = 2, outcome = "accepted", http = 200 },
      lost = "unknown",
      settle = { id = "an id", state = "accepted", by = "detail_records", outcome = "accepted" },
      left = 0,
    }
  end

  local function check(seen)
    local refused = { seen["get none"], seen["cancel what is sent"] }
    seen["get none"], seen["cancel what is sent"] = nil, nil
    assert.equal("rejected", refused[1].outcome)
    assert.equal(404, refused[1].http)
    assert.equal("rejected", refused[2].outcome)
    assert.is_true(refused[2].http == 403 or refused[2].http == 404)
    assert.is_truthy(refused[2].code)
    local by = seen.settle.by
    assert.is_true(by == "webhook_deliveries" or by == "detail_records")
    seen.settle.by = "detail_records"
    assert.same(expected(seen.get.status), seen)
  end

  it("is answered in a script", function()
    check(inquiries.all { api_key = "KEY_SPEC", base_url = service.url, timeout = 5,
      retry = { base = 0.01 } })
  end)

  it("is answered in process", function()
    check(inquiries.all { sender = telnyx_sandbox.sender(), retry = { base = 0.01 } })
  end)

  it("is answered inside nginx", function()
    local server = nginx.start { http = "", server = ([[
      location = /all {
        content_by_lua_block {
          ngx.print(require("cjson").encode(require("spec.support.inquiries_nginx").all {
            api_key = "KEY_SPEC", base_url = "%s", timeout = 5, retry = { base = 0.01 } }))
        }
      }]]):format(service.url) }
    local answer = server:ask("/all")
    server:stop()
    check(cjson.decode(answer))
  end)
end)
