-- The messages that every worker sends, each with its key.

local list = {}

local FROM, FAIR = "+18445550001", "+18665550001"

-- One in twenty meets each of these; see the sandbox's recipients.
local WEATHER = {
  "+15550040300", -- refused for good
  "+15550042913", -- refused for the moment, once
  "+15550090012", -- accepted, and the reply is lost
  "+15550080001", -- not accepted, and there is no reply
  "+15550060001", -- accepted, and the reply says nothing
  "+15550001503", -- accepted, and the reply says that it is not
}

---Its text is the same: what the ledger counts it by.
---@param i integer
---@return string
function list.key(i) return ("order-%d"):format(i) end

---@param i integer
---@return boolean whether nothing is in its way
function list.is_fair(i) return WEATHER[i % 20] == nil end

---@param i integer
---@return table
function list.message(i)
  return { from = FROM, to = WEATHER[i % 20] or FAIR, text = list.key(i) }
end

---How often it may be posted: who is refused for the moment may try again.
---@param i integer
---@return integer
function list.most_posts(i) return i % 20 == 2 and 2 or 1 end

return list
