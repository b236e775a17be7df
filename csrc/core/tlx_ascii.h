/*
 * What kind of character a byte is, of ASCII's. Locale plays no part. Thread-safe.
 */
#ifndef TLX_ASCII_H
#define TLX_ASCII_H

#include <string.h>

#include "tlx.h"

enum {
  TLX_ASCII_DIGIT = 1,
  TLX_ASCII_LETTER = 2,
  TLX_ASCII_HEX = 4, /* a digit of hexadecimal */
  TLX_ASCII_HYPHEN = 8,
  TLX_ASCII_UNDERSCORE = 16,
  TLX_ASCII_SPACE = 32, /* and no other white space */
  TLX_ASCII_NONE = 128, /* a byte of no ASCII character */
  TLX_ASCII_NAME = TLX_ASCII_LETTER | TLX_ASCII_DIGIT | TLX_ASCII_HYPHEN | TLX_ASCII_UNDERSCORE |
                   TLX_ASCII_NONE /* what labels of hosts are made of */
};

/* By byte. */
extern const unsigned char tlx_ascii_classes[256];

/* Whether the byte is of one of the classes. */
static inline bool tlx_ascii_is(char c, unsigned classes) {
  return (tlx_ascii_classes[(unsigned char)c] & classes) != 0;
}

/* Whether all are. */
static inline bool tlx_ascii_are(const char *p, size_t n, unsigned classes) {
  size_t i = 0;
  while (i < n && tlx_ascii_is(p[i], classes)) i++;
  return i == n;
}

/* Whether one is. */
static inline bool tlx_ascii_has(tlx_str s, unsigned classes) {
  for (size_t i = 0; i < s.n; i++) {
    if (tlx_ascii_is(s.p[i], classes)) return true;
  }
  return false;
}

/* Whether eight bytes are digits: each begins with 3, and six more does not carry it to 4. */
static inline bool tlx_ascii_are_eight_digits(const char *p) {
  const uint64_t ones = UINT64_C(0x0101010101010101);
  uint64_t word;
  memcpy(&word, p, sizeof word);
  return ((word & ones * 0xF0) | ((word + ones * 0x06) & ones * 0xF0) >> 4) == ones * 0x33;
}

/* Whether eight bytes are hexadecimal digits: in each, one of two ranges sets the highest bit. */
static inline bool tlx_ascii_are_eight_hex(const char *p) {
  const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
  uint64_t word;
  memcpy(&word, p, sizeof word);
  uint64_t seven = word & ~tops, lower = seven | ones * 0x20;
  uint64_t digits = (seven + ones * (0x80 - '0')) & ~(seven + ones * (0x80 - '9' - 1));
  uint64_t letters = (lower + ones * (0x80 - 'a')) & ~(lower + ones * (0x80 - 'f' - 1));
  return ((digits | letters) & ~word & tops) == tops;
}

#endif
