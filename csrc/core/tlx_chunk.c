#include "tlx_chunk.h"

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* Blanks, then nothing or extensions, which hold no control bytes. */
static bool is_well_ended(tlx_str rest) {
  size_t i = 0;
  while (i < rest.n && (rest.p[i] == ' ' || rest.p[i] == '\t')) i++;
  if (i < rest.n && rest.p[i] != ';') return false;
  return !tlx_has_control(rest);
}

bool tlx_chunk_size(tlx_str line, size_t *size) {
  size_t value = 0, i = 0;
  if (line.n < 2 || line.p[line.n - 2] != '\r') return false;
  line.n -= 2;
  for (; i < line.n && hex_digit(line.p[i]) >= 0; i++) {
    value = value > SIZE_MAX >> 4 ? SIZE_MAX : value << 4 | (size_t)hex_digit(line.p[i]);
  }
  if (i == 0 || !is_well_ended((tlx_str){ line.p + i, line.n - i })) return false;
  *size = value;
  return true;
}
