std = "min"
max_line_length = 100
exclude_files = { "build", "csrc/core/tables.lua" }
files["spec"] = { std = "min+busted" }
files["lua/telnyx/sandbox/front.lua"] = { globals = { "ngx" } }
files["lua/telnyx/resty*.lua"] = { globals = { "ngx" } }
