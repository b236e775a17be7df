--- The phones page for specs: a sandbox in a real nginx, a real browser that looks at it, and what
-- people and programs do to both.

local json = require("cjson").new()
local sandbox = require("spec.support.sandbox")
local socket = require("socket")
local webdriver = require("spec.support.webdriver")

local US = "+13125550001"

local Page = {}
Page.__index = Page

local phones = { US = US, can_run = webdriver.can_run, wait = sandbox.wait }

-- ---- beginning and end --------------------------------------------------------------------------

---@param options { arguments: string[]|nil, logs_requests: boolean|nil }|nil of the browser
---@return table page
function phones.start(options)
  local server = sandbox.start()
  local ok, browser = pcall(webdriver.start, options)
  if not ok then
    server:stop()
    error(browser, 2)
  end
  local page = setmetatable({ server = server, browser = browser }, Page)
  page.origin = server.url:match("^(http://[^/]+)")
  page.defaults = page:options()
  -- The browser's own first page is not what is looked at.
  browser:open("about:blank")
  browser:requested()
  return page
end

function Page:stop()
  self.browser:stop()
  self.server:stop()
end

-- Where pictures of failures go; made for the first.
local pictures

local function picture_of(page)
  pictures = pictures or sandbox.temporary_folder()
  local name = ("%s/%d.png"):format(pictures, math.floor(socket.gettime() * 1000))
  local ok, why = pcall(page.browser.screenshot, page.browser, name)
  return ok and "a picture of the page: " .. name or "no picture of the page: " .. tostring(why)
end

-- Of a trace, what lies in the specs.
local function lines_of_specs(trace)
  local lines = {}
  for line in trace:gmatch("[^\n]+") do
    if line:find("spec/browser/", 1, true) then lines[#lines + 1] = line end
  end
  return table.concat(lines, "\n")
end

---A test that takes a picture of the page when it fails.
---@param busted_it fun(name: string, test: fun())
---@param get fun(): table the page, which a setup has made
---@return fun(name: string, test: fun()) it
function phones.it(busted_it, get)
  return function(name, test)
    busted_it(name, function()
      local trace
      local ok, why = xpcall(test, function(why)
        trace = debug.traceback("", 2)
        return why
      end)
      if ok then return end
      local text = type(why) == "table" and why.message or why
      error(("%s\n%s\n%s"):format(tostring(text), picture_of(get()),
        lines_of_specs(trace)), 0)
    end)
  end
end

---An empty sandbox with all options as they were, and the page as a newcomer sees it.
---@param changes table|nil of the sandbox's options
function Page:begin(changes)
  self.browser:open("about:blank")
  self.server:request("DELETE", "/sandbox/ledger")
  self:set(self.defaults)
  if changes then self:set(changes) end
  self.browser:devtools("Storage.clearDataForOrigin", {
    origin = self.origin, storageTypes = "all",
  })
  self.browser:open(self.origin .. "/")
  self:wait_until_live()
end

---Opens the page, as if by typing its address, and waits until it is live.
---@param hash string|nil
function Page:visit(hash)
  self.browser:open("about:blank")
  self.browser:open(self.origin .. "/" .. (hash or ""))
  self:wait_until_live()
end

function Page:wait_until_live()
  self.browser:wait("document.body && document.body.dataset.live === 'live'")
end

-- ---- the sandbox --------------------------------------------------------------------------------

-- The answer's JSON.
function Page:ask(method, path, value)
  local body = value and (type(value) == "string" and value or json.encode(value))
  local status, text = self.server:request(method, path, body)
  assert(status and status < 300, ("%s %s: %s %s"):format(method, path, tostring(status), text))
  return json.decode(text)
end

---@return table<string, any>
function Page:options() return self:ask("GET", "/sandbox/options") end

---@param changes table of the sandbox's options
function Page:set(changes) return self:ask("PATCH", "/sandbox/options", changes) end

---Sends a message; `to` and `text` have to be there.
---@param message table
---@return string id
function Page:send(message)
  return self:ask("POST", "/v2/messages", self.message(message)).data.id
end

---@param message table
---@return table as it is posted
function Page.message(message)
  local all = { from = US }
  for name, value in pairs(message) do all[name] = value end
  return all
end

---Sends a message and says what it was refused with.
---@return integer status
---@return string|nil code
function Page:try(message)
  local status, text = self.server:post(self.message(message))
  return status, text:match('"code":"?(%d+)')
end

---A message from a phone.
---@return string id
function Page:say(from, text, to)
  return self:ask("POST", "/sandbox/reply", { from = from, to = to or US, text = text }).data.id
end

---@return table the message as the API shows it
function Page:get(id) return self:ask("GET", "/v2/messages/" .. id).data end

---@return table[] messages as the sandbox lists them
function Page:messages(query)
  return self:ask("GET", "/sandbox/messages" .. (query or "")).data
end

---Posts many at once over one connection. Each must be accepted.
---@param count integer
---@param message fun(i: integer): table
---@return string[] ids
function Page:send_many(count, message)
  local connection = assert(socket.connect("127.0.0.1", self.server.port))
  connection:settimeout(30)
  local ids = {}
  local function post(i)
    local body = json.encode(self.message(message(i)))
    return ("POST /v2/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer KEY_SPEC\r\n"
      .. "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)
  end
  local function read()
    local line, length = assert(connection:receive("*l")), nil
    assert(line:find(" 200 ", 1, true), line)
    while line ~= "" do
      line = assert(connection:receive("*l"))
      length = length or tonumber(line:lower():match("^content%-length: (%d+)"))
    end
    ids[#ids + 1] = assert(connection:receive(length)):match('"id":"([%x-]+)"')
  end
  -- nginx closes a connection after so many requests, 1000 if nothing else is said.
  local batch = 50
  for first = 1, count, batch do
    if first % 500 == 1 and first > 1 then
      connection:close()
      connection = assert(socket.connect("127.0.0.1", self.server.port))
      connection:settimeout(30)
    end
    local last, requests = math.min(first + batch - 1, count), {}
    for i = first, last do requests[#requests + 1] = post(i) end
    assert(connection:send(table.concat(requests)))
    for _ = first, last do read() end
  end
  connection:close()
  return ids
end

-- ---- the page -----------------------------------------------------------------------------------

---@param number string
---@return string css of a phone's row
function phones.row(number) return ('#phones [data-phone="%s"]'):format(number) end

---@param id string
---@return string css of a message's bubble
function phones.bubble(id) return ('#conversation [data-message="%s"]'):format(id) end

---@param id string
---@return string css of what a message's line opens
function phones.details(id) return ('[data-details="%s"]'):format(id) end

---Waits for a phone's row, clicks it, and waits until its conversation is there.
---@param number string
function Page:open_phone(number)
  self.browser:click(phones.row(number))
  self.browser:wait("document.querySelector(arguments[0])",
    phones.row(number) .. '[aria-current="true"]')
end

---@param id string
function Page:wait_for_message(id)
  self.browser:wait("document.querySelector(arguments[0])", phones.bubble(id))
end

---Opens what is under a message.
---@param id string
function Page:open_details(id)
  self:wait_for_message(id)
  local line = phones.bubble(id) .. ' [data-action="details"]'
  self.browser:run("document.querySelector(arguments[0]).scrollIntoView({ block: 'center' })", line)
  self.browser:click(line)
  self.browser:wait("document.querySelector(arguments[0])", phones.details(id))
end

---Numbers in the list of phones, from the top; those that are rendered.
---@return string[]
function Page:rows()
  return self.browser:run([[
    return [...document.querySelectorAll("#phones [data-phone]")].map(row => row.dataset.phone);
  ]])
end

---@return string[] ids of the rendered messages, from the top
function Page:bubbles()
  return self.browser:run([[
    return [...document.querySelectorAll("#conversation [data-message]")]
      .sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)
      .map(bubble => bubble.dataset.message);
  ]])
end

---The badge of a phone, as it is to be seen.
---@param number string
---@return string|nil
function Page:unread(number)
  return self.browser:run([[
    const badge = document.querySelector(arguments[0]);
    const text = badge && badge.checkVisibility() ? badge.textContent.trim() : "";
    return text === "" ? null : text;
  ]], phones.row(number) .. " .unread")
end

---@param id string
---@return string
function Page:text_of(id)
  return self.browser:run("return document.querySelector(arguments[0]).textContent",
    phones.bubble(id) .. " .text")
end

---What the page did that it must not: complaints of the browser, and requests that went elsewhere.
---@return string[]
function Page:wrongs()
  local found = {}
  for _, entry in ipairs(self.browser:console()) do
    if entry.level == "SEVERE" or entry.level == "WARNING" then
      found[#found + 1] = entry.level .. " " .. entry.message
    end
  end
  for _, url in ipairs(self.browser:requested()) do
    local is_ours = url:sub(1, #self.origin + 1) == self.origin .. "/"
    if not is_ours and url ~= "data:," and url ~= "about:blank" then
      found[#found + 1] = "asked for " .. url
    end
  end
  return found
end

-- ---- a program's end for webhooks ---------------------------------------------------------------

local Receiver = {}
Receiver.__index = Receiver

---Takes webhooks while it is asked for them: whoever waits for one answers all that come meanwhile.
---@return table receiver
function phones.receiver()
  local listener = assert(socket.bind("127.0.0.1", 0))
  listener:settimeout(0)
  local _, port = listener:getsockname()
  return setmetatable({
    listener = listener, url = ("http://127.0.0.1:%d/hook"):format(port), taken = {},
    status = 200, answer = "thank you",
  }, Receiver)
end

local function read_request(connection)
  local headers, line = {}, connection:receive("*l")
  while line and line ~= "" do
    local name, value = line:match("^([^:]+): (.*)$")
    if name then headers[name:lower()] = value end
    line = connection:receive("*l")
  end
  local body = connection:receive(tonumber(headers["content-length"]))
  return { headers = headers, body = body, event = json.decode(body).data }
end

function Receiver:poll()
  local connection = self.listener:accept()
  if not connection then return end
  connection:settimeout(5)
  self.taken[#self.taken + 1] = read_request(connection)
  connection:send(("HTTP/1.1 %d Words\r\nContent-Length: %d\r\n\r\n%s"):format(
    self.status, #self.answer, self.answer))
  connection:close()
end

---The next event of a type that has not been handed out.
---@param event_type string
---@return table request headers, body, event
function Receiver:wait_for(event_type)
  return sandbox.wait(function()
    self:poll()
    for i, request in ipairs(self.taken) do
      if request.event.event_type == event_type then return table.remove(self.taken, i) end
    end
  end, event_type)
end

function Receiver:close() self.listener:close() end

return phones
