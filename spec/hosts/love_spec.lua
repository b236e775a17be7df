-- The example for LÖVE, without a screen: a player scores, texts it, and frames keep their time.

local host = require "spec.support.host"
local sandbox = require "spec.support.sandbox"

local about = host.can_run(host.has("love")) and describe or pending

-- No window, and so nothing to draw on.
local CONF = [[
function love.conf(t)
  t.window, t.modules.window, t.modules.graphics, t.modules.audio = false, false, false, false
  t.modules.sound, t.modules.joystick, t.modules.physics = false, false, false
end
]]

-- The example, played by a program: a few points, then a text, then a look at the frames until the
-- text has come back.
local MAIN = [[
dofile("$root/examples/hosts/love/main.lua")
local update, draw = love.update, love.draw
local frames, worst, elapsed, steps, shown = 0, 0, 0, 0, nil
love.graphics = {
  isActive = function() return false end,
  print = function(text) shown = text end,
}

local function finish()
  print(("frames=%d worst=%.4f step=%.6f seconds=%.3f"):format(
    frames, worst, steps / frames, elapsed))
  print(shown)
  io.stdout:flush()
  love.event.quit()
end

function love.load()
  love.keypressed("space")
  love.keypressed("space")
  love.keypressed("return")
  love.timer.step()
end

function love.update(dt)
  local started = love.timer.getTime()
  update(dt)
  steps = steps + love.timer.getTime() - started
  frames, elapsed, worst = frames + 1, elapsed + dt, math.max(worst, dt)
  draw()
  if not shown:find("texting", 1, true) or elapsed > 15 then finish() end
  love.timer.sleep(1 / 60 - (love.timer.getTime() - started))
end
]]

about("LÖVE", function()
  local service

  setup(function()
    service = sandbox.start()
  end)

  teardown(function()
    service:stop()
  end)

  local function play(to)
    local folder = host.folder()
    host.write(folder .. "/conf.lua", CONF)
    host.write(folder .. "/main.lua", (MAIN:gsub("%$root", host.checkout())))
    local program = host.start(folder, host.environment("5.1", service.url)
      .. (" HOME=%s TO=%s love %s"):format(folder, to, folder))
    local said = program:wait(function()
      return program:output():match("frames=.*\n.+\n")
    end, "the game's end")
    program:stop()
    local frames, worst, step, seconds = said:match(
      "frames=(%d+) worst=([%d.]+) step=([%d.]+) seconds=([%d.]+)")
    return tonumber(frames), tonumber(worst), tonumber(step), tonumber(seconds), said
  end

  it("keeps its frames while a text takes a second", function()
    local frames, worst, step, seconds, said = play("+15550070001")
    assert.matches("2\ntexted, %x+%-", said)
    assert.equal(1, service:ledger().accepted)
    assert.is_true(seconds >= 1, said)
    -- A game that waited would have shown one frame of a second.
    assert.is_true(frames >= 20, said)
    assert.is_true(worst < 0.5, said)
    host.say("LÖVE: %d frames in %.2f s, slowest %.1f ms; a step takes %.3f ms",
      frames, seconds, worst * 1000, step * 1000)
  end)

  it("shows what is wrong", function()
    local _, _, _, _, said = play("nobody")
    assert.matches("not sent", said)
  end)
end)
