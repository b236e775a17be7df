#include <math.h>

#include "ltlx.h"

/* The service's replies nest five deep; what nests deeper is not one of them. */
#define MAX_DEPTH 32
#define MAX_EXACT 9007199254740992.0 /* 2^53 */

enum { ENCODE = 1, DECODE = 2, UPVALUE = 1 };

static void configure(lua_State *L, int json, const char *setting, int value) {
  lua_getfield(L, json, setting);
  if (lua_isfunction(L, -1)) {
    lua_pushinteger(L, value);
    lua_call(L, 1, 0);
  } else {
    lua_pop(L, 1);
  }
}

static void forbid_invalid_numbers(lua_State *L, int json) {
  lua_getfield(L, json, "decode_invalid_numbers");
  lua_pushboolean(L, 0);
  lua_call(L, 1, 0);
}

void ltlx_json_open(lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "cjson");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "new");
  lua_call(L, 0, 1);
  lua_remove(L, -2);
  int json = lua_gettop(L);
  configure(L, json, "decode_max_depth", MAX_DEPTH);
  configure(L, json, "encode_max_depth", MAX_DEPTH);
  configure(L, json, "encode_number_precision", 14);
  forbid_invalid_numbers(L, json);
  lua_createtable(L, 2, 0);
  lua_getfield(L, json, "encode");
  lua_rawseti(L, -2, ENCODE);
  lua_getfield(L, json, "decode");
  lua_rawseti(L, -2, DECODE);
  lua_remove(L, json);
}

void ltlx_json_encode(lua_State *L, int index) {
  index = ltlx_absindex(L, index);
  lua_rawgeti(L, lua_upvalueindex(UPVALUE), ENCODE);
  lua_pushvalue(L, index);
  if (lua_pcall(L, 1, 1, 0) == 0) return;
  luaL_error(L, "cannot encode the message: %s", lua_tostring(L, -1));
}

/* cjson makes a float of every number; `parts` must print as 1, not 1.0. */
static bool is_whole_float(lua_State *L, int index) {
#if LUA_VERSION_NUM >= 503
  if (lua_isinteger(L, index)) return false;
  double value = (double)lua_tonumber(L, index);
  return value == floor(value) && fabs(value) <= MAX_EXACT;
#else
  (void)L, (void)index;
  return false;
#endif
}

/* The table is on top, at `table`; there is room for so many levels. Assigning to fields that exist
 * is allowed while a table is walked. [-0, +0] */
static void tidy_table(lua_State *L, int table, int n_levels) {
  if (n_levels == 0) return;
  lua_pushnil(L);
  while (lua_next(L, table)) {
    int type = lua_type(L, table + 2);
    if (type == LUA_TTABLE) {
      tidy_table(L, table + 2, n_levels - 1);
    } else if (type == LUA_TLIGHTUSERDATA) { /* cjson's null */
      lua_pushvalue(L, table + 1);
      lua_pushnil(L);
      lua_rawset(L, table);
    } else if (type == LUA_TNUMBER && is_whole_float(L, table + 2)) {
      lua_pushvalue(L, table + 1);
      lua_pushinteger(L, (lua_Integer)lua_tonumber(L, table + 2));
      lua_rawset(L, table);
    }
    lua_settop(L, table + 1);
  }
}

void ltlx_json_decode(lua_State *L, tlx_str text) {
  lua_rawgeti(L, lua_upvalueindex(UPVALUE), DECODE);
  lua_pushlstring(L, text.n ? text.p : "", text.n);
  if (lua_pcall(L, 1, 1, 0) != 0) {
    lua_pop(L, 1);
    lua_pushnil(L);
  } else if (lua_istable(L, -1)) {
    luaL_checkstack(L, 2 * MAX_DEPTH + 4, "no room for the reply");
    tidy_table(L, lua_gettop(L), MAX_DEPTH);
  }
}
