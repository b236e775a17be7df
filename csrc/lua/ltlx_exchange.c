#include <math.h>
#include <string.h>

#include "ltlx.h"
#include "tlx_exchange.h"
#include "tlx_request.h"

#define EXCHANGE "telnyx.core.exchange " TLX_VERSION
#define MAX_HEADERS 16

/* One request for whoever carries bytes himself. Its user value is set by `fail` alone: a table
 * with the carrier's words. */
typedef struct carried {
  tlx_exchange exchange;
  bool is_live; /* until it is collected */
  bool is_inquiry;
  tlx_kind failure;
  char request[];
} carried;

static carried *to_carried(lua_State *L) {
  carried *c = luaL_checkudata(L, 1, EXCHANGE);
  if (!c->is_live) luaL_error(L, "the exchange was collected");
  return c;
}

/* ---- the request --------------------------------------------------------------------------- */

/* Never shown: it may hold the key. */
static tlx_str checked_line(lua_State *L, const char *what, tlx_str s) {
  if (s.n == 0) {
    luaL_error(L, "the request's %s is missing", what);
  } else if (memchr(s.p, '\0', s.n) || memchr(s.p, '\r', s.n) || memchr(s.p, '\n', s.n)) {
    luaL_error(L, "the request's %s must hold no line break and no NUL", what);
  }
  return s;
}

static tlx_str read_line(lua_State *L, const char *key) {
  return checked_line(L, key, ltlx_field_string(L, 1, key));
}

/* The string at `i` of the pair on top. [-0, +0] */
static tlx_str read_half(lua_State *L, int i, const char *what) {
  tlx_str s = { NULL, 0 };
  lua_rawgeti(L, -1, i);
  if (lua_type(L, -1) == LUA_TSTRING) s.p = lua_tolstring(L, -1, &s.n);
  lua_pop(L, 1); /* the pair still holds it */
  return checked_line(L, what, s);
}

/* [-0, +0] */
static size_t read_headers(lua_State *L, tlx_header headers[MAX_HEADERS]) {
  lua_pushliteral(L, "headers");
  lua_rawget(L, 1);
  if (!lua_istable(L, -1)) luaL_error(L, "the request's headers must be a list of pairs");
  size_t n = ltlx_rawlen(L, -1);
  if (n > MAX_HEADERS) luaL_error(L, "the request has more than %d headers", MAX_HEADERS);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, -1, (int)i + 1);
    if (!lua_istable(L, -1)) luaL_error(L, "the request's headers must be a list of pairs");
    headers[i].name = read_half(L, 1, "header name");
    headers[i].value = read_half(L, 2, "header value");
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return n;
}

static bool read_is_https(lua_State *L) {
  static const char *const SCHEMES[] = { "http", "https", NULL };
  read_line(L, "scheme");
  return ltlx_field_choice(L, 1, "scheme", SCHEMES, "\"http\" or \"https\"") == 1;
}

/* Pushes all that stands before the body's length. [-0, +1] */
static tlx_prefix push_prefix(lua_State *L, const tlx_target *target) {
  char *bytes = lua_newuserdata(L, tlx_request_prefix_size(target));
  tlx_request_write_prefix(target, bytes);
  return tlx_request_prefix(target, bytes);
}

static size_t read_max_response_bytes(lua_State *L) {
  static const char *const NAMES[] = { "max_response_bytes", NULL };
  if (lua_isnoneornil(L, 2)) return LTLX_DEFAULT_MAX_RESPONSE_BYTES;
  luaL_checktype(L, 2, LUA_TTABLE);
  ltlx_check_names(L, 2, "exchange's options", NAMES);
  return (size_t)ltlx_field_number(L, 2, "max_response_bytes", 1,
                                   (double)LTLX_MOST_MAX_RESPONSE_BYTES,
                                   (double)LTLX_DEFAULT_MAX_RESPONSE_BYTES);
}

/* core.exchange(request [, options]) -> exchange; the request as core.request returns it */
static int l_exchange(lua_State *L) {
  tlx_header headers[MAX_HEADERS];
  luaL_checktype(L, 1, LUA_TTABLE);
  size_t max_response_bytes = read_max_response_bytes(L);
  const tlx_target target = {
    .method = read_line(L, "method"),
    .is_https = read_is_https(L),
    .host = read_line(L, "host"),
    .port = (unsigned)ltlx_field_number(L, 1, "port", 1, 65535, 0),
    .path = read_line(L, "path"),
    .headers = headers,
    .n_headers = read_headers(L, headers),
  };
  if (target.port == 0) luaL_error(L, "the request's port is missing");
  const tlx_post post = { .body = ltlx_field_string(L, 1, "body") };
  tlx_prefix prefix = push_prefix(L, &target);
  size_t n = tlx_request_size(&prefix, &post);
  carried *c = ltlx_new_object(L, sizeof *c + n, EXCHANGE);
  tlx_request_write(&prefix, &post, c->request);
  tlx_exchange_init(&c->exchange, (tlx_str){ c->request, n }, target.is_https, max_response_bytes);
  c->is_inquiry = ltlx_field_boolean(L, 1, "is_inquiry");
  c->is_live = true;
  return 1;
}

/* ---- carrying it --------------------------------------------------------------------------- */

static int push_state(lua_State *L, const carried *c) {
  static const char *const NAMES[] = { "more", "done", "broken" };
  lua_pushstring(L, NAMES[tlx_exchange_state_of(&c->exchange)]);
  return 1;
}

/* exchange:offer() -> the bytes still to be written | nil */
static int l_exchange_offer(lua_State *L) {
  tlx_str bytes = tlx_exchange_offer(&to_carried(L)->exchange);
  if (bytes.n == 0) return 0;
  lua_pushlstring(L, bytes.p, bytes.n);
  return 1;
}

/* exchange:wrote(n): so many bytes of the offer were taken */
static int l_exchange_wrote(lua_State *L) {
  carried *c = to_carried(L);
  double n = (double)luaL_checknumber(L, 2);
  size_t n_left = c->exchange.request.n - c->exchange.n_written;
  luaL_argcheck(L, n >= 0 && n <= (double)n_left && n == floor(n), 2,
                "a count of bytes that were offered expected");
  tlx_exchange_wrote(&c->exchange, (size_t)n);
  return 0;
}

/* exchange:tore(): the offer was refused, and nobody knows how much of it was taken */
static int l_exchange_tore(lua_State *L) {
  tlx_exchange_tore(&to_carried(L)->exchange);
  return 0;
}

/* exchange:feed(bytes) -> "more" | "done" | "broken" */
static int l_exchange_feed(lua_State *L) {
  carried *c = to_carried(L);
  tlx_str bytes;
  luaL_checktype(L, 2, LUA_TSTRING);
  bytes.p = lua_tolstring(L, 2, &bytes.n);
  tlx_exchange_feed(&c->exchange, bytes);
  return push_state(L, c);
}

/* exchange:finish("close" | "break" | "timeout") -> state; no more bytes will come */
static int l_exchange_finish(lua_State *L) {
  static const char *const ENDINGS[] = { "close", "break", "timeout", NULL };
  carried *c = to_carried(L);
  tlx_exchange_end(&c->exchange, (tlx_exchange_ending)luaL_checkoption(L, 2, NULL, ENDINGS));
  return push_state(L, c);
}

/* exchange:fail("connection" | "timeout" | "protocol", cause) -> state; the same, in words of the
 * carrier's own. The first end is the one that counts. */
static int l_exchange_fail(lua_State *L) {
  static const char *const FAILURES[] = { "connection", "timeout", "protocol", NULL };
  static const tlx_kind KINDS[] = { TLX_KIND_CONNECTION, TLX_KIND_TIMEOUT, TLX_KIND_PROTOCOL };
  carried *c = to_carried(L);
  tlx_kind failure = KINDS[luaL_checkoption(L, 2, NULL, FAILURES)];
  luaL_checktype(L, 3, LUA_TSTRING);
  if (tlx_exchange_state_of(&c->exchange) == TLX_EXCHANGE_MORE) {
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, 3);
    lua_rawseti(L, -2, 1);
    ltlx_setuservalue(L, 1);
    c->failure = failure;
    tlx_exchange_end(&c->exchange, TLX_ENDING_BREAK);
  }
  return push_state(L, c);
}

/* ---- what came of it ------------------------------------------------------------------------ */

/* exchange:state() -> "more" | "done" | "broken" */
static int l_exchange_state(lua_State *L) {
  return push_state(L, to_carried(L));
}

/* exchange:is_reusable(): whether another exchange may follow on the connection */
static int l_exchange_is_reusable(lua_State *L) {
  lua_pushboolean(L, tlx_exchange_is_reusable(&to_carried(L)->exchange));
  return 1;
}

/* exchange:has_begun(): whether anybody may have read a byte of the request */
static int l_exchange_has_begun(lua_State *L) {
  lua_pushboolean(L, tlx_exchange_has_begun(&to_carried(L)->exchange));
  return 1;
}

/* The carrier's words, which the exchange keeps alive, or its own. [-0, +0] */
static const char *cause_of(lua_State *L, const carried *c) {
  if (c->failure == TLX_KIND_NONE) return tlx_exchange_cause(&c->exchange);
  ltlx_getuservalue(L, 1);
  lua_rawgeti(L, -1, 1);
  const char *cause = lua_tostring(L, -1);
  lua_pop(L, 2);
  return cause;
}

/* exchange:reply([now [, stale]]) -> message, info | nil, err; once it is done or broken. stale:
 * the connection was one that was kept alive, which err tells where nothing was sent. */
static int l_exchange_reply(lua_State *L) {
  const carried *c = to_carried(L);
  double now_s = (double)luaL_optnumber(L, 2, (lua_Number)ltlx_now());
  if (tlx_exchange_state_of(&c->exchange) == TLX_EXCHANGE_MORE)
    luaL_error(L, "the exchange is not over yet");
  ltlx_answer answer = {
    .carriage = tlx_exchange_carriage(&c->exchange),
    .reply = tlx_exchange_reply(&c->exchange),
    .body = tlx_exchange_body_of(&c->exchange),
    .cause = cause_of(L, c),
    .now_s = now_s,
    .is_inquirys = c->is_inquiry,
  };
  if (c->failure != TLX_KIND_NONE) answer.carriage.failure = c->failure;
  answer.was_stale = lua_toboolean(L, 3) && !answer.carriage.begun;
  return ltlx_push_answer(L, &answer);
}

static int l_exchange_gc(lua_State *L) {
  carried *c = luaL_checkudata(L, 1, EXCHANGE);
  tlx_exchange_free(&c->exchange);
  c->is_live = false;
  return 0;
}

static int l_exchange_tostring(lua_State *L) {
  push_state(L, to_carried(L));
  lua_pushfstring(L, "telnyx.core exchange (%s)", lua_tostring(L, -1));
  return 1;
}

void ltlx_open_exchange(lua_State *L) {
  static const luaL_Reg functions[] = { { "exchange", l_exchange }, { NULL, NULL } };
  static const luaL_Reg methods[] = {
    { "offer", l_exchange_offer },
    { "wrote", l_exchange_wrote },
    { "tore", l_exchange_tore },
    { "feed", l_exchange_feed },
    { "finish", l_exchange_finish },
    { "fail", l_exchange_fail },
    { "state", l_exchange_state },
    { "is_reusable", l_exchange_is_reusable },
    { "has_begun", l_exchange_has_begun },
    { "reply", l_exchange_reply },
    { NULL, NULL },
  };
  static const luaL_Reg metamethods[] = {
    { "__gc", l_exchange_gc },
    { "__tostring", l_exchange_tostring },
    { NULL, NULL },
  };
  lua_pushvalue(L, -1);
  ltlx_register_type(L, EXCHANGE, methods, metamethods, 1);
  lua_pushvalue(L, -2);
  ltlx_set_functions(L, functions, 0);
  lua_pop(L, 1);
}
