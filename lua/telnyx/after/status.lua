--- How far a message has come: the order of its statuses, for each addressee and for the whole.

local status = {}

local SENT, UNKNOWN, TERMINAL = 4, 5, 6

local RANK = { scheduled = 1, queued = 2, sending = 3, sent = SENT }

for word in ([[delivered delivery_failed delivery_unconfirmed sending_failed expired cancelled
  read]]):gmatch("%S+") do
  RANK[word] = TERMINAL
end

---How far a status is; one that is not known is an end only where the event is the last.
---@param word string|nil
---@param is_finalized boolean
---@return integer rank 0: there is none
function status.rank(word, is_finalized)
  if not word then return 0 end
  return RANK[word] or (is_finalized and TERMINAL or UNKNOWN)
end

---@param rank integer
---@return boolean
function status.is_final(rank) return rank >= TERMINAL end

local function text_of(value) return type(value) == "string" and value or nil end

---The addressees that a message names, in whatever form it has them.
---@param to any a payload's
---@return { phone_number: string|nil, status: string|nil }[]
function status.addressees(to)
  if type(to) == "string" then return { { phone_number = to } } end
  local list = {}
  if type(to) ~= "table" then return list end
  if to.phone_number or to.status then to = { to } end
  for _, one in ipairs(to) do
    if type(one) == "table" then
      list[#list + 1] = { phone_number = text_of(one.phone_number), status = text_of(one.status) }
    else
      list[#list + 1] = { phone_number = text_of(one) }
    end
  end
  return list
end

-- What a list of addressees comes to where they have come differently far.
local function is_behind(one, other)
  if one.rank ~= other.rank then return one.rank < other.rank end
  return (one.status or "") < (other.status or "")
end

---The whole's status. Of several addressees it is that of the one who is furthest behind; when all
---have an end, and not the same, it is "mixed".
---@param list { status: string|nil, rank: integer, at: number|nil }[]
---@return string|nil word
---@return boolean is_final
---@return number|nil at
function status.whole(list)
  local last, at, is_same = nil, nil, true
  for _, one in ipairs(list) do
    is_same = is_same and one.status == list[1].status
    if not last or is_behind(one, last) then last = one end
    if one.at and (not at or one.at > at) then at = one.at end
  end
  if not last then return nil, false, nil end
  if not status.is_final(last.rank) then return last.status, false, last.at end
  return is_same and last.status or "mixed", true, at
end

return status
