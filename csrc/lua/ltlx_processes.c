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

/* What a signal's handler can reach: nothing else. */
static volatile sig_atomic_t was_terminated;
static struct sigaction int_before;

static void on_term(int signal) {
  (void)signal;
  was_terminated = 1;
}

/* The next one is whose this one would have been. */
static void on_int(int signal) {
  was_terminated = 1;
  sigaction(signal, &int_before, NULL);
}

static bool is_handled_by(const struct sigaction *action, void (*handler)(int)) {
  return (action->sa_flags & SA_SIGINFO) == 0 && action->sa_handler == handler;
}

/* Calls that wait end by it. */
static bool heed(int signal, void (*handler)(int), int flags) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigemptyset(&action.sa_mask);
  return sigaction(signal, &action, NULL) == 0;
}

/* The next signal ends the process as ever. */
static bool heed_term(void) {
  struct sigaction action;
  if (sigaction(SIGTERM, NULL, &action) != 0) return false;
  if (is_handled_by(&action, SIG_DFL)) return heed(SIGTERM, on_term, SA_RESETHAND);
  return is_handled_by(&action, on_term);
}

static bool heed_int(void) {
  struct sigaction action;
  if (sigaction(SIGINT, NULL, &action) != 0 || is_handled_by(&action, SIG_IGN)) return false;
  if (is_handled_by(&action, on_int)) return true;
  int_before = action;
  return heed(SIGINT, on_int, 0);
}

/* core.terminated([with_int]) -> boolean: whether SIGTERM has come, or Ctrl-C where it is asked
   for; from the first call on they do not end the process, or raise, until they come again. nil
   where a host heeds SIGTERM already. */
int ltlx_processes_terminated(lua_State *L) {
  bool with_int = lua_toboolean(L, 1);
  if (was_terminated || (heed_term() | (with_int && heed_int())))
    lua_pushboolean(L, was_terminated);
  else
    lua_pushnil(L);
  return 1;
}
