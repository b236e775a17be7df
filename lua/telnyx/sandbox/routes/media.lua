--- Pictures for messages: some that somebody brought, and one that is always there.

local json = require("telnyx.sandbox.json")
local query = require("telnyx.sandbox.query")
local random_bytes = require("telnyx.sandbox.random")
local reply = require("telnyx.sandbox.reply")
local sample = require("telnyx.sandbox.sample")

local MOST_BYTES = 1024 * 1024

local ENDINGS = {
  ["image/png"] = "png", ["image/jpeg"] = "jpg", ["image/gif"] = "gif", ["image/webp"] = "webp",
}

local SAMPLE = { kind = "image/png", bytes = sample }

local function bad(detail, status)
  return reply.refuse { { code = "10015", status = status, detail = detail } }
end

local function new_name(ending)
  local digits = random_bytes(16):gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end)
  return digits .. "." .. ending
end

-- Who asks knows best how the sandbox is called.
local function url_of(request, name)
  local host = request.headers.host or ""
  if not host:find("^[%w.:%[%]-]+$") then host = "sandbox.invalid" end
  return ("%s://%s/sandbox/media/%s"):format(request.scheme or "http", host, name)
end

local function take(service, request)
  local values, problems = query.strict(request.path, {})
  if not values then return reply.refuse(problems) end
  local kind = (request.headers["content-type"] or ""):lower():match("^%s*([^;%s]*)")
  local ending, bytes = ENDINGS[kind], request.body or ""
  if not ending then
    return bad("The Content-Type must be image/png, image/jpeg, image/gif or image/webp.")
  end
  if bytes == "" then return bad("There are no bytes.") end
  if #bytes > MOST_BYTES then return bad("The picture is larger than 1 MB.", 413) end
  local name = new_name(ending)
  service.media:put(name, { kind = kind, bytes = bytes })
  return reply.json(json.object { { "url", url_of(request, name) } })
end

-- A picture and nothing else, whatever its bytes say.
local function headers_of(kind)
  return {
    ["content-type"] = kind, ["x-content-type-options"] = "nosniff",
    ["content-security-policy"] = "default-src 'none'; sandbox",
    ["cache-control"] = "private, max-age=86400",
  }
end

local function show(service, request, name)
  local values, problems = query.strict(request.path, {})
  if not values then return reply.refuse(problems) end
  local picture = name == "sample.png" and SAMPLE or service.media:get(name)
  if not picture then return reply.refuse { { code = "10005" } } end
  return reply.ok(200, picture.bytes, headers_of(picture.kind))
end

return {
  { path = "^/sandbox/media$", methods = { POST = take } },
  { path = "^/sandbox/media/([^/]+)$", methods = { GET = show } },
}
