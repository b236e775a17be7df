/* Bytes that nobody can foretell, by libcrypto. */
#ifndef TLX_RANDOM_H
#define TLX_RANDOM_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Fills `n` bytes. A process and its fork draw different ones, from the first after the fork on.
 * Returns false when the system has no randomness to give: the bytes are worth nothing then.
 * What others left in libcrypto's queue of errors stays as it was. Thread-safe.
 */
bool tlx_random(void *bytes, size_t n);

#endif
