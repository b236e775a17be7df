/*
 * Smart encoding: the service's own list of 310 look-alike substitutions that bring a text back to
 * GSM-7 (curly quotes, dashes, no-break spaces, full-width letters and the like).
 */
#ifndef TLX_SMART_H
#define TLX_SMART_H

#include "tlx.h"
#include "tlx_smart_table.h"

/* The longest replacement, in bytes, and how many bytes it can grow out of at least. */
#define TLX_SMART_MAX_REPLACEMENT 7

/* What stands in for `codepoint`: a static ASCII string, "" when it is removed, NULL when it stays.
 * Thread-safe. */
static inline const char *tlx_smart_replacement(uint32_t codepoint) {
  if (codepoint >= TLX_SMART_END) return NULL;
  unsigned page = tlx_smart_page_of[codepoint / TLX_SMART_PAGE];
  unsigned cell = tlx_smart_pages[page][codepoint % TLX_SMART_PAGE];
  return cell ? tlx_smart_replacements[cell] : NULL;
}

/*
 * Applies the substitutions.
 *
 * text      Well-formed UTF-8.
 * out       Room for the result, or NULL to only measure it.
 * replaced  Receives the number of characters that were replaced or removed. Not NULL.
 * Returns the length of the result in bytes. Thread-safe, never allocates.
 */
size_t tlx_smart_encode(tlx_str text, char *out, size_t *replaced);

#endif
