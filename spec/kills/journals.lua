-- The journals of a run, as each of its processes opens them.

local journal = require "telnyx.journal"

local journals = {}

-- A claim is taken for broken off so soon, so that it is while the run lasts.
local HASTE_S = 0.25

local METHODS = { "get", "claim", "finish", "release", "reap", "settle", "resend", "unsettled",
  "find", "counts", "purge" }

local OPEN = {
  sqlite = function(place) return journal.sqlite(place) end,
  postgres = function(place)
    return journal.postgres { host = place, user = "spec", dbname = "postgres" }
  end,
}

---@param kind "sqlite"|"postgres"
---@param place string a file, or the folder of a socket
---@return telnyx.journal
function journals.open(kind, place) return OPEN[kind](place) end

-- An outbox's queue, whose takes last as long as `expires_of` says.
local function queue_of(own, expires_of)
  local queue = own:queue()
  local take = queue.take
  function queue.take(self, t)
    t.expires = expires_of(t)
    return take(self, t)
  end
  return queue
end

---The same journal, with methods that may be replaced.
---@param own telnyx.journal
---@return table
function journals.wrapped(own)
  local wrapped = { queue = function() return own:queue() end }
  for _, name in ipairs(METHODS) do
    wrapped[name] = function(_, ...) return own[name](own, ...) end
  end
  return wrapped
end

---A journal as it is.
---@param own telnyx.journal
---@return telnyx.journal
function journals.patient(own) return own end

---A journal whose claims soon count as broken off.
---@param own telnyx.journal
---@return table
function journals.hasty(own)
  local hasty = journals.wrapped(own)
  function hasty.claim(_, c)
    c.expires = c.now + HASTE_S
    return own:claim(c)
  end
  function hasty.queue()
    return queue_of(own, function(t) return t.now + HASTE_S end)
  end
  return hasty
end

---A hasty journal that takes who does not come back for one who has sent nothing: what no journal
---may do.
---@param own telnyx.journal
---@return table
function journals.careless(own)
  local careless = journals.hasty(own)
  function careless.reap(_, r)
    local keys, why = own:reap(r)
    for _, key in ipairs(keys or {}) do
      local row = own:get(key)
      if row and row.claim then
        own:resend { key = key, claim = row.claim, by = "nobody", now = r.now }
      end
    end
    return keys, why
  end
  return careless
end

return journals
