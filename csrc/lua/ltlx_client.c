#include <math.h>
#include <string.h>

#include "ltlx_client.h"

#define DEFAULT_TIMEOUT_S 30
#define DEFAULT_CONNECT_TIMEOUT_S 10
#define DEFAULT_MAX_CONNECTIONS 64
#define MOST_MAX_CONNECTIONS 65536

ltlx_client *ltlx_to_client(lua_State *L) {
  return luaL_checkudata(L, 1, LTLX_CLIENT);
}

ltlx_client *ltlx_to_open_client(lua_State *L) {
  ltlx_client *c = ltlx_to_client(L);
  if (!c->http) luaL_error(L, "the client is closed");
  return c;
}

/* A string that C code can take as it is: without NUL. NULL when absent. */
static const char *read_c_string(lua_State *L, int options, const char *key) {
  tlx_str s = ltlx_field_string(L, options, key);
  if (s.n && memchr(s.p, '\0', s.n)) luaL_error(L, "option '%s' must hold no NUL", key);
  return s.p;
}

/* Never shown: it may hold a password. */
static const char *read_proxy(lua_State *L, int options) {
  static const char *const SCHEMES[] = {
    "http", "https", "socks4", "socks4a", "socks5", "socks5h"
  };
  const char *proxy = read_c_string(L, options, "proxy");
  const char *colon = proxy ? strstr(proxy, "://") : NULL;
  if (!colon) return proxy;
  const tlx_str scheme = { proxy, (size_t)(colon - proxy) };
  for (size_t i = 0; i < sizeof SCHEMES / sizeof SCHEMES[0]; i++) {
    if (tlx_str_eq_nocase(scheme, (tlx_str){ SCHEMES[i], strlen(SCHEMES[i]) })) return proxy;
  }
  luaL_error(L, "option 'proxy' must start with http://, https://, socks4:// or socks5://");
  return NULL;
}

static tlx_http *new_http(lua_State *L, int options) {
  ltlx_settings settings;
  ltlx_read_settings(L, options, &settings);
  const char *proxy = read_proxy(L, options);
  if (!proxy && settings.is_loopback) proxy = ""; /* the environment's is for other machines */
  const tlx_http_settings http = {
    .target = settings.target,
    .ca_file = read_c_string(L, options, "ca_file"),
    .proxy = proxy,
    .max_response_bytes = (size_t)ltlx_field_number(L, options, "max_response_bytes", 1,
                                                    (double)LTLX_MOST_MAX_RESPONSE_BYTES,
                                                    (double)LTLX_DEFAULT_MAX_RESPONSE_BYTES),
    .max_connections = (size_t)ltlx_field_number(L, options, "max_connections", 1,
                                                 MOST_MAX_CONNECTIONS, DEFAULT_MAX_CONNECTIONS),
  };
  return tlx_http_new(&http);
}

/* A table of slots from which letting go takes no memory, not even the first time. [-0, +1] */
static void push_slots(lua_State *L) {
  lua_newtable(L);
  lua_pushboolean(L, 1);
  int slot = luaL_ref(L, -2);
  luaL_unref(L, -1, slot);
}

/* core.client(options) */
static int l_client_new(lua_State *L) {
  static const char *const NAMES[] = { "api_key",         "base_url", "allow_http",
                                       "user_agent",      "timeout",  "connect_timeout",
                                       "ca_file",         "proxy",    "max_response_bytes",
                                       "max_connections", NULL };
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  ltlx_check_names(L, 1, "client's options", NAMES);
  ltlx_client *c = ltlx_new_object(L, sizeof *c, LTLX_CLIENT);
  push_slots(L);
  ltlx_setuservalue(L, -2);
  c->timeout_s = ltlx_field_number(L, 1, "timeout", 0.001, LTLX_MAX_SECONDS, DEFAULT_TIMEOUT_S);
  c->connect_timeout_s = ltlx_field_number(L, 1, "connect_timeout", 0.001, LTLX_MAX_SECONDS,
                                           DEFAULT_CONNECT_TIMEOUT_S);
  c->http = new_http(L, 1);
  if (!c->http) luaL_error(L, "out of memory");
  lua_settop(L, 2);
  return 1;
}

/* client:step([seconds]) -> number still in flight */
static int l_client_step(lua_State *L) {
  ltlx_client *c = ltlx_to_client(L);
  double seconds = (double)luaL_optnumber(L, 2, 0);
  luaL_argcheck(L, seconds >= 0, 2, "seconds from 0 up expected");
  if (seconds > LTLX_MAX_SECONDS) seconds = LTLX_MAX_SECONDS;
  /* Rounded up: a wait that is cut to nothing would spin. */
  long wait_ms = (long)ceil(seconds * 1000);
  lua_pushinteger(L, c->http ? (lua_Integer)tlx_http_step(c->http, wait_ms) : 0);
  return 1;
}

/* client:fd() -> a descriptor to poll for reading | nil */
static int l_client_fd(lua_State *L) {
  int fd = tlx_http_fd(ltlx_to_open_client(L)->http);
  if (fd < 0) return 0;
  lua_pushinteger(L, fd);
  return 1;
}

/* client:timeout() -> seconds until a step is due | nil when nothing is in flight */
static int l_client_timeout(lua_State *L) {
  long timeout_ms = tlx_http_timeout_ms(ltlx_to_open_client(L)->http);
  if (timeout_ms < 0) return 0;
  lua_pushnumber(L, (lua_Number)timeout_ms / 1000);
  return 1;
}

/* By assignment to fields that exist: a finalizer must not need memory. */
static void empty_slots(lua_State *L) {
  ltlx_getuservalue(L, 1);
  lua_pushnil(L);
  while (lua_istable(L, -2) && lua_next(L, -2)) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_pushnil(L);
    lua_rawset(L, -4);
  }
}

/* client:close(); also __gc and __close. What is in flight is done then, as it stands. */
static int l_client_close(lua_State *L) {
  ltlx_client *c = ltlx_to_client(L);
  if (!c->http) return 0;
  tlx_http_free(c->http);
  c->http = NULL;
  empty_slots(L);
  return 0;
}

static int l_client_tostring(lua_State *L) {
  const ltlx_client *c = ltlx_to_client(L);
  lua_pushfstring(L, "telnyx.core client (%s)", c->http ? "open" : "closed");
  return 1;
}

/* Fields of every client. */
static void set_abilities(lua_State *L) {
  luaL_getmetatable(L, LTLX_CLIENT);
  lua_getfield(L, -1, "__index");
  ltlx_set_boolean(L, "heeds_meanwhile", true);
  ltlx_set_boolean(L, "takes_body", true);
  ltlx_set_boolean(L, "takes_requests", true);
  lua_pop(L, 2);
}

void ltlx_open_client(lua_State *L) {
  static const luaL_Reg functions[] = { { "client", l_client_new }, { NULL, NULL } };
  static const luaL_Reg methods[] = {
    { "send", ltlx_client_send }, { "start", ltlx_client_start },
    { "step", l_client_step },    { "finished", ltlx_client_finished },
    { "fd", l_client_fd },        { "timeout", l_client_timeout },
    { "close", l_client_close },  { NULL, NULL },
  };
  static const luaL_Reg metamethods[] = {
    { "__gc", l_client_close },
    { "__close", l_client_close },
    { "__tostring", l_client_tostring },
    { NULL, NULL },
  };
  ltlx_open_pending(L);
  lua_pushvalue(L, -1);
  ltlx_register_type(L, LTLX_CLIENT, methods, metamethods, 1);
  set_abilities(L);
  lua_pushvalue(L, -2);
  lua_pushvalue(L, -2);
  ltlx_set_functions(L, functions, 1);
  lua_pop(L, 1);
}
