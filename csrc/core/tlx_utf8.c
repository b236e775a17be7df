#include "tlx_utf8.h"

size_t tlx_utf8_valid_prefix(tlx_str text) {
  const char *end = text.p + text.n;
  const char *p = text.p;
  while (p < end) {
    uint32_t codepoint;
    size_t n = tlx_utf8_read(p, end, &codepoint);
    if (n == 0) break;
    p += n;
  }
  return (size_t)(p - text.p);
}
