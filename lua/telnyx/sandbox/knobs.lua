--- What can be turned while the service runs: plain values, each with its kind and its default.
-- A knob without a default is off until it is given a value.

local json = require("telnyx.sandbox.json")
local kinds = require("telnyx.sandbox.kinds")
local weather = require("telnyx.sandbox.weather")

local flag, seconds, one_of, whole_from = kinds.flag, kinds.seconds, kinds.one_of, kinds.whole_from

local knobs = {}

local function is_weather(value)
  return weather.of_digits(value) ~= nil,
    "the last five digits of a magic recipient, as a text (GET /sandbox/weather)"
end

---@type table<string, { kind: function, default: any }>
knobs.known = {
  -- The rules of a send.
  max_parts = { kind = whole_from(1), default = 10 },
  chunking = { kind = flag, default = false },
  recommended_parts = { kind = whole_from(1) },
  smart_encoding = { kind = flag, default = false },
  fallback_sender = { kind = kinds.number },
  refuses_own_number = { kind = flag, default = false },
  idempotency = { kind = flag, default = false },
  rate_limit = { kind = whole_from(0), default = 1000000 },

  -- The weather over who has none of his own.
  weather = { kind = is_weather },
  weather_times = { kind = whole_from(0), default = 0 },

  -- The life of a message.
  t_sent = { kind = seconds, default = 1 },
  t_finalized = { kind = seconds, default = 2 },
  no_dlr = { kind = flag, default = false },
  late_second_final = { kind = seconds, default = 0 },
  cost_after = { kind = seconds, default = 0 },
  get_404_for = { kind = seconds, default = 0 },
  not_found_code = { kind = one_of("10005", "40303"), default = "10005" },

  -- Where webhooks go, and how often.
  profile_webhook_url = { kind = kinds.url },
  profile_failover_url = { kind = kinds.url },
  url_rule = { kind = one_of("spec", "kb"), default = "spec" },
  tries_per_url = { kind = whole_from(1), default = 3 },
  backoff = { kind = seconds, default = 1 },
  failover = { kind = one_of("after_all", "at_once"), default = "after_all" },
  webhook_timeout = { kind = seconds, default = 2 },
  ok = { kind = one_of("200", "2xx"), default = "200" },
  event_fields = { kind = one_of("2026", "2024"), default = "2026" },

  -- The weather of webhooks.
  lose = { kind = whole_from(0), default = 0 },
  duplicate = { kind = whole_from(0), default = 0 },
  swap = { kind = flag, default = false },
  before_reply = { kind = flag, default = false },
  burst = { kind = whole_from(0), default = 0 },
  delay = { kind = seconds, default = 0 },
  signature = { kind = one_of("good", "wrong_key", "flipped_bit", "missing", "no_timestamp",
    "url_safe", "altered_body"), default = "good" },
  timestamp_shift = { kind = kinds.shift, default = 0 },
  unknown_events = { kind = flag, default = false },

  -- Looking up.
  mdr_lag = { kind = seconds, default = 0 },
  mdr_retention = { kind = seconds },
  mdr_hide_until_final = { kind = flag, default = false },
  quota = { kind = whole_from(0), default = 40 },
  unknown_record_filter = { kind = one_of("empty", "400"), default = "empty" },
  deliveries_lag = { kind = seconds, default = 0 },
  deliveries_retention = { kind = seconds },
  unknown_delivery_filter = { kind = one_of("ignore", "422", "empty"), default = "ignore" },
}

---The values that hold when nothing is said.
---@param given table<string, any> options, others among them
---@return table<string, any>
function knobs.values(given)
  local values = {}
  for name, knob in pairs(knobs.known) do
    values[name] = given[name]
    if values[name] == nil then values[name] = knob.default end
  end
  return values
end

---What a knob's value has to be, or nil when it is that.
---@param name string
---@param value any
---@return string|nil expected
function knobs.fault(name, value)
  local ok, expected = knobs.known[name].kind(value)
  return not ok and expected or nil
end

---The names in order.
---@return string[]
function knobs.names()
  local names = {}
  for name in pairs(knobs.known) do names[#names + 1] = name end
  table.sort(names)
  return names
end

---@param values table<string, any>
---@return table for json.encode
function knobs.object(values)
  local members = {}
  for i, name in ipairs(knobs.names()) do members[i] = { name, values[name] } end
  return json.object(members)
end

return knobs
