-- The lane inside nginx: light threads that take one reference after the other.
-- Answers with a line for each: reference, id or -, outcome, outcomes of its attempts.

local telnyx = require "telnyx"
local new_random = require("spec.chaos.random").new

local IN_FLIGHT = 8

local in_nginx = {}

local function attempts_of(account)
  local list = {}
  for i, row in ipairs(account.attempts) do
    list[i] = row.outcome .. (row.stale and "*" or "")
  end
  return table.concat(list, ",")
end

local function send(client, reference, random)
  local extra = random:chance(0.02) and { ballast = ("b"):rep(200 * 1024) } or nil
  local sent, account = client:send {
    from = "+18445550001", to = "+18665550001", text = ("ref:%d"):format(reference), extra = extra,
  }
  return ("%d %s %s %s\n"):format(reference, sent and sent.id or "-", account.outcome,
    attempts_of(account))
end

--- Handles a request whose arguments are url, ca, first, last, seed, timeout and pause.
function in_nginx.serve()
  local ngx = _G.ngx -- luacheck: ignore 143
  local args = ngx.req.get_uri_args()
  local timeout, seed, pause = tonumber(args.timeout), tonumber(args.seed), tonumber(args.pause)
  local client = telnyx.new {
    api_key = "KEY0123456789ABCDEF_chaoschaos", base_url = args.url, ca_file = args.ca,
    timeout = timeout,
    deadline = 12 * timeout, retry = { base = 0.01, cap = 0.05, max_wait = 1, budget = false },
  }
  local next_reference, last, lines, threads = tonumber(args.first), tonumber(args.last), {}, {}
  local random = new_random(seed, next_reference)
  for i = 1, IN_FLIGHT do
    threads[i] = ngx.thread.spawn(function()
      while next_reference <= last do
        local reference = next_reference
        next_reference = next_reference + 1
        local line = send(client, reference, random) -- others write while it waits
        lines[#lines + 1] = line
        if pause > 0 then ngx.sleep(pause) end
      end
    end)
  end
  for _, thread in ipairs(threads) do assert(ngx.thread.wait(thread)) end
  client:close()
  ngx.print(table.concat(lines))
end

return in_nginx
