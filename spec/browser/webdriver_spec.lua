-- The specs' own hold on a browser: what it tells is so, and nothing of it stays behind.

local process = require("spec.support.process")
local sandbox = require("spec.support.sandbox")
local webdriver = require("spec.support.webdriver")

local PAGE = [[
<!doctype html><html lang="en"><meta charset="utf-8"><title>A page</title>
<label for="in">Name</label> <input id="in"> <button id="b" aria-label="Press me">b</button>
<output id="out"></output>
<script>
  const get = id => document.getElementById(id), data = get("out").dataset;
  get("b").onclick = () => { get("out").textContent = get("in").value; };
  addEventListener("keydown", event => { data.keys = (data.keys || "") + event.key + " "; });
</script></html>
]]

-- Living processes whose command line or environment names the folder; the pattern does not match
-- itself.
local function processes_of(folder)
  local pattern = folder:gsub(".$", "[%0]")
  return process.run(("grep -l --binary-files=text '%s' /proc/[0-9]*/cmdline /proc/[0-9]*/environ"
    .. " 2>/dev/null || true"):format(pattern))
end

local function is_there(path)
  return process.run("test -e " .. path .. " && echo yes") ~= ""
end

local about = webdriver.can_run() and describe or pending

about("a browser of the specs", function()
  local browser, folder

  setup(function()
    folder = sandbox.temporary_folder()
    local file = assert(io.open(folder .. "/page.html", "w"))
    file:write(PAGE)
    file:close()
    browser = webdriver.start()
  end)

  teardown(function()
    if browser then browser:stop() end
    os.execute("rm -rf " .. folder)
  end)

  before_each(function()
    browser:open("file://" .. folder .. "/page.html")
  end)

  it("opens, types, clicks and reads", function()
    assert.equal("A page", browser:title())
    browser:find("#in"):type("Zoë <b>")
    browser:click("#b")
    assert.equal("Zoë <b>", browser:wait("document.querySelector('#out').textContent"))
    assert.equal("Zoë <b>", browser:find("#out"):text())
    assert.equal("Name", browser:find("#in"):label())
    assert.equal("Press me", browser:find("#b"):label())
    assert.equal("button", browser:find("#b"):role())
  end)

  it("runs JavaScript, also what ends later", function()
    assert.equal(3, browser:run("return arguments[0] + arguments.length", 1, nil))
    assert.is_nil(browser:run("return null"))
    assert.same({ 1, "two", { three = true } }, browser:run("return [1, 'two', {three: true}]"))
    assert.equal("a\0b", browser:run("return 'a\\0b'"))
    assert.equal("A page", browser:run("return arguments[0].ownerDocument.title",
      browser:find("#in")))
    assert.equal(7, browser:run_async("setTimeout(() => arguments[1](arguments[0]), 1)", 7))
    local ok, why = pcall(browser.run, browser, "throw new Error('no such thing')")
    assert.is_false(ok)
    assert.matches("no such thing", why)
  end)

  it("presses keys", function()
    browser:press("Tab", "x", "Shift+Tab", "Escape", "ArrowDown", "Enter")
    assert.equal("Tab x Shift Tab Escape ArrowDown Enter ",
      browser:find("#out"):attribute("data-keys"))
  end)

  it("is as wide, as dark and as foreign as it is told to be", function()
    local function size() return browser:run("return [innerWidth, innerHeight]") end
    browser:resize(360, 740)
    assert.same({ 360, 740 }, size())
    browser:resize(1600, 1000)
    assert.same({ 1600, 1000 }, size())
    local function is_dark()
      return browser:run("return matchMedia('(prefers-color-scheme: dark)').matches")
    end
    browser:prefer("dark")
    assert.is_true(is_dark())
    browser:prefer("light")
    assert.is_false(is_dark())
    assert.equal("en-US", browser:run("return navigator.language"))
    browser:speak("he-IL")
    browser:reload()
    assert.equal("he-IL", browser:run("return navigator.language"))
    browser:speak("en-US")
  end)

  it("has windows of one profile", function()
    local first = browser:window()
    local second = browser:new_window()
    browser:open("file://" .. folder .. "/page.html?second")
    assert.matches("second$", browser:url())
    browser:close_window()
    browser:switch_to(first)
    assert.not_equal(first, second)
    assert.matches("html$", browser:url())
  end)

  it("tells what was complained of, and what was asked for", function()
    browser:console()
    browser:requested()
    browser:run("console.error('oh'); fetch('http://198.51.100.1/away').catch(() => {})")
    assert.same({ "http://198.51.100.1/away" }, sandbox.wait(function()
      local urls = browser:requested()
      return urls[1] and urls
    end, "the request"))
    assert.matches("oh", browser:console()[1].message)
  end)

  it("takes pictures and measures", function()
    browser:screenshot(folder .. "/shot.png")
    assert.equal("\137PNG", sandbox.read_file(folder .. "/shot.png"):sub(1, 4))
    local bytes, nodes = browser:memory()
    assert.is_true(bytes > 1000 and bytes < 50e6, bytes)
    assert.is_true(nodes > 5 and nodes < 20, nodes)
  end)

  it("is gone when it is stopped", function()
    local other = webdriver.start()
    other:open("file://" .. folder .. "/page.html")
    assert.is_true(is_there(other.folder .. "/profile"))
    assert.not_equal("", processes_of(other.folder))
    other:stop()
    assert.is_false(is_there(other.folder))
    assert.equal("", processes_of(other.folder))
  end)

  it("is gone when its spec is killed, with all of its group", function()
    local script = os.tmpname()
    local file = assert(io.open(script, "w"))
    file:write(([[
      local webdriver = require("spec.support.webdriver")
      local browser = webdriver.start()
      browser:open("file://%s/page.html")
      io.stdout:write(browser.folder, "\n")
      io.stdout:flush()
      require("socket").sleep(60)
    ]]):format(folder))
    file:close()
    local paths = ("LUA_PATH=%s LUA_CPATH=%s LUA_PATH_5_4= LUA_CPATH_5_4="):format(
      sandbox.quote(package.path), sandbox.quote(package.cpath)):gsub("LUA_[PC]+A?TH_5_4= ?", "")
    local out = folder .. "/killed"
    -- A group of its own; setsid forks when it would lead its group already.
    os.execute(("env %s setsid sh -c 'echo $$ >%s.pid; exec %s %s' >%s 2>&1 </dev/null &"):format(
      paths, out, process.lua(), script, out))
    local its = sandbox.wait(function()
      return (sandbox.read_file(out) or ""):match("^(/%S*telnyx%-browser%.%w+)\n")
    end, "the other spec")
    assert.not_equal("", processes_of(its))
    os.execute(("kill -9 -%d"):format(tonumber(sandbox.read_file(out .. ".pid"))))
    sandbox.wait(function() return not is_there(its) and processes_of(its) == "" end,
      "the browser to be gone")
    os.remove(script)
  end)
end)
