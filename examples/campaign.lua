-- Sends one text to every recipient of a CSV file, and writes what became of each.
--
--   TELNYX_API_KEY=KEY… lua5.4 examples/campaign.lua FROM recipients.csv results.csv [RATE]
--
-- recipients.csv: one message a line, "to,text"; a line that begins with "to" is a heading.
-- Interrupted (Ctrl-C, a crash), start it again: what is recorded in results.csv.db
-- is told again, not sent again. RATE is messages a second (default 20).
-- With TELNYX_BASE_URL=http://127.0.0.1:12111/v2 it goes to the sandbox (make sandbox).

local telnyx = require("telnyx")

local from, in_path, out_path, rate = arg[1], arg[2], arg[3], tonumber(arg[4] or 20)
if not out_path or not rate then
  io.stderr:write("usage: lua examples/campaign.lua FROM recipients.csv results.csv [RATE]\n")
  os.exit(64)
end

-- One field and what follows it; a quoted field may hold commas and doubled quotes.
local function field(line, start)
  if line:sub(start, start) ~= '"' then
    local stop = line:find(",", start, true) or #line + 1
    return line:sub(start, stop - 1), stop + 1
  end
  local stop = start
  repeat
    stop = line:find('"', stop + 1, true)
    if stop and line:sub(stop + 1, stop + 1) == '"' then stop = stop + 1 else break end
  until false
  if not stop then return line:sub(start + 1), #line + 2 end
  return (line:sub(start + 1, stop - 1):gsub('""', '"')), stop + 2
end

local function quoted(text)
  return '"' .. tostring(text):gsub('"', '""') .. '"'
end

local function give_up(message)
  io.stderr:write(message, "\n")
  os.exit(66)
end

local function count_lines(path)
  local file, why = io.open(path)
  if not file then give_up(why) end
  file:close()
  local n = 0
  for line in io.lines(path) do
    if line ~= "" and not line:find("^to,") then n = n + 1 end
  end
  return n
end

local function rows(path)
  local lines = io.lines(path)
  return function()
    for line in lines do
      line = line:gsub("\r$", "")
      if line ~= "" and not line:find("^to,") then
        local to, rest = field(line, 1)
        return { from = from, to = to, text = (field(line, rest)) }
      end
    end
  end
end

-- A terminal gets one line that is drawn over and over; a log gets one every so often.
local function progress(total)
  local probe = io.popen("test -t 2 && echo tty 2>/dev/null; true")
  local is_terminal = os.getenv("TERM") and probe and probe:read("*l") == "tty"
  if probe then probe:close() end
  local started, last, n = os.time(), 0, 0
  local counts = { accepted = 0, rejected = 0, not_sent = 0, unknown = 0 }
  return function(outcome)
    n = n + 1
    counts[outcome] = counts[outcome] + 1
    local now = os.time()
    if now == last and n < total then return end
    last = now
    local per_second = n / math.max(1, now - started)
    local line = ("%d/%d  %.0f/s  %.0f s left  accepted %d  rejected %d  not sent %d  unknown %d")
      :format(n, total, per_second, (total - n) / per_second, counts.accepted, counts.rejected,
        counts.not_sent, counts.unknown)
    io.stderr:write(is_terminal and "\r\27[K" or "", line, is_terminal and "" or "\n")
    if is_terminal and n == total then io.stderr:write("\n") end
  end
end

local journal = telnyx.journal.sqlite(out_path .. ".db")
local client = telnyx.new({ journal = journal })
local results = assert(io.open(out_path, "w"))
local show = progress(count_lines(in_path))

local to_of, n_of = {}, {}
local counts = client:send_all(rows(in_path), {
  rate = rate,
  concurrency = 16,
  -- The first to this number, the second …: one that was sent with another text is refused.
  key = function(index, message)
    local to = message.to
    to_of[index], n_of[to] = to, (n_of[to] or 0) + 1
    return to .. " " .. n_of[to]
  end,
  on_result = function(index, message, result)
    local outcome = message and "accepted" or result.outcome
    local detail = message and message.id or tostring(result)
    results:write(("%d,%s,%s,%s\n"):format(index, quoted(to_of[index]), outcome, quoted(detail)))
    results:flush()
    to_of[index] = nil
    show(outcome)
  end,
})

results:close()
journal:close()
client:close()
if counts.stopped then
  io.stderr:write("stopped: ", tostring(counts.stopped), "\n")
  os.exit(1)
end
print(("%d accepted, %d rejected, %d not sent, %d unknown"):format(counts.accepted,
  counts.rejected, counts.not_sent, counts.unknown))
