-- Where the instructions of a message go: two runs of a command under callgrind, of few and of many
-- messages, and what their difference is made of.
--
--   where.lua [COMMAND]   with %d for how many messages; by default send_all with 64 in flight

local measure = require("spec.bench.measure")

local N_FEW, N_MANY, N_ROWS = 100, 1000, 45
local command = arg[1]
  or ("lua5.4 spec/bench/send.lua send_all " .. os.getenv("BENCH_HTTP") .. " %d 64")

local function profile(n)
  local file = os.tmpname()
  local said = measure.output_of(("valgrind --tool=callgrind --callgrind-out-file=%s %s"):format(
    file, command:format(n)))
  assert(said:find("Collected"), said)
  return file
end

-- Counts by what a line of callgrind_annotate names; the same name may come more than once.
local function counts_of(file, options, name_of)
  local counts = {}
  local text = measure.output_of("callgrind_annotate --show-percs=no --threshold=100 --auto=no "
    .. options .. " " .. file)
  for line in text:gmatch("[^\n]+") do
    local count, what = line:match("^%s*([%d,]+)%s+%S-:(%S.*)$")
    if what then
      local name, n = name_of(what), tonumber((count:gsub(",", "")))
      if name then counts[name] = (counts[name] or 0) + n end
    end
  end
  return counts
end

local function object_of(what) return what:match("%[.-([^/]*)%]") or "?" end

-- Without its library, a line repeats another.
local function function_of(what)
  local name, object = what:match("^(.-)%s*%[.-([^/]*)%]")
  return name and ("%s [%s]"):format((name:gsub("'%d+", "")), object)
end

local function print_difference(title, few, many, options, name_of)
  local before, names = counts_of(few, options, name_of), {}
  local per_message = {}
  for name, count in pairs(counts_of(many, options, name_of)) do
    per_message[name] = (count - (before[name] or 0)) / (N_MANY - N_FEW)
    names[#names + 1] = name
  end
  table.sort(names, function(a, b) return per_message[a] > per_message[b] end)
  print("\n" .. title)
  for i = 1, math.min(N_ROWS, #names) do
    if per_message[names[i]] >= 100 then
      print(("%12.0f  %s"):format(per_message[names[i]], names[i]))
    end
  end
end

local few, many = profile(N_FEW), profile(N_MANY)
print("Instructions a message: " .. command)
print_difference("by library", few, many, "--inclusive=no", object_of)
print_difference("by function, its own", few, many, "--inclusive=no", function_of)
print_difference("by function, with what it calls (too much for what comes to call itself)",
  few, many, "--inclusive=yes", function_of)
os.remove(few)
os.remove(many)
