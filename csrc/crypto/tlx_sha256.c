#include "tlx_sha256.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

bool tlx_sha256(const void *bytes, size_t n, unsigned char out[TLX_SHA256_BYTES]) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  /* TLS of libcurl or of the host in the same thread would take our error for one of its own. */
  ERR_set_mark();
  bool is_done = EVP_Digest(n ? bytes : "", n, digest, NULL, EVP_sha256(), NULL) == 1;
  ERR_pop_to_mark();
  if (is_done) memcpy(out, digest, TLX_SHA256_BYTES);
  return is_done;
}
