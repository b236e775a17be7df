#include "ltlx.h"

/* Where `now`, `accept` and `strict` stand among the arguments. */
enum { MESSAGE = 1, NOW, ACCEPT };

static ltlx_judging read_judging(lua_State *L) {
  return (ltlx_judging){
    .now_s = lua_isnoneornil(L, NOW) ? ltlx_now() : (double)luaL_checknumber(L, NOW),
    .policy = ltlx_read_policy(L, ACCEPT),
  };
}

/* core.validate(message [, now [, accept [, strict]]]) -> true, warnings | nil, err */
static int l_validate(lua_State *L) {
  tlx_findings findings;
  luaL_checktype(L, MESSAGE, LUA_TTABLE);
  ltlx_judging judging = read_judging(L);
  if (!ltlx_check_message(L, MESSAGE, &judging, &findings)) return ltlx_push_refusal(L, &findings);
  lua_pushboolean(L, 1);
  if (findings.n == 0) return 1;
  ltlx_push_warnings(L, &findings);
  return 2;
}

/* core.encode(message [, now [, accept [, strict]]]) -> the body of its request, a string,
 * warnings | nil, err */
static int l_encode(lua_State *L) {
  luaL_checktype(L, MESSAGE, LUA_TTABLE);
  ltlx_judging judging = read_judging(L);
  ltlx_push_checked_body(L, MESSAGE, &judging);
  return 2;
}

static void add_header(lua_State *L, const tlx_header *header, int place) {
  lua_createtable(L, 2, 0);
  lua_pushlstring(L, header->name.p, header->name.n);
  lua_rawseti(L, -2, 1);
  lua_pushlstring(L, header->value.p, header->value.n);
  lua_rawseti(L, -2, 2);
  lua_rawseti(L, -2, place);
}

static void set_headers(lua_State *L, const ltlx_settings *settings, tlx_str idempotency_key) {
  const tlx_header last = { TLX_STR(TLX_IDEMPOTENCY_HEADER), idempotency_key };
  lua_createtable(L, LTLX_N_HEADERS + 1, 0);
  for (int i = 0; i < LTLX_N_HEADERS; i++) add_header(L, &settings->headers[i], i + 1);
  if (idempotency_key.n > 0) add_header(L, &last, LTLX_N_HEADERS + 1);
  lua_setfield(L, -2, "headers");
}

/* The path of an inquiry. [-0, +1] */
static tlx_str push_path(lua_State *L, const ltlx_settings *settings, const ltlx_inquiry *inquiry) {
  tlx_str path;
  lua_pushlstring(L, settings->target.path.p, settings->target.n_base);
  lua_pushlstring(L, inquiry->resource.p, inquiry->resource.n);
  lua_concat(L, 2);
  path.p = lua_tolstring(L, -1, &path.n);
  return path;
}

static void push_request(lua_State *L, const ltlx_settings *settings) {
  lua_createtable(L, 0, 8);
  ltlx_set_string(L, "method", settings->target.method);
  ltlx_set_words(L, "scheme", settings->target.is_https ? "https" : "http");
  ltlx_set_string(L, "url", settings->url);
  ltlx_set_string(L, "host", settings->target.host);
  ltlx_set_count(L, "port", settings->target.port);
  ltlx_set_string(L, "path", settings->target.path);
}

/* The body that the settings have, or else that of the message. Returns false, and pushes nil, err,
 * when it is not in order. [-0, +1] or [-0, +2] */
static bool push_body(lua_State *L) {
  tlx_str body = ltlx_field_string(L, 2, "body");
  if (body.p) {
    lua_pushlstring(L, body.p, body.n);
    return true;
  }
  bool is_judged = ltlx_field_boolean(L, 2, "judged");
  const ltlx_judging judging = {
    .now_s = ltlx_field_number(L, 2, "now", 0, 1e12, ltlx_now()),
    .policy = is_judged ? tlx_policy_of_judged() : (tlx_policy){ 0, false },
  };
  bool is_right = ltlx_push_checked_body(L, 1, &judging);
  if (is_right) lua_pop(L, 1);
  return is_right;
}

/* core.request(message, settings) -> request | nil, err. Where the settings have a `request`, which
 * is another than the POST of a message, they have its body, too. */
static int l_request(lua_State *L) {
  static const char *const NAMES[] = { "api_key", "base_url", "allow_http",      "user_agent",
                                       "now",     "body",     "idempotency_key", "judged",
                                       "request", NULL };
  ltlx_settings settings;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TTABLE);
  ltlx_check_names(L, 2, "request's settings", NAMES);
  tlx_str idempotency_key = ltlx_field_string(L, 2, "idempotency_key");
  ltlx_check_idempotency_key(L, idempotency_key);
  ltlx_read_settings(L, 2, &settings);
  ltlx_inquiry inquiry = ltlx_read_inquiry(L, 2);
  if (inquiry.is_given) {
    settings.target.path = push_path(L, &settings, &inquiry);
    settings.target.method = inquiry.method;
  }
  if (!push_body(L)) return 2;
  push_request(L, &settings);
  if (inquiry.is_given) ltlx_set_boolean(L, "is_inquiry", true);
  set_headers(L, &settings, idempotency_key);
  lua_insert(L, -2);
  lua_setfield(L, -2, "body");
  return 1;
}

void ltlx_open_request(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "validate", l_validate },
    { "encode", l_encode },
    { "request", l_request },
    { NULL, NULL },
  };
  lua_pushvalue(L, -2);
  lua_pushvalue(L, -2);
  ltlx_set_functions(L, functions, 1);
  lua_pop(L, 1);
}
