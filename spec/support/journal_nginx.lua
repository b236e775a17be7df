-- Runs inside nginx: a journal in the dictionary "sent", asked from outside.

local cjson = require "cjson"
local journal = require "telnyx.journal"
local lock = require "telnyx.journal.lock"
local ngx = ngx -- luacheck: ignore 113

local journal_nginx = {}

local own

local methods = {}

-- An empty one.
function methods.open()
  ngx.shared.sent:flush_all()
  ngx.shared.sent:flush_expired()
  own = journal.shared(ngx.shared.sent)
  return true
end

function methods.unsettled(given)
  local rows, why = own:unsettled(given)
  if not rows then return nil, why end
  local list = {}
  for row in rows do list[#list + 1] = row end
  return setmetatable(list, cjson.array_mt)
end

local function null(value)
  if value == nil then return cjson.null end
  return value
end

---Answers the current request.
function journal_nginx.serve()
  ngx.req.read_body()
  local asked = cjson.decode(ngx.req.get_body_data())
  local method = methods[asked.method] or function(given) return own[asked.method](own, given) end
  local first, second = method(asked.given)
  ngx.print(cjson.encode { null(first), null(second) })
end

-- Of several workers at once --------------------------------------------------------------------

local function claim(key, name)
  return own:claim { key = key, digest = "d", claim = name, now = 1000, expires = 1060 }
end

local function answer(...)
  ngx.print(cjson.encode { ... })
end

-- Claims keys that others claim too, and counts how many hold one at a time. They are few; where
-- workers are killed, new ones again and again: who is killed never gives back what it has.
function journal_nginx.race()
  own = own or journal.shared(ngx.shared.sent)
  local books, n_won, n_crimes, pid = ngx.shared.books, 0, 0, ngx.worker.pid()
  for i = 1, tonumber(ngx.var.arg_n) do
    local key = "race " .. (ngx.var.arg_few and i % 3 or math.floor(i / 20))
    local name = pid .. ":" .. i
    local is_mine, row = claim(key, name)
    assert(is_mine ~= nil, row)
    if is_mine then
      n_won = n_won + 1
      if books:incr(key, 1, 0) ~= 1 then n_crimes = n_crimes + 1 end
      if own:get(key).claim ~= name then n_crimes = n_crimes + 1 end
      books:incr(key, -1)
      books:incr("won", 1, 0)
      assert(own:release { key = key, claim = name, now = 1001 })
      books:incr("released", 1, 0)
    end
  end
  answer(pid, n_won, n_crimes)
end

-- Each of 300 keys once, by whoever comes first.
function journal_nginx.claim_all()
  own = own or journal.shared(ngx.shared.sent)
  local n = 0
  for i = 1, 300 do
    local is_mine, row = claim("all " .. (i * 7 + ngx.var.arg_from) % 300, "c")
    assert(is_mine ~= nil, row)
    if is_mine then n = n + 1 end
  end
  answer(ngx.worker.pid(), n)
end

-- Is sent a signal while it has the lock of a key.
function journal_nginx.signal_locked()
  answer(lock.with(ngx.shared.sent, ngx.var.arg_key, function()
    os.execute(("kill -%s %d"):format(ngx.var.arg_signal, ngx.worker.pid()))
    return true
  end))
end

function journal_nginx.claim_one()
  own = own or journal.shared(ngx.shared.sent)
  local is_mine, row = claim(ngx.var.arg_key, "c")
  answer(null(is_mine), is_mine == nil and row or cjson.null, ngx.worker.pid())
end

-- 300 events, which all others add too, each from its own on; and a STOP or START with each.
function journal_nginx.add_events()
  own = own or journal.shared(ngx.shared.sent)
  local n = 0
  for i = 1, 300 do
    local at = (i * 7 + ngx.var.arg_from) % 300
    local is_new, why = own:add_event { id = "e" .. at, message_id = "m", now = 1000 }
    assert(is_new ~= nil, why)
    if is_new then n = n + 1 end
    local is_set, set_why = own:set_optout { number = "+" .. at % 3, profile = "P" .. at % 2,
      own = "A" .. at % 5, is_out = at % 4 < 2, at = at, now = 1000 }
    assert(is_set ~= nil, set_why)
  end
  answer(ngx.worker.pid(), n)
end

-- The latest of each recipient and profile.
function journal_nginx.ends()
  own = own or journal.shared(ngx.shared.sent)
  local list = {}
  for number = 0, 2 do
    for profile = 0, 1 do
      local row = own:optout { number = "+" .. number, profile = "P" .. profile }
      list[#list + 1] = row and row.at or cjson.null
    end
  end
  answer(#own:events { message_id = "m", limit = 1000 }, list)
end

-- Events, and then recipients, until there is no more room; and what can be done then.
function journal_nginx.fill_inbox()
  local full, n, n_out = journal.shared(ngx.shared.small), 0, 0
  local function add(i)
    return full:add_event { id = "e" .. i, key = ("k"):rep(255), now = 1000 }
  end
  local function set(i, is_out)
    return full:set_optout { number = "+" .. i, profile = "P", own = "A", is_out = is_out,
      at = is_out and 1 or 2, now = 1000 }
  end
  while set(n_out + 1, true) do
    n_out = n_out + 1
    if add(n + 1) then n = n + 1 end
  end
  local is_new, why = add(n + 1)
  while is_new do
    n = n + 1
    is_new, why = add(n + 1)
  end
  ngx.say(why)
  local n_kept, n_handled, n_lifted = #full:unhandled_events { limit = 1e6 }, 0, 0
  local n_listed = #full:optouts { limit = 1e6 }
  for i = 1, n do
    if full:handled_event { id = "e" .. i, now = 2000 } then n_handled = n_handled + 1 end
  end
  for i = 1, n_out do
    if set(i, false) then n_lifted = n_lifted + 1 end
  end
  ngx.say(n > 500, " ", n_out > 500, " ", n_kept == n, " ", n_listed == n_out, " ",
    n_handled == n, " ", n_lifted == n_out, " ", #full:optouts())
  ngx.say(full:purge { before = 2000, limit = 1 }, " ", (add("more")))
end

-- Everything that a dictionary can hold, and more.
function journal_nginx.fill()
  local full, n = journal.shared(ngx.shared.small), 0
  own = full
  while true do
    local is_mine, why = claim("order " .. n + 1, ("c"):rep(32))
    if not is_mine then
      ngx.say(why)
      break
    end
    n = n + 1
  end
  local n_kept, n_finished, n_right = full:counts().sending, 0, 0
  for i = 1, n do
    local is_done = full:finish { key = "order " .. i, claim = ("c"):rep(32), state = "accepted",
      now = 1001, message_id = ("m"):rep(36), status = 200, result = ("r"):rep(1e4) }
    if is_done then n_finished = n_finished + 1 end
  end
  for i = 1, n do
    local row = full:get("order " .. i)
    if row and row.state == "accepted" and row.message_id == ("m"):rep(36) then
      n_right = n_right + 1
    end
  end
  ngx.say(n > 500, " ", n_kept == n, " ", n_finished == n, " ", n_right == n)
  ngx.say((claim("one more", "c")))
  ngx.say(full:purge { before = 2000, limit = 1 }, " ", (claim("one more", "c")))
end

return journal_nginx
