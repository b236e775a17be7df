--- News for who listens: what has happened, in order, each piece at a place of its own. It is
-- bounded; who was away for too long is told so, and never given a list with a hole in it.

local Feed = {}
Feed.__index = Feed

---@class telnyx.sandbox.news
---@field kind string
---@field text string JSON
---@field position integer

local EVENTS, BYTES = 5000, 8 * 1024 * 1024

---@param limit_events integer|nil how many are kept at most; never more than 5000
---@param limit_bytes integer|nil how many bytes of text, default 8 MiB; the newest is kept always
---@return table feed
function Feed.new(limit_events, limit_bytes)
  return setmetatable({
    position = 0, first = 1, entries = {}, bytes = 0, moot = 0,
    most = math.min(limit_events or EVENTS, EVENTS), most_bytes = limit_bytes or BYTES,
  }, Feed)
end

local function drop_oldest(self)
  local entry = self.entries[self.first]
  self.entries[self.first] = nil
  self.first = self.first + 1
  self.bytes = self.bytes - #(entry.text or "")
end

local function keep_to_bounds(self)
  while self.position - self.first >= self.most
    or self.bytes > self.most_bytes and self.first < self.position do
    drop_oldest(self)
  end
end

---Says what has happened.
---@param kind string
---@param what string|function JSON, or what writes it when somebody wants to read it
---@param ... any up to three values that it is called with
function Feed:publish(kind, what, ...)
  self.position = self.position + 1
  local entry = { kind = kind, position = self.position }
  if type(what) == "string" then
    entry.text, self.bytes = what, self.bytes + #what
  else
    entry.write, entry[1], entry[2], entry[3] = what, ...
  end
  self.entries[self.position] = entry
  keep_to_bounds(self)
  if self.on_news then self.on_news() end
end

---Says what makes all that was said before pointless: nobody is told that any more.
---@param kind string
---@param text string JSON
function Feed:begin_anew(kind, text)
  self.entries, self.bytes, self.first = {}, 0, self.position + 1
  self.moot = self.position
  return self:publish(kind, text)
end

-- The text of an entry, which is written when it is first wanted.
local function written(self, entry)
  if entry.write then
    entry.text, entry.write = entry.write(entry[1], entry[2], entry[3]), nil
    entry[1], entry[2], entry[3] = nil, nil, nil
    self.bytes = self.bytes + #entry.text
  end
  return entry
end

---What was said after a position.
---@param position integer
---@param most integer|nil how many at once
---@return telnyx.sandbox.news[]|nil list the oldest first; nil when some of it is forgotten
function Feed:since(position, most)
  if position > self.position then return nil end
  if position < self.moot then position = self.moot end
  if position + 1 < self.first then return nil end
  local list, last = {}, math.min(self.position, position + (most or math.huge))
  for place = position + 1, last do list[#list + 1] = written(self, self.entries[place]) end
  keep_to_bounds(self)
  return list
end

---A piece of news as a server-sent event.
---@param entry telnyx.sandbox.news
---@param epoch string
---@return string bytes
function Feed.frame(entry, epoch)
  return ("id: %s.%d\nevent: %s\ndata: %s\n\n")
    :format(epoch, entry.position, entry.kind, entry.text)
end

return Feed
