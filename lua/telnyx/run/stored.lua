--- Messages as an outbox keeps them: the bytes that will be posted.

local core = require("telnyx.core")
local json = require("cjson.safe").new()
local tables = require("telnyx.tables")

local IS_FIELD = {}
for _, name in ipairs(core.fields) do IS_FIELD[name] = true end

local stored = {}

---The message that the bytes were made of, for senders that take no bytes.
---@param body string
---@return table|nil nil: they cannot be read, or an error came that the reader keeps to itself
function stored.message(body)
  local message, extra = {}, nil
  local fields = json.decode(body)
  if type(fields) ~= "table" then return nil end
  for name, value in pairs(tables.whole_numbers(fields)) do
    if IS_FIELD[name] then
      message[name] = value
    else
      extra = extra or {}
      extra[name] = value
    end
  end
  message.extra = extra
  return message
end

return stored
