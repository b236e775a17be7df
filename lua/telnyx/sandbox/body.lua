--- The body of a request, as far as it is a JSON object.

local json = require("telnyx.sandbox.json")
local utf8 = require("telnyx.sandbox.utf8")

---@param request telnyx.sandbox.request
---@return table|nil object
---@return table|nil problem for reply.refuse
return function(request)
  local text = request.body or ""
  local bad = utf8.first_bad(text)
  if bad then
    return nil, { code = "10028",
      detail = ("The request body is not valid UTF-8 at byte %d."):format(bad - 1) }
  end
  local object = json.decode(text)
  if object == nil then return nil, { code = "10023" } end
  if not text:find("^%s*{") then
    return nil, { code = "10015", detail = "The request body must be a JSON object." }
  end
  return object
end
