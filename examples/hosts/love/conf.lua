function love.conf(t)
  t.identity = "text-the-score"
  t.window.title = "Text the score"
end
