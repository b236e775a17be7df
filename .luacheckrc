std = "min"
max_line_length = 100
exclude_files = { "build", "csrc/core/tables.lua", "examples/hosts/prosody/prosody.cfg.lua" }
files["spec"] = { std = "min+busted" }
files["lua/telnyx/sandbox/front.lua"] = { globals = { "ngx" } }
files["lua/telnyx/resty*.lua"] = { globals = { "ngx" } }
files["examples/testing"] = { std = "min+busted" }
files["examples/hosts/freeswitch"] = { read_globals = { "argv", "freeswitch" } }
files["examples/hosts/haproxy"] = { read_globals = { "core" } }
files["examples/hosts/kamailio"] = { read_globals = { "KSR" }, globals = { "text" } }
files["examples/hosts/love"] = { globals = { "love" } }
files["examples/hosts/prosody"] = { globals = { "module" } }
