-- The strict reader of CSV: by tables of RFC 4180, by every way to cut the input, and by what
-- python3's csv module writes and reads.

local csv = require("telnyx.run.csv")
local json = require("cjson")
local process = require("spec.support.process")

local COLUMNS = { name = "people.csv", known = { "to", "text", "from" }, required = { "to" } }

local function reader_of(text, n_bytes)
  local at = 1
  return function()
    if at > #text then return nil end
    local chunk = text:sub(at, at + n_bytes - 1)
    at = at + n_bytes
    return chunk
  end
end

local function read(text, n_bytes, columns)
  local rows, why = csv.rows(reader_of(text, n_bytes or 65536), columns or COLUMNS)
  if not rows then return why end
  local list = {}
  for row in rows do list[#list + 1] = row end
  return list
end

local function row(line, to, text)
  return { line = line, fields = { to = to, text = text } }
end

local function fault(line, why)
  return { line = line, fault = ("people.csv, line %d: %s"):format(line, why) }
end

local LOST = "; nothing after it was read"
local TOO_LONG = "it is longer than a MiB: a quote in it may not be closed" .. LOST
local OPEN = "a quote that opens a field is never closed (field 2)" .. LOST
local LONE_CR = "a line ends in a carriage return alone (field 2)" .. LOST

local READ = {
  { "lines that end in LF", "to,text\n1,a\n2,b\n", { row(2, "1", "a"), row(3, "2", "b") } },
  { "lines that end in CRLF", "to,text\r\n1,a\r\n2,b\r\n", { row(2, "1", "a"), row(3, "2", "b") } },
  { "a last line without an end", "to,text\n1,a", { row(2, "1", "a") } },
  { "a last line that ends in an empty field", "to,text\n1,", { row(2, "1", "") } },
  { "a heading alone", "to,text", {} },
  { "commas in quotes", 'to,text\n1,"a,b"\n', { row(2, "1", "a,b") } },
  { "doubled quotes", 'to,text\n1,"say ""hi"""\n2,""""\n',
    { row(2, "1", 'say "hi"'), row(3, "2", '"') } },
  { "line breaks in quotes", 'to,text\r\n1,"a\nb\r\n\r\nc"\r\n2,d\r\n',
    { row(2, "1", "a\nb\r\n\r\nc"), row(6, "2", "d") } },
  { "empty quotes", 'to,text\n1,""\n"",2\n', { row(2, "1", ""), row(3, "", "2") } },
  { "a field alone in quotes at the end", 'to,text\n1,"a"', { row(2, "1", "a") } },
  { "spaces, which belong to a field", "to,text\n 1 , a \n", { row(2, " 1 ", " a ") } },
  { "empty lines, which are none", "\n\r\nto,text\n\n1,a\r\n\r\n\n2,b\n\n",
    { row(5, "1", "a"), row(8, "2", "b") } },
  { "a byte order mark", "\239\187\191to,text\n1,a\n", { row(2, "1", "a") } },
  { "headings in any order and case, spaces around", "TEXT , To\na,1\n", { row(2, "1", "a") } },
  { "headings in quotes", '"to","text"\n1,a\n', { row(2, "1", "a") } },
  { "characters of more than one byte", "to,text\n1,grüß 😀\n", { row(2, "1", "grüß 😀") } },

  { "too few fields", "to,text\n1\n2,b\n",
    { fault(2, "it has 1 field, but the heading has 2 columns"), row(3, "2", "b") } },
  { "too many fields", "to,text\n1,a,b\n2,b\n",
    { fault(2, "it has 3 fields, but the heading has 2 columns; "
      .. "a field with a comma in it must be quoted"), row(3, "2", "b") } },
  { "a line of spaces", "to,text\n \n",
    { fault(2, "it has 1 field, but the heading has 2 columns") } },
  { "a NUL", "to,text\n1,a\0b\n2,b\n", { fault(2, "it holds a NUL byte"), row(3, "2", "b") } },
  { "what is not UTF-8", "to,text\n1,\228\n2,b\n",
    { fault(2, 'it is not UTF-8: save the file as "CSV UTF-8"'), row(3, "2", "b") } },
  { "half a character", "to,text\n1,\195\n2,b\n",
    { fault(2, 'it is not UTF-8: save the file as "CSV UTF-8"'), row(3, "2", "b") } },
  { "a lone CR in quotes", 'to,text\n1,"a\rb"\n2,b\n',
    { fault(2, "it holds a carriage return without a line feed"), row(3, "2", "b") } },
  { "a lone CR", "to,text\n1,a\r2,b\n", { fault(2, LONE_CR) } },
  { "a lone CR at the end", "to,text\n1,a\n2,b\r", { row(2, "1", "a"), fault(3, LONE_CR) } },
  { "CR twice", "to,text\n1,a\r\r\n2,b\n", { fault(2, LONE_CR) } },
  { "a quote that is never closed", 'to,text\n0,z\n1,"a\n2,b\n3,c\n',
    { row(2, "0", "z"), fault(3, OPEN) } },
  { "a quote at the very end", 'to,text\n1,"', { fault(2, OPEN) } },
  { "a quote in an unquoted field", 'to,text\n1,a"b"\n2,b\n', { fault(2,
    "a quote stands inside a field that does not begin with one (field 2)" .. LOST) } },
  { "a space before a quote", 'to,text\n1, "b"\n', { fault(2,
    "a quote stands inside a field that does not begin with one (field 2)" .. LOST) } },
  { "text after a quote", 'to,text\n"1"x,a\n2,b\n', { fault(2,
    "text follows the quote that closes a field (field 1)" .. LOST) } },
  { "where a record began, and not where it is faulty", 'to,text\n1,"a\nb\nc"\n2,"x\ny\nz"!\n',
    { row(2, "1", "a\nb\nc"), fault(5,
      "text follows the quote that closes a field (field 2)" .. LOST) } },
}

local REFUSED = {
  { "an empty file", "", "it is empty; the first line must name the columns" },
  { "empty lines alone", "\n\r\n", "it is empty; the first line must name the columns" },
  { "a required column that is missing", "text\na\n", "the column 'to' is missing" },
  { "an unknown column", "to,txt\n", "there is no column 'txt'; did you mean 'text'?" },
  { "one that is like none", "to,telephone\n",
    "column 'telephone' is none of those that are read, and not allowed: to, text, from" },
  { "a column twice", "to,text,To\n", "two columns are named 'to'" },
  { "a column without a name", "to,text,\n", "column 3 has no name" },
  { "no heading", "+18665550001,Hello\n",
    "the first line must name the columns; '+18665550001' is no name" },
  { "semicolons", "to;text\n1;a\n", "columns are separated by commas, not by semicolons" },
  { "tabs", "to\ttext\n1\ta\n", "columns are separated by commas, not by tabs" },
  { "UTF-16", "\255\254t\0o\0", 'it is UTF-16: save the file as "CSV UTF-8"' },
  { "UTF-16, the other way", "\254\255\0t\0o", 'it is UTF-16: save the file as "CSV UTF-8"' },
  { "a heading that is not UTF-8", "to,\228\n", 'it is not UTF-8: save the file as "CSV UTF-8"' },
  { "an open quote in the heading", 'to,"text\n1,a\n', OPEN },
  { "a lone CR after it", "to,text\r1,a\r", LONE_CR },
  { "line breaks in a name", 'to,"a\nb"\n',
    "column 'a b' is none of those that are read, and not allowed: to, text, from" },
}

describe("CSV", function()
  for _, case in ipairs(READ) do
    it("reads or tells of " .. case[1] .. ", however it is cut", function()
      for n_bytes = 1, #case[2] + 1 do assert.same(case[3], read(case[2], n_bytes)) end
    end)
  end

  for _, case in ipairs(REFUSED) do
    it("refuses " .. case[1] .. ", however it is cut", function()
      for n_bytes = 1, #case[2] + 1 do
        assert.equal("people.csv, line 1: " .. case[3], read(case[2], n_bytes))
      end
    end)
  end

  it("reads two halves as the whole, wherever the cut is", function()
    local text = '\239\187\191to,text\r\n1,"ä ""x""\r\n,"\r\n\r\n2,😀\n3,"'
    local whole = read(text)
    for cut = 1, #text - 1 do
      local halves = { text:sub(1, cut), "", text:sub(cut + 1) }
      local i, list = 0, {}
      for one in csv.rows(function()
        i = i + 1
        return halves[i]
      end, COLUMNS) do list[#list + 1] = one end
      assert.same(whole, list)
    end
  end)

  it("allows columns that are named", function()
    local columns = { name = "x", known = { "to" }, extra = { "notes" } }
    assert.same({ { line = 2, fields = { to = "1", notes = "a" } } },
      read("to,Notes\n1,a\n", nil, columns))
  end)

  it("tells why it cannot be read any further, and yields no half of a record", function()
    local chunks = { "to,text\n1,a\n2,b" }
    local rows = csv.rows(function()
      local chunk = table.remove(chunks, 1)
      return chunk, not chunk and "the disk is gone" or nil
    end, COLUMNS)
    assert.same(row(2, "1", "a"), rows())
    assert.same(fault(3, "it cannot be read: the disk is gone"), rows())
    assert.is_nil(rows())
    local none, why = csv.rows(function() return nil, "no" end, COLUMNS)
    assert.is_nil(none)
    assert.equal("people.csv, line 1: it cannot be read: no", why)
  end)

  it("does not take a file in for a quote that is never closed", function()
    local n_read = 0
    local rows = csv.rows(function()
      n_read = n_read + 1
      return n_read == 1 and 'to,text\n1,"' or ("2,b\n"):rep(16384)
    end, COLUMNS)
    assert.same(fault(2, TOO_LONG), rows())
    assert.is_nil(rows())
    assert.is_true(n_read < 20)
  end)

  it("has the same limit in one piece", function()
    local text = 'to,text\n1,"' .. ("x"):rep(2 ^ 20) .. '"\n2,b\n'
    assert.same({ fault(2, TOO_LONG) }, read(text, #text))
  end)

  it("reads a million rows in the memory of a few", function()
    local n_left, n_rows = 1000, 0
    local thousand = ('+18665550001,"Hello, ""you"""\n'):rep(1000)
    local rows = csv.rows(function()
      n_left = n_left - 1
      if n_left == 999 then return "to,text\n" .. thousand end
      return n_left >= 0 and thousand or nil
    end, COLUMNS)
    local most_kb = 0
    collectgarbage()
    local before_kb = collectgarbage("count")
    for one in rows do
      n_rows = n_rows + 1
      if one.fault then error(one.fault) end
      if n_rows % 50000 == 0 then
        collectgarbage()
        most_kb = math.max(most_kb, collectgarbage("count") - before_kb)
      end
    end
    assert.equal(1000000, n_rows)
    assert.is_true(most_kb < 1000, most_kb .. " kB")
  end)

  it("quotes what must be, and nothing else", function()
    assert.equal('1,a b,"a,b","say ""hi""","a\nb"," a",\n',
      csv.line({ 1, "a b", "a,b", 'say "hi"', "a\nb", " a", "" }))
    assert.equal('""\n', csv.line({ "" }))
  end)
end)

-- 500 files with what makes CSV hard, as python3 writes them, and what it had in mind.
local WRITER = [[
import csv, io, json, random, sys
random.seed(4180)
PIECES = ['a', ' ', ',', '"', '""', '\n', '\r\n', 'ä', '😀', "'", ';', '\t', '+1', '\ufeff']
def field():
    return ''.join(random.choice(PIECES) for _ in range(random.randrange(6)))
for number in range(500):
    width = random.randrange(1, 6)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=random.choice(['\n', '\r\n']),
        quoting=random.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
    writer.writerow(['c%d' % i for i in range(width)])
    rows = []
    for _ in range(random.randrange(30)):
        line = out.getvalue().count('\n') + 1
        fields = [field() for _ in range(width)]
        writer.writerow(fields)
        rows.append({'line': line, 'fields': {'c%d' % i: f for i, f in enumerate(fields)}})
    text = out.getvalue()
    if random.random() < 0.3: text = text[:-len(writer.dialect.lineterminator)]
    if random.random() < 0.3: text = '\ufeff' + text
    print(json.dumps({'text': text, 'rows': rows}))
]]

-- Reads a file as strictly as python3 does, and tells what is in it.
local READER = [[
import csv, json, sys
for line in sys.stdin:
    with open(line.rstrip('\n'), newline='', encoding='utf-8') as file:
        print(json.dumps(list(csv.reader(file, strict=True))))
]]

local function write_file(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

describe("CSV and python3", function()
  local folder, cases

  setup(function()
    folder = process.run("mktemp -d"):gsub("%s+$", "")
    write_file(folder .. "/writer.py", WRITER)
    write_file(folder .. "/reader.py", READER)
    cases = {}
    local output = process.run("PYTHONUTF8=1 python3 " .. folder .. "/writer.py")
    for line in output:gmatch("[^\n]+") do cases[#cases + 1] = json.decode(line) end
    assert.equal(500, #cases)
  end)

  teardown(function() process.run("rm -r " .. folder) end)

  it("mean the same by 500 files that python3 has written", function()
    local known, n_rows = { "c0", "c1", "c2", "c3", "c4" }, 0
    for number, case in ipairs(cases) do
      local rows = read(case.text, 1 + number % 17, { name = "x", known = known })
      assert.same(case.rows, rows)
      n_rows = n_rows + #rows
    end
    assert.is_true(n_rows > 5000)
  end)

  it("mean the same by 500 files that were written here", function()
    local paths, expected = {}, {}
    for number, case in ipairs(cases) do
      local lines, rows = {}, {}
      for i, one in ipairs(case.rows) do
        local fields = {}
        for n = 0, 4 do fields[#fields + 1] = one.fields["c" .. n] end
        lines[i], rows[i] = csv.line(fields), fields
      end
      paths[number], expected[number] = ("%s/%d.csv"):format(folder, number), rows
      write_file(paths[number], table.concat(lines))
    end
    write_file(folder .. "/list", table.concat(paths, "\n") .. "\n")
    local number = 0
    local command = "PYTHONUTF8=1 python3 %s/reader.py <%s/list"
    local output = process.run(command:format(folder, folder))
    for line in output:gmatch("[^\n]+") do
      number = number + 1
      assert.same(expected[number], json.decode(line))
    end
    assert.equal(500, number)
  end)
end)
