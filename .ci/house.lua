-- The house, as .ci/layers.lua checks it. Rows go from the ground up: each may use only what stands
-- above it on this page. A file without a row fails, and so does a row without a file.

-- units   headers, and the sources that belong to them, in order; a source without a header of its
--         own name belongs to the first that it includes
-- below   rooms whose headers may be included too: all of them, or those named
-- system  the only other headers allowed
-- unseen  how the names begin of headers that are not
-- back    a source and the unit above it that it includes all the same
local c = {
  {
    folder = "csrc/core",
    units = [[
      tlx tlx_ascii tlx_base64 tlx_utf8 tlx_gsm7_table tlx_gsm7 tlx_smart_table tlx_smart
      tlx_plain_run
      tlx_segments tlx_outsiders tlx_savings tlx_date_time tlx_number tlx_sender tlx_url tlx_quote
      tlx_rules tlx_findings tlx_message tlx_check tlx_validate tlx_endpoint tlx_reply tlx_request
      tlx_recipient tlx_buffer tlx_faults tlx_head tlx_chunk tlx_reader tlx_exchange
    ]],
    -- C99 without its clock.
    system = [[
      assert.h ctype.h emmintrin.h errno.h float.h limits.h math.h stdarg.h stdbool.h stddef.h
      stdint.h stdio.h stdlib.h string.h
    ]],
  },
  {
    folder = "csrc/crypto",
    units = "tlx_sha256 tlx_random tlx_ed25519",
    -- C99, and of libcrypto what is used of it.
    system = "limits.h openssl/err.h openssl/evp.h openssl/rand.h stdbool.h stddef.h string.h",
  },
  {
    folder = "csrc/http",
    units = [[
      tlx_sigpipe tlx_machine tlx_list tlx_deadlines tlx_watch tlx_record tlx_connection tlx_cause
      tlx_pool tlx_http tlx_transfer tlx_engine
    ]],
    below = { ["csrc/core"] = true },
    unseen = "lua lauxlib openssl/",
  },
  {
    folder = "csrc/lua",
    units = "ltlx_libpq ltlx ltlx_client",
    below = {
      ["csrc/core"] = true, ["csrc/crypto"] = true, ["csrc/http"] = "tlx_machine tlx_http",
    },
    unseen = "curl/ openssl/",
  },
}

-- A file of lua/telnyx, and what it may require.
local lua = {
  { "types" },
  { "tables" },
  { "moments" },
  { "interrupt" },
  { "rules", "telnyx.core" },
  { "fields", "telnyx.core telnyx.tables" },
  { "options", "telnyx.core telnyx.rules telnyx.tables" },
  { "profiles", "telnyx.core telnyx.options" },
  { "errors/catalogue" },
  { "errors/secrets" },
  { "errors/line", "telnyx.errors.secrets" },
  { "errors/init", [[
    telnyx.errors.catalogue telnyx.errors.line telnyx.errors.secrets telnyx.rules
  ]] },

  { "resty", "ngx.semaphore telnyx.core" },

  { "send/random", "telnyx.core" },
  { "journal/arguments", "telnyx.core" },
  { "journal/machine" },
  { "journal/object", "telnyx.core telnyx.journal.arguments" },
  { "journal/events" },
  { "journal/optouts" },
  { "journal/inbox_rows", "telnyx.journal.events telnyx.journal.optouts" },
  { "journal/rows", "telnyx.journal.inbox_rows telnyx.journal.machine" },
  { "journal/memory", "telnyx.journal.rows" },
  { "journal/record" },
  { "journal/lock", "telnyx.core" },
  { "journal/shared", "telnyx.journal.lock telnyx.journal.record telnyx.journal.rows" },
  { "journal/inbox_statements" },
  { "journal/statements", "telnyx.journal.inbox_statements" },
  { "journal/queue", "telnyx.journal.arguments telnyx.journal.statements" },
  { "journal/commits" },
  { "journal/schema" },
  { "journal/inbox_sql", "telnyx.core telnyx.journal.optouts" },
  { "journal/sql", [[
    telnyx.interrupt telnyx.journal.commits telnyx.journal.inbox_sql telnyx.journal.machine
    telnyx.journal.queue telnyx.journal.schema telnyx.journal.statements
  ]] },
  { "journal/dbi", "telnyx.core telnyx.interrupt telnyx.send.random" },
  { "journal/sqlite", "dbd.sqlite3 telnyx.core telnyx.journal.dbi telnyx.journal.sql" },
  { "journal/conninfo" },
  { "journal/libpq", "telnyx.core telnyx.journal.statements" },
  { "journal/postgres", [[
    telnyx.core telnyx.errors.secrets telnyx.journal.conninfo telnyx.journal.dbi
    telnyx.journal.libpq telnyx.journal.schema telnyx.journal.sql telnyx.journal.statements
    telnyx.send.random
  ]] },
  { "journal/init", [[
    telnyx.journal.memory telnyx.journal.object telnyx.journal.postgres telnyx.journal.schema
    telnyx.journal.shared telnyx.journal.sql telnyx.journal.sqlite
  ]] },

  { "after/inquiries" },
  { "after/status" },
  { "after/group", [[
    cjson.safe telnyx.after.status telnyx.core telnyx.errors telnyx.rules telnyx.tables
  ]] },

  { "send/retry", "telnyx.core" },
  { "send/reference", "cjson.safe telnyx.core telnyx.tables" },
  { "send/cost", "telnyx.core telnyx.errors telnyx.rules telnyx.tables" },
  { "send/once", [[
    cjson.safe telnyx.core telnyx.errors telnyx.interrupt telnyx.journal.machine telnyx.moments
    telnyx.rules telnyx.tables
  ]] },
  { "after/event", [[
    cjson.safe telnyx.after.status telnyx.moments telnyx.send.reference telnyx.tables
  ]] },
  { "after/verify", "telnyx.after.event telnyx.core" },
  { "after/reduce", "telnyx.after.status" },
  { "after/receiver", [[
    telnyx.after.event telnyx.after.reduce telnyx.after.verify telnyx.core telnyx.interrupt
    telnyx.send.once
  ]] },
  { "after/handler", "telnyx.after.receiver" },
  { "webhook", [[
    telnyx.after.event telnyx.after.handler telnyx.after.receiver telnyx.after.reduce
    telnyx.after.verify
  ]] },
  { "after/search", "telnyx.after.inquiries telnyx.moments telnyx.send.reference" },
  { "after/settle", [[
    telnyx.after.event telnyx.after.search telnyx.core telnyx.send.once
  ]] },
  { "send/guard", "telnyx.core" },
  { "send/tasks", "telnyx.core" },
  { "send/news", "telnyx.core" },
  { "send/rounds", "telnyx.send.tasks" },
  { "send/loop", [[
    telnyx.core telnyx.send.guard telnyx.send.news telnyx.send.rounds telnyx.send.tasks
  ]] },
  { "send/life", [[
    telnyx.core telnyx.errors telnyx.interrupt telnyx.rules telnyx.send.cost telnyx.send.once
    telnyx.send.reference telnyx.send.retry telnyx.tables
  ]] },
  { "send/engine", [[
    telnyx.core telnyx.errors telnyx.errors.secrets telnyx.journal telnyx.resty telnyx.send.guard
    telnyx.send.life telnyx.send.loop telnyx.send.once telnyx.send.random
  ]] },

  { "run/allowance" },
  { "run/pace", "telnyx.core" },
  { "run/fatal" },
  { "run/stored", "cjson.safe telnyx.core telnyx.tables" },
  { "run/lanes", "telnyx.run.pace" },
  { "run/slowing" },
  { "run/window" },
  { "run/trouble" },
  { "run/learned", "telnyx.run.slowing telnyx.run.trouble" },
  { "run/turns", [[
    telnyx.core telnyx.errors.catalogue telnyx.run.allowance telnyx.run.learned
    telnyx.run.trouble
  ]] },
  { "run/outlook", "telnyx.send.once" },
  { "run/send_all", [[
    telnyx.core telnyx.run.allowance telnyx.run.fatal telnyx.run.lanes telnyx.run.pace
    telnyx.run.trouble telnyx.run.turns telnyx.run.window telnyx.send.retry telnyx.tables
  ]] },
  { "run/debts", "telnyx.core telnyx.send.once" },
  { "run/demand" },
  { "run/patience" },
  { "run/worker", [[
    telnyx.core telnyx.run.allowance telnyx.run.debts telnyx.run.demand telnyx.run.fatal
    telnyx.run.lanes telnyx.run.patience telnyx.run.trouble telnyx.run.window telnyx.send.once
    telnyx.send.retry
  ]] },
  { "run/outbox", "telnyx.core telnyx.errors telnyx.rules telnyx.run.worker telnyx.send.once" },
  { "run/csv", "telnyx.core" },
  { "run/twice", "telnyx.core" },
  { "run/recipients", [[
    telnyx.core telnyx.options telnyx.run.csv telnyx.send.cost telnyx.tables
  ]] },
  { "run/estimate", "telnyx.core telnyx.run.pace" },
  { "run/results", "telnyx.core telnyx.run.csv" },
  { "run/campaign", "telnyx.core telnyx.interrupt" },

  { "client", [[
    telnyx.after.group telnyx.after.inquiries telnyx.after.settle telnyx.core telnyx.fields
    telnyx.options telnyx.profiles telnyx.run.outbox telnyx.run.outlook telnyx.run.pace
    telnyx.run.send_all telnyx.run.stored telnyx.send.cost telnyx.send.engine telnyx.send.life
    telnyx.send.reference telnyx.send.retry telnyx.tables
  ]] },
  { "init", [[
    telnyx.client telnyx.core telnyx.errors telnyx.fields telnyx.journal telnyx.options
    telnyx.rules telnyx.webhook
  ]] },

  -- What commands show to people.
  { "terminal/cells" },
  { "terminal/screen" },
  { "terminal/progress", "telnyx.core telnyx.terminal.cells telnyx.terminal.screen" },
  { "terminal/bill", "telnyx.terminal.cells telnyx.terminal.progress" },

  -- A house of its own: of the other, it knows the core.
  { "sandbox/json", "cjson.safe" },
  { "sandbox/clock", "telnyx.core" },
  { "sandbox/utf8" },
  { "sandbox/random" },
  { "sandbox/uuid", "telnyx.sandbox.random" },
  { "sandbox/ring" },
  { "sandbox/queue" },
  { "sandbox/phones/feed" },
  { "sandbox/base64" },
  { "sandbox/sample", "telnyx.sandbox.base64" },
  { "sandbox/key", "telnyx.sandbox.base64 telnyx.sandbox.utf8" },
  { "sandbox/phones/list", "telnyx.sandbox.queue" },
  { "sandbox/phones/index", "telnyx.sandbox.phones.list telnyx.sandbox.queue" },
  { "sandbox/heap" },
  { "sandbox/limiter" },
  { "sandbox/addresses" },
  { "sandbox/url" },
  { "sandbox/timestamp" },
  { "sandbox/replay" },
  { "sandbox/errors", "telnyx.sandbox.json" },
  { "sandbox/weather", "telnyx.sandbox.clock telnyx.sandbox.errors" },
  { "sandbox/kinds", "telnyx.sandbox.addresses telnyx.sandbox.url telnyx.sandbox.utf8" },
  { "sandbox/body", "telnyx.sandbox.json telnyx.sandbox.utf8" },
  { "sandbox/knobs", "telnyx.sandbox.json telnyx.sandbox.kinds telnyx.sandbox.weather" },
  { "sandbox/options", "telnyx.sandbox.kinds telnyx.sandbox.knobs" },
  { "sandbox/query", "telnyx.sandbox.json telnyx.sandbox.timestamp telnyx.sandbox.utf8" },
  { "sandbox/endpoints" },
  { "sandbox/chunks" },
  { "sandbox/schema", "telnyx.sandbox.json" },
  { "sandbox/reference", "telnyx.sandbox.utf8" },
  { "sandbox/reply", "telnyx.sandbox.errors telnyx.sandbox.json" },
  { "sandbox/validate", [[
    telnyx.sandbox.addresses telnyx.sandbox.schema telnyx.sandbox.timestamp telnyx.sandbox.url
  ]] },
  { "sandbox/message", "telnyx.sandbox.clock telnyx.sandbox.errors telnyx.sandbox.json" },
  { "sandbox/phones/summary", [[
    telnyx.sandbox.clock telnyx.sandbox.errors telnyx.sandbox.phones.index telnyx.sandbox.json
    telnyx.sandbox.message
  ]] },
  { "sandbox/phones/news", [[
    telnyx.sandbox.phones.index telnyx.sandbox.json telnyx.sandbox.knobs
    telnyx.sandbox.phones.summary
  ]] },
  { "sandbox/outcome", "telnyx.sandbox.errors telnyx.sandbox.message telnyx.sandbox.phones.news" },
  { "sandbox/phones/waiting" },
  { "sandbox/phones/bill", "telnyx.sandbox.addresses telnyx.sandbox.json" },
  { "sandbox/phones/attempt", "telnyx.sandbox.clock telnyx.sandbox.json telnyx.sandbox.utf8" },
  { "sandbox/phones/filters", [[
    telnyx.sandbox.clock telnyx.sandbox.phones.index telnyx.sandbox.query
    telnyx.sandbox.phones.summary
  ]] },
  { "sandbox/phones/find", [[
    telnyx.sandbox.phones.filters telnyx.sandbox.phones.index telnyx.sandbox.queue
  ]] },
  { "sandbox/signing", "telnyx.core telnyx.sandbox.random" },
  { "sandbox/optouts" },
  { "sandbox/inbound", [[
    telnyx.sandbox.addresses telnyx.sandbox.clock telnyx.sandbox.json telnyx.sandbox.message
    telnyx.sandbox.optouts telnyx.sandbox.url telnyx.sandbox.utf8
  ]] },
  { "sandbox/replies", "telnyx.sandbox.inbound telnyx.sandbox.message" },
  { "sandbox/events", [[
    telnyx.sandbox.clock telnyx.sandbox.inbound telnyx.sandbox.json telnyx.sandbox.message
  ]] },
  { "sandbox/deliveries", [[
    telnyx.sandbox.events telnyx.sandbox.heap telnyx.sandbox.ring telnyx.sandbox.signing
  ]] },
  { "sandbox/records", [[
    telnyx.sandbox.clock telnyx.sandbox.events telnyx.sandbox.inbound telnyx.sandbox.json
    telnyx.sandbox.message telnyx.sandbox.query
  ]] },
  { "sandbox/forecast", "telnyx.sandbox.errors telnyx.sandbox.json telnyx.sandbox.message" },
  { "sandbox/store", "telnyx.sandbox.phones.index telnyx.sandbox.json telnyx.sandbox.ring" },
  { "sandbox/routes/send", [[
    telnyx.sandbox.body telnyx.sandbox.chunks telnyx.sandbox.endpoints telnyx.sandbox.forecast
    telnyx.sandbox.key telnyx.sandbox.message telnyx.sandbox.reference telnyx.sandbox.replay
    telnyx.sandbox.reply telnyx.sandbox.validate telnyx.sandbox.weather
  ]] },
  { "sandbox/routes/messages", [[
    telnyx.sandbox.inbound telnyx.sandbox.json telnyx.sandbox.message telnyx.sandbox.phones.news
    telnyx.sandbox.reply
  ]] },
  { "sandbox/routes/records", [[
    telnyx.sandbox.clock telnyx.sandbox.json telnyx.sandbox.query telnyx.sandbox.records
    telnyx.sandbox.reply
  ]] },
  { "sandbox/routes/deliveries", [[
    telnyx.sandbox.clock telnyx.sandbox.events telnyx.sandbox.json telnyx.sandbox.message
    telnyx.sandbox.query telnyx.sandbox.reply telnyx.sandbox.utf8
  ]] },
  { "sandbox/routes/optouts", "telnyx.sandbox.json telnyx.sandbox.query telnyx.sandbox.reply" },
  { "sandbox/routes/control", [[
    telnyx.sandbox.body telnyx.sandbox.inbound telnyx.sandbox.json telnyx.sandbox.knobs
    telnyx.sandbox.message telnyx.sandbox.outcome telnyx.sandbox.query telnyx.sandbox.replies
    telnyx.sandbox.reply
  ]] },
  { "sandbox/routes/webhooks", [[
    telnyx.sandbox.clock telnyx.sandbox.json telnyx.sandbox.query telnyx.sandbox.reply
    telnyx.sandbox.phones.attempt telnyx.sandbox.phones.waiting
  ]] },
  { "sandbox/routes/media", [[
    telnyx.sandbox.json telnyx.sandbox.query telnyx.sandbox.random telnyx.sandbox.reply
    telnyx.sandbox.sample
  ]] },
  { "sandbox/routes/weather", [[
    telnyx.sandbox.json telnyx.sandbox.query telnyx.sandbox.reply telnyx.sandbox.weather
  ]] },
  { "sandbox/routes/conversations", [[
    telnyx.sandbox.phones.bill telnyx.sandbox.clock telnyx.sandbox.deliveries
    telnyx.sandbox.phones.filters telnyx.sandbox.phones.find telnyx.sandbox.inbound
    telnyx.sandbox.json telnyx.sandbox.message telnyx.sandbox.query telnyx.sandbox.reply
    telnyx.sandbox.phones.attempt telnyx.sandbox.phones.summary telnyx.sandbox.phones.waiting
  ]] },
  { "sandbox/routes/phones", [[
    telnyx.sandbox.clock telnyx.sandbox.json telnyx.sandbox.query telnyx.sandbox.reply
    telnyx.sandbox.phones.summary
  ]] },
  { "sandbox/routes/live", [[
    telnyx.sandbox.clock telnyx.sandbox.phones.feed telnyx.sandbox.json telnyx.sandbox.knobs
    telnyx.sandbox.query telnyx.sandbox.reply
  ]] },
  { "sandbox/routes/page", "telnyx.sandbox.reply" },
  { "sandbox/refusals", [[
    telnyx.sandbox.clock telnyx.sandbox.json telnyx.sandbox.ring telnyx.sandbox.utf8
  ]] },
  { "sandbox/routes/refusals", [[
    telnyx.sandbox.json telnyx.sandbox.query telnyx.sandbox.reply
  ]] },
  { "sandbox/service", [[
    telnyx.core telnyx.sandbox.clock telnyx.sandbox.deliveries telnyx.sandbox.errors
    telnyx.sandbox.inbound telnyx.sandbox.json telnyx.sandbox.knobs telnyx.sandbox.limiter
    telnyx.sandbox.options telnyx.sandbox.optouts telnyx.sandbox.outcome
    telnyx.sandbox.phones.feed telnyx.sandbox.phones.filters telnyx.sandbox.phones.find
    telnyx.sandbox.phones.news telnyx.sandbox.phones.summary telnyx.sandbox.random
    telnyx.sandbox.refusals telnyx.sandbox.replies telnyx.sandbox.reply telnyx.sandbox.ring
    telnyx.sandbox.routes.control telnyx.sandbox.routes.conversations
    telnyx.sandbox.routes.deliveries telnyx.sandbox.routes.live telnyx.sandbox.routes.media
    telnyx.sandbox.routes.messages telnyx.sandbox.routes.optouts telnyx.sandbox.routes.page
    telnyx.sandbox.routes.phones telnyx.sandbox.routes.records telnyx.sandbox.routes.refusals
    telnyx.sandbox.routes.send telnyx.sandbox.routes.weather telnyx.sandbox.routes.webhooks
    telnyx.sandbox.store telnyx.sandbox.uuid telnyx.sandbox.weather
  ]] },
  { "sandbox/phones/nearest", [[telnyx.sandbox.phones.filters telnyx.sandbox.json
    telnyx.sandbox.utf8]] },
  { "sandbox/phones/inbox", [[
    telnyx.core telnyx.sandbox.json telnyx.sandbox.options telnyx.sandbox.phones.filters
    telnyx.sandbox.phones.nearest telnyx.sandbox.phones.summary
  ]] },
  { "sandbox/sender", [[
    telnyx.core telnyx.sandbox.clock telnyx.sandbox.phones.inbox telnyx.sandbox.json
    telnyx.sandbox.options telnyx.sandbox.service
  ]] },
  { "sandbox/init", "telnyx.sandbox.sender telnyx.sandbox.service telnyx.sandbox.weather" },
  { "sandbox/nginx/loopback" },
  { "sandbox/nginx/poster", "telnyx.sandbox.nginx.loopback" },
  { "sandbox/nginx/visitor", "telnyx.sandbox.nginx.loopback" },
  { "sandbox/nginx/rounds", "ngx.semaphore" },
  { "sandbox/nginx/lasting", [[
    telnyx.sandbox.clock telnyx.sandbox.phones.feed telnyx.sandbox.reply
    telnyx.sandbox.nginx.rounds
  ]] },
  { "sandbox/nginx/front", [[
    telnyx.sandbox.nginx.poster telnyx.sandbox.reply telnyx.sandbox.service
    telnyx.sandbox.nginx.visitor telnyx.sandbox.nginx.lasting
  ]] },
  { "sandbox/nginx/configuration", [[
    telnyx.core telnyx.sandbox.nginx.front telnyx.sandbox.nginx.loopback
  ]] },
  { "sandbox/serve", "telnyx.sandbox.nginx.configuration" },
}

return { c = c, lua = lua }
