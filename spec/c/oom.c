/*
 * Memory runs out at every place in turn: Lua's, the module's own and libcurl's. Whatever is asked
 * of the module then must fail cleanly: no crash, no leak, no second POST, no message that went out
 * and is called not sent; and the module works when there is memory again.
 *
 * The module under test is linked with --wrap for malloc, calloc and realloc, whose other ends are
 * here. Paths come from LUA_PATH and LUA_CPATH.
 */
#include <curl/curl.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "canned.h"

#define MAX_FAILURES 20000

/* ---- memory that can run out ---- */

typedef struct meter {
  const char *name;
  long n_live; /* blocks */
  long countdown;
  bool is_armed; /* from when countdown is spent on, every request fails */
  bool has_failed;
} meter;

static meter of_lua = { .name = "Lua" }, of_module = { .name = "the module" },
             of_curl = { .name = "libcurl" };

static bool is_refused(meter *m) {
  if (!m->is_armed || m->countdown-- > 0) return false;
  m->has_failed = true;
  return true;
}

static void *counted(meter *m, void *fresh, bool had_block) {
  if (fresh && !had_block) m->n_live++;
  return fresh;
}

static void *meter_realloc(meter *m, void *old, size_t size) {
  return is_refused(m) ? NULL : counted(m, realloc(old, size), old != NULL);
}

/* Lua takes for granted that a block can shrink. */
static void *lua_memory(void *user, void *old, size_t old_size, size_t size) {
  (void)user;
  if (size == 0) {
    if (old) of_lua.n_live--;
    free(old);
    return NULL;
  }
  if (old && size <= old_size) return realloc(old, size);
  return meter_realloc(&of_lua, old, size);
}

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *old);

void *__wrap_malloc(size_t size) {
  return meter_realloc(&of_module, NULL, size);
}

void *__wrap_calloc(size_t n, size_t size) {
  return is_refused(&of_module) ? NULL : counted(&of_module, calloc(n, size), false);
}

void *__wrap_realloc(void *old, size_t size) {
  return meter_realloc(&of_module, old, size);
}

void __wrap_free(void *old) {
  if (old) of_module.n_live--;
  free(old);
}

static void *curl_malloc(size_t size) {
  return meter_realloc(&of_curl, NULL, size);
}

static void curl_release(void *old) {
  if (old) of_curl.n_live--;
  free(old);
}

static void *curl_realloc(void *old, size_t size) {
  return meter_realloc(&of_curl, old, size);
}

static char *curl_strdup(const char *text) {
  char *copy = curl_malloc(strlen(text) + 1);
  return copy ? strcpy(copy, text) : NULL;
}

static void *curl_calloc(size_t n, size_t size) {
  return is_refused(&of_curl) ? NULL : counted(&of_curl, calloc(n, size), false);
}

/* So that the addresses in a report of the sanitizers keep their names. */
int dlclose(void *handle);
int dlclose(void *handle) {
  (void)handle;
  return 0;
}

/* lua-cjson loses its buffer when memory is short; that is not ours to mend. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
  return "leak:cjson.so\n";
}

const char *__lsan_default_options(void);
const char *__lsan_default_options(void) {
  return "print_suppressions=0";
}

/* ---- what is asked of the module ---- */

typedef struct scene {
  const char *name, *setup, *body;
  bool is_a_send; /* the body returns what a send does */
} scene;

#define MESSAGE "{ from = '+18445550001', to = '+18665550001', text = 'Hello' }"
#define OPEN "core = require 'telnyx.core' "
#define ASK                                       \
  "local x = core.exchange(core.request(" MESSAGE \
  ", { api_key = 'KEY_OOM' })) "                  \
  "x:wrote(#x:offer()) "
#define CLIENT OPEN "client = core.client(options) "

static const scene SCENES[] = {
  { "require", "require 'cjson'", "return require 'telnyx.core'", false },
  { "client", OPEN, "local c = core.client(options) c:close() return true", false },
  { "send", CLIENT, "return client:send" MESSAGE, true },
  { "start, step, finished, result", CLIENT,
    "local p, err = client:start" MESSAGE
    " if not p then return nil, err end "
    "while not p:done() do client:step(1) end "
    "return client:finished():result()",
    true },
  { "start, close, result", CLIENT,
    "local p, err = client:start" MESSAGE
    " if not p then return nil, err end "
    "client:step(0) client:close() return p:result()",
    true },
  { "segments", OPEN,
    "return core.segments(('smart \342\200\234quotes\342\200\235 '):rep(20), { detail = true })",
    false },
  { "segments of bad UTF-8", OPEN, "return core.segments('\\255')", false },
  { "smart_encode", OPEN, "return core.smart_encode(('\342\200\234a\342\200\235'):rep(50))",
    false },
  { "encode", OPEN,
    "return core.encode { from = '+18445550001', to = '+18665550001', text = 'Hello', "
    "extra = { a = ('a'):rep(600), b = { c = 1, d = { 2, 3 } } } }",
    false },
  { "digest, claim, process", OPEN,
    "return core.digest('abc') .. core.new_claim() .. core.process()", false },
  { "lock_file", OPEN,
    "local lock = core.lock_file('Makefile') if lock then lock:close() end "
    "return core.lock_file('none') or true",
    false },
  { "postgres, where there is none", OPEN,
    "local session, why = core.postgres('host=/none') return session or why", false },
  { "validate", OPEN, "return core.validate" MESSAGE, false },
  { "validate, all wrong", OPEN,
    "return core.validate { to = 'nobody', from = 7, subject = {}, media_urls = { 'x', 'y' }, "
    "send_at = 'soon', [1] = 2, colour = 'red', extra = { from = 1 } }",
    false },
  { "request", OPEN, "return core.request(" MESSAGE ", { api_key = 'KEY_OOM' })", false },
  { "exchange, a message in chunks", OPEN,
    ASK
    "x:feed('HTTP/1.1 200 OK\\r\\nX-Request-Id: r\\r\\nX-RateLimit-Limit: 5\\r\\n"
    "Transfer-Encoding: chunked\\r\\n\\r\\n4\\r\\n{\"da\\r\\n') "
    "x:feed('2b\\r\\nta\":{\"id\":\"x\",\"parts\":1,\"to\":[{\"a\":null}]}}\\r\\n0\\r\\n\\r\\n') "
    "return x:reply()",
    false },
  { "exchange, a refusal to the end", OPEN,
    ASK
    "x:feed('HTTP/1.1 422 No\\r\\n\\r\\n{\"errors\":[{\"code\":40310,\"title\":\"t\",') "
    "x:feed('\"source\":{\"pointer\":\"/to\"}}, 3]}') x:finish('close') return x:reply()",
    false },
  { "exchange, no connection", OPEN, ASK "x:fail('timeout', 'no ' .. 'way') return x:reply()",
    false },
  { "exchange, in pieces", OPEN,
    "local x = core.exchange(core.request(" MESSAGE
    ", { api_key = 'KEY_OOM' })) "
    "x:wrote(#x:offer()) "
    "x:feed('HTTP/1.1 200 OK\\r\\nTransfer-Enc') x:feed('oding: chunked\\r\\n\\r\\n9') "
    "x:feed('\\r\\n{\"data\":{\\r\\na\\r\\n\"id\":\"x\"}}\\r\\n0\\r\\n\\r\\n') "
    "assert(x:state() ~= 'more' and x:is_reusable() == (x:state() == 'done')) "
    "return x:reply()",
    false },
  { "exchange, failed", OPEN,
    "local x = core.exchange(core.request(" MESSAGE
    ", { api_key = 'KEY_OOM' })) "
    "x:fail('connection', 'no road') return x:reply()",
    false },
  { "telnyx.new, send",
    "telnyx = require 'telnyx' client = telnyx.new { api_key = options.api_key, "
    "base_url = options.base_url, retry = false, timeout = 3 }",
    "return client:send" MESSAGE, true },
  { "telnyx.new, start, step",
    "telnyx = require 'telnyx' client = telnyx.new { api_key = options.api_key, "
    "base_url = options.base_url, retry = false, timeout = 3 } "
    "n_told = 0 "
    "function tell(message, err) n_told = n_told + 1 told = message err_told = err end "
    "function afterwards() "
    "for _ = 1, 200 do local ok, n = pcall(client.step, client, 0.02) "
    "if ok and n == 0 then break end end "
    "assert(client:step(0) == 0, 'it never ends') "
    "assert(n_told == 1 or n_told == 0 and not pending, n_told .. ' times told') end",
    "pending = client:start(" MESSAGE
    ", tell) "
    "repeat until client:step(0.02) == 0 "
    "return told, err_told",
    true },
  { "start, and a sender that fails",
    "telnyx = require 'telnyx' n_told = 0 "
    "local owners = {} "
    "local begun = { done = function() return true end, result = function() error('no', 0) end } "
    "client = telnyx.new { retry = false, sender = { send = print, "
    "start = function(_, _, _, owner) owners[1] = owner return begun end, "
    "step = function() return 0 end, finished = function() return table.remove(owners) end } } "
    "function tell() n_told = n_told + 1 end "
    "function afterwards() "
    "assert(not pending or n_told == 1 or client:timeout() == 0, 'nobody would look') "
    "for _ = 1, 20 do local ok, n = pcall(client.step, client, 0) "
    "if ok and n == 0 then break end end "
    "assert(client:step(0) == 0, 'it never ends') "
    "assert(n_told == 1 or n_told == 0 and not pending, n_told .. ' times told') end",
    "pending = client:start(" MESSAGE
    ", tell) "
    "pcall(client.step, client, 0) return true",
    false },
};

#define N_SCENES (sizeof SCENES / sizeof *SCENES)

/* Lua 5.1 remembers a module that failed to load as one that is still loading. */
static const char AFTERWARDS[] =
    "collectgarbage() collectgarbage() "
    "local loaded = package.loaded "
    "if afterwards then afterwards() end "
    "if type(loaded['telnyx.core']) ~= 'table' then loaded['telnyx.core'] = nil end "
    "local core = require 'telnyx.core' "
    "local c = core.client(options) "
    "local message, err = c:send" MESSAGE
    " c:close() "
    "assert(message, err and tostring(err.cause))";

/* ---- one run ---- */

static canned service;
static int n_faults;

static void fault(const scene *s, const meter *m, long n, const char *what) {
  fprintf(stderr, "oom: %s, %s's allocation %ld: %s\n", s->name, m->name, n, what);
  n_faults++;
}

static void set_options(lua_State *L) {
  lua_newtable(L);
  lua_pushfstring(L, "http://127.0.0.1:%d/v2", service.port);
  lua_setfield(L, -2, "base_url");
  lua_pushliteral(L, "KEY_OOM");
  lua_setfield(L, -2, "api_key");
  lua_pushnumber(L, 3);
  lua_setfield(L, -2, "timeout");
  lua_setglobal(L, "options");
}

static bool run(lua_State *L, const char *text) {
  bool is_good = luaL_loadstring(L, text) == 0 && lua_pcall(L, 0, 0, 0) == 0;
  if (!is_good) fprintf(stderr, "oom: %s\n", lua_tostring(L, -1));
  return is_good;
}

/* What the body returned, in a word. */
static const char *outcome_of(lua_State *L, int first) {
  if (lua_toboolean(L, first)) return "accepted";
  if (!lua_istable(L, first + 1)) return "raised";
  lua_getfield(L, first + 1, "outcome");
  return lua_isstring(L, -1) ? lua_tostring(L, -1) : "none";
}

/* An error that `send` itself raises says so when the request went out. */
static void check_words(const scene *s, const meter *m, long n, const char *outcome, int n_posts) {
  if (strcmp(s->name, "send") != 0 || n_posts == 0) return;
  if (strcmp(outcome, "raised") == 0) fault(s, m, n, "raised in silence after it posted");
}

static void check_promise(const scene *s, const meter *m, long n, const char *outcome,
                          int n_posts) {
  check_words(s, m, n, outcome, n_posts);
  if (n_posts > (s->is_a_send ? 1 : 0)) fault(s, m, n, "posted twice, or unasked");
  if (!s->is_a_send) return;
  if (n_posts == 1 && strcmp(outcome, "not_sent") == 0) fault(s, m, n, "posted, but not_sent");
  if (n_posts == 0 && strcmp(outcome, "accepted") == 0) fault(s, m, n, "accepted, but not posted");
}

/* Returns false when the memory sufficed. */
static bool starve(lua_State *L, const scene *s, meter *m, long n, char outcome[16]) {
  luaL_loadstring(L, s->body);
  int first = lua_gettop(L);
  m->countdown = n;
  m->has_failed = false;
  m->is_armed = true;
  int status = lua_pcall(L, 0, 2, 0);
  m->is_armed = false;
  if (status != 0) {
    const char *words = lua_tostring(L, -1);
    snprintf(outcome, 16, words && strstr(words, "went out") ? "raised, told" : "raised");
  } else {
    snprintf(outcome, 16, "%s", outcome_of(L, first));
  }
  lua_settop(L, 0);
  return m->has_failed;
}

static bool attempt(const scene *s, meter *m, long n) {
  char outcome[16];
  long module_before = of_module.n_live, curl_before = of_curl.n_live, lua_before = of_lua.n_live;
  int posts_before = service.log->n_posts;
  lua_State *L = lua_newstate(lua_memory, NULL);
  luaL_openlibs(L);
  set_options(L);
  if (!run(L, s->setup)) fault(s, m, n, "no beginning");
  bool has_failed = starve(L, s, m, n, outcome);
  if (!run(L, AFTERWARDS)) fault(s, m, n, "did not recover");
  lua_close(L);
  if (!canned_settle(&service)) fault(s, m, n, "left a connection open");
  check_promise(s, m, n, outcome, service.log->n_posts - posts_before - 1);
  if (of_module.n_live != module_before) fault(s, m, n, "the module leaks");
  if (of_curl.n_live != curl_before) fault(s, m, n, "libcurl leaks");
  if (of_lua.n_live != lua_before) fault(s, m, n, "Lua leaks");
  return has_failed;
}

static void sweep(const scene *s, meter *m) {
  long n = 0;
  int n_faults_before = n_faults;
  while (n < MAX_FAILURES && n_faults == n_faults_before && attempt(s, m, n)) n++;
  printf("%12ld", n);
}

int main(int argc, char **argv) {
  const char *only = argc > 1 ? argv[1] : NULL;
  service = canned_start();
  curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_malloc, curl_release, curl_realloc, curl_strdup,
                       curl_calloc);
  meter *meters[] = { &of_lua, &of_module, &of_curl };
  attempt(&SCENES[2], &of_lua, MAX_FAILURES); /* what is made once and kept */
  printf("  %-32s%12s%12s%12s\n", "allocations that failed, of", of_lua.name, of_module.name,
         of_curl.name);
  for (size_t i = 0; i < N_SCENES; i++) {
    if (only && strcmp(only, SCENES[i].name) != 0) continue;
    printf("  %-32s", SCENES[i].name);
    for (int j = 0; j < 3; j++) sweep(&SCENES[i], meters[j]);
    printf("\n");
  }
  canned_stop(&service);
  printf("oom: %s\n", n_faults ? "FAILED" : "every allocation failed once, and nothing broke");
  return n_faults != 0;
}
