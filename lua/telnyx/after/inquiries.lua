--- Requests about messages that were sent: what is asked, and what a right answer to it is.

local inquiries = {}

---@class telnyx.inquiry one request besides that of a message
---@field request telnyx.request
---@field body string|nil
---@field read fun(document: table, info: table): table|nil, table what was asked for, and info; or
---nil, err, where it is not in the answer

local function escaped(text)
  return (text:gsub("[^%w._~-]", function(c) return ("%%%02X"):format(c:byte()) end))
end

inquiries.escaped = escaped

local function not_about(what, outcome)
  return nil, { outcome = outcome, kind = "protocol", retryable = false,
    cause = "the answer is not about this " .. what }
end

-- The message of an answer, with `data` around it or bare; nil where it is another's.
local function message_in(document, id)
  local message = document
  if type(document.data) == "table" then message = document.data end
  return message.id == id and message or nil
end

---Whether it can stand in a path as an id: what is nothing, or a step in it, would be another
---resource.
---@param id string
---@return boolean
function inquiries.is_id(id) return id ~= "" and id ~= "." and id ~= ".." end

---@return table err
function inquiries.no_id()
  return { outcome = "not_sent", kind = "invalid", retryable = false,
    cause = "this is no message's id" }
end

local function about_message(method, id)
  return {
    request = { method = method, resource = "/messages/" .. escaped(id), names = id },
    read = function(document, info)
      local message = message_in(document, id)
      if not message then return not_about("message", "unknown") end
      return message, info
    end,
  }
end

---A message as it stands.
---@param id string
---@return telnyx.inquiry
function inquiries.get(id) return about_message("GET", id) end

---Takes back a message that is scheduled.
---@param id string
---@return telnyx.inquiry
function inquiries.cancel(id) return about_message("DELETE", id) end

-- A page of a list and what there is of pages.
local function read_page(document, info)
  local rows, meta = document.data, document.meta
  if type(rows) ~= "table" then return not_about("list", "unknown") end
  local n_pages = type(meta) == "table" and meta.total_pages
  return { rows = rows, n_pages = type(n_pages) == "number" and n_pages or 1 }, info
end

local function query_of(filters)
  local parts = {}
  for i, filter in ipairs(filters) do
    parts[i] = escaped(filter[1]) .. "=" .. escaped(filter[2])
  end
  return table.concat(parts, "&")
end

---A page of a list of the service's.
---@param resource string
---@param filters string[][] pairs of names and values
---@param names string|nil what a right answer names
---@return telnyx.inquiry
function inquiries.page(resource, filters, names)
  return {
    request = { method = "GET", resource = resource .. "?" .. query_of(filters), names = names },
    read = read_page,
  }
end

return inquiries
