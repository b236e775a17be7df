/* Sends as many messages as its argument says to a canned service, one after another: something to
 * count the instructions of. */
#include <string.h>

#include "canned.h"
#include "host.h"

int main(int argc, char **argv) {
  int n = argc > 1 ? atoi(argv[1]) : 1000;
  canned service = canned_start();
  lua_State *L = host_open(&service);
  lua_pushinteger(L, n);
  lua_setglobal(L, "n");
  const char *failed = host_run(L,
                                "local failed = 0 "
                                "for i = 1, n do "
                                "  if send(i) ~= 'accepted' then failed = failed + 1 end "
                                "end return failed");
  int is_good = failed && strcmp(failed, "0") == 0;
  lua_close(L);
  canned_stop(&service);
  return is_good ? 0 : 1;
}
