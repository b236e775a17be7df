#include "ltlx.h"

/* core.validate(message [, now]) -> true | nil, err */
static int l_validate(lua_State *L) {
  tlx_violations violations;
  luaL_checktype(L, 1, LUA_TTABLE);
  double now_s = (double)luaL_optnumber(L, 2, (lua_Number)ltlx_now());
  if (!ltlx_check_message(L, 1, now_s, &violations)) return ltlx_push_violations(L, &violations);
  lua_pushboolean(L, 1);
  return 1;
}

/* core.encode(message [, now]) -> the body of its request, a string | nil, err */
static int l_encode(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  double now_s = (double)luaL_optnumber(L, 2, (lua_Number)ltlx_now());
  return ltlx_push_checked_body(L, 1, now_s) ? 1 : 2;
}

static void set_headers(lua_State *L, const ltlx_settings *settings) {
  lua_createtable(L, LTLX_N_HEADERS, 0);
  for (int i = 0; i < LTLX_N_HEADERS; i++) {
    lua_createtable(L, 2, 0);
    lua_pushlstring(L, settings->headers[i].name.p, settings->headers[i].name.n);
    lua_rawseti(L, -2, 1);
    lua_pushlstring(L, settings->headers[i].value.p, settings->headers[i].value.n);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "headers");
}

static void push_request(lua_State *L, const ltlx_settings *settings) {
  lua_createtable(L, 0, 8);
  ltlx_set_words(L, "method", "POST");
  ltlx_set_words(L, "scheme", settings->target.is_https ? "https" : "http");
  ltlx_set_string(L, "url", settings->url);
  ltlx_set_string(L, "host", settings->target.host);
  ltlx_set_count(L, "port", settings->target.port);
  ltlx_set_string(L, "path", settings->target.path);
  set_headers(L, settings);
}

/* core.request(message, settings) -> request | nil, err */
static int l_request(lua_State *L) {
  static const char *const NAMES[] = { "api_key",    "base_url", "allow_http",
                                       "user_agent", "now",      NULL };
  ltlx_settings settings;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TTABLE);
  ltlx_check_names(L, 2, "request's settings", NAMES);
  double now_s = ltlx_field_number(L, 2, "now", 0, 1e12, ltlx_now());
  ltlx_read_settings(L, 2, &settings);
  if (!ltlx_push_checked_body(L, 1, now_s)) return 2;
  push_request(L, &settings);
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
