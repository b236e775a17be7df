#define _POSIX_C_SOURCE 200809L

#include "tlx_machine.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

double tlx_machine_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Changed in a child before anything else runs there, and never with threads beside. */
static volatile unsigned long n_forks;

static void count_fork(void) {
  n_forks++;
}

static void begin_counting(void) {
  pthread_atfork(NULL, NULL, count_fork);
}

unsigned long tlx_machine_n_forks(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, begin_counting);
  return n_forks;
}

bool tlx_machine_has_descriptors(int n) {
  int pair[2];
  if (n <= 0) return true;
  if (pipe(pair) != 0) return false;
  bool has = tlx_machine_has_descriptors(n - 2);
  close(pair[0]);
  close(pair[1]);
  return has;
}
