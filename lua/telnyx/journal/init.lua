--- Journals: where it is remembered, by key, what was sent, so that nothing is posted twice.
--- `telnyx.journal.machine` says what may become of a row, `telnyx.journal.object` what a journal
--- is asked. Only what is used is loaded.

local object = require("telnyx.journal.object")
local schema = require("telnyx.journal.schema")

local journal = {}

local function check_names(what, given, names)
  if type(given) ~= "table" then
    error(("journal.%s expects a table, got a %s"):format(what, type(given)), 3)
  end
  for name in pairs(given) do
    if not (" " .. names .. " "):find(" " .. tostring(name) .. " ", 1, true) then
      error(("journal.%s knows no option '%s', only: %s"):format(what, tostring(name), names), 3)
    end
  end
end

local function check(is_right, what, expected)
  if not is_right then error(("journal.%s expects %s"):format(what, expected), 3) end
end

local function is_seconds(value)
  return value == nil or (type(value) == "number" and value >= 0 and value < 1e6)
end

---A journal that lives as long as the program.
---@return telnyx.journal
function journal.memory(...)
  check(select("#", ...) == 0, "memory", "nothing, and no colon before it")
  return object.new(require("telnyx.journal.memory").new())
end

---A journal in memory that all workers of one nginx share; the dictionary is the journal's alone.
---It outlives a worker and a reload, and ends with nginx.
---@param dict table an `ngx.shared.DICT`
---@return telnyx.journal
function journal.shared(dict)
  check(type(dict) == "table" and type(dict.safe_add) == "function", "shared",
    "an ngx.shared.DICT")
  return object.new(require("telnyx.journal.shared").new(dict))
end

---A journal in a file of SQLite, made if it is not there; for any number of processes of one
---machine, and before or after they fork. Raises when the file cannot be had, is damaged or is
---something else: to go on without would be to send twice.
---@param path string on a disk of this machine
---@param options telnyx.sqlite_options|nil
---@return telnyx.journal
function journal.sqlite(path, options)
  local is_path = type(path) == "string" and path ~= "" and path ~= ":memory:"
    and not path:find("^file:") and not path:find("\0", 1, true)
  check(is_path, "sqlite", "the path of a file")
  options = options or {}
  check_names("sqlite", options, "busy_timeout beside create")
  check(is_seconds(options.busy_timeout), "sqlite", "seconds for 'busy_timeout'")
  for _, name in ipairs { "beside", "create" } do
    check(options[name] == nil or type(options[name]) == "boolean", "sqlite",
      ("true or false for '%s'"):format(name))
  end
  local keeper, why = require("telnyx.journal.sqlite").new(path, options)
  if not keeper then error("journal.sqlite: " .. why, 2) end
  return object.new(keeper)
end

local function is_told(value)
  return type(value) == "number" or (type(value) == "string" and not value:find("\0", 1, true))
end

-- What is wrong with a connection, or nil; names that are unknown are libpq's to tell.
local function expected_of(connection)
  if type(connection) == "string" and connection:find("[=/]") and is_told(connection) then
    return nil
  end
  if type(connection) ~= "table" or next(connection) == nil then
    return "names and values, an URI, or a table that is not empty"
  end
  for name, value in pairs(connection) do
    if type(name) ~= "string" then return "a table of names and values: one has no name" end
    if not is_told(value) then return ("text or a number for '%s'"):format(name) end
  end
end

---A journal in PostgreSQL, for many machines; by libpq's string or URI, or a table of its names.
---Connects when it is first asked. It does not go on with a server that is not the one it knew,
---until `accept_server` says so: a promoted standby may have lost what was claimed last.
---@param connection string|table
---@param options telnyx.postgres_options|nil
---@return telnyx.journal
function journal.postgres(connection, options)
  local expected = expected_of(connection)
  check(not expected, "postgres", expected)
  options = options or {}
  check_names("postgres", options, "statement_timeout accept_server schema create")
  check(is_seconds(options.statement_timeout), "postgres", "seconds for 'statement_timeout'")
  check(options.accept_server == nil or type(options.accept_server) == "string", "postgres",
    "a string for 'accept_server'")
  check(options.schema == nil or schema.is_name(options.schema), "postgres",
    "the name of a schema, without ? and ', for 'schema'")
  check(options.create == nil or type(options.create) == "boolean", "postgres",
    "true or false for 'create'")
  local keeper, why = require("telnyx.journal.postgres").new(connection, options)
  if not keeper then error("journal.postgres: " .. why, 2) end
  return object.new(keeper)
end

---@class telnyx.journal_sql
---@field query fun(sql: string, params: table, n: integer): table[]|nil, string|nil, boolean|nil
---@field dialect "sqlite"|"postgres"

---A journal in whatever database one has already. `query` runs a statement with `n` parameters,
---each a string or nil, for the `?` of the text in order, and returns its rows, text by the names
---of the columns; or nil and why, and true if surely nothing was done. A statement is a transaction
---of its own, and is there to stay when `query` returns.
---@param options telnyx.journal_sql
---@return telnyx.journal
function journal.sql(options)
  check_names("sql", options, "query dialect")
  check(type(options.query) == "function", "sql", "a function for 'query'")
  check(options.dialect == "sqlite" or options.dialect == "postgres", "sql",
    "'sqlite' or 'postgres' for 'dialect'")
  return object.new(require("telnyx.journal.sql").new(options.query, options.dialect))
end

return journal
