--- Replies whose status line, interim replies or headers are the matter: see replies.lua.

local make = require "spec.vectors.replies_row"

local rows = {}
local add = make.into(rows)
local good, last, cut, none = add.good, add.last, add.cut, add.none
local BODY, REFUSAL, OK, LENGTH, CHUNKED, SPLIT =
  make.BODY, make.REFUSAL, make.OK, make.LENGTH, make.CHUNKED, make.SPLIT
local reply, with_line, with_status =
  make.reply, make.with_line, make.with_status

-- Status lines -----------------------------------------------------------------

good("a plain reply", reply(LENGTH, BODY))
good("no reason, no space after the status", with_status("HTTP/1.1 200"))
good("no reason, but the space", with_status("HTTP/1.1 200 "))
good("a reason of several words", with_status("HTTP/1.1 200 All is well"))
good("a reason that begins with a blank", with_status("HTTP/1.1 200  OK"))
good("a reason with a tab", with_status("HTTP/1.1 200 O\tK"))
good("a reason of other bytes than ASCII", with_status("HTTP/1.1 200 \195\156\255"))
good("a reason that looks like another status", with_status("HTTP/1.1 200 400 Bad Request"))
good("status 201", with_status("HTTP/1.1 201 Created"), { status = 201 })
good("status 299, which nobody has named", with_status("HTTP/1.1 299 X"), { status = 299 })
good("status 301", with_status("HTTP/1.1 301 Moved"), { status = 301 })
good("status 599", with_status("HTTP/1.1 599 X"), { status = 599 })
for _, status in ipairs { 400, 401, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504 } do
  good("status " .. status .. " with the service's errors",
    ("HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s"):format(status, #REFUSAL, REFUSAL),
    { status = status, body = REFUSAL })
end
last("HTTP/1.0", with_status("HTTP/1.0 200 OK"))
last("HTTP/1.0 that promises to be kept alive",
  with_status("HTTP/1.0 200 OK\r\nConnection: keep-alive"))
last("HTTP/1.2", with_status("HTTP/1.2 200 OK"))
last("HTTP/1.9", with_status("HTTP/1.9 200 OK"))
none("HTTP/2 in text", with_status("HTTP/2 200 OK"))
none("HTTP/2.0 in text", with_status("HTTP/2.0 200 OK"))
none("HTTP/0.9 as a version", with_status("HTTP/0.9 200 OK"))
none("HTTP/5.6", with_status("HTTP/5.6 200 OK"))
none("two digits before the dot", with_status("HTTP/11.1 200 OK"))
none("a zero before the version", with_status("HTTP/01.1 200 OK"))
none("two digits after the dot", with_status("HTTP/1.01 200 OK"))
none("no digit after the dot", with_status("HTTP/1. 200 OK"))
none("a letter after the version", with_status("HTTP/1.2z 200 OK"))
none("a hex digit as the version", with_status("HTTP/1.a 200 OK"))
none("small letters", with_status("http/1.1 200 OK"))
none("a letter missing", with_status("HTP/1.1 200 OK"))
none("letters too many", with_status("HTTPER/1.1 200 OK"))
none("RTSP", with_status("RTSP/1.1 200 OK"))
none("ICE", with_status("ICE/1.1 200 OK"))
none("ICY", with_status("ICY 200 OK"))
none("SSH", "SSH-2.0-OpenSSH_9.2p1\r\n")
none("a TLS alert", "\21\3\1\0\2\2\70")
none("a body without a head", BODY, { ending = "close" })
none("a page without a head", "<html>200 OK</html>\r\n\r\n", { ending = "close" })
none("an empty line first", "\r\n" .. reply(LENGTH, BODY))
none("an LF first", "\n" .. reply(LENGTH, BODY))
none("a CR first", "\r" .. reply(LENGTH, BODY))
none("a blank first", " " .. reply(LENGTH, BODY))
none("a mark of byte order first", "\239\187\191" .. reply(LENGTH, BODY))
none("a NUL first", "\0" .. reply(LENGTH, BODY))
none("two blanks before the status", with_status("HTTP/1.1  200 OK"))
none("a tab before the status", with_status("HTTP/1.1\t200 OK"))
none("a tab after the status", with_status("HTTP/1.1 200\tOK"))
none("the reason at once", with_status("HTTP/1.1 200OK"))
none("four digits", with_status("HTTP/1.1 2000 OK"))
none("two digits", with_status("HTTP/1.1 20 OK"))
none("one digit", with_status("HTTP/1.1 2 OK"))
none("no status", with_status("HTTP/1.1  OK"))
none("no status and no blank", with_status("HTTP/1.1"))
none("a status with a sign", with_status("HTTP/1.1 +20 OK"))
none("a negative status", with_status("HTTP/1.1 -200 OK"))
none("a status with a dot", with_status("HTTP/1.1 2.0 OK"))
none("a status in hex", with_status("HTTP/1.1 0xC OK"))
none("a NUL in the reason", with_status("HTTP/1.1 200 O\0K"))
none("a CR in the reason", with_status("HTTP/1.1 200 O\rK"))
none("two CR at the end of the line", with_status("HTTP/1.1 200 OK\r"))
none("an escape in the reason", with_status("HTTP/1.1 200 \27[2J"))
none("a DEL in the reason", with_status("HTTP/1.1 200 O\127K"))
none("status 000", with_status("HTTP/1.1 000 X"))
none("status 099", with_status("HTTP/1.1 099 X"))
none("status 600", with_status("HTTP/1.1 600 X"))
none("status 999", with_status("HTTP/1.1 999 X"))
none("status 101, which was not asked for",
  "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n")
none("status 101 and a reply after it", "HTTP/1.1 101 Switching\r\n\r\n" .. reply(LENGTH, BODY))

-- Interim replies ------------------------------------------------------------------

local CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n"

good("100 first", CONTINUE .. reply(LENGTH, BODY))
good("102 first", "HTTP/1.1 102 Processing\r\n\r\n" .. reply(LENGTH, BODY))
good("103 with headers first",
  "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" .. reply(LENGTH, BODY))
good("199 first", "HTTP/1.1 199 X\r\n\r\n" .. reply(LENGTH, BODY))
good("64 interim replies", CONTINUE:rep(64) .. reply(LENGTH, BODY))
none("65 interim replies", CONTINUE:rep(65) .. reply(LENGTH, BODY))
good("an interim reply that declares a length",
  "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n" .. reply(LENGTH, BODY))
good("an interim reply that declares chunks and two lengths",
  "HTTP/1.1 103 X\r\n" .. CHUNKED .. "Content-Length: 1\r\nContent-Length: 2\r\n\r\n"
  .. reply(LENGTH, BODY))
good("a refusal after an interim reply",
  CONTINUE .. "HTTP/1.1 422 X\r\nContent-Length: " .. #REFUSAL .. "\r\n\r\n" .. REFUSAL,
  { status = 422, body = REFUSAL })
last("an interim reply of HTTP/1.0", "HTTP/1.0 100 Continue\r\n\r\n" .. reply(LENGTH, BODY))
last("an interim reply with LF alone", "HTTP/1.1 100 Continue\n\n" .. reply(LENGTH, BODY))
none("an interim reply with a line that is no header",
  "HTTP/1.1 100 Continue\r\nnonsense\r\n\r\n" .. reply(LENGTH, BODY))
none("an interim reply without its empty line", "HTTP/1.1 100 Continue\r\n" .. reply(LENGTH, BODY))
none("an interim reply and no more", CONTINUE, { ending = "close", kind = "connection" })
none("an interim reply and a reset", CONTINUE, { ending = "break", kind = "connection" })
none("an interim reply and silence", CONTINUE, { ending = "timeout", kind = "timeout" })
none("an interim reply with a body", CONTINUE .. "body" .. reply(LENGTH, BODY))

-- Line ends --------------------------------------------------------------------------

last("LF alone throughout the head",
  "HTTP/1.1 200 OK\nContent-Length: " .. #BODY .. "\n\n" .. BODY)
last("LF alone after the status line", "HTTP/1.1 200 OK\n" .. LENGTH .. "\r\n" .. BODY)
last("LF alone after a header", OK .. "A: b\n" .. LENGTH .. "\r\n" .. BODY)
last("LF alone at the end of the head", OK .. LENGTH .. "\n" .. BODY)
cut("a CR inside a value", with_line("A: b\rc"))
cut("headers parted by CR alone", with_line("A: b\rContent-Length: 3"))
cut("two CR at the end of a header", with_line("A: b\r"))
cut("a CR on a line of its own", with_line("\r"))

-- Headers ---------------------------------------------------------------------------

good("a header without a value", with_line("A:"))
good("a header of blanks", with_line("A: \t "))
good("no blank after the colon", with_line("A:b"))
good("colons in a value", with_line("A: b:c::"))
good("every sign that a name may have", with_line("!#$%&'*+-.^_`|~09azAZ: b"))
good("an underscore in a name", with_line("DCLK_imp: v7;x;1"))
good("other bytes than ASCII in a value", with_line("A: \195\156\255\128"))
good("a tab in a value", with_line("A: b\tc"))
good("a hundred headers", reply(("A: b\r\n"):rep(100) .. LENGTH, BODY))
good("a value of 60,000 bytes", with_line("A: " .. ("b"):rep(60000)))
good("a header of the connection's own: Keep-Alive", with_line("Keep-Alive: timeout=5, max=100"))
good("Proxy-Connection, which says nothing", with_line("Proxy-Connection: close"))
good("Upgrade alone, which says nothing", with_line("Upgrade: h2c"))
cut("a line without a colon", with_line("nonsense"))
cut("a colon first", with_line(": b"))
cut("a blank before the colon", with_line("A : b"))
cut("a tab before the colon", with_line("A\t: b"))
cut("a blank inside a name", with_line("A b: c"))
cut("a blank before the colon of Content-Length",
  reply("Content-Length : " .. #BODY .. "\r\n", BODY))
cut("a NUL in a name", with_line("A\0b: c"))
cut("a NUL in a value", with_line("A: b\0c"))
cut("a bell in a value", with_line("A: b\7c"))
cut("a DEL in a value", with_line("A: b\127c"))
cut("a DEL in a name", with_line("A\127: c"))
cut("other bytes than ASCII in a name", with_line("\195\156: b"))
cut("a slash in a name", with_line("A/B: c"))
cut("brackets in a name", with_line("A(b): c"))
cut("a second status line", OK .. reply(LENGTH, BODY))
cut("a second status line with a colon", with_line("HTTP/1.1 200 OK: really"))
cut("a refusal, then a second status line that accepts",
  "HTTP/1.1 400 Bad\r\nHTTP/1.1 200 OK\r\n" .. LENGTH .. "\r\n" .. BODY, { status = 400 })
cut("an acceptance, then a second status line that refuses",
  OK .. "HTTP/1.1 400 Bad\r\n" .. LENGTH .. "\r\n" .. BODY)
cut("a blank before the first header", reply(" A: b\r\n" .. LENGTH, BODY))
cut("a tab before the first header", reply("\tA: b\r\n" .. LENGTH, BODY))
cut("a line of blanks after the status line", reply("  \r\n" .. LENGTH, BODY))

-- Folded headers -----------------------------------------------------------------------

last("a header that is folded", with_line("A: b\r\n c"))
last("a header that is folded with a tab", with_line("A: b\r\n\tc"))
last("a header that is folded twice", with_line("A: b\r\n c\r\n d"))
last("a header that is folded onto blanks alone", with_line("A: b\r\n  "))
last("a fold that looks like a header", with_line("A: b\r\n Content-Length: 3"))
cut("a fold with a NUL", with_line("A: b\r\n c\0d"))
cut("Content-Length folded", reply("Content-Length:\r\n " .. #BODY .. "\r\n", BODY))
cut("Content-Length folded onto blanks", reply(LENGTH .. " \r\n", BODY))
cut("Transfer-Encoding folded before its value", reply("Transfer-Encoding:\r\n chunked\r\n", SPLIT))
cut("Transfer-Encoding folded after its value", reply(CHUNKED .. "  abc\r\n", SPLIT .. "0\r\n\r\n"))
cut("Connection folded", reply("Connection: keep-alive\r\n , close\r\n" .. LENGTH, BODY))

return rows
