/* What was given, fit for one line of an error message. Thread-safe, never allocates. */
#ifndef TLX_QUOTE_H
#define TLX_QUOTE_H

#include "tlx.h"

typedef struct tlx_quoted {
  char text[64];
} tlx_quoted;

/*
 * `given` in double quotes: control bytes and bytes that are not UTF-8 as \xHH, the end of a long
 * one left out.
 */
tlx_quoted tlx_quote(tlx_str given);

typedef struct tlx_pointer {
  char text[64];
} tlx_pointer;

/*
 * The JSON pointer (RFC 6901) of `name` below `parent`, a literal such as "" or "/extra": ~ and /
 * escaped as there, control bytes as \xHH, cut to fit.
 */
tlx_pointer tlx_pointer_to(const char *parent, tlx_str name);

#endif
