/*
 * Preloaded under the sanitizers and valgrind: modules stay loaded, so that reports can name what
 * is in them. Programs that this one starts inherit it, but need not account for their memory: most
 * are none of ours.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdlib.h>

int dlclose(void *handle);
int dlclose(void *handle) {
  (void)handle;
  return 0;
}

__attribute__((constructor)) static void spare_children(void) {
  setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
}
