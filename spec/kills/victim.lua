-- Sends one message under its key, and kills itself at a step of it.
--
--   victim.lua URL KIND PLACE patient|hasty KEY RECIPIENT [STEP]
--
-- A step is "before" or "after" a method of the journal, or "on the wire".

local journals = require "spec.kills.journals"
local json = require("cjson.safe").new()
local telnyx = require "telnyx"
local http = require "socket.http"

local url, kind, place, manner = arg[1], arg[2], arg[3], arg[4]
local key, to, step = arg[5], arg[6], arg[7]

local function die() os.execute("kill -9 $PPID") end

local own = journals[manner](journals.open(kind, place))
local journal = journals.wrapped(own)
for _, name in ipairs { "claim", "finish", "release" } do
  journal[name] = function(_, given)
    if step == "before " .. name then die() end
    local first, second = own[name](own, given)
    if step == "after " .. name then die() end
    return first, second
  end
end

local client = telnyx.new { api_key = "KEY_SPEC", base_url = url, journal = journal }
local pending = client:start({ from = "+18445550001", to = to, text = key }, { key = key })

local function has_arrived()
  local origin = url:match("^(.*)/v2$")
  local text = assert(http.request(origin .. "/sandbox/ledger"))
  return json.decode(text).messages[key] ~= nil
end

repeat
  client:step(0.01)
  if step == "on the wire" and has_arrived() then die() end
until pending.done
