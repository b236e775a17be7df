--- Carries out responses that take their time: server-sent events, and answers that wait for
-- something to happen. Each has a connection for as long as it lasts, so there is only so much
-- room, and some is kept free for the service's own requests.

local ngx = ngx -- luacheck: ignore 113

local clock = require("telnyx.sandbox.clock")
local Feed = require("telnyx.sandbox.feed")
local reply = require("telnyx.sandbox.reply")
local Rounds = require("telnyx.sandbox.rounds")

local lasting = {}

local service
local room, n_pages = 0, 0
local pages, polls = Rounds.new(), Rounds.new()

-- A comment goes out when nothing else has for so many seconds.
local HEARTBEAT, COMMENT = 15, ":\n\n"

-- What one round writes to all pages together, and to each however many there are.
local BYTES_A_ROUND, LEAST_BYTES = 4 * 1024 * 1024, 32 * 1024

-- The same for how far behind the news a page may fall: then it does better to fetch anew.
local LAG, LEAST_LAG = 100000, 1000

-- No piece of news is shorter.
local SHORTEST = 64

local function share(all, least)
  return math.max(least, math.floor(all / n_pages))
end

-- As much news as a round's share allows, and the position behind it.
local function frames_of(list, position)
  local frames, size, most = {}, 0, share(BYTES_A_ROUND, LEAST_BYTES)
  for i, entry in ipairs(list) do
    frames[i] = Feed.frame(entry, service.epoch)
    size, position = size + #frames[i], entry.position
    if size >= most then break end
  end
  return table.concat(frames), position
end

local function behind()
  local feed = service.feed
  local entry = { kind = "behind", text = "{}", position = feed.position }
  return Feed.frame(entry, service.epoch), feed.position
end

local function make_bytes(position)
  local feed = service.feed
  if feed.position - position > share(LAG, LEAST_LAG) then return behind() end
  local list = feed:since(position, math.ceil(share(BYTES_A_ROUND, LEAST_BYTES) / SHORTEST))
  if not list then return behind() end
  return frames_of(list, position)
end

-- What stands behind a position, as long as nothing new has come: most pages want the same.
local made, made_at = {}, nil

local function bytes_after(position)
  if made_at ~= service.feed.position then made, made_at = {}, service.feed.position end
  local one = made[position]
  if not one then
    one = {}
    one.bytes, one.reached = make_bytes(position)
    made[position] = one
  end
  return one.bytes, one.reached
end

-- What a client has taken is over and done with: nothing piles up for one that is slow.
local function is_taken(ok)
  return ok and ngx.flush(true)
end

-- Writes what is new for a page; false when the client is gone.
local function write_news(page)
  local bytes
  bytes, page.position = bytes_after(page.position)
  return bytes == "" or ngx.print(bytes)
end

local function follow(position)
  local page = { position = position }
  while is_taken(pages:charge(write_news, page)) do
    -- More than its share, or what came in a round that it missed while it was slow.
    if page.position < service.feed.position then pages:tell() end
    local is_woken = pages:wait(HEARTBEAT)
    if not is_woken and not is_taken(ngx.print(COMMENT)) then return end
  end
end

local function stream(response)
  ngx.status = response.status
  for name, value in pairs(response.headers) do ngx.header[name] = value end
  if is_taken(ngx.print(response.body)) then follow(response.stream.position) end
end

-- Statuses move on with time, without news: each that waits asks for the next round.
local function poll(response)
  local wait = response.wait
  local ends, found = clock.now() + wait.seconds
  repeat
    polls:tell()
    local is_woken = polls:wait(math.max(0, ends - clock.now()))
    local is_last = not is_woken and clock.now() >= ends
    found = polls:charge(wait.check, is_last)
  until found or is_last
  found = found or response
  found.headers["x-request-id"] = response.headers["x-request-id"]
  return found
end

local function no_room(response)
  return reply.refuse({ { code = "10037",
    detail = "Too many connections wait already: see `ulimit -n`." } },
    { ["retry-after"] = "1", ["x-request-id"] = response.headers["x-request-id"] })
end

-- Takes a place. The function that gives it back may be called twice: the client may be gone
-- before the end, and after it.
local function take_place(is_page)
  room, n_pages = room - 1, n_pages + (is_page and 1 or 0)
  local is_held = true
  return function()
    if not is_held then return end
    is_held, room = false, room + 1
    if is_page then n_pages = n_pages - 1 end
  end
end

---Whether a response takes its time.
---@param response telnyx.sandbox.response
---@return boolean
function lasting.has_to_wait(response)
  return response.stream ~= nil or (response.wait ~= nil and response.wait.seconds > 0)
end

---Waits with the current request. A stream is written; else what came of it is for the caller
---to write.
---@param response telnyx.sandbox.response
---@return telnyx.sandbox.response|nil
function lasting.wait(response)
  if room <= 0 then return no_room(response) end
  local leave = take_place(response.stream)
  ngx.on_abort(function()
    leave()
    ngx.exit(499)
  end)
  local ok, found = pcall(response.stream and stream or poll, response)
  leave()
  if not ok then error(found, 0) end
  -- A page that does not take what it is sent is not heard of again.
  if not found then ngx.exit(444) end
  return found
end

---Begins, once, in the worker.
---@param service_ table
---@param n_places integer how many connections may wait at once
function lasting.begin(service_, n_places)
  service, room = service_, n_places
  service.feed.on_news = function()
    pages:tell()
    polls:tell()
  end
  for _, rounds in ipairs { pages, polls } do
    assert(ngx.timer.at(0, function() rounds:run() end))
  end
end

return lasting
