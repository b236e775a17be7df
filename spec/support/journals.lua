-- The journals, each empty, for specs that go through all of them.

local cjson = require "cjson"
local driver = require "dbd.sqlite3"
local journal = require "telnyx.journal"
local nginx = require "spec.support.nginx"
local postgres = require "spec.support.postgres"
local sandbox = require "spec.support.sandbox"

local journals = {}

---@class journals.candidate
---@field name string
---@field start fun()|nil once, before its specs
---@field stop fun()|nil
---@field open fun(): telnyx.journal a new, empty one
---@field queue fun(journal, row: table)|nil puts a row there as an outbox does: queued, with a body
---@field keeps_results boolean
---@field is_remote boolean|nil in another process: what is raised there is not raised here

-- What an outbox's row has: times in whole milliseconds.
local function queued(row)
  return { key = row.key, state = "queued", digest = row.digest, to = row.to, body = "{}",
    campaign = "autumn", due = row.due * 1000, tries = 0, created_at = row.created_at * 1000 }
end

journals.memory = {
  name = "memory",
  keeps_results = true,
  open = journal.memory,
  queue = function(own, row) own.keeper.store.rows[row.key] = queued(row) end,
}

-- What an outbox's row is in a database.
local QUEUED = [[
INSERT INTO telnyx_send (key, state, digest, recipient, sender, body, campaign, due, ord, tries,
  created_at)
VALUES ('%s', 'queued', '%s', '%s', '', '{}', 'autumn', %.0f, 1, 0, %.0f)]]

---The statement that puts such a row there.
function journals.insert(row)
  return QUEUED:format(row.key:gsub("'", "''"), row.digest, row.to, row.due * 1000,
    row.created_at * 1000)
end

-- SQLite ------------------------------------------------------------------------------------------

local unpack = rawget(table, "unpack") or unpack -- luacheck: ignore 113

local folder, n_files = nil, 0

local function new_path()
  n_files = n_files + 1
  return ("%s/%d.db"):format(folder, n_files)
end

local function start_files() folder = sandbox.folder_in_memory() end

-- By a connection of its own, to the file that was opened last.
local function queue_in_file(own, row)
  assert(own:counts()) -- so the table is there
  local connection = assert(driver.New(("%s/%d.db"):format(folder, n_files)))
  connection:autocommit(true)
  local statement = assert(connection:prepare(journals.insert(row)))
  assert(statement:execute())
  statement:close()
  connection:close()
end

local function stop_files() os.execute("rm -rf " .. folder) end

journals.sqlite = {
  name = "sqlite",
  keeps_results = true,
  start = start_files,
  stop = stop_files,
  open = function() return journal.sqlite(new_path()) end,
  queue = queue_in_file,
}

-- A user's own query ------------------------------------------------------------------------------

-- As somebody writes it who has a connection and no care: an error is raised, and what it is about
-- stands in further lines; NULL is a value of its own.
local function query_of(connection)
  return function(sql, params, n)
    local statement = assert(connection:prepare(sql))
    local ok, why = statement:execute(unpack(params, 1, n))
    if not ok then error(why .. "\nDETAIL: all of the row") end
    local rows = {}
    for row in statement:rows(true) do
      for _, name in ipairs(statement:columns()) do
        if row[name] == nil then row[name] = io.stdout end
      end
      rows[#rows + 1] = row
    end
    statement:close()
    return rows
  end
end

journals.query = {
  name = "a user's query",
  keeps_results = true,
  start = start_files,
  stop = stop_files,
  open = function()
    local connection = driver.New(new_path())
    connection:autocommit(true)
    return journal.sql { query = query_of(connection), dialect = "sqlite" }
  end,
  queue = queue_in_file,
}

-- PostgreSQL --------------------------------------------------------------------------------------

local server

journals.postgres = {
  name = "postgres",
  keeps_results = true,
  start = function() server = postgres.start() end,
  stop = function() server:stop() end,
  open = function()
    local own = journal.postgres { host = server.folder, user = "spec", dbname = "postgres" }
    assert(own:counts()) -- so the table is there
    assert(server:ask("SET client_min_messages = warning; TRUNCATE telnyx_send;"
      .. " DROP TABLE IF EXISTS telnyx_pace, telnyx_event, telnyx_optout") == "")
    return own
  end,
  queue = function(_, row) assert(server:ask(journals.insert(row)) == "") end,
}

-- A dictionary of nginx --------------------------------------------------------------------------

local web

-- lua-cjson makes a float of every number.
local function whole_numbers(value)
  if type(value) == "number" and value % 1 == 0 and math.abs(value) < 2 ^ 31 then
    return math.tointeger and math.tointeger(value) or value -- luacheck: ignore 143
  end
  if type(value) ~= "table" then return value end
  for key, item in pairs(value) do value[key] = whole_numbers(item) end
  return value
end

-- A method of a journal in nginx, as if it were here.
local function remote(method)
  return function(_, given)
    local answer = cjson.decode(web:ask("/journal", cjson.encode { method = method,
      given = given }))
    local first, second = answer[1], whole_numbers(answer[2])
    if first == cjson.null then first = nil end
    if second == cjson.null then second = nil end
    return whole_numbers(first), second
  end
end

local function new_remote()
  local own = {}
  for _, method in ipairs { "claim", "finish", "release", "reap", "settle", "resend", "get", "find",
    "counts", "purge", "close", "add_event", "handled_event", "unhandled_events", "events",
    "set_optout", "optout", "optouts" } do
    own[method] = remote(method)
  end
  local unsettled = remote("unsettled")
  function own.unsettled(_, given)
    local list, why = unsettled(nil, given)
    if not list then return nil, why end
    local i = 0
    return function()
      i = i + 1
      return list[i]
    end
  end
  return own
end

journals.shared = {
  name = "shared",
  keeps_results = false,
  is_remote = true,
  start = function()
    web = nginx.start {
      http = "lua_shared_dict sent 10m;",
      server = [[
        client_max_body_size 8m;
        client_body_buffer_size 8m;
        location = /journal { content_by_lua_block {
          require("spec.support.journal_nginx").serve() } } ]],
    }
  end,
  stop = function() web:stop() end,
  open = function()
    web:ask("/journal", '{"method":"open"}')
    return new_remote()
  end,
}

journals.all = { journals.memory, journals.shared, journals.sqlite, journals.query,
  journals.postgres }

return journals
