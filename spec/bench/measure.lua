-- What a command costs. Each gives its figure, or nil and why there is none.

local measure = {}

local function output_of(command)
  local pipe = assert(io.popen("{ " .. command .. "; } 2>&1"))
  local text = pipe:read("*a")
  pipe:close()
  return text
end

measure.output_of = output_of

--- The first line that a command prints, or "-".
function measure.first_line(command)
  return output_of(command):match("^%s*([^\n]+)") or "-"
end

local function has(program)
  return output_of("command -v " .. program) ~= ""
end

local HAS_VALGRIND, HAS_STRACE = has("valgrind"), has("strace")

--- In user space, by callgrind.
function measure.instructions(command)
  if not HAS_VALGRIND then return nil, "there is no valgrind" end
  local text = output_of("valgrind --tool=callgrind --callgrind-out-file=/dev/null " .. command)
  local count = text:match("Collected%s*:%s*(%d+)")
  if not count or text:find("\nlua[^\n]*: ") then return nil, text end
  return tonumber(count)
end

--- By strace; a table of counts by name, with that of all as "total".
function measure.system_calls(command)
  if not HAS_STRACE then return nil, "there is no strace" end
  local file = os.tmpname()
  local said = output_of(("strace -f -c -U calls,name -o %s %s"):format(file, command))
  local counts = {}
  for line in io.lines(file) do
    local count, name = line:match("^%s*(%d+)%s+([%w_]+)%s*$")
    if name then counts[name] = tonumber(count) end
  end
  os.remove(file)
  if not counts.total or said ~= "" then return nil, said end
  return counts
end

--- Microseconds of processor, the system's share with it, and the most KiB of memory it had.
function measure.cost(command)
  local text = output_of("build/bench/cost " .. command)
  local us, kib = text:match("^(%d+) (%d+)\n$")
  if not us then return nil, text end
  return tonumber(us), tonumber(kib)
end

function measure.median(values)
  table.sort(values)
  return values[math.ceil(#values / 2)]
end

return measure
