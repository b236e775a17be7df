/*
 * The characters of a text that do not fit in seven bits, as people see them: an emoji is taken
 * whole, whatever number of code points it is made of.
 */
#ifndef TLX_OUTSIDERS_H
#define TLX_OUTSIDERS_H

#include "tlx.h"
#include "tlx_gsm7.h"

/* A walk over a text. Fill it in and call tlx_outsiders_next. */
typedef struct tlx_outsiders {
  const char *p, *end; /* well-formed UTF-8; where the walk stands */
  tlx_charset charset;
  bool is_smart; /* pass over what the service's substitutions bring into the charset */
} tlx_outsiders;

typedef struct tlx_outsider {
  tlx_str character;    /* a view of the text */
  uint32_t codepoint;   /* the first of it */
  const char *stand_in; /* the service's substitution, else the bare letter; NULL without either */
} tlx_outsider;

/* Finds the next one; false at the end, `out` untouched. Thread-safe, never allocates. */
bool tlx_outsiders_next(tlx_outsiders *walk, tlx_outsider *out);

/* `codepoint` without its accent, as a static string, or NULL when it is no Latin letter with one
 * (U+00C0 to U+017F are known; a stroke counts as an accent). Thread-safe. */
const char *tlx_bare_letter(uint32_t codepoint);

#endif
