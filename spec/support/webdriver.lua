--- A real browser for specs: Debian's chromedriver on a free port, and Chromium with a profile of
-- its own. Both end, and the profile goes, when it is stopped and also when the spec's process ends
-- in any other way. Nothing but 127.0.0.1 can be reached from it.

local http = require("socket.http")
local json = require("cjson").new()
local ltn12 = require("ltn12")
local mime = require("mime")
local sandbox = require("spec.support.sandbox")
local socket = require("socket")

local ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
local CEILING = 15

local webdriver = {}

local KEYS = {
  Backspace = 0x03, Tab = 0x04, Enter = 0x07, Shift = 0x08, Control = 0x09, Escape = 0x0C,
  Space = 0x0D, PageUp = 0x0E, PageDown = 0x0F, End = 0x10, Home = 0x11, ArrowLeft = 0x12,
  ArrowUp = 0x13, ArrowRight = 0x14, ArrowDown = 0x15, Delete = 0x17,
}

-- Keys without a character have one in the private use area, from U+E000 on.
local function key_character(name)
  return KEYS[name] and "\238\128" .. string.char(0x80 + KEYS[name]) or name
end

local Browser, Element = {}, {}
Browser.__index, Element.__index = Browser, Element

---@class spec.browser
---@field port integer of chromedriver
---@field folder string
---@field session string|nil path of the session
---@field logs_requests boolean

---Whether this machine has both programs; where one is missing the specs are left out, unless
---BROWSERS says that none may be.
---@return boolean
function webdriver.can_run()
  local found = sandbox.capture("command -v chromedriver && command -v chromium")
  local has_both = select(2, found:gsub("\n", "")) == 2
  assert(has_both or os.getenv("BROWSERS") ~= "required",
    "no browser here: make deps-browser")
  return has_both
end

-- ---- JSON ---------------------------------------------------------------------------------------

local function encode(value)
  if getmetatable(value) == Element then return json.encode { [ELEMENT] = value.id } end
  if value == nil then return "null" end
  return json.encode(value)
end

-- To cjson an empty table is an object, and an argument that is nil is none.
local function encode_list(count, list)
  local parts = {}
  for i = 1, count do parts[i] = encode(list[i]) end
  return "[" .. table.concat(parts, ",") .. "]"
end

local function decoded(browser, value)
  if value == json.null then return nil end
  if type(value) ~= "table" then return value end
  local id = value[ELEMENT]
  if id then return setmetatable({ browser = browser, id = id }, Element) end
  local copy = {}
  for name, part in pairs(value) do copy[name] = decoded(browser, part) end
  return copy
end

-- ---- HTTP ---------------------------------------------------------------------------------------

local function request(browser, method, path, text)
  local out = {}
  local ok, status = http.request {
    url = ("http://127.0.0.1:%d%s"):format(browser.port, path), method = method,
    sink = ltn12.sink.table(out), source = text and ltn12.source.string(text),
    headers = text and { ["content-type"] = "application/json", ["content-length"] = #text },
  }
  if not ok then return nil, status end
  local reply = json.decode(table.concat(out)).value
  if status == 200 then return true, reply end
  return nil, ("%s: %s"):format(tostring(reply.error), (tostring(reply.message):match("^[^\n]*")))
end

-- Of the session; raises at the spec's line.
local function command(browser, method, path, text)
  local ok, reply = request(browser, method, browser.session .. path, text)
  if ok then return decoded(browser, reply) end
  error(("browser: %s %s: %s"):format(method, path:sub(1, 60), reply), 3)
end

-- ---- beginning and end --------------------------------------------------------------------------

local ARGUMENTS = {
  "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-proxy-server",
  "--force-device-scale-factor=1", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
  "--disable-breakpad", "--disable-crash-reporter", "--window-size=1200,900", "--lang=en-US",
}

local function start_driver()
  local folder = sandbox.capture("mktemp -d ${TMPDIR:-/tmp}/telnyx-browser.XXXXXX"):gsub("%s+$", "")
  assert(folder ~= "", "mktemp made no folder")
  local launcher = "exec setsid sh spec/support/browser_until_eof.sh %s chromedriver --port=0"
  local pipe = assert(io.popen(launcher:format(folder), "w"))
  local browser = setmetatable({ pipe = pipe, folder = folder }, Browser)
  local ok, port = pcall(sandbox.wait, function()
    return (sandbox.read_file(folder .. "/output") or ""):match("successfully on port (%d+)")
  end, "chromedriver")
  if not ok then
    local said = sandbox.read_file(folder .. "/output") or ""
    browser:stop()
    error(port .. "\n" .. said)
  end
  browser.port = tonumber(port)
  return browser
end

---Starts a browser with a new profile.
---@param options { arguments: string[]|nil, logs_requests: boolean|nil }|nil requests are logged
---unless that is false: each event of a stream is in that log too
---@return spec.browser
function webdriver.start(options)
  local browser = start_driver()
  browser.logs_requests = not (options and options.logs_requests == false)
  local arguments = { "--user-data-dir=" .. browser.folder .. "/profile" }
  for _, list in ipairs { ARGUMENTS, options and options.arguments or {} } do
    for _, argument in ipairs(list) do arguments[#arguments + 1] = argument end
  end
  local ok, reply = request(browser, "POST", "/session", json.encode { capabilities = {
    alwaysMatch = { browserName = "chrome", ["goog:chromeOptions"] = { args = arguments },
      ["goog:loggingPrefs"] = {
        browser = "ALL", performance = browser.logs_requests and "ALL" or nil,
      } },
  } })
  if not ok then
    browser:stop()
    error("no browser session: " .. tostring(reply))
  end
  browser.session = "/session/" .. reply.sessionId
  return browser
end

---Ends the browser and waits until all of it is gone.
function Browser:stop()
  if self.session then pcall(request, self, "DELETE", self.session) end
  self.session = nil
  if self.pipe then self.pipe:close() end
  self.pipe = nil
end

-- ---- pages --------------------------------------------------------------------------------------

---@param url string
function Browser:open(url)
  command(self, "POST", "/url", json.encode { url = url })
end

---@return string
function Browser:url()
  return command(self, "GET", "/url")
end

---@return string
function Browser:title()
  return command(self, "GET", "/title")
end

function Browser:reload() command(self, "POST", "/refresh", "{}") end
function Browser:back() command(self, "POST", "/back", "{}") end
function Browser:forward() command(self, "POST", "/forward", "{}") end

---Runs JavaScript: the body of a function of the other arguments.
---@param script string
---@param ... any `nil` is null
---@return any its value; `null` is nil, also within
function Browser:run(script, ...)
  return command(self, "POST", "/execute/sync", ('{"script":%s,"args":%s}'):format(
    json.encode(script), encode_list(select("#", ...), { ... })))
end

---Runs JavaScript that ends by calling its last argument.
---@param script string
---@param ... any
---@return any what it called it with
function Browser:run_async(script, ...)
  return command(self, "POST", "/execute/async", ('{"script":%s,"args":%s}'):format(
    json.encode(script), encode_list(select("#", ...), { ... })))
end

---Waits until an expression of JavaScript holds.
---@param expression string
---@param ... any its `arguments`
---@return any its value
function Browser:wait(expression, ...)
  local count, given = select("#", ...), { ... }
  local give_up = socket.gettime() + CEILING
  local script = json.encode("return (" .. expression .. ")")
  local text = ('{"script":%s,"args":%s}'):format(script, encode_list(count, given))
  repeat
    local value = command(self, "POST", "/execute/sync", text)
    if value then return value end
    socket.sleep(0.02)
  until socket.gettime() > give_up
  local told = encode_list(count, given)
  error(("the page did not come to: %s%s"):format(expression, count > 0 and " " .. told or ""), 2)
end

---@param css string
---@return table element the first one
function Browser:find(css)
  return command(self, "POST", "/element", json.encode { using = "css selector", value = css })
end

---@param css string
---@return table[] elements
function Browser:find_all(css)
  return command(self, "POST", "/elements", json.encode { using = "css selector", value = css })
end

---Clicks what a selector finds, when it is there and can be clicked.
---@param css string
function Browser:click(css)
  self:wait("document.querySelector(arguments[0])", css)
  self:find(css):click()
end

---@return table element that has the focus
function Browser:focused()
  return command(self, "GET", "/element/active")
end

-- ---- keys ---------------------------------------------------------------------------------------

---Presses keys one after the other, wherever the focus is. "Shift+Tab" holds the first meanwhile.
---@param ... string names of keys, or characters
function Browser:press(...)
  local actions = {}
  local function add(kind, name)
    actions[#actions + 1] = { type = kind, value = key_character(name) }
  end
  for _, name in ipairs { ... } do
    local held, key = name:match("^(%u%l+)%+(.+)$")
    if held then add("keyDown", held) end
    add("keyDown", key or name)
    add("keyUp", key or name)
    if held then add("keyUp", held) end
  end
  command(self, "POST", "/actions", json.encode { actions = {
    { type = "key", id = "keys", actions = actions },
  } })
end

-- ---- windows ------------------------------------------------------------------------------------

---Opens one more window of the same profile, in front of the others; commands go there from now on.
---@param kind "window"|"tab"|nil
---@return string handle
function Browser:new_window(kind)
  local handle = self:devtools("Target.createTarget", {
    url = "about:blank", newWindow = kind ~= "tab",
  }).targetId
  sandbox.wait(function()
    for _, one in ipairs(self:windows()) do
      if one == handle then return true end
    end
  end, "the new window")
  self:switch_to(handle)
  return handle
end

---@return string[] handles
function Browser:windows()
  return command(self, "GET", "/window/handles")
end

---@return string handle
function Browser:window()
  return command(self, "GET", "/window")
end

---@param handle string
function Browser:switch_to(handle)
  command(self, "POST", "/window", json.encode { handle = handle })
end

---Closes all windows but the one that commands go to.
function Browser:close_others()
  local own = self:window()
  for _, handle in ipairs(self:windows()) do
    if handle ~= own then
      self:switch_to(handle)
      self:close_window()
    end
  end
  self:switch_to(own)
end

---Closes the window that commands go to.
function Browser:close_window()
  command(self, "DELETE", "/window")
end

-- ---- what a user's machine is like --------------------------------------------------------------

---A command of the DevTools protocol.
---@param name string
---@param parameters table|nil
---@return any
function Browser:devtools(name, parameters)
  local text = parameters and next(parameters) ~= nil and json.encode(parameters) or "{}"
  return command(self, "POST", "/goog/cdp/execute", ('{"cmd":%s,"params":%s}'):format(
    json.encode(name), text))
end

---@param width integer of the page, in CSS pixels
---@param height integer
function Browser:resize(width, height)
  self:devtools("Emulation.setDeviceMetricsOverride", {
    width = width, height = height, deviceScaleFactor = 1, mobile = false,
  })
end

---@param scheme "dark"|"light"
function Browser:prefer(scheme)
  self:devtools("Emulation.setEmulatedMedia", {
    features = { { name = "prefers-color-scheme", value = scheme } },
  })
end

---@param language string of the browser's user, for the pages to come
function Browser:speak(language)
  local agent = self:run("return navigator.userAgent")
  self:devtools("Emulation.setUserAgentOverride", { userAgent = agent, acceptLanguage = language })
end

---@return string what was copied last
function Browser:clipboard()
  for _, name in ipairs { "clipboard-read", "clipboard-write" } do
    command(self, "POST", "/permissions", json.encode {
      descriptor = { name = name }, state = "granted",
    })
  end
  return self:run_async([[
    const done = arguments[0];
    navigator.clipboard.readText().then(done, error => done("cannot read: " + error));
  ]])
end

---Bytes of live JavaScript objects, after a collection of garbage; and nodes of the document.
---@return integer bytes
---@return integer nodes
function Browser:memory()
  self:devtools("HeapProfiler.collectGarbage")
  self:devtools("Performance.enable")
  local found = {}
  for _, metric in ipairs(self:devtools("Performance.getMetrics").metrics) do
    found[metric.name] = metric.value
  end
  return found.JSHeapUsedSize, self:run("return document.querySelectorAll('*').length")
end

-- ---- what it noticed ----------------------------------------------------------------------------

---What pages wrote to the console, and what the browser complained of, since the last call.
---@return { level: string, source: string, message: string }[]
function Browser:console()
  return command(self, "POST", "/se/log", json.encode { type = "browser" })
end

---URLs that pages asked for since the last call.
---@return string[]
function Browser:requested()
  local urls = {}
  if not self.logs_requests then return urls end
  for _, entry in ipairs(command(self, "POST", "/se/log", json.encode { type = "performance" })) do
    -- There are a great many others.
    local kind = entry.message:match('"method":"(Network%.%a+)"')
    if kind == "Network.requestWillBeSent" then
      urls[#urls + 1] = json.decode(entry.message).message.params.request.url
    elseif kind == "Network.webSocketCreated" then
      urls[#urls + 1] = json.decode(entry.message).message.params.url
    end
  end
  return urls
end

---@param path string of a PNG file
function Browser:screenshot(path)
  local file = assert(io.open(path, "wb"))
  file:write((mime.unb64(command(self, "GET", "/screenshot"))))
  file:close()
end

-- ---- elements -----------------------------------------------------------------------------------

local function of_element(element, method, path, text)
  return command(element.browser, method, ("/element/%s%s"):format(element.id, path), text)
end

function Element:click() of_element(self, "POST", "/click", "{}") end
function Element:clear() of_element(self, "POST", "/clear", "{}") end

---@param text string
function Element:type(text) of_element(self, "POST", "/value", json.encode { text = text }) end

---@return string as it is to be seen
function Element:text() return of_element(self, "GET", "/text") end

---@return string accessible name
function Element:label() return of_element(self, "GET", "/computedlabel") end

---@return string
function Element:role() return of_element(self, "GET", "/computedrole") end

---@return boolean
function Element:is_shown() return of_element(self, "GET", "/displayed") end

---@param name string
---@return any
function Element:property(name) return of_element(self, "GET", "/property/" .. name) end

---@param name string
---@return string|nil
function Element:attribute(name) return of_element(self, "GET", "/attribute/" .. name) end

return webdriver
