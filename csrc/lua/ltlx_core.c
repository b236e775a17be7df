#include <string.h>

#include "ltlx.h"
#include "tlx_http.h"
#include "tlx_utf8.h"

#define MAX_NAMES 64

/* core.nearest(name, names) -> the name that was probably meant | nil */
static int l_nearest(lua_State *L) {
  const char *names[MAX_NAMES];
  tlx_str name;
  size_t n_names = 0;
  luaL_checktype(L, 1, LUA_TSTRING);
  luaL_checktype(L, 2, LUA_TTABLE);
  name.p = lua_tolstring(L, 1, &name.n);
  for (; n_names < MAX_NAMES; n_names++) {
    lua_rawgeti(L, 2, (int)n_names + 1);
    if (lua_type(L, -1) != LUA_TSTRING) break;
    names[n_names] = lua_tostring(L, -1);
    lua_pop(L, 1); /* the list still holds it */
  }
  lua_pushstring(L, tlx_nearest(name, names, n_names));
  return 1;
}

/* core.is_utf8(text) -> whether it is UTF-8 from end to end */
static int l_is_utf8(lua_State *L) {
  tlx_str text;
  text.p = luaL_checklstring(L, 1, &text.n);
  lua_pushboolean(L, tlx_utf8_valid_prefix(text) == text.n);
  return 1;
}

static void set_constants(lua_State *L) {
  ltlx_set_words(L, "version", TLX_VERSION);
  ltlx_set_words(L, "libcurl", tlx_http_library_version());
  lua_createtable(L, TLX_N_FIELDS, 0);
  for (int i = 0; i < TLX_N_FIELDS; i++) {
    lua_pushstring(L, tlx_field_names[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "fields");
}

TLX_EXPORT int luaopen_telnyx_core(lua_State *L);

TLX_EXPORT int luaopen_telnyx_core(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "nearest", l_nearest },
    { "is_utf8", l_is_utf8 },
    { "now", ltlx_clock_now },
    { "monotonic", ltlx_clock_monotonic },
    { "sleep", ltlx_clock_sleep },
    { "forks", ltlx_clock_forks },
    { "seed", ltlx_clock_seed },
    { "digest", ltlx_identity_digest },
    { "new_claim", ltlx_identity_new_claim },
    { "process", ltlx_identity_process },
    { "pid", ltlx_processes_pid },
    { "is_running", ltlx_processes_is_running },
    { "terminated", ltlx_processes_terminated },
    { "file_id", ltlx_files_id },
    { "make_file", ltlx_files_make },
    { NULL, NULL },
  };
  lua_newtable(L);
  ltlx_set_functions(L, functions, 0);
  set_constants(L);
  ltlx_json_open(L);
  ltlx_open_client(L);
  ltlx_open_exchange(L);
  ltlx_open_files(L);
  ltlx_open_guarded(L);
  ltlx_open_postgres(L);
  ltlx_open_request(L);
  ltlx_open_rules(L);
  ltlx_open_segments(L);
  ltlx_open_signatures(L);
  lua_pop(L, 1);
  return 1;
}
