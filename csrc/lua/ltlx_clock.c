#define _POSIX_C_SOURCE 200809L

#include <time.h>
#include <unistd.h>

#include "ltlx.h"

static double read_clock(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double ltlx_now(void) {
  return read_clock(CLOCK_REALTIME);
}

int ltlx_clock_now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)ltlx_now());
  return 1;
}

int ltlx_clock_monotonic(lua_State *L) {
  lua_pushnumber(L, (lua_Number)read_clock(CLOCK_MONOTONIC));
  return 1;
}

int ltlx_clock_pid(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)getpid());
  return 1;
}

/* Ends early when a signal comes, so that an interrupted script is not kept waiting. */
int ltlx_clock_sleep(lua_State *L) {
  double seconds = (double)luaL_checknumber(L, 1);
  luaL_argcheck(L, seconds >= 0 && seconds < 1e8, 1, "seconds from 0 up expected");
  struct timespec left;
  left.tv_sec = (time_t)seconds;
  left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
  nanosleep(&left, NULL);
  return 0;
}
