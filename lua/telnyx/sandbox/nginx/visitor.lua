--- Who asks: the sandbox answers programs, and the page that it shows itself. A page of somebody
-- else, open in the same browser, can reach loopback too, and must neither read nor send there.
-- Browsers say on whose behalf they ask, in headers that no page can take away.

local loopback = require("telnyx.sandbox.nginx.loopback")

local visitor = {}

-- Where the asking page is from, as browsers put it. "none" is somebody who typed the address.
local NEAR = { ["same-origin"] = true, none = true }

local function host_of(authority)
  return authority:match("^(%[[^%]]*%]):?%d*$") or authority:match("^([^:]*):?%d*$") or ""
end

-- To a name that is not loopback browsers tell less: the rebinding of a name to 127.0.0.1 shows by
-- what they say of themselves. Node's fetch has a language too, and, as no browser, a mode without
-- a site.
local function is_browser(headers)
  return headers.origin ~= nil or headers["sec-fetch-site"] ~= nil
    or (headers["user-agent"] or ""):find("^Mozilla/") ~= nil
    or (headers["accept-language"] ~= nil and headers["sec-fetch-mode"] == nil)
end

local function is_own(origin, authority)
  local scheme, rest = origin:lower():match("^(https?)://(.*)$")
  return scheme ~= nil and rest == authority:lower()
end

-- A link on any page may lead to ours, in a tab of its own.
local function is_visit(request)
  local headers = request.headers
  return request.method == "GET" and request.path:match("^[^?#]*") == "/"
    and headers["sec-fetch-mode"] == "navigate" and headers["sec-fetch-dest"] == "document"
end

-- A program's own page, at another port of this machine, may show the pictures that it got.
local function is_picture(request)
  return request.headers["sec-fetch-site"] == "same-site" and request.method == "GET"
    and request.path:find("^/sandbox/media/") ~= nil
end

---Why a request is not answered; nil when it is.
---@param request telnyx.sandbox.request
---@return string|nil sentence
function visitor.objection(request)
  local headers = request.headers
  if not is_browser(headers) then return nil end
  local authority, origin = headers.host or "", headers.origin
  if not loopback.is_host(host_of(authority)) then
    return "A browser reaches the sandbox by a loopback name only, such as 127.0.0.1."
  end
  if origin and not is_own(origin, authority) then
    return "The sandbox does not answer the pages of others."
  end
  local site = headers["sec-fetch-site"]
  if site and not NEAR[site] and not is_visit(request) and not is_picture(request) then
    return "The sandbox does not answer the pages of others."
  end
end

return visitor
