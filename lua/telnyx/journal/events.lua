--- What a row of a webhook event is asked, whatever keeps it. A row is there from when the event
--- came, and says when it was handled; times are whole milliseconds.

local events = {}

---Whether nobody has said that it was handled, and it came by then.
function events.is_waiting(row, before)
  return not row.handled_at and row.received_at <= before
end

---Whether the row is forgotten by `purge { before = … }`.
function events.is_purged(row, before) return row.handled_at ~= nil and row.received_at < before end

---Whether it is what `events` asks for; what is nil may be anything.
function events.is_found(row, f)
  return (not f.message_id or row.message_id == f.message_id) and (not f.key or row.key == f.key)
end

-- Events come in any order, and some without a time of their own.
local function time_of(row) return row.at or row.received_at end

---By when it happened.
function events.is_earlier(a, b)
  if time_of(a) ~= time_of(b) then return time_of(a) < time_of(b) end
  return events.is_received_earlier(a, b)
end

---By when it came.
function events.is_received_earlier(a, b)
  if a.received_at ~= b.received_at then return a.received_at < b.received_at end
  return a.id < b.id
end

return events
