/* SHA-256 (FIPS 180-4), by libcrypto. */
#ifndef TLX_SHA256_H
#define TLX_SHA256_H

#include <stdbool.h>
#include <stddef.h>

#define TLX_SHA256_BYTES 32

/*
 * Digests `n` bytes; `bytes` may be NULL when `n` is 0, and is not retained.
 * out   Written only on success.
 * Returns false when libcrypto cannot: it is short of memory, or its configuration has no SHA-256.
 * What others left in its queue of errors stays as it was. Thread-safe.
 */
bool tlx_sha256(const void *bytes, size_t n, unsigned char out[TLX_SHA256_BYTES]);

#endif
