#include "tlx_ed25519.h"

#include <openssl/err.h>
#include <openssl/evp.h>

static const unsigned char *or_empty(const void *bytes, size_t n) {
  return n ? bytes : (const unsigned char *)"";
}

static bool verify(EVP_PKEY *key, EVP_MD_CTX *context, const unsigned char *signature,
                   const void *bytes, size_t n) {
  return key && context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
         EVP_DigestVerify(context, signature, TLX_ED25519_SIGNATURE_BYTES, or_empty(bytes, n), n) ==
             1;
}

static bool sign(EVP_PKEY *key, EVP_MD_CTX *context, const void *bytes, size_t n,
                 unsigned char *out) {
  size_t n_out = TLX_ED25519_SIGNATURE_BYTES;
  return key && context && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
         EVP_DigestSign(context, out, &n_out, or_empty(bytes, n), n) == 1 &&
         n_out == TLX_ED25519_SIGNATURE_BYTES;
}

/* TLS of libcurl or of the host in the same thread would take our error for one of its own: each of
 * these leaves libcrypto's queue as it was. */

bool tlx_ed25519_verify(const unsigned char public_key[TLX_ED25519_KEY_BYTES],
                        const unsigned char signature[TLX_ED25519_SIGNATURE_BYTES],
                        const void *bytes, size_t n) {
  ERR_set_mark();
  EVP_PKEY *key =
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, TLX_ED25519_KEY_BYTES);
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  bool is_right = verify(key, context, signature, bytes, n);
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  ERR_pop_to_mark();
  return is_right;
}

bool tlx_ed25519_sign(const unsigned char seed[TLX_ED25519_KEY_BYTES], const void *bytes, size_t n,
                      unsigned char out[TLX_ED25519_SIGNATURE_BYTES]) {
  ERR_set_mark();
  EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, TLX_ED25519_KEY_BYTES);
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  bool is_done = sign(key, context, bytes, n, out);
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  ERR_pop_to_mark();
  return is_done;
}

bool tlx_ed25519_public_key(const unsigned char seed[TLX_ED25519_KEY_BYTES],
                            unsigned char out[TLX_ED25519_KEY_BYTES]) {
  ERR_set_mark();
  EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, TLX_ED25519_KEY_BYTES);
  size_t n = TLX_ED25519_KEY_BYTES;
  bool is_done =
      key && EVP_PKEY_get_raw_public_key(key, out, &n) == 1 && n == TLX_ED25519_KEY_BYTES;
  EVP_PKEY_free(key);
  ERR_pop_to_mark();
  return is_done;
}
