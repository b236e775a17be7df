/*
 * Strict UTF-8, as The Unicode Standard defines it in table 3-7: no overlong forms, no surrogate
 * halves, nothing above U+10FFFF. The service refuses a body that is not UTF-8, so we do first.
 */
#ifndef TLX_UTF8_H
#define TLX_UTF8_H

#include "tlx.h"

/*
 * Reads the code point that starts at `p`.
 *
 * p, end     Bytes to read; p < end.
 * codepoint  Written only on success.
 * Returns the number of bytes it takes (1 to 4), or 0 when no well-formed code point starts here.
 * Thread-safe, never allocates.
 */
static inline size_t tlx_utf8_read(const char *p, const char *end, uint32_t *codepoint) {
  const unsigned char *s = (const unsigned char *)p;
  size_t left = (size_t)(end - p);
  uint32_t c = s[0];
  if (c < 0x80) {
    *codepoint = c;
    return 1;
  }
  if (c < 0xC2) return 0;
  if (c < 0xE0) {
    if (left < 2 || (s[1] & 0xC0) != 0x80) return 0;
    *codepoint = (c & 0x1F) << 6 | (s[1] & 0x3Fu);
    return 2;
  }
  if (c < 0xF0) {
    if (left < 3 || (s[1] & 0xC0) != 0x80 || (s[2] & 0xC0) != 0x80) return 0;
    c = (c & 0x0F) << 12 | (s[1] & 0x3Fu) << 6 | (s[2] & 0x3Fu);
    if (c < 0x800 || (c >= 0xD800 && c <= 0xDFFF)) return 0;
    *codepoint = c;
    return 3;
  }
  if (c > 0xF4 || left < 4) return 0;
  if ((s[1] & 0xC0) != 0x80 || (s[2] & 0xC0) != 0x80 || (s[3] & 0xC0) != 0x80) return 0;
  c = (c & 0x07) << 18 | (s[1] & 0x3Fu) << 12 | (s[2] & 0x3Fu) << 6 | (s[3] & 0x3Fu);
  if (c < 0x10000 || c > 0x10FFFF) return 0;
  *codepoint = c;
  return 4;
}

/*
 * Finds the first byte that is not part of well-formed UTF-8.
 *
 * text  May hold NUL.
 * Returns its offset, or text.n when all of the text is well formed. Thread-safe.
 */
size_t tlx_utf8_valid_prefix(tlx_str text);

/* How many code points well-formed UTF-8 holds. Thread-safe. */
size_t tlx_utf8_characters(tlx_str text);

#endif
