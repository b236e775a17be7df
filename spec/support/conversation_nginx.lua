-- Runs inside nginx: a program that sends, and hears what is written back.

local cjson = require "cjson"
local telnyx = require "telnyx"
local ngx = ngx -- luacheck: ignore 113

local conversation_nginx = {}

local client, handler

-- Who asks is answered, once.
local function answer(event)
  assert(client:send({ to = event.message.from.phone_number, text = "At nine." },
    { key = "answer-" .. event.id }))
end

local function note(event, state)
  if event.kind == "received" and event.message.text == "When?" then answer(event) end
  local told = ngx.shared.told
  told:set(("%06d"):format(told:incr("n", 1, 0)), cjson.encode { kind = event.kind,
    key = event.key, message_id = event.message_id, status = state.status, optout = event.optout,
    text = event.message and event.message.text, pid = ngx.worker.pid() })
end

---What an nginx.conf has in init_by_lua: before there are workers.
---@param path string|nil of a journal in SQLite; default: in the dictionary "sent"
function conversation_nginx.init(path)
  local journal = path and telnyx.journal.sqlite(path) or telnyx.journal.shared(ngx.shared.sent)
  client = telnyx.new { journal = journal, optouts = true,
    defaults = { from = "+18445550001" } }
  handler = telnyx.webhook.handler { journal = journal, on_event = note }
end

---Answers a webhook.
function conversation_nginx.sms() return handler() end

---Sends, and says what came of it.
function conversation_nginx.send()
  ngx.req.read_body()
  local asked = cjson.decode(ngx.req.get_body_data())
  local message, err = client:send({ to = asked.to, text = asked.text,
    webhook_url = ("http://127.0.0.1:%d/sms"):format(ngx.var.server_port) }, { key = asked.key })
  if message then
    return ngx.print(cjson.encode { id = message.id, replayed = err and err.replayed })
  end
  ngx.print(cjson.encode { outcome = err.outcome, code = err.code, rule = err.rule,
    detail = err.detail, text = tostring(err) })
end

---Shows what the program was told.
function conversation_nginx.told()
  local told, list = ngx.shared.told, setmetatable({}, cjson.array_mt)
  for i = 1, told:get("n") or 0 do
    -- It is counted before it is there.
    local text = told:get(("%06d"):format(i))
    list[#list + 1] = text and cjson.decode(text)
  end
  ngx.print(cjson.encode(list))
end

---A page that has nothing to do with messages.
function conversation_nginx.page()
  ngx.header["Content-Length"] = 4
  ngx.print("here")
end

return conversation_nginx
