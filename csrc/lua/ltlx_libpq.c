#include <dlfcn.h>
#include <string.h>

#include "ltlx.h"

#define ATTEMPT "telnyx.core.postgres " TLX_VERSION

#ifdef __APPLE__
#define LIBPQ "libpq.5.dylib"
#else
#define LIBPQ "libpq.so.5"
#endif

#define CONNECTED 0

typedef struct pg_conn pg_conn;

typedef struct attempt {
  pg_conn *conn;
  pg_conn *(*connect)(const char *);
  int (*status)(const pg_conn *);
  char *(*message)(const pg_conn *);
  void (*finish)(pg_conn *);
} attempt;

/* ISO C has no cast from what dlsym returns to a function. */
static bool find(void *library, const char *name, void *function, size_t size) {
  void *symbol = dlsym(library, name);
  memcpy(function, &symbol, size);
  return symbol != NULL;
}

/* Of the libpq that a driver has loaded, if one has. */
static bool find_all(attempt *a) {
  void *library = dlopen(LIBPQ, RTLD_LAZY | RTLD_NOLOAD);
  return library != NULL && find(library, "PQconnectdb", &a->connect, sizeof a->connect) &&
         find(library, "PQstatus", &a->status, sizeof a->status) &&
         find(library, "PQerrorMessage", &a->message, sizeof a->message) &&
         find(library, "PQfinish", &a->finish, sizeof a->finish);
}

static void end(attempt *a) {
  if (a->conn) a->finish(a->conn);
  a->conn = NULL;
}

/*
 * core.postgres_fault(connection) -> libpq's words, of one line or more | nil, when it connects
 *
 * LuaDBI's driver sends a statement before it looks whether it is connected, which takes the place
 * of the words, and it never frees such a connection. nil, too, where no libpq is loaded.
 */
static int l_postgres_fault(lua_State *L) {
  luaL_checktype(L, 1, LUA_TSTRING);
  attempt *a = ltlx_new_object(L, sizeof *a, ATTEMPT);
  if (!find_all(a)) return 0;
  a->conn = a->connect(lua_tostring(L, 1));
  bool is_well = a->conn != NULL && a->status(a->conn) == CONNECTED;
  if (is_well)
    lua_pushnil(L);
  else
    lua_pushstring(L, a->conn ? a->message(a->conn) : "out of memory");
  end(a);
  return 1;
}

static int l_attempt_gc(lua_State *L) {
  end(luaL_checkudata(L, 1, ATTEMPT));
  return 0;
}

void ltlx_open_libpq(lua_State *L) {
  static const luaL_Reg functions[] = { { "postgres_fault", l_postgres_fault }, { NULL, NULL } };
  static const luaL_Reg methods[] = { { NULL, NULL } };
  static const luaL_Reg metamethods[] = { { "__gc", l_attempt_gc }, { NULL, NULL } };
  ltlx_register_type(L, ATTEMPT, methods, metamethods, 0);
  lua_pushvalue(L, -2);
  ltlx_set_functions(L, functions, 0);
  lua_pop(L, 1);
}
