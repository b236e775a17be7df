#define _POSIX_C_SOURCE 200809L

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ltlx.h"

/* Where a process sees its own descriptors. */
#define OWN_DESCRIPTORS "/dev/fd"
/* Without that place, how many are looked through. */
#define MOST_DESCRIPTORS 65536

static bool is_silent(int fd) {
  char byte;
  ssize_t n;
  do {
    n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

/* core.is_silent(fd) -> whether the socket is open and holds neither bytes nor an end */
int ltlx_sockets_is_silent(lua_State *L) {
  lua_pushboolean(L, is_silent((int)luaL_checkinteger(L, 1)));
  return 1;
}

static bool reuses(int fd) {
  int value = 0;
  socklen_t n = sizeof value;
  return getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, &n) == 0 && value != 0;
}

static int last_descriptor(void) {
  DIR *folder = opendir(OWN_DESCRIPTORS);
  if (!folder) {
    long most = sysconf(_SC_OPEN_MAX);
    return (int)(most > 0 && most < MOST_DESCRIPTORS ? most : MOST_DESCRIPTORS) - 1;
  }
  int last = -1;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    int fd = atoi(entry->d_name); /* 0 of "." and ".." does no harm */
    if (fd > last) last = fd;
  }
  closedir(folder);
  return last;
}

/* core.last_descriptor() -> the highest number that this process has for anything open */
int ltlx_sockets_last_descriptor(lua_State *L) {
  lua_pushinteger(L, last_descriptor());
  return 1;
}

/* core.reusing(fds) -> those of the list which are sockets with SO_REUSEADDR, in the same order */
int ltlx_sockets_reusing(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  int n_fds = (int)ltlx_rawlen(L, 1);
  lua_settop(L, 1);
  lua_newtable(L);
  for (int i = 1, n = 0; i <= n_fds; i++) {
    lua_rawgeti(L, 1, i);
    if (reuses((int)luaL_checkinteger(L, -1))) {
      lua_rawseti(L, 2, ++n);
    } else {
      lua_pop(L, 1);
    }
  }
  return 1;
}
