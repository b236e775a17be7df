-- Runs inside nginx: handlers of webhooks, and what their programs were told, for all workers to
-- see in the dictionary "told".

local cjson = require "cjson"
local telnyx = require "telnyx"
local ngx = ngx -- luacheck: ignore 113

local webhook_nginx = {}

local SOON = 0.01

local told = ngx.shared.told

local function note(event)
  told:incr("times " .. event.id, 1, 0)
  told:incr("all", 1, 0)
end

-- What a program does with an event, by the name of its handler.
local programs = {}

programs.plain = note

-- Waits until the spec says so.
function programs.gate(event)
  told:incr("waiting", 1, 0)
  while not told:get("go") do ngx.sleep(SOON) end
  note(event)
end

-- Raises the first time.
function programs.raising(event)
  if told:incr("raised " .. event.id, 1, 0) == 1 then error("on purpose") end
  note(event)
end

-- In the worker that gets it first it never ends.
function programs.deadly(event)
  local name, pid = "first " .. event.id, ngx.worker.pid()
  told:safe_add(name, pid)
  while told:get(name) == pid do ngx.sleep(SOON) end
  told:set("kind " .. event.id, event.kind)
  note(event)
end

programs.full = note

-- Long enough to be killed in.
function programs.hardy(event)
  told:incr("begun", 1, 0)
  ngx.sleep(0.05)
  note(event)
end

local OFTEN = { recover_every = 0.2, recover_after = 0.2 }

local OPTIONS = { raising = OFTEN, deadly = OFTEN, hardy = OFTEN,
  plain = { max_body_bytes = 200 * 1024 } }

local function new(name, journal)
  local options = { journal = journal, on_event = programs[name] }
  for key, value in pairs(OPTIONS[name] or {}) do options[key] = value end
  return telnyx.webhook.handler(options)
end

local handlers, journals = {}, {}

---Makes a handler, in init_worker_by_lua.
---@param name string of a program
---@param journal table|nil default: in the dictionary of that name
function webhook_nginx.make(name, journal)
  journals[name] = journal or telnyx.journal.shared(ngx.shared[name])
  handlers[name] = new(name, journals[name])
end

---Answers a webhook; its handler is made by its first request, where it was not before.
---@param name string of a program
function webhook_nginx.serve(name)
  if not handlers[name] then webhook_nginx.make(name) end
  return handlers[name]()
end

---Shows what is in "told", and sets what the query says.
function webhook_nginx.show()
  local word = ngx.var.arg_set
  if word then told:set(word, true) end
  local all = { pid = ngx.worker.pid() }
  for _, name in ipairs(told:get_keys(0)) do all[name] = told:get(name) end
  ngx.say(cjson.encode(all))
end

---What is said of options that are none.
function webhook_nginx.misuse()
  local journal = telnyx.journal.shared(ngx.shared.plain)
  for _, more in ipairs { { max_body_bytes = -1 }, { max_body_bytes = 0.5 },
    { recover_every = "1" }, { recover_after = -1 }, { recover = 1 }, { tolerance = false } } do
    more.journal = journal
    local _, why = pcall(function() telnyx.webhook.handler(more) end)
    ngx.say(why)
  end
end

---Forgets what was handled.
---@param name string of a program
function webhook_nginx.purge(name)
  ngx.say(assert(journals[name]:purge { before = ngx.now() + 0.9 }))
end

return webhook_nginx
