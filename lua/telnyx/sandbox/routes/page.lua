--- The phones page: a few files that lie beside this module, and nothing else. They need no key.

local reply = require("telnyx.sandbox.reply")

-- What the page is made of; no other name leads to a file.
local NAMES = {
  "index.html", "style.css", "first.js", "icon.svg", "icon-unread.svg",
  "api.js", "app.js", "bill.js", "bubble.js", "clock.js", "composer.js", "conversation.js",
  "details.js", "dialogs.js", "dom.js", "keys.js", "knobs.js", "live.js", "media.js", "pages.js",
  "phones.js", "refusals.js", "router.js", "row.js", "search.js", "seen.js", "stream.js",
  "strip.js", "text.js", "times.js", "weather.js", "webhooks.js",
}

local TYPES = {
  html = "text/html; charset=utf-8",
  css = "text/css; charset=utf-8",
  js = "text/javascript; charset=utf-8",
  svg = "image/svg+xml",
}

-- Texts of strangers are shown there: nothing runs or loads but what this service serves, nothing
-- is made of text, and no other page may frame it.
local POLICY = table.concat({
  "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'",
  "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
}, "; ")

local is_known = {}
for _, name in ipairs(NAMES) do is_known[name] = true end

-- The folder of the page, seen from this file, wherever that was loaded from.
local function find_folder()
  local routes = debug.getinfo(1, "S").source:match("^@(.*)[/\\][^/\\]*$") or "."
  return routes .. "/../page/"
end

local folder = find_folder()

local function read(name)
  local file, err = io.open(folder .. name, "rb")
  if not file then return nil, err end
  local text = file:read("*a")
  file:close()
  return text
end

local contents = {} -- by name, read when first asked for

local function headers_of(name)
  return {
    ["content-type"] = TYPES[name:match("%.(%w+)$")],
    ["content-security-policy"] = POLICY,
    ["x-content-type-options"] = "nosniff",
    ["referrer-policy"] = "no-referrer",
    ["cross-origin-opener-policy"] = "same-origin",
    ["cross-origin-resource-policy"] = "same-origin",
    ["cache-control"] = "no-cache",
  }
end

local function show(name)
  if not is_known[name] then return reply.refuse { { code = "10005" } } end
  local text, err = contents[name], nil
  if not text then text, err = read(name) end
  if not text then
    return reply.refuse { { code = "10007", detail = "The page is not whole: " .. err } }
  end
  contents[name] = text
  return reply.ok(200, text, headers_of(name))
end

return {
  { path = "^/$", methods = { GET = function() return show("index.html") end } },
  {
    path = "^/sandbox/page/([^/]+)$",
    methods = { GET = function(_, _, name) return show(name) end },
  },
}
