/*
 * Preloaded under the sanitizers and valgrind: modules stay loaded, so that reports can name what is
 * in them. It is for this program alone and not for the ones that it starts; SPEC_PRELOAD tells it
 * to a spec that starts a program which needs the same.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdlib.h>

int dlclose(void *handle);
int dlclose(void *handle) {
  (void)handle;
  return 0;
}

__attribute__((constructor)) static void leave_children_alone(void) {
  const char *preloaded = getenv("LD_PRELOAD");
  if (!preloaded) return;
  setenv("SPEC_PRELOAD", preloaded, 1);
  unsetenv("LD_PRELOAD");
}
