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

static void read_headers(lua_State *L, int table, tlx_reply *reply) {
  lua_pushliteral(L, "headers");
  lua_rawget(L, table);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return;
  }
  if (!lua_istable(L, -1)) luaL_error(L, "option 'headers' must be a table of strings by name");
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    if (lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING) {
      tlx_str name, value;
      name.p = lua_tolstring(L, -2, &name.n);
      value.p = lua_tolstring(L, -1, &value.n);
      tlx_reply_header(reply, name, value);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static tlx_kind read_failure(lua_State *L) {
  static const char *const FAILURES[] = { "connection", "timeout", "protocol", NULL };
  static const tlx_kind KINDS[] = { TLX_KIND_CONNECTION, TLX_KIND_TIMEOUT, TLX_KIND_PROTOCOL };
  return KINDS[ltlx_field_choice(L, 1, "failure", FAILURES,
                                 "\"connection\", \"timeout\" or \"protocol\"")];
}

/* Absence must not count as "nothing was sent". */
static void require_begun(lua_State *L) {
  lua_pushliteral(L, "begun");
  lua_rawget(L, 1);
  if (!lua_isboolean(L, -1)) luaL_error(L, "option 'begun' must be true or false");
  lua_pop(L, 1);
}

/* core.reply(raw) -> message, info | nil, err */
static int l_reply(lua_State *L) {
  static const char *const NAMES[] = { "begun",   "whole", "status", "headers", "body",
                                       "failure", "cause", "stale",  "now",     NULL };
  luaL_checktype(L, 1, LUA_TTABLE);
  ltlx_check_names(L, 1, "reply's fields", NAMES);
  require_begun(L);
  tlx_reply reply;
  tlx_reply_init(&reply);
  reply.status = (int)ltlx_field_number(L, 1, "status", 0, 999, 0);
  read_headers(L, 1, &reply);
  ltlx_answer answer = { .reply = &reply };
  answer.carriage.begun = ltlx_field_boolean(L, 1, "begun") || reply.status > 0;
  answer.carriage.whole = answer.carriage.begun && ltlx_field_boolean(L, 1, "whole");
  if (!answer.carriage.whole) answer.carriage.failure = read_failure(L);
  answer.was_stale = ltlx_field_boolean(L, 1, "stale");
  answer.body = ltlx_field_string(L, 1, "body");
  tlx_str cause = ltlx_field_string(L, 1, "cause");
  answer.cause = cause.p ? cause.p : "no cause was given";
  answer.now_s = ltlx_field_number(L, 1, "now", 0, 1e12, ltlx_now());
  return ltlx_push_answer(L, &answer);
}

void ltlx_open_request(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "validate", l_validate }, { "encode", l_encode }, { "request", l_request },
    { "reply", l_reply },       { NULL, NULL },
  };
  lua_pushvalue(L, -2);
  lua_pushvalue(L, -2);
  ltlx_set_functions(L, functions, 1);
  lua_pop(L, 1);
}
