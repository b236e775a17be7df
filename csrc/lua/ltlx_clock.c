#define _POSIX_C_SOURCE 200809L

#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "ltlx.h"
#include "tlx_machine.h"

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

/* core.forks() -> a number that a child has and its parent has not */
int ltlx_clock_forks(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)tlx_machine_n_forks());
  return 1;
}

/* core.seed() -> a number that two processes hardly share, below 2^31 */
int ltlx_clock_seed(lua_State *L) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  uint64_t seed = (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
  seed = seed * 7919u + (uint64_t)getpid() * 104729u + (uint64_t)(uintptr_t)L;
  lua_pushinteger(L, (lua_Integer)(seed % 2147483647u));
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
