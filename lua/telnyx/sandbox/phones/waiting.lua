--- An answer that may get better: what there is now, and how to ask again. Who carries the answer
-- can wait for it; in process nobody does.

local waiting = {}

local LONGEST, MOST = 300, 1000000000

local function number_to(most, words)
  return function(value)
    return type(value) == "number" and value >= 0 and value <= most, words
  end
end

local function is_whole(value)
  return number_to(MOST)(value) and value % 1 == 0, "a whole number"
end

--- What a query may say of it.
waiting.rules = {
  wait = { number_to(LONGEST, "a number of seconds from 0 to 300"), "seconds" },
  count = { is_whole, "whole" },
}

--- For `exactly`, too.
waiting.whole = { is_whole, "whole" }

---@param seconds number|nil how long somebody would wait
---@param is_enough fun(n: integer): boolean are so many what he waits for?
---@param count fun(): integer how many there are by now
---@param answer fun(): telnyx.sandbox.response, integer what there is, and how many
---@return telnyx.sandbox.response
function waiting.respond(seconds, is_enough, count, answer)
  local response, n = answer()
  if not seconds or is_enough(n) then return response end
  response.wait = { seconds = seconds, check = function(is_last)
    if is_last or is_enough(count()) then return (answer()) end
  end }
  return response
end

return waiting
