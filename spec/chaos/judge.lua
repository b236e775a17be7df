-- Compares what the senders reported with what the server's ledger holds.

local id_of = require("spec.chaos.weather").id_of

local Judge = {}
Judge.__index = Judge

-- What must never be, in the order of the table.
local CRIMES = {
  { "twice", "accepted more than once" },
  { "denied", "said not sent or rejected, but accepted" },
  { "invented", "said accepted, but not accepted" },
  { "anothers", "said accepted with another's id" },
  { "silent", "never reported, or reported twice" },
  { "extra", "more requests than attempts reported begun" },
}

local OUTCOMES = { "accepted", "rejected", "not_sent", "unknown" }

local function new(first, last)
  return setmetatable({ first = first, last = last, told = {}, times = {} }, Judge)
end

-- Attempts that may have put a request on the wire.
local function begun(attempts)
  if not attempts then return nil end
  local n_begun = 0
  for _, row in ipairs(attempts) do
    if row.outcome ~= "not_sent" then n_begun = n_begun + 1 end
  end
  return n_begun
end

local function was_stale(account)
  if account.stale then return true end
  for _, row in ipairs(account.attempts or {}) do
    if row.stale then return true end
  end
  return false
end

--- Takes what a send returned.
function Judge:hear(reference, sent, account)
  self.times[reference] = (self.times[reference] or 0) + 1
  local outcome = sent and "accepted" or account.outcome
  self.told[reference] = {
    outcome = outcome,
    id = type(sent) == "table" and sent.id or nil,
    begun = begun(account.attempts) or (outcome == "not_sent" and 0 or 1),
    was_stale = was_stale(account),
  }
end

local NOTHING = { received = 0, accepted = 0 }

-- What came just before a request, and was not there when the client looked, passes for its reply.
local function crime_of(reference, told, times, row)
  if row.has_raced then return nil end
  if row.accepted > 1 then return "twice" end
  if times ~= 1 then return "silent" end
  local outcome = told.outcome
  if row.accepted == 1 and (outcome == "not_sent" or outcome == "rejected") then return "denied" end
  if row.accepted == 0 and outcome == "accepted" then return "invented" end
  if told.id and told.id ~= id_of(reference) then return "anothers" end
  if row.received > told.begun then return "extra" end
end

--- Counts by outcome, by crime, of stale ones and of unknown ones that were accepted.
function Judge:count(ledger)
  local counts = { sends = 0, stale = 0, stale_accepted = 0, unknown_accepted = 0, accepted = 0 }
  for reference = self.first, self.last do
    local told, row = self.told[reference] or {}, ledger[reference] or NOTHING
    local crime = crime_of(reference, told, self.times[reference], row)
    counts.sends = counts.sends + 1
    if row.has_raced then counts.raced = (counts.raced or 0) + 1 end
    if crime then counts[crime] = (counts[crime] or 0) + 1 end
    if told.outcome then counts[told.outcome] = (counts[told.outcome] or 0) + 1 end
    if told.outcome == "unknown" then
      counts.unknown_accepted = counts.unknown_accepted + row.accepted
    end
    if told.was_stale then
      counts.stale = counts.stale + 1
      if told.outcome == "accepted" then counts.stale_accepted = counts.stale_accepted + 1 end
    end
  end
  return counts
end

return { new = new, CRIMES = CRIMES, OUTCOMES = OUTCOMES }
