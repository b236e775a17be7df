#include "tlx_utf8.h"

#include <string.h>

/* Past ASCII, eight bytes at a time. */
static const char *skip_ascii(const char *p, const char *end) {
  for (uint64_t word; end - p >= 8; p += 8) {
    memcpy(&word, p, sizeof word);
    if (word & UINT64_C(0x8080808080808080)) break;
  }
  return p;
}

size_t tlx_utf8_valid_prefix(tlx_str text) {
  const char *end = text.p + text.n;
  const char *p = text.p;
  while ((p = skip_ascii(p, end)) < end) {
    uint32_t codepoint;
    size_t n = tlx_utf8_read(p, end, &codepoint);
    if (n == 0) break;
    p += n;
  }
  return (size_t)(p - text.p);
}
