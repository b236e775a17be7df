/*
 * A host that runs each script in a thread and a state of its own, on a small stack: 32 threads
 * load the module, send and close, again and again.
 */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "canned.h"
#include "host.h"

#define N_THREADS 32
#define STACK_BYTES (240 * 1024)
#define N_SENDS 3

static canned service;
static double end_s;

typedef struct worker {
  pthread_t thread;
  int n_states, n_accepted, n_faults;
} worker;

static double now_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void live_once(worker *w) {
  lua_State *L = host_open(&service);
  w->n_states++;
  for (int i = 0; i < N_SENDS; i++) {
    const char *outcome = host_run(L, "return send(1)");
    if (outcome && strcmp(outcome, "accepted") == 0) {
      w->n_accepted++;
    } else {
      w->n_faults++;
    }
  }
  if (w->n_states % 2) host_run(L, "client:close()");
  lua_close(L);
}

static void *live(void *user) {
  worker *w = user;
  do {
    live_once(w);
  } while (now_s() < end_s);
  return NULL;
}

int main(int argc, char **argv) {
  static worker workers[N_THREADS];
  pthread_attr_t attributes;
  worker all = { .n_states = 0 };
  service = canned_start();
  end_s = now_s() + (argc > 1 ? atof(argv[1]) : 5);
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  for (int i = 0; i < N_THREADS; i++) {
    if (pthread_create(&workers[i].thread, &attributes, live, &workers[i]) != 0) exit(1);
  }
  for (int i = 0; i < N_THREADS; i++) {
    pthread_join(workers[i].thread, NULL);
    all.n_states += workers[i].n_states;
    all.n_accepted += workers[i].n_accepted;
    all.n_faults += workers[i].n_faults;
  }
  if (!canned_settle(&service)) all.n_faults++;
  if (service.log->n_posts != all.n_accepted) all.n_faults++;
  printf("threads: %d threads, %d states, %d accepted, %d posted, %d faults\n", N_THREADS,
         all.n_states, all.n_accepted, service.log->n_posts, all.n_faults);
  canned_stop(&service);
  return all.n_faults != 0;
}
