#define _DEFAULT_SOURCE /* flock */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ltlx.h"

#define LOCK "telnyx.core.lock " TLX_VERSION

/* A file that nobody else has open so: neither another process nor another part of this one. */
typedef struct lock {
  bool is_held;
  int fd;
} lock;

static int push_failure(lua_State *L, const char *path, int code) {
  lua_pushnil(L);
  if (code == EWOULDBLOCK) {
    lua_pushfstring(L, "%s is in use, here or by another process", path);
  } else {
    lua_pushfstring(L, "%s: %s", path, strerror(code));
  }
  return 2;
}

static int l_lock_release(lua_State *L) {
  lock *held = luaL_checkudata(L, 1, LOCK);
  if (held->is_held) close(held->fd);
  held->is_held = false;
  return 0;
}

/* 0, or an errno. A new file is its owner's alone to read. */
static int acquire(lock *held, const char *path) {
  struct stat status;
  held->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (held->fd < 0) return errno;
  held->is_held = true;
  if (fstat(held->fd, &status) != 0) return errno;
  if (!S_ISREG(status.st_mode)) return EINVAL;
  return flock(held->fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
}

/* core.lock(path) -> lock | nil, why; made if it is not there, released by :release() or collection
 */
static int l_lock(lua_State *L) {
  luaL_checktype(L, 1, LUA_TSTRING);
  lock *held = ltlx_new_object(L, sizeof *held, LOCK);
  int code = acquire(held, lua_tostring(L, 1));
  if (code == 0) return 1;
  if (held->is_held) close(held->fd);
  held->is_held = false;
  return push_failure(L, lua_tostring(L, 1), code);
}

void ltlx_open_lock(lua_State *L) {
  static const luaL_Reg functions[] = { { "lock", l_lock }, { NULL, NULL } };
  static const luaL_Reg methods[] = { { "release", l_lock_release }, { NULL, NULL } };
  static const luaL_Reg metamethods[] = { { "__gc", l_lock_release }, { NULL, NULL } };
  ltlx_register_type(L, LOCK, methods, metamethods, 0);
  lua_pushvalue(L, -2);
  ltlx_set_functions(L, functions, 0);
  lua_pop(L, 1);
}
