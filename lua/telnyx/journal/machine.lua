--- What may become of a row: the one state machine of every journal, as plain functions.
---
---   (none) or free -claim-> sending            a direct send takes its key
---   queued         -claim-> sending            the same message, added to an outbox before
---   sending -finish-> accepted, rejected, unknown
---   sending -release-> free                    surely not sent, or refused for the moment;
---                      queued                  the same of a row with a body, an outbox's
---   sending -reap-> unknown                    whoever claimed it did not come back in time
---   unknown -finish-> accepted, rejected       by the claim that sent it, though late
---   unknown -settle-> accepted, rejected       by whoever has learned the truth elsewhere
---   sending -settle-> accepted                 the truth may overtake the reply
---   unknown -resend-> free, queued             a person's word, and nobody else's; free where it
---                                              is withdrawn
---
--- Nothing else leads out of unknown, and nothing out of accepted and rejected: they are purged.
--- What a person has called not sent may have been all the same, and a webhook say so later: its
--- key is for no other message.
---
--- A claim is named by whoever finishes or releases it, so who comes late cannot touch the next.
---
--- Each takes a row, or nil where there is none, and returns what it becomes, a new table, or nil
--- when that may not be. Rows have whole milliseconds for times.

local machine = {}

local function changed(row, changes)
  local new = {}
  for name, value in pairs(row) do new[name] = value end
  for name, value in pairs(changes) do new[name] = value end
  return new
end

local WAS = "was "

-- What is left when a row belongs to nobody. The claim that it had is remembered until the next:
-- what this has posted after all may be told yet.
local function without_claim(row, changes)
  local new = changed(row, changes)
  new.state = row.body and "queued" or "free"
  new.owner = WAS .. row.claim
  new.claim, new.claimed_at, new.expires = nil, nil, nil
  return new
end

---Whether a claim is the row's, or the last that it had.
---@param row table
---@param claim string
---@return boolean
function machine.is_claim_of(row, claim)
  if row.claim then return row.claim == claim end
  return row.owner == WAS .. claim
end

---Whether its key is for its message alone, though it is free: who has sent it again is remembered
---from then on.
function machine.is_kept(row) return row.settled_by ~= nil end

local function is_free_for(row, digest)
  if not row then return true end
  if row.digest == digest then return row.state == "free" or row.state == "queued" end
  return row.state == "free" and not machine.is_kept(row)
end

function machine.claim(row, c)
  if not is_free_for(row, c.digest) then return nil end
  return {
    key = c.key, state = "sending", digest = c.digest, to = c.to,
    claim = c.claim, owner = c.owner, claimed_at = c.now, expires = c.expires,
    tries = (row and row.tries or 0) + 1,
    created_at = row and row.created_at or c.now, settled_by = row and row.settled_by,
    body = row and row.body, campaign = row and row.campaign, due = row and row.due,
  }
end

---Whether this finish was done already: an answer may get lost, and then it is done again.
function machine.is_finished_so(row, f)
  return row ~= nil and row.claim == f.claim and row.state == f.state
    and row.settled_by == "worker" and row.message_id == f.message_id
    and row.status == f.status and row.result == f.result
end

function machine.finish(row, f)
  local is_open = row and (row.state == "sending" or row.state == "unknown")
  if not is_open then return machine.is_finished_so(row, f) and row or nil end
  if row.claim ~= f.claim then return nil end
  local new = changed(row, { state = f.state, settled_at = f.now, settled_by = "worker" })
  new.message_id, new.status, new.code, new.result = f.message_id, f.status, f.code, f.result
  return new
end

function machine.release(row, r)
  if not row or row.state ~= "sending" or row.claim ~= r.claim then return nil end
  return without_claim(row, { due = row.body and r.due })
end

function machine.reap(row, now)
  if row.state ~= "sending" or row.expires >= now then return nil end
  return changed(row, { state = "unknown", settled_at = now, settled_by = "reaper" })
end

-- A message may be, although a row says that none is any more.
local function may_be_there(row)
  return row.state == "sending" or row.tries > 0 and (row.state == "free" or row.state == "queued")
end

-- Of a reply that was cut it is not known yet.
local function gets_id(row, s)
  return row.state == "accepted" and not row.message_id and s.state ~= "rejected" and s.message_id
end

function machine.settle(row, s)
  local may = row and (row.state == "unknown" or may_be_there(row) and s.state == "accepted"
    or gets_id(row, s))
  if not may then return nil end
  return changed(row, { state = s.state, settled_at = s.now, settled_by = s.by,
    message_id = s.message_id, result = s.result })
end

function machine.resend(row, r)
  if not row or row.state ~= "unknown" or row.claim ~= r.claim then return nil end
  local new = without_claim(row,
    { settled_at = r.now, settled_by = r.by, due = row.body and r.now })
  if r.is_withdrawn then new.state, new.body, new.campaign, new.due = "free", nil, nil, nil end
  return new
end

---Whether the row is forgotten by `purge { before = … }`.
function machine.is_purged(row, before)
  if row.state == "free" then return row.created_at < before end
  return (row.state == "accepted" or row.state == "rejected") and row.settled_at < before
end

---Whether somebody has to find out what became of it.
function machine.is_unsettled(row, now)
  return row.state == "unknown" or (row.state == "sending" and row.expires < now)
end

---Whether it is what `find` asks for; what is nil may be anything.
function machine.is_found(row, f)
  return (not f.state or row.state == f.state) and (not f.to or row.to == f.to)
    and (not f.message_id or row.message_id == f.message_id)
    and (not f.campaign or row.campaign == f.campaign)
    and (not f.before or row.created_at <= f.before)
    and (not f.after or row.created_at > f.after)
    and (not f.settled_after or row.settled_at ~= nil and row.settled_at > f.settled_after)
end

return machine
