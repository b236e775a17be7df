-- A journal in a dictionary of nginx, and what befalls its workers.

local cjson = require "cjson"
local nginx = require "spec.support.nginx"
local sandbox = require "spec.support.sandbox"

local N_WORKERS = 4

local server

-- One location for each function of spec.support.journal_nginx.
local function location(name)
  return ([[
    location = /%s { content_by_lua_block { require("spec.support.journal_nginx").%s() } }
  ]]):format(name, name)
end

before_each(function()
  local locations = {}
  for i, name in ipairs { "race", "claim_all", "claim_one", "signal_locked", "fill" } do
    locations[i] = location(name)
  end
  server = nginx.start {
    workers = N_WORKERS,
    http = "lua_shared_dict sent 10m; lua_shared_dict small 1m; lua_shared_dict books 1m;",
    server = table.concat(locations) .. [[
      location = /book { content_by_lua_block {
        ngx.print(tostring(ngx.shared.books:get(ngx.var.arg_name) or 0)) } }
      location = /put { content_by_lua_block {
        ngx.print(tostring(ngx.shared.sent:safe_add(ngx.var.arg_name, "else"))) } }
    ]],
  }
end)

after_each(function() server:stop() end)

local function ask(path) return cjson.decode(server:ask(path)) end

-- All at once; each answer, a list.
local function ask_all(paths)
  local waits, answers = {}, {}
  for i, path in ipairs(paths) do waits[i] = server:begin(path, "") end
  for i, wait in ipairs(waits) do answers[i] = cjson.decode(wait()) end
  return answers
end

local function workers()
  local pids, pid = {}, sandbox.read_file(server.program.folder .. "/nginx.pid"):match("%d+")
  for child in sandbox.capture("ps --ppid " .. pid .. " -o pid="):gmatch("%d+") do
    pids[#pids + 1] = child
  end
  return pids, pid
end

-- What a process has used of the processor.
local function ticks_of(pid)
  local stat = sandbox.read_file("/proc/" .. pid .. "/stat") or ""
  return tonumber(stat:match("%) " .. ("%S+ "):rep(11) .. "(%d+)")) or 0
end

it("each of 300 keys is claimed by one of several workers", function()
  local paths, total, is_worker, n_workers = {}, 0, {}, 0
  for i = 1, N_WORKERS do paths[i] = "/claim_all?from=" .. i * 75 end
  for _, answer in ipairs(ask_all(paths)) do
    if not is_worker[answer[1]] then n_workers = n_workers + 1 end
    is_worker[answer[1]] = true
    total = total + answer[2]
  end
  assert.equal(300, total)
  assert.is_true(n_workers > 1)
end)

it("a key is held by one worker at a time, however often it is given back", function()
  local paths, n_won, is_worker, n_workers = {}, 0, {}, 0
  for i = 1, N_WORKERS do paths[i] = "/race?few=1&n=10000" end
  for _, answer in ipairs(ask_all(paths)) do
    if not is_worker[answer[1]] then n_workers = n_workers + 1 end
    is_worker[answer[1]] = true
    assert.equal(0, answer[3])
    n_won = n_won + answer[2]
  end
  assert.is_true(n_workers > 1)
  assert.equal(n_won, tonumber(server:ask("/book?name=won")))
end)

it("workers that are killed take no key with them but those that they had claimed", function()
  for _ = 1, 8 do
    local waits, before = {}, {}
    for _, pid in ipairs(workers()) do before[pid] = ticks_of(pid) end
    for i = 1, N_WORKERS do waits[i] = server:begin("/race?n=20000", "") end
    os.execute("kill -9 " .. sandbox.wait(function()
      for pid, ticks in pairs(before) do
        if ticks_of(pid) > ticks then return pid end
      end
    end, "a worker to work"))
    for _, wait in ipairs(waits) do pcall(wait) end
  end
  -- Whatever lock they had, it can be had.
  for i = 1, 200 do
    local answer = ask("/claim_one?key=after" .. i)
    assert.is_true(answer[1], tostring(answer[2]))
  end
  for _, answer in ipairs(ask_all { "/race?n=3000", "/race?n=3000" }) do
    assert.equal(0, answer[3])
  end
end)

it("the lock of a worker that was killed is taken away, once", function()
  for round = 1, 5 do
    local key = "order-" .. round
    pcall(server:begin("/signal_locked?signal=KILL&key=" .. key, ""))
    local paths, n_won = {}, 0
    for i = 1, N_WORKERS do paths[i] = "/claim_one?key=" .. key end
    for _, answer in ipairs(ask_all(paths)) do
      assert.equal("boolean", type(answer[1]), tostring(answer[2]))
      if answer[1] then n_won = n_won + 1 end
    end
    assert.equal(1, n_won)
  end
end)

it("the lock of a worker that is held up is not, and nobody claims behind its back", function()
  local wait = server:begin("/signal_locked?signal=STOP&key=order-1", "")
  local stopped = sandbox.wait(function()
    for _, pid in ipairs(workers()) do
      local stat = sandbox.read_file("/proc/" .. pid .. "/stat") or ""
      if stat:find(") T ", 1, true) then return pid end
    end
  end, "a worker to stop")
  local answer = ask("/claim_one?key=order-1")
  assert.equal(cjson.null, answer[1])
  assert.equal("the journal's dictionary is busy", answer[2])
  os.execute("kill -CONT " .. stopped)
  assert.same({ true }, cjson.decode(wait()))
  assert.is_true(ask("/claim_one?key=order-1")[1])
end)

it("a full dictionary refuses claims, and finishes all that it has", function()
  local said = server:ask("/fill")
  assert.matches("^the journal's dictionary is full: journal:purge makes room; ", said)
  assert.equal("true true true true\nnil\n1 true\n", said:match("\n(.*)"))
end)

it("a reload keeps what was claimed", function()
  assert.is_true(ask("/claim_one?key=order-1")[1])
  local before, master = workers()
  os.execute("kill -HUP " .. master)
  sandbox.wait(function()
    local now = " " .. table.concat(workers(), " ") .. " "
    for _, pid in ipairs(before) do
      if now:find(" " .. pid .. " ", 1, true) then return false end
    end
    return now:find("%d")
  end, "other workers")
  assert.is_false(ask("/claim_one?key=order-1")[1])
  assert.is_true(ask("/claim_one?key=order-2")[1])
end)

it("what somebody else has put there is not overwritten", function()
  assert.equal("true", server:ask("/put?name=j:order-1"))
  local answer = ask("/claim_one?key=order-1")
  assert.equal(cjson.null, answer[1])
  assert.matches("something else", answer[2])
end)
