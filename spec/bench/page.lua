-- One page: what a message costs, against libcurl's own HTTP driven from C, all within one run.
--
-- Every figure but that of memory is the difference of two runs that send more and fewer messages,
-- divided by that many: starting, connections and handshakes cancel out.

local measure = require("spec.bench.measure")

local HTTP, HTTPS, CA = os.getenv("BENCH_HTTP"), os.getenv("BENCH_HTTPS"), os.getenv("BENCH_CA")
local MAX_CONNECTIONS = 64 -- the client's default
local N_FEW, N_MORE_TO_COUNT, N_MORE_FOR_COST = 100, 900, 2000 -- messages
local N_ROUNDS = 3
local LUAS = { { "Lua 5.4", "lua5.4" }, { "LuaJIT", "luajit" } }

local faults = {}

-- ---- commands, with %d for how many messages ---------------------------------------------------

local function in_c(how, wire, load)
  return ("build/bench/post %s %s %%d %d %d %s"):format(how, wire.url, load.n_in_flight,
    load.n_connections, wire.ca)
end

local function in_lua(lua, wire, load)
  local ca, max_connections = wire.ca, ""
  if load.n_connections > MAX_CONNECTIONS then
    ca, max_connections = CA, load.n_connections
  end
  return ("%s spec/bench/send.lua %s %s %%d %d %s %s"):format(lua, load.how, wire.url,
    load.n_in_flight, ca, max_connections)
end

-- ---- figures of one message --------------------------------------------------------------------

-- Of what a program said, the line that begins with its name, or else all.
local function note(command, why)
  local said = tostring(why):match("lua[%w%.]*: [^\n]*") or tostring(why)
  faults[#faults + 1] = { command = command, said = said }
end

-- How many messages the two runs send: enough for all that are in flight at once.
local function counts_of(load, n_more)
  local n_few = math.max(N_FEW, load.n_in_flight)
  return n_few, n_few + math.max(n_more, load.n_in_flight)
end

local function instructions(command, load)
  local few, many = counts_of(load, N_MORE_TO_COUNT)
  local n_few, why = measure.instructions(command:format(few))
  if not n_few then return note(command, why) end
  local n_many, why_many = measure.instructions(command:format(many))
  if not n_many then return note(command, why_many) end
  return (n_many - n_few) / (many - few)
end

local function system_calls(command, load)
  local few, many = counts_of(load, N_MORE_TO_COUNT)
  local n_few, why = measure.system_calls(command:format(few))
  if not n_few then return note(command, why) end
  local n_many, why_many = measure.system_calls(command:format(many))
  if not n_many then return note(command, why_many) end
  local per_message = {}
  for name, count in pairs(n_many) do
    per_message[name] = (count - (n_few[name] or 0)) / (many - few)
  end
  return per_message
end

-- The median of some rounds, and the memory of the longer run.
local function cost(command, load)
  local few, many = counts_of(load, N_MORE_FOR_COST)
  local rounds, kib = {}, nil
  for round = 1, N_ROUNDS do
    local us_few, why = measure.cost(command:format(few))
    local us_many, kib_many = measure.cost(command:format(many))
    if not us_few or not us_many then return note(command, us_few and kib_many or why) end
    rounds[round], kib = (us_many - us_few) / (many - few), kib_many
  end
  return measure.median(rounds), kib
end

-- Two rows may ask for the same.
local known = {}

local function figures(command, load)
  local row = known[command]
  if row then return row end
  local us, kib = cost(command, load)
  local calls = us and system_calls(command, load)
  row = { us = us, kib = kib, instructions = us and instructions(command, load),
    calls = calls and calls.total, calls_by_name = calls }
  known[command] = row
  return row
end

-- ---- the table ---------------------------------------------------------------------------------

local NAME, CELL = "%-32s", "%9s %6s"

local function cell(value, base, form)
  if not value then return CELL:format("-", "") end
  local ratio = base and ("%.2f"):format(value / base) or ""
  return CELL:format(form:format(value), ratio)
end

local function thousands(value) return value and value / 1000 end

local function print_row(name, row, base)
  print(NAME:format("  " .. name)
    .. cell(thousands(row.instructions), thousands(base.instructions), "%.1f")
    .. cell(row.us, base.us, "%.1f")
    .. cell(row.calls, base.calls, "%.2f")
    .. cell(row.kib and row.kib / 1024, base.kib and base.kib / 1024, "%.1f"))
  io.flush()
end

local function print_heading()
  print(NAME:format("") .. ("%16s%16s%16s%16s"):format("instructions", "processor", "system calls",
    "memory"))
  print(NAME:format("") .. (CELL:rep(4)):format("k", "ratio", "us", "ratio", "", "ratio", "MiB",
    "ratio"))
end

local function print_section(wire, load)
  print(("\n%s, %s"):format(wire.name, load.name))
  local base = figures(in_c("multi", wire, load), load)
  local rows = { multi = base, connection = figures(in_c("connection", wire, load), load) }
  print_row("C, libcurl's HTTP (multi)", base, base)
  print_row("C, CONNECT_ONLY, least HTTP", rows.connection, base)
  for _, lua in ipairs(LUAS) do
    rows[lua[1]] = figures(in_lua(lua[2], wire, load), load)
    print_row("telnyx, " .. lua[1], rows[lua[1]], base)
  end
  return rows
end

local PLAIN = { name = "plain", url = HTTP, ca = "" }
local TLS = { name = "TLS", url = HTTPS, ca = CA }

local function load(name, how, n_in_flight, n_connections)
  return { name = name, how = how, n_in_flight = n_in_flight, n_connections = n_connections }
end

local BLOCKING = load("one after another: send", "blocking", 1, 1)
local ONE = load("1 in flight: send_all", "send_all", 1, 1)
local SOME = load("64 in flight: send_all", "send_all", 64, 64)
local STARTED = load("64 in flight: start and step", "start", 64, 64)
local MANY = load("1,024 in flight, over 64 connections: send_all", "send_all", 1024, 64)
local WIDE = load("1,024 in flight, over 1,024 connections: send_all", "send_all", 1024, 1024)

local function print_sections()
  local all = { [PLAIN] = {}, [TLS] = {} }
  for _, wire in ipairs({ PLAIN, TLS }) do
    for _, its_load in ipairs({ BLOCKING, ONE, SOME, MANY }) do
      all[wire][its_load] = print_section(wire, its_load)
    end
  end
  print_section(PLAIN, STARTED)
  print_section(PLAIN, WIDE) -- behind TLS its handshakes would take minutes under callgrind
  return all
end

-- ---- what to read from it ----------------------------------------------------------------------

local WHO = { { "multi", "C, multi" }, { "connection", "C, CONNECT_ONLY" },
  { "Lua 5.4", "Lua 5.4" }, { "LuaJIT", "LuaJIT" } }

local function list(title, form, figure)
  local parts = {}
  for _, who in ipairs(WHO) do
    local value = figure(who[1])
    parts[#parts + 1] = who[2] .. " " .. (value and form:format(value) or "-")
  end
  print(title .. ": " .. table.concat(parts, ", "))
end

local function over(a, b, combine)
  return a.instructions and b.instructions and combine(a.instructions, b.instructions)
end

local function print_calls(title, row)
  local names = {}
  for name, count in pairs(row.calls_by_name or {}) do
    if name ~= "total" and count >= 0.01 then names[#names + 1] = name end
  end
  table.sort(names, function(a, b) return row.calls_by_name[a] > row.calls_by_name[b] end)
  for i, name in ipairs(names) do names[i] = ("%s %.2f"):format(name, row.calls_by_name[name]) end
  print(title .. ": " .. (names[1] and table.concat(names, ", ") or "-"))
end

local function print_readings(all)
  list("\nInstructions with 1,024 in flight against 64, plain", "%.2f", function(who)
    return over(all[PLAIN][MANY][who], all[PLAIN][SOME][who], function(a, b) return a / b end)
  end)
  list("What TLS adds with 64 in flight, k instructions", "%.1f", function(who)
    return over(all[TLS][SOME][who], all[PLAIN][SOME][who], function(a, b)
      return (a - b) / 1000
    end)
  end)
  print_calls("System calls, Lua 5.4, plain, 64 in flight", all[PLAIN][SOME]["Lua 5.4"])
  print_calls("System calls, Lua 5.4, plain, one after another", all[PLAIN][BLOCKING]["Lua 5.4"])
end

-- ---- require -----------------------------------------------------------------------------------

local LIBRARIES = "'assert(package.loadlib([[libcurl.so.4]], [[*]])) require [[cjson.safe]]'"
local PROGRAMS = {
  { "%s, libcurl and lua-cjson", LIBRARIES },
  { "%s, telnyx", "'require [[telnyx]]'" },
}

local function once(command)
  local rounds, kib = {}, nil
  for round = 1, 15 do
    rounds[round], kib = measure.cost(command)
    if not rounds[round] then return note(command, kib) or {} end
  end
  local calls, why_calls = measure.system_calls(command)
  local count, why_count = measure.instructions(command)
  if not calls or not count then note(command, why_calls or why_count) end
  return { us = measure.median(rounds), kib = kib, calls = calls and calls.total,
    instructions = count }
end

local function print_require()
  print("\nA program that only loads")
  for _, lua in ipairs(LUAS) do
    local base
    for _, program in ipairs(PROGRAMS) do
      local row = once(lua[2] .. " -e " .. program[2])
      base = base or row
      print_row(program[1]:format(lua[1]), row, base)
    end
  end
end

-- ---- the page ----------------------------------------------------------------------------------

local function processor()
  for line in io.lines("/proc/cpuinfo") do
    local name = line:match("^model name%s*:%s*(.*)")
    if name then return name end
  end
  return "?"
end

local function print_where()
  local version = measure.first_line
  print(("%s, %s of them; Linux %s"):format(processor(), version("nproc"), version("uname -r")))
  print(version("build/bench/post"))
  print(("%s; %s; %s; %s"):format(version("lua5.4 -v"):match("^%S+ %S+"),
    version("luajit -v"):match("^%S+ %S+"), version("valgrind --version 2>/dev/null"),
    version("strace -V 2>/dev/null")))
end

local function print_faults()
  if not faults[1] then return end
  print("\nNo figure, because:")
  local is_told = {}
  for _, fault in ipairs(faults) do
    if not is_told[fault.said] then print("  " .. fault.said .. "\n    " .. fault.command) end
    is_told[fault.said] = true
  end
end

print(([[
What a message costs: the README's first message, a reply of some 0.9 KB, on loopback.
Instructions in user space by callgrind, the figure that counts; processor: user and system, median
of %d rounds; system calls by strace -f -c; memory: the most that was resident. All but memory is
for one message, from the difference of two runs. Ratios are to the first row of each block.]])
  :format(N_ROUNDS))
print_where()
print()
print_heading()
print_readings(print_sections())
print_require()
print_faults()
