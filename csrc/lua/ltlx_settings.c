#include <string.h>

#include "ltlx.h"
#include "tlx_endpoint.h"

static bool is_header_value(tlx_str s) {
  for (size_t i = 0; i < s.n; i++) {
    unsigned char byte = (unsigned char)s.p[i];
    if (byte < 0x20 || byte >= 0x7F) return false;
  }
  return s.n > 0;
}

static tlx_str top_string(lua_State *L) {
  tlx_str s;
  s.p = lua_tolstring(L, -1, &s.n);
  return s;
}

static tlx_endpoint read_endpoint(lua_State *L, int index) {
  tlx_endpoint endpoint;
  tlx_str base_url = ltlx_field_string(L, index, "base_url");
  if (!base_url.p) base_url = TLX_STR(TLX_DEFAULT_BASE_URL);
  bool allow_http = ltlx_field_boolean(L, index, "allow_http");
  const char *fault = tlx_endpoint_parse(base_url, allow_http, &endpoint);
  if (fault && memchr(base_url.p, '@', base_url.n))
    luaL_error(L, "option 'base_url' must %s", fault);
  if (fault) luaL_error(L, "option 'base_url' must %s, got %s", fault, tlx_quote(base_url).text);
  return endpoint;
}

static void push_path(lua_State *L, const tlx_endpoint *endpoint) {
  lua_pushlstring(L, endpoint->path.p, endpoint->path.n);
  lua_pushliteral(L, "/messages");
  lua_concat(L, 2);
}

static void push_url(lua_State *L, const tlx_endpoint *endpoint) {
  lua_pushstring(L, endpoint->is_https ? "https://" : "http://");
  lua_pushlstring(L, endpoint->host.p, endpoint->host.n);
  lua_pushfstring(L, ":%d", (int)endpoint->port);
  lua_pushvalue(L, -4); /* the path */
  lua_concat(L, 4);
}

static void push_authorization(lua_State *L, int index) {
  tlx_str key = ltlx_field_string(L, index, "api_key");
  if (!key.p) luaL_error(L, "option 'api_key' is required");
  const char *fault = tlx_api_key_fault(key);
  if (fault) luaL_error(L, "option 'api_key' must %s", fault);
  lua_pushliteral(L, "Bearer ");
  lua_pushlstring(L, key.p, key.n);
  lua_concat(L, 2);
}

static tlx_str read_user_agent(lua_State *L, int index) {
  tlx_str agent = ltlx_field_string(L, index, "user_agent");
  if (!agent.p) return TLX_STR("telnyx-lua/" TLX_VERSION);
  if (!is_header_value(agent)) {
    luaL_error(L, "option 'user_agent' must be printable ASCII, got %s", tlx_quote(agent).text);
  }
  return agent;
}

void ltlx_check_idempotency_key(lua_State *L, tlx_str key) {
  if (key.n > 0 && !tlx_is_idempotency_key(key)) {
    luaL_error(L, "'idempotency_key' must be 1 to 255 letters, digits, _ and -");
  }
}

void ltlx_read_settings(lua_State *L, int index, ltlx_settings *settings) {
  index = ltlx_absindex(L, index);
  tlx_endpoint endpoint = read_endpoint(L, index);
  settings->is_loopback = endpoint.is_loopback;
  push_path(L, &endpoint);
  settings->target = (tlx_target){
    .method = TLX_STR("POST"),
    .is_https = endpoint.is_https,
    .host = endpoint.host,
    .port = endpoint.port,
    .path = top_string(L),
    .n_base = endpoint.path.n,
    .headers = settings->headers,
    .n_headers = LTLX_N_HEADERS,
  };
  push_url(L, &endpoint);
  settings->url = top_string(L);
  push_authorization(L, index);
  const tlx_header headers[LTLX_N_HEADERS] = {
    { TLX_STR("Authorization"), top_string(L) },
    { TLX_STR("Content-Type"), TLX_STR("application/json") },
    { TLX_STR("Accept"), TLX_STR("application/json") },
    { TLX_STR("User-Agent"), read_user_agent(L, index) },
  };
  for (int i = 0; i < LTLX_N_HEADERS; i++) settings->headers[i] = headers[i];
}

static tlx_str read_method(lua_State *L, int index) {
  static const char *const METHODS[] = { "GET", "POST", "DELETE", NULL };
  int i = ltlx_field_choice(L, index, "method", METHODS, "\"GET\", \"POST\" or \"DELETE\"");
  return (tlx_str){ METHODS[i], strlen(METHODS[i]) };
}

/* Pushes the field of the table, a string or nil. [-0, +1] */
static tlx_str push_string_field(lua_State *L, int table, const char *key) {
  tlx_str value = { NULL, 0 };
  ltlx_field_string(L, table, key); /* raises what is of another type */
  lua_pushstring(L, key);
  lua_rawget(L, table);
  if (lua_type(L, -1) == LUA_TSTRING) value.p = lua_tolstring(L, -1, &value.n);
  return value;
}

ltlx_inquiry ltlx_read_inquiry(lua_State *L, int index) {
  static const char *const NAMES[] = { "method", "resource", "names", NULL };
  ltlx_inquiry inquiry = { .is_given = false };
  index = ltlx_absindex(L, index);
  lua_pushliteral(L, "request");
  lua_rawget(L, index);
  int request = lua_gettop(L);
  inquiry.is_given = lua_toboolean(L, request);
  if (!inquiry.is_given) {
    lua_pushnil(L); /* in the place of the names, and what is there in that of the resource */
    return inquiry;
  }
  luaL_checktype(L, request, LUA_TTABLE);
  ltlx_check_names(L, request, "request", NAMES);
  inquiry.method = read_method(L, request);
  inquiry.resource = push_string_field(L, request, "resource");
  inquiry.names = push_string_field(L, request, "names");
  lua_remove(L, request);
  if (!tlx_is_resource(inquiry.resource)) {
    luaL_error(L, "the request's resource must be a path of visible ASCII characters");
  }
  return inquiry;
}
