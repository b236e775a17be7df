--- A journal in a file of SQLite: for any number of processes of one machine, on a disk of its own.
--- What `claim` and `finish` return is on the disk: a crash or a power cut takes nothing back.

local core = require("telnyx.core")
local dbi = require("telnyx.journal.dbi")
local sql = require("telnyx.journal.sql")

local DRIVER_MISSING = "needs LuaDBI's driver for SQLite: apt install lua-dbi-sqlite3,"
  .. " or luarocks install luadbi-sqlite3"

local DEFAULT_PATIENCE_S = 5
-- SQLite makes a new database of less.
local LEAST_BYTES = 512

local function driver()
  local ok, made = pcall(require, "dbd.sqlite3")
  return ok and made or nil
end

-- What SQLite is told in every connection. By WAL, one write and one sync make a change last.
local SETTINGS = {
  { "PRAGMA journal_mode = WAL", "journal_mode", "wal" },
  { "PRAGMA synchronous = FULL" },
  { "PRAGMA synchronous", "synchronous", "2" },
  { "PRAGMA fullfsync = ON" }, -- elsewhere than on macOS it does nothing
}

local function set(ask)
  for _, setting in ipairs(SETTINGS) do
    local rows, why = ask(setting[1])
    if not rows then return nil, why end
    local name, expected = setting[2], setting[3]
    local found = name and rows[1] and tostring(rows[1][name]):gsub("%.0$", "")
    if name and found ~= expected then
      return nil, ("%s is %s here, and not %s"):format(name, tostring(found), expected)
    end
  end
  return true
end

local MISSING = "there is no journal in it, and { create = false } makes none"

-- Before anything is changed in the file.
local function is_ours(ask, options)
  local rows, why = ask("SELECT name FROM sqlite_master WHERE type = 'table'")
  if not rows then return nil, why end
  for _, row in ipairs(rows) do
    if row.name == "telnyx_send" then return true end
  end
  if options.create == false then return nil, MISSING end
  if rows[1] and not options.beside then
    return nil, "it is a database of something else; with { beside = true } the journal is kept"
      .. " there all the same"
  end
  return true
end

-- The indexes too: a key that one of them has lost would be taken for new.
local function is_sound(ask)
  local rows, why = ask("PRAGMA integrity_check(1)")
  if not rows then return nil, why end
  local verdict = tostring(rows[1] and rows[1].integrity_check)
  if verdict ~= "ok" then return nil, "it is damaged: " .. verdict:gsub("^%*%*%*[^\n]*\n", "") end
  return true
end

local REPLACED = "was deleted or replaced while it was in use; nothing is claimed until the program"
  .. " has started anew"

-- The file that this journal began with, with its log and the index of that, which has the locks of
-- of all who use it; and no other.
local function new_file(path, id)
  local file = { path = path, id = id, beside = { path .. "-wal", path .. "-shm" }, ids = {} }
  function file.remember()
    for i, name in ipairs(file.beside) do file.ids[i] = core.file_id(name, true) end
  end
  -- What is beside it goes with the last connection, and comes with the first.
  function file.is_there(is_connected)
    if core.file_id(file.path, true) ~= file.id then return nil, "it " .. REPLACED end
    for i, name in ipairs(is_connected and file.beside or {}) do
      local is_same = core.file_id(name, true) == file.ids[i]
      if not is_same then return nil, name .. " beside it " .. REPLACED end
    end
    return true
  end
  return file
end

-- SQLite finds what is beside a file by the file's name: of two names each is another memory.
local function is_one(n_names, is_mounted)
  if n_names > 1 then
    return nil, ("it has %d names, hard links: each would be another memory, and what was sent by"
      .. " one be sent again by the other"):format(n_names)
  elseif is_mounted then
    return nil, "it is mounted by itself, and what is beside it is not: mount its folder instead"
  end
  return true
end

local function set_up(file, options, is_first, ask)
  local ok, why = is_ours(ask, options)
  if ok then ok, why = set(ask) end
  if ok and is_first then ok, why = is_sound(ask) end
  if ok then ok, why = file.is_there(false) end
  if not ok then return nil, why end
  file.remember()
  return true
end

local function open(own_driver, path, options)
  if options.create == false and not core.file_id(path) then
    return nil, path .. ": it is not there, and { create = false } makes none"
  end
  local absolute, id, n_bytes, n_names, is_mounted = core.make_file(path)
  if not absolute then return nil, id end
  local is_fit, why_not = is_one(n_names, is_mounted)
  if not is_fit then return nil, absolute .. ": " .. why_not end
  if n_bytes > 0 and n_bytes < LEAST_BYTES then return nil, absolute .. ": it is no database" end
  local file, is_first = new_file(absolute, id), true
  local asked = dbi.new {
    name = absolute,
    patience_s = options.busy_timeout or DEFAULT_PATIENCE_S,
    check = file.is_there,
    open = function() return own_driver.New(absolute) end,
    set_up = function(ask)
      local ok, why = set_up(file, options, is_first, ask)
      is_first = is_first and not ok
      return ok, why
    end,
  }
  local keeper = sql.new(function(text, params, n) return asked:query(text, params, n) end,
    "sqlite", function() asked:close() end, options)
  local ok, why = keeper:prepare()
  if ok then return keeper end
  asked:close()
  return nil, why
end

local sqlite = {}

---@class telnyx.sqlite_options
---@field busy_timeout number|nil seconds to wait while others write; default 5
---@field beside boolean|nil the file may be another program's database
---@field create boolean|nil false: a journal must be there; else it is made

---@param path string
---@param options telnyx.sqlite_options
---@return table|nil keeper
---@return string|nil why
function sqlite.new(path, options)
  local own_driver = driver()
  if not own_driver then return nil, DRIVER_MISSING end
  return open(own_driver, path, options)
end

return sqlite
