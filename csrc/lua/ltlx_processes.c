#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "ltlx.h"

/* core.pid() -> number of this process */
int ltlx_processes_pid(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)getpid());
  return 1;
}

/* core.is_running(pid) -> boolean; whoever may not be asked is running */
int ltlx_processes_is_running(lua_State *L) {
  lua_Number pid = luaL_checknumber(L, 1);
  luaL_argcheck(L, pid >= 1 && pid < 2147483648.0, 1, "the number of a process expected");
  lua_pushboolean(L, kill((pid_t)pid, 0) == 0 || errno == EPERM);
  return 1;
}
