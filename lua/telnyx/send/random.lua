--- Random numbers of our own, seeded differently in every process: a fleet whose
--- clients draw the same waits comes back as one, and a game's own stream of numbers
--- is not ours to consume.

local core = require("telnyx.core")

local random = {}

local MODULUS = 2147483647

---Numbers from 0 up to but not including 1: Park and Miller's minimal standard.
---@return fun(): number
function random.new()
  local state = core.seed() % (MODULUS - 1) + 1
  return function()
    state = (state * 16807) % MODULUS
    return state / MODULUS
  end
end

return random
