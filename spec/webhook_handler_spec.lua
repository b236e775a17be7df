-- What a handler of webhooks does where nginx gives it no timer, or a late one; with an nginx that
-- is a table here. The whole of it, in a real one, is in spec/webhook_nginx_spec.lua.

local core = require "telnyx.core"
local telnyx = require "telnyx"
local webhooks = require "spec.support.webhooks"

describe("a handler", function()
  local ngx, timers, log, journal, told, body
  local module, global = "telnyx.after.handler", rawget(_G, "ngx")

  local function new_timer(delay, act)
    if not ngx.gives_timers then return nil, "too many" end
    timers[#timers + 1] = { delay = delay, act = act }
    return true
  end

  before_each(function()
    timers, log, told, journal = {}, {}, {}, telnyx.journal.memory()
    body = '{"data":{"id":"e-1","event_type":"message.sent","payload":{"id":"m-1"}}}'
    ngx = { gives_timers = true, header = {}, ERR = "err", WARN = "warn", time = 1000,
      log = function(level, ...) log[#log + 1] = level .. " " .. table.concat({ ... }) end,
      var = {}, now = function() return ngx.time end, get_phase = function() return "content" end,
      send_headers = function() end, eof = function() end,
      worker = { id = function() return 0 end, count = function() return 1 end },
      timer = { at = new_timer, every = new_timer, running_count = function() return 0 end,
        pending_count = function() return 0 end },
      req = { read_body = function() end, get_body_data = function() return body end,
        get_body_file = function() end, get_method = function() return "POST" end,
        get_headers = function() return webhooks.headers(body, tostring(os.time())) end } }
    rawset(_G, "ngx", ngx)
    package.loaded[module] = nil
  end)
  after_each(function()
    rawset(_G, "ngx", global)
    package.loaded[module] = nil
    journal:close()
  end)

  local function new(more)
    local options = { journal = journal, public_key = webhooks.KEY_BASE64, recover_every = 0,
      on_event = function(event)
        if told.fault then error(told.fault, 0) end
        told[#told + 1] = event.id
      end }
    for name, value in pairs(more or {}) do options[name] = value end
    local serve = telnyx.webhook.handler(options)
    return serve
  end

  it("complains of misuse where it is made", function()
    for name, value in pairs { max_body_bytes = 1.5, recover_every = -1, recover_after = "1",
      tolerance = -1, x = 1 } do
      local ok, why = pcall(function()
        local serve = new({ [name] = value })
        return serve
      end)
      assert.is_false(ok)
      assert.matches("webhook_handler_spec.lua:%d+: webhook: .*'" .. name .. "'", why)
    end
  end)

  it("handles a webhook at once where there is no timer for it", function()
    local serve = new()
    ngx.gives_timers = false
    serve()
    assert.equal(200, ngx.status)
    assert.same({ "e-1" }, told)
  end)

  it("handles one also where the worker is about to end", function()
    new()()
    assert.same({}, told)
    assert.equal(1, #timers)
    timers[1].act(true)
    assert.same({ "e-1" }, told)
  end)

  it("never looks for what was not handled, where that is asked for", function()
    new()()
    assert.equal(1, #timers)
    assert.equal(0, timers[1].delay)
  end)

  it("looks for it one look at a time, also after one that has failed", function()
    local serve = new { recover_every = 60, recover_after = 0 }
    ngx.req.get_method = function() return "GET" end
    serve()
    assert.equal(2, #timers) -- every so often, and now
    local function look()
      timers[1].act(false)
      timers[#timers].act(false)
    end
    local n, looks = 0, journal.unhandled_events
    function journal.unhandled_events(...)
      n = n + 1
      if n < 3 then look() end
      if n == 1 then error("oops", 0) end
      return looks(...)
    end
    look()
    assert.equal(1, n)
    assert.matches("oops", log[#log])
    n = 5
    assert(journal:add_event { id = "e-2", now = core.now() - 100 })
    look()
    assert.same({ "e-2" }, told)
  end)

  it("takes a look that never ends for one that has, after an hour", function()
    local serve = new { recover_every = 60, recover_after = 0 }
    serve()
    local looks, n = journal.unhandled_events, 0
    local look = timers[2].act
    function journal.unhandled_events(...)
      n = n + 1
      if n == 1 then
        look(false)
        ngx.time = ngx.time + 3601
        look(false)
      end
      return looks(...)
    end
    look(false)
    assert.equal(2, n)
  end)

  it("looks for nothing where the worker is about to end", function()
    local serve = new { recover_every = 60, recover_after = 0 }
    serve()
    journal.unhandled_events = function() error("asked") end
    timers[2].act(true)
    timers[1].act(true)
    assert.same({}, log)
  end)
end)
