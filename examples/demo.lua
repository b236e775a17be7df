-- Three messages through real HTTP to the sandbox, and what comes back.
--
--   make demo
--
-- Starts the sandbox (nginx, on a free port of 127.0.0.1), sends an SMS, an MMS and a message that
-- the service would refuse, prints what a program gets to see, and stops the sandbox again.

local telnyx = require("telnyx")

local function read_all(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

-- The sandbox ends with its standard input, so it cannot outlive this program.
local function start_sandbox()
  local report = os.tmpname()
  local command = "LUA=lua5.4 SANDBOX_LUA_CPATH='build/5.1/?.so;;'"
    .. " sh lua/telnyx/sandbox/serve.sh --port 0 --until-eof >" .. report .. " 2>&1"
  local process = assert(io.popen(command, "w"))
  local patience = os.time() + 20
  local url
  repeat
    url = read_all(report):match("TELNYX_BASE_URL=(%S+)\n")
  until url or os.time() > patience
  local said = read_all(report)
  os.remove(report)
  return url or error("the sandbox did not start: " .. said), process
end

local function heading(text)
  print("\n" .. text .. "\n" .. ("-"):rep(#text))
end

local function row(name, value)
  if value ~= nil then print(("  %-12s %s"):format(name, tostring(value))) end
end

local function show_message(message, info)
  row("id", message.id)
  row("type", message.type)
  row("encoding", message.encoding)
  row("parts", message.parts)
  row("status", message.to[1].status)
  row("outcome", info.outcome .. " (HTTP " .. info.status .. ")")
  if info.segments then
    local free = "%d units, %d free in the last part"
    row("counted here", free:format(info.segments.units, info.segments.remaining))
    local culprit = info.segments.forced_by
    local why = "%s (U+%04X) is not in GSM-7"
    row("because", culprit and why:format(culprit.character, culprit.codepoint))
  end
end

local function show_error(err)
  print("  " .. tostring(err))
  for _, violation in ipairs(err.errors or {}) do
    row(violation.code, violation.detail)
  end
end

local function show(message, info_or_err)
  if message then show_message(message, info_or_err) else show_error(info_or_err) end
end

local url, sandbox = start_sandbox()
local client = telnyx.new({
  api_key = "KEY_DEMO",
  base_url = url,
  defaults = { from = "+18445550001" },
})
print(tostring(client) .. ", Lua core " .. telnyx.VERSION)

heading("An SMS")
show(client:send({ to = "+18665550001", text = "Hello, World! Grüße – from Lua" }))

heading("An MMS")
show(client:send({
  to = "+18665550001",
  subject = "A picture",
  text = "As promised",
  media_urls = { "https://example.com/cat.png" },
}))

heading("A message that cannot be sent")
show(client:send({ to = "866 555 0001", txt = "Hello?" }))

heading("A message that the service refuses")
show(client:send({ to = "+15550040300", text = "Hello again" }))

client:close()
sandbox:close()
