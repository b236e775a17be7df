/*
 * How far a text goes on in characters that are all alike to count: most of most messages. Looking
 * at 16 or 8 bytes at once is what makes counting run at memory speed.
 */
#ifndef TLX_PLAIN_RUN_H
#define TLX_PLAIN_RUN_H

#include "tlx.h"

/*
 * Bytes from `p` on that are "plain": one septet, one UTF-16 unit and one byte each. They are
 * U+0020 to U+007A less the extension characters, the backtick and, for the sake of one comparison
 * fewer, the underscore. A return of 0 says nothing but that the caller must look at the next
 * character itself. Thread-safe.
 */
size_t tlx_plain_run(const char *p, const char *end);

/* The same without SIMD: what other machines run, and what the fast one is tested against. */
size_t tlx_plain_run_portable(const char *p, const char *end);

/*
 * Passes over well-formed characters of one UTF-16 unit each, that is, up to U+FFFF. Leaves the
 * last few bytes and whatever else it does not know to the caller.
 *
 * n_characters  Receives how many were passed. Not NULL.
 * Returns where it stopped. Thread-safe.
 */
const char *tlx_unit_run(const char *p, const char *end, size_t *n_characters);

#endif
