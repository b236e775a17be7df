#define _XOPEN_SOURCE 700

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ltlx.h"

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

/* core.file_id(path) -> text | nil, why */
int ltlx_files_id(lua_State *L) {
  struct stat status;
  luaL_checktype(L, 1, LUA_TSTRING);
  if (stat(lua_tostring(L, 1), &status) != 0) return push_failure(L, lua_tostring(L, 1), errno);
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

/* core.make_file(path) -> its absolute path, its id, its bytes | nil, why; made if it is not there,
 * as its owner's alone, and otherwise fit to be read and written */
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
  return 3;
}
