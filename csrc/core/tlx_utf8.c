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

static bool is_ascii_word(const char *p) {
  uint64_t word;
  memcpy(&word, p, sizeof word);
  return (word & UINT64_C(0x8080808080808080)) == 0;
}

/* Whether it is ASCII from end to end, of eight bytes or more: the last eight perhaps twice. */
static bool is_ascii(tlx_str text) {
  const char *last = text.p + text.n - 8, *p = text.p;
  for (; last - p > 8; p += 16) {
    if (!is_ascii_word(p) || !is_ascii_word(p + 8)) return false;
  }
  return is_ascii_word(last) && (p >= last || is_ascii_word(p));
}

size_t tlx_utf8_valid_prefix(tlx_str text) {
  if (text.n >= 8 && is_ascii(text)) return text.n;
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

size_t tlx_utf8_characters(tlx_str text) {
  size_t n = 0;
  for (size_t i = 0; i < text.n; i++) {
    if (((unsigned char)text.p[i] & 0xC0) != 0x80) n++;
  }
  return n;
}
