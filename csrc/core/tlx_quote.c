#include "tlx_quote.h"

#include <stdio.h>
#include <string.h>

#include "tlx_utf8.h"

/* Writes what stands for the character at `p`; returns the bytes of it that were read. */
typedef size_t writer(const char *p, const char *end, char piece[8]);

static size_t quote_character(const char *p, const char *end, char piece[8]) {
  uint32_t codepoint = 0;
  size_t n = tlx_utf8_read(p, end, &codepoint);
  bool is_control = codepoint < 0x20 || (codepoint >= 0x7F && codepoint < 0xA0);
  if (n == 0 || is_control) {
    snprintf(piece, 8, "\\x%02X", (unsigned)(unsigned char)*p);
    return 1;
  }
  memcpy(piece, p, n);
  piece[n] = '\0';
  return n;
}

/* Writes as many of the characters as fit, with a NUL behind; returns what did not fit. */
static tlx_str write_characters(char *out, size_t room, tlx_str given, writer *write) {
  const char *p = given.p, *end = given.p + given.n;
  while (p < end) {
    char piece[8];
    size_t n_read = write(p, end, piece), n_piece = strlen(piece);
    if (n_piece >= room) break;
    memcpy(out, piece, n_piece);
    out += n_piece;
    room -= n_piece;
    p += n_read;
  }
  *out = '\0';
  return (tlx_str){ p, (size_t)(end - p) };
}

tlx_quoted tlx_quote(tlx_str given) {
  static const char ELLIPSIS[] = "…";
  tlx_quoted quoted = { "\"" };
  const size_t room = sizeof quoted.text - sizeof ELLIPSIS - 1;
  tlx_str rest = write_characters(quoted.text + 1, room, given, quote_character);
  size_t n = strlen(quoted.text);
  snprintf(quoted.text + n, sizeof quoted.text - n, "%s\"", rest.n ? ELLIPSIS : "");
  return quoted;
}

static size_t point_at_character(const char *p, const char *end, char piece[8]) {
  if (*p != '~' && *p != '/') return quote_character(p, end, piece);
  snprintf(piece, 8, "%s", *p == '~' ? "~0" : "~1");
  return 1;
}

tlx_pointer tlx_pointer_to(const char *parent, tlx_str name) {
  tlx_pointer pointer;
  int n = snprintf(pointer.text, sizeof pointer.text, "%s/", parent);
  write_characters(pointer.text + n, sizeof pointer.text - (size_t)n, name, point_at_character);
  return pointer;
}
