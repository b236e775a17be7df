--- Digests, claims and the name of a process.

local core = require("telnyx.core")
local process = require("spec.support.process")

local ffi = select(2, pcall(require, "ffi")) -- LuaJIT alone has it

local function from_hex(digits)
  return (digits:gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end))
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read("*a")
  file:close()
  return bytes
end

local function write(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

describe("core.digest", function()
  -- RFC 6234 §8.5, those of whole bytes, and the digest of nothing.
  local ROWS = {
    { "abc", "abc",
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { "two blocks", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    { "a million letters", ("a"):rep(1000000),
      "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
    { "whole blocks", ("0123456701234567012345670123456701234567012345670123456701234567"):rep(10),
      "594847328451bdfa85056225462cc1d867d877fb388df0ce35f25ab5562bfbb5" },
    { "one byte", from_hex("19"),
      "68aa2e2ee5dff96e3355e6c7ee373e3d6a4e17f75f9518d843709c0c9bc3e3d4" },
    { "sixteen bytes", from_hex("e3d72570dcdd787ce3887ab2cd684652"),
      "175ee69b02ba9b58e2b0a5fd13819cea573f3940a94f825128cf4209beabb4e8" },
    { "nothing", "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
  }

  for _, row in ipairs(ROWS) do
    it("is the standard's: " .. row[1], function() assert.equal(row[3], core.digest(row[2])) end)
  end

  it("is that of sha256sum, whatever the length, NULs included", function()
    local folder, bytes = process.run("mktemp -d"):match("%S+"), {}
    for n = 0, 300 do
      write(("%s/%03d"):format(folder, n), table.concat(bytes))
      bytes[n + 1] = string.char((n * 167 + 3) % 256)
    end
    local said = process.run(("cd '%s' && sha256sum *"):format(folder))
    process.run(("rm -r '%s'"):format(folder))
    local n_lines = 0
    for digest, n in said:gmatch("(%x+)%s+(%d+)\n") do
      assert.equal(digest, core.digest(table.concat(bytes, "", 1, tonumber(n))), n)
      n_lines = n_lines + 1
    end
    assert.equal(301, n_lines)
    assert.truthy(table.concat(bytes, "", 1, 300):find("%z"))
  end)

  it("is of a string and nothing else", function()
    for _, value in ipairs { 1, true, {}, print } do
      assert.has_error(function() core.digest(value) end)
    end
    assert.has_error(function() core.digest() end)
  end)
end)

-- What this script prints, from a process of its own.
local function said_by_another(script)
  return process.run_lua('local core = require("telnyx.core") ' .. script)
end

-- What `make_words` returns in a fork of this process.
local function said_by_fork(make_words)
  pcall(ffi.cdef, "int fork(void); void _exit(int); int waitpid(int, int *, int);")
  local path = os.tmpname()
  local pid = ffi.C.fork()
  if pid == 0 then
    pcall(function() write(path, make_words()) end)
    ffi.C._exit(0)
  end
  ffi.C.waitpid(pid, nil, 0)
  local words = read(path)
  os.remove(path)
  return words, pid
end

describe("core.new_claim", function()
  it("is 32 hex digits that never come again", function()
    local seen, n_of_digit, n_digits = {}, {}, 0
    for _ = 1, 100000 do
      local claim = core.new_claim()
      assert(#claim == 32 and not claim:find("[^0-9a-f]"), claim)
      assert(not seen[claim], claim)
      seen[claim] = true
      local digit = claim:sub(-1)
      n_of_digit[digit] = (n_of_digit[digit] or 0) + 1
    end
    -- 6250 each, give or take 77: ten times that is beyond chance.
    for _, n in pairs(n_of_digit) do
      assert.is_true(n > 5480 and n < 7020, n)
      n_digits = n_digits + 1
    end
    assert.equal(16, n_digits)
  end)

  it("is another one in another process", function()
    local script = "for _ = 1, 100 do print(core.new_claim()) end"
    local seen, n = {}, 0
    for claim in (said_by_another(script) .. said_by_another(script)):gmatch("%x+") do
      assert.is_nil(seen[claim])
      seen[claim], n = true, n + 1
    end
    assert.equal(200, n)
  end)

  if type(ffi) == "table" then
    it("is another one in a fork", function()
      core.new_claim()
      local first, second = said_by_fork(core.new_claim), said_by_fork(core.new_claim)
      local own = core.new_claim()
      assert.equal(32, #first)
      assert.equal(32, #second)
      assert.is_true(first ~= second and first ~= own and second ~= own)
    end)
  end
end)

describe("core.process", function()
  local function own_pid() return read("/proc/self/stat"):match("^%d+") end

  it("names the host and the process", function()
    local host = process.run("uname -n"):gsub("%s+$", "")
    assert.equal(host .. "/" .. own_pid(), core.process())
  end)

  it("names another process by its own id", function()
    local said = said_by_another('print(core.process(), io.open("/proc/self/stat"):read("*n"))')
    local pid, expected = said:match("/(%d+)%s+(%d+)")
    assert.equal(expected, pid)
    assert.not_equal(core.process():match("%d+$"), pid)
  end)

  if type(ffi) == "table" then
    it("names a fork by its own id", function()
      core.process()
      local said, pid = said_by_fork(core.process)
      assert.equal(core.process():gsub("%d+$", tostring(pid)), said)
    end)
  end
end)

describe("core.is_running", function()
  it("tells who has ended from who has not", function()
    local ended, here = process.run("sh -c 'echo $$'"):match("%d+"), core.pid()
    assert.same({ false, true }, { core.is_running(tonumber(ended)), core.is_running(here) })
  end)

  if type(ffi) == "table" then
    it("says so of a process that is another user's", function()
      local said = said_by_fork(function()
        pcall(ffi.cdef, "int setresuid(unsigned, unsigned, unsigned);")
        ffi.C.setresuid(65534, 65534, -1) -- the file is the old user's
        local is_running = core.is_running(1)
        ffi.C.setresuid(0, 0, 0)
        return tostring(is_running)
      end)
      assert.equal("true", said)
    end)
  end
end)
