#define _GNU_SOURCE      /* for statx */
#define _DARWIN_C_SOURCE /* for flock */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ltlx.h"

#define FILE_LOCK "telnyx.core.file_lock " TLX_VERSION

typedef struct file_lock {
  int fd; /* -1 of one that holds nothing */
} file_lock;

static int push_failure(lua_State *L, const char *path, int code) {
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", path, strerror(code));
  return 2;
}

/* What a file is whatever its name: one that was deleted and made again, or replaced, is another.
 * [-0, +1] */
static void push_id(lua_State *L, const struct stat *status) {
  char id[48];
  snprintf(id, sizeof id, "%ju:%ju", (uintmax_t)status->st_dev, (uintmax_t)status->st_ino);
  lua_pushstring(L, id);
}

/* core.file_id(path [, of_link]) -> text | nil, why
 *
 * `of_link`: of a symbolic link itself, and not of what it names. */
int ltlx_files_id(lua_State *L) {
  struct stat status;
  luaL_checktype(L, 1, LUA_TSTRING);
  const char *path = lua_tostring(L, 1);
  int failed = lua_toboolean(L, 2) ? lstat(path, &status) : stat(path, &status);
  if (failed) return push_failure(L, path, errno);
  push_id(L, &status);
  return 1;
}

/* 0, or an errno. A file that is there is not opened: to close it again would end the locks that
 * others in this process may have on it. */
static int make_file(const char *path, struct stat *status) {
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (fd >= 0) close(fd);
  if (fd < 0 && errno != EEXIST) return errno;
  if (stat(path, status) != 0) return errno;
  if (S_ISDIR(status->st_mode)) return EISDIR;
  if (!S_ISREG(status->st_mode)) return EINVAL;
  return access(path, R_OK | W_OK) == 0 ? 0 : errno;
}

/* Whether a file is mounted by itself, as containers may have it: what stands beside it here is not
 * what stands beside it elsewhere. False where the system does not say. */
static bool is_mounted_alone(const char *path) {
#ifdef STATX_ATTR_MOUNT_ROOT
  struct statx status;
  if (statx(AT_FDCWD, path, 0, 0, &status) != 0) return false;
  return (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
#else
  (void)path;
  return false;
#endif
}

/* core.make_file(path) -> its absolute path, its id, its bytes, how many names it has, whether it
 * is mounted by itself | nil, why; made if it is not there, as its owner's alone, and otherwise fit
 * to be read and written */
int ltlx_files_make(lua_State *L) {
  struct stat status = { 0 };
  char resolved[PATH_MAX];
  luaL_checktype(L, 1, LUA_TSTRING);
  const char *path = lua_tostring(L, 1);
  int code = make_file(path, &status);
  if (code == 0 && realpath(path, resolved) == NULL) code = errno;
  if (code != 0) return push_failure(L, path, code);
  lua_pushstring(L, resolved);
  push_id(L, &status);
  lua_pushnumber(L, (lua_Number)status.st_size);
  lua_pushnumber(L, (lua_Number)status.st_nlink);
  lua_pushboolean(L, is_mounted_alone(resolved));
  return 5;
}

/* 0, or an errno: EWOULDBLOCK when another has it. */
static int take_lock(file_lock *lock, const char *path) {
  struct stat status;
  if (stat(path, &status) != 0) return errno;
  if (S_ISDIR(status.st_mode)) return EISDIR;
  if (S_ISFIFO(status.st_mode)) return ESPIPE; /* who opens it waits for its other end */
  if (!S_ISREG(status.st_mode)) return 0;      /* /dev/null is anybody's */
  lock->fd = open(path, O_RDWR | O_CLOEXEC);
  return lock->fd >= 0 && flock(lock->fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
}

static void give_back(file_lock *lock) {
  if (lock->fd >= 0) close(lock->fd);
  lock->fd = -1;
}

/*
 * core.lock_file(path) -> lock | false, when another has it | nil, why: it is not there, a pipe …
 *
 * It is the file's that is there, whatever its names, until lock:close(), or the lock is collected,
 * or the process ends, in whatever way. Who does not ask for it is not held up. Another state, or
 * another call of the same one, is another. It does not outlive an exec; but a child by fork has it
 * too, and while the child lives nobody else gets it.
 */
static int l_lock_file(lua_State *L) {
  luaL_checktype(L, 1, LUA_TSTRING);
  file_lock *lock = ltlx_new_object(L, sizeof *lock, FILE_LOCK);
  lock->fd = -1;
  int code = take_lock(lock, lua_tostring(L, 1));
  if (code == 0) return 1;
  give_back(lock);
  if (code != EWOULDBLOCK) return push_failure(L, lua_tostring(L, 1), code);
  lua_pushboolean(L, false);
  return 1;
}

/* lock:close(); also __gc and __close */
static int l_lock_close(lua_State *L) {
  give_back(luaL_checkudata(L, 1, FILE_LOCK));
  return 0;
}

void ltlx_open_files(lua_State *L) {
  static const luaL_Reg functions[] = { { "lock_file", l_lock_file }, { NULL, NULL } };
  static const luaL_Reg methods[] = { { "close", l_lock_close }, { NULL, NULL } };
  static const luaL_Reg metamethods[] = { { "__gc", l_lock_close },
                                          { "__close", l_lock_close },
                                          { NULL, NULL } };
  ltlx_register_type(L, FILE_LOCK, methods, metamethods, 0);
  lua_pushvalue(L, -2);
  ltlx_set_functions(L, functions, 0);
  lua_pop(L, 1);
}
