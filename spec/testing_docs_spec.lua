-- docs/testing.md does what it says: its files are those of examples/testing, its commands are run
-- against a real sandbox, and the mistakes that it shows are caught with the words that it shows.

local host = require "spec.support.host"
local http = require "socket.http"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"

local DOCS, EXAMPLES = "docs/testing.md", "examples/testing/"

-- Reading the page ------------------------------------------------------------------------------

-- In the order in which they stand: under which heading, of which language, and the text.
local function read_blocks()
  local blocks, heading, block = {}, "", nil
  for line in sandbox.read_file(DOCS):gmatch("([^\n]*)\n") do
    local fence = line:match("^```(.*)$")
    if block and fence then
      blocks[#blocks + 1], block = block, nil
    elseif block then
      block.text = block.text .. line .. "\n"
    elseif fence then
      block = { heading = heading, language = fence, text = "" }
    else
      heading = line:match("^## (.*)$") or heading
    end
  end
  assert(not block, "a block has no end")
  return blocks
end

-- The first or second line says whose beginning it is.
local function file_of(text)
  for line in text:match("^[^\n]*\n[^\n]*"):gmatch("[^\n]+") do
    local name = line:match("^%-%- ([%w_]+%.%w+): ") or line:match("^// ([%w_]+%.%w+): ")
      or line:match("^# ([%w_]+%.%w+): ")
    if name then return name end
  end
end

local function is_one_line(text) return not text:find("\n.") end

-- What a heading has: files, a command (the last), the change that is a mistake, and what is said.
local Section = {}
Section.__index = Section

function Section:take_code(block)
  local name = file_of(block.text)
  if name then
    self.last, self.files[name] = name, block.text
  else
    self.files[self.last] = self.files[self.last] .. "\n" .. block.text
  end
end

function Section:take(block)
  if block.language == "" then
    self.said = block.text
  elseif block.language == "diff" then
    self.change = block.text
  elseif block.language == "sh" and is_one_line(block.text) then
    self.command = block.text
  else
    self:take_code(block)
  end
end

local function read_sections()
  local sections, list = {}, {}
  for _, block in ipairs(read_blocks()) do
    local section = sections[block.heading]
    if not section then
      section = setmetatable({ files = {} }, Section)
      sections[block.heading], list[#list + 1] = section, section
    end
    section:take(block)
  end
  return sections, list
end

local sections, in_order = read_sections()

-- Running it ------------------------------------------------------------------------------------

local ASKED = {
  curl = "curl --help all | grep -q -e --json",
  node = "node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)'",
  python3 = "python3 --version",
}

local NOT_HERE = {
  curl = "curl 7.82 or newer is not here: apt-get install curl",
  node = "Node 18 or newer is not here: make deps-sdk",
  python3 = "Python 3 is not here: apt-get install python3",
}

-- What cannot be run is said.
local function lacks(program)
  local command = ASKED[program] .. " >/dev/null 2>&1 && echo yes"
  if process.run(command) == "yes\n" then return false end
  pending(NOT_HERE[program])
  return true
end

-- busted of the Lua that runs this spec.
local function as_here(command)
  local busted = process.lua() .. " " .. (arg and arg[0] or "busted")
  return (command:gsub("\n", ""):gsub("^busted ", busted .. " "))
end

-- A code is another one each time.
local function without_codes(text) return (text:gsub("Your code is %d+", "Your code is N")) end

local function without_last_newline(text) return (text:gsub("\n$", "")) end

describe("docs/testing.md", function()
  local server, folder

  setup(function() server = sandbox.start() end)
  teardown(function() server:stop() end)
  before_each(function() folder = host.folder() end)
  after_each(function() os.execute("rm -rf " .. folder) end)

  local function write(section)
    for name, text in pairs(section.files) do host.write(folder .. "/" .. name, text) end
  end

  -- Makes the mistake that a section shows.
  local function change(section)
    local before, after = section.change:match("^%-([^\n]+\n)%+([^\n]+\n)$")
    local n_changed = 0
    for name, text in pairs(section.files) do
      local first, last = text:find("\n" .. before, 1, true)
      if first then
        n_changed = n_changed + 1
        host.write(folder .. "/" .. name, text:sub(1, first) .. after .. text:sub(last + 1))
      end
    end
    assert.equal(1, n_changed)
  end

  local function run(section)
    local environment = ("TELNYX_API_KEY=KEY_SPEC TELNYX_BASE_URL=%s TELNYX_PUBLIC_KEY=%s"
      .. " PYTHONDONTWRITEBYTECODE=1"):format(server.url, server.public_key)
    return process.run(("cd %s && env %s timeout 120 %s; echo rc $?"):format(folder, environment,
      as_here(section.command)))
  end

  -- All is well at first, and after the mistake the test says what the page says.
  local function shows(section, program)
    write(section)
    assert.matches("rc 0\n$", run(section))
    change(program or section)
    local output = run(section)
    assert.matches("rc 1\n$", output)
    local said = without_codes(without_last_newline(section.said))
    assert(without_codes(output):find(said, 1, true), output)
  end

  it("has the files of the examples, and no others", function()
    local shown = {}
    for _, section in ipairs(in_order) do
      for name, text in pairs(section.files) do
        assert.equal(sandbox.read_file(EXAMPLES .. name), text)
        shown[#shown + 1] = name
      end
    end
    table.sort(shown)
    local there_are = process.run(("cd %s && ls -p | grep -v / | LC_ALL=C sort"):format(EXAMPLES))
    assert.equal(there_are, table.concat(shown, "\n") .. "\n")
  end)

  it("shows what the sandbox says when it starts", function()
    local shown = sections["Start the sandbox"].said:gsub("12111", server.port)
      :gsub("(TELNYX_PUBLIC_KEY=)%S+", function(name) return name .. server.public_key end)
    assert.equal(server.greeting, shown)
  end)

  it("names paths and parameters that there are", function()
    local values = { key = "k", match = "m", to = "%2B13125550002", event_type = "message.sent" }
    local n_asked = 0
    for path in sandbox.read_file(DOCS):gmatch("| `GET (/sandbox/%S+)` |") do
      path = path:gsub("([%w_]+)=…", function(name) return name .. "=" .. values[name] end)
      local status, body = server:request("GET", (path:gsub("wait=%d+", "wait=0")))
      assert(status == 200 or status == 409, body)
      n_asked = n_asked + 1
    end
    assert.equal(4, n_asked)
  end)

  -- Where this process finds its modules, nginx does.
  local function beside_a_sandbox(command)
    return process.run(("SANDBOX_LUA_PATH=%s SANDBOX_LUA_CPATH=%s timeout 120 %s; echo rc $?")
      :format(sandbox.quote(package.path), sandbox.quote(package.cpath), command))
  end

  it("starts a sandbox for a command, which ends with it", function()
    local output = beside_a_sandbox("sh " .. EXAMPLES .. "with_sandbox.sh sh -c"
      .. " 'echo $TELNYX_BASE_URL $TELNYX_API_KEY $TELNYX_PUBLIC_KEY; exit 7'")
    local url = output:match("^(http://127%.0%.0%.1:%d+)/v2 KEY_TEST [%w+/]+=\nrc 7\n$")
    assert(url, output)
    sandbox.wait(function() return not http.request(url .. "/sandbox/options") end,
      "the sandbox to end")
  end)

  it("says why a sandbox does not start", function()
    local output = process.run(("SERVE=%s/none sh %swith_sandbox.sh true; echo rc $?")
      :format(folder, EXAMPLES))
    assert.matches("none: No such file\nrc 1\n$", output)
  end)

  it("runs what CI runs", function()
    if lacks("node") then return end
    assert.matches("rc 0\n$", beside_a_sandbox(as_here(sections["Start the sandbox"].command)))
  end)

  it("in Lua, in process", function() shows(sections["Lua, in process"]) end)

  it("in Lua, over HTTP", function()
    local in_process = sections["Lua, in process"]
    write(in_process)
    shows(sections["Lua, over HTTP"], in_process)
  end)

  for heading, program in pairs { curl = "curl", Node = "node", Python = "python3" } do
    it("with " .. heading, function()
      if lacks(program) then return end
      shows(sections[heading])
    end)
  end
end)
