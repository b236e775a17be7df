-- Whatever a text says, it is a text: nothing of it runs, is fetched, or spoils the page around it.

local json = require("cjson").new()
local phones = require("spec.support.phones")

local ANN, BEN = "+13125550002", "+13125550003"

local about = phones.can_run() and describe or pending

about("the phones page and hostile texts:", function()
  local page, browser
  local it = phones.it(it, function() return page end)

  setup(function()
    page = phones.start()
    browser = page.browser
    browser:resize(1000, 800)
  end)
  teardown(function() if page then page:stop() end end)
  before_each(function() page:begin { max_parts = 100 } end)
  after_each(function()
    assert.is_nil(browser:run("return window.pwned"))
    assert.same({}, page:wrongs())
  end)

  -- What must hold of the page, whatever it shows.
  local function check_page()
    assert.same({}, browser:run([[
      const wrong = [];
      for (const e of document.querySelectorAll("body *")) {
        for (const { name, value } of e.attributes) {
          if (/^on/i.test(name)) wrong.push(e.tagName + " has " + name);
          if (/^(href|src|action|formaction|data|poster)$/i.test(name)
              && !/^(https?:\/\/|[#\/.]|blob:)/i.test(value)) {
            wrong.push(e.tagName + " " + name + "=" + value.slice(0, 50));
          }
        }
        if (e.matches("a[href]") && e.host !== location.host && !/noreferrer/.test(e.rel)) {
          wrong.push("a link with a referrer: " + e.href);
        }
        if (e.matches("img") && new URL(e.src).host !== location.host) wrong.push("img " + e.src);
      }
      for (const e of document.querySelectorAll("#phones *, #conversation *")) {
        if (/^(script|iframe|object|embed|link|style|base|meta|video|audio)$/i.test(e.tagName)) {
          wrong.push("a " + e.tagName);
        }
      }
      const root = document.scrollingElement;
      if (root.scrollWidth > innerWidth) wrong.push("scrolls to the side: " + root.scrollWidth);
      return wrong;
    ]]))
  end

  -- Sends a text, and looks at it everywhere where it stands: a bubble, a row, a bill, a webhook,
  -- a search.
  local function look_at(text, send)
    local id = send and send(text) or page:send { to = ANN, text = text,
      webhook_url = "http://127.0.0.1:9/hook" }
    page:open_phone(ANN)
    page:open_details(id)
    browser:wait("document.querySelector(arguments[0])", phones.details(id) .. " .webhooks")
    check_page()
    return id
  end

  local function search_for(id)
    browser:find("#search"):type(id:sub(1, 8))
    browser:wait("document.querySelector(arguments[0])", ('[data-result="%s"]'):format(id))
    check_page()
    browser:press("Escape")
    browser:wait("document.querySelector('#phones').checkVisibility()")
  end

  local MARKUP = {
    "<script>window.pwned = 1; alert(1)</script>",
    "<img src=x onerror='window.pwned = 1; alert(1)'>",
    "<img src=//198.51.100.1/x.png>",
    "</textarea></p><svg onload=window.pwned=1><style>*{display:none}</style>",
    "\"><iframe src=javascript:alert(1)></iframe>",
    "<a href='javascript:window.pwned=1'>click</a> <base href=//198.51.100.1/>",
    "{{constructor.constructor('window.pwned=1')()}} ${7*7} {{7*7}} <%= 7*7 %> #{7*7} [[7*7]]",
    "javascript:window.pwned=1 data:text/html,<script>alert(1)</script>",
    "&lt;b&gt; &amp;amp; &#60;script&#62;",
    "__proto__ constructor toString hasOwnProperty",
  }
  it("markup and templates are text", function()
    for _, text in ipairs(MARKUP) do
      local id = look_at(text)
      assert.equal(text, page:text_of(id))
      assert.is_true(browser:run("return document.querySelector(arguments[0]).textContent"
        .. ".includes(arguments[1])", phones.row(ANN), text:sub(1, 12)))
      search_for(id)
    end
  end)

  it("media of other hosts are links, and those that are no pages are nothing", function()
    local urls = {
      "javascript:window.pwned=1", "data:text/html,<script>window.pwned=1</script>",
      "data:image/svg+xml,<svg onload=alert(1)>", "http://198.51.100.1/pixel.png",
      "https://[::1]/x.png", "//198.51.100.1/x.png", "file:///etc/passwd",
      page.origin .. ".example/sandbox/media/sample.png",
      "http://127.0.0.1:9/sandbox/media/sample.png", "vbscript:x", "blob:x", "",
      " javascript:window.pwned=1", "java\nscript:window.pwned=1", page.origin .. "@198.51.100.1/",
      page.origin .. "/sandbox/media/../../v2/messages", "/sandbox/media/sample.png",
    }
    local taken = 0
    for _, url in ipairs(urls) do
      -- What the service refuses, nobody sees.
      local body = json.encode { from = ANN, to = phones.US, text = "look", media_urls = { url } }
      local status, said = page.server:request("POST", "/sandbox/reply", body)
      if status == 200 then
        taken = taken + 1
        local id = json.decode(said).data.id
        page:open_phone(ANN)
        page:wait_for_message(id)
      end
      page.server:post { from = phones.US, to = ANN, text = "look", media_urls = { url } }
    end
    assert.is_true(taken >= 1)
    page:open_phone(ANN)
    local last = page:send { to = ANN, text = "the last" }
    page:wait_for_message(last)
    assert.equal(0, browser:run("return document.querySelectorAll('#log img').length"))
    assert.is_true(browser:run([[return document.querySelector(
      '#log a[href="http://127.0.0.1:9/sandbox/media/sample.png"]') !== null]]))
    check_page()
  end)

  it("marks of direction change nothing around them", function()
    local texts = {
      "\226\128\174reversed\226\128\172", "\226\129\166\226\129\167\226\129\168open isolates",
      "\226\128\174\226\128\174\226\128\174never closed", "שלום \226\128\143abc", "\216\156 alm",
    }
    for _, text in ipairs(texts) do
      local id = look_at(text)
      local function isolated(css)
        return browser:run([[
          const [css, text] = arguments;
          const walker = document.createTreeWalker(document.querySelector(css),
            NodeFilter.SHOW_TEXT);
          let found = false;
          while (walker.nextNode()) {
            if (!walker.currentNode.data.includes(text.slice(0, 5))) continue;
            found = true;
            let e = walker.currentNode.parentElement, safe = false;
            for (; e && !safe && e.closest(css); e = e.parentElement) {
              const style = getComputedStyle(e);
              safe = /isolate|plaintext/.test(style.unicodeBidi) || style.display !== "inline";
            }
            if (!safe) return "not isolated: " + walker.currentNode.data;
          }
          return found || "not there";
        ]], css, text)
      end
      local bubble_text = phones.bubble(id) .. " .text"
      assert.is_true(isolated(bubble_text))
      assert.is_true(isolated(phones.row(ANN)))
      search_for(id)
    end
  end)

  it("NUL and all other control characters are seen, and do no harm", function()
    local all = {}
    for byte = 0, 31 do all[#all + 1] = string.char(byte) end
    all[#all + 1] = "\127"
    for byte = 0x80, 0x9F do all[#all + 1] = "\194" .. string.char(byte) end
    for _, mark in ipairs { "\226\128\168", "\226\128\169", "\239\187\191", "\239\191\190" } do
      all[#all + 1] = mark
    end
    for i, character in ipairs(all) do all[i] = "[" .. character .. "]" end
    local text = table.concat(all)
    local id = look_at(text, function() return page:say(ANN, text) end)
    local shown = page:text_of(id)
    for byte = 0, 31 do
      if byte ~= 9 and byte ~= 10 and byte ~= 13 then
        local symbol = "[\226\144" .. string.char(0x80 + byte) .. "]"
        assert.is_truthy(shown:find(symbol, 1, true), ("U+%04X: %s"):format(byte, shown))
      end
    end
    assert.is_truthy(shown:find("[\226\144\161]", 1, true)) -- delete
    assert.is_nil(shown:find("%z"))
    search_for(id)
  end)

  it("a great many emoji, marks without a letter, and a word without an end", function()
    local texts = {
      ("🙂"):rep(1600), ("👩‍👩‍👧‍👦"):rep(60), ("\204\129"):rep(300), "a" .. ("\204\137"):rep(500),
      ("x"):rep(1530), ("W"):rep(700) .. " " .. ("漢"):rep(300), ("\n"):rep(200) .. "end",
      (" "):rep(300) .. "end", "\226\128\139", "http://" .. ("y"):rep(900),
    }
    for _, text in ipairs(texts) do
      local id = look_at(text, function() return page:say(ANN, text) end)
      assert.equal(text, page:text_of(id))
      local over = browser:run([[
        const box = document.querySelector(arguments[0]).getBoundingClientRect();
        return box.left < 0 || box.right > innerWidth + 1;
      ]], phones.bubble(id))
      assert.is_false(over, text:sub(1, 20))
    end
    browser:resize(360, 740)
    check_page()
    browser:resize(1000, 800)
  end)

  it("senders that are no phone numbers are shown as they are", function()
    for from, to in pairs { ["ACME Corp"] = "+447700900123", A1b2C3 = "+447700900124",
      ["12345"] = BEN } do
      local status, body = page.server:post { from = from, to = to, text = "from " .. from,
        messaging_profile_id = "40017f4c-7f1a-4a2a-9d5f-000000000001" }
      assert.are.equal(200, status, body)
      page:open_phone(to)
      page:wait_for_message(json.decode(body).data.id)
      assert.is_true(browser:run("return document.querySelector('#conversation').parentElement"
        .. ".textContent.includes(arguments[0])", "from \226\129\166" .. from), from)
    end
    check_page()
  end)
end)
