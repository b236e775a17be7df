#include "tlx_base64.h"

#define GROUP_BYTES 3
#define GROUP_CHARACTERS 4
#define NO_DIGIT 64

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t tlx_base64_size(size_t n) {
  return (n + GROUP_BYTES - 1) / GROUP_BYTES * GROUP_CHARACTERS;
}

/* Up to three bytes as a number of 24 bits. */
static unsigned bits_of(const unsigned char *bytes, size_t n) {
  unsigned bits = (unsigned)bytes[0] << 16;
  if (n > 1) bits |= (unsigned)bytes[1] << 8;
  if (n > 2) bits |= bytes[2];
  return bits;
}

void tlx_base64_encode(tlx_str bytes, char *out) {
  for (size_t i = 0; i < bytes.n; i += GROUP_BYTES) {
    size_t n = bytes.n - i;
    unsigned bits = bits_of((const unsigned char *)bytes.p + i, n);
    *out++ = DIGITS[bits >> 18];
    *out++ = DIGITS[bits >> 12 & 63];
    *out++ = (char)(n > 1 ? DIGITS[bits >> 6 & 63] : '=');
    *out++ = (char)(n > 2 ? DIGITS[bits & 63] : '=');
  }
}

static unsigned digit_of(char c) {
  if (c >= 'A' && c <= 'Z') return (unsigned)(c - 'A');
  if (c >= 'a' && c <= 'z') return (unsigned)(c - 'a') + 26;
  if (c >= '0' && c <= '9') return (unsigned)(c - '0') + 52;
  return c == '+' ? 62 : c == '/' ? 63 : NO_DIGIT;
}

static size_t count_padding(tlx_str text) {
  if (text.n == 0 || text.p[text.n - 1] != '=') return 0;
  return text.p[text.n - 2] == '=' ? 2 : 1;
}

/* Four characters, `n` of which are digits. Returns false where they are none, or bits that no byte
 * has are set. */
static bool read_group(const char *p, size_t n, unsigned *bits) {
  *bits = 0;
  for (size_t i = 0; i < GROUP_CHARACTERS; i++) {
    unsigned digit = i < n ? digit_of(p[i]) : 0;
    if (digit == NO_DIGIT) return false;
    *bits = *bits << 6 | digit;
  }
  unsigned n_unused = 8 * (unsigned)(GROUP_CHARACTERS - n);
  return (*bits & ((1U << n_unused) - 1)) == 0;
}

bool tlx_base64_decode(tlx_str text, unsigned char *out, size_t *n) {
  if (text.n % GROUP_CHARACTERS != 0) return false;
  size_t n_padding = count_padding(text);
  *n = text.n / GROUP_CHARACTERS * GROUP_BYTES - n_padding;
  for (size_t i = 0, at = 0; i < text.n; i += GROUP_CHARACTERS) {
    bool is_last = i + GROUP_CHARACTERS == text.n;
    size_t n_digits = GROUP_CHARACTERS - (is_last ? n_padding : 0);
    unsigned bits;
    if (!read_group(text.p + i, n_digits, &bits)) return false;
    for (size_t j = 0; j + 1 < n_digits; j++) out[at++] = (unsigned char)(bits >> (16 - 8 * j));
  }
  return true;
}
