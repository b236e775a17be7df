#include "tlx_random.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/rand.h>

bool tlx_random(void *bytes, size_t n) {
  if (n > INT_MAX) return false;
  /* TLS of libcurl or of the host in the same thread would take our error for one of its own. */
  ERR_set_mark();
  bool is_done = RAND_bytes(bytes, (int)n) == 1;
  ERR_pop_to_mark();
  return is_done;
}
