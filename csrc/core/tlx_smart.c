#include "tlx_smart.h"

#include <string.h>

#include "tlx_utf8.h"

size_t tlx_smart_encode(tlx_str text, char *out, size_t *replaced) {
  const char *end = text.p + text.n;
  size_t n_out = 0;
  *replaced = 0;
  for (const char *p = text.p; p < end;) {
    uint32_t codepoint = 0;
    size_t n = tlx_utf8_read(p, end, &codepoint);
    const char *piece = tlx_smart_replacement(codepoint);
    size_t n_piece = piece ? strlen(piece) : n;
    /* Bytes with a length: NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
    if (out) memcpy(out + n_out, piece ? piece : p, n_piece);
    *replaced += piece != NULL;
    n_out += n_piece;
    p += n;
  }
  return n_out;
}
