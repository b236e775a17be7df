--- What the interpreter raises when Ctrl-C is pressed: that is no trouble of a journal, and goes on
--- to who runs the program.

local interrupt = {}

interrupt.WORDS = "interrupted!"

---@param err any
---@return boolean
function interrupt.is(err)
  return type(err) == "string" and err:find(interrupt.WORDS, 1, true) ~= nil
end

---Raises it again if it is that.
---@param err any what a pcall has caught
function interrupt.pass_on(err)
  if interrupt.is(err) then error(err, 0) end
end

return interrupt
