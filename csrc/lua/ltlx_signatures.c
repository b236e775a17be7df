#include "ltlx.h"
#include "tlx_base64.h"
#include "tlx_ed25519.h"

/* What webhooks are signed with, and how keys and signatures are written. */

/* The argument as a string of so many bytes. Never shown: it may be a secret. [-0, +0] */
static const unsigned char *check_bytes(lua_State *L, int arg, size_t n, const char *expected) {
  luaL_checktype(L, arg, LUA_TSTRING);
  size_t n_given;
  const char *bytes = lua_tolstring(L, arg, &n_given);
  luaL_argcheck(L, n_given == n, arg, expected);
  return (const unsigned char *)bytes;
}

static tlx_str check_string(lua_State *L, int arg) {
  tlx_str s;
  luaL_checktype(L, arg, LUA_TSTRING);
  s.p = lua_tolstring(L, arg, &s.n);
  return s;
}

static void push_bytes(lua_State *L, const unsigned char *bytes, size_t n) {
  lua_pushlstring(L, (const char *)bytes, n);
}

/* core.ed25519_verify(public_key, signature, bytes) -> whether it is; 32 and 64 bytes */
static int l_verify(lua_State *L) {
  const unsigned char *key = check_bytes(L, 1, TLX_ED25519_KEY_BYTES, "32 bytes expected");
  const unsigned char *signature =
      check_bytes(L, 2, TLX_ED25519_SIGNATURE_BYTES, "64 bytes expected");
  tlx_str bytes = check_string(L, 3);
  lua_pushboolean(L, tlx_ed25519_verify(key, signature, bytes.p, bytes.n));
  return 1;
}

/* core.ed25519_sign(seed, bytes) -> signature; for stand-ins of the service */
static int l_sign(lua_State *L) {
  unsigned char signature[TLX_ED25519_SIGNATURE_BYTES];
  const unsigned char *seed = check_bytes(L, 1, TLX_ED25519_KEY_BYTES, "32 bytes expected");
  tlx_str bytes = check_string(L, 2);
  if (!tlx_ed25519_sign(seed, bytes.p, bytes.n, signature)) {
    luaL_error(L, "libcrypto gives no Ed25519");
  }
  push_bytes(L, signature, sizeof signature);
  return 1;
}

/* core.ed25519_public_key(seed) -> 32 bytes */
static int l_public_key(lua_State *L) {
  unsigned char key[TLX_ED25519_KEY_BYTES];
  const unsigned char *seed = check_bytes(L, 1, TLX_ED25519_KEY_BYTES, "32 bytes expected");
  if (!tlx_ed25519_public_key(seed, key)) luaL_error(L, "libcrypto gives no Ed25519");
  push_bytes(L, key, sizeof key);
  return 1;
}

/* core.base64_encode(bytes) -> text */
static int l_base64_encode(lua_State *L) {
  tlx_str bytes = check_string(L, 1);
  size_t n = tlx_base64_size(bytes.n);
  char *text = lua_newuserdata(L, n + 1);
  tlx_base64_encode(bytes, text);
  lua_pushlstring(L, text, n);
  return 1;
}

/* core.base64_decode(text) -> bytes | nil, where it is no Base64 with its padding */
static int l_base64_decode(lua_State *L) {
  tlx_str text = check_string(L, 1);
  size_t n;
  unsigned char *bytes = lua_newuserdata(L, text.n + 1);
  if (!tlx_base64_decode(text, bytes, &n)) return 0;
  push_bytes(L, bytes, n);
  return 1;
}

void ltlx_open_signatures(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "ed25519_verify", l_verify },         { "ed25519_sign", l_sign },
    { "ed25519_public_key", l_public_key }, { "base64_encode", l_base64_encode },
    { "base64_decode", l_base64_decode },   { NULL, NULL },
  };
  lua_pushvalue(L, -2);
  ltlx_set_functions(L, functions, 0);
  lua_pop(L, 1);
}
