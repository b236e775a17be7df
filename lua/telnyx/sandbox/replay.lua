--- Replies under an Idempotency-Key. That the service checks such a key was seen; that it
-- answers twice with one reply was not.

local replay = {}

local LONGEST = 255

---What is wrong when the header is: one error for each fault it can have.
---@type table<string, { code: string, pointer: string, detail: string }>
replay.problems = {
  malformed = { code = "10015", pointer = "/header/Idempotency-Key",
    detail = "An idempotency key is 1 to 255 letters, digits, hyphens and underscores." },
  reused = { code = "10015", pointer = "/header/Idempotency-Key",
    detail = "The idempotency key came with another request body before." },
}

---@param text string
---@return boolean
function replay.is_key(text)
  return #text <= LONGEST and text:find("^[A-Za-z0-9_-]+$") ~= nil
end

-- The trouble that passes is worth another try.
local function lasts(response)
  return response.status ~= nil and response.status < 500 and response.status ~= 429
end

local function copy(response)
  local headers = {}
  for name, value in pairs(response.headers) do headers[name] = value end
  return { status = response.status, headers = headers, body = response.body }
end

---What is kept of a reply, without what befell its connection.
---@param request telnyx.sandbox.request
---@param response telnyx.sandbox.response
---@return table|nil kept nil when the same key may well bring another reply
function replay.keep(request, response)
  return lasts(response) and { body = request.body, response = copy(response) } or nil
end

---@param kept table
---@return telnyx.sandbox.response
function replay.again(kept)
  local response = copy(kept.response)
  response.headers["idempotent-replayed"] = "true"
  return response
end

return replay
