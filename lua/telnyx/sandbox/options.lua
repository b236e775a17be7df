--- What `sandbox.new` and `sandbox.sender` may be told: names and values, in one
-- table each. Misuse raises at once.

local kinds = require("telnyx.sandbox.kinds")
local knobs = require("telnyx.sandbox.knobs")

local options = {}

---@class telnyx.sandbox.options
---@field now fun(): number|nil epoch seconds; default the wall clock
---@field uuid fun(): string|nil
---@field segments function|nil default telnyx.core's
---@field api_keys string[]|fun(key: string): boolean|string|nil the keys that are let in, or a
-- function that says so (or gives the code of the refusal); default any that begins with KEY
---@field max_parts integer|nil how many parts the route takes; default 10
---@field chunking boolean|nil whether the messaging profile sends longer texts in pieces
-- (auto_chunk_long_messages); default false
---@field recommended_parts integer|nil what auto_detect lets through; default all
---@field smart_encoding boolean|nil the messaging profile's smart encoding; default false
---@field fallback_sender string|nil the messaging profile's number that sends to where an
-- alphanumeric sender cannot; default none
---@field refuses_own_number boolean|nil refuses a message to its own sender; default false
---@field idempotency boolean|nil heeds the header Idempotency-Key; default false
---@field rate_limit integer|nil requests per minute; default a million
---@field weather string|nil the last five digits of a magic recipient: so it is with every
-- recipient who has no weather of his own; default none
---@field weather_times integer|nil for so many posts, after which `weather` is off; default 0: it
-- stays
---@field t_sent number|nil seconds from acceptance (or `send_at`) to `sent`; default 1
---@field t_finalized number|nil the same to the final status; default 2
---@field no_dlr boolean|nil nothing comes after `sent`; default false
---@field late_second_final number|nil so many seconds after its final status, a message gets
-- another one; default 0: it does not
---@field cost_after number|nil seconds until a message shows its cost; default 0
---@field get_404_for number|nil seconds for which a new message cannot be read; default 0
---@field not_found_code "10005"|"40303"|nil of a message that is not there; default 10005
---@field signing_seed string|nil 32 bytes that webhooks are signed with; default random ones
---@field profile_webhook_url string|nil the messaging profile's; default none
---@field profile_failover_url string|nil the same; default none
---@field url_rule "spec"|"kb"|nil the profile's URLs come after the message's, or only when it has
-- none; default "spec"
---@field tries_per_url integer|nil default 3
---@field backoff number|nil seconds before the second try, and twice as many before each further
-- one; default 1
---@field failover "after_all"|"at_once"|nil when it is the next URL's turn: after all tries of
-- one, or after the first; default "after_all"
---@field webhook_timeout number|nil seconds that a receiver has to answer; default 2
---@field ok "200"|"2xx"|nil which answers are good ones; default "200"
---@field event_fields "2026"|"2024"|nil which fields events have; default "2026"
---@field lose integer|nil so many of the next events reach nobody; default 0
---@field duplicate integer|nil so many of the next events come again after their 200; default 0
---@field swap boolean|nil `message.finalized` comes before `message.sent`; default false
---@field before_reply boolean|nil events come before the reply to the POST; default false
---@field burst integer|nil events are held until there are so many; default 0
---@field delay number|nil seconds by which events come later; default 0
---@field signature string|nil "good", or what is wrong with it; default "good"
---@field timestamp_shift number|nil seconds by which `telnyx-timestamp` is off; default 0
---@field unknown_events boolean|nil each message ends in three events of odd kinds as well;
-- default false
---@field keep integer|nil how many messages, rows of the ledger, and replies under a key are
-- kept: the newest; default 100,000. Of webhook deliveries there are at most 50,000

---@field mdr_lag number|nil seconds until a message is in the detail records; default 0
---@field mdr_retention number|nil seconds for which it stays there; default: as long as it is kept
---@field mdr_hide_until_final boolean|nil detail records show no message that is under way;
-- default false
---@field quota integer|nil searches of detail records in a minute; default 40
---@field deliveries_lag number|nil seconds until a delivery is listed; default 0
---@field deliveries_retention number|nil seconds for which it is; default: as long as it is kept
---@field unknown_record_filter "empty"|"400"|nil what a filter of detail records does that is not
-- known: finds nothing, or is refused; default "empty"
---@field unknown_delivery_filter "ignore"|"422"|"empty"|nil what a filter of deliveries does that
-- is not known; default "ignore"

---@class telnyx.sandbox.sender_options: telnyx.sandbox.options
---@field api_key string|nil the key that is sent; default "KEY_SANDBOX"
---@field sleep fun(seconds: number)|nil spends the time of slow answers and of the client's
-- pauses; default: the sender's clock moves on, and nobody waits
---@field on_webhook (fun(request: table): integer|nil, table|nil, string|nil)|nil receives the
-- webhooks when time passes, and answers with a status (and headers, and a body)

local SERVICE = {
  now = kinds.func,
  uuid = kinds.func,
  segments = kinds.func,
  api_keys = kinds.keys,
  keep = kinds.whole_from(1),
  signing_seed = kinds.seed,
}
for name, knob in pairs(knobs.known) do SERVICE[name] = knob.kind end

local OF_SENDER = { api_key = kinds.visible, sleep = kinds.func, on_webhook = kinds.func }

local SENDER = {}
for name, rule in pairs(SERVICE) do SENDER[name] = rule end
for name, rule in pairs(OF_SENDER) do SENDER[name] = rule end

local SECRET = { api_key = true, api_keys = true, signing_seed = true }

---A value as an error shows it.
---@param value any
---@return string
function options.shown(value)
  if type(value) == "string" then return ("%q"):format(value) end
  if value == nil or type(value) == "number" or type(value) == "boolean" then
    return tostring(value)
  end
  return "a " .. type(value)
end

local function names_of(rules)
  local names = {}
  for name in pairs(rules) do names[#names + 1] = name end
  table.sort(names)
  return table.concat(names, ", ")
end

local function check_option(name, value, rules, level)
  local rule = rules[name]
  if not rule then
    error(("unknown sandbox option %s; known: %s"):format(options.shown(name), names_of(rules)),
      level + 1)
  end
  local ok, expected = rule(value)
  if not ok then
    local given = SECRET[name] and "a " .. type(value) or options.shown(value)
    error(("sandbox option '%s' must be %s, got %s"):format(name, expected, given), level + 1)
  end
end

-- A checked copy.
local function read(given, rules, level)
  if given == nil then return {} end
  if type(given) ~= "table" then
    error("sandbox options must be a table, got " .. options.shown(given), level + 1)
  end
  local own = {}
  for name, value in pairs(given) do
    check_option(name, value, rules, level + 1)
    own[name] = value
  end
  return own
end

---The options of `sandbox.new`, checked and copied.
---@param given telnyx.sandbox.options|nil
---@param level integer whose fault misuse is: 1 the caller's, 2 its caller's
---@return telnyx.sandbox.options
function options.service(given, level)
  local own = read(given, SERVICE, level + 1) -- a tail call would hide a level
  return own
end

---The options of `sandbox.sender`, checked and parted.
---@param given telnyx.sandbox.sender_options|nil
---@param level integer
---@return { api_key: string|nil, sleep: function|nil, on_webhook: function|nil } own
---@return telnyx.sandbox.options rest
function options.sender(given, level)
  local own, rest = {}, {}
  for name, value in pairs(read(given, SENDER, level + 1)) do
    local target = OF_SENDER[name] and own or rest
    target[name] = value
  end
  return own, rest
end

return options
