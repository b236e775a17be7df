--- Replies whose framing is the matter: see replies.lua.

local make = require "spec.vectors.replies_row"

local rows = {}
local add = make.into(rows)
local good, last, cut = add.good, add.last, add.cut
local BODY, LENGTH, CHUNKED, SPLIT, ENDED =
  make.BODY, make.LENGTH, make.CHUNKED, make.SPLIT, make.ENDED
local reply, with_line, chunk, chunks =
  make.reply, make.with_line, make.chunk, make.chunks

-- Connection -----------------------------------------------------------------------------

good("keep-alive", with_line("Connection: keep-alive"))
good("Connection without a value", with_line("Connection:"))
good("a token that only begins as close", with_line("Connection: closed, x-close"))
last("close", with_line("Connection: close"))
last("close in capitals", with_line("CONNECTION: CLOSE"))
last("close among others", with_line("Connection: keep-alive, x ,\tClose , y"))
last("close on a second line", with_line("Connection: keep-alive\r\nConnection: close"))
last("close on a first line", with_line("Connection: close\r\nConnection: keep-alive"))
last("close among empty elements", with_line("Connection: ,,close,,"))
last("upgrade", with_line("Connection: upgrade\r\nUpgrade: h2c"))
last("upgrade among others", with_line("Connection: keep-alive, Upgrade"))
last("close with chunks", reply("Connection: close\r\n" .. CHUNKED, SPLIT .. "0\r\n\r\n"))

-- Content-Length -----------------------------------------------------------------------------

local function with_length(value, rest)
  return reply("Content-Length:" .. value .. "\r\n", rest or BODY)
end

good("a length without a blank", with_length("20"))
good("a length among blanks", with_length("  20\t "))
good("a length with a zero before it", with_length(" 0020"))
good("length 0", with_length(" 0", ""), { body = "" })
good("the name in small letters", reply("content-length: 20\r\n", BODY))
good("the name in capitals", reply("CONTENT-LENGTH: 20\r\n", BODY))
good("a body with line ends and NUL", with_length(" 26", '{"data":{"id":"m1"}}\r\n\r\n\0 '),
  { body = '{"data":{"id":"m1"}}\r\n\r\n\0 ' })
last("a length twice", reply(LENGTH .. LENGTH, BODY))
last("a length three times with others between",
  reply(LENGTH .. "A: b\r\n" .. LENGTH .. "C: d\r\n" .. LENGTH, BODY))
last("a length twice with a comma", with_length(" 20, 20"))
last("a length twice with a comma and no blank", with_length("20,20"))
cut("two lengths", reply(LENGTH .. "Content-Length: 21\r\n", BODY))
cut("two lengths with a comma", with_length(" 20, 21"))
cut("two lengths and the first again", reply(LENGTH .. "Content-Length: 2\r\n" .. LENGTH, BODY))
cut("an empty length", with_length(""))
cut("a length of blanks", with_length("  "))
cut("a length, a comma and no more", with_length(" 20,"))
cut("a comma and a length", with_length(" ,20"))
cut("a length with a plus", with_length(" +20"))
cut("a length with a minus", with_length(" -20"))
cut("a length with a minus and zero", with_length(" -0", ""))
cut("a length in hex", with_length(" 0x14"))
cut("a length in hex digits", with_length(" 1a"))
cut("a length with a dot", with_length(" 20.0"))
cut("a length with an exponent", with_length(" 2e1"))
cut("a length with a unit", with_length(" 20 bytes"))
cut("a length with a blank inside", with_length(" 2 0"))
cut("a length in quotes", with_length(' "20"'))
cut("a length of 2^64", with_length(" 18446744073709551616"))
cut("a length of 2^64 + 20", with_length(" 18446744073709551636"))
cut("a length of 2^63", with_length(" 9223372036854775808"))
cut("a length of forty digits", with_length(" " .. ("9"):rep(40)))
cut("a bad length after a good one", reply(LENGTH .. "Content-Length: x\r\n", BODY))
good("a length just at the ceiling", with_length(" 20"), { max = 20 })
cut("a length above the ceiling", with_length(" 20"), { max = 19 })
cut("a length above the ceiling, before its bytes", with_length(" 1048577", ""))
cut("fewer bytes than declared", with_length(" 21"), { ending = "close", kind = "connection" })
cut("fewer bytes, and a reset", with_length(" 21"), { ending = "break", kind = "connection" })
cut("fewer bytes, and silence", with_length(" 21"), { ending = "timeout", kind = "timeout" })
cut("a refusal with fewer bytes than declared", "HTTP/1.1 422 X\r\nContent-Length: 99\r\n\r\n{",
  { status = 422, ending = "close", kind = "connection" })
cut("a 503 with fewer bytes than declared", "HTTP/1.1 503 X\r\nContent-Length: 99\r\n\r\n{",
  { status = 503, ending = "close", kind = "connection" })

-- Transfer-Encoding -------------------------------------------------------------------------

good("chunks", chunks(ENDED))
good("one chunk", chunks(chunk(BODY) .. "0\r\n\r\n"))
good("chunks of one byte", chunks((BODY:gsub(".", chunk)) .. "0\r\n\r\n"))
good("no chunk but the last", chunks("0\r\n\r\n"), { body = "" })
good("chunked in capitals", reply("TRANSFER-ENCODING: CHUNKED\r\n", ENDED))
good("chunked among blanks", reply("Transfer-Encoding:\t chunked \r\n", ENDED))
good("chunked without a blank", reply("Transfer-Encoding:chunked\r\n", ENDED))
last("chunked, then a length", reply(CHUNKED .. "Content-Length: 3\r\n", ENDED))
last("a length, then chunked", reply(LENGTH .. CHUNKED, ENDED))
last("chunked and lengths that are none", reply(CHUNKED .. "Content-Length: x\r\n", ENDED))
last("chunked and a length above the ceiling",
  reply("Content-Length: 99999999\r\n" .. CHUNKED, ENDED))
for _, coding in ipairs {
  "", " ", "gzip", "identity", "deflate", "xchunked", "chunkedx", "chunkedchunked", "chunked;a=b",
  "gzip, chunked", "chunked, gzip", "chunked, identity", "identity, chunked", "chunked, chunked",
  "\"chunked\"", "chunk ed", "chunked,", ",chunked", "chunked; q=0.5",
} do
  cut("the coding <" .. coding .. ">", reply("Transfer-Encoding: " .. coding .. "\r\n", ENDED))
end
cut("chunked twice", reply(CHUNKED .. CHUNKED, ENDED))
cut("chunked, then gzip on another line", reply(CHUNKED .. "Transfer-Encoding: gzip\r\n", ENDED))
cut("gzip, then chunked on another line", reply("Transfer-Encoding: gzip\r\n" .. CHUNKED, ENDED))
cut("identity and a length", reply("Transfer-Encoding: identity\r\n" .. LENGTH, BODY))
cut("an empty coding and a length", reply("Transfer-Encoding:\r\n" .. LENGTH, BODY))
cut("chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\n" .. CHUNKED .. "\r\n" .. ENDED)
good("Content-Encoding, which is the body's own matter", with_line("Content-Encoding: identity"))

-- Chunks -------------------------------------------------------------------------------

local function sized(size) return chunks(size .. "\r\n" .. BODY .. "\r\n0\r\n\r\n") end

good("a size in small letters of hex", chunks("a\r\n" .. BODY:sub(1, 10) .. "\r\nA\r\n"
  .. BODY:sub(11) .. "\r\n0\r\n\r\n"))
good("a size with zeros before it", sized("00000014"))
good("a size with a thousand zeros", sized(("0"):rep(1000) .. "14"))
good("a last size of several zeros", chunks(chunk(BODY) .. "000\r\n\r\n"))
good("blanks after a size", sized("14 \t "))
good("an extension", sized("14;name=value"))
good("several extensions", sized("14 ; a ; b=\"c;d\" ; e"))
good("a semicolon and no extension", sized("14;"))
good("an extension of other bytes than ASCII", sized("14;a=\195\156"))
good("an extension of the last chunk", chunks(chunk(BODY) .. "0;a=b\r\n\r\n"))
good("a chunk line of 1024 bytes", sized("14;" .. ("x"):rep(1021)))
cut("a chunk line of 1025 bytes", sized("14;" .. ("x"):rep(1022)))
cut("a chunk line that does not end", chunks("14;" .. ("x"):rep(2000)))
cut("a chunk line of zeros that does not end", chunks(("0"):rep(1026)))
cut("an empty size", sized(""))
cut("an extension without a size", sized(";a=b"))
cut("an empty size for the last", chunks(SPLIT .. "\r\n\r\n"))
cut("an extension for the last size", chunks(SPLIT .. ";a\r\n\r\n"))
cut("a blank before a size", sized(" 14"))
cut("a size with a plus", sized("+14"))
cut("a size with a minus", sized("-14"))
cut("a size with 0x", sized("0x14"))
cut("a size with other letters", sized("14g"))
cut("a word after a size", sized("14 x"))
cut("a size with a dot", sized("14.0"))
cut("a size with an underscore", sized("1_4"))
cut("a NUL after a size", sized("14\0"))
cut("a NUL in an extension", sized("14;a\0"))
cut("a CR in an extension", sized("14;a\rb"))
cut("a CR before the end of the line", sized("14\r"))
cut("a tab of the vertical kind after a size", sized("14\11"))
cut("LF alone after a size", chunks("14\n" .. BODY .. "\r\n0\r\n\r\n"))
cut("LF alone after an extension", chunks("14;a\n" .. BODY .. "\r\n0\r\n\r\n"))
cut("LF alone after a chunk", chunks("14\r\n" .. BODY .. "\n0\r\n\r\n"))
cut("LF alone after the last size", chunks(chunk(BODY) .. "0\n\r\n"))
cut("CR alone after a chunk", chunks("14\r\n" .. BODY .. "\r0\r\n\r\n"))
cut("nothing after a chunk", chunks("14\r\n" .. BODY .. "0\r\n\r\n"))
cut("a chunk longer than its size", chunks("13\r\n" .. BODY .. "\r\n0\r\n\r\n"))
cut("a chunk shorter than its size", chunks("15\r\n" .. BODY .. "\r\n0\r\n\r\n"))
cut("an empty line between chunks", chunks(SPLIT .. "\r\n0\r\n\r\n"))
cut("no size at all", chunks(BODY .. "\r\n"))
cut("a size of sixteen F", sized(("f"):rep(16)))
cut("a size of seventeen F", sized(("f"):rep(17)))
cut("a size of a hundred F", sized(("F"):rep(100)))
cut("a size of 2^64 + 20", sized("10000000000000014"))
cut("a size above the ceiling, before its bytes", chunks("100001\r\n"))
cut("a size above what is left below the ceiling, before its bytes",
  chunks(chunk(BODY) .. "1\r\n"), { max = 20 })
good("chunks just at the ceiling", chunks(ENDED), { max = 20 })
cut("chunks above the ceiling", chunks(ENDED), { max = 19 })
cut("chunks that do not end", chunks(SPLIT), { ending = "close", kind = "connection" })
cut("chunks that end within a chunk", chunks("15\r\n" .. BODY),
  { ending = "close", kind = "connection" })
cut("chunks that end within a size", chunks(SPLIT .. "0"),
  { ending = "close", kind = "connection" })
cut("chunks without the last empty line", chunks(SPLIT .. "0\r\n"),
  { ending = "close", kind = "connection" })
cut("chunks and a reset", chunks(SPLIT), { ending = "break", kind = "connection" })
cut("chunks and silence", chunks(SPLIT), { ending = "timeout", kind = "timeout" })

-- Trailers ---------------------------------------------------------------------------------

local function trailers(lines) return chunks(SPLIT .. "0\r\n" .. lines .. "\r\n") end

good("a trailer", trailers("A: b\r\n"))
good("several trailers", trailers("A: b\r\nC:\r\nD: e\r\n"))
good("trailers that would be framing", trailers("Content-Length: 3\r\nTransfer-Encoding: gzip\r\n"))
good("a trailer that would close", trailers("Connection: close\r\n"))
last("a trailer that is folded", trailers("A: b\r\n c\r\n"))
last("a trailer with LF alone", trailers("A: b\n"))
last("LF alone at the end of the trailers", chunks(SPLIT .. "0\r\nA: b\r\n\n"))
last("LF alone instead of trailers", chunks(SPLIT .. "0\r\n\n"))
cut("a trailer without a colon", trailers("nonsense\r\n"))
cut("a trailer with a blank before its colon", trailers("A : b\r\n"))
cut("a trailer with a NUL", trailers("A: b\0\r\n"))
cut("a trailer with a CR inside", trailers("A: b\rc\r\n"))
cut("a blank before the first trailer", trailers(" A: b\r\n"))
cut("a status line for a trailer", trailers("HTTP/1.1 400 Bad\r\n"))
cut("trailers that do not end", chunks(SPLIT .. "0\r\nA: b\r\n"),
  { ending = "close", kind = "connection" })

return rows
