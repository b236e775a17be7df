--- Where the tables of a journal in PostgreSQL are: found once, and then named. By the search_path
--- alone the tables could lie apart, or be others tomorrow, and another table is another memory.

local schema = {}

local FIND = [[
SELECT CAST(n.nspname AS TEXT) AS found, CAST(current_schema() AS TEXT) AS first
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  RIGHT JOIN (SELECT to_regclass(CAST(? AS TEXT)) AS id) AS wanted ON c.oid = wanted.id]]

---A name as it stands in statements.
---@param name string
---@return string
function schema.quoted(name) return '"' .. name:gsub('"', '""') .. '"' end

---Whether statements can have it: a `?` in them is a parameter. The server's own are no place for
---it, above all not the one of tables that go with a session.
---@param name any
---@return boolean
function schema.is_name(name)
  return type(name) == "string" and name ~= "" and not name:find("[%z?']")
    and not name:find("^pg_")
end

local function text_of(value) return type(value) == "string" and value or nil end

---The schema of `telnyx_send`: the one that is wanted; else the first of the search_path that has
---that table, or else the first there is.
---@param ask fun(sql: string, params: table, n: integer): table[]|nil, string|nil
---@param wanted string|nil
---@return string|nil name
---@return boolean|string is_there whether the table is; or why there is no name
function schema.find(ask, wanted)
  local name = (wanted and schema.quoted(wanted) .. "." or "") .. "telnyx_send"
  local rows, why = ask(FIND, { name }, 1)
  if not rows then return nil, why end
  local row = rows[1] or {}
  local found, first = text_of(row.found), wanted or text_of(row.first)
  local place = found or first
  if not place then return nil, "none of the schemas of its search_path is there" end
  if not schema.is_name(place) then return nil, "no schema can be used whose name is " .. place end
  return place, found ~= nil
end

return schema
