-- A game that texts a score, and misses no frame over it.
--
--   TELNYX_API_KEY=KEY… FROM=+18445550001 TO=+18665550001 love examples/hosts/love
--
-- LÖVE runs LuaJIT: it needs telnyx built for Lua 5.1. A key inside a game is in the hands of
-- everybody who has the game: this is for your own machines, such as an arcade or a show.

local telnyx = require("telnyx")

local client = telnyx.new { defaults = { from = os.getenv("FROM"), to = os.getenv("TO") } }
local score, status = 0, "space: score    return: text it"

function love.keypressed(key)
  if key == "space" then score = score + 1 end
  if key ~= "return" then return end
  status = "texting…"
  client:start({ text = "The score is " .. score }, function(message, info)
    status = message and "texted, " .. message.id or tostring(info)
  end)
end

-- Drives what is under way, and never waits.
function love.update()
  client:step(0)
end

function love.draw()
  love.graphics.print(score .. "\n" .. status, 40, 40)
end
