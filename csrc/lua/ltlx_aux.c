#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ltlx.h"

int ltlx_absindex(lua_State *L, int index) {
  return index > 0 || index <= LUA_REGISTRYINDEX ? index : lua_gettop(L) + index + 1;
}

void *ltlx_new_object(lua_State *L, size_t size, const char *type) {
  void *object = lua_newuserdata(L, size);
  memset(object, 0, size);
  luaL_getmetatable(L, type);
  lua_setmetatable(L, -2);
  return object;
}

void ltlx_set_functions(lua_State *L, const luaL_Reg *functions, int n_up) {
  luaL_checkstack(L, n_up + 1, "too many upvalues");
  for (; functions->name; functions++) {
    for (int i = 0; i < n_up; i++) lua_pushvalue(L, -n_up);
    lua_pushcclosure(L, functions->func, n_up);
    lua_setfield(L, -(n_up + 2), functions->name);
  }
  lua_pop(L, n_up);
}

/* [-0, +1] */
static void push_new_type(lua_State *L, const char *type, const luaL_Reg *methods,
                          const luaL_Reg *metamethods, int up, int n_up) {
  lua_newtable(L);
  ltlx_set_functions(L, metamethods, 0);
  lua_pushstring(L, type);
  lua_setfield(L, -2, "__name");
  /* Scripts must not reach __gc and call it on a live object. */
  lua_pushliteral(L, "locked");
  lua_setfield(L, -2, "__metatable");
  lua_newtable(L);
  for (int i = 0; i < n_up; i++) lua_pushvalue(L, up + i);
  ltlx_set_functions(L, methods, n_up);
  lua_setfield(L, -2, "__index");
}

/* Registered when it is whole: a `require` that ran out of memory may be tried again. */
void ltlx_register_type(lua_State *L, const char *type, const luaL_Reg *methods,
                        const luaL_Reg *metamethods, int n_up) {
  int up = lua_gettop(L) - n_up + 1;
  luaL_getmetatable(L, type);
  if (lua_isnil(L, -1)) {
    push_new_type(L, type, methods, metamethods, up, n_up);
    lua_setfield(L, LUA_REGISTRYINDEX, type);
  }
  lua_settop(L, up - 1);
}

/* Messages that are right are described too, so the common ones go without a printf. */
static void copy_words(char *words, size_t size, const char *text) {
  size_t n = strlen(text);
  if (n >= size) n = size - 1;
  memcpy(words, text, n);
  words[n] = '\0';
}

void ltlx_describe(lua_State *L, int index, char *words, size_t size) {
  switch (lua_type(L, index)) {
    case LUA_TNUMBER:
      snprintf(words, size, "the number %.17g", (double)lua_tonumber(L, index));
      break;
    case LUA_TNIL:
    case LUA_TNONE:
      copy_words(words, size, "nothing");
      break;
    case LUA_TLIGHTUSERDATA:
      copy_words(words, size, lua_touserdata(L, index) ? "a userdata" : "JSON null");
      break;
    case LUA_TBOOLEAN:
      copy_words(words, size, "a boolean");
      break;
    case LUA_TTABLE:
      copy_words(words, size, "a table");
      break;
    default:
      snprintf(words, size, "a %s", luaL_typename(L, index));
  }
}

static void get_raw(lua_State *L, int table, const char *key) {
  table = ltlx_absindex(L, table);
  lua_pushstring(L, key);
  lua_rawget(L, table);
}

static void raise_type(lua_State *L, const char *key, const char *expected) {
  /* Not the value: it may be a key in the wrong place. */
  luaL_error(L, "option '%s' must be %s, got a %s", key, expected, luaL_typename(L, -1));
}

tlx_str ltlx_field_string(lua_State *L, int table, const char *key) {
  tlx_str value = { NULL, 0 };
  get_raw(L, table, key);
  if (lua_type(L, -1) == LUA_TSTRING) {
    value.p = lua_tolstring(L, -1, &value.n);
  } else if (!lua_isnil(L, -1)) {
    raise_type(L, key, "a string");
  }
  lua_pop(L, 1);
  return value;
}

double ltlx_field_number(lua_State *L, int table, const char *key, double least, double most,
                         double otherwise) {
  double value = otherwise;
  get_raw(L, table, key);
  if (lua_type(L, -1) == LUA_TNUMBER) {
    value = (double)lua_tonumber(L, -1);
    if (!(value >= least && value <= most)) {
      luaL_error(L, "option '%s' must be a number from %f to %f, got %f", key, least, most, value);
    }
  } else if (!lua_isnil(L, -1)) {
    raise_type(L, key, "a number");
  }
  lua_pop(L, 1);
  return value;
}

bool ltlx_field_boolean(lua_State *L, int table, const char *key) {
  get_raw(L, table, key);
  if (!lua_isnil(L, -1) && !lua_isboolean(L, -1)) raise_type(L, key, "true or false");
  bool value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

int ltlx_field_choice(lua_State *L, int table, const char *key, const char *const choices[],
                      const char *words) {
  tlx_str given = ltlx_field_string(L, table, key);
  if (!given.p) return 0;
  for (int i = 0; choices[i]; i++) {
    if (tlx_str_eq(given, (tlx_str){ choices[i], strlen(choices[i]) })) return i;
  }
  return luaL_error(L, "option '%s' must be %s, got %s", key, words, tlx_quote(given).text);
}

static bool is_among(tlx_str name, const char *const names[], size_t *n_names) {
  *n_names = 0;
  for (size_t i = 0; names[i]; i++) {
    ++*n_names;
    if (tlx_str_eq(name, (tlx_str){ names[i], strlen(names[i]) })) return true;
  }
  return false;
}

void ltlx_check_names(lua_State *L, int table, const char *what, const char *const names[]) {
  table = ltlx_absindex(L, table);
  lua_pushnil(L);
  while (lua_next(L, table)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING) {
      luaL_error(L, "%s are named: found a key that is a %s", what, luaL_typename(L, -1));
    }
    tlx_str name;
    size_t n_names;
    name.p = lua_tolstring(L, -1, &name.n);
    if (is_among(name, names, &n_names)) continue;
    const char *near = tlx_nearest(name, names, n_names);
    luaL_error(L, "unknown option %s among the %s%s%s%s", tlx_quote(name).text, what,
               near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
  }
}

void ltlx_set_string(lua_State *L, const char *key, tlx_str value) {
  lua_pushlstring(L, value.n ? value.p : "", value.n);
  lua_setfield(L, -2, key);
}

void ltlx_set_words(lua_State *L, const char *key, const char *words) {
  lua_pushstring(L, words);
  lua_setfield(L, -2, key);
}

void ltlx_set_number(lua_State *L, const char *key, double value) {
  if (value == floor(value) && fabs(value) < 1e9) {
    lua_pushinteger(L, (lua_Integer)value);
  } else {
    lua_pushnumber(L, (lua_Number)value);
  }
  lua_setfield(L, -2, key);
}

void ltlx_set_count(lua_State *L, const char *key, size_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, key);
}

void ltlx_set_boolean(lua_State *L, const char *key, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, key);
}
