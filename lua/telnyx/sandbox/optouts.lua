--- Who wants no messages: the words that say so, and the rules that follow from them.

local Optouts = {}
Optouts.__index = Optouts

local WORDS = {
  STOP = "STOP", STOPALL = "STOP", ["STOP ALL"] = "STOP", UNSUBSCRIBE = "STOP", CANCEL = "STOP",
  END = "STOP", QUIT = "STOP",
  START = "START", UNSTOP = "START",
  HELP = "HELP",
}

local TOLL_FREE = {}
for code in ("800 833 844 855 866 877 888"):gmatch("%d+") do TOLL_FREE[code] = true end

---@return table optouts
function Optouts.new()
  return setmetatable({ rules = {}, carrier = {}, n_rules = 0 }, Optouts)
end

---What a text asks for when it is one of the words and nothing else. (That the letters' case and
-- blanks around it do not matter is documented nowhere.)
---@param text string
---@return "STOP"|"START"|"HELP"|nil wish
---@return string|nil word
function Optouts.wish(text)
  local word = text:match("^%s*(.-)%s*$"):upper()
  return WORDS[word], WORDS[word] and word
end

local function key_of(one, other) return one .. " " .. other end

local function is_toll_free(number)
  return #number == 12 and number:sub(1, 2) == "+1" and TOLL_FREE[number:sub(3, 5)] or false
end

local wishes = {}

-- One STOP is heard by all numbers of a profile; the carrier of a toll-free number keeps its own.
function wishes.STOP(self, inbound)
  local key = key_of(inbound.profile, inbound.from)
  if not self.rules[key] then
    self.n_rules = self.n_rules + 1
    self.rules[key] = { from = inbound.recipient, to = inbound.from, profile = inbound.profile,
      keyword = inbound.keyword, created_at = inbound.received_at, order = self.n_rules }
  end
  if is_toll_free(inbound.recipient) then
    self.carrier[key_of(inbound.recipient, inbound.from)] = true
  end
end

function wishes.START(self, inbound)
  self.rules[key_of(inbound.profile, inbound.from)] = nil
  self.carrier[key_of(inbound.recipient, inbound.from)] = nil
end

function wishes.HELP() end

---Does what an inbound message asks for.
---@param inbound table with autoresponse_type
function Optouts:heed(inbound)
  if inbound.autoresponse_type then wishes[inbound.autoresponse_type](self, inbound) end
end

---@param profile string
---@param recipient string
---@return boolean
function Optouts:blocks(profile, recipient)
  return self.rules[key_of(profile, recipient)] ~= nil
end

---@param sender string
---@param recipient string
---@return boolean
function Optouts:is_blocked_by_carrier(sender, recipient)
  return self.carrier[key_of(sender, recipient)] ~= nil
end

---The rules in force, in the order in which they came.
---@return table[]
function Optouts:list()
  local list = {}
  for _, rule in pairs(self.rules) do list[#list + 1] = rule end
  table.sort(list, function(a, b) return a.order < b.order end)
  return list
end

return Optouts
