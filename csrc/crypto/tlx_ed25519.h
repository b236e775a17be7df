/* Ed25519 (RFC 8032, without a context), by libcrypto: what webhooks are signed with. */
#ifndef TLX_ED25519_H
#define TLX_ED25519_H

#include <stdbool.h>
#include <stddef.h>

#define TLX_ED25519_KEY_BYTES 32 /* of a public key, and of the seed of a private one */
#define TLX_ED25519_SIGNATURE_BYTES 64

/*
 * Whether the signature is that of the `n` bytes by the owner of the public key. False as well when
 * libcrypto cannot say: it is short of memory, or has no Ed25519. `bytes` may be NULL when `n` is
 * 0; nothing is retained. What others left in libcrypto's queue of errors stays as it was.
 * Thread-safe.
 */
bool tlx_ed25519_verify(const unsigned char public_key[TLX_ED25519_KEY_BYTES],
                        const unsigned char signature[TLX_ED25519_SIGNATURE_BYTES],
                        const void *bytes, size_t n);

/* Signs. `out` is written only on success; false when libcrypto cannot. For stand-ins of the
 * service: a client only verifies. */
bool tlx_ed25519_sign(const unsigned char seed[TLX_ED25519_KEY_BYTES], const void *bytes, size_t n,
                      unsigned char out[TLX_ED25519_SIGNATURE_BYTES]);

/* The public half of a key. As above. */
bool tlx_ed25519_public_key(const unsigned char seed[TLX_ED25519_KEY_BYTES],
                            unsigned char out[TLX_ED25519_KEY_BYTES]);

#endif
