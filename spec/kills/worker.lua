-- Sends the whole list, again and again and each time in another order, until every message of it
-- is known to have been dealt with; unless it is killed before.
--
--   worker.lua URL KIND PLACE hasty|careless send|send_all|outbox FIRST LAST SEED
--
-- In an outbox, the list is there already.

local journals = require "spec.kills.journals"
local list = require "spec.kills.list"
local telnyx = require "telnyx"

local url, kind, place, manner, how = arg[1], arg[2], arg[3], arg[4], arg[5]
local first, last = tonumber(arg[6]), tonumber(arg[7])

math.randomseed(tonumber(arg[8]))

local client = telnyx.new {
  api_key = "KEY_SPEC", base_url = url, deadline = 5,
  journal = journals[manner](journals.open(kind, place)),
}

local function shuffled()
  local order = {}
  for i = first, last do
    local n = #order + 1
    local at = math.random(n)
    order[n] = order[at]
    order[at] = i
  end
  return order
end

-- Whether there is nothing more to do for it.
local function is_dealt_with(i, message, result)
  assert(not message or not message.text or message.text == list.key(i), "another's message")
  assert(result.kind ~= "invalid", tostring(result))
  return result.replayed
end

local ways = {}

function ways.send(order)
  local n_done = 0
  for _, i in ipairs(order) do
    local message, result = client:send(list.message(i), { key = list.key(i) })
    if is_dealt_with(i, message, result) then n_done = n_done + 1 end
  end
  return n_done
end

function ways.send_all(order)
  local n_done, messages = 0, {}
  for at, i in ipairs(order) do messages[at] = list.message(i) end
  client:send_all(messages, {
    concurrency = 4,
    key = function(at) return list.key(order[at]) end,
    on_result = function(at, message, result)
      if is_dealt_with(order[at], message, result) then n_done = n_done + 1 end
    end,
  })
  return n_done
end

-- How many messages had an end, whoever brought it about.
function ways.outbox()
  telnyx.outbox(client):run {
    concurrency = 4, poll = 0.01, until_empty = true,
    on_result = function(row, message)
      assert(not message or not message.text or message.text == row.key, "another's message")
    end,
  }
  return last - first + 1
end

repeat until ways[how](shuffled()) == last - first + 1
