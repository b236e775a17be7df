-- Judges what a send returned against what the server saw.

local assert = require "luassert"

local verdict = {}

-- A key that no text of ours contains by chance.
verdict.KEY = "KEY0123456789ABCDEF_secretsecret"

local KINDS = { invalid = true, connection = true, timeout = true, api = true, protocol = true }

local function as_list(one_or_many)
  return type(one_or_many) == "table" and one_or_many or { one_or_many }
end

local function is_one_of(value, allowed, what)
  for _, each in ipairs(as_list(allowed)) do
    if each == value then
      return
    end
  end
  error(("%s is %s; expected %s"):format(what, tostring(value),
    table.concat(as_list(allowed), " or ")), 0)
end

local function assert_no_key(value, seen)
  if type(value) == "string" then
    assert.is_nil(value:find("secretsecret", 1, true), "the key is in an error")
  elseif type(value) == "table" and not seen[value] then
    seen[value] = true
    for k, v in pairs(value) do
      assert_no_key(k, seen)
      assert_no_key(v, seen)
    end
  end
end

local function may_be_repeated(err)
  return err.outcome == "not_sent" or (err.outcome == "rejected" and err.status == 429)
end

--- An error below the seam is whole, and promises nothing that its outcome does not.
---@param err any
function verdict.assert_error(err)
  assert.equal("table", type(err))
  is_one_of(err.outcome, { "not_sent", "rejected", "unknown", "accepted" }, "outcome")
  assert.is_true(KINDS[err.kind], "kind is " .. tostring(err.kind))
  assert.equal("boolean", type(err.retryable))
  if err.retryable then
    assert.is_true(may_be_repeated(err), "retryable although " .. err.outcome)
  end
  if err.status ~= nil then
    assert.is_true(err.status >= 200, "a 1xx status is not final")
  end
  if err.stale ~= nil then
    assert.is_true(err.stale)
    assert.equal("not_sent", err.outcome)
  end
  assert_no_key(err, {})
end

local function assert_message(message, info)
  assert.equal("table", type(message))
  assert.equal("string", type(message.id))
  assert.equal("table", type(info))
  assert.equal("accepted", info.outcome)
  assert.is_true(info.status >= 200 and info.status < 300)
end

local function assert_absent(field, err)
  local value = err and err[field]
  assert(value == nil, ("%s is %s; expected none"):format(field, tostring(value)))
end

local function describe(result)
  local err = result.err
  if not err then
    return "message " .. tostring(result.message and result.message.id)
  end
  return ("outcome=%s kind=%s status=%s retryable=%s stale=%s cause=%s detail=%s"):format(
    tostring(err.outcome), tostring(err.kind), tostring(err.status), tostring(err.retryable),
    tostring(err.stale), tostring(err.cause), tostring(err.detail))
end

local function assert_expected(result, expected)
  local err = result.err
  is_one_of(err and err.outcome or "success", expected.outcome, "outcome")
  if err and expected.kind then
    is_one_of(err.kind, expected.kind, "kind")
  end
  if expected.status then
    assert.equal(expected.status, err and err.status or result.info.status)
  elseif expected.status == false then
    assert_absent("status", err)
  end
  if err and expected.retryable ~= nil then
    assert.equal(expected.retryable, err.retryable)
  end
end

local function check(result, expected)
  if result.err then
    assert.is_nil(result.message)
    verdict.assert_error(result.err)
  else
    assert_message(result.message, result.info)
  end
  assert_expected(result, expected)
end

--- Packs what `send` returned.
function verdict.result(message, second)
  if message then
    return { message = message, info = second }
  end
  return { err = second }
end

--- `expected` has outcome ("success" or that of an error; or a list of allowed ones), and where it
--- matters kind, status (false: none) and retryable.
---@param result table
---@param expected table
function verdict.assert_result(result, expected)
  local ok, problem = pcall(check, result, expected)
  if not ok then
    error(tostring(type(problem) == "table" and problem.message or problem)
      .. "\n  returned: " .. describe(result), 2)
  end
end

--- The promise: one call, at most one whole request, and none at all behind a "not sent".
---@param result table
---@param whole number of whole requests that the server received because of this call
function verdict.assert_promise(result, whole)
  local text = ("%d whole requests; returned %s"):format(whole, describe(result))
  assert(whole <= 1, "sent twice: " .. text)
  local outcome = result.err and result.err.outcome
  assert(outcome ~= "not_sent" or whole == 0, "sent, but reported not sent: " .. text)
  assert(outcome or whole == 1, "reported accepted, but never sent: " .. text)
end

return verdict
