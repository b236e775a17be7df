#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
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

/* The one thing that a signal's handler can reach. */
static volatile sig_atomic_t was_terminated;

static void on_term(int signal) {
  (void)signal;
  was_terminated = 1;
}

static bool heeds_nothing(const struct sigaction *action) {
  return (action->sa_flags & SA_SIGINFO) == 0 && action->sa_handler == SIG_DFL;
}

/* Calls that wait end by it, and the next signal ends the process as ever. */
static bool heed_term(void) {
  struct sigaction action;
  if (sigaction(SIGTERM, NULL, &action) != 0) return false;
  if (!heeds_nothing(&action))
    return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == on_term;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_term;
  action.sa_flags = SA_RESETHAND;
  sigemptyset(&action.sa_mask);
  return sigaction(SIGTERM, &action, NULL) == 0;
}

/* core.terminated() -> boolean: whether SIGTERM has come, which does not end the process from the
   first call on; nil where a host heeds it already. SIGTERM again ends it. */
int ltlx_processes_terminated(lua_State *L) {
  if (was_terminated || heed_term())
    lua_pushboolean(L, was_terminated);
  else
    lua_pushnil(L);
  return 1;
}
