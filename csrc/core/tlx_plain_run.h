/*
 * How far a text goes on in bytes that are one septet, one UTF-16 unit and one byte each: most of
 * most messages. Looking at 16 or 8 bytes at once is what makes counting run at memory speed.
 */
#ifndef TLX_PLAIN_RUN_H
#define TLX_PLAIN_RUN_H

#include "tlx.h"

/*
 * Bytes from `p` on that are "plain": U+0020 to U+007E less the extension characters, the backtick
 * and, for the sake of one comparison fewer, the underscore. May stop early; a return of 0 says
 * nothing but that the caller must look at the next character itself. Thread-safe.
 */
size_t tlx_plain_run(const char *p, const char *end);

/* The same without SIMD: what other machines run, and what the fast one is tested against. */
size_t tlx_plain_run_portable(const char *p, const char *end);

#endif
