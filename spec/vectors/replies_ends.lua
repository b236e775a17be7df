--- Replies whose end, or whose size, is the matter: see replies.lua.

local make = require "spec.vectors.replies_row"

local rows = {}
local add = make.into(rows)
local good, last, cut, none = add.good, add.last, add.cut, add.none
local BODY, OK, LENGTH, CHUNKED, SPLIT, ENDED =
  make.BODY, make.OK, make.LENGTH, make.CHUNKED, make.SPLIT, make.ENDED
local reply, chunks =
  make.reply, make.chunks

-- To the end of the connection ----------------------------------------------------------------

last("a body to the end", reply("", BODY), { ending = "close" })
last("an empty body to the end", reply("", ""), { ending = "close", body = "" })
last("a body to the end with close", reply("Connection: close\r\n", BODY), { ending = "close" })
last("a body to the end of HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n" .. BODY, { ending = "close" })
last("a body to the end of HTTP/1.0 kept alive",
  "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n" .. BODY, { ending = "close" })
last("a body to the end that looks like a reply",
  "HTTP/1.1 500 X\r\n\r\n" .. reply("", ""),
  { ending = "close", status = 500, body = OK .. "\r\n" })
last("a body to the end just at the ceiling", reply("", BODY), { ending = "close", max = 20 })
cut("a body to the end above the ceiling", reply("", BODY), { max = 19 })
cut("a body to the end, and a reset", reply("", BODY), { ending = "break", kind = "connection" })
cut("a body to the end, and silence", reply("", BODY), { ending = "timeout", kind = "timeout" })

-- No body -------------------------------------------------------------------------------------

good("204", "HTTP/1.1 204 No Content\r\n\r\n", { status = 204, body = "" })
good("304", "HTTP/1.1 304 Not Modified\r\n\r\n", { status = 304, body = "" })
good("304 with the length that a 200 would have",
  "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", { status = 304, body = "" })
last("204 with a length", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
  { status = 204, body = "" })
last("204 with length 0", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
  { status = 204, body = "" })
last("204 with chunks", "HTTP/1.1 204 No Content\r\n" .. CHUNKED .. "\r\n" .. ENDED,
  { status = 204, body = "" })
last("204 with a length that is none", "HTTP/1.1 204 No Content\r\nContent-Length: x\r\n\r\n",
  { status = 204, body = "" })
last("204 and bytes after it", "HTTP/1.1 204 No Content\r\n\r\nhello", { status = 204, body = "" })
last("204 and a reply after it", "HTTP/1.1 204 No Content\r\n\r\n" .. reply(LENGTH, BODY),
  { status = 204, body = "" })
last("204 with close", "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
  { status = 204, body = "" })
last("204 of HTTP/1.0", "HTTP/1.0 204 No Content\r\nConnection: keep-alive\r\n\r\n",
  { status = 204, body = "" })

-- Beyond the reply -------------------------------------------------------------------------------

last("a byte beyond the body", reply(LENGTH, BODY .. "x"))
last("an empty line beyond the body", reply(LENGTH, BODY .. "\r\n"))
last("another reply beyond the body", reply(LENGTH, BODY) .. "HTTP/1.1 429 X\r\n\r\n")
last("a byte beyond the chunks", chunks(ENDED .. "x"))
last("a byte beyond an empty body", reply("Content-Length: 0\r\n", "x"), { body = "" })
last("a connection that ends after the body", reply(LENGTH, BODY), { ending = "close" })
last("a connection that breaks after the body", reply(LENGTH, BODY), { ending = "break" })

-- Too early ends ------------------------------------------------------------------------------

none("nothing, and the end", "", { ending = "close", kind = "connection" })
none("nothing, and a reset", "", { ending = "break", kind = "connection" })
none("nothing, and silence", "", { ending = "timeout", kind = "timeout" })
for _, n in ipairs { 1, 5, 8, 9, 12, 16 } do
  none(("the first %d bytes of a status line"):format(n), OK:sub(1, n),
    { ending = "close", kind = "connection" })
end
none("a status line without its LF, and a reset", OK:sub(1, -2),
  { ending = "break", kind = "connection" })
none("a status line without its LF, and silence", OK:sub(1, -2),
  { ending = "timeout", kind = "timeout" })
cut("a status line and no more", OK, { ending = "close", kind = "connection" })
cut("a status line, and a reset", OK, { ending = "break", kind = "connection" })
cut("a status line, and silence", OK, { ending = "timeout", kind = "timeout" })
cut("a head without its empty line", OK .. LENGTH, { ending = "close", kind = "connection" })
cut("a head with half of its empty line", OK .. LENGTH .. "\r",
  { ending = "close", kind = "connection" })
cut("a header without its end", OK .. "Content-Len", { ending = "close", kind = "connection" })
cut("a head and no body", reply(LENGTH, ""), { ending = "close", kind = "connection" })
cut("a refusal's status line and no more", "HTTP/1.1 422 X\r\n",
  { status = 422, ending = "close", kind = "connection" })

-- Ceilings of the head -----------------------------------------------------------------------

local MAX_HEAD = 65536

--- A head of exactly so many bytes with a body of BODY.
local function head_of(n)
  local rest = "A: \r\n" .. LENGTH .. "\r\n"
  return OK .. "A: " .. ("b"):rep(n - #OK - #rest) .. "\r\n" .. LENGTH .. "\r\n" .. BODY
end
good("a head of 64 KiB", head_of(MAX_HEAD))
cut("a head of one byte more", head_of(MAX_HEAD + 1))
cut("a header that does not end", OK .. "A: " .. ("b"):rep(MAX_HEAD))
cut("headers that do not end", OK .. ("A: b\r\n"):rep(math.floor(MAX_HEAD / 6) + 1))
none("a status line that does not end", "HTTP/1.1 200 " .. ("b"):rep(MAX_HEAD))
none("interim heads of more than 64 KiB",
  ("HTTP/1.1 103 X\r\nA: %s\r\n\r\n"):format(("b"):rep(MAX_HEAD / 4)):rep(4))
cut("an interim head and a head that together have more",
  ("HTTP/1.1 103 X\r\nA: %s\r\n\r\n"):format(("b"):rep(MAX_HEAD / 2)) .. head_of(MAX_HEAD / 2))
local function trailers(lines) return chunks(SPLIT .. "0\r\n" .. lines .. "\r\n") end
cut("a head and trailers that together have more",
  trailers("A: " .. ("b"):rep(MAX_HEAD) .. "\r\n"))
good("a head and trailers below it", trailers("A: " .. ("b"):rep(MAX_HEAD - 200) .. "\r\n"))
none("a line of 64 KiB that is not HTTP's", ("b"):rep(MAX_HEAD + 10) .. "\r\n")

return rows
