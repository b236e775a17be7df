#include "ltlx.h"

/*
 * Order that errors cannot disturb. A host's hook may raise at every instruction of Lua, so that
 * what has to be done after an error would end by the next one if it were done in Lua alone.
 */

#if LUA_VERSION_NUM >= 503
#define CAN_YIELD 1
#else
#define CAN_YIELD 0
#endif

/* LuaJIT has it, though its headers call it 5.1, which has not. */
#if LUA_VERSION_NUM == 501 && defined(__GNUC__)
extern int lua_isyieldable(lua_State *L) __attribute__((weak));
#define MAY_ASK (lua_isyieldable != NULL)
#elif LUA_VERSION_NUM >= 503
#define MAY_ASK 1
#else
#define lua_isyieldable(L) 1
#define MAY_ASK 0
#endif

typedef struct hook {
  lua_Hook function;
  int mask, count;
} hook;

static hook take_hook_out(lua_State *L) {
  const hook taken = { lua_gethook(L), lua_gethookmask(L), lua_gethookcount(L) };
  if (taken.function) lua_sethook(L, NULL, 0, 0);
  return taken;
}

/* A signal may have set another one meanwhile, which has to be heeded. */
static void put_hook_back(lua_State *L, const hook *taken) {
  if (taken->function && !lua_gethook(L)) {
    lua_sethook(L, taken->function, taken->mask, taken->count);
  }
}

/* core.shielded(body, ...) -> what it returns. No hook is called in it. It must not yield. */
static int l_shielded(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  if (!lua_gethook(L)) {
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
  }
  const hook taken = take_hook_out(L);
  int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  put_hook_back(L, &taken);
  return status == 0 ? lua_gettop(L) : lua_error(L);
}

/* core.take(list) -> its first, which is false from then on. No hook is called in between. */
static int l_take(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_rawgeti(L, 1, 1);
  lua_pushboolean(L, 0);
  lua_rawseti(L, 1, 1);
  return 1;
}

enum { BODY = 1, ON_ERROR };

static void push_arguments(lua_State *L, int function, int n_given) {
  lua_pushvalue(L, function);
  for (int i = ON_ERROR + 1; i <= n_given; i++) lua_pushvalue(L, i);
}

/* The error is on top. What on_error raises in its turn is not told: the first one is. */
static int clean_up(lua_State *L, int n_given) {
  const hook taken = take_hook_out(L);
  push_arguments(L, ON_ERROR, n_given);
  if (lua_pcall(L, n_given - ON_ERROR, 0, 0) != 0) lua_pop(L, 1);
  put_hook_back(L, &taken);
  return lua_error(L);
}

#if CAN_YIELD
static int go_on(lua_State *L, int status, lua_KContext n_given) {
  bool is_well = status == LUA_OK || status == LUA_YIELD;
  return is_well ? lua_gettop(L) - (int)n_given : clean_up(L, (int)n_given);
}
#endif

/*
 * core.guarded(body, on_error, ...) -> what body(...) returns
 *
 * When an error ends it, on_error(...) is called, without a hook, and the error is raised again.
 * The body may yield where core.guarded_yields says so.
 */
static int l_guarded(lua_State *L) {
  int n_given = lua_gettop(L);
  luaL_checktype(L, BODY, LUA_TFUNCTION);
  luaL_checktype(L, ON_ERROR, LUA_TFUNCTION);
  luaL_checkstack(L, n_given + 8, "too many arguments");
  push_arguments(L, BODY, n_given);
#if CAN_YIELD
  return go_on(L, lua_pcallk(L, n_given - ON_ERROR, LUA_MULTRET, 0, n_given, go_on), n_given);
#else
  int status = lua_pcall(L, n_given - ON_ERROR, LUA_MULTRET, 0);
  return status == 0 ? lua_gettop(L) - n_given : clean_up(L, n_given);
#endif
}

/* core.can_yield() -> whether the caller may; nil where this Lua does not say */
static int l_can_yield(lua_State *L) {
  if (MAY_ASK)
    lua_pushboolean(L, lua_isyieldable(L));
  else
    lua_pushnil(L);
  return 1;
}

void ltlx_open_guarded(lua_State *L) {
  static const luaL_Reg functions[] = { { "can_yield", l_can_yield },
                                        { "guarded", l_guarded },
                                        { "shielded", l_shielded },
                                        { "take", l_take },
                                        { NULL, NULL } };
  lua_pushvalue(L, -2);
  ltlx_set_functions(L, functions, 0);
  ltlx_set_boolean(L, "guarded_yields", CAN_YIELD);
  lua_pop(L, 1);
}
