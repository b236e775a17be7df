--- Whether there is any use in sending more, by how those before ended: what says nothing of the
--- message alone, so many times in a row.

local once = require("telnyx.send.once")

---@class telnyx.outlook
---@field was_answered boolean by the service, or by who stands for it
---@field is_fair boolean it takes what it is sent, and one more that it takes says nothing new
---@field private is_served boolean the service has taken one
---@field private n_unsent integer messages in a row that could not be sent
---@field private n_lost integer in a row whose end nobody knows, or whose answer was a page
---@field private most_lost number as many of those and there is no use in more
---@field private n_pages integer pages in a row
local Outlook = {}
Outlook.__index = Outlook

-- So many in a row that could not be sent, after all their tries, and none will be; and so many
-- pages before anything else.
local FEW_IN_A_ROW = 3
-- Of whose end nobody knows, those that were under way when it began say it together, and then some
-- that are sent one by one, ever later.
local FEW_ONE_BY_ONE = 5

-- Whether it is no word of the service's: another base_url's page, or a proxy's, with whatever
-- status.
local function is_page(result)
  return result.outcome == "accepted" -- and no message
    or result.outcome == "rejected" and once.is_elsewhere(result)
end

---Heeds the end of one that was posted.
---@param message table|nil
---@param result table
---@param n_under_way integer besides it
---@return boolean is_known by a word of the service's
function Outlook:heed(message, result, n_under_way)
  self.n_unsent, self.was_answered = 0, true
  local is_a_page = not message and is_page(result)
  if message or result.outcome == "rejected" and not is_a_page then
    self.is_served = self.is_served or message ~= nil
    self.n_pages, self.n_lost, self.is_fair = 0, 0, message ~= nil
    return true
  end
  self.n_pages, self.n_lost = is_a_page and self.n_pages + 1 or 0, self.n_lost + 1
  self.is_fair = false
  if self.n_lost == FEW_IN_A_ROW then
    self.most_lost = FEW_IN_A_ROW + n_under_way + FEW_ONE_BY_ONE
  end
  return false
end

---Heeds the end of one that was not. What was wrong with a message says nothing of others.
---@param result table
function Outlook:heed_unsent(result)
  if result.kind == "invalid" then return end
  self.n_unsent, self.is_fair = self.n_unsent + 1, false
end

---Heeds one that was refused for being too many. What it says of those that are lost is little.
function Outlook:heed_refused() self.n_unsent, self.was_answered = 0, true end

---Whether nobody knows the last ends. What is refused for being too many is no end to that.
---@return boolean
function Outlook:is_losing() return self.n_lost > 0 end

---Whether nothing gets through.
---@return boolean
function Outlook:is_hopeless()
  return self.n_unsent >= FEW_IN_A_ROW or self.n_lost >= self.most_lost
    or not self.is_served and self.n_pages >= FEW_IN_A_ROW
end

local outlook = {}

---@return telnyx.outlook
function outlook.new()
  return setmetatable({ was_answered = false, is_fair = false, is_served = false, n_unsent = 0,
    n_lost = 0, most_lost = math.huge, n_pages = 0 }, Outlook)
end

return outlook
