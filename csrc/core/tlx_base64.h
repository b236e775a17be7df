/* Base64 by RFC 4648 §4: the standard alphabet, padded, without line breaks. Nothing allocates. */
#ifndef TLX_BASE64_H
#define TLX_BASE64_H

#include "tlx.h"

/* How many characters `n` bytes take. */
size_t tlx_base64_size(size_t n);

/* Writes exactly so many, without NUL. Thread-safe. */
void tlx_base64_encode(tlx_str bytes, char *out);

/* Strict: padding is needed, unused bits are 0, and nothing else is skipped. `out` has room for
 * three bytes of each four characters. Returns whether it is Base64; then `*n` is how many bytes
 * were written. Thread-safe. */
bool tlx_base64_decode(tlx_str text, unsigned char *out, size_t *n);

#endif
