-- The house, as .ci/layers.lua checks it. Rows go from the ground up: each may use only what stands
-- above it on this page.

local function words(text)
  local list = {}
  for word in text:gmatch("%S+") do list[#list + 1] = word end
  return list
end

local C = {}

-- A unit is a header and what is made from it. `below`: the rooms whose headers may be seen too, whole
-- or by the units named. `system`: the only other headers allowed; `unseen`: those that are not.
C[1] = {
  folder = "csrc/core",
  units = words([[
    tlx tlx_utf8 tlx_gsm7_table tlx_gsm7 tlx_smart_table tlx_smart tlx_plain_run tlx_segments
    tlx_outsiders tlx_savings tlx_date_time tlx_shapes tlx_message tlx_violations tlx_validate
    tlx_endpoint tlx_reply tlx_request tlx_exchange
  ]]),
  -- C99, and no clock.
  system = words([[
    assert.h ctype.h emmintrin.h float.h limits.h math.h stdarg.h stdbool.h stddef.h stdint.h
    stdio.h stdlib.h string.h
  ]]),
}

C[2] = {
  folder = "csrc/http",
  units = words("tlx_sigpipe tlx_sockets tlx_watch tlx_guard tlx_http tlx_transfer"),
  below = { ["csrc/core"] = true },
  unseen = words("lua lauxlib lualib luajit"),
}

C[3] = {
  folder = "csrc/lua",
  units = words("ltlx"),
  below = { ["csrc/core"] = true, ["csrc/http"] = words("tlx_http") },
  unseen = words("curl/"),
}

-- A file, and what it may require.
local LUA = {
  { "tables" },
  { "types" },
  { "errors/catalogue" },
  { "errors/init", "telnyx.errors.catalogue" },
  { "options", "telnyx.core" },
  { "profiles", "telnyx.core telnyx.options" },
  { "store", "telnyx.core" },

  { "resty_reply" },
  { "resty", "telnyx.core telnyx.resty_reply" },

  { "send/random", "telnyx.core" },
  { "send/retry", "telnyx.core" },
  { "send/cost", "telnyx.core telnyx.errors telnyx.tables" },
  { "send/once", "cjson.safe telnyx.errors" },
  { "send/loop", "telnyx.core" },
  { "send/life", "telnyx.core telnyx.errors telnyx.send.cost telnyx.send.once telnyx.tables" },

  { "run/pace" },
  { "run/send_all", "telnyx.run.pace" },

  { "client", [[telnyx.core telnyx.errors telnyx.options telnyx.profiles telnyx.resty
    telnyx.run.send_all telnyx.send.life telnyx.send.loop telnyx.send.once telnyx.send.random
    telnyx.send.retry telnyx.store telnyx.tables]] },
  { "init", "telnyx.client telnyx.core telnyx.errors telnyx.store" },
}

return { c = C, lua = LUA, words = words }
