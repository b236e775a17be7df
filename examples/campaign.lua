-- Sends a message to every recipient of a CSV file, each once, and writes what became of each.
--
--   TELNYX_API_KEY=KEY… lua5.4 examples/campaign.lua --from +18445550001 people.csv results.csv
--
-- With TELNYX_BASE_URL=http://127.0.0.1:12111/v2 it goes to the sandbox (make sandbox).

local bill = require("telnyx.terminal.bill")
local campaign = require("telnyx.run.campaign")
local estimate = require("telnyx.run.estimate")
local progress = require("telnyx.terminal.progress")
local recipients = require("telnyx.run.recipients")
local results = require("telnyx.run.results")
local screen = require("telnyx.terminal.screen")
local telnyx = require("telnyx")
local twice = require("telnyx.run.twice")

local USAGE = [[
usage: lua examples/campaign.lua [OPTION …] PEOPLE.CSV RESULTS.CSV
       lua examples/campaign.lua [OPTION …] --dry-run PEOPLE.CSV

The first line of PEOPLE.CSV names its columns: "to", and any other field of a message ("text",
"from", "media_urls" with spaces between, "send_at" …), and "key", under which a message is sent
once. Without keys it is the number and whether it is the first to it, the second … All is checked
before anything is sent. Ended early, start it again: nobody gets a message twice.

  --dry-run             send nothing; say what it would be, and what is dear
  --from SENDER         for rows without "from"
  --profile-id ID       the messaging profile, for rows without "messaging_profile_id"
  --rate N              messages a second (20)
  --concurrency N       messages under way at once, at most (16)
  --max-parts N         refuse texts of more parts
  --on-ucs2 WHAT        allow, refuse or smart: replace what forces UCS-2
  --accept RULE         let through what this rule refuses; may be repeated
  --strict              refuse what there is a warning for, too
  --allow-column NAME   a column that is there, and is not read; may be repeated
  --journal FILE        where it is remembered what was sent (RESULTS.CSV.db)

Its end says how it went: 0 all were accepted, now or before; 1 some were not, or it ended early;
64 called wrongly, 65 the file is faulty, 66 a file cannot be read or written, or another campaign
is writing RESULTS.CSV, 130 Ctrl-C.]]

local OK, INCOMPLETE, MISUSED, FAULTY, NO_FILE, INTERRUPTED = 0, 1, 64, 65, 66, 130
local FAULTS_TOLD = 20

-- Where it is remembered what was sent.
local open_journal = telnyx.journal.sqlite

-- An end with words, from anywhere.
local function fail(code, words)
  error({ code = code, words = words }, 0)
end

-- What is asked ---------------------------------------------------------------------------------

local function misused(words)
  fail(MISUSED, words .. "\nlua examples/campaign.lua --help says more")
end

local function number_above_0(word)
  local number = tonumber(word)
  return number and number > 0 and number < math.huge and number, "a number above 0"
end

local function whole_number(word)
  local number = tonumber(word)
  return number and number >= 1 and number % 1 == 0 and number, "a whole number from 1 up"
end

local WAYS = { allow = "allow", refuse = "refuse", smart = "smart" }

local function way(word) return WAYS[word], "allow, refuse or smart" end

local function any(word) return word end

local function rule(word)
  local is_known, why = pcall(telnyx.validate, {}, { accept = { [word] = true } })
  if is_known then return word end
  return nil, "a rule with a way out (" .. why:match("'accept': (.*)") .. ")"
end

local OPTIONS = {
  ["--from"] = { "from", any }, ["--profile-id"] = { "profile_id", any },
  ["--rate"] = { "rate", number_above_0 }, ["--concurrency"] = { "concurrency", whole_number },
  ["--max-parts"] = { "max_parts", whole_number }, ["--on-ucs2"] = { "on_ucs2", way },
  ["--allow-column"] = { "extra", any }, ["--journal"] = { "journal", any },
  ["--accept"] = { "accept", rule },
}

local FLAGS = { ["--dry-run"] = "is_dry", ["--strict"] = "strict" }

local function read_option(asked, name, word)
  local option = OPTIONS[name] or misused("there is no option " .. name)
  if not word then misused(name .. " needs a value") end
  local value, expected = option[2](word)
  if not value then misused(("%s must be %s, not %q"):format(name, expected, word)) end
  if option[1] == "extra" then
    table.insert(asked.extra, value:lower())
  elseif option[1] == "accept" then
    asked.accept[value] = true
  else
    asked[option[1]] = value
  end
end

local function read_arguments(words)
  local asked, files, i = { rate = 20, extra = {}, accept = {} }, {}, 1
  while words[i] do
    local name, value = words[i]:match("^(%-%-[^=]+)=(.*)$")
    if words[i] == "--help" then
      fail(OK, USAGE)
    elseif FLAGS[words[i]] then
      asked[FLAGS[words[i]]] = true
    elseif words[i]:find("^%-") then
      if not name then i = i + 1 end
      read_option(asked, name or words[i - 1], value or words[i])
    else
      files[#files + 1] = words[i]
    end
    i = i + 1
  end
  if #files ~= (asked.is_dry and 1 or 2) then
    misused(asked.is_dry and "--dry-run takes one file: PEOPLE.CSV"
      or "it takes two files: PEOPLE.CSV RESULTS.CSV")
  end
  asked.people, asked.results = files[1], files[2]
  return asked
end

-- The file becomes messages ---------------------------------------------------------------------

local function heading_in_words(why)
  local advice = why:find("not allowed", 1, true) and "; --allow-column NAME allows one" or ""
  return why .. advice .. "\nnothing was sent"
end

local function rows_of(asked, read)
  local is_read = true
  local rows, why = recipients.rows(function()
    local chunk, failure = read()
    is_read = is_read and not failure
    return chunk, failure
  end, {
    name = asked.people,
    defaults = { from = asked.from, messaging_profile_id = asked.profile_id },
    extra = asked.extra,
    max_parts = asked.max_parts,
    on_ucs2 = asked.on_ucs2,
    accept = asked.accept,
    strict = asked.strict,
  })
  if not rows and is_read then fail(FAULTY, heading_in_words(why)) end
  if not rows then fail(NO_FILE, why) end
  return rows, function() return is_read end
end

local function faults_in_words(check)
  local words = {}
  for i, fault in ipairs(check.faults) do words[i] = fault end
  local n_more = check.n_faults - #words
  if n_more > 0 then words[#words + 1] = ("and %s more"):format(progress.number(n_more)) end
  words[#words + 1] = "nothing was sent"
  return table.concat(words, "\n")
end

-- One a rule, with the first that it is about.
local function tell_warnings(asked, check)
  for _, warning in ipairs(check.warnings) do
    local more = warning.n > 1 and (", and %s more"):format(progress.number(warning.n - 1)) or ""
    io.stderr:write(("%s, line %d: warning: %s (%s%s)\n"):format(asked.people, warning.line,
      warning.detail, warning.rule, more))
  end
end

-- Before anything is sent.
local function check_all(asked, people, see)
  local rows, is_read = rows_of(asked, people:first())
  local check = recipients.check(rows, FAULTS_TOLD, see)
  if check.n_faults > 0 then fail(is_read() and FAULTY or NO_FILE, faults_in_words(check)) end
  tell_warnings(asked, check)
  return check.n
end

local function require_some(asked, total)
  if total == 0 then fail(FAULTY, asked.people .. ": there is nobody in it\nnothing was sent") end
end

local function dry_run(asked, people)
  local own = estimate.new()
  require_some(asked, check_all(asked, people, function(recipient) own:add(recipient) end))
  own:finish()
  local lines = bill.lines(own, { name = asked.people, rate = asked.rate, width = screen.width(1),
    paint = screen.painter(1) })
  return OK, table.concat(lines, "\n")
end

-- What became of them ---------------------------------------------------------------------------

local function outcomes_in_words(counts, total)
  local pieces = progress.outcomes(counts)
  return ("%s of %s%s%s"):format(progress.number(counts.total), progress.number(total),
    #pieces > 0 and ": " or "", table.concat(pieces, ", "))
end

local AGAIN = "; start it again, and it goes on from there"
local NOTHING_NEW = "\nnothing was sent now, all of it was before;"
  .. " a new campaign takes another name for its results"

-- How it ended: a code and words.
local function verdict(asked, counts, total, was_read)
  local words, fault = outcomes_in_words(counts, total), counts.fault
  if counts.is_interrupted then return INTERRUPTED, "interrupted after " .. words .. AGAIN end
  if fault ~= nil then
    local is_ours = type(fault) == "table"
    return is_ours and fault.code or was_read and FAULTY or NO_FILE,
      ("%s\nended after %s%s"):format(is_ours and fault.words or tostring(fault), words, AGAIN)
  end
  if counts.stopped then
    return INCOMPLETE, ("%s\nstopped after %s%s"):format(tostring(counts.stopped), words, AGAIN)
  end
  if counts.accepted == total then
    return OK, counts.replayed == total and words .. NOTHING_NEW or words
  end
  return INCOMPLETE, words .. "; " .. asked.results .. " says why"
end

-- Raises when an option is not right or the journal cannot be had.
local function made(code, make, ...)
  local ok, result = pcall(make, ...)
  if not ok and campaign.is_interrupt(result) then error(result, 0) end
  if not ok then fail(code, (tostring(result):gsub("^[^\n]-:%d+: ", ""))) end
  return result
end

local latest -- counts and total, once something was sent

-- What comes of a file, or an end.
local function had(result, why)
  if not result then fail(NO_FILE, why) end
  return result
end

local function send_all(asked, people, client, journal, own, total)
  local rows, is_read = rows_of(asked, people:again())
  had(own:begin())
  local line = progress.new(total)
  local counts = campaign.send(client, rows, {
    journal = journal,
    rate = asked.rate,
    concurrency = asked.concurrency,
    record = function(result) had(own:add(result)) end,
    show = function(counts)
      latest = { counts, total }
      line:show(counts)
    end,
    on_trouble = function(why, err)
      line:clear()
      local words = why and (err and ("%s; %s"):format(why, tostring(err)) or why)
      io.stderr:write(words or "nothing waits for the service any more", "\n")
    end,
    on_interrupt = function()
      line:clear()
      io.stderr:write("waiting for what is under way; Ctrl-C again ends at once\n")
    end,
  })
  line:clear()
  return counts, is_read()
end

local function send(asked, people)
  local own = results.new(asked.results)
  had(own:take_early())
  local total = check_all(asked, people)
  require_some(asked, total)
  local options = { max_parts = asked.max_parts, on_ucs2 = asked.on_ucs2, accept = asked.accept,
    strict = asked.strict }
  made(MISUSED, telnyx.new, options):close() -- before a file is made
  had(own:take())
  options.journal = had(own:open_journal(asked.journal or had(own:journal_path()), function(path)
    return made(NO_FILE, open_journal, path)
  end))
  local client = made(MISUSED, telnyx.new, options)
  local counts, was_read = send_all(asked, people, client, options.journal, own, total)
  client:close()
  options.journal:close()
  own:close()
  return verdict(asked, counts, total, was_read)
end

local function main()
  local asked = read_arguments(arg)
  return (asked.is_dry and dry_run or send)(asked, had(twice.open(asked.people)))
end

-- Ctrl-C where nothing else heeds it.
local function interrupted()
  local words = latest and "interrupted after " .. outcomes_in_words(latest[1], latest[2]) .. AGAIN
  return INTERRUPTED, words or "interrupted; nothing was sent"
end

local function ended(ok, code, words)
  if ok then return code, words end
  if campaign.is_interrupt(code) then return interrupted() end
  if type(code) ~= "table" then error(code, 0) end
  return code.code, code.words
end

local code, words = ended(pcall(main))
if words then (code == OK and io.stdout or io.stderr):write(words, "\n") end
os.exit(code)
