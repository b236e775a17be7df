-- Ten thousand messages to one phone, and ten thousand phones.

local phones = require("spec.support.phones")
local socket = require("socket")

local ANN, MANY = "+13125550002", 10000

local about = phones.can_run() and describe or pending

about("the phones page with very many:", function()
  local page, browser
  local it = phones.it(it, function() return page end)

  setup(function()
    page = phones.start { logs_requests = false }
    browser = page.browser
    page:begin()
  end)
  teardown(function() if page then page:stop() end end)
  after_each(function() assert.same({}, page:wrongs()) end)

  -- Notes all that is ever rendered: what is in the list may leave it again.
  local NOTE = [[
    window.met = new Set();
    const [css, name] = arguments;
    const note = e => {
      if (!e.querySelectorAll) return;
      if (e.matches(css)) met.add(e.dataset[name]);
      for (const inner of e.querySelectorAll(css)) met.add(inner.dataset[name]);
    };
    note(document.body);
    new MutationObserver(changes => {
      for (const change of changes) {
        if (change.type === "attributes") note(change.target);
        else change.addedNodes.forEach(note);
      }
    }).observe(document.body, { subtree: true, childList: true, attributes: true,
      attributeFilter: ["data-" + name] });
    window.doubles = () => {
      const ids = [...document.querySelectorAll(css)].map(e => e.dataset[name]);
      return ids.length - new Set(ids).size;
    };
  ]]

  -- Presses keys until everything was met; that number may stand still only for a while.
  local function press_until_met(count, ...)
    local met, since = 0, socket.gettime()
    while met < count do
      browser:press(...)
      local now = browser:run("return window.met.size")
      assert.equal(0, browser:run("return window.doubles()"))
      if now > met then met, since = now, socket.gettime() end
      if socket.gettime() - since > 10 then
        error(("met %d of %d, and no more of them"):format(met, count))
      end
    end
  end

  -- How long it takes until a page that is opened shows something.
  local function seconds_until_shown(hash, css)
    browser:open("about:blank")
    local started = socket.gettime()
    browser:open(page.origin .. "/" .. hash)
    browser:wait("document.querySelector(arguments[0])", css)
    return socket.gettime() - started
  end

  it("10,000 messages of one phone", function()
    local ids = page:send_many(100, function(i)
      return { to = ANN, text = ("message %d of very many"):format(i) }
    end)
    local with_few = seconds_until_shown("#/" .. ANN, phones.bubble(ids[100]))
    for _, id in ipairs(page:send_many(MANY - 100, function(i)
      return { to = ANN, text = ("message %d of very many"):format(i + 100) }
    end)) do ids[#ids + 1] = id end
    local with_many = seconds_until_shown("#/" .. ANN, phones.bubble(ids[MANY]))
    assert.is_true(with_many < 2 * with_few + 1, ("%.2f s, not %.2f s"):format(with_many, with_few))
    local _, nodes = browser:memory()
    assert.is_true(nodes < 20000, nodes)

    browser:run(NOTE, "#conversation [data-message]", "message")
    browser:run("document.querySelector('#conversation [role=log]').focus()")
    press_until_met(MANY, "Home", "Home", "Home")
    local met = {}
    for _, id in ipairs(browser:run("return [...window.met]")) do met[id] = true end
    for i, id in ipairs(ids) do assert.is_true(met[id], "message " .. i) end

    browser:wait([[(e => e && e.getBoundingClientRect().bottom > 0 &&
      e.getBoundingClientRect().top < innerHeight)(document.querySelector(arguments[0]))]],
      phones.bubble(ids[1]))
    local bytes
    bytes, nodes = browser:memory()
    assert.is_true(bytes < 150e6, bytes)
    assert.is_true(nodes < 400000, nodes)

    -- The newest one still comes, and where one reads nothing moves.
    local top = "document.querySelector(arguments[0]).getBoundingClientRect().top"
    local before = browser:run("return " .. top, phones.bubble(ids[1]))
    local last = page:send { to = ANN, text = "the very last" }
    browser:wait("document.querySelector('#phones').textContent.includes('the very last')")
    assert.is_true(math.abs(browser:run("return " .. top, phones.bubble(ids[1])) - before) < 2)
    browser:press("End")
    page:wait_for_message(last)
  end)

  it("10,000 phones", function()
    page:begin()
    local function number_of(i) return ("+1312%07d"):format(2000000 + i) end
    page:send_many(100, function(i) return { to = number_of(i), text = "message " .. i } end)
    local with_few = seconds_until_shown("", phones.row(number_of(100)))
    page:send_many(MANY - 100, function(i)
      return { to = number_of(i + 100), text = "message " .. i }
    end)
    local newest = number_of(MANY)
    local with_many = seconds_until_shown("", phones.row(newest))
    assert.is_true(with_many < 2 * with_few + 1, ("%.2f s, not %.2f s"):format(with_many, with_few))
    assert.equal(newest, page:rows()[1])
    local _, nodes = browser:memory()
    assert.is_true(nodes < 20000, nodes)

    browser:run(NOTE, "#phones [data-phone]", "phone")
    browser:run("document.querySelector('#phones [data-phone]').focus()")
    press_until_met(MANY, "End", "End", "End")
    local met = {}
    for _, number in ipairs(browser:run("return [...window.met]")) do met[number] = true end
    for i = 1, MANY do assert.is_true(met[number_of(i)], number_of(i)) end
    local bytes
    bytes, nodes = browser:memory()
    assert.is_true(bytes < 150e6, bytes)
    assert.is_true(nodes < 400000, nodes)
    browser:press("Home")
    page:send { to = "+13129999999", text = "the very last" }
    browser:wait("document.querySelector('#phones [data-phone]').dataset.phone === '+13129999999'")
  end)
end)
