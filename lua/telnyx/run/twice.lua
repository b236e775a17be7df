--- A file that is read twice: once to be judged, once to be used. What was judged is what is used:
--- where the file reads otherwise the second time, it ends with words.

local core = require("telnyx.core")

local twice = {}

local CHUNK_BYTES = 65536

---@class telnyx.twice
---@field private file file*
---@field private digests string[] of the chunks, as they were read first
local Twice = {}
Twice.__index = Twice

---@param path string
---@return telnyx.twice|nil
---@return string|nil why
function twice.open(path)
  local file, why = io.open(path, "rb")
  if not file then return nil, why end
  if not file:seek("set") then
    file:close()
    return nil, path .. ": it is read twice, so it must be a file, not a pipe"
  end
  return setmetatable({ file = file, digests = {} }, Twice)
end

---@return fun(): string|nil, string|nil read
function Twice:first()
  return function()
    local chunk, why = self.file:read(CHUNK_BYTES)
    if chunk then self.digests[#self.digests + 1] = core.digest(chunk) end
    return chunk, why
  end
end

---@return fun(): string|nil, string|nil read
function Twice:again()
  self.file:seek("set")
  local n = 0
  return function()
    local chunk, why = self.file:read(CHUNK_BYTES)
    n = n + 1
    if why or (chunk and core.digest(chunk)) == self.digests[n] then return chunk, why end
    return nil, "it was changed after it had been checked"
  end
end

function Twice:close() self.file:close() end

return twice
