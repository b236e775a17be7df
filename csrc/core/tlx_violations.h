/*
 * What is wrong with a message: every fault at once, in the service's own codes and JSON pointers,
 * so that one handler serves what we refuse and what the service refuses.
 */
#ifndef TLX_VIOLATIONS_H
#define TLX_VIOLATIONS_H

#include "tlx.h"

#define TLX_MAX_VIOLATIONS 32

typedef struct tlx_violation {
  const char *code; /* the service's code, a static string */
  char pointer[64]; /* RFC 6901, cut to fit */
  char detail[240]; /* a sentence: the field, what was given, what is allowed; cut to fit */
} tlx_violation;

/* Caller-owned, no freeing. Of those beyond the room only the number is kept, in the last one. */
typedef struct tlx_violations {
  size_t n;
  tlx_violation list[TLX_MAX_VIOLATIONS];
} tlx_violations;

/* Adds one; `detail` is a printf format. `pointer` and the arguments are copied. */
void tlx_violations_add(tlx_violations *violations, const char *code, const char *pointer,
                        const char *detail, ...) TLX_PRINTF(4, 5);

/* How many are kept. */
size_t tlx_violations_kept(const tlx_violations *violations);

typedef struct tlx_quoted {
  char text[64];
} tlx_quoted;

/*
 * `given` in double quotes, fit for one line of an error message: control bytes and bytes that are
 * not UTF-8 as \xHH, the end of a long one left out.
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
