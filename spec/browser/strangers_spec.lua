-- A page of somebody else, open in the same browser: it can neither read the sandbox nor change it.

local phones = require("spec.support.phones")
local sandbox = require("spec.support.sandbox")

local ANN = "+13125550002"

local about = phones.can_run() and describe or pending

about("somebody else's page", function()
  local page, browser, folder, other
  local it = phones.it(it, function() return page end)

  setup(function()
    page = phones.start()
    browser = page.browser
    folder = sandbox.temporary_folder()
    local file = assert(io.open(folder .. "/stranger.html", "w"))
    file:write(('<!doctype html><meta charset="utf-8"><a id="link" href="%s/">look</a>'):format(
      page.origin))
    file:close()
    -- Another port of this machine: what browsers call the same site.
    other = sandbox.start()
  end)
  teardown(function()
    if other then other:stop() end
    if page then page:stop() end
    os.execute("rm -rf " .. folder)
  end)

  local function visit(where)
    if where == "a file" then
      browser:open("file://" .. folder .. "/stranger.html")
    else
      -- The answer of an API has no policy that would forbid its page anything.
      browser:open(other.origin .. "/v2/messages")
    end
  end

  for _, where in ipairs { "a file", "another port" } do
    it(("can read nothing: %s"):format(where), function()
      page:send { to = ANN, text = "a secret" }
      visit(where)
      assert.equal("refused", browser:run_async([[
        const [origin, done] = arguments;
        fetch(origin + "/sandbox/messages").then(answer => answer.text())
          .then(text => done("read " + text), () => done("refused"));
      ]], page.origin))
      assert.equal("refused", browser:run_async([[
        const [origin, done] = arguments;
        const source = new EventSource(origin + "/sandbox/events");
        source.onopen = () => done("listens");
        source.onerror = () => { source.close(); done("refused"); };
      ]], page.origin))
      -- A program's own page, at another port, may show the pictures that it got.
      if where == "another port" then return end
      assert.equal("refused", browser:run_async([[
        const [origin, done] = arguments;
        const picture = new Image();
        picture.onload = () => done("shown");
        picture.onerror = () => done("refused");
        picture.src = origin + "/sandbox/media/sample.png";
      ]], page.origin))
    end)

    it(("can change nothing: %s"):format(where), function()
      page:ask("DELETE", "/sandbox/messages")
      visit(where)
      browser:run_async([[
        const [origin, done] = arguments;
        const body = JSON.stringify({ from: "+13125550002", to: "+13125550001", text: "forged" });
        const ways = ["/sandbox/reply", "/v2/messages"].map(path =>
          fetch(origin + path, { method: "POST", mode: "no-cors", body }).catch(() => 0));
        ways.push(fetch(origin + "/sandbox/messages", { method: "DELETE" }).catch(() => 0));
        Promise.all(ways).then(done);
      ]], page.origin)
      browser:run([[
        const form = document.createElement("form");
        form.method = "post";
        form.enctype = "text/plain";
        form.action = arguments[0] + "/sandbox/reply";
        const field = document.createElement("input");
        field.name = '{"from":"+13125550002","to":"+13125550001","text":"forged","subject":"';
        field.value = '"}';
        form.append(field);
        (document.body || document.documentElement).append(form);
        form.submit();
      ]], page.origin)
      browser:wait("location.href.startsWith(arguments[0])", page.origin)
      assert.same({}, page:messages())
      assert.equal(0, page.server:ledger().posts)
    end)
  end

  it("may lead to the page", function()
    visit("a file")
    browser:click("#link")
    page:wait_until_live()
  end)

  it("cannot hold the page in a frame", function()
    visit("a file")
    browser:run_async([[
      const [origin, done] = arguments;
      const frame = document.createElement("iframe");
      frame.onload = frame.onerror = () => done();
      frame.src = origin + "/";
      document.body.append(frame);
    ]], page.origin)
    assert.is_nil(browser:run([[
      try { return document.querySelector("iframe").contentDocument.querySelector("#phones"); }
      catch (e) { return null; }
    ]]))
    local refused = false
    for _, entry in ipairs(browser:console()) do
      refused = refused or entry.message:find("frame", 1, true) ~= nil
        or entry.message:find("403", 1, true) ~= nil
    end
    assert.is_true(refused)
  end)
end)
