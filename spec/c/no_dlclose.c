/*
 * Preloaded under the sanitizers and valgrind: modules stay loaded, so that reports can name what is
 * in them. It is for this program alone, not for the ones that it starts.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdlib.h>

int dlclose(void *handle);
int dlclose(void *handle) {
  (void)handle;
  return 0;
}

__attribute__((constructor)) static void leave_children_alone(void) {
  unsetenv("LD_PRELOAD");
}
