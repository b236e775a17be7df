-- What make does about missing packages, with an apt of the spec's own in front of the machine's.

local process = require("spec.support.process")
local sandbox = require("spec.support.sandbox")

local LISTS = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 42 (apt-get)"
local DPKG = "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 42 (dpkg)"

describe("deps.sh", function()
  local folder

  local function program(name, script)
    local path = folder .. "/" .. name
    local file = assert(io.open(path, "w"))
    file:write("#!/bin/sh\n", script, "\n")
    file:close()
    os.execute("chmod +x " .. path)
  end

  -- An apt-get that fails with each of these words in turn, but succeeds at "", and from then on.
  local function apt_that_says(words)
    local script = { ("echo $1 >>%s/asked; case $(wc -l <%s/asked) in"):format(folder, folder) }
    for i, word in ipairs(words) do
      if word ~= "" then
        script[#script + 1] = ("%d) echo '%s' >&2; exit 100 ;;"):format(i, word)
      end
    end
    script[#script + 1] = "esac"
    program("apt-get", table.concat(script, "\n"))
  end

  local function deps()
    local command = "PATH=%s:$PATH sh .ci/deps.sh lacking; echo exit $?"
    local text, code = process.run(command:format(folder)):match("^(.*)exit (%d+)\n$")
    local asked = (sandbox.read_file(folder .. "/asked") or ""):gsub("\n", " ")
    local naps = (sandbox.read_file(folder .. "/naps") or ""):gsub("\n", " ")
    return { code = tonumber(code), text = text, asked = asked, naps = naps }
  end

  before_each(function()
    folder = sandbox.temporary_folder()
    program("dpkg-query", "exit 1")
    program("id", "echo 0")
    program("sleep", ("echo $1 >>%s/naps"):format(folder))
  end)

  after_each(function() os.execute("rm -rf " .. folder) end)

  it("installs what is missing", function()
    apt_that_says {}
    assert.same({ code = 0, text = "Installing: lacking\n", asked = "update install ", naps = "" },
      deps())
  end)

  it("waits while another apt holds a lock, of its lists too", function()
    apt_that_says { LISTS, LISTS, "", DPKG }
    local result = deps()
    assert.equal(0, result.code, result.text)
    assert.equal("update update update install install ", result.asked)
    assert.equal("5 5 5 ", result.naps)
    assert.matches("Waiting for another apt", result.text, 1, true)
  end)

  it("waits for nothing else, and shows it", function()
    apt_that_says { "E: Unable to locate package lacking" }
    local result = deps()
    assert.equal(1, result.code)
    assert.equal("update ", result.asked)
    assert.matches("Unable to locate package", result.text, 1, true)
  end)

  it("does not wait for ever", function()
    program("apt-get", ("echo $1 >>%s/asked; echo '%s' >&2; exit 100"):format(folder, LISTS))
    local result = deps()
    assert.equal(1, result.code)
    assert.matches("It is held by process 42", result.text, 1, true)
  end)
end)
