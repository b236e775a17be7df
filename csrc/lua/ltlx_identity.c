#define _POSIX_C_SOURCE 200809L

#include <unistd.h>

#include "ltlx.h"
#include "tlx_random.h"
#include "tlx_sha256.h"

/* What tells one body, one claim and one process from every other. */

#define CLAIM_BYTES 16
#define MOST_HOST_BYTES 64

static void push_hex(lua_State *L, const unsigned char *bytes, size_t n) {
  static const char DIGITS[] = "0123456789abcdef";
  char hex[2 * TLX_SHA256_BYTES];
  for (size_t i = 0; i < n; i++) {
    hex[2 * i] = DIGITS[bytes[i] >> 4];
    hex[2 * i + 1] = DIGITS[bytes[i] & 15];
  }
  lua_pushlstring(L, hex, 2 * n);
}

/* core.digest(bytes) -> its SHA-256, 64 hex digits */
int ltlx_identity_digest(lua_State *L) {
  unsigned char digest[TLX_SHA256_BYTES];
  tlx_str bytes;
  luaL_checktype(L, 1, LUA_TSTRING);
  bytes.p = lua_tolstring(L, 1, &bytes.n);
  if (!tlx_sha256(bytes.p, bytes.n, digest)) luaL_error(L, "libcrypto gives no SHA-256");
  push_hex(L, digest, sizeof digest);
  return 1;
}

/* core.new_claim() -> 32 hex digits that no other claim has */
int ltlx_identity_new_claim(lua_State *L) {
  unsigned char claim[CLAIM_BYTES];
  if (!tlx_random(claim, sizeof claim)) luaL_error(L, "the system has no randomness");
  push_hex(L, claim, sizeof claim);
  return 1;
}

/* core.process() -> "hostname/pid", asked anew: this may be a fork of who asked last */
int ltlx_identity_process(lua_State *L) {
  char host[256] = "";
  if (gethostname(host, sizeof host) != 0) host[0] = '\0';
  host[MOST_HOST_BYTES] = '\0';
  lua_pushfstring(L, "%s/%d", host[0] ? host : "unknown", (int)getpid());
  return 1;
}
